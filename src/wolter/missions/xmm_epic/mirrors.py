"""Rays through the mirrors of XMM-Newton, as published: how `vignetting.TRACED` was made.

Surfaces are the paraboloid and hyperboloid of Van Speybroeck & Chase (1972, Appl. Opt. 11, 440) with equal grazing
angles on axis. Radii follow from 58 shells between 153 and 350 mm with walls and clearances that grow with the
radius; the clearances so found agree with the published apertures (1.8 to 4 mm) to 3 %. Reflectivity: Fresnel's
equations for gold, absorption from NIST (Hubbell & Seltzer, NISTIR 5632), f1 from Henke et al. (1993, ADNDT 54,
181). The spider, which takes the same part of light from everywhere, and surface roughness are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["effective_area"]

FOCAL_MM, LENGTH_MM = 7500.0, 300.0
RADII_MM = (153.0, 350.0)
SHELLS = 58
WALLS_MM, CLEARANCES_MM = (0.47, 1.07), (0.27, 0.50)
PLATES_MM = (85.0, 145.0)
COVERED = 1.0  # part of the clearance that the strips of the sieve plates stand over: all of it

# Gold: energy (keV), mass attenuation (cm2/g), f1
_GOLD = np.array(
    [
        [1.0, 4652, 59], [1.5, 2089, 58], [2.0, 1137, 48], [3.0, 2049, 57], [4.0, 1144, 66],
        [5.0, 666.1, 70], [6.0, 425.3, 72], [8.0, 207.2, 74], [10.0, 118.1, 73],
    ]
)  # fmt: skip

Array = NDArray[np.float64]


@dataclass(frozen=True)
class _Shell:
    radius: float
    wall: float
    clearance: float

    @property
    def surfaces(self) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Coefficients A, B, C of r^2 = A + B Z + C Z^2 for paraboloid and hyperboloid; Z from the focus."""
        angle = np.arctan(self.radius / FOCAL_MM) / 4
        four = np.tan(4 * angle)
        p = d = FOCAL_MM * four * np.tan(angle)
        e = np.cos(4 * angle) * (1 + four * np.tan(3 * angle))
        first = (p * p + 4 * e * e * p * d / (e * e - 1), 2 * p, 0.0)
        return first, (e * e * d * d, 2 * e * e * d, e * e - 1)

    def inner(self, z: Any) -> Array:
        """Radius of the reflecting side at height z."""
        (a, b, _), (g, h, k) = self.surfaces
        z = np.asarray(z, dtype=float)
        return np.sqrt(np.where(z > FOCAL_MM, a + b * z, g + h * z + k * z * z))

    @property
    def front(self) -> float:
        return float(self.inner(FOCAL_MM + LENGTH_MM))

    @property
    def strip(self) -> tuple[float, float]:
        return self.front, self.front + self.wall + COVERED * self.clearance


@cache
def _shells() -> tuple[_Shell, ...]:
    def build(scale: float) -> list[_Shell]:
        out, radius = [], RADII_MM[0]
        for _ in range(SHELLS):
            part = (radius - RADII_MM[0]) / (RADII_MM[1] - RADII_MM[0])
            wall = WALLS_MM[0] + part * (WALLS_MM[1] - WALLS_MM[0])
            clearance = scale * (CLEARANCES_MM[0] + part * (CLEARANCES_MM[1] - CLEARANCES_MM[0]))
            out.append(_Shell(radius, wall, clearance))
            radius = out[-1].front + wall + clearance
        return out

    low, high = 0.1, 5.0
    for _ in range(50):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if build(middle)[-1].radius > RADII_MM[1] else (middle, high)
    return tuple(build(0.5 * (low + high)))


def _reflectivity(energy: float, grazing: Array) -> Array:
    """Reflectivity of gold at an energy (keV) and grazing angles (rad)."""
    mu, f1 = (np.interp(energy, _GOLD[:, 0], _GOLD[:, k]) for k in (1, 2))
    wavelength = 12.39842 / energy
    delta = 2.7008e-6 * wavelength**2 * 19.3 / 196.97 * f1
    beta = mu * 19.3e-8 * wavelength / (4 * np.pi)
    sine = np.sin(grazing)
    root = np.sqrt(1 - 2 * delta + 2j * beta - np.cos(grazing) ** 2)
    return np.abs((sine - root) / (sine + root)) ** 2


