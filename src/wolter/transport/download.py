"""A file arrives whole and checked, or not at all; what has come of it survives a kill at any byte.

Beside the target two hidden files grow: ``.<name>.part`` with the first bytes of the file, and ``.<name>.part.json``
with what identifies the file on the server (size, ETag, Last-Modified). The next attempt, in this process or another,
asks for the rest on condition that the file is still the same (``If-Range``) and compares the last bytes it has with
the first that come. Only a complete and verified file gets the name of the target.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from wolter.errors import OutputError, TransportError, WolterError
from wolter.transport.address import http_address, is_remote, local_path
from wolter.transport.client import PIECE, Cancelled, Client, Transient, body_pieces

__all__ = ["Download", "Request", "check_space", "download"]

OVERLAP = 1024  # bytes fetched twice when a transfer is taken up, and compared
_MARGIN = 1 << 20  # bytes to be left free on the disk


@dataclass(frozen=True)
class Request:
    """A file to fetch.

    Attributes
    ----------
    url : str
        ``https://``, ``http://``, ``s3://``, ``file://`` or a path.
    path : Path
        Where it shall appear.
    size : int or None
        Bytes, if known (from a listing): another size is an error.
    sha256, md5 : str or None
        Hash in hexadecimal, if known.
    check : callable or None
        ``check(path)`` looks at the complete file before it gets its name and raises `WolterError` if it is damaged.
    data : mapping or None
        Fields of a form to be posted; what is made for a form is fetched from its beginning every time.
    """

    url: str
    path: Path
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None
    check: Callable[[Path], None] | None = None
    data: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Download:
    """What became of a `Request`.

    Attributes
    ----------
    path : Path
    size : int
        Bytes of the file.
    sha256 : str
        Hash of the file; empty for files that were there before.
    moved : int
        Bytes that came over the network.
    resumed : int
        Bytes that were there from an earlier attempt.
    present : bool
        The file was there already, and nothing was fetched.
    filename : str
        Name that the server gives the file, if it does.
    """

    path: Path
    url: str
    size: int
    sha256: str = ""
    moved: int = 0
    resumed: int = 0
    present: bool = False
    filename: str = ""


@dataclass
class _State:
    """Where a transfer stands."""

    validator: dict[str, Any]
    total: int | None = None
    moved: int = 0
    resumed: int = 0
    filename: str = ""


class _Shorter(Exception):
    """The file is to be fetched from its beginning."""


def download(
    client: Client,
    request: Request,
    *,
    overwrite: bool = False,
    s3_endpoint: str | None = None,
    progress: Callable[[int], None] = lambda n: None,
) -> Download:
    """Fetch one file; see `Transport.download`."""
    target = request.path
    if not overwrite and target.is_file():
        size = target.stat().st_size
        if request.size is not None and size != request.size:
            raise OutputError(
                f"there is a file of {size} bytes already, the archive's has {request.size}",
                file=target,
                cure="Pass overwrite=True (on the command line --overwrite) to replace it.",
            )
        _discard(target, part=False)
        progress(size)
        return Download(target, request.url, size, present=True)
    _make_folder(target.parent)
    for attempt in (1, 2):
        with _locked(_part(target), client) as part:
            if not overwrite and target.is_file():  # another process has been faster
                _discard(target)
                progress(target.stat().st_size)
                return Download(target, request.url, target.stat().st_size, present=True)
            try:
                state = _fill(client, request, part, s3_endpoint, progress)
            except BaseException:
                if not _size(part):  # nothing came that is worth keeping
                    _discard(target)
                raise
            problem, digest = _examine(request, _part(target), state)
            if problem is None:
                _place(target, part)
                size = target.stat().st_size
                return Download(target, request.url, size, digest, state.moved, state.resumed, False, state.filename)
            _discard(target)
        if attempt == 2:
            raise problem
        progress(-(state.moved + state.resumed))
    raise AssertionError("unreachable")


# --- the part file ----------------------------------------------------------------------------------------------------


def _part(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


def _note(target: Path) -> Path:
    return target.with_name(f".{target.name}.part.json")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise OutputError(f"the folder cannot be made: {exc.strerror}", file=folder) from exc


@contextlib.contextmanager
def _locked(part: Path, client: Client) -> Iterator[IO[bytes]]:
    """The part file, open, and ours alone: a second process waits until the first one is done with it."""
    try:
        import fcntl
    except ImportError:  # no such locks here; two processes must not fetch the same file
        fcntl = None
    while True:
        try:
            descriptor = os.open(part, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        except OSError as exc:
            raise OutputError(f"cannot write here: {exc.strerror}", file=part.parent) from exc
        file = os.fdopen(descriptor, "r+b", buffering=0)
        try:
            if fcntl is None:
                break
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if client.cancel.wait(0.05):
                        raise Cancelled from None
                except OSError:  # a file system without locks
                    break
            here = os.stat(part) if part.exists() else None
            if here is not None and here.st_ino == os.fstat(file.fileno()).st_ino:
                break
        except BaseException:
            file.close()
            raise
        file.close()  # the other process has finished and moved the file away
    try:
        yield file
    finally:
        file.close()


def _read_note(target: Path) -> dict[str, Any]:
    try:
        note = json.loads(_note(target).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _write_note(target: Path, note: dict[str, Any]) -> None:
    path = _note(target)
    temporary = path.with_name(f"{path.name}.new")
    temporary.write_text(json.dumps(note), encoding="utf-8")
    os.replace(temporary, path)


def _discard(target: Path, *, part: bool = True) -> None:
    note = _note(target)
    for path in (note, note.with_name(f"{note.name}.new"), *([_part(target)] if part else [])):
        with contextlib.suppress(OSError):
            path.unlink()


def _place(target: Path, part: IO[bytes]) -> None:
    try:
        os.fsync(part.fileno())
        os.replace(_part(target), target)
    except OSError as exc:
        raise OutputError(f"the file cannot be put in place: {exc.strerror}", file=target) from exc
    _discard(target, part=False)


def check_space(folder: Path, nbytes: int) -> None:
    """Refuse to begin what the disk cannot hold.

    Raises
    ------
    OutputError
        There is not enough room.
    """
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if nbytes > free - _MARGIN:
        raise OutputError(
            f"{nbytes / 1e6:.1f} MB are to come, but the disk has room for {max(0, free - _MARGIN) / 1e6:.1f} MB",
            file=folder,
            cure="Free some space or choose another folder.",
        )


# --- filling it -------------------------------------------------------------------------------------------------------


def _fill(
    client: Client, request: Request, part: IO[bytes], s3_endpoint: str | None, progress: Callable[[int], None]
) -> _State:
    if not is_remote(request.url):
        return _copy(client, request, part, progress)
    url = http_address(request.url, s3_endpoint)
    note = _read_note(request.path)
    known = note if note.get("url") == request.url and _condition(note) else {}
    state = _State(known)
    if not known:
        part.truncate(0)
    progress(_size(part))

    def attempt() -> None:
        for _ in range(2):
            try:
                _attempt(client, request, url, part, state, progress)
                return
            except Transient as exc:
                if state.total is not None:
                    exc.error.cause += f"; {_size(part)} of {state.total} bytes are here"
                raise
            except _Shorter:
                progress(-_size(part))
                part.truncate(0)
                state.validator, state.total, state.resumed = {}, None, 0
        raise Transient(TransportError("the file changes while it is fetched", file=request.url))

    client.persist(attempt, lambda: _size(part))
    return state


def _size(part: IO[bytes]) -> int:
    return os.fstat(part.fileno()).st_size


def _condition(note: dict[str, Any]) -> str | None:
    """Value for If-Range: a strong ETag, or a Last-Modified date (RFC 9110, 13.1.5)."""
    etag = str(note.get("etag") or "")
    if etag and not etag.startswith("W/"):
        return etag
    return note.get("modified") or None


def _attempt(
    client: Client, request: Request, url: str, part: IO[bytes], state: _State, progress: Callable[[int], None]
) -> None:
    have = _size(part)
    condition = _condition(state.validator)
    if have and not condition:
        raise _Shorter
    if state.validator.get("size") == have and have:
        state.total, state.resumed = have, have
        return
    start = max(0, have - OVERLAP)
    headers = {"Range": f"bytes={start}-", "If-Range": str(condition)} if start or have else {}
    method = "GET" if request.data is None else "POST"
    accept = (200, 206, 416)
    with client.exchange(method, url, headers=headers, data=request.data, accept=accept) as response:
        if response.status_code == 416 or (response.status_code == 206 and not have):
            raise _Shorter
        if response.status_code == 200:
            progress(-_size(part))
            start = have = 0
            part.truncate(0)
        total = _announced(response, start, request, state)
        note = {
            "url": request.url,
            "etag": response.headers.get("ETag"),
            "modified": response.headers.get("Last-Modified"),
            "size": total,
        }
        if request.data is not None:
            note["etag"] = note["modified"] = None
        named = re.search(r'filename="?([^";]+)', response.headers.get("Content-Disposition", ""))
        state.filename = named[1].strip() if named else ""
        if have == 0:
            state.validator = note
            _write_note(request.path, note)
        elif note["etag"] != state.validator.get("etag"):
            raise _Shorter
        state.total = total
        state.resumed = max(state.resumed, have if state.moved == 0 else 0)
        check_space(request.path.parent, (total or 0) - have)
        _pour(client, response, request, part, start, have, state, progress)
    if total is not None and _size(part) < total:
        error = TransportError(
            "the server closed the connection before the end",
            file=request.url,
            cure="Try again later; what has come is kept.",
        )
        raise Transient(error)


def _announced(response: Any, start: int, request: Request, state: _State) -> int | None:
    """Size of the whole file as this answer gives it; contradictions are errors."""
    headers = response.headers
    coding = headers.get("Content-Encoding", "identity").lower()
    packed_name = urlsplit(request.url).path.lower().endswith((".gz", ".tgz", ".z"))
    if coding not in ("", "identity") and not packed_name:
        raise TransportError(
            f"the server sends the file compressed ({coding}) although it was asked not to", file=request.url
        )
    total: int | None = None
    if response.status_code == 206:
        match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", headers.get("Content-Range", "").strip())
        if match is None or int(match[1]) != start:
            raise TransportError(
                f"the server was asked for bytes from {start} and sends {headers.get('Content-Range', 'others')!r}",
                file=request.url,
            )
        total = None if match[3] == "*" else int(match[3])
    elif headers.get("Content-Length", "").isdigit():
        total = int(headers["Content-Length"])
    if total is not None and request.size is not None and total != request.size:
        raise TransportError(
            f"the archive lists the file with {request.size} bytes, the server has {total}",
            file=request.url,
            cure="The file was replaced, or the listing is out of date: list the files again.",
        )
    return total if total is not None else request.size


def _pour(
    client: Client, response: Any, request: Request, part: IO[bytes], start: int, have: int, state: _State,
    progress: Callable[[int], None],
) -> None:  # fmt: skip
    """Write the body behind what is there; the bytes that overlap must be the same."""
    part.seek(start)
    old = part.read(have - start)
    at = start
    for piece in body_pieces(response, client, request.url):
        state.moved += len(piece)
        if at < have:
            common = min(len(piece), have - at)
            if piece[:common] != old[at - start : at - start + common]:
                raise _Shorter
            at += common
            piece = piece[common:]
        if state.total is not None and at + len(piece) > state.total:
            raise TransportError(f"the server announced {state.total} bytes and sends more", file=request.url)
        if piece:
            _write(part, at, piece, request.path)
            at += len(piece)
            progress(len(piece))


def _write(part: IO[bytes], at: int, piece: bytes, target: Path) -> None:
    view = memoryview(piece)
    part.seek(at)
    try:
        while view:
            view = view[part.write(view) or 0 :]
    except OSError as exc:
        raise OutputError(f"writing failed: {exc.strerror}", file=target, cure="Free some space, then go on.") from exc


def _copy(client: Client, request: Request, part: IO[bytes], progress: Callable[[int], None]) -> _State:
    source = local_path(request.url)
    try:
        with source.open("rb") as stream:
            total = os.fstat(stream.fileno()).st_size
            if request.size is not None and total != request.size:
                raise TransportError(f"the file has {total} bytes instead of {request.size}", file=source)
            check_space(request.path.parent, total)
            part.truncate(0)
            part.seek(0)
            while piece := stream.read(PIECE):
                if client.cancel.is_set():
                    raise Cancelled
                part.write(piece)
                progress(len(piece))
    except WolterError:
        raise
    except OSError as exc:
        raise TransportError(f"the file cannot be read: {exc.strerror}", file=source) from exc
    return _State({}, total, total)


# --- judging it -------------------------------------------------------------------------------------------------------


def _examine(request: Request, part: Path, state: _State) -> tuple[WolterError | None, str]:
    """Error that says what is wrong with a complete copy, or None, and its SHA-256."""
    cure = "It was fetched twice; the file is damaged on the server, or on the way. Tell the archive."
    size = part.stat().st_size
    if state.total is not None and size != state.total:
        return TransportError(f"the copy has {size} bytes instead of {state.total}", file=request.url, cure=cure), ""
    with part.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if request.md5:
            stream.seek(0)
            md5 = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
            if md5 != request.md5.lower():
                return TransportError(
                    f"the copy has MD5 {md5} instead of {request.md5}", file=request.url, cure=cure
                ), ""
    if request.sha256 and digest != request.sha256.lower():
        text = f"the copy has SHA-256 {digest} instead of {request.sha256}"
        return TransportError(text, file=request.url, cure=cure), digest
    if request.check is not None:
        try:
            request.check(part)
        except WolterError as exc:
            what = f" (HDU {exc.hdu})" if exc.hdu is not None else ""
            return TransportError(f"the copy is damaged{what}: {exc.cause}", file=request.url, cure=cure), digest
    return None, digest
