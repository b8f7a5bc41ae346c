"""`wolter fit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from wolter.cli._common import (
    ENERGY_RANGE,
    check_targets,
    emit,
    example,
    json_option,
    kev,
    note,
    overwrite_option,
    polite_warnings,
    report_interruption,
    save_figure,
    write_json,
)
from wolter.cli._fit_setup import FitOptions, build_fit, error_names, fit_options, run_fit

if TYPE_CHECKING:
    from wolter.fit import Fit

__all__ = ["command", "summary"]

_STATISTICS: dict[str, str] = {"chi": "Chi-squared", "cstat": "C-statistic"}


@click.command(
    "fit",
    epilog=example(
        "wolter fit det?_src_?.pha --model 'polconst*tbabs*(constant*powerlaw)' --energy 2:8 --abund wilm \\",
        "    --set polconst.A=0.05 --set polconst.psi=-50 --set constant.factor=1 --freeze 1:constant.factor \\",
        "    --free-by-group constant.factor --error polconst.A --error polconst.psi --delta 6.635",
    ),
)
@fit_options
@click.option("--error", "errors", multiple=True, metavar="PAR", help="Confidence interval of a parameter; 'all'.")
@click.option("--level", type=click.FloatRange(0, 1, min_open=True, max_open=True), help="Confidence, e.g. 0.9.")
@click.option("--delta", type=click.FloatRange(0, min_open=True), help="Increase of the statistic instead, e.g. 2.706.")
@click.option("--joint", type=click.IntRange(1), default=1, help="Number of parameters of interest for --level.")
@click.option("--flux", type=ENERGY_RANGE, metavar="LO:HI", help="Model flux in this range (keV).")
@click.option("--plot", type=click.Path(), help="Write the spectrum with model and residuals (PNG, PDF or SVG).")
@click.option("--output", type=click.Path(), help="Write the JSON result to this file too.")
@json_option
@overwrite_option
def command(
    errors: tuple[str, ...],
    level: float | None,
    delta: float | None,
    joint: int,
    flux: tuple[float, float] | None,
    plot: str | None,
    output: str | None,
    as_json: bool,
    overwrite: bool,
    **shared: Any,
) -> None:
    """Fit a model to spectra.

    Responses and backgrounds come from the spectra's headers (RESPFILE, ANCRFILE, BACKFILE, beside the spectrum) unless
    given. Parameters are named component.parameter, with '2:' in front for data group 2, or by XSPEC's number.
    """
    if level is not None and delta is not None:
        raise click.UsageError("give either --level or --delta")
    with polite_warnings():
        check_targets(output, overwrite=overwrite)
        check_targets(plot, overwrite=overwrite, figures=True)
        options = FitOptions(**shared)
        fit = build_fit(options)
        names = error_names(fit, errors)
        run_fit(fit, options)
        if errors:
            chosen: dict[str, Any] = {"delta": delta} if delta is not None else {"level": level or 0.9, "joint": joint}
            said = len(fit.result.messages) if fit.result else 0
            fit.error(*names, **chosen)
            for message in fit.result.messages[said:] if fit.result else ():
                note(f"fit: {message}")
        result = fit.to_dict()
        if flux is not None:
            result["flux"] = [f.to_dict() for f in fit.flux(*(kev(e) for e in flux))]
        if output is not None:
            write_json(output, result, overwrite=overwrite)
        if plot is not None:
            from wolter.plot import spectrum

            save_figure(spectrum(fit), plot, overwrite=overwrite)
    emit(result, as_json, lambda: summary(fit, result))
    report_interruption(result["messages"])


def summary(fit: Fit, result: dict[str, Any]) -> str:
    """The result as text for people."""
    lines = [f"Model {fit.model.expression}", ""]
    width = max(len(p["name"]) for p in result["parameters"])
    for p in result["parameters"]:
        if p["group"] > 1 and (p["tied"] or p["frozen"]):
            continue  # the same as in group 1
        value = f"{p['value']:.6g}"
        if p["frozen"]:
            state = "frozen"
        elif p["tied"]:
            state = p["tied"]
        elif p["sigma"] is not None:
            state = f"+/- {p['sigma']:.3g}"
        else:
            state = ""
        if p["lower"] is not None and p["upper"] is not None:
            state += f"   [{p['lower']:.6g}, {p['upper']:.6g}]"
        lines.append(f"  {p['group']}  {p['name']:<{width}}  {value:>12}  {p['unit'] or '':<8} {state}".rstrip())
    name = " + ".join(_STATISTICS.get(str(n), str(n)) for n in result["statistic_name"])
    lines += ["", f"{name} {result['statistic']:.2f} for {result['dof']} degrees of freedom"]
    if result.get("null_probability") is not None:
        lines[-1] += f", null-hypothesis probability {result['null_probability']:.3g}"
    lines.append("")
    for s in result["spectra"]:
        lines.append(f"  {s['file']}: {s['noticed_bins']} bins, statistic {s['statistic']:.2f}, rate {s['rate']:.4g}/s")
    for f in result.get("flux", []):
        lines.append(
            f"Flux of group {f['group']}, {f['lo']:g}-{f['hi']:g} keV: {f['energy']:.4g} erg/cm2/s, "
            f"{f['photons']:.4g} photons/cm2/s"
        )
    return "\n".join(lines)
