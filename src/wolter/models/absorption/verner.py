"""Photoionisation cross-sections of neutral atoms after Verner & Yakovlev (1995) and Verner et al. (1996).

The fits are evaluated in single precision, step by step in the order of the authors' own routine. That is how XSPEC
evaluates them (its TBabs calls a REAL*4 function), and its values can only be met to 1e-7 that way: exp(-tau) turns a
rounding of 2e-7 in the cross-section into 5e-6 at tau = 25. The fits themselves are good to some per cent.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from wolter.errors import ModelError
from wolter.models.absorption.tables import read_records

__all__ = ["SUBSHELL_ELEMENTS", "cross_section", "subshells"]

Array = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]

SUBSHELL_ELEMENTS: tuple[str, ...] = (
    "H", "He", "C", "N", "O", "Ne", "Na", "Mg", "Al", "Si", "S", "Cl", "Ar", "Ca", "Cr", "Fe", "Co", "Ni",
)  # fmt: skip
"""Elements that absorb in XSPEC's models, in the order of their parameters."""

_HALF, _ONE, _POWER = np.float32(0.5), np.float32(1), np.float32(5.5)


@dataclass(frozen=True, slots=True)
class Subshell:
    """One fit: a subshell of an element in a range of photon energies (eV); names as in the papers, sigma_0 in Mb."""

    z: int
    shell: str
    year: int
    e_lo: np.float32
    e_hi: np.float32
    e_0: np.float32
    sigma_0: np.float32
    y_a: np.float32
    p: np.float32
    y_w: np.float32
    y_0: np.float32
    y_1: np.float32
    l: np.float32  # noqa: E741 - orbital quantum number, the papers' letter

    def evaluate(self, energy: Single) -> Single:
        """Cross-section in Mb at energies (eV, single precision) inside the range of the fit.

        Notes
        -----
        1995, eq. 1: sigma = sigma_0 [(y-1)^2 + y_w^2] y^(p/2 - l - 5.5) (1 + sqrt(y/y_a))^-p with y = E/E_0.
        1996, eq. 1: the same with l = 0, x = E/E_0 - y_0 in the bracket, and y = sqrt(x^2 + y_1^2).
        """
        if self.year == 1995:
            x = y = energy / self.e_0
            q = _HALF * self.p - self.l - _POWER
        else:
            x = energy / self.e_0 - self.y_0
            y = np.sqrt(x * x + self.y_1 * self.y_1)
            q = _HALF * self.p - _POWER
        bracket = self.sigma_0 * ((x - _ONE) ** 2 + self.y_w * self.y_w)
        return bracket * _power(y, q) * _power(np.sqrt(y / self.y_a) + _ONE, -self.p)


def _power(base: Single, exponent: np.float32) -> Single:
    """Power of single-precision numbers, correctly rounded (NumPy's own differs between processors)."""
    return (base.astype(np.float64) ** float(exponent)).astype(np.float32)


@cache
def subshells(element: str) -> tuple[Subshell, ...]:
    """All fits of an element, shell by shell.

    Raises
    ------
    ModelError
        For an element without a table.
    """
    if element not in SUBSHELL_ELEMENTS:
        raise ModelError(
            f"there are no cross-sections of {element!r}", cure=f"Known are {', '.join(SUBSHELL_ELEMENTS)}."
        )
    return _all_subshells()[element]


@cache
def _all_subshells() -> dict[str, tuple[Subshell, ...]]:
    out: dict[str, list[Subshell]] = {element: [] for element in SUBSHELL_ELEMENTS}
    numbers = ("e_lo", "e_hi", "e_0", "sigma_0", "y_a", "p", "y_w", "y_0", "y_1", "l")
    for row in read_records("verner.csv"):
        values = {name: np.float32(row[name]) for name in numbers}
        out[row["element"]].append(Subshell(int(row["z"]), row["shell"], int(row["fit"]), **values))
    return {element: tuple(fits) for element, fits in out.items()}


def cross_section(element: str, energy: Array) -> Array:
    """Photoionisation cross-section of a neutral atom in its ground state, sum over its subshells.

    Parameters
    ----------
    element : str
        Symbol, one of `SUBSHELL_ELEMENTS`.
    energy : array
        Photon energies in eV, ascending, ``[n]``.

    Returns
    -------
    array
        Mb (1e-18 cm²), ``[n]``.
    """
    single = energy.astype(np.float32)
    total = np.zeros(len(single))
    for fit in subshells(element):
        first, last = np.searchsorted(single, (fit.e_lo, fit.e_hi))
        if first < last:
            total[first:last] += fit.evaluate(single[first:last])
    return total
