"""The weighted map of a spectrum: how its events are spread over the region.

Response generators of extended sources weight with it. Pixels hold counts, -1 outside the region (the convention of the
standard extractor, version 2 of the map).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter.data.events import EventList
from wolter.data.image_grid import ImageGrid
from wolter.makers.image import ImageAccumulator, frame_columns, image_header

__all__ = ["WeightedMap"]

_MOST = 512  # pixels along a side; larger regions are binned


class WeightedMap:
    """Weighted map from the chunks of one pass.

    Parameters
    ----------
    events : EventList
        Selected events.
    frame : str
        Coordinates of the map: "sky", or another frame of the mission such as "det".
    binning : int, optional
        Column pixels per pixel of the map; by default as few as keep it within 512 pixels a side.
    """

    def __init__(self, events: EventList, frame: str = "sky", binning: int | None = None) -> None:
        self.events = events
        self.x, self.y = frame_columns(events, frame)
        self._cuts = [c for c in events.regions if (c.x, c.y) == (self.x, self.y)]
        box = self._box()
        side = max(box[1] - box[0], box[3] - box[2]) + 1
        self.binning = math.ceil(side / _MOST) if binning is None else int(binning)
        nulls = (events.columns[self.x].null, events.columns[self.y].null)
        self._fill = ImageAccumulator(self.x, self.y, ImageGrid.over(box, self.binning), null=nulls)

    def _box(self) -> tuple[int, int, int, int]:
        """Bounds of the map in column pixels: the region's box inside the plane."""
        from wolter.makers.image import plane_bounds

        plane = plane_bounds(self.events, self.x, self.y)
        for cut in self._cuts:
            low = [math.floor(v) for v in cut.pixels.bounding_box()[::2]]
            high = [math.ceil(v) for v in cut.pixels.bounding_box()[1::2]]
            box = (max(plane[0], low[0]), min(plane[1], high[0]), max(plane[2], low[1]), min(plane[3], high[1]))
            plane = box if box[1] > box[0] and box[3] > box[2] else plane
        return plane

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns needed of each selected event."""
        return self._fill.columns

    def add(self, part: Any) -> None:
        """Add the selected events of one chunk."""
        self._fill.add(part)

    def hdu(self, header: fits.Header) -> fits.ImageHDU:
        """The map as a primary HDU, with a copy of the spectrum's keywords."""
        grid = self._fill.grid
        counts = self._fill.image.astype(np.float32)
        ny, nx = grid.shape
        inside: NDArray[np.bool_] = np.ones(counts.shape, dtype=bool) if self._cuts else counts > 0
        for cut in self._cuts:
            inside &= cut.pixels.mask(nx, ny, x_first=grid.first[0], y_first=grid.first[1], binning=self.binning)
        counts[~inside & (counts == 0)] = -1
        out = image_header(self.events, self.x, self.y, grid, header.copy())
        pixels = self.events.region_area if self._cuts else None
        for key, value in {
            "HDUCLASS": "OGIP",
            "HDUCLAS1": "IMAGE",
            "HDUCLAS2": "WMAP",
            "CONTENT": "SPECTRUM",
            "WMREBIN": self.binning,
            "SKYBIN": self.binning,
            "WMAPFIX": True,
            "NPIXSOU": float(np.count_nonzero(inside)) if pixels is None else pixels / self.binning**2,
            "TOTCTS": int(self._fill.image.sum()),
        }.items():
            out.set(key, value)
        return fits.new_image(counts, header=out)
