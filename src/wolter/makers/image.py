"""Images of events in a plane of two coordinate columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter.data.events import GOOD, EventList
from wolter.data.image import Image
from wolter.data.image_grid import ImageGrid, nearest_pixel
from wolter.errors import DataError
from wolter.makers.headers import add_region_subspace, product_header, product_provenance, selection_history
from wolter.makers.passes import run_pass
from wolter.makers.spectrum import no_counts
from wolter.units import to_range_kev

if TYPE_CHECKING:
    from wolter.sky import TanWCS

_MOST_PIXELS = 400_000_000

__all__ = [
    "ImageAccumulator",
    "ImageGrid",
    "frame_columns",
    "image_header",
    "make_image",
    "make_images",
    "plane_bounds",
    "sky_image",
]


class ImageAccumulator:
    """Counts per pixel from the chunks of one pass.

    Parameters
    ----------
    x, y : str
        Coordinate columns.
    grid : ImageGrid
        Pixels to fill.
    null : tuple, optional
        Values of the columns that mean "undefined" (TNULL).
    band : tuple, optional
        Column and its first and last value: events outside are left out.
    columns : TanWCS, optional
        Coordinates of the columns on the sky, if the pixels of the grid are not bins of the columns: then every event
        goes to the pixel that holds its direction.
    """

    def __init__(
        self,
        x: str,
        y: str,
        grid: ImageGrid,
        *,
        null: tuple[Any, Any] = (None, None),
        band: tuple[str, float, float] | None = None,
        columns: TanWCS | None = None,
    ) -> None:
        self._x, self._y, self.grid = x, y, grid
        self._band, self._wcs = band, columns
        self._null = [(name, value) for name, value in zip((x, y), null, strict=True) if self._legal(value)]
        self._slots = np.zeros(1 + grid.nx * grid.ny, dtype=np.int32)  # the first is for what does not count

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns needed of each selected event."""
        band = () if self._band is None else (self._band[0],)
        return (self._x, self._y, *band, GOOD)

    def add(self, part: Mapping[str, NDArray[Any]]) -> None:
        """Add the selected events of one chunk."""
        x, y = part[self._x], part[self._y]
        tests = [part[GOOD]] if GOOD in part else []
        if self._band is not None:
            name, lo, hi = self._band
            tests += [part[name] >= lo, part[name] <= hi]
        tests += [part[name] != null for name, null in self._null]
        good = reduce(np.logical_and, tests) if tests else None
        np.add.at(self._slots, self._slots_of(x, y, good), np.int32(1))

    def _legal(self, null: Any) -> bool:
        """Whether a value that means "undefined" could fall on a pixel; usual ones lie far outside."""
        if null is None:
            return False
        (x, y), (bx, by) = self.grid.first, self.grid.steps
        reach = max(abs(x) + bx * (self.grid.nx + 1), abs(y) + by * (self.grid.ny + 1))
        return self._wcs is not None or abs(float(null)) <= reach

    def _slots_of(self, x: NDArray[Any], y: NDArray[Any], good: NDArray[np.bool_] | None) -> NDArray[Any]:
        if self._wcs is None:
            return self.grid.slots(x, y, good)
        if good is not None:
            x, y = x[good], y[good]
        sky = self.grid.sky
        u, v = sky.sky_to_pixel(*self._wcs.pixel_to_sky(x, y), frame=self._wcs.frame)
        return 1 + replace(self.grid, first=(1, 1), binning=1).index(u, v)

    @property
    def image(self) -> NDArray[np.int32]:
        """Counts, shape (ny, nx)."""
        return self._slots[1:].reshape(self.grid.shape)


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
    """Bounds of a coordinate plane: TLMIN and TLMAX, the mission's description, or else the selected events' own."""
    bounds = events.bounds_of(x, y)
    if bounds is not None:
        return bounds
    for frame in events.mission.frames.values():
        if (frame.x.upper(), frame.y.upper()) == (x.upper(), y.upper()) and frame.first and frame.last:
            return int(frame.first[0]), int(frame.last[0]), int(frame.first[1]), int(frame.last[1])
    lo, hi = np.full(2, np.inf), np.full(2, -np.inf)
    for part in events.chunks((x, y)):
        for axis, name in enumerate((x, y)):
            values = part[name].astype(float)
            null = events.columns[name].null
            values = values[np.isfinite(values) & (values != null if null is not None else True)]
            if len(values):
                lo[axis], hi[axis] = min(lo[axis], values.min()), max(hi[axis], values.max())
    if not np.isfinite(lo).all():
        raise no_counts(events)
    x0, y0, x1, y1 = (int(nearest_pixel(np.array([v]))[0]) for v in (*lo, *hi))
    return x0, x1, y0, y1


