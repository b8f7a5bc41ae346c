"""Beta models fitted to radial profiles, by the likelihood of the counts, with the point-spread function if known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from wolter._accessor import Figures
from wolter.data import RadialProfile
from wolter.errors import DataError, FitError, suggest

if TYPE_CHECKING:
    from wolter.sources.source import Source

__all__ = ["MODELS", "ProfileFit", "beta_rings", "fit_profile", "mixing_matrix", "ring_edges", "source_encircled"]

Array = NDArray[np.float64]
_FINE = 8  # parts of a ring that the point-spread function spreads one by one
_ANGLES = 64


def beta_rings(edges: Array, norm: Any, core: Any, beta: Any) -> Array:
    """Mean surface brightness of a beta model in rings.

    S(r) = S0 (1 + (r/rc)^2)^(1/2 - 3 beta) (Cavaliere & Fusco-Femiano 1976, A&A 49, 137), averaged over the area of
    each ring: with a = 3 beta - 1/2 and u = 1 + (r/rc)^2 the integral of S over the disk is
    pi S0 rc^2 (u^(1-a) - 1)/(1 - a), and pi S0 rc^2 ln u for a = 1.

    Parameters
    ----------
    edges : float64[n + 1]
        Radii.
    norm : float
        S0, in the unit of the result.
    core : float
        rc, in the unit of the radii.
    beta : float

    Returns
    -------
    float64[n]
    """
    a = 3.0 * beta - 0.5
    log_u = np.log1p((edges / core) ** 2)
    power = 1.0 - a
    disk = log_u if abs(power) < 1e-9 else np.expm1(power * log_u) / power
    return norm * core**2 * np.diff(disk) / np.diff(edges**2)


def mixing_matrix(edges: Array, source_edges: Array, encircled: Callable[[Array], Array]) -> Array:
    """Where the photons of rings on the sky fall on the detector.

    Parameters
    ----------
    edges : float64[n + 1]
        Rings that are observed, arcsec.
    source_edges : float64[m + 1]
        Rings that photons come from, arcsec; narrow against the point-spread function.
    encircled : callable
        Fraction of a point source's photons within a radius (arcsec), for an array of radii.

    Returns
    -------
    float64[n, m]
        ``matrix[i, j]`` is the part of the photons from ring j found in ring i. A photon from r that is displaced by s
        at the angle phi is found at sqrt(r^2 + s^2 + 2 r s cos phi).
    """
    reach = edges[-1] + source_edges[-1]
    steps = np.concatenate([[0.0], np.geomspace(0.05, max(reach, 1.0), 240)])
    weight = np.diff(np.clip(encircled(steps), 0.0, 1.0))
    s = np.sqrt(0.5 * (steps[1:] ** 2 + steps[:-1] ** 2))
    phi = math.pi * (np.arange(_ANGLES) + 0.5) / _ANGLES
    r = np.sqrt(0.5 * (source_edges[1:] ** 2 + source_edges[:-1] ** 2))
    matrix = np.zeros((len(edges) - 1, len(r)))
    for j, radius in enumerate(r):
        found = np.sqrt(radius**2 + s[:, None] ** 2 + 2.0 * radius * s[:, None] * np.cos(phi))
        ring = np.searchsorted(edges, found.ravel(), side="right") - 1
        inside = (ring >= 0) & (ring < len(edges) - 1)
        share = np.broadcast_to(weight[:, None] / _ANGLES, found.shape).ravel()
        matrix[:, j] = np.bincount(ring[inside], weights=share[inside], minlength=len(edges) - 1)
    return matrix


def ring_edges(low: float, high: float, rings: int, first: float | None = None) -> Array:
    """Edges of rings: of equal widths, or of equal ratios beginning with the radius `first` (and a disk inside it)."""
    if first is None:
        return np.linspace(low, high, rings + 1)
    edges = np.geomspace(max(low, first), high, rings + (low > 0))
    return edges if low > 0 else np.append(0.0, edges)


def source_encircled(source: Source, obsid: str | None = None) -> Callable[[Array], Array] | None:
    """Encircled fraction of the mission's point-spread function at a source; see `Source.encircled`."""
    entries = [source.observation(obsid)] if obsid is not None else list(source.observations)
    mission = source.library.open(entries[0]).mission
    if mission.psf is None or len({e.mission for e in entries}) > 1:
        return None
    function = mission.load("psf")
    offset = 60.0 * float(np.mean([source.offset(e.obsid) for e in entries]))
    energy = math.sqrt(source.band[0] * source.band[1])
    return lambda radius: np.asarray(function(np.asarray(radius, float), energy, offset), float)


