"""Parameters of the legacy tool that change nothing here are not swallowed silently."""

from __future__ import annotations

import pytest

from wolter import tasks
from wolter.errors import WolterWarning


def test_parameters_without_effect_are_named(shared, tmp_path):
    events = shared("ixpe", "sim_mrk501_01004701", "01004701", "event_l2", "ixpe01004701_det1_evt2_v01.fits.gz")
    call = {"filename": str(events), "phafile": str(tmp_path / "o.pha"), "xcolf": "X", "ycolf": "Y", "ccol": "NONE"}
    with pytest.warns(WolterWarning, match="copyall, swapx have no effect"):
        tasks.run("extractor", copyall=True, swapx="yes", wtmapb="no", gti="GTI", **call)
