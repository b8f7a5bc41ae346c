"""Absorption by the interstellar medium after Wilms, Allen & McCray (2000, ApJ 542, 914): gas, molecules and grains.

This is TBabs version 2 (2016): the paper's model with cross-sections of high resolution around the K edges of oxygen
and neon and the L edges of iron. It always uses the cross-sections of Verner et al., whatever the setting.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from wolter.models.absorption import gas, verner
from wolter.models.absorption.slabs import ABSORBERS, remembered
from wolter.models.absorption.tables import read_numbers

__all__ = ["DEPLETION", "GAS_ONLY", "Grains", "effective_cross_section", "species"]

Array = npt.NDArray[np.float64]

_ATOMIC_MASS = 1.6605655e-24  # g
_WEIGHTS = np.array([1, 4, 12, 14, 16, 20, 23, 24, 27, 28, 32, 35, 40, 40, 52, 56, 59, 59], dtype=float)
_UPPER_LIMIT = 100e3  # eV
_MEGABARN = 1e-18  # cm^2
_FEW, _MANY = 16, 64  # nodes of the quadrature over grain sizes, for grains that are transparent or black
_BLACK = 3.0  # optical depth of the largest grain beyond which many are needed

DEPLETION = np.array([1, 1, 0.5, 1, 0.6, 1, 0.25, 0.2, 0.02, 0.1, 0.6, 0.5, 1, 0.003, 0.03, 0.3, 0.05, 0.04])
"""Fraction of each of the eighteen elements that is gas, the rest being in grains (paper, table 2)."""
DEPLETION.setflags(write=False)


@dataclass(frozen=True, slots=True)
class Grains:
    """Size distribution n(a) ~ a^-index of spherical grains between two radii (paper, section 2.3).

    Parameters
    ----------
    density : float
        g/cm³; zero means no grains at all: what would be in them counts as gas.
    a_min, a_max : float
        Radii in micrometres; equal ones mean grains of one size.
    index : float
        Exponent without its minus sign (Mathis, Rumpl & Nordsieck 1977: 3.5).
    """

    density: float = 1.0
    a_min: float = 0.025
    a_max: float = 0.25
    index: float = 3.5


GAS_ONLY = Grains(density=0.0)


def _tabulated(element: str, table: str, energy: Array) -> Array:
    """Verner's cross-section with a tabulated piece in the middle, linear interpolation there. Mb."""
    data = _edge_table(table)
    first = int(np.searchsorted(energy, data["energy"][0]))
    last = int(np.searchsorted(energy, data["energy"][-1], side="right"))
    out = verner.cross_section(element, energy)
    out[first:last] = np.interp(energy[first:last], data["energy"], data["sigma"])
    return out


@cache
def _edge_table(name: str) -> dict[str, Array]:
    return read_numbers(name)


def _iron(energy: Array) -> Array:
    """Iron: table of the L edges, a power law from there to 795 eV that leads over to Verner's. Mb."""
    out = _tabulated("Fe", "iron_l.csv", energy)
    end = _edge_table("iron_l.csv")["energy"][-1]
    first, last = np.searchsorted(energy, (end, 795.0), side="right")
    out[first:last] = 1.645 * (energy[first:last] / 720.74) ** -3.2
    return out


def _at_energies(energy: Array) -> Array:
    """Cross-sections ``[19, n]`` in Mb of the eighteen elements and H2 at ascending energies in eV."""
    out = np.zeros((len(ABSORBERS) + 1, len(energy)))
    last = int(np.searchsorted(energy, _UPPER_LIMIT))
    energy = energy[:last]
    for row, element in zip(out, ABSORBERS, strict=False):
        if element == "H":
            row[:last] = gas.hydrogen(energy)
        elif element == "He":
            row[:last] = gas.helium(energy)
        elif element == "O":
            row[:last] = _tabulated(element, "oxygen_k.csv", energy)
        elif element == "Ne":
            row[:last] = _tabulated(element, "neon_k.csv", energy)
        elif element == "Fe":
            row[:last] = _iron(energy)
        else:
            row[:last] = verner.cross_section(element, energy)
    out[-1, :last] = gas.molecular_hydrogen(energy)
    return out


