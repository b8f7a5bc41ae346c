"""Angles between directions, compared with astropy."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from wolter.sky import separation


def test_as_astropy():
    rng = np.random.default_rng(0)
    lon = rng.uniform(0, 360, (2, 500))
    lat = np.degrees(np.arcsin(rng.uniform(-1, 1, (2, 500))))
    theirs = SkyCoord(lon[0], lat[0], unit="deg").separation(SkyCoord(lon[1], lat[1], unit="deg")).deg
    np.testing.assert_allclose(separation(lon[0], lat[0], lon[1], lat[1]), theirs, rtol=1e-12)


@pytest.mark.parametrize("arcsec", [1e-6, 1.0, 3600.0])
def test_small_angles_keep_their_digits(arcsec):
    found = separation(150.0, 60.0, 150.0, 60.0 + arcsec / 3600.0)
    assert isinstance(found, float)
    assert found * 3600.0 == pytest.approx(arcsec, rel=1e-4)


def test_one_direction_against_many():
    assert separation(10.0, 0.0, np.array([10.0, 11.0, 370.0]), 0.0) == pytest.approx([0.0, 1.0, 0.0])
