"""Outlines of regions as lines in pixel coordinates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["outlines"]

_TURN = np.linspace(0.0, 2.0 * np.pi, 181)
_CELLS = 500


def outlines(region: Any) -> Iterator[tuple[np.ndarray, bool]]:
    """Lines around the shapes of a placed region.

    Parameters
    ----------
    region : wolter.sky.PixelRegion

    Yields
    ------
    line : ndarray, shape (n, 2)
        x, y in pixels, closed.
    excluded : bool
        Whether the shape takes something away.
    """
    for component in region.components:
        for shapes, excluded in ((component.include, False), (component.exclude, True)):
            for shape in shapes:
                for line in _shape_lines(shape):
                    yield line, excluded


def _shape_lines(shape: Any) -> list[np.ndarray]:
    kind = type(shape).__name__
    if not all(np.isfinite(shape.extent)):
        return []
    if kind == "Circle":
        return [_oval(shape.x, shape.y, shape.r, shape.r, 0.0)]
    if hasattr(shape, "corners"):
        x, y = shape.corners()
        return [np.c_[np.append(x, x[:1]), np.append(y, y[:1])]]
    return _traced(shape)


def _oval(x: float, y: float, a: float, b: float, angle: float) -> np.ndarray:
    u, v = a * np.cos(_TURN), b * np.sin(_TURN)
    c, s = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    return np.c_[x + u * c - v * s, y + u * s + v * c]


def _traced(shape: Any) -> list[np.ndarray]:
    """Outline of any shape, followed around the cells of a fine grid that lie inside it.

    Every crossing between an inside and an outside cell is then refined by bisection along the grid line.
    """
    from contourpy import contour_generator

    xlo, xhi, ylo, yhi = shape.extent
    margin = 0.01 * max(xhi - xlo, yhi - ylo, 1e-9)
    x = np.linspace(xlo - margin, xhi + margin, _CELLS)
    y = np.linspace(ylo - margin, yhi + margin, _CELLS)
    gx, gy = np.meshgrid(x, y)
    inside = shape.contains(gx.ravel(), gy.ravel()).reshape(gx.shape).astype(float)
    lines = contour_generator(x, y, inside).lines(0.5)
    return [_refined(np.asarray(line), shape, x, y) for line in lines]


def _refined(line: np.ndarray, shape: Any, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Move every point of a traced line along its grid line to where the shape begins."""
    dx, dy = x[1] - x[0], y[1] - y[0]
    # Points lie half-way between two nodes of the grid, in x or in y.
    along_x = np.abs((line[:, 0] - x[0]) / dx % 1.0 - 0.5) < 0.25
    step = np.where(along_x[:, None], [dx, 0.0], [0.0, dy])
    lo, hi = line - 0.5 * step, line + 0.5 * step
    start_inside = shape.contains(lo[:, 0].copy(), lo[:, 1].copy())
    end_inside = shape.contains(hi[:, 0].copy(), hi[:, 1].copy())
    usable = start_inside != end_inside
    for _ in range(12):
        middle = 0.5 * (lo + hi)
        same = shape.contains(middle[:, 0].copy(), middle[:, 1].copy()) == start_inside
        lo = np.where(same[:, None], middle, lo)
        hi = np.where(same[:, None], hi, middle)
    return np.where(usable[:, None], 0.5 * (lo + hi), line)
