"""Upper limits of parameters and of counts, against published tables, SciPy and grids."""

from __future__ import annotations

import warnings

import astropy.units as u
import numpy as np
import pytest
from scipy import integrate, optimize, stats

from wolter.data import Spectrum, SpectrumSet
from wolter.errors import FitError, ParameterError, WolterWarning
from wolter.fit import Fit
from wolter.fit.limits import poisson_upper_limit, upper_limit


@pytest.fixture(scope="module")
def star(shared):
    folder = shared("swift", "2m0259_00092220001")
    spectrum = Spectrum.read(
        folder / "target_sr.pha", rmf=folder / "swxpc0to12s6_20130101v014.rmf.gz", arf=folder / "target_sr.arf"
    )
    return SpectrumSet([spectrum]).select(0.3 * u.keV, 8 * u.keV)


@pytest.fixture(scope="module")
def line(star):
    fit = Fit(star, "powerlaw+gaussian", statistic="cstat")
    fit.set("gaussian.LineE", 6.4, frozen=True)
    fit.set("gaussian.Sigma", 0.05, frozen=True)
    fit.set("gaussian.norm", 1e-6)
    fit.run()
    return fit


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99865])
def test_limit_of_a_line_that_is_not_there(line, level):
    result = upper_limit(line, "gaussian.norm", level=level)
    assert result.value < 1e-9
    assert result.delta == pytest.approx(stats.norm.ppf(level) ** 2, rel=1e-9)
    assert not result.at_hard_limit
    # the profile at the limit, from an independent grid
    rise = line.grid({"gaussian.norm": np.array([result.limit])}).statistic[0] - line.statistic
    assert rise == pytest.approx(result.delta, abs=0.01)
    assert result.to_dict()["limit"] == result.limit


def test_limit_leaves_the_errors_alone(line):
    (before,) = line.error("powerlaw.PhoIndex", level=0.9)
    upper = upper_limit(line, "powerlaw.PhoIndex", level=0.95)
    lower = upper_limit(line, "powerlaw.PhoIndex", level=0.95, lower=True)
    assert lower.limit < before.value < upper.limit
    # two-sided 90 % and one-sided 95 % are the same rise
    assert (lower.limit, upper.limit) == pytest.approx((before.lower, before.upper), rel=1e-3)
    assert line.parameters[0].lower == before.lower


def test_limit_at_a_hard_limit(star):
    fit = Fit(star, "powerlaw", statistic="cstat")
    fit.run()
    fit.limits("powerlaw.PhoIndex", fit["powerlaw.PhoIndex"].value - 0.01, fit["powerlaw.PhoIndex"].value + 0.01)
    fit.run()
    result = upper_limit(fit, "powerlaw.PhoIndex")
    assert result.at_hard_limit
    assert result.limit == fit["powerlaw.PhoIndex"].hard_max


def test_limits_refuse(star):
    fit = Fit(star, "powerlaw", statistic="cstat")
    with pytest.raises(FitError, match="fit"):
        upper_limit(fit, "powerlaw.norm")
    fit.run()
    for level in (0.3, 1.0):
        with pytest.raises(ParameterError, match="level"):
            upper_limit(fit, "powerlaw.norm", level=level)
    fit.freeze("powerlaw.PhoIndex")
    with pytest.raises(ParameterError, match="is frozen"):
        upper_limit(fit, "powerlaw.PhoIndex")
    with pytest.raises(ParameterError):
        upper_limit(fit, "powerlaw.nosuch")


# Gehrels (1986), table 1: upper limits for 1 sigma, 0.90, 0.95, 2 sigma, 0.99
GEHRELS = {
    0: (1.841, 2.303, 2.996, 3.783, 4.605),
    1: (3.300, 3.890, 4.744, 5.683, 6.638),
    5: (8.382, 9.275, 10.51, 11.82, 13.11),
}


@pytest.mark.parametrize("counts", list(GEHRELS))
def test_classical_limits_are_those_of_gehrels(counts):
    for level, published in zip((0.84134, 0.90, 0.95, 0.97725, 0.99), GEHRELS[counts], strict=True):
        assert poisson_upper_limit(counts, level=level) == pytest.approx(published, rel=4e-4)


@pytest.mark.parametrize(("counts", "background"), [(0, 0.0), (3, 1.0), (5, 4.5), (2, 8.0), (40, 30.0)])
def test_known_background(counts, background):
    classical = poisson_upper_limit(counts, background, level=0.95)
    if classical > 0:
        assert stats.poisson.cdf(counts, classical + background) == pytest.approx(0.05, rel=1e-9)
    else:
        assert stats.poisson.cdf(counts, background) < 0.05
    bayes = poisson_upper_limit(counts, background, level=0.95, method="bayes")
    density = lambda s: stats.poisson.pmf(counts, s + background)  # noqa: E731
    whole = integrate.quad(density, 0, 400, limit=500, points=[counts])[0]
    assert integrate.quad(density, 0, bayes, limit=500)[0] / whole == pytest.approx(0.95, rel=1e-6)
    profile = poisson_upper_limit(counts, background, level=0.95, method="profile")
    best = max(0.0, counts - background)
    rise = -2 * (stats.poisson.logpmf(counts, profile + background) - stats.poisson.logpmf(counts, best + background))
    assert rise == pytest.approx(stats.norm.ppf(0.95) ** 2, rel=1e-6)


@pytest.mark.parametrize(
    ("on", "off", "ratio"), [(0, 0, 0.1), (5, 20, 0.2), (3, 40, 0.1), (30, 100, 0.25), (0, 7, 1.0)]
)
def test_measured_background(on, off, ratio):
    limit = poisson_upper_limit(on, off, ratio=ratio, level=0.95)

    def profiled(s):
        def minus(b):
            return -2 * (stats.poisson.logpmf(on, s + b * ratio) + stats.poisson.logpmf(off, b))

        return optimize.minimize_scalar(
            minus, bounds=(1e-9, off + on / ratio + 10), method="bounded", options={"xatol": 1e-9}
        ).fun

    best = max(0.0, on - off * ratio)
    assert profiled(limit) - profiled(best) == pytest.approx(stats.norm.ppf(0.95) ** 2, abs=2e-4)
    # with endless background exposure it is known exactly
    if on:
        known = poisson_upper_limit(on, off * ratio, level=0.95, method="profile")
        assert poisson_upper_limit(on, off * 1e7, ratio=ratio / 1e7, level=0.95) == pytest.approx(known, rel=1e-3)
        assert limit > known * 0.999


def test_coverage_of_the_classical_limit():
    rng = np.random.default_rng(1)
    truth = 4.0
    limits = np.array([poisson_upper_limit(n, 2.0, level=0.9) for n in range(40)])
    assert np.mean(limits[rng.poisson(truth + 2.0, 4000)] >= truth) >= 0.9 - 0.02


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((-1,), {}, "not possible"),
        ((1.5,), {}, "not possible"),
        ((1, -2.0), {}, "not possible"),
        ((1,), {"level": 1.2}, "level"),
        ((1,), {"level": 0.4, "method": "profile"}, "level"),
        ((1,), {"method": "feldman"}, "unknown method"),
        ((1, 3), {"ratio": 0.0}, "makes no sense"),
        ((1, 3), {"ratio": 0.5, "method": "bayes"}, "makes no sense"),
    ],
)
def test_impossible_limits(arguments, options, message):
    with pytest.raises(ParameterError, match=message):
        poisson_upper_limit(*arguments, **options)


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WolterWarning)
        yield
