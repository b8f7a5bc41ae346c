"""Parameter tables: astropy tables, ECSV, CSV and LaTeX."""

from __future__ import annotations

import csv
import math
import re
import warnings
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.errors import OutputError
from wolter.fits import atomic_path

if TYPE_CHECKING:
    from wolter.fit.fit import Fit
    from wolter.fit.results import ParameterRow

__all__ = [
    "latex_number",
    "make_table",
    "parameter_columns",
    "parameter_latex",
    "parameter_table",
    "write_csv",
    "write_ecsv",
    "write_parameters",
]

# XSPEC's names of units in those that astropy and LaTeX understand
_UNITS = {
    "10^22": ("1e22 cm-2", r"10^{22}\,\mathrm{cm^{-2}}"),
    "10^20": ("1e20 cm-2", r"10^{20}\,\mathrm{cm^{-2}}"),
    "1/1e22cm^2": ("1e22 cm-2", r"10^{22}\,\mathrm{cm^{-2}}"),
    "keV": ("keV", r"\mathrm{keV}"),
    "eV": ("eV", r"\mathrm{eV}"),
    "deg": ("deg", r"\mathrm{deg}"),
    "km/s": ("km/s", r"\mathrm{km\,s^{-1}}"),
    "km": ("km", r"\mathrm{km}"),
    "cm^-3": ("cm-3", r"\mathrm{cm^{-3}}"),
}
_SPECIAL = re.compile(r"([_&%#$])")


def make_table(columns: Mapping[str, Any], units: Mapping[str, str], meta: Mapping[str, Any]) -> Any:
    """Columns as an astropy Table; units that astropy does not know are left out."""
    from astropy.table import Table

    table: Any = Table(dict(columns), meta=dict(meta))
    for name, text in units.items():
        unit = _astropy_unit(text)
        if unit is not None and name in table.colnames:
            table[name].unit = unit
    return table


def _astropy_unit(text: str) -> Any:
    from astropy.units import Unit, UnitsWarning

    if not text:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UnitsWarning)
            return Unit(_UNITS.get(text, (text, ""))[0])
    except (ValueError, TypeError, UnitsWarning):
        return None


def write_ecsv(table: Any, path: Path) -> None:
    """Write an astropy Table as ECSV; the file is new."""
    table.write(path, format="ascii.ecsv", overwrite=True)


