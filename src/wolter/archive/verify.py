"""Whether a fetched file is whole: its check sums, and its compressed stream, which must not inflate without end."""

from __future__ import annotations

import zlib
from pathlib import Path

from wolter import fits
from wolter.errors import TransportError, WolterError

__all__ = ["check_file", "inflation_limit"]

_LEAST = 1 << 30
_MOST_RATIO = 200  # real event lists and images: 2 to 50


def inflation_limit(packed: int) -> int:
    """Most bytes that a compressed file of this size may inflate to: 1 GiB, or 200 times its size."""
    return max(_LEAST, _MOST_RATIO * packed)


def check_file(path: Path) -> None:
    """Look at a complete file before it is put in place.

    A web page is no file of an archive, whatever its name says: some servers answer that way to what they do not have.
    FITS files: all HDUs are there, and CHECKSUM and DATASUM agree. Compressed files: the stream ends where it should
    and has the right sum. Other files pass.

    Raises
    ------
    WolterError
        It is damaged, or inflates to more than `inflation_limit`.
    """
    with path.open("rb") as stream:
        head = stream.read(80)
    if head.lstrip().lower().startswith((b"<!doctype html", b"<html")) and ".htm" not in path.name.lower():
        raise TransportError("it is a web page, not the file asked for")
    if head.startswith(b"SIMPLE  ="):
        with fits.open(path, verify=True):
            return
    if head.startswith(b"\x1f\x8b"):
        _check_gzip(path)


def _check_gzip(path: Path) -> None:
    limit = inflation_limit(path.stat().st_size)
    total, start, carry = 0, b"", b""
    engine = zlib.decompressobj(31)
    try:
        with path.open("rb") as stream:
            while True:
                data = carry or stream.read(1 << 17)
                carry = b""
                if not data:
                    break
                while data and not engine.eof:
                    out = engine.decompress(data, 1 << 20)
                    start = start or out[:10]
                    total += len(out)
                    if total > limit:
                        raise TransportError(
                            f"it inflates to more than {limit >> 20} MiB, {total // path.stat().st_size} times its size"
                        )
                    data = engine.unconsumed_tail
                if engine.eof:  # another member may follow, or padding
                    carry = engine.unused_data.lstrip(b"\0")
                    if carry and not carry.startswith(b"\x1f\x8b"[: len(carry)]):
                        break
                    if carry:
                        engine = zlib.decompressobj(31)
    except zlib.error as exc:
        raise TransportError(f"its compressed stream is damaged: {exc}") from exc
    if not engine.eof:
        raise TransportError("its compressed stream is cut off")
    if start.startswith(b"SIMPLE  ="):
        with fits.open(path) as file:
            for hdu in file.hdus:
                try:
                    hdu.verify()
                except WolterError as exc:
                    raise TransportError(exc.cause, hdu=exc.hdu) from exc
