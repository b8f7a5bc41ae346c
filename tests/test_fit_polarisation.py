"""Polarisation spectra and minimum detectable polarisation."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest

from fit_support import expected_rate, response, spectrum, stokes_spectra
from wolter.data import SpectrumSet
from wolter.data.grouping import notice_range
from wolter.errors import FitError, ResponseError, UnitError
from wolter.fit import Fit, mdp99, measured_mdp, predict_mdp
from wolter.models import Context, Model, Settings

NAMES = [f"det{d}_filt_src_{s}.pha" for d in (1, 2, 3) for s in "IQU"]


def polarised(fraction=0.3, angle=20.0, index=2.0) -> Model:
    return Model("polconst*powerlaw", A=fraction, psi=angle, PhoIndex=index, norm=1)


@pytest.fixture(scope="module")
def mrk501(shared):
    folder = shared("ixpe", "mrk501_01004601")
    spectra = SpectrumSet.read([folder / n for n in NAMES], groups=[1, 1, 1, 2, 2, 2, 3, 3, 3])
    fit = Fit(spectra.select(2 * u.keV, 8 * u.keV), Model("polconst*TBabs(constant*powerlaw)", Settings(abund="wilm")))
    fit.set("TBabs.nH", 0.0169, frozen=True)
    fit.free_by_group("constant.factor")
    fit.set("powerlaw.norm", 0.06)
    fit.run()
    return fit


# -- angle and fraction ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("angle", [-70.0, 0.0, 45.0, 88.0])
def test_noise_free_spectra_give_angle_and_fraction_back(angle):
    # with a flat spectrum the ratio of the areas is exact, up to the change of the modulation within a bin
    fit = Fit(stokes_spectra(polarised(0.3, angle, 0.0)), polarised(0.3, angle, 0.0))
    data = fit.polarisation()
    inner = slice(3, -3)
    np.testing.assert_allclose(data.angle[inner], angle, atol=1e-9)
    np.testing.assert_allclose(data.fraction[inner], 0.3, rtol=2e-3)
    np.testing.assert_allclose(data.model_angle, data.angle, atol=1e-9)
    np.testing.assert_allclose(data.model_fraction, data.fraction, rtol=1e-9)


@pytest.mark.parametrize("inner", ["polconst*powerlaw", "TBabs(pollin*powerlaw+polconst*bbodyrad)"])
def test_turned_polarisation(inner):
    """polrot adds its angle to that of what it acts on, twice if it stands there twice; intensities stay."""
    energies = np.linspace(1.0, 9.0, 41)
    straight, turned = Model(inner), Model(f"polrot({inner})")
    angle = "pollin.psi1" if "pollin" in inner else "polconst.psi"
    if "pollin" in inner:
        for model in (straight, turned):
            model["polconst.A"].value, model["pollin.Aslope"].value, model["pollin.psislope"].value = 0.2, -0.05, 3.0
        straight["polconst.psi"].value, turned["polconst.psi"].value = 60.0, 25.0
    straight[angle].value, turned[angle].value, turned["polrot.Angle"].value = 50.0, 15.0, 35.0
    for stokes in (0, 1, 2):
        wanted = straight.evaluate(energies, context=Context(stokes=stokes))
        found = turned.evaluate(energies, context=Context(stokes=stokes))
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)
    twice = Model("polrot*polrot*polconst*powerlaw")
    twice["polrot.Angle"].value, twice["polrot_2.Angle"].value, twice["polconst.psi"].value = 30.0, 25.0, -60.0
    once = Model("polconst*powerlaw", psi=-5.0)
    for stokes in (1, 2):
        wanted = once.evaluate(energies, context=Context(stokes=stokes))
        np.testing.assert_allclose(twice.evaluate(energies, context=Context(stokes=stokes)), wanted, rtol=1e-12)


def test_detectors_that_are_turned_are_fitted_together():
    """Two data groups whose axes differ by 30 degrees have one polarisation angle; Q alone is enough of a spectrum."""
    truth = polarised(0.3, 20.0, 0.0)
    ahead, turned = stokes_spectra(truth), stokes_spectra(polarised(0.3, 50.0, 0.0))
    spectra = SpectrumSet([*ahead, *turned], groups=[1, 1, 1, 2, 2, 2])
    fit = Fit(spectra, "polrot*polconst*powerlaw")
    fit.set("polrot.Angle", 0.0, frozen=True)
    fit.free_by_group("polrot.Angle")
    fit.set("2:polrot.Angle", 30.0, frozen=True)
    fit.run()
    assert fit.statistic == pytest.approx(0.0, abs=1e-6)
    assert fit["polconst.psi"].value == pytest.approx(20.0, abs=1e-4)
    fit.thaw("2:polrot.Angle")
    fit.set("2:polrot.Angle", 10.0)
    fit.run()
    assert fit["2:polrot.Angle"].value == pytest.approx(30.0, abs=1e-3)
    only_q = Fit([turned[1]], "polrot*polconst*powerlaw")
    put = {"polrot.Angle": 30.0, "polconst.psi": 20.0, "polconst.A": 0.3, "powerlaw.PhoIndex": 0.0}
    for name, value in put.items():
        only_q.set(name, value)
    assert only_q.statistic == pytest.approx(0.0, abs=1e-6)


def test_errors_are_the_scatter_of_simulations():
    truth = polarised(0.4, 20.0)
    noise = 3e-2
    first = Fit(stokes_spectra(truth, error=noise), truth)
    data = first.polarisation(bins=np.array([2.0, 4.0, 6.0, 8.0]) * u.keV)
    angles, fractions = [], []
    for seed in range(400):
        one = Fit(stokes_spectra(truth, error=noise, seed=seed), truth).polarisation(bins=[2, 4, 6, 8] * u.keV)
        angles.append(one.angle)
        fractions.append(one.fraction)
    # 400 draws: the scatter is known to 3.5 per cent
    np.testing.assert_allclose(np.std(angles, axis=0), data.angle_err, rtol=0.12)
    np.testing.assert_allclose(np.std(fractions, axis=0), data.fraction_err, rtol=0.12)


def test_formulas_on_real_spectra(mrk501):
    # psi = atan2(U, Q)/2 and its error, PF = sqrt(Q^2 + U^2)/I A_I/A_Q, from the columns of the files themselves
    from wolter import fits

    data = mrk501.polarisation(1)
    folder = mrk501.dataset.spectra[0].spectrum.path.parent
    rate, error = {}, {}
    for s in "IQU":
        table = fits.open(folder / f"det1_filt_src_{s}.pha")["SPECTRUM"].read(["RATE", "STAT_ERR"])
        rate[s], error[s] = (table[c][50:199].astype(float) for c in ("RATE", "STAT_ERR"))
    np.testing.assert_allclose(data.i, rate["I"], rtol=1e-12)
    angle = 0.5 * np.degrees(np.arctan2(rate["U"], rate["Q"]))
    power = rate["Q"] ** 2 + rate["U"] ** 2
    np.testing.assert_allclose((data.angle - angle + 90) % 180 - 90, 0, atol=1e-9)
    by_hand = 90 / np.pi * np.sqrt(rate["Q"] ** 2 * error["U"] ** 2 + rate["U"] ** 2 * error["Q"] ** 2) / power
    np.testing.assert_allclose(data.angle_err, by_hand, rtol=1e-9)
    rmf = mrk501.dataset.spectra[0].spectrum.rmf
    flat = np.diff(np.append(rmf.energ_lo, rmf.energ_hi[-1]))
    areas = [(flat * mrk501.dataset.spectra[k].spectrum.arf.specresp) @ rmf.dense() for k in (0, 1)]
    ratio = (areas[0] / areas[1])[50:199]
    np.testing.assert_allclose(data.fraction, np.sqrt(power) / rate["I"] * ratio, rtol=1e-9)
    assert data.energy[0] == pytest.approx(2.02)
    assert data.energy_err[0] == pytest.approx(0.02)


def test_groups_are_added_and_binned(mrk501):
    every = mrk501.polarisation(bins=6)
    apart = [mrk501.polarisation(g, bins=6) for g in (1, 2, 3)]
    for stokes in "iqu":
        total = sum(getattr(a, stokes) for a in apart)
        np.testing.assert_allclose(getattr(every, stokes), total, rtol=1e-12)
    assert every.groups == (1, 2, 3)
    # the model agrees with the fit, whose parameters do not depend on energy
    psi, fraction = mrk501["psi"].value, mrk501["A"].value
    np.testing.assert_allclose(every.model_angle, psi, atol=1e-6)
    np.testing.assert_allclose(every.model_fraction, fraction, rtol=0.1)
    assert np.abs((every.angle - psi) / every.angle_err).max() < 3.5


def test_angles_stay_near_their_mean():
    # around 90 degrees noise makes the principal value jump between -90 and 90
    fit = Fit(stokes_spectra(polarised(0.3, 90.0), error=2e-2, seed=3), polarised(0.3, 90.0))
    data = fit.polarisation()
    good = data.angle_err < 20
    assert good.sum() > 5
    assert np.ptp(data.angle[good]) < 90


def test_incomplete_triplets():
    fit = Fit(stokes_spectra(polarised())[:2], polarised())
    with pytest.raises(FitError, match="1 I, 1 Q, 0 U"):
        fit.polarisation()
    whole = Fit(stokes_spectra(polarised()), polarised())
    with pytest.raises(FitError, match="no bin"):
        whole.polarisation(bins=[20, 30] * u.keV)
    with pytest.raises(UnitError, match="keV"):
        whole.polarisation(bins=[2, 4, 8])


# -- minimum detectable polarisation --------------------------------------------------------------------------------


def test_formula():
    # Weisskopf et al. 2010: 4.29 / (mu R_S) sqrt((R_S + R_B)/T)
    assert mdp99(1.0, 0.0, 0.3, 1e5) == pytest.approx(4.29 / 0.3 / np.sqrt(1e5))
    assert mdp99(1.0, 3.0, 0.3, 1e5) == pytest.approx(2 * mdp99(1.0, 0.0, 0.3, 1e5))
    with pytest.raises(FitError, match="not defined"):
        mdp99(0.0, 1.0, 0.3, 1e5)


def test_prediction_against_the_folded_rates():
    model = Model("powerlaw", PhoIndex=2, norm=1)
    rmf, arf, mrf = response()
    source = expected_rate(model, rmf, arf)
    modulated = expected_rate(model, rmf, mrf)
    use = notice_range(rmf.e_min, rmf.e_max, 2.0, 8.0)
    r_s, mu = source[use].sum(), modulated[use].sum() / source[use].sum()
    expected = 4.29 / (mu * r_s) * np.sqrt((r_s + 0.5) / 3e4)
    assert predict_mdp(model, (rmf, arf, mrf), 0.5, 30 * u.ks) == pytest.approx(expected, rel=1e-9)
    # three equal detectors with the same background each: as three times the exposure
    three = predict_mdp(model, [(rmf, arf, mrf)] * 3, [0.5] * 3, 30 * u.ks)
    assert three == pytest.approx(expected / np.sqrt(3), rel=1e-9)
    assert predict_mdp(model, [(rmf, arf, mrf)] * 3, 1.5, 30 * u.ks) == pytest.approx(three)
    narrow = predict_mdp(model, (rmf, arf, mrf), 0.0, 30 * u.ks, energy=(4 * u.keV, 6 * u.keV))
    assert narrow > predict_mdp(model, (rmf, arf, mrf), 0.0, 30 * u.ks)


def test_prediction_near_the_published_one(shared):
    # The tutorial's WebPIMMS gives MDP99 = 5.62 % for 100 ks of its source (nH 0.646e22, index 2.75, 7.55e-11 erg/cm2/s
    # in 2-8 keV). PIMMS has its own nominal responses without event weights; these are weighted ones of another epoch,
    # so no more than rough agreement can be asked for.
    folder = shared("ixpe", "mrk501_01004601")
    model = Model("tbabs*powerlaw", settings=Settings(abund="wilm"), nH=0.646, PhoIndex=2.75)
    edges = np.geomspace(2, 8, 3001)
    flux = model.evaluate(edges)
    energy = np.sum(flux * 0.5 * (edges[1:] + edges[:-1])) * 1.602192e-9
    model.powerlaw.norm = 7.55e-11 / energy
    files = [
        (
            folder / f"ixpe_d{d}_20170101_alpha075_02.rmf",
            folder / f"det{d}_filt_src.arf",
            folder / f"det{d}_filt_src.mrf",
        )
        for d in (1, 2, 3)
    ]
    assert predict_mdp(model, files, 0.0, 100 * u.ks) == pytest.approx(0.0562, rel=0.12)


def test_measured_equals_predicted_without_background(mrk501, shared):
    folder = shared("ixpe", "mrk501_01004601")
    files = [
        (
            folder / f"ixpe_d{d}_20170101_alpha075_02.rmf",
            folder / f"det{d}_filt_src.arf",
            folder / f"det{d}_filt_src.mrf",
        )
        for d in (1, 2, 3)
    ]
    measured = measured_mdp(mrk501)
    assert mrk501.mdp() == measured
    predicted = predict_mdp(mrk501, files, 0.0, 82.5 * u.ks)
    assert measured == pytest.approx(predicted, rel=0.05)
    # MDP99 is 3.03 times the error of the fraction for an unpolarised source: -2 ln(0.01) = 3.03^2
    assert measured == pytest.approx(3.03 * mrk501.parameters[0].sigma, rel=0.1)
    one = measured_mdp(mrk501, groups=[1])
    assert one == pytest.approx(measured * np.sqrt(3), rel=0.05)
    assert measured_mdp(mrk501, energy=(2 * u.keV, 4 * u.keV)) > measured


def test_mdp_of_simulations():
    # of unpolarised sources 1 % are measured above MDP99 (unweighted counts, Q and U with the variance of the counts)
    rng = np.random.default_rng(8)
    n, mu, count = 20000, 0.3, 5000
    sigma = np.sqrt(2 / count)  # of q = 2 <cos 2 phi> and u per event
    p = np.hypot(rng.normal(0, sigma, n), rng.normal(0, sigma, n)) / mu
    limit = mdp99(count / 1e4, 0.0, mu, 1e4)
    assert (p > limit).mean() == pytest.approx(0.01, abs=0.0025)


def test_bad_predictions():
    rmf, arf, mrf = response()
    model = Model("powerlaw")
    with pytest.raises(UnitError, match="exposure"):
        predict_mdp(model, (rmf, arf, mrf), 0.0, 1e5)
    with pytest.raises(ResponseError, match="MRF is missing"):
        predict_mdp(model, (rmf, arf, None), 0.0, 1 * u.ks)
    with pytest.raises(FitError, match="2 responses but 3 backgrounds"):
        predict_mdp(model, [(rmf, arf, mrf)] * 2, [0, 0, 0], 1 * u.ks)
    background = spectrum(np.full(40, 50.0), rmf, None)
    assert predict_mdp(model, (rmf, arf, mrf), background, 1 * u.ks) > predict_mdp(model, (rmf, arf, mrf), 0, 1 * u.ks)
    with pytest.raises(FitError, match="I and Q"):
        measured_mdp(Fit(stokes_spectra(polarised())[:1], polarised()))
