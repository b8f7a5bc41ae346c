"""What several missions ask of headers when they sort files into roles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wolter.mission import FileRole, HeaderLike

__all__ = ["column_names", "first_text", "ogip_role", "text"]


def text(header: HeaderLike, key: str) -> str:
    """Value of a keyword in capitals; NONE and blanks count as missing."""
    value = str(header.get(key, "") or "").strip().upper()
    return "" if value in ("NONE", "UNKNOWN", "N/A") else value


def first_text(headers: Sequence[HeaderLike], key: str) -> str:
    """Value of a keyword in the first header that has it, in capitals."""
    return next((value for header in headers if (value := text(header, key))), "")


def column_names(header: HeaderLike) -> set[str]:
    """Column names a table header declares, in capitals."""
    number = int(header.get("TFIELDS", 0) or 0)
    return {str(header.get(f"TTYPE{i}", "")).strip().upper() for i in range(1, number + 1)}


def ogip_role(path: Path, headers: Sequence[HeaderLike], detector: str | None) -> FileRole | None:
    """Role of a product by its OGIP classes: spectrum, light curve, response, image, exposure map, good times.

    Parameters
    ----------
    path : Path
        The file.
    headers : list of header
        Headers of its first HDUs, primary first.
    detector : str or None
        Detector it belongs to.

    Returns
    -------
    FileRole or None
        None for files without a class that says what they are.
    """
    responses = {"SPECRESP": "arf", "RSP_MATRIX": "rmf", "EBOUNDS": "rmf"}
    tables = headers[1:]
    for header in tables:
        kind, sub, name = text(header, "HDUCLAS1"), text(header, "HDUCLAS2"), text(header, "EXTNAME")
        if kind == "SPECTRUM" or name == "SPECTRUM":
            return FileRole(path, "spectrum", detector)
        if kind in ("LIGHTCURVE", "LIGHT CURVE") or (name == "RATE" and not kind):
            return FileRole(path, "light curve", detector)
        if kind == "RESPONSE" and sub in responses:
            return FileRole(path, responses[sub], detector)
        if name in ("BADPIX", "BADPIX01"):
            return FileRole(path, "bad pixels", detector)
        if name in ("SRCREG", "REGION") or kind == "REGION":
            return FileRole(path, "region", detector)
    if headers and int(headers[0].get("NAXIS", 0) or 0) == 2:
        kind = text(headers[0], "HDUCLAS2")
        named = any(part in path.name.lower() for part in ("_ex.", ".exp"))  # some archives' maps do not say
        exposure = kind in ("EXPOSURE", "EXPMAP") or (not kind and named)
        return FileRole(path, "exposure map" if exposure else "image", detector)
    for header in tables:
        if text(header, "HDUCLAS1") == "GTI" or text(header, "EXTNAME") in ("GTI", "STDGTI"):
            return FileRole(path, "gti", detector)
    return None
