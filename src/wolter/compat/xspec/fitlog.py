"""What XSPEC prints after fit, error and steppar."""

from __future__ import annotations

from typing import Any

import numpy as np

from wolter.compat.xspec import show
from wolter.compat.xspec.session import SESSION

__all__ = ["after_error", "after_fit", "after_steppar"]


def after_fit(engine: Any, history: list[Any]) -> None:
    """Course of the fit, covariance, model, statistic."""
    out = SESSION.out
    if not out.heard():
        return
    _course(engine, history)
    if SESSION.covariance is not None:
        _matrices(engine)
    show.models(SESSION.active)
    show.fit_lines()


def _course(engine: Any, history: list[Any]) -> None:
    out = SESSION.out
    free = engine.table.free
    entry = SESSION.entry
    prefix = f"{entry.name}:" if entry is not None and entry.name else ""
    names = [f"{prefix}{p + 1}:{engine.table.parameters[p].name}" for p in free.positions.tolist()]
    title = show.statistic_name(engine.dataset.spectra[0].statistic)
    out(" " * 35 + "Parameters")
    out(f"{title:<13}|beta|/N    Lvl" + "".join(f"{n:>14}" for n in names))
    for statistic, level, point in history:  # the engine does not keep XSPEC's |beta|
        row = "".join(f"{v:#14.6g}" for v in point)
        out(f"{statistic:<13.6g}{'':<12}{level + 1:3.0f}{row}")
    if not history:
        out(f"{engine.statistic:<13.6g}{'':<18} " + "".join(f"{v:14.6g}" for v in free.start))


def _matrices(engine: Any) -> None:
    out, matrix = SESSION.out, np.asarray(SESSION.covariance)
    numbers = (engine.table.free.positions + 1).tolist()
    values, vectors = np.linalg.eigh(matrix)
    width = 10 * len(numbers) + 10
    out("=" * width + "\n Variances and Principal Axes")
    out(" " * 11 + "".join(f"{n:8d}  " for n in numbers))
    for value, vector in sorted(zip(values, vectors.T, strict=True), key=lambda pair: pair[0]):
        out(f" {value:.4E}| " + "".join(f"{v:8.4f}  " for v in vector))
    out("-" * width + "\n")
    wide = 12 * len(numbers)
    out("=" * wide + "\n  Covariance Matrix")
    out("".join(f"{n:9d}   " for n in range(1, len(numbers) + 1)))
    for row in matrix:
        out("".join(f"{v:12.3e}" for v in row))
    out("-" * wide + "\n")


def after_error(results: list[Any], delta: float) -> None:
    """Intervals."""
    out = SESSION.out
    entry = SESSION.entry
    prefix = f"{entry.name}:" if entry is not None and entry.name else ""
    out(f" Parameter   Confidence Range ({delta:g})")
    for r in results:
        lower, upper = (v if np.isfinite(v) else 0.0 for v in (r.lower, r.upper))
        for letter, limit in ((r.codes[3], lower), (r.codes[4], upper)):
            if letter == "T":
                out(f"\n***Warning: Parameter pegged at hard limit: {limit:g}")
        if r.codes[5] == "T":
            which = f"*** Parameter {prefix}{r.index} is not a variable model parameter"
            out(f"{which} and no confidence range will be calculated.")
            continue
        out(f"{r.index:6d} {lower:12.6g} {upper:12.6g}    ({lower - r.value:.6g},{upper - r.value:.6g})")


def after_steppar(grid: Any, numbers: list[int]) -> None:
    """The grid, a line per point."""
    out = SESSION.out
    if not out.heard():
        return
    entry = SESSION.entry
    assert entry is not None
    names = [entry.table.parameters[n - 1].name for n in numbers]
    title = show.statistic_name(SESSION.options.statistic)
    out(f"\n {title:>12}    Delta        " + "".join(f"{n:>12}" for n in names))
    out(f" {'':>12}    {title:<12} " + "".join(f"{n:>12}" for n in numbers) + "\n")
    mesh = [m.ravel(order="F") for m in np.meshgrid(*grid.axes, indexing="ij")]
    statistic = grid.statistic.ravel(order="F")
    index = [m.ravel(order="F") for m in np.indices(grid.statistic.shape)]
    for k, value in enumerate(statistic):
        steps = "".join(f"{index[a][k]:5d} {mesh[a][k]:10.6g}" for a in range(len(mesh)))
        out(f" {value:12.6g} {value - grid.fit_statistic:12.6g} {steps}")