@dataclass(frozen=True)
class _Shape:
    """A model of the surface brightness: names, starts and limits of its parameters, and its mean over rings."""

    names: tuple[str, ...]
    rings: Callable[[Array, Mapping[str, float]], Array]


def _beta(edges: Array, p: Mapping[str, float]) -> Array:
    return beta_rings(edges, p["norm"], p["core"], p["beta"])


def _double(edges: Array, p: Mapping[str, float]) -> Array:
    return _beta(edges, p) + beta_rings(edges, p["norm2"], p["core2"], p["beta2"])


MODELS = {
    "beta": _Shape(("norm", "core", "beta"), _beta),
    "double beta": _Shape(("norm", "core", "beta", "norm2", "core2", "beta2"), _double),
}
"""Models by name; norms in count/s/arcmin², core radii in arcsec."""


@dataclass(eq=False)
class ProfileFit:
    """A model fitted to a radial profile.

    Attributes
    ----------
    model : str
    values, errors : dict of str to float
        Parameters and their 68 % errors: norm (count/s/arcmin²), core (arcsec), beta, background (count/s/arcmin²).
    intervals : dict of str to (float, float)
        Where the profile likelihood rises by one.
    statistic : float
        C statistic (Cash 1979, ApJ 228, 939, as XSPEC's cstat).
    dof : int
    covariance : float64[k, k]
        In the order of `values`; rows of fixed parameters are zero.
    profile : RadialProfile
    predicted : float64[n]
        Counts per ring.
    warnings : list of str
    """

    plot: ClassVar[Figures] = Figures("profile_fit")

    model: str
    values: dict[str, float]
    errors: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    statistic: float
    dof: int
    covariance: Array
    profile: RadialProfile
    predicted: Array
    warnings: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        told = ", ".join(f"{name} {value:.4g} +- {self.errors[name]:.2g}" for name, value in self.values.items())
        return f"<{self.model} model: {told}; cstat {self.statistic:.1f} for {self.dof} dof>"


def fit_profile(
    profile: RadialProfile,
    model: str = "beta",
    *,
    psf: Callable[[Array], Array] | None = None,
    start: Mapping[str, float] | None = None,
    fixed: Mapping[str, float] | None = None,
    intervals: bool = True,
) -> ProfileFit:
    """Fit a model of the surface brightness to the counts of a profile.

    The counts of ring i are Poisson with the mean t_i A_i (S_i + B), S_i being the model's mean over the ring (after
    the point-spread function, if given), B the background, t_i the mean exposure and A_i the exposed area.

    Parameters
    ----------
    profile : RadialProfile
        Its background is not subtracted but fitted; fix it with ``fixed={"background": ...}``.
    model : {"beta", "double beta"}
    psf : callable, optional
        Encircled fraction of a point source as a function of radius (arcsec).
    start, fixed : mapping, optional
        Values to start from, and to hold.
    intervals : bool
        Follow the profile likelihood; otherwise they are the symmetric errors.

    Returns
    -------
    ProfileFit

    Raises
    ------
    FitError
        If the model or a parameter is unknown, or there are fewer rings than free parameters.
    DataError
        If the profile holds no counts.
    """
    from iminuit import Minuit

    shape, used = _checked(profile, model)
    names = (*shape.names, "background")
    held = dict(fixed or {})
    for given in (start or {}, held):
        for name in given:
            if name not in names:
                cure = suggest(name, names) or f"Known: {', '.join(names)}."
                raise FitError(f"the {model} model has no parameter {name!r}", cure=cure)
    begin = _start(profile, used, shape) | dict(start or {}) | held
    seconds = (profile.exposure * profile.area)[used]
    counts = profile.counts[used]
    if counts.size < len(names) - len(held):
        raise FitError(
            f"{counts.size} rings cannot fix {len(names) - len(held)} parameters", cure="Use more rings, or fix some."
        )
    mean = _mean_of(profile, shape, psf)

    def expected(point: Any) -> Array:
        p = dict(zip(names, point, strict=True))
        return np.maximum(seconds * (mean(p)[used] + p["background"]), 1e-300)

    def statistic(point: Any) -> float:
        value = _cash(counts, expected(point))
        return value if math.isfinite(value) else 1e300

    minuit = Minuit(cast(Any, statistic), [begin[n] for n in names], name=names)
    minuit.errordef = 1.0
    minuit.print_level = 0
    for name in names:
        minuit.limits[name] = _limits(name, profile)
        minuit.errors[name] = 0.1 * abs(begin[name]) or 1e-6
        minuit.fixed[name] = name in held
    minuit.migrad(ncall=20000)
    if not minuit.valid:
        minuit.simplex(ncall=20000).migrad(ncall=20000)
    minuit.hesse()
    return _result(model, names, held, minuit, profile, used, expected, counts, intervals)


