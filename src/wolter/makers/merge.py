"""Several event files as one: detectors or observations put together on the sky of the first."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter import fits
from wolter._progress import each
from wolter.data.events import EventList
from wolter.errors import DataError, OutputError
from wolter.gti import GTI

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["merge_events"]

_SAME_WCS = 1e-6  # pixels by which the coordinates of two files may differ without being transformed


def merge_events(
    events: Sequence[EventList | str | PathLike[str]],
    path: str | PathLike[str],
    *,
    overwrite: bool = False,
    executor: Executor | None = None,
) -> EventList:
    """Event file with the selected events of several.

    Sky coordinates go through the sky to the pixels of the first file. Good times are those of any of the files, so
    that exposures of detectors that looked at the same time do not add up. Columns are those that all files have.

    Parameters
    ----------
    events : sequence of EventList or path
        With their selections; of one mission.
    path : path-like
        File to write.
    overwrite : bool
    executor : concurrent.futures.Executor, optional
        Reads the files in parallel.

    Returns
    -------
    EventList
        The new file.

    Raises
    ------
    DataError
        No files, missions or reference times differ, energy channels differ, or files whose CCDs have good times of
        their own.
    OutputError
        The file exists or cannot be written.
    """
    lists = [e if isinstance(e, EventList) else EventList.read(e) for e in events]
    _check(lists, Path(path))
    first = lists[0]
    x, y = first.xy_columns
    names = [n for n in first.columns if all(n in e.columns for e in lists)]
    parts = each(partial(_part, first, names, x, y), lists, "reading events", executor=executor)
    data = {n: np.concatenate([p[n] for p in parts]) for n in names}
    order = np.argsort(data[first.time_column], kind="stable")
    data = {n: v[order] for n, v in data.items()}
    good = GTI.union([e.gti for e in lists])
    header = first.header.without_structure()
    ontime = np.array([e.ontime for e in lists])
    live = float(np.sum(ontime * [e.deadc for e in lists]) / ontime.sum())
    for key in list(header.keys()):
        if key.startswith(("DSTYP", "DSVAL", "DSREF", "DSFORM", "DSUNI")):
            header.remove(key)
    for key in ("DETNAM", "INSTRUME", "OBS_ID"):
        values = {str(e.header.get(key, "")).strip() for e in lists}
        if key in header and len(values) > 1:
            header.set(key, "MERGED")
    for key, value in {
        "TSTART": good.span[0], "TSTOP": good.span[1], "TELAPSE": good.span[1] - good.span[0],
        "ONTIME": good.exposure, "DEADC": live, "LIVETIME": good.exposure * live, "EXPOSURE": good.exposure * live,
    }.items():  # fmt: skip
        header.set(key, float(value))
    header.add_history(f"merge_events of {len(lists)} files")
    columns = {n: first.columns[n] for n in names}
    table = fits.new_table(first.hdu_name, data, columns=columns, header=header)
    hdus = [fits.primary(first.primary_header), table, good.to_hdu(header=header)]  # type: ignore[arg-type]
    provenance = fits.Provenance("merge_events", {"files": [e.path.name for e in lists]}, [e.path for e in lists])
    fits.write(path, hdus, overwrite=overwrite, provenance=provenance)
    return EventList.read(path, extension=first.hdu_name)


def _check(lists: Sequence[EventList], target: Path) -> None:
    if not lists:
        raise DataError("there are no event files to merge")
    first = lists[0]
    for other in lists:
        if target.exists() and target.resolve() == other.path.resolve():
            raise OutputError("the output is an input file", file=target, cure="Choose another name.")
        if other.mission.name != first.mission.name:
            raise DataError(f"{first.path.name} and {other.path.name} are of different missions")
        if other.gti_by_ccd:
            raise DataError(
                "the CCDs of this file have good times of their own, which one table of events cannot keep",
                file=other.path,
                cure="Make products of each file and add those.",
            )
        for key in ("MJDREFI", "MJDREFF", "MJDREF", "TIMEZERO"):
            a, b = (float(e.header.get(key, 0.0) or 0.0) for e in (first, other))
            if abs(a - b) > 1e-9:
                raise DataError(f"{key} differs in {first.path.name} and {other.path.name}: {a!r} and {b!r}")
        if other.channel_range != first.channel_range:
            raise DataError(f"{first.path.name} and {other.path.name} have different energy channels")


def _part(first: EventList, names: list[str], x: str, y: str, events: EventList) -> dict[str, Any]:
    """Columns of one file, sky coordinates in the pixels of the first."""
    part = dict(events.read_columns(names))
    if events is first or not (first.wcs.frame and events.wcs.frame):
        return part
    probe = np.array([1.0, 500.0, 1000.0])
    there = first.wcs.sky_to_pixel(*events.wcs.pixel_to_sky(probe, probe))
    if max(float(np.abs(np.asarray(v) - probe).max()) for v in there) < _SAME_WCS:
        return part
    ra, dec = events.wcs.pixel_to_sky(part[x].astype(float), part[y].astype(float))
    moved = first.wcs.sky_to_pixel(ra, dec)
    for name, values in zip((x, y), moved, strict=True):
        whole = part[name].dtype.kind in "iu"
        column = events.columns[name]
        new = np.rint(values) if whole else np.asarray(values)
        if column.null is not None and whole:
            new = np.where(part[name] == column.null, column.null, new)
        part[name] = new.astype(part[name].dtype)
    return part
