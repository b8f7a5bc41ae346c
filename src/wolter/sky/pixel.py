"""Regions in pixels: event masks, areas and image masks of a union of components.

A component is an intersection of included and excluded shapes; a region is the union of its components. That is the
structure of the FITS region extension, and the one into which cfitsio turns a list of shapes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wolter.errors import RegionError
from wolter.sky.geometry import Extent, Field, PixelShape

if TYPE_CHECKING:
    from wolter.fits import TableHDU
    from wolter.sky.wcs import TanWCS

__all__ = ["Bounds", "Component", "PixelRegion"]

Bounds = tuple[float, float, float, float]
_CHUNK = 1 << 15  # pixels at a time: larger arrays are fetched anew from the system each time
_TILES = (256, 64, 16)


@dataclass(frozen=True)
class Component:
    """Intersection of shapes; without an included shape it is the whole plane minus the excluded ones."""

    include: tuple[PixelShape, ...]
    exclude: tuple[PixelShape, ...] = ()

    @property
    def extent(self) -> Extent:
        """Rectangle common to the extents of the included shapes (xmin, xmax, ymin, ymax); may be reversed."""
        boxes = [s.extent for s in self.include] or [Field().extent]
        lows = (max(b[0] for b in boxes), max(b[2] for b in boxes))
        highs = (min(b[1] for b in boxes), min(b[3] for b in boxes))
        return lows[0], highs[0], lows[1], highs[1]

    @cached_property
    def cuts(self) -> tuple[PixelShape, ...]:
        """The excluded shapes that can reach the included ones."""
        a = self.extent
        boxes = [s.extent for s in self.exclude]
        near = [b[0] <= a[1] and b[1] >= a[0] and b[2] <= a[3] and b[3] >= a[2] for b in boxes]
        return tuple(s for s, keep in zip(self.exclude, near, strict=True) if keep)


def _limits(low: float, high: float, dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """An interval, slightly widened, as scalars of an array's own type so that comparing does not promote it."""
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        clip = lambda v: min(max(v, info.min), info.max)  # noqa: E731
        lo = info.min if math.isinf(low) else clip(math.floor(low))
        hi = info.max if math.isinf(high) else clip(math.ceil(high))
        if high < info.min or low > info.max:
            return info.max, info.min
        return lo, hi
    margin = 1e-6 + 4 * float(np.finfo(dtype).eps) * max(1.0, *(abs(v) for v in (low, high) if math.isfinite(v)), 1.0)
    return dtype.type(low - margin), dtype.type(high + margin)


def _rows_within(x: NDArray[Any], y: NDArray[Any], extent: Extent) -> NDArray[np.intp] | None:
    """Indices of the points that may lie in a rectangle (None: all)."""
    mask: NDArray[np.bool_] | None = None
    for values, low, high in ((x, extent[0], extent[1]), (y, extent[2], extent[3])):
        lo, hi = _limits(low, high, values.dtype)
        for limit, test in ((low, np.greater_equal), (high, np.less_equal)):
            if math.isinf(limit):
                continue
            part = test(values, lo if test is np.greater_equal else hi)
            mask = part if mask is None else np.logical_and(mask, part, out=mask)
    return None if mask is None else np.flatnonzero(mask)


