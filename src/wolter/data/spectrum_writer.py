"""Writing spectra (OGIP/92-007 and 92-007a, type I)."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from wolter import fits
from wolter.data._companions import companions, observation_keywords
from wolter.data.rmf import keyword
from wolter.data.spectrum import Spectrum
from wolter.data.spectrum_io import COLUMN_KEYWORDS, XFLT, parse_xflt, split_name
from wolter.errors import WolterWarning

__all__ = ["relative_name", "spectrum_keywords", "write_spectrum"]

_STOKES = ("Ixx", "xQx", "xxU")


def write_spectrum(
    spectrum: Spectrum,
    path: str | PathLike[str],
    *,
    overwrite: bool = False,
    provenance: Any = None,
    primary: Any = None,
) -> Path:
    """Write a spectrum as an OGIP file of type I, with its GTI and region extensions.

    Columns: CHANNEL; COUNTS (integers where they are whole) or RATE; STAT_ERR unless POISSERR; SYS_ERR, QUALITY,
    GROUPING, AREASCAL, BACKSCAL where they differ between channels, else keywords.

    Parameters
    ----------
    spectrum : Spectrum
    path : path-like
    overwrite : bool
        Replace a file that is there.
    provenance : Provenance, optional
        By default what the spectrum itself knows of its making.
    primary : HDU, optional
        Primary HDU; by default the spectrum's weighted map, or an empty one.

    Returns
    -------
    Path

    Raises
    ------
    OutputError
        If the file exists or cannot be written.
    """
    target = Path(path)
    data, columns = _columns(spectrum)
    table = fits.new_table("SPECTRUM", data, columns=columns, header=spectrum_keywords(spectrum, data, target))
    if primary is None:
        primary = spectrum.wmap
    first = fits.primary(observation_keywords(table.header)) if primary is None else primary
    blocks = [first, table, *companions(table.header, spectrum.good_times, spectrum.source_region)]
    fits.write(target, blocks, overwrite=overwrite, provenance=provenance or spectrum.provenance)
    return target


def _columns(spectrum: Spectrum) -> tuple[dict[str, Any], dict[str, fits.Column]]:
    limits = {"TLMIN": spectrum.first_channel, "TLMAX": spectrum.first_channel + len(spectrum) - 1}
    unit = "count/s" if spectrum.is_rate else "count"
    data: dict[str, Any] = {"CHANNEL": spectrum.channel.astype("i4")}
    columns = {
        "CHANNEL": fits.Column(
            "CHANNEL", "J", keywords=limits, comment=f"{keyword(spectrum.header, 'CHANTYPE') or 'PI'} channel"
        )
    }
    values = spectrum.values
    if spectrum.is_rate:
        data["RATE"] = values.astype("f4")
        columns["RATE"] = fits.Column("RATE", "E", unit, comment="Counts per second per channel")
    else:
        whole = bool((values == np.rint(values)).all()) and bool((np.abs(values) < 2**31).all())
        data["COUNTS"] = values.astype("i4" if whole else "f4")
        columns["COUNTS"] = fits.Column("COUNTS", "J" if whole else "E", unit, comment="Counts per channel")
    if spectrum.stat_err is not None and not spectrum.poisson:
        data["STAT_ERR"] = spectrum.stat_err.astype("f4")
        columns["STAT_ERR"] = fits.Column("STAT_ERR", "E", unit, comment="Statistical error")
    if spectrum.sys_err is not None:
        data["SYS_ERR"] = spectrum.sys_err.astype("f4")
        columns["SYS_ERR"] = fits.Column("SYS_ERR", "E", comment="Fractional systematic error")
    if spectrum.quality.any():
        data["QUALITY"] = spectrum.quality
        columns["QUALITY"] = fits.Column("QUALITY", "I", comment="Quality flag of this channel (0=good)")
    if spectrum.grouping is not None:
        data["GROUPING"] = spectrum.grouping
        columns["GROUPING"] = fits.Column("GROUPING", "I", comment="Grouping flag of this channel")
    for name, value in (("AREASCAL", spectrum.areascal), ("BACKSCAL", spectrum.backscal)):
        if np.ndim(value):
            data[name] = np.asarray(value).astype("f4")
            columns[name] = fits.Column(name, "E")
    return data, columns


def spectrum_keywords(spectrum: Spectrum, data: Mapping[str, Any], target: Path | None = None) -> fits.Header:
    """Header of a SPECTRUM extension with these columns; names of files as seen from `target`."""
    target = Path() if target is None else target
    header = spectrum.header.without_structure()
    header.remove(*COLUMN_KEYWORDS)
    old = spectrum.header
    first: list[tuple[str, Any, str]] = [
        ("HDUCLASS", "OGIP", "format conforms to OGIP standard"),
        ("HDUCLAS1", "SPECTRUM", "PHA dataset"),
        ("HDUCLAS2", keyword(old, "HDUCLAS2") or "TOTAL", "gross, net or background"),
        ("HDUCLAS3", "RATE" if spectrum.is_rate else "COUNT", "PHA data stored as counts or rates"),
        ("HDUCLAS4", "TYPE:I", "single spectrum"),
        ("HDUVERS", "1.2.1", "version of format (OGIP/92-007a)"),
        ("PHAVERSN", "1992a", "obsolete"),
        ("TELESCOP", spectrum.telescop or "UNKNOWN", "telescope (mission) name"),
        ("INSTRUME", spectrum.instrume or "UNKNOWN", "instrument name"),
        ("FILTER", str(old.get("FILTER") or "NONE"), "filter in use"),
        ("EXPOSURE", spectrum.exposure, "[s] exposure, corrected for dead time"),
        ("BACKFILE", relative_name(spectrum, spectrum.backfile, target), "associated background file"),
        ("RESPFILE", relative_name(spectrum, spectrum.respfile, target), "associated redistribution matrix file"),
        ("ANCRFILE", relative_name(spectrum, spectrum.ancrfile, target), "associated ancillary response file"),
        ("CORRFILE", relative_name(spectrum, spectrum.corrfile, target), "associated correction file"),
        ("CORRSCAL", spectrum.corrscal, "correction file scaling factor"),
        ("CHANTYPE", keyword(old, "CHANTYPE") or "PI", "channel type (PHA or PI)"),
        ("DETCHANS", len(spectrum), "total number of channels"),
        ("POISSERR", spectrum.poisson, "whether errors are Poissonian"),
    ]
    if spectrum.detnam:
        first.append(("DETNAM", spectrum.detnam, "detector"))
    if "STAT_ERR" not in data:
        first.append(("STAT_ERR", 0, "no statistical error specified"))
    for name, value, comment in (
        ("SYS_ERR", 0, "no systematic error specified"),
        ("QUALITY", 0, "all channels are good"),
        ("GROUPING", 0, "no grouping of the data"),
        ("AREASCAL", spectrum.areascal, "area scaling factor"),
        ("BACKSCAL", spectrum.backscal, "background scaling factor"),
    ):
        if name not in data:
            first.append((name, value, comment))
    for key, value, comment in first:
        header.set(key, value, comment)
    _set_xflt(header, spectrum)
    return header


def _set_xflt(header: fits.Header, spectrum: Spectrum) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WolterWarning)
        unchanged = parse_xflt(header) == dict(spectrum.xflt)
    if not unchanged:
        header.remove(*[k for k in header if XFLT.match(k)])
        for i, (key, value) in enumerate(spectrum.xflt.items()):
            name = key.capitalize() if key == "stokes" else key
            header.set(f"XFLT{i + 1:04d}", f"{name}:{value:g}", "filter key: value")
    if spectrum.stokes is not None and "STOKESPR" not in header:
        header.set("STOKESPR", _STOKES[spectrum.stokes], "Stokes parameter of the spectrum")


def relative_name(spectrum: Spectrum, name: str, target: Path) -> str:
    """Name of a file as seen from where the spectrum is written to, where it was beside the one it came from."""
    if name.lower() == "none" or spectrum.path is None or Path(split_name(name)[0]).is_absolute():
        return name
    base, rest = split_name(name)
    beside = spectrum.path.parent / base
    if spectrum.path.parent.resolve() == target.parent.resolve() or not beside.is_file():
        return name
    return os.path.relpath(beside, target.parent) + rest
