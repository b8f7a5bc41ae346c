"""Calibration databases in use: the task quzcif, the command line, responses for spectra."""

# ruff: noqa: F401, F811 (fixtures that are imported)

from __future__ import annotations

import http.server
import json
import os
import re
import shutil

import pytest

import caldb_support as cs
import wolter.compat.heasoftpy as hsp
from caldb_support import Served, acme, ixpe, served, surroundings
from wolter import tasks
from wolter.caldb import Caldb, CalibrationIndex, build_index
from wolter.errors import CalibrationError, ResponseError, WolterWarning

# --- quzcif ---------------------------------------------------------------------------------------------------------


def seed_cell(text, marker):
    """The code cell of a MyST notebook that holds a text."""
    cells = re.findall(r"```\{code-cell\} python\n(.*?)```", text, re.DOTALL)
    return next(re.sub(r"^:tags:.*\n", "", c) for c in cells if marker in c)


@pytest.mark.parametrize("where", ["local", "remote"])
def test_cells_of_the_ixpe_tutorial(ixpe, shared, monkeypatch, where):
    """The cells that ask quzcif for responses, as they are written."""
    text = next(shared().parent.joinpath("seeds").glob("000_*.txt")).read_text(encoding="utf-8")
    server = Served(ixpe) if where == "remote" else None
    root = str(ixpe) if server is None else server.url
    monkeypatch.setenv("CALDB", root)
    monkeypatch.setenv("XDG_CACHE_HOME", str(ixpe / "cache"))
    space = {"hsp": hsp, "evt_file_paths": {"det1": "a", "det2": "b", "det3": "c"}}
    try:
        exec(seed_cell(text, 'rmf_ver = "02"'), space)
        exec(seed_cell(text, "rmf_res = hsp.quzcif("), space)
    finally:
        if server is not None:
            server.stop()
    gpd = f"{root}/data/ixpe/gpd/cpf"
    assert space["resps"] == {
        f"det{d}": {
            "rmf": f"{gpd}/rmf/ixpe_d{d}_20170101_alpha075_02.rmf",
            "arf": f"{gpd}/arf/ixpe_d{d}_20170101_alpha075_03.arf",
            "mrf": f"{gpd}/mrf/ixpe_d{d}_20170101_alpha075_03.mrf",
        }
        for d in (1, 2, 3)
    }


def test_quzcif_as_task(acme, monkeypatch):
    monkeypatch.setenv("CALDB", str(acme))
    words = {"mission": "acme", "instrument": "cam", "codename": "gain", "date": "-", "time": "-"}
    done = tasks.run("quzcif", **words)
    base = f"{acme}/data/acme/cam"
    assert done.messages == [f"{base}/bcf/f0.fits   1", f"{base}/cpf/f1.fits   1", f"{base}/bcf/f2.fits   3"]
    assert done.parameters["nfound"] == 3
    assert done.parameters["detector"] == "-"
    one = tasks.run("quzcif", **words, maxret=1, chatter=20)
    assert one.messages[-1] == f"{base}/bcf/f0.fits   1"
    assert one.messages[0] == "Warning: More files were found than are shown here"
    assert one.parameters["nfound"] == 3
    many = tasks.run("quzcif", **words, maxret=60)
    assert many.messages[:2] == ["Warning: maxret cannot be greater than 50", "Resetting maxret to 50"]


def test_quzcif_without_an_answer(acme, monkeypatch):
    monkeypatch.setenv("CALDB", str(acme))
    words = {"mission": "acme", "instrument": "cam", "codename": "gain", "date": "1990-01-01", "time": "00:00:00"}
    with pytest.warns(WolterWarning, match="earliest data set that fits is valid from 2006-09-22"):
        done = tasks.run("quzcif", **words)
    assert done.messages == ["No datasets found matching selection criteria"]
    assert (done.returncode, done.parameters["nfound"]) == (0, 0)
    failed = tasks.run("quzcif", check=False, **words | {"mission": "acmee"})
    assert failed.returncode == 1
    assert "Did you mean 'ACME'?" in failed.messages[0]
    failed = tasks.run("quzcif", check=False, **words | {"date": "soon"})
    assert "'soon' is not a date" in failed.messages[0]
    failed = tasks.run("quzcif", check=False, **words, expr="theta=5")
    assert "is not understood" in failed.messages[0]


