"""Images in any coordinate system, band, binning and grid, against NumPy histograms of the columns."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits as afits

from events_support import uniform, write_events
from wolter import Observation, fits
from wolter.data import EventList, ExposureMap, Image, ImageGrid, RateMap
from wolter.errors import DataError, RegionError, UnitError
from wolter.makers import make_image, make_images


@pytest.fixture(scope="module")
def mos(shared):
    return EventList.read(shared("xmm", "a907_0201903501") / "mos1_exp1_clean_evts.fits")


@pytest.fixture(scope="module")
def table(mos):
    with afits.open(mos.path) as f:
        d = f["EVENTS"].data
        return {name: np.array(d[name]).astype(float) for name in d.names}


def small_list(path, x, y, *, null=None, bounds=(0, 9), kind=np.int32, **extra):
    """Event list with columns X and Y (no sky coordinates unless given)."""
    x, y = np.asarray(x, kind), np.asarray(y, kind)
    form = {"i": "J", "f": "D"}[x.dtype.kind]
    keys = {} if bounds is None else {"TLMIN": bounds[0], "TLMAX": bounds[1]}
    columns = {n: fits.Column(n, form, null=null, keywords=keys) for n in "XY"}
    columns["PI"] = fits.Column("PI", "I", keywords={"TLMIN": 0, "TLMAX": 99})
    data = {"TIME": np.arange(len(x), dtype=float), "X": x, "Y": y, "PI": np.full(len(x), 5, np.int16)} | extra
    header = {"TELESCOP": "NONE", "HDUCLAS1": "EVENTS", "TSTART": -1.0, "TSTOP": 1e4}
    gti = fits.new_table("GTI", {"START": np.array([-1.0]), "STOP": np.array([1e4])}, header={"HDUCLAS1": "GTI"})
    fits.write(path, [fits.primary(), fits.new_table("EVENTS", data, columns=columns, header=header), gti])
    return EventList.read(path)


@pytest.mark.parametrize(
    ("frame", "x", "y", "first", "step", "shape"),
    [
        ("raw", "RAWX", "RAWY", (-4, 1), (1, 1), (602, 610)),
        ("det", "DETX", "DETY", (-19798, -20285), (100, 100), (402, 397)),
        ("RAWX,PI", "RAWX", "PI", (-4, 0), (61, 1500), (11, 10)),
    ],
)
def test_any_two_columns(mos, table, frame, x, y, first, step, shape):
    image = make_image(mos, frame=frame, binning=step if step[0] != step[1] else step[0])
    assert image.shape == shape
    edges = [f - 0.5 + s * np.arange(n + 1) for f, s, n in zip(first, step, shape[::-1], strict=True)]
    expected, _, _ = np.histogram2d(table[y], table[x], bins=edges[::-1])
    assert np.array_equal(image.data, expected)
    centre = image.grid.pixel_to_column(1, 1)
    assert centre == pytest.approx([f + (s - 1) / 2 for f, s in zip(first, step, strict=True)])
    assert image.header["CTYPE1P"] == x


def test_fractional_bins(mos, table):
    image = make_image(mos, frame="RAWX,RAWY", binning=(7.5, 2.5))
    edges = -4.5 + 7.5 * np.arange(image.shape[1] + 1), 0.5 + 2.5 * np.arange(image.shape[0] + 1)
    expected, _, _ = np.histogram2d(table["RAWY"], table["RAWX"], bins=edges[::-1])
    # Whole numbers on an edge belong to the upper bin, as in numpy.
    assert np.array_equal(image.data, expected)
    assert image.header["CDELT1P"] == 7.5


def test_the_usual_image_of_the_mission_is_the_default(mos):
    image = make_image(mos)
    assert image.shape == (512, 512)
    assert image.grid.first == (3649, 3649)
    with pytest.raises(DataError, match="would not fit into memory"):
        make_image(mos, binning=1)


def test_bands_in_one_pass(mos, table):
    bands = [(0.5, 1), (1, 2), (2, 10)]
    images = make_images(mos, [b * u.keV for b in bands] + [None])
    on = (table["X"] >= 3649) & (table["Y"] >= 3649) & (table["X"] < 48193) & (table["Y"] < 48193)
    for (low, high), image in zip(bands, images, strict=False):
        # PI is in eV; channel PI spans PI to PI + 1 eV, and only whole channels count.
        expected = (on & (table["PI"] >= 1000 * low) & (table["PI"] < 1000 * high)).sum()
        assert image.data.sum() == expected
        assert (image.header["E_MIN"], image.header["E_MAX"]) == (low, high)
        assert np.array_equal(image.data, make_image(mos, energy=(low, high) * u.keV).data)
    assert images[3].data.sum() == on.sum()


def test_undefined_positions_do_not_count(tmp_path):
    events = small_list(tmp_path / "e.fits", [3, 0, 5, 0], [4, 4, 0, 0], null=0)
    image = make_image(events)
    assert image.data.sum() == 1
    assert image.data[4, 3] == 1


def test_real_columns_and_nan(tmp_path):
    x = [1.2, 1.5, 1.6, np.nan, 9.4]
    events = small_list(tmp_path / "e.fits", x, [2.0, 2.5, 2.6, 3.0, 9.4], kind=float)
    image = make_image(events)
    # The extractor's rule: halves go left in x and up in y.
    assert image.data[2, 1] == 1
    assert image.data[3, 1] == 1
    assert image.data[3, 2] == 1
    assert image.data.sum() == 4


def test_plane_without_limits_is_that_of_the_events(tmp_path):
    events = small_list(tmp_path / "e.fits", [103, 110, 107], [-5, 2, 0], bounds=None)
    image = make_image(events)
    assert image.shape == (8, 8)
    assert image.grid.first == (103, -5)
    assert image.data[0, 0] == image.data[7, 7] == image.data[5, 4] == 1


def test_observation_makes_all_detectors(shared, mos):
    observation = Observation(shared("xmm", "a907_0201903501"))
    bands = [(0.5, 2) * u.keV, (2, 10) * u.keV]
    alone = observation.images(bands)
    assert list(alone) == ["M1", "M2"]
    with ThreadPoolExecutor(2) as pool:
        together = observation.images(bands, executor=pool)
        single = observation.image(energy=bands[0], executor=pool)
    for name, images in alone.items():
        assert all(np.array_equal(a.data, b.data) for a, b in zip(images, together[name], strict=True))
        assert np.array_equal(single[name].data, images[0].data)


def test_image_round_trip(mos, tmp_path):
    image = make_image(mos, energy=(0.5, 2) * u.keV)
    image.write(tmp_path / "i.fits")
    again = Image.read(tmp_path / "i.fits")
    assert np.array_equal(again.data, image.data)
    assert again.grid.difference(image.grid, tolerance=1e-9) is None
    assert again.gti is not None


def test_what_is_refused(mos, tmp_path):
    with pytest.raises(DataError, match=r"no coordinate system 'polar'.*sky, det, raw"):
        make_image(mos, frame="polar")
    with pytest.raises(DataError, match="no column THETA"):
        make_image(mos, frame="THETA,PI")
    with pytest.raises(UnitError, match="energy"):
        make_image(mos, energy=(0.5, 2))
    with pytest.raises(DataError, match="binning"):
        make_image(mos, binning=0)
    with pytest.raises(RegionError, match="field"):
        make_image(mos, region='fk5;circle(150.9,-11.0,20")')
    with pytest.raises(DataError, match="no event is left"):
        make_image(mos, expression="PI < 0")
    plain = small_list(tmp_path / "e.fits", [3], [4])
    with pytest.raises(DataError, match="no coordinates on the sky"):
        make_image(plain, grid=ImageGrid.around("09:58:22 -11:03:35", 1 * u.deg, 10 * u.arcsec))


def test_grids_are_images_or_headers(mos):
    with pytest.raises(DataError, match="cannot be taken from 3"):
        make_image(mos, grid=3)


def test_rate_map_of_another_band(mos):
    image = make_image(mos, energy=(0.5, 2) * u.keV)
    seconds = ExposureMap.made(np.ones(image.shape), image.header, energy=(2.5, 10.0), vignetted=True)
    with pytest.raises(DataError, match=r"0.5-2 keV, the exposure map of 2.5-10 keV"):
        RateMap(image, seconds)
    assert seconds.vignetted
    assert seconds.energy == (2.5, 10.0)


def test_events_beside_the_pixels_are_not_called_unselected(tmp_path):
    """Coordinates of another kind, here 500 pixels off the plane: the message says where the image is."""
    data = uniform(200)
    events = EventList.read(write_events(tmp_path / "e.fits", data | {"X": data["X"] + 500}))
    with pytest.raises(DataError, match=r"none of \d+ events lies on the image \(X 1 to 100, Y 1 to 100\)"):
        make_image(events, bounds=(1, 100, 1, 100))
    assert make_image(events, bounds=(501, 600, 1, 100)).data.sum() == events.count()
    with pytest.raises(DataError, match="no event is left"):
        make_image(events.select(pi=(3, 3), expression="PI == 4"), bounds=(501, 600, 1, 100))
