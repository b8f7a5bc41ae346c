"""Exposure maps: the algorithm against astropy and sums by hand, each mission against its archive's own maps."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.wcs import WCS

from wolter import fits
from wolter.data import ExposureMap, Image, ImageGrid
from wolter.errors import DataError, MissionError, UnitError, WolterWarning
from wolter.gti import GTI
from wolter.makers.aspect import Attitude, LiveTime, live_seconds
from wolter.makers.exposure import BadArea, DetectorPlane, ExposureInputs, exposure_map, exposure_maps
from wolter.makers.projection import Window, detector_to_pixel, pixel_directions, project
from wolter.observation import Observation

CENTRE = (150.0, 20.0)
PIXEL = 2.0 / 3600.0  # deg


@pytest.fixture
def root(shared) -> Path:
    """Folder of the shared data."""
    return shared("MANIFEST.md").parent


def grid(size: int = 201, pixel: float = PIXEL, centre: tuple[float, float] = CENTRE) -> ImageGrid:
    return ImageGrid.around((centre[0] * u.deg, centre[1] * u.deg), size * pixel * u.deg, pixel * u.deg)


def plane(size: int = 100, arcsec: float = 2.0, **more) -> DetectorPlane:
    c = (size - 1) / 2
    return DetectorPlane("test", np.ones((size, size), np.float32), arcsec * np.array([[1, 0, -c], [0, 1, -c]]), **more)


def steady(seconds: float = 100.0, roll: float = 0.0) -> Attitude:
    time = np.arange(0.0, seconds + 1.0)
    return Attitude(time, np.full(len(time), CENTRE[0]), np.full(len(time), CENTRE[1]), np.full(len(time), roll))


def test_a_steady_telescope_exposes_its_detector_and_nothing_else():
    inputs = ExposureInputs((plane(),), steady(), GTI([10.0, 50.0], [20.0, 60.0]), LiveTime.constant(0.5))
    made = exposure_map(inputs, grid(), vignetting=False)
    assert made.data.max() == pytest.approx(10.0)
    assert made.exposure == pytest.approx(10.0)
    # the middle of the field is the middle of the image: 100 x 100 pixels of the image's size
    assert made.data.sum() == pytest.approx(10.0 * 100 * 100, rel=1e-3)
    assert np.count_nonzero(made.data > 9.99) == pytest.approx(99 * 99, abs=400)
    assert not made.vignetted
    assert made.unit == "s"


@pytest.mark.parametrize("roll", [0.0, 33.0, 200.0])
def test_geometry_is_astropys(roll):
    """Pixels of a detector frame through its own TAN coordinates in astropy."""
    pointing, image = (150.13, 20.21), grid(301, 4 / 3600)
    detector = WCS(naxis=2)
    detector.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    detector.wcs.crval, detector.wcs.crpix = pointing, [1.0, 1.0]
    c, s = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    step = 3.0 / 3600.0
    # u lies west at roll 0, v has position angle `roll`
    detector.wcs.cd = step * np.array([[-c, s], [s, c]])
    att = Attitude(np.array([0.0, 1.0]), *(np.full(2, v) for v in (*pointing, roll)))
    frame = tuple(v[0] for v in att.directions())
    matrix = detector_to_pixel(pixel_directions(image), frame, 3.0 * np.array([[1.0, 0, 0], [0, 1.0, 0]]))
    rng = np.random.default_rng(1)
    x, y = rng.uniform(0, 300, (2, 50))
    sky = image.sky.pixel_to_sky(x + 1, y + 1)
    want = detector.all_world2pix(np.transpose(sky), 0)
    from wolter.makers.projection import apply

    got = np.transpose(apply(matrix, x, y))
    assert np.abs(got - want).max() < 1e-6


def test_projection_is_the_area_that_pixels_share():
    """A block of detector pixels moved by fractions of a pixel, and a half plane across the pixels at 30 deg."""
    mask = np.zeros((40, 40), dtype=np.float32)
    mask[10:20, 10:30] = 1.0
    moved = project(mask, np.array([[1.0, 0, -0.3], [0, 1.0, 0.2], [0, 0, 1.0]]), Window(0, 0, 40, 40))
    column, row = np.zeros(40), np.zeros(40)
    column[11:30], column[10], column[30] = 1.0, 0.7, 0.3
    row[10:19], row[9], row[19] = 1.0, 0.2, 0.8
    assert np.abs(moved - row[:, None] * column).max() < 0.05  # 24 sub-pixels: a rounding of 0.02 on each axis
    assert moved.sum() == pytest.approx(200, rel=2e-3)
    assert (moved == 1.0).sum() == 9 * 19
    angle = np.radians(30)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    centre = np.array([19.5, 19.5])
    matrix = np.eye(3)
    matrix[:2, :2], matrix[:2, 2] = turn, centre - turn @ centre
    half = np.zeros((200, 200), dtype=np.float32)
    half[:, 100:] = 1.0
    wide = matrix.copy()
    wide[:2, 2] = np.array([99.5, 99.5]) - turn @ centre
    seen = project(half, wide, Window(0, 0, 40, 40))
    # the edge passes through the centre of the image: a pixel at distance d from it (unit square turned by 30 deg)
    y, x = np.mgrid[:40, :40] - 19.5
    distance = np.cos(angle) * x + np.sin(angle) * y
    a, b = np.sin(angle) / 2, np.cos(angle) / 2  # half sides of the square along the normal of the edge
    # fraction: a box of half width b seen through one of half width a (their convolution, integrated)
    ramp = lambda t: np.where(t > 0, t, 0.0) ** 2 / (8 * a * b)  # noqa: E731
    want = ramp(distance + a + b) - ramp(distance + b - a) - ramp(distance - b + a) + ramp(distance - a - b)
    assert np.abs(seen - want).max() < 0.01


def test_live_seconds_are_the_integral_of_the_live_fraction():
    rng = np.random.default_rng(2)
    start = np.arange(0.0, 100.0, 2.0)
    live = LiveTime(start, start + 1.5, rng.uniform(0.2, 1.0, len(start)), outside=0.1)
    gti = GTI([3.3, 40.0], [20.1, 77.7])
    edges = np.sort(rng.uniform(0, 100, 12))
    fine = np.linspace(0, 100, 2_000_001)[:-1] + 2.5e-5
    value = np.where(gti.contains(fine), live.fraction_at(fine), 0.0) * 5e-5
    want = [value[(fine >= a) & (fine < b)].sum() for a, b in itertools.pairwise(edges)]
    assert live_seconds(gti, edges, live) == pytest.approx(want, abs=2e-3)
    assert live.mean(gti) == pytest.approx(value.sum() / gti.exposure, rel=1e-4)


def wandering(number: int = 400, roll_step: float = 0.0) -> Attitude:
    rng = np.random.default_rng(3)
    time = np.arange(float(number))
    ra = CENTRE[0] + rng.normal(0, 8, number) / 3600 / np.cos(np.radians(CENTRE[1]))
    dec = CENTRE[1] + rng.normal(0, 8, number) / 3600
    return Attitude(time, ra, dec, 20.0 + roll_step * rng.normal(0, 1, number))


@pytest.mark.parametrize("roll_step", [0.0, 0.3])
def test_shifts_of_one_projection_equal_a_projection_of_every_attitude(roll_step):
    inputs = ExposureInputs((plane(),), wandering(roll_step=roll_step), GTI.single(0.0, 399.0), attitude_bin=0.5)
    quick = exposure_map(inputs, grid(), vignetting=False).data
    inputs = replace(inputs, direct=10_000)
    slow = exposure_map(inputs, grid(), vignetting=False).data
    assert quick.sum() == pytest.approx(slow.sum(), rel=1e-4)
    assert np.abs(quick - slow).max() < 0.03 * slow.max()
    assert np.abs(quick - slow).mean() < 0.002 * slow.max()


def test_vignetting_multiplies_and_bands_share_one_projection():
    def fall(theta, azimuth, energy):
        return 1 - 0.05 * energy * theta

    inputs = ExposureInputs((plane(),), steady(), GTI.single(0, 100), vignetting=fall)
    flat = exposure_map(inputs, grid(), vignetting=False)
    soft, hard = exposure_maps(inputs, grid(), [(1 * u.keV, 3 * u.keV), 4 * u.keV])
    y, x = np.mgrid[0:201, 0:201]
    theta = np.hypot(x - 100, y - 100) * 2 / 60
    inside = flat.data > 99.9
    assert soft.data[inside] / flat.data[inside] == pytest.approx((1 - 0.1 * theta)[inside], abs=1e-3)
    assert hard.data[inside] / flat.data[inside] == pytest.approx((1 - 0.2 * theta)[inside], abs=1e-3)
    assert soft.energy == (1.0, 3.0)
    assert soft.vignetted


def test_bad_pixels_come_and_go_and_ccds_have_their_own_times():
    part = BadArea(np.arange(100 * 50), 30.0, 55.0)  # the lower half
    inputs = ExposureInputs((plane(bad=(part,)),), steady(), GTI.single(0, 100))
    made = exposure_map(inputs, grid(), vignetting=False).data
    assert made[130, 100] == pytest.approx(100.0)
    assert made[70, 100] == pytest.approx(75.0)
    own = plane(gti=GTI.single(20.0, 50.0), live=LiveTime.constant(0.9))
    made = exposure_map(replace(inputs, planes=(own,)), grid(), vignetting=False).data
    assert made.max() == pytest.approx(27.0)


def test_errors_say_what_is_missing():
    inputs = ExposureInputs((plane(),), steady(), GTI.single(0, 100))
    with pytest.raises(DataError, match=r"attitude covers 100\.\d of 300\.0 s"):
        exposure_map(replace(inputs, gti=GTI.single(0, 300)), grid(), vignetting=False)
    with pytest.raises(DataError, match=r"60\.0 arcmin from the pointing"):
        exposure_map(inputs, grid(centre=(150.0, 21.0)), vignetting=False)
    with pytest.raises(DataError, match="vignetting of this telescope is not known"):
        exposure_map(inputs, grid(), energy=2 * u.keV)
    known = replace(inputs, vignetting=lambda t, a, e: np.ones_like(t))
    with pytest.raises(DataError, match="none is given"):
        exposure_map(known, grid())
    with pytest.raises(UnitError):
        exposure_map(known, grid(), energy=2.0)
    with pytest.raises(DataError, match="no usable sample"):
        Attitude(np.array([1.0]), np.array([np.nan]), np.array([0.0]), np.array([0.0]))
    with pytest.raises(DataError, match="no sensitive plane"):
        replace(inputs, planes=())
    sine = replace(grid().sky, projection="SIN", ctype=("RA---SIN", "DEC--SIN"))
    with pytest.raises(DataError, match="tangential"):
        exposure_map(inputs, replace(grid(), wcs=sine), vignetting=False)


# -- NuSTAR --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["A", "B"])
def test_nustar_livetime_and_backscal_of_recorded_products(root, tmp_path, module):
    """DEADC to 1e-7; BACKSCAL is weighted by exposure, and comes out to the effect of unknown calibration."""
    from wolter.missions.nustar.exposure import backscal, inputs_of_files, read_livetime
    from wolter.tasks import registry

    stem = root / "nustar" / "sol_80415201001" / f"nu80415201001{module}"
    recorded = f"{stem}06_chu2_S_cl_grade0_sr.pha"
    with fits.open(recorded) as file:
        header, gti = file["SPECTRUM"].header, GTI.read(file["GTI"])
        wmap = file[0].read()
        assert header["NUBACKSC"] is True
        undone = [fits.new_image(wmap, header=file[0].header.without_structure())]
        undone += [file[n].select(np.arange(file[n].nrows)) for n in ("SPECTRUM", "GTI")]
    plain = np.count_nonzero(wmap >= 0) / 1e6
    ratio = header["BACKSCAL"] / plain
    assert ratio == pytest.approx(0.9984, abs=1e-4)  # not a plain area
    live = read_livetime(f"{stem}_fpm.hk")
    assert live.mean(gti) == pytest.approx(header["DEADC"], rel=1e-7)
    inputs = inputs_of_files(
        gti, f"{stem}_det1.fits", f"{stem}_oa.fits", f"{stem}_fpm.hk", [f"{stem}_bp.fits", f"{stem}_hp.fits"]
    )
    image = Image.read(f"{stem}06_chu2_S_cl_grade0_sk.img")
    made = exposure_map(inputs, image, vignetting=False)
    assert made.data.max() == pytest.approx(header["EXPOSURE"], rel=1e-6)
    # the counts of the recorded image fall on exposed pixels
    assert image.data[made.data > 0].sum() >= 0.9995 * image.data.sum()
    for hdu in undone[:2]:
        hdu.header.remove("NUBACKSC")
    undone[1].header.set("BACKSCAL", plain)
    path = tmp_path / "plain.pha"
    fits.write(path, undone)
    made.write(tmp_path / "ex.img")
    done = registry.get("nubackscale")(
        srcphafile=path, srcoutfile=tmp_path / "weighted.pha", expomapfile=tmp_path / "ex.img"
    )
    with fits.open(tmp_path / "weighted.pha") as file:
        weighted = file["SPECTRUM"].header["BACKSCAL"]
        assert file["SPECTRUM"].header["NUBACKSC"] is True
    assert weighted < plain
    assert weighted == pytest.approx(header["BACKSCAL"], rel=6e-3)
    mask = np.zeros((1000, 1000), bool)
    mask[300:310, 300:320] = True
    assert backscal(mask, 1.0) == pytest.approx(200 / 1e6)
    again = registry.get("nubackscale")(srcphafile=recorded, srcoutfile=tmp_path / "same.pha")
    assert "weighted already" in again.messages[0]
    assert "plain.pha" in done.messages[0]


def test_nustar_light_curve_bins(root):
    """FRACEXP of the recorded light curve, and its rates corrected by the housekeeping's live time."""
    from wolter.missions.nustar.exposure import read_livetime

    stem = root / "nustar" / "sol_80415201001" / "nu80415201001A"
    with fits.open(f"{stem}06_chu2_S_cl_grade0_sr.lc") as file:
        header, rows = file["RATE"].header, file["RATE"].read(["TIME", "RATE", "FRACEXP", "RATE_ORIG"])
        gti = GTI.read(file["GTI"])
    live = read_livetime(f"{stem}_fpm.hk")
    middle = rows["TIME"] + header["TIMEZERO"]
    edges = np.column_stack([middle - 5, middle + 5])
    on = np.array([live_seconds(gti, e)[0] for e in edges])
    assert on / 10 == pytest.approx(rows["FRACEXP"], abs=1e-6)
    fraction = np.array([live_seconds(gti, e, live)[0] for e in edges]) / on
    whole = (rows["RATE_ORIG"] > 0) & (on > 9.9)
    # what is left is the part of the light inside the region, which drifts with the pointing
    rest = (rows["RATE_ORIG"] / rows["RATE"] / fraction)[whole]
    assert rest.std() / rest.mean() < 0.007
    assert 0.5 < rest.mean() < 0.9