def species(edges: Array, redshift: float) -> Array:
    """Cross-sections of the eighteen elements and of H2 per bin: the mean of the values at its two edges.

    Parameters
    ----------
    edges : array
        Bin edges in keV, ascending, ``[n + 1]``.
    redshift : float
        The absorber sees photons of energy (1 + redshift) E.

    Returns
    -------
    array
        Mb, ``[19, n]``, read-only; zero from 100 keV on.
    """

    def compute() -> Array:
        sigma = _at_energies(edges * (1000.0 * (1.0 + redshift)))
        return 0.5 * (sigma[:, 1:] + sigma[:, :-1])

    return remembered("species", edges, redshift, compute)


@cache
def _quadrature(number: int) -> tuple[Array, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(number)
    return nodes, 0.5 * weights


def _sizes(grains: Grains, nodes: Array) -> Array:
    """Radii in cm at which the mean over the mass distribution is taken, for Gauss-Legendre nodes on -1..1.

    Mass is distributed as a^(3 - index) da, evenly in u = a^(4 - index), or in ln a if index = 4.
    """
    lo, hi = max(grains.a_min, 1e-9) * 1e-4, max(grains.a_max, 1e-9) * 1e-4
    k = 4.0 - grains.index
    if abs(k) < 1e-6:
        u0, u1 = np.log(lo), np.log(hi)
        return np.exp(0.5 * (u1 + u0) + 0.5 * (u1 - u0) * nodes)
    u0, u1 = lo**k, hi**k
    return (0.5 * (u1 + u0) + 0.5 * (u1 - u0) * nodes) ** (1.0 / k)


def _grain_cross_section(mean: Array, mass: float, number: float, grains: Grains) -> Array:
    """Cross-section of the grains in cm² per hydrogen atom ``[n]``, with their shadowing of themselves.

    A grain of radius a absorbs pi a² (1 - exp(-s a)) with s = 4/3 density/(mean atomic mass) sigma (paper, eq. A2).
    Integrated over the sizes and normalised to the mass in grains that is the mean over the mass of
    (1 - exp(-s a))/a times mass/(4/3 density); the paper writes the integral with incomplete gamma functions (A7).
    """
    s = 4.0 / 3.0 * grains.density / (mass / number) * mean
    blackest = float(s.max(initial=0.0)) * max(grains.a_min, grains.a_max) * 1e-4
    nodes, weights = _quadrature(_FEW if blackest < _BLACK else _MANY)
    radius = _sizes(grains, nodes)
    shadowed = -np.expm1(-radius[:, None] * s) / radius[:, None]
    return mass / (4.0 / 3.0 * grains.density) * (weights @ shadowed)


def effective_cross_section(
    sigma: Array, abundance: Array, depletion: Array, molecular: float, grains: Grains
) -> Array:
    """Cross-section of the interstellar medium per hydrogen atom.

    Parameters
    ----------
    sigma : array
        Of the species in Mb, ``[19, n]``, see `species`.
    abundance : array
        By number relative to hydrogen, ``[18]``.
    depletion : array
        Fraction of each element that is gas, ``[18]``; limited to 0..1.
    molecular : float
        Fraction of the hydrogen atoms that are bound in molecules; limited to 0..1.
    grains : Grains
        Their sizes.

    Returns
    -------
    array
        cm², ``[n]``.
    """
    molecular = min(max(molecular, 0.0), 1.0)
    solid = np.clip(1.0 - depletion, 0.0, 1.0) if grains.density > 0 else np.zeros(len(abundance))
    dust = abundance * solid
    weights = np.empty(len(abundance) + 1)
    weights[:-1] = abundance * (1.0 - solid)
    weights[-1] = 0.5 * molecular * weights[0]
    weights[0] *= 1.0 - molecular
    total = weights @ sigma * _MEGABARN
    number = float(dust.sum())
    if number > 0:
        mass = float(dust @ _WEIGHTS) * _ATOMIC_MASS
        total += _grain_cross_section(dust @ sigma[:-1] / number * _MEGABARN, mass, number, grains)
    return total
