"""One model fitted to many sets of data with the same responses and bins: simulations, each a row of a batch."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wolter.errors import FitError
from wolter.fit.dataset import Dataset, bin_data
from wolter.fit.likelihood import Derivatives, Likelihood, ModelSet
from wolter.fit.optimiser import Descent, Options, descend
from wolter.fit.statistics import BinData, Statistic, gehrels_variance, make_statistic
from wolter.fit.table import FreeParameters

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
        bkg_rate: Array = np.zeros((number, time.size))
        bkg_variance = bkg_rate
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


@dataclass(frozen=True, eq=False)
class _RowBlock:
    """Statistic of neighbouring bins with the data of all rows."""

    statistic: Statistic
    bins: slice

    def take(self, rows: npt.NDArray[np.intp]) -> Statistic:
        """The statistic with the data of some rows."""
        out = copy.copy(self.statistic)
        for name, value in vars(self.statistic).items():
            if isinstance(value, np.ndarray) and value.ndim == 2:
                setattr(out, name, value[rows])
            elif isinstance(value, BinData):
                setattr(out, name, take_rows(value, rows))
            elif isinstance(value, Statistic):
                setattr(out, name, _RowBlock(value, self.bins).take(rows))
        return out


def take_rows(bins: BinData, rows: npt.NDArray[np.intp]) -> BinData:
    """Some rows of a batch of data; arrays [N] that all rows share stay."""
    arrays = {f.name: getattr(bins, f.name) for f in fields(BinData)}
    return BinData(**{name: a[rows] if a.ndim == 2 else a for name, a in arrays.items()})


class _RowLikelihood(Likelihood):
    """Likelihood whose points each belong to a data set of their own."""

    def __init__(self, models: ModelSet, free: FreeParameters, blocks: Sequence[_RowBlock]) -> None:
        super().__init__(models, free)
        self._row_blocks = blocks
        self._rows: npt.NDArray[np.intp] = np.zeros(0, dtype=np.intp)

    def row_statistic(self, points: Array, rows: npt.NDArray[np.intp]) -> Array:
        model = self.model(points)
        total = np.zeros(len(points))
        with np.errstate(all="ignore"):
            for block in self._row_blocks:
                total += block.take(rows).value(model[:, block.bins]).sum(axis=1)
        return total

    def row_derivatives(self, points: Array, rows: npt.NDArray[np.intp]) -> Derivatives:
        self._rows = rows
        return self.derivatives(points)

    def _reduce(
        self, jacobian: Array, place: slice, out: Derivatives, kept: npt.NDArray[np.intp], expected: bool
    ) -> None:
        rows = self._rows[place]
        batch, count = jacobian.shape[0], len(kept)
        total, beta = np.zeros(batch), np.zeros((batch, count))
        alpha = np.zeros((batch, count, count))
        for block in self._row_blocks:
            value, slope, curvature = block.take(rows).derivatives(jacobian[:, 0, block.bins], expected=expected)
            own = jacobian[:, 1:, block.bins]
            total += value.sum(axis=1)
            beta += np.matmul(own, slope[:, :, None])[:, :, 0]
            weighted = own * (curvature[:, None] if curvature.ndim == 2 else curvature)
            alpha += np.matmul(weighted, own.transpose(0, 2, 1))
        out.statistic[place], out.beta[place], out.alpha[place] = total, beta, alpha


class BatchLikelihood:
    """Statistic of many data sets that share model, responses and bins.

    Parameters
    ----------
    fit : FitState
        Model, parameters, statistics and responses.
    bins : BinData
        Data [R, N], see `draw_bins`.
    """

    def __init__(self, fit: FitState, bins: BinData) -> None:
        self.free = fit.table.free
        self.bins = bins
        dataset = fit.dataset
        blocks = []
        for block in dataset.blocks:
            first = next(e for e in dataset.spectra if e.bins.start == block.bins.start)
            arrays = {f.name: getattr(bins, f.name)[..., block.bins] for f in fields(BinData)}
            statistic = make_statistic(
                first.statistic,
                BinData(**arrays),
                background=first.binned.has_background,
                **_chi_options(block.statistic),
            )
            blocks.append(_RowBlock(statistic, block.bins))
        self._likelihood = _RowLikelihood(fit.likelihood.models, self.free, blocks)

    @property
    def size(self) -> int:
        """Number of data sets."""
        return len(self.bins.rate)

    def model(self, points: Array) -> Array:
        """Folded rates [B, N]."""
        return self._likelihood.model(points)

    def statistic(self, points: Array) -> Array:
        """Statistic [R] of each data set at its own point [R, K], or at one for all [K]."""
        rows = np.arange(self.size)
        if np.ndim(points) == 1:
            model = self._likelihood.model(points[None])
            with np.errstate(all="ignore"):
                parts = [b.statistic.value(model[:, b.bins]).sum(axis=1) for b in self._likelihood._row_blocks]
            return np.sum(parts, axis=0)
        return self._likelihood.row_statistic(points, rows)

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
        count, free = self.size, self.free
        points = np.array(np.broadcast_to(start, (count, free.size)), dtype=float)
        # the descent drops rows that have arrived; a further, held "parameter" carries the number of the data set
        extended = np.column_stack([points, np.arange(count, dtype=float)])
        hold = np.zeros(extended.shape, dtype=bool)
        hold[:, [*fixed, free.size]] = True
        cyclic = np.isfinite(free.period)
        lower = np.append(np.where(cyclic, -np.inf, free.lower), -np.inf)
        upper = np.append(np.where(cyclic, np.inf, free.upper), np.inf)
        result = descend(
            self._evaluate,
            extended,
            lower,
            upper,
            fixed=hold,
            period=np.append(free.period, np.inf),
            factors=free.factors,
            options=Options(tolerance=tolerance, max_iterations=max_iterations),
        )
        result.points = result.points[:, :-1]
        result.beta, result.alpha = result.beta[:, :-1], result.alpha[:, :-1, :-1]
        result.at_bound = result.at_bound[:, :-1]
        return result

    def _evaluate(self, extended: Array) -> Derivatives:
        rows = extended[:, -1].astype(np.intp)
        inner = self._likelihood.row_derivatives(np.ascontiguousarray(extended[:, :-1]), rows)
        count, size = inner.beta.shape
        beta = np.zeros((count, size + 1))
        beta[:, :-1] = inner.beta
        alpha = np.zeros((count, size + 1, size + 1))
        alpha[:, :-1, :-1] = inner.alpha
        return Derivatives(inner.statistic, beta, alpha)


def _chi_options(statistic: Statistic) -> dict[str, bool]:
    return {"model_variance": bool(getattr(statistic, "model_variance", False))}


def blocks_of(number: int, n_bins: int) -> list[int]:
    """Sizes of the blocks in which so many data sets are worked off."""
    size = max(1, min(number, _ROWS // max(n_bins, 1)))
    return [min(size, number - i) for i in range(0, number, size)]
