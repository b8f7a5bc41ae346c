"""Parts of PyXspec beyond one model and one response: chains, sources, gains, energies, Python models, plots.

Numbers come from recorded XSPEC sessions, from a second way to the same result, or from what went into simulated data.
"""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits as astropy_fits

import wolter.compat.xspec as x
from test_compat_xspec_golden import fresh_session
from wolter.compat.xspec.session import SESSION
from wolter.models import component_scope

RMF = "swxpc0to12s6_20130101v014.rmf"
# Fit.error("2.706 1 2") of the recorded session a_swift_2m0259
RECORDED = {1: (1.86175, 2.50074), 2: (6.2222e-5, 9.5929e-5)}


@pytest.fixture
def swift(shared, monkeypatch):
    """A spectrum with its response, cstat, and XSPEC's answers always yes."""
    fresh_session(monkeypatch)
    monkeypatch.chdir(shared("swift", "2m0259_00092220001"))
    x.Xset.chatter = 0
    s = x.Spectrum("target_sr.pha", respFile=RMF, arfFile="target_sr.arf")
    x.AllData.ignore("**-29 801-**")
    x.Fit.statMethod, x.Fit.query = "cstat", "yes"
    yield s
    x.AllChains.__init__()


@pytest.fixture
def fitted(swift):
    m = x.Model("powerlaw", setPars=(2.1, 8e-5))
    x.Fit.perform()
    x.Xset.seed = 11
    return m


