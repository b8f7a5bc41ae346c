"""Small parts of event selections: lists of grades, areas of regions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from wolter.data._event_scan import RegionCut
from wolter.errors import DataError

__all__ = ["grade_list", "whole_pixels"]


def grade_list(grade: int | str | Iterable[int]) -> tuple[int, ...]:
    """List of grades from a number, numbers, or text like ``0:4,6``."""
    if isinstance(grade, int):
        return (grade,)
    if not isinstance(grade, str):
        return tuple(int(g) for g in grade)
    out: list[int] = []
    for piece in grade.replace(";", ",").split(","):
        lo, colon, hi = (p.strip() for p in piece.partition(":"))
        try:
            out += range(int(lo), int(hi) + 1) if colon else [int(lo)]
        except ValueError:
            raise DataError(
                f"grades {grade!r} are not understood", cure="Write for example '0:12' or '0:4,6'."
            ) from None
    if not out:
        raise DataError(f"grades {grade!r} select nothing", cure="Write for example '0:12'.")
    return tuple(dict.fromkeys(out))


def whole_pixels(cuts: Sequence[RegionCut], bounds: tuple[int, int, int, int] | None) -> int:
    """Whole pixels inside all regions."""
    if len(cuts) == 1:
        return int(cuts[0].pixels.area(bounds))
    box = np.array([c.pixels.bounding_box() for c in cuts])
    x0, y0 = (int(v) for v in np.ceil(box[:, ::2].max(axis=0)))
    x1, y1 = (int(v) for v in np.floor(box[:, 1::2].min(axis=0)))
    x = np.arange(x0, x1 + 1, dtype=float)
    total = 0
    for y in range(y0, y1 + 1):
        inside = np.ones(len(x), dtype=bool)
        for cut in cuts:
            inside &= cut.pixels.contains(x, np.full(len(x), float(y)))
        total += int(np.count_nonzero(inside))
    return total
