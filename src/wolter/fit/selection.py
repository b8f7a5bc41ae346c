"""Parts of a model: without its absorption, or some of its components alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wolter.errors import ParameterError
from wolter.models.grammar import Convolve, Leaf, Node, Product, Sum, leaves
from wolter.models.model import Model, find_component

__all__ = ["ModelPart", "additive_component", "model_part"]


@dataclass(frozen=True, eq=False)
class ModelPart:
    """A part of a model.

    Attributes
    ----------
    node : Node
        Syntax tree of what is left.
    columns : int array
        Its parameters among those of the whole model.
    """

    node: Node
    columns: npt.NDArray[np.intp]


def model_part(
    model: Model, *, without: str | Iterable[str] | None = None, only: str | Iterable[str] | None = None
) -> ModelPart:
    """Part of a model.

    Parameters
    ----------
    model : Model
        The whole.
    without : str or iterable of str, optional
        Components that are left out: multiplicative or convolution ones (``"TBabs"`` for what the source emits) or
        additive ones.
    only : str or iterable of str, optional
        Additive components that are kept, with all that acts on them.

    Raises
    ------
    ParameterError
        For unknown components (with the nearest), components of the wrong kind, or if nothing additive is left.
    """
    dropped = {_index(model, name) for name in _names(without)}
    if only is not None:
        kept = {additive_component(model, name) for name in _names(only)}
        dropped |= {leaf.index for leaf in leaves(model.node) if leaf.kind == "add"} - kept
    node = _prune(model.node, dropped)
    if node is None or not any(leaf.kind == "add" for leaf in leaves(node)):
        raise ParameterError("no additive component is left of the model", cure=f"It is {model.expression}.")
    columns: list[int] = []
    left = {leaf.index for leaf in leaves(node)}
    first = 0
    for leaf in leaves(model.node):
        count = len(leaf.component.all_parameters)
        if leaf.index in left:
            columns += range(first, first + count)
        first += count
    return ModelPart(node, np.array(columns, dtype=np.intp))


def additive_component(model: Model, name: str) -> int:
    """Number (from one) of an additive component.

    Raises
    ------
    ParameterError
        For an unknown component or one that is not additive.
    """
    index = _index(model, name)
    leaf = leaves(model.node)[index - 1]
    if leaf.kind != "add":
        known = ", ".join(x.name for x in leaves(model.node) if x.kind == "add")
        raise ParameterError(f"component {name!r} is not additive", cure=f"Additive ones are {known}.")
    return index


def _names(names: str | Iterable[str] | None) -> Sequence[str]:
    if names is None:
        return ()
    return (names,) if isinstance(names, str) else tuple(names)


def _index(model: Model, name: str) -> int:
    component = find_component(name, model.components)
    return next(i for i, c in enumerate(model.components, start=1) if c is component)


def _prune(node: Node, dropped: set[int]) -> Node | None:
    """A syntax tree without some components; None if nothing is left."""
    if isinstance(node, Leaf):
        return None if node.index in dropped else node
    if isinstance(node, Convolve):
        operand = _prune(node.operand, dropped)
        if operand is None or node.component.index in dropped:
            return operand
        return Convolve(node.component, operand)
    if isinstance(node, Sum):
        terms = [t for t in (_prune(term, dropped) for term in node.terms) if t is not None]
        # a summand whose additive component has gone would be a bare factor
        terms = [t for t in terms if any(leaf.kind == "add" for leaf in leaves(t))]
        return _join(terms, Sum)
    factors = [(f, _prune(f, dropped)) for f in node.factors]
    for before, after in factors:
        had = any(leaf.kind == "add" for leaf in leaves(before))
        if had and (after is None or not any(leaf.kind == "add" for leaf in leaves(after))):
            return None
    return _join([f for _, f in factors if f is not None], Product)


def _join(parts: list[Node], kind: type[Sum] | type[Product]) -> Node | None:
    if len(parts) < 2:
        return parts[0] if parts else None
    return kind(tuple(parts))
