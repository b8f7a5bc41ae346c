"""The spectral engine beside its peers: a simple fit, its grid, a thousand fits, plasma emission, responses."""

from __future__ import annotations

import gzip
import json
import lzma
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Row, Runner, Section, attempt
from benchmarks.ixpe import agreement, optical_depth

SWIFT = "swift/2m0259_00092220001"
START = {"TBabs.nH": 0.1, "powerlaw.PhoIndex": 2.0, "powerlaw.norm": 1e-4}
GRID = ((0.0, 1.0, 41), (0.5, 4.5, 41))
FAKED = {"TBabs.nH": 0.15, "powerlaw.PhoIndex": 1.9, "powerlaw.norm": 1.5e-3}
RESPONSES = {
    "Swift XRT (.gz)": f"{SWIFT}/swxpc0to12s6_20130101v014.rmf.gz",
    "XMM PN": "xmm/ngc7793_ulx4_0693760101/PN.rmf",
    "NuSTAR FPMA": "nustar/caldb_pieces/nuAdet3_20100101v002.rmf.xz",
}


def unpack(path: Path, folder: Path) -> Path:
    """A copy without .gz or .xz in a folder."""
    target = folder / path.stem
    if not target.exists():
        with (lzma.open if path.suffix == ".xz" else gzip.open)(path, "rb") as source, open(target, "wb") as out:
            shutil.copyfileobj(source, out, 1 << 22)
    return target


def swift_job(data: Path, run: Runner, repeat: int, grid_repeat: int) -> dict[str, Any]:
    """Files, noticed channels, start and grid; absorption from a file."""
    from wolter.data import RMF, Spectrum, notice_range

    folder = data / SWIFT
    rmf_file = unpack(folder / Path(RESPONSES["Swift XRT (.gz)"]).name, run.scratch)
    rmf = RMF.read(rmf_file)
    spectrum = Spectrum.read(folder / "target_sr.pha")
    channels = spectrum.channel[notice_range(rmf.e_min, rmf.e_max, 0.3, 10.0)]
    return {
        "file": str(folder / "target_sr.pha"),
        "rmf": str(rmf_file),
        "arf": str(folder / "target_sr.arf"),
        "channels": [int(channels[0]), int(channels[-1])],
        "depth": optical_depth(rmf.energ_lo, rmf.energ_hi, run.scratch / "swift_depth.npy"),
        "start": START,
        "grid": GRID,
        "repeat": repeat,
        "grid_repeat": grid_repeat,
        "energies": [0.3, 10.0],
        "tables": str(data / "model_data" / "abund_xsect"),
        "points": points(run.scratch / "points.npy"),
    }


def points(path: Path, number: int = 1000) -> str:
    """File of parameter sets (nH, index, norm) at which the statistic is evaluated."""
    rng = np.random.default_rng(1)
    columns = [rng.uniform(lo, hi, number) for lo, hi in ((0.0, 0.5), (1.0, 3.0), (2e-5, 2e-4))]
    np.save(path, np.column_stack(columns))
    return str(path)


def swift_command(job: dict[str, Any]) -> list[str]:
    """The simple fit as a shell command."""
    out = [sys.executable, "-m", "wolter", "fit", job["file"], "--rmf", job["rmf"], "--arf", job["arf"], "--json"]
    out += ["--model", "tbabs*powerlaw", "--stat", "cstat", "--abund", "wilm", "--energy", "0.3:10"]
    for name, value in START.items():
        out += ["--set", f"{name}={value}"]
    return out


