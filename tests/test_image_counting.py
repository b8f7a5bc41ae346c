"""Counting events in pixels: rows that fail are carried along or left out, whichever is faster; counts are the same."""

from __future__ import annotations

import gzip

import astropy.units as u
import numpy as np
import pytest

from events_support import in_time, uniform, write_events
from wolter.data import EventList, ImageGrid
from wolter.data.events import GOOD, ROW
from wolter.errors import FitsError
from wolter.makers import make_image, make_images, sky_image
from wolter.makers.image import ImageAccumulator
from wolter.makers.passes import run_pass
from wolter.makers.spectrum import SpectrumAccumulator

ROWS = 90_000  # more than one block of the file


@pytest.fixture(scope="module", params=["J", "I", "K", "E"])
def data(request):
    kind = {"J": "i4", "I": "i2", "K": "i8", "E": "f4"}[request.param]
    rng = np.random.default_rng(11)
    out = uniform(ROWS, X=rng.integers(-20, 130, ROWS).astype(kind), Y=rng.integers(-20, 130, ROWS).astype(kind))
    return request.param, out


@pytest.fixture(scope="module")
def path(data, tmp_path_factory):
    kind, columns = data
    return write_events(tmp_path_factory.mktemp("counting") / "e.fits", columns, formats={"X": kind, "Y": kind})


def expected(data, keep, bounds=(1, 100, 1, 100), binning=1):
    """Counts by NumPy's histogram of the rows kept; bins are half a column pixel off whole numbers."""
    x0, x1, y0, y1 = bounds
    edges = [np.arange(lo, hi + 1 + binning, binning) - 0.5 for lo, hi in ((y0, y1), (x0, x1))]
    return np.histogram2d(data["Y"][keep].astype(float), data["X"][keep].astype(float), edges)[0]