@dataclass(frozen=True)
class PixelRegion:
    """A region placed on a pixel plane.

    Attributes
    ----------
    components : tuple of Component
        Their union is the region.
    bounds : tuple, optional
        First and last pixel of the plane: (xmin, xmax, ymin, ymax), e.g. TLMIN and TLMAX of X and Y.
    columns : pair of str
        Names of the coordinates.
    name : str
        How the user wrote it, for messages.
    wcs : TanWCS, optional
        The system it was placed with.
    """

    components: tuple[Component, ...]
    bounds: Bounds | None = None
    columns: tuple[str, str] = ("X", "Y")
    name: str = "region"
    wcs: TanWCS | None = field(default=None, compare=False, repr=False)

    # ---------------------------------------------------------------- events

    def contains(self, x: Any, y: Any) -> NDArray[np.bool_]:
        """Which points lie in the region, edges included (cfitsio's rule).

        Parameters
        ----------
        x, y : array of the same shape
            Pixel coordinates, any real or integer type; NaN is outside.

        Returns
        -------
        inside : bool array of that shape
        """
        x, y = np.asarray(x), np.asarray(y)
        if x.shape != y.shape:
            x, y = np.broadcast_arrays(x, y)
        shape = x.shape
        x, y = x.reshape(-1), y.reshape(-1)
        if x.dtype.kind not in "iuf":
            x, y = x.astype(float), y.astype(float)
        out = np.zeros(x.size, bool)
        for start in range(0, x.size, _CHUNK):
            part = slice(start, start + _CHUNK)
            self._fill(x[part], y[part], out[part])
        return out.reshape(shape)

    def _fill(self, x: NDArray[Any], y: NDArray[Any], out: NDArray[np.bool_]) -> None:
        for number, component in enumerate(self.components):
            rows = _rows_within(x, y, component.extent)
            if rows is None:
                rows = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
            if number and rows.size:
                rows = rows[~out[rows]]
            if rows.size == 0:
                continue
            px, py = x[rows].astype(np.float64), y[rows].astype(np.float64)
            inside = np.ones(rows.size, bool)
            for shape in component.include:
                inside &= shape.contains(px, py)
            for shape in component.cuts:
                self._remove(shape, px, py, inside)
            out[rows[inside]] = True

    @staticmethod
    def _remove(shape: PixelShape, px: NDArray[Any], py: NDArray[Any], inside: NDArray[np.bool_]) -> None:
        near = _rows_within(px, py, shape.extent)
        if near is None:
            inside &= ~shape.contains(px, py)
        elif near.size:
            inside[near] &= ~shape.contains(px[near], py[near])

    # ---------------------------------------------------------------- pixels

    def bounding_box(self) -> Extent:
        """Rectangle around the region: (xmin, xmax, ymin, ymax), pixels; infinite for a region that is unbounded.

        With `bounds` the rectangle is cut to the plane.
        """
        boxes = [c.extent for c in self.components]
        boxes = [b for b in boxes if b[0] <= b[1] and b[2] <= b[3]]
        if not boxes:
            return math.inf, -math.inf, math.inf, -math.inf
        low_x, high_x = min(b[0] for b in boxes), max(b[1] for b in boxes)
        low_y, high_y = min(b[2] for b in boxes), max(b[3] for b in boxes)
        if self.bounds is not None:
            b = self.bounds
            low_x, high_x = max(low_x, b[0]), min(high_x, b[1])
            low_y, high_y = max(low_y, b[2]), min(high_y, b[3])
        return low_x, high_x, low_y, high_y

    def _pixel_window(self, bounds: Bounds | None) -> tuple[int, int, int, int]:
        """First and last whole pixel to look at: the bounding box cut to the plane."""
        region = PixelRegion(self.components, bounds if bounds is not None else self.bounds)
        box = region.bounding_box()
        if not (box[0] <= box[1] and box[2] <= box[3]):
            return 1, 0, 1, 0
        if not all(math.isfinite(v) for v in box):
            raise RegionError(
                f"{self.name} is not bounded, so its pixels cannot be counted without the size of the plane",
                cure="Give bounds=(xmin, xmax, ymin, ymax).",
            )
        pad = 1e-9
        return (
            math.ceil(box[0] - pad),
            math.floor(box[1] + pad),
            math.ceil(box[2] - pad),
            math.floor(box[3] + pad),
        )

    def area(self, bounds: Bounds | None = None) -> int:
        """Number of whole pixels whose centre lies in the region (the extractor's BACKSCAL numerator).

        Parameters
        ----------
        bounds : tuple, optional
            First and last pixel of the plane (xmin, xmax, ymin, ymax); by default those of the region.
        """
        window = self._pixel_window(bounds)
        x1, x2, y1, y2 = window
        if x1 > x2 or y1 > y2:
            return 0
        size = _TILES[0]
        gx, gy = np.meshgrid(np.arange(x1, x2 + 1, size), np.arange(y1, y2 + 1, size))
        tiles = np.stack([gx.ravel(), gy.ravel()]).astype(np.float64)
        total = 0
        for level, size in enumerate(_TILES):
            count, tiles = self._settle(tiles, size, window)
            total += count
            if tiles.shape[1] == 0:
                return total
            if level + 1 < len(_TILES):
                step = _TILES[level + 1]
                offsets = np.arange(0, size, step, dtype=np.float64)
                ox, oy = (o.ravel() for o in np.meshgrid(offsets, offsets))
                tiles = np.stack([(tiles[0][:, None] + ox).ravel(), (tiles[1][:, None] + oy).ravel()])
                tiles = tiles[:, (tiles[0] <= x2) & (tiles[1] <= y2)]
        return total + self._count_pixels(tiles, _TILES[-1], window)

    def _settle(self, tiles: NDArray[Any], size: int, window: tuple[int, int, int, int]) -> tuple[int, NDArray[Any]]:
        """Pixels in those square tiles that no boundary crosses, and the tiles that remain."""
        half = (size - 1) / 2
        cx, cy = tiles[0] + half, tiles[1] + half
        settled = np.ones(cx.size, bool)
        # Pixel centres of a tile lie within half a diagonal of its centre; the margin covers rounding.
        reach = half * math.sqrt(2.0) * (1 + 1e-9) + 1e-6 * size
        for shape in self._shapes():
            a, b, c, d = shape.extent
            near = _rows_within(cx, cy, (a - reach, b + reach, c - reach, d + reach))
            near = np.arange(cx.size) if near is None else near
            settled[near] &= shape.clearance(cx[near], cy[near]) > reach
        inside = settled & self.contains(cx, cy)
        width = np.minimum(tiles[0] + size - 1, window[1]) - tiles[0] + 1
        height = np.minimum(tiles[1] + size - 1, window[3]) - tiles[1] + 1
        return int(np.sum((width * height)[inside])), tiles[:, ~settled]

    def _count_pixels(self, tiles: NDArray[Any], size: int, window: tuple[int, int, int, int]) -> int:
        offsets = np.arange(size, dtype=np.float64)
        ox, oy = (o.ravel() for o in np.meshgrid(offsets, offsets))
        total = 0
        step = max(1, _CHUNK // (size * size))
        for start in range(0, tiles.shape[1], step):
            part = tiles[:, start : start + step]
            x, y = (part[0][:, None] + ox).ravel(), (part[1][:, None] + oy).ravel()
            keep = (x <= window[1]) & (y <= window[3])
            total += int(np.count_nonzero(self.contains(x[keep], y[keep])))
        return total

    def _shapes(self) -> Iterable[PixelShape]:
        seen: dict[PixelShape, None] = {}
        for component in self.components:
            for shape in (*component.include, *component.exclude):
                seen[shape] = None
        return seen

    def mask(
        self, nx: int, ny: int, *, x_first: float = 1, y_first: float = 1, binning: float = 1
    ) -> NDArray[np.bool_]:
        """Image mask: which pixel centres lie inside.

        Parameters
        ----------
        nx, ny : int
            Size of the image.
        x_first, y_first : float
            Coordinate of the first unbinned pixel.
        binning : float
            Unbinned pixels per image pixel.

        Returns
        -------
        mask : bool array [ny, nx]
            ``mask[j, i]`` belongs to the centre of image pixel (i + 1, j + 1).
        """
        half = (binning - 1) / 2
        x = x_first + half + binning * np.arange(nx, dtype=np.float64)
        y = y_first + half + binning * np.arange(ny, dtype=np.float64)
        out = np.zeros((ny, nx), bool)
        box = PixelRegion(self.components).bounding_box()
        i = np.flatnonzero((x >= box[0] - 1e-6) & (x <= box[1] + 1e-6))
        j = np.flatnonzero((y >= box[2] - 1e-6) & (y <= box[3] + 1e-6))
        if i.size == 0 or j.size == 0:
            return out
        columns = slice(i[0], i[-1] + 1)
        step = max(1, _CHUNK * 8 // i.size)
        for start in range(int(j[0]), int(j[-1]) + 1, step):
            rows = slice(start, min(start + step, int(j[-1]) + 1))
            out[rows, columns] = self.contains(x[columns][None, :], y[rows][:, None])
        return out

    def pixel_extent(self, bounds: Bounds | None = None) -> tuple[int, int, int, int] | None:
        """First and last column and row that hold a pixel of the region, or None if there is none.

        This is the frame of the extractor's WMAP, unless an event lies inside although its pixel's centre does not.
        """
        x1, x2, y1, y2 = self._pixel_window(bounds)
        if x1 > x2 or y1 > y2:
            return None
        columns = np.zeros(x2 - x1 + 1, bool)
        first = last = None
        x = np.arange(x1, x2 + 1, dtype=np.float64)[None, :]
        step = max(1, _CHUNK * 8 // x.size)
        for start in range(y1, y2 + 1, step):
            y = np.arange(start, min(start + step, y2 + 1), dtype=np.float64)[:, None]
            inside = self.contains(x, y)
            columns |= inside.any(axis=0)
            rows = np.flatnonzero(inside.any(axis=1))
            if rows.size:
                first = start + int(rows[0]) if first is None else first
                last = start + int(rows[-1])
        if first is None or last is None:
            return None
        i = np.flatnonzero(columns)
        return x1 + int(i[0]), x1 + int(i[-1]), first, last

    def extractor_box(self, bounds: Bounds | None = None) -> tuple[int, int, int, int] | None:
        """Bounding box as the extractor takes it for images, or None where it finds none (a bare sector).

        It is floor and ceiling of the extents that cfitsio assigns to the included shapes, cut to the plane;
        the whole plane if some component includes no shape.
        """
        bounds = bounds if bounds is not None else self.bounds
        boxes: list[Extent] = []
        for component in self.components:
            if not component.include:
                boxes.append(Field().extent)
            for shape in component.include:
                box = shape.loose_extent
                if box is None:
                    return None
                boxes.append(box)
        limits = bounds if bounds is not None else Field().extent
        low_x = max(min(b[0] for b in boxes), limits[0])
        high_x = min(max(b[1] for b in boxes), limits[1])
        low_y = max(min(b[2] for b in boxes), limits[2])
        high_y = min(max(b[3] for b in boxes), limits[3])
        if not all(math.isfinite(v) for v in (low_x, high_x, low_y, high_y)):
            return None
        return math.floor(low_x), math.ceil(high_x), math.floor(low_y), math.ceil(high_y)

    # ---------------------------------------------------------------- checks

    def check(self, bounds: Bounds | None = None) -> int:
        """Number of pixels of the region on the plane, after making sure that there are some.

        Raises
        ------
        RegionError
            If the region lies outside the plane or holds no pixel centre; the message says where both are.
        """
        plane = bounds if bounds is not None else self.bounds
        if plane is None:
            raise RegionError(f"cannot check {self.name} without the size of the plane", cure="Give bounds=.")
        box = PixelRegion(self.components).bounding_box()
        c, d = self.columns
        where = f"{c} {box[0]:.6g}..{box[1]:.6g}, {d} {box[2]:.6g}..{box[3]:.6g}"
        field_text = f"{c} {plane[0]:.6g}..{plane[1]:.6g}, {d} {plane[2]:.6g}..{plane[3]:.6g}"
        outside = box[0] > plane[1] or box[1] < plane[0] or box[2] > plane[3] or box[3] < plane[2]
        if box[0] > box[1] or box[2] > box[3]:
            raise RegionError(f"{self.name} is empty: its shapes do not overlap", cure="Check the intersection.")
        if outside:
            raise RegionError(
                f"{self.name} lies outside the field: it covers {where}, the field {field_text}"
                + self._sky_note(box, plane),
                cure="Check its centre, its coordinate frame (fk5, physical, ...) and that the file is the right one.",
            )
        number = self.area(plane)
        if number == 0:
            raise RegionError(
                f"{self.name} holds no pixel: it covers {where} on a field of {field_text}",
                cure="Check its sizes and units (60\" is arcsec, 60' arcmin, a bare 60 pixels or degrees).",
            )
        return number

    def _sky_note(self, box: Extent, plane: Bounds) -> str:
        if self.wcs is None or not self.wcs.celestial or not all(math.isfinite(v) for v in box):
            return ""
        lon, lat = self.wcs.pixel_to_sky((box[0] + box[1]) / 2, (box[2] + box[3]) / 2)
        lon0, lat0 = self.wcs.pixel_to_sky((plane[0] + plane[1]) / 2, (plane[2] + plane[3]) / 2)
        return (
            f"; its centre is at {lon:.5f}, {lat:+.5f} deg ({self.wcs.frame}), the field's at "
            f"{lon0:.5f}, {lat0:+.5f} deg"
        )

    # ---------------------------------------------------------------- output

    def to_fits_hdu(self, name: str = "REG00101") -> TableHDU:
        """FITS region extension (ASC-FITS-REGION); see `wolter.sky.fitsregion`."""
        from wolter.sky.fitsregion import to_hdu

        return to_hdu(self, name)
