"""Sources as the telescopes saw them."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.errors import DataError, WolterError
from wolter.plot._style import FONT, INK, bare_figure
from wolter.plot.skies import image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["profile_fit", "sample_view", "source_view"]

_NICE = (1.0, 2.0, 5.0)


def source_view(
    source: Any,
    obsid: str | None = None,
    detector: str | None = None,
    *,
    band: Any = None,
    radius: Any = None,
    mask: bool = False,
    interlopers: bool = True,
    cross_hair: bool = True,
    zoom: float | None = 1.2,
    **options: Any,
) -> Figure:
    """Rate map of a source, with its radii, what is in its way, and a bar of physical length.

    Parameters
    ----------
    source : Source
    obsid, detector : str, optional
        As for `Source.rate_map`; without them everything put together.
    band : pair of Quantity, optional
    radius : Quantity or str, optional
        Circle to draw and to zoom to; all of the source's radii by default.
    mask : bool
        Show only what is inside the radius (the smallest, of several) and not in an interloper.
    interlopers : bool
        Outline the other detections (of one observation only).
    cross_hair : bool
        Mark the position.
    zoom : float, optional
        Show the surroundings of the largest radius, so many times as large; None for the whole field.
    **options
        As for `wolter.plot.image`.
    """
    from astropy import units as u

    from wolter.sky import circle

    rates = source.rate_map(obsid, detector, band=band)
    angles = {str(radius): source.radius(radius)} if radius is not None else dict(source.radii)
    regions = {name: circle(source.position, angle * u.deg) for name, angle in angles.items()}
    if interlopers and obsid is not None:
        try:
            others = source.match(obsid, rates.grid).interlopers
        except DataError:  # no file of detections
            others = ()
        if others:
            joined = others[0].region
            for other in others[1:]:
                joined = joined | other.region
            regions["interlopers"] = joined
    if mask:
        if not angles:
            raise DataError(f"{source.name} has no radius to mask by", cure="Give radius=.")
        options["mask"] = source.mask(min(angles.values()) * u.deg, rates.grid, obsid=obsid)
    if cross_hair:
        options.setdefault("cross_hair", source.position)
    largest = max(angles.values(), default=None)
    options.setdefault("scale_bar", _scale_bar(source, largest if largest and zoom else 0.2 * _field(rates)))
    options.setdefault("title", source.name)
    if largest is not None and zoom is not None:
        options.setdefault("window", _window(rates, source, largest, zoom))
    return image(rates, regions, **options)


def _field(rates: Any) -> float:
    """Width of the exposed field, deg."""
    return float(np.sqrt(rates.exposed.sum())) * rates.pixel_scale_deg


def _window(rates: Any, source: Any, radius: float, zoom: float) -> tuple[float, float, float, float]:
    """Pixels (x0, x1, y0, y1; counted from 1) of a square around the source."""
    x, y = rates.pixel(source.position)
    half = zoom * radius / rates.pixel_scale_deg
    return x - half, x + half, y - half, y + half


def _scale_bar(source: Any, about: float) -> tuple[Any, str]:
    """Bar of a round length near a fifth to a half of an angle (deg)."""
    from astropy import units as u

    if source.redshift is not None:
        length = _round(0.5 * source.scale.length(about))
        text = f"{length / 1000:g} Mpc" if length >= 1000 else f"{length:g} kpc"
        return length / source.scale.kpc_per_deg * u.deg, text
    arcsec = _round(0.5 * about * 3600.0)
    return arcsec * u.arcsec, f"{arcsec / 60:g} arcmin" if arcsec >= 60 else f"{arcsec:g} arcsec"


def _round(value: float) -> float:
    """Largest of 1, 2, 5 times a power of ten that is not larger."""
    power = 10.0 ** math.floor(math.log10(value))
    return max(n * power for n in _NICE if n * power <= value * (1 + 1e-12))


def sample_view(sample: Any, *, columns: int = 4, most: int = 16, radius: Any = None, smooth: float = 1.5) -> Figure:
    """Rate maps of the first sources of a sample side by side, each on its own scale.

    Parameters
    ----------
    sample : Sample
    columns : int
        Panels per row.
    most : int
        Panels at most.
    radius : Quantity or str, optional
        Half width of the panels; the largest radius of each source by default.
    smooth : float
        Standard deviation of a Gaussian, pixels.
    """
    number = min(len(sample), most)
    columns = min(columns, number)
    rows = -(-number // columns)
    figure = bare_figure((2.1 * columns, 2.3 * rows))
    for i in range(number):
        axes = figure.add_subplot(rows, columns, i + 1)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(sample.names[i], fontsize=FONT, color=INK)
        try:
            _panel(axes, sample[i], radius, smooth)
        except WolterError as error:
            axes.set_box_aspect(1)
            told = "\n".join(textwrap.wrap(error.cause, 24)[:6])
            axes.text(0.5, 0.5, told, fontsize=FONT - 2, ha="center", va="center", color=INK, transform=axes.transAxes)
    figure.tight_layout()
    return figure


def _panel(axes: Any, source: Any, radius: Any, smooth: float) -> None:
    from scipy.ndimage import gaussian_filter

    from wolter.plot.skies import _draw_scale, _norm

    rates = source.rate_map()
    reach = source.radius(radius) if radius is not None else max(source.radii.values(), default=5.0 / 60.0)
    data = gaussian_filter(np.nan_to_num(rates.data), smooth) if smooth > 0 else np.nan_to_num(rates.data)
    axes.imshow(data, origin="lower", cmap="cividis", norm=_norm(data, "log", None, None), rasterized=True)
    x0, x1, y0, y1 = _window(rates, source, reach, 1.0)
    axes.set_xlim(x0 - 1, x1 - 1)
    axes.set_ylim(y0 - 1, y1 - 1)
    _draw_scale(axes, rates, _scale_bar(source, reach))


def profile_fit(fit: Any, *, title: str | None = None) -> Figure:
    """Radial profile with the model fitted to it, its background, and the residuals in standard deviations.

    Parameters
    ----------
    fit : ProfileFit
    title : str, optional
    """
    from wolter.plot._style import COLOURS, COLUMN, legend, new_figure, style, titled

    figure = new_figure(COLUMN, 3.4)
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
    profile = fit.profile
    seen = np.isfinite(profile.gross) & (profile.counts > 0)
    seconds = profile.exposure * profile.area
    model = np.divide(fit.predicted, seconds, out=np.full(len(profile), np.nan), where=seconds > 0)
    radius, width = profile.radius, 0.5 * (profile.r_out - profile.r_in)
    style(upper)
    style(lower)
    upper.errorbar(
        radius[seen], profile.gross[seen], profile.gross_error[seen], width[seen], fmt="none", ecolor=INK,
        elinewidth=0.8, label="counts",
    )  # fmt: skip
    upper.plot(radius, model, color=COLOURS[1], linewidth=1.2, label=f"{fit.model} model")
    upper.axhline(fit.values["background"], color=COLOURS[0], linewidth=0.9, linestyle="--", label="background")
    upper.set_xscale("log")
    upper.set_yscale("log")
    upper.set_ylabel("count s$^{-1}$ arcmin$^{-2}$", fontsize=FONT + 0.5, color=INK)
    legend(upper)
    spread = np.sqrt(np.maximum(fit.predicted, 1e-9))
    lower.errorbar(
        radius[seen], ((profile.counts - fit.predicted) / spread)[seen], 1.0, width[seen], fmt="none", ecolor=INK,
        elinewidth=0.8,
    )  # fmt: skip
    lower.axhline(0.0, color=COLOURS[1], linewidth=1.0)
    lower.set_ylabel("residual ($\\sigma$)", fontsize=FONT + 0.5, color=INK)
    lower.set_xlabel("Radius (arcsec)", fontsize=FONT + 0.5, color=INK)
    titled(upper, title)
    return figure
