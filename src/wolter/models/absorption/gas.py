"""Cross-sections of hydrogen, helium and the hydrogen molecule that are better than fits per subshell."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["RESONANCES", "helium", "hydrogen", "molecular_hydrogen"]

Array = npt.NDArray[np.float64]

_LYMAN = 13.599
_HELIUM_EDGE = 24.58
_MOLECULE_EDGE = 15.4
_RYDBERG = 13.598

# Yan, Sadeghpour & Dalgarno 1998, eq. 14 and table 4: powers of (edge/E)^(1/2).
_YAN_HELIUM = (1.0, -4.7416, 14.8200, -30.8678, 37.3584, -23.4585, 5.9133)
# Fano profiles (q, nu, gamma) of the four strongest autoionising states, 2s2p 1P and up: q of Fernley, Taylor &
# Seaton 1987, J. Phys. B 20, 6457; nu and gamma (Rydberg) of Oza 1986, Phys. Rev. A 33, 824.
RESONANCES = (
    (2.81, 1.610, 2.64061e-3),
    (2.51, 2.795, 6.20116e-4),
    (2.45, 3.817, 2.56061e-4),
    (2.44, 4.824, 1.320159e-4),
)
_SECOND_LIMIT = 3.0 + 1.807317  # Rydberg above the ground state; the He+ n = 2 threshold minus 1/nu^2 is a resonance


def _polynomial(x: Array, coefficients: tuple[float, ...]) -> Array:
    total = np.full_like(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        total = total * x + c
    return total


def hydrogen(energy: Array) -> Array:
    """Atomic hydrogen in Mb at ascending energies in eV ``[n]``: Band et al. 1990, A&A 237, 267.

    sigma = 605 Mb y^(-3/2) (1 + sqrt(y))^-4 with y = 2E/E_1s.
    """
    out = np.zeros(len(energy))
    first = int(np.searchsorted(energy, _LYMAN))
    y = 2.0 * energy[first:] / _LYMAN
    out[first:] = 605.0 / (y**1.5 * (1.0 + np.sqrt(y)) ** 4)
    return out


def helium(energy: Array) -> Array:
    """Helium in Mb at ascending energies in eV ``[n]``: Yan et al. 1998, ApJ 496, 1044, with autoionisation.

    sigma = 733 barn E_keV^-3.5 sum_i a_i (24.58 eV/E)^(i/2), times four Fano profiles.
    """
    out = np.zeros(len(energy))
    first = int(np.searchsorted(energy, _HELIUM_EDGE))
    e = energy[first:]
    sigma = 733e-6 * (e / 1000.0) ** -3.5 * _polynomial(np.sqrt(_HELIUM_EDGE / e), _YAN_HELIUM)
    for q, nu, gamma in RESONANCES:
        x = 2.0 * (e / _RYDBERG - (_SECOND_LIMIT - 1.0 / (nu * nu))) / gamma
        sigma *= (x - q) ** 2 / (1.0 + x * x)
    out[first:] = sigma
    return out


def molecular_hydrogen(energy: Array) -> Array:
    """Molecular hydrogen in Mb per molecule at ascending energies in eV ``[n]``.

    Yan et al. 1998, ApJ 496, 1044 (their original coefficients below 30 eV, since those of the erratum, ApJ 559,
    1194, give negative values), between 30 and 85 eV Wilms, Allen & McCray 2000, ApJ 542, 914.
    """
    out = np.zeros(len(energy))
    a = int(np.searchsorted(energy, _MOLECULE_EDGE, side="right"))
    b, c, d = (int(i) for i in np.searchsorted(energy, (18.0, 30.0, 85.0)))
    x = energy / _MOLECULE_EDGE
    out[a:b] = 1e2 * _polynomial(x[a:b], (-37.895, 99.723, -87.227, 25.4))
    out[b:c] = 20.0 * x[b:c] ** -0.252 * _polynomial(1.0 / x[b:c], (0.071, -0.673, 1.977, -0.692))
    out[c:d] = _polynomial(1.0 / x[c:d], (0.664, -11.768, 78.118, -231.339, 368.053, -189.953))
    far = (1.0, -2.003, -4.806, 50.577, -171.044, 231.608, -81.885)
    out[d:] = 45.57e-6 * (energy[d:] / 1000.0) ** -3.5 * _polynomial(1.0 / np.sqrt(x[d:]), far)
    return out
