"""What an exposure map of Xtend is made of.

The bad-pixel image of the observation (``.bimg``, DET pixels: 0 good, 1 calibration source, 2 bad, -1 outside the
CCDs), the attitude, and the good times of the events. Where the boresight falls is nominal: see `geometry`. The
vignetting of the mirror is a calibration file that is not part of Wolter: maps are of plain live time unless a
function is given.
"""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter import fits
from wolter.errors import DataError, MissionError
from wolter.makers.aspect import Attitude, LiveTime
from wolter.makers.exposure import DetectorPlane, ExposureInputs
from wolter.missions._exposure import RoundVignetting, assume, detector_events, exposure_header, find_file, open_table
from wolter.missions.xrism_xtend.geometry import ACT_TO_DET, DET_SIZE, det_to_angle

if TYPE_CHECKING:
    from wolter.data import EventList
    from wolter.observation import Observation

__all__ = ["exposure_inputs", "inputs_of_files"]


def exposure_inputs(observation: Observation, detector: str = "XTEND", **options: Any) -> ExposureInputs:
    """Inputs of an exposure map; see `inputs_of_files`.

    Parameters
    ----------
    observation : Observation
        With an event file, an attitude file and a bad-pixel image.
    detector : str
        "XTEND".
    **options
        ``events=``, ``attitude=``, ``bad_image=`` (files), ``vignetting=``, ``calibration_source=``.

    Raises
    ------
    MissionError
        For Resolve, whose 36 pixels are no imaging detector in this sense.
    """
    if detector == "RESOLVE":
        raise MissionError("exposure maps of Resolve are not made: its 36 pixels hardly resolve the field")
    events = options.pop("events", None) or detector_events(observation, detector)
    attitude = find_file(observation, "attitude", options.pop("attitude", None), option="attitude")
    image = options.pop("bad_image", None)
    if image is None and any(f.role == "bad pixel image" for f in observation.files):
        image = find_file(observation, "bad pixel image", None, detector=detector, option="bad_image")
    return inputs_of_files(events, attitude, image, **options)


def inputs_of_files(
    events: EventList,
    attitude: str | PathLike[str],
    bad_image: str | PathLike[str] | None = None,
    *,
    vignetting: Callable[..., Any] | None = None,
    calibration_source: bool = False,
    attitude_bin: float = 2.0,
) -> ExposureInputs:
    """Inputs of an exposure map.

    Parameters
    ----------
    events : EventList
        Screened events.
    attitude : path-like
        Attitude file (table ATTITUDE with RA, Dec and roll in POINTING).
    bad_image : path-like, optional
        Bad-pixel image; without it every pixel of the CCDs counts as good.
    vignetting : callable, optional
        ``(off_axis_arcmin[n], energy_kev) -> factor[n]``.
    calibration_source : bool
        Whether pixels under the calibration sources count.
    attitude_bin : float
        Pointings within so many arcsec count as one.
    """
    told: list[str] = []
    shape = (DET_SIZE, DET_SIZE)
    if bad_image is None:
        assume("no bad-pixel image is given: every pixel of the four CCDs counts as good", told)
        mask = np.zeros(shape, dtype=np.float32)
        pixel = np.arange(1.0, 641.0)
        for matrix in ACT_TO_DET.values():
            columns, rows = (np.round(pixel + matrix[k, 2]).astype(int) - 1 for k in (0, 1))
            mask[np.ix_(rows, columns)] = 1.0
    else:
        with fits.open(bad_image) as file:
            image = next((h.read() for h in file.hdus if isinstance(h, fits.ImageHDU) and len(h.shape) == 2), None)
        if image is None or image.shape != shape:
            raise DataError(
                f"this is not a bad-pixel image of {DET_SIZE} x {DET_SIZE} DET pixels",
                file=bad_image,
                cure="Give the .bimg file of the observation.",
            )
        mask = ((image == 0) | (calibration_source & (image == 1))).astype(np.float32)
    angle = det_to_angle()
    angle[:, 2] += angle[:, 0] + angle[:, 1]  # DET counts from 1
    file, table = open_table(attitude, "ATTITUDE", need=("TIME", "POINTING"))
    with file:
        rows = table.read(["TIME", "POINTING"])
    ra, dec, roll = np.asarray(rows["POINTING"], dtype=np.float64).T
    return ExposureInputs(
        planes=(DetectorPlane("CCDs", mask, angle),),
        attitude=Attitude(rows["TIME"], ra, dec, roll, hold=32.0, source=str(attitude)),
        gti=events.gti,
        live=LiveTime.constant(events.deadc),
        vignetting=None if vignetting is None else RoundVignetting(vignetting),
        attitude_bin=attitude_bin,
        header=exposure_header(events),
        assumptions=tuple(told),
    )
