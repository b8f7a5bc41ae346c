"""The syntax tree both dialects share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

__all__ = [
    "Binary",
    "Call",
    "Cast",
    "Conditional",
    "Constant",
    "Index",
    "Interval",
    "Keyword",
    "Members",
    "Name",
    "Node",
    "NotChoice",
    "Range",
    "Unary",
    "Vector",
    "walk",
]


@dataclass(frozen=True, slots=True)
class Node:
    """Any part of an expression, with its place ``start:end`` in the text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Constant(Node):
    """A literal; kind is int, float, bool, str, bits or null."""

    kind: str
    value: Any


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A column (or, where there is no such column, a header keyword), `offset` rows away."""

    name: str
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Keyword(Node):
    """``#NAME``: a mathematical constant, the row number, or a header keyword."""

    name: str


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """``-x`` or ``!x``."""

    op: str
    operand: Node


@dataclass(frozen=True, slots=True)
class NotChoice(Node):
    """``!a op b``: which of ``(!a) op b`` and ``!(a op b)`` is meant depends on the type of a."""

    operand: Node
    tight: Node
    loose: Node


@dataclass(frozen=True, slots=True)
class Cast(Node):
    """``(int)x`` or ``(float)x``."""

    kind: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """``left op right``; `at` is where the operator stands."""

    op: str
    left: Node
    right: Node
    at: int


@dataclass(frozen=True, slots=True)
class Conditional(Node):
    """``condition ? yes : no``."""

    condition: Node
    yes: Node
    no: Node


@dataclass(frozen=True, slots=True)
class Range(Node):
    """``x = lo:hi``, both ends included."""

    operand: Node
    lo: Node
    hi: Node


@dataclass(frozen=True, slots=True)
class Interval(Node):
    """One interval of an ``in`` list; a limit that is None is open to infinity."""

    lo: Node | None
    hi: Node | None
    lo_closed: bool
    hi_closed: bool


@dataclass(frozen=True, slots=True)
class Members(Node):
    """``x in interval, interval...``."""

    operand: Node
    intervals: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class Index(Node):
    """``x[i]`` or ``x[i,j...]``, counted from 1."""

    operand: Node
    indices: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Vector(Node):
    """``{a, b, ...}``."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Call(Node):
    """``name(arguments)``; the name in lower case."""

    name: str
    arguments: tuple[Node, ...]


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it, in no particular order; without recursion, so that long chains are fine."""
    stack = [node]
    while stack:
        node = stack.pop()
        yield node
        for field in fields(node):
            value = getattr(node, field.name)
            for child in value if isinstance(value, tuple) else (value,):
                if isinstance(child, Node):
                    stack.append(child)
