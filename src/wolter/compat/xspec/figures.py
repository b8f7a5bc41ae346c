"""Figures of plots: files that `Plot.device` names, through matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wolter.compat.xspec.errors import XspecError
from wolter.compat.xspec.plotkinds import Curve, Window

__all__ = ["draw"]

_SILENT = ("null", "xs", "xw", "xserve", "xwindow", "xtk", "xterm", "tek", "aqt", "gw")
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
    figure = Figure(figsize=(8, 4 + 2 * (len(windows) - 1)), layout="constrained")
    FigureCanvasAgg(figure)
    ratios = [2.0] + [1.0] * (len(windows) - 1)
    panes = figure.subplots(len(windows), 1, squeeze=False, gridspec_kw={"height_ratios": ratios})[:, 0]
    for pane, window in zip(panes, windows, strict=True):
        _pane(pane, window)
    with fits.atomic_path(path, overwrite=True) as temporary:
        figure.savefig(temporary, format=form, dpi=150)


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
    pane.set_xlabel(x)
    pane.set_ylabel(y)
    pane.set_title(title, fontsize=10)
    if window.logarithmic:
        pane.set_xscale("log")
        pane.set_yscale("log", nonpositive="mask")
    if window.kind == "ratio":
        pane.axhline(1.0, color="0.4", lw=0.8)
    elif window.kind in ("resid", "delchi"):
        pane.axhline(0.0, color="0.4", lw=0.8)


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
