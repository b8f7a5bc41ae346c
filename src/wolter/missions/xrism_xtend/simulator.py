"""Simulated Xtend observations, full window of all CCDs, in the archive's layout.

Written are the screened events, the bad-pixel image, the attitude and the extended housekeeping. Figures used, besides
those of `nominal`, `psf` and `geometry`: frames of 3.96 s, of which 0.985 are live;
background of 1e-3 counts/s/arcmin2 in 0.6-10 keV (of the order of the non-X-ray background of its predecessor: Nakajima
et al. 2018, PASJ 70, 21); the pointing wanders by 5 arcsec. Rows of injected charge, pile-up, out-of-time events and
vignetting (no published figures at hand) are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wolter import fits
from wolter.gti import GTI
from wolter.mission import Mission
from wolter.missions.xrism_xtend.description import PIXEL_ARCSEC
from wolter.missions.xrism_xtend.geometry import ACT_TO_DET, DET_SIZE, det_to_angle
from wolter.missions.xrism_xtend.psf import KING
from wolter.simulate.camera import Camera, Chip, Detected, Pointing, detect, quaternions
from wolter.simulate.layout import Clock, gti_table, responses_of, sky_columns, sky_pixels, source_flux
from wolter.simulate.observation import Scene
from wolter.simulate.simulator import Made, Plan, Simulator, told_of

__all__ = ["simulate"]

CLOCK = Clock(58484, 0.0008007407407407407)
START = 165000000.0  # s: spring of 2024
FRAME, LIVE = 3.96, 0.985
SKY_CENTRE, SKY_SIZE, SKY_DEG = 1215.5, 2430, PIXEL_ARCSEC / 3600.0
BACKGROUND = 1e-3


def _make(plan: Plan) -> Made:
    """Files of an observation."""
    mission, scene, gti, rng = plan.mission, plan.scene, plan.gti, plan.generator()
    pointing = plan.wander(rng, 2.0)
    number = plan.number("bad_pixels", 40)
    bad = {ccd: np.unique(rng.integers(1, 641, (number, 2)), axis=0) for ccd in ACT_TO_DET}
    camera = _camera(mission, scene, bad)
    rmf, arf = responses_of(mission, scene, "XTEND", {"INSTRUME": "XTEND"})
    events = detect(camera, rmf, arf, source_flux(scene, rmf), (scene.ra, scene.dec), scene.shape, pointing, gti, rng)
    folder, stem, gz = plan.folder, f"xa{scene.obsid}", plan.gz
    xtend = folder / "xtend"
    files: dict[Path, Any] = {
        xtend / "event_cl" / f"{stem}xtd_p030000010_cl.evt{gz}": lambda: _event_file(scene, events, gti, camera),
        xtend / "event_uf" / f"{stem}xtd_p030000010.bimg{gz}": lambda: _bad_image(scene, gti, bad),
        folder / "auxil" / f"{stem}.att{gz}": lambda: _attitude_file(scene, pointing, gti),
        folder / "auxil" / f"{stem}.ehk{gz}": lambda: _housekeeping_file(scene, pointing, gti),
    }
    return Made(files, {"XTEND": told_of(plan, camera, events, bad)})


simulate = Simulator(
    _make,
    start=START,
    jitter=5.0,
    visible=0.6,
    options={"compress": "gzipped files (bool, True)", "bad_pixels": "bad pixels per CCD (int, 40)"},
)


def _camera(mission: Mission, scene: Scene, bad: dict[int, np.ndarray]) -> Camera:
    to_angle = det_to_angle()
    chips = tuple(
        Chip(ccd, (1, 1), (640, 640), to_angle @ np.vstack([matrix, [0.0, 0.0, 1.0]]), bad[ccd])
        for ccd, matrix in ACT_TO_DET.items()
    )
    vignetting = mission.load("vignetting") if mission.vignetting else None
    return Camera(
        chips=chips,
        psf=KING,
        vignetting=None if vignetting is None else lambda theta, azimuth, energy: vignetting(theta, energy),
        background=(BACKGROUND if scene.background_rate is None else scene.background_rate, 1.0),
        band=mission.band,
        live_fraction=LIVE if scene.dead_time is None else 1.0,
        dead_time=scene.dead_time or 0.0,
    )


def _common(scene: Scene, gti: GTI, *, instrument: bool = True) -> dict[str, Any]:
    return {
        "TELESCOP": "XRISM",
        **({"INSTRUME": "XTEND", "DETNAM": "CCD", "FILTER": "OPEN"} if instrument else {}),
        "OBS_ID": scene.obsid,
        "OBS_MODE": "POINTING",
        "OBJECT": scene.object_name,
        "RA_OBJ": scene.ra,
        "DEC_OBJ": scene.dec,
        "RA_NOM": scene.target[0],
        "DEC_NOM": scene.target[1],
        "PA_NOM": scene.roll,
        "RA_PNT": scene.target[0],
        "DEC_PNT": scene.target[1],
        "PA_PNT": scene.roll,
        "EQUINOX": 2000.0,
        "RADECSYS": "FK5",
        "CREATOR": "Wolter simulation",
        **CLOCK.cards(gti),
    }


def _event_file(scene: Scene, events: Detected, gti: GTI, camera: Camera) -> Sequence[fits.HDU]:
    live = camera.live_fraction
    header = fits.Header(
        _common(scene, gti)
        | {"HDUCLASS": "OGIP", "HDUCLAS1": "EVENTS", "HDUCLAS2": "ALL", "DATAMODE": "WINDOW1", "DATACLAS": "30000010"}
        | {"TIMEDEL": FRAME, "TIMEPIXR": 0.5, "ONTIME": gti.exposure, "DEADC": live, "DEADAPP": False}
        | {"LIVETIME": gti.exposure * live, "EXPOSURE": gti.exposure * live}
    )
    x, y = sky_pixels(events.ra, events.dec, scene.target, SKY_CENTRE, SKY_DEG)
    numbers = np.array([chip.number for chip in camera.chips])
    back = det_to_angle()
    det = np.vstack([events.u - back[0, 2], events.v - back[1, 2]]) / PIXEL_ARCSEC
    small = {"TLMIN": 1, "TLMAX": DET_SIZE, "TCTYP": "DETX", "TCUNI": "mm"}
    whole = fits.Column("ACTX", "I", unit="pixel", keywords={"TLMIN": 1, "TLMAX": 640})
    columns = {
        "TIME": fits.Column("TIME", "D", unit="s"),
        "CCD_ID": fits.Column("CCD_ID", "B"),
        "ACTX": whole,
        "ACTY": fits.Column("ACTY", "I", unit="pixel", keywords=whole.keywords),
        "DETX": fits.Column("DETX", "I", unit="pixel", keywords=small),
        "DETY": fits.Column("DETY", "I", unit="pixel", keywords=small | {"TCTYP": "DETY"}),
        **sky_columns(("X", "Y"), "I", scene.target, SKY_CENTRE, SKY_DEG, SKY_SIZE, -999),
        "PHA": fits.Column("PHA", "J", unit="chan", keywords={"TLMIN": 0, "TLMAX": 4095}),
        "PI": fits.Column("PI", "J", unit="chan", null=-999, keywords={"TLMIN": 0, "TLMAX": 4095}),
        "GRADE": fits.Column("GRADE", "B", keywords={"TLMIN": 0, "TLMAX": 11}),
        "STATUS": fits.Column("STATUS", "48X"),
        "PROC_STATUS": fits.Column("PROC_STATUS", "32X"),
    }
    number = len(events)
    data = {
        "TIME": events.time,
        "CCD_ID": numbers[events.chip] - 1,
        "ACTX": events.x,
        "ACTY": events.y,
        "DETX": np.floor(det[0] + 0.5).astype(np.int64),
        "DETY": np.floor(det[1] + 0.5).astype(np.int64),
        "X": np.floor(x + 0.5).astype(np.int64),
        "Y": np.floor(y + 0.5).astype(np.int64),
        "PHA": events.channel,
        "PI": events.channel,
        "GRADE": np.zeros(number, dtype=np.int64),
        "STATUS": np.zeros((number, 48), dtype=bool),
        "PROC_STATUS": np.zeros((number, 32), dtype=bool),
    }
    table = fits.new_table("EVENTS", data, columns=columns, header=header)
    return [fits.primary(fits.Header(_common(scene, gti))), table, gti_table(gti, header)]


def _bad_image(scene: Scene, gti: GTI, bad: dict[int, np.ndarray]) -> Sequence[fits.HDU]:
    """Image in DET pixels: 0 good, 2 bad, -1 outside the CCDs."""
    image = np.full((DET_SIZE, DET_SIZE), -1, dtype=np.int16)
    pixel = np.arange(1.0, 641.0)
    for ccd, matrix in ACT_TO_DET.items():
        columns = np.round(pixel + matrix[0, 2]).astype(int) - 1
        rows = np.round(pixel + matrix[1, 2]).astype(int) - 1
        image[np.ix_(rows, columns)] = 0
        image[rows[bad[ccd][:, 1] - 1], columns[bad[ccd][:, 0] - 1]] = 2
    header = fits.Header(_common(scene, gti) | {"CTYPE1": "DETX", "CTYPE2": "DETY"})
    return [fits.new_image(image, header=header)]


def _attitude_file(scene: Scene, pointing: Pointing, gti: GTI) -> Sequence[fits.HDU]:
    """Attitude as quaternions, and as right ascension, declination and roll (deg)."""
    data = {
        "TIME": pointing.time,
        "QPARAM": quaternions(pointing),
        "POINTING": np.column_stack([pointing.ra, pointing.dec, pointing.roll]),
    }
    columns = {
        "TIME": fits.Column("TIME", "D", unit="s"),
        "QPARAM": fits.Column("QPARAM", "4D"),
        "POINTING": fits.Column("POINTING", "3D", unit="deg"),
    }
    common = fits.Header(_common(scene, gti, instrument=False))
    return [fits.primary(common), fits.new_table("ATTITUDE", data, columns=columns, header=common.copy())]


def _housekeeping_file(scene: Scene, pointing: Pointing, gti: GTI) -> Sequence[fits.HDU]:
    """Extended housekeeping: pointing and its distance from the nominal one."""
    ra, dec = scene.target
    distance = np.hypot((pointing.ra - ra) * np.cos(np.radians(dec)), pointing.dec - dec)
    data = {
        "TIME": pointing.time,
        "RA": pointing.ra,
        "DEC": pointing.dec,
        "ROLL": pointing.roll,
        "ANG_DIST": distance * 60.0,
        "SAA": np.zeros(len(distance)),
        "ELV": np.full(len(distance), 30.0),
        "DYE_ELV": np.full(len(distance), 60.0),
    }
    units = {"TIME": "s", "ANG_DIST": "arcmin", "SAA": ""}
    columns = {k: fits.Column(k, "D", unit=units.get(k, "deg")) for k in data}
    common = fits.Header(_common(scene, gti, instrument=False))
    return [fits.primary(common), fits.new_table("EHK", data, columns=columns, header=common.copy())]
