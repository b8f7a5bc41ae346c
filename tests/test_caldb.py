"""Calibration databases on disk and on servers, lock files, building an index."""

# ruff: noqa: F401, F811 (fixtures that are imported)

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from astropy.io import fits as afits

import caldb_support as cs
from caldb_support import ROWS, acme, far, ixpe, served, surroundings
from wolter.caldb import Caldb, CaldbLock, build_index
from wolter.errors import CalibrationError, OutputError, TransportError, WolterWarning
from wolter.fits import file_sha256

# --- places and configuration ---------------------------------------------------------------------------------------


def test_paths_and_extensions(acme):
    found = Caldb(acme).query("acme", "cam", "gain")
    assert [f.path for f in found] == [
        f"{acme}/data/acme/cam/bcf/f0.fits",
        f"{acme}/data/acme/cam/cpf/f1.fits",
        f"{acme}/data/acme/cam/bcf/f2.fits",
    ]
    assert [f.ext for f in found] == [1, 1, 3]
    assert found[2].line() == f"{acme}/data/acme/cam/bcf/f2.fits   3"
    assert Caldb(acme).fetch(found) == [acme / f.place for f in found]


def test_environment(acme, tmp_path, monkeypatch):
    monkeypatch.setenv("CALDB", str(acme))
    assert Caldb().root == str(acme)
    assert len(Caldb().query("acme", "cam", "gain")) == 3
    other = tmp_path / "my.config"
    other.write_text("ACME PHONE CALDB data/acme/cam caldb.indx CALDB data/acme/cam\n")
    monkeypatch.setenv("CALDBCONFIG", str(other))
    assert Caldb().config_line("acme", "phone").directory == "data/acme/cam"
    with pytest.raises(CalibrationError, match=r"no instrument CAM.*my\.config|my\.config.*no instrument CAM"):
        Caldb().query("acme", "cam", "gain")
    # a root that is given goes before the environment, all of it
    assert len(Caldb(acme).query("acme", "cam", "gain")) == 3
    monkeypatch.setenv("CALDBCONFIG", str(tmp_path / "missing"))
    with pytest.raises(CalibrationError, match="configuration cannot be read"):
        Caldb().query("acme", "cam", "gain")
    monkeypatch.setenv("CALDB", str(tmp_path / "nowhere"))
    with pytest.raises(
        CalibrationError, match=r"here \(the environment variable CALDB names it\)\. Name the folder that holds data"
    ):
        Caldb()


def test_without_environment_it_is_the_public_server():
    assert Caldb().root == "https://heasarc.gsfc.nasa.gov/FTP/caldb"
    for mission, instrument, folder in (
        ("nustar", "fpma", "data/nustar/fpm"),
        ("swift", "sc", "data/swift/mis"),
        ("ixpe", "gpd", "data/ixpe/gpd"),
        ("xrism", "xtend", "data/xrism/xtend"),
    ):
        line = Caldb().config_line(mission, instrument)
        assert (line.device, line.directory, line.file) == ("CALDB", folder, "caldb.indx")


def test_a_tree_without_configuration(acme):
    (acme / "software/tools/caldb.config").unlink()
    assert len(Caldb(acme).query("ACME", "CAM", "GAIN")) == 3  # by the folders data/<mission>/<instrument>


def test_first_line_wins_and_devices(acme, tmp_path, monkeypatch):
    cs.write_index(tmp_path / "elsewhere/indices/caldb.indx", cs.files_rows({}))
    config = tmp_path / "config"
    config.write_text(
        "# comment\n\nACME CAM MYDEVICE indices caldb.indx X Y\nACME CAM CALDB data/acme/cam caldb.indx CALDB x\n"
        f"ACME CAM2 {tmp_path}/elsewhere indices caldb.indx CALDB x\n"
    )
    monkeypatch.setenv("MYDEVICE", str(tmp_path / "elsewhere"))
    found = Caldb(acme, config=config).query("acme", "cam", "gain")
    assert [f.path for f in found] == [f"{acme}/data/acme/cam/bcf/f0.fits"]  # files are below the root always
    assert len(Caldb(acme, config=config).index("acme", "cam2")) == 1
    config.write_text("ACME CAM CALDB data/acme/cam\n")
    with pytest.raises(CalibrationError, match="line 1 has 4 words"):
        Caldb(acme, config=config).query("acme", "cam", "gain")


