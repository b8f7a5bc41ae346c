"""PyXspec in a kernel: forked workers, cells that run too long, failing cells, notebooks of both kinds."""

from __future__ import annotations

import json

import nbformat
import pytest

from wolter.cli import main
from wolter.compat.cells import read_document

SETUP = """
import multiprocessing as mp
import xspec as xs
%matplotlib inline
mp.set_start_method("fork", force=True)
xs.Xset.chatter = 0
s = xs.Spectrum("interval0pc.pi")
xs.Plot.xAxis = "keV"
s.ignore("**-0.3 10.-**")
xs.AllData.ignore("bad")
xs.Fit.statMethod = "cstat"
xs.Fit.query = "yes"
m = xs.Model("tbabs*po", setPars=(0.1, 2.0, 1e-3))
xs.Fit.perform()
best = xs.Fit.statistic
"""
WORKERS = """
def profile(gamma):
    m.powerlaw.PhoIndex.values = f"{gamma} -1"
    xs.Fit.perform()
    return xs.Fit.statistic

with mp.Pool(2) as pool:
    steps = pool.map(profile, [1.9, 2.0, 2.1])
xs.Fit.steppar("2 1.9 2.1 2")
print(max(abs(a - b) for a, b in zip(steps, xs.Fit.stepparResults("statistic"))) < 1e-2, xs.Fit.statistic == best)
"""
LONG = """
while True:
    xs.Fit.steppar("1 0. 1. 100 2 1.5 2.5 100")
"""
AFTER = """
xs.Fit.perform()
print(abs(xs.Fit.statistic - best) < 1e-3)
xs.Fit.error("2")
lo, hi, codes = m(2).error
print(lo < m(2).values[0] < hi, codes)
"""
HELP = "xs.Fit.steppar?"
WRONG = "xs.Model('nosuch')"


@pytest.fixture
def folder(shared, tmp_path):
    for name in ("interval0pc.pi", "interval0pcback.pi", "interval0pc.rmf", "interval0pc.arf"):
        (tmp_path / name).symlink_to(shared("swift", "grb070110_00255445000") / name)
    return tmp_path


@pytest.mark.parametrize("suffix", [".md", ".ipynb"])
def test_a_notebook_of_pyxspec(folder, capsys, suffix):
    path = folder / f"nb{suffix}"
    cells = [SETUP, WORKERS, LONG, AFTER, HELP, WRONG]
    if suffix == ".md":
        path.write_text("".join(f"```{{code-cell}} python\n{c.strip()}\n```\n\nText.\n\n" for c in cells))
    else:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c.strip()) for c in cells])
        nbformat.write(notebook, path)
    assert len(read_document(path).cells) == 6
    with pytest.raises(SystemExit) as end:
        main(["run", "--keep-going", "--timeout", "5", "--report", str(folder / "r.json"), "--output",
              str(folder / "out.ipynb"), str(path)])  # fmt: skip
    assert end.value.code == 1
    report = json.loads((folder / "r.json").read_text())
    assert [c["status"] for c in report["cells"]] == ["ok", "ok", "failed", "ok", "ok", "failed"]
    errors = [c["error"]["type"] for c in report["cells"] if c["error"]]
    assert errors == ["TimeoutError", "XspecError"]
    out = capsys.readouterr().out
    assert "True True\n" in out  # workers and steppar agree; the parent's model is as it was
    assert "True FFFFFFFFF\n" in out
    assert "best|current" in out
    executed = nbformat.read(folder / "out.ipynb", as_version=4)
    assert [c.metadata["wolter"]["status"] for c in executed.cells if c.cell_type == "code"][2] == "failed"


def test_missing_file(capsys, tmp_path):
    with pytest.raises(SystemExit) as end:
        main(["run", str(tmp_path / "nothing.py")])
    assert end.value.code == 2
    assert "does not exist" in capsys.readouterr().err
