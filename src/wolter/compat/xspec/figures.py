"""Figures of plots: files that `Plot.device` names, through matplotlib."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from wolter.compat.xspec.errors import XspecError
from wolter.compat.xspec.plotkinds import Curve, Window

__all__ = ["draw", "execute"]

_SILENT = ("null", "xs", "xw", "xserve", "xwindow", "xtk", "xterm", "tek", "aqt", "gw", "tk", "xdisp", "x11")
_FORMATS = {
    "ps": "ps", "vps": "ps", "cps": "ps", "vcps": "ps", "png": "png", "tpng": "png", "pdf": "pdf", "svg": "svg",
    "gif": "png", "vgif": "png",
}  # fmt: skip


def target(device: str) -> tuple[Path, str] | None:
    """File and format that a device means; None for screens and /null.

    Raises
    ------
    XspecError
        For an unknown device.
    """
    name, slash, kind = device.strip().rpartition("/")
    if slash and kind.lower() in _SILENT and not name:
        return None
    if slash and kind.lower() in _FORMATS:
        form = _FORMATS[kind.lower()]
        return Path(name or f"pgplot.{form}"), form
    ending = Path(device).suffix.lstrip(".").lower()
    if ending in _FORMATS:
        return Path(device), _FORMATS[ending]
    if device.strip() in ("", "none") or (slash and kind.lower() in _SILENT):
        return None
    raise XspecError(f"Error: unknown plot device {device!r}")


def draw(windows: list[Window], device: str) -> None:
    """Draw panes one above the other into the file of a device."""
    place = target(device)
    if place is None:
        return
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from wolter import fits

    path, form = place
    figure = Figure(figsize=(8, 4.5 + 1.5 * (len(windows) - 1)), layout="constrained")
    FigureCanvasAgg(figure)
    ratios = [2.0] + [1.0] * (len(windows) - 1)
    panes = figure.subplots(len(windows), 1, squeeze=False, gridspec_kw={"height_ratios": ratios})[:, 0]
    for pane, window in zip(panes, windows, strict=True):
        _pane(pane, window)
    _stack(panes, windows)
    _commands(panes, windows[0].commands if windows else ())
    with fits.atomic_path(path, overwrite=True) as temporary:
        figure.savefig(temporary, format=form, dpi=150)


def _stack(panes: Any, windows: list[Window]) -> None:
    """Panes with the same abscissa share it, as XSPEC's do."""
    for upper, lower, above, below in zip(panes[:-1], panes[1:], windows[:-1], windows[1:], strict=True):
        if above.labels[0] != below.labels[0] or "contour" in (above.kind, below.kind):
            continue
        lower.set_xscale(upper.get_xscale())
        lower.sharex(upper)
        upper.set_xlabel("")
        upper.tick_params(labelbottom=False)
        lower.set_title("")


def _pane(pane: Any, window: Window) -> None:
    if window.curves and window.curves[0].z is not None:
        curve = window.curves[0]
        pane.contour(curve.x, curve.y, curve.z, levels=sorted(set(window.levels or ())))
    else:
        for curve in window.curves:
            _curve(pane, curve, f"C{(curve.group - 1) % 10}")
        for level in window.levels or ():
            pane.axhline(level, color="0.6", lw=0.8)
    x, y, title = window.labels
    pane.set_xlabel(_powers(x))
    pane.set_ylabel(_powers(y), fontsize=10 if len(y) < 30 else 8)
    pane.set_title(title, fontsize=10)
    if window.logarithmic:
        pane.set_xscale("log")
        pane.set_yscale("log", nonpositive="mask")
        _limit(pane, window)
    if window.kind == "ratio":
        pane.axhline(1.0, color="0.4", lw=0.8)
    elif window.kind in ("resid", "delchi"):
        pane.axhline(0.0, color="0.4", lw=0.8)


def _powers(text: str) -> str:
    """``cm^-2`` with a raised exponent."""
    return re.sub(r"\^(-?\d+)", r"$^{\1}$", text)


def _limit(pane: Any, window: Window) -> None:
    """The logarithmic range of data and whole models, six decades at the most: components fall to nothing."""
    shown = [v for c in window.curves for v in (c.y, c.model) if v is not None]
    values = np.concatenate([np.asarray(v, dtype=float).ravel() for v in shown]) if shown else np.zeros(0)
    values = values[np.isfinite(values) & (values > 0)]
    if values.size:
        top = float(values.max())
        pane.set_ylim(max(0.5 * float(values.min()), 1e-6 * top), 2.0 * top)


