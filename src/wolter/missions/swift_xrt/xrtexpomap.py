"""The task ``xrtexpomap``: exposure map of a photon-counting event file, with the mission's names and conventions.

Written are ``<stem>_ex.img``, 1000 x 1000 pixels on the sky coordinates X, Y of the events, in seconds, and the
instrument maps ``<stem>_rawinstr.img.gz``, frames per CCD pixel, one extension per group of frames. As in the
mission's own task: a group is a stretch of frames without a pause of 100 s in which the pointing stays put
(`checkattitude`), of at most `pcnframe` frames; all of it counts at the pointing in the middle of its time; seconds
are frame times, without the correction for dead time (DEADC); vignetting is off unless asked for. The native map
(`Observation.exposure_map`) follows the pointing frame by frame and counts dead time.

Differences: without `attfile`, which the mission's task demands, the pointing in the middle of a group is the mean of
the four frames around it, good to 0.3 arcsec; without `hdfile` there are no frames, and the map is the native one, of
frame times. Vignetting is taken at sky pixels, not at CCD pixels. A pixel that is bad in the calibration file only, and
whose neighbours are good, is bad here. Windowed timing is refused: nothing here tells how its positions relate to the
attitude. `vigfile`, `fovfile` and `teldef` other than CALDB are refused: their contents are built in.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter import fits
from wolter._version import __version__
from wolter.data import EventList, ImageGrid
from wolter.errors import DataError, ParameterError
from wolter.makers.aspect import Attitude, LiveTime, live_seconds
from wolter.makers.exposure import ExposureInputs
from wolter.makers.exposure import exposure_map as make_map
from wolter.missions.swift_xrt.exposure import attitude_of_file, inputs_of_files
from wolter.missions.swift_xrt.frames import Frames
from wolter.tasks.registry import Parameter, Task, TaskResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TASK"]

PARAMETERS = tuple(
    Parameter(*row)
    for row in (
        ("infile", "f", ..., "screened event file"),
        ("outdir", "f", ".", "folder of the output"),
        ("attfile", "f", "NONE", "attitude file; NONE: the pointing of the frame headers"),
        ("hdfile", "f", "NONE", "frame headers (hd.hk)"),
        ("stemout", "s", "DEFAULT", "stem of the output; DEFAULT: of the event file"),
        ("vigflag", "b", False, "apply vignetting"),
        ("energy", "r", 1.5, "energy of the vignetting, keV"),
        ("pcnframe", "i", 0, "frames per instrument map; 0: as many as there are"),
        ("wtnframe", "i", 0, "frames per instrument map in windowed timing, which is refused"),
        ("checkattitude", "b", True, "new instrument map where the pointing moves"),
        ("vigfile", "s", "CALDB", "vignetting: CALDB"),
        ("fovfile", "s", "CALDB", "field of view: CALDB"),
        ("teldef", "s", "CALDB", "detector geometry: CALDB"),
        ("clobber", "b", False, "replace existing files"),
        ("cleanup", "b", True, "remove temporary files (none are made)"),
    )
)

_SAMPLES = np.array([-1.5, -0.5, 0.5, 1.5])  # frames around the middle of a group whose pointings are averaged


def _run(p: Mapping[str, Any], result: TaskResult) -> None:
    from astropy import units as u

    _check(p)
    events = EventList.read(os.fspath(p["infile"]))
    frames = None if p["hdfile"] is None else Frames.read(p["hdfile"], events.header)
    inputs = inputs_of_files(events, frames=frames, attitude=None if frames else p["attfile"], deadtime=False)
    groups: list[NDArray[np.intp]] = []
    if frames is not None:
        inputs.attitude.check(inputs.gti)
        groups = frames.groups(events.gti, check_attitude=p["checkattitude"], most=p["pcnframe"])
        if not groups:
            raise DataError(
                "the middle of no frame lies in the good time of the events",
                file=p["hdfile"],
                cure="Give the frame headers of the same observation, and good times longer than a frame.",
            )
        inputs = _as_groups(inputs, frames, groups, p["attfile"])
    grid = ImageGrid.over(events.bounds or (1, 1000, 1, 1000), columns=events.wcs)
    energy = p["energy"] * u.keV if p["vigflag"] else None
    product = make_map(inputs, grid, energy=energy, vignetting=p["vigflag"])
    product.header.set("CREATOR", f"xrtexpomap (wolter {__version__})", "software that made this file")
    if p["vigflag"]:
        product.header.set("XRTVIGEN", p["energy"], "[keV] energy of the vignetting")
    stem = Path(fits.parse_name(p["infile"]).path).name.partition(".evt")[0].removesuffix("_cl")
    if str(p["stemout"] or "DEFAULT").upper() != "DEFAULT":
        stem = str(p["stemout"])
    path = Path(p["outdir"] or ".") / f"{stem}_ex.img"
    step = fits.Provenance("xrtexpomap", dict(p), [events.path])
    if frames is not None:
        number = sum(map(len, groups))
        product.header.set("XRTFRTIM", frames.seconds, "[s] time of a frame")
        product.header.set("XRTNFRAM", number, "frames in the good time")
        product.header.set("ONTIME", frames.seconds * number, "[s] frames times their time")
    product.write(path, overwrite=p["clobber"], provenance=step)
    result.products["exposure map"] = path
    if frames is not None:
        raw = path.with_name(f"{stem}_rawinstr.img.gz")
        fits.write(raw, _instrument_maps(inputs, frames, groups), overwrite=p["clobber"], provenance=step)
        result.products["instrument maps"] = raw
    result.messages += [f"assumed: {line}" for line in inputs.assumptions]


def _check(p: Mapping[str, Any]) -> None:
    """Refuse what cannot be done before anything is read."""
    if p["hdfile"] is None and p["attfile"] is None:
        raise ParameterError("xrtexpomap: neither hdfile nor attfile is given", cure="Give hdfile=...xhd.hk.gz.")
    for name in ("vigfile", "fovfile", "teldef"):
        if str(p[name] or "CALDB").upper() != "CALDB":
            raise ParameterError(f"xrtexpomap: {name}={p[name]} is not read", cure=f"Give {name}=CALDB.")
    if p["pcnframe"] < 0:
        raise ParameterError(f"xrtexpomap: pcnframe={p['pcnframe']} is negative", cure="0 means no limit.")


def _as_groups(inputs: ExposureInputs, frames: Frames, groups: list[NDArray[np.intp]], attfile: Any) -> ExposureInputs:
    """Inputs in which each group of frames has one pointing, and as many frame times as frames."""
    start, stop = frames.start[[g[0] for g in groups]], frames.stop[[g[-1] for g in groups]]
    middle = 0.5 * (start + stop)
    if attfile is not None:
        known = attitude_of_file(attfile)
        _check_middles(known, middle)
        ra, dec, roll = known.at(middle)
    else:
        around = np.clip(middle[:, None] + _SAMPLES * frames.seconds, start[:, None], stop[:, None])
        ra, dec, roll = (_mean(c) for c in frames.pointing(around))
    # The last pointing is repeated at the end of its group: a step lasts until the next sample.
    steps = (np.append(c, c[-1]) for c in (ra, dec, roll))
    source = attfile or frames.source
    attitude = Attitude(np.append(start, stop[-1]), *steps, step=True, hold=np.inf, source=str(source))
    whole = live_seconds(inputs.gti, np.append(start, np.inf))
    seconds = frames.seconds * np.array([len(g) for g in groups])
    fraction = np.divide(seconds, whole, out=np.zeros(len(whole)), where=whole > 0)
    live = LiveTime(start, np.append(start[1:], inputs.gti.span[1]), fraction)
    return replace(inputs, attitude=attitude, live=live, attitude_bin=0.0, direct=len(groups) + 1)


def _check_middles(known: Attitude, middle: NDArray[np.float64]) -> None:
    """Whether an attitude file tells the pointing in the middle of every group, within the coordinator's margin."""
    after = np.searchsorted(known.time, middle)
    near = np.minimum(
        np.abs(middle - known.time[np.minimum(after, len(known) - 1)]),
        np.abs(middle - known.time[np.maximum(after - 1, 0)]),
    )
    worst = int(np.argmax(near))
    if near[worst] > (known.hold or 0.0):
        raise DataError(
            f"the attitude is not known at {middle[worst]:.1f} s: the next sample is {near[worst]:.0f} s away",
            file=known.source,
            cure="Give the attitude file of the same observation as the events.",
        )


