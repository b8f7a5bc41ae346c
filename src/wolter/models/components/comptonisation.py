"""Comptonisation of soft photons in a thermal plasma."""

from __future__ import annotations

import numpy as np

from wolter.models.components.quadrature import trapezoid
from wolter.models.definitions import Array, Context, Flags, par
from wolter.models.registry import component

_REST_KEV = 511.0
_STEEPEST = 10.0  # XSPEC's limit of the spectral index alpha
_ITERATIONS = 200
_LAGUERRE_ORDER = 10


def _beta(tau: Array, sphere: Flags) -> Array:
    """Eigenvalue beta of the diffusion problem: analytic approximations of Titarchuk (1994, ApJ 434, 570)."""
    two_thirds = tau + 2.0 / 3.0
    thick_sphere = np.pi**2 / 3.0 * -np.expm1(-0.7 * tau) / two_thirds**2
    thick_sphere = thick_sphere + np.exp(-1.4 * tau) * np.log(4.0 / (3.0 * tau))
    thick_disk = np.pi**2 / 12.0 * -np.expm1(-1.35 * tau) / two_thirds**2
    thick_disk = thick_disk + 0.45 * np.exp(-3.7 * tau) * np.log(10.0 / (3.0 * tau))
    thin = np.minimum(tau, 0.1)
    beta_sphere = np.where(tau <= 0.1, np.log(1.0 / (0.75 * thin)), thick_sphere)
    beta_disk = np.where(tau <= 0.1, np.log(1.0 / (thin * np.log(1.53 / thin))), thick_disk)
    return np.where(sphere, beta_sphere, beta_disk)


def _escape(tau_eff: Array, sphere: Flags) -> Array:
    """Fraction of soft photons that are scattered, for the recoil correction (Hua & Titarchuk 1995, ApJ 449, 188)."""
    tau = np.maximum(tau_eff, 0.01)
    of_sphere = 1.0 - 3.0 / tau * (1.0 - 2.0 / tau + 2.0 / tau**2 * -np.expm1(-tau))
    of_disk = 1.0 - -np.expm1(-tau) / tau
    return np.where(tau_eff < 0.01, 0.5 * tau_eff, np.where(sphere, of_sphere, of_disk))


def _spectral_index(beta: Array, theta: Array) -> Array:
    """Energy index alpha as the fixed point of Hua & Titarchuk (1995); theta = kT/511 keV."""
    from scipy.special import gammaln

    alpha = np.minimum(np.sqrt(2.25 + beta / theta) - 1.5, _STEEPEST)
    for _ in range(_ITERATIONS):
        log_d = np.log(3.0 * ((alpha + 3.0) * alpha + 4.0)) + gammaln(2.0 * alpha + 2.0)
        log_d -= np.log(alpha + 3.0) + 2.0 * np.log(alpha + 2.0)
        gain = 1.0 + (alpha + 3.0) * theta / (1.0 + theta) + 4.0 * np.exp(log_d / alpha) * theta**2
        new = beta / np.log(gain)
        if np.all(np.abs(new - alpha) <= 1e-12 * np.abs(new)):
            return np.minimum(new, _STEEPEST)
        alpha = new
    return np.minimum(alpha, _STEEPEST)


def _green(x: Array, alpha: Array) -> Array:
    """The integral over t in the Green's function of Titarchuk (1994), by Gauss-Laguerre; x [B, n]."""
    from scipy.special import gammaln

    nodes, weights = np.polynomial.laguerre.laggauss(_LAGUERRE_ORDER)
    norm = gammaln(2.0 * alpha + 4.0)
    out = np.zeros_like(x)
    for node, weight in zip(nodes, weights, strict=True):
        moved = x + node
        power = np.exp((alpha + 2.0) * np.log(moved) + alpha * np.log(node) - norm)
        out += weight * power * (moved - (alpha + 3.0)) / alpha
    return out


@component(
    "compTT",
    "add",
    [
        par("Redshift", "", 0.0, -0.999, -0.999, 10.0, 10.0, -0.01),
        par("T0", "keV", 0.1, 0.001, 0.01, 100.0, 100.0, 0.01),
        par("kT", "keV", 50.0, 2.0, 2.0, 500.0, 500.0, 0.1),
        par("taup", "", 1.0, 0.01, 0.01, 100.0, 200.0, 0.1),
        par("approx", "", 1.0, 0.0, 0.0, 5.0, 200.0, -0.1),
    ],
)
def compTT(edges: Array, pars: Array, ctx: Context) -> Array:
    """Comptonisation of a Wien spectrum in a thermal plasma (Titarchuk 1994, ApJ 434, 570; Hua & Titarchuk 1995).

    approx up to 1 means a disc, above 1 a sphere. Trapezoidal rule as in XSPEC.
    """
    from scipy.special import gammainc, gammaln

    redshift, t0, kt, tau, approx = (pars[:, i : i + 1] for i in range(5))
    sphere = np.abs(approx) > 1.0
    theta = kt / _REST_KEV
    alpha = _spectral_index(_beta(tau, sphere), theta)
    scattered = _escape(tau / (1.0 + (kt / 39.2) ** 0.86), sphere)
    energy = edges * (1.0 + redshift)
    x, soft = energy / kt, energy / t0
    log_soft = np.log(soft)
    # Comptonised part: the power law and roll-off times the incomplete gamma function of the soft photons.
    log_part = (-1.0 - alpha) * log_soft - x + np.log(2.0 * alpha + 3.0) + gammaln(3.0 + alpha)
    hard = np.exp(np.maximum(log_part, -700.0)) * gammainc(3.0 + alpha, soft)
    hard *= _green(x * scattered ** (1.0 / (3.0 + alpha)), alpha)
    wien = np.exp(2.0 * log_soft - np.minimum(soft, 700.0)) / (alpha + 3.0)
    norm = alpha * (alpha + 3.0) / (2.0 * (2.0 * alpha + 3.0)) * kt / t0
    return trapezoid(energy, norm * (hard + wien)) / (1.0 + redshift)
