"""Test statistics, goodness, systematic errors, corrections and what statistics refuse."""

from __future__ import annotations

import warnings

import astropy.units as u
import numpy as np
import pytest

from golden_session import Session, put
from wolter.data import Spectrum, SpectrumSet
from wolter.errors import DataError, FitError, WolterWarning
from wolter.fit import Fit
from wolter.fit.batch import BatchLikelihood, draw_bins
from wolter.fit.goodness_of_fit import goodness
from wolter.fit.teststat import batch_test_statistic, evaluate_test
from wolter.models import Model, Settings


@pytest.fixture(autouse=True)
def _quiet(request):
    with warnings.catch_warnings():
        if "warns" not in request.keywords:
            warnings.simplefilter("ignore", WolterWarning)
        yield


@pytest.fixture(scope="module")
def few(golden):
    return Session(golden("xspec_sessions"), "a_swift_2m0259")


@pytest.fixture(scope="module")
def many(golden):
    return Session(golden("xspec_sessions"), "b_swift_grb070110")


@pytest.fixture(scope="module")
def star(shared):
    folder = shared("swift", "2m0259_00092220001")
    spectrum = Spectrum.read(
        folder / "target_sr.pha", rmf=folder / "swxpc0to12s6_20130101v014.rmf.gz", arf=folder / "target_sr.arf"
    )
    return SpectrumSet([spectrum]).select_bins(30, 800)


@pytest.fixture(scope="module")
def burst(shared):
    folder = shared("swift", "grb070110_00255445000")
    spectrum = Spectrum.read(
        folder / "interval0pcsource.pi",
        rmf=folder / "interval0pc.rmf",
        arf=folder / "interval0pc.arf",
        background=folder / "interval0pcback.pi",
    )
    return SpectrumSet([spectrum]).select(0.3 * u.keV, 10 * u.keV)


def burst_fit(many, burst, statistic="cstat", step=49):
    fit = Fit(burst, Model("TBabs*zTBabs*powerlaw", settings=Settings(abund="wilm")), statistic=statistic)
    fit.freeze("TBabs.nH", "zTBabs.Redshift")
    put(fit, many.values(step))
    return fit


# --- test statistics -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "step"), [("pchi", 35), ("ad", 36), ("cvm", 37), ("ks", 38), ("runs", 39), ("chi", 40)]
)
def test_test_statistics_without_background(few, star, name, step):
    fit = Fit(star, "powerlaw")
    put(fit, [1.0, 3e-4])
    recorded = few.step(step, f"statTest='{name}'")["fit"]["testStatistic"]
    assert evaluate_test(fit, name) == pytest.approx(recorded, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "step"), [("pchi", 51), ("ad", 52), ("cvm", 53), ("ks", 54), ("runs", 55), ("chi", 56)]
)
def test_test_statistics_with_background(many, burst, name, step):
    fit = burst_fit(many, burst)
    recorded = many.step(step, f"statTest='{name}'")["fit"]["testStatistic"]
    assert evaluate_test(fit, name) == pytest.approx(recorded, rel=1e-6)


def test_test_statistics_of_several_spectra_and_batches(many, burst):
    spectrum = burst[0]
    pair = Fit(SpectrumSet([spectrum, spectrum], notice=[burst.notice[0]] * 2), "powerlaw", statistic="cstat")
    one = Fit(burst, "powerlaw", statistic="cstat")
    for fit in (pair, one):
        put(fit, [2.0, 1e-3])
    for name, two in (("chi", lambda x: 2 * x), ("pchi", lambda x: 2 * x), ("ks", lambda x: x + np.log(2))):
        assert evaluate_test(pair, name) == pytest.approx(two(evaluate_test(one, name)), rel=1e-12)
    rng = np.random.default_rng(1)
    model = one.likelihood.model(one.table.free.start[None])[0]
    bins = draw_bins(one.dataset, model, 3, rng)
    from wolter.fit.row_likelihood import _take_bins
    from wolter.fit.statistics import BinData

    full = BinData(**{k: np.broadcast_to(v, bins.rate.shape) for k, v in vars(bins).items()})
    for name in ("chi", "pchi", "ks", "cvm", "ad", "runs"):
        batch = batch_test_statistic(name, bins, model, [slice(0, one.n_bins)])
        single = [
            batch_test_statistic(name, _take_bins(full, i), model, [slice(0, one.n_bins)])  # type: ignore[arg-type]
            for i in range(3)
        ]
        np.testing.assert_allclose(batch, single, rtol=1e-12)
    with pytest.raises(FitError, match="Did you mean 'pchi'"):
        evaluate_test(one, "pchii")


