"""The task ``fkeyprint``: a keyword in all HDUs of a file."""

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
    key = str(p["keynam"]).strip().upper()
    lines = [f"# FILE: {name.path}", f"# KEYNAME: {key}", ""]
    with fits.open(name.path) as file:
        for hdu in _listing.chosen_hdus(file, name):
            lines += [f"# EXTENSION:    {hdu.index}"]
            for card in _listing.cards(hdu.header):
                word = card[:8].strip()
                if word == key or (not p["exact"] and word.startswith(key)):
                    lines.append(card)
            lines.append("")
    show(result, lines[:-1], p["outfile"], p["clobber"])


TASK = Task(
    "fkeyprint",
    (
        Parameter("infile", "f", ..., "FITS file; with an extension, file[EVENTS], only that one"),
        Parameter("keynam", "s", ..., "keyword, or its beginning"),
        Parameter("outfile", "f", "STDOUT", "text file to write", hidden=True),
        Parameter("exact", "b", False, "only the keyword of exactly that name", hidden=True),
        Parameter("clobber", "b", False, "replace an existing text file", hidden=True),
    ),
    _run,
    "Prints the cards of a keyword from all headers of a file.",
)
