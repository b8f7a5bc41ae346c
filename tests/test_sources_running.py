"""Samples that are broken off and resumed, disks that fill up, many processes at once; memory of large samples."""

from __future__ import annotations

import gc
import random
import signal
import subprocess
import sys
import time
import warnings
import weakref

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from wolter import fits
from wolter.data import Image
from wolter.errors import WolterWarning
from wolter.sources import ClusterSample, Library, Measurement, Sample, Source
from wolter.sources import library as library_module

CLUSTER = SkyCoord(149.59209, -11.05972, unit="deg")
BANDS = [(0.5, 2.0), (0.6, 2.0), (0.7, 2.0), (0.8, 2.0), (1.0, 3.0), (2.0, 5.0)]

# Makes the images of six bands; says in a file which one it begins. Paths as arguments.
RUN = """
import sys
from wolter.sources import Library, photometry
library = Library(sys.argv[1])
(entry,) = library.observations()
make = photometry._make_image
def told(observation, detector, band):
    with open(sys.argv[2], "a") as log:
        log.write(f"{detector} {band}\\n")
    return make(observation, detector, band)
photometry._make_image = told
for band in BANDS:
    for detector in ("M1", "M2"):
        photometry.image(library, entry, detector, band)
print("complete")
""".replace("BANDS", repr(BANDS))


@pytest.fixture
def library(shared, tmp_path):
    """One observation's event lists, without images."""
    folder = shared("xmm", "a907_0201903501")
    made = Library(tmp_path / "library")
    made.add([folder / "mos1_exp1_clean_evts.fits", folder / "mos2_exp1_clean_evts.fits"])
    return made


