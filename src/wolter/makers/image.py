"""Images of events in a plane of two coordinate columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter.data.events import EventList
from wolter.data.image import Image
from wolter.data.image_grid import ImageGrid, nearest_pixel
from wolter.errors import DataError
from wolter.makers.headers import add_region_subspace, product_header, product_provenance, selection_history
from wolter.makers.passes import run_pass
from wolter.makers.spectrum import no_counts

__all__ = ["ImageAccumulator", "ImageGrid", "image_header", "sky_image"]

_SCATTER_PIXELS = 1 << 20  # images larger than this are filled pixel by pixel instead of by whole histograms


class ImageAccumulator:
    """Counts per pixel from the chunks of one pass."""

    def __init__(self, x: str, y: str, grid: ImageGrid) -> None:
        self._x, self._y, self.grid = x, y, grid
        self._flat = np.zeros(grid.shape[0] * grid.shape[1], dtype=np.int64)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns needed of each selected event."""
        return (self._x, self._y)

    def add(self, part: Mapping[str, NDArray[Any]]) -> None:
        """Add the selected events of one chunk."""
        index = self.grid.index(part[self._x], part[self._y])
        index = index[index >= 0]
        if len(self._flat) > _SCATTER_PIXELS:
            np.add.at(self._flat, index, 1)
        else:
            self._flat += np.bincount(index, minlength=len(self._flat))

    @property
    def image(self) -> NDArray[np.int64]:
        """Counts, shape (ny, nx)."""
        return self._flat.reshape(self.grid.shape)


def _axis(events: EventList, column: str) -> dict[str, Any]:
    """Linear coordinate of a column: type, unit, reference pixel and value, increment; missing ones 0 (increment 1)."""
    keywords = events.columns[column].keywords

    def number(stem: str, default: float) -> float:
        try:
            return float(keywords[stem])
        except (KeyError, TypeError, ValueError):
            return default

    return {
        "CTYPE": str(keywords.get("TCTYP", "") or "").strip(),
        "CUNIT": str(keywords.get("TCUNI", "") or "").strip(),
        "CRPIX": number("TCRPX", 0.0),
        "CRVAL": number("TCRVL", 0.0),
        "CDELT": number("TCDLT", 1.0),
        "CROTA": number("TCROT", 0.0),
    }


def image_header(events: EventList, x: str, y: str, grid: ImageGrid, header: fits.Header) -> fits.Header:
    """Coordinate keywords of an image, added to a header.

    CRPIX = (TCRPX − (first − 1))/b + (b − 1)/2b and CDELT = b TCDLT for binning b; the coordinates of the columns
    are given as the physical system (WCS "P", and LTV, LTM).
    """
    for n, (column, first, b) in enumerate(zip((x, y), grid.first, grid.steps, strict=True), start=1):
        axis = _axis(events, column)
        header.set(f"CTYPE{n}", axis["CTYPE"] or column.upper(), "coordinate type")
        if axis["CUNIT"]:
            header.set(f"CUNIT{n}", axis["CUNIT"], "coordinate unit")
        header.set(f"CRPIX{n}", (axis["CRPIX"] - (first - 1)) / b + (b - 1) / (2 * b), "reference pixel")
        header.set(f"CRVAL{n}", axis["CRVAL"], "coordinate of reference pixel")
        header.set(f"CDELT{n}", axis["CDELT"] * b, "increment")
        if n == 2:
            header.set("CROTA2", axis["CROTA"], "[deg] rotation")
            header.set("WCSNAMEP", "PHYSICAL")
        centre = first + (b - 1) / 2
        header.set(f"CTYPE{n}P", column.upper(), "column of the event list")
        header.set(f"CRPIX{n}P", 1.0, "reference pixel")
        header.set(f"CRVAL{n}P", centre, "column value at reference pixel")
        header.set(f"CDELT{n}P", float(b), "increment")
        header.set(f"LTV{n}", 1 - centre / b, "offset, logical to physical pixel")
        header.set(f"LTM{n}_{n}", 1 / b, "slope, logical to physical pixel")
    return header


def plane_bounds(events: EventList, x: str, y: str) -> tuple[int, int, int, int]:
    """Bounds of a coordinate plane, from TLMIN and TLMAX or else from the selected events themselves."""
    bounds = events.bounds_of(x, y)
    if bounds is not None:
        return bounds
    lo, hi = np.full(2, np.inf), np.full(2, -np.inf)
    for part in events.chunks((x, y)):
        for axis, name in enumerate((x, y)):
            values = part[name].astype(float)
            values = values[np.isfinite(values)]
            if len(values):
                lo[axis], hi[axis] = min(lo[axis], values.min()), max(hi[axis], values.max())
    if not np.isfinite(lo).all():
        raise no_counts(events)
    x0, y0, x1, y1 = (int(nearest_pixel(np.array([v]))[0]) for v in (*lo, *hi))
    return x0, x1, y0, y1


def sky_image(
    events: EventList,
    binning: int = 1,
    *,
    columns: tuple[str, str] | None = None,
    bounds: tuple[int, int, int, int] | None = None,
    allow_empty: bool = False,
) -> Image:
    """Image of the selected events.

    Parameters
    ----------
    events : EventList
        Selected events.
    binning : int
        Coordinate pixels per image pixel and axis.
    columns : tuple of str, optional
        Coordinate columns; by default the sky coordinates.
    bounds : tuple of int, optional
        (xmin, xmax, ymin, ymax) of the image; by default the whole plane.
    allow_empty : bool
        Whether an image without any count is acceptable.

    Returns
    -------
    Image
        Counts, with the coordinates of the columns.

    Raises
    ------
    DataError
        If no event is left, or the binning leaves no pixel.
    """
    if binning < 1 or int(binning) != binning:
        raise DataError(f"the binning is {binning}; a whole number from 1 on is meant")
    x, y = columns or events.xy_columns
    grid = ImageGrid.over(bounds or plane_bounds(events, x, y), int(binning))
    accumulator = ImageAccumulator(x, y, grid)
    run_pass(events, [accumulator])
    if not allow_empty and not accumulator.image.any():
        raise no_counts(events)
    header = image_header(events, x, y, grid, product_header(events))
    for key, value in (("HDUCLASS", "OGIP"), ("HDUCLAS1", "IMAGE"), ("HDUCLAS2", "TOTAL"), ("CONTENT", "IMAGE")):
        header.set(key, value)
    header.set("IMGBIN", grid.binning, "image binning factor")
    header.set("TOTCTS", int(accumulator.image.sum()), "counts in the image")
    header.set("BUNIT", "count")
    add_region_subspace(header, events)
    header.add_history(f"sky_image of {events.path.name}[{events.hdu_name}]")
    for line in selection_history(events):
        header.add_history(f"  {line}")
    region = events.regions[0].pixels if len(events.regions) == 1 else None
    provenance = product_provenance(events, "sky_image", binning=grid.binning, columns=[x, y])
    image = accumulator.image.astype(np.int32)
    return Image(data=image, header=header, gti=events.gti, region=region, provenance=provenance)
