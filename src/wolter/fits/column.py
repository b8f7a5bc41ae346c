"""Columns of binary tables: the header's description and the layout in a row.

Source: FITS standard 4.0, section 7.3 (binary tables).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from wolter.errors import FitsError, suggest
from wolter.fits._errors import MissingColumnError
from wolter.fits.header import COLUMN_OTHER, COLUMN_OWN, Header

__all__ = ["Column", "Columns", "Field", "binary_field", "columns_of"]

# Size in bytes and big-endian numpy type of one element.
ELEMENTS: dict[str, tuple[int, str]] = {
    "L": (1, "u1"),
    "X": (1, "u1"),
    "B": (1, "u1"),
    "I": (2, ">i2"),
    "J": (4, ">i4"),
    "K": (8, ">i8"),
    "A": (1, "S1"),
    "E": (4, ">f4"),
    "D": (8, ">f8"),
    "C": (8, ">c8"),
    "M": (16, ">c16"),
    "P": (8, ">i4"),
    "Q": (16, ">i8"),
}
INTEGERS = frozenset("BIJK")
# TZERO by which a signed type stands for the unsigned one of its size (and B for signed bytes).
UNSIGNED_ZERO = {"B": -128, "I": 2**15, "J": 2**31, "K": 2**63}

_TFORM = re.compile(r"\s*(\d*)\s*([A-Z])\s*(.*?)\s*\Z")
_STEM = re.compile(r"([A-Z]+?)(\d+)\Z")


@dataclass(frozen=True)
class Column:
    """What a table's header says about one column.

    Attributes
    ----------
    name : str
        TTYPE.
    format : str
        TFORM, e.g. ``"1D"``, ``"16X"``, ``"PE(100)"``.
    unit : str
        TUNIT.
    null : int or str, optional
        TNULL: the stored value that means undefined (text in ASCII tables).
    scale, zero : float or int
        TSCAL and TZERO: value = zero + scale * stored.
    dim : str
        TDIM, e.g. ``"(3,2)"`` (fastest axis first).
    disp : str
        TDISP.
    keywords : dict
        Other keywords of the column by stem: ``{"TLMIN": 0, "TLMAX": 374, "TCTYP": "RA---TAN", ...}``.
    comment : str
        Comment of TTYPE.
    """

    name: str
    format: str = ""
    unit: str = ""
    null: int | str | None = None
    scale: float = 1.0
    zero: float = 0.0
    dim: str = ""
    disp: str = ""
    keywords: Mapping[str, Any] = field(default_factory=dict)
    comment: str = ""

    def replace(self, **changes: Any) -> Column:
        """Copy with some attributes changed."""
        return replace(self, **changes)


class Columns(Mapping[str, Column]):
    """Columns of a table: mapping from name (any case) to `Column`, in file order.

    Where a name occurs twice the first counts, as in cfitsio; `all` holds every one.
    """

    def __init__(self, columns: Iterable[Column], *, file: Any = None, hdu: Any = None) -> None:
        self.all: tuple[Column, ...] = tuple(columns)
        self._file, self._hdu = file, hdu
        self._index: dict[str, int] = {}
        for i, column in enumerate(self.all):
            self._index.setdefault(column.name.upper(), i)

    def index(self, name: str) -> int:
        """Position of a column, from 0.

        Raises
        ------
        MissingColumnError
            Names the columns that there are.
        """
        try:
            return self._index[name.strip().upper()]
        except KeyError:
            names = [c.name for c in self.all]
            shown = ", ".join(names[:40]) + (", ..." if len(names) > 40 else "")
            raise MissingColumnError(
                f"there is no column {name!r}; the table has {shown or 'no columns'}",
                file=self._file,
                hdu=self._hdu,
                cure=suggest(name, names) or None,
            ) from None

    def __getitem__(self, name: str) -> Column:
        return self.all[self.index(name)]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.strip().upper() in self._index

    def __iter__(self) -> Iterator[str]:
        return (self.all[i].name for i in self._index.values())

    def __len__(self) -> int:
        return len(self._index)

    def __repr__(self) -> str:
        return f"Columns({', '.join(c.name + ':' + c.format for c in self.all)})"


def columns_of(header: Header) -> Columns:
    """Columns that a table header describes.

    Raises
    ------
    FitsError
        TFIELDS or a TFORMn is missing.
    """
    count = header.get("TFIELDS")
    if not isinstance(count, int) or not 0 <= count <= 9999:
        raise FitsError(f"TFIELDS = {count!r} is not a number of columns", file=header.file, hdu=header.hdu)
    found: list[dict[str, Any]] = [{} for _ in range(count)]
    for key in header:
        match = _STEM.match(key)
        if match is None:
            continue
        stem, number = match[1], int(match[2])
        if 1 <= number <= count and (stem in COLUMN_OWN or stem in COLUMN_OTHER):
            found[number - 1][stem] = header[key]
    return Columns((_column(header, i + 1, f) for i, f in enumerate(found)), file=header.file, hdu=header.hdu)


def _column(header: Header, number: int, found: dict[str, Any]) -> Column:
    tform = found.get("TFORM")
    if not isinstance(tform, str) or not tform:
        raise FitsError(
            f"TFORM{number} is missing: the type of the column is unknown", file=header.file, hdu=header.hdu
        )
    name = found.get("TTYPE")
    for key in ("TSCAL", "TZERO"):
        if not isinstance(found.get(key, 0), (int, float)):
            raise FitsError(f"{key}{number} = {found[key]!r} is not a number", file=header.file, hdu=header.hdu)
    return Column(
        name=str(name).strip() if name is not None else f"col{number}",
        format=tform.strip().upper(),
        unit=str(found.get("TUNIT") or ""),
        null=found.get("TNULL"),
        scale=found.get("TSCAL", 1.0),
        zero=found.get("TZERO", 0.0),
        dim=str(found.get("TDIM") or ""),
        disp=str(found.get("TDISP") or ""),
        keywords={k: v for k, v in found.items() if k in COLUMN_OTHER},
        comment=header.comment(f"TTYPE{number}") if name is not None else "",
    )


@dataclass(frozen=True)
class Field:
    """Where and how a column is stored in a row.

    Attributes
    ----------
    column : Column
    offset, nbytes : int
        Place in the row.
    code : str
        Element type: one of L X B I J K A E D C M (of the heap elements for variable-length columns).
    repeat : int
        Elements per row (bits for X, characters for A).
    inner : tuple of int
        Shape of one row's value as read.
    heap : str
        ``"P"`` or ``"Q"`` for variable-length columns, else ``""``.
    width : int
        Characters of one string, for A.
    parse : callable, optional
        Turns raw text into values, for the fields of ASCII tables.
    """

    column: Column
    offset: int
    nbytes: int
    code: str
    repeat: int
    inner: tuple[int, ...] = ()
    heap: str = ""
    width: int = 0
    parse: Callable[..., Any] | None = None

    @property
    def stored(self) -> np.dtype:
        """Big-endian numpy type of one stored element."""
        if self.code == "A":
            return np.dtype(f"S{max(self.width, 1)}")
        return np.dtype(ELEMENTS[self.code][1])

    @property
    def unsigned(self) -> bool:
        """Whether TZERO only turns a signed type into the unsigned one of its size."""
        c = self.column
        return self.code in UNSIGNED_ZERO and c.scale == 1 and c.zero == UNSIGNED_ZERO[self.code]

    @property
    def scaled(self) -> bool:
        """Whether values are zero + scale * stored."""
        c = self.column
        return self.code in "BIJKEDCM" and (c.scale != 1 or c.zero != 0)

    @property
    def null(self) -> int | None:
        """TNULL of an integer column that has a usable one."""
        null = self.column.null
        return null if self.code in INTEGERS and isinstance(null, int) and not isinstance(null, bool) else None


def binary_field(column: Column, number: int, offset: int, *, file: Any = None, hdu: Any = None) -> Field:
    """Layout of column ``number`` (from 1) of a binary table.

    Raises
    ------
    FitsError
        TFORM is not understood.
    """
    match = _TFORM.match(column.format)
    code = match[2] if match else ""
    if match is None or code not in ELEMENTS:
        raise FitsError(
            f"TFORM{number} = {column.format!r} of column {column.name} is not a format of binary tables",
            file=file,
            hdu=hdu,
            cure=f"Known are repeat counts with one of {' '.join(ELEMENTS)}.",
        )
    repeat = int(match[1]) if match[1] else 1
    if code in "PQ":
        return _heap_field(column, number, offset, code, repeat, match[3], file, hdu)
    size = ELEMENTS[code][0]
    nbytes = (repeat + 7) // 8 if code == "X" else repeat * size
    dims = _dims(column.dim)
    if code == "A":
        return _string_field(column, offset, repeat, match[3], dims)
    if dims and repeat > 1 and np.prod(dims, dtype=np.int64) == repeat:
        inner = tuple(reversed(dims))
    elif code == "X" or repeat != 1:
        inner = (repeat,)
    else:
        inner = ()
    return Field(column, offset, nbytes, code, repeat, inner)


def _heap_field(
    column: Column, number: int, offset: int, code: str, repeat: int, rest: str, file: Any, hdu: Any
) -> Field:
    element = rest[:1]
    if repeat not in (0, 1) or element not in ELEMENTS or element in "PQ":
        raise FitsError(
            f"TFORM{number} = {column.format!r} of column {column.name} is not a variable-length format",
            file=file,
            hdu=hdu,
            cure="It should read like 'PE(100)': P or Q, then the type of the elements.",
        )
    return Field(column, offset, repeat * ELEMENTS[code][0], element, repeat, (), code, width=1)


def _string_field(column: Column, offset: int, repeat: int, rest: str, dims: tuple[int, ...]) -> Field:
    width, inner = repeat, ()
    if len(dims) > 1 and np.prod(dims, dtype=np.int64) == repeat:
        width, inner = dims[0], tuple(reversed(dims[1:]))
    elif rest.isdigit() and 0 < int(rest) < repeat and repeat % int(rest) == 0:
        width, inner = int(rest), (repeat // int(rest),)
    return Field(column, offset, repeat, "A", repeat, inner, width=width)


def _dims(text: str) -> tuple[int, ...]:
    parts = text.strip().strip("()").split(",")
    try:
        dims = tuple(int(p) for p in parts)
    except ValueError:
        return ()
    return dims if all(d > 0 for d in dims) else ()
