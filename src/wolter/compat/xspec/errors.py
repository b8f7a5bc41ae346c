"""The exception that PyXspec raises, and how Wolter's become it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from wolter.errors import WolterError

__all__ = ["XspecError", "missing", "translated"]


class XspecError(Exception):
    """Error of a command; scripts written for PyXspec catch it as Exception."""


def missing(name: str, reason: str = "") -> NotImplementedError:
    """Error for a part of PyXspec that Wolter does not have."""
    text = f"{name} is not implemented in wolter.compat.xspec"
    return NotImplementedError(f"{text}: {reason}" if reason else text)


@contextmanager
def translated(command: str = "") -> Iterator[None]:
    """Wolter's errors inside the block become XspecError, with the command in front."""
    try:
        yield
    except WolterError as error:
        raise XspecError(f"{command}: {error}" if command else str(error)) from error
