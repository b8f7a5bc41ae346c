"""Files of several spectra: type II of OGIP/92-007, one row a spectrum."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from wolter import fits
from wolter.data.rmf import keyword
from wolter.data.spectrum import Spectrum
from wolter.data.spectrum_writer import relative_name, spectrum_keywords
from wolter.errors import DataError

__all__ = ["read_type2", "write_type2"]

_FILES = ("respfile", "ancrfile", "backfile", "corrfile")


def write_type2(
    spectra: Iterable[Spectrum],
    path: str | PathLike[str],
    *,
    overwrite: bool = False,
    provenance: Any = None,
) -> Path:
    """Write spectra as the rows of one type II file.

    Columns: SPEC_NUM, ROWID, CHANNEL, COUNTS or RATE, STAT_ERR, SYS_ERR, QUALITY, GROUPING where any spectrum has them,
    EXPOSURE, AREASCAL, BACKSCAL, and the names of the files that belong to each. Keywords are those that all share.

    Parameters
    ----------
    spectra : iterable of Spectrum
        Of the same channels; all counts or all rates, with the same kind of errors.
    path : path-like
    overwrite : bool
    provenance : Provenance, optional

    Returns
    -------
    Path

    Raises
    ------
    DataError
        If there are none, or they cannot share a table.
    OutputError
        If the file exists or cannot be written.
    """
    parts = list(spectra)
    _check(parts)
    target = Path(path)
    first = parts[0]
    n = len(first)
    main = "RATE" if first.is_rate else "COUNTS"
    whole = all((s.values == np.rint(s.values)).all() for s in parts) and not first.is_rate
    data: dict[str, Any] = {
        "SPEC_NUM": np.arange(1, len(parts) + 1, dtype="i2"),
        "ROWID": np.array([s.name[:40] for s in parts]),
        "CHANNEL": np.array([s.channel for s in parts], dtype="i4"),
        main: np.array([s.values for s in parts]).astype("i4" if whole else "f4"),
    }
    columns = {
        "CHANNEL": fits.Column(
            "CHANNEL", f"{n}J", keywords={"TLMIN": first.first_channel, "TLMAX": first.first_channel + n - 1}
        ),
        main: fits.Column(
            main, f"{n}{'J' if whole else 'E'}", "count" if whole else "count/s" if first.is_rate else ""
        ),
    }
    if not first.poisson and first.stat_err is not None:
        data["STAT_ERR"] = np.array([s.stat_err for s in parts], dtype="f4")
    optional = {
        "SYS_ERR": ([s.sys_err for s in parts], 0.0, "f4"),
        "QUALITY": ([s.quality if s.quality.any() else None for s in parts], 0, "i2"),
        "GROUPING": ([s.grouping for s in parts], 1, "i2"),
    }
    for name, (values, fill, kind) in optional.items():
        if any(v is not None for v in values):
            data[name] = np.array([np.full(n, fill) if v is None else v for v in values], dtype=kind)
    data["EXPOSURE"] = np.array([s.exposure for s in parts])
    for name in ("areascal", "backscal"):
        values = [getattr(s, name) for s in parts]
        if any(np.ndim(v) for v in values):
            data[name.upper()] = np.array([np.broadcast_to(v, n) for v in values], dtype="f4")
        else:
            data[name.upper()] = np.array(values, dtype="f8")
    for name in _FILES:
        data[name.upper()] = np.array([relative_name(s, getattr(s, name), target) for s in parts])
    table = fits.new_table("SPECTRUM", data, columns=columns, header=_header(parts, data))
    fits.write(target, [fits.primary(), table], overwrite=overwrite, provenance=provenance)
    return target


def _check(parts: Sequence[Spectrum]) -> None:
    if not parts:
        raise DataError("there are no spectra to write")
    first = parts[0]
    for other in parts[1:]:
        if not np.array_equal(other.channel, first.channel):
            raise DataError(f"{first.name} and {other.name} have different channels", cure="Write two files.")
        if other.is_rate != first.is_rate or other.poisson != first.poisson:
            raise DataError(
                f"{first.name} and {other.name} differ in what they hold (counts or rates) or in their errors",
                cure="Write two files.",
            )


def _header(parts: Sequence[Spectrum], data: Any) -> fits.Header:
    """Keywords of the first spectrum that all share."""
    header = spectrum_keywords(parts[0], data)
    for key in ("TELESCOP", "INSTRUME", "DETNAM", "FILTER"):
        if key in parts[0].header:
            header.set(key, parts[0].header[key])
    for key in ("EXPOSURE", "RESPFILE", "ANCRFILE", "BACKFILE", "CORRFILE", "AREASCAL", "BACKSCAL", "TOTCTS"):
        header.remove(key)
    for other in parts[1:]:
        for key in list(header.keys()):
            if key.startswith(("HDU", "PHAV")) or key in ("HISTORY", "COMMENT", ""):
                continue
            if key in parts[0].header and other.header.get(key) != parts[0].header[key]:
                header.remove(key)
    header.set("HDUCLAS4", "TYPE:II", "several spectra, one a row")
    return header


def read_type2(path: str | PathLike[str], **options: Any) -> list[Spectrum]:
    """All spectra of a type II file.

    Parameters
    ----------
    path : path-like
    **options
        Of `Spectrum.read`.

    Returns
    -------
    list of Spectrum
        A file of one spectrum (type I) gives a list of one.
    """
    name = fits.parse_name(path)
    with fits.open(name) as file:
        found: Any = file.hdu if name.ext is not None else file.get("SPECTRUM")
        several = isinstance(found, fits.TableHDU) and (
            "SPEC_NUM" in found or keyword(found.header, "HDUCLAS4").upper() == "TYPE:II"
        )
        number = found.nrows if several else 0
    if not several or name.spectrum_row is not None:
        return [Spectrum.read(path, **options)]
    cache: dict[Any, Any] = options.pop("cache", None) or {}
    return [Spectrum.read(f"{path}{{{i}}}", cache=cache, **options) for i in range(1, number + 1)]