def simple_fit(data: Path, run: Runner, *, repeat: int = 15, grid_repeat: int = 1) -> Section:
    """One spectrum with few counts."""
    out = Section("One Swift XRT spectrum, 58 counts, tbabs*powerlaw (cstat, 0.3-10 keV)")
    cold, warm, grid = Row("whole process"), Row("warm fit"), Row("grid 41 x 41, normalisation refitted")
    single, several = Row("statistic at one point"), Row("statistic at each of 1000 points in one call")
    out.rows = [cold, warm, grid, single, several]
    job = swift_job(data, run, repeat, grid_repeat)
    cold.seconds["wolter"], said = run.cold_command(swift_command(job))
    mine = run.work("wolter_side", {**job, "task": "swift"})
    cold.notes["wolter"] = agreement(json.loads(said)["statistic"], mine["statistic"], "cstat")
    results = {"wolter": mine}
    if run.peer:
        peer = run.peer
        found = attempt(out, "sherpa", lambda: run.cold("sherpa_side", {**job, "task": "swift_cold"}, peer))
        if found:
            cold.seconds["sherpa"] = found[0]
            cold.notes["sherpa"] = agreement(found[1]["statistic"], mine["statistic"], "cstat")
            results["sherpa"] = attempt(out, "sherpa", lambda: run.work("sherpa_side", {**job, "task": "swift"}, peer))
    if run.jax:
        jax = run.jax
        found = attempt(out, "jaxspec", lambda: run.cold("jaxspec_side", {**job, "task": "swift_cold"}, jax))
        if found:
            cold.seconds["jaxspec"] = found[0]
            cold.notes["jaxspec"] = (
                agreement(found[1]["statistic"], mine["statistic"], "cstat") + ", mostly compilation"
            )
            results["jaxspec"] = attempt(
                out, "jaxspec", lambda: run.work("jaxspec_side", {**job, "task": "swift"}, jax)
            )
    for name, result in results.items():
        if result is None:
            continue
        for row, key in ((single, "single"), (several, "evaluate")):
            if key in result:
                row.seconds[name] = result[key]
        if "points" in result and name != "wolter":
            worst = np.abs(np.array(result["points"]) - np.array(mine["points"])).max()
            several.notes[name] = f"largest difference of the statistic {worst:.2g}"
        warm.seconds[name] = result["warm"]
        warm.notes[name] = agreement(result["statistic"], mine["statistic"], "cstat")
        if "grid" in result:
            grid.seconds[name] = result["grid"]
            grid.notes[name] = "lowest " + agreement(result["lowest"], mine["lowest"], "cstat")
    return out


def many_fits(data: Path, run: Runner, *, number: int = 1000) -> Section:
    """Many faked spectra with the response of the Swift one."""
    from wolter.data import ARF, RMF, Spectrum
    from wolter.models import Model, Settings

    out = Section(f"{number} Swift-like spectra, tbabs*powerlaw (cstat)")
    row = Row("all fits, spectra in memory")
    out.rows = [row]
    job = swift_job(data, run, 1, 1)
    spectrum, rmf, arf = Spectrum.read(job["file"]), RMF.read(job["rmf"]), ARF.read(job["arf"])
    model = Model("tbabs*powerlaw", settings=Settings(abund="wilm"))
    for name, value in FAKED.items():
        model[name].value = value
    flux = model.evaluate(np.append(rmf.energ_lo, rmf.energ_hi[-1]))
    expected = rmf.fold(flux * arf.specresp) * spectrum.exposure
    counts = np.random.default_rng(1).poisson(expected, size=(number, len(expected)))
    np.save(run.scratch / "counts.npy", counts)
    job |= {"task": "many", "counts": str(run.scratch / "counts.npy"), "start": {**START, "powerlaw.norm": 1e-3}}
    out.remarks.append(f"{counts.sum(axis=1).mean():.0f} counts per spectrum on average, seed 1")
    mine = run.work("wolter_side", job)
    row.seconds["wolter"] = mine["warm"]
    row.notes["wolter"] = "fit_many, one process"
    if run.peer:
        peer = run.peer
        theirs = attempt(out, "sherpa", lambda: run.work("sherpa_side", job, peer))
        if theirs:
            row.seconds["sherpa"] = theirs["warm"]
            difference = np.array(theirs["statistic"]) - np.array(mine["statistic"])
            row.notes["sherpa"] = (
                f"loop; statistic equal to 0.01 in {np.sum(np.abs(difference) < 0.01)}, higher in"
                f" {np.sum(difference >= 0.01)}, lower in {np.sum(difference <= -0.01)}"
            )
    return out


