"""Reading spectra (OGIP/92-007 and 92-007a), types I and II."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter.data.checks import check_background, check_responses
from wolter.data.rmf import RMF, keyword
from wolter.data.spectrum import Spectrum
from wolter.errors import DataError, ResponseError, warn

if TYPE_CHECKING:
    from wolter.data.arf import ARF

__all__ = ["COLUMN_KEYWORDS", "XFLT", "is_spectrum", "locate", "parse_xflt", "read_spectrum", "split_name"]

XFLT = re.compile(r"XFLT\d{4}\Z")
# Quantities that are columns, or keywords where they are the same for all channels.
COLUMN_KEYWORDS = ("STAT_ERR", "SYS_ERR", "QUALITY", "GROUPING", "AREASCAL", "BACKSCAL", "COUNTS", "RATE", "CHANNEL")


def is_spectrum(header: fits.Header) -> bool:
    """Whether a table's header announces a spectrum."""
    return keyword(header, "HDUCLAS1").upper() == "SPECTRUM" or keyword(header, "EXTNAME").upper() == "SPECTRUM"


# --- one row or one table --------------------------------------------------------------------------------------------


class _Source:
    """A spectrum in a table: columns, or one row of a type II file, or keywords in their place."""

    def __init__(self, table: Any, path: Path, row: int | None) -> None:
        self.table, self.path, self.header = table, path, table.header
        self.row: int | None = None
        main = next((c for c in ("RATE", "COUNTS") if c in table), None)
        if main is None:
            raise self.error(
                f"there is neither a column COUNTS nor RATE; the table has {', '.join(table.columns)}",
                "This is not a spectrum by OGIP/92-007.",
            )
        self.is_rate = main == "RATE"
        field = table.field(main) if not table.in_memory else None
        several = bool(field and (field.inner or field.heap)) or "SPEC_NUM" in table
        if several or keyword(self.header, "HDUCLAS4").upper() == "TYPE:II":
            self.row = self._row_of(row)
        elif row is not None:
            raise self.error(f"row {row} is asked for, but the file holds one spectrum only", "Leave out the braces.")
        self.main = main

    def _row_of(self, row: int | None) -> int:
        n = self.table.nrows
        if row is None and n == 1:
            return 0
        if row is None:
            raise self.error(
                f"the file holds {n} spectra (type II)",
                f"Say which: {self.path.name}{{1}} to {self.path.name}{{{n}}}.",
            )
        if not 1 <= row <= n:
            raise self.error(f"there is no spectrum {row}; the file holds {n}")
        return row - 1

    def error(self, cause: str, cure: str | None = None) -> DataError:
        return DataError(cause, file=self.path, hdu=self.table.label, cure=cure)

    def column(self, name: str) -> Any:
        """Values of a column (of this spectrum's row in a type II file), or None."""
        if name not in self.table:
            return None
        if self.row is None:
            return self.table.read(name)
        return self.table.read(name, rows=slice(self.row, self.row + 1))[0]

    def value(self, name: str, default: Any = None) -> Any:
        """A single value: the column's in a type II file, else the keyword's."""
        if self.row is not None and name in self.table:
            return self.column(name)
        return self.header.get(name, default)

    def per_channel(self, name: str) -> Any:
        """Array by channel from a column, a single value from a column of a type II file or a keyword, or None."""
        got = self.column(name)
        if got is None:
            got = self.header.get(name)
            return None if got is None or isinstance(got, str) else float(got)
        return got if np.ndim(got) else float(got)

    def text(self, name: str, default: str = "none") -> str:
        """Name of a file."""
        text = str(self.value(name, default) or default).strip()
        return "none" if text.lower().startswith("none") or not text else text

    def flag(self, name: str) -> bool | None:
        """Logical keyword, also where it is written as text."""
        got = self.value(name)
        if isinstance(got, str):
            return got.strip().upper()[:1] in ("T", "Y")
        return None if got is None else bool(got)


def _spectrum_table(file: fits.FitsFile) -> Any:
    """The SPECTRUM extension; HDUs behind it are not looked at where its name is the usual one."""
    if file.filename.ext is not None:
        asked = file.hdu
        if not isinstance(asked, fits.TableHDU):
            raise asked.error("this HDU is an image, a spectrum is a table")
        return asked
    other = None
    for hdu in file:
        if isinstance(hdu, fits.TableHDU) and is_spectrum(hdu.header):
            if hdu.name.upper() == "SPECTRUM":
                return hdu
            other = other or hdu
    if other is not None:
        return other
    raise DataError(
        f"there is no SPECTRUM extension; the file has {', '.join(h.label for h in file.hdus)}",
        file=file.path,
        cure="This is not a spectrum; extract one from the events, or name the extension: file[NAME].",
    )


