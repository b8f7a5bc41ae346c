"""XSPEC's model library in worker processes: crashes, interruptions, threads and forks do not reach the session."""

# ruff: noqa: F401, F811 (fixtures that are imported)

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from wolter.errors import ModelError
from wolter.models import Model
from wolter.models.xspec_library import Pool
from wolter.models.xspec_library.pool import Worker
from xspec_library_support import EDGES, INSTALLATION, MODELS, cache_of_ones_own, own_pool, value

# -- isolation ----------------------------------------------------------------------------------------------------


def test_crash_names_component_and_parameters():
    """gabs with its line far above the grid brings the library down."""
    rows = [[6.4, 0.1, 0.5], [6.0, 0.1, 0.5], [900.0, 0.01, 1.0]]
    with pytest.raises(ModelError, match=r"crashed \(SIG\w+\).*'gabs' at LineE=900, Sigma=0.01"):
        value("gabs", rows)
    with pytest.raises(ModelError, match="'gabs'"):
        Model("xspec_gabs*powerlaw", **{"xspec_gabs.LineE": 900.0}).evaluate(EDGES)
    assert value("gabs", rows[:2]).shape == (2, 200)


def test_values_that_are_not_finite():
    pars = {p.name: p.default for p in MODELS["tbgrain"].parameters}
    with pytest.raises(ModelError, match=r"'TBgrain' that are not finite at .*PL=3"):
        value("TBgrain", list((pars | {"PL": 3.0}).values()))


def test_time_limit():
    pool = Pool(INSTALLATION, workers=1, time_limit=0.05)
    try:
        value("powerlaw", [[2.0]], pool=pool)  # the time that loading takes does not count
        start = time.monotonic()
        slow = [[p.default for p in MODELS["jet"].parameters]]
        with pytest.raises(ModelError, match="took too long when it evaluated 'jet'"):
            value("jet", slow, edges=np.geomspace(0.1, 50.0, 20001), pool=pool)
        assert pool._workers == []
        value("powerlaw", [[2.0]], pool=pool)
        assert time.monotonic() - start < 60
    finally:
        pool.close()


def test_library_that_cannot_be_loaded(tmp_path):
    broken = tmp_path / "libXSFunctions.so"
    broken.write_bytes(b"no library")
    pool = Pool(replace(INSTALLATION, library=broken), workers=1)
    try:
        with pytest.raises(ModelError, match=r"ended the process \(status 1\).*libXSFunctions.so"):
            value("powerlaw", [[2.0]], pool=pool)
    finally:
        pool.close()


