"""`wolter simulate`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from wolter.cli._common import emit, example, json_option, note, output_folder, overwrite_option, polite_warnings

__all__ = ["command"]


@click.command(
    "simulate",
    epilog=example(
        "wolter simulate --model 'polconst*tbabs*powerlaw' --set polconst.A=0.1 --set polconst.psi=30 \\",
        "    --set powerlaw.norm=0.1 --position '16:53:51.766 +39:45:44.41' --exposure 1e5 --output sim",
    ),
)
@click.option("--mission", default="ixpe", show_default=True, help="Mission to simulate.")
@click.option("--model", required=True, metavar="EXPR", help="Spectrum and polarisation, in XSPEC's notation.")
@click.option("--set", "set_", multiple=True, metavar="PAR=VALUE", help="Value of a parameter.")
@click.option("--abund", metavar="TABLE", help="Abundance table.")
@click.option("--position", required=True, help="Right ascension and declination, 'hh:mm:ss dd:mm:ss'.")
@click.option(
    "--shape",
    default="point",
    show_default=True,
    help="Shape of the source: point, disk:RADIUS or beta:CORE,BETA[,LIMIT] (arcsec).",
)
@click.option("--pointing", help="Where the telescope points, if not at the source, 'hh:mm:ss dd:mm:ss'.")
@click.option("--roll", type=float, help="Roll angle (deg).")
@click.option("--jitter", type=click.FloatRange(0), help="Wandering of the pointing, root mean square (arcsec).")
@click.option("--exposure", required=True, type=click.FloatRange(0, min_open=True), help="Good time (s).")
@click.option("--output", required=True, type=click.Path(), help="Folder in which the observation is made.")
@click.option("--obsid", default="99000101", show_default=True, help="Identifier of the observation.")
@click.option("--object", "object_name", default="SIMULATED", show_default=True, help="Name of the target.")
@click.option("--background-rate", type=click.FloatRange(0), help="Instrumental background, counts/s/arcmin2.")
@click.option("--responses", type=click.Path(exists=True), help="Folder with response files; nominal ones otherwise.")
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same files.")
@json_option
@overwrite_option
def command(
    mission: str,
    model: str,
    set_: tuple[str, ...],
    abund: str | None,
    position: str,
    shape: str,
    pointing: str | None,
    roll: float | None,
    jitter: float | None,
    exposure: float,
    output: str,
    obsid: str,
    object_name: str,
    background_rate: float | None,
    responses: str | None,
    seed: int,
    as_json: bool,
    overwrite: bool,
) -> None:
    """Simulate an observation of a source, in the layout of the mission's archive."""
    from astropy import units as u

    from wolter.cli._fit_setup import start_values
    from wolter.models import Model, Settings
    from wolter.simulate import simulate_observation

    with polite_warnings():
        the_model = Model(model, settings=Settings(abund=abund or Settings.abund))
        for name, value in start_values(set_):
            the_model[name].value = value
        output_folder(output)
        folder = simulate_observation(
            the_model,
            mission=mission,
            position=position,
            exposure=exposure * u.s,
            output=output,
            obsid=obsid,
            object_name=object_name,
            background_rate=None if background_rate is None else background_rate / u.s / u.arcmin**2,
            responses=responses,
            shape=shape,
            pointing=pointing,
            roll=None if roll is None else roll * u.deg,
            jitter=None if jitter is None else jitter * u.arcsec,
            seed=seed,
            overwrite=overwrite,
        )
    if responses is None:
        note("nominal responses: built from published design figures, not for science")
    truth = json.loads((Path(output) / f"{obsid}_truth.json").read_text())
    result = {"folder": str(folder), "responses": responses or str(Path(output) / "responses"), "truth": truth}
    lines = [f"{folder}"]
    lines += [
        f"  {name}: {d['events']} events ({d['source']} of the source), live time {d['livetime']:.1f} s"
        for name, d in truth["detectors"].items()
    ]
    emit(result, as_json, "\n".join(lines))
