"""The errors Wolter raises: each names the file, the HDU, the cause and the cure.

Every exception derives from `WolterError`, so ``except WolterError`` catches what is a user's problem (a damaged
file, a wrong unit, an unknown name) and nothing that is a bug. Where Python has a built-in exception for the same
kind of mistake the class derives from that one too.
"""

from __future__ import annotations

import difflib
import sys
import warnings
from collections.abc import Iterable
from os import PathLike, fspath

__all__ = [
    "ArchiveError",
    "CalibrationError",
    "DataError",
    "ExpressionError",
    "FitError",
    "FitsError",
    "GTIError",
    "MissionError",
    "ModelError",
    "OutputError",
    "ParameterError",
    "RegionError",
    "ResponseError",
    "SimulationError",
    "TransportError",
    "UnitError",
    "WolterError",
    "WolterWarning",
    "suggest",
    "warn",
]


class WolterWarning(UserWarning):
    """Something is unusual but the result stands; the message says what was assumed."""


class WolterError(Exception):
    """Base of all errors that a user can cause or cure.

    Parameters
    ----------
    cause : str
        What is wrong, as a sentence without the final stop.
    file : path-like, optional
        The file concerned.
    hdu : str or int, optional
        The HDU concerned.
    cure : str, optional
        What the user can do about it.
    """

    def __init__(
        self,
        cause: str,
        *,
        file: str | PathLike[str] | None = None,
        hdu: str | int | None = None,
        cure: str | None = None,
    ) -> None:
        self.cause = cause
        self.file = None if file is None else fspath(file)
        self.hdu = hdu
        self.cure = cure
        super().__init__(cause)

    def __str__(self) -> str:
        place = self.file or ""
        if self.hdu is not None:
            place += f"[{self.hdu}]"
        text = f"{place}: {self.cause}" if place else self.cause
        if self.cure:
            text = f"{text.rstrip('.')}. {self.cure}"
        return text


class FitsError(WolterError, OSError):
    """A file cannot be read as FITS: missing, truncated, damaged, or without the HDU or column asked for."""


class OutputError(WolterError, OSError):
    """A product cannot be written; whatever stood at its place before is untouched."""


class ExpressionError(WolterError, ValueError):
    """A row filter or housekeeping expression is not understood."""


class RegionError(WolterError, ValueError):
    """Region text is not understood, or a region selects nothing."""


class GTIError(WolterError, ValueError):
    """Good time intervals are missing, unordered or empty."""


class DataError(WolterError, ValueError):
    """Contents of a product are unusable: negative errors, NaN, no counts, mixed weightings."""


class ResponseError(WolterError, ValueError):
    """A response does not fit the spectrum: size, detector, weighting."""


class MissionError(WolterError, ValueError):
    """A mission is unknown, or its files do not have the layout expected."""


class ModelError(WolterError, ValueError):
    """A model expression or component is not understood."""


class ParameterError(WolterError, ValueError):
    """A parameter is unknown, or its value is outside its limits."""


class FitError(WolterError, RuntimeError):
    """A fit cannot be done with these data and parameters."""


class SimulationError(WolterError, ValueError):
    """A simulation's description is incomplete or inconsistent."""


class TransportError(WolterError, OSError):
    """Bytes cannot be moved: no such address, no permission, a server that fails, a copy that is damaged.

    Attributes
    ----------
    status : int or None
        Status of the server's answer, where there was one.
    body : bytes
        Beginning of what the server said.
    """

    status: int | None = None
    body: bytes = b""


class ArchiveError(WolterError, ValueError):
    """An archive does not know what was asked for, or does not understand the question."""


class CalibrationError(WolterError, ValueError):
    """A calibration database is damaged, knows nothing that fits a question, or is not what a lock file says."""


class UnitError(WolterError, TypeError):
    """A number without a unit, or with a unit of the wrong kind."""


def suggest(name: str, known: Iterable[str], *, number: int = 3) -> str:
    """Sentence with the known names nearest to a mistyped one, or an empty string.

    Parameters
    ----------
    name : str
        What the user wrote.
    known : iterable of str
        All names that would have been understood.
    number : int
        How many to name at the most.
    """
    by_lower = {k.lower(): k for k in known}
    near = difflib.get_close_matches(name.lower(), list(by_lower), n=number, cutoff=0.5)
    if not near:
        return ""
    return "Did you mean " + " or ".join(repr(by_lower[k]) for k in near) + "?"


def warn(text: str) -> None:
    """Issue a `WolterWarning` at the line outside this package that led to it."""
    level = 2
    while sys._getframe(level - 1).f_globals.get("__name__", "").partition(".")[0] == "wolter":
        if sys._getframe(level - 1).f_back is None:
            break
        level += 1
    warnings.warn(text, WolterWarning, stacklevel=level)
