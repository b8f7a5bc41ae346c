"""Shapes in pixels: which points lie inside, with the edge rule of cfitsio's region filter.

Edges belong to a shape (circle r <= R, annulus r1 <= r <= r2, points on polygon sides), with these exceptions, all
cfitsio's: the inner edge of a box annulus does not belong to it, and points and lines are pixels of unit size that
are closed below and open above. Angles are degrees counterclockwise from the +x axis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Annulus",
    "Box",
    "BoxAnnulus",
    "Circle",
    "Diamond",
    "Ellipse",
    "EllipticalAnnulus",
    "Field",
    "Line",
    "PixelShape",
    "Point",
    "Polygon",
    "Sector",
    "Wedge",
    "rectangle",
]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Extent = tuple[float, float, float, float]
_INFINITE: Extent = (-math.inf, math.inf, -math.inf, math.inf)
# Distance (pixels) within which a point counts as lying on a polygon's side, as in cfitsio.
_ON_SIDE = 1e-10
# Up to this many sides testing all points against each side is faster than sorting them first.
_FEW_SIDES = 16


def _turn(x: Floats, y: Floats, x0: float, y0: float, degrees: float) -> tuple[Floats, Floats]:
    """Coordinates about a centre in axes turned counterclockwise by an angle."""
    dx, dy = x - x0, y - y0
    if degrees == 0.0:
        return dx, dy
    theta = math.pi * (degrees / 180.0)
    c, s = math.cos(theta), math.sin(theta)
    return dx * c + dy * s, -dx * s + dy * c


def _segment_distance(x: Floats, y: Floats, px: Floats, py: Floats) -> Floats:
    """Distance of points to a closed chain of segments."""
    out = np.full(np.shape(x), np.inf)
    qx, qy = np.roll(px, -1), np.roll(py, -1)
    for ax, ay, bx, by in zip(px, py, qx, qy, strict=True):
        ex, ey = bx - ax, by - ay
        length2 = ex * ex + ey * ey
        t = np.clip(((x - ax) * ex + (y - ay) * ey) / length2, 0.0, 1.0) if length2 > 0 else 0.0
        np.minimum(out, np.hypot(x - ax - t * ex, y - ay - t * ey), out=out)
    return out


class PixelShape:
    """Base of all shapes in pixel coordinates."""

    @property
    def extent(self) -> Extent:
        """Smallest axis-parallel rectangle around the shape: (xmin, xmax, ymin, ymax), pixels."""
        raise NotImplementedError

    @property
    def loose_extent(self) -> Extent | None:
        """Extent that cfitsio assigns (a circle around rotated shapes); None where it assigns none."""
        return self.extent

    def contains(self, x: Floats, y: Floats) -> Bools:
        """Which points (float64 arrays, pixels) lie inside."""
        raise NotImplementedError

    def clearance(self, x: Floats, y: Floats) -> Floats:
        """Lower bound of the distance (pixels) of points to the shape's boundary."""
        raise NotImplementedError


def _around(x: float, y: float, r: float) -> Extent:
    return x - r, x + r, y - r, y + r


@dataclass(frozen=True)
class Field(PixelShape):
    """The whole plane."""

    @property
    def extent(self) -> Extent:
        return _INFINITE

    def contains(self, x: Floats, y: Floats) -> Bools:
        return np.isfinite(x) & np.isfinite(y)

    def clearance(self, x: Floats, y: Floats) -> Floats:
        return np.full(np.shape(x), np.inf)


@dataclass(frozen=True)
class Circle(PixelShape):
    """Circle of radius r about (x, y)."""

    x: float
    y: float
    r: float

    @property
    def extent(self) -> Extent:
        return _around(self.x, self.y, self.r)

    def contains(self, x: Floats, y: Floats) -> Bools:
        dx, dy = x - self.x, y - self.y
        dx *= dx
        dy *= dy
        dx += dy
        return dx <= self.r * self.r

    def clearance(self, x: Floats, y: Floats) -> Floats:
        return np.abs(np.hypot(x - self.x, y - self.y) - self.r)


@dataclass(frozen=True)
class Annulus(PixelShape):
    """Ring between two circles."""

    x: float
    y: float
    r_in: float
    r_out: float

    @property
    def extent(self) -> Extent:
        return _around(self.x, self.y, self.r_out)

    def contains(self, x: Floats, y: Floats) -> Bools:
        dx, dy = x - self.x, y - self.y
        dx *= dx
        dy *= dy
        dx += dy
        return (dx >= self.r_in * self.r_in) & (dx <= self.r_out * self.r_out)

    def clearance(self, x: Floats, y: Floats) -> Floats:
        r = np.hypot(x - self.x, y - self.y)
        return np.minimum(np.abs(r - self.r_in), np.abs(r - self.r_out))


