"""Sky images with regions."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wolter.errors import DataError
from wolter.plot._outlines import outlines
from wolter.plot._style import COLOURS, FONT, INK, bare_figure, style, titled
from wolter.units import to_deg

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
    stretch: Any = "log",
    smooth: float = 0.0,
    zoom: float | None = None,
    window: tuple[float, float, float, float] | None = None,
    mask: NDArray[np.bool_] | None = None,
    cross_hair: Any = None,
    scale_bar: tuple[Any, str] | None = None,
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
    stretch : {"log", "sqrt", "linear", "asinh"} or astropy stretch
    smooth : float
        Standard deviation of a Gaussian to smooth with, pixels; 0 for none.
    zoom : float, optional
        Show only the surroundings of the regions (without any, of the brightest pixel), this many times as large. By
        default all pixels with events are shown, without an empty border.
    window : tuple of float, optional
        Part to show instead: first and last column, first and last row, pixels counted from 1.
    mask : bool[ny, nx], optional
        Pixels that are shown; with `zoom` the part of the image that holds them.
    cross_hair : position, optional
        Marked by two lines across the picture; as for `wolter.circle`.
    scale_bar : (Quantity, str), optional
        An angle and what to write at a bar of this length.
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
    if mask is not None:
        data = _masked(data, mask, picture.path)
    wcs = picture.wcs
    named = _named(regions)
    lines = _lines(named, wcs)
    (xlo, xhi), (ylo, yhi) = _window(data, lines, zoom, mask) if window is None else _given(window, picture.shape)
    figure, box, bar_box = _layout((yhi - ylo) / (xhi - xlo), bool(title), any(name for name, _ in named))
    axes = _axes(figure, wcs, box)
    norm = _norm(data, stretch, vmin, vmax)
    shown = axes.imshow(data, origin="lower", cmap="cividis", norm=norm, interpolation="nearest", rasterized=True)
    _draw_regions(axes, lines)
    axes.set_xlim(xlo, xhi)
    axes.set_ylim(ylo, yhi)
    if cross_hair is not None:
        _draw_cross(axes, picture, cross_hair)
    if scale_bar is not None:
        _draw_scale(axes, picture, scale_bar)
    bar = figure.colorbar(shown, cax=figure.add_axes(bar_box))
    bar.ax.tick_params(which="both", direction="in", labelsize=FONT, color="white", labelcolor=INK)
    bar.outline.set_linewidth(0.7)  # type: ignore[operator]
    bar.set_label(_unit(picture, smooth), fontsize=FONT + 0.5, color=INK)
    if any(name for name, _ in named):
        _legend(axes, named)
    titled(axes, title, loc="left", pad=20.0 if any(name for name, _ in named) else 6.0)
    return figure


def _masked(data: np.ndarray, mask: Any, path: Any) -> np.ndarray:
    """The image with nothing outside the mask."""
    if np.shape(mask) != data.shape:
        raise DataError(f"the mask has the shape {np.shape(mask)}, the image {data.shape}", file=path)
    data = np.where(np.asarray(mask, bool), data, 0.0)
    if not np.nanmax(data) > 0:
        raise DataError("the mask leaves no counts of the image", file=path, cure="Check its position and size.")
    return data


def _draw_cross(axes: Any, picture: Any, position: Any) -> None:
    x, y = picture.pixel(position)
    for line in (axes.axvline, axes.axhline):
        line(x - 1 if line == axes.axvline else y - 1, color="white", linewidth=0.7, alpha=0.9)


def _draw_scale(axes: Any, picture: Any, scale_bar: tuple[Any, str]) -> None:
    """A bar of an angular length in the lower left corner, with its text above."""
    from matplotlib.patheffects import Normal, Stroke

    length = to_deg(scale_bar[0], "scale_bar") / picture.pixel_scale_deg
    (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
    if not 0 < length < 0.9 * (x1 - x0):
        raise DataError(
            f"the scale bar of {scale_bar[0]} is longer than the picture or nothing",
            cure="Choose a length of about a fifth of the picture.",
        )
    x, y = x0 + 0.05 * (x1 - x0), y0 + 0.05 * (y1 - y0)
    effects = [Stroke(linewidth=3.4, foreground=INK), Normal()]
    axes.plot([x, x + length], [y, y], color="white", linewidth=1.8, path_effects=effects)
    axes.text(
        x, y + 0.015 * (y1 - y0), scale_bar[1], color="white", fontsize=FONT, ha="left", va="bottom",
        path_effects=[Stroke(linewidth=2.2, foreground=INK), Normal()],
    )  # fmt: skip


def _norm(data: np.ndarray, stretch: Any, vmin: float | None, vmax: float | None) -> Any:
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
    if stretch == "asinh":
        from matplotlib.colors import AsinhNorm

        return AsinhNorm(linear_width=max(top * 1e-2, 1e-300), vmin=bottom, vmax=top)
    from astropy.visualization import BaseStretch, ImageNormalize

    if isinstance(stretch, BaseStretch):
        return ImageNormalize(vmin=bottom, vmax=top, stretch=stretch, clip=False)
    raise DataError(f"stretch {stretch!r} is not known", cure="Use log, sqrt, asinh or linear.")


def _layout(aspect: float, title: bool, names: bool) -> tuple[Figure, Box, Box]:
    """Figure and places of the picture and of the bar; by hand, since layouts do not know labels of sky coordinates."""
    width = 3.0
    height = width * aspect
    total = (width + 1.75, height + 0.65 + 0.25 * (title + names))
    box = (0.85 / total[0], 0.55 / total[1], width / total[0], height / total[1])
    bar = ((0.85 + width + 0.08) / total[0], box[1], 0.13 / total[0], box[3])
    return bare_figure(total), box, bar


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
    data: np.ndarray, lines: list[tuple[np.ndarray, bool, str]], zoom: float | None, mask: Any = None
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Range of x and y to show, pixels of the axes."""
    ny, nx = data.shape
    whole = (-0.5, nx - 0.5), (-0.5, ny - 0.5)
    included = [line for line, excluded, _ in lines if not excluded]
    if zoom is None:
        return _without_border(data, included, whole)
    if not zoom > 0:
        raise DataError(f"zoom is {zoom}", cure="Give a positive factor, e.g. 1.5.")
    if included or mask is not None:
        points = np.concatenate(included) if mask is None else np.argwhere(mask)[:, ::-1].astype(float)
        lo, hi = points.min(axis=0), points.max(axis=0)
        centre, half = 0.5 * (lo + hi), 0.5 * zoom * float((hi - lo).max())
    else:
        y, x = np.unravel_index(int(np.nanargmax(data)), data.shape)
        centre, half = np.array([x, y], dtype=float), 0.5 * max(nx, ny) / max(zoom, 1.0)
    limits = [(max(w[0], c - half), min(w[1], c + half)) for w, c in zip(whole, centre.tolist(), strict=True)]
    return (limits[0], limits[1]) if all(lo < hi for lo, hi in limits) else whole


def _given(
    window: tuple[float, float, float, float], shape: tuple[int, int]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """A window in FITS pixels as limits of the axes, cut to the image."""
    x0, x1, y0, y1 = (float(v) - 1.0 for v in window)
    across = max(-0.5, x0), min(shape[1] - 0.5, x1)
    up = max(-0.5, y0), min(shape[0] - 0.5, y1)
    if not (across[0] < across[1] and up[0] < up[1]):
        raise DataError("the part of the image to be shown is empty", cure="Give (x0, x1, y0, y1) within the image.")
    return across, up


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
