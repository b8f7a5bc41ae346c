"""What an exposure map of Swift's X-Ray Telescope is made of.

The time of each CCD frame in the good time counts on the pixels that were good in it: not bad (BADPIX of the event
file), inside the window less a border of two pixels, and inside the circular field of view. Geometry of the CCD on the
sky, measured on the DET and sky coordinates of 53,000 archived events of two observations against the attitude of
their frames (both agree to 0.02 pixels): the boresight falls on DET pixel (294.64, 298.76); the detector is turned by
0.167 deg; DETX runs along the position angle that the roll gives, DETY to the right of it. The field of view: a circle
of 314 pixels about DET (307, 296). Of all circles in whole pixels it contradicts the STATUS flags of these events the
least: no event beyond it lacks the flag 2048, and the fewest within it have it (their pulse heights are saturated).
"""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter.errors import DataError
from wolter.makers.aspect import Attitude, LiveTime
from wolter.makers.exposure import BadArea, DetectorPlane, ExposureInputs
from wolter.missions._exposure import (
    RoundVignetting,
    assume,
    box_pixels,
    detector_events,
    exposure_header,
    find_file,
    open_table,
)
from wolter.missions.swift_xrt.description import PIXEL_ARCSEC
from wolter.missions.swift_xrt.frames import Frames
from wolter.missions.swift_xrt.vignetting import vignetting

if TYPE_CHECKING:
    from wolter.data import EventList
    from wolter.observation import Observation

__all__ = ["attitude_of_file", "detector_plane", "exposure_inputs", "inputs_of_files"]

SIZE = 600  # pixels per side
BORESIGHT = (294.64, 298.76)  # DETX, DETY
TURN_DEG = 0.167
FIELD = (307.0, 296.0, 314.0)  # DETX, DETY, radius in pixels
HOT, FLICKERING = 8, 32  # bits of BADFLAG
BORDER = 2  # pixels inside the window that give no events: their neighbours are not read
OPTICAL_AXIS = (300.0, 300.0)  # DETX, DETY: where vignetting is 1


def exposure_inputs(observation: Observation, detector: str = "XRT", **options: Any) -> ExposureInputs:
    """Inputs of an exposure map; see `inputs_of_files`.

    Parameters
    ----------
    observation : Observation
        With an event file (its mode decides) and its frame headers (``hd.hk``), or an attitude file.
    detector : str
        "XRT".
    **options
        ``frames=``, ``attitude=`` (files), ``deadtime=``, ``region=``.
    """
    events = options.pop("events", None) or detector_events(observation, detector)
    frames, attitude = options.pop("frames", None), options.pop("attitude", None)
    if frames is None and attitude is None:
        frames = find_file(observation, "frame headers", None, option="frames")
    return inputs_of_files(events, frames=frames, attitude=attitude, **options)


def inputs_of_files(
    events: EventList,
    *,
    frames: str | PathLike[str] | Frames | None = None,
    attitude: str | PathLike[str] | None = None,
    deadtime: bool = True,
    attitude_bin: float = 2.4,
) -> ExposureInputs:
    """Inputs of an exposure map.

    Parameters
    ----------
    events : EventList
        Screened events in photon-counting mode, with their GTI and BADPIX tables.
    frames : path-like or Frames, optional
        Frame headers (``xhd.hk``): frame times and their pointing.
    attitude : path-like, optional
        Attitude file; it takes the place of the pointing of the frames.
    deadtime : bool
        Whether DEADC of the events counts: with it the map agrees with EXPOSURE of spectra; the mission's own task
        leaves it out.
    attitude_bin : float
        Pointings within so many arcsec count as one.

    Raises
    ------
    DataError
        If the events are not an image (windowed timing), or there is no pointing.
    """
    mode = str(events.header.get("DATAMODE", "")).strip().upper()
    if mode not in ("PHOTON", ""):
        raise DataError(
            f"the events were taken in mode {mode}: their exposure has one dimension",
            file=events.path,
            cure="Use the photon-counting (pc) event file.",
        )
    told: list[str] = []
    if attitude is not None:
        pointing = attitude_of_file(attitude)
    elif frames is not None:
        pointing = (frames if isinstance(frames, Frames) else Frames.read(frames, events.header)).attitude()
    else:
        raise DataError("neither frame headers nor an attitude file is given", file=events.path)
    plane = detector_plane(events, told)
    axis = _to_angle() @ np.array([OPTICAL_AXIS[0] - 1, OPTICAL_AXIS[1] - 1, 1.0])
    return ExposureInputs(
        planes=(plane,),
        attitude=pointing,
        gti=events.gti,
        live=LiveTime.constant(events.deadc if deadtime else 1.0),
        optical_axis=(float(axis[0]), float(axis[1])),
        vignetting=RoundVignetting(vignetting),
        attitude_bin=attitude_bin,
        header=exposure_header(events),
        assumptions=tuple(told),
    )


