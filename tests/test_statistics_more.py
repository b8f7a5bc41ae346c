"""lstat against the integral it stands for, whittle against its formula, derivatives against differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad

from wolter.errors import FitError
from wolter.fit.statistics import BinData, make_statistic


@pytest.fixture(scope="module")
def bins():
    rng = np.random.default_rng(1)
    n = 12
    ts, tb = np.full(n, 100.0), np.full(n, 300.0)
    s, b = rng.poisson(5, n).astype(float), rng.poisson(6, n).astype(float)
    s[0], b[1] = 0.0, 0.0
    return BinData(s / ts, s / ts**2, s, ts, b / tb, b / tb**2, b, tb, 1 / ts**2)


@pytest.fixture(scope="module")
def model():
    return np.random.default_rng(2).uniform(0.005, 0.08, 12)


def marginal(m, s, b, ts, tb):
    """-2 ln of the likelihood integrated over the background's rate."""

    def density(x):
        first = s * math.log(ts * (m + x)) if s else 0.0
        second = b * math.log(tb * x) if b else 0.0
        return math.exp(first - ts * (m + x) + second - tb * x)

    peak = max(b / tb, 1e-3)
    return -2.0 * math.log(quad(density, 0.0, 1.0, points=[peak, 3 * peak], epsabs=0.0, limit=500)[0])


def test_lstat_is_the_marginal_likelihood(bins, model):
    statistic = make_statistic("lstat", bins, background=True)
    value = statistic.value(model)
    for i in range(bins.size):
        s, b, ts, tb = bins.counts[i], bins.bkg_counts[i], bins.time[i], bins.bkg_time[i]
        best = max(0.0, s / ts - b / tb)
        zero = marginal(best, s, b, ts, tb) if best > 0 or s == 0 else marginal(1e-12, s, b, ts, tb)
        assert value[i] == pytest.approx(marginal(model[i], s, b, ts, tb) - zero, rel=1e-6, abs=1e-6)
    assert statistic.value(np.stack([model, model])).shape == (2, 12)


def test_whittle(bins, model):
    once = make_statistic("whittle", bins, background=False).value(model)
    power = bins.counts / bins.time
    np.testing.assert_allclose(once, 2 * (power / model + np.log(bins.time * model)), rtol=1e-12)
    thrice = make_statistic("whittle3", bins, background=False).value(model)
    rest = -4 * np.log(np.where(bins.counts > 0, bins.counts, 1e-15))
    np.testing.assert_allclose(thrice, 3 * once + rest, rtol=1e-12)


@pytest.mark.parametrize(("name", "background"), [("lstat", True), ("whittle", False), ("whittle2", False)])
def test_derivatives(bins, model, name, background):
    statistic = make_statistic(name, bins, background=background)
    value, slope, curvature = statistic.derivatives(model)
    np.testing.assert_allclose(value, statistic.value(model), rtol=1e-12)
    h = 1e-6
    up, down = statistic.value(model + h), statistic.value(model - h)
    np.testing.assert_allclose(-(up - down) / (4 * h), slope, rtol=1e-5, atol=1e-4)
    h = 1e-5
    second = (statistic.value(model + h) - 2 * value + statistic.value(model - h)) / (2 * h * h)
    np.testing.assert_allclose(np.maximum(second, 0.0), curvature, rtol=1e-2, atol=1e-2 * np.abs(second).max())


def test_unknown_names(bins):
    with pytest.raises(FitError, match="unknown statistic 'whittlex'"):
        make_statistic("whittlex", bins, background=False)
