"""Row expressions bound to an event list: its keywords, its good times, its coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wolter import fits
from wolter.data._event_scan import RowMask, RowTest
from wolter.data._event_source import EventSource
from wolter.data.rows import region_function, row_mask
from wolter.errors import warn
from wolter.expr import Dialect, Expression, parse, placed
from wolter.expr import _nodes as nodes
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
        If it is not understood or a column is missing, with carets below the place.
    """
    keywords: Any = events.header
    with placed(events.path, source.name):
        parsed = parse(text, dialect, keywords=keywords)
        columns = parsed.columns_of(source.columns, keywords if dialect == "cfitsio" else None)
    calls = {name.lower() for name in parsed.functions}
    if _selects_times(parsed, events.mission.columns.time):
        warn(
            f"the row filter {text!r} selects times, but exposures and rates stay those of all good time. To change "
            "both give the times themselves: select(time=...) or select(gti=...), on the command line --gti"
        )
    if not parsed.rowwise:
        with fits.open(events.path) as file:
            return RowMask(row_mask(file.table(source.index), parsed, file=file), text)
    functions: dict[str, Any] = {}
    if calls & {"gtifilter", "gti"}:
        name = source.column_name(events.mission.columns.time)
        columns.append(name)
        functions["gtifilter"] = functions["gti"] = gtifilter(events.file_gti, folder=events.path.parent, time=name)
    if calls & {"regfilter", "region"}:
        x, y = events.xy_columns
        columns += [x, y]
        functions["regfilter"] = functions["region"] = region_function(
            lambda name, a, b: events.region_cut(beside(name, events.path.parent), a, b).pixels, x, y
        )
    return RowTest(parsed, tuple(dict.fromkeys(columns)), events.header, functions, (events.path, source.name))


def _selects_times(parsed: Expression, time: str) -> bool:
    """Whether a condition leaves out stretches of time: it names the time column or the good times of a file."""
    if not parsed.rowwise:
        return False  # differences of times, between one row and the next
    return time.upper() in {name.upper() for name in parsed.names} or any(
        isinstance(n, nodes.Call) and n.name in ("gtifilter", "gti") and n.arguments for n in nodes.walk(parsed.tree)
    )
