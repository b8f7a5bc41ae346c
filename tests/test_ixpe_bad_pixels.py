"""Bad pixels of the gas pixel detectors: how their table is read, what they take from exposure and from a source."""

from __future__ import annotations

import json

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits as afits

from wolter.errors import DataError, MissionError, SimulationError, WolterWarning
from wolter.mission import missions
from wolter.models import Model
from wolter.observation import Observation
from wolter.simulate import simulate_observation

SCALE = 0.05 * np.degrees(1 / 4000.0) * 3600.0  # arcsec per pixel of 0.05 mm, 4 m away
SOURCE = SkyCoord("12h30m00s", "+12d24m00s")


@pytest.fixture
def toy(shared):
    return Observation(shared("ixpe/sim_point_source_ixpeobssim/toy_point_source_du1.fits"))


def _table(path, rows, *, detector="DU1", flag="16X", skip=()):
    """A bad-pixel file made by astropy: rows of DET_PX, DET_PY and the number of the flag that is set."""
    x, y, which = np.array(rows).reshape(-1, 3).T
    flags = np.zeros((len(x), 16), dtype=bool)
    flags[np.arange(len(x)), which] = True
    columns = [
        afits.Column("DET_PX", "I", array=x),
        afits.Column("DET_PY", "I", array=y),
        afits.Column("BADFLAG", flag, array=flags if flag == "16X" else which),
    ]
    table = afits.BinTableHDU.from_columns([c for c in columns if c.name not in skip], name="BADPIX")
    table.header["DETNAM"], table.header["TELESCOP"] = detector, "IXPE"
    afits.HDUList([afits.PrimaryHDU(), table]).writeto(path)
    return path


def _square(x, y, size, flag=4):
    return [(x + i, y + j, flag) for i in range(size) for j in range(size)]


def test_pixels_lie_on_the_sky_as_those_of_the_public_simulator(toy):
    """Detector positions of its events, by the plane of the exposure map, against sky positions less dithering."""
    with pytest.warns(WolterWarning, match="no bad-pixel table"):
        inputs = missions()["ixpe"].load("exposure")(toy, "DU1", badpix=None)
    with afits.open(toy.events["DU1"].path) as file:
        events, pointing = file["EVENTS"].data, file["SC_DATA"].data
        ra, dec = (np.interp(events["TIME"], pointing["MET"], pointing[k]) for k in ("RA_PNT", "DEC_PNT"))
        boresight, sky = SkyCoord(ra, dec, unit="deg"), SkyCoord(events["RA"], events["DEC"], unit="deg")
        x, y = events["DETX"] / 0.05 + 131.5, events["DETY"] / 0.05 + 135.5
    east, north = (v.arcsec for v in boresight.spherical_offsets_to(sky))
    told = inputs.planes[0].to_angle @ np.stack([x, y, np.ones(len(x))])
    for seen, mine in ((-east, told[0]), (north, told[1])):
        assert np.std(seen - mine) < 1.5  # the pixels of the plane are 2.6 arcsec; mirrored it would be 200
        assert abs(np.mean(seen - mine)) < 0.5


@pytest.mark.filterwarnings("ignore::wolter.errors.WolterWarning")
def test_a_table_of_the_calibration_database_takes_exposure_away(toy, tmp_path):
    """A square dead at DET_PX 180..199, DET_PY 90..109 is missing where ixpeexpmap would put it."""
    path = _table(tmp_path / "bad.fits", _square(180, 90, 20))
    plain = toy.exposure_map("DU1")
    with_it = toy.exposure_map("DU1", badpix=path, like=plain)
    with afits.open(toy.events["DU1"].path) as file:
        time, pointing = file["EVENTS"].data["TIME"], file["SC_DATA"].data
        ra, dec = (np.interp(time, pointing["MET"], pointing[k]) for k in ("RA_PNT", "DEC_PNT"))
    lost = plain.data - with_it.data
    assert lost.min() > -1e-3
    events = toy.events["DU1"]
    area = (plain.wcs.pixel_scale_deg * 3600.0) ** 2
    assert lost.sum() * area == pytest.approx(400 * SCALE**2 * events.exposure, rel=0.01)
    angle = np.radians(-109.0)  # of this detector, at roll 0
    x, y = 189.5 - 149.5, -(99.5 - 149.5)
    west, north = SCALE * (x * np.cos(angle) - y * np.sin(angle)), SCALE * (x * np.sin(angle) + y * np.cos(angle))
    middle = SkyCoord(ra, dec, unit="deg").spherical_offsets_by(-west * u.arcsec, north * u.arcsec)
    px, py = plain.wcs.sky_to_pixel(middle.ra.deg.mean(), middle.dec.deg.mean())
    ny, nx = lost.shape
    assert (lost.sum(axis=0) @ np.arange(1, nx + 1)) / lost.sum() == pytest.approx(px, abs=2)
    assert (lost.sum(axis=1) @ np.arange(1, ny + 1)) / lost.sum() == pytest.approx(py, abs=2)


