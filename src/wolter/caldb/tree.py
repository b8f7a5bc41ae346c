"""`Caldb`: a calibration database on disk or on a server, and the copies of what was fetched from it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time as clock
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from wolter.caldb.config import Aliases, Config, ConfigLine, known_config, read_aliases, read_config
from wolter.caldb.index import INDEX_NAME, CalFile, CalibrationIndex
from wolter.caldb.lock import CaldbLock
from wolter.caldb.query import Found, Query, explain, select
from wolter.errors import CalibrationError, TransportError, warn
from wolter.fits import atomic_path
from wolter.transport import Request, Transport, default_transport, is_remote, safe_path
from wolter.transport.address import local_path

__all__ = ["HEASARC_CALDB", "Caldb"]

HEASARC_CALDB = "https://heasarc.gsfc.nasa.gov/FTP/caldb"
"""Where the database is looked for if nothing else is said."""

_CONFIG_PLACE = "software/tools/caldb.config"
_DAY = 86400.0
_LOOPBACK = re.compile(r"https?://(localhost|127\.[\d.]+|\[::1\])(:|/|\Z)", re.IGNORECASE)


class Caldb:
    """A calibration database.

    Parameters
    ----------
    root : path-like or str, optional
        Folder, or address (``https://``, ``s3://``) of its root, the folder that holds ``data``. By default what CALDB
        says, else HEASARC's server. With a root the environment is not asked for anything.
    config : path-like, optional
        ``caldb.config``. By default what CALDBCONFIG says, else the root's own if it is on disk, else what the
        missions' descriptions know, else that of the server.
    aliases : path-like, optional
        ``alias_config.fits``; by default what CALDBALIAS says.
    version : str or mapping, optional
        Issue of the index to use, such as ``"20230702"`` (``index/caldb.indx20230702``); a mapping has one for each
        ``"MISSION/INSTRUMENT"``. By default the current one.
    lock : path-like or CaldbLock, optional
        Lock file: questions that it has are answered from it and their files are compared with their hashes; others
        are recorded.
    frozen : bool
        Questions that the lock does not have are errors.
    cache : path-like, optional
        Folder for copies of what a server holds; by default in the user's cache folder.
    max_age : float, optional
        Age in seconds beyond which a copy of an index is fetched again (calibration files never change under a name);
        by default a day, and none for a server on this computer.
    offline : bool
        Use copies only.
    transport : Transport, optional
        Connections.

    Attributes
    ----------
    root : str
    cache : Path
    lock : CaldbLock or None
    """

    def __init__(
        self, root: str | PathLike[str] | None = None, *, config: str | PathLike[str] | None = None,
        aliases: str | PathLike[str] | None = None, version: str | Mapping[str, str] | None = None,
        lock: str | PathLike[str] | CaldbLock | None = None, frozen: bool = False,
        cache: str | PathLike[str] | None = None, max_age: float | None = None, offline: bool = False,
        transport: Transport | None = None,
    ) -> None:  # fmt: skip
        surroundings: Mapping[str, str] = os.environ if root is None else {}
        self.lock = lock if isinstance(lock, CaldbLock) or lock is None else CaldbLock(lock, frozen=frozen)
        if frozen and self.lock is None:
            raise CalibrationError("frozen=True needs a lock file", cure="Give lock='<file>'.")
        given = root or surroundings.get("CALDB") or (self.lock.root if self.lock else "") or HEASARC_CALDB
        if (
            isinstance(given, str)
            and "://" in given
            and not is_remote(given)
            and not given.lower().startswith("file://")
        ):
            raise CalibrationError(
                "the calibration database cannot be read by this protocol", file=given,
                cure="Name a folder, or an address with https:// or s3://.",
            )  # fmt: skip
        self.root = (os.fspath(given) if is_remote(given) else os.fspath(local_path(given).expanduser())).rstrip(
            "/"
        ) or "/"
        self.remote = is_remote(self.root)
        self.version = version
        self.max_age = (0.0 if _LOOPBACK.match(self.root) else _DAY) if max_age is None else max_age
        self.offline = offline
        self.transport = transport or default_transport()
        self.cache = _cache_folder(cache, self.root)
        self._config_path = config or surroundings.get("CALDBCONFIG") or None
        self._aliases_path = aliases or surroundings.get("CALDBALIAS") or None
        self._aliases: Aliases | None = None
        self._config: Config | None = None
        self._indices: dict[str, tuple[Any, CalibrationIndex]] = {}
        if not self.remote and not Path(self.root).is_dir():
            told = " (the environment variable CALDB names it)" if surroundings.get("CALDB") and root is None else ""
            raise CalibrationError(
                f"there is no calibration database here{told}",
                file=self.root,
                cure="Name the folder that holds data/ and software/tools/, or leave it out for HEASARC's server.",
            )

    def __repr__(self) -> str:
        return f"<Caldb {self.root}>"

    # --- questions --------------------------------------------------------------------------------------------------

    def query(
        self, mission: str, instrument: str, codename: str, *, detector: str | None = None, filter: str | None = None,
        date: str | float | None = None, time: str | None = None, stop_date: str | float | None = None,
        stop_time: str | None = None, expr: str | None = None, maxret: int | None = None, exact: bool = False,
    ) -> Found:  # fmt: skip
        """Data sets that answer a question, in the order of the index.

        Parameters
        ----------
        mission, instrument, codename : str
            TELESCOP, INSTRUME and CAL_CNAM, in any case.
        detector, filter : str, optional
            DETNAM and FILTER; None or ``-`` if they do not matter.
        date, time : str, optional
            From when it must be valid: ``yyyy-mm-dd`` (with ``Thh:mm:ss``), ``dd/mm/yy``, ``now``, or a MJD. Only the
            latest data sets that were valid then are found; without a date, those of all times.
        stop_date, stop_time : str, optional
            Latest beginning of validity.
        expr : str, optional
            Condition on boundaries, ``THETA.eq.5.and.WEIGHT.eq.ALPHA075``.
        maxret : int, optional
            Most data sets to give.
        exact : bool
            Compare as the task ``quzcif`` does; see `wolter.caldb.query.select`.

        Returns
        -------
        Found
            Empty if nothing fits: `Found.explanation` says which condition excluded everything.

        Raises
        ------
        CalibrationError
            No such mission or instrument, an index that is damaged, or a question that a frozen lock does not have.
        TransportError
            The server cannot be reached and there is no copy.
        ParameterError, ExpressionError
            A date or the expression is not understood.
        """
        question = Query.make(
            mission, self._alias(mission, instrument), codename, detector=detector, filter=filter, date=date,
            time=time, stop_date=stop_date, stop_time=stop_time, expr=expr, exact=exact,
        )  # fmt: skip
        found = self.lock.answer(question, self.root) if self.lock else None
        if found is None:
            line = self.config_line(question.telescop, question.instrume)
            index = self._index(line)
            rows = select(index, question)
            files = tuple(index.entry(int(r), self.root) for r in rows)
            found = Found(files, len(rows), question, "" if len(rows) else explain(index, question))
            if self.lock:
                self.lock.record_query(self.root, self._index_place(line), index, found)
        if maxret is None or len(found) <= maxret:
            return found
        return Found(found.files[: max(maxret, 0)], found.total, found.query, found.explanation)

    def find(self, mission: str, instrument: str, codename: str, *, unique: bool = False, **conditions: Any) -> CalFile:
        """The first data set that answers a question.

        Parameters
        ----------
        mission, instrument, codename, **conditions
            As for `query`.
        unique : bool
            Whether several answers are an error.

        Raises
        ------
        CalibrationError
            If nothing fits (says which condition excluded everything), or several do and one was wanted.
        """
        found = self.query(mission, instrument, codename, **conditions)
        what = f"{codename} of {mission} {instrument}".upper()
        if not found:
            raise CalibrationError(f"no calibration data {what}: {found.explanation}", file=self.root)
        if unique and len(found) > 1:
            names = ", ".join(f"{f.name}[{f.ext}]" for f in found[:6])
            raise CalibrationError(
                f"{len(found)} data sets {what} fit equally: {names}", file=self.root,
                cure="Say more: detector, filter, a date, or a boundary in expr.",
            )  # fmt: skip
        return found[0]

    def query_for(self, header: Any, codename: str, *, expr: str | None = None, **changes: Any) -> Found:
        """`query` with what the header of a file says: what a task does with a parameter ``CALDB``.

        Parameters
        ----------
        header : mapping
            With TELESCOP, INSTRUME, DETNAM, FILTER, DATE-OBS, TIME-OBS.
        codename, expr
            As for `query`.
        **changes
            Conditions that go before the header's.
        """

        def text(key: str) -> str:
            return str(header.get(key, "") or "").strip()

        missing = [k for k in ("TELESCOP", "INSTRUME") if not text(k)]
        if missing:
            raise CalibrationError(f"the header has no {' and '.join(missing)}: no calibration can be looked up")
        asked: dict[str, Any] = {"date": text("DATE-OBS"), "time": text("TIME-OBS") or None, "expr": expr}
        for name, key in (("detector", "DETNAM"), ("filter", "FILTER")):
            asked[name] = None if text(key).upper() in ("", "NONE") else text(key)
        return self.query(text("TELESCOP"), text("INSTRUME"), codename, **asked | changes)

    # --- files ------------------------------------------------------------------------------------------------------

    def fetch(self, files: CalFile | Iterable[CalFile], *, progress: bool | None = None) -> list[Path]:
        """Calibration files on this computer, fetched if need be.

        Parameters
        ----------
        files : CalFile or iterable of CalFile
        progress : bool, optional
            Show a bar; by default on a terminal.

        Returns
        -------
        list of Path
            One for each data set, in their order.

        Raises
        ------
        CalibrationError
            A file is off line or missing, is not FITS, or is another than the lock file says.
        TransportError, OutputError
            It cannot be fetched or kept.
        """
        wanted = [files] if isinstance(files, CalFile) else list(files)
        for file in wanted:
            if not file.online:
                raise CalibrationError(f"the file is not on line but on {file.device}", file=file.path)
        paths = {f.place: self._path(f.place) for f in wanted}
        absent = {place: path for place, path in paths.items() if not path.is_file()}
        if absent and not self.remote:
            place, path = next(iter(absent.items()))
            raise CalibrationError(f"the index names {place}, which is not there", file=path)
        if absent and self.offline:
            raise CalibrationError(
                f"{next(iter(absent))} has not been fetched yet, and the network is not to be used",
                file=self.cache, cure="Fetch it once without offline.",
            )  # fmt: skip
        known = self.lock.files if self.lock else {}
        requests = [
            Request(f"{self.root}/{place}", path, known.get(place, {}).get("size"), check=_is_fits)
            for place, path in absent.items()
        ]
        if requests:
            self.transport.download_many(requests, progress=progress, description="fetching calibration")
        if self.lock:
            self.lock.check(paths)
            self.lock.record_files(paths)
        return [paths[f.place] for f in wanted]

    def fetch_locked(self, *, progress: bool | None = None) -> dict[str, Path]:
        """All files of the lock file, fetched if need be and compared with their hashes; by place.

        Raises
        ------
        CalibrationError
            There is no lock file, or a file is another.
        """
        if self.lock is None:
            raise CalibrationError("there is no lock file", cure="Give lock='<file>'.")
        files: dict[str, CalFile] = {}
        places = self.lock.files
        for place in places:
            path = f"{self.root}/{place}"
            files[place] = CalFile(place, path, 0, "", "", "", "", "", (), 0.0, 0)
        return dict(zip(places, self.fetch(files.values(), progress=progress), strict=True))

    def _path(self, place: str) -> Path:
        """Where a file of the database is, or will be, on this computer."""
        return safe_path(self.cache, place) if self.remote else Path(self.root, place)

    # --- index ------------------------------------------------------------------------------------------------------

    def config_line(self, mission: str, instrument: str) -> ConfigLine:
        """Line of the configuration for an instrument.

        Raises
        ------
        CalibrationError
            If the database does not know it.
        """
        if self._config is None:
            self._config = self._find_config()
        try:
            return self._config.line(mission, instrument)
        except CalibrationError:
            if self._config_path is not None or not self.remote:
                raise
            served = self._served_config()  # missions that Wolter does not know
            if served is None:
                raise
            self._config = served
            return served.line(mission, instrument)

    def _find_config(self) -> Config:
        if self._config_path is not None:
            return read_config(self._config_path)
        own = Path(self.root, _CONFIG_PLACE)
        if not self.remote and own.is_file():
            return read_config(own)
        known = known_config()
        if self.remote:
            return known
        folders = [p.parent for p in sorted(Path(self.root).glob(f"data/*/*/{INDEX_NAME}"))]
        found = [ConfigLine(f.parent.name.upper(), f.name.upper(), "CALDB", f.relative_to(self.root).as_posix())
                 for f in folders]  # fmt: skip
        return Config((*known.lines, *found), self.root)

    def _served_config(self) -> Config | None:
        try:
            path = self._fresh(_CONFIG_PLACE)
        except TransportError as exc:
            if exc.status in (403, 404, 410):
                return None
            raise
        except CalibrationError:  # offline, and there is no copy
            return None
        return read_config(path, name=f"{self.root}/{_CONFIG_PLACE}")

    def _alias(self, mission: str, instrument: str) -> str:
        if self._aliases_path is None:
            return instrument
        if self._aliases is None:
            self._aliases = read_aliases(self._aliases_path)
        return self._aliases.get(mission.strip().upper(), {}).get(instrument.strip().upper(), instrument)

    def index(self, mission: str, instrument: str) -> CalibrationIndex:
        """The index of an instrument.

        Raises
        ------
        CalibrationError, TransportError
            See `query`.
        """
        return self._index(self.config_line(mission, self._alias(mission, instrument)))

    def _pinned(self, line: ConfigLine) -> str:
        version = self.version
        if isinstance(version, Mapping):
            by_name = {k.upper(): v for k, v in version.items()}
            version = by_name.get(f"{line.mission}/{line.instrument}", "")
        return (version or "").removeprefix(line.file)

    def _index_place(self, line: ConfigLine) -> str:
        pinned = self._pinned(line)
        return f"{line.directory.strip('/')}/{f'index/{line.file}{pinned}' if pinned else line.file}"

    def _index(self, line: ConfigLine) -> CalibrationIndex:
        place = self._index_place(line)
        if line.device.upper() != "CALDB" and not self.remote:
            base = os.environ.get(line.device) or (line.device if "/" in line.device else f"/{line.device}")
            path, shown = Path(base, place), os.fspath(Path(base, place))
        elif self.remote:
            path, shown = self._fresh(place, keep=bool(self._pinned(line))), f"{self.root}/{place}"
        else:
            path, shown = Path(self.root, place), os.fspath(Path(self.root, place))
        try:
            facts = path.stat()
        except OSError as exc:
            have = sorted(p.name.removeprefix(line.file) for p in path.parent.glob(f"{line.file}*"))
            cure = f"Make it with wolter caldb index {path.parent}, or check the root."
            if self._pinned(line) and have:
                cure = f"Issues that are there: {', '.join(have)}."
            raise CalibrationError("the index is not there", file=shown, cure=cure) from exc
        state = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
        kept = self._indices.get(shown)
        if kept is None or kept[0] != state:
            real = path.resolve().name
            version = self._pinned(line) or (real.removeprefix(line.file) if real.startswith(line.file) else "")
            kept = state, CalibrationIndex.read(path, name=shown, version=version)
            self._indices[shown] = kept
        return kept[1]

    def _fresh(self, place: str, *, keep: bool = False) -> Path:
        """Copy of an index or configuration, not older than `max_age`; a dated one (`keep`) stays."""
        target = safe_path(self.cache, place)
        note = target.with_name(f".{target.name}.fetched")
        present = target.is_file()
        if present and (keep or self.offline or clock.time() - _fetched(note) < self.max_age):
            return target
        url = f"{self.root}/{place}"
        if self.offline:
            raise CalibrationError(
                "there is no copy of this yet, and the network is not to be used", file=url,
                cure="Ask once without offline.",
            )  # fmt: skip
        try:
            check = None if place == _CONFIG_PLACE else _is_fits
            self.transport.download_many([Request(url, target, check=check)], overwrite=True, progress=False)
        except TransportError as exc:
            if not present or exc.status in (404, 410):
                raise
            told = f"{url} cannot be fetched ({exc.cause}); the copy of {_age(_fetched(note))} is used"
            warn(told)
            return target
        with atomic_path(note, overwrite=True) as temporary:
            temporary.write_text(json.dumps({"url": url, "time": clock.time()}), encoding="utf-8")
        return target


def _cache_folder(cache: str | PathLike[str] | None, root: str) -> Path:
    """Where copies from a server are kept; databases of different servers do not share a folder."""
    if cache is None:
        import platformdirs

        base = Path(platformdirs.user_cache_path("wolter", appauthor=False)) / "caldb"
    else:
        base = Path(cache)
    return base / re.sub(r"[^A-Za-z0-9.\-]+", "_", root.partition("://")[2] or "local")


def _fetched(note: Path) -> float:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return float(json.loads(note.read_text(encoding="utf-8"))["time"])
    return 0.0


def _age(moment: float) -> str:
    return clock.strftime("%Y-%m-%d %H:%M UTC", clock.gmtime(moment)) if moment else "unknown age"


def _is_fits(path: Path) -> None:
    """A file is FITS, compressed or not: servers answer with web pages too.

    Raises
    ------
    CalibrationError
    """
    with path.open("rb") as stream:
        start = stream.read(16)
    if not start.startswith((b"SIMPLE  =", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x1f\x9d")):
        raise CalibrationError("what the server sent is not a FITS file", file=path)
