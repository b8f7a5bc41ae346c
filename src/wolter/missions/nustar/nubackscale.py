"""The task ``nubackscale``: BACKSCAL of a spectrum weighted by the exposure of its region.

BACKSCAL becomes BACKSCAL x (mean exposure of the pixels of the region / EXPOSURE), with the region as the spectrum's
WMAP has it (values from 0 on) and a map without vignetting, live time included; NUBACKSC is set to T in all
extensions, and a spectrum that has it already is left as it is. That the recorded spectra of NuSTARDAS are made so
is checked on two of them: they carry NUBACKSC, and their BACKSCAL is 0.9984 of the plain area. The map is
`expomapfile`, or is made from the aspect and housekeeping files. Difference: `outfile` may be the input itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wolter import fits
from wolter.data import ExposureMap, ImageGrid
from wolter.errors import DataError, ParameterError
from wolter.makers.exposure import exposure_map as make_map
from wolter.missions.nustar.exposure import backscal, inputs_of_files
from wolter.tasks.registry import Parameter, Task, TaskResult

__all__ = ["TASK"]

PARAMETERS = tuple(
    Parameter(*row)
    for row in (
        ("srcphafile", "f", ..., "spectrum of the source"),
        ("bkgphafile", "f", "NONE", "spectrum of the background"),
        ("srcoutfile", "f", "DEFAULT", "spectrum to write; DEFAULT: in place"),
        ("bkgoutfile", "f", "DEFAULT", "background to write; DEFAULT: in place"),
        ("expomapfile", "f", "NONE", "exposure map without vignetting; NONE: make it"),
        ("det1reffile", "f", "NONE", "sky position of the DET1 reference pixel (_det1.fits)"),
        ("optaxisfile", "f", "NONE", "optical axis (_oa.fits)"),
        ("hkfile", "f", "NONE", "livetime (_fpm.hk)"),
        ("badpixfile", "s", "NONE", "files with BADPIX tables, separated by commas"),
        ("clobber", "b", False, "replace existing files"),
    )
)


def _run(p: Mapping[str, Any], result: TaskResult) -> None:
    for kind, source, target in (
        ("source", p["srcphafile"], p["srcoutfile"]),
        ("background", p["bkgphafile"], p["bkgoutfile"]),
    ):
        if source is None:
            continue
        out = Path(source) if str(target or "DEFAULT").upper() == "DEFAULT" else Path(target)
        done, said = _scale(Path(source), out, p)
        if done:
            result.products[kind] = out
        result.messages.append(said)


def _same_camera(spectrum: fits.HDU, file: Path, others: fits.Header, map_file: Any) -> None:
    """Refuse the map of another telescope or module."""
    for key in ("TELESCOP", "INSTRUME"):
        mine, its = (str(h.get(key, "") or "").strip() for h in (spectrum.header, others))
        if mine and its and mine.upper() != its.upper():
            raise DataError(
                f"the spectrum is of {mine}, the exposure map {map_file} of {its}",
                file=file,
                hdu="SPECTRUM",
                cure="Give the map of the same module.",
            )


def _scale(source: Path, target: Path, p: Mapping[str, Any]) -> tuple[bool, str]:
    """Write a spectrum with its BACKSCAL weighted; whether it was done, and what, in words."""
    with fits.open(source) as file:
        spectrum = file["SPECTRUM"]
        if bool(spectrum.header.get("NUBACKSC", False)):
            return False, f"{source.name}: BACKSCAL is weighted already (NUBACKSC), nothing is done"
        telescope = str(spectrum.header.get("TELESCOP", "") or "NuSTAR").strip()
        if telescope.upper() != "NUSTAR":
            raise DataError(
                f"the spectrum is of {telescope}", file=source, hdu="SPECTRUM", cure="nubackscale is for NuSTAR."
            )
        mask = _region(file)
        if p["expomapfile"] is not None:
            exposure = ExposureMap.read(p["expomapfile"])
            _same_camera(spectrum, source, exposure.header, p["expomapfile"])
        else:
            exposure = _make(file, p)
        area = float(spectrum.header["BACKSCAL"])
        weight = backscal(mask, float(spectrum.header["EXPOSURE"]), exposure) / (mask.sum() / mask.size)
        hdus = []
        for hdu in file.hdus:
            copy = _copied(hdu)
            if "BACKSCAL" in copy.header:
                copy.header.set("BACKSCAL", area * weight)
            copy.header.set("NUBACKSC", True, "BACKSCAL weighted by exposure")
            hdus.append(copy)
    in_place = target.resolve() == source.resolve()
    fits.write(
        target,
        hdus,
        overwrite=in_place or p["clobber"],
        provenance=fits.Provenance("nubackscale", {k: v for k, v in p.items() if v is not None}, [source]),
    )
    return True, f"{source.name}: BACKSCAL {area:.8g} -> {area * weight:.8g} (mean exposure {weight:.6f} of EXPOSURE)"


def _copied(hdu: Any) -> Any:
    if isinstance(hdu, fits.TableHDU):
        return hdu.select(np.arange(hdu.nrows))
    if len(hdu.shape) == 0:
        return fits.primary(hdu.header.without_structure())
    return fits.new_image(hdu.read(), name=hdu.name, header=hdu.header.without_structure())


def _region(file: fits.FitsFile, size: int = 1000) -> np.ndarray:
    """Pixels of the sky image that the WMAP has counts or zeros for."""
    hdu = file[0]
    if not isinstance(hdu, fits.ImageHDU) or len(hdu.shape) != 2:
        raise DataError("there is no WMAP in the primary extension", file=file.path, cure="Extract with a WMAP.")
    data, header = hdu.read(), hdu.header
    plane = str(header.get("CTYPE1P", "X") or "X").strip().upper()
    if plane != "X":
        raise DataError(
            f"the WMAP lies in the plane of {plane}, the exposure map on the sky", file=file.path, hdu="PRIMARY",
            cure="Extract the spectrum with a WMAP in X and Y.",
        )  # fmt: skip
    step = int(header.get("WMREBIN", 1) or 1)
    x0, y0 = (int(round(float(header.get(f"CRVAL{n}P", 1.0)))) for n in (1, 2))
    rows, columns = np.nonzero(data >= 0)
    mask = np.zeros((size, size), dtype=bool)
    for dx in range(step):
        for dy in range(step):
            mask[
                np.clip(y0 - 1 + rows * step + dy, 0, size - 1), np.clip(x0 - 1 + columns * step + dx, 0, size - 1)
            ] = True
    return mask


def _make(file: fits.FitsFile, p: Mapping[str, Any]) -> ExposureMap:
    """Exposure map of the spectrum's good times."""
    from wolter.gti import GTI
    from wolter.missions.nustar.exposure import _aspect

    if p["det1reffile"] is None or p["optaxisfile"] is None:
        raise ParameterError(
            "nubackscale: neither expomapfile nor det1reffile and optaxisfile are given",
            cure="Give an exposure map, or the aspect files to make it from.",
        )
    bad = [name.strip() for name in str(p["badpixfile"] or "").split(",") if name.strip()] or None
    gti = GTI.read(file["GTI"])
    header = fits.Header({"INSTRUME": str(file["SPECTRUM"].header.get("INSTRUME", ""))})
    inputs = inputs_of_files(gti, p["det1reffile"], p["optaxisfile"], p["hkfile"], bad, header=header)
    wcs = _aspect(p["det1reffile"], "DET1_REFPOINT", "X_DET1", "Y_DET1")[3]
    return make_map(inputs, ImageGrid((1, 1), (1000, 1000), 1, wcs), vignetting=False)


TASK = Task("nubackscale", PARAMETERS, _run, __doc__ or "")
