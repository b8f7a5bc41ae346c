"""Smoothing of images: with a Gaussian, or adaptively with discs that hold enough counts.

With an exposure map both numerator and denominator are smoothed, so that chip gaps and vignetting do not print through:
the result is Σ w counts / Σ w exposure (count/s). The adaptive kernel is the smallest disc around a pixel that holds a
number of counts (or reaches a signal to noise above the background), as in the literature on adaptive smoothing of
X-ray images (Ebeling, White & Rangarajan 2006, MNRAS 368, 65, whose top-hat case this is).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wolter.errors import DataError
from wolter.units import is_quantity, to_deg

if TYPE_CHECKING:
    from wolter.data._image_plane import ImagePlane

__all__ = ["DiscSums", "adaptive", "disc", "disc_sum", "gaussian", "pixels_of"]

_STEP = 1.19  # ratio of successive radii of the discs: the area grows by half


def pixels_of(plane: ImagePlane, value: Any, name: str) -> float:
    """A length in pixels: a bare number is one already, an angle is divided by the side of a pixel."""
    try:
        size = to_deg(value, name) / plane.pixel_scale_deg if is_quantity(value) else float(value)
    except (TypeError, ValueError):
        raise DataError(f"{name} is {value!r}", cure="Give a number of pixels, or an angle: 8*u.arcsec.") from None
    if not size > 0:
        raise DataError(f"{name} is {value}; a positive length is meant", file=plane.path)
    return size


def gaussian(
    counts: NDArray[Any], sigma: float, exposure: NDArray[Any] | None = None, *, outside: float = 0.0
) -> NDArray[np.float64]:
    """Image smoothed with a Gaussian.

    Parameters
    ----------
    counts : ndarray[ny, nx]
    sigma : float
        Standard deviation, pixels.
    exposure : ndarray[ny, nx], optional
        Seconds; the result is then a rate (count/s), `outside` where there is no exposure.

    Returns
    -------
    float64[ny, nx]
        Without exposure the sum of the counts stays (what the kernel carries over the edge is reflected back).
    """
    from scipy.ndimage import gaussian_filter

    top = gaussian_filter(np.nan_to_num(np.asarray(counts, float)), sigma, mode="reflect")
    if exposure is None:
        return top
    seconds = np.nan_to_num(np.asarray(exposure, float))
    below = gaussian_filter(seconds, sigma, mode="reflect")
    out = np.full(top.shape, float(outside))
    np.divide(top, below, out=out, where=(seconds > 0) & (below > 0))
    return out


def disc(radius: float) -> NDArray[np.bool_]:
    """Pixels whose centres lie within a radius of the central one."""
    n = int(np.floor(radius))
    y, x = np.mgrid[-n : n + 1, -n : n + 1]
    return x * x + y * y <= radius * radius


class DiscSums:
    """Sums over discs by Fourier transforms; the transform of the image is made once for all radii."""

    def __init__(self, data: NDArray[Any], largest: float) -> None:
        from scipy.fft import next_fast_len, rfft2

        self.shape = data.shape
        self.size = [next_fast_len(n + 2 * int(largest) + 1, real=True) for n in data.shape]
        self.forward: Any = rfft2(np.nan_to_num(np.asarray(data, float)), self.size)

    def sum(self, radius: float) -> NDArray[np.float64]:
        """Sum within the radius around every pixel."""
        from scipy.fft import irfft2, rfft2

        kernel = disc(radius).astype(float)
        n = kernel.shape[0] // 2
        turned: Any = rfft2(kernel, self.size)
        full = irfft2(self.forward * turned, self.size)
        return np.asarray(full)[n : n + self.shape[0], n : n + self.shape[1]]


def disc_sum(data: NDArray[Any], radius: float) -> NDArray[np.float64]:
    """Sum of the pixels within a radius around every pixel (nothing beyond the edges)."""
    return DiscSums(data, radius).sum(radius)


def adaptive(
    counts: NDArray[Any],
    exposure: NDArray[Any] | None = None,
    *,
    min_counts: float = 20.0,
    snr: float | None = None,
    background: NDArray[Any] | None = None,
    max_radius: float = 40.0,
    outside: float = 0.0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Image averaged, around each pixel, over the smallest disc with enough counts.

    Parameters
    ----------
    counts : ndarray[ny, nx]
    exposure : ndarray[ny, nx], optional
        Seconds; the result is then a rate (count/s).
    min_counts : float
        Counts a disc must hold.
    snr : float, optional
        Instead: (N − B)/√N that it must reach, with the background B.
    background : ndarray[ny, nx], optional
        Counts expected from the background.
    max_radius : float
        Largest radius (pixels); what is still too faint is averaged over it.

    Returns
    -------
    image, radius : float64[ny, nx]
        Mean counts per pixel (or rate) and radius of the disc, pixels; `outside` and 0 where there is no exposure.
    """
    counts = np.nan_to_num(np.asarray(counts, float))
    exposed = np.ones(counts.shape, bool) if exposure is None else np.nan_to_num(exposure) > 0
    weight = exposed.astype(float) if exposure is None else np.nan_to_num(np.asarray(exposure, float))
    radii = [0.0]
    while radii[-1] < max_radius:
        radii.append(min(max_radius, max(1.0, radii[-1] * _STEP)))
    above, below = DiscSums(counts * exposed, max_radius), DiscSums(weight, max_radius)
    behind = None if background is None else DiscSums(np.asarray(background, float) * exposed, max_radius)
    out = np.full(counts.shape, float(outside))
    size = np.zeros(counts.shape)
    open_ = exposed.copy()
    for radius in radii:
        number = np.maximum(above.sum(radius), 0.0)
        if snr is None:
            enough = number >= min_counts - 1e-6
        else:
            expected = 0.0 if behind is None else behind.sum(radius)
            enough = (number - expected) >= snr * np.sqrt(np.maximum(number, 1.0))
        now = open_ & (enough | (radius >= max_radius))
        if now.any():
            out[now] = number[now] / np.maximum(below.sum(radius)[now], 1e-30)
            size[now] = radius
            open_ &= ~now
        if not open_.any():
            break
    return out, size
