"""Samplers against posteriors and evidences known in closed form, priors against XSPEC's, and every mistake."""

from __future__ import annotations

import builtins
import math
import warnings

import numpy as np
import pytest
import scipy.special
import scipy.stats

from golden_session import Session
from wolter.data import ARF, RMF, Spectrum, SpectrumSet
from wolter.errors import FitError, OutputError, ParameterError, WolterWarning
from wolter.fit import Chain, Fit, Gaussian, LogUniform, Uniform, posterior_predictive
from wolter.fit.chain import autocorrelation_time
from wolter.fit.priors import Exponential, Flat, Jeffreys, make_prior
from wolter.models import Model, Settings

EXPOSURE = 1000.0
AREA = 50.0


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WolterWarning)
        yield


def spectrum(values, errors=None) -> Spectrum:
    """Counts in bins of 1 keV from 1 keV on, seen through a perfect detector of 50 cm2."""
    n = len(values)
    lo = 1.0 + np.arange(n)
    rmf = RMF.from_dense(np.eye(n), energ_lo=lo, energ_hi=lo + 1, e_min=lo, e_max=lo + 1)
    return Spectrum(
        channel=np.arange(1, n + 1),
        values=np.asarray(values, dtype=float),
        stat_err=None if errors is None else np.asarray(errors, dtype=float),
        poisson=errors is None,
        exposure=EXPOSURE,
        rmf=rmf,
        arf=ARF(lo, lo + 1, np.full(n, AREA)),
    )


def flat_model() -> Model:
    """A power law of index zero: norm photons/cm2/s/keV at every energy."""
    model = Model("powerlaw")
    model["PhoIndex"].value = 0.0
    model["PhoIndex"].frozen = True
    model["norm"].value = 2e-4
    return model


SCALE = EXPOSURE * AREA  # counts per unit of norm in a bin


def one_bin(counts=12, **priors) -> Fit:
    fit = Fit([spectrum([counts])], flat_model(), statistic="cstat")
    for name, prior in priors.items():
        fit.prior(name, prior)
    fit.run()
    return fit


def close_to(chain, name, distribution, tolerance=0.03):
    """Mean, width and quantiles of a chain within a share of the distribution's own width."""
    width = distribution.std()
    assert (
        chain[name].mean() == pytest.approx(distribution.mean(), abs=3 * tolerance * width) or chain.weights is not None
    )
    for q in (0.05, 0.16, 0.5, 0.84, 0.95):
        assert chain.quantile(name, q) == pytest.approx(distribution.ppf(q), abs=4 * tolerance * width)


@pytest.mark.parametrize(
    ("prior", "distribution"),
    [
        (None, scipy.stats.gamma(13, scale=1 / SCALE)),
        ("jeffreys", scipy.stats.gamma(12, scale=1 / SCALE)),
        (Exponential(1e-4), scipy.stats.gamma(13, scale=1 / (SCALE + 1e4))),
    ],
)
def test_gamma_posterior_of_counts(prior, distribution):
    fit = one_bin() if prior is None else one_bin(norm=prior)
    chain = fit.sample("emcee", steps=900, walkers=40, seed=3)
    assert chain.samples.shape == (40, 675, 1)
    close_to(chain, "norm", distribution)
    assert 0.4 < chain.acceptance.mean() < 0.9


def test_no_counts_at_all():
    """The posterior of zero counts is an exponential against the limit zero."""
    fit = one_bin(0)
    chain = fit.sample("emcee", steps=2500, walkers=40, seed=8)
    close_to(chain, "norm", scipy.stats.expon(scale=1 / SCALE))
    assert chain["norm"].min() >= 0


