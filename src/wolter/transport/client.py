"""One HTTP exchange done well: redirects, status codes as errors, patience, politeness, no more bytes than allowed.

Sources: RFC 9110 (HTTP semantics: conditional and range requests, Retry-After), RFC 6585 (429).
"""

from __future__ import annotations

import random
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

from wolter._version import __version__
from wolter.errors import TransportError

__all__ = ["Cancelled", "Client", "Policy", "Transient", "body_pieces", "inflate_limited"]

T = TypeVar("T")
PIECE = 1 << 17  # bytes handed on at a time
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_ATTEMPTS = 1000  # with progress each, for one file
_MEANING = {
    400: ("the server does not understand the request", "Check the address."),
    401: ("the server wants a login", "The data are not public (yet)."),
    403: ("access is refused", "The data may still be proprietary; look at the public date of the observation."),
    404: ("there is nothing at this address", "Check the name; the file may have moved, or not be archived yet."),
    410: ("what was at this address has been removed", None),
}


@dataclass(frozen=True)
class Policy:
    """How patient and how polite a `Transport` is.

    Attributes
    ----------
    connect_timeout, read_timeout : float
        Longest wait for a connection and for the next byte (s).
    min_speed, speed_window : float
        A transfer that brings less than ``min_speed`` bytes per second over ``speed_window`` seconds is broken off
        and taken up again.
    retries : int
        Attempts after the first; the count starts again whenever bytes have come.
    backoff, max_wait : float
        First pause (s), doubled each time with some chance in it, up to ``max_wait``. A server's Retry-After is
        obeyed up to ``max_wait`` too; one that asks for more is an error that says so.
    rate : float or None
        Most requests per second to one host.
    redirects : int
        Most redirects in a row. One from https to http is refused always.
    workers : int
        Parallel transfers.
    """

    connect_timeout: float = 15.0
    read_timeout: float = 60.0
    min_speed: float = 256.0
    speed_window: float = 60.0
    retries: int = 5
    backoff: float = 0.5
    max_wait: float = 120.0
    rate: float | None = 20.0
    redirects: int = 5
    workers: int = 4


class Transient(Exception):
    """Something that may go better next time."""

    def __init__(self, error: TransportError, wait: float | None = None, *, slow: bool = False) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait = wait
        self.slow = slow  # counts as a failure even though bytes have come


class Cancelled(Exception):
    """Somebody has asked for the end of all transfers."""


@dataclass
class Client:
    """Connections to servers under a `Policy`; usable from many threads."""

    policy: Policy = field(default_factory=Policy)
    cancel: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._local = threading.local()
        self._lock = threading.Lock()
        self._next: dict[str, float] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"policy": self.policy}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)

    # --- one exchange -----------------------------------------------------------------------------------------------

    @contextmanager
    def exchange(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, data: Any = None, params: Any = None,
        accept: tuple[int, ...] = (200,),
    ) -> Iterator[Any]:  # fmt: skip
        """Send a request, follow redirects, give the answer with its body still to be read.

        Raises
        ------
        TransportError
            The answer is final and bad.
        Transient
            It may be better next time.
        """
        response = self._follow(method, url, dict(headers or {}), data, params)
        try:
            self._check(response, accept, url)
            yield response
        except _errors().RequestException as exc:
            raise self._broken(exc, url) from exc
        except _stream_errors() as exc:
            if "timed out" in str(exc):
                why = f"the server hangs: nothing came for {self.policy.read_timeout:g} s"
            else:
                why = f"the transfer broke off: {exc}"
            raise Transient(_error(why, url, "Try again later.")) from exc
        finally:
            response.close()

    def _follow(self, method: str, url: str, headers: dict[str, str], data: Any, params: Any) -> Any:
        here = url
        for _ in range(self.policy.redirects + 1):
            response = self._send(method, here, headers, data, params)
            where = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or not where:
                return response
            response.close()
            there = urljoin(response.url, where)
            old, new = urlsplit(here).scheme.lower(), urlsplit(there).scheme.lower()
            if new not in ("http", "https"):
                raise _error(f"the server redirects to {there}, which is not a web address", url)
            if old == "https" and new == "http":
                raise _error(
                    f"the server redirects from https to http ({there}), where data can be changed on the way", url,
                    "Tell the archive; if you trust the address, give it directly.",
                )  # fmt: skip
            if response.status_code == 303 or (response.status_code in (301, 302) and method == "POST"):
                method, data = "GET", None
            here, params = there, None
        raise _error(f"the server redirects more than {self.policy.redirects} times", url, "Tell the archive.")

    def _send(self, method: str, url: str, headers: dict[str, str], data: Any, params: Any) -> Any:
        self._wait_turn(url)
        sent = {"User-Agent": f"wolter/{__version__}", "Accept-Encoding": "identity", **headers}
        timeout = (self.policy.connect_timeout, self.policy.read_timeout)
        try:
            return self._session().request(
                method, url, headers=sent, data=data, params=params, timeout=timeout, stream=True, allow_redirects=False
            )
        except _errors().RequestException as exc:
            raise self._broken(exc, url) from exc

    def _session(self) -> Any:
        if not hasattr(self._local, "session"):
            import requests

            self._local.session = requests.Session()
        return self._local.session

    def _broken(self, exc: Exception, url: str) -> Exception:
        errors = _errors()
        if isinstance(exc, errors.SSLError):
            return _error(f"the connection is not secure: {exc}", url, "Check the date of this computer and the proxy.")
        if isinstance(exc, (errors.InvalidURL, errors.MissingSchema, errors.InvalidSchema)):
            return _error(f"this is not an address: {exc}", url)
        if isinstance(exc, errors.ConnectTimeout):
            return Transient(_error(f"no connection within {self.policy.connect_timeout:g} s", url))
        if isinstance(exc, errors.Timeout) or "timed out" in str(exc):
            return Transient(_error(f"the server hangs: nothing came for {self.policy.read_timeout:g} s", url))
        cure = "Check the address and the network connection."
        return Transient(_error(f"the connection failed: {_innermost(exc)}", url, cure))

    def _check(self, response: Any, accept: tuple[int, ...], url: str) -> None:
        status = response.status_code
        if status in accept:
            return
        body = _beginning(response)
        said = _excerpt(body)
        if status in _TRANSIENT:
            what = "the server asks for fewer requests" if status == 429 else "the server has a problem"
            error = _error(f"{what} (status {status}{said})", url, "Try again later.")
            error.status, error.body = status, body
            wait = _retry_after(response.headers.get("Retry-After"))
            if wait is not None and wait > self.policy.max_wait:
                error.cure = f"It asks to wait {wait:.0f} s; try again then."
                raise error
            raise Transient(error, wait)
        cause, cure = _MEANING.get(status, ("the server answers with an error", None))
        error = _error(f"{cause} (status {status}{said})", url, cure)
        error.status, error.body = status, body
        raise error

    # --- patience ---------------------------------------------------------------------------------------------------

    def persist(self, attempt: Callable[[], T], progress: Callable[[], int] = lambda: 0) -> T:
        """Call until it goes well, or retries are used up.

        Parameters
        ----------
        attempt : callable
            Raises `Transient` when another attempt makes sense.
        progress : callable
            How far the work has come; whenever an attempt gets further than all before it, the count of retries
            starts again.
        """
        failures, before = 0, progress()
        for _ in range(_MOST_ATTEMPTS):
            try:
                return attempt()
            except Transient as exc:
                failures = 0 if progress() > before and not exc.slow else failures + 1
                before = max(before, progress())
                if failures > self.policy.retries:
                    times = "" if failures == 1 else f" ({failures} attempts)"
                    exc.error.cause += times
                    raise exc.error from exc
                self._pause(max(failures, 1), exc.wait)
        raise TransportError("the transfer does not come to an end", cure="Try again later.")

    def _pause(self, failures: int, wanted: float | None) -> None:
        pause = self.policy.backoff * 2.0 ** (failures - 1) * random.uniform(0.5, 1.0)
        pause = min(max(pause, wanted or 0.0), self.policy.max_wait)
        if self.cancel.wait(pause):
            raise Cancelled

    def _wait_turn(self, url: str) -> None:
        if self.cancel.is_set():
            raise Cancelled
        if not self.policy.rate:
            return
        host = urlsplit(url).netloc
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next.get(host, 0.0))
            self._next[host] = turn + 1.0 / self.policy.rate
        if turn > now and self.cancel.wait(turn - now):
            raise Cancelled