# --- goodness --------------------------------------------------------------------------------------------------------


def test_batch_of_one_data_set_is_the_fit(many, burst):
    fit = burst_fit(many, burst, step=15)
    from wolter.fit.batch import dataset_bins
    from wolter.fit.statistics import BinData

    real = dataset_bins(fit.dataset)
    bins = BinData(**{k: v[None] for k, v in vars(real).items()})
    batch = BatchLikelihood(fit, bins)
    assert batch.statistic(fit.table.free.start)[0] == pytest.approx(fit.statistic, rel=1e-12)
    result = batch.fit(fit.table.free.start)
    assert result.converged.all()
    assert result.statistic[0] == pytest.approx(fit.run().statistic, abs=1e-4)


def test_goodness_of_a_good_and_a_bad_model(star):
    fit = Fit(star, "TBabs*powerlaw", statistic="cstat")
    fit.run()
    right = goodness(fit, 300, seed=1)
    assert 0.01 < right.p_value < 0.99
    assert right.failed == 0
    assert right.percent_below == pytest.approx(100 * np.mean(right.simulated < fit.statistic))
    wrong = Fit(star, "powerlaw", statistic="cstat")
    wrong.set("powerlaw.PhoIndex", 0.0, frozen=True)
    wrong.run()
    # C of so few counts per bin hardly knows a wrong shape; distribution functions do
    assert goodness(wrong, 200, seed=1).percent_below > 85
    for test in ("ks", "ad", "cvm"):
        assert goodness(wrong, 200, seed=1, test=test).percent_below > 99
    assert "of 300 simulations" in str(right)


def test_goodness_of_simulated_data_is_uniform(star):
    """Drawn from the model: the percentage below is that of a uniform distribution, with fits and without."""
    from scipy import stats

    fit = Fit(star, "powerlaw", statistic="cstat")
    fit.run()
    reference = goodness(fit, 1000, seed=5)
    rng = np.random.default_rng(6)
    model = fit.likelihood.model(fit.table.free.start[None])[0]
    draws = BatchLikelihood(fit, draw_bins(fit.dataset, model, 300, rng)).fit(fit.table.free.start)
    share = np.searchsorted(np.sort(reference.simulated), draws.statistic) / 1000
    assert stats.kstest(share, "uniform").pvalue > 1e-3
    # without fits the statistic is larger by about one per parameter
    assert np.mean(goodness(fit, 1000, seed=5, refit=False).simulated - reference.simulated) == pytest.approx(
        2, abs=0.3
    )


def test_goodness_with_drawn_parameters_and_of_chi(many, burst):
    fit = burst_fit(many, burst, step=49)
    fit.run()
    varied = goodness(fit, 200, seed=2, vary=True, refit=False, test="pchi")
    fixed = goodness(fit, 200, seed=2, refit=False, test="pchi")
    assert np.var(varied.simulated) != np.var(fixed.simulated)
    grouped = Fit(SpectrumSet([burst[0].group(20)]).select(0.5 * u.keV, 7 * u.keV), "TBabs*powerlaw")
    grouped.run()
    result = goodness(grouped, 300, seed=3)
    # chi-squared with errors from 20 counts or more is nearly that of the textbook
    assert np.mean(result.simulated) == pytest.approx(grouped.dof, rel=0.12)
    assert goodness(grouped, 50, seed=3, test="chi").failed == 0


def test_goodness_refuses(star):
    fit = Fit(star, "powerlaw", statistic="cstat")
    with pytest.raises(FitError, match="needs a fit"):
        goodness(fit)
    fit.run()
    with pytest.raises(FitError, match="0 simulations"):
        goodness(fit, 0)
    with pytest.raises(FitError, match="unknown test statistic"):
        goodness(fit, 10, test="nosuch")
    churazov = Fit(star, "powerlaw", weight="churazov")
    churazov.run()
    with pytest.raises(FitError, match="Churazov"):
        goodness(churazov, 10)
    fuzzy = Fit(star, "powerlaw", systematic=0.1)
    fuzzy.run()
    with pytest.raises(FitError, match="systematic"):
        goodness(fuzzy, 10)


