"""Quantities at the edge: what is accepted, what is refused and with which words."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest

from wolter.errors import UnitError, suggest
from wolter.units import to_arcsec, to_kev, to_range_kev, to_seconds


def test_energies_in_any_unit():
    assert to_kev(2000 * u.eV) == pytest.approx(2.0)
    assert to_kev(12.398419843320026 * u.AA) == pytest.approx(1.0)
    np.testing.assert_allclose(to_kev([1, 2] * u.MeV), [1e3, 2e3])


def test_range_is_sorted_and_not_empty():
    assert to_range_kev((8 * u.keV, 2 * u.keV)) == (2.0, 8.0)
    assert to_range_kev([2, 8] * u.keV) == (2.0, 8.0)
    with pytest.raises(UnitError, match="empty"):
        to_range_kev((2 * u.keV, 2 * u.keV))


def test_bare_number_names_argument_and_cure():
    with pytest.raises(UnitError, match=r"exposure has no unit.*100\*u\.s"):
        to_seconds(100.0, "exposure")


def test_wrong_kind_of_unit():
    with pytest.raises(UnitError, match="radius is in keV"):
        to_arcsec(3 * u.keV, "radius")
    with pytest.raises(UnitError, match="energy is in s"):
        to_kev(3 * u.s)


def test_suggest_names_the_nearest():
    assert suggest("powrlaw", ["powerlaw", "bbody"]) == "Did you mean 'powerlaw'?"
    assert suggest("zzz", ["powerlaw", "bbody"]) == ""
