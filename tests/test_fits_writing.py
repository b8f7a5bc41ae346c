"""Files appear whole or not at all, with check sums, history and provenance."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import stat
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits as afits
from hypothesis import given, settings
from hypothesis import strategies as st

from wolter import fits
from wolter.fits import checksum as fits_checksum


def table(n=5):
    return fits.new_table("T", {"A": np.arange(n)}, units={"A": "s"}, header={"OBJECT": "x"})


def leftovers(folder):
    return [p.name for p in folder.iterdir() if ".part" in p.name]


def write_while_another_does(target):
    with fits.atomic_path(target) as temporary:
        temporary.write_text("ours")
        target.write_text("somebody else's")


def test_existing_file_is_replaced_only_on_request(tmp_path):
    path = fits.write(tmp_path / "t.fits", table())
    old = path.read_bytes()
    with pytest.raises(fits.OutputError, match=r"exists already.*overwrite=True"):
        fits.write(path, table(6))
    assert path.read_bytes() == old
    fits.write(path, table(6), overwrite=True)
    assert fits.open(path)["T"].nrows == 6
    assert leftovers(tmp_path) == []


def test_a_file_that_appears_meanwhile_is_not_lost(tmp_path):
    target = tmp_path / "t.txt"
    with pytest.raises(fits.OutputError, match="exists already"):
        write_while_another_does(target)
    assert target.read_text() == "somebody else's"
    assert leftovers(tmp_path) == []


def test_file_systems_without_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert fits.open(fits.write(tmp_path / "t.fits", table()))["T"].nrows == 5
    with pytest.raises(fits.OutputError, match="exists already"):
        write_while_another_does(tmp_path / "u")
    assert (tmp_path / "u").read_text() == "somebody else's"
    assert leftovers(tmp_path) == []


def test_places_that_cannot_be_written(tmp_path, monkeypatch):
    with pytest.raises(fits.OutputError, match=r"folder .* does not exist"):
        fits.write(tmp_path / "no" / "t.fits", table())
    (tmp_path / "file").write_text("x")
    with pytest.raises(fits.OutputError, match="is not a folder"):
        fits.write(tmp_path / "file" / "t.fits", table())
    with pytest.raises(fits.OutputError, match="folder of this name"):
        fits.write(tmp_path, table(), overwrite=True)
    if os.path.exists("/dev/null"):
        with pytest.raises(fits.OutputError, match="device"):
            fits.write("/dev/null", table(), overwrite=True)
        assert stat.S_ISCHR(os.stat("/dev/null").st_mode)

    real_open = os.open

    def locked(path, flags, *args, **kwargs):
        if flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real_open(path, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", locked)
    with pytest.raises(fits.OutputError, match=r"t\.fits: there is no permission to write here. Choose a folder"):
        fits.write(tmp_path / "t.fits", table())
    assert not (tmp_path / "t.fits").exists()


class FullDisk:
    """A file on which only some bytes have room."""

    def __init__(self, file, room):
        self._file, self._room = file, room

    def write(self, data):
        if self._room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        part = memoryview(data)[: self._room]  # as write(2) does: first short, then an error
        self._room -= len(part)
        return self._file.write(part)

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()


@pytest.mark.parametrize("name", ["t.fits", "t.fits.gz"])
def test_full_disk_leaves_the_old_file(tmp_path, monkeypatch, name):
    path = fits.write(tmp_path / name, table())
    old = path.read_bytes()
    real_open = open

    def full(file, mode="r", *args, **kwargs):
        opened = real_open(file, mode, *args, **kwargs)
        return FullDisk(opened, 100) if "w" in mode else opened

    monkeypatch.setattr("builtins.open", full)
    with pytest.raises(fits.OutputError, match=f"{name}: the disk is full. Free some space"):
        fits.write(path, table(10_000), overwrite=True)
    assert path.read_bytes() == old
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch, error):
    path = fits.write(tmp_path / "t.fits", table())
    old = path.read_bytes()
    real, calls = fits_checksum.add_sum, []

    def interrupt(*args):
        calls.append(1)
        if len(calls) > 2:
            assert leftovers(tmp_path)  # it is half-way
            raise error
        return real(*args)

    monkeypatch.setattr("wolter.fits.writing.add_sum", interrupt)
    with pytest.raises(error):
        fits.write(path, table(10), overwrite=True)
    assert path.read_bytes() == old
    assert leftovers(tmp_path) == []


KILLED = """
import sys
import numpy as np
from wolter import fits

