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
        # The cut-off changes with E, so the nodes must resolve a unit of ln E however weak it is.
        lambda log_e: 1.0 + steepest + fastest * np.exp(log_e),
    )


@component("logpar", "add", [_ALPHA, _BETA, _PIVOT])
def logpar(edges: Array, pars: Array, ctx: Context) -> Array:
    """Log-parabola (E/pivotE)^(-alpha - beta log10(E/pivotE)) (Massaro et al. 2004, A&A 413, 489)."""
    return log_parabola(edges, pars[:, 0], pars[:, 1], pars[:, 2], None)


def log_parabola(
    edges: Array, alpha: Array, beta: Array, pivot: Array, redshift: Array | None, level: Array | float = 0.0
) -> Array:
    """Integral of exp(level) times a log-parabola in E' = E(1 + z) over observed bins; see `exponential_integral`."""
    curve = beta / _LOG10
    shift = -np.log(pivot) if redshift is None else np.log1p(redshift) - np.log(pivot)
    coefficients = np.stack(
        [level - alpha * shift - curve * shift * shift, -alpha - 2.0 * curve * shift, -curve],
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


_REDSHIFT = par("Redshift", "", 0.0, -0.999, -0.999, 10.0, 10.0, -0.01)


def _break(name: str, default: float) -> ParameterDef:
    return par(name, "keV", default, 0.0, 1e-2, 1e6, 1e6, 0.01)


@component("zpowerlw", "add", [_index(), _REDSHIFT])
def zpowerlw(edges: Array, pars: Array, ctx: Context) -> Array:
    """Redshifted power law [E(1 + z)]^-PhoIndex, integrated analytically."""
    factor = np.exp(-pars[:, :1] * np.log1p(pars[:, 1:2]))
    return factor * power_integral(edges, pars[:, 0])


@component("zcutoffpl", "add", [_index(), _CUTOFF, _REDSHIFT])
def zcutoffpl(edges: Array, pars: Array, ctx: Context) -> Array:
    """Redshifted power law with an exponential cut-off in the source frame."""
    return cutoff_power(edges, pars[:, 0], pars[:, 1], pars[:, 2])


@component("zlogpar", "add", [_ALPHA, _BETA, _PIVOT, _REDSHIFT])
def zlogpar(edges: Array, pars: Array, ctx: Context) -> Array:
    """Redshifted log-parabola; the pivot is in the source frame."""
    return log_parabola(edges, pars[:, 0], pars[:, 1], pars[:, 2], pars[:, 3])


def broken_power(edges: Array, indices: list[Array], breaks: list[Array]) -> Array:
    """Integral of a continuous broken power law, E^-indices[0] below the first break.

    Parameters
    ----------
    edges : ndarray [n + 1] or [B, n + 1]
        keV.
    indices : list of ndarray [B]
        One more than breaks.
    breaks : list of ndarray [B]
        keV. As in XSPEC, a break below an earlier one leaves no room for the index between them.

    Returns
    -------
    ndarray [B, n]
    """
    edges = np.broadcast_to(edges, (len(indices[0]), edges.shape[-1]))
    scale = np.ones((len(edges), 1))
    out = np.zeros((len(edges), edges.shape[1] - 1))
    lower = np.zeros((len(edges), 1))
    for i, index in enumerate(indices):
        upper = np.maximum(breaks[i], _SMALLEST)[:, None] if i < len(breaks) else np.full_like(lower, np.inf)
        out += scale * power_integral(np.clip(edges, np.maximum(lower, _SMALLEST), np.maximum(lower, upper)), index)
        if i < len(breaks):
            scale = scale * np.exp((indices[i + 1] - index)[:, None] * np.log(upper))
            lower = np.maximum(lower, upper)
    return out


_SMALLEST = 1e-30  # keV; keeps the logarithm finite when a break is at its hard limit zero


@component("bknpower", "add", [_index("PhoIndx1"), _break("BreakE", 5.0), _index("PhoIndx2", 2.0)])
def bknpower(edges: Array, pars: Array, ctx: Context) -> Array:
    """Broken power law, E^-PhoIndx1 below BreakE and BreakE^(PhoIndx2 - PhoIndx1) E^-PhoIndx2 above."""
    return broken_power(edges, [pars[:, 0], pars[:, 2]], [pars[:, 1]])


@component("zbknpower", "add", [_index("PhoIndx1"), _break("BreakE", 5.0), _index("PhoIndx2", 2.0), _REDSHIFT])
def zbknpower(edges: Array, pars: Array, ctx: Context) -> Array:
    """Redshifted broken power law; the break is in the source frame."""
    stretch = 1.0 + pars[:, 3:4]
    return broken_power(edges * stretch, [pars[:, 0], pars[:, 2]], [pars[:, 1]]) / stretch


@component(
    "bkn2pow",
    "add",
    [
        _index("PhoIndx1"),
        _break("BreakE1", 5.0),
        _index("PhoIndx2", 2.0),
        _break("BreakE2", 10.0),
        _index("PhoIndx3", 3.0),
    ],
)
def bkn2pow(edges: Array, pars: Array, ctx: Context) -> Array:
    """Power law with two breaks, continuous at both."""
    return broken_power(edges, [pars[:, 0], pars[:, 2], pars[:, 4]], [pars[:, 1], pars[:, 3]])


_PEG = (-100.0, -100.0, 1e10, 1e10, -0.01)
# Constants of XSPEC's pegpwrlw, kept to its digits so that norms agree.
_ERG_PER_KEV = 1.602e-9
_PHOTONS_PER_MICROJANSKY = 1.509e-3  # photons/cm²/s per microjansky: 1e-29 erg/cm²/s/Hz over Planck's constant


@component("pegpwrlw", "add", [_index(), par("eMin", "keV", 2.0, *_PEG), par("eMax", "keV", 10.0, *_PEG)])
def pegpwrlw(edges: Array, pars: Array, ctx: Context) -> Array:
    """Power law whose norm is its flux from eMin to eMax in 1e-12 erg/cm²/s.

    With eMin = eMax the norm is the flux density there in microjansky, and with either of them zero or
    negative the photons/cm²/s/keV at 1 keV (XSPEC manual, "pegpwrlw").
    """
    index, lo, hi = pars.T
    plain = (lo <= 0.0) | (hi <= 0.0)
    point = ~plain & (lo == hi)
    safe_lo, safe_hi = np.where(plain, 1.0, lo), np.where(plain | point, np.maximum(lo, 1.0) * 2.0, hi)
    energy = power_integral(np.stack([safe_lo, safe_hi], axis=1), index - 1.0)[:, 0]
    norm = 1e-12 / (_ERG_PER_KEV * energy)
    norm = np.where(point, _PHOTONS_PER_MICROJANSKY * np.exp((index - 1.0) * np.log(safe_lo)), norm)
    return np.where(plain, 1.0, norm)[:, None] * power_integral(edges, index)


@component("expdec", "add", [par("factor", "", 1.0, 0.0, 0.0, 100.0, 100.0, 0.01)])
def expdec(edges: Array, pars: Array, ctx: Context) -> Array:
    """Exponential decay exp(-factor E), integrated analytically; zero for factor zero, as in XSPEC."""
    rate = pars[:, :1]
    width = np.diff(edges)
    out = np.exp(-rate * edges[:-1]) * -np.expm1(-rate * width)
    return np.where(rate > 0.0, out / np.where(rate > 0.0, rate, 1.0), 0.0)


@component(
    "eplogpar",
    "add",
    [
        par("Ep", "keV", 0.1, 1e-10, 1e-6, 1e2, 1e4, 0.01),
        par("beta", "", 0.2, -4.0, -4.0, 4.0, 4.0, 0.01),
    ],
)
def eplogpar(edges: Array, pars: Array, ctx: Context) -> Array:
    """Log-parabola by its peak in E² N(E): 10^(-beta log10(E/Ep)²) / E² (Tramacere et al. 2007, A&A 467, 501)."""
    peak, beta = pars[:, 0], pars[:, 1]
    return log_parabola(edges, np.full_like(peak, 2.0), beta, peak, None, level=-2.0 * np.log(peak))
