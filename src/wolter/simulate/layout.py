"""Writing a simulated observation: checks, headers, responses, truth. The files themselves are the missions' affair."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter._progress import each
from wolter.errors import OutputError, SimulationError
from wolter.mission import Mission

if TYPE_CHECKING:
    from wolter.data import ARF, RMF
    from wolter.gti import GTI
    from wolter.simulate.observation import Scene

__all__ = [
    "Clock",
    "check_options",
    "gti_table",
    "readable",
    "responses_of",
    "sky_columns",
    "sky_pixels",
    "truth_of",
    "write_files",
]


class Clock:
    """A mission's time: seconds since a reference, terrestrial time.

    Parameters
    ----------
    mjdrefi : int
        Reference date (MJD), whole days.
    mjdreff : float
        Rest of it, days.
    split : bool
        Whether headers give MJDREFI and MJDREFF (else MJDREF).
    """

    def __init__(self, mjdrefi: int, mjdreff: float, *, split: bool = True) -> None:
        self.mjdrefi, self.mjdreff, self.split = mjdrefi, mjdreff, split

    def date(self, met: float) -> str:
        """ISO date (UTC, to the millisecond) of a mission time after 2017."""
        days = self.mjdrefi + self.mjdreff + (met - 69.184) / 86400.0
        return str(np.datetime64("1858-11-17T00:00:00", "ms") + np.timedelta64(round(days * 86400e3), "ms"))

    def cards(self, gti: GTI) -> dict[str, Any]:
        """Time keywords of a file that spans some good time."""
        lo, hi = (float(v) for v in gti.span)
        reference = {"MJDREFI": self.mjdrefi, "MJDREFF": self.mjdreff}
        return {
            "TSTART": lo,
            "TSTOP": hi,
            "TELAPSE": hi - lo,
            "DATE-OBS": self.date(lo),
            "DATE-END": self.date(hi),
            "TIMESYS": "TT",
            "TIMEUNIT": "s",
            "TIMEREF": "LOCAL",
            "TIMEZERO": 0.0,
            **(reference if self.split else {"MJDREF": self.mjdrefi + self.mjdreff}),
        }


def check_options(mission: Mission, scene: Scene, known: Iterable[str]) -> None:
    """Refuse options that a simulator does not know."""
    unknown = set(scene.options) - set(known)
    if unknown:
        raise SimulationError(
            f"{mission.title}'s simulator has no option {', '.join(sorted(unknown))}",
            cure=f"It understands {', '.join(sorted(known)) or 'none'}.",
        )


def responses_of(mission: Mission, scene: Scene, detector: str, header: Mapping[str, Any]) -> tuple[RMF, ARF]:
    """RMF and ARF of a detector: the nominal ones, or those found in the folder the user named.

    Raises
    ------
    SimulationError
        If the folder lacks one of them.
    """
    if scene.responses is None:
        pair = mission.load("nominal_responses")(detector)
        return pair.rmf, pair.arf
    from wolter.data import ARF, RMF, find_responses

    found = find_responses(scene.responses, telescop=mission.telescop[0], instrume=header.get("INSTRUME"))
    if found.rmf is None or found.arf is None:
        raise SimulationError(
            f"the folder lacks a redistribution matrix or effective area of {detector}", file=scene.responses
        )
    return RMF.read(found.rmf), ARF.read(found.arf)


def source_flux(scene: Scene, rmf: RMF) -> NDArray[np.float64]:
    """Photons cm^-2 s^-1 per energy bin of a response."""
    from wolter.simulate.observation import source_spectrum

    edges = np.append(np.asarray(rmf.energ_lo), np.asarray(rmf.energ_hi)[-1])
    return source_spectrum(scene.model, edges).flux


def sky_pixels(
    ra: NDArray[np.float64], dec: NDArray[np.float64], centre: tuple[float, float], crpix: float, cdelt: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pixel positions in a tangential projection, X growing to the west.

    Parameters
    ----------
    ra, dec : ndarray
        Positions, deg.
    centre : tuple of float
        Reference position, deg.
    crpix, cdelt : float
        Reference pixel and pixel size (deg) on both axes.
    """
    from wolter.sky import TanWCS

    wcs = TanWCS((crpix, crpix), centre, ((-cdelt, 0.0), (0.0, cdelt)), projection="TAN", frame="fk5")
    return wcs.sky_to_pixel(ra, dec)


