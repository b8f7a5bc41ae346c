"""CCD frames of Swift's X-Ray Telescope: their times and pointing (frame headers, ``hd.hk``).

The pointing written with a frame is that of the middle of the next one. The sky coordinates of 53,000 archived events,
which the pipeline computed from the attitude file, tell: from frame to frame their offsets follow those of the
pointings written one and two frames before, with equal weights, and not those of their own frame. What is left differs
by 0.3 arcsec from frame to frame, and by less than 0.1 arcsec on the mean of some frames.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wolter.errors import DataError
from wolter.fits import Header
from wolter.gti import GTI
from wolter.makers.aspect import Attitude
from wolter.missions._exposure import open_table

__all__ = ["Frames", "frame_seconds"]

Float = NDArray[np.float64]
DELAY = 1.5  # frames from the start of a frame to the time at which its header's pointing holds
_PHOTON_COUNTING = 7  # XRTMode
_GAP = 100.0  # s: a longer pause between frames ends a run
_MIDDLE = 1e-5  # s: rounding of the middle of a frame against good times
_APART = 1.2  # arcsec: frames farther from the median of their run begin a group of their own


def frame_seconds(header: Header) -> float:
    """Time of a frame in photon-counting mode, s (TIMEDEL of the events)."""
    return float(header.get("TIMEDEL", 2.5073) or 2.5073)


@dataclass(frozen=True, eq=False)
class Frames:
    """Frames in photon-counting mode, in order of time.

    Attributes
    ----------
    start, stop : ndarray[n]
        Mission time, s.
    ra, dec, roll : ndarray[n]
        Pointing as recorded in the headers, deg.
    seconds : float
        Usual time of a frame, s.
    source : str
        File.
    """

    start: Float
    stop: Float
    ra: Float
    dec: Float
    roll: Float
    seconds: float
    source: str = field(default="")

    @classmethod
    def read(cls, path: str | PathLike[str], header: Header) -> Frames:
        """Frames in photon-counting mode.

        Parameters
        ----------
        path : path-like
            Frame headers (``xhd.hk``).
        header : Header
            Of the events, for the time of a frame.

        Raises
        ------
        DataError
            If the table FRAME is missing, or has no such frame.
        """
        file, table = open_table(path, "FRAME", need=("TIME", "ENDTIME", "RA", "Dec", "Roll", "XRTMode"))
        with file:
            rows = table.read(["TIME", "ENDTIME", "RA", "Dec", "Roll", "XRTMode"])
        columns = [np.asarray(rows[k], dtype=np.float64) for k in ("TIME", "ENDTIME", "RA", "Dec", "Roll")]
        use = (np.asarray(rows["XRTMode"]) == _PHOTON_COUNTING) & np.logical_and.reduce(
            [np.isfinite(c) for c in columns]
        )
        if not use.any():
            raise DataError(
                "no frame was taken in photon-counting mode",
                file=path,
                hdu="FRAME",
                cure="Give the frame headers of the same observation as the events.",
            )
        order = np.argsort(columns[0][use], kind="stable")
        start, stop, ra, dec, roll = (c[use][order] for c in columns)
        return cls(start, stop, ra, dec, roll, frame_seconds(header), str(path))

    @cached_property
    def runs(self) -> list[slice]:
        """Frames without a pause of more than 100 s."""
        cuts = np.flatnonzero(self.start[1:] - self.stop[:-1] >= _GAP) + 1
        edges = [0, *cuts.tolist(), len(self.start)]
        return [slice(a, b) for a, b in itertools.pairwise(edges)]

    def pointing(self, time: Any) -> tuple[Float, Float, Float]:
        """Right ascension, declination and roll (deg) at times (s), interpolated within a run."""
        time = np.asarray(time, dtype=np.float64)
        out = np.empty((3, *time.shape))
        first = self.start[[run.start for run in self.runs]]
        which = np.maximum(np.searchsorted(first, time + _MIDDLE, side="right") - 1, 0)
        for number, run in enumerate(self.runs):
            here = which == number
            known = self.start[run] + DELAY * self.seconds
            out[:, here] = Attitude(known, self.ra[run], self.dec[run], self.roll[run]).at(time[here])
        return out[0], out[1], out[2]

    def attitude(self) -> Attitude:
        """Pointing in the middle of each frame, as steps."""
        ra, dec, roll = self.pointing(0.5 * (self.start + self.stop))
        # A frame lasts until the next one begins; times carry an error of some microseconds.
        return Attitude(self.start, ra, dec, roll, step=True, hold=1.01 * self.seconds, source=self.source)

    def good(self, gti: GTI) -> NDArray[np.intp]:
        """Indices of the frames whose middle lies in the good time."""
        middle = 0.5 * (self.start + self.stop)
        inside = np.zeros(len(middle), dtype=bool)
        for lo, hi in zip(gti.start, gti.stop, strict=True):
            inside |= (middle >= lo - _MIDDLE) & (middle <= hi + _MIDDLE)
        return np.flatnonzero(inside)

    def groups(self, gti: GTI, *, check_attitude: bool = True, most: int = 0) -> list[NDArray[np.intp]]:
        """Frames that an instrument map is made of, as the mission's ``xrtinstrmap`` puts them together.

        Parameters
        ----------
        gti : GTI
            Good times.
        check_attitude : bool
            Split runs where the pointing moves: a frame more than 1.2 arcsec from the median of its run marks the
            beginning of a drift, and the first frame more than 1.2 arcsec from that one begins a new group.
        most : int
            Frames per group at most; 0: no limit.

        Returns
        -------
        list of ndarray of int
            Indices of frames, in order of time.
        """
        good = self.good(gti)
        if len(good) == 0:
            return []
        cuts = np.flatnonzero(self.start[good[1:]] - self.stop[good[:-1]] >= _GAP) + 1
        groups = [part for run in np.split(good, cuts) for part in (self._steady(run) if check_attitude else [run])]
        if most > 0:
            groups = [part[k : k + most] for part in groups for k in range(0, len(part), most)]
        return groups

    def _steady(self, run: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """Parts of a run in which the recorded pointing stays put."""
        ra, dec = np.unwrap(self.ra[run], period=360.0), self.dec[run]
        median = np.median(ra), np.median(dec)

        def away(k: int, place: tuple[Any, Any]) -> bool:
            east = (ra[k] - place[0]) * np.cos(np.radians(0.5 * (dec[k] + place[1])))
            return bool(3600.0 * np.hypot(east, dec[k] - place[1]) > _APART)

        cuts: list[int] = []
        strayed: int | None = None
        for k in range(len(run)):
            if strayed is not None and away(k, (ra[strayed], dec[strayed])):
                cuts.append(k)
                strayed = None
            if strayed is None and away(k, median):
                strayed = k
        return np.split(run, cuts)