def plasma(data: Path, run: Runner, *, number: int = 20) -> Section:
    """apec on 4096 bins in Wolter and in XSPEC's own library, from the same files of AtomDB."""
    out = Section("apec, 4096 bins from 0.1 to 12 keV, AtomDB 3.0.9")
    folder = run.scratch / "atomdb"
    folder.mkdir(exist_ok=True)
    for path in sorted((data / "model_data" / "atomdb_3.0.9").glob("*.fits*")):
        unpack(path, folder) if path.suffix in (".xz", ".gz") else shutil.copy(path, folder)
    first, warm, again = (
        Row("first call of a process, tables read"),
        Row("new temperature"),
        Row("temperature 0.1 % away"),
    )
    once = Row("first call ever with a version of AtomDB")
    out.rows = [first, warm, again, once]
    job = {"task": "apec", "atomdb": str(folder), "number": number}
    begin = run.work("wolter_side", {**job, "cache": str(run.scratch / "cache")})
    once.seconds["wolter"] = begin["first"]
    once.notes["wolter"] = "hashes the files and makes its compact copy"
    results = {"wolter": run.work("wolter_side", {**job, "cache": str(run.scratch / "cache")})}
    try:
        from wolter.models.xspec_library.installation import need_installation

        library = need_installation("apec")
    except Exception as exc:
        out.remarks.append(f"XSPEC's library left out: {exc}")
    else:
        job = {"task": "apec", "headas": str(library.headas), "library": str(library.library), "number": number}
        job["root"] = str(folder / "apec_v3.0.9")
        name = f"XSPEC library {library.version.rpartition('/')[2].removeprefix('LibXSPEC_v').replace('_', '.')}"
        found = attempt(out, name, lambda: run.work("xspec_side", job))
        if found:
            results[name] = found
            first.notes[name] = (
                f"sum of the spectrum relative to Wolter's {found['sum'] / results['wolter']['sum']:.6f}"
            )
    if "XSPEC" in " ".join(results):
        name = next(n for n in results if n.startswith("XSPEC"))
        once.seconds[name] = results[name]["first"]
    out.remarks.append("jaxspec left out: its own table (AtomDB 3.1.3) has to be fetched")
    for name, result in results.items():
        first.seconds[name], warm.seconds[name] = result["first"], result["warm"]
        again.seconds[name] = result["again"]
    return out


def responses(data: Path, run: Runner, *, repeat: int = 5) -> Section:
    """Reading response matrices; Wolter and sherpa also fold a spectrum, astropy only reads the columns."""
    out = Section("Reading a response matrix and folding one spectrum")
    for name, relative in RESPONSES.items():
        path = data / relative
        if not path.exists():
            out.remarks.append(f"{name} left out: no {relative}")
            continue
        if path.suffix == ".xz":
            path = unpack(path, run.scratch)
        row = Row(name)
        out.rows.append(row)
        job = {"task": "rmf", "file": str(path), "repeat": repeat}
        mine = run.work("wolter_side", job)
        row.seconds["wolter"] = mine["warm"]
        if run.peer:
            peer = run.peer
            theirs = attempt(out, "sherpa", lambda j=job, p=peer: run.work("sherpa_side", j, p))
            if theirs:
                row.seconds["sherpa"] = theirs["warm"]
                row.notes["sherpa"] = (
                    f"sum of the folded spectrum relative to Wolter's {theirs['sum'] / mine['sum']:.6f}"
                )
        if run.jax:
            jax = run.jax
            theirs = attempt(out, "jaxspec", lambda j=job, p=jax: run.work("jaxspec_side", j, p))
            if theirs:
                row.seconds["jaxspec"] = theirs["warm"]
                row.notes["jaxspec"] = f"Instrument, sum of the folded spectrum {theirs['sum'] / mine['sum']:.6f}"
        plain = attempt(out, "astropy", lambda j=job: run.work("plain_side", j))
        if plain:
            row.seconds["astropy"] = plain["warm"]
            row.notes["astropy"] = "columns only, no matrix, not folded"
    return out
