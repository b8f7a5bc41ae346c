"""Reads the package's own tables: comma-separated columns under a line of names, comments with ``#``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = ["read_numbers", "read_records"]

_FOLDER = Path(__file__).parent / "data"


def _body(name: str) -> tuple[list[str], list[str]]:
    text = (_FOLDER / name).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return lines[0].split(","), lines[1:]


def read_records(name: str) -> list[dict[str, str]]:
    """Rows of a table as mappings from column name to text."""
    columns, rows = _body(name)
    return [dict(zip(columns, row.split(","), strict=True)) for row in rows]


def read_numbers(name: str) -> dict[str, npt.NDArray[np.float64]]:
    """Columns of a table of numbers, float64 ``[rows]``."""
    columns, rows = _body(name)
    values = np.array(",".join(rows).split(","), dtype=float).reshape(len(rows), len(columns))
    return {column: np.ascontiguousarray(values[:, i]) for i, column in enumerate(columns)}
