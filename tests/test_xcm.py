"""XSPEC's command files: those of recorded sessions give the recorded values, ours are read again, mistakes told."""

from __future__ import annotations

import shutil
import warnings

import numpy as np
import pytest

from golden_session import Session
from wolter.data import Spectrum, SpectrumSet
from wolter.errors import FitError, ModelError, ResponseError, WolterWarning
from wolter.fit import Fit, read_xcm
from wolter.fit.priors import Gaussian, LogUniform
from wolter.fit.xcm import parse_xcm
from wolter.fit.xcm_writer import xcm_text
from wolter.models import Settings

# session, step that saved it, data, session's statistic at that point
SAVED = {
    "sa": ("a_swift_2m0259", 58, ("swift", "2m0259_00092220001")),
    "sb": ("b_swift_grb070110", 68, ("swift", "grb070110_00255445000")),
    "sc": ("c_xmm_ngc7793", 92, ("xmm", "ngc7793_ulx4_0693760101")),
    "sd": ("d_ixpe_mrk501", 30, ("ixpe", "mrk501_01004601")),
    "sd2": ("d_ixpe_mrk501", 105, ("ixpe", "mrk501_01004601")),
    "se": ("e_two_groups_links", 190, ("ixpe", "mrk501_01004601")),
}


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WolterWarning)
        yield


def saved_text(session: Session, step: int) -> str:
    text = session.steps[step]["texts"]["xcm"]
    return "\n".join(text) if isinstance(text, list) else text


def last_statistic(session: Session, step: int) -> float:
    return [s["fit"]["statistic"] for s in session.steps[: step + 1] if s.get("fit")][-1]


@pytest.fixture(scope="module")
def stokes(shared):
    folder = shared("ixpe", "mrk501_01004601")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WolterWarning)
        files = [folder / f"det{d}_filt_src_{s}.pha" for d in (1, 2, 3) for s in "IQU"]
        return SpectrumSet.read(files, groups=[1, 1, 1, 2, 2, 2, 3, 3, 3]).select_bins(51, 199)


@pytest.mark.parametrize("name", ["sa", "sb", "sc", "sd2", "se"])
def test_recorded_sessions(name, shared, golden, tmp_path, stokes):
    session_name, step, folder = SAVED[name]
    session = Session(golden("xspec_sessions"), session_name)
    path = tmp_path / f"{name}.xcm"
    path.write_text(saved_text(session, step))
    fit = read_xcm(path, folder=shared(*folder), spectra=stokes if name == "sd2" else None)
    # the file holds six digits of each value, at the minimum of the statistic
    assert fit.statistic == pytest.approx(last_statistic(session, step), abs=2e-3)


def test_named_model_of_nine_spectra(shared, golden, tmp_path):
    session = Session(golden("xspec_sessions"), "d_ixpe_mrk501")
    path = tmp_path / "sd.xcm"
    path.write_text(saved_text(session, 30))
    fit = read_xcm(path, folder=shared("ixpe", "mrk501_01004601"))
    assert fit.spectra.groups == (1, 1, 1, 2, 2, 2, 3, 3, 3)
    assert fit.n_bins == 9 * 149
    assert fit["2:TBabs.nH"].tie == "p2"
    # the session had gone to a better minimum by steppar; its folded models were recorded two steps later
    recorded = session.step(32, "ldata")["plot"]
    models = [session.array(recorded[k]["model"]) for k in sorted(recorded, key=int)]
    for folded, model in zip(fit.folded(), models, strict=True):
        np.testing.assert_allclose(folded, model, rtol=2e-5, atol=1e-8)


def lines_of(text: str, *commands: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if line.split() and line.split()[0] in commands]


@pytest.mark.parametrize("name", ["sa", "sb", "sd", "sd2", "se"])
def test_layout_is_that_of_xspec(name, shared, golden, stokes):
    session_name, step, folder = SAVED[name]
    text = saved_text(Session(golden("xspec_sessions"), session_name), step)
    fit = parse_xcm(text).fit(stokes if name == "sd2" else None, folder=shared(*folder))
    ours = xcm_text(fit, digits=6)
    start = text.replace("1:src ", "").replace("src:", "")
    assert ours[ours.index("model  ") :].strip() == start[start.index("model  ") :].strip()
    commands = ["abund", "xsect", "cosmo", "systematic"]
    if name != "sd2":
        commands += ["statistic", "data", "backgrnd", "ignore"]
    assert lines_of(text, *commands) == lines_of(ours, *commands)


