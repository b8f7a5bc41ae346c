"""Components that act on a spectrum or factor: flux pegs, smoothing, shifts, partial covering, Compton scattering.

Called as ``f(edges[n + 1], pars[B, P], ctx, flux[B, n]) -> [B, n]``. All work on the grid given: what the operand has
outside is not known to them (their `padding` says how far they look).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wolter.models.components.lines import gaussian_fractions, lorentzian_fractions
from wolter.models.cosmology import luminosity_factor
from wolter.models.definitions import Array, Context, ParameterDef, par
from wolter.models.registry import component

_ERG_PER_KEV = 1.602192e-9  # XSPEC's value
_CM_PER_KPC = 3.086e21  # XSPEC's value
_C_KM_S = 2.99792458e5
_REDSHIFT = par("Redshift", "", 0.0, -0.999, -0.999, 10.0, 10.0, -0.01)
_VELOCITY = par("Velocity", "km/s", 0.0, -1e4, -1e4, 1e4, 1e4, -10.0)


def _energy(name: str, default: float) -> ParameterDef:
    return par(name, "keV", default, 0.0, 0.0, 1e6, 1e6, -0.1)


def band_flux(edges: Array, flux: Array, lo: Array, hi: Array, *, energy: bool) -> Array:
    """Photon or energy flux of spectra between two energies.

    A bin that is partly inside counts with that part, at the mean energy of the part.

    Parameters
    ----------
    edges : ndarray [n + 1]
        keV.
    flux : ndarray [B, n]
        photons/cm²/s per bin.
    lo, hi : ndarray [B]
        keV.
    energy : bool
        erg/cm²/s instead of photons/cm²/s.

    Returns
    -------
    ndarray [B]
    """
    inside = np.clip(edges, lo[:, None], np.maximum(lo, hi)[:, None])
    weight = np.diff(inside) / np.diff(edges)
    if energy:
        weight = weight * (0.5 * _ERG_PER_KEV) * (inside[:, 1:] + inside[:, :-1])
    return np.einsum("bn,bn->b", weight, np.broadcast_to(flux, weight.shape))


def _pegged(flux: Array, wanted: Array, present: Array) -> Array:
    """Flux scaled so that what is present becomes what is wanted; zero where nothing is present."""
    scale = np.where(present != 0.0, wanted / np.where(present != 0.0, present, 1.0), 0.0)
    return flux * scale[:, None]


_LOG_FLUX = par("lg10Flux", "cgs", -12.0, -100.0, -100.0, 100.0, 100.0, 0.01)
_LOG_LUMINOSITY = par("lg10Lum", "cgs", 40.0, -100.0, -100.0, 100.0, 100.0, 0.01)


@component("cflux", "con", [_energy("Emin", 0.5), _energy("Emax", 10.0), _LOG_FLUX])
def cflux(edges: Array, pars: Array, ctx: Context, flux: Array) -> Array:
    """Scales a spectrum to a given energy flux from Emin to Emax, lg10Flux in log10 erg/cm²/s."""
    present = band_flux(edges, flux, pars[:, 0], pars[:, 1], energy=True)
    return _pegged(flux, 10.0 ** pars[:, 2], present)


@component(
    "cpflux",
    "con",
    [_energy("Emin", 0.5), _energy("Emax", 10.0), par("Flux", "", 1.0, 0.0, 0.0, 1e10, 1e10, 0.01)],
)
def cpflux(edges: Array, pars: Array, ctx: Context, flux: Array) -> Array:
    """Scales a spectrum to a given photon flux from Emin to Emax, photons/cm²/s."""
    present = band_flux(edges, flux, pars[:, 0], pars[:, 1], energy=False)
    return _pegged(flux, pars[:, 2], present)


@component(
    "clumin", "con", [_energy("Emin", 0.5), _energy("Emax", 10.0), _REDSHIFT, _LOG_LUMINOSITY], depends=["cosmo"]
)
def clumin(edges: Array, pars: Array, ctx: Context, flux: Array) -> Array:
    """Scales a spectrum to a given luminosity from Emin to Emax in the source frame, log10 erg/s."""
    redshift = pars[:, 2]
    lo, hi = pars[:, 0] / (1.0 + redshift), pars[:, 1] / (1.0 + redshift)
    present = band_flux(edges, flux, lo, hi, energy=True) * luminosity_factor(redshift, ctx.settings.cosmo)
    return _pegged(flux, 10.0 ** pars[:, 3], present)


@component(
    "cglumin",
    "con",
    [
        _energy("Emin", 0.5),
        _energy("Emax", 10.0),
        par("Distance", "kpc", 10.0, 0.0, 0.0, 1e4, 1e6, -0.01),
        _LOG_LUMINOSITY,
    ],
)
def cglumin(edges: Array, pars: Array, ctx: Context, flux: Array) -> Array:
    """Scales a spectrum to a given luminosity from Emin to Emax at a distance in kpc, log10 erg/s."""
    sphere = 4.0 * np.pi * (pars[:, 2] * _CM_PER_KPC) ** 2
    present = band_flux(edges, flux, pars[:, 0], pars[:, 1], energy=True) * sphere
    return _pegged(flux, 10.0 ** pars[:, 3], present)


_BLOCK = 256  # lines at a time, fewer on a grid of more than 8192 bins
_ELEMENTS = 256 * 8192
_GAUSSIAN_REACH = 12.0  # 1e-32 of a Gaussian is left


def smooth(
    edges: Array,
    flux: Array,
    pars: Array,
    fractions: Callable[[Array, Array, Array], Array],
    reach: float = np.inf,
) -> Array:
    """Every bin's photons spread as a line at mid-bin whose width is pars[0] (E/6 keV)^pars[1].

    Parameters
    ----------
    edges : ndarray [n + 1]
        keV.
    flux : ndarray [B, n]
        photons/cm²/s per bin.
    pars : ndarray [B, 2]
        Width at 6 keV, keV, and its power of energy. Rows with width zero stay as they are.
    fractions : callable
        `gaussian_fractions`, `lorentzian_fractions` or the like.
    reach : float
        Widths from its centre beyond which a line is nothing.

    Returns
    -------
    ndarray [B, n]
    """
    middle = 0.5 * (edges[1:] + edges[:-1])
    flux = np.broadcast_to(flux, (len(pars), len(middle)))
    different, which = np.unique(pars, axis=0, return_inverse=True)
    out = np.array(flux)
    block = max(1, min(_BLOCK, _ELEMENTS // len(edges)))
    for k, (width, index) in enumerate(different):
        if width <= 0.0:
            continue
        rows = np.nonzero(which.ravel() == k)[0]
        widths = width * (middle / 6.0) ** index
        total = np.zeros((len(rows), len(middle)))
        for start in range(0, len(middle), block):
            part = slice(start, start + block)
            far = reach * widths[part]
            first = max(int(np.searchsorted(edges, (middle[part] - far).min())) - 1, 0)
            last = int(np.searchsorted(edges, (middle[part] + far).max()))
            near = edges[first : last + 1]
            lines = np.broadcast_to(near, (len(far), len(near)))
            total[:, first : first + len(near) - 1] += flux[rows, part] @ fractions(lines, middle[part], widths[part])
        out[rows] = total
    return out


def _smooth_padding(reach: float) -> Callable[[float, float, Array], tuple[float, float]]:
    def padding(lo: float, hi: float, pars: Array) -> tuple[float, float]:
        # The width grows or falls with energy; its largest value at either end bounds the reach there.
        low = float((pars[:, 0] * (lo / 6.0) ** pars[:, 1]).max())
        high = float((pars[:, 0] * (hi / 6.0) ** pars[:, 1]).max())
        return max(lo - reach * low, 0.1 * lo), hi + reach * high

    return padding


_SMOOTHING = [
    par("Sig_6keV", "keV", 1.0, 0.0, 0.0, 10.0, 20.0, 0.05),
    par("Index", "", 0.0, -1.0, -1.0, 1.0, 1.0, -0.01),
]


@component("gsmooth", "con", _SMOOTHING, padding=_smooth_padding(6.0))
def gsmooth(edges: Array, pars: Array, ctx: Context, flux: Array) -> Array:
    """Gaussian smoothing with standard deviation Sig_6keV (E/6 keV)^Index."""
    return smooth(edges, flux, pars, gaussian_fractions, _GAUSSIAN_REACH)


@component("lsmooth", "con", _SMOOTHING, padding=_smooth_padding(100.0))
def lsmooth(edges: Array, pars: Array, ctx: Context, flux: Array) -> Array:
    """Lorentzian smoothing with full width at half maximum Sig_6keV (E/6 keV)^Index."""
    return smooth(edges, flux, pars, lorentzian_fractions)


@component("partcov", "con", [par("CvrFract", "", 0.5, 0.0, 0.05, 0.95, 1.0, 0.01)])
def partcov(edges: Array, pars: Array, ctx: Context, flux: Array) -> Array:
    """Partial covering: makes a factor F to 1 - CvrFract + CvrFract F; write (partcov*phabs)*powerlaw."""
    return 1.0 + pars[:, :1] * (flux - 1.0)


def _shift_photons(edges: Array, scale: Array, flux: Array) -> Array:
    """Photons per bin after all energies are multiplied by `scale` [B]; nothing is known outside the grid."""
    out = np.empty(flux.shape)
    zero = np.zeros((len(flux), 1))
    below = np.concatenate([zero, np.cumsum(flux, axis=1)], axis=1)
    above = np.concatenate([np.cumsum(flux[:, ::-1], axis=1)[:, ::-1], zero], axis=1)
    for i, factor in enumerate(scale):
        low, high = (np.interp(edges, edges * factor, total[i]) for total in (below, above))
        # Sums from the end that has fewer photons keep their precision where the spectrum has fallen.
        out[i] = np.where(np.abs(low[1:]) <= np.abs(high[:-1]), np.diff(low), -np.diff(high))
    return out


def _shift_factor(edges: Array, scale: Array, factor: Array) -> Array:
    """Factor per bin after all energies are multiplied by `scale` [B]; the end values go on outside the grid.

    Bins of the shifted grid count with the fraction of them that lies in the new bin, as in XSPEC.
    """
    out = np.empty(factor.shape)
    count = np.arange(len(edges), dtype=float)
    total = np.concatenate([np.zeros((len(factor), 1)), np.cumsum(factor, axis=1)], axis=1)
    for i, stretch in enumerate(scale):
        shifted = edges * stretch
        counted = np.diff(np.interp(edges, shifted, count))
        known = counted > 0.0
        ends = np.where(edges[1:] <= shifted[0], factor[i, 0], factor[i, -1])
        sums = np.diff(np.interp(edges, shifted, total[i]))
        out[i] = np.where(known, sums / np.where(known, counted, 1.0), ends)
    return out


def _shift_padding(scale: Callable[[Array], Array]) -> Callable[[float, float, Array], tuple[float, float]]:
    def padding(lo: float, hi: float, pars: Array) -> tuple[float, float]:
        factors = scale(pars[:, 0])
        return min(lo, float((lo / factors).min())), max(hi, float((hi / factors).max()))

    return padding


def _redshift_scale(redshift: Array) -> Array:
    return 1.0 / (1.0 + redshift)


def _velocity_scale(velocity: Array) -> Array:
    return 1.0 - velocity / _C_KM_S


@component("zashift", "con", [_REDSHIFT], padding=_shift_padding(_redshift_scale))
def zashift(edges: Array, pars: Array, ctx: Context, flux: Array) -> Array:
    """Redshifts a spectrum: energies and photon rate fall by 1 + z."""
    scale = _redshift_scale(pars[:, 0])
    return _shift_photons(edges, scale, np.broadcast_to(flux, (len(pars), flux.shape[1]))) * scale[:, None]


@component("zmshift", "con", [_REDSHIFT], padding=_shift_padding(_redshift_scale))
def zmshift(edges: Array, pars: Array, ctx: Context, flux: Array) -> Array:
    """Redshifts a factor; write (zmshift*edge)*powerlaw."""
    return _shift_factor(edges, _redshift_scale(pars[:, 0]), np.broadcast_to(flux, (len(pars), flux.shape[1])))


@component("vashift", "con", [_VELOCITY], padding=_shift_padding(_velocity_scale))
def vashift(edges: Array, pars: Array, ctx: Context, flux: Array) -> Array:
    """Shifts a spectrum by a velocity: energies times 1 - v/c, photon rate unchanged."""
    return _shift_photons(edges, _velocity_scale(pars[:, 0]), np.broadcast_to(flux, (len(pars), flux.shape[1])))


@component("vmshift", "con", [_VELOCITY], padding=_shift_padding(_velocity_scale))
def vmshift(edges: Array, pars: Array, ctx: Context, flux: Array) -> Array:
    """Shifts a factor by a velocity: energies times 1 - v/c."""
    return _shift_factor(edges, _velocity_scale(pars[:, 0]), np.broadcast_to(flux, (len(pars), flux.shape[1])))


def _simpl_padding(lo: float, hi: float, pars: Array) -> tuple[float, float]:
    # Photons are scattered up from all lower energies; two decades hold those that matter.
    return 0.01 * lo, 10.0 * hi if (pars[:, 2] <= 0.0).any() else hi


@component(
    "simpl",
    "con",
    [
        par("Gamma", "", 2.3, 1.0, 1.1, 4.0, 5.0, 0.05),
        par("FracSctr", "", 0.05, 0.0, 0.0, 0.4, 1.0, 0.005),
        par("UpScOnly", "", 1.0, 0.0, 0.0, 100.0, 100.0, -1.0),
    ],
    padding=_simpl_padding,
)
def simpl(edges: Array, pars: Array, ctx: Context, flux: Array) -> Array:
    """Scatters a fraction FracSctr of the photons into a power law (Steiner et al. 2009, PASP 121, 1279).

    Up only if UpScOnly is positive, up and down otherwise; photons are taken at mid-bin and conserved.
    """
    middle = 0.5 * (edges[1:] + edges[:-1])
    flux = np.broadcast_to(flux, (len(pars), len(middle)))
    ratio = edges / middle[:, None]
    log_up = np.log(np.maximum(ratio, 1.0))
    log_down = np.log(np.minimum(ratio, 1.0))
    keys = np.stack([pars[:, 0], pars[:, 2] > 0.0], axis=1)
    different, which = np.unique(keys, axis=0, return_inverse=True)
    out = np.empty(flux.shape)
    for k, (gamma, up_only) in enumerate(different):
        rows = np.nonzero(which.ravel() == k)[0]
        up = -np.expm1((1.0 - gamma) * log_up)
        if up_only:
            below = up
        else:
            down = (gamma - 1.0) / (1.0 + 2.0 * gamma) * np.exp((gamma + 2.0) * log_down)
            below = down + (gamma + 2.0) / (1.0 + 2.0 * gamma) * up
        scattered = flux[rows] @ np.diff(below, axis=1)
        fraction = pars[rows, 1:2]
        out[rows] = (1.0 - fraction) * flux[rows] + fraction * scattered
    return out
