"""Photoelectric cross-sections after Balucinska-Church & McCammon (1992), XSPEC's sets ``bcmc`` and ``obcm``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from wolter.models.absorption.gas import RESONANCES, helium
from wolter.models.absorption.tables import read_records

__all__ = ["bin_cross_section", "helium_marr_west"]

Array = npt.NDArray[np.float64]

_LN_BARN = float(np.float32(55.26204))  # -ln(1e-24), as rounded in XSPEC
_ANGSTROM_EV = 12398.54
_HELIUM_LIMIT = 503.97  # Angstrom
# A cross-section per gram times the mass of a helium atom, as the authors' tables are kept; the product is nearly 1.
_HELIUM_FACTOR = 6.022045e23 / 4.0026 * float(np.exp(-_LN_BARN)) * 6.646

# Marr & West 1976, ADNDT 18, 497: log10 of the cross-section in cm^2 in powers of log10 of the wavelength in Angstrom,
# longwards and shortwards of 46 A.
_MARR_WEST_LONG = (
    -29.53607, 7.083061, 0.8678646, -1.221932, 0.04052997, 0.1317109, -0.03265795, 0.002500933,
)  # fmt: skip
_MARR_WEST_SHORT = (
    -24.65188, 4.354679, -3.553024, 5.573040, -5.872938, 3.720797, -1.226919, 0.1576657,
)  # fmt: skip


@dataclass(frozen=True)
class _Element:
    mass: float  # 1e-24 g
    limits: Array  # eV, range k is limits[k] .. limits[k + 1]
    coefficients: Array  # [ranges, 9]


@cache
def _elements() -> dict[str, _Element]:
    rows: dict[str, list[dict[str, str]]] = {}
    for row in read_records("balucinska.csv"):
        rows.setdefault(row["element"], []).append(row)
    return {
        name: _Element(
            float(np.float32(ranges[0]["mass"])),
            np.array([float(r["e_lo"]) for r in ranges] + [np.inf]),
            np.array([[float(r[f"c{k}"]) for k in range(9)] for r in ranges]),
        )
        for name, ranges in rows.items()
    }


def helium_marr_west(energy: Array) -> Array:
    """Helium in Mb at energies in eV ``[n]``: Marr & West 1976 with the autoionising states of Oza 1986 (``obcm``)."""
    wavelength = _ANGSTROM_EV / energy
    x = np.log10(wavelength)
    long = np.polynomial.polynomial.polyval(x, _MARR_WEST_LONG)
    rydbergs = 911.2671 / wavelength
    for q, nu, gamma in RESONANCES:
        t = 2.0 * (rydbergs - 3.0 + 1.0 / (nu * nu) - 1.807317) / gamma
        long += np.log10((t - q) ** 2 / (1.0 + t * t))
    y = np.where(wavelength < 46.0, np.polynomial.polynomial.polyval(x, _MARR_WEST_SHORT), long)
    return np.where(wavelength > _HELIUM_LIMIT, 0.0, 10.0 ** (y + 18.0))


def _helium(lo: Array, hi: Array, old: bool) -> Array:
    middle = 0.5 * (lo + hi)
    sigma = helium_marr_west(middle) if old else np.where(_ANGSTROM_EV / middle > _HELIUM_LIMIT, 0.0, helium(middle))
    return sigma * _HELIUM_FACTOR


def _exponent(element: _Element, k: npt.NDArray[np.intp], energy: Array) -> Array:
    """Polynomial of range k in ln E."""
    x = np.log(energy)
    c = element.coefficients[k]
    total = c[:, 8]
    for i in range(7, -1, -1):
        total = total * x + c[:, i]
    return total


def bin_cross_section(element: str, edges: Array, *, old_helium: bool = False) -> Array:
    """Cross-section of an element for every bin of a grid, by XSPEC's rule.

    Parameters
    ----------
    element : str
        Symbol.
    edges : array
        Bin edges in eV, ascending and positive, ``[n + 1]``.
    old_helium : bool
        Helium of Marr & West 1976 (``obcm``) instead of Yan et al. 1998 (``bcmc``).

    Returns
    -------
    array
        Mb, ``[n]``. In a bin without an absorption edge that is the value at its middle. In a bin with one the
        exponents (not the cross-sections) of the parts on either side are averaged, weighted by their widths.
    """
    lo, hi = edges[:-1], edges[1:]
    if element == "He":
        return _helium(lo, hi, old_helium)
    data = _elements()[element]
    inner = data.limits[1:-1]
    first = np.searchsorted(inner, lo, side="right")
    last = np.searchsorted(inner, hi, side="right")
    middle = 0.5 * (lo + hi)
    exponent = _exponent(data, first, middle)
    for i in np.nonzero(last > first)[0]:
        cuts = np.concatenate(([lo[i]], inner[first[i] : last[i]], [hi[i]]))
        parts = _exponent(data, np.arange(first[i], last[i] + 1), 0.5 * (cuts[1:] + cuts[:-1]))
        exponent[i] = (parts * np.diff(cuts)).sum() / (hi[i] - lo[i])
    return 1e18 * np.exp(exponent - 3.0 * np.log(middle) - _LN_BARN) * data.mass
