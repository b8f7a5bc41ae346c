"""Simulated IXPE observations: level-2 event files of three detectors in the archive's layout.

Each detector collects source photons through its effective area (unweighted, every event is recorded), draws a channel
from the redistribution matrix, an emission angle from 1 + mu P cos 2(phi - psi), a sky position from the point-spread
function and a time from the good part of the orbits; instrumental background is spread evenly over the detector,
unpolarised; events within the dead time of the last recorded one are lost.

Published figures used (besides those of `nominal`): plate 600 x 600 pixels of 2.6 arcsec, level-2 file layout of the
archive; focal length of 4.0 m and 27 arcsec half-power diameter (Weisskopf et al. 2022, JATIS 8, 026002); instrumental
background of order 1e-3 counts/s/arcmin2 in 2-8 keV per detector with a spectrum flat to falling in energy (Di Marco et
al. 2023, AJ 165, 143); low equatorial orbit at 600 km. Field, turn of the detectors and vignetting are those of
`exposure` and `vignetting`. The pointing does not move.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from wolter import fits
from wolter.errors import OutputError, SimulationError
from wolter.mission import Mission
from wolter.missions.ixpe import nominal
from wolter.missions.ixpe.exposure import ANGLES, ARCSEC_PER_MM, HALF_MM
from wolter.missions.ixpe.psf import KING
from wolter.missions.ixpe.vignetting import vignetting
from wolter.simulate.observation import Scene, source_spectrum
from wolter.simulate.photons import (
    draw_angles,
    draw_channels,
    draw_king_offsets,
    draw_photon_bins,
    live_events,
    orbit_gti,
    times_in_gti,
)

__all__ = ["simulate"]

PIXEL_DEG = 2.6 / 3600.0
PLATE = 600  # pixels
REFERENCE_PIXEL = 300.5
PSF_CORE_ARCSEC, PSF_SLOPE = KING[:2]
DEAD_TIME = 1.1e-3  # s
BACKGROUND_RATE = 1.0e-3  # counts/s/arcmin2 in 2-8 keV
BACKGROUND_SLOPE = 1.0  # counts per keV proportional to E^-slope
START = 167270400.0  # s: 2022-04-21, the first light of the tutorials' target
MJDREFI, MJDREFF = 57754, 8.00740740740741e-4


def simulate(mission: Mission, scene: Scene, output: Path, *, overwrite: bool = False) -> Path:
    """Simulate what `scene` describes and write the observation's folder.

    Parameters
    ----------
    mission : Mission
        IXPE.
    scene : Scene
        Source, position, times. ``options`` understood: ``compress`` (bool, default True: gzipped event files).
    output : Path
        Folder in which the observation's folder is made.
    overwrite : bool
        Whether existing files may be replaced.

    Returns
    -------
    Path
        ``output / obsid``.
    """
    if scene.jitter:
        raise SimulationError(f"{mission.title}'s simulator holds the pointing still", cure="Leave out jitter.")
    unknown = set(scene.options) - {"compress"}
    if unknown:
        raise SimulationError(
            f"{mission.title}'s simulator has no option {', '.join(sorted(unknown))}", cure="It understands compress."
        )
    suffix = ".fits.gz" if scene.options.get("compress", True) else ".fits"
    folder = output / scene.obsid
    targets = {d: folder / "event_l2" / f"ixpe{scene.obsid}_det{d[-1]}_evt2_v01{suffix}" for d in mission.detectors}
    truth_path = output / f"{scene.obsid}_truth.json"
    _make_folders(folder / "event_l2")
    if not overwrite:
        for path in [*targets.values(), truth_path]:
            if path.exists():
                raise OutputError("the file exists already", file=path, cure="Remove it, or overwrite it on request.")
    gti = orbit_gti(
        START if scene.start is None else scene.start,
        scene.exposure,
        period=scene.orbit_period,
        visible=scene.visible_fraction,
    )
    counts: dict[str, Any] = {}
    streams = np.random.default_rng(scene.seed).spawn(len(mission.detectors))
    for detector, rng in zip(mission.detectors, streams, strict=True):
        events, livetime = _detector_events(mission, scene, detector, gti, rng)
        header = _header(scene, detector, gti, livetime)
        hdus = [fits.primary(_primary_header(scene, detector)), _event_hdu(events, header), _gti_hdu(gti, header)]
        provenance = fits.Provenance("simulate", {"seed": scene.seed, "model": scene.model.expression}, [])
        fits.write(targets[detector], hdus, overwrite=overwrite, provenance=provenance)
        counts[detector] = {"events": len(events["TIME"]), "source": int(events["_source"].sum()), "livetime": livetime}
    if scene.responses is None:
        _write_nominal(mission, output / "responses")
    with fits.atomic_path(truth_path, overwrite=True) as temporary:
        temporary.write_text(json.dumps(_truth(mission, scene, counts), indent=1) + "\n")
    return folder


def _make_folders(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise OutputError(f"the folder cannot be made: {exc.strerror}", file=folder) from exc


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
    mission: Mission, scene: Scene, detector: str, gti: Any, rng: np.random.Generator
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
    dx, dy = draw_king_offsets(number, PSF_CORE_ARCSEC / pixel_arcsec, PSF_SLOPE, rng)
    x0, y0 = _source_pixel(scene)
    if scene.shape.kind != "point":
        sx, sy = scene.shape.draw(number, rng)
        dx, dy = dx + sx / pixel_arcsec, dy + sy / pixel_arcsec
    seen = _passed(rmf, bins, x0 + dx, y0 + dy, rng)
    background = _background(scene, detector, gti.exposure, weighted, rng)
    columns = {
        "PI": np.concatenate([channel, background["PI"]]),
        "W_MOM": np.concatenate([weight, background["W_MOM"]]),
        "X": np.concatenate([x0 + dx, background["X"]]),
        "Y": np.concatenate([y0 + dy, background["Y"]]),
        "phi": np.concatenate([phi, background["phi"]]),
        "_source": np.concatenate([np.ones(number, bool), np.zeros(len(background["PI"]), bool)]),
    }
    inside = _on_detector(scene, detector, columns["X"], columns["Y"])
    inside[:number] &= seen
    order = rng.permutation(len(columns["PI"]))
    order = order[inside[order]]  # what falls beside the detector is not seen and causes no dead time
    time = times_in_gti(gti, len(order), rng)
    dead_time = DEAD_TIME if scene.dead_time is None else scene.dead_time
    recorded = live_events(time, dead_time)
    out = {name: values[order][recorded] for name, values in columns.items()}
    out["TIME"] = time[recorded]
    phi = out.pop("phi")
    out["Q"], out["U"] = 2.0 * np.cos(2.0 * phi), 2.0 * np.sin(2.0 * phi)
    return out, gti.exposure - dead_time * float(recorded.sum())


def _source_pixel(scene: Scene) -> tuple[float, float]:
    """Sky pixel of the source's position."""
    from wolter.simulate.layout import sky_pixels

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


