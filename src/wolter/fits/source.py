"""Where bytes come from: a plain file, memory, or a compressed stream that is inflated as it is read."""

from __future__ import annotations

import io
import os
import threading
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from wolter.errors import FitsError, TransportError, suggest

if TYPE_CHECKING:
    from wolter.transport import RemoteFile, Transport

__all__ = ["BytesSource", "FileSource", "Source", "StreamSource", "bytes_source", "open_source"]

_INPUT = 1 << 17  # compressed bytes per step
_OUTPUT = 1 << 19  # inflated bytes per step: stays in the cache
# Of a compressed file so much is held inflated: HDUs up to this size, and in all. Larger tables are inflated as they
# are read, and again when they are read again.
KEEP_HDU = 16 << 20
KEEP_ALL = 64 << 20
# Compressed files up to this size are checked to their end at the first look at data.
SMALL_FILE = 32 << 20
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x1f\x9d": "compress"}


class Source(Protocol):
    """Bytes at offsets."""

    name: str
    streamed: bool

    @property
    def size(self) -> int | None:
        """Bytes of the file, None while unknown (streams)."""
        ...

    def read_into(self, offset: int, view: memoryview) -> int:
        """Fill a view from an offset on; fewer bytes come back only at the end of the file."""
        ...

    def close(self) -> None: ...


