"""One model fitted to many sets of data with the same responses and bins: simulations, each a row of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wolter.errors import FitError
from wolter.fit.dataset import Dataset, bin_data
from wolter.fit.optimiser import Descent, Options, descend
from wolter.fit.row_likelihood import RowData, RowLikelihood, StatisticKind
from wolter.fit.statistics import BinData, gehrels_variance

if TYPE_CHECKING:
    from wolter.fit.state import FitState

__all__ = ["BatchLikelihood", "dataset_bins", "draw_bins", "draw_points"]

Array = npt.NDArray[np.float64]
_ROWS = 2_000_000  # elements of one array of data; larger batches are worked off in blocks


def dataset_bins(dataset: Dataset, weight: str = "standard") -> BinData:
    """Data of all noticed bins of a dataset, [N], in the order of its spectra.

    Parameters
    ----------
    dataset : Dataset
        The spectra.
    weight : str
        Weighting of the variances of spectra that are fitted by chi.
    """
    return BinData.join([bin_data(e, weight if e.statistic == "chi" else "standard") for e in dataset.spectra])


def draw_bins(
    dataset: Dataset,
    model: Array,
    number: int,
    rng: np.random.Generator,
    *,
    background: Array | None = None,
) -> BinData:
    """Draw data sets from a model, all bins of all spectra.

    Poisson spectra (POISSERR) get counts drawn from ``t_s (m + b)`` and, if they have a background, background counts
    drawn from ``t_b b``; others get values drawn from Gaussians with the errors of the data. As in XSPEC's fakeit, b
    is the measured background rate unless another one is given. Systematic errors stay the fraction they are.

    Parameters
    ----------
    dataset : Dataset
        Exposures, scalings, errors and backgrounds.
    model : array [N] or [number, N]
        Folded rates, counts/s.
    number : int
        How many.
    rng : Generator
        Random numbers.
    background : array [N], optional
        Background rate scaled to the source, counts/s.

    Returns
    -------
    BinData
        Arrays [number, N], except the times and `zero_variance` [N].

    Raises
    ------
    FitError
        For weights that need neighbouring channels (churazov).
    """
    if dataset.weight == "churazov":
        raise FitError("simulated data cannot be weighted by Churazov's rule", cure="Use another weighting.")
    base = dataset_bins(dataset)
    truth = np.broadcast_to(np.maximum(model, 0.0), (number, base.size))
    signed = np.broadcast_to(model, (number, base.size))
    back = base.bkg_rate if background is None else np.asarray(background, dtype=float)
    out = {name: np.empty((number, base.size)) for name in ("rate", "variance", "counts", "bkg_rate", "bkg_variance")}
    out["bkg_counts"] = np.zeros((number, base.size))
    for entry in dataset.spectra:
        b = entry.bins
        time = base.time[b]
        if entry.spectrum.poisson:
            counts = rng.poisson(time * np.maximum(truth[:, b] + back[b], 0.0)).astype(float)
            rate, variance = counts / time, counts / time**2
            with np.errstate(divide="ignore", invalid="ignore"):
                extra = base.variance[b] - base.counts[b] / time**2
                share = np.where(base.rate[b] != 0, np.maximum(extra, 0.0) / base.rate[b] ** 2, 0.0)
            # differences of rounding are not systematic errors
            variance = variance + np.where(share * base.counts[b] > 1e-9, share, 0.0) * rate**2
        else:
            variance = np.broadcast_to(base.variance[b], (number, time.size))
            rate = signed[:, b] + back[b] + np.sqrt(variance) * rng.standard_normal((number, time.size))
            counts = rate * time
        own = entry.spectrum.background
        # without a background spectrum what is left is a correction, which is exact
        bkg_rate = np.broadcast_to(back[b], (number, time.size))
        bkg_variance = np.zeros((number, time.size))
        if own is None:
            out["bkg_counts"][:, b] = base.bkg_counts[b]
        if own is not None:
            tb = base.bkg_time[b]
            if own.poisson:
                drawn = rng.poisson(tb * np.maximum(back[b], 0.0), (number, time.size)).astype(float)
                bkg_rate, bkg_variance = drawn / tb, drawn / tb**2
            else:
                bkg_variance = np.broadcast_to(base.bkg_variance[b], (number, time.size))
                bkg_rate = back[b] + np.sqrt(bkg_variance) * rng.standard_normal((number, time.size))
            out["bkg_counts"][:, b] = bkg_rate * tb
        if dataset.weight == "gehrels" and entry.statistic == "chi":
            variance = gehrels_variance(counts, time)
            if own is not None:
                bkg_variance = gehrels_variance(out["bkg_counts"][:, b], base.bkg_time[b])
        for name, values in (
            ("rate", rate),
            ("variance", variance),
            ("counts", counts),
            ("bkg_rate", bkg_rate),
            ("bkg_variance", bkg_variance),
        ):
            out[name][:, b] = values
    return replace(base, **out)


def draw_points(fit: FitState, number: int, rng: np.random.Generator) -> Array:
    """Free parameters [number, K] drawn from the covariance at the best fit, inside the hard limits.

    Raises
    ------
    FitError
        Without a covariance.
    """
    covariance = fit.covariance
    if covariance is None:
        raise FitError("there is no covariance to draw parameters from", cure="Call run() first.")
    free = fit.table.free
    sigma = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    unit = np.where(sigma > 0, sigma, 1.0)
    values, vectors = np.linalg.eigh(covariance / np.outer(unit, unit))
    axes = vectors.T * np.sqrt(np.maximum(values, 0.0))[:, None]
    points = free.start + (rng.standard_normal((number, free.size)) @ axes) * sigma
    return np.clip(points, free.lower, free.upper)


class BatchLikelihood:
    """Statistic of many data sets that share model, responses and bins.

    Parameters
    ----------
    fit : FitState
        Model, parameters, statistics and responses.
    bins : BinData
        Data [R, N], see `draw_bins`.

    Raises
    ------
    FitError
        If the fit has a systematic error of the model.
    """

    def __init__(self, fit: FitState, bins: BinData) -> None:
        self.free = fit.table.free
        self.bins = bins
        dataset = fit.dataset
        if dataset.systematic:
            raise FitError("simulations know no systematic error of the model", cure="Fit with systematic=0.")
        kinds, parts = [], []
        for block in dataset.blocks:
            first = next(e for e in dataset.spectra if e.bins.start == block.bins.start)
            model_variance = bool(getattr(block.statistic, "model_variance", False))
            kinds.append(StatisticKind(*first.kind, model_variance, block.bins))
            arrays = {f.name: getattr(bins, f.name) for f in fields(BinData)}
            shape = (self.size, block.bins.stop - block.bins.start)
            parts.append(BinData(**{n: np.broadcast_to(a[..., block.bins], shape) for n, a in arrays.items()}))
        base = np.tile(self.free.base, (self.size, 1))
        data = RowData(tuple(kinds), tuple(parts), None, base)
        self._likelihood = RowLikelihood(fit.likelihood.models, self.free, data)

    @property
    def size(self) -> int:
        """Number of data sets."""
        return len(self.bins.rate)

    def model(self, points: Array) -> Array:
        """Folded rates [R, N] of points [R, K]."""
        return self._likelihood.model_at(points, np.arange(self.size))

    def statistic(self, points: Array) -> Array:
        """Statistic [R] of each data set at its own point [R, K], or at one for all [K]."""
        where = np.broadcast_to(points, (self.size, self.free.size))
        return self._likelihood.statistic_at(where, np.arange(self.size))

    def fit(
        self,
        start: Array,
        *,
        fixed: Sequence[int] = (),
        tolerance: float = 1e-6,
        max_iterations: int = 200,
    ) -> Descent:
        """Fit every data set, all at once.

        Parameters
        ----------
        start : array [K] or [R, K]
            Where the descents begin.
        fixed : sequence of int
            Free parameters that are held at their start.
        tolerance : float
            Decrease of the statistic that is not worth another step.
        max_iterations : int
            Rounds at the most.

        Returns
        -------
        Descent
            ``points [R, K]``, ``statistic [R]`` and ``converged [R]``.
        """
        free = self.free
        points = np.array(np.broadcast_to(start, (self.size, free.size)), dtype=float)
        hold = np.zeros(points.shape, dtype=bool)
        hold[:, list(fixed)] = True
        cyclic = np.isfinite(free.period)
        return descend(
            self._likelihood.derivatives_at,
            points,
            np.where(cyclic, -np.inf, free.lower),
            np.where(cyclic, np.inf, free.upper),
            by_row=True,
            fixed=hold,
            period=free.period,
            factors=free.factors,
            options=Options(tolerance=tolerance, max_iterations=max_iterations),
        )


def blocks_of(number: int, n_bins: int) -> list[int]:
    """Sizes of the blocks in which so many data sets are worked off."""
    size = max(1, min(number, _ROWS // max(n_bins, 1)))
    return [min(size, number - i) for i in range(0, number, size)]