def test_nustar_bad_input(root):
    from wolter.missions.nustar.exposure import inputs_of_files

    stem = root / "nustar" / "sol_80415201001" / "nu80415201001A"
    files = (f"{stem}_det1.fits", f"{stem}_oa.fits")
    with pytest.raises(DataError, match="has no sample in the good time"):
        inputs_of_files(GTI.single(1.0, 2.0), *files, None, None)
    with fits.open(f"{stem}06_chu2_S_cl_grade0_sr.pha") as file:
        gti = GTI.read(file["GTI"])
    with pytest.warns(WolterWarning) as told:
        inputs = inputs_of_files(gti, *files, None, None)
    assert len(told) == len(inputs.assumptions) == 2
    with pytest.raises(DataError, match="no table DET1_REFPOINT"):
        inputs_of_files(gti, files[1], files[1], None, None)


# -- simulations ---------------------------------------------------------------------------------------------------


def off_axis_rate(
    tmp_path: Path, mission: str, detector: str, offset: float, energy: float | None, radius: float
) -> float:
    """Rate of a simulated source by the vignetted map, within a circle."""
    from wolter import Model
    from wolter.simulate import simulate_observation

    model = Model("powerlaw")
    model.powerlaw.PhoIndex = 2.0
    model.powerlaw.norm = 0.02
    folder = simulate_observation(
        model,
        mission=mission,
        position="10:00:00 +20:00:00",
        pointing=(150.0 * u.deg, (20.0 + offset / 60) * u.deg),
        roll=10 * u.deg,
        exposure=4000 * u.s,
        background_rate=0.0 / u.s / u.arcmin**2,
        output=tmp_path / f"{mission}{offset}",
        seed=4,
        **({"bad_columns": 0, "bad_pixels": 0} if mission == "swift_xrt" else {}),
    )
    observation = Observation(folder)
    image = observation.image(detectors=[detector])[detector]
    made = observation.exposure_map(detector, energy=None if energy is None else energy * u.keV, like=image)
    assert image.data[made.data <= 0].sum() == 0
    assert image.data.sum() == len(observation.events[detector].column("PI"))  # counts conserved
    x, y = image.pixel("10:00:00 +20:00:00")
    yy, xx = np.mgrid[1 : image.shape[0] + 1, 1 : image.shape[1] + 1]
    inside = (np.hypot(xx - x, yy - y) * image.pixel_scale_deg * 3600 < radius) & (made.data > 0.5 * made.data.max())
    counts = image.data[inside]
    # position: within a pixel of the truth
    assert np.hypot(np.average(xx[inside], weights=counts) - x, np.average(yy[inside], weights=counts) - y) < 1.0
    return float((counts / made.data[inside]).sum())


