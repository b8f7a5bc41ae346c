"""Detector maps on the sky: exact gnomonic geometry, sampled by area.

Between two tangent planes, and between a tangent plane and the pixels of an image, the relation is a 3 x 3 matrix on
homogeneous coordinates (a homography): pixel (i, j) lies in the direction T (i, j, 1), and a detector frame with axes
u, v and boresight b sees a direction n at angles (u.n / b.n, v.n / b.n).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wolter.errors import DataError

if TYPE_CHECKING:
    from wolter.data import ImageGrid

__all__ = ["Window", "detector_to_pixel", "pixel_directions", "project", "shift_sum"]

Float = NDArray[np.float64]
_ARCSEC = np.pi / 180.0 / 3600.0


@dataclass(frozen=True)
class Window:
    """Part of an image, in zero-based pixels; it may reach beyond the image."""

    x0: int
    y0: int
    nx: int
    ny: int


def pixel_directions(grid: ImageGrid) -> Float:
    """Matrix T[3, 3]: direction (equatorial, not normalised) of zero-based image pixel (i, j) is T (i, j, 1).

    Raises
    ------
    DataError
        If the image has no sky coordinates, or they are not a tangential projection.
    """
    wcs = grid.sky

    def vector(i: float, j: float) -> Float:
        ra, dec = wcs.pixel_to_sky(i + 1.0, j + 1.0, frame="fk5")
        a, d = np.radians(float(ra)), np.radians(float(dec))
        return np.array([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)])

    tangent = vector(wcs.crpix[0] - 1.0, wcs.crpix[1] - 1.0)

    def plane(i: float, j: float) -> Float:
        n = vector(i, j)
        return n / (n @ tangent)

    ny, nx = grid.shape
    step = float(max(nx, ny))
    origin = plane(0, 0)
    matrix = np.stack([(plane(step, 0) - origin) / step, (plane(0, step) - origin) / step, origin], axis=1)
    scale = np.linalg.norm(matrix[:, 0])
    if wcs.projection != "TAN" or np.abs(matrix @ [step, step, 1] - plane(step, step)).max() > 1e-3 * scale:
        raise DataError(
            f"exposure maps are made on tangential projections, this image has {wcs.ctype[0]}, {wcs.ctype[1]}",
            cure="Make the image with RA---TAN, DEC--TAN.",
        )
    return matrix


def detector_to_pixel(
    directions: Float, frame: tuple[Float, Float, Float], to_angle: NDArray[Any] | None = None
) -> Float:
    """Matrix from image pixels (zero-based) to detector pixels (zero-based), homogeneous.

    Parameters
    ----------
    directions : ndarray[3, 3]
        Of `pixel_directions`.
    frame : tuple of ndarray[3]
        Unit vectors u, v, boresight of the detector frame.
    to_angle : ndarray[2, 3], optional
        Angles (u, v) in arcsec of detector pixel (x, y): ``to_angle @ (x, y, 1)``. Without it the result are angles
        (arcsec) themselves.
    """
    angles = np.diag([1 / _ARCSEC, 1 / _ARCSEC, 1.0]) @ np.stack(frame) @ directions
    if to_angle is None:
        return angles
    return np.linalg.inv(np.vstack([to_angle, [0.0, 0.0, 1.0]])) @ angles


def apply(matrix: Float, x: Any, y: Any) -> tuple[Any, Any]:
    """Map points by a homography."""
    w = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    return (
        (matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]) / w,
        (matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]) / w,
    )


def footprint(matrix: Float, shape: tuple[int, int]) -> tuple[float, float, float, float]:
    """Bounds (x0, x1, y0, y1) in image pixels of a detector of a shape (ny, nx)."""
    ny, nx = shape
    corner_x, corner_y = np.array([-0.5, nx - 0.5, -0.5, nx - 0.5]), np.array([-0.5, -0.5, ny - 0.5, ny - 0.5])
    x, y = apply(np.asarray(np.linalg.inv(matrix), np.float64), corner_x, corner_y)
    return float(x.min()), float(x.max()), float(y.min()), float(y.max())


def project(mask: NDArray[Any], matrix: Float, window: Window, *, samples: int | None = None) -> NDArray[np.float32]:
    """Mean of a detector map over each pixel of a window of an image.

    Parameters
    ----------
    mask : ndarray[ny, nx]
        Detector map; zero outside.
    matrix : ndarray[3, 3]
        Image pixel to detector pixel.
    window : Window
        Part of the image that is filled.
    samples : int, optional
        Sub-pixels per axis of the pixels that see more than one value of the map; by default so many that they are
        two thirds of a detector pixel or less, at least 4, and up to 24 while they cost no more than 4 for all.

    Returns
    -------
    ndarray[ny, nx] of float32
        Sub-pixels see the detector pixel they fall on: the area-weighted mean, in the limit. Pixels whose footprint
        sees one value have that value.
    """
    out = np.zeros((window.ny, window.nx), dtype=np.float32)
    x0, x1, y0, y1 = footprint(matrix, mask.shape)
    i0, i1 = max(window.x0, int(np.floor(x0))), min(window.x0 + window.nx - 1, int(np.ceil(x1)))
    j0, j1 = max(window.y0, int(np.floor(y0))), min(window.y0 + window.ny - 1, int(np.ceil(y1)))
    if i1 < i0 or j1 < j0:
        return out
    i, j = np.arange(i0, i1 + 1, dtype=np.float64)[None, :], np.arange(j0, j1 + 1, dtype=np.float64)[:, None]
    x, y = apply(matrix, i, j)
    # The derivative changes by a millionth over the field: one value serves every pixel.
    centre = (0.5 * (i0 + i1), 0.5 * (j0 + j1))
    ax, ay = (np.subtract(apply(matrix, centre[0] + 1, centre[1]), apply(matrix, *centre))).tolist()
    bx, by = (np.subtract(apply(matrix, centre[0], centre[1] + 1), apply(matrix, *centre))).tolist()
    padded = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), dtype=np.float32)
    padded[1:-1, 1:-1] = mask
    x, y = (x + 1.5).astype(np.float32), (y + 1.5).astype(np.float32)  # +1: the border, +1/2: rounding by truncation
    flat = padded.ravel()
    middle = _pixel(x, y, padded.shape)
    mixed = _varies(padded, 0.5 * (abs(ax) + abs(bx)), 0.5 * (abs(ay) + abs(by))).ravel().take(middle)
    seen = flat.take(middle)
    x, y = x[mixed], y[mixed]
    if samples is None:
        least = max(4, np.ceil(1.5 * max(np.hypot(ax, ay), np.hypot(bx, by))))
        samples = int(max(least, min(24.0, np.sqrt(16.0 * mixed.size / max(x.size, 1)))))
    total = np.zeros(x.shape, dtype=np.float32)
    offsets = (np.arange(samples) + 0.5) / samples - 0.5
    for q in offsets:
        for p in offsets:
            index = _pixel(x + np.float32(ax * p + bx * q), y + np.float32(ay * p + by * q), padded.shape)
            total += flat.take(index)
    seen[mixed] = total / samples**2
    out[j0 - window.y0 : j1 + 1 - window.y0, i0 - window.x0 : i1 + 1 - window.x0] = seen
    return out


def _pixel(x: NDArray[np.float32], y: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.int32]:
    """Flat index of the pixels on which points fall; points beyond the edge fall on the border."""
    row, column = np.clip(y, 0.0, shape[0] - 1.0).astype(np.int32), np.clip(x, 0.0, shape[1] - 1.0).astype(np.int32)
    return row * np.int32(shape[1]) + column


def _varies(values: NDArray[np.float32], half_x: float, half_y: float) -> NDArray[np.bool_]:
    """Whether a map has more than one value near each pixel: so far as the footprint of an image pixel reaches."""

    def extreme(pick: np.ufunc) -> NDArray[np.float32]:
        found = values
        for half in (half_y, half_x):  # rows, then by the transpose columns
            reach, size = int(np.ceil(half)), len(found)
            wide = np.pad(found, [(reach, reach), (0, 0)], mode="edge")
            found = wide[:size].copy()
            for k in range(1, 2 * reach + 1):
                pick(found, wide[k : k + size], out=found)
            found = found.T
        return found

    return extreme(np.minimum) != extreme(np.maximum)


def shift_sum(
    image: NDArray[np.float32], window: Window, shifts: Float, weights: Float, shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Sum of shifted copies of a map, on the pixels of an image.

    Parameters
    ----------
    image : ndarray
        Map of a window.
    window : Window
        Where it lies; it should reach beyond the image by the largest shift.
    shifts : ndarray[n, 2]
        Shift (x, y) of each copy, pixels.
    weights : ndarray[n]
        Weight of each copy.
    shape : tuple of int
        (ny, nx) of the image.

    Returns
    -------
    ndarray[ny, nx]
        Shifts are shared out among the four nearest whole ones; many of them are summed by Fourier transform.
    """
    kernel, low = _kernel(shifts, weights)
    ny, nx = shape
    if np.count_nonzero(kernel) <= 24:
        out = np.zeros(shape)
        for row, column in zip(*np.nonzero(kernel), strict=True):
            _add(out, image, window.x0 + low[0] + column, window.y0 + low[1] + row, float(kernel[row, column]))
        return out
    from scipy import fft

    size = [fft.next_fast_len(a + b - 1, real=True) for a, b in zip(image.shape, kernel.shape, strict=True)]
    product = np.asarray(fft.rfft2(image.astype(np.float64), size)) * np.asarray(fft.rfft2(kernel, size))
    full = np.asarray(fft.irfft2(product, size))[
        : image.shape[0] + len(kernel) - 1, : image.shape[1] + kernel.shape[1] - 1
    ]
    # Rounding of the transform, about 1e-16 of the largest value, is not exposure.
    full[np.abs(full) < 1e-9 * max(weights.sum(), 1e-300)] = 0.0
    out = np.zeros((ny, nx))
    _add(out, np.maximum(full, 0.0), window.x0 + low[0], window.y0 + low[1], 1.0)
    return out


