"""Multiplicative components other than absorption by gas: edges, cut-offs, lines in absorption, extinction.

Most are averaged over a bin as XSPEC does it, by the mean of the values at its two edges.
"""

from __future__ import annotations

import numpy as np

from wolter.models.components.quadrature import edge_mean, power_integral
from wolter.models.definitions import Array, Context, ParameterDef, par
from wolter.models.registry import component

_REDSHIFT = par("Redshift", "", 0.0, -0.999, -0.999, 10.0, 10.0, -0.01)
_EDGE = par("edgeE", "keV", 7.0, 0.0, 0.0, 100.0, 100.0, 0.05)
_TAU = par("MaxTau", "", 1.0, 0.0, 0.0, 5.0, 10.0, 0.01)
_TINY = 1e-30
_LARGEST_EXPONENT = 700.0


def _from_threshold(edges: Array, threshold: Array, above: Array, at_threshold: Array) -> Array:
    """Mean over bins of a factor that is 1 below a threshold.

    The bin that contains the threshold is split there; above it the trapezoidal rule holds.

    Parameters
    ----------
    edges, above : ndarray [B, n + 1]
        Energies, and the factor at them (whatever below the threshold).
    threshold, at_threshold : ndarray [B, 1]
        Energy, and the limit of the factor from above.

    Returns
    -------
    ndarray [B, n]
    """
    lo, hi = edges[:, :-1], edges[:, 1:]
    below = lo < threshold
    part = np.where(below, at_threshold, above[:, :-1])
    mean = 0.5 * (part + above[:, 1:])
    share = np.where(below, (hi - threshold) / (hi - lo), 1.0)
    return np.where(hi < threshold, 1.0, 1.0 + share * (mean - 1.0))


def _edge_factor(edges: Array, threshold: Array, tau: Array) -> Array:
    edges = np.broadcast_to(edges, (len(threshold), edges.shape[-1]))
    safe = np.maximum(threshold, _TINY)
    ratio = np.maximum(edges, safe) / safe
    out = _from_threshold(edges, safe, np.exp(-tau / ratio**3), np.exp(-tau))
    # A threshold of zero means no edge, as in XSPEC.
    return np.where(threshold > 0.0, out, 1.0)


@component("edge", "mul", [_EDGE, _TAU])
def edge(edges: Array, pars: Array, ctx: Context) -> Array:
    """Absorption edge exp(-MaxTau (E/edgeE)^-3) above edgeE."""
    return _edge_factor(edges, pars[:, :1], pars[:, 1:2])


@component("zedge", "mul", [_EDGE, _TAU, _REDSHIFT])
def zedge(edges: Array, pars: Array, ctx: Context) -> Array:
    """Redshifted absorption edge; edgeE is in the source frame."""
    return _edge_factor(edges * (1.0 + pars[:, 2:3]), pars[:, :1], pars[:, 1:2])


@component(
    "smedge",
    "mul",
    [
        par("edgeE", "keV", 7.0, 0.1, 0.1, 100.0, 100.0, 0.05),
        _TAU,
        par("index", "", -2.67, -10.0, -10.0, 10.0, 10.0, -0.01),
        par("width", "", 10.0, 0.01, 0.01, 100.0, 100.0, 0.01),
    ],
)
def smedge(edges: Array, pars: Array, ctx: Context) -> Array:
    """Smeared edge exp(-MaxTau (E/edgeE)^index (1 - exp((edgeE - E)/width))) above edgeE (Ebisawa 1991, thesis)."""
    threshold, tau, index, width = (pars[:, i : i + 1] for i in range(4))
    energy = np.broadcast_to(edges, (len(pars), len(edges)))
    above = np.maximum(energy, threshold)
    depth = tau * (above / threshold) ** index * -np.expm1((threshold - above) / width)
    return _from_threshold(energy, threshold, np.exp(-depth), np.ones_like(tau))


