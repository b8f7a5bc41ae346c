"""One pass over an event table: the tests of a selection, cheapest first, columns decoded for survivors only."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter.data._pseudo_columns import GOOD, ROW, stored
from wolter.errors import DataError
from wolter.expr import Expression, placed
from wolter.gti import GTI
from wolter.sky import PixelRegion, RegionSet

__all__ = ["ColumnRanges", "RegionCut", "RowMask", "RowTest", "Selection", "TimeTest", "grouped_ranges", "scan"]

_YIELD_ROWS = 1 << 16  # survivors are handed on in parts of at least this many rows

Part = dict[str, NDArray[Any]]
ColumnRanges = tuple[str, tuple[tuple[float, float], ...]]  # column, closed ranges of which one must hold


@dataclass(frozen=True)
class RegionCut:
    """A region in the pixels of one pair of coordinate columns.

    Attributes
    ----------
    x, y : str
        Coordinate columns.
    region : RegionSet
        As the user gave it.
    pixels : PixelRegion
        The same in pixels of the columns.
    """

    x: str
    y: str
    region: RegionSet
    pixels: PixelRegion

    @cached_property
    def box(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Limits of x and of y, outside which no event lies in the region."""
        xmin, xmax, ymin, ymax = replace(self.pixels, bounds=None).bounding_box()
        return _box_side(xmin, xmax), _box_side(ymin, ymax)


@dataclass(frozen=True)
class Selection:
    """What an event must satisfy, beside the good time intervals of its file; everything given must hold.

    Attributes
    ----------
    regions : tuple of RegionCut
        Regions; the event must lie in all of them.
    ranges : tuple of (column, ((lo, hi), ...))
        Columns whose value must lie in one of some closed ranges.
    lists : tuple of (column, values)
        Columns whose value must be in a list (grades).
    expressions : tuple of RowTest
        Row expressions.
    gti : GTI or None
        Further time intervals.
    """

    regions: tuple[RegionCut, ...] = ()
    ranges: tuple[ColumnRanges, ...] = ()
    lists: tuple[tuple[str, tuple[int, ...]], ...] = ()
    expressions: tuple[RowTest | RowMask, ...] = ()
    gti: GTI | None = None

    def with_gti(self, gti: GTI) -> Selection:
        """Selection restricted to further time intervals."""
        return replace(self, gti=gti if self.gti is None else self.gti & gti)

    @property
    def columns(self) -> list[str]:
        """Columns the tests look at."""
        names = [n for cut in self.regions for n in (cut.x, cut.y)]
        names += [r[0] for r in self.ranges] + [name for name, _ in self.lists]
        return names + [n for e in self.expressions for n in e.columns]


@dataclass(frozen=True)
class TimeTest:
    """Whether events fall into good time, each CCD in its own intervals where it has them.

    Attributes
    ----------
    column : str
        Time column.
    offset : float
        Seconds to add to it.
    gti : GTI
        Intervals of all events, or of those on CCDs not in `by_ccd`.
    ccd : str or None
        CCD column.
    by_ccd : mapping of int to GTI
        Intervals of each CCD.
    """

    column: str
    offset: float
    gti: GTI
    ccd: str | None = None
    by_ccd: Mapping[int, GTI] | None = None

    @property
    def columns(self) -> list[str]:
        """Columns needed."""
        return [self.column] + ([self.ccd] if self.ccd and self.by_ccd else [])

    def holds(self, span: tuple[float, float]) -> bool:
        """Whether all times between two are good because one interval, the same for all events, holds both."""
        lo, hi = (float(v) + self.offset for v in span)
        if (self.ccd and self.by_ccd) or not len(self.gti) or not lo <= hi:  # NaN is in no order
            return False
        k = int(np.searchsorted(self.gti.start, lo, side="right")) - 1
        return k >= 0 and hi <= float(self.gti.stop[k])

    def __call__(self, get: Callable[[str], NDArray[Any]]) -> NDArray[np.bool_]:
        """Mask of the events in good time, from a function that gives column values."""
        time = get(self.column)
        if self.offset:
            time = time + self.offset
        if not (self.ccd and self.by_ccd):
            return self.gti.contains(time)
        chip = get(self.ccd)
        good = np.zeros(len(time), dtype=bool)
        for number, gti in self.by_ccd.items():
            mine = chip == number
            if mine.any():
                good[mine] = gti.contains(time[mine])
        return good


