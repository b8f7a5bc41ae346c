"""Power laws and their relatives: photon spectra in photons/cm²/s/keV for norm 1 at 1 keV, integrated over bins."""

from __future__ import annotations

import numpy as np

from wolter.models.components.quadrature import exponential_integral, power_integral
from wolter.models.definitions import Array, Context, ParameterDef, par, scale_par
from wolter.models.registry import component

_LOG10 = float(np.log(10.0))


def _index(name: str = "PhoIndex", default: float = 1.0) -> ParameterDef:
    return par(name, "", default, -3.0, -2.0, 9.0, 10.0, 0.01)


_ALPHA = par("alpha", "", 1.5, 0.0, 0.0, 4.0, 4.0, 0.01)
_BETA = par("beta", "", 0.2, -4.0, -4.0, 4.0, 4.0, 0.01)
_PIVOT = scale_par("pivotE", "keV", 1.0, 1e-10, 1e10)
_CUTOFF = par("HighECut", "keV", 15.0, 0.01, 1.0, 500.0, 500.0, 0.01)


@component("powerlaw", "add", [_index()])
def powerlaw(edges: Array, pars: Array, ctx: Context) -> Array:
    """Power law E^-PhoIndex, integrated analytically."""
    return power_integral(edges, pars[:, 0])


@component("cutoffpl", "add", [_index(), _CUTOFF])
def cutoffpl(edges: Array, pars: Array, ctx: Context) -> Array:
    """Power law with an exponential cut-off, E^-PhoIndex exp(-E/HighECut)."""
    return cutoff_power(edges, pars[:, 0], pars[:, 1], None)


def cutoff_power(edges: Array, index: Array, cutoff: Array, redshift: Array | None) -> Array:
    """Integral of E'^-index exp(-E'/cutoff) over observed bins, E' = E(1 + z); see `exponential_integral`."""
    stretch = np.ones_like(index) if redshift is None else 1.0 + redshift
    coefficients = np.stack([-index * np.log(stretch), -index, -stretch / cutoff], axis=1)
    steepest = float(np.abs(1.0 - index).max())
    fastest = float((stretch / cutoff).max())
    return exponential_integral(
        edges,
        coefficients,
        lambda log_e: np.stack([np.ones_like(log_e), log_e, np.exp(log_e)]),
        lambda log_e: steepest + fastest * np.exp(log_e),
    )


@component("logpar", "add", [_ALPHA, _BETA, _PIVOT])
def logpar(edges: Array, pars: Array, ctx: Context) -> Array:
    """Log-parabola (E/pivotE)^(-alpha - beta log10(E/pivotE)) (Massaro et al. 2004, A&A 413, 489)."""
    return log_parabola(edges, pars[:, 0], pars[:, 1], pars[:, 2], None)


def log_parabola(edges: Array, alpha: Array, beta: Array, pivot: Array, redshift: Array | None) -> Array:
    """Integral of a log-parabola in E' = E(1 + z) over observed bins; see `exponential_integral`."""
    curve = beta / _LOG10
    shift = -np.log(pivot) if redshift is None else np.log1p(redshift) - np.log(pivot)
    coefficients = np.stack(
        [-alpha * shift - curve * shift * shift, -alpha - 2.0 * curve * shift, -curve],
        axis=1,
    )
    linear, quadratic = 1.0 + coefficients[:, 1], coefficients[:, 2]
    a_lo, a_hi = float(linear.min()), float(linear.max())
    b_lo, b_hi = 2.0 * float(quadratic.min()), 2.0 * float(quadratic.max())
    spread = float(np.sqrt(np.abs(2.0 * quadratic).max()))

    def slope(log_e: Array) -> Array:
        # |a + b u| is largest at a corner of the box that the rows span; the width of the parabola counts as well.
        up = np.maximum(b_hi * log_e, b_lo * log_e)
        down = np.minimum(b_hi * log_e, b_lo * log_e)
        return np.maximum(np.abs(a_hi + up), np.abs(a_lo + down)) + spread

    return exponential_integral(
        edges,
        coefficients,
        lambda log_e: np.stack([np.ones_like(log_e), log_e, log_e * log_e]),
        slope,
    )
