"""The task ``ftcopy``: copies a FITS file, with row filters and a choice of columns.

Of cfitsio's column filter ``[col ...]`` the choice of columns is done: ``[col TIME;PI]`` keeps these, ``[col -PHA]``
leaves one out, ``[col *;-PHA]`` likewise. New columns by formulas, and binning, are not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from wolter import fits
from wolter.data.rows import filter_table
from wolter.errors import FitsError, ParameterError
from wolter.tasks._listing import match
from wolter.tasks._output import refuse_input, target
from wolter.tasks.registry import Parameter, Task, TaskResult

__all__ = ["TASK"]

_COLUMNS = re.compile(r"\[\s*col\s+([^\[\]]*)\]", re.IGNORECASE)


def _interesting(file: fits.FitsFile) -> int:
    """The HDU that cfitsio opens when none is named: the first image with data, else the first table that is no GTI."""
    for hdu in file.hdus:
        if isinstance(hdu, fits.TableHDU):
            if "GTI" not in hdu.name.upper():
                return hdu.index
        elif hdu.shape:
            return hdu.index
    return 0


def _chosen_columns(table: fits.TableHDU, text: str) -> list[str]:
    """Columns that ``col ...`` leaves, in its order."""
    every = [c.name for c in table.columns.values()]
    words = [w.strip() for w in re.split(r"[;,]", text) if w.strip()]
    for word in words:
        if not re.fullmatch(r"[-!]?[\w*?#]+", word):
            raise ParameterError(
                f"the column filter {word!r} is not done here",
                cure="Columns can be chosen: [col TIME;PI], or left out: [col -PHA].",
            )
    wanted = [w for w in words if w[0] not in "-!"]
    kept = [] if wanted else list(every)
    for word in wanted:
        found = [n for n in every if match(n, word)]
        if not found:
            table.columns.index(word)  # raises, naming those that there are
        kept += [n for n in found if n not in kept]
    for word in (w[1:] for w in words if w[0] in "-!"):
        if not any(match(n, word) for n in every):
            table.columns.index(word)
        kept = [n for n in kept if not match(n, word)]
    if not kept:
        raise ParameterError(f"the column filter {text!r} leaves no column")
    return kept


def _with_columns(table: fits.TableHDU, names: list[str]) -> fits.TableHDU:
    """Table of some columns, in the formats that they have."""
    data: dict[str, Any] = {}
    columns = {}
    for name in names:
        column = table.columns[name]
        stored = column.replace(scale=1.0, zero=0.0) if column.scale != 1.0 else column
        if stored is not column:
            raise FitsError(
                f"the scaled column {name} cannot be copied alone", file=table.file, hdu=table.label,
                cure="Copy all columns.",
            )  # fmt: skip
        data[name] = table.read_ragged(name) if "P" in column.format or "Q" in column.format else table.read(name)
        columns[name] = column
    return fits.new_table(table.name, data, columns=columns, header=table.header)


def _run(p: Mapping[str, Any], result: TaskResult) -> None:
    text = str(p["infile"])
    spec = _COLUMNS.search(text)
    name = fits.parse_name(_COLUMNS.sub("", text))
    out, overwrite = target(p["outfile"], p["clobber"])
    refuse_input(out, name.path)
    filtered = name.has_filter or spec is not None
    with fits.open(name.without_filter()) as file:
        if name.ext is None:
            place = _interesting(file)
        else:
            asked: Any = (name.ext, name.ver) if name.ver and isinstance(name.ext, str) else name.ext
            place = file[asked].index
        hdus = list(file.hdus)
        made: Any = hdus[place]
        if filtered and not isinstance(made, fits.TableHDU):
            raise ParameterError(f"the HDU {made.label} is an image; only tables have rows and columns")
        if filtered:
            before = made.nrows
            made = filter_table(made, name, file=file)
            if spec is not None:
                made = _with_columns(made, _chosen_columns(made, spec[1]))
            result.messages.append(f"{made.nrows} of {before} rows, {len(made.columns)} columns")
        provenance = fits.Provenance("ftcopy", {"infile": text}, [name.path])
        if p["copyall"]:
            hdus[place] = made
        else:
            hdus = [made] if isinstance(made, fits.ImageHDU) else [fits.primary(), made]
        fits.write(out, hdus, overwrite=overwrite, provenance=provenance)
    result.products["file"] = out


TASK = Task(
    "ftcopy",
    (
        Parameter("infile", "f", ..., "FITS file; file[EXT][row filter][col TIME;PI] copies a part of a table"),
        Parameter("outfile", "f", ..., "file to write; !name replaces an existing one"),
        Parameter("copyall", "b", True, "copy the other HDUs too", hidden=True),
        Parameter("clobber", "b", False, "replace an existing file", hidden=True),
        Parameter("history", "b", False, "accepted: the history is always written", hidden=True),
    ),
    _run,
    "Copies a FITS file; of one table only some rows or columns, if the name says so.",
)
