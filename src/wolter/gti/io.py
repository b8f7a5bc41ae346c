"""Reading and writing good time intervals.

Source of the format: OGIP memo on FITS event lists (HDUCLAS1 = 'GTI', columns START and STOP in seconds of the file's
time system, TIMEZERO added to both).
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter import fits
from wolter.errors import FitsError, GTIError, OutputError
from wolter.gti.intervals import GTI

if TYPE_CHECKING:
    from wolter.fits import TableHDU

__all__ = ["gti_hdu", "is_gti", "read_all_gtis", "read_gti", "write_gti"]

_PREFERRED = ("GTI", "STDGTI")
_SECONDS = {"": 1.0, "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "d": 86400.0, "day": 86400.0}
_SECONDS |= {"days": 86400.0, "min": 60.0, "h": 3600.0, "ms": 1e-3}

# What a GTI extension inherits: whose data these are and how their times are counted.
_IDENTITY = (
    *("TELESCOP", "INSTRUME", "DETNAM", "FILTER", "OBS_ID", "OBS_MODE", "DATAMODE", "OBJECT"),
    *("RA_OBJ", "DEC_OBJ", "RA_PNT", "DEC_PNT", "PA_PNT", "EQUINOX", "RADECSYS"),
    *("DATE-OBS", "TIME-OBS", "DATE-END", "TIME-END", "TIMESYS", "MJDREF", "MJDREFI", "MJDREFF", "TIMEREF"),
    *("TASSIGN", "TIERRELA", "TIERABSO", "CLOCKAPP", "PREFR", "POSTFR"),
)


def is_gti(hdu: Any) -> bool:
    """Whether an HDU is a table of good time intervals: HDUCLAS1 = GTI or GTI in its name, with START and STOP."""
    columns = getattr(hdu, "columns", None)
    if columns is None:
        return False
    named = "GTI" in str(hdu.name).upper() or str(hdu.header.get("HDUCLAS1", "")).strip().upper() == "GTI"
    return named and "START" in columns and "STOP" in columns


def read_gti(source: Any, ext: str | int | None = None, *, allow_empty: bool = False) -> GTI:
    """Read good time intervals.

    Parameters
    ----------
    source : str, Path, FitsFile or TableHDU
        A FITS file (``file.fits[STDGTI]`` names the extension), an open file, a GTI extension, or a text file with two
        columns: start and stop in s, lines that begin with ``#`` or ``!`` left out.
    ext : str or int, optional
        Extension. Without it: the one called GTI or STDGTI, else the only GTI extension of the file.
    allow_empty : bool
        Accept an extension without rows.

    Returns
    -------
    GTI
        With TIMEZERO added, and the extension's header.

    Raises
    ------
    GTIError
        No GTI extension, several and no way to choose, no rows, NaN, or an interval that ends before it starts.
    FitsError
        The file cannot be read.
    """
    if isinstance(source, (str, PathLike)):
        path = Path(fits.parse_name(fspath(source)).path)
        if _is_text(path):
            return _read_text(path, allow_empty)
        name = fspath(source) if ext is None else path
        with fits.open(name) as file:
            asked = file.filename.ext if ext is None else ext
            hdu = _choose(file, asked, file.filename.ver if ext is None else None)
            return _read_hdu(hdu, path, allow_empty)
    if hasattr(source, "columns"):
        return _read_hdu(source, getattr(source, "file", None), allow_empty)
    return _read_hdu(_choose(source, ext, None), source.path, allow_empty)


def read_all_gtis(source: Any) -> dict[str, GTI]:
    """Every GTI extension of a file by name (``name:version`` where a name occurs again).

    Some missions write one extension per CCD, and those of flare screening beside them; which of them apply is for the
    caller to say (`GTI.union`, ``&``).

    Parameters
    ----------
    source : str, Path or FitsFile

    Returns
    -------
    dict of str to GTI
        Empty extensions give empty intervals.

    Raises
    ------
    GTIError
        There is none, or one is damaged.
    """
    if isinstance(source, (str, PathLike)):
        with fits.open(source) as file:
            return read_all_gtis(file)
    found: dict[str, GTI] = {}
    for hdu in source.hdus:
        if is_gti(hdu):
            key = hdu.name if hdu.name not in found else f"{hdu.name}:{hdu.ver}"
            key = key if key not in found else f"{key}#{hdu.index}"
            found[key] = _read_hdu(hdu, source.path, allow_empty=True)
    if not found:
        raise _none_found(source)
    return found


def _choose(file: Any, ext: str | int | None, ver: int | None) -> Any:
    if ext is not None:
        hdu = file[ext] if ver is None else file[ext, ver]
        columns = getattr(hdu, "columns", ())
        if "START" not in columns or "STOP" not in columns:
            names = ", ".join(list(columns)[:20]) or "no columns"
            raise GTIError(
                f"this is no GTI extension: it has {names}", file=file.path, hdu=ext, cure="START and STOP are needed."
            )
        return hdu
    for name in _PREFERRED:  # without a walk through the whole file where the usual names are present
        hdu = file.get(name)
        if hdu is not None and is_gti(hdu):
            return hdu
    found = [hdu for hdu in file.hdus if is_gti(hdu)]
    if not found:
        raise _none_found(file)
    if len(found) > 1:
        names = ", ".join(hdu.name for hdu in found)
        raise GTIError(
            f"there are {len(found)} GTI extensions: {names}",
            file=file.path,
            cure=f"Choose one with ext={found[0].name!r}, or read all of them with wolter.gti.read_all_gtis.",
        )
    return found[0]


def _none_found(file: Any) -> GTIError:
    names = ", ".join(str(h.name) or f"HDU {h.index}" for h in file.hdus)
    return GTIError(
        f"there is no GTI extension; the file has {names}",
        file=file.path,
        cure="A table with HDUCLAS1 = 'GTI' or GTI in its name and columns START and STOP is needed.",
    )


def _read_hdu(hdu: Any, path: Any, allow_empty: bool) -> GTI:
    place = {"file": path, "hdu": hdu.name or hdu.index}
    for name in ("START", "STOP"):
        if name not in hdu.columns:
            names = ", ".join(list(hdu.columns)[:20])
            raise GTIError(f"there is no column {name}; the table has {names}", cure="Choose a GTI extension.", **place)
    if not hdu.nrows and not allow_empty:
        raise GTIError(
            "there are no good time intervals in it", cure="Nothing was observed, or screening left nothing.", **place
        )
    zero = _time_zero(hdu.header, place)
    data = hdu.read(["START", "STOP"])
    limits = []
    for name in ("START", "STOP"):
        unit = hdu.columns[name].unit.strip()
        if unit.lower() not in _SECONDS:
            raise GTIError(f"column {name} is in {unit!r}, not in seconds", cure="Correct TUNIT.", **place)
        values = np.asarray(data[name], dtype=np.float64)
        limits.append(values * _SECONDS[unit.lower()] + zero)
    try:
        return GTI(*limits, header=hdu.header)
    except GTIError as error:
        raise GTIError(error.cause, cure=error.cure, **place) from None


def _time_zero(header: Mapping[str, Any], place: Mapping[str, Any]) -> float:
    """TIMEZERO, or TIMEZERI + TIMEZERF (s)."""
    parts = ["TIMEZERO"] if header.get("TIMEZERO") is not None else ["TIMEZERI", "TIMEZERF"]
    total = 0.0
    for key in parts:
        try:
            total += float(header.get(key) or 0.0)
        except (TypeError, ValueError):
            raise GTIError(
                f"{key} = {header.get(key)!r} is not a number", cure="Correct the keyword.", **place
            ) from None
    return total


# -- text ------------------------------------------------------------------------------------------------------------
def _is_text(path: Path) -> bool:
    """Whether a file does not begin as FITS does, plain or compressed; a missing file is left to `fits.open`."""
    try:
        with path.open("rb") as stream:
            head = stream.read(512)
        if head[:2] == b"\x1f\x8b":
            with gzip.open(path) as stream:
                head = stream.read(9)
    except (OSError, EOFError):
        return False
    return bool(head) and not head.startswith(b"SIMPLE") and head.isascii() and b"\0" not in head


def _read_text(path: Path, allow_empty: bool) -> GTI:
    start, stop = [], []
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise FitsError(f"the file cannot be read ({error.strerror})", file=path) from error
    for number, line in enumerate(lines, start=1):
        words = line.replace(",", " ").split()
        if not words or words[0][0] in "#!;%":
            continue
        try:
            lo, hi = (float(word) for word in words)
        except ValueError:
            raise GTIError(
                f"line {number} is not two numbers: {line.strip()[:60]!r}",
                file=path,
                cure="Each line holds start and stop of an interval in s; comments begin with #.",
            ) from None
        start.append(lo)
        stop.append(hi)
    if not start and not allow_empty:
        raise GTIError("there are no good time intervals in it", file=path, cure="Each line holds start and stop in s.")
    try:
        return GTI(start, stop)
    except GTIError as error:
        raise GTIError(error.cause, file=path, cure=error.cure) from None


# -- writing ---------------------------------------------------------------------------------------------------------
def gti_hdu(gti: GTI, name: str = "GTI", *, header: Mapping[str, Any] | None = None) -> TableHDU:
    """Table HDU of good time intervals.

    Parameters
    ----------
    gti : GTI
    name : str
        EXTNAME, usually GTI or STDGTI.
    header : mapping, optional
        Where to take the keywords of the observation and of its time system from; by default `gti.header`.

    Returns
    -------
    TableHDU
        START and STOP (1D, s); HDUCLASS OGIP, HDUCLAS1 GTI, HDUCLAS2 STANDARD; TIMEZERO 0.

    Raises
    ------
    GTIError
        An interval is infinite.
    """
    if not np.all(np.isfinite(gti.start)) or not np.all(np.isfinite(gti.stop)):
        raise GTIError("an interval without an end cannot be written", cure="Limit it with .clip(lo, hi).")
    source = header if header is not None else (gti.header or {})
    cards: list[tuple] = [
        ("HDUCLASS", "OGIP", "format conforms to OGIP standard"),
        ("HDUCLAS1", "GTI", "good time intervals"),
        ("HDUCLAS2", "STANDARD", "standard good time intervals"),
        ("HDUVERS", "1.2.0", "version of the format"),
    ]
    for key in _IDENTITY:
        value = source.get(key)
        if value is not None:
            cards.append((key, value, _comment(source, key)))
    cards.append(("TIMEUNIT", "s", "unit of the times in this table"))
    cards.append(("TIMEZERO", 0.0, "[s] to be added to the times"))
    if len(gti):
        cards.append(("TSTART", gti.span[0], "[s] start of the first interval"))
        cards.append(("TSTOP", gti.span[1], "[s] end of the last interval"))
    cards.append(("ONTIME", gti.exposure, "[s] sum of the intervals"))
    return fits.new_table(
        name,
        {"START": np.array(gti.start), "STOP": np.array(gti.stop)},
        units={"START": "s", "STOP": "s"},
        header=fits.Header(cards),
    )


def _comment(source: Any, key: str) -> str | None:
    comment = getattr(source, "comment", None)
    return (str(comment(key)) or None) if callable(comment) else None


def write_gti(
    gti: GTI,
    path: str | PathLike[str],
    *,
    name: str = "GTI",
    header: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write good time intervals, as FITS or (``.txt``, ``.gti.txt``) as text.

    Raises
    ------
    OutputError
        The file exists and `overwrite` is False, or the folder cannot be written to.
    GTIError
        An interval is infinite.
    """
    path = Path(path)
    if path.suffix.lower() == ".txt":
        lines = ["# start  stop  (s)", *(f"{lo!r} {hi!r}" for lo, hi in gti)]
        with fits.atomic_path(path, overwrite=overwrite) as temporary:
            try:
                Path(temporary).write_text("\n".join(lines) + "\n", encoding="ascii")
            except OSError as error:
                raise OutputError(f"the file cannot be written ({error.strerror})", file=path) from error
        return path
    fits.write(path, [fits.primary(), gti_hdu(gti, name, header=header)], overwrite=overwrite)
    return path
