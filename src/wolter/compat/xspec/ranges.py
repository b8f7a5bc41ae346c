"""Grammar of ignore and notice: ``[spectra:]range ...`` with channels (integers), energies (reals), ``**``."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["ChannelRange", "number_ranges", "parse_ranges", "range_text"]

_NUMBER = r"(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)"
_RANGE = re.compile(rf"({_NUMBER}|\*\*)(?:-({_NUMBER}|\*\*))?")


@dataclass(frozen=True)
class ChannelRange:
    """One range: of channels (1-based, inclusive), or of the axis in its present unit; None is the open end.

    Parameters
    ----------
    spectra : tuple of int
        Numbers of the spectra it acts on.
    channels : bool
        Whether `lo` and `hi` are channel numbers.
    lo, hi : float or None
        Ends.
    """

    spectra: tuple[int, ...]
    channels: bool
    lo: float | None
    hi: float | None


def parse_ranges(text: str, spectra: tuple[int, ...], last: int) -> list[ChannelRange]:
    """Ranges of an ignore or notice string.

    Parameters
    ----------
    text : str
        As the user wrote it.
    spectra : tuple of int
        Those meant where no spectrum range is given.
    last : int
        Number of the last spectrum, for ``**``.

    Raises
    ------
    ValueError
        If it is not understood.
    """
    out = []
    current = spectra
    for token in re.sub(r"\s*-\s*", "-", text.replace(",", " ")).split():
        if ":" in token:
            head, _, token = token.partition(":")
            current = tuple(n for n in number_ranges(head, last) if n <= last)
            if not token:
                continue
        match = _RANGE.fullmatch(token)
        if not match:
            raise ValueError(text)
        first, second = match[1], match[2] or match[1]
        given = [v for v in (first, second) if v != "**"]
        channels = all(v.isdigit() for v in given)
        if match[2] is None and first == "**":
            out.append(ChannelRange(current, True, None, None))
            continue
        lo = None if first == "**" else float(first)
        hi = None if second == "**" else float(second)
        out.append(ChannelRange(current, channels, lo, hi))
    if not out:
        raise ValueError(text)
    return out


def number_ranges(text: str, last: int) -> list[int]:
    """Numbers of a list such as ``1-3 5``, ``2,4-**`` or ``**``.

    Raises
    ------
    ValueError
        If it is not understood.
    """
    out: list[int] = []
    for token in text.replace(",", " ").split():
        if token in ("**", "*"):
            out += range(1, last + 1)
            continue
        first, dash, second = token.partition("-")
        lo = 1 if first in ("**", "*") else int(first)
        hi = lo if not dash else last if second in ("**", "*") else int(second)
        out += range(lo, hi + 1)
    return out


def range_text(numbers: list[int], separator: str = " ") -> str:
    """The reverse of `number_ranges`: ``1-29 801-1024``."""
    parts: list[list[int]] = []
    for n in numbers:
        if parts and n == parts[-1][1] + 1:
            parts[-1][1] = n
        else:
            parts.append([n, n])
    one: Callable[[list[int]], str] = lambda p: str(p[0]) if p[0] == p[1] else f"{p[0]}-{p[1]}"  # noqa: E731
    return separator.join(one(p) for p in parts)
