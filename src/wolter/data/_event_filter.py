"""Row expressions bound to an event list: its keywords, its good times, its coordinates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wolter.data._event_scan import RegionCut, RowTest
from wolter.data._event_source import EventSource
from wolter.errors import DataError
from wolter.expr import parse
from wolter.gti import gtifilter

if TYPE_CHECKING:
    from wolter.data.events import EventList

__all__ = ["row_test"]


def row_test(events: EventList, source: EventSource, text: str) -> RowTest:
    """Test of single events by a row expression in cfitsio's syntax.

    Parameters
    ----------
    events : EventList
        For good times (``gtifilter()``) and coordinates (``regfilter("file.reg")``); files named in the expression are
        looked for beside the event file.
    source : EventSource
        For column names and keywords.
    text : str
        The expression.

    Raises
    ------
    ExpressionError
        If it is not understood.
    DataError
        If it compares different rows, or a column is missing.
    """
    parsed = parse(text)
    if not parsed.rowwise:
        raise DataError(
            f"the row filter {text!r} compares different rows, which a selection of events cannot do",
            file=events.path,
            cure="Select with expressions that look at one event at a time.",
        )
    columns = [source.column_name(name) for name in sorted(parsed.names)]
    calls = {name.lower() for name in parsed.functions}
    functions: dict[str, Any] = {}
    if calls & {"gtifilter", "gti"}:
        time = source.column_name(events.mission.columns.time)
        columns.append(time)
        functions["gtifilter"] = functions["gti"] = gtifilter(events.file_gti, folder=events.path.parent, time=time)
    if "regfilter" in calls:
        x, y = events.xy_columns
        columns += [x, y]
        functions["regfilter"] = _region_function(events, x, y)
    return RowTest(parsed, tuple(dict.fromkeys(columns)), events.header, functions)


def _region_function(
    events: EventList, x: str, y: str
) -> Callable[[Sequence[Any], Mapping[str, Any]], NDArray[np.bool_]]:
    """What ``regfilter("file.reg")`` or ``regfilter("file.reg", X, Y)`` means for a table."""
    cuts: dict[str, RegionCut] = {}

    def inside(arguments: Sequence[Any], columns: Mapping[str, Any]) -> NDArray[np.bool_]:
        if len(arguments) not in (1, 3) or not isinstance(arguments[0], str):
            raise DataError("regfilter() takes a file name, or a file name and X, Y", file=events.path)
        name = arguments[0]
        if name not in cuts:
            cuts[name] = events.region_cut(events.path.parent / name, x, y)
        px, py = arguments[1:] if len(arguments) == 3 else (columns[x], columns[y])
        return cuts[name].pixels.contains(np.asarray(px), np.asarray(py))

    return inside
