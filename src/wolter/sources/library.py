"""The library: which observations there are, which of them saw a position, and every product made of them.

A library is a folder with an index (SQLite) and the products. Several processes may use it at once: a product that
one of them makes is waited for by the others, and a process that is killed leaves the old state or the new one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wolter import fits
from wolter.errors import DataError, OutputError, WolterError, suggest, warn
from wolter.sky import parse_position, separation
from wolter.sources._lock import locked
from wolter.sources.entries import ObservationEntry, describe_observation

if TYPE_CHECKING:
    from wolter.observation import Observation

__all__ = ["Library", "Product"]

_VERSION = 1
_MOST_OBJECTS, _MOST_BYTES = 256, 256 * 2**20  # what a library keeps in memory, however large the sample
_SCHEMA = """
CREATE TABLE IF NOT EXISTS observations (
    mission TEXT, obsid TEXT, path TEXT, ra REAL, dec REAL, radius REAL, start TEXT, exposure REAL,
    detectors TEXT, regions TEXT, files TEXT, PRIMARY KEY (mission, obsid));
CREATE INDEX IF NOT EXISTS by_dec ON observations (dec);
CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, size INTEGER, mtime INTEGER, sha256 TEXT);
CREATE TABLE IF NOT EXISTS products (
    key TEXT PRIMARY KEY, kind TEXT, path TEXT, size INTEGER, sha256 TEXT, obsid TEXT, detector TEXT,
    parameters TEXT, made TEXT DEFAULT CURRENT_TIMESTAMP);
