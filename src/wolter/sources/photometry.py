"""Images, exposure maps and rate maps of the observations of a source: found beside the events, or made and kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wolter.data import ExposureMap, Image, RateMap
from wolter.errors import DataError, MissionError
from wolter.sources.entries import ObservationEntry

if TYPE_CHECKING:
    from wolter.mission import FileRole
    from wolter.sources.library import Library

__all__ = [
    "Band",
    "detectors_of",
    "exposure_map",
    "exposure_map_path",
    "image",
    "image_path",
    "mosaic_rate_map",
    "rate_map",
]

Band = tuple[float, float]


def detectors_of(library: Library, entry: ObservationEntry, band: Band) -> list[str]:
    """Detectors of an observation whose image in a band is there or can be made."""
    files = library.open(entry).files
    able = {role.detector for role in files if role.role.startswith("events")}
    able |= {role.detector for role in files if role.role == "image" and _same(role.energy, band)}
    return [name for name in entry.detectors if name in able]


def _same(energy: Band | None, band: Band) -> bool:
    return energy is not None and all(abs(a - b) < 1e-6 for a, b in zip(energy, band, strict=True))


def _ready(files: Iterable[FileRole], role: str, detector: str, band: Band) -> Path | None:
    """Product that came with the observation."""
    for file in files:
        if file.role == role and file.detector == detector and _same(file.energy, band):
            return file.path
    return None


def image(library: Library, entry: ObservationEntry, detector: str, band: Band) -> Image:
    """Image of one detector in a band: the one that came with the observation, else made of its events and kept.

    Parameters
    ----------
    library : Library
    entry : ObservationEntry
    detector : str
    band : pair of float
        keV.

    Raises
    ------
    MissionError
        If the observation has neither an image in that band nor events of the detector.
    """
    return library.load(image_path(library, entry, detector, band), Image)


def image_path(library: Library, entry: ObservationEntry, detector: str, band: Band) -> Path:
    """File of `image`, made if need be but not read."""
    observation = library.open(entry)
    path = _ready(observation.files, "image", detector, band)
    if path is not None:
        return path
    return library.product(
        "image",
        [_event_file(observation, entry, detector)],
        {"detector": detector, "band": list(band), "grid": "usual"},
        lambda target: _make_image(observation, detector, band).write(target, overwrite=True),
        obsid=entry.obsid,
        detector=detector,
    )


def _event_file(observation: Any, entry: ObservationEntry, detector: str) -> Path:
    events = observation.events
    if detector not in events:
        raise MissionError(
            f"observation {entry.obsid} holds no events of {detector} and no image in this band "
            f"(events: {', '.join(events) or 'none'})",
            file=entry.path,
        )
    return Path(events[detector].path)


def _make_image(observation: Any, detector: str, band: Band) -> Image:
    from astropy import units as u

    return observation.image(detectors=[detector], energy=(band[0] * u.keV, band[1] * u.keV))[detector]


def exposure_map(library: Library, entry: ObservationEntry, detector: str, band: Band) -> ExposureMap:
    """Exposure map of one detector in a band on the pixels of its image; found or made as `image`."""
    return library.load(exposure_map_path(library, entry, detector, band), ExposureMap)


def exposure_map_path(library: Library, entry: ObservationEntry, detector: str, band: Band) -> Path:
    """File of `exposure_map`, made if need be but not read."""
    observation = library.open(entry)
    path = _ready(observation.files, "exposure map", detector, band)
    if path is not None:
        return path
    like = image_path(library, entry, detector, band)
    return library.product(
        "exposure map",
        [like, *_calibration_inputs(observation, detector)],
        {"detector": detector, "band": list(band), "vignetting": True},
        lambda target: _make_map(observation, detector, band, library.load(like, Image)).write(target, overwrite=True),
        obsid=entry.obsid,
        detector=detector,
    )


def _calibration_inputs(observation: Any, detector: str) -> list[Path]:
    """Files beside the events that an exposure map is made of."""
    wanted = ("attitude", "housekeeping", "bad pixels", "aspect")
    return sorted(
        role.path
        for role in observation.files
        if any(word in role.role for word in wanted) and role.detector in (None, detector)
    )


def _make_map(observation: Any, detector: str, band: Band, like: Image) -> ExposureMap:
    from astropy import units as u

    return observation.exposure_map(detector, like=like, energy=(band[0] * u.keV, band[1] * u.keV))


def rate_map(library: Library, entry: ObservationEntry, detector: str, band: Band) -> RateMap:
    """Counts over exposure of one detector of an observation."""
    counts, seconds = (maker(library, entry, detector, band) for maker in (image_path, exposure_map_path))
    return _rates(library, counts, seconds)


def _rates(library: Library, counts: Path, seconds: Path) -> RateMap:
    """Rate map of two files; the last few stay in memory."""

    def read() -> RateMap:
        return RateMap(Image.read(counts), ExposureMap.read(seconds))

    stamps = tuple((path, path.stat().st_mtime_ns, path.stat().st_ino) for path in (counts, seconds))
    return library.remembered(("rate map", stamps), read)


def mosaic_rate_map(library: Library, parts: Sequence[tuple[ObservationEntry, str]], band: Band) -> RateMap:
    """Rate map of several detectors and observations together: their counts over the sum of their exposures.

    Raises
    ------
    DataError
        If there is nothing to put together.
    """
    if not parts:
        raise DataError("there is no observation to make a mosaic of")
    images = [image_path(library, entry, detector, band) for entry, detector in parts]
    maps = [exposure_map_path(library, entry, detector, band) for entry, detector in parts]
    parameters = {"band": list(band), "parts": [[e.mission, e.obsid, d] for e, d in parts]}
    obsids = ",".join(sorted({e.obsid for e, _ in parts}))

    def kept(kind: str, paths: Sequence[Path], product: Any) -> Path:
        from wolter.makers import mosaic

        return library.product(
            f"mosaic of {kind}s",
            [*images, *maps],
            parameters,
            lambda target: mosaic([library.load(path, product) for path in paths]).write(target, overwrite=True),
            obsid=obsids,
        )

    return _rates(library, kept("image", images, Image), kept("exposure map", maps, ExposureMap))
