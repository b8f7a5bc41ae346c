"""The rate map: counts per second in each pixel."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter._accessor import Figures
from wolter.data._image_plane import ImagePlane
from wolter.data.exposure_map import ExposureMap
from wolter.data.image import Image
from wolter.errors import DataError

__all__ = ["RateMap", "check_same_origin", "check_same_pixels"]


class RateMap(ImagePlane):
    """Counts over exposure, pixel by pixel.

    Parameters
    ----------
    image : Image
        Counts.
    exposure : ExposureMap or Image
        Seconds, on the same pixels.
    background : Image, optional
        Counts expected from the background, on the same pixels; subtracted.
    outside : float
        Value of pixels without exposure.

    Attributes
    ----------
    data : float64[ny, nx]
        count/s.
    image : Image
    exposure : ExposureMap
    background : Image or None

    Raises
    ------
    DataError
        If the pixels of the images do not agree, no pixel is exposed, or observation, detector or energy band of image
        and map contradict each other.
    """

    plot: ClassVar[Figures] = Figures("image")

    def __init__(
        self,
        image: Image,
        exposure: ExposureMap | Image,
        *,
        background: Image | None = None,
        outside: float = 0.0,
    ) -> None:
        if not isinstance(exposure, ExposureMap):
            exposure = ExposureMap.of(exposure)
        check_same_pixels(image, exposure, "exposure map")
        if background is not None:
            check_same_pixels(image, background, "background image")
        check_same_origin(image, exposure)
        self.image = image
        self.exposure = exposure
        self.background = background
        self.outside = float(outside)
        self.path: Path | None = None
        exposed = exposure.exposed
        if not exposed.any():
            raise DataError(
                "no pixel of the exposure map is exposed", file=exposure.path, cure="Check how the map was made."
            )
        counts = np.asarray(image.data, dtype=float)
        if background is not None:
            counts = counts - background.data
        self.data: NDArray[np.float64] = np.full(image.shape, self.outside)
        np.divide(counts, exposure.data, out=self.data, where=exposed)
        self.header = image.header.copy()
        self.header.set("BUNIT", "count/s", "counts per second and pixel")
        self.header.set("CONTENT", "RATE MAP")

    @property
    def exposed(self) -> NDArray[np.bool_]:
        """bool[ny, nx]: pixels that saw the sky."""
        return self.exposure.exposed

    @property
    def error(self) -> NDArray[np.float64]:
        """float64[ny, nx]: √counts over exposure (count/s); `outside` where not exposed."""
        out = np.full(self.shape, self.outside)
        np.divide(np.sqrt(np.maximum(self.image.data, 0.0)), self.exposure.data, out=out, where=self.exposed)
        return out

    def rate_at(self, position: Any) -> float:
        """Rate (count/s) of the pixel that holds a position on the sky; errors as for `pixel`."""
        return self.value_at(position)

    def __repr__(self) -> str:
        from wolter.data.image import about

        longest = np.nan_to_num(self.exposure.data).max(initial=0)
        counts = np.nan_to_num(self.image.data).sum()
        return f"<RateMap {about(self.image)}, {counts:.10g} counts in up to {longest:.1f} s>"

    def cutout(self, where: Any, size: Any = None) -> RateMap:
        """Part of the map; see `Image.cutout`."""
        return self._like(lambda one: one.cutout(where, size))

    def rebin(self, factor: int) -> RateMap:
        """Pixels put together: counts are added, exposures averaged; see `Image.rebin`."""
        return self._like(lambda one: one.rebin(factor))

    def smooth(self, sigma: Any = None, **options: Any) -> Image:
        """Rates smoothed with a Gaussian or adaptively: counts and exposure are smoothed apart; see `Image.smooth`."""
        image = self.image
        if self.background is not None:
            image = image.replaced(image.data - self.background.data)
        return image.smooth(sigma, exposure=self.exposure, **options)

    def _like(self, change: Any) -> RateMap:
        background = None if self.background is None else change(self.background)
        return RateMap(change(self.image), change(self.exposure), background=background, outside=self.outside)

    @classmethod
    def read(cls, path: str | PathLike[str]) -> RateMap:
        """Rate map as `write` made it: rates with the extensions COUNTS and EXPOSURE (and BACKGROUND).

        Raises
        ------
        DataError
            If an extension is missing.
        """
        name = str(path)
        with fits.open(name) as file:
            present = {h.name.upper() for h in file.hdus}
            outside = float(file[0].header.get("OUTSIDE", 0.0))
        for needed in ("COUNTS", "EXPOSURE"):
            if needed not in present:
                raise DataError(
                    f"there is no extension {needed}, so the file is no rate map with its parts",
                    file=name,
                    cure="Make one of an image and an exposure map: RateMap(image, exposure).",
                )
        background = Image.read(f"{name}[BACKGROUND]") if "BACKGROUND" in present else None
        out = cls(
            Image.read(f"{name}[COUNTS]"),
            ExposureMap.read(f"{name}[EXPOSURE]"),
            background=background,
            outside=outside,
        )
        out.path = Path(path)
        return out

    def write(self, path: str | PathLike[str], *, overwrite: bool = False, provenance: Any = None) -> Path:
        """Write a FITS file: rates in the primary HDU, then counts, exposure and background.

        Raises
        ------
        OutputError
            If the file exists or cannot be written.
        """
        header = self.header.copy()
        if np.isfinite(self.outside):
            header.set("OUTSIDE", self.outside, "value where there is no exposure")
        blocks = [
            fits.new_image(self.data, header=header),
            fits.new_image(self.image.data, name="COUNTS", header=self.image.header),
            fits.new_image(self.exposure.data, name="EXPOSURE", header=self.exposure.header),
        ]
        if self.background is not None:
            blocks.append(fits.new_image(self.background.data, name="BACKGROUND", header=self.background.header))
        fits.write(path, blocks, overwrite=overwrite, provenance=provenance)
        return Path(path)


def check_same_pixels(image: Image, other: Image, what: str) -> None:
    """Whether another image has the pixels of an image.

    Raises
    ------
    DataError
        If it has not; `what` is what it is called.
    """
    difference = image.grid.difference(other.grid, tolerance=0.05)
    if difference is not None:
        raise DataError(
            f"the pixels of image and {what} do not agree: {difference}",
            file=other.path or image.path,
            cure="Make the map on the pixels of the image (like=image), or put both on one grid with mosaic().",
        )


def check_same_origin(image: Image, exposure: Image) -> None:
    """Whether an exposure map belongs to an image: observation, detector and energy band, where both tell.

    Raises
    ------
    DataError
        If it does not.
    """
    for key, what in (("OBS_ID", "observation"), ("INSTRUME", "detector")):
        mine, its = (str(x.header.get(key, "") or "").strip().upper() for x in (image, exposure))
        if mine and its and mine != its and "MERGED" not in (mine, its):
            raise DataError(
                f"the image is of {what} {mine}, the exposure map of {its}",
                file=exposure.path or image.path,
                cure=f"Use the map of the same {what}.",
            )
    band = getattr(exposure, "energy", None)
    if band is None or "E_MIN" not in image.header or "E_MAX" not in image.header:
        return
    low, high = image.header.number("E_MIN"), image.header.number("E_MAX")
    if band[1] < low or band[0] > high:
        raise DataError(
            f"the image is of {low:g}-{high:g} keV, the exposure map of {band[0]:g}-{band[1]:g} keV",
            file=exposure.path or image.path,
            cure="Make the map for the band of the image.",
        )
