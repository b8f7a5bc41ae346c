"""Tables: columns read only when asked for, whole, by row ranges or in chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, overload

import numpy as np

from wolter.fits.column import Columns, Field, binary_field, columns_of
from wolter.fits.decode import Ragged, decode, decoder, field_view, output_dtype
from wolter.fits.hdu import HDU, Region
from wolter.fits.header import Header
from wolter.fits.heap import heap_objects, heap_ragged
from wolter.fits.source import StreamSource

__all__ = ["Block", "TableHDU"]

# Rows are read into one buffer of about this size, which stays in the second-level cache while columns are
# copied out of it: see docs/decisions/0010-own-fits-reader.md for the measurements.
CHUNK_BYTES = 1 << 20
REMOTE_CHUNK_BYTES = 1 << 24  # fewer, larger requests


class Block:
    """Consecutive rows of a table, whose columns are decoded only when asked for.

    Valid only until the next block: the bytes lie in a buffer that is used again.

    Attributes
    ----------
    start, nrows : int
        First row (from 0) and number of rows.
    """

    __slots__ = ("_decoders", "_views", "nrows", "start")

    def __init__(self, start: int, nrows: int, views: dict[str, np.ndarray], decoders: dict[str, Callable]) -> None:
        self.start, self.nrows = start, nrows
        self._views, self._decoders = views, decoders

    def __getitem__(self, name: str) -> np.ndarray:
        """Values of a column, in a fresh array."""
        return self._decoders[name](self._views[name][: self.nrows])

    def take(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Values of a column in chosen rows of the block (mask or indices): only these are decoded."""
        return self._decoders[name](self._views[name][: self.nrows][rows])


