"""`wolter detect`."""

from __future__ import annotations

from typing import Any

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
    save_figure,
)

__all__ = ["command"]


@click.command(
    "detect",
    epilog=example(
        "wolter detect field.img --exposure field_ex.img --regions sources.reg --plot sources.png",
        "wolter detect sum.evt.gz --energy 0.3:10 --exposure sum.exp.gz --json",
    ),
)
@click.argument("input_", metavar="IMAGE", type=click.Path())
@click.option("--exposure", type=click.Path(exists=True), help="Exposure map of the same pixels, or of others.")
@click.option("--energy", type=ENERGY_RANGE, metavar="LO:HI", help="Band (keV), if events are given.")
@click.option(
    "--threshold", type=click.FloatRange(1), default=5.0, show_default=True, help="Significance required, sigma."
)
@click.option(
    "--scale", "scales", type=click.FloatRange(0, min_open=True), multiple=True, help="Radius of a cell, pixels."
)
@click.option("--table", type=click.Path(), help="Write a FITS table of the sources.")
@click.option("--regions", type=click.Path(), help="Write a DS9 region file.")
@click.option("--plot", type=click.Path(), help="Draw the image with the sources.")
@json_option
@overwrite_option
def command(
    input_: str,
    exposure: str | None,
    energy: tuple[float, float] | None,
    threshold: float,
    scales: tuple[float, ...],
    table: str | None,
    regions: str | None,
    plot: str | None,
    as_json: bool,
    overwrite: bool,
) -> None:
    """Find sources on an image, a rate map or an event file: positions, count rates, significance."""
    from wolter.data import ExposureMap
    from wolter.makers import detect, mosaic

    check_targets(table, regions, overwrite=overwrite)
    check_targets(plot, overwrite=overwrite, figures=plot is not None)
    with polite_warnings():
        seconds = None if exposure is None else ExposureMap.read(exposure)
        image = _image(input_, energy, seconds)
        if seconds is not None and image.grid.difference(seconds.grid, tolerance=0.05) is not None:
            seconds = mosaic([seconds], image.grid)
        found = detect(image, seconds, threshold=threshold, scales=list(scales) or None)
        if table is not None:
            found.write(table, overwrite=overwrite)
        if regions is not None:
            with_suffix = regions if regions.endswith(".reg") else f"{regions}.reg"
            found.write(with_suffix, overwrite=overwrite)
        if plot is not None:
            save_figure(found.plot(), plot, overwrite=overwrite)
    result = {"sources": [found[k] for k in range(len(found))]}
    emit(result, as_json, lambda: _text(found))


def _image(name: str, energy: tuple[float, float] | None, exposure: Any) -> Any:
    """Image or rate map of a file; of an event file an image in the band, on the pixels of the exposure map."""
    from wolter import fits
    from wolter.data import EventList, Image, RateMap
    from wolter.makers import make_image

    with fits.open(name) as file:
        kinds = {str(h.header.get("HDUCLAS1", "")).strip().upper() for h in file.hdus}
        extensions = {h.name.upper() for h in file.hdus}
    if "EVENTS" in kinds or "EVENTS" in extensions:
        band = None if energy is None else (kev(energy[0]), kev(energy[1]))
        return make_image(EventList.read(name), energy=band, grid=exposure)
    if energy is not None:
        raise click.UsageError("--energy is for event files; an image has its band already")
    return RateMap.read(name) if {"COUNTS", "EXPOSURE"} <= extensions else Image.read(name)


def _text(found: Any) -> str:
    if not len(found):
        return "no source reaches the threshold"
    lines = ["  #         RA        Dec  error   counts      rate +/- error (count/s)  significance"]
    for k in range(len(found)):
        s = found[k]
        lines.append(
            f'{k + 1:3d} {s["ra"]:10.5f} {s["dec"]:+10.5f} {s["error_radius"]:5.1f}" {s["counts"]:8.0f} '
            f"{s['rate']:9.3e} +/- {s['rate_error']:.1e}           {s['significance']:6.1f}"
        )
    return "\n".join(lines)
