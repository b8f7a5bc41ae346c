"""One simulated scene per mission and source shape, and everything in it looked for again in its files.

What is expected is drawn or computed here: profiles by numerical integration, counts by averaging the exposure map over
photons placed by those profiles, bad pixels, pointing and good times as astropy reads them.
"""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits as afits
from scipy import integrate

from simulate_support import attitude_of, sky_of
from wolter.makers import extract_spectrum
from wolter.mission import missions
from wolter.models import Model
from wolter.observation import Observation
from wolter.simulate import simulate_observation

MISSIONS = sorted(name for name, m in missions().items() if m.simulator)
SHAPES = {
    "point": ("point", None),
    "disk": ("disk:50", lambda r: r * (r <= 50.0)),
    "beta": ("beta:20,0.8,150", lambda r: r * (1 + (r / 20.0) ** 2) ** (0.5 - 2.4) * (r <= 150.0)),
}
SOURCE = SkyCoord("12h30m00s", "+12d24m00s")
POINTING = "12:30:02.0 +12:24:50"  # 58 arcsec away
EXPOSURE, ORBIT, VISIBLE, ROLL = 3000.0, 2500.0, 0.4, 50.0
# photons cm^-2 s^-1 keV^-1 at 1 keV; energy (keV) of the flux; background counts s^-1 arcmin^-2 and its slope; jitter
# (arcsec); bad pixels per detector or CCD. The wings of the point-spread function must not outshine the background.
CASES = {
    "ixpe": SimpleNamespace(norm=0.5, energy=3.0, rate=0.02, slope=1.0, jitter=40.0, bad=40),
    "nustar": SimpleNamespace(norm=0.15, energy=10.0, rate=0.4, slope=0.0, jitter=8.0, bad=40),
    "swift_xrt": SimpleNamespace(norm=0.15, energy=1.5, rate=0.02, slope=1.0, jitter=8.0, bad=400),
    "xmm_epic": SimpleNamespace(norm=0.02, energy=1.5, rate=0.02, slope=1.0, jitter=8.0, bad=60),
    "xrism_xtend": SimpleNamespace(norm=0.03, energy=1.5, rate=0.005, slope=1.0, jitter=8.0, bad=2000),
}
# arcsec: what shows the shape, what counts as source, and beyond which there is more background
CORE, NEAR, FAR = 25.0, 90.0, 240.0


@pytest.fixture(params=[(m, s) for m in MISSIONS for s in SHAPES], ids="-".join)
def scene(request, tmp_path):
    """A simulated observation, its truth, and what was asked for."""
    mission, shape = request.param
    case = CASES[mission]
    model = Model("powerlaw")
    model["powerlaw.PhoIndex"].value, model["powerlaw.norm"].value = 2.0, case.norm
    folder = simulate_observation(
        model,
        mission=mission,
        position=SOURCE,
        pointing=POINTING,
        exposure=EXPOSURE * u.s,
        orbit_period=ORBIT * u.s,
        visible_fraction=VISIBLE,
        shape=SHAPES[shape][0],
        roll=ROLL * u.deg,
        jitter=case.jitter * u.arcsec,
        background_rate=case.rate / u.s / u.arcmin**2,
        bad_pixels=case.bad,
        seed=11,
        output=tmp_path,
        **({"detectors": ("PN", "M2")} if mission == "xmm_epic" else {"compress": False}),
    )
    truth = json.loads((tmp_path / "99000101_truth.json").read_text())
    return SimpleNamespace(
        mission=missions()[mission], case=case, shape=shape, observation=Observation(folder), truth=truth
    )


@pytest.mark.filterwarnings("ignore::wolter.errors.WolterWarning")  # CCDs without events have no place on the sky
def test_everything_in_a_scene_is_found_again(scene):
    _truth_is_complete(scene)
    _pointing_wanders(scene)
    for name, events in scene.observation.events.items():
        _counts_are_conserved(scene, name, events)
        _gaps_are_empty(scene, name, events)
        _bad_pixels_record_nothing(scene, name, events)
        _position_flux_and_background(scene, name, events)


