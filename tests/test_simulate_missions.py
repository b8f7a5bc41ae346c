"""Simulated observations of the missions: geometry against astropy, counts against exposure maps, fits, shapes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits as afits
from scipy import integrate

from simulate_support import attitude_of, sky_of
from wolter.data import ARF, RMF
from wolter.errors import OutputError, SimulationError, UnitError, WolterError
from wolter.mission import missions
from wolter.models import Model
from wolter.observation import Observation
from wolter.simulate import simulate_observation
from wolter.simulate.shapes import SourceShape, king_fraction, source_shape

SIMULATED = sorted(name for name, m in missions().items() if m.simulator)
CAMERAS = [name for name in SIMULATED if not missions()[name].weightings]
POSITION = "12:30:00.0 +12:24:00"


def _model(norm):
    model = Model("powerlaw")
    model["powerlaw.PhoIndex"].value = 2.0
    model["powerlaw.norm"].value = norm
    return model


def _simulate(path, mission, norm=1e-3, exposure=5e3, **options):
    options = {"seed": 5} | options
    folder = simulate_observation(
        _model(norm), mission=mission, position=POSITION, exposure=exposure * u.s, output=path, **options
    )
    return Observation(folder), json.loads((path / "99000101_truth.json").read_text())


# -- geometry --------------------------------------------------------------------------------


# detector columns, arcsec per unit, and what they grow along: u (west at roll 0), v (north), by camera
FRAMES = {
    "swift_xrt": ("DETX", "DETY", 2.3573, {"XRT": ((0, 1), (1, 0), -0.167, (294.64, 298.76))}),
    "xrism_xtend": ("DETX", "DETY", 1.768, {"XTEND": ((1, 0), (0, 1), 0.0, (1024.5, 1024.5))}),
    "xmm_epic": (
        "DETX",
        "DETY",
        0.05,
        {
            "M1": ((-1, 0), (0, 1), 0.003, (-1409.3, -1405.5)),
            "M2": ((0, -1), (-1, 0), -0.29, (1228.4, -1631.7)),
        },
    ),
}


@pytest.mark.parametrize("mission", FRAMES)
def test_sky_positions_follow_from_detector_positions_and_attitude(tmp_path, mission):
    """Offsets from the pointing along and across the roll, computed by astropy, are the detector's."""
    observation, _ = _simulate(
        tmp_path, mission, roll=217 * u.deg, jitter=20 * u.arcsec, exposure=2e3, pointing="12:30:10.0 +12:25:00"
    )
    xcol, ycol, scale, cameras = FRAMES[mission]
    for name, (along_u, along_v, turn, origin) in cameras.items():
        table, sky = sky_of(observation.events[name])
        pointing, roll = attitude_of(observation, table["TIME"])
        frames = pointing.skyoffset_frame(rotation=(roll + turn) * u.deg)
        offset = sky.transform_to(frames)
        lon, lat = offset.lon.radian, offset.lat.radian  # to the tangent plane
        seen_u, seen_v = (np.degrees(v) * 3600.0 for v in (-np.tan(lon), np.tan(lat) / np.cos(lon)))
        dx, dy = (table[xcol] - origin[0]) * scale, (table[ycol] - origin[1]) * scale
        told_u = along_u[0] * dx + along_u[1] * dy
        told_v = along_v[0] * dx + along_v[1] * dy
        # half a detector pixel, and half a sky pixel along both of its axes
        tolerance = (0.5 + 0.5 * np.sqrt(2)) * scale + 0.02
        for seen, told in ((seen_u, told_u), (seen_v, told_v)):
            assert np.ptp(told) > 500
            assert np.abs(seen - told).max() < tolerance


