"""Files by PyXspec's rule: names are relative to the current directory; compressed twins are found."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from wolter import fits
from wolter.compat.xspec.errors import XspecError
from wolter.data import ARF, RMF, Spectrum
from wolter.data.spectrum_io import split_name
from wolter.errors import WolterError
from wolter.transport import is_remote

__all__ = ["find", "is_none", "read_arf", "read_rmf", "read_spectrum"]


def is_none(name: Any) -> bool:
    """Whether a name means no file."""
    return name is None or (isinstance(name, str) and name.strip().lower() in ("", "none", "none/"))


def find(name: str, beside: Path | None = None) -> str | None:
    """Absolute name of an existing file with its ``[extension]`` or ``{row}``; None if it is not there.

    Addresses on servers (which tasks give for calibration files) stay as they are.
    """
    if is_remote(name):
        return str(name)
    base, rest = split_name(str(name))
    base = os.path.expandvars(os.path.expanduser(base))
    places = [Path(base)] + ([beside / Path(base).name] if beside is not None else [])
    for place in places:
        for path in (place, place.with_name(place.name + ".gz"), place.with_name(place.name + ".Z")):
            if path.is_file():
                return f"{path.absolute()}{rest}"
    return None


def read_spectrum(name: str, what: str = "spectrum") -> Spectrum:
    """A spectrum without the files its header names."""
    place = find(name)
    if place is None:
        raise XspecError(f"Error: cannot read {what} file {name}")
    try:
        return Spectrum.read(fits.parse_name(place), follow=False, allow_empty=True)
    except WolterError as error:
        raise XspecError(f"Error: cannot read {what} file {name}: {error}") from error


def _load(kind: Any, name: str, what: str, cache: dict[Any, Any], beside: Path | None) -> Any:
    place = find(name, beside)
    if place is None:
        raise XspecError(f"Error: cannot read {what} file {name}")
    key = (what, place, 0 if is_remote(place) else os.stat(split_name(place)[0]).st_mtime_ns)
    if key not in cache:
        try:
            cache[key] = kind.read(fits.parse_name(place))
        except WolterError as error:
            raise XspecError(f"Error: cannot read {what} file {name}: {error}") from error
    return cache[key]


def read_rmf(name: str, cache: dict[Any, Any], beside: Path | None = None) -> RMF:
    """A response matrix, read once."""
    return _load(RMF, name, "response", cache, beside)


def read_arf(name: str, cache: dict[Any, Any], beside: Path | None = None) -> ARF:
    """An effective area, read once."""
    return _load(ARF, name, "arf", cache, beside)