@dataclass(frozen=True)
class Ellipse(PixelShape):
    """Ellipse with semi-axes a (along `angle`) and b."""

    x: float
    y: float
    a: float
    b: float
    angle: float = 0.0

    @property
    def extent(self) -> Extent:
        theta = math.radians(self.angle)
        c, s = math.cos(theta), math.sin(theta)
        hx, hy = math.hypot(self.a * c, self.b * s), math.hypot(self.a * s, self.b * c)
        return self.x - hx, self.x + hx, self.y - hy, self.y + hy

    @property
    def loose_extent(self) -> Extent:
        return _around(self.x, self.y, max(self.a, self.b))

    def radius(self, x: Floats, y: Floats) -> Floats:
        """Squared distance in units of the semi-axes; 1 on the ellipse."""
        u, v = _turn(x, y, self.x, self.y, self.angle)
        u, v = u / self.a, v / self.b
        return u * u + v * v

    def contains(self, x: Floats, y: Floats) -> Bools:
        return self.radius(x, y) <= 1.0

    def clearance(self, x: Floats, y: Floats) -> Floats:
        # The map onto the unit circle stretches distances by at most 1/min(a, b).
        return np.abs(np.sqrt(self.radius(x, y)) - 1.0) * min(self.a, self.b)


@dataclass(frozen=True)
class EllipticalAnnulus(PixelShape):
    """Between two concentric ellipses, each with its own angle; both edges belong."""

    inner: Ellipse
    outer: Ellipse

    @property
    def extent(self) -> Extent:
        return self.outer.extent

    @property
    def loose_extent(self) -> Extent:
        return self.outer.loose_extent

    def contains(self, x: Floats, y: Floats) -> Bools:
        return (self.outer.radius(x, y) <= 1.0) & (self.inner.radius(x, y) >= 1.0)

    def clearance(self, x: Floats, y: Floats) -> Floats:
        return np.minimum(self.inner.clearance(x, y), self.outer.clearance(x, y))


class _Cornered(PixelShape):
    """Shapes bounded by straight sides."""

    def corners(self) -> tuple[Floats, Floats]:
        """Corner coordinates."""
        raise NotImplementedError

    @property
    def extent(self) -> Extent:
        px, py = self.corners()
        return float(px.min()), float(px.max()), float(py.min()), float(py.max())

    def clearance(self, x: Floats, y: Floats) -> Floats:
        return _segment_distance(x, y, *self.corners())


def _turned_corners(x: float, y: float, angle: float, u: Any, v: Any) -> tuple[Floats, Floats]:
    theta = math.radians(angle)
    c, s = math.cos(theta), math.sin(theta)
    u, v = np.asarray(u, float), np.asarray(v, float)
    return x + u * c - v * s, y + u * s + v * c


@dataclass(frozen=True)
class Box(_Cornered):
    """Rectangle of full width (along `angle`) and height."""

    x: float
    y: float
    width: float
    height: float
    angle: float = 0.0

    def corners(self) -> tuple[Floats, Floats]:
        w, h = self.width / 2, self.height / 2
        return _turned_corners(self.x, self.y, self.angle, [-w, w, w, -w], [-h, -h, h, h])

    @property
    def loose_extent(self) -> Extent:
        return _around(self.x, self.y, math.hypot(self.width, self.height) / 2)

    def contains(self, x: Floats, y: Floats) -> Bools:
        u, v = _turn(x, y, self.x, self.y, self.angle)
        return (np.abs(u) <= 0.5 * self.width) & (np.abs(v) <= 0.5 * self.height)


def rectangle(x1: float, y1: float, x2: float, y2: float, angle: float = 0.0) -> Box:
    """Box of which (x1, y1) and (x2, y2) are opposite corners, with sides turned by an angle (deg)."""
    theta = math.pi * (angle / 180.0)
    c, s = math.cos(theta), math.sin(theta)
    hx, hy = 0.5 * (x2 - x1), 0.5 * (y2 - y1)
    width, height = 2 * abs(hx * c + hy * s), 2 * abs(hy * c - hx * s)
    return Box(0.5 * (x1 + x2), 0.5 * (y1 + y2), width, height, angle)


