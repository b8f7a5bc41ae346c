"""Simulate an observation: a source with a shape, a spectrum and a polarisation, seen by a mission."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.errors import SimulationError, UnitError
from wolter.mission import get_mission
from wolter.simulate.shapes import SourceShape, source_shape
from wolter.sky import parse_position
from wolter.units import is_quantity, to_seconds

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from wolter.models import Model

__all__ = ["Scene", "SourceSpectrum", "simulate_observation", "source_spectrum"]


@dataclass(frozen=True)
class SourceSpectrum:
    """Photon flux and polarisation of a source on an energy grid.

    Attributes
    ----------
    flux : ndarray, shape (n,)
        Photons cm^-2 s^-1 per bin.
    degree : ndarray, shape (n,)
        Polarisation degree, 0..1.
    angle : ndarray, shape (n,)
        Polarisation angle (radian, from north through east).
    """

    flux: np.ndarray
    degree: np.ndarray
    angle: np.ndarray


@dataclass(frozen=True)
class Scene:
    """What a mission's simulator is asked for; all numbers in the units of `simulate_observation`'s description.

    Attributes
    ----------
    model : Model
        Spectrum of the source, with polarisation components if it is polarised.
    ra, dec : float
        Position of the source (deg).
    exposure : float
        Good time (s) per detector, before dead time.
    obsid : str
        Observation identifier.
    object_name : str
        Value of OBJECT.
    start : float or None
        Mission time (s) of the start; None: the mission's own choice.
    orbit_period, visible_fraction : float
        Length of an orbit (s) and the part of it during which the source is seen.
    background_rate : float or None
        Instrumental background, counts s^-1 arcmin^-2 per detector in the mission's band; None: the mission's own.
    dead_time : float or None
        Blind time (s) after each event; None: the mission's own.
    responses : Path or None
        Folder with response files; None: nominal ones.
    seed : int
        Seed of the random generator.
    options : dict
        Whatever else the mission's simulator understands.
    shape : SourceShape
        Where the photons come from.
    pointing : tuple of float or None
        Mean pointing (deg) if it is not the source.
    roll : float
        Roll angle (deg).
    jitter : float or None
        Root mean square wandering of the pointing per axis (arcsec); None: the mission's own.
    executor : ThreadPoolExecutor or None
        Makes the files in parallel.
    """

    model: Model
    ra: float
    dec: float
    exposure: float
    obsid: str
    object_name: str
    start: float | None
    orbit_period: float
    visible_fraction: float
    background_rate: float | None
    dead_time: float | None
    responses: Path | None
    seed: int
    options: dict[str, Any] = field(default_factory=dict)
    shape: SourceShape = field(default_factory=SourceShape)
    pointing: tuple[float, float] | None = None
    roll: float = 30.0
    jitter: float | None = None
    executor: ThreadPoolExecutor | None = None

    @property
    def target(self) -> tuple[float, float]:
        """Right ascension and declination (deg) of the mean pointing: the source unless something else is given."""
        return (self.ra, self.dec) if self.pointing is None else self.pointing


def source_spectrum(model: Model, edges: np.ndarray) -> SourceSpectrum:
    """Flux and polarisation of a model on an energy grid.

    The model is evaluated as Stokes I, Q and U: degree = sqrt(Q^2 + U^2) / I and angle = atan2(U, Q) / 2, whatever
    polarisation components the expression contains.

    Parameters
    ----------
    model : Model
    edges : ndarray, shape (n + 1,)
        Energy grid (keV), ascending.

    Raises
    ------
    SimulationError
        If the polarisation degree exceeds one anywhere.
    """
    from wolter.models import Context

    i, q, u = (
        np.asarray(model.evaluate(edges, context=Context(stokes=s, settings=model.settings)), dtype=float).reshape(-1)
        for s in (0, 1, 2)
    )
    polarised = not (np.array_equal(i, q) and np.array_equal(i, u))  # without a polarisation component all three agree
    if not polarised:
        return SourceSpectrum(i, np.zeros_like(i), np.zeros_like(i))
    safe = np.where(i > 0, i, 1.0)
    degree = np.hypot(q, u) / safe
    if np.any(degree > 1 + 1e-12):
        raise SimulationError(
            f"the polarisation degree reaches {degree.max():.3g}",
            cure="Lower the degree (parameter A of polconst, A1 and Aslope of pollin, Anorm of polpow).",
        )
    return SourceSpectrum(i, np.minimum(degree, 1.0), 0.5 * np.arctan2(u, q))


def _angle(value: Any, name: str, unit: str) -> float:
    """An angle in a unit."""
    if not is_quantity(value):
        raise UnitError(f"{name} has no unit (got {value!r})", cure=f"Write for example 3 * u.{unit}.")
    return float(value.to_value(unit))


def _rate(value: Any) -> float | None:
    """Background rate as counts s^-1 arcmin^-2."""
    if value is None:
        return None
    if not is_quantity(value):
        raise UnitError(
            f"background_rate has no unit (got {value!r})",
            cure="Write for example 1e-3 / u.s / u.arcmin**2 (import astropy.units as u).",
        )
    from astropy import units as u

    try:
        return float(
            (value / u.ct).to_value("s-1 arcmin-2") if "ct" in str(value.unit) else value.to_value("s-1 arcmin-2")
        )
    except u.UnitConversionError as exc:
        raise UnitError(
            f"background_rate is in {value.unit}, which is not a rate per solid angle",
            cure="Write for example 1e-3 / u.s / u.arcmin**2.",
        ) from exc


def simulate_observation(
    model: Model | str,
    *,
    mission: str,
    position: Any,
    exposure: Any,
    output: str | os.PathLike[str],
    obsid: str = "99000101",
    object_name: str = "SIMULATED",
    start: Any = None,
    orbit_period: Any = None,
    visible_fraction: float = 0.6,
    background_rate: Any = None,
    dead_time: Any = None,
    responses: str | os.PathLike[str] | None = None,
    shape: Any = None,
    pointing: Any = None,
    roll: Any = None,
    jitter: Any = None,
    seed: int = 0,
    overwrite: bool = False,
    executor: ThreadPoolExecutor | None = None,
    **options: Any,
) -> Path:
    """Simulate an observation of a source and write it in the layout of the mission's archive.

    Parameters
    ----------
    model : Model or str
        Spectrum of the source (an expression takes its default parameters), with ``polconst``, ``pollin`` or ``polpow``
        for a polarised one.
    mission : str
        Name of an installed mission with a simulator.
    position : str, SkyCoord or pair of Quantity
        Where the source is; the telescope points there unless `pointing` says otherwise.
    exposure : Quantity
        Good time per detector, before dead time.
    output : path-like
        Folder in which the observation's folder (named after the obsid) is made.
    obsid, object_name : str
        Identifier of the observation and name of the target.
    start : Quantity, optional
        Mission time of the start.
    orbit_period : Quantity, optional
        Length of an orbit; 96.7 min by default.
    visible_fraction : float
        Part of each orbit during which the source is seen; 1 for no gaps.
    background_rate : Quantity, optional
        Instrumental background per detector and solid angle in the mission's band; 0 switches it off.
    dead_time : Quantity, optional
        Time after each event during which the detector is blind.
    responses : path-like, optional
        Folder with response files (found by their headers); without it nominal ones are used and written beside the
        observation.
    shape : str, tuple or SourceShape, optional
        ``"point"``, ``("disk", radius)``, ``("beta", core radius, beta)`` with angles as Quantity, or text with
        arcseconds: ``"disk:120"``, ``"beta:60,0.67"``.
    pointing : str, SkyCoord or pair of Quantity, optional
        Mean pointing of the telescope.
    roll : Quantity, optional
        Roll angle; 30 deg by default.
    jitter : Quantity, optional
        Root mean square wandering of the pointing on each axis; 0 for none.
    seed : int
        The same seed gives the same files.
    overwrite : bool
        Whether existing files may be replaced.
    executor : concurrent.futures.ThreadPoolExecutor, optional
        Makes the files of the detectors in parallel; threads, because they share the pointing. The files are the same.
    **options
        Further options of the mission's simulator.

    Returns
    -------
    Path
        The observation's folder. ``<obsid>_truth.json`` beside it says what was put in.

    Raises
    ------
    SimulationError, MissionError, UnitError
        If the description is incomplete, inconsistent or without units.
    OutputError
        If the files exist or cannot be written.
    """
    from wolter.models import Model

    if isinstance(model, str):
        model = Model(model)
    the_mission = get_mission(mission)
    ra, dec = parse_position(position)
    if not re.fullmatch(r"[\w.+-]+", obsid) or obsid.startswith("."):
        raise SimulationError(f"obsid {obsid!r} cannot be part of a file's name", cure="Use letters, digits, . _ + -.")
    if not 0 < visible_fraction <= 1:
        raise SimulationError(f"visible_fraction is {visible_fraction}", cure="Give a fraction above 0 and up to 1.")
    scene = Scene(
        model=model,
        ra=ra,
        dec=dec,
        exposure=to_seconds(exposure, "exposure"),
        obsid=obsid,
        object_name=object_name,
        start=None if start is None else to_seconds(start, "start"),
        orbit_period=5802.0 if orbit_period is None else to_seconds(orbit_period, "orbit_period"),
        visible_fraction=visible_fraction,
        background_rate=_rate(background_rate),
        dead_time=None if dead_time is None else to_seconds(dead_time, "dead_time"),
        responses=None if responses is None else Path(responses),
        seed=seed,
        options=options,
        shape=source_shape(shape),
        pointing=None if pointing is None else parse_position(pointing),
        roll=30.0 if roll is None else _angle(roll, "roll", "deg"),
        jitter=None if jitter is None else _angle(jitter, "jitter", "arcsec"),
        executor=executor,
    )
    if not scene.exposure > 0:
        raise SimulationError(f"the exposure is {scene.exposure} s", cure="Give a positive exposure time.")
    return the_mission.load("simulator")(the_mission, scene, Path(output), overwrite=overwrite)
