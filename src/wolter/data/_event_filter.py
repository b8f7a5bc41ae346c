"""Row expressions bound to an event list: its keywords, its good times, its coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wolter import fits
from wolter.data._event_scan import RowMask, RowTest
from wolter.data._event_source import EventSource
from wolter.data.rows import region_function, row_mask
from wolter.expr import Dialect, parse
from wolter.gti import gtifilter
from wolter.gti.rowfilter import beside

if TYPE_CHECKING:
    from wolter.data.events import EventList

__all__ = ["row_test"]


def row_test(events: EventList, source: EventSource, text: str, dialect: Dialect = "cfitsio") -> RowTest | RowMask:
    """Test of single events by a row expression.

    Parameters
    ----------
    events : EventList
        For good times (``gtifilter()``) and coordinates (``regfilter("file.reg")``); files named in the expression are
        looked for beside the event file, then as they are written.
    source : EventSource
        For column names and keywords.
    text : str
        The expression. One that compares rows (``TIME{-1}``) is evaluated now, over the whole table.
    dialect : {"cfitsio", "sas"}
        Its syntax.

    Raises
    ------
    ExpressionError
        If it is not understood.
    DataError
        If a column is missing.
    """
    keywords: Any = events.header
    parsed = parse(text, dialect, keywords=keywords)
    columns = [source.column_name(name) for name in sorted(parsed.names)]
    if not parsed.rowwise:
        with fits.open(events.path) as file:
            return RowMask(row_mask(file.table(source.index), parsed, file=file), text)
    calls = {name.lower() for name in parsed.functions}
    functions: dict[str, Any] = {}
    if calls & {"gtifilter", "gti"}:
        time = source.column_name(events.mission.columns.time)
        columns.append(time)
        functions["gtifilter"] = functions["gti"] = gtifilter(events.file_gti, folder=events.path.parent, time=time)
    if calls & {"regfilter", "region"}:
        x, y = events.xy_columns
        columns += [x, y]
        functions["regfilter"] = functions["region"] = region_function(
            lambda name, a, b: events.region_cut(beside(name, events.path.parent), a, b).pixels, x, y
        )
    return RowTest(parsed, tuple(dict.fromkeys(columns)), events.header, functions)
