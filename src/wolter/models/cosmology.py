"""Luminosity distance as XSPEC computes it, so that luminosity norms agree.

For a flat universe with a cosmological constant that is the approximation of Pen (1999, ApJS 120, 49), good to 0.4 %;
without one, Mattig's exact formula.
"""

from __future__ import annotations

import numpy as np

from wolter.models.definitions import Array

__all__ = ["distance_factor", "luminosity_factor"]

# 4 pi (c / (1 km/s/Mpc))² in cm², XSPEC's value (the exact one is 1.0753e61).
_LUMINOSITY = 1.07057e61


def _pen_eta(a: Array, omega: float) -> Array:
    s3 = (1.0 - omega) / omega
    s = np.cbrt(s3)
    inner = a**-4.0 - 0.1540 * s * a**-3.0 + 0.4304 * s**2 * a**-2.0 + 0.19097 * s3 / a + 0.066941 * s**4
    return 2.0 * np.sqrt(s3 + 1.0) * inner**-0.125


def distance_factor(redshift: Array, cosmo: tuple[float, float, float]) -> Array:
    """Luminosity distance in units of c/H0.

    Parameters
    ----------
    redshift : ndarray
    cosmo : tuple
        H0, q0, Lambda0 as in `Settings`; a non-zero Lambda0 means a flat universe.
    """
    _, q0, lambda0 = cosmo
    z = np.asarray(redshift, dtype=float)
    if lambda0 != 0.0:
        omega = 1.0 - lambda0
        return (1.0 + z) * (_pen_eta(np.ones_like(z), omega) - _pen_eta(1.0 / (1.0 + z), omega))
    root = np.sqrt(1.0 + 2.0 * q0 * z)
    return z * (1.0 + z * (1.0 - q0) / (1.0 + q0 * z + root))


def luminosity_factor(redshift: Array, cosmo: tuple[float, float, float]) -> Array:
    """Luminosity over flux, 4 pi D² in cm²."""
    return _LUMINOSITY * (distance_factor(redshift, cosmo) / cosmo[0]) ** 2
