"""Masks of an image: the source, the background around it, and what must not be counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wolter.data import ImageGrid
from wolter.errors import DataError
from wolter.sky import RegionSet, separation
from wolter.sources.matching import DetectedSource

__all__ = [
    "BACKGROUND_FACTORS",
    "Stamp",
    "Stamps",
    "circular_mask",
    "interloper_mask",
    "pixel_annulus",
    "region_mask",
    "source_and_background",
    "stamp",
    "take_out",
]

# Inner and outer radius of the background annulus, in radii of the source (XGA's defaults).
BACKGROUND_FACTORS = (1.05, 1.5)


def region_mask(grid: ImageGrid, region: RegionSet) -> NDArray[np.bool_]:
    """Pixels of an image whose centre lies in a region.

    Parameters
    ----------
    grid : ImageGrid
        Pixels of the image.
    region : RegionSet
        Region on the sky or in image coordinates.

    Returns
    -------
    mask : bool[ny, nx]
    """
    return region.to_pixel(grid.sky).mask(grid.nx, grid.ny)


def circular_mask(grid: ImageGrid, ra: float, dec: float, outer: float, inner: float = 0.0) -> NDArray[np.bool_]:
    """Pixels whose centre lies between two angular distances of a position.

    Parameters
    ----------
    grid : ImageGrid
        Pixels of the image.
    ra, dec : float
        Centre, deg, in the frame of the image (ICRS and FK5 J2000 are taken as one, 20 mas apart).
    outer, inner : float
        Distances, deg: ``inner <= distance < outer``.

    Raises
    ------
    DataError
        If they are not ``0 <= inner < outer``.
    """
    if not 0.0 <= inner < outer:
        raise DataError(f"an annulus from {inner:g} to {outer:g} deg is empty", cure="Give 0 <= inner < outer.")
    wcs = grid.sky
    x0, y0 = wcs.sky_to_pixel(ra, dec)
    out = np.zeros(grid.shape, bool)
    if not (math.isfinite(x0) and math.isfinite(y0)):
        return out
    # Tangent-plane distances are at most 1/cos(r)^2 longer than the angles; the window has room for that.
    reach = outer / wcs.pixel_scale_deg * 1.05 + 2.0
    columns = np.arange(max(1, math.floor(x0 - reach)), min(grid.nx, math.ceil(x0 + reach)) + 1)
    rows = np.arange(max(1, math.floor(y0 - reach)), min(grid.ny, math.ceil(y0 + reach)) + 1)
    if columns.size == 0 or rows.size == 0:
        return out
    lon, lat = wcs.pixel_to_sky(*np.meshgrid(columns.astype(float), rows.astype(float)))
    distance = separation(lon, lat, ra, dec)
    out[rows[0] - 1 : rows[-1], columns[0] - 1 : columns[-1]] = (distance >= inner) & (distance < outer)
    return out


def source_and_background(
    grid: ImageGrid, ra: float, dec: float, radius: float, factors: tuple[float, float] = BACKGROUND_FACTORS
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Circle of a radius, and the annulus of background around it.

    Parameters
    ----------
    grid, ra, dec
        As for `circular_mask`.
    radius : float
        Of the source, deg.
    factors : pair of float
        Inner and outer radius of the annulus, in units of `radius`.
    """
    return (
        circular_mask(grid, ra, dec, radius),
        circular_mask(grid, ra, dec, factors[1] * radius, factors[0] * radius),
    )


def interloper_mask(grid: ImageGrid, interlopers: Sequence[DetectedSource]) -> NDArray[np.bool_]:
    """True where no other source is in the way.

    Detections of any observation can be taken out of any image: they are placed through the sky.
    """
    keep = np.ones(grid.shape, bool)
    for source in interlopers:
        take_out(keep, stamp(grid, source))
    return keep


@dataclass(frozen=True)
class Stamp:
    """Pixels of one detection in an image: the smallest part of it that holds them.

    Attributes
    ----------
    row, column : int
        Of its first pixel, from 0.
    data : bool[rows, columns]
    """

    row: int
    column: int
    data: NDArray[np.bool_]


def stamp(grid: ImageGrid, source: DetectedSource) -> Stamp:
    """Pixels of a detection; all sources of a field share them."""
    placed = source.region.to_pixel(source.wcs) if not source.shape.celestial else None
    if placed is None or grid.difference(ImageGrid(grid.first, grid.shape, grid.binning, source.wcs)) is None:
        mask = region_mask(grid, source.region)
    else:
        mask = _through_the_sky(grid, source)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return Stamp(0, 0, np.zeros((0, 0), bool))
    part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Stamp(int(rows[0]), int(columns[0]), part.copy())


class Stamps(dict[DetectedSource, Stamp]):
    """Pixels of detections in one image, made when asked for."""

    def __init__(self, grid: ImageGrid) -> None:
        super().__init__()
        self.grid = grid

    def __missing__(self, source: DetectedSource) -> Stamp:
        made = self[source] = stamp(self.grid, source)
        return made


def take_out(keep: NDArray[np.bool_], stamp: Stamp, first: tuple[int, int] = (0, 0)) -> None:
    """Set the pixels of a detection to False, in an array whose first pixel is (row, column) of the image."""
    row, column = stamp.row - first[0], stamp.column - first[1]
    high, wide = stamp.data.shape
    top, left = max(row, 0), max(column, 0)
    bottom, right = min(row + high, keep.shape[0]), min(column + wide, keep.shape[1])
    if top < bottom and left < right:
        keep[top:bottom, left:right] &= ~stamp.data[top - row : bottom - row, left - column : right - column]


def _through_the_sky(grid: ImageGrid, source: DetectedSource) -> NDArray[np.bool_]:
    """Pixels of a grid that fall into a region given in the pixels of another image."""
    placed = source.region.to_pixel(source.wcs)
    low_x, high_x, low_y, high_y = placed.bounding_box()
    out = np.zeros(grid.shape, bool)
    corners = source.wcs.pixel_to_sky(
        np.array([low_x, low_x, high_x, high_x]), np.array([low_y, high_y, low_y, high_y])
    )
    x, y = grid.sky.sky_to_pixel(*corners, frame=source.wcs.frame)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return out
    columns = np.arange(max(1, math.floor(x.min()) - 1), min(grid.nx, math.ceil(x.max()) + 1) + 1)
    rows = np.arange(max(1, math.floor(y.min()) - 1), min(grid.ny, math.ceil(y.max()) + 1) + 1)
    if columns.size == 0 or rows.size == 0:
        return out
    sky = grid.sky.pixel_to_sky(*np.meshgrid(columns.astype(float), rows.astype(float)))
    u, v = source.wcs.sky_to_pixel(*sky, frame=grid.sky.frame)
    out[rows[0] - 1 : rows[-1], columns[0] - 1 : columns[-1]] = placed.contains(u, v)
    return out


def pixel_annulus(shape: tuple[int, int], x: float, y: float, outer: float, inner: float = 0.0) -> NDArray[np.bool_]:
    """Pixels between two distances of a pixel position, ``inner**2 <= r**2 < outer**2``, all in pixels counted from 0.

    Parameters
    ----------
    shape : (ny, nx)
    x, y : float
        Centre.
    outer, inner : float
        Distances.
    """
    rows = np.arange(shape[0], dtype=float)[:, None] - y
    columns = np.arange(shape[1], dtype=float)[None, :] - x
    square = rows**2 + columns**2
    return (square >= inner**2) & (square < outer**2)
