"""What each plot type shows: the engine's numbers for the plot groups of a pane."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.compat.xspec import axis as axes
from wolter.compat.xspec import fluxes
from wolter.compat.xspec.errors import XspecError, missing, translated
from wolter.compat.xspec.plotextra import EXTRA, extra_window, without_responses
from wolter.compat.xspec.session import SESSION, ModelEntry
from wolter.errors import suggest
from wolter.fit.plot_arrays import Abscissa, PlotArrays, bin_arrays, model_arrays, rebinned_flux

if TYPE_CHECKING:
    from wolter.compat.xspec.plotting import PlotManager

__all__ = ["Curve", "Window", "make_window"]

_NAMES = {
    "background": "background",
    "chain": "chain",
    "chisq": "chisq",
    "contour": "contour",
    "counts": "counts",
    "data": "data",
    "delchi": "delchi",
    "dem": "missing",
    "eemodel": "eemodel",
    "eeufspec": "eeufspec",
    "efficien": "efficien",
    "emodel": "emodel",
    "eqw": "missing",
    "eufspec": "eufspec",
    "fitstat": "chisq",
    "foldmodel": "foldmodel",
    "goodness": "goodness",
    "icounts": "icounts",
    "insensitv": "insensitv",
    "integprob": "integprob",
    "lcounts": "counts",
    "ldata": "data",
    "margin": "margin",
    "model": "model",
    "polangle": "polangle",
    "polfrac": "polfrac",
    "ratio": "ratio",
    "residuals": "resid",
    "sensitvity": "sensitvity",
    "sensitivity": "sensitvity",
    "sum": "missing",
    "ufspec": "ufspec",
}
_REASONS = {
    "dem": "differential emission measures are not stored by the plasma models",
    "eqw": "the draws of an equivalent width are not kept; AllData(1).eqwidth has the interval",
    "sum": "plot 'ldata' and 'residuals' instead",
}
_ARGUMENTS = ("model", "emodel", "eemodel", "dem")  # take the name of a model
_SHORT = {
    "lda": "ldata", "da": "data", "res": "residuals", "resid": "residuals", "rat": "ratio", "del": "delchi",
    "uf": "ufspec", "eeuf": "eeufspec", "cont": "contour", "mo": "model", "chi": "chisq", "back": "background",
    "m": "model", "efficiency": "efficien", "insensitivity": "insensitv",
}  # fmt: skip
_LEVELS = (2.30, 4.61, 9.21)


@dataclass(frozen=True)
class Curve:
    """What is plotted of one plot group; None where the plot does not have a column."""

    x: Any = None
    xerr: Any = None
    y: Any = None
    yerr: Any = None
    model: Any = None
    background: Any = None
    z: Any = None
    components: tuple[Any, ...] = ()
    group: int = 1


@dataclass(frozen=True)
class Window:
    """One pane."""

    kind: str
    logarithmic: bool
    labels: tuple[str, str, str]
    curves: list[Curve]
    levels: tuple[float, ...] | None = None
    commands: tuple[str, ...] = field(default=())


def plot_names() -> list[str]:
    """Names of all plots."""
    return sorted(_NAMES)


def full_name(word: str) -> str:
    """Plot type of a word that may be cut short.

    Raises
    ------
    XspecError
        If it is unknown.
    """
    key = word.lower()
    key = _SHORT.get(key, key)
    if key in _NAMES:
        return key
    found = [n for n in _NAMES if key and n.startswith(key)]
    if not found:
        SESSION.out(f"***XSPEC Error: Plot subcommand does not exist: {word}")
        raise XspecError(f"Error: Plot subcommand does not exist: {word}. {suggest(word, plot_names())}".strip())
    return found[0]


def split_panes(texts: tuple[str, ...]) -> list[str]:
    """Commands of the panes: each string is one, or several names of plots one after the other.

    A word behind a plot is its argument if it is the name of a model for those that take one, or no plot at all.
    """
    out: list[str] = []
    for text in texts:
        fresh = True
        for word in str(text).split():
            if fresh or (_is_plot(word) and not _is_argument(out[-1], word)):
                out.append(word)
                fresh = False
            else:
                out[-1] += f" {word}"
    return out


def _is_plot(word: str) -> bool:
    key = word.lower()
    return key in _NAMES or key in _SHORT or (len(key) > 1 and any(n.startswith(key) for n in _NAMES))


def _is_argument(command: str, word: str) -> bool:
    return full_name(command.split()[0]) in _ARGUMENTS and len(command.split()) == 1 and word in SESSION.models


def make_window(plot: PlotManager, pane: str) -> Window:
    """Pane of ``"ldata"``, ``"model src"``, ``"contour ,,4 1.386, 4.61"`` ..."""
    words = pane.replace(",", " , ").split()
    if not words:
        raise XspecError("")
    name = full_name(words[0])
    kind = _NAMES[name]
    if kind == "missing":
        raise missing(f"Plot({name!r})", _REASONS.get(name, ""))
    if kind in EXTRA:
        with translated("plot"):
            return extra_window(plot, kind, [w for w in words[1:] if w != ","])
    logarithmic = name.startswith("l") or name in ("model", "emodel", "eemodel") or name.endswith("ufspec")
    with translated("plot"):
        if kind == "contour":
            return _contour(pane.strip()[len(words[0]) :], plot)
        if kind in ("polangle", "polfrac"):
            curves = _polarisation(plot, kind)
        elif kind in ("model", "emodel", "eemodel"):
            curves = _models(plot, kind, words[1:])
        elif kind == "efficien":
            curves = _areas(plot)
        else:
            curves = _bins(plot, kind)
    return Window(kind, logarithmic, _labels(plot, kind), curves, commands=plot.commands)


def _abscissa(plot: PlotManager) -> Abscissa:
    axis = axes.CURRENT[0]
    return Abscissa(axis.kind, axis.factor, plot.perHz)


def _curve(arrays: PlotArrays, plot: PlotManager, group: int, keep_background: bool) -> Curve:
    background = arrays.background if keep_background and plot.background else None
    return Curve(arrays.x, arrays.xerr, arrays.y, arrays.yerr, arrays.model, background, group=group)


def _bins(plot: PlotManager, kind: str) -> list[Curve]:
    if not SESSION.spectra:
        raise XspecError("***XSPEC Error: No data are loaded.")
    fit, folded, loaded = _engine_or_data()
    if fit is None and kind not in ("data", "counts", "background"):
        SESSION.out("***XSPEC Error: the plot needs a model")
        raise XspecError("")
    curves = []
    for number, members in enumerate(plot._plot_groups(), 1):
        entries = [loaded[n] for n in members if n in loaded]
        if not entries:
            raise XspecError("***XSPEC Error: No noticed channels to plot.")
        sigma, most, error = plot.rebin_of(number)
        arrays = bin_arrays(
            "data" if kind == "foldmodel" else kind,
            entries,
            [folded[e.number - 1] for e in entries],
            _abscissa(plot),
            area=plot.area,
            rebin=(sigma, most) if most > 1 else None,
            error=error,
            unfolded=_unfolded(entries[0]) if kind.endswith("ufspec") else None,
        )
        if kind == "foldmodel":
            arrays = replace(arrays, y=None, yerr=None)
        curve = _curve(arrays, plot, number, kind in ("data", "counts"))
        if not SESSION.ready():
            curve = replace(curve, model=None)
        curves.append(replace(curve, components=_components(plot, kind, entries, number)))
    return curves


def _engine_or_data() -> tuple[Any, list[Any], dict[int, Any]]:
    """The fit, its folded models and its spectra by number; without a model the data, with models of zero."""
    if SESSION.ready():
        fit = SESSION.engine()
        return fit, fit.folded(), {n: SESSION.entry_of(n) for n in SESSION.numbers}
    if any(not s.has_response for s in SESSION.spectra):
        return without_responses()
    from wolter.fit.dataset import Dataset

    data, numbers = SESSION.spectrum_set()
    entries = Dataset(data, SESSION.settings, statistic=SESSION.statistics(numbers)).spectra
    zero = [np.zeros(e.bins.stop - e.bins.start) for e in entries]
    return None, zero, dict(zip(numbers, entries, strict=True))


def _flux(entry: Any, node: Any = None, values: Any = None) -> Any:
    """Model photons/cm²/s on all energies of a spectrum's response."""
    number = SESSION.numbers[entry.number - 1]
    model = next(e for e in SESSION.active if SESSION.spectra[number - 1].responds([e]))
    return fluxes.values_of(model, entry.group, number)