_EXPFAC_LIMITS = (0.0, 0.0, 1e5, 1e6)


@component(
    "expfac",
    "mul",
    [
        par("Ampl", "", 1.0, *_EXPFAC_LIMITS, 0.01),
        par("Factor", "", 1.0, *_EXPFAC_LIMITS, 0.01),
        par("StartE", "keV", 0.5, *_EXPFAC_LIMITS, -0.01),
    ],
)
def expfac(edges: Array, pars: Array, ctx: Context) -> Array:
    """Exponential modification 1 + Ampl exp(-Factor E) above StartE, averaged analytically."""
    ampl, factor, start = (pars[:, i : i + 1] for i in range(3))
    energy = np.maximum(edges, start)
    lo, width = energy[:, :-1], np.diff(energy)
    safe = np.where(factor > 0.0, factor, 1.0)
    integral = np.where(factor > 0.0, np.exp(-factor * lo) * -np.expm1(-factor * width) / safe, width)
    return 1.0 + ampl * integral / np.diff(edges)


@component("expabs", "mul", [par("LowECut", "keV", 2.0, 0.0, 0.0, 100.0, 200.0, 0.01)])
def expabs(edges: Array, pars: Array, ctx: Context) -> Array:
    """Exponential roll-off at low energies, exp(-LowECut/E)."""
    return edge_mean(np.exp(-pars[:, :1] / edges))


# XSPEC lets the roll-off begin 1 eV above the cut-off and is below 1 by exp(-1 eV/foldE) underneath it.
_HIGHECUT_FLOOR = 1e-3


def _high_cut(edges: Array, cutoff: Array, fold: Array) -> Array:
    return edge_mean(np.exp(-np.maximum(edges - cutoff, _HIGHECUT_FLOOR) / fold))


@component(
    "highecut",
    "mul",
    [
        par("cutoffE", "keV", 10.0, 1e-4, 1e-2, 1e6, 1e6, 0.01),
        par("foldE", "keV", 15.0, 1e-4, 1e-2, 1e6, 1e6, 0.01),
    ],
)
def highecut(edges: Array, pars: Array, ctx: Context) -> Array:
    """High-energy cut-off exp((cutoffE - E)/foldE) above cutoffE."""
    return _high_cut(edges, pars[:, :1], pars[:, 1:2])


@component(
    "zhighect",
    "mul",
    [
        par("cutoffE", "keV", 10.0, 1e-4, 1e-2, 100.0, 200.0, 0.01),
        par("foldE", "keV", 15.0, 1e-4, 1e-2, 100.0, 200.0, 0.01),
        _REDSHIFT,
    ],
)
def zhighect(edges: Array, pars: Array, ctx: Context) -> Array:
    """Redshifted high-energy cut-off; both energies are in the source frame."""
    return _high_cut(edges * (1.0 + pars[:, 2:3]), pars[:, :1], pars[:, 1:2])


@component(
    "plabs",
    "mul",
    [par("index", "", 2.0, 0.0, 0.0, 5.0, 5.0, 0.01), par("coef", "", 1.0, 0.0, 0.0, 100.0, 100.0, 0.01)],
)
def plabs(edges: Array, pars: Array, ctx: Context) -> Array:
    """Power law as a factor, coef E^-index, averaged analytically."""
    return pars[:, 1:2] * power_integral(edges, pars[:, 0]) / np.diff(edges)


@component(
    "spexpcut",
    "mul",
    [
        par("Ecut", "keV", 10.0, 0.0, 0.0, 1e6, 1e6, 0.1),
        par("alpha", "", 1.0, -5.0, -5.0, 5.0, 5.0, 0.01),
    ],
)
def spexpcut(edges: Array, pars: Array, ctx: Context) -> Array:
    """Super-exponential cut-off exp(-(E/Ecut)^alpha)."""
    log_ratio = np.log(edges) - np.log(np.maximum(pars[:, :1], _TINY))
    power = np.exp(np.minimum(pars[:, 1:2] * log_ratio, _LARGEST_EXPONENT))
    return edge_mean(np.exp(-power))


