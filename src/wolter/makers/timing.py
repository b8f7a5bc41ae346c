"""Periods in light curves and event lists: periodogram, epoch folding, pulse profiles, by Stingray's algorithms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wolter.data.curves import to_stingray
from wolter.data.events import EventList
from wolter.data.light_curve import LightCurve
from wolter.errors import DataError
from wolter.units import is_quantity, to_seconds, to_value

__all__ = ["Folding", "Periodogram", "Profile", "epoch_folding", "fold", "periodogram"]


@dataclass(frozen=True, eq=False)
class Periodogram:
    """Power against frequency.

    Attributes
    ----------
    frequency : float64[n]
        Hz.
    power, error : float64[n]
    norm : str
        "leahy" (Poisson noise is 2), "frac" (rms/mean)²/Hz, "abs" or "none".
    averaged : int
        Number of spectra averaged.
    """

    frequency: NDArray[np.float64]
    power: NDArray[np.float64]
    error: NDArray[np.float64]
    norm: str
    averaged: int


@dataclass(frozen=True, eq=False)
class Folding:
    """Epoch folding: the statistic of each trial frequency.

    Attributes
    ----------
    frequency : float64[n]
        Hz.
    statistic : float64[n]
        χ² of the folded profile against a constant, nbin − 1 degrees of freedom (Leahy et al. 1983).
    nbin : int
    best : float
        Frequency of the largest statistic, Hz.
    probability : float
        Chance of at least that statistic without a signal, over all trials.
    """

    frequency: NDArray[np.float64]
    statistic: NDArray[np.float64]
    nbin: int
    best: float
    probability: float


@dataclass(frozen=True, eq=False)
class Profile:
    """Pulse profile.

    Attributes
    ----------
    phase : float64[n]
        Centres of the bins, 0..1.
    counts, error : float64[n]
        Events in each bin and their errors.
    """

    phase: NDArray[np.float64]
    counts: NDArray[np.float64]
    error: NDArray[np.float64]


def _stingray(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as exc:
        raise DataError("Stingray is not installed", cure="pip install 'wolter[timing]'") from exc


def periodogram(
    data: LightCurve | EventList,
    *,
    dt: Any = None,
    segment: Any = None,
    norm: Literal["leahy", "frac", "abs", "none"] = "leahy",
) -> Periodogram:
    """Power spectrum of a light curve or of events.

    Parameters
    ----------
    data : LightCurve or EventList
    dt : Quantity or float, optional
        Time resolution (a bare number is in s) for events.
    segment : Quantity or float, optional
        Length (a bare number is in s) of the segments whose power spectra are averaged; by default the longest good
        time interval is taken as one segment. Segments do not reach over gaps.
    norm : str
        See `Periodogram`.

    Returns
    -------
    Periodogram

    Raises
    ------
    DataError
        Stingray is missing, `dt` is not given for events, or no segment fits into the good time.
    """
    stingray = _stingray("stingray")
    if isinstance(data, EventList) and dt is None:
        raise DataError("a periodogram of events needs a time resolution", cure="Give dt= in seconds.")
    step = _in("s", dt, "dt") if dt is not None else data.timedel if isinstance(data, LightCurve) else 0.0
    if not step > 0:
        raise DataError(f"dt = {step} s; a positive time is meant")
    source = to_stingray(data)
    longest = float(np.max(np.diff(source.gti, axis=1)))
    length = longest if segment is None else _in("s", segment, "segment")
    if length > longest * (1 + 1e-9) or length < 2 * step:
        raise DataError(
            f"segments of {length:g} s do not fit: the longest good time interval has {longest:g} s, the resolution is "
            f"{step:g} s",
            cure="Give a shorter segment=, or a finer dt=.",
        )
    made = stingray.AveragedPowerspectrum(source, segment_size=length, dt=step, norm=norm, silent=True)
    error = np.asarray(made.power_err if made.power_err is not None else np.zeros(len(made.power)), dtype=float)
    return Periodogram(np.asarray(made.freq), np.asarray(made.power, dtype=float), error, norm, int(made.m))


def _in(unit: str, value: Any, name: str) -> Any:
    """Seconds or hertz of a Quantity (periods become frequencies); bare numbers are taken as they are.

    Raises
    ------
    UnitError
        For another kind of unit.
    """
    if not is_quantity(value):
        return np.asarray(value, dtype=float)[()]
    if unit == "Hz" and value.unit.is_equivalent("s"):
        return 1.0 / to_seconds(value, name)
    return np.asarray(to_value(value, unit, name), dtype=float)[()]


def epoch_folding(events: EventList, frequencies: ArrayLike, *, nbin: int = 32, fdot: float = 0.0) -> Folding:
    """Epoch folding search over trial frequencies.

    Parameters
    ----------
    events : EventList
        Selected events (barycentred, if that matters).
    frequencies : Quantity or float[n]
        Trial frequencies (bare numbers are in Hz) or periods.
    nbin : int
        Phase bins.
    fdot : float
        Frequency derivative, Hz/s.

    Returns
    -------
    Folding

    Raises
    ------
    DataError
        Stingray is missing, or there are no events or frequencies.
    """
    search = _stingray("stingray.pulse.search")
    trials = np.atleast_1d(_in("Hz", frequencies, "frequencies"))
    if not trials.size or not (trials > 0).all() or nbin < 2:
        raise DataError("epoch folding needs positive frequencies and two phase bins at least")
    time, gti = _times(events)
    reference = float(gti[0, 0])
    _, statistic = search.epoch_folding_search(
        time - reference, trials, nbin=nbin, segment_size=np.inf, gti=gti - reference, fdots=fdot, expocorr=False
    )
    statistic = np.asarray(statistic, dtype=float).ravel()
    best = int(np.argmax(statistic))
    stats = _stingray("stingray.stats")
    probability = float(stats.fold_profile_probability(statistic[best], nbin, ntrial=trials.size))
    return Folding(trials, statistic, nbin, float(trials[best]), probability)


def fold(events: EventList, frequency: Any, *, nbin: int = 32, fdot: float = 0.0, epoch: Any = None) -> Profile:
    """Pulse profile at one frequency.

    Parameters
    ----------
    events : EventList
    frequency : Quantity or float
        Frequency (a bare number is in Hz) or period, at `epoch`.
    nbin : int
    fdot : float
        Frequency derivative, Hz/s.
    epoch : Quantity or float, optional
        Mission time (a bare number is in s) of phase 0; by default the start of the good time.

    Returns
    -------
    Profile
    """
    pulsar = _stingray("stingray.pulse.pulsar")
    frequency = float(_in("Hz", frequency, "frequency"))
    if not (frequency > 0 and np.isfinite(frequency)):
        raise DataError(f"a frequency of {frequency} Hz cannot be folded", cure="Give a positive frequency or period.")
    time, gti = _times(events)
    reference = float(gti[0, 0]) if epoch is None else float(_in("s", epoch, "epoch"))
    phase, counts, error = pulsar.fold_events(
        time - reference, frequency, fdot, nbin=nbin, gti=gti - reference, ref_time=0.0, expocorr=False
    )
    return Profile(np.asarray(phase, float), np.asarray(counts, float), np.asarray(error, float))


def _times(events: EventList) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    time = np.sort(events.column(events.time_column).astype(float) + events.time_offset)
    if len(time) < 2:
        raise DataError("there are not two events to fold", file=events.path)
    return time, np.column_stack([events.gti.start, events.gti.stop])
