"""Plane figures tested point by point, edges included; rotation in degrees, counter-clockwise from x."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["CFITSIO_SHAPES", "SAS_SHAPES"]

Test = Callable[..., np.ndarray]


def _rotated(xc, yc, angle, x, y) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates about the centre, along the axes of a figure turned by `angle`."""
    theta = np.deg2rad(angle)
    dx, dy = x - xc, y - yc
    return dx * np.cos(theta) + dy * np.sin(theta), -dx * np.sin(theta) + dy * np.cos(theta)


def _circle(xc, yc, radius, x, y) -> np.ndarray:
    return (x - xc) ** 2 + (y - yc) ** 2 <= radius**2


def _annulus(xc, yc, inner, outer, x, y) -> np.ndarray:
    square = (x - xc) ** 2 + (y - yc) ** 2
    return (square >= inner**2) & (square <= outer**2)


def _ellipse(xc, yc, a, b, angle, x, y) -> np.ndarray:
    u, v = _rotated(xc, yc, angle, x, y)
    return (u / a) ** 2 + (v / b) ** 2 <= 1.0


def _elliptical_annulus(xc, yc, a1, b1, a2, b2, angle1, angle2, x, y) -> np.ndarray:
    u, v = _rotated(xc, yc, angle1, x, y)
    return ((u / a1) ** 2 + (v / b1) ** 2 >= 1.0) & _ellipse(xc, yc, a2, b2, angle2, x, y)


def _box(xc, yc, width, height, angle, x, y) -> np.ndarray:
    return _half_box(xc, yc, 0.5 * width, 0.5 * height, angle, x, y)


def _half_box(xc, yc, half_width, half_height, angle, x, y) -> np.ndarray:
    u, v = _rotated(xc, yc, angle, x, y)
    return (np.abs(u) <= half_width) & (np.abs(v) <= half_height)


def _rhombus(xc, yc, half_width, half_height, angle, x, y) -> np.ndarray:
    u, v = _rotated(xc, yc, angle, x, y)
    return np.abs(u) / half_width + np.abs(v) / half_height <= 1.0


def _rectangle(x1, y1, x2, y2, angle, x, y) -> np.ndarray:
    return _half_box(0.5 * (x1 + x2), 0.5 * (y1 + y2), 0.5 * abs(x2 - x1), 0.5 * abs(y2 - y1), angle, x, y)


def _sector(xc, yc, start, stop, x, y) -> np.ndarray:
    turn = np.rad2deg(np.arctan2(y - yc, x - xc))
    return (turn - start) % 360.0 <= stop - start


def _point(x0, y0, x, y) -> np.ndarray:
    return (x == x0) & (y == y0)


def _line(x0, y0, x1, y1, x, y) -> np.ndarray:
    """Within half a unit of the segment, which is what the SAS documentation says of `line`."""
    dx, dy = x1 - x0, y1 - y0
    length = dx**2 + dy**2
    along = np.clip(((x - x0) * dx + (y - y0) * dy) / np.where(length > 0, length, 1.0), 0.0, 1.0)
    return np.hypot(x - x0 - along * dx, y - y0 - along * dy) <= 0.5


def _polygon(*args) -> np.ndarray:
    """Crossing number, with points on a side counted as inside."""
    x, y = args[-2:]
    corners = list(zip(args[:-2:2], args[1:-2:2], strict=True))
    inside = np.zeros(np.broadcast_shapes(np.shape(x), np.shape(y)), dtype=bool)
    edge = inside.copy()
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        cross = (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)
        between = (x - x0) * (x - x1) + (y - y0) * (y - y1) <= 0.0
        edge |= (cross == 0.0) & between
        upward, downward = (y0 <= y) & (y < y1), (y1 <= y) & (y < y0)
        inside ^= (upward & (cross > 0.0)) | (downward & (cross < 0.0))
    return inside | edge


# Number of arguments, the point included; None: any even number.
CFITSIO_SHAPES: dict[str, tuple[Test, int | None]] = {
    "circle": (_circle, 5),
    "box": (_box, 7),
    "ellipse": (_ellipse, 7),
}
SAS_SHAPES: dict[str, tuple[Test, int | None]] = {
    "point": (_point, 4),
    "line": (_line, 6),
    "circle": (_circle, 5),
    "sector": (_sector, 6),
    "pie": (_sector, 6),
    "annulus": (_annulus, 6),
    "ring": (_annulus, 6),
    "ellipse": (_ellipse, 7),
    "elliptannulus": (_elliptical_annulus, 10),
    "elliptring": (_elliptical_annulus, 10),
    "box": (_half_box, 7),
    "rectangle": (_rectangle, 7),
    "rhombus": (_rhombus, 7),
    "diamond": (_rhombus, 7),
    "polygon": (_polygon, None),
    "polygon2": (_polygon, None),
}