def frame_columns(events: EventList, frame: str) -> tuple[str, str]:
    """Columns of a coordinate system of an event list: "sky", "det", "raw"... or two names, ``"DETX,DETY"``.

    Raises
    ------
    DataError
        If the mission has no such system, or the columns are missing.
    """
    key = frame.strip().lower()
    if "," in key:
        x, y = (name.strip() for name in frame.split(","))
    elif key in events.mission.frames:
        x, y = events.mission.frames[key].x, events.mission.frames[key].y
    elif key == "sky":
        return events.xy_columns
    elif key in ("det", "raw"):
        x, y = f"{key.upper()}X", f"{key.upper()}Y"
    else:
        known = ", ".join(dict.fromkeys([*events.mission.frames, "sky", "det", "raw"]))
        raise DataError(
            f"there is no coordinate system {frame!r}",
            file=events.path,
            cure=f"Known are {known}; or name two columns: 'RAWX,RAWY'.",
        )
    missing = [name for name in (x, y) if name not in events.columns]
    if missing:
        raise DataError(
            f"there is no column {' and '.join(missing)} for an image in {frame} coordinates",
            file=events.path,
            hdu=events.hdu_name,
            cure=f"The event list has {', '.join(events.columns)}.",
        )
    return events.columns[x].name, events.columns[y].name


def _bins_of_columns(events: EventList, x: str, y: str, grid: ImageGrid) -> bool:
    """Whether the pixels of a grid are bins of these columns (to a hundredth of a pixel)."""
    if grid.wcs is None or not grid.wcs.celestial:
        return True
    columns = events.wcs_of(x, y)
    if not columns.celestial:
        return False
    u = np.array([1.0, grid.nx, 1.0, grid.nx])
    v = np.array([1.0, 1.0, grid.ny, grid.ny])
    p, q = columns.sky_to_pixel(*grid.wcs.pixel_to_sky(u, v), frame=grid.wcs.frame)
    a, b = grid.pixel_to_column(u, v)
    return bool(np.all(np.hypot((p - a) / grid.steps[0], (q - b) / grid.steps[1]) < 0.01))


def _grid_header(events: EventList, x: str, y: str, grid: ImageGrid, bins: bool) -> fits.Header:
    header = product_header(events)
    if bins:
        return image_header(events, x, y, grid, header)
    for key, value in grid.sky.header_cards().items():
        header.set(key, value)
    return header


def make_image(
    events: EventList,
    *,
    frame: str = "sky",
    columns: tuple[str, str] | None = None,
    binning: float | tuple[float, float] | None = None,
    energy: Any = None,
    region: Any = None,
    grid: Any = None,
    bounds: tuple[int, int, int, int] | None = None,
    allow_empty: bool = False,
    **selection: Any,
) -> Image:
    """Image of events in any coordinate system, band and binning.

    Parameters
    ----------
    events : EventList
        Selected events.
    frame : str
        Coordinate system: "sky", "det", "raw", another one of the mission's, or two columns ``"RAWX,RAWY"``.
    columns : tuple of str, optional
        Two coordinate columns, instead of `frame`.
    binning : float or pair of float, optional
        Column pixels per image pixel, for both axes or for x and y. Without it, and without `bounds`, the image on the
        sky is the mission's usual one (its `image_plane`), any other one is not binned.
    energy : tuple of Quantity, optional
        Energy band.
    region : RegionSet, str or path, optional
        Only events inside.
    grid : ImageGrid, Image or Header, optional
        Pixels to fill, e.g. those of another image. If they are not bins of the columns (another pointing, another
        telescope), every event goes to the pixel that holds its direction.
    bounds : tuple of int, optional
        (xmin, xmax, ymin, ymax) of the image in column pixels; by default the whole plane.
    allow_empty : bool
        Whether an image without any count is acceptable.
    **selection
        Further selections, as for `EventList.select`.

    Returns
    -------
    Image
        Counts, with the coordinates of the sky and of the columns; pixel values are int32.

    Raises
    ------
    DataError
        If no event is left, the binning leaves no pixel, columns are missing, or `grid` is on the sky and the columns
        are not.
    RegionError
        If the region lies outside the field.
    """
    (image,) = make_images(
        events,
        [energy],
        frame=frame,
        columns=columns,
        binning=binning,
        region=region,
        grid=grid,
        bounds=bounds,
        allow_empty=allow_empty,
        **selection,
    )
    return image


