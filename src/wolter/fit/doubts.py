"""Data and statistics that do not go together: errors where a statistic is meaningless, sentences where biased."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wolter.errors import FitError

if TYPE_CHECKING:
    from wolter.fit.dataset import Dataset, FitSpectrum

__all__ = ["check_statistic", "check_weight", "doubts", "empty_backgrounds", "few_counts", "fractional_counts"]

_FEW = 10.0  # counts per bin below which chi-squared with errors from the data is visibly biased
_SHARE = 0.1  # of the noticed bins
_EMPTY = 0.5  # share of bins without background counts beyond which the W statistic is visibly biased


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
    if entry.statistic == "chi":
        return
    parts = [("the spectrum", entry.binned.counts)]
    if entry.binned.has_background and entry.statistic == "cstat":
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


def doubts(dataset: Dataset) -> list[str]:
    """What makes the result of a fit doubtful, in sentences."""
    return [text for text in (few_counts(dataset), empty_backgrounds(dataset)) if text]
