"""`wolter run`: notebooks and scripts in an IPython kernel with the façades in place."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
from astropy.io import fits as afits

import wolter.compat.kernel as kernel_module
from wolter.compat import repairs
from wolter.compat.cells import parse_numbers, read_document
from wolter.errors import ParameterError

MYST = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: heasoft
  language: python
  name: a_kernel_that_does_not_exist
---

# A notebook
"""


def myst(*cells):
    """MyST text; a cell may begin with ``:tags: [...]``."""
    blocks = [f"```{{code-cell}} python\n{textwrap.dedent(c).strip()}\n```\n\nSome text.\n" for c in cells]
    return MYST + "\n" + "\n".join(blocks)


@pytest.fixture
def run(run):
    """Function: exit status, stdout and stderr of `wolter run`."""
    return lambda *words: run("run", *words)


@pytest.fixture
def notebook(tmp_path):
    """Function: path of a MyST notebook with these cells."""

    def write(*cells, name="nb.md"):
        path = tmp_path / name
        path.write_text(myst(*cells))
        return path

    return write


CELLS = (
    """
    import multiprocessing as mp
    import heasoftpy as hsp
    %matplotlib inline
    mp.set_start_method("fork", force=True)
    """,
    """
    :tags: [hide-input]

    FACTOR = 7

    def times(x):
        return FACTOR * x

    with mp.Pool(2) as pool:
        result = pool.map(times, range(4))
    result
    """,
    "hsp.extractor?",
    """
    import sys
    !python -c "import heasoftpy.utils, sys; print(heasoftpy.__name__, sys.executable)"
    !python -c "import xspec; print(xspec.__name__)"
    !extractor filename=nothing.fits phafile=out.pha; echo status $?
    """,
    """
    import matplotlib.pyplot as plt
    plt.plot([1, 2]); plt.show()
    plt.figure(); plt.plot([2, 1]); plt.show()
    """,
    """
    x = 3
    raise ValueError("on purpose")
    """,
    "raise SystemError('never run')",
    """
    :tags: [raises-exception]

    1 / 0
    """,
    """
    %%bash
    echo from bash
    """,
    "print('x is', x, file=sys.stderr)\nx",
)


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """One run of a notebook with a cell of each kind: folder, process, report, executed copy."""
    folder = tmp_path_factory.mktemp("everything")
    (folder / "here").mkdir()
    (folder / "here" / "nb.md").write_text(myst(*CELLS))
    words = ["--keep-going", "--skip-cells", "7", "--report", "r.json", "--output", "o.ipynb", "--figures", "figures"]
    process = subprocess.run(
        [sys.executable, "-m", "wolter", "run", *words, "here/nb.md"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "MPLBACKEND": "agg", "NO_COLOR": "1"},
    )
    report = json.loads((folder / "r.json").read_text())
    return folder, process, report, nbformat.read(folder / "o.ipynb", as_version=4)


def _text(copy, number):
    cell = [c for c in copy.cells if c.cell_type == "code"][number - 1]
    return "".join(o.get("text", "") + str(o.get("data", {}).get("text/plain", "")) for o in cell.outputs)


def test_report_says_what_became_of_each_cell(everything):
    _, process, report, _ = everything
    assert process.returncode == 1
    assert [c["status"] for c in report["cells"]] == ["ok"] * 5 + ["failed", "skipped"] + ["ok"] * 3
    assert report["counts"] == {"ok": 8, "repaired": 0, "failed": 1, "skipped": 1, "not run": 0}
    assert not report["ok"]
    failed = report["cells"][5]
    assert (failed["cell"], failed["error"]["type"], failed["error"]["message"]) == (6, "ValueError", "on purpose")
    assert any("raise ValueError" in line for line in failed["error"]["traceback"])
    assert not any("\x1b" in line for line in failed["error"]["traceback"])
    assert all(c["seconds"] > 0 for c in report["cells"] if c["status"] != "skipped")


