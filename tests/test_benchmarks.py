"""The benchmarks can be started, and what they compare is the same work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.harness import Row, Runner, Section, WorkerError, duration, markdown_of, text_of

ROOT = Path(__file__).resolve().parents[1]


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("module", ["benchmarks", "benchmarks.peers", "benchmarks.fit", "benchmarks.extract"])
def test_help(module):
    done = _python("-m", module, "--help")
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout


def test_sections_without_their_data_are_skipped_with_a_sentence(tmp_path):
    done = _python("-m", "benchmarks", "--data", str(tmp_path), "--only", "ixpe", "rmf")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("skipped, there is no") == 2
    assert "left out" in done.stdout or "WOLTER_PEER_PYTHON" in os.environ


def test_interpreter_that_is_not_there(tmp_path):
    done = _python("-m", "benchmarks", "--peer-python", str(tmp_path / "python"))
    assert done.returncode == 2
    assert "no interpreter" in done.stderr


def test_failing_worker_says_why(tmp_path):
    run = Runner(None, 1, 1, tmp_path)
    with pytest.raises(WorkerError, match="no_such_file"):
        run.work("plain_side", {"task": "rmf", "file": str(tmp_path / "no_such_file"), "repeat": 1})


def test_tables_show_ratios():
    row = Row("fit", {"wolter": 0.004, "other": 0.1}, {"other": "chi2 1.000"})
    section = Section("Fits", [row, Row("recorded", {"other": 2.0})], ["a remark"])
    text, table = text_of(section), markdown_of(section)
    assert "25 x" in text
    assert "(a remark)" in text
    assert "| fit | other | 0.10 s | 25 | chi2 1.000 |" in table
    assert "| recorded | other | 2.00 s |  |  |" in table
    assert [duration(t) for t in (0.00123, 0.5, 200.0)] == ["1.23 ms", "0.50 s", "200 s"]


def _peer() -> Path:
    path = os.environ.get("WOLTER_PEER_PYTHON")
    if not path or not Path(path).exists():
        pytest.skip("no environment with peers (set WOLTER_PEER_PYTHON, see python -m benchmarks.peers --help)")
    return Path(path)


def _ixpe_job(shared, tmp_path):
    from benchmarks.ixpe import job_of

    return job_of(shared("ixpe", "mrk501_01004601"), tmp_path, 1, 0)


def test_prototype_finds_the_same_minimum(shared, tmp_path):
    job, run = _ixpe_job(shared, tmp_path), Runner(None, 1, 1, tmp_path)
    mine = run.work("wolter_side", {**job, "task": "ixpe"})
    other = run.work("plain_side", {**job, "task": "ixpe_cold"})
    assert other["statistic"] == pytest.approx(mine["statistic"], abs=1e-3)


def test_sherpa_finds_the_same_minimum(shared, tmp_path):
    peer = _peer()
    job, run = _ixpe_job(shared, tmp_path), Runner(peer, 1, 1, tmp_path)
    mine = run.work("wolter_side", {**job, "task": "ixpe"})
    other = run.work("sherpa_side", {**job, "task": "ixpe_cold"}, peer)
    assert other["dof"] == mine["dof"] == 1334
    assert other["statistic"] == pytest.approx(mine["statistic"], abs=1e-3)


def test_sherpa_finds_the_same_minimum_for_few_counts(shared, tmp_path):
    from benchmarks.engine import SWIFT, swift_job

    peer = _peer()
    run = Runner(peer, 1, 1, tmp_path)
    job = swift_job(shared(SWIFT).parents[1], run, 1, 1) | {"grid": ((0.0, 1.0, 2), (1.0, 3.0, 2))}
    mine = run.work("wolter_side", {**job, "task": "swift"})
    other = run.work("sherpa_side", {**job, "task": "swift_cold"}, peer)
    assert other["statistic"] == pytest.approx(mine["statistic"], abs=1e-2)
