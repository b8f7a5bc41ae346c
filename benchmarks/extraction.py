"""Extraction of I, Q and U from a large event file in Wolter, NumPy, astropy and ixpeobssim."""

from __future__ import annotations

import numpy as np

from benchmarks.extract import PROGRAMS, build, measure
from benchmarks.harness import Row, Runner, Section, attempt, environment


def section(run: Runner, *, rows: int = 10_000_000, repeat: int = 5) -> Section:
    """Measure all programs on the same file."""
    out = Section(f"{rows:.0e} events (52 bytes a row): circle and good times to I, Q, U sums per channel")
    whole, warm, peak = Row("whole process"), Row("warm"), Row("peak memory", unit="MB")
    out.rows = [whole, warm, peak]
    path = run.scratch / "events.fits"
    build(path, rows)
    reference = None
    for name in PROGRAMS:
        found = measure(name, path, repeat, environment(run.threads))
        reference = found["check"] if reference is None else reference
        if not np.allclose(found["check"], reference, rtol=1e-9, atol=1e-6):
            whole.notes[name] = "DIFFERENT RESULT"
        whole.seconds[name], warm.seconds[name], peak.seconds[name] = found["process"], found["warm"], found["peak"]
    if run.peer:
        peer = run.peer
        job = {"task": "extract", "file": str(path), "repeat": min(repeat, 3)}
        found = attempt(out, "ixpeobssim", lambda: run.work("ixpeobssim_side", job, peer))
        if found:
            warm.seconds["ixpeobssim"], peak.seconds["ixpeobssim"] = found["warm"], found["peak"]
            warm.notes["ixpeobssim"] = "xpselect (circle only), xpbin to PHA1, PHA1Q, PHA1U files"
    for left in run.scratch.glob("events*.fits"):
        left.unlink()
    return out
