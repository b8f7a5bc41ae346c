"""Data and statistics that do not go together: errors where a statistic is meaningless, sentences where biased."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wolter.errors import FitError

if TYPE_CHECKING:
    from wolter.fit.dataset import Dataset, FitSpectrum

__all__ = [
    "bad_bins",
    "check_statistic",
    "check_weight",
    "doubts",
    "empty_backgrounds",
    "few_counts",
    "fractional_counts",
    "low_norm",
    "scale_bias",
]

Array = npt.NDArray[np.float64]

_FEW = 10.0  # counts per bin below which chi-squared with errors from the data is visibly biased
_SHARE = 0.1  # of the noticed bins
_SHIFT = 0.3  # sigmas by which chi-squared may pull the norm down before it is worth a sentence
_EMPTY = 0.2  # share of bins without background counts beyond which the W statistic is visibly biased


def check_weight(entry: FitSpectrum, weight: str) -> None:
    """Refuse weightings that are made of counts for spectra that are none.

    Raises
    ------
    FitError
        For Stokes Q and U, which are differences of weighted counts, and for negative counts.
    """
    if weight == "standard":
        return
    stokes = entry.spectrum.stokes
    counts = entry.binned.counts
    if stokes in (1, 2):
        what = f"Stokes {'IQU'[stokes]} holds differences of counts"
    elif (counts < 0).any():
        what = f"{int((counts < 0).sum())} of its bins are negative"
    else:
        return
    raise FitError(
        f"weighting {weight!r} takes variances from numbers of counts, but {what}",
        file=entry.spectrum.path,
        cure="Use weight='standard', which takes STAT_ERR.",
    )


def check_statistic(entry: FitSpectrum) -> None:
    """Refuse Poisson statistics for values that cannot be counts.

    Raises
    ------
    FitError
        For negative values of spectrum or background in noticed bins.
    """
    if entry.statistic == "chi" or entry.statistic.startswith("whittle"):
        return
    parts = [("the spectrum", entry.binned.counts)]
    if entry.binned.has_background and entry.statistic in ("cstat", "lstat"):
        parts.append(("the background", entry.binned.background_counts))
    for what, counts in parts:
        negative = int((counts < 0).sum())
        if negative:
            raise FitError(
                f"{entry.statistic} is made for counts, but {what} is negative in {negative} noticed bins",
                file=entry.spectrum.path,
                cure="Use statistic='chi'.",
            )


def fractional_counts(entry: FitSpectrum) -> bool:
    """Whether a spectrum that says it is Poisson does not hold whole numbers."""
    counts = entry.spectrum.counts
    return entry.spectrum.poisson and bool((np.abs(counts - np.rint(counts)) > 1e-3 * np.maximum(counts, 1.0)).any())


def few_counts(dataset: Dataset) -> str | None:
    """Sentence on chi-squared of bins with few counts, or None.

    Where the variance of a bin comes from its counts, low bins weigh too much and the model is pulled down: with fewer
    than 10 counts per bin by a tenth and more (e.g. Humphrey, Liu & Buote 2009, ApJ 693, 822). Rates count as rate
    times exposure; Stokes Q and U, and variances by other rules, are left out.
    """
    if dataset.weight != "standard":
        return None
    few = total = 0
    names = []
    for entry in dataset.spectra:
        if entry.statistic != "chi" or entry.spectrum.stokes in (1, 2):
            continue
        counts = entry.binned.counts
        here = int((counts < _FEW).sum())
        few, total = few + here, total + len(counts)
        if here > _SHARE * len(counts):
            names.append(str(entry.number))
    if not total or few <= _SHARE * total:
        return None
    listed = f"spectrum {', '.join(names)}" if len(names) <= 8 else f"{len(names)} spectra"
    return (
        f"chi-squared is biased: {few} of {total} noticed bins hold less than {_FEW:g} counts ({listed}); "
        "group with .group(...) or use cstat"
    )


def scale_bias(dataset: Dataset) -> float:
    """How far chi-squared with errors from the data pulls the scale of the model down, in its sigmas.

    Where a count is missing the error is too small as well, so that low bins weigh more: minimising the sum of
    (d - m)²/d over the scale of m gives a model whose sum is that of the data less the minimum of chi-squared, about
    one count per bin (Wheaton et al. 1995, ApJ 438, 322; Humphrey, Liu & Buote 2009, ApJ 693, 822). In general a bin
    pulls by the third cumulant of its rate over its variance, of which a background takes its own; here cumulants are
    those of Poisson numbers, or of sums of weights that vary little.

    Returns
    -------
    float
        Shift in sigmas, positive downwards; 0 where variances do not come from counts.
    """
    if dataset.weight != "standard":
        return 0.0
    score = information = 0.0
    for entry in dataset.spectra:
        if not _errors_from_counts(entry):
            continue
        binned = entry.binned
        variance, net = binned.net_variance, binned.net
        third = _third_cumulant(binned.rate, binned.variance)
        if binned.has_background:
            third = third - _third_cumulant(binned.background_rate, binned.background_variance)
        used = (variance > 0) & (net > 0)
        pull = net[used] / variance[used]
        score += float((pull * third[used] / variance[used]).sum())
        information += float((pull * net[used]).sum())
    return score / math.sqrt(information) if information > 0 else 0.0


def _errors_from_counts(entry: FitSpectrum) -> bool:
    return (
        entry.statistic == "chi"
        and entry.spectrum.stokes not in (1, 2)
        and (entry.spectrum.poisson or entry.spectrum.stokes == 0)
    )


def _third_cumulant(rate: Array, variance: Array) -> Array:
    """n/t³ for n counts in time t, whose rate is n/t and variance n/t²."""
    return np.divide(variance**2, rate, out=np.zeros_like(variance), where=rate > 0)


def low_norm(dataset: Dataset) -> str | None:
    """Sentence on the norm that chi-squared with errors from the data makes too low (see `scale_bias`), or None."""
    shift = scale_bias(dataset)
    if shift <= _SHIFT:
        return None
    entries = [e for e in dataset.spectra if _errors_from_counts(e)]
    counts = np.concatenate([e.binned.counts for e in entries])
    fewer = max(1, int(len(counts) * _SHIFT / shift))
    weighted = any(e.spectrum.stokes in (1, 2) for e in dataset.spectra)
    ways = "" if weighted else "use weight='model' or cstat, or "
    return (
        f"chi-squared with errors from the data pulls the norm down by {shift:.1f} sigma, one count in each of"
        f" {len(counts)} bins (median {np.median(counts):.0f} counts): {ways}group into {fewer} bins or fewer"
    )


def empty_backgrounds(dataset: Dataset) -> str | None:
    """Sentence on the W statistic of bins without background counts, or None.

    Where the background is empty its profiled rate is zero whatever it really is, and source parameters are biased
    (see the coverage study in benchmarks/results/coverage_spectra.md).
    """
    empty = total = 0
    names = []
    for entry in dataset.spectra:
        if entry.kind != ("cstat", True):
            continue
        here = int((entry.binned.background_counts <= 0).sum())
        empty, total = empty + here, total + len(entry.binned.rate)
        if here > _EMPTY * len(entry.binned.rate):
            names.append(str(entry.number))
    if not total or empty <= _EMPTY * total:
        return None
    listed = f"spectrum {', '.join(names)}" if len(names) <= 8 else f"{len(names)} spectra"
    return (
        f"the W statistic is biased: {empty} of {total} noticed bins hold no background count ({listed}); "
        "group them, or model the background (BackgroundFit)"
    )


def bad_bins(dataset: Dataset) -> str | None:
    """Sentence on noticed bins of bad quality, as grouping leaves them at the end of a spectrum, or None."""
    bad = sum(
        int((entry.spectrum.bins().quality[entry.binned.bins.position - 1] != 0).sum()) for entry in dataset.spectra
    )
    if not bad:
        return None
    total = sum(len(entry.binned.rate) for entry in dataset.spectra)
    return (
        f"{bad} of {total} noticed bins have a quality other than 0, as channels that fill no group: leave them out "
        "with SpectrumSet.ignore_bad(), or the statistic says little about the goodness of the fit"
    )


def doubts(dataset: Dataset) -> list[str]:
    """What makes the result of a fit doubtful, in sentences."""
    texts = (bad_bins(dataset), few_counts(dataset) or low_norm(dataset), empty_backgrounds(dataset))
    return [text for text in texts if text]