def _mean(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means [n] of nearby angles [n, k], deg."""
    first = angles[:, :1]
    return (first + ((angles - first + 180.0) % 360.0 - 180.0).mean(axis=1, keepdims=True))[:, 0]


def _instrument_maps(inputs: ExposureInputs, frames: Frames, groups: list[NDArray[np.intp]]) -> list[fits.HDU]:
    """Frames in which each CCD pixel was good, one image per group."""
    (plane,) = inputs.planes
    mask = np.array(plane.mask)
    for area in plane.bad:
        mask.ravel()[area.pixels] = 0.0
    hdus: list[fits.HDU] = [fits.primary(inputs.header.copy())]
    for group in groups:
        header = inputs.header.copy()
        header.set("TSTART", float(frames.start[group[0]]), "[s] start of the first frame")
        header.set("TSTOP", float(frames.stop[group[-1]]), "[s] end of the last frame")
        header.set("XRTFRTIM", frames.seconds, "[s] time of a frame")
        header.set("XRTNFRAM", float(len(group)), "frames in this map")
        header.set("ONTIME", frames.seconds * len(group), "[s] frames times their time")
        for axis, name in ((1, "RAWX"), (2, "RAWY")):
            header.set(f"CTYPE{axis}", name, "CCD coordinate")
            header.set(f"CUNIT{axis}", "pixel", "unit of the axis")
            header.set(f"CRPIX{axis}", 1.0, "reference pixel")
            header.set(f"CRVAL{axis}", 0.0, "coordinate of the reference pixel")
            header.set(f"CDELT{axis}", 1.0, "step")
        hdus.append(fits.new_image(len(group) * mask, header=header))
    return hdus


TASK = Task("xrtexpomap", PARAMETERS, _run, __doc__ or "")
