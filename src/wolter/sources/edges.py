"""Where the exposed part of an image ends."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["edge_pixels", "near_edge", "sensor_mask"]


def sensor_mask(exposure: ArrayLike) -> NDArray[np.bool_]:
    """Pixels that were exposed at all.

    Parameters
    ----------
    exposure : array[..., ny, nx]
        Exposure map (s); NaN counts as not exposed.
    """
    exposed = np.asarray(exposure)
    return np.isfinite(exposed) & (exposed != 0)


def edge_pixels(exposure: ArrayLike, *, outside: bool = False, axes: Sequence[int] = (-2, -1)) -> NDArray[np.bool_]:
    """Exposed pixels that end a run of exposed pixels along a row or a column.

    Parameters
    ----------
    exposure : array[..., ny, nx]
        Exposure map (s).
    outside : bool
        Mark instead the unexposed pixels next to them.
    axes : sequence of int
        Axes along which runs are followed.

    Returns
    -------
    edge : bool array of that shape
        A run that begins with the first pixel of the array has no edge there, one that reaches the last pixel ends
        with it (the convention of XGA 1.0.0, with whose edge masks these agree pixel by pixel).
    """
    exposed = sensor_mask(exposure)
    edge = np.zeros_like(exposed)
    for axis in axes:
        runs, marks = np.moveaxis(exposed, axis, -1), np.moveaxis(edge, axis, -1)
        begins = ~runs[..., :-1] & runs[..., 1:]
        ends = runs[..., :-1] & ~runs[..., 1:]
        if outside:
            marks[..., :-1] |= begins
            marks[..., 1:] |= ends
        else:
            marks[..., 1:] |= begins
            marks[..., :-1] |= ends
            marks[..., -1] |= runs[..., -1]
    return edge


def near_edge(edge: NDArray[np.bool_], x: int, y: int, *, reach: int = 2) -> bool:
    """Whether an edge, or the end of the array, lies within so many rows and columns of a pixel.

    Parameters
    ----------
    edge : bool array [ny, nx]
        From `edge_pixels`.
    x, y : int
        Column and row of the pixel, counted from 0.
    reach : int
        Half width of the square looked at.
    """
    ny, nx = edge.shape
    if not (reach <= x < nx - reach and reach <= y < ny - reach):
        return True
    return bool(edge[y - reach : y + reach + 1, x - reach : x + reach + 1].any())
