"""The task ``xrtexpomap``: exposure map of a photon-counting event file, with the mission's names and conventions.

Written is ``<stem>_ex.img``, 1000 x 1000 pixels on the sky coordinates X, Y of the events. As in the mission's own
task: seconds are frame times, without the correction for dead time (DEADC), which the native maps have; vignetting
is off unless asked for. Differences: sub-groups of frames are pointings within 2.4 arcsec of a common grid instead
of frames within 1.2 arcsec of a median; windowed-timing modes are refused; `pcnframe`, `wtnframe`, `teldef` and
`checkattitude` are accepted and have no effect; instrument maps (``_rawinstr.img``) are not written.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wolter import fits
from wolter._version import __version__
from wolter.data import EventList, ImageGrid
from wolter.errors import ParameterError
from wolter.makers.exposure import ExposureInputs
from wolter.makers.exposure import exposure_map as make_map
from wolter.missions.swift_xrt.exposure import good_frames, inputs_of_files
from wolter.tasks.registry import Parameter, Task, TaskResult

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
        ("pcnframe", "i", 0, "frames per map (no effect)"),
        ("wtnframe", "i", 0, "frames per map in windowed timing (no effect)"),
        ("checkattitude", "b", True, "split at attitude changes (always done)"),
        ("teldef", "s", "CALDB", "detector geometry (no effect)"),
        ("clobber", "b", False, "replace existing files"),
        ("cleanup", "b", True, "remove temporary files (none are made)"),
    )
)


def _run(p: Mapping[str, Any], result: TaskResult) -> None:
    from astropy import units as u

    if p["hdfile"] is None and p["attfile"] is None:
        raise ParameterError("xrtexpomap: neither hdfile nor attfile is given", cure="Give hdfile=...xhd.hk.gz.")
    events = EventList.read(os.fspath(p["infile"]))
    inputs: ExposureInputs = inputs_of_files(events, frames=p["hdfile"], attitude=p["attfile"], deadtime=False)
    bounds = events.bounds or (1, 1000, 1, 1000)
    grid = ImageGrid.over(bounds, columns=events.wcs)
    energy = p["energy"] * u.keV if p["vigflag"] else None
    product = make_map(inputs, grid, energy=energy, vignetting=p["vigflag"])
    for key, value, comment in (
        ("XRTFRTIM", float(events.header.get("TIMEDEL", 2.5073) or 2.5073), "[s] time of a frame"),
        ("XRTNFRAM", good_frames(inputs.attitude, inputs.gti), "frames with attitude in the good time"),
        ("CREATOR", f"xrtexpomap (wolter {__version__})", "software that made this file"),
    ):
        product.header.set(key, value, comment)
    if p["vigflag"]:
        product.header.set("XRTVIGEN", p["energy"], "[keV] energy of the vignetting")
    stem = Path(fits.parse_name(p["infile"]).path).name.partition(".evt")[0].removesuffix("_cl")
    if str(p["stemout"] or "DEFAULT").upper() != "DEFAULT":
        stem = str(p["stemout"])
    path = Path(p["outdir"] or ".") / f"{stem}_ex.img"
    product.write(path, overwrite=p["clobber"], provenance=fits.Provenance("xrtexpomap", dict(p), [events.path]))
    result.products["exposure map"] = path
    result.messages += [f"assumed: {line}" for line in inputs.assumptions]


TASK = Task("xrtexpomap", PARAMETERS, _run, __doc__ or "")
