"""The task ``ftlist``: HDUs, columns, keywords, pixels and table rows of a FITS file, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wolter import fits
from wolter.data.rows import filter_table
from wolter.errors import ParameterError
from wolter.tasks import _listing
from wolter.tasks._output import show
from wolter.tasks.registry import Parameter, Task, TaskResult

__all__ = ["TASK"]


def _run(p: Mapping[str, Any], result: TaskResult) -> None:
    letters = str(p["option"] or "HC").upper()
    for letter in letters:
        if letter not in "HCKIT, ":
            raise ParameterError(f"ftlist: option {letter} is unknown", cure="Known are H, C, K, I and T.")
    name = fits.parse_name(str(p["infile"]))
    lines: list[str] = []
    with fits.open(name.path) as file:
        hdus = _listing.chosen_hdus(file, name)
        if name.ext is None and name.has_filter:
            raise ParameterError("a row filter needs an extension", cure="Write file.fits[EVENTS][PI > 50].")
        if "H" in letters:
            lines += _listing.structure(hdus)
        for hdu in hdus:
            if name.has_filter and isinstance(hdu, fits.TableHDU):
                hdu = filter_table(hdu, name, file=file)
            lines += _of_hdu(hdu, letters, p, title=len(hdus) > 1 or len(letters.strip()) > 1)
    show(result, lines, p["outfile"], p["clobber"])


def _of_hdu(hdu: Any, letters: str, p: Mapping[str, Any], *, title: bool) -> list[str]:
    """What is asked for of one HDU."""
    lines: list[str] = []
    is_table = isinstance(hdu, fits.TableHDU)
    if "C" in letters and is_table:
        lines += _listing.columns(hdu)
    if "K" in letters:
        lines += _listing.cards(hdu.header, p["include"] or "*", p["exclude"])
    if "I" in letters and not is_table and hdu.shape:
        lines += _listing.image(hdu, p["section"])
    if "T" in letters and is_table:
        lines += _listing.table(
            hdu,
            names=p["columns"],
            rows=p["rows"],
            vector=p["vector"],
            separator=p["separator"],
            rownum=p["rownum"],
            colheader=p["colheader"],
        )
    return ["", f"HDU {hdu.index}  {hdu.name}", *lines] if lines and title else lines


class _Separator(Parameter):
    """A text of which blanks matter."""

    def _convert(self, value: Any) -> Any:
        return " " if value is None or value == "" else str(value)


TASK = Task(
    "ftlist",
    (
        Parameter("infile", "f", ..., "FITS file; file[EXT] for one HDU, file[EXT][filter] for some of its rows"),
        Parameter("option", "s", "HC", "letters of H (HDUs), C (columns), K (keywords), I (image), T (table)"),
        Parameter("outfile", "f", "-", "text file to write", hidden=True),
        Parameter("clobber", "b", False, "replace an existing text file", hidden=True),
        Parameter("include", "s", "*", "keywords to list, e.g. NAXIS*,EXP*", hidden=True),
        Parameter("exclude", "s", "", "keywords to leave out", hidden=True),
        Parameter("section", "s", "*", "part of an image, e.g. 2:8,1:10", hidden=True),
        Parameter("columns", "s", "*", "columns to list, e.g. TIME,PI", hidden=True),
        Parameter("rows", "s", "-", "rows to list, e.g. 2,6-8", hidden=True),
        Parameter("vector", "s", "-", "elements of array columns to list, e.g. 1-5", hidden=True),
        _Separator("separator", "s", " ", "text between columns", hidden=True),
        Parameter("rownum", "b", True, "row numbers", hidden=True),
        Parameter("colheader", "b", True, "names and units of the columns above them", hidden=True),
    ),
    _run,
    "Lists the contents of a FITS file.",
)