# -- chains -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        ({"algorithm": "gw", "walkers": 8, "burn": 480, "runLength": 4800}, 0.3),
        pytest.param(
            {"algorithm": "mh", "burn": 300, "runLength": 3000, "proposal": "gaussian fit"},
            0.35,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_errors_from_chains_are_those_of_the_profile(fitted, tmp_path, options, tolerance):
    chain = x.Chain(str(tmp_path / "chain.fits"), **options)
    assert chain.totalLength == options["runLength"]
    x.Fit.error("1-2")
    for number, (lower, upper) in RECORDED.items():
        sigma = fitted(number).sigma
        assert fitted(number).error[0] == pytest.approx(lower, abs=tolerance * sigma)
        assert fitted(number).error[1] == pytest.approx(upper, abs=tolerance * sigma)
    criterion, effective = x.AllChains.dic()
    assert effective == pytest.approx(2.0, abs=0.35)  # parameters
    assert criterion == pytest.approx(x.Fit.statistic + 2 * effective, abs=0.4)
    _, variance, _, ratio = x.AllChains.stat(1)
    assert variance**0.5 == pytest.approx(fitted(1).sigma, rel=0.35)
    assert ratio == pytest.approx(1.0, abs=0.05)
    assert x.AllChains.best()[-1] == pytest.approx(x.Fit.statistic, abs=0.1)
    x.AllModels.calcFlux("2. 10. err 400 90")
    low, high = x.AllData(1).flux[1:3]
    assert low < x.AllData(1).flux[0] < high
    assert len(x.AllModels.simpars()) == 2


def test_chain_files_are_xspecs(fitted, tmp_path):
    name = str(tmp_path / "c.fits")
    chain = x.Chain(name, runLength=40, walkers=8)
    chain.run()
    assert chain.totalLength == 80
    with astropy_fits.open(name) as file:
        table, header = file["CHAIN"].data, file["CHAIN"].header
        assert table.names == ["PhoIndex__1", "norm__2", "FIT_STATISTIC"]
        assert len(table) == 80
        assert (header["CHAINTYP"], header["NWALKERS"], header["TEMPR001"]) == ("GoodmanWeare", 8, 1.0)
        row = table[50]
    fitted.setPars(float(row[0]), float(row[1]))
    assert x.Fit.statistic == pytest.approx(row[2], rel=1e-9)  # the statistic belongs to its parameters
    x.AllChains.clear()
    assert len(x.AllChains) == 0
    x.AllChains += name
    assert (x.AllChains(1).totalLength, x.AllChains(1).fileName) == (80, name)
    x.AllChains -= name
    with pytest.raises(x.XspecError, match="no chains are loaded"):
        x.AllChains.stat(1)
    x.AllChains.defFileType = "ascii"
    x.Fit.perform()
    x.AllChains += str(tmp_path / "new.txt")  # a file that does not exist is run
    assert x.AllChains(1).totalLength == 100
    x.AllChains.clear()
    x.AllChains += str(tmp_path / "new.txt")
    assert x.AllChains(1).totalLength == 100


def test_margins_and_their_plots(fitted, tmp_path):
    x.Chain(str(tmp_path / "c.fits"), runLength=2000, walkers=8, burn=80)
    x.AllChains.margin("1 1.0 3.5 10 2 2e-5 2e-4 12")
    fraction, density = x.AllChains.marginResults("fraction"), x.AllChains.marginResults("probability")
    assert sum(fraction) == pytest.approx(1.0, abs=0.01)
    np.testing.assert_allclose(density, np.array(fraction) / (0.25 * 1.5e-5), rtol=1e-9)
    first = np.array(x.AllChains.marginResults(1))
    np.testing.assert_allclose(first[:10], 1.125 + 0.25 * np.arange(10))  # the first parameter runs fastest
    assert np.average(first, weights=fraction) == pytest.approx(2.19, abs=0.06)
    x.Plot("margin")
    assert np.shape(x.Plot.z()) == (12, 10)
    x.Plot("integprob")
    assert np.max(x.Plot.z()) == pytest.approx(1.0, abs=0.01)
    x.Plot("chain 0")
    assert min(x.Plot.y()) == pytest.approx(x.Fit.statistic, abs=0.2)
    x.Plot("chain 1 2")
    assert len(x.Plot.x()) == len(x.Plot.y()) == 2000
    with pytest.raises(x.XspecError):
        x.AllChains.marginResults(7)


@pytest.mark.parametrize(
    "call",
    [
        lambda: setattr(x.AllChains, "defBurn", -1),
        lambda: setattr(x.AllChains, "defAlgorithm", "hmc"),
        lambda: setattr(x.AllChains, "defWalkers", 2.5),
        lambda: x.Chain("c.fits", runLength=7, walkers=4),
        lambda: x.Chain("c.fits", walkers=5),
        lambda: x.Chain("c.fits", proposal="gaussian diagonal 1.0"),
        lambda: x.Chain("c.fits", temperature=0),
        lambda: x.AllChains(1),
        lambda: x.AllChains.dic(),
    ],
)
def test_impossible_chains(fitted, tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(x.XspecError):
        call()
    assert not (tmp_path / "c.fits").exists()


# -- several sources --------------------------------------------------------------------------------------------------


def two_sources(swift):
    swift.multiresponse[1] = RMF
    swift.multiresponse[1].arf = "target_sr.arf"
    a, b = x.Model("powerlaw"), x.Model("bbody", "back", 2)
    a.setPars(2.1, 8e-5)
    b.setPars(0.3, 1e-7)
    return a, b


def test_two_sources_of_one_response_are_a_sum(swift):
    m = x.Model("powerlaw+bbody", setPars=(2.1, 8e-5, 0.3, 1e-7))
    x.Fit.perform()
    x.Fit.error("1 3")
    x.AllModels.calcFlux("0.5 5.")
    whole, statistic, dof = swift.flux, x.Fit.statistic, x.Fit.dof
    expected = [(m(i).values[0], m(i).sigma) for i in range(1, 5)]
    errors = m(1).error, m(3).error
    x.AllModels.clear()
    a, b = two_sources(swift)
    x.Fit.perform()
    assert x.AllModels.sources == {1: "", 2: "back"}
    assert x.AllModels(1, "back") is b
    assert (x.Fit.statistic, x.Fit.dof) == (pytest.approx(statistic, rel=1e-9), dof)
    found = [(p.values[0], p.sigma) for p in (a(1), a(2), b(1), b(2))]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    x.Fit.error("1 back:1")
    np.testing.assert_allclose([a(1).error[:2], b(1).error[:2]], [errors[0][:2], errors[1][:2]], rtol=1e-5)
    x.AllModels.calcFlux("0.5 5.")
    assert len(swift.flux) == 12  # of each source
    assert swift.flux[0] + swift.flux[6] == pytest.approx(whole[0], rel=1e-5)
    assert sum(a.folded(1)) + sum(b.folded(1)) == pytest.approx(swift.rate[3], rel=1e-9)
    x.Fit.steppar("back:1 .2 .3 4")
    assert x.Fit.stepparResults("back:1") == pytest.approx([0.2, 0.225, 0.25, 0.275, 0.3])
    assert min(x.Fit.stepparResults("delstat")) > 0


def test_links_between_models(swift):
    a, b = two_sources(swift)
    b.bbody.norm.link = "= 0.01*unnamed:2"
    assert b.bbody.norm.link == "= 0.01*p2"
    assert b.bbody.norm.values[0] == pytest.approx(8e-7)
    a.powerlaw.norm = 1e-4
    assert b.bbody.norm.values[0] == pytest.approx(1e-6)
    a.powerlaw.PhoIndex.link = b.bbody.kT
    assert a.powerlaw.PhoIndex.link == "= back:p1"
    assert a.powerlaw.PhoIndex.values[0] == pytest.approx(0.3)
    a.powerlaw.PhoIndex.link = ""
    a.powerlaw.PhoIndex = 2.0
    x.Fit.perform()
    assert x.Fit.dof == 768
    assert b.bbody.norm.values[0] == pytest.approx(0.01 * a.powerlaw.norm.values[0])


def test_models_come_and_go(swift, tmp_path):
    two_sources(swift)
    both = x.Fit.statistic
    x.AllModels.setInactive("back")
    alone = x.Fit.statistic
    assert x.AllModels.sources == {1: ""}
    x.AllModels.setActive("back")
    assert x.Fit.statistic == pytest.approx(both)
    assert alone != both
    x.Xset.save(str(tmp_path / "two.xcm"))
    x.AllModels -= "back"
    assert x.Fit.statistic == pytest.approx(alone)
    x.AllData.clear()
    x.AllModels.clear()
    x.Xset.restore(str(tmp_path / "two.xcm"))
    assert x.Fit.statistic == pytest.approx(both, rel=1e-5)
    x.AllData(1).multiresponse[1] = None
    with pytest.raises(x.XspecError, match="No response is assigned to source 2"):
        x.AllData(1).multiresponse[1]
    assert x.Fit.statistic == pytest.approx(alone, rel=1e-5)  # a model without a response does not count


# -- gain -------------------------------------------------------------------------------------------------------------


def test_a_gain_that_went_into_the_data_is_found(swift):
    """Noise-free lines through a response with another gain."""
    from wolter.data.response_tools import shift_gain

    m = x.Model("powerlaw+gaussian+gaussian")
    m.setPars(1.5, 1e-3, 1.8, 0.01, 3e-4, 6.4, 0.01, 3e-4)
    for number in (3, 4, 6, 7):
        m(number).frozen = True
    engine = swift.engine
    rmf, arf = shift_gain(engine.rmf, engine.arf, 0.985, 0.02)
    flux = m._engine.evaluate(rmf.edges)
    counts = rmf.fold(flux * arf.specresp) * 1e6
    swift.engine = engine.replace(values=counts, exposure=1e6, is_rate=False, stat_err=None, poisson=True)
    SESSION.data_changed()
    m.setPars({1: 1.4})
    gain = swift.response.gain
    with pytest.raises(x.XspecError, match="off"):
        _ = gain.slope
    gain.offset = 0.0
    assert gain.isOn
    assert x.Fit.dof == 771 - 6
    x.Fit.perform()
    assert gain.slope.values[0] == pytest.approx(0.985, abs=2e-4)
    assert gain.offset.values[0] == pytest.approx(0.02, abs=2e-3)
    assert m(1).values[0] == pytest.approx(1.5, abs=2e-3)
    assert x.Fit.statistic < 0.1
    edges = swift.response.chanEnergies
    assert edges[500] == pytest.approx(5.0 / gain.slope.values[0] - gain.offset.values[0], abs=0.02)
    gain.off()
    assert x.Fit.dof == 771 - 4
    assert x.Fit.statistic > 100


# -- energies and responses -------------------------------------------------------------------------------------------


def test_energies_of_models(swift):
    m = x.Model("powerlaw", setPars=(2.1, 8e-5))
    before = x.Fit.statistic
    x.AllModels.setEnergies("0.1 5. 2000 lin, 12. 1000 log")
    assert (m.energies(1)[0], m.energies(1)[2000], m.energies(1)[-1]) == pytest.approx((0.1, 5.0, 12.0))
    assert x.Fit.statistic == pytest.approx(before, abs=0.01)
    x.AllModels.setEnergies("extend", "high,100.,100 log")
    x.AllModels.calcFlux("20. 80.")
    assert swift.flux[3] == pytest.approx(8e-5 * (20**-1.1 - 80**-1.1) / 1.1, rel=1e-4)
    x.AllModels.setEnergies("1. 2. 10 lin")
    x.AllModels.setEnergies(",,500")  # what is skipped stays
    assert (len(m.values(0)), m.energies(0)[0]) == (500, 1.0)
    x.AllModels.setEnergies("reset")
    assert x.Fit.statistic == pytest.approx(before)
    for wrong in ("1 2", "1 2 3 cubic", "2 1 5", "extend up,3"):
        with pytest.raises(x.XspecError):
            x.AllModels.setEnergies(wrong)


def test_dummy_and_diagonal_responses(swift):
    m = x.Model("powerlaw", setPars=(2.0, 1e-3))
    before = x.Fit.statistic
    x.AllData.dummyrsp(0.1, 20.0, 2000, "lin", 0.0, 0.01)
    assert sum(m.folded(1)) == pytest.approx(1e-3 * (1 / 0.29 - 1 / 8.0), rel=2e-3)  # of an area of 1 cm²
    x.AllData.diagrsp()
    assert swift.response.rmf == "diagonal"
    x.AllData.removeDummyrsp()
    assert x.Fit.statistic == before
    x.AllData.dummyrsp(0.01, 100.0, 500, "log", 0.0, 0.0)  # only for models
    assert len(m.energies(1)) == 501
    x.AllData.removeDummyrsp()
    assert x.Fit.statistic == before


def test_a_correction_is_subtracted(swift):
    rate = swift.rate[0]
    swift.correction = "target_sr.pha"
    assert swift.correction.fileName == "target_sr.pha"
    swift.cornorm = 0.25
    assert swift.rate[0] == pytest.approx(0.75 * rate)
    swift.correction = None
    assert swift.rate[0] == pytest.approx(rate)


def test_arguments_of_spectrum_come_in_pyxspecs_order(swift):
    s = x.Spectrum("target_sr.pha", "target_sr.pha", RMF, "target_sr.arf")
    assert (s.background.fileName, s.response.rmf, s.response.arf) == ("target_sr.pha", RMF, "target_sr.arf")
    assert s.responsesUsed == (1,)
    assert s.fileinfo("TELESCOP") == "SWIFT"
    s.background = None
    x.AllData -= 1
    assert x.AllData.nSpectra == 1
    m = x.Model("powerlaw", setPars=(2.1, 8e-5))
    assert x.AllData(1).statistic == pytest.approx(x.Fit.statistic)
    assert m.folded(1)


# -- components -------------------------------------------------------------------------------------------------------


def test_python_models_convolve_and_know_the_spectrum(swift):
    def twice(engs, params, flux):
        for i in range(len(flux)):
            flux[i] *= params[0]

    def numbered(engs, params, flux, errors, number):
        for i in range(len(flux)):
            flux[i] = params[0] * number

    plain = sum(x.Model("powerlaw", setPars=(2.1, 8e-5)).folded(1))
    with component_scope():
        x.AllModels.addPyMod(twice, ('f "" 3. 0. 0. 10. 10. 0.01',), "con")
        m = x.Model("twice*powerlaw", setPars=(3.0, 2.1, 8e-5))
        assert sum(m.folded(1)) == pytest.approx(3 * plain)
        x.AllModels.addPyMod(numbered, ('f "" 1. 0. 0. 10. 10. 0.01',), "mul", False, True)
        x.Spectrum("target_sr.pha", respFile=RMF, arfFile="target_sr.arf").ignore("**-29 801-**")
        m = x.Model("numbered*powerlaw", setPars=(1.0, 2.1, 8e-5))
        assert (sum(m.folded(1)), sum(m.folded(2))) == pytest.approx((plain, 2 * plain))
        seen = []

        def flat(engs, params, flux):
            seen.append(params)
            flux[:] = np.diff(engs) * params[0]

        info = ("level photons 2. 0. 0. 1. 1. 0.01", '*scale "cm" 3.0', "$switch 1")  # a default beyond its limits
        x.AllModels.addPyMod(flat, info, "add")
        m = x.Model("flat")
        assert m.flat.parameterNames == ["level", "scale", "switch", "norm"]
        x.AllModels.setEnergies("1. 3. 4 lin")
        assert m.values(0) == pytest.approx([1.0] * 4)
        assert seen[-1] == (2.0, 3.0, 1.0, 1.0)  # the norm behind the parameters
        x.AllModels.setEnergies("reset")
        with pytest.raises(x.XspecError, match="energies, parameters and flux"):
            x.AllModels.addPyMod(lambda a, b: None, ('f "" 1. 0. 0. 10. 10. 0.01',), "add")
        x.AllModels.clear()
        x.AllData.clear()


def test_defined_models(swift, capsys):
    with component_scope():
        x.AllModels.mdefine("mycut E**(-ind)*exp(-E/hc) : add 0.1 20.")
        m = x.Model("mycut", setPars=(1.5, 5.0, 1e-3))
        expected = x.Model("cutoffpl", setPars=(1.5, 5.0, 1e-3)).folded(1)
        m = x.Model("mycut", setPars=(1.5, 5.0, 1e-3))
        assert m.mycut.parameterNames == ["ind", "hc", "norm"]
        np.testing.assert_allclose(m.folded(1), expected, rtol=1e-3)
        x.Xset.chatter = 10
        x.AllModels.mdefine("mycut")
        assert "E**(-ind)*exp(-E/hc)" in capsys.readouterr().out
        x.Xset.chatter = 0
        x.AllModels.clear()
        x.AllModels.mdefine("mycut :")
        for wrong in ("mycut", "bad E*(", "powerlaw E", "bad E : sum"):
            with pytest.raises(x.XspecError):
                x.AllModels.mdefine(wrong)


def test_a_component_on_its_own():
    flux: list[float] = []
    edges = [1.0, 2.0, 4.0]
    x.callModelFunction("powerlaw", edges, [2.0], flux)
    assert flux == pytest.approx([0.5, 0.25])
    with pytest.raises(x.XspecError, match="has 1 parameters"):
        x.callModelFunction("powerlaw", edges, [2.0, 1.0], flux)


# -- plots ------------------------------------------------------------------------------------------------------------


def test_several_plots_in_one_string(swift):
    x.Model("powerlaw", setPars=(2.1, 8e-5))
    x.Plot.xAxis = "keV"
    x.Plot("data model resid")
    assert [x.Plot.labels(w)[1] for w in (1, 2, 3)] == [
        "counts s$^{-1}$ keV$^{-1}$",
        "Photons cm$^{-2}$ s$^{-1}$ keV$^{-1}$",
        "counts s$^{-1}$ keV$^{-1}$",
    ]
    y = x.Plot.y()
    x.Plot()  # the same again
    assert x.Plot.y(1, 1) == y
    x.Plot("ldata", "delchi")
    assert len(x.Plot.y(1, 2)) == 771


def test_plots_without_a_response(shared, monkeypatch):
    fresh_session(monkeypatch)
    monkeypatch.chdir(shared("swift", "2m0259_00092220001"))
    x.Xset.chatter = 0
    s = x.Spectrum("target_sr.pha")
    x.Plot("data")
    assert x.Plot.x()[:2] == [1.0, 2.0]
    np.testing.assert_allclose(x.Plot.y(), s.values)
    with pytest.raises(x.XspecError):
        x.Plot("model")


def test_goodness_is_kept(fitted):
    percent = x.Fit.goodness(40)
    assert x.Fit.previousGoodness == percent
    assert len(x.Fit.previousGoodnessSims) == 40
    x.Plot("goodness")
    assert sum(x.Plot.y()) == pytest.approx(1.0)


def test_simplex_ends_in_the_same_minimum(swift):
    m = x.Model("powerlaw", setPars=(1.5, 5e-5))
    x.Fit.method = "simplex"
    x.Fit.perform()
    assert x.Fit.statistic == pytest.approx(194.711, abs=0.01)  # recorded: 194.71
    assert m(1).values[0] == pytest.approx(2.186, abs=0.02)


def test_a_fake_spectrum_of_nothing(monkeypatch, tmp_path):
    fresh_session(monkeypatch)
    monkeypatch.chdir(tmp_path)
    x.Xset.chatter, x.Xset.seed = 0, 5
    x.Model("powerlaw", setPars=(2.0, 1.0))
    x.AllData.fakeit(1, x.FakeitSettings(exposure=100.0, fileName="f.fak"), noWrite=True)
    rate, error, _, model = x.AllData(1).rate
    assert model == pytest.approx(1 / 0.1 - 1 / 50.0, rel=1e-6)  # photons between 0.1 and 50 keV on 1 cm²
    assert rate == pytest.approx(model, abs=5 * error)


# -- quirks that scripts rely on ---------------------------------------------------------------------------------------


def test_numbers_run_over_groups_and_new_groups_are_linked(swift):
    m1 = x.Model("powerlaw", setPars=(2.1, 8e-5))
    x.AllData("2:2 target_sr.pha")
    second = x.AllData(2)
    second.response = RMF
    second.response.arf = "target_sr.arf"
    second.ignore("**-29 801-**")
    m2 = x.AllModels(2)
    assert (m1.startParIndex, m2.startParIndex, m2.nParameters) == (1, 3, 2)
    assert [m2(1).link, m2(2).link] == ["= p1", "= p2"]
    assert (m2(1).index, m2.powerlaw.PhoIndex.index) == (1, 1)
    m2(2).values = 5e-5  # setting a value breaks the link
    assert m2(2).link == ""
    x.Fit.perform()
    x.Fit.error("4")  # the norm of the second group
    assert m2(2).error[0] < m2(2).values[0] < m2(2).error[1]
    assert m1(2).error[2] == "FFFFFFFFF"
    m2(2).link = "2"
    assert m2(2).link == "= p2"
    x.AllData -= 2
    with pytest.raises(x.XspecError):
        x.AllModels(2)


def test_models_follow_the_data(swift):
    m = x.Model("powerlaw", setPars=(2.1, 8e-5))
    before, count = x.Fit.statistic, len(m.folded(1))
    swift.ignore("30-100")
    assert len(m.folded(1)) == count - 71
    assert x.Fit.statistic < before
    swift.notice("30-100")
    assert x.Fit.statistic == pytest.approx(before)
    swift.response.arf = None
    assert x.Fit.statistic != before  # an area of 1 cm² now
    m.powerlaw.norm.values = "1e-4,-1"
    assert m.powerlaw.norm.frozen
    assert x.Fit.dof == 770


def test_wrong_input_is_an_exception_that_says_why(swift):
    m = x.Model("powerlaw")
    for call, text in (
        (lambda: x.Spectrum("nosuch.pha"), "nosuch.pha"),
        (lambda: m(3), "out of range"),
        (lambda: setattr(swift, "background", "nosuch.pha"), "nosuch.pha"),
        (lambda: swift.multiresponse.__setitem__(1, "nosuch.rmf"), "nosuch.rmf"),
        (lambda: swift.fileinfo("NOSUCH"), "NOSUCH"),
        (lambda: setattr(x.Fit, "statMethod", "nosuch"), "nosuch"),
        (lambda: setattr(x.AllModels, "systematic", -1), "not possible"),
        (lambda: x.AllModels.setInactive("nosuch"), "nosuch"),
        (lambda: x.Fit.error("stopat 10"), "error"),
        (lambda: x.AllModels.calcFlux("2."), "energy range"),
    ):
        with pytest.raises(Exception, match=text) as caught:
            call()
        assert not isinstance(caught.value, AssertionError | KeyError | IndexError | TypeError)


def test_wdata_writes_what_is_plotted(swift, tmp_path):
    """Scripts read components from the QDP file that PLT's wd writes."""
    x.Model("powerlaw+bbody", setPars=(2.1, 8e-5, 0.3, 1e-7))
    x.Plot.xAxis, x.Plot.add, x.Plot.device = "keV", True, "/null"
    x.Plot.addCommand(f"wd {tmp_path / 'spec.qdp'}")
    x.Plot.addCommand(f"hardcopy {tmp_path / 'spec.ps'}/cps")
    x.Plot("ldata", "delchi")
    lines = (tmp_path / "spec.qdp").read_text().splitlines()
    assert lines[0] == "READ SERR 1 2"
    rows = [[float(v) for v in line.split()] for line in lines[3 : 3 + 771]]
    columns = np.array(rows).T
    assert len(columns) == 7  # energy, error, rate, error, model, two components
    np.testing.assert_allclose(columns[0], x.Plot.x(), rtol=1e-6)
    np.testing.assert_allclose(columns[5] + columns[6], columns[4], rtol=1e-6)
    assert set(lines[3 + 771].split()) == {"NO"}
    assert (tmp_path / "spec.ps").read_bytes().startswith(b"%!PS")


def test_a_background_model_of_its_own(swift):
    """The multiple-model walk-through of XSPEC's manual: source and background spectrum, a model of each."""
    x.AllData("1:1 target_sr.pha 2:2 target_sr.pha")
    for number in (1, 2):
        s = x.AllData(number)
        s.response = RMF
        s.response.arf = "target_sr.arf"
        s.multiresponse[1] = RMF
        s.ignore("**-29 801-**")
    x.Model("phabs*pow")
    x.AllModels(2)(3).values = "0.0,-1.0"
    back = x.Model("pow", "myback", 2)
    assert x.AllModels(2, "myback")(1).link == "= myback:p1"
    back.setPars(1.5, 1e-3)
    x.AllModels(1).setPars(0.1, 2.0, 8e-5)
    assert x.Fit.dof == 2 * 771 - 5
    # the second spectrum sees the background model alone
    assert sum(x.AllModels(2).folded(2)) == 0.0
    assert x.AllData(2).rate[3] == pytest.approx(sum(x.AllModels(2, "myback").folded(2)))
    assert x.AllData(1).rate[3] > x.AllData(2).rate[3]
    x.Fit.perform()
    assert x.AllModels(2, "myback")(2).values[0] == back(2).values[0]
    x.Xset.chatter = 10
    x.AllModels.show()
    x.Xset.chatter = 0


def test_published_notebooks_load_wurlitzer():
    """Their first cell says ``%load_ext wurlitzer``, which redirects what compiled code prints."""
    import importlib.util

    from wolter.compat import shims
    from wolter.compat.wurlitzer import load_ipython_extension

    absent = importlib.util.find_spec("wurlitzer") is None
    assert ("wurlitzer" in shims.facades()) == absent
    load_ipython_extension(None)


def test_what_is_shown_of_several_sources(swift, capsys):
    two_sources(swift)
    x.Xset.chatter = 10
    swift.show()
    x.AllModels.show()
    x.Fit.perform()
    x.Fit.error("back:1")
    x.Xset.chatter = 0
    text = capsys.readouterr().out
    assert f" Using Response (RMF) File            {RMF} for Source 2" in text
    assert "Model back:bbody<1> Source No.: 2   Active/On" in text
    assert "    back:1:kT   back:2:norm" in text  # columns of the fit
    x.AllModels.eqwidth("back:1")
    assert swift.eqwidth[0] > 0
    x.Plot.noID()
