"""Damaged, incomplete or mixed-up observations: each says what is wrong and what would cure it."""

from __future__ import annotations

import shutil
import warnings

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits as afits

from wolter.data import EventList
from wolter.errors import GTIError, MissionError, RegionError, ResponseError, WolterWarning
from wolter.gti import GTI
from wolter.makers import extract_spectrum, light_curve
from wolter.mission import get_mission
from wolter.observation import Observation
from wolter.simulate import simulate_observation
from wolter.sky import circle

POSITION = "12:30:00.0 +12:24:00"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A simulated observation of two modules with its responses."""
    path = tmp_path_factory.mktemp("bad")
    folder = simulate_observation(
        _model(),
        mission="nustar",
        position=POSITION,
        exposure=4 * u.ks,
        output=path,
        obsid="10000000001",
        compress=False,
        seed=4,
    )
    return folder, path / "responses"


def _model():
    from wolter.models import Model

    model = Model("powerlaw")
    model["powerlaw.norm"].value = 0.01
    return model


@pytest.fixture
def damaged(made, tmp_path):
    """Function: a copy of an event file after something was done to its HDUs."""
    source = next(made[0].glob("event_cl/*A01_cl.evt"))

    def copy(change):
        target = tmp_path / source.name
        with afits.open(source) as file:
            hdus = change(file) or file
            afits.HDUList(list(hdus)).writeto(target)
        return target

    return copy


def _without(name):
    return lambda file: [h for h in file if h.name != name]


def test_no_gti_counts_all_time_and_says_so(damaged):
    events = EventList.read(damaged(_without("GTI")))
    with pytest.warns(WolterWarning, match=r"no good time intervals: all time from TSTART to TSTOP"):
        gti = events.gti
    assert gti.exposure == pytest.approx(events.header["TSTOP"] - events.header["TSTART"])


def test_neither_gti_nor_times(damaged):
    def change(file):
        for key in ("TSTART", "TSTOP"):
            del file["EVENTS"].header[key]
        return _without("GTI")(file)

    with pytest.raises(GTIError, match="neither a GTI extension nor TSTART and TSTOP"):
        _ = EventList.read(damaged(change)).gti


def test_intervals_given_stand_in_for_those_that_are_missing(damaged, shared, tmp_path):
    """The cure that the message names works, for files without any times and for CCDs whose extensions are lost."""

    def change(file):
        for key in ("TSTART", "TSTOP"):
            del file["EVENTS"].header[key]
        return _without("GTI")(file)

    bare = EventList.read(damaged(change))
    with afits.open(bare.path) as file:
        time = np.sort(np.asarray(file["EVENTS"].data["TIME"], dtype=float)) + bare.time_offset
    middle = GTI.single(time[len(time) // 4], time[-1])
    assert bare.select(gti=middle).exposure == pytest.approx(middle.exposure * bare.deadc)
    assert bare.select(gti=middle).count() == np.count_nonzero(time >= middle.span[0])
    with afits.open(shared("xmm/a907_0201903501/mos1_exp1_clean_evts.fits")) as file:
        afits.HDUList([h for h in file if "GTI" not in h.name]).writeto(tmp_path / "mos1.fits")
        time = np.asarray(file["EVENTS"].data["TIME"], dtype=float)
    mos = EventList.read(tmp_path / "mos1.fits")
    with pytest.raises(GTIError, match=r"mos1\.fits\[EVENTS\]: its header says that good times are in GTI00006.*--gti"):
        mos.count()
    good = GTI.single(time.min() - mos.time_offset, float(np.median(time)))
    assert mos.select(gti=good).count() == np.count_nonzero((time >= good.span[0]) & (time <= good.span[1]))
    good.write(tmp_path / "good.gti")
    from wolter.cli import main

    main(["image", str(mos.path), "--gti", str(tmp_path / "good.gti"), "--output", str(tmp_path)])
    with afits.open(tmp_path / "mos1.img") as file:
        assert file[0].data.sum() == mos.select(gti=good).count()


def test_overlapping_and_unordered_gtis_are_their_union(damaged):
    def change(file):
        start, stop = file["GTI"].data["START"], file["GTI"].data["STOP"]
        lo, hi = float(start[0]), float(stop[0])
        pairs = [(lo + 500, lo + 1500), (lo, lo + 700), (lo + 200, lo + 300), (lo + 1400, hi)]
        columns = [afits.Column(k, "D", unit="s", array=[p[i] for p in pairs]) for i, k in enumerate(("START", "STOP"))]
        gti = afits.BinTableHDU.from_columns(columns, name="GTI")
        gti.header["HDUCLAS1"] = "GTI"
        return [h if h.name != "GTI" else gti for h in file]

    events = EventList.read(damaged(change))
    with afits.open(events.path) as file:
        pairs = file["GTI"].data
        inside = np.zeros(len(file["EVENTS"].data), dtype=bool)
        time = np.asarray(file["EVENTS"].data["TIME"], dtype=float) + events.time_offset
        for start, stop in zip(pairs["START"], pairs["STOP"], strict=True):
            inside |= (time >= start) & (time <= stop)
        span = float(pairs["STOP"].max() - pairs["START"].min())
    assert len(events.gti) == 1
    assert events.gti.exposure == pytest.approx(span)
    assert events.count() == np.count_nonzero(inside)


def test_unsorted_times_change_nothing(made, damaged):
    def change(file):
        rows = file["EVENTS"].data
        file["EVENTS"].data = rows[np.random.default_rng(0).permutation(len(rows))]

    sorted_events = Observation(made[0]).events["FPMA"]
    shuffled = EventList.read(damaged(change))
    assert (np.diff(shuffled.column("TIME")) < 0).any()
    one, other = (light_curve(e, 100 * u.s) for e in (sorted_events, shuffled))
    np.testing.assert_array_equal(one.rate, other.rate)
    np.testing.assert_array_equal(extract_spectrum(sorted_events).counts, extract_spectrum(shuffled).counts)


def test_missing_tlmin_takes_the_planes_of_the_mission(damaged):
    def change(file):
        for key in [k for k in file["EVENTS"].header if k.startswith(("TLMIN", "TLMAX"))]:
            del file["EVENTS"].header[key]

    events = EventList.read(damaged(change))
    assert events.bounds == (1, 1000, 1, 1000)
    assert events.channel_range == (0, 4095)
    spectrum = extract_spectrum(events.select(circle(POSITION, 1 * u.arcmin)))
    # area of the circle in pixels of 2.458 arcsec over the plane
    assert spectrum.backscal == pytest.approx(np.pi * (60 / 2.458) ** 2 / 1e6, rel=0.01)


def test_no_sky_coordinates(damaged):
    def change(file):
        for key in [k for k in file["EVENTS"].header if k.startswith(("TCRPX", "TCRVL", "TCDLT", "TCTYP", "TCUNI"))]:
            del file["EVENTS"].header[key]

    events = EventList.read(damaged(change))
    assert events.count() > 0  # what needs no sky still works
    assert extract_spectrum(events).counts.sum() == events.count()
    with pytest.raises(RegionError) as caught:
        events.select(circle(POSITION, 1 * u.arcmin))
    assert "coordinates" in str(caught.value)


def test_region_of_another_target(made):
    events = Observation(made[0]).events["FPMA"]
    with pytest.raises(RegionError, match=r"outside|far|field"):
        events.select(circle("05:34:31.9 +22:00:52", 1 * u.arcmin))


def test_responses_of_the_other_module(made):
    """Files named for FPMA that are FPMB's are refused, with both names."""
    observation = Observation(made[0])
    files = {
        "FPMA": {k: made[1] / f"nustar_fpmb_nominal.{k}" for k in ("rmf", "arf")},
        "FPMB": {k: made[1] / f"nustar_fpmb_nominal.{k}" for k in ("rmf", "arf")},
    }
    with pytest.raises(ResponseError, match=r"FPMB") as caught:
        observation.spectra(circle(POSITION, 1 * u.arcmin), responses=files)
    assert "FPMA" in str(caught.value)
    with pytest.raises(ResponseError, match="no responses are given for detector FPMA"):
        observation.spectra(responses={"FPMB": files["FPMB"]})


