"""The task ``fversion``: which software this is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wolter._version import __version__
from wolter.tasks._output import show
from wolter.tasks.registry import Parameter, Task, TaskResult

__all__ = ["TASK"]


def _run(p: Mapping[str, Any], result: TaskResult) -> None:
    show(result, [f"Wolter {__version__}"], p["outfile"], True)


TASK = Task(
    "fversion",
    (Parameter("outfile", "f", "STDOUT", "text file to write", hidden=True),),
    _run,
    "Name and version of the software.",
)
