"""Measurements of one source, made in the part of the images around it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wolter.data import ImageGrid, RateMap
from wolter.errors import DataError, warn
from wolter.sources.edges import edge_pixels, near_edge, sensor_mask

if TYPE_CHECKING:
    from wolter.sources.source import Source

__all__ = ["Measurement", "SourcePeak", "Window", "solid_angle"]

LEAST_COVERED = 0.75  # smaller parts of a circle that were exposed are warned of
_MARGIN = 4  # pixels around a window: edges of the exposed field are looked for two pixels from a peak


class SourcePeak:
    """X-ray peak of a source.

    Attributes
    ----------
    ra, dec : float
        deg (FK5).
    converged : bool
        Whether the search settled; otherwise the position is the source's own.
    near_edge : bool
        Whether the peak lies within two pixels of the end of the exposed field.
    steps : int
        Images looked at.
    """

    def __init__(self, ra: float, dec: float, *, converged: bool, near_edge: bool, steps: int) -> None:
        self.ra, self.dec = ra, dec
        self.converged, self.near_edge, self.steps = converged, near_edge, steps

    @property
    def position(self) -> Any:
        """SkyCoord of the peak."""
        from astropy.coordinates import SkyCoord

        return SkyCoord(self.ra, self.dec, unit="deg", frame="fk5")

    def __repr__(self) -> str:
        notes = ("" if self.converged else ", not converged") + (", near the edge" if self.near_edge else "")
        return f"<peak at {self.ra:.6f}, {self.dec:+.6f} deg{notes}>"


@dataclass(frozen=True)
class Measurement:
    """What a sample measures of a source in one pass over its images.

    Attributes
    ----------
    name : str
    radius : float
        deg.
    counts : float
        In the circle, interlopers taken out.
    net_counts : float
        Less the background's.
    snr : float
        Signal to noise, see `wolter.sources.signal_to_noise`.
    covered : float
        Part of the circle that was exposed.
    peak : SourcePeak or None
        None where none was found.
    """

    name: str
    radius: float
    counts: float
    net_counts: float
    snr: float
    covered: float
    peak: SourcePeak | None


@dataclass(frozen=True)
class Window:
    """Part of an image around a position.

    Attributes
    ----------
    grid : ImageGrid
        Pixels of the whole image.
    rows, columns : slice
        The part.
    """

    grid: ImageGrid
    rows: slice
    columns: slice

    @classmethod
    def around(cls, grid: ImageGrid, ra: float, dec: float, reach: float) -> Window:
        """Pixels within `reach` deg of a position, and a margin; all of them where the position is not on the plane."""
        x, y = grid.sky.sky_to_pixel(ra, dec)
        if not (math.isfinite(x) and math.isfinite(y)):
            return cls(grid, slice(0, grid.ny), slice(0, grid.nx))
        # Distances in the tangent plane are longer than the angles, by 2 per cent at ten degrees from its centre.
        half = reach / grid.pixel_scale_deg * 1.05 + _MARGIN + 1

        def part(centre: float, number: int) -> slice:
            low = min(max(0, math.floor(centre - 1 - half)), number - 1)
            return slice(low, max(low + 1, min(number, math.ceil(centre - 1 + half) + 1)))

        return cls(grid, part(y, grid.ny), part(x, grid.nx))

    @property
    def part(self) -> ImageGrid:
        """Its pixels."""
        x, y = self.columns.start, self.rows.start
        return self.grid.cutout(x + 1, y + 1, self.columns.stop - x, self.rows.stop - y)

    def of(self, data: NDArray[Any]) -> NDArray[Any]:
        """The part of an array of the whole image (a view)."""
        return data[self.rows, self.columns]


def solid_angle(radius: float) -> float:
    """Square degrees of a circle of a radius in degrees."""
    return 2.0 * math.pi * (1.0 - math.cos(math.radians(radius))) * math.degrees(1.0) ** 2


def covered_part(rates: RateMap, inside: NDArray[np.bool_], exposure: NDArray[Any], radius: float | None) -> float:
    """Part of a region that was exposed; of a circle (radius in deg) also what lies beyond the image counts."""
    exposed = float((inside & sensor_mask(exposure)).sum())
    whole = float(inside.sum()) if radius is None else solid_angle(radius) / rates.pixel_scale_deg**2
    return min(1.0, exposed / whole) if whole else 0.0


def circle_arrays(
    source: Source, rates: RateMap, radius: Any, obsid: str | None
) -> tuple[tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]], float]:
    """Counts, exposure, and masks of source and background in the window that holds them; the part covered.

    Raises
    ------
    DataError
        If nothing of the source or of the background was exposed; the message says how much was.
    """
    grid = rates.grid
    if isinstance(radius, str) and radius == "region":
        window, angle = Window(grid, slice(0, grid.ny), slice(0, grid.nx)), None
    else:
        angle = source.radius(radius)
        window = Window.around(grid, source.ra, source.dec, source.background[1] * angle)
    seconds = window.of(rates.exposure.data)
    inside, around = source.masks(radius, grid, obsid, interlopers=False, window=window)
    covered = covered_part(rates, inside, seconds, angle)
    keep = source.interloper_mask(grid, obsid, window=window)
    exposed = sensor_mask(seconds)
    for what, mask in (("source", inside), ("background", around)):
        if not (mask & keep & exposed).any():
            size = "the detection" if angle is None else f"the circle of {60 * angle:.4g} arcmin"
            told = f"{100 * covered:.3g} % of {size} was exposed"
            raise DataError(
                f"{source.name}: the {what} region holds no exposed pixel ({told})",
                file=rates.exposure.path,
                cure="Use a smaller radius, or an observation whose field covers the region.",
            )
    return (window.of(rates.image.data), seconds, inside & keep, around & keep), covered


def warn_of_cover(source: Source, covered: float, radius: Any, obsid: str | None) -> None:
    """Warn if the field ends within a circle."""
    if covered < LEAST_COVERED:
        where = "its observations" if obsid is None else f"observation {obsid}"
        warn(
            f"{source.name}: {where} covered {100 * covered:.0f} % of the circle of {radius}; "
            "what is measured is that part's"
        )


def peak_at(rates: RateMap, x: int, y: int, *, converged: bool, steps: int) -> SourcePeak:
    """Peak at a pixel (column and row from 0) of a rate map."""
    ra, dec = rates.position(x + 1, y + 1)
    reach = _MARGIN + 2
    rows, columns = slice(max(0, y - reach), y + reach + 1), slice(max(0, x - reach), x + reach + 1)
    inner = edge_pixels(rates.exposure.data[rows, columns])
    edge = near_edge(inner, x - columns.start, y - rows.start)
    return SourcePeak(float(ra), float(dec), converged=converged, near_edge=edge, steps=steps)
