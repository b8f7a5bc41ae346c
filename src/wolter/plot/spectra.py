"""Spectra with folded models and residuals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from wolter.errors import DataError
from wolter.plot._style import (
    COLOURS,
    COLUMN,
    DOUBLE,
    INK,
    MARKERS,
    MUTED,
    decade_labels,
    legend,
    new_figure,
    scaled_ticks,
    style,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from wolter.fit import Fit

__all__ = ["spectrum"]

Residuals = Literal["delchi", "ratio", "resid"]
_RESIDUAL_LABELS = {"delchi": "Residual ($\\sigma$)", "ratio": "Data / model", "resid": "Data $-$ model"}
_STOKES = ("I", "Q", "U")


def spectrum(
    fit: Fit,
    spectra: Sequence[int] | None = None,
    *,
    x: Literal["keV", "channel"] = "keV",
    area: bool = False,
    residuals: Residuals = "delchi",
    rebin: tuple[float, int] | Literal["auto"] | None = "auto",
    background: bool = False,
    title: str | None = None,
) -> Figure:
    """Data, folded model and residuals.

    Stokes I (and spectra without Stokes parameter) stand on logarithmic axes; Q and U, if there are any, in panels of
    their own on linear ones.

    Parameters
    ----------
    fit : Fit
    spectra : sequence of int, optional
        Numbers of the spectra to draw, from one; by default all.
    x : {"keV", "channel"}
        Abscissa.
    area : bool
        Divide by the effective area for a flat spectrum (count/cm²/s/keV).
    residuals : {"delchi", "ratio", "resid"}
        (data - model) / error, data / model, or data - model.
    rebin : (min_sigma, max_bins), "auto" or None
        Join neighbouring bins for the figure alone: until their sum is so significant, or so many are joined. "auto"
        joins until not more than 100 bins are left (60 where several data sets overlap, 15 for Q and U); None draws
        every bin of the fit.
    background : bool
        Draw the background that was subtracted, scaled to the source region.
    title : str, optional

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        No spectrum of these numbers, or residuals of an unknown kind.
    """
    if residuals not in _RESIDUAL_LABELS:
        raise DataError(f"residuals {residuals!r} are not known", cure="Use delchi, ratio or resid.")
    entries = [e for e in fit.dataset.spectra if spectra is None or e.number in spectra]
    if not entries:
        raise DataError(
            f"there is no spectrum with a number in {list(spectra or [])}",
            cure=f"The fit has spectra 1 to {len(fit.dataset.spectra)}.",
        )
    columns = [s for s in (0, 1, 2) if any((e.spectrum.stokes or 0) == s for e in entries)]
    figure, panels = _panels(columns)
    look = _Look([e.group for e in entries])
    for stokes, (top, bottom) in zip(columns, panels, strict=True):
        for entry in (e for e in entries if (e.spectrum.stokes or 0) == stokes):
            binning = _binning(rebin, len(entry.plan.bin_lo), stokes, len(look.order))
            data = fit.plot_data(entry.number, x=x, area=area, rebin=binning)
            _draw(top, bottom, data, look, entry, residuals, background and stokes == 0)
        _finish(top, bottom, stokes, x, residuals, _unit(area, x), len(columns) > 1)
    if columns[-2:] == [1, 2]:
        _same_limits([panels[-2][0], panels[-1][0]])
    if residuals == "delchi":
        _same_limits([bottom for _, bottom in panels])
    _labels(panels[0][0], entries, look, background)
    if title:
        figure.suptitle(title, fontsize=10, color=INK)
    return figure


class _Look:
    """Colour and marker of each data group."""

    def __init__(self, groups: list[int]) -> None:
        self.order = list(dict.fromkeys(groups))

    def colour(self, group: int) -> str:
        return INK if len(self.order) == 1 else COLOURS[self.order.index(group) % len(COLOURS)]

    def line(self, group: int) -> str:
        """Colour of the model: another than that of the data where there is one data set only."""
        return COLOURS[1] if len(self.order) == 1 else self.colour(group)

    def marker(self, group: int) -> str:
        return MARKERS[self.order.index(group) % len(MARKERS)]


def _panels(columns: list[int]) -> tuple[Figure, list[tuple[Any, Any]]]:
    number = len(columns)
    figure = new_figure(DOUBLE if number > 1 else COLUMN + 0.5, 3.4 if number > 1 else 3.6)
    figure.set_layout_engine("constrained", h_pad=0.02, hspace=0.0, w_pad=0.03)
    grid = figure.add_gridspec(2, number, height_ratios=(2.6, 1.0), width_ratios=[1.0] * number)
    panels = []
    for i in range(number):
        top = style(figure.add_subplot(grid[0, i]))
        bottom = style(figure.add_subplot(grid[1, i], sharex=top))
        top.tick_params(labelbottom=False)
        panels.append((top, bottom))
    return figure, panels


def _binning(rebin: Any, number: int, stokes: int, sets: int) -> tuple[float, int] | None:
    if rebin is None or isinstance(rebin, tuple):
        return rebin
    if rebin != "auto":
        raise DataError(f"rebin {rebin!r} is not understood", cure="Give (min_sigma, max_bins), 'auto' or None.")
    # By number alone: stopping where the sum becomes significant would pick out fluctuations of faint bins.
    wanted = 15 if stokes else 100 if sets == 1 else 60
    return None if number <= wanted else (1e30, math.ceil(number / wanted))


def steps(lo: np.ndarray, hi: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners of a histogram; where bins do not touch the line is interrupted."""
    order = np.argsort(lo, kind="stable")
    lo, hi, y = lo[order], hi[order], y[order]
    xs, ys = np.repeat(np.c_[lo, hi].ravel(), 1), np.repeat(y, 2)
    gaps = np.flatnonzero(np.abs(lo[1:] - hi[:-1]) > 1e-6 * np.abs(hi[:-1])) + 1
    return np.insert(xs, 2 * gaps, np.nan), np.insert(ys, 2 * gaps, np.nan)