# --- channels --------------------------------------------------------------------------------------------------------


def _channels(source: _Source) -> tuple[NDArray[np.int64], NDArray[np.int64], slice]:
    """All channel numbers, positions of the listed ones among them, and the extent that the file covers.

    The first legal channel is TLMIN of the column CHANNEL, else 0 or 1, whichever the listed numbers allow (XSPEC's
    rule); their number is DETCHANS, else TLMAX - TLMIN + 1, else that of the listed ones.
    """
    listed = source.column("CHANNEL")
    if listed is None:
        if source.row is None:
            raise source.error(
                f"there is no column CHANNEL; the table has {', '.join(source.table.columns)}",
                "This is not a spectrum by OGIP/92-007.",
            )
        size = np.size(source.column(source.main))
        listed = np.arange(size) + int(source.header.get("TLMIN1", 1))
    listed = np.atleast_1d(np.asarray(listed)).astype(np.int64)
    if not len(listed):
        raise source.error("the spectrum has no channels")
    limits = source.table.columns["CHANNEL"].keywords if "CHANNEL" in source.table else {}
    first = limits.get("TLMIN")
    first = (0 if listed.min() == 0 else 1) if first is None else int(first)
    number = source.header.get("DETCHANS")
    if number is None and limits.get("TLMAX") is not None:
        number = int(limits["TLMAX"]) - first + 1
    n = len(listed) if number is None else int(number)
    place = listed - first
    if len(np.unique(place)) != len(place):
        raise source.error("a channel is listed twice in the column CHANNEL")
    if place.min() < 0 or place.max() >= n:
        raise source.error(
            f"channels {listed.min()} to {listed.max()} are listed, but those of the detector are {first} to "
            f"{first + n - 1}",
            "TLMIN of the column CHANNEL or DETCHANS is wrong.",
        )
    return np.arange(first, first + n), place, slice(int(place.min()), int(place.max()) + 1)


def _spread(values: Any, place: NDArray[np.int64], n: int, fill: float = 0.0) -> Any:
    """Array over all channels of values at the listed ones; single values stay single."""
    if values is None or np.ndim(values) == 0:
        return values
    if np.size(values) != len(place):
        raise DataError(f"{len(place)} channels but {np.size(values)} values")
    out = np.full(n, fill, dtype=np.asarray(values).dtype if np.asarray(values).dtype.kind in "iu" else float)
    out[place] = values
    return out


def _scale(source: _Source, name: str) -> Any:
    """AREASCAL or BACKSCAL; a value that is missing or not positive becomes 1, with a warning (ogip, XSPEC)."""
    got = source.per_channel(name)
    if got is None:
        warn(f"{source.path}: there is no {name}; it is taken to be 1")
        return 1.0
    wrong = np.asarray(got) <= 0
    if wrong.any():
        warn(
            f"{source.path}: {name} is not positive{'' if np.ndim(got) == 0 else f' in {int(wrong.sum())} channels'}; "
            "it is taken to be 1 there"
        )
        got = np.where(wrong, 1.0, got)
    return got if np.ndim(got) else float(got)


def _errors(source: _Source) -> tuple[bool, Any]:
    """POISSERR and STAT_ERR by XSPEC's rules."""
    poisson = source.flag("POISSERR")
    stat_err = source.column("STAT_ERR")
    if poisson and stat_err is not None:
        warn(f"{source.path}: POISSERR is true and there is a column STAT_ERR; the errors are taken to be Poisson's")
        stat_err = None
    elif not poisson and stat_err is None:
        told = "POISSERR is missing" if poisson is None else "POISSERR is false"
        warn(f"{source.path}: {told} and there is no column STAT_ERR; statistical errors are taken to be 0")
    return bool(poisson), stat_err


def parse_xflt(header: fits.Header) -> dict[str, float]:
    """Filter keys of a header: XFLTnnnn = 'key: value', keys in lower case; a bare number n gets the key "keyn".

    Entries that hold neither are left out with a warning.
    """
    out: dict[str, float] = {}
    for name in header:
        if not XFLT.match(name):
            continue
        text = str(header[name])
        key, colon, value = text.rpartition(":")
        try:
            out[key.strip().lower() if colon else f"key{int(name[4:])}"] = float(value)
        except ValueError:
            warn(f"{name} = {text!r} is not 'key: value'; it is left out")
    return out


# --- reading ---------------------------------------------------------------------------------------------------------


