"""Find observations: by name or position, over missions, in the archives' own catalogues."""

from __future__ import annotations

import hashlib
import json
import time as clock
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.archive.catalogues import get_default_radius
from wolter.archive.description import ArchiveEntry, archived_missions, entry_of
from wolter.archive.host import Archive
from wolter.archive.names import resolve
from wolter.archive.tap import ask_all, number, text
from wolter.errors import ArchiveError, UnitError
from wolter.units import is_quantity

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.table import Table

__all__ = ["search"]

# Columns of the result: (name, unit)
_COLUMNS = (
    ("mission", None),
    ("obsid", None),
    ("target", None),
    ("ra", "deg"),
    ("dec", "deg"),
    ("start", None),
    ("exposure", "s"),
    ("modes", None),
    ("public_date", None),
    ("public", None),
    ("offset", "arcmin"),
    ("catalog", None),
    ("row", None),
)


def search(
    target: str | SkyCoord | None = None,
    *,
    mission: str | Sequence[str] | None = None,
    radius: Any = None,
    time: tuple[Any, Any] | None = None,
    obsid: str | Sequence[str] | None = None,
    public: bool = True,
    archive: Archive | None = None,
    service: str | None = None,
    max_age: float | None = None,
) -> Table:
    """Observations of a target, or with given numbers, from the archives' catalogues.

    Parameters
    ----------
    target : str or SkyCoord, optional
        Name, which is resolved, or position.
    mission : str or sequence of str, optional
        Missions to look in; by default all that are installed.
    radius : Quantity, optional
        Largest distance between pointing and target; by default the archive's own for each catalogue.
    time : (Time, Time), optional
        Observations that begin in this interval; either end may be None.
    obsid : str or sequence of str, optional
        Observations of these numbers.
    public : bool
        Only data that anybody may fetch today; False gives all and says in column ``public`` which are.
    archive : Archive, optional
        Servers to ask; HEASARC by default.
    service : str, optional
        Name of a mission's own archive ("xsa"), to be asked in place of HEASARC.
    max_age : float, optional
        Days for which an answer kept on disk is good enough; by default the server is asked every time. With
        ``float("inf")`` work goes on offline once the question has been asked.

    Returns
    -------
    astropy.table.Table
        One row for each observation, ordered by mission and start: ``mission``, ``obsid``, ``target``, ``ra``, ``dec``
        (deg), ``start`` (Time, UTC), ``exposure`` (s), ``modes``, ``public_date`` (Time; 1858 where not known),
        ``public``, ``offset`` (arcmin; NaN without a target), ``catalog`` and ``row`` (the archive's key of the row).

    Raises
    ------
    ArchiveError
        Nothing to look for, an unknown name, or a catalogue without the columns needed.
    TransportError
        A server cannot be reached.
    """
    host = archive or Archive()
    if target is None and obsid is None:
        raise ArchiveError("there is nothing to look for", cure="Give a name, a position, or obsid=.")
    position = _position(target, host)
    entries = _entries(mission)
    if service:
        entries = [e for e in entries if e.own.get("name") == service.lower()]
        if not entries:
            known = sorted({e.own["name"] for e in archived_missions().values() if e.own})
            raise ArchiveError(f"no mission chosen has an archive {service!r} (there are: {', '.join(known)})")
    tables = [
        _search_one(host, entry, position, radius, time, _texts(obsid), bool(service), max_age) for entry in entries
    ]
    from astropy.table import vstack

    found: Any = vstack(tables, metadata_conflicts="silent") if len(tables) > 1 else tables[0]
    if public:
        found = found[found["public"]]
    if len(found):
        found.sort(["mission", "start", "obsid"])
    found.meta.clear()
    return found


def _texts(value: str | Sequence[str] | None) -> list[str]:
    return [] if value is None else [value.strip()] if isinstance(value, str) else [v.strip() for v in value]


