"""A spectrum file whose flags are changed and all else is kept: what grppha and ftgrouppha write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter.data.rmf import keyword
from wolter.data.spectrum_io import is_spectrum
from wolter.errors import DataError

__all__ = ["PhaTable"]

_ORDER = ("SPEC_NUM", "CHANNEL", "COUNTS", "RATE", "STAT_ERR", "SYS_ERR", "QUALITY", "GROUPING")
_COMMENTS = {
    "QUALITY": "Quality flag of this channel (0=good)",
    "GROUPING": "Grouping flag of this channel",
    "SYS_ERR": "Fractional systematic error",
}


@dataclass
class PhaTable:
    """Channels and flags of the SPECTRUM extension of an open file (type I).

    Attributes
    ----------
    file : FitsFile
    table : TableHDU
    channel : int64[n]
        Channel numbers in file order.
    values : float64[n]
        COUNTS or RATE.
    quality, grouping : int16[n]
        Flags; all zero where the file has none.
    sys_err : float64[n]
    header : Header
        A copy, to be changed.
    """

    file: fits.FitsFile
    table: fits.TableHDU
    channel: NDArray[np.int64]
    values: NDArray[np.float64]
    is_rate: bool
    quality: NDArray[np.int16]
    grouping: NDArray[np.int16]
    sys_err: NDArray[np.float64]
    header: fits.Header

    @classmethod
    def of(cls, file: fits.FitsFile) -> PhaTable:
        """Flags of the spectrum of an open file.

        Raises
        ------
        DataError
            If it has none, or several (type II).
        """
        name = file.filename
        found: Any = file.hdu if name.ext is not None else None
        if found is None:
            tables = [h for h in file.hdus if isinstance(h, fits.TableHDU) and is_spectrum(h.header)]
            found = next((h for h in tables if h.name.upper() == "SPECTRUM"), tables[0] if tables else None)
        if not isinstance(found, fits.TableHDU):
            raise DataError(
                f"there is no SPECTRUM extension; the file has {', '.join(h.label for h in file.hdus)}", file=file.path
            )
        main = next((c for c in ("COUNTS", "RATE") if c in found), None)
        if main is None or "CHANNEL" not in found:
            raise DataError(
                f"there is no column CHANNEL, or neither COUNTS nor RATE; the table has {', '.join(found.columns)}",
                file=file.path,
                hdu=found.label,
            )
        values = np.asarray(found.read(main), dtype=float)
        if values.ndim != 1 or keyword(found.header, "HDUCLAS4").upper() == "TYPE:II":
            raise DataError(
                "the file holds several spectra (type II)",
                file=file.path,
                hdu=found.label,
                cure="Split it first: Spectrum.read('file{1}').write('one.pha').",
            )

        def flags(key: str, kind: Any) -> NDArray[Any]:
            if key in found:
                return np.array(found.read(key), dtype=kind)
            got = found.header.get(key, 0)
            return np.full(len(values), got if isinstance(got, (int, float)) else 0, dtype=kind)

        return cls(
            file,
            found,
            np.asarray(found.read("CHANNEL"), dtype=np.int64),
            values,
            main == "RATE",
            flags("QUALITY", np.int16),
            flags("GROUPING", np.int16),
            flags("SYS_ERR", np.float64),
            found.header.without_structure(),
        )

    def __len__(self) -> int:
        return len(self.channel)

    @property
    def counts(self) -> NDArray[np.float64]:
        """float64[n]: counts; rate times exposure, not rounded, where the file holds rates."""
        if not self.is_rate:
            return self.values
        exposure = self.header.number("EXPOSURE", 0.0)
        if exposure <= 0:
            raise DataError(f"EXPOSURE is {exposure:g} s", file=self.file.path, hdu=self.table.label)
        return self.values * exposure

    def positions(self, low: int, high: int) -> NDArray[np.intp]:
        """Positions of the channels with numbers from `low` to `high`."""
        return np.flatnonzero((self.channel >= low) & (self.channel <= high))

    def write(
        self,
        path: Path,
        *,
        overwrite: bool,
        with_quality: bool,
        with_grouping: bool,
        history: str,
        provenance: fits.Provenance,
    ) -> None:
        """Write the file with the flags as they are now; the other HDUs are copied."""
        data: dict[str, Any] = {}
        columns: dict[str, fits.Column] = {}
        for name in self.table.columns:
            if name.upper() not in ("QUALITY", "GROUPING", "SYS_ERR"):
                data[name] = self.table.read(name)
                columns[name] = self.table.columns[name]
        flags: Mapping[str, tuple[bool, NDArray[Any], str]] = {
            "SYS_ERR": (bool(self.sys_err.any()), self.sys_err.astype("f4"), "E"),
            "QUALITY": (with_quality, self.quality, "I"),
            "GROUPING": (with_grouping, self.grouping, "I"),
        }
        header = self.header.copy()
        for key, (wanted, values, form) in flags.items():
            header.remove(key)
            if wanted:
                data[key] = values
                columns[key] = fits.Column(key, form, comment=_COMMENTS[key])
            else:
                header.set(key, 0, _COMMENTS[key].replace(" of this channel", ""))
        place = {name: i for i, name in enumerate(_ORDER)}
        names = sorted(data, key=lambda n: place.get(n.upper(), len(_ORDER)))
        header.add_history(history)
        made = fits.new_table(
            self.table.name, {n: data[n] for n in names}, columns={n: columns[n] for n in names}, header=header
        )
        hdus = [made if hdu is self.table else hdu for hdu in self.file.hdus]
        fits.write(path, hdus, overwrite=overwrite, provenance=provenance)