def linear_fit() -> tuple[Fit, np.ndarray, np.ndarray]:
    """Chi-squared of a model that is linear in two norms: the posterior is normal."""
    rng = np.random.default_rng(5)
    n = 12
    lo = 1.0 + np.arange(n)
    design = SCALE / EXPOSURE * np.stack([np.ones(n), np.log((lo + 1) / lo)], axis=1)
    sigma = 0.002 * (1 + 0.1 * lo)
    truth = np.array([5e-4, 2e-3])
    rates = design @ truth + sigma * rng.standard_normal(n)
    model = Model("powerlaw+powerlaw")
    for name, value in (("p1", 0.0), ("p3", 1.0)):
        model[name].value = value
        model[name].frozen = True
    for name, value in (("p2", 4e-4), ("p4", 3e-3)):
        model[name].set_limits(-1.0, 1.0, soft_min=-1, soft_max=1)
        model[name].value = value
    fit = Fit([spectrum(rates * EXPOSURE, sigma * EXPOSURE)], model)
    fit.run()
    weight = 1 / sigma**2
    covariance = np.linalg.inv((design * weight[:, None]).T @ design)
    best = covariance @ (design.T @ (weight * rates))
    return fit, best, covariance


@pytest.mark.parametrize("method", ["emcee", "covariance"])
def test_normal_posterior(method):
    fit, best, covariance = linear_fit()
    options = {"steps": 1200, "walkers": 40} if method == "emcee" else {"draws": 40_000}
    chain = fit.sample(method, seed=4, **options)
    sigma = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(chain.mean, best, atol=0.08 * sigma.min())
    np.testing.assert_allclose(
        chain.covariance / np.outer(sigma, sigma), covariance / np.outer(sigma, sigma), atol=0.08
    )
    low, high = chain.interval("powerlaw.norm", 0.9)
    assert low == pytest.approx(best[0] - 1.645 * sigma[0], abs=0.12 * sigma[0])
    assert high == pytest.approx(best[0] + 1.645 * sigma[0], abs=0.12 * sigma[0])


def test_gaussian_prior_times_gaussian_likelihood():
    fit, best, covariance = linear_fit()
    prior = Gaussian(best[1] + 2e-4, 3e-4)
    fit.prior("powerlaw_2.norm", prior)
    chain = fit.sample("emcee", steps=1200, walkers=40, seed=4)
    added = np.linalg.inv(np.linalg.inv(covariance) + np.diag([0, 1 / prior.sigma**2]))
    mean = best + added[:, 1] * (prior.mean - best[1]) / prior.sigma**2
    sigma = np.sqrt(np.diag(added))
    np.testing.assert_allclose(chain.mean, mean, atol=0.08 * sigma.min())
    np.testing.assert_allclose(np.sqrt(np.diag(chain.covariance)), sigma, rtol=0.08)
    # the same by minimising the statistic with the prior in it
    fit.bayes = True
    result = fit.run()
    np.testing.assert_allclose([p.value for p in result.parameters if p.sigma], mean, rtol=1e-4)
    np.testing.assert_allclose([p.sigma for p in result.parameters if p.sigma], sigma, rtol=1e-4)


def test_nested_sampling_gives_posterior_and_evidence():
    counts, top = 12, 1e-3
    fit = one_bin(counts, norm=Uniform(0, top))
    chain = fit.sample("nautilus", live=150, effective=2500, seed=2)
    close_to(chain, "norm", scipy.stats.gamma(counts + 1, scale=1 / SCALE), tolerance=0.04)
    # exp(-C/2) integrated over the prior in closed form
    log_z = counts - counts * math.log(counts) + math.lgamma(counts + 1) - math.log(SCALE * top)
    log_z += math.log(scipy.special.gammainc(counts + 1, SCALE * top))
    assert chain.evidence == pytest.approx(log_z, abs=0.06)
    assert chain.evidence_error < 0.05
    assert chain.effective_size[0] > 2000


def test_log_uniform_prior_of_a_nested_sampler():
    fit = one_bin(12, norm=LogUniform(1e-5, 1e-2))
    chain = fit.sample("nautilus", live=150, effective=2500, seed=2)
    close_to(chain, "norm", scipy.stats.gamma(12, scale=1 / SCALE), tolerance=0.04)


