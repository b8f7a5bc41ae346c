"""Event lists: what they say about a file, and selections against plain NumPy on columns read by astropy."""

from __future__ import annotations

import gzip
import pickle
import shutil

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time

import wolter
from events_support import GTI, in_time, uniform, write_events
from wolter.data import EventList
from wolter.data.events import ROW
from wolter.gti import GTI as Intervals
from wolter.sky import parse_regions


@pytest.fixture
def data():
    return uniform(3000)


@pytest.fixture
def path(tmp_path, data):
    return write_events(tmp_path / "evt.fits", data)


def test_facts_of_the_file(path):
    events = EventList.read(path)
    assert events.nrows == 3000
    assert events.mission.name == "ixpe"
    assert events.detnam == "DU1"
    assert events.bounds == (1, 100, 1, 100)
    assert events.channel_range == (0, 374)
    assert events.energy_column == "PI"
    assert list(events.gti) == [tuple(g) for g in GTI]
    assert events.ontime == 900.0
    assert events.exposure == pytest.approx(810.0, rel=1e-12)
    assert events.wcs.frame


def test_wcs_is_that_of_astropy(path):
    from astropy.wcs import WCS

    events = EventList.read(path)
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 250.0, "CRVAL2": 40.0})
    header.update({"CRPIX1": 50.5, "CRPIX2": 50.5, "CDELT1": -1e-3, "CDELT2": 1e-3})
    want = WCS(header).all_pix2world([[3.0, 77.0]], 1)[0]
    assert np.allclose(events.wcs.pixel_to_sky(3.0, 77.0), want, atol=1e-11)


def test_no_selection_still_applies_good_times(path, data):
    assert EventList.read(path).count() == in_time(data["TIME"]).sum()


def test_region(path, data):
    events = EventList.read(path).select("physical; circle(50,50,20)")
    inside = np.hypot(data["X"].astype(float) - 50, data["Y"].astype(float) - 50) <= 20
    keep = inside & in_time(data["TIME"])
    assert np.array_equal(events.column(ROW), np.flatnonzero(keep))
    yy, xx = np.mgrid[1:101, 1:101]
    assert events.region_area == (np.hypot(xx - 50, yy - 50) <= 20).sum()


def test_region_from_object_file_and_path(path, tmp_path):
    region = parse_regions("physical; circle(50,50,20)")
    file = tmp_path / "a.reg"
    file.write_text("physical\ncircle(50,50,20)\n")
    events = EventList.read(path)
    counts = {events.select(r).count() for r in (region, file, str(file))}
    assert len(counts) == 1


def test_exclusion_keeps_events_outside_the_plane(tmp_path):
    data = uniform(200)
    data["X"][:5] = 130.0
    events = EventList.read(write_events(tmp_path / "e.fits", data)).select("physical; -circle(50,50,20)")
    keep = np.hypot(data["X"].astype(float) - 50, data["Y"].astype(float) - 50) > 20
    assert events.count() == (keep & in_time(data["TIME"])).sum()


def test_two_regions_narrow_each_other(path, data):
    events = EventList.read(path).select("physical; circle(40,50,20)").select("physical; circle(60,50,20)")
    x, y = data["X"].astype(float), data["Y"].astype(float)
    keep = (np.hypot(x - 40, y - 50) <= 20) & (np.hypot(x - 60, y - 50) <= 20) & in_time(data["TIME"])
    assert events.count() == keep.sum()
    yy, xx = np.mgrid[1:101, 1:101]
    want = (np.hypot(xx - 40, yy - 50) <= 20) & (np.hypot(xx - 60, yy - 50) <= 20)
    assert events.region_area == want.sum()


def test_energy_and_channels_are_the_same_selection(path, data):
    events = EventList.read(path)
    by_energy = events.select(energy=(2 * u.keV, 8 * u.keV)).column("PI")
    assert by_energy.min() == 50
    assert by_energy.max() == 199
    assert np.array_equal(by_energy, events.select(pi=(50, 199)).column("PI"))
    assert np.array_equal(by_energy, events.select(energy=[2000, 8000] * u.eV).column("PI"))


