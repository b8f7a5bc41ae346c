"""A telescope that Wolter has never heard of: OGIP is enough."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from data_ogip import Novascope, naive_rmf, power_law
from wolter.data import ARF, RMF, Spectrum, folding_plan, plan_of
from wolter.errors import ResponseError, WolterWarning
from wolter.mission import GENERIC, mission_of


@pytest.fixture
def nova(tmp_path):
    return Novascope(tmp_path)


@pytest.mark.parametrize("layout", ["variable", "fixed"])
def test_unknown_telescope(nova, layout):
    """PHA, RMF and ARF with multi-group rows, TLMIN = 3 and descending energies: read, fold, compare with loops."""
    nova.write_rmf(layout=layout)
    nova.write_arf()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        spectrum = Spectrum.read(nova.write_pha())
    rmf, arf = spectrum.rmf, spectrum.arf
    assert mission_of(spectrum.header) is GENERIC
    assert (spectrum.telescop, spectrum.instrume, spectrum.detnam) == ("NOVASCOPE", "SPECTRO", "A")
    assert rmf.descending
    assert spectrum.first_channel == rmf.first_channel == 3
    assert spectrum.rate.sum() == pytest.approx(nova.counts.sum() / 1000.0)
    np.testing.assert_array_equal(rmf.edges[:-1], nova.lo)
    np.testing.assert_array_equal(rmf.dense(), nova.dense)
    np.testing.assert_allclose(rmf.dense()[::-1], naive_rmf(rmf.path)[0], rtol=1e-7)

    flux = power_law(rmf.edges)
    expected = np.zeros(nova.nch)
    for i in range(nova.ne):
        for j in range(nova.nch):
            expected[j] += flux[i] * arf.specresp[i] * nova.dense[i, j]
    np.testing.assert_allclose(rmf.fold(flux * arf.specresp), expected, rtol=1e-12)
    plan = plan_of(spectrum)
    np.testing.assert_allclose(plan.fold(flux[plan.rows]), expected, rtol=1e-12)


def test_plan_with_groups_and_noticed_channels_equals_loops(nova):
    nova.write_rmf()
    nova.write_arf()
    grouping = np.where(np.arange(nova.nch) % 4 == 0, 1, -1).astype("i2")
    quality = np.zeros(nova.nch, "i2")
    quality[[4, 5, 12, 30]] = 1  # the start of a group twice, and a hole
    columns = {"GROUPING": ("I", grouping), "QUALITY": ("I", quality)}
    spectrum = Spectrum.read(nova.write_pha(columns=columns))
    notice = spectrum.notice(1.0, 6.0)
    data, plan = spectrum.binned(notice), plan_of(spectrum, notice)

    flux = power_law(spectrum.rmf.edges)
    groups = [[j for j in range(b, b + 4) if quality[j] != 1] for b in range(0, nova.nch, 4)]
    tops = [nova.e_max[members[-1]] for members in groups]
    first = next(k for k, top in enumerate(tops) if top >= 1.0) + 1  # "ignore **-1." takes this bin, too
    last = next(k for k, top in enumerate(tops) if top >= 6.0)  # "ignore 6.-**" begins with this one
    rates, counts = [], []
    for members in groups[first:last]:
        counts.append(sum(int(nova.counts[j]) for j in members))
        rates.append(sum(flux[i] * nova.area[i] * nova.dense[i, j] for i in range(nova.ne) for j in members))
    assert len(rates) > 5
    np.testing.assert_allclose(data.counts, counts, rtol=1e-12)
    np.testing.assert_allclose(plan.fold(flux[plan.rows]), rates, rtol=1e-12)
    assert plan.bin_lo.tolist() == [nova.e_min[members[0]] for members in groups[first:last]]
    assert plan.bin_hi.tolist() == tops[first:last]


@pytest.mark.parametrize(
    "options",
    [
        {"extname": "SPECRESP MATRIX"},
        {"extname": "specresp matrix", "ebounds_first": True},
        {"extname": "matrix", "ebounds_first": True, "layout": "fixed"},
        {"extname": "ODD NAME"},  # found by HDUCLAS2
    ],
)
def test_extensions_in_any_order_and_case(nova, options):
    rmf = RMF.read(nova.write_rmf(**options))
    assert rmf.includes_area is options["extname"].upper().startswith("SPECRESP")
    np.testing.assert_array_equal(rmf.dense(), nova.dense)


def test_spectrum_with_matrix_that_includes_the_area(nova):
    nova.write_rmf(extname="SPECRESP MATRIX")
    spectrum = Spectrum.read(nova.write_pha(ANCRFILE="none"))
    flux = power_law(spectrum.rmf.edges)
    np.testing.assert_allclose(plan_of(spectrum).fold(flux[plan_of(spectrum).rows]), flux @ nova.dense, rtol=1e-12)
    nova.write_arf()
    with pytest.warns(WolterWarning, match="once more"):
        Spectrum.read(nova.write_pha("again.pha"))


def test_missing_tlmin_is_taken_to_be_one_as_xspec_does(nova):
    nova.first = 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing to say where EBOUNDS agrees
        rmf = RMF.read(nova.write_rmf("one.rmf", tlmin=False))
    np.testing.assert_array_equal(rmf.dense(), nova.dense)
    nova.first = 0
    with pytest.warns(WolterWarning, match=r"TLMIN.*begin with 0"):  # channel 0 occurs: it cannot be 1
        rmf = RMF.read(nova.write_rmf("zero.rmf", tlmin=False))
    np.testing.assert_array_equal(rmf.dense(), nova.dense)
    nova.first = 3
    with pytest.warns(WolterWarning, match=r"begin with 1.*EBOUNDS begins with 3"):
        rmf = RMF.read(nova.write_rmf("three.rmf", tlmin=False))
    np.testing.assert_array_equal(rmf.dense()[:, 2:], nova.dense[:, :-2])


@pytest.mark.parametrize("area_included", [False, True])
def test_written_responses_are_read_by_astropy_and_by_us(nova, tmp_path, area_included):
    first = RMF.read(nova.write_rmf(extname="SPECRESP MATRIX" if area_included else "MATRIX"))
    path = first.write(tmp_path / "copy.rmf")
    matrix, energy, bounds = naive_rmf(path)
    np.testing.assert_array_equal(matrix, nova.dense)
    np.testing.assert_array_equal(energy[0], nova.lo)
    np.testing.assert_array_equal(bounds[1], nova.e_max)
    again = RMF.read(path)
    assert (again.includes_area, again.first_channel, again.telescop) == (area_included, 3, "NOVASCOPE")
    np.testing.assert_array_equal(again.dense(), nova.dense)

    arf = ARF.read(nova.write_arf(CCNM0001="MODSPECRESP", STOKESWT="NEFF"))
    copy = ARF.read(arf.write(tmp_path / "copy.mrf"))
    assert (copy.kind, copy.stokes_weight) == ("MODSPECRESP", "NEFF")
    np.testing.assert_array_equal(copy.specresp, nova.area)
    np.testing.assert_array_equal(copy.edges, arf.edges)


def test_folding_a_batch(nova):
    rmf, arf = RMF.read(nova.write_rmf()), ARF.read(nova.write_arf())
    plan = folding_plan(rmf, arf)
    fluxes = np.stack([power_law(plan.edges, g) for g in (1.2, 1.7, 2.3)]).reshape(3, 1, -1)
    folded = plan.fold(fluxes)
    assert folded.shape == (3, 1, nova.nch)
    for one, many in zip(fluxes[:, 0], folded[:, 0], strict=True):
        np.testing.assert_allclose(plan.fold(one), many, rtol=1e-13)
    with pytest.raises(ResponseError):
        plan.fold(np.ones(7))
    with pytest.raises(ResponseError, match="energy bins"):
        rmf.fold(np.ones(7))
