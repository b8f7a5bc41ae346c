"""Nominal responses against numbers nobody here made: photoabsorption fits, and the public simulator's responses."""

from __future__ import annotations

import numpy as np
import pytest

from wolter.data import ARF
from wolter.missions.ixpe import nominal
from wolter.models.absorption.verner import cross_section

KEV = np.array([1.0, 2.0, 3.0, 4.0, 5.0])


@pytest.mark.parametrize(("element", "mass"), [("C", 12.011), ("O", 15.999), ("Al", 26.982)])
def test_attenuation_is_photoabsorption_plus_a_little_scattering(element, mass):
    absorbed = cross_section(element, 1e3 * KEV) * 1e-18 * 6.02214e23 / mass  # cm2/g, Verner et al. 1996
    table = nominal._aluminium(KEV) if element == "Al" else nominal._attenuation(KEV, {element: 1.0})
    np.testing.assert_allclose(absorbed, table, rtol=0.04)


def test_area_and_modulation_have_the_size_of_the_public_simulators(shared):
    folder = shared("ixpe", "pseudo_caldb")
    arf = ARF.read(folder / "ixpe_d1_obssim20211209_v013.arf")
    mrf = ARF.read(folder / "ixpe_d1_obssim20211209_v013.mrf")
    centre = 0.5 * (arf.energ_lo + arf.energ_hi)
    band = (centre > 2) & (centre < 8)
    ratio = nominal.effective_area(centre[band]) / arf.specresp[band]
    assert 0.8 < ratio.min() <= ratio.max() < 1.5
    theirs = (mrf.specresp / arf.specresp)[band]
    assert np.abs(nominal.modulation_factor(centre[band]) - theirs).max() < 0.1


def test_three_weightings_belong_together():
    made = {w: nominal.nominal_responses("DU2", w) for w in ("unweighted", "simple", "neff")}
    rng = np.random.default_rng(1)
    weights = rng.beta(nominal.WEIGHT_SHAPE, nominal.WEIGHT_SHAPE, 400_000)
    area = made["unweighted"].arf.specresp
    np.testing.assert_allclose(made["simple"].arf.specresp, area * weights.mean(), rtol=3e-3)
    effective = weights.sum() ** 2 / (weights**2).sum() / len(weights)
    np.testing.assert_allclose(made["neff"].arf.specresp, area * effective, rtol=3e-3)
    sums = made["unweighted"].rmf.row_sums()
    inside = (nominal.ENERGY_EDGES[:-1] > 1.5) & (nominal.ENERGY_EDGES[1:] < 11)
    np.testing.assert_allclose(np.asarray(sums)[inside], 1.0, atol=1e-3)