def _truth_is_complete(scene):
    truth, case = scene.truth, scene.case
    told = {k: truth[k] for k in ("mission", "obsid", "model", "parameters", "roll", "exposure", "seed", "responses")}
    assert told == {
        "mission": scene.mission.name,
        "obsid": "99000101",
        "model": "powerlaw",
        "parameters": {"powerlaw.PhoIndex": 2.0, "powerlaw.norm": case.norm},
        "roll": ROLL,
        "exposure": EXPOSURE,
        "seed": 11,
        "responses": "nominal",
    }
    assert (truth["ra"], truth["dec"]) == pytest.approx((SOURCE.ra.deg, SOURCE.dec.deg))
    assert truth["pointing"] == pytest.approx([187.5 + 2 / 240, 12.4 + 50 / 3600])
    assert (
        truth["shape"]
        == {
            "point": {"kind": "point"},
            "disk": {"kind": "disk", "radius_arcsec": 50.0},
            "beta": {"kind": "beta", "radius_arcsec": 20.0, "beta": 0.8, "limit_arcsec": 150.0},
        }[scene.shape]
    )
    assert truth["jitter"] == pytest.approx(case.jitter)
    assert truth["options"]["bad_pixels"] == case.bad
    assert set(truth["detectors"]) == set(scene.observation.events)
    for detector in truth["detectors"].values():
        assert detector["background_rate"] == pytest.approx(case.rate)
        assert detector["source"] + detector["background"] == detector["events"]
        assert min(detector["source"], detector["background"]) > 500
        assert detector["dead_time"] >= 0
        assert sum(map(len, detector["bad_pixels"].values())) > 0.8 * case.bad


def _pointing_wanders(scene):
    """Mean and scatter of the attitude file in the good time are those asked for."""
    time = np.concatenate([np.linspace(a, b, 500) for a, b in scene.truth["gti"]])
    pointing, roll = attitude_of(scene.observation, time)
    mean = SkyCoord(POINTING, unit=("hourangle", "deg"))
    for offset in mean.spherical_offsets_to(pointing):
        assert offset.arcsec.std() == pytest.approx(scene.case.jitter, rel=0.4)
        assert abs(offset.arcsec.mean()) < (80 if scene.mission.name == "nustar" else scene.case.jitter)
    assert roll == pytest.approx(ROLL, abs=0.02)


def _counts_are_conserved(scene, name, events):
    told = scene.truth["detectors"][name]
    table, _ = sky_of(events)
    assert len(table) == events.count() == told["events"]
    assert scene.observation.image(detectors=[name])[name].data.sum() == told["events"]
    assert extract_spectrum(events).counts.sum() == told["events"]
    assert events.exposure == pytest.approx(told["livetime"], rel=1e-6)


def _gaps_are_empty(scene, name, events):
    """Three stretches of a thousand seconds; outside them nothing happens, inside each one something does."""
    with afits.open(events.path) as file:
        time = np.asarray(file["EVENTS"].data["TIME"], dtype=float)
    start, stop = np.array(scene.truth["gti"]).T
    assert stop - start == pytest.approx([1000.0] * 3)
    assert np.diff(start) == pytest.approx([ORBIT] * 2)
    which = np.searchsorted(start, time, side="right") - 1
    assert (which >= 0).all()
    assert (time <= stop[which]).all()
    assert np.bincount(which, minlength=3) == pytest.approx([len(time) / 3] * 3, rel=0.15)
    assert events.gti.start == pytest.approx(start, abs=1e-3)
    assert events.gti.stop == pytest.approx(stop, abs=1e-3)


# -- bad pixels --------------------------------------------------------------------------------


