"""HDUs: the header of each, and images."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.errors import FitsError
from wolter.fits.header import BLOCK, Header
from wolter.fits.source import SMALL_FILE, BytesSource, Source, StreamSource

if TYPE_CHECKING:
    from wolter.fits.file import FitsFile

__all__ = ["HDU", "ImageHDU", "Region", "data_size"]

_BITPIX = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}


def data_size(header: Header) -> int:
    """Bytes of data behind a header, without the padding to whole blocks (FITS standard 4.0, equations 1, 2 and 4).

    Raises
    ------
    FitsError
        A mandatory keyword is missing or senseless.
    """

    def integer(key: str, default: int | None = None) -> int:
        value = header.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or (value < 0 and key != "BITPIX"):
            what = "is missing" if key not in header else f"= {header[key]!r} is not a size"
            raise FitsError(f"mandatory keyword {key} {what}", file=header.file, hdu=header.hdu)
        return value

    bitpix = integer("BITPIX")
    if bitpix not in _BITPIX:
        raise FitsError(f"BITPIX = {bitpix} is not one of {sorted(_BITPIX)}", file=header.file, hdu=header.hdu)
    axes = [integer(f"NAXIS{i + 1}") for i in range(integer("NAXIS"))]
    if not axes:
        return 0
    groups = "XTENSION" not in header and axes[0] == 0 and header.get("GROUPS") is True
    n = 1
    for axis in axes[1:] if groups else axes:
        n *= axis
    pcount = integer("PCOUNT", 0) if groups or "XTENSION" in header else 0
    gcount = integer("GCOUNT", 1) if groups or "XTENSION" in header else 1
    return abs(bitpix) // 8 * gcount * (pcount + n)


class Region:
    """The data of one HDU inside a source.

    Attributes
    ----------
    header_offset : int
        Where the header starts, -1 for data in memory.
    owner : weak reference to FitsFile, optional
        Weak, so that a file whose last HDU is forgotten closes at once.
    """

    def __init__(self, source: Source, offset: int, size: int, label: str = "") -> None:
        self.source, self.offset, self.size, self.label = source, offset, size, label
        self.header_offset = -1
        self.owner: weakref.ref[FitsFile] | None = None

    @classmethod
    def of_bytes(cls, data: Any) -> Region:
        """Data in memory."""
        source = BytesSource(data)
        return cls(source, 0, source.size or 0)

    def hold(self, *, whole: bool = False) -> None:
        """Make the data readable at random: of a compressed stream they are kept if small, or wanted ``whole``."""
        source = self.source
        if isinstance(source, StreamSource):
            if whole or source.affords(self.size):
                source.keep(self.offset, self.size)
            if not source.finished and source.packed_size <= SMALL_FILE:
                self.finish()

    def finish(self) -> None:
        """Go to the end of a compressed stream, which verifies its check sum."""
        if not isinstance(self.source, StreamSource) or self.source.finished:
            return
        owner = self.owner() if self.owner is not None else None
        if owner is not None:
            owner.walk()  # so that small HDUs behind this one are kept
        self.source.finish()

    @property
    def missing(self) -> int:
        """Bytes that the file is too short by, as far as its length is known."""
        if self.source.size is None:
            return 0
        return min(self.size, max(0, self.offset + self.size - self.source.size))

    def check(self, row_bytes: int = 0, nrows: int = 0) -> None:
        """`FitsError` when the file ends inside these data, saying how much is missing."""
        self.raise_missing(self.missing, row_bytes, nrows)

    def raise_missing(self, missing: int, row_bytes: int = 0, nrows: int = 0) -> None:
        """`FitsError` when bytes are missing."""
        if not missing:
            return
        text = f"the data are truncated: {missing} of {self.size} bytes are missing"
        if row_bytes and nrows:
            present = min(nrows, max(0, self.size - missing) // row_bytes)
            if present < nrows:
                text += f", that is {nrows - present} of {nrows} rows"
        raise FitsError(text, file=self.source.name, hdu=self.label, cure="Fetch or make the file again.")

    def read_into(self, start: int, view: memoryview, row_bytes: int = 0, nrows: int = 0) -> None:
        """Fill a view with the data from byte ``start`` on."""
        n = self.source.read_into(self.offset + start, view)
        if n < len(view):
            self.raise_missing(max(self.missing, self.size - start - n), row_bytes, nrows)

    def read(self, start: int = 0, nbytes: int | None = None) -> np.ndarray:
        """uint8 array of a part of the data."""
        out = np.empty(self.size - start if nbytes is None else nbytes, np.uint8)
        self.read_into(start, out.data)
        return out


def _structural(header: Header) -> list[str]:
    naxis = header.get("NAXIS", 0)
    keys = ["XTENSION", "BITPIX", "NAXIS", *(f"NAXIS{i + 1}" for i in range(naxis)), "PCOUNT", "GCOUNT", "TFIELDS"]
    keys += ["GROUPS"] if naxis and header.get("NAXIS1") == 0 and "XTENSION" not in header else []
    return [k for k in keys if k in header]


class HDU:
    """One header and data unit.

    Attributes
    ----------
    header : Header
    index : int
        Position in the file, from 0; -1 for an HDU made in memory.
    """

    kind = "HDU"

    def __init__(self, header: Header, region: Region | None = None, *, index: int = -1) -> None:
        self.header = header
        self.index = index
        self.region = region
        # How the data lie, whatever is done to the header later.
        self.structure: dict[str, Any] = {k: header[k] for k in _structural(header)}
        if region is not None and not region.label:
            region.label = self.label

    @property
    def name(self) -> str:
        """EXTNAME; ``PRIMARY`` for a primary HDU without one."""
        name = str(self.header.get("EXTNAME", "")).strip()
        return name or ("PRIMARY" if self.is_primary else "")

    @property
    def ver(self) -> int:
        """EXTVER, by default 1."""
        ver = self.header.get("EXTVER", 1)
        return int(ver) if isinstance(ver, (int, float)) else 1

    @property
    def is_primary(self) -> bool:
        """Whether the header starts with SIMPLE."""
        return "XTENSION" not in self.header

    @property
    def label(self) -> str:
        """Name for messages, the index where there is no name."""
        return self.name or str(max(self.index, 0))

    @property
    def file(self) -> str | None:
        """Path of the file that the data come from; None in memory."""
        return None if self.region is None or isinstance(self.region.source, BytesSource) else self.region.source.name

    @property
    def shape(self) -> tuple[int, ...]:
        """Axes of the data, slowest first, as numpy orders them; () without data."""
        naxis = self.structure.get("NAXIS", 0)
        return tuple(self.structure.get(f"NAXIS{i}", 0) for i in range(naxis, 0, -1))

    def prepare(self, *, whole: bool = False) -> Region:
        """Region ready for reading at random.

        Small HDUs of compressed streams are kept in memory from now on; with ``whole`` large ones too, which heaps
        need since every column goes through all of them.
        """
        if self.region is None:
            self.region = Region.of_bytes(b"")
        self.region.hold(whole=whole)
        return self.region

    def error(self, cause: str, *, cure: str | None = None) -> FitsError:
        """Error that names this file and HDU."""
        return FitsError(cause, file=self.file, hdu=self.label, cure=cure)

    def verify(self) -> None:
        """Compare DATASUM and CHECKSUM with the data; nothing happens where the header has neither.

        Raises
        ------
        FitsError
            They differ: the data or the header were changed or damaged after they had been written.
        """
        from wolter.fits.checksum import verify

        verify(self)

    def __reduce__(self) -> Any:
        """For other processes: an HDU of a file goes as path, number and header, one in memory as it is."""
        if self.file is None:
            return super().__reduce__()
        return _reopen, (self.file, self.index, self.header)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.label} {self.shape}>"


def _reopen(path: str, index: int, header: Header) -> HDU:
    from wolter.fits.file import open as open_file
    from wolter.fits.name import FileName

    hdu = open_file(FileName(Path(path)))[index]
    hdu.header = header
    return hdu


class ImageHDU(HDU):
    """Image, or a primary HDU without data."""

    kind = "image"

    def __init__(
        self, header: Header, region: Region | None = None, *, index: int = -1, array: np.ndarray | None = None
    ) -> None:
        super().__init__(header, region, index=index)
        self._array = array

    def read(self, *, null: Any = "raw") -> np.ndarray:
        """Pixel values, native byte order, slowest axis first (``image[y, x]``).

        Parameters
        ----------
        null : "raw", "nan", "mask" or number
            What becomes of pixels equal to BLANK in integer images: the stored number; NaN (result float64);
            a masked array; this number. Images scaled to floats have NaN there in any case.

        Returns
        -------
        ndarray
            Integer type as stored (unsigned where BZERO says so), float32 or float64; float64 where BSCALE or BZERO
            scale; an array of size 0 where there are no data.

        Raises
        ------
        FitsError
            The file is truncated.
        """
        if self._array is not None:
            return self._array
        if self.header.get("GROUPS") is True and self.shape[-1:] == (0,):
            raise self.error("random groups are not read", cure="Convert the HDU to a table first.")
        region = self.prepare()
        region.check()
        dtype = np.dtype(_BITPIX[self.header["BITPIX"]])
        shape = self.shape or (0,)
        stored = np.empty(shape, dtype)
        if stored.size:
            region.read_into(0, stored.reshape(-1).view("u1").data)
        return self._decode(stored, null)

    def _decode(self, stored: np.ndarray, null: Any) -> np.ndarray:
        from wolter.fits.column import Column, Field
        from wolter.fits.decode import decoder

        code = {"u1": "B", "i2": "I", "i4": "J", "i8": "K", "f4": "E", "f8": "D"}[stored.dtype.str[1:]]
        scale, zero = self.header.number("BSCALE", 1.0), self.header.number("BZERO", 0.0)
        column = Column("image", null=self.header.get("BLANK"), scale=scale, zero=zero)
        field = Field(column, 0, stored.dtype.itemsize, code, 1)
        if not field.scaled and field.null is None and null != "mask":
            if stored.dtype.itemsize > 1 and not stored.dtype.isnative:
                stored = stored.byteswap(inplace=True).view(stored.dtype.newbyteorder("="))
            return stored
        return decoder(field, null)(stored)


def padding(nbytes: int) -> int:
    """Bytes that fill data up to whole blocks."""
    return -nbytes % BLOCK