def test_energy_of_an_unknown_telescope_comes_from_its_response(tmp_path):
    class Response:
        first_channel = 1
        e_min = np.arange(0, 10, 0.5)
        e_max = e_min + 0.5

    data = uniform(500, PI=np.random.default_rng(1).integers(1, 21, 500).astype("i4"))
    path = write_events(tmp_path / "e.fits", data, header={"TELESCOP": "KESTREL"})
    events = EventList.read(path)
    assert events.mission.name == "generic"
    got = events.select(energy=(1 * u.keV, 2 * u.keV), response=Response()).column("PI")
    assert set(got) == {3, 4}
    with pytest.raises(wolter.WolterError, match="energies of the channels"):
        events.select(energy=(1 * u.keV, 2 * u.keV))


def test_time_range_narrows_events_and_exposure(path, data):
    events = EventList.read(path).select(time=(1300 * u.s, 1600 * u.s))
    t = data["TIME"]
    assert events.count() == (in_time(t) & (t >= 1300) & (t <= 1600)).sum()
    assert events.ontime == pytest.approx(200.0, abs=1e-9)


def test_time_as_dates(path, data):
    # MJD 57754.0008007407407 TT is mission time zero; the header's TIMESYS is TT.
    dates = Time([1300.0 / 86400 + 8.007407407e-4, 1600.0 / 86400 + 8.007407407e-4], 57754.0, format="mjd", scale="tt")
    lo, hi = dates
    narrowed = EventList.read(path).select(time=(lo.utc, hi.tdb))
    assert narrowed.ontime == pytest.approx(200.0, abs=2e-3)  # TDB differs from TT by up to 1.7 ms
    assert narrowed.count() == EventList.read(path).select(time=(1300 * u.s, 1600 * u.s)).count()


def test_gti_object_and_file(path, tmp_path):
    extra = Intervals([1100.0], [1450.0])
    extra.write(tmp_path / "x.gti")
    events = EventList.read(path)
    for given in (extra, tmp_path / "x.gti", str(tmp_path / "x.gti")):
        assert events.select(gti=given).ontime == 300.0


def test_expression(path, data):
    events = EventList.read(path).select(expression="PI >= 50 && PI < 200 && W_MOM > 0.5")
    keep = (data["PI"] >= 50) & (data["PI"] < 200) & (data["W_MOM"] > 0.5) & in_time(data["TIME"])
    assert np.array_equal(events.column(ROW), np.flatnonzero(keep))


def test_expression_on_bits(tmp_path):
    bits = np.zeros((100, 16), dtype=bool)
    bits[::3, 2] = True
    data = uniform(100) | {"STATUS": bits}
    events = EventList.read(write_events(tmp_path / "b.fits", data, gti=[(0, 1e5)]))
    assert events.select(expression="STATUS == b0000000000000000").count() == 100 - 34


def test_undefined_values_satisfy_nothing(tmp_path):
    data = uniform(100)
    data["PI"][:10] = -999
    path = write_events(tmp_path / "n.fits", data, gti=[(0, 1e5)])
    with fits.open(path, mode="update") as f:
        f["EVENTS"].header["TNULL4"] = -999
    assert EventList.read(path).select(expression="PI < 1000").count() == 90


def test_row_filter_and_ranges_in_the_file_name(path, data):
    t = in_time(data["TIME"])
    assert (
        EventList.read(f"{path}[EVENTS][PI >= 50 && PI < 200]").count()
        == (t & (data["PI"] >= 50) & (data["PI"] < 200)).sum()
    )
    pi, x = data["PI"], data["X"]
    want = t & (((pi >= 50) & (pi <= 60)) | ((pi >= 100) & (pi <= 110))) & (x >= 19.5) & (x <= 30.5)
    assert EventList.read(f"{path}[PI=50:60,PI=100:110,X=20:30]").count() == want.sum()
    assert EventList.read(f"{path}[20:30,*:50]").count() == (t & (x >= 19.5) & (x <= 30.5) & (data["Y"] <= 50.5)).sum()


@pytest.mark.parametrize(
    ("grade", "wanted"), [("0:4", range(5)), ("0,2:3;12", (0, 2, 3, 12)), (5, (5,)), ([1, 2], (1, 2))]
)
def test_grades(path, data, grade, wanted):
    got = EventList.read(path).select(grade=grade).column("GRADE")
    keep = np.isin(data["GRADE"], list(wanted)) & in_time(data["TIME"])
    assert np.array_equal(got, data["GRADE"][keep])


