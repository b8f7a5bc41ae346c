"""Lines about HDUs, columns, keywords, images and tables, for the tasks that list files."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from wolter import fits
from wolter.errors import ParameterError

__all__ = ["cards", "chosen_hdus", "columns", "image", "match", "ranges", "structure", "table"]

_STRUCTURE = f"  No. {'Type':<8} {'EXTNAME':<12} BITPIX {'Dimensions(columns)':<22} PCOUNT GCOUNT"


def chosen_hdus(file: fits.FitsFile, name: fits.FileName) -> list[Any]:
    """The HDU that a file name asks for, or all."""
    if name.ext is None:
        return list(file.hdus)
    return [file[(name.ext, name.ver)] if name.ver and isinstance(name.ext, str) else file[name.ext]]


def structure(hdus: Sequence[Any], *, with_columns: bool = False) -> list[str]:
    """One line for each HDU (and the columns of tables)."""
    lines = [_STRUCTURE, ""]
    for hdu in hdus:
        h = hdu.header
        kind = "PRIMARY" if hdu.index == 0 else str(h.get("XTENSION", "IMAGE")).strip()
        axes = [str(h[f"NAXIS{i}"]) for i in range(1, int(h.get("NAXIS", 0)) + 1)]
        size = f"{axes[0]}({len(hdu.columns)}) {axes[1]}" if hasattr(hdu, "columns") else " ".join(axes) or "0"
        lines.append(
            f"{hdu.index:>4}  {kind:<8} {h.get('EXTNAME', '')!s:<12} {h.get('BITPIX', 8):>6} {size:<22} "
            f"{h.get('PCOUNT', 0):>6} {h.get('GCOUNT', 1):>6}"
        )
        if with_columns and hasattr(hdu, "columns"):
            lines += ["", *columns(hdu), ""]
    return lines


def columns(hdu: Any) -> list[str]:
    """Names, formats, dimensions, units and legal limits of the columns of a table."""
    lines = [f"      {'Column Name':<26} {'Format':<10} {'Dims':<10} {'Units':<9} {'TLMIN':<8} {'TLMAX':<8}".rstrip()]
    for number, column in enumerate(hdu.columns.values(), 1):
        limits = [str(column.keywords.get(key, "")) for key in ("TLMIN", "TLMAX")]
        lines.append(
            f"    {number:>3} {column.name:<24} {column.format:<10} {column.dim:<10} {column.unit:<9} "
            f"{limits[0]:<8} {limits[1]:<8}".rstrip()
        )
    return lines


def match(name: str, patterns: str) -> bool:
    """Whether a name fits one of some patterns separated by commas or blanks; ``*``, ``?`` and ``#`` (digits)."""
    return any(
        re.fullmatch(fnmatch.translate(p.upper()).replace(re.escape("#"), r"\d+").replace("#", r"\d+"), name.upper())
        for p in re.split(r"[,\s]+", patterns.strip())
        if p
    )


def cards(header: fits.Header, include: str = "*", exclude: str | None = None) -> list[str]:
    """Header cards as they stand in the file, those that fit `include` and not `exclude`."""
    out = []
    for line in header.to_text().removesuffix("\n").splitlines() or []:
        out += [line[i : i + 80].rstrip() for i in range(0, len(line), 80)]
    kept = []
    for card in out:
        key = card[:8].strip()
        if key == "END" or not card.strip():
            continue
        if match(key or "COMMENT", include) and not (exclude and match(key or "COMMENT", exclude)):
            kept.append(card)
    return kept


def ranges(text: str | None, number: int, what: str) -> list[int]:
    """Numbers from 1 of ranges such as ``2,6-8``; everything for None, ``-`` or ``*``.

    Raises
    ------
    ParameterError
        If it is not understood or outside.
    """
    if text is None or text.strip() in ("", "-", "*"):
        return list(range(1, number + 1))
    out: list[int] = []
    for piece in re.split(r"[,\s]+", text.strip()):
        found = re.fullmatch(r"(\d*)(?:([-:])(\d*))?", piece)
        if found is None or not piece.strip("-:"):
            raise ParameterError(f"{what} = {text!r} is not understood", cure="Write for example 2,6-8.")
        low = int(found[1] or 1)
        high = (int(found[3]) if found[3] else number) if found[2] else low
        if low < 1 or low > high:
            raise ParameterError(f"{what} = {text!r} is not a range from 1 on")
        out += range(low, min(high, number) + 1)
    return out


