"""Errors of expressions: the text, a line of carets below the place, and the cure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike

from wolter.errors import ExpressionError

__all__ = ["fail", "placed"]

_WINDOW = 72


def fail(text: str, start: int, end: int, cause: str, cure: str | None = None) -> ExpressionError:
    """An error that points at ``text[start:end]``; its attribute ``position`` is ``start``.

    Parameters
    ----------
    text : str
        The whole expression.
    start, end : int
        Place of the offending part, in characters from 0.
    cause, cure : str
        As in `wolter.errors.WolterError`.
    """
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", start)
    line_end = len(text) if line_end < 0 else line_end
    lo, hi = line_start, line_end
    if hi - lo > _WINDOW:  # a long filter: show the neighbourhood only
        lo = max(lo, min(start - _WINDOW // 3, hi - _WINDOW))
        hi = min(hi, lo + _WINDOW)
    head, tail = ("..." if lo > line_start else ""), ("..." if hi < line_end else "")
    carets = " " * (len(head) + start - lo) + "^" * max(1, min(end, hi) - start)
    sentence = cause if cure is None else f"{cause}. {cure}"
    error = ExpressionError(f"{sentence}\n  {head}{text[lo:hi]}{tail}\n  {carets}")
    error.position = start  # type: ignore[attr-defined]
    return error


@contextmanager
def placed(file: str | PathLike[str] | None, hdu: str | int | None) -> Iterator[None]:
    """Errors of expressions that leave the block name the table (`file`, `hdu`) whose rows were to be judged."""
    try:
        yield
    except ExpressionError as exc:
        if exc.file is None and file is not None:
            exc.file, exc.hdu = str(file), hdu
        raise
