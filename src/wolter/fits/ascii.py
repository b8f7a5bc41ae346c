"""Fields of ASCII tables (XTENSION = 'TABLE').

Source: FITS standard 4.0, section 7.2.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import numpy as np

from wolter.errors import FitsError
from wolter.fits.column import Columns, Field
from wolter.fits.header import Header

__all__ = ["ascii_fields"]

_TFORM = re.compile(r"\s*([AIFED])\s*(\d+)(?:\.(\d+))?\s*\Z")


def ascii_fields(columns: Columns, header: Header) -> list[Field]:
    """Layout of the rows of an ASCII table.

    Raises
    ------
    FitsError
        A TFORM or TBCOL is not understood, or a field ends outside the row.
    """
    out = []
    for i, column in enumerate(columns.all):
        match = _TFORM.match(column.format)
        start = column.keywords.get("TBCOL")
        if match is None or not isinstance(start, int) or start < 1:
            raise FitsError(
                f"TFORM{i + 1} = {column.format!r}, TBCOL{i + 1} = {start!r} of column {column.name} "
                "is not a format of ASCII tables",
                file=header.file,
                hdu=header.hdu,
            )
        code, width, decimals = match[1], int(match[2]), int(match[3] or 0)
        if start - 1 + width > header["NAXIS1"]:
            raise FitsError(f"column {column.name} ends outside the row", file=header.file, hdu=header.hdu)
        parse = None
        if code != "A":
            parse = partial(_numbers, column=column, code=code, decimals=decimals, header=header)
        out.append(Field(column, start - 1, width, "A", width, (), width=width, parse=parse))
    return out


def _numbers(view: np.ndarray, null: Any, *, column: Any, code: str, decimals: int, header: Header) -> np.ndarray:
    """Numbers of a text field; blank fields are zero, as in Fortran."""
    texts = [t.strip(b" \0").decode("latin-1").upper() for t in view.tolist()]
    undefined = np.zeros(len(texts), bool)
    if isinstance(column.null, str):
        undefined[:] = [t == column.null.strip().upper() for t in texts]
    values = np.zeros(len(texts), np.int64 if code == "I" else np.float64)
    for i in np.flatnonzero(~undefined):
        try:
            values[i] = _number(texts[i], code, decimals)
        except (ValueError, OverflowError):
            raise FitsError(
                f"row {i} of column {column.name} holds {texts[i]!r}, not a number", file=header.file, hdu=header.hdu
            ) from None
    if column.scale != 1 or column.zero != 0:
        values = values * column.scale + column.zero
    if isinstance(null, str) and null == "mask":
        return np.ma.MaskedArray(values, mask=undefined)
    if undefined.any():
        if isinstance(null, str):  # TNULL is text here, so that there is no stored number to give back
            values = values.astype(np.float64)
        values[undefined] = np.nan if isinstance(null, str) else null
    return values


def _number(text: str, code: str, decimals: int) -> float:
    if not text:
        return 0
    if code == "I":
        return int(text)
    value = float(text.replace("D", "E"))
    if decimals and "." not in text and "E" not in text and text[-1].isdigit():
        value /= 10.0**decimals  # without a decimal point the last digits are decimals
    return value
