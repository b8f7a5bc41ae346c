"""CHECKSUM and DATASUM.

Source: FITS standard 4.0, section 4.4.2.7 and appendix J (32-bit ones' complement sums and their ASCII form).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.errors import FitsError
from wolter.fits.header import BLOCK
from wolter.fits.source import BytesSource

if TYPE_CHECKING:
    from wolter.fits.hdu import HDU

__all__ = ["add_sum", "encode_sum", "verify"]

_ALL_ONES = 0xFFFFFFFF
_FORBIDDEN = frozenset(range(0x3A, 0x41)) | frozenset(range(0x5B, 0x61))


def add_sum(total: int, data: Any) -> int:
    """Ones' complement sum of 32-bit big-endian words, continued from an earlier sum.

    Parameters
    ----------
    total : int
        Sum so far.
    data : bytes-like
        Its length is a multiple of four except at the end of the data, where zeros are understood.
    """
    raw = np.frombuffer(data, np.uint8)
    if len(raw) % 4:
        raw = np.concatenate([raw, np.zeros(-len(raw) % 4, np.uint8)])
    total += int(raw.view(">u4").sum(dtype=np.uint64))
    while total >> 32:
        total = (total & _ALL_ONES) + (total >> 32)
    return total


def encode_sum(total: int) -> str:
    """16 characters that make the sum of the HDU all ones when they stand in the CHECKSUM card."""
    value = ~total & _ALL_ONES
    out = [""] * 16
    for i in range(4):
        byte = (value >> (24 - 8 * i)) & 0xFF
        quarter, rest = divmod(byte, 4)
        chars = [quarter + 0x30 + rest, quarter + 0x30, quarter + 0x30, quarter + 0x30]
        while any(c in _FORBIDDEN for c in chars):
            for j in (0, 2):
                if chars[j] in _FORBIDDEN or chars[j + 1] in _FORBIDDEN:
                    chars[j] += 1
                    chars[j + 1] -= 1
        for j in range(4):
            out[4 * j + i] = chr(chars[j])
    return out[-1] + "".join(out[:-1])


def verify(hdu: HDU) -> None:
    """Compare the sums in a header with the bytes of the file; see `HDU.verify`."""
    region, header = hdu.region, hdu.header
    if region is None or (isinstance(region.source, BytesSource) and region.header_offset < 0):
        return
    datasum, checksum = str(header.get("DATASUM", "")).strip(), str(header.get("CHECKSUM", "")).strip()
    if not datasum.isdigit() and len(checksum) != 16:
        return
    region.check()
    head = _sum_bytes(hdu, region.header_offset, region.offset)
    data = _sum_bytes(hdu, region.offset, region.offset + region.size + -region.size % BLOCK)
    cure = "The file was changed or damaged after it had been written; fetch or make it again."
    if datasum.isdigit() and int(datasum) not in (data, data ^ _ALL_ONES if data in (0, _ALL_ONES) else data):
        raise FitsError(
            f"the data do not match DATASUM: {data} instead of {datasum}", file=hdu.file, hdu=hdu.label, cure=cure
        )
    total = head + data
    total = (total & _ALL_ONES) + (total >> 32)
    if len(checksum) == 16 and checksum != "0" * 16 and total not in (0, _ALL_ONES):
        raise FitsError("the HDU does not match its CHECKSUM", file=hdu.file, hdu=hdu.label, cure=cure)


def _sum_bytes(hdu: HDU, start: int, stop: int) -> int:
    assert hdu.region is not None
    buffer = bytearray(1 << 20)
    total = 0
    for at in range(start, stop, len(buffer)):
        view = memoryview(buffer)[: min(len(buffer), stop - at)]
        n = hdu.region.source.read_into(at, view)
        total = add_sum(total, view[:n])
        if n < len(view):  # padding behind the last data may be missing
            break
    return total
