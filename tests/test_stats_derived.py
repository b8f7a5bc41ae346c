"""Fluxes of parts, luminosities, equivalent widths and model comparison against recorded XSPEC sessions and SciPy."""

from __future__ import annotations

import warnings

import astropy.units as u
import numpy as np
import pytest

from golden_session import Session, put
from wolter.data import Spectrum, SpectrumSet
from wolter.errors import FitError, ParameterError, UnitError, WolterWarning
from wolter.fit import Fit
from wolter.fit.compare import aic, bic, f_test, likelihood_ratio
from wolter.fit.eqwidth import equivalent_width
from wolter.fit.luminosities import luminosity
from wolter.fit.selection import model_part
from wolter.models import Model, Settings


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WolterWarning)
        yield


@pytest.fixture(scope="module")
def xmm(golden):
    return Session(golden("xspec_sessions"), "c_xmm_ngc7793")


@pytest.fixture(scope="module")
def pn(shared):
    folder = shared("xmm", "ngc7793_ulx4_0693760101")
    spectrum = Spectrum.read(
        folder / "PN_spectrum_grp20.fits",
        rmf=folder / "PN.rmf",
        arf=folder / "PN.arf",
        background=folder / "PNbackground_spectrum.fits",
    )
    return SpectrumSet([spectrum]).ignore_bad().select(0.3 * u.keV, 10 * u.keV)


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


def line_fit(xmm, pn, step=121):
    fit = Fit(pn, Model("TBabs(diskbb+gaussian)", settings=Settings(abund="wilm")))
    fit.freeze("gaussian.LineE", "gaussian.Sigma")
    put(fit, xmm.values(step))
    return fit


# --- equivalent width ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fraction", "step"), [(0.05, 123), (0.2, 125)])
def test_equivalent_width_is_xspecs(xmm, pn, fraction, step):
    (mine,) = equivalent_width(line_fit(xmm, pn), "gaussian", fraction=fraction)
    assert mine.value == pytest.approx(xmm.step(step, "s.eqwidth")["returns"][0], rel=1e-4)
    assert mine.energy == pytest.approx(1.0, abs=0.01)
    assert mine.interval is None
    assert mine.to_dict()["error"] is None  # nothing was fitted here


def test_error_of_an_equivalent_width(xmm, pn):
    fit = line_fit(xmm, pn)
    fit.run()
    (gaussian,) = equivalent_width(fit, "gaussian", level=0.9)
    (drawn,) = equivalent_width(fit, "gaussian", level=0.9, draws=2000, seed=1)
    row = fit["gaussian.norm"].value, fit.parameters[5].sigma
    # the continuum is known much better than the line
    assert gaussian.error / gaussian.value == pytest.approx(row[1] / row[0], rel=0.1)
    assert drawn.error == pytest.approx(gaussian.error, rel=0.1)
    assert drawn.interval == pytest.approx(gaussian.interval, rel=0.1)


def test_equivalent_width_of_what_is_none(xmm, pn):
    fit = line_fit(xmm, pn)
    with pytest.raises(ParameterError, match="not additive"):
        equivalent_width(fit, "TBabs")
    with pytest.raises(ParameterError, match="gauss"):
        equivalent_width(fit, "gausian")
    with pytest.raises(ParameterError, match="fraction"):
        equivalent_width(fit, "gaussian", fraction=1.5)
    fit.set("gaussian.norm", 0.0)
    with pytest.raises(FitError, match="is zero"):
        equivalent_width(fit, "gaussian")
    fit.set("gaussian.norm", 1e-5)
    fit.set("diskbb.norm", 0.0)
    with pytest.raises(FitError, match="no continuum"):
        equivalent_width(fit, "gaussian")


# --- luminosity and fluxes of parts ----------------------------------------------------------------------------------


