"""What the exposure maps of several missions share: finding their files, keywords, rows of bad-pixel tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter.errors import DataError, MissionError, suggest, warn

if TYPE_CHECKING:
    from wolter.data import EventList
    from wolter.observation import Observation

__all__ = ["RoundVignetting", "assume", "box_pixels", "detector_events", "exposure_header", "find_file", "open_table"]

_KEEP = (
    "TELESCOP", "INSTRUME", "DETNAM", "FILTER", "DATAMODE", "OBS_ID", "EXP_ID", "OBJECT", "RA_OBJ", "DEC_OBJ", "RA_PNT",
    "DEC_PNT", "PA_PNT", "RA_NOM", "DEC_NOM", "DATE-OBS", "DATE-END", "TSTART", "TSTOP", "MJDREF", "MJDREFI", "MJDREFF",
    "TIMESYS", "TIMEUNIT", "TIMEREF", "EQUINOX", "RADECSYS", "RADESYS",
)  # fmt: skip


@dataclass(frozen=True)
class RoundVignetting:
    """Vignetting that is the same in all directions; other processes can be sent it.

    Attributes
    ----------
    fall : callable
        ``(off_axis_arcmin[n], energy_kev) -> factor[n]``, a function of a module.
    """

    fall: Callable[[Any, float], Any]

    def __call__(self, theta: Any, azimuth: Any, energy: float) -> Any:
        """Factor at off-axis angles (arcmin) and azimuths (deg) for an energy (keV)."""
        return self.fall(theta, energy)


def detector_events(observation: Observation, detector: str) -> EventList:
    """Event list of a detector.

    Raises
    ------
    MissionError
        If the observation has none; the message names those it has.
    """
    events = observation.events
    if detector not in events:
        raise MissionError(
            f"the observation has no detector {detector!r} (it has {', '.join(events)})",
            file=observation.path,
            cure=suggest(detector, events) or None,
        )
    return events[detector]


def find_file(
    observation: Observation,
    role: str,
    given: str | PathLike[str] | None,
    *,
    detector: str | None = None,
    option: str = "",
) -> Path:
    """File of a role in an observation, unless one is given.

    Raises
    ------
    MissionError
        If there is none, or several.
    """
    if given is not None:
        return Path(given)
    found = [f for f in observation.files if f.role == role and (detector is None or f.detector in (None, detector))]
    own = [f for f in found if f.detector == detector] or found
    if not own:
        raise MissionError(
            f"the observation holds no {role} file" + (f" of {detector}" if detector else ""),
            file=observation.path,
            cure=f"Name it with {option or role.replace(' ', '_')}=, or give its folder (or list it) with the events.",
        )
    if len({f.path for f in own}) > 1:
        raise MissionError(
            f"several {role} files: {', '.join(sorted(f.path.name for f in own))}",
            file=observation.path,
            cure=f"Say which one with {option or role.replace(' ', '_')}=.",
        )
    return own[0].path


def open_table(
    path: str | PathLike[str], *names: str, need: tuple[str, ...] = ()
) -> tuple[fits.FitsFile, fits.TableHDU]:
    """First table of these names in a file, with the columns it must have.

    Raises
    ------
    DataError
        If there is none.
    """
    file = fits.open(path)
    for name in names:
        hdu = file.get(name)
        if isinstance(hdu, fits.TableHDU):
            missing = [c for c in need if c not in hdu]
            if missing:
                raise DataError(f"table {name} has no column {', '.join(missing)}", file=path, hdu=name)
            return file, hdu
    raise DataError(
        f"there is no table {' or '.join(names)}; the file has {', '.join(h.label for h in file.hdus)}",
        file=path,
        cure="Is this the right file for the exposure map?",
    )


def assume(text: str, told: list[str]) -> None:
    """Record an assumption and say it."""
    told.append(text)
    warn(f"exposure map: {text}")


def exposure_header(events: EventList) -> fits.Header:
    """Keywords of an exposure map from those of its events."""
    out = fits.Header()
    for key in _KEEP:
        for header in (events.header, events.primary_header):
            if key in header:
                out.set(key, header[key], header.comment(key))
                break
    return out


def box_pixels(
    x: NDArray[Any], y: NDArray[Any], height: NDArray[Any], shape: tuple[int, int], *, origin: int = 0
) -> NDArray[np.intp]:
    """Flat indices of columns of pixels: `height` pixels upwards from (x, y), as far as they lie on a detector.

    `origin` is the coordinate of the first pixel.
    """
    ny, nx = shape
    height = np.maximum(np.asarray(height, dtype=np.int64), 1)
    column = np.repeat(np.asarray(x, dtype=np.int64) - origin, height)
    step = np.arange(len(column)) - np.repeat(np.cumsum(height) - height, height)
    row = np.repeat(np.asarray(y, dtype=np.int64) - origin, height) + step
    inside = (column >= 0) & (column < nx) & (row >= 0) & (row < ny)
    return (row[inside] * nx + column[inside]).astype(np.intp)
