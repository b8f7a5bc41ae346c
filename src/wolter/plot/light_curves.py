"""Light curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.errors import DataError
from wolter.plot._style import COLOURS, DOUBLE, INK, MARKERS, legend, new_axes, new_figure, titled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from wolter.data import LightCurve

__all__ = ["light_curve"]


def light_curve(
    curves: LightCurve | Sequence[LightCurve] | dict[str, LightCurve],
    *,
    min_exposure: float = 0.0,
    title: str | None = None,
) -> Figure:
    """Count rate against time.

    Parameters
    ----------
    curves : LightCurve, or several as list or dict by name
        Several share the axes, and time counts from the first bin of all.
    min_exposure : float
        Bins with less than this fraction exposed are left out.
    title : str, optional

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        No light curve, or no bin with enough exposure.
    """
    named = _named(curves)
    start = min(float(c.met[0]) - 0.5 * c.timedel for _, c in named if len(c)) if any(len(c) for _, c in named) else 0.0
    figure = new_figure(DOUBLE, 2.6)
    axes = new_axes(figure)
    longest = max((float(c.met[-1]) + 0.5 * c.timedel - start for _, c in named if len(c)), default=0.0)
    scale, unit = (1e3, "ks") if longest > 2e4 else (1.0, "s")
    drawn = 0
    for i, (name, curve) in enumerate(named):
        keep = np.asarray(curve.fracexp) >= max(min_exposure, 1e-12)
        drawn += int(keep.sum())
        axes.errorbar(
            (curve.met[keep] - start) / scale,
            curve.rate[keep],
            xerr=0.5 * curve.timedel / scale,
            yerr=curve.error[keep],
            fmt=MARKERS[i % len(MARKERS)],
            color=COLOURS[i % len(COLOURS)] if len(named) > 1 else INK,
            markersize=2.5,
            elinewidth=0.7,
            linewidth=0.7,
            label=name,
        )
    if not drawn:
        raise DataError(
            f"no bin of the light curve has {min_exposure:g} or more of its time exposed",
            cure="Lower min_exposure, or choose longer bins.",
        )
    axes.set_xlabel(f"Time since {_epoch(named[0][1], start)} ({unit})")
    axes.set_ylabel(r"Rate (count s$^{-1}$)")
    low, high = axes.get_ylim()
    if low > 0 and low < 0.6 * high:  # show zero unless that squeezes the variation
        axes.set_ylim(0, None)
    if len(named) > 1:
        legend(axes, ncols=min(len(named), 4), loc="best")
    titled(axes, title)
    return figure


def _named(curves: Any) -> list[tuple[str, LightCurve]]:
    if isinstance(curves, dict):
        named = [(str(k), c) for k, c in curves.items()]
    elif isinstance(curves, Sequence):
        named = [(_name(c, i), c) for i, c in enumerate(curves)]
    else:
        named = [(_name(curves, 0), curves)]
    if not named:
        raise DataError("there is no light curve to draw")
    return named


def _name(curve: LightCurve, index: int) -> str:
    header = curve.header
    return str(header.get("DETNAM") or header.get("INSTRUME") or f"light curve {index + 1}").strip()


def _epoch(curve: LightCurve, start: float) -> str:
    reference = curve.mjdref
    if reference is None:
        return f"mission time {start:.1f} s"
    system = str(curve.header.get("TIMESYS") or "").strip()
    return f"MJD {reference + start / 86400.0:.5f}" + (f" {system}" if system else "")