@pytest.mark.parametrize(
    ("mission", "detector", "energy"),
    [("swift_xrt", "XRT", 1.5), ("xmm_epic", "M2", 1.5), ("nustar", "FPMA", 10.0), ("xrism_xtend", "XTEND", None)],
)
def test_flux_off_axis_is_that_on_axis(tmp_path, mission, detector, energy):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WolterWarning)
        near = off_axis_rate(tmp_path, mission, detector, 1.2, energy, 90)
        aside = -5.0 if mission == "xrism_xtend" else 4.0  # away from the gap between CCDs
        far = off_axis_rate(tmp_path, mission, detector, aside, energy, 90)
    assert far == pytest.approx(near, rel=0.05)


def test_ixpe_dithers_its_field(root):
    path = root / "ixpe" / "sim_point_source_ixpeobssim" / "toy_point_source_du1.fits"
    observation = Observation(path)
    made = observation.exposure_map("DU1", energy=(2 * u.keV, 8 * u.keV))
    events = observation.events["DU1"]
    assert made.data.max() == pytest.approx(events.exposure, rel=0.01)
    x, y = made.pixel("02:00:00 +45:00:00")  # the simulated source
    assert made.data[round(y) - 1, round(x) - 1] > 0.97 * events.exposure  # dithering moves it by 1.6 arcmin
    seen = events.read_columns(["X", "Y"])
    column, row = (np.round(np.asarray(seen[k])).astype(int) - 1 for k in ("X", "Y"))
    assert np.mean(made.data[row, column] > 0) > 0.999


