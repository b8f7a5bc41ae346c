"""Emission lines, integrated over bins exactly. A line of zero width falls into the bin that contains it.

XSPEC stops calculating a line where less than 1e-8 (Gaussian) or 1e-6 (Lorentzian) of it is left and puts the rest into
the last bin; here the wings go on.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wolter.models.definitions import Array, Context, ParameterDef, par
from wolter.models.registry import component

HC_KEV_ANGSTROM = 12.398419843320026  # Planck's constant times the speed of light, CODATA 2018 (exact)

_REDSHIFT = par("Redshift", "", 0.0, -0.999, -0.999, 10.0, 10.0, -0.01)
_LINE = par("LineE", "keV", 6.5, 0.0, 0.0, 1e6, 1e6, 0.05)
_SIGMA = par("Sigma", "keV", 0.1, 0.0, 0.0, 10.0, 20.0, 0.05)
_WAVELENGTH = par("LineE", "A", 10.0, 0.0, 0.0, 1e6, 1e6, 0.01)
_WIDTH_A = par("Sigma", "A", 1.0, 0.0, 0.0, 1e6, 1e6, 0.01)


def _width(default: float = 0.1) -> ParameterDef:
    return par("Width", "keV", default, 0.0, 0.0, 10.0, 20.0, 0.05)


def line_profile(edges: Array, centre: Array, width: Array, fractions: Callable[[Array, Array, Array], Array]) -> Array:
    """Fraction of a line in each bin, normalised over positive energies (or wavelengths).

    Parameters
    ----------
    edges : ndarray [n + 1] or [B, n + 1]
        Ascending.
    centre, width : ndarray [B]
        In the unit of the edges.
    fractions : callable
        `gaussian_fractions` or `lorentzian_fractions`, used for the rows with positive width.

    Returns
    -------
    ndarray [B, n]
    """
    edges = np.broadcast_to(edges, (len(centre), edges.shape[-1]))
    broad = width > 0.0
    if broad.all():
        return fractions(edges, centre, width)
    out = _delta_fractions(edges, centre)
    if broad.any():
        out[broad] = fractions(edges[broad], centre[broad], width[broad])
    return out


def _delta_fractions(edges: Array, centre: Array) -> Array:
    # As in XSPEC a line on the edge between two bins belongs to the lower one.
    below = edges < centre[:, None]
    return (below[:, :-1] & ~below[:, 1:]).astype(float)


def gaussian_fractions(edges: Array, centre: Array, sigma: Array) -> Array:
    """Fraction [B, n] of a Gaussian in each bin, edges [B, n + 1]; accurate in the wings."""
    from scipy.special import erfc, ndtr

    x = (edges - centre[:, None]) / (np.sqrt(2.0) * sigma[:, None])
    tail = 0.5 * erfc(np.abs(x))
    lo, hi = tail[:, :-1], tail[:, 1:]
    straddles = (x[:, :-1] < 0.0) & (x[:, 1:] > 0.0)
    out = np.where(straddles, 1.0 - lo - hi, np.abs(hi - lo))
    return out / ndtr(centre / sigma)[:, None]


def lorentzian_fractions(edges: Array, centre: Array, width: Array) -> Array:
    """Fraction [B, n] of a Lorentzian of full width at half maximum `width` in each bin, edges [B, n + 1]."""
    x = (edges - centre[:, None]) * (2.0 / width[:, None])
    lo, hi = x[:, :-1], x[:, 1:]
    # arctan(hi) - arctan(lo) in one arctangent, which does not cancel in the wings.
    angle = np.arctan2(hi - lo, 1.0 + lo * hi)
    return angle / (0.5 * np.pi + np.arctan(2.0 * centre / width))[:, None]


@component("gaussian", "add", [_LINE, _SIGMA])
def gaussian(edges: Array, pars: Array, ctx: Context) -> Array:
    """Gaussian line of standard deviation Sigma; norm is its photons/cm²/s."""
    return line_profile(edges, pars[:, 0], pars[:, 1], gaussian_fractions)


@component("zgauss", "add", [_LINE, _SIGMA, _REDSHIFT])
def zgauss(edges: Array, pars: Array, ctx: Context) -> Array:
    """Redshifted Gaussian line; energy and width are in the source frame, photons fewer by 1 + z."""
    stretch = 1.0 + pars[:, 2:3]
    return line_profile(edges * stretch, pars[:, 0], pars[:, 1], gaussian_fractions) / stretch


def _in_wavelength(edges: Array, pars: Array) -> Array:
    wavelength = HC_KEV_ANGSTROM / edges[..., ::-1]
    return line_profile(wavelength, pars[:, 0], pars[:, 1], gaussian_fractions)[:, ::-1]


@component("agauss", "add", [_WAVELENGTH, _WIDTH_A])
def agauss(edges: Array, pars: Array, ctx: Context) -> Array:
    """Line that is Gaussian in wavelength."""
    return _in_wavelength(edges, pars)


@component("zagauss", "add", [_WAVELENGTH, _WIDTH_A, _REDSHIFT])
def zagauss(edges: Array, pars: Array, ctx: Context) -> Array:
    """Redshifted line that is Gaussian in wavelength."""
    stretch = 1.0 + pars[:, 2:3]
    return _in_wavelength(edges * stretch, pars) / stretch


@component("lorentz", "add", [_LINE, _width()])
def lorentz(edges: Array, pars: Array, ctx: Context) -> Array:
    """Lorentzian line of full width at half maximum Width; norm is its photons/cm²/s."""
    return line_profile(edges, pars[:, 0], pars[:, 1], lorentzian_fractions)


@component("zlorentz", "add", [_LINE, _width(0.01), _REDSHIFT])
def zlorentz(edges: Array, pars: Array, ctx: Context) -> Array:
    """Redshifted Lorentzian line; energy and width are in the source frame, photons fewer by 1 + z."""
    stretch = 1.0 + pars[:, 2:3]
    return line_profile(edges * stretch, pars[:, 0], pars[:, 1], lorentzian_fractions) / stretch


@component(
    "step",
    "add",
    [
        par("Energy", "keV", 6.5, 0.0, 0.0, 100.0, 100.0, 0.05),
        par("Sigma", "keV", 0.1, 0.0, 0.0, 10.0, 20.0, 0.05),
    ],
)
def step(edges: Array, pars: Array, ctx: Context) -> Array:
    """Step down at Energy, smeared by a Gaussian: erfc((E - Energy)/(sqrt(2) Sigma))/2 at mid-bin, times bin width."""
    from scipy.special import erfc

    away = 0.5 * (edges[1:] + edges[:-1]) - pars[:, :1]
    sigma = pars[:, 1:2]
    smeared = 0.5 * erfc(away / (np.sqrt(2.0) * np.where(sigma > 0.0, sigma, 1.0)))
    return np.where(sigma > 0.0, smeared, away < 0.0) * np.diff(edges)