def test_aliases(acme, tmp_path, monkeypatch):
    values = np.array([b"".join(v.ljust(10) for v in (b"CAMERA1", b"PHOTO", *[b""] * 98))])
    columns = [
        afits.Column("ALIAS", "10A", array=["CAM"]),
        afits.Column("ALIAS_NO", "I", array=[2]),
        afits.Column("VALUES", "1000A", dim="(10,100)", array=np.frombuffer(values[0], "S10").reshape(1, 100)),
    ]
    path = tmp_path / "alias_config.fits"
    afits.HDUList([afits.PrimaryHDU(), afits.BinTableHDU.from_columns(columns, name="ACME")]).writeto(path)
    assert len(Caldb(acme, aliases=path).query("acme", "photo", "gain")) == 3
    monkeypatch.setenv("CALDB", str(acme))
    monkeypatch.setenv("CALDBALIAS", str(path))
    assert len(Caldb().query("acme", "camera1", "gain")) == 3
    with pytest.raises(CalibrationError, match="aliases cannot be read"):
        Caldb(acme, aliases=tmp_path / "missing.fits").query("acme", "photo", "gain")


def test_index_changed_on_disk_is_read_again(acme):
    caldb = Caldb(acme)
    assert len(caldb.query("acme", "cam", "gain")) == 3
    cs.write_index(acme / "data/acme/cam/caldb.indx", cs.files_rows({}))
    assert len(caldb.query("acme", "cam", "gain")) == 1


def test_pinned_issue_of_the_index(acme):
    folder = acme / "data/acme/cam"
    cs.write_index(folder / "index/caldb.indx20200101", cs.files_rows(*ROWS[:1]))
    shutil.copy(folder / "caldb.indx", folder / "index/caldb.indx20230702")
    (folder / "caldb.indx").unlink()
    (folder / "caldb.indx").symlink_to("index/caldb.indx20230702")
    assert len(Caldb(acme).query("acme", "cam", "gain")) == 3
    assert Caldb(acme).index("acme", "cam").version == "20230702"
    for version in ("20200101", "caldb.indx20200101", {"acme/cam": "20200101"}):
        assert len(Caldb(acme, version=version).query("acme", "cam", "gain")) == 1
    assert len(Caldb(acme, version={"ACME/OTHER": "20200101"}).query("acme", "cam", "gain")) == 3
    with pytest.raises(CalibrationError, match=r"index is not there. Issues that are there: 20200101, 20230702"):
        Caldb(acme, version="20210101").query("acme", "cam", "gain")


def test_what_the_index_names_is_missing_or_off_line(acme):
    caldb = Caldb(acme)
    (acme / "data/acme/cam/bcf/f0.fits").unlink()
    with pytest.raises(CalibrationError, match=r"index names data/acme/cam/bcf/f0\.fits, which is not there"):
        caldb.fetch(caldb.find("acme", "cam", "gain"))
    cs.write_index(acme / "data/acme/cam/caldb.indx", cs.files_rows({"CAL_DEV": "TAPE 7"}))
    found = caldb.find("acme", "cam", "gain")
    assert found.line().split() == ["OFFLINE:", "TAPE", "7", found.path, "1"]
    with pytest.raises(CalibrationError, match="not on line but on TAPE 7"):
        caldb.fetch(found)


def test_question_of_a_header(acme):
    header = {"TELESCOP": "ACME", "INSTRUME": "CAM", "DETNAM": "A", "FILTER": "NONE", "DATE-OBS": "2009-01-01T10:00:00"}
    caldb = Caldb(acme)
    assert [f.name for f in caldb.query_for(header, "GAIN")] == ["f0.fits"]
    assert [f.name for f in caldb.query_for(header, "GAIN", date="-")] == ["f0.fits", "f2.fits"]
    with pytest.raises(CalibrationError, match="no INSTRUME"):
        caldb.query_for({"TELESCOP": "ACME"}, "GAIN")


# --- servers --------------------------------------------------------------------------------------------------------


