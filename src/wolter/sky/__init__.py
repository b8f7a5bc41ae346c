"""Regions and world coordinates.

Region text of DS9, cfitsio, CIAO and SAS and FITS region extensions become a `RegionSet`; placed on the pixel plane
of an event list or image with a `TanWCS` it becomes a `PixelRegion`, which tells events inside from events outside
by cfitsio's rules and counts pixels as the extractor does.
"""

from __future__ import annotations

from wolter.sky.angles import separation
from wolter.sky.build import (
    annulus,
    as_region,
    box,
    circle,
    ellipse,
    panda,
    parse_position,
    parse_regions,
    polygon,
    read_regions,
)
from wolter.sky.interop import from_regions
from wolter.sky.pixel import PixelRegion
from wolter.sky.regionset import RegionSet
from wolter.sky.shapes import Length, Shape
from wolter.sky.wcs import TanWCS

__all__ = [
    "Length",
    "PixelRegion",
    "RegionSet",
    "Shape",
    "TanWCS",
    "annulus",
    "as_region",
    "box",
    "circle",
    "ellipse",
    "from_regions",
    "panda",
    "parse_position",
    "parse_regions",
    "polygon",
    "read_regions",
    "separation",
]
