"""Ties: parameters that follow others by an expression, evaluated for whole batches of parameter sets.

The language is XSPEC's: ``= p1``, ``2*p3 + 1``, ``p5^2``, ``sqrt(powerlaw.PhoIndex)``; parameters are named by number
(``p3``), by component and name (``powerlaw.PhoIndex``) or, among data groups, ``2:constant.factor``. Functions are
those of XSPEC's link expressions, so ``log`` is the decimal logarithm and ``ln`` the natural one. Unlike in XSPEC,
an integer inside an expression is a number, not a parameter; alone (``= 3``) it is parameter 3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wolter.errors import ParameterError, suggest

__all__ = ["Tie", "TieSystem", "parse_tie"]

Array = npt.NDArray[np.float64]

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": np.abs,
    "acos": np.arccos,
    "asin": np.arcsin,
    "atan": np.arctan,
    "cos": np.cos,
    "cosd": lambda x: np.cos(np.deg2rad(x)),
    "cosh": np.cosh,
    "exp": np.exp,
    "int": np.trunc,
    "ln": np.log,
    "log": np.log10,
    "log10": np.log10,
    "max": np.maximum,
    "min": np.minimum,
    "sin": np.sin,
    "sind": lambda x: np.sin(np.deg2rad(x)),
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "tan": np.tan,
    "tand": lambda x: np.tan(np.deg2rad(x)),
    "tanh": np.tanh,
}
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w:]))"
    r"|(?P<name>(?:\d+:)?[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?)"
    r"|(?P<operator>\*\*|[-+*/^(),])|(?P<other>\S))"
)


@dataclass(frozen=True)
class Tie:
    """A parsed expression.

    Parameters
    ----------
    text : str
        As the user wrote it, without the leading ``=``.
    sources : tuple of int
        Parameters it depends on (positions, from zero).
    function : callable or None
        Value from the sources' arrays, in their order; None means equal to the only source.
    """

    text: str
    sources: tuple[int, ...]
    function: Callable[..., Any] | None


def parse_tie(text: str, resolve: Callable[[str], int]) -> Tie:
    """Parse a tie.

    Parameters
    ----------
    text : str
        The expression, with or without a leading ``=``.
    resolve : callable
        Position (from zero) of the parameter of a name such as ``p3`` or ``powerlaw.PhoIndex``; raises ParameterError.

    Raises
    ------
    ParameterError
        Naming what is not understood.
    """
    body = text.strip().removeprefix("=").strip()
    if not body:
        raise ParameterError("the tie is empty", cure="Write for example '= 2*p3 + 1' or '= powerlaw.PhoIndex'.")
    if body.isdigit():
        return Tie(body, (resolve(f"p{body}"),), None)
    parser = _Parser(body, resolve)
    function = parser.parse()
    if not parser.sources:
        raise ParameterError(
            f"tie {body!r} names no parameter", cure="Set and freeze the parameter to give it a constant value."
        )
    single = len(parser.tokens) == 2 and len(parser.sources) == 1
    return Tie(body, tuple(parser.sources), None if single else function)


class _Parser:
    """Recursive descent with Python's precedences, ``^`` being ``**``; builds a closure."""

    def __init__(self, text: str, resolve: Callable[[str], int]) -> None:
        self.text = text
        self.resolve = resolve
        self.sources: list[int] = []
        self.tokens: list[tuple[str, str]] = []
        for match in _TOKEN.finditer(text):
            kind = match.lastgroup or ""
            if kind == "other":
                raise self.fail(f"unexpected {match.group(kind)!r}")
            self.tokens.append((kind, match.group(kind)))
        self.tokens.append(("end", ""))
        self.at = 0

    def fail(self, reason: str, cure: str | None = None) -> ParameterError:
        return ParameterError(f"{reason} in tie {self.text!r}", cure=cure)

    def take(self, *symbols: str) -> str | None:
        kind, word = self.tokens[self.at]
        if kind == "operator" and word in symbols:
            self.at += 1
            return word
        return None

    def parse(self) -> Callable[..., Any]:
        function = self.sum()
        kind, word = self.tokens[self.at]
        if kind != "end":
            raise self.fail(f"operator missing before {word!r}")
        return function

    def sum(self) -> Callable[..., Any]:
        left = self.product()
        while symbol := self.take("+", "-"):
            left = _combine(np.add if symbol == "+" else np.subtract, left, self.product())
        return left

    def product(self) -> Callable[..., Any]:
        left = self.signed()
        while symbol := self.take("*", "/"):
            left = _combine(np.multiply if symbol == "*" else np.divide, left, self.signed())
        return left

    def signed(self) -> Callable[..., Any]:
        if self.take("-"):
            operand = self.signed()
            return lambda *v: np.negative(operand(*v))
        if self.take("+"):
            return self.signed()
        base = self.atom()
        if self.take("**", "^"):
            return _combine(np.power, base, self.signed())
        return base

    def atom(self) -> Callable[..., Any]:
        kind, word = self.tokens[self.at]
        if kind == "end":
            raise self.fail("operand missing at the end")
        self.at += 1
        if kind == "number":
            value = np.float64(word)
            return lambda *v: value
        if word == "(":
            inner = self.sum()
            if not self.take(")"):
                raise self.fail("'(' is never closed")
            return inner
        if kind == "operator":
            raise self.fail(f"operand missing before {word!r}")
        if self.take("("):
            return self.call(word)
        position = self.resolve(word)
        if position not in self.sources:
            self.sources.append(position)
        place = self.sources.index(position)
        return lambda *v: v[place]

    def call(self, name: str) -> Callable[..., Any]:
        function = _FUNCTIONS.get(name.lower())
        if function is None:
            raise self.fail(f"unknown function {name!r}", suggest(name, _FUNCTIONS))
        arguments = [self.sum()]
        while self.take(","):
            arguments.append(self.sum())
        if not self.take(")"):
            raise self.fail("'(' is never closed")
        if len(arguments) != (2 if name.lower() in ("max", "min") else 1):
            raise self.fail(f"{name} has {len(arguments)} arguments")
        return lambda *v: function(*(a(*v) for a in arguments))


