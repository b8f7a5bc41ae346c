"""Plotted spectra as files: QDP, as XSPEC's "wdata" writes them, and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wolter.errors import OutputError
from wolter.fit.tables import write_csv
from wolter.fits import atomic_path

if TYPE_CHECKING:
    from wolter.fit.plotdata import PlotData

__all__ = ["plot_columns", "qdp_text", "write_plot_data"]

_X_LABEL = {"keV": "Energy (keV)", "channel": "Channel"}


def plot_columns(spectra: Sequence[PlotData]) -> dict[str, np.ndarray]:
    """Columns of several plotted spectra one below the other, the number of the spectrum in the first.

    Returns
    -------
    dict of array
        spectrum, group, x, xerr, y, yerr, model, background (NaN without one), residual, e_lo, e_hi, area.
    """
    out: dict[str, list[np.ndarray]] = {}
    for number, data in enumerate(spectra, start=1):
        count = len(data.x)
        columns = {"spectrum": np.full(count, data.spectra[0] if len(data.spectra) == 1 else number)}
        columns["group"] = np.full(count, data.group)
        for name in ("x", "xerr", "y", "yerr", "model"):
            columns[name] = getattr(data, name)
        columns["background"] = np.full(count, np.nan) if data.background is None else data.background
        for name in ("residual", "e_lo", "e_hi", "area"):
            columns[name] = getattr(data, name)
        for name, values in columns.items():
            out.setdefault(name, []).append(values)
    return {name: np.concatenate(parts) for name, parts in out.items()}


def qdp_text(spectra: Sequence[PlotData], *, title: str = "") -> str:
    """Plotted spectra in the QDP format: x, its error, y, its error, model, and background if there is one.

    Spectra are separated by ``NO`` lines, the numbers have ten digits.
    """
    background = any(d.background is not None for d in spectra)
    first = spectra[0]
    # comments, not LAB commands: those keep other readers of the format from the data
    lines = ["READ SERR 1 2"]
    if title:
        lines.append(f"! {title}")
    lines.append(f"! x: {_X_LABEL.get(first.x_unit, first.x_unit)}, y: {first.unit}")
    lines.append("! x  x error  y  y error  model" + ("  background" if background else ""))
    for number, data in enumerate(spectra):
        columns = [data.x, data.xerr, data.y, data.yerr, data.model]
        if background:
            columns.append(np.full(len(data.x), np.nan) if data.background is None else data.background)
        if number:
            lines.append(" ".join(["NO"] * len(columns)))
        lines += [" ".join("NO" if np.isnan(v) else f"{v:.9E}" for v in row) for row in zip(*columns, strict=True)]
    return "\n".join(lines) + "\n"


def write_plot_data(
    spectra: PlotData | Sequence[PlotData], path: str | PathLike[str], *, title: str = "", overwrite: bool = False
) -> Path:
    """Write plotted spectra as .qdp or .csv, whichever the name ends in.

    Parameters
    ----------
    spectra : PlotData or sequence of PlotData
        From `Fit.plot_data`.
    path : path-like
        File.
    title : str
        Of the QDP plot.
    overwrite : bool
        Replace the file if it exists.

    Raises
    ------
    OutputError
        For another ending, nothing to write, or if the file exists and `overwrite` is false.
    """
    every = list(spectra) if isinstance(spectra, Sequence) else [spectra]
    ending = Path(path).suffix.lower()
    if ending not in (".qdp", ".csv") or not every:
        what = "no spectrum" if not every else f"as {ending or 'a file without ending'}"
        raise OutputError(f"plot data cannot be written: {what}", file=path, cure="Name the file .qdp or .csv.")
    with atomic_path(path, overwrite=overwrite) as temporary:
        if ending == ".qdp":
            temporary.write_text(qdp_text(every, title=title), encoding="utf-8")
        else:
            write_csv(plot_columns(every), temporary)
    return Path(path)
