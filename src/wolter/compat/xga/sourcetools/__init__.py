"""XGA's helpers for sources: lengths and angles, columns."""

from __future__ import annotations

from typing import Any

from wolter.compat.xga.sourcetools.misc import ang_to_rad, nh_lookup, rad_to_ang

__all__ = ["ang_to_rad", "nh_lookup", "rad_to_ang"]


def __getattr__(name: str) -> Any:
    if name in ("simple_xmm_match", "separation_match", "match", "deproj", "density", "mass", "stack", "temperature"):
        raise NotImplementedError(f"xga.sourcetools.{name} is not available; see wolter.sources.Library.covering")
    raise AttributeError(f"module 'xga.sourcetools' has no attribute {name!r}")
