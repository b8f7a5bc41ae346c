"""A remote file read at offsets: ranges, many ranges at once, and columns of a table of fixed-width rows.

What can be saved when columns are read remotely: rows of a FITS table are contiguous, columns are not. Three ways to
ask for columns, and the cheapest in bytes that the server offers is taken:

- whole rows, one range for many rows: works everywhere, moves all columns;
- one range for each cell (``multipart/byteranges``, RFC 9110, 14.6): each costs about 100 bytes of headers, so
  it pays only where the columns wanted are far apart, and few servers take many ranges at once;
- the range unit ``strided`` (an extension, as RFC 9110, 14.1 allows; offered by Wolter's own archive server): one range
  that says "these bytes of each row", which moves the columns and nothing else.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wolter.errors import TransportError
from wolter.transport.address import http_address
from wolter.transport.client import Transient, body_pieces
from wolter.transport.ranges import PART_BYTES, join_spans, multi_plan, read_parts, strided_header

if TYPE_CHECKING:
    from wolter.transport.session import Transport

__all__ = ["RemoteFile"]

READ_AHEAD = 1 << 15  # small reads (headers) fetch this much
_KEEP = 16  # pieces of read-ahead kept
_MOST_RANGES = 100  # in one request
_REQUEST_COST = 1 << 15  # bytes that could have come while a request is under way


class RemoteFile:
    """A file on a server, read at offsets.

    Parameters
    ----------
    transport : Transport
    url : str

    Attributes
    ----------
    size : int
        Bytes of the file.
    moved : int
        Bytes of bodies received so far.
    requests : int
    streamed : bool
        False: it is read at any place (as `wolter.fits` asks its sources).
    units : frozenset of str
        Range units that the server offers.
    """

    streamed = False

    def __init__(self, transport: Transport, url: str) -> None:
        self.transport, self.name = transport, url
        self.address = http_address(url, transport.s3_endpoint)
        self.moved = self.requests = 0
        self._lock = threading.Lock()
        self._ahead: dict[int, bytes] = {}
        self._etag: str | None = None
        self._multi: bool | None = None
        self.units: frozenset[str] = frozenset({"bytes"})
        self.size: int = 0
        self._first()

    def _first(self) -> None:
        """Size, identity and first bytes with one request."""
        client = self.transport._client

        def attempt() -> None:
            wanted = {"Range": f"bytes=0-{READ_AHEAD - 1}"}
            with client.exchange("GET", self.address, headers=wanted, accept=(200, 206, 416)) as response:
                headers = response.headers
                self._etag = headers.get("ETag")
                offered = frozenset(u.strip().lower() for u in headers.get("Accept-Ranges", "").split(","))
                if response.status_code == 416:
                    raise TransportError("the file is empty", file=self.name)
                if response.status_code == 200:
                    raise TransportError(
                        "the server does not send parts of files, so this file cannot be read remotely",
                        file=self.name,
                        cure="Fetch the file first.",
                    )
                match = re.fullmatch(r"bytes 0-(\d+)/(\d+)", headers.get("Content-Range", "").strip())
                if match is None:
                    raise TransportError(
                        f"the server sends {headers.get('Content-Range')!r} for the first bytes of the file",
                        file=self.name,
                    )
                data = b"".join(body_pieces(response, client, self.name))
                self._count(len(data))
                if len(data) != int(match[1]) + 1:
                    raise Transient(TransportError("the answer is shorter than announced", file=self.name))
                self.size, self.units = int(match[2]), offered | {"bytes"}
                self._ahead[0] = data

        client.persist(attempt)

    def _count(self, nbytes: int) -> None:
        with self._lock:
            self.moved += nbytes
            self.requests += 1

    # --- plain ranges -----------------------------------------------------------------------------------------------

    def read(self, offset: int, nbytes: int) -> bytes:
        """Bytes at an offset; fewer only at the end of the file."""
        data = bytearray(max(0, min(nbytes, self.size - offset)))
        self.read_into(offset, memoryview(data))
        return bytes(data)

    def read_into(self, offset: int, view: memoryview) -> int:
        """Fill a view from an offset on; fewer bytes come back only at the end of the file."""
        view = view[: max(0, self.size - offset)]
        if not len(view):
            return 0
        kept = self._kept(offset, len(view))
        if kept is None and len(view) < READ_AHEAD:
            start, stop = offset, min(self.size, offset + READ_AHEAD)
            data = bytearray(stop - start)
            self._range(start, memoryview(data))
            with self._lock:
                while len(self._ahead) >= _KEEP:
                    del self._ahead[next(iter(self._ahead))]
                self._ahead[start] = bytes(data)
            kept = memoryview(data)[: len(view)]
        if kept is not None:
            view[:] = kept
        else:
            self._range(offset, view)
        return len(view)

    def _kept(self, offset: int, nbytes: int) -> memoryview | None:
        with self._lock:
            for start, data in self._ahead.items():
                if start <= offset and offset + nbytes <= start + len(data):
                    return memoryview(data)[offset - start : offset - start + nbytes]
        return None

    def _range(self, offset: int, view: memoryview) -> None:
        """One range into a view; goes on where a transfer broke off."""
        client = self.transport._client
        done = 0

        def attempt() -> None:
            nonlocal done
            wanted = {"Range": f"bytes={offset + done}-{offset + len(view) - 1}", **self._same()}
            with client.exchange("GET", self.address, headers=wanted, accept=(206, 412)) as response:
                self._unchanged(response)
                given = response.headers.get("Content-Range", "").strip()
                if not given.startswith(f"bytes {offset + done}-"):
                    raise TransportError(f"the server sends {given!r} instead of the range asked for", file=self.name)
                before = done
                for piece in body_pieces(response, client, self.name):
                    piece = piece[: len(view) - done]
                    view[done : done + len(piece)] = piece
                    done += len(piece)
                self._count(done - before)
            if done < len(view):
                raise Transient(TransportError("the transfer broke off", file=self.name))

        client.persist(attempt, lambda: done)

    def _same(self) -> dict[str, str]:
        return {"If-Match": self._etag} if self._etag and not self._etag.startswith("W/") else {}

    def _unchanged(self, response: Any) -> None:
        if response.status_code == 412 or (self._etag and response.headers.get("ETag") not in (None, self._etag)):
            raise self._changed()

    def _changed(self) -> TransportError:
        return TransportError(
            "the file was replaced on the server while it was read", file=self.name, cure="Try again."
        )

    # --- columns ----------------------------------------------------------------------------------------------------

    def way(self, width: int, nrows: int, spans: Sequence[tuple[int, int]]) -> str:
        """How columns of a table would be read: ``"strided"``, ``"ranges"`` or ``"rows"``."""
        merged = join_spans(spans, 0)
        useful = sum(n for _, n in merged)
        if useful >= width or not nrows:
            return "rows"
        if "strided" in self.units:
            return "strided"
        if self._multi is not False:
            plan = multi_plan(merged, width)
            requests = -(-nrows * len(plan) // _MOST_RANGES)
            cost = nrows * sum(n + PART_BYTES for _, n in plan) + requests * _REQUEST_COST
            if cost < nrows * width:
                return "ranges"
        return "rows"

    def read_columns(
        self, offset: int, view: memoryview, width: int, nrows: int, spans: Sequence[tuple[int, int]]
    ) -> None:
        """Fill some bytes of each row of a buffer of whole rows; the others stay as they are.

        Parameters
        ----------
        offset : int
            Where the first of the rows begins in the file.
        view : memoryview
            ``nrows * width`` bytes.
        width : int
            Bytes of a row.
        nrows : int
        spans : sequence of (int, int)
            Offset in the row and length of what is wanted.
        """
        way = self.way(width, nrows, spans)
        if way == "strided" and self._strided(offset, view, width, nrows, join_spans(spans, 0)):
            return
        if way == "ranges" and self._many(offset, view, width, nrows, multi_plan(join_spans(spans, 0), width)):
            return
        self.read_into(offset, view)

    def _strided(self, offset: int, view: memoryview, width: int, nrows: int, spans: list[tuple[int, int]]) -> bool:
        import numpy as np

        client = self.transport._client
        unit = strided_header(offset, width, nrows, spans)
        useful = sum(n for _, n in spans)
        data = bytearray()

        def attempt() -> bool:
            data.clear()
            with client.exchange(
                "GET", self.address, headers={"Range": unit, **self._same()}, accept=(200, 206, 412, 416)
            ) as response:
                self._unchanged(response)
                given = response.headers.get("Content-Range", "")
                if response.status_code != 206 or not given.startswith("strided "):
                    return False
                for piece in body_pieces(response, client, self.name):
                    data.extend(piece)
                    if len(data) > useful * nrows:
                        return False
                self._count(len(data))
            if len(data) < useful * nrows:
                raise Transient(TransportError("the transfer broke off", file=self.name))
            return True

        if not client.persist(attempt):
            self.units -= {"strided"}
            return False
        table = np.frombuffer(view, np.uint8)[: nrows * width].reshape(nrows, width)
        packed = np.frombuffer(data, np.uint8).reshape(nrows, useful)
        at = 0
        for start, n in spans:
            table[:, start : start + n] = packed[:, at : at + n]
            at += n
        return True

    def _many(self, offset: int, view: memoryview, width: int, nrows: int, spans: list[tuple[int, int]]) -> bool:
        wanted = [(row * width + start, n) for row in range(nrows) for start, n in spans]
        for first in range(0, len(wanted), _MOST_RANGES):
            if not self._ranges(offset, view, wanted[first : first + _MOST_RANGES]):
                self._multi = False
                return False
        self._multi = True
        return True

    def _ranges(self, offset: int, view: memoryview, wanted: Sequence[tuple[int, int]]) -> bool:
        """Several ranges with one request; False where the server does not do that."""
        client = self.transport._client
        text = ",".join(f"{offset + a}-{offset + a + n - 1}" for a, n in wanted)
        limit = sum(n for _, n in wanted) + 4 * PART_BYTES * (len(wanted) + 1)

        def attempt() -> bool:
            headers = {"Range": f"bytes={text}", **self._same()}
            with client.exchange("GET", self.address, headers=headers, accept=(200, 206, 412, 416)) as response:
                self._unchanged(response)
                kind = response.headers.get("Content-Type", "")
                if response.status_code != 206 or "multipart/byteranges" not in kind.lower():
                    return False
                body = bytearray()
                for piece in body_pieces(response, client, self.name):
                    body += piece
                    if len(body) > limit:
                        return False
                self._count(len(body))
            parts = read_parts(bytes(body), kind)
            for a, n in wanted:
                part = parts.get((offset + a, n))
                if part is None:
                    raise Transient(TransportError("the server left out a range", file=self.name))
                view[a : a + n] = part
            return True

        return client.persist(attempt)

    def stream(self) -> Sequential:
        """The file from its beginning, for readers that go straight through."""
        return Sequential(self)

    def close(self) -> None:
        """Forget what was read ahead."""
        self._ahead.clear()


class Sequential:
    """A remote file read from front to back, in ranges that grow while the reader goes on."""

    def __init__(self, file: RemoteFile) -> None:
        self.file, self._at, self._next = file, 0, 1 << 16
        self._buffer = b""

    def read(self, nbytes: int) -> bytes:
        """Up to so many bytes; none at the end."""
        if not self._buffer:
            self._buffer = self.file.read(self._at, self._next)
            self._at += len(self._buffer)
            self._next = min(2 * self._next, 1 << 23)
        out, self._buffer = self._buffer[:nbytes], self._buffer[nbytes:]
        return out

    def close(self) -> None:
        """Forget what was read."""
        self._buffer = b""