SELECTIONS = {
    "nothing": ({}, lambda d: np.ones(ROWS, bool)),
    "few": ({"pi": (100, 120)}, lambda d: (d["PI"] >= 100) & (d["PI"] <= 120)),
    "most": ({"pi": (20, 360)}, lambda d: (d["PI"] >= 20) & (d["PI"] <= 360)),
    "most, grades": (
        {"pi": (20, 360), "grade": "0:10"},
        lambda d: (d["PI"] >= 20) & (d["PI"] <= 360) & (d["GRADE"] <= 10),
    ),
    "most, expression": (
        {"pi": (20, 360), "expression": "GRADE < 11 && PI != 200"},
        lambda d: (d["PI"] >= 20) & (d["PI"] <= 360) & (d["GRADE"] < 11) & (d["PI"] != 200),
    ),
    "most, then times": (
        {"pi": (5, 370), "time": (1100 * u.s, 1950 * u.s)},
        lambda d: (d["PI"] >= 5) & (d["PI"] <= 370) & (d["TIME"] >= 1100) & (d["TIME"] <= 1950),
    ),
    "in a box": (
        {"region": "physical; box(50,50,120,90)", "pi": (20, 360)},
        lambda d: (
            (abs(d["X"] - 50.0) <= 60) & (abs(d["Y"] - 50.0) <= 45) & (d["PI"] >= 20) & (d["PI"] <= 360)
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("selection", SELECTIONS)
@pytest.mark.parametrize("bounds", [(1, 100, 1, 100), (-30, 139, -30, 139), (40, 49, 60, 79)])
def test_counts_are_those_of_the_selected_rows(path, data, selection, bounds):
    options, test = SELECTIONS[selection]
    keep = test(data[1]) & in_time(data[1]["TIME"])
    events = EventList.read(path).select(**options)
    image = sky_image(events, 5, bounds=bounds)
    assert np.array_equal(image.data, expected(data[1], keep, bounds, 5))
    assert events.count() == keep.sum()


def test_bands_of_one_pass(path, data):
    """Narrow and wide bands together, some events outside the image."""
    events = EventList.read(path)
    bands = [None, (2 * u.keV, 2.4 * u.keV), (1 * u.keV, 14 * u.keV)]
    for image, band in zip(make_images(events, bands, bounds=(1, 100, 1, 100), binning=1), bands, strict=True):
        first, last = (0, 374) if band is None else events.channels_inside(band)
        keep = (data[1]["PI"] >= first) & (data[1]["PI"] <= last) & in_time(data[1]["TIME"])
        assert np.array_equal(image.data, expected(data[1], keep))
        assert image.header["TOTCTS"] == expected(data[1], keep).sum()


def test_compressed_files_count_alike(path, data, tmp_path):
    packed = tmp_path / "e.fits.gz"
    packed.write_bytes(gzip.compress(path.read_bytes(), 1))
    events = EventList.read(packed).select(pi=(20, 360))
    keep = (data[1]["PI"] >= 20) & (data[1]["PI"] <= 360) & in_time(data[1]["TIME"])
    assert np.array_equal(sky_image(events).data, expected(data[1], keep))


def test_pixels_of_another_projection(path, data):
    """Rows that fail stay out where every event is projected, too."""
    events = EventList.read(path)
    grid = ImageGrid.around("16:40:00 +40:00:00", 0.12 * u.deg, 0.004 * u.deg)
    both = make_image(events, grid=grid, pi=(20, 360)).data
    parts = [make_image(events, grid=grid, pi=pi).data for pi in ((20, 29), (30, 360))]
    assert both.sum() > ROWS / 10
    assert np.array_equal(both, parts[0] + parts[1])


def test_products_that_need_clean_rows_get_them(path, data):
    """An image beside a spectrum: the rows that fail are not handed on, and the number of events is the same."""
    events = EventList.read(path).select(pi=(20, 360))
    keep = (data[1]["PI"] >= 20) & (data[1]["PI"] <= 360) & in_time(data[1]["TIME"])
    grid = ImageGrid.over((1, 100, 1, 100))
    alone, beside = (ImageAccumulator("X", "Y", grid) for _ in range(2))
    spectrum = SpectrumAccumulator(events)
    assert run_pass(events, [alone]) == run_pass(events, [beside, spectrum]) == keep.sum()
    assert np.array_equal(alone.image, beside.image)
    assert np.array_equal(spectrum.counts, np.bincount(data[1]["PI"][keep], minlength=375))


def test_marked_rows_are_the_ones_that_fail(path, data):
    events = EventList.read(path).select(pi=(20, 360))
    keep = (data[1]["PI"] >= 20) & (data[1]["PI"] <= 360) & in_time(data[1]["TIME"])
    part = events.read_columns([ROW, GOOD, "PI"])
    assert np.array_equal(part[ROW][part[GOOD]], np.flatnonzero(keep))
    assert np.array_equal(part["PI"], data[1]["PI"][part[ROW]])
    empty = events.select(expression="PI > 9999").read_columns([ROW, GOOD, "PI"])
    assert [len(v) for v in empty.values()] == [0, 0, 0]
    with pytest.raises(FitsError, match="#bad"):
        next(events.chunks(["#bad"]))


@pytest.mark.parametrize(("limits", "first", "last"), [("19.5:360.5", 20, 360), ("20:", 20, 999), (":-0.5", 1, 0)])
def test_limits_between_whole_numbers(path, data, limits, first, last):
    keep = (data[1]["PI"] >= first) & (data[1]["PI"] <= last) & in_time(data[1]["TIME"])
    assert EventList.read(f"{path}[PI={limits}]").count() == keep.sum()


LARGE = 2**31 - 1


@pytest.mark.parametrize("share", [0.2, 0.95])
@pytest.mark.parametrize("kind", ["i2", "i4", "i8", "u2", "f8"])
@pytest.mark.parametrize(
    ("first", "shape", "binning"),
    [((1, 1), (7, 5), 1), ((-7, 3), (9, 11), (3, 2)), ((1, 1), (5, 4), 2**29), ((1, -(2**29)), (3, 4), 2**28)],
)
def test_slots_of_any_number(share, kind, first, shape, binning):
    """Integer arithmetic without sign gives what Python's integers give, up to the ends of each type."""
    rng = np.random.default_rng(3)
    near = rng.integers(-50, 50, (2, 300))
    ends = np.array([-LARGE - 1, -LARGE, -(2**30), -(2**29), 2**29, 2**30, LARGE - 1, LARGE])
    values = np.concatenate([near, rng.choice(ends, (2, 200))], axis=1)
    if kind[0] in "iu":
        info = np.iinfo(kind)
        values = np.clip(values, info.min, info.max)
    x, y = values.astype(kind)
    good = rng.random(len(x)) < share
    grid = ImageGrid(first, shape, binning)
    (bx, by), (ny, nx) = grid.steps, shape
    want = np.zeros(1 + nx * ny, int)
    for a, b, ok in zip(values[0].tolist(), values[1].tolist(), good, strict=True):
        i, j = (a - first[0]) // bx, (b - first[1]) // by
        if ok and 0 <= i < nx and 0 <= j < ny:
            want[1 + j * nx + i] += 1
    assert want.any()
    for slots in (grid.slots(x, y, good), grid.slots(x[good], y[good])):
        assert np.array_equal(np.bincount(slots, minlength=len(want))[1:], want[1:])