def test_version_of_atomdb_is_written_where_it_matters(shared):
    """XSPEC's own default is another version."""
    folder = shared("ixpe", "mrk501_01004601")
    spectrum = Spectrum.read(
        folder / "det1_filt_src_I.pha", follow=False, rmf=folder / "ixpe_d1_20170101_alpha075_02.rmf"
    )
    assert "xset APECROOT 3.0.9\n" in xcm_text(Fit([spectrum], "phabs(powerlaw+apec)"))
    assert "APECROOT" not in xcm_text(Fit([spectrum], "phabs*powerlaw"))


def test_what_is_written_is_read(shared, golden, tmp_path):
    folder = shared("ixpe", "mrk501_01004601")
    for part in ("det1_filt_src_I.pha", "det2_filt_src_I.pha", "det1_filt_src.arf", "det2_filt_src.arf"):
        shutil.copyfile(folder / part, tmp_path / part)
    for d in (1, 2):
        shutil.copyfile(
            folder / f"ixpe_d{d}_20170101_alpha075_02.rmf", tmp_path / f"ixpe_d{d}_20170101_alpha075_02.rmf"
        )
    spectra = SpectrumSet.read([tmp_path / "det1_filt_src_I.pha", tmp_path / "det2_filt_src_I.pha"], groups=[1, 2])
    fit = Fit(
        spectra.select_bins(51, 199),
        "constant*TBabs*(powerlaw+bbodyrad)",
        settings=Settings(abund="wilm", cosmo=(67.4, 0, 0.685)),
        systematic=0.01,
    )
    fit.free_by_group("constant.factor")
    fit.freeze("TBabs.nH")
    fit.set("TBabs.nH", 0.0169)
    fit.set("bbodyrad.kT", 0.8)
    fit.tie("bbodyrad.norm", "= 2*powerlaw.norm + 1e-3*p1^2 + 3")
    fit.tie("2:powerlaw.PhoIndex", "= p3 + sqrt(2:powerlaw.norm)/100")
    fit.prior("powerlaw.PhoIndex", Gaussian(1.9, 0.3))
    fit.limits("powerlaw.PhoIndex", 0, 4)
    path = fit.write_xcm(tmp_path / "fit.xcm")
    assert "data 2:2 det2_filt_src_I.pha" in path.read_text()
    again = read_xcm(path)
    assert again.statistic == pytest.approx(fit.statistic, rel=1e-9)
    assert again.dataset.settings == fit.dataset.settings
    assert again.priors == fit.priors
    again.table.refresh()
    for a, b in zip(again.table.parameters, fit.table.parameters, strict=True):
        assert (a.value, a.frozen, a.delta) == pytest.approx((b.value, b.frozen, b.delta), rel=1e-9)
        assert (a.hard_min, a.hard_max, a.tie is None) == (b.hard_min, b.hard_max, b.tie is None)


def test_whole_numbers_in_links_are_parameters(stokes, golden):
    """The session set the same links: 2*p3 is parameter 2 times parameter 3, 2.*p3 twice parameter 3."""
    session = Session(golden("xspec_sessions"), "e_two_groups_links")
    two = SpectrumSet([stokes[0], stokes[3]], groups=[1, 2], notice=[stokes.notice[0], stokes.notice[3]])
    head = "abund wilm\nmodel constant*TBabs(powerlaw+bbodyrad)\n"
    checked = 0
    for step in (20, 22, 24, 28, 32, 34, 38, 40, 42, 44, 48):
        link = session.steps[step]["code"].split("=", 1)[1].strip("'")
        values = session.values(step + 1)
        lines = "\n".join(repr(v) for v in values[:4])
        record = parse_xcm(f"{head}{lines}\n0.7\n36.0\n1.0\n= p2\n= p3\n= p4\n= p5\n= p6\nnewpar 5 = {link}")
        fit = record.fit(two)
        fit.table.refresh()
        assert fit["bbodyrad.kT"].tie
        assert fit["bbodyrad.kT"].value == pytest.approx(values[4], rel=1e-9), link
        checked += 1
    assert checked == 11


MINIMAL = "data 1:1 target_sr.pha\nresponse 1 swxpc0to12s6_20130101v014.rmf\narf 1 target_sr.arf\n"


@pytest.fixture
def swift(shared):
    return shared("swift", "2m0259_00092220001")


