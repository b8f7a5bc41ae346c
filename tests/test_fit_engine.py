"""The fitting engine on made-up spectra with known truth: likelihood, optimisers, errors, grids, fluxes."""

from __future__ import annotations

import json

import astropy.units as u
import numpy as np
import pytest

from fit_support import counts, expected_rate, response, spectrum, stokes_spectra
from wolter.data import SpectrumSet
from wolter.errors import FitError, ParameterError
from wolter.fit import Fit, delta_statistic
from wolter.fit.leven import leven
from wolter.fit.likelihood import Likelihood
from wolter.models import Model


def power_law(index=2.0, norm=0.5) -> Model:
    return Model("powerlaw", PhoIndex=index, norm=norm)


def polarised(fraction=0.3, angle=20.0) -> Model:
    return Model("polconst*powerlaw", A=fraction, psi=angle, PhoIndex=2, norm=1)


# -- likelihood -----------------------------------------------------------------------------------------------------


def test_folding_agrees_with_the_dense_matrix():
    truth = power_law()
    fit = Fit([counts(truth)], truth)
    rmf, arf, _ = response()
    np.testing.assert_allclose(fit.folded()[0], expected_rate(truth, rmf, arf), rtol=1e-12)


def numerical_jacobian(likelihood: Likelihood, point):
    columns = []
    for k in range(len(point)):
        h = 1e-6 * max(abs(point[k]), 1e-3)
        up, down = point.copy(), point.copy()
        up[k] += h
        down[k] -= h
        columns.append((likelihood.model(up[None])[0] - likelihood.model(down[None])[0]) / (2 * h))
    return np.array(columns)


@pytest.mark.parametrize("expression", ["powerlaw", "constant*tbabs*(powerlaw + bbody)", "tbabs*(powerlaw + tbabs*po)"])
def test_gradient_and_matrix_against_numerical_derivatives(expression):
    spectra = SpectrumSet([counts(power_law()), counts(power_law(), seed=2)], groups=[1, 2])
    fit = Fit(spectra, expression, statistic=["chi", "cstat"])
    if "bbody" in expression:
        fit.set("bbody.kT", 0.8)
        fit.tie("2:bbody.kT", "0.9*p5 + 0.01")
    fit.set("powerlaw.PhoIndex", 1.4)
    fit.untie("2:powerlaw.norm")
    likelihood = fit.likelihood
    point = likelihood.free.start.copy()
    jacobian = numerical_jacobian(likelihood, point)
    model = likelihood.model(point[None])
    value, slope, curvature = (np.empty(likelihood.dataset.n_bins) for _ in range(3))
    for block in likelihood.dataset.blocks:
        parts = block.statistic.derivatives(model[:, block.bins])
        for target, part in zip((value, slope, curvature), parts, strict=True):
            target[block.bins] = part
    for scheme in ("forward", "xspec"):
        mine = likelihood.derivatives(point[None], scheme=scheme, expected=False)
        assert mine.statistic[0] == pytest.approx(value.sum(), rel=1e-12)
        np.testing.assert_allclose(mine.beta[0], jacobian @ slope, rtol=5e-3)
        expected = (jacobian * curvature) @ jacobian.T
        scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
        np.testing.assert_allclose(mine.alpha[0] / scale, expected / scale, atol=2e-3)


def test_a_batch_is_its_rows():
    spectra = SpectrumSet(
        stokes_spectra(polarised(), seed=1) + stokes_spectra(polarised(), seed=2), groups=[1] * 3 + [2] * 3
    )
    fit = Fit(spectra, "constant*polconst*tbabs*powerlaw")
    fit.free_by_group("constant.factor")
    rng = np.random.default_rng(0)
    likelihood = fit.likelihood
    points = likelihood.free.start * rng.uniform(0.8, 1.0, (50, likelihood.free.size))
    whole = likelihood.derivatives(points)
    for i in (0, 7, 49):
        one = likelihood.derivatives(points[i : i + 1])
        np.testing.assert_allclose(whole.statistic[i], one.statistic[0], rtol=1e-10)
        np.testing.assert_allclose(whole.beta[i], one.beta[0], rtol=1e-8, atol=1e-9 * np.abs(one.beta).max())
        np.testing.assert_allclose(whole.alpha[i], one.alpha[0], rtol=1e-8, atol=1e-9 * np.abs(one.alpha).max())
    some = likelihood.derivatives(points, active=[1, 3])
    np.testing.assert_allclose(some.alpha[:, 1, 3], whole.alpha[:, 1, 3], rtol=1e-10)
    assert not some.alpha[:, 0].any()
    np.testing.assert_allclose(likelihood.statistic(points), whole.statistic, rtol=1e-10)
    np.testing.assert_allclose(likelihood.contributions(points).sum(axis=1), whole.statistic, rtol=1e-10)