def test_quzcif_retrieve(acme, served, tmp_path, monkeypatch):
    monkeypatch.setenv("CALDB", served.url)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    words = {"mission": "acme", "instrument": "cam", "codename": "gain", "date": "-", "time": "-", "detector": "B"}
    result = hsp.quzcif(**words)
    assert result.output == [f"{served.url}/data/acme/cam/cpf/f1.fits   1"]
    assert not (tmp_path / "f1.fits").exists()
    result = hsp.quzcif(**words, retrieve=True)
    assert result.stdout == "f1.fits   1"
    assert (tmp_path / "f1.fits").read_bytes() == (acme / "data/acme/cam/cpf/f1.fits").read_bytes()
    again = hsp.quzcif(**words, retrieve=True)
    assert again.returncode == 1
    assert "file of this name already" in again.stdout
    assert hsp.quzcif(**words, retrieve=True, clobber=True).returncode == 0
    monkeypatch.setenv("CALDB", str(acme))  # a local database: nothing is copied
    assert hsp.quzcif(**words, retrieve=True).stdout == f"{acme}/data/acme/cam/cpf/f1.fits   1"


# --- command line ---------------------------------------------------------------------------------------------------


def test_command_line(acme, tmp_path, run):
    status, out, _ = run("caldb", "query", "acme", "cam", "gain", "--root", acme, "--detector", "A", "--date", "now")
    assert (status, out) == (0, f"{acme}/data/acme/cam/bcf/f2.fits   3\n")
    status, out, err = run("caldb", "query", "acme", "cam", "gain", "--root", acme, "--detector", "Q")
    assert (status, out) == (1, "")
    assert "no data set has detector Q; the index has A, B" in err
    status, out, _ = run("caldb", "query", "acme", "cam", "gain", "--root", acme, "--detector", "Q", "--json")
    assert status == 1
    assert json.loads(out)["files"] == []
    lock = tmp_path / "a.lock"
    words = ("caldb", "fetch", "acme", "cam", "gain", "--root", acme, "--expr", "THETA.eq.5", "--lock", lock)
    status, out, _ = run(*words, "--to", tmp_path / "here", "--json")
    assert status == 0
    assert [os.path.basename(f["path"]) for f in json.loads(out)["files"]] == ["f0.fits", "f1.fits", "f2.fits"]
    assert len(list((tmp_path / "here").iterdir())) == 3
    status, _, err = run(*words, "--to", tmp_path / "here")
    assert status == 1
    assert "--overwrite" in err
    status, out, err = run("caldb", "lock", lock)
    assert status == 0
    assert len(out.split()) == 3
    cs.calibration_file(acme / "data/acme/cam/bcf/f0.fits", 99.0)
    status, _, err = run("caldb", "lock", lock)
    assert status == 1
    assert "not the file that the analysis used" in err
    assert run("caldb", "query", "acme", "cam", "gain", "--root", acme, "--frozen")[0] == 2


def test_command_line_builds_an_index(shared, tmp_path, run):
    home = cs.ixpe_files(tmp_path, shared("ixpe", "pseudo_caldb"))
    status, out, err = run("caldb", "index", home)
    assert (status, out) == (0, f"{home}/caldb.indx\n")
    assert "24 data sets" in err
    assert len(CalibrationIndex.read(home / "caldb.indx")) == 24


