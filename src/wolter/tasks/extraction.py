"""The task ``extractor``: spectra, Stokes spectra, images, light curves and event lists from one pass over events.

The behaviour is that of the FTOOL (versions 5.31 and, for Stokes spectra, 6.11), including its habits:

* one range of the energy column in the file name, ``file[PI=50:199]``, also narrows the spectrum to these channels;
  two ranges of it end with status 101, a cfitsio row filter with status 3;
* DEADC is used in single precision;
* a lone sector (``pie``) selects events but leaves BACKSCAL at 1;
* TOTCTS of the spectrum is 0 when no WMAP is written;
* light curves start with the good time of the event file, before `timefile` is applied.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wolter import fits
from wolter.data.events import ROW, EventList, grouped_ranges
from wolter.errors import DataError, FitsError, ParameterError
from wolter.gti import GTI
from wolter.makers.event_file import event_hdus
from wolter.makers.image import ImageAccumulator, not_too_large
from wolter.makers.lightcurve import BinnedTimes, LightCurveAccumulator
from wolter.makers.merge import merge_events
from wolter.makers.passes import Accumulator, run_pass
from wolter.makers.spectrum import SpectrumAccumulator
from wolter.makers.stokes import stokes_names
from wolter.makers.sums import StokesAccumulator
from wolter.sky import read_regions
from wolter.tasks import extractor_products as products
from wolter.tasks._output import read_lines, target
from wolter.tasks.parameters import EXTRACTOR
from wolter.tasks.registry import Task, TaskError, TaskResult

__all__ = ["TASK"]

_NOT_DONE = ("qdpfile", "unbinlc", "xronwn", "zcolf")


@dataclass
class _Chips:
    """Which CCDs have selected events; they alone count for the exposure."""

    column: str

    def __post_init__(self) -> None:
        self.seen: set[int] = set()

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns needed of each selected event."""
        return (self.column,)

    def add(self, part: Mapping[str, Any]) -> None:
        """Add the selected events of one chunk."""
        self.seen.update(np.unique(part[self.column]).tolist())