@pytest.mark.filterwarnings("ignore::wolter.errors.WolterWarning")
def test_pixels_of_the_gray_filter_count_unless_left_out(toy, tmp_path):
    path = _table(tmp_path / "bad.fits", [*_square(140, 140, 10, flag=7), *_square(2, 2, 3, flag=0)])
    plain = toy.exposure_map("DU1")
    assert toy.exposure_map("DU1", badpix=path, like=plain).data == pytest.approx(plain.data, rel=1e-6)  # 2: not kept
    dark = toy.exposure_map("DU1", badpix=path, gray=True, like=plain)
    assert plain.data.sum() - dark.data.sum() == pytest.approx(plain.data.sum() * 100 / (264 * 272), rel=0.02)


def test_what_is_missing_is_said(toy):
    with pytest.warns(WolterWarning, match="no bad-pixel table is given"):
        made = toy.exposure_map("DU1")
    assert any("no bad-pixel table" in line for line in made.header.history)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"detector": "DU3"}, "bad pixels of DU3, not of DU1"),
        ({"skip": ("DET_PY",)}, "no column DET_PY"),
        ({"flag": "I"}, "BADFLAG has no 5 flags"),
        ({"rows": [(300, 4, 4)]}, "beside the map of 300 x 300"),
        ({"rows": [(4, -1, 4)]}, "beside the map of 300 x 300"),
    ],
)
def test_wrong_tables(toy, tmp_path, change, match):
    path = _table(tmp_path / "bad.fits", **({"rows": [(10, 10, 4)]} | change))
    with pytest.raises(DataError, match=match):
        toy.exposure_map("DU1", badpix=path)


def test_a_file_without_the_table(toy):
    with pytest.raises(DataError, match="there is no table BADPIX"):
        toy.exposure_map("DU1", badpix=toy.events["DU1"].path)


# -- simulated --------------------------------------------------------------------------------


def _simulate(path, **options):
    model = Model("powerlaw")
    model["powerlaw.PhoIndex"].value, model["powerlaw.norm"].value = 2.0, 1.0
    options = {"background_rate": 0 / u.s / u.arcmin**2, "exposure": 4 * u.ks, "compress": False, "seed": 3} | options
    return Observation(simulate_observation(model, mission="ixpe", position=SOURCE, output=path, **options))


def _flux(observation, name, **options):
    """Counts of 2.6 to 3.4 keV within 40 arcsec over those expected for the map; part of the time it gives."""
    pair = missions()["ixpe"].load("nominal_responses")(name, "unweighted")
    edges = np.append(pair.rmf.energ_lo, pair.rmf.energ_hi[-1])
    folded = pair.rmf.fold((1 / edges[:-1] - 1 / edges[1:]) * pair.arf.specresp)
    rate = folded[(pair.rmf.e_min >= 2.6 - 1e-6) & (pair.rmf.e_max <= 3.4 + 1e-6)].sum()
    made = observation.exposure_map(name, energy=3 * u.keV, **options)
    x0, y0 = made.wcs.sky_to_pixel(SOURCE.ra.deg, SOURCE.dec.deg)
    rng = np.random.default_rng(4)
    radius = 11.5 * np.sqrt((1 - rng.random(50_000)) ** (1 / (1 - 1.8)) - 1)  # King: core 11.5 arcsec, slope 1.8
    theta = rng.uniform(0, 2 * np.pi, len(radius))
    near = radius < 40
    x, y = x0 + radius[near] * np.cos(theta[near]) / 2.6, y0 + radius[near] * np.sin(theta[near]) / 2.6
    column, row = (np.rint(p).astype(int) - 1 for p in (x, y))
    seconds = made.data[row, column].sum() / len(radius)
    events = observation.events[name].select(energy=(2.6 * u.keV, 3.4 * u.keV)).read_columns(["X", "Y"])
    counts = np.sum(np.hypot(events["X"] - x0, events["Y"] - y0) < 40 / 2.6)
    return counts / (rate * seconds), seconds / near.mean() / observation.events[name].exposure


