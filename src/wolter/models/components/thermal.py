"""Black bodies and thermal bremsstrahlung."""

from __future__ import annotations

import numpy as np

from wolter.models.components.gaunt import gaunt_factor
from wolter.models.components.quadrature import trapezoid
from wolter.models.definitions import Array, Context, ParameterDef, par
from wolter.models.registry import component

_REDSHIFT = par("Redshift", "", 0.0, -0.999, -0.999, 10.0, 10.0, -0.01)
_BREMSS_KT = par("kT", "keV", 7.0, 1e-4, 1e-4, 100.0, 200.0, 0.05)
_HELIUM = 0.085  # number of He per H that bremss and zbremss assume


def _kt(soft_min: float = 1e-2) -> ParameterDef:
    return par("kT", "keV", 3.0, 1e-4, soft_min, 100.0, 200.0, 0.01)


def _planck(edges: Array, kt: Array) -> Array:
    """Trapezoidal integral of E²/(exp(E/kT) - 1), edges [n + 1] or [B, n + 1] in keV."""
    energy = np.broadcast_to(edges, (len(kt), edges.shape[-1]))
    # exp(700) is near the largest double; the spectrum has long become nothing.
    x = np.minimum(energy / kt[:, None], 700.0)
    return trapezoid(edges, energy * energy / np.expm1(x))


@component("bbody", "add", [_kt()])
def bbody(edges: Array, pars: Array, ctx: Context) -> Array:
    """Black body with norm L39/D10²: 8.0525 E²/(kT⁴ (exp(E/kT) - 1)), by the trapezoidal rule as in XSPEC."""
    kt = pars[:, 0]
    return (8.0525 / kt**4)[:, None] * _planck(edges, kt)


@component("bbodyrad", "add", [_kt(1e-3)])
def bbodyrad(edges: Array, pars: Array, ctx: Context) -> Array:
    """Black body with norm R_km²/D10²: 1.0344e-3 E²/(exp(E/kT) - 1), by the trapezoidal rule as in XSPEC."""
    return 1.0344e-3 * _planck(edges, pars[:, 0])


@component("zbbody", "add", [_kt(), _REDSHIFT])
def zbbody(edges: Array, pars: Array, ctx: Context) -> Array:
    """Redshifted black body with norm L39/(D10 (1 + z))²."""
    kt, stretch = pars[:, 0], 1.0 + pars[:, 1:2]
    return (8.0525 / kt**4)[:, None] * _planck(edges * stretch, kt) / stretch


def _bremsstrahlung(edges: Array, kt: Array, helium: Array) -> Array:
    energy = np.broadcast_to(edges, (len(kt), edges.shape[-1]))
    u = energy / kt[:, None]
    gaunt = gaunt_factor(u, kt, 1) + 4.0 * helium[:, None] * gaunt_factor(u, kt, 2)
    return trapezoid(edges, gaunt * np.exp(-u) / (energy * np.sqrt(kt)[:, None]))


@component("bremss", "add", [_BREMSS_KT])
def bremss(edges: Array, pars: Array, ctx: Context) -> Array:
    """Thermal bremsstrahlung with 8.5 % helium (Kellogg, Baldwin & Koch 1975, ApJ 199, 299).

    norm = 3.02e-15/(4 pi D²) times the emission measure of electrons and ions, cgs; trapezoidal rule as in XSPEC.
    """
    return _bremsstrahlung(edges, pars[:, 0], np.full(len(pars), _HELIUM))


@component("vbremss", "add", [_kt(), par("HeovrH", "", 1.0, 0.0, 0.0, 100.0, 100.0, 0.01)])
def vbremss(edges: Array, pars: Array, ctx: Context) -> Array:
    """Thermal bremsstrahlung with a free number ratio of helium to hydrogen."""
    return _bremsstrahlung(edges, pars[:, 0], pars[:, 1])


@component("zbremss", "add", [_BREMSS_KT, _REDSHIFT])
def zbremss(edges: Array, pars: Array, ctx: Context) -> Array:
    """Redshifted thermal bremsstrahlung with 8.5 % helium."""
    stretch = 1.0 + pars[:, 1:2]
    return _bremsstrahlung(edges * stretch, pars[:, 0], np.full(len(pars), _HELIUM)) / stretch