def read_spectrum(
    path: str | PathLike[str] | fits.FileName,
    *,
    rmf: RMF | str | PathLike[str] | None = None,
    arf: ARF | str | PathLike[str] | None = None,
    background: Spectrum | str | PathLike[str] | None = None,
    follow: bool = True,
    allow_mismatch: bool = False,
    allow_empty: bool = False,
    cache: dict[Any, Any] | None = None,
) -> Spectrum:
    """Read a spectrum and the responses and background that belong to it.

    Parameters
    ----------
    path : path-like
        ``file{3}`` takes spectrum 3 of a type II file.
    rmf, arf, background : path-like, object or None
        In place of those that the header names (RESPFILE, ANCRFILE, BACKFILE); "none" for none at all. Names are
        looked for beside the spectrum, then as they are written.
    follow : bool
        Whether to read the files that the header names.
    allow_mismatch : bool
        Accept responses of another detector, see `check_responses`.
    allow_empty : bool
        Accept a spectrum without a single count.
    cache : dict, optional
        Responses read before, to be shared by several spectra.

    Returns
    -------
    Spectrum
        Over all channels of the detector: channels that the file does not list have the value 0; where they lie
        before its first or after its last one they are no part of the spectrum (QUALITY 1).

    Raises
    ------
    DataError
        If columns or keywords are missing, values are not usable, or there are no counts.
    ResponseError
        If a response is missing (the message says where it was looked for) or does not fit.
    FitsError
        If the file cannot be read.
    """
    name = fits.parse_name(path)
    row = name.spectrum_row
    with fits.open(replace(name, spectrum_row=None)) as file:
        source = _Source(_spectrum_table(file), Path(file.path), row)
        spectrum = _from_source(source)
    spectrum.gti = partial(_load_gti, source.path)
    spectrum.region = partial(_load_region, source.path)
    if not allow_empty and not spectrum.values.any():
        raise source.error("the spectrum holds no counts", "Check region, energy and time of the extraction.")
    folder = spectrum.path.parent if spectrum.path else Path()
    store: dict[Any, Any] = {} if cache is None else cache
    number = None if source.row is None else source.row + 1

    def other(p: fits.FileName) -> Spectrum:
        return _load_background(p, number)

    def member(key: str, given: Any, named: str, load: Callable[[fits.FileName], Any]) -> tuple[Any, str]:
        try:
            return _response(key, given, named, folder, follow, load, store)
        except ResponseError as error:
            error.file = error.file or str(source.path)
            raise

    spectrum.rmf, spectrum.respfile = member("RESPFILE", rmf, spectrum.respfile, _load_rmf)
    spectrum.arf, spectrum.ancrfile = member("ANCRFILE", arf, spectrum.ancrfile, _load_arf)
    spectrum.background, spectrum.backfile = member("BACKFILE", background, spectrum.backfile, other)
    spectrum.correction, spectrum.corrfile = member("CORRFILE", None, spectrum.corrfile, other)
    if spectrum.correction is not None and len(spectrum.correction) != len(spectrum):
        raise source.error(
            f"the correction file {spectrum.corrfile} has {len(spectrum.correction)} channels, the spectrum "
            f"{len(spectrum)}"
        )
    if spectrum.rmf is not None:
        check_responses(spectrum, allow_mismatch=allow_mismatch)
    check_background(spectrum)
    return spectrum


def _from_source(source: _Source) -> Spectrum:
    channel, place, extent = _channels(source)
    n = len(channel)
    poisson, stat_err = _errors(source)
    sys_err = source.per_channel("SYS_ERR")
    if sys_err is not None and np.ndim(sys_err) == 0:
        sys_err = np.full(n, sys_err) if sys_err else None
    quality, grouping = source.per_channel("QUALITY"), source.per_channel("GROUPING")
    marks = np.full(n, int(quality or 0)) if np.ndim(quality) == 0 else _spread(quality, place, n)
    marks[: extent.start], marks[extent.stop :] = 1, 1
    if grouping is not None and np.ndim(grouping) == 0:
        grouping = np.full(n, int(grouping)) if int(grouping) == -1 else None
    exposure = source.value("EXPOSURE")
    if exposure is None:
        raise source.error("there is no keyword EXPOSURE")
    header = source.header.without_structure()
    if source.row is not None:
        header = _row_header(source, header)
    return Spectrum(
        channel=channel,
        values=_spread(source.column(source.main), place, n),
        is_rate=source.is_rate,
        stat_err=_spread(stat_err, place, n),
        sys_err=_spread(sys_err, place, n),
        quality=marks,
        grouping=_spread(grouping, place, n, fill=1),
        exposure=float(exposure),
        areascal=_spread(_scale(source, "AREASCAL"), place, n, fill=1.0),
        backscal=_spread(_scale(source, "BACKSCAL"), place, n, fill=1.0),
        corrscal=float(source.value("CORRSCAL", 1.0)),
        poisson=poisson,
        header=header,
        xflt=parse_xflt(header),
        respfile=source.text("RESPFILE"),
        ancrfile=source.text("ANCRFILE"),
        backfile=source.text("BACKFILE"),
        corrfile=source.text("CORRFILE"),
        path=source.path,
    )