def start(library, log, *, limit: int | None = None) -> subprocess.Popen[str]:
    code = RUN
    if limit is not None:
        code = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n" + RUN
    command = [sys.executable, "-c", code, str(library.folder), str(log)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_run_that_is_killed_again_and_again(library, tmp_path):
    """SIGKILL at random moments; what was made stays made, and every product is whole in the end."""
    log, kills, dice = tmp_path / "log", 0, random.Random(5)
    log.touch()
    for _ in range(60):
        child = start(library, log)
        begun = len(log.read_text().splitlines())
        while child.poll() is None and len(log.read_text().splitlines()) == begun and begun < 12:
            time.sleep(0.005)
        time.sleep(dice.uniform(0.0, 0.06))
        if child.poll() is None and kills < 4:
            child.send_signal(signal.SIGKILL)
            kills += 1
            child.communicate()
            continue
        out, err = child.communicate(timeout=60)
        assert child.returncode == 0, err
        assert "made again" not in err
        assert out == "complete\n"
        break
    assert kills == 4
    lines = log.read_text().splitlines()
    assert len(set(lines)) == 12
    assert len(lines) <= 12 + kills  # no more than the one that was being made is begun twice
    held = library.products(kind="image")
    assert len(held) == len({p.key for p in held}) == 12
    for product in held:
        assert fits.file_sha256(product.path) == library_digest(library, product.key)
    left = [p for p in (library.folder / "products").rglob("*") if p.is_file() and p.suffix == ".fits"]
    assert {p for p in left if not p.name.startswith(".")} >= {p.path for p in held}


def library_digest(library, key: str) -> str:
    import sqlite3

    db = sqlite3.connect(library.index)
    try:
        return db.execute("SELECT sha256 FROM products WHERE key = ?", (key,)).fetchone()[0]
    finally:
        db.close()


def test_no_room_left(library, tmp_path):
    """No file may grow beyond 300 kB (an image has 1 MB): an error that says so, nothing half-made, then resumed."""
    log = tmp_path / "log"
    log.touch()
    child = start(library, log, limit=300_000)
    _, err = child.communicate(timeout=60)
    assert child.returncode != 0
    assert "OutputError" in err
    assert "too large" in err.lower() or "space" in err.lower()
    assert library.products() == []
    assert [p for p in (library.folder / "products").rglob("*") if p.is_file()] == []
    child = start(library, log)
    out, err = child.communicate(timeout=60)
    assert out == "complete\n", err
    assert len(library.products()) == 12


def test_an_index_without_room(tmp_path):
    """The index cannot grow: an error that says what to do, and the old contents stay readable."""
    library = Library(tmp_path / "library")
    source = tmp_path / "in.txt"
    source.write_text("one")
    make = lambda path: fits.write(path, [fits.new_image(np.ones((4, 4)))], overwrite=True)  # noqa: E731
    library.product("image", [source], {"n": 0}, make)
    code = (
        "import resource, sys\n"
        "from wolter.sources import Library\n"
        "import pathlib\n"
        "library = Library(sys.argv[1])\n"
        "size = library.index.stat().st_size\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))\n"
        "for n in range(1, 400):\n"
        "    library.product('image', [sys.argv[2]], {'n': n, 'text': 'x' * 500}, lambda p: p.write_text('small'))\n"
    )
    command = [sys.executable, "-c", code, str(library.folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "OutputError" in done.stderr
    assert "index cannot be used" in done.stderr
    held = library.products()
    assert {"n": 0} in [dict(p.parameters) for p in held]
    assert library.product("image", [source], {"n": 0}, lambda path: pytest.fail("made again")) == held[0].path
    library.product("image", [source], {"n": 1000}, make)


RACE = """
import pathlib, sys, time
from wolter import fits
from wolter.sources import Library
import numpy as np
folder, source, log = map(pathlib.Path, sys.argv[1:])
def make(path):
    with open(log, "a") as out:
        out.write("made\\n")
    time.sleep(0.02)
    fits.write(path, [fits.new_image(np.ones((8, 8)))], overwrite=True)
(log.parent / f"ready {sys.argv[0]} {time.time_ns()}").touch()
while not (log.parent / "go").exists():
    time.sleep(0.002)
library = Library(folder)
for n in range(8):
    library.product("image", [source], {"n": n}, make)
"""


def test_many_processes_begin_a_library_at_once(tmp_path):
    """Four processes, no index yet, the same eight products: each is made once and nobody fails."""
    source, log = tmp_path / "in.txt", tmp_path / "log"
    source.write_text("one")
    command = [sys.executable, "-c", RACE, str(tmp_path / "library"), str(source), str(log)]
    children = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    limit = time.monotonic() + 60
    while len(list(tmp_path.glob("ready*"))) < 4 and time.monotonic() < limit:
        time.sleep(0.01)
    (tmp_path / "go").touch()
    for child in children:
        _, err = child.communicate(timeout=60)
        assert child.returncode == 0, err
        assert err == ""
    assert log.read_text().splitlines() == 8 * ["made"]
    assert len(Library(tmp_path / "library").products()) == 8


# ---------------------------------------------------------------- memory


def test_ten_thousand_sources_hold_no_images(shared, tmp_path, monkeypatch):
    """While a sample is measured only the last few images live; afterwards none that the library does not keep."""
    library = Library(tmp_path / "library")
    library.add(shared("xmm", "a907_0404910601"))
    rng = np.random.default_rng(1)
    places = SkyCoord(149.59 + rng.uniform(-0.05, 0.05, 10_000), -11.06 + rng.uniform(-0.05, 0.05, 10_000), unit="deg")
    sample = Sample(places, library)
    assert len(sample) == 10_000
    seen: list[weakref.ref] = []
    read = Image.read.__func__

    def watched(cls, path):
        made = read(cls, path)
        seen.append(weakref.ref(made.data))
        return made

    monkeypatch.setattr(Image, "read", classmethod(watched))
    monkeypatch.setattr(library_module, "_MOST_BYTES", 6 * 2**20)  # two rate maps
    some = sample[:14]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WolterWarning)
        found = some.measure(1 * u.arcmin) + [
            s.measure(1 * u.arcmin, "0404910601", d) for s in some for d in ("M1", "PN")
        ]
    assert all(isinstance(m, Measurement) for m in found)
    assert len(seen) > 50
    gc.collect()
    assert sum(ref() is not None for ref in seen) <= 8
    assert sum(map(library_module._array_bytes, (v for v, _ in library._memory.values()))) == library._bytes


def test_a_source_forgets_its_images(shared, tmp_path):
    library = Library(tmp_path / "library")
    library.add(shared("xmm", "a907_0404910601"))
    source = Source(CLUSTER, library)
    rates = weakref.ref(source.rate_map("0404910601", "PN"))
    assert rates() is source.rate_map("0404910601", "PN")  # read once, by the library
    library.forget()
    gc.collect()
    assert rates() is None
    assert source.snr(2 * u.arcmin, "0404910601", "PN") > 10


def test_a_part_of_a_sample(shared, tmp_path):
    library = Library(tmp_path / "library")
    library.add(shared("xmm", "a907_0404910601"))
    places = SkyCoord([149.6, 149.5, 149.7], [-11.0, -11.1, -11.2], unit="deg")
    sample = ClusterSample(places, library, names=["a", "b", "c"], redshift=[0.1, 0.2, 0.3], r500=[1, 2, 3] * u.arcmin)
    part = sample[1:]
    assert isinstance(part, ClusterSample)
    assert [s.name for s in part] == ["b", "c"]
    assert [s.redshift for s in part] == [0.2, 0.3]
    assert part["c"].radius("r500") == pytest.approx(0.05)
    assert (part["c"].ra, part["c"].dec) == pytest.approx((149.7, -11.2))


# ---------------------------------------------------------------- radii beyond the field


def test_a_radius_beyond_the_field(shared, tmp_path):
    """The part covered is told: as a warning where something is left to measure, else as an error."""
    library = Library(tmp_path / "library")
    library.add(shared("xmm", "a907_0404910601"))
    source = Source(CLUSTER, library)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert source.snr(5 * u.arcmin) > 50
        assert source.measure(5 * u.arcmin).covered == pytest.approx(1.0, abs=0.02)
    aside = Source(SkyCoord(149.59209, -10.90, unit="deg"), library)
    with pytest.warns(WolterWarning, match=r"covered \d+ % of the circle of 11.0 arcmin"):
        aside.snr(11 * u.arcmin, "0404910601", "PN")
    part = aside.measure(11 * u.arcmin, "0404910601", "PN").covered
    assert part == pytest.approx(aside.coverage(11 * u.arcmin, "0404910601", "PN"))
    assert 0.2 < part < 0.75
    with pytest.raises(
        Exception, match=r"background region holds no exposed pixel \([0-9.]+ % of the circle of 30 arcmin"
    ):
        source.snr(30 * u.arcmin)
