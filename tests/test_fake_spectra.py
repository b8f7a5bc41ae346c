"""Fake spectra: means against XSPEC's fakeit, numbers drawn against their distributions, files against readers."""

from __future__ import annotations

import lzma

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits as astropy_fits

from golden_session import Session
from wolter.data import ARF, RMF, Spectrum, SpectrumSet
from wolter.errors import OutputError, SimulationError, UnitError
from wolter.fit import Fit
from wolter.models import Model, Settings
from wolter.simulate import fake_spectra

MODELS = {
    "TBabs*powerlaw": (0.1, 1.7, 0.01),
    "TBabs*(diskbb+gaussian)": (0.5, 1.2, 20.0, 6.4, 0.05, 1e-3),
    "phabs*bremss": (0.05, 5.0, 0.02),
}


@pytest.fixture(scope="module")
def responses(shared, tmp_path_factory):
    nustar = tmp_path_factory.mktemp("rmf") / "nuAdet3_20100101v002.rmf"
    packed = shared("nustar", "caldb_pieces", "nuAdet3_20100101v002.rmf.xz")
    nustar.write_bytes(lzma.decompress(packed.read_bytes()))
    swift = shared("swift", "2m0259_00092220001")
    xmm = shared("xmm", "ngc7793_ulx4_0693760101")
    ixpe = shared("ixpe", "mrk501_01004601")
    sol = shared("nustar", "sol_80415201001")
    return [
        (swift / "swxpc0to12s6_20130101v014.rmf.gz", swift / "target_sr.arf"),
        (xmm / "PN.rmf", xmm / "PN.arf"),
        (ixpe / "ixpe_d1_20170101_alpha075_02.rmf", ixpe / "det1_filt_src.arf"),
        (nustar, sol / "nu80415201001A06_chu2_S_cl_grade0_sr.arf"),
    ]


def model_of(expression, values=None):
    model = Model(expression, settings=Settings(abund="wilm"))
    for parameter, value in zip(model.parameters, values or MODELS[expression], strict=True):
        parameter.value = value
    return model


@pytest.fixture(scope="module")
def pn(shared):
    folder = shared("xmm", "ngc7793_ulx4_0693760101")
    return RMF.read(folder / "PN.rmf"), ARF.read(folder / "PN.arf"), folder / "PNbackground_spectrum.fits"


