"""`wolter demo`: the tutorial's analysis on a simulated observation, from events to a report."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wolter.cli._common import emit, example, json_option, note, output_folder, polite_warnings, save_figure, write_json

if TYPE_CHECKING:
    from wolter.fit import Fit, Grid
    from wolter.observation import Observation

__all__ = ["command", "run_demo"]

POSITION = "16:53:51.766 +39:45:44.41"
MODEL = "polconst*tbabs*(constant*powerlaw)"
TRUTH = {
    "polconst.A": 0.12,
    "polconst.psi": -46.0,
    "TBabs.nH": 0.3,
    "constant.factor": 1.0,
    "powerlaw.PhoIndex": 2.4,
    "powerlaw.norm": 0.15,
}


@click.command("demo", epilog=example("wolter demo --output wolter-demo"))
@click.option("--output", type=click.Path(), default="wolter-demo", show_default=True, help="Folder for the results.")
@click.option("--exposure", type=click.FloatRange(1e3), default=4e4, show_default=True, help="Good time (s).")
@click.option("--seed", type=int, default=501, show_default=True, help="Seed of the simulation.")
@click.option("--keep", is_flag=True, help="Keep the simulated observation in the output folder.")
@json_option
def command(output: str, exposure: float, seed: int, keep: bool, as_json: bool) -> None:
    """Simulate an observation of a polarised blazar and analyse it as the tutorial does.

    Event files are simulated into a temporary folder; spectra, figures, numbers and an HTML report are written to the
    output folder (results of an earlier demo there are replaced).
    """
    folder = output_folder(output)
    with polite_warnings():
        if keep:
            result = run_demo(folder / "simulated", folder, exposure=exposure, seed=seed)
        else:
            with tempfile.TemporaryDirectory(prefix="wolter-demo-") as work:
                result = run_demo(Path(work), folder, exposure=exposure, seed=seed)
    emit(result, as_json, lambda: _summary(result))


def run_demo(work: Path, folder: Path, *, exposure: float, seed: int) -> dict[str, Any]:
    """The whole chain: simulate, extract, fit, errors, contours, flux, MDP, figures, report.

    Parameters
    ----------
    work : Path
        Where the simulated observation goes.
    folder : Path
        Where spectra, figures, ``result.json`` and ``report.html`` go.
    exposure : float
        Good time in seconds.
    seed : int
        Seed of the simulation.

    Returns
    -------
    dict
        What was found, next to what was put in.
    """
    from astropy import units as u

    from wolter.fit import Fit, measured_mdp
    from wolter.observation import Observation
    from wolter.report import write_report
    from wolter.sky import annulus, circle

    note("simulating the observation ...")
    path = _simulate(work, exposure, seed)
    observation = Observation(path)
    source = circle(POSITION, 60 * u.arcsec)
    background = annulus(POSITION, 132 * u.arcsec, 252 * u.arcsec)
    note("extracting I, Q and U spectra of source and background ...")
    # beside the spectra that name them: the simulated observation goes, the spectra stay
    responses = shutil.copytree(work / "responses", folder / "responses", dirs_exist_ok=True)
    spectra = observation.spectra(source, background, stokes="neff", responses=responses, output=folder, overwrite=True)
    note("fitting ...")
    # 0.2 keV bins: chi-squared with a handful of counts per channel would pull the spectrum soft
    fit = Fit(spectra.group(channels=5).select(2 * u.keV, 8 * u.keV), MODEL)
    fit.set("polconst.A", 0.05)
    fit.set("polconst.psi", -50.0)
    fit.set("powerlaw.PhoIndex", 2.7)
    fit.set("powerlaw.norm", 0.1)
    fit.free_by_group("constant.factor")
    fit.set("constant.factor", 1.0)
    fit.freeze("constant.factor")
    outcome = fit.run()
    for message in outcome.messages:
        note(f"fit: {message}")
    fit.error("polconst.A", "polconst.psi", level=0.99)
    note("stepping polarisation degree and angle through a grid ...")
    grid = fit.grid({"polconst.A": (0.0, 0.30, 42), "polconst.psi": (-90.0, 90.0, 37)})
    mdp = measured_mdp(fit)
    cube = observation.polarisation_cube(
        source, background, energy=[2, 4, 6, 8] * u.keV, responses=responses, weighting="neff"
    )
    note("drawing figures and writing the report ...")
    figures = _figures(folder, observation, fit, grid, cube, mdp, [source, background])
    result = _result(fit, mdp, cube, figures)
    write_report(
        fit,
        folder / "report.html",
        grid=grid,
        cube=cube,
        images=observation.image(),
        regions={"source": source, "background": background},
        light_curves=observation.light_curve(500 * u.s, source),
        mdp=mdp,
        title="Simulated blazar: spectro-polarimetric analysis",
        overwrite=True,
    )
    result["report"] = str(folder / "report.html")
    write_json(folder / "result.json", result, overwrite=True)
    return result


def _simulate(work: Path, exposure: float, seed: int) -> Path:
    from astropy import units as u

    from wolter.models import Model
    from wolter.simulate import simulate_observation

    model = Model(MODEL)
    for name, value in TRUTH.items():
        model[name].value = value
    return simulate_observation(
        model,
        mission="ixpe",
        position=POSITION,
        exposure=exposure * u.s,
        output=work,
        obsid="99000101",
        object_name="Simulated blazar",
        seed=seed,
        overwrite=True,
    )


def _figures(
    folder: Path, observation: Observation, fit: Fit, grid: Grid, cube: Any, mdp: float, regions: list[Any]
) -> list[str]:
    """Draw and save every figure of the analysis."""
    from astropy import units as u

    from wolter import plot

    first = next(iter(observation.events))
    named = {"source": regions[0], "background": regions[1]}
    drawn = {
        "spectrum.png": plot.spectrum(fit),
        "polarisation.png": plot.polarisation(fit),
        "contour.png": plot.contour(grid, mdp=mdp),
        "contour_polar.png": plot.contour(grid, polar=True, mdp=mdp),
        "stokes_plane.png": plot.stokes_plane(cube),
        "image.png": plot.image(observation.image(detectors=[first])[first], regions=named),
        "light_curve.png": plot.light_curve(observation.light_curve(500 * u.s, regions[0])),
    }
    for name, figure in drawn.items():
        save_figure(figure, folder / name, overwrite=True)
    return [str(folder / name) for name in drawn]


def _result(fit: Fit, mdp: float, cube: Any, figures: list[str]) -> dict[str, Any]:
    from astropy import units as u

    result = fit.to_dict()
    result["truth"] = TRUTH
    result["flux"] = [f.to_dict() for f in fit.flux(2 * u.keV, 8 * u.keV)]
    result["mdp99"] = mdp
    result["cube"] = {
        name: [float(v) for v in getattr(cube, name)] for name in ("pd", "pd_error", "pa", "pa_error", "mdp99")
    }
    result["figures"] = figures
    return result


def _summary(result: dict[str, Any]) -> str:
    lines = [f"{'':<20}{'truth':>10}{'fit':>12}{'sigma':>10}"]
    for p in result["parameters"]:
        if p["group"] == 1 and not p["frozen"] and not p["tied"]:
            truth = result["truth"][p["name"]]
            lines.append(f"{p['name']:<20}{truth:>10.4g}{p['value']:>12.4g}{p['sigma']:>10.2g}")
    lines += [
        f"chi-squared {result['statistic']:.1f} for {result['dof']} degrees of freedom; "
        f"MDP99 {100 * result['mdp99']:.1f} %",
        "(the source region holds 93 % of the point-spread function, so the norm is lower by that)",
        "Open " + result["report"],
    ]
    return "\n".join(lines)
