"""Values to stored bytes: the reverse of `wolter.fits.decode`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from wolter.errors import OutputError
from wolter.fits.column import ELEMENTS, Field
from wolter.fits.decode import Ragged, field_view

__all__ = ["encode_image", "encode_table"]

_ROW_BYTES = 1 << 20


def encode_image(array: np.ndarray) -> Iterator[memoryview]:
    """Big-endian bytes of an image, in pieces."""
    flat = np.ascontiguousarray(array).reshape(-1)
    step = max(1, _ROW_BYTES // max(1, flat.dtype.itemsize))
    for start in range(0, len(flat), step):
        piece = flat[start : start + step]
        kind = piece.dtype.str[1:]
        if kind in ("i1", "u2", "u4", "u8"):  # BZERO turns these types into signed ones: flip the top bit
            size = piece.dtype.itemsize
            piece = piece.view(f"u{size}") ^ np.array(1 << (8 * size - 1), f"u{size}")
        yield piece.astype(piece.dtype.newbyteorder(">")).view(np.uint8).data


def encode_table(arrays: Mapping[str, Any], fields: list[Field], nrows: int, row_bytes: int) -> Iterator[memoryview]:
    """Stored rows and heap of a table, in pieces."""
    descriptors = _descriptors(arrays, fields)
    step = max(1, _ROW_BYTES // max(1, row_bytes))
    for start in range(0, nrows, step):
        n = min(step, nrows - start)
        buffer = np.zeros(n * row_bytes, np.uint8)
        for field in fields:
            name = field.column.name
            view = field_view(field, buffer, n, row_bytes)
            if view.size == 0:
                continue
            if field.heap:
                view[...] = descriptors[name][start : start + n]
            else:
                view[...] = stored(field, arrays[name][start : start + n])
        yield buffer.data
    for field in fields:
        value = arrays[field.column.name]
        if field.heap and isinstance(value, Ragged):
            yield from _heap(field, value)


def stored(field: Field, values: np.ndarray) -> np.ndarray:
    """Elements as they are stored, but for the byte order."""
    if field.code == "L":
        return np.where(values, np.uint8(ord("T")), np.uint8(ord("F")))
    if field.code == "X":
        return np.packbits(values.reshape(len(values), -1), axis=1)
    if field.code == "A":
        raw = (
            np.zeros(values.shape, f"S{field.width}")
            if values.dtype.itemsize == 0
            else values.astype(f"S{field.width}")
        )
        return np.char.ljust(raw, field.width)
    if not field.scaled:
        return values
    column = field.column
    if field.unsigned:
        size = field.stored.itemsize
        flipped = values.view(f"u{size}") ^ np.array(1 << (8 * size - 1), f"u{size}")
        return flipped if field.code == "B" else flipped.view(f"i{size}")
    with np.errstate(invalid="ignore"):
        raw = (values - column.zero) / column.scale
    if field.code not in "BIJK":
        return raw
    undefined = ~np.isfinite(raw)
    if undefined.any() and field.null is None:
        raise OutputError(
            f"column {column.name} has undefined elements but no TNULL", cure="Give its Column a null value."
        )
    rounded = np.where(undefined, field.null or 0, np.rint(raw))
    info = np.iinfo(field.stored)
    if rounded.size and (rounded.min() < info.min or rounded.max() > info.max):
        raise OutputError(f"column {column.name} does not fit its format {column.format} with TSCAL and TZERO")
    return rounded.astype(field.stored)


def _descriptors(arrays: Mapping[str, Any], fields: list[Field]) -> dict[str, np.ndarray]:
    """int64[n, 2] per variable-length column: count and offset; the columns lie one after the other in the heap."""
    out, at = {}, 0
    for field in fields:
        value = arrays[field.column.name]
        if not field.heap or not isinstance(value, Ragged):
            continue
        lengths = value.lengths
        nbytes = (lengths + 7) // 8 if field.code == "X" else lengths * ELEMENTS[field.code][0]
        ends = np.cumsum(nbytes)
        out[field.column.name] = np.stack([lengths, at + ends - nbytes], axis=1)
        at += int(ends[-1]) if len(ends) else 0
    return out


def _heap(field: Field, value: Ragged) -> Iterator[memoryview]:
    if field.code == "X":
        parts = [np.packbits(value[i]) for i in range(len(value))]
        yield (np.concatenate(parts) if parts else np.zeros(0, np.uint8)).data
        return
    step = max(1, _ROW_BYTES // ELEMENTS[field.code][0])
    flat = value.flat[value.offsets[0] : value.offsets[-1]]
    for start in range(0, len(flat), step):
        piece = stored(field, flat[start : start + step])
        dtype = np.dtype("S1") if field.code == "A" else field.stored
        yield np.ascontiguousarray(piece.astype(dtype)).view(np.uint8).data