def test_selections_compose_and_do_not_change_their_origin(path, data):
    events = EventList.read(path)
    step = events.select("physical; circle(50,50,30)")
    both = step.select(pi=(50, 199)).select(expression="GRADE == 0")
    inside = np.hypot(data["X"].astype(float) - 50, data["Y"].astype(float) - 50) <= 30
    keep = inside & (data["PI"] >= 50) & (data["PI"] <= 199) & (data["GRADE"] == 0) & in_time(data["TIME"])
    assert both.count() == keep.sum()
    assert step.count() == (inside & in_time(data["TIME"])).sum()
    assert events.count() == in_time(data["TIME"]).sum()


def test_columns_in_any_case_and_rows(path, data):
    part = EventList.read(path).select(pi=(10, 12)).read_columns(["time", "Pi", ROW])
    assert np.array_equal(part["time"], data["TIME"][part[ROW]])
    assert np.array_equal(part["Pi"], data["PI"][part[ROW]])


def test_nothing_selected_gives_empty_columns(path):
    events = EventList.read(path).select(expression="PI > 1000")
    part = events.read_columns(["PI", "X", ROW])
    assert [len(v) for v in part.values()] == [0, 0, 0]
    assert part["X"].dtype == np.float32


def test_compressed_file_is_inflated_once(path, tmp_path, data, monkeypatch):
    packed = tmp_path / "evt.fits.gz"
    with open(path, "rb") as source, gzip.open(packed, "wb") as target:
        shutil.copyfileobj(source, target)
    from wolter.fits import source as stream

    starts = []
    original = stream.StreamSource._restart
    monkeypatch.setattr(stream.StreamSource, "_restart", lambda self: (starts.append(1), original(self))[1])
    events = EventList.read(packed)
    opened = len(starts)
    got = events.select("physical; circle(50,50,20)").column(ROW)
    assert len(starts) - opened == 1
    inside = np.hypot(data["X"].astype(float) - 50, data["Y"].astype(float) - 50) <= 20
    assert np.array_equal(got, np.flatnonzero(inside & in_time(data["TIME"])))


def test_compressed_file_with_many_survivors_is_inflated_again(path, tmp_path, data, monkeypatch):
    packed = tmp_path / "evt.fits.gz"
    with open(path, "rb") as source, gzip.open(packed, "wb") as target:
        shutil.copyfileobj(source, target)
    from wolter.data import events as module

    monkeypatch.setattr(module, "_DEFERRED_BYTES", 100)
    assert np.array_equal(EventList.read(packed).column(ROW), np.flatnonzero(in_time(data["TIME"])))


def test_gti_extension_of_another_name(tmp_path, data):
    path = write_events(tmp_path / "s.fits", data, gti=[(1000, 1100)], gti_name="STDGTI")
    assert EventList.read(path).ontime == 100.0
    path = write_events(tmp_path / "t.fits", data, gti=[(1000, 1200)], gti_name="GTI_DU1")
    assert EventList.read(path).ontime == 200.0


def test_gti_named_by_the_data_subspace_wins(tmp_path, data):
    path = write_events(tmp_path / "s.fits", data, gti=[(1000, 1100)], gti_name="GTI0007")
    other = fits.BinTableHDU.from_columns(
        [fits.Column("START", "D", array=[1000.0]), fits.Column("STOP", "D", array=[2000.0])], name="GTI"
    )
    with fits.open(path, mode="update") as f:
        f.append(other)
        f["EVENTS"].header.update({"DSTYP1": "TIME", "DSVAL1": "TABLE", "DSREF1": ":GTI0007"})
    assert EventList.read(path).ontime == 100.0
    assert EventList.read(path, gti="GTI").ontime == 1000.0


def test_no_gti_extension_means_the_whole_observation(tmp_path, data):
    path = write_events(tmp_path / "s.fits", data, gti=None)
    events = EventList.read(path)
    assert events.ontime == 1000.0
    assert events.count() == 3000


def test_ccds_with_good_times_of_their_own(tmp_path):
    data = uniform(1000) | {"CHIP": np.arange(1000, dtype="i2") % 2 + 3}
    header = {"DSTYP1": "TIME", "DSVAL1": "TABLE", "DSREF1": ":GTI3", "DSTYP2": "CHIP", "DSVAL2": "3"}
    header |= {"2DSREF1": ":GTI4", "2DSVAL2": "4"}
    path = write_events(
        tmp_path / "c.fits", data, gti=[(1000, 1300)], gti_name="GTI3", header=header, formats={"CHIP": "I"}
    )
    second = fits.BinTableHDU.from_columns(
        [fits.Column("START", "D", array=[1200.0]), fits.Column("STOP", "D", array=[1500.0])], name="GTI4"
    )
    with fits.open(path, mode="update") as f:
        f.append(second)
    events = EventList.read(path)
    t, chip = data["TIME"], data["CHIP"]
    keep = ((chip == 3) & (t >= 1000) & (t <= 1300)) | ((chip == 4) & (t >= 1200) & (t <= 1500))
    assert np.array_equal(events.column(ROW), np.flatnonzero(keep))
    assert {k: g.exposure for k, g in events.gti_by_ccd.items()} == {3: 300.0, 4: 300.0}


