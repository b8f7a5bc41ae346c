"""`wolter mdp`."""

from __future__ import annotations

import click

from wolter.cli._common import ENERGY_RANGE, RESPONSES, emit, example, json_option, kev, polite_warnings, seconds
from wolter.cli._fit_setup import FitOptions, build_fit, run_fit, start_values

__all__ = ["command"]


@click.command(
    "mdp",
    epilog=example(
        "wolter mdp --model 'tbabs*powerlaw' --set tbabs.nH=0.646 --set powerlaw.PhoIndex=2.75 \\",
        "    --set powerlaw.norm=0.06 --rmf d1.rmf --arf d1.arf --mrf d1.mrf --exposure 97243",
        "wolter mdp det?_src_?.pha --model 'polconst*tbabs*powerlaw' --energy 2:8",
    ),
)
@click.argument("spectra", nargs=-1, metavar="[SPEC...]")
@click.option("--model", required=True, metavar="EXPR", help="Spectrum of the source, in XSPEC's notation.")
@click.option("--set", "set_", multiple=True, metavar="PAR=VALUE", help="Value of a parameter.")
@click.option("--energy", type=ENERGY_RANGE, default="2:8", show_default=True, metavar="LO:HI", help="Band (keV).")
@click.option("--abund", metavar="TABLE", help="Abundance table.")
@click.option("--xsect", metavar="TABLE", help="Photoelectric cross-sections.")
@click.option("--rmf", multiple=True, metavar="FILE", help="Response matrix of each detector.")
@click.option("--arf", multiple=True, metavar="FILE", help="Effective area of each detector.")
@click.option("--mrf", multiple=True, metavar="FILE", help="Modulation response of each detector.")
@click.option("--exposure", type=click.FloatRange(0, min_open=True), help="Exposure (s) to predict for.")
@click.option("--background-rate", type=click.FloatRange(0), default=0.0, help="Background in the source region, 1/s.")
@click.option("--free-by-group", multiple=True, metavar="PAR", help="With spectra: one value per data group.")
@click.option("--responses", type=RESPONSES, help="With spectra: folder with responses, or caldb[:LOCKFILE].")
@json_option
def command(
    spectra: tuple[str, ...],
    model: str,
    set_: tuple[str, ...],
    energy: tuple[float, float],
    abund: str | None,
    xsect: str | None,
    rmf: tuple[str, ...],
    arf: tuple[str, ...],
    mrf: tuple[str, ...],
    exposure: float | None,
    background_rate: float,
    free_by_group: tuple[str, ...],
    responses: str | None,
    as_json: bool,
) -> None:
    """Minimum detectable polarisation at 99 % confidence.

    Predicted from a model, responses and an exposure; or, with spectra (I, Q and U), of what was observed.
    """
    with polite_warnings():
        if spectra:
            options = FitOptions(
                spectra=spectra,
                model=model,
                set_=set_,
                energy=energy,
                abund=abund,
                xsect=xsect,
                free_by_group=free_by_group,
                responses=responses,
            )
            value, kind = _measured(options), "measured"
        else:
            if not (rmf and arf and mrf and exposure):
                raise click.UsageError("without spectra, --rmf, --arf, --mrf and --exposure are needed")
            if not len(rmf) == len(arf) == len(mrf):
                raise click.UsageError("--rmf, --arf and --mrf must be given equally often")
            value, kind = (
                _predicted(
                    model, set_, abund, xsect, list(zip(rmf, arf, mrf, strict=True)), energy, exposure, background_rate
                ),
                "predicted",
            )
    result = {"mdp99": value, "kind": kind, "lo": energy[0], "hi": energy[1]}
    emit(result, as_json, f"MDP99, {energy[0]:g}-{energy[1]:g} keV, {kind}: {100 * value:.2f} %")


def _measured(options: FitOptions) -> float:
    from wolter.fit import measured_mdp

    fit = build_fit(options)
    run_fit(fit, options)
    return measured_mdp(fit)


def _predicted(
    expression: str,
    set_: tuple[str, ...],
    abund: str | None,
    xsect: str | None,
    responses: list[tuple[str, str, str]],
    energy: tuple[float, float],
    exposure: float,
    background_rate: float,
) -> float:
    from wolter.fit import predict_mdp
    from wolter.models import Model, Settings

    model = Model(expression, settings=Settings(abund=abund or Settings.abund, xsect=xsect or Settings.xsect))
    for name, value in start_values(set_):
        model[name].value = value
    return predict_mdp(model, responses, background_rate, seconds(exposure), energy=tuple(kev(e) for e in energy))