def _percent(name: str, default: float, *, frozen: bool = False) -> ParameterDef:
    return par(name, "", default, 0.0, 0.0, 100.0, 100.0, -0.01 if frozen else 0.01)


@component(
    "cyclabs",
    "mul",
    [
        _percent("Depth0", 2.0),
        par("E0", "keV", 30.0, 1.0, 1.0, 100.0, 100.0, 0.01),
        par("Width0", "keV", 10.0, 1.0, 1.0, 100.0, 100.0, -0.01),
        _percent("Depth2", 0.0, frozen=True),
        par("Width2", "keV", 20.0, 1.0, 1.0, 100.0, 100.0, -0.01),
    ],
)
def cyclabs(edges: Array, pars: Array, ctx: Context) -> Array:
    """Cyclotron line and its second harmonic (Mihara et al. 1990, Nature 346, 250; Makishima et al. 1990)."""
    depth, energy, width, depth2, width2 = (pars[:, i : i + 1] for i in range(5))
    first = depth * (width * edges / energy) ** 2 / ((edges - energy) ** 2 + width**2)
    second = depth2 * (width2 * edges / (2.0 * energy)) ** 2 / ((edges - 2.0 * energy) ** 2 + width2**2)
    return edge_mean(np.exp(-first - second))


@component(
    "notch",
    "mul",
    [
        par("LineE", "keV", 3.5, 0.0, 0.0, 20.0, 20.0, 0.05),
        par("Width", "keV", 1.0, 0.0, 0.0, 20.0, 20.0, 0.02),
        par("CvrFract", "", 1.0, 0.0, 0.0, 1.0, 1.0, -0.005),
    ],
)
def notch(edges: Array, pars: Array, ctx: Context) -> Array:
    """Saturated line: 1 - CvrFract within Width/2 of LineE, weighted with the covered part of a bin."""
    centre, width, fraction = (pars[:, i : i + 1] for i in range(3))
    inside = np.clip(edges, centre - 0.5 * width, centre + 0.5 * width)
    return 1.0 - fraction * np.diff(inside) / np.diff(edges)


_ELECTRON_REST_KEV = 510.999
# Electrons per hydrogen atom of cosmic composition times Thomson's cross-section in 1e-22 cm², to XSPEC's digits.
_THOMSON_DEPTH = 1.21 * 0.665e-2


def klein_nishina(energy_kev: Array) -> Array:
    """Klein-Nishina cross-section in units of Thomson's; energies in keV.

    Below 0.025 of the electron's rest energy the series in photon energy, which is good to 5e-8 there
    (Rybicki & Lightman 1979, eq. 7.5).
    """
    w = energy_kev / _ELECTRON_REST_KEV
    series = 1.0 + w * (-140.0 + w * (364.0 + w * (-931.0 + w * (2288.0 - w * 5440.0)))) / 70.0
    far = np.maximum(w, 0.025)
    double = 1.0 + 2.0 * far
    log = np.log1p(2.0 * far)
    full = 0.75 * (
        (1.0 + far) / far**3 * (2.0 * far * (1.0 + far) / double - log)
        + log / (2.0 * far)
        - (1.0 + 3.0 * far) / double**2
    )
    return np.where(w <= 0.025, series, full)


@component("cabs", "mul", [par("nH", "10^22", 1.0, 0.0, 0.0, 1e5, 1e6, 1e-3)])
def cabs(edges: Array, pars: Array, ctx: Context) -> Array:
    """Scattering out of the line of sight by free electrons, 1.21 per hydrogen atom, Klein-Nishina at mid-bin."""
    middle = 0.5 * (edges[1:] + edges[:-1])
    return np.exp(-pars[:, :1] * _THOMSON_DEPTH * klein_nishina(middle))
