"""Equivalent width of an additive component against the rest of the model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wolter.errors import FitError, ParameterError
from wolter.fit.flux import _gaussian, _intensity, _percentiles, _propagate, _sample
from wolter.fit.selection import additive_component
from wolter.models.compiled import CompiledModel
from wolter.models.definitions import Context
from wolter.models.grammar import leaves

if TYPE_CHECKING:
    from wolter.fit.fit import Fit

__all__ = ["EquivalentWidth", "equivalent_width"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class EquivalentWidth:
    """Equivalent width in a data group.

    Attributes
    ----------
    component : str
        The component.
    group : int
        Data group.
    value, error : float
        keV and one sigma (NaN without a covariance).
    interval : tuple of float or None
        Bounds at `level`.
    level : float or None
        Confidence of the interval.
    energy : float
        keV, where the component peaks.
    """

    component: str
    group: int
    value: float
    error: float
    interval: tuple[float, float] | None
    level: float | None
    energy: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready record."""
        out = asdict(self)
        if not np.isfinite(self.error):
            out["error"] = None
        return out


def equivalent_width(
    fit: Fit,
    component: str,
    *,
    fraction: float = 0.05,
    level: float | None = None,
    draws: int = 0,
    seed: int | None = None,
    sample: Array | None = None,
) -> list[EquivalentWidth]:
    """Observed equivalent width of an additive component, one entry per data group.

    Photon flux of the component (with all that acts on it) over the photon flux per keV of the rest of the model near
    the component's peak, as XSPEC's eqwidth: the continuum is the mean over the energy bins that touch
    ``(1 - fraction) E ... (1 + fraction) E`` around the energy E of the largest photon flux density.

    Parameters
    ----------
    fit : Fit
        The fit.
    component : str
        Name of the component, e.g. ``"gaussian"``.
    fraction : float
        Half width of the range in which the continuum is measured, relative to E.
    level : float, optional
        Confidence of the intervals.
    draws : int
        Parameter sets drawn from the covariance for errors; 0 means Gaussian propagation.
    seed : int, optional
        Of the draws.
    sample : array [draws, K], optional
        Values of the free parameters (of a chain, for example) in place of draws from the covariance.

    Raises
    ------
    ParameterError
        For an unknown or not additive component, or a fraction outside 0 ... 1.
    FitError
        If the component, or all else, is zero.
    """
    if not 0 < fraction < 1:
        raise ParameterError(f"fraction {fraction} is not between 0 and 1", cure="XSPEC's is 0.05.")
    model = fit.model
    index = additive_component(model, component)
    part = getattr(fit, "source_part", None)  # a background that is modelled, too, is no continuum
    node = model.node if part is None else part.node
    norm = _norm_column(node, index)
    free = fit.table.free
    weights: Array | None = np.empty(0)
    if sample is None:
        sample, weights = _sample(free.start, fit.covariance, free.lower, free.upper, draws, seed, level)
    else:
        draws = len(sample)
    full = free.expand(np.vstack([free.start[None], sample]))
    out = []
    for group in range(1, fit.dataset.n_groups + 1):
        entry = _intensity(fit.dataset, group)
        first = (group - 1) * fit.table.width
        rows = full[:, first : first + fit.table.width]
        rows = rows if part is None else rows[:, part.columns]
        context = Context(0, entry.context.xflt, entry.context.settings)
        edges = entry.plan.full_edges
        compiled = CompiledModel(node, edges, (context,))
        bare = rows.copy()
        bare[:, norm] = 0.0
        rest = compiled.evaluate(bare)[0]
        line = compiled.evaluate(rows)[0] - rest
        values, energy = _widths(edges, line, rest, fraction, component)
        error, interval = np.nan, None
        if weights is not None and draws:
            error, interval = float(np.std(values[1:])), _percentiles(values[1:], level)
        elif weights is not None:
            error = _propagate(values, weights)
            interval = _gaussian(values[0], error, level)
        label = model.components[index - 1].label
        out.append(EquivalentWidth(label, group, float(values[0]), float(error), interval, level, energy))
    return out


def _norm_column(node: Any, index: int) -> int:
    count = 0
    for leaf in leaves(node):
        count += len(leaf.component.all_parameters)
        if leaf.index == index:
            break
    return count - 1


def _widths(edges: Array, line: Array, rest: Array, fraction: float, name: str) -> tuple[Array, float]:
    """Equivalent widths [B] in keV, and the energy of the first one's peak."""
    width = np.diff(edges)
    peak = np.argmax(np.abs(line) / width, axis=1)
    centre = 0.5 * (edges[peak] + edges[peak + 1])
    inside = (edges[1:] >= (centre * (1 - fraction))[:, None]) & (edges[:-1] <= (centre * (1 + fraction))[:, None])
    continuum = (rest * inside).sum(axis=1) / (width * inside).sum(axis=1)
    if not np.abs(line[0]).any():
        raise FitError(f"component {name!r} is zero: there is no peak to measure at", cure="Give it a positive norm.")
    if not continuum[0] > 0:
        raise FitError(f"there is no continuum at {centre[0]:g} keV, where {name!r} peaks")
    with np.errstate(divide="ignore", invalid="ignore"):
        return line.sum(axis=1) / continuum, float(centre[0])