def test_failing_cell_is_shown_with_its_number_and_line(everything):
    folder, process, report, _ = everything
    line = report["cells"][5]["line"]
    assert (folder / "here" / "nb.md").read_text().splitlines()[line - 1] == "x = 3"
    assert f"cell 6 (line {line}) failed: ValueError: on purpose" in process.stderr
    assert "8 ok, 1 failed, 1 skipped" in process.stderr


def test_workers_are_forked_with_what_cells_defined(everything):
    assert _text(everything[3], 2) == "[0, 7, 14, 21]"


def test_question_mark_shows_the_help(everything):
    text = _text(everything[3], 3)
    assert "phafile" in text
    assert "\x1b" not in text
    assert "phafile" in everything[1].stdout


def test_child_processes_find_facades_and_tasks(everything):
    lines = _text(everything[3], 4).splitlines()
    name, executable = lines[0].split()
    assert name == "wolter.compat.heasoftpy"
    assert os.path.dirname(executable) == os.path.dirname(sys.executable)
    assert lines[1] == "wolter.compat.xspec"
    assert "nothing.fits" in "".join(lines[2:])
    assert lines[-1] == "status 1"


def test_figures_are_saved(everything):
    folder, _, report, _ = everything
    names = report["cells"][4]["figures"]
    assert [Path(n).name for n in names] == ["nb_cell05_1.png", "nb_cell05_2.png"]
    pictures = [(folder / n).read_bytes() for n in names]
    assert all(p.startswith(b"\x89PNG") for p in pictures)
    assert pictures[0] != pictures[1]


def test_streams_go_where_they_belong(everything):
    _, process, _, copy = everything
    assert "from bash" in process.stdout
    assert "x is 3" in process.stderr
    assert "x is 3" not in process.stdout
    assert process.stdout.rstrip().endswith("3")
    assert copy.cells[1].outputs == []


def test_executed_copy_is_a_valid_notebook(everything):
    copy = everything[3]
    nbformat.validate(copy)
    code = [c for c in copy.cells if c.cell_type == "code"]
    assert len(code) == len(CELLS)
    assert code[5].outputs[-1].ename == "ValueError"
    assert code[6].execution_count is None
    assert any("Some text." in c.source for c in copy.cells if c.cell_type == "markdown")


def test_without_keep_going_the_first_failure_ends_the_run(run, notebook, tmp_path):
    path = notebook("a = 1", "a.b", "open('after', 'w')")
    status, _, err = run("--report", tmp_path / "r.json", path)
    report = json.loads((tmp_path / "r.json").read_text())
    assert status == 1
    assert [c["status"] for c in report["cells"]] == ["ok", "failed", "not run"]
    assert "cell 2" in err
    assert not (tmp_path / "after").exists()


def test_script_is_run_as_python_would(run, tmp_path, monkeypatch):
    (tmp_path / "code").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "code" / "beside.py").write_text("VALUE = 11\n")
    script = tmp_path / "code" / "script.py"
    script.write_text(
        "import multiprocessing as mp, os, sys\n\nimport beside\n\n\ndef double(x):\n    return 2 * x\n\n\n"
        "if __name__ == '__main__':\n    with mp.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.map(double, [beside.VALUE]))\n"
        "    print(sys.argv[1:], os.path.basename(__file__), os.path.basename(os.getcwd()))\n"
        "    import heasoftpy\n    print(heasoftpy.__name__)\n\n'a value that Python does not print'\n"
    )
    monkeypatch.chdir(tmp_path / "elsewhere")
    status, out, err = run(script, "--", "--output", "x", "-k")
    assert status == 0
    assert out.splitlines() == ["[22]", "['--output', 'x', '-k'] script.py elsewhere", "wolter.compat.heasoftpy"]
    assert err == ""


