"""What the simulators of all missions do alike: start, good times, random streams, writing, truth.

A mission gives a `Simulator` its figures and a function that makes the contents of the files; the rest is here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.simulate.camera import Camera, Detected, Pointing, wandering_pointing
from wolter.simulate.layout import check_options, truth_of, write_files
from wolter.simulate.photons import orbit_gti

if TYPE_CHECKING:
    from wolter import fits
    from wolter.gti import GTI
    from wolter.mission import Mission
    from wolter.simulate.observation import Scene

__all__ = ["Made", "Plan", "Simulator", "told_of"]


@dataclass(frozen=True, eq=False)
class Plan:
    """What is settled before the first photon is drawn.

    Attributes
    ----------
    mission : Mission
        Whose observation it is.
    scene : Scene
        What is asked for.
    output : Path
        Folder in which the observation's folder is made.
    gti : GTI
        Good times, with the gaps of the orbits.
    jitter : float
        Root mean square wandering of the pointing on each axis, arcsec.
    """

    mission: Mission
    scene: Scene
    output: Path
    gti: GTI
    jitter: float

    @property
    def folder(self) -> Path:
        """The observation's folder."""
        return self.output / self.scene.obsid

    @property
    def gz(self) -> str:
        """Ending of compressed files: ".gz", or nothing if ``compress=False``."""
        return ".gz" if self.scene.options.get("compress", True) else ""

    def number(self, option: str, default: int) -> int:
        """Value of an option that counts something."""
        return int(self.scene.options.get(option, default))

    def generator(self) -> np.random.Generator:
        """Random generator of an observation with one detector."""
        return np.random.default_rng(self.scene.seed)

    def streams(self, number: int) -> list[np.random.Generator]:
        """Independent random generators; the first ones are the same however many there are."""
        return self.generator().spawn(number)

    def wander(
        self,
        rng: np.random.Generator,
        step: float,
        *,
        centre: tuple[float, float] | None = None,
        time: np.ndarray | None = None,
    ) -> Pointing:
        """Pointing that wanders around its mean with the jitter, in roll too.

        Parameters
        ----------
        rng : numpy.random.Generator
        step : float
            Distance of its samples, s.
        centre : tuple of float, optional
            Mean boresight (deg), if it is not that of the scene.
        time : ndarray, optional
            Times of the samples, s.
        """
        where = self.scene.target if centre is None else centre
        jitter = self.jitter
        return wandering_pointing(
            self.gti, *where, self.scene.roll, rng, step=step, jitter=jitter, roll_jitter=jitter, time=time
        )


@dataclass(frozen=True, eq=False)
class Made:
    """What a mission makes of a plan.

    Attributes
    ----------
    files : mapping of Path to callable
        HDUs of each file, made when it is its turn.
    told : mapping of str to dict
        What the truth file says of each detector (see `told_of`); complete once the files have been made.
    nominal : callable, optional
        Writes the nominal responses into a folder; by default a matrix and an area per detector.
    """

    files: Mapping[Path, Callable[[], Sequence[fits.HDU]]]
    told: Mapping[str, Mapping[str, Any]]
    nominal: Callable[[Path], None] | None = None


@dataclass(frozen=True, eq=False)
class Simulator:
    """Simulator of a mission's observations.

    Attributes
    ----------
    make : callable
        ``(Plan) -> Made``.
    start : float
        Mission time of the start, unless one is asked for, s.
    jitter : float
        Root mean square wandering of the pointing on each axis, unless one is asked for, arcsec.
    visible : float
        Largest fraction of an orbit during which the source is seen.
    options : mapping of str to str
        Options it understands, and what they mean.
    """

    make: Callable[[Plan], Made]
    start: float
    jitter: float
    visible: float = 1.0
    options: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, mission: Mission, scene: Scene, output: Path, *, overwrite: bool = False) -> Path:
        """Simulate what `scene` describes and write the observation's folder.

        Parameters
        ----------
        mission : Mission
            Whose observation it is.
        scene : Scene
            Source, position, times; `options` says what ``scene.options`` may hold.
        output : Path
            Folder in which the observation's folder is made.
        overwrite : bool
            Whether existing files may be replaced.

        Returns
        -------
        Path
            ``output / obsid``.

        Raises
        ------
        SimulationError
            For an option that is not known.
        OutputError
            If a file exists or cannot be written.
        """
        check_options(mission, scene, self.options)
        gti = orbit_gti(
            self.start if scene.start is None else scene.start,
            scene.exposure,
            period=scene.orbit_period,
            visible=min(scene.visible_fraction, self.visible),
        )
        plan = Plan(mission, scene, output, gti, self.jitter if scene.jitter is None else scene.jitter)
        made = self.make(plan)
        common = {
            "jitter": plan.jitter,
            "gti": np.column_stack([gti.start, gti.stop]).tolist(),
            "options": {name: np.asarray(value).tolist() for name, value in scene.options.items()},
        }
        write_files(
            mission,
            scene,
            output,
            made.files,
            lambda: truth_of(mission, scene, made.told, **common),
            overwrite=overwrite,
            nominal=made.nominal,
        )
        return plan.folder


def told_of(
    plan: Plan, camera: Camera, events: Detected, bad: Mapping[int, np.ndarray], **extra: Any
) -> dict[str, Any]:
    """What the truth file says of one detector.

    Parameters
    ----------
    plan : Plan
    camera : Camera
    events : Detected
    bad : mapping of int to ndarray
        Bad pixels by chip number, as in the mission's tables: x, y, and the number of rows where that is given.
    **extra
        More of the mission's own, or in place of what is computed here.

    Returns
    -------
    dict
        Numbers of events, of those of the source and of background, live time (s), background rate (counts s^-1
        arcmin^-2 in the mission's band), dead time (s) after each event, bad pixels.
    """
    source = int(events.source.sum())
    return {
        "events": len(events),
        "source": source,
        "background": len(events) - source,
        "livetime": plan.gti.exposure * camera.live_fraction,
        "background_rate": camera.background[0],
        "dead_time": camera.dead_time,
        "bad_pixels": {str(chip): np.asarray(rows).tolist() for chip, rows in bad.items()},
        **extra,
    }
