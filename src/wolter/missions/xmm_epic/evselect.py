"""The tasks ``evselect``, ``evselect_image`` and ``evselect_spectrum``: images, spectra and event lists by SAS's rules.

Parameters, defaults and output keywords are those of evselect (SAS documentation, evselect-3.71, and the commands and
headers that recorded products carry). Its habits:

* images start at the lower limit of the range asked for and hold whole bins; the upper limit only fixes their number;
  bins of whole-number columns are whole numbers, rounded up;
* coordinates in headers have 15 significant digits;
* EXPOSURE of an image is the longest good time of a CCD (ONTIMEnn), without dead time; that of a spectrum the live time
  (LIVETInn) weighted with the events of each CCD in the region;
* BACKSCAL is left to the task backscale: it is written only for a region, as its area in units of the coordinates;
* spectra are binned by `spectralbinsize` channels from `specchannelmin` on; incomplete last bins are dropped.

``evselect_image`` and ``evselect_spectrum`` are ``evselect`` with the one product switched on.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter._version import __version__
from wolter.data import EventList, ImageGrid
from wolter.errors import DataError, ParameterError, RegionError
from wolter.expr import _nodes as nodes
from wolter.expr import parse, placed
from wolter.gti import GTI, read_gti
from wolter.makers.event_file import event_hdus
from wolter.makers.headers import add_region_subspace
from wolter.makers.image import ImageAccumulator, not_too_large
from wolter.makers.passes import Accumulator, run_pass
from wolter.missions.xmm_epic._evselect_parameters import EVSELECT
from wolter.missions.xmm_epic._subspace import conjuncts, expanded, subspace_terms, write_subspace
from wolter.sky import RegionSet, parse_regions
from wolter.sky.sas import looks_like_sas
from wolter.tasks.registry import Parameter, Task, TaskResult

__all__ = ["TASK", "TASK_IMAGE", "TASK_SPECTRUM"]

_TYPES = {"INT8": np.uint8, "INT16": np.int16, "INT32": np.int32, "REAL32": np.float32, "REAL64": np.float64}
_NOT_COPIED = re.compile(r"CREATOR|DATE|XDAL\d*|XPROC\d*|CHECKSUM|DATASUM|SLCTEXPR|HISTORY|COMMENT|CONTINUE|")


class _Rows:
    """Numbers of the selected rows."""

    columns = ("#row",)

    def __init__(self) -> None:
        self.parts: list[NDArray[np.int64]] = []

    def add(self, part: Mapping[str, NDArray[Any]]) -> None:
        """Add the selected events of one chunk."""
        self.parts.append(part["#row"])


class _Sum(ImageAccumulator):
    """Sum of a column in each pixel, instead of the number of events."""

    def __init__(self, x: str, y: str, grid: ImageGrid, weight: str) -> None:
        super().__init__(x, y, grid)
        self._weight = weight
        self.total = np.zeros(grid.shape[0] * grid.shape[1])

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns needed of each selected event."""
        return (self._x, self._y, self._weight)

    def add(self, part: Mapping[str, NDArray[Any]]) -> None:
        """Add the selected events of one chunk."""
        super().add(part)
        index = self.grid.index(part[self._x], part[self._y])
        inside = index >= 0
        weight = part[self._weight][inside].astype(float)
        self.total += np.bincount(index[inside], weights=weight, minlength=len(self.total))


