"""Writing polarisation cubes."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wolter import fits
from wolter._version import __version__

if TYPE_CHECKING:
    from wolter.makers.polarisation import PolarisationCube

__all__ = ["write_cube"]


def write_cube(cube: PolarisationCube, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a cube as FITS (extension POLARIZATION) or, for names ending in ``.ecsv``, as an ECSV table.

    Raises
    ------
    OutputError
        If the file exists (and not `overwrite`) or cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() == ".ecsv":
        lines = _ecsv(cube)
        with fits.atomic_path(target, overwrite=overwrite) as temporary:
            Path(temporary).write_text(lines, encoding="utf-8")
        return target
    data, columns = {}, {}
    for name, (values, unit, text) in cube.columns().items():
        data[name] = np.asarray(values)
        columns[name] = fits.Column(name, unit=unit, comment=text)
    header = fits.Header()
    header.set("CONTENT", "POLARIZATION", "polarisation in energy bins")
    header.set("BACKSUB", cube.subtracted, "whether background was subtracted")
    header.set("CREATOR", f"wolter {__version__}", "software that made this product")
    table = fits.new_table("POLARIZATION", data, columns=columns, header=header)
    provenance = fits.Provenance("polarisation_cube", {"bins": len(cube)}, list(cube.inputs))
    return fits.write(target, [fits.primary(), table], overwrite=overwrite, provenance=provenance)


def _ecsv(cube: PolarisationCube) -> str:
    """Text of the cube as an enhanced CSV table (Astropy APE 6)."""
    lines = ["# %ECSV 1.0", "# ---", "# datatype:"]
    columns = cube.columns()
    for name, (values, unit, text) in columns.items():
        kind = np.asarray(values).dtype.name
        fields = [f"name: {name}", *([f"unit: {unit}"] if unit else []), f"datatype: {kind}", f"description: '{text}'"]
        lines.append("# - {" + ", ".join(fields) + "}")
    lines.append(" ".join(columns))
    for row in range(len(cube)):
        lines.append(" ".join(repr(np.asarray(v[0])[row].item()) for v in columns.values()))
    return "\n".join(lines) + "\n"
