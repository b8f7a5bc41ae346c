"""Models prepared for repeated evaluation: what is constant in energy is hoisted, what is equal is computed once.

A model is a sum of terms, each the product of a *scale* (norms, constants, polarisation factors: numbers) and a *shape*
(a spectrum on the energy grid). Folding a shape through a response is the expensive part of a fit, so the same shape is
never computed or folded twice: neither for spectra of other Stokes parameters, nor for data groups that differ in
a constant, nor for the derivative by a norm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from wolter.errors import ModelError
from wolter.models.definitions import ComponentDef, Context
from wolter.models.grammar import Convolve, Leaf, Node, Product, Sum, leaves

__all__ = ["CompiledModel", "Layout", "Term"]

Array = npt.NDArray[np.float64]
_MEMO_SIZE = 8  # remembered evaluations per component and context
_MEMO_ELEMENTS = 512  # parameter arrays larger than this are not worth a key


@dataclass(frozen=True)
class Term:
    """One term of a model evaluated for a batch.

    The contribution to context c in batch row b is ``scale[c, b] * flux[variant[c], index[b]]``.

    Parameters
    ----------
    scale : array [C, B]
        Product of all factors that do not depend on energy.
    flux : array [Cs, U, n]
        Unique shapes: photons/cm²/s per bin for scale 1. Cs is 1 unless the shape depends on the context.
    index : int array [B] or None
        Shape of each batch row; None means row b has shape b.
    variant : int array [C]
        First index of `flux` for each context.
    """

    scale: Array
    flux: Array
    index: npt.NDArray[np.intp] | None
    variant: npt.NDArray[np.intp]


@dataclass(frozen=True)
class Layout:
    """Which columns differ from row 0 in each row of a small group of parameter rows.

    A Jacobian by finite differences evaluates rows that differ in one parameter each; a component that does not
    depend on that parameter need not be evaluated for that row.

    Parameters
    ----------
    changed : tuple of frozenset of int
        For each row the parameter columns in which it may differ from the first.
    """

    changed: tuple[frozenset[int], ...]

    def rows_for(self, columns: frozenset[int]) -> tuple[list[int], npt.NDArray[np.intp] | None]:
        """Rows that have to be evaluated for a component with these columns, and where each row finds its value."""
        take = [0]
        inverse = np.zeros(len(self.changed), dtype=np.intp)
        for row, changed in enumerate(self.changed):
            if row and changed & columns:
                inverse[row] = len(take)
                take.append(row)
        return take, (None if len(take) == 1 or len(take) == len(self.changed) else inverse)


class _LeafPlan:
    """A component at its place in the model, with a memory of its latest values."""

    def __init__(self, leaf: Leaf, first: int, contexts: Sequence[Context], edges: Array) -> None:
        self.definition: ComponentDef = leaf.component
        self.edges = edges
        count = len(self.definition.parameters)
        self.columns = slice(first, first + count)
        self.column_set = frozenset(range(first, first + count))
        self.norm = first + count if self.definition.kind == "add" else None
        # contexts that look alike to this component share a variant
        keys = [context.key(self.definition.depends) for context in contexts]
        unique = list(dict.fromkeys(keys))
        self.variant = np.array([unique.index(k) for k in keys], dtype=np.intp)
        self.contexts = [contexts[keys.index(k)] for k in unique]
        self._memo: dict[tuple[int, bytes], Array] = {}
        self._layouts: dict[Layout, tuple[list[int], npt.NDArray[np.intp] | None]] = {}

    def values(self, pars: Array, context: int) -> Array:
        """Values [M or 1, n] for parameter rows [M, P] of the component alone, as seen in one context."""
        variant = int(self.variant[context])
        if len(pars) > 1 and (pars.shape[1] == 0 or (pars[1:] == pars[0]).all()):
            pars = pars[:1]
        key = None
        if pars.size <= _MEMO_ELEMENTS:
            key = (variant, pars.tobytes())
            known = self._memo.get(key)
            if known is not None:
                return known
        out = self.definition.function(self.edges, np.ascontiguousarray(pars), self.contexts[variant])
        if key is not None:
            if len(self._memo) >= _MEMO_SIZE:
                del self._memo[next(iter(self._memo))]
            self._memo[key] = out
        return out

    def grid(self, pars: Array, layout: Layout, context: int) -> Array:
        """Values [B or 1, U or 1, n] for parameter rows [B, U, P] of the whole model with a known layout."""
        rows = self._layouts.get(layout)
        if rows is None:
            rows = self._layouts[layout] = layout.rows_for(self.column_set)
        take, inverse = rows
        own = pars[:, :, self.columns]
        if len(take) < own.shape[1]:
            own = own[:, take] if len(take) > 1 else own[:, :1]
        batch, count = own.shape[:2]
        flat = self.values(own.reshape(batch * count, own.shape[2]), context)
        if len(flat) == 1:
            return flat[None]
        cube = flat.reshape(batch, count, flat.shape[1])
        return cube if inverse is None else cube[:, inverse]


@dataclass(frozen=True)
class _TermPlan:
    """One term: columns and components of its scale, and its shape."""

    norms: tuple[int, ...]
    scalars: tuple[int, ...]  # leaf indices
    shape: tuple[Node, ...]  # factors
    shape_columns: frozenset[int]
    scale_columns: frozenset[int]
    variant: npt.NDArray[np.intp]  # [C]
    representatives: tuple[int, ...]  # a context of each variant


class CompiledModel:
    """A model on one energy grid, for several contexts.

    Parameters
    ----------
    node : Node
        Syntax tree of the expression.
    edges : array [n + 1]
        Ascending energies, keV.
    contexts : sequence of Context
        What distinguishes the spectra (Stokes parameter, XFLT keys, settings).
    around : array [m + 1], optional
        Energies of the whole response, of which `edges` is a part: what convolutions act on. Photons come from, and
        fluxes are taken over, energies from which nothing reaches the noticed bins.

    Raises
    ------
    ModelError
        If the edges do not ascend, or for components that mix the spectra of several data groups.
    """

    def __init__(
        self,
        node: Node,
        edges: npt.ArrayLike,
        contexts: Sequence[Context] = (Context(),),
        *,
        around: Array | None = None,
    ) -> None:
        self.edges: Array = np.ascontiguousarray(edges, dtype=float)
        if self.edges.ndim != 1 or self.edges.size < 2 or not (np.diff(self.edges) > 0).all() or self.edges[0] <= 0:
            raise ModelError("the energy grid of a model must be positive and ascending")
        self.contexts = tuple(contexts)
        self._leaves: dict[int, _LeafPlan] = {}
        mixing = [leaf for leaf in leaves(node) if leaf.kind == "mix"]
        for leaf in mixing:
            if leaf.component.origin != "native":  # raises and says why
                leaf.component.function(self.edges, leaf.component.defaults[None], Context())
        # what a mixing component sees: the three Stokes parameters of each context, after those of the spectra
        self._stokes: dict[int, tuple[int, int, int]] = {}
        every = list(self.contexts)
        for number in range(len(self.contexts) if mixing else 0):
            first = len(every)
            every += [replace(self.contexts[number], stokes=s) for s in range(3)]
            for c in (number, *range(first, first + 3)):
                self._stokes[c] = (first, first + 1, first + 2)
        convolved = _convolved(node)
        whole = self.edges if around is None else np.ascontiguousarray(around, dtype=float)
        start = int(np.searchsorted(whole, self.edges[0]))
        self._window = slice(start, start + self.edges.size - 1)
        if convolved and not np.array_equal(whole[start : start + self.edges.size], self.edges):
            raise ModelError("the energies of a model are not part of those around them")
        first = 0
        for leaf in leaves(node):
            self._leaves[leaf.index] = _LeafPlan(leaf, first, every, whole if leaf.index in convolved else self.edges)
            first += len(leaf.component.all_parameters)
        self.n_parameters = first
        self.plans = tuple(self._plan(factors) for factors in _distribute(node))

    # -- preparation ----------------------------------------------------------------------------------------------

    def _plan(self, factors: list[Node]) -> _TermPlan:
        norms: list[int] = []
        scalars: list[int] = []
        shape: list[Node] = []
        for factor in factors:
            if isinstance(factor, Leaf):
                plan = self._leaves[factor.index]
                if plan.norm is not None:
                    norms.append(plan.norm)
                if plan.definition.scalar:
                    scalars.append(factor.index)
                    continue
            shape.append(factor)
        columns: set[int] = set()
        variants: list[npt.NDArray[np.intp]] = []
        for factor in shape:
            inner = not isinstance(factor, Leaf)
            for leaf in leaves(factor):
                plan = self._leaves[leaf.index]
                columns |= plan.column_set
                if inner and plan.norm is not None:
                    columns.add(plan.norm)
                variants.append(plan.variant[: len(self.contexts)])
        keys = list(zip(*variants, strict=True)) if variants else [()] * len(self.contexts)
        unique = list(dict.fromkeys(keys))
        scale_columns = set(norms)
        for index in scalars:
            scale_columns |= self._leaves[index].column_set
        return _TermPlan(
            tuple(norms),
            tuple(scalars),
            tuple(shape),
            frozenset(columns),
            frozenset(scale_columns),
            np.array([unique.index(k) for k in keys], dtype=np.intp),
            tuple(keys.index(k) for k in unique),
        )

    # -- evaluation -----------------------------------------------------------------------------------------------

    def scale(self, term: int, pars: Array) -> Array:
        """Scale [C, M] of a term for parameter rows [M, P]."""
        plan = self.plans[term]
        common = np.ones(len(pars))
        for column in plan.norms:
            common = common * pars[:, column]
        out = np.empty((len(self.contexts), len(pars)))
        out[:] = common
        for index in plan.scalars:
            leaf = self._leaves[index]
            rows = pars[:, leaf.columns]
            values = [leaf.values(rows, list(leaf.variant).index(v))[:, 0] for v in range(len(leaf.contexts))]
            if len(values) == 1:
                out *= values[0]
            else:
                for c, variant in enumerate(leaf.variant[: len(out)]):
                    out[c] *= values[variant]
        return out

    def shape(self, term: int, pars: Array, layout: Layout) -> list[Array]:
        """Shapes of a term for parameter rows with a known layout.

        Parameters
        ----------
        term : int
            Number of the term.
        pars : array [B, U, P]
            Parameters of the whole model: B independent groups of U rows.
        layout : Layout
            Which columns of the U rows may differ from the first.

        Returns
        -------
        list of array [B or 1, U, n]
            For each variant of the context. If all groups are equal there is one.
        """
        plan = self.plans[term]
        if len(pars) > 1:
            columns = list(plan.shape_columns)
            if not columns or (pars[1:, :, columns] == pars[:1, :, columns]).all():
                pars = pars[:1]
        out = []
        for context in plan.representatives:
            value = self._product(plan.shape, pars, layout, context, hoisted=True)
            wanted = (len(pars), pars.shape[1], self.edges.size - 1)
            out.append(value if value.shape == wanted else np.broadcast_to(value, wanted))
        return out

    def _product(self, factors: Sequence[Node], pars: Array, layout: Layout, context: int, *, hoisted: bool) -> Array:
        out: Array | None = None
        for factor in factors:
            value = self._node(factor, pars, layout, context, hoisted=hoisted)
            if hoisted and isinstance(factor, Convolve):  # of the whole response; what is inside stays whole
                value = value[..., self._window]
            out = value if out is None else out * value
        return np.ones((1, 1, self.edges.size - 1)) if out is None else out

    def _node(self, node: Node, pars: Array, layout: Layout, context: int, *, hoisted: bool = False) -> Array:
        """Value [B or 1, U or 1, n] of a node; below a convolution norms belong to it (`hoisted` false)."""
        if isinstance(node, Leaf):
            plan = self._leaves[node.index]
            value = plan.grid(pars, layout, context)
            if plan.norm is not None and not hoisted:
                value = value * pars[:, :, plan.norm, None]
            return value
        if isinstance(node, Product):
            return self._product(node.factors, pars, layout, context, hoisted=False)
        if isinstance(node, Sum):
            total = self._node(node.terms[0], pars, layout, context)
            for term in node.terms[1:]:
                total = total + self._node(term, pars, layout, context)
            return total
        return self._convolve(node, pars, layout, context)

    def _convolve(self, node: Convolve, pars: Array, layout: Layout, context: int) -> Array:
        plan = self._leaves[node.component.index]
        batch, count = pars.shape[:2]
        n = plan.edges.size - 1
        flat: Array
        if plan.definition.kind == "mix":
            parts = [self._node(node.operand, pars, layout, c) for c in self._stokes[context]]
            flat = np.stack([np.broadcast_to(p, (batch, count, n)).reshape(batch * count, n) for p in parts])
        else:
            operand = self._node(node.operand, pars, layout, context)
            flat = np.broadcast_to(operand, (batch, count, n)).reshape(batch * count, n)
        rows = pars[:, :, plan.columns].reshape(batch * count, -1)
        function: Callable[..., Array] = plan.definition.function
        seen = plan.contexts[int(plan.variant[context])]
        out = function(plan.edges, np.ascontiguousarray(rows), seen, np.ascontiguousarray(flat))
        return out.reshape(batch, count, n)

    def terms(self, pars: npt.ArrayLike) -> list[Term]:
        """All terms for a batch of parameter sets [B, P]; equal shapes are computed once.

        Returns
        -------
        list of Term
            ``scale[C, B]``, ``flux[Cs, U, n]``, ``index[B]``.
        """
        rows = np.ascontiguousarray(np.atleast_2d(np.asarray(pars, dtype=float)))
        self._check_width(rows)
        layout = Layout((frozenset(),))
        out = []
        for number, plan in enumerate(self.plans):
            unique, index = _unique_rows(rows, sorted(plan.shape_columns))
            shapes = [
                np.broadcast_to(s[:, 0], (len(unique), s.shape[2]))
                for s in self.shape(number, rows[unique][:, None, :], layout)
            ]
            out.append(Term(self.scale(number, rows), np.stack(shapes), index, plan.variant))
        return out

    def evaluate(self, pars: npt.ArrayLike) -> Array:
        """Spectra [C, B, n] for parameter sets [B, P]: photons/cm²/s per bin, times Stokes factors."""
        rows = np.atleast_2d(np.asarray(pars, dtype=float))
        total = np.zeros((len(self.contexts), len(rows), self.edges.size - 1))
        for term in self.terms(rows):
            for c, variant in enumerate(term.variant):
                flux = term.flux[variant]
                total[c] += term.scale[c, :, None] * (flux if term.index is None else flux[term.index])
        return total

    def _check_width(self, rows: Array) -> None:
        if rows.shape[1] != self.n_parameters:
            raise ModelError(f"{rows.shape[1]} parameter values given for a model with {self.n_parameters}")


def _convolved(node: Node) -> set[int]:
    """Numbers of the components that a convolution acts on, and of the convolutions."""
    if isinstance(node, Leaf):
        return set()
    if isinstance(node, Convolve):
        return {leaf.index for leaf in leaves(node)}
    return set().union(*(_convolved(child) for child in (node.terms if isinstance(node, Sum) else node.factors)))


def _distribute(node: Node) -> list[list[Node]]:
    """Terms of a model, each a list of factors: products are multiplied out over sums, convolutions left whole."""
    if isinstance(node, Sum):
        return [term for child in node.terms for term in _distribute(child)]
    if isinstance(node, Product):
        out: list[list[Node]] = [[]]
        for factor in node.factors:
            out = [left + right for left in out for right in _distribute(factor)]
        return out
    return [[node]]


def _unique_rows(rows: Array, columns: list[int]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp] | None]:
    """First occurrence of each different row in these columns [U], and the index of each row among them [B]."""
    if len(rows) == 1:
        return np.zeros(1, dtype=np.intp), None
    if not columns:
        return np.zeros(1, dtype=np.intp), np.zeros(len(rows), dtype=np.intp)
    part = np.ascontiguousarray(rows[:, columns])
    keys = part.view(np.dtype((np.void, part.itemsize * part.shape[1]))).ravel().tolist()
    seen: dict[bytes, int] = {}
    index = np.array([seen.setdefault(k, len(seen)) for k in keys], dtype=np.intp)
    if len(seen) == len(rows):
        return np.arange(len(rows)), None
    unique = np.zeros(len(seen), dtype=np.intp)
    unique[index[::-1]] = np.arange(len(rows))[::-1]
    return unique, index
