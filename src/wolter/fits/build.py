"""HDUs made in memory: tables from arrays, images, primary headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from wolter.errors import OutputError
from wolter.fits.column import ELEMENTS, Column, Columns, Field, binary_field
from wolter.fits.decode import Ragged
from wolter.fits.hdu import ImageHDU
from wolter.fits.header import Header
from wolter.fits.table import TableHDU

__all__ = ["new_image", "new_table", "primary"]

# numpy kind and size -> element code, and TZERO where the type is not a FITS one.
_CODES: dict[str, tuple[str, int]] = {
    "b1": ("L", 0), "u1": ("B", 0), "i1": ("B", -128), "i2": ("I", 0), "u2": ("I", 2**15), "i4": ("J", 0),
    "u4": ("J", 2**31), "i8": ("K", 0), "u8": ("K", 2**63), "f2": ("E", 0), "f4": ("E", 0), "f8": ("D", 0),
    "c8": ("C", 0), "c16": ("M", 0),
}  # fmt: skip
_BITPIX = {"u1": 8, "i2": 16, "i4": 32, "i8": 64, "f4": -32, "f8": -64}
_IMAGE_ZERO = {"i1": ("u1", -128), "u2": ("i2", 2**15), "u4": ("i4", 2**31), "u8": ("i8", 2**63)}


def primary(header: Header | Mapping[str, Any] | None = None) -> ImageHDU:
    """Primary HDU without data.

    Parameters
    ----------
    header : Header or mapping, optional
        Keywords; those about the layout of other data are left out.
    """
    return ImageHDU(_with_keywords([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", True)], "", header))


def new_image(data: Any, *, name: str = "", header: Header | Mapping[str, Any] | None = None) -> ImageHDU:
    """Image HDU in memory.

    Parameters
    ----------
    data : array
        Slowest axis first. Unsigned integers and signed bytes are written with BZERO, bool as bytes.
    name : str
        EXTNAME.
    header : Header or mapping, optional
        Keywords (WCS, mission...); those about the layout of other data are left out.

    Raises
    ------
    OutputError
        FITS images cannot hold this type.
    """
    array = np.asarray(data)
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    elif array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8):
        array = array.astype(np.float32 if array.dtype.itemsize == 2 else np.float64)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    kind, zero = _IMAGE_ZERO.get(array.dtype.str[1:], (array.dtype.str[1:], 0))
    if kind not in _BITPIX:
        raise OutputError(f"an image of type {array.dtype} cannot be written", hdu=name or None)
    cards: list[tuple] = [("XTENSION", "IMAGE"), ("BITPIX", _BITPIX[kind]), ("NAXIS", array.ndim)]
    cards += [(f"NAXIS{i + 1}", n) for i, n in enumerate(reversed(array.shape))]
    cards += [("PCOUNT", 0), ("GCOUNT", 1)]
    if zero:
        cards += [("BSCALE", 1), ("BZERO", zero)]
    return ImageHDU(_with_keywords(cards, name, header), array=array)


def new_table(
    name: str,
    data: Mapping[str, Any],
    *,
    columns: Mapping[str, Column] | None = None,
    units: Mapping[str, str] | None = None,
    header: Header | Mapping[str, Any] | None = None,
) -> TableHDU:
    """Binary table in memory.

    Parameters
    ----------
    name : str
        EXTNAME.
    data : dict of array
        Columns in order, each of shape (rows, ...). Types as `TableHDU.read` gives them; lists of arrays of different
        length (or `Ragged`) become variable-length columns. Masked elements are written as TNULL (integers), NaN
        (floats) or blank.
    columns : dict of Column, optional
        Units, formats (``"16X"`` for bits), TNULL, scaling, other keywords, by name. Without a format the type of the
        array decides.
    units : dict of str, optional
        TUNIT by name.
    header : Header or mapping, optional
        Keywords; those about the layout of other data are left out.

    Raises
    ------
    OutputError
        Columns of different length, values that do not fit their format, types that FITS does not have.
    """
    given = {k.upper(): v for k, v in (columns or {}).items()}
    unit = {k.upper(): v for k, v in (units or {}).items()}
    arrays: dict[str, Any] = {}
    found: list[Column] = []
    nrows: int | None = None
    for key, values in data.items():
        column = given.pop(key.upper(), Column(key)).replace(name=key)
        if key.upper() in unit:
            column = column.replace(unit=unit.pop(key.upper()))
        column, array = normalise(column, values, name)
        n = len(array)
        if nrows is not None and n != nrows:
            raise OutputError(f"column {key} has {n} rows, the ones before it {nrows}", hdu=name)
        nrows = n
        arrays[key], _ = array, found.append(column)
    for extra in [*given, *unit]:
        raise OutputError(f"column {extra} is described but there are no data for it", hdu=name)
    if len({k.upper() for k in arrays}) < len(arrays):
        raise OutputError("two columns have the same name (case does not count)", hdu=name)
    cards = _table_cards(found, arrays, nrows or 0, name)
    return TableHDU(
        _with_keywords(cards, name, header), arrays=arrays, columns=Columns(found, hdu=name), nrows=nrows or 0
    )


def _table_cards(columns: list[Column], arrays: Mapping[str, Any], nrows: int, name: str) -> list[tuple]:
    """Header cards of a table and its columns."""
    fields, width = [], 0
    for i, column in enumerate(columns):
        fields.append(binary_field(column, i + 1, width, hdu=name))
        width += fields[-1].nbytes
    cards: list[tuple] = [("XTENSION", "BINTABLE"), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", width), ("NAXIS2", nrows)]
    cards += [("PCOUNT", heap_size(arrays, fields)), ("GCOUNT", 1), ("TFIELDS", len(columns))]
    for i, column in enumerate(columns):
        cards += column_cards(column, i + 1)
    return cards


def column_cards(column: Column, number: int) -> list[tuple]:
    """Header cards of a column."""
    cards: list[tuple] = [(f"TTYPE{number}", column.name, column.comment), (f"TFORM{number}", column.format)]
    if column.unit:
        cards.append((f"TUNIT{number}", column.unit))
    if column.null is not None:
        cards.append((f"TNULL{number}", column.null))
    if column.scale != 1:
        cards.append((f"TSCAL{number}", column.scale))
    if column.zero != 0:
        cards.append((f"TZERO{number}", column.zero))
    if column.dim:
        cards.append((f"TDIM{number}", column.dim))
    if column.disp:
        cards.append((f"TDISP{number}", column.disp))
    cards += [(f"{stem}{number}", value) for stem, value in column.keywords.items()]
    return cards


def _with_keywords(cards: list[tuple], name: str, header: Header | Mapping[str, Any] | None) -> Header:
    out = Header(cards)
    if name:
        out.set("EXTNAME", name)
    if header is not None:
        rest = (header if isinstance(header, Header) else Header(header)).without_structure()
        if name:
            rest.remove("EXTNAME")
        out.update(rest)
    return out


def heap_size(arrays: Mapping[str, Any], fields: list[Field]) -> int:
    """Bytes of the heap of a table in memory."""
    total = 0
    for field in fields:
        value = arrays[field.column.name] if field.heap else None
        if isinstance(value, Ragged):
            total += _row_bytes(field, value).sum(dtype=np.int64).item()
    return total


def _row_bytes(field: Field, value: Ragged) -> np.ndarray:
    return (value.lengths + 7) // 8 if field.code == "X" else value.lengths * ELEMENTS[field.code][0]


def normalise(column: Column, values: Any, table: str) -> tuple[Column, Any]:
    """Array of the type that reading the column back gives, and the column with its format filled in."""
    heap = column.format.strip().lstrip("01")[:1] in ("P", "Q") and column.format.strip() != ""
    if isinstance(values, Ragged) or heap or _is_ragged(values):
        return _normalise_ragged(column, values, table)
    array = _fill_masked(column, values, table) if isinstance(values, np.ma.MaskedArray) else np.asarray(values)
    if array.ndim == 0:
        raise OutputError(f"column {column.name} is a single value, not one per row", hdu=table)
    if array.dtype.kind == "O":
        array = np.array([str(v) for v in array.ravel()]).reshape(array.shape) if array.size else array.astype("U1")
    if array.dtype.kind in "US":
        return _normalise_strings(column, array, table)
    if not column.format:
        column = _infer(column, array, table)
    field = binary_field(column, 1, 0, hdu=table)
    n = len(array)
    try:
        array = array.reshape(n, *field.inner) if array.size else np.zeros((n, *field.inner), array.dtype)
    except ValueError:
        raise OutputError(
            f"column {column.name} has shape {array.shape}, its format {column.format} wants {(n, *field.inner)}",
            hdu=table,
        ) from None
    return column, _cast(field, array, table)


def _is_ragged(values: Any) -> bool:
    if isinstance(values, np.ndarray):
        return values.dtype.kind == "O" and values.ndim == 1 and any(isinstance(v, (np.ndarray, list)) for v in values)
    if isinstance(values, (list, tuple)) and values and isinstance(values[0], (np.ndarray, list, tuple)):
        return len({np.shape(v) for v in values}) > 1
    return False


def _fill_masked(column: Column, values: np.ma.MaskedArray, table: str) -> np.ndarray:
    mask = np.ma.getmaskarray(values)
    data = np.array(np.ma.getdata(values))
    if not mask.any():
        return data
    if data.dtype.kind in "fc":
        data[mask] = np.nan
    elif data.dtype.kind in "US":
        data[mask] = ""
    elif data.dtype.kind in "iu" and isinstance(column.null, int):
        data[mask] = column.null
    else:
        raise OutputError(
            f"column {column.name} has undefined elements but no TNULL", hdu=table, cure="Give its Column a null value."
        )
    return data


def _infer(column: Column, array: np.ndarray, table: str) -> Column:
    """Fill in the format from the type of the array."""
    kind = array.dtype.str[1:]
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        kind = "f8"
    if kind not in _CODES:
        raise OutputError(f"column {column.name} has type {array.dtype}, which FITS tables do not have", hdu=table)
    code, zero = _CODES[kind]
    count = int(np.prod(array.shape[1:], dtype=np.int64))
    if array.ndim > 2 and not column.dim:
        column = column.replace(dim="(" + ",".join(str(n) for n in reversed(array.shape[1:])) + ")")
    if zero and column.scale == 1 and column.zero == 0:
        column = column.replace(zero=zero)
    return column.replace(format=f"{count}{code}")


def _cast(field: Field, array: np.ndarray, table: str) -> np.ndarray:
    """Array of the type that belongs to a field; raises where values would change."""
    column = field.column
    if field.code in "LX":
        if array.dtype.kind != "b" and not np.isin(array, (0, 1)).all():
            raise OutputError(
                f"column {column.name} of format {column.format} holds more than true and false", hdu=table
            )
        return array.astype(bool, copy=False)
    if field.code in "BIJK" and not (field.scaled and not field.unsigned):
        dtype = field.stored.newbyteorder("=")
        if field.unsigned:
            dtype = np.dtype("i1") if field.code == "B" else np.dtype(dtype.str.replace("i", "u"))
        return _to_integer(array, dtype, column, table)
    dtype = np.dtype("f8") if field.scaled and field.code not in "CM" else field.stored.newbyteorder("=")
    if array.dtype.kind == "c" and dtype.kind != "c":
        raise OutputError(f"column {column.name} is complex, its format {column.format} is not", hdu=table)
    with np.errstate(over="raise"):
        try:
            return array.astype(dtype, copy=False)
        except FloatingPointError:
            raise OutputError(f"column {column.name} exceeds what {column.format} can hold", hdu=table) from None


def _to_integer(array: np.ndarray, dtype: np.dtype, column: Column, table: str) -> np.ndarray:
    if array.dtype == dtype or not array.size:
        return array.astype(dtype, copy=False)
    info = np.iinfo(dtype)
    if array.dtype.kind not in "iub" and not (np.isfinite(array).all() and (array == np.floor(array)).all()):
        raise OutputError(
            f"column {column.name} holds numbers that are not whole, its format is {column.format}", hdu=table
        )
    if int(array.min()) < info.min or int(array.max()) > info.max:
        raise OutputError(
            f"column {column.name} holds {array.min()}..{array.max()}, "
            f"its format {column.format} {info.min}..{info.max}",
            hdu=table,
        )
    return array.astype(dtype)


def _normalise_strings(column: Column, array: np.ndarray, table: str) -> tuple[Column, np.ndarray]:
    text = array.astype("U") if array.dtype.kind == "S" and array.size else array.astype("U", copy=False)
    if not all(s.isascii() and "\0" not in s for s in text.ravel().tolist()):
        raise OutputError(f"column {column.name} holds characters that are not ASCII", hdu=table)
    longest = int(np.char.str_len(text).max()) if text.size else 0
    if not column.format:
        width = max(longest, 1)
        count = int(np.prod(text.shape[1:], dtype=np.int64))
        if text.ndim > 1:
            column = column.replace(dim="(" + ",".join(str(n) for n in (width, *reversed(text.shape[1:]))) + ")")
        column = column.replace(format=f"{width * count}A")
    field = binary_field(column, 1, 0, hdu=table)
    if field.code != "A" or longest > field.width:
        raise OutputError(
            f"column {column.name} holds text of {longest} characters, its format is {column.format}", hdu=table
        )
    if text.shape[1:] != field.inner:
        raise OutputError(f"column {column.name} has shape {text.shape}, its format {column.format} another", hdu=table)
    return column, text


def _normalise_ragged(column: Column, values: Any, table: str) -> tuple[Column, Ragged]:
    code = ""
    if column.format:
        code = binary_field(column, 1, 0, hdu=table).code
    ragged = values if isinstance(values, Ragged) else _ragged_of(values, code, column, table)
    flat = ragged.flat
    if flat.dtype.kind in "US":
        code, flat = "A", flat.astype("S1")
    elif not code:
        column = _infer(column, flat, table)
        code = column.format.lstrip("0123456789")
    field = Field(column, 0, 8, code, 1, (), "P", width=1)
    if code != "A":
        flat = _cast(field, flat, table)
    ragged = Ragged(np.asarray(ragged.offsets, np.int64), flat)
    longest = int(ragged.lengths.max()) if len(ragged) else 0
    total = int(_row_bytes(field, ragged).sum())
    pointer = "Q" if total >= 2**31 or column.format.lstrip("01").startswith("Q") else "P"
    return column.replace(format=f"1{pointer}{code}({longest})"), ragged


def _ragged_of(values: Any, code: str, column: Column, table: str) -> Ragged:
    if code == "A" or any(isinstance(v, (str, bytes)) for v in values):
        rows = [np.frombuffer(v if isinstance(v, bytes) else v.encode("ascii"), "S1") for v in values]
    else:
        rows = [np.asarray(v).reshape(-1) for v in values]
    full = [r for r in rows if len(r)]
    default = np.dtype(ELEMENTS[code][1]).newbyteorder("=") if code else np.dtype("f8")
    flat = np.concatenate(full) if full else np.zeros(0, default)
    lengths = np.array([len(r) for r in rows], np.int64)
    if flat.dtype.kind == "O":
        raise OutputError(f"column {column.name} has rows of mixed types", hdu=table)
    return Ragged(np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]), flat)