def test_draws_have_the_errors_of_the_data(shared):
    folder = shared("ixpe", "mrk501_01004601")
    spectra = SpectrumSet.read([folder / f"det1_filt_src_{s}.pha" for s in "IQU"]).select(2 * u.keV, 8 * u.keV)
    fit = Fit(spectra, "polconst*powerlaw")
    put(fit, [0.1, 30.0, 2.5, 0.04])
    model = fit.likelihood.model(fit.table.free.start[None])[0]
    bins = draw_bins(fit.dataset, model, 2000, np.random.default_rng(1))
    for e in fit.dataset.spectra:
        np.testing.assert_allclose(bins.rate[:, e.bins].std(axis=0), np.sqrt(e.binned.variance), rtol=0.08)
        mean = bins.rate[:, e.bins].mean(axis=0)
        assert (np.abs(mean - model[e.bins]) < 5 * np.sqrt(e.binned.variance / 2000)).all()
    result = BatchLikelihood(fit, bins).fit(fit.table.free.start)
    assert result.statistic.mean() == pytest.approx(fit.dof, abs=5 * np.sqrt(2 * fit.dof / 2000))


# --- weights, systematic errors, several statistics ------------------------------------------------------------------


def test_systematic_error_of_the_model(star):
    fit = Fit(star, "powerlaw", systematic=0.2)
    put(fit, [1.0, 1e-4])
    data, model = fit.dataset.spectra[0].binned, fit.folded()[0]
    variance = np.where(data.variance == 0, 1 / data.time**2, data.variance) + (0.2 * model) ** 2
    assert fit.statistic == pytest.approx(((data.rate - model) ** 2 / variance).sum(), rel=1e-12)
    assert fit.test_statistic == pytest.approx(fit.statistic)
    assert evaluate_test(fit, "chi") == pytest.approx(fit.statistic)
    before = fit.statistic
    assert fit.run().statistic < before
    assert fit.to_dict()["systematic"] == 0.2
    with pytest.raises(FitError, match="systematic"):
        Fit(star, "powerlaw", systematic=-0.1)


