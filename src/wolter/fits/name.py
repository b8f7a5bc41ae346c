"""File names with cfitsio's, extractor's and XSPEC's additions: ``file.fits[EVENTS][PI>50]``, ``file+1``, ``file{3}``.

Sources: CFITSIO User's Reference Guide, chapter "Extended File Name Syntax"; the extractor's help file (ranges in
brackets); the XSPEC manual, command ``data`` (rows of type II spectra in braces).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from os import PathLike, fspath
from pathlib import Path

from wolter.errors import FitsError

__all__ = ["FileName", "Range", "parse_name"]

_REMOTE = re.compile(r"(https?|s3):/+(?=[^/])", re.IGNORECASE)  # Path makes one slash of two
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_PLUS = re.compile(r"(.+)\+(\d{1,5})\Z", re.DOTALL)
_BRACE = re.compile(r"(.+)\{([^{}]*)\}\s*\Z", re.DOTALL)
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?|\*"
_RANGE = re.compile(rf"\s*(?:([A-Za-z_]\w*)\s*=\s*)?({_NUMBER})?\s*:\s*({_NUMBER})?\s*\Z")
_EXTENSION = re.compile(r"([^,;\[\]]*?)\s*(?:,\s*(\d+)\s*)?(?:,\s*[BAIbai][A-Za-z]*\s*)?\Z")
_OPERATORS = re.compile(r"[<>=!&|()\"']|\b(?:and|or|not|gt|lt|ge|le|eq|ne)\b|\.(?:and|or|not)\.", re.IGNORECASE)
_REFUSED = (
    (re.compile(r"col(?:\s|\Z)", re.IGNORECASE), "a column filter [col ...]"),
    (re.compile(r"bin[bijrd]?(?:\s|=|\Z)", re.IGNORECASE), "a binning specification [bin ...]"),
    (re.compile(r"hist(?:\s|\Z)", re.IGNORECASE), "a histogram specification [hist ...]"),
    (re.compile(r"pixr?[bijrd]?\d*\s", re.IGNORECASE), "a pixel filter [pix ...]"),
    (re.compile(r"compress(?:\s|\Z)", re.IGNORECASE), "a compression specification [compress ...]"),
)


@dataclass(frozen=True)
class Range:
    """One range of the extractor's file filter; limits are inclusive and None is open.

    Attributes
    ----------
    column : str or None
        None: the first unnamed range is X, the second Y.
    lo, hi : float or None
    """

    column: str | None
    lo: float | None
    hi: float | None


@dataclass(frozen=True)
class FileName:
    """A file name taken apart.

    Attributes
    ----------
    path : Path
    ext : str, int or None
        Extension asked for, by name or number (0 is the primary HDU).
    ver : int or None
        EXTVER asked for.
    row_filter : str or None
        Boolean expression over rows; several filters are joined by ``&&``.
    extractor_ranges : tuple of Range
        ``[PI=50:199, 100:200, 300:400]``.
    spectrum_row : int or None
        Row of a type II spectrum, from 1 (``{3}``).
    """

    path: Path
    ext: str | int | None = None
    ver: int | None = None
    row_filter: str | None = None
    extractor_ranges: tuple[Range, ...] = ()
    spectrum_row: int | None = None

    @property
    def url(self) -> str | None:
        """Address of a file on a server, None for local files."""
        text = str(self.path)
        match = _REMOTE.match(text)
        if match is None or os.path.lexists(text):
            return None
        return f"{match[1].lower()}://{text[match.end() :]}"

    @property
    def has_filter(self) -> bool:
        """Whether the name asks for some of the rows only."""
        return bool(self.row_filter or self.extractor_ranges or self.spectrum_row is not None)

    @property
    def filter_text(self) -> str:
        """The filters, for messages."""
        parts = [self.row_filter] if self.row_filter else []
        parts += [f"{r.column or ''}={'*' if r.lo is None else r.lo}:{'*' if r.hi is None else r.hi}" for r in
                  self.extractor_ranges]  # fmt: skip
        if self.spectrum_row is not None:
            parts.append(f"row {self.spectrum_row}")
        return ", ".join(parts)

    def with_ext(self, ext: int | str) -> FileName:
        """Copy that asks for another extension."""
        return replace(self, ext=ext, ver=None)

    def without_filter(self) -> FileName:
        """Copy that asks for all rows; the caller applies the filters."""
        return replace(self, row_filter=None, extractor_ranges=(), spectrum_row=None)

    def __fspath__(self) -> str:
        return fspath(self.path)


def parse_name(text: str | PathLike[str]) -> FileName:
    """Take a file name apart.

    A file that exists under the whole text is meant literally, whatever brackets its name holds.

    Parameters
    ----------
    text : str or path
        E.g. ``"evt.fits.gz[EVENTS][PI>=50&&PI<200]"``, ``"evt.fits+1"``, ``"evt.fits[PI=50:199]"``, ``"src.pha{3}"``,
        ``"https://server/evt.fits[EVENTS]"``, ``"s3://bucket/evt.fits"``.

    Raises
    ------
    FitsError
        The syntax is wrong, or is a part of cfitsio's that changes the data while opening (column filters,
        binning, image sections of tables) and that is not done here.
    """
    if isinstance(text, FileName):
        return text
    name = fspath(text).strip() if isinstance(text, str) else fspath(text)
    if not name:
        raise FitsError("the file name is empty")
    if _REMOTE.match(name) and not os.path.lexists(name):
        return _parse_parts(name)
    scheme = _SCHEME.match(name)
    if scheme and scheme[1].lower() == "file":
        name = name[scheme.end() :]
    elif scheme:
        raise FitsError(f"files behind {scheme[1]}:// are not opened", file=name, cure="Fetch the file first.")
    if name == "-" or name.startswith("@"):
        what = "standard input" if name == "-" else "a list of files"
        raise FitsError(f"{what} is not read as a FITS file", file=name, cure="Name one file.")
    if os.path.lexists(name):
        return FileName(Path(name))
    return _parse_parts(name)


def _parse_parts(name: str) -> FileName:
    row = None
    brace = _BRACE.match(name)
    if brace:
        if not brace[2].strip().isdigit() or int(brace[2]) < 1:
            raise FitsError(
                f"{{{brace[2]}}} is not the number of one spectrum", file=brace[1], cure="Write for example {3}."
            )
        name, row = brace[1].rstrip(), int(brace[2])
    path, brackets = _split(name)
    plus = _PLUS.match(path)
    if plus and not os.path.lexists(path):
        brackets, path = [plus[2], *brackets], plus[1]
    out = FileName(Path(path), spectrum_row=row)
    for i, bracket in enumerate(brackets):
        out = _apply(out, bracket.strip(), first=i == 0)
    return out


def _split(name: str) -> tuple[str, list[str]]:
    """Path and contents of the brackets behind it; the longest path that exists wins."""
    starts = [i for i, c in enumerate(name) if c == "["]
    for start in sorted(starts, key=lambda s: (not os.path.lexists(name[:s].rstrip()), -s)):
        if not os.path.lexists(name[:start].rstrip()):
            break
        return name[:start].rstrip(), _brackets(name, start)
    if not starts or starts[0] == 0:
        return name, []
    return name[: starts[0]].rstrip(), _brackets(name, starts[0])


def _brackets(name: str, start: int) -> list[str]:
    out: list[str] = []
    depth, quote, begin = 0, "", start
    for i in range(start, len(name)):
        c = name[i]
        if quote:
            quote = "" if c == quote else quote
        elif depth and c in "'\"":
            quote = c
        elif c == "[":
            depth += 1
            begin = i + 1 if depth == 1 else begin
        elif c == "]":
            depth -= 1
            if depth == 0:
                out.append(name[begin:i])
        elif depth == 0 and not c.isspace():
            raise FitsError(
                f"{name[i:]!r} behind the brackets is not understood", file=name, cure="Is the file name right?"
            )
        if depth < 0:
            break
    if depth or quote:
        raise FitsError("brackets or quotes in the file name are not closed", file=name)
    return out


def _apply(out: FileName, text: str, *, first: bool) -> FileName:
    """Add the meaning of one pair of brackets."""
    if not text:
        raise FitsError("the file name has empty brackets", file=out.path)
    for pattern, what in _REFUSED:
        if pattern.match(text):
            raise FitsError(
                f"{what} in a file name is not applied: [{text}]",
                file=out.path,
                cure="Open the file without it and select columns or make images with Wolter's own functions.",
            )
    ranges = _ranges(text, out)
    if ranges:
        return replace(out, extractor_ranges=out.extractor_ranges + ranges)
    if text.startswith("@"):
        raise FitsError(f"a filter kept in a file is not read: [{text}]", file=out.path, cure="Write the filter out.")
    if first and out.ext is None and not text.startswith("#"):
        if ";" in text:
            raise FitsError(f"images in table cells are not read: [{text}]", file=out.path)
        match = _EXTENSION.match(text)
        if match and not _OPERATORS.search(text):
            ext = match[1].strip()
            number = int(ext) if ext.isdigit() else ext
            return replace(out, ext=0 if ext.upper() == "P" else number, ver=int(match[2]) if match[2] else None)
    joined = f"({out.row_filter}) && ({text})" if out.row_filter else text
    return replace(out, row_filter=joined)


def _ranges(text: str, out: FileName) -> tuple[Range, ...]:
    """Ranges of the extractor's filter, or an empty tuple when the text is something else."""
    parts = [p for p in re.split(r"\s*,\s*|(?<=[\d*:.])\s+(?=[A-Za-z\d*.+-])", text) if p]
    found = []
    for part in parts:
        match = _RANGE.match(part)
        if match is None:
            return ()
        lo, hi = (None if g in (None, "*") else float(g.upper().replace("D", "E")) for g in match.group(2, 3))
        if lo is not None and hi is not None and lo > hi:
            raise FitsError(f"the range {part.strip()} is empty: its limits are in the wrong order", file=out.path)
        found.append(Range(match[1], lo, hi))
    return tuple(found)