def sky_columns(
    names: tuple[str, str],
    fmt: str,
    centre: tuple[float, float],
    crpix: float,
    cdelt: float,
    size: int,
    null: int | None,
) -> dict[str, fits.Column]:
    """Columns of sky pixels with their coordinate keywords."""
    both = {"TCRPX": crpix, "TCUNI": "deg", "TLMIN": 1, "TLMAX": size}
    kinds = (("RA---TAN", centre[0], -cdelt), ("DEC--TAN", centre[1], cdelt))
    return {
        name: fits.Column(
            name,
            fmt,
            unit="pixel",
            null=null,
            keywords={"TCTYP": kind, "TCRVL": value, "TCDLT": step, **both},
        )
        for name, (kind, value, step) in zip(names, kinds, strict=True)
    }


def gti_table(gti: GTI, header: fits.Header, name: str = "GTI") -> fits.TableHDU:
    """Good times as an extension with the observation's keywords."""
    hdu = gti.to_hdu(name=name)
    same = ("TELESCOP", "INSTRUME", "DETNAM", "OBS_ID", "OBJECT")
    for key in (*same, "MJDREFI", "MJDREFF", "MJDREF", "TIMESYS", "TIMEZERO"):
        if key in header:
            hdu.header[key] = header[key]
    return hdu


def truth_of(mission: Mission, scene: Scene, counts: Mapping[str, Any], **extra: Any) -> dict[str, Any]:
    """What was put in, for the truth file."""
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
        "detectors": {d: counts[d] for d in mission.detectors if d in counts},
        **extra,
    }


def write_files(
    mission: Mission,
    scene: Scene,
    output: Path,
    files: Mapping[Path, Callable[[], Sequence[fits.HDU]]],
    truth: Callable[[], dict[str, Any]],
    *,
    overwrite: bool,
    nominal: Callable[[Path], None] | None = None,
) -> None:
    """Write the files of an observation, its truth and, where they were used, the nominal responses.

    Parameters
    ----------
    mission, scene
        What is simulated.
    output : Path
        Folder of the observation's folder, of ``<obsid>_truth.json`` and of ``responses``.
    files : mapping of Path to callable
        HDUs of each file, made when it is its turn.
    truth : callable
        Contents of the truth file, once the files have been made.
    overwrite : bool
        Whether existing files may be replaced.
    nominal : callable, optional
        Writes the nominal responses into a folder; by default a matrix and an area per detector.

    Raises
    ------
    OutputError
        If a file exists, or a folder cannot be made; nothing is written then. Neither is anything left of an
        observation that cannot be made or is interrupted.
    """
    truth_path = output / f"{scene.obsid}_truth.json"
    if not overwrite:
        for path in [*files, truth_path]:
            if path.exists():
                raise OutputError("the file exists already", file=path, cure="Remove it, or overwrite it on request.")
    with _whole([*files, truth_path]):
        for folder in dict.fromkeys(path.parent for path in files):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as exc:
                raise OutputError(f"the folder cannot be made: {exc.strerror}", file=folder) from exc

        def write(path: Path) -> None:
            provenance = fits.Provenance("simulate", {"seed": scene.seed, "model": scene.model.expression}, [])
            fits.write(path, list(files[path]()), overwrite=overwrite, provenance=provenance)

        each(write, list(files), "simulating", executor=scene.executor)
        if scene.responses is None:
            folder = output / "responses"
            folder.mkdir(parents=True, exist_ok=True)
            if nominal is None:
                _write_nominal(mission, folder)
            else:
                nominal(folder)
        with fits.atomic_path(truth_path, overwrite=True) as temporary:
            temporary.write_text(readable(truth()) + "\n")


def readable(told: Any) -> str:
    """JSON text for people: lists of numbers (positions, bad pixels) on one line each."""
    inner = re.compile(r"\[\n([^\[\]{}\"]*?)\n\s*\]")  # no text holds a line end in JSON
    return inner.sub(lambda found: f"[{' '.join(found[1].split())}]", json.dumps(told, indent=1))


@contextlib.contextmanager
def _whole(paths: Sequence[Path]) -> Iterator[None]:
    """Remove new files, and folders made for them, if not all of them come into being."""
    new = [path for path in paths if not path.exists()]
    folders = {folder for path in new for folder in path.parents if not folder.exists()}
    try:
        yield
    except BaseException:
        for path in new:
            path.unlink(missing_ok=True)
        for folder in sorted(folders, key=lambda f: len(f.parts), reverse=True):
            with contextlib.suppress(OSError):  # not made, or something else is in it
                folder.rmdir()
        raise


def _write_nominal(mission: Mission, folder: Path) -> None:
    """Write the nominal responses of the simulated detectors, unless they are there."""
    make = mission.load("nominal_responses")
    for detector in mission.simulated or mission.detectors:
        paths = [folder / f"{mission.name}_{detector.lower()}_nominal.{kind}" for kind in ("rmf", "arf")]
        if all(path.exists() for path in paths):
            continue
        pair = make(detector)
        for path, part in zip(paths, (pair.rmf, pair.arf), strict=True):
            if not path.exists():
                part.write(path)