def test_systematic_errors_of_channels_and_groups(star):
    spectrum = star[0]
    flags = spectrum.replace(sys_err=np.linspace(0.0, 0.3, len(spectrum))).group(channels=5)
    fit = Fit(SpectrumSet([flags]).select_bins(10, 100), "powerlaw")
    put(fit, [1.5, 1e-4])
    total = spectrum.values[: 5 * (len(spectrum) // 5)].reshape(-1, 5).sum(axis=1)[9:100]
    largest = np.linspace(0.0, 0.3, len(spectrum))[4::5][9:100]
    t = spectrum.exposure
    variance = np.maximum(total, 0) / t**2 + (largest * total / t) ** 2
    variance[variance == 0] = 1 / t**2
    assert fit.statistic == pytest.approx(((total / t - fit.folded()[0]) ** 2 / variance).sum(), rel=1e-9)


def test_several_statistics_in_one_fit(many, burst):
    spectrum = burst[0]
    three = SpectrumSet([spectrum] * 3, notice=[burst.notice[0]] * 3)
    fit = Fit(three, "powerlaw", statistic=["chi", "cstat", "pgstat"])
    single = []
    for name in ("chi", "cstat", "pgstat"):
        one = Fit(burst, "powerlaw", statistic=name)
        put(one, [2.0, 1e-3])
        single.append(one.statistic)
    put(fit, [2.0, 1e-3])
    assert fit.contributions == pytest.approx(single, rel=1e-12)
    assert fit.run().statistic < sum(single)
    with pytest.raises(FitError, match="3 spectra but 2 statistics"):
        Fit(three, "powerlaw", statistic=["chi", "cstat"])


def test_area_and_background_scalings_per_channel(burst):
    spectrum = burst[0]
    n = len(spectrum)
    rng = np.random.default_rng(3)
    area, scale, b_area, b_scale = (rng.uniform(0.5, 2.0, n) for _ in range(4))
    assert spectrum.background is not None
    back = spectrum.background.replace(areascal=b_area, backscal=b_scale)
    fit = Fit(
        SpectrumSet([spectrum.replace(areascal=area, backscal=scale, background=back)], notice=burst.notice),
        "powerlaw",
        statistic="cstat",
    )
    put(fit, [2.0, 1e-3])
    chosen = burst.notice[0]
    m, s, b = fit.folded()[0], spectrum.values[chosen], back.values[chosen]
    ts = spectrum.exposure * area[chosen]
    tb = back.exposure * b_area[chosen] * b_scale[chosen] / scale[chosen]
    # the likelihood itself, maximised over the background rate by bisection of its slope
    low, high = np.full(m.shape, 1e-12), np.full(m.shape, 1e3)
    for _ in range(200):
        f = np.sqrt(low * high)
        rises = s * ts / (ts * (m + f)) + b / f > ts + tb
        low, high = np.where(rises, f, low), np.where(rises, high, f)
    f = np.where((b == 0) & (s / m < ts + tb), 0.0, f)

    def deviance(counts, mean):
        with np.errstate(divide="ignore", invalid="ignore"):
            return 2 * (mean - counts + np.where(counts > 0, counts * np.log(counts / mean), 0.0))

    expected = deviance(s, ts * (m + f)).sum() + deviance(b, tb * f).sum()
    assert fit.statistic == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("weight", ["gehrels", "churazov", "model"])
def test_weights_made_of_counts_refuse_stokes_spectra(shared, weight):
    folder = shared("ixpe", "mrk501_01004601")
    spectra = SpectrumSet.read([folder / f"det1_filt_src_{s}.pha" for s in "IQU"]).select(2 * u.keV, 8 * u.keV)
    with pytest.raises(FitError, match="Stokes Q holds differences of counts"):
        Fit(spectra, "polconst*powerlaw", weight=weight)
    fit = Fit(spectra, "polconst*powerlaw")
    with pytest.raises(FitError, match="Stokes Q"):
        fit.use_statistic("chi", weight)
    assert np.isfinite(fit.statistic)  # the fit is what it was
    with pytest.raises(FitError, match=r"negative in \d+ noticed bins"):
        Fit(spectra, "polconst*powerlaw", statistic="cstat")
    only_i = Fit(SpectrumSet([spectra[0]]).select(2 * u.keV, 8 * u.keV), "powerlaw", weight=weight)
    assert np.isfinite(only_i.statistic)


def test_negative_counts(star):
    values = star[0].values.copy()
    values[100] = -3
    bad = SpectrumSet([star[0].replace(values=values)], notice=star.notice)
    with pytest.raises(FitError, match="1 of its bins are negative"):
        Fit(bad, "powerlaw", weight="gehrels")
    with pytest.raises(FitError, match="the spectrum is negative in 1 noticed bins"):
        Fit(bad, "powerlaw", statistic="pstat")


# --- what is said about doubtful data --------------------------------------------------------------------------------


def said(action) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        action()
    return [str(w.message) for w in caught if issubclass(w.category, WolterWarning)]


def test_few_counts_with_chi_are_told_once(star, burst):
    fit = Fit(star, "powerlaw")
    messages = [m for m in said(fit.run) if "biased" in m]
    assert len(messages) == 1
    assert "less than 10 counts (spectrum 1)" in messages[0]
    assert "cstat" in messages[0]
    for other in (
        Fit(star, "powerlaw", statistic="cstat"),
        Fit(star, "powerlaw", weight="gehrels"),
        Fit(SpectrumSet([burst[0].group(20)]).select(0.5 * u.keV, 7 * u.keV), "powerlaw"),
    ):
        assert not [m for m in said(other.run) if "biased" in m]


def test_empty_background_bins_are_told(burst):
    fit = Fit(burst, "TBabs*powerlaw", statistic="cstat")
    (message,) = [m for m in said(fit.run) if "W statistic is biased" in m]
    empty = int((burst.binned(0).background_counts == 0).sum())
    assert message.startswith(f"the W statistic is biased: {empty} of {fit.n_bins}")
    wide = Fit(
        SpectrumSet([burst[0].group(channels=100)]).select(0.3 * u.keV, 10 * u.keV), "powerlaw", statistic="cstat"
    )
    assert not [m for m in said(wide.run) if "biased" in m]


def test_poisson_statistics_of_other_data(star, burst):
    spectrum = star[0]
    error = np.sqrt(spectrum.values + 1)
    not_poisson = SpectrumSet([spectrum.replace(poisson=False, stat_err=error)], notice=star.notice)
    assert any(
        "only valid for Poisson data" in m for m in said(lambda: Fit(not_poisson, "powerlaw", statistic="cstat"))
    )
    broken = SpectrumSet([spectrum.replace(values=spectrum.values * 0.7)], notice=star.notice)
    assert any("not whole numbers" in m for m in said(lambda: Fit(broken, "powerlaw", statistic="cstat")))
    back = burst[0].background.replace(poisson=False, stat_err=np.ones(len(burst[0])))
    modelled = SpectrumSet([burst[0].replace(background=back)], notice=burst.notice)
    assert any("use pgstat" in m for m in said(lambda: Fit(modelled, "powerlaw", statistic="cstat")))
    assert not said(lambda: Fit(modelled, "powerlaw", statistic="pgstat"))


# --- correction files ------------------------------------------------------------------------------------------------


def test_correction_file(burst, tmp_path):
    spectrum = burst[0]
    back = spectrum.background
    assert back is not None
    # the background file as correction, scaled by CORRSCAL: with 1 it subtracts the background without its error
    folder = tmp_path
    for name, item in (("src.pha", spectrum), ("bkg.pha", back)):
        item.replace(background=None, backfile="none", respfile="none", ancrfile="none").write(folder / name)
    from astropy.io import fits as astropy_fits

    with astropy_fits.open(folder / "src.pha", mode="update") as f:
        f["SPECTRUM"].header["CORRFILE"] = "bkg.pha"
        f["SPECTRUM"].header["CORRSCAL"] = 0.5
    read = Spectrum.read(folder / "src.pha", rmf=spectrum.rmf, arf=spectrum.arf)
    assert read.correction is not None
    fit = Fit(SpectrumSet([read], notice=burst.notice), "powerlaw")
    put(fit, [2.0, 1e-3])
    data, m = burst.binned(0), fit.folded()[0]
    variance = np.where(data.variance == 0, 1 / data.time**2, data.variance)
    expected = (data.rate - 0.5 * data.background_rate - m) ** 2 / variance
    assert fit.statistic == pytest.approx(expected.sum(), rel=1e-6)
    assert read.net_rate()[0] == pytest.approx(
        spectrum.rate.sum() - 0.5 * spectrum.scaled_background()[0].sum(), rel=1e-6
    )
    # a correction has no error: to Poisson statistics it is a background known exactly
    fit.use_statistic("cstat")
    mean = (m + 0.5 * data.background_rate) * data.time
    s = data.counts
    with np.errstate(divide="ignore", invalid="ignore"):
        cash = 2 * (mean - s + np.where(s > 0, s * np.log(s / mean), 0.0))
    assert fit.statistic == pytest.approx(cash.sum(), rel=1e-6)
    nothing = Fit(SpectrumSet([read.replace(corrscal=0.0)], notice=burst.notice), "powerlaw", statistic="cstat")
    plain = Fit(SpectrumSet([spectrum.replace(background=None)], notice=burst.notice), "powerlaw", statistic="cstat")
    for other in (nothing, plain):
        put(other, [2.0, 1e-3])
    assert nothing.statistic == pytest.approx(plain.statistic, rel=1e-9)
    # with a background file, too
    both = Fit(SpectrumSet([read.replace(background=back)], notice=burst.notice), "powerlaw")
    put(both, [2.0, 1e-3])
    variance = data.variance + data.background_variance
    variance = np.where(variance == 0, np.minimum(1 / data.time**2, 1 / data.background_time**2), variance)
    expected = (data.rate - 1.5 * data.background_rate - m) ** 2 / variance
    assert both.statistic == pytest.approx(expected.sum(), rel=1e-6)
    short = folder / "short.pha"
    back.replace(
        channel=np.arange(10),
        values=back.values[:10],
        quality=np.zeros(10),
        grouping=None,
        backscal=1.0,
        areascal=1.0,
        respfile="none",
        ancrfile="none",
        backfile="none",
    ).write(short)
    with astropy_fits.open(folder / "src.pha", mode="update") as f:
        f["SPECTRUM"].header["CORRFILE"] = "short.pha"
    with pytest.raises(DataError, match=r"short\.pha has 10 channels"):
        Spectrum.read(folder / "src.pha", rmf=spectrum.rmf, arf=spectrum.arf)
    (draws,) = (draw_bins(fit.dataset, m, 4, np.random.default_rng(1)),)
    np.testing.assert_allclose(draws.bkg_rate[0], 0.5 * data.background_rate, rtol=1e-6)