def test_mirrored_detector_and_mast_of_the_modules(tmp_path):
    """The aspect file's reference pixel ties DET1 to the sky: DET1X is mirrored, and the roll turns both."""
    observation, _ = _simulate(tmp_path, "nustar", exposure=2e3, roll=217 * u.deg, norm=0.05)
    for module, letter in (("FPMA", "A"), ("FPMB", "B")):
        events = observation.events[module]
        path = next(f.path for f in observation.files if f.role == "aspect" and f.detector == module)
        assert path.name == f"nu99000101{letter}_det1.fits.gz"
        with afits.open(events.path) as file, afits.open(path) as aspect:
            table, reference = file["EVENTS"].data, aspect["DET1_REFPOINT"].data
            x0, y0 = (np.interp(table["TIME"], reference["TIME"], reference[k]) for k in ("X_DET1", "Y_DET1"))
            dx, dy = 350.0 - table["DET1X"], table["DET1Y"] - 350.0
            angle = np.radians(217.0)
            px, py = x0 + dx * np.cos(angle) - dy * np.sin(angle), y0 + dx * np.sin(angle) + dy * np.cos(angle)
            assert np.abs(px - table["X"]).max() < 1.5
            assert np.abs(py - table["Y"]).max() < 1.5
            raw = table["DET_ID"] == 0
            # detector 0: DET1X grows with RAWY, DET1Y with RAWX (as in archived events)
            assert np.polyfit(table["RAWY"][raw], table["DET1X"][raw], 1)[0] == pytest.approx(5.0, abs=0.05)
            assert np.polyfit(table["RAWX"][raw], table["DET1Y"][raw], 1)[0] == pytest.approx(5.0, abs=0.05)


@pytest.mark.parametrize(("jitter", "rms"), [(None, 48.0), (0.0, 0.0), (20.0, 20.0)])
def test_pointing_of_the_polarimeter_wanders(tmp_path, jitter, rms):
    """Attitude files say where it pointed; events lie on the turned, shifted detector, computed by astropy."""
    options = {} if jitter is None else {"jitter": jitter * u.arcsec}
    observation, _ = _simulate(tmp_path, "ixpe", exposure=6e3, roll=77 * u.deg, **options)
    assert [f.detector for f in observation.files if f.role == "attitude"] == ["DU1", "DU2", "DU3"]
    centre = SkyCoord("12h30m0.0s +12d24m0s")
    table, sky = sky_of(observation.events["DU1"])
    pointing, roll = attitude_of(observation, table["TIME"])
    offsets = [v.to_value("arcsec") for v in centre.spherical_offsets_to(pointing)]
    assert [float(np.std(v)) for v in offsets] == pytest.approx([rms, rms], rel=0.05, abs=0.01)
    east, north = (v.to_value("arcsec") for v in pointing.spherical_offsets_to(sky))
    angle = np.radians(-109.0 + roll)  # of DU1, see wolter.missions.ixpe.exposure
    across, along = north * np.sin(angle) - east * np.cos(angle), north * np.cos(angle) + east * np.sin(angle)
    half = 6.6 * 51.566, 6.8 * 51.566
    assert np.abs(across).max() < half[0] + 0.2
    assert np.abs(along).max() < half[1] + 0.2
    assert np.abs(across).max() > half[0] - 8
    assert np.abs(along).max() > half[1] - 8


@pytest.mark.parametrize("mission", SIMULATED)
def test_position_is_recovered(tmp_path, mission):
    norm = {"ixpe": 0.3, "nustar": 0.05}.get(mission, 0.01)
    observation, truth = _simulate(tmp_path, mission, norm=norm, exposure=3e3, background_rate=0 / u.s / u.arcmin**2)
    target = SkyCoord(POSITION, unit=("hourangle", "deg"))
    assert truth["ra"] == pytest.approx(target.ra.deg)
    for name, events in observation.events.items():
        _, sky = sky_of(events)
        near = sky.separation(target) < 20 * u.arcsec
        assert near.sum() > 300, name
        east, north = target.spherical_offsets_to(sky[near])
        for offset in (east.arcsec, north.arcsec):
            # bad pixels and gaps take some photons from one side, so the error is more than the counts say
            assert abs(offset.mean()) < 5 * offset.std() / np.sqrt(near.sum()) + 0.1 * offset.std(), name


# -- counts --------------------------------------------------------------------------------


