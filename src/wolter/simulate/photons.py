"""Random photons: energies, channels, emission angles, arrival times, dead time. Pure functions of a generator.

Nothing here knows a mission; the simulators of the missions put these pieces together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wolter.errors import SimulationError

if TYPE_CHECKING:
    from wolter.data import RMF
    from wolter.gti import GTI

__all__ = [
    "draw_angles",
    "draw_channels",
    "draw_photon_bins",
    "live_events",
    "orbit_gti",
    "times_in_gti",
]


def draw_photon_bins(flux: np.ndarray, area: np.ndarray, time: float, rng: np.random.Generator) -> np.ndarray:
    """Energy-bin index of every photon detected in a time span.

    Parameters
    ----------
    flux : ndarray, shape (n,)
        Photons cm^-2 s^-1 per energy bin.
    area : ndarray, shape (n,)
        Effective area (cm^2) per energy bin.
    time : float
        Time (s) during which photons are collected.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int
        One entry per photon, in ascending order of bin; the numbers per bin are Poisson.

    Raises
    ------
    SimulationError
        If the expected numbers are negative or not finite.
    """
    expected = flux * area * time
    if not np.all(np.isfinite(expected)) or np.any(expected < 0):
        raise SimulationError(
            "the source spectrum gives negative or infinite expected counts",
            cure="Check the model's parameters, above all its normalisation.",
        )
    return np.repeat(np.arange(len(flux)), rng.poisson(expected))


def draw_channels(rmf: RMF, bins: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Channel of every photon, drawn from the rows of a redistribution matrix.

    Parameters
    ----------
    rmf : RMF
        Its rows are probabilities; a row that sums to less than one loses the rest of its photons.
    bins : ndarray of int, shape (n,)
        Energy-bin index of each photon.
    rng : numpy.random.Generator

    Returns
    -------
    channels : ndarray of int, shape (m,)
        Channel numbers as in the file (first channel included).
    kept : ndarray of bool, shape (n,)
        Which photons were detected at all; ``m = kept.sum()``.
    """
    cumulative = np.cumsum(rmf.dense(), axis=1)
    rows, width = cumulative.shape
    # One sorted array for all rows: row i occupies the interval [2i, 2i+1], so a single search serves all photons.
    flat = (np.minimum(cumulative, 1.0) + 2.0 * np.arange(rows)[:, None]).ravel()
    u = rng.random(len(bins))
    kept = u < np.minimum(cumulative[bins, -1], 1.0)
    found = np.searchsorted(flat, u[kept] + 2.0 * bins[kept], side="right") - bins[kept] * width
    return found + rmf.first_channel, kept


def draw_angles(modulation: np.ndarray, angle: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Emission angles phi of photoelectrons, distributed as 1 + m cos 2(phi - angle).

    Parameters
    ----------
    modulation : ndarray, shape (n,)
        Amplitude m = modulation factor x polarisation degree of each event, 0..1.
    angle : ndarray, shape (n,)
        Polarisation angle of each event (radian).
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n,)
        Angles in radian, from -pi to pi.

    Notes
    -----
    Rejection: a uniform angle is kept with probability (1 + m cos 2(phi - angle)) / (1 + m), so at most half of the
    draws are repeated. Distribution as in Kislat et al. 2015, Astropart. Phys. 68, 45, equation 1.
    """
    if np.any((modulation < 0) | (modulation > 1)):
        raise SimulationError("a modulation amplitude (modulation factor x polarisation degree) lies outside 0..1")
    phi = np.empty(len(modulation))
    todo = np.arange(len(modulation))
    while len(todo):
        trial = rng.uniform(-np.pi, np.pi, len(todo))
        m = modulation[todo]
        kept = rng.random(len(todo)) * (1.0 + m) < 1.0 + m * np.cos(2.0 * (trial - angle[todo]))
        phi[todo[kept]] = trial[kept]
        todo = todo[~kept]
    return phi


def orbit_gti(start: float, exposure: float, *, period: float, visible: float) -> GTI:
    """Good times of an observation from low orbit: each orbit is interrupted by the Earth.

    Parameters
    ----------
    start : float
        Mission time (s) of the first good time.
    exposure : float
        Sum of good times (s) wanted.
    period : float
        Orbital period (s).
    visible : float
        Fraction of each orbit during which the source is seen, 0 < visible <= 1.

    Returns
    -------
    GTI
        As many whole orbits as fit, and a part of the last one.
    """
    from wolter.gti import GTI

    if not exposure > 0:
        raise SimulationError(f"the exposure is {exposure} s", cure="Give a positive exposure time.")
    if not (period > 0 and 0 < visible <= 1):
        raise SimulationError(f"orbits of {period} s with a visible fraction {visible} are impossible")
    span = period * visible
    number = int(np.ceil(exposure / span - 1e-12))
    begin = start + period * np.arange(number)
    end = begin + span
    end[-1] = begin[-1] + (exposure - span * (number - 1))
    return GTI(begin, end)


def times_in_gti(gti: GTI, number: int, rng: np.random.Generator) -> np.ndarray:
    """Sorted random times, uniform over the good time.

    Parameters
    ----------
    gti : GTI
    number : int
        How many.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (number,)
        Mission times (s), ascending.
    """
    length = gti.stop - gti.start
    passed = np.concatenate([[0.0], np.cumsum(length)])
    live = np.sort(rng.uniform(0.0, passed[-1], number))
    which = np.clip(np.searchsorted(passed, live, side="right") - 1, 0, len(length) - 1)
    return gti.start[which] + (live - passed[which])


def live_events(time: np.ndarray, dead_time: float) -> np.ndarray:
    """Which events a detector records that is blind for a fixed time after each recorded one.

    Parameters
    ----------
    time : ndarray, shape (n,)
        Arrival times (s), ascending.
    dead_time : float
        Blind time (s) after a recorded event; photons arriving meanwhile do not extend it.

    Returns
    -------
    ndarray of bool, shape (n,)

    Notes
    -----
    Only events closer to their predecessor than the dead time are looked at one by one: they are few.
    """
    kept = np.ones(len(time), dtype=bool)
    if dead_time <= 0 or len(time) < 2:
        return kept
    last = -np.inf
    for i in np.flatnonzero(np.diff(time) < dead_time):
        if kept[i]:
            last = time[i]
        kept[i + 1] = time[i + 1] - last >= dead_time
    return kept
