"""Good time intervals and their algebra."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.errors import GTIError

if TYPE_CHECKING:
    from pathlib import Path

    from wolter.expr import Dialect, Expression, RowFunction
    from wolter.fits import TableHDU

__all__ = ["GTI"]


@dataclass(frozen=True, eq=False, init=False)
class GTI:
    """Good time intervals: sorted, disjoint, in seconds of mission elapsed time (MET).

    Intervals given in any order are sorted; those that overlap or touch are merged, those without length are dropped.
    The object never changes. Operators: ``a & b`` (good in both), ``a | b`` (good in either), ``~a`` (all other times),
    ``a - b`` (good in a, not in b).

    Parameters
    ----------
    start, stop : array_like, shape (n,)
        Beginning and end of every interval, s; infinite values are allowed.
    header : mapping, optional
        Keywords kept with the intervals (MJDREFI, TIMESYS, TELESCOP...), for `to_hdu`.

    Attributes
    ----------
    start, stop : ndarray, shape (n,)
        Float64, read-only.

    Raises
    ------
    GTIError
        An interval ends before it starts, or a time is NaN.

    Examples
    --------
    >>> from wolter.gti import GTI
    >>> (GTI([0, 50], [10, 60]) & GTI.single(5, 55)).exposure
    10.0
    """

    start: np.ndarray
    stop: np.ndarray
    header: Mapping[str, Any] | None = field(default=None, repr=False)

    def __init__(self, start: Any, stop: Any, *, header: Mapping[str, Any] | None = None) -> None:
        lo, hi = np.atleast_1d(np.asarray(start, np.float64)), np.atleast_1d(np.asarray(stop, np.float64))
        if lo.ndim != 1 or lo.shape != hi.shape:
            raise GTIError(
                f"there are {lo.size} start and {hi.size} stop times", cure="Give as many of the one as of the other."
            )
        _check(lo, hi)
        lo, hi = _merged(lo, hi)
        lo.flags.writeable = hi.flags.writeable = False
        object.__setattr__(self, "start", lo)
        object.__setattr__(self, "stop", hi)
        object.__setattr__(self, "header", header)

    # -- making --------------------------------------------------------------------------------------------------
    @classmethod
    def single(cls, lo: float, hi: float) -> GTI:
        """One interval from lo to hi (s)."""
        return cls([lo], [hi])

    @classmethod
    def empty(cls, *, header: Mapping[str, Any] | None = None) -> GTI:
        """No good time at all."""
        return cls([], [], header=header)

    @classmethod
    def read(cls, source: Any, ext: str | int | None = None, *, allow_empty: bool = False) -> GTI:
        """Read a GTI extension, or a text file with two columns; see `wolter.gti.read_gti`."""
        from wolter.gti.io import read_gti

        return read_gti(source, ext, allow_empty=allow_empty)

    @classmethod
    def from_mask(
        cls,
        time: Any,
        mask: Any,
        *,
        prefr: float = 0.5,
        postfr: float = 0.5,
        header: Mapping[str, Any] | None = None,
    ) -> GTI:
        """Intervals in which samples are good, by the rule of maketime; see `wolter.gti.mask_intervals`."""
        from wolter.gti.maketime import mask_intervals

        return cls(*mask_intervals(time, mask, prefr=prefr, postfr=postfr), header=header)

    @classmethod
    def from_expression(
        cls,
        expression: str | Expression,
        columns: Any,
        time: Any = "TIME",
        *,
        prefr: float | None = None,
        postfr: float | None = None,
        keywords: Mapping[str, Any] | None = None,
        functions: Mapping[str, RowFunction] | None = None,
        dialect: Dialect = "cfitsio",
    ) -> GTI:
        """Intervals in which a housekeeping expression holds; see `wolter.gti.expression_intervals`."""
        from wolter.gti.maketime import expression_intervals

        start, stop, header = expression_intervals(
            expression,
            columns,
            time,
            prefr=prefr,
            postfr=postfr,
            keywords=keywords,
            functions=functions,
            dialect=dialect,
        )
        return cls(start, stop, header=header)

    @classmethod
    def union(cls, gtis: Iterable[GTI]) -> GTI:
        """Good in any of them, in one step; empty for no GTI at all."""
        parts = list(gtis)
        if not parts:
            return cls.empty()
        start = np.concatenate([g.start for g in parts])
        stop = np.concatenate([g.stop for g in parts])
        return cls(start, stop, header=parts[0].header)

    # -- properties ----------------------------------------------------------------------------------------------
    def __len__(self) -> int:
        return len(self.start)

    def __iter__(self) -> Iterator[tuple[float, float]]:
        return iter(zip(self.start.tolist(), self.stop.tolist(), strict=True))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GTI):
            return NotImplemented
        return np.array_equal(self.start, other.start) and np.array_equal(self.stop, other.stop)

    def __hash__(self) -> int:
        return hash((self.start.tobytes(), self.stop.tobytes()))

    def __repr__(self) -> str:
        if not len(self):
            return "<GTI: no good time>"
        word = "interval" if len(self) == 1 else "intervals"
        return f"<GTI: {len(self)} {word}, {self.exposure:.3f} s between {self.start[0]:.3f} and {self.stop[-1]:.3f}>"

    @property
    def exposure(self) -> float:
        """Sum of the lengths of all intervals, s."""
        return float(np.sum(self.stop - self.start))

    @property
    def span(self) -> tuple[float, float]:
        """First start and last stop, s.

        Raises
        ------
        GTIError
            If there is no interval.
        """
        if not len(self):
            raise GTIError("there is no good time", cure="Check the selections that led to these intervals.")
        return float(self.start[0]), float(self.stop[-1])

    # -- algebra -------------------------------------------------------------------------------------------------
    def __or__(self, other: GTI) -> GTI:
        if not isinstance(other, GTI):
            return NotImplemented
        return GTI.union([self, other])

    def __invert__(self) -> GTI:
        return self.complement(-np.inf, np.inf)

    def __and__(self, other: GTI) -> GTI:
        if not isinstance(other, GTI):
            return NotImplemented
        # Every pair of overlapping intervals gives one; interval i of self meets those of other in lo[i]:hi[i].
        lo = np.searchsorted(other.stop, self.start, side="right")
        hi = np.searchsorted(other.start, self.stop, side="left")
        number = np.maximum(hi - lo, 0)
        mine = np.repeat(np.arange(len(self)), number)
        theirs = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number - lo, number)
        start = np.maximum(self.start[mine], other.start[theirs])
        stop = np.minimum(self.stop[mine], other.stop[theirs])
        return GTI(start, stop, header=self.header or other.header)

    def __sub__(self, other: GTI) -> GTI:
        if not isinstance(other, GTI):
            return NotImplemented
        return self & ~other

    def complement(self, lo: float, hi: float) -> GTI:
        """All times between lo and hi (s) that are not good."""
        if not lo < hi:
            raise GTIError(f"the range {lo}..{hi} s is empty", cure="Give the earlier time first.")
        start = np.concatenate(([-np.inf], self.stop))
        stop = np.concatenate((self.start, [np.inf]))
        keep = start < stop  # an interval that reaches to infinity leaves nothing on that side
        return GTI(start[keep], stop[keep], header=self.header).clip(lo, hi)

    def clip(self, lo: float, hi: float) -> GTI:
        """The part between lo and hi (s)."""
        start, stop = np.maximum(self.start, lo), np.minimum(self.stop, hi)
        keep = start < stop
        return GTI(start[keep], stop[keep], header=self.header)

    def shift(self, seconds: float) -> GTI:
        """All times later by so many seconds."""
        return GTI(self.start + seconds, self.stop + seconds, header=self.header)

    # -- times and bins ------------------------------------------------------------------------------------------
    def contains(self, t: Any) -> np.ndarray:
        """Which times are good; both ends of an interval belong to it.

        Parameters
        ----------
        t : array_like, shape (n,)
            Times, s. Ascending times take a shortcut: only the ends of the intervals are searched for. NaN is
            never good.

        Returns
        -------
        ndarray of bool, shape (n,)
        """
        times = np.asarray(t, dtype=np.float64)
        if not len(self):
            return np.zeros(times.shape, dtype=bool)
        if times.ndim == 1 and times.size > 8 * len(self) and bool(np.all(times[1:] >= times[:-1])):
            out = np.zeros(times.shape, dtype=bool)
            first = np.searchsorted(times, self.start, side="left")
            last = np.searchsorted(times, self.stop, side="right")
            for i, j in zip(first.tolist(), last.tolist(), strict=True):
                out[i:j] = True
            return out
        i = np.searchsorted(self.start, times, side="right") - 1
        return (i >= 0) & (times <= self.stop[i])

    def bin_exposure(self, edges: Any) -> np.ndarray:
        """Good time in every bin.

        Lengths are summed piece by piece and never taken as differences of running sums, so that a bin that lies
        inside one interval gets exactly its own width.

        Parameters
        ----------
        edges : array_like, shape (n + 1,)
            Ascending limits of the bins, s.

        Returns
        -------
        ndarray, shape (n,)
            Exposure of each bin, s.

        Raises
        ------
        GTIError
            The edges are fewer than two, not finite or not ascending.
        """
        e = np.asarray(edges, dtype=np.float64)
        if e.ndim != 1 or e.size < 2 or not np.all(np.isfinite(e)) or np.any(np.diff(e) <= 0):
            raise GTIError(
                "bin edges must be at least two finite, ascending times", cure="Sort them and drop repeated ones."
            )
        limits = np.concatenate((self.start, self.stop))
        pieces = np.unique(np.concatenate((e, limits[(limits > e[0]) & (limits < e[-1])])))
        left, length = pieces[:-1], np.diff(pieces)
        if len(self):
            i = np.searchsorted(self.start, left, side="right") - 1
            good = (i >= 0) & (left < self.stop[i])
        else:
            good = np.zeros(left.shape, dtype=bool)
        which = np.searchsorted(e, left, side="right") - 1
        return np.bincount(which[good], weights=length[good], minlength=e.size - 1)

    # -- writing -------------------------------------------------------------------------------------------------
    def to_hdu(self, name: str = "GTI", *, header: Mapping[str, Any] | None = None) -> TableHDU:
        """Table HDU with the keywords OGIP asks for; see `wolter.gti.gti_hdu`."""
        from wolter.gti.io import gti_hdu

        return gti_hdu(self, name, header=header)

    def write(
        self,
        path: str | PathLike[str],
        *,
        name: str = "GTI",
        header: Mapping[str, Any] | None = None,
        overwrite: bool = False,
    ) -> Path:
        """Write a file with this GTI extension (or, if the name ends in ``.txt``, two columns of text)."""
        from wolter.gti.io import write_gti

        return write_gti(self, path, name=name, header=header, overwrite=overwrite)


def _check(start: np.ndarray, stop: np.ndarray) -> None:
    for which, values in (("start", start), ("stop", stop)):
        bad = np.flatnonzero(np.isnan(values))
        if bad.size:
            raise GTIError(f"the {which} of interval {bad[0] + 1} of {values.size} is NaN", cure="Remove that row.")
    bad = np.flatnonzero(stop < start)
    if bad.size:
        i = bad[0]
        raise GTIError(
            f"interval {i + 1} of {start.size} ends before it starts ({float(start[i])!r} to {float(stop[i])!r} s)",
            cure="Correct or remove that row.",
        )


def _merged(start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted intervals; overlapping and touching ones joined, empty ones gone."""
    keep = start < stop
    start, stop = start[keep], stop[keep]
    if start.size == 0:
        return start, stop
    if np.any(start[1:] < start[:-1]):
        order = np.argsort(start, kind="stable")
        start, stop = start[order], stop[order]
    reach = np.maximum.accumulate(stop)
    new = np.concatenate(([True], start[1:] > reach[:-1]))
    last = np.concatenate((np.flatnonzero(new)[1:] - 1, [start.size - 1]))
    return start[new].copy(), reach[last].copy()
