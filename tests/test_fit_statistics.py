"""Derivatives of the statistics, and their expected curvature, bin by bin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wolter.errors import FitError
from wolter.fit.statistics import (
    BinData,
    Chi,
    CStat,
    PGStat,
    PStat,
    WStat,
    churazov_variance,
    gehrels_variance,
    make_statistic,
)


def bins(source, background=None, *, time=100.0, ratio=4.0, error=0.2):
    """Bins with a background exposure `ratio` times the source's."""
    source = np.atleast_1d(np.asarray(source, dtype=float))
    none = np.zeros_like(source)
    back = none if background is None else np.atleast_1d(np.asarray(background, dtype=float))
    t = np.full_like(source, time)
    tb = np.full_like(source, np.inf if background is None else time * ratio)
    return BinData(
        rate=source / t,
        variance=source / t**2,
        counts=source,
        time=t,
        bkg_rate=back / tb,
        bkg_variance=np.full_like(source, (error / time) ** 2) if background is not None else none,
        bkg_counts=back,
        bkg_time=tb,
        zero_variance=1 / t**2,
    )


CASES = [
    CStat(bins([0, 1, 7, 40])),
    PStat(bins([0, 1, 7, 40], [3, 0, 2, 60])),
    WStat(bins([0, 1, 7, 40, 0, 5], [3, 0, 2, 60, 0, 0])),
    PGStat(bins([0, 1, 7, 40], [3, 0, 2, 60])),
    Chi(bins([0, 1, 7, 40], [3, 0, 2, 60])),
]


@pytest.mark.parametrize("statistic", CASES, ids=lambda s: s.name)
@pytest.mark.parametrize("level", [0.003, 0.02, 0.11, 0.7])
def test_derivatives_are_those_of_the_value(statistic, level):
    model = level * np.linspace(0.9, 1.1, statistic.bins.size)[None]
    value, slope, curvature = statistic.derivatives(model)
    np.testing.assert_allclose(value, statistic.value(model), rtol=1e-12)
    h = 1e-5 * model
    up, down = statistic.value(model + h), statistic.value(model - h)
    np.testing.assert_allclose(slope, -0.25 * (up - down) / h, rtol=1e-5, atol=1e-5)
    wide = 1e-3 * model
    up, down = statistic.value(model + wide), statistic.value(model - wide)
    second = 0.5 * (up - 2 * value + down) / wide**2
    # W with B = 0 has a kink where m = S/t: away from it only
    scale = np.abs(second).max()
    np.testing.assert_allclose(np.broadcast_to(curvature, second.shape), second, rtol=2e-4, atol=2e-4 * scale)


@pytest.mark.parametrize("make", [CStat, PStat, WStat], ids=lambda s: s.name)
def test_expected_curvature_is_the_mean_of_the_observed(make):
    # at the true model, averaged over data drawn from it, the two agree for many counts
    rng = np.random.default_rng(3)
    source, background, t, ratio = 2.0, 1.0, 100.0, 4.0
    back = rng.poisson(background * t * ratio, 20000)
    counts = rng.poisson((source + background) * t if make is not CStat else source * t, 20000)
    statistic = make(bins(counts, None if make is CStat else back, time=t, ratio=ratio))
    model = np.full((1, 20000), source)
    observed = statistic.derivatives(model)[2].mean()
    expected = statistic.derivatives(model, expected=True)[2].mean()
    assert expected == pytest.approx(observed, rel=0.02)


@given(st.integers(0, 300), st.integers(0, 300), st.floats(1e-4, 5.0))
def test_w_is_the_profile_over_the_background(source, background, model):
    # minimise the joint Poisson likelihood over the background rate by brute force
    t, ratio = 100.0, 4.0
    tb = t * ratio
    statistic = WStat(bins(source, background, time=t, ratio=ratio))
    value = float(statistic.value(np.array([[model]]))[0, 0])

    def joint(f):
        with np.errstate(divide="ignore", invalid="ignore"):
            s = t * (model + f) - (source * np.log(t * (model + f)) if source else 0.0)
            b = tb * f - (background * np.log(tb * f) if background else 0.0)
        saturated = sum(n * (1 - np.log(n)) if n else 0.0 for n in (source, background))
        return 2 * (s + b - saturated)

    trial = np.concatenate([[0.0] if background == 0 else [], np.geomspace(1e-9, 10, 40001)])
    lowest = float(np.nanmin(joint(trial)))
    assert value == pytest.approx(lowest, abs=1e-4 * max(1, abs(lowest)) + 1e-5)
    assert value <= lowest + 1e-6


def test_pg_is_the_profile_over_a_gaussian_background():
    t, ratio, error = 100.0, 4.0, 0.2
    data = bins([12], [60], time=t, ratio=ratio, error=error)
    value = float(PGStat(data).value(np.array([[0.05]]))[0, 0])
    tb = t * ratio
    berr = tb * (error / t) ** 2  # XSPEC's "error squared"
    f = np.linspace(0.1, 0.2, 2_000_001)
    source = t * (0.05 + f) - 12 * np.log(t * (0.05 + f)) - 12 * (1 - np.log(12))
    joint = 2 * (source + 0.5 * (60 - tb * f) ** 2 / berr)
    assert value == pytest.approx(joint.min(), abs=1e-6)


def test_poisson_floor():
    statistic = CStat(bins([0, 3]))
    np.testing.assert_allclose(statistic.value(np.array([[0.0, -1.0]])), statistic.value(np.array([[1e-7, 1e-7]])))
    assert np.isfinite(statistic.derivatives(np.array([[0.0, -1.0]]))[1]).all()


def test_gehrels_and_churazov_by_hand():
    np.testing.assert_allclose(gehrels_variance(np.array([0.0, 6.0]), np.array([10.0, 10.0])), [
        ((1 + np.sqrt(0.75)) / 10) ** 2, ((1 + np.sqrt(6.75)) / 10) ** 2,
    ])  # fmt: skip
    counts = np.array([30.0, 5, 1, 2, 14, 3])
    # bin 2 needs two neighbours on either side: 52 counts in 5 bins; bin 4 has only one on its right
    expected = [30, 36 / 3, 52 / 5, 25 / 5, 20 / 4, 20 / 4]
    np.testing.assert_allclose(churazov_variance(counts, np.ones(6)), expected)


def test_unknown_statistic():
    with pytest.raises(FitError, match="Did you mean 'cstat'"):
        make_statistic("cstatt", bins([1]), background=False)
