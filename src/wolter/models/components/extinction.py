"""Extinction by dust in the infrared, optical and ultraviolet."""

from __future__ import annotations

import numpy as np

from wolter.models.definitions import Array, Context, par
from wolter.models.registry import component

_REDSHIFT = par("Redshift", "", 0.0, -0.999, -0.999, 10.0, 10.0, -0.01)
_EBMV = par("E_BmV", "", 0.05, 0.0, 0.0, 10.0, 10.0, 0.001)
_HC = 12.3963  # keV Angstrom, XSPEC's digits
_RV = 3.1
_MAGNITUDE = 2.512  # XSPEC divides by this, not by 2.5

# Polynomials of Cardelli, Clayton & Mathis (1989, ApJ 345, 245), equations 3a and 3b, in y = x - 1.82.
_OPTICAL_A = [1.0, 0.17699, -0.50447, -0.02427, 0.72085, 0.01979, -0.77530, 0.32999]
_OPTICAL_B = [0.0, 1.41338, 2.28305, 1.07233, -5.38434, -0.62251, 5.30260, -2.09002]


def _cardelli(wavelength: Array) -> Array:
    """A(lambda)/A(V) for R_V = 3.1 at wavelengths in Angstrom, zero shortwards of 909 Angstrom (x = 11)."""
    x = 1e4 / wavelength  # inverse micrometres
    y = np.clip(x, 1.1, 3.3) - 1.82
    ir = np.minimum(x, 1.1) ** 1.61
    uv = np.clip(x, 3.3, 8.0)
    bump = np.maximum(uv - 5.9, 0.0)
    far = np.clip(x, 8.0, 11.0) - 8.0
    poly = np.polynomial.polynomial.polyval
    a = np.select(
        [x < 1.1, x <= 3.3, x <= 8.0],
        [
            0.574 * ir,
            poly(y, _OPTICAL_A),
            1.752 - 0.316 * uv - 0.104 / ((uv - 4.67) ** 2 + 0.341) - 0.04473 * bump**2 - 0.009779 * bump**3,
        ],
        poly(far, [-1.073, -0.628, 0.137, -0.070]),
    )
    b = np.select(
        [x < 1.1, x <= 3.3, x <= 8.0],
        [
            -0.527 * ir,
            poly(y, _OPTICAL_B),
            -3.090 + 1.825 * uv + 1.206 / ((uv - 4.62) ** 2 + 0.263) + 0.2130 * bump**2 + 0.1207 * bump**3,
        ],
        poly(far, [13.670, 4.257, -0.420, 0.374]),
    )
    return np.where(x <= 11.0, a + b / _RV, 0.0)


def _transmission(edges: Array, ebmv: Array) -> Array:
    wavelength = _HC / edges
    factor = 10.0 ** (-ebmv * _RV * _cardelli(wavelength) / _MAGNITUDE)
    weight = np.broadcast_to(wavelength**-2.0, factor.shape)  # a bin's mean is weighted like XSPEC's
    lo, hi = weight[:, :-1], weight[:, 1:]
    return (lo * factor[:, :-1] + hi * factor[:, 1:]) / (lo + hi)


@component("redden", "mul", [_EBMV])
def redden(edges: Array, pars: Array, ctx: Context) -> Array:
    """Extinction of Cardelli, Clayton & Mathis (1989) with R_V = 3.1; no effect on X-rays."""
    return _transmission(edges, pars[:, :1])


@component("zredden", "mul", [_EBMV, _REDSHIFT])
def zredden(edges: Array, pars: Array, ctx: Context) -> Array:
    """Redshifted extinction of Cardelli, Clayton & Mathis (1989) with R_V = 3.1."""
    return _transmission(edges * (1.0 + pars[:, 1:2]), pars[:, :1])
