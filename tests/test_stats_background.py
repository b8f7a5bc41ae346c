"""Background modelled jointly: predictions against folding by hand, fits against known truth."""

from __future__ import annotations

import warnings

import astropy.units as u
import numpy as np
import pytest

from wolter.data import Spectrum
from wolter.errors import DataError, FitError, ParameterError, WolterWarning
from wolter.fit import Fit
from wolter.fit.background import BackgroundFit
from wolter.fit.eqwidth import equivalent_width
from wolter.fit.goodness_of_fit import goodness
from wolter.fit.luminosities import luminosity
from wolter.models import Model, Settings

RANGE = (0.5 * u.keV, 8 * u.keV)
TRUTH = {"TBabs.nH": 0.1, "powerlaw.PhoIndex": 1.8, "powerlaw.norm": 3e-5}
BACK = {"powerlaw.PhoIndex": 0.8, "powerlaw.norm": 4e-5, "gaussian.LineE": 1.5, "gaussian.norm": 1e-5}


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WolterWarning)
        yield


@pytest.fixture(scope="module")
def pn(shared):
    folder = shared("xmm", "ngc7793_ulx4_0693760101")
    return Spectrum.read(
        folder / "PN_spectrum_grp20.fits",
        rmf=folder / "PN.rmf",
        arf=folder / "PN.arf",
        background=folder / "PNbackground_spectrum.fits",
    ).ungroup()


def model_of(expression, values):
    return Model(expression, **values)


def folded(spectrum, model):
    """Rates of all channels by the matrix of the RMF itself."""
    edges = spectrum.rmf.edges
    return (model.evaluate(edges) * spectrum.arf.specresp) @ spectrum.rmf.dense()


def simulated(pn, rng, m, b, exposure=30e3, back_exposure=60e3, ratio=0.25):
    """Source and background spectrum with counts drawn here, not by the code under test."""
    background = pn.background.replace(
        values=rng.poisson(b * back_exposure).astype(float),
        exposure=back_exposure,
        backscal=4.0,
        grouping=None,
        quality=np.zeros(len(pn)),
        areascal=1.0,
    )
    return pn.replace(
        values=rng.poisson((m + ratio * b) * exposure).astype(float),
        exposure=exposure,
        backscal=4.0 * ratio,
        background=background,
        quality=np.zeros(len(pn)),
        areascal=1.0,
    )


@pytest.fixture(scope="module")
def data(pn):
    return simulated(
        pn,
        np.random.default_rng(1),
        folded(pn, model_of("TBabs*powerlaw", TRUTH)),
        folded(pn, model_of("powerlaw+gaussian", BACK)),
    )


def test_predictions(pn, data):
    fit = BackgroundFit([data], "TBabs*powerlaw", model_of("powerlaw+gaussian", BACK), energy=RANGE)
    assert fit.source_components == ("TBabs", "powerlaw")
    assert fit.background_components == ("powerlaw_3", "gaussian")
    for name, value in TRUTH.items():
        fit.set(name, value)
    m, b = folded(pn, model_of("TBabs*powerlaw", TRUTH)), folded(pn, model_of("powerlaw+gaussian", BACK))
    chosen = fit.spectra.notice[0]
    predicted = fit.folded()
    np.testing.assert_allclose(predicted[0], (m + 0.25 * b)[chosen], rtol=1e-9)
    np.testing.assert_allclose(predicted[1], b[chosen], rtol=1e-9)
    counts = [data.values[chosen], data.background.values[chosen]]
    mean = [predicted[0] * 30e3, predicted[1] * 60e3]
    with np.errstate(divide="ignore", invalid="ignore"):
        cash = [2 * (y - n + np.where(n > 0, n * np.log(n / y), 0.0)).sum() for n, y in zip(counts, mean, strict=True)]
    assert fit.contributions == pytest.approx(cash, rel=1e-9)
    assert fit.statistic == pytest.approx(sum(cash), rel=1e-9)


