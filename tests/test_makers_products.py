"""Light curves, images and filtered event lists against plain NumPy."""

from __future__ import annotations

import gzip
import itertools

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits

from events_support import GTI, in_time, uniform, write_events
from wolter.data import EventList, Image, LightCurve
from wolter.errors import DataError
from wolter.makers import extract_events, light_curve, sky_image


@pytest.fixture
def data():
    return uniform(3000)


@pytest.fixture
def events(tmp_path, data):
    return EventList.read(write_events(tmp_path / "evt.fits", data))


def exposure(lo, hi):
    """Good time between two times."""
    return sum(max(0.0, min(hi, b) - max(lo, a)) for a, b in GTI)


def test_light_curve(events, data):
    curve = light_curve(events, 30 * u.s)
    edges = 1000 + 30.0 * np.arange(35)
    counts = np.histogram(data["TIME"][in_time(data["TIME"])], edges)[0]
    live = np.array([exposure(a, b) for a, b in itertools.pairwise(edges)])
    keep = live > 0
    assert np.allclose(curve.met, 0.5 * (edges[:-1] + edges[1:])[keep], rtol=1e-15)
    assert np.allclose(curve.rate, counts[keep] / live[keep], rtol=1e-12)
    assert np.allclose(curve.error, np.sqrt(counts[keep]) / live[keep], rtol=1e-12)
    assert np.allclose(curve.fracexp, live[keep] / 30, rtol=1e-12)


def test_light_curve_with_start_and_least_exposure(events, data):
    curve = light_curve(events, 100 * u.s, start=1050 * u.s, min_fraction=0.9)
    assert curve.met.tolist() == [1100, 1200, 1300, 1600, 1700, 1800, 1900]
    t = data["TIME"]
    assert curve.rate[3] == ((t >= 1550) & (t < 1650)).sum() / 100
    with pytest.raises(DataError, match="no bin"):
        light_curve(events, 600 * u.s, min_fraction=1.0)
    with pytest.raises(DataError, match="positive"):
        light_curve(events, 0 * u.s)
    with pytest.raises(DataError, match="start"):
        light_curve(events, 10 * u.s, start=9000 * u.s)


def test_light_curve_counts_are_conserved(events, data):
    selected = events.select("physical; circle(50,50,30)", pi=(50, 199))
    curve = light_curve(selected, 7 * u.s)
    total = (curve.rate * np.asarray(curve.fracexp) * 7).sum()
    assert total == pytest.approx(selected.count(), rel=1e-9)


def test_event_at_the_end_of_good_time_counts(tmp_path):
    data = uniform(3, TIME=np.array([1000.0, 1100.0, 2000.0]))
    curve = light_curve(EventList.read(write_events(tmp_path / "e.fits", data)), 100 * u.s)
    assert (curve.rate * np.asarray(curve.fracexp) * 100).sum() == pytest.approx(3)


def test_light_curve_file(events, tmp_path):
    light_curve(events, 30 * u.s).write(tmp_path / "a.lc")
    with fits.open(tmp_path / "a.lc") as f:
        head = f["RATE"].header
        assert f["RATE"].columns.names == ["TIME", "RATE", "ERROR", "FRACEXP"]
        assert (head["HDUCLAS1"], head["TIMEZERO"], head["TIMEDEL"], head["TIMEPIXR"]) == ("LIGHTCURVE", 1015, 30, 0.5)
        assert "GTI" in f
    again = LightCurve.read(tmp_path / "a.lc")
    assert again.met[0] == 1015.0


