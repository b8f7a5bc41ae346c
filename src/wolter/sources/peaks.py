"""The brightest pixel of a rate map, and the brightest one within its largest group of bright pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wolter.errors import DataError

__all__ = ["Peak", "hierarchical_peak", "simple_peak"]


@dataclass(frozen=True)
class Peak:
    """A peak of an image.

    Attributes
    ----------
    x, y : int
        Column and row, counted from 0.
    value : float
        Value of the pixel.
    members : ndarray[n, 2] of int
        Row and column of the pixels of the group that the peak belongs to; empty for a simple peak.
    groups : int
        Number of groups that were found; 0 for a simple peak.
    """

    x: int
    y: int
    value: float
    members: NDArray[np.intp]
    groups: int = 0


def _masked(data: ArrayLike, masks: tuple[ArrayLike | None, ...]) -> NDArray[np.float64]:
    values = np.array(data, dtype=float)
    if values.ndim != 2:
        raise DataError(f"a peak is looked for in an image, this array has {values.ndim} axes")
    for mask in masks:
        if mask is None:
            continue
        if np.shape(mask) != values.shape:
            raise DataError(f"the mask has the shape {np.shape(mask)}, the image {values.shape}")
        values *= np.asarray(mask, dtype=bool)
    values[~np.isfinite(values)] = 0.0
    if not np.any(values):
        raise DataError(
            "there is nothing but zeros where a peak is looked for",
            cure="Check that the source lies in the field and that the mask leaves some of it.",
        )
    return values


def simple_peak(data: ArrayLike, *masks: ArrayLike | None) -> Peak:
    """Brightest pixel, the first one in row order if several are equal.

    Parameters
    ----------
    data : array[ny, nx]
        Rate map.
    *masks : array[ny, nx], optional
        Where to look (all masks must be true).

    Raises
    ------
    DataError
        If nothing is left to look at.
    """
    values = _masked(data, masks)
    y, x = np.unravel_index(int(np.argmax(values)), values.shape)
    return Peak(int(x), int(y), float(values[y, x]), np.empty((0, 2), np.intp))


def hierarchical_peak(data: ArrayLike, *masks: ArrayLike | None, fraction: float = 0.05, distance: float = 5.0) -> Peak:
    """Brightest pixel of the largest group among the brightest pixels.

    The brightest `fraction` of the pixels that are not zero are joined into groups by single linkage: pixels of one
    group can be reached from each other by steps of no more than `distance` pixels. A lone bright pixel or a point
    source away from the extended emission so does not win. Of two groups of one size the brighter one is taken.

    Parameters
    ----------
    data : array[ny, nx]
        Rate map.
    *masks : array[ny, nx], optional
        Where to look (all masks must be true).
    fraction : float
        Part of the non-zero pixels that is grouped.
    distance : float
        Longest step, pixels.

    Raises
    ------
    DataError
        If fewer than two pixels remain to be grouped.
    """
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import KDTree

    values = _masked(data, masks)
    number = round(fraction * int(np.count_nonzero(values)))
    if number < 2:
        raise DataError(
            f"only {number} of the image's pixels would be grouped; a group needs two",
            cure="Look for a simple peak, or in a larger part of the image.",
        )
    # Among the pixels with a value only: partitioning an image that is mostly zeros is slow.
    flat = values.ravel()
    filled = np.flatnonzero(flat)
    brightest = filled[np.argpartition(flat[filled], -number)[-number:]]
    pixels = np.stack(np.unravel_index(brightest, values.shape), axis=1)
    # Cutting a single-linkage tree at a distance leaves the connected components of the graph of shorter steps.
    tree = KDTree(pixels.astype(float))
    steps = tree.sparse_distance_matrix(tree, distance, output_type="coo_matrix")
    found, group = connected_components(steps, directed=False)
    bright = np.full(found, -np.inf)
    np.maximum.at(bright, group, values[pixels[:, 0], pixels[:, 1]])
    largest = np.lexsort((bright, np.bincount(group)))[-1]
    members = pixels[group == largest]
    inside = np.zeros(values.shape, bool)
    inside[members[:, 0], members[:, 1]] = True
    y, x = np.unravel_index(int(np.argmax(np.where(inside, values, 0.0))), values.shape)
    return Peak(int(x), int(y), float(values[y, x]), members, int(found))
