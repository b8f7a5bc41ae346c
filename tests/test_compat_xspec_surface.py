"""PyXspec's surface: every attribute is there and works, or raises NotImplementedError naming it; quirks; output."""

from __future__ import annotations

import re

import numpy as np
import pytest

import wolter.compat.xspec as x
from test_compat_xspec_golden import fresh_session
from wolter.compat.xspec.restrict import seal
from wolter.models import component_scope

# every public name of PyXspec 2.1.5: its class reference, and what its sources show besides
SURFACE = {
    "AllData": "nSpectra nGroups clear show ignore notice fakeit dummyrsp diagrsp removeDummyrsp",
    "Spectrum": "values variance noticed noticedString ignored ignoredString rate response multiresponse background "
    "correction cornorm energies exposure areaScale backScale isPoisson fileName dataGroup index flux lumin eqwidth "
    "ignore notice show dummyrsp fileinfo responsesUsed statistic xflt",
    "Response": "rmf arf energies chanEnergies gain sourceNumber setPars show",
    "RModel": "isOn parameterNames off slope offset",
    "Background": "areaScale backScale energies exposure fileName isPoisson values variance xflt",
    "AllModels": "sources systematic calcFlux calcLumin eqwidth setPars setEnergies show clear addPyMod lmod "
    "initpackage mdefine simpars tclLoad setActive setInactive systematicSingleModel setSystematicSingleModel",
    "Model": "expression componentNames name nParameters startParIndex flux lumin values folded energies setPars show "
    "showList untie powerlaw",
    "Component": "name parameterNames PhoIndex norm",
    "Parameter": "values link frozen error sigma prior name unit index untie",
    "Fit": "statistic testStatistic dof statMethod statTest weight method nIterations criticalDelta delta query bayes "
    "covariance perform error steppar stepparResults goodness ftest improve renorm show nullhyp nVarPars "
    "previousGoodness previousGoodnessSims useChainRule",
    "Plot": "device xAxis xLog yLog area background add perHz redshift noID splashPage commands addCommand delCommand "
    "setRebin setGroup setID x xErr y yErr z model backgroundVals labels contourLevels addComp nAddComps iplot show "
    "minSig maxBins errType",
    "Xset": "abund xsect cosmo chatter logChatter openLog closeLog log seed parallel modelStrings addModelString "
    "delModelString save restore show version allowPrompting allowNewAttributes mdatadir tclPath",
    "Parallel": "leven error goodness steppar walkers reset show",
    "AllChains": "clear show best dic margin marginResults stat defAlgorithm defBurn defFileType defLength defProposal "
    "defRand defRescale defTemperature defWalkers",
    "Chain": "algorithm burn fileName fileType proposal rand rescale run runLength show temperature totalLength "
    "walkers",
    "FakeitSettings": "response arf background exposure correction backExposure fileName",
}
MODULE = (
    "AllChains AllData AllModels Chain FakeitSettings Fit Model Plot Spectrum XspecError Xset callModelFunction "
    "Response Background Component Parameter RModel DataManager ModelManager ChainManager FitManager PlotManager "
    "XspecSettings"
)
# what raises NotImplementedError: when it is read, or when it is called
REFUSED = {"Xset.mdatadir", "Xset.tclPath"}
REFUSED_CALLS = [
    ("lmod", lambda: x.AllModels.lmod("relxill")),
    ("initpackage", lambda: x.AllModels.initpackage("a", "b", "c")),
    ("tclLoad", lambda: x.AllModels.tclLoad("a.tcl")),
    ("setSystematicSingleModel", lambda: x.AllModels.setSystematicSingleModel("a", 0.1)),
    ("setID", lambda: x.Plot.setID()),
    ("dem", lambda: x.Plot("dem")),
    ("eqw", lambda: x.Plot("eqw")),
    ("sum", lambda: x.Plot("sum")),
    ("Chain.proposal", lambda: x.Chain("c.fits", proposal="gaussian myproposal")),
    ("sourceNum", lambda: x.AllData(1).dummyrsp(0.1, 10.0, 100, "lin", 0.0, 0.1, 2)),
]


