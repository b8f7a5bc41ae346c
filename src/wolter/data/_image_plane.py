"""What images, exposure maps and rate maps share: pixels on the sky, positions, masks, parts."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter.data.image_grid import ImageGrid
from wolter.errors import DataError, RegionError
from wolter.units import to_deg

if TYPE_CHECKING:
    from wolter.sky import RegionSet, TanWCS

__all__ = ["ImagePlane"]


class ImagePlane:
    """Two axes of pixels with coordinates; the data of subclasses are ``data[ny, nx]``."""

    data: NDArray[Any]
    header: fits.Header
    path: Path | None

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        return self.data.shape[0], self.data.shape[1]

    @cached_property
    def wcs(self) -> TanWCS:
        """Relation of pixels (the first is 1) and sky."""
        from wolter.sky import TanWCS

        return TanWCS.from_image_header(self.header)  # type: ignore[arg-type]

    @cached_property
    def grid(self) -> ImageGrid:
        """The pixels, without the data: other images are made on the same ones."""
        return ImageGrid.from_header(self.header, self.shape)  # type: ignore[arg-type]

    @property
    def unit(self) -> str:
        """BUNIT."""
        return str(self.header.get("BUNIT", "") or "").strip()

    @property
    def pixel_scale_deg(self) -> float:
        """Side of a pixel, degrees.

        Raises
        ------
        DataError
            If the image has no coordinates on the sky.
        """
        self._need_sky()
        return self.wcs.pixel_scale_deg

    def _need_sky(self) -> None:
        try:
            _ = self.grid.sky
        except DataError as exc:
            raise DataError(exc.cause, file=self.path, cure=exc.cure) from None

    def pixel(self, position: Any, *, inside: bool = True) -> tuple[float, float]:
        """Image pixel of a position on the sky.

        Parameters
        ----------
        position : str, SkyCoord or pair of Quantity
            As for `wolter.circle`, e.g. ``"09:58:22.2 -11:03:35"``.
        inside : bool
            Whether a position outside the image is an error.

        Returns
        -------
        x, y : float
            Pixels; the centre of the first is (1, 1). The array element is ``data[round(y) - 1, round(x) - 1]``.

        Raises
        ------
        DataError
            If the image has no coordinates on the sky, or the position is outside.
        """
        from wolter.sky import parse_position

        self._need_sky()
        ra, dec = parse_position(position)
        x, y = self.wcs.sky_to_pixel(ra, dec, frame="fk5")
        ny, nx = self.shape
        if inside and not (0.5 <= x < nx + 0.5 and 0.5 <= y < ny + 0.5):
            centre = self.wcs.pixel_to_sky(0.5 * (nx + 1), 0.5 * (ny + 1), frame="fk5")
            raise DataError(
                f"the position {ra:.5f}, {dec:+.5f} deg is outside the image, "
                f"whose centre is {centre[0]:.5f}, {centre[1]:+.5f} deg (pixel {x:.1f}, {y:.1f} of {nx} x {ny})",
                file=self.path,
                cure="Check the position and that this is the image of its field.",
            )
        return float(x), float(y)

    def position(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Right ascension and declination (deg, fk5) of image pixels (the first is 1)."""
        self._need_sky()
        return self.wcs.pixel_to_sky(x, y, frame="fk5")

    def value_at(self, position: Any) -> float:
        """Value of the pixel that holds a position on the sky; errors as for `pixel`."""
        x, y = self.pixel(position)
        return float(self.data[int(np.floor(y - 0.5)), int(np.floor(x - 0.5))])

    def mask(self, region: RegionSet | Any) -> NDArray[np.bool_]:
        """Pixels whose centres lie inside a region.

        Parameters
        ----------
        region : RegionSet, str or path
            Region, region text or region file.

        Returns
        -------
        bool[ny, nx]

        Raises
        ------
        RegionError
            If the region lies outside the image; the message says where both are.
        """
        from wolter.sky import as_region

        pixels = as_region(region).to_pixel(self.wcs)
        ny, nx = self.shape
        try:
            pixels.check((1, nx, 1, ny))
        except RegionError as exc:
            raise RegionError(exc.cause, file=self.path, cure=exc.cure) from None
        return pixels.mask(nx, ny)

    def _window(self, where: Any, size: Any) -> tuple[int, int, int, int]:
        """First pixel (from 1) and size of a part: around a region, or around a position with a size."""
        ny, nx = self.shape
        if size is None:
            mask = self.mask(where)
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            return int(columns[0]) + 1, int(rows[0]) + 1, int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1
        x, y = self.pixel(where)
        if not isinstance(size, (tuple, list)) and np.ndim(getattr(size, "value", size)) == 0:
            size = (size, size)
        half = [0.5 * to_deg(s, "size") / self.wcs.pixel_scale_deg for s in size]
        x0, x1 = max(1, round(x - half[0])), min(nx, round(x + half[0]))
        y0, y1 = max(1, round(y - half[1])), min(ny, round(y + half[1]))
        if x1 < x0 or y1 < y0:
            raise DataError("the part asked for has no pixel", file=self.path)
        return x0, y0, x1 - x0 + 1, y1 - y0 + 1