def test_large_responses_stay_sparse_and_agree():
    # wide matrices become sparse; the same data with a dense one must give the same numbers
    truth = power_law()
    rmf, arf, _ = response(1800, 1600, width=0.02)
    rate = expected_rate(truth, rmf, arf)
    data = spectrum(np.random.default_rng(5).poisson(rate * 1e4).astype(float), rmf, arf, exposure=1e4)
    fit = Fit([data], "powerlaw", statistic="cstat")
    assert not fit.dataset.spectra[0].plan.dense
    fit.set("PhoIndex", 1.5)
    result = fit.run()
    assert result.converged
    assert fit["PhoIndex"].value == pytest.approx(2.0, abs=4 * fit.parameters[0].sigma)
    edges = np.append(rmf.energ_lo, rmf.energ_hi[-1])
    folded = (fit.model.evaluate(edges) * arf.specresp) @ rmf.dense()
    np.testing.assert_allclose(fit.folded()[0], folded, rtol=1e-9)


def test_spectra_on_different_grids():
    truth = power_law()
    one = counts(truth)
    rmf, arf, _ = response(45, 30, lo=0.5, hi=8.0)
    two = spectrum(np.random.default_rng(2).poisson(expected_rate(truth, rmf, arf) * 1000).astype(float), rmf, arf)
    both = Fit(SpectrumSet([one, two], groups=[1, 2]), "tbabs*powerlaw", statistic="cstat")
    apart = [Fit([s], "tbabs*powerlaw", statistic="cstat") for s in (one, two)]
    for fit in (both, *apart):
        fit.set("TBabs.nH", 0.01)
        fit.set("powerlaw.norm", 0.4)
    assert len(both.dataset.grids) == 2
    assert both.statistic == pytest.approx(sum(f.statistic for f in apart), rel=1e-12)


def test_several_statistics_in_one_fit():
    one, two = counts(power_law()), counts(power_law(), seed=2)
    both = Fit(SpectrumSet([one, two]), power_law(1.8), statistic=["chi", "cstat"])
    alone = [Fit([one], power_law(1.8)), Fit([two], power_law(1.8), statistic="cstat")]
    np.testing.assert_allclose(both.contributions, [f.statistic for f in alone])
    assert [r.statistic_name for r in both.spectrum_rows] == ["chi", "cstat"]
    result = both.run()
    assert result.converged
    assert both["PhoIndex"].value == pytest.approx(2.0, abs=4 * both.parameters[0].sigma)


# -- fits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["default", "leven", "migrad"])
@pytest.mark.parametrize("statistic", ["chi", "cstat"])
def test_noise_free_data_give_the_truth_back(method, statistic):
    truth = Model("tbabs*powerlaw", nH=0.4, PhoIndex=2.2, norm=0.8)
    rmf, arf, _ = response()
    fit = Fit(
        [spectrum(expected_rate(truth, rmf, arf) * 1e5, rmf, arf, exposure=1e5)], "tbabs*powerlaw", statistic=statistic
    )
    fit.set("TBabs.nH", 0.1)
    fit.set("powerlaw.PhoIndex", 1.2)
    result = fit.run(method)
    assert result.converged
    assert result.statistic == pytest.approx(0, abs=0.02)
    for row in fit.parameters:
        assert row.value == pytest.approx(truth[row.index].value, abs=0.05 * row.sigma)


def test_a_fit_ten_powers_of_ten_away():
    fit = Fit([counts(power_law(norm=0.5))], power_law(norm=1e-9), statistic="cstat")
    fit.set("PhoIndex", 5.0)
    assert fit.run().converged
    assert fit["norm"].value == pytest.approx(0.5, rel=0.05)
    fit.set("norm", 1e9)
    assert fit.run(renorm=False).converged
    assert fit["norm"].value == pytest.approx(0.5, rel=0.05)


