"""The nine-spectrum polarimetric fit in Wolter, the peers, and plain NumPy and SciPy; same data, model and start."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fit import NAMES, POWERLAW, command
from benchmarks.harness import Row, Runner, Section, attempt

GRID = ((0.0, 0.21, 42), (-90.0, 0.0, 37))
# XSPEC 12.9.1 on a two-core machine: cold process, warm fit, grid (s). It cannot be installed with pip.
RECORDED = {"cold": 0.57, "warm": 0.150, "grid": 26.0}
XSPEC = "XSPEC 12.9.1 (recorded, not run here)"
AGREE = 0.02  # largest difference of the statistics of two programs that have found the same minimum


def optical_depth(energ_lo: Any, energ_hi: Any, path: Path) -> str:
    """Write TBabs's optical depth at 1e22 cm^-2 on energy bins (wilm, vern) for all programs; name of the file."""
    from wolter.models import Model, Settings

    edges = np.append(energ_lo, energ_hi[-1])
    absorbed = Model("tbabs*powerlaw", settings=Settings(abund="wilm"))
    absorbed["TBabs.nH"].value = 1e-2  # at low energies nothing is left of 1e22 cm^-2
    transmission = absorbed.evaluate(edges) / Model("powerlaw").evaluate(edges)
    np.save(path, -100.0 * np.log(transmission))
    return str(path)


def job_of(folder: Path, scratch: Path, repeat: int, grid_repeat: int) -> dict[str, Any]:
    """What every program gets: files, noticed channels, start values, grid."""
    import astropy.units as u

    from wolter.data import SpectrumSet

    spectra = SpectrumSet.read([folder / n for n in NAMES], groups=[1, 1, 1, 2, 2, 2, 3, 3, 3])
    spectra = spectra.select(2 * u.keV, 8 * u.keV)
    listed = []
    for spectrum, group, notice in zip(spectra, spectra.groups, spectra.notice, strict=True):
        channels = spectrum.channel[notice]
        files = {"file": str(spectrum.path), "rmf": str(spectrum.rmf.path), "arf": str(spectrum.arf.path)}
        bounds = [int(channels[0]), int(channels[-1])]
        listed.append({**files, "stokes": int(spectrum.stokes), "group": int(group), "channels": bounds})
    rmf = spectra[0].rmf
    offset = rmf.first_channel
    first, last = (c - offset for c in listed[0]["channels"])
    return {
        "spectra": listed,
        "start": POWERLAW,
        "grid": GRID,
        "repeat": repeat,
        "grid_repeat": grid_repeat,
        "depth": optical_depth(rmf.energ_lo, rmf.energ_hi, scratch / "ixpe_depth.npy"),
        # Inside the outermost channels: no program's rule about edges matters.
        "energies": [float(rmf.e_min[first]) + 0.01, float(rmf.e_max[last]) - 0.01],
    }


def section(folder: Path, run: Runner, *, repeat: int = 15, grid_repeat: int = 1) -> Section:
    """Measure all programs."""
    out = Section("Nine IXPE spectra, seven free parameters (chi-squared, 2-8 keV)")
    cold, warm, grid = (
        Row("whole process"),
        Row("warm fit"),
        Row(f"grid {GRID[0][2]} x {GRID[1][2]}, all else refitted"),
    )
    out.rows = [cold, warm, grid]
    job = job_of(folder, run.scratch, repeat, grid_repeat)
    cold.seconds["wolter"], said = run.cold_command(command(folder))
    cold.notes["wolter"] = f"chi2 {json.loads(said)['statistic']:.3f}, `wolter fit`"
    mine = run.work("wolter_side", {**job, "task": "ixpe"})
    programs: list[tuple[str, str, Path | str]] = [("NumPy + SciPy prototype", "plain_side", sys.executable)]
    if run.peer:
        programs += [("sherpa", "sherpa_side", run.peer), ("ndspec", "ndspec_side", run.peer)]
    results = {"wolter": mine}
    for name, script, python in programs:
        found = attempt(out, name, lambda s=script, p=python: run.cold(s, {**job, "task": "ixpe_cold"}, p))
        if found is None:
            continue
        cold.seconds[name] = found[0]
        cold.notes[name] = agreement(found[1]["statistic"], mine["statistic"])
        result = attempt(out, name, lambda s=script, p=python: run.work(s, {**job, "task": "ixpe"}, p))
        if result is not None:
            results[name] = result
    for name, result in results.items():
        warm.seconds[name] = result["warm"]
        warm.notes[name] = agreement(result["statistic"], mine["statistic"])
        if "grid" in result:
            grid.seconds[name] = result["grid"]
            grid.notes[name] = "lowest " + agreement(result["lowest"], mine["lowest"])
    if "sherpa" in grid.seconds:
        grid.notes["sherpa"] += f", reg_proj in {run.threads} process{'es' if run.threads > 1 else ''}"
    if "ndspec" in warm.seconds:
        out.remarks.append("ndspec has no grid of its own")
    for row, key in ((cold, "cold"), (warm, "warm"), (grid, "grid")):
        row.seconds[XSPEC] = RECORDED[key]
    return out


def agreement(statistic: float, mine: float, name: str = "chi2") -> str:
    """The statistic, and a word when it is not Wolter's."""
    difference = statistic - mine
    if abs(difference) <= AGREE:
        return f"{name} {statistic:.3f}"
    return f"{name} {statistic:.3f}, {'higher' if difference > 0 else 'LOWER'} by {abs(difference):.3g}"
