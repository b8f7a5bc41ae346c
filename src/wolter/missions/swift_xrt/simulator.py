"""Simulated Swift-XRT observations, photon-counting mode, in the archive's layout.

Written are the screened events with their bad pixels, the frame headers (one row per frame, with the pointing) and the
attitude. Figures used, besides those of `nominal`, `psf`, `vignetting` and the geometry of `exposure`: frames of
2.5073 s, of which 0.996 are live (archive headers); background 5e-4 counts/s/arcmin2 in 0.3-10 keV (of the size of
archival blank fields); the pointing wanders by 3 arcsec. Pile-up and out-of-time events are left out; events beside a
bad pixel are lost, as in screened files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wolter import fits
from wolter.gti import GTI
from wolter.mission import Mission
from wolter.missions.swift_xrt.description import PIXEL_ARCSEC
from wolter.missions.swift_xrt.exposure import BORDER, BORESIGHT, FIELD, OPTICAL_AXIS, SIZE, TURN_DEG
from wolter.missions.swift_xrt.psf import KING
from wolter.missions.swift_xrt.vignetting import vignetting
from wolter.simulate.camera import Camera, Chip, Detected, Pointing, detect
from wolter.simulate.layout import Clock, gti_table, responses_of, sky_columns, sky_pixels, source_flux
from wolter.simulate.observation import Scene
from wolter.simulate.simulator import Made, Plan, Simulator, told_of

__all__ = ["simulate"]

FRAME = 2.5073  # s
LIVE = 0.996
CLOCK = Clock(51910, 7.428703700e-4)
START = 672000000.0  # s: spring of 2022
SKY_CENTRE, SKY_SIZE = 500.5, 1000
BAD_FLAG = 1  # calibration-database bad pixel


def _make(plan: Plan) -> Made:
    """Files of an observation."""
    mission, scene, gti, rng = plan.mission, plan.scene, plan.gti, plan.generator()
    pointing = plan.wander(rng, FRAME, time=_frames(gti))
    bad = _bad_pixels(rng, plan)
    camera = _camera(mission, scene, bad)
    rmf, arf = responses_of(mission, scene, "XRT", {"INSTRUME": "XRT"})
    events = detect(camera, rmf, arf, source_flux(scene, rmf), (scene.ra, scene.dec), scene.shape, pointing, gti, rng)
    header = _header(scene, gti, camera.live_fraction)
    folder, stem, gz = plan.folder, f"sw{scene.obsid}", plan.gz
    files: dict[Path, Any] = {
        folder / "xrt" / "event" / f"{stem}xpcw3po_cl.evt{gz}": lambda: _event_file(scene, events, bad, gti, header),
        folder / "xrt" / "hk" / f"{stem}xhd.hk{gz}": lambda: _frame_file(scene, pointing, gti),
        folder / "auxil" / f"{stem}pat.fits{gz}": lambda: _attitude_file(scene, pointing, gti),
    }
    return Made(files, {"XRT": told_of(plan, camera, events, {1: bad})})


simulate = Simulator(
    _make,
    start=START,
    jitter=3.0,
    visible=0.45,
    options={
        "compress": "gzipped files (bool, True)",
        "bad_pixels": "single bad pixels (int, 60)",
        "bad_columns": "bad columns (int, 2)",
    },
)


def _frames(gti: GTI) -> np.ndarray:
    """Start times of the frames that cover the good time, one after the end of each stretch included."""
    return np.concatenate([lo + FRAME * np.arange(int(np.ceil((hi - lo) / FRAME)) + 1) for lo, hi in _pairs(gti)])


def _pairs(gti: GTI) -> list[tuple[float, float]]:
    return list(zip(gti.start.tolist(), gti.stop.tolist(), strict=True))


def _bad_pixels(rng: np.random.Generator, plan: Plan) -> np.ndarray:
    """Single bad pixels and bad columns (all rows): [n, 3] of RAWX, RAWY, number of rows."""
    single, columns = plan.number("bad_pixels", 60), plan.number("bad_columns", 2)
    out = np.ones((single + columns, 3), dtype=np.int64)
    out[:single, :2] = rng.integers(0, 600, (single, 2))
    # kept off the middle of the CCD, where the target falls
    out[single:, 0] = rng.integers(0, 220, columns) + 380 * rng.integers(0, 2, columns)
    out[single:, 1], out[single:, 2] = 0, 600
    return out


def _camera(mission: Mission, scene: Scene, bad: np.ndarray) -> Camera:
    c, t = np.cos(np.radians(TURN_DEG)), np.sin(np.radians(TURN_DEG))
    linear = PIXEL_ARCSEC * np.array([[t, c], [c, -t]])
    angle = np.column_stack([linear, -linear @ (np.array(BORESIGHT) - 1.0)])  # of RAW pixels: DET = RAW + 1
    lo, hi = BORDER, SIZE - 1 - BORDER
    pixels = np.array(
        [
            (x + dx, y + k)
            for x, y, n in bad.tolist()
            for k in range(-1, n + 1)  # neighbours are lost too
            for dx in (-1, 0, 1)
            if lo <= x + dx <= hi and lo <= y + k <= hi
        ],
        dtype=np.int64,
    ).reshape(-1, 2)
    centre = angle @ np.array([FIELD[0] - 1.0, FIELD[1] - 1.0, 1.0])
    axis = angle @ np.array([OPTICAL_AXIS[0] - 1.0, OPTICAL_AXIS[1] - 1.0, 1.0])
    return Camera(
        chips=(Chip(1, (lo, lo), (hi, hi), angle, pixels),),
        axis=(float(axis[0]), float(axis[1])),
        psf=KING,
        vignetting=lambda theta, azimuth, energy: vignetting(theta, energy),
        field_arcmin=FIELD[2] * PIXEL_ARCSEC / 60.0,
        field_centre=(float(centre[0]), float(centre[1])),
        background=(5e-4 if scene.background_rate is None else scene.background_rate, 1.0),
        band=mission.band,
        live_fraction=LIVE if scene.dead_time is None else 1.0,
        dead_time=scene.dead_time or 0.0,
    )


def _common(scene: Scene, gti: GTI) -> dict[str, Any]:
    return {
        "TELESCOP": "SWIFT",
        "INSTRUME": "XRT",
        "OBS_ID": scene.obsid,
        "OBJECT": scene.object_name,
        "RA_OBJ": scene.ra,
        "DEC_OBJ": scene.dec,
        "RA_PNT": scene.target[0],
        "DEC_PNT": scene.target[1],
        "PA_PNT": scene.roll,
        "EQUINOX": 2000.0,
        "RADECSYS": "FK5",
        "CREATOR": "Wolter simulation",
        **CLOCK.cards(gti),
    }


def _header(scene: Scene, gti: GTI, live: float) -> fits.Header:
    return fits.Header(
        _common(scene, gti)
        | {
            "HDUCLASS": "OGIP",
            "HDUCLAS1": "EVENTS",
            "DATAMODE": "PHOTON",
            "OBS_MODE": "POINTING",
            "WHALFWD": 300,
            "WHALFHT": 300,
            "XRTVSUB": 6,
            "RA_NOM": scene.target[0],
            "DEC_NOM": scene.target[1],
            "TIMEPIXR": 0.5,
            "TIMEDEL": FRAME,
            "ONTIME": gti.exposure,
            "LIVETIME": gti.exposure * live,
            "EXPOSURE": gti.exposure * live,
            "DEADC": live,
            "DEADAPP": False,
        }
    )


def _event_file(scene: Scene, events: Detected, bad: np.ndarray, gti: GTI, header: fits.Header) -> Sequence[fits.HDU]:
    cdelt = PIXEL_ARCSEC / 3600.0
    x, y = sky_pixels(events.ra, events.dec, scene.target, SKY_CENTRE, cdelt)
    raw = {"TLMIN": 0, "TLMAX": 599}
    det = {"TLMIN": 1, "TLMAX": 600}
    columns = {
        "TIME": fits.Column("TIME", "D", unit="s"),
        **sky_columns(("X", "Y"), "I", scene.target, SKY_CENTRE, cdelt, SKY_SIZE, -1),
        "RAWX": fits.Column("RAWX", "I", unit="pixel", keywords=raw),
        "RAWY": fits.Column("RAWY", "I", unit="pixel", keywords=raw),
        "DETX": fits.Column("DETX", "I", unit="pixel", keywords=det),
        "DETY": fits.Column("DETY", "I", unit="pixel", keywords=det),
        "PHA": fits.Column("PHA", "J", unit="chan", keywords={"TLMIN": 0, "TLMAX": 4095}),
        "PI": fits.Column("PI", "J", unit="chan", null=-4095, keywords={"TLMIN": 0, "TLMAX": 1023}),
        "GRADE": fits.Column("GRADE", "I", keywords={"TLMIN": 0, "TLMAX": 32}),
        "STATUS": fits.Column("STATUS", "16X"),
    }
    data = {
        "TIME": events.time,
        "X": np.floor(x + 0.5).astype(np.int64),
        "Y": np.floor(y + 0.5).astype(np.int64),
        "RAWX": events.x,
        "RAWY": events.y,
        "DETX": events.x + 1,
        "DETY": events.y + 1,
        "PHA": events.channel * 4,
        "PI": events.channel,
        "GRADE": np.zeros(len(events), dtype=np.int64),
        "STATUS": np.zeros((len(events), 16), dtype=bool),
    }
    table = fits.new_table("EVENTS", data, columns=columns, header=header)
    return [fits.primary(fits.Header(_common(scene, gti))), table, gti_table(gti, header), _bad_table(bad, header)]


def _bad_table(bad: np.ndarray, header: fits.Header) -> fits.TableHDU:
    """Bad pixels as in the archive: TYPE 1 pixels, 2 columns of YEXTENT rows."""
    number = len(bad)
    flags = np.zeros((number, 16), dtype=bool)
    flags[:, 16 - BAD_FLAG] = True
    columns = {
        **{name: fits.Column(name, "I") for name in ("RAWX", "RAWY", "Amp", "TYPE", "YEXTENT")},
        "BADFLAG": fits.Column("BADFLAG", "16X"),
    }
    data = {
        "RAWX": bad[:, 0],
        "RAWY": bad[:, 1],
        "Amp": np.ones(number, dtype=np.int64),
        "TYPE": np.where(bad[:, 2] > 1, 2, 1),
        "YEXTENT": bad[:, 2],
        "BADFLAG": flags,
    }
    keep = {k: header[k] for k in ("TELESCOP", "INSTRUME", "DATAMODE", "OBS_ID")}
    return fits.new_table("BADPIX", data, columns=columns, header=fits.Header(keep))


def _frame_file(scene: Scene, pointing: Pointing, gti: GTI) -> Sequence[fits.HDU]:
    """Frame headers: one row per frame inside the good time, with mode, window and the pointing of the next frame."""
    ends = np.append(pointing.time[1:], np.inf)
    inside = gti.contains(pointing.time) & (ends - pointing.time < 1.5 * FRAME)
    time = pointing.time[inside]
    number = len(time)
    after = np.minimum(np.flatnonzero(inside) + 1, len(pointing.time) - 1)  # as in the archive: see `frames`
    yes = np.ones((number, 1), dtype=bool)
    data: dict[str, Any] = {
        "CCDFrame": np.arange(1, number + 1),
        "RA": pointing.ra[after],
        "Dec": pointing.dec[after],
        "Roll": pointing.roll[after],
        "Settled": yes,
        "In10Arcm": yes,
        "InSAA": ~yes,
        "InSafeM": ~yes,
        "XRTMode": np.full(number, 7),
        "WinHalfW": np.full(number, 300),
        "WinHalfH": np.full(number, 300),
        "TIME": time,
        "ENDTIME": np.minimum(time + FRAME, ends[inside]),
        "CCDTemp": np.full(number, -60.0),
    }
    formats: dict[str, str] = {
        "CCDFrame": "J",
        "XRTMode": "B",
        "WinHalfW": "I",
        "WinHalfH": "I",
        "TIME": "D",
        "ENDTIME": "D",
    }
    formats.update(dict.fromkeys(("Settled", "In10Arcm", "InSAA", "InSafeM"), "1X"))
    units: dict[str, str] = {"RA": "deg", "Dec": "deg", "Roll": "deg", "TIME": "s", "ENDTIME": "s"}
    # the archive keeps the pointing in single precision, good to a tenth of an arcsecond
    columns = {k: fits.Column(k, formats.get(k, "E"), unit=units.get(k, "")) for k in data}
    header = fits.Header(_common(scene, gti) | {"HDUCLASS": "OGIP", "HDUCLAS1": "TEMPORALDATA", "HDUCLAS2": "HKP"})
    table = fits.new_table("FRAME", data, columns=columns, header=header)
    return [fits.primary(fits.Header(_common(scene, gti))), table]


def _attitude_file(scene: Scene, pointing: Pointing, gti: GTI) -> Sequence[fits.HDU]:
    """Attitude: pointing direction and roll (deg)."""
    data = {"TIME": pointing.time, "POINTING": np.column_stack([pointing.ra, pointing.dec, pointing.roll])}
    columns = {
        "TIME": fits.Column("TIME", "D", unit="s"),
        "POINTING": fits.Column("POINTING", "3D", unit="deg"),
    }
    header = fits.Header({k: v for k, v in _common(scene, gti).items() if k != "INSTRUME"})
    table = fits.new_table("ATTITUDE", data, columns=columns, header=header)
    return [fits.primary(header.copy()), table]
