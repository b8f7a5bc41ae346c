"""Every installed mission passes the shared check-suite; descriptions answer as they should."""

from __future__ import annotations

import numpy as np
import pytest

from wolter.errors import MissionError
from wolter.mission import GENERIC, Mission, get_mission, mission_of, missions
from wolter.missions.checksuite import CHECKS, check_mission


@pytest.mark.parametrize("name", sorted(missions()))
def test_check_suite(name, tmp_path):
    passed = list(check_mission(get_mission(name), tmp_path))
    assert passed == [check.__name__ for check in CHECKS]


def test_check_suite_can_fail(tmp_path):
    impostor = Mission(name="ixpe", title="an impostor", telescop=("IMPOSTOR",), detectors=("A",))
    with pytest.raises(MissionError, match="not registered"):
        list(check_mission(impostor, tmp_path))


def test_band_of_channels():
    energy = get_mission("IXPE").energy
    assert energy.channels(2.0, 8.0) == (50, 199)
    assert energy.channels(0.0, 1e9) == (0, 374)
    np.testing.assert_allclose(energy.lower_edge([50, 200]), [2.0, 8.0])


def test_unknown_telescope_is_generic():
    assert mission_of({"TELESCOP": "NOVASCOPE"}) is GENERIC
    assert mission_of([{}, {"TELESCOP": "ixpe "}]).name == "ixpe"


def test_unknown_names_are_answered_with_near_ones():
    with pytest.raises(MissionError, match="Did you mean 'ixpe'"):
        get_mission("ixp")
    with pytest.raises(MissionError, match=r"no weighting 'nef'.*neff"):
        get_mission("ixpe").weighting("nef")
    with pytest.raises(MissionError, match="no simulator"):
        GENERIC.load("simulator")
