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
    new: bool = True  # whether a new minimum met on the way is kept
    trials: int = 20
    tolerance: float = 0.01

    @staticmethod
    def parameter(word: str, entry: ModelEntry | None) -> int:
        """Number among the fit's parameters of ``src:3``, ``p3``, ``3`` or, for gains, ``r1``."""
        if entry is None:
            raise XspecError("Error executing command: error")
        try:
            return SESSION.number(word)
        except XspecError:
            SESSION.out(f"***Error:  Unable to locate parameter {word.rpartition(':')[2].lstrip('pP')}")
            SESSION.out("If parameter belongs to a named model, make sure model name is specified.")
            raise XspecError("Error executing command: error") from None

    @classmethod
    def read(cls, text: str, entry: ModelEntry, kind: str = "") -> ErrorCommand:
        """Parse; without parameters all free ones are meant."""
        options = SESSION.options  # delta and maximum stay for later commands, as in XSPEC
        out = cls([], options.error_delta, options.error_maximum)
        words = str(text).replace(",", " ").split()
        while words:
            word = words.pop(0)
            if word.lower().startswith("stop"):
                out.trials, out.tolerance = _stop(words)
            elif word.lower().startswith("max"):
                options.error_maximum = out.maximum = float(words.pop(0))
            elif word.lower() == "nonew":
                out.new = False
            elif "." in word and ":" not in word:
                options.error_delta = out.delta = float(word)
            else:
                prefix, _, body = word.rpartition(":")
                first, dash, last = body.partition("-")
                both = [first, last] if dash else [first]
                ends = [cls.parameter(f"{prefix}:{w}" if prefix else f"{kind}{w}", entry) for w in both]
                out.parameters += range(ends[0], ends[-1] + 1)
        if not out.parameters:
            out.parameters = [p + 1 for p in SESSION.engine().table.free.positions.tolist()]
        return out


def _stop(words: list[str]) -> tuple[int, float]:
    try:
        trials = int(words.pop(0))
        # the tolerance may be skipped by a second comma, which has become nothing: a real is one
        return trials, float(words.pop(0)) if words and "." in words[0] else 0.01
    except (IndexError, ValueError):
        raise XspecError("Error executing command: error: 'stopat' needs a number of trials and a tolerance") from None


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
