"""Sums over the events of each PI channel that every polarimetric product is made of.

Stokes spectra and polarisation cubes need nothing of an event list beyond these seven sums, so one pass over the
events serves both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wolter.data.events import EventList
from wolter.errors import DataError
from wolter.makers.passes import run_pass

__all__ = ["StokesAccumulator", "StokesSums", "stokes_columns", "stokes_sums"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class StokesSums:
    """Per-channel sums of event weights and Stokes parameters.

    Attributes
    ----------
    first_channel : int
        Channel number of element 0.
    n : ndarray of int64, shape (nch,)
        Number of events.
    w, w2, wq, wu, wq2, wu2 : ndarray of float64, shape (nch,)
        Sums of w, w², w q, w u, (w q)² and (w u)², where w is the weight of an event and q, u its Stokes columns
        (2 cos 2phi, 2 sin 2phi).
    """

    first_channel: int
    n: NDArray[np.int64]
    w: Floats
    w2: Floats
    wq: Floats
    wu: Floats
    wq2: Floats
    wu2: Floats

    @property
    def channel(self) -> NDArray[np.int64]:
        """Channel numbers."""
        return np.arange(self.first_channel, self.first_channel + len(self.n))


def stokes_columns(events: EventList, *, weighted: bool, weight: str | None = None) -> tuple[str | None, str, str]:
    """Names of the weight, Q and U columns of an event list.

    Parameters
    ----------
    events : EventList
        The events.
    weighted : bool
        Whether the weight column is needed.
    weight : str, optional
        Name of the weight column; by default the mission's.

    Returns
    -------
    tuple
        (weight or None, q, u).

    Raises
    ------
    DataError
        If the mission has no such columns, or the file lacks one.
    """
    spec = events.mission.columns
    q = spec.q or next((c for c in ("Q",) if c in events.columns), None)
    u = spec.u or next((c for c in ("U",) if c in events.columns), None)
    name = weight or spec.weight
    wanted = {"Q": q, "U": u} | ({"weight": name} if weighted else {})
    for what, column in wanted.items():
        if column is None or column not in events.columns:
            called = f"column {column!r}" if column else f"{what} column"
            raise DataError(
                f"the event list has no {called}, which Stokes products need (it has {', '.join(events.columns)})",
                file=events.path,
                hdu=events.hdu_name,
                cure="Use level-2 events with Stokes columns"
                + (", or weighting='unweighted'." if what == "weight" else "."),
            )
    return (name if weighted else None), str(q), str(u)


class StokesAccumulator:
    """Collects `StokesSums` from the chunks of one pass over an event list."""

    def __init__(
        self,
        events: EventList,
        *,
        weighted: bool,
        weight: str | None = None,
        column: str | None = None,
        first: int | None = None,
        last: int | None = None,
    ) -> None:
        self._weight, self._q, self._u = stokes_columns(events, weighted=weighted, weight=weight)
        self._energy = column or events.energy_column
        lo, hi = events.channels_of(self._energy)
        self._lo = lo if first is None else first
        self._size = (hi if last is None else last) - self._lo + 1
        self._n = np.zeros(self._size, dtype=np.int64)
        self._sums = np.zeros((6, self._size))
        self._place = {"file": events.path, "hdu": events.hdu_name}

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns needed of each selected event."""
        names = (self._energy, self._q, self._u)
        return (*names, self._weight) if self._weight else names

    def add(self, part: Mapping[str, NDArray[Any]]) -> None:
        """Add the selected events of one chunk.

        Raises
        ------
        DataError
            For weights or Stokes parameters that are not finite.
        """
        channel = channel_index(part[self._energy], self._lo, self._size)
        inside = channel >= 0
        if not inside.all():
            channel = channel[inside]
        q = self._finite(part, self._q)[inside]
        u = self._finite(part, self._u)[inside]
        if self._weight is None:
            w = np.ones(len(channel))
        else:
            w = self._finite(part, self._weight)[inside]
        wq, wu = w * q, w * u
        self._n += np.bincount(channel, minlength=self._size)
        for row, values in zip(self._sums, (w, w * w, wq, wu, wq * wq, wu * wu), strict=True):
            row += np.bincount(channel, weights=values, minlength=self._size)

    def _finite(self, part: Mapping[str, NDArray[Any]], name: str) -> Floats:
        values = part[name].astype(np.float64)
        if not np.isfinite(values).all():
            bad = int(np.count_nonzero(~np.isfinite(values)))
            raise DataError(
                f"column {name} is NaN or infinite for {bad} selected event(s)",
                cure=f"Remove them, for example with select(expression='{name} > -1e30'), or repair the file.",
                **self._place,
            )
        return values

    def result(self) -> StokesSums:
        """The sums of everything added."""
        return StokesSums(self._lo, self._n, *self._sums)


def channel_index(values: NDArray[Any], lo: int, size: int) -> NDArray[np.int64]:
    """Index of each event's channel, −1 for events outside the channels of the spectrum.

    PI columns of floats hold whole numbers; they are rounded to the nearest.
    """
    if values.dtype.kind == "f":
        values = np.floor(values + 0.5)
        values = np.where(np.isfinite(values), values, lo - 1)
    index = values.astype(np.int64) - lo
    index[(index < 0) | (index >= size)] = -1
    return index


def stokes_sums(events: EventList, *, weighted: bool = True, weight: str | None = None) -> StokesSums:
    """Per-channel sums of an event list, in one pass.

    Parameters
    ----------
    events : EventList
        Selected events.
    weighted : bool
        False gives every event the weight 1.
    weight : str, optional
        Name of the weight column; by default the mission's.
    """
    accumulator = StokesAccumulator(events, weighted=weighted, weight=weight)
    run_pass(events, [accumulator])
    return accumulator.result()
