"""What tasks have in common when they write: names with ``!``, and listings on the terminal or in a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wolter import fits
from wolter.errors import ParameterError
from wolter.tasks.registry import TaskError, TaskResult

__all__ = ["read_lines", "refuse_input", "show", "target"]


def read_lines(name: Any, what: str) -> list[str]:
    """Lines of a text file that a parameter names (`what` says what it holds, for messages).

    Raises
    ------
    TaskError
        If it is not there or is no text.
    """
    try:
        return Path(name).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "this is not a text file"
        raise TaskError(f"the {what} cannot be read: {why}", file=name, cure="Name a text file.") from exc


def target(name: Any, clobber: bool) -> tuple[Path, bool]:
    """File to write and whether it may replace one: FTOOLS take ``!name`` for "replace it" whatever clobber says."""
    text = str(name).strip()
    if not text.lstrip("!"):
        raise ParameterError("the name of the output file is empty")
    return Path(text.lstrip("!")), clobber or text.startswith("!")


def refuse_input(path: Path, *inputs: Any) -> None:
    """An output that is one of the inputs is refused, whatever clobber says."""
    for other in inputs:
        if path.exists() and Path(other).exists() and path.resolve() == Path(other).resolve():
            raise ParameterError(f"the output file {path} is an input file", cure="Choose another name.")


def show(result: TaskResult, lines: Sequence[str], outfile: Any, clobber: bool) -> None:
    """Lines to the terminal (``STDOUT``, ``-`` or nothing) or into a text file."""
    if outfile is None or str(outfile).strip().upper() in ("STDOUT", "-", ""):
        result.messages.extend(lines)
        return
    path, overwrite = target(outfile, clobber)
    with fits.atomic_path(path, overwrite=overwrite) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    result.products["listing"] = path
