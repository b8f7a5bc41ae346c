"""Exposure maps of EPIC against SAS's, and the geometry of its cameras."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u

from wolter.data import EventList, ExposureMap, Image, ImageGrid
from wolter.errors import DataError, ParameterError, WolterWarning
from wolter.makers.aspect import frame_vectors
from wolter.makers.exposure import exposure_map, exposure_maps
from wolter.makers.projection import detector_to_pixel, pixel_directions
from wolter.observation import Observation


@pytest.fixture
def root(shared) -> Path:
    """Folder of the shared data."""
    return shared("MANIFEST.md").parent


BANDS = {"0.50-2.00": (0.5, 2), "2.00-10.00": (2, 10)}


def xmm_maps(root: Path, obsid: str, camera: str):
    folder = root / "xmm" / f"a907_{obsid}"
    from wolter.missions.xmm_epic.exposure import inputs_of_files

    events = EventList.read(folder / f"{camera}_exp1_clean_evts.fits")
    theirs = {b: Image.read(folder / f"{obsid}_{camera}_exp1-{b}keVexpmap.fits") for b in BANDS}
    inputs = inputs_of_files(events, folder / f"P{obsid}OBX000ATTTSR0000.FIT")
    mine = exposure_maps(inputs, theirs["0.50-2.00"], [e * u.keV for e in BANDS.values()])
    return events, inputs, dict(zip(BANDS, mine, strict=True)), theirs


@pytest.mark.parametrize(("obsid", "camera"), [(o, c) for o in ("0404910601", "0201903501") for c in ("mos1", "mos2")])
def test_xmm_maps_agree_with_sas_in_shape(root, obsid, camera):
    """All exposed pixels, those cut by edges and bad columns too: median <= 3 %, 95 % within 8 %, overlap >= 97 %."""
    from scipy.ndimage import maximum_filter, minimum_filter

    _, inputs, mine, theirs = xmm_maps(root, obsid, camera)
    for band in BANDS:
        a, b = mine[band].data.astype(float), theirs[band].data.astype(float)
        both = (a > 0) & (b > 0)
        assert both.sum() / ((a > 0) | (b > 0)).sum() >= 0.99  # wanted: 0.97
        off = np.abs(np.median(b[both] / a[both]) * a - b) / np.where(b > 0, b, 1)
        assert np.median(off[both]) <= 0.02  # wanted: 0.03
        assert np.percentile(off[both], 95) <= 0.08
        # pixels that neither the edge of a CCD nor a bad column cuts
        whole = both & (minimum_filter(b, 3) > 0.7 * maximum_filter(b, 3))
        assert whole.sum() > 0.75 * both.sum()
        assert np.percentile(off[whole], 95) <= 0.065
    # on the axis the map is live time: the largest value of SAS's maps
    live = exposure_map(inputs, theirs["0.50-2.00"], vignetting=False)
    assert live.data.max() == pytest.approx(theirs["0.50-2.00"].data.max(), rel=6e-3)


def test_xmm_geometry_is_that_of_the_events(root):
    """Every event lies where the geometry of its CCD and the attitude put it on the sky."""
    events, inputs, _, _ = xmm_maps(root, "0404910601", "mos2")
    rows = events.read_columns(["TIME", "RAWX", "RAWY", "X", "Y", "CCDNR"])
    sky = ImageGrid((1, 1), (51840, 51840), 1, events.wcs)
    directions = pixel_directions(sky)
    att = inputs.attitude
    good = inputs.gti.contains(att.time)
    frame = frame_vectors(*(v[good].mean() for v in (att.ra, att.dec, att.roll)))
    for plane in inputs.planes:
        mine = np.asarray(rows["CCDNR"]) == int(plane.name.split()[1])
        matrix = np.linalg.inv(detector_to_pixel(directions, frame, plane.to_angle))
        p = matrix @ np.array([rows["RAWX"][mine] - 1.0, rows["RAWY"][mine] - 1.0, np.ones(mine.sum())])
        dx, dy = p[0] / p[2] + 1 - rows["X"][mine], p[1] / p[2] + 1 - rows["Y"][mine]
        # events are placed at random within their pixels of 22 units
        assert abs(np.median(dx)) < 1.5
        assert abs(np.median(dy)) < 1.5
        assert np.percentile(np.hypot(dx, dy), 99) < 20.0


def test_xmm_vignetting_is_that_of_the_pn_maps(root):
    """Recorded by SAS for the camera without gratings; maps of the MOS cameras have no part in it."""
    from wolter.missions.xmm_epic.vignetting import vignetting

    for obsid, (band, energy) in itertools.product(("0404910601", "0201903501"), zip(BANDS, (1.25, 6.0), strict=True)):
        made = Image.read(root / "xmm" / f"a907_{obsid}" / f"{obsid}_pn_exp1-{band}keVexpmap.fits")
        y, x = np.mgrid[1:513, 1:513]
        theta = np.hypot(x - made.header["XCEN"], y - made.header["YCEN"]) * 4.35 / 60
        ratio = made.data / (made.data.max() * vignetting(theta, energy))
        for ring in range(15):
            seen = ratio[(made.data > 0) & (theta >= ring) & (theta < ring + 1)]
            assert np.median(seen[seen > 0.9]) == pytest.approx(1.0, abs=0.01)


def test_xmm_mirrors_give_the_tables():
    """Rays through the published design: the traced table, and the recorded one within 0.04."""
    from wolter.missions.xmm_epic import vignetting as v
    from wolter.missions.xmm_epic.mirrors import effective_area

    energies = [1.5, 6.0]
    axis = effective_area(0.0, energies, rays=1500)
    # 1550 cm2 at 1.5 keV with the spider, which takes about a tenth (Users' Handbook)
    assert 1550 < axis[0] < 1900
    for theta in (4.0, 10.0):
        got = effective_area(theta, energies, rays=1500, seed=5) / axis
        row = v.TRACED[list(v.THETA_ARCMIN).index(theta)]
        assert got == pytest.approx([np.interp(e, v.ENERGY_KEV, row) for e in energies], abs=0.02)
    for energy, recorded in zip(v.RECORDED_KEV, v.RECORDED, strict=True):
        traced = np.array([np.interp(energy, v.ENERGY_KEV, row) for row in v.TRACED])
        inside = v.THETA_ARCMIN <= 15
        assert traced[inside] == pytest.approx(recorded[inside], abs=0.04)
    assert v.vignetting(0.0, 2.0) == 1.0
    for energy in (0.5, 3.0, 9.0):
        assert np.all(np.diff(v.vignetting(np.arange(0, 15.0), energy)) < 0)
    assert v.vignetting(10.0, 9.0) < v.vignetting(10.0, 6.0) < v.vignetting(10.0, 3.0) < v.vignetting(10.0, 1.25)
    assert v.grating_factor(0.0) == 1.0
    assert v.grating_factor(10.0) < 1 < v.grating_factor(-10.0)


def test_xmm_boresight_follows_the_events(root):
    """A shifted attitude is brought back to where the events are; that of another field is left alone."""
    from wolter.missions.xmm_epic.exposure import _attitude, _camera

    folder = root / "xmm" / "a907_0201903501"
    events = EventList.read(folder / "mos2_exp1_clean_evts.fits")
    pointing = _attitude(folder / "P0201903501OBX000ATTTSR0000.FIT")
    usual = _camera("M2", events, pointing, [])
    north = _camera("M2", events, replace(pointing, dec=pointing.dec + 1.0 / 3600), [])
    off = np.subtract(usual.angle_of((0.0, 0.0)), north.angle_of((0.0, 0.0)))
    assert np.hypot(*off) == pytest.approx(1.0, abs=1e-3)
    far = _camera("M2", events, replace(pointing, dec=pointing.dec + 0.1), [])
    assert np.abs(np.subtract(far.boresight, usual.boresight)).max() < 3  # units of 0.05 arcsec: nothing was moved


def test_xmm_pn_ccds_without_events_are_placed_by_the_layout(tmp_path):
    """Twenty events in one corner, moved as a whole: every CCD lies where the nominal layout, moved alike, has it."""
    from wolter.missions.xmm_epic.exposure import _measured
    from wolter.missions.xmm_epic.geometry import CAMERAS, nominal_pn

    rng = np.random.default_rng(4)
    layout = nominal_pn().ccds
    ccd = np.repeat([4, 7], [200, 20])
    raw = np.column_stack([rng.integers(1, 65, 220), rng.integers(1, 201, 220)])
    moved = np.array([300.0, -150.0])
    det = np.array([layout[c] @ [*r, 1.0] for c, r in zip(ccd.tolist(), raw.tolist(), strict=True)]) + moved

    class Events:
        path = tmp_path / "pn.evt"
        header: dict = {"PA_PNT": 30.0}
        wcs = ImageGrid.around((150 * u.deg, 20 * u.deg), 0.1 * u.deg, 2 * u.arcsec).sky

        def read_columns(self, names):
            sky = 25921.0 + det @ np.array([[0.0, 1.0], [-1.0, 0.0]])
            columns = {"RAWX": raw[:, 0], "RAWY": raw[:, 1], "DETX": det[:, 0], "DETY": det[:, 1]}
            return columns | {"X": sky[:, 0], "Y": sky[:, 1], "CCDNR": ccd}

    events = Events()
    told: list[str] = []
    with pytest.warns(WolterWarning, match="CCD 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12: too few events"):
        camera = _measured(CAMERAS["PN"], events, told)
    assert len(told) == 1
    for number, nominal in layout.items():
        assert np.abs(camera.ccds[number] - nominal - np.column_stack([np.zeros((2, 2)), moved])).max() < 0.01
    raw, det, ccd = raw[:20], det[:20], ccd[:20]
    with pytest.raises(DataError, match="20 events are too few"):
        _measured(CAMERAS["PN"], events, told)


def test_xmm_task_refuses_another_camera(root, tmp_path):
    from wolter.tasks import registry

    folder = root / "xmm" / "a907_0404910601"
    files = {
        "imageset": folder / "0404910601_mos1_exp1-0.50-2.00keVimg.fits",
        "attitudeset": folder / "P0404910601OBX000ATTTSR0000.FIT",
        "expimageset": tmp_path / "exp.fits",
    }
    run = registry.get("eexpmap")
    with pytest.raises(ParameterError, match="image is of EMOS1, the events are of EMOS2"):
        run(eventset=folder / "mos2_exp1_clean_evts.fits", **files)
    with pytest.raises(ParameterError, match="detector coordinates"):
        run(eventset=folder / "mos1_exp1_clean_evts.fits", withdetcoords=True, **files)
    with pytest.raises(ParameterError, match="no band"):
        run(eventset=folder / "mos1_exp1_clean_evts.fits", pimin=2000, pimax=500, **files)
    run(eventset=folder / "mos1_exp1_clean_evts.fits", pimin=500, pimax=2000, **files)
    made = ExposureMap.read(tmp_path / "exp.fits")
    assert made.energy == (0.5, 2.0)
    assert made.header["INSTRUME"] == "EMOS1"


def test_xmm_pn_geometry_is_found_in_the_events(tmp_path):
    """The pn camera is measured on its own events: those of a simulation fall on exposed pixels, none elsewhere."""
    from wolter import Model
    from wolter.simulate import simulate_observation

    model = Model("powerlaw")
    model.powerlaw.norm = 1e-3
    folder = simulate_observation(
        model,
        mission="xmm_epic",
        position="10:00:00 +20:00:00",
        roll=40 * u.deg,
        exposure=2000 * u.s,
        background_rate=2e-2 / u.s / u.arcmin**2,
        output=tmp_path,
        seed=6,
    )
    observation = Observation(folder)
    image = observation.image(detectors=["PN"])["PN"]
    made = observation.exposure_map("PN", like=image)
    assert np.mean(made.data > 0.9 * made.data.max()) > 0.2
    assert image.data[made.data <= 0].sum() <= 0.001 * image.data.sum()
    soft = observation.exposure_map("PN", like=image, energy=(0.5 * u.keV, 2 * u.keV))
    y, x = np.unravel_index(np.argmax(soft.data), soft.data.shape)
    aim = np.hypot(*np.subtract((x + 1, y + 1), image.pixel("10:00:00 +20:00:00"))) * image.pixel_scale_deg * 60
    assert aim == pytest.approx(2.05, abs=0.4)  # arcmin, as recorded by maps of SAS: XCEN, YCEN against RA_PNT, DEC_PNT
