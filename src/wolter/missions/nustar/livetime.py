"""Live time of the focal-plane modules from their housekeeping, one sample a second.

The extension HK1FPM holds the live fraction of each second (LIVETIME); its mean over the good time is DEADC
(nulivetime), the mean over a bin corrects the rate of the bin (nulccorr).
"""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np

from wolter import fits
from wolter.errors import DataError, MissionError
from wolter.makers.livetime import LiveFraction

__all__ = ["live_fraction", "read_live_fraction"]


def read_live_fraction(path: str | PathLike[str]) -> LiveFraction:
    """Live fraction of a module from its housekeeping file (``..._fpm.hk``).

    Raises
    ------
    DataError
        If there is no HK1FPM extension with TIME and LIVETIME.
    """
    with fits.open(path) as file:
        table: Any = file.get("HK1FPM")
        if table is None or "TIME" not in table or "LIVETIME" not in table:
            raise DataError("there is no extension HK1FPM with TIME and LIVETIME", file=file.path)
        time, live = (np.asarray(table.read(name), dtype=float) for name in ("TIME", "LIVETIME"))
    order = np.argsort(time, kind="stable")
    time, live = time[order], live[order]
    fresh = np.append(np.diff(time) > 0, True)
    return LiveFraction.from_samples(time[fresh], np.where(live[fresh] >= 0, live[fresh], np.nan))


def live_fraction(observation: Any, detector: str) -> LiveFraction:
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
    return read_live_fraction(found[0].path)
