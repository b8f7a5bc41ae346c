"""What a mission tells Wolter about itself, and the registry that finds missions.

A mission is data: one frozen `Mission` that says which columns its event lists have, how PI channels map to energy,
how the weights of polarimetric spectra are called in its responses, how the files of one observation are recognised,
and which functions simulate it. Concrete missions live in plug-ins registered under the entry-point group
``wolter.missions``; nothing else in Wolter names one. Files of a telescope without a plug-in are served by
`GENERIC`, as far as the OGIP keywords carry.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from wolter.errors import MissionError, suggest

__all__ = [
    "GENERIC",
    "CoordinateFrame",
    "EnergyScale",
    "EventColumns",
    "FileRole",
    "HeaderLike",
    "Mission",
    "Weighting",
    "get_mission",
    "mission_of",
    "missions",
]


class HeaderLike(Protocol):
    """A FITS header, or a dict in its place."""

    def get(self, key: str, default: Any = None, /) -> Any:
        """Value of a keyword, or the default."""
        ...


@dataclass(frozen=True)
class EventColumns:
    """Names of the columns of an event list, ``None`` where the mission has no such column."""

    time: str = "TIME"
    x: str = "X"
    y: str = "Y"
    energy: str = "PI"
    weight: str | None = None
    q: str | None = None
    u: str | None = None
    grade: str | None = None
    ccd: str | None = None
    det_x: str | None = None
    det_y: str | None = None


@dataclass(frozen=True)
class CoordinateFrame:
    """One pair of position columns of an event list.

    Attributes
    ----------
    name : str
        Key of the frame: "sky", "det", "raw"...
    x, y : str
        Names of the columns.
    pixel_arcsec : float or None
        Side of a unit of the columns on the sky (arcsec); None where the frame has no one scale.
    first, last : tuple of float, optional
        Lowest and highest legal (x, y), for files whose columns carry no TLMIN and TLMAX.
    """

    name: str
    x: str
    y: str
    pixel_arcsec: float | None
    first: tuple[float, float] | None = None
    last: tuple[float, float] | None = None


@dataclass(frozen=True)
class EnergyScale:
    """Linear relation of PI channel and energy: channel ``c`` spans ``offset + width * (c, c + 1)`` keV."""

    offset: float
    width: float
    first: int
    last: int

    def lower_edge(self, channel: Any) -> Any:
        """Lower energy edge (keV) of a channel or an array of channels."""
        return self.offset + self.width * np.asarray(channel, dtype=float)

    def edges(self) -> np.ndarray:
        """All channel edges (keV), ``last - first + 2`` of them."""
        return self.lower_edge(np.arange(self.first, self.last + 2))

    def channels(self, lo_kev: float, hi_kev: float) -> tuple[int, int]:
        """First and last channel that lie wholly between two energies (keV).

        An edge within a thousandth of a channel of the energy asked for counts as equal to it, so that
        2-8 keV with 0.04 keV channels is 50-199.
        """
        first = int(np.ceil((lo_kev - self.offset) / self.width - 1e-3))
        last = int(np.floor((hi_kev - self.offset) / self.width + 1e-3)) - 1
        return max(first, self.first), min(last, self.last)


@dataclass(frozen=True)
class Weighting:
    """One way of weighting events, as spectra (STOKESWT) and responses (calibration boundary WEIGHT) name it."""

    name: str
    stokeswt: str
    boundary: str
    description: str


@dataclass(frozen=True)
class FileRole:
    """The part one file plays in an observation.

    ``mode`` tells event files of one detector apart (data mode, exposure, part of the field): files that differ in
    it are parts of one observation, not rivals. ``rank`` orders the modes, the usual one for science highest.
    ``energy`` is the band (keV) of an image or exposure map, where the file says it.
    """

    path: Path
    role: str
    detector: str | None = None
    level: str | None = None
    version: int | None = None
    mode: str | None = None
    filter: str | None = None
    rank: int = 0
    energy: tuple[float, float] | None = None


def _no_role(path: Path, headers: Sequence[HeaderLike]) -> FileRole | None:
    """Role of a file judged by OGIP classes alone."""
    for header in headers:
        text = {k: str(header.get(k, "")).strip().upper() for k in ("HDUCLAS1", "EXTNAME", "DETNAM")}
        if text["HDUCLAS1"] == "EVENTS" or text["EXTNAME"] == "EVENTS":
            detector = text["DETNAM"] or str(header.get("INSTRUME", "")).strip().upper() or None
            return FileRole(path, "events", detector)
        if text["HDUCLAS1"] == "SPECTRUM":
            return FileRole(path, "spectrum", text["DETNAM"] or None)
        if text["HDUCLAS1"] == "LIGHTCURVE":
            return FileRole(path, "light curve", text["DETNAM"] or None)
    return None


@dataclass(frozen=True)
class Mission:
    """Description of one mission.

    Attributes
    ----------
    name : str
        Short name, lower case, as on the command line.
    title : str
        Name in prose.
    telescop : tuple of str
        Values of TELESCOP that mean this mission.
    detectors : tuple of str
        Values of DETNAM (or INSTRUME) of its detectors, in their usual order.
    columns : EventColumns
        Columns of its event lists.
    energy : EnergyScale or None
        Relation of PI and energy; None: only response files know it.
    band : tuple of float
        Usual analysis band (keV).
    gti_names : tuple of str
        Names of the GTI extension of its event lists, most likely first.
    weightings : mapping of str to Weighting
        Weightings by lower-case name; empty for missions without polarimetry.
    default_weighting : str or None
        The weighting recommended.
    classify : callable
        ``classify(path, headers) -> FileRole | None``: role of a file from its headers.
    simulator, nominal_responses : str or None
        ``"module:function"``, imported when needed.
    frames : mapping of str to CoordinateFrame
        Coordinate systems of its event lists by name: "sky" (the columns X, Y), "det", "raw"...
    modes : tuple of str
        Data modes, as its files name them.
    selection : mapping of str to str
        Default screening of events (grades or patterns, flags) per mode or detector; key "" for all others.
    dialect : str
        Dialect of the row expressions: "cfitsio" or "sas".
    tasks : mapping of str to str
        Mission tasks: name -> ``"module:TASK"``.
    exposure : str or None
        ``"module:function"``, ``(observation, detector, **options) -> ExposureInputs``: what an exposure map needs.
    backscal : str or None
        ``"module:function"``, ``(region, events, exposure_map | None) -> float``: BACKSCAL of a spectrum; `region`
        is bool[ny, nx], the pixels of the exposure map, else of the sky plane, inside the regions.
    vignetting : str or None
        ``"module:function"``, ``(off_axis_arcmin[n], energy_kev) -> factor[n]``.
    psf : str or None
        ``"module:function"``, ``(radius_arcsec[n], energy_kev, off_axis_arcmin, *, detector=None) -> encircled
        fraction[n]``.
    live_fraction : str or None
        ``"module:function"``, ``(observation, detector) -> LiveTime``: live time from housekeeping data.
    pile_up : mapping of str to float
        Mode -> counts/s above which the spectrum of a point source is piled up.
    field_radius : float or None
        Largest angle from the pointing at which the field of view still sees the sky, arcmin.
    image_plane : tuple or None
        Usual image: first coordinate of X and Y, pixels per side, coordinate pixels per image pixel. None: the whole
        plane, unbinned.
    archive : mapping
        Catalogue name, search radius, folder pattern and role patterns in the public archive.
    caldb : mapping
        Calibration database: ``"index"``: instrument -> folder of its index below the database's root; ``"responses"``:
        "rmf", "arf", "mrf" -> codename, where its responses are ready for use.
    detector_names : mapping of str to str
        Value of DETNAM or INSTRUME -> detector, where they are not the same.
    energies : mapping of str to EnergyScale
        Detector -> its relation of PI and energy, where it is not `energy`.
    spectrum_channels : mapping of str to tuple of int
        Detector -> first and last value of the energy column and number of values put into one channel of a spectrum,
        where spectra are coarser than events; channels are counted from zero.
    simulated : tuple of str
        Detectors that the simulator makes, if not all.
    ccd_times : tuple of str or None
        Keywords of the live time and the good time of one CCD, with a place for its number
        (``"LIVETI{:02d}"``), where CCDs have times of their own.
    notes : tuple of str
        What a user should know when products are made (shown by ``wolter info``).
    """

    name: str
    title: str
    telescop: tuple[str, ...]
    detectors: tuple[str, ...] = ()
    columns: EventColumns = EventColumns()
    energy: EnergyScale | None = None
    band: tuple[float, float] = (0.0, np.inf)
    gti_names: tuple[str, ...] = ("GTI", "STDGTI")
    weightings: Mapping[str, Weighting] = field(default_factory=lambda: MappingProxyType({}))
    default_weighting: str | None = None
    classify: Callable[[Path, Sequence[HeaderLike]], FileRole | None] = _no_role
    simulator: str | None = None
    nominal_responses: str | None = None
    notes: tuple[str, ...] = ()
    frames: Mapping[str, CoordinateFrame] = field(default_factory=lambda: MappingProxyType({}))
    modes: tuple[str, ...] = ()
    selection: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    dialect: str = "cfitsio"
    tasks: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    exposure: str | None = None
    backscal: str | None = None
    vignetting: str | None = None
    psf: str | None = None
    pile_up: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    field_radius: float | None = None
    image_plane: tuple[int, int, int] | None = None
    live_fraction: str | None = None
    archive: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    caldb: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    detector_names: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    energies: Mapping[str, EnergyScale] = field(default_factory=lambda: MappingProxyType({}))
    spectrum_channels: Mapping[str, tuple[int, int, int]] = field(default_factory=lambda: MappingProxyType({}))
    simulated: tuple[str, ...] = ()
    ccd_times: tuple[str, str] | None = None

    def detector_of(self, header: HeaderLike) -> str:
        """Detector that a header belongs to, by DETNAM, then INSTRUME; empty if it names none of the mission's."""
        for key in ("DETNAM", "INSTRUME"):
            value = str(header.get(key, "") or "").strip().upper()
            name = self.detector_names.get(value, value)
            if name in self.detectors:
                return name
        return ""

    def energy_scale(self, detector: str) -> EnergyScale | None:
        """Relation of PI and energy of a detector; None where only response files know it."""
        return self.energies.get(detector, self.energy)

    @property
    def weight_boundaries(self) -> dict[str, str]:
        """Calibration boundary WEIGHT(...) of each STOKESWT value."""
        return {w.stokeswt: w.boundary for w in self.weightings.values()}

    def weighting(self, name: str) -> Weighting:
        """Weighting by name (any case).

        Raises
        ------
        MissionError
            If the mission has no such weighting; the message names those it has.
        """
        key = name.strip().lower()
        if key not in self.weightings:
            known = ", ".join(self.weightings) or "none: its events carry no Stokes parameters"
            raise MissionError(
                f"{self.title} has no weighting {name!r} (it has {known})",
                cure=suggest(key, self.weightings) or None,
            )
        return self.weightings[key]

    def load(self, what: str) -> Callable[..., Any]:
        """Function behind `simulator`, `nominal_responses`, `exposure`, `backscal`..., imported now.

        Raises
        ------
        MissionError
            If the mission does not offer it.
        """
        target = getattr(self, what)
        if target is None:
            raise MissionError(f"{self.title} has no {what.replace('_', ' ')} in this version of Wolter")
        module, _, name = target.partition(":")
        return getattr(importlib.import_module(module), name)


