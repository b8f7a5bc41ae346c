"""Shapes as users write them: a kind, a coordinate frame, positions, sizes and angles with their units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from wolter.errors import RegionError
from wolter.sky.frames import is_celestial

__all__ = ["ARCSEC_PER", "Length", "Shape", "format_number"]

# Degrees in one unit of the angular suffixes; pixel sizes have the suffix "" (pixels of the shape's frame), p or i.
DEGREES_PER = {'"': 1.0 / 3600.0, "'": 1.0 / 60.0, "d": 1.0, "r": 180.0 / math.pi}
ARCSEC_PER = {unit: 3600.0 * value for unit, value in DEGREES_PER.items()}

# Kind: (number of positions, number of sizes, number of angles, what it takes); None means "any number".
KINDS: dict[str, tuple[int | None, int | None, int, str]] = {
    "circle": (1, 1, 0, "circle(x, y, radius)"),
    "annulus": (1, None, 0, "annulus(x, y, inner radius, outer radius[, ...])"),
    "ellipse": (1, 2, 1, "ellipse(x, y, semi-axis 1, semi-axis 2[, angle])"),
    "elliptannulus": (1, None, 2, "ellipse(x, y, a1, b1, a2, b2[, ...], angle)"),
    "box": (1, 2, 1, "box(x, y, width, height[, angle])"),
    "boxannulus": (1, None, 2, "box(x, y, w1, h1, w2, h2[, ...], angle)"),
    "rectangle": (2, 0, 1, "rectangle(x1, y1, x2, y2[, angle])"),
    "diamond": (1, 2, 1, "diamond(x, y, width, height[, angle])"),
    "sector": (1, 0, 2, "sector(x, y, start angle, stop angle)"),
    "panda": (1, 2, 2, "panda(x, y, start, stop, number, inner, outer, number)"),
    "epanda": (1, 4, 3, "epanda(x, y, start, stop, number, a1, b1, a2, b2, number[, angle])"),
    "bpanda": (1, 4, 3, "bpanda(x, y, start, stop, number, w1, h1, w2, h2, number[, angle])"),
    "polygon": (None, 0, 0, "polygon(x1, y1, x2, y2, x3, y3[, ...])"),
    "point": (1, 0, 0, "point(x, y)"),
    "line": (2, 0, 0, "line(x1, y1, x2, y2)"),
    "field": (0, 0, 0, "field()"),
}
_CONCENTRIC = {"annulus": 1, "elliptannulus": 2, "boxannulus": 2, "panda": 1, "epanda": 2, "bpanda": 2}


def format_number(value: float) -> str:
    """Shortest decimal text that reads back as the same float."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return repr(float(value))


@dataclass(frozen=True)
class Length:
    """A size: a number and the suffix of its unit (``"`` ``'`` ``d`` ``r`` ``p`` ``i``, or "" for pixels)."""

    value: float
    unit: str = ""

    @property
    def angular(self) -> bool:
        """Whether this is an angle on the sky."""
        return self.unit in DEGREES_PER

    @property
    def deg(self) -> float:
        """Size in degrees (only for angular sizes)."""
        return self.value / 3600.0 if self.unit == '"' else self.value * DEGREES_PER[self.unit]

    def __str__(self) -> str:
        return format_number(self.value) + self.unit


