"""Confidence regions of fitted parameters, from grids of the statistic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.errors import DataError
from wolter.plot._style import FONT, INK, MUTED, bare_figure, legend, new_axes, new_figure, style, titled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from wolter.fit import Grid

__all__ = ["contour"]

CONFIDENCE = (0.6827, 0.90, 0.9545, 0.99)
"""Joint confidence of the regions: for two parameters the statistic rises by 2.30, 4.61, 6.18 and 9.21."""

_POLAR = 3.0  # inches
_PERIOD = 180.0  # degrees: an angle of polarisation and its opposite are the same
# One hue, dark for the innermost region; distinct in greys as well.
_FILLS = ("#08519c", "#4a90c8", "#9ecae1", "#deebf7")
_LINES = ("#08306b", "#08519c", "#2171b5", "#6baed6")


def contour(
    grid: Grid,
    *,
    polar: bool = False,
    confidence: Sequence[float] = CONFIDENCE,
    mdp: float | None = None,
    best: Mapping[str, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Confidence regions in the plane of two parameters, or the profile of one.

    Parameters
    ----------
    grid : Grid
        One or two axes. An angle (unit deg) that covers its whole period is turned so that no region is cut at the end.
    polar : bool
        Two axes of which one is an angle in degrees: that becomes the direction (zero up, counter-clockwise as position
        angles are) and the other the distance from the centre.
    confidence : sequence of float
        Joint probabilities, ascending. The rise of the statistic that belongs to one is the quantile of chi-squared
        with as many degrees of freedom as there are axes.
    mdp : float, optional
        Minimum detectable polarisation at 99 % confidence, in the unit of the degree's axis: a line, or a circle.
    best : mapping of str to float, optional
        Where to put the cross, by parameter name; by default the best fit, or the grid's lowest point if that is lower.
    title : str, optional

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        More than two axes, nothing computed, or no angle for a polar figure.
    """
    if not np.isfinite(grid.statistic).any():
        raise DataError("no point of the grid was computed", cure="Let Fit.grid run to its end.")
    levels = sorted(confidence)
    if not levels or not all(0.0 < c < 1.0 for c in levels):
        raise DataError(f"confidence {list(confidence)} is not made of probabilities", cure="Give e.g. (0.68, 0.9).")
    cross = dict(grid.best_fit) | dict(best or {})
    if len(grid.axes) == 1:
        return _profile(grid, levels, cross, title)
    if len(grid.axes) != 2:
        raise DataError(
            f"the grid has {len(grid.axes)} axes", cure="Contours need two: make a grid over the two of interest."
        )
    return _regions(grid, levels, cross, mdp, polar, title)


def _regions(
    grid: Grid, levels: list[float], cross: dict[str, float], mdp: float | None, polar: bool, title: str | None
) -> Figure:
    names = list(grid.names)
    x, y, z = grid.axes[0], grid.axes[1], np.array(grid.delta).T
    units = list(grid.units)
    rises = [grid.levels(c)[0] - grid.minimum for c in levels]
    angle = next((i for i, unit in enumerate(units) if unit.strip().lower() in ("deg", "degree")), None)
    if angle is not None and _covers_period(grid.axes[angle]):
        if angle == 0:
            x, z, cross[names[0]] = turned(x, z.T, cross[names[0]], rises[-1])
            z = z.T
        else:
            y, z, cross[names[1]] = turned(y, z, cross[names[1]], rises[-1])
    if polar and angle is None:
        raise DataError(f"neither {names[0]} nor {names[1]} is an angle in degrees", cure="Draw it with polar=False.")
    at = (cross[names[0]], cross[names[1]])
    if polar:
        if angle == 0:
            x, y, z, at, names, units = y, x, z.T, at[::-1], names[::-1], units[::-1]
        return _polar(x, y, z, rises, levels, at, names, units, mdp, title)
    figure = new_figure(4.2, 3.4)
    axes = new_axes(figure)
    _draw(axes, *smoothed(x, y, z), rises)
    axes.plot(*at, "+", color="white", markersize=9, markeredgewidth=3.2, zorder=6)
    axes.plot(*at, "+", color=INK, markersize=9, markeredgewidth=1.4, zorder=7)
    handles = _handles(levels)
    if mdp is not None:
        handles += _mdp_line(axes, names, mdp)
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(y[0], y[-1])
    axes.set_xlabel(label(axes.xaxis, names[0], units[0]))
    axes.set_ylabel(label(axes.yaxis, names[1], units[1]))
    legend(axes, handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5))
    titled(axes, title)
    return figure


