"""Sources without extent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from wolter.sources.matching import POINTLIKE
from wolter.sources.source import Source

if TYPE_CHECKING:
    from wolter.sources.library import Library

__all__ = ["PointSource"]


class PointSource(Source):
    """A source without extent; detections listed as pointlike can be it.

    Parameters
    ----------
    position, library
        As for `Source`.
    radius : Quantity, optional
        Called "point"; its peak is looked for within it, or within 30 arcsec without one.
    **options
        As for `Source`.
    """

    colors: ClassVar[frozenset[str]] = POINTLIKE

    def __init__(self, position: Any, library: Library, *, radius: Any = None, **options: Any) -> None:
        super().__init__(position, library, **options)
        if radius is not None:
            self.radii["point"] = self.scale.angle(radius)
            if options.get("search") is None:
                self.search_radius = self.radii["point"]

    def _usual_search(self) -> float:
        return 30.0 / 3600.0