@dataclass(frozen=True)
class Shape:
    """One shape of a region.

    Attributes
    ----------
    kind : str
        circle, annulus, ellipse, elliptannulus, box, boxannulus, rectangle, diamond, sector, panda, epanda, bpanda,
        polygon, point, line or field.
    frame : str
        fk5, icrs, fk4, galactic, ecliptic (positions in degrees) or physical, image, detector (pixels).
    points : tuple of (float, float)
        Centre, corners or vertices.
    sizes : tuple of Length
        Radii (semi-axes), or full widths and heights for boxes and diamonds.
    angles : tuple of float
        Degrees counterclockwise from +x (for celestial frames: from west towards north).
    counts : tuple of int
        DS9's numbers of subdivisions (``n=``, panda); they do not change what is inside.
    include : bool
        False for an exclusion.
    properties : tuple of (str, str)
        DS9 properties such as ``("color", "red")``, ``("text", "{core}")``.
    line : int
        Line of the text it came from, or 0.
    """

    kind: str
    frame: str
    points: tuple[tuple[float, float], ...] = ()
    sizes: tuple[Length, ...] = ()
    angles: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    include: bool = True
    properties: tuple[tuple[str, str], ...] = ()
    line: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise RegionError(
                f"{self.kind}: {problem}", cure=f"Write {KINDS[self.kind][3]}." if self.kind in KINDS else None
            )

    @property
    def celestial(self) -> bool:
        """Whether positions are on the sky."""
        return is_celestial(self.frame)

    @cached_property
    def geometry(self) -> Shape:
        """The geometry alone: included, without properties, subdivisions and line number."""
        return replace(self, include=True, properties=(), counts=(), line=0)

    def negated(self) -> Shape:
        """The same shape with the opposite sign."""
        return replace(self, include=not self.include)

    def __str__(self) -> str:
        from wolter.sky.ds9 import shape_text

        return ("" if self.include else "-") + shape_text(self)


def _problem(shape: Shape) -> str:
    """What is wrong with a shape's numbers, or an empty string."""
    if shape.kind not in KINDS:
        return f"unknown shape {shape.kind!r}"
    n_points, n_sizes, n_angles, _ = KINDS[shape.kind]
    if n_points is not None and len(shape.points) != n_points:
        return f"takes {n_points} position(s), got {len(shape.points)}"
    if n_sizes is not None and len(shape.sizes) != n_sizes:
        return f"takes {n_sizes} size(s), got {len(shape.sizes)}"
    if len(shape.angles) != n_angles:
        return f"takes {n_angles} angle(s), got {len(shape.angles)}"
    if shape.kind == "polygon" and len(shape.points) < 3:
        return f"needs at least three corners, got {len(shape.points)}"
    for value in (*(v for p in shape.points for v in p), *(s.value for s in shape.sizes), *shape.angles):
        if not math.isfinite(value):
            return f"contains {value}, which is not a finite number"
    if shape.celestial:
        for lon, lat in shape.points:
            if not -90.0 <= lat <= 90.0:
                return f"latitude {lat:g} deg is not between -90 and 90"
            if not -360.0 <= lon <= 360.0:
                return f"longitude {lon:g} deg is not between -360 and 360"
    for size in shape.sizes:
        if size.angular and size.deg >= 90.0:
            return f"size {size} is {size.deg:g} deg; sizes must be below 90 deg"
    return _size_problem(shape) or _angle_problem(shape)


def _size_problem(shape: Shape) -> str:
    rings = _CONCENTRIC.get(shape.kind)
    if rings is None:
        bad = [s for s in shape.sizes if not s.value > 0.0]
        return f"size {bad[0]} is not positive" if bad else ""
    if len(shape.sizes) < 2 * rings or len(shape.sizes) % rings:
        return f"takes at least {2 * rings} sizes, got {len(shape.sizes)}"
    for k, size in enumerate(shape.sizes):
        if size.value < 0.0 or (k >= rings and size.value == 0.0):
            return f"size {size} is not positive"
    for k in range(rings, len(shape.sizes)):
        inner, outer = shape.sizes[k - rings], shape.sizes[k]
        if inner.angular != outer.angular:
            return f"sizes {inner} and {outer} have units of different kinds"
        a, b = (inner.deg, outer.deg) if inner.angular else (inner.value, outer.value)
        if a >= b:
            return f"the inner size {inner} is not smaller than the outer size {outer}"
    return ""


def _angle_problem(shape: Shape) -> str:
    if shape.kind in ("sector", "panda", "epanda", "bpanda") and shape.angles[0] == shape.angles[1]:
        return f"start and stop angle are both {shape.angles[0]:g} deg, which selects nothing"
    return ""


def sizes_of(values: Sequence[float], unit: str) -> tuple[Length, ...]:
    """Lengths of one unit."""
    return tuple(Length(float(v), unit) for v in values)
