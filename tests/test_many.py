"""Fits of many sources at once: equal to fits one by one, to scipy's minimum, and honest about what fails."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table

from wolter.data import ARF, Spectrum, SpectrumSet
from wolter.data.folding import folding_plan
from wolter.errors import FitError, OutputError, ParameterError, WolterWarning
from wolter.fit import Fit, fit_many
from wolter.models import Model

BAND = (0.3 * u.keV, 10 * u.keV)


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WolterWarning)
        yield


@pytest.fixture(scope="module")
def burst(shared):
    folder = shared("swift", "grb070110_00255445000")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WolterWarning)
        return Spectrum.read(
            folder / "interval0pcsource.pi",
            rmf=folder / "interval0pc.rmf",
            arf=folder / "interval0pc.arf",
            background=folder / "interval0pcback.pi",
        )


def model() -> Model:
    out = Model("TBabs*powerlaw")
    out["nH"].value = 0.1
    return out


@pytest.fixture(scope="module")
def sources(burst):
    """Twelve sources with their own flux, exposure, area and background, drawn with numpy."""
    rng = np.random.default_rng(11)
    plan = folding_plan(burst.rmf, burst.arf)
    shape = model()
    out = []
    for _ in range(12):
        truth = np.array([rng.uniform(0.05, 0.5), rng.uniform(1.5, 2.5), 10 ** rng.uniform(-3.0, -2.3)])
        rate = np.zeros(len(burst))
        rate[plan.bins.position - 1] = plan.fold(shape.evaluate(plan.edges, truth))
        exposure, dimmed = rng.uniform(3e3, 1e4), rng.uniform(0.6, 1.0)
        arf = ARF(burst.arf.energ_lo, burst.arf.energ_hi, dimmed * burst.arf.specresp, header=burst.arf.header)
        scale = burst.background.backscal / burst.backscal
        noise = 0.02 * np.ones(len(burst))
        background = burst.background.replace(values=rng.poisson(noise * scale).astype(float), exposure=exposure)
        counts = rng.poisson(rate * dimmed * exposure + noise).astype(float)
        out.append(burst.replace(values=counts, exposure=exposure, arf=arf, background=background, path=None))
    return out


def one_by_one(sources, statistic):
    values, sigmas, statistics = [], [], []
    for source in sources:
        fit = Fit(SpectrumSet([source]).select(*BAND), model(), statistic=statistic)
        result = fit.run()
        values.append([p.value for p in fit.table.parameters])
        sigmas.append([p.sigma for p in result.parameters])
        statistics.append(result.statistic)
    return np.array(values), np.array(sigmas), np.array(statistics)


@pytest.mark.parametrize("kind", ["wstat", "cstat", "pgstat", "chi"])
def test_equal_to_single_fits(sources, kind):
    statistic = {"wstat": "cstat"}.get(kind, kind)
    if kind == "cstat":
        sources = [s.replace(background=None) for s in sources]
    if kind == "chi":
        flags = sources[0].group(channels=40).grouping
        sources = [s.replace(grouping=flags) for s in sources]
    many = fit_many(sources, model(), statistic=statistic, energy=BAND, progress=False)
    values, sigmas, statistics = one_by_one(sources, statistic)
    assert many.names == ("TBabs.nH", "powerlaw.PhoIndex", "powerlaw.norm")
    assert not many.failed.any()
    np.testing.assert_allclose(many.statistic, statistics, rtol=1e-9)
    np.testing.assert_allclose(many.values, values, rtol=1e-6)
    np.testing.assert_allclose(many.sigma, sigmas, rtol=1e-6)


def test_systematic_errors_and_weights(sources):
    flags = sources[0].group(channels=40).grouping
    grouped = [s.replace(grouping=flags) for s in sources[:3]]
    for options in ({"systematic": 0.05}, {"weight": "gehrels"}, {"weight": "model"}):
        many = fit_many(grouped, model(), energy=BAND, **options)
        for i, source in enumerate(grouped):
            fit = Fit(SpectrumSet([source]).select(*BAND), model(), **options)
            assert many.statistic[i] == pytest.approx(fit.run().statistic, rel=1e-8)


def test_no_lower_point_exists_than_scipy_finds(sources):
    from scipy.optimize import minimize
    from scipy.special import xlogy

    many = fit_many([s.replace(background=None) for s in sources[:3]], model(), statistic="cstat", energy=BAND)
    for i, source in enumerate(sources[:3]):
        noticed = SpectrumSet([source]).select(*BAND).notice[0]
        plan = folding_plan(source.rmf, source.arf, noticed)
        counts = source.values[plan.bins.position - 1]

        def cash(point, plan=plan, counts=counts, time=source.exposure):
            mean = time * plan.fold(model().evaluate(plan.edges, np.array([point[0], point[1], np.exp(point[2])])))
            return 2 * np.sum(mean - counts + xlogy(counts, counts) - xlogy(counts, mean))

        start = [many["nH"][i] + 0.02, many["PhoIndex"][i] - 0.1, np.log(many["norm"][i]) + 0.05]
        best = minimize(cash, start, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9, "maxiter": 4000})
        assert many.statistic[i] == pytest.approx(best.fun, abs=1e-5)
        np.testing.assert_allclose(many.values[i], [best.x[0], best.x[1], np.exp(best.x[2])], rtol=3e-3)


def test_sources_of_different_shape_share_a_call(sources):
    mixed = [sources[0], sources[1].replace(background=None), sources[2].group(channels=4), sources[3]]
    many = fit_many(mixed, model(), statistic="cstat", energy=BAND)
    _, _, statistics = one_by_one(mixed, "cstat")
    np.testing.assert_allclose(many.statistic, statistics, rtol=1e-9)
    assert len(set(many.bins.tolist())) == 2


def test_executor_and_small_blocks_change_nothing(sources):
    whole = fit_many(sources, model(), statistic="cstat", energy=BAND)
    with ThreadPoolExecutor(2) as pool:
        parts = fit_many(sources, model(), statistic="cstat", energy=BAND, executor=pool, max_memory=600_000)
    np.testing.assert_allclose(parts.values, whole.values, rtol=1e-8)


def test_blocks_can_travel_to_processes(sources):
    import pickle

    from wolter.fit import many as module

    class Pickling:
        """An executor that does what a process pool does to arguments and results."""

        def submit(self, function, *args):
            value = pickle.loads(pickle.dumps(function))(*pickle.loads(pickle.dumps(args)))

            class Done:
                def result(self):
                    return pickle.loads(pickle.dumps(value))

            return Done()

    there = module.fit_many(sources[:3], model(), statistic="cstat", energy=BAND, executor=Pickling())
    here = fit_many(sources[:3], model(), statistic="cstat", energy=BAND)
    np.testing.assert_allclose(there.values, here.values, rtol=1e-12)


def test_interrupted_batches_keep_what_is_done(sources, monkeypatch):
    from wolter.fit import many as module

    class Hasty:
        """An executor whose user loses patience during the second batch."""

        def __init__(self):
            self.count = 0

        def submit(self, function, *args):
            self.count += 1
            number = self.count

            class Future:
                def result(self):
                    if number > 1:
                        raise KeyboardInterrupt
                    return function(*args)

                def cancel(self):
                    return True

            return Future()

    monkeypatch.setattr(module, "_BLOCK", 5)
    many = fit_many(sources, model(), statistic="cstat", energy=BAND, executor=Hasty())
    assert many.failed.tolist() == [False] * 5 + [True] * 7
    assert "interrupted" in many.messages[11]
    assert np.isfinite(many.values[:5]).all()


def test_values_for_each_source(sources):
    column = np.linspace(0.05, 0.3, 12)
    absorbed = model()
    absorbed["nH"].frozen = True
    many = fit_many(sources, absorbed, statistic="cstat", energy=BAND, values={"TBabs.nH": column, "PhoIndex": 1.5})
    fit = Fit(SpectrumSet([sources[7]]).select(*BAND), absorbed, statistic="cstat")
    fit.set("nH", column[7])
    fit.set("PhoIndex", 1.5)
    assert many.statistic[7] == pytest.approx(fit.run().statistic, rel=1e-9)
    assert many.names == ("powerlaw.PhoIndex", "powerlaw.norm")


def test_limits_are_reported_and_rows_restarted(sources):
    narrow = model()
    narrow["PhoIndex"].value = 1.0
    narrow["PhoIndex"].set_limits(0.5, 1.4)
    many = fit_many(sources, narrow, statistic="cstat", energy=BAND)
    at_limit = many["PhoIndex"] == 1.4
    assert at_limit.sum() >= 10
    assert all("upper limit 1.4" in many.messages[i] for i in np.flatnonzero(at_limit))
    assert (many.restarts[at_limit] > 0).all()


def test_failures_are_rows_not_exceptions(sources, burst, tmp_path):
    missing = burst.replace(rmf=None)
    short = burst.replace(arf=ARF(burst.arf.energ_lo[:50], burst.arf.energ_hi[:50], burst.arf.specresp[:50]))
    many = fit_many(
        [sources[0], missing, tmp_path / "nothing.pi", short, [], sources[1]],
        model(),
        statistic="cstat",
        energy=BAND,
    )
    assert many.failed.tolist() == [False, True, True, True, True, False]
    assert "no response" in many.messages[1]
    assert "nothing.pi" in many.messages[2]
    assert "50 energy bins" in many.messages[3]
    assert "neither a spectrum" in many.messages[4]
    assert np.isnan(many.values[1]).all()
    assert many.sources[2].endswith("nothing.pi")


def test_values_outside_limits_fail_alone(sources):
    many = fit_many(sources[:2], model(), statistic="cstat", energy=BAND, values={"nH": [0.1, -1.0]})
    assert many.failed.tolist() == [False, True]
    assert "outside its limits" in many.messages[1]


def test_mistakes_of_the_call(sources):
    with pytest.raises(ParameterError, match="2 values of parameter"):
        fit_many(sources[:1], model(), values={"nH": [0.1, 0.2]})
    with pytest.raises(ParameterError, match="PhoIndex"):
        fit_many(sources[:1], model(), values={"PhoIndx": 2.0})
    stiff = model()
    for parameter in stiff.parameters:
        parameter.frozen = True
    with pytest.raises(FitError, match="no parameter is free"):
        fit_many(sources[:1], stiff)
    tied = model()
    tied["nH"].tie = "0.1*p2"
    with pytest.raises(ParameterError, match="tied and takes no values"):
        fit_many(sources[:1], tied, values={"nH": 0.2})
    with pytest.raises(ParameterError, match="not one of the fitted"):
        fit_many(sources[:1], model(), statistic="cstat", energy=BAND)["kT"]


def test_tables(sources, tmp_path):
    many = fit_many(sources[:3], model(), statistic="cstat", energy=BAND)
    many.write(tmp_path / "out.ecsv")
    table = Table.read(tmp_path / "out.ecsv")
    np.testing.assert_array_equal(table["powerlaw.PhoIndex"], many["PhoIndex"])
    assert table["TBabs.nH"].unit.is_equivalent(u.cm**-2)
    assert table["TBabs.nH"].unit.to(u.cm**-2) == pytest.approx(1e22)
    many.write(tmp_path / "out.csv")
    plain = Table.read(tmp_path / "out.csv")
    np.testing.assert_array_equal(plain["powerlaw.norm_err"], many.error("norm"))
    with pytest.raises(OutputError):
        many.write(tmp_path / "out.csv")
    with pytest.raises(OutputError, match="cannot be written as"):
        many.write(tmp_path / "out.xls")


def test_several_spectra_of_a_source(shared):
    folder = shared("ixpe", "mrk501_01004601")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WolterWarning)
        files = [folder / f"det{d}_filt_src_{s}.pha" for d in (1, 2) for s in "IQU"]
        spectra = SpectrumSet.read(files, groups=[1, 1, 1, 2, 2, 2])
    expression = "polconst*TBabs*(constant*powerlaw)"
    band = (2 * u.keV, 8 * u.keV)
    twice = [spectra, spectra]
    many = fit_many(twice, expression, energy=band, free_by_group=("constant.factor",), values={"psi": [-50.0, -60.0]})
    fit = Fit(spectra.select(*band), expression)
    fit.free_by_group("constant.factor")
    fit.set("polconst.psi", -50)
    fit.run()
    np.testing.assert_allclose(many.statistic, fit.statistic, rtol=1e-7)
    assert "2:constant.factor" in many.names
