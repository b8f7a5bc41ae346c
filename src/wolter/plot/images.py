"""Radial profiles, encircled fractions, and images with the sources found on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.errors import DataError
from wolter.plot._style import COLOURS, INK, MARKERS, legend, new_axes, new_figure, titled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from wolter.data import RadialProfile, SourceList

__all__ = ["detections", "encircled", "radial_profile"]


def _named(profiles: Any) -> list[tuple[str, RadialProfile]]:
    if isinstance(profiles, Mapping):
        return [(str(k), v) for k, v in profiles.items()]
    if isinstance(profiles, (list, tuple)):
        return [("", p) for p in profiles]
    return [("", profiles)]


def radial_profile(
    profiles: RadialProfile | Sequence[RadialProfile] | Mapping[str, RadialProfile],
    *,
    net: bool = True,
    log: bool = True,
    title: str | None = None,
) -> Figure:
    """Surface brightness against radius.

    Parameters
    ----------
    profiles : RadialProfile, or several as list or dict by name
    net : bool
        Whether the background is subtracted; otherwise it is drawn as a line.
    log : bool
        Logarithmic axes (rings below zero are shown by their upper ends).
    title : str, optional

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        If no ring has an exposed pixel.
    """
    named = _named(profiles)
    figure = new_figure(height=2.9)
    axes = new_axes(figure)
    drawn = 0
    positive: list[float] = []
    for k, (name, one) in enumerate(named):
        value, error = (one.value, one.error) if net else (one.gross, one.gross_error)
        keep = np.isfinite(value)
        drawn += int(keep.sum())
        colour = COLOURS[k % len(COLOURS)] if len(named) > 1 else INK
        axes.errorbar(
            one.radius[keep],
            value[keep],
            xerr=(0.5 * (one.r_out - one.r_in))[keep],
            yerr=error[keep],
            fmt=MARKERS[k % len(MARKERS)],
            color=colour,
            markersize=3,
            elinewidth=0.8,
            linewidth=0.8,
            label=name,
        )
        positive += value[keep & (value > 0)].tolist()
        if not net and (one.background > 0).any():
            axes.axhline(float(np.median(one.background)), color=colour, linewidth=0.8, linestyle="--")
    if not drawn:
        raise DataError("no ring of the profile has an exposed pixel")
    axes.set_xlabel("Radius (arcsec)")
    axes.set_ylabel(r"Surface brightness (count s$^{-1}$ arcmin$^{-2}$)")
    if log and positive:
        axes.set_yscale("log")
        axes.set_ylim(0.4 * min(positive), 2.5 * max(positive))
        smallest = min(float(p.radius[0]) for _, p in named)
        if max(float(p.r_out[-1]) for _, p in named) > 15 * smallest:
            axes.set_xscale("log")
    if any(name for name, _ in named):
        legend(axes)
    titled(axes, title)
    return figure


def encircled(
    profiles: RadialProfile | Sequence[RadialProfile] | Mapping[str, RadialProfile],
    *,
    psf: Any = None,
    title: str | None = None,
) -> Figure:
    """Fraction of the rate inside a radius.

    Parameters
    ----------
    profiles : RadialProfile, or several as list or dict by name
    psf : callable or True, optional
        ``psf(radius_arcsec, energy_kev, off_axis_arcmin)``: drawn for comparison, normalised at the last radius. True
        for the mission's, on axis at 1.5 keV.
    title : str, optional

    Returns
    -------
    Figure
    """
    named = _named(profiles)
    if psf is True:
        from wolter.makers.psf import mission_psf

        psf = mission_psf(named[0][1].header)
    figure = new_figure(height=2.7)
    axes = new_axes(figure)
    for k, (name, one) in enumerate(named):
        colour = COLOURS[k % len(COLOURS)] if len(named) > 1 or psf is not None else INK
        axes.errorbar(
            one.r_out,
            one.encircled,
            yerr=one.encircled_error,
            fmt=f"{MARKERS[k % len(MARKERS)]}-",
            color=colour,
            markersize=2.5,
            linewidth=0.9,
            label=name or ("measured" if psf is not None else ""),
        )
    if psf is not None:
        last = float(named[0][1].r_out[-1])
        r = np.linspace(0.0, last, 300)
        axes.plot(r, np.asarray(psf(r, 1.5, 0.0)) / float(psf(last, 1.5, 0.0)), color=INK, linewidth=1, label="PSF")
    axes.axhline(1.0, color=INK, linewidth=0.5, alpha=0.5)
    axes.set_xlabel("Radius (arcsec)")
    axes.set_ylabel("Encircled fraction")
    axes.set_ylim(0.0, 1.08)
    axes.set_xlim(0.0, None)
    if psf is not None or any(name for name, _ in named):
        legend(axes, loc="lower right")
    titled(axes, title)
    return figure


def detections(sources: SourceList, *, smooth: float = 1.5, number: bool = True, **options: Any) -> Figure:
    """The image that sources were found on, with their circles.

    Parameters
    ----------
    sources : SourceList
    smooth : float
        Standard deviation of a Gaussian to smooth the image with, pixels.
    number : bool
        Whether the circles are numbered.
    **options
        As for `wolter.plot.image`.
    """
    from wolter.plot.skies import image

    circles = list(sources.regions().values())
    figure = image(sources.image, reduce(or_, circles) if circles else None, smooth=smooth, **options)
    axes = figure.axes[0]
    if number:
        scale = sources.image.pixel_scale_deg * 3600.0
        for k in range(len(sources)):
            one = sources[k]
            shift = one["radius"] / scale
            axes.annotate(
                str(k + 1),
                (one["x"] - 1 + 0.8 * shift, one["y"] - 1 + 0.8 * shift),
                color="white",
                fontsize=7,
                annotation_clip=True,
            )
    return figure
