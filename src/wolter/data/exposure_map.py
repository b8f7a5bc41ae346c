"""The exposure map: how long each pixel of an image saw the sky."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from wolter._accessor import Figures
from wolter.data.image import COUNTS, Image
from wolter.errors import DataError
from wolter.mission import mission_of

__all__ = ["ExposureMap"]


@dataclass(eq=False, kw_only=True, repr=False)
class ExposureMap(Image):
    """Exposure per pixel, s.

    An `Image` whose data are seconds: ``data[ny, nx]``, zero where the detector did not look. With vignetting they
    are the seconds on axis that would give as many counts.

    Raises
    ------
    DataError
        If the array has not two axes, or a value is negative.
    """

    plot: ClassVar[Figures] = Figures("image")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.data.dtype.kind in "iub":
            self.data = self.data.astype(np.float64)
        if np.any(self.data < 0):
            raise DataError("exposures are negative", file=self.path, cure="Check that this is an exposure map.")
        if not self.unit:
            self.header.set("BUNIT", "s", "seconds")

    @classmethod
    def read(cls, path: str | PathLike[str]) -> Self:
        """Read a map; see `Image.read`.

        Raises
        ------
        DataError
            Also if the header tells that these are counts.
        """
        return cls.of(Image.read(path))

    @classmethod
    def of(cls, image: Image) -> Self:
        """An image of seconds as a map.

        Raises
        ------
        DataError
            If its header tells that these are counts.
        """
        told = _counts(image)
        if told:
            raise DataError(
                f"this is no exposure map but an image of counts ({told})",
                file=image.path,
                cure="Give the map of its exposure (wolter expmap makes one).",
            )
        fields = {f.name: getattr(image, f.name) for f in dataclasses.fields(image) if f.init}
        return cls(**{**fields, "header": image.header.copy()})

    @property
    def energy(self) -> tuple[float, float] | None:
        """Energy band (keV) that vignetting and efficiency are taken for; None where the file does not say.

        From E_MIN and E_MAX, or from what the mission reads in its own maps' headers.
        """
        low, high = self.header.get("E_MIN"), self.header.get("E_MAX")
        if low is not None and high is not None:
            return float(low), float(high)
        role = mission_of(self.header).classify(self.path or Path("map"), [self.header])  # type: ignore[list-item]
        return None if role is None else role.energy

    @property
    def vignetted(self) -> bool:
        """Whether vignetting is applied: keyword VIGNAPP, or the command that made the map, kept in XPROC0."""
        value = self.header.get("VIGNAPP")
        if value is None:
            return re.search(r"\bwithvignetting=(yes|true)\b", str(self.header.get("XPROC0", ""))) is not None
        return value.strip().upper() in ("T", "TRUE", "YES") if isinstance(value, str) else bool(value)

    @property
    def exposed(self) -> NDArray[np.bool_]:
        """bool[ny, nx]: pixels that saw the sky."""
        return np.nan_to_num(self.data) > 0

    @classmethod
    def made(
        cls,
        data: NDArray[Any],
        header: Any,
        *,
        energy: tuple[float, float] | None = None,
        vignetted: bool = False,
        **fields: Any,
    ) -> ExposureMap:
        """Map with the keywords that say what it is: energy band (keV), vignetting, unit."""
        header = header.copy()
        header.set("BUNIT", "s", "seconds")
        header.set("VIGNAPP", bool(vignetted), "vignetting applied")
        if energy is not None:
            header.set("E_MIN", float(energy[0]), "[keV] lower end of the band")
            header.set("E_MAX", float(energy[1]), "[keV] upper end of the band")
        return cls(data=data, header=header, **fields)

    def _content(self) -> str:
        how = "with" if self.vignetted else "without"
        return f"up to {np.nan_to_num(self.data).max(initial=0):.1f} s, {how} vignetting"

    @staticmethod
    def _combined(blocks: NDArray[Any]) -> NDArray[Any]:
        """Exposure of blocks of pixels: their mean, since seconds are not shared out among pixels."""
        return blocks.mean(axis=(1, 3))


def _counts(image: Image) -> str:
    """What in the header tells that the pixels are counts; nothing if they may be seconds."""
    if image.unit:
        return f"BUNIT = {image.unit}" if image.unit.strip().lower() in COUNTS else ""
    kind = str(image.header.get("HDUCLAS2", "") or "").strip().upper()
    if kind in ("TOTAL", "ALL", "NET", "BKG"):
        return f"HDUCLAS2 = {kind}"
    return f"TOTCTS = {image.header['TOTCTS']}" if "TOTCTS" in image.header else ""
