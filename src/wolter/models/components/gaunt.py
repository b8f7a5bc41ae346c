"""Thermally averaged free-free Gaunt factor.

For gamma² = Z² 13.58 eV/kT between 0.001 and 0.1 the polynomials of Kellogg, Baldwin & Koch (1975, ApJ 199, 299) to the
values of Karzas & Latter (1961, ApJS 6, 167), as multiples of the Born approximation; below, the Born approximation
itself; above, bilinear interpolation in the table of Kurucz (1970, SAO Special Report 309, p. 77) with the two
corrections by Molnar that XSPEC uses too.
"""

from __future__ import annotations

import numpy as np

from wolter.models.definitions import Array, Indices

__all__ = ["gaunt_factor"]

_RYDBERG_KEV = 0.01358

# Polynomial coefficients [power of u, gamma² node, range of u].
_POLYNOMIALS = np.array(
    [
        [
            [1.001, 1.004, 1.017, 1.036, 1.056, 1.121],
            [1.001, 1.005, 1.017, 1.046, 1.073, 1.115],
            [0.9991, 1.005, 1.03, 1.055, 1.102, 1.176],
            [0.997, 1.005, 1.035, 1.069, 1.134, 1.186],
            [0.9962, 1.004, 1.042, 1.1, 1.193, 1.306],
            [0.9874, 0.9962, 1.047, 1.156, 1.327, 1.485],
            [0.9681, 0.9755, 1.020, 1.208, 1.525, 1.965],
        ],
        [
            [0.3029, 0.1616, 0.04757, 0.013, 0.0049, -0.0032],
            [0.4905, 0.2155, 0.08357, 0.02041, 0.00739, 0.00029],
            [0.654, 0.2833, 0.08057, 0.03257, 0.00759, -0.00151],
            [1.029, 0.391, 0.1266, 0.05149, 0.01274, 0.00324],
            [0.9569, 0.4891, 0.1764, 0.05914, 0.01407, -0.00024],
            [1.236, 0.7579, 0.326, 0.1077, 0.028, 0.00548],
            [1.327, 1.017, 0.6017, 0.205, 0.0605, 0.00187],
        ],
        [
            [-1.323, -0.254, -0.01571, -0.001, -0.000184, 0.00008],
            [-4.762, -0.3386, -0.03571, -0.001786, -0.0003, 0.00001],
            [-6.349, -0.4206, -0.02571, -0.003429, -0.000234, 0.00005],
            [-13.231, -0.59, -0.04571, -0.005714, -0.000445, -0.00004],
            [-7.672, -0.6852, -0.0643, -0.005857, -0.00042, 0.00004],
            [-7.143, -0.9947, -0.12, -0.01007, -0.000851, -0.00004],
            [-3.175, -1.116, -0.2270, -0.01821, -0.001729, 0.00023],
        ],
    ]
)
_NODES = np.array([1.0, 1.7783, 3.0, 5.6234, 10.0, 30.0, 100.0])  # 1000 gamma²
_RANGES = np.array([0.03, 0.30, 1.0, 5.0, 15.0])  # upper limits of u
_SMALLEST_U = 0.003  # of the polynomials

# Kurucz's table [log10 u from -4 by 0.5, log10 gamma² from -1 by 0.5].
_KURUCZ = np.array(
    [
        [5.40, 5.25, 5.00, 4.69, 4.48, 4.16, 3.85],
        [4.77, 4.63, 4.40, 4.13, 3.87, 3.52, 3.27],
        [4.15, 4.02, 3.80, 3.57, 3.27, 2.98, 2.70],
        [3.54, 3.41, 3.22, 2.97, 2.70, 2.45, 2.20],
        [2.94, 2.81, 2.65, 2.44, 2.21, 2.01, 1.81],
        [2.41, 2.32, 2.19, 2.02, 1.84, 1.67, 1.50],
        [1.95, 1.90, 1.80, 1.68, 1.52, 1.41, 1.30],
        [1.55, 1.56, 1.51, 1.42, 1.33, 1.25, 1.17],
        [1.17, 1.30, 1.32, 1.30, 1.20, 1.15, 1.11],
        [0.86, 1.00, 1.15, 1.18, 1.15, 1.11, 1.08],
        [0.59, 0.76, 0.97, 1.09, 1.13, 1.10, 1.08],
        [0.38, 0.53, 0.76, 0.96, 1.08, 1.09, 1.09],
    ]
)


