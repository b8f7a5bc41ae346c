"""The notebooks of `examples/`, one per mission, each in its own kernel: every cell, and facts among the output."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from astropy import units as u

from wolter import simulate_observation

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"

# Cells, figures, and what is printed: detectors and files as their archives name them, positions as simulated.
FACTS: dict[str, tuple[int, int, tuple[str, ...]]] = {
    "swift_xrt": (
        17,
        6,
        (
            r"Observation 00099000001 of Swift-XRT",
            r"xrt/event/sw00099000001xpcw3po_cl\.evt\.gz",
            r"is piled up; use core_excised\(\)",
            r"SourceList: 1 source\n.*\n +1 +253\.465\d\d +\+39\.762\d\d",
            r"\d+ groups of 1024 channels",
            r"powerlaw\.PhoIndex: [+-][0-2]\.\d sigma from the truth",
        ),
    ),
    "nustar": (
        15,
        5,
        (
            r"Observation 90099000002 of NuSTAR",
            r"livetime +FPMB .*hk/nu90099000002B_fpm\.hk\.gz",
            r"90099000002_fpmb_3-20keV_ex\.img",
            r"SourceList: 1 source\n.*\n +1 +201\.36[45]\d\d +-43\.019\d\d",
            r"SpectrumSet: 2 spectra in 2 data groups",
            r"2:constant\.factor",
        ),
    ),
    "xrism_xtend": (
        15,
        7,
        (
            r"Observation 300099010 of XRISM",
            r"xtend/event_cl/xa300099010xtd_p030000010_cl\.evt\.gz",
            r"SourceList: 1 source\n.*\n +1 +155\.878\d\d +\+19\.86[45]\d\d",
            r"FlareCut: (\d+) of \1 bins kept",
            r"gaussian\.LineE: [+-][0-2]\.\d sigma from the truth",
        ),
    ),
    "xmm_epic": (
        13,
        5,
        (
            r"Observation 0999990101 of XMM-Newton EPIC",
            r"pps/P0999990101PNS003PIEVLI0000\.FIT",
            r"RateMap combined 0\.5-2 keV: 512 x 512 pixels",
            r"SourceList: 1 source\n.*\n +1 +149\.592\d\d +-11\.059\d\d",
            r"SpectrumSet: 3 spectra in 3 data groups",
            r"bremss\.kT: [+-][0-2]\.\d sigma from the truth",
        ),
    ),
    "ixpe": (
        16,
        8,
        (
            r"Observation 01009999 of IXPE",
            r"SpectrumSet: 9 spectra in 3 data groups",
            r"shell/ixpe_det3_src_U\.pha",
            r"minimum detectable polarisation at 99 %: \d+\.\d %",
            r"polconst\.A: [+-][0-2]\.\d sigma from the truth",
            r"polconst\.psi: [+-][0-2]\.\d sigma from the truth",
        ),
    ),
}


def _run(name: str, folder: Path, **variables: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """What a notebook printed, the report of its cells, and its executed copy."""
    command = [sys.executable, "-m", "wolter", "run", str(EXAMPLES / f"{name}.md")]
    command += ["--report", str(folder / "report.json"), "--output", str(folder / "out.ipynb")]
    kept = {k: v for k, v in os.environ.items() if not k.endswith(("_OBSERVATION", "_RESPONSES", "_TARGET"))}
    environment = kept | {"TMPDIR": str(folder)} | variables
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads((folder / "report.json").read_text())
    return done.stdout + done.stderr, report, json.loads((folder / "out.ipynb").read_text())


@pytest.mark.parametrize("name", sorted(FACTS))
def test_example(name, tmp_path):
    cells, figures, facts = FACTS[name]
    text, report, notebook = _run(name, tmp_path)
    assert [cell["status"] for cell in report["cells"]] == ["ok"] * cells
    for fact in facts:
        assert re.search(fact, text), fact
    outputs = [o for cell in notebook["cells"] for o in cell.get("outputs", [])]
    assert sum("image/png" in o.get("data", {}) for o in outputs) == figures
    assert any("<table>" in "".join(o.get("data", {}).get("text/html", "")) for o in outputs)


def test_an_observation_of_ones_own(shared, tmp_path):
    """The Swift notebook on archived files of 1WHSP J012657.2+330730, without a truth to compare with."""
    folder = shared("swift", "1whsp_0126+33_00085374005")
    made = {"mission": "swift_xrt", "position": "21.7d 33.1d", "exposure": 10 * u.s, "output": tmp_path}
    simulate_observation("powerlaw", **made)  # for the nominal responses beside it
    own = {"SWIFT_OBSERVATION": str(folder), "SWIFT_RESPONSES": str(tmp_path / "responses")}
    own["SWIFT_TARGET"] = "21.7375d 33.1182d"
    text, report, _ = _run("swift_xrt", tmp_path, **own)
    assert {cell["status"] for cell in report["cells"]} == {"ok"}
    assert "Observation 00085374005 of Swift-XRT" in text
    assert "from the truth" not in text


def test_every_mission_has_one():
    from wolter.mission import missions

    assert {n for n, m in missions().items() if m.simulator} == set(FACTS)