@pytest.mark.parametrize("number", range(12))
def test_means_are_xspecs(golden, responses, number):
    session = Session(golden("xspec_sessions"), "g_fakeit_means")
    made = [s for s in session.steps if "AllData.fakeit(1,fs,applyStats=False)" in s["code"]][number]
    rmf, arf = responses[number // 3]
    (fake,) = fake_spectra(model_of(list(MODELS)[number % 3]), rmf=rmf, arf=arf, exposure=10 * u.ks, noise=False)
    theirs = session.array(next(iter(made["folded"][0].values())))
    np.testing.assert_allclose(fake.values, theirs, rtol=1e-4, atol=1e-9 * theirs.max())
    recorded = made["data"]["spectra"][0]
    assert fake.values.sum() == pytest.approx(recorded["rate"][0], rel=2e-6)
    assert (fake.exposure, fake.poisson, fake.backscal) == (10000.0, False, recorded["backScale"])


def test_means_with_a_background_are_xspecs(golden, pn):
    session = Session(golden("xspec_sessions"), "g_fakeit_means")
    recorded = session.step(140)["data"]["spectra"][0]
    rmf, arf, background = pn
    (fake,) = fake_spectra(
        model_of("TBabs*powerlaw", (0.1, 1.7, 0.001)),
        rmf=rmf,
        arf=arf,
        background=background,
        exposure=20 * u.ks,
        background_exposure=40 * u.ks,
        noise=False,
    )
    assert fake.values.sum() == pytest.approx(recorded["rate"][2], rel=1e-5)
    assert fake.net_rate()[0] == pytest.approx(recorded["rate"][0], rel=1e-5)
    assert fake.backscal == recorded["backScale"]
    assert fake.background is not None
    assert fake.background.exposure == 40000


def test_counts_follow_poisson(pn):
    from scipy import stats

    rmf, arf, background = pn
    model = model_of("TBabs*powerlaw", (0.1, 1.7, 0.001))
    options = {"rmf": rmf, "arf": arf, "background": background, "background_exposure": 40 * u.ks}
    (mean,) = fake_spectra(model, exposure=20 * u.ks, noise=False, **options)
    (fake,) = fake_spectra(model, exposure=20 * u.ks, seed=4, **options)
    expected = mean.values * 20000
    some = expected > 5
    assert (fake.values == np.rint(fake.values)).all()
    assert fake.poisson
    chi2 = float(((fake.values - expected)[some] ** 2 / expected[some]).sum())
    assert 1e-3 < stats.chi2.sf(chi2, some.sum()) < 1 - 1e-3
    assert fake.background is not None
    total = Spectrum.read(background, follow=False).rate.sum() * 40000
    assert abs(fake.background.values.sum() - total) < 4 * np.sqrt(total)


def test_several_exposures_and_seeds(pn):
    rmf, arf, _ = pn
    model = model_of("TBabs*powerlaw", (0.1, 1.7, 0.001))
    times = [1, 10, 100] * u.ks
    first = fake_spectra(model, rmf=rmf, arf=arf, exposure=times, seed=3)
    again = fake_spectra(model, rmf=rmf, arf=arf, exposure=times, seed=3)
    other = fake_spectra(model, rmf=rmf, arf=arf, exposure=times, seed=4)
    assert [s.exposure for s in first] == [1e3, 1e4, 1e5]
    rates = [s.values.sum() / s.exposure for s in first]
    for rate, s in zip(rates, first, strict=True):
        assert abs(rate - 1.7222) < 5 * np.sqrt(1.7222 / s.exposure)  # the rate that XSPEC has for this model
    assert all((a.values == b.values).all() for a, b in zip(first, again, strict=True))
    assert any((a.values != b.values).any() for a, b in zip(first, other, strict=True))


def test_from_a_fit_of_stokes_spectra(shared):
    folder = shared("ixpe", "mrk501_01004601")
    names = [f"det{d}_filt_src_{s}.pha" for d in (1, 2) for s in "IQU"]
    spectra = SpectrumSet.read([folder / n for n in names], groups=[1, 1, 1, 2, 2, 2]).select(2 * u.keV, 8 * u.keV)
    fit = Fit(spectra, "constant*polconst*powerlaw")
    fit.free_by_group("constant.factor")
    for name, value in {"polconst.A": 0.3, "polconst.psi": 30, "powerlaw.PhoIndex": 2.5, "powerlaw.norm": 0.04}.items():
        fit.set(name, value)
    fit.set("2:constant.factor", 0.5)
    fake = fake_spectra(fit, exposure=1000 * u.ks, seed=5)
    assert fake.groups == spectra.groups
    assert [s.stokes for s in fake] == [0, 1, 2, 0, 1, 2]
    # errors shrink with the root of the exposure
    assert np.allclose(fake[1].stat_err / spectra[1].stat_err, np.sqrt(spectra[1].exposure / 1e6))
    again = Fit(fake.select(2 * u.keV, 8 * u.keV), "constant*polconst*powerlaw")
    again.free_by_group("constant.factor")
    again.set("polconst.A", 0.2)
    again.set("polconst.psi", 20)
    again.set("powerlaw.norm", 0.03)
    again.run()
    for row in again.parameters:
        if row.sigma is not None:
            truth = fit[row.index].value
            assert abs(row.value - truth) < 4 * row.sigma


def test_files(pn, tmp_path):
    rmf, arf, background = pn
    model = model_of("TBabs*powerlaw", (0.1, 1.7, 0.001))
    options = {"rmf": rmf, "arf": arf, "background": background, "background_exposure": 40 * u.ks, "seed": 1}
    made = fake_spectra(model, exposure=[1, 2] * u.ks, output=tmp_path / "out", prefix="a_", **options)
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == ["a_PN.fak", "a_PN_2.fak", "a_PN_2_bkg.fak", "a_PN_bkg.fak"]
    with astropy_fits.open(tmp_path / "out" / "a_PN.fak") as f:
        header, data = f["SPECTRUM"].header, f["SPECTRUM"].data
        assert header["POISSERR"] is True
        assert header["EXPOSURE"] == 1000
        assert header["BACKFILE"] == "a_PN_bkg.fak"
        assert (header["HDUCLAS1"], header["HDUCLAS3"]) == ("SPECTRUM", "COUNT")
        assert (data["COUNTS"] == made[0].values).all()
    back = SpectrumSet.read([s.path for s in made])
    assert back[1].rmf is not None
    assert back[1].arf is not None
    assert (back[1].background.values == made[1].background.values).all()
    with pytest.raises(OutputError):
        fake_spectra(model, exposure=1 * u.ks, output=tmp_path / "out", prefix="a_", **options)
    fake_spectra(model, exposure=1 * u.ks, output=tmp_path / "out", prefix="a_", overwrite=True, **options)


def test_existing_spectra_keep_their_flags(shared):
    folder = shared("xmm", "ngc7793_ulx4_0693760101")
    real = Spectrum.read(folder / "PN_spectrum_grp20.fits")
    (fake,) = fake_spectra(model_of("TBabs*powerlaw", (0.1, 1.7, 1e-4)), real, seed=1)
    assert (fake.grouping == real.grouping).all()
    assert (fake.quality == real.quality).all()
    assert (fake.exposure, fake.backscal) == (real.exposure, real.backscal)
    assert fake.background is not None
    assert (fake.background.values != real.background.values).any()
    assert fake.bins().total == real.bins().total


def test_what_goes_wrong(pn, shared):
    rmf, _, background = pn
    with pytest.raises(SimulationError, match="no response"):
        fake_spectra("powerlaw", exposure=1 * u.ks)
    with pytest.raises(SimulationError, match="no exposure"):
        fake_spectra("powerlaw", rmf=rmf)
    with pytest.raises(UnitError):
        fake_spectra("powerlaw", rmf=rmf, exposure=1000)
    with pytest.raises(SimulationError, match="not positive"):
        fake_spectra("powerlaw", rmf=rmf, exposure=-1 * u.ks)
    with pytest.raises(SimulationError, match="lists of 2 and 3"):
        fake_spectra("powerlaw", rmf=[rmf, rmf], exposure=[1, 2, 3] * u.ks)
    with pytest.raises(SimulationError, match="2 models"):
        fake_spectra([Model("powerlaw")] * 2, rmf=rmf, exposure=1 * u.ks)
    real = Spectrum.read(background, follow=False)
    with pytest.raises(SimulationError, match="no response"):
        fake_spectra("powerlaw", real)
    with pytest.raises(SimulationError, match="both given"):
        fake_spectra("powerlaw", real, rmf=rmf)
    ixpe = shared("ixpe", "mrk501_01004601")
    stokes = Spectrum.read(ixpe / "det1_filt_src_Q.pha")
    with pytest.raises(SimulationError, match="Stokes Q"):
        fake_spectra("polconst*powerlaw", stokes.replace(poisson=True, stat_err=None))
    with pytest.raises(SimulationError, match="2 exposures"):
        fake_spectra("powerlaw", stokes, exposure=[1, 2] * u.ks)
    with pytest.raises(SimulationError, match="channels, the response"):
        fake_spectra("powerlaw", rmf=rmf, background=stokes, exposure=1 * u.ks)
