"""`gtifilter()` and SAS's `gti()` for row expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from wolter.errors import GTIError
from wolter.gti.intervals import GTI
from wolter.gti.io import read_gti

__all__ = ["beside", "gtifilter"]


def beside(name: str, folder: str | Path | PathLike[str] | None) -> str:
    """A file named in an expression: in `folder` if it is there, else as it is written (``[extension]`` is kept)."""
    base = name.partition("[")[0].strip()
    return str(Path(folder) / name) if folder is not None and (Path(folder) / base).exists() else name


def gtifilter(
    own: GTI | None = None, *, folder: str | PathLike[str] | None = None, time: str = "TIME"
) -> Callable[[Sequence[Any], Mapping[str, Any]], np.ndarray]:
    """The function that row expressions call as ``gtifilter()``, ``gtifilter("file.gti")``, ``gti(file.gti, TIME)``.

    Parameters
    ----------
    own : GTI, optional
        The intervals of the table's own file: ``gtifilter()``.
    folder : path, optional
        Where files with a relative name are; those that are not there are taken as they are written.
    time : str
        Column of times if the expression names none.

    Returns
    -------
    callable
        To be passed as ``functions={"gtifilter": gtifilter(...), "gti": gtifilter(...)}``. It returns which times are
        good. Each file is read once.

    Raises
    ------
    GTIError
        From the call: no intervals of its own, no time column, wrong arguments; or from reading the file.
    """
    files: dict[str, GTI] = {}

    def apply(arguments: Sequence[Any], columns: Mapping[str, Any]) -> np.ndarray:
        name = arguments[0] if arguments else ""
        if not isinstance(name, str) or len(arguments) > 4:
            raise GTIError("gtifilter() takes a file name and the times", cure='Write gtifilter("file.gti", TIME).')
        if len(arguments) > 2 and [str(a).upper() for a in arguments[2:]] != ["START", "STOP"]:
            raise GTIError("the columns of good time intervals are START and STOP", cure="Leave their names out.")
        if len(arguments) >= 2:
            times = np.asarray(arguments[1], dtype=np.float64)
        elif time in columns:
            times = np.asarray(columns[time], dtype=np.float64)
        else:
            raise GTIError(f"there is no time column {time!r}", cure='Name it: gtifilter("file.gti", TIME).')
        if not name:
            if own is None:
                raise GTIError("the table has no good time intervals of its own", cure="Name a file in gtifilter().")
            return own.contains(times)
        if name not in files:
            files[name] = read_gti(beside(name, folder))
        return files[name].contains(times)

    return apply
