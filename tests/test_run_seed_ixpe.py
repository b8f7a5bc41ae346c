"""The IXPE tutorial from its first cell to its last, as written: archive, calibration database, spectra, fit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

import caldb_support
from wolter.archive import ArchiveServer
from wolter.caldb import build_index


def test_the_whole_tutorial_runs_unchanged(shared, tmp_path):
    for module in ("astroquery", "jupytext", "jupyter_client", "boto3"):
        pytest.importorskip(module)
    (seed,) = shared("..", "seeds").glob("000_*.txt")
    folder = tmp_path / "archive"
    shutil.copytree(shared("ixpe", "sim_mrk501_01004701", "01004701"), folder / "01004701")
    build_index(caldb_support.ixpe_files(folder / "caldb", shared("ixpe", "pseudo_caldb")))
    work = tmp_path / "work"
    work.mkdir()
    shutil.copyfile(seed, work / "ixpe.md")
    surroundings = {k: v for k, v in os.environ.items() if not k.startswith("CALDB")}
    with ArchiveServer(folder, port=0) as server:
        done = subprocess.run(
            [sys.executable, "-m", "wolter", "run", "ixpe.md", "--archive", server.url, "--report", "report.json"],
            cwd=work, capture_output=True, text=True, timeout=300,
            env={**surroundings, "XDG_CACHE_HOME": str(tmp_path / "cache")},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    cells = json.loads((work / "report.json").read_text())["cells"]
    assert len(cells) == 30
    assert {c["status"] for c in cells} == {"ok"}
    assert not any(c["repair"] for c in cells)  # not one cell had to be changed
    assert list((tmp_path / "cache").rglob("data/ixpe/gpd/caldb.indx"))  # quzcif asked the server
    made = {p.name for p in (work / "IXPE_output").iterdir() if p.suffix == ".pha"}
    assert made == {f"ixpe_det{d}_{k}_{s}.pha" for d in (1, 2, 3) for k in ("src", "bck") for s in "IQU"}
