"""Stored bytes to values: native byte order, scaled, with undefined values as the caller wants them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wolter.fits.column import ELEMENTS, Field

__all__ = ["Ragged", "decode", "decoder", "field_view", "output_dtype"]

Null = Any  # "raw" | "nan" | "mask" | number


@dataclass(frozen=True)
class Ragged:
    """Rows of different length: row i is ``flat[offsets[i]:offsets[i + 1]]``.

    Attributes
    ----------
    offsets : int64[n + 1]
    flat : ndarray
        Elements of all rows, one after the other.
    """

    offsets: np.ndarray
    flat: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        row %= len(self)
        return self.flat[self.offsets[row] : self.offsets[row + 1]]

    @property
    def lengths(self) -> np.ndarray:
        """int64[n]: number of elements of each row."""
        return np.diff(self.offsets)

    def to_objects(self) -> np.ndarray:
        """object[n]: one array per row."""
        out = np.empty(len(self), dtype=object)
        for i in range(len(self)):
            out[i] = self[i]
        return out


def field_view(field: Field, buffer: Any, nrows: int, row_bytes: int, start: int = 0) -> np.ndarray:
    """Big-endian strided view of one column in a buffer of whole rows; no copy.

    Bits and logicals come as bytes, variable-length columns as their (count, offset) descriptors.
    """
    if field.heap:
        dtype, inner = np.dtype(ELEMENTS[field.heap][1]), (2 * field.repeat,)
    elif field.code == "X":
        dtype, inner = np.dtype("u1"), (field.nbytes,)
    else:
        dtype, inner = field.stored, field.inner
        if field.code == "A" and field.width == 0:  # 0A: numpy has no strings of no length
            return np.zeros((nrows, *inner), dtype="S1")
    if field.nbytes == 0 or nrows == 0:
        return np.empty((nrows, *inner), dtype)
    strides = [dtype.itemsize]
    for n in reversed(inner[1:]):
        strides.insert(0, strides[0] * n)
    if not inner:
        strides = []
    return np.ndarray((nrows, *inner), dtype, buffer, start + field.offset, (row_bytes, *strides))


def decode(field: Field, view: np.ndarray, null: Null = "raw") -> np.ndarray:
    """Values of a view made by `field_view` (or of heap elements), in a fresh array."""
    return decoder(field, null)(view)


def decoder(field: Field, null: Null = "raw") -> Callable[[np.ndarray], np.ndarray]:
    """Function from the stored elements of a column to values; chosen once, used per chunk."""
    if isinstance(null, str) and null not in ("raw", "nan", "mask"):
        raise ValueError(f"null={null!r} is not 'raw', 'nan', 'mask' or a number")
    if isinstance(null, str) and null == "mask":
        inner = _decoder(field, null)
        return lambda view: np.ma.asanyarray(inner(view))
    return _decoder(field, null)


def _decoder(field: Field, null: Null) -> Callable[[np.ndarray], np.ndarray]:
    if field.parse is not None:
        parse = field.parse
        return lambda view: parse(view, null)
    if field.code == "X":
        return lambda view: _bits(view, field)
    if field.code == "A":
        return _strings
    if field.code == "L":
        return _masked_logicals if isinstance(null, str) and null == "mask" else lambda view: view == ord("T")
    if field.scaled:
        return lambda view: _scaled(view, field, null)
    native = field.stored.newbyteorder("=")
    if field.null is None or (isinstance(null, str) and null == "raw"):
        return lambda view: view.astype(native)
    return lambda view: _with_null(view.astype(native), view, field, null)


def output_dtype(field: Field, null: Null = "raw") -> np.dtype | None:
    """Type that `decode` gives, or None where it depends on the data (strings) or is masked."""
    if field.code == "A" or field.heap or field.parse is not None or (isinstance(null, str) and null == "mask"):
        return None
    return decode(
        field, np.zeros((0, field.nbytes) if field.code == "X" else (0, *field.inner), field.stored), null
    ).dtype


def _bits(view: np.ndarray, field: Field) -> np.ndarray:
    if field.heap:
        return np.unpackbits(view).view(bool)
    bits = np.unpackbits(view, axis=1, count=field.repeat) if field.repeat else np.zeros((len(view), 0), "u1")
    return bits.view(bool).reshape(len(view), *field.inner)


def _strings(view: np.ndarray) -> np.ndarray:
    raw = np.ascontiguousarray(view)
    if raw.size and raw.dtype.itemsize > 1:
        chars = raw.view("u1").reshape(*raw.shape, raw.dtype.itemsize)
        if ((chars[..., :-1] == 0) & (chars[..., 1:] != 0)).any():  # NUL ends a string, whatever follows
            raw = np.array([s.split(b"\0")[0] for s in raw.ravel().tolist()], raw.dtype).reshape(raw.shape)
    raw = np.char.rstrip(raw, b" ")
    try:
        return raw.astype("U" if raw.dtype.itemsize else "U1")
    except UnicodeDecodeError:
        return np.char.decode(raw, "latin-1")


def _masked_logicals(view: np.ndarray) -> np.ndarray:
    return np.ma.MaskedArray(view == ord("T"), mask=view == 0)


def _scaled(view: np.ndarray, field: Field, null: Null) -> np.ndarray:
    column = field.column
    native = field.stored.newbyteorder("=")
    stored = view.astype(native)
    if field.unsigned:
        kind = "i1" if field.code == "B" else native.str.replace("i", "u")
        top = 1 << (8 * native.itemsize - 1)
        values = stored.view(kind) ^ np.array(top, native.str.replace("i", "u")).view(kind)
        return _with_null(values, stored, field, null)
    if field.code in "CM":
        return stored.astype("c16") * column.scale + column.zero
    values = stored.astype("f8")
    values *= column.scale
    values += column.zero
    if field.null is not None and isinstance(null, str) and null == "raw":
        null = "nan"  # scaled values are floats: NaN says undefined without ambiguity
    return _with_null(values, stored, field, null)


def _with_null(values: np.ndarray, stored: np.ndarray, field: Field, null: Null) -> np.ndarray:
    if isinstance(null, str) and null == "raw":
        return values
    mask = np.zeros(stored.shape, bool) if field.null is None else stored == field.null
    if isinstance(null, str) and null == "mask":
        return np.ma.MaskedArray(values, mask=mask)
    if field.null is None:
        return values
    if isinstance(null, str) and null == "nan":
        values = values.astype("f8", copy=False)
        values[mask] = np.nan
        return values
    values[mask] = null
    return values
