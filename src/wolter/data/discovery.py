"""Finding the responses of a spectrum in a folder, by what their headers say and never by their names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from wolter import fits
from wolter.data.arf_io import is_area
from wolter.data.rmf import keyword
from wolter.data.rmf_io import is_ebounds, is_matrix
from wolter.errors import FitsError, ResponseError

if TYPE_CHECKING:
    from wolter.caldb import Caldb

__all__ = ["ResponseFiles", "find_responses", "scan_responses"]

_BOUNDARY = re.compile(r"\s*([A-Za-z_]\w*)\s*\(\s*(.*?)\s*\)\s*\w*\s*\Z")
_KINDS = {"MATRIX": "rmf", "SPECRESP": "arf", "MODSPECRESP": "mrf"}
_WORDS = {"rmf": "redistribution matrix (RMF)", "arf": "effective area (ARF)", "mrf": "modulation response (MRF)"}
_MAGIC = (b"SIMPLE  =", b"\x1f\x8b", b"BZh", b"\xfd7zXZ")
_LISTED = 30  # files named in an error message


@dataclass(frozen=True)
class ResponseFiles:
    """Response files of one detector.

    Attributes
    ----------
    rmf : Path
    arf, mrf : Path or None
        None where none was asked for and none is there.
    notes : tuple of str
        How a choice was made where more than one file would have done.
    """

    rmf: Path
    arf: Path | None = None
    mrf: Path | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """A response file: what its header says.

    Attributes
    ----------
    path : Path
    kind : str
        "rmf", "arf" or "mrf"; other kinds of calibration keep the name that the header gives them.
    header : Header
    """

    path: Path
    kind: str
    header: fits.Header

    def boundary(self, name: str) -> str | None:
        """Value of a calibration boundary ``CBDn0001 = 'NAME(VALUE)'`` in capitals, or None."""
        for n in range(1, 10):
            match = _BOUNDARY.match(str(self.header.get(f"CBD{n}0001", "") or ""))
            if match and match[1].upper() == name:
                return match[2].strip().strip("\"'").upper()
        return None

    @property
    def stokes_weight(self) -> str | None:
        """STOKESWT in capitals."""
        return keyword(self.header, "STOKESWT").upper() or None

    @property
    def filter(self) -> str | None:
        """FILTER in capitals, from the keyword or the boundary."""
        found = keyword(self.header, "FILTER").upper() or self.boundary("FILTER")
        return None if found in (None, "", "NONE") else found

    @property
    def valid_from(self) -> str:
        """Date from which the file is valid, ``yyyy-mm-ddThh:mm:ss``; empty where it does not say."""
        date = keyword(self.header, "CVSD0001")
        return f"{date}T{keyword(self.header, 'CVST0001') or '00:00:00'}" if re.match(r"\d{4}-\d\d-\d\d", date) else ""

    @property
    def version(self) -> int:
        """VERSION as a number; -1 where it is none (HDUVERS is the version of the format, not of the file)."""
        text = str(self.header.get("VERSION", "")).strip()
        return int(text) if text.isdigit() else -1


@dataclass
class _Wanted:
    """What a response has to be like."""

    telescop: str
    instrume: str
    detnam: str
    filter: str
    date: str
    weighting: str | None
    boundaries: dict[str, str]
    boundary: str | None = None

    def why_not(self, candidate: Candidate) -> str | None:
        """Reason for which a file does not do, or None."""
        for key in ("telescop", "instrume", "detnam"):
            mine, other = getattr(self, key), keyword(candidate.header, key.upper())
            if mine and other and mine.upper() != other.upper():
                return f"{key.upper()} is {other}, not {mine}"
        reason = self._weight(candidate)
        if reason:
            return reason
        if self.filter and candidate.filter and self.filter.upper() != candidate.filter:
            return f"FILTER is {candidate.filter}, not {self.filter.upper()}"
        if self.date and candidate.valid_from and candidate.valid_from > self.date:
            return f"valid only from {candidate.valid_from[:10]}, the observation began {self.date[:10]}"
        return None

    def _weight(self, candidate: Candidate) -> str | None:
        weight, boundary = candidate.stokes_weight, candidate.boundary("WEIGHT")
        if self.weighting is None:  # events that were counted without weights
            if weight not in (None, "UNWEIGHTED"):
                return f"made for weighted spectra (STOKESWT {weight}), this one is not weighted"
            if boundary not in (None, "NONE") and weight is None and self.boundary is None:
                return f"made for weighted spectra (WEIGHT {boundary}), this one is not weighted"
        elif weight is not None and weight != self.weighting:
            return f"STOKESWT is {weight}, not {self.weighting}"
        expected = self.boundary or self.boundaries.get(self.weighting or "")
        if boundary is not None and expected is not None and boundary != expected:
            return f"WEIGHT is {boundary}, not {expected}"
        return None


def find_responses(
    folder: str | PathLike[str] | Iterable[str | PathLike[str]] | Caldb,
    source: Any = None,
    *,
    telescop: str | None = None,
    instrume: str | None = None,
    detnam: str | None = None,
    filter: str | None = None,
    date: str | None = None,
    weighting: str | None = None,
    weight_boundaries: Mapping[str, str] | None = None,
    modulation: bool = False,
    cache: dict[Any, Any] | None = None,
) -> ResponseFiles:
    """Find RMF, ARF and modulation response for a spectrum among the files of a folder.

    Only headers are read. What counts is TELESCOP, INSTRUME, DETNAM, FILTER, the kind of calibration (CCNM0001
    MATRIX, SPECRESP, MODSPECRESP; else HDUCLAS2), the weighting (STOKESWT, else the boundary WEIGHT(...) in CBDn0001)
    and the date from which the file is valid (CVSD0001). Of several that fit, the one valid from the latest date is
    taken, then that of the highest VERSION.

    Parameters
    ----------
    folder : path-like, or several; "caldb" or Caldb
        Searched with all folders inside. "caldb" asks the calibration database (`wolter.caldb.Caldb`), where the
        mission's holds responses ready for use; "caldb:<file>" does with this lock file.
    source : Spectrum, EventList or Header, optional
        What the responses are for; the keywords below go before what it says.
    telescop, instrume, detnam, filter : str, optional
        Empty ones are not compared.
    date : str, optional
        Beginning of the observation, ``yyyy-mm-ddThh:mm:ss``; by default DATE-OBS.
    weighting : str, optional
        STOKESWT of the spectrum, in any case; "none" for events that are not weighted.
    weight_boundaries : mapping, optional
        Value of the boundary WEIGHT that belongs to each STOKESWT. By default it is taken over from the ARF or MRF
        that fits.
    modulation : bool
        Whether a modulation response must be there (it is returned if there is one in any case).
    cache : dict, optional
        Headers read before, by path, time and size of the file.

    Returns
    -------
    ResponseFiles

    Raises
    ------
    ResponseError
        If something is missing: lists the response files that were found and why each does not do.
    """
    given = {"TELESCOP": telescop, "INSTRUME": instrume, "DETNAM": detnam, "FILTER": filter}
    wanted = _wanted(source, given, date, weighting, weight_boundaries)
    stokes = getattr(source, "stokes", None)
    folders = _from_caldb(folder, wanted, modulation or stokes in (1, 2))
    if folders is None:
        folders = [folder] if isinstance(folder, (str, PathLike)) else list(cast(Any, folder))
    found: list[Candidate] = []
    for one in folders:
        found += scan_responses(one, cache=cache)
    notes: list[str] = []
    rejected: list[str] = []
    arf = _pick("arf", found, wanted, notes, rejected)
    if wanted.boundary is None and arf is not None:
        wanted.boundary = arf.boundary("WEIGHT")
    mrf = _pick("mrf", found, wanted, notes, rejected)
    if wanted.boundary is None and mrf is not None:
        wanted.boundary = mrf.boundary("WEIGHT")
    rmf = _pick("rmf", found, wanted, notes, rejected)
    includes_area = rmf is not None and keyword(rmf.header, "EXTNAME").upper() == "SPECRESP MATRIX"
    needed = {"rmf": True, "arf": not includes_area and stokes not in (1, 2), "mrf": modulation or stokes in (1, 2)}
    missing = [k for k, v in (("rmf", rmf), ("arf", arf), ("mrf", mrf)) if v is None and needed[k]]
    if missing or rmf is None:
        raise _nothing(missing, folders, wanted, found, rejected)
    return ResponseFiles(rmf.path, None if arf is None else arf.path, None if mrf is None else mrf.path, tuple(notes))


def _from_caldb(place: Any, wanted: _Wanted, modulation: bool) -> list[Any] | None:
    """Files of the calibration database, if that is what is meant."""
    if isinstance(place, PathLike) or (isinstance(place, str) and not place.strip().lower().startswith("caldb")):
        return None
    from wolter.data.caldb_responses import caldb_of, caldb_responses

    caldb = caldb_of(place)
    if caldb is None:
        return None
    kinds = ("rmf", "arf", "mrf") if modulation else ("rmf", "arf")
    return list(
        caldb_responses(
            caldb, wanted.telescop, wanted.instrume, detnam=wanted.detnam, filter=wanted.filter, date=wanted.date,
            weighting=wanted.weighting, weight_boundaries=wanted.boundaries, kinds=kinds,
        )
    )  # fmt: skip


def _wanted(
    source: Any,
    given: Mapping[str, str | None],
    date: str | None,
    weighting: str | None,
    boundaries: Mapping[str, str] | None,
) -> _Wanted:
    header = getattr(source, "header", source)
    header = fits.Header() if header is None else header

    def choose(key: str) -> str:
        explicit = given[key]
        if explicit is not None:
            return explicit.strip()
        own = getattr(source, key.lower(), None)
        return own.strip() if isinstance(own, str) else keyword(header, key)

    if weighting is None:
        weight = getattr(source, "stokes_weight", None) or keyword(header, "STOKESWT") or None
    else:
        weight = None if weighting.strip().lower() == "none" else weighting
    return _Wanted(
        choose("TELESCOP"),
        choose("INSTRUME"),
        choose("DETNAM"),
        choose("FILTER"),
        (date if date is not None else keyword(header, "DATE-OBS")).replace(" ", "T"),
        None if weight is None else weight.strip().upper(),
        {k.upper(): v.upper() for k, v in (boundaries or {}).items()},
    )


def _pick(
    kind: str, found: list[Candidate], wanted: _Wanted, notes: list[str], rejected: list[str]
) -> Candidate | None:
    fitting = []
    for candidate in found:
        if candidate.kind != kind:
            continue
        reason = wanted.why_not(candidate)
        if reason is None:
            fitting.append(candidate)
        else:
            rejected.append(f"{candidate.path.name}: {reason}")
    if not fitting:
        return None
    fitting.sort(key=lambda c: (c.valid_from, c.version, c.path.stat().st_mtime, str(c.path)), reverse=True)
    best = fitting[0]
    if len(fitting) > 1:
        others = ", ".join(c.path.name for c in fitting[1:5]) + (", ..." if len(fitting) > 5 else "")
        tie = (fitting[1].valid_from, fitting[1].version) == (best.valid_from, best.version)
        why = "the newest file" if tie else f"valid from {best.valid_from[:10] or 'ever'}, version {best.version}"
        notes.append(f"{_WORDS[kind]}: {best.path.name} ({why}) rather than {others}")
    return best


def _nothing(
    missing: list[str], folders: list[Any], wanted: _Wanted, found: list[Candidate], rejected: list[str]
) -> ResponseError:
    names = " and no ".join(_WORDS[k] for k in missing)
    target = " ".join(x for x in (wanted.telescop, wanted.instrume, wanted.detnam, wanted.weighting or "") if x)
    where = ", ".join(str(f) for f in folders)
    if not found:
        detail = "; no response files are there at all"
    else:
        # files of other detectors are listed last: they are the least likely to be what was meant
        ordered = sorted(
            rejected, key=lambda text: text.partition(": ")[2].startswith(("TELESCOP", "INSTRUME", "DETNAM"))
        )
        shown = ordered[:_LISTED]
        more = f"; and {len(rejected) - _LISTED} more" if len(rejected) > _LISTED else ""
        other = [f"{c.path.name}: {c.kind}" for c in found if c.kind not in _KINDS.values()][:_LISTED]
        listed = "; ".join(shown) + more + ("; of other kinds: " + ", ".join(other) if other else "")
        detail = f"; found were {listed}" if listed else ""
    return ResponseError(
        f"no {names} for {target or 'this spectrum'} in {where}{detail}",
        cure="Give the files explicitly (rmf=, arf=), or another folder.",
    )


def scan_responses(folder: str | PathLike[str], *, cache: dict[Any, Any] | None = None) -> list[Candidate]:
    """Response files in a folder and the folders inside it, by their headers.

    Raises
    ------
    ResponseError
        If the folder does not exist.
    """
    root = Path(folder)
    if not root.exists():
        raise ResponseError(
            "the folder with the responses does not exist",
            file=root,
            cure="Name a folder that holds RMF and ARF, or caldb for the calibration database. A simulated observation "
            "has the responses that it was made with in the folder responses beside it.",
        )
    store: dict[Any, Any] = {} if cache is None else cache
    out = []
    for path, info in _files(root):
        key = (str(path), info.st_mtime_ns, info.st_size)
        if key not in store:
            store[key] = _look(path)
        if store[key] is not None:
            out.append(store[key])
    return out


def _files(root: Path) -> Iterator[tuple[Path, os.stat_result]]:
    if root.is_file():
        yield root, root.stat()
        return
    for base, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(n for n in names if not n.startswith(".")):
            path = Path(base, name)
            try:
                info = path.stat()
            except OSError:  # a dangling link
                continue
            if info.st_size >= 2880 or name.endswith((".gz", ".xz", ".bz2")):
                yield path, info


def _look(path: Path) -> Candidate | None:
    """What a file is, from its first table headers; None where it is no response (or no FITS file)."""
    try:
        with path.open("rb") as stream:
            start = stream.read(16)
        if not start.startswith(_MAGIC):
            return None
        with fits.open(fits.FileName(path)) as file:
            for hdu in file:
                if not isinstance(hdu, fits.TableHDU):
                    continue
                if is_matrix(hdu.header) or is_area(hdu.header):
                    return Candidate(path, _kind(hdu.header), hdu.header)
                if not is_ebounds(hdu.header):
                    return None
    except (FitsError, OSError):
        return None
    return None


def _kind(header: fits.Header) -> str:
    """Kind of calibration: CCNM0001, then what the extension holds; a file that calls itself something else is that."""
    code = keyword(header, "CCNM0001").upper()
    if code and code not in _KINDS:
        return code
    if is_matrix(header):
        kind = "rmf"
    elif code == "MODSPECRESP" or keyword(header, "EXTNAME").upper() == "MODSPECRESP":
        kind = "mrf"
    else:
        kind = "arf"
    own = keyword(header, "IRFTYPE").lower()
    return own if own and own != kind else kind