def test_script_that_ends_itself(tmp_path):
    """Through a process, for what children print reaches the file descriptors."""
    script = tmp_path / "script.py"
    tail = "# %%\nimport os, sys\nos.system('echo from a child')\nsys.exit({})\n# %%\nprint('never')\n"
    words = [sys.executable, "-m", "wolter", "run", script]
    env = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}  # with it ipykernel watches less
    for code, status in (("", 0), ("'no data'", 1)):
        script.write_text(tail.format(code))
        done = subprocess.run(words, capture_output=True, text=True, env=env)
        assert (done.returncode, done.stdout) == (status, "from a child\n"), code
        assert ("cell 1 (line 2) failed: SystemExit: " + str(code).strip("'") in done.stderr) == bool(status)
        assert "To exit" not in done.stderr
    script.write_text("print('first', flush=True)\nexit()\nprint('never')\n")
    done = subprocess.run(words, capture_output=True, text=True, env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, "first\n", "")


def test_script_that_asks_is_told_that_nobody_answers(run, tmp_path):
    (tmp_path / "script.py").write_text("input('name? ')")
    status, _, err = run(tmp_path / "script.py")
    assert status == 1
    assert "StdinNotImplementedError" in err


def test_script_with_marked_cells(run, tmp_path):
    path = tmp_path / "percent.py"
    path.write_text("# %% [markdown]\n# Text\n\n# %%\na = 5\n\n# %%\n# %timeit -n1 -r1 pass\nprint(a + 1)\n")
    status, out, _ = run("--json", path)
    result = json.loads(out)
    assert status == 0
    assert [c["status"] for c in result["cells"]] == ["ok", "ok"]
    assert result["cells"][0]["line"] == 5


def test_jupyter_notebook_in_its_own_folder(run, tmp_path):
    v4 = nbformat.v4
    old = v4.new_output("stream", name="stdout", text="old")
    cells = [v4.new_markdown_cell("T"), v4.new_code_cell("import os; print(os.getcwd())", outputs=[old])]
    path = tmp_path / "nb.ipynb"
    nbformat.write(v4.new_notebook(cells=[*cells, v4.new_code_cell("1 / 0")]), path)
    before = path.read_bytes()
    status, out, _ = run("--skip-cells", "2", "--output", tmp_path / "done.ipynb", path)
    copy = nbformat.read(tmp_path / "done.ipynb", as_version=4)
    assert status == 0
    assert out.strip() == str(tmp_path)
    assert [o.text.strip() for o in copy.cells[1].outputs] == [str(tmp_path)]
    assert path.read_bytes() == before


def test_old_notebook_stays_valid_with_a_preamble(run, tmp_path):
    cell = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": ["print(a)"]}
    old = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 2}
    (tmp_path / "nb.ipynb").write_text(json.dumps(old))
    (tmp_path / "pre.py").write_text("a = 3")
    words = ("--preamble", tmp_path / "pre.py", "--output", tmp_path / "o.ipynb")
    status, out, _ = run(*words, tmp_path / "nb.ipynb")
    assert (status, out) == (0, "3\n")
    copy = json.loads((tmp_path / "o.ipynb").read_text())
    nbformat.validate(copy)
    assert [c["source"] for c in copy["cells"]] == [["a = 3"], ["print(a)"]]
    status, _, err = run("--output", tmp_path / "o.ipynb", tmp_path / "nb.ipynb")
    assert status == 1
    assert "exists already" in err


def test_traceback_is_shown_where_the_cell_fails(run, notebook):
    deep = "def f(n):\n    if not n:\n        raise KeyError('bottom')\n    # 1\n    # 2\n    # 3\n    f(n - 1)"
    library = "import json\nprint(1)\njson.loads('{')\nprint(2)"
    status, _, err = run("--keep-going", notebook(library, deep, "f(30)", "a = = 1"))
    assert status == 1
    assert "----> 3 json.loads('{')" in err
    assert "decoder.py" not in err
    assert "failed: JSONDecodeError: Expecting property name" in err
    assert "failed: KeyError: 'bottom'" in err
    assert "a = = 1" in err
    assert "failed: SyntaxError" in err
    assert len(err.splitlines()) < 40