def test_restart_from_a_limit_by_periodicity():
    # the angle of the data is just beyond the limit: from 60 degrees a bounded descent dies at 90
    fit = Fit(stokes_spectra(polarised(0.3, -80.0)), "polconst*powerlaw")
    fit.set("polconst.psi", 60)
    fit.set("polconst.A", 0.2)
    result = fit.run()
    assert result.statistic == pytest.approx(0, abs=1e-3)
    assert fit["psi"].value == pytest.approx(-80, abs=0.01)
    assert any("left the limit polconst.psi = 90 by periodicity" in m for m in result.messages)
    for name, value in (("polconst.psi", 60), ("polconst.A", 0.2), ("powerlaw.PhoIndex", 1), ("powerlaw.norm", 1)):
        fit.set(name, value)
    assert fit.run("leven").statistic > 10
    assert fit["psi"].value == pytest.approx(90, abs=0.1)
    assert fit.run().statistic == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("angle", [-85, -40, 0, 30, 80])
@pytest.mark.parametrize("start", [-60, 10, 45, 89])
def test_every_angle_from_every_start(angle, start):
    fit = Fit(stokes_spectra(polarised(0.2, angle), error=3e-3, seed=angle + 90), "polconst*powerlaw")
    fit.set("psi", start)
    fit.set("A", 1.0)
    result = fit.run()
    row = fit.parameters[1]
    assert row.sigma is not None
    assert abs((row.value - angle + 90) % 180 - 90) < 5 * row.sigma
    assert -90 <= row.value <= 90
    best = result.statistic
    fit.set("psi", angle)
    fit.set("A", 0.2)
    assert fit.run().statistic == pytest.approx(best, abs=1e-3)


def test_legitimate_limit_is_reported():
    soft = Model("powerlaw + bbody", PhoIndex=2, kT=0.3, **{"bbody.norm": 0.01})  # more soft photons, not fewer
    fit = Fit([counts(soft, seed=4)], "tbabs*powerlaw", statistic="cstat")
    fit.set("TBabs.nH", 0.3)
    result = fit.run()
    assert fit["nH"].value == 0
    assert any("TBabs.nH is at its lower limit 0" in m for m in result.messages)
    assert any("restarted" in m for m in result.messages)


def test_leven_stops_when_told():
    fit = Fit([counts(power_law())], power_law(norm=0.1))
    fit.set("PhoIndex", 4.0)
    result = fit.run("leven", max_iterations=1)
    assert result.iterations == 1
    assert not result.converged
    assert any("without convergence" in m for m in result.messages)


def test_leven_holds_what_has_no_influence():
    fit = Fit(stokes_spectra(polarised(0.3, 20.0))[:1], "polconst*powerlaw")  # an I spectrum knows no angle
    result = fit.run("leven")
    assert result.converged
    assert sum("has no influence" in m and "was held" in m for m in result.messages) == 2
    assert fit.parameters[0].sigma is None
    assert fit.parameters[2].sigma > 0


def test_critical_delta():
    fit = Fit([counts(power_law())], power_law(norm=0.1))
    loose = leven(fit.likelihood, np.array([1.0, 0.1]), critical_delta=100.0)
    tight = leven(fit.likelihood, np.array([1.0, 0.1]), critical_delta=1e-8)
    assert loose.iterations < tight.iterations
    assert tight.statistic <= loose.statistic


def test_covariance_of_a_linear_model_is_exact():
    # norms of two fixed shapes: least squares has a closed form
    truth = Model("powerlaw + bbody", PhoIndex=2, kT=1.5)
    rmf, arf, _ = response()
    rate = expected_rate(truth, rmf, arf)
    error = 0.02 * np.sqrt(rate)
    noisy = rate + np.random.default_rng(1).normal(0, error)
    fit = Fit([spectrum(noisy, rmf, arf, is_rate=True, stat_err=error, poisson=False)], truth)
    fit.freeze("PhoIndex", "kT")
    fit.run()
    shapes = np.array([
        expected_rate(Model("powerlaw", PhoIndex=2), rmf, arf), expected_rate(Model("bbody", kT=1.5), rmf, arf)
    ])  # fmt: skip
    matrix = (shapes / error**2) @ shapes.T
    np.testing.assert_allclose(fit.covariance, np.linalg.inv(matrix), rtol=1e-6)
    solution = np.linalg.solve(matrix, (shapes / error**2) @ noisy)
    np.testing.assert_allclose([fit["powerlaw.norm"].value, fit["bbody.norm"].value], solution, rtol=1e-6)
    for mine, k in zip(fit.error(delta=4.0), (0, 1), strict=True):  # the profile of a linear model is a parabola
        sigma = np.sqrt(fit.covariance[k, k])
        assert mine.plus == pytest.approx(2 * sigma, rel=1e-3)
        assert mine.minus == pytest.approx(2 * sigma, rel=1e-3)


