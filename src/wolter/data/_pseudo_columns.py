"""Columns of a pass over events that no file holds."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["GOOD", "ROW", "stored"]

ROW = "#row"  # number of the row in the file, from 0
GOOD = "#good"  # whether the row is selected: who asks for it copes with rows that are not


def stored(columns: Iterable[str]) -> list[str]:
    """Those of some columns that are in the file, each once."""
    return [name for name in dict.fromkeys(columns) if name not in (ROW, GOOD)]