def _hit(
    p: Array, d: Array, surface: tuple[float, float, float], low: float, high: float
) -> tuple[Array, NDArray[Any]]:
    """First point on a surface between two heights, and which rays have one."""
    a0, b0, c0 = surface
    a = d[0] ** 2 + d[1] ** 2 - c0 * d[2] ** 2
    b = p[0] * d[0] + p[1] * d[1] - 0.5 * b0 * d[2] - c0 * p[2] * d[2]
    c = p[0] ** 2 + p[1] ** 2 - a0 - b0 * p[2] - c0 * p[2] ** 2
    flat = np.abs(a) < 1e-9 * np.abs(b)  # parallel to the axis of a paraboloid: one intersection
    root = np.sqrt(np.maximum(b * b - a * c, 0.0))
    best = np.full(p.shape[1], np.inf)
    for sign in (-1.0, 1.0):
        step = np.where(flat, -c / (2 * b), (-b + sign * root) / np.where(flat, 1.0, a))
        z = p[2] + step * d[2]
        best = np.where((step > 1e-6) & (z >= low) & (z <= high) & (step < best), step, best)
    found = np.isfinite(best) & (b * b >= a * c)
    return p + np.where(found, best, 0.0) * d, found


def _bounce(p: Array, d: Array, surface: tuple[float, float, float]) -> tuple[Array, Array]:
    """Direction after reflection, and grazing angle."""
    normal = np.array([p[0], p[1], -(0.5 * surface[1] + surface[2] * p[2])])
    normal /= np.linalg.norm(normal, axis=0)
    cosine = (d * normal).sum(axis=0)
    return d - 2 * cosine * normal, np.arcsin(np.abs(cosine))


def effective_area(off_axis_arcmin: float, energies_kev: Any, *, rays: int = 16000, seed: int = 0) -> Array:
    """Effective area (cm2) of one telescope, without its spider, at several energies.

    Parameters
    ----------
    off_axis_arcmin : float
        Angle of the source from the axis.
    energies_kev : array_like[n]
        Energies.
    rays : int
        Rays per shell.
    seed : int
        Of the random positions.
    """
    theta = np.radians(off_axis_arcmin / 60.0)
    rng = np.random.default_rng(seed)
    out = np.zeros(len(energies_kev))
    shells = _shells()
    for i, shell in enumerate(shells):
        within = shells[i - 1] if i else _Shell(149.0, WALLS_MM[0], CLEARANCES_MM[0])
        low, high = shell.radius - 3 * LENGTH_MM * np.tan(theta) - 0.6, shell.front
        area = np.pi * (high**2 - low**2) / rays
        rho, phi = np.sqrt(rng.uniform(low**2, high**2, rays)), rng.uniform(0, 2 * np.pi, rays)
        p = np.array([rho * np.cos(phi), rho * np.sin(phi), np.full(rays, FOCAL_MM + LENGTH_MM)])
        d = np.array([np.full(rays, np.sin(theta)), np.zeros(rays), np.full(rays, -np.cos(theta))])
        passed, g1, g2 = _through(p, d, shell, within, shells[max(0, i - 3) : i + 2])
        for k, energy in enumerate(energies_kev):
            both = _reflectivity(energy, g1[passed]) * _reflectivity(energy, g2[passed])
            out[k] += area * float(both.sum()) / 100.0
    return out


def _through(p: Array, d: Array, shell: _Shell, within: _Shell, near: Any) -> tuple[NDArray[np.bool_], Array, Array]:
    """Rays that reach the focal plane by both surfaces of a shell, and their grazing angles."""
    top, middle, bottom = FOCAL_MM + LENGTH_MM, FOCAL_MM, FOCAL_MM - LENGTH_MM

    def clear(p: Array, d: Array, z: Any) -> NDArray[np.bool_]:
        step = (z - p[2]) / d[2]
        return np.hypot(p[0] + step * d[0], p[1] + step * d[1]) >= within.inner(z) + within.wall

    passed = clear(p, d, np.full(p.shape[1], top - 1e-6))
    for distance in PLATES_MM:
        radius = np.hypot(p[0] + d[0] / d[2] * distance, p[1])
        for other in near:
            passed &= ~((radius > other.strip[0]) & (radius < other.strip[1]))
    first, second = shell.surfaces
    one, found = _hit(p, d, first, middle, top)
    passed &= found
    for part in (0.25, 0.5, 0.75, 1.0):
        passed &= clear(p, d, top + part * (one[2] - top))
    turned, g1 = _bounce(one, d, first)
    two, found = _hit(one, turned, second, bottom, middle)
    passed &= found
    for part in (0.25, 0.5, 0.75, 1.0):
        passed &= clear(one, turned, one[2] + part * (two[2] - one[2]))
    last, g2 = _bounce(two, turned, second)
    for part in (0.33, 0.66, 1.0):
        passed &= clear(two, last, two[2] + part * (bottom - two[2]))
    return passed, g1, g2
