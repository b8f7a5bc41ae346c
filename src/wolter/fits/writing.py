"""Writing files: atomic, with check sums, history and provenance."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from wolter.errors import OutputError
from wolter.fits.atomic import atomic_path
from wolter.fits.build import primary
from wolter.fits.checksum import add_sum, encode_sum
from wolter.fits.encode import encode_image, encode_table
from wolter.fits.file import FitsFile
from wolter.fits.hdu import HDU, ImageHDU, padding
from wolter.fits.header import Header
from wolter.fits.provenance import EXTNAME, Provenance, provenance_table
from wolter.fits.table import TableHDU

__all__ = ["write"]

_COPY_BYTES = 1 << 20
_ZERO_SUM = "0" * 16
_MANDATORY = ("SIMPLE", "XTENSION", "BITPIX", "NAXIS", "PCOUNT", "GCOUNT", "TFIELDS", "CHECKSUM", "DATASUM")


class Sink(Protocol):
    """Something to write to."""

    def write(self, data: Any, /) -> Any: ...


@dataclass(frozen=True)
class _Unit:
    """A header and its data, ready to be written."""

    header: Header
    size: int
    pieces: Callable[[], Iterator[Any]]
    fill: bytes


def write(
    path: str | PathLike[str],
    hdus: HDU | FitsFile | Iterable[HDU],
    *,
    overwrite: bool = False,
    checksum: bool = True,
    provenance: Provenance | None = None,
) -> Path:
    """Write HDUs to a file, which appears complete or not at all.

    HDUs read from other files are copied byte for byte, with their headers as they are now; a primary HDU is put
    in front where there is none. Names ending in ``.gz`` are compressed.

    Parameters
    ----------
    path : path-like
        File to make; its folder must exist.
    hdus : HDU, FitsFile or iterable of HDU
        What to write.
    overwrite : bool
        Replace a file that is there already.
    checksum : bool
        Write CHECKSUM and DATASUM into every HDU.
    provenance : Provenance, optional
        Adds HISTORY to the primary header and a PROVENANCE table at the end (a row more in one that is there).

    Returns
    -------
    Path
        The path written.

    Raises
    ------
    OutputError
        The file exists, the folder is missing or not writable, the disk is full, or FITS cannot hold the values. What
        stood at ``path`` is untouched.
    FitsError
        An HDU to be copied is damaged.
    """
    items = [hdus] if isinstance(hdus, HDU) else hdus.hdus if isinstance(hdus, FitsFile) else list(hdus)
    for item in items:
        if not isinstance(item, HDU):
            raise OutputError(f"{type(item).__name__} is not an HDU", file=path, cure="Use new_table or new_image.")
    step = provenance.resolved() if provenance is not None else None
    if step is not None:
        items = _with_provenance(items, step)
    units = _units(items, step)
    with atomic_path(path, overwrite=overwrite) as temporary:
        if Path(path).suffix.lower() == ".gz":
            _write_gz(temporary, units, checksum)
        else:
            with open(temporary, "wb", buffering=0) as out:
                for unit in units:
                    _write_plain(out, unit, checksum)
    return Path(path)


def _with_provenance(items: list[HDU], step: Provenance) -> list[HDU]:
    rest = [h for h in items if h.name.upper() != EXTNAME]
    earlier = [h for h in items if h.name.upper() == EXTNAME and isinstance(h, TableHDU)]
    return [*rest, provenance_table(step, earlier[0] if earlier else None)]  # type: ignore[arg-type]


def _units(items: list[HDU], step: Provenance | None) -> list[_Unit]:
    if not items or not isinstance(items[0], ImageHDU):
        items = [primary(), *items]
    units = [_unit(hdu, first=i == 0) for i, hdu in enumerate(items)]
    if step is not None:
        head = units[0].header
        head.set("CREATOR", f"wolter {step.version}", "software that made this file")
        head.set("DATE", step.date, "when it was made (UTC)")
        for line in step.history():
            head.add_history(line)
    if len(units) > 1:
        units[0].header.set("EXTEND", True, after=_last_axis(units[0].header))
    return units


def _last_axis(header: Header) -> str:
    naxis = header["NAXIS"]
    return f"NAXIS{naxis}" if naxis else "NAXIS"


def _unit(hdu: HDU, *, first: bool) -> _Unit:
    header = hdu.header.copy()
    if isinstance(hdu, TableHDU) and hdu.in_memory:
        arrays, fields, nrows, width = hdu._arrays or {}, hdu.fields, hdu.nrows, hdu.row_bytes
        size = nrows * width + int(header["PCOUNT"])
        pieces: Callable[[], Iterator[Any]] = lambda: encode_table(arrays, fields, nrows, width)  # noqa: E731
    elif isinstance(hdu, ImageHDU) and hdu._array is not None:
        array = hdu._array
        size = array.nbytes
        pieces = lambda: encode_image(array)  # noqa: E731
    else:
        region = hdu.region
        size = 0 if region is None else region.size
        pieces = lambda: _stored(hdu)  # noqa: E731
    fill = b" " if str(hdu.structure.get("XTENSION", "")).strip() == "TABLE" else b"\0"
    return _Unit(_ordered(header, hdu, first), size, pieces, fill)


def _ordered(header: Header, hdu: HDU, first: bool) -> Header:
    """Header with the mandatory keywords in front, as the data are, whatever was done to the copy."""
    table = not isinstance(hdu, ImageHDU)
    if first and table:
        raise OutputError(f"HDU {hdu.label} cannot come first: tables are extensions")
    structure = hdu.structure
    naxis = int(structure["NAXIS"])
    out = Header()
    if first:
        out.set("SIMPLE", True, "conforms to the FITS standard")
    else:
        out.set(
            "XTENSION", structure.get("XTENSION", "IMAGE"), header.comment("XTENSION") if "XTENSION" in header else ""
        )
    axes = [f"NAXIS{i + 1}" for i in range(naxis)]
    keys = ["BITPIX", "NAXIS", *axes]
    if not first:
        structure = {"PCOUNT": 0, "GCOUNT": 1, **structure}
        keys += ["PCOUNT", "GCOUNT", *(["TFIELDS"] if "TFIELDS" in structure else [])]
    if structure.get("GROUPS"):
        if not first:
            raise OutputError("random groups can only come first", hdu=hdu.label)
        keys += ["PCOUNT", "GCOUNT"]
    for key in keys:
        out.set(key, structure[key], header.comment(key) if key in header else "")
    header.remove(*_MANDATORY, *axes, *(["EXTEND"] if not first else []))
    out.update(header)
    return out


def _stored(hdu: HDU) -> Iterator[Any]:
    """Data of an HDU that lies in a file, as they are."""
    region = hdu.region
    if region is None or not region.size:
        return
    region.check()
    buffer = bytearray(min(_COPY_BYTES, region.size))
    for start in range(0, region.size, len(buffer)):
        view = memoryview(buffer)[: min(len(buffer), region.size - start)]
        region.read_into(start, view)
        yield view


def _padded(unit: _Unit) -> Iterator[Any]:
    written = 0
    for piece in unit.pieces():
        written += len(piece)
        yield piece
    if written != unit.size:
        raise AssertionError(f"{written} bytes of data where the header says {unit.size}")
    yield unit.fill * padding(unit.size)


def _sums(header: Header, datasum: int) -> str:
    """Header text with both check sums."""
    header.set("CHECKSUM", _ZERO_SUM, "check sum of the HDU")
    header.set("DATASUM", str(datasum), "check sum of the data")
    total = add_sum(datasum, header.to_text().encode("ascii", "replace"))
    header.set("CHECKSUM", encode_sum(total))
    return header.to_text()


def _encode(text: str) -> bytes:
    return text.encode("latin-1", "replace")


def _write_plain(out: BinaryIO, unit: _Unit, checksum: bool) -> None:
    """Write one HDU; its check sums are filled in once the data are known."""
    start = out.tell()
    head = _encode(_sums(unit.header, 0) if checksum else unit.header.to_text())
    _put(out, head)
    total, odd = 0, b""
    for piece in _padded(unit):
        _put(out, piece)
        if checksum:
            total, odd = _add(total, odd, piece)
    if checksum:
        _rewrite(out, start, len(head), _encode(_sums(unit.header, total)))


def _rewrite(out: BinaryIO, start: int, length: int, head: bytes) -> None:
    assert len(head) == length
    end = out.tell()
    out.seek(start)
    _put(out, head)
    out.seek(end)


def _put(out: Sink, data: Any) -> None:
    view = memoryview(data).cast("B")
    while len(view):
        n = out.write(view)  # an unbuffered file may take a part only
        view = view[len(view) if n is None else n :]


def _add(total: int, odd: bytes, piece: Any) -> tuple[int, bytes]:
    """Continue the sum over pieces whose lengths are not multiples of four."""
    if not odd and len(piece) % 4 == 0:
        return add_sum(total, piece), b""
    data = odd + bytes(piece)
    cut = len(data) - len(data) % 4
    return add_sum(total, data[:cut]), data[cut:]


def _write_gz(path: Path, units: list[_Unit], checksum: bool) -> None:
    """Write compressed; the sums are computed in a pass of their own since the header comes first."""
    engine = zlib.compressobj(6, zlib.DEFLATED, 31)
    with open(path, "wb", buffering=0) as out:
        for unit in units:
            text = unit.header.to_text()
            if checksum:
                total, odd = 0, b""
                for piece in _padded(unit):
                    total, odd = _add(total, odd, piece)
                text = _sums(unit.header, total)
            _put(out, engine.compress(_encode(text)))
            for piece in _padded(unit):
                _put(out, engine.compress(piece))
        _put(out, engine.flush())
