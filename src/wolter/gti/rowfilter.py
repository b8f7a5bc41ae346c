"""`gtifilter()` and SAS's `gti()` for row expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wolter.errors import GTIError
from wolter.gti.intervals import GTI
from wolter.gti.io import read_gti

__all__ = ["gtifilter"]


def gtifilter(
    own: GTI | None = None, *, folder: str | Path | None = None, time: str = "TIME"
) -> Callable[[Sequence[Any], Mapping[str, Any]], np.ndarray]:
    """The function that row expressions call as ``gtifilter()``, ``gtifilter("file.gti")``, ``gti(file.gti, TIME)``.

    Parameters
    ----------
    own : GTI, optional
        The intervals of the table's own file: ``gtifilter()``.
    folder : path, optional
        Where files with a relative name are; by default the current folder.
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
        if not isinstance(name, str) or len(arguments) > 2:
            raise GTIError("gtifilter() takes a file name and the times", cure='Write gtifilter("file.gti", TIME).')
        if len(arguments) == 2:
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
            path = name if folder is None else str(Path(folder) / name)
            files[name] = read_gti(path)
        return files[name].contains(times)

    return apply