def _covers_period(values: np.ndarray) -> bool:
    step = float(np.median(np.diff(values)))
    return (
        abs(values[-1] - values[0] - _PERIOD) < 0.5 * step or abs(values[-1] + step - values[0] - _PERIOD) < 0.5 * step
    )


def turned(angle: np.ndarray, z: np.ndarray, centre: float, limit: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Move the ends of a full period of angles away from the confidence regions.

    Parameters
    ----------
    angle : ndarray, shape (n,)
        Degrees, ascending over a whole period.
    z : ndarray, shape (n, m)
        Rise of the statistic.
    centre : float
        Best angle.
    limit : float
        Rise at the edge of the largest region.

    Returns
    -------
    angle, z : ndarray
        As they were if no region reaches an end; otherwise with `centre` in the middle, and closed (the first value
        stands again at the end, a period later).
    centre : float
        In the range of the new angles.
    """
    closed = abs(angle[-1] - angle[0] - _PERIOD) < 1e-6 * _PERIOD
    ends = np.concatenate((z[0], z[-1]))
    if not np.any(ends < limit):
        return angle, z, centre
    base, values = (angle[:-1], z[:-1]) if closed else (angle, z)
    shifted = (base - centre + 0.5 * _PERIOD) % _PERIOD + centre - 0.5 * _PERIOD
    order = np.argsort(shifted)
    out = np.append(shifted[order], shifted[order[0]] + _PERIOD)
    return out, np.concatenate((values[order], values[order[:1]])), centre


def smoothed(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same surface on a grid several times as fine, by cubic splines; unchanged where points are missing.

    Between the points of a coarse grid straight lines would give regions corners that the statistic does not have.
    """
    if min(len(x), len(y)) < 6 or not np.isfinite(z).all():
        return x, y, z
    from scipy.interpolate import RectBivariateSpline

    fine_x = np.linspace(x[0], x[-1], max(len(x), 5 * (len(x) - 1) + 1))
    fine_y = np.linspace(y[0], y[-1], max(len(y), 5 * (len(y) - 1) + 1))
    return fine_x, fine_y, np.asarray(RectBivariateSpline(y, x, z)(fine_y, fine_x))


def _draw(axes: Any, x: np.ndarray, y: np.ndarray, z: np.ndarray, rises: list[float]) -> None:
    masked = np.ma.masked_invalid(z)
    number = len(rises)
    fills = _shades(_FILLS, number)
    bounds = [min(0.0, float(np.nanmin(z)) - 1e-9), *rises]
    axes.contourf(x, y, masked, levels=bounds, colors=fills, zorder=2)
    axes.contour(x, y, masked, levels=rises, colors=_shades(_LINES, number), linewidths=0.9, zorder=3)


def _shades(colours: tuple[str, ...], number: int) -> list[str]:
    if number <= len(colours):
        picks = np.linspace(0, len(colours) - 1, number).round().astype(int) if number > 1 else [0]
        return [colours[i] for i in picks]
    from matplotlib.colors import LinearSegmentedColormap, to_hex

    ramp = LinearSegmentedColormap.from_list("shades", colours)
    return [to_hex(ramp(i / (number - 1))) for i in range(number)]


def _handles(levels: list[float]) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    fills, lines = _shades(_FILLS, len(levels)), _shades(_LINES, len(levels))
    handles: list[Any] = [
        Patch(facecolor=fills[i], edgecolor=lines[i], linewidth=0.9, label=f"{100 * c:.3g} %")
        for i, c in enumerate(levels)
    ]
    cross = Line2D([], [], color=INK, marker="+", linestyle="none", markersize=8, markeredgewidth=1.4, label="best fit")
    return [*handles, cross]


def _is_degree(name: str) -> bool:
    """Whether a parameter is a degree of polarisation."""
    component, _, parameter = name.split(":")[-1].rpartition(".")
    return component.lower().startswith("pol") and parameter.lower() in ("a", "a1", "anorm")


def _is_angle(name: str) -> bool:
    component, _, parameter = name.split(":")[-1].rpartition(".")
    return component.lower().startswith("pol") and parameter.lower().startswith("psi")


def _angle_text(value: float) -> str:
    """An angle of polarisation between -90 and 90 degrees, also where an axis goes on beyond them."""
    if abs(value) > _PERIOD / 2 + 1e-9:
        value = (value + _PERIOD / 2) % _PERIOD - _PERIOD / 2
    return f"{value:.4g}".replace("-", "\N{MINUS SIGN}")


def label(axis: Any, name: str, unit: str) -> str:
    """Words for an axis; a degree of polarisation gets ticks in per cent."""
    from matplotlib.ticker import FuncFormatter

    group = f"group {name.split(':')[0]}, " if ":" in name else ""
    if _is_degree(name):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}"))
        return f"Polarisation degree ({group}%)"
    if _is_angle(name) and unit.lower().startswith("deg"):
        axis.set_major_formatter(FuncFormatter(lambda value, _: _angle_text(value)))
        return f"Polarisation angle ({group}deg)"
    words = name.split(":")[-1].replace(".", " ")
    inside = group + unit if unit else group.rstrip(", ")
    return f"{words} ({inside})" if inside else words