@pytest.mark.filterwarnings("ignore::wolter.errors.WolterWarning")
def test_flux_is_recovered_where_a_source_dithers_across_dead_areas(tmp_path):
    """The map that knows them gives the flux; one that does not is wrong by what they took."""
    observation = _simulate(tmp_path, bad_pixels=40, bad_size=20)
    for name in ("DU1", "DU2", "DU3"):
        flux, part = _flux(observation, name)
        assert 0.6 < part < 0.93, part
        assert flux == pytest.approx(1.0, abs=0.03)
        none = _table(tmp_path / f"{name}.fits", np.empty((0, 3), dtype=int), detector=name)
        blind, whole = _flux(observation, name, badpix=none)
        assert whole > 0.97
        assert blind < 0.95
        assert blind == pytest.approx(part / whole, abs=0.03)


def test_dead_areas_are_in_truth_and_beside_the_observation(tmp_path):
    observation = _simulate(tmp_path, bad_pixels=7, bad_size=4)
    truth = json.loads((tmp_path / "99000101_truth.json").read_text())
    found = {f.detector: f.path for f in observation.files if f.role == "bad pixels"}
    assert found["DU2"].name == "ixpe99000101_det2_badpix_v01.fits"
    for name, path in found.items():
        with afits.open(path) as file:
            rows, header = file["BADPIX"].data, file["BADPIX"].header
            assert header["DETNAM"] == name
            assert rows["BADFLAG"][:, 4].all()
            assert rows["BADFLAG"].sum() == len(rows)
            listed = np.column_stack([rows["DET_PX"], rows["DET_PY"]]).tolist()
        assert truth["detectors"][name]["bad_pixels"] == {"1": listed}
        assert 80 < len(listed) <= 7 * 16  # squares may overlap
    assert len({json.dumps(d["bad_pixels"]) for d in truth["detectors"].values()}) == 3


def test_without_dead_areas_the_other_events_are_the_same(tmp_path):
    """Dead areas take events away and change no other: without dead time the rest is a subset."""
    some = _simulate(tmp_path / "some", dead_time=0 * u.s, bad_pixels=30, bad_size=10, exposure=1 * u.ks)
    none = _simulate(tmp_path / "none", dead_time=0 * u.s, bad_pixels=0, exposure=1 * u.ks)
    for name in ("DU1", "DU2", "DU3"):
        fewer, all_of_them = (o.events[name].column("TIME") for o in (some, none))
        assert 0.5 * len(all_of_them) < len(fewer) < 0.99 * len(all_of_them)
        assert np.isin(fewer, all_of_them).all()


@pytest.mark.parametrize("options", [{"bad_pixels": -1}, {"bad_size": 0}, {"bad_size": 300}])
def test_impossible_dead_areas(tmp_path, options):
    with pytest.raises(SimulationError, match="bad squares of"):
        _simulate(tmp_path, **options)


def test_two_tables_of_one_detector(tmp_path):
    observation = _simulate(tmp_path, exposure=100 * u.s)
    path = next(f.path for f in observation.files if f.role == "bad pixels" and f.detector == "DU1")
    (path.parent / "other.fits").write_bytes(path.read_bytes())
    with pytest.raises(MissionError, match="several bad pixels files") as caught:
        Observation(tmp_path / "99000101").exposure_map("DU1")
    assert "badpix=" in str(caught.value)