def detector_plane(events: EventList, told: list[str]) -> DetectorPlane:
    """Good pixels of the CCD during some events; what had to be assumed is added to `told`."""
    return DetectorPlane("CCD", _mask(events.header), _to_angle(), _bad_pixels(events, told))


def _to_angle() -> NDArray[np.float64]:
    """Angles (u, v), arcsec, of DET pixel (x, y) counted from zero."""
    c, s = np.cos(np.radians(TURN_DEG)), np.sin(np.radians(TURN_DEG))
    linear = PIXEL_ARCSEC * np.array([[s, c], [c, -s]])
    offset = -linear @ (np.array(BORESIGHT) - 1.0)
    return np.column_stack([linear, offset])


def _mask(header: fits.Header) -> NDArray[np.float32]:
    """Pixels inside the window and the field of view."""
    index = np.arange(SIZE, dtype=np.float64)
    half_x = float(header.get("WHALFWD", SIZE / 2) or SIZE / 2)
    half_y = float(header.get("WHALFHT", SIZE / 2) or SIZE / 2)
    centre = (SIZE - 1) / 2
    in_x, in_y = np.abs(index - centre) < half_x - BORDER, np.abs(index - centre) < half_y - BORDER
    x, y = index + 1.0, index[:, None] + 1.0
    field = (x - FIELD[0]) ** 2 + (y - FIELD[1]) ** 2 <= FIELD[2] ** 2
    return (field & in_x & in_y[:, None]).astype(np.float32)


def _bad_pixels(events: EventList, told: list[str]) -> tuple[BadArea, ...]:
    """Bad pixels of the event file, single ones and pieces of columns, and the neighbours of the lasting ones."""
    with fits.open(events.path) as file:
        table = file.get("BADPIX")
        if not isinstance(table, fits.TableHDU):
            assume(f"{events.path.name} has no BADPIX table: every pixel counts as good", told)
            return ()
        if table.nrows == 0:
            return ()
        rows = table.read(["RAWX", "RAWY", "YEXTENT", "BADFLAG"])
    bits = np.asarray(rows["BADFLAG"]).reshape(len(rows["RAWX"]), -1)
    shape = (SIZE, SIZE)
    bad = np.zeros(shape, dtype=bool)
    bad.ravel()[box_pixels(rows["RAWX"], rows["RAWY"], rows["YEXTENT"], shape)] = True
    # Events beside a bad pixel are rejected (STATUS 1024) unless it is merely hot or flickering.
    lasting = np.zeros(shape, dtype=bool)
    if bits.shape[1] == 16:
        kind = (bits.astype(np.int64) << np.arange(15, -1, -1)).sum(axis=1) & ~(HOT | FLICKERING) != 0
        x, y, height = (rows[k][kind] for k in ("RAWX", "RAWY", "YEXTENT"))
        lasting.ravel()[box_pixels(x, y, height, shape)] = True
    around = np.pad(lasting, 1)
    for dy in (0, 1, 2):
        for dx in (0, 1, 2):
            bad |= around[dy : dy + SIZE, dx : dx + SIZE]
    return (BadArea(np.flatnonzero(bad)),)


def attitude_of_file(path: str | PathLike[str]) -> Attitude:
    """Pointing of an attitude file (pat, sat): right ascension, declination and roll in POINTING."""
    file, table = open_table(path, "ATTITUDE", need=("TIME", "POINTING"))
    with file:
        rows = table.read(["TIME", "POINTING"])
    pointing = np.asarray(rows["POINTING"], dtype=np.float64)
    # The coordinator's margin: beyond 32 s from a sample nothing is known.
    return Attitude(rows["TIME"], *pointing.T, hold=32.0, source=str(path))