@pytest.fixture
def session(shared, monkeypatch, tmp_path):
    """A spectrum with a model, in the folder of its files."""
    fresh_session(monkeypatch)
    seal(x.Fit, x.Plot, x.Xset)
    monkeypatch.chdir(shared("swift", "2m0259_00092220001"))
    x.Xset.chatter = 0
    s = x.Spectrum("target_sr.pha")
    s.response = "swxpc0to12s6_20130101v014.rmf"
    s.response.arf = "target_sr.arf"
    x.AllData.ignore("**-29 801-**")
    m = x.Model("powerlaw")
    m.setPars(1.0, 3e-4)
    return {
        "AllData": x.AllData, "Spectrum": s, "Response": s.response, "AllModels": x.AllModels, "Model": m,
        "Component": m.powerlaw, "Parameter": m.powerlaw.PhoIndex, "Fit": x.Fit, "Plot": x.Plot, "Xset": x.Xset,
        "AllChains": x.AllChains,
    }  # fmt: skip


def test_nothing_is_silently_absent(session, tmp_path):
    x.Fit.query = "yes"
    x.Fit.statMethod = "cstat"
    x.Fit.perform()
    chain = x.Chain(str(tmp_path / "chain.fits"), runLength=20)
    x.AllData(1).background = "target_sr.pha"
    x.Fit.perform()
    objects = {
        **session, "Chain": chain, "Background": x.AllData(1).background, "RModel": x.AllData(1).response.gain,
        "Parallel": x.Xset.parallel, "FakeitSettings": x.FakeitSettings(),
    }  # fmt: skip
    refused = {}
    assert objects.keys() == SURFACE.keys()
    for name in sorted(SURFACE, key=lambda n: n == "RModel"):  # last, as it makes the fit stale
        if name == "RModel":
            objects[name].slope = 1.0
        for attribute in SURFACE[name].split():
            try:
                getattr(objects[name], attribute)
            except NotImplementedError as error:
                refused[f"{name}.{attribute}"] = str(error)
    assert refused.keys() == REFUSED
    assert all(name.split(".")[1] in message for name, message in refused.items())
    assert [n for n in MODULE.split() if not hasattr(x, n)] == []
    assert {n for n in MODULE.split() if n not in x.__all__} == set()


@pytest.mark.parametrize(("named", "call"), REFUSED_CALLS, ids=[n for n, _ in REFUSED_CALLS])
def test_what_is_missing_says_so(session, named, call):
    x.Fit.statMethod = "cstat"
    x.Fit.query = "yes"
    x.Fit.perform()
    with pytest.raises(NotImplementedError, match=re.escape(named)):
        call()


def test_misspelt_attributes_are_refused(session):
    for owner in ("Fit", "Plot", "Xset", "AllData", "AllModels", "AllChains", "Spectrum"):
        with pytest.raises(AttributeError, match="statMethd"):
            session[owner].statMethd = "cstat"
    with pytest.raises(AttributeError, match="statMethod"):  # the nearest name is said
        x.Fit.statMethd = "cstat"
    x.Xset.allowNewAttributes = True
    x.Fit.myNote = "mine"
    assert x.Fit.myNote == "mine"
    x.Xset.allowNewAttributes = False
    del x.Fit.myNote


def test_values_are_a_copy(session):
    parameter = session["Parameter"]
    parameter.values[0] = 5.0
    assert parameter.values[0] == 1.0
    parameter.values = 5.0
    assert float(parameter) == 5.0


def test_integers_are_channels_and_reals_energies(session):
    s = session["Spectrum"]
    x.AllData.notice("all")
    s.ignore("1-10")
    assert s.noticedString() == "11-1024"
    x.AllData.notice("all")
    s.ignore("**-1.0")
    lo, hi = s.energies[0]
    assert (lo, hi) == pytest.approx((1.0, 1.01), abs=1e-6)
    x.Plot.xAxis = "angstrom"
    x.AllData.notice("all")
    s.ignore("12.4-**")
    assert s.energies[0][0] == pytest.approx(1.0, abs=0.011)


def test_errors_of_commands(session):
    for call in (
        lambda: x.AllData(9),
        lambda: x.AllModels(2),
        lambda: x.Model("nosuchmodel"),
        lambda: session["Model"](7),
        lambda: x.Fit.error("99"),
        lambda: x.Plot("nosuchplot"),
        lambda: x.Fit.steppar("1 1.0"),
        lambda: setattr(x.Xset, "abund", "nosuch"),
        lambda: x.Xset.restore("nosuch.xcm"),
        lambda: x.AllData("4:7 target_sr.pha"),
    ):
        with pytest.raises(Exception) as caught:
            call()
        assert not isinstance(caught.value, AttributeError | TypeError | KeyError | NotImplementedError)
    assert x.AllData.nSpectra == 1


