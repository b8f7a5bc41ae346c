"""`wolter grid`."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from wolter.cli._common import (
    AXIS,
    emit,
    example,
    json_option,
    overwrite_option,
    polite_warnings,
    save_figure,
    write_json,
)
from wolter.cli._fit_setup import FitOptions, build_fit, fit_options, run_fit

__all__ = ["command"]


@click.command(
    "grid",
    epilog=example(
        "wolter grid det?_src_?.pha --model 'polconst*tbabs*powerlaw' --energy 2:8 \\",
        "    --axis polconst.A=0:0.21:42 --axis polconst.psi=-90:0:37 --plot contour.png",
    ),
)
@fit_options
@click.option("--axis", "axes", multiple=True, required=True, type=AXIS, help="A parameter and its points.")
@click.option("--plot", type=click.Path(), help="Draw the contours (two axes) or the profile (one axis).")
@click.option("--polar", is_flag=True, help="Draw polarisation degree and angle in polar form.")
@click.option("--output", type=click.Path(), help="Write the JSON result to this file too.")
@json_option
@overwrite_option
def command(
    axes: tuple[tuple[str, tuple[float, float, int]], ...],
    plot: str | None,
    polar: bool,
    output: str | None,
    as_json: bool,
    overwrite: bool,
    **shared: Any,
) -> None:
    """Step parameters through a grid, all other free parameters refitted at every point."""
    with polite_warnings():
        options = FitOptions(**shared)
        fit = build_fit(options)
        run_fit(fit, options)
        grid = fit.grid(dict(axes))
        lowest = float(np.nanmin(grid.statistic))
        where = np.unravel_index(int(np.nanargmin(grid.statistic)), grid.statistic.shape)
        result = {
            "names": list(grid.names),
            "axes": dict(zip(grid.names, grid.axes, strict=True)),
            "statistic": grid.statistic,
            "minimum": {
                "statistic": lowest,
                "at": {n: float(a[i]) for n, a, i in zip(grid.names, grid.axes, where, strict=True)},
            },
            "best_fit": {"statistic": fit.statistic, "parameters": fit.to_dict()["parameters"]},
        }
        if output is not None:
            write_json(output, result, overwrite=overwrite)
        if plot is not None:
            from wolter.plot import contour

            save_figure(contour(grid, polar=polar, best=_best(fit, grid.names)), plot, overwrite=overwrite)
    at = ", ".join(f"{n} = {v:.4g}" for n, v in result["minimum"]["at"].items())
    emit(
        result,
        as_json,
        f"{grid.statistic.size} points; best fit {fit.statistic:.2f}; lowest grid point {lowest:.2f} at {at}",
    )


def _best(fit: Any, names: Any) -> dict[str, float]:
    """Values of the best fit on the axes of a grid."""
    values = {}
    for row in fit.parameters:
        values[row.name if row.group == 1 else f"{row.group}:{row.name}"] = row.value
    return {name: values[name] for name in names if name in values}
