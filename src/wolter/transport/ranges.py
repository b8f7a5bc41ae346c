"""Several ranges in one request, and the parts of the answer (RFC 9110, sections 14.1, 14.2 and 14.6)."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["PART_BYTES", "join_spans", "multi_plan", "read_parts", "strided_header"]

PART_BYTES = 130  # of headers per part: boundary, Content-Type, Content-Range; and the range in the request


def join_spans(spans: Sequence[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    """Spans (offset, length) in order, those closer than ``gap`` bytes made one."""
    out: list[list[int]] = []
    for start, n in sorted(s for s in spans if s[1] > 0):
        if out and start <= out[-1][0] + out[-1][1] + gap:
            out[-1][1] = max(out[-1][1], start + n - out[-1][0])
        else:
            out.append([start, n])
    return [(a, n) for a, n in out]


def multi_plan(spans: Sequence[tuple[int, int]], width: int) -> list[tuple[int, int]]:
    """Spans of one row that are worth a range of their own each."""
    return join_spans(spans, PART_BYTES) if width > PART_BYTES else [(0, width)]


def strided_header(offset: int, width: int, nrows: int, spans: Sequence[tuple[int, int]]) -> str:
    """Range header for some bytes of each of many rows: ``strided=offset:width:rows:first-last+first-last``."""
    return f"strided={offset}:{width}:{nrows}:" + "+".join(f"{a}-{a + n - 1}" for a, n in spans)


def read_parts(body: bytes, content_type: str) -> dict[tuple[int, int], bytes]:
    """Parts of a ``multipart/byteranges`` body by (offset, length); parts that are cut off are left out."""
    match = re.search(r'boundary="?([^";]+)"?', content_type)
    if match is None:
        return {}
    boundary = b"--" + match[1].encode()
    found: dict[tuple[int, int], bytes] = {}
    at = body.find(boundary)
    while at >= 0:
        head = body.find(b"\r\n\r\n", at)
        if head < 0:
            break
        text = body[at:head].decode("latin-1")
        given = re.search(r"content-range:\s*bytes (\d+)-(\d+)/", text, re.IGNORECASE)
        if given is None:
            break
        first, last = int(given[1]), int(given[2])
        n = last - first + 1
        part = body[head + 4 : head + 4 + n]
        if len(part) == n:
            found[first, n] = part
        at = body.find(boundary, head + 4 + n)
    return found
