"""Lengths and angles at the distance of a source."""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any

import numpy as np

from wolter.errors import DataError, UnitError
from wolter.units import is_quantity, to_deg

__all__ = ["Scale"]


@cache
def _usual_cosmology() -> Any:
    """Made once: astropy takes 10 ms for it, more than for all that is measured of a source."""
    from astropy.cosmology import FlatLambdaCDM

    return FlatLambdaCDM(70, 0.3)  # type: ignore[call-arg]


class Scale:
    """What an angle is at a redshift.

    Parameters
    ----------
    redshift : float or None
    cosmology : astropy cosmology, optional
        By default H0 = 70 km/s/Mpc, Omega_m = 0.3, Omega_Lambda = 0.7.

    Raises
    ------
    DataError
        If the redshift is not a positive number.
    """

    def __init__(self, redshift: float | None, cosmology: Any = None) -> None:
        if redshift is not None and not (np.isfinite(redshift) and redshift > 0):
            raise DataError(
                f"the redshift is {redshift}; lengths have no meaning there",
                cure="Give a positive redshift, or none and angles for radii.",
            )
        self.redshift = None if redshift is None else float(redshift)
        self._cosmology = cosmology

    @property
    def cosmology(self) -> Any:
        """The cosmology."""
        return _usual_cosmology() if self._cosmology is None else self._cosmology

    @cached_property
    def kpc_per_deg(self) -> float:
        """Proper length of a degree.

        Raises
        ------
        DataError
            Without a redshift.
        """
        if self.redshift is None:
            raise DataError("lengths need a redshift", cure="Declare the source with redshift=, or give an angle.")
        return float(self.cosmology.kpc_proper_per_arcmin(self.redshift).to_value("kpc / deg"))

    def angle(self, radius: Any) -> float:
        """Degrees of an angle or a length.

        Raises
        ------
        UnitError
            If it is neither.
        DataError
            If it is not positive, or a length without a redshift.
        """
        if not is_quantity(radius):
            raise UnitError(
                f"the radius {radius!r} has no unit; an angle or a length is meant",
                cure="Write for example 60*u.arcsec or 300*u.kpc (import astropy.units as u).",
            )
        if radius.unit.is_equivalent("kpc"):
            value = float(radius.to_value("kpc")) / self.kpc_per_deg
        else:
            value = to_deg(radius, "radius")
        if not (np.isfinite(value) and value > 0):
            raise DataError(f"the radius is {radius}; it must be positive")
        return float(value)

    def length(self, degrees: float) -> float:
        """kpc of an angle in degrees."""
        return degrees * self.kpc_per_deg
