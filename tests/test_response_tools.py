"""Responses made from others: dummy, diagonal, on other energies, with a gain; against integrals known exactly."""

from __future__ import annotations

import numpy as np
import pytest

from wolter.data import ARF, RMF
from wolter.data.response_tools import (
    diagonal_response,
    dummy_response,
    energy_grid,
    response_on_energies,
    sensitivity,
    shift_gain,
)
from wolter.errors import ResponseError


@pytest.fixture(scope="module")
def swift(shared):
    folder = shared("swift", "2m0259_00092220001")
    return RMF.read(folder / "swxpc0to12s6_20130101v014.rmf.gz"), ARF.read(folder / "target_sr.arf")


def powerlaw(edges, index=2.0):
    return (edges[:-1] ** (1 - index) - edges[1:] ** (1 - index)) / (index - 1)


def test_a_dummy_response_records_every_photon_in_its_channel():
    rmf = dummy_response(50, lo=0.5, hi=10.5, number=1000, spacing="lin", offset=0.5, width=0.2)
    folded = rmf.fold(powerlaw(rmf.edges))
    bounds = 0.5 + 0.2 * np.arange(51)
    np.testing.assert_allclose(folded, powerlaw(bounds), rtol=1e-10)


def test_a_diagonal_response_keeps_the_area(swift):
    rmf, arf = swift
    diagonal = diagonal_response(rmf, arf)
    np.testing.assert_allclose(
        diagonal.fold(np.ones(rmf.n_energies)).sum(), (rmf.row_sums() * arf.specresp)[1:].sum(), rtol=2e-3
    )
    line = np.zeros(rmf.n_energies)
    line[np.searchsorted(rmf.energ_hi, 6.4)] = 1.0
    peak = np.flatnonzero(diagonal.fold(line))
    assert ((rmf.e_min[peak] <= 6.405) & (rmf.e_max[peak] >= 6.395)).all()  # one energy bin wide


def test_energies_may_be_finer_or_wider(swift):
    rmf, arf = swift
    direct = rmf.fold(powerlaw(rmf.edges) * arf.specresp)
    fine = np.concatenate([np.linspace(0.1, 12.0, 4000), np.geomspace(12.5, 100.0, 50)])
    other = response_on_energies(rmf, arf, fine)
    assert other.edges[-1] == 100.0
    chosen = slice(50, 900)
    np.testing.assert_allclose(other.fold(powerlaw(fine))[chosen], direct[chosen], rtol=2e-3)
    same = response_on_energies(rmf, arf, rmf.edges)
    np.testing.assert_allclose(same.fold(powerlaw(rmf.edges)), direct, rtol=1e-9)


def test_gain_moves_photons_and_channels_but_not_the_area(swift):
    rmf, arf = swift
    moved, area = shift_gain(rmf, arf, 0.98, 0.05)
    np.testing.assert_allclose(moved.edges[10:], rmf.edges[10:] / 0.98 - 0.05, rtol=1e-12)
    np.testing.assert_allclose(moved.e_min[10:], rmf.e_min[10:] / 0.98 - 0.05, rtol=1e-12)
    middle = 0.5 * (moved.edges[1:] + moved.edges[:-1])
    smooth = slice(900, 1300)  # away from edges of the area
    expected = np.interp(middle, 0.5 * (rmf.edges[1:] + rmf.edges[:-1]), arf.specresp)
    np.testing.assert_allclose(area.specresp[smooth], expected[smooth], rtol=2e-3)
    # a line at 6 keV appears in the channel whose old nominal energy is (6 + 0.05) 0.98
    line = np.zeros(moved.n_energies)
    line[np.searchsorted(moved.energ_hi, 6.0)] = 1.0
    peak = int(np.argmax(moved.fold(line)))
    assert rmf.e_min[peak] == pytest.approx(6.05 * 0.98, abs=0.04)
    assert shift_gain(rmf, arf) == (rmf, arf)
    alone, factor = shift_gain(rmf, None, 0.99, 0.0)
    assert factor is not None
    assert alone.n_energies == rmf.n_energies


def test_sensitivity_is_the_fisher_information_of_a_flux(swift):
    rmf, arf = swift
    variance = np.full(rmf.detchans, 4.0)
    variance[:30] = 0.0  # do not count
    dense = rmf.dense() * arf.specresp[:, None]
    np.testing.assert_allclose(sensitivity(rmf, arf, variance), (dense[:, 30:] ** 2).sum(axis=1) / 4.0, rtol=1e-9)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda r, a: energy_grid(5.0, 1.0, 10), "no energy grid"),
        (lambda r, a: energy_grid(0.0, 1.0, 10, "log"), "no energy grid"),
        (lambda r, a: energy_grid(0.1, 1.0, 10, "cubic"), "'lin' or 'log'"),
        (lambda r, a: response_on_energies(r, a, [3.0, 2.0]), "ascend"),
        (lambda r, a: response_on_energies(r, a, [100.0, 200.0]), "overlap"),
        (lambda r, a: shift_gain(r, a, -1.0), "positive"),
        (lambda r, a: shift_gain(r, a, 1.0, 1e6), "positive energies"),
    ],
)
def test_what_cannot_be(swift, call, text):
    with pytest.raises(ResponseError, match=text):
        call(*swift)
