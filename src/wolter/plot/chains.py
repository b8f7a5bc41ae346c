"""Samples of a posterior distribution: every pair of parameters, and the paths of the walkers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wolter.errors import DataError
from wolter.plot._style import COLOURS, DOUBLE, FONT, INK, MUTED, new_figure, scaled_ticks, style, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from wolter.fit import Chain

__all__ = ["corner", "trace"]

Array = npt.NDArray[np.float64]
_BINS = 36
_TRACES = 24  # walkers whose paths are drawn


def corner(
    chain: Chain,
    *,
    names: Sequence[str] | None = None,
    levels: Sequence[float] = (0.68, 0.95),
    truth: Mapping[str, float] | None = None,
    bins: int = _BINS,
    title: str | None = None,
) -> Figure:
    """Distributions of single parameters on the diagonal, of pairs below it.

    Parameters
    ----------
    chain : Chain
        Samples.
    names : sequence of str, optional
        Which parameters, in this order; by default all that vary.
    levels : sequence of float
        Shares of the samples inside the contours; those on the diagonal are the medians and 68 % intervals.
    truth : mapping, optional
        Values to mark, by the names of parameters.
    bins : int
        Bins across each histogram.
    title : str, optional
        Above the figure.

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        If no parameter varies.
    ParameterError
        For an unknown name.
    """
    columns = _columns(chain, names)
    marks = {chain.position(name): value for name, value in (truth or {}).items()}
    size = len(columns)
    side = max(3.2, min(1.6 * size + 0.8, 12.0))
    figure = new_figure(side, side)
    # panels of equal size, whose limits are those of their neighbours
    figure.set_layout_engine("none")
    edge = 0.85 / side
    weights = chain.flat_weights
    ranges = [_range(chain.flat[:, k], weights) for k in columns]
    grid = figure.add_gridspec(
        size, size, left=edge, right=1 - 0.15 / side, bottom=edge, top=1 - 0.4 / side, wspace=0.08, hspace=0.08
    )
    for row, k in enumerate(columns):
        for column, j in enumerate(columns[: row + 1]):
            axes = _axes(figure, grid[row, column])
            axes.set_xlim(ranges[column])
            if row == column:
                _histogram(axes, chain, k, ranges[row], bins, weights)
            else:
                axes.set_ylim(ranges[row])
                _pair(axes, chain.flat[:, j], chain.flat[:, k], weights, (ranges[column], ranges[row]), bins, levels)
                if k in marks:
                    axes.axhline(marks[k], color=COLOURS[1], lw=0.9)
            if j in marks:
                axes.axvline(marks[j], color=COLOURS[1], lw=0.9)
            # labels of all panels in a row or column stand at the same distance
            if column == 0:
                axes.yaxis.set_label_coords(-0.36, 0.5)
            axes.xaxis.set_label_coords(0.5, -0.36)
            _label(axes, chain, j, k, ranges[column], ranges[row], bottom=row == size - 1, left=column == 0 and row > 0)
    if title:
        figure.suptitle(title, fontsize=FONT + 0.5, color=INK)
    return figure


def _axes(figure: Figure, place: Any) -> Axes:
    from matplotlib.ticker import MaxNLocator

    axes = style(figure.add_subplot(place))
    axes.xaxis.set_major_locator(MaxNLocator(3, prune="both"))
    axes.yaxis.set_major_locator(MaxNLocator(3, prune="both"))
    return axes


def _columns(chain: Chain, names: Sequence[str] | None) -> list[int]:
    if names is not None:
        return [chain.position(name) for name in names]
    vary = [k for k in range(len(chain.names)) if np.ptp(chain.flat[:, k]) > 0]
    if not vary:
        raise DataError("no parameter of the chain varies", cure="Take more steps.")
    return vary


def _range(values: Array, weights: Array) -> tuple[float, float]:
    """Range that holds 99.7 % of the samples, and a little more."""
    order = np.argsort(values)
    share = np.cumsum(weights[order])
    low, high = np.interp([0.0015, 0.9985], share, values[order])
    margin = 0.06 * (high - low) or 1e-3 * max(abs(float(high)), 1e-12)
    # a wall that samples pile up against stays the end of the axis
    return float(max(low - margin, values.min())), float(min(high + margin, values.max()))


def _histogram(axes: Axes, chain: Chain, k: int, span: tuple[float, float], bins: int, weights: Array) -> None:
    name = chain.names[k]
    height, edges = np.histogram(chain.flat[:, k], bins=bins, range=span, weights=weights)
    axes.stairs(height, edges, color=COLOURS[0], lw=1.1)
    low, high = chain.interval(name)
    inside = (edges[:-1] >= low) & (edges[1:] <= high)
    axes.stairs(np.where(inside, height, 0.0), edges, fill=True, color=COLOURS[0], alpha=0.18)
    middle = chain.quantile(name, 0.5)
    axes.axvline(middle, color=MUTED, lw=0.9, ls="--")
    axes.set_ylim(0, 1.12 * float(height.max()))
    axes.set_yticks([])
    titled(axes, _number(middle, middle - low, high - middle))


def _number(value: float, minus: float, plus: float) -> str:
    from wolter.fit.tables import latex_number

    return latex_number(value, minus, plus)


def _pair(
    axes: Axes,
    x: Array,
    y: Array,
    weights: Array,
    ranges: tuple[tuple[float, float], tuple[float, float]],
    bins: int,
    levels: Sequence[float],
) -> None:
    """Contours that hold shares of the samples, over single samples where these are few."""
    density, x_edges, y_edges = np.histogram2d(x, y, bins=bins, range=ranges, weights=weights)
    smooth = _smoothed(density)
    heights = _heights(smooth, levels)
    thin = max(1, len(x) // 1500)
    axes.plot(x[::thin], y[::thin], ",", color=MUTED, alpha=0.5, zorder=1, rasterized=True)
    if not len(heights) or heights[0] <= 0:
        return
    middles = 0.5 * (x_edges[1:] + x_edges[:-1]), 0.5 * (y_edges[1:] + y_edges[:-1])
    shades = [(*_rgb(COLOURS[0]), a) for a in np.linspace(0.16, 0.45, len(heights))]
    top = float(smooth.max()) * 1.001
    axes.contourf(*middles, smooth.T, levels=[*heights, top], colors=shades, zorder=2)
    axes.contour(*middles, smooth.T, levels=heights, colors=COLOURS[0], linewidths=0.9, zorder=3)


def _rgb(colour: str) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    return to_rgb(colour)


def _smoothed(density: Array) -> Array:
    """Histogram smoothed by a Gaussian of one bin, so that contours show the distribution and not its noise."""
    x = np.arange(-4, 5)
    kernel = np.exp(-0.5 * x**2)
    kernel /= kernel.sum()
    out = np.pad(density, 4, mode="symmetric")
    for axis in (0, 1):
        count = density.shape[axis]
        out = sum((w * np.take(out, np.arange(i, i + count), axis=axis) for i, w in enumerate(kernel)), np.zeros(()))
    return out


def _heights(density: Array, levels: Sequence[float]) -> list[float]:
    """Densities above which these shares of all lie, ascending and different."""
    flat = np.sort(density.ravel())[::-1]
    share = np.cumsum(flat) / flat.sum()
    return sorted({float(flat[min(int(np.searchsorted(share, level)), len(flat) - 1)]) for level in levels})


def _label(
    axes: Axes,
    chain: Chain,
    j: int,
    k: int,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    *,
    bottom: bool,
    left: bool,
) -> None:
    x_factor = scaled_ticks(axes.xaxis, *x_range)
    if bottom:
        axes.set_xlabel(_name(chain, j, x_factor))
        axes.tick_params(axis="x", labelrotation=45)
    else:
        axes.tick_params(labelbottom=False)
    if j == k:
        return
    y_factor = scaled_ticks(axes.yaxis, *y_range)
    if left:
        axes.set_ylabel(_name(chain, k, y_factor))
    else:
        axes.tick_params(labelleft=False)


def _name(chain: Chain, k: int, factor: str) -> str:
    """Parameter without its component where that is unique, with data group and unit."""
    short = [n.rpartition(".")[2] for n in chain.names]
    name = short[k] if short.count(short[k]) == 1 else chain.names[k]
    group, colon, _ = chain.names[k].partition(":")
    if colon and ":" not in name:
        name = f"{group}:{name}"
    unit = chain.units[k].replace("10^22", "10$^{22}$ cm$^{-2}$")
    tail = f"{factor}{unit}".strip()
    return f"{name} ({tail})" if tail else name


def trace(chain: Chain, *, names: Sequence[str] | None = None, title: str | None = None) -> Figure:
    """Values along the chain, one panel per parameter; a chain that has settled looks the same everywhere.

    Parameters
    ----------
    chain : Chain
        Samples.
    names : sequence of str, optional
        Which parameters; by default all that vary.
    title : str, optional
        Above the figure.

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        If no parameter varies.
    """
    columns = _columns(chain, names)
    figure = new_figure(DOUBLE, 0.9 + 1.15 * len(columns))
    grid = figure.add_gridspec(len(columns), 1)
    walkers, steps = chain.samples.shape[:2]
    picked = np.unique(np.linspace(0, walkers - 1, min(walkers, _TRACES)).astype(int))
    x = chain.burn + chain.thin * np.arange(steps)
    for row, k in enumerate(columns):
        axes = _axes(figure, grid[row, 0])
        values = chain.samples[:, :, k]
        if walkers == 1:
            axes.plot(x, values[0], ",", color=COLOURS[0], rasterized=True)
        else:
            axes.plot(x, values[picked].T, color=COLOURS[0], lw=0.4, alpha=0.35, rasterized=True)
            axes.plot(x, np.median(values, axis=0), color=COLOURS[1], lw=1.0)
        axes.set_xlim(x[0], max(x[-1], x[0] + 1))
        factor = scaled_ticks(axes.yaxis, float(values.min()), float(values.max()))
        axes.set_ylabel(_name(chain, k, factor))
        if row == len(columns) - 1:
            axes.set_xlabel("step" if walkers > 1 else "sample")
        else:
            axes.tick_params(labelbottom=False)
    figure.align_ylabels()
    if title:
        figure.suptitle(title, fontsize=FONT + 0.5, color=INK)
    return figure
