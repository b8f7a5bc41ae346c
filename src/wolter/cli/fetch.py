"""`wolter fetch`."""

from __future__ import annotations

from typing import Any

import click

from wolter.cli._archive import archive_options, host_of
from wolter.cli._common import emit, example, json_option, note, overwrite_option, polite_warnings

__all__ = ["command"]


@click.command(
    "fetch",
    epilog=example(
        "wolter fetch 01004701 --list",
        "wolter fetch 01004701 --to data",
        'wolter fetch 00031973040 00031973043 --what "cleaned events" --what attitude --to data',
    ),
)
@click.argument("obsid", nargs=-1, required=True)
@click.option("--mission", "-m", help="Needed when several missions number their observations alike.")
@click.option("--what", multiple=True, metavar="ROLE", help="Role of files, 'all', or 'default'; may be repeated.")
@click.option("--name", "names", multiple=True, metavar="PATTERN", help="Files of these names too, e.g. 'auxil/*'.")
@click.option("--to", default=".", type=click.Path(file_okay=False), help="Folder [.]; files come into TO/OBSID.")
@click.option("--host", default="auto", help="auto, mirror, s3, https, tar, or a mission's own archive (xsa) [auto].")
@click.option("--list", "list_only", is_flag=True, help="Show files, roles and sizes and fetch nothing.")
@click.option("--no-verify", is_flag=True, help="Do not check sums of files that have come.")
@archive_options
@overwrite_option
@json_option
def command(obsid: tuple[str, ...], list_only: bool, as_json: bool, **how: Any) -> None:
    """Fetch what an analysis needs of observations: chosen files, verified; goes on where it was interrupted."""
    from wolter.archive import fetch, locate
    from wolter.archive.locate import HOSTS, megabytes

    servers = host_of(how)
    what = list(how["what"]) or None
    results: list[dict[str, Any]] = []
    lines: list[str] = []
    with polite_warnings():
        for one in obsid:
            holdings = None
            if list_only or how["host"] in HOSTS:
                holdings = locate(
                    one, mission=how["mission"], what=what, names=how["names"], archive=servers,
                    host=how["host"] if how["host"] in HOSTS else "auto",
                )  # fmt: skip
            if list_only and holdings is not None:
                files = [{"name": f.name, "role": f.role, "size": f.size, "chosen": f.chosen} for f in holdings.files]
                results.append({"obsid": one, "mission": holdings.entry.mission.name, "size": holdings.size,
                                "total": holdings.total, "files": files})  # fmt: skip
                lines.append(str(holdings))
                continue
            if holdings is not None:
                size = f"{megabytes(holdings.size)} of {megabytes(holdings.total)}"
                note(f"{one}: {len(holdings.chosen)} of {len(holdings.files)} files, {size}")
            got = fetch(
                holdings or one, mission=how["mission"], what=what, names=how["names"], to=how["to"], archive=servers,
                host=how["host"], verify=not how["no_verify"], overwrite=how["overwrite"],
            )  # fmt: skip
            result = {"obsid": one, "mission": got.mission, "path": got.path, "size": got.size, "moved": got.moved,
                      "files": list(got.files)}  # fmt: skip
            results.append(result)
            note(f"{one}: {megabytes(got.moved)} fetched" if got.moved else f"{one}: all there already")
            lines.append(str(got.path))
    emit({"observations": results}, as_json, "\n".join(lines))