GENERIC = Mission(
    name="generic",
    title="a telescope without a plug-in",
    telescop=(),
    notes=("No mission plug-in: columns and energies are taken from the OGIP keywords and the response files.",),
)


@cache
def missions() -> Mapping[str, Mission]:
    """All installed missions by name, in alphabetical order.

    Raises
    ------
    MissionError
        If a plug-in cannot be imported or is not a `Mission`.
    """
    from importlib.metadata import entry_points

    found: dict[str, Mission] = {}
    for entry in sorted(entry_points(group="wolter.missions"), key=lambda e: e.name):
        try:
            mission = entry.load()
        except Exception as exc:
            raise MissionError(
                f"the mission plug-in {entry.name!r} ({entry.value}) cannot be imported: {exc}",
                cure="Reinstall or remove the package that provides it.",
            ) from exc
        if not isinstance(mission, Mission):
            raise MissionError(f"the mission plug-in {entry.name!r} is a {type(mission).__name__}, not a Mission")
        found[mission.name] = mission
    return MappingProxyType(found)


def get_mission(name: str) -> Mission:
    """Mission by its name or by a value of TELESCOP.

    Raises
    ------
    MissionError
        If there is no such mission; use `mission_of` where unknown telescopes are welcome.
    """
    key = name.strip().upper()
    for mission in missions().values():
        if key == mission.name.upper() or key in mission.telescop:
            return mission
    raise MissionError(
        f"no mission {name!r} is installed (installed: {', '.join(missions()) or 'none'})",
        cure=suggest(name, missions()) or None,
    )


def mission_of(header: HeaderLike | Sequence[HeaderLike]) -> Mission:
    """Mission of a file, by TELESCOP of its header(s); `GENERIC` for telescopes without a plug-in.

    Parameters
    ----------
    header : header or sequence of headers
        Header(s) of the file, most telling first.
    """
    headers: Sequence[Any] = header if isinstance(header, Sequence) else [header]
    for one in headers:
        telescop = str(one.get("TELESCOP", "") or "").strip().upper()
        if not telescop:
            continue
        for mission in missions().values():
            if telescop in mission.telescop:
                return mission
        return GENERIC
    return GENERIC