def _mdp_line(axes: Any, names: list[str], mdp: float) -> list[Any]:
    options: dict[str, Any] = {"color": MUTED, "linewidth": 1.1, "linestyle": (0, (3, 2)), "zorder": 5}
    options["label"] = f"MDP99 = {100 * mdp:.2f} %"
    if _is_degree(names[1]) and not _is_degree(names[0]):
        return [axes.axhline(mdp, **options)]
    return [axes.axvline(mdp, **options)]


def _polar(
    x: np.ndarray,
    y: np.ndarray,
    z: np.ndarray,
    rises: list[float],
    levels: list[float],
    at: tuple[float, ...],
    names: list[str],
    units: list[str],
    mdp: float | None,
    title: str | None,
) -> Figure:
    """x is the distance from the centre, y the direction in degrees."""
    (left, right), (low, high) = _wedge_box(y)
    larger = max(right - left, high - low)
    width, height = _POLAR * (right - left) / larger, _POLAR * (high - low) / larger
    total = (width + (2.75 if mdp is not None else 2.0), height + (1.05 if title else 0.8))
    # Placed by hand: layouts reserve room for the whole disc. Axes of a sector are square, the sector in the middle.
    x0, y0 = 0.5 - 0.5 * (_POLAR - width), 0.48 - 0.5 * (_POLAR - height)
    figure = bare_figure(total)
    axes = figure.add_axes((x0 / total[0], y0 / total[1], _POLAR / total[0], _POLAR / total[1]), projection="polar")
    axes.set_theta_zero_location("N")  # type: ignore[attr-defined]
    axes.set_thetamin(float(y[0]))  # type: ignore[attr-defined]
    axes.set_thetamax(float(y[-1]))  # type: ignore[attr-defined]
    fine_x, fine_y, fine_z = smoothed(x, y, z)
    _draw(axes, np.deg2rad(fine_y), fine_x, fine_z.T, rises)
    axes.plot(np.deg2rad(at[1]), at[0], "+", color="white", markersize=9, markeredgewidth=3.2, zorder=6)
    axes.plot(np.deg2rad(at[1]), at[0], "+", color=INK, markersize=9, markeredgewidth=1.4, zorder=7)
    handles = _handles(levels)
    if mdp is not None:
        arc = np.deg2rad(np.linspace(y[0], y[-1], 181))
        handles += axes.plot(
            arc, np.full_like(arc, mdp), color=MUTED, linewidth=1.1, linestyle=(0, (3, 2)), zorder=5,
            label=f"MDP99 = {100 * mdp:.2f} %",
        )  # fmt: skip
    axes.set_rmin(0.0)  # type: ignore[attr-defined]
    axes.set_rmax(float(x[-1]))  # type: ignore[attr-defined]
    _style_polar(axes, y)
    words = label(axes.yaxis, names[0], units[0])
    text = {"fontsize": FONT + 0.5, "color": INK, "ha": "center"}
    figure.text((0.5 + 0.5 * width) / total[0], 0.06 / total[1], words, va="bottom", **text)
    if title:
        figure.text(0.5, 1 - 0.06 / total[1], title, va="top", **text)
    place = ((0.5 + width + 0.4) / total[0], 0.5)
    legend(axes, handles=handles, loc="center left", bbox_to_anchor=place, bbox_transform=figure.transFigure)
    return figure