@dataclass(frozen=True)
class RowTest:
    """Test of events by a row expression.

    Attributes
    ----------
    expression : Expression
        A condition that looks at one row at a time.
    columns : tuple of str
        Columns it needs.
    keywords : mapping
        Header of the table, for keywords named in it.
    functions : mapping of str to callable
        What ``gtifilter`` and ``regfilter`` mean here.
    place : tuple of path and str
        File and HDU, for messages.
    """

    expression: Expression
    columns: tuple[str, ...]
    keywords: Any
    functions: Mapping[str, Any]
    place: tuple[Any, str | None] = (None, None)

    def __call__(self, get: Callable[[str], NDArray[Any]], number: int) -> NDArray[np.bool_]:
        """Mask of the events that satisfy the condition."""
        values = {name: get(name) for name in self.columns}
        with placed(*self.place):
            return self.expression.select(values, keywords=self.keywords, functions=self.functions, nrows=number)

    def __str__(self) -> str:
        return self.expression.text


@dataclass(frozen=True, eq=False)
class RowMask:
    """Rows of the file chosen beforehand, by a condition that compares rows.

    Attributes
    ----------
    mask : bool[rows of the file]
    text : str
        The condition.
    """

    mask: NDArray[np.bool_]
    text: str

    columns = (ROW,)

    def __call__(self, get: Callable[[str], NDArray[Any]], number: int) -> NDArray[np.bool_]:
        """Mask of the events at hand."""
        return self.mask[get(ROW)]

    def __str__(self) -> str:
        return self.text


class _Rows:
    """The rows of one block that have survived so far.

    With `marks`, rows that fail while most survive stay in and are only marked: to carry them along costs less than to
    pick out the others.
    """

    def __init__(self, block: fits.Block, columns: fits.Columns, *, marks: bool = False) -> None:
        self._block = block
        self._columns = columns
        self._marks = marks
        self._rows: NDArray[np.int64] | None = None  # that are still in; None: all
        self._good: NDArray[np.bool_] | None = None  # those of them that survive; None: all
        self._drops: list[NDArray[np.int64]] = []  # what `drop` has kept, each time of the rows that were in before
        self._cache: dict[str, tuple[NDArray[Any], int]] = {}  # values, number of drops they have been through
        self.number = block.nrows  # survivors

    def get(self, name: str) -> NDArray[Any]:
        """Values of a column in the rows that are still in."""
        if name == GOOD:
            size = self._block.nrows if self._rows is None else len(self._rows)
            return np.ones(size, dtype=bool) if self._good is None else self._good
        if name in self._cache:
            values, dropped = self._cache[name]
            for chosen in self._drops[dropped:]:
                values = values[chosen]
        elif name == ROW:
            values = (np.arange(self._block.nrows) if self._rows is None else self._rows) + self._block.start
        elif self._rows is None:
            values = self._block[self._columns[name].name]
        elif 5 * len(self._rows) > self._block.nrows:
            # Picking from a decoded column is faster than picking scattered bytes, unless few rows are left.
            values = self._block[self._columns[name].name][self._rows]
        else:
            values = self._block.take(self._columns[name].name, self._rows)
        self._cache[name] = values, len(self._drops)
        return values

    def span(self, name: str) -> tuple[float, float]:
        """Least and largest value of a column, in all rows of the block unless only a few have survived (NaN: none)."""
        many = self._rows is None or 5 * len(self._rows) > self._block.nrows
        values = self._block[self._columns[name].name] if many and name not in self._cache else self.get(name)
        return values.min(initial=np.inf), values.max(initial=-np.inf)

    def get_nullable(self, name: str) -> NDArray[Any]:
        """Values with NaN where the file says undefined (TNULL)."""
        values = self.get(name)
        null = None if name == ROW else self._columns[name].null
        if null is None or values.dtype.kind not in "iu":
            return values
        undefined = values == null
        return np.where(undefined, np.nan, values) if undefined.any() else values

    def keep(self, mask: NDArray[np.bool_]) -> bool:
        """Keep the rows of a mask; whether any are left."""
        if self._good is not None:
            mask = mask & self._good
        number = int(np.count_nonzero(mask))
        if number < self.number:
            self._good, self.number = mask, number
            if not self._marks or 2 * number < len(mask):
                self.drop()
        return number > 0

    def drop(self) -> None:
        """Take out the rows that are only marked."""
        if self._good is not None:
            chosen = np.flatnonzero(self._good)
            self._rows = chosen if self._rows is None else self._rows[chosen]
            self._drops.append(chosen)
            self._good = None


def _box_side(lo: float, hi: float) -> tuple[float, float]:
    """Limits widened so that comparing in single precision loses no event on the edge."""
    margin = 1e-3 + 1e-6 * max(abs(lo), abs(hi)) if math.isfinite(lo + hi) else 0.0
    return lo - margin, hi + margin


