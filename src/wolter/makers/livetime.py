"""The live fraction of a detector as a function of time, and its means over time bins."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wolter.errors import DataError
from wolter.gti import GTI

__all__ = ["LiveFraction"]


class LiveFraction:
    """Live fraction, constant within intervals (samples of housekeeping data, usually one a second).

    Parameters
    ----------
    start, stop : float[n]
        Intervals, s of mission time, ascending, without overlap.
    fraction : float[n]
        Live time over elapsed time in each; NaN where it is not known.

    Raises
    ------
    DataError
        Lengths differ, intervals overlap, or fractions are outside 0..1.
    """

    def __init__(self, start: ArrayLike, stop: ArrayLike, fraction: ArrayLike) -> None:
        self.start = np.asarray(start, dtype=float)
        self.stop = np.asarray(stop, dtype=float)
        self.fraction = np.asarray(fraction, dtype=float)
        if not (self.start.shape == self.stop.shape == self.fraction.shape) or self.start.ndim != 1:
            raise DataError("start, stop and fraction of the live time have different lengths")
        if (self.stop < self.start).any() or (self.start[1:] < self.stop[:-1] - 1e-6).any():
            raise DataError("the intervals of the live fraction overlap or are not in order")
        known = self.fraction[np.isfinite(self.fraction)]
        if known.size and not (known.min() >= 0 and known.max() <= 1 + 1e-6):
            raise DataError(f"live fractions from {known.min():g} to {known.max():g}; 0 to 1 is possible")

    @classmethod
    def from_samples(cls, time: ArrayLike, fraction: ArrayLike) -> LiveFraction:
        """From samples, each of which holds until the next one; the last one as long as the median distance.

        Distances beyond 1.5 times the median are gaps, in which nothing is known.
        """
        t, values = np.asarray(time, dtype=float), np.asarray(fraction, dtype=float)
        if t.size < 2:
            raise DataError("a live fraction needs two samples at least")
        step = float(np.median(np.diff(t)))
        length = np.append(np.diff(t), step)
        return cls(t, t + np.where(length > 1.5 * step, step, length), values)

    def _integral(self, gti: GTI, weight: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Points in time, and the integral of a weight of the intervals over good time up to each of them."""
        lo, hi = np.asarray(gti.start), np.asarray(gti.stop)
        points = np.unique(np.concatenate([self.start, self.stop, lo, hi]))
        middle = 0.5 * (points[1:] + points[:-1])
        place = np.searchsorted(self.start, middle, side="right") - 1
        inside = (place >= 0) & (middle < self.stop[np.maximum(place, 0)])
        interval = np.searchsorted(lo, middle, side="right") - 1
        good = (interval >= 0) & (middle < hi[np.maximum(interval, 0)])
        density = np.where(inside & good, weight[np.maximum(place, 0)], 0.0)
        return points, np.concatenate([[0.0], np.cumsum(density * np.diff(points))])

    def bins(self, edges: ArrayLike, gti: GTI) -> NDArray[np.float64]:
        """Mean live fraction of the good time in bins.

        Parameters
        ----------
        edges : float[n + 1]
            Bin edges, s.
        gti : GTI

        Returns
        -------
        float[n]
            NaN for bins without good time in which the fraction is known.
        """
        known = np.isfinite(self.fraction)
        at = np.asarray(edges, dtype=float)
        live = np.interp(at, *self._integral(gti, np.where(known, self.fraction, 0.0)))
        time = np.interp(at, *self._integral(gti, known.astype(float)))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(np.diff(time) > 1e-9, np.diff(live) / np.diff(time), np.nan)

    def mean(self, gti: GTI) -> float:
        """Mean live fraction of good time (as far as it is known): the keyword DEADC."""
        return float(self.bins(np.array(gti.span), gti)[0])

    def __repr__(self) -> str:
        low, high = np.nanmin(self.fraction), np.nanmax(self.fraction)
        return f"<LiveFraction: {len(self.start)} intervals, {low:.3f}-{high:.3f}>"


def resolve(deadtime: Any, deadc: float, edges: NDArray[np.float64], gti: GTI) -> NDArray[np.float64] | float:
    """Live fraction of time bins: 1 for None, DEADC for "header", the means of a `LiveFraction`."""
    if deadtime is None:
        return 1.0
    if isinstance(deadtime, str):
        if deadtime != "header":
            raise DataError(f"deadtime={deadtime!r} is not known", cure='Use "header" (DEADC) or a LiveFraction.')
        return deadc
    if isinstance(deadtime, (int, float)):
        return float(deadtime)
    return deadtime.bins(edges, gti)
