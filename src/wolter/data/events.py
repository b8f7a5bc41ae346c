"""Event lists: bound to a file, selected lazily, read in one pass with bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter.data._event_cuts import grade_list, whole_pixels
from wolter.data._event_filter import row_test
from wolter.data._event_scan import ColumnRanges, Part, RegionCut, Selection, TimeTest, grouped_ranges, scan
from wolter.data._event_source import EventSource, TimeReference
from wolter.data._pseudo_columns import GOOD, ROW, stored
from wolter.errors import DataError, FitsError, GTIError, RegionError
from wolter.expr import Dialect
from wolter.gti import GTI
from wolter.mission import EnergyScale, Mission
from wolter.sky import RegionSet, TanWCS, as_region
from wolter.units import to_range_kev

__all__ = ["GOOD", "ROW", "EventList", "grouped_ranges"]

# Survivors of a compressed file wait for its GTI, which follows the events; beyond this much memory the file is
# inflated a second time instead.
_DEFERRED_BYTES = 200_000_000


class EventList:
    """Events of one file, with a selection that is applied when they are read.

    Nothing but headers is read on creation. `select` returns another `EventList` that shares the file; every
    further selection narrows it. Reading goes through the file once, in blocks, and decodes of each block first
    the columns of the cheapest test.

    Use `EventList.read` to make one.
    """

    def __init__(self, source: EventSource, selection: Selection | None = None, *, timepixr: float | None = None):
        self._source = source
        self._selection = Selection() if selection is None else selection
        self._timepixr = timepixr
        self._area: int | None = None

    @classmethod
    def read(
        cls,
        path: str | PathLike[str],
        *,
        extension: str | int | None = None,
        gti: str | None = None,
        gti_hint: str | None = None,
        mission: Mission | None = None,
        channels: tuple[int, int] | None = None,
    ) -> EventList:
        """Bind to an event file.

        Parameters
        ----------
        path : path-like
            FITS file, ``.gz`` too; a cfitsio row filter is understood: ``evt.fits[EVENTS][PI >= 50 && PI < 200]``.
        extension : str or int, optional
            Extension of the events; by default ``EVENTS``, else the table with HDUCLAS1 = EVENTS.
        gti : str, optional
            GTI extension; by default the one named by the header's data subspace (DSREFn) or by the mission, then
            ``GTI``, ``STDGTI``, then any table of class GTI; without any the whole observation TSTART..TSTOP.
        gti_hint : str, optional
            GTI extension to prefer to the mission's, if it is there and the header names none.
        mission : Mission, optional
            By default found from TELESCOP.
        channels : tuple of int, optional
            First and last energy channel, for files that do not say.

        Raises
        ------
        FitsError
            If the file is missing, damaged, or has no event table.
        """
        name = fits.parse_name(path)
        where = name.ext if extension is None else extension
        events = cls(
            EventSource(name.path, extension=where, gti=gti, gti_hint=gti_hint, mission=mission, channels=channels)
        )
        for alternatives in grouped_ranges(name.extractor_ranges, *_file_xy(events, name)):
            events = events._with(replace(events._selection, ranges=(*events._selection.ranges, alternatives)))
        return events.select(expression=name.row_filter) if name.row_filter else events

    def __repr__(self) -> str:
        chosen = "all events" if self._selection == Selection() else "a selection"
        return f"<EventList {self.path.name}[{self.hdu_name}]: {chosen} of {self.nrows} rows>"

    # -- facts of the file -----------------------------------------------------------------------------------------

    @property
    def path(self) -> Path:
        """The event file."""
        return self._source.path

    @property
    def hdu_name(self) -> str:
        """Name of the event extension."""
        return self._source.name

    @property
    def hdu_index(self) -> int:
        """Number of the event extension in the file."""
        return self._source.index

    @property
    def header(self) -> fits.Header:
        """Header of the event extension."""
        return self._source.header

    @property
    def primary_header(self) -> fits.Header:
        """Header of the primary HDU."""
        return self._source.primary

    @property
    def mission(self) -> Mission:
        """Description of the mission (a generic one for telescopes without a plug-in)."""
        return self._source.mission

    @property
    def columns(self) -> Mapping[str, fits.Column]:
        """Columns of the event table."""
        return self._source.columns

    @property
    def nrows(self) -> int:
        """Rows in the file, before any selection."""
        return self._source.nrows

    @property
    def detnam(self) -> str:
        """DETNAM, or INSTRUME where there is none (or "NONE")."""
        for key in ("DETNAM", "INSTRUME"):
            value = str(self.header.get(key, "") or "").strip()
            if value and value.upper() != "NONE":
                return value
        return ""

    @property
    def detector(self) -> str:
        """Detector by the mission's name for it, else `detnam`."""
        return self._source.detector or self.detnam

    @property
    def energy_column(self) -> str:
        """Column of energy channels: the mission's, else PI, else PHA."""
        _ = self._source.channels if self._source.energy_column is None else None
        assert self._source.energy_column is not None
        return self._source.energy_column

    @property
    def channel_range(self) -> tuple[int, int]:
        """First and last legal energy channel."""
        return self._source.channels

    def channels_of(self, column: str) -> tuple[int, int]:
        """First and last legal value of a channel column."""
        return self._source.channels_of(self._source.column_name(column))

    def energy_scale(self, why: str = "") -> EnergyScale:
        """Relation of channel and energy.

        Raises
        ------
        DataError
            If the mission's description has none.
        """
        scale = self.mission.energy_scale(self._source.detector)
        if scale is None:
            raise DataError(
                f"the energies of the channels of {self.mission.title} are not known. {why}".rstrip(". "),
                file=self.path,
                cure="Select channels with pi=(first, last), or pass the RMF.",
            )
        return scale

    @property
    def xy_columns(self) -> tuple[str, str]:
        """Sky coordinate columns."""
        spec = self.mission.columns
        return self._source.column_name(spec.x), self._source.column_name(spec.y)

    @property
    def wcs(self) -> TanWCS:
        """Coordinates of the sky columns; its ``frame`` is empty where the file gives no celestial ones."""
        return self._source.wcs(*self.xy_columns)

    @property
    def bounds(self) -> tuple[int, int, int, int] | None:
        """(xmin, xmax, ymin, ymax) of the sky plane, from TLMIN and TLMAX."""
        return self.bounds_of(*self.xy_columns)

    def bounds_of(self, x: str, y: str) -> tuple[int, int, int, int] | None:
        """(xmin, xmax, ymin, ymax) of the plane of two coordinate columns; None where the header does not say."""
        return self._source.bounds(x, y)

    def wcs_of(self, x: str, y: str) -> TanWCS:
        """Coordinates of two coordinate columns."""
        return self._source.wcs(x, y)

    # -- time ------------------------------------------------------------------------------------------------------

    @property
    def time_offset(self) -> float:
        """Seconds added to TIME: TIMEZERO − (TIMEPIXR − 0.5) TIMEDEL, so that times are those of mid-frame."""
        return TimeReference.from_header(self.header, timepixr=self._timepixr).offset

    @property
    def file_gti(self) -> GTI:
        """Good time intervals of the file, whatever is selected (all CCDs together)."""
        return self._source.good_time()

    @property
    def ccd_column(self) -> str | None:
        """Column of the CCD number, where CCDs have good times of their own."""
        if not self.gti_by_ccd:
            return None
        named = self._source.ccd_references[0] if self._source.ccd_references else self.mission.columns.ccd
        return named if named in self.columns else None

    @property
    def ccd_gti_names(self) -> dict[int, str]:
        """Name of each CCD's GTI extension; empty where all share one list."""
        return dict(self._source.ccd_references[1]) if self._source.ccd_references else {}

    def ccd_exposure(self, ccd: int) -> float:
        """Exposure of one CCD, s: its good time in the selection, times its own live fraction (or DEADC)."""
        live = self._source.ccd_deadc(ccd)
        good = self.gti_by_ccd.get(ccd)
        return (self.ontime if good is None else float(good.exposure)) * (self.deadc if live is None else live)

    @property
    def data_subspace(self) -> dict[str, str]:
        """Data subspace of the header (first component): type, in capitals, to value."""
        return {k: v[0] for k, v in self._source.subspace[0].items()} if self._source.subspace else {}

    @property
    def gti_by_ccd(self) -> dict[int, GTI]:
        """Good time intervals of each CCD, within the selection; empty where all share one list."""
        extra = self._selection.gti
        return {k: g if extra is None else g & extra for k, g in self._source.gtis[1].items()}

    @property
    def gti(self) -> GTI:
        """Good time intervals of the selection.

        Raises
        ------
        GTIError
            If nothing is left of the file's good time.
        """
        gti = self._source.good_time(self._selection.gti)
        if len(gti) == 0 or gti.exposure <= 0:
            raise GTIError(
                "no good time is left: the intervals selected do not overlap those of the file",
                file=self.path,
                cure=f"The file's good time spans {self.file_gti.span[0]:.3f} to {self.file_gti.span[1]:.3f} s.",
            )
        return gti

    @property
    def ontime(self) -> float:
        """Good time, s."""
        return float(self.gti.exposure)

    @property
    def deadc(self) -> float:
        """Live fraction DEADC (or LIVETIME over ONTIME), 1 where the header has none."""
        return 1.0 if self._source.deadc is None else self._source.deadc

    @property
    def exposure(self) -> float:
        """Exposure, s: good time times live fraction."""
        return self.ontime * self.deadc

    @property
    def livetime(self) -> float:
        """The same as `exposure`, under the name of the keyword LIVETIME."""
        return self.exposure

    # -- selection -------------------------------------------------------------------------------------------------

    @property
    def selection(self) -> Selection:
        """What is selected."""
        return self._selection

    def _with(self, selection: Selection) -> EventList:
        return EventList(self._source, selection, timepixr=self._timepixr)

    def select(
        self,
        region: RegionSet | str | PathLike[str] | None = None,
        *,
        pi: tuple[int, int] | None = None,
        energy: Any = None,
        time: Any = None,
        gti: GTI | str | PathLike[str] | None = None,
        expression: str | None = None,
        dialect: Dialect = "cfitsio",
        grade: int | str | Iterable[int] | None = None,
        response: Any = None,
    ) -> EventList:
        """Events that satisfy all conditions given (and those selected before).

        Parameters
        ----------
        region : RegionSet, str or path, optional
            Region on the sky; region text, or a file that holds it.
        pi : tuple of int, optional
            First and last energy channel, both included.
        energy : tuple of Quantity, optional
            Energy range; the channels that lie wholly inside.
        time : tuple of Quantity or Time, optional
            Start and stop: mission elapsed time with a unit of time, or astropy ``Time``.
        gti : GTI or path, optional
            Further good time intervals.
        expression : str, optional
            Row expression, e.g. ``"PI >= 50 && STATUS == b0000000000000000"``.
        dialect : {"cfitsio", "sas"}
            Syntax of `expression`; in SAS's, ``#NAME`` is a flag that the header defines.
        grade : int, str or iterable of int, optional
            Grades, e.g. ``"0:12"`` or ``[0, 1, 2]``.
        response : RMF, optional
            Gives the channels of `energy` for telescopes whose description has no energy scale.

        Returns
        -------
        EventList

        Raises
        ------
        UnitError
            For energies or times without a unit, or of the wrong kind.
        RegionError
            If the region is empty, outside the field, or not understood.
        DataError
            If the energy range or the channels are outside those of the detector, or a column is missing.
        """
        chosen = self._selection
        if region is not None:
            chosen = replace(chosen, regions=(*chosen.regions, self.region_cut(region, *self.xy_columns)))
        for lo, hi in filter(None, (pi, self._energy_channels(energy, response))):
            chosen = replace(chosen, ranges=(*chosen.ranges, self._channel_cut(lo, hi)))
        if grade is not None:
            chosen = replace(chosen, lists=(*chosen.lists, (self._grade_column(), grade_list(grade))))
        if expression is not None:
            chosen = replace(
                chosen, expressions=(*chosen.expressions, row_test(self, self._source, expression, dialect))
            )
        if time is not None:
            chosen = chosen.with_gti(self._time_cut(time))
        if gti is not None:
            chosen = chosen.with_gti(gti if isinstance(gti, GTI) else GTI.read(gti))
        return self._with(chosen)

    def screened(self) -> EventList:
        """Events that pass the mission's default screening of grades or patterns and flags (`Mission.selection`).

        The expression is that of the data mode (DATAMODE), else of the detector, else the one for all.

        Raises
        ------
        DataError
            If the mission has none.
        """
        given = self.mission.selection
        mode = str(self.header.get("DATAMODE", "") or "").strip().upper()
        text = next((given[key] for key in (mode, self.detector, "") if key in given), None)
        if text is None:
            raise DataError(
                f"{self.mission.title} has no default screening for {self.detector or 'this detector'}",
                file=self.path,
                cure="Select with expression= or grade=.",
            )
        return self.select(expression=text, dialect="sas" if self.mission.dialect == "sas" else "cfitsio")

    def select_ranges(self, column: str, ranges: Iterable[tuple[float, float]]) -> EventList:
        """Events with a column in one of some closed ranges; infinite limits are open."""
        entry = (self._source.column_name(column), tuple((float(lo), float(hi)) for lo, hi in ranges))
        return self._with(replace(self._selection, ranges=(*self._selection.ranges, entry)))

    def select_list(self, column: str, values: Iterable[int]) -> EventList:
        """Events whose column has one of some whole values."""
        name = self._source.column_name(column)
        wanted = tuple(int(v) for v in values)
        return self._with(replace(self._selection, lists=(*self._selection.lists, (name, wanted))))

    def select_region(self, region: RegionSet | str | PathLike[str], x: str, y: str) -> EventList:
        """Events inside a region in the plane of two coordinate columns."""
        x, y = self._source.column_name(x), self._source.column_name(y)
        return self._with(replace(self._selection, regions=(*self._selection.regions, self.region_cut(region, x, y))))

    def with_timepixr(self, timepixr: float) -> EventList:
        """The same events with TIMEPIXR overridden."""
        return EventList(self._source, self._selection, timepixr=timepixr)

    def region_cut(self, region: RegionSet | str | PathLike[str], x: str, y: str) -> RegionCut:
        """A region in the pixels of two columns, checked to lie in the field."""
        region = as_region(region)
        bounds = self.bounds_of(x, y)
        pixels = replace(region, columns=(x, y)).to_pixel(self.wcs_of(x, y), bounds)
        if bounds is not None:
            try:
                pixels.check(bounds)
            except RegionError as exc:
                raise RegionError(exc.cause, file=self.path, cure=exc.cure) from None
        return RegionCut(x, y, region, pixels)

    @property
    def regions(self) -> tuple[RegionCut, ...]:
        """Regions selected; an event lies in all of them."""
        return self._selection.regions

    @property
    def region_area(self) -> int | None:
        """Number of whole pixels whose centre lies in the region; None without a region.

        Raises
        ------
        RegionError
            If the region holds no pixel centre, so that its area is zero.
        """
        if not self.regions:
            return None
        if self._area is None:
            self._area = whole_pixels(self.regions, self.bounds_of(self.regions[0].x, self.regions[0].y))
            if self._area == 0:
                raise RegionError(
                    "the regions selected have no pixel of the field in common",
                    file=self.path,
                    cure="Combine shapes of one region with RegionSet | RegionSet; selections narrow each other.",
                )
        return self._area

    def channels_inside(self, energy: Any, response: Any = None) -> tuple[int, int]:
        """First and last energy channel that lie wholly inside an energy range; errors as for `select`."""
        found = self._energy_channels(energy, response)
        if found is None:
            raise DataError("no energy range is given", cure="Write for example (0.5*u.keV, 2*u.keV).")
        return found

    def _energy_channels(self, energy: Any, response: Any) -> tuple[int, int] | None:
        if energy is None:
            return None
        lo, hi = to_range_kev(energy)
        if response is not None:
            inside = (np.asarray(response.e_min) >= lo - 1e-6) & (np.asarray(response.e_max) <= hi + 1e-6)
            numbers = response.first_channel + np.flatnonzero(inside)
            first, last = (int(numbers.min()), int(numbers.max())) if len(numbers) else (1, 0)
            span = float(np.min(response.e_min)), float(np.max(response.e_max))
        else:
            scale = self.energy_scale("An energy range needs them")
            first, last = scale.channels(lo, hi)
            span = float(scale.lower_edge(scale.first)), float(scale.lower_edge(scale.last + 1))
        if first > last:
            raise DataError(
                f"no energy channel lies inside {lo:g}-{hi:g} keV; the detector covers {span[0]:g}-{span[1]:g} keV",
                file=self.path,
                cure="Check the range and its unit.",
            )
        return first, last

    def _channel_cut(self, lo: int, hi: int) -> ColumnRanges:
        first, last = self.channel_range
        if lo > hi or hi < first or lo > last:
            raise DataError(
                f"channels {lo}-{hi} are outside those of the detector, {first}-{last}",
                file=self.path,
                cure="Give pi=(first, last) inside that range.",
            )
        return self.energy_column, ((float(lo), float(hi)),)

    def _time_cut(self, time: Any) -> GTI:
        lo, hi = self._source.time_limits(time)
        if not hi > lo:
            raise GTIError(f"the time range {lo}..{hi} is empty", file=self.path, cure="Give start before stop.")
        return GTI.single(lo, hi)

    def _grade_column(self) -> str:
        for name in (self.mission.columns.grade, "GRADE", "PATTERN"):
            if name and name in self.columns:
                return self._source.column_name(name)
        raise DataError(
            "the event list has no grade column (GRADE or PATTERN)",
            file=self.path,
            hdu=self.hdu_name,
            cure=f"It has {', '.join(self.columns)}.",
        )

    # -- reading ---------------------------------------------------------------------------------------------------

    def chunks(self, columns: Sequence[str]) -> Iterator[Part]:
        """Go through the selected events in file order.

        Parameters
        ----------
        columns : sequence of str
            Columns wanted; `ROW` (``"#row"``) is the row number in the file, from 0. With `GOOD` (``"#good"``) rows
            that are not selected may come along, where that is faster, and this column is False for them.

        Yields
        ------
        dict of ndarray
            Columns of some of the selected rows, by the names asked for.

        Notes
        -----
        Memory stays bounded however long the file. A compressed file is inflated once: its good time intervals
        follow the events, so those that pass all other tests wait for them.
        """
        for name in stored(columns):
            if name not in self.columns:
                self._source.column_name(name)  # raises, naming the columns there are
        with fits.open(self.path) as f:
            hdu = f.table(self._source.index)
            if hdu.nrows != self.nrows:
                raise FitsError("the file has changed since it was opened", file=self.path, hdu=self.hdu_name)
            if f.streamed and "gtis" not in self._source.__dict__:
                yield from self._deferred(f, hdu, columns)
            else:
                self._source.load_gti(f)
                yield from scan(hdu, self._selection, columns, self._time_test())

    @property
    def time_column(self) -> str:
        """Time column."""
        return self._source.column_name(self.mission.columns.time)

    def _time_test(self) -> TimeTest:
        gti = self._source.good_time(self._selection.gti)
        return TimeTest(self.time_column, self.time_offset, gti, self.ccd_column, self.gti_by_ccd)

    def _deferred(self, f: fits.FitsFile, hdu: fits.TableHDU, columns: Sequence[str]) -> Iterator[Part]:
        """Selected rows of a stream: the survivors of all other tests wait until the GTI has come by."""
        needed = [self.time_column]
        named = self._source.ccd_references[0] if self._source.ccd_references else self.mission.columns.ccd
        if named and named in self.columns:
            needed.append(named)
        wanted = list(dict.fromkeys([*columns, *needed]))
        waiting: list[Part] = []
        size = 0
        for part in scan(hdu, self._selection, wanted, None):
            size += sum(v.nbytes for v in part.values())
            if size > _DEFERRED_BYTES:
                waiting.clear()
                break
            waiting.append(part)
        self._source.load_gti(f)
        test = self._time_test()
        if size > _DEFERRED_BYTES:
            yield from scan(hdu, self._selection, columns, test)
            return
        while waiting:
            part = waiting.pop(0)
            good = test(part.__getitem__)
            if good.all():
                yield {name: part[name] for name in columns}
            elif good.any():
                yield {name: part[name][good] for name in columns}

    def read_columns(self, columns: Sequence[str]) -> Part:
        """Several columns of all selected events."""
        parts = list(self.chunks(columns))
        if not parts:
            with fits.open(self.path) as f:
                hdu = f.table(self._source.index)
                empty = hdu.read(stored(columns), rows=slice(0, 0))
            return {n: empty[n] if n in empty else np.empty(0, np.int64 if n == ROW else bool) for n in columns}
        return {name: np.concatenate([p[name] for p in parts]) for name in columns}

    def column(self, name: str) -> NDArray[Any]:
        """One column of all selected events."""
        return self.read_columns([name])[name]

    def count(self) -> int:
        """Number of selected events (goes through the file)."""
        return sum(len(part[ROW]) for part in self.chunks([ROW]))


def _file_xy(events: EventList, name: fits.FileName) -> tuple[str, str]:
    """Columns that the unnamed ranges of a file name mean."""
    spec = events.mission.columns
    return events.xy_columns if any(r.column is None for r in name.extractor_ranges) else (spec.x, spec.y)