def _text(value: Any) -> str:
    if value is np.ma.masked:
        return "NULL"
    dtype = np.asarray(value).dtype
    if dtype.kind == "b":
        return "T" if value else "F"
    if dtype.kind == "f":
        return "NULL" if np.isnan(value) else f"{value:.7g}" if dtype.itemsize == 4 else f"{value:.15g}"
    return str(value)


def _cells(values: Any, column: fits.Column, elements: list[int] | None) -> list[list[str]]:
    """Texts of a column: of each row the lines it takes (elements of an array are below each other)."""
    bits = column.format.lstrip("0123456789")[:1] == "X"
    out = []
    for value in values:
        if bits:
            out.append(["".join("1" if b else "0" for b in np.atleast_1d(value))])
            continue
        flat = list(np.ravel(value)) if np.ndim(value) else [value]
        if elements is not None and len(flat) > 1:
            flat = [flat[i - 1] for i in elements if i <= len(flat)]
        out.append([_text(v) for v in flat] or [""])
    return out


def table(
    hdu: Any,
    *,
    names: str | None,
    rows: str | None,
    vector: str | None = None,
    separator: str = " ",
    rownum: bool = True,
    colheader: bool = True,
) -> list[str]:
    """Values of a table, one line a row (more for arrays)."""
    every = list(hdu.columns.values())
    chosen = every if names in (None, "*", "-", "") else []
    for pattern in [] if chosen else re.split(r"[,;\s]+", str(names).strip()):
        found = [c for c in every if match(c.name, pattern)]
        if not found:
            hdu.columns.index(pattern)  # raises, naming those that there are
        chosen += [c for c in found if c not in chosen]
    numbers = ranges(rows, hdu.nrows, "rows")
    picked = np.asarray(numbers, dtype=np.int64) - 1
    elements = None if vector in (None, "-", "", "*") else ranges(vector, 10**6, "vector")
    cells = []
    for column in chosen:
        values = hdu.read(column.name, null="mask")
        cells.append(_cells([values[i] for i in picked], column, elements))
    heads = [[c.name, c.unit] for c in chosen]
    widths = [
        max([*map(len, head), *(len(t) for row in cell for t in row)]) for head, cell in zip(heads, cells, strict=True)
    ]
    width = len(str(max(numbers, default=1)))
    lines = []
    if colheader:
        for i in range(2 if any(c.unit for c in chosen) else 1):
            texts = [head[i].ljust(w) for head, w in zip(heads, widths, strict=True)]
            lines.append(separator.join([*([" " * width] if rownum else []), *texts]).rstrip())
    for k, number in enumerate(numbers):
        height = max((len(cell[k]) for cell in cells), default=1)
        for i in range(height):
            texts = [(cell[k][i] if i < len(cell[k]) else "").rjust(w) for cell, w in zip(cells, widths, strict=True)]
            first = [str(number if i == 0 else "").rjust(width)] if rownum else []
            lines.append(separator.join([*first, *texts]).rstrip())
    return lines


def image(hdu: Any, section: str | None) -> list[str]:
    """Pixel values of an image: columns across, rows from the top of the section down."""
    data = np.asarray(hdu.read())
    if data.ndim != 2:
        raise ParameterError(f"HDU {hdu.label} has {data.ndim} axes; images of two are listed")
    parts: Iterable[str] = ["*", "*"] if section in (None, "*", "-") else str(section).split(",")
    texts = [p.strip().replace(":", "-") for p in parts]
    if len(texts) != 2:
        raise ParameterError(f"section = {section!r} is not understood", cure="Write x1:x2,y1:y2.")
    x, y = ranges(texts[0], data.shape[1], "section"), ranges(texts[1], data.shape[0], "section")
    cells = [[_text(data[j - 1, i - 1]) for i in x] for j in y]
    width = max([len(t) for row in cells for t in row] + [len(str(max(x, default=1)))])
    lines = [" " * 6 + " ".join(str(i).rjust(width) for i in x)]
    lines += [f"{j:>5} " + " ".join(t.rjust(width) for t in row) for j, row in zip(y[::-1], cells[::-1], strict=True)]
    return lines
