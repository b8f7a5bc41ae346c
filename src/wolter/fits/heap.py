"""Variable-length columns: descriptors and heap to rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wolter.fits.column import ELEMENTS, Field
from wolter.fits.decode import Ragged, decoder
from wolter.fits.hdu import Region

if TYPE_CHECKING:
    from wolter.fits.table import TableHDU

__all__ = ["heap_objects", "heap_ragged"]


def heap_ragged(field: Field, descriptors: np.ndarray, heap: Region, table: TableHDU) -> Ragged:
    """Rows of a variable-length column as offsets and flat values.

    Parameters
    ----------
    field : Field
        Layout of the column.
    descriptors : int64[n, 2]
        Number of elements and byte offset in the heap, per row.
    heap : Region
        Bytes of the heap.
    table : TableHDU
        For messages.
    """
    counts, begins = descriptors[:, 0], descriptors[:, 1]
    nbytes = (counts + 7) // 8 if field.code == "X" else counts * ELEMENTS[field.code][0]
    used = counts > 0
    if (counts < 0).any() or (begins[used] < 0).any() or (used.any() and (begins + nbytes)[used].max() > heap.size):
        bad = int(np.flatnonzero((counts < 0) | (begins < 0) | (begins + nbytes > heap.size))[0])
        raise table.error(
            f"row {bad} of variable-length column {field.column.name} points outside the heap "
            f"({counts[bad]} elements at byte {begins[bad]}, the heap has {heap.size} bytes)",
            cure="The table is damaged; fetch or make the file again.",
        )
    offsets = np.concatenate([[0], np.cumsum(counts)])
    raw = _gather(begins[used], nbytes[used], heap)
    if field.code == "X":
        return _ragged_bits(counts, nbytes, raw, offsets)
    stored = raw.view(field.stored if field.code != "A" else "S1")
    flat = stored if field.code == "A" else decoder(field)(stored)
    return Ragged(offsets, flat)


def _gather(begins: np.ndarray, nbytes: np.ndarray, heap: Region) -> np.ndarray:
    """Bytes of all rows, one after the other."""
    total = int(nbytes.sum())
    if total == 0:
        return np.empty(0, np.uint8)
    ends = begins + nbytes
    low, high = int(begins.min()), int(ends.max())
    data = heap.read(low, high - low)
    if high - low == total and (begins[1:] == ends[:-1]).all():
        return data  # rows lie in order without gaps: what every writer does
    out = np.empty(total, np.uint8)
    at = 0
    for begin, n in zip((begins - low).tolist(), nbytes.tolist(), strict=True):
        out[at : at + n] = data[begin : begin + n]
        at += n
    return out


def _ragged_bits(counts: np.ndarray, nbytes: np.ndarray, raw: np.ndarray, offsets: np.ndarray) -> Ragged:
    bits = np.unpackbits(raw)
    starts = np.concatenate([[0], np.cumsum(nbytes * 8)])[:-1]
    index = np.repeat(starts - offsets[:-1], counts) + np.arange(offsets[-1])
    return Ragged(offsets, bits[index].view(bool))


def heap_objects(field: Field, descriptors: np.ndarray, heap: Region, table: TableHDU) -> np.ndarray:
    """object[n]: one array per row, or one str per row for characters."""
    ragged = heap_ragged(field, descriptors, heap, table)
    if field.code != "A":
        return ragged.to_objects()
    text = ragged.flat.tobytes().decode("latin-1")
    out = np.empty(len(ragged), dtype=object)
    bounds = ragged.offsets.tolist()
    for i in range(len(out)):
        out[i] = text[bounds[i] : bounds[i + 1]].split("\0")[0].rstrip(" ")
    return out
