"""Statistic and its derivatives for batches of parameter sets: the inner loop of every fit, grid and error search.

For each term of the model the scale factors are computed for all rows of a Jacobian by finite differences, but
shapes only for the rows in which a parameter of the shape moves. A folded model is then a small linear combination of
folded shapes, ``m[row] = sum_u coefficient[row, u] * folded[u]``, and so is each column of the Jacobian. Which shape
belongs to which row is worked out once per set of free parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from wolter.errors import FitError
from wolter.fit.dataset import Dataset, EnergyGrid, FoldJob, StatisticBlock
from wolter.fit.table import FreeParameters
from wolter.models.compiled import CompiledModel, Layout
from wolter.models.definitions import Context
from wolter.models.grammar import Node

__all__ = ["Derivatives", "GridModel", "Likelihood", "ModelSet", "memory_parts"]

Array = npt.NDArray[np.float64]
_FORWARD = 1e-4  # relative step of the forward difference
_XSPEC = 0.01  # relative step of XSPEC's central difference (FIT_DELTAS proportional)
_CACHE = 6_000_000  # bytes: Jacobians of a block of points should stay in the cache
_MEMORY = 100_000_000  # bytes: folded shapes of a batch
_REMEMBERED = 4_000_000  # elements of folded shapes that are kept for the next call


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
class GridModel:
    """The model on one energy grid of a dataset."""

    grid: EnergyGrid
    compiled: CompiledModel
    context_of: dict[int, int]  # spectrum -> context
    terms: tuple[int, ...] | None = None  # of the model; by default all

    @property
    def own_terms(self) -> tuple[int, ...]:
        """Terms of the model that the spectra of the grid see."""
        return tuple(range(len(self.compiled.plans))) if self.terms is None else self.terms


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
        self.grids: list[GridModel] = []
        for grid in dataset.grids:
            contexts: list[Context] = []
            place: dict[int, int] = {}
            for index in grid.spectra:
                context = dataset.spectra[index].context
                if context not in contexts:
                    contexts.append(context)
                place[index] = contexts.index(context)
            self.grids.append(GridModel(grid, CompiledModel(node, grid.edges, contexts, around=grid.full), place))


@dataclass(eq=False)
class _Piece:
    """One term of the model on one grid, for the data groups that share its shape."""

    model: CompiledModel
    term: int
    groups: list[int]  # from zero
    moving: list[int]  # free parameters that the shape depends on
    spectra: list[tuple[int, int, int, int]]  # spectrum, context, group's place, matrix
    jobs: list[tuple[int, FoldJob]]  # variant of the context, its responses
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
        self.width = (len(free.base) - free.extras) // self.dataset.n_groups
        self.n_calls = 0
        # statistic, logarithm of lambda and parameters after each iteration of the last "leven", for printed reports
        self.history: list[tuple[float, float, Array]] = []
        self.slopes: list[float] = []
        self.step_share = _XSPEC  # step of the scheme "xspec" as a share of the value; not positive: each delta
        self._bins = [entry.bins for entry in self.dataset.spectra]
        self._starts = np.array([b.start for b in self._bins], dtype=np.intp)
        self.pieces = [p for g in models.grids for t in g.own_terms for p in self._split(g, t)]
        widths = [sum(m.shape[1] + m.shape[0] for _, j in p.jobs for m in j.matrices) for p in self.pieces]
        seen = {spectrum for p in self.pieces for spectrum, *_ in p.spectra}
        self._dark = [b for i, b in enumerate(self._bins) if i not in seen]  # spectra that no part of the model reaches
        self._columns = sum(widths)  # elements of fluxes and folded shapes per row
        self._narrow: dict[tuple[int, tuple[int, ...]], _Piece] = {}
        # folded shapes of the latest points, by the parameters that they depend on
        self._last: tuple[bytes, Array] = (b"", np.empty(0))
        self._latest: dict[int, tuple[dict[bytes, int], list[Array]]] = {}
        self._shared_responses = type(self)._lit is Likelihood._lit

    # -- preparation ----------------------------------------------------------------------------------------------

    def _split(self, grid: GridModel, term: int) -> list[_Piece]:
        """Pieces of a term: data groups whose shape parameters have the same roots go together."""
        plan = grid.compiled.plans[term]
        columns = sorted(plan.shape_columns)
        classes: dict[tuple[int, ...], list[int]] = {}
        for group in sorted({self.dataset.spectra[i].group - 1 for i in grid.grid.spectra}):
            roots = tuple(self.free.root[group * self.width + c] for c in columns)
            classes.setdefault(roots, []).append(group)
        return [self._piece(grid, term, groups, columns) for groups in classes.values()]

    def _piece(self, grid: GridModel, term: int, groups: list[int], columns: list[int]) -> _Piece:
        plan = grid.compiled.plans[term]
        offset = groups[0] * self.width
        depends = {c: self.free.depends[offset + c] for c in columns}
        moving = sorted(frozenset().union(*depends.values())) if depends else []
        changed = {k: frozenset(c for c in columns if k in depends[c]) for k in moving}
        members = [i for i in grid.grid.spectra if self.dataset.spectra[i].group - 1 in groups]
        jobs: list[tuple[int, FoldJob]] = []
        spectra: list[tuple[int, int, int, int]] = []
        count = 0
        for variant in range(len(plan.representatives)):
            chosen = [i for i in members if int(plan.variant[grid.context_of[i]]) == variant]
            if not chosen:
                continue
            job = self.dataset.fold_job(grid.grid, chosen)
            for i in chosen:
                place = groups.index(self.dataset.spectra[i].group - 1)
                spectra.append((i, grid.context_of[i], place, count + job.matrix_of[i]))
            jobs.append((variant, job))
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
        return _Piece(grid.compiled, term, groups, moving, spectra, jobs, layouts, u_plus, u_minus)

    def _narrowed(self, number: int, kept: npt.NDArray[np.intp]) -> _Piece:
        """A piece of which shapes are moved by some parameters only, those whose derivatives are asked for."""
        piece = self.pieces[number]
        moving = [k for k in piece.moving if k in kept]
        if len(moving) == len(piece.moving):
            return piece
        key = (number, tuple(moving))
        if key not in self._narrow:
            changed = [piece.layouts["forward"].changed[1 + piece.moving.index(k)] for k in moving]
            none = frozenset[int]()
            layouts = {
                "base": piece.layouts["base"],
                "forward": Layout((none, *changed)),
                "central": Layout((none, *changed, *changed)),
            }
            u_plus, u_minus = np.zeros_like(piece.u_plus), np.zeros_like(piece.u_minus)
            u_plus[moving] = np.arange(1, len(moving) + 1)
            u_minus[moving] = np.arange(len(moving) + 1, 2 * len(moving) + 1)
            self._narrow[key] = replace(piece, moving=moving, layouts=layouts, u_plus=u_plus, u_minus=u_minus)
        return self._narrow[key]

    # -- models ---------------------------------------------------------------------------------------------------

    def _remembered(self, number: int, piece: _Piece, full: Array) -> list[Array]:
        """Folded shapes [B, 1, columns] of points [B, 1, N], of which those of the latest call are not made again.

        In a grid only norms are left to be found at most points; the shape is folded once then.
        """
        first = piece.groups[0] * self.width
        columns = [first + c for c in sorted(piece.model.plans[piece.term].shape_columns)]
        keys = [row.tobytes() for row in np.ascontiguousarray(full[:, 0, columns])]
        known, arrays = self._latest.get(number, ({}, []))
        new = [i for i, key in enumerate(keys) if key not in known]
        if new and len(new) == len(keys):
            out = self._folded(piece, full[:, :1], "base")
        else:
            rows = [known.get(key, 0) for key in keys]
            out = [a[rows] for a in arrays]
            if new:
                for target, value in zip(out, self._folded(piece, full[new, :1], "base"), strict=True):
                    target[new] = value
        whole = all(len(a) == len(keys) for a in out)
        if whole and new and sum(a.size for a in out) <= _REMEMBERED:
            self._latest[number] = ({key: i for i, key in enumerate(keys)}, out)
        return out

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
        return [array for variant, job in piece.jobs for array in job.fold(self._lit(shapes[variant]))]

    def _lit(self, shape: Array) -> Array:
        """Shapes [B or 1, U, n] as the responses see them; rows of a batch with areas of their own differ here."""
        return shape

    def _blocks(self, place: slice) -> list[StatisticBlock]:
        """Statistics for some points of a batch; rows of a batch with data of their own differ here."""
        return self.dataset.blocks

    def _scales(self, piece: _Piece, full: Array) -> Array:
        """Scale factors [C, groups, B, R]."""
        batch, count = full.shape[:2]
        if self.free.extras:
            full = full[..., : -self.free.extras]
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
        for bins in self._dark:
            out[:, bins] = 0.0
        full = self.free.expand(points)[:, None]
        self.n_calls += len(points)
        key = full.tobytes() if len(points) == 1 else b""
        if key and key == self._last[0]:  # statistic, test statistic and plots ask for the same point in turn
            return self._last[1].copy()
        with np.errstate(all="ignore"):
            done: set[int] = set()
            for number, piece in enumerate(self.pieces):
                if self._shared_responses and len(points) > 1:
                    folded = self._remembered(number, piece, full)
                else:
                    folded = self._folded(piece, full, "base")
                scales = self._scales(piece, full)[..., 0]
                for index, context, place, matrix in piece.spectra:
                    values = scales[context, place][:, None] * folded[matrix][:, 0]
                    if index in done:
                        out[:, self._bins[index]] += values
                    else:
                        out[:, self._bins[index]] = values
                        done.add(index)
        if key:
            self._last = (key, out.copy())
        return out

    def statistic(self, points: Array) -> Array:
        """Total statistic [B]; NaN where the model is not finite."""
        out = np.empty(len(points))
        for part in _parts(len(points), self.dataset.n_bins + self._columns, _MEMORY):
            out[part] = self.per_bin(points[part]).sum(axis=1)
        return out

    def contributions(self, points: Array) -> Array:
        """Statistic of each spectrum [B, spectra]."""
        return np.add.reduceat(self.per_bin(points), self._starts, axis=1)

    def per_bin(self, points: Array) -> Array:
        """Statistic of each bin [B, N]."""
        model = self.model(points)
        out = np.empty_like(model)
        with np.errstate(all="ignore"):
            for block in self._blocks(slice(0, len(points))):
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
        kept = np.arange(size) if active is None else np.asarray(active, dtype=np.intp)
        shapes = max((1 + 2 * len(p.moving) for p in self.pieces), default=1)
        for part in memory_parts(count, shapes * self._columns):
            self._differentiate(points[part], part, out, kept, scheme, expected)
        return out

    def steps(self, points: Array, scheme: str) -> tuple[Array, Array, Array]:
        """Values above and below [B, K] for a difference quotient, and the denominator.

        XSPEC keeps the values inside the hard limits but divides by the full step; a forward step is taken backward
        where it would leave them.
        """
        free = self.free
        if scheme == "xspec":
            share = self.step_share
            h = np.where(points != 0, share * np.abs(points), free.delta) if share > 0 else free.delta + 0.0 * points
            return np.minimum(points + h, free.upper), np.maximum(points - h, free.lower), 2.0 * h
        h = _FORWARD * np.maximum(np.abs(points), 0.1 * free.delta)
        h = np.where(h > 0, h, _FORWARD)
        h = np.where((points + h > free.upper) & np.isinf(free.period), -h, h)
        up = points + h
        return up, points, up - points

    def _differentiate(
        self, points: Array, part: slice, out: Derivatives, kept: npt.NDArray[np.intp], scheme: str, expected: bool
    ) -> None:
        """Derivatives of some points, put into their part of the result.

        All shapes are folded in one large product (small ones would wake the threads of the BLAS too often);
        Jacobians are made and used up in blocks that stay in the cache.
        """
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
        with np.errstate(all="ignore"):
            pieces = []
            for number in range(len(self.pieces)):
                piece = self._narrowed(number, kept)
                if self._shared_responses and not piece.moving and batch > 1:
                    folded = self._remembered(number, piece, full)
                else:
                    folded = self._folded(piece, full, "central" if central else "forward")
                pieces.append((piece, folded, self._mix(piece, full, width, kept, central)))
            for inner in _parts(batch, (2 * len(kept) + 2) * self.dataset.n_bins, _CACHE):
                jacobian = self._jacobian(pieces, inner, len(kept))
                place = slice(part.start + inner.start, part.start + inner.stop)
                self._reduce(jacobian, place, out, kept, expected)

    def _mix(self, piece: _Piece, full: Array, width: Array, kept: npt.NDArray[np.intp], central: bool) -> Array:
        """Coefficients [C, groups, B, 1 + kept, U] that make model and derivatives of folded shapes."""
        size = width.shape[1]
        inverse = 1.0 / width[:, kept]
        line = np.arange(1, len(kept) + 1)
        scales = self._scales(piece, full)
        mix = np.zeros((*scales.shape[:3], 1 + len(kept), 1 + len(piece.moving) * (1 + central)))
        mix[..., 0, 0] = scales[..., 0]
        mix[..., line, piece.u_plus[kept]] = scales[..., 1 + kept] * inverse
        if central:
            mix[..., line, piece.u_minus[kept]] -= scales[..., 1 + size + kept] * inverse
        else:
            mix[..., 1:, 0] -= scales[..., :1] * inverse
        return mix

    def _jacobian(self, pieces: list[tuple[_Piece, list[Array], Array]], part: slice, count: int) -> Array:
        """Model [b, 0, N] and its derivatives [b, 1:, N] for a part of the points."""
        out = np.empty((part.stop - part.start, 1 + count, self.dataset.n_bins))
        for bins in self._dark:
            out[:, :, bins] = 0.0
        done: set[int] = set()
        for piece, folded, mix in pieces:
            own = [f if len(f) == 1 else f[part] for f in folded]
            for index, context, place, matrix in piece.spectra:
                shapes = own[matrix]
                target = out[:, :, self._bins[index]]
                if index in done:
                    target += np.matmul(mix[context, place, part], shapes)
                else:
                    np.matmul(mix[context, place, part], shapes, out=target)
                    done.add(index)
        return out

    def _reduce(
        self, jacobian: Array, place: slice, out: Derivatives, kept: npt.NDArray[np.intp], expected: bool
    ) -> None:
        """Sum a Jacobian over the bins into statistic, beta and alpha."""
        batch, count = jacobian.shape[0], len(kept)
        total = np.zeros(batch)
        beta = np.zeros((batch, count))
        alpha = np.zeros((batch, count, count))
        for block in self._blocks(place):
            value, slope, curvature = block.statistic.derivatives(jacobian[:, 0, block.bins], expected=expected)
            own = jacobian[:, 1:, block.bins]
            total += value.sum(axis=1)
            beta += np.matmul(own, slope[:, :, None])[:, :, 0]
            weighted = own * (curvature[:, None] if curvature.ndim == 2 else curvature)
            alpha += np.matmul(weighted, own.transpose(0, 2, 1))
        out.statistic[place] = total
        if count == out.beta.shape[1]:
            out.beta[place], out.alpha[place] = beta, alpha
        else:
            out.beta[place, kept] = beta
            out.alpha[place, kept[:, None], kept] = alpha

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


def memory_parts(count: int, elements: int) -> list[slice]:
    """Slices of a batch whose folded shapes, so many elements per row, stay within the memory allowed for them."""
    return _parts(count, elements, _MEMORY)


def _parts(count: int, elements: int, limit: int) -> list[slice]:
    """Slices of a batch so that arrays with so many elements per row stay below a size in bytes."""
    block = max(1, int(limit / (8 * max(elements, 1))))
    return [slice(i, min(i + block, count)) for i in range(0, count, block)]
