"""Comparison of models: information criteria, F-test, likelihood ratio by simulation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wolter.errors import FitError, ParameterError
from wolter.fit.batch import BatchLikelihood, blocks_of, draw_bins

if TYPE_CHECKING:
    from wolter.fit.fit import Fit

__all__ = ["LikelihoodRatio", "aic", "bic", "f_test", "likelihood_ratio"]

Array = npt.NDArray[np.float64]


def aic(fit: Fit, *, corrected: bool = False) -> float:
    """Akaike's information criterion, ``S + 2 K`` (Akaike 1974): the smaller the better.

    Parameters
    ----------
    fit : Fit
        Of K free parameters; S is its statistic (chi, cstat ... are -2 ln L up to a constant of the data).
    corrected : bool
        Add ``2 K (K + 1) / (N - K - 1)`` for few bins N (Hurvich & Tsai 1989).

    Raises
    ------
    FitError
        If the correction is not defined because N <= K + 1.
    """
    k = fit.table.free.size
    out = fit.statistic + 2.0 * k
    if corrected:
        if fit.n_bins <= k + 1:
            raise FitError(f"{fit.n_bins} bins are too few for the corrected criterion with {k} parameters")
        out += 2.0 * k * (k + 1) / (fit.n_bins - k - 1)
    return out


def bic(fit: Fit) -> float:
    """Schwarz's (Bayesian) information criterion, ``S + K ln N`` (Schwarz 1978): the smaller the better.

    N is the number of noticed bins, S the statistic, K the number of free parameters.
    """
    return fit.statistic + fit.table.free.size * math.log(fit.n_bins)


def f_test(statistic: float, dof: int, simpler: float, simpler_dof: int) -> float:
    """F-test of an additional component, in the order of XSPEC's ftest.

    ``F = ((chi1 - chi2) / (nu1 - nu2)) / (chi2 / nu2)`` (Bevington & Robinson, Data reduction and error analysis).
    Not valid where the simpler model lies on the boundary of the other, such as a line of norm zero (Protassov et al.
    2002, ApJ 571, 545): use `likelihood_ratio` there.

    Parameters
    ----------
    statistic, dof
        Chi-squared chi2 and degrees of freedom nu2 of the model with the component.
    simpler, simpler_dof
        Those of the model without.

    Returns
    -------
    float
        Probability of so large an improvement if the simpler model is true.

    Raises
    ------
    ParameterError
        If the simpler model has no more degrees of freedom, or numbers are not positive.
    """
    if not (statistic > 0 and dof > 0 and simpler_dof > dof):
        raise ParameterError(
            f"an F-test needs fewer degrees of freedom with the component than without, not {dof} and {simpler_dof}, "
            "and a positive chi-squared",
            cure="The order is chi2, dof with the component, chi2, dof without.",
        )
    if simpler <= statistic:
        return 1.0
    from scipy.special import betainc

    extra = simpler_dof - dof
    f = (simpler - statistic) / extra / (statistic / dof)
    return float(betainc(0.5 * dof, 0.5 * extra, dof / (dof + extra * f)))


@dataclass(frozen=True, eq=False)
class LikelihoodRatio:
    """Outcome of `likelihood_ratio`.

    Attributes
    ----------
    observed : float
        Statistic of the simpler model minus that of the other, for the data.
    simulated : array [n]
        The same for data drawn from the simpler model.
    failed : int
        Simulations left out because a fit did not converge.
    extra : int
        Additional free parameters.
    """

    observed: float
    simulated: Array
    failed: int
    extra: int

    @property
    def p_value(self) -> float:
        """Probability of so large a difference if the simpler model is true: (1 + larger ones) / (1 + n)."""
        return float((1 + np.sum(self.simulated >= self.observed)) / (1 + len(self.simulated)))

    @property
    def wilks(self) -> float:
        """The probability by Wilks' theorem, which holds only inside the limits of all parameters."""
        from wolter.fit.numerics import chi2_sf

        return chi2_sf(self.observed, self.extra)

    def __str__(self) -> str:
        return (
            f"the statistic falls by {self.observed:.2f}; {int(np.sum(self.simulated >= self.observed))} of "
            f"{len(self.simulated)} simulations of the simpler model fall by as much: p = {self.p_value:.3g}"
        )


