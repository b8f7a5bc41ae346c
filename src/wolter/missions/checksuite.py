"""The check-suite every mission must pass, as scikit-learn checks its estimators.

``check_mission(mission, folder)`` simulates an observation with known truth, finds it as an `Observation`, extracts
its products, fits them and compares every step with what went in. A plug-in's own tests need only this one call.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from wolter.errors import MissionError, SimulationError, WolterWarning
from wolter.mission import Mission, get_mission, mission_of, missions

__all__ = ["CHECKS", "check_mission"]

_POSITION = "12:30:00.0 +12:24:00"
_MODEL = "tbabs*powerlaw"
_TRUTH = {"TBabs.nH": 0.5, "powerlaw.PhoIndex": 2.0, "powerlaw.norm": 0.5}
_POLARISED = {"polconst.A": 0.25, "polconst.psi": 30.0}
_SIGMAS = 4.0
_COUNTS = 6e4  # of the source per detector; polarimetry takes the norm above, it needs many more
_LOSSES = 0.8  # what gaps, bad pixels and vignetting leave at least of the flux at the aim point
_SPAN = 20e3  # s of good time
_TOLD = {"ra", "dec", "shape", "pointing", "roll", "exposure", "jitter", "gti", "seed"}
_TOLD_OF_DETECTORS = {"events", "source", "background", "livetime", "background_rate", "dead_time", "bad_pixels"}


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise MissionError(f"mission check failed: {message}")


class _Bench:
    """One simulated observation and what has been made of it so far."""

    def __init__(self, mission: Mission, folder: Path, seed: int) -> None:
        self.mission, self.folder, self.seed = mission, folder, seed
        self.polarised = bool(mission.weightings)
        self.expression = f"polconst*{_MODEL}" if self.polarised else _MODEL
        self.detectors = mission.simulated or mission.detectors
        self.made: dict[str, Any] = {}

    @cached_property
    def truth(self) -> dict[str, float]:
        """Parameters put in."""
        return _TRUTH | (_POLARISED if self.polarised else {"powerlaw.norm": self._norm()})

    def _norm(self) -> float:
        """Normalisation that gives the first detector a good number of counts."""
        from wolter.models import Model

        pair = self.mission.load("nominal_responses")((self.mission.simulated or self.mission.detectors)[0])
        edges = np.append(pair.rmf.energ_lo, pair.rmf.energ_hi[-1])
        model = Model(_MODEL)
        for name, value in _TRUTH.items():
            model[name].value = value
        rate = float(np.sum(np.asarray(model.evaluate(edges)).reshape(-1) * pair.arf.specresp))
        return float(f"{_COUNTS / _SPAN / rate:.2g}")

    def model(self) -> Any:
        from wolter.models import Model

        model = Model(self.expression)
        for name, value in self.truth.items():
            model[name].value = value
        return model


def check_description(bench: _Bench) -> None:
    """The description is complete and consistent with itself and the registry."""
    mission = bench.mission
    _require(missions().get(mission.name) is mission, f"{mission.name} is not registered under its name")
    _require(bool(mission.telescop) and bool(mission.detectors), "TELESCOP values and detectors are named")
    for value in mission.telescop:
        _require(get_mission(value) is mission, f"TELESCOP {value} leads to the mission")
        _require(mission_of({"TELESCOP": value}) is mission, f"a header of {value} leads to the mission")
    if mission.energy is not None:
        edges = mission.energy.edges()
        _require(len(edges) == mission.energy.last - mission.energy.first + 2, "one more edge than channels")
        _require(bool(np.all(np.diff(edges) > 0)), "channel energies ascend")
        first, last = mission.energy.channels(*mission.band)
        inside = mission.energy.lower_edge(first) >= mission.band[0] - 1e-9
        _require(bool(inside) and first < last, "the band holds channels")
    if mission.weightings:
        columns = mission.columns
        _require(None not in (columns.q, columns.u), "a mission with weightings names its Stokes columns")
        _require(mission.default_weighting in mission.weightings, "the default weighting is one of those it has")


def check_simulate(bench: _Bench) -> None:
    """The simulator writes an observation and its truth; the same seed gives the same events."""
    from astropy import units as u

    from wolter.simulate import simulate_observation

    def run(where: str, **options: Any) -> Path:
        return simulate_observation(
            bench.model(),
            mission=bench.mission.name,
            position=_POSITION,
            exposure=_SPAN * u.s,
            output=bench.folder / where,
            obsid="00000001",
            seed=bench.seed,
            **options,
        )

    bench.made["path"] = run("first")
    try:
        bench.made["again"] = run("second", compress=False)  # most of the time of a simulation is spent in compression
    except SimulationError:
        bench.made["again"] = run("second")
    truth = json.loads((bench.folder / "first" / "00000001_truth.json").read_text())
    _require(truth["parameters"].items() >= bench.truth.items(), "the truth file says what was put in")
    _require(truth.keys() >= _TOLD, f"the truth file lacks {', '.join(sorted(_TOLD - truth.keys()))}")
    for name, told in truth["detectors"].items():
        lacking = _TOLD_OF_DETECTORS - told.keys()
        _require(not lacking, f"{name}: the truth file lacks {', '.join(sorted(lacking))}")
    bench.made["truth"] = truth


def check_observation(bench: _Bench) -> None:
    """The observation is recognised and its event lists agree with the truth file and with themselves."""
    from wolter.observation import Observation

    observation = bench.made["observation"] = Observation(bench.made["path"])
    again = Observation(bench.made["again"])
    _require(observation.mission is bench.mission, "the files lead to the mission")
    _require(observation.obsid == "00000001", "OBS_ID is found")
    _require(tuple(observation.events) == bench.detectors, "every detector has an event list")
    for name, events in observation.events.items():
        told = bench.made["truth"]["detectors"][name]
        _require(events.count() == told["events"], f"{name}: the file holds the events simulated")
        _require(abs(events.exposure - told["livetime"]) < 1e-6 * told["livetime"], f"{name}: exposure is live time")
        column = bench.mission.columns
        time = events.column(column.time)
        _require(bool(np.all(np.diff(time) >= 0)), f"{name}: times ascend")
        _require(bool(events.gti.contains(time).all()), f"{name}: all events lie in good time")
        _require(abs(events.gti.exposure - _SPAN) < 1e-3, f"{name}: good time is what was asked for")
        _require(events.detector == name, f"{name}: the headers lead to the detector")
        _check_times(name, events, told)
        _require(0 < events.deadc <= 1, f"{name}: DEADC is a fraction")
        energy = events.column(column.energy)
        scale = bench.mission.energy
        if scale is not None:
            _require(bool((energy >= scale.first).all() and (energy <= scale.last).all()), f"{name}: channels in range")
        if bench.mission.selection:
            kept = events.screened().count()
            _require(kept == told["events"], f"{name}: the default screening keeps screened events")
        _check_frames(name, events)
        same = again.events[name].column(column.time)
        _require(np.array_equal(time, same), f"{name}: the same seed gives the same events")


def _check_times(name: str, events: Any, told: dict[str, Any]) -> None:
    """Exposure keywords agree with each other and with the good time, of every CCD where these have their own."""
    header = events.header
    ontime, livetime = (float(header.get(key, 0.0)) for key in ("ONTIME", "LIVETIME"))
    _require(0 < ontime <= _SPAN * (1 + 1e-9), f"{name}: ONTIME is not longer than the good time")
    _require(abs(livetime - ontime * events.deadc) < 1e-6 * _SPAN, f"{name}: LIVETIME is ONTIME times DEADC")
    for ccd, good in events.gti_by_ccd.items():
        _require((good - events.gti).exposure < 1e-6, f"{name}: good time of CCD {ccd} lies in the camera's")
        live = told["livetimes"][str(ccd)]
        _require(abs(events.ccd_exposure(ccd) - live) < 1e-6 * live, f"{name}: exposure of CCD {ccd}")


def _check_frames(name: str, events: Any) -> None:
    """Positions lie inside every coordinate frame, and the screening of the mission keeps every screened event."""
    for frame in events.mission.frames.values():
        if frame.x not in events.columns:
            continue
        for column, axis in ((frame.x, 0), (frame.y, 1)):
            values = events.column(column)
            lo = -np.inf if frame.first is None else frame.first[axis]
            hi = np.inf if frame.last is None else frame.last[axis]
            inside = bool((values >= lo).all() and (values <= hi).all())
            _require(inside, f"{name}: {column} lies inside the frame {frame.name}")
            keywords = events.columns[column].keywords
            if "TLMIN" in keywords:
                bounded = bool((values >= keywords["TLMIN"]).all() and (values <= keywords["TLMAX"]).all())
                _require(bounded, f"{name}: {column} lies between TLMIN and TLMAX")
    sky = events.mission.frames.get("sky")
    if sky is not None and sky.pixel_arcsec is not None:
        scale = events.wcs.pixel_scale_deg * 3600.0
        _require(abs(scale / sky.pixel_arcsec - 1) < 1e-4, f"{name}: sky pixels have the size the mission says")


def _regions() -> tuple[Any, Any]:
    from astropy import units as u

    from wolter.sky import annulus, circle

    return circle(_POSITION, 60 * u.arcsec), annulus(_POSITION, 132 * u.arcsec, 252 * u.arcsec)


def check_extract(bench: _Bench) -> None:
    """Counts are conserved: a spectrum over the whole field holds every event, regions hold what a direct cut gives."""
    from wolter.makers import extract_spectrum, sky_image

    source, _ = _regions()
    for name, events in bench.made["observation"].events.items():
        everything = extract_spectrum(events)
        _require(everything.counts.sum() == events.count(), f"{name}: the spectrum holds every event")
        bins = 1 if bench.mission.image_plane is None else bench.mission.image_plane[2]
        whole = float(sky_image(events, binning=bins).data.sum())
        _require(whole == events.count(), f"{name}: the image holds every event")
        inside = extract_spectrum(events.select(region=source))
        x, y = (events.column(c) for c in (bench.mission.columns.x, bench.mission.columns.y))
        px, py = events.wcs.sky_to_pixel(187.5, 12.4)
        radius = 60.0 / 3600.0 / events.wcs.pixel_scale_deg
        direct = int((np.hypot(x - px, y - py) <= radius).sum())
        _require(abs(inside.counts.sum() - direct) <= 2, f"{name}: the region holds what a direct cut gives")
        _require(inside.gti is not None, f"{name}: the spectrum carries its good time")


def check_products(bench: _Bench) -> None:
    """Spectra written and read again are the same, and find their responses and backgrounds by their headers."""
    from wolter.data import SpectrumSet

    source, background = _regions()
    output = bench.folder / "products"
    output.mkdir()
    for weighting in bench.mission.weightings or (None,):
        folder = output / str(weighting)
        folder.mkdir()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", WolterWarning)  # the source is bright, but piles nothing up
            made = bench.made["observation"].spectra(
                source, background, stokes=weighting, responses=bench.folder / "first" / "responses", output=folder
            )
        read = SpectrumSet.read([s.path for s in made], groups=made.groups)
        for one, other in zip(made, read, strict=True):
            _require(bool(np.allclose(one.rate, other.rate, rtol=1e-6)), f"{one.path}: rates survive the file")
            _require(other.rmf is not None and other.arf is not None, f"{one.path}: responses are found again")
            _require(other.background is not None, f"{one.path}: the background is found again")
        bench.made[f"spectra {weighting}"] = read


def check_fit(bench: _Bench) -> None:
    """A fit finds the truth within its own errors, for every weighting."""
    from astropy import units as u

    from wolter.fit import Fit

    lo, hi = (e * u.keV for e in bench.mission.band)
    for weighting in bench.mission.weightings or (None,):
        spectra = bench.made[f"spectra {weighting}"]
        if bench.polarised:
            # grouped until chi-squared holds: errors estimated from few counts pull a fit low
            fit = Fit(spectra.group(channels=5).select(lo, hi), bench.expression)
        else:
            fit = Fit(spectra.group(channels=20).select(lo, hi), bench.expression, statistic="cstat")
        fit.run()
        _check_flux(bench, fit)
        for parameter in fit.parameters:
            name = parameter.name
            if name.endswith(".norm") or parameter.tied or name not in bench.truth:
                continue  # the region holds only part of the point-spread function
            pull = (parameter.value - bench.truth[name]) / (parameter.sigma or np.nan)
            _require(
                abs(pull) < _SIGMAS,
                f"{weighting}: {name} is {parameter.value:.4g} +/- {parameter.sigma:.2g}, truth {bench.truth[name]:g}",
            )


def _check_flux(bench: _Bench, fit: Any) -> None:
    """The normalisation is that of the truth, less what the point-spread function takes out of the region.

    Gaps, bad pixels and vignetting of the place of the target take a little more away.
    """
    if bench.mission.psf is None:
        return
    fraction = bench.mission.load("psf")
    source, inner, outer = (fraction(r, 1.5, 0.0, detector=None) for r in (60.0, 132.0, 252.0))
    inside = float(source - (outer - inner) * 60.0**2 / (252.0**2 - 132.0**2))  # wings in the background go off, too
    for parameter in fit.parameters:
        if not parameter.name.endswith(".norm") or parameter.tied:
            continue
        ratio = parameter.value / (bench.truth["powerlaw.norm"] * inside)
        error = _SIGMAS * (parameter.sigma or np.nan) / parameter.value
        _require(_LOSSES - error < ratio < 1.0 + error, f"flux over truth is {ratio:.3f} +/- {error / _SIGMAS:.3f}")


CHECKS: tuple[Callable[[_Bench], None], ...] = (
    check_description,
    check_simulate,
    check_observation,
    check_extract,
    check_products,
    check_fit,
)


def check_mission(mission: Mission, folder: Path, *, seed: int = 1) -> Iterator[str]:
    """Run all checks on a mission, in order, since each builds on the one before.

    Parameters
    ----------
    mission : Mission
        The mission, registered.
    folder : Path
        An empty folder for the simulated files.
    seed : int
        Seed of the simulation.

    Yields
    ------
    str
        Name of each check that passed.

    Raises
    ------
    MissionError
        At the first check that fails.
    """
    bench = _Bench(mission, Path(folder), seed)
    for check in CHECKS:
        check(bench)
        yield check.__name__