class TableHDU(HDU):
    """Binary or ASCII table.

    ``"PI" in hdu`` says whether there is a column; nothing of the data is read before `read`, `chunks` or `blocks`.
    """

    kind = "table"

    def __init__(
        self,
        header: Header,
        region: Region | None = None,
        *,
        index: int = -1,
        arrays: dict[str, Any] | None = None,
        columns: Columns | None = None,
        nrows: int | None = None,
    ) -> None:
        super().__init__(header, region, index=index)
        self._arrays = arrays
        self.nrows: int = int(header["NAXIS2"]) if nrows is None else nrows
        self.row_bytes: int = int(header["NAXIS1"])
        if columns is not None:
            self.columns = columns

    @cached_property
    def columns(self) -> Columns:
        """Columns by name (any case), in file order."""
        return columns_of(self.header)

    @cached_property
    def fields(self) -> list[Field]:
        """Layout of a row.

        Raises
        ------
        FitsError
            A TFORM is not understood, or the columns are wider than the row.
        """
        if self.header.get("XTENSION") == "TABLE":
            from wolter.fits.ascii import ascii_fields

            return ascii_fields(self.columns, self.header)
        fields, offset = [], 0
        for i, column in enumerate(self.columns.all):
            field = binary_field(column, i + 1, offset, file=self.file, hdu=self.label)
            offset += field.nbytes
            fields.append(field)
        if offset > self.row_bytes:
            raise self.error(
                f"the columns take {offset} bytes but NAXIS1 says a row has {self.row_bytes}",
                cure="A TFORM or NAXIS1 is wrong; the table cannot be read safely.",
            )
        return fields

    @property
    def in_memory(self) -> bool:
        """Whether the table was made by `new_table` and holds arrays."""
        return self._arrays is not None

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns)."""
        return (self.nrows, len(self.columns.all))

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def field(self, name: str) -> Field:
        """Layout of one column."""
        return self.fields[self.columns.index(name)]

    @overload
    def read(self, columns: str, *, rows: slice | None = None, null: Any = "raw") -> np.ndarray: ...
    @overload
    def read(
        self, columns: list[str] | tuple[str, ...] | None = None, *, rows: slice | None = None, null: Any = "raw"
    ) -> dict[str, np.ndarray]: ...

    def read(
        self, columns: str | Sequence[str] | None = None, *, rows: slice | None = None, null: Any = "raw"
    ) -> np.ndarray | dict[str, np.ndarray]:
        """Values of one column, or a dict of several (all by default), under the names asked for.

        Parameters
        ----------
        columns : str or list of str, optional
            Names, in any case.
        rows : slice, optional
            Rows from start to stop (0-based, stop not included, step 1).
        null : "raw", "nan", "mask" or number
            What becomes of stored integers equal to TNULL: the stored number; NaN (the column becomes float64); every
            column comes as a masked array; this number. Scaled columns are floats and have NaN unless another is asked
            for.

        Returns
        -------
        ndarray or dict of ndarray
            Native byte order, shape (rows, *TDIM). Types: L and X bool (``16X`` is bool[n, 16]), B I J K integers
            (unsigned by the TZERO convention), E D C M floats and complex, A str without trailing blanks, columns with
            TSCAL or TZERO float64. Variable-length columns come as an object array of arrays; `read_ragged` is
            faster.

        Raises
        ------
        FitsError
            Column missing, rows outside the table, truncated or damaged file, TFORM not understood.
        """
        names = [columns] if isinstance(columns, str) else list(self.columns if columns is None else columns)
        start, stop = self._range(rows)
        if self._arrays is not None:
            out = {n: self._from_memory(n, start, stop, null) for n in names}
        else:
            out = self._read_stored(names, start, stop, null)
        return out[columns] if isinstance(columns, str) else out

    def chunks(
        self, columns: str | Sequence[str] | None = None, rows: slice | None = None, *, size: int | None = None,
        null: Any = "raw",
    ) -> Iterator[tuple[int, dict[str, np.ndarray]]]:  # fmt: skip
        """Go through the table in order, a part at a time.

        Parameters
        ----------
        columns : list of str
            Columns wanted; the others are not decoded.
        rows : slice, optional
            Only these rows.
        size : int, optional
            Rows per chunk; by default about 1 MB of the file.
        null
            As in `read`.

        Yields
        ------
        start : int
            First row of the chunk (0-based, in the table).
        values : dict of ndarray
            Fresh arrays, which the caller may keep and change.

        Notes
        -----
        Memory stays at one buffer and one chunk however long the table. A compressed file is inflated once, as the
        chunks go; at the end the rest of the stream is checked. If the file is damaged, `FitsError` is raised instead
        of the end of the iteration.
        """
        names = [columns] if isinstance(columns, str) else list(self.columns if columns is None else columns)
        for block in self.blocks(names, rows, size=size, null=null):
            yield block.start, {name: block[name] for name in names}

    def blocks(
        self, columns: Sequence[str], rows: slice | None = None, *, size: int | None = None, null: Any = "raw"
    ) -> Iterator[Block]:
        """Like `chunks`, but columns are decoded when asked for, and `Block.take` decodes only the rows chosen.

        This is the fastest way through an event list when a selection on a few columns keeps few rows. A block is
        valid until the next one.
        """
        start, stop = self._range(rows)
        names = list(columns)
        for name in names:
            self.columns.index(name)
        if self._arrays is not None or any(self.field(n).heap for n in names):
            yield from self._blocks_by_read(names, start, stop, size, null)
            return
        fields = [self.field(n) for n in names]
        decoders = {n: decoder(f, null) for n, f in zip(names, fields, strict=True)}
        views: dict[str, np.ndarray] = {}
        spans = [(f.offset, f.nbytes) for f in fields]
        for first, n, buffer in self.raw_rows(start, stop, size, spans=spans):
            if first == start:  # the buffer stays the same, so the views are made once
                views = {
                    name: field_view(f, buffer, len(buffer) // max(self.row_bytes, 1), self.row_bytes)
                    if self.row_bytes
                    else field_view(f, buffer, n, 0)
                    for name, f in zip(names, fields, strict=True)
                }
            yield Block(first, n, views, decoders)

    def raw_rows(
        self,
        start: int,
        stop: int,
        size: int | None = None,
        *,
        finish: bool = True,
        spans: Sequence[tuple[int, int]] | None = None,
    ) -> Iterator[tuple[int, int, np.ndarray]]:
        """Stored rows, chunk by chunk: (first row, number of rows, uint8 buffer that is used again).

        With ``finish`` a compressed stream is checked to its end behind the last row. ``spans`` (offset, length) tells
        which bytes of each row matter: of a file on a server the others may not be fetched, and are undefined then.
        """
        width = self.row_bytes
        region = self.region if self.region is not None else self.prepare()
        columns = getattr(region.source, "read_columns", None)
        chunk = CHUNK_BYTES if columns is None else REMOTE_CHUNK_BYTES
        step = max(1, min(size or max(1, chunk // max(width, 1)), stop - start))
        if isinstance(region.source, StreamSource) and region.source.affords(region.size):
            region.hold()
        region.check(width, self.nrows)
        buffer = np.empty(step * width, np.uint8)
        view = buffer.data
        for first in range(start, stop, step):
            n = min(step, stop - first)
            if columns is not None and spans:
                columns(region.offset + first * width, view[: n * width], width, n, spans)
            else:
                region.read_into(first * width, view[: n * width], width, self.nrows)
            yield first, n, buffer
        if finish and stop == self.nrows:
            region.finish()

    def read_ragged(self, name: str, *, rows: slice | None = None) -> Ragged:
        """Rows of a column of arrays, of any kind of layout, as offsets and one flat array.

        Scalars count as arrays of one element, fixed-length arrays as rows of equal length, so that callers (of
        response matrices, say) have one case. Elements of strings are single characters.

        Returns
        -------
        Ragged
            ``offsets`` int64[n + 1], ``flat``; row i is ``flat[offsets[i]:offsets[i + 1]]``.
        """
        start, stop = self._range(rows)
        if self._arrays is not None:
            value = self._arrays[self.columns[name].name]
            if isinstance(value, Ragged):
                flat = value.flat[value.offsets[start] : value.offsets[stop]]
                return Ragged(value.offsets[start : stop + 1] - value.offsets[start], flat)
            return _as_ragged(value[start:stop])
        field = self.field(name)
        if not field.heap:
            return _as_ragged(self.read(name, rows=rows))
        return heap_ragged(field, self._descriptors(field, start, stop), self._heap(), self)

    def select(self, rows: np.ndarray) -> TableHDU:
        """Table in memory of chosen rows (mask of length nrows, or ascending indices), bytes unchanged.

        The header is a copy; counts and times in it are not adapted.
        """
        rows = np.asarray(rows)
        if rows.dtype == bool:
            if len(rows) != self.nrows:
                raise self.error(f"the mask has {len(rows)} elements, the table {self.nrows} rows")
            rows = np.flatnonzero(rows)
        elif rows.size and (rows.min() < 0 or rows.max() >= self.nrows or (np.diff(rows) < 0).any()):
            raise self.error("rows to select must be ascending and inside the table")
        if self._arrays is not None:
            return self._select_memory(rows)
        parts = []
        for first, n, buffer in self.raw_rows(0, self.nrows):
            lo, hi = np.searchsorted(rows, [first, first + n])
            if hi > lo:
                parts.append(buffer.reshape(-1, self.row_bytes)[rows[lo:hi] - first])
        heap = self._heap_bytes()
        data = np.concatenate([p.reshape(-1) for p in parts] + [heap])
        header = self.header.copy()
        header["NAXIS2"] = len(rows)
        header["PCOUNT"] = len(heap)
        header.remove("THEAP", "CHECKSUM", "DATASUM")
        return TableHDU(header, Region.of_bytes(data))

    def _select_memory(self, rows: np.ndarray) -> TableHDU:
        from wolter.fits.build import new_table

        arrays = {}
        for name, value in (self._arrays or {}).items():
            arrays[name] = value.to_objects()[rows] if isinstance(value, Ragged) else value[rows]
        return new_table(self.name, arrays, columns={c.name: c for c in self.columns.all}, header=self.header)

    def _range(self, rows: slice | None) -> tuple[int, int]:
        if rows is None:
            return 0, self.nrows
        start = 0 if rows.start is None else int(rows.start)
        stop = self.nrows if rows.stop is None else int(rows.stop)
        if rows.step not in (None, 1) or not 0 <= start <= stop <= self.nrows:
            raise self.error(
                f"rows {rows.start}:{rows.stop}{'' if rows.step in (None, 1) else f':{rows.step}'} are not a range "
                f"inside the table, which has {self.nrows} rows (0:{self.nrows})"
            )
        return start, stop

    def _read_stored(self, names: list[str], start: int, stop: int, null: Any) -> dict[str, Any]:
        if self.region is not None:
            self.region.check(self.row_bytes, self.nrows)  # before room is made for rows that are not there
        out: dict[str, Any] = {}
        fixed, n = [], stop - start
        for name in dict.fromkeys(names):
            field = self.field(name)
            if field.heap:
                out[name] = None
            else:
                dtype = output_dtype(field, null)
                out[name] = [] if dtype is None else np.empty((n, *field.inner), dtype)
                fixed.append(name)
        if fixed:
            self.prepare()
            for block in self.blocks(fixed, slice(start, stop)):
                at = slice(block.start - start, block.start - start + block.nrows)
                self._fill(out, fixed, block, at, null)
        for name in out:
            field = self.field(name)
            if field.heap:
                out[name] = heap_objects(field, self._descriptors(field, start, stop), self._heap(), self)
            elif isinstance(out[name], list):
                parts = out[name] or [decode(field, np.zeros((0, *field.inner), field.stored), null)]
                out[name] = (np.ma.concatenate if null == "mask" else np.concatenate)(parts)
        return out

    def _fill(self, out: dict[str, Any], names: list[str], block: Block, at: slice, null: Any) -> None:
        """Decode one block into the arrays (or lists of parts) of the result."""
        for name in names:
            view = block._views[name][: block.nrows]
            if isinstance(out[name], list):
                out[name].append(decode(self.field(name), view, null))
            elif _plain(self.field(name), null):
                out[name][at] = view
            else:
                out[name][at] = decode(self.field(name), view, null)

    def _blocks_by_read(self, names: list[str], start: int, stop: int, size: int | None, null: Any) -> Iterator[Block]:
        step = size or max(1, CHUNK_BYTES // max(self.row_bytes, 1))
        if self._arrays is None:
            self.prepare(whole=True)
        for first in range(start, stop, step):
            n = min(step, stop - first)
            values = self.read(names, rows=slice(first, first + n), null=null)
            yield Block(first, n, values, dict.fromkeys(names, np.copy))

    def _from_memory(self, name: str, start: int, stop: int, null: Any) -> Any:
        value = self._arrays[self.columns[name].name] if self._arrays is not None else None
        if isinstance(value, Ragged):
            return Ragged(value.offsets[start : stop + 1], value.flat).to_objects()
        assert value is not None
        value = value[start:stop]
        tnull = self.columns[name].null
        if not isinstance(null, str) or null != "raw":
            mask = np.zeros(value.shape, bool)
            if isinstance(tnull, int) and value.dtype.kind in "iu":
                mask = value == tnull
            if isinstance(null, str) and null == "mask":
                return np.ma.MaskedArray(value, mask=mask)
            if mask.any():
                value = value.astype("f8") if isinstance(null, str) else value.copy()
                value[mask] = np.nan if isinstance(null, str) else null
        return value

    def _descriptors(self, field: Field, start: int, stop: int) -> np.ndarray:
        """int64[n, 2]: count and heap offset of each row."""
        self.prepare(whole=True)
        out = np.zeros((stop - start, 2), np.int64)
        if field.repeat:
            for first, n, buffer in self.raw_rows(start, stop, finish=False):
                out[first - start : first - start + n] = field_view(field, buffer, n, self.row_bytes)
        return out

    def _heap(self) -> Region:
        """Region of the heap."""
        region = self.prepare(whole=True)
        start = int(self.header.number("THEAP", self.row_bytes * self.nrows))
        heap = Region(region.source, region.offset + start, max(0, region.size - start), self.label)
        return heap

    def _heap_bytes(self) -> np.ndarray:
        if not any(f.heap for f in self.fields):
            return np.empty(0, np.uint8)
        return self._heap().read()


def _plain(field: Field, null: Any) -> bool:
    """Whether decoding is nothing but a change of byte order."""
    if field.code in "XLA" or field.scaled or field.parse is not None:
        return False
    return isinstance(null, str) and (null == "raw" or (null == "nan" and field.null is None))


def _as_ragged(value: np.ndarray) -> Ragged:
    if value.dtype == object:
        lengths = np.array([len(v) for v in value], dtype=np.int64)
        flat = np.concatenate(list(value)) if len(value) else np.empty(0)
    else:
        n = len(value)
        flat = value.reshape(-1)
        lengths = np.full(n, flat.size // n if n else 0, dtype=np.int64)
    return Ragged(np.concatenate([[0], np.cumsum(lengths)]), flat)