@pytest.mark.parametrize("mission", SIMULATED)
def test_background_counts_are_those_the_exposure_map_predicts(tmp_path, mission):
    """An even background of known rate: counts = rate x (seconds summed over the map) x pixel area."""
    rate = 0.02
    observation, _ = _simulate(
        tmp_path, mission, norm=1e-9, exposure=2e3, background_rate=rate / u.s / u.arcmin**2, roll=77 * u.deg
    )
    band = missions()[mission].band
    for name, events in observation.events.items():
        seconds = observation.exposure_map(name, vignetting=False)
        area = (seconds.wcs.pixel_scale_deg * 60.0) ** 2
        expected = rate * float(np.nansum(seconds.data)) * area
        seen = events.select(energy=(band[0] * u.keV, band[1] * u.keV)).count()
        assert expected > 1000
        assert abs(seen - expected) < 4 * np.sqrt(expected) + 0.01 * expected, (name, seen, expected)


@pytest.mark.parametrize("mission", SIMULATED)
def test_flux_off_axis_is_recovered(tmp_path, mission):
    """Counts of a small disk over the vignetted exposure there are the rate that model and responses predict."""
    description = missions()[mission]
    energy = {"nustar": 10.0, "ixpe": 3.0}.get(mission, 1.5)
    norm = {"nustar": 0.3, "swift_xrt": 0.1, "ixpe": 1.0}.get(mission, 0.03)
    observation, _ = _simulate(
        tmp_path,
        mission,
        norm=norm,
        exposure=3e3,
        shape="disk:45",
        pointing="12:30:14.0 +12:26:30",  # 4.2 arcmin away
        roll=140 * u.deg,
        background_rate=0 / u.s / u.arcmin**2,
    )
    for name, events in observation.events.items():
        pair = description.load("nominal_responses")(name, *(["unweighted"] if description.weightings else []))
        edges = np.append(pair.rmf.energ_lo, pair.rmf.energ_hi[-1])
        folded = pair.rmf.fold(norm * (1 / edges[:-1] - 1 / edges[1:]) * pair.arf.specresp)  # photons of norm E^-2
        inside = (pair.rmf.e_min >= 0.9 * energy - 1e-6) & (pair.rmf.e_max <= 1.1 * energy + 1e-6)
        rate = float(folded[inside].sum())
        band = (0.9 * energy * u.keV, 1.1 * energy * u.keV)
        known = description.vignetting is not None
        seconds = observation.exposure_map(name, energy=energy * u.keV if known else None, vignetting=known)
        ny, nx = seconds.data.shape
        x, y = seconds.wcs.sky_to_pixel(187.5, 12.4)
        scale = seconds.wcs.pixel_scale_deg * 3600.0
        distance = np.hypot(np.arange(1, nx + 1) - x, np.arange(1, ny + 1)[:, None] - y) * scale
        mean = float(np.mean(seconds.data[distance < 45]))
        seen = events.select(energy=band).count()
        expected = rate * mean
        assert expected > 1000
        assert mean < (0.97 if known else 1.0) * events.exposure  # vignetting takes its part
        # the wings of the point-spread function fall on gaps, bad columns and beside the field
        assert abs(seen / expected - 1) < 4 / np.sqrt(expected) + 0.04, (name, seen, expected)


@pytest.mark.parametrize("mission", CAMERAS)
def test_no_event_in_a_bad_pixel(tmp_path, mission):
    observation, _ = _simulate(
        tmp_path, mission, norm=1e-9, exposure=1e3, bad_pixels=200, background_rate=0.05 / u.s / u.arcmin**2
    )
    for events in observation.events.values():
        with afits.open(events.path) as file:
            table = file["EVENTS"].data
            listed = [h for h in file if h.name.startswith("BADPIX")]
            if not listed:
                path = next(f.path for f in observation.files if f.role == "bad pixel image")
                image = afits.getdata(path)
                assert (image == 2).sum() > 700
                assert (image[table["DETY"] - 1, table["DETX"] - 1] <= 0).all()
                assert np.mean(image[table["DETY"] - 1, table["DETX"] - 1] == 0) > 0.98
                continue
            for number, hdu in enumerate(listed):
                chip = {"CCDNR": hdu.header.get("CCDID"), "DET_ID": number}
                mine = np.ones(len(table), dtype=bool)
                for column, value in chip.items():
                    if column in table.names:
                        mine &= table[column] == value
                rows = hdu.data
                extent = rows["YEXTENT"] if "YEXTENT" in rows.names else np.ones(len(rows), dtype=int)
                columns = zip(rows["RAWX"].tolist(), rows["RAWY"].tolist(), extent.tolist(), strict=True)
                bad = {(x, y + k) for x, y, n in columns for k in range(n)}
                assert len(bad) >= 100
                hit = set(zip(table["RAWX"][mine].tolist(), table["RAWY"][mine].tolist(), strict=True))
                assert hit
                assert not hit & bad


