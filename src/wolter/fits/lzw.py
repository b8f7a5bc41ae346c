"""Files of the Unix program compress (``.Z``), in which the archives of old missions are kept.

The format (Welch 1984, IEEE Computer 17(6), 8): magic ``1f 9d``, a byte with the largest code width and a flag for
block mode, then codes from nine bits on, lowest bits first. Codes come in groups of eight; where the width changes, or
the table is cleared (code 256), the rest of the group is padding.
"""

from __future__ import annotations

__all__ = ["LzwDecompressor", "unpack_lzw"]

_CLEAR = 256


class LzwDecompressor:
    """Behind the interface that decompressors share; a stream has no mark at its end, so `flush` gives the contents."""

    eof = False
    needs_input = True
    unused_data = b""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Take compressed bytes; nothing comes out before the end."""
        self._parts.append(bytes(data))
        return b""

    def flush(self) -> bytes:
        """Everything, at the end of the file."""
        return unpack_lzw(b"".join(self._parts))


def unpack_lzw(data: bytes) -> bytes:
    """Contents of a ``.Z`` file.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        If it is not one, or damaged.
    """
    if data[:2] != b"\x1f\x9d" or len(data) < 3:
        raise ValueError("no file of compress")
    most, block = data[2] & 0x1F, bool(data[2] & 0x80)
    if not 9 <= most <= 16:
        raise ValueError(f"codes of {most} bits")
    first = 257 if block else 256
    table = [bytes([i]) for i in range(256)] + [b""] * block
    out: list[bytes] = []
    width, position, start, end = 9, 24, 24, 8 * len(data)
    previous = b""
    while position + width <= end:
        byte = position >> 3
        code = int.from_bytes(data[byte : byte + 4], "little") >> (position & 7) & ((1 << width) - 1)
        position += width
        if block and code == _CLEAR:
            del table[first:]
            position, start, width, previous = _next_group(position, start, width), 0, 9, b""
            start = position
            continue
        if not previous:
            if code >= 256:
                raise ValueError("a code without meaning")
            previous = table[code]
            out.append(previous)
            continue
        if code < len(table):
            entry = table[code]
        elif code == len(table):
            entry = previous + previous[:1]
        else:
            raise ValueError("a code without meaning")
        out.append(entry)
        if len(table) < 1 << most:
            table.append(previous + entry[:1])
            if len(table) == 1 << width and width < most:
                position = _next_group(position, start, width)
                start, width = position, width + 1
        previous = entry
    return b"".join(out)


def _next_group(position: int, start: int, width: int) -> int:
    """Bit at which the next group of eight codes begins."""
    group = 8 * width
    return start + -(-(position - start) // group) * group
