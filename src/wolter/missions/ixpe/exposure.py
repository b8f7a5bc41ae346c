"""What an exposure map of IXPE is made of.

Each detector unit has a square gas-pixel detector 4 m behind its mirror (51.57 arcsec per mm), of which events
within 6.6 x 6.8 mm of the centre are kept. The units are turned by 120 deg to each other: on the sky the angle from
west to the detector's x axis is -109, 131 and 11 deg at roll 0, measured on simulated events of the public simulator
ixpeobssim. Pointing: an attitude file, the spacecraft table SC_DATA of simulated event files, or else the nominal
pointing of the header, which leaves out the dithering (1.6 arcmin) and is said.
"""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter import fits
from wolter.errors import DataError
from wolter.makers.aspect import Attitude, LiveTime
from wolter.makers.exposure import DetectorPlane, ExposureInputs
from wolter.missions._exposure import RoundVignetting, assume, detector_events, exposure_header
from wolter.missions.ixpe.vignetting import vignetting

if TYPE_CHECKING:
    from wolter.data import EventList
    from wolter.observation import Observation

__all__ = ["exposure_inputs", "inputs_of_files"]

ANGLES = {"DU1": -109.0, "DU2": 131.0, "DU3": 11.0}  # deg
HALF_MM = (6.6, 6.8)
ARCSEC_PER_MM = np.degrees(1.0 / 4000.0) * 3600.0
PIXEL_MM = 0.05


def exposure_inputs(observation: Observation, detector: str, **options: Any) -> ExposureInputs:
    """Inputs of an exposure map; see `inputs_of_files`.

    Parameters
    ----------
    observation : Observation
        With level-2 events, and an attitude file per detector if there is one.
    detector : str
        "DU1", "DU2" or "DU3".
    **options
        ``events=``, ``attitude=`` (file), ``attitude_bin=``.
    """
    events = options.pop("events", None) or detector_events(observation, detector)
    attitude = options.pop("attitude", None)
    if attitude is None:
        found = [f.path for f in observation.files if f.role == "attitude" and f.detector in (None, detector)]
        attitude = found[0] if len(found) == 1 else None
    return inputs_of_files(events, attitude, **options)


def inputs_of_files(
    events: EventList, attitude: str | PathLike[str] | None = None, *, attitude_bin: float = 5.0
) -> ExposureInputs:
    """Inputs of an exposure map.

    Parameters
    ----------
    events : EventList
        Level-2 events.
    attitude : path-like, optional
        Attitude file.
    attitude_bin : float
        Pointings within so many arcsec count as one.

    Raises
    ------
    DataError
        If DETNAM is not a detector unit, or there is no pointing at all.
    """
    unit = str(events.detnam).strip().upper()
    if unit not in ANGLES:
        raise DataError(f"DETNAM is {unit!r}, not one of {', '.join(ANGLES)}", file=events.path)
    told: list[str] = []
    pointing = _attitude(events, attitude, told)
    c, s = np.cos(np.radians(ANGLES[unit])), np.sin(np.radians(ANGLES[unit]))
    linear = ARCSEC_PER_MM * PIXEL_MM * np.array([[c, -s], [s, c]])
    shape = tuple(round(2 * h / PIXEL_MM) for h in reversed(HALF_MM))
    centre = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])
    plane = DetectorPlane(unit, np.ones(shape, dtype=np.float32), np.column_stack([linear, -linear @ centre]))
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
