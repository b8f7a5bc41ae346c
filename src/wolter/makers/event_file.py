"""Filtered event lists: the selected rows, byte for byte, with the good time intervals of the selection."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter.data.events import ROW, EventList
from wolter.errors import OutputError
from wolter.gti import GTI
from wolter.makers.headers import add_region_subspace, selection_history, selection_parameters, set_times
from wolter.makers.spectrum import no_counts

__all__ = ["event_hdus", "extract_events"]


def event_hdus(
    events: EventList,
    rows: NDArray[np.int64],
    gti_hdus: Sequence[fits.TableHDU] | None = None,
    *,
    deadc: float | None = None,
    gti: GTI | None = None,
) -> list[fits.HDU]:
    """HDUs of a filtered event list.

    Parameters
    ----------
    events : EventList
        Selected events.
    rows : ndarray of int
        Rows to keep, ascending.
    gti_hdus : sequence of TableHDU, optional
        Good time intervals; by default one extension ``GTI`` with those of the selection.
    deadc, gti : optional
        Live fraction and good time for the keywords, if not those of the selection.

    Returns
    -------
    list of HDU
        Primary, events, good time intervals, region.
    """
    with fits.open(events.path) as f:
        first = fits.primary(f[0].header)
        source = f.table(events.hdu_index)
        table = source.select(rows)
    header = table.header
    set_times(header, events, deadc=deadc, gti=gti)
    set_times(first.header, events, deadc=deadc, gti=gti)
    if "HDUCLAS2" not in header:
        header.set("HDUCLAS2", "ACCEPTED", "events that passed a selection")
    add_region_subspace(header, events)
    header.add_history(f"extract_events of {events.path.name}[{events.hdu_name}]")
    for line in selection_history(events):
        header.add_history(f"  {line}")
    out: list[fits.HDU] = [first, table]
    out += [events.gti.to_hdu(header=cast(Any, events.header))] if gti_hdus is None else list(gti_hdus)
    if len(events.regions) == 1:
        out.append(events.regions[0].pixels.to_fits_hdu())
    return out


def extract_events(
    events: EventList, path: str | PathLike[str], *, overwrite: bool = False, allow_empty: bool = False
) -> EventList:
    """Write the selected events to a file of their own.

    Parameters
    ----------
    events : EventList
        Selected events.
    path : path-like
        File to write.
    overwrite : bool
        Whether an existing file may be replaced.
    allow_empty : bool
        Whether an event list without any event is acceptable.

    Returns
    -------
    EventList
        The new file.

    Raises
    ------
    OutputError
        If the file exists or cannot be written; what stood there before is untouched.
    DataError
        If no event is left.
    """
    target = Path(path)
    if target.exists() and target.resolve() == events.path.resolve():
        raise OutputError("the output is the input file", file=target, cure="Choose another name.")
    rows = events.column(ROW)
    if not len(rows) and not allow_empty:
        raise no_counts(events)
    provenance = fits.Provenance("extract_events", selection_parameters(events), [events.path])
    fits.write(target, event_hdus(events, rows), overwrite=overwrite, provenance=provenance)
    return EventList.read(target)
