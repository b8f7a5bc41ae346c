"""Command files: `Xset.save` and `Xset.restore`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from wolter import fits
from wolter.compat.xspec import links
from wolter.compat.xspec.errors import XspecError, missing
from wolter.compat.xspec.ranges import range_text
from wolter.compat.xspec.session import SESSION, ModelEntry

__all__ = ["restore", "save"]

_HEAD = "#PyXspec: Output generated from Xset.save().  DO NOT MODIFY."


def save(name: str, info: str = "a") -> None:
    """Write data, model, or both."""
    if info not in ("a", "f", "m"):
        raise XspecError(f"Error: info must be 'a', 'f' or 'm', not {info!r}")
    path = Path(name if name.endswith(".xcm") else f"{name}.xcm")
    lines = [_HEAD, "", f"statistic {SESSION.options.statistic}"]
    if info in ("a", "f"):
        lines += _data_lines()
    if info in ("a", "m"):
        lines += _model_lines()
    with fits.atomic_path(path, overwrite=True) as temporary:
        Path(temporary).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _data_lines() -> list[str]:
    out = []
    for s in SESSION.spectra:
        out.append(f"data {s.dataGroup}:{s.index} {s.fileName}")
        if s.has_response:
            out.append(f"response  1:{s.index} {s._rmf_name}")
            if s._arf_name:
                out.append(f"arf 1:{s.index} {s._arf_name}")
        for source, other in sorted(s._others.items()):
            out.append(f"response  {source}:{s.index} {other.rmf_name}")
            if other.arf_name:
                out.append(f"arf {source}:{s.index} {other.arf_name}")
        if s._correction_name:
            out += [f"corfile {s.index} {s._correction_name}", f"cornorm {s.index} {s.cornorm:g}"]
        if s._background_name:
            out.append(f"backgrnd {s.index} {s._background_name}")
    for s in SESSION.spectra:
        if s.ignored:
            out.append(f"ignore {s.index}:{range_text(s.ignored, ',')}")
    return [*out, ""]


def _model_lines() -> list[str]:
    o, settings = SESSION.options, SESSION.settings
    out = [
        f"method {o.method} {o.iterations} {o.critical_delta:g}",
        f"abund {SESSION.abund_name}",
        f"xsect {settings.xsect}",
        f"cosmo {' '.join(f'{v:g}' for v in settings.cosmo)}",
        f"xset delta {o.delta:g}",
        f"systematic {o.systematic:g}",
    ]
    out += [f"xset {k} {v}" for k, v in SESSION.strings.items()]
    for entry in SESSION.active:
        out += _one_model(entry)
    return out


def _one_model(entry: ModelEntry) -> list[str]:
    head = f"{entry.source}:{entry.name} " if entry.name else " "
    out = [f"model {head}{entry.table.models[0].expression}"]
    entry.table.refresh()
    for p in entry.table.parameters:
        if p.tie is not None:
            out.append(links.shown_text(p.tie, entry.name))
        elif p.kind != "par":
            out.append(f"{p.value:15g}")
        else:
            delta = -p.delta if p.frozen else p.delta
            limits = (p.hard_min, p.soft_min, p.soft_max, p.hard_max)
            out.append(f"{p.value:15g}" + "".join(f" {v:10g}" for v in (delta, *limits)))
    return out


def restore(name: str) -> None:
    """Execute a command file."""
    from wolter.compat import xspec as x

    path = Path(name)
    if not path.is_file():
        path = Path(f"{name}.xcm")
    if not path.is_file():
        raise XspecError(f"Error: cannot open {name}")
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    while lines:
        command, _, rest = lines.pop(0).partition(" ")
        rest = rest.strip()
        if command == "model":
            _restore_model(rest, lines)
        else:
            _execute(x, command, rest, os.path.dirname(path))


def _execute(x: Any, command: str, rest: str, folder: str) -> None:
    simple = {
        "statistic": lambda: setattr(x.Fit, "statMethod", rest),
        "data": lambda: x.AllData(rest),
        "ignore": lambda: x.AllData.ignore(rest),
        "method": lambda: setattr(x.Fit, "method", rest),
        "abund": lambda: setattr(x.Xset, "abund", rest),
        "xsect": lambda: setattr(x.Xset, "xsect", rest),
        "cosmo": lambda: setattr(x.Xset, "cosmo", rest),
        "systematic": lambda: setattr(x.AllModels, "systematic", float(rest)),
        "weight": lambda: setattr(x.Fit, "weight", rest),
        "query": lambda: setattr(x.Fit, "query", rest),
    }
    words = rest.split()
    if command in simple:
        simple[command]()
    elif command in ("response", "arf"):
        source, _, number = words[0].rpartition(":")
        target = x.AllData(int(number)).multiresponse
        place = int(source or 1) - 1
        if command == "response":
            target[place] = words[1]
        else:
            target[place].arf = words[1]
    elif command == "corfile":
        x.AllData(int(words[0])).correction = words[1]
    elif command == "cornorm":
        x.AllData(int(words[0])).cornorm = float(words[1])
    elif command == "backgrnd":
        x.AllData(int(words[0])).background = words[1]
    elif command == "xset":
        if words[0].lower() == "delta":
            x.Fit.delta = float(words[1])
        else:
            x.Xset.addModelString(words[0], " ".join(words[1:]))
    elif command not in ("cd", "bayes"):
        raise missing(f"Xset.restore: command {command!r}")


def _restore_model(rest: str, lines: list[str]) -> None:
    from wolter.compat.xspec.models import Model

    name, source = "", 1
    head, _, tail = rest.partition(" ")
    if ":" in head:
        number, _, name = head.partition(":")
        source, rest = int(number), tail.strip()
    entry = Model(rest, name, source)._entry
    count = len(entry.table.parameters)
    given = []
    while lines and len(given) < count and (lines[0][0] in "=-+." or lines[0][0].isdigit()):
        given.append(lines.pop(0))
    for links_turn in (False, True):
        for position, text in enumerate(given):
            if text.startswith("=") == links_turn:
                width = entry.table.width
                entry.models[position // width](position % width + 1)._assign(text)