def test_remote_and_local_give_the_same_answers(acme, served, far):
    near = Caldb(acme)
    caldb = far(config=acme / "software/tools/caldb.config")
    for question in ({}, {"detector": "A"}, {"date": "2010-01-01"}, {"expr": "THETA.eq.20"}, {"detector": "Z"}):
        ours, theirs = near.query("acme", "cam", "gain", **question), caldb.query("acme", "cam", "gain", **question)
        assert [(f.place, f.ext) for f in ours] == [(f.place, f.ext) for f in theirs]
        assert ours.explanation == theirs.explanation
        assert [f.path for f in theirs] == [f"{served.url}/{f.place}" for f in theirs]
    paths = caldb.fetch(caldb.query("acme", "cam", "gain"))
    assert [p.read_bytes() for p in paths] == [(acme / f.place).read_bytes() for f in near.query("acme", "cam", "gain")]
    moved = [p for p in served.log if p.endswith((".fits", ".indx"))]
    assert len(moved) == len(set(moved)) == 4  # the index once, each file once
    assert caldb.fetch(caldb.query("acme", "cam", "gain")) == paths
    far().fetch(far().query("acme", "cam", "gain"))  # another process, so to speak
    assert len([p for p in served.log if p.endswith((".fits", ".indx"))]) == 4


def test_configuration_comes_from_the_server_for_missions_that_are_not_installed(far):
    assert len(far().query("acme", "camera", "psf")) == 0
    with pytest.raises(CalibrationError, match="no mission NOONE"):
        far().query("noone", "cam", "gain")


def test_offline(served, far):
    with pytest.raises(CalibrationError, match=r"no mission ACME|no copy of this"):
        far(offline=True).query("acme", "cam", "gain")
    caldb = far()
    first = caldb.fetch(caldb.find("acme", "cam", "gain", detector="B"))
    served.stop()
    away = far(offline=True)
    found = away.query("acme", "cam", "gain")
    assert len(found) == 3
    assert away.fetch(found[1]) == first
    with pytest.raises(CalibrationError, match=r"f0\.fits has not been fetched yet"):
        away.fetch(found[0])


def test_server_is_down(served, far):
    caldb = far()
    caldb.query("acme", "cam", "gain")
    served.stop()
    old = far(max_age=0)
    with pytest.warns(WolterWarning, match=r"caldb.* cannot be fetched .*; the copy of \d{4}-"):
        found = old.query("acme", "cam", "gain")
    assert len(found) == 3
    with pytest.raises(TransportError, match="connection failed"):
        old.fetch(found)
    assert len(far().query("acme", "cam", "gain")) == 3  # young enough: the server is not asked


def test_old_copies_of_an_index_are_fetched_again(acme, far):
    assert len(far().query("acme", "cam", "gain")) == 3
    cs.write_index(acme / "data/acme/cam/caldb.indx", cs.files_rows({}))
    assert len(far().query("acme", "cam", "gain")) == 3
    assert len(far(max_age=0).query("acme", "cam", "gain")) == 1
    cs.write_index(acme / "data/acme/cam/caldb.indx", cs.files_rows({}, {}))
    assert len(far(max_age=None).query("acme", "cam", "gain")) == 2  # a server on this computer is asked every time
    assert Caldb("https://archive.example/caldb").max_age == 86400


def test_missing_on_the_server(acme, far, tmp_path):
    (acme / "data/acme/cam/bcf/f0.fits").unlink()
    caldb = far()
    with pytest.raises(TransportError, match="nothing at this address") as caught:
        caldb.fetch(caldb.find("acme", "cam", "gain"))
    assert caught.value.status == 404
    (acme / "data/acme/cam/caldb.indx").unlink()
    with pytest.raises(TransportError, match="nothing at this address"):
        far(cache=tmp_path / "fresh").query("acme", "cam", "gain")


def test_web_pages_are_no_calibration(acme, far):
    caldb = far()
    found = caldb.find("acme", "cam", "gain")
    (acme / found.place).write_bytes(b"<html>please log in</html>" + b" " * 5000)
    with pytest.raises(TransportError, match="not a FITS file"):
        caldb.fetch(found)
    assert not list(caldb.cache.rglob("f0.fits"))


def test_names_that_lead_out_of_the_cache(acme, far, tmp_path):
    cs.write_index(acme / "data/acme/cam/caldb.indx", cs.files_rows({"CAL_DIR": "../../..", "CAL_FILE": "stolen.fits"}))
    caldb = far()
    with pytest.raises(TransportError, match="leads out of the target folder"):
        caldb.fetch(caldb.find("acme", "cam", "gain"))
    assert not list(tmp_path.rglob("stolen.fits"))


