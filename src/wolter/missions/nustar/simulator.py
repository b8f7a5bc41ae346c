"""Simulated NuSTAR observations: screened science events of both modules, with aspect, livetime and attitude files.

Geometry, read off archived events, pixel maps and aspect files: four detectors of 32 x 32 pixels, each pixel 5 x 5
sub-pixels of DET1; DET2 is DET1 shifted by about (134, 110) sub-pixels and moved by the mast; on the sky, DET2X
grows opposite to u and DET2Y along v, where v has the position angle `roll`; the centre of the aperture stop lies at
DET2 (318, 295). PA_PNT of the files is the roll. Other figures, besides those of `nominal`, `psf` and `geometry`:
2.5 ms of dead time per event (Harrison et al. 2013, ApJ 770, 103); background of 4e-3 counts/s/arcmin2 per module in
3-79 keV, flat in energy (of the order of the same reference's); the mast moves by 6 sub-pixels over an orbit, the
pointing wanders by 3 arcsec. The optical axis lies beside a gap: unless a pointing is asked for, the target is put
an arcminute off. Background of the aperture and stray light are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np

from wolter import fits
from wolter.gti import GTI
from wolter.makers.aspect import LiveTime
from wolter.missions.nustar.description import PIXEL_ARCSEC
from wolter.missions.nustar.geometry import DETECTORS, OPTICAL_AXIS, REFERENCE, SHIFT
from wolter.missions.nustar.psf import KING
from wolter.simulate.camera import Camera, Chip, Detected, Pointing, detect, quaternions
from wolter.simulate.layout import Clock, gti_table, responses_of, sky_columns, sky_pixels, source_flux
from wolter.simulate.observation import Scene
from wolter.simulate.simulator import Made, Plan, Simulator, told_of

__all__ = ["simulate"]

CLOCK = Clock(55197, 7.6601852e-4)
START = 390000000.0  # s: spring of 2022
SKY_CENTRE, SKY_SIZE, SKY_DEG = 500.5, 1000, PIXEL_ARCSEC / 3600.0
DEAD_TIME, LIVE = 2.5e-3, 0.995
BACKGROUND = 4e-3
MAST, MAST_PERIOD = 6.0, 5800.0  # sub-pixels, s
APERTURE = (318.0, 295.0)  # DET2
AIM = (14.0, 22.0)  # target less optical axis on DET1, unless a pointing is asked for


def _make(plan: Plan) -> Made:
    """Files of an observation."""
    mission, scene, gti = plan.mission, plan.scene, plan.gti
    streams = plan.streams(len(mission.detectors) + 1)
    axis = plan.wander(streams[0], 1.0, centre=scene.target if scene.pointing is not None else _beside(scene))
    folder, stem, gz = plan.folder, f"nu{scene.obsid}", plan.gz
    clean = folder / "event_cl"
    files: dict[Path, Any] = {folder / "auxil" / f"{stem}_att.fits{gz}": lambda: _attitude_file(scene, axis, gti)}
    told: dict[str, Any] = {}
    for module, rng in zip(mission.detectors, streams[1:], strict=True):
        one = _Module(plan, module, axis, rng, told)
        letter = module[-1]
        files |= {
            clean / f"{stem}{letter}01_cl.evt{gz}": one.event_file,
            clean / f"{stem}{letter}_det1.fits{gz}": one.aspect_file,
            clean / f"{stem}{letter}_oa.fits{gz}": one.axis_file,
            folder / "hk" / f"{stem}{letter}_fpm.hk{gz}": one.livetime_file,
        }
    return Made(files, told)


simulate = Simulator(
    _make,
    start=START,
    jitter=3.0,
    visible=0.55,
    options={"compress": "gzipped files (bool, True)", "bad_pixels": "bad pixels per detector (int, 4)"},
)


def _beside(scene: Scene) -> tuple[float, float]:
    """Optical axis of a usual observation: the target lies on detector 0, clear of the gaps, an arcminute away."""
    u, v = -AIM[0] * PIXEL_ARCSEC / 3600.0, AIM[1] * PIXEL_ARCSEC / 3600.0
    roll = np.radians(scene.roll)
    west, north = u * np.cos(roll) - v * np.sin(roll), u * np.sin(roll) + v * np.cos(roll)
    return scene.ra + float(west / np.cos(np.radians(scene.dec))), scene.dec - float(north)


class _Module:
    """One module: its events are drawn when the event file is made, the other files follow."""

    def __init__(self, plan: Plan, module: str, axis: Pointing, rng: np.random.Generator, told: dict[str, Any]) -> None:
        self.plan, self.mission, self.scene, self.gti = plan, plan.mission, plan.scene, plan.gti
        self.module, self.axis, self.rng, self.told = module, axis, rng, told
        self.optical = OPTICAL_AXIS[module]
        self.phase = rng.random()
        self.bad = [self._bad_pixels() for _ in DETECTORS[module]]
        self._times: Future[np.ndarray] = Future()  # known once the event file is made, first of its files

    def _bad_pixels(self) -> np.ndarray:
        return np.unique(self.rng.integers(0, 32, (self.plan.number("bad_pixels", 4), 2)), axis=0)

    def mast(self, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Motion of DET1 on DET2 (sub-pixels)."""
        angle = 2.0 * np.pi * (time / MAST_PERIOD + self.phase)
        return MAST * np.cos(angle), 0.5 * MAST * np.sin(angle)

    def _camera(self) -> Camera:
        # Angles from DET1 as it lies without mast motion: u = -(DET2X - axis) p, v = (DET2Y - axis) p.
        flip = PIXEL_ARCSEC * np.array([[-1.0, 0.0], [0.0, 1.0]])
        chips = []
        for number, matrix in enumerate(DETECTORS[self.module]):
            det2 = matrix.copy()
            det2[:, 2] += np.array(SHIFT) - np.array(self.optical)
            chips.append(Chip(number, (0, 0), (31, 31), flip @ det2, self.bad[number]))
        scene = self.scene
        vignetting = self.mission.load("vignetting") if self.mission.vignetting else None
        return Camera(
            chips=tuple(chips),
            psf=KING,
            vignetting=None if vignetting is None else lambda theta, azimuth, energy: vignetting(theta, energy),
            background=(BACKGROUND if scene.background_rate is None else scene.background_rate, 0.0),
            band=self.mission.band,
            live_fraction=LIVE if scene.dead_time is None else 1.0,
            dead_time=DEAD_TIME if scene.dead_time is None else scene.dead_time,
        )

    def _detector_pointing(self) -> Pointing:
        """Pointing of the DET1 frame: that of the optics less the motion of the mast."""
        mx, my = self.mast(self.axis.time)
        u, v = mx * PIXEL_ARCSEC / 3600.0, -my * PIXEL_ARCSEC / 3600.0  # the detector's shift seen as one of the sky
        roll = np.radians(self.axis.roll)
        west, north = u * np.cos(roll) - v * np.sin(roll), u * np.sin(roll) + v * np.cos(roll)
        ra = self.axis.ra + west / np.cos(np.radians(self.axis.dec))
        return Pointing(self.axis.time, ra, self.axis.dec - north, self.axis.roll)

    def _draw(self, camera: Camera) -> Detected:
        scene = self.scene
        rmf, arf = responses_of(self.mission, scene, self.module, {"INSTRUME": self.module})
        return detect(
            camera,
            rmf,
            arf,
            source_flux(scene, rmf),
            (scene.ra, scene.dec),
            scene.shape,
            self._detector_pointing(),
            self.gti,
            self.rng,
        )

    def event_file(self) -> Sequence[fits.HDU]:
        """Draw the events and make their file."""
        camera = self._camera()
        try:
            events = self._draw(camera)
        except BaseException as exc:
            self._times.set_exception(exc)
            raise
        self._times.set_result(events.time)
        time, live = self.livetime()
        deadc = LiveTime.from_samples(time, live).mean(self.gti)
        self.told[self.module] = told_of(
            self.plan, camera, events, dict(enumerate(self.bad)), livetime=self.gti.exposure * deadc
        )
        header = fits.Header(
            _common(self.scene, self.gti, self.module)
            | {"HDUCLASS": "OGIP", "HDUCLAS1": "EVENTS", "HDUCLAS2": "ALL", "OBSMODE": "SCIENCE", "DATAMODE": "NONE"}
            | {"DETNAM": "NONE", "RA_NOM": self.scene.target[0], "DEC_NOM": self.scene.target[1], "TIMEPIXR": 0.0}
            | {"ONTIME": self.gti.exposure, "DEADC": deadc, "DEADAPP": False, "DEPTHCUT": "NOMINAL", "NUFLAG": True}
            | {"LIVETIME": self.gti.exposure * deadc, "EXPOSURE": self.gti.exposure * deadc}
        )
        hdus = [
            fits.primary(fits.Header(_common(self.scene, self.gti, self.module))),
            self._event_table(events, header),
        ]
        hdus.append(gti_table(self.gti, header))
        hdus += [_bad_table(bad, number, self.gti, header) for number, bad in enumerate(self.bad)]
        return hdus

    def _event_table(self, events: Detected, header: fits.Header) -> fits.TableHDU:
        x, y = sky_pixels(events.ra, events.dec, self.scene.target, SKY_CENTRE, SKY_DEG)
        det2 = np.array([-events.u, events.v]) / PIXEL_ARCSEC + np.array(self.optical)[:, None]
        det1 = det2 - np.array(SHIFT)[:, None]
        det2 = det2 + np.array(self.mast(events.time))
        small = {"TCUNI": "mm", "TCDLT": 0.12096}
        whole = {
            "DET1X": (det1[0], 360),
            "DET1Y": (det1[1], 360),
            "DET2X": (det2[0], 600),
            "DET2Y": (det2[1], 600),
        }
        columns = {
            "TIME": fits.Column("TIME", "D", unit="s"),
            **{name: fits.Column(name, "B") for name in ("DET_ID", "RAWX", "RAWY")},
            "STATUS": fits.Column("STATUS", "16X"),
            "GRADE": fits.Column("GRADE", "I", keywords={"TLMIN": 0, "TLMAX": 32}),
            "SURRPI": fits.Column("SURRPI", "J"),
            "PI": fits.Column("PI", "J", unit="chan", null=-4095, keywords={"TLMIN": 0, "TLMAX": 4095}),
            **{
                name: fits.Column(
                    name, "I", unit="pixel", null=-4095, keywords={"TLMIN": 1, "TLMAX": top, "TCTYP": name, **small}
                )
                for name, (_, top) in whole.items()
            },
            **sky_columns(("X", "Y"), "I", self.scene.target, SKY_CENTRE, SKY_DEG, SKY_SIZE, -1),
        }
        number = len(events)
        data = {
            "TIME": events.time,
            "DET_ID": events.chip,
            "RAWX": events.x,
            "RAWY": events.y,
            "STATUS": np.zeros((number, 16), dtype=bool),
            "GRADE": np.zeros(number, dtype=np.int64),
            "SURRPI": np.zeros(number, dtype=np.int64),
            "PI": events.channel,
            **{name: np.floor(values + 0.5).astype(np.int64) for name, (values, _) in whole.items()},
            "X": np.floor(x + 0.5).astype(np.int64),
            "Y": np.floor(y + 0.5).astype(np.int64),
        }
        return fits.new_table("EVENTS", data, columns=columns, header=header)

    def livetime(self) -> tuple[np.ndarray, np.ndarray]:
        """Live fraction of every second: the constant part, less the dead time of its events."""
        lo, hi = self.gti.span
        time = np.arange(np.floor(lo) - 2.0, np.ceil(hi) + 3.0)
        constant = LIVE if self.scene.dead_time is None else 1.0
        dead = DEAD_TIME if self.scene.dead_time is None else self.scene.dead_time
        number = np.histogram(self._times.result(), np.append(time, time[-1] + 1.0))[0]
        return time, constant * np.maximum(1.0 - dead * number, 0.0)

    def livetime_file(self) -> Sequence[fits.HDU]:
        """Housekeeping with the live fraction of every second."""
        time, live = self.livetime()
        header = fits.Header(
            _common(self.scene, self.gti, self.module)
            | {"HDUCLASS": "OGIP", "HDUCLAS1": "TEMPORALDATA", "HDUCLAS2": "HKP", "TIMEPIXR": 0.0}
        )
        return [
            fits.primary(fits.Header(_common(self.scene, self.gti, self.module))),
            _table("HK1FPM", {"TIME": (time, "s"), "LIVETIME_RAW": (live, "s"), "LIVETIME": (live, "s")}, header),
        ]

    def _sky_of(self, det2: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Sky pixels of a position on DET2 that may move, at the times of the attitude."""
        from wolter.simulate.camera import sky_of_angles

        u = -(np.asarray(det2[0]) - self.optical[0]) * PIXEL_ARCSEC * np.ones(len(self.axis.time))
        v = (np.asarray(det2[1]) - self.optical[1]) * PIXEL_ARCSEC * np.ones(len(self.axis.time))
        return sky_pixels(*sky_of_angles(self.axis.at(self.axis.time), u, v), self.scene.target, SKY_CENTRE, SKY_DEG)

    def aspect_file(self) -> Sequence[fits.HDU]:
        """Sky position of the reference pixel of DET1 in time."""
        mx, my = self.mast(self.axis.time)
        x, y = self._sky_of((REFERENCE[0] + SHIFT[0] + mx, REFERENCE[1] + SHIFT[1] + my))
        return self._aspect("DET1_REFPOINT", {"X_DET1": x, "Y_DET1": y})

    def axis_file(self) -> Sequence[fits.HDU]:
        """Sky position of the optical axis and of the aperture stop in time."""
        number = len(self.axis.time)
        x, y = self._sky_of((np.array(self.optical[0]), np.array(self.optical[1])))
        ax, ay = self._sky_of((np.array(APERTURE[0]), np.array(APERTURE[1])))
        columns = {"X_OA": x, "Y_OA": y, "DET2X_APSTOP": np.full(number, APERTURE[0])}
        return self._aspect(
            "OPTICAL_AXIS", columns | {"DET2Y_APSTOP": np.full(number, APERTURE[1]), "X_APSTOP": ax, "Y_APSTOP": ay}
        )

    def _aspect(self, name: str, columns: dict[str, np.ndarray]) -> Sequence[fits.HDU]:
        common = _common(self.scene, self.gti, self.module)
        header = fits.Header(
            common
            | {"HDUCLASS": "OGIP", "HDUCLAS1": "TEMPORALDATA", "TIMEPIXR": 0.0}
            | {"RA_NOM": self.scene.target[0], "DEC_NOM": self.scene.target[1]}
        )
        data = {"TIME": (self.axis.time, "s")} | {k: (v, "pixel") for k, v in columns.items()}
        return [fits.primary(fits.Header(common)), _table(name, data, header)]


def _table(name: str, data: dict[str, tuple[np.ndarray, str]], header: fits.Header) -> fits.TableHDU:
    columns = {key: fits.Column(key, "D", unit=unit) for key, (_, unit) in data.items()}
    return fits.new_table(name, {key: values for key, (values, _) in data.items()}, columns=columns, header=header)


def _common(scene: Scene, gti: GTI, module: str | None) -> dict[str, Any]:
    return {
        "TELESCOP": "NuSTAR",
        **({} if module is None else {"INSTRUME": module}),
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


def _bad_table(bad: np.ndarray, number: int, gti: GTI, header: fits.Header) -> fits.TableHDU:
    """Bad pixels of one detector, bad all the time."""
    flags = np.zeros((len(bad), 16), dtype=bool)
    flags[:, 15] = True
    lo, hi = gti.span
    data = {
        "RAWX": bad[:, 0],
        "RAWY": bad[:, 1],
        "TIME": np.full(len(bad), lo - 1000.0),
        "TIME_STOP": np.full(len(bad), hi + 1000.0),
        "BADFLAG": flags,
    }
    formats = {"RAWX": "B", "RAWY": "B", "TIME": "D", "TIME_STOP": "D", "BADFLAG": "16X"}
    columns = {k: fits.Column(k, formats[k], unit="s" if k.startswith("TIME") else "") for k in data}
    keep = {k: header[k] for k in ("TELESCOP", "INSTRUME", "OBS_ID")}
    keys = fits.Header(keep | {"DETNAM": f"DET{number}", "EXTVER": number + 1})
    return fits.new_table("BADPIX", data, columns=columns, header=keys)


def _attitude_file(scene: Scene, axis: Pointing, gti: GTI) -> Sequence[fits.HDU]:
    """Attitude of the optical axis; SOURCE 1 is the star tracker on the optical bench."""
    number = len(axis.time)
    data = {
        "TIME": axis.time,
        "QPARAM": quaternions(axis),
        "POINTING": np.column_stack([axis.ra, axis.dec, axis.roll]),
        "SOURCE": np.ones(number, dtype=np.int64),
    }
    columns = {
        "TIME": fits.Column("TIME", "D", unit="s"),
        "QPARAM": fits.Column("QPARAM", "4D"),
        "POINTING": fits.Column("POINTING", "3D", unit="deg"),
        "SOURCE": fits.Column("SOURCE", "B"),
    }
    common = _common(scene, gti, None)
    table = fits.new_table("ATTITUDE", data, columns=columns, header=fits.Header(common))
    return [fits.primary(fits.Header(common)), table]