def _unfolded(entry: Any) -> Any:
    return rebinned_flux(entry.plan.full_edges, _flux(entry), entry.plan.bin_lo, entry.plan.bin_hi)


def _models(plot: PlotManager, kind: str, words: list[str]) -> list[Curve]:
    name = words[0] if words and words[0] != "," else ""
    entry = SESSION.models.get(name)
    if entry is None or not entry.active:
        raise XspecError("")
    if not SESSION.spectra:
        return [_model_curve(plot, kind, entry, 1, 0, 1)]
    groups = plot._plot_groups()
    return [
        _model_curve(plot, kind, entry, SESSION.spectra[m[0] - 1].dataGroup, m[0], i) for i, m in enumerate(groups, 1)
    ]


def _model_curve(plot: PlotManager, kind: str, entry: ModelEntry, group: int, spectrum: int, number: int) -> Curve:
    edges = fluxes.edges_of(spectrum, entry.source)
    flux = fluxes.values_of(entry, group, spectrum)
    arrays = model_arrays(kind, edges, flux, _abscissa(plot))
    curve = _curve(arrays, plot, number, False)
    if plot.add:
        parts = [
            model_arrays(kind, edges, part, _abscissa(plot)).model for part in _parts(entry, group, edges, spectrum)
        ]
        curve = replace(curve, components=tuple(parts) if len(parts) > 1 else ())
    return curve


