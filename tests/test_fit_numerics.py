"""Chi-squared probabilities against SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wolter.fit.numerics import chi2_isf, chi2_sf, delta_statistic, gamma_p, gamma_q, normal_quantile

special = pytest.importorskip("scipy.special")
stats = pytest.importorskip("scipy.stats")


@pytest.mark.parametrize("a", [0.5, 1.0, 2.5, 30.0, 667.0, 5000.0])
def test_incomplete_gamma_agrees_with_scipy(a):
    for x in np.concatenate([a * np.geomspace(1e-3, 4, 25), [a, a + 1, a + 1.0001]]):
        assert gamma_q(a, x) == pytest.approx(special.gammaincc(a, x), rel=1e-9, abs=1e-290)
        assert gamma_p(a, x) == pytest.approx(special.gammainc(a, x), rel=1e-9, abs=1e-290)


def test_edges_of_the_domain():
    assert gamma_q(3, 0) == 1
    assert gamma_p(3, 0) == 0
    assert gamma_q(3, math.inf) == 0
    assert math.isnan(gamma_q(-1, 2))
    assert math.isnan(chi2_sf(3.0, 0))
    assert chi2_sf(-1.0, 5) == 1


@pytest.mark.parametrize("dof", [1, 2, 3, 10, 1334])
@pytest.mark.parametrize("probability", [0.6827, 0.5, 0.1, 0.01, 1e-8])
def test_quantile_agrees_with_scipy(dof, probability):
    assert chi2_isf(probability, dof) == pytest.approx(stats.chi2.isf(probability, dof), rel=1e-10)


def test_levels_of_the_textbooks():
    # Lampton, Margon & Bowyer 1976, table 1
    assert delta_statistic(0.90) == pytest.approx(2.706, abs=1e-3)
    assert delta_statistic(0.99, 2) == pytest.approx(9.21, abs=1e-2)
    assert delta_statistic(0.6827, 1) == pytest.approx(1.0, abs=1e-3)
    assert normal_quantile(0.975) == pytest.approx(stats.norm.ppf(0.975), rel=1e-12)


@pytest.mark.parametrize(("level", "joint"), [(0, 1), (1, 1), (2.706, 1), (0.9, 0)])
def test_impossible_levels(level, joint):
    with pytest.raises(ValueError):
        delta_statistic(level, joint)
