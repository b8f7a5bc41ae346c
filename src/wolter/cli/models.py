"""`wolter models`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wolter.cli._common import emit, example, json_option

if TYPE_CHECKING:
    from wolter.models.catalogue import ComponentInfo

__all__ = ["command"]


@click.command("models", epilog=example("wolter models", "wolter models TBabs", "wolter models --usable"))
@click.argument("name", required=False)
@click.option("--usable", is_flag=True, help="List only what can be used on this computer.")
@json_option
def command(name: str | None, usable: bool, as_json: bool) -> None:
    """List the model components, or show the parameters of one.

    Components come from Wolter itself (native), from files (table), from the user (python), or from XSPEC's own
    library, of which some need data files that may not be on this computer. The first listing tries them all, which
    takes some seconds. The parameters of a table model are shown with its file: 'atable{FILE}'.
    """
    from wolter.models.catalogue import TABLE_MODELS, describe_component, list_components

    if name is not None:
        entry = describe_component(name, check=True)
        emit(entry.to_dict(), as_json, "\n".join(_details(entry)))
        return
    entries = [e for e in list_components(check=True) if e.usable or not usable] + list(TABLE_MODELS)
    result = {"components": [e.to_dict() for e in entries]}
    emit(result, as_json, lambda: "\n".join(_table(entries)))


def _table(entries: list[ComponentInfo]) -> list[str]:
    width = max(len(e.name) for e in entries)
    lines = []
    for e in entries:
        state = "yes" if e.usable else f"no: {e.reason}"
        lines.append(f"{e.name:<{width}}  {e.kind:<15} {e.origin:<14} {state}")
    usable = sum(bool(e.usable) for e in entries)
    origins: dict[str, int] = {}
    for e in entries:
        origins[e.origin] = origins.get(e.origin, 0) + 1
    count = ", ".join(f"{n} {origin}" for origin, n in origins.items())
    return [f"{'name':<{width}}  {'kind':<15} {'origin':<14} usable here", *lines, f"{usable} usable of {count}"]


def _details(entry: ComponentInfo) -> list[str]:
    lines = [f"{entry.name} ({entry.kind}, {entry.origin})", entry.doc]
    lines.append("Usable here." if entry.usable else f"Not usable here: {entry.reason}.")
    if not entry.parameters:
        return lines
    lines += ["", f"  {'name':<14} {'unit':<10} {'default':>10}   hard (soft) limits"]
    for p in entry.parameters:
        state = {"par": " frozen" if p.frozen else "", "switch": " switch", "scale": " scale"}[p.kind]
        lines.append(
            f"  {p.name:<14} {p.unit:<10} {p.default:>10g}   {p.hard_min:g} ({p.soft_min:g}) ... "
            f"({p.soft_max:g}) {p.hard_max:g}{state}"
        )
    return lines
