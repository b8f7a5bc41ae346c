"""XGA's helpers for images."""

from __future__ import annotations

from wolter.compat.xga.imagetools.misc import data_limits, edge_finder, pix_deg_scale, sky_deg_scale
from wolter.compat.xga.imagetools.profile import annular_mask

__all__ = ["annular_mask", "data_limits", "edge_finder", "pix_deg_scale", "sky_deg_scale"]