def test_interrupted_fit_keeps_the_best_point(monkeypatch):
    truth = Model("tbabs*powerlaw", nH=0.8, PhoIndex=2.2, norm=0.8)
    for method in ("default", "leven"):
        fit = Fit([counts(truth)], "tbabs*powerlaw", statistic="cstat")
        fit.set("PhoIndex", 4.0)
        before = fit.statistic
        original, calls = Likelihood.derivatives, []

        def some(self, *args, original=original, calls=calls, **options):
            calls.append(1)
            if len(calls) > 3:
                raise KeyboardInterrupt
            return original(self, *args, **options)

        with monkeypatch.context() as patch:
            patch.setattr(Likelihood, "derivatives", some)
            # the covariance at the end needs derivatives once more
            patch.setattr("wolter.fit.minimum.observed", lambda *args: None)
            result = fit.run(method)
        assert not result.converged
        assert result.statistic < before
        assert fit.statistic == pytest.approx(result.statistic)
        assert any("interrupted" in m for m in result.messages)


# -- errors ---------------------------------------------------------------------------------------------------------


def test_levels_and_deltas():
    fit = Fit([counts(power_law())], power_law(), statistic="cstat")
    fit.run()
    by_level = fit.error("PhoIndex", level=0.9)[0]
    by_delta = fit.error("PhoIndex", delta=delta_statistic(0.9))[0]
    default = fit.error("PhoIndex")[0]
    assert by_level.delta == pytest.approx(2.7055, abs=1e-3)
    assert by_level.lower == pytest.approx(by_delta.lower, rel=1e-6)
    assert default.delta == 2.706
    joint = fit.error("PhoIndex", level=0.9, joint=2)[0]
    assert joint.delta == pytest.approx(4.605, abs=1e-3)
    assert joint.lower < by_level.lower < by_level.upper < joint.upper
    with pytest.raises(ParameterError, match="both given"):
        fit.error("PhoIndex", level=0.9, delta=1)
    with pytest.raises(ParameterError, match="not between 0 and 1"):
        fit.error("PhoIndex", level=90)
    with pytest.raises(ParameterError, match="positive delta"):
        fit.error("PhoIndex", delta=-1)


def test_profile_bounds_are_where_the_statistic_has_risen():
    truth = Model("tbabs*powerlaw", nH=0.8, PhoIndex=2.2, norm=0.8)
    fit = Fit([counts(truth, exposure=300)], truth, statistic="cstat")
    best = fit.run().statistic
    for result in fit.error(delta=4.0):
        for bound in (result.lower, result.upper):
            grid = fit.grid({result.index: np.array([bound])})
            assert grid.statistic[0] - best == pytest.approx(4.0, abs=0.01)


def test_errors_need_a_fit():
    fit = Fit([counts(power_law())], power_law())
    with pytest.raises(FitError, match=r"Call run\(\) first"):
        fit.error("PhoIndex")
    fit.run()
    fit.error("PhoIndex")
    assert fit.parameters[0].lower is not None
    fit.set("norm", 0.4)
    assert fit.parameters[0].lower is None
    assert fit.parameters[0].sigma is None
    with pytest.raises(FitError, match="changed"):
        fit.error("PhoIndex")


