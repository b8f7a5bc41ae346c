"""What became of the cells of a run, and how it is written."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wolter._version import __version__

__all__ = ["STATUSES", "CellRecord", "RunReport", "plain"]

STATUSES = ("ok", "repaired", "failed", "skipped", "not run")
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def plain(lines: Iterable[str]) -> list[str]:
    """Text without colours, as single lines."""
    return _ANSI.sub("", "\n".join(lines)).splitlines()


@dataclass
class CellRecord:
    """One cell.

    Attributes
    ----------
    cell : int
        Its number among the code cells; 0 is the preamble.
    title : str
        Its first telling line.
    line : int or None
        Where it starts in the file.
    status : str
        ``ok``, ``repaired`` (ran after its repair), ``failed``, ``skipped`` or ``not run``.
    seconds : float
        Time it took.
    repair : str or None
        What was wrong with the cell as written, if it was repaired.
    error : dict or None
        ``type``, ``message`` and ``traceback`` (lines) of a failure.
    figures : list of str
        Files of its figures.
    """

    cell: int
    title: str
    line: int | None = None
    status: str = "not run"
    seconds: float = 0.0
    repair: str | None = None
    error: dict[str, Any] | None = None
    figures: list[str] = field(default_factory=list)

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        if self.cell == 0:
            return "preamble"
        return f"cell {self.cell}" + (f" (line {self.line})" if self.line else "")


@dataclass
class RunReport:
    """A run.

    Attributes
    ----------
    file : str
        The script or notebook.
    cells : list of CellRecord
    started : str
        UTC.
    seconds : float
        Time from the start of the kernel to the end.
    interrupted : bool
        Whether the run was stopped from outside.
    """

    file: str
    cells: list[CellRecord]
    started: str
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def counts(self) -> dict[str, int]:
        """Number of cells by status, the preamble left out."""
        statuses = [c.status for c in self.cells if c.cell > 0]
        return {s: statuses.count(s) for s in STATUSES}

    @property
    def ok(self) -> bool:
        """Whether every cell that was to run ran without error."""
        return not self.interrupted and all(c.status in ("ok", "repaired", "skipped") for c in self.cells)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "file": self.file,
            "started": self.started,
            "seconds": round(self.seconds, 3),
            "wolter": __version__,
            "python": platform.python_version(),
            "ok": self.ok,
            "interrupted": self.interrupted,
            "counts": self.counts,
            "cells": [{**vars(c), "seconds": round(c.seconds, 3)} for c in self.cells],
        }

    def write(self, path: Path) -> None:
        """Write it as JSON, atomically, over an earlier one."""
        from wolter.fits import atomic_path

        with atomic_path(path, overwrite=True) as temporary:
            temporary.write_text(json.dumps(self.to_dict(), indent=1) + "\n", encoding="utf-8")

    def summary(self) -> str:
        """One line for people."""
        parts = [f"{n} {status}" for status, n in self.counts.items() if n]
        total = sum(self.counts.values())
        end = "interrupted, " if self.interrupted else ""
        return (
            f"{Path(self.file).name}: {total} cell{'s' * (total != 1)}: {end}{', '.join(parts)} ({self.seconds:.1f} s)"
        )
