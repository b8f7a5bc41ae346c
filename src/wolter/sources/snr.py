"""Signal to noise of a source against the background around it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wolter.errors import DataError
from wolter.sources.edges import sensor_mask

__all__ = ["net_counts", "signal_to_noise"]


def _regions(
    exposure: ArrayLike, source: ArrayLike, background: ArrayLike
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Any, Any]:
    """Source and background where exposed, and their areas in pixels."""
    exposed = sensor_mask(exposure)
    inside, around = np.asarray(source, bool) & exposed, np.asarray(background, bool) & exposed
    area, area_around = inside.sum((-2, -1)), around.sum((-2, -1))
    for name, pixels in (("source", area), ("background", area_around)):
        if np.any(pixels == 0):
            raise DataError(
                f"the {name} region holds no exposed pixel",
                cure="Use a smaller radius, or an observation whose field covers the region.",
            )
    return inside, around, area, area_around


def signal_to_noise(
    image: ArrayLike,
    exposure: ArrayLike,
    source: ArrayLike,
    background: ArrayLike,
    *,
    exposure_corrected: bool = True,
    allow_negative: bool = False,
) -> Any:
    """Background-subtracted signal over the Poisson noise of all counts in the source region.

    Parameters
    ----------
    image : array[..., ny, nx]
        Counts.
    exposure : array[..., ny, nx]
        Exposure map (s).
    source, background : bool array[..., ny, nx]
        Regions; unexposed pixels do not count.
    exposure_corrected : bool
        Subtract the background's mean rate times each pixel's exposure, instead of its counts scaled by the areas.
    allow_negative : bool
        Keep pixels that fall below zero when the background is taken off. Without it they become zero, as in XGA,
        which overstates faint sources: the noise is counted and not balanced.

    Returns
    -------
    ratio : float or array[...]
        ``sum(S) / sqrt(sum(N))`` with N the counts in the source region; the definition of XGA 1.0.0
        (Turner et al. 2022, MNRAS 517, 657). Zero where the region holds no counts.

    Raises
    ------
    DataError
        If one of the regions holds no exposed pixel.
    """
    counts, seconds = np.asarray(image, float), np.asarray(exposure, float)
    inside, around, area, area_around = _regions(seconds, source, background)
    total = np.where(inside, counts, 0.0).sum((-2, -1))
    if exposure_corrected:
        rate = np.divide(counts, seconds, out=np.zeros(np.broadcast(counts, seconds).shape), where=sensor_mask(seconds))
        level = np.where(around, rate, 0.0).sum((-2, -1)) / area_around
        net = np.where(inside, counts - np.asarray(level)[..., None, None] * seconds, 0.0)
        signal = (net if allow_negative else np.clip(net, 0.0, None)).sum((-2, -1))
    else:
        signal = total - np.where(around, counts, 0.0).sum((-2, -1)) * area / area_around
    out = np.divide(signal, np.sqrt(total), out=np.zeros(np.shape(signal)), where=np.asarray(total) > 0)
    return float(out) if np.ndim(out) == 0 else out


def net_counts(image: ArrayLike, exposure: ArrayLike, source: ArrayLike, background: ArrayLike) -> Any:
    """Counts in the source region less the background's, scaled by the numbers of exposed pixels.

    Parameters
    ----------
    image, exposure, source, background : arrays[..., ny, nx]
        As for `signal_to_noise`.
    """
    counts = np.asarray(image, float)
    inside, around, area, area_around = _regions(exposure, source, background)
    out = np.where(inside, counts, 0.0).sum((-2, -1))
    out = out - np.where(around, counts, 0.0).sum((-2, -1)) * area / area_around
    return float(out) if np.ndim(out) == 0 else out