def make_images(
    events: EventList,
    bands: Sequence[Any],
    *,
    frame: str = "sky",
    columns: tuple[str, str] | None = None,
    binning: float | tuple[float, float] | None = None,
    region: Any = None,
    grid: Any = None,
    bounds: tuple[int, int, int, int] | None = None,
    allow_empty: bool = False,
    task: str = "make_image",
    **selection: Any,
) -> list[Image]:
    """Images in several energy bands from one pass over the events; parameters as for `make_image`.

    Parameters
    ----------
    bands : sequence of tuple of Quantity, or None
        Energy bands; None stands for all energies.
    """
    if region is not None or selection:
        events = events.select(region=region, **selection)
    x, y = columns or frame_columns(events, frame)
    pixels = _pixels(events, x, y, binning, grid, bounds)
    bins = _bins_of_columns(events, x, y, pixels)
    wcs = None if bins else events.wcs_of(x, y)
    if wcs is not None and not wcs.celestial:
        raise DataError(
            f"the columns {x}, {y} have no coordinates on the sky, which the pixels asked for need: {wcs.why_not}",
            file=events.path,
            hdu=events.hdu_name,
            cure="Make the image without grid=, or on columns with celestial coordinates.",
        )
    null = (events.columns[x].null, events.columns[y].null)
    channels = [None if band is None else events.channels_inside(band) for band in bands]
    narrowed = events
    if len(channels) == 1 and channels[0] is not None:  # decoded first, and only where needed
        narrowed, channels = events.select(pi=channels[0]), [None]
    fills = [
        ImageAccumulator(x, y, pixels, null=null, columns=wcs, band=None if c is None else (events.energy_column, *c))
        for c in channels
    ]
    number = run_pass(narrowed, fills)
    made = []
    for band, fill in zip(bands, fills, strict=True):
        if not allow_empty and not fill.image.any():
            raise _outside(events, number, x, y, pixels) if number and len(fills) == 1 else no_counts(events)
        header = _grid_header(events, x, y, pixels, bins)
        made.append(_image(events if band is None else events.select(energy=band), fill, header, task, band))
    return made


def _outside(events: EventList, number: int, x: str, y: str, pixels: ImageGrid) -> DataError:
    """The error of events that lie beside the pixels of the image."""
    (x0, y0), (bx, by) = pixels.first, pixels.steps
    return DataError(
        f"none of {number} events lies on the image ({x} {x0:g} to {x0 + bx * pixels.nx - 1:g}, "
        f"{y} {y0:g} to {y0 + by * pixels.ny - 1:g})",
        file=events.path,
        hdu=events.hdu_name,
        cure="Give bounds= or grid= (--like), or another frame, and check the coordinates of the events.",
    )


def _pixels(events: EventList, x: str, y: str, binning: Any, grid: Any, bounds: Any) -> ImageGrid:
    """Grid to fill: the one given, or bins of the columns."""
    if grid is not None:
        if hasattr(grid, "shape"):
            return ImageGrid.of(grid)
        return ImageGrid.from_header(grid)
    usual = events.mission.image_plane
    if binning is None and bounds is None and usual is not None and (x, y) == events.xy_columns:
        first, number, step = usual
        return ImageGrid((first, first), (number, number), step)
    binning = 1 if binning is None else binning
    steps = binning if isinstance(binning, tuple) else (binning, binning)
    if not all(step > 0 for step in steps):
        raise DataError(f"the binning is {binning}; a positive number is meant")
    pixels = ImageGrid.over(bounds or plane_bounds(events, x, y), binning)
    return not_too_large(pixels, events, "Bin it (binning=...), or give bounds.")


def not_too_large(grid: ImageGrid, events: EventList, cure: str) -> ImageGrid:
    """The grid, if an image of it can be held in memory.

    Raises
    ------
    DataError
        If it has more than 4e8 pixels.
    """
    if grid.nx * grid.ny > _MOST_PIXELS:
        raise DataError(
            f"an image of {grid.nx} x {grid.ny} pixels would not fit into memory", file=events.path, cure=cure
        )
    return grid


def _image(events: EventList, fill: ImageAccumulator, header: fits.Header, task: str, band: Any) -> Image:
    """The image of a filled accumulator."""
    x, y = fill.columns[:2]
    grid = fill.grid
    for key, value in (("HDUCLASS", "OGIP"), ("HDUCLAS1", "IMAGE"), ("HDUCLAS2", "TOTAL"), ("CONTENT", "IMAGE")):
        header.set(key, value)
    header.set("IMGBIN", grid.steps[0], "image binning factor")
    header.set("TOTCTS", int(fill.image.sum()), "counts in the image")
    header.set("BUNIT", "count")
    if band is not None:
        low, high = to_range_kev(band)
        header.set("E_MIN", low, "[keV] lower end of the band")
        header.set("E_MAX", high, "[keV] upper end of the band")
    add_region_subspace(header, events)
    header.add_history(f"{task} of {events.path.name}[{events.hdu_name}]")
    for line in selection_history(events):
        header.add_history(f"  {line}")
    region = events.regions[0].pixels if len(events.regions) == 1 else None
    provenance = product_provenance(events, task, binning=grid.binning, columns=[x, y])
    return Image(data=fill.image.astype(np.int32), header=header, gti=events.gti, region=region, provenance=provenance)


def sky_image(
    events: EventList,
    binning: int = 1,
    *,
    columns: tuple[str, str] | None = None,
    bounds: tuple[int, int, int, int] | None = None,
    allow_empty: bool = False,
) -> Image:
    """Image of the selected events on the sky, in whole pixels; `make_image` has more to choose.

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
    (image,) = make_images(
        events,
        [None],
        columns=columns or events.xy_columns,
        binning=int(binning),
        bounds=bounds,
        allow_empty=allow_empty,
        task="sky_image",
    )
    return image
