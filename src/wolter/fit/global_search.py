"""Searches that need no slope or cover the whole range: Nelder-Mead, differential evolution, sampled starts.

Each ends with a Levenberg-Marquardt descent from the best point, which finds the bottom and the second derivatives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from wolter.errors import FitError, ParameterError
from wolter.fit.likelihood import Likelihood
from wolter.fit.minimum import Minimum, bounds, observed, wrap
from wolter.fit.optimiser import Options, descend
from wolter.fit.priors import Prior

__all__ = ["SEARCHES", "SearchBox", "global_search", "restart"]

Array = npt.NDArray[np.float64]
SEARCHES = ("nelder-mead", "differential-evolution")
_VAST = 1e3  # limits further apart than this many times the start (or one) are not searched as a whole
_REACH = 1e3  # ... but this factor around it
_GAIN = 1e-3


class SearchBox:
    """The range that is searched, mapped to the unit cube.

    Norms and other positive parameters whose limits are far apart are searched in the logarithm, a factor of a
    thousand around the start; others with such limits from minus to plus ten times the start (ten at least);
    parameters with a prior as far as the prior goes.

    Parameters
    ----------
    likelihood : Likelihood
        With the free parameters.
    start : array [K]
        Starting values.
    priors : mapping, optional
        By position among all parameters.
    """

    def __init__(self, likelihood: Likelihood, start: Array, priors: Mapping[int, Prior] | None = None) -> None:
        free = likelihood.free
        self.priors = [(priors or {}).get(int(p)) for p in free.positions]
        self.limits = np.stack([free.lower, free.upper], axis=1)
        self.range = self.limits.copy()
        self.log = np.zeros(free.size, dtype=bool)
        for k in range(free.size):
            lo, hi = self.limits[k]
            size = max(abs(start[k]), 1.0)
            if hi - lo <= _VAST * size and np.isfinite(hi - lo) and k not in free.norms:
                continue
            if lo >= 0:
                middle = start[k] if start[k] > 0 else max(free.delta[k], 1e-6)
                self.range[k] = max(lo, middle / _REACH), min(hi, middle * _REACH)
                self.log[k] = True
            else:
                self.range[k] = max(lo, -10.0 * size), min(hi, 10.0 * size)

    def points(self, cube: Array) -> Array:
        """Parameters [..., K] of points of the unit cube [..., K]."""
        lo, hi = self.range[:, 0], self.range[:, 1]
        out = lo + cube * (hi - lo)
        log = self.log
        if log.any():
            out[..., log] = lo[log] * (hi[log] / lo[log]) ** cube[..., log]
        for k, prior in enumerate(self.priors):
            if prior is not None:
                try:
                    out[..., k] = prior.quantile(cube[..., k], float(self.limits[k, 0]), float(self.limits[k, 1]))
                except ParameterError:
                    continue  # a prior that cannot be normalised says nothing about the range
        return out

    def cube(self, points: Array) -> Array:
        """Points of the unit cube for parameters, those outside the range put on its sides; priors are not used."""
        lo, hi = self.range[:, 0], self.range[:, 1]
        out = (points - lo) / (hi - lo)
        log = self.log
        if log.any():
            ratio = np.maximum(points[..., log], lo[log]) / lo[log]
            out[..., log] = np.log(ratio) / np.log(hi[log] / lo[log])
        return np.clip(out, 0.0, 1.0)


def _values(likelihood: Likelihood, points: Array) -> Array:
    value = likelihood.statistic(points)
    return np.where(np.isfinite(value), value, 1e300)


def global_search(
    likelihood: Likelihood,
    start: Array,
    method: str,
    *,
    max_iterations: int | None = None,
    seed: int | None = None,
) -> Minimum:
    """Minimise by Nelder-Mead or differential evolution (SciPy), then descend.

    Parameters
    ----------
    likelihood : Likelihood
        What to minimise.
    start : array [K]
        Starting point.
    method : {"nelder-mead", "differential-evolution"}
        The first is a simplex that walks downhill from the start (Nelder & Mead 1965), the second a population in
        the whole range (Storn & Price 1997).
    max_iterations : int, optional
        Iterations of the simplex or generations at the most.
    seed : int, optional
        Of the population.

    Raises
    ------
    FitError
        For an unknown method.
    """
    from scipy.optimize import differential_evolution, minimize

    box = SearchBox(likelihood, start)
    size = likelihood.free.size
    sides = [(0.0, 1.0)] * size
    messages = []
    if method == "nelder-mead":
        begin = box.cube(start)
        simplex = np.vstack([begin, begin + np.diag(np.where(begin > 0.5, -0.05, 0.05))])
        options: dict[str, Any] = {"initial_simplex": simplex, "xatol": 1e-7, "fatol": 1e-6, "adaptive": size > 4}
        options["maxiter"] = max_iterations or 400 * size
        found = minimize(
            lambda u: float(_values(likelihood, box.points(np.asarray(u))[None])[0]),
            begin,
            method="Nelder-Mead",
            bounds=sides,
            options=options,
        )
    elif method == "differential-evolution":
        found = differential_evolution(
            lambda u: _values(likelihood, box.points(np.asarray(u).T.reshape(-1, size))),
            sides,
            x0=box.cube(start),
            init="sobol",
            maxiter=max_iterations or 300,
            popsize=15,
            tol=1e-6,
            rng=seed,
            polish=False,
            vectorized=True,
            updating="deferred",
        )
    else:
        raise FitError(f"unknown method {method!r}", cure=f"Known are {', '.join(SEARCHES)}.")
    if not found.success:
        messages.append(f"{method} ended without convergence: {found.message}")
    point = box.points(np.asarray(found.x, dtype=float))
    out = _descended(likelihood, np.stack([point, start]), int(found.nit))
    out.messages[:0] = messages
    gained = float(found.fun) - out.statistic
    if gained > 1.0:
        out.messages.append(f"the descent after {method} found a statistic lower by {gained:.2f}")
    return out


def _descended(likelihood: Likelihood, starts: Array, iterations: int = 0) -> Minimum:
    """Lowest end of descents from several points."""
    lower, upper = bounds(likelihood, cyclic=True)
    free = likelihood.free
    ends = descend(
        likelihood.derivatives, starts, lower, upper, period=free.period, factors=free.factors, options=Options()
    )
    values = np.where(np.isfinite(ends.statistic), ends.statistic, np.inf)
    row = int(np.argmin(values))
    out = Minimum(
        wrap(likelihood, ends.points[row]),
        float(ends.statistic[row]),
        ends.alpha[row],
        bool(ends.converged[row]),
        iterations + ends.iterations,
    )
    observed(likelihood, out)
    if not out.converged:
        out.messages.append("no convergence")
    if ends.interrupted:
        out.messages.append("interrupted; this is the best point so far")
    if len(starts) > 2:
        same = int(np.sum(values < values[row] + _GAIN))
        out.restarts = len(starts)
        out.messages.append(f"{same} of {len(starts)} sampled starts ended at the lowest statistic, {values[row]:.2f}")
    return out


def restart(
    likelihood: Likelihood,
    minimum: Minimum,
    starts: int,
    *,
    seed: int | None = None,
    priors: Mapping[int, Prior] | None = None,
) -> Minimum:
    """Descend from further points of a Latin hypercube, and keep the lowest minimum.

    Parameters
    ----------
    likelihood : Likelihood
        What to minimise.
    minimum : Minimum
        What was found before.
    starts : int
        Number of points; they are drawn from the priors where there are any, else from the limits.
    seed : int, optional
        Makes the points repeatable.
    priors : mapping, optional
        By position among all parameters.
    """
    rng = np.random.default_rng(seed)
    box = SearchBox(likelihood, minimum.point, priors)
    size = likelihood.free.size
    strata = np.stack([rng.permutation(starts) for _ in range(size)], axis=1)
    points = box.points((strata + rng.random((starts, size))) / starts)
    finite = np.isfinite(likelihood.statistic(points))
    if not finite.any():
        minimum.messages.append(f"the model is finite at none of {starts} sampled starts")
        return minimum
    found = _descended(likelihood, points[finite], minimum.iterations)
    if found.statistic < minimum.statistic - _GAIN:
        found.messages.insert(0, f"the first descent ended at {minimum.statistic:.2f}")
        return found
    minimum.restarts += found.restarts
    minimum.messages += [m for m in found.messages if "sampled starts" in m]
    if found.statistic > minimum.statistic + _GAIN:
        minimum.messages.append(f"none came down to {minimum.statistic:.2f}, where the first descent had ended")
    return minimum
