"""Plots that are not spectra: chains, marginal distributions, simulations, sensitivity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.compat.xspec.errors import XspecError
from wolter.compat.xspec.session import SESSION
from wolter.fit.plot_arrays import Abscissa, model_arrays

if TYPE_CHECKING:
    from wolter.compat.xspec.plotkinds import Curve, Window
    from wolter.compat.xspec.plotting import PlotManager

__all__ = ["EXTRA", "extra_window", "without_responses"]

EXTRA = ("chain", "goodness", "insensitv", "integprob", "margin", "sensitvity")
_BINS = 20
_SIGMAS = (0.682689, 0.954500, 0.997300)  # what the contours of integprob enclose


def extra_window(plot: PlotManager, kind: str, words: list[str]) -> Window:
    """Pane of one of `EXTRA`."""
    makers: dict[str, Any] = {
        "chain": lambda: _chain(words),
        "margin": lambda: _margin(words, "probability"),
        "integprob": lambda: _margin(words, "integrated"),
        "goodness": _goodness,
        "sensitvity": lambda: _sensitivity(plot, False),
        "insensitv": lambda: _sensitivity(plot, True),
    }
    return makers[kind]()


def _window(kind: str, labels: tuple[str, str, str], curves: list[Curve], levels: Any = None) -> Window:
    from wolter.compat.xspec.plotkinds import Window

    return Window(kind, False, labels, curves, levels)


def _curve(x: Any, y: Any, **columns: Any) -> Curve:
    from wolter.compat.xspec.plotkinds import Curve

    return Curve(np.asarray(x, dtype=float), y=None if y is None else np.asarray(y, dtype=float), **columns)


def _chain(words: list[str]) -> Window:
    """``chain [thin n] par1 [par2]``: values along the chain, or one parameter against another; 0 is the statistic."""
    from wolter.compat.xspec.chains import joined

    data, thin = joined(), 1
    while words and not words[0].split(":")[-1].lstrip("r").isdigit():
        option = words.pop(0)
        if option == "thin":
            thin = max(int(words.pop(0)), 1)
        elif option == "auto":
            words.pop(0)
    numbers = [_chain_number(w) for w in words] or [0]
    names = ["Statistic" if n == 0 else dict(zip(data.numbers, data.names, strict=True)).get(n, "?") for n in numbers]
    columns = [data.column(n)[::thin] for n in numbers[:2]]
    if len(columns) == 1:
        steps = np.arange(1, len(data) + 1)[::thin]
        return _window("chain", ("Chain Step", names[0], "Chain"), [_curve(steps, columns[0])])
    return _window("chain", (names[0], names[1], "Chain"), [_curve(columns[0], columns[1])])


def _chain_number(word: str) -> int:
    if word == "0":
        return 0
    return SESSION.number(word)


def _margin(words: list[str], column: str) -> Window:
    from wolter.compat.xspec import AllChains

    result = AllChains._margin
    if words:
        AllChains.margin(" ".join(words))
        result = AllChains._margin
    if result is None:
        raise XspecError("***XSPEC Error: run AllChains.margin before plotting it")
    values = np.asarray(getattr(result, column))
    table = SESSION.engine().table
    names = [table.parameters[n - 1].name for n in result.numbers]
    kind = "margin" if column == "probability" else "integprob"
    title = "Marginal probability" if kind == "margin" else "Integrated probability"
    axes: list[Any] = list(result.axes)
    if len(axes) == 1:
        half = 0.5 * np.diff(result.edges[0])
        return _window(kind, (names[0], title, title), [_curve(axes[0], values, xerr=half)])
    if len(axes) > 2:
        raise XspecError("***XSPEC Error: only margins of one or two parameters can be plotted")
    levels = _SIGMAS if kind == "integprob" else tuple(float(values.max()) * f for f in (0.1, 0.3, 0.6))
    curve = _curve(axes[0], axes[1], z=values.T)
    return _window(kind, (names[0], names[1], title), [curve], levels)


def _goodness() -> Window:
    from wolter.compat.xspec import Fit

    if not Fit._goodness:
        raise XspecError("***XSPEC Error: run Fit.goodness before plotting it")
    counts, edges = np.histogram(Fit._goodness, bins=_BINS)
    middle, half = 0.5 * (edges[1:] + edges[:-1]), 0.5 * np.diff(edges)
    curve = _curve(middle, counts / len(Fit._goodness), xerr=half)
    return _window("goodness", ("Statistic", "Fraction of simulations", "Goodness"), [curve], (Fit.testStatistic,))


def _sensitivity(plot: PlotManager, inverse: bool) -> Window:
    from wolter.compat.xspec import axis as axes
    from wolter.data.response_tools import sensitivity

    curves = []
    current = axes.CURRENT[0]
    axis = Abscissa(current.kind, current.factor, plot.perHz)
    for number, members in enumerate(plot._plot_groups(), 1):
        spectrum = SESSION.spectra[members[0] - 1]
        engine = spectrum.engine
        rmf = spectrum._rmf()
        variance = engine.variance.copy()
        if engine.background is not None:
            variance = variance + engine.scaled_background()[1]
        variance[~spectrum.channel_mask()] = 0.0
        values = sensitivity(rmf, engine.arf, variance)
        if inverse:
            with np.errstate(divide="ignore"):
                values = np.where(values > 0, 1.0 / np.sqrt(values), 0.0)
        arrays = model_arrays("efficien", rmf.edges, values, axis)
        curves.append(_curve(arrays.x, arrays.model if arrays.y is None else arrays.y, xerr=arrays.xerr, group=number))
    name = "insensitivity" if inverse else "sensitivity"
    unit = "keV" if current.kind == "channel" else current.name
    return _window(name, (f"Energy ({unit})" if current.kind != "wave" else f"Wavelength ({unit})", name, name), curves)


def without_responses() -> tuple[Any, list[Any], dict[int, Any]]:
    """Spectra as the plot of data wants them, where some have no response: channels stand for their energies."""
    from wolter.compat.xspec import axis as axes
    from wolter.data import SpectrumSet
    from wolter.data.response_tools import dummy_response
    from wolter.fit.dataset import Dataset

    if axes.CURRENT[0].kind != "channel":
        SESSION.out("***Warning: a spectrum has no response: data are plotted against channels")
    usable = [s for s in SESSION.spectra if s.n_noticed]
    if not usable:
        raise XspecError("***XSPEC Error: No noticed channels to plot.")
    made = []
    for one in usable:
        engine = one.engine
        if not one.has_response:
            count = len(engine)
            rmf = dummy_response(count, lo=0.5, hi=count + 0.5, number=count, spacing="lin", offset=0.5, width=1.0)
            engine = engine.replace(rmf=rmf, arf=None)
        made.append(engine)
    data = SpectrumSet(made, groups=[s.dataGroup for s in usable], notice=[s.channel_mask() for s in usable])
    numbers = [s.index for s in usable]
    entries = Dataset(data, SESSION.settings, statistic=SESSION.statistics(numbers)).spectra
    zero = [np.zeros(e.bins.stop - e.bins.start) for e in entries]
    return None, zero, dict(zip(numbers, entries, strict=True))