def _commands(panes: Any, commands: tuple[str, ...]) -> None:
    """PLT commands, each for the window that is current (``window 2``) or that its axis names (``rescale y2 -5 5``)."""
    current = 0
    for text in commands:
        words = text.split()
        if len(words) > 1 and len(words[0]) > 1 and "window".startswith(words[0].lower()):
            current = int(words[1]) - 1 if words[1].isdigit() else 0
            continue
        named = words[1][1:] if len(words) > 1 and words[1][:1].lower() in ("x", "y") else ""
        place = int(named) - 1 if named.isdigit() else current
        if 0 <= place < len(panes):
            _command(panes[place], text)


def _command(pane: Any, text: str) -> None:
    """A PLT command: ranges, labels and logarithms are done, what concerns screens and fonts is not."""
    words = text.split()
    verb = words[0].lower() if words else ""
    axis = words[1].lower()[:1] if len(words) > 1 else ""
    if len(verb) > 0 and "rescale".startswith(verb) and axis in ("x", "y"):
        ends = [float(w) if _is_number(w) else None for w in words[2:4]]
        {"x": pane.set_xlim, "y": pane.set_ylim}[axis](*ends)
    elif len(verb) > 1 and "label".startswith(verb):
        rest = " ".join(words[2:]).strip("\"'")
        setter = {"x": pane.set_xlabel, "y": pane.set_ylabel, "t": pane.set_title, "o": pane.set_title}.get(axis)
        if setter is not None:
            setter(rest)
    elif verb == "log":
        off = "off" in (w.lower() for w in words)
        for name in [w.lower() for w in words[1:] if w.lower() in ("x", "y")] or ["x", "y"]:
            {"x": pane.set_xscale, "y": pane.set_yscale}[name]("linear" if off else "log")


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _curve(pane: Any, curve: Curve, colour: str) -> None:
    if curve.y is not None:
        pane.errorbar(curve.x, curve.y, xerr=curve.xerr, yerr=None if curve.yerr is None else abs(curve.yerr),
                      fmt=".", ms=2, lw=0.7, color=colour)  # fmt: skip
    if curve.model is not None:
        pane.step(curve.x, curve.model, where="mid", lw=1.0, color="k" if curve.y is not None else colour)
    for part in curve.components:
        pane.plot(curve.x, part, ":", lw=0.9, color=colour)
    if curve.background is not None:
        pane.plot(curve.x, curve.background, "*", ms=2, color=colour)


def execute(command: str, windows: list[Window]) -> None:
    """What PLT commands do beside changing the look: ``wdata FILE`` and ``hardcopy FILE/DEVICE`` write files."""
    words = command.split()
    if len(words) < 2:
        return
    verb = words[0].lower()
    if ("wdata".startswith(verb) and verb.startswith("wd")) or ("whead".startswith(verb) and verb.startswith("wh")):
        _write_data(words[1], windows)
    elif "hardcopy".startswith(verb) and verb.startswith("ha"):
        name = words[1]
        draw(windows, name if "/" in name or Path(name).suffix else f"{name}/ps")


def _write_data(name: str, windows: list[Window]) -> None:
    """A QDP file of all curves: x, its error, y, its error, model, additive components."""
    from wolter import fits

    path = Path(name if Path(name).suffix else f"{name}.qdp")
    blocks = []
    for window in windows:
        for curve in window.curves:
            columns = [curve.x, curve.xerr, curve.y, curve.yerr, curve.model, *curve.components]
            present = [c for c in columns if c is not None]
            if curve.z is None and present:
                blocks.append(present)
    width = max((len(b) for b in blocks), default=0)
    lines = ["READ SERR 1 2", f"@{path.stem}.pco", "!"]
    for number, block in enumerate(blocks):
        if number:
            lines.append(" ".join(["NO"] * width))
        for row in zip(*block, strict=True):
            lines.append(" ".join([f"{v:.9g}" for v in row] + ["NO"] * (width - len(block))))
    with fits.atomic_path(path, overwrite=True) as temporary:
        Path(temporary).write_text("\n".join(lines) + "\n", encoding="utf-8")
