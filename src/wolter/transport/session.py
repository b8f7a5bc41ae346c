"""`Transport`: the one object through which everything in Wolter reaches a server."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any

from wolter.errors import TransportError, WolterError
from wolter.transport.address import base_name, http_address, is_remote, local_path
from wolter.transport.client import Client, Policy, Transient, body_pieces, inflate_limited
from wolter.transport.download import Download, Request, check_space, download
from wolter.transport.listing import Entry, list_files
from wolter.transport.progress import ByteProgress
from wolter.transport.reader import RemoteFile

__all__ = ["Info", "Transport", "default_transport"]

ANSWER_BYTES = 512 << 20  # largest answer held in memory


@dataclass(frozen=True)
class Info:
    """What a server says about a file.

    Attributes
    ----------
    size : int or None
    ranges : frozenset of str
        Units of ranges it offers (``bytes``, ...).
    etag, modified : str or None
    """

    url: str
    size: int | None
    ranges: frozenset[str]
    etag: str | None
    modified: str | None


class Transport:
    """Moves bytes between servers, local folders and this process.

    Parameters
    ----------
    policy : Policy, optional
        Time limits, retries, pace, number of parallel transfers.
    s3_endpoint : str, optional
        Server for ``s3://`` addresses in place of Amazon's, e.g. ``"http://localhost:5000"``; by default what
        AWS_ENDPOINT_URL_S3 says, as for other S3 clients.

    Notes
    -----
    Objects may be used by many threads. Only public data are reached: no credentials are read or sent, except that a
    proxy or a login in the environment's usual settings (``HTTPS_PROXY``, ``.netrc``) is honoured.
    """

    def __init__(self, policy: Policy | None = None, *, s3_endpoint: str | None = None) -> None:
        self.policy = policy or Policy()
        self.s3_endpoint = s3_endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or None
        self._client = Client(self.policy)

    def __getstate__(self) -> dict[str, Any]:
        return {"policy": self.policy, "s3_endpoint": self.s3_endpoint}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["policy"], s3_endpoint=state["s3_endpoint"])

    # --- questions --------------------------------------------------------------------------------------------------

    def fetch(
        self, url: str, *, params: Mapping[str, Any] | None = None, data: Any = None,
        headers: Mapping[str, str] | None = None, limit: int = ANSWER_BYTES,
    ) -> bytes:  # fmt: skip
        """The whole answer to a question, or contents of a small file, in memory.

        Parameters
        ----------
        url : str
        params, data : mapping, optional
            Parameters of a GET, fields of a POST.
        limit : int
            Most bytes accepted, after inflation if the server compresses.

        Raises
        ------
        TransportError
        """
        if not is_remote(url):
            try:
                return local_path(url).read_bytes()
            except OSError as exc:
                raise TransportError(f"the file cannot be read: {exc.strerror}", file=url) from exc
        address = http_address(url, self.s3_endpoint)
        method = "POST" if data is not None else "GET"

        def attempt() -> bytes:
            sent = {"Accept-Encoding": "gzip", **(headers or {})}
            with self._client.exchange(method, address, headers=sent, data=data, params=params) as response:
                pieces = body_pieces(response, self._client, url)
                length = response.headers.get("Content-Length", "")
                out, count = bytearray(), 0
                if response.headers.get("Content-Encoding", "").lower() in ("gzip", "x-gzip", "deflate"):
                    return b"".join(inflate_limited(pieces, limit, url))
                for piece in pieces:
                    count += len(piece)
                    if count > limit:
                        raise TransportError(f"the answer is longer than {limit} bytes", file=url)
                    out += piece
            if length.isdigit() and len(out) < int(length):
                raise Transient(TransportError(f"the answer breaks off after {len(out)} of {length} bytes", file=url))
            return bytes(out)

        return self._client.persist(attempt)

    def info(self, url: str) -> Info:
        """Size and identity of a file.

        Raises
        ------
        TransportError
        """
        if not is_remote(url):
            path = local_path(url)
            if not path.is_file():
                raise TransportError("there is no such file", file=path)
            return Info(url, path.stat().st_size, frozenset({"bytes"}), None, None)
        address = http_address(url, self.s3_endpoint)

        def attempt() -> Info:
            with self._client.exchange("HEAD", address) as response:
                h = response.headers
                length = h.get("Content-Length", "")
                units = frozenset(u.strip().lower() for u in h.get("Accept-Ranges", "").split(",")) - {"", "none"}
                size = int(length) if length.isdigit() and not h.get("Content-Encoding") else None
                return Info(url, size, units, h.get("ETag"), h.get("Last-Modified"))

        return self._client.persist(attempt)

    def list(self, url: str, *, sizes: bool = False) -> list[Entry]:
        """All files below a folder, sorted by name.

        Parameters
        ----------
        url : str
            Local folder, ``s3://bucket/prefix``, or the address of a web server's folder with index pages.
        sizes : bool
            Ask for the sizes that index pages do not give (one request for each file).
        """
        found = list_files(self, url)
        if not sizes or all(e.size is not None for e in found):
            return found
        from concurrent.futures import ThreadPoolExecutor

        def complete(entry: Entry) -> Entry:
            if entry.size is not None:
                return entry
            info = self.info(entry.url)
            return Entry(entry.url, entry.name, info.size, info.etag)

        with ThreadPoolExecutor(self.policy.workers) as pool:
            return list(pool.map(complete, found))

    def open(self, url: str) -> RemoteFile:
        """A remote file, to be read at offsets.

        Raises
        ------
        TransportError
            It is not there, or its size is not known.
        """
        return RemoteFile(self, url)

    # --- files ------------------------------------------------------------------------------------------------------

    def download(
        self, url: str | PathLike[str], path: str | PathLike[str], *, size: int | None = None,
        sha256: str | None = None, md5: str | None = None, check: Callable[[Path], None] | None = None,
        data: Mapping[str, str] | None = None, overwrite: bool = False, progress: bool | None = None,
    ) -> Download:  # fmt: skip
        """Fetch one file, or what is missing of it.

        Parameters
        ----------
        url : str
            ``https://``, ``http://``, ``s3://``, ``file://`` or a path.
        path : path-like
            Target, or an existing folder that the file shall appear in.
        size, sha256, md5, check, data
            What is known about the file; see `Request`.
        overwrite : bool
            Replace a file that is there; by default it is left alone and counts as fetched if its size is right.
        progress : bool, optional
            Show a bar; by default on a terminal, once it takes longer than a second.

        Raises
        ------
        TransportError
            The bytes cannot be had, or are not what they should be.
        OutputError
            There is no room, or no permission to write.
        """
        target = Path(path)
        if target.is_dir():
            target = target / base_name(str(url))
        request = Request(str(url), target, size, sha256, md5, check, data)
        return self.download_many([request], overwrite=overwrite, progress=progress)[0]

    def download_many(
        self, requests: Iterable[Request], *, overwrite: bool = False, progress: bool | None = None,
        description: str = "fetching",
    ) -> list[Download]:  # fmt: skip
        """Fetch files in parallel.

        Parameters
        ----------
        requests : iterable of Request
        overwrite, progress
            As in `download`.

        Returns
        -------
        list of Download
            In the order of the requests.

        Raises
        ------
        TransportError, OutputError
            The first failure; transfers under way are broken off, files that are complete stay, and parts stay so that
            the next call takes up the work. The same holds for KeyboardInterrupt.
        """
        jobs: Sequence[Request] = list(requests)
        targets = [j.path for j in jobs]
        if len(set(targets)) < len(targets):
            twice = next(t for t in targets if targets.count(t) > 1)
            raise TransportError("two files would get this name", file=twice)
        self._check_room(jobs, overwrite)
        client = Client(self.policy, threading.Event())
        known = [j.size for j in jobs]
        total = sum(s for s in known if s is not None) if all(s is not None for s in known) else None
        with ByteProgress(description, total, enabled=progress) as bar:

            def one(job: Request) -> Download:
                return download(client, job, overwrite=overwrite, s3_endpoint=self.s3_endpoint, progress=bar.add)

            if len(jobs) <= 1 or self.policy.workers <= 1:
                return [one(job) for job in jobs]
            return _in_parallel(one, jobs, self.policy.workers, client.cancel)

    def _check_room(self, jobs: Sequence[Request], overwrite: bool) -> None:
        need: dict[Path, int] = {}
        for job in jobs:
            if job.size is not None and (overwrite or not job.path.is_file()):
                part = job.path.with_name(f".{job.path.name}.part")
                have = part.stat().st_size if part.is_file() else 0
                need[job.path.parent] = need.get(job.path.parent, 0) + max(0, job.size - have)
        if need:
            check_space(next(iter(need)), sum(need.values()))


def _in_parallel(
    one: Callable[[Request], Download], jobs: Sequence[Request], workers: int, cancel: threading.Event
) -> list[Download]:
    from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

    from wolter.transport.client import Cancelled

    pool = ThreadPoolExecutor(min(workers, len(jobs)), thread_name_prefix="wolter-transfer")
    futures = [pool.submit(one, job) for job in jobs]
    try:
        wait(futures, return_when=FIRST_EXCEPTION)
    finally:
        if not all(f.done() and not f.cancelled() and f.exception() is None for f in futures):
            cancel.set()
        pool.shutdown(wait=True, cancel_futures=True)
    failures = [f.exception() for f in futures if f.done() and not f.cancelled()]
    real = [e for e in failures if e is not None and not isinstance(e, Cancelled)]
    if real:
        first = real[0]
        left = sum(1 for f in futures if f.cancelled() or f.exception() is not None)
        if isinstance(first, WolterError) and len(jobs) > 1:
            first.cure = f"{first.cure or ''} {len(jobs) - left} of {len(jobs)} files are complete.".strip()
        raise first
    return [f.result() for f in futures]


@cache
def _shared(endpoint: str | None) -> Transport:
    return Transport(s3_endpoint=endpoint)


def default_transport() -> Transport:
    """The connections that are used where none are given; they are shared so that they can be used again."""
    return _shared(os.environ.get("AWS_ENDPOINT_URL_S3") or None)
