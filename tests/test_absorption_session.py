"""Absorbed models folded with the response of a real spectrum: XSPEC's statistics for each table and set."""

from __future__ import annotations

import json

import numpy as np
import pytest

from wolter.data import ARF, RMF
from wolter.data.folding import folding_plan
from wolter.models import Model, Settings

SPECTRUM = ("xmm", "ngc7793_ulx4_0693760101")


@pytest.fixture(scope="module")
def session(golden, shared):
    """XSPEC session c: its steps, net rates, variances and folding plan of the 110 bins it fitted."""
    from astropy.io import fits

    with open(golden("xspec_sessions", "c_xmm_ngc7793.json"), encoding="utf-8") as f:
        steps = json.load(f)["steps"]
    with np.load(golden("xspec_sessions", "c_xmm_ngc7793.npz")) as f:
        folded = f["a4"]
    source = fits.getdata(shared(*SPECTRUM, "PN_spectrum_grp20.fits"), "SPECTRUM", header=True)
    back = fits.getdata(shared(*SPECTRUM, "PNbackground_spectrum.fits"), "SPECTRUM", header=True)
    plan = folding_plan(
        RMF.read(shared(*SPECTRUM, "PN.rmf")),
        ARF.read(shared(*SPECTRUM, "PN.arf")),
        None,
        source[0]["GROUPING"].astype(int),
        source[0]["QUALITY"].astype(int),
    )
    scale = source[1]["BACKSCAL"] / back[1]["BACKSCAL"] / back[1]["EXPOSURE"]
    counts, ground = (plan.bins.sum(t[0]["COUNTS"].astype(float)) for t in (source, back))
    rate = counts / source[1]["EXPOSURE"] - ground * scale
    variance = counts / source[1]["EXPOSURE"] ** 2 + ground * scale**2
    used = (plan.bin_lo >= 0.3) & (plan.bin_hi <= 10.0)
    return {"steps": steps, "folded": folded, "plan": plan, "rate": rate, "variance": variance, "used": used}


def fold(session, absorber, abund, xsect):
    model = Model(f"{absorber}*(powerlaw+bbodyrad)", settings=Settings(abund=abund, xsect=xsect))
    for parameter, value in zip(model.parameters, (0.1, 2.0, 1e-4, 0.2, 5.0), strict=True):
        parameter.value = value
    return np.asarray(model.evaluate(session["plan"].edges) @ session["plan"].matrix)[session["used"]]


def test_folded_rates_are_xspecs(session):
    np.testing.assert_allclose(fold(session, "TBabs", "wilm", "vern"), session["folded"], rtol=1e-7)


@pytest.mark.parametrize(
    ("absorber", "abund", "xsect", "step"),
    [
        ("TBabs", "wilm", "vern", 10),
        ("phabs", "wilm", "vern", 129),
        ("phabs", "wilm", "bcmc", 131),
        ("phabs", "angr", "bcmc", 133),
        ("phabs", "aspl", "bcmc", 135),
    ],
)
def test_chi_squared_is_xspecs(session, absorber, abund, xsect, step):
    """XSPEC 12.9.1 holds exposures in single precision: 9e-8 of the statistic."""
    rate, variance = session["rate"][session["used"]], session["variance"][session["used"]]
    chi2 = ((rate - fold(session, absorber, abund, xsect)) ** 2 / variance).sum()
    assert chi2 == pytest.approx(session["steps"][step]["fit"]["statistic"], rel=1e-7)
