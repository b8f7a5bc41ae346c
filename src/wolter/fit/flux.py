"""Fluxes of the model in an energy range, with errors from the covariance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from wolter.errors import warn
from wolter.fit.dataset import Dataset, FitSpectrum
from wolter.fit.numerics import normal_quantile
from wolter.fit.results import Flux
from wolter.fit.selection import ModelPart
from wolter.fit.table import ParameterTable
from wolter.models.compiled import CompiledModel
from wolter.models.definitions import Context

__all__ = ["ERG_PER_KEV", "band_flux", "model_fluxes"]

Array = npt.NDArray[np.float64]
ERG_PER_KEV = 1.602192e-9
"""XSPEC's conversion factor."""


def band_flux(edges: Array, flux: Array, lo: float, hi: float) -> tuple[Array, Array]:
    """Photon and energy flux between two energies, as XSPEC sums them.

    Parameters
    ----------
    edges : array [n + 1]
        keV.
    flux : array [..., n]
        photons/cm²/s per bin.
    lo, hi : float
        keV; bins that are cut count with the share of their width that is inside.

    Returns
    -------
    photons, energy : array [...]
        photons/cm²/s and erg/cm²/s; the photons of a bin have the mean of its energies, those of a cut bin the mean of
        the part inside.
    """
    bottom, top = np.maximum(edges[:-1], lo), np.minimum(edges[1:], hi)
    photons = flux * (np.clip(top - bottom, 0.0, None) / np.diff(edges))
    mean = 0.5 * (bottom + top)  # of the part inside
    return photons.sum(axis=-1), (photons * mean).sum(axis=-1) * ERG_PER_KEV


def model_fluxes(
    dataset: Dataset,
    table: ParameterTable,
    lo: float,
    hi: float,
    covariance: Array | None,
    *,
    level: float | None = None,
    draws: int = 0,
    seed: int | None = None,
    spectra: bool = False,
    part: ModelPart | None = None,
    sample: Array | None = None,
) -> list[Flux]:
    """Flux of each data group in its total-intensity (Stokes I) context, on the energies of its response.

    Parameters
    ----------
    dataset : Dataset
        For the energy grids.
    table : ParameterTable
        The parameters.
    lo, hi : float
        keV.
    covariance : array [K, K] or None
        Of the free parameters.
    level : float, optional
        Confidence of intervals.
    draws : int
        Number of parameter sets drawn from the covariance for them; 0 means Gaussian intervals from the gradient.
    seed : int, optional
        Of the draws.
    spectra : bool
        One entry per spectrum, with its own Stokes parameter, instead of one per data group.
    part : ModelPart, optional
        Part of the model, instead of the whole.
    sample : array [draws, K], optional
        Values of the free parameters (of a chain, for example) in place of draws from the covariance.
    """
    free = table.free
    if spectra:
        entries = list(dataset.spectra)
    else:
        entries = [_intensity(dataset, group) for group in range(1, dataset.n_groups + 1)]
    weights: Array | None = np.empty(0)
    if sample is None:
        sample, weights = _sample(free.start, covariance, free.lower, free.upper, draws, seed, level)
    else:
        draws = len(sample)
    full = free.expand(np.vstack([free.start[None], sample]))
    out = []
    for entry in entries:
        photons, energy, low, high = _evaluate(entry, table, full, lo, hi, keep_stokes=spectra, part=part)
        group = entry.group
        if weights is None:
            error = (np.nan, np.nan)
            intervals: tuple[tuple[float, float] | None, ...] = (None, None)
        elif draws:
            error = (float(np.std(photons[1:])), float(np.std(energy[1:])))
            intervals = tuple(_percentiles(v[1:], level) for v in (photons, energy))
        else:
            error = (_propagate(photons, weights), _propagate(energy, weights))
            intervals = tuple(_gaussian(v[0], e, level) for v, e in zip((photons, energy), error, strict=True))
        out.append(
            Flux(
                group,
                low,
                high,
                float(photons[0]),
                error[0],
                float(energy[0]),
                error[1],
                intervals[0],
                intervals[1],
                level,
            )
        )
    return out


def _intensity(dataset: Dataset, group: int) -> FitSpectrum:
    members = [e for e in dataset.spectra if e.group == group]
    return next((e for e in members if e.context.stokes == 0), members[0])


def _evaluate(
    entry: FitSpectrum,
    table: ParameterTable,
    full: Array,
    lo: float,
    hi: float,
    *,
    keep_stokes: bool,
    part: ModelPart | None,
) -> tuple[Array, Array, float, float]:
    edges = entry.plan.full_edges
    low, high = max(lo, float(edges[0])), min(hi, float(edges[-1]))
    if (low, high) != (lo, hi):
        warn(f"{entry.name}: the range {lo:g}-{hi:g} keV goes beyond the response; it is cut to {low:g}-{high:g} keV")
    context = entry.context if keep_stokes else Context(0, entry.context.xflt, entry.context.settings)
    first = (entry.group - 1) * table.width
    rows = full[:, first : first + table.width]
    node = table.models[0].node
    if part is not None:
        node, rows = part.node, rows[:, part.columns]
    flux = CompiledModel(node, edges, (context,)).evaluate(rows)[0]
    photons, energy = band_flux(edges, flux, low, high)
    return photons, energy, low, high


def _sample(
    start: Array,
    covariance: Array | None,
    lower: Array,
    upper: Array,
    draws: int,
    seed: int | None,
    level: float | None,
) -> tuple[Array, Array | None]:
    """Parameter sets to evaluate: draws, or one principal axis of the covariance after the other."""
    if covariance is None or not len(start):
        return np.empty((0, len(start))), None
    sigma = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    unit = np.where(sigma > 0, sigma, 1.0)
    values, vectors = np.linalg.eigh(covariance / np.outer(unit, unit))  # parameters differ by many powers of ten
    axes = vectors.T * np.sqrt(np.maximum(values, 0.0))[:, None]
    if draws:
        rng = np.random.default_rng(seed)
        sample = start + (rng.standard_normal((draws, len(start))) @ axes) * sigma
        return np.clip(sample, lower, upper), np.empty(0)
    # symmetric steps along each axis; no parameter may pass its limits
    up = np.clip(start + 0.01 * axes * sigma, lower, upper)
    down = np.clip(start - 0.01 * axes * sigma, lower, upper)
    length = np.linalg.norm(axes, axis=1)
    moved = np.linalg.norm((up - down) / unit, axis=1)
    weights = np.where(moved > 0, length / np.where(moved > 0, moved, 1.0), 0.0)
    return np.vstack([up, down]), weights


def _propagate(values: Array, weights: Array) -> float:
    """One sigma from values at the best fit and at both ends of each step."""
    count = len(weights)
    up, down = values[1 : 1 + count], values[1 + count :]
    return float(np.sqrt(np.sum(((up - down) * weights) ** 2)))


def _percentiles(values: Array, level: float | None) -> tuple[float, float] | None:
    if level is None:
        return None
    low, high = np.quantile(values, [0.5 * (1 - level), 0.5 * (1 + level)])
    return float(low), float(high)


def _gaussian(value: float, sigma: float, level: float | None) -> tuple[float, float] | None:
    if level is None:
        return None
    width = sigma * normal_quantile(0.5 * (1 + level))
    return float(value - width), float(value + width)