"""


_Stamp = tuple[int, int, int]  # size, time and inode: a file that was replaced has another


@dataclass(frozen=True)
class Product:
    """A product in the library.

    Attributes
    ----------
    key : str
        Hash of what it was made from: kind, inputs and parameters.
    kind : str
        "image", "exposure map", ...
    path : Path
    obsid, detector : str
        Of the observation, empty for products of several.
    parameters : mapping
    made : str
        When, UTC.
    """

    key: str
    kind: str
    path: Path
    obsid: str
    detector: str
    parameters: Mapping[str, Any]
    made: str


@dataclass
class Library:
    """Observations and products in a folder.

    Parameters
    ----------
    folder : path-like
        Where the index and the products are kept; made if it does not exist.

    Notes
    -----
    A library holds no open file and no connection, so it can be sent to other processes; several threads may use one.
    What it remembers of files (hashes, images) is bound to their size and time, so that changes are seen.

    Examples
    --------
    >>> library = Library("products")                       # doctest: +SKIP
    >>> library.add("data/0201903501", "data/0404910601")   # doctest: +SKIP
    >>> library.covering("09:58:22 -11:03:35")              # doctest: +SKIP
    """

    folder: Path
    _checked: dict[str, tuple[Path, _Stamp]] = field(default_factory=dict, repr=False, compare=False)
    _digests: dict[str, tuple[_Stamp, str]] = field(default_factory=dict, repr=False, compare=False)
    _memory: OrderedDict[Any, Any] = field(default_factory=OrderedDict, repr=False, compare=False)

    def __init__(self, folder: str | PathLike[str]) -> None:
        self.__setstate__({"folder": Path(folder).absolute()})
        try:
            (self.folder / "products").mkdir(parents=True, exist_ok=True)
            (self.folder / "locks").mkdir(exist_ok=True)
        except OSError as exc:
            raise OutputError(
                f"the library's folder cannot be made: {exc.strerror or exc}",
                file=self.folder,
                cure="Choose a folder that you may write to.",
            ) from exc
        with self._index() as db:
            db.executescript(_SCHEMA)

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.folder = state["folder"]
        self._checked, self._digests = {}, {}
        self._memory, self._bytes, self._guard = OrderedDict(), 0, threading.Lock()

    # ---------------------------------------------------------------- the index

    @property
    def index(self) -> Path:
        """The SQLite file."""
        return self.folder / "index.sqlite"

    @contextlib.contextmanager
    def _index(self) -> Iterator[sqlite3.Connection]:
        """A connection for one transaction: committed at the end, rolled back on any error."""
        try:
            db = sqlite3.connect(self.index, timeout=60.0)
            try:
                db.row_factory = sqlite3.Row
                version = db.execute("PRAGMA user_version").fetchone()[0]
                if version not in (0, _VERSION):
                    raise DataError(
                        f"the library was written by a newer Wolter (index version {version}, known {_VERSION})",
                        file=self.index,
                        cure="Update Wolter, or use another folder.",
                    )
                if version == 0:
                    db.execute(f"PRAGMA user_version = {_VERSION}")
                with db:
                    yield db
            finally:
                db.close()
        except sqlite3.DatabaseError as exc:
            full = "full" in str(exc).lower()
            broken = "malformed" in str(exc).lower() or "not a database" in str(exc).lower()
            cure = "Free some space, then run again: what was made is kept." if full else None
            if broken:
                cure = "Remove the index and add the observations again; products are made anew when asked for."
            raise OutputError(f"the library's index cannot be used: {exc}", file=self.index, cure=cure) from exc

    # ---------------------------------------------------------------- observations

    def add(
        self, *paths: str | PathLike[str] | Sequence[str | PathLike[str]], regions: str | PathLike[str] | None = None
    ) -> list[ObservationEntry]:
        """Take observations into the index.

        Parameters
        ----------
        *paths : path-like, or sequence of path-like
            Folder of an observation; a folder of such folders; or the files of one observation, wherever they are.
        regions : path-like, optional
            Region file of the sources detected in it; by default the one found in the folder.

        Returns
        -------
        list of ObservationEntry

        Raises
        ------
        MissionError
            If a folder holds no observation.
        DataError
            If an observation does not say where it points.
        """
        places: list[Path | list[Path]] = []
        for path in paths:
            if isinstance(path, (str, PathLike)):
                places += _observation_folders(Path(path))
            else:
                places.append([Path(part) for part in path])
        found = [describe_observation(place, regions) for place in places]
        rows = [entry.row() for entry in found]
        with self._index() as db:
            db.executemany("INSERT OR REPLACE INTO observations VALUES (?,?,?,?,?,?,?,?,?,?,?)", rows)
        return found

    def observations(self, *, mission: str | None = None) -> list[ObservationEntry]:
        """All observations, by mission and number."""
        with self._index() as db:
            rows = db.execute("SELECT * FROM observations ORDER BY mission, obsid").fetchall()
        return [ObservationEntry.of(row) for row in rows if mission is None or row["mission"] == mission]

    def observation(self, obsid: str, *, mission: str | None = None) -> ObservationEntry:
        """Observation by its number.

        Raises
        ------
        DataError
            If there is none, or two missions have one of this number.
        """
        known = self.observations(mission=mission)
        found = [entry for entry in known if entry.obsid == obsid]
        if not found:
            raise DataError(
                f"the library has no observation {obsid!r}",
                file=self.folder,
                cure=suggest(obsid, [e.obsid for e in known]) or "Add its folder with Library.add.",
            )
        if len(found) > 1:
            raise DataError(
                f"{' and '.join(e.mission for e in found)} have an observation {obsid}", cure="Name the mission too."
            )
        return found[0]

    def covering(
        self, position: Any, *, mission: str | Sequence[str] | None = None, margin: Any = None
    ) -> list[ObservationEntry]:
        """Observations whose field of view holds a position, nearest pointing first.

        Parameters
        ----------
        position : str, SkyCoord or pair of Quantity
            As for `wolter.circle`.
        mission : str or sequence of str, optional
            Only of these.
        margin : Quantity, optional
            Angle by which the field may be missed.
        """
        from wolter.units import to_deg

        extra = 0.0 if margin is None else to_deg(margin, "margin")
        return self.seeing(*parse_position(position), mission=mission, margin=extra)

    def seeing(
        self, ra: float, dec: float, *, mission: str | Sequence[str] | None = None, margin: float = 0.0
    ) -> list[ObservationEntry]:
        """`covering` for a position (FK5) and a margin in degrees."""
        wanted = None if mission is None else {mission} if isinstance(mission, str) else set(mission)
        with self._index() as db:
            rows = db.execute(
                "SELECT * FROM observations WHERE dec BETWEEN ? - radius - ? AND ? + radius + ?",
                (dec, margin, dec, margin),
            ).fetchall()
        near = []
        for entry in map(ObservationEntry.of, rows):
            distance = separation(ra, dec, entry.ra, entry.dec)
            if distance <= entry.radius + margin and (wanted is None or entry.mission in wanted):
                near.append((distance, entry.obsid, entry))
        return [entry for _, _, entry in sorted(near, key=lambda n: n[:2])]

    # ---------------------------------------------------------------- products

    def key(self, kind: str, inputs: Sequence[str | PathLike[str]], parameters: Mapping[str, Any]) -> str:
        """Hash of what a product is made from: the contents of its inputs, and its parameters."""
        hashes = self._hashes([Path(p).absolute() for p in inputs])
        text = json.dumps([_VERSION, kind, hashes, parameters], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def _hashes(self, paths: Sequence[Path]) -> list[str]:
        """SHA-256 of files, taken from the index where size and time have not changed."""
        stamps: dict[str, _Stamp] = {}
        for path in paths:
            try:
                stamps[str(path)] = _stamp(path)
            except OSError as exc:
                raise DataError(f"an input is missing: {exc.strerror or exc}", file=path) from exc
        if all(path in self._digests and self._digests[path][0] == stamp for path, stamp in stamps.items()):
            return [self._digests[str(path)][1] for path in paths]
        marks = ",".join("?" * len(stamps))
        with self._index() as db:
            rows = db.execute(f"SELECT * FROM files WHERE path IN ({marks})", list(stamps)).fetchall()
        known = {r["path"]: r["sha256"] for r in rows if stamps[r["path"]][:2] == (r["size"], r["mtime"])}
        new = {path: fits.file_sha256(path) for path in stamps if path not in known}
        if new:
            with self._index() as db:
                db.executemany(
                    "INSERT OR REPLACE INTO files VALUES (?,?,?,?)",
                    [(path, *stamps[path][:2], digest) for path, digest in new.items()],
                )
        known |= new
        self._digests.update({path: (stamps[path], digest) for path, digest in known.items()})
        return [known[str(path)] for path in paths]

    def product(
        self,
        kind: str,
        inputs: Sequence[str | PathLike[str]],
        parameters: Mapping[str, Any],
        make: Callable[[Path], Any],
        *,
        obsid: str = "",
        detector: str = "",
        suffix: str = ".fits",
    ) -> Path:
        """Path of a product, made now if the library does not hold it.

        Parameters
        ----------
        kind : str
            What it is.
        inputs : sequence of path-like
            Files it is made from; their contents are part of its key.
        parameters : mapping
            Everything else it depends on; must be JSON.
        make : callable
            ``make(path)`` writes it to an empty file that is there already.
        obsid, detector : str
            For the listing.
        suffix : str
            Of its file name.

        Returns
        -------
        Path
            A file whose contents were verified. Of several processes that ask for the same product one makes it.

        Raises
        ------
        OutputError
            If it cannot be written; whatever the library held is untouched.
        """
        key = self.key(kind, inputs, parameters)
        held = self._held(key)
        if held is not None:
            return held
        with locked(self.folder / "locks" / key):
            held = self._held(key, say=True)  # another process may have made it meanwhile
            if held is not None:
                return held
            path = self.folder / "products" / key[:2] / (key + suffix)
            path.parent.mkdir(exist_ok=True)
            with fits.atomic_path(path, overwrite=True) as temporary:
                make(temporary)
                size, digest = temporary.stat().st_size, fits.file_sha256(temporary)
            text = json.dumps(parameters, sort_keys=True, default=str)
            where = str(path.relative_to(self.folder))
            with self._index() as db:
                db.execute(
                    "INSERT OR REPLACE INTO products (key, kind, path, size, sha256, obsid, detector, parameters) "
                    "VALUES (?,?,?,?,?,?,?,?)",
                    (key, kind, where, size, digest, obsid, detector, text),
                )
            self._checked[key] = (path, _stamp(path))
            return path

    def _held(self, key: str, *, say: bool = False) -> Path | None:
        """Path of a product that is there and whole; None if it is to be made."""
        if key in self._checked:
            path, stamp = self._checked[key]
            with contextlib.suppress(OSError):
                if _stamp(path) == stamp:
                    return path
        with self._index() as db:
            row = db.execute("SELECT * FROM products WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        path = self.folder / row["path"]
        try:
            stamp = _stamp(path)
        except OSError:
            problem = "is missing"
        else:
            if stamp[0] == row["size"] and fits.file_sha256(path) == row["sha256"]:
                self._checked[key] = (path, stamp)
                return path
            problem = "is damaged"
        if say:
            warn(
                f"{path}: the {row['kind']} {row['obsid']} {row['detector']}".rstrip() + f" {problem}; it is made again"
            )
        return None

    # ---------------------------------------------------------------- what is kept in memory

    def open(self, entry: ObservationEntry) -> Observation:
        """The observation of an entry; the last few stay open, since sorting the files of a folder takes a while."""
        return self.remembered(("observation", entry.path, entry.files), entry.open)

    def load(self, path: str | PathLike[str], kind: Any) -> Any:
        """Product read from a file (``kind.read(path)``); the last few stay in memory."""
        path = Path(path)
        return self.remembered((str(path), kind.__name__, _stamp(path)), lambda: kind.read(path))

    def remembered(self, key: Any, make: Callable[[], Any]) -> Any:
        """Value of a key, made if it is not among those last asked for.

        So many are kept as make up 256 MB of arrays, and at most 256: a sample of any size takes no more.
        """
        with self._guard:
            if key in self._memory:
                self._memory.move_to_end(key)
                return self._memory[key][0]
        value = make()  # two threads may make the same: cheaper than having one wait while others read
        size = _array_bytes(value)
        with self._guard:
            if key in self._memory:
                return self._memory[key][0]
            self._memory[key] = (value, size)
            self._bytes += size
            while len(self._memory) > 1 and (len(self._memory) > _MOST_OBJECTS or self._bytes > _MOST_BYTES):
                _, (_, freed) = self._memory.popitem(last=False)
                self._bytes -= freed
        return value

    def forget(self) -> None:
        """Drop what is kept in memory; files stay."""
        with self._guard:
            self._memory.clear()
            self._bytes = 0

    def products(self, *, kind: str | None = None, obsid: str | None = None) -> list[Product]:
        """Products in the index, oldest first."""
        with self._index() as db:
            rows = db.execute("SELECT * FROM products ORDER BY rowid").fetchall()
        return [
            Product(
                r["key"],
                r["kind"],
                self.folder / r["path"],
                r["obsid"],
                r["detector"],
                json.loads(r["parameters"]),
                r["made"],
            )
            for r in rows
            if (kind is None or r["kind"] == kind) and (obsid is None or r["obsid"] == obsid)
        ]

    def __len__(self) -> int:
        with self._index() as db:
            return int(db.execute("SELECT COUNT(*) FROM observations").fetchone()[0])

    def __repr__(self) -> str:
        with self._index() as db:
            made = db.execute("SELECT COUNT(*) FROM products").fetchone()[0]
        return f"<Library {self.folder}: {len(self)} observations, {made} products>"


def _stamp(path: Path) -> _Stamp:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino


def _array_bytes(value: Any) -> int:
    """Bytes of the pixels that a value holds (a rate map has an image and a map too); other things are small."""
    parts = (value, getattr(value, "image", None), getattr(value, "exposure", None))
    return sum(int(getattr(getattr(part, "data", None), "nbytes", 0)) for part in parts)


def _observation_folders(path: Path) -> Iterable[Path]:
    """The folder itself, or those inside it that hold one observation each."""
    from wolter.observation import Observation

    if not path.exists():
        raise DataError("no such file or folder", file=path)
    inside = sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith(".")) if path.is_dir() else []
    try:
        Observation(path)
    except WolterError:
        if not inside:
            raise
        found = []
        for folder in inside:
            with contextlib.suppress(WolterError):
                Observation(folder)
                found.append(folder)
        if not found:
            raise
        return found
    return [path]