def _kernel(shifts: Float, weights: Float) -> tuple[Float, tuple[int, int]]:
    """Weights on whole shifts [y, x], and the first of these (x, y)."""
    whole = np.floor(shifts).astype(int)
    part = shifts - whole
    low = whole.min(axis=0)
    size = whole.max(axis=0) - low + 2
    kernel = np.zeros((size[1], size[0]))
    for dx in (0, 1):
        for dy in (0, 1):
            share = np.where(dx, part[:, 0], 1 - part[:, 0]) * np.where(dy, part[:, 1], 1 - part[:, 1])
            np.add.at(kernel, (whole[:, 1] - low[1] + dy, whole[:, 0] - low[0] + dx), weights * share)
    return kernel, (int(low[0]), int(low[1]))


def _add(out: NDArray[Any], image: NDArray[Any], x0: int, y0: int, weight: float) -> None:
    """Add an image whose first pixel lies at (x0, y0)."""
    ny, nx = out.shape
    i0, i1 = max(0, x0), min(nx, x0 + image.shape[1])
    j0, j1 = max(0, y0), min(ny, y0 + image.shape[0])
    if i1 > i0 and j1 > j0:
        out[j0:j1, i0:i1] += weight * image[j0 - y0 : j1 - y0, i0 - x0 : i1 - x0]