def _entries(mission: str | Sequence[str] | None) -> list[ArchiveEntry]:
    if mission is None:
        return list(archived_missions().values())
    return [entry_of(m) for m in ([mission] if isinstance(mission, str) else mission)]


def _position(target: Any, host: Archive) -> SkyCoord | None:
    if target is None:
        return None
    if isinstance(target, str):
        from astropy.coordinates import SkyCoord

        if not _looks_like_position(target):
            return resolve(target, archive=host)
        try:
            return SkyCoord(target, unit=("hourangle", "deg")).icrs
        except ValueError:
            return resolve(target, archive=host)
    if not hasattr(target, "icrs"):
        raise ArchiveError(f"{target!r} is neither a name nor a SkyCoord")
    if not target.isscalar:
        raise ArchiveError("the position must be one SkyCoord, not several", cure="Search for each in turn.")
    return target.icrs


def _looks_like_position(text_: str) -> bool:
    return ":" in text_ or ("h" in text_.lower() and "m" in text_.lower() and "s" in text_.lower() and any(
        c.isdigit() for c in text_) and text_.strip()[:1].isdigit())  # fmt: skip


def _degrees(radius: Any, fallback: float) -> float:
    if radius is None:
        return fallback / 60.0
    if not is_quantity(radius):
        raise UnitError(f"radius {radius!r} has no unit", cure="Write for example 12 * u.arcmin.")
    value = float(radius.to_value("deg"))
    if not 0 < value <= 180:
        raise ArchiveError(f"the radius {radius} is not between 0 and 180 degrees")
    return value


def _search_one(
    host: Archive, entry: ArchiveEntry, position: Any, radius: Any, time: Any, obsids: list[str], own: bool,
    max_age: float | None,
) -> Table:  # fmt: skip
    tap = host.own_address(entry.own, "tap") if own else host.tap
    catalog = entry.own["table"] if own else entry.catalog
    names = {**entry.columns, **(entry.own.get("columns", {}) if own else {})}
    conditions: list[str] = []
    if position is not None:
        default = entry.radius if own or radius is not None else _server_radius(host, entry)
        ra, dec, size = number(position.ra.deg), number(position.dec.deg), number(_degrees(radius, default))
        conditions.append(f"CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', {ra}, {dec}, {size})) = 1")
    key = names["obsid"][0]
    if obsids:
        conditions.append(f"{key} IN ({', '.join(text(o) for o in obsids)})")
    where = " AND ".join(conditions)
    raw = _kept(host, tap, f"{catalog}|{where}", max_age)
    if raw is None:
        raw = ask_all(host.transport, tap, f"SELECT * FROM {catalog}", where, key)
        _keep(host, tap, f"{catalog}|{where}", raw)
    return _canonical(raw, entry, names, catalog, position, time)


def _server_radius(host: Archive, entry: ArchiveEntry) -> float:
    """Default radius (arcmin) as the archive gives it, else the mission's."""
    try:
        return float(get_default_radius(entry.catalog, archive=host).to_value("arcmin"))
    except ArchiveError:
        return entry.radius


# --- one shape for all catalogues -------------------------------------------------------------------------------------


