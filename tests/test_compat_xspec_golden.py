"""Recorded XSPEC 12.9.1 sessions, run as PyXspec code on wolter.compat.xspec step by step.

Every step's code is executed; what the objects then show is compared with the record (data, values, parameters,
statistics, folded models, fluxes, plots, grids, exceptions). Steps that differ or lack a feature are listed below with
the reason; any other difference fails.
"""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from compat_logs import clean, line_differs
from compat_replay import Replay, unpack
from unpacked import unpacked
from wolter.compat.xspec.session import SESSION
from wolter.models.settings import ApecOptions

GEHRELS = "poiss-1 of 12.9.1 lacks a square root; poiss-2 and poiss-3 are NaN there for bins without counts"
SENSITIVITY = "XSPEC divides by the variance of empty channels: NaN wherever one of them sees something"
SYSTEMATIC = "XSPEC shows a new systematic error of the model only after the next change of anything else"
LOWER = "XSPEC's fit stops at a higher statistic; ours goes on"
WAVE = "XSPEC computes delchi of Poisson data from densities, which in wavelengths are nothing"
MODEL_WEIGHT = "weight 'model' with a background: 12.9.1 adds that of the first channels, not the noticed ones"
LIMIT = "XSPEC's search stops before the bound that it reports (its own warnings); ours is where the profile says"
BASIN = "XSPEC's errors moved to another new minimum of this bad fit (reduced chi-squared 6)"
FLAT = "nearly undetermined fit: curvature at a slightly different point"

LISTED: dict[str, dict[str, tuple[int, ...]]] = {
    "a_swift_2m0259": {
        SENSITIVITY: (76, 94),
        GEHRELS: (130, 132, 134),
        FLAT: (140,),
        SYSTEMATIC: (153, 155),
    },
    "b_swift_grb070110": {
        MODEL_WEIGHT: (43, 165, 167),
        "XSPEC's steppar met its iteration limit far from the minimum; ours is lower": (65,),
        WAVE: (100,),
    },
    "c_xmm_ngc7793": {
        BASIN: (13, 14, 16),
    },
    "d_ixpe_mrk501": {
        LIMIT: (24, 25, 26),
        "steps beyond the limits of psi: XSPEC clips them, the engine turns the angle": (97,),
        "the engine refuses Poisson statistics and weights for Stokes Q and U": (100, 102),
    },
    "e_two_groups_links": {
        "'= 2*3 + 0.1' is refused, but '2*p3+0.1' is read as p2*p3: ours reads both so": (19,),
        LIMIT: (96, 97, 98, 100, 101, 103, 105, 106),
        "sigmas of XSPEC's migrad are those of Minuit's own derivatives; ours those of the curvature": (141, 144),
        "after a steppar that failed XSPEC shows half of its results": (188,),
        SYSTEMATIC: (191,),
    },
    "f_nustar_solar": {},
    "g_fakeit_means": {
        "XSPEC gives a background without noise the errors of its rates": (140,),
        "random numbers": (145,),
    },
}  # fmt: skip


FLAGS = "C++ stream flags that Minuit left in XSPEC's output: 1.00000 for 1"
# steps whose text differs although their values agree
PRINTED: dict[str, dict[str, tuple[int, ...]]] = {
    "a_swift_2m0259": {"the components of 12.9.1 and 12.15 are not the same": (158,)},
    "b_swift_grb070110": {MODEL_WEIGHT: (166, 168)},
    "c_xmm_ngc7793": {
        "the curvature of a norm that does not matter, 1e32": (11,),
        "sigmas of the fit of step 13": (15,),
    },
    "d_ixpe_mrk501": {
        "a local model is loaded by the recording": (0,),
        "covariances of a parameter at its limit with the others: rounding": (21,),
    },
    "e_two_groups_links": {
        "XSPEC freezes parameters of components without norm during the search, and says so": (17,),
        "a blank behind = is refused by 12.9.1, not by us": (18, 26),
        "signs of eigenvectors: those of rounding errors where two parameters do not correlate": (112,),
        "the steps of Minuit's simplex; ours is another": (138,),
        LOWER: (99, 102, 161),
        "Minuit's iterations: there are none of simplex here, a descent follows": (138,),
        FLAGS: (154, 155, 156, 192),
        "gsmooth was rewritten after 12.9.1": (229,),
    },
    "f_nustar_solar": {
        "'Reading APEC data from 3.0.9' is not said": (10,),
        "XSPEC evaluates the model for the spectra that have a response already": (54, 55),
    },
    "g_fakeit_means": {"random numbers": (144,)},
}


@pytest.fixture(scope="module")
def replayed(golden, shared, tmp_path_factory):
    """Function: the replay of a session, run once."""
    done = {}

    def run(name):
        if name not in done:
            with pytest.MonkeyPatch.context() as monkeypatch, contextlib.redirect_stdout(io.StringIO()):
                folder = tmp_path_factory.mktemp(name)
                monkeypatch.chdir(folder)
                fresh_session(monkeypatch)
                SESSION.out.chatter = 0
                done[name] = Replay(golden("xspec_sessions"), shared("swift").parent, name, folder)
                if name.startswith("f_"):
                    unpack_atomdb(shared("model_data", "atomdb_3.0.9"), folder)
                    done[name].run_first(f"Xset.addModelString('APECROOT', {str(folder / 'apec_v3.0.9')!r})")
                    # 12.9.1 took continua at the middle of bins
                    SESSION.set_settings(apec=ApecOptions(midpoint=True))
                done[name].run()
        return done[name]

    yield run
    SESSION.out.log, SESSION.out.chatter = None, 10


