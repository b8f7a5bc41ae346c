"""Batched Levenberg-Marquardt with bounds and cyclic parameters: many descents at once, each with its own fixed set.

Damping and acceptance follow Marquardt (1963) with the gain-ratio control of Madsen, Nielsen & Tingleff (2004); bounds
are handled by an active set: a parameter at a bound whose gradient points outward rests for the step, one that
a step would carry beyond is put on the bound and the others are solved for again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from wolter._progress import track
from wolter.fit.likelihood import Derivatives

__all__ = ["Descent", "Options", "damped_step", "descend", "solve_masked"]

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
_LARGEST_LOG_STEP = 0.7


@dataclass(frozen=True)
class Options:
    """How a descent goes and when it ends.

    Parameters
    ----------
    tolerance : float
        A descent has converged when the undamped step would lower the statistic by less than this.
    max_iterations : int
        Evaluations of the derivatives at the most.
    damping : float
        Initial lambda, relative to the diagonal.
    expected : bool
        Use expected second derivatives.
    """

    tolerance: float = 1e-6
    max_iterations: int = 200
    damping: float = 1e-3
    expected: bool = True


@dataclass(eq=False)
class Descent:
    """Where a batch of descents has arrived.

    Attributes
    ----------
    points : array [B, K]
        Parameters.
    statistic : array [B]
        Statistic there.
    beta, alpha : array [B, K], [B, K, K]
        Gradient and Gauss-Newton matrix there.
    converged : bool array [B]
        Whether the criterion was met.
    stalled : bool array [B]
        Whether it ended because no step lowered the statistic though the gradient asked for one.
    at_bound : bool array [B, K]
        Parameters resting on a bound.
    iterations : int
        Number of rounds.
    interrupted : bool
        Whether the user stopped it.
    """

    points: Array
    statistic: Array
    beta: Array
    alpha: Array
    converged: Mask
    stalled: Mask
    at_bound: Mask
    iterations: int = 0
    interrupted: bool = field(default=False)


def solve_masked(alpha: Array, beta: Array, moving: Mask, damping: Array) -> Array:
    """Steps [B, K] that solve ``(alpha + damping diag(alpha)) step = beta`` for the moving parameters.

    The matrix is scaled to a unit diagonal first. Parameters without curvature do not move.
    """
    size = beta.shape[1]
    diagonal = alpha[:, np.arange(size), np.arange(size)]
    use = moving & (diagonal > 0)
    root = np.sqrt(np.where(use, diagonal, 1.0))
    matrix = alpha / (root[:, :, None] * root[:, None, :])
    both = use[:, :, None] & use[:, None, :]
    matrix = np.where(both, matrix, 0.0)
    matrix[:, np.arange(size), np.arange(size)] = 1.0 + np.where(use, damping[:, None], 0.0)
    right = np.where(use, beta / root, 0.0)
    try:
        step = np.linalg.solve(matrix, right[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:
        step = np.matmul(np.linalg.pinv(matrix, hermitian=True), right[:, :, None])[:, :, 0]
    return step / root


def damped_step(
    points: Array, alpha: Array, beta: Array, moving: Mask, damping: Array, lower: Array, upper: Array
) -> Array:
    """Steps that keep inside the bounds [B, K] or [K].

    Parameters that would cross a bound are put on it, and the step of the others is solved for again given theirs.
    """
    step = solve_masked(alpha, beta, moving, damping)
    clipped = np.zeros_like(moving)
    fixed = np.zeros_like(step)
    for _ in range(step.shape[1]):
        target = points + step
        out = moving & ~clipped & ((target < lower) | (target > upper))
        if not out.any():
            break
        fixed = np.where(out, np.clip(target, lower, upper) - points, fixed)
        clipped |= out
        reduced = beta - np.matmul(alpha, np.where(clipped, fixed, 0.0)[:, :, None])[:, :, 0]
        step = np.where(clipped, fixed, solve_masked(alpha, reduced, moving & ~clipped, damping))
    target = np.clip(points + step, lower, upper)
    return np.where(moving, target - points, 0.0)


def descend(
    evaluate: Callable[..., Derivatives],
    start: Array,
    lower: Array,
    upper: Array,
    *,
    by_row: bool = False,
    fixed: Mask | None = None,
    period: Array | None = None,
    factors: Sequence[int] = (),
    options: Options | None = None,
    before: Derivatives | None = None,
    label: str | None = None,
) -> Descent:
    """Descend from each of a batch of starting points.

    Parameters
    ----------
    evaluate : callable
        Statistic and derivatives at points [b, K]; with `by_row` it is also given the rows [b] they belong to.
    start : array [B, K]
        Starting points; moved inside the bounds.
    lower, upper : array [K]
        Bounds; infinite where there are none.
    by_row : bool
        Every row of the batch has a statistic of its own (other data).
    fixed : bool array [B, K], optional
        Parameters that are held.
    period : array [K], optional
        Periods; a step is not longer than a quarter of one.
    factors : sequence of int, optional
        Parameters that multiply the model (norms): small steps of them are taken in the logarithm, which straightens
        the valleys between a norm and what the shape depends on.
    options : Options, optional
        Tolerances.
    before : Derivatives, optional
        Derivatives at the starting points if they are known.
    label : str, optional
        Shows a progress bar with this text when it takes long.

    Returns
    -------
    Descent
        Also after Ctrl-C, then with the best points so far.
    """
    opts = options or Options()
    points = np.clip(start, lower, upper) if fixed is None else np.where(fixed, start, np.clip(start, lower, upper))
    hold = np.zeros(points.shape, dtype=bool) if fixed is None else fixed
    longest = np.full(points.shape[1], np.inf) if period is None else 0.25 * period
    call: Callable[[Array, npt.NDArray[np.intp]], Derivatives]
    call = evaluate if by_row else lambda where, rows: evaluate(where)
    now = before if before is not None else call(points, np.arange(len(points)))
    state = Descent(
        points=points,
        statistic=now.statistic.copy(),
        beta=now.beta.copy(),
        alpha=now.alpha.copy(),
        converged=np.zeros(len(points), dtype=bool),
        stalled=np.zeros(len(points), dtype=bool),
        at_bound=np.zeros(points.shape, dtype=bool),
    )
    damping = np.full(len(points), opts.damping)
    alive = np.flatnonzero(np.isfinite(state.statistic))
    try:
        rounds = range(opts.max_iterations)
        for _ in rounds if label is None else track(rounds, label):
            if not alive.size:
                break
            alive = _round(call, state, alive, damping, hold, lower, upper, longest, list(factors), opts)
            state.iterations += 1
    except KeyboardInterrupt:
        state.interrupted = True
    return state


def _multiplied(values: Array, steps: Array, lower: Array, upper: Array) -> Array:
    """Values after steps taken in the logarithm; large ones, and those of values that are not positive, as they are."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = steps / values
        small = (np.abs(ratio) < _LARGEST_LOG_STEP) & (values > 0)
        return np.where(small, np.clip(values * np.exp(np.where(small, ratio, 0.0)), lower, upper), values + steps)