def test_processes_fetch_at_the_same_time(acme, served, tmp_path):
    code = """
    import sys
    from wolter.caldb import Caldb
    caldb = Caldb(sys.argv[1], cache=sys.argv[2], lock=sys.argv[3])
    question = {"detector": sys.argv[4]} if sys.argv[4] != "-" else {}
    print(*caldb.fetch(caldb.query("acme", "cam", "gain", **question)), sep="\\n")
    """
    lock = tmp_path / "together.lock"
    words = [sys.executable, "-c", textwrap.dedent(code), served.url, str(tmp_path / "cache"), str(lock)]
    running = [
        subprocess.Popen([*words, d], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for d in "AB-A-B"
    ]
    done = [p.communicate(timeout=120) for p in running]
    assert [p.returncode for p in running] == [0] * 6, done
    paths = {line for out, _ in done for line in out.split()}
    assert len(paths) == 3
    for path in paths:
        with afits.open(path) as file:
            file.verify("exception")
    data = json.loads(lock.read_text())
    assert len(data["queries"]) == 3
    assert {n: one["sha256"] for n, one in data["files"].items()} == {n: file_sha256(acme / n) for n in data["files"]}
    assert len(data["files"]) == 3


# --- lock files -----------------------------------------------------------------------------------------------------


def test_lock_records_and_gives_the_same_again(acme, tmp_path):
    lock = tmp_path / "a.lock"
    caldb = Caldb(acme, lock=lock)
    question = {"detector": "A", "date": "2020-01-01"}
    first = caldb.query("acme", "cam", "gain", **question)
    paths = caldb.fetch(first)
    assert [f.name for f in first] == ["f2.fits"]
    data = json.loads(lock.read_text())
    assert data["root"] == str(acme)
    index = acme / "data/acme/cam/caldb.indx"
    assert data["indices"] == {
        file_sha256(index): {"instrument": "ACME/CAM", "place": "data/acme/cam/caldb.indx", "version": ""}
    }
    assert data["files"] == {
        "data/acme/cam/bcf/f2.fits": {"sha256": file_sha256(paths[0]), "size": paths[0].stat().st_size}
    }
    # a newer calibration appears: the analysis keeps its own
    cs.calibration_file(acme / "data/acme/cam/bcf/new.fits", 9.0)
    cs.write_index(index, cs.files_rows(*ROWS, {"REF_TIME": 57000.0, "CAL_FILE": "new.fits"}))
    assert [f.name for f in Caldb(acme).query("acme", "cam", "gain", **question)] == ["new.fits"]
    again = Caldb(lock=lock)  # the root is in the lock
    assert list(again.query("ACME", "CAM", "GAIN", **question)) == list(first)
    assert again.fetch(first) == paths
    assert again.fetch_locked() == {"data/acme/cam/bcf/f2.fits": paths[0]}
    with pytest.warns(WolterWarning, match="has changed since other questions were recorded"):
        again.query("acme", "cam", "gain", detector="B")


def test_lock_refuses_other_files(acme, tmp_path):
    lock = tmp_path / "a.lock"
    caldb = Caldb(acme, lock=lock)
    path = caldb.fetch(caldb.query("acme", "cam", "gain"))[0]
    cs.calibration_file(path, 77.0)
    for again in (Caldb(acme, lock=lock), Caldb(acme, lock=lock, frozen=True)):
        with pytest.raises(CalibrationError, match="not the file that the analysis used: SHA-256") as caught:
            again.fetch(again.query("acme", "cam", "gain"))
        assert caught.value.file == str(path)
    with pytest.raises(CalibrationError, match="not the file that the analysis used"):
        Caldb(lock=lock).fetch_locked()


def test_lock_works_from_another_copy_of_the_database(acme, served, far, tmp_path):
    lock = tmp_path / "a.lock"
    near = Caldb(acme, lock=lock)
    near.fetch(near.query("acme", "cam", "gain"))
    caldb = far(lock=lock, frozen=True)
    paths = caldb.fetch(caldb.query("acme", "cam", "gain"))
    assert all(str(p).startswith(str(tmp_path / "cache")) for p in paths)
    changed = cs.calibration_file(acme / "data/acme/cam/bcf/f0.fits", 5.0)
    paths[0].unlink()
    assert changed.stat().st_size == json.loads(lock.read_text())["files"]["data/acme/cam/bcf/f0.fits"]["size"]
    with pytest.raises(CalibrationError, match="not the file that the analysis used"):
        caldb.fetch(caldb.query("acme", "cam", "gain"))


def test_frozen_lock(acme, tmp_path):
    with pytest.raises(CalibrationError, match="lock file is not there"):
        Caldb(acme, lock=tmp_path / "none.lock", frozen=True)
    with pytest.raises(CalibrationError, match="needs a lock file"):
        Caldb(acme, frozen=True)
    caldb = Caldb(acme, lock=tmp_path / "a.lock")
    caldb.query("acme", "cam", "gain", detector="A")
    nothing = caldb.query("acme", "cam", "gain", detector="Z")
    frozen = Caldb(acme, lock=tmp_path / "a.lock", frozen=True)
    assert frozen.query("acme", "cam", "gain", detector="Z").explanation == nothing.explanation
    with pytest.raises(CalibrationError, match="not in the lock file, which is frozen"):
        frozen.query("acme", "cam", "gain", detector="B")
    with pytest.raises(CalibrationError, match=r"f0\.fits is not in the lock file"):
        frozen.fetch(frozen.query("acme", "cam", "gain", detector="A"))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "poetry"}', '{"format": "wolter caldb lock", "files": 1}'])