def test_grouped_spectra_and_scalings_per_channel(pn, data):
    grouped = data.group(channels=10)
    ratio = np.full(len(pn), 0.25)
    back = data.background.replace(backscal=1.0)
    fit = BackgroundFit([grouped.replace(backscal=1.0 * ratio + 0.0, background=back)], "powerlaw", "powerlaw")
    for name, value in {"powerlaw.norm": 1e-4, "powerlaw_2.norm": 2e-4}.items():
        fit.set(name, value)
    m = folded(pn, model_of("powerlaw", {"powerlaw.norm": 1e-4 + 0.25 * 2e-4}))
    last = 10 * (len(pn) // 10)
    np.testing.assert_allclose(fit.folded()[0][: last // 10], m[:last].reshape(-1, 10).sum(axis=1), rtol=1e-9)
    uneven = data.replace(backscal=np.linspace(0.5, 1.5, len(pn)), background=data.background.replace(backscal=2.0))
    other = BackgroundFit([uneven], "powerlaw", "powerlaw")
    other.set("powerlaw.norm", 0.0)
    b = folded(pn, Model("powerlaw"))
    np.testing.assert_allclose(other.folded()[0], b * np.linspace(0.25, 0.75, len(pn)), rtol=1e-9)


def test_truth_is_found(pn):
    """Thirty simulations: pulls of all parameters of both models."""
    rng = np.random.default_rng(2)
    source, back = model_of("TBabs*powerlaw", TRUTH), model_of("powerlaw+gaussian", BACK)
    means = folded(pn, source), folded(pn, back)
    pulls = []
    for _ in range(30):
        fit = BackgroundFit([simulated(pn, rng, *means).group(channels=8)], source, back, energy=RANGE)
        fit.freeze("gaussian.Sigma", "gaussian.LineE")
        truth = np.array([fit.table.parameters[p].value for p in fit.table.free.positions])
        result = fit.run()
        assert result.converged
        sigma = np.sqrt(np.diag(result.covariance))
        pulls.append((fit.table.free.start - truth) / sigma)
    pulls = np.array(pulls)
    assert pulls.shape == (30, 6)
    assert np.abs(pulls.mean(axis=0)).max() < 4 / np.sqrt(30)
    assert 0.7 < pulls.std() < 1.3


def test_fit_is_better_than_w_and_goodness(data):
    joint = BackgroundFit([data], "TBabs*powerlaw", model_of("powerlaw+gaussian", BACK), energy=RANGE)
    joint.freeze("gaussian.LineE", "gaussian.Sigma")
    joint.run()
    w = Fit([data], "TBabs*powerlaw", statistic="cstat", energy=RANGE)
    w.run()
    # what is known of the background makes errors no larger
    assert joint.parameters[1].sigma < w.parameters[1].sigma
    assert joint["powerlaw.PhoIndex"].value == pytest.approx(1.8, abs=4 * joint.parameters[1].sigma)
    assert 0.005 < goodness(joint, 200, seed=1).p_value < 0.995


def test_quantities_are_those_of_the_source(data):
    fit = BackgroundFit([data], "powerlaw+gaussian", "powerlaw", energy=RANGE)
    fit.set("powerlaw.norm", 1e-4)
    fit.set("powerlaw_3.norm", 5e-3)
    fit.set("gaussian.norm", 1e-5)
    alone = Fit([data], "powerlaw+gaussian", energy=RANGE)
    alone.set("powerlaw.norm", 1e-4)
    alone.set("gaussian.norm", 1e-5)
    lo, hi = 2 * u.keV, 10 * u.keV
    assert fit.flux(lo, hi)[0].energy == pytest.approx(alone.flux(lo, hi)[0].energy)
    assert luminosity(fit, lo, hi, 0.1)[0].value == pytest.approx(luminosity(alone, lo, hi, 0.1)[0].value)
    assert equivalent_width(fit, "gaussian")[0].value == pytest.approx(equivalent_width(alone, "gaussian")[0].value)
    other = fit.flux(lo, hi, only="powerlaw_3")[0]
    assert other.photons == pytest.approx(50 * alone.flux(lo, hi, only="powerlaw")[0].photons)


def test_groups_and_background_without_area(data):
    from wolter.data import SpectrumSet

    pair = SpectrumSet([data, data.replace(background=None)], groups=[1, 2])
    fit = BackgroundFit(pair, "powerlaw", "powerlaw", background_arf=None, energy=RANGE)
    assert [e.group for e in fit.dataset.spectra] == [1, 2, 1]
    assert fit.spectra[2].arf is None
    fit.set("powerlaw_2.norm", 1.0)
    fit.set("powerlaw.norm", 0.0)
    edges = data.rmf.edges
    rates = Model("powerlaw").evaluate(edges) @ data.rmf.dense()
    np.testing.assert_allclose(fit.folded()[2], rates[fit.spectra.notice[2]], rtol=1e-9)
    assert fit.folded()[1].max() == 0  # no background, no background model
    np.testing.assert_allclose(fit.folded()[0], 0.25 * rates[fit.spectra.notice[0]], rtol=1e-9)


def test_it_is_not_saved_as_something_else(data, tmp_path):
    """Read again it would be a fit of the sum of both models to either spectrum."""
    joint = BackgroundFit([data], "powerlaw", "powerlaw")
    with pytest.raises(FitError, match="a BackgroundFit cannot be saved: its spectra see different models"):
        joint.save(tmp_path / "fit.json")
    with pytest.raises(FitError, match="cannot be written as a command file"):
        joint.write_xcm(tmp_path / "fit.xcm")
    assert list(tmp_path.iterdir()) == []


def test_what_goes_wrong(data):
    with pytest.raises(FitError, match="none of the spectra has a background"):
        BackgroundFit([data.replace(background=None)], "powerlaw", "powerlaw")
    with pytest.raises(ParameterError, match="different settings"):
        BackgroundFit([data], "powerlaw", Model("powerlaw", settings=Settings(abund="wilm")))
    with pytest.raises(FitError, match="settings are given twice"):
        BackgroundFit([data], Model("powerlaw"), "powerlaw", settings=Settings(abund="wilm"))
    tied = Model("powerlaw+bbody")
    tied.tie("bbody.norm", "p2")
    with pytest.raises(ParameterError, match="are tied"):
        BackgroundFit([data], "powerlaw", tied)
    joint = BackgroundFit([data], tied, "powerlaw")
    assert joint["bbody.norm"].tie is not None
    short = data.background.replace(
        channel=np.arange(9), values=np.ones(9), quality=np.zeros(9), areascal=1.0, backscal=1.0
    )
    with pytest.raises(DataError, match="9 channels"):
        BackgroundFit([data.replace(background=short)], "powerlaw", "powerlaw")
