"""Sky images with regions."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.errors import DataError
from wolter.plot._outlines import outlines
from wolter.plot._style import COLOURS, FONT, INK, style, titled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from wolter.data import Image
    from wolter.sky import RegionSet

__all__ = ["image"]

Box = tuple[float, float, float, float]


def image(
    picture: Image,
    regions: RegionSet | Sequence[RegionSet] | Mapping[str, RegionSet] | None = None,
    *,
    stretch: str = "log",
    smooth: float = 0.0,
    zoom: float | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    title: str | None = None,
) -> Figure:
    """Sky image with the outlines of regions.

    Parameters
    ----------
    picture : Image
        With celestial coordinates the axes are right ascension and declination, otherwise pixels.
    regions : RegionSet, or several as list or dict by name
        Drawn in colours; excluded parts are dashed. Names appear in a legend.
    stretch : {"log", "sqrt", "linear"}
    smooth : float
        Standard deviation of a Gaussian to smooth with, pixels; 0 for none.
    zoom : float, optional
        Show only the surroundings of the regions (without any, of the brightest pixel), this many times as large. By
        default all pixels with events are shown, without an empty border.
    vmin, vmax : float, optional
        Limits of the scale of colours.
    title : str, optional

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        The image is empty, or the stretch is unknown.
    """
    data = np.asarray(picture.data, dtype=float)
    if not np.isfinite(data).any() or not np.nanmax(data) > 0:
        raise DataError("the image holds no counts", file=picture.path, cure="Check the selections it was made with.")
    if smooth > 0:
        from scipy.ndimage import gaussian_filter

        data = gaussian_filter(np.nan_to_num(data), smooth)
    wcs = picture.wcs
    named = _named(regions)
    lines = _lines(named, wcs)
    (xlo, xhi), (ylo, yhi) = _window(data, lines, zoom)
    figure, box, bar_box = _layout((yhi - ylo) / (xhi - xlo), bool(title), any(name for name, _ in named))
    axes = _axes(figure, wcs, box)
    norm = _norm(data, stretch, vmin, vmax)
    shown = axes.imshow(data, origin="lower", cmap="cividis", norm=norm, interpolation="nearest", rasterized=True)
    _draw_regions(axes, lines)
    axes.set_xlim(xlo, xhi)
    axes.set_ylim(ylo, yhi)
    bar = figure.colorbar(shown, cax=figure.add_axes(bar_box))
    bar.ax.tick_params(which="both", direction="in", labelsize=FONT, color="white", labelcolor=INK)
    bar.outline.set_linewidth(0.7)  # type: ignore[operator]
    bar.set_label(_unit(picture, smooth), fontsize=FONT + 0.5, color=INK)
    if any(name for name, _ in named):
        _legend(axes, named)
    titled(axes, title, loc="left", pad=20.0 if any(name for name, _ in named) else 6.0)
    return figure


def _norm(data: np.ndarray, stretch: str, vmin: float | None, vmax: float | None) -> Any:
    from matplotlib.colors import Normalize, PowerNorm, SymLogNorm

    top = float(np.nanmax(data)) if vmax is None else vmax
    bottom = max(0.0, float(np.nanmin(data))) if vmin is None else vmin
    if not bottom < top:
        raise DataError(f"the scale of colours is empty ({bottom:g} to {top:g})", cure="Give vmin and vmax.")
    if stretch == "log":
        # Linear below the faintest positive pixel, so that empty pixels have a place on the scale.
        positive = data[data > 0]
        least = float(np.percentile(positive, 5)) if positive.size else 1.0
        return SymLogNorm(linthresh=max(least, top * 1e-3), vmin=bottom, vmax=top, base=10)
    if stretch == "sqrt":
        return PowerNorm(0.5, vmin=bottom, vmax=top)
    if stretch == "linear":
        return Normalize(vmin=bottom, vmax=top)
    raise DataError(f"stretch {stretch!r} is not known", cure="Use log, sqrt or linear.")


def _layout(aspect: float, title: bool, names: bool) -> tuple[Figure, Box, Box]:
    """Figure and places of the picture and of the bar; by hand, since layouts do not know labels of sky coordinates."""
    from matplotlib.figure import Figure

    width = 3.0
    height = width * aspect
    total = (width + 1.75, height + 0.65 + 0.25 * (title + names))
    box = (0.85 / total[0], 0.55 / total[1], width / total[0], height / total[1])
    bar = ((0.85 + width + 0.08) / total[0], box[1], 0.13 / total[0], box[3])
    return Figure(figsize=total, dpi=150, facecolor="white"), box, bar


def _axes(figure: Figure, wcs: Any, box: Box) -> Any:
    if not getattr(wcs, "frame", ""):
        axes = style(figure.add_axes(box))
        axes.set_xlabel("X (pixel)")
        axes.set_ylabel("Y (pixel)")
        return axes
    from astropy.wcs import WCS, FITSFixedWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        cards = {k: v[0] if isinstance(v, tuple) else v for k, v in wcs.header_cards().items()}
        projection = WCS(cards)
    axes = figure.add_axes(box, projection=projection)
    galactic = wcs.frame == "galactic"
    lon, lat = axes.coords[0], axes.coords[1]  # type: ignore[attr-defined]
    for coordinate, label in (
        (lon, "Galactic longitude" if galactic else "Right ascension (J2000)"),
        (lat, "Galactic latitude" if galactic else "Declination (J2000)"),
    ):
        coordinate.set_axislabel(label, fontsize=FONT + 0.5, color=INK)
        coordinate.set_ticklabel(size=FONT, color=INK, exclude_overlapping=True)
        coordinate.set_ticks(direction="in", color="white", size=4.5, number=4)
        coordinate.display_minor_ticks(False)
    if not galactic:
        lon.set_major_formatter("hh:mm:ss")
    return axes


def _named(regions: Any) -> list[tuple[str, Any]]:
    if regions is None:
        return []
    if isinstance(regions, Mapping):
        return [(str(k), r) for k, r in regions.items()]
    if isinstance(regions, (list, tuple)):
        return [("", r) for r in regions]
    return [("", regions)]


# Bright on the dark parts of the map and on its yellow peak.
_REGION_COLOURS = ("#ffffff", COLOURS[5], COLOURS[3], COLOURS[2])


def _lines(named: list[tuple[str, Any]], wcs: Any) -> list[tuple[np.ndarray, bool, str]]:
    """Outlines in the pixels of the axes (FITS counts from 1, axes from 0), excluded or not, colour."""
    out = []
    for i, (_, region) in enumerate(named):
        colour = _REGION_COLOURS[i % len(_REGION_COLOURS)]
        out += [(line - 1, excluded, colour) for line, excluded in outlines(region.to_pixel(wcs))]
    return out


def _draw_regions(axes: Any, lines: list[tuple[np.ndarray, bool, str]]) -> None:
    for line, excluded, colour in lines:
        axes.plot(line[:, 0], line[:, 1], color=INK, linewidth=2.2, alpha=0.6, solid_capstyle="round")
        axes.plot(line[:, 0], line[:, 1], color=colour, linewidth=1.1, linestyle="--" if excluded else "-")


def _window(
    data: np.ndarray, lines: list[tuple[np.ndarray, bool, str]], zoom: float | None
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Range of x and y to show, pixels of the axes."""
    ny, nx = data.shape
    whole = (-0.5, nx - 0.5), (-0.5, ny - 0.5)
    included = [line for line, excluded, _ in lines if not excluded]
    if zoom is None:
        return _without_border(data, included, whole)
    if not zoom > 0:
        raise DataError(f"zoom is {zoom}", cure="Give a positive factor, e.g. 1.5.")
    if included:
        points = np.concatenate(included)
        lo, hi = points.min(axis=0), points.max(axis=0)
        centre, half = 0.5 * (lo + hi), 0.5 * zoom * float((hi - lo).max())
    else:
        y, x = np.unravel_index(int(np.nanargmax(data)), data.shape)
        centre, half = np.array([x, y], dtype=float), 0.5 * max(nx, ny) / max(zoom, 1.0)
    limits = [(max(w[0], c - half), min(w[1], c + half)) for w, c in zip(whole, centre.tolist(), strict=True)]
    return (limits[0], limits[1]) if all(lo < hi for lo, hi in limits) else whole


