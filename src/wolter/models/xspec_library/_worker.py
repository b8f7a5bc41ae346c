"""Program of a worker process: loads XSPEC's model library and evaluates what it is asked on standard input.

It is started by path, not imported, and needs nothing but the standard library, so that it starts in a few
hundredths of a second. Requests and answers are a line of JSON that ends in the number of bytes that follow. What the
library prints goes to a file that the parent process reads even when this process has died.

Arguments: the library file, the messages file, the progress file.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from typing import Any, BinaryIO

SPECTRUM = 1  # number of the one spectrum there is, to which the XFLT key belongs


class Library:
    """The loaded library and what has been set in it."""

    def __init__(self, path: str) -> None:
        self.c = ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
        self.c.FNINIT()
        self.libc = ctypes.CDLL(None)
        self.state: dict[str, Any] = {}

    def set(self, state: dict[str, Any]) -> None:
        """Bring settings, model strings and the Stokes index up to date; ValueError for an unknown one."""
        for key, value in state.items():
            if self.state.get(key) != value:
                getattr(self, f"set_{key}")(value)
                self.state[key] = value

    def set_abund(self, table: str | list[float]) -> None:
        status = ctypes.c_int(0)
        if isinstance(table, list):
            values = (ctypes.c_float * len(table))(*table)
            self.c.FPSLFL(values, ctypes.c_int(len(table)), ctypes.byref(status))
            table = "file"
        if not status.value:
            self.c.FPSOLR(table.encode(), ctypes.byref(status))
        if status.value:
            raise ValueError(f"the library does not know the abundance table {table!r}")

    def set_xsect(self, name: str) -> None:
        status = ctypes.c_int(0)
        self.c.FPXSCT(name.encode(), ctypes.byref(status))
        if status.value:
            raise ValueError(f"the library does not know the cross-sections {name!r}")

    def set_cosmo(self, values: list[float]) -> None:
        self.c.csmpall(*(ctypes.c_float(v) for v in values))

    def set_atomdb(self, version: str) -> None:
        self.c.FPATDV(version.encode())

    def set_xset(self, strings: dict[str, str]) -> None:
        for key, value in strings.items():
            self.c.FPMSTR(key.encode(), value.encode())

    def set_stokes(self, index: int) -> None:
        # DPFILT puts its one key in the place of all others, so a second one could not be set.
        self.c.DCLFLT()
        self.c.DPFILT(ctypes.c_int(SPECTRUM), ctypes.c_int(1), b"Stokes", ctypes.c_float(index))

    def flush(self) -> None:
        """Write out what C and Fortran hold back."""
        self.libc.fflush(None)
        flush = getattr(self.c, "_gfortran_flush_i4", None)
        if flush is not None:
            flush(None)

    def evaluate(self, request: dict[str, Any], payload: memoryview, progress: int) -> bytearray:
        """Values [rows, bins] of one model; the payload has edges, parameters and the spectrum acted on, if any."""
        rows, bins, count = request["rows"], request["bins"], request["parameters"]
        convention = request["convention"]
        kind = ctypes.c_float if convention == "single" else ctypes.c_double
        size = ctypes.sizeof(kind)
        given = bytearray(payload)
        edges = (kind * (bins + 1)).from_buffer(given)
        at = size * (bins + 1)
        parameters = [(kind * count).from_buffer(given, at + size * count * i) for i in range(rows)]
        at += size * count * rows
        out = bytearray(given[at:]) if request["convolves"] else bytearray(size * bins * rows)
        errors = (kind * bins)()
        function = getattr(self.c, request["symbol"])
        function.restype = None
        number = ctypes.c_int(bins)
        text = request["init"].encode()
        for row in range(rows):
            os.pwrite(progress, row.to_bytes(8, "little"), 0)
            values = (kind * bins).from_buffer(out, size * bins * row)
            if convention == "c":
                function(edges, number, parameters[row], ctypes.c_int(SPECTRUM), values, errors, text)
            else:
                spectrum = ctypes.c_int(SPECTRUM)
                function(edges, ctypes.byref(number), parameters[row], ctypes.byref(spectrum), values, errors)
        return out


def exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        sys.exit(0)  # the parent is gone
    return data


def main() -> None:
    """Serve until the parent closes the pipe."""
    library_file, messages_file, progress_file = sys.argv[1:4]
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    messages = os.open(messages_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    progress = os.open(progress_file, os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(nothing, 0)  # a model that asks a question gets the end of the file for an answer
    os.dup2(messages, 1)
    os.dup2(messages, 2)
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):
        pass
    library = Library(library_file)
    while line := requests.readline():
        request = json.loads(line)
        payload = exactly(requests, request["size"])
        answer: dict[str, Any] = {"error": None}
        out = bytearray()
        os.ftruncate(messages, 0)
        # The default action of the alarm ends the process wherever it is: also one whose parent has died.
        signal.setitimer(signal.ITIMER_REAL, request["seconds"])
        try:
            library.set(request["state"])
            library.flush()
            os.ftruncate(messages, 0)
            out = library.evaluate(request, memoryview(payload), progress)
        except (ValueError, AttributeError) as exc:
            answer["error"] = str(exc)
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        library.flush()
        answer["size"] = len(out)
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.write(out)
        answers.flush()


if __name__ == "__main__":
    main()
