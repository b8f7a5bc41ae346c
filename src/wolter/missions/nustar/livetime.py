"""Live time of the focal-plane modules of an observation, from their housekeeping, one sample a second.

The mean of LIVETIME (extension HK1FPM) over the good time is DEADC (nulivetime), that over a bin corrects the rate of
the bin (nulccorr).
"""

from __future__ import annotations

from typing import Any

from wolter.errors import MissionError
from wolter.makers.aspect import LiveTime
from wolter.missions.nustar.exposure import read_livetime

__all__ = ["live_fraction"]


def live_fraction(observation: Any, detector: str) -> LiveTime:
    """Live fraction of a detector of an observation.

    Raises
    ------
    MissionError
        If the observation has no housekeeping of that module.
    """
    found = [f for f in observation.files if f.role == "livetime" and f.detector == detector]
    if not found:
        raise MissionError(
            f"the observation has no housekeeping file of {detector} (nu..._fpm.hk), which holds the live times",
            cure="Fetch the folder hk too, or use deadtime='header'.",
        )
    return read_livetime(found[0].path)