def _without_border(
    data: np.ndarray, lines: list[np.ndarray], whole: tuple[tuple[float, float], tuple[float, float]]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """The part of the plane that holds events and regions, with a small margin: detectors seldom fill it."""
    limits = []
    for axis, (low, high) in enumerate(whole):
        filled = np.flatnonzero(np.nan_to_num(data).any(axis=axis))
        lo, hi = float(filled[0]) - 0.5, float(filled[-1]) + 0.5
        for line in lines:
            lo, hi = min(lo, float(line[:, axis].min())), max(hi, float(line[:, axis].max()))
        margin = 0.04 * (hi - lo)
        limits.append((max(low, lo - margin), min(high, hi + margin)))
    return limits[0], limits[1]


def _legend(axes: Any, named: list[tuple[str, Any]]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patheffects import Normal, Stroke

    effects = [Stroke(linewidth=2.4, foreground=INK), Normal()]
    handles = [
        Line2D([], [], color=_REGION_COLOURS[i % len(_REGION_COLOURS)], linewidth=1.2, label=name, path_effects=effects)
        for i, (name, _) in enumerate(named)
        if name
    ]
    axes.legend(
        handles=handles, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(handles), fontsize=FONT, frameon=False,
        borderaxespad=0.2, handlelength=1.3, columnspacing=1.0, handletextpad=0.5, labelcolor=INK,
    )  # fmt: skip


def _unit(picture: Any, smooth: float) -> str:
    unit = picture.unit or "count"
    text = f"{unit[0].upper()}{unit[1:]}s per pixel" if unit.lower() == "count" else unit
    return text + (f", smoothed ($\\sigma$ = {smooth:g} pixel)" if smooth > 0 else "")
