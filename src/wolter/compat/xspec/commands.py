"""Grammar of the arguments of error and steppar."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from wolter.compat.xspec.errors import XspecError
from wolter.compat.xspec.session import SESSION, ModelEntry

__all__ = ["ErrorCommand", "StepCommand"]


@dataclass
class ErrorCommand:
    """``error [stopat n tol] [maximum redchi] [nonew] [delta] parameters``."""

    parameters: list[int] = field(default_factory=list)
    delta: float = 2.706
    maximum: float = 2.0

    @staticmethod
    def parameter(word: str, entry: ModelEntry | None) -> int:
        """Number of ``src:3``, ``p3`` or ``3``."""
        name, _, number = word.rpartition(":")
        number = number.lstrip("pP")
        if entry is None or (name and name != entry.name) or not number.isdigit():
            raise XspecError("Error executing command: error")
        if not 1 <= int(number) <= len(entry.table.parameters):
            SESSION.out(f"***Error:  Unable to locate parameter {number}")
            SESSION.out("If parameter belongs to a named model, make sure model name is specified.")
            raise XspecError("Error executing command: error")
        return int(number)

    @classmethod
    def read(cls, text: str, entry: ModelEntry) -> ErrorCommand:
        """Parse; without parameters all free ones are meant."""
        options = SESSION.options  # delta and maximum stay for later commands, as in XSPEC
        out = cls([], options.error_delta, options.error_maximum)
        words = str(text).replace(",", " ").split()
        while words:
            word = words.pop(0)
            if word.lower().startswith("stop"):
                del words[:2]
            elif word.lower().startswith("max"):
                options.error_maximum = out.maximum = float(words.pop(0))
            elif word.lower() == "nonew":
                continue
            elif "." in word and ":" not in word:
                options.error_delta = out.delta = float(word)
            else:
                prefix, _, body = word.rpartition(":")
                first, dash, last = body.partition("-")
                both = [first, last] if dash else [first]
                ends = [cls.parameter(f"{prefix}:{w}" if prefix else w, entry) for w in both]
                out.parameters += range(ends[0], ends[-1] + 1)
        if not out.parameters:
            out.parameters = [p + 1 for p in entry.table.free.positions.tolist()]
        return out


@dataclass
class StepCommand:
    """``steppar [best|current] [log|nolog] parameter lo hi steps ...``."""

    axes: dict[int, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str, entry: ModelEntry) -> StepCommand:
        """Parse."""
        out = cls()
        words = str(text).replace(",", " ").split()
        while words:
            word = words.pop(0)
            if word.lower() in ("best", "current"):
                continue
            if word.lower() in ("log", "nolog"):
                SESSION.options.step_log = word.lower() == "log"
                continue
            try:
                number = ErrorCommand.parameter(word, entry)
                lo, hi, steps = float(words.pop(0)), float(words.pop(0)), int(words.pop(0))
            except (IndexError, ValueError, XspecError):
                raise XspecError("Error executing command: steppar") from None
            out.axes[number] = (lo, hi, steps + 1, "log") if SESSION.options.step_log else (lo, hi, steps + 1)
        if not out.axes:
            raise XspecError("Error executing command: steppar")
        return out
