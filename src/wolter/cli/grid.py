"""`wolter grid`."""

from __future__ import annotations

import math
from typing import Any

import click
import numpy as np

from wolter.cli._common import (
    AXIS,
    LEVELS,
    check_targets,
    emit,
    example,
    json_option,
    note,
    overwrite_option,
    polite_warnings,
    report_interruption,
    save_figure,
    write_json,
)
from wolter.cli._fit_setup import FitOptions, build_fit, fit_options, run_fit
from wolter.errors import FitError

__all__ = ["command"]


@click.command(
    "grid",
    epilog=example(
        "wolter grid det?_src_?.pha --model 'polconst*tbabs*powerlaw' --energy 2:8 \\",
        "    --axis polconst.A=0:0.21:42 --axis polconst.psi=-90:0:37 --levels 1.386,4.61,9.21,13.81 \\",
        "    --plot contour.png",
    ),
)
@fit_options
@click.option("--axis", "axes", multiple=True, required=True, type=AXIS, help="A parameter and its points.")
@click.option("--plot", type=click.Path(), help="Draw the contours (two axes) or the profile (one axis).")
@click.option(
    "--levels",
    type=LEVELS,
    metavar="D,D,...",
    help="Rises of the statistic at which contours are drawn, e.g. 1.386,4.61,9.21,13.81.",
)
@click.option("--polar", is_flag=True, help="Draw polarisation degree and angle in polar form.")
@click.option("--output", type=click.Path(), help="Write the JSON result to this file too.")
@json_option
@overwrite_option
def command(
    axes: tuple[tuple[str, tuple[float, float, int]], ...],
    plot: str | None,
    levels: tuple[float, ...] | None,
    polar: bool,
    output: str | None,
    as_json: bool,
    overwrite: bool,
    **shared: Any,
) -> None:
    """Step parameters through a grid, all other free parameters refitted at every point."""
    with polite_warnings():
        check_targets(output, overwrite=overwrite)
        check_targets(plot, overwrite=overwrite, figures=True)
        options = FitOptions(**shared)
        fit = build_fit(options)
        run_fit(fit, options)
        grid = fit.grid(dict(axes))
        for message in grid.messages:
            note(f"grid: {message}")
        if not np.isfinite(grid.statistic).any():
            raise FitError("interrupted before the first point of the grid was done")
        lowest = float(np.nanmin(grid.statistic))
        where = np.unravel_index(int(np.nanargmin(grid.statistic)), grid.statistic.shape)
        result = {
            "names": list(grid.names),
            "axes": dict(zip(grid.names, grid.axes, strict=True)),
            "statistic": grid.statistic,
            "complete": grid.complete,
            "messages": list(grid.messages),
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

            chosen: dict[str, Any] = (
                {} if levels is None else {"confidence": [_probability(d, len(grid.axes)) for d in levels]}
            )
            figure = contour(grid, polar=polar, best=_best(fit, grid.names), mdp=_mdp(fit, grid.names), **chosen)
            save_figure(figure, plot, overwrite=overwrite)
    at = ", ".join(f"{n} = {v:.4g}" for n, v in result["minimum"]["at"].items())
    done = int(np.isfinite(grid.statistic).sum())
    text = f"{done} points; best fit {fit.statistic:.2f}; lowest grid point {lowest:.2f} at {at}"
    emit(result, as_json, text)
    report_interruption((*result["messages"], *(fit.result.messages if fit.result else ())))


def _probability(rise: float, number: int) -> float:
    """Joint probability of the region in which the statistic rises by so much, for one or two parameters."""
    return math.erf(math.sqrt(rise / 2)) if number == 1 else -math.expm1(-rise / 2)


def _mdp(fit: Any, names: Any) -> float | None:
    """Measured MDP99, where a polarisation degree is an axis and the data can tell."""
    from wolter.errors import WolterError
    from wolter.fit import measured_mdp

    if not any(name.rpartition(":")[2].startswith("polconst") and name.endswith(".A") for name in names):
        return None
    try:
        return measured_mdp(fit)
    except WolterError as exc:
        note(f"no MDP is drawn: {exc}")
        return None


def _best(fit: Any, names: Any) -> dict[str, float]:
    """Values of the best fit on the axes of a grid."""
    values = {}
    for row in fit.parameters:
        values[row.name if row.group == 1 else f"{row.group}:{row.name}"] = row.value
    return {name: values[name] for name in names if name in values}
