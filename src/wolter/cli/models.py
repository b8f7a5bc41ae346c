"""`wolter models`."""

from __future__ import annotations

import dataclasses

import click

from wolter.cli._common import emit, example, json_option

__all__ = ["command"]


@click.command("models", epilog=example("wolter models", "wolter models TBabs"))
@click.argument("name", required=False)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List the model components, or show the parameters of one."""
    from wolter.models import get_component, list_components

    if name is None:
        rows = list_components()
        result = {"components": [dataclasses.asdict(r) for r in rows]}
        width = max(len(r["name"]) for r in result["components"])
        emit(
            result,
            as_json,
            lambda: "\n".join(
                f"{r['name']:<{width}}  {r['kind']:<5} {r.get('origin', '')}" for r in result["components"]
            ),
        )
        return
    component = get_component(name)
    parameters = [
        {
            "name": p.name,
            "unit": p.unit,
            "default": p.default,
            "hard_min": p.hard_min,
            "soft_min": p.soft_min,
            "soft_max": p.soft_max,
            "hard_max": p.hard_max,
            "frozen": p.frozen,
        }
        for p in component.parameters
    ]
    result = {"name": component.name, "kind": component.kind, "parameters": parameters, "description": component.doc}
    lines = [f"{component.name} ({component.kind})", component.doc, ""]
    for p in parameters:
        state = " frozen" if p["frozen"] else ""
        lines.append(
            f"  {p['name']:<10} {p['unit']:<8} {p['default']:>10g}   {p['hard_min']:g} ({p['soft_min']:g}) ... "
            f"({p['soft_max']:g}) {p['hard_max']:g}{state}"
        )
    emit(result, as_json, "\n".join(lines))