@dataclass(frozen=True)
class BoxAnnulus(PixelShape):
    """Between two concentric boxes; the inner edge does not belong (cfitsio)."""

    inner: Box
    outer: Box

    @property
    def extent(self) -> Extent:
        return self.outer.extent

    @property
    def loose_extent(self) -> Extent:
        # cfitsio takes the root of width*height twice, not the diagonal; too small unless the box is a square.
        return _around(self.outer.x, self.outer.y, math.sqrt(2 * self.outer.width * self.outer.height) / 2)

    def contains(self, x: Floats, y: Floats) -> Bools:
        return self.outer.contains(x, y) & ~self.inner.contains(x, y)

    def clearance(self, x: Floats, y: Floats) -> Floats:
        return np.minimum(self.inner.clearance(x, y), self.outer.clearance(x, y))


@dataclass(frozen=True)
class Diamond(_Cornered):
    """Rhombus with full diagonals `width` (along `angle`) and `height`."""

    x: float
    y: float
    width: float
    height: float
    angle: float = 0.0

    def corners(self) -> tuple[Floats, Floats]:
        w, h = self.width / 2, self.height / 2
        return _turned_corners(self.x, self.y, self.angle, [-w, 0, w, 0], [0, -h, 0, h])

    @property
    def loose_extent(self) -> Extent:
        return _around(self.x, self.y, max(self.width, self.height) / 2)

    def contains(self, x: Floats, y: Floats) -> Bools:
        u, v = _turn(x, y, self.x, self.y, self.angle)
        return np.abs(u / (0.5 * self.width)) + np.abs(v / (0.5 * self.height)) <= 1.0


def _wrap(angle: float) -> float:
    """Angle in (-180, 180]."""
    angle = math.remainder(angle, 360.0)
    return 180.0 if angle == -180.0 else angle


@dataclass(frozen=True)
class Sector(PixelShape):
    """Directions from `start` counterclockwise to `stop` (deg from `axis`), out to infinity; the apex belongs.

    A span of exactly 360 degrees is the whole plane (cfitsio folds 0..360 to 0..0 and keeps a single ray); other
    angles are folded as cfitsio folds them.
    """

    x: float
    y: float
    start: float
    stop: float
    axis: float = 0.0

    @property
    def whole(self) -> bool:
        """Whether all directions are included."""
        return self.stop != self.start and math.remainder(self.stop - self.start, 360.0) == 0.0

    @property
    def extent(self) -> Extent:
        return _INFINITE

    @property
    def loose_extent(self) -> Extent | None:
        return None

    def contains(self, x: Floats, y: Floats) -> Bools:
        dx, dy = _turn(x, y, self.x, self.y, self.axis)
        if self.whole:
            return np.isfinite(dx) & np.isfinite(dy)
        theta = np.arctan2(dy, dx) * 180.0 / math.pi
        a, b = _wrap(self.start), _wrap(self.stop)
        inside = (theta >= a) & (theta <= b) if a <= b else (theta >= a) | (theta <= b)
        return inside | ((dx == 0.0) & (dy == 0.0))

    def clearance(self, x: Floats, y: Floats) -> Floats:
        dx, dy = _turn(x, y, self.x, self.y, self.axis)
        if self.whole:
            return np.full(np.shape(x), np.inf)
        out = np.full(np.shape(x), np.inf)
        for angle in (self.start, self.stop):
            c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            along, across = dx * c + dy * s, dy * c - dx * s
            np.minimum(out, np.where(along > 0.0, np.abs(across), np.hypot(dx, dy)), out=out)
        return out


@dataclass(frozen=True)
class Wedge(PixelShape):
    """Part of a ring (annulus, elliptical or box annulus) within a sector: DS9's panda, epanda and bpanda."""

    ring: PixelShape
    sector: Sector

    @property
    def extent(self) -> Extent:
        return self.ring.extent

    @property
    def loose_extent(self) -> Extent | None:
        return self.ring.loose_extent

    def contains(self, x: Floats, y: Floats) -> Bools:
        return self.ring.contains(x, y) & self.sector.contains(x, y)

    def clearance(self, x: Floats, y: Floats) -> Floats:
        return np.minimum(self.ring.clearance(x, y), self.sector.clearance(x, y))


