"""Masks of annuli."""

from __future__ import annotations

from typing import Any

import numpy as np

from wolter.sources.masks import pixel_annulus

__all__ = ["annular_mask"]


def annular_mask(
    centre: Any, inn_rad: Any, out_rad: Any, shape: tuple[int, int], start_ang: Any = None, stop_ang: Any = None
) -> np.ndarray:
    """Masks (0 and 1) of annuli around a pixel, one per pair of radii along the last axis.

    Parameters
    ----------
    centre : Quantity or sequence
        Column and row.
    inn_rad, out_rad : array
        Radii in pixels.
    shape : tuple
        (rows, columns).
    """
    if start_ang is not None or stop_ang is not None:
        raise NotImplementedError("sectors of annuli (start_ang, stop_ang) are not available")
    x, y = (float(v) for v in np.asarray(getattr(centre, "value", centre)))
    inner = np.atleast_1d(np.asarray(getattr(inn_rad, "value", inn_rad), float))
    outer = np.atleast_1d(np.asarray(getattr(out_rad, "value", out_rad), float))
    masks = np.stack([pixel_annulus(shape, x, y, o, i) for i, o in zip(inner, outer, strict=True)], axis=-1)
    return np.squeeze(masks.astype(int))


def __getattr__(name: str) -> Any:
    if name in ("ann_radii", "radial_brightness", "pizza_brightness"):
        raise NotImplementedError(f"xga.imagetools.profile.{name} is not available; see wolter.makers.radial_profile")
    raise AttributeError(f"module 'xga.imagetools.profile' has no attribute {name!r}")