def test_figures(session, tmp_path):  # all formats: test_compat_xspec_figures.py
    x.Plot.xAxis = "keV"
    x.Plot.device = str(tmp_path / "a.png")
    x.Plot("ldata", "ratio")
    x.Plot.device = "/null"
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert x.Plot.labels() == ("Energy (keV)", "counts s$^{-1}$ keV$^{-1}$", "data and folded model")
    x.Plot.device = "/xs"
    x.Plot("data")
    x.Plot.device = "nosuch.xyz"
    with pytest.raises(Exception, match="device"):
        x.Plot("data")


def test_log_is_complete_when_closed(session, tmp_path):
    log = x.Xset.openLog(str(tmp_path / "fit.log"))
    x.Fit.statMethod = "cstat"
    x.Fit.query = "yes"
    x.Fit.perform()
    assert not (tmp_path / "fit.log").exists()
    x.Fit.error("2.706 1")
    x.Xset.closeLog()
    text = (tmp_path / "fit.log").read_text()
    assert re.search(r"^194\.711 +33\.\d+ +-9 +2\.1861\d +7\.7870\d+e-05$", text, re.M)  # the last iteration
    assert log.read() == text
    # lines of the recorded session's log
    assert re.search(r"^   1    1   powerlaw   PhoIndex            2\.1\d+      \+/-  0\.24\d+$", text, re.M)
    assert "Fit statistic : C-Statistic =         194.71 using 771 PHA bins and 769 degrees of freedom." in text
    assert re.search(r"^     1 +1\.86\d+ +2\.50\d+    \(-0\.3\d+,0\.3\d+\)$", text, re.M)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fit.log"]


def test_chatter(session, capsys):
    x.AllModels.show()
    assert capsys.readouterr().out == ""
    x.Xset.chatter = 10
    x.AllModels.show()
    assert "Model powerlaw<1> Source No.: 1   Active/On" in capsys.readouterr().out


def test_save_and_restore(session, tmp_path):
    session["Model"].powerlaw.PhoIndex = "1.7 -1"
    before = x.Fit.statistic
    x.Xset.save(str(tmp_path / "all.xcm"), info="a")
    x.AllData.clear()
    x.AllModels.clear()
    x.Xset.restore(str(tmp_path / "all.xcm"))
    assert x.AllData(1).noticedString() == "30-800"
    assert x.AllModels(1).powerlaw.PhoIndex.frozen
    assert x.Fit.statistic == pytest.approx(before, rel=1e-5)  # parameters are written with six digits


def test_python_model(session):
    def steep(engs, params, flux):
        for i in range(len(engs) - 1):
            flux[i] = (engs[i] ** (1 - params[0]) - engs[i + 1] ** (1 - params[0])) / (params[0] - 1)

    expected = np.array(x.AllModels(1).folded(1))
    with component_scope():
        x.AllModels.addPyMod(steep, ('slope "" 1.5 -3. -2. 9. 10. 0.01',), "add")
        m = x.Model("steep")
        m.setPars(1.0 + 1e-7, 3e-4)
        assert m.steep.slope.values[2:] == [-3.0, -2.0, 9.0, 10.0]
        np.testing.assert_allclose(m.folded(1), expected, rtol=1e-4)


def test_model_without_data(monkeypatch):
    fresh_session(monkeypatch)
    x.Xset.chatter = 0
    m = x.Model("powerlaw", setPars=(2.0, 1.0))
    x.AllModels.setEnergies("1. 10. 90 lin")
    assert sum(m.values(0)) == pytest.approx(0.9, rel=1e-9)  # 1/1 - 1/10
    x.AllModels.calcFlux("1.0 10.0")
    assert m.flux[3] == pytest.approx(0.9, rel=1e-9)


def test_fakeit_and_components(session, tmp_path, monkeypatch):
    x.Xset.seed = 3
    folder = x.FakeitSettings(exposure="1e5", fileName=str(tmp_path / "fake.fak"))
    expected = x.AllData(1).rate[3]
    x.AllData.notice("all")
    total = x.AllData(1).rate[3]
    x.AllData.fakeit(1, folder)
    assert (tmp_path / "fake.fak").exists()
    assert expected < total
    assert x.AllData(1).rate[0] == pytest.approx(total, abs=5 * x.AllData(1).rate[1])
    x.Model("powerlaw+bbody")
    x.Plot.add = True
    x.Plot.xAxis = "keV"
    x.Plot("data")
    assert x.Plot.nAddComps() == 2
    np.testing.assert_allclose(np.add(x.Plot.addComp(1), x.Plot.addComp(2)), x.Plot.model(), rtol=1e-9, atol=1e-30)