def test_live_time_is_that_of_the_housekeeping(tmp_path):
    """DEADC of the events is the mean live fraction of the seconds in the good time, and counts lose as much."""
    observation, truth = _simulate(tmp_path, "nustar", norm=3.0, exposure=300)
    for module, events in observation.events.items():
        path = next(f.path for f in observation.files if f.role == "livetime" and f.detector == module)
        table = afits.getdata(path, "HK1FPM")
        start, stop = events.gti.start[0], events.gti.stop[-1]
        inside = np.clip(np.minimum(table["TIME"] + 1, stop) - np.maximum(table["TIME"], start), 0, None)
        mean = (inside * table["LIVETIME"]).sum() / inside.sum()
        assert events.deadc == pytest.approx(mean, rel=1e-9)
        assert 0.2 < mean < 0.8
        assert truth["detectors"][module]["livetime"] == pytest.approx(300 * mean, rel=1e-9)
        assert np.diff(events.column("TIME")).min() >= 2.5e-3


def test_good_times_of_ccds_differ_and_hold_their_events(tmp_path):
    observation, truth = _simulate(tmp_path, "xmm_epic", exposure=8e3)
    for name, events in observation.events.items():
        lengths = {round(g.exposure, 3) for g in events.gti_by_ccd.values()}
        assert len(lengths) > 3
        with afits.open(events.path) as file:
            table = file["EVENTS"].data
            for ccd, good in events.gti_by_ccd.items():
                assert good.contains(np.asarray(table["TIME"][table["CCDNR"] == ccd], dtype=float)).all()
                rows = file[f"EXPOSU{ccd:02d}"].data
                live = float((rows["TIMEDEL"].astype(float) * rows["FRACEXP"].astype(float)).sum())
                assert live == pytest.approx(truth["detectors"][name]["livetimes"][str(ccd)], rel=1e-6)


# -- spectra --------------------------------------------------------------------------------


def test_real_responses_give_spectra_that_fit_back(shared, tmp_path):
    """With responses of the archive in place of the nominal ones: the fit with the same files finds the truth."""
    from wolter.fit import Fit

    folder = shared("swift/2m0259_00092220001")
    model = Model("tbabs*powerlaw")
    truth = {"TBabs.nH": 0.3, "powerlaw.PhoIndex": 1.7, "powerlaw.norm": 0.05}
    for name, value in truth.items():
        model[name].value = value
    made = simulate_observation(
        model,
        mission="swift_xrt",
        position=POSITION,
        exposure=10 * u.ks,
        output=tmp_path,
        responses=folder,
        background_rate=0 / u.s / u.arcmin**2,
        bad_pixels=0,
        bad_columns=0,
        seed=2,
    )
    assert not (tmp_path / "responses").exists()
    spectra = Observation(made).spectra(responses=folder)
    assert spectra[0].rmf.path.name == "swxpc0to12s6_20130101v014.rmf.gz"
    fit = Fit(spectra.group(min_counts=20).select(0.3 * u.keV, 10 * u.keV), "tbabs*powerlaw", statistic="cstat")
    fit.run()
    for parameter in fit.parameters:
        value = truth[parameter.name]
        loss = 0.01 * value if parameter.name.endswith("norm") else 0.0  # vignetting a little off the axis
        assert abs(parameter.value - value) < 4 * parameter.sigma + loss