def _canonical(raw: Any, entry: ArchiveEntry, names: Any, catalog: str, position: Any, time: Any) -> Table:
    from astropy.coordinates import SkyCoord
    from astropy.table import Table
    from astropy.time import Time

    by_lower = {c.lower(): c for c in raw.colnames}

    def column(fact: str) -> Any:
        for name in names.get(fact, ()):
            if name.lower() in by_lower:
                return raw[by_lower[name.lower()]]
        if fact in ("obsid", "ra", "dec", "start"):
            raise ArchiveError(
                f"the catalogue {catalog} has no column for the {fact} (looked for {', '.join(names.get(fact, ()))};"
                f" it has {', '.join(raw.colnames)})"
            )
        return None

    n = len(raw)
    ra, dec = _floats(column("ra"), n), _floats(column("dec"), n)
    start: Any = _times(column("start"), n)
    public: Any = _times(column("public"), n)
    if position is not None and n:
        offset = position.separation(SkyCoord(ra, dec, unit="deg")).arcmin
    else:
        offset = np.full(n, np.nan)
    row = raw[by_lower["__row"]] if "__row" in by_lower else [""] * n
    now: Any = Time.now()
    data = {
        "mission": np.array([entry.mission.name] * n, dtype=f"U{max(16, len(entry.mission.name))}"),
        "obsid": _strings(column("obsid"), n),
        "target": _strings(column("target"), n),
        "ra": ra,
        "dec": dec,
        "start": start,
        "exposure": _floats(column("exposure"), n),
        "modes": _strings(column("modes"), n),
        "public_date": public,
        "public": np.asarray(public.mjd <= now.mjd, dtype=bool),
        "offset": offset,
        "catalog": np.array([catalog] * n, dtype=f"U{max(16, len(catalog))}"),
        "row": _strings(row, n),
    }
    table: Any = Table(data)
    for name, unit in _COLUMNS:
        if unit:
            table[name].unit = unit
    if time is not None:
        keep = np.ones(n, bool)
        lo, hi = time
        if lo is not None:
            keep &= start.mjd >= _mjd(lo)
        if hi is not None:
            keep &= start.mjd < _mjd(hi)
        table = table[keep]
    return table


def _mjd(moment: Any) -> float:
    """Modified Julian date (UTC) of a Time, or of what makes one."""
    from astropy.time import Time

    time: Any = Time(moment)
    return float(time.utc.mjd)


def _floats(column: Any, n: int) -> Any:
    if column is None:
        return np.full(n, np.nan)
    return np.array(np.ma.filled(np.ma.asarray(column, dtype=float), np.nan), dtype=float)


def _strings(column: Any, n: int) -> Any:
    if column is None:
        return np.array([""] * n, dtype="U16")
    values = ["" if v is np.ma.masked or v is None else str(v).strip() for v in column]
    return np.array(values, dtype=f"U{max([16, *map(len, values)])}")


def _times(column: Any, n: int) -> Any:
    """Times of a column of MJDs or of dates; those that are missing become MJD 0."""
    from astropy.time import Time

    if column is None:
        return Time(np.zeros(n), format="mjd", scale="utc")
    if getattr(column, "dtype", np.dtype("O")).kind in "fiu":
        values = np.nan_to_num(_floats(column, n))
        return Time(values, format="mjd", scale="utc")
    days = []
    for value in _strings(column, n):
        try:
            days.append(Time(value.replace(" ", "T"), format="isot", scale="utc").mjd if value else 0.0)
        except ValueError:
            days.append(0.0)
    return Time(np.array(days, dtype=float), format="mjd", scale="utc")


# --- answers on disk --------------------------------------------------------------------------------------------------


def _file(host: Archive, tap: str, question: str) -> Path:
    digest = hashlib.sha256(json.dumps([tap, question]).encode()).hexdigest()[:24]
    return host.cache_folder / "tables" / f"{digest}.vot"


def _kept(host: Archive, tap: str, question: str, max_age: float | None) -> Any:
    if max_age is None:
        return None
    path = _file(host, tap, question)
    try:
        if clock.time() - path.stat().st_mtime > max_age * 86400.0:
            return None
        data = path.read_bytes()
    except OSError:
        return None
    from wolter.archive.tap import read_votable

    return read_votable(data, where=str(path)).table


def _keep(host: Archive, tap: str, question: str, table: Any) -> None:
    import contextlib

    from wolter.fits import atomic_path

    path = _file(host, tap, question)
    with contextlib.suppress(OSError):  # a cache that cannot be written is no reason to fail
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path, overwrite=True) as temporary:
            table.write(temporary, format="votable", overwrite=True)
