"""Shapes of any frame turned into pixel shapes, as cfitsio turns them."""

from __future__ import annotations

import math

import numpy as np

from wolter.errors import RegionError
from wolter.sky import geometry as g
from wolter.sky.frames import convert, north_angle
from wolter.sky.shapes import Length, Shape
from wolter.sky.wcs import TanWCS

__all__ = ["place"]

_Point = tuple[float, float]


class _Placer:
    """Positions, sizes and angles of one shape in pixels."""

    def __init__(self, shape: Shape, wcs: TanWCS | None, own: TanWCS | None, text: str) -> None:
        self.shape = shape
        self.text = text
        self.wcs = wcs if wcs is not None else TanWCS(why_not="no WCS was given")
        # A pixel shape that brought its own celestial system moves through the sky if the systems differ.
        moved = own is not None and own.celestial and self.wcs.celestial and not _same_system(own, self.wcs)
        self.own = own if moved and not shape.celestial and shape.frame != "detector" else None
        if shape.celestial:
            self.wcs.require_celestial(text)

    def fail(self, cause: str) -> RegionError:
        return RegionError(f"{self.text}: {cause}", cure="Check the position and that the file is the right one.")

    # A direction in the frame of the pixel system for every position: the anchor of sizes.
    def sky(self, point: _Point) -> _Point:
        if self.shape.celestial:
            return convert(*point, self.shape.frame, self.wcs.frame)
        if self.own is not None:
            return self.own.pixel_to_sky(*point, self.wcs.frame)
        self.wcs.require_celestial(f"{self.text}, whose size is an angle,")
        return self.wcs.pixel_to_sky(*self.pixel(point))

    def pixel(self, point: _Point) -> _Point:
        if self.shape.celestial or self.own is not None:
            return self._project(*self.sky(point))
        if self.shape.frame == "physical":
            return self.wcs.physical_to_image(*point)
        return point

    def _project(self, lon: float, lat: float) -> _Point:
        x, y = self.wcs.sky_to_pixel(lon, lat)
        if not (math.isfinite(x) and math.isfinite(y)):
            raise self.fail(
                f"({lon:.5f}, {lat:+.5f}) deg is more than 90 deg away from the field at "
                f"({self.wcs.crval[0]:.5f}, {self.wcs.crval[1]:+.5f}) deg"
            )
        return x, y

    def size(self, length: Length, anchor: _Point) -> float:
        if length.angular:
            degrees = length.deg
        elif self.own is not None and length.unit != "i":
            return self._moved_size(length.value, anchor)
        else:
            return self._pixel_size(length)
        if degrees == 0.0:
            return 0.0
        lon, lat = self.sky(anchor)
        x0, y0 = self.pixel(anchor)
        x1, y1 = self._project(lon, lat + degrees if lat < 0.0 else lat - degrees)
        return math.sqrt((x1 - x0) ** 2 + (y1 - y0) ** 2)

    def _pixel_size(self, length: Length) -> float:
        physical = length.unit == "p" or (not length.unit and self.shape.frame == "physical")
        if not physical:
            return length.value
        m1, m2 = (abs(m) for m in self.wcs.physical[2:])
        if not math.isclose(m1, m2, rel_tol=1e-9):
            raise self.fail("its size is in physical pixels, which are not square in this image")
        return length.value * m1

    def _moved_size(self, value: float, anchor: _Point) -> float:
        assert self.own is not None
        x0, y0 = self.pixel(anchor)
        x1, y1 = self._project(*self.own.pixel_to_sky(anchor[0], anchor[1] + value, self.wcs.frame))
        return math.sqrt((x1 - x0) ** 2 + (y1 - y0) ** 2)

    @property
    def mirrored(self) -> bool:
        """Whether a counterclockwise turn on the sky (west to north) is clockwise in pixels."""
        if self.shape.celestial:
            return _mirrored(self.wcs)
        return self.own is not None and _mirrored(self.own) != _mirrored(self.wcs)

    def angle(self, degrees: float, anchor: _Point) -> float:
        """Angle from +x of a direction given in the shape's frame."""
        if self.shape.celestial:
            turned = degrees + north_angle(*anchor, self.shape.frame, self.wcs.frame)
            return _pixel_angle(self.wcs, turned)
        if self.own is not None:
            return _pixel_angle(self.wcs, _sky_angle(self.own, degrees))
        return degrees


def _same_system(a: TanWCS, b: TanWCS) -> bool:
    numbers = [(*w.crpix, *w.crval, *w.cd[0], *w.cd[1]) for w in (a, b)]
    scales = [1.0, 1.0, 1.0, 1.0, a.pixel_scale_deg, a.pixel_scale_deg, a.pixel_scale_deg, a.pixel_scale_deg]
    close = all(abs(p - q) <= 1e-6 * s for p, q, s in zip(*numbers, scales, strict=True))
    return close and a.projection == b.projection and a.frame == b.frame


