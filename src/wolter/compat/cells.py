"""Cells of a script or notebook: read from ``.py``, MyST and Markdown ``.md`` and ``.ipynb``, numbered, chosen."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wolter.errors import DataError, ParameterError

__all__ = ["SUFFIXES", "CodeCell", "Document", "need", "parse_numbers", "read_document"]

SUFFIXES = (".py", ".md", ".ipynb")
# A script is divided into cells where its author marked them; everything else is one cell.
_CELL_MARK = re.compile(r"^# ?%%", re.MULTILINE)


@dataclass
class CodeCell:
    """One code cell.

    Attributes
    ----------
    number : int
        Position among the code cells of the file, from 1; 0 is the preamble.
    node : object
        The cell in the notebook, with ``source``, ``outputs`` and ``metadata``.
    line : int or None
        Line of the file where the cell's source starts.
    """

    number: int
    node: Any
    line: int | None = None

    @property
    def source(self) -> str:
        """Text of the cell."""
        return str(self.node.source)

    @property
    def tags(self) -> frozenset[str]:
        """Its tags."""
        return frozenset(self.node.metadata.get("tags", ()))

    @property
    def title(self) -> str:
        """First line that says something, for lists and messages."""
        lines = [line.strip() for line in self.source.splitlines() if line.strip()]
        telling = [line for line in lines if not line.startswith(("#", "%%", "import ", "from "))]
        text = (telling or lines or ["(empty)"])[0]
        return text if len(text) <= 70 else text[:67] + "..."


@dataclass
class Document:
    """A script or notebook.

    Attributes
    ----------
    path : Path
    notebook : object
        As nbformat has it (version 4).
    cells : list of CodeCell
        Code cells in order.
    script : bool
        Whether it is Python, run as `__main__` with `__file__` set.
    """

    path: Path
    notebook: Any
    cells: list[CodeCell]
    script: bool


def need(module: str) -> Any:
    """Import a module of the ``notebook`` extra, or say how to get it.

    Raises
    ------
    DataError
        If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        raise DataError(
            f"running scripts and notebooks needs {module.partition('.')[0]}, which cannot be imported ({exc})",
            cure='Install it with: pip install "wolter[notebook]"',
        ) from exc


def read_document(path: str | Path) -> Document:
    """Read a script or notebook.

    Parameters
    ----------
    path : path-like
        ``.py`` (with ``# %%`` cells, or one cell), ``.md`` (MyST or Markdown) or ``.ipynb``.

    Raises
    ------
    ParameterError
        If the ending of its name is another one.
    DataError
        If it cannot be read as what its ending says, or has no code.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ParameterError(f"{path} is none of {', '.join(SUFFIXES)}", cure="Rename the file.")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as exc:
        raise DataError(f"this is not UTF-8 text ({exc.reason} at byte {exc.start})", file=path) from exc
    one_cell = suffix == ".py" and not _CELL_MARK.search(text) and "jupytext:" not in text[:2000]
    try:
        notebook = _script(text) if one_cell else _parse(text, suffix)
    except (DataError, KeyboardInterrupt):
        raise
    except Exception as exc:  # whatever the readers of three formats raise for damaged files
        cause = " ".join(str(exc).split())[:200]
        raise DataError(f"this cannot be read as a {suffix} notebook: {cause}", file=path) from exc
    nodes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if not nodes:
        raise DataError("there are no code cells", file=path, cure="In Markdown, code cells are ```{code-cell} blocks.")
    lines = _lines(text, [str(n.source) for n in nodes]) if suffix != ".ipynb" else [None] * len(nodes)
    cells = [CodeCell(i, node, line) for i, (node, line) in enumerate(zip(nodes, lines, strict=True), 1)]
    return Document(path, notebook, cells, suffix == ".py")


def _script(text: str) -> Any:
    v4 = need("nbformat.v4")
    return v4.new_notebook(cells=[v4.new_code_cell(text)])


def _parse(text: str, suffix: str) -> Any:
    if suffix == ".ipynb":
        notebook = need("nbformat").reads(text, as_version=4)
    else:
        own = suffix == ".md" or "jupytext:" in text[:2000]  # the header, or the text itself, says which format it is
        notebook = need("jupytext").reads(text, fmt={"extension": suffix} if own else "py:percent")
    if notebook.nbformat_minor < 5:  # cells without ids, to which none may be added
        notebook = need("nbformat.v4").upgrade(notebook, 4, notebook.nbformat_minor)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
            cell.execution_count = None
    return notebook


def _lines(text: str, sources: Iterable[str]) -> list[int | None]:
    """Line on which each source starts; None where the reader has changed its first line."""
    rows = text.splitlines()
    found: list[int | None] = []
    position = 0
    for source in sources:
        first = next((line for line in source.splitlines() if line.strip()), None)
        at = next((i for i in range(position, len(rows)) if first and rows[i].rstrip() == first.rstrip()), None)
        found.append(None if at is None else at + 1)
        if at is not None:
            position = at + max(1, source.count("\n"))
    return found


def parse_numbers(text: str) -> frozenset[int]:
    """Numbers from a list such as ``3,5-7``.

    Raises
    ------
    ParameterError
        If the text is something else.
    """
    numbers: set[int] = set()
    for part in filter(None, (p.strip() for p in text.split(","))):
        match = re.fullmatch(r"(\d+)(?:\s*-\s*(\d+))?", part)
        lo, hi = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= lo <= hi:
            raise ParameterError(f"{part!r} is not a cell number or range such as 3 or 5-7 (cells count from 1)")
        numbers.update(range(lo, hi + 1))
    return frozenset(numbers)
