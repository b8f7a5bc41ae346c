"""The library: what covers a position, products made once, by however many processes, whatever happens to them."""

from __future__ import annotations

import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from wolter import fits
from wolter.errors import DataError, MissionError, OutputError, WolterWarning
from wolter.sources import Library


@pytest.fixture
def library(tmp_path):
    return Library(tmp_path / "library")


def write(path, value=1.0):
    fits.write(path, [fits.new_image(np.full((4, 4), value))], overwrite=True)


def test_observations_and_what_they_cover(library, shared):
    library.add(shared("xmm"))
    library.add(shared("swift", "1whsp_0126+33_00085374001"))
    assert [e.obsid for e in library.observations(mission="xmm_epic")] == ["0201903501", "0404910601", "0693760101"]
    # Abell 907, as the tutorial gives it: both observations see it, the nearer pointing first.
    cluster = SkyCoord(149.59209, -11.05972, unit="deg")
    found = library.covering(cluster)
    assert {e.obsid for e in found} == {"0201903501", "0404910601"}
    offsets = [SkyCoord(e.ra, e.dec, unit="deg").separation(cluster).deg for e in found]
    assert offsets == sorted(offsets)
    assert found[0].regions.name.endswith("_sources.reg")
    assert found[0].detectors == ("PN", "M1", "M2")
    assert library.covering("01:26:57 +33:07:00", mission="xmm_epic") == []
    assert [e.obsid for e in library.covering("01:26:57 +33:07:00")] == ["00085374001"]
    far = cluster.directional_offset_by(0 * u.deg, 20 * u.arcmin)
    assert library.covering(far) == []
    assert {e.obsid for e in library.covering(far, margin=10 * u.arcmin)} == {"0201903501", "0404910601"}
    assert library.observation("0201903501").open().obsid == "0201903501"


def test_an_observation_of_scattered_files(library, shared, tmp_path):
    folder = shared("xmm", "a907_0201903501")
    names = ["mos1_exp1_clean_evts.fits", "0201903501_mos1_exp1-0.50-2.00keVimg.fits"]
    (entry,) = library.add([folder / name for name in names], regions=folder / "0201903501_sources.reg")
    again = library.observation("0201903501")
    assert again == entry
    assert {role.path.name for role in again.open().files} == set(names)
    assert again.detectors == ("M1",)
    assert again.regions == folder / "0201903501_sources.reg"


def test_unknown_observation_and_folder(library, tmp_path):
    with pytest.raises(DataError, match="no observation '0201903501'"):
        library.observation("0201903501")
    with pytest.raises(DataError, match="no such file or folder"):
        library.add(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissionError):
        library.add(tmp_path / "empty")


def test_a_product_is_made_once(library, tmp_path):
    source = tmp_path / "in.txt"
    source.write_text("one")
    calls = []

    def make(path):
        calls.append(path)
        write(path)

    first = library.product("image", [source], {"lo": 0.5}, make, obsid="1", detector="PN")
    assert library.product("image", [source], {"lo": 0.5}, make) == first
    assert Library(library.folder).product("image", [source], {"lo": 0.5}, make) == first
    assert len(calls) == 1
    assert library.product("image", [source], {"lo": 2.0}, make) != first
    source.write_text("two!")
    assert library.product("image", [source], {"lo": 0.5}, make) != first
    assert len(calls) == 3
    assert [p.parameters["lo"] for p in library.products(kind="image", obsid="1")] == [0.5]


def test_inputs_touched_but_unchanged_give_the_same_product(library, tmp_path):
    source = tmp_path / "in.txt"
    source.write_text("one")
    first = library.product("image", [source], {}, write)
    os.utime(source, (1, 1))
    assert library.product("image", [source], {}, lambda path: pytest.fail("made again")) == first


@pytest.mark.parametrize("damage", ["gone", "short", "flipped"])
def test_a_damaged_product_is_made_again_and_said_so(library, tmp_path, damage):
    source = tmp_path / "in.txt"
    source.write_text("one")
    path = library.product("exposure map", [source], {}, write, obsid="0201903501")
    whole = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "short":
        path.write_bytes(whole[:1000])
    else:
        path.write_bytes(whole[:3000] + bytes([whole[3000] ^ 1]) + whole[3001:])
    with pytest.warns(WolterWarning, match="exposure map 0201903501 is (missing|damaged); it is made again"):
        again = Library(library.folder).product("exposure map", [source], {}, write)
    assert again == path
    assert path.read_bytes()[:2880] == whole[:2880]


def test_a_failed_product_leaves_nothing(library, tmp_path):
    source = tmp_path / "in.txt"
    source.write_text("one")

    def make(path):
        path.write_text("half")
        raise RuntimeError("broken off")

    with pytest.raises(RuntimeError, match="broken off"):
        library.product("image", [source], {}, make)
    assert library.products() == []
    assert [p for p in (library.folder / "products").rglob("*") if p.is_file()] == []


def test_missing_input(library, tmp_path):
    with pytest.raises(DataError, match="an input is missing"):
        library.product("image", [tmp_path / "nothing.fits"], {}, write)


def test_a_killed_process_holds_no_lock(library, tmp_path):
    source, started = tmp_path / "in.txt", tmp_path / "started"
    source.write_text("one")
    script = (
        "import sys, time, pathlib\n"
        "from wolter.sources import Library\n"
        "def make(path):\n"
        "    path.write_text('half')\n"
        "    pathlib.Path(sys.argv[3]).touch()\n"
        "    time.sleep(60)\n"
        "Library(sys.argv[1]).product('image', [sys.argv[2]], {}, make)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script, str(library.folder), str(source), str(started)])
    try:
        limit = time.monotonic() + 30
        while not started.exists():
            assert time.monotonic() < limit
            assert child.poll() is None
            time.sleep(0.02)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    path = library.product("image", [source], {}, write)
    with fits.open(path) as file:
        assert file[0].read().sum() == 16
    assert len(library.products()) == 1


def test_a_library_travels_to_other_processes(library):
    again = pickle.loads(pickle.dumps(library))
    assert again.folder == library.folder
    assert len(again) == 0


def test_a_broken_index_is_told(library):
    library.index.write_bytes(b"not a database at all" * 100)
    for extra in ("-wal", "-shm"):
        library.index.with_name(library.index.name + extra).unlink(missing_ok=True)
    with pytest.raises(OutputError, match=r"index cannot be used.*Remove the index"):
        library.observations()


def test_an_index_of_a_newer_version(library):
    db = sqlite3.connect(library.index)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(DataError, match="newer Wolter"):
        Library(library.folder)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        Library(tmp_path / "file" / "library")