def test_times_are_those_of_mid_frame(tmp_path):
    data = uniform(100, TIME=np.full(100, 999.5))
    header = {"TIMEDEL": 2.0, "TIMEPIXR": 0.0, "TIMEZERO": 0.0}
    path = write_events(tmp_path / "p.fits", data, header=header)
    events = EventList.read(path)
    assert events.time_offset == 1.0
    assert events.count() == 100  # 1000.5 s is good, 999.5 s is not
    assert events.with_timepixr(0.5).count() == 0


def test_live_fraction_from_livetime(tmp_path, data):
    path = write_events(tmp_path / "l.fits", data, header={"DEADC": None, "LIVETIME": 450.0, "ONTIME": 900.0})
    assert EventList.read(path).exposure == 450.0
    path = write_events(tmp_path / "m.fits", data, header={"DEADC": None})
    assert EventList.read(path).exposure == 900.0


def test_event_lists_travel_to_other_processes(path):
    events = EventList.read(path).select("physical; circle(50,50,20)", pi=(50, 199))
    again = pickle.loads(pickle.dumps(events))
    assert again.count() == events.count()
    assert again.mission.name == "ixpe"


def test_channels_without_limits_in_the_header(tmp_path, data):
    path = write_events(tmp_path / "u.fits", data, limits=False, header={"TELESCOP": "KESTREL"})
    with pytest.raises(wolter.WolterError, match="TLMIN"):
        _ = EventList.read(path).channel_range
    assert EventList.read(path, channels=(0, 374)).channel_range == (0, 374)


def test_pha_where_there_is_no_pi(tmp_path):
    data = uniform(100)
    data["PHA"] = data.pop("PI")
    path = write_events(tmp_path / "h.fits", data, header={"TELESCOP": "KESTREL"}, formats={"PHA": "J"})
    assert EventList.read(path).energy_column == "PHA"


def test_events_under_another_extension_name(tmp_path, data):
    path = write_events(tmp_path / "o.fits", data, extname="PHOTONS")
    assert EventList.read(path).count() == in_time(data["TIME"]).sum()


@pytest.mark.parametrize("order", ["ascending", "shuffled", "with NaN"])
def test_long_lists_keep_exactly_the_good_times(tmp_path, order):
    """Blocks that lie within one good time are not looked at event by event; numpy counts the same."""
    from wolter import fits as tables

    rng = np.random.default_rng(8)
    time = np.sort(rng.uniform(0.0, 1000.0, 400_000))
    start, stop = np.array([10.0, 300.0, 300.5, 999.0]), np.array([290.0, 300.1, 700.0, 1000.0])
    time[1000], time[200_000] = start[0], stop[2]  # both ends belong to an interval
    time.sort()
    if order == "shuffled":
        rng.shuffle(time)
    elif order == "with NaN":
        time[rng.integers(0, len(time), 20)] = np.nan
    pi = rng.integers(0, 100, len(time)).astype(np.int16)
    path = tmp_path / "long.evt"
    data = {"TIME": time, "PI": pi}
    tables.write(
        path,
        [
            tables.primary(),
            tables.new_table("EVENTS", data, header={"TELESCOP": "NONE", "HDUCLAS1": "EVENTS"}),
            tables.new_table("GTI", {"START": start, "STOP": stop}, header={"HDUCLAS1": "GTI"}),
        ],
    )
    good = np.any([(time >= a) & (time <= b) for a, b in zip(start, stop, strict=True)], axis=0)
    events = EventList.read(path, channels=(0, 99))
    assert events.count() == good.sum()
    for keep, selected in ((pi >= 10, events.select(pi=(10, 99))), (pi < 3, events.select(pi=(0, 2)))):
        seen = selected.read_columns(["TIME", "PI"])
        assert np.array_equal(seen["TIME"], time[good & keep])
        assert np.array_equal(seen["PI"], pi[good & keep])