def test_workdir_and_preamble(run, notebook, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "pre.py").write_text("import os\nnumber = 42\n")
    path = notebook("print(number, os.path.basename(os.getcwd()))")
    status, out, _ = run(path, "--workdir", tmp_path / "there", "--preamble", tmp_path / "pre.py")
    assert (status, out) == (0, "42 there\n")
    (tmp_path / "pre.py").write_text("1 / 0")
    status, out, err = run("--keep-going", "--preamble", tmp_path / "pre.py", path)
    assert (status, out) == (1, "")
    assert "preamble failed: ZeroDivisionError" in err


def test_timeout_interrupts_the_cell_and_keeps_the_state(run, notebook, tmp_path):
    path = notebook("import time; a = 1; print('begun', flush=True); time.sleep(60)", "print('a is', a)")
    words = ("--timeout", "2", "--keep-going", "--report", tmp_path / "r.json", "--output", tmp_path / "o.ipynb")
    status, out, err = run(*words, path)
    report = json.loads((tmp_path / "r.json").read_text())
    assert status == 1
    assert [c["status"] for c in report["cells"]] == ["failed", "ok"]
    assert report["cells"][0]["error"]["type"] == "TimeoutError"
    assert 2 <= report["cells"][0]["seconds"] < 60  # the cell would have slept that long
    assert "begun" in out
    assert "a is 1" in out
    assert "within 2 s" in err


def test_cell_that_resists_interruption_is_ended_with_its_kernel(run, notebook, tmp_path, monkeypatch):
    monkeypatch.setattr(kernel_module, "_GRACE", 0.5)
    stubborn = "import os, time\nopen('pid', 'w').write(str(os.getpid()))\nwhile True:\n    try:\n"
    stubborn += "        time.sleep(60)\n    except KeyboardInterrupt:\n        pass"
    path = notebook(stubborn, "print('never')")
    words = ("--timeout", "1", "--keep-going", "--report", tmp_path / "r.json", "--output", tmp_path / "o.ipynb")
    status, out, _ = run(*words, path)
    report = json.loads((tmp_path / "r.json").read_text())
    assert (status, out) == (1, "")
    assert [c["status"] for c in report["cells"]] == ["failed", "not run"]
    assert "kernel was ended" in report["cells"][0]["error"]["message"]
    assert nbformat.read(tmp_path / "o.ipynb", as_version=4).cells[1].outputs[-1].ename == "TimeoutError"
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_kernel_that_dies_is_a_failure(run, notebook):
    status, _, err = run("--keep-going", notebook("import os; os._exit(3)", "print('never')"))
    assert status == 1
    assert "cell 1 (line 15) failed: KernelDied" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_leaves_report_and_copy(notebook, tmp_path, number):
    path = notebook("print('one')", "import time; open('begun', 'w'); time.sleep(60)", "print('three')")
    (tmp_path / "tmp").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "wolter", "run", "--report", "r.json", "--output", "o.ipynb", "--json", path],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
    )
    limit = time.monotonic() + 60
    while not (tmp_path / "begun").exists() and time.monotonic() < limit:
        time.sleep(0.05)
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    report = json.loads((tmp_path / "r.json").read_text())
    assert process.returncode == 1
    assert json.loads(out) == report
    assert report["interrupted"]
    assert [c["status"] for c in report["cells"]] == ["ok", "failed", "not run"]
    assert report["cells"][1]["error"]["type"] == "KeyboardInterrupt"
    assert nbformat.read(tmp_path / "o.ipynb", as_version=4).cells[1].outputs[0].text == "one\n"
    assert list((tmp_path / "tmp").iterdir()) == []


