"""Command files that `Xset.save` writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wolter import fits
from wolter.compat.xspec import links
from wolter.compat.xspec.errors import XspecError
from wolter.compat.xspec.ranges import range_text
from wolter.compat.xspec.session import SESSION, ModelEntry

__all__ = ["save"]

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
        for source, gain in sorted(s.gains.items()):
            out += [f"gain fit {source}:{s.index}", *(_values(p) for p in gain.table.parameters)]
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
            out.append(_values(p))
    return out


def _values(p: Any) -> str:
    """Value, delta and limits."""
    delta = -p.delta if p.frozen else p.delta
    limits = (p.hard_min, p.soft_min, p.soft_max, p.hard_max)
    return f"{p.value:15g}" + "".join(f" {v:10g}" for v in (delta, *limits))
