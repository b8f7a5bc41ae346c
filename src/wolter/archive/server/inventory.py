"""What a folder of observations holds: facts from the headers, and the archive's names for the files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wolter import fits
from wolter.archive.description import ArchiveEntry, archived_missions
from wolter.errors import ArchiveError, FitsError, WolterError, warn
from wolter.mission import mission_of

__all__ = ["Inventory", "Observed", "take_inventory"]

_ENDINGS = (".fits", ".fit", ".ftz", ".evt", ".img", ".att", ".ds")
_PACKED = ("", ".gz", ".xz")
_MJD_EPOCH = datetime(1858, 11, 17, tzinfo=UTC)
SIDECAR = "observations.json"
NAMES = "names.json"


@dataclass
class Observed:
    """One observation of the folder.

    Attributes
    ----------
    entry : ArchiveEntry
    obsid : str
    root : Path
        Its folder on disk.
    place : str
        Its folder in the archive, below the root of the data tree.
    facts : dict
        ``target``, ``ra``, ``dec``, ``start`` (MJD), ``exposure``, ``exposure:<detector>`` ...
    """

    entry: ArchiveEntry
    obsid: str
    root: Path
    place: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass
class Inventory:
    """All that a folder holds.

    Attributes
    ----------
    observations : list of Observed
    files : dict
        Path in the archive -> path on disk, of every file.
    names : dict
        Object name (lower case, without blanks) -> (name, ra, dec).
    """

    observations: list[Observed]
    files: dict[str, Path]
    names: dict[str, tuple[str, float, float]]


def take_inventory(folder: Path) -> Inventory:
    """Look through a folder.

    Every folder named like the OBS_ID of the event files in it is an observation; it appears where the public archive
    has it. All other files appear under their own paths. ``observations.json`` may add to or correct the facts
    (``{"<obsid>": {"public": 60000.0, "target": "..."}}``), ``names.json`` the names known to the
    resolver (``{"<name>": [ra, dec]}``).

    Raises
    ------
    ArchiveError
        There is no such folder, or one of these two files is wrong.
    """
    root = folder.resolve()
    if not root.is_dir():
        raise ArchiveError("there is no such folder", file=folder)
    found: dict[Path, Observed] = {}
    entries = {e.mission.name: e for e in archived_missions().values()}
    for path in _event_files(root):
        _look(path, root, entries, found)
    corrections = _sidecar(root / SIDECAR)
    observations = sorted(found.values(), key=lambda o: (o.entry.catalog, o.obsid))
    for observed in observations:
        observed.facts.update(corrections.get(observed.obsid, {}))
        _complete(observed)
    names = {_key(o.facts["target"]): (o.facts["target"], o.facts["ra"], o.facts["dec"]) for o in observations}
    for name, position in _sidecar(root / NAMES).items():
        names[_key(name)] = (name, float(position[0]), float(position[1]))
    return Inventory(observations, dict(_files(root, observations)), names)


def _key(name: str) -> str:
    return "".join(str(name).lower().split())


def _sidecar(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as exc:
        raise ArchiveError(f"this is not JSON: {exc}", file=path) from exc
    if not isinstance(value, dict):
        raise ArchiveError("a JSON object is expected", file=path)
    return value


def _event_files(root: Path) -> Iterator[Path]:
    for folder, below, names in os.walk(root):
        below.sort()
        for name in sorted(names):
            lower = name.lower()
            if not name.startswith(".") and lower.endswith(tuple(e + p for e in _ENDINGS for p in _PACKED)):
                yield Path(folder, name)


def _look(path: Path, root: Path, entries: Mapping[str, ArchiveEntry], found: dict[Path, Observed]) -> None:
    """Take the facts of an event file."""
    try:
        with fits.open(path) as file:
            headers = [file[0].header]
            second = file.get(1)
            if second is not None:
                headers.append(second.header)
    except FitsError as exc:
        warn(f"{path} is left out of the catalogue: {exc.cause}")
        return
    header = headers[-1]
    if str(header.get("EXTNAME", "")).strip().upper() != "EVENTS":
        return
    entry = entries.get(mission_of([header, headers[0]]).name)
    obsid = next((str(h["OBS_ID"]).strip() for h in (header, headers[0]) if str(h.get("OBS_ID", "")).strip()), "")
    if entry is None or not obsid:
        return
    home = next((p for p in path.parents if p.name == obsid and root in (p, *p.parents)), path.parent)
    observed = found.setdefault(home, Observed(entry, obsid, home))
    role = entry.mission.classify(path, headers)
    _gather(observed.facts, header, headers[0], role, path)


def _gather(facts: dict[str, Any], header: Any, primary: Any, role: Any, path: Path) -> None:
    def value(*keys: str) -> Any:
        for key in keys:
            for one in (header, primary):
                if one.get(key) not in (None, ""):
                    return one[key]
        return None

    screened = role is not None and (role.level or "2") != "1"
    for fact, keys in {"target": ("OBJECT",), "ra": ("RA_PNT", "RA_NOM", "RA_OBJ"), "dec": ("DEC_PNT", "DEC_NOM",
                       "DEC_OBJ"), "mode": ("OBS_MODE", "DATAMODE", "OBSMODE")}.items():  # fmt: skip
        if facts.get(fact) is None or (screened and not facts.get("screened")):
            facts[fact] = value(*keys) if value(*keys) is not None else facts.get(fact)
    for fact, key, best in (("start", "DATE-OBS", min), ("end", "DATE-END", max)):
        day = _mjd(value(key))
        if day is not None:
            facts[fact] = day if facts.get(fact) is None else best(facts[fact], day)
    processed = _mjd(value("DATE"))
    if processed is not None:
        facts["processed"] = processed
    exposure = value("EXPOSURE", "LIVETIME", "ONTIME")
    if role is not None and screened and exposure is not None:
        for name in ("exposure", f"exposure:{role.detector}"):
            facts[name] = max(float(facts.get(name) or 0.0), float(exposure))
        facts["screened"] = True


def _mjd(value: Any) -> float | None:
    """Modified Julian date of a FITS date."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(str(value).strip().rstrip("Z"))
    except ValueError:
        return None
    return (moment.replace(tzinfo=UTC) - _MJD_EPOCH).total_seconds() / 86400.0


