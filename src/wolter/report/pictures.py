"""The figures of the report, drawn and captioned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wolter import plot
from wolter.plot import render
from wolter.report.page import Figure
from wolter.report.words import noticed_range

if TYPE_CHECKING:
    from wolter.fit import Fit

__all__ = ["fit_figures", "grid_figures", "image_figures", "other_figures"]


def _drawn(drawing: Any, caption: str, alt: str, *, kind: str = "svg", wide: bool = False) -> Figure:
    return Figure(render(drawing, kind, dpi=180), kind, caption, alt, wide=wide)


def fit_figures(fit: Fit, polarimetric: bool) -> list[Figure]:
    """Spectra with the model, and polarisation against energy."""
    lo, hi = noticed_range(fit)
    number = len(fit.dataset.spectra)
    bins = " Bins are joined for the figure; residuals are in units of the error of the joined bins."
    caption = f"Data (points), folded model (steps) and residuals of {number} spectra, {lo:.2f} to {hi:.2f} keV." + bins
    alt = f"Spectra with model {fit.model.expression}: statistic {fit.statistic:.2f} for {fit.dof} degrees of freedom."
    out = [_drawn(plot.spectrum(fit), caption, alt, wide=polarimetric)]
    if polarimetric:
        caption = (
            "Polarisation angle and degree against energy, from the summed Q and U spectra, with those of the folded "
            "model. Degrees are positive by definition and too high where they are not significant."
        )
        out.append(_drawn(plot.polarisation(fit), caption, "Polarisation angle and degree in energy bins."))
    return out


def grid_figures(grids: Sequence[Any], mdp: float | None, best: Mapping[str, float]) -> list[Figure]:
    """Contours of every grid; polarisation in polar form, too."""
    out = []
    for grid in grids:
        if len(grid.axes) > 2:
            continue
        names = " and ".join(grid.names)
        at = ", ".join(f"{n} = {grid.best[n]:.4g}" for n in grid.names if n in grid.best)
        alt = f"Lowest statistic {grid.grid_minimum:.2f} at {at}."
        polar = len(grid.axes) == 2 and _polarimetric(grid)
        line = mdp if polar else None
        where = None if grid.new_minimum else best
        if len(grid.axes) == 1:
            caption = f"Rise of the statistic along {names}, all other free parameters fitted at every point."
        else:
            caption = (
                f"Joint confidence regions of {names}, all other free parameters fitted at every point of a grid of "
                f"{' by '.join(str(len(a)) for a in grid.axes)}; the cross marks the best fit."
            )
            if line is not None:
                caption += " The dashed line is the minimum detectable polarisation at 99 % confidence."
        out.append(_drawn(plot.contour(grid, mdp=line, best=where), caption, alt))
        if polar:
            caption = "The same regions with the angle as direction (zero is north, counter-clockwise as on the sky)."
            out.append(_drawn(plot.contour(grid, mdp=line, best=where, polar=True), caption, alt))
    return out


def _polarimetric(grid: Any) -> bool:
    units = [u.strip().lower() for u in grid.units]
    components = [n.split(":")[-1].split(".")[0].lower() for n in grid.names]
    return sum(u in ("deg", "degree") for u in units) == 1 and all(c.startswith("pol") for c in components)


def image_figures(images: Any, regions: Any) -> list[Figure]:
    """Sky images."""
    out = []
    for name, picture in _named(images):
        caption = f"Counts on the sky{f', {name}' if name else ''}"
        caption += "; outlines of the regions." if regions else "."
        alt = f"Sky image {name} with {int(picture.data.sum())} counts."
        out.append(_drawn(plot.image(picture, regions, zoom=1.3 if regions else None), caption, alt, kind="png"))
    return out


def other_figures(cube: Any, light_curves: Any, figures: Mapping[str, Any] | None) -> list[Figure]:
    """The Stokes plane of a cube, light curves, and figures that the caller has drawn."""
    out = []
    if cube is not None:
        caption = (
            "Normalised Stokes parameters of the events in energy bins with joint confidence regions. Circles are "
            "constant degrees, rays constant angles every 30 degrees."
        )
        out.append(_drawn(plot.stokes_plane(cube), caption, "Q/I and U/I of the events."))
    if light_curves:
        caption = "Count rate against time; bins with less than a tenth of their time exposed are left out."
        out.append(_drawn(plot.light_curve(light_curves, min_exposure=0.1), caption, caption, wide=True))
    for caption, drawing in (figures or {}).items():
        out.append(_drawn(drawing, caption, caption))
    return out


def _named(images: Any) -> list[tuple[str, Any]]:
    if images is None:
        return []
    if isinstance(images, Mapping):
        return [(str(name), picture) for name, picture in images.items()]
    if isinstance(images, (list, tuple)):
        return [("", picture) for picture in images]
    return [("", images)]
