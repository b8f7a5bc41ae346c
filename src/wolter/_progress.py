"""Progress of long work, shown on stderr when a person is watching and silent otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

__all__ = ["track"]

T = TypeVar("T")
_PATIENCE = 1.0  # seconds of silence before a bar appears: short work should not flicker


def track(
    items: Iterable[T], description: str, *, total: int | None = None, enabled: bool | None = None
) -> Iterator[T]:
    """Iterate over items, with a progress bar on stderr once the work has lasted a second.

    Parameters
    ----------
    items : iterable
        What to go through; each step counts as one.
    description : str
        What is being done, in the present participle ("stepping through the grid").
    total : int, optional
        Number of steps; by default ``len(items)`` where it has one.
    enabled : bool, optional
        True always shows the bar, False never; by default it appears only on a terminal.

    Yields
    ------
    item
        The items, unchanged.
    """
    if enabled is None:
        enabled = sys.stderr.isatty()
    if not enabled:
        yield from items
        return
    if total is None and hasattr(items, "__len__"):
        total = len(items)  # type: ignore[arg-type]
    start = time.monotonic()
    bar = task = None
    try:
        for done, item in enumerate(items):
            if bar is None and time.monotonic() - start > _PATIENCE:
                from rich.console import Console
                from rich.progress import Progress

                bar = Progress(console=Console(stderr=True), transient=True)
                bar.start()
                task = bar.add_task(description, total=total)
            if bar is not None and task is not None:
                bar.update(task, completed=done)
            yield item
    finally:
        if bar is not None:
            bar.stop()
