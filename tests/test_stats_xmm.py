"""Every statistic and test statistic recorded in XSPEC's session c_xmm_ngc7793, at its parameters."""

from __future__ import annotations

import ast
import warnings

import astropy.units as u
import pytest

from golden_session import Session, put
from wolter.data import Spectrum, SpectrumSet
from wolter.errors import WolterWarning
from wolter.fit import Fit
from wolter.models import Model, Settings

TWO = "TBabs*(powerlaw+bbodyrad)"
THERMAL = "TBabs*(bbody+bremss)"
DISC = "TBabs*diskbb"
LINE = "TBabs(diskbb+gaussian)"
START = [0.1, 2.0, 1e-4, 0.2, 5.0]
CASES = [
    *[(TWO, step, "chi") for step in (10, 11, 14, 16, 18)],
    *[(TWO, step, "cstat") for step in (93, 94, 95, 96)],
    (TWO, 97, "pgstat"),
    *[(THERMAL, step, "chi") for step in (100, 101, 102)],
    *[(THERMAL, step, "cstat") for step in (104, 105)],
    *[(DISC, step, "chi") for step in (108, 109, 110)],
    *[(DISC, step, "cstat") for step in (115, 116, 117)],
    *[(LINE, step, "chi") for step in (120, 121, 126)],
]


@pytest.fixture(scope="module")
def session(golden):
    return Session(golden("xspec_sessions"), "c_xmm_ngc7793")


@pytest.fixture(scope="module")
def spectra(shared):
    folder = shared("xmm", "ngc7793_ulx4_0693760101")
    spectrum = Spectrum.read(
        folder / "PN_spectrum_grp20.fits",
        rmf=folder / "PN.rmf",
        arf=folder / "PN.arf",
        background=folder / "PNbackground_spectrum.fits",
    )
    return SpectrumSet([spectrum]).ignore_bad().select(0.3 * u.keV, 10 * u.keV)


def values_at(session, step):
    """Parameters at a step: those recorded last, or set by its own code."""
    code = session.steps[step]["code"]
    if "setPars(" in code:
        arguments = ast.literal_eval(code.partition("setPars")[2])  # numbers and texts like "1.0 -1"
        return [float(str(a).split()[0]) for a in arguments]
    while not session.steps[step].get("model"):
        step -= 1
    return session.values(step)


@pytest.mark.parametrize(("expression", "step", "statistic"), CASES)
def test_recorded_statistics(session, spectra, expression, step, statistic):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WolterWarning)
        fit = Fit(spectra, Model(expression, settings=Settings(abund="wilm")), statistic=statistic)
    put(fit, values_at(session, step))
    recorded = session.steps[step]["fit"]
    assert fit.statistic == pytest.approx(recorded["statistic"], rel=1e-6)
    assert fit.test_statistic == pytest.approx(recorded["testStatistic"], rel=1e-6)


@pytest.mark.parametrize(
    ("step", "abund", "xsect"),
    [(129, "wilm", "vern"), (131, "wilm", "bcmc"), (133, "angr", "bcmc"), (135, "aspl", "bcmc")],
)
def test_abundances_and_cross_sections(session, spectra, step, abund, xsect):
    fit = Fit(spectra, Model("phabs*(powerlaw+bbodyrad)", settings=Settings(abund=abund, xsect=xsect)))
    put(fit, START)
    assert fit.statistic == pytest.approx(session.statistic(step), rel=1e-6)