def test_worker_that_cannot_be_started(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    pool = Pool(INSTALLATION, workers=1)
    with pytest.raises(ModelError, match="worker process cannot be started"):
        value("powerlaw", [[2.0]], pool=pool)


def test_worker_that_was_killed_is_replaced(own_pool):
    before = value("powerlaw", [[2.0]], pool=own_pool)
    worker = own_pool._workers[0]
    worker.process.kill()
    worker.process.wait()
    assert (value("powerlaw", [[2.0]], pool=own_pool) == before).all()
    assert own_pool._workers[0] is not worker


def test_interrupt_leaves_no_stale_answer(own_pool, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    value("powerlaw", [[2.0]], pool=own_pool)
    with monkeypatch.context() as patch:
        patch.setattr(Worker, "receive", interrupted)
        with pytest.raises(KeyboardInterrupt):
            value("powerlaw", [[1.0]], pool=own_pool)
    edges = EDGES
    expected = 1.0 / edges[:-1] - 1.0 / edges[1:]
    assert value("powerlaw", [[2.0]], pool=own_pool)[0] == pytest.approx(expected, rel=1e-12)


def test_rows_are_spread_over_workers_in_order(own_pool):
    rows = np.linspace(1.1, 3.0, 37)[:, None]
    one = value("powerlaw", rows, pool=own_pool)
    own_pool._cost["powerlaw"] = 1.0  # as if it were slow
    two = value("powerlaw", rows, pool=own_pool)
    assert len(own_pool._workers) == 2
    assert (one == two).all()
    expected = (EDGES[1:] ** (1 - rows) - EDGES[:-1] ** (1 - rows)) / (1 - rows)
    assert two == pytest.approx(expected, rel=1e-11)
    flux = np.random.default_rng(3).uniform(1.0, 2.0, (37, 200))
    own_pool._cost["zashift"] = 1.0
    shifted = value("zashift", np.zeros((37, 1)), flux=flux, pool=own_pool)
    assert shifted == pytest.approx(flux, rel=1e-12)
    own_pool._cost["gabs"] = 1.0
    with pytest.raises(ModelError, match="LineE=900"):
        value("gabs", [[6.4, 0.1, 0.5]] * 5 + [[900.0, 0.01, 1.0]], pool=own_pool)


def test_threads_do_not_mix_up_answers(own_pool):
    slopes = np.linspace(1.1, 3.0, 40)

    def one(slope):
        return value("powerlaw", [[slope]], pool=own_pool)[0]

    with ThreadPoolExecutor(8) as executor:
        together = list(executor.map(one, slopes))
    expected = (EDGES[1:] ** (1 - slopes[:, None]) - EDGES[:-1] ** (1 - slopes[:, None])) / (1 - slopes[:, None])
    assert np.array(together) == pytest.approx(expected, rel=1e-11)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_forked_child_has_workers_of_its_own(tmp_path):
    """A library of the user's may fork; parent and child must not read each other's answers."""
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys, numpy as np\n"
        "from wolter.models import Model\n"
        "edges = np.geomspace(1, 10, 11)\n"
        "model = Model('xspec_powerlaw')\n"
        "print(model.evaluate(edges).sum(), flush=True)\n"
        "child = os.fork()\n"
        "model.xspec_powerlaw.PhoIndex = 0.0 if child else 3.0\n"
        "totals = {round(float(model.evaluate(edges).sum()), 9) for _ in range(20)}\n"
        "if child:\n"
        "    os.waitpid(child, 0)\n"
        "print('parent' if child else 'child', totals, flush=True)\n"
    )
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    out = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True, env=environment)
    assert sorted(out.stdout.splitlines()[1:]) == ["child {0.495}", "parent {9.0}"]


def test_import_and_lookup_start_nothing():
    code = (
        "import sys, wolter.models as m; m.Model('tbabs*powerlaw'); a = 'wolter.models.xspec_library.pool' in"
        " sys.modules; m.get_component('kerrbb');"
        " print(a, 'subprocess' in sys.modules, 'xspectrampoline' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "False", "False"]


def test_script_without_guard(tmp_path):
    """A script that does not protect its main part runs once, and its workers end with it."""
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np\n"
        "from wolter.models import Model\n"
        "from wolter.models.xspec_library import find_installation, library_pool\n"
        "print('once', Model('xspec_powerlaw').evaluate(np.geomspace(1, 10, 11)).sum())\n"
        "print('pid', library_pool(find_installation())._workers[0].process.pid)\n"
    )
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    out = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True, env=environment)
    assert out.stdout.count("once") == 1
    assert out.stderr == ""
    assert float(out.stdout.split()[1]) == pytest.approx(np.log(10.0), rel=1e-12)
    pid = int(out.stdout.split()[-1])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(
    ("name", "pars", "flux", "said"),
    [
        ("powerlaw", [[1.0, 2.0]], None, "2 values given for the 1 parameters"),
        ("zashift", [[0.0]], None, "needs a spectrum"),
        ("zashift", [[0.0]], np.ones((1, 5)), "has shape"),
        ("powerlaw", [[1.0]], np.ones((1, 200)), "does not take a spectrum"),
    ],
)
def test_arrays_that_do_not_fit(name, pars, flux, said):
    with pytest.raises(ModelError, match=said):
        value(name, pars, flux=flux)