def _on_detector(scene: Scene, detector: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether sky pixels fall on the part of the detector of which events are kept."""
    angle = np.radians(ANGLES[detector] + scene.roll)
    west, north = ((v - REFERENCE_PIXEL) * PIXEL_DEG * 3600.0 / ARCSEC_PER_MM for v in (x, y))
    across, along = west * np.cos(angle) + north * np.sin(angle), north * np.cos(angle) - west * np.sin(angle)
    return (np.abs(across) < HALF_MM[0]) & (np.abs(along) < HALF_MM[1])


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


def _date(met: float) -> str:
    """ISO date of a mission time; leap seconds since the mission's reference are none."""
    days = MJDREFI + MJDREFF + met / 86400.0 - 69.184 / 86400.0  # terrestrial time to UTC
    stamp = np.datetime64("1858-11-17T00:00:00", "ms") + np.timedelta64(round(days * 86400e3), "ms")
    return str(stamp)


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
        ("DATE-OBS", _date(float(gti.start[0])), "Start (UTC)"),
        ("DATE-END", _date(float(gti.stop[-1])), "End (UTC)"),
        ("TSTART", float(gti.start[0]), "[s] Start"),
        ("TSTOP", float(gti.stop[-1]), "[s] End"),
        ("TELAPSE", float(gti.stop[-1] - gti.start[0]), "[s] TSTOP - TSTART"),
        ("TIMESYS", "TT", "Time system"),
        ("TIMEUNIT", "s", "Unit of times"),
        ("TIMEREF", "LOCAL", "Times are those at the satellite"),
        ("TIMEZERO", 0.0, "[s] Added to times"),
        ("MJDREFI", MJDREFI, "[d] Reference date, integral part"),
        ("MJDREFF", MJDREFF, "[d] Reference date, fractional part"),
        ("ONTIME", ontime, "[s] Good time"),
        ("LIVETIME", livetime, "[s] Good time less dead time"),
        ("EXPOSURE", livetime, "[s] Good time less dead time"),
        ("DEADC", livetime / ontime, "Dead-time correction"),
        ("DEADAPP", True, "Dead-time correction is in EXPOSURE"),
        ("POLCCONV", "IAU", "Convention of polarisation angles"),
        ("CREATOR", "Wolter", "SIMULATED data"),
    ):
        header.set(key, value, comment)
    return header