def test_new_minimum_is_taken_up_unless_local():
    # two angles fit an I, Q, U set with U nearly zero; start in the worse one by keeping the fraction's sign
    fit = Fit(stokes_spectra(polarised(0.3, 70.0)), "polconst*powerlaw")
    fit.set("psi", 60)
    fit.limits("psi", -90, 90)
    fit.set("A", 0.2)
    fit.run("leven")
    good = fit.statistic
    # now put the fit beside its minimum and pretend it is one
    fit.set("psi", fit["psi"].value + 3)
    fit.freeze("psi")
    worse = fit.run().statistic
    fit.thaw("psi")
    fit._fit_version = fit.table.version  # as after a fit that stopped too early
    fit._covariance = np.diag([1e-6, 1.0, 1e-4, 1e-4])
    assert worse > good + 1
    local = fit.error("A", delta=1.0, local=True)
    assert local[0].codes[0] == "F"
    (result,) = fit.error("A", delta=1.0, local=False)
    assert result.codes[0] == "T"
    assert "new minimum" in " ".join(result.notes)
    assert fit.result.statistic == pytest.approx(good, abs=1e-3)
    assert any("a new minimum was found" in m for m in fit.result.messages)


def test_unconstrained_angle():
    # no polarisation in the data: every angle is allowed
    fit = Fit(stokes_spectra(polarised(0.0, 0.0), error=2e-2, seed=11), "polconst*powerlaw")
    fit.run()
    (psi,) = fit.error("psi", delta=30.0)
    assert psi.upper - psi.lower == pytest.approx(180, abs=1e-6)
    assert psi.codes[3:5] == "FF"
    assert psi.codes[6:8] == "TT"


def test_interval_of_an_angle_may_pass_its_limit():
    fit = Fit(stokes_spectra(polarised(0.3, 89.0), error=3e-2), "polconst*powerlaw")
    fit.run()
    (psi,) = fit.error("psi", delta=4.0)
    assert psi.lower < fit["psi"].value < psi.upper
    assert psi.upper > 90 or psi.lower < -90
    assert psi.plus == pytest.approx(psi.minus, rel=0.02)


def test_interrupted_error_search(monkeypatch):
    fit = Fit([counts(power_law())], power_law())
    fit.run()
    from wolter.fit import errors

    def stop(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(errors, "descend", stop)
    result = fit.error("PhoIndex", "norm")
    assert np.isnan([r.lower for r in result]).all()
    assert any("interrupted" in m for m in fit.result.messages)
    json.dumps(fit.to_dict())


# -- grids ----------------------------------------------------------------------------------------------------------


def test_grid_is_the_fit_with_frozen_parameters():
    truth = Model("tbabs*powerlaw", nH=0.8, PhoIndex=2.2, norm=0.8)
    fit = Fit([counts(truth)], truth, statistic="cstat")
    fit.run()
    grid = fit.grid({"nH": (0.5, 1.1, 4), "PhoIndex": np.array([2.0, 2.3])})
    other = Fit([counts(truth)], truth, statistic="cstat")
    for i, nh in enumerate(grid.axes[0]):
        for j, index in enumerate(grid.axes[1]):
            other.set("nH", nh, frozen=True)
            other.set("PhoIndex", index, frozen=True)
            other.set("norm", 0.8)
            assert grid.statistic[i, j] == pytest.approx(other.run().statistic, abs=1e-3)
            assert grid.parameters[i, j, 2] == pytest.approx(other["norm"].value, rel=1e-4)
    assert grid.names == ("TBabs.nH", "powerlaw.PhoIndex")
    assert grid.units == ("10^22", "")
    json.dumps(grid.to_dict())


def test_grids_of_one_and_three_dimensions():
    truth = Model("tbabs*powerlaw", nH=0.8, PhoIndex=2.2, norm=0.8)
    fit = Fit([counts(truth)], truth, statistic="cstat")
    best = fit.run().statistic
    names = {"nH": (0.7, 0.9, 3), "PhoIndex": (2.1, 2.3, 3), "norm": (0.7, 0.9, 4, "log")}
    cube = fit.grid(names)
    assert cube.statistic.shape == (3, 3, 4)
    point = cube.parameters[1, 2, 3]
    np.testing.assert_allclose(point, [0.8, 2.3, 0.9])
    assert cube.statistic[1, 2, 3] == pytest.approx(fit.likelihood.statistic(point[None])[0])
    line = fit.grid({"nH": (0.7, 0.9, 3)})
    assert line.statistic.shape == (3,)
    assert (line.statistic >= best - 1e-6).all()
    x, y = cube.profile("TBabs.nH")
    assert (y >= line.statistic - 1e-3).all()
    np.testing.assert_array_equal(x, line.axes[0])
    assert cube.levels(0.9)[0] - cube.minimum == pytest.approx(delta_statistic(0.9, 3))
    assert line.levels(0.9)[0] - line.minimum == pytest.approx(delta_statistic(0.9, 1))


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({}, "no axes"),
        ({"nH": (0, 1, 0)}, "0 points"),
        ({"nH": (-1, 1, 3)}, "leaves its limits"),
        ({"nH": (0, 1, 3, "log")}, "logarithmic"),
        ({"nH": (0, 1, 3, "cubic")}, "spacing"),
        ({"nH": np.array([np.nan])}, "not understood"),
        ({"norm": (0.1, 1, 3)}, "frozen"),
        ({"nHH": (0, 1, 3)}, "nH"),
        ({"2:nH": (0, 1, 3)}, "tied"),
    ],
)
def test_bad_axes(axes, message):
    spectra = SpectrumSet([counts(power_law()), counts(power_law(), seed=2)], groups=[1, 2])
    fit = Fit(spectra, "tbabs*powerlaw")
    fit.freeze("norm")
    with pytest.raises(ParameterError, match=message):
        fit.grid(axes)


