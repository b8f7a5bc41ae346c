"""Data and statistics that do not go together: errors where a statistic is meaningless, sentences where it is biased."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wolter.errors import FitError

if TYPE_CHECKING:
    from wolter.fit.dataset import Dataset, FitSpectrum

__all__ = ["check_statistic", "check_weight", "few_counts", "fractional_counts"]

_FEW = 10.0  # counts per bin below which chi-squared with errors from the data is visibly biased
_SHARE = 0.1  # of the noticed bins


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
