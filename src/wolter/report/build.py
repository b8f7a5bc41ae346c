"""Putting the report together."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wolter import fits
from wolter._version import __version__
from wolter.errors import OutputError, WolterError
from wolter.report import page, pictures, tables, words

if TYPE_CHECKING:
    from wolter.data import Image, LightCurve
    from wolter.fit import ErrorResult, Fit, Grid
    from wolter.makers.polarisation import PolarisationCube

__all__ = ["write_report"]


def write_report(
    fit: Fit,
    path: str | PathLike[str],
    *,
    grid: Grid | Sequence[Grid] | None = None,
    cube: PolarisationCube | None = None,
    images: Image | Sequence[Image] | Mapping[str, Image] | None = None,
    regions: Any = None,
    light_curves: LightCurve | Sequence[LightCurve] | Mapping[str, LightCurve] | None = None,
    errors: Sequence[ErrorResult] | None = None,
    energy: Any = None,
    mdp: float | None = None,
    predicted_mdp: float | None = None,
    figures: Mapping[str, Any] | None = None,
    title: str | None = None,
    command: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the report of a fit: one HTML file that needs nothing else.

    Style sheet and figures are inside the file; it asks nothing of the network, is legible in light, in dark and on
    paper, and carries the result for programs, too (JSON in the element ``#result``).

    Parameters
    ----------
    fit : Fit
    path : path-like
        The file, usually ``.html``.
    grid : Grid or several, optional
        Confidence contours; of polarisation degree and angle also in polar form.
    cube : PolarisationCube, optional
        Event-based polarisation: a table and the Stokes plane.
    images : Image, or several as list or dict by name, optional
    regions : RegionSet, or several as list or dict by name, optional
        Drawn on the images.
    light_curves : LightCurve, or several, optional
    errors : sequence of ErrorResult, optional
        What `Fit.error` returned; by default the intervals that the fit knows.
    energy : pair of Quantity, optional
        Range of the fluxes; by default the noticed one.
    mdp : float, optional
        Measured minimum detectable polarisation (fraction); by default from the spectra, if they are I, Q and U.
    predicted_mdp : float, optional
        That of `predict_mdp`.
    figures : mapping of caption to matplotlib Figure, optional
        Further figures.
    title : str, optional
        By default the object's name.
    command : str, optional
        What was run; by default the command line of this process.
    overwrite : bool
        Replace an existing file.

    Returns
    -------
    Path

    Raises
    ------
    OutputError
        The file exists and `overwrite` is False, or cannot be written. Nothing is left behind.
    """
    path = Path(path)
    if path.exists() and not overwrite:  # before the work of drawing
        raise OutputError("the file exists", file=path, cure="Choose another name, or pass overwrite=True.")
    if not path.parent.is_dir():
        raise OutputError("the folder does not exist", file=path, cure="Make it first.")
    grids: list[Any] = [] if grid is None else list(grid) if isinstance(grid, (list, tuple)) else [grid]
    polarimetric = _has_triplets(fit)
    if mdp is None and polarimetric:
        mdp = _or_none(lambda: fit.mdp())
    object_name = words.object_name(fit)
    heading = title or (f"{object_name}: spectral fit" if object_name else "Spectral fit")
    created = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    fluxes = _fluxes(fit, energy)
    drawn = [
        *pictures.fit_figures(fit, polarimetric),
        *pictures.grid_figures(grids, mdp, {_label(p): p.value for p in fit.parameters}),
        *pictures.other_figures(cube, light_curves, figures),
        *pictures.image_figures(images, regions),
    ]
    parameters, note = tables.parameter_table(fit, _intervals(fit, errors))
    sections = [
        _summary(fit, grids, mdp),
        page.section("Parameters", parameters, page.paragraph(note) if note else ""),
        page.section("Fluxes", tables.flux_table(fluxes)),
        page.section("Polarisation", tables.mdp_table(mdp, predicted_mdp), tables.cube_table(cube)),
        page.section("Figures", page.figures(drawn)),
        page.section("Spectra", tables.spectrum_table(fit)),
        page.section("Settings", tables.settings_table(fit)),
        page.section("Provenance", tables.input_table(fit), tables.version_table(command, created)),
    ]
    extra = {"flux": [f.to_dict() for f in fluxes], "mdp99": mdp, "created": created, "wolter": __version__}
    _write(path, page.page(heading, f"Wolter {__version__}, {created}", sections, fit.to_dict() | extra), overwrite)
    return path


def _summary(fit: Fit, grids: Sequence[Any], mdp: float | None) -> str:
    """The first section: what was done and found, and what to doubt."""
    polarised = words.polarised(fit, mdp)
    messages = [*words.done(fit), *(m for g in grids for m in g.messages)]
    return page.section(
        "Summary",
        page.paragraph(" ".join([words.observed(fit), *words.outcome(fit)]), "lead"),
        page.paragraph(polarised, "lead") if polarised else "",
        page.items(words.concerns(fit, list(grids)), "warning"),
        page.items(_sentences(messages)),
    )


def _write(path: Path, text: str, overwrite: bool) -> None:
    with fits.atomic_path(path, overwrite=overwrite) as temporary:
        try:
            temporary.write_text(text, encoding="utf-8")
        except OSError as error:
            raise OutputError(f"the report cannot be written ({error.strerror})", file=path) from error


def _sentences(texts: Sequence[str]) -> list[str]:
    return [t[:1].upper() + t[1:] + ("" if t.endswith((".", "!", "?")) else ".") for t in dict.fromkeys(texts) if t]


def _label(row: Any) -> str:
    return row.name if row.group == 1 else f"{row.group}:{row.name}"


def _has_triplets(fit: Fit) -> bool:
    counts = [sum(e.spectrum.stokes == s for e in fit.dataset.spectra) for s in (0, 1, 2)]
    return counts[0] > 0 and len(set(counts)) == 1


def _or_none(function: Any) -> Any:
    try:
        return function()
    except WolterError:
        return None


def _intervals(fit: Fit, errors: Sequence[ErrorResult] | None) -> dict[tuple[str, int], Any]:
    known = errors if errors is not None else [fit.error_of(row.index - 1) for row in fit.parameters]
    return {(e.name, e.group): e for e in known if e is not None}


def _fluxes(fit: Fit, energy: Any) -> list[Any]:
    if energy is None:
        from astropy import units as u

        lo, hi = words.noticed_range(fit)
        energy = (lo * u.keV, hi * u.keV)
    return fit.flux(*energy)
