"""Bytes on their way, shown on stderr when a person is watching."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

__all__ = ["ByteProgress"]

_PATIENCE = 1.0  # seconds before a bar appears


class ByteProgress:
    """Bar that many threads may move; appears once the work has lasted a second.

    Parameters
    ----------
    description : str
    total : int or None
        Bytes in all.
    enabled : bool, optional
        By default only on a terminal.
    """

    def __init__(self, description: str, total: int | None, *, enabled: bool | None = None) -> None:
        self.description, self.total = description, total
        self.enabled = sys.stderr.isatty() if enabled is None else enabled
        self.done = 0
        self._bar: Any = None
        self._task: Any = None
        self._start = time.monotonic()
        self._lock = threading.Lock()

    def __enter__(self) -> ByteProgress:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def add(self, nbytes: int) -> None:
        """Count bytes; a negative number takes back what has to be fetched again."""
        with self._lock:
            self.done += nbytes
            if not self.enabled or time.monotonic() - self._start < _PATIENCE:
                return
            if self._bar is None:
                from rich.console import Console
                from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

                columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
                self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
                self._bar.start()
                self._task = self._bar.add_task(self.description, total=self.total)
            self._bar.update(self._task, completed=self.done)