# --- responses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stokes", "infix"), [("neff", "alpha075_"), ("unweighted", "")])
def test_responses_of_an_observation(ixpe, shared, monkeypatch, stokes, infix):
    from wolter import Observation

    observation = Observation(shared("ixpe", "sim_mrk501_01004701", "01004701"))
    spectra = observation.spectra(stokes=stokes, responses=Caldb(ixpe), detectors=["DU2"])
    version = {"alpha075_": "02", "": "01"}[infix]
    assert {os.path.basename(s.rmf.path) for s in spectra} == {f"ixpe_d2_20170101_{infix}{version}.rmf"}
    assert [os.path.basename(s.arf.path) for s in spectra] == [
        f"ixpe_d2_20170101_{infix}03.arf", *[f"ixpe_d2_20170101_{infix}03.mrf"] * 2,
    ]  # fmt: skip
    monkeypatch.setenv("CALDB", str(ixpe))
    same = observation.spectra(stokes=stokes, responses="caldb", detectors=["DU2"])
    assert [(s.rmf.path, s.arf.path) for s in same] == [(s.rmf.path, s.arf.path) for s in spectra]


def test_responses_that_the_database_does_not_have(ixpe, acme):
    from wolter import find_responses

    header = {"TELESCOP": "IXPE", "INSTRUME": "GPD", "DETNAM": "DU1", "DATE-OBS": "2022-07-09T00:00:00"}
    with pytest.raises(ResponseError, match=r"no RMF for IXPE GPD DU1 SIMPLE: WEIGHT.eq.ALPHA075SIMPLE excludes all"):
        find_responses(Caldb(ixpe), **_words(header), weighting="simple")
    with pytest.raises(ResponseError, match=r"no RMF .* earliest data set that fits is valid from 2017-01-01"):
        find_responses(Caldb(ixpe), **_words(header | {"DATE-OBS": "2016-05-05"}), weighting="neff")
    for telescop in ("NUSTAR", "ACME"):
        with pytest.raises(ResponseError, match=f"holds no responses of {telescop}"):
            find_responses(Caldb(acme), **_words(header | {"TELESCOP": telescop}))
    with pytest.raises(ResponseError, match="no calibration is known for spectra with STOKESWT ODD"):
        find_responses(Caldb(ixpe), **_words(header), weighting="odd")


def _words(header):
    return {
        "telescop": header["TELESCOP"], "instrume": header["INSTRUME"], "detnam": header["DETNAM"],
        "date": header["DATE-OBS"],
    }  # fmt: skip


def test_compat_xspec_reads_responses_by_address(ixpe, shared, tmp_path, monkeypatch):
    """What quzcif gives for a database on a server goes into PyXspec's response as it is."""
    from wolter.archive import ArchiveServer
    from wolter.compat import xspec

    folder = tmp_path / "archive"
    shutil.copytree(ixpe / "data", folder / "caldb/data")
    spectrum = shared("ixpe", "mrk501_01004601", "det1_filt_src_I.pha")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    with ArchiveServer(folder, port=0) as server:
        monkeypatch.setenv("CALDB", f"{server.url}/FTP/caldb")
        asked = {"mission": "ixpe", "instrument": "gpd", "detector": "DU1", "date": "-", "time": "-"}
        rmf, arf = (
            hsp.quzcif(**asked, codename=c, expr="WEIGHT.eq.ALPHA075").output[0].split()[0]
            for c in ("MATRIX", "SPECRESP")
        )
        assert rmf.startswith(server.url)
        xspec.AllData.clear()
        xspec.AllData(str(spectrum))
        s = xspec.AllData(1)
        s.response, s.response.arf = rmf, arf
        assert s.response.rmf == rmf
        near = str(ixpe / rmf.partition("/FTP/caldb/")[2])
        far_energies = list(s.response.energies)
        s.response = near
        assert list(s.response.energies) == far_energies
        xspec.AllData.clear()