def test_the_same_seed_gives_the_same_chain():
    fit = one_bin()
    one = fit.sample("emcee", steps=50, seed=1)
    np.testing.assert_array_equal(one.samples, fit.sample("emcee", steps=50, seed=1).samples)
    assert not np.array_equal(one.samples, fit.sample("emcee", steps=50, seed=2).samples)
    draws = fit.sample("covariance", draws=20, seed=1)
    np.testing.assert_array_equal(draws.samples, fit.sample("covariance", draws=20, seed=1).samples)


@pytest.fixture(scope="module")
def polarised(shared):
    folder = shared("ixpe", "mrk501_01004601")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WolterWarning)
        spectra = SpectrumSet.read([folder / f"det1_filt_src_{s}.pha" for s in "IQU"])
        fit = Fit(spectra.select_bins(51, 199), "polconst*TBabs*powerlaw", settings=Settings(abund="wilm"))
    fit.freeze("TBabs.nH")
    fit.set("TBabs.nH", 0.0169)
    fit.run()
    return fit


def test_cyclic_angle_at_its_limit(polarised):
    """The angle, given an arbitrary turn so that it sits at its limit, has the same posterior as in the middle."""
    middle = polarised.sample("emcee", steps=400, walkers=32, seed=6)
    sigma = polarised.covariance[1, 1] ** 0.5
    assert np.sqrt(middle.covariance[1, 1]) == pytest.approx(sigma, rel=0.3)
    assert middle["psi"].max() - middle["psi"].min() <= 180.0
    wrapped = 0.5 * np.angle(np.mean(np.exp(2j * np.deg2rad(middle["psi"]))), deg=True)
    assert abs(wrapped - polarised["psi"].value) < sigma


def test_errors_of_xspec_and_of_a_chain(golden, shared):
    """XSPEC's 1-sigma interval of the photon index in session e, and that of the posterior with flat priors."""
    session = Session(golden("xspec_sessions"), "e_two_groups_links")
    folder = shared("ixpe", "mrk501_01004601")
    spectra = SpectrumSet.read([folder / f"det{d}_filt_src_I.pha" for d in (1, 2)], groups=[1, 2]).select_bins(51, 199)
    fit = Fit(spectra, "constant*TBabs*logpar", settings=Settings(abund="wilm"))
    fit.free_by_group("constant.factor")
    fit.freeze("TBabs.nH")
    fit.set("TBabs.nH", 0.0169)
    fit.set("logpar.pivotE", 5.0)
    fit.run("leven")
    chain = fit.sample("emcee", steps=700, walkers=40, seed=12)
    # step 154: error 1.0 on parameters 3 and 4
    recorded = session.step(154, "error")["model"][0]["parameters"]
    for name, index in (("alpha", 2), ("beta", 3)):
        low, high = recorded[index]["error"][:2]
        ours = chain.interval(name)
        width = high - low
        assert ours[0] == pytest.approx(low, abs=0.08 * width)
        assert ours[1] == pytest.approx(high, abs=0.08 * width)


def test_priors_in_the_statistic_as_xspec_adds_them(golden, shared):
    session = Session(golden("xspec_sessions"), "e_two_groups_links")
    folder = shared("ixpe", "mrk501_01004601")
    spectra = SpectrumSet.read([folder / f"det{d}_filt_src_I.pha" for d in (1, 2)], groups=[1, 2]).select_bins(51, 199)
    fit = Fit(spectra, "constant*TBabs*logpar", settings=Settings(abund="wilm"))
    fit.free_by_group("constant.factor")
    fit.bayes = True
    for before, step in ((156, 158), (161, 162), (161, 163), (161, 164)):
        for position, value in enumerate(session.values(before)):
            parameter = fit.table.parameters[position]
            if parameter.tie is None:
                parameter.value = value
        text = session.steps[step]["code"].split("'")[1]
        fit.prior(3, text)
        assert fit.statistic == pytest.approx(session.statistic(step), rel=2e-6), text
    fit.bayes = False
    assert fit.statistic == pytest.approx(session.statistic(165), rel=2e-6)


