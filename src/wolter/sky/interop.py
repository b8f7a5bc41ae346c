"""Exchange with the astropy-affiliated package *regions* (imported only when used)."""

from __future__ import annotations

from typing import Any

import numpy as np

from wolter.errors import RegionError
from wolter.sky.frames import is_celestial
from wolter.sky.regionset import RegionSet
from wolter.sky.shapes import Length, Shape

__all__ = ["from_regions", "to_regions"]

_FRAMES = {"fk5": "fk5", "icrs": "icrs", "fk4": "fk4", "galactic": "galactic", "ecliptic": "barycentricmeanecliptic"}


def _angle(length: Length) -> Any:
    from astropy import units as u

    if not length.angular:
        raise RegionError(f"size {length} is in pixels, the position on the sky", cure="Place it with to_pixel().")
    return length.deg * u.Unit("deg")


def _to_region(shape: Shape) -> Any:
    """One region of the package *regions*; pixel positions become 0-based."""
    import regions
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    sky = is_celestial(shape.frame)
    lon, lat = np.array(shape.points, float).reshape(-1, 2).T
    if sky:
        points = SkyCoord(lon, lat, unit="deg", frame=_FRAMES[shape.frame])
        size = _angle
    else:
        points = regions.PixCoord(lon - 1.0, lat - 1.0)

        def size(length: Length) -> Any:
            if length.angular:
                raise RegionError(f"size {length} is an angle, the position pixels", cure="Give both in one system.")
            return length.value

    suffix = "SkyRegion" if sky else "PixelRegion"
    make = {
        "circle": "Circle",
        "annulus": "CircleAnnulus",
        "ellipse": "Ellipse",
        "elliptannulus": "EllipseAnnulus",
        "box": "Rectangle",
        "boxannulus": "RectangleAnnulus",
        "polygon": "Polygon",
        "point": "Point",
        "line": "Line",
    }
    if shape.kind not in make:
        raise RegionError(f"the package regions has no {shape.kind}", cure="Write a DS9 file instead.")
    cls = getattr(regions, make[shape.kind] + suffix)
    meta: dict[str, Any] = {"include": shape.include}
    meta.update({k: v.strip("{}\"'") for k, v in shape.properties if k == "text"})
    visual = {k: v for k, v in shape.properties if k == "color"}
    extra = {"meta": regions.RegionMeta(meta), "visual": regions.RegionVisual(visual)}
    sizes = [size(s) for s in shape.sizes]
    first = points[0]
    turn = {"angle": shape.angles[-1] * u.Unit("deg")} if shape.angles else {}
    if shape.kind in ("ellipse", "box", "elliptannulus", "boxannulus"):
        if len(set(shape.angles)) > 1:
            raise RegionError("the package regions has one angle per ring", cure="Write a DS9 file instead.")
        if shape.kind == "ellipse":
            sizes = [2 * s for s in sizes]
        if shape.kind == "elliptannulus":
            sizes = [2 * s for s in sizes]
        if shape.kind in ("elliptannulus", "boxannulus"):
            # regions orders them inner width, outer width, inner height, outer height.
            sizes = [sizes[0], sizes[-2], sizes[1], sizes[-1]]
        return cls(first, *sizes, **turn, **extra)
    if shape.kind == "annulus":
        return cls(first, sizes[0], sizes[-1], **extra)
    if shape.kind == "polygon":
        return cls(points, **extra)
    if shape.kind == "line":
        return cls(points[0], points[1], **extra)
    return cls(first, *sizes, **extra)


def to_regions(region: RegionSet) -> Any:
    """`regions.Regions` of the shapes in order; exclusions carry ``meta["include"] = False``.

    Raises
    ------
    RegionError
        For shapes or logic that the package cannot express.
    """
    import regions

    if region.logic is not None:
        raise RegionError("a combination of shapes is not a list of regions", cure="Convert its shapes one by one.")
    return regions.Regions([_to_region(s) for s in region.shapes])


def _points(coordinates: Any) -> tuple[str, tuple[tuple[float, float], ...]]:
    """Frame and positions of a SkyCoord or PixCoord."""
    if hasattr(coordinates, "icrs"):
        names = {v: k for k, v in _FRAMES.items()}
        if coordinates.frame.name not in names:
            coordinates = coordinates.icrs
        frame = names[coordinates.frame.name]
        lon, lat = np.ravel(coordinates.spherical.lon.deg), np.ravel(coordinates.spherical.lat.deg)
    else:
        frame = "image"
        lon, lat = np.ravel(coordinates.x) + 1.0, np.ravel(coordinates.y) + 1.0
    return frame, tuple((float(a), float(b)) for a, b in zip(lon, lat, strict=True))


def _from_region(item: Any) -> Shape:
    name = type(item).__name__.removesuffix("SkyRegion").removesuffix("PixelRegion")
    sky = type(item).__name__.endswith("SkyRegion")

    def length(value: Any, factor: float = 1.0) -> Length:
        return Length(float(value.to_value("deg")) * factor, "d") if sky else Length(float(value) * factor)

    include = item.meta.get("include", True) not in (False, "-", 0)
    properties = tuple(
        (k, f"{{{v}}}" if k == "text" else str(v))
        for k, v in (*item.meta.items(), *item.visual.items())
        if k in ("text", "color")
    )
    sizes: list[Length] = []
    if name == "Polygon":
        frame, points = _points(item.vertices)
    elif name == "Line":
        frame, first = _points(item.start)
        points = (*first, *_points(item.end)[1])
    elif hasattr(item, "center"):
        frame, points = _points(item.center)
    else:
        raise RegionError(f"{type(item).__name__} of the package regions is not supported")
    kinds = {
        "Circle": ("circle", [("radius", 1.0)]),
        "CircleAnnulus": ("annulus", [("inner_radius", 1.0), ("outer_radius", 1.0)]),
        "Ellipse": ("ellipse", [("width", 0.5), ("height", 0.5)]),
        "EllipseAnnulus": (
            "elliptannulus",
            [("inner_width", 0.5), ("inner_height", 0.5), ("outer_width", 0.5), ("outer_height", 0.5)],
        ),
        "Rectangle": ("box", [("width", 1.0), ("height", 1.0)]),
        "RectangleAnnulus": (
            "boxannulus",
            [("inner_width", 1.0), ("inner_height", 1.0), ("outer_width", 1.0), ("outer_height", 1.0)],
        ),
        "Polygon": ("polygon", []),
        "Point": ("point", []),
        "Line": ("line", []),
    }
    if name not in kinds:
        raise RegionError(f"{type(item).__name__} of the package regions is not supported")
    kind, attributes = kinds[name]
    sizes = [length(getattr(item, attribute), factor) for attribute, factor in attributes]
    angles: tuple[float, ...] = ()
    if hasattr(item, "angle"):
        angle = float(item.angle.to_value("deg"))
        angles = (angle, angle) if kind.endswith("annulus") else (angle,)
    return Shape(kind, frame, points, tuple(sizes), angles, (), include, properties)


def from_regions(regions: Any) -> RegionSet:
    """Region from one region or a list of regions of the package *regions* (0-based pixels become 1-based).

    Raises
    ------
    RegionError
        For shapes that are not supported.
    """
    # Regions can be indexed but does not declare itself iterable.
    single = hasattr(regions, "meta") or not hasattr(regions, "__getitem__")
    items = [regions] if single else list(regions)
    if not items or not all(hasattr(i, "meta") for i in items):
        raise RegionError(
            f"{regions!r} is no region",
            cure="Give a file, region text, a RegionSet, or regions of the package regions.",
        )
    return RegionSet(tuple(_from_region(i) for i in items))