def test_ixpe_simulation_lies_on_its_map(tmp_path):
    """Source and background, dithered: no event outside the exposed part of the sky."""
    from wolter import Model
    from wolter.simulate import simulate_observation

    model = Model("powerlaw")
    model.powerlaw.norm = 0.05
    folder = simulate_observation(
        model,
        mission="ixpe",
        position="10:00:00 +20:00:00",
        roll=25 * u.deg,
        exposure=2000 * u.s,
        background_rate=0.05 / u.s / u.arcmin**2,
        output=tmp_path,
        seed=3,
    )
    observation = Observation(folder)
    for detector in ("DU1", "DU3"):
        image = observation.image(detectors=[detector])[detector]
        made = observation.exposure_map(detector, energy=(2 * u.keV, 8 * u.keV), like=image)
        assert image.data.sum() > 10000
        assert image.data[made.data <= 0].sum() == 0


def test_ixpe_without_attitude_says_what_is_assumed(root):
    observation = Observation(root / "ixpe" / "sim_mrk501_01004701")
    events = observation.events["DU2"]
    with pytest.warns(WolterWarning, match="no attitude file: steady at RA"):
        made = observation.exposure_map("DU2", energy=(2 * u.keV, 8 * u.keV))
    assert made.data.max() == pytest.approx(events.exposure, rel=0.01)
    assert any("steady" in line for line in made.header.history)
    with pytest.raises(DataError, match="no table with a pointing"):
        observation.exposure_map("DU2", attitude=events.path)


