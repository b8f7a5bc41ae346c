"""`wolter extract`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wolter.cli._common import (
    ENERGY_RANGE,
    RESPONSES,
    emit,
    example,
    json_option,
    overwrite_option,
    polite_warnings,
    products_folder,
    save_figure,
)

if TYPE_CHECKING:
    from wolter.observation import Observation

__all__ = ["command", "region"]


def region(text: str | None) -> Any:
    """Region of a file, or of region text given instead of a file name."""
    if text is None:
        return None
    from wolter.sky import parse_regions, read_regions

    if Path(text).is_file() or Path(text.partition("[")[0]).is_file():  # or file[REG00101]
        return read_regions(text)
    if "(" not in text:
        raise click.UsageError(f"region {text!r} is neither a file nor region text such as circle(...)")
    return parse_regions(text, name="command line")


@click.command(
    "extract",
    epilog=example(
        "wolter extract 01004701 --source src.reg --background bck.reg --stokes neff \\",
        "    --responses caldb --output products",
        "wolter extract evt2.fits.gz --source 'circle(16:53:51.766,+39:45:44.41,60\")' --light-curve 100 --image",
    ),
)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...", type=click.Path())
@click.option("--source", metavar="REGION", help="Region file or region text; without it the whole field.")
@click.option("--background", metavar="REGION", help="Background region, likewise.")
@click.option("--stokes", metavar="WEIGHTING", help="I, Q, U spectra: neff, simple or unweighted.")
@click.option(
    "--responses", type=RESPONSES, help="Folder in which responses are found by their headers, or caldb[:LOCKFILE]."
)
@click.option("--gti", type=click.Path(exists=True), help="Good time intervals that must hold too.")
@click.option("--filter", "expression", metavar="EXPR", help="Row filter, e.g. 'PI >= 50 && PI < 200'.")
@click.option("--light-curve", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="Bin of a light curve.")
@click.option("--image", is_flag=True, help="Sky image of the whole field.")
@click.option("--cube", type=ENERGY_RANGE, metavar="LO:HI", help="Event-based polarisation in this band (keV).")
@click.option("--detector", "detectors", multiple=True, help="Only this detector.")
@click.option("--mode", help="Event lists of this mode, where a detector has several (wolter info lists them).")
@click.option("--plot", is_flag=True, help="Draw the light curves and images too (PNG).")
@click.option("--output", type=click.Path(), default=".", show_default=True, help="Folder for the products.")
@json_option
@overwrite_option
def command(
    inputs: tuple[str, ...],
    source: str | None,
    background: str | None,
    stokes: str | None,
    responses: str | None,
    gti: str | None,
    expression: str | None,
    light_curve: float | None,
    image: bool,
    cube: tuple[float, float] | None,
    detectors: tuple[str, ...],
    mode: str | None,
    plot: bool,
    output: str,
    as_json: bool,
    overwrite: bool,
) -> None:
    """Extract products of an observation (its folder) or of event files.

    Spectra are written for every detector; with --stokes as I, Q and U, named <mission>_det<n>_src_I.pha and so on.
    """
    from wolter.gti import GTI
    from wolter.observation import Observation

    with polite_warnings(), products_folder(output) as folder:
        observation = Observation(inputs[0] if len(inputs) == 1 else list(inputs), mode=mode)
        if cube is not None and responses is None:
            raise click.UsageError("--cube needs --responses: the modulation factor is the ratio of MRF and ARF")
        regions = region(source), region(background)
        chosen = list(detectors) or None
        selection: dict[str, Any] = {}
        if gti is not None:
            selection["gti"] = GTI.read(gti)
        if expression is not None:
            selection |= {"expression": expression, "dialect": observation.mission.dialect}
        spectra = observation.spectra(
            *regions,
            stokes=stokes,
            responses=responses,
            detectors=chosen,
            output=folder,
            overwrite=overwrite,
            **selection,
        )
        result: dict[str, Any] = {
            "mission": observation.mission.name,
            "obsid": observation.obsid,
            "spectra": [_spectrum_dict(s) for s in spectra],
        }
        if light_curve is not None:
            result["light_curves"] = _light_curves(
                observation, light_curve, regions[0], chosen, selection, folder, plot, overwrite
            )
        if image:
            result["images"] = _images(observation, regions, chosen, selection, folder, plot, overwrite)
        if cube is not None:
            result["cube"] = _cube(observation, regions, cube, responses, stokes, chosen, selection, folder, overwrite)
    emit(result, as_json, lambda: _summary(result))


def _spectrum_dict(spectrum: Any) -> dict[str, Any]:
    rate, error = spectrum.net_rate()
    return {
        "file": str(spectrum.path),
        "detector": spectrum.detnam if spectrum.detnam.strip().upper() not in ("", "NONE") else spectrum.instrume,
        "stokes": None if spectrum.stokes is None else "IQU"[spectrum.stokes],
        "exposure": spectrum.exposure,
        "backscal": spectrum.backscal,
        "rate": rate,
        "rate_error": error,
        "background": spectrum.backfile,
        "rmf": spectrum.respfile,
        "arf": spectrum.ancrfile,
    }


def _light_curves(
    observation: Observation,
    binsize: float,
    source: Any,
    detectors: list[str] | None,
    selection: dict[str, Any],
    folder: Path,
    plot: bool,
    overwrite: bool,
) -> list[dict[str, Any]]:
    from astropy import units as u

    made = []
    for name, curve in observation.light_curve(binsize * u.s, source, detectors=detectors, **selection).items():
        path = folder / f"{observation.product_stem(name)}_src.lc"
        curve.write(path, overwrite=overwrite)
        made.append({"file": str(path), "detector": name, "bins": len(curve)})
        if plot:
            from wolter.plot import light_curve

            save_figure(light_curve(curve), path.with_suffix(".lc.png"), overwrite=overwrite)
    return made


def _images(
    observation: Observation,
    regions: tuple[Any, Any],
    detectors: list[str] | None,
    selection: dict[str, Any],
    folder: Path,
    plot: bool,
    overwrite: bool,
) -> list[dict[str, Any]]:
    made = []
    for name, picture in observation.image(detectors=detectors, **selection).items():
        path = folder / f"{observation.product_stem(name)}.img"
        picture.write(path, overwrite=overwrite)
        made.append({"file": str(path), "detector": name, "counts": float(picture.data.sum())})
        if plot:
            from wolter.plot import image

            shown = [r for r in regions if r is not None]
            save_figure(image(picture, regions=shown or None), path.with_suffix(".img.png"), overwrite=overwrite)
    return made


def _cube(
    observation: Observation,
    regions: tuple[Any, Any],
    band: tuple[float, float],
    responses: str | None,
    stokes: str | None,
    detectors: list[str] | None,
    selection: dict[str, Any],
    folder: Path,
    overwrite: bool,
) -> dict[str, Any]:
    from astropy import units as u

    cube = observation.polarisation_cube(
        *regions,
        energy=list(band) * u.keV,
        responses=responses or "",
        weighting=stokes,
        detectors=detectors,
        **selection,
    )
    path = folder / f"{observation.mission.name}_pcube.fits"
    cube.write(path, overwrite=overwrite)
    keys = ("pd", "pd_error", "pa", "pa_error", "mdp99", "significance", "p_value", "n_eff")
    return {"file": str(path), "lo": band[0], "hi": band[1]} | {k: float(getattr(cube, k)[0]) for k in keys}


def _summary(result: dict[str, Any]) -> str:
    lines = [f"{result['obsid']} ({result['mission']})"]
    lines += [f"  {s['file']}: {s['rate']:.5g} +/- {s['rate_error']:.2g} count/s" for s in result["spectra"]]
    lines += [f"  {c['file']}: {c['bins']} bins" for c in result.get("light_curves", [])]
    lines += [f"  {i['file']}: {i['counts']:.0f} counts" for i in result.get("images", [])]
    if "cube" in result:
        c = result["cube"]
        lines.append(
            f"  {c['file']}: {c['lo']:g}-{c['hi']:g} keV: PD {100 * c['pd']:.2f} +/- {100 * c['pd_error']:.2f} %, "
            f"PA {c['pa']:.1f} +/- {c['pa_error']:.1f} deg, MDP99 {100 * c['mdp99']:.2f} %"
        )
    return "\n".join(lines)
