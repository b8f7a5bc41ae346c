"""Mean live fractions of time bins, for the dead-time correction of light curves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wolter.errors import DataError
from wolter.gti import GTI
from wolter.makers.aspect import LiveTime, live_seconds

__all__ = ["mean_live", "resolve"]


def mean_live(edges: ArrayLike, gti: GTI, live: LiveTime) -> NDArray[np.float64]:
    """Mean live fraction of the good time in bins.

    Parameters
    ----------
    edges : float[n + 1]
        Bin edges, s.
    gti : GTI
    live : LiveTime
        Steps; good time in none of them does not count.

    Returns
    -------
    float[n]
        NaN for bins without good time in which the fraction is known.
    """
    at = np.asarray(edges, dtype=np.float64)
    told = replace(live, outside=0.0)
    known = live_seconds(gti, at, replace(told, fraction=np.ones(len(live.fraction))))
    seconds = live_seconds(gti, at, told)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(known > 1e-9, seconds / known, np.nan)


def resolve(deadtime: Any, deadc: float, edges: NDArray[np.float64], gti: GTI) -> NDArray[np.float64] | float:
    """Live fraction of time bins: 1 for None, DEADC for "header", the means of a `LiveTime`."""
    if deadtime is None:
        return 1.0
    if isinstance(deadtime, str):
        if deadtime != "header":
            raise DataError(f"deadtime={deadtime!r} is not known", cure='Use "header" (DEADC) or a LiveTime.')
        return deadc
    if isinstance(deadtime, (int, float)):
        return float(deadtime)
    return mean_live(edges, gti, deadtime)