def surprises(replay, found, listed):
    """What differs in steps that are not listed."""
    steps = replay.record["steps"]
    return {f"step {n}: {steps[n]['code']}": text[:3] for n, text in found.items() if text and n not in listed}


@pytest.mark.parametrize("name", sorted(LISTED))
def test_session(name, replayed):
    replay = replayed(name)
    listed = {n for steps in LISTED[name].values() for n in steps}
    assert not surprises(replay, replay.outcome, listed)
    assert len(replay.outcome) == len(replay.record["steps"])


@pytest.mark.parametrize("name", sorted(LISTED))
def test_text_of_the_logs(name, replayed):
    """What is printed at chatter 10: the same lines in the same layout, fit iterations with |beta| among them."""
    replay = replayed(name)
    listed = {n for table in (LISTED, PRINTED) for steps in table[name].values() for n in steps}
    assert not surprises(replay, replay.printed, listed)
    assert replay.lines > 500


@pytest.mark.parametrize("name", [pytest.param("c_xmm_ngc7793", marks=pytest.mark.slow), "d_ixpe_mrk501"])
def test_session_as_a_script(name, golden, shared, tmp_path):
    """The same lines in a file that `wolter run` executes, with the module under its original name."""
    script = Path(__file__).with_name("replay_script.py")
    words = [name, golden("xspec_sessions"), shared("swift").parent, tmp_path / "result.json"]
    done = subprocess.run(
        [sys.executable, "-m", "wolter", "run", "--json", str(script), "--", *map(str, words)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads((tmp_path / "result.json").read_text())
    listed = {str(n) for steps in LISTED[name].values() for n in steps}
    assert set(result["outcome"]) <= listed
    assert set(result["printed"]) <= listed | {str(n) for steps in PRINTED[name].values() for n in steps}
    assert result["steps"] == {"c": 136, "d": 106}[name[0]]
    assert result["lines"] > 600


def test_plain_script(golden, shared, tmp_path):
    """A session as a user writes it: nothing but its lines, for `python -m wolter.compat` and a log."""
    record = json.loads((golden("xspec_sessions") / "c_xmm_ngc7793.json").read_text())
    unpack(shared("swift").parent, record["files"], tmp_path)
    lines = ["from xspec import *", "Xset.chatter = 0", "Xset.openLog('session.log')", "fits = []"]
    for step in record["steps"]:
        if "exception" in step:
            lines += ["try:", f"    {step['code']}", "except Exception as error:", "    pass"]
        else:
            lines.append(step["code"])
        if step["code"].startswith("Fit.perform"):
            lines.append("fits.append((Fit.statistic, Fit.dof))")
    lines += ["import json", "json.dump(fits, open('fits.json', 'w'))"]
    (tmp_path / "session.py").write_text("\n".join(lines) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "wolter.compat", "session.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == ""
    fits = json.loads((tmp_path / "fits.json").read_text())
    theirs = [s["fit"] for s in record["steps"] if s["code"].startswith("Fit.perform")]
    assert len(fits) == len(theirs) == 8
    for (statistic, dof), fit in zip(fits, theirs, strict=True):
        assert dof == fit["dof"]
        assert statistic <= fit["statistic"] + 0.01
    log = (tmp_path / "session.log").read_text()
    assert log.count("Variances and Principal Axes") >= 8
    assert list(tmp_path.glob(".session.log*")) == []


def test_every_listed_difference_is_one(replayed):
    """A step that agrees does not stay on a list."""
    for name in LISTED:
        replay = replayed(name)
        for n in (n for steps in PRINTED[name].values() for n in steps):
            assert replay.printed[n], (name, n)
        for n in (n for steps in LISTED[name].values() for n in steps):
            assert replay.outcome[n] or replay.printed.get(n), (name, n)


ROW = "198.324      40031.4      -4       1.94937   6.26033e-05"
RANGE = "     1      1.86175      2.50074    (-0.308836,0.330163)"


@pytest.mark.parametrize(
    ("theirs", "mine", "what"),
    [
        (RANGE, RANGE.replace("2.50074", "2.60074"), "interval"),
        (" Fit statistic : Chi =   12.00 using", " Fit statistic : Chi =   13.50 using", "numbers"),
        (" Fit statistic : Chi =   12.00 using", " Fit statistic : Chi = 12.00 using", "layout"),
        (ROW, ROW.replace("1.94937", "1.99937"), "iteration"),
        ("all", "none", "words"),
    ],
)
def test_comparison_of_lines_notices(theirs, mine, what):
    assert line_differs(mine, theirs, "Fit.perform()") == what
    assert line_differs(theirs, theirs, "Fit.perform()") == ""
    assert clean(["", "  ", "No covariance is currently calculated.", "a  "]) == ["a"]


def test_most_steps_match(replayed):
    listed = sum(len(steps) for table in LISTED.values() for steps in table.values())
    total = sum(len(replayed(name).record["steps"]) for name in LISTED)
    assert total == 1119
    assert listed < 0.04 * total
    assert sum(replayed(name).lines for name in LISTED) > 7000


def fresh_session(monkeypatch):
    """As after starting Python: the session is one per process."""
    import wolter.compat.xspec as x
    from wolter.compat.xspec import axis
    from wolter.compat.xspec.session import Session

    SESSION.__dict__.clear()
    SESSION.__init__()
    assert isinstance(SESSION, Session)
    axis.CURRENT[0] = axis.axis_of("channel")
    x.Plot.__dict__.clear()
    x.Plot.__init__()
    x.Fit.__dict__.clear()
    x.Fit.__init__()


def unpack_atomdb(source, folder):
    for kind in ("line", "coco"):
        (folder / f"apec_v3.0.9_{kind}.fits").symlink_to(unpacked(source / f"apec_v3.0.9_{kind}.fits.xz"))
