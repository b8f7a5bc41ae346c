"""`wolter lightcurve`."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wolter.cli._common import (
    ENERGY_RANGE,
    check_targets,
    emit,
    example,
    json_option,
    kev,
    overwrite_option,
    polite_warnings,
    products_folder,
    save_figure,
    seconds,
)
from wolter.cli.extract import region

if TYPE_CHECKING:
    from wolter.data import LightCurve

__all__ = ["command"]


@click.command(
    "lightcurve",
    epilog=example(
        "wolter lightcurve 01004701 --bin 500 --source src.reg --background bck.reg --energy 2:8",
        "wolter lightcurve evt.fits --bin 100 --energy 10:12 --sigma 3      # writes flare-free good times",
        "wolter lightcurve evt.fits --bin 1000 --source src.reg --soft 0.5:2 --hard 2:10",
    ),
)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...", type=click.Path())
@click.option(
    "--bin", "binsize", type=click.FloatRange(0, min_open=True), required=True, metavar="SECONDS", help="Bin."
)
@click.option("--source", metavar="REGION", help="Region file or region text; without it the whole field.")
@click.option("--background", metavar="REGION", help="Background region, subtracted by area.")
@click.option("--energy", type=ENERGY_RANGE, metavar="LO:HI", help="Energy band (keV).")
@click.option("--filter", "expression", metavar="EXPR", help="Row filter, e.g. 'PI >= 50 && PI < 200'.")
@click.option("--gti", type=click.Path(exists=True), help="Good time intervals that must hold too.")
@click.option("--detector", "detectors", multiple=True, help="Only this detector.")
@click.option("--min-fraction", type=click.FloatRange(0, 1), default=0.1, show_default=True, help="Least exposed part.")
@click.option("--deadtime", type=click.Choice(["header", "housekeeping"]), help="Correct for dead time.")
@click.option("--errors", type=click.Choice(["sqrt", "gehrels"]), default="sqrt", show_default=True, help="Errors.")
@click.option("--soft", type=ENERGY_RANGE, metavar="LO:HI", help="Soft band of a hardness ratio (with --hard).")
@click.option("--hard", type=ENERGY_RANGE, metavar="LO:HI", help="Hard band of a hardness ratio.")
@click.option("--blocks", is_flag=True, help="Bayesian blocks.")
@click.option("--sigma", type=click.FloatRange(0, min_open=True), help="Clip flares at so many standard deviations.")
@click.option("--max-rate", type=float, metavar="RATE", help="Cut flares above this rate (count/s).")
@click.option("--plot", is_flag=True, help="Draw the light curves too (PNG).")
@click.option("--output", type=click.Path(), default=".", show_default=True, help="Folder for the products.")
@json_option
@overwrite_option
def command(inputs: tuple[str, ...], binsize: float, output: str, as_json: bool, overwrite: bool, **given: Any) -> None:
    """Light curves of an observation (its folder) or of event files; hardness, Bayesian blocks, flare-free good times.

    One light curve is written for every detector, named as the products of `wolter extract`.
    """
    from wolter.observation import Observation

    if (given["soft"] is None) != (given["hard"] is None):
        raise click.UsageError("--soft and --hard belong together")
    with polite_warnings(), products_folder(output) as folder:
        observation = Observation(inputs[0] if len(inputs) == 1 else list(inputs))
        curves = _curves(observation, binsize, given, given["energy"])
        made = []
        for name, curve in curves.items():
            stem = folder / observation.product_stem(name)
            one = _products(curve, stem, given, overwrite)
            if given["hard"] is not None:
                one["hardness"] = _hardness(observation.events[name], binsize, given)
            made.append({"detector": name, **one})
    result = {"mission": observation.mission.name, "obsid": observation.obsid, "light_curves": made}
    emit(result, as_json, lambda: _summary(result))


def _curves(observation: Any, binsize: float, given: dict[str, Any], band: Any) -> dict[str, LightCurve]:
    """Light curves of all detectors in a band."""
    return observation.light_curve(
        seconds(binsize),
        region(given["source"]),
        region(given["background"]),
        min_fraction=given["min_fraction"],
        deadtime=given["deadtime"],
        errors=given["errors"],
        detectors=list(given["detectors"]) or None,
        **_selection(given, band, observation.mission),
    )


def _selection(given: dict[str, Any], band: Any, mission: Any) -> dict[str, Any]:
    """Which events, regions apart."""
    from wolter.gti import GTI

    selection: dict[str, Any] = {}
    if given["gti"] is not None:
        selection["gti"] = GTI.read(given["gti"])
    if given["expression"] is not None:
        selection |= {"expression": given["expression"], "dialect": mission.dialect}
    if band is not None:
        selection["energy"] = tuple(kev(e) for e in band)
    return selection


def _products(curve: LightCurve, stem: Path, given: dict[str, Any], overwrite: bool) -> dict[str, Any]:
    """Files of one detector, and what is in them."""
    from wolter.data import bayesian_blocks, flare_filter

    path = Path(f"{stem}_src.lc")
    flares = given["sigma"] is not None or given["max_rate"] is not None
    good = Path(f"{stem}_flarefree.gti") if flares else None
    picture = path.with_suffix(".lc.png") if given["plot"] else None
    check_targets(path, good, picture, overwrite=overwrite)
    mean = float(curve.rate.mean())
    out: dict[str, Any] = {"file": str(path), "bins": len(curve), "mean_rate": mean, "timezero": float(curve.timezero)}
    if good is not None:
        cut = flare_filter(curve, sigma=given["sigma"], max_rate=given["max_rate"])
        cut.gti.write(good, overwrite=overwrite)
        out["flares"] = {
            "file": str(good),
            "low": cut.low if isfinite(cut.low) else None,
            "high": cut.high,
            "kept": int(cut.kept.sum()),
            "good_time": cut.gti.exposure,
        }
    if given["blocks"]:
        blocks = bayesian_blocks(curve)
        out["blocks"] = [
            {"start": a, "stop": b, "rate": r, "error": e}
            for a, b, r, e in zip(blocks.edges[:-1], blocks.edges[1:], blocks.rate, blocks.error, strict=True)
        ]
    curve.write(path, overwrite=overwrite)
    if picture is not None:
        from wolter.plot import light_curve

        save_figure(light_curve(curve), picture, overwrite=overwrite)
    return out


def _hardness(events: Any, binsize: float, given: dict[str, Any]) -> list[dict[str, float]]:
    """(H - S)/(H + S) of each bin with the limits of its posterior, the background's counts included.

    Dead time is the same in both bands and drops out, so that the counts are taken as they are.
    """
    from wolter.data import hardness_ratio
    from wolter.makers import light_curve

    def curve(where: str, band: str) -> LightCurve | None:
        if where == "background" and given[where] is None:
            return None
        chosen = events.select(region=region(given[where]), **_selection(given, given[band], events.mission))
        return light_curve(chosen, seconds(binsize), min_fraction=given["min_fraction"], allow_empty=True)

    soft, hard = curve("source", "soft"), curve("source", "hard")
    assert soft is not None
    assert hard is not None
    made = hardness_ratio(
        soft,
        hard,
        method="bayes",
        soft_background=curve("background", "soft"),
        hard_background=curve("background", "hard"),
    )
    keys = ("time", "value", "lower", "upper")
    return [dict(zip(keys, row, strict=True)) for row in zip(*(getattr(made, k).tolist() for k in keys), strict=True)]


def _summary(result: dict[str, Any]) -> str:
    lines = [f"{result['obsid']} ({result['mission']})"]
    for c in result["light_curves"]:
        lines.append(f"  {c['file']}: {c['bins']} bins, mean {c['mean_rate']:.5g} count/s")
        if "flares" in c:
            f = c["flares"]
            lines.append(f"    {f['file']}: {f['kept']} bins up to {f['high']:.5g} count/s, {f['good_time']:.0f} s")
        for b in c.get("blocks", []):
            lines.append(f"    {b['start']:.1f} - {b['stop']:.1f} s: {b['rate']:.5g} +/- {b['error']:.2g} count/s")
        for h in c.get("hardness", []):
            lines.append(
                f"    {h['time']:.1f} s: (H-S)/(H+S) = {h['value']:.3f} ({h['lower']:.3f} .. {h['upper']:.3f})"
            )
    return "\n".join(lines)
