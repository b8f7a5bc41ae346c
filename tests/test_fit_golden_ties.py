"""Links, bounds and freezing in two data groups against a recorded XSPEC 12.9.1 session (e_two_groups_links)."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest

from golden_session import Session, put
from wolter.data import SpectrumSet
from wolter.errors import ParameterError
from wolter.fit import Fit
from wolter.models import Model, Settings


@pytest.fixture(scope="module")
def session(golden):
    return Session(golden("xspec_sessions"), "e_two_groups_links")


@pytest.fixture(scope="module")
def spectra(shared):
    folder = shared("ixpe", "mrk501_01004601")
    names = ["det1_filt_src_I.pha", "det2_filt_src_I.pha"]
    return SpectrumSet.read([folder / n for n in names], groups=[1, 2]).select(2 * u.keV, 8 * u.keV)


def thermal_fit(spectra) -> Fit:
    fit = Fit(spectra, Model("constant*TBabs*(powerlaw+bbodyrad)", settings=Settings(abund="wilm")))
    for number, value in enumerate([1.0, 0.0169, 1.0, 0.02, 0.7, 36.0], start=1):
        fit.set(number, value)
    fit.freeze(1, 2)
    return fit


def curved_fit(spectra) -> Fit:
    fit = Fit(spectra, Model("constant*TBabs*logpar", settings=Settings(abund="wilm")))
    for number, value in enumerate([1.0, 0.0169, 1.8, 0.6, 5.0, 4.6e-3], start=1):
        fit.set(number, value)
    fit.freeze(1, 2)
    fit.untie("2:constant.factor")
    fit.set("2:constant.factor", 1.05)
    fit.thaw("2:constant.factor")
    return fit


def compare(fit, session, step):
    for mine, theirs in zip(fit.parameters, session.parameters(step), strict=True):
        if mine.sigma is None:
            continue
        assert mine.value == pytest.approx(theirs["values"][0], abs=0.15 * theirs["sigma"]), mine.name
        assert mine.sigma == pytest.approx(theirs["sigma"], rel=0.02), mine.name


def test_breaking_and_making_links(session, spectra):
    fit = thermal_fit(spectra)
    assert fit.statistic == pytest.approx(session.statistic(8), rel=1e-5)
    assert fit.dof == session.step(8)["fit"]["dof"]
    fit.set("2:constant.factor", 0.95)  # setting a value breaks the link
    assert fit["2:constant.factor"].tie is None
    assert fit.dof == session.step(11)["fit"]["dof"] == 293
    fit.set(7, 1.0)
    assert fit.statistic == pytest.approx(session.statistic(11), rel=1e-5)
    fit.tie(7, "p1")
    assert fit.dof == session.step(12)["fit"]["dof"] == 294
    fit.untie(7)
    assert fit.parameters[6].tied is None
    fit.freeze(7)
    assert fit.dof == session.step(13)["fit"]["dof"]  # XSPEC lets it go frozen, as p1 is
    fit.thaw(7)
    assert fit.dof == session.step(14)["fit"]["dof"]


# The session wrote p3**2, but for XSPEC a bare integer in a link is a parameter number: it computed p3**p2.
@pytest.mark.parametrize(
    ("expression", "step"),
    [
        ("2.*p3+0.1", 22),
        ("0.5*p3+0.23", 24),
        ("p3/2.0 - 0.05 + 0.28", 28),
        ("(p3+0.4)*0.52", 32),
        ("p3**p2", 34),
        ("p3^p2", 36),
        ("sqrt(p3)*0.72", 38),
        ("exp(-p3)+0.32", 40),
        ("1.68 - p3", 42),
        ("p3*p1", 44),
        ("sin(p3)", 48),
        ("= 0.5*powerlaw.PhoIndex + 0.23", 24),
    ],
)
def test_link_expressions(session, spectra, expression, step):
    fit = thermal_fit(spectra)
    fit.free_by_group("constant.factor")
    put(fit, session.values(17))
    fit.tie("bbodyrad.kT", expression)
    recorded = session.step(step + 1)
    theirs = session.values(step + 1)[4]
    assert fit.parameters[4].value == pytest.approx(theirs, rel=1e-9)
    if recorded["fit"]["statistic"] < 1e6:
        assert fit.statistic == pytest.approx(recorded["fit"]["statistic"], rel=1e-5)
    assert fit.dof == recorded["fit"]["dof"]


@pytest.mark.parametrize("method", ["leven", "default"])
def test_two_components(session, spectra, method):
    fit = thermal_fit(spectra)
    fit.free_by_group("constant.factor")
    result = fit.run(method)
    assert result.statistic <= session.statistic(15) + 0.01
    compare(fit, session, 15)
    for mine in fit.error(3, 4, 5, 6, 7, delta=2.706):
        theirs = session.parameters(17)[mine.index - 1]["error"]
        width = theirs[1] - theirs[0]
        assert mine.lower == pytest.approx(theirs[0], abs=0.02 * width), mine.name
        assert mine.upper == pytest.approx(theirs[1], abs=0.02 * width), mine.name


@pytest.mark.parametrize("method", ["leven", "default"])
def test_fit_with_a_link(session, spectra, method):
    fit = thermal_fit(spectra)
    fit.free_by_group("constant.factor")
    put(fit, session.values(17))
    fit.set("bbodyrad.kT", 0.7)
    fit.tie("bbodyrad.kT", "= 0.5*p3+0.23")
    result = fit.run(method)
    assert result.statistic <= session.statistic(69) + 0.01
    compare(fit, session, 69)
    tied = fit.parameters[4]
    assert tied.tied == "= 0.5*p3+0.23"
    assert tied.sigma is None
    assert tied.value == pytest.approx(0.5 * fit["powerlaw.PhoIndex"].value + 0.23)
    for mine in fit.error(3, 4, 7):
        theirs = session.parameters(70)[mine.index - 1]["error"]
        width = theirs[1] - theirs[0]
        assert mine.lower == pytest.approx(theirs[0], abs=0.02 * width), mine.name
        assert mine.upper == pytest.approx(theirs[1], abs=0.02 * width), mine.name


def test_link_between_groups(session, spectra):
    fit = thermal_fit(spectra)
    fit.free_by_group("constant.factor")
    put(fit, session.values(74))
    fit.tie("2:powerlaw.PhoIndex", "p3+0.05")
    assert fit.statistic == pytest.approx(session.statistic(74), rel=1e-5)
    assert fit.run("leven").statistic <= session.statistic(75) + 0.01
    fit.untie("2:powerlaw.PhoIndex")
    assert fit.statistic == pytest.approx(session.statistic(75), abs=0.011)
    assert fit.dof == session.step(76)["fit"]["dof"]
    result = fit.run("leven")
    assert result.statistic <= session.statistic(77) + 0.01
    compare(fit, session, 77)
    assert [p.sigma is not None for p in fit.parameters] == [
        False, False, True, True, True, True, True, False, True, False, False, False,
    ]  # fmt: skip


def test_freezing_one_of_them(session, spectra):
    fit = thermal_fit(spectra)
    fit.free_by_group("constant.factor")
    put(fit, session.values(85))
    fit.freeze("bbodyrad.kT")
    assert fit.dof == session.step(85)["fit"]["dof"]
    assert fit.run("leven").statistic <= session.statistic(86) + 0.01
    compare(fit, session, 86)


def test_curved_spectrum(session, spectra):
    for method in ("leven", "default"):
        fit = curved_fit(spectra)
        assert fit.statistic == pytest.approx(session.statistic(90), rel=1e-5)
        result = fit.run(method)
        assert result.statistic <= session.statistic(91) + 0.01
        compare(fit, session, 91)
        for mine in fit.error(3, 4, 6, 7):
            theirs = session.parameters(92)[mine.index - 1]["error"]
            width = theirs[1] - theirs[0]
            assert mine.lower == pytest.approx(theirs[0], abs=0.02 * width), mine.name
            assert mine.upper == pytest.approx(theirs[1], abs=0.02 * width), mine.name
            assert mine.codes == theirs[2]


def test_fit_against_a_limit(session, spectra):
    fit = curved_fit(spectra)
    put(fit, session.values(93))
    fit.limits("logpar.beta", 0.0, 0.55)
    assert fit.statistic == pytest.approx(session.statistic(93), rel=1e-5)
    result = fit.run()
    # XSPEC stops early at the limit, at 420.93; its error command then finds 419.29
    assert session.statistic(94) > session.statistic(96) + 1
    assert result.statistic <= session.statistic(96) + 0.01
    assert fit["logpar.beta"].value == pytest.approx(0.55, abs=1e-12)
    assert any("logpar.beta is at its upper limit 0.55" in m for m in result.messages)
    beta, alpha, factor = fit.error(4, 3, 7)
    theirs = session.parameters(96)[3]["error"]
    assert beta.upper == 0.55
    assert beta.codes == theirs[2] == "FFFFTFFTF"
    assert beta.lower == pytest.approx(theirs[0], abs=0.02 * (0.55 - theirs[0]))
    for mine in (alpha, factor):
        other = session.parameters(97)[mine.index - 1]["error"]
        width = other[1] - other[0]
        assert mine.lower == pytest.approx(other[0], abs=0.02 * width)
        assert mine.upper == pytest.approx(other[1], abs=0.02 * width)


@pytest.mark.parametrize(("lo", "hi", "fitted"), [(0.0, 0.9, 100), (0.7, 2.0, 103)])
def test_fit_with_other_limits(session, spectra, lo, hi, fitted):
    fit = curved_fit(spectra)
    fit.set("logpar.beta", 0.8)
    fit.limits("logpar.beta", lo, hi)
    assert fit.run().statistic <= session.statistic(fitted) + 0.01


def test_start_outside_the_new_limits(session, spectra):
    fit = curved_fit(spectra)
    fit.set("logpar.beta", 0.9)
    with pytest.raises(ParameterError, match=r"value 0\.9 of parameter logpar\.beta is outside its limits 0\.95 to 2"):
        fit.limits("logpar.beta", 0.95, 2.0)
    assert fit["logpar.beta"].hard_min == -4  # nothing was changed


def test_frozen_curvature(session, spectra):
    fit = curved_fit(spectra)
    fit.set("logpar.beta", 0.5, frozen=True)
    assert fit.run().statistic <= session.statistic(112) + 0.01
    compare(fit, session, 112)
    (result,) = fit.error("logpar.beta")
    assert result.codes == session.parameters(113)[3]["error"][2] == "FFFFFTFFF"
    assert np.isnan(result.lower)
    assert np.isnan(result.upper)


@pytest.mark.parametrize("step", [117, 123, 126])
def test_fits_from_afar(session, spectra, step):
    fit = curved_fit(spectra)
    for number, value in ((3, 2.2), (4, 0.2), (6, 6e-3)):
        fit.set(number, value)
    for method in ("leven", "default", "migrad"):
        assert fit.run(method).statistic <= session.statistic(step) + 0.01