def _complete(observed: Observed) -> None:
    from datetime import timedelta

    facts = observed.facts
    facts["obsid"] = observed.obsid
    facts["target"] = str(facts.get("target") or observed.obsid).strip()
    for key in ("ra", "dec"):
        if not isinstance(facts.get(key), (int, float)):
            facts[key] = 0.0
    facts.setdefault("public", facts.get("processed") or facts.get("start"))
    facts["lii"], facts["bii"] = _galactic(float(facts["ra"]), float(facts["dec"]))
    start = None
    for key in ("start", "end", "public"):
        if facts.get(key) is not None:
            moment = _MJD_EPOCH + timedelta(days=float(facts[key]))
            facts[f"{key}_iso"] = moment.strftime("%Y-%m-%d %H:%M:%S")
            start = moment if key == "start" else start
    try:
        place = observed.entry.folder(observed.obsid, start)
    except (WolterError, ValueError, TypeError):
        place = None
    observed.place = place or f"{observed.entry.mission.name}/data/obs/{observed.obsid}"


def _galactic(ra: float, dec: float) -> tuple[float, float]:
    """Galactic longitude and latitude (deg) of an ICRS position.

    Source: north galactic pole 192.85948, 27.12825 and longitude 122.93192 of the celestial pole (Hipparcos catalogue,
    ESA SP-1200, volume 1, section 1.5.3).
    """
    import math

    pole, tilt, node = math.radians(192.85948), math.radians(27.12825), 122.93192
    a, d = math.radians(ra) - pole, math.radians(dec)
    b = math.asin(math.sin(d) * math.sin(tilt) + math.cos(d) * math.cos(tilt) * math.cos(a))
    x = math.cos(d) * math.sin(a)
    y = math.sin(d) * math.cos(tilt) - math.cos(d) * math.sin(tilt) * math.cos(a)
    return (node - math.degrees(math.atan2(x, y))) % 360.0, math.degrees(b)


def _files(root: Path, observations: list[Observed]) -> Iterator[tuple[str, Path]]:
    homes = {o.root: o.place for o in observations}
    for folder, below, names in os.walk(root):
        below.sort()
        here = Path(folder)
        home = next((p for p in (here, *here.parents) if p in homes), None)
        for name in sorted(names):
            path = here / name
            if name.startswith(".") or not path.is_file() or (here == root and name in (SIDECAR, NAMES)):
                continue
            base, top = (homes[home], home) if home is not None else ("", root)
            place = (Path(base) / path.relative_to(top)).as_posix()
            yield place.removeprefix("FTP/"), path
