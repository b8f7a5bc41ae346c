"""Absorption lines: exp(-depth), averaged over each bin.

The depth is a line profile normalised over positive energies, as in XSPEC 12.15.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wolter.models.components.quadrature import gauss_legendre
from wolter.models.definitions import Array, Context, par
from wolter.models.registry import component

_REDSHIFT = par("Redshift", "", 0.0, -0.999, -0.999, 10.0, 10.0, -0.01)
_LINE = par("LineE", "keV", 1.0, 0.0, 0.0, 1e6, 1e6, 0.05)
_STRENGTH = par("Strength", "keV", 1.0, 0.0, 0.0, 1e6, 1e6, 0.05)
_ORDER = 6
_MAX_PARTS = 400


def _mean_transmission(
    edges: Array,
    centre: Array,
    width: Array,
    reach: float,
    depth: Callable[[Array], Array],
) -> Array:
    """Mean of exp(-depth(E)) over bins by composite Gauss-Legendre.

    Near the line the steps are half its width at the most, farther off half the distance from it.

    Parameters
    ----------
    edges : ndarray [n + 1] or [B, n + 1]
    centre, width : ndarray [B, 1]
        Of the line; one of width zero has no effect.
    reach : float
        Number of widths that counts as near.
    depth : callable
        ``depth(energy[B, m]) -> [B, m]``.
    """
    edges = np.broadcast_to(edges, (len(centre), edges.shape[-1]))
    lo, hi = edges[:, :-1], edges[:, 1:]
    distance = np.maximum(np.maximum(centre - hi, lo - centre), reach * width)
    scale = {True: np.where(width > 0.0, width, np.inf), False: np.where(distance > 0.0, distance, np.inf)}
    near = ((hi > centre - reach * width) & (lo < centre + reach * width)).any(axis=0)
    out = np.empty(lo.shape)
    for bins, fine in ((np.nonzero(~near)[0], False), (np.nonzero(near)[0], True)):
        if not len(bins):
            continue
        a, b = lo[:, bins], hi[:, bins]
        step = scale[fine] if fine else scale[fine][:, bins]
        parts = int(np.ceil(2.0 * np.max((b - a) / step, initial=0.0)))
        nodes, weights = gauss_legendre(_ORDER, min(max(parts, 1), _MAX_PARTS))
        energy = 0.5 * (a + b)[:, :, None] + 0.5 * (b - a)[:, :, None] * nodes
        values = np.exp(-depth(energy.reshape(len(a), -1))).reshape(energy.shape)
        out[:, bins] = 0.5 * values @ weights
    return np.where(width > 0.0, out, 1.0)


def _gaussian(edges: Array, pars: Array) -> Array:
    from scipy.special import ndtr

    centre, sigma, strength = (pars[:, i : i + 1] for i in range(3))
    safe = np.where(sigma > 0.0, sigma, 1.0)
    peak = strength / (np.sqrt(2.0 * np.pi) * safe * ndtr(centre / safe))
    return _mean_transmission(
        edges, centre, sigma, 9.0, lambda e: peak * np.exp(-np.minimum(0.5 * ((e - centre) / safe) ** 2, 700.0))
    )


@component("gabs", "mul", [_LINE, par("Sigma", "keV", 0.01, 0.0, 0.0, 10.0, 20.0, 0.05), _STRENGTH])
def gabs(edges: Array, pars: Array, ctx: Context) -> Array:
    """Gaussian absorption line exp(-Strength/(sqrt(2 pi) Sigma) exp(-((E - LineE)/Sigma)²/2))."""
    return _gaussian(edges, pars)


@component("zgabs", "mul", [_LINE, par("Sigma", "keV", 0.01, 0.0, 0.0, 10.0, 20.0, 0.05), _STRENGTH, _REDSHIFT])
def zgabs(edges: Array, pars: Array, ctx: Context) -> Array:
    """Redshifted Gaussian absorption line; energy, width and strength are in the source frame."""
    return _gaussian(edges * (1.0 + pars[:, 3:4]), pars)


@component("lorabs", "mul", [_LINE, par("Width", "keV", 0.01, 0.0, 0.0, 10.0, 20.0, 0.05), _STRENGTH])
def lorabs(edges: Array, pars: Array, ctx: Context) -> Array:
    """Lorentzian absorption line: Strength times a normalised Lorentzian of full width Width as optical depth."""
    centre, width, strength = (pars[:, i : i + 1] for i in range(3))
    half = np.where(width > 0.0, 0.5 * width, 1.0)
    peak = strength / (half * (0.5 * np.pi + np.arctan(centre / half)))
    return _mean_transmission(edges, centre, width, 60.0, lambda e: peak / (1.0 + ((e - centre) / half) ** 2))