def body_pieces(response: Any, client: Client, url: str) -> Iterator[bytes]:
    """Body of an answer as it was sent, a piece at a time as bytes come; broken off when it comes too slowly."""
    raw = response.raw
    read = getattr(raw, "read1", None) or raw.read
    policy = client.policy
    mark, count = time.monotonic(), 0
    while True:
        if client.cancel.is_set():
            raise Cancelled
        piece = read(PIECE, decode_content=False)
        if not piece:
            return
        yield piece
        count += len(piece)
        lasted = time.monotonic() - mark
        if lasted > policy.speed_window:
            if count < policy.min_speed * lasted:
                speed = f"{count / lasted:.0f} bytes per second"
                raise Transient(_error(f"the server is too slow: {speed}", url, "Try again later."), slow=True)
            mark, count = time.monotonic(), 0


def inflate_limited(pieces: Iterator[bytes], limit: int, url: str) -> Iterator[bytes]:
    """Inflate a gzip or zlib body, but never to more than ``limit`` bytes (pieces are bounded too)."""
    engine = zlib.decompressobj(zlib.MAX_WBITS | 32)
    total = 0
    try:
        for piece in pieces:
            while piece and not engine.eof:
                out = engine.decompress(piece, PIECE)
                total += len(out)
                if total > limit:
                    raise _error(f"the compressed answer inflates to more than {limit} bytes", url)
                yield out
                piece = engine.unconsumed_tail
    except zlib.error as exc:
        raise Transient(_error(f"the compressed answer is damaged: {exc}", url)) from exc
    if not engine.eof:
        raise Transient(_error("the compressed answer is truncated", url))


def _errors() -> Any:
    import requests.exceptions

    return requests.exceptions


def _stream_errors() -> tuple[type[BaseException], ...]:
    import http.client

    import urllib3.exceptions

    return (urllib3.exceptions.HTTPError, http.client.HTTPException, ConnectionError, TimeoutError)


def _error(cause: str, url: str, cure: str | None = None) -> TransportError:
    return TransportError(cause, file=url, cure=cure)


def _innermost(exc: BaseException) -> str:
    reason: Any = exc
    while True:
        inner = getattr(reason, "reason", None) or (reason.args[-1] if getattr(reason, "args", ()) else None)
        if not isinstance(inner, BaseException) or inner is reason:
            return str(reason)
        reason = inner


def _beginning(response: Any) -> bytes:
    """First bytes of the body of an error."""
    try:
        return b"" if response.headers.get("Content-Encoding") else response.raw.read(4000, decode_content=False)
    except Exception:
        return b""


def _excerpt(body: bytes) -> str:
    """First words of what a server says about an error, on one line; nothing of web pages and documents."""
    if body.lstrip().startswith(b"<"):
        return ""
    text = " ".join(body.decode("utf-8", "replace").split())
    return f": {text[:200]}" if text.isprintable() and text else ""


def _retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header, which may be a date."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
