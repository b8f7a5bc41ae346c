"""Grids of the statistic over any number of parameters, all others refitted at every point."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from wolter._accessor import Figures
from wolter._progress import track
from wolter.errors import ParameterError
from wolter.fit.likelihood import Derivatives, Likelihood
from wolter.fit.minimum import bounds, wrap
from wolter.fit.numerics import delta_statistic
from wolter.fit.optimiser import Options, descend

__all__ = ["Grid", "axis_values", "compute_grid"]

Array = npt.NDArray[np.float64]
_BLOCK = 1024  # points refitted together at most; also the grain of Ctrl-C and of the progress bar
_PATIENCE = 2.0  # seconds that a block should not exceed by much
_SWEEPS = 4  # passes in which points take over what their neighbours have found
_GAIN = 1e-3  # a neighbour's parameters must be better by this much to start again from them


@dataclass(frozen=True, eq=False)
class Grid:
    """Statistic on a grid of parameter values.

    Attributes
    ----------
    names : tuple of str
        Parameters on the axes; with the data group in front beyond the first (``"2:constant.factor"``).
    units : tuple of str
        Their units.
    axes : tuple of arrays
        Their values.
    statistic : array [n1, n2, ...]
        Minimum over all other free parameters; NaN where it was not computed (Ctrl-C) or the model is not finite.
    fit_statistic : float
        Statistic of the best fit before.
    fitted : tuple of str
        All free parameters.
    parameters : array [n1, n2, ..., K]
        Their values at every point.
    converged : bool array [n1, n2, ...]
        Whether the minimisation there met its criterion.
    messages : tuple of str
        What should be known about it.
    fit_values : tuple of float
        The free parameters of the best fit before; empty if not known.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    axes: tuple[Array, ...]
    statistic: Array
    fit_statistic: float
    fitted: tuple[str, ...]
    parameters: Array
    converged: npt.NDArray[np.bool_]
    messages: tuple[str, ...] = field(default=())
    fit_values: tuple[float, ...] = field(default=())

    plot: ClassVar[Figures] = Figures("contour")

    def __repr__(self) -> str:
        size = " x ".join(str(len(a)) for a in self.axes)
        return f"<Grid of {size} points over {', '.join(self.names)}; lowest {self.minimum:.2f}>"

    @property
    def minimum(self) -> float:
        """The lowest statistic known: of the grid or of the fit before."""
        return float(np.nanmin([np.nanmin(self.statistic, initial=np.inf), self.fit_statistic]))

    @property
    def grid_minimum(self) -> float:
        """The lowest statistic on the grid."""
        return float(np.nanmin(self.statistic, initial=np.inf))

    @property
    def delta(self) -> Array:
        """Statistic above `minimum`, [n1, n2, ...]."""
        return self.statistic - self.minimum

    @property
    def index(self) -> tuple[int, ...]:
        """Where the lowest value of the grid is."""
        values = np.where(np.isfinite(self.statistic), self.statistic, np.inf)
        return tuple(int(i) for i in np.unravel_index(int(np.argmin(values)), values.shape))

    @property
    def best(self) -> dict[str, float]:
        """All free parameters at the lowest point of the grid."""
        return dict(zip(self.fitted, self.parameters[self.index].tolist(), strict=True))

    @property
    def best_fit(self) -> dict[str, float]:
        """All free parameters at `minimum`: of the fit before, if it is the lower one and within the axes."""
        known = dict(zip(self.fitted, self.fit_values, strict=False))
        inside = all(
            min(axis[0], axis[-1]) <= known.get(n, np.nan) <= max(axis[0], axis[-1])
            for n, axis in zip(self.names, self.axes, strict=True)
        )
        return known if inside and not self.new_minimum else self.best

    @property
    def new_minimum(self) -> bool:
        """Whether the grid found a clearly lower statistic than the fit."""
        return bool(self.grid_minimum < self.fit_statistic - 0.01)

    @property
    def complete(self) -> bool:
        """Whether every point was computed."""
        return bool(np.isfinite(self.statistic).all())

    def levels(self, *confidence: float, joint: int | None = None) -> list[float]:
        """Statistic at the edge of confidence regions, ascending.

        Parameters
        ----------
        *confidence : float
            Between 0 and 1; by default 0.6827, 0.90 and 0.99.
        joint : int, optional
            Number of parameters estimated jointly; by default the number of axes.
        """
        chosen = confidence or (0.6827, 0.90, 0.99)
        dof = len(self.axes) if joint is None else joint
        return sorted(self.minimum + delta_statistic(c, dof) for c in chosen)

    def profile(self, name: str) -> tuple[Array, Array]:
        """Values of one axis and the lowest statistic along all other axes."""
        axis = self.names.index(name)
        others = tuple(i for i in range(len(self.axes)) if i != axis)
        values = np.where(np.isfinite(self.statistic), self.statistic, np.inf)
        return self.axes[axis], values.min(axis=others) if others else values

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready record; points that were not computed are None."""

        def clean(values: Any) -> Any:
            if isinstance(values, list):
                return [clean(v) for v in values]
            return values if np.isfinite(values) else None

        return {
            "names": list(self.names),
            "units": list(self.units),
            "axes": [a.tolist() for a in self.axes],
            "statistic": clean(self.statistic.tolist()),
            "minimum": self.minimum,
            "fit_statistic": self.fit_statistic,
            "best": self.best,
            "new_minimum": self.new_minimum,
            "messages": list(self.messages),
        }


def axis_values(name: str, spec: Any) -> Array:
    """Values of an axis.

    Parameters
    ----------
    name : str
        For messages.
    spec : tuple (lo, hi, n) or (lo, hi, n, "log"), or array
        Ends and number of points, equally spaced in the value or its logarithm; or the values themselves.

    Raises
    ------
    ParameterError
        If it is not understood.
    """
    if isinstance(spec, tuple) and len(spec) in (3, 4):
        lo, hi, n = float(spec[0]), float(spec[1]), int(spec[2])
        spacing = spec[3] if len(spec) == 4 else "linear"
        if n < 1:
            raise ParameterError(f"the axis of {name} has {n} points", cure="Give at least one.")
        if spacing in ("log", True):
            if not (lo > 0 and hi > 0):
                raise ParameterError(f"a logarithmic axis of {name} cannot go from {lo:g} to {hi:g}")
            return np.geomspace(lo, hi, n)
        if spacing not in ("linear", "nolog", False):
            raise ParameterError(f"spacing {spacing!r} of the axis of {name} is neither 'log' nor 'linear'")
        return np.linspace(lo, hi, n)
    values = np.atleast_1d(np.asarray(spec, dtype=float))
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ParameterError(
            f"the axis of {name} is not understood", cure="Give (lo, hi, number of points) or an array of values."
        )
    return values


def compute_grid(
    likelihood: Likelihood,
    best: Array,
    statistic: float,
    covariance: Array | None,
    axes: Mapping[int, Array],
    units: Sequence[str],
    *,
    local: bool = False,
    progress: bool | None = None,
) -> Grid:
    """Minimise the statistic at every point of a grid.

    All points of a block descend together, from the best fit with the other parameters shifted as the covariance
    predicts. Afterwards every point tries what its neighbours have found, as long as that helps, so that the grid
    does not depend on the basin of the best fit.

    Parameters
    ----------
    likelihood : Likelihood
        The statistic.
    best : array [K]
        Best fit.
    statistic : float
        Statistic there.
    covariance : array [K, K] or None
        Of the best fit.
    axes : mapping of int to array
        Values for each free parameter on an axis.
    units : sequence of str
        Units of the axes.
    local : bool
        Limits of cyclic parameters are walls, and neighbours are not asked.
    progress : bool, optional
        Show a progress bar.
    """
    free = likelihood.free
    chosen = list(axes)
    shape = tuple(len(axes[k]) for k in chosen)
    mesh = np.stack([m.ravel() for m in np.meshgrid(*(axes[k] for k in chosen), indexing="ij")], axis=1)
    solver = _Solver(likelihood, chosen, bounds(likelihood, cyclic=not local))
    start = _predict(best, covariance, chosen, mesh)
    values = np.full(len(mesh), np.nan)
    points = np.full((len(mesh), free.size), np.nan)
    good = np.zeros(len(mesh), dtype=bool)
    messages: list[str] = []
    try:
        size = _block_size(likelihood, best)
        blocks = [slice(i, i + size) for i in range(0, len(mesh), size)]
        for part in track(blocks, "stepping through the grid", enabled=progress):
            values[part], points[part], good[part], stopped = solver.refit(start[part])
            if stopped:
                raise KeyboardInterrupt
        if not local:
            _share(solver, mesh, shape, values, points, good)
    except KeyboardInterrupt:
        done = int(np.isfinite(values).sum())
        messages.append(f"interrupted: {done} of {len(mesh)} points are done, the others are NaN")
    grid = Grid(
        names=tuple(free.names[k] for k in chosen),
        units=tuple(units),
        axes=tuple(axes[k] for k in chosen),
        statistic=values.reshape(shape),
        fit_statistic=statistic,
        fitted=tuple(free.names),
        parameters=_wrap_others(likelihood, points, chosen).reshape(*shape, free.size),
        converged=good.reshape(shape),
        messages=(),
        fit_values=tuple(float(v) for v in best),
    )
    failed = int((np.isfinite(values) & ~good).sum())
    if failed:
        messages.append(f"the minimisation did not converge at {failed} points")
    if grid.new_minimum:
        where = ", ".join(f"{free.names[k]} = {grid.best[free.names[k]]:.4g}" for k in chosen)
        messages.append(
            f"the grid found a new minimum: {grid.grid_minimum:.2f} at {where} (the fit has {statistic:.2f})"
        )
    object.__setattr__(grid, "messages", tuple(messages))
    return grid


def _block_size(likelihood: Likelihood, best: Array) -> int:
    """Points per block: fewer for a model that takes long."""
    begin = time.perf_counter()
    likelihood.derivatives(best[None])
    spent = time.perf_counter() - begin
    return max(1, min(_BLOCK, int(_PATIENCE / (6 * spent))))


class _Solver:
    """Minimises over all parameters but those on the axes."""

    def __init__(self, likelihood: Likelihood, chosen: list[int], limits: tuple[Array, Array]) -> None:
        self.likelihood = likelihood
        self.chosen = chosen
        self.others = [k for k in range(likelihood.free.size) if k not in chosen]
        self.lower, self.upper = limits

    def evaluate(self, points: Array) -> Derivatives:
        """Derivatives by the other parameters."""
        return self.likelihood.derivatives(points, active=self.others)

    def refit(self, start: Array) -> tuple[Array, Array, npt.NDArray[np.bool_], bool]:
        """Statistic, parameters and success for starting points [B, K]; NaN where Ctrl-C came before."""
        fixed = np.zeros(start.shape, dtype=bool)
        fixed[:, self.chosen] = True
        if not self.others:
            return self.likelihood.statistic(start), start, np.ones(len(start), dtype=bool), False
        result = descend(
            self.evaluate,
            start,
            self.lower,
            self.upper,
            fixed=fixed,
            period=self.likelihood.free.period,
            factors=[k for k in self.likelihood.free.factors if k not in self.chosen],
            options=Options(tolerance=1e-5, max_iterations=60),
        )
        value = result.statistic
        if result.interrupted:
            value = np.where(result.converged, value, np.nan)
        return value, result.points, result.converged, result.interrupted


def _predict(best: Array, covariance: Array | None, chosen: list[int], mesh: Array) -> Array:
    """Best fit with the axes' values put in, the others following to first order."""
    out = np.tile(best, (len(mesh), 1))
    shift = mesh - best[chosen]
    if covariance is not None:
        own = covariance[np.ix_(chosen, chosen)]
        sigma = np.sqrt(np.maximum(np.diag(own), 0.0))
        if (sigma > 0).all():
            # only near the best fit is the prediction worth anything
            size = np.abs(shift / sigma).max(axis=1, keepdims=True)
            near = shift * np.minimum(1.0, 5.0 / np.maximum(size, 1e-300))
            out += near @ np.linalg.pinv(own) @ covariance[chosen]
    out[:, chosen] = mesh
    return out


