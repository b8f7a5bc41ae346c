"""The plane of normalised Stokes parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.errors import DataError
from wolter.plot._style import COLOURS, FONT, INK, MUTED, legend, new_axes, new_figure, titled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from wolter.makers.polarisation import PolarisationCube

__all__ = ["stokes_plane"]

_TURN = np.linspace(0.0, 2.0 * np.pi, 181)
_CONFIDENCE = (0.6827, 0.90, 0.99)


def stokes_plane(
    cube: PolarisationCube, *, confidence: tuple[float, ...] | None = None, title: str | None = None
) -> Figure:
    """U/I against Q/I with regions of confidence, circles of constant degree and rays of constant angle.

    Parameters
    ----------
    cube : PolarisationCube
        One point per energy bin.
    confidence : tuple of float, optional
        Joint probabilities of the regions; by default 68.3, 90 and 99 % for one bin, 68.3 % for several. A region is
        the ellipse of the covariance of Q/I and U/I, whose axes are sqrt(-2 ln(1 - confidence)) standard deviations.
    title : str, optional

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        No bin with events.
    """
    good = np.flatnonzero(np.isfinite(cube.qn) & np.isfinite(cube.un))
    if not good.size:
        raise DataError("no energy bin of the cube has events")
    levels = confidence or (_CONFIDENCE if good.size == 1 else _CONFIDENCE[:1])
    figure = new_figure(4.9, 3.6)
    axes = new_axes(figure)
    axes.set_aspect("equal")
    covariance = cube.covariance
    reach = 0.0
    handles: list[Any] = []
    for order, i in enumerate(good):
        colour = COLOURS[order % len(COLOURS)]
        label = f"{cube.energy_lo[i]:g}–{cube.energy_hi[i]:g} keV"
        point = axes.plot(cube.qn[i], cube.un[i], "o", color=colour, markersize=4, label=label, zorder=5)
        handles += point
        for number, level in enumerate(levels):
            q, u = ellipse(cube.qn[i], cube.un[i], covariance[i], level)
            axes.plot(q, u, color=colour, linewidth=1.2, linestyle=("-", "--", ":")[number % 3], zorder=4)
            reach = max(reach, float(np.hypot(q, u).max()))
    mdp = float(np.nanmax(cube.mdp99[good])) if good.size == 1 else None
    if mdp is not None and np.isfinite(mdp):
        handles += _mdp_circle(axes, mdp)
        reach = max(reach, mdp)
    if len(levels) > 1:
        handles += _level_handles(levels)
    towards = np.arctan2(-np.sum(cube.un[good]), -np.sum(cube.qn[good]))
    _polar_grid(axes, 1.08 * reach, float(towards))
    box = legend(axes, handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5))
    if len(levels) == 1:
        box.set_title(f"{100 * levels[0]:.3g} % regions", prop={"size": FONT})
    axes.set_xlabel("Q / I")
    axes.set_ylabel("U / I")
    titled(axes, title)
    return figure


def ellipse(q: float, u: float, covariance: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Points of the ellipse of joint confidence around (q, u) for a covariance [2, 2]."""
    values, vectors = np.linalg.eigh(covariance)
    radius = np.sqrt(-2.0 * np.log1p(-confidence)) * np.sqrt(np.maximum(values, 0.0))
    points = vectors @ (radius[:, None] * np.array([np.cos(_TURN), np.sin(_TURN)]))
    return q + points[0], u + points[1]


def _mdp_circle(axes: Any, mdp: float) -> list[Any]:
    return axes.plot(
        mdp * np.cos(_TURN), mdp * np.sin(_TURN), color=MUTED, linewidth=1.0, linestyle=(0, (1, 1.5)), label="MDP99"
    )


def _level_handles(levels: tuple[float, ...]) -> list[Any]:
    from matplotlib.lines import Line2D

    styles = ("-", "--", ":")
    return [
        Line2D([], [], color=INK, linewidth=1.2, linestyle=styles[i % 3], label=f"{100 * level:.3g} %")
        for i, level in enumerate(levels)
    ]


def _polar_grid(axes: Any, reach: float, towards: float) -> None:
    """Circles of constant degree (labelled in the direction `towards`) and rays of constant angle behind the data."""
    from matplotlib.ticker import MaxNLocator

    circles = [r for r in MaxNLocator(4).tick_values(0, reach) if 0 < r < reach]
    for r in circles:
        axes.plot(r * np.cos(_TURN), r * np.sin(_TURN), color="#d9d9d9", linewidth=0.6, zorder=1)
        axes.annotate(
            f"{100 * r:.3g} %", (r * np.cos(towards), r * np.sin(towards)), color=MUTED, fontsize=FONT - 1.5,
            ha="center", va="center", zorder=2, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        )  # fmt: skip
    for angle in range(0, 180, 30):
        turn = np.deg2rad(2 * angle)
        axes.plot(
            [0, reach * 1.5 * np.cos(turn)], [0, reach * 1.5 * np.sin(turn)], color="#d9d9d9", linewidth=0.6, zorder=1
        )
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