def test_broken_cell_is_repaired_and_counted_apart(run, tmp_path):
    cell = repairs.REPAIRS[0].pattern.replace('        gen_cmd="",', 'ims = {\n    oi: Image(\n        gen_cmd="",')
    path = tmp_path / "nb.md"
    path.write_text(
        myst("rel_obsids = ['00032093001']; Image = Quantity = lambda *a, **k: k") + myst(cell)[len(MYST) :]
    )
    status, out, _ = run("--json", "--output", tmp_path / "o.ipynb", path)
    report = json.loads(out)
    assert status == 0
    assert report["counts"]["ok"] == 1
    assert report["counts"]["repaired"] == 1
    assert "unpacks" in report["cells"][1]["repair"]
    copy = [c for c in nbformat.read(tmp_path / "o.ipynb", as_version=4).cells if c.cell_type == "code"]
    assert "for oi in rel_obsids" in copy[1].source
    assert copy[1].metadata["wolter"]["status"] == "repaired"
    status, out, _ = run("--json", "--no-repair", path)
    assert status == 1
    assert json.loads(out)["cells"][1]["error"]["type"] == "ValueError"


def test_every_repair_belongs_to_one_cell_of_the_tutorials(shared, tmp_path):
    sources = []
    for index, text in enumerate(sorted(shared("..", "seeds").glob("00[0-3]_*.txt"))):
        path = tmp_path / f"{index}.md"
        path.write_text(text.read_text())
        sources += [cell.source for cell in read_document(path).cells]
    for known in repairs.REPAIRS:
        cells = [s for s in sources if known.pattern in s]
        assert len(cells) == 1, known
        assert cells[0].count(known.pattern) == 1
        compile(repairs.repair(cells[0])[0], "cell", "exec")
    assert sum(repairs.repair(s)[1] is not None for s in sources) == len(repairs.REPAIRS)


