"""Progress of long work, shown on stderr when a person is watching and silent otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["each", "track"]

T = TypeVar("T")
J = TypeVar("J")
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


def each(
    function: Callable[[J], T], jobs: Sequence[J], description: str, *, executor: Executor | None = None
) -> list[T]:
    """Results of a function of one argument for each job, with progress; in parallel where an executor is given.

    Parameters
    ----------
    function : callable
        For a process or distributed executor it must be importable.
    jobs : sequence
        Arguments.
    description : str
        What is being done, in the present participle.
    executor : concurrent.futures.Executor, optional
        Runs the jobs; without one they run here, one after the other.
    """
    return list(track((executor.map if executor else map)(function, jobs), description, total=len(jobs)))
