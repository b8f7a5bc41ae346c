"""One pass over an event list feeds any number of products.

Reading and decompressing an event file is most of the work of extraction, so products are accumulators that are fed
together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from wolter.data.events import EventList

__all__ = ["Accumulator", "run_pass"]


class Accumulator(Protocol):
    """What a product must offer to be fed from a pass over events."""

    @property
    def columns(self) -> Sequence[str]:
        """Columns it needs of each selected event."""
        ...

    def add(self, part: Mapping[str, NDArray[Any]]) -> None:
        """Take the selected events of one chunk."""
        ...


def run_pass(events: EventList, accumulators: Sequence[Accumulator]) -> int:
    """Feed accumulators with all selected events, in file order.

    Parameters
    ----------
    events : EventList
        Selected events.
    accumulators : sequence of Accumulator
        Products to fill.

    Returns
    -------
    int
        Number of selected events.
    """
    columns = tuple(dict.fromkeys(name for a in accumulators for name in a.columns))
    number = 0
    for part in events.chunks(columns):
        number += len(next(iter(part.values()))) if part else 0
        for accumulator in accumulators:
            accumulator.add(part)
    return number
