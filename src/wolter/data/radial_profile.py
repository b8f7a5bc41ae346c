"""The radial profile: surface brightness in rings around a position."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter._accessor import Figures
from wolter.errors import DataError

__all__ = ["RadialProfile"]


@dataclass(eq=False, kw_only=True)
class RadialProfile:
    """Surface brightness in rings.

    Attributes
    ----------
    r_in, r_out : float64[n]
        Radii of the rings, arcsec.
    counts : float64[n]
        Counts on the pixels used.
    area : float64[n]
        Area of the exposed pixels used, arcmin².
    exposure : float64[n]
        Their mean exposure, s.
    background, background_error : float64[n]
        Background subtracted, count/s/arcmin².
    center : tuple of float
        Right ascension and declination, deg (FK5).
    header : Header
    path : Path or None
    """

    plot: ClassVar[Figures] = Figures("radial_profile", "encircled")

    r_in: NDArray[np.float64]
    r_out: NDArray[np.float64]
    counts: NDArray[np.float64]
    area: NDArray[np.float64]
    exposure: NDArray[np.float64]
    background: NDArray[np.float64]
    background_error: NDArray[np.float64]
    center: tuple[float, float] = (np.nan, np.nan)
    header: fits.Header = field(default_factory=fits.Header)
    path: Path | None = None

    def __len__(self) -> int:
        return len(self.r_in)

    def __repr__(self) -> str:
        return f"<RadialProfile: {len(self)} rings, {self.r_in[0]:g} to {self.r_out[-1]:g} arcsec>"

    @property
    def radius(self) -> NDArray[np.float64]:
        """float64[n]: middle of the rings, arcsec."""
        return 0.5 * (self.r_in + self.r_out)

    @property
    def _unit(self) -> NDArray[np.float64]:
        """s arcmin²: what counts are divided by; NaN for rings without exposed pixels."""
        product = self.area * self.exposure
        return np.where(product > 0, product, np.nan)

    @property
    def gross(self) -> NDArray[np.float64]:
        """float64[n]: surface brightness with background, count/s/arcmin²; NaN where nothing is exposed."""
        return self.counts / self._unit

    @property
    def gross_error(self) -> NDArray[np.float64]:
        """float64[n]: √counts (of one count for rings without any) over s arcmin²."""
        return np.sqrt(np.maximum(self.counts, 1.0)) / self._unit

    @property
    def value(self) -> NDArray[np.float64]:
        """float64[n]: surface brightness less background, count/s/arcmin²."""
        return self.gross - self.background

    @property
    def error(self) -> NDArray[np.float64]:
        """float64[n]: its standard deviation, that of the background included."""
        return np.hypot(self.gross_error, self.background_error)

    @property
    def full_area(self) -> NDArray[np.float64]:
        """float64[n]: geometrical area of the rings, arcmin²."""
        return np.pi * (self.r_out**2 - self.r_in**2) / 3600.0

    @property
    def cumulative(self) -> NDArray[np.float64]:
        """float64[n]: rate (count/s) inside each outer radius, unexposed parts filled with the mean of their ring."""
        return np.cumsum(np.nan_to_num(self.value * self.full_area))

    @property
    def encircled(self) -> NDArray[np.float64]:
        """float64[n]: fraction of the rate inside each outer radius; 1 at the last.

        Raises
        ------
        DataError
            If nothing is left above the background.
        """
        total = self.cumulative[-1]
        if not total > 0:
            raise DataError("there is nothing above the background", cure="Choose another background or other radii.")
        return self.cumulative / total

    @property
    def encircled_error(self) -> NDArray[np.float64]:
        """float64[n]: standard deviation of `encircled`: ring noise inside and outside, as for a binomial split."""
        variance = np.nan_to_num(self.gross_error * self.full_area) ** 2
        total = self.cumulative[-1]
        inside, share = np.cumsum(variance), self.encircled
        outside = inside[-1] - inside
        return np.sqrt((1 - share) ** 2 * inside + share**2 * outside) / total

    def radius_of(self, fraction: float) -> float:
        """Radius (arcsec) that holds a fraction of the rate, between rings linearly.

        Raises
        ------
        DataError
            If the fraction is not between 0 and 1.
        """
        if not 0 < fraction <= 1:
            raise DataError(f"the fraction is {fraction}; a number between 0 and 1 is meant")
        share = np.concatenate([[0.0], np.maximum.accumulate(self.encircled)])
        return float(np.interp(fraction, share, np.concatenate([[self.r_in[0]], self.r_out])))

    def to_table(self) -> Any:
        """astropy Table with units."""
        from astropy.table import Column, Table

        table = Table(meta={"RA": self.center[0], "DEC": self.center[1]})
        for name, unit in _COLUMNS.items():
            table.add_column(Column(getattr(self, name), name=name, unit=unit))
        return table

    def write(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write a FITS table PROFILE.

        Raises
        ------
        OutputError
            If the file exists or cannot be written.
        """
        header = self.header.copy()
        header.set("RA_CEN", self.center[0], "[deg] centre of the rings")
        header.set("DEC_CEN", self.center[1], "[deg] centre of the rings")
        data = {name: np.asarray(getattr(self, name)) for name in _COLUMNS}
        fits.write(
            path, [fits.primary(), fits.new_table("PROFILE", data, units=_COLUMNS, header=header)], overwrite=overwrite
        )
        return Path(path)

    @classmethod
    def read(cls, path: str | PathLike[str]) -> RadialProfile:
        """Profile of a file that `write` made."""
        with fits.open(path) as file:
            table = file.table("PROFILE")
            names = ("r_in", "r_out", "counts", "area", "exposure", "background", "background_error")
            data = {name: np.asarray(table.read(name), dtype=float) for name in names}
            header = table.header.without_structure()
        center = (float(header.get("RA_CEN", np.nan)), float(header.get("DEC_CEN", np.nan)))
        return cls(**data, center=center, header=header, path=Path(path))


_COLUMNS = {
    "r_in": "arcsec",
    "r_out": "arcsec",
    "counts": "count",
    "area": "arcmin2",
    "exposure": "s",
    "gross": "count / (s arcmin2)",
    "background": "count / (s arcmin2)",
    "background_error": "count / (s arcmin2)",
    "value": "count / (s arcmin2)",
    "error": "count / (s arcmin2)",
}
