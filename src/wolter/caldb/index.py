"""Calibration index files (``caldb.indx``): reading, and building one from the headers of calibration files.

Format: OGIP memos CAL/GEN/92-008 (index) and CAL/GEN/92-011 (keywords CCLS, CDTP, CCNM, CBD, CVSD, CVST, CDES).
"""

from __future__ import annotations

import datetime
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter.caldb.boundary import Boundary, parse_boundary
from wolter.caldb.dates import day_of, fraction_of
from wolter.errors import CalibrationError, FitsError, ParameterError

__all__ = ["INDEX_NAME", "CalFile", "CalibrationIndex", "build_index", "index_rows"]

INDEX_NAME = "caldb.indx"
_TEXT = ("TELESCOP", "INSTRUME", "DETNAM", "FILTER", "CAL_CNAM", "CAL_DEV", "CAL_DIR", "CAL_FILE")
_COMPARED = ("TELESCOP", "INSTRUME", "DETNAM", "FILTER", "CAL_CNAM")
_NUMBERS = ("REF_TIME", "CAL_QUAL", "CAL_XNO")
_OPTIONAL = ("CAL_CLAS", "CAL_DTYP", "CAL_VSD", "CAL_VST", "CAL_DATE", "CAL_DESC")
_FREE = frozenset({"", "NONE"})
# Widths of text columns as caltools' crcif makes them; those of long values grow.
_WIDTHS = {
    "TELESCOP": 10, "INSTRUME": 10, "DETNAM": 20, "FILTER": 10, "CAL_DEV": 20, "CAL_DIR": 70, "CAL_FILE": 40,
    "CAL_CLAS": 3, "CAL_DTYP": 4, "CAL_CNAM": 20, "CAL_VSD": 10, "CAL_VST": 8, "CAL_DATE": 10, "CAL_DESC": 70,
}  # fmt: skip
_BOUNDARIES = 9
_BOUNDARY_WIDTH = 70
_MAGIC = (b"SIMPLE  =", b"\x1f\x8b", b"BZh", b"\xfd7zXZ")


@dataclass(frozen=True)
class CalFile:
    """One data set of the calibration database: a file and an extension in it.

    Attributes
    ----------
    place : str
        File below the root of the database.
    path : str
        Where it is: a path, or an address.
    ext : int
        Extension, counted from the primary HDU (0): the number that `wolter.fits` takes.
    telescop, instrume, detnam, filter, codename : str
    boundaries : tuple of Boundary
    ref_time : float
        MJD from which it is valid.
    quality : int
        0: good, 5: bad or superseded.
    device : str
        "ONLINE", or the medium it was moved to.
    description : str
    row : int
        Row of the index, from 0.
    """

    place: str
    path: str
    ext: int
    telescop: str
    instrume: str
    detnam: str
    filter: str
    codename: str
    boundaries: tuple[Boundary, ...]
    ref_time: float
    quality: int
    device: str = "ONLINE"
    description: str = ""
    row: int = -1

    @property
    def name(self) -> str:
        """Name of the file without folders."""
        return self.place.rpartition("/")[2]

    @property
    def online(self) -> bool:
        """Whether the file is on disk."""
        return self.device.upper() == "ONLINE"

    def boundary(self, name: str) -> Boundary | None:
        """Boundary of that name (any case), or None."""
        return next((b for b in self.boundaries if b.name == name.upper()), None)

    def line(self, path: str | None = None) -> str:
        """The line that ``quzcif`` prints: path and extension, and where it is if it is off line."""
        where = self.path if path is None else path
        return f"{'' if self.online else f'OFFLINE: {self.device} '}{where}{self.ext:4d}"


