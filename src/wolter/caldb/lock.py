"""Lock files: which calibration files an analysis used, so that it uses the same ones again.

A lock file is JSON::

    {"format": "wolter caldb lock", "version": 1, "root": "https://...",
     "indices": {"<sha256>": {"instrument": "MISSION/INSTRUMENT", "place": "data/.../caldb.indx", "version": "..."}},
     "queries": {"MISSION INSTRUMENT DETECTOR FILTER CODENAME START STOP EXPRESSION":
                 {"index": "<sha256 of the index>", "files": [{"place": "...", "ext": 1, ...}]}},
     "files": {"data/.../x.rmf": {"sha256": "...", "size": 437760}}}
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from wolter._version import __version__
from wolter.caldb.boundary import Boundary, parse_boundary
from wolter.caldb.index import CalFile, CalibrationIndex
from wolter.caldb.query import Found, Query
from wolter.errors import CalibrationError, OutputError, warn
from wolter.fits import atomic_path, file_sha256

__all__ = ["CaldbLock"]

_FORMAT = "wolter caldb lock"
_VERSION = 1
_FACTS = (
    "telescop",
    "instrume",
    "detnam",
    "filter",
    "codename",
    "ref_time",
    "quality",
    "device",
    "description",
    "row",
)


class CaldbLock:
    """A lock file.

    Parameters
    ----------
    path : path-like
        Made when something is recorded first.
    frozen : bool
        Whether questions that are not in it are errors; otherwise they are answered and recorded.

    Attributes
    ----------
    path : Path
    frozen : bool

    Notes
    -----
    Several processes may record in one file: each reads it anew and replaces it under a lock.
    """

    def __init__(self, path: str | PathLike[str], *, frozen: bool = False) -> None:
        self.path, self.frozen = Path(path), frozen
        if frozen and not self.path.is_file():
            raise CalibrationError("the lock file is not there", file=self.path, cure="Run without frozen=True first.")
        self.read()

    def read(self) -> dict[str, Any]:
        """Contents; empty ones if there is no file yet.

        Raises
        ------
        CalibrationError
            If it is no lock file.
        """
        empty: dict[str, Any] = {"format": _FORMAT, "version": _VERSION, "root": "", "wolter": __version__}
        empty |= {"indices": {}, "queries": {}, "files": {}}
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return empty
        except OSError as exc:
            raise CalibrationError(f"the lock file cannot be read: {exc.strerror}", file=self.path) from exc
        try:
            data = json.loads(text)
            good = data["format"] == _FORMAT and all(isinstance(data[k], dict) for k in ("indices", "queries", "files"))
        except (ValueError, KeyError, TypeError):
            good, data = False, {}
        if not good:
            raise CalibrationError(
                "this is not a lock file of the calibration database", file=self.path,
                cure="Name another file, or remove this one.",
            )  # fmt: skip
        if data.get("version") != _VERSION:
            raise CalibrationError(
                f"the lock file has version {data.get('version')}, this Wolter reads {_VERSION}", file=self.path,
                cure="Use the Wolter that wrote it, or make it anew.",
            )  # fmt: skip
        return data

    @property
    def root(self) -> str:
        """Root of the database that the files came from, "" if nothing is recorded yet."""
        return str(self.read()["root"])

    @property
    def files(self) -> dict[str, dict[str, Any]]:
        """Hash and size of each file by its place below the root."""
        return self.read()["files"]

    def answer(self, query: Query, root: str) -> Found | None:
        """What a query found when it was recorded; None if it was not.

        Raises
        ------
        CalibrationError
            If the lock is frozen and the query is not in it.
        """
        entry = self.read()["queries"].get(query.key())
        if entry is None:
            if self.frozen:
                raise CalibrationError(
                    f"the query {query.key()!r} is not in the lock file, which is frozen", file=self.path,
                    cure="Add it by running once without frozen=True.",
                )  # fmt: skip
            return None
        files = tuple(_from_record(r, root) for r in entry["files"])
        return Found(files, int(entry["total"]), query, entry.get("explanation", ""))

    def record_query(self, root: str, place: str, index: CalibrationIndex, found: Found) -> None:
        """Write down a query, its answer and the index it came from."""
        instrument = f"{found.query.telescop}/{found.query.instrume}"
        entry = {"index": index.sha256, "total": found.total, "files": [_record(f) for f in found.files]}
        if found.explanation:
            entry["explanation"] = found.explanation
        with self._change() as data:
            others = [s for s, one in data["indices"].items() if one["instrument"] == instrument and s != index.sha256]
            if others:
                warn(
                    f"{self.path}: the index {index.path} has changed since other questions were recorded: this one is"
                    " answered from the new one; version= pins an issue, a new lock file starts afresh"
                )
            data["root"] = data["root"] or root
            data["indices"][index.sha256] = {"instrument": instrument, "place": place, "version": index.version}
            data["queries"].setdefault(found.query.key(), entry)

    def record_files(self, paths: Mapping[str, Path]) -> None:
        """Write down hashes of files, by place, that are not in it yet; see `check` for those that are."""
        known = self.files
        new = {
            place: {"sha256": file_sha256(path), "size": path.stat().st_size}
            for place, path in paths.items()
            if place not in known
        }
        if new:
            with self._change() as data:
                for place, facts in new.items():
                    data["files"].setdefault(place, facts)

    def check(self, paths: Mapping[str, Path]) -> None:
        """Compare files with what is recorded of them.

        Raises
        ------
        CalibrationError
            If one is another than it was.
        """
        known = self.files
        for place, path in paths.items():
            if place not in known:
                if self.frozen:
                    raise CalibrationError(f"{place} is not in the lock file, which is frozen", file=self.path)
                continue
            have = file_sha256(path)
            if have != known[place]["sha256"]:
                raise CalibrationError(
                    f"this is not the file that the analysis used: SHA-256 {have} instead of"
                    f" {known[place]['sha256']} in {self.path}",
                    file=path,
                    cure="Restore the file (a copy in the cache: delete it, it is fetched again), or make a new lock"
                    " file.",
                )

    @contextlib.contextmanager
    def _change(self) -> Iterator[dict[str, Any]]:
        with _alone(self.path):
            data = self.read()
            yield data
            with atomic_path(self.path, overwrite=True) as temporary:
                temporary.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n", encoding="utf-8")


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Only one process at a time is here for a file."""
    try:
        import fcntl
    except ImportError:  # no such locks here
        yield
        return
    try:
        descriptor = os.open(path.with_name(f".{path.name}.guard"), os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as exc:
        raise OutputError(f"cannot write here: {exc.strerror}", file=path.parent) from exc
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _record(file: CalFile) -> dict[str, Any]:
    facts = {name: getattr(file, name) for name in _FACTS}
    return {"place": file.place, "ext": file.ext, **facts, "boundaries": [b.text for b in file.boundaries]}


def _from_record(record: Mapping[str, Any], root: str) -> CalFile:
    texts: Sequence[str] = record["boundaries"]
    bounds: tuple[Boundary, ...] = tuple(b for b in map(parse_boundary, texts) if b is not None)
    path = f"{root.rstrip('/')}/{record['place']}"
    return CalFile(record["place"], path, record["ext"], boundaries=bounds, **{k: record[k] for k in _FACTS})