def _parts(entry: ModelEntry, group: int, edges: Any, spectrum: int) -> list[Any]:
    """Flux of each additive component alone: the norms of the others are zero."""
    from wolter.models.definitions import Context

    row = entry.table.refresh()
    width = entry.table.width
    values = row[(group - 1) * width : group * width]
    context = Context(settings=SESSION.settings)
    if spectrum:
        context = Context.of_spectrum(SESSION.spectra[spectrum - 1].keys(), SESSION.settings)
    norms = [c.parameters[-1].index - 1 for c in entry.table.models[0].components if c.definition.kind == "add"]
    rows = np.repeat(values[None], len(norms), axis=0)
    for i, mine in enumerate(norms):
        for other in norms:
            if other != mine:
                rows[i, other] = 0.0
    compiled = entry.table.models[0].compile(edges, (context,))
    return list(compiled.evaluate(rows)[0]) if norms else []


def _components(plot: PlotManager, kind: str, entries: list[Any], number: int) -> tuple[Any, ...]:
    """Folded (or unfolded) additive components of a plot group."""
    if not plot.add or kind not in ("data", "counts", "ufspec", "eufspec", "eeufspec") or not SESSION.ready():
        return ()
    model = SESSION.entry
    assert model is not None
    entry = entries[0]
    parts = _parts(model, entry.group, entry.plan.full_edges, SESSION.numbers[entry.number - 1])
    if len(parts) < 2:
        return ()
    sigma, most, error = plot.rebin_of(number)
    out = []
    for part in parts:
        arrays = bin_arrays(
            kind,
            [entry],
            [entry.plan.fold(part[entry.plan.rows])],
            _abscissa(plot),
            area=plot.area,
            rebin=(sigma, most) if most > 1 else None,
            error=error,
            unfolded=rebinned_flux(entry.plan.full_edges, part, entry.plan.bin_lo, entry.plan.bin_hi),
        )
        out.append(arrays.model)
    return tuple(out)