class _Channels:
    """Counts in channels of equal width from a lowest value on, and the CCDs they fell on."""

    def __init__(self, column: str, low: float, width: float, number: int, ccd: str | None) -> None:
        self._column, self._low, self._width, self._ccd = column, low, width, ccd
        self.counts = np.zeros(number, dtype=np.int64)
        self.by_ccd = np.zeros(256, dtype=np.int64)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns needed of each selected event."""
        return (self._column,) if self._ccd is None else (self._column, self._ccd)

    def add(self, part: Mapping[str, NDArray[Any]]) -> None:
        """Add the selected events of one chunk."""
        channel = np.floor((part[self._column] - self._low) / self._width).astype(np.int64)
        inside = (channel >= 0) & (channel < len(self.counts))
        self.counts += np.bincount(channel[inside], minlength=len(self.counts))
        if self._ccd is not None:
            self.by_ccd += np.bincount(part[self._ccd][inside], minlength=256)[:256]


# -- selection ---------------------------------------------------------------------------------------------------------


def _open(p: Mapping[str, Any]) -> EventList:
    """The events of ``set`` or ``set:table``."""
    table = str(p["table"])
    path, colon, name = table.rpartition(":")
    if colon and not Path(table).exists() and Path(path).exists():
        return EventList.read(path, extension=name)
    return EventList.read(table)


def _select(events: EventList, p: Mapping[str, Any]) -> EventList:
    """Events that satisfy the expression; its good times narrow those of the events too."""
    text = str(p["expression"] or "true").strip()
    if text.lower() in ("true", "t", "1"):
        return events
    if p["filtertype"] and p["filtertype"].lower() != "expression":
        raise ParameterError(
            f"evselect: filtertype={p['filtertype']} is not supported by this version",
            cure="Use filtertype=expression with gti(file,TIME) and region(file,X,Y) in the expression.",
        )
    for key in ("XMMEA_EP", "XMMEA_EM"):
        if f"#{key}" in text.upper() and key not in events.header:
            has = ", ".join(k for k in ("XMMEA_EP", "XMMEA_EM") if k in events.header) or "neither"
            raise DataError(
                f"the events do not define #{key} (they have {has})",
                file=events.path,
                hdu=events.hdu_name,
                cure="#XMMEA_EP is for pn, #XMMEA_EM for MOS.",
            )
    with placed(events.path, events.hdu_name):
        parsed = parse(text, "sas", keywords=dict(events.header.items()))
    others: list[str] = []
    regions: dict[tuple[str, str], RegionSet] = {}
    for node in conjuncts(parsed.tree):
        part = text[node.start : node.end]
        good = _good_time(node, events)
        region = _region(part)
        if good is not None and p["filterexposure"]:
            events = events.select(gti=good)
        elif region is not None:
            known = regions.get(region.columns)
            regions[region.columns] = region if known is None else known & region
        else:
            others.append(part)
    for columns, region in regions.items():
        events = events.select_region(region, *columns)
    return events.select(expression=" && ".join(f"({o})" for o in others), dialect="sas") if others else events


def _region(part: str) -> RegionSet | None:
    """Region of a condition that is made of shapes alone."""
    if not looks_like_sas(part):
        return None
    try:
        return parse_regions(part, name="the region of the expression")
    except RegionError:
        return None  # something else is in it too; what is wrong with it the expression will say


def _good_time(node: nodes.Node, events: EventList) -> GTI | None:
    """Intervals that a condition on the time alone leaves: ``gti(file,TIME)``, ``TIME in gti(file)``, limits."""
    time = events.time_column.upper()
    if isinstance(node, nodes.Call) and node.name == "gti" and len(node.arguments) == 2:
        name, column = node.arguments
        if not (isinstance(name, nodes.Constant) and isinstance(column, nodes.Name) and column.name.upper() == time):
            return None
        beside = events.path.parent / str(name.value).split("[")[0].split(":")[0]
        folder = events.path.parent if beside.exists() else Path()
        return read_gti(str(folder / str(name.value)))
    if isinstance(node, nodes.Members) and isinstance(node.operand, nodes.Name) and node.operand.name.upper() == time:
        limits = []
        for one in node.intervals:
            low, high = (x.value if isinstance(x, nodes.Constant) else None for x in (one.lo, one.hi))
            if (one.lo is not None and low is None) or (one.hi is not None and high is None):
                return None
            span = events.file_gti.span
            limits.append((span[0] if low is None else float(low), span[1] if high is None else float(high)))
        return GTI.union([GTI.single(lo, hi) for lo, hi in limits if hi > lo])
    return None


# -- the image ---------------------------------------------------------------------------------------------------------


def _limits(events: EventList, p: Mapping[str, Any], axis: str) -> tuple[float, float]:
    """Lowest and highest value of an axis: those given, the legal ones, or those of the data."""
    column = p[f"{axis}column"]
    if p[f"with{axis}ranges"]:
        low, high = p[f"{axis}imagemin"], p[f"{axis}imagemax"]
    else:
        keywords = events.columns[column].keywords
        stems = ("TDMIN", "TDMAX") if p["ignorelegallimits"] else ("TLMIN", "TLMAX")
        found = [keywords.get(stem, events.header.get(f"{stem}{_number(events, column)}")) for stem in stems]
        if None in found:
            values = events.column(column)
            found = [values.min(), values.max()] if len(values) else [0, 0]
        low, high = (float(v) for v in found)  # type: ignore[arg-type]
    if not high >= low:
        raise ParameterError(f"evselect: the range {low:g} to {high:g} of {column} is empty")
    return low, high


def _number(events: EventList, column: str) -> int:
    names = [c.upper() for c in events.columns]
    return names.index(column.upper()) + 1


def _grid(events: EventList, p: Mapping[str, Any]) -> ImageGrid:
    """Pixels of the image: `imagebinning` says whether sizes of bins or their numbers are given."""
    kind = str(p["imagebinning"] or "imageSize").lower()
    if kind not in ("binsize", "imagesize"):
        raise ParameterError(f"evselect: imagebinning={p['imagebinning']}", cure="Known are binSize and imageSize.")
    limits = [_limits(events, p, axis) for axis in "xy"]
    whole = [_is_whole(events, p[f"{axis}column"]) for axis in "xy"]
    steps = []
    for axis, (low, high), integer in zip("xy", limits, whole, strict=True):
        step = p[f"{axis}imagebinsize"]
        if kind == "imagesize":
            size = p[f"{axis}imagesize"]
            if size < 1:
                raise ParameterError(f"evselect: {axis}imagesize = {size}; a number of pixels is meant")
            step = (high - low + (1 if integer else 0)) / size
        steps.append(float(math.ceil(step - 1e-9)) if integer else float(step))
    if p["squarepixels"]:
        steps = [steps[0]] * 2 if kind == "binsize" else [max(steps)] * 2
    if not min(steps) > 0:
        raise ParameterError("evselect: the size of the bins must be positive")
    nx, ny = (int((hi - lo) / step + 1e-9) + 1 for (lo, hi), step in zip(limits, steps, strict=True))
    first = tuple(int(lo) if lo == int(lo) else lo for lo, _ in limits)
    wide = tuple(int(s) if s == int(s) else s for s in steps)
    return ImageGrid((first[0], first[1]), (ny, nx), (wide[0], wide[1]))


def _is_whole(events: EventList, column: str) -> bool:
    return events.columns[column].format.lstrip("0123456789")[:1].upper() in "BIJK"


def _digits(value: float) -> float:
    """A number as SAS writes it, with 15 significant digits."""
    return float(f"{value:.15g}")


def _wcs_cards(events: EventList, p: Mapping[str, Any], grid: ImageGrid, header: fits.Header) -> None:
    """Coordinates of sky and columns, as evselect writes them."""
    for n, (axis, first, step) in enumerate(zip("xy", grid.first, grid.steps, strict=True), start=1):
        column = events.columns[p[f"{axis}column"]]
        keys = column.keywords
        # The middle of the first bin; a bin of whole numbers ends with its last number.
        centre = first + 0.5 * (step - 1) if _is_whole(events, column.name) else first + 0.5 * step
        if "TCRPX" in keys:
            header.set(f"CTYPE{n}", str(keys.get("TCTYP", column.name)).strip(), "coordinate type")
            header.set(f"CRPIX{n}", _digits((float(keys["TCRPX"]) - centre) / step + 1), "WCS reference pixel")
            header.set(f"CRVAL{n}", float(keys.get("TCRVL", 0.0)), "coordinate at reference pixel")
            header.set(f"CUNIT{n}", str(keys.get("TCUNI", "")).strip(), "physical unit of the axis")
            header.set(f"CDELT{n}", _digits(float(keys.get("TCDLT", 1.0)) * step), "WCS pixel size")
        header.set(f"CTYPE{n}L", column.name, "WCS coordinate name")
        header.set(f"CRPIX{n}L", 1, "WCS reference pixel")
        header.set(f"CRVAL{n}L", _digits(centre), "WCS reference pixel value")
        header.set(f"CDELT{n}L", float(step), "WCS pixel size")
        header.set(f"LTV{n}", _digits(1 - centre / step))
        header.set(f"LTM{n}_{n}", _digits(1 / step))
    header.set("WCSNAMEL", "PHYSICAL", "WCS L name")
    header.set("WCSAXESL", 2, "No. of axes for WCS L")
    header.set("LTM1_2", 0)
    header.set("LTM2_1", 0)


def _image_hdus(events: EventList, fill: ImageAccumulator, p: Mapping[str, Any]) -> list[fits.HDU]:
    header = _start_header(events, p)
    for key, value in (("HDUCLAS1", "IMAGE"), ("HDUCLAS2", "TOTAL"), ("HDUVERS1", "1.1.0")):
        header.set(key, value)
    _wcs_cards(events, p, fill.grid, header)
    _subspace(header, events, p)
    ontimes = _ontimes(events)
    for ccd, good in ontimes.items():
        header.set(f"ONTIME{ccd:02d}", good, "[s] good time of a CCD")
    header.set("EXPOSURE", max(ontimes.values(), default=events.ontime), "[s] longest of ONTIMEnn")
    kind = str(p["imagedatatype"]).upper() if p["withimagedatatype"] else "INT32"
    if isinstance(fill, _Sum):
        data = fill.total.reshape(fill.grid.shape)
        kind = kind if p["withimagedatatype"] else "REAL64"
    else:
        data = fill.image
    if kind not in _TYPES:
        raise ParameterError(f"evselect: imagedatatype={p['imagedatatype']}", cure=f"Known are {', '.join(_TYPES)}.")
    return [fits.new_image(data.astype(_TYPES[kind]), header=header), *_gti_hdus(events)]


# -- the spectrum ------------------------------------------------------------------------------------------------------


def _channel_bins(events: EventList, p: Mapping[str, Any]) -> tuple[float, float, int]:
    """Lowest value, width and number of the channels."""
    width = float(p["spectralbinsize"])
    if not width > 0:
        raise ParameterError(f"evselect: spectralbinsize = {width:g}; a positive number is meant")
    if p["withspecranges"]:
        low, high = float(p["specchannelmin"]), float(p["specchannelmax"])
    else:
        low, high = (float(v) for v in events.channels_of(p["energycolumn"]))
    number = int((high - low + 1) / width)
    if number < 1:
        raise ParameterError(f"evselect: no channel of {width:g} fits into {low:g} to {high:g}")
    return low, width, number


def _spectrum_hdus(events: EventList, fill: _Channels, p: Mapping[str, Any]) -> list[fits.HDU]:
    low, width, number = _channel_bins(events, p)
    header = fits.Header()
    for key in ("TELESCOP", "INSTRUME", "FILTER"):
        header.set(key, str(events.primary_header.get(key, events.header.get(key, "NONE"))).strip())
    header.set("SLCTEXPR", expanded(str(p["expression"] or "true"), events.header), "filter expression")
    for key, value, comment in (
        ("HDUCLASS", "OGIP", ""),
        ("HDUCLAS1", "SPECTRUM", ""),
        ("HDUCLAS2", "TOTAL", ""),
        ("HDUCLAS3", "COUNT", ""),
        ("HDUVERS1", "1.1.0", ""),
        ("AREASCAL", 1.0, "nominal scaling of the data"),
        ("CORRSCAL", 1.0, "nominal scaling of the correction"),
        ("POISSERR", True, "Poisson errors"),
        ("SYS_ERR", 0, "no systematic error"),
        ("CHANTYPE", str(p["energycolumn"]).upper(), "type of channel data"),
        ("DETCHANS", number, "number of channels"),
        ("QUALITY", 0, "all channels are good"),
        ("GROUPING", 0, "not grouped"),
        ("SPECDELT", int(width) if width == int(width) else width, "channels of the events per channel"),
        ("SPECPIX", 0, "channel that SPECVAL is of"),
        ("SPECVAL", low + 0.5 * (width - 1), "channel of the events in the middle of it"),
    ):
        header.set(key, value, comment)
    _subspace(header, events, p)
    add_region_subspace(header, events)
    header.set("EXPOSURE", _weighted_livetime(events, fill), "[s] live time of the CCDs, weighted by their events")
    header.set("BACKSCAL", float(events.region_area or 1), "area of the region, coordinate pixels")
    for key in ("BACKFILE", "CORRFILE", "RESPFILE", "ANCRFILE"):
        header.set(key, "NONE")
    header.set("TLMIN1", 0)
    header.set("TLMAX1", number - 1)
    kind = np.int16 if number <= 32767 else np.int32
    table = fits.new_table(
        "SPECTRUM",
        {"CHANNEL": np.arange(number, dtype=kind), "COUNTS": fill.counts.astype(np.int32)},
        units={"COUNTS": "count"},
        header=header,
    )
    region = [cut.pixels.to_fits_hdu("REG00101") for cut in events.regions[:1]]
    return [fits.primary(_start_header(events, p)), table, *region, *_gti_hdus(events)]


def _weighted_livetime(events: EventList, fill: _Channels) -> float:
    """Live time of the CCDs that counts came from, weighted by their counts; one list of good times: EXPOSURE."""
    good = _ontimes(events)
    total = fill.by_ccd.sum()
    if not good or not total:
        return events.exposure
    live = 0.0
    for ccd, time in good.items():
        whole = float(events.header.get(f"ONTIME{ccd:02d}", 0.0) or 0.0)
        fraction = float(events.header.get(f"LIVETI{ccd:02d}", whole) or 0.0) / whole if whole > 0 else 1.0
        live += time * fraction * fill.by_ccd[ccd] / total
    return live


# -- parts of all products ---------------------------------------------------------------------------------------------


def _ontimes(events: EventList) -> dict[int, float]:
    """Good time of each CCD, s."""
    return {ccd: _digits(gti.exposure) for ccd, gti in sorted(events.gti_by_ccd.items())}


def _start_header(events: EventList, p: Mapping[str, Any]) -> fits.Header:
    """Primary keywords of the events, and what made the product."""
    header = fits.Header()
    given = " ".join(f"{k}={_said(v)}" for k, v in p.items())
    header.set("XPROC0", f"evselect {given} # (wolter {__version__})")
    header.set("CREATOR", f"evselect (wolter {__version__})", "name of code")
    header.set("DATE", datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S"), "creation date")
    source = events.primary_header.without_structure()
    for key in source:
        if not _NOT_COPIED.fullmatch(key):
            header.set(key, source[key], source.comment(key))
    header.set("SLCTEXPR", expanded(str(p["expression"] or "true"), events.header), "filter expression")
    header.set("HDUCLASS", "OGIP")
    return header


def _said(value: Any) -> str:
    """A parameter as the command line has it; text with blanks in quotes."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: ""}[value]
    text = f"{value:.15g}" if isinstance(value, float) else str(value)
    return f"'{text}'" if " " in text else text


