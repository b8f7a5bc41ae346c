"""Listings of FITS files: ``fstruct``, ``ftlist``, ``fversion``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wolter import fits
from wolter._version import __version__
from wolter.errors import ParameterError

__all__ = ["TASKS", "fstruct", "ftlist", "fversion"]


def _kind(hdu: Any, index: int) -> str:
    return "PRIMARY" if index == 0 else str(hdu.header.get("XTENSION", "IMAGE")).strip()


def _size(hdu: Any) -> str:
    header = hdu.header
    axes = [str(header[f"NAXIS{i}"]) for i in range(1, int(header.get("NAXIS", 0)) + 1)]
    if hasattr(hdu, "columns") and len(axes) == 2:
        return f"{axes[0]}({len(hdu.columns)}) {axes[1]}"
    return " ".join(axes) or "0"


def _columns(hdu: Any) -> list[str]:
    lines = [f"      {'Column Name':<26} {'Format':<10} {'Dims':<10} {'Units':<9} {'TLMIN':<8} {'TLMAX':<8}"]
    for number, column in enumerate(hdu.columns.values(), 1):
        limits = [str(column.keywords.get(key, "")) for key in ("TLMIN", "TLMAX")]
        lines.append(
            f"    {number:>3} {column.name:<24} {column.format:<10} {column.dim:<10} {column.unit:<9} "
            f"{limits[0]:<8} {limits[1]:<8}".rstrip()
        )
    return lines


def _structure(infile: str, *, columns: bool) -> list[str]:
    lines = [f"  No. {'Type':<8} {'EXTNAME':<12} BITPIX {'Dimensions(columns)':<22} PCOUNT GCOUNT", ""]
    with fits.open(infile) as file:
        for index, hdu in enumerate(file.hdus):
            h = hdu.header
            name = str(h.get("EXTNAME", ""))
            lines.append(
                f"{index:>4}  {_kind(hdu, index):<8} {name:<12} {h.get('BITPIX', 8):>6} {_size(hdu):<22} "
                f"{h.get('PCOUNT', 0):>6} {h.get('GCOUNT', 1):>6}"
            )
            if columns and hasattr(hdu, "columns"):
                lines += ["", *_columns(hdu), ""]
    return lines


def fstruct(*, infile: str = "", colinfo: Any = True, **_: Any) -> str:
    """fstruct: the HDUs of a FITS file and the columns of its tables.

    Parameters: infile (file), colinfo (yes or no: list the columns).
    """
    columns = colinfo if isinstance(colinfo, bool) else str(colinfo).strip().lower() in ("y", "yes", "true")
    return "\n".join(_structure(_needed(infile, "fstruct"), columns=columns))


def ftlist(*, infile: str = "", option: str = "H", **_: Any) -> str:
    """ftlist: lists HDUs (option H), columns (C) and keywords (K) of a FITS file.

    Parameters: infile (file; with an extension, file[EVENTS], only that one), option (letters of H, C, K).
    """
    letters = str(option).strip().upper()
    for letter in letters:
        if letter not in "HCK":
            raise NotImplementedError(f"heasoftpy.ftlist: option {letter} (H, C and K are there)")
    name = fits.parse_name(_needed(infile, "ftlist"))
    lines: list[str] = []
    if "H" in letters:
        lines += _structure(str(name.path), columns=False)
    with fits.open(name.path) as file:
        hdus = file.hdus if name.ext is None else [file[name.ext]]
        for hdu in hdus:
            if "C" in letters and hasattr(hdu, "columns"):
                lines += [f"HDU {hdu.index}  {hdu.name}", *_columns(hdu)]
            if "K" in letters:
                lines += [f"{key:<8}= {value!r}" for key, value in hdu.header.items()]
    return "\n".join(lines)


def _needed(infile: Any, task: str) -> str:
    if not infile:
        raise ParameterError(f"{task} needs the parameter infile")
    return str(infile)


def fversion(*, outfile: str = "", **_: Any) -> str:
    """fversion: which software this is."""
    return f"Wolter {__version__}"


TASKS: dict[str, Callable[..., str]] = {"fstruct": fstruct, "ftlist": ftlist, "fversion": fversion}
