"""Which event files of an observation are analysed: by detector, level, and mode."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from wolter.errors import MissionError, suggest
from wolter.mission import FileRole

__all__ = ["chosen_event_files", "latest_event_files"]


def latest_event_files(files: Iterable[FileRole], *, folder: Path | None = None) -> list[FileRole]:
    """The event files of highest level and version of each detector and mode.

    Parameters
    ----------
    files : iterable of FileRole
        All files of the observation.
    folder : Path, optional
        Named in errors.

    Raises
    ------
    MissionError
        If two files of one detector and mode have equal level and version.
    """
    best: dict[tuple[str, str], FileRole] = {}
    for file in files:
        if not file.role.startswith("events"):
            continue
        key = file.detector or "events", file.mode or ""
        rival = best.get(key)
        if rival is None or _standing(file) > _standing(rival):
            best[key] = file
        elif _standing(file) == _standing(rival):
            raise MissionError(
                f"two event files of {' '.join(key).strip()} have equal level and version: "
                f"{rival.path.name}, {file.path.name}",
                file=folder,
                cure="Move one of them away.",
            )
    return list(best.values())


def chosen_event_files(
    files: Iterable[FileRole], detectors: Sequence[str], *, mode: str | None = None, folder: Path | None = None
) -> dict[str, FileRole]:
    """The event files to analyse, by detector.

    Of each detector the screened files of the highest-ranking mode are taken; a detector that has several modes of
    equal rank (exposures, halves of the field) gives one entry each, named ``detector:mode``.

    Parameters
    ----------
    files : iterable of FileRole
        All files of the observation.
    detectors : sequence of str
        The mission's order.
    mode : str, optional
        Only this mode (any case).
    folder : Path, optional
        Named in errors.

    Raises
    ------
    MissionError
        If there is no event file, none of the mode asked for, or two of equal standing.
    """
    latest = latest_event_files(files, folder=folder)
    if not latest:
        raise MissionError(
            "the observation holds no event file",
            file=folder,
            cure="Name the folder that holds one, or the event file itself; wolter info lists what is there.",
        )
    if mode is not None:
        known = {(f.mode or "").lower(): f.mode or "" for f in latest}
        if mode.lower() not in known:
            raise MissionError(
                f"the observation has no event file of mode {mode!r} (it has {', '.join(sorted(known.values()))})",
                file=folder,
                cure=suggest(mode, known.values()) or None,
            )
        latest = [f for f in latest if (f.mode or "").lower() == mode.lower()]
    chosen: dict[str, FileRole] = {}
    order = {d: i for i, d in enumerate(detectors)}
    names = sorted({f.detector or "events" for f in latest}, key=lambda d: (order.get(d, len(order)), d))
    for name in names:
        mine = [f for f in latest if (f.detector or "events") == name]
        top = max(_screened(f) for f in mine)
        mine = sorted((f for f in mine if _screened(f) == top), key=lambda f: f.mode or "")
        for file in mine:
            chosen[name if len(mine) == 1 else f"{name}:{file.mode}"] = file
    return chosen


def _standing(file: FileRole) -> tuple[str, int]:
    return file.level or "", file.version or 0


def _screened(file: FileRole) -> tuple[str, int]:
    """Screened files before raw ones, then by the rank of their mode."""
    return (file.level or "")[:1], file.rank
