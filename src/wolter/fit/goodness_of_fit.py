"""Goodness of fit by simulation: how often would data drawn from the model fit it better than the real data do?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wolter.errors import FitError
from wolter.fit.batch import BatchLikelihood, blocks_of, draw_bins, draw_points
from wolter.fit.statistics import BinData
from wolter.fit.teststat import batch_test_statistic, check_name, chi_options, evaluate_test

if TYPE_CHECKING:
    from wolter.fit.fit import Fit

__all__ = ["Goodness", "goodness"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Goodness:
    """Outcome of `goodness`.

    Attributes
    ----------
    test : str
        Name of the statistic compared: a test statistic, or "fit" for the fit statistic.
    observed : float
        Of the data.
    simulated : array [n]
        Of the simulations (those whose fit converged).
    refitted : bool
        Whether each simulation was fitted before.
    failed : int
        Simulations left out because their fit did not converge.
    """

    test: str
    observed: float
    simulated: Array
    refitted: bool
    failed: int

    @property
    def percent_below(self) -> float:
        """Percentage of simulations with a smaller statistic than the data: what XSPEC's goodness prints."""
        return float(100.0 * np.mean(self.simulated < self.observed))

    @property
    def p_value(self) -> float:
        """Probability of a statistic at least as large if the model is true: (1 + larger ones) / (1 + n)."""
        return float((1 + np.sum(self.simulated >= self.observed)) / (1 + len(self.simulated)))

    def __str__(self) -> str:
        how = "after a fit of each" if self.refitted else "at the parameters they were drawn from"
        return (
            f"{self.percent_below:.1f} % of {len(self.simulated)} simulations have a smaller {self.test} "
            f"than the data ({self.observed:.2f}), {how}; p = {self.p_value:.3g}"
        )


def goodness(
    fit: Fit,
    number: int = 1000,
    *,
    test: str = "fit",
    refit: bool = True,
    vary: bool = False,
    seed: int | None = None,
) -> Goodness:
    """Compare the statistic of the data with that of data drawn from the fitted model.

    Parameters
    ----------
    fit : Fit
        After `Fit.run`.
    number : int
        Simulations; all are evaluated or fitted in batched calls.
    test : str
        "fit" compares the fit statistic, otherwise a test statistic ("chi", "pchi", "ks", "cvm", "ad", "runs").
    refit : bool
        Fit the model to each simulation before its statistic is taken. Without it (XSPEC's "nofit") simulations lie
        further from the model than data that it was fitted to, and probabilities are too large.
    vary : bool
        Draw the parameters of each simulation from the covariance (XSPEC's "sim") instead of taking the best fit.
    seed : int, optional
        Of the random numbers.

    Returns
    -------
    Goodness

    Raises
    ------
    FitError
        If the fit is stale, or the number not positive.
    """
    if test != "fit":
        check_name(test)
    if number < 1:
        raise FitError(f"{number} simulations tell nothing", cure="Give a positive number.")
    if not fit.fitted:
        raise FitError("goodness needs a fit, and the parameters were changed since", cure="Call run() first.")
    rng = np.random.default_rng(seed)
    best = fit.table.free.start
    observed = fit.statistic if test == "fit" else evaluate_test(fit, test)
    parts, failed = [], 0
    for count in blocks_of(number, fit.n_bins):
        points = draw_points(fit, count, rng) if vary else np.tile(best, (count, 1))
        model = fit.likelihood.model(points) if vary else fit.likelihood.model(best[None])[0]
        bins = draw_bins(fit.dataset, model, count, rng)
        batch = BatchLikelihood(fit, bins)
        good = np.ones(count, dtype=bool)
        if refit:
            result = batch.fit(points)
            points, values = result.points, result.statistic
            good = np.isfinite(values) & (result.converged | result.stalled)
        elif test == "fit":
            values = batch.statistic(points)
        else:
            values = np.zeros(count)
        if test != "fit":
            values = _test(fit, test, bins, batch.model(points))
        parts.append(values[good])
        failed += int((~good).sum())
    return Goodness(test, float(observed), np.concatenate(parts), refit, failed)


def _test(fit: Fit, test: str, bins: BinData, model: Array) -> Array:
    slices = [e.bins for e in fit.dataset.spectra]
    return batch_test_statistic(test, bins, model, slices, **chi_options(fit))
