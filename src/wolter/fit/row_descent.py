"""The default minimisation for a batch of sources: start, descent, restarts and covariance of every row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wolter.fit.covariance import covariance_of
from wolter.fit.dataset import Dataset
from wolter.fit.likelihood import ModelSet
from wolter.fit.minimum import bounds, further_starts, wrap
from wolter.fit.optimiser import Descent, Options, descend
from wolter.fit.row_likelihood import RowData, RowLikelihood
from wolter.fit.table import FreeParameters
from wolter.models.grammar import Node

__all__ = ["BlockResult", "descend_rows"]

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]


@dataclass(eq=False)
class BlockResult:
    """Fits of the S sources of a batch.

    Attributes
    ----------
    values : array [S, K]
        Best fits.
    statistic : array [S]
        Statistic there; NaN for a source whose model was not finite.
    covariance : array [S, K, K]
        NaN where it is singular.
    converged : bool array [S]
        Whether the criterion was met.
    iterations : int
        Rounds of the batch.
    restarts : int array [S]
        Further starting points.
    messages : list of str
        What happened to each.
    """

    values: Array
    statistic: Array
    covariance: Array
    converged: Flags
    iterations: int
    restarts: npt.NDArray[np.int64]
    messages: list[str]


def descend_rows(
    dataset: Dataset,
    node: Node,
    free: FreeParameters,
    data: RowData,
    start: Array,
    max_iterations: int | None = None,
) -> BlockResult:
    """Fit every source of a batch as `Fit.run` would fit it alone.

    Parameters
    ----------
    dataset : Dataset
        Spectra of one source, with the responses (but not the areas) of all.
    node : Node
        Syntax tree of the model.
    free : FreeParameters
        What is fitted.
    data : RowData
        Data of S sources.
    start : array [S, K]
        Starting values.
    max_iterations : int, optional
        Rounds of a descent at the most.
    """
    likelihood = RowLikelihood(ModelSet(dataset, node), free, data)
    everyone = np.arange(data.size)
    begin = _start(likelihood, start, everyone)
    options = Options(max_iterations=max_iterations or Options.max_iterations)
    descent = _descend(likelihood, begin, everyone, options)
    iterations = descent.iterations
    restarts = np.zeros(data.size, dtype=np.int64)
    finite = np.isfinite(descent.statistic)
    if not descent.interrupted:
        iterations += _restart(likelihood, begin, descent, np.flatnonzero(finite & _stuck(descent)), restarts, options)
    points = wrap(likelihood, descent.points)
    alpha = descent.alpha
    if finite.any() and any(kind.name != "chi" for kind in data.kinds):
        # errors come from the observed second derivatives, descents use the expected ones
        alpha = likelihood.derivatives_at(points, everyone, expected=False).alpha
    covariance = np.full(alpha.shape, np.nan)
    messages = []
    for row in range(data.size):
        if not finite[row]:
            points[row] = np.nan
            messages.append("the model is not a number at the starting values")
            continue
        matrix, trouble = covariance_of(alpha[row], free.names)
        if matrix is not None:
            covariance[row] = matrix
        messages.append("; ".join(_words(descent, row, free, points[row], int(restarts[row])) + trouble))
    return BlockResult(points, descent.statistic, covariance, descent.converged, iterations, restarts, messages)


def _descend(likelihood: RowLikelihood, start: Array, rows: Rows, options: Options) -> Descent:
    """Descents from `start` [b, K] with the data of the sources `rows` [b]."""
    lower, upper = bounds(likelihood, cyclic=True)
    return descend(
        lambda points, which: likelihood.derivatives_at(points, rows[which]),
        start,
        lower,
        upper,
        by_row=True,
        period=likelihood.free.period,
        factors=likelihood.free.factors,
        options=options,
    )


def _start(likelihood: RowLikelihood, start: Array, rows: Rows) -> Array:
    """Starting points with norms scaled to the data, as before a single fit, where that lowers the statistic."""
    free, data = likelihood.free, likelihood.data
    norms = list(free.norms)
    if not norms or any(kind.background and kind.name in ("cstat", "pgstat") for kind in data.kinds):
        return start
    without = start.copy()
    without[:, norms] = 0.0
    whole, frozen = likelihood.model_at(start, rows), likelihood.model_at(without, rows)
    above, below = np.zeros(len(start)), np.zeros(len(start))
    for kind, bins in zip(data.kinds, data.bins, strict=True):
        statistic = kind.of(bins)
        m = (whole - frozen)[:, kind.bins]
        rest = bins.rate - bins.bkg_rate - frozen[:, kind.bins]
        weight = getattr(statistic, "inverse", None)
        below += np.sum(m if weight is None else m * m * weight, axis=1)
        above += np.sum(rest if weight is None else rest * m * weight, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = above / below
    possible = np.isfinite(factor) & (below > 0)
    scaled = start.copy()
    grown = start[:, norms] * np.where(possible, factor, 1.0)[:, None]
    scaled[:, norms] = np.clip(grown, free.lower[norms], free.upper[norms])
    before, after = likelihood.statistic_at(start, rows), likelihood.statistic_at(scaled, rows)
    return np.where((possible & (after < before))[:, None], scaled, start)


def _stuck(descent: Descent) -> Flags:
    """Which descents deserve another start: at a limit, without convergence, or blind to a parameter."""
    size = descent.alpha.shape[1]
    diagonal = descent.alpha[:, np.arange(size), np.arange(size)]
    return descent.at_bound.any(axis=1) | ~descent.converged | ~(diagonal > 0).all(axis=1)


def _restart(
    likelihood: RowLikelihood,
    begin: Array,
    descent: Descent,
    stuck: Rows,
    restarts: npt.NDArray[np.int64],
    opts: Options,
) -> int:
    """Descend again for the rows that got stuck, all their new starting points together; returns the rounds."""
    starts = [further_starts(likelihood, begin[i], descent.points[i], descent.at_bound[i]) for i in stuck]
    rows = np.repeat(stuck, [len(s) for s in starts])
    if not rows.size:
        return 0
    more = _descend(likelihood, np.concatenate(starts), rows, opts)
    value = np.where(np.isfinite(more.statistic), more.statistic, np.inf)
    for row in stuck:
        mine = np.flatnonzero(rows == row)
        restarts[row] = len(mine)
        best = mine[np.argmin(value[mine])]
        if value[best] < descent.statistic[row] - 1e-9:
            for name in ("points", "statistic", "beta", "alpha", "converged", "stalled", "at_bound"):
                getattr(descent, name)[row] = getattr(more, name)[best]
    descent.interrupted |= more.interrupted
    return more.iterations


def _words(descent: Descent, row: int, free: FreeParameters, point: Array, restarts: int) -> list[str]:
    out = []
    if descent.interrupted and not descent.converged[row]:
        out.append("interrupted; this is the best point so far")
    elif not descent.converged[row]:
        out.append("no step lowers the statistic any further" if descent.stalled[row] else "no convergence")
    for k in np.flatnonzero((point <= free.lower) | (point >= free.upper)):
        out.append(f"{free.names[k]} is at its {'lower' if point[k] <= free.lower[k] else 'upper'} limit {point[k]:g}")
    if restarts:
        out.append(f"restarted {'once' if restarts == 1 else f'{restarts} times'}")
    return out