def _draw(top: Any, bottom: Any, data: Any, look: _Look, entry: Any, residuals: str, background: bool) -> None:
    group = entry.group
    colour = look.colour(group)
    bars: dict[str, Any] = {"fmt": look.marker(group), "color": colour, "markersize": 2.4}
    bars |= {"elinewidth": 0.7, "linewidth": 0.7, "capsize": 0, "alpha": 0.8, "zorder": 3}
    top.errorbar(data.x, data.y, xerr=data.xerr, yerr=data.yerr, label="data", **bars)
    lo, hi = data.x - data.xerr, data.x + data.xerr
    top.plot(*steps(lo, hi, data.model), color=look.line(group), linewidth=1.3, zorder=4, label="model")
    if background and data.background is not None:
        top.plot(
            *steps(lo, hi, data.background),
            color=colour,
            linewidth=0.9,
            linestyle=(0, (1, 1)),
            zorder=2,
            label="background",
        )
    if residuals == "delchi":
        y, error = data.residual, np.ones_like(data.residual)
    elif residuals == "ratio":
        y, error = data.ratio, data.ratio_error
    else:
        y, error = data.y - data.model, data.yerr
    bottom.errorbar(data.x, y, xerr=data.xerr, yerr=error, label="residual", **bars)


def _finish(top: Any, bottom: Any, stokes: int, x: str, residuals: str, unit: str, several: bool) -> None:
    logarithmic = stokes == 0
    if logarithmic:
        top.set_yscale("log")
        _positive_limits(top)
        decade_labels(top.yaxis, *top.get_ylim())
        if x == "keV":
            top.set_xscale("log")
    else:
        top.axhline(0.0, color=MUTED, linewidth=0.6, zorder=1)
    _tight(top, logarithmic and x == "keV")
    if logarithmic and x == "keV":
        decade_labels(bottom.xaxis, *top.get_xlim())
        top.tick_params(which="both", labelbottom=False)
    bottom.axhline(1.0 if residuals == "ratio" else 0.0, color=MUTED, linewidth=0.8, zorder=1)
    if residuals != "ratio":
        reach = max(abs(v) for v in bottom.get_ylim())
        bottom.set_ylim(-reach, reach)
    bottom.set_xlabel("Energy (keV)" if x == "keV" else "Channel")
    power = "" if logarithmic else scaled_ticks(top.yaxis, *top.get_ylim())
    top.set_ylabel(f"{_STOKES[stokes] if several else 'Rate'} ({power}{unit})")
    if residuals == "resid":
        power = scaled_ticks(bottom.yaxis, *bottom.get_ylim())
        bottom.set_ylabel(
            f"{_RESIDUAL_LABELS[residuals]}\n({power.strip() or '1'})" if power else _RESIDUAL_LABELS[residuals]
        )
    elif stokes == 0:
        bottom.set_ylabel(_RESIDUAL_LABELS[residuals])
    style(top)
    style(bottom)