def _combine(operation: Callable[..., Any], left: Callable[..., Any], right: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *v: operation(left(*v), right(*v))


class TieSystem:
    """All ties among a number of parameters: who follows whom, and in which order they are to be evaluated.

    Parameters
    ----------
    ties : sequence of Tie or None
        One per parameter; None for one that is not tied.
    names : sequence of str
        For messages.

    Attributes
    ----------
    root : list of int
        For each parameter the one whose value it has: itself unless it is plainly equal to another.
    expressions : list of (int, Tie)
        Parameters with a true expression, in an order in which each can be evaluated.

    Raises
    ------
    ParameterError
        If ties go in a circle.
    """

    def __init__(self, ties: Sequence[Tie | None], names: Sequence[str]) -> None:
        self.ties = list(ties)
        self.root = list(range(len(self.ties)))
        self.expressions: list[tuple[int, Tie]] = []
        self.dependencies: list[frozenset[int]] = [frozenset()] * len(self.ties)
        state = [0] * len(self.ties)  # 0 not visited, 1 on the way, 2 done

        def visit(j: int, path: list[int]) -> None:
            if state[j] == 2:
                return
            if state[j] == 1:
                circle = [names[i] for i in [*path[path.index(j) :], j]]
                raise ParameterError(
                    f"ties go in a circle: {' -> '.join(circle)}", cure="Untie one of these parameters."
                )
            state[j] = 1
            tie = self.ties[j]
            if tie is None:
                self.dependencies[j] = frozenset([j])
            else:
                for source in tie.sources:
                    visit(source, [*path, j])
                self.dependencies[j] = frozenset().union(*(self.dependencies[s] for s in tie.sources))
                if tie.function is None:
                    self.root[j] = self.root[tie.sources[0]]
                else:
                    self.expressions.append((j, tie))
            state[j] = 2

        for j in range(len(self.ties)):
            visit(j, [])
        self.copies = [(j, r) for j, r in enumerate(self.root) if r != j]

    def apply(self, values: Array) -> Array:
        """Fill in the tied columns of values [B, n], in place."""
        for j, tie in self.expressions:
            assert tie.function is not None
            # an expression may read a plain copy of another expression's result, so it reads the roots
            with np.errstate(all="ignore"):
                values[:, j] = tie.function(*(values[:, self.root[s]] for s in tie.sources))
        if self.copies:
            targets, sources = zip(*self.copies, strict=True)
            values[:, list(targets)] = values[:, list(sources)]
        return values