def _event_hdu(events: dict[str, np.ndarray], header: fits.Header) -> fits.TableHDU:
    number = len(events["TIME"])
    sky = {"TCRPX": REFERENCE_PIXEL, "TCUNI": "deg", "TLMIN": 1, "TLMAX": PLATE}
    ra, dec = header["RA_PNT"], header["DEC_PNT"]
    columns = {
        "TRG_ID": fits.Column("TRG_ID", "J"),
        "TIME": fits.Column("TIME", "D", unit="s"),
        "STATUS": fits.Column("STATUS", "16X"),
        "STATUS2": fits.Column("STATUS2", "16X"),
        "PI": fits.Column("PI", "J", unit="chan", keywords={"TLMIN": 0, "TLMAX": 374}),
        "W_MOM": fits.Column("W_MOM", "E"),
        "X": fits.Column(
            "X", "E", unit="pixel", keywords={"TCTYP": "RA---TAN", "TCRVL": ra, "TCDLT": -PIXEL_DEG, **sky}
        ),
        "Y": fits.Column(
            "Y", "E", unit="pixel", keywords={"TCTYP": "DEC--TAN", "TCRVL": dec, "TCDLT": PIXEL_DEG, **sky}
        ),
        "Q": fits.Column("Q", "D"),
        "U": fits.Column("U", "D"),
    }
    data = {name: events[name] for name in ("TIME", "PI", "W_MOM", "X", "Y", "Q", "U")}
    data["TRG_ID"] = np.arange(1, number + 1)
    data["STATUS"] = data["STATUS2"] = np.zeros((number, 16), dtype=bool)
    return fits.new_table("EVENTS", {name: data[name] for name in columns}, columns=columns, header=header)


def _gti_hdu(gti: Any, header: fits.Header) -> fits.TableHDU:
    hdu = gti.to_hdu()
    for key in ("TELESCOP", "INSTRUME", "DETNAM", "OBS_ID", "OBJECT", "MJDREFI", "MJDREFF", "TIMESYS", "TIMEZERO"):
        hdu.header[key] = header[key]
    return hdu


def _write_nominal(mission: Mission, folder: Path) -> None:
    """Write the nominal responses of all detectors and weightings, unless they are there."""
    _make_folders(folder)
    for detector in mission.detectors:
        for weighting in mission.weightings.values():
            response = nominal.nominal_responses(detector, weighting.name)
            stem = f"ixpe_d{detector[-1]}_nominal_{weighting.boundary.lower()}"
            for part, ending in ((response.rmf, "rmf"), (response.arf, "arf"), (response.mrf, "mrf")):
                path = folder / f"{stem}.{ending}"
                if not path.exists():
                    part.write(path)


def _truth(mission: Mission, scene: Scene, counts: dict[str, Any]) -> dict[str, Any]:
    return {
        "mission": mission.name,
        "obsid": scene.obsid,
        "model": scene.model.expression,
        "parameters": {f"{p.component}.{p.name}": p.value for p in scene.model.parameters},
        "ra": scene.ra,
        "dec": scene.dec,
        "shape": scene.shape.to_dict(),
        "pointing": list(scene.target),
        "roll": scene.roll,
        "exposure": scene.exposure,
        "seed": scene.seed,
        "responses": "nominal" if scene.responses is None else str(scene.responses),
        "detectors": counts,
    }
