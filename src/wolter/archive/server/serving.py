"""The server: sockets, routes, one thread for each connection."""

from __future__ import annotations

import contextlib
import html
import socket
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from wolter._version import __version__
from wolter.archive.server.content import Answer, Part
from wolter.archive.server.database import Database
from wolter.archive.server.inventory import take_inventory
from wolter.archive.server.services import Services
from wolter.errors import ArchiveError

if TYPE_CHECKING:
    from wolter.archive.host import Archive

__all__ = ["ArchiveServer"]

_MOST_BODY = 32 << 20


class ArchiveServer:
    """Serves a folder of observations; use it as a context manager, or `start` and `stop` it.

    Parameters
    ----------
    folder : path-like
        Folder with one folder for each observation, in any arrangement.
    host : str
        Address to listen at; the default is reached from this computer only.
    port : int
        0 takes a free one.
    bucket : str
        Name of the S3 bucket.
    maxrec : int
        Most rows in one answer of the table service.

    Attributes
    ----------
    url : str
        Address of the server, when it runs.
    requests : list of (str, str)
        Method and path of everything asked so far.
    sent : int
        Bytes sent, with headers.

    Raises
    ------
    ArchiveError
        There is no such folder, or the port is taken.
    """

    def __init__(
        self, folder: str | Path, *, host: str = "127.0.0.1", port: int = 0, bucket: str = "nasa-heasarc",
        maxrec: int = 100_000,
    ) -> None:  # fmt: skip
        self.folder, self.host, self.port, self.bucket = Path(folder), host, port, bucket
        self.maxrec = maxrec
        self.url = ""
        self.requests: list[tuple[str, str]] = []
        self.sent = 0
        self._lock = threading.Lock()
        self._scratch: Path | None = None
        self._stack = contextlib.ExitStack()
        self.inventory = take_inventory(self.folder)

    @property
    def archive(self) -> Archive:
        """`Archive` that leads here."""
        from wolter.archive.host import Archive

        return Archive(url=self.url, s3=f"s3://{self.bucket}", cache=self._scratch)

    def start(self) -> ArchiveServer:
        """Begin to serve, in threads of this process."""
        scratch = self._scratch = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="wolter-archive-")))
        database = Database(scratch / "archive.sqlite", self.inventory)
        try:
            server = _Server((self.host, self.port), _Handler)
        except OSError as exc:
            raise ArchiveError(f"cannot listen at {self.host}:{self.port}: {exc.strerror}") from exc
        self.port = server.server_address[1]
        self.url = f"http://{self.host}:{self.port}"
        server.front = self
        server.services = Services(self, database)
        self._stack.callback(server.server_close)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        self._stack.callback(server.shutdown)
        return self

    def stop(self) -> None:
        """End serving."""
        self._stack.close()

    def __enter__(self) -> ArchiveServer:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def asked(self, method: str, path: str) -> None:
        """Note a request, before it is answered: a client that has its answer finds it noted."""
        with self._lock:
            self.requests.append((method, path))

    def sends(self, number: int) -> None:
        """Count bytes, before they go out."""
        with self._lock:
            self.sent += number


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    front: ArchiveServer
    services: Services

    def __init__(self, *args: Any) -> None:
        self.connections: set[socket.socket] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Close the connections that clients keep open too."""
        super().server_close()
        for one in list(self.connections):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away in the middle are none of our business."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = f"wolter-archive/{__version__}"
    sys_version = ""
    timeout = 120
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_DELETE = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed for single requests."""

    def _serve(self) -> None:
        split = urlsplit(self.path)
        fields = parse_qsl(split.query, keep_blank_values=True)
        try:
            body = self._body()
            if self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
                fields += parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
            elif self.headers.get("Content-Type", "").startswith("multipart/form-data"):
                fields += _form(body, self.headers.get("Content-Type", ""))
            headers = {k.lower(): v for k, v in self.headers.items()}
            answer = self.server.services.answer(self.command, split.path, split.query, fields, headers)
        except ArchiveError as exc:
            answer = Answer(400, {"Content-Type": "text/plain; charset=utf-8"}, [Part(f"{exc}\n".encode())])
        except (ConnectionError, TimeoutError):
            self.close_connection = True
            return
        except Exception as exc:  # a mistake of ours must not end the server
            answer = Answer(500, {"Content-Type": "text/plain"}, [Part(f"{type(exc).__name__}: {exc}\n".encode())])
        self._send(answer)

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > _MOST_BODY:
            self.close_connection = True
            raise ArchiveError("the request is too long")
        return self.rfile.read(int(length))

    def _send(self, answer: Answer) -> None:
        front = self.server.front
        front.asked(self.command, self.path)

        def write(data: bytes) -> None:
            front.sends(len(data))
            self.wfile.write(data)

        try:
            size = answer.size
            lines = [f"HTTP/1.1 {answer.status} {self.responses.get(answer.status, ('?',))[0]}"]
            lines += [f"Server: {self.server_version}", f"Date: {self.date_time_string()}"]
            lines += [f"{k}: {v}" for k, v in answer.headers.items()]
            if answer.status not in (204, 304):
                lines.append(f"Content-Length: {size}")
            if self.close_connection:
                lines.append("Connection: close")
            write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
            if self.command != "HEAD" and answer.status != 304:
                for part in answer.parts:
                    part.write(write)
        except (ConnectionError, TimeoutError, OSError):
            self.close_connection = True


def _form(body: bytes, content_type: str) -> list[tuple[str, str]]:
    """Fields of a multipart form."""
    import email.parser
    import email.policy

    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
        b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body
    )
    out = []
    for part in message.iter_parts() if message.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(payload, bytes):
            out.append((name, payload.decode("utf-8", "replace")))
    return out


def index_page(path: str, names: dict[str, int | None]) -> bytes:
    """Page that lists a folder, as web servers make them; sizes None are folders."""
    title = html.escape(f"Index of {unquote(path)}")
    rows = ['<a href="../">Parent Directory</a>']
    for name, size in sorted(names.items()):
        end = "/" if size is None else ""
        rows.append(f'<a href="{quote(name)}{end}">{html.escape(name)}{end}</a>  {"-" if size is None else size}')
    listed = "\n".join(rows)
    return f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1><pre>\n{listed}\n</pre></body></html>\n".encode()  # noqa: E501
