"""The task ``emosaic``: EPIC images added on common pixels, by SAS's rules.

As the SAS documentation of emosaic (1.19) has it: pixel size and reference of the mosaic are those of the first image,
its size holds all images; every pixel of the mosaic gets the sum of the values of the input images at its centre; with
`withexposure` the exposure maps are added likewise and the sum of the images is divided by their sum. Values are
sampled, not moved: where the pixels of the images are turned against each other or of another size, counts are not
conserved exactly (`wolter.makers.mosaic` conserves them; ``sampling=counts`` does the same here).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wolter import fits
from wolter._version import __version__
from wolter.data import ExposureMap, Image
from wolter.errors import ParameterError
from wolter.makers.mosaics import common_grid, mosaic
from wolter.tasks.registry import Parameter, Task, TaskResult

__all__ = ["TASK"]

_SAMPLING = {"point": "sample", "counts": "centre", "area": "area"}
PARAMETERS = tuple(
    Parameter(*row)
    for row in (
        ("imagesets", "s", ..., "images, separated by blanks"),
        ("mosaicedset", "f", "mosaic.ds", "mosaic to write"),
        ("withexposure", "b", False, "divide by the sum of the exposure maps"),
        ("exposuresets", "s", "", "exposure maps, separated by blanks, in the order of the images"),
        ("sampling", "s", "point", "point: values at the centres of the new pixels; counts, area: counts conserved"),
    )
)


def _names(text: Any) -> list[str]:
    """File names of a list: a text with blanks between them, or several paths."""
    if isinstance(text, (list, tuple)):
        return [str(name) for name in text]
    return str(text or "").split()


def emosaic(p: Mapping[str, Any], result: TaskResult) -> None:
    """Do what the parameters say."""
    names, maps = _names(p["imagesets"]), _names(p["exposuresets"])
    if not names:
        raise ParameterError("emosaic: imagesets names no image")
    kind = str(p["sampling"] or "point").lower()
    if kind not in _SAMPLING:
        raise ParameterError(f"emosaic: sampling={p['sampling']}", cure=f"Known are {', '.join(_SAMPLING)}.")
    if p["withexposure"] and len(maps) != len(names):
        raise ParameterError(f"emosaic: {len(names)} images but {len(maps)} exposure maps")
    images = [Image.read(name) for name in names]
    grid = common_grid(images)
    total = mosaic(images, grid, method=_SAMPLING[kind])
    kinds = {image.data.dtype for image in images}
    data = total.data.astype(kinds.pop().newbyteorder("=")) if len(kinds) == 1 else total.data.astype(np.float64)
    used = list(names)
    if p["withexposure"]:
        seconds = mosaic([ExposureMap.read(name) for name in maps], grid, method=_SAMPLING[kind])
        data = np.divide(total.data, seconds.data, out=np.zeros(grid.shape), where=seconds.exposed)
        used += maps
    total.header.set("CREATOR", f"emosaic (wolter {__version__})", "name of code")
    total.header.set("HDUCLASS", "OGIP")
    total.header.set("HDUCLAS1", "IMAGE")
    provenance = fits.Provenance("emosaic", dict(p), used)
    path = Path(p["mosaicedset"])
    fits.write(path, [fits.new_image(data, header=total.header)], overwrite=True, provenance=provenance)
    result.products = {"image": path}
    result.messages.append(f"{len(images)} images, {float(np.nansum(total.data)):.10g} counts")


TASK = Task("emosaic", PARAMETERS, emosaic, __doc__ or "")