def write_csv(columns: Mapping[str, Any], path: Path) -> None:
    """Write columns as CSV with full precision; what is not known is left empty."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow([_cell(v) for v in row])


def _cell(value: Any) -> Any:
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, float):
        return repr(plain) if math.isfinite(plain) else ""
    return "" if plain is None else plain


# --- parameters of a fit ---------------------------------------------------------------------------------------------


def parameter_columns(fit: Fit) -> dict[str, Any]:
    """All parameters of a fit as columns [N].

    Returns
    -------
    dict of array
        index, group, component, parameter, unit, value, sigma, lower, upper (bounds of the interval that `Fit.error`
        found), minus, plus (distances to them), frozen, tied. NaN where something is not known.
    """
    rows = fit.parameters
    nan = float("nan")

    def column(name: str) -> np.ndarray:
        return np.array([nan if getattr(r, name) is None else getattr(r, name) for r in rows], dtype=float)

    value, lower, upper = column("value"), column("lower"), column("upper")
    return {
        "index": np.array([r.index for r in rows]),
        "group": np.array([r.group for r in rows]),
        "component": np.array([r.name.rpartition(".")[0] for r in rows]),
        "parameter": np.array([r.name.rpartition(".")[2] for r in rows]),
        "unit": np.array([r.unit for r in rows]),
        "value": value,
        "sigma": column("sigma"),
        "lower": lower,
        "upper": upper,
        "minus": value - lower,
        "plus": upper - value,
        "frozen": np.array([r.frozen for r in rows]),
        "tied": np.array([r.tied or "" for r in rows]),
    }


def parameter_table(fit: Fit) -> Any:
    """All parameters of a fit as an astropy Table; statistic, model and settings are in its ``meta``.

    Parameters differ in their units, which therefore are a column.
    """
    return make_table(parameter_columns(fit), {}, _meta(fit))


def _meta(fit: Fit) -> dict[str, Any]:
    intervals = {e.delta for e in (fit.error_of(p) for p in range(len(fit.table.parameters))) if e is not None}
    meta: dict[str, Any] = {
        "model": fit.model.expression,
        "statistic": fit.statistic,
        "statistic_name": "+".join(sorted({e.statistic for e in fit.dataset.spectra})),
        "dof": fit.dof,
        "abund": str(fit.dataset.settings.to_dict()["abund"]),
        "xsect": fit.dataset.settings.xsect,
    }
    if intervals:
        meta["delta_statistic"] = sorted(intervals)
    return meta


def write_parameters(fit: Fit, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
    """Write the parameters of a fit as .ecsv, .csv or .tex, whichever the name ends in.

    Raises
    ------
    OutputError
        For another ending, or if the file exists and `overwrite` is false.
    """
    ending = Path(path).suffix.lower()
    if ending not in (".ecsv", ".csv", ".tex"):
        raise OutputError(
            f"a table of parameters cannot be written as {ending or 'a file without ending'}",
            file=path,
            cure="Name it .ecsv, .csv or .tex.",
        )
    with atomic_path(path, overwrite=overwrite) as temporary:
        if ending == ".ecsv":
            write_ecsv(parameter_table(fit), temporary)
        elif ending == ".csv":
            write_csv(parameter_columns(fit), temporary)
        else:
            temporary.write_text(parameter_latex(fit), encoding="utf-8")
    return Path(path)


# --- LaTeX -----------------------------------------------------------------------------------------------------------


def latex_number(value: float, minus: float | None = None, plus: float | None = None) -> str:
    r"""A value with errors in LaTeX's mathematics, ``$2.70^{+0.05}_{-0.06}$``.

    Parameters
    ----------
    value : float
        The value.
    minus, plus : float, optional
        Distances to the bounds, positive; None or NaN for one that is not known. Equal ones (as printed) are written
        once, after a plus-minus sign.

    Notes
    -----
    The smaller error is given with two digits if these are below 20, else with one; the value has the same last
    digit. Values below 0.001 or of 10000 and more are written with a power of ten.
    """
    errors = [e for e in (minus, plus) if e is not None and math.isfinite(e) and e > 0]
    largest = max([abs(value), *errors])
    power = 0 if largest == 0 else math.floor(math.log10(largest))
    if -3 <= power < 4:
        power = 0
    scale = 10.0**-power
    if not errors:
        text = f"{value * scale:.4g}"
        return f"${_powered(text, power)}$"
    smallest = min(errors) * scale
    leading = math.floor(math.log10(smallest))
    decimals = max(0, -leading + (1 if round(smallest / 10.0 ** (leading - 1)) < 20 else 0))

    def shown(number: float) -> str:
        return f"{number * scale:.{decimals}f}"

    text = shown(value)
    low = None if minus is None or not math.isfinite(minus) else shown(minus)
    high = None if plus is None or not math.isfinite(plus) else shown(plus)
    if low is not None and low == high:
        both = rf"{text}\pm{low}"
        return f"${_powered(both, power, brackets=True)}$"
    up = r"^{+\cdots}" if high is None else f"^{{+{high}}}"
    down = r"_{-\cdots}" if low is None else f"_{{-{low}}}"
    return f"${_powered(f'{text}{up}{down}', power, brackets=True)}$"


def _powered(text: str, power: int, *, brackets: bool = False) -> str:
    if power == 0:
        return text
    inner = rf"\left({text}\right)" if brackets else text
    return rf"{inner}\times10^{{{power}}}"


def parameter_latex(fit: Fit) -> str:
    """All parameters of a fit as a LaTeX tabular, with the intervals of `Fit.error` or else one sigma."""
    several = fit.dataset.n_groups > 1
    head = [*(["Group"] if several else []), "Component", "Parameter", "Value", "Unit"]
    lines = [
        rf"\begin{{tabular}}{{{'l' * len(head)}}}",
        r"\hline",
        " & ".join(head) + r" \\",
        r"\hline",
    ]
    for row in fit.parameters:
        if row.tied is not None and row.group > 1:
            continue
        component, _, name = row.name.rpartition(".")
        unit = _UNITS.get(row.unit)
        latex_unit = f"${unit[1]}$" if unit else _escaped(row.unit)
        cells = [*([str(row.group)] if several else []), _escaped(component), _escaped(name), _value(row), latex_unit]
        lines.append(" & ".join(cells) + r" \\")
    name = "+".join(sorted({e.statistic for e in fit.dataset.spectra}))
    label = {"chi": r"$\chi^2$"}.get(name, _escaped(name))
    lines += [
        r"\hline",
        rf"\multicolumn{{{len(head)}}}{{l}}{{{label} / d.o.f. = ${fit.statistic:.2f} / {fit.dof}$}} \\",
        r"\hline",
        r"\end{tabular}",
        "",
    ]
    return "\n".join(lines)


def _value(row: ParameterRow) -> str:
    if row.lower is not None or row.upper is not None:
        minus = None if row.lower is None else row.value - row.lower
        plus = None if row.upper is None else row.upper - row.value
        return latex_number(row.value, minus, plus)
    if row.sigma is not None:
        return latex_number(row.value, row.sigma, row.sigma)
    note = f" ({_escaped(row.tied)})" if row.tied else " (fixed)" if row.frozen else ""
    return latex_number(row.value) + note


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text).replace("^", r"\^{}")
