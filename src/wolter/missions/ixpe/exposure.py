"""What an exposure map of IXPE is made of.

Each detector unit has a square gas-pixel detector 4 m behind its mirror (51.57 arcsec per mm), of which events
within 6.6 x 6.8 mm of the centre are kept. The units are turned by 120 deg to each other: on the sky the angle from
west to the detector's x axis is -109, 131 and 11 deg at roll 0, measured on simulated events of the public simulator
ixpeobssim. Pointing: an attitude file, the spacecraft table SC_DATA of simulated event files, or else the nominal
pointing of the header, which leaves out the dithering (1.6 arcmin) and is said.

Bad pixels are not in the archive's observations but in the calibration database, one file per detector (instrument
XRT, BADPIX): pixels DET_PX and DET_PY of a map of 300 x 300, counted from 0, with flags in BADFLAG, of which the first
five exclude a pixel (at the left, right, upper and lower edge, and inside); the others mark pixels that may be left out
for the gray filter. DET_PX runs along the detector's x axis, DET_PY against its y axis as it lies on the sky. (Format
and orientation as in the mission's exposure-map software, ixpeexpmap 1.1; no such file was at hand.) The map is taken
to span the 15 mm of the detector (Baldini et al. 2021, APh 133, 102628).
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
from wolter.missions._exposure import RoundVignetting, assume, detector_events, exposure_header, find_file, open_table
from wolter.missions.ixpe.vignetting import vignetting

if TYPE_CHECKING:
    from wolter.data import EventList
    from wolter.observation import Observation

__all__ = ["exposure_inputs", "inputs_of_files", "plane_pixels", "read_bad_pixels"]

ANGLES = {"DU1": -109.0, "DU2": 131.0, "DU3": 11.0}  # deg
HALF_MM = (6.6, 6.8)
ARCSEC_PER_MM = np.degrees(1.0 / 4000.0) * 3600.0
PIXEL_MM = 0.05
MAP_SIZE = 300  # pixels on each side of the map of bad pixels
SHAPE = tuple(round(2 * h / PIXEL_MM) for h in reversed(HALF_MM))  # rows and columns of which events are kept
FIRST = tuple((MAP_SIZE - n) // 2 for n in reversed(SHAPE))  # their lowest pixel (x, y) in the map
EXCLUDED = 5  # flags that exclude a pixel


def exposure_inputs(observation: Observation, detector: str, **options: Any) -> ExposureInputs:
    """Inputs of an exposure map; see `inputs_of_files`.

    Parameters
    ----------
    observation : Observation
        With level-2 events, and an attitude file per detector if there is one.
    detector : str
        "DU1", "DU2" or "DU3".
    **options
        ``events=``, ``attitude=`` (file), ``badpix=`` (file), ``gray=``, ``attitude_bin=``.
    """
    events = options.pop("events", None) or detector_events(observation, detector)
    attitude = options.pop("attitude", None)
    if attitude is None:
        found = [f.path for f in observation.files if f.role == "attitude" and f.detector in (None, detector)]
        attitude = found[0] if len(found) == 1 else None
    badpix = options.pop("badpix", None)
    if badpix is None and any(f.role == "bad pixels" and f.detector in (None, detector) for f in observation.files):
        badpix = find_file(observation, "bad pixels", None, detector=detector, option="badpix")
    return inputs_of_files(events, attitude, badpix, **options)


def inputs_of_files(
    events: EventList,
    attitude: str | PathLike[str] | None = None,
    badpix: str | PathLike[str] | None = None,
    *,
    gray: bool = False,
    attitude_bin: float = 5.0,
) -> ExposureInputs:
    """Inputs of an exposure map.

    Parameters
    ----------
    events : EventList
        Level-2 events.
    attitude : path-like, optional
        Attitude file.
    badpix : path-like, optional
        Bad pixels (table BADPIX) of this detector; without it every pixel counts as good.
    gray : bool
        Whether pixels flagged for the gray filter are left out, too.
    attitude_bin : float
        Pointings within so many arcsec count as one.

    Raises
    ------
    DataError
        If DETNAM is not a detector unit, there is no pointing at all, or the bad pixels are not those of this detector.
    """
    unit = str(events.detnam).strip().upper()
    if unit not in ANGLES:
        raise DataError(f"DETNAM is {unit!r}, not one of {', '.join(ANGLES)}", file=events.path)
    told: list[str] = []
    pointing = _attitude(events, attitude, told)
    c, s = np.cos(np.radians(ANGLES[unit])), np.sin(np.radians(ANGLES[unit]))
    linear = ARCSEC_PER_MM * PIXEL_MM * np.array([[c, -s], [s, c]])
    centre = np.array([(SHAPE[1] - 1) / 2, (SHAPE[0] - 1) / 2])
    if badpix is None:
        assume("no bad-pixel table is given: every pixel counts as good", told)
    bad = () if badpix is None else (BadArea(plane_pixels(*read_bad_pixels(badpix, unit, gray=gray))),)
    mask = np.ones(SHAPE, dtype=np.float32)
    plane = DetectorPlane(unit, mask, np.column_stack([linear, -linear @ centre]), bad)
    return ExposureInputs(
        planes=(plane,),
        attitude=pointing,
        gti=events.gti,
        live=LiveTime.constant(events.deadc),
        vignetting=RoundVignetting(vignetting),
        attitude_bin=attitude_bin,
        header=exposure_header(events),
        assumptions=tuple(told),
    )


def plane_pixels(px: NDArray[Any], py: NDArray[Any]) -> NDArray[np.intp]:
    """Flat indices, on the part of the detector of which events are kept, of pixels of the map of bad pixels.

    Parameters
    ----------
    px, py : ndarray of int
        DET_PX, DET_PY: 0 to 299. Pixels beside the kept part are dropped.
    """
    x, y = px - FIRST[0], MAP_SIZE - 1 - py - FIRST[1]
    inside = (x >= 0) & (x < SHAPE[1]) & (y >= 0) & (y < SHAPE[0])
    return (y[inside] * SHAPE[1] + x[inside]).astype(np.intp)


def read_bad_pixels(
    path: str | PathLike[str], unit: str, *, gray: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """DET_PX and DET_PY of the bad pixels in a file (table BADPIX).

    Parameters
    ----------
    path : path-like
    unit : str
        Detector that they should be of.
    gray : bool
        Whether pixels flagged for the gray filter count as bad.

    Raises
    ------
    DataError
        If the table is missing or of another detector, or a pixel lies beside the map.
    """
    file, table = open_table(path, "BADPIX", need=("DET_PX", "DET_PY", "BADFLAG"))
    with file:
        rows = table.read(["DET_PX", "DET_PY", "BADFLAG"])
        found = str(table.header.get("DETNAM", file[0].header.get("DETNAM", unit))).strip().upper()
    if found != unit:
        raise DataError(f"these are the bad pixels of {found}, not of {unit}", file=path, hdu="BADPIX")
    flags = np.asarray(rows["BADFLAG"], dtype=bool)
    if flags.ndim != 2 or flags.shape[1] < EXCLUDED:
        raise DataError(f"BADFLAG has no {EXCLUDED} flags (a column of bits)", file=path, hdu="BADPIX")
    bad = flags.any(axis=1) if gray else flags[:, :EXCLUDED].any(axis=1)
    px, py = (np.asarray(rows[k], dtype=np.int64)[bad] for k in ("DET_PX", "DET_PY"))
    if len(px) and not (min(px.min(), py.min()) >= 0 and max(px.max(), py.max()) < MAP_SIZE):
        raise DataError(
            f"DET_PX or DET_PY lies beside the map of {MAP_SIZE} x {MAP_SIZE} pixels", file=path, hdu="BADPIX"
        )
    return px, py


def _attitude(events: EventList, path: str | PathLike[str] | None, told: list[str]) -> Attitude:
    """Pointing from a file, from the spacecraft table of the events, or from the header."""
    source = path if path is not None else events.path
    roll = float(events.header.get("PA_PNT", 0.0) or 0.0)
    with fits.open(source) as file:
        for name in ("ATTITUDE", "ATT", "HK_ATT", "SC_DATA"):
            table = file.get(name)
            if not isinstance(table, fits.TableHDU):
                continue
            time = next((c for c in ("TIME", "MET") if c in table), None)
            if time is not None and "POINTING" in table:
                rows = table.read([time, "POINTING"])
                ra, dec, turn = np.asarray(rows["POINTING"], dtype=np.float64).T
                return Attitude(rows[time], ra, dec, turn, source=str(source))
            for x, y in (("RA_PNT", "DEC_PNT"), ("RA", "DEC")):
                if time is not None and x in table and y in table:
                    rows = table.read([time, x, y])
                    return Attitude(rows[time], rows[x], rows[y], np.full(table.nrows, roll), source=str(source))
    if path is not None:
        raise DataError("there is no table with a pointing (POINTING, or RA and DEC)", file=path)
    ra, dec = (events.header.get(k, events.primary_header.get(k)) for k in ("RA_PNT", "DEC_PNT"))
    if ra is None or dec is None:
        raise DataError(
            "there is no attitude, and the header has no RA_PNT and DEC_PNT",
            file=events.path,
            cure="Give attitude=: the attitude file of this detector.",
        )
    assume(f"no attitude file: steady at RA {float(ra):.4f}, Dec {float(dec):+.4f}, roll {roll:.1f} deg", told)
    lo, hi = events.gti.span
    time = np.array([lo, hi])
    same = np.ones(2)
    return Attitude(time, float(ra) * same, float(dec) * same, roll * same, hold=(hi - lo) + 1.0, source="")