@dataclass(eq=False)
class CalibrationIndex:
    """The rows of one index.

    Attributes
    ----------
    path : str
        Where it was read.
    sha256 : str
    version : str
        Name under which this issue of the index is kept, "" where it is not known.
    columns : dict of str to array
        Values as they stand in the file.
    upper : dict of str to array
        Those that queries compare, in capitals.
    boundary_codes : int32[nrows, nbound]
        Number of each boundary in `boundary_texts`, -1 for none.
    boundary_texts : tuple of str
    """

    path: str
    sha256: str
    version: str
    columns: dict[str, NDArray[Any]]
    upper: dict[str, NDArray[Any]] = field(repr=False)
    boundary_codes: NDArray[np.int32] = field(repr=False)
    boundary_texts: tuple[str, ...] = field(repr=False)
    boundaries: tuple[Boundary, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.columns["REF_TIME"])

    def values(self, column: str) -> list[str]:
        """Different values of a compared column, in capitals."""
        return sorted(set(self.upper[column].tolist()) - {""})

    def row_boundaries(self, row: int) -> tuple[Boundary, ...]:
        """Boundaries of a row."""
        return tuple(self.boundaries[c] for c in self.boundary_codes[row] if c >= 0)

    def entry(self, row: int, root: str = "") -> CalFile:
        """One row as an object.

        Parameters
        ----------
        row : int
        root : str
            Root of the database, of which paths are made.
        """
        text = {name: str(self.columns[name][row]) for name in _TEXT}
        place = "/".join(p for p in f"{text['CAL_DIR']}/{text['CAL_FILE']}".split("/") if p)
        description = str(self.columns["CAL_DESC"][row]) if "CAL_DESC" in self.columns else ""
        return CalFile(
            place, f"{root.rstrip('/')}/{place}" if root else place, int(self.columns["CAL_XNO"][row]),
            text["TELESCOP"], text["INSTRUME"], text["DETNAM"], text["FILTER"], text["CAL_CNAM"],
            self.row_boundaries(row), float(self.columns["REF_TIME"][row]), int(self.columns["CAL_QUAL"][row]),
            text["CAL_DEV"] or "ONLINE", description, row,
        )  # fmt: skip

    @classmethod
    def read(cls, path: str | PathLike[str], *, name: str | None = None, version: str = "") -> CalibrationIndex:
        """Read an index.

        Parameters
        ----------
        path : path-like
        name : str, optional
            What to call it in messages, where the file is a copy.
        version : str
            Name of this issue.

        Raises
        ------
        CalibrationError
            If it cannot be read, is cut off, lacks a column that queries need, or has no rows.
        """
        shown = os.fspath(path) if name is None else name
        try:
            contents = Path(path).read_bytes()
        except OSError as exc:
            raise CalibrationError(f"the index cannot be read: {exc.strerror}", file=shown) from exc
        try:
            with fits.open(fits.FileName(Path(path))) as file:
                table = next((h for h in file if isinstance(h, fits.TableHDU)), None)
                if table is None:
                    raise CalibrationError("there is no table in it; this is no calibration index", file=shown)
                return cls._from_table(table, shown, hashlib.sha256(contents).hexdigest(), version)
        except FitsError as exc:
            cure = "Fetch it again, or build it with wolter.caldb.build_index."
            raise CalibrationError(f"the index is damaged: {exc.cause}", file=shown, hdu=exc.hdu, cure=cure) from exc

    @classmethod
    def _from_table(cls, table: fits.TableHDU, path: str, sha256: str, version: str) -> CalibrationIndex:
        missing = [c for c in (*_TEXT, *_NUMBERS, "CAL_CBD") if c not in table.columns]
        if missing:
            raise CalibrationError(
                f"the index has no column {', '.join(missing)}", file=path, hdu=table.label,
                cure="A calibration index has the columns of the OGIP memo CAL/GEN/92-008.",
            )  # fmt: skip
        if not table.nrows:
            raise CalibrationError("the index is empty", file=path, hdu=table.label)
        wanted = [*_TEXT, *_NUMBERS, "CAL_CBD", *(c for c in _OPTIONAL if c in table.columns)]
        read = table.read(wanted)
        for column in (*_TEXT, "CAL_CBD"):
            if read[column].dtype.kind not in "US":
                raise CalibrationError(f"column {column} is not text", file=path, hdu=table.label)
        for column in _NUMBERS:
            if read[column].dtype.kind not in "iuf" or read[column].ndim != 1:
                raise CalibrationError(f"column {column} does not hold one number per row", file=path, hdu=table.label)
        bounds = read.pop("CAL_CBD").reshape(table.nrows, -1)
        columns = {n: np.char.strip(v) if v.dtype.kind in "US" else v for n, v in read.items()}
        upper = {n: np.char.upper(columns[n]) for n in _COMPARED}
        codes, texts, parsed = _encode(bounds)
        return cls(path, sha256, version, columns, upper, codes, texts, parsed)


def _encode(bounds: NDArray[Any]) -> tuple[NDArray[np.int32], tuple[str, ...], tuple[Boundary, ...]]:
    """Numbers for the texts of boundaries: the same few stand in thousands of rows."""
    known: dict[str, int] = {"": -1, "NONE": -1}
    texts: list[str] = []
    parsed: list[Boundary] = []
    codes = np.empty(bounds.size, dtype=np.int32)
    for i, text in enumerate(bounds.ravel().tolist()):
        code = known.get(text)
        if code is None:
            boundary = parse_boundary(text)
            if boundary is None:
                code = -1
            else:
                code = len(texts)
                texts.append(text.strip())
                parsed.append(boundary)
            known[text] = code
        codes[i] = code
    return codes.reshape(bounds.shape), tuple(texts), tuple(parsed)


# --- building -----------------------------------------------------------------------------------------------------