def test_what_is_no_lock_file(tmp_path, text):
    path = tmp_path / "a.lock"
    path.write_text(text)
    with pytest.raises(CalibrationError, match="not a lock file"):
        CaldbLock(path)
    assert path.read_text() == text


def test_lock_of_another_version(acme, tmp_path):
    path = tmp_path / "a.lock"
    Caldb(acme, lock=path).query("acme", "cam", "gain")
    path.write_text(
        path.read_text().replace('"version": 1,', '"version": 2,').replace('"version": 1\n', '"version": 2\n')
    )
    with pytest.raises(CalibrationError, match="has version 2, this Wolter reads 1"):
        CaldbLock(path)


# --- building an index ----------------------------------------------------------------------------------------------


def test_built_index_holds_what_headers_say(ixpe):
    path = ixpe / "data/ixpe/gpd/caldb.indx"
    with afits.open(path, checksum=True) as file:
        table = file[1].data
        names = {(d, f, int(x)) for d, f, x in zip(table["CAL_DIR"], table["CAL_FILE"], table["CAL_XNO"], strict=True)}
        rows = {(r["CAL_FILE"], int(r["CAL_XNO"])): r for r in table}
        assert table["CAL_CBD"].shape == (len(table), 9)
    expected = set()
    for file in sorted(ixpe.rglob("*.[amr][rm]f")):
        with afits.open(file) as hdus:
            for number, hdu in enumerate(hdus):
                if "CCNM0001" not in hdu.header:
                    continue
                expected.add((file.parent.relative_to(ixpe).as_posix(), file.name, number))
                row = rows[file.name, number]
                h = hdu.header
                assert [row[c] for c in ("TELESCOP", "INSTRUME", "DETNAM")] == [h["TELESCOP"], "GPD", h["DETNAM"]]
                assert (row["CAL_CNAM"], row["CAL_VSD"], row["CAL_CBD"][0]) == (
                    h["CCNM0001"], h["CVSD0001"], h["CBD10001"],
                )  # fmt: skip
    assert names == expected
    assert len(expected) == 24  # 6 files of 3 detectors, matrices with two tables


def test_superseded_files_and_refusals(shared, tmp_path):
    home = cs.ixpe_files(tmp_path, shared("ixpe", "pseudo_caldb"))
    build_index(home, superseded=["ixpe_d1_20170101_01.rmf"])
    caldb = Caldb(tmp_path)
    assert [f.name for f in caldb.query("ixpe", "gpd", "MATRIX", detector="DU1")] == [
        "ixpe_d1_20170101_alpha075_02.rmf"
    ]
    with pytest.raises(OutputError):
        build_index(home)
    with pytest.raises(CalibrationError, match=r"no file wrong\.rmf"):
        build_index(home, superseded=["wrong.rmf"], overwrite=True)
    with pytest.raises(CalibrationError, match="not below the root"):
        build_index(home, root=tmp_path / "data/other", overwrite=True)
    with pytest.raises(CalibrationError, match="no such folder"):
        build_index(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CalibrationError, match="no file in the folder has calibration keywords"):
        build_index(tmp_path / "empty")