def test_luminosities_are_xspecs(golden, xmm, pn, burst):
    swift = Session(golden("xspec_sessions"), "b_swift_grb070110")
    fit = Fit(burst, Model("TBabs*zTBabs*powerlaw", settings=Settings(abund="wilm")), statistic="cstat")
    put(fit, swift.values(49))
    recorded = swift.step(60, "calcLumin")["flux"][0]["lumin"][0]
    (mine,) = luminosity(fit, 2 * u.keV, 10 * u.keV, 2.352)
    assert mine.value == pytest.approx(recorded * 1e44, rel=1e-4)
    other = Fit(
        burst,
        Model("TBabs*zTBabs*powerlaw", settings=Settings(abund="wilm", cosmo=(67.4, 0.0, 0.685))),
        statistic="cstat",
    )
    put(other, swift.values(49))
    recorded = swift.step(63, "calcLumin")["flux"][0]["lumin"][0]
    assert luminosity(other, 2 * u.keV, 10 * u.keV, 2.352)[0].value == pytest.approx(recorded * 1e44, rel=1e-4)
    fit = Fit(pn, Model("TBabs*(powerlaw+bbodyrad)", settings=Settings(abund="wilm")))
    put(fit, xmm.values(18))
    recorded = xmm.step(20, "calcLumin")["flux"][0]["lumin"][0]
    (mine,) = luminosity(fit, 0.3 * u.keV, 10 * u.keV, 0.000757)
    assert mine.value == pytest.approx(recorded * 1e44, rel=1e-4)


def test_luminosity_with_an_astropy_cosmology(golden, burst):
    from astropy.cosmology import FlatLambdaCDM

    fit = Fit(burst, "powerlaw", statistic="cstat")
    fit.run()
    cosmology = FlatLambdaCDM(H0=70, Om0=0.27)
    (mine,) = luminosity(fit, 2 * u.keV, 10 * u.keV, 0.5, cosmology=cosmology, level=0.9)
    (xspecs,) = luminosity(fit, 2 * u.keV, 10 * u.keV, 0.5)
    assert mine.distance == pytest.approx(cosmology.luminosity_distance(0.5).to_value("Mpc"))
    assert xspecs.value == pytest.approx(mine.value, rel=0.01)  # Pen's approximation, c/H0 to four digits
    flux = fit.flux(2 / 1.5 * u.keV, 10 / 1.5 * u.keV, level=0.9)[0]
    area = 4 * np.pi * cosmology.luminosity_distance(0.5).to_value("cm") ** 2
    assert mine.value == pytest.approx(flux.energy * area)
    assert mine.interval == pytest.approx(np.array(flux.energy_interval) * area)
    with pytest.raises(ParameterError, match="redshift"):
        luminosity(fit, 2 * u.keV, 10 * u.keV, 0.0)
    with pytest.raises(UnitError):
        luminosity(fit, 2, 10, 0.5)


def test_unabsorbed_flux_and_flux_of_a_component(xmm, pn):
    fit = line_fit(xmm, pn)
    # a power law's flux is known, absorbed or not
    bare = Fit(pn, Model("TBabs*(powerlaw+gaussian)", **{"TBabs.nH": 1.0, "powerlaw.PhoIndex": 3.0}))
    bare.set("gaussian.norm", 2e-5)
    absorbed = bare.flux(1 * u.keV, 3 * u.keV)[0]
    emitted = bare.flux(1 * u.keV, 3 * u.keV, without="TBabs", only="powerlaw")[0]
    # cut bins at both ends count with their share of the width
    assert emitted.photons == pytest.approx(0.5 * (1 - 1 / 9), rel=2e-4)
    assert absorbed.photons < 0.7 * emitted.photons
    line = bare.flux(5 * u.keV, 8 * u.keV, without="TBabs", only="gaussian")[0]
    assert line.photons == pytest.approx(2e-5, rel=1e-6)
    parts = [fit.flux(0.5 * u.keV, 5 * u.keV, only=c)[0].energy for c in ("diskbb", "gaussian")]
    assert sum(parts) == pytest.approx(fit.flux(0.5 * u.keV, 5 * u.keV)[0].energy, rel=1e-12)
    with pytest.raises(ParameterError, match="no additive component"):
        fit.flux(1 * u.keV, 2 * u.keV, without=("diskbb", "gaussian"))
    with pytest.raises(ParameterError):
        fit.flux(1 * u.keV, 2 * u.keV, without="tbabz")