def test_responses_of_another_mission(shared, made):
    with pytest.raises(ResponseError):
        Observation(made[0]).spectra(responses=shared("swift/2m0259_00092220001"))


def test_folders_that_mix_missions_or_observations(shared, made, tmp_path):
    shutil.copy(next(made[0].glob("event_cl/*A01_cl.evt")), tmp_path / "one.evt")
    shutil.copy(shared("swift/1whsp_0126+33_00085374001/sw00085374001xpcw3po_cl.evt.gz"), tmp_path)
    with pytest.raises(MissionError, match=r"mixes files of (NuSTAR and Swift-XRT|Swift-XRT and NuSTAR)"):
        Observation(tmp_path)
    assert Observation(tmp_path, mission=get_mission("nustar")).obsid == "10000000001"
    (tmp_path / "one.evt").unlink()
    shutil.copy(shared("swift/1whsp_0126+33_00085374005/sw00085374005xpcw3po_cl.evt.gz"), tmp_path)
    with pytest.raises(MissionError, match="several observations: 00085374001, 00085374005"):
        Observation(tmp_path)


def test_observation_without_events(shared):
    observation = Observation(shared("xrism/perseus_000154000_resolve"))
    with pytest.raises(MissionError, match=r"holds no event file\. Name the folder that holds one"):
        _ = observation.events


def test_leftovers_of_killed_programs_are_not_looked_at(shared, tmp_path):
    """A program that is killed leaves hidden files (.name.random.part.suffix), empty or cut off."""
    from wolter.data import find_responses

    for name in ("interval0pc.rmf", "interval0pc.arf", "interval0pcsource.pi"):
        shutil.copy(shared("swift/grb070110_00255445000") / name, tmp_path)
    events = shared("swift/1whsp_0126+33_00085374001/sw00085374001xpcw3po_cl.evt.gz")
    (tmp_path / "obs").mkdir()
    shutil.copy(events, tmp_path / "obs")
    (tmp_path / "obs" / ".sw1.0123abcd.part.evt").write_bytes(b"")
    (tmp_path / "obs" / ".sw2.0123abcd.part.gz").write_bytes(events.read_bytes()[:5000])
    assert [f.path.name for f in Observation(tmp_path / "obs").files] == [events.name]
    shutil.copy(tmp_path / "interval0pc.rmf", tmp_path / ".interval0pc.0123abcd.part.rmf")
    from wolter.data import Spectrum

    found = find_responses(tmp_path, Spectrum.read(tmp_path / "interval0pcsource.pi", follow=False))
    assert found.rmf is not None
    assert found.rmf.name == "interval0pc.rmf"


def test_nothing_warns_on_good_files(shared):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for folder in ("swift/1whsp_0126+33_00085374001", "xmm/a907_0404910601", "nustar/sol_90410111001"):
            for events in Observation(shared(folder)).events.values():
                assert events.gti.exposure > 0
