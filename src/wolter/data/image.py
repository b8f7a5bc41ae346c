"""The image: counts or rates per sky pixel, with its coordinates."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter._accessor import Figures
from wolter.data._companions import companions
from wolter.data._image_plane import ImagePlane
from wolter.data.image_grid import moved_header
from wolter.errors import DataError

if TYPE_CHECKING:
    from wolter.gti import GTI

__all__ = ["COUNTS", "Image"]

COUNTS = ("count", "counts", "ct")  # units of counts, in small letters


@dataclass(eq=False, kw_only=True)
class Image(ImagePlane):
    """Two-dimensional image.

    Attributes
    ----------
    data : ndarray[ny, nx]
        Slowest axis (y) first; pixel (1, 1) of FITS is ``data[0, 0]``.
    header : Header
        Keywords, with the coordinates of the sky (CTYPEn ...) and of the columns it was made of (LTVn, LTMn_n).
    gti : GTI or None
    region : RegionSet, REGION table or None
        Region that the events were selected by.
    path : Path or None
    provenance : Provenance or None
        How the image was made; written with it.

    Raises
    ------
    DataError
        If the array has not two axes.
    """

    plot: ClassVar[Figures] = Figures("image")

    data: NDArray[Any]
    header: fits.Header = field(default_factory=fits.Header)
    gti: GTI | None = None
    region: Any = None
    path: Path | None = None
    provenance: fits.Provenance | None = None

    def __post_init__(self) -> None:
        self.data = np.asarray(self.data)
        if self.data.ndim != 2:
            raise DataError(f"an image has two axes, this array has {self.data.ndim}", file=self.path)

    @property
    def exposure(self) -> float | None:
        """s; None where the header has no EXPOSURE."""
        return self.header.number("EXPOSURE") if "EXPOSURE" in self.header else None

    @classmethod
    def read(cls, path: str | PathLike[str]) -> Self:
        """Image of a FITS file: the extension that the name asks for, else the first one with two axes.

        Raises
        ------
        DataError
            If there is no image.
        FitsError
            If the file cannot be read.
        """
        with fits.open(path) as file:
            if file.filename.ext is not None:
                candidates = [file.hdu]
            else:
                candidates = file.hdus
            for hdu in candidates:
                if isinstance(hdu, fits.ImageHDU) and _plane(hdu.shape):
                    data = hdu.read()
                    return cls(
                        data=data.reshape(data.shape[-2:]),
                        header=hdu.header.without_structure(),
                        gti=_good_times(file),
                        region=_region(file),
                        path=file.path,
                    )
            raise DataError(
                f"there is no image; the file has {', '.join(h.label for h in file.hdus)}",
                file=file.path,
                cure="Make one from the events, or name the extension: file[NAME].",
            )

    def write(self, path: str | PathLike[str], *, overwrite: bool = False, provenance: Any = None) -> Path:
        """Write a FITS file: the image in the primary HDU, good time intervals and region behind it.

        Raises
        ------
        OutputError
            If the file exists or cannot be written.
        """
        blocks = [fits.new_image(self.data, header=self.header), *companions(self.header, self.gti, self.region)]
        fits.write(path, blocks, overwrite=overwrite, provenance=provenance or self.provenance)
        return Path(path)

    def replaced(self, data: NDArray[Any], header: fits.Header | None = None, **changes: Any) -> Self:
        """The same image with other data (and header)."""
        header = self.header.copy() if header is None else header
        return replace(self, data=data, header=header, path=None, **changes)

    def cutout(self, where: Any, size: Any = None) -> Self:
        """Part of the image.

        Parameters
        ----------
        where : RegionSet, str or position
            A region, whose bounding box is taken; or with `size` a position as for `wolter.circle`.
        size : Quantity or pair of Quantity, optional
            Width and height around the position.

        Raises
        ------
        DataError, RegionError
            If it lies outside the image, or the image has no coordinates on the sky.
        """
        x, y, nx, ny = self._window(where, size)
        data = self.data[y - 1 : y - 1 + ny, x - 1 : x - 1 + nx].copy()
        return self.replaced(data, moved_header(self.header, x, y))

    def rebin(self, factor: int) -> Self:
        """Pixels put together by a whole factor; counts are added (an incomplete last row or column is left out).

        Raises
        ------
        DataError
            If nothing would be left.
        """
        ny, nx = self.shape
        if factor < 1 or int(factor) != factor or min(nx, ny) < factor:
            raise DataError(f"{nx} x {ny} pixels cannot be binned by {factor}", file=self.path)
        blocks = self.data[: ny // factor * factor, : nx // factor * factor]
        blocks = blocks.reshape(ny // factor, factor, nx // factor, factor)
        return self.replaced(self._combined(blocks), moved_header(self.header, 1, 1, factor))

    def smooth(
        self,
        sigma: Any = None,
        *,
        min_counts: float | None = None,
        snr: float | None = None,
        exposure: Image | None = None,
        max_radius: Any = 40.0,
    ) -> Image:
        """Image smoothed with a Gaussian, or adaptively.

        Parameters
        ----------
        sigma : float or Quantity, optional
            Standard deviation of the Gaussian, in pixels or as an angle.
        min_counts, snr : float, optional
            Adaptively instead: averages over the smallest disc around each pixel that holds so many counts, or reaches
            this signal to noise.
        exposure : ExposureMap, optional
            Divides: the result is in count/s, without the marks of gaps and edges.
        max_radius : float or Quantity
            Largest radius of a disc.

        Raises
        ------
        DataError
            If not exactly one of the three is given, or the pixels of the exposure map differ.
        """
        from wolter.data import smoothing

        if sum(v is not None for v in (sigma, min_counts, snr)) != 1:
            raise DataError("give one of sigma, min_counts and snr", file=self.path)
        difference = None if exposure is None else self.grid.difference(exposure.grid, tolerance=0.05)
        if difference is not None:
            raise DataError(f"the pixels of the exposure map differ: {difference}", file=self.path)
        seconds = None if exposure is None else exposure.data
        if sigma is not None:
            data = smoothing.gaussian(self.data, smoothing.pixels_of(self, sigma, "sigma"), seconds)
        else:
            largest = smoothing.pixels_of(self, max_radius, "max_radius")
            data, _ = smoothing.adaptive(self.data, seconds, min_counts=min_counts or 0.0, snr=snr, max_radius=largest)
        header = self.header.copy()
        if exposure is not None:
            header.set("BUNIT", "count/s", "counts per second and pixel")
        how = f"sigma={sigma}" if sigma is not None else f"min_counts={min_counts}" if snr is None else f"snr={snr}"
        header.add_history(f"smoothed with {how}")
        return Image(data=data, header=header, gti=self.gti, region=self.region)

    @staticmethod
    def _combined(blocks: NDArray[Any]) -> NDArray[Any]:
        """Value of blocks [ny, factor, nx, factor] of pixels."""
        return blocks.sum(axis=(1, 3), dtype=blocks.dtype if blocks.dtype.kind == "f" else np.int64)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {about(self)}, {self._content()}>"

    def _content(self) -> str:
        """What the pixels hold together, or at most."""
        data = np.nan_to_num(self.data)
        if not self.unit or self.unit.strip().lower() in COUNTS:
            return f"{data.sum():.10g} counts"
        return f"up to {data.max(initial=0):.4g} {self.unit}"


def about(image: Any) -> str:
    """Name or detector of an image, its band, and its size."""
    from wolter.data._tables import detector_of

    header = image.header
    words = [word for word in (image.path.name if image.path else "", detector_of(header)) if word]
    if header.get("E_MIN") is not None and header.get("E_MAX") is not None:
        ends = [f"{header[key]:g}" for key in ("E_MIN", "E_MAX")]
        words.append(f"{'-'.join(dict.fromkeys(ends))} keV")
    return f"{' '.join(words) or 'in memory'}: {image.shape[1]} x {image.shape[0]} pixels"


def _plane(shape: tuple[int, ...]) -> bool:
    """Whether these axes are one plane (leading axes of length one do not count)."""
    return len(shape) >= 2 and all(n == 1 for n in shape[:-2]) and 0 not in shape


def _good_times(file: fits.FitsFile) -> GTI | None:
    from wolter.gti import GTI, is_gti

    found = [h for h in file.hdus if is_gti(h)]
    return GTI.read(found[0], allow_empty=True) if found else None


def _region(file: fits.FitsFile) -> fits.TableHDU | None:
    for hdu in file.hdus:
        if isinstance(hdu, fits.TableHDU) and str(hdu.header.get("HDUCLAS1", "")).strip().upper() == "REGION":
            return hdu.select(np.arange(hdu.nrows))
    return None
