"""Parameters of the legacy tool that change nothing here are not swallowed silently."""

from __future__ import annotations

import warnings

import pytest

from wolter import tasks
from wolter.errors import WolterWarning


def test_parameters_without_effect_are_named(shared, tmp_path):
    events = shared("ixpe", "sim_mrk501_01004701", "01004701", "event_l2", "ixpe01004701_det1_evt2_v01.fits.gz")
    call = {"filename": str(events), "phafile": str(tmp_path / "o.pha"), "xcolf": "X", "ycolf": "Y", "ccol": "NONE"}
    with pytest.warns(WolterWarning, match="wmapver, copyall, swapx have no effect"):
        tasks.run("extractor", copyall=True, swapx="yes", wmapver=1, wtmapb="no", gti="GTI", **call)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tasks.run("extractor", copyall="no", xhkey="NX", wtmapb="no", gti="GTI", **call)


def test_every_task_says_which_parameters_it_passes_over():
    """What a help text calls without effect is told at run time too, in every task, unless it is set to its default."""
    told = 0
    for name in tasks.names():
        for p in tasks.get(name).parameters:
            assert "without effect" not in p.doc, f"{name}: {p.name}"
            if "no effect" not in p.doc:
                assert not p.is_idle(object())
            elif p.name not in ("chatter", "history", "schatter"):
                assert p.is_idle(object()), f"{name}: {p.name}"
                assert not p.is_idle(p.convert(p.default))
                told += 1
    assert told > 30
    done = []
    parameters = (tasks.Parameter("n", "i", 1, "a number"), tasks.Parameter("chatter", "i", 5, "accepted, no effect"))
    idle = tasks.Parameter("badclean", "b", True, "always done: no effect")
    task = tasks.Task("toyidle", (*parameters, idle), lambda p, r: done.append(p), "A toy.")
    with pytest.warns(WolterWarning, match=r"^toyidle: badclean has no effect in this version$"):
        task(n=3, chatter=0, badclean="no")
    assert done[0]["n"] == 3