n = 0
while True:
    n += 1
    t = fits.new_table("T", {"A": np.full(200_000, n)})
    fits.write(sys.argv[1], t, overwrite=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL")
def test_a_killed_process_leaves_a_whole_file(tmp_path):
    path = fits.write(tmp_path / "t.fits", fits.new_table("T", {"A": np.zeros(200_000, int)}))
    for delay in (0.0, 0.001, 0.003, 0.007):
        before = path.stat().st_mtime_ns
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)])
        while path.stat().st_mtime_ns == before and process.poll() is None:
            time.sleep(0.001)
        time.sleep(delay)  # it is in the middle of a write most of the time
        process.kill()
        assert process.wait() == -signal.SIGKILL
        with fits.open(path, verify=True) as f:
            values = f["T"].read("A")
        assert len(values) == 200_000
        assert values.min() == values.max()
        assert values[0] > 0
    # what a killed process left behind is hidden and does not disturb the next write
    assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")] == ["t.fits"]
    fits.write(path, table(), overwrite=True)
    assert fits.open(path)["T"].nrows == 5


def test_atomic_path_for_other_files(tmp_path):
    with fits.atomic_path(tmp_path / "figure.png") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".png"
        temporary.write_bytes(b"png")
        assert not (tmp_path / "figure.png").exists()
    assert (tmp_path / "figure.png").read_bytes() == b"png"
    with pytest.raises(ZeroDivisionError), fits.atomic_path(tmp_path / "other.png"):
        1 / 0  # noqa: B018
    assert sorted(p.name for p in tmp_path.iterdir()) == ["figure.png"]


def test_permissions_and_links_are_kept(tmp_path):
    path = fits.write(tmp_path / "t.fits", table())
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    path.chmod(0o640)
    (tmp_path / "link.fits").symlink_to(path)
    fits.write(tmp_path / "link.fits", table(7), overwrite=True)
    assert (tmp_path / "link.fits").is_symlink()
    assert fits.open(path)["T"].nrows == 7
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_file_may_replace_its_own_source(tmp_path):
    for name in ("t.fits", "t.fits.gz"):
        path = fits.write(tmp_path / name, [table(1000), fits.new_image(np.arange(6.0))])
        with fits.open(path) as f:
            f["T"].header["OBJECT"] = "new"
            fits.write(path, f, overwrite=True)
        with fits.open(path, verify=True) as f:
            assert f["T"].header["OBJECT"] == "new"
            assert f["T"].read("A").tolist() == list(range(1000))


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=400), total=st.integers(0, 2**32 - 1))
def test_check_sums_agree_with_astropy(data, total):
    hdu = afits.PrimaryHDU()
    padded = data + bytes(-len(data) % 2880)
    ours = fits_checksum.add_sum(total, data)
    theirs = int(hdu._compute_checksum(np.frombuffer(padded, np.uint8), total))
    assert ours % 0xFFFFFFFF == theirs % 0xFFFFFFFF
    assert fits_checksum.encode_sum(ours) == hdu._char_encode(~np.uint32(ours))


def test_checksum_false_writes_none_and_drops_old_ones(tmp_path):
    path = fits.write(tmp_path / "a.fits", table())
    assert "DATASUM" in fits.open(path)["T"].header
    fits.write(tmp_path / "b.fits", fits.open(path), checksum=False)
    assert all("CHECKSUM" not in h.header and "DATASUM" not in h.header for h in fits.open(tmp_path / "b.fits"))


def test_sums_over_odd_pieces(tmp_path):
    """Rows and heap of lengths that are not multiples of four."""
    rows = [np.arange(i % 3, dtype="u1") for i in range(7)]
    data = {"A": np.arange(7, dtype="u1"), "V": rows, "W": rows[::-1]}
    path = fits.write(tmp_path / "t.fits", fits.new_table("T", data))
    with warnings.catch_warnings(), afits.open(path, checksum=True) as f:
        warnings.simplefilter("error")
        assert [r.tolist() for r in f["T"].data["W"]] == [r.tolist() for r in rows[::-1]]


