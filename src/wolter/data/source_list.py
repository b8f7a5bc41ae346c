"""The list of sources found on an image."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter._accessor import Figures
from wolter.errors import DataError, OutputError

if TYPE_CHECKING:
    from wolter.data._tables import Listing
    from wolter.data.image import Image
    from wolter.sky import RegionSet

__all__ = ["SourceList"]

COLUMNS: dict[str, tuple[str, str]] = {
    "ra": ("deg", "right ascension (FK5)"),
    "dec": ("deg", "declination (FK5)"),
    "x": ("pixel", "image pixel, the first is 1"),
    "y": ("pixel", "image pixel, the first is 1"),
    "error_radius": ("arcsec", "radius of 90 % probability, statistical only"),
    "radius": ("arcsec", "radius in which counts were taken"),
    "counts": ("count", "counts inside the radius"),
    "background": ("count", "of these expected from the background"),
    "net_counts": ("count", "counts less background"),
    "net_error": ("count", "its standard deviation"),
    "exposure": ("s", "mean exposure inside the radius"),
    "fraction": ("", "fraction of the source's photons inside the radius and on exposed pixels"),
    "vignetting": ("", "vignetting at the source that the exposure does not contain"),
    "rate": ("count/s", "rate of the source on axis, corrected for fraction and vignetting"),
    "rate_error": ("count/s", "its standard deviation"),
    "significance": ("", "of the excess over the background, Gaussian standard deviations"),
    "snr": ("", "net counts over their standard deviation"),
    "probability": ("", "that the background alone gives as many counts in the radius"),
}

_FORMATS = {"ra": ".5f", "dec": ".5f", "x": ".2f", "y": ".2f", "counts": ".0f", "probability": ".2g"}


@dataclass(eq=False, kw_only=True, repr=False)
class SourceList:
    """Sources found on an image, most significant first.

    Attributes
    ----------
    columns : dict of str to float64[n]
        ra, dec (deg), x, y (pixels from 1), error_radius, radius (arcsec), counts, background, net_counts, net_error,
        exposure (s), fraction, vignetting, rate, rate_error (count/s), significance, snr, probability.
    background : float64[ny, nx]
        Counts per pixel expected from the background.
    image : Image
        Where they were found.
    header : Header
        Threshold and scales of the search.
    """

    plot: ClassVar[Figures] = Figures("detections")

    columns: dict[str, NDArray[np.float64]]
    background: NDArray[np.float64]
    image: Image
    header: fits.Header = field(default_factory=fits.Header)

    def __len__(self) -> int:
        return len(self.columns["ra"])

    def __getitem__(self, key: Any) -> Any:
        """A column by its name, or one source (dict) by its number."""
        if isinstance(key, str):
            return self.columns[key]
        return {name: float(values[key]) for name, values in self.columns.items()}

    def __repr__(self) -> str:
        return self._listing().text()

    def _repr_html_(self) -> str:
        return self._listing().html()

    def _listing(self) -> Listing:
        """The columns that are looked at first; `to_table` has all."""
        from wolter.data._tables import Listing

        heads = (
            "number",
            "ra/deg",
            "dec/deg",
            "error/arcsec",
            "counts",
            "net counts",
            "rate/(count/s)",
            "significance",
        )
        rows = []
        for k in range(len(self)):
            one = self[k]
            values = [f"{one['ra']:.5f}", f"{one['dec']:+.5f}", f"{one['error_radius']:.1f}", f"{one['counts']:.0f}"]
            values.append(f"{one['net_counts']:.1f} +- {one['net_error']:.1f}")
            values.append(f"{one['rate']:.3g} +- {one['rate_error']:.1g}")
            rows.append([str(k + 1), *values, f"{one['significance']:.1f}"])
        title = f"SourceList: {len(self)} source{'' if len(self) == 1 else 's'}"
        return Listing(heads, rows, title=title)

    def position(self, number: int) -> tuple[Any, Any]:
        """Right ascension and declination (Quantity) of one source, to be given to `wolter.circle` and others."""
        from astropy import units as u

        one = self[number]
        return one["ra"] * u.deg, one["dec"] * u.deg

    def nearest(self, position: Any) -> int:
        """Number (from zero) of the source nearest to a position (as for `wolter.circle`).

        Raises
        ------
        DataError
            If the list is empty.
        """
        from wolter.sky import parse_position, separation

        if not len(self):
            raise DataError("no source was found", cure="Lower the threshold.")
        ra, dec = parse_position(position)
        return int(np.argmin(separation(self["ra"], self["dec"], ra, dec)))

    def to_table(self) -> Any:
        """astropy Table of the sources, with units."""
        from astropy.table import Column, Table

        table = Table([np.arange(1, len(self) + 1)], names=["number"], meta=dict(self.header.items()))
        for name, values in self.columns.items():
            unit, comment = COLUMNS[name]
            shown = _FORMATS.get(name, ".5g")
            table.add_column(Column(values, name=name, unit=unit or None, description=comment, format=shown))
        return table

    def regions(self) -> dict[str, RegionSet]:
        """Circles on the sky by number of the source."""
        from wolter.sky import parse_regions

        return {str(k + 1): parse_regions(self._circle(k), name=f"source {k + 1}") for k in range(len(self))}

    def _circle(self, k: int) -> str:
        ra, dec, radius = (self.columns[n][k] for n in ("ra", "dec", "radius"))
        return f'fk5;circle({ra:.7f},{dec:.7f},{radius:.3f}")'

    def to_ds9(self) -> str:
        """DS9 region file with a circle for each source, labelled with its number."""
        lines = ["# Region file format: DS9", "fk5"]
        lines += [f"{self._circle(k)[4:]} # text={{{k + 1}}}" for k in range(len(self))]
        return "\n".join(lines) + "\n"

    def write(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the list: DS9 regions for ``.reg``, else a FITS table SOURCES.

        Raises
        ------
        OutputError
            If the file exists or cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() == ".reg":
            with fits.atomic_path(path, overwrite=overwrite) as temporary:
                temporary.write_text(self.to_ds9(), encoding="ascii")
            return path
        if path.suffix.lower() in (".csv", ".txt", ".ecsv"):
            raise OutputError(
                f"a list of sources is not written as {path.suffix}",
                file=path,
                cure="Use .fits or .reg, or to_table().write(...) of astropy.",
            )
        units = {name: unit for name, (unit, _) in COLUMNS.items() if unit}
        table = fits.new_table("SOURCES", self.columns, units=units, header=self.header)
        fits.write(path, [fits.primary(), table], overwrite=overwrite)
        return path
