"""The image: counts or rates per sky pixel, with its coordinates."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter._accessor import Figures
from wolter.data._companions import companions
from wolter.errors import DataError

if TYPE_CHECKING:
    from wolter.gti import GTI
    from wolter.sky import TanWCS

__all__ = ["Image"]


@dataclass(eq=False, kw_only=True)
class Image:
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
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        return self.data.shape[0], self.data.shape[1]

    @cached_property
    def wcs(self) -> TanWCS:
        """Relation of pixels and sky."""
        from wolter.sky import TanWCS

        return TanWCS.from_image_header(self.header)  # type: ignore[arg-type]

    @property
    def exposure(self) -> float | None:
        """s; None where the header has no EXPOSURE."""
        return self.header.number("EXPOSURE") if "EXPOSURE" in self.header else None

    @property
    def unit(self) -> str:
        """BUNIT."""
        return str(self.header.get("BUNIT", "") or "").strip()

    @classmethod
    def read(cls, path: str | PathLike[str]) -> Image:
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

    def __repr__(self) -> str:
        name = self.path.name if self.path else "in memory"
        return f"<Image {name}: {self.shape[1]} x {self.shape[0]}>"


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
