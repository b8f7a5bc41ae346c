"""XSPEC's test statistics: numbers that say how well data follow a model, apart from the statistic that is minimised.

chi, Pearson's chi-squared, Kolmogorov-Smirnov, Cramér-von Mises, Anderson-Darling and the runs of signs, for batches
of data. Definitions follow the XSPEC manual, appendix B, and were checked against recorded XSPEC sessions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wolter.errors import FitError, suggest
from wolter.fit.batch import dataset_bins
from wolter.fit.statistics import BinData, Chi

if TYPE_CHECKING:
    from wolter.fit.state import FitState

__all__ = ["TEST_STATISTICS", "batch_test_statistic", "evaluate_test"]

Array = npt.NDArray[np.float64]

TEST_STATISTICS = ("chi", "pchi", "ks", "cvm", "ad", "runs")


def evaluate_test(fit: FitState, name: str = "chi") -> float:
    """Test statistic of a fit at its present parameters.

    Parameters
    ----------
    fit : Fit
        The fit.
    name : {"chi", "pchi", "ks", "cvm", "ad", "runs"}
        XSPEC's names; "ks", "cvm" and "ad" are natural logarithms, as XSPEC prints them.

    Raises
    ------
    FitError
        For an unknown name.
    """
    check_name(name)
    bins = dataset_bins(fit.dataset, fit.dataset.weight)
    model = fit.likelihood.model(fit.table.free.start[None])[0]
    slices = [e.bins for e in fit.dataset.spectra]
    return float(batch_test_statistic(name, bins, model, slices, **chi_options(fit)))


def check_name(name: str) -> None:
    """Raise FitError for an unknown test statistic."""
    if name not in TEST_STATISTICS:
        raise FitError(
            f"unknown test statistic {name!r}",
            cure=f"{suggest(name, TEST_STATISTICS)} Known are {', '.join(TEST_STATISTICS)}.".strip(),
        )


def batch_test_statistic(
    name: str,
    bins: BinData,
    model: Array,
    spectra: Sequence[slice],
    *,
    model_variance: bool = False,
    systematic: float = 0.0,
) -> Array:
    """Test statistic of each of many data sets.

    Parameters
    ----------
    name : str
        See `evaluate_test`.
    bins : BinData
        Data [N] or [R, N].
    model : array [N] or [R, N]
        Folded rates in counts/s.
    spectra : sequence of slice
        Bins of each spectrum: distribution functions are those of one spectrum. Their squared (or largest) distances
        are added up before the logarithm is taken; signs run on from spectrum to spectrum.
    model_variance : bool
        For "chi": variances of the model (weight "model").
    systematic : float
        For "chi": systematic error of the model, as a fraction.

    Returns
    -------
    array, scalar or [R]
    """
    check_name(name)
    net = bins.rate - bins.bkg_rate
    with np.errstate(divide="ignore", invalid="ignore"):
        if name == "chi":
            return Chi(bins, model_variance=model_variance, systematic=systematic).value(model).sum(axis=-1)
        if name == "pchi":
            variance = np.where(model == 0, bins.zero_variance * bins.time, model)
            return ((net - model) ** 2 * bins.time / variance).sum(axis=-1)
        if name == "runs":
            return _runs(net - model)
        total = sum(_distance(name, net[..., s], model[..., s]) for s in spectra)
        return np.log(total)


def chi_options(fit: FitState) -> dict[str, Any]:
    """How chi-squared is weighted in a fit."""
    return {"model_variance": fit.dataset.weight == "model", "systematic": fit.dataset.systematic}


def _distance(name: str, net: Array, model: Array) -> Array:
    """Distance of the distribution functions of data and model, each normalised to its own sum.

    The integrals over the model's distribution function F of ``(D - F)²`` and ``(D - F)² / (F |1 - F|)``, or the
    largest ``|D - F|``.
    """
    data = np.cumsum(net, axis=-1) / net.sum(axis=-1, keepdims=True)
    function = np.cumsum(model, axis=-1) / model.sum(axis=-1, keepdims=True)
    gap = np.abs(data - function)
    if name == "ks":
        return gap.max(axis=-1)
    share = model / model.sum(axis=-1, keepdims=True)
    weighted = gap * gap * share
    if name == "cvm":
        return weighted.sum(axis=-1)
    weight = function * np.abs(1.0 - function)
    # at the upper end 1 - F is zero but for rounding; so is the gap
    return np.where(weight > 1e-14, weighted / np.where(weight > 1e-14, weight, 1.0), 0.0).sum(axis=-1)


def _runs(residual: Array) -> Array:
    """Wald-Wolfowitz test: number of runs of equal sign against that expected, in standard deviations."""
    positive = residual > 0
    runs = 1.0 + (positive[..., 1:] != positive[..., :-1]).sum(axis=-1)
    plus = positive.sum(axis=-1).astype(float)
    total = positive.shape[-1]
    minus = total - plus
    product = 2.0 * plus * minus
    expected = product / total + 1.0
    variance = product * (product - total) / (total * total * (total - 1.0))
    return (runs - expected) / np.sqrt(variance)
