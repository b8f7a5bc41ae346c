"""What a library knows of an observation: where it points, how far it sees, what it holds."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wolter import fits
from wolter.errors import DataError

if TYPE_CHECKING:
    from wolter.observation import Observation

__all__ = ["ObservationEntry", "describe_observation"]

_POINTING = (("RA_PNT", "DEC_PNT"), ("RA_NOM", "DEC_NOM"), ("RA_OBJ", "DEC_OBJ"))
_USUAL_FIELD = 15.0  # arcmin, for telescopes that do not say


@dataclass(frozen=True)
class ObservationEntry:
    """One observation of a library.

    Attributes
    ----------
    mission, obsid : str
    path : Path
        Its folder.
    ra, dec : float
        Where the telescope pointed, deg.
    radius : float
        Of the circle around it that the field of view fits in, deg.
    start : str
        DATE-OBS of its first exposure.
    exposure : float
        Longest exposure of a detector, s.
    detectors : tuple of str
    regions : Path or None
        File of the sources detected in it.
    files : tuple of Path
        Its files, where they are not the contents of one folder.
    """

    mission: str
    obsid: str
    path: Path
    ra: float
    dec: float
    radius: float
    start: str
    exposure: float
    detectors: tuple[str, ...]
    regions: Path | None
    files: tuple[Path, ...] = ()

    def open(self) -> Observation:
        """The observation itself."""
        from wolter.observation import Observation

        return Observation(list(self.files) if self.files else self.path)

    def row(self) -> tuple[Any, ...]:
        """As the index stores it."""
        return (
            self.mission,
            self.obsid,
            str(self.path),
            self.ra,
            self.dec,
            self.radius,
            self.start,
            self.exposure,
            " ".join(self.detectors),
            "" if self.regions is None else str(self.regions),
            json.dumps([str(path) for path in self.files]),
        )

    @classmethod
    def of(cls, row: sqlite3.Row) -> ObservationEntry:
        """From a row of the index."""
        return cls(
            mission=row["mission"],
            obsid=row["obsid"],
            path=Path(row["path"]),
            ra=row["ra"],
            dec=row["dec"],
            radius=row["radius"],
            start=row["start"],
            exposure=row["exposure"],
            detectors=tuple(row["detectors"].split()),
            regions=Path(row["regions"]) if row["regions"] else None,
            files=tuple(Path(path) for path in json.loads(row["files"])),
        )


def describe_observation(place: Path | Sequence[Path], regions: str | PathLike[str] | None = None) -> ObservationEntry:
    """Entry of the observation in a folder, or of the observation that several files make, from their headers.

    Raises
    ------
    MissionError
        If the folder holds no observation.
    DataError
        If no file says where the telescope pointed.
    """
    from wolter.observation import Observation

    files = () if isinstance(place, Path) else tuple(path.absolute() for path in place)
    observation = Observation(place if isinstance(place, Path) else list(files))
    folder = observation.path
    by_file = {role.path: _headers(role.path) for role in sorted(observation.files, key=_events_first)}
    headers = [h for file in by_file.values() for h in file]
    pointing = _pointing(headers)
    if pointing is None:
        raise DataError(
            "no file of the observation says where the telescope pointed",
            file=folder,
            cure="RA_PNT and DEC_PNT are looked for, then RA_NOM and DEC_NOM.",
        )
    events = [h for role in observation.files if role.role.startswith("events") for h in by_file[role.path]]
    telling = events or headers
    order = {name: n for n, name in enumerate(observation.mission.detectors)}
    detectors = {role.detector for role in observation.files if role.detector}
    return ObservationEntry(
        mission=observation.mission.name,
        obsid=observation.obsid,
        path=folder.absolute(),
        ra=pointing[0] % 360.0,
        dec=pointing[1],
        radius=(observation.mission.field_radius or _USUAL_FIELD) / 60.0,
        start=min((str(h["DATE-OBS"]) for h in telling if h.get("DATE-OBS")), default=""),
        exposure=max((float(h["EXPOSURE"]) for h in telling if _number(h.get("EXPOSURE"))), default=0.0),
        detectors=tuple(sorted(detectors, key=lambda d: (order.get(d, len(order)), d))),
        regions=_region_file(folder if not files else None, regions),
        files=files,
    )


def _pointing(headers: Sequence[fits.Header]) -> tuple[float, float] | None:
    """Right ascension and declination of the first header that has them, measured ones before nominal ones."""
    for right, up in _POINTING:
        for header in headers:
            ra, dec = header.get(right), header.get(up)
            if _number(ra) and _number(dec) and -90.0 <= dec <= 90.0:
                return float(ra), float(dec)
    return None


def _events_first(role: Any) -> tuple[bool, str]:
    return not role.role.startswith("events"), str(role.path)


def _headers(path: Path) -> list[fits.Header]:
    with fits.open(path) as file:
        return [hdu.header for hdu in file.hdus[:3]]


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _region_file(folder: Path | None, given: str | PathLike[str] | None) -> Path | None:
    if given is not None:
        path = Path(given).absolute()
        if not path.exists():
            raise DataError("the region file does not exist", file=path, cure="Check the name.")
        return path
    found: Sequence[Path] = sorted(folder.rglob("*.reg")) if folder is not None and folder.is_dir() else []
    likely = [p for p in found if "source" in p.name.lower() or "det" in p.name.lower()] or found
    return likely[0].absolute() if len(likely) == 1 else None
