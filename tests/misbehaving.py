"""An HTTP server that does what servers should not."""

from __future__ import annotations

import contextlib
import gzip
import re
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def body_of(name: str, size: int = 200_000) -> bytes:
    """Bytes that depend on the name."""
    seed = sum(name.encode()) % 251
    return bytes((i * 7 + seed + (i >> 8)) & 0xFF for i in range(size))


class Misbehaving:
    """Context manager; ``url`` is the address. The first part of a path says how it is answered.

    ``log`` holds (path, Range) of all requests.
    """

    def __init__(self, tls: tuple[str, str] | None = None) -> None:
        self.log: list[tuple[str, str | None]] = []
        self.counts: dict[str, int] = {}
        self.tls = tls
        self.other = ""  # where redirects to "elsewhere" go

    def __enter__(self) -> Misbehaving:
        outer = self

        class Handler(_Handler):
            owner = outer

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        scheme = "http"
        if self.tls:
            import ssl

            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://localhost:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: Misbehaving

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("?")[0]
        self.owner.log.append((path, self.headers.get("Range")))
        self.owner.counts[path] = self.owner.counts.get(path, 0) + 1
        self.number = self.owner.counts[path]
        kind, _, argument = path.strip("/").partition("/")
        with contextlib.suppress(ConnectionError, BrokenPipeError):
            getattr(self, "kind_" + kind.replace("-", "_"))(argument)

    do_HEAD = do_POST = do_GET

    def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None, length: int | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def cut(self) -> None:
        """Close the connection at once."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def ranged(self, data: bytes, etag: str | None = '"v1"', *, stop: int | None = None, headers=None) -> None:
        """A well-behaved answer, that may end after ``stop`` bytes of the body."""
        head = {"Accept-Ranges": "bytes", **(headers or {})}
        if etag:
            head["ETag"] = etag
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        status, first, last = 200, 0, len(data) - 1
        if match and self.headers.get("If-Range", etag) == etag:
            first = int(match[1])
            last = min(last, int(match[2])) if match[2] else last
            if first > last:
                self.reply(416, b"", {"Content-Range": f"bytes */{len(data)}"})
                return
            status = 206
            head["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        part = data[first : last + 1]
        self.reply(status, part if stop is None else part[:stop], head, len(part))
        if stop is not None and stop < len(part):
            self.cut()

    # --- kinds ------------------------------------------------------------------------------------------------------

    def kind_good(self, name: str) -> None:
        self.ranged(body_of(name))

    def kind_status(self, argument: str) -> None:
        self.reply(int(argument.split("/")[0]), b"this is what the server says")

    def kind_busy(self, argument: str) -> None:
        """Two refusals that say when to come back."""
        status, wait = argument.split("/")[:2]
        if self.number <= 2:
            self.reply(int(status), b"busy", {"Retry-After": wait})
        else:
            self.ranged(body_of("busy"))

    def kind_never(self, wait: str) -> None:
        self.reply(429, b"no", {"Retry-After": wait})

    def kind_breaks(self, name: str) -> None:
        """Every answer ends after 30 kB."""
        self.ranged(body_of(name), stop=30_000)

    def kind_breaks_without_validator(self, name: str) -> None:
        self.ranged(body_of(name), None, stop=None if self.number > 2 else 30_000)

    def kind_changes(self, name: str) -> None:
        """Another version of the file after the first break."""
        if self.number == 1:
            self.ranged(body_of("old" + name), '"old"', stop=30_000)
        else:
            self.ranged(body_of(name), '"new"')

    def kind_lies_longer(self, name: str) -> None:
        data = body_of(name, 5000)
        self.reply(200, data, {"ETag": '"x"'}, 9000)
        self.cut()

    def kind_lies_shorter(self, name: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(body_of(name, 5000))
        self.cut()

    def kind_wrong_range(self, name: str) -> None:
        if self.headers.get("Range"):
            self.reply(206, body_of(name)[:100], {"Content-Range": "bytes 0-99/200000", "ETag": '"v1"'})
        else:
            self.ranged(body_of(name), stop=30_000)

    def kind_corrupt(self, name: str) -> None:
        """One byte is wrong, in the first answer or (``always``) in all."""
        data = bytearray(body_of(name))
        if self.number == 1 or "always" in name:
            data[100_000] ^= 0xFF
        self.ranged(bytes(data))

    def kind_corrupt_tail(self, name: str) -> None:
        """What came before the break differs from what the server has."""
        data = bytearray(body_of(name))
        if self.number == 1:
            data[29_900] ^= 0xFF
        self.ranged(bytes(data), stop=30_000 if self.number == 1 else None)

    def kind_hang(self, name: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"abc")
        self.wfile.flush()
        time.sleep(3)

    def kind_mute(self, name: str) -> None:
        time.sleep(3)
        self.cut()

    def kind_slow(self, name: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        for _ in range(60):
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.05)

    def kind_redirect(self, argument: str) -> None:
        n, _, name = argument.partition("/")
        where = f"/redirect/{int(n) - 1}/{name}" if int(n) > 1 else f"/good/{name}"
        self.reply(302, b"", {"Location": where})

    def kind_loop(self, name: str) -> None:
        self.reply(301, b"", {"Location": f"/loop/{name}"})

    def kind_elsewhere(self, name: str) -> None:
        self.reply(302, b"", {"Location": self.owner.other})

    def kind_bomb(self, name: str) -> None:
        """20 MB of zeros, inflated ten times over by the client if it lets itself in."""
        data = gzip.compress(b"\0" * 20_000_000, 9, mtime=0)
        head = {"Content-Encoding": "gzip"} if name.startswith("coded") else {}
        self.ranged(data, headers=head)

    def kind_chunked(self, name: str) -> None:
        data = body_of(name, 5000)
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"1388\r\n" + data + b"\r\n" + (b"0\r\n\r\n" if "whole" in name else b"1388\r\nabc"))
        if "whole" not in name:
            self.cut()

    def kind_index(self, name: str) -> None:
        """An index page with links that lead elsewhere."""
        links = ["good.txt", "../../../etc/passwd", "/etc/passwd", "http://example.org/x", "..%2F..%2Fevil", "?C=N;O=D",
                 "%2e%2e/evil2", "a/b/c", "#top", "mailto:x@example.org", "spaced%20name"]  # fmt: skip
        self.reply(200, "".join(f'<a href="{link}">x</a>' for link in links).encode(), {"Content-Type": "text/html"})

    def kind_bucket(self, name: str) -> None:
        """A list of a bucket with keys that try to leave it."""
        keys = ["obs/fine.txt", "obs/../../evil", "obs/./x", "obs/sub\\evil", "other/key"]
        items = "".join(f"<Contents><Key>{k}</Key><Size>3</Size></Contents>" for k in keys)
        self.reply(200, f"<ListBucketResult>{items}<IsTruncated>false</IsTruncated></ListBucketResult>".encode())

    def kind_forever(self, name: str) -> None:
        """A list whose pages never end."""
        token = "<IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken>"
        item = "<Contents><Key>obs/x</Key><Size>3</Size></Contents>"
        self.reply(200, f"<ListBucketResult>{item}{token}</ListBucketResult>".encode())

    def kind_no_ranges(self, name: str) -> None:
        self.reply(200, body_of(name))
