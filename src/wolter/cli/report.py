"""`wolter report`."""

from __future__ import annotations

from typing import Any

import click

from wolter.cli._common import AXIS, check_targets, emit, example, json_option, kev, overwrite_option, polite_warnings
from wolter.cli._fit_setup import FitOptions, build_fit, error_names, fit_options, run_fit
from wolter.cli.extract import region

__all__ = ["command"]


@click.command(
    "report",
    epilog=example(
        "wolter report det?_src_?.pha --model 'polconst*tbabs*(constant*powerlaw)' --energy 2:8 --bin 5 \\",
        "    --free-by-group constant.factor --freeze 1:constant.factor --error all \\",
        "    --axis polconst.A=0:0.21:42 --axis polconst.psi=-90:90:37 \\",
        "    --observation 01004701 --source src.reg --background-region bck.reg --output mrk501.html",
    ),
)
@fit_options
@click.option("--error", "errors", multiple=True, metavar="PAR", help="Confidence interval of a parameter; 'all'.")
@click.option("--level", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.9, help="Confidence.")
@click.option("--axis", "axes", multiple=True, type=AXIS, help="Axis of a grid, for contours; twice.")
@click.option("--observation", type=click.Path(), help="Folder of the observation, for image and light curve.")
@click.option("--source", metavar="REGION", help="Source region, drawn on the image; light curve of its events.")
@click.option("--background-region", metavar="REGION", help="Background region, drawn on the image.")
@click.option(
    "--light-curve", type=click.FloatRange(0, min_open=True), default=500.0, help="Bin of its light curve (s)."
)
@click.option("--title", help="Title of the report.")
@click.option("--output", type=click.Path(), default="report.html", show_default=True, help="The HTML file.")
@json_option
@overwrite_option
def command(
    errors: tuple[str, ...],
    level: float,
    axes: tuple[tuple[str, tuple[float, float, int]], ...],
    observation: str | None,
    source: str | None,
    background_region: str | None,
    light_curve: float,
    title: str | None,
    output: str,
    as_json: bool,
    overwrite: bool,
    **shared: Any,
) -> None:
    """Fit spectra and write one self-contained HTML report: words, tables, figures, provenance."""
    from wolter.report import write_report

    if (source or background_region) and not observation:
        raise click.UsageError("--source and --background-region go with --observation")
    with polite_warnings():
        check_targets(output, overwrite=overwrite, figures=True)
        options = FitOptions(**shared)
        band = None if options.energy is None else tuple(kev(e) for e in options.energy)
        pictures = _pictures(observation, source, background_region, light_curve)
        fit = build_fit(options)
        names = error_names(fit, errors)
        run_fit(fit, options)
        if errors:
            fit.error(*names, level=level)
        grid = fit.grid(dict(axes)) if axes else None
        path = write_report(fit, output, grid=grid, energy=band, title=title, overwrite=overwrite, **pictures)
    result = fit.to_dict() | {"report": str(path)}
    emit(result, as_json, f"{path}")


def _pictures(observation: str | None, source: str | None, background: str | None, binsize: float) -> dict[str, Any]:
    """Images, regions and light curves of the observation, if there is one."""
    if observation is None:
        return {}
    from astropy import units as u

    from wolter.observation import Observation

    held = Observation(observation)
    regions = {name: region(text) for name, text in (("source", source), ("background", background)) if text}
    return {
        "images": held.image(),
        "regions": regions or None,
        "light_curves": held.light_curve(binsize * u.s, regions.get("source")),
    }