def build_index(
    folder: str | PathLike[str],
    *,
    root: str | PathLike[str] | None = None,
    output: str | PathLike[str] | None = None,
    superseded: Iterable[str] = (),
    overwrite: bool = False,
) -> Path:
    """Make the index of a folder of calibration files from their headers.

    Every HDU with CCNMxxxx is one row (or several: 0001, 0002 ...). TELESCOP, INSTRUME, DETNAM and FILTER are taken
    from it or the primary HDU.

    Parameters
    ----------
    folder : path-like
        Searched with all folders inside.
    root : path-like, optional
        Root of the database, below which CAL_DIR is counted; by default the folder above a ``data`` folder on the
        way, else ``folder``.
    output : path-like, optional
        Where to write; by default ``caldb.indx`` in the folder.
    superseded : iterable of str
        Names of files that get quality 5: queries do not find them.
    overwrite : bool

    Returns
    -------
    Path
        The index.

    Raises
    ------
    CalibrationError
        If the folder is missing or holds no calibration files, or a file is damaged.
    OutputError
        If there is an index already, or it cannot be written.
    """
    home = Path(folder).absolute()
    if not home.is_dir():
        raise CalibrationError("there is no such folder", file=folder)
    top = _root_of(home) if root is None else Path(root).absolute()
    try:
        home.relative_to(top)
    except ValueError:
        raise CalibrationError(f"the folder is not below the root {top}", file=folder) from None
    old = {name.strip() for name in superseded}
    rows = [row for path in _files(home) for row in index_rows(path, top, old)]
    if not rows:
        raise CalibrationError(
            "no file in the folder has calibration keywords (CCNM0001 ...)", file=folder,
            cure="Calibration files say what they are: OGIP memo CAL/GEN/92-011.",
        )  # fmt: skip
    unknown = old - {row["CAL_FILE"] for row in rows}
    if unknown:
        raise CalibrationError(f"there is no file {', '.join(sorted(unknown))} in the folder", file=folder)
    target = home / INDEX_NAME if output is None else Path(output)
    fits.write(target, [fits.primary(), _table(rows)], overwrite=overwrite)
    return target


def _root_of(folder: Path) -> Path:
    parts = folder.parts
    return Path(*parts[: len(parts) - 1 - parts[::-1].index("data")]) if "data" in parts[1:] else folder


def _files(folder: Path) -> Iterator[Path]:
    for base, below, names in os.walk(folder, followlinks=True):
        below[:] = sorted(b for b in below if not b.startswith(".") and b != "index")
        for name in sorted(names):
            path = Path(base, name)
            if name.startswith((".", INDEX_NAME)) or not path.is_file():
                continue
            with path.open("rb") as stream:
                if stream.read(16).startswith(_MAGIC):
                    yield path


def index_rows(path: Path, root: Path, superseded: Iterable[str] = ()) -> Iterator[dict[str, Any]]:
    """Rows of the index for one file: values by column."""
    place = path.relative_to(root)
    with fits.open(fits.FileName(path)) as file:
        first: Any = None
        for hdu in file:
            first = hdu.header if first is None else first
            for number in range(1, 10000):
                if f"CCNM{number:04d}" not in hdu.header:
                    break
                yield _row(hdu, first, number, place, path.name in superseded)


def _row(hdu: Any, first: Mapping[str, Any], number: int, place: Path, old: bool) -> dict[str, Any]:
    header = hdu.header

    def text(key: str, default: str = "") -> str:
        value = header.get(key) if header.get(key) not in (None, "") else first.get(key)
        return default if value in (None, "") else str(value).strip()

    key = f"{number:04d}"
    date, clock = text(f"CVSD{key}", "1900-01-01"), text(f"CVST{key}", "00:00:00")
    try:
        reference = day_of(date.partition("T")[0]) + fraction_of(clock)
    except ParameterError as exc:
        raise CalibrationError(f"CVSD{key}, CVST{key}: {exc.cause}", file=place, hdu=hdu.label) from exc
    bounds = [text(f"CBD{n}{key}", "NONE") for n in range(1, _BOUNDARIES + 1)]
    return {
        "TELESCOP": text("TELESCOP"), "INSTRUME": text("INSTRUME"), "DETNAM": text("DETNAM", "NONE"),
        "FILTER": text("FILTER", "NONE"), "CAL_DEV": "ONLINE", "CAL_DIR": place.parent.as_posix(),
        "CAL_FILE": place.name, "CAL_CLAS": text(f"CCLS{key}"), "CAL_DTYP": text(f"CDTP{key}"),
        "CAL_CNAM": text(f"CCNM{key}"), "CAL_CBD": bounds, "CAL_XNO": hdu.index, "CAL_VSD": date, "CAL_VST": clock,
        "REF_TIME": reference, "CAL_QUAL": 5 if old else 0, "CAL_DATE": datetime.date.today().isoformat(),
        "CAL_DESC": text(f"CDES{key}"),
    }  # fmt: skip


def _table(rows: list[dict[str, Any]]) -> fits.TableHDU:
    data: dict[str, Any] = {}
    columns: dict[str, fits.Column] = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        if name == "CAL_CBD":
            width = max(_BOUNDARY_WIDTH, *(len(t) for v in values for t in v))
            columns[name] = fits.Column(name, f"{_BOUNDARIES * width}A", dim=f"({width},{_BOUNDARIES})")
        elif name in _WIDTHS:
            columns[name] = fits.Column(name, f"{max(_WIDTHS[name], *(len(v) for v in values))}A")
        else:
            columns[name] = fits.Column(name, "D" if name == "REF_TIME" else "I")
        data[name] = np.array(values)
    return fits.new_table("CIF", data, columns=columns, header={"CIFVERSN": "1992a"})
