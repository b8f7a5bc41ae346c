"""Polarisation: how Stokes Q and U spectra follow from the I spectrum.

For fraction A and angle psi (degrees) the factor is 1 in a Stokes I spectrum, A cos 2psi in Q and A sin 2psi in U
(HEASARC xspec_localmodels, "polconst", "pollin", "polpow"). A and psi are taken at the lower edge of each energy bin.
"""

from __future__ import annotations

import numpy as np

from wolter.models.definitions import Array, Context, par
from wolter.models.registry import component

_HALF_TURN = 180.0  # deg; a polarisation angle is defined modulo half a turn


def _stokes_factor(fraction: Array, angle_deg: Array, stokes: int) -> Array:
    twice = 2.0 * np.deg2rad(angle_deg)
    return fraction * (np.cos(twice) if stokes == 1 else np.sin(twice))


@component(
    "polconst",
    "mul",
    [
        par("A", "", 1.0, 0.0, 0.0, 1.0, 1.0, 0.01),
        par("psi", "deg", 45.0, -90.0, -90.0, 90.0, 90.0, 0.01, period=_HALF_TURN),
    ],
    depends=["stokes"],
    scalar=True,
)
def polconst(edges: Array, pars: Array, ctx: Context) -> Array:
    """Polarisation fraction and angle that do not depend on energy."""
    if ctx.stokes == 0:
        return np.ones((len(pars), 1))
    return _stokes_factor(pars[:, :1], pars[:, 1:2], ctx.stokes)


@component(
    "pollin",
    "mul",
    [
        par("A1", "", 1.0, 0.0, 0.0, 1.0, 1.0, 0.01),
        par("Aslope", "", 0.0, -5.0, -5.0, 5.0, 5.0, 0.01),
        par("psi1", "deg", 45.0, -90.0, -90.0, 90.0, 90.0, 0.01, period=_HALF_TURN),
        par("psislope", "", 0.0, -5.0, -5.0, 5.0, 5.0, 0.01),
    ],
    depends=["stokes"],
)
def pollin(edges: Array, pars: Array, ctx: Context) -> Array:
    """Polarisation fraction and angle linear in energy: A1 + (E - 1 keV) Aslope, psi1 + (E - 1 keV) psislope."""
    if ctx.stokes == 0:
        return np.ones((len(pars), len(edges) - 1))
    above = edges[:-1] - 1.0
    return _stokes_factor(
        pars[:, :1] + above * pars[:, 1:2],
        pars[:, 2:3] + above * pars[:, 3:4],
        ctx.stokes,
    )


@component(
    "polpow",
    "mul",
    [
        par("Anorm", "", 1.0, 0.0, 0.0, 1.0, 1.0, 0.01),
        par("Aindex", "", 0.0, -5.0, -5.0, 5.0, 5.0, 0.01),
        # The angle is psinorm E^-psiindex: adding half a turn to psinorm shifts it by half a turn at 1 keV only.
        par("psinorm", "deg", 45.0, -90.0, -90.0, 90.0, 90.0, 0.01),
        par("psiindex", "", 0.0, -5.0, -5.0, 5.0, 5.0, 0.01),
    ],
    depends=["stokes"],
)
def polpow(edges: Array, pars: Array, ctx: Context) -> Array:
    """Polarisation fraction and angle as powers of energy: Anorm E^-Aindex, psinorm E^-psiindex (E in keV)."""
    if ctx.stokes == 0:
        return np.ones((len(pars), len(edges) - 1))
    log_e = np.log(edges[:-1])
    return _stokes_factor(
        pars[:, :1] * np.exp(-pars[:, 1:2] * log_e),
        pars[:, 2:3] * np.exp(-pars[:, 3:4] * log_e),
        ctx.stokes,
    )


@component(
    "polrot", "mix", [par("Angle", "deg", 0.0, -180.0, -180.0, 180.0, 180.0, 0.1, period=360.0)], depends=["stokes"]
)
def polrot(edges: Array, pars: Array, ctx: Context, flux: Array) -> Array:
    """Turns the polarisation of what it acts on: Q cos 2a - U sin 2a, Q sin 2a + U cos 2a, I as it is."""
    if ctx.stokes == 0:
        return flux[0]
    twice = 2.0 * np.deg2rad(pars[:, :1])
    q, u = flux[1:]
    return q * np.cos(twice) - u * np.sin(twice) if ctx.stokes == 1 else q * np.sin(twice) + u * np.cos(twice)
