"""One Levenberg-Marquardt descent by the rules of XSPEC's method "leven", so that it ends in the same basin.

The rules (XSPEC 12.9.1, method "leven"; a variant of Bevington's CURFIT): lambda starts at 0.001, falls by ten after
an accepted step and rises by ten after a refused one; central differences of a hundredth of the value; each
component of a step that passes a hard limit is cut by the power of two that keeps it inside; a parameter that ends an
iteration on a limit is held there until the others have converged, then released once; the fit has converged when an
iteration lowers the statistic by no more than the critical delta. The covariance is that of the last iteration's
starting point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from wolter.fit.likelihood import Likelihood

__all__ = ["LevenResult", "leven", "renormalise"]

Array = npt.NDArray[np.float64]
_MAX_TRIALS = 100  # values of lambda per iteration


@dataclass(eq=False)
class LevenResult:
    """End of a descent.

    Attributes
    ----------
    point : array [K]
        Parameters.
    statistic : float
        Statistic there.
    alpha : array [K, K]
        Gauss-Newton matrix of the last iteration; zero for parameters that were held.
    iterations : int
        Number of iterations.
    converged : bool
        Whether the criterion was met.
    interrupted : bool
        Whether the user stopped it.
    history : list of (float, float, array [K])
        Statistic, log10 of lambda and parameters after each iteration.
    insensitive : set of int
        Parameters without influence on the statistic.
    slopes : list of float
        For each entry of `history` the norm of half the gradient where its iteration began, over the number of
        parameters that were varied (XSPEC's column ``|beta|/N``).
    """

    point: Array
    statistic: float
    alpha: Array
    iterations: int = 0
    converged: bool = False
    interrupted: bool = False
    history: list[tuple[float, float, Array]] = field(default_factory=list)
    insensitive: set[int] = field(default_factory=set)
    slopes: list[float] = field(default_factory=list)


def _cut(point: Array, step: Array, lower: Array, upper: Array) -> Array:
    """Step with every component that passes a limit scaled down by a power of two."""
    room = np.where(step < 0, point - lower, upper - point)
    size = np.abs(step)
    beyond = (point + step < lower) | (point + step > upper)
    out = step.copy()
    for k in np.flatnonzero(beyond):
        fraction = room[k] / size[k]
        out[k] = 0.0 if fraction == 0 else step[k] * 0.5 ** (int(-np.log2(fraction)) + 1)
    return out


def leven(
    likelihood: Likelihood,
    start: Array,
    *,
    held: frozenset[int] = frozenset(),
    critical_delta: float = 0.01,
    max_iterations: int | None = None,
    on_iteration: Callable[[float, Array], None] | None = None,
) -> LevenResult:
    """Descend from a point.

    Parameters
    ----------
    likelihood : Likelihood
        What to minimise.
    start : array [K]
        Starting point.
    held : frozenset of int
        Parameters that are not varied.
    critical_delta : float
        Change of the statistic that ends the fit.
    max_iterations : int, optional
        End after so many iterations (XSPEC with query "no"); otherwise go on until convergence.
    on_iteration : callable, optional
        Called with statistic and parameters after each iteration.
    """
    free = likelihood.free
    point = np.clip(np.asarray(start, dtype=float), free.lower, free.upper)
    everyone = [k for k in range(free.size) if k not in held]
    out = LevenResult(point, float(likelihood.statistic(point[None])[0]), np.zeros((free.size, free.size)))
    likelihood.history, likelihood.slopes = out.history, out.slopes
    previous = out.statistic
    damping = 1e-3
    pegged: set[int] = set()
    released = False
    remaining = 10_000 if max_iterations is None else max_iterations
    try:
        while remaining > 0:
            remaining -= 1
            active = [k for k in everyone if k not in pegged]
            if not active:
                break
            now = likelihood.derivatives(out.point[None], active=active, scheme="xspec", expected=False)
            alpha, beta = now.alpha[0], now.beta[0]
            dead = _insensitive(alpha, out.point, active)
            if dead:
                pegged.update(dead)
                out.insensitive.update(dead)
                remaining = max(remaining, 1)
                continue
            out.iterations += 1
            out.alpha = alpha
            improved, damping = _iterate(likelihood, out, active, alpha, beta, damping)
            done = False
            if improved:
                if not released:
                    here = out.point
                    pegged.update(k for k in active if here[k] <= free.lower[k] or here[k] >= free.upper[k])
                out.history.append((out.statistic, float(np.log10(damping)), out.point.copy()))
                out.slopes.append(float(np.linalg.norm(beta[active])) / len(active))
                if on_iteration is not None:
                    on_iteration(out.statistic, out.point)
                change = previous - out.statistic
                previous = out.statistic
                done = 0 <= change <= critical_delta
                released = released and done
            else:
                # no lambda helps: give the pegged parameters a last chance
                done = not pegged
                damping = 1e-3
            if done or not improved:
                again = bool(pegged) and not released
                pegged.clear()
                if again:
                    released, done, damping = True, False, 1e-3
                elif not improved:
                    done = True
            if done:
                out.converged = True
                break
    except KeyboardInterrupt:
        out.interrupted = True
    return out


def _insensitive(alpha: Array, point: Array, active: list[int]) -> list[int]:
    """Parameters without influence: alpha is zero, or would be as XSPEC computes it.

    A norm that creeps towards zero keeps its derivative here, as the model is linear in it. XSPEC takes the difference
    of two models a hundredth of the value to either side; once that is lost in the rounding of the whole model,
    alpha is zero and the parameter is held. Without this, hundreds of iterations would each halve the norm.
    """
    weight = np.sqrt(np.maximum(np.diag(alpha), 0.0)) * np.abs(point)  # by how many sigma the parameter's part counts
    lost = 1e2 * np.finfo(float).eps * max(weight[active], default=0.0)
    return [k for k in active if not alpha[k, k] > 0 or (point[k] != 0 and weight[k] < lost)]


def _iterate(
    likelihood: Likelihood, out: LevenResult, active: list[int], alpha: Array, beta: Array, damping: float
) -> tuple[bool, float]:
    """Raise lambda until a step lowers the statistic; moves `out` there. Returns success and the new lambda."""
    free = likelihood.free
    index = np.array(active, dtype=np.intp)
    root = np.sqrt(alpha[index, index])
    scaled = alpha[np.ix_(index, index)] / np.outer(root, root)
    for _ in range(_MAX_TRIALS):
        matrix = scaled.copy()
        matrix[np.diag_indices(len(index))] = 1.0 + damping
        step = np.zeros(free.size)
        step[index] = np.linalg.pinv(matrix, hermitian=True) @ (beta[index] / root) / root
        trial = out.point + _cut(out.point, step, free.lower, free.upper)
        statistic = float(likelihood.statistic(trial[None])[0])
        if statistic <= out.statistic:
            out.point, out.statistic = trial, statistic
            return True, damping * 0.1 if damping > 1e-30 else damping
        damping *= 10.0
    return False, damping


def renormalise(likelihood: Likelihood, point: Array) -> Array:
    """Point with all free norms multiplied by the factor that fits the data best, as XSPEC's "renorm".

    Parameters
    ----------
    likelihood : Likelihood
        The data and the model.
    point : array [K]
        Values of the free parameters.

    Returns
    -------
    array [K]
        The factor is ``sum(d m / var) / sum(m^2 / var)`` for chi and ``sum(d) / sum(m)`` for the Poisson statistics,
        d being what is left of the data after the contribution of frozen norms. Unchanged if there are no free
        norms, or for Poisson statistics if a spectrum has a background.
    """
    dataset = likelihood.dataset
    norms = list(likelihood.free.norms)
    poisson = any(e.statistic in ("cstat", "pgstat") for e in dataset.spectra)
    if not norms or (poisson and any(e.binned.has_background for e in dataset.spectra)):
        return point
    without = point.copy()
    without[norms] = 0.0
    whole, frozen = likelihood.model(np.stack([point, without]))
    varying = whole - frozen
    above = below = 0.0
    for block in dataset.blocks:
        data, m = block.statistic.bins, varying[block.bins]
        rest = data.rate - data.bkg_rate - frozen[block.bins]
        weight = getattr(block.statistic, "inverse", None)
        below += float(np.sum(m) if weight is None else np.sum(m * m * weight))
        above += float(np.sum(rest) if weight is None else np.sum(rest * m * weight))
    if not np.isfinite(above) or not np.isfinite(below) or below <= 0:
        return point
    out = point.copy()
    free = likelihood.free
    out[norms] = np.clip(point[norms] * (above / below), free.lower[norms], free.upper[norms])
    return out
