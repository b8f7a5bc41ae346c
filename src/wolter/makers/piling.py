"""Pile-up of CCD detectors: the warning, and annuli without the core of the source.

A CCD reads a whole frame at a time: two photons in one place of one frame count as one of their summed energy. The
count rates of a point source above which that matters belong to the mission (`Mission.pile_up`), by data mode or
detector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wolter.data.events import EventList
from wolter.errors import DataError, warn
from wolter.sky import RegionSet, annulus
from wolter.units import to_arcsec

__all__ = ["PileUp", "core_excised", "pile_up", "warn_of_pile_up"]


@dataclass(frozen=True)
class PileUp:
    """Count rate of a source beside the mission's limit.

    Attributes
    ----------
    rate : float
        count/s of the selected events.
    limit : float or None
        Rate above which a point source is piled up in this mode; None if the mission has none.
    mode : str
        Data mode or detector that the limit is for.
    """

    rate: float
    limit: float | None
    mode: str

    @property
    def piled_up(self) -> bool:
        """Whether the rate is above the limit."""
        return self.limit is not None and self.rate > self.limit


def _limit(events: EventList) -> tuple[float | None, str]:
    """Limit of the data mode, else of the detector, else of the mission."""
    limits = {str(k).upper(): v for k, v in events.mission.pile_up.items()}
    mode = str(events.header.get("DATAMODE", "") or "").strip().upper()
    for word in (mode, events.mission.detector_of(events.header).upper(), ""):
        if word in limits:
            return limits[word], word
    return None, mode


def pile_up(events: EventList, *, warn: bool = True) -> PileUp:
    """Count rate of selected events beside the mission's pile-up limit.

    Parameters
    ----------
    events : EventList
        Events of the source region, all channels.
    warn : bool
        Warn if it is above the limit.

    Returns
    -------
    PileUp
    """
    limit, mode = _limit(events)
    found = PileUp(events.count() / events.ontime, limit, mode)
    if warn:
        _warn(events, found)
    return found


def warn_of_pile_up(events: EventList, counts: float) -> None:
    """Warn if so many counts in the good time of a source region mean pile-up for a point source."""
    if events.mission.pile_up:
        limit, mode = _limit(events)
        _warn(events, PileUp(counts / events.ontime, limit, mode))


def _warn(events: EventList, found: PileUp) -> None:
    if found.piled_up:
        warn(
            f"{events.path.name}: {found.rate:.3g} count/s are above {found.limit:g}, from where on a point source in "
            f"mode {found.mode} is piled up; use core_excised() to leave out the centre"
        )


def core_excised(events: EventList, centre: Any, outer: Any, *, inner: Any = None, step: Any = None) -> RegionSet:
    """Annulus round a source without its piled-up core.

    Parameters
    ----------
    events : EventList
        Events, not selected by a region.
    centre : coordinate
        As for `wolter.sky.annulus`.
    outer : Quantity
        Outer radius.
    inner : Quantity, optional
        Inner radius; by default the smallest at which the rate that remains is below the mission's limit.
    step : Quantity, optional
        Step of the inner radius; by default a fiftieth of the outer one.

    Returns
    -------
    RegionSet

    Raises
    ------
    DataError
        If the mission has no limit, or no annulus satisfies it.
    """
    outer_arcsec = float(to_arcsec(outer, "outer"))
    if inner is not None:
        return _ring(centre, float(to_arcsec(inner, "inner")), outer_arcsec)
    limit, _ = _limit(events)
    if limit is None:
        raise DataError(
            f"{events.mission.title} has no pile-up limit for this mode", file=events.path, cure="Give inner=."
        )
    width = outer_arcsec / 50 if step is None else float(to_arcsec(step, "step"))
    radii = np.arange(0.0, outer_arcsec, width)
    counts = _enclosed(events, centre, radii[1:], outer_arcsec)
    rate = np.concatenate([[counts[-1]], counts[-1] - counts[:-1]]) / events.ontime
    below = np.flatnonzero(rate <= limit)
    if not len(below):
        raise DataError(
            f"even the outermost ring has {rate[-1]:.3g} count/s, more than {limit:g}",
            file=events.path,
            cure="Take a larger outer radius or a shorter time, or another mode.",
        )
    return _ring(centre, float(radii[below[0]]), outer_arcsec)


def _ring(centre: Any, inner: float, outer: float) -> RegionSet:
    from astropy import units as u

    from wolter.sky import circle

    return annulus(centre, inner * u.arcsec, outer * u.arcsec) if inner > 0 else circle(centre, outer * u.arcsec)


def _enclosed(events: EventList, centre: Any, radii: NDArray[np.float64], outer: float) -> NDArray[np.float64]:
    """Events within radii (arcsec) of a place, and within the outer one at the end."""
    x, y = events.xy_columns
    region = _ring(centre, 0.0, outer)
    chosen = events.select(region=region)
    shape = chosen.regions[0].pixels
    xmin, xmax, ymin, ymax = shape.bounding_box()
    scale = 0.5 * (xmax - xmin) / outer  # pixels per arcsec
    x0, y0 = 0.5 * (xmin + xmax), 0.5 * (ymin + ymax)
    parts = chosen.read_columns([x, y])
    distance = np.hypot(parts[x] - x0, parts[y] - y0) / scale
    inside = np.searchsorted(np.sort(distance), radii, side="right").astype(float)
    return np.append(inside, float(len(distance)))
