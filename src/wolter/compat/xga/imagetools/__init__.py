"""XGA's helpers for images."""

from __future__ import annotations

from wolter.compat.xga.imagetools.misc import data_limits, edge_finder, pix_deg_scale, sky_deg_scale
from wolter.compat.xga.imagetools.profile import annular_mask

__all__ = ["annular_mask", "data_limits", "edge_finder", "pix_deg_scale", "sky_deg_scale"]


def __getattr__(name: str) -> object:
    if name in ("ann_radii", "radial_brightness", "pizza_brightness", "general_smooth", "smooth", "psf", "bin"):
        raise NotImplementedError(f"xga.imagetools.{name} is not available; see wolter.makers.radial_profile")
    raise AttributeError(f"module 'xga.imagetools' has no attribute {name!r}")
