"""Simulated IXPE observations: level-2 event files of three detectors in the archive's layout.

Each detector collects source photons through its effective area (unweighted, every event is recorded), draws a channel
from the redistribution matrix, an emission angle from 1 + mu P cos 2(phi - psi), a sky position from the point-spread
function and a time from the good part of the orbits; instrumental background is spread evenly over the detector,
unpolarised; events within the dead time of the last recorded one are lost.

Published figures used (besides those of `nominal`): plate 600 x 600 pixels of 2.6 arcsec, level-2 file layout of the
archive; focal length of 4.0 m and 27 arcsec half-power diameter (Weisskopf et al. 2022, JATIS 8, 026002); instrumental
background of order 1e-3 counts/s/arcmin2 in 2-8 keV per detector with a spectrum flat to falling in energy (Di Marco et
al. 2023, AJ 165, 143); low equatorial orbit at 600 km. Field, turn of the detectors and vignetting are those of
`exposure` and `vignetting`. The telescope dithers by 1.6 arcmin along a Lissajous figure whose size swings (periods
as in the public simulator ixpeobssim); attitude files tell where it pointed.

Bad pixels: squares of the detector in which no event is recorded, wherever its track began. (One dead pixel of the
readout hides no place, because positions are means over tracks of many pixels: what is lost there are areas.) The
archive keeps bad pixels in the calibration database; here they lie beside the observation, in ``auxil``, in the format
of that database, see `exposure`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wolter import fits
from wolter.errors import SimulationError
from wolter.mission import Mission
from wolter.missions.ixpe import nominal
from wolter.missions.ixpe.exposure import (
    ANGLES,
    ARCSEC_PER_MM,
    EXCLUDED,
    FIRST,
    HALF_MM,
    PIXEL_MM,
    SHAPE,
    plane_pixels,
)
from wolter.missions.ixpe.psf import KING
from wolter.missions.ixpe.vignetting import vignetting
from wolter.simulate.camera import Pointing
from wolter.simulate.layout import Clock, gti_table, sky_columns, sky_pixels
from wolter.simulate.observation import Scene, source_spectrum
from wolter.simulate.photons import (
    draw_angles,
    draw_channels,
    draw_photon_bins,
    live_events,
    times_in_gti,
)
from wolter.simulate.shapes import draw_king_radii
from wolter.simulate.simulator import Made, Plan, Simulator

__all__ = ["simulate"]

PIXEL_DEG = 2.6 / 3600.0
PLATE = 600  # pixels
REFERENCE_PIXEL = 300.5
PSF_CORE_ARCSEC, PSF_SLOPE = KING[:2]
DEAD_TIME = 1.1e-3  # s
BACKGROUND_RATE = 1.0e-3  # counts/s/arcmin2 in 2-8 keV
BACKGROUND_SLOPE = 1.0  # counts per keV proportional to E^-slope
START = 167270400.0  # s: 2022-04-21, the first light of the tutorials' target
CLOCK = Clock(57754, 8.00740740740741e-4)
DITHER_RMS = 48.0  # arcsec on each axis: half the largest offset
DITHER_PERIODS = (907.0, 101.0, 449.0)  # s: size, west, north
ATTITUDE_STEP = 5.0  # s


def _make(plan: Plan) -> Made:
    """Files of an observation."""
    mission, scene, gti, gz = plan.mission, plan.scene, plan.gti, plan.gz
    pointing = _dithering(plan)
    told: dict[str, Any] = {}
    files: dict[Path, Any] = {}
    number = len(mission.detectors)
    streams = plan.streams(2 * number)
    for detector, rng, other in zip(mission.detectors, streams[:number], streams[number:], strict=True):
        stem = f"ixpe{scene.obsid}_det{detector[-1]}"
        bad = _bad_squares(plan, other)

        def event_file(
            detector: str = detector, rng: np.random.Generator = rng, bad: np.ndarray = bad
        ) -> Sequence[fits.HDU]:
            events, livetime = _detector_events(mission, scene, detector, pointing, gti, bad, rng)
            told[detector] = _told(scene, events.pop("_source"), livetime, bad)
            header = _header(scene, detector, gti, livetime)
            primary = fits.primary(_primary_header(scene, detector))
            return [primary, _event_hdu(events, header), gti_table(gti, header)]

        def attitude_file(detector: str = detector) -> Sequence[fits.HDU]:
            return _attitude_hdus(scene, detector, pointing, gti)

        def bad_file(detector: str = detector, bad: np.ndarray = bad) -> Sequence[fits.HDU]:
            return _bad_hdus(scene, detector, bad)

        files[plan.folder / "event_l2" / f"{stem}_evt2_v01.fits{gz}"] = event_file
        files[plan.folder / "hk" / f"{stem}_att_v01.fits{gz}"] = attitude_file
        files[plan.folder / "auxil" / f"{stem}_badpix_v01.fits{gz}"] = bad_file
    return Made(files, told, lambda path: _write_nominal(mission, path))


simulate = Simulator(
    _make,
    start=START,
    jitter=DITHER_RMS,
    options={
        "compress": "gzipped files (bool, True)",
        "bad_pixels": "dead squares per detector (int, 10)",
        "bad_size": "their sides, in pixels of 0.05 mm (int, 3)",
    },
)


def _told(scene: Scene, source: np.ndarray, livetime: float, bad: np.ndarray) -> dict[str, Any]:
    """What the truth file says of a detector; bad pixels as DET_PX, DET_PY."""
    return {
        "events": len(source),
        "source": int(source.sum()),
        "background": int((~source).sum()),
        "livetime": livetime,
        "background_rate": BACKGROUND_RATE if scene.background_rate is None else scene.background_rate,
        "dead_time": DEAD_TIME if scene.dead_time is None else scene.dead_time,
        "bad_pixels": {"1": bad.tolist()},
    }


def _bad_squares(plan: Plan, rng: np.random.Generator) -> np.ndarray:
    """Bad pixels [n, 2] (DET_PX, DET_PY): squares at random places of the part of which events are kept."""
    number, size = plan.number("bad_pixels", 10), plan.number("bad_size", 3)
    if number < 0 or not 0 < size <= min(SHAPE):
        raise SimulationError(
            f"{number} bad squares of {size} pixels are asked for",
            cure=f"Give a number that is not negative, and sides of 1 to {min(SHAPE)} pixels.",
        )
    corner = np.column_stack(
        [rng.integers(f, f + n - size + 1, number) for f, n in zip(FIRST, SHAPE[::-1], strict=True)]
    )
    step = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1).reshape(1, -1, 2)
    return np.unique((corner[:, None] + step).reshape(-1, 2), axis=0)


def _bad_hdus(scene: Scene, detector: str, bad: np.ndarray) -> Sequence[fits.HDU]:
    """Bad pixels in the format of the calibration database."""
    flags = np.zeros((len(bad), 16), dtype=bool)
    flags[:, EXCLUDED - 1] = True  # inside the detector
    columns = {
        "DET_PX": fits.Column("DET_PX", "I", unit="pixel"),
        "DET_PY": fits.Column("DET_PY", "I", unit="pixel"),
        "BADFLAG": fits.Column("BADFLAG", "16X"),
    }
    data = {"DET_PX": bad[:, 0], "DET_PY": bad[:, 1], "BADFLAG": flags}
    header = _primary_header(scene, detector)
    header.update({"CCNM0001": "BADPIX", "CREATOR": "Wolter simulation"})
    table = fits.new_table("BADPIX", data, columns=columns, header=header)
    return [fits.primary(_primary_header(scene, detector)), table]


def _dithering(plan: Plan) -> Pointing:
    """Pointing over the observation: offsets A cos(a) cos(x) west and A sin(a) sin(y) north, with A twice their rms."""
    scene, (lo, hi) = plan.scene, plan.gti.span
    time = np.arange(lo - ATTITUDE_STEP, hi + 2.0 * ATTITUDE_STEP, ATTITUDE_STEP)
    size = 2.0 * plan.jitter / 3600.0
    swing, west, north = (2.0 * np.pi * (time - lo) / period for period in DITHER_PERIODS)
    ra, dec = scene.target
    dx, dy = size * np.cos(swing) * np.cos(west), size * np.sin(swing) * np.sin(north)
    return Pointing(time, ra - dx / np.cos(np.radians(dec)), dec + dy, np.full(len(time), scene.roll))


def _attitude_hdus(scene: Scene, detector: str, pointing: Pointing, gti: Any) -> Sequence[fits.HDU]:
    """Attitude: pointing direction and roll (deg)."""
    header = _primary_header(scene, detector)
    header.update(CLOCK.cards(gti))
    data = {"TIME": pointing.time, "POINTING": np.column_stack([pointing.ra, pointing.dec, pointing.roll])}
    columns = {"TIME": fits.Column("TIME", "D", unit="s"), "POINTING": fits.Column("POINTING", "3D", unit="deg")}
    table = fits.new_table("ATTITUDE", data, columns=columns, header=header)
    return [fits.primary(_primary_header(scene, detector)), table]


def _responses(mission: Mission, scene: Scene, detector: str) -> tuple[Any, Any, Any, bool]:
    """RMF, ARF, MRF of a detector, and whether events get weights."""
    if scene.responses is None:
        response = nominal.nominal_responses(detector, "unweighted")
        return response.rmf, response.arf, response.mrf, True
    from wolter.data import ARF, RMF, find_responses

    found = find_responses(
        scene.responses,
        telescop=mission.telescop[0],
        detnam=detector,
        weighting=mission.weighting(mission.default_weighting or "unweighted").stokeswt,
        weight_boundaries=mission.weight_boundaries,
    )
    if found.rmf is None or found.arf is None or found.mrf is None:
        raise SimulationError(
            f"the folder lacks a redistribution matrix, effective area or modulation response of {detector}",
            file=scene.responses,
        )
    return RMF.read(found.rmf), ARF.read(found.arf), ARF.read(found.mrf), False


def _detector_events(
    mission: Mission,
    scene: Scene,
    detector: str,
    pointing: Pointing,
    gti: Any,
    bad: np.ndarray,
    rng: np.random.Generator,
) -> tuple[dict[str, np.ndarray], float]:
    """Event columns of one detector, in order of time, and its live time (s)."""
    rmf, arf, mrf, weighted = _responses(mission, scene, detector)
    edges = np.append(rmf.energ_lo, rmf.energ_hi[-1])
    source = source_spectrum(scene.model, edges)
    modulation = np.divide(mrf.specresp, arf.specresp, out=np.zeros_like(mrf.specresp), where=arf.specresp > 0)
    bins = draw_photon_bins(source.flux, arf.specresp, gti.exposure, rng)
    channel, kept = draw_channels(rmf, bins, rng)
    bins = bins[kept]
    number = len(bins)
    weight = rng.beta(nominal.WEIGHT_SHAPE, nominal.WEIGHT_SHAPE, number) if weighted else np.ones(number)
    relative = 2.0 * weight if weighted else weight  # over its mean
    amplitude = np.minimum(modulation[bins] * source.degree[bins] * relative, 1.0)
    phi = draw_angles(amplitude, source.angle[bins], rng)
    pixel_arcsec = PIXEL_DEG * 3600.0
    radius = draw_king_radii(number, PSF_CORE_ARCSEC / pixel_arcsec, PSF_SLOPE, rng)
    theta = rng.uniform(0.0, 2.0 * np.pi, number)
    dx, dy = radius * np.cos(theta), radius * np.sin(theta)
    x0, y0 = _source_pixel(scene)
    if scene.shape.kind != "point":
        sx, sy = scene.shape.draw(number, rng)
        dx, dy = dx + sx / pixel_arcsec, dy + sy / pixel_arcsec
    background = _background(scene, detector, gti.exposure, weighted, rng)
    columns = {
        "PI": np.concatenate([channel, background["PI"]]),
        "W_MOM": np.concatenate([weight, background["W_MOM"]]),
        "X": np.concatenate([x0 + dx, background["X"]]),
        "Y": np.concatenate([y0 + dy, background["Y"]]),
        "phi": np.concatenate([phi, background["phi"]]),
        "_source": np.concatenate([np.ones(number, bool), np.zeros(len(background["PI"]), bool)]),
        "_bin": np.concatenate([bins, np.zeros(len(background["PI"]), dtype=bins.dtype)]),
    }
    order = rng.permutation(len(columns["PI"]))
    columns = {name: values[order] for name, values in columns.items()}
    time = times_in_gti(gti, len(order), rng)
    inside = _seen(scene, detector, rmf, columns, pointing, time, bad, rng)
    dead_time = DEAD_TIME if scene.dead_time is None else scene.dead_time
    # what falls beside the detector or on bad pixels is not seen and causes no dead time
    recorded = np.flatnonzero(inside)[live_events(time[inside], dead_time)]
    out = {name: values[recorded] for name, values in columns.items()}
    out["TIME"] = time[recorded]
    phi = out.pop("phi")
    out["Q"], out["U"] = 2.0 * np.cos(2.0 * phi), 2.0 * np.sin(2.0 * phi)
    return out, gti.exposure - dead_time * len(recorded)


def _seen(
    scene: Scene,
    detector: str,
    rmf: Any,
    columns: dict[str, np.ndarray],
    pointing: Pointing,
    time: np.ndarray,
    bad: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Events that vignetting leaves and that fall on good pixels; background events get their place on the sky."""
    source = columns["_source"]
    ra, dec = (np.interp(time, pointing.time, c) for c in (pointing.ra, pointing.dec))
    west, north = (v - REFERENCE_PIXEL for v in sky_pixels(ra, dec, scene.target, REFERENCE_PIXEL, PIXEL_DEG))
    x, y = columns["X"] - west * source, columns["Y"] - north * source  # as if the pointing stood still
    columns["X"], columns["Y"] = x + west, y + north
    inside = _on_detector(scene, detector, x, y, bad)
    inside[source] &= _passed(rmf, columns.pop("_bin")[source], x[source], y[source], rng)
    return inside


