"""Simulated XMM-Newton EPIC observations: screened event lists of the three cameras in full-frame mode, and attitude.

Each event list carries, per CCD, good times (STDGTInn), frame exposures (EXPOSUnn) and bad pixels (BADPIXnn), and the
data subspace that binds CCDs to their good times, as SAS writes them. Figures used, besides those of `nominal`, `psf`,
`vignetting` and `geometry`: live fractions of 0.94 (pn) and 0.985 (MOS) (Users' Handbook: frames of 73.4 ms and 2.6 s,
less the readout); quiescent background of 5e-3 (pn) and 1.5e-3 counts/s/arcmin2 (MOS) in 0.5-10 keV (of the order of
Read & Ponman 2003, A&A 409, 395); the pointing wanders by 1 arcsec. Gaps in the good time stand for flares. Rows of
EXPOSUnn of pn hold many frames. Pile-up and out-of-time events are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wolter import fits
from wolter.gti import GTI
from wolter.mission import Mission
from wolter.missions.xmm_epic.geometry import CAMERAS, UNIT_ARCSEC, field_of_view, nominal_pn
from wolter.missions.xmm_epic.geometry import Camera as Geometry
from wolter.missions.xmm_epic.psf import KING
from wolter.missions.xmm_epic.vignetting import grating_factor, vignetting
from wolter.simulate.camera import Camera, Chip, Detected, Pointing, detect
from wolter.simulate.layout import Clock, gti_table, responses_of, sky_columns, sky_pixels, source_flux
from wolter.simulate.observation import Scene
from wolter.simulate.simulator import Made, Plan, Simulator, told_of

__all__ = ["simulate"]

CLOCK = Clock(50814, 0.0, split=False)
START = 760000000.0  # s: early 2022
SKY_CENTRE, SKY_SIZE, SKY_DEG = 25921.0, 51840, UNIT_ARCSEC / 3600.0
LIVE = {"PN": 0.94, "M1": 0.985, "M2": 0.985}
STEP = {"PN": 5.0, "M1": 2.6, "M2": 2.6}  # s: rows of EXPOSUnn
BACKGROUND = {"PN": 5e-3, "M1": 1.5e-3, "M2": 1.5e-3}
EXPOSURES = {"PN": "S003", "M1": "S001", "M2": "S002"}
INSTRUMENTS = {"PN": "EPN", "M1": "EMOS1", "M2": "EMOS2"}
FLAGS = {"PN": ("XMMEA_EP", "(FLAG & 0x2fb0024) == 0"), "M1": ("XMMEA_EM", "(FLAG & 0x766ba000) == 0")}
FLAGS["M2"] = FLAGS["M1"]


def _make(plan: Plan) -> Made:
    """Files of an observation."""
    mission, scene = plan.mission, plan.scene
    detectors = tuple(scene.options.get("detectors", mission.detectors))
    streams = plan.streams(len(mission.detectors) + 1)
    pointing = plan.wander(streams[0], 1.0)
    folder = plan.folder / "pps"
    files: dict[Path, Any] = {
        folder / f"P{scene.obsid}OBX000ATTTSR0000.FIT": lambda: _attitude_file(scene, pointing, plan.gti)
    }
    told: dict[str, Any] = {}
    for detector, rng in zip(mission.detectors, streams[1:], strict=True):
        if detector not in detectors:
            continue
        kind = "PI" if detector == "PN" else "MI"
        path = folder / f"P{scene.obsid}{detector}{EXPOSURES[detector]}{kind}EVLI0000.FIT"
        files[path] = _maker(plan, detector, pointing, rng, told)
    return Made(files, told)


simulate = Simulator(
    _make,
    start=START,
    jitter=1.0,
    options={"bad_pixels": "bad pixels per CCD (int, 20)", "detectors": "cameras (sequence of str, all)"},
)


def _maker(plan: Plan, detector: str, pointing: Pointing, rng: np.random.Generator, told: dict[str, Any]) -> Any:
    """Function that makes the event file of one camera and tells what is in it."""
    scene, gti = plan.scene, plan.gti

    def make() -> Sequence[fits.HDU]:
        rmf, arf = responses_of(plan.mission, scene, detector, {"INSTRUME": INSTRUMENTS[detector]})
        layout = CAMERAS[detector] if CAMERAS[detector].ccds else nominal_pn()
        number = plan.number("bad_pixels", 20)
        bad = {ccd: _bad_pixels(ccd, layout.shape, number, rng) for ccd in layout.ccds}
        camera = _camera(plan.mission, scene, detector, layout, bad)
        own = {ccd: _own_gti(gti, ccd) for ccd in layout.ccds}
        events = detect(
            camera,
            rmf,
            arf,
            source_flux(scene, rmf),
            (scene.ra, scene.dec),
            scene.shape,
            pointing,
            gti,
            rng,
            chip_gti=own,
        )
        livetimes = {str(n): g.exposure * camera.live_fraction for n, g in own.items()}
        told[detector] = told_of(plan, camera, events, bad, livetimes=livetimes)
        pi = np.floor((events.channel + rng.random(len(events))) * 5.0).astype(np.int64)  # eV within the channel
        return _event_file(scene, detector, layout, events, pi, bad, own, camera.live_fraction)

    return make


def _bad_pixels(ccd: int, shape: tuple[int, int], number: int, rng: np.random.Generator) -> np.ndarray:
    """Bad pixels [n, 3] of RAWX, RAWY, number of rows; half a bad column on CCDs with odd numbers above 2."""
    rows, columns = shape
    out = np.ones((number, 3), dtype=np.int64)
    out[:, 0] = rng.integers(1, columns + 1, number)
    out[:, 1] = rng.integers(1, rows + 1, number)
    if number and ccd > 2 and ccd % 2:
        out = np.vstack([out, [columns // 3, 1, rows // 2]])
    return np.unique(out, axis=0)


def _own_gti(gti: GTI, number: int) -> GTI:
    """Good time of a CCD: outer ones miss a little at the start of each stretch, as after lost telemetry."""
    if number == 1 or number == 4:
        return gti
    lost = np.minimum(2.0 * number, 0.1 * (gti.stop - gti.start))
    return GTI(gti.start + lost, gti.stop)


def _camera(mission: Mission, scene: Scene, detector: str, layout: Geometry, bad: dict[int, np.ndarray]) -> Camera:
    rows, columns = layout.shape
    chips = []
    for ccd, raw_to_det in layout.ccds.items():
        pixels = [(x, y + k) for x, y, n in bad[ccd].tolist() for k in range(n)]
        angle = layout.to_angle(raw_to_det)  # of pixels counted from zero
        angle[:, 2] -= angle[:, 0] + angle[:, 1]
        chips.append(
            Chip(
                ccd,
                (1, 1),
                (columns, rows),
                angle,
                np.array(pixels, dtype=np.int64).reshape(-1, 2),
                field_of_view(layout, ccd).T,
            )
        )
    rate = BACKGROUND[detector] if scene.background_rate is None else scene.background_rate
    return Camera(
        chips=tuple(chips),
        axis=layout.angle_of(layout.optical_axis),
        psf=KING[detector],
        vignetting=_vignetting(layout),
        background=(rate, 1.0),
        band=mission.band,
        live_fraction=LIVE[detector] if scene.dead_time is None else 1.0,
        dead_time=scene.dead_time or 0.0,
    )


def _vignetting(layout: Geometry) -> Any:
    """Vignetting of the mirrors and, where gratings stand in front of the camera, of these."""
    if layout.dispersion is None:
        return lambda theta, azimuth, energy: vignetting(theta, energy)
    origin = np.array(layout.angle_of((0.0, 0.0)))
    x, y = np.array(layout.angle_of(layout.dispersion)) - origin
    direction = np.arctan2(y, x)
    return lambda theta, azimuth, energy: (
        vignetting(theta, energy) * grating_factor(theta * np.cos(np.radians(azimuth) - direction))
    )


def _common(scene: Scene, detector: str | None) -> dict[str, Any]:
    instrument = (
        {}
        if detector is None
        else {
            "INSTRUME": INSTRUMENTS[detector],
            "DATAMODE": "IMAGING",
            "SUBMODE": "PrimeFullWindow",
            "FILTER": "Thin1",
            "EXPIDSTR": EXPOSURES[detector],
        }
    )
    return {
        "TELESCOP": "XMM",
        **instrument,
        "OBS_ID": scene.obsid,
        "OBS_MODE": "POINTING",
        "OBJECT": scene.object_name,
        "RA_OBJ": scene.ra,
        "DEC_OBJ": scene.dec,
        "RA_PNT": scene.target[0],
        "DEC_PNT": scene.target[1],
        "PA_PNT": scene.roll,
        "EQUINOX": 2000.0,
        "RADECSYS": "FK5",
        "CREATOR": "Wolter simulation",
    }


def _header(scene: Scene, detector: str, own: dict[int, GTI], live: float) -> fits.Header:
    """Keywords of the event extension, the data subspace included."""
    first = min(own)
    subspace: dict[str, Any] = {"DSTYP1": "CCDNR", "DSTYP2": "TIME", "DSUNI2": "s", "DSVAL2": "TABLE"}
    times: dict[str, Any] = {}
    for k, (number, gti) in enumerate(own.items()):
        prefix = "" if k == 0 else str(k + 1)
        subspace[f"{prefix}DSVAL1"] = str(number)
        subspace[f"{prefix}DSREF2"] = f":STDGTI{number:02d}"
        times |= {f"ONTIME{number:02d}": gti.exposure, f"LIVETI{number:02d}": gti.exposure * live}
    name, expression = FLAGS[detector]
    return fits.Header(
        _common(scene, detector)
        | CLOCK.cards(own[first])
        | {"HDUCLASS": "OGIP", "HDUCLAS1": "EVENTS", name: expression}
        | times
        | {"ONTIME": own[first].exposure, "LIVETIME": own[first].exposure * live}
        | {f"REF{a}{k}": v for a, values in _reference(scene).items() for k, v in values.items()}
        | subspace
    )


def _reference(scene: Scene) -> dict[str, dict[str, Any]]:
    """Keywords REFXCTYP... that SAS writes beside those of the columns."""
    both = {"CRPX": SKY_CENTRE, "CUNI": "deg", "LMIN": 1, "LMAX": SKY_SIZE}
    return {
        "X": {"CTYP": "RA---TAN", "CRVL": scene.target[0], "CDLT": -SKY_DEG, **both},
        "Y": {"CTYP": "DEC--TAN", "CRVL": scene.target[1], "CDLT": SKY_DEG, **both},
    }


def _event_file(
    scene: Scene,
    detector: str,
    layout: Geometry,
    events: Detected,
    pi: np.ndarray,
    bad: dict[int, np.ndarray],
    own: dict[int, GTI],
    live: float,
) -> Sequence[fits.HDU]:
    header = _header(scene, detector, own, live)
    x, y = sky_pixels(events.ra, events.dec, scene.target, SKY_CENTRE, SKY_DEG)
    det = _det(layout, events)
    numbers = list(layout.ccds)
    number = np.array(numbers)[events.chip] if len(events) else np.empty(0, dtype=np.int64)
    angle = {"TCRPX": 0, "TCRVL": 0.0, "TCDLT": SKY_DEG, "TCUNI": "deg", "TLMIN": -20480, "TLMAX": 20479}
    top = 20479 if detector == "PN" else 15000
    columns = {
        "TIME": fits.Column("TIME", "D", unit="s"),
        "RAWX": fits.Column("RAWX", "I", unit="pixel"),
        "RAWY": fits.Column("RAWY", "I", unit="pixel"),
        "DETX": fits.Column("DETX", "I", unit="pixel", keywords={"TCTYP": "DETX_ANG", **angle}),
        "DETY": fits.Column("DETY", "I", unit="pixel", keywords={"TCTYP": "DETY_ANG", **angle}),
        **sky_columns(("X", "Y"), "J", scene.target, SKY_CENTRE, SKY_DEG, SKY_SIZE, -99999999),
        "PHA": fits.Column("PHA", "I", unit="CHAN", keywords={"TLMIN": 0, "TLMAX": 4095}),
        "PI": fits.Column("PI", "I", unit="CHAN", keywords={"TLMIN": 0, "TLMAX": top}),
        "FLAG": fits.Column("FLAG", "J"),
        "PATTERN": fits.Column("PATTERN", "B", keywords={"TLMIN": 0, "TLMAX": 12 if detector == "PN" else 31}),
        "CCDNR": fits.Column("CCDNR", "B", keywords={"TLMIN": 1, "TLMAX": max(numbers)}),
    }
    data = {
        "TIME": events.time,
        "RAWX": events.x,
        "RAWY": events.y,
        "DETX": np.floor(det[0] + 0.5).astype(np.int64),
        "DETY": np.floor(det[1] + 0.5).astype(np.int64),
        "X": np.floor(x + 0.5).astype(np.int64),
        "Y": np.floor(y + 0.5).astype(np.int64),
        "PHA": np.minimum(pi // 5, 4095),
        "PI": pi,
        "FLAG": np.zeros(len(events), dtype=np.int64),
        "PATTERN": np.zeros(len(events), dtype=np.int64),
        "CCDNR": number,
    }
    hdus: list[fits.HDU] = [
        fits.primary(fits.Header(_common(scene, detector))),
        fits.new_table("EVENTS", data, columns=columns, header=header),
    ]
    for ccd in numbers:
        keys = fits.Header(_common(scene, detector) | {"CCDID": ccd})
        hdus += [_exposures(own[ccd], ccd, live, STEP[detector], keys), _bad_table(bad[ccd], ccd, keys)]
    hdus += [gti_table(own[ccd], header, f"STDGTI{ccd:02d}") for ccd in numbers]
    return hdus


def _det(layout: Geometry, events: Detected) -> np.ndarray:
    """DETX, DETY [2, n] of the positions drawn within the pixels."""
    origin = np.array(layout.angle_of((0.0, 0.0)))
    columns = [np.array(layout.angle_of(step)) - origin for step in ((1000.0, 0.0), (0.0, 1000.0))]
    return np.linalg.solve(np.column_stack(columns) / 1000.0, np.vstack([events.u, events.v]) - origin[:, None])


def _exposures(gti: GTI, number: int, live: float, step: float, header: fits.Header) -> fits.TableHDU:
    """Frame exposures of a CCD: time of the middle, length and live fraction of each row."""
    # Whole rows, and a last one that is shorter; none of no length, which the rounding of the times could leave.
    rows = np.ceil((gti.stop - gti.start) / step - 1e-6).astype(int)
    starts = [lo + step * np.arange(n) for lo, n in zip(gti.start, rows, strict=True)]
    ends = [np.minimum(s + step, hi) for s, hi in zip(starts, gti.stop, strict=True)]
    lo, hi = np.concatenate(starts), np.concatenate(ends)
    columns = {
        "TIME": fits.Column("TIME", "D", unit="s"),
        "TIMEDEL": fits.Column("TIMEDEL", "E", unit="s"),
        "FRACEXP": fits.Column("FRACEXP", "E", unit="FRACTION"),
    }
    data = {"TIME": 0.5 * (lo + hi), "TIMEDEL": hi - lo, "FRACEXP": np.full(len(lo), live)}
    keys = fits.Header(dict(header.items()) | {"ONTIME": gti.exposure, "LIVETIME": gti.exposure * live})
    return fits.new_table(f"EXPOSU{number:02d}", data, columns=columns, header=keys)


def _bad_table(bad: np.ndarray, number: int, header: fits.Header) -> fits.TableHDU:
    """Bad pixels of a CCD: TYPE 1, YEXTENT rows from RAWY upwards."""
    ones = np.ones(len(bad), dtype=np.int64)
    data = {"RAWX": bad[:, 0], "RAWY": bad[:, 1], "TYPE": ones, "YEXTENT": bad[:, 2], "BADFLAG": ones}
    columns = {name: fits.Column(name, "I") for name in data}
    return fits.new_table(f"BADPIX{number:02d}", data, columns=columns, header=header)


def _attitude_file(scene: Scene, pointing: Pointing, gti: GTI) -> Sequence[fits.HDU]:
    """Attitude history: pointing and position angle (deg) every second."""
    separation = np.hypot(
        (pointing.ra - scene.target[0]) * np.cos(np.radians(scene.target[1])), pointing.dec - scene.target[1]
    )
    zero = np.zeros(len(pointing.time))
    data = {
        "TIME": pointing.time,
        "AHFRA": pointing.ra,
        "AHFDEC": pointing.dec,
        "AHFPA": pointing.roll,
        "OMRA": pointing.ra,
        "OMDEC": pointing.dec,
        "OMPA": pointing.roll,
        "DAHFPNT": separation,
        "DOMPNT": separation,
        "DAHFOM": zero,
    }
    columns = {k: fits.Column(k, "D", unit="sec" if k == "TIME" else "degrees") for k in data}
    header = fits.Header(_common(scene, None) | CLOCK.cards(gti))
    return [fits.primary(header), fits.new_table("ATTHK", data, columns=columns, header=header.copy())]
