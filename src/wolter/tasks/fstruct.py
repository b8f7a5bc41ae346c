"""The task ``fstruct``: the structure of a FITS file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wolter import fits
from wolter.tasks import _listing
from wolter.tasks._output import show
from wolter.tasks.registry import Parameter, Task, TaskResult

__all__ = ["TASK"]


def _run(p: Mapping[str, Any], result: TaskResult) -> None:
    name = fits.parse_name(str(p["infile"]))
    with fits.open(name.path) as file:
        lines = _listing.structure(_listing.chosen_hdus(file, name), with_columns=p["colinfo"])
    show(result, lines, p["outfile"], p["clobber"])


TASK = Task(
    "fstruct",
    (
        Parameter("infile", "f", ..., "FITS file; with an extension, file[EVENTS], only that one"),
        Parameter("outfile", "f", "STDOUT", "text file to write", hidden=True),
        Parameter("colinfo", "b", True, "list the columns of tables", hidden=True),
        Parameter("clobber", "b", False, "replace an existing text file", hidden=True),
    ),
    _run,
    "The HDUs of a FITS file and the columns of its tables.",
)
