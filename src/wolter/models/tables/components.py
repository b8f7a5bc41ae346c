"""Components made of table models: interpolation between spectra, and their way onto the energy grid of a model."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache, partial
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wolter.errors import ModelError
from wolter.models.absorption.slabs import GridMemory
from wolter.models.definitions import ComponentDef, Context, ParameterDef, par
from wolter.models.tables.ogip import TableFile, TableParameter, read_table

__all__ = ["KINDS", "table_component"]

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

KINDS = {
    "atable": "additive table model",
    "mtable": "multiplicative table model",
    "etable": "exponential table model: the factor is exp(-table)",
}
_FUZZ = 1e-6  # relative; edges this near to each other are the same, as in XSPEC

# XSPEC 12.9.1's; it does not say what the limits of Escale are.
_REDSHIFT = par("z", "", 0.0, 0.0, 0.0, 5.0, 5.0, -0.001)
_ESCALE = par("Escale", "", 1.0, 1e-20, 1e-20, 1e20, 1e20, -0.01)

_MEMORY = GridMemory(128 * 2**20)


def table_component(kind: str, path: str | PathLike[str]) -> ComponentDef:
    """Component of a table model.

    Parameters
    ----------
    kind : {"atable", "mtable", "etable"}
        Additive, a factor, or the factor exp(-table); case is ignored.
    path : path-like
        The file, relative to the current folder or absolute.

    Returns
    -------
    ComponentDef
        Its name is MODLNAME of the file; its parameters are those of the file, then Escale and z if it has them. Hard
        limits are those of the file, within the tabulated values.

    Raises
    ------
    ModelError
        See `wolter.models.tables.read_table`; also if the table is additive and should not be, or the reverse.
    """
    word = kind.strip().lower()
    if word not in KINDS:
        raise ModelError(f"{kind!r} is no kind of table model", cure=f"There are {', '.join(KINDS)}.")
    place = Path(path).expanduser()
    try:
        stat = place.stat()
    except OSError:
        stat = None  # the reader says what is wrong
    return _component(word, str(path), place.resolve(), (stat.st_size, stat.st_mtime_ns) if stat else None)


@lru_cache(maxsize=32)
def _component(kind: str, text: str, path: Path, version: tuple[int, int] | None) -> ComponentDef:
    table = _table(path, version)
    if table.additive != (kind == "atable"):
        other, right = ("an additive", "atable") if table.additive else ("a multiplicative", "mtable or etable")
        raise ModelError(
            f"{kind} was asked for, but the file is {other} table model (ADDMODEL)",
            file=path,
            hdu="PRIMARY",
            cure=f"Write {right}{{{text}}}." if table.additive else f"Write {right} instead.",
        )
    key = (str(path), version)
    return ComponentDef(
        name=_name(table),
        kind="add" if table.additive else "mul",
        parameters=_definitions(table),
        function=partial(_evaluate, table, kind == "etable", key),
        origin="table",
        doc=f"{KINDS[kind]} {path.name}",
        text=f"{kind}{{{text}}}",
    )


@lru_cache(maxsize=16)
def _table(path: Path, version: tuple[int, int] | None) -> TableFile:
    return read_table(path)


def _name(table: TableFile) -> str:
    """MODLNAME, or the name of the file, as a name that an attribute may have."""
    name = re.sub(r"\W+", "_", table.name or table.path.stem).strip("_")
    return name if name and not name[0].isdigit() else f"table_{name}"


def _definitions(table: TableFile) -> tuple[ParameterDef, ...]:
    taken = {"norm"} if table.additive else set()
    out: list[ParameterDef] = []
    for p in table.parameters:
        name, number = p.name, 1
        while name.lower() in taken:  # the second of a name, or one called norm
            number += 1
            name = f"{p.name}_{number}"
        taken.add(name.lower())
        lo, bottom, top, hi = p.limits
        initial = min(max(p.initial, lo), hi)
        out.append(
            ParameterDef(name, p.unit, initial, abs(p.delta), lo, bottom, top, hi, frozen=p.delta <= 0 or lo == hi)
        )
    for wanted, extra in ((table.escale, _ESCALE), (table.redshift, _REDSHIFT)):
        if wanted and extra.name.lower() in taken:
            raise ModelError(
                f"the file has a parameter {extra.name!r} and asks for another of that name (REDSHIFT or ESCALE)",
                file=table.path,
                hdu="PARAMETERS",
            )
        if wanted:
            out.append(extra)
    return tuple(out)


# --- onto the grid ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Rebinning:
    """How the bins of a table make the bins of a model: ``out[target] += weight * table[source]``."""

    source: Indices
    target: Indices
    weight: Array
    below: npt.NDArray[np.bool_]
    above: npt.NDArray[np.bool_]

    def apply(self, values: Array) -> Array:
        """Rebinned values [K, n] of [K, m]; nothing where the table has nothing."""
        n = len(self.below)
        rows = [np.bincount(self.target, self.weight * row[self.source], minlength=n) for row in values]
        return np.stack(rows).astype(float, copy=False)


def rebinning(table: Array, edges: Array, *, mean: bool) -> _Rebinning:
    """Way from the grid of a table [m + 1] to the grid of a model [n + 1].

    The photons of a bin of the table are shared in proportion to widths. The mean of factors has for weights what part
    of each bin of the table falls into the bin of the model. That, and the following, are as in XSPEC: a bin that
    begins before the table has nothing of it, one that ends after it has the part up to its end, and edges that agree
    to 1e-6 are equal.
    """
    below = edges[:-1] < table[0] * (1.0 - _FUZZ)
    above = edges[:-1] >= table[-1] * (1.0 - _FUZZ)
    cuts = np.unique(np.concatenate([table, edges]))
    cuts = cuts[(cuts >= max(table[0], edges[0])) & (cuts <= min(table[-1], edges[-1]))]
    if len(cuts) < 2:
        none = np.zeros(0, dtype=np.intp)
        return _Rebinning(none, none, np.zeros(0), below, above)
    width = np.diff(cuts)
    source = np.searchsorted(table, cuts[:-1], side="right") - 1
    target = np.searchsorted(edges, cuts[:-1], side="right") - 1
    used = ~(below | above)[target]
    source, target, width = source[used], target[used], width[used]
    weight = width / np.diff(table)[source]
    if mean:
        whole = np.bincount(target, weight, minlength=len(edges) - 1)
        weight = weight / whole[target]
    return _Rebinning(source, target, weight, below, above)


# --- interpolation ----------------------------------------------------------------------------------------------------


def _bracket(parameter: TableParameter, value: Array, table: TableFile) -> tuple[Indices, Array]:
    """Index of the lower neighbour [B] and weight [B] of the upper."""
    values = np.array(parameter.values)
    if len(values) == 1:
        return np.zeros(len(value), dtype=np.intp), np.zeros(len(value))
    slack = _FUZZ * np.abs(value)
    wrong = ~((value >= values[0] - slack) & (value <= values[-1] + slack))
    if wrong.any():
        raise ModelError(
            f"parameter {parameter.name} = {value[wrong.argmax()]:g} is outside the tabulated values"
            f" {values[0]:g} to {values[-1]:g}",
            file=table.path,
        )
    inside = np.clip(value, values[0], values[-1])
    lower = np.clip(np.searchsorted(values, inside, side="right") - 1, 0, len(values) - 2)
    lo, hi = values[lower], values[lower + 1]
    if parameter.logarithmic:
        return lower, np.log(inside / lo) / np.log(hi / lo)
    return lower, (inside - lo) / (hi - lo)


def _corners(table: TableFile, pars: Array) -> tuple[Indices, Array]:
    """Combinations of values around each row and their weights, both [B, 2^k]; of weight zero those not needed."""
    nodes = np.zeros((len(pars), 1), dtype=np.intp)
    weights = np.ones((len(pars), 1))
    for column, parameter in enumerate(table.parameters):
        if parameter.additional:
            continue
        lower, upper = _bracket(parameter, pars[:, column], table)
        count = len(parameter.values)
        step = np.minimum(lower + 1, count - 1)
        nodes = np.concatenate([nodes * count + lower[:, None], nodes * count + step[:, None]], axis=1)
        weights = np.concatenate([weights * (1.0 - upper[:, None]), weights * upper[:, None]], axis=1)
    return nodes, weights


def _evaluate(
    table: TableFile, exponential: bool, key: tuple[object, ...], edges: Array, pars: Array, ctx: Context
) -> Array:
    """The component: values [B, n]."""
    rows, n = len(pars), len(edges) - 1
    last = len(table.parameters)
    scale = pars[:, last] if table.escale else np.ones(rows)
    z = pars[:, last + table.escale] if table.redshift else np.zeros(rows)
    nodes, weights = _corners(table, pars)
    additional = np.flatnonzero([p.additional for p in table.parameters])
    # each row needs its spectrum once, and the additional ones times their parameters
    factors = np.concatenate([np.ones((rows, 1)), pars[:, additional]], axis=1)
    label = edges.tobytes()
    out = np.zeros((rows, n))
    for stretch, redshift in dict.fromkeys(zip(scale.tolist(), z.tolist(), strict=True)):
        here = np.flatnonzero((scale == stretch) & (z == redshift))
        grid = _Grid(table, key, edges, label, stretch / (1.0 + redshift))
        total = np.zeros((len(here), n))
        for node in np.unique(nodes[here][weights[here] != 0.0]).tolist():
            share = np.where(nodes[here] == node, weights[here], 0.0).sum(axis=1)
            used = np.flatnonzero(share)
            total[used] += (factors[here][used] * share[used, None]) @ grid.node(node)
        if table.additive:
            out[here] = total / (1.0 + redshift)
        else:
            out[here] = grid.outside(np.exp(-total) if exponential else total, exponential)
    return out


class _Grid:
    """A table on one grid at one scale of energies."""

    def __init__(self, table: TableFile, key: tuple[object, ...], edges: Array, label: bytes, scale: float) -> None:
        self.table, self.edges, self.scale = table, edges, scale
        self.key = (key, label, scale)
        self._plan: _Rebinning | None = None

    @property
    def plan(self) -> _Rebinning:
        """The way from the table's bins to the grid's."""
        if self._plan is None:
            self._plan = rebinning(self.table.edges * self.scale, self.edges, mean=not self.table.additive)
        return self._plan

    def node(self, node: int) -> Array:
        """Spectra [1 + additional, n] at one combination of values."""
        return _MEMORY.get((*self.key, node), lambda: self.plan.apply(self.table.spectra(node)))

    def outside(self, values: Array, exponential: bool) -> Array:
        """Factors [R, n] with those outside the table as the file says; else, as in XSPEC, 1, or 0 in an etable."""
        default = 0.0 if exponential else 1.0
        first, end = self.table.edges[0] * self.scale, self.table.edges[-1] * self.scale
        below = self.edges[:-1] < first * (1.0 - _FUZZ)
        above = self.edges[:-1] >= end * (1.0 - _FUZZ)
        values[:, below] = default if self.table.below is None else self.table.below
        values[:, above] = default if self.table.above is None else self.table.above
        return values