def _areas(plot: PlotManager) -> list[Curve]:
    curves = []
    for number, members in enumerate(plot._plot_groups(), 1):
        spectrum = SESSION.spectra[members[0] - 1]
        rmf, arf = spectrum._rmf(), spectrum.engine.arf
        area = rmf.row_sums() * (1.0 if arf is None else arf.specresp)
        curves.append(_curve(model_arrays("efficien", rmf.edges, area, _abscissa(plot)), plot, number, False))
    return curves


def _polarisation(plot: PlotManager, kind: str) -> list[Curve]:
    from wolter.fit.polarisation import joined_edges, make_polarisation

    fit = SESSION.engine()
    folded = fit.folded()
    if plot._groups is None:
        groups = [[e for e in fit.dataset.spectra if e.group == g] for g in range(1, fit.dataset.n_groups + 1)]
    else:
        groups = [[e for e in map(SESSION.entry_of, g) if e is not None] for g in plot._groups]
    curves = []
    for number, entries in enumerate(groups, 1):
        models = [folded[e.number - 1] for e in entries]
        result = make_polarisation(entries, models)
        sigma, most, _ = plot.rebin_of(number)
        if most > 1:
            result = make_polarisation(entries, models, joined_edges(result, sigma, most))
        columns = (
            (result.angle, result.angle_err, result.model_angle)
            if kind == "polangle"
            else (result.fraction, result.fraction_err, result.model_fraction)
        )
        axis = _abscissa(plot)
        if axis.kind == "channel":
            axis = Abscissa()
        left, right = axis.ends(result.energy - result.energy_err, result.energy + result.energy_err)
        curves.append(Curve(0.5 * (left + right), 0.5 * np.abs(right - left), *columns, group=number))
    return curves


def _contour(arguments: str, plot: PlotManager) -> Window:
    from wolter.compat.xspec import Fit

    grid = Fit._steps
    if grid is None or len(grid.axes) > 2:
        SESSION.out("***XSPEC Error: contours need a steppar of one or two parameters")
        raise XspecError("")
    lowest, levels = _contour_levels(arguments, grid.fit_statistic)
    names = [n.split(".")[-1] for n in grid.names]
    if len(grid.axes) == 1:
        curve = Curve(grid.axes[0], None, grid.statistic)
        labels = (_parameter_label(names[0], 0), f"Statistic: {SESSION.options.statistic}", "Confidence region")
    else:
        curve = Curve(grid.axes[0], None, grid.axes[1], z=grid.statistic.T)
        labels = (_parameter_label(names[0], 0), _parameter_label(names[1], 1), "Confidence contours")
    return Window("contour", False, labels, [curve], tuple(lowest + d for d in levels), plot.commands)


def _parameter_label(name: str, axis: int) -> str:
    """``Parameter: nH (10^22)``, as XSPEC labels the axes of contours."""
    from wolter.compat.xspec import Fit

    number, entry = str(Fit._step_names[axis]), SESSION.entry
    index = int("".join(c for c in number if c.isdigit()) or 0)
    table = entry.table.parameters if entry is not None else []
    unit = table[index - 1].unit if 0 < index <= len(table) else ""
    return f"Parameter: {name}" + (f" ({unit})" if unit else "")


def _contour_levels(text: str, minimum: float) -> tuple[float, list[float]]:
    """``min number levels``; leading commas leave the minimum (and a further pair of them the number) as it is."""
    words = text.replace(",", " , ").split()
    skipped = 0
    while words and words[0] == ",":
        words.pop(0)
        skipped += 1
    given = [w for w in words if w != ","]
    lowest = minimum if skipped or not given else float(given.pop(0))
    number = int(float(given.pop(0))) if given and skipped < 3 else None
    levels = [float(w) for w in given]
    wanted = number if number is not None else len(levels) or len(_LEVELS)
    levels = (levels or list(_LEVELS)) + list(_LEVELS)[len(levels) : wanted] * bool(levels)
    if len(levels) < wanted:
        raise XspecError(f"***XSPEC Error: {wanted} contours need {wanted} levels")
    return lowest, levels[:wanted]


