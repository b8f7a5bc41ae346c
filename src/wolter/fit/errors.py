"""Confidence intervals from the profile of the statistic, searched for many parameters and both sides at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wolter._progress import track
from wolter.fit.likelihood import Likelihood
from wolter.fit.minimum import bounds
from wolter.fit.optimiser import Options, descend

__all__ = ["Search", "search_intervals"]

Array = npt.NDArray[np.float64]
_MAX_ROUNDS = 60
_NEW_MINIMUM = 0.01  # XSPEC's critical delta: a lower statistic than this is a new minimum


@dataclass(eq=False)
class Search:
    """Outcome of the search for all bounds.

    Attributes
    ----------
    lower, upper : array [n]
        Bounds; NaN where the search failed.
    codes : list of list of bool
        XSPEC's nine flags for each parameter.
    better : tuple of (float, array [K]) or None
        A lower statistic met on the way, and where.
    interrupted : bool
        Whether the user stopped it; bounds not reached by then are NaN.
    """

    lower: Array
    upper: Array
    codes: list[list[bool]]
    better: tuple[float, Array] | None = None
    interrupted: bool = False


class _Tasks:
    """State of all one-sided searches."""

    def __init__(
        self,
        parameters: Sequence[int],
        best: Array,
        sigma: Array,
        lower: Array,
        upper: Array,
        period: Array,
        delta: float,
    ) -> None:
        self.parameter = np.repeat(np.asarray(parameters, dtype=np.intp), 2)
        self.side = np.tile([-1.0, 1.0], len(parameters))
        count = len(self.parameter)
        self.centre = best[self.parameter]
        edge = np.where(self.side < 0, lower[self.parameter], upper[self.parameter])
        self.turning = np.isinf(edge) & np.isfinite(period[self.parameter])
        self.room = np.where(self.turning, 0.5 * period[self.parameter], np.abs(edge - self.centre))
        room = self.room
        self.step = np.minimum(sigma[self.parameter] * np.sqrt(delta), room)
        self.inner = np.zeros(count)  # distance at which the statistic has not risen enough ...
        self.inner_z = np.zeros(count)  # ... and the root of its rise there
        self.outer = np.full(count, np.nan)
        self.outer_z = np.full(count, np.nan)
        self.same_side = np.zeros(count, dtype=int)
        self.result = np.full(count, np.nan)
        self.limit = np.zeros(count, dtype=bool)
        self.uneven = np.zeros(count, dtype=bool)
        self.trouble = np.zeros(count, dtype=bool)
        self.done = room <= 0
        self.limit[self.done] = True
        self.result[self.done] = self.centre[self.done]


def search_intervals(
    likelihood: Likelihood,
    best: Array,
    statistic: float,
    covariance: Array | None,
    parameters: Sequence[int],
    delta: float,
    *,
    local: bool,
) -> Search:
    """Where the statistic, minimised over all other parameters, has risen by `delta`.

    Parameters
    ----------
    likelihood : Likelihood
        The statistic.
    best : array [K]
        Best fit.
    statistic : float
        Statistic there.
    covariance : array [K, K] or None
        For the first step and to predict the other parameters.
    parameters : sequence of int
        Which free parameters.
    delta : float
        Rise wanted.
    local : bool
        Stay in the basin: limits of cyclic parameters are walls, a lower statistic met on the way is not taken up.
    """
    free = likelihood.free
    lower, upper = bounds(likelihood, cyclic=not local)
    sigma = _first_sigma(likelihood, best, covariance)
    tasks = _Tasks(parameters, best, sigma, lower, upper, free.period, delta)
    # what the other parameters do when one moves, to first order
    slope = np.zeros((len(tasks.parameter), free.size))
    if covariance is not None:
        for i, k in enumerate(tasks.parameter):
            if covariance[k, k] > 0:
                slope[i] = covariance[k] / covariance[k, k]
    latest = np.tile(best, (len(tasks.parameter), 1))
    out = Search(np.full(len(parameters), np.nan), np.full(len(parameters), np.nan), [])
    try:
        for _ in track(range(_MAX_ROUNDS), "searching confidence intervals"):
            todo = np.flatnonzero(~tasks.done)
            if not todo.size:
                break
            better = _round(likelihood, tasks, todo, latest, slope, statistic, delta, lower, upper)
            if better is not None and not local and better[0] < statistic - _NEW_MINIMUM:
                out.better = better
                break
    except KeyboardInterrupt:
        out.interrupted = True
    for i in range(len(parameters)):
        low, high = 2 * i, 2 * i + 1
        out.lower[i], out.upper[i] = tasks.result[low], tasks.result[high]
        flags = [False] * 9
        flags[1] = bool(tasks.uneven[low] | tasks.uneven[high])
        flags[2] = bool(tasks.trouble[low] | tasks.trouble[high])
        # half a turn away in both directions is no limit, but the parameter is not constrained either
        flags[3] = bool(tasks.limit[low] and not tasks.turning[low])
        flags[4] = bool(tasks.limit[high] and not tasks.turning[high])
        flags[6] = bool(tasks.limit[low] or np.isnan(tasks.result[low]))
        flags[7] = bool(tasks.limit[high] or np.isnan(tasks.result[high]))
        out.codes.append(flags)
    return out


def _first_sigma(likelihood: Likelihood, best: Array, covariance: Array | None) -> Array:
    free = likelihood.free
    guess = np.maximum(np.where(best != 0, 0.01 * np.abs(best), free.delta), 1e-300)
    if covariance is None:
        return guess
    variance = np.diag(covariance)
    return np.where(variance > 0, np.sqrt(np.maximum(variance, 0.0)), guess)


def _round(
    likelihood: Likelihood,
    tasks: _Tasks,
    todo: npt.NDArray[np.intp],
    latest: Array,
    slope: Array,
    statistic: float,
    delta: float,
    lower: Array,
    upper: Array,
) -> tuple[float, Array] | None:
    """One trial of every search that goes on; returns the lowest statistic met."""
    free = likelihood.free
    parameter = tasks.parameter[todo]
    distance = tasks.step[todo]
    value = tasks.centre[todo] + tasks.side[todo] * distance
    rows = np.arange(todo.size)
    start = latest[todo] + slope[todo] * (value - latest[todo][rows, parameter])[:, None]
    start = np.clip(start, lower, upper)
    start[rows, parameter] = value
    fixed = np.zeros(start.shape, dtype=bool)
    fixed[rows, parameter] = True
    result = descend(
        likelihood.derivatives,
        start,
        lower,
        upper,
        fixed=fixed,
        period=free.period,
        factors=free.factors,
        options=Options(tolerance=1e-5),
    )
    if result.interrupted:  # the descent keeps its best points, but they bound nothing
        raise KeyboardInterrupt
    latest[todo] = result.points
    rise = result.statistic - statistic
    tasks.trouble[todo] = ~result.converged  # of the last trial: that is where the bound is
    _advance(tasks, todo, distance, rise, delta)
    row = int(np.argmin(np.where(np.isfinite(rise), rise, np.inf)))
    return float(result.statistic[row]), result.points[row].copy()


def _advance(tasks: _Tasks, todo: npt.NDArray[np.intp], distance: Array, rise: Array, delta: float) -> None:
    """Take in the rises found and choose the next distances.

    The root of the rise is nearly linear in the distance; secants on it, with the Illinois modification, converge in
    a few steps.
    """
    goal = np.sqrt(delta)
    tolerance = 1e-3 * max(delta, 1.0)
    for i, t, d in zip(todo, distance, rise, strict=True):
        if not np.isfinite(d):
            tasks.outer[i], tasks.outer_z[i] = t, np.inf
        elif abs(d - delta) <= tolerance:
            tasks.result[i] = tasks.centre[i] + tasks.side[i] * t
            tasks.done[i] = True
            continue
        elif d < delta:
            z = np.sqrt(max(d, 0.0))
            tasks.uneven[i] |= z < tasks.inner_z[i] - 0.05 and t > tasks.inner[i]
            if t >= tasks.room[i]:
                tasks.limit[i] = tasks.done[i] = True
                tasks.result[i] = tasks.centre[i] + tasks.side[i] * t
                continue
            tasks.same_side[i] = min(tasks.same_side[i], 0) - 1
            tasks.inner[i], tasks.inner_z[i] = t, z
        else:
            tasks.same_side[i] = max(tasks.same_side[i], 0) + 1
            tasks.outer[i], tasks.outer_z[i] = t, np.sqrt(d)
        tasks.step[i] = _next(tasks, i, goal)
        if np.isfinite(tasks.outer[i]) and tasks.outer[i] - tasks.inner[i] <= 1e-9 * tasks.outer[i]:
            tasks.result[i] = tasks.centre[i] + tasks.side[i] * tasks.inner[i]
            tasks.uneven[i] = tasks.done[i] = True  # a jump of the statistic


def _next(tasks: _Tasks, i: int, goal: float) -> float:
    inner, z_in, outer, z_out = tasks.inner[i], tasks.inner_z[i], tasks.outer[i], tasks.outer_z[i]
    if not np.isfinite(outer):
        if z_in <= 0:
            return min(max(2.0 * inner, tasks.step[i]) * 2.0, tasks.room[i])
        return min(inner * min(max(goal / z_in, 1.1), 4.0), tasks.room[i])
    if not np.isfinite(z_out) or abs(tasks.same_side[i]) > 3:
        return 0.5 * (inner + outer)
    low, high = z_in - goal, z_out - goal
    if tasks.same_side[i] >= 2:
        low *= 0.5
    elif tasks.same_side[i] <= -2:
        high *= 0.5
    share = -low / (high - low)
    return inner + min(max(share, 0.02), 0.98) * (outer - inner)