def gaunt_factor(u: Array, kt: Array, charge: int) -> Array:
    """Gaunt factor at u = E/kT.

    Parameters
    ----------
    u : ndarray [B, n]
        Photon energy over kT, positive.
    kt : ndarray [B]
        Temperature, keV.
    charge : int
        Of the ion.

    Returns
    -------
    ndarray [B, n]
    """
    gamma2 = charge * charge * _RYDBERG_KEV / kt
    out = np.empty_like(u)
    for rows, method in (
        (gamma2 > 0.1, _kurucz),
        ((gamma2 <= 0.1) & (gamma2 >= 1e-3), _polynomial),
        (gamma2 < 1e-3, _born_of),
    ):
        if rows.any():
            out[rows] = method(u[rows], gamma2[rows])
    return out


def _born_of(u: Array, gamma2: Array) -> Array:
    return _born(u)


def _born(u: Array) -> Array:
    """Born approximation (sqrt(3)/pi) exp(x) K0(x), x = u/2; K0 after Abramowitz & Stegun 9.8.5 and 9.8.6."""
    x = 0.5 * u
    small = x <= 2.0
    near = np.where(small, x, 2.0)
    half2 = 0.25 * near * near
    t2 = (near / 3.75) ** 2
    i0 = np.polynomial.polynomial.polyval(t2, [1.0, 3.5156229, 3.0899424, 1.2067492, 0.2659732, 0.0360768, 0.0045813])
    k0_near = -np.log(0.5 * near) * i0 + np.polynomial.polynomial.polyval(
        half2, [-0.57721566, 0.42278420, 0.23069756, 0.03488590, 0.00262698, 0.00010750, 0.00000740]
    )
    far = np.where(small, 2.0, x)
    k0_far = np.polynomial.polynomial.polyval(
        2.0 / far, [1.25331414, -0.07832358, 0.02189568, -0.01062446, 0.00587872, -0.00251540, 0.00053208]
    ) / np.sqrt(far)
    return 0.5513 * np.where(small, np.exp(near) * k0_near, k0_far)


def _polynomial(u: Array, gamma2: Array) -> Array:
    scaled = 1000.0 * gamma2
    born = _born(u)
    u = np.maximum(u, _SMALLEST_U)
    band = np.searchsorted(_RANGES, u)  # [B, n]
    node = np.clip(np.searchsorted(_NODES, scaled) - 1, 0, len(_NODES) - 2)[:, None]  # [B, 1]
    weight = (scaled[:, None] - _NODES[node]) / (_NODES[node + 1] - _NODES[node])

    def at(which: Indices) -> Array:
        c0, c1, c2 = (power[which, band] for power in _POLYNOMIALS)
        return c0 + u * (c1 + u * c2)

    return born * ((1.0 - weight) * at(node) + weight * at(node + 1))


def _kurucz(u: Array, gamma2: Array) -> Array:
    row = 2.0 * np.log10(u) + 8.0  # in units of the table's spacing, from its first entry
    column = 2.0 * np.log10(gamma2)[:, None] + 2.0
    # Beyond its ends the table is extrapolated from the outermost cell.
    i = np.clip(np.floor(row).astype(int), 0, _KURUCZ.shape[0] - 2)
    j = np.clip(np.floor(column).astype(int), 0, _KURUCZ.shape[1] - 2)
    s, t = row - i, column - j
    return (
        (1.0 - s) * (1.0 - t) * _KURUCZ[i, j]
        + (1.0 - s) * t * _KURUCZ[i, j + 1]
        + s * (1.0 - t) * _KURUCZ[i + 1, j]
        + s * t * _KURUCZ[i + 1, j + 1]
    )
