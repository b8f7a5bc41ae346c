"""Statistic and its derivatives for batches of parameter sets: the inner loop of every fit, grid and error search.

For each term of the model the scale factors are computed for all rows of a Jacobian by finite differences, but
shapes only for the rows in which a parameter of the shape moves. A folded model is then a small linear combination of
folded shapes, ``m[row] = sum_u coefficient[row, u] * folded[u]``, and so is each column of the Jacobian. Which shape
belongs to which row is worked out once per set of free parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wolter.errors import FitError
from wolter.fit.dataset import Dataset, EnergyGrid, FoldJob
from wolter.fit.table import FreeParameters
from wolter.models.compiled import CompiledModel, Layout
from wolter.models.definitions import Context
from wolter.models.grammar import Node

__all__ = ["Derivatives", "Likelihood", "ModelSet"]

Array = npt.NDArray[np.float64]
_FORWARD = 1e-4  # relative step of the forward difference
_XSPEC = 0.01  # relative step of XSPEC's central difference (FIT_DELTAS proportional)
_BLOCK_BYTES = 6_000_000  # Jacobians of a block of points should stay in the cache


@dataclass(frozen=True, eq=False)
class Derivatives:
    """Statistic and what a Gauss-Newton step needs.

    Parameters
    ----------
    statistic : array [B]
        Value of the statistic.
    beta : array [B, K]
        ``-1/2 dS/dp``.
    alpha : array [B, K, K]
        ``1/2 d2S/dp2`` without second derivatives of the model.
    """

    statistic: Array
    beta: Array
    alpha: Array


@dataclass(frozen=True, eq=False)
class _GridModel:
    """The model on one energy grid of a dataset."""

    grid: EnergyGrid
    compiled: CompiledModel
    context_of: dict[int, int]  # spectrum -> context


class ModelSet:
    """A model compiled for all energy grids of a dataset.

    Parameters
    ----------
    dataset : Dataset
        The spectra.
    node : Node
        Syntax tree of the model.
    """

    def __init__(self, dataset: Dataset, node: Node) -> None:
        self.dataset = dataset
        self.grids: list[_GridModel] = []
        for grid in dataset.grids:
            contexts: list[Context] = []
            place: dict[int, int] = {}
            for index in grid.spectra:
                context = dataset.spectra[index].context
                if context not in contexts:
                    contexts.append(context)
                place[index] = contexts.index(context)
            self.grids.append(_GridModel(grid, CompiledModel(node, grid.edges, contexts), place))


@dataclass(eq=False)
class _Piece:
    """One term of the model on one grid, for the data groups that share its shape."""

    model: CompiledModel
    term: int
    groups: list[int]  # from zero
    moving: list[int]  # free parameters that the shape depends on
    spectra: list[tuple[int, int, int, int, slice]]  # spectrum, context, group's place, matrix, columns
    jobs: list[tuple[int, FoldJob]]  # variant of the context, its responses
    matrix_base: list[int]  # number of the first matrix of each job
    layouts: dict[str, Layout]
    u_plus: npt.NDArray[np.intp]
    u_minus: npt.NDArray[np.intp]


class Likelihood:
    """Statistic of a dataset as a function of the free parameters.

    Parameters
    ----------
    models : ModelSet
        The model on the grids of the dataset.
    free : FreeParameters
        The free parameters.
    """

    def __init__(self, models: ModelSet, free: FreeParameters) -> None:
        self.dataset = models.dataset
        self.models = models
        self.free = free
        self.width = len(free.base) // self.dataset.n_groups
        self.n_calls = 0
        self._bins = [entry.bins for entry in self.dataset.spectra]
        self._starts = np.array([b.start for b in self._bins], dtype=np.intp)
        self.pieces = [p for g in models.grids for t in range(len(g.compiled.plans)) for p in self._split(g, t)]

    # -- preparation ----------------------------------------------------------------------------------------------

    def _split(self, grid: _GridModel, term: int) -> list[_Piece]:
        """Pieces of a term: data groups whose shape parameters have the same roots go together."""
        plan = grid.compiled.plans[term]
        columns = sorted(plan.shape_columns)
        classes: dict[tuple[int, ...], list[int]] = {}
        for group in sorted({self.dataset.spectra[i].group - 1 for i in grid.grid.spectra}):
            roots = tuple(self.free.root[group * self.width + c] for c in columns)
            classes.setdefault(roots, []).append(group)
        return [self._piece(grid, term, groups, columns) for groups in classes.values()]

    def _piece(self, grid: _GridModel, term: int, groups: list[int], columns: list[int]) -> _Piece:
        plan = grid.compiled.plans[term]
        offset = groups[0] * self.width
        depends = {c: self.free.depends[offset + c] for c in columns}
        moving = sorted(frozenset().union(*depends.values())) if depends else []
        changed = {k: frozenset(c for c in columns if k in depends[c]) for k in moving}
        members = [i for i in grid.grid.spectra if self.dataset.spectra[i].group - 1 in groups]
        jobs: list[tuple[int, FoldJob]] = []
        base: list[int] = []
        spectra: list[tuple[int, int, int, int, slice]] = []
        count = 0
        for variant in range(len(plan.representatives)):
            chosen = [i for i in members if int(plan.variant[grid.context_of[i]]) == variant]
            if not chosen:
                continue
            job = self.dataset.fold_job(grid.grid, chosen)
            for i in chosen:
                matrix, cols = job.columns[i]
                place = groups.index(self.dataset.spectra[i].group - 1)
                spectra.append((i, grid.context_of[i], place, count + matrix, cols))
            jobs.append((variant, job))
            base.append(count)
            count += len(job.matrices)
        n = len(moving)
        u_plus = np.zeros(self.free.size, dtype=np.intp)
        u_minus = np.zeros(self.free.size, dtype=np.intp)
        u_plus[moving] = np.arange(1, n + 1)
        u_minus[moving] = np.arange(n + 1, 2 * n + 1)
        none = frozenset[int]()
        layouts = {
            "base": Layout((none,)),
            "forward": Layout((none, *(changed[k] for k in moving))),
            "central": Layout((none, *(changed[k] for k in moving), *(changed[k] for k in moving))),
        }
        return _Piece(grid.compiled, term, groups, moving, spectra, jobs, base, layouts, u_plus, u_minus)

    # -- models ---------------------------------------------------------------------------------------------------

    def _folded(self, piece: _Piece, full: Array, scheme: str) -> list[Array]:
        """Folded shapes [B or 1, U, columns] of each matrix, for all parameters full [B, R, N]."""
        first = piece.groups[0] * self.width
        rows = full[:, :, first : first + self.width]
        if scheme != "base":
            k = np.array(piece.moving, dtype=np.intp)
            size = self.free.size
            take = [np.zeros(1, dtype=np.intp), k + 1]
            if scheme == "central":
                take.append(k + 1 + size)
            rows = rows[:, np.concatenate(take)]
        shapes = piece.model.shape(piece.term, rows, piece.layouts[scheme])
        return [array for variant, job in piece.jobs for array in job.fold(shapes[variant])]

    def _scales(self, piece: _Piece, full: Array) -> Array:
        """Scale factors [C, groups, B, R]."""
        batch, count = full.shape[:2]
        cube = full.reshape(batch, count, self.dataset.n_groups, self.width)
        if piece.groups == list(range(self.dataset.n_groups)):
            rows = cube.transpose(2, 0, 1, 3)
        else:
            rows = cube[:, :, piece.groups].transpose(2, 0, 1, 3)
        scale = piece.model.scale(piece.term, rows.reshape(-1, self.width))
        return scale.reshape(len(scale), len(piece.groups), batch, count)

    def model(self, points: Array) -> Array:
        """Folded model rates [B, N] in the bins of all spectra, for free parameters [B, K]."""
        out = np.empty((len(points), self.dataset.n_bins))
        full = self.free.expand(points)[:, None]
        self.n_calls += len(points)
        with np.errstate(all="ignore"):
            done: set[int] = set()
            for piece in self.pieces:
                folded = self._folded(piece, full, "base")
                scales = self._scales(piece, full)[..., 0]
                for index, context, place, matrix, columns in piece.spectra:
                    values = scales[context, place][:, None] * folded[matrix][:, 0, columns]
                    if index in done:
                        out[:, self._bins[index]] += values
                    else:
                        out[:, self._bins[index]] = values
                        done.add(index)
        return out

    def statistic(self, points: Array) -> Array:
        """Total statistic [B]; NaN where the model is not finite."""
        out = np.empty(len(points))
        for part in self._parts(len(points), 4):
            out[part] = self.contributions(points[part]).sum(axis=1)
        return out

    def contributions(self, points: Array) -> Array:
        """Statistic of each spectrum [B, spectra]."""
        return np.add.reduceat(self.per_bin(points), self._starts, axis=1)

    def per_bin(self, points: Array) -> Array:
        """Statistic of each bin [B, N]."""
        model = self.model(points)
        out = np.empty_like(model)
        with np.errstate(all="ignore"):
            for block in self.dataset.blocks:
                out[:, block.bins] = block.statistic.value(model[:, block.bins])
        return out

    # -- derivatives ----------------------------------------------------------------------------------------------

    def derivatives(
        self,
        points: Array,
        *,
        active: Sequence[int] | None = None,
        scheme: str = "forward",
        expected: bool = True,
    ) -> Derivatives:
        """Statistic, gradient and Gauss-Newton matrix.

        Parameters
        ----------
        points : array [B, K]
            Values of the free parameters.
        active : sequence of int, optional
            Parameters to differentiate by; rows and columns of the others are zero.
        scheme : {"forward", "xspec"}
            Forward difference with a small step, or XSPEC's central one with a hundredth of the value.
        expected : bool
            Expected second derivative of the statistic instead of the observed one.
        """
        count, size = points.shape
        out = Derivatives(np.empty(count), np.zeros((count, size)), np.zeros((count, size, size)))
        for part in self._parts(count, size + 2):
            self._differentiate(points[part], part, out, active, scheme, expected)
        return out

    def _parts(self, count: int, rows: int) -> list[slice]:
        block = max(1, int(_BLOCK_BYTES / (8 * rows * self.dataset.n_bins)))
        return [slice(i, min(i + block, count)) for i in range(0, count, block)]

    def steps(self, points: Array, scheme: str) -> tuple[Array, Array, Array]:
        """Values above and below [B, K] for a difference quotient, and the denominator.

        XSPEC keeps the values inside the hard limits but divides by the full step; a forward step is taken backward
        where it would leave them.
        """
        free = self.free
        if scheme == "xspec":
            h = np.where(points != 0, _XSPEC * np.abs(points), free.delta)
            return np.minimum(points + h, free.upper), np.maximum(points - h, free.lower), 2.0 * h
        h = _FORWARD * np.maximum(np.abs(points), 0.1 * free.delta)
        h = np.where(h > 0, h, _FORWARD)
        h = np.where((points + h > free.upper) & np.isinf(free.period), -h, h)
        up = points + h
        return up, points, up - points

    def _differentiate(
        self,
        points: Array,
        part: slice,
        out: Derivatives,
        active: Sequence[int] | None,
        scheme: str,
        expected: bool,
    ) -> None:
        batch, size = points.shape
        central = scheme == "xspec"
        up, down, width = self.steps(points, scheme)
        diagonal = np.arange(size)
        rows = np.empty((batch, 1 + size * (1 + central), size))
        rows[:] = points[:, None]
        rows[:, 1 + diagonal, diagonal] = up
        if central:
            rows[:, 1 + size + diagonal, diagonal] = down
        full = self.free.expand(rows.reshape(-1, size)).reshape(batch, rows.shape[1], -1)
        self.n_calls += batch
        kept = diagonal if active is None else np.asarray(active, dtype=np.intp)
        with np.errstate(all="ignore"):
            jacobian = self._jacobian(full, width, kept, central)
            model = jacobian[:, 0]
            slopes = jacobian[:, 1:]
            total = np.zeros(batch)
            beta = np.zeros((batch, len(kept)))
            alpha = np.zeros((batch, len(kept), len(kept)))
            for block in self.dataset.blocks:
                value, slope, curvature = block.statistic.derivatives(model[:, block.bins], expected=expected)
                own = slopes[:, :, block.bins]
                total += value.sum(axis=1)
                beta += np.matmul(own, slope[:, :, None])[:, :, 0]
                weighted = own * (curvature[:, None] if curvature.ndim == 2 else curvature)
                alpha += np.matmul(weighted, own.transpose(0, 2, 1))
        out.statistic[part] = total
        if len(kept) == size:
            out.beta[part] = beta
            out.alpha[part] = alpha
        else:
            out.beta[part, kept] = beta
            out.alpha[part, kept[:, None], kept] = alpha

    def _jacobian(self, full: Array, width: Array, kept: npt.NDArray[np.intp], central: bool) -> Array:
        """Model [B, 0, N] and its derivatives [B, 1:, N] by the parameters kept."""
        batch, size = width.shape
        count = len(kept)
        scheme = "central" if central else "forward"
        out = np.empty((batch, 1 + count, self.dataset.n_bins))
        inverse = 1.0 / width[:, kept]
        line = np.arange(1, count + 1)
        done: set[int] = set()
        for piece in self.pieces:
            folded = self._folded(piece, full, scheme)
            scales = self._scales(piece, full)
            n_u = 1 + len(piece.moving) * (1 + central)
            mix = np.zeros((*scales.shape[:3], 1 + count, n_u))
            mix[..., 0, 0] = scales[..., 0]
            mix[..., line, piece.u_plus[kept]] = scales[..., 1 + kept] * inverse
            if central:
                mix[..., line, piece.u_minus[kept]] -= scales[..., 1 + size + kept] * inverse
            else:
                mix[..., 1:, 0] -= scales[..., :1] * inverse
            for index, context, place, matrix, columns in piece.spectra:
                shapes = folded[matrix][:, :, columns]
                target = out[:, :, self._bins[index]]
                if index in done:
                    target += np.matmul(mix[context, place], shapes)
                else:
                    np.matmul(mix[context, place], shapes, out=target)
                    done.add(index)
        return out

    def check_finite(self, point: Array) -> None:
        """Raise FitError naming the spectrum if the model is not finite at a point [K]."""
        model = self.model(point[None])[0]
        if np.isfinite(model).all():
            return
        for entry in self.dataset.spectra:
            if not np.isfinite(model[entry.bins]).all():
                raise FitError(
                    f"the model is not a number in {int((~np.isfinite(model[entry.bins])).sum())} bins of {entry.name}",
                    cure="Check the parameters: " + self._worst(point),
                )

    def _worst(self, point: Array) -> str:
        names = ", ".join(f"{n}={v:g}" for n, v in zip(self.free.names, point, strict=True))
        return f"{names}."