def test_hand_written_scripts(swift):
    record = parse_xcm(
        MINIMAL
        + """
        # comment
        query yes
        statis cstat
        ignore **-0.3 10.0-**;
        setplot energy
        model tbabs*pow & 0.1 -1 & 2.0 &
        1e-4
        newpar 2 1.7,0.02,,,3,3
        freeze 2
        untie 3
        thaw 2
        bayes 2 gauss 1.8 0.2
        fit 100
        cpd /xs
        plot ldata
        """
    )
    assert record.unknown == []
    assert record.skipped == ["fit 100"]
    fit = record.fit(folder=swift)
    assert fit["powerlaw.PhoIndex"].value == 1.7
    assert (fit["PhoIndex"].delta, fit["PhoIndex"].hard_min, fit["PhoIndex"].hard_max) == (0.02, -3, 3)
    assert fit["TBabs.nH"].frozen
    assert not fit["PhoIndex"].frozen
    assert fit.priors == {1: Gaussian(1.8, 0.2)}
    entry = fit.dataset.spectra[0]
    assert entry.statistic == "cstat"
    upper = entry.plan.rmf.e_max
    noticed = np.flatnonzero(entry.notice)
    # XSPEC's rule: a bin that ends at 0.3 or at 10 keV is ignored
    assert upper[noticed[0] - 1] >= 0.3 > upper[noticed[0] - 2]
    assert upper[noticed[-1] + 1] >= 10.0


def test_unknown_lines_are_all_listed(swift, tmp_path):
    path = tmp_path / "odd.xcm"
    path.write_text(MINIMAL + "frobnicate 3\nmodel pow\n2.0\n1e-4\nxset NEIVERS 3.0\nmodel 2:bkg pow\n1\n1\n")
    with pytest.raises(FitError, match=r"(?s)line 4: frobnicate 3.*line 8: xset NEIVERS.*line 9: model 2:bkg") as error:
        read_xcm(path, folder=swift)
    assert "odd.xcm" in str(error.value)
    with pytest.warns(WolterWarning, match="not understood and left out"):
        fit = read_xcm(path, folder=swift, strict=False)
    assert fit["powerlaw.norm"].value == 1e-4


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("data 1:1 nothing.pha\nmodel pow\n", ResponseError, "nothing.pha"),
        ("model pow\n", FitError, "names no data"),
        (MINIMAL, FitError, "holds no model"),
        (MINIMAL + "model pow\n1\n1\n1\n", FitError, "3 lines of parameters"),
        (MINIMAL + "model pow*tbabs(\n1\n", ModelError, "line 4"),
        (MINIMAL + "model pow\n1 abc\n1\n", FitError, "are not numbers"),
        (MINIMAL + "model pow\n= p9\n1\n", FitError, "link '= p9' of parameter 1"),
        (MINIMAL + "ignore 1:a-b\nmodel pow\n1\n1\n", FitError, "range 'a-b' is not understood"),
        (MINIMAL.replace("1:1", "1:2") + "model pow\n1\n1\n", FitError, "are not numbered"),
        (MINIMAL + "model pow\n1\n1\nnewpar\n", FitError, "is not understood"),
    ],
)
def test_mistakes(text, kind, message, swift, tmp_path):
    path = tmp_path / "wrong.xcm"
    path.write_text(text)
    with pytest.raises(kind, match=message):
        read_xcm(path, folder=swift)


def test_missing_file(tmp_path):
    with pytest.raises(FitError, match="cannot be read"):
        read_xcm(tmp_path / "no.xcm")


def test_what_xspec_cannot_hold(swift, tmp_path):
    spectrum = Spectrum.read(
        swift / "target_sr.pha", rmf=swift / "swxpc0to12s6_20130101v014.rmf.gz", arf=swift / "target_sr.arf"
    )
    with pytest.raises(FitError, match=r"not what its file holds \(grouping"):
        Fit([spectrum.group(channels=4)], "powerlaw", statistic="cstat").write_xcm(tmp_path / "a.xcm")
    with pytest.raises(FitError, match="has no file"):
        Fit([spectrum.replace(path=None)], "powerlaw", statistic="cstat").write_xcm(tmp_path / "a.xcm")
    fit = Fit([spectrum], "powerlaw", statistic="cstat")
    fit.prior("norm", LogUniform(1e-6, 1))
    with pytest.raises(FitError, match="no log-uniform prior"):
        fit.write_xcm(tmp_path / "a.xcm")
    assert not (tmp_path / "a.xcm").exists()