# XSPEC 12.15's labels, as PyXspec gives them: ready for matplotlib
_RATE = "counts s$^{{-1}}$ {u}$^{{-1}}$"
_PHOTONS = "Photons cm$^{{-2}}$ s$^{{-1}}$ {u}$^{{-1}}$"
_Y_LABELS: dict[str, str] = {
    "data": _RATE,
    "foldmodel": _RATE,
    "counts": "counts {u}$^{{-1}}$",
    "background": _RATE,
    "ratio": "ratio",
    "resid": _RATE,
    "delchi": "(data-model)/error",
    "chisq": r"sign(data-model) $\times$ $\Delta$ {s}",
    "icounts": "integrated counts",
    "ufspec": _PHOTONS,
    "eufspec": f"{{e}} ({_PHOTONS})",
    "eeufspec": f"{{e}}$^{{{{2}}}}$ ({_PHOTONS})",
    "model": _PHOTONS,
    "emodel": f"{{e}} ({_PHOTONS})",
    "eemodel": f"{{e}}$^{{{{2}}}}$ ({_PHOTONS})",
    "efficien": "Effective Area (cm$^{{2}}$)",
    "polangle": "Polarization Angle",
    "polfrac": "Polarization Fraction",
}
_PER_HERTZ = {
    "eufspec": r"F$_{\nu}$ (Jy)",
    "emodel": r"F$_{\nu}$ (Jy)",
    "eeufspec": r"$\nu$ F$_{\nu}$ (ergs cm$^{-2}$ s$^{-1}$)",
    "eemodel": r"$\nu$ F$_{\nu}$ (ergs cm$^{-2}$ s$^{-1}$)",
}
_TITLES: dict[str, str] = {
    "foldmodel": "folded model",
    "model": "Current Theoretical Model",
    "emodel": "Current Theoretical Model",
    "eemodel": "Current Theoretical Model",
    "ratio": "data/model",
    "resid": "residuals",
    "chisq": "contributions to {s}",
    "icounts": "integrated counts and folded model",
    "ufspec": "Unfolded Spectrum",
    "eufspec": "Unfolded Spectrum",
    "eeufspec": "Unfolded Spectrum",
    "efficien": "Total Efficiency",
    "polangle": "Polarization angle",
    "polfrac": "Polarization fraction",
}
_SYMBOLS = {"chi": r"$\chi^{2}$", "cstat": "C-statistic", "pgstat": "PG-statistic", "pstat": "P-statistic"}


def _labels(plot: PlotManager, kind: str) -> tuple[str, str, str]:
    axis = axes.CURRENT[0]
    always: Callable[[str], bool] = lambda k: k.endswith(("model", "ufspec")) or k.startswith(("eff", "pol"))  # noqa: E731
    name = "keV" if axis.kind == "channel" and always(kind) else axis.name
    what = {"channel": "Channel", "energy": f"Energy ({name})", "wave": f"Wavelength ({name})"}[
        "energy" if name == "keV" else axis.kind
    ]
    per_hz = axis.kind == "wave" and plot.perHz
    unit = "Hz" if per_hz else "chan" if name == "channel" else name
    symbol = _SYMBOLS.get(SESSION.options.statistic, SESSION.options.statistic)
    y = _Y_LABELS[kind].format(u=unit, s=symbol, e="erg" if axis.kind == "wave" else name)
    if per_hz:
        y = _PER_HERTZ.get(kind, y)
    if plot.area and kind in ("data", "background", "resid", "counts"):
        y += " cm$^{-2}$"
    folded = "data and folded model" if SESSION.active else "data"
    return what, y, _TITLES.get(kind, "delchi" if kind == "delchi" else folded).format(s=symbol)