def _subspace(header: fits.Header, events: EventList, p: Mapping[str, Any]) -> None:
    if not p["writedss"]:
        return
    text = str(p["expression"] or "true")
    terms = [] if text.lower() == "true" else subspace_terms(parse(text, "sas"), events.header)
    units = {name.upper(): column.unit for name, column in events.columns.items()}
    write_subspace(header, events.header, terms, units)


def _gti_hdus(events: EventList) -> list[fits.HDU]:
    """Good times of each CCD, under the names that the data subspace has: as they are, or narrowed."""
    names = events.ccd_gti_names
    if names and events.selection.gti is None:
        with fits.open(events.path) as file:
            tables = [file.get(name) for _, name in sorted(names.items())]
            return [t.select(np.arange(t.nrows)) for t in tables if isinstance(t, fits.TableHDU)]
    out: list[fits.HDU] = []
    for ccd, gti in sorted(events.gti_by_ccd.items()):
        table = gti.to_hdu(names.get(ccd, f"GTI{ccd:05d}"), header=events.header)  # type: ignore[arg-type]
        table.header.set("CCDID", ccd, "CCD ID")
        out.append(table)
    return out or [events.gti.to_hdu("STDGTI", header=events.header)]  # type: ignore[arg-type]


# -- the task ----------------------------------------------------------------------------------------------------------


