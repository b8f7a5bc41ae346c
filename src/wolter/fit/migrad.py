"""Minuit's MIGRAD on the likelihood, with its gradient."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt

from wolter.fit.likelihood import Likelihood
from wolter.fit.minimum import Minimum, bounds, further_starts, wrap

__all__ = ["migrad"]

Array = npt.NDArray[np.float64]
_WIDE = 1e3  # times the value: limits this far away are as good as none
_NEAR = 1e-4  # of the initial error: a parameter this near a limit counts as being on it


def migrad(likelihood: Likelihood, start: Array, max_iterations: int | None = None) -> Minimum:
    """Minimise with iminuit, again from other points if a parameter ends at a limit.

    Parameters
    ----------
    likelihood : Likelihood
        What to minimise.
    start : array [K]
        Starting point.
    max_iterations : int, optional
        Calls at the most, for each start.
    """
    free = likelihood.free
    best = _descend(likelihood, start, max_iterations)
    bound = _on_limit(likelihood, best.point)
    if bound.any() or not best.converged:
        first = best
        starts = further_starts(likelihood, start, best.point, bound)
        for other in starts:
            trial = _descend(likelihood, other, max_iterations)
            if trial.statistic < best.statistic:
                best = trial
        best.restarts = len(starts)
        stuck = " and ".join(free.names[k] for k in np.flatnonzero(bound))
        why = f"{stuck} at a limit" if stuck else "no convergence"
        best.messages.append(
            f"MIGRAD ended at {first.statistic:.2f} with {why}; restarted {len(starts)} times, "
            f"best {best.statistic:.2f}"
        )
    best.point = wrap(likelihood, best.point)
    best.alpha = likelihood.derivatives(best.point[None], expected=False).alpha[0]
    if not best.converged:
        best.messages.append("MIGRAD did not converge")
    return best


def _on_limit(likelihood: Likelihood, point: Array) -> npt.NDArray[np.bool_]:
    lower, upper = bounds(likelihood, cyclic=True)
    near = _NEAR * np.maximum(likelihood.free.delta, np.abs(point))
    return (point - lower < near) | (upper - point < near)


def _descend(likelihood: Likelihood, start: Array, max_iterations: int | None) -> Minimum:
    from iminuit import Minuit

    free = likelihood.free

    def statistic(point: Any) -> float:
        where = np.asarray(point, dtype=float)
        value = float(likelihood.statistic(where[None])[0]) if np.isfinite(where).all() else np.nan
        return value if np.isfinite(value) else 1e300

    def gradient(point: Any) -> Array:
        return -2.0 * likelihood.derivatives(np.asarray(point, dtype=float)[None]).beta[0]

    lower, upper = bounds(likelihood, cyclic=True)
    # Minuit maps limits by a sine: very wide ones cost all digits, and on one it cannot move
    far = _WIDE * np.maximum(np.abs(start), 1.0)
    lower = np.where(lower < -far, -np.inf, lower)
    upper = np.where(upper > far, np.inf, upper)
    width = np.where(np.isfinite(upper - lower), upper - lower, np.maximum(np.abs(start), 1.0))
    start = np.clip(start, lower + 1e-2 * width, upper - 1e-2 * width)
    fit = Minuit(cast(Any, statistic), start, grad=cast(Any, gradient))
    fit.errordef = 1.0
    fit.print_level = 0
    fit.limits = [(lo, hi) for lo, hi in zip(lower, upper, strict=True)]
    alpha = likelihood.derivatives(start[None]).alpha[0]
    diagonal = np.diag(alpha)
    steps = np.where(diagonal > 0, 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0)), np.maximum(free.delta, 1e-8))
    fit.errors = np.minimum(steps, 0.1 * np.maximum(np.abs(start), free.delta) + 1e-300)
    fit.migrad(ncall=max_iterations)
    if not fit.valid:
        fit.simplex(ncall=max_iterations).migrad(ncall=max_iterations)
    point = np.array(list(fit.values), dtype=float)
    return Minimum(point, float(fit.fval or np.nan), alpha, bool(fit.valid), fit.nfcn)
