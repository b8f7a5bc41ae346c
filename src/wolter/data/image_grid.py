"""The pixels of an image: how many, where they lie on the sky, and which coordinate columns they were made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wolter.errors import DataError

if TYPE_CHECKING:
    from wolter import fits
    from wolter.sky import TanWCS

__all__ = ["ImageGrid", "moved_header", "nearest_pixel"]

_LETTERS = ("", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ")


@dataclass(frozen=True)
class ImageGrid:
    """Pixels of an image.

    Image pixel i (from 1) holds the coordinate pixels ``first + (i - 1) * binning`` to ``first + i * binning - 1``
    of the columns that events are filled by; on the sky it lies where `wcs` says.

    Attributes
    ----------
    first : tuple
        First coordinate pixel in x and y.
    shape : tuple of int
        (ny, nx) of the image.
    binning : float or pair of float
        Coordinate pixels per image pixel, for both axes or for x and y.
    wcs : TanWCS or None
        Image pixels (the first is 1) and sky.
    """

    first: tuple[float, float]
    shape: tuple[int, int]
    binning: float | tuple[float, float] = 1
    wcs: TanWCS | None = None

    def __post_init__(self) -> None:
        if min(self.shape) < 1:
            raise DataError(f"an image of {self.shape[1]} x {self.shape[0]} has no pixel")
        if not min(self.steps) > 0:
            raise DataError(f"the binning is {self.binning}; it must be positive")

    # -- made of ---------------------------------------------------------------------------------------------------

    @classmethod
    def over(
        cls,
        bounds: tuple[int, int, int, int],
        binning: float | tuple[float, float] = 1,
        *,
        columns: TanWCS | None = None,
    ) -> ImageGrid:
        """Grid over (xmin, xmax, ymin, ymax) of the columns; the last pixels may reach beyond.

        `columns` are the coordinates of the columns (``events.wcs``); with them the grid knows the sky.
        """
        xmin, xmax, ymin, ymax = bounds
        bx, by = _pair(binning)
        nx, ny = math.ceil((xmax - xmin + 1) / bx), math.ceil((ymax - ymin + 1) / by)
        if nx < 1 or ny < 1:
            raise DataError(f"the plane {xmin}..{xmax} by {ymin}..{ymax} has no pixel")
        wcs = None if columns is None else _binned(columns, (xmin, ymin), (bx, by))
        return cls((xmin, ymin), (ny, nx), binning, wcs)

    @classmethod
    def of(cls, source: Any) -> ImageGrid:
        """Grid of an image, map, or anything with a header and a shape; a grid is its own."""
        if isinstance(source, cls):
            return source
        return cls.from_header(source.header, tuple(source.shape))

    @classmethod
    def from_header(cls, header: Mapping[str, Any], shape: tuple[int, int] | None = None) -> ImageGrid:
        """Grid of an image header; its shape is that of NAXIS1, NAXIS2 unless given.

        Raises
        ------
        DataError
            If this is no header, or the size is not known.
        """
        from wolter.sky import TanWCS

        if not hasattr(header, "keys"):
            raise DataError(
                f"pixels cannot be taken from {header!r}",
                cure="Give an Image, an ExposureMap, an ImageGrid or a header; binning=N puts pixels together.",
            )
        if shape is None:
            if "NAXIS1" not in header or "NAXIS2" not in header:
                raise DataError("the header has no NAXIS1 and NAXIS2", cure="Give the shape (ny, nx).")
            shape = (int(header["NAXIS2"]), int(header["NAXIS1"]))
        wcs = TanWCS.from_image_header(header)
        v1, v2, m1, m2 = wcs.physical
        steps = (_whole(1.0 / m1), _whole(1.0 / m2))
        # The centre of pixel 1 is at column value (1 - LTV)/LTM; its first coordinate pixel half a bin below.
        first = (
            _whole((1.0 - v1) / m1 - 0.5 * (steps[0] - 1.0)),
            _whole((1.0 - v2) / m2 - 0.5 * (steps[1] - 1.0)),
        )
        binning = steps[0] if steps[0] == steps[1] else steps
        return cls(first, (int(shape[0]), int(shape[1])), binning, wcs)

    @classmethod
    def around(cls, center: Any, size: Any, pixel: Any) -> ImageGrid:
        """Grid on the sky, north up.

        Parameters
        ----------
        center : str, SkyCoord or pair of Quantity
            Its centre, as for `wolter.circle`.
        size : Quantity or pair of Quantity
            Width and height (one angle for a square).
        pixel : Quantity
            Side of a pixel.

        Raises
        ------
        UnitError
            For bare numbers.
        """
        from wolter.sky import TanWCS, parse_position
        from wolter.units import to_deg

        ra, dec = parse_position(center)
        scale = to_deg(pixel, "pixel")
        if not isinstance(size, (tuple, list)) and np.ndim(getattr(size, "value", size)) == 0:
            size = (size, size)
        nx, ny = (max(1, math.ceil(to_deg(s, "size") / scale - 1e-9)) for s in size)
        wcs = TanWCS(
            crpix=(0.5 * (nx + 1), 0.5 * (ny + 1)),
            crval=(ra, dec),
            cd=((-scale, 0.0), (0.0, scale)),
            projection="TAN",
            frame="fk5",
            ctype=("RA---TAN", "DEC--TAN"),
        )
        return cls((1, 1), (ny, nx), 1, wcs)

    # -- facts -----------------------------------------------------------------------------------------------------

    @property
    def nx(self) -> int:
        """Pixels along x."""
        return self.shape[1]

    @property
    def ny(self) -> int:
        """Pixels along y."""
        return self.shape[0]

    @property
    def steps(self) -> tuple[float, float]:
        """Coordinate pixels per image pixel in x and in y."""
        return _pair(self.binning)

    @property
    def pixel_scale_deg(self) -> float:
        """Side of a pixel, degrees."""
        return self.sky.pixel_scale_deg

    @property
    def sky(self) -> TanWCS:
        """The coordinates on the sky.

        Raises
        ------
        DataError
            If the grid has none; the message says why.
        """
        if self.wcs is None or not self.wcs.celestial:
            why = f": {self.wcs.why_not}" if self.wcs is not None and self.wcs.why_not else ""
            raise DataError(
                f"the image has no coordinates on the sky{why}",
                cure="Use an image made of sky coordinates (X, Y), with CTYPE, CRPIX, CRVAL and CDELT in its header.",
            )
        return self.wcs

    def difference(self, other: ImageGrid, *, tolerance: float = 1e-3) -> str | None:
        """How the pixels of another grid differ, in words; None if they are the same to `tolerance` pixels."""
        if self.shape != other.shape:
            return f"{self.nx} x {self.ny} pixels against {other.nx} x {other.ny}"
        mine, its = self.wcs, other.wcs
        if mine is None or its is None or not (mine.celestial and its.celestial):
            return None
        x = np.array([1.0, self.nx, 1.0, self.nx])
        y = np.array([1.0, 1.0, self.ny, self.ny])
        u, v = its.sky_to_pixel(*mine.pixel_to_sky(x, y), frame=mine.frame)
        shift = np.hypot(u - x, v - y)
        if np.isfinite(shift).all() and shift.max() <= tolerance:
            return None
        if not np.isfinite(shift).all():
            return "they lie on opposite sides of the sky"
        return f"the corners are {shift.max():.3g} pixels apart"

    # -- coordinates -----------------------------------------------------------------------------------------------

    def index(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.int64]:
        """Flat pixel index (y slow) of column values, −1 outside; values are rounded to the nearest whole one."""
        ny, nx = self.shape
        bx, by = self.steps
        # Events exactly between two pixels go left in x and up in y: so they do in the extractor's images.
        i = _bin(nearest_pixel(x, up=False), self.first[0], bx)
        j = _bin(nearest_pixel(y), self.first[1], by)
        inside = (i >= 0) & (i < nx) & (j >= 0) & (j < ny)
        return np.where(inside, j * nx + i, -1)

    def slots(self, x: NDArray[Any], y: NDArray[Any], good: NDArray[np.bool_] | None = None) -> NDArray[Any]:
        """Flat pixel index from 1 on of column values, for counting.

        Slot 0 is for what does not count: values outside the grid, and those for which `good` is False. Some or all of
        these may be left out.
        """
        if not (self._whole and all(v.dtype.kind == "i" and v.dtype.isnative for v in (x, y))):
            if good is not None and not good.all():
                chosen = np.flatnonzero(good)  # several times faster than picking by a mask
                x, y = x[chosen], y[chosen]
            return self.index(x, y) + 1
        wide = np.uint64 if max(x.itemsize, y.itemsize) > 4 else np.uint32
        i, j = (_bin_unsigned(v, f, b, wide) for v, f, b in zip((x, y), self.first, self.steps, strict=True))
        inside = i < self.nx
        inside &= j < self.ny
        if good is not None:
            inside &= good
        # To pick values out costs about as much as to count them; worth it if most do not count.
        picked = 2 * np.count_nonzero(inside) < len(inside)
        if picked:
            chosen = np.flatnonzero(inside)
            i, j = i[chosen], j[chosen]
        j *= wide(self.nx)
        j += i
        j += wide(1)
        if not picked:
            j *= inside
        return j.view(np.int64 if wide is np.uint64 else np.int32)

    @cached_property
    def _whole(self) -> bool:
        """Whether the bins are of whole numbers, small enough for 32 bits."""
        numbers = (*self.first, *self.steps)
        small = all(float(n).is_integer() and abs(n) < 2**30 for n in numbers) and self.nx * self.ny < 2**31
        return small and max(n * b for n, b in zip((self.nx, self.ny), self.steps, strict=True)) <= 2**30

    def column_to_pixel(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Image pixels (the first is 1) of column values."""
        bx, by = self.steps
        return (x - self.first[0] + 0.5) / bx + 0.5, (y - self.first[1] + 0.5) / by + 0.5

    def pixel_to_column(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Column values of image pixels (the first is 1)."""
        bx, by = self.steps
        return (x - 0.5) * bx + self.first[0] - 0.5, (y - 0.5) * by + self.first[1] - 0.5

    # -- derived grids ---------------------------------------------------------------------------------------------

    def cutout(self, x: int, y: int, nx: int, ny: int) -> ImageGrid:
        """The part of nx by ny pixels whose first is (`x`, `y`), counted from 1; it may reach beyond."""
        bx, by = self.steps
        first = (self.first[0] + (x - 1) * bx, self.first[1] + (y - 1) * by)
        wcs = None if self.wcs is None else self.wcs.binned(1, x, y)
        return replace(self, first=first, shape=(ny, nx), wcs=wcs)

    def rebinned(self, factor: int) -> ImageGrid:
        """Pixels put together by `factor` along both axes; an incomplete last row or column is left out."""
        bx, by = self.steps
        ny, nx = self.ny // factor, self.nx // factor
        wcs = None if self.wcs is None else self.wcs.binned(factor, 1, 1)
        binning = bx * factor if bx == by else (bx * factor, by * factor)
        return replace(self, shape=(ny, nx), binning=binning, wcs=wcs)

    def cards(self) -> dict[str, Any]:
        """Keywords of the coordinates: the sky's, and LTVn, LTMn_n for the columns."""
        out = {} if self.wcs is None else self.wcs.header_cards()
        for n, (first, step) in enumerate(zip(self.first, self.steps, strict=True), start=1):
            centre = first + (step - 1) / 2
            out[f"LTV{n}"] = 1 - centre / step
            out[f"LTM{n}_{n}"] = 1 / step
        return out


def _pair(binning: float | tuple[float, float]) -> tuple[float, float]:
    if isinstance(binning, tuple):
        return binning
    return binning, binning


def _whole(value: float) -> float:
    """A number without the rounding of the keywords it comes from."""
    return round(value) if abs(value - round(value)) < 1e-6 * max(1.0, abs(value)) else value


def _binned(columns: TanWCS, first: tuple[float, float], steps: tuple[float, float]) -> TanWCS:
    """Coordinates of image pixels from those of the columns."""
    if steps[0] == steps[1]:
        return columns.binned(steps[0], *first)
    crpix = tuple((c - f + 0.5) / s + 0.5 for c, f, s in zip(columns.crpix, first, steps, strict=True))
    cd = tuple((row[0] * steps[0], row[1] * steps[1]) for row in columns.cd)
    ltv = tuple((0.5 - f) / s + 0.5 for f, s in zip(first, steps, strict=True))
    return replace(columns, crpix=crpix, cd=cd, physical=(*ltv, 1 / steps[0], 1 / steps[1]))


def _bin(values: NDArray[np.int64], first: float, step: float) -> NDArray[np.int64]:
    if float(first).is_integer() and float(step).is_integer():
        return (values - int(first)) // int(step)
    # A bin of fractional width begins half a column pixel before its first value, as whole ones do.
    return np.floor((values - (first - 0.5)) / step).astype(np.int64)


def _bin_unsigned(values: NDArray[Any], first: float, step: float, wide: type[np.unsignedinteger]) -> NDArray[Any]:
    """Bins of whole numbers; those below the first bin come out beyond any last one, so that one comparison does."""
    bins = np.subtract(values, int(first), dtype=np.int32 if wide is np.uint32 else np.int64).view(wide)
    bins //= wide(step)
    return bins


def nearest_pixel(values: NDArray[Any], *, up: bool = True) -> NDArray[np.int64]:
    """Pixel of a coordinate: the nearest whole number; halves go up or down; NaN is far outside."""
    if values.dtype.kind in "iu":
        return values.astype(np.int64)
    values = values.astype(np.float64)
    rounded = np.floor(values + 0.5) if up else np.ceil(values - 0.5)
    return np.where(np.isfinite(rounded), rounded, -(2.0**40)).astype(np.int64)


def moved_header(header: fits.Header, x: float, y: float, factor: float = 1.0) -> fits.Header:
    """Header with the coordinates of a part of an image, put together by `factor`.

    Parameters
    ----------
    header : Header
        Of the whole image; not changed.
    x, y : float
        Pixel (from 1) that becomes the first, before binning.
    factor : float
        Pixels per new pixel and axis.

    Returns
    -------
    Header
        All coordinate systems moved: a pixel p becomes (p − x + ½)/factor + ½ (Greisen & Calabretta 2002).
    """
    out = header.copy()
    for letter in _LETTERS:
        for n, start in ((1, x), (2, y)):
            key = f"CRPIX{n}{letter}"
            if key not in out:
                continue
            out[key] = (float(out[key]) - start + 0.5) / factor + 0.5
            for scale in (f"CDELT{n}{letter}", f"CD1_{n}{letter}", f"CD2_{n}{letter}"):
                if scale in out and factor != 1:
                    out[scale] = float(out[scale]) * factor
    for n, start in ((1, x), (2, y)):
        if f"LTV{n}" in out or f"LTM{n}_{n}" in out:
            out[f"LTV{n}"] = (float(out.get(f"LTV{n}", 0.0)) - start + 0.5) / factor + 0.5
            out[f"LTM{n}_{n}"] = float(out.get(f"LTM{n}_{n}", 1.0)) / factor
    return out