def _positive_limits(axes: Any) -> None:
    """Limits of a logarithmic axis from the points, not from error bars that reach below zero."""
    low, high = math.inf, 0.0
    for line in axes.get_lines():
        y = np.asarray(line.get_ydata(), dtype=float)
        y = y[np.isfinite(y) & (y > 0)]
        if y.size and line.get_label() != "background":
            low, high = min(low, float(y.min())), max(high, float(y.max()))
    for container in axes.containers:
        y = np.asarray(container[0].get_ydata(), dtype=float)
        y = y[np.isfinite(y) & (y > 0)]
        if y.size:
            low, high = min(low, float(y.min())), max(high, float(y.max()))
    if high > 0:
        axes.set_ylim(max(low / 2.0, high * 1e-7), high * 2.0)


def _tight(axes: Any, logarithmic: bool) -> None:
    """Abscissa limits just outside the bins."""
    edges = []
    for container in axes.containers:
        for bars in container[2]:
            for segment in bars.get_segments():
                edges.append(segment[:, 0])
    if not edges:
        return
    values = np.concatenate(edges)
    if logarithmic:
        values = values[values > 0]  # a first bin may begin at zero
    lo, hi = float(np.nanmin(values)), float(np.nanmax(values))
    if logarithmic:
        axes.set_xlim(lo / 1.04, hi * 1.04)
    else:
        margin = 0.03 * (hi - lo)
        axes.set_xlim(lo - margin, hi + margin)


def _same_limits(panels: list[Any]) -> None:
    low = min(axes.get_ylim()[0] for axes in panels)
    high = max(axes.get_ylim()[1] for axes in panels)
    for axes in panels:
        axes.set_ylim(low, high)


def _unit(area: bool, x: str) -> str:
    per = "keV$^{-1}$" if x == "keV" else "channel$^{-1}$"
    return r"count " + (r"cm$^{-2}$ " if area else "") + r"s$^{-1}$ " + per


def _labels(axes: Any, entries: list[Any], look: _Look, background: bool) -> None:
    """Legend: which colour is which detector."""
    from matplotlib.lines import Line2D

    handles: list[Any] = []
    if len(look.order) > 1:
        for group in look.order:
            handles.append(
                Line2D(
                    [],
                    [],
                    color=look.colour(group),
                    marker=look.marker(group),
                    markersize=3.5,
                    linewidth=1.3,
                    label=group_name(entries, group),
                )
            )
    else:
        group = look.order[0]
        handles = [
            Line2D([], [], color=look.colour(group), marker="o", markersize=3.5, linestyle="none", label="data"),
            Line2D([], [], color=look.line(group), linewidth=1.3, label="model"),
        ]
    if background and any(e.binned.has_background for e in entries):
        handles.append(Line2D([], [], color=MUTED, linewidth=0.9, linestyle=(0, (1, 1)), label="background"))
    legend(axes, handles=handles, loc="best")


def group_name(entries: Sequence[Any], group: int) -> str:
    """Name of a data group: its detector, if it has only one and no other group has the same."""
    names: dict[int, set[str]] = {}
    for entry in entries:
        spectrum = entry.spectrum
        names.setdefault(entry.group, set()).add(_detector(spectrum))
    mine = names[group]
    unique = len(mine) == 1 and sum(n == mine for n in names.values()) == 1
    return next(iter(mine)) if unique and "" not in mine else f"group {group}"


def _detector(spectrum: Any) -> str:
    """DETNAM of a spectrum, or INSTRUME where the former says nothing."""
    words = (str(word or "").strip() for word in (spectrum.detnam, spectrum.instrume))
    return next((word for word in words if word.upper() not in ("", "NONE")), "")