def _wedge_box(angles: np.ndarray) -> tuple[tuple[float, float], tuple[float, float]]:
    """Rectangle around a sector of the unit disc: zero up, angles counter-clockwise."""
    turn = np.deg2rad(np.linspace(angles[0], angles[-1], 181))
    x, y = np.append(-np.sin(turn), 0.0), np.append(np.cos(turn), 0.0)
    return (float(x.min()), float(x.max())), (float(y.min()), float(y.max()))


def _style_polar(axes: Any, angles: np.ndarray) -> None:
    from matplotlib.ticker import MaxNLocator

    style(axes)
    axes.tick_params(axis="x", pad=7)
    span = float(angles[-1] - angles[0])
    step = 30.0 if span > 100 else 15.0
    first = np.ceil(angles[0] / step - 1e-9) * step
    ticks = np.arange(first, angles[-1] + 1e-6, step)
    axes.set_xticks(np.deg2rad(ticks), [f"{_angle_text(t)}°" for t in ticks])
    axes.yaxis.set_major_locator(MaxNLocator(4, prune="lower"))
    axes.grid(color="#cccccc", linewidth=0.5, zorder=1)
    axes.set_axisbelow(True)


def _profile(grid: Grid, levels: list[float], cross: dict[str, float], title: str | None) -> Figure:
    """Rise of the statistic along one parameter."""
    figure = new_figure(3.8, 2.8)
    axes = new_axes(figure)
    values, rise = grid.axes[0], np.asarray(grid.delta)
    axes.plot(values, rise, color=_LINES[1], linewidth=1.3, zorder=4)
    at = cross[grid.names[0]]
    axes.axvline(at, color=MUTED, linewidth=0.8, zorder=2)
    rises = [grid.levels(c)[0] - grid.minimum for c in levels]
    top = max(min(float(np.nanmax(rise)), 2.2 * rises[-1]), 1.5 * float(np.nanmin(rise)))
    axes.set_xlim(values[0], values[-1])
    axes.set_ylim(0.0, max(top, 1.15 * rises[0]))
    for level, height in zip(levels, rises, strict=True):
        if height < axes.get_ylim()[1]:
            axes.axhline(height, color=MUTED, linewidth=0.7, linestyle=(0, (3, 2)), zorder=2)
            axes.annotate(
                f"{100 * level:.3g} %", (1.0, height), xycoords=("axes fraction", "data"), xytext=(-3, 1),
                textcoords="offset points", ha="right", va="bottom", fontsize=FONT - 1, color=MUTED,
            )  # fmt: skip
    axes.set_xlabel(label(axes.xaxis, grid.names[0], grid.units[0]))
    axes.set_ylabel(r"$\Delta$ statistic")
    titled(axes, title)
    return figure
