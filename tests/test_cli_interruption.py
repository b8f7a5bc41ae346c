"""Ctrl-C: what was done so far is printed and written, with a sentence and exit status 1; no traceback."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

NINE = [f"det{d}_filt_src_{s}.pha" for d in (1, 2, 3) for s in "IQU"]
LOGPAR = [
    *("--model", "constant*TBabs(polconst*logpar)", "--energy", "2:8", "--abund", "wilm"),
    *("--set", "TBabs.nH=0.0169", "--freeze", "TBabs.nH"),
    *("--free-by-group", "constant.factor", "--freeze", "1:constant.factor"),
]


def interrupted(words, after: str, seconds: float):
    """Run a command until `after` stands in its standard error, then for some seconds more, and interrupt it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "wolter", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    seen = ""
    assert process.stderr is not None
    while after not in seen:
        line = process.stderr.readline()
        assert line, seen
        seen += line
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, seen + err


def test_interrupted_grid_is_usable_and_says_so(shared, tmp_path):
    spectra = [shared("ixpe", "mrk501_01004601") / name for name in NINE]
    axes = ["--axis", "polconst.A=0:0.2:801", "--axis", "polconst.psi=-90:90:1441"]
    output = tmp_path / "grid.json"
    for seconds in (1, 5, 20):  # a busy machine may need longer for the first points; all of them take minutes
        status, out, err = interrupted(
            ["grid", *spectra, *LOGPAR, *axes, "--json", "--output", output], "left the limit polconst.psi", seconds
        )
        if output.exists():
            break
    assert status == 1
    assert "Traceback" not in err
    assert "interrupted: " in err
    result = json.loads(out)
    assert json.loads(output.read_text()) == result
    assert result["complete"] is False
    assert "interrupted" in result["messages"][-1]
    done = [value for row in result["statistic"] for value in row if value is not None]
    assert 0 < len(done) < 801 * 1441
    assert result["minimum"]["statistic"] == min(done) >= result["best_fit"]["statistic"] - 0.01


@pytest.mark.parametrize("where", ["between", "within"])
def test_interrupted_error_search_ends_with_status_1(shared, capsys, monkeypatch, where):
    """Whether the signal comes between two descents or while one runs (which then returns its best points)."""
    from wolter.cli import main
    from wolter.fit import errors

    real = errors.descend

    def stopped(*args, **kwargs):
        if where == "between":
            raise KeyboardInterrupt
        result = real(*args, **kwargs)
        result.interrupted = True
        return result

    monkeypatch.setattr(errors, "descend", stopped)
    spectrum = shared("ixpe", "mrk501_01004601") / NINE[0]
    with pytest.raises(SystemExit) as end:
        main(["fit", str(spectrum), "--model", "powerlaw", "--energy", "2:8", "--error", "all", "--json"])
    out, err = capsys.readouterr()
    assert end.value.code == 1
    assert "interrupted" in err
    result = json.loads(out)
    assert result["parameters"][0]["sigma"] > 0
    assert result["parameters"][0]["lower"] is None


def test_a_notebook_shows_the_table_of_a_result():
    from wolter.fit import FitResult

    row = FitResult(10.0, 9, "leven", True, 3, 4, 0, (), (), (), None)
    shown: list[str] = []

    class Printer:
        text = staticmethod(shown.append)

    row._repr_pretty_(Printer(), False)
    assert shown == [str(row)]
    assert "FitResult(" not in shown[0]


def test_what_an_interrupted_extraction_leaves_is_whole_and_named(shared, capsys, monkeypatch, tmp_path):
    """Ctrl-C between the spectrum and the light curve: the spectrum stays, no other file, and the message names it."""
    from wolter.cli import main
    from wolter.data import Spectrum
    from wolter.observation import Observation

    def stopped(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(Observation, "light_curve", stopped)
    (tmp_path / "older.txt").write_text("not of this run")
    events = shared("swift/1whsp_0126+33_00085374001/sw00085374001xpcw3po_cl.evt.gz")
    with pytest.raises(SystemExit) as end:
        main(["extract", str(events), "--light-curve", "100", "--output", str(tmp_path)])
    err = capsys.readouterr().err
    assert end.value.code == 1
    assert "interrupted" in err
    assert f"written (and whole) are {tmp_path / 'swift_xrt_det1_src.pha'}\n" in err
    assert Spectrum.read(tmp_path / "swift_xrt_det1_src.pha").counts.sum() > 500
    assert {p.name for p in tmp_path.iterdir()} == {"older.txt", "swift_xrt_det1_src.pha"}


def test_a_signal_in_the_middle_of_a_pass_leaves_nothing(tmp_path):
    """A real SIGINT while events are read: no product, no temporary file, not even the folder."""
    import numpy as np

    from events_support import uniform, write_events

    rows = {k: np.tile(v, 4000) for k, v in uniform(1000).items() if k in ("TIME", "X", "Y", "PI")}
    events = write_events(tmp_path / "evt.fits", rows)
    script = (
        "import os, signal, sys\n"
        "from wolter.cli import main\n"
        "from wolter.gti import GTI\n"
        "real = GTI.contains\n"
        "def contains(self, t):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    return real(self, t)\n"
        "GTI.contains = contains\n"
        "main(sys.argv[1:])\n"
    )
    words = ["extract", str(events), "--light-curve", "1", "--output", str(tmp_path / "out")]
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=False)
    assert done.returncode in (1, 130), done.stderr
    assert "interrupted" in done.stderr
    assert "Traceback" not in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["evt.fits"]