@pytest.mark.parametrize("binning", [1, 4, 7])
def test_image(events, data, binning):
    image = sky_image(events, binning)
    keep = in_time(data["TIME"])
    i = (np.rint(data["X"][keep].astype(float)).astype(int) - 1) // binning
    j = (np.rint(data["Y"][keep].astype(float)).astype(int) - 1) // binning
    n = -(-100 // binning)
    want = np.zeros((n, n), int)
    np.add.at(want, (j, i), 1)
    assert np.array_equal(image.data, want)
    assert image.data.sum() == keep.sum()


@pytest.mark.parametrize("binning", [1, 3])
def test_image_coordinates_are_those_of_the_columns(events, tmp_path, binning):
    """astropy's WCS of the written image agrees with its WCS of the columns at the same place."""
    from astropy.wcs import WCS

    sky_image(events, binning, bounds=(11, 90, 21, 80)).write(tmp_path / "i.fits")
    with fits.open(tmp_path / "i.fits") as f:
        header = f[0].header
    columns = WCS(naxis=2)
    columns.wcs.ctype, columns.wcs.crpix = ["RA---TAN", "DEC--TAN"], [50.5, 50.5]
    columns.wcs.crval, columns.wcs.cdelt = [250.0, 40.0], [-1e-3, 1e-3]
    # Column pixel 12 is image pixel (12 - 11 + 0.5) / binning + 0.5 when pixels are counted from their edges.
    x, y = 12.0, 25.0
    pixel = [(x - 10.5) / binning + 0.5, (y - 20.5) / binning + 0.5]
    want = columns.all_pix2world([[x, y]], 1)[0]
    assert np.allclose(WCS(header, key=" ").all_pix2world([pixel], 1)[0], want, atol=1e-10)
    assert header["LTM1_1"] * x + header["LTV1"] == pytest.approx(pixel[0], abs=1e-12)
    physical = WCS(header, key="P").all_pix2world([pixel], 1)[0]
    assert np.allclose(physical, [x, y], atol=1e-9)
    assert header["EXPOSURE"] == pytest.approx(810.0)
    assert np.array_equal(
        Image.read(tmp_path / "i.fits").data, sky_image(events, binning, bounds=(11, 90, 21, 80)).data
    )


def test_image_of_other_columns_and_unknown_plane(tmp_path, data):
    data["RAWX"] = np.random.default_rng(5).integers(5, 12, 3000).astype("i2")
    data["RAWY"] = np.random.default_rng(6).integers(1, 4, 3000).astype("i2")
    path = write_events(tmp_path / "e.fits", data, formats={"RAWX": "I", "RAWY": "I"})
    image = sky_image(EventList.read(path), columns=("RAWX", "RAWY"))
    assert image.data.shape == (3, 7)  # the plane is that of the events themselves
    assert image.data.sum() == in_time(data["TIME"]).sum()
    with pytest.raises(DataError, match="binning"):
        sky_image(EventList.read(path), 0)


def test_filtered_event_list(events, data, tmp_path):
    selected = events.select("physical; circle(50,50,20)", pi=(50, 199)).select(time=(1100 * u.s, 1800 * u.s))
    made = extract_events(selected, tmp_path / "out.fits")
    t = data["TIME"]
    keep = (np.hypot(data["X"].astype(float) - 50, data["Y"].astype(float) - 50) <= 20) & in_time(t)
    keep &= (data["PI"] >= 50) & (data["PI"] <= 199) & (t >= 1100) & (t <= 1800)
    with fits.open(tmp_path / "out.fits", checksum=True) as f, fits.open(events.path) as g:
        assert [h.name for h in f][:4] == ["PRIMARY", "EVENTS", "GTI", "REG00101"]
        table = f["EVENTS"].data
        for name in table.names:
            assert np.array_equal(table[name], g["EVENTS"].data[name][keep]), name
        assert np.array_equal(f["GTI"].data["STOP"], [1400.0, 1800.0])
        head = f["EVENTS"].header
        assert (head["TSTART"], head["TSTOP"], head["ONTIME"]) == (1100, 1800, 600)
        assert head["EXPOSURE"] == pytest.approx(540)
        assert head["TLMAX2"] == 100
        assert [hdu.verify_checksum() for hdu in f] == [1] * len(f)
    assert made.count() == keep.sum()
    assert made.ontime == 600


def test_filtered_event_list_of_bits_and_from_gzip(tmp_path):
    bits = np.random.default_rng(2).random((300, 16)) < 0.3
    data = uniform(300) | {"STATUS": bits}
    path = write_events(tmp_path / "b.fits", data)
    packed = tmp_path / "b.fits.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    extract_events(EventList.read(packed).select(pi=(0, 100)), tmp_path / "o.fits.gz")
    keep = in_time(data["TIME"]) & (data["PI"] <= 100)
    with fits.open(tmp_path / "o.fits.gz") as f:
        assert np.array_equal(f["EVENTS"].data["STATUS"], bits[keep])


def test_extraction_of_a_filtered_list_is_the_same(events, tmp_path):
    """Selecting again from the filtered list changes nothing."""
    selected = events.select("physical; circle(50,50,20)")
    made = extract_events(selected, tmp_path / "o.fits")
    assert np.array_equal(light_curve(made, 50 * u.s).rate, light_curve(selected, 50 * u.s).rate)
    assert np.array_equal(sky_image(made).data, sky_image(selected).data)
