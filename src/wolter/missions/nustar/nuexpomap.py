"""The task ``nuexpomap``: exposure map of a module on the sky, with the names of NuSTARDAS.

Written is `expomapfile`, 1000 x 1000 pixels (or a box of `skysize` pixels about `skyx`, `skyy`) of the sky
coordinates X, Y of the events: live seconds. Differences from the mission's task: detector pixels are taken whole
(no table of the probability that a sub-pixel is active: `percent` has no effect); vignetting is the published
half-response radius instead of the calibration file; aspect solutions are binned by 2.5 arcsec whatever `pixbin`
says, since their number costs nothing; aspect histogram, instrument and detector maps are not written;
`mastaspectfile`, `attfile`, `teldef` and the other calibration files are accepted and have no effect: the aspect
files hold their result.
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
from wolter.makers.exposure import exposure_map as make_map
from wolter.missions._exposure import exposure_header
from wolter.missions.nustar.exposure import inputs_of_files
from wolter.tasks.registry import Parameter, Task, TaskResult

__all__ = ["TASK"]

PARAMETERS = tuple(
    Parameter(*row)
    for row in (
        ("infile", "f", ..., "screened event file: good times, bad pixels, sky coordinates"),
        ("det1reffile", "f", ..., "sky position of the DET1 reference pixel (_det1.fits)"),
        ("pixposfile", "s", "CALDB", "pixel positions (no effect)"),
        ("alignfile", "s", "CALDB", "alignment (no effect)"),
        ("mastaspectfile", "f", "NONE", "mast aspect (no effect)"),
        ("attfile", "f", "NONE", "attitude (no effect)"),
        ("teldef", "s", "CALDB", "geometry (no effect)"),
        ("instrprobmapfile", "s", "CALDB", "active sub-pixels (no effect)"),
        ("vignfile", "s", "CALDB", "vignetting (no effect)"),
        ("optaxisfile", "f", "NONE", "optical axis (_oa.fits); needed"),
        ("hkfile", "f", "NONE", "livetime (_fpm.hk); NONE: DEADC of the events"),
        ("expomapfile", "f", "DEFAULT", "exposure map; DEFAULT: <stem>_ex.img"),
        ("vignflag", "b", True, "apply vignetting"),
        ("energy", "r", 10.0, "energy of the vignetting, keV"),
        ("skyx", "i", -1, "x of the centre of a box; -1: whole plane"),
        ("skyy", "i", -1, "y of the centre of a box"),
        ("skysize", "i", -1, "side of the box, pixels"),
        ("pixbin", "i", 5, "aspect bin (no effect)"),
        ("percent", "r", 0.02, "least probability of an active sub-pixel (no effect)"),
        ("clobber", "b", False, "replace existing files"),
    )
)


def _run(p: Mapping[str, Any], result: TaskResult) -> None:
    from dataclasses import replace

    from astropy import units as u

    from wolter.makers.aspect import LiveTime

    if p["optaxisfile"] is None:
        raise ParameterError("nuexpomap: optaxisfile is not given", cure="Give the _oa.fits of the module.")
    events = EventList.read(os.fspath(p["infile"]))
    inputs = inputs_of_files(
        events.gti,
        p["det1reffile"],
        p["optaxisfile"],
        p["hkfile"],
        events.path,
        header=exposure_header(events),
    )
    if p["hkfile"] is None:
        inputs = replace(inputs, live=LiveTime.constant(events.deadc))
    grid = ImageGrid.over(events.bounds or (1, 1000, 1, 1000), columns=events.wcs)
    if p["skysize"] > 0:
        half = p["skysize"] // 2
        grid = grid.cutout(p["skyx"] - half, p["skyy"] - half, p["skysize"], p["skysize"])
    energy = p["energy"] * u.keV if p["vignflag"] else None
    product = make_map(inputs, grid, energy=energy, vignetting=p["vignflag"])
    product.header.set("CREATOR", f"nuexpomap (wolter {__version__})", "software that made this file")
    stem = Path(events.path).name.partition(".evt")[0].removesuffix("_cl")
    path = Path(p["expomapfile"] or "DEFAULT")
    if path.name.upper() == "DEFAULT":
        path = Path(f"{stem}_ex.img")
    product.write(path, overwrite=p["clobber"], provenance=fits.Provenance("nuexpomap", dict(p), [events.path]))
    result.products["exposure map"] = path
    result.messages += [f"assumed: {line}" for line in inputs.assumptions]


TASK = Task("nuexpomap", PARAMETERS, _run, __doc__ or "")
