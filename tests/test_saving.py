"""Saved fits come back as they were, notice changed files, and refuse what they cannot hold."""

from __future__ import annotations

import json
import shutil
import warnings

import astropy.units as u
import numpy as np
import pytest

from golden_session import Session
from wolter.data import ARF, Spectrum, SpectrumSet
from wolter.errors import DataError, FitError, OutputError, WolterWarning
from wolter.fit import Fit
from wolter.models import Model, Settings

BAND = (2 * u.keV, 8 * u.keV)


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WolterWarning)
        yield


@pytest.fixture(scope="module")
def stokes(shared):
    folder = shared("ixpe", "mrk501_01004601")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WolterWarning)
        files = [folder / f"det{d}_filt_src_{s}.pha" for d in (1, 2, 3) for s in "IQU"]
        return SpectrumSet.read(files, groups=[1, 1, 1, 2, 2, 2, 3, 3, 3]).select(*BAND)


@pytest.fixture
def burst(shared, tmp_path):
    """A spectrum with background and responses in a folder of its own."""
    folder = shared("swift", "grb070110_00255445000")
    for name in ("interval0pcsource.pi", "interval0pcback.pi", "interval0pc.rmf", "interval0pc.arf"):
        shutil.copyfile(folder / name, tmp_path / name)
    return read_burst(tmp_path)


def read_burst(folder):
    return Spectrum.read(
        folder / "interval0pcsource.pi",
        rmf=folder / "interval0pc.rmf",
        arf=folder / "interval0pc.arf",
        background=folder / "interval0pcback.pi",
    )


def same_rows(one, other):
    for a, b in zip(one.parameters, other.parameters, strict=True):
        assert a == b


def test_nine_spectra_with_ties_and_errors(stokes, tmp_path, golden):
    fit = Fit(stokes, "polconst*TBabs*(constant*powerlaw)", settings=Settings(abund="wilm"))
    fit.free_by_group("constant.factor")
    fit.freeze("TBabs.nH")
    fit.set("TBabs.nH", 0.0169)
    fit.tie("2:powerlaw.norm", "= 1.01*p6")
    fit.limits("powerlaw.PhoIndex", 0, 4)
    fit.run()
    intervals = fit.error("polconst.A", "2:constant.factor", level=0.9)
    path = fit.save(tmp_path / "fit.json")
    again = Fit.load(path)
    assert again.statistic == pytest.approx(fit.statistic, rel=1e-12)
    same_rows(fit, again)
    assert again.fitted
    assert again.result is not None
    assert again.result.messages == fit.result.messages
    np.testing.assert_array_equal(again.covariance, fit.covariance)
    assert again.to_dict()["spectra"] == fit.to_dict()["spectra"]
    assert again["2:powerlaw.norm"].tie == "1.01*p6"
    assert again["PhoIndex"].hard_max == 4
    # and it goes on from there
    repeated = again.error("polconst.A", "2:constant.factor", level=0.9)
    np.testing.assert_allclose([e.upper for e in repeated], [e.upper for e in intervals], rtol=1e-6)
    assert again.run().statistic == pytest.approx(fit.statistic, abs=1e-4)


def test_statistic_of_a_recorded_session_after_the_round_trip(stokes, tmp_path, golden):
    session = Session(golden("xspec_sessions"), "d_ixpe_mrk501")
    step = 92
    values = session.values(step)
    model = Model("polconst*TBabs*(constant*powerlaw)", settings=Settings(abund="wilm"))
    assert len(values) == 3 * len(model.parameters)
    fit = Fit(stokes, model)
    fit.free_by_group("constant.factor")
    for i, value in enumerate(values):
        if fit.table.parameters[i].tie is None:
            fit.table.parameters[i].value = value
    fit.save(tmp_path / "fit.json")
    expected = session.statistic(step)
    assert Fit.load(tmp_path / "fit.json").statistic == pytest.approx(expected, rel=1e-5)


def test_grouping_and_noticed_bins_made_in_memory(burst, tmp_path):
    grouped = burst.group(min_counts=20)
    fit = Fit(SpectrumSet([grouped]).select(0.3 * u.keV, 10 * u.keV), "TBabs*powerlaw", weight="gehrels")
    fit.run()
    again = Fit.load(fit.save(tmp_path / "grouped.json"))
    assert again.n_bins == fit.n_bins
    assert again.statistic == pytest.approx(fit.statistic, rel=1e-12)
    assert again.dataset.weight == "gehrels"
    np.testing.assert_array_equal(again.dataset.spectra[0].notice, fit.dataset.spectra[0].notice)


def test_spectra_and_areas_that_have_no_file(burst, tmp_path):
    dimmed = ARF(burst.arf.energ_lo, burst.arf.energ_hi, 0.7 * burst.arf.specresp)
    made = burst.replace(values=burst.values + 3.0, path=None, arf=dimmed, xflt={"inner": 2.5})
    fit = Fit([made], "powerlaw", statistic="cstat")
    again = Fit.load(fit.save(tmp_path / "fit.json"))
    assert again.statistic == fit.statistic
    restored = again.spectra[0]
    assert restored.path is None
    assert restored.xflt == {"inner": 2.5}
    assert restored.background.path == burst.background.path