@pytest.mark.parametrize(
    ("prior", "reference"),
    [
        (Uniform(1, 3), scipy.stats.uniform(1, 2)),
        (LogUniform(0.1, 10), scipy.stats.loguniform(0.1, 10)),
        (Gaussian(2, 0.5), scipy.stats.norm(2, 0.5)),
        (Exponential(2.5), scipy.stats.expon(scale=2.5)),
    ],
)
def test_densities_and_quantiles(prior, reference):
    x = np.linspace(-0.5, 4, 91) + 1e-3
    with np.errstate(divide="ignore"):
        expected = np.log(reference.pdf(x))
    np.testing.assert_allclose(prior.log_density(x), expected, rtol=1e-12)
    u = np.linspace(0.001, 0.999, 57)
    np.testing.assert_allclose(
        prior.quantile(u, -1e5 if prior.kind == "gaussian" else 0.0, 1e5), reference.ppf(u), rtol=1e-9
    )
    # cut to a range
    low, high = reference.cdf([1.2, 2.6])
    np.testing.assert_allclose(prior.quantile(u, 1.2, 2.6), reference.ppf(low + u * (high - low)), rtol=1e-9)
    inside = np.array([1.3, 1.9, 2.4])
    slope, curvature = prior.slope(inside)
    h = 1e-5
    numeric = (prior.log_density(inside + h) - prior.log_density(inside - h)) / (2 * h)
    np.testing.assert_allclose(slope, numeric, atol=1e-6)
    assert (curvature >= 0).all()
    assert make_prior(prior.to_dict()) == prior


def test_words_of_xspec():
    assert make_prior("cons") == Flat()
    assert make_prior("gauss 1.9, 0.02") == Gaussian(1.9, 0.02)
    assert make_prior("exp 2") == Exponential(2.0)
    assert make_prior("jeff") == Jeffreys()
    for text, message in (("gamma 1", "not understood"), ("gauss 1", "needs 2 numbers"), ("exp x", "no number")):
        with pytest.raises(ParameterError, match=message):
            make_prior(text)
    with pytest.raises(ParameterError, match="unknown kind"):
        make_prior({"kind": "cauchy"})


@pytest.mark.parametrize(
    ("name", "prior", "message"),
    [
        ("norm", Uniform(-1, 1), "reaches beyond its limits"),
        ("norm", Gaussian(-1, 1), "outside its limits"),
        ("PhoIndex", LogUniform(1, 20), "reaches beyond its limits"),
        ("nrm", Flat(), "Did you mean"),
    ],
)
def test_priors_outside_limits(name, prior, message):
    fit = Fit([spectrum([5])], flat_model(), statistic="cstat")
    with pytest.raises(ParameterError, match=message):
        fit.prior(name, prior)


def test_positive_priors_of_negative_parameters():
    model = Model("powerlaw")
    model["PhoIndex"].value = -1.0
    model["PhoIndex"].set_limits(-3.0, -0.5)
    fit = Fit([spectrum([5, 4])], model, statistic="cstat")
    for prior in (Exponential(1), Jeffreys()):
        with pytest.raises(ParameterError, match="never positive"):
            fit.prior("PhoIndex", prior)


@pytest.mark.parametrize(
    ("make", "values"),
    [(Uniform, (2, 1)), (LogUniform, (0, 1)), (Gaussian, (0, 0)), (Gaussian, (math.nan, 1)), (Exponential, (-1,))],
)
def test_impossible_priors(make, values):
    with pytest.raises(ParameterError, match="not possible"):
        make(*values)


def test_priors_that_cannot_be_normalised():
    fit = one_bin()
    with pytest.raises(FitError, match=r"powerlaw.norm: limits 0 to 1e\+24 are too wide.*LogUniform"):
        fit.sample("nautilus", live=50)
    fit.prior("norm", "jeffreys")
    with pytest.raises(FitError, match="cannot be normalised"):
        fit.sample("nautilus", live=50)


