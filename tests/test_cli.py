"""The `wolter` command: results on stdout, all else on stderr, exit status 0/1/2."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from wolter.cli import _VERBS, main

NINE = [f"det{d}_filt_src_{s}.pha" for d in (1, 2, 3) for s in "IQU"]
LOGPAR = [
    *("--model", "constant*TBabs(polconst*logpar)", "--energy", "2:8", "--abund", "wilm"),
    *("--set", "TBabs.nH=0.0169", "--freeze", "TBabs.nH"),
    *("--free-by-group", "constant.factor", "--freeze", "1:constant.factor"),
]
SOURCE = 'circle(16:53:51.766,+39:45:44.41,60.000")'
BACKGROUND = 'annulus(16:53:51.766,+39:45:44.41,132.000",252.000")'


@pytest.fixture
def nine(shared):
    folder = shared("ixpe", "mrk501_01004601")
    return [folder / name for name in NINE]


@pytest.mark.parametrize("verb", sorted(_VERBS))
def test_every_verb_has_help_with_an_example(run, verb):
    status, out, _ = run(verb, "--help")
    assert status == 0
    assert "Example:" in out
    assert f"wolter {verb}" in out.split("Example:")[1]
    assert "--json" in out


def test_fit_of_nine_spectra_leaves_the_local_minimum(run, nine):
    status, out, err = run("fit", *nine, *LOGPAR, "--set", "logpar.pivotE=5", "--json")
    result = json.loads(out)
    assert status == 0
    assert result["statistic"] <= 1570.1
    assert result["dof"] == 1334
    assert "restarted" in err
    rows = {(p["name"], p["group"]): p for p in result["parameters"]}
    assert set(next(iter(rows.values()))) >= {
        "name", "group", "value", "sigma", "lower", "upper", "frozen", "tied", "unit",
    }  # fmt: skip
    assert rows["polconst.A", 1]["value"] == pytest.approx(0.0893, abs=0.003)
    assert rows["polconst.psi", 1]["value"] == pytest.approx(-64.9, abs=1)
    assert rows["polconst.A", 2]["tied"]
    assert rows["constant.factor", 1]["frozen"]
    assert [s["noticed_bins"] for s in result["spectra"]] == [149] * 9
    assert sum(s["statistic"] for s in result["spectra"]) == pytest.approx(result["statistic"])
    assert result["spectra"][0]["rate"] == pytest.approx(0.4608, abs=1e-4)  # as XSPEC prints it


def test_leven_stays_where_xspec_stopped(run, nine):
    words = ["fit", *nine, *LOGPAR, "--set", "logpar.pivotE=5", "--freeze", "logpar.pivotE", "--method", "leven"]
    words += ["--set", "logpar.alpha=1.5", "--set", "logpar.beta=0.2", "--json"]
    status, out, _ = run(*words)
    assert status == 0
    assert json.loads(out)["statistic"] == pytest.approx(1597.94, abs=0.1)


def test_groups_by_name_and_number(run, nine):
    short = ["--model", "constant*TBabs*powerlaw", "--energy", "2:8", "--json"]
    groups = ["--group", f"1:{NINE[0]}", "--group", "2:2,det3_filt_src_I"]
    status, out, _ = run("fit", nine[0], nine[3], nine[6], *short, *groups)
    assert status == 0
    assert [s["group"] for s in json.loads(out)["spectra"]] == [1, 2, 2]
    status, _, err = run("fit", nine[0], nine[3], *short, "--group", "1:det1_filt_src_I")
    assert status == 2
    assert "in no group" in err


def test_chain_from_events_to_interval(run, shared, tmp_path):
    responses = shared("ixpe", "pseudo_caldb")
    events = shared("ixpe", "sim_mrk501_01004701", "01004701")
    truth = json.loads(shared("ixpe", "sim_mrk501_01004701", "truth.json").read_text())
    status, out, _ = run(
        "extract", events, "--source", SOURCE, "--background", BACKGROUND, "--stokes", "neff",
        "--responses", responses, "--output", tmp_path, "--light-curve", 500, "--image", "--cube", "2:8", "--json",
    )  # fmt: skip
    made = json.loads(out)
    assert status == 0
    assert len(made["spectra"]) == 9
    assert {Path(s["file"]).name for s in made["spectra"]} >= {"ixpe_det1_src_I.pha", "ixpe_det3_src_U.pha"}
    assert (tmp_path / "ixpe_det2_bck_Q.pha").exists()
    assert abs(made["cube"]["pd"] - truth["pd"]) < 2.5 * made["cube"]["pd_error"]
    status, out, _ = run(
        "fit", *[s["file"] for s in made["spectra"]], "--model", "polconst*tbabs(constant*powerlaw)",
        "--energy", "2:8", "--bin", 5, "--set", "polconst.A=0.05", "--set", "polconst.psi=-50",
        "--set", "TBabs.nH=0.15", "--set", "powerlaw.PhoIndex=2.7",
        "--set", "powerlaw.norm=0.1", "--free-by-group", "constant.factor",
        "--set", "2:constant.factor=0.8", "--set", "3:constant.factor=0.9", "--freeze", "1:constant.factor",
        "--error", "polconst.A", "--error", "polconst.psi", "--delta", 6.635, "--flux", "2:8", "--json",
        "--plot", tmp_path / "fit.png", "--output", tmp_path / "fit.json",
    )  # fmt: skip
    assert status == 0
    result = json.loads(out)
    rows = {p["name"]: p for p in result["parameters"] if p["group"] == 1}
    for name, key in (("polconst.A", "pd"), ("polconst.psi", "pa"), ("TBabs.nH", "nh"), ("powerlaw.PhoIndex", "index")):
        assert abs(rows[name]["value"] - truth[key]) < 2.5 * rows[name]["sigma"], name
    assert rows["polconst.A"]["lower"] < truth["pd"] < rows["polconst.A"]["upper"]
    assert (tmp_path / "fit.png").read_bytes()[:4] == b"\x89PNG"
    assert json.loads((tmp_path / "fit.json").read_text())["statistic"] == result["statistic"]


def test_grid_and_contour(run, nine, tmp_path):
    figure = tmp_path / "contour.pdf"
    words = ["--axis", "polconst.A=0:0.2:11", "--axis", "polconst.psi=-90:90:13", "--plot", figure, "--json"]
    status, out, _ = run("grid", *nine, *LOGPAR, *words)
    result = json.loads(out)
    assert status == 0
    assert len(result["statistic"]) == 11
    assert len(result["statistic"][0]) == 13
    assert result["minimum"]["statistic"] >= result["best_fit"]["statistic"] - 0.01
    assert figure.read_bytes()[:4] == b"%PDF"


def test_mdp_predicted_falls_with_the_root_of_time(run, shared):
    folder = shared("ixpe", "mrk501_01004601")
    words = ["mdp", "--model", "tbabs*powerlaw", "--set", "tbabs.nH=0.646", "--set", "powerlaw.PhoIndex=2.75"]
    words += ["--set", "powerlaw.norm=0.104", "--json"]
    for d in (1, 2, 3):
        words += ["--rmf", folder / f"ixpe_d{d}_20170101_alpha075_02.rmf"]
        words += ["--arf", folder / f"det{d}_filt_src.arf", "--mrf", folder / f"det{d}_filt_src.mrf"]
    found = [json.loads(run(*words, "--exposure", t)[1])["mdp99"] for t in (100e3, 400e3)]
    assert found[0] == pytest.approx(2 * found[1], rel=1e-9)
    # The tutorial's simulator gives 5.62 % for this source and 100 ks with its own (pre-launch) areas.
    assert found[0] == pytest.approx(0.0562, rel=0.25)


def test_info(run, shared, nine):
    status, out, _ = run("info", shared("ixpe", "sim_mrk501_01004701", "01004701"), "--json")
    result = json.loads(out)
    assert status == 0
    assert (result["mission"], result["obsid"]) == ("ixpe", "01004701")
    assert sorted(f["detector"] for f in result["files"]) == ["DU1", "DU2", "DU3"]
    status, out, _ = run("info", nine[0])
    assert status == 0
    assert "SPECTRUM" in out


def test_models(run):
    status, out, _ = run("models", "--json")
    names = {c["name"] for c in json.loads(out)["components"]}
    assert status == 0
    assert names >= {"powerlaw", "TBabs", "polconst", "logpar"}
    status, out, _ = run("models", "tbabs", "--json")
    assert json.loads(out)["parameters"][0]["name"] == "nH"


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["fitt"], 2, "Did you mean 'fit'"),
        (["fit", "--model", "powerlaw"], 2, "no spectrum is given"),
        (["fit", "nowhere.pha", "--model", "powerlaw"], 1, "nowhere.pha"),
        (["fit", "{I}", "--model", "powrlaw"], 1, "powerlaw"),
        (["fit", "{I}", "--model", "powerlaw", "--set", "powerlaw.PhoIndx=2"], 1, "PhoIndex"),
        (["fit", "{I}", "--model", "powerlaw", "--set", "powerlaw.PhoIndex=20"], 1, "PhoIndex"),
        (["fit", "{I}", "--model", "powerlaw", "--set", "powerlaw.PhoIndex=two"], 2, "is not a number"),
        (["fit", "{I}", "--model", "powerlaw", "--energy", "8:2"], 2, "empty"),
        (["fit", "{I}", "--model", "powerlaw", "--energy", "20:30"], 1, ""),
        (["fit", "{I}", "--model", "powerlaw", "--abund", "wilms"], 1, "wilm"),
        (["fit", "{I}", "--model", "powerlaw", "--arf", "{MRF2}"], 1, "DU2"),
        (["extract", "nowhere", "--source", "circle(1,2,3)"], 1, "no such file or folder"),
        (["extract", "{EVT}", "--source", "circel(300,300,20)", "--output", "{TMP}"], 1, "circle"),
        (["extract", "{EVT}", "--source", "circle(9000,9000,20)", "--output", "{TMP}"], 1, ""),
        (["extract", "{EVT}", "--source", "src", "--output", "{TMP}"], 2, "neither a file nor region text"),
        (["grid", "{I}", "--model", "powerlaw", "--axis", "powerlaw.PhoIndex=1:2"], 2, "axis"),
        (["mdp", "--model", "powerlaw"], 2, "--exposure"),
        (["info", "nowhere"], 1, "nowhere"),
        (["models", "powrlaw"], 1, "powerlaw"),
        (["simulate", "--model", "powerlaw", "--position", "here", "--exposure", "10", "--output", "{TMP}"], 1, "here"),
    ],
)
def test_mistakes_are_answered_with_a_sentence(run, shared, tmp_path, words, status, message):
    folder = shared("ixpe", "mrk501_01004601")
    places = {
        "{I}": folder / NINE[0],
        "{MRF2}": folder / "det2_filt_src.arf",
        "{EVT}": shared("ixpe", "sim_mrk501_01004701", "01004701"),
        "{TMP}": tmp_path,
    }
    found, out, err = run(*[places.get(w, w) for w in words])
    assert found == status, err
    assert message in err
    assert "Traceback" not in err
    assert out == ""
    assert not list(tmp_path.iterdir())


def test_failure_as_json(run):
    status, out, err = run("info", "nowhere", "--json")
    assert status == 1
    assert json.loads(out)["error"]["type"] == "FitsError"
    assert "nowhere" in err


def test_fit_needs_no_heavy_import(nine):
    words = ["fit", str(nine[0]), "--model", "TBabs*powerlaw", "--energy", "2:8", "--json"]
    code = (
        "import sys\nfrom wolter.cli import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "heavy = [m for m in ('matplotlib', 'astropy.io.fits', 'scipy', 'astropy.units', 'rich') if m in sys.modules]\n"
        "sys.exit(' '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["dof"] > 0


def test_files_are_refused_before_any_work(run, nine, tmp_path):
    there = tmp_path / "fit.json"
    there.write_text("{}")
    status, out, err = run("fit", nine[0], "--model", "powerlaw", "--energy", "2:8", "--output", there)
    assert (status, out) == (1, "")
    assert "exists already" in err
    assert there.read_text() == "{}"
    status, out, err = run("fit", nine[0], "--model", "powerlaw", "--plot", tmp_path / "no" / "fit.png")
    assert (status, out) == (1, "")
    assert "folder is missing" in err
    status, out, err = run("fit", nine[0], "--model", "powerlaw", "--energy", "2:8", "--error", "powerlaw.PhoIdx")
    assert (status, out) == (1, "")
    assert "PhoIndex" in err


def test_spectra_of_the_demo_can_be_fitted_afterwards(run, tmp_path):
    status, out, _ = run("demo", "--output", tmp_path / "demo", "--exposure", 4000, "--json")
    assert status == 0
    result = json.loads(out)
    assert Path(result["report"]).stat().st_size > 100_000
    assert all(Path(f).read_bytes()[:4] == b"\x89PNG" for f in result["figures"])
    spectra = sorted((tmp_path / "demo").glob("ixpe_det?_src_?.pha"))
    status, out, _ = run(
        "fit", *spectra, "--model", "polconst*tbabs*powerlaw", "--energy", "2:8", "--bin", 10, "--json"
    )
    assert status == 0
    assert json.loads(out)["dof"] > 0


def test_too_little_memory_is_an_error_with_a_cure(monkeypatch, capsys):
    """NumPy's own words, not a traceback."""
    import importlib

    module = importlib.import_module("wolter.cli.models")
    monkeypatch.setattr(module.command, "callback", lambda **_: np.zeros((1 << 40, 64)))
    with pytest.raises(SystemExit) as stop:
        main(["models", "--json"])
    out, err = capsys.readouterr()
    assert stop.value.code == 1
    assert re.search(r"not enough memory: Unable to allocate .*\. Take less at a time", err)
    assert "Traceback" not in err
    assert json.loads(out)["error"]["cure"].startswith("Take less")