def _source_pixel(scene: Scene) -> tuple[float, float]:
    """Sky pixel of the source's position."""
    if scene.pointing is None:
        return REFERENCE_PIXEL, REFERENCE_PIXEL
    x, y = sky_pixels(np.array([scene.ra]), np.array([scene.dec]), scene.target, REFERENCE_PIXEL, PIXEL_DEG)
    return float(x[0]), float(y[0])


def _passed(rmf: Any, bins: np.ndarray, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Photons that vignetting leaves, by the place where they are detected."""
    theta = np.hypot(x - REFERENCE_PIXEL, y - REFERENCE_PIXEL) * PIXEL_DEG * 60.0
    energy = 0.5 * (np.asarray(rmf.energ_lo) + np.asarray(rmf.energ_hi))[bins]
    factor = np.empty(len(theta))
    for part in np.array_split(np.argsort(energy), 16):
        if len(part):
            factor[part] = vignetting(theta[part], float(energy[part].mean()))
    return rng.random(len(theta)) < factor


def _on_detector(scene: Scene, detector: str, x: np.ndarray, y: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """Whether sky pixels fall on good pixels of the part of the detector of which events are kept."""
    angle = np.radians(ANGLES[detector] + scene.roll)
    west, north = ((v - REFERENCE_PIXEL) * PIXEL_DEG * 3600.0 / ARCSEC_PER_MM for v in (x, y))
    across, along = west * np.cos(angle) + north * np.sin(angle), north * np.cos(angle) - west * np.sin(angle)
    inside = (np.abs(across) < HALF_MM[0]) & (np.abs(along) < HALF_MM[1])
    good = np.ones(SHAPE, dtype=bool)
    good.ravel()[plane_pixels(bad[:, 0], bad[:, 1])] = False
    column, row = (
        np.clip(((v + h) / PIXEL_MM).astype(int), 0, n - 1)
        for v, h, n in zip((across, along), HALF_MM, SHAPE[::-1], strict=True)
    )
    return inside & good[row, column]


def _background(
    scene: Scene, detector: str, exposure: float, weighted: bool, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Instrumental background events of one detector: flat on the sky, unpolarised, a falling power law in energy."""
    rate = BACKGROUND_RATE if scene.background_rate is None else scene.background_rate
    if rate < 0:
        raise SimulationError(f"the background rate is {rate} counts/s/arcmin2", cure="Give a positive rate, or 0.")
    edges = nominal.CHANNEL_EDGES[25:]  # from 1 keV up
    shape = edges[:-1] ** -BACKGROUND_SLOPE
    band = (edges[:-1] >= 2.0 - 1e-9) & (edges[1:] <= 8.0 + 1e-9)
    half_x, half_y = (h * ARCSEC_PER_MM for h in HALF_MM)
    mean = rate * 4.0 * half_x * half_y / 3600.0 * exposure * shape / shape[band].sum()
    channel = np.repeat(np.arange(25, len(nominal.CHANNEL_EDGES) - 1), rng.poisson(mean))
    number = len(channel)
    shape_w = nominal.WEIGHT_SHAPE
    angle = np.radians(ANGLES[detector] + scene.roll)
    across, along = rng.uniform(-half_x, half_x, number), rng.uniform(-half_y, half_y, number)
    west, north = across * np.cos(angle) - along * np.sin(angle), across * np.sin(angle) + along * np.cos(angle)
    return {
        "PI": channel,
        "W_MOM": rng.beta(shape_w, shape_w, number) if weighted else np.ones(number),
        "X": REFERENCE_PIXEL + west / PIXEL_DEG / 3600.0,
        "Y": REFERENCE_PIXEL + north / PIXEL_DEG / 3600.0,
        "phi": rng.uniform(-np.pi, np.pi, number),
    }


def _primary_header(scene: Scene, detector: str) -> fits.Header:
    return fits.Header(
        {
            "TELESCOP": "IXPE",
            "INSTRUME": "GPD",
            "DETNAM": detector,
            "OBS_ID": scene.obsid,
            "OBJECT": scene.object_name,
            "ORIGIN": "Wolter simulation",
        }
    )


def _header(scene: Scene, detector: str, gti: Any, livetime: float) -> fits.Header:
    """Keywords of the event extension, as in the archive's level-2 files."""
    ontime = gti.exposure
    header = fits.Header()
    for key, value, comment in (
        ("TELESCOP", "IXPE", "Telescope name"),
        ("INSTRUME", "GPD", "Instrument name"),
        ("DETNAM", detector, "Logical detector unit"),
        ("FILTER", "OPEN", "Filter in use"),
        ("OBS_ID", scene.obsid, "Observation identifier"),
        ("OBJECT", scene.object_name, "Target"),
        ("FILE_LVL", "2", "Processing level"),
        ("HDUCLASS", "OGIP", ""),
        ("HDUCLAS1", "EVENTS", ""),
        ("HDUCLAS2", "ACCEPTED", ""),
        ("RA_OBJ", scene.ra, "[deg] Right ascension of the target"),
        ("DEC_OBJ", scene.dec, "[deg] Declination of the target"),
        ("RA_PNT", scene.target[0], "[deg] Right ascension of the pointing"),
        ("DEC_PNT", scene.target[1], "[deg] Declination of the pointing"),
        ("PA_PNT", scene.roll, "[deg] Roll"),
        ("RADESYS", "FK5", "Celestial reference"),
        ("EQUINOX", 2000.0, "Equinox"),
        ("ONTIME", ontime, "[s] Good time"),
        ("LIVETIME", livetime, "[s] Good time less dead time"),
        ("EXPOSURE", livetime, "[s] Good time less dead time"),
        ("DEADC", livetime / ontime, "Dead-time correction"),
        ("DEADAPP", True, "Dead-time correction is in EXPOSURE"),
        ("POLCCONV", "IAU", "Convention of polarisation angles"),
        ("CREATOR", "Wolter", "SIMULATED data"),
    ):
        header.set(key, value, comment)
    header.update(CLOCK.cards(gti))
    return header


def _event_hdu(events: dict[str, np.ndarray], header: fits.Header) -> fits.TableHDU:
    number = len(events["TIME"])
    centre = (header["RA_PNT"], header["DEC_PNT"])
    columns = {
        "TRG_ID": fits.Column("TRG_ID", "J"),
        "TIME": fits.Column("TIME", "D", unit="s"),
        "STATUS": fits.Column("STATUS", "16X"),
        "STATUS2": fits.Column("STATUS2", "16X"),
        "PI": fits.Column("PI", "J", unit="chan", keywords={"TLMIN": 0, "TLMAX": 374}),
        "W_MOM": fits.Column("W_MOM", "E"),
        **sky_columns(("X", "Y"), "E", centre, REFERENCE_PIXEL, PIXEL_DEG, PLATE, None),
        "Q": fits.Column("Q", "D"),
        "U": fits.Column("U", "D"),
    }
    data = {name: events[name] for name in ("TIME", "PI", "W_MOM", "X", "Y", "Q", "U")}
    data["TRG_ID"] = np.arange(1, number + 1)
    data["STATUS"] = data["STATUS2"] = np.zeros((number, 16), dtype=bool)
    return fits.new_table("EVENTS", {name: data[name] for name in columns}, columns=columns, header=header)


def _write_nominal(mission: Mission, folder: Path) -> None:
    """Write the nominal responses of all detectors and weightings, unless they are there."""
    for detector in mission.detectors:
        for weighting in mission.weightings.values():
            response = nominal.nominal_responses(detector, weighting.name)
            stem = f"ixpe_d{detector[-1]}_nominal_{weighting.boundary.lower()}"
            for part, ending in ((response.rmf, "rmf"), (response.arf, "arf"), (response.mrf, "mrf")):
                path = folder / f"{stem}.{ending}"
                if not path.exists():
                    part.write(path)
