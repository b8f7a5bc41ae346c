"""Where a telescope pointed, and for how many live seconds: the time side of an exposure map."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wolter.errors import DataError
from wolter.gti import GTI

__all__ = ["Attitude", "LiveTime", "live_seconds"]

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LiveTime:
    """Live fraction as a function of time: steps between `start` and `stop`, `outside` elsewhere.

    Attributes
    ----------
    start, stop : ndarray[n]
        Ends of the steps, s; in order and without overlap.
    fraction : ndarray[n]
        Live seconds per second in each step.
    outside : float
        Live fraction where no step tells.
    """

    start: Float
    stop: Float
    fraction: Float
    outside: float = 0.0

    def __post_init__(self) -> None:
        for name in ("start", "stop", "fraction"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        if not len(self.start) == len(self.stop) == len(self.fraction):
            raise DataError("live time: start, stop and fraction differ in length")
        if not np.isfinite(self.fraction).all() or np.any(self.fraction < 0):
            raise DataError("live time: fractions must be finite and not negative")
        if np.any(self.stop < self.start) or np.any(np.diff(self.start) < 0):
            raise DataError("live time: the steps are not in order of time")
        # Records may overlap by the rounding of their times: the later one takes over.
        object.__setattr__(self, "stop", np.minimum(self.stop, np.append(self.start[1:], np.inf)))

    @classmethod
    def constant(cls, fraction: float) -> LiveTime:
        """The same fraction at all times."""
        return cls(np.empty(0), np.empty(0), np.empty(0), float(fraction))

    @classmethod
    def from_samples(cls, time: Any, fraction: Any, *, longest: float = 1.5, outside: float = 0.0) -> LiveTime:
        """Steps from samples that each hold until the next one.

        Parameters
        ----------
        time, fraction : array_like[n]
            Samples, in order of time (s).
        longest : float
            Longest time a sample may hold, in units of the median distance of the samples; also that of the last.
        outside : float
            Fraction in gaps.
        """
        time = np.asarray(time, dtype=np.float64)
        if len(time) < 2:
            raise DataError(f"live time: {len(time)} samples; at least two are needed")
        step = np.diff(time)
        usual = float(np.median(step))
        hold = np.append(np.where(step <= longest * usual, step, usual), usual)
        return cls(time, time + hold, np.asarray(fraction, dtype=np.float64), outside)

    def fraction_at(self, time: Any) -> Float:
        """Live fraction at times (s)."""
        time = np.asarray(time, dtype=np.float64)
        if len(self.start) == 0:
            return np.full(time.shape, self.outside)
        i = np.searchsorted(self.start, time, side="right") - 1
        inside = (i >= 0) & (time < self.stop[np.maximum(i, 0)])
        return np.where(inside, self.fraction[np.maximum(i, 0)], self.outside)

    def mean(self, gti: GTI) -> float:
        """Mean live fraction of the good time: live seconds per second (DEADC).

        Raises
        ------
        DataError
            If there is no good time.
        """
        if gti.exposure <= 0:
            raise DataError("there is no good time to average the live fraction over")
        return live_seconds(gti, np.asarray(gti.span), self).item() / gti.exposure


@dataclass(frozen=True, eq=False)
class Attitude:
    """Pointing of a telescope in time.

    Sample k says where the boresight pointed from half way to the sample before until half way to the next one (`step`
    false), or from its own time until the next sample (`step` true: frames with start times).

    Attributes
    ----------
    time : ndarray[n]
        Mission time, s, increasing.
    ra, dec : ndarray[n]
        Boresight, deg (FK5, J2000).
    roll : ndarray[n]
        Position angle of the detector frame's second axis (v), north through east, deg.
    step : bool
        Whether samples hold forwards.
    hold : float or None
        Longest time (s) a sample may stand for on one side; by default 1.5 times the median distance.
    source : str
        File it comes from, for messages.
    """

    time: Float
    ra: Float
    dec: Float
    roll: Float
    step: bool = False
    hold: float | None = None
    source: str = ""

    def __post_init__(self) -> None:
        columns = [np.asarray(getattr(self, k), dtype=np.float64) for k in ("time", "ra", "dec", "roll")]
        if len({len(c) for c in columns}) != 1:
            raise DataError("attitude: time, ra, dec and roll differ in length", file=self.source or None)
        good = np.logical_and.reduce([np.isfinite(c) for c in columns])
        columns = [c[good] for c in columns]
        order = np.argsort(columns[0], kind="stable")
        _, first = np.unique(columns[0][order], return_index=True)
        for name, column in zip(("time", "ra", "dec", "roll"), columns, strict=True):
            object.__setattr__(self, name, column[order][first])
        if len(self.time) == 0:
            raise DataError(
                "the attitude has no usable sample",
                file=self.source or None,
                cure="Give the attitude file of this observation.",
            )

    def __len__(self) -> int:
        return len(self.time)

    @cached_property
    def cells(self) -> tuple[Float, Float]:
        """Start and stop (s) of the time that each sample stands for."""
        time = self.time
        usual = float(np.median(np.diff(time))) if len(time) > 1 else 1.0
        hold = self.hold if self.hold is not None else 1.5 * usual
        gap = np.diff(time)
        if self.step:
            return time, time + np.append(np.where(gap <= hold, gap, usual), usual)
        half = np.where(gap <= 2 * hold, 0.5 * gap, hold)
        return time - np.append(min(0.5 * usual, hold), half), time + np.append(half, min(0.5 * usual, hold))

    def directions(self) -> tuple[Float, Float, Float]:
        """Unit vectors [n, 3] (equatorial) of the detector frame: first axis u, second axis v, boresight."""
        return frame_vectors(self.ra, self.dec, self.roll)

    def at(self, time: Any) -> tuple[Float, Float, Float]:
        """Right ascension, declination and roll (deg) at times (s): linear between samples, constant beyond them."""
        time = np.asarray(time, dtype=np.float64)
        ra, roll = (np.interp(time, self.time, np.unwrap(c, period=360.0)) % 360.0 for c in (self.ra, self.roll))
        return ra, np.interp(time, self.time, self.dec), roll

    def check(self, gti: GTI, tolerance: float = 0.01) -> None:
        """Whether the samples cover the good time.

        Raises
        ------
        DataError
            If more than a fraction `tolerance` of the good time has no attitude.
        """
        start, stop = self.cells
        covered = (GTI.union([GTI(start, stop)]) & gti).exposure if len(start) else 0.0
        if gti.exposure <= 0:
            raise DataError("there is no good time", cure="Check the GTI and the selection of times.")
        if covered < (1 - tolerance) * gti.exposure:
            raise DataError(
                f"the attitude covers {covered:.1f} of {gti.exposure:.1f} s of good time: it spans "
                f"{self.time[0]:.1f} to {self.time[-1]:.1f} s, the good time {gti.span[0]:.1f} to {gti.span[1]:.1f} s",
                file=self.source or None,
                cure="Give the attitude of the same observation, or a GTI within it.",
            )


def frame_vectors(ra: Any, dec: Any, roll: Any) -> tuple[Float, Float, Float]:
    """Unit vectors [..., 3] of a detector frame on the sky.

    The second axis (v) has position angle `roll`; the first (u) points west of it at roll 0, so that u and v are
    right and up in an image with north up and east left.
    """
    a, d, r = (np.radians(np.asarray(x, dtype=np.float64)) for x in (ra, dec, roll))
    ca, sa, cd, sd, cr, sr = np.cos(a), np.sin(a), np.cos(d), np.sin(d), np.cos(r), np.sin(r)
    east = np.stack([-sa, ca, np.zeros_like(a)], axis=-1)
    north = np.stack([-sd * ca, -sd * sa, cd], axis=-1)
    bore = np.stack([cd * ca, cd * sa, sd], axis=-1)
    u = -cr[..., None] * east + sr[..., None] * north
    v = sr[..., None] * east + cr[..., None] * north
    return u, v, bore


def live_seconds(gti: GTI, edges: Float, live: LiveTime | None = None) -> Float:
    """Live good seconds between successive edges.

    Parameters
    ----------
    gti : GTI
        Good time.
    edges : ndarray[n + 1]
        Times, increasing (s).
    live : LiveTime, optional
        Live fraction; 1 without it.

    Returns
    -------
    ndarray[n]
        Integral of the live fraction over the good time in each bin, s: exact, since both are steps.
    """
    live = live or LiveTime.constant(1.0)
    knots = np.unique(np.concatenate([gti.start, gti.stop, live.start, live.stop[np.isfinite(live.stop)]]))
    if len(knots) < 2:
        return np.zeros(len(edges) - 1)
    middle = 0.5 * (knots[1:] + knots[:-1])
    rate = np.where(gti.contains(middle), live.fraction_at(middle), 0.0)
    total = np.concatenate([[0.0], np.cumsum(rate * np.diff(knots))])
    return np.diff(np.interp(edges, knots, total))


def cell_seconds(attitude: Attitude, gti: GTI, live: LiveTime | None = None) -> Float:
    """Live good seconds [n] of each attitude sample."""
    start, stop = attitude.cells
    edges = np.empty(2 * len(start))
    edges[0::2], edges[1::2] = start, stop
    # Cells never overlap, but rounding may let one end a hair after the next begins.
    return live_seconds(gti, np.maximum.accumulate(edges), live)[0::2]
