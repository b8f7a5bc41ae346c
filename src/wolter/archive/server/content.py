"""Files over HTTP: conditional requests, ranges, several ranges, strided ranges (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import email.utils
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

__all__ = ["Answer", "Part", "file_answer"]

_MOST_RANGES = 500
_TYPES = {".fits": "application/fits", ".gz": "application/gzip", ".txt": "text/plain", ".html": "text/html"}


@dataclass(frozen=True)
class Part:
    """Bytes of an answer: literally, a stretch of a file, or some bytes of many rows of it."""

    data: bytes = b""
    path: Path | None = None
    offset: int = 0
    size: int = 0
    rows: tuple[int, int, tuple[tuple[int, int], ...]] | None = None  # (width, number, spans)

    def write(self, write: Callable[[bytes], object]) -> None:
        """Send it."""
        if self.path is None:
            if self.data:
                write(self.data)
            return
        with self.path.open("rb") as file:
            if self.rows is None:
                file.seek(self.offset)
                left = self.size
                while left and (piece := file.read(min(left, 1 << 18))):
                    write(piece)
                    left -= len(piece)
                return
            width, number, spans = self.rows
            step = max(1, (1 << 21) // width)
            for first in range(0, number, step):
                n = min(step, number - first)
                file.seek(self.offset + first * width)
                table = np.frombuffer(file.read(n * width), np.uint8).reshape(n, width)
                write(np.concatenate([table[:, a : b + 1] for a, b in spans], axis=1).tobytes())


@dataclass
class Answer:
    """Status, headers and parts of the body."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return sum(len(p.data) if p.path is None else p.size for p in self.parts)


def file_answer(path: Path, request: Mapping[str, str | None]) -> Answer:
    """Answer to GET or HEAD of a file.

    Parameters
    ----------
    path : Path
    request : mapping
        Headers of the request by lower-case name.
    """
    stat = os.stat(path)
    size = stat.st_size
    etag = f'"{size:x}-{stat.st_mtime_ns:x}"'
    modified = email.utils.formatdate(int(stat.st_mtime), usegmt=True)
    kind = _TYPES.get(path.suffix.lower(), "application/octet-stream")
    headers = {"ETag": etag, "Last-Modified": modified, "Accept-Ranges": "bytes, strided", "Content-Type": kind}
    match = request.get("if-match")
    if match and match.strip() != "*" and etag not in match:
        return Answer(412, headers)
    if etag in (request.get("if-none-match") or ""):
        return Answer(304, headers)
    wanted = request.get("range")
    condition = request.get("if-range")
    if not wanted or (condition and condition.strip() not in (etag, modified)):
        return Answer(200, headers, [Part(path=path, size=size)])
    unit, _, text = wanted.partition("=")
    if unit.strip().lower() == "strided":
        return _strided(path, size, text.strip(), headers)
    ranges = _ranges(text, size) if unit.strip().lower() == "bytes" else None
    if ranges is None:
        return Answer(200, headers, [Part(path=path, size=size)])
    if not ranges:
        return Answer(416, {**headers, "Content-Range": f"bytes */{size}"})
    if len(ranges) == 1:
        first, last = ranges[0]
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        return Answer(206, headers, [Part(path=path, offset=first, size=last - first + 1)])
    return _multipart(path, size, ranges, headers)


def _ranges(text: str, size: int) -> list[tuple[int, int]] | None:
    """(first, last) of ranges that can be satisfied; None when the header is to be ignored."""
    out: list[tuple[int, int]] = []
    parts = text.split(",")
    if len(parts) > _MOST_RANGES:
        return None
    for part in parts:
        match = re.fullmatch(r"(\d*)-(\d*)", part.strip())
        if match is None or not (match[1] or match[2]):
            return None
        if not match[1]:
            first, last = max(0, size - int(match[2])), size - 1
        else:
            first, last = int(match[1]), min(int(match[2]) if match[2] else size - 1, size - 1)
            if match[2] and int(match[2]) < first:
                return None
        if first <= last and first < size:
            out.append((first, last))
    return out


def _multipart(path: Path, size: int, ranges: list[tuple[int, int]], headers: dict[str, str]) -> Answer:
    boundary = os.urandom(6).hex()
    parts: list[Part] = []
    for i, (first, last) in enumerate(ranges):
        gap = "" if i == 0 else "\r\n"
        head = f"{gap}--{boundary}\r\nContent-Range: bytes {first}-{last}/{size}\r\n\r\n"
        parts += [Part(head.encode()), Part(path=path, offset=first, size=last - first + 1)]
    parts.append(Part(f"\r\n--{boundary}--\r\n".encode()))
    return Answer(206, {**headers, "Content-Type": f"multipart/byteranges; boundary={boundary}"}, parts)


def _strided(path: Path, size: int, text: str, headers: dict[str, str]) -> Answer:
    match = re.fullmatch(r"(\d+):(\d+):(\d+):(\d+-\d+(?:\+\d+-\d+)*)", text)
    if match is not None:
        offset, width, number = int(match[1]), int(match[2]), int(match[3])
        spans = tuple((int(a), int(b)) for a, b in (s.split("-") for s in match[4].split("+")))
        fits = width > 0 and offset + width * number <= size and all(a <= b < width for a, b in spans)
        if fits and len(spans) <= _MOST_RANGES:
            total = number * sum(b - a + 1 for a, b in spans)
            part = Part(path=path, offset=offset, size=total, rows=(width, number, spans))
            return Answer(206, {**headers, "Content-Range": f"strided {text}/{size}"}, [part])
    return Answer(416, {**headers, "Content-Range": f"strided */{size}"})
