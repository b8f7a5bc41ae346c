"""Façades outside `wolter run`: `activate`, `python -m wolter.compat`, tasks as functions and as executables."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from astropy.io import fits as afits

import wolter.compat.heasoftpy as hsp
from wolter.compat.heasoftpy.core import available


def python(*words, cwd=None, **variables):
    return subprocess.run(
        [sys.executable, *(str(w) for w in words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **variables},
    )


@pytest.fixture
def events(shared):
    folder = shared("ixpe", "sim_mrk501_01004701", "01004701", "event_l2")
    return next(folder.glob("*det1*"))


COLUMNS = {"xcolf": "X", "ycolf": "Y", "xcolh": "X", "ycolh": "Y", "ecol": "PI", "tcol": "TIME", "ccol": "NONE"}


def histogram(path):
    """Counts of all events by channel, by astropy and numpy."""
    with afits.open(path) as f:
        return np.bincount(f["EVENTS"].data["PI"], minlength=375)


def test_activate_and_deactivate(tmp_path):
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "heasoftpy.py").write_text("NAME = 'the other one'\n")
    code = """
    import os, subprocess, sys
    import heasoftpy
    other, path, variable = heasoftpy, os.environ["PATH"], os.environ["PYTHONPATH"]
    import wolter.compat as compat
    assert "heasoftpy" in compat.activate()
    import heasoftpy
    import heasoftpy.utils
    from heasoftpy.core import HSPTask
    import wolter.compat.heasoftpy as facade
    assert heasoftpy is facade and facade.utils is heasoftpy.utils and HSPTask is facade.HSPTask
    assert facade.__spec__.name == "wolter.compat.heasoftpy"
    child = [sys.executable, "-c", "import heasoftpy.utils; print(heasoftpy.__name__, end='')"]
    assert subprocess.check_output(child, text=True) == "wolter.compat.heasoftpy"
    folder = os.path.dirname(subprocess.check_output(["which", "extractor"], text=True).strip())
    compat.activate()
    compat.deactivate()
    assert os.environ["PATH"] == path and os.environ["PYTHONPATH"] == variable and not os.path.exists(folder)
    import heasoftpy
    assert heasoftpy is other
    child = [sys.executable, "-c", "import heasoftpy; print(heasoftpy.NAME)"]
    assert subprocess.check_output(child, text=True) == "the other one\\n"
    compat.deactivate()
    print("done")
    """
    done = python("-c", textwrap.dedent(code), cwd=tmp_path, PYTHONPATH=str(tmp_path / "modules"))
    assert done.stdout == "done\n", done.stderr


def test_shims_are_removed_by_the_process_that_made_them(tmp_path):
    code = "import os, wolter.compat as c; c.activate()\nif os.fork() == 0:\n    raise SystemExit\nos.wait()\n"
    code += "import shutil; print(bool(shutil.which('extractor')))"
    done = python("-c", code, TMPDIR=str(tmp_path))
    assert done.stdout == "True\n", done.stderr
    assert list(tmp_path.iterdir()) == []


def test_activate_starts_no_threads_and_imports_little():
    code = "import sys, threading, wolter.compat as c; c.activate(); import heasoftpy\n"
    code += "print(threading.active_count(), *({'astropy', 'matplotlib', 'scipy', 'IPython'} & set(sys.modules)))"
    assert python("-c", code).stdout.split() == ["1"]


def test_python_with_facades(tmp_path):
    (tmp_path / "script.py").write_text("import sys, heasoftpy\nprint(__name__, heasoftpy.__name__, sys.argv[1:])\n")
    done = python("-m", "wolter.compat", tmp_path / "script.py", "-x", "1")
    assert done.stdout == "__main__ wolter.compat.heasoftpy ['-x', '1']\n"
    done = python("-m", "wolter.compat", "-c", "import heasoftpy, sys; print(heasoftpy.__name__); sys.exit(4)")
    assert (done.returncode, done.stdout) == (4, "wolter.compat.heasoftpy\n")
    done = python("-m", "wolter.compat", "-m", "script", "a", cwd=tmp_path)
    assert done.stdout == "__main__ wolter.compat.heasoftpy ['a']\n"
    assert python("-m", "wolter.compat").returncode == 2
    assert python("-m", "wolter.compat", "missing.py").returncode == 2


def test_task_through_the_shell(events, tmp_path):
    words = [f"{k}={v}" for k, v in COLUMNS.items()]
    done = python("-m", "wolter.compat", "--task", "extractor", events, "phafile=all.pha", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with afits.open(tmp_path / "all.pha") as f:
        np.testing.assert_array_equal(f["SPECTRUM"].data["COUNTS"], histogram(events))
    done = python("-m", "wolter.compat", "--task", "extractor", events, "phaflie=x", cwd=tmp_path)
    assert done.returncode == 1
    assert "phaflie" in done.stderr
    done = python("-m", "wolter.compat", "--task", "nupipeline", "indir=x")
    assert done.returncode == 1
    assert "does not have this task" in done.stderr


def test_task_as_function(events, tmp_path, capsys):
    given = {"filename": str(events), "phafile": str(tmp_path / "all.pha"), **COLUMNS}
    with hsp.utils.local_pfiles_context():
        result = hsp.extractor(given, noprompt=True, clobber=True, verbose=20, logfile=str(tmp_path / "log"), binf=2.0)
    assert result.returncode == 0
    assert result.params["binf"] == "2"
    assert result.params["clobber"] == "yes"
    assert result.stdout.split("\n") == result.output
    assert (tmp_path / "log").read_text().rstrip("\n") == result.stdout.rstrip("\n")
    assert capsys.readouterr().out == ""
    with afits.open(tmp_path / "all.pha") as f:
        np.testing.assert_array_equal(f["SPECTRUM"].data["COUNTS"], histogram(events))
    assert pickle.loads(pickle.dumps(result)) == result


def test_task_object_keeps_its_parameters(events, tmp_path):
    task = hsp.HSPTask("extractor")
    assert "phafile" in task.par_names
    assert "mode" in task.par_names
    task.filename = str(events)
    task.phafile = str(tmp_path / "all.pha")
    assert task.phafile == str(tmp_path / "all.pha")
    assert task(COLUMNS).returncode == 0
    assert (tmp_path / "all.pha").exists()
    with pytest.raises(AttributeError, match="flienname"):
        task.flienname = "x"
    assert "phafile" in (task.__doc__ or "")


def test_failures(tmp_path, monkeypatch):
    missing = str(tmp_path / "none.fits")
    result = hsp.extractor(filename=missing, phafile=str(tmp_path / "a.pha"))
    assert result.returncode != 0
    assert "none.fits" in result.stdout
    assert result.stderr is None
    result = hsp.extractor(filename=missing, stderr=True, allow_failure=True)
    assert "none.fits" in (result.stderr or "")
    with pytest.raises(hsp.HSPTaskException, match=r"none\.fits"):
        hsp.extractor(filename=missing, allow_failure=False)
    monkeypatch.setattr(hsp.Config, "allow_failure", False)
    with pytest.raises(hsp.HSPTaskException, match="extractor failed"):
        hsp.extractor(filename=missing)
    assert hsp.extractor(filename=missing, allow_failure=True).returncode != 0
    with pytest.raises(hsp.HSPTaskException, match="dictionary or keywords"):
        hsp.extractor(3)


def test_tasks_that_are_not_there():
    with pytest.raises(NotImplementedError, match=r"heasoftpy\.nupipeline"):
        hsp.nupipeline(indir="x")
    task = hsp.HSPTask("xrtpipeline")
    task.par_names = [n for n in task.par_names if n != "mode"]
    with pytest.raises(NotImplementedError, match=r"heasoftpy\.xrtpipeline"):
        task(indir="x")
    with pytest.raises(hsp.HSPTaskException, match="name is required"):
        hsp.HSPTask()
    with pytest.raises(AttributeError):
        _ = hsp._ipython_display_
    assert not hasattr(hsp, "NotATask")
    assert set(available()) <= set(dir(hsp))


def test_unknown_parameters_are_ignored_aloud(events):
    result = hsp.fstruct(infile=str(events), colour="red", chatter=3)
    assert result.returncode == 0
    assert "colour is unknown and ignored" in result.output[0]
    assert "chatter" not in result.output[0]


def test_listings(events, tmp_path):
    with afits.open(events) as f:
        columns, rows = f["EVENTS"].columns, f["EVENTS"].header["NAXIS2"]
        width, number, pi = f["EVENTS"].header["NAXIS1"], len(f), f["EVENTS"].data["PI"][:3]
    text = hsp.fstruct(infile=str(events), allow_failure=False).stdout
    assert f"{width}({len(columns)}) {rows}" in text
    listed = [line.split() for line in text.splitlines()]
    for column in columns:
        assert any(words[1:3] == [column.name, column.format] for words in listed), column
    heads = hsp.ftlist(str(events), option="H").stdout
    assert sum(" BINTABLE " in line or " PRIMARY " in line for line in heads.splitlines()) == number
    assert "TRG_ID" in hsp.ftlist(infile=f"{events}[EVENTS]", option="C").stdout
    assert "TELESCOP" in hsp.ftlist(infile=f"{events}[EVENTS]", option="K").stdout
    table = hsp.ftlist(infile=f"{events}[EVENTS]", option="T", columns="PI,TIME", rows="2-3").output
    assert [line.split()[:2] for line in table[-2:]] == [[str(i + 1), str(pi[i])] for i in (1, 2)]
    assert "option X" in hsp.ftlist(infile=str(events), option="X").stdout
    assert hsp.fstruct(infile=str(tmp_path / "none.fits")).returncode == 1
    assert hsp.fversion().stdout.startswith("Wolter")