def _within(values: NDArray[Any], lo: float, hi: float) -> NDArray[np.bool_]:
    """lo <= values <= hi in the precision of the values; open sides are not compared."""
    if values.dtype.kind in "iu":  # with whole limits they need not become doubles
        lo = math.ceil(lo) if math.isfinite(lo) else lo
        hi = math.floor(hi) if math.isfinite(hi) else hi
    if math.isfinite(lo) and math.isfinite(hi):
        mask = values >= lo
        mask &= values <= hi
        return mask
    if math.isfinite(lo):
        return values >= lo
    return values <= hi if math.isfinite(hi) else np.ones(len(values), dtype=bool)


def _in_regions(rows: _Rows, cuts: Sequence[RegionCut]) -> bool:
    for cut in cuts:
        x_side, y_side = cut.box
        if not rows.keep(_within(rows.get(cut.x), *x_side)) or not rows.keep(_within(rows.get(cut.y), *y_side)):
            return False
        rows.drop()
        x, y = rows.get_nullable(cut.x), rows.get_nullable(cut.y)
        if not rows.keep(cut.pixels.contains(x, y)):
            return False
    return True


def _passes(rows: _Rows, selection: Selection, time_test: TimeTest | None) -> bool:
    """Apply all tests to a block, the dear ones to survivors only; whether any row is left."""
    if not _in_regions(rows, selection.regions):
        return False
    for name, ranges in selection.ranges:
        values = rows.get_nullable(name)
        if values.dtype.kind == "f":  # limits are doubles, also against single-precision columns
            values = values.astype(np.float64, copy=False)
        mask = _within(values, *ranges[0])
        for lo, hi in ranges[1:]:
            mask |= _within(values, lo, hi)
        if not rows.keep(mask):
            return False
    for name, values in selection.lists:
        rows.drop()
        if not rows.keep(np.isin(rows.get(name), values)):
            return False
    for expression in selection.expressions:
        rows.drop()
        if not rows.keep(expression(rows.get_nullable, rows.number)):
            return False
    # Most blocks of a long list lie within one good time, which their first and last time tell.
    if time_test is None or time_test.holds(rows.span(time_test.column)):
        return True
    rows.drop()
    return rows.keep(time_test(rows.get))


def grouped_ranges(ranges: Iterable[fits.Range], x: str, y: str) -> list[ColumnRanges]:
    """Ranges of a file name by column: those of one column are alternatives.

    Unnamed ranges are X and Y, in this order; limits on X and Y are widened by half a pixel, so that they mean
    pixels (extractor's rule).
    """
    unnamed = iter((x, y))
    found: dict[str, list[tuple[float, float]]] = {}
    for one in ranges:
        name = one.column or next(unnamed, None)
        if name is None:
            raise DataError("a file name filter has more than two unnamed ranges", cure="Name the columns.")
        margin = 0.5 if name.upper() in (x.upper(), y.upper()) else 0.0
        lo = -np.inf if one.lo is None else one.lo - margin
        hi = np.inf if one.hi is None else one.hi + margin
        found.setdefault(name, []).append((lo, hi))
    return [(name, tuple(pairs)) for name, pairs in found.items()]


def scan(
    hdu: fits.TableHDU, selection: Selection, columns: Sequence[str], time_test: TimeTest | None
) -> Iterator[Part]:
    """Selected rows of an event table, in file order.

    Parameters
    ----------
    hdu : TableHDU
        The events.
    selection : Selection
        Tests.
    columns : sequence of str
        Columns to hand on; `ROW` stands for the row number. With `GOOD` rows that are not selected may come along, for
        which that column is False.
    time_test : TimeTest or None
        Good time; None leaves that test out.

    Yields
    ------
    dict of ndarray
        The columns of a part of the selected rows (fresh arrays).
    """
    tests = selection.columns + (time_test.columns if time_test else [])
    read = [hdu.columns[n].name for n in stored([*tests, *columns])]
    marks = GOOD in columns and time_test is not None  # rows that wait for their good times shall be few
    waiting: list[Part] = []
    number = 0
    for block in hdu.blocks(list(dict.fromkeys(read)) or [hdu.columns.all[0].name]):
        rows = _Rows(block, hdu.columns, marks=marks)
        if not _passes(rows, selection, time_test):
            continue
        waiting.append({name: rows.get(name) for name in columns})
        number += rows.number
        thick = marks and 2 * rows.number >= block.nrows  # then to put parts together costs more than it saves
        if number >= _YIELD_ROWS or thick:
            yield _join(waiting)
            waiting, number = [], 0
    if waiting:
        yield _join(waiting)


def _join(parts: list[Part]) -> Part:
    """Parts put together."""
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