def _mirrored(wcs: TanWCS) -> bool:
    (a, b), (c, d) = wcs.cd
    return a * d - b * c > 0.0


def _pixel_angle(wcs: TanWCS, degrees: float) -> float:
    """Pixel angle of the direction that is `degrees` from west towards north.

    For a plain rotated system with west to the right it is the angle plus CROTA2, which is cfitsio's rule; the
    inverse of the CD matrix covers mirrored systems, where cfitsio's rule would be wrong.
    """
    (a, b), (c, d) = wcs.cd
    sx, sy = math.hypot(a, c), math.hypot(b, d)
    straight = b == 0.0 and c == 0.0 and a < 0.0 < d
    if straight:
        return degrees
    theta = math.radians(degrees)
    xi, eta = -math.cos(theta), math.sin(theta)
    det = a * d - b * c
    x, y = (d * xi - b * eta) / det * sx, (a * eta - c * xi) / det * sy
    angle = math.degrees(math.atan2(y, x))
    # Whole turns are kept so that a span of 360 deg stays one.
    return _nearest_turn(angle, -degrees if _mirrored(wcs) else degrees)


def _sky_angle(wcs: TanWCS, degrees: float) -> float:
    """Angle from west towards north of a pixel direction: the inverse of `_pixel_angle`."""
    (a, b), (c, d) = wcs.cd
    sx, sy = math.hypot(a, c), math.hypot(b, d)
    theta = math.radians(degrees)
    x, y = math.cos(theta) / sx, math.sin(theta) / sy
    xi, eta = a * x + b * y, c * x + d * y
    return _nearest_turn(math.degrees(math.atan2(eta, -xi)), -degrees if _mirrored(wcs) else degrees)


def _nearest_turn(angle: float, near: float) -> float:
    return angle + 360.0 * round((near - angle) / 360.0)


def place(shape: Shape, wcs: TanWCS | None, own: TanWCS | None = None, *, text: str = "") -> g.PixelShape:
    """Pixel shape of a shape.

    Parameters
    ----------
    shape : Shape
        Any kind; its sign does not matter.
    wcs : TanWCS or None
        System of the pixels.
    own : TanWCS, optional
        System in which a pixel shape was defined, if it is another one.
    text : str
        How to call the shape in messages.
    """
    p = _Placer(shape, wcs, own, text or str(shape))
    kind = shape.kind
    if kind == "field":
        return g.Field()
    points = [p.pixel(q) for q in shape.points]
    anchor = shape.points[0]
    sizes = [p.size(s, anchor) for s in shape.sizes]
    x, y = points[0]
    if kind == "polygon":
        return g.Polygon(np.array([q[0] for q in points]), np.array([q[1] for q in points]))
    if kind == "circle":
        return g.Circle(x, y, sizes[0])
    if kind == "annulus":
        return g.Annulus(x, y, sizes[0], sizes[-1])
    if kind == "point":
        return g.Point(x, y)
    if kind == "line":
        return g.Line(x, y, *points[1])
    angles = [p.angle(a, anchor) for a in shape.angles]
    if kind == "rectangle":
        return g.rectangle(x, y, *points[1], angles[0])
    if kind in ("ellipse", "box", "diamond"):
        make = {"ellipse": g.Ellipse, "box": g.Box, "diamond": g.Diamond}[kind]
        return make(x, y, sizes[0], sizes[1], angles[0])
    if kind in ("elliptannulus", "boxannulus"):
        return _ring(kind, x, y, sizes, angles[0], angles[1])
    if kind in ("epanda", "bpanda"):
        # Their start and stop angles are counted from the axis of the ring.
        start, stop = shape.angles[:2]
        angles[:2] = [-start, -stop] if p.mirrored else [start, stop]
    if p.mirrored:
        angles[0], angles[1] = angles[1], angles[0]
    return _wedge(kind, x, y, sizes, angles)


def _ring(kind: str, x: float, y: float, sizes: list[float], inner: float, outer: float) -> g.PixelShape:
    if sizes[0] == 0.0 or sizes[1] == 0.0:
        make = g.Ellipse if kind == "elliptannulus" else g.Box
        return make(x, y, sizes[-2], sizes[-1], outer)
    a, b, c, d = *sizes[:2], *sizes[-2:]
    if kind == "elliptannulus":
        return g.EllipticalAnnulus(g.Ellipse(x, y, a, b, inner), g.Ellipse(x, y, c, d, outer))
    return g.BoxAnnulus(g.Box(x, y, a, b, inner), g.Box(x, y, c, d, outer))


def _wedge(kind: str, x: float, y: float, sizes: list[float], angles: list[float]) -> g.PixelShape:
    sector = g.Sector(x, y, *angles)
    if kind == "sector":
        return sector
    if kind == "panda":
        return g.Wedge(g.Annulus(x, y, sizes[0], sizes[1]), sector)
    ring = "elliptannulus" if kind == "epanda" else "boxannulus"
    return g.Wedge(_ring(ring, x, y, sizes, angles[2], angles[2]), sector)