def _share(
    solver: _Solver, mesh: Array, shape: tuple[int, ...], values: Array, points: Array, good: npt.NDArray[np.bool_]
) -> None:
    """Let points start again from a neighbour's parameters where these are better than their own."""
    number = np.arange(len(mesh)).reshape(shape)
    candidates = np.ones(len(mesh), dtype=bool)
    for _ in range(_SWEEPS):
        best_value = values.copy()
        best_start = np.zeros_like(points)
        for axis in range(len(shape)):
            for one, two in ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))):
                cut = [slice(None)] * len(shape)
                cut[axis] = one
                mine = number[tuple(cut)].ravel()
                cut[axis] = two
                theirs = number[tuple(cut)].ravel()
                asked = candidates[theirs] & np.isfinite(values[theirs])
                mine, theirs = mine[asked], theirs[asked]
                if not mine.size:
                    continue
                trial = points[theirs].copy()
                trial[:, solver.chosen] = mesh[mine]
                found = solver.likelihood.statistic(trial)
                better = found < np.where(np.isfinite(best_value[mine]), best_value[mine], np.inf) - _GAIN
                best_value[mine[better]] = found[better]
                best_start[mine[better]] = trial[better]
        again = np.flatnonzero(best_value < np.where(np.isfinite(values), values, np.inf) - _GAIN / 2)
        candidates[:] = False
        if not again.size:
            return
        new, where, fine, stopped = solver.refit(best_start[again])
        improved = new < np.where(np.isfinite(values[again]), values[again], np.inf)
        taken = again[improved]
        values[taken], points[taken], good[taken] = new[improved], where[improved], fine[improved]
        candidates[taken] = True
        if stopped:
            raise KeyboardInterrupt


def _wrap_others(likelihood: Likelihood, points: Array, chosen: list[int]) -> Array:
    """Cyclic parameters inside their limits, except those on the axes."""
    out = wrap(likelihood, points)
    out[:, chosen] = points[:, chosen]
    return out