def _round(
    evaluate: Callable[[Array, npt.NDArray[np.intp]], Derivatives],
    state: Descent,
    alive: npt.NDArray[np.intp],
    damping: Array,
    hold: Mask,
    lower: Array,
    upper: Array,
    longest: Array,
    factors: list[int],
    opts: Options,
) -> npt.NDArray[np.intp]:
    """One step of every descent that has not ended; returns those that go on."""
    everyone = alive.size == len(damping)
    here, beta, alpha = (
        (state.points, state.beta, state.alpha)
        if everyone
        else (state.points[alive], state.beta[alive], state.alpha[alive])
    )
    resting = ((here <= lower) & (beta < 0)) | ((here >= upper) & (beta > 0))
    moving = ~hold[alive] & ~resting
    # has it arrived? the decrease that the undamped quadratic model promises
    undamped = solve_masked(alpha, beta, moving, np.zeros(alive.size))
    promise = np.einsum("bk,bk->b", np.where(moving, beta, 0.0), undamped)
    arrived = (promise < opts.tolerance) & (promise > -opts.tolerance)
    state.at_bound[alive] = resting & ~hold[alive]
    if arrived.any():
        state.converged[alive[arrived]] = True
        rest = ~arrived
        if not rest.any():
            return alive[:0]
        alive, here, beta, alpha, moving = alive[rest], here[rest], beta[rest], alpha[rest], moving[rest]
    step = damped_step(here, alpha, beta, moving, damping[alive], lower, upper)
    step = np.clip(np.where(np.isfinite(step), step, 0.0), -longest, longest)
    trial = here + step
    if factors:
        trial[:, factors] = _multiplied(here[:, factors], step[:, factors], lower[factors], upper[factors])
    new = evaluate(trial, alive)
    expected = np.einsum("bk,bk->b", 2.0 * beta - np.matmul(alpha, step[:, :, None])[:, :, 0], step)
    gain = state.statistic[alive] - new.statistic
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = gain / expected
    good = np.isfinite(new.statistic) & (gain >= 0)
    factor = np.where(good, np.where(ratio > 0.75, 0.1, np.where(ratio < 0.25, 4.0, 0.5)), 10.0)
    damping[alive] = np.clip(damping[alive] * factor, 1e-12, 1e16)
    taken = alive[good]
    state.points[taken] = trial[good]
    state.statistic[taken] = new.statistic[good]
    state.beta[taken] = new.beta[good]
    state.alpha[taken] = new.alpha[good]
    # no step helps any more: rounding, or a kink in the model
    stuck = ~good & (damping[alive] > 1e10)
    state.stalled[alive[stuck]] = True
    return alive[~stuck]
