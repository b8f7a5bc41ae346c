"""What XSPEC prints after fit, error and steppar."""

from __future__ import annotations

from typing import Any

import numpy as np

from wolter.compat.xspec import show
from wolter.compat.xspec.session import SESSION

__all__ = ["after_error", "after_fit", "after_steppar"]


def after_fit(engine: Any, method: str = "leven") -> None:
    """Course of the fit, principal axes, covariance, model, statistic."""
    out = SESSION.out
    if not out.heard():
        return
    if method == "leven":
        _course(engine)
    if SESSION.covariance is not None:
        _matrices(engine, method)
    show.models(SESSION.active)
    show.fit_lines()


def _free_names(engine: Any) -> list[str]:
    return [f"{_label(p)}:{engine.table.parameters[p].name}" for p in engine.table.free.positions.tolist()]


def _label(position: int) -> str:
    """Number of a parameter, behind the name of its model if that has one."""
    owner, local = SESSION.locate(position)
    if owner in SESSION.gain_entries:
        return f"r{2 * SESSION.gain_entries.index(owner) + local + 1}"
    return f"{owner.name}:{local + 1}" if owner.name else str(local + 1)


def _course(engine: Any) -> None:
    out, likelihood = SESSION.out, engine.likelihood
    title = show.statistic_name(engine.dataset.spectra[0].statistic)
    out(" " * 35 + "Parameters")
    out(f"{title:<13}|beta|/N    Lvl" + "".join(f"{n:>14}" for n in _free_names(engine)))
    for (statistic, damping, point), slope in zip(likelihood.history, likelihood.slopes, strict=True):
        row = "".join(f"{v:#14.6g}" for v in point)
        out(f"{statistic:<13.6g}{slope:<12.6g}{int(damping + 0.5):3d}{row}")


def _matrices(engine: Any, method: str) -> None:
    from wolter.fit.axes import principal_axes

    out, matrix = SESSION.out, np.asarray(SESSION.covariance)
    labels = [_label(p) for p in engine.table.free.positions.tolist()]
    known = np.flatnonzero(np.diag(matrix) > 0)  # parameters that stayed at a limit have no variance
    matrix = matrix[np.ix_(known, known)]
    labels = [labels[k] for k in known]
    if method == "migrad":
        variances, axes = principal_axes(matrix)
        variances = 1.0 / variances
    else:
        root = np.sqrt(np.diag(matrix))
        curvature = np.linalg.pinv(matrix / np.outer(root, root), hermitian=True) / np.outer(root, root)
        variances, axes = principal_axes(curvature)
    width = 10 + min(10 * len(labels), 80)
    out("=" * width + "\n Variances and Principal Axes")
    out(" " * 9 + "".join(f"{n:>9}" for n in labels) + "  ")
    for value, vector in zip(variances, axes.T, strict=True):
        out(f" {value:<10.4E}| " + "".join(f"{v:7.4f}  " for v in vector))
    out("-" * width + "\n")
    wide = 12 * len(labels)
    out("=" * wide + "\n  Covariance Matrix")
    out("".join(f"{n:9d}   " for n in range(1, len(labels) + 1)))
    for row in matrix:
        out("".join(f"{v:12.3e}" for v in row))
    out("-" * wide + "\n")


def after_error(results: list[Any], delta: float, better: Any = None) -> None:
    """Intervals; what cannot be searched is said first, then a fit that the search found to be better."""
    out = SESSION.out
    for r in results:
        if r.codes[5] == "T":
            which = f"*** Parameter {_label(r.index - 1)} is not a variable model parameter"
            out(f"{which} and no confidence range will be calculated.")
    out(f" Parameter   Confidence Range ({delta:g})")
    if better is not None:  # the fit at the minimum that was found
        after_fit(better, SESSION.options.method)
        out("***Warning: New best fit found, fit parameters will be set to new values.")
    for r in results:
        if r.codes[5] == "T":
            continue
        lower, upper = (v if np.isfinite(v) else 0.0 for v in (r.lower, r.upper))
        for place, pegged in ((3, lower), (4, upper)):
            if r.codes[place] == "T":
                out(f"\n***Warning: Parameter pegged at hard limit: {pegged:g}")
        # XSPEC says zero for a bound that is a limit, and the difference to it
        lower, upper = (0.0 if r.codes[c] == "T" else v for c, v in ((3, lower), (4, upper)))
        out(f"{_label(r.index - 1):>6} {lower:12.6g} {upper:12.6g}    ({lower - r.value:.6g},{upper - r.value:.6g})")


def after_steppar(grid: Any, numbers: list[int]) -> None:
    """The grid, a line per point."""
    out = SESSION.out
    if not out.heard():
        return
    table = SESSION.engine().table
    names = [table.parameters[n - 1].name for n in numbers]
    title = show.statistic_name(SESSION.options.statistic)
    out(f"\n{title:>16}{'  Delta   ':>12}" + "".join(f"{n:>14}" for n in names))
    out(f"{'':>16}{title:>12}" + "".join(f"{_label(n - 1):>14}" for n in numbers) + "\n")
    mesh = [m.ravel(order="F") for m in np.meshgrid(*grid.axes, indexing="ij")]
    statistic = grid.statistic.ravel(order="F")
    index = [m.ravel(order="F") for m in np.indices(grid.statistic.shape)]
    for k, value in enumerate(statistic):
        steps = "".join(f"{index[a][k]:5d}{mesh[a][k]:12.5g}" for a in range(len(mesh)))
        out(f"{value:16.5g}{value - grid.fit_statistic:12.5g}{steps}")
