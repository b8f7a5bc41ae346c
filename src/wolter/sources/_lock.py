"""Locks between processes that a killed process cannot leave behind."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from wolter.errors import OutputError

__all__ = ["locked"]


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait until nobody else holds the lock of this name, and hold it.

    The operating system frees the lock when the process ends, however it ends. The empty file stays: removing it
    would let two processes hold two files of one name.

    Raises
    ------
    OutputError
        If the lock file cannot be made.
    """
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    except OSError as exc:
        raise OutputError(f"the lock cannot be made: {exc.strerror or exc}", file=path) from exc
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined]
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX)
