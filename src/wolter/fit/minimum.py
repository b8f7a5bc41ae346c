"""Finding the best fit: the default strategy with restarts, XSPEC's descent, and Minuit."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from wolter.errors import FitError
from wolter.fit.leven import leven, renormalise
from wolter.fit.likelihood import Likelihood
from wolter.fit.optimiser import Descent, Options, descend

__all__ = ["METHODS", "Minimum", "bounds", "find_minimum", "further_starts", "observed", "wrap"]

Array = npt.NDArray[np.float64]

METHODS = ("default", "leven", "migrad", "nelder-mead", "differential-evolution")
_PHASES = (0.25, 0.5, 0.75)  # of a period, at which a restart begins
_MAX_STARTS = 24
_AT_LIMIT = 1e-6  # relative distance from a limit that counts as being on it
_BETTER = 1e-3  # a restart has to beat the descent before by this much to be worth a message


@dataclass(eq=False)
class Minimum:
    """Best point found.

    Attributes
    ----------
    point : array [K]
        Free parameters, cyclic ones inside their limits.
    statistic : float
        Statistic there.
    alpha : array [K, K]
        Half the second derivatives: observed ones, for the covariance.
    converged : bool
        Whether the criterion was met.
    iterations, restarts : int
        Rounds, and further starting points.
    messages : list of str
        What happened.
    """

    point: Array
    statistic: float
    alpha: Array
    converged: bool
    iterations: int = 0
    restarts: int = 0
    messages: list[str] = field(default_factory=list)


def bounds(likelihood: Likelihood, *, cyclic: bool) -> tuple[Array, Array]:
    """Hard limits [K]; those of cyclic parameters are open if wished."""
    free = likelihood.free
    if not cyclic:
        return free.lower, free.upper
    open_ = np.isfinite(free.period)
    return np.where(open_, -np.inf, free.lower), np.where(open_, np.inf, free.upper)


def wrap(likelihood: Likelihood, points: Array) -> Array:
    """Points [..., K] with cyclic parameters brought back inside their limits."""
    free = likelihood.free
    cyclic = np.isfinite(free.period)
    if not cyclic.any():
        return points
    out = points.copy()
    period, lower, upper = free.period[cyclic], free.lower[cyclic], free.upper[cyclic]
    values = out[..., cyclic]
    inside = (values >= lower) & (values <= upper)
    out[..., cyclic] = np.where(inside, values, lower + np.mod(values - lower, period))
    return out


def find_minimum(
    likelihood: Likelihood,
    *,
    method: str = "default",
    max_iterations: int | None = None,
    critical_delta: float = 0.01,
    renorm: bool = True,
    seed: int | None = None,
) -> Minimum:
    """Minimise from the present values of the free parameters.

    Parameters
    ----------
    likelihood : Likelihood
        What to minimise.
    method : str
        One of `METHODS`, see `wolter.fit.Fit.run`.
    max_iterations : int, optional
        Iterations at the most.
    critical_delta : float
        Convergence criterion of "leven".
    renorm : bool
        Scale the norms to the data first.
    seed : int, optional
        Of "differential-evolution".

    Raises
    ------
    FitError
        If the model is not finite at the start, or for an unknown method.
    """
    free = likelihood.free
    free.require()
    start = free.start.copy()
    before = float(likelihood.statistic(start[None])[0])
    if not np.isfinite(before):
        likelihood.check_finite(start)
        raise FitError("the statistic is not a number at the start", cure="Change the initial values.")
    if renorm:
        scaled = renormalise(likelihood, start)
        if not np.array_equal(scaled, start):
            after = float(likelihood.statistic(scaled[None])[0])
            if np.isfinite(after) and (method == "leven" or after < before):
                start = scaled
    if method == "default":
        out = _default(likelihood, start, max_iterations)
    elif method == "leven":
        out = _leven(likelihood, start, critical_delta, max_iterations)
    elif method == "migrad":
        from wolter.fit.migrad import migrad

        out = migrad(likelihood, start, max_iterations)
    elif method in METHODS:
        from wolter.fit.global_search import global_search

        out = global_search(likelihood, start, method, max_iterations=max_iterations, seed=seed)
    else:
        raise FitError(f"unknown method {method!r}", cure=f"Known are {', '.join(METHODS)}.")
    _say_limits(likelihood, out)
    _say_worse(likelihood, out, before)
    return out


def _leven(likelihood: Likelihood, start: Array, critical_delta: float, max_iterations: int | None) -> Minimum:
    result = leven(likelihood, start, critical_delta=critical_delta, max_iterations=max_iterations)
    out = Minimum(result.point, result.statistic, result.alpha, result.converged, result.iterations)
    for k in sorted(result.insensitive):
        out.messages.append(f"{likelihood.free.names[k]} has no influence on the statistic and was held")
    if result.interrupted:
        out.messages.append("interrupted; this is the best point so far")
    elif not result.converged:
        out.messages.append(f"stopped after {result.iterations} iterations without convergence")
    return out


def _default(likelihood: Likelihood, start: Array, max_iterations: int | None) -> Minimum:
    """A descent in which cyclic parameters run freely, and restarts where it got stuck."""
    free = likelihood.free
    lower, upper = bounds(likelihood, cyclic=True)
    options = Options(max_iterations=max_iterations or Options.max_iterations)
    first = descend(
        likelihood.derivatives, start[None], lower, upper, period=free.period, factors=free.factors, options=options
    )
    best, at = first, 0
    restarts, iterations = 0, first.iterations
    messages: list[str] = []
    reason = _stuck(likelihood, first, 0)
    if reason and not first.interrupted:
        starts = further_starts(likelihood, start, first.points[0], first.at_bound[0])
        if len(starts):
            more = descend(
                likelihood.derivatives, starts, lower, upper, period=free.period, factors=free.factors, options=options
            )
            restarts, iterations = len(starts), iterations + more.iterations
            values = np.where(np.isfinite(more.statistic), more.statistic, np.inf)
            row = int(np.argmin(values))
            if values[row] < first.statistic[0] - 1e-9:
                best, at = more, row
            gained = float(first.statistic[0] - values[row])
            times = "once" if restarts == 1 else f"{restarts} times"
            if gained > _BETTER:
                messages.append(
                    f"the first descent ended at {first.statistic[0]:.2f} because {reason}; restarted {times}, "
                    f"best {values[row]:.2f}"
                )
            else:
                messages.append(f"restarted {times} because {reason}; nothing better than {first.statistic[0]:.2f}")
            best.interrupted |= more.interrupted
    point = best.points[at]
    wrapped = wrap(likelihood, point)
    for k in np.flatnonzero(np.isfinite(free.period) & (wrapped != point)):
        limit = free.upper[k] if point[k] > free.upper[k] else free.lower[k]
        messages.append(
            f"left the limit {free.names[k]} = {limit:g} by periodicity: {point[k]:.4g} is {wrapped[k]:.4g}"
        )
    out = Minimum(
        wrapped, float(best.statistic[at]), best.alpha[at], bool(best.converged[at]), iterations, restarts, messages
    )
    observed(likelihood, out)
    if best.interrupted:
        out.converged = False
        messages.append("interrupted; this is the best point so far")
    elif not out.converged:
        messages.append(
            "no step lowers the statistic any further although its slope is not zero (a kink in the model, or noise)"
            if best.stalled[at]
            else f"no convergence after {iterations} iterations"
        )
    return out


def observed(likelihood: Likelihood, minimum: Minimum) -> None:
    """Replace the matrix of a minimum by that of observed second derivatives, if that is another one."""
    if any(e.statistic != "chi" for e in likelihood.dataset.spectra):
        now = likelihood.derivatives(minimum.point[None], expected=False)
        minimum.alpha = now.alpha[0]


def _stuck(likelihood: Likelihood, result: Descent, row: int) -> str:
    """Why a descent deserves another start, or an empty string."""
    free = likelihood.free
    bound = result.at_bound[row]
    if bound.any():
        return " and ".join(f"{free.names[k]} is at a limit ({result.points[row, k]:g})" for k in np.flatnonzero(bound))
    if not result.converged[row]:
        return "it stalled" if result.stalled[row] else "it did not converge"
    diagonal = np.diag(result.alpha[row])
    blind = np.flatnonzero(~(diagonal > 0))
    if blind.size:
        return f"{free.names[blind[0]]} had lost its influence"
    return ""


def further_starts(likelihood: Likelihood, start: Array, end: Array, bound: npt.NDArray[np.bool_]) -> Array:
    """Starting points [n, K] after a descent that got stuck at `end`.

    Cyclic parameters are tried at other phases; parameters at a limit go back to where they started, or a little
    inside; each combination once.
    """
    free = likelihood.free
    base = end.copy()
    inside = _inside(likelihood, start)
    base[bound] = inside[bound]
    rows = [base]
    for k in np.flatnonzero(np.isfinite(free.period)):
        rows += [_moved(row, int(k), phase * free.period[k]) for row in rows for phase in _PHASES]
        if len(rows) > _MAX_STARTS:
            break
    if bound.any():
        near = end.copy()
        for k in np.flatnonzero(bound):
            # a little way from the limit, in case the start was far beyond the minimum
            near[k] = end[k] + 0.1 * (inside[k] - end[k])
        rows.append(near)
    else:
        rows.append(start)
    return np.unique(np.array(rows[:_MAX_STARTS]), axis=0)


def _moved(row: Array, k: int, shift: float) -> Array:
    out = row.copy()
    out[k] += shift
    return out


def _inside(likelihood: Likelihood, start: Array) -> Array:
    """Start with parameters that began on a limit moved inside by a few of their steps."""
    free = likelihood.free
    reach = np.maximum(10.0 * free.delta, 0.1 * np.abs(start))
    width = free.upper - free.lower
    reach = np.minimum(reach, 0.25 * width)
    out = np.where(start <= free.lower, free.lower + reach, start)
    return np.where(start >= free.upper, free.upper - reach, out)


def _say_limits(likelihood: Likelihood, minimum: Minimum) -> None:
    """Say which parameters are at a limit, or so near that the difference means nothing (XSPEC's descent, MIGRAD)."""
    free = likelihood.free
    diagonal = np.diag(minimum.alpha)
    for k in range(free.size):
        value = minimum.point[k]
        if np.isfinite(free.period[k]) and free.lower[k] < value < free.upper[k]:
            continue
        sigma = diagonal[k] ** -0.5 if diagonal[k] > 0 else 0.0
        for side, limit in (("lower", free.lower[k]), ("upper", free.upper[k])):
            if abs(value - limit) <= max(_AT_LIMIT * abs(limit), 1e-4 * sigma):
                minimum.messages.append(f"{free.names[k]} is at its {side} limit {limit:g}")


def _say_worse(likelihood: Likelihood, minimum: Minimum, before: float) -> None:
    """Say it if the fit ended above its start, or where nothing changes the statistic."""
    if not minimum.statistic <= before + 1e-6 * max(1.0, abs(before)):
        minimum.messages.append(
            f"the statistic is worse than at the start: {minimum.statistic:.2f} instead of {before:.2f}"
        )
    if not (np.diag(minimum.alpha) > 0).any():
        minimum.converged = False
        minimum.messages.append("the fit is on a plateau: no parameter changes the statistic here; start elsewhere")
