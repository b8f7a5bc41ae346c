"""One pass over an event list feeds any number of products.

Reading and decompressing an event file is most of the work of extraction, so products are accumulators that are fed
together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wolter.data.events import GOOD, EventList

__all__ = ["Accumulator", "run_pass"]


class Accumulator(Protocol):
    """What a product must offer to be fed from a pass over events."""

    @property
    def columns(self) -> Sequence[str]:
        """Columns it needs of each selected event.

        With `GOOD` among them it copes with rows that are not selected; where that column comes, it says which are.
        """
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
    columns = list(dict.fromkeys(name for a in accumulators for name in a.columns))
    if GOOD in columns and not all(GOOD in a.columns for a in accumulators):
        columns.remove(GOOD)
    number = 0
    for part in events.chunks(columns):
        if GOOD in part:
            number += int(np.count_nonzero(part[GOOD]))
        elif part:
            number += len(next(iter(part.values())))
        for accumulator in accumulators:
            accumulator.add(part)
    return number
