"""What a session prints: to the terminal by `chatter`, to a log file by `logChatter`."""

from __future__ import annotations

import atexit
import os
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

__all__ = ["Output", "XspecLog"]


class XspecLog:
    """A log that is being written, or was: `Xset.openLog` returns it.

    Lines go to a temporary file in the folder of the log, which takes its name when the log is closed. Reading is
    possible at any time, with the methods of a text file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        self._temporary = Path(temporary)
        self._sink: IO[str] | None = os.fdopen(handle, "w", buffering=1, encoding="utf-8")
        self._reader: IO[str] | None = None

    @property
    def closed(self) -> bool:
        """Whether the log has its final name."""
        return self._sink is None

    def write(self, text: str) -> None:
        """Add text."""
        if self._sink is not None:
            self._sink.write(text)

    def close(self) -> None:
        """Put the log in its place."""
        if self._sink is None:
            return
        self._sink.close()
        self._sink = None
        self._temporary.replace(self.path)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if self._reader is None:
            self._reader = open(self.path if self.closed else self._temporary, encoding="utf-8")  # noqa: SIM115
        return getattr(self._reader, name)

    def __iter__(self) -> Any:
        return iter(self.readlines())


def _end_of_script(log: XspecLog, owner: int) -> None:
    """A log that nobody closed gets its name, too; forked children leave it alone."""
    if os.getpid() == owner:
        log.close()


class Output:
    """Terminal and log of a session."""

    def __init__(self) -> None:
        self.chatter = 10
        self.log_chatter = 10
        self.log: XspecLog | None = None

    def heard(self, level: int = 10) -> bool:
        """Whether anyone reads what is said at a level."""
        return level <= self.chatter or (self.log is not None and level <= self.log_chatter)

    def __call__(self, text: str = "", level: int = 10) -> None:
        """Print lines at a level of chatter."""
        if level <= self.chatter:
            sys.stdout.write(text + "\n")
        if self.log is not None and level <= self.log_chatter:
            self.log.write(text + "\n")

    def open(self, path: str | os.PathLike[str]) -> XspecLog:
        """Begin a log file; one that is open is closed."""
        self.close()
        self.log = XspecLog(Path(path).absolute())
        atexit.register(_end_of_script, self.log, os.getpid())
        return self.log

    def close(self) -> None:
        """End the log file."""
        if self.log is not None:
            self.log.close()
            self.log = None
