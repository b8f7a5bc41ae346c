"""Integrals over energy bins without SciPy: analytic power laws and Gauss-Legendre for exponentials.

Many photon spectra are the exponential of a sum of a few functions of energy, each times a parameter. Their
exponent for all rows of a batch and all nodes of all bins is one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from wolter.models.definitions import Array

__all__ = ["exponential_integral", "gauss_legendre", "power_integral"]

_SMALL_INDEX = 1e-3
# Gauss-Legendre with m points on exp(z t), -1 <= t <= 1, is wrong by about
# z^(2m) 2^(2m) (m!)^4 / ((2m + 1) ((2m)!)^3) relative (Abramowitz & Stegun 1964, 25.4.30). The limits of z keep that
# below 1e-11.
_ORDERS: tuple[tuple[float, int], ...] = ((0.08, 3), (0.9, 6), (4.9, 12))
_LAST_LIMIT, _LAST_ORDER = _ORDERS[-1]
_MAX_PARTS = 256


@cache
def gauss_legendre(order: int, parts: int = 1) -> tuple[Array, Array]:
    """Nodes and weights [order * parts] on (-1, 1), composite over equal parts; the weights sum to 2."""
    x, w = np.polynomial.legendre.leggauss(order)
    centres = (2.0 * np.arange(parts) + 1.0) / parts - 1.0
    nodes = (centres[:, None] + x / parts).ravel()
    weights = np.tile(w / parts, parts)
    nodes.flags.writeable = weights.flags.writeable = False
    return nodes, weights


def power_integral(edges: Array, index: Array) -> Array:
    """Integral of E^-index over each bin.

    Parameters
    ----------
    edges : ndarray [n + 1]
        Ascending positive energies, keV.
    index : ndarray [B]
        Photon index of each row.

    Returns
    -------
    ndarray [B, n]
        ``(hi^(1 - index) - lo^(1 - index)) / (1 - index)``, and the logarithm of hi/lo for index 1.
    """
    log_e = np.log(edges)
    a = 1.0 - index[:, None]
    power = np.exp(a * log_e)
    small = np.abs(a) < _SMALL_INDEX
    if not small.any():
        out = power[:, 1:] - power[:, :-1]
        out /= a
        return out
    # Near index 1 the difference cancels; lo^a expm1(a ln(hi/lo))/a does not.
    out = power[:, 1:] - power[:, :-1]
    out /= np.where(small, 1.0, a)
    rows = np.nonzero(small[:, 0])[0]
    width = np.diff(log_e)
    near = a[rows] * width
    ratio = np.where(np.abs(a[rows]) < 1e-10, width, np.expm1(near) / np.where(a[rows] == 0, 1.0, a[rows]))
    out[rows] = power[rows, :-1] * ratio
    return out


def exponential_integral(
    edges: Array,
    coefficients: Array,
    basis: Callable[[Array], Array],
    slope: Callable[[Array], Array],
) -> Array:
    """Integral over each bin of exp(sum of coefficients times basis functions), by Gauss-Legendre in ln E.

    Parameters
    ----------
    edges : ndarray [n + 1]
        Ascending positive energies, keV.
    coefficients : ndarray [B, K]
        Of the basis functions, for each row.
    basis : callable
        ``basis(log_e[m]) -> [K, m]``, the functions at energies whose natural logarithm is given. The integrand is
        per keV; the factor E for integration in ln E is added here.
    slope : callable
        ``slope(log_e[n]) -> [n]``, an upper limit over the batch of |d ln(E integrand)/d ln E|; it sets the order.

    Returns
    -------
    ndarray [B, n]
        Integrals, to about 1e-11 relative.
    """
    log_e = np.log(edges)
    half = 0.5 * np.diff(log_e)
    centre = log_e[:-1] + half
    steepness = half * np.maximum(slope(log_e[:-1]), slope(log_e[1:]))
    top = float(steepness.max(initial=0.0))
    for limit, order in _ORDERS:
        if top <= limit:
            return _gauss(centre, half, coefficients, basis, order, 1)
    out = np.empty((len(coefficients), len(half)))
    todo = np.ones(len(half), dtype=bool)
    for limit, order in _ORDERS:
        bins = todo & (steepness <= limit)
        if bins.any():
            out[:, bins] = _gauss(centre[bins], half[bins], coefficients, basis, order, 1)
            todo &= ~bins
    if todo.any():
        parts = min(int(np.ceil(top / _LAST_LIMIT)), _MAX_PARTS)
        out[:, todo] = _gauss(centre[todo], half[todo], coefficients, basis, _LAST_ORDER, parts)
    return out


def _gauss(
    centre: Array, half: Array, coefficients: Array, basis: Callable[[Array], Array], order: int, parts: int
) -> Array:
    nodes, weights = gauss_legendre(order, parts)
    at = centre + half * nodes[:, None]  # [m, n]
    exponent = coefficients @ basis(at.ravel())
    exponent += at.ravel()
    values = np.exp(exponent, out=exponent).reshape(len(coefficients), len(nodes), len(half))
    return np.einsum("bmn,m->bn", values, weights) * half
