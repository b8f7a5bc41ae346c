"""Quantities at the edge, floats inside: conversions of public arguments to keV, s, deg, arcsec, cm².

`astropy.units` is not imported here (it takes 0.2 s): anything with ``unit`` and ``to_value`` is a Quantity.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wolter.errors import UnitError

__all__ = ["is_quantity", "to_arcsec", "to_deg", "to_kev", "to_range_kev", "to_seconds", "to_value"]

_EXAMPLES = {
    "keV": "2*u.keV",
    "s": "100*u.s",
    "deg": "30*u.deg",
    "arcsec": "60*u.arcsec",
    "cm2": "100*u.cm**2",
}


def is_quantity(value: Any) -> bool:
    """Whether a value carries a unit (an astropy Quantity or something that behaves like one)."""
    return hasattr(value, "unit") and hasattr(value, "to_value")


def to_value(value: Any, unit: str, name: str = "value", *, equivalencies: Any = None) -> Any:
    """Float or float64 array of a Quantity in the unit named.

    Parameters
    ----------
    value : Quantity
        Scalar or array with a unit.
    unit : str
        Unit wanted, as astropy spells it.
    name : str
        Name of the argument, for the error message.
    equivalencies : optional
        Passed on to astropy, e.g. ``u.spectral()``.

    Raises
    ------
    UnitError
        For a bare number or a unit of another kind.
    """
    if not is_quantity(value):
        example = _EXAMPLES.get(unit, f"1*u.Unit({unit!r})")
        raise UnitError(
            f"{name} has no unit (got {value!r}); a quantity convertible to {unit} is meant",
            cure=f"Write for example {example} (import astropy.units as u).",
        )
    try:
        out = value.to_value(unit, equivalencies=equivalencies or [])
    except Exception as exc:  # astropy's UnitConversionError, without importing astropy
        raise UnitError(
            f"{name} is in {value.unit}, which cannot be converted to {unit}",
            cure=f"Give {name} in {unit} or a unit of the same kind.",
        ) from exc
    return float(out) if np.ndim(out) == 0 else np.asarray(out, dtype=float)


def to_kev(value: Any, name: str = "energy") -> Any:
    """Energy in keV; wavelengths and frequencies are converted too."""
    try:
        return to_value(value, "keV", name)
    except UnitError:
        if not is_quantity(value):
            raise
        from astropy import units as u

        return to_value(value, "keV", name, equivalencies=u.spectral())


def to_range_kev(value: Any, name: str = "energy") -> tuple[float, float]:
    """Energy range (lo, hi) in keV, given as a pair of Quantities or a Quantity of length two; ascending."""
    try:
        lo, hi = value
    except TypeError as exc:
        raise UnitError(
            f"{name} must be a pair of energies, got {value!r}", cure="Write for example (2*u.keV, 8*u.keV)."
        ) from exc
    lo, hi = sorted((to_kev(lo, name), to_kev(hi, name)))
    if not lo < hi:
        raise UnitError(f"{name} range {lo}..{hi} keV is empty", cure="Give two different energies.")
    return lo, hi


def to_seconds(value: Any, name: str = "time") -> Any:
    """Time span in seconds."""
    return to_value(value, "s", name)


def to_deg(value: Any, name: str = "angle") -> Any:
    """Angle in degrees."""
    return to_value(value, "deg", name)


def to_arcsec(value: Any, name: str = "angle") -> Any:
    """Angle in arcseconds."""
    return to_value(value, "arcsec", name)