@pytest.mark.parametrize(
    ("expression", "options", "rest"),
    [
        ("TBabs*cflux*(powerlaw+bbody)", {"without": ("TBabs", "cflux")}, "powerlaw+bbody"),
        ("constant*TBabs(powerlaw+phabs*bbody)", {"without": "phabs"}, "constant*TBabs(powerlaw+bbody)"),
        ("constant*TBabs(powerlaw+phabs*bbody)", {"only": "powerlaw"}, "constant*TBabs*powerlaw"),
        ("phabs*powerlaw+bbody", {"only": "bbody"}, "bbody"),
    ],
)
def test_parts_of_models(expression, options, rest):
    from wolter.models.compiled import CompiledModel

    model, other = Model(expression), Model(rest)
    for i, parameter in enumerate(model.parameters):
        if parameter.name in ("nH", "norm", "factor"):
            parameter.value = 0.3 + 0.1 * i
    for component in other.components:
        source = next(c for c in model.components if c.definition is component.definition)
        for mine, theirs in zip(component.parameters, source.parameters, strict=True):
            mine.value = theirs.value
    part = model_part(model, **options)
    edges = np.geomspace(0.3, 10, 200)
    values = np.array([p.value for p in model.parameters])[part.columns]
    np.testing.assert_allclose(
        CompiledModel(part.node, edges).evaluate(values[None])[0, 0], other.evaluate(edges), rtol=1e-12
    )


# --- comparison ------------------------------------------------------------------------------------------------------


def test_f_test_is_xspecs(golden, xmm):
    few = Session(golden("xspec_sessions"), "a_swift_2m0259")
    for session, step in ((few, 156), (few, 157), (xmm, 21)):
        code = session.step(step, "Fit.ftest")["code"]
        numbers = [float(x) for x in code[code.index("(") + 1 : -1].split(",")]
        assert f_test(*numbers) == pytest.approx(session.step(step)["returns"], rel=1e-8)
    assert f_test(50, 40, 49, 42) == 1
    for wrong in ((50, 42, 60, 40), (50, 40, 60, 40), (-1, 40, 60, 42)):
        with pytest.raises(ParameterError, match="F-test"):
            f_test(*wrong)


def test_information_criteria(xmm, pn):
    fit = line_fit(xmm, pn)
    k, n = 4, 110
    assert aic(fit) == pytest.approx(fit.statistic + 8)
    assert bic(fit) == pytest.approx(fit.statistic + k * np.log(n))
    assert aic(fit, corrected=True) == pytest.approx(fit.statistic + 2 * k * n / (n - k - 1))
    few = Fit(pn.select(1 * u.keV, 1.06 * u.keV), "TBabs(diskbb+gaussian)")
    assert few.n_bins <= 7
    with pytest.raises(FitError, match="too few"):
        aic(few, corrected=True)


def test_likelihood_ratio_of_a_line_that_is_there(xmm, pn):
    with_line = line_fit(xmm, pn)
    without = Fit(pn, Model("TBabs*diskbb", settings=Settings(abund="wilm")))
    put(without, xmm.values(109))
    without.run()
    with_line.run()
    result = likelihood_ratio(without, with_line, 300, seed=1)
    assert result.observed == pytest.approx(xmm.statistic(109) - xmm.statistic(121), abs=0.02)
    assert result.failed == 0
    assert result.p_value < 0.01
    # norms may be negative nowhere: half of the simulations gain nothing, the others follow chi-squared
    assert np.mean(result.simulated < 1e-3) == pytest.approx(0.5, abs=0.12)
    assert np.mean(result.simulated > 1.0) == pytest.approx(0.5 * 0.317, abs=0.08)
    assert result.wilks == pytest.approx(0.0015, rel=0.1)
    assert "p = 0.00" in str(result)


def test_likelihood_ratio_inside_the_limits_follows_wilks(burst):
    free = Fit(burst, "TBabs*powerlaw", statistic="cstat")
    fixed = Fit(burst, "TBabs*powerlaw", statistic="cstat")
    free.run()
    fixed.set("powerlaw.PhoIndex", free["powerlaw.PhoIndex"].value, frozen=True)
    fixed.run()
    result = likelihood_ratio(fixed, free, 400, seed=2)
    from scipy import stats

    assert result.observed == pytest.approx(0, abs=1e-4)
    assert stats.kstest(result.simulated, stats.chi2(1).cdf).pvalue > 1e-3


def test_what_cannot_be_compared(xmm, pn, burst):
    with_line = line_fit(xmm, pn)
    without = Fit(pn, "TBabs*diskbb")
    with pytest.raises(FitError, match="have to be fitted"):
        likelihood_ratio(without, with_line)
    with_line.run()
    without.run()
    with pytest.raises(FitError, match="simpler fit first"):
        likelihood_ratio(with_line, without)
    with pytest.raises(FitError, match="starts have 2 values"):
        likelihood_ratio(without, with_line, starts=[[1.0, 2.0]])
    other = Fit(burst, "TBabs(diskbb+gaussian)")
    other.run()
    with pytest.raises(FitError, match="other data"):
        likelihood_ratio(without, other)