def likelihood_ratio(
    simpler: Fit,
    other: Fit,
    number: int = 1000,
    *,
    seed: int | None = None,
    starts: npt.ArrayLike | None = None,
) -> LikelihoodRatio:
    """Test an additional component by simulation (Protassov et al. 2002, ApJ 571, 545).

    Data are drawn from the best fit of the simpler model; both models are fitted to all of them in batched calls.

    Parameters
    ----------
    simpler, other : Fit
        Fitted to the same data; the simpler model must be a special case of the other.
    number : int
        Simulations.
    seed : int, optional
        Of the random numbers.
    starts : array [M, K], optional
        Points from which the other model is fitted to each simulation, the lowest minimum counts; by default the best
        fit to the data, and the same with every norm that is not in the simpler model a tenth. A component whose place
        is free (the energy of a line) needs starts over its range: noise has many minima.

    Raises
    ------
    FitError
        If a fit is stale, or data or statistic differ.
    """
    for fit in (simpler, other):
        if not fit.fitted:
            raise FitError("both models have to be fitted, and parameters were changed since", cure="Call run() first.")
    _same_data(simpler, other)
    extra = other.table.free.size - simpler.table.free.size
    if extra < 1:
        raise FitError(f"the other model has {-extra} free parameters less", cure="Give the simpler fit first.")
    points = _starts(simpler, other) if starts is None else np.atleast_2d(np.asarray(starts, dtype=float))
    if points.shape[1] != other.table.free.size:
        raise FitError(f"the starts have {points.shape[1]} values, the other model {other.table.free.size} parameters")
    rng = np.random.default_rng(seed)
    best = simpler.table.free.start
    model = simpler.likelihood.model(best[None])[0]
    parts, failed = [], 0
    for count in blocks_of(number, simpler.n_bins):
        bins = draw_bins(simpler.dataset, model, count, rng)
        first = BatchLikelihood(simpler, bins).fit(best)
        batch = BatchLikelihood(other, bins)
        lowest = np.full(count, np.inf)
        done = np.zeros(count, dtype=bool)
        for point in points:
            second = batch.fit(np.clip(point, other.table.free.lower, other.table.free.upper))
            lowest = np.fmin(lowest, second.statistic)
            done |= second.converged | second.stalled
        good = (first.converged | first.stalled) & done & np.isfinite(lowest)
        # a nested model is never worse; what is left below zero is a descent that ended early
        parts.append(np.maximum(first.statistic - lowest, 0.0)[good])
        failed += int((~good).sum())
    return LikelihoodRatio(simpler.statistic - other.statistic, np.concatenate(parts), failed, extra)


def _starts(simpler: Fit, other: Fit) -> Array:
    free = other.table.free
    known = set(simpler.table.free.names)
    shrunk = free.start.copy()
    for k in free.norms:
        if free.names[k] not in known:
            shrunk[k] *= 0.1
    return np.unique(np.stack([free.start, shrunk]), axis=0)


def _same_data(first: Fit, second: Fit) -> None:
    a, b = first.dataset, second.dataset
    same = len(a.spectra) == len(b.spectra) and a.weight == b.weight and a.systematic == b.systematic
    same = same and all(
        x.kind == y.kind and x.bins == y.bins and np.array_equal(x.binned.rate, y.binned.rate)
        for x, y in zip(a.spectra, b.spectra, strict=False)
    )
    if not same:
        raise FitError(
            "the two fits have other data, statistics or weights", cure="Fit both models to the same spectra."
        )
