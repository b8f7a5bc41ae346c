"""`wolter expmap`."""

from __future__ import annotations

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

__all__ = ["command"]


@click.command(
    "expmap",
    epilog=example(
        "wolter expmap 00085374001 --output products",
        "wolter expmap 0201903501 --energy 0.5:2 --energy 2:10 --like img.fits --detector M1",
    ),
)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...", type=click.Path(exists=True))
@click.option(
    "--energy",
    "bands",
    type=ENERGY_RANGE,
    multiple=True,
    metavar="LO:HI",
    help="Band (keV) at whose middle vignetting is taken; without it the map is plain live time.",
)
@click.option("--like", type=click.Path(exists=True), metavar="IMAGE", help="Use the pixels of this image.")
@click.option("--detector", "detectors", multiple=True, help="Only this detector.")
@click.option("--attitude", type=click.Path(exists=True), metavar="FILE", help="Attitude file, if not in the folder.")
@click.option("--plot", is_flag=True, help="Draw the maps too (PNG).")
@click.option("--output", type=click.Path(), default=".", show_default=True, help="Folder for the products.")
@json_option
@overwrite_option
def command(
    inputs: tuple[str, ...],
    bands: tuple[tuple[float, float], ...],
    like: str | None,
    detectors: tuple[str, ...],
    attitude: str | None,
    plot: bool,
    output: str,
    as_json: bool,
    overwrite: bool,
) -> None:
    """Exposure maps of an observation: its folder, or its event, attitude and housekeeping files.

    One map for every detector and band, in seconds.
    """
    from wolter.data import Image
    from wolter.observation import Observation

    options: dict[str, Any] = {} if attitude is None else {"attitude": attitude}
    if like is not None:
        options["like"] = Image.read(like)
    result: dict[str, Any] = {"maps": []}
    with polite_warnings(), products_folder(output) as folder:
        observation = Observation(inputs[0] if len(inputs) == 1 else list(inputs))
        wanted = [None if band is None else (kev(band[0]), kev(band[1])) for band in (bands or (None,))]
        for detector in detectors or observation.events:
            made = observation.exposure_maps(detector, wanted, **options)
            for band, product in zip(bands or (None,), made, strict=True):
                name = "" if band is None else f"_{band[0]:g}-{band[1]:g}keV"
                path = folder / f"{observation.obsid}_{detector.lower()}{name}_ex.img"
                product.write(path, overwrite=overwrite)
                entry = {
                    "file": str(path),
                    "detector": detector,
                    "exposure": product.exposure,
                    "largest": float(product.data.max()),
                    "vignetting": product.vignetted,
                }
                if plot:
                    entry["figure"] = str(path.with_suffix(".img.png"))
                    save_figure(product.plot(), entry["figure"], overwrite=overwrite)
                result["maps"].append(entry)
    emit(result, as_json, lambda: "\n".join(f"{m['file']}: up to {m['largest']:.1f} s" for m in result["maps"]))
