"""What an event file says about itself: header, columns, coordinates and good time intervals, read when needed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from wolter import fits
from wolter.errors import DataError, FitsError, GTIError, MissionError, warn
from wolter.gti import GTI
from wolter.mission import Mission, mission_of
from wolter.sky import TanWCS

__all__ = ["EventSource", "TimeReference"]


@dataclass(frozen=True)
class TimeReference:
    """How the times of an event list relate to the clock.

    Attributes
    ----------
    offset : float
        Seconds added to TIME: TIMEZERO − (TIMEPIXR − 0.5) TIMEDEL, the middle of the frame the event fell in.
    """

    offset: float

    @classmethod
    def from_header(cls, header: fits.Header, *, timepixr: float | None = None) -> TimeReference:
        """Reference from TIMEZERO, TIMEDEL and TIMEPIXR; the last two count only where both are there."""
        zero = _number(header.get("TIMEZERO"), 0.0)
        delta = _number(header.get("TIMEDEL"), 0.0)
        pixr = _number(header.get("TIMEPIXR"), 0.5) if timepixr is None else timepixr
        return cls(zero - (pixr - 0.5) * delta if delta > 0 else zero)


def _number(value: Any, default: float) -> float:
    """A header value as a float; some missions write numbers as strings."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return default


class EventSource:
    """An event file and what its headers say; shared by all selections from it.

    Parameters
    ----------
    path : path-like
        Event file, plain or gzipped.
    extension : str or int, optional
        Event extension; by default ``EVENTS``, or the only table with HDUCLAS1 = EVENTS.
    gti : str, optional
        Name of the GTI extension; by default the one the header or the mission names.
    gti_hint : str, optional
        Name to look for after those of the header and before those of the mission; it may be absent.
    mission : Mission, optional
        By default found from TELESCOP.
    channels : tuple of int, optional
        First and last energy channel, where the file does not tell.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        extension: str | int | None = None,
        gti: str | None = None,
        gti_hint: str | None = None,
        mission: Mission | None = None,
        channels: tuple[int, int] | None = None,
    ) -> None:
        self.path = Path(path)
        self.gti_name = gti
        self.gti_hint = gti_hint
        self._channels = channels
        self.no_gti = "the file has neither a GTI extension nor TSTART and TSTOP"  # what to say if there are none
        with fits.open(self.path) as f:
            self.streamed = f.streamed
            self.primary = f[0].header.copy()
            hdu = _event_hdu(f, extension)
            self.index = hdu.index
            self.name = hdu.name or str(hdu.index)
            self.header = hdu.header.copy()
            self.columns = hdu.columns
            self.nrows = hdu.nrows
        self.mission = mission or mission_of([self.header, self.primary])

    @cached_property
    def detector(self) -> str:
        """Detector by the mission's name for it; empty if the headers name none of the mission's."""
        return self.mission.detector_of(self.header) or self.mission.detector_of(self.primary)

    # -- columns ---------------------------------------------------------------------------------------------------

    def column_name(self, name: str) -> str:
        """Name of a column as the file spells it."""
        return self.columns[name].name

    @cached_property
    def energy_column(self) -> str | None:
        """PI (or what the mission calls it), else PHA."""
        for name in (self.mission.columns.energy, "PI", "PHA"):
            if name in self.columns:
                return self.column_name(name)
        return None

    @cached_property
    def channels(self) -> tuple[int, int]:
        """First and last energy channel."""
        name = self.energy_column
        if name is None:
            raise DataError(
                f"the event list has no energy channel column (PI or PHA); it has {', '.join(self.columns)}",
                file=self.path,
                hdu=self.name,
            )
        return self.channels_of(name)

    def channels_of(self, name: str) -> tuple[int, int]:
        """Legal range of an energy column, from TLMIN and TLMAX, DETCHANS or the mission."""
        if self._channels is not None:
            return self._channels
        found = self.limits(name)
        if found is not None:
            return int(found[0]), int(found[1])
        scale = self.mission.energy_scale(self.detector)
        if scale is not None and name.upper() == self.mission.columns.energy.upper():
            return scale.first, scale.last
        for key in ("DETCHANS", "PHA_BINS"):
            if key in self.header:
                return 0, int(self.header[key]) - 1
        raise DataError(
            f"column {name} has neither TLMIN/TLMAX nor DETCHANS, so its channels are not known",
            file=self.path,
            hdu=self.name,
            cure="Give them: EventList.read(path, channels=(first, last)).",
        )

    def limits(self, name: str) -> tuple[float, float] | None:
        """TLMIN and TLMAX of a column, None where one is missing."""
        keywords = self.columns[name].keywords
        lo, hi = keywords.get("TLMIN"), keywords.get("TLMAX")
        if lo is None or hi is None:
            return None
        lo, hi = _number(lo, np.nan), _number(hi, np.nan)
        return (lo, hi) if hi > lo else None

    def bounds(self, xcol: str, ycol: str) -> tuple[int, int, int, int] | None:
        """(xmin, xmax, ymin, ymax) of a coordinate plane in whole pixels."""
        x, y = self.limits(xcol), self.limits(ycol)
        if x is None or y is None:  # some files leave them out; then the mission's planes, where it is one of them
            for frame in self.mission.frames.values():
                named = (frame.x.upper(), frame.y.upper()) == (xcol.upper(), ycol.upper())
                if named and frame.first is not None and frame.last is not None:
                    x, y = x or (frame.first[0], frame.last[0]), y or (frame.first[1], frame.last[1])
        if x is None or y is None:
            return None
        return int(round(x[0])), int(round(x[1])), int(round(y[0])), int(round(y[1]))

    def wcs(self, xcol: str, ycol: str) -> TanWCS:
        """Coordinates of a pair of columns; without a celestial frame where the header gives none."""
        return TanWCS.from_columns(self.header, xcol, ycol)

    def __getstate__(self) -> dict[str, Any]:
        # Missions hold functions and read-only mappings; a worker process finds its own by TELESCOP.
        state = dict(self.__dict__)
        if mission_of([self.header, self.primary]) is self.mission:
            del state["mission"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "mission" not in state:
            self.mission = mission_of([self.header, self.primary])

    # -- time ------------------------------------------------------------------------------------------------------

    @cached_property
    def subspace(self) -> list[dict[str, tuple[str, str]]]:
        """Data subspace of the header: for each component {type: (value, reference)} (DSTYPn, DSVALn, DSREFn)."""
        types = {m[1]: str(self.header[key]).strip() for key in self.header if (m := re.fullmatch(r"DSTYP(\d+)", key))}
        components: dict[int, dict[str, tuple[str, str]]] = {}
        for key in self.header:
            m = re.fullmatch(r"(\d*)DS(VAL|REF)(\d+)", key)
            if m is None or m[3] not in types:
                continue
            number, kind = int(m[1] or 1), types[m[3]].upper()
            value, reference = components.setdefault(number, {}).get(kind, ("", ""))
            text = str(self.header[key]).strip()
            components[number][kind] = (text, reference) if m[2] == "VAL" else (value, text)
        return [components[k] for k in sorted(components)]

    @cached_property
    def ccd_references(self) -> tuple[str, dict[int, str]] | None:
        """Column and GTI extension of each CCD, where the data subspace gives every CCD its own."""
        parts = self.subspace
        if len(parts) < 2 or any(not p.get("TIME", ("", ""))[1] for p in parts):
            return None
        for kind in parts[0]:
            values = [p.get(kind, parts[0][kind])[0] for p in parts]
            distinct = len(set(values)) == len(parts) and all(v.isdigit() for v in values)
            if distinct and kind in self.columns:
                names = (p["TIME"][1].lstrip(":") for p in parts)
                return self.column_name(kind), dict(zip(map(int, values), names, strict=True))
        return None

    @cached_property
    def gti_names(self) -> list[str]:
        """Names of GTI extensions to look for, most telling first."""
        if self.gti_name:
            return [self.gti_name]
        named = [p["TIME"][1].lstrip(":") for p in self.subspace[:1] if p.get("TIME", ("", ""))[1]]
        hint = [self.gti_hint] if self.gti_hint else []
        return list(dict.fromkeys([*named, *hint, *self.mission.gti_names, "GTI", "STDGTI"]))

    def good_time(self, extra: GTI | None = None) -> GTI:
        """Good time intervals of the file, and of a selection of times; the latter alone where the file has none.

        Raises
        ------
        GTIError
            If there are neither.
        """
        own = self.gtis[0]
        if own is not None:
            return own if extra is None else own & extra
        if extra is None:
            raise GTIError(
                f"{self.no_gti}, so its exposure is not known",
                file=self.path,
                hdu=self.name,
                cure="Give the intervals: select(gti=...), on the command line --gti.",
            )
        return extra

    def load_gti(self, f: fits.FitsFile) -> None:
        """Read the good time intervals from the open file (for a stream: from behind the events)."""
        if "gtis" in self.__dict__:
            return
        self.__dict__["gtis"] = self._read_gtis(f)

    @cached_property
    def gtis(self) -> tuple[GTI | None, dict[int, GTI]]:
        """Good time intervals of the file (None: see `no_gti`), and of each CCD where it has its own."""
        with fits.open(self.path) as f:
            return self._read_gtis(f)

    def _read_gtis(self, f: fits.FitsFile) -> tuple[GTI | None, dict[int, GTI]]:
        if self.ccd_references is not None and self.gti_name is None:
            lost = [name for name in self.ccd_references[1].values() if f.get(name) is None]
            if lost:
                self.no_gti = f"its header says that good times are in {', '.join(lost)}, which the file does not hold"
                return None, {}
            by_ccd = {ccd: GTI.read(f[name]) for ccd, name in self.ccd_references[1].items()}
            union = None
            for one in by_ccd.values():
                union = one if union is None else union | one
            assert union is not None
            return union, by_ccd
        by_ccd = self._standard_ccd_gtis(f)
        if by_ccd:
            return GTI.union(list(by_ccd.values())), by_ccd
        for name in self.gti_names:
            hdu = f.get(name)
            if hdu is not None:
                return GTI.read(hdu), {}
        if self.gti_name:
            raise GTIError(
                f"there is no GTI extension {self.gti_name!r}",
                file=self.path,
                cure="Leave the name out to use the extension the header names.",
            )
        classed = [h for h in f.find(HDUCLAS1="GTI") if h.name.upper().startswith(("GTI", "STDGTI"))]
        if classed:
            return GTI.read(classed[0]), {}
        return self._whole_observation(), {}

    def _standard_ccd_gtis(self, f: fits.FitsFile) -> dict[int, GTI]:
        """Good times of CCDs by the mission's name and two digits, where no header refers to them."""
        if self.gti_name or self.mission.ccd_times is None or self.subspace:
            return {}
        found: dict[int, GTI] = {}
        for hdu in f.hdus:
            match = re.fullmatch(re.escape(self.mission.gti_names[0]) + r"(\d\d)", hdu.name.upper())
            if match:
                found[int(match[1])] = GTI.read(hdu)
        return found

    def ccd_deadc(self, ccd: int) -> float | None:
        """Live fraction of one CCD, from its live time over its good time; None where the header does not say."""
        if self.mission.ccd_times is None:
            return None
        live, on = (_number(self.header.get(k.format(ccd)), np.nan) for k in self.mission.ccd_times)
        return live / on if live > 0 and on > 0 else None

    def _whole_observation(self) -> GTI | None:
        start, stop = (_number(self.header.get(k), np.nan) for k in ("TSTART", "TSTOP"))
        if not stop > start:
            return None
        warn(
            f"{self.path.name} has no good time intervals: all time from TSTART to TSTOP ({stop - start:.1f} s) counts"
        )
        return GTI.single(start, stop)

    @cached_property
    def deadc(self) -> float | None:
        """Live fraction: DEADC, else LIVETIME over ONTIME; None where the header has neither."""
        for header in (self.header, self.primary):
            value = _number(header.get("DEADC"), np.nan)
            if value > 0:
                return value
        live, on = (_number(self.header.get(k), np.nan) for k in ("LIVETIME", "ONTIME"))
        return live / on if live > 0 and on > 0 else None

    def time_limits(self, value: Any) -> tuple[float, float]:
        """A time range in mission elapsed seconds, from a pair of Quantities or of astropy Times."""
        from wolter.errors import UnitError
        from wolter.units import to_seconds

        try:
            lo, hi = value
        except TypeError as exc:
            raise UnitError(
                f"time must be a pair, got {value!r}", cure="Write for example (1.0e8*u.s, 1.1e8*u.s), mission time."
            ) from exc
        return tuple(self._met(t) if hasattr(t, "mjd") else float(to_seconds(t, "time")) for t in (lo, hi))  # type: ignore[return-value]

    def _met(self, time: Any) -> float:
        """Mission elapsed time of an astropy Time."""
        system = str(self.header.get("TIMESYS", "TT")).strip().lower()
        if "MJDREFI" in self.header:
            ref = float(self.header["MJDREFI"]), _number(self.header.get("MJDREFF"), 0.0)
        elif "MJDREF" in self.header:
            ref = _number(self.header["MJDREF"], np.nan), 0.0
        else:
            raise MissionError(
                "the header has no MJDREF, so a date cannot be turned into mission time",
                file=self.path,
                hdu=self.name,
                cure="Give the time range in seconds of mission time.",
            )
        scaled = getattr(time, system if system in ("tt", "utc", "tdb", "tai") else "tt")
        days = (float(scaled.jd1) - 2400000.5 - ref[0]) + (float(scaled.jd2) - ref[1])
        return days * 86400.0 - _number(self.header.get("TIMEZERO"), 0.0)


def _event_hdu(f: fits.FitsFile, extension: str | int | None) -> fits.TableHDU:
    """The table of events in a file."""
    if extension is not None:
        hdu = f[extension]
    else:
        found = f.get("EVENTS")
        if found is None:
            classed = [h for h in f.find(HDUCLAS1="EVENTS") if isinstance(h, fits.TableHDU)]
            if not classed:
                names = ", ".join(h.name or f"[{h.index}]" for h in f.hdus)
                raise FitsError(
                    f"there is no EVENTS extension (the file holds {names})",
                    file=f.path,
                    cure="Is this an event list? Name its extension with extension=.",
                )
            found = classed[0]
        hdu = found
    if not isinstance(hdu, fits.TableHDU):
        raise FitsError("the extension is not a table", file=f.path, hdu=hdu.name or hdu.index)
    return hdu