def test_observation_without_attitude_names_the_option(root, tmp_path):
    events = root / "xmm" / "a907_0404910601" / "mos1_exp1_clean_evts.fits"
    with pytest.raises(MissionError, match="holds no attitude file") as caught:
        Observation(events).exposure_map("M1")
    assert "attitude=" in str(caught.value)


def test_command_line(root, tmp_path, capsys):
    import json

    from wolter.cli import main

    main(["expmap", str(root / "swift" / "1whsp_0126+33_00085374001"), "--output", str(tmp_path), "--json"])
    made = json.loads(capsys.readouterr().out)["maps"][0]
    assert ExposureMap.read(made["file"]).data.max() == pytest.approx(made["largest"])
    assert made["largest"] == pytest.approx(1565.804, abs=0.1)  # EXPOSURE of the event file
    with pytest.raises(SystemExit) as ended:
        main(["expmap", str(root / "xmm" / "a907_0201903501"), "--detector", "PN", "--output", str(tmp_path)])
    assert ended.value.code == 1
    assert "no detector 'PN'" in capsys.readouterr().err


def test_nustar_task_on_a_simulation(tmp_path):
    """The map of the task is that of the observation; its background is as bright in gaps as elsewhere."""
    from wolter import Model
    from wolter.simulate import simulate_observation
    from wolter.tasks import registry

    model = Model("powerlaw")
    model.powerlaw.norm = 1e-4
    folder = simulate_observation(
        model,
        mission="nustar",
        position="10:00:00 +20:00:00",
        roll=35 * u.deg,
        exposure=3000 * u.s,
        background_rate=0.1 / u.s / u.arcmin**2,
        output=tmp_path,
        seed=3,
    )
    observation = Observation(folder)
    events = observation.events["FPMB"]
    image = observation.image(detectors=["FPMB"])["FPMB"]
    made = observation.exposure_map("FPMB", like=image)
    assert made.data.max() == pytest.approx(events.exposure, rel=1e-4)
    assert image.data[made.data <= 0].sum() == 0
    y, x = np.mgrid[1:1001, 1:1001]
    away = np.hypot(*(p - q for p, q in zip((x, y), image.pixel("10:00:00 +20:00:00"), strict=True))) > 80
    full, part = away & (made.data > 0.98 * made.data.max()), away & (made.data < 0.9 * made.data.max())
    bright, faint = (image.data[k].sum() / made.data[k].sum() for k in (full, part))
    assert faint / bright == pytest.approx(1.0, abs=5 / np.sqrt(image.data[part].sum()))
    stem = folder / "event_cl" / f"nu{observation.obsid}B"
    done = registry.get("nuexpomap")(
        infile=f"{stem}01_cl.evt.gz",
        det1reffile=f"{stem}_det1.fits.gz",
        optaxisfile=f"{stem}_oa.fits.gz",
        hkfile=folder / "hk" / f"nu{observation.obsid}B_fpm.hk.gz",
        expomapfile=tmp_path / "ex.img",
        vignflag=False,
    )
    assert ExposureMap.read(done.products["exposure map"]).data == pytest.approx(made.data, abs=1e-3)
