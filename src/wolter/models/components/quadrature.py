"""Integrals over energy bins without SciPy: analytic power laws and Gauss-Legendre for exponentials.

Many photon spectra are the exponential of a sum of a few functions of energy, each times a parameter. Their
exponent for all rows of a batch and all nodes of all bins is one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from wolter.models.definitions import Array, Indices

__all__ = [
    "bin_integral",
    "edge_mean",
    "exponential_integral",
    "gauss_legendre",
    "power_integral",
    "trapezoid",
]

_SMALL_INDEX = 1e-3
# Gauss-Legendre with m points on exp(z t), -1 <= t <= 1, is wrong by about
# z^(2m) 2^(2m) (m!)^4 / ((2m + 1) ((2m)!)^3) relative (Abramowitz & Stegun 1964, 25.4.30). The limits of z keep that
# below 1e-11.
_ORDERS: tuple[tuple[float, int], ...] = ((0.08, 3), (0.9, 6), (4.9, 12))
_LAST_LIMIT, _LAST_ORDER = _ORDERS[-1]
_MAX_PARTS = 256
_LARGEST_EXPONENT = 690.0


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
    edges : ndarray [n + 1] or [B, n + 1]
        Ascending positive energies, keV, the same for all rows or not.
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
    out = power[:, 1:] - power[:, :-1]
    small = np.abs(a[:, 0]) < _SMALL_INDEX
    if not small.any():
        out /= a
        return out
    out /= np.where(small[:, None], 1.0, a)
    # Near index 1 the difference cancels; lo^a expm1(a ln(hi/lo))/a does not.
    rows = np.nonzero(small)[0]
    a = a[rows]
    width = np.diff(np.broadcast_to(log_e, power.shape)[rows], axis=1)
    ratio = np.where(np.abs(a) < 1e-10, width, np.expm1(a * width) / np.where(a == 0.0, 1.0, a))
    out[rows] = power[rows, :-1] * ratio
    return out


def trapezoid(edges: Array, values: Array) -> Array:
    """Trapezoidal integral [B, n] over each bin of values [B, n + 1] at the edges [n + 1] or [B, n + 1]."""
    return 0.5 * (values[..., 1:] + values[..., :-1]) * np.diff(edges, axis=-1)


def edge_mean(values: Array) -> Array:
    """Mean [B, n] of the values [B, n + 1] at the two edges of each bin: XSPEC's average of most factors."""
    return 0.5 * (values[:, 1:] + values[:, :-1])


def bin_integral(edges: Array, integrand: Callable[[Array], Array], slope: Callable[[Array], Array]) -> Array:
    """Integral over each bin by Gauss-Legendre in ln E, of an order chosen from the steepness of the integrand.

    Parameters
    ----------
    edges : ndarray [n + 1]
        Ascending positive energies, keV.
    integrand : callable
        ``integrand(log_e[m]) -> [B, m]``, E times the function at energies whose natural logarithm is given.
    slope : callable
        ``slope(log_e[n]) -> [n]``, an upper limit over the batch of |d ln(integrand)/d ln E|.

    Returns
    -------
    ndarray [B, n]
        Integrals, to about 1e-11 relative for an integrand that is locally close to an exponential of ln E.
    """
    log_e = np.log(edges)
    half = 0.5 * np.diff(log_e)
    centre = log_e[:-1] + half
    steepness = half * np.maximum(slope(log_e[:-1]), slope(log_e[1:]))
    top = float(steepness.max(initial=0.0))
    for limit, order in _ORDERS:
        if top <= limit:
            return _gauss(centre, half, integrand, order, 1)
    pieces: list[tuple[Indices, Array]] = []
    todo = np.ones(len(half), dtype=bool)
    for limit, order in _ORDERS:
        bins = np.nonzero(todo & (steepness <= limit))[0]
        if len(bins):
            pieces.append((bins, _gauss(centre[bins], half[bins], integrand, order, 1)))
            todo[bins] = False
    bins = np.nonzero(todo)[0]
    if len(bins):
        parts = min(int(np.ceil(top / _LAST_LIMIT)), _MAX_PARTS)
        pieces.append((bins, _gauss(centre[bins], half[bins], integrand, _LAST_ORDER, parts)))
    out = np.empty((len(pieces[0][1]), len(half)))
    for bins, values in pieces:
        out[:, bins] = values
    return out


def _gauss(centre: Array, half: Array, integrand: Callable[[Array], Array], order: int, parts: int) -> Array:
    nodes, weights = gauss_legendre(order, parts)
    at = centre + half * nodes[:, None]  # [m, n]
    values = integrand(at.ravel())
    return np.einsum("bmn,m->bn", values.reshape(len(values), *at.shape), weights) * half


def exponential_integral(
    edges: Array,
    coefficients: Array,
    basis: Callable[[Array], Array],
    slope: Callable[[Array], Array],
) -> Array:
    """Integral over each bin of exp(sum of coefficients times basis functions); see `bin_integral`.

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
        As for `bin_integral`, of E times the function.

    Returns
    -------
    ndarray [B, n]
    """

    def integrand(log_e: Array) -> Array:
        exponent = coefficients @ basis(log_e)
        exponent += log_e
        # Parameters at their hard limits may ask for more than a double holds.
        np.minimum(exponent, _LARGEST_EXPONENT, out=exponent)
        return np.exp(exponent, out=exponent)

    return bin_integral(edges, integrand, slope)