def _column(events: EventList, p: Mapping[str, Any], name: str) -> str:
    if p[name] is None or p[name] not in events.columns:
        raise DataError(
            f"evselect: there is no column {p[name]} ({name})",
            file=events.path,
            hdu=events.hdu_name,
            cure=f"The table has {', '.join(events.columns)}.",
        )
    return events.columns[p[name]].name


def _check(p: Mapping[str, Any]) -> None:
    for switch in ("withrateset", "withhistogramset", "withcelestialcenter", "withzerrorcolumn"):
        if p[switch]:
            raise ParameterError(
                f"evselect: {switch}=yes is not supported by this version",
                cure="Light curves: wolter.makers.light_curve; images around a position: ImageGrid.around.",
            )


def evselect(p: Mapping[str, Any], result: TaskResult) -> None:
    """Do what the parameters say; products appear all together or not at all."""
    _check(p)
    plain = _open(p)
    events = _select(plain, p)
    fills: dict[str, Accumulator] = {}
    targets: dict[str, Path] = {}
    if p["withimageset"]:
        x, y = _column(events, p, "xcolumn"), _column(events, p, "ycolumn")
        grid = not_too_large(_grid(events, p), events, "Set ximagebinsize and yimagebinsize, or ranges.")
        null = (events.columns[x].null, events.columns[y].null)
        weighted = p["withzcolumn"]
        fills["image"] = (
            _Sum(x, y, grid, _column(events, p, "zcolumn")) if weighted else ImageAccumulator(x, y, grid, null=null)
        )
        targets["image"] = Path(p["imageset"])
    if p["withspectrumset"]:
        bins = _channel_bins(events, p)
        fills["spectrum"] = _Channels(_column(events, p, "energycolumn"), *bins, events.ccd_column)
        targets["spectrum"] = Path(p["spectrumset"])
    if p["withfilteredset"] or p["keepfilteroutput"]:
        fills["events"] = _Rows()
        targets["events"] = Path(p["filteredset"])
    if not fills:
        raise ParameterError(
            "evselect: no product is asked for", cure="Set withimageset, withspectrumset or withfilteredset to yes."
        )
    number = run_pass(events, list(fills.values()))
    provenance = fits.Provenance("evselect", dict(p), [events.path])
    with ExitStack() as stack:
        for kind, path in targets.items():
            temporary = stack.enter_context(fits.atomic_path(path, overwrite=True))
            fits.write(temporary, _hdus(kind, events, fills[kind], p), overwrite=True, provenance=provenance)
    result.products = dict(targets)
    result.messages.append(f"{number} of {events.nrows} events selected")


def _hdus(kind: str, events: EventList, fill: Any, p: Mapping[str, Any]) -> list[fits.HDU]:
    if kind == "image":
        return _image_hdus(events, fill, p)
    if kind == "spectrum":
        return _spectrum_hdus(events, fill, p)
    rows = np.concatenate(fill.parts) if fill.parts else np.empty(0, np.int64)
    made = event_hdus(events, rows, _gti_hdus(events))  # type: ignore[arg-type]
    _subspace(made[1].header, events, p)
    made[1].header.set("SLCTEXPR", expanded(str(p["expression"] or "true"), events.header), "filter expression")
    return made


def _with(**defaults: Any) -> tuple[Parameter, ...]:
    """The parameters, with some other defaults."""
    return tuple(Parameter(q.name, q.kind, defaults.get(q.name, q.default), q.doc) for q in EVSELECT)


TASK = Task("evselect", EVSELECT, evselect, __doc__ or "")
TASK_IMAGE = Task("evselect_image", _with(withimageset=True, xcolumn="X", ycolumn="Y"), evselect, __doc__ or "")
TASK_SPECTRUM = Task("evselect_spectrum", _with(withspectrumset=True, energycolumn="PI"), evselect, __doc__ or "")
