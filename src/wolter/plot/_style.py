"""How figures look: sizes, fonts, colours, ticks; and how they are saved.

Figures are made without pyplot, so nothing global is touched, no window is opened and no display is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wolter.errors import OutputError, WolterError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "COLUMN",
    "DOUBLE",
    "FONT",
    "INK",
    "MUTED",
    "MARKERS",
    "bare_figure",
    "decade_labels",
    "legend",
    "new_axes",
    "new_figure",
    "render",
    "save",
    "scaled_ticks",
    "style",
    "titled",
]

COLUMN = 3.5
"""Width of one column of a journal, inches (89 mm)."""
DOUBLE = 7.2
"""Width of two columns, inches (183 mm)."""
FONT = 9.0
"""Smallest type size, points."""
INK = "#1a1a1a"
MUTED = "#6b6b6b"

# Okabe & Ito's palette, which people with any colour vision can tell apart; without its yellow, too pale on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def new_figure(width: float = COLUMN, height: float = 2.8) -> Figure:
    """Empty figure of a size in inches; its layout keeps labels apart by itself.

    Raises
    ------
    WolterError
        If matplotlib, an optional dependency, is not installed.
    """
    return bare_figure((width, height), layout="constrained")


def bare_figure(size: tuple[float, float], **options: Any) -> Figure:
    """Empty figure of a size in inches, whose axes have places of their own; errors as for `new_figure`."""
    try:
        from wolter.plot._figure import Figure
    except ImportError as exc:
        raise WolterError(
            f"figures are drawn by matplotlib, which cannot be imported ({exc})",
            cure="Install it with: pip install 'wolter[plot]'",
        ) from exc
    return Figure(figsize=size, dpi=150, facecolor="white", **options)


def new_axes(figure: Figure, **kwargs: Any) -> Axes:
    """One set of axes, styled."""
    return style(figure.add_subplot(**kwargs))


def style(axes: Axes) -> Axes:
    """Ticks inward on all sides, thin lines, type not smaller than `FONT`."""
    axes.tick_params(which="both", direction="in", top=True, right=True, labelsize=FONT, color=INK, labelcolor=INK)
    axes.tick_params(which="major", length=4.5, width=0.7)
    axes.tick_params(which="minor", length=2.5, width=0.5)
    for spine in axes.spines.values():
        spine.set_linewidth(0.7)
        spine.set_color(INK)
    axes.xaxis.label.set(fontsize=FONT + 0.5, color=INK)
    axes.yaxis.label.set(fontsize=FONT + 0.5, color=INK)
    if axes.name == "rectilinear":
        if axes.get_xscale() == "linear":
            axes.xaxis.set_minor_locator(_auto_minor())
        if axes.get_yscale() == "linear":
            axes.yaxis.set_minor_locator(_auto_minor())
    return axes


def titled(axes: Axes, title: str | None, **kwargs: Any) -> None:
    """Title in the size of the other type; nothing for None."""
    if title:
        axes.set_title(title, fontsize=FONT + 0.5, color=INK, **kwargs)


def _auto_minor() -> Any:
    from matplotlib.ticker import AutoMinorLocator

    return AutoMinorLocator()


def decade_labels(axis: Any, lo: float, hi: float) -> None:
    """Plain numbers on a logarithmic axis: at 1, 2, 5 where it covers few decades (keV), powers of ten elsewhere.

    Parameters
    ----------
    axis : matplotlib Axis
    lo, hi : float
        What the axis covers.
    """
    from matplotlib.ticker import FuncFormatter, LogFormatterSciNotation, LogLocator, NullFormatter

    decades = _decades(lo, hi)
    axis.set_minor_formatter(NullFormatter())
    if decades > 2.2:
        axis.set_major_locator(LogLocator(base=10.0, numticks=12))
        axis.set_minor_locator(LogLocator(base=10.0, subs=tuple(range(2, 10)), numticks=12))
        axis.set_major_formatter(LogFormatterSciNotation())
        return
    subs = (1.0, 2.0, 5.0) if decades > 0.9 else (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
    axis.set_major_locator(LogLocator(base=10.0, subs=subs, numticks=20))
    minor = tuple(i / 10 for i in range(10, 100, 5)) if decades < 0.5 else tuple(range(1, 10))
    axis.set_minor_locator(LogLocator(base=10.0, subs=minor, numticks=40))
    if lo >= 1e-3 and hi < 1e5:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        axis.set_major_formatter(LogFormatterSciNotation(labelOnlyBase=False, minor_thresholds=(10, 10)))


def _decades(lo: float, hi: float) -> float:
    import math

    return math.log10(hi / lo) if 0 < lo < hi else 0.0


def scaled_ticks(axis: Any, lo: float, hi: float) -> str:
    """Short tick labels on a linear axis of small or large numbers.

    Parameters
    ----------
    axis : matplotlib Axis
    lo, hi : float
        What the axis covers.

    Returns
    -------
    str
        The power of ten that was taken out, for the label: ``"10$^{-3}$ "``, or nothing.
    """
    import math

    from matplotlib.ticker import FuncFormatter

    reach = max(abs(lo), abs(hi))
    exponent = 0 if reach == 0 or 0.05 < reach < 2e3 else 3 * math.floor(math.log10(reach) / 3)
    factor = 10.0**-exponent
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * factor:.6g}".replace("-", "\N{MINUS SIGN}")))
    return f"10$^{{{exponent}}}$ " if exponent else ""


def legend(axes: Axes, handles: Sequence[Any] | None = None, **kwargs: Any) -> Any:
    """Legend without a frame."""
    options: dict[str, Any] = {"frameon": False, "fontsize": FONT, "handlelength": 1.6, "labelcolor": INK}
    options |= {"borderaxespad": 0.6, "labelspacing": 0.3, **kwargs}
    return axes.legend(**options) if handles is None else axes.legend(handles=handles, **options)


def save(figure: Figure, path: str | PathLike[str], *, overwrite: bool = False, dpi: float = 200) -> Path:
    """Write a figure; the ending of the name says how (``.png``, ``.pdf``, ``.svg``, ``.eps``...).

    The file is written beside its place and renamed, so that an interrupted run leaves the old file or the new one.

    Parameters
    ----------
    figure : Figure
    path : path-like
    overwrite : bool
        Replace an existing file.
    dpi : float
        Pixels per inch of raster formats.

    Raises
    ------
    OutputError
        The file exists and `overwrite` is False, the folder cannot be written to, or the format is not known.
    """
    from wolter.fits import atomic_path

    path = Path(path)
    kind = path.suffix.lower().lstrip(".")
    known = figure.canvas.get_supported_filetypes()
    if kind not in known:
        cure = f"Use one of {', '.join('.' + k for k in sorted(known))}."
        raise OutputError(f"{path.suffix or 'a name without ending'} is no format of figures", file=path, cure=cure)
    content = render(figure, kind, dpi=dpi)
    with atomic_path(path, overwrite=overwrite) as temporary:
        try:
            temporary.write_bytes(content)
        except OSError as error:
            raise OutputError(f"the figure cannot be written ({error.strerror})", file=path) from error
    return path


def render(figure: Figure, kind: str, *, dpi: float = 200) -> bytes:
    """A figure as the bytes of a file of this kind (``"png"``, ``"svg"``, ``"pdf"``...)."""
    from io import BytesIO

    from matplotlib import rc_context

    buffer = BytesIO()
    with rc_context(_OUTPUT):
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=_METADATA.get(kind))
    return buffer.getvalue()


# Type stays type in PDF and EPS, and the same figure gives the same file.
_OUTPUT: dict[Any, Any] = {"pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "path", "svg.hashsalt": "wolter"}
_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": "Wolter"},
    "svg": {"Creator": "Wolter", "Date": None},
    "pdf": {"Creator": "Wolter", "CreationDate": None},
}