@dataclass(frozen=True)
class Point(_Cornered):
    """The unit pixel about a point: closed below, open above."""

    x: float
    y: float

    def corners(self) -> tuple[Floats, Floats]:
        return _turned_corners(self.x, self.y, 0.0, [-0.5, 0.5, 0.5, -0.5], [-0.5, -0.5, 0.5, 0.5])

    @property
    def loose_extent(self) -> Extent:
        return _around(self.x, self.y, 1.0)

    def contains(self, x: Floats, y: Floats) -> Bools:
        dx, dy = x - self.x, y - self.y
        return (dx >= -0.5) & (dx < 0.5) & (dy >= -0.5) & (dy < 0.5)


@dataclass(frozen=True)
class Line(_Cornered):
    """A line one pixel wide, half a pixel longer at each end."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def _length(self) -> float:
        return math.hypot(self.x2 - self.x1, self.y2 - self.y1)

    def _along(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        length = self._length
        c, s = ((self.x2 - self.x1) / length, (self.y2 - self.y1) / length) if length else (1.0, 0.0)
        dx, dy = x - self.x1, y - self.y1
        return dx * c + dy * s, -dx * s + dy * c

    def corners(self) -> tuple[Floats, Floats]:
        angle = math.degrees(math.atan2(self.y2 - self.y1, self.x2 - self.x1))
        u = [-0.5, self._length + 0.5]
        return _turned_corners(self.x1, self.y1, angle, [u[0], u[1], u[1], u[0]], [-0.5, -0.5, 0.5, 0.5])

    @property
    def loose_extent(self) -> Extent:
        return min(self.x1, self.x2), max(self.x1, self.x2), min(self.y1, self.y2), max(self.y1, self.y2)

    def contains(self, x: Floats, y: Floats) -> Bools:
        u, v = self._along(x, y)
        return (v >= -0.5) & (v < 0.5) & (u >= -0.5) & (u < self._length + 0.5)


@dataclass(frozen=True, eq=False)
class Polygon(_Cornered):
    """Polygon with straight sides (even-odd rule); points on a side belong."""

    px: Floats
    py: Floats

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Polygon) and np.array_equal(self.px, other.px) and np.array_equal(self.py, other.py)

    def __hash__(self) -> int:
        return hash((self.px.tobytes(), self.py.tobytes()))

    def corners(self) -> tuple[Floats, Floats]:
        return self.px, self.py

    def contains(self, x: Floats, y: Floats) -> Bools:
        x, y = np.asarray(x, float), np.asarray(y, float)
        shape = x.shape
        x, y = x.ravel(), y.ravel()
        if self.px.size <= _FEW_SIDES:
            odd, on = np.zeros(x.size, bool), np.zeros(x.size, bool)
            for ax, ay, bx, by in zip(np.roll(self.px, 1), np.roll(self.py, 1), self.px, self.py, strict=True):
                self._side(ax, ay, bx, by, x, y, odd, on)
            return (odd | on).reshape(shape)
        # Sorted by y, the points that one side concerns are a slice: cost is proportional to what lies beside it.
        order = np.argsort(y)
        xs, ys = x[order], y[order]
        odd = np.zeros(x.size, bool)
        on = np.zeros(x.size, bool)
        ax, ay = np.roll(self.px, 1), np.roll(self.py, 1)
        low, high = np.minimum(ay, self.py), np.maximum(ay, self.py)
        first = np.searchsorted(ys, low - _ON_SIDE, "left")
        last = np.searchsorted(ys, high + _ON_SIDE, "right")
        for k in range(self.px.size):
            rows = slice(first[k], last[k])
            if first[k] < last[k]:
                self._side(ax[k], ay[k], self.px[k], self.py[k], xs[rows], ys[rows], odd[rows], on[rows])
        out = np.empty(x.size, bool)
        out[order] = odd | on
        return out.reshape(shape)

    @staticmethod
    def _side(ax: float, ay: float, bx: float, by: float, x: Floats, y: Floats, odd: Bools, on: Bools) -> None:
        """Flip the parity of points left of one side, and mark the points on it (views, changed in place)."""
        if abs(by - ay) < _ON_SIDE:
            lo, hi = min(ax, bx), max(ax, bx)
            on |= (np.abs(y - ay) < _ON_SIDE) & (x >= lo) & (x <= hi)
            return
        at = ax + ((bx - ax) / (by - ay)) * (y - ay)
        within = (y >= min(ay, by)) & (y <= max(ay, by))
        on |= within & (np.abs(at - x) < _ON_SIDE)
        # Half-open in y, so that a corner between two sides counts once and a V-shaped tip twice or not at all.
        odd ^= ((y >= ay) != (y >= by)) & (x < at)
