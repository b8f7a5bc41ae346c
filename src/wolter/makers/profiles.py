"""Radial profiles of images: rings, exposure, masks, background."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter.data.image import Image
from wolter.data.radial_profile import RadialProfile
from wolter.data.rate_map import RateMap, check_same_pixels
from wolter.data.source_list import SourceList
from wolter.errors import DataError
from wolter.units import is_quantity, to_arcsec

__all__ = ["radial_profile"]


def radial_profile(
    image: Image | RateMap,
    center: Any,
    radii: Any,
    *,
    exposure: Image | None = None,
    background: Any = None,
    exclude: Any = None,
    min_exposure: float = 0.0,
) -> RadialProfile:
    """Surface brightness in rings around a position.

    Parameters
    ----------
    image : Image or RateMap
        Counts.
    center : str, SkyCoord or pair of Quantity
        As for `wolter.circle`.
    radii : Quantity
        Edges of the rings, ascending; the first may be zero.
    exposure : ExposureMap, optional
        Seconds on the same pixels; without it EXPOSURE of the image for every pixel.
    background : RegionSet, str, path, Image or float, optional
        Region whose surface brightness is subtracted; an image of the counts expected; or a surface brightness
        (count/s/arcmin²).
    exclude : RegionSet, str, path, SourceList or bool[ny, nx], optional
        What is left out (of rings and background): regions, or True for pixels that count not.
    min_exposure : float
        Pixels with less than this fraction of the longest exposure are left out.

    Returns
    -------
    RadialProfile
        A pixel belongs to the ring that its centre lies in. The surface brightness of a ring is Σ counts / Σ t Ω over
        its exposed pixels of exposure t and area Ω; errors are √counts, with that of the background in quadrature.

    Raises
    ------
    DataError
        If the radii do not ascend, no ring has an exposed pixel, or the pixels of the exposure map differ.
    RegionError
        If a region lies outside the image.
    UnitError
        For radii without a unit.
    """
    counts_image = image.image if isinstance(image, RateMap) else image
    seconds = _seconds(image, counts_image, exposure)
    edges = np.atleast_1d(to_arcsec(radii, "radii")).astype(float)
    if len(edges) < 2 or not (np.diff(edges) > 0).all() or edges[0] < 0:
        raise DataError(
            "the radii do not ascend", cure="Give the edges of the rings, e.g. np.arange(0, 181, 10)*u.arcsec."
        )
    used = seconds > min_exposure * seconds.max() if seconds.max() > 0 else np.zeros(seconds.shape, bool)
    if exclude is not None:
        used &= ~_excluded(counts_image, exclude)
    counts = np.nan_to_num(np.asarray(counts_image.data, float))
    scale = counts_image.pixel_scale_deg * 3600.0
    x, y = counts_image.pixel(center)
    ny, nx = counts.shape
    distance = scale * np.hypot(np.arange(1, nx + 1)[None, :] - x, np.arange(1, ny + 1)[:, None] - y)
    ring = np.searchsorted(edges, distance, side="right") - 1
    number = len(edges) - 1
    inside = used & (ring >= 0) & (ring < number)
    if not inside.any():
        raise DataError(
            "no exposed pixel lies in the rings",
            file=counts_image.path,
            cure="Check centre, radii, exposure map and what is excluded.",
        )
    which = ring[inside]
    pixel = (scale / 60.0) ** 2

    def total(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.bincount(which, weights=values[inside], minlength=number).astype(float)

    pixels = np.bincount(which, minlength=number)
    time = total(seconds)
    mean = np.divide(time, pixels, out=np.zeros(number), where=pixels > 0)
    level, level_error = np.zeros(number), np.zeros(number)
    if isinstance(background, Image):
        check_same_pixels(counts_image, background, "background image")
        expected = total(np.nan_to_num(np.asarray(background.data, float)))
        level = np.divide(expected, time * pixel, out=np.zeros(number), where=time > 0)
    elif background is not None:
        one, its_error = _level(counts_image, counts, seconds, used, background, pixel)
        level, level_error = np.full(number, one), np.full(number, its_error)
    ra, dec = counts_image.position(x, y)
    header = fits.Header()
    for key in ("TELESCOP", "INSTRUME", "OBS_ID", "OBJECT", "E_MIN", "E_MAX"):
        if key in counts_image.header:
            header.set(key, counts_image.header[key])
    return RadialProfile(
        r_in=edges[:-1],
        r_out=edges[1:],
        counts=total(counts),
        area=np.asarray(pixels * pixel, dtype=float),
        exposure=mean,
        background=level,
        background_error=level_error,
        center=(float(ra), float(dec)),
        header=header,
    )


def _seconds(image: Image | RateMap, counts: Image, exposure: Image | None) -> NDArray[np.float64]:
    """Exposure of every pixel, s."""
    given = image.exposure if isinstance(image, RateMap) else exposure
    if isinstance(given, Image):
        check_same_pixels(counts, given, "exposure map")
        return np.nan_to_num(np.asarray(given.data, float))
    return np.full(counts.shape, float(counts.exposure or 1.0))


def _excluded(image: Image, exclude: Any) -> NDArray[np.bool_]:
    """Pixels that are left out."""
    if isinstance(exclude, np.ndarray):
        if exclude.dtype != bool or exclude.shape != image.shape:
            raise DataError(f"the mask is {exclude.dtype} of {exclude.shape} pixels, the image has {image.shape}")
        return exclude
    if isinstance(exclude, SourceList):
        exclude = list(exclude.regions().values())
    several = exclude if isinstance(exclude, (list, tuple)) else [exclude]
    out = np.zeros(image.shape, bool)
    for region in several:
        out |= image.mask(region)
    return out


def _level(
    image: Image, counts: NDArray[Any], seconds: NDArray[Any], used: NDArray[np.bool_], background: Any, pixel: float
) -> tuple[float, float]:
    """Surface brightness of the background and its error, count/s/arcmin²."""
    if isinstance(background, (int, float)) and not is_quantity(background):
        return float(background), 0.0
    inside = used & image.mask(background)
    time = float(seconds[inside].sum()) * pixel
    if not time > 0:
        raise DataError(
            "the background region has no exposed pixel", file=image.path, cure="Choose a region inside the field."
        )
    number = float(counts[inside].sum())
    return number / time, float(np.sqrt(max(number, 1.0))) / time