def test_provenance_is_recorded_and_grows(tmp_path):
    source = tmp_path / "in put é.txt"
    source.write_bytes(b"contents")
    sha = hashlib.sha256(b"contents").hexdigest()
    assert fits.file_sha256(source) == sha
    first = fits.Provenance(
        "extract", {"pi": (50, 199), "weights": True, "name": "Mrk é", "x": np.float64(0.5)}, [source]
    )
    path = fits.write(tmp_path / "one.fits", table(), provenance=first)
    with afits.open(path, checksum=True) as f:
        f.verify("exception")
        rows = f["PROVENANCE"].data
        assert set(rows["TASK"]) == {"extract"}
        assert sha in list(rows["SHA256"])
        history = "".join(f[0].header["HISTORY"])
        assert "extract (wolter" in history
        assert "pi = [50, 199]" in history
        assert sha in history
        assert f[0].header["CREATOR"].startswith("wolter ")
    with fits.open(path) as f:
        second = fits.Provenance(
            "group", {"min": 20}, [fits.Input("elsewhere.fits", "0" * 64)], date="2026-01-01T00:00:00"
        )
        fits.write(tmp_path / "two.fits", f, provenance=second)
    with fits.open(tmp_path / "two.fits") as f:
        assert [h.name for h in f] == ["PRIMARY", "T", "PROVENANCE"]
        steps = fits.read_provenance(f.table("PROVENANCE"))
    assert [s.task for s in steps] == ["extract", "group"]
    assert steps[0].parameters == {"pi": [50, 199], "weights": True, "name": "Mrk é", "x": 0.5}
    assert steps[0].inputs == (fits.Input(str(source), sha),)
    assert (steps[1].date, steps[1].parameters, steps[1].inputs[0].path) == (
        "2026-01-01T00:00:00",
        {"min": 20},
        "elsewhere.fits",
    )


def test_provenance_without_anything(tmp_path):
    path = fits.write(tmp_path / "t.fits", table(), provenance=fits.Provenance("look"))
    (step,) = fits.read_provenance(fits.open(path).table("PROVENANCE"))
    assert (step.task, step.parameters, step.inputs) == ("look", {}, ())
    with pytest.raises(fits.FitsError, match="cannot be read"):
        fits.write(tmp_path / "u.fits", table(), provenance=fits.Provenance("look", inputs=[tmp_path / "gone"]))
    assert not (tmp_path / "u.fits").exists()


def test_a_damaged_source_is_not_copied(tmp_path):
    raw = fits.write(tmp_path / "t.fits", table(10_000)).read_bytes()
    with pytest.raises(fits.FitsError, match="truncated"):
        fits.write(tmp_path / "copy.fits", fits.open(raw[:50_000]))
    assert not (tmp_path / "copy.fits").exists()
    assert leftovers(tmp_path) == []


def test_the_same_input_gives_the_same_bytes(tmp_path):
    for name in ("t.fits", "t.fits.gz"):
        one = fits.write(tmp_path / f"1{name}", table()).read_bytes()
        assert fits.write(tmp_path / f"2{name}", table()).read_bytes() == one


def test_only_hdus_can_be_written(tmp_path):
    with pytest.raises(fits.OutputError, match="dict is not an HDU"):
        fits.write(tmp_path / "t.fits", [{"A": 1}])  # type: ignore[list-item]
    assert list(Path(tmp_path).iterdir()) == []


def test_images_that_fits_cannot_hold():
    with pytest.raises(fits.OutputError, match="complex128"):
        fits.new_image(np.zeros(3, complex))


def test_large_table_is_written_in_pieces(tmp_path):
    """More rows than one piece, with a heap and every kind of sum in between."""
    n = 100_000
    data = {"A": np.arange(n), "B": np.arange(n) % 2 == 0, "S": np.array(["ab", "c"] * (n // 2))}
    path = fits.write(tmp_path / "t.fits", fits.new_table("T", data))
    with warnings.catch_warnings(), afits.open(path, checksum=True) as f:
        warnings.simplefilter("error")
        assert np.array_equal(f["T"].data["A"], data["A"])
        assert np.array_equal(f["T"].data["B"], data["B"])
        assert str(f["T"].data["S"][-1]).rstrip() == "c"
