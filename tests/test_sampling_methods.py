"""Other ways to a minimum and to errors: simplex, population, sampled starts, MINOS; and fits that admit trouble."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from golden_session import Session
from wolter.data import ARF, RMF, Spectrum, SpectrumSet
from wolter.errors import FitError, ParameterError, WolterWarning
from wolter.fit import Fit, LogUniform, Uniform, minimum
from wolter.models import Model, Settings


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WolterWarning)
        yield


@pytest.fixture(scope="module")
def session(golden):
    return Session(golden("xspec_sessions"), "e_two_groups_links")


@pytest.fixture
def logpar(shared):
    folder = shared("ixpe", "mrk501_01004601")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WolterWarning)
        files = [folder / f"det{d}_filt_src_I.pha" for d in (1, 2)]
        spectra = SpectrumSet.read(files, groups=[1, 2]).select_bins(51, 199)
        fit = Fit(spectra, "constant*TBabs*logpar", settings=Settings(abund="wilm"))
    fit.free_by_group("constant.factor")
    fit.freeze("TBabs.nH")
    fit.set("TBabs.nH", 0.0169)
    fit.set("logpar.pivotE", 5.0)
    # step 137 of the session
    fit.set("logpar.alpha", 2.2)
    fit.set("logpar.beta", 0.2)
    fit.set("logpar.norm", 6e-3)
    return fit


@pytest.mark.parametrize("method", ["nelder-mead", "differential-evolution", "migrad"])
def test_methods_reach_the_minimum_of_the_session(logpar, session, method):
    result = logpar.run(method, seed=1)
    assert result.converged
    assert result.method == method
    # XSPEC's own simplex stopped at 447.96 from here, its leven at 418.423
    assert result.statistic == pytest.approx(session.statistic(153), abs=0.01)
    recorded = {p["name"]: p for p in session.parameters(153)[:6]}
    for name in ("alpha", "beta", "norm"):
        row = next(r for r in result.parameters if r.name == f"logpar.{name}")
        assert row.value == pytest.approx(recorded[name]["values"][0], abs=0.15 * row.sigma)
        assert row.sigma == pytest.approx(recorded[name]["sigma"], rel=0.02)


def test_minos_agrees_with_the_session(logpar, session):
    logpar.run()
    recorded = session.step(154, "error")["model"][0]["parameters"]
    for error, index in zip(logpar.minos("logpar.alpha", "logpar.beta"), (2, 3), strict=True):
        low, high = recorded[index]["error"][:2]
        assert error.upper - error.value == pytest.approx(high - recorded[index]["values"][0], rel=0.03)
        assert error.value - error.lower == pytest.approx(recorded[index]["values"][0] - low, rel=0.03)
        assert error.codes == "FFFFFFFFF"
    # and with our own profiles
    ours = logpar.error("logpar.alpha", level=0.9)[0]
    minos = logpar.minos("logpar.alpha", level=0.9)[0]
    assert minos.lower == pytest.approx(ours.lower, abs=0.01 * (ours.upper - ours.lower))
    assert minos.upper == pytest.approx(ours.upper, abs=0.01 * (ours.upper - ours.lower))


def test_minos_mistakes(logpar):
    with pytest.raises(FitError, match="errors need a fit"):
        logpar.minos()
    logpar.run()
    with pytest.raises(ParameterError, match="frozen and has no error"):
        logpar.minos("TBabs.nH")
    with pytest.raises(ParameterError, match="not between"):
        logpar.minos(level=2)
    with pytest.raises(ParameterError, match="bounds nothing"):
        logpar.minos(delta=0)


def line_spectrum(energy=7.3, seed=2) -> Spectrum:
    """A narrow line on a flat continuum: its energy has a minimum in every fluctuation of the noise."""
    n = 200
    edges = np.linspace(1.0, 11.0, n + 1)
    lo, hi = edges[:-1], edges[1:]
    rmf = RMF.from_dense(np.eye(n), energ_lo=lo, energ_hi=hi, e_min=lo, e_max=hi)
    mean = 20.0 + 150.0 * np.exp(-0.5 * ((0.5 * (lo + hi) - energy) / 0.1) ** 2)
    counts = np.random.default_rng(seed).poisson(mean)
    return Spectrum(
        channel=np.arange(n) + 1, values=counts.astype(float), exposure=1e3, rmf=rmf, arf=ARF(lo, hi, np.full(n, 100.0))
    )


def line_fit(start: float) -> Fit:
    model = Model("powerlaw+gaussian")
    model["PhoIndex"].value = 0.0
    model["PhoIndex"].frozen = True
    model["LineE"].set_limits(1.0, 11.0)
    model["LineE"].value = start
    model["Sigma"].value = 0.1
    model["Sigma"].frozen = True
    model["powerlaw.norm"].value = 4e-3
    model["gaussian.norm"].value = 1e-4
    return Fit([line_spectrum()], model, statistic="cstat")


def test_sampled_starts_find_a_line_that_a_descent_misses():
    fit = line_fit(2.0)
    alone = fit.run()
    assert abs(fit["LineE"].value - 7.3) > 1
    fit = line_fit(2.0)
    result = fit.run(starts=30, seed=4)
    assert result.statistic < alone.statistic - 500
    assert fit["LineE"].value == pytest.approx(7.3, abs=0.05)
    assert any("sampled starts ended at the lowest statistic" in m for m in result.messages)
    assert result.restarts == 30
    # drawn from priors
    fit = line_fit(2.0)
    fit.prior("LineE", Uniform(6.5, 8.0))
    fit.prior("gaussian.norm", LogUniform(1e-5, 1e-2))
    assert fit.run(starts=5, seed=4).statistic == pytest.approx(result.statistic, abs=1e-3)


def test_a_population_finds_it_too():
    fit = line_fit(2.0)
    fit.run("differential-evolution", seed=3)
    assert fit["LineE"].value == pytest.approx(7.3, abs=0.05)


def test_starts_that_lead_nowhere_better_say_so():
    fit = line_fit(7.3)
    before = fit.run().statistic
    result = line_fit(7.3).run(starts=8, seed=1)
    assert result.statistic == pytest.approx(before, abs=1e-6)
    assert any("sampled starts" in m for m in result.messages)


@pytest.mark.parametrize("method", ["default", "leven", "migrad", "nelder-mead", "differential-evolution"])
def test_an_end_at_a_limit_is_said(method):
    fit = line_fit(7.6)
    fit.limits("LineE", 7.4, 8.0)
    result = fit.run(method, seed=1)
    assert any("LineE is at its lower limit 7.4" in m for m in result.messages)
    assert fit["LineE"].value == pytest.approx(7.4, abs=0.01)


def test_a_plateau_is_said():
    """A line far outside the spectrum changes nothing, wherever it goes."""
    model = Model("powerlaw+gaussian")
    for parameter in model.parameters:
        parameter.frozen = True
    model["LineE"].value = 350.0
    model["LineE"].set_limits(300.0, 400.0)
    model["LineE"].frozen = False
    model["powerlaw.norm"].value = 4e-3
    fit = Fit([line_spectrum()], model, statistic="cstat")
    result = fit.run()
    assert not result.converged
    assert any("on a plateau" in m for m in result.messages)


def test_a_worse_end_is_said(monkeypatch):
    fit = line_fit(7.3)

    def worse(likelihood, start, max_iterations):
        point = start * 1.001
        alpha = np.eye(len(start))
        return minimum.Minimum(point, float(likelihood.statistic(start[None])[0]) + 3.0, alpha, True)

    monkeypatch.setattr(minimum, "_default", worse)
    assert any("worse than at the start" in m for m in fit.run(renorm=False).messages)


def test_unknown_method():
    with pytest.raises(FitError, match="differential-evolution"):
        line_fit(7.3).run("annealing")