def _checked(profile: RadialProfile, model: str) -> tuple[_Shape, NDArray[np.bool_]]:
    if model not in MODELS:
        raise FitError(f"the model {model!r} is unknown", cure=suggest(model, MODELS) or f"Known: {', '.join(MODELS)}.")
    used = (profile.area > 0) & (profile.exposure > 0)
    if not profile.counts[used].sum() > 0:
        raise DataError("the profile holds no counts", file=profile.path, cure="Check centre, radii and exposure.")
    return MODELS[model], used


def _mean_of(
    profile: RadialProfile, shape: _Shape, psf: Callable[[Array], Array] | None
) -> Callable[[Mapping[str, float]], Array]:
    """Function of the parameters that gives the mean brightness per ring."""
    edges = np.append(profile.r_in, profile.r_out[-1])
    if psf is None:
        return lambda p: shape.rings(edges, p)
    # The sky is followed beyond the last ring: light from there is scattered in.
    fine = np.unique(np.concatenate([np.linspace(a, b, _FINE + 1) for a, b in pairwise(edges)]))
    beyond = np.linspace(edges[-1], 1.5 * edges[-1], 4 * _FINE + 1)[1:]
    before = np.linspace(0.0, edges[0], _FINE + 1)[:-1] if edges[0] > 0 else np.empty(0)
    sky = np.concatenate([before, fine, beyond])
    matrix = mixing_matrix(edges, sky, psf) * np.diff(sky**2) / np.diff(edges**2)[:, None]
    return lambda p: matrix @ shape.rings(sky, p)


def _start(profile: RadialProfile, used: NDArray[np.bool_], shape: _Shape) -> dict[str, float]:
    """Rough values read off the profile."""
    gross, radius = profile.gross[used], profile.radius[used]
    background = max(float(np.mean(gross[-max(1, len(gross) // 8) :])) * 0.9, 1e-12)
    norm = max(float(gross[: max(1, len(gross) // 20)].mean()) - background, 10 * background)
    half = radius[gross - background < 0.5 * norm]
    core = float(half[0]) if half.size else float(radius[len(radius) // 4])
    out = {"norm": norm, "core": max(core, float(profile.r_out[0])), "beta": 0.66, "background": background}
    if "norm2" in shape.names:
        out |= {"norm2": 0.1 * norm, "core2": 4.0 * out["core"], "beta2": 0.7}
    return out


def _limits(name: str, profile: RadialProfile) -> tuple[float, float | None]:
    if name.startswith("core"):
        return 0.05 * float(profile.r_out[0]), 3.0 * float(profile.r_out[-1])
    if name.startswith("beta"):
        return 0.2, 5.0
    return 0.0, None


def _cash(counts: Array, expected: Array) -> float:
    """C statistic: 2 sum(m - n + n ln(n/m))."""
    some = counts > 0
    out = np.sum(expected - counts)
    return float(2.0 * (out + np.sum(counts[some] * np.log(counts[some] / expected[some]))))


def _result(
    model: str, names: tuple[str, ...], held: Mapping[str, float], minuit: Any, profile: RadialProfile,
    used: NDArray[np.bool_], expected: Callable[[Any], Array], counts: Array, intervals: bool,
) -> ProfileFit:  # fmt: skip
    notes = [] if minuit.valid else ["the minimiser did not converge"]
    values = {n: float(minuit.values[n]) for n in names}
    errors = {n: 0.0 if n in held else float(minuit.errors[n]) for n in names}
    ranges = {n: (values[n] - errors[n], values[n] + errors[n]) for n in names}
    if intervals and minuit.valid:
        try:
            minuit.minos()
        except RuntimeError as exc:
            notes.append(f"the intervals are symmetric errors: {exc}")
        else:
            for n in minuit.merrors:
                found = minuit.merrors[n]
                if found.is_valid:
                    ranges[n] = (values[n] + found.lower, values[n] + found.upper)
                else:
                    notes.append(f"the interval of {n} is its symmetric error: the likelihood has no bound there")
    predicted = np.zeros(len(profile))
    predicted[used] = expected([values[n] for n in names])
    covariance = np.zeros((len(names), len(names)))
    if minuit.covariance is not None:
        covariance = np.asarray(minuit.covariance, dtype=float).reshape(len(names), len(names))
    statistic = _cash(counts, predicted[used])
    dof = int(counts.size - (len(names) - len(held)))
    return ProfileFit(model, values, errors, ranges, statistic, dof, covariance, profile, predicted, notes)