def test_priors_and_bayes(burst, tmp_path):
    fit = Fit([burst], "powerlaw", statistic="cstat")
    fit.prior("PhoIndex", "gauss 2.0 0.1")
    fit.bayes = True
    again = Fit.load(fit.save(tmp_path / "fit.json"))
    assert again.bayes
    assert again.priors == fit.priors
    assert again.statistic == fit.statistic


def test_unfitted_and_stale_fits(burst, tmp_path):
    fit = Fit([burst], "powerlaw", statistic="cstat")
    fit.run()
    fit.set("PhoIndex", 1.3)
    again = Fit.load(fit.save(tmp_path / "fit.json"))
    assert not again.fitted
    assert again.result is None
    assert again["PhoIndex"].value == 1.3


def test_folder_moves_with_its_data(burst, tmp_path):
    fit = Fit([burst], "powerlaw", statistic="cstat")
    fit.save(tmp_path / "fit.json")
    moved = tmp_path.parent / f"{tmp_path.name}_moved"
    tmp_path.rename(moved)
    again = Fit.load(moved / "fit.json")
    assert again.statistic == fit.statistic
    assert again.spectra[0].path.parent == moved
    apart = moved / "elsewhere"
    apart.mkdir()
    (moved / "fit.json").rename(apart / "fit.json")
    with pytest.raises(DataError, match="looked for"):
        Fit.load(apart / "fit.json")
    assert Fit.load(apart / "fit.json", folder=moved).statistic == fit.statistic


@pytest.mark.parametrize("name", ["interval0pcsource.pi", "interval0pcback.pi", "interval0pc.rmf", "interval0pc.arf"])
def test_changed_files_are_noticed(burst, tmp_path, name):
    fit = Fit([burst], "powerlaw", statistic="cstat")
    fit.save(tmp_path / "fit.json")
    with open(tmp_path / name, "ab") as file:
        file.write(b"\0" * 2880)
    with pytest.raises(DataError, match=rf"{name}.*changed since the fit was saved.*changed='warn'"):
        Fit.load(tmp_path / "fit.json")
    with pytest.warns(WolterWarning, match="has changed since"):
        Fit.load(tmp_path / "fit.json", changed="warn")


def test_another_statistic_is_said(burst, tmp_path):
    fit = Fit([burst], "powerlaw", statistic="cstat")
    path = fit.save(tmp_path / "fit.json")
    state = json.loads(path.read_text())
    state["statistic_value"] += 5
    path.write_text(json.dumps(state))
    with pytest.warns(WolterWarning, match="the statistic is .* now and was"):
        Fit.load(path)


def test_what_cannot_be_saved_or_loaded(burst, tmp_path):
    fit = Fit([burst], "powerlaw", statistic="cstat")
    path = fit.save(tmp_path / "fit.json")
    before = path.read_bytes()
    with pytest.raises(OutputError):
        fit.save(path)
    assert path.read_bytes() == before
    rmf = burst.rmf
    from wolter.data import RMF

    alone = RMF(rmf.energ_lo, rmf.energ_hi, rmf.e_min, rmf.e_max, rmf.matrix, first_channel=rmf.first_channel)
    with pytest.raises(FitError, match="in memory only"):
        Fit([burst.replace(rmf=alone)], "powerlaw", statistic="cstat").save(tmp_path / "other.json")
    assert not (tmp_path / "other.json").exists()
    (tmp_path / "text.json").write_text("{")
    with pytest.raises(FitError, match="not a saved fit"):
        Fit.load(tmp_path / "text.json")
    (tmp_path / "text.json").write_text('{"format": "something"}')
    with pytest.raises(FitError, match="not a saved fit"):
        Fit.load(tmp_path / "text.json")
    (tmp_path / "text.json").write_text('{"format": "wolter fit", "version": 99}')
    with pytest.raises(FitError, match="version 99"):
        Fit.load(tmp_path / "text.json")
    with pytest.raises(FitError, match="cannot be read"):
        Fit.load(tmp_path / "nothing.json")
    with pytest.raises(FitError, match="is not understood"):
        Fit.load(path, changed="ignore")


def test_the_file_is_strict_json(burst, tmp_path):
    fit = Fit([burst], "powerlaw", statistic="cstat")
    path = fit.save(tmp_path / "fit.json")

    def refuse(text):
        raise AssertionError(text)

    state = json.loads(path.read_text(), parse_constant=refuse)
    assert state["spectra"][0]["file"] == "interval0pcsource.pi"
    import hashlib

    digest = hashlib.sha256((tmp_path / "interval0pcsource.pi").read_bytes()).hexdigest()
    assert state["spectra"][0]["sha256"] == digest
