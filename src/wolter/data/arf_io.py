"""Reading and writing effective areas (OGIP memo CAL/GEN/92-002)."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from wolter import fits
from wolter.data.arf import ARF
from wolter.data.rmf import keyword
from wolter.data.rmf_io import kev_factor
from wolter.errors import ResponseError

__all__ = ["is_area", "read_arf", "write_arf"]

_COLUMNS = ("ENERG_LO", "ENERG_HI", "SPECRESP")
_NAMES = ("SPECRESP", "MODSPECRESP")
_CM2 = {"": 1.0, "CM2": 1.0, "CM**2": 1.0, "CM^2": 1.0, "M2": 1e4, "M**2": 1e4, "M^2": 1e4}


def is_area(header: fits.Header) -> bool:
    """Whether a table's header announces an effective area or what is stored like one."""
    return keyword(header, "HDUCLAS2").upper() == "SPECRESP" or keyword(header, "EXTNAME").upper() in _NAMES


def read_arf(path: str | PathLike[str] | fits.FileName) -> ARF:
    """Read an effective area, modulation response or modulation factor.

    Parameters
    ----------
    path : path-like or FileName
        ``file{3}`` takes row 3 of a type II file (one effective area per row).

    Raises
    ------
    ResponseError
        If the extension or a column is missing, or values are NaN or negative.
    FitsError
        If the file cannot be read.
    """
    name = fits.parse_name(path)
    with fits.open(replace(name, spectrum_row=None)) as file:
        table = _area_table(file)
        if table is None:
            raise ResponseError(
                f"there is no SPECRESP extension; the file has {', '.join(h.label for h in file.hdus)}",
                file=file.path,
                cure="This is not an effective area; look for the file named in ANCRFILE.",
            )
        for column in _COLUMNS:
            if column not in table:
                raise ResponseError(
                    f"there is no column {column}; the table has {', '.join(table.columns)}",
                    file=file.path,
                    hdu=table.label,
                )
        data = {column: table.read(column).astype(float) for column in _COLUMNS}
        row = _row(data["SPECRESP"], file, name.spectrum_row)
        if row is not None:
            data = {column: value[row] if value.ndim > 1 else value for column, value in data.items()}
        unit = table.columns["SPECRESP"].unit.strip().upper().replace(" ", "")
        if unit not in _CM2:
            raise ResponseError(f"SPECRESP is in {unit!r}, not in cm**2", file=file.path, hdu=table.label)
        return ARF(
            data["ENERG_LO"] * kev_factor(table, "ENERG_LO"),
            data["ENERG_HI"] * kev_factor(table, "ENERG_HI"),
            data["SPECRESP"] * _CM2[unit],
            header=table.header.without_structure(),
            path=file.path,
        )


def _area_table(file: fits.FitsFile) -> fits.TableHDU | None:
    if file.filename.ext is not None:
        return file.hdu if isinstance(file.hdu, fits.TableHDU) else None
    return next((h for h in file if isinstance(h, fits.TableHDU) and is_area(h.header)), None)


def _row(area: np.ndarray, file: Any, number: int | None) -> int | None:
    """Row of a type II file, None for an ordinary one."""
    if area.ndim == 1:
        return None
    if number is None:
        raise ResponseError(
            f"the file holds {len(area)} effective areas, one per row",
            file=file.path,
            cure=f"Say which: {file.path.name}{{1}} to {file.path.name}{{{len(area)}}}.",
        )
    if not 1 <= number <= len(area):
        raise ResponseError(f"there is no row {number}; the file has {len(area)}", file=file.path)
    return number - 1


def write_arf(arf: ARF, path: str | PathLike[str], *, overwrite: bool = False, provenance: Any = None) -> Path:
    """Write an effective area or modulation response as an OGIP file (version 1.1.0), single precision.

    Raises
    ------
    OutputError
        If the file exists or cannot be written.
    """
    header = arf.header.copy()
    for key, value in (("TELESCOP", "UNKNOWN"), ("INSTRUME", "UNKNOWN"), ("FILTER", "NONE")):
        header.set(key, header.get(key) or value)
    header.update({"HDUCLASS": "OGIP", "HDUCLAS1": "RESPONSE", "HDUCLAS2": "SPECRESP", "HDUVERS": "1.1.0"})
    header.set("ARFVERSN", "1992a")
    if arf.kind != "SPECRESP":
        header.set("CCNM0001", arf.kind)
    table = fits.new_table(
        "SPECRESP",
        {
            "ENERG_LO": arf.energ_lo.astype("f4"),
            "ENERG_HI": arf.energ_hi.astype("f4"),
            "SPECRESP": arf.specresp.astype("f4"),
        },
        columns={
            "ENERG_LO": fits.Column("ENERG_LO", "E", "keV"),
            "ENERG_HI": fits.Column("ENERG_HI", "E", "keV"),
            "SPECRESP": fits.Column("SPECRESP", "E", "" if arf.kind == "MODFACT" else "cm**2"),
        },
        header=header,
    )
    fits.write(path, [fits.primary(), table], overwrite=overwrite, provenance=provenance)
    return Path(path)
