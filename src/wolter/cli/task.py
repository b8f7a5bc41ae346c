"""`wolter task`."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

import click

from wolter.cli._common import emit, example, polite_warnings

__all__ = ["command"]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "NONE" if value is None or value == "" else str(value)


def _help(name: str) -> str:
    """Parameters of a task, those of its command line first."""
    from wolter import tasks

    task = tasks.get(name)
    lines = [f"Usage: wolter task {task.name} {' '.join(f'[{p}]' for p in task.positional)} [PARAMETER=VALUE]...", ""]
    lines += [f"  {task.doc}", "", "Parameters (those in the first part also as bare values, in this order):"]
    width = max((len(p.name) for p in task.parameters), default=0)
    for hidden in (False, True):
        for p in (p for p in task.parameters if p.hidden is hidden):
            default = "required" if p.default is ... else f"default {_text(p.default)}"
            lines.append(f"  {p.name:<{width}}  {p.doc} ({default})")
        lines += [""] if not hidden and any(p.hidden for p in task.parameters) else []
    return "\n".join(lines)


def _summary(doc: str) -> str:
    """First line of a description, without the name of the task, which the list has already."""
    line = re.sub(r"^The tasks? ``.*``: ", "", doc.strip().partition("\n")[0])
    return line[:1].upper() + line[1:]


def _list(as_json: bool) -> None:
    from wolter import tasks

    names = tasks.names()
    found = [{"task": n, "mission": tasks.mission_of_task(n), "doc": _summary(tasks.get(n).doc)} for n in names]

    def text() -> str:
        width = max(len(n) for n in names)
        return "\n".join(
            f"{t['task']:<{width}}  {t['doc']}" + (f" [{t['mission']}]" if t["mission"] else "") for t in found
        )

    emit({"tasks": found}, as_json, text)


def _written(products: Mapping[str, Any]) -> list[str]:
    """Lines that name the files a task has written."""
    lines = []
    for kind, paths in products.items():
        lines += [f"{kind}: {path}" for path in (paths if isinstance(paths, tuple) else (paths,))]
    return lines


@click.command(
    "task",
    context_settings={"ignore_unknown_options": True, "help_option_names": [], "allow_interspersed_args": True},
    epilog=example(
        "wolter task                                  # lists them",
        "wolter task ftgrouppha --help",
        "wolter task ftgrouppha src.pha outfile=src_opt.pha grouptype=optmin groupscale=25 respfile=src.rmf",
        "wolter task maketime 'hk.fits[HK]' good.gti 'ELV>3&&SAA==0' compact=no",
    ),
)
@click.argument("words", nargs=-1, metavar="[NAME [VALUE | PARAMETER=VALUE]...]", type=click.UNPROCESSED)
@click.pass_context
def command(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Run a task under its FTOOLS or SAS name, with its parameters; without a name list the tasks.

    Values without a name are the parameters in the order of the task's help. --json prints the result as JSON; a
    failing task ends with its own exit status.
    """
    options = {w for w in words if w in ("--json", "--help", "-h")}
    rest = tuple(w for w in words if w not in options)
    as_json = "--json" in options
    if options & {"--help", "-h"}:
        click.echo(_help(rest[0]) if rest else ctx.get_help())
        return
    if not rest:
        _list(as_json)
        return
    from wolter import tasks

    name = rest[0].lower()
    with polite_warnings():
        result = tasks.run(name, check=False, **tasks.get(name).from_words(rest[1:]))
    if result.returncode and result.error is not None:
        # the message once, by the common way of failing; the status is the task's own
        click.echo(f"wolter: {result.error}", err=True)
        if as_json:
            emit({"task": name, "returncode": result.returncode, "error": str(result.error)}, True, lambda: "")
        sys.exit(result.returncode)
    emit(
        {
            "task": name,
            "returncode": result.returncode,
            "products": {
                k: [str(p) for p in v] if isinstance(v, tuple) else str(v) for k, v in result.products.items()
            },
            "messages": result.messages,
            "parameters": {k: _text(v) if not isinstance(v, (int, float)) else v for k, v in result.parameters.items()},
        },
        as_json,
        lambda: "\n".join([*result.messages, *_written(result.products)]),
    )