class FileSource:
    """A plain file, read at offsets without moving a shared position."""

    streamed = False

    def __init__(self, name: str) -> None:
        self.name = name
        self._fd: int | None = os.open(name, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
        self.size: int | None = os.fstat(self._fd).st_size
        self._lock = threading.Lock()

    def read_into(self, offset: int, view: memoryview) -> int:
        if self._fd is None:
            raise FitsError("the file has been closed", file=self.name, cure="Read before leaving the with block.")
        done = 0
        while done < len(view):
            try:
                n = self._read(offset + done, view[done:])
            except OSError as exc:
                raise FitsError(
                    f"reading failed at byte {offset + done}: {exc.strerror or exc}", file=self.name
                ) from exc
            if n == 0:
                break
            done += n
        return done

    def _read(self, offset: int, view: memoryview) -> int:
        assert self._fd is not None
        if hasattr(os, "preadv"):
            return os.preadv(self._fd, [view], offset)
        with self._lock:  # a platform without positioned reads
            os.lseek(self._fd, offset, os.SEEK_SET)
            data = os.read(self._fd, len(view))
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def __del__(self) -> None:
        if getattr(self, "_fd", None) is not None:
            self.close()


class BytesSource:
    """Bytes in memory."""

    streamed = False

    def __init__(self, data: Any, name: str = "<memory>") -> None:
        self.name = name
        self.data = memoryview(data).cast("B")
        self.size: int | None = len(self.data)

    def __reduce__(self) -> tuple[Any, ...]:
        return BytesSource, (bytes(self.data), self.name)

    def read_into(self, offset: int, view: memoryview) -> int:
        piece = self.data[offset : offset + len(view)]
        view[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        pass


class StreamSource:
    """A compressed file, inflated front to back; going back starts again from the front.

    Parts that were kept (`keep`) are served from memory.
    """

    streamed = True

    def __init__(
        self, name: str, kind: str, data: memoryview | None = None, *, remote: RemoteFile | None = None
    ) -> None:
        self.name, self.kind, self._data, self._remote = name, kind, data, remote
        if remote is not None:
            self.packed_size = remote.size
        else:
            self.packed_size = os.path.getsize(name) if data is None else len(data)
        self.size: int | None = None
        self.passes = 0
        self.kept_bytes = 0
        self._kept: dict[int, memoryview] = {}
        self._file: Any = None
        self._lock = threading.RLock()
        self._closed = False
        self._restart()

    def _restart(self) -> None:
        if self._closed:
            raise FitsError("the file has been closed", file=self.name, cure="Read before leaving the with block.")
        if self._file is not None:
            self._file.close()
        if self._remote is not None:
            self._file = self._remote.stream()
        else:
            self._file = open(self.name, "rb", buffering=0) if self._data is None else io.BytesIO(self._data)  # noqa: SIM115
        self._engine = _decompressor(self.kind)
        self._position = 0
        self._finished = False
        self._spare = memoryview(b"")
        self._pending = b""
        self.passes += 1

    def read_into(self, offset: int, view: memoryview) -> int:
        with self._lock:
            kept = self._find_kept(offset, len(view))
            if kept is not None:
                view[:] = kept
                return len(view)
            if offset < self._position:
                self._restart()
            self.advance(offset)
            return self._fill(view)

    def affords(self, nbytes: int) -> bool:
        """Whether a part of this size may be kept in memory."""
        return nbytes <= KEEP_HDU and self.kept_bytes + nbytes <= KEEP_ALL

    def keep(self, offset: int, nbytes: int) -> None:
        """Hold a part in memory so that it can be read again."""
        with self._lock:
            if nbytes and self._find_kept(offset, nbytes) is None:
                data = bytearray(nbytes)
                n = self.read_into(offset, memoryview(data))
                self._kept[offset] = memoryview(data)[:n].toreadonly()
                self.kept_bytes += n

    def advance(self, offset: int) -> int:
        """Inflate up to an offset without keeping anything; the position reached (less at the end of the file)."""
        with self._lock:
            while self._position < offset and (piece := self._next()):
                take = min(len(piece), offset - self._position)
                self._spare = piece[take:]
                self._position += take
            return self._position

    @property
    def finished(self) -> bool:
        """Whether this pass has come to the end of the stream (and so checked it)."""
        return self._finished

    def finish(self) -> None:
        """Inflate to the end, so that the check sum of the stream is verified."""
        with self._lock:
            while not self._finished:
                piece = self._next()
                self._position += len(piece)
                self._spare = memoryview(b"")
            self.size = self._position if self.size is None else self.size

    def _find_kept(self, offset: int, nbytes: int) -> memoryview | None:
        for start, data in self._kept.items():
            if start <= offset and offset + nbytes <= start + len(data):
                return data[offset - start : offset - start + nbytes]
        return None

    def _fill(self, view: memoryview) -> int:
        done = 0
        while done < len(view) and (piece := self._next()):
            take = min(len(piece), len(view) - done)
            view[done : done + take] = piece[:take]
            self._spare = piece[take:]
            self._position += take
            done += take
        return done

    def _next(self) -> memoryview:
        """Inflated bytes not yet handed out; empty at the end."""
        if len(self._spare):
            return self._spare
        while not self._finished:
            piece = self._inflate()
            if piece:
                return memoryview(piece)
        return memoryview(b"")

    def _inflate(self) -> bytes:
        engine = self._engine
        try:
            if engine.eof:
                return self._next_member()
            if not engine.needs_input:
                return engine.decompress(b"", _OUTPUT)
            data = self._pending or self._file.read(_INPUT)
            self._pending = b""
            if not data and self.kind == "compress":  # has no mark at its end
                self._finished = True
                return engine.flush()
            if not data:
                raise FitsError(
                    f"the {self.kind} stream is truncated: it ends after {self._position} inflated bytes",
                    file=self.name,
                    cure="Fetch the file again.",
                )
            return engine.decompress(data, _OUTPUT)
        except (FitsError, TransportError):
            raise
        except Exception as exc:  # zlib.error, isal's error, LZMAError, OSError of bz2 and of the disk
            raise FitsError(
                f"the {self.kind} stream is damaged near inflated byte {self._position}: {exc}",
                file=self.name,
                cure="Fetch the file again.",
            ) from exc

    def _next_member(self) -> bytes:
        """Go on behind the end of a compressed member: another may follow (``cat a.gz b.gz``), or padding."""
        rest = self._engine.unused_data
        while not rest.strip(b"\0"):
            rest = self._file.read(_INPUT)
            if not rest:
                self._finished = True
                return b""
        rest = rest.lstrip(b"\0")
        if not any(rest.startswith(m[: len(rest)]) for m, kind in _MAGIC.items() if kind == self.kind):
            self._finished = True  # something else behind the stream; gzip ignores it too
            return b""
        self._engine = _decompressor(self.kind)
        self._pending = rest
        return b""

    def close(self) -> None:
        self._closed = True
        self._kept.clear()
        if self._file is not None:
            self._file.close()

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            self._file.close()


class _Inflate:
    """zlib behind the interface that the other decompressors share."""

    def __init__(self) -> None:
        self._engine = zlib.decompressobj(31)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._engine.eof

    @property
    def needs_input(self) -> bool:
        return not self._full

    @property
    def unused_data(self) -> bytes:
        return self._engine.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        out = self._engine.decompress(self._engine.unconsumed_tail + data, max_length)
        self._full = len(out) == max_length and not self._engine.eof
        return out


def _decompressor(kind: str) -> Any:
    if kind == "gzip":
        try:
            from isal import igzip_lib
        except ImportError:
            return _Inflate()
        return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    if kind == "compress":
        from wolter.fits.lzw import LzwDecompressor

        return LzwDecompressor()
    if kind == "bzip2":
        import bz2

        return bz2.BZ2Decompressor()
    import lzma

    return lzma.LZMADecompressor()


def _open_remote(url: str, transport: Transport | None) -> Source:
    """Source of a file on a server: ranges of a plain file, a stream of a compressed one."""
    from wolter.transport import default_transport

    remote = (transport or default_transport()).open(url)
    kind = _packed(remote.read(0, 6))
    return StreamSource(url, kind, remote=remote) if kind else remote


def open_source(path: Path | str, transport: Transport | None = None) -> Source:
    """Source of a file's bytes, chosen by its first bytes, never by its name.

    Raises
    ------
    FitsError
        The file is missing, a folder, empty, not readable, or compressed in a way not supported.
    """
    name = os.fspath(path)
    if name.startswith(("http://", "https://", "s3://")) and isinstance(path, str):
        return _open_remote(name, transport)
    if os.path.isdir(name):
        raise FitsError("this is a folder, not a file", file=name, cure="Name the file inside it.")
    try:
        source = FileSource(name)
    except FileNotFoundError:
        raise FitsError("there is no such file", file=name, cure=_neighbours(name)) from None
    except (OSError, ValueError) as exc:
        why = (exc.strerror if isinstance(exc, OSError) else None) or exc
        raise FitsError(f"the file cannot be opened: {why}", file=name) from exc
    if source.size == 0:
        source.close()
        raise FitsError("the file is empty", file=name, cure="Fetch or make it again.")
    head = bytearray(6)
    source.read_into(0, memoryview(head))
    kind = _packed(bytes(head))
    if kind:
        source.close()
        return StreamSource(name, kind)
    for magic, kind in ((b"PK\x03\x04", "zip"),):
        if head.startswith(magic):
            source.close()
            raise FitsError(f"files packed by {kind} are not read", file=name, cure="Unpack it first.")
    return source


def bytes_source(data: Any) -> Source:
    """Source of the contents of a file in memory, which may be compressed."""
    view = memoryview(data).cast("B")
    kind = _packed(bytes(view[:6]))
    return StreamSource("<memory>", kind, view) if kind else BytesSource(view)


def _packed(head: bytes) -> str:
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "")


def _neighbours(name: str) -> str | None:
    folder, base = os.path.split(name)
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return f"The folder {folder} does not exist." if folder else None
    return suggest(base, names) or f"Check the name; it was looked for in {folder or 'the current folder'}."
