"""Polarisation angle and fraction against energy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.errors import DataError
from wolter.plot._style import COLOURS, COLUMN, INK, MARKERS, legend, new_figure, style
from wolter.plot.spectra import group_name, steps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from wolter.fit import Fit

__all__ = ["polarisation"]

_BINS = 8


def polarisation(
    fit: Fit,
    bins: Any = None,
    *,
    groups: Sequence[int] | None = None,
    separate: bool = False,
    title: str | None = None,
) -> Figure:
    """Polarisation angle and fraction against energy, with those of the folded model.

    Parameters
    ----------
    fit : Fit
        With triplets of Stokes I, Q, U spectra.
    bins : Quantity or int, optional
        Edges of energy bins, or their number; by default eight of equal width over the noticed range.
    groups : sequence of int, optional
        Data groups to use; by default all.
    separate : bool
        One set of points for each data group instead of their sum.
    title : str, optional

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        No energy bin can be drawn.
    FitError
        There are no triplets of Stokes spectra.
    """
    entries = [e for e in fit.dataset.spectra if e.spectrum.stokes in (0, 1, 2)]
    chosen = sorted({e.group for e in entries}) if groups is None else list(groups)
    edges = _default_bins(entries) if bins is None else bins
    sets: list[tuple[str, Any]] = []
    if separate and len(chosen) > 1:
        sets = [(group_name(entries, g), fit.polarisation([g], bins=edges)) for g in chosen]
    else:
        sets = [("", fit.polarisation(chosen, bins=edges))]
    figure = new_figure(COLUMN + 0.3, 3.7)
    figure.set_layout_engine("constrained", h_pad=0.02, hspace=0.0)
    upper, lower = figure.subplots(2, 1, sharex=True)
    for i, (name, data) in enumerate(sets):
        _draw(upper, data, "angle", 1.0, i, len(sets), name)
        _draw(lower, data, "fraction", 100.0, i, len(sets), name)
    if not upper.containers:
        raise DataError("no energy bin has a polarisation to draw")
    upper.set_ylabel("Polarisation angle (deg)")
    lower.set_ylabel("Polarisation degree (%)")
    lower.set_xlabel("Energy (keV)")
    # A faint bin may have an error of hundreds of per cent, which is no reason to squeeze the others.
    lower.set_ylim(0.0, min(1.05 * lower.get_ylim()[1], 130.0))
    for axes in (upper, lower):
        style(axes)
    upper.tick_params(labelbottom=False)
    _legend(upper, sets)
    if title:
        figure.suptitle(title, fontsize=10, color=INK)
    return figure


def _default_bins(entries: list[Any]) -> int | None:
    """Number of bins to draw; None for those of the spectra if they are few."""
    many = any(len(e.plan.bin_lo) > 2 * _BINS for e in entries)
    return _BINS if many else None


def _draw(axes: Any, data: Any, what: str, scale: float, i: int, number: int, name: str) -> None:
    y, error = scale * getattr(data, what), scale * getattr(data, f"{what}_err")
    good = np.isfinite(y) & np.isfinite(error)
    if not good.any():
        return
    colour = INK if number == 1 else COLOURS[i % len(COLOURS)]
    axes.errorbar(
        data.energy[good], y[good], xerr=data.energy_err[good], yerr=error[good], fmt=MARKERS[i % len(MARKERS)],
        color=colour, markersize=3, elinewidth=0.8, linewidth=0.8, capsize=0, zorder=3, label=name or "data",
    )  # fmt: skip
    model = scale * getattr(data, f"model_{what}")
    if np.isfinite(model).any():
        line = steps(data.energy - data.energy_err, data.energy + data.energy_err, model)
        axes.plot(*line, color=COLOURS[1] if number == 1 else colour, linewidth=1.3, zorder=4, label="model")


def _legend(axes: Any, sets: list[tuple[str, Any]]) -> None:
    from matplotlib.lines import Line2D

    if len(sets) == 1:
        handles = [
            Line2D([], [], color=INK, marker="o", markersize=3.5, linestyle="none", label="data"),
            Line2D([], [], color=COLOURS[1], linewidth=1.3, label="model"),
        ]
    else:
        handles = [
            Line2D(
                [], [], color=COLOURS[i % len(COLOURS)], marker=MARKERS[i % len(MARKERS)], markersize=3.5, label=name
            )
            for i, (name, _) in enumerate(sets)
        ]
    legend(axes, handles=handles, loc="best")