def test_interrupted_grid_keeps_what_is_done(monkeypatch):
    truth = Model("tbabs*powerlaw", nH=0.8, PhoIndex=2.2, norm=0.8)
    fit = Fit([counts(truth)], truth, statistic="cstat")
    fit.run()
    from wolter.fit import grid as module

    monkeypatch.setattr(module, "_BLOCK", 10)
    original, calls = module.descend, []

    def some(*args, **options):
        calls.append(1)
        if len(calls) > 2:
            raise KeyboardInterrupt
        return original(*args, **options)

    monkeypatch.setattr(module, "descend", some)
    grid = fit.grid({"nH": (0.5, 1.1, 6), "PhoIndex": (2, 2.4, 6)})
    assert not grid.complete
    assert np.isfinite(grid.statistic.ravel()[:20]).all()
    assert np.isnan(grid.statistic.ravel()[20:]).all()
    assert any("20 of 36 points are done" in m for m in grid.messages)
    assert np.isfinite(grid.minimum)
    assert json.loads(json.dumps(grid.to_dict()))["statistic"][5][5] is None


def test_grid_takes_over_better_neighbours():
    # the fit sits in a wrong basin of the angle; the grid over the fraction has to find the right one
    fit = Fit(stokes_spectra(polarised(0.3, -80.0)), "polconst*powerlaw")
    fit.set("psi", 60)
    fit.set("A", 0.2)
    fit.run("leven")
    grid = fit.grid({"A": (0, 0.4, 9)}, local=False)
    assert grid.new_minimum
    assert grid.best["polconst.A"] == pytest.approx(0.3)
    assert grid.best["polconst.psi"] == pytest.approx(-80, abs=0.5)


# -- fluxes ---------------------------------------------------------------------------------------------------------


def test_flux_of_a_power_law_is_analytic():
    fit = Fit([counts(power_law(2.0, 0.5))], power_law(2.0, 0.5))
    (flux,) = fit.flux(2 * u.keV, 5 * u.keV)
    assert flux.photons == pytest.approx(0.5 * (1 / 2 - 1 / 5), rel=2e-3)  # bins of the grid are cut linearly
    assert flux.energy == pytest.approx(0.5 * np.log(2.5) * 1.602e-9, rel=2e-3)
    assert np.isnan(flux.energy_error)
    assert flux.to_dict()["energy_error"] is None
    (same,) = fit.flux(5000 * u.eV, 2000 * u.eV)
    assert same.energy == flux.energy


def test_flux_error_of_a_norm():
    fit = Fit([counts(power_law())], power_law())
    fit.freeze("PhoIndex")
    fit.run()
    (flux,) = fit.flux(2 * u.keV, 8 * u.keV, level=0.6827)
    row = fit.parameters[1]
    assert flux.energy_error / flux.energy == pytest.approx(row.sigma / row.value, rel=1e-6)
    low, high = flux.energy_interval
    assert high - low == pytest.approx(2 * flux.energy_error, rel=1e-3)


def test_flux_is_that_of_stokes_i():
    spectra = stokes_spectra(polarised())
    (flux,) = Fit(spectra, polarised()).flux(2 * u.keV, 8 * u.keV)
    (plain,) = Fit(spectra[:1], power_law(2, 1)).flux(2 * u.keV, 8 * u.keV)
    assert flux.energy == pytest.approx(plain.energy, rel=1e-12)
