"""`wolter image`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from wolter.cli._common import (
    ENERGY_RANGE,
    emit,
    example,
    json_option,
    kev,
    overwrite_option,
    polite_warnings,
    products_folder,
    save_figure,
)
from wolter.cli.extract import region

__all__ = ["command"]


@click.command(
    "image",
    epilog=example(
        "wolter image 0201903501 --energy 0.5:2 --energy 2:10 --output products",
        "wolter image a_cl.evt b_cl.evt --energy 0.3:10 --mosaic --exposure a_ex.img --exposure b_ex.img --plot",
    ),
)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...", type=click.Path())
@click.option("--energy", "bands", type=ENERGY_RANGE, multiple=True, metavar="LO:HI", help="Energy band (keV).")
@click.option("--frame", default="sky", show_default=True, help="sky, det, raw, or two columns: DETX,DETY.")
@click.option("--binning", type=click.FloatRange(0, min_open=True), help="Column pixels per image pixel.")
@click.option("--like", type=click.Path(exists=True), metavar="IMAGE", help="Use the pixels of this image.")
@click.option("--region", "inside", metavar="REGION", help="Only events inside; region file or text.")
@click.option(
    "--filter", "expression", metavar="EXPR", help="Row filter, in the syntax of the mission (cfitsio or SAS)."
)
@click.option("--gti", type=click.Path(exists=True), help="Good time intervals that must hold too.")
@click.option("--detector", "detectors", multiple=True, help="Only this detector (of an observation).")
@click.option("--mosaic", "together", is_flag=True, help="Add everything up on common pixels.")
@click.option(
    "--exposure", "exposures", multiple=True, type=click.Path(exists=True), help="Exposure map, one for each image."
)
@click.option("--plot", is_flag=True, help="Draw the images too (PNG).")
@click.option("--output", type=click.Path(), default=".", show_default=True, help="Folder for the products.")
@json_option
@overwrite_option
def command(
    inputs: tuple[str, ...],
    bands: tuple[tuple[float, float], ...],
    frame: str,
    binning: float | None,
    like: str | None,
    inside: str | None,
    expression: str | None,
    gti: str | None,
    detectors: tuple[str, ...],
    together: bool,
    exposures: tuple[str, ...],
    plot: bool,
    output: str,
    as_json: bool,
    overwrite: bool,
) -> None:
    """Images of observations (folders) or event files, one for every detector and band; or their mosaic.

    With exposure maps rate maps are written too (counts, exposure and their ratio in one file).
    """
    from wolter.data import ExposureMap, Image, RateMap
    from wolter.makers import make_images, mosaic

    options: dict[str, Any] = {"frame": frame, "region": region(inside), "binning": _whole(binning)}
    if like is not None:
        options["grid"] = Image.read(like)
    with polite_warnings(), products_folder(output) as folder:
        lists = _event_lists(inputs, detectors)
        plane = "" if frame == "sky" else "_" + frame.lower().replace(",", "_")
        names = [plane + ("" if band is None else f"_{band[0]:g}-{band[1]:g}keV") for band in (bands or (None,))]
        wanted = [None if band is None else (kev(band[0]), kev(band[1])) for band in (bands or (None,))]
        if expression is not None:
            lists = {stem: _filtered(events, expression) for stem, events in lists.items()}
        if gti is not None:
            lists = {stem: events.select(gti=gti) for stem, events in lists.items()}
        if together:
            made = {"mosaic": [mosaic(list(lists.values()), energy=band, **options) for band in wanted]}
        else:
            made = {stem: make_images(events, wanted, **options) for stem, events in lists.items()}
        maps = [ExposureMap.read(name) for name in exposures]
        if maps and len(maps) != (len(lists) if together else len(made)):
            raise click.UsageError(f"{len(maps)} exposure maps are given for {len(lists)} event lists")
        result: dict[str, Any] = {"images": []}
        for number, (stem, pictures) in enumerate(made.items()):
            for name, picture in zip(names, pictures, strict=True):
                path = folder / f"{stem}{name}.img"
                picture.write(path, overwrite=overwrite)
                entry = {"file": str(path), "counts": float(picture.data.sum()), "shape": list(picture.shape)}
                shown: Any = picture
                if maps:
                    seconds = mosaic(maps if together else [maps[number]], picture.grid)
                    shown = RateMap(picture, seconds)
                    entry["rate_map"] = str(shown.write(folder / f"{stem}{name}_rate.fits", overwrite=overwrite))
                if plot:
                    entry["figure"] = str(path.with_suffix(".img.png"))
                    save_figure(shown.plot(), entry["figure"], overwrite=overwrite)
                result["images"].append(entry)
    emit(result, as_json, lambda: "\n".join(f"{i['file']}: {i['counts']:.0f} counts" for i in result["images"]))


def _whole(binning: float | None) -> float | None:
    """A whole number where it is one, so that pixels hold whole numbers of columns."""
    return int(binning) if binning is not None and binning == int(binning) else binning


def _filtered(events: Any, expression: str) -> Any:
    return events.select(expression=expression, dialect=events.mission.dialect)


def _event_lists(inputs: tuple[str, ...], detectors: tuple[str, ...]) -> dict[str, Any]:
    """Event lists of folders and files by the stem of their products."""
    from wolter.data import EventList
    from wolter.observation import Observation

    found: dict[str, Any] = {}
    for name in inputs:
        if Path(name).is_dir():
            observation = Observation(name)
            for detector, events in observation.events.items():
                if not detectors or detector in detectors:
                    found[f"{observation.obsid}_{detector.lower()}"] = events
        else:
            path = Path(name.partition("[")[0])
            stem = path.name.removesuffix(".gz").rpartition(".")[0] or path.name
            found[stem if stem not in found else f"{stem}_{len(found) + 1}"] = EventList.read(name)
    if not found:
        raise click.UsageError(f"no event list of {', '.join(detectors)} is there")
    return found