@pytest.mark.parametrize(
    ("mission", "detector", "arf", "rmf", "energies", "limits"),
    [
        (
            "swift_xrt",
            "XRT",
            "swift/2m0259_00092220001/target_sr.arf",
            "swift/2m0259_00092220001/swxpc0to12s6_20130101v014.rmf.gz",
            (0.7, 1.0, 1.5, 2.5, 4.0, 6.0, 8.0),
            (0.9, 1.35),
        ),
        (
            "xmm_epic",
            "PN",
            "xmm/ngc7793_ulx4_0693760101/PN.arf",
            None,
            (0.5, 1.0, 1.5, 3.0, 5.0, 7.0, 9.0),
            (0.95, 1.3),
        ),
        ("nustar", "FPMA", "nustar/velax1_30501003002_FPMB/nustar.arf", None, (5, 8, 15, 20, 30, 40, 60), (1.1, 1.7)),
    ],
)
def test_nominal_areas_are_of_the_size_of_real_ones(shared, mission, detector, arf, rmf, energies, limits):
    """Real areas are those inside a region, off the axis: nominal ones on axis are larger by some tens of per cent."""
    real = ARF.read(shared(arf))
    area = np.asarray(real.specresp, dtype=float)
    if rmf is not None:  # some matrices hold the quantum efficiency
        area = area * RMF.read(shared(rmf)).dense().sum(axis=1)
    nominal = missions()[mission].load("nominal_responses")(detector).arf

    def at(one, values):
        return np.interp(energies, 0.5 * (np.asarray(one.energ_lo) + np.asarray(one.energ_hi)), values)

    ratio = at(nominal, nominal.specresp) / at(real, area)
    assert (ratio > limits[0]).all(), ratio
    assert (ratio < limits[1]).all(), ratio


@pytest.mark.parametrize(
    ("mission", "detector", "rmf", "energies"),
    [
        ("swift_xrt", "XRT", "swift/2m0259_00092220001/swxpc0to12s6_20130101v014.rmf.gz", (1.0, 2.0, 6.0)),
        ("xmm_epic", "PN", "xmm/ngc7793_ulx4_0693760101/PN.rmf", (1.0, 2.0, 6.0)),
    ],
)
def test_nominal_resolution_is_of_the_size_of_the_real_one(shared, mission, detector, rmf, energies):
    def width(one, energy):
        line = np.zeros(len(one.energ_lo))
        line[np.argmin(np.abs(0.5 * (one.energ_lo + one.energ_hi) - energy))] = 1.0
        row = one.fold(line) / (one.e_max - one.e_min)
        above = np.flatnonzero(row > 0.5 * row.max())
        return one.e_max[above[-1]] - one.e_min[above[0]]

    real = RMF.read(shared(rmf))
    nominal = missions()[mission].load("nominal_responses")(detector).rmf
    for energy in energies:
        assert 0.75 < width(nominal, energy) / width(real, energy) < 1.3


# -- shapes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "profile", "edge"),
    [
        ("disk:120", lambda r: r * (r <= 120.0), 120.0),
        ("beta:60,0.6,900", lambda r: r * (1 + (r / 60.0) ** 2) ** (0.5 - 1.8), 900.0),
        ("beta:40,1.0", lambda r: r * (1 + (r / 40.0) ** 2) ** -2.5, np.inf),
        ("beta:60,0.5,600", lambda r: r * (1 + (r / 60.0) ** 2) ** -1.0, 600.0),
    ],
)
def test_shapes_have_the_profile_they_name(text, profile, edge):
    """Encircled fractions of drawn photons against integrals by scipy."""
    number = 40000
    dx, dy = source_shape(text).draw(number, np.random.default_rng(1))
    total = integrate.quad(profile, 0, edge, limit=200)[0]
    for radius in (10.0, 30.0, 60.0, 110.0):
        fraction = integrate.quad(profile, 0, radius)[0] / total
        seen = np.count_nonzero(np.hypot(dx, dy) <= radius) / number
        assert abs(seen - fraction) < 4 * np.sqrt(fraction * (1 - fraction) / number)
    assert abs(dx.mean()) < 4 * dx.std() / np.sqrt(number)


@pytest.mark.parametrize("mission", SIMULATED)
def test_point_spread_functions_hold_what_they_say(tmp_path, mission):
    """Encircled fraction against the integral of the profile; it grows to one."""
    description = missions()[mission]
    if description.psf is None:
        pytest.skip("no description of the point-spread function")
    fraction = description.load("psf")
    radius = np.array([0.0, 5.0, 20.0, 60.0, 1e4])
    told = fraction(radius, 1.5, 0.0)
    assert told[0] == 0
    assert told[-1] == pytest.approx(1.0, abs=1e-4)
    assert (np.diff(told) > 0).all()