def test_mistakes(monkeypatch):
    fit = one_bin()
    with pytest.raises(FitError, match="unknown sampler"):
        fit.sample("gibbs")
    with pytest.raises(FitError, match="3 walkers"):
        fit.sample("emcee", walkers=3)
    with pytest.raises(FitError, match="leave nothing"):
        fit.sample("emcee", steps=10, burn=10)
    fresh = Fit([spectrum([5])], flat_model(), statistic="cstat")
    with pytest.raises(FitError, match="no covariance"):
        fresh.sample("covariance")
    fresh.freeze("norm")
    with pytest.raises(FitError, match="no parameter is free"):
        fresh.sample("emcee")

    real = builtins.__import__
    import importlib

    def absent(name, *args, **kwargs):
        if name in ("emcee", "nautilus"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(importlib, "import_module", absent)
    for method in ("emcee", "nautilus"):
        with pytest.raises(FitError, match=rf"{method} is not installed. Install it with.*wolter\[bayes\]"):
            fit.sample(method)


def test_short_chains_say_so():
    chain = one_bin().sample("emcee", steps=40, seed=1)
    assert any("autocorrelation times" in m for m in chain.messages)


def test_autocorrelation_of_an_autoregressive_series():
    """An AR(1) series of coefficient a has the time (1 + a) / (1 - a)."""
    rng = np.random.default_rng(9)
    noise = rng.standard_normal((16, 8000, 2))
    series = np.zeros_like(noise)
    coefficients = np.array([0.9, 0.5])
    for t in range(1, 8000):
        series[:, t] = coefficients * series[:, t - 1] + noise[:, t]
    np.testing.assert_allclose(autocorrelation_time(series[:, 500:]), [19.0, 3.0], rtol=0.15)
    assert np.isinf(autocorrelation_time(np.ones((2, 100, 1)))).all()


def test_chain_files_and_access(tmp_path):
    fit = one_bin()
    chain = fit.sample("emcee", steps=60, seed=1)
    again = Chain.load(chain.save(tmp_path / "chain.npz"))
    np.testing.assert_array_equal(again.samples, chain.samples)
    assert (again.names, again.seed, again.messages) == (chain.names, chain.seed, chain.messages)
    with pytest.raises(OutputError):
        chain.save(tmp_path / "chain.npz")
    with pytest.raises(OutputError, match=r"\.npz"):
        chain.save(tmp_path / "chain.txt")
    (tmp_path / "bad.npz").write_bytes(b"no")
    with pytest.raises(FitError, match="not a chain"):
        Chain.load(tmp_path / "bad.npz")
    with pytest.raises(ParameterError, match="no parameter 'kT'"):
        chain["kT"]
    with pytest.raises(ParameterError, match="not between"):
        chain.interval("norm", 1.5)
    assert "powerlaw.norm" in str(chain)
    assert chain.best["powerlaw.norm"] == pytest.approx(12 / SCALE, rel=0.02)


def test_posterior_predictive_of_counts():
    """Counts predicted after N counts, flat prior: negative binomial with N + 1 successes and probability 1/2."""
    fit = one_bin(12)
    chain = fit.sample("emcee", steps=900, walkers=40, seed=3)
    (prediction,) = posterior_predictive(fit, chain, draws=20_000, seed=1)
    counts = np.rint(prediction.replicated[:, 0] * EXPOSURE)
    reference = scipy.stats.nbinom(13, 0.5)
    assert counts.mean() == pytest.approx(reference.mean(), rel=0.02)
    assert counts.std() == pytest.approx(reference.std(), rel=0.03)
    low, high = prediction.band(0.9)
    assert low[0] * EXPOSURE == pytest.approx(reference.ppf(0.05), abs=1)
    assert high[0] * EXPOSURE == pytest.approx(reference.ppf(0.95), abs=1)
    assert prediction.coverage() == 1.0
    other, _, _ = linear_fit()
    with pytest.raises(FitError, match="the chain has samples of"):
        posterior_predictive(other, chain)