def _row_header(source: _Source, header: fits.Header) -> fits.Header:
    """Header with the single values of a type II row in place of its columns."""
    for name in source.table.columns:
        if name.upper() in (*COLUMN_KEYWORDS, "RESPFILE", "ANCRFILE", "BACKFILE", "CORRFILE"):
            continue
        value = source.column(name)
        if np.ndim(value) == 0 and len(name) <= 8:
            header.set(name, str(value) if isinstance(value, str) else np.asarray(value).item())
    header.set("HDUCLAS4", "TYPE:I")
    return header


def _load_gti(path: Path) -> Any:
    """Good time intervals of a spectrum's file, None where it has none."""
    from wolter.gti import GTI, is_gti

    with fits.open(path) as file:
        for hdu in file:
            if is_gti(hdu):
                return GTI.read(hdu, allow_empty=True)
    return None


def _load_region(path: Path) -> Any:
    """REGION table of a spectrum's file as a table in memory, None where it has none."""
    with fits.open(path) as file:
        for hdu in file:
            if isinstance(hdu, fits.TableHDU) and keyword(hdu.header, "HDUCLAS1").upper() == "REGION":
                return hdu.select(np.arange(hdu.nrows))
    return None


# --- files that belong to a spectrum ---------------------------------------------------------------------------------


def locate(name: str, folder: Path, *, key: str = "file") -> fits.FileName:
    """File named in a header: beside the spectrum, then as written, then the bare name beside the spectrum.

    Parameters
    ----------
    name : str
        With ``[extension]`` or ``{row}`` where it has one; compressed twins (``.gz``) are found, too.
    folder : Path
        Where the spectrum is.
    key : str
        Keyword or argument, for the message.

    Raises
    ------
    ResponseError
        Lists the places.
    """
    base, rest = split_name(name)
    tried: list[Path] = []
    for candidate in (folder / base, Path(base), folder / Path(base).name):
        for path in (candidate, candidate.with_name(candidate.name + ".gz")):
            if path.is_file():
                return fits.parse_name(f"{path}{rest}") if rest else fits.FileName(path)
        where = candidate if candidate.is_absolute() else Path.cwd() / candidate
        if where not in tried:
            tried.append(where)
    raise ResponseError(
        f"{key} {name!r} is not there; looked for {' and '.join(str(p) for p in tried)}",
        cure="Give the file explicitly (rmf=, arf=, background=; --rmf, --arf, --background), 'none' for none, or "
        "follow=False.",
    )


def split_name(name: str) -> tuple[str, str]:
    match = re.match(r"([^\[{]+)([\[{].*)?\Z", name.strip(), re.DOTALL)
    return (match[1].rstrip(), match[2] or "") if match else (name, "")


def _response(
    key: str,
    given: Any,
    named: str,
    folder: Path,
    follow: bool,
    load: Callable[[fits.FileName], Any],
    cache: dict[Any, Any],
) -> tuple[Any, str]:
    """Object and name: an explicit argument wins, then the header's file."""
    if given is not None and not isinstance(given, (str, PathLike, fits.FileName)):
        path = getattr(given, "path", None)
        return given, named if path is None else str(path)
    name = named if given is None else os.fspath(given)
    if isinstance(given, fits.FileName):
        file = given
    elif name.strip().lower() == "none" or (given is None and not follow):
        return None, "none" if given is not None else named
    elif given is None:
        file = locate(name, folder, key=key)
    else:
        base, rest = split_name(name)
        there = Path(base).is_file() or not (folder / base).is_file()
        file = fits.parse_name(name) if there else fits.parse_name(f"{folder / base}{rest}")
    place = (key, os.path.realpath(file.path), file.ext, file.ver, file.spectrum_row)
    if key in ("BACKFILE", "CORRFILE"):
        return load(file), name
    if place not in cache:
        cache[place] = load(file)
    return cache[place], name


def _load_rmf(file: fits.FileName) -> RMF:
    from wolter.data.rmf_io import read_rmf

    return read_rmf(file)


def _load_arf(file: fits.FileName) -> ARF:
    from wolter.data.arf_io import read_arf

    return read_arf(file)


def _load_background(file: fits.FileName, row: int | None) -> Spectrum:
    """Background spectrum; of a type II file the row of the source, unless another is named."""
    if row is not None and file.spectrum_row is None:
        try:
            return read_spectrum(replace(file, spectrum_row=row), follow=False, allow_empty=True)
        except DataError as error:
            if "one spectrum only" not in error.cause:
                raise
    return read_spectrum(file, follow=False, allow_empty=True)