def test_king_fraction_against_an_integral():
    for core, slope, limit in ((5.8, 1.55, 450.0), (33.0, 1.8, 900.0)):
        total = integrate.quad(lambda r, c=core, s=slope: r * (1 + (r / c) ** 2) ** -s, 0, limit, limit=500)[0]
        for radius in (3.0, 20.0, 100.0):
            part = integrate.quad(lambda r, c=core, s=slope: r * (1 + (r / c) ** 2) ** -s, 0, radius)[0]
            assert king_fraction(radius, core, slope, limit) == pytest.approx(part / total, rel=1e-6)


def test_disk_of_a_simulated_observation(tmp_path):
    """The part of a disk inside half its radius is a quarter, the narrow point-spread function notwithstanding."""
    observation, truth = _simulate(
        tmp_path,
        "swift_xrt",
        norm=0.05,
        shape=("disk", 3 * u.arcmin),
        background_rate=0 / u.s / u.arcmin**2,
        bad_columns=0,
    )
    assert truth["shape"] == {"kind": "disk", "radius_arcsec": 180.0}
    _, sky = sky_of(observation.events["XRT"])
    separation = sky.separation(SkyCoord(POSITION, unit=("hourangle", "deg"))).arcsec
    inner, all_of_it = np.count_nonzero(separation < 90), np.count_nonzero(separation < 230)
    assert abs(inner / all_of_it - 0.25) < 4 * np.sqrt(0.25 * 0.75 / all_of_it) + 0.006


# -- bad requests --------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["blob", "disk", "disk:-3", "disk:a", "beta:60", "beta:60,0.3", "point:3"])
def test_shapes_not_understood(text):
    with pytest.raises(SimulationError):
        source_shape(text)


def test_shape_sizes_need_units():
    with pytest.raises(UnitError, match="disk source has no unit"):
        source_shape(("disk", 60))
    assert source_shape(("beta", 1 * u.arcmin, 0.6)) == SourceShape("beta", 60.0, 0.6)


@pytest.mark.parametrize("mission", CAMERAS)
def test_unknown_options_and_existing_files(tmp_path, mission):
    with pytest.raises(SimulationError, match="has no option colour"):
        _simulate(tmp_path, mission, colour="red")
    _simulate(tmp_path, mission, exposure=100)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(OutputError, match="exists already"):
        _simulate(tmp_path, mission, exposure=100)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("mission", SIMULATED)
def test_command_line(tmp_path, capsys, mission):
    from wolter.cli import main

    words = ["simulate", "--mission", mission, "--model", "powerlaw", "--set", "powerlaw.norm=0.003"]
    words += [
        "--position",
        POSITION,
        "--exposure",
        "300",
        "--output",
        str(tmp_path),
        "--shape",
        "beta:20,0.7",
        "--json",
    ]
    main(words)
    told = json.loads(capsys.readouterr().out)
    assert told["truth"]["shape"] == {"kind": "beta", "radius_arcsec": 20.0, "beta": 0.7, "limit_arcsec": None}
    observation = Observation(told["folder"])
    assert {n: e.count() for n, e in observation.events.items()} == {
        n: d["events"] for n, d in told["truth"]["detectors"].items()
    }


def test_nothing_is_left_of_an_observation_that_cannot_be_made(tmp_path):
    """Responses of another telescope: found out when the first events are made, after folders and the attitude."""
    other = tmp_path / "responses"
    simulate_observation(
        "powerlaw", mission="swift_xrt", position="10:00:00 +20:00:00", exposure=50 * u.s, output=tmp_path, obsid="1"
    )
    before = sorted(tmp_path.rglob("*"))
    given = {"position": "10:00:00 +20:00:00", "exposure": 50 * u.s, "output": tmp_path}
    with pytest.raises(WolterError, match="TELESCOP is SWIFT, not NUSTAR"):
        simulate_observation("powerlaw", mission="nustar", responses=other, obsid="2", **given)
    assert sorted(tmp_path.rglob("*")) == before
    for name in ("a/b", "..", ""):
        with pytest.raises(SimulationError, match="cannot be part of a file's name"):
            simulate_observation("powerlaw", mission="nustar", obsid=name, **given)
    assert sorted(tmp_path.rglob("*")) == before