@pytest.mark.parametrize(
    ("words", "file", "content", "status", "message"),
    [
        ((), "a.txt", "1", 2, "none of .py, .md, .ipynb"),
        (("--skip-cells", "3-1"), "a.py", "1", 2, "'3-1' is not a cell number"),
        (("--skip-cells", "2"), "a.py", "1", 2, "there is no cell 2 to skip"),
        (("--output", "copy.md"), "a.py", "1", 2, "name it .ipynb"),
        (("--timeout", "0"), "a.py", "1", 2, "--timeout"),
        (("--keepgoing",), "a.py", "1", 2, "--keepgoing"),
        (("--preamble", "missing.py"), "a.py", "1", 2, "missing.py"),
        ((), "a.md", "only text\n", 1, "no code cells"),
        ((), "a.ipynb", '{"cells": [', 1, "cannot be read as a .ipynb notebook"),
        ((), "a.py", b"\xff\xfe\x00", 1, "not UTF-8"),
        (("--report", "old.json"), "a.py", "1", 1, "the file exists already. Pass --overwrite"),
        (("--report", "no/where.json"), "a.py", "1", 1, "the folder no does not exist"),
    ],
)
def test_mistakes_are_found_before_anything_runs(run, tmp_path, monkeypatch, words, file, content, status, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.json").write_text("old")
    (tmp_path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    got, _, err = run(*words, file)
    assert got == status
    assert message in " ".join(err.split())
    assert (tmp_path / "old.json").read_text() == "old"


def test_missing_extra_is_named(run, notebook, monkeypatch):
    monkeypatch.setitem(sys.modules, "jupyter_client", None)
    status, _, err = run(notebook("1"))
    assert status == 1
    assert 'pip install "wolter[notebook]"' in err


def test_kernel_that_does_not_start(run, notebook, tmp_path, monkeypatch):
    (tmp_path / "python").write_text("#!/bin/sh\necho no such module >&2\nexit 1\n")
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    status, _, err = run(notebook("1"))
    assert status == 1
    assert "does not start" in err
    assert "no such module" in err


def test_list_numbers_the_cells(run, notebook):
    status, out, _ = run("--list", notebook("import os\n\nfirst()", "", "second()"))
    assert status == 0
    assert [line.split(None, 1) for line in out.splitlines()] == [["1", "first()"], ["2", "(empty)"], ["3", "second()"]]


@pytest.mark.parametrize(
    ("name", "text", "sources"),
    [
        (
            "a.md",
            "# T\n\n```{code-cell}\na = 1\n```\n\n```{code-cell} ipython3\n:tags: [x]\nb = 2\n```\n",
            ["a = 1", "b = 2"],
        ),
        ("b.md", "# T\n\n```python\na = 1\n```\n\n```\nno code\n```\n", ["a = 1"]),
        ("c.md", "```{code-cell} python\n---\ntags: [hide-input]\n---\na = 1\n\nb = 2\n```\n", ["a = 1\n\nb = 2"]),
        ("d.py", "# %%\na = 1\n\n# %% [markdown]\n# T\n\n# %%\nb = 2\n", ["a = 1", "b = 2"]),
        ("e.py", "a = 1\n\nb = 2\n", ["a = 1\n\nb = 2\n"]),
        (
            "f.py",
            "# ---\n# jupyter:\n#   jupytext:\n#     text_representation:\n#       extension: .py\n"
            "#       format_name: light\n# ---\n\n# # T\n\na = 1\n\nb = 2\n",
            ["a = 1", "b = 2"],
        ),
    ],
)
def test_cells_of_each_format(tmp_path, name, text, sources):
    (tmp_path / name).write_text(text)
    assert [cell.source for cell in read_document(tmp_path / name).cells] == sources


def test_numbers_of_cells():
    assert parse_numbers("3, 5-7") == {3, 5, 6, 7}
    for wrong in ("0", "a", "4-2", "-1"):
        with pytest.raises(ParameterError):
            parse_numbers(wrong)


def test_tutorial_extracts_spectra_in_a_forked_pool(run, shared, tmp_path):
    """The IXPE tutorial up to the extraction, its download cells skipped, on simulated events."""
    import wolter as wx

    source = shared("ixpe", "sim_mrk501_01004701", "01004701")
    (tmp_path / "IXPE").mkdir()
    (tmp_path / "IXPE" / "01004701").symlink_to(source, target_is_directory=True)
    (tutorial,) = shared("..", "seeds").glob("000_*.txt")
    path = tmp_path / "tutorial.md"
    path.write_text(tutorial.read_text())
    assert len(read_document(path).cells) == 30
    status, out, _ = run("--skip-cells", "7-9,17-30", "--json", path)
    report = json.loads(out)
    assert status == 0, report
    assert report["counts"] == {"ok": 13, "repaired": 0, "failed": 0, "skipped": 17, "not run": 0}
    regions = {name: wx.read_regions(tmp_path / "IXPE_output" / f"{name}.reg") for name in ("src", "bck")}
    for detector in (1, 2, 3):
        (events,) = (source / "event_l2").glob(f"*det{detector}*")
        for name, region in regions.items():
            stem = tmp_path / f"own_det{detector}_{name}_.pha"
            wx.extract_stokes(wx.EventList.read(events).select(region=region), weighting="neff").write(stem)
            for stokes in "IQU":
                made = tmp_path / "IXPE_output" / f"ixpe_det{detector}_{name}_{stokes}.pha"
                with afits.open(made) as got, afits.open(str(stem).replace("_.pha", f"_{stokes}.pha")) as own:
                    for column in ("CHANNEL", "RATE", "STAT_ERR"):
                        np.testing.assert_allclose(
                            got["SPECTRUM"].data[column], own["SPECTRUM"].data[column], rtol=1e-6
                        )
                    assert np.abs(got["SPECTRUM"].data["RATE"]).sum() > 0