def _pixels_of(scene, name, events):
    """Chip and pixel of every event, and the bad ones as the files have them: sets of (chip, x, y), and all pixels."""
    with afits.open(events.path) as file:
        table = file["EVENTS"].data
        listed = [h for h in file if h.name.startswith("BADPIX")]
        if listed:
            bad, chips = set(), []
            for number, hdu in enumerate(listed):
                rows = hdu.data
                extent = rows["YEXTENT"] if "YEXTENT" in rows.names else np.ones(len(rows), dtype=int)
                chip = hdu.header.get("CCDID", number)
                chips.append(chip)
                for x, y, n in zip(rows["RAWX"].tolist(), rows["RAWY"].tolist(), extent.tolist(), strict=True):
                    bad |= {(chip, x, y + k) for k in range(n)}
            column = next((c for c in ("CCDNR", "DET_ID") if c in table.names), None)
            chip = table[column] if column else np.zeros(len(table), dtype=int)
            pixels = {"swift_xrt": 600 * 600, "nustar": 4 * 32 * 32}.get(scene.mission.name)
            if pixels is None:
                pixels = len(chips) * (64 * 200 if name == "PN" else 600 * 600)
            return np.column_stack([chip, table["RAWX"], table["RAWY"]]), bad, pixels
        if scene.mission.name == "xrism_xtend":
            path = next(f.path for f in scene.observation.files if f.role == "bad pixel image")
            image = afits.getdata(path)
            bad = {(0, int(x) + 1, int(y) + 1) for y, x in np.argwhere(image == 2)}
            return np.column_stack([np.zeros(len(table)), table["DETX"], table["DETY"]]).astype(int), bad, 4 * 640 * 640
    path = next(f.path for f in scene.observation.files if f.role == "bad pixels" and f.detector == name)
    rows = afits.getdata(path, "BADPIX")
    bad = set(zip([0] * len(rows), rows["DET_PX"].tolist(), rows["DET_PY"].tolist(), strict=True))
    return _gas_pixels(scene.observation, name, events), bad, 264 * 272


def _gas_pixels(observation, name, events):
    """DET_PX, DET_PY: the sky is (west, north) = R(angle) (x, -y), by the rule of the mission's own software."""
    _, sky = sky_of(events)
    with afits.open(events.path) as file:
        time = np.asarray(file["EVENTS"].data["TIME"], dtype=float)
    pointing, roll = attitude_of(observation, time)
    east, north = (v.to_value("arcsec") for v in pointing.spherical_offsets_to(sky))
    angle = np.radians({"DU1": -109.0, "DU2": 131.0, "DU3": 11.0}[name] + roll)
    scale = 0.05 * np.degrees(1 / 4000.0) * 3600.0  # arcsec per pixel of 0.05 mm, 4 m away
    x = (-east * np.cos(angle) + north * np.sin(angle)) / scale
    y = (-east * np.sin(angle) - north * np.cos(angle)) / scale
    return np.column_stack([np.zeros(len(x)), np.rint(149.5 + x), np.rint(149.5 + y)]).astype(int)


def _bad_pixels_record_nothing(scene, name, events):
    pixel, bad, number = _pixels_of(scene, name, events)
    told = scene.truth["detectors"][name]["bad_pixels"]
    if scene.mission.name == "xrism_xtend":
        assert sum(map(len, told.values())) == len(bad)
    else:
        one = scene.mission.name in ("swift_xrt", "ixpe")  # a single chip
        rows = [(0 if one else int(chip), *row) for chip, listed in told.items() for row in listed]
        assert {(c, x, y + k) for c, x, y, *n in rows for k in range(n[0] if n else 1)} == bad
    hit = sum(map(bad.__contains__, map(tuple, pixel.tolist())))
    # those of the background alone that would fall on them
    expected = scene.truth["detectors"][name]["background"] * len(bad) / number
    assert expected > 8
    # positions of the gas detector are not whole pixels: those on an edge may be counted on its other side
    assert hit <= (0.01 * expected + 2 if scene.mission.name == "ixpe" else 0)


# -- position, flux, background --------------------------------------------------------------------------------


def _radii(profile, number, rng, limit):
    """Radii drawn from a profile, by numerical inversion."""
    grid = np.concatenate([[0.0], np.geomspace(1e-2, limit, 4000)])
    total = integrate.cumulative_trapezoid(profile(grid), grid, initial=0.0)
    return np.interp(rng.random(number) * total[-1], total, grid)


def _photons(scene, name, number=100_000):
    """Offsets (arcsec, west and north) of photons of the source on the sky: shape and point-spread function."""
    rng = np.random.default_rng(99)
    fraction = scene.mission.load("psf")
    grid = np.concatenate([[0.0], np.geomspace(1e-2, 2000.0, 4000)])
    held = np.asarray(fraction(grid, scene.case.energy, 0.0, detector=name))
    drawn = [np.interp(rng.random(number) * held[-1], held, grid)]
    profile = SHAPES[scene.shape][1]
    if profile is not None:
        drawn.append(_radii(profile, number, rng, 200.0))
    west, north = np.zeros(number), np.zeros(number)
    for radius in drawn:
        theta = rng.uniform(0, 2 * np.pi, number)
        west, north = west + radius * np.cos(theta), north + radius * np.sin(theta)
    return west, north