def test_command_line_takes_responses_of_the_database(ixpe, shared, tmp_path, run, monkeypatch):
    monkeypatch.setenv("CALDB", str(ixpe))
    events = shared("ixpe", "sim_mrk501_01004701", "01004701")
    status, out, err = run(
        "extract",
        events,
        "--detector",
        "DU1",
        "--stokes",
        "neff",
        "--responses",
        "caldb",
        "--output",
        tmp_path,
        "--json",
    )
    assert status == 0, err
    spectra = json.loads(out)["spectra"]
    assert {os.path.basename(s["rmf"]) for s in spectra} == {"ixpe_d1_20170101_alpha075_02.rmf"}
    monkeypatch.setenv("CALDB", str(tmp_path / "nothing"))
    status, _, err = run("extract", events, "--responses", "caldb", "--output", tmp_path / "x")
    assert status == 1
    assert "no calibration database here" in err
    assert run("extract", events, "--responses", tmp_path / "nofolder")[0] == 2


def test_an_analysis_is_locked_to_its_responses(shared, tmp_path, monkeypatch, run):
    home = cs.ixpe_files(tmp_path / "caldb", shared("ixpe", "pseudo_caldb"))
    build_index(home)
    monkeypatch.setenv("CALDB", str(tmp_path / "caldb"))
    events, lock = shared("ixpe", "sim_mrk501_01004701", "01004701"), tmp_path / "analysis.lock"
    words = ["extract", events, "--detector", "DU1", "--stokes", "neff", "--responses", f"caldb:{lock}", "--json"]
    status, out, err = run(*words, "--output", tmp_path / "one")
    assert status == 0, err
    first = [(os.path.basename(s["rmf"]), os.path.basename(s["arf"])) for s in json.loads(out)["spectra"]]
    names = {n.rpartition("/")[2] for n in json.loads(lock.read_text())["files"]}
    assert names == {name for pair in first for name in pair}
    newer = home / "cpf/arf/ixpe_d1_20240101_alpha075_04.arf"
    shutil.copyfile(home / "cpf/arf/ixpe_d1_20170101_alpha075_03.arf", newer)
    build_index(home, overwrite=True, superseded=["ixpe_d1_20170101_alpha075_03.arf"])
    status, out, _ = run(*words, "--output", tmp_path / "two")
    assert [(os.path.basename(s["rmf"]), os.path.basename(s["arf"])) for s in json.loads(out)["spectra"]] == first
    lock.unlink()
    status, out, _ = run(*words, "--output", tmp_path / "three")
    assert os.path.basename(json.loads(out)["spectra"][0]["arf"]) == newer.name


def test_roots_that_cannot_be(tmp_path, monkeypatch):
    with pytest.raises(CalibrationError, match="cannot be read by this protocol"):
        Caldb("ftp://legacy.gsfc.nasa.gov/caldb")
    monkeypatch.setenv("HOME", str(tmp_path))
    cs.make_database(tmp_path / "mine", cs.files_rows({}))
    assert Caldb("~/mine").root == str(tmp_path / "mine")
    assert Caldb(f"file://{tmp_path}/mine").find("acme", "cam", "gain").path.startswith(f"{tmp_path}/mine/data")


def test_pointed_clients_ask_the_servers_database(monkeypatch):
    from wolter.compat.archives import point_clients, release_clients

    point_clients("http://127.0.0.1:9")
    assert os.environ["CALDB"] == Caldb().root == "http://127.0.0.1:9/FTP/caldb"
    release_clients()
    assert "CALDB" not in os.environ
    monkeypatch.setenv("CALDB", "/my/own")
    point_clients("http://127.0.0.1:9")
    assert os.environ["CALDB"] == "/my/own"  # what the user has said stays
    release_clients()
    assert os.environ["CALDB"] == "/my/own"


def test_a_folder_without_an_index_says_how_to_make_one(tmp_path):
    with pytest.raises(
        CalibrationError, match=r"caldb\.indx: the index is not there\. Make it with wolter caldb index"
    ):
        Caldb(tmp_path).query("ixpe", "gpd", "MATRIX")
