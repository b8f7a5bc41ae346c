"""Files: a list of HDUs, found one after the other as they are asked for."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from wolter.errors import FitsError, suggest, warn
from wolter.fits._errors import MissingHDUError
from wolter.fits.hdu import HDU, ImageHDU, Region, data_size, padding
from wolter.fits.header import BLOCK, Header
from wolter.fits.name import FileName, parse_name
from wolter.fits.source import Source, StreamSource, bytes_source, open_source
from wolter.fits.table import TableHDU

if TYPE_CHECKING:
    from wolter.transport import Transport

__all__ = ["FitsFile", "open"]

_MAX_HEADER = 100_000 * 80


class FitsFile:
    """An open FITS file: sequence of HDUs and mapping by name.

    ``f[0]``, ``f["EVENTS"]`` (any case), ``f["EVENTS", 2]`` (EXTVER). Use it as a context manager.

    Parameters
    ----------
    source : Source
        Where the bytes come from.
    filename : FileName
        Name as it was given.

    Attributes
    ----------
    path : Path
    filename : FileName
        With the extension that the name asked for: see `hdu`.
    """

    def __init__(self, source: Source, filename: FileName, contents: bytes | None = None) -> None:
        self._source, self._contents = source, contents
        self.filename = filename
        self.path = Path(filename.path)
        self._found: list[HDU] = []
        self._next = 0
        self._complete = False
        self._closed = False
        self._lock = threading.RLock()

    @property
    def streamed(self) -> bool:
        """Whether the file is compressed: go through large tables once, with `TableHDU.chunks`.

        HDUs in front of the one asked for are inflated on the way; small ones are kept. HDUs behind a large table
        are reached without a second pass when they are asked for after it.
        """
        return self._source.streamed

    @property
    def hdus(self) -> list[HDU]:
        """All HDUs; the rest of the file is walked through when this is first asked for."""
        self.walk()
        return list(self._found)

    @property
    def hdu(self) -> HDU:
        """The HDU that the name asked for (``file[EVENTS]``), else the first one with data."""
        if self.filename.ext is not None:
            return self._lookup(self.filename.ext, self.filename.ver)
        for hdu in self._walk():
            if hdu.header.get("NAXIS", 0):
                return hdu
        return self._found[0]

    def __getitem__(self, key: int | str | tuple[str, int]) -> Any:
        if isinstance(key, tuple):
            return self._lookup(*key)
        return self._lookup(key, None)

    def get(self, key: int | str | tuple[str, int]) -> Any:
        """HDU, or None where there is none of that name or number."""
        try:
            return self[key]
        except MissingHDUError:
            return None

    def table(self, key: int | str | tuple[str, int]) -> TableHDU:
        """HDU that must be a table.

        Raises
        ------
        FitsError
            It is an image.
        """
        hdu = self[key]
        if not isinstance(hdu, TableHDU):
            raise hdu.error("this HDU is an image, a table is needed")
        return hdu

    def image(self, key: int | str | tuple[str, int]) -> ImageHDU:
        """HDU that must be an image.

        Raises
        ------
        FitsError
            It is a table, or a tile-compressed image.
        """
        hdu = self[key]
        if not isinstance(hdu, ImageHDU):
            if hdu.header.get("ZIMAGE") is True:
                raise hdu.error("tile-compressed images are not read", cure="Unpack the file with funpack first.")
            raise hdu.error("this HDU is a table, an image is needed")
        return hdu

    def find(self, **keywords: Any) -> list[HDU]:
        """HDUs whose headers have these values; text is compared without regard to case and outer blanks."""
        return [h for h in self.hdus if all(_same(h.header.get(k), v) for k, v in keywords.items())]

    def __contains__(self, key: object) -> bool:
        return self.get(key) is not None  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[HDU]:
        return self._walk()

    def __len__(self) -> int:
        return len(self.hdus)

    def verify(self) -> None:
        """Compare the check sums of all HDUs with their data, and a compressed stream with its own.

        Raises
        ------
        FitsError
            The first that differs.
        """
        for hdu in self.hdus:
            hdu.verify()
        if isinstance(self._source, StreamSource):
            self._source.finish()

    def close(self) -> None:
        """Close the file; HDUs that were not read are lost."""
        self._closed = True
        self._source.close()

    def __enter__(self) -> FitsFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> Any:
        """For other processes: the file is opened again there."""
        return open, (self._contents if self._contents is not None else self.filename,)

    def __repr__(self) -> str:
        return f"<FitsFile {self.path} ({len(self._found)}{'' if self._complete else '+'} HDUs)>"

    # --- walking through the file -------------------------------------------------------------------------------

    def _walk(self) -> Iterator[HDU]:
        i = 0
        while i < len(self._found) or self._step():
            yield self._found[i]
            i += 1

    def _lookup(self, key: int | str, ver: int | None) -> HDU:
        if isinstance(key, int):
            if key < 0 and -key <= len(self.hdus):
                return self._found[key]
            for hdu in self._walk():
                if hdu.index == key:
                    return hdu
        else:
            name = key.strip().upper()
            for hdu in self._walk():
                if hdu.name.upper() == name and (ver is None or hdu.ver == ver):
                    return hdu
            if name == "PRIMARY" and ver in (None, 1):
                return self._found[0]
        raise self._missing(key, ver)

    def _missing(self, key: int | str, ver: int | None) -> MissingHDUError:
        last = self._found[-1].region
        if last is not None and last.missing:
            last.check()
        present = ", ".join(f"{h.index} {h.name}".rstrip() + (f" ({h.ver})" if h.ver != 1 else "") for h in self.hdus)
        what = f"{key!r}" + (f" with EXTVER {ver}" if ver is not None else "")
        cure = suggest(key, [h.name for h in self.hdus if h.name]) if isinstance(key, str) else ""
        return MissingHDUError(f"there is no HDU {what}; the file has {present}", file=self.path, cure=cure or None)

    def _step(self) -> bool:
        """Find the next HDU; False at the end of the file."""
        with self._lock:
            return not self._complete and self._find()

    def _find(self) -> bool:
        if self._closed:
            raise FitsError("the file has been closed", file=self.path, cure="Read before leaving the with block.")
        if self._found and self._found[-1].region is not None:
            self._leave(self._found[-1].region)
        begin = self._next
        text = self._header_text()
        if text is None:
            self._complete = True
            return False
        index = len(self._found)
        header = Header.from_text(text)
        header.file, header.hdu = self.path, header.get("EXTNAME", index)
        size = data_size(header)
        region = Region(self._source, self._next, size)
        region.owner = weakref.ref(self)
        region.header_offset = begin
        xtension = str(header.get("XTENSION", "")).strip()
        if xtension in ("BINTABLE", "A3DTABLE", "TABLE"):
            hdu: HDU = TableHDU(header, region, index=index)
        elif xtension in ("", "IMAGE", "IUEIMAGE"):
            hdu = ImageHDU(header, region, index=index)
        else:
            hdu = HDU(header, region, index=index)
        self._found.append(hdu)
        self._next += size + padding(size)
        return True

    def _leave(self, region: Region) -> None:
        """Before a stream moves on: keep the data of a small HDU."""
        source = self._source
        if isinstance(source, StreamSource) and source.affords(region.size):
            source.keep(region.offset, region.size)

    def _header_text(self) -> str | None:
        """Records up to END from the current place, which then lies behind them; None at the end of the file."""
        parts: list[str] = []
        first = not self._found
        offset = self._next
        block = bytearray(BLOCK)
        while True:
            n = self._source.read_into(offset, memoryview(block))
            offset += n
            if not parts:
                if first:
                    self._check_start(bytes(block[:n]))
                elif bytes(block[:8]) != b"XTENSION" or n < 8:
                    self._check_rest(bytes(block[:n]))
                    return None
            if n < BLOCK and not _has_end(bytes(block[:n])):
                raise self._header_error("is truncated: the file ends before its END card")
            text = bytes(block[:n]).decode("latin-1")
            if not text.isprintable() or not text.isascii():
                text = self._clean(text, len(parts))
            parts.append(text)
            if _has_end(bytes(block[:n])):
                self._next = offset - n + BLOCK
                return "".join(parts)
            if len(parts) * BLOCK > _MAX_HEADER:
                raise self._header_error(f"has no END card in its first {_MAX_HEADER} bytes")

    def _check_rest(self, rest: bytes) -> None:
        """What follows the last HDU: nothing, or special records, which are worth a warning."""
        if rest.strip(b"\0 "):
            warn(f"{self.path}: what follows HDU {len(self._found) - 1} is not an HDU and is ignored")

    def _clean(self, text: str, block: int) -> str:
        """Text of a block with characters that FITS forbids; an error when these are data and not a header."""
        strange = sum(not " " <= c <= "~" for c in text)
        if strange > len(text) // 20 or ("\0" * 8 in text and strange > 80):
            raise self._header_error(f"has no END card: its block {block + 1} holds binary data")
        return text

    def _header_error(self, what: str) -> FitsError:
        return FitsError(
            f"the header of HDU {len(self._found)} {what}", file=self.path, cure="Fetch or make the file again."
        )

    def _check_start(self, head: bytes) -> None:
        if head.startswith(b"SIMPLE  ="):
            return
        start = head[:512].lstrip().lower()
        cure = "Check the name: an event list, image, spectrum, response or another FITS file is meant."
        if start.startswith((b"<!doctype", b"<html", b"<?xml")):
            cure = "It is a web page: the address it was fetched from probably gave an error. Fetch it again."
        elif start.startswith(b"version https://git-lfs"):
            cure = "It is a Git LFS pointer, not the file itself; fetch the file."
        raise FitsError("this is not a FITS file: it does not start with SIMPLE", file=self.path, cure=cure)

    def walk(self) -> None:
        """Find all HDUs; small ones of a compressed stream are kept on the way."""
        while self._step():
            pass


def open(
    name: str | os.PathLike[str] | bytes | bytearray | memoryview,
    *,
    ext: int | str | None = None,
    verify: bool = False,
    transport: Transport | None = None,
) -> FitsFile:
    """Open a FITS file; compressed ones (gzip, bzip2, xz) are recognised by their contents and inflated on the way.

    Parameters
    ----------
    name : str, Path, FileName or bytes
        Path, with cfitsio's ``[EXTENSION]`` if wanted; address of a file on a server (``https://``, ``s3://``), of
        which only the parts needed are fetched; or the contents of a file.
    ext : int or str, optional
        HDU that `FitsFile.hdu` is to be; goes before the one in the name.
    verify : bool
        Compare all check sums now.
    transport : Transport, optional
        Connections for files on servers.

    Raises
    ------
    FitsError
        The file is missing, empty, not FITS or damaged, or the name holds a row filter, which nothing here applies.
    """
    contents: bytes | None = None
    if isinstance(name, (bytes, bytearray, memoryview)):
        contents, filename = bytes(name), FileName(Path("<memory>"))
        source: Source = bytes_source(contents)
    else:
        filename = parse_name(name)
        if filename.has_filter:
            raise FitsError(
                f"the name holds a filter ({filename.filter_text}), and opening a file does not apply filters",
                file=filename.path,
                cure="Read it as an event list, or open the file without the filter.",
            )
        source = open_source(filename.url or filename.path, transport)
    if ext is not None:
        filename = filename.with_ext(ext)
    file = FitsFile(source, filename, contents)
    try:
        file._step()
        if verify:
            file.verify()
    except BaseException:
        file.close()
        raise
    return file


def _has_end(block: bytes) -> bool:
    at = block.find(b"END     ")
    while at >= 0:
        if at % 80 == 0 and not block[at + 3 : at - at % 80 + 80].strip():
            return True
        at = block.find(b"END     ", at + 1)
    return False


def _same(have: Any, want: Any) -> bool:
    if isinstance(have, str) and isinstance(want, str):
        return have.strip().upper() == want.strip().upper()
    return have is not None and have == want