def _rates(scene, name):
    """Counts per second of the whole source in the band on axis, and the part of the background rate in that band."""
    lo, hi = 0.85 * scene.case.energy, 1.15 * scene.case.energy
    pair = scene.mission.load("nominal_responses")(name, *(["unweighted"] if scene.mission.weightings else []))
    edges = np.append(pair.rmf.energ_lo, pair.rmf.energ_hi[-1])
    folded = pair.rmf.fold(scene.case.norm * (1 / edges[:-1] - 1 / edges[1:]) * pair.arf.specresp)
    inside = (pair.rmf.e_min >= lo - 1e-6) & (pair.rmf.e_max <= hi + 1e-6)
    a, b = pair.rmf.e_min[inside][0], pair.rmf.e_max[inside][-1]

    def share(x, y):
        return np.log(y / x) if scene.case.slope == 1 else y - x

    return float(folded[inside].sum()), share(a, b) / share(*scene.mission.band), (lo * u.keV, hi * u.keV)


def _position_flux_and_background(scene, name, events):
    """Counts near and far from the source are f x (source as expected) + b x (seconds): both factors are found."""
    known = scene.mission.vignetting is not None
    energy = scene.case.energy * u.keV if known else None
    image = scene.observation.image(detectors=[name], energy=None)[name]
    seen_by = scene.observation.exposure_map(name, energy=energy, vignetting=known, like=image)
    live = scene.observation.exposure_map(name, vignetting=False, like=image)
    rate, share, band = _rates(scene, name)
    scale = live.wcs.pixel_scale_deg * 3600.0
    x0, y0 = live.wcs.sky_to_pixel(SOURCE.ra.deg, SOURCE.dec.deg)
    ny, nx = live.data.shape
    distance = np.hypot(np.arange(1, nx + 1) - x0, np.arange(1, ny + 1)[:, None] - y0) * scale
    seconds = [float(live.data[part].sum()) for part in (distance < NEAR, distance > FAR)]
    west, north = _photons(scene, name)
    column, row = np.rint(x0 + west / scale).astype(int) - 1, np.rint(y0 + north / scale).astype(int) - 1
    on = (column >= 0) & (column < nx) & (row >= 0) & (row < ny)
    each = np.zeros(len(west))
    each[on] = seen_by.data[row[on], column[on]]
    radius = np.hypot(west, north)
    source = [rate * float(np.mean(each * part)) for part in (radius < NEAR, radius > FAR)]
    columns = events.select(energy=band).read_columns([scene.mission.columns.x, scene.mission.columns.y])
    x, y = (np.asarray(v, dtype=float) for v in columns.values())
    ex, ey = events.wcs.sky_to_pixel(SOURCE.ra.deg, SOURCE.dec.deg)
    step = events.wcs.pixel_scale_deg * 3600.0
    dx, dy = (x - ex) * step, (y - ey) * step
    away = np.hypot(dx, dy)
    counts = np.array([np.sum(away < NEAR), np.sum(away > FAR)], dtype=float)
    flux, background = np.linalg.solve(np.column_stack([source, seconds]), counts)
    assert source[0] > 2000
    assert abs(flux - 1) < 4 / np.sqrt(source[0]) + 0.02, (name, flux)
    core = rate * float(np.mean(each * (radius < CORE))) + background * float(live.data[distance < CORE].sum())
    assert abs(np.sum(away < CORE) / core - 1) < 4 / np.sqrt(core) + 0.03, (name, np.sum(away < CORE) / core)
    expected = scene.case.rate * share * (scale / 60.0) ** 2
    assert abs(background / expected - 1) < 4 / np.sqrt(counts[1]) + 0.03, (name, background / expected)
    # Centroid, every event weighted with what its place was worth; gaps take from one side what they do not give back.
    near = away < NEAR
    px, py = (np.clip(np.rint(p).astype(int) - 1, 0, n - 1) for p, n in ((x0 + dx / scale, nx), (y0 + dy / scale, ny)))
    weight = np.where(near, 1.0 / np.maximum(seen_by.data[py, px], 0.3 * seen_by.data.max()), 0.0)
    for offset in (dx, dy):
        spread = np.sqrt(np.sum(weight * offset**2) / weight.sum())
        centre = np.sum(weight * offset) / weight.sum()
        assert abs(centre) < 4 * spread / np.sqrt(near.sum()) + 0.05 * spread, (name, centre, spread)