@dataclass
class _Rows:
    """Numbers of the selected rows."""

    def __post_init__(self) -> None:
        self.parts: list[np.ndarray] = []

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns needed of each selected event."""
        return (ROW,)

    def add(self, part: Mapping[str, Any]) -> None:
        """Add the selected events of one chunk."""
        self.parts.append(part[ROW])


def _names(text: str) -> list[str]:
    """Event files that a name stands for: itself, those between commas, or with ``@`` those that a text file lists."""
    if text.startswith("@"):
        names = [line.strip() for line in read_lines(text[1:], "list of event files") if line.strip()]
    else:
        names = [n.strip() for n in re.split(r",(?![^\[]*\])", text) if n.strip()]
    if not names:
        raise TaskError("no event file is named", file=text.lstrip("@"))
    return names


def _merged(names: list[str], p: Mapping[str, Any], folder: str) -> str:
    """Name of one file, in a folder, with the events of several on the sky of the first."""
    parsed = [_parsed(name) for name in names]
    filters = {name.partition("[")[2] for name in names}
    if len(filters) > 1:
        raise TaskError(f"the event files have different filters: {', '.join(names)}", cure="Give all the same.")
    path = Path(folder) / parsed[0].path.name.removesuffix(".gz")
    extension = parsed[0].ext or p["events"] or "EVENTS"
    lists = [EventList.read(n.without_filter().path, extension=extension, gti_hint=p["gti"]) for n in parsed]
    merge_events(lists, path)
    return str(path) + names[0][len(names[0].partition("[")[0]) :]


def _parsed(text: str) -> fits.FileName:
    try:
        name = fits.parse_name(text)
    except FitsError as exc:
        raise TaskError(exc.cause, returncode=3, file=exc.file, cure=exc.cure) from exc
    if name.row_filter:
        raise TaskError(
            f"Invalid filter specification : {name.row_filter}",
            returncode=3,
            file=name.path,
            cure="Write ranges, file[PI=50:99], or use wolter.EventList.read, which understands row filters.",
        )
    return name


def _open(p: Mapping[str, Any], text: str) -> tuple[EventList, tuple[int, int] | None]:
    """Event list with the ranges of the file name applied, and the channel range they set."""
    name = _parsed(text)
    path = name.without_filter().path
    events = EventList.read(path, extension=name.ext or p["events"] or "EVENTS", gti_hint=p["gti"])
    if p["tpixrpar"] > -900:
        events = events.with_timepixr(p["tpixrpar"])
    x, y = _column(events, p["xcolf"], "xcolf"), _column(events, p["ycolf"], "ycolf")
    channels = None
    for column, ranges in grouped_ranges(name.extractor_ranges, x, y):
        if column.upper() == p["ecol"].upper():
            first, *more = ranges
            if more:
                raise TaskError(
                    f"{len(ranges)} ranges of the energy column {column} are given, one is allowed",
                    returncode=101,
                    file=name.path,
                    cure="Give one range.",
                )
            channels = products.channel_limits(first, events.channels_of(column))
        events = events.select_ranges(column, ranges)
    return events, channels


def _column(events: EventList, name: str | None, parameter: str) -> str:
    if name is None or name not in events.columns:
        raise TaskError(
            f"there is no column {name} ({parameter}); the event list has {', '.join(events.columns)}",
            file=events.path,
            hdu=events.hdu_name,
            cure=f"Set {parameter}.",
        )
    return events.columns[name].name


def _time_filter(text: str, extension: str) -> GTI:
    """Intervals of timefile: those of several files together."""
    parts = []
    for name in filter(None, (t.strip() for t in text.split(","))):
        with fits.open(name) as f:
            hdu = f.hdu if f.filename.ext is not None else f.get(extension)
            parts.append(GTI.read(f, None) if hdu is None else GTI.read(hdu))
    return GTI.union(parts)


def _select(events: EventList, p: Mapping[str, Any]) -> EventList:
    """Events that pass region, grades and time filter."""
    if p["regionfile"] is not None:
        events = events.select_region(read_regions(p["regionfile"]), p["xcolf"], p["ycolf"])
    if p["gcol"] is not None and p["gstring"] is not None:
        events = events.select_list(_column(events, p["gcol"], "gcol"), products.grades(p["gstring"]))
    if p["timefile"] is not None:
        events = events.select(gti=_time_filter(str(p["timefile"]), p["gtinam"] or "GTI"))
    return events


def _accumulators(events: EventList, plain: EventList, p: Mapping[str, Any], channels: Any) -> dict[str, Accumulator]:
    """One accumulator per product asked for."""
    out: dict[str, Accumulator] = {}
    x, y = _column(events, p["xcolf"], "xcolf"), _column(events, p["ycolf"], "ycolf")
    if p["phafile"] is not None:
        ecol = _column(events, p["ecol"], "ecol")
        first, last = channels or events.channels_of(ecol)
        out["spectrum"] = SpectrumAccumulator(events, column=ecol, first=first, last=last, binning=p["specbin"])
        if p["stokes"] is not None:
            weighted = p["stokes"].upper() != "UNWEIGHTED"
            out["stokes"] = StokesAccumulator(
                events, weighted=weighted, weight=p["polwcol"], column=ecol, first=first, last=last
            )
        if p["wtmapb"]:
            xh, yh = _column(events, p["xcolh"], "xcolh"), _column(events, p["ycolh"], "ycolh")
            grid = not_too_large(products.wmap_grid(events, xh, yh, p), events, "Set binh, or wtmapb=no.")
            out["wmap"] = ImageAccumulator(xh, yh, grid)
    if p["imgfile"] is not None:
        grid = not_too_large(products.image_grid(events, x, y, p), events, "Set binf, or fullimage=no with a region.")
        out["image"] = ImageAccumulator(x, y, grid)
    if p["fitsbinlc"] is not None:
        start = plain.file_gti.span[0] if p["lcstart"] < 0 else p["lcstart"]
        bins = BinnedTimes(start, p["binlc"], events.gti)
        tcol = _column(events, p["tcol"], "tcol")
        out["lightcurve"] = products.LightCurveBins(bins, LightCurveAccumulator(tcol, events.time_offset, bins))
    if p["eventsout"] is not None:
        out["events"] = _Rows()
    if events.ccd_column is not None and p["ccol"] is not None:
        out["chips"] = _Chips(events.ccd_column)
    return out


def _check(p: Mapping[str, Any]) -> None:
    for name in _NOT_DONE:
        if p[name] is not None:
            raise ParameterError(
                f"extractor: the parameter {name} is not supported by this version", cure=f"Set {name}=NONE."
            )
    for name in ("binf", "binh", "specbin"):
        if p[name] < 1:
            raise ParameterError(f"extractor: {name} = {p[name]}; a whole number from 1 on is meant")
    if p["xint"] != 1 or p["yint"] != 1:
        raise ParameterError("extractor: xint and yint other than 1 are not supported by this version")
    if p["stokes"] is not None and p["stokes"].upper() not in ("NEFF", "SIMPLE", "UNWEIGHTED"):
        raise ParameterError(f"extractor: stokes = {p['stokes']}", cure="Known are NONE, NEFF, SIMPLE and UNWEIGHTED.")
    if p["stokes"] is not None and p["specbin"] != 1:
        raise ParameterError("extractor: Stokes spectra are made with specbin=1 only", cure="Group them afterwards.")


def _targets(p: Mapping[str, Any]) -> dict[str, tuple[tuple[Path, bool], ...]]:
    """Files to be written, by product, and whether they may replace others."""
    out: dict[str, tuple[tuple[Path, bool], ...]] = {}
    for kind, name in (
        ("spectrum", "phafile"),
        ("image", "imgfile"),
        ("lightcurve", "fitsbinlc"),
        ("events", "eventsout"),
        ("gtitxt", "gtitxt"),
    ):
        if p[name] is not None:
            path, replace = target(p[name], p["clobber"])
            paths = stokes_names(path) if kind == "spectrum" and p["stokes"] is not None else (path,)
            out[kind] = tuple((one, replace) for one in paths)
    return out


def extract(p: Mapping[str, Any], result: TaskResult) -> None:
    """Do what the parameters say; products appear all together or not at all."""
    _check(p)
    if p["exitnow"]:
        return
    names = _names(str(p["filename"]))
    inputs = [_parsed(name).path for name in names]
    if len(names) == 1:
        _extract(p, result, names[0], inputs)
        return
    with tempfile.TemporaryDirectory() as folder:
        _extract(p, result, _merged(names, p, folder), inputs)


def _extract(p: Mapping[str, Any], result: TaskResult, text: str, inputs: list[Path]) -> None:
    """Products of one event file."""
    plain, channels = _open(p, text)
    events = _select(plain, p)
    run = products.Run(events, p, channels, _accumulators(events, plain, p, channels), inputs=inputs)
    number = run_pass(events, list(run.accumulators.values()) or [_Rows()])
    if number == 0:
        raise DataError(
            "no event passes the selection",
            file=events.path,
            hdu=events.hdu_name,
            cure="Check region, ranges, grades and time filter.",
        )
    chips = run.accumulators.get("chips")
    run.number = number
    run.chips = sorted(chips.seen) if isinstance(chips, _Chips) else []
    targets = _targets(p)
    with ExitStack() as stack:
        parts = {
            kind: [stack.enter_context(fits.atomic_path(path, overwrite=replace)) for path, replace in paths]
            for kind, paths in targets.items()
        }
        _write(run, parts)
    targets = {kind: tuple(path for path, _ in paths) for kind, paths in targets.items()}
    result.products = {kind: paths[0] if len(paths) == 1 else paths for kind, paths in targets.items()}
    result.messages.append(f"{number} events selected, {run.ontime:.6g} s of good time")
    result.returncode = run.status


def _write(run: products.Run, parts: Mapping[str, list[Path]]) -> None:
    """Write every product to its (temporary) path."""
    provenance = run.provenance()
    if "spectrum" in parts:
        for spectrum, path, primary in zip(run.spectra(), parts["spectrum"], run.primaries(), strict=False):
            if run.chips:
                spectrum.replace(gti=None, region=None).write(path, overwrite=True, primary=primary)
                with fits.open(path) as f:
                    fits.write(path, [*f.hdus, *run.tail()], overwrite=True, provenance=provenance)
            else:
                spectrum.write(path, overwrite=True, provenance=provenance, primary=primary)
    if "image" in parts:
        fits.write(parts["image"][0], run.image_hdus(), overwrite=True, provenance=provenance)
    if "lightcurve" in parts:
        fits.write(parts["lightcurve"][0], run.light_curve_hdus(), overwrite=True, provenance=provenance)
    if "events" in parts:
        rows = run.accumulators["events"]
        assert isinstance(rows, _Rows)
        hdus = event_hdus(run.events, np.concatenate(rows.parts), run.gti_hdus(), deadc=run.deadc, gti=run.gti)
        if run.area is not None:
            hdus[1].header.set("NPIXSOU", run.area, "number of pixels in selected region")
        fits.write(parts["events"][0], hdus, overwrite=True, provenance=provenance)
    if "gtitxt" in parts:
        parts["gtitxt"][0].write_text("".join(f"{lo!r} {hi!r}\n" for lo, hi in run.gti), encoding="ascii")


TASK = Task("extractor", EXTRACTOR, extract, __doc__ or "")
