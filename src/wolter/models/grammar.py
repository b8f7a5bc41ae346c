"""Model expressions in XSPEC's grammar: text to syntax tree and back.

The grammar, with components of four kinds (additive, multiplicative, convolution, mixing)::

    expression := product ("+" product)*
    product    := factor ("*"? factor)*          # the asterisk may be left out beside a parenthesis
    factor     := component | "(" expression ")" | table "{" file "}"

XSPEC's rules about kinds: every summand has exactly one additive factor; a convolution acts on the product of all that
follows it up to the next ``+`` or closing parenthesis and cannot stand last; what it acts on may be
multiplicative, as in ``(partcov*phabs)*powerlaw``. Components are numbered from one in the order of the text.
(XSPEC manual, command "model"; the checks are those of XSPEC's expression parser.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from wolter.errors import ModelError
from wolter.models.definitions import ComponentDef
from wolter.models.registry import get_component

__all__ = [
    "Convolve",
    "Leaf",
    "Node",
    "Product",
    "Sum",
    "format_expression",
    "leaves",
    "node_kind",
    "parse_expression",
    "xspec_text",
]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A component in an expression; `index` is its number from one in the order of the text."""

    component: ComponentDef
    index: int
    position: int = field(default=0, compare=False)

    @property
    def name(self) -> str:
        """Full name of the component."""
        return self.component.name

    @property
    def text(self) -> str:
        """How the component is written in an expression: its name, or ``atable{file}``."""
        return self.component.text or self.component.name

    @property
    def kind(self) -> str:
        """Kind of the component: "add", "mul", "con" or "mix"."""
        return self.component.kind


@dataclass(frozen=True, slots=True)
class Sum:
    """Sum of two or more additive terms."""

    terms: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Product:
    """Product of two or more factors of which one at most is additive."""

    factors: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Convolve:
    """Convolution (or mixing) component with what it acts on."""

    component: Leaf
    operand: Node


Node = Leaf | Sum | Product | Convolve


def node_kind(node: Node) -> Literal["add", "mul"]:
    """Whether a node is a spectrum ("add") or a factor ("mul"); a convolution is what its operand is."""
    if isinstance(node, Leaf):
        return "add" if node.kind == "add" else "mul"
    if isinstance(node, Sum):
        return "add"
    if isinstance(node, Convolve):
        return node_kind(node.operand)
    return "add" if any(node_kind(f) == "add" for f in node.factors) else "mul"


def leaves(node: Node) -> list[Leaf]:
    """All components of an expression in the order of the text."""
    return sorted(_leaves(node), key=lambda leaf: leaf.index)


def _leaves(node: Node) -> Iterator[Leaf]:
    if isinstance(node, Leaf):
        yield node
    elif isinstance(node, Convolve):
        yield node.component
        yield from _leaves(node.operand)
    else:
        for child in node.terms if isinstance(node, Sum) else node.factors:
            yield from _leaves(child)


def parse_expression(text: str) -> Node:
    """Syntax tree of a model expression.

    Parameters
    ----------
    text : str
        Expression in XSPEC's grammar, e.g. ``"const*tbabs(po + bb)"``.

    Returns
    -------
    Leaf | Sum | Product | Convolve
        Sums and products are flat: a sum has no sum as a term, a product no product as a factor.

    Raises
    ------
    ModelError
        With the position (from one) and the reason: unknown component, unbalanced parenthesis, missing operand,
        a sum of factors, a product of spectra.
    """
    return _Parser(text).parse()


def format_expression(node: Node) -> str:
    """Text of an expression with full names, explicit asterisks and no needless parenthesis."""
    if isinstance(node, Leaf):
        return node.text
    if isinstance(node, Sum):
        return " + ".join(format_expression(t) for t in node.terms)
    if isinstance(node, Convolve):
        return f"{node.component.name}*{_as_factor(node.operand, last=True)}"
    last = len(node.factors) - 1
    return "*".join(_as_factor(f, last=i == last) for i, f in enumerate(node.factors))


def _as_factor(node: Node, *, last: bool) -> str:
    text = format_expression(node)
    # A convolution reaches as far right as it can, so what follows it must be kept outside.
    return f"({text})" if isinstance(node, Sum) or (isinstance(node, Convolve) and not last) else text


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # "name", "table", "+", "*", "(", ")", "end"
    text: str
    position: int  # of its first character, from zero


_PATTERN = re.compile(
    r"\s*(?:(?P<table>[aem]table\s*\{[^{}]*\})|(?P<name>[A-Za-z_]\w*)|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<symbol>[+*()])|(?P<other>\S))",
    re.IGNORECASE,
)


def _fail(text: str, position: int, reason: str, cure: str | None = None) -> ModelError:
    place = f"at position {position + 1} of" if position < len(text.rstrip()) else "at the end of"
    return ModelError(f"{reason}, {place} model expression {text.strip()!r}", cure=cure)


def _tokens(text: str) -> list[_Token]:
    out: list[_Token] = []
    at = 0
    while match := _PATTERN.match(text, at):
        kind = match.lastgroup or ""
        word, position = match.group(kind), match.start(kind)
        if kind == "symbol":
            kind = word
        elif kind == "number":
            raise _fail(
                text, position, f"{word} is a number, not a component", "Multiply by the component 'constant' instead."
            )
        elif kind == "other":
            if word in "{}":
                reason, cure = (
                    f"unexpected {word!r}",
                    "Table models are written atable{file}, mtable{file}, etable{file}.",
                )
            elif word in "-/^":
                reason, cure = (
                    f"{word!r} is no operator of model expressions",
                    "Components can be added and multiplied.",
                )
            else:
                reason, cure = f"unexpected character {word!r}", None
            raise _fail(text, position, reason, cure)
        out.append(_Token(kind, word, position))
        at = match.end()
    out.append(_Token("end", "", len(text)))
    return out


class _Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise ModelError(f"a model expression is text, got {text!r}")
        self.text = text
        self.tokens = _tokens(text)
        self.at = 0
        self.count = 0

    @property
    def token(self) -> _Token:
        return self.tokens[self.at]

    def fail(self, token: _Token, reason: str, cure: str | None = None) -> ModelError:
        return _fail(self.text, token.position, reason, cure)

    def parse(self) -> Node:
        if self.token.kind == "end":
            raise ModelError("the model expression is empty", cure="Write for example 'tbabs*powerlaw'.")
        self.check_parentheses()
        node = self.expression()
        if node_kind(node) != "add":
            raise ModelError(
                f"model expression {self.text.strip()!r} has no additive component",
                cure="A model needs a spectrum to act on, e.g. tbabs*powerlaw.",
            )
        return node

    def check_parentheses(self) -> None:
        opened: list[_Token] = []
        for token in self.tokens:
            if token.kind == "(":
                opened.append(token)
            elif token.kind == ")":
                if not opened:
                    raise self.fail(token, "')' has no opening parenthesis")
                opened.pop()
        if opened:
            raise self.fail(opened[-1], "'(' is never closed")

    def expression(self) -> Node:
        first = self.token
        terms = [self.product()]
        starts = [first]
        while self.token.kind == "+":
            self.at += 1
            starts.append(self.token)
            terms.append(self.product())
        if len(terms) == 1:
            return terms[0]
        flat: list[Node] = []
        for start, term in zip(starts, terms, strict=True):
            if node_kind(term) != "add":
                raise self.fail(
                    start,
                    f"{format_expression(term)!r} is a factor and cannot be added",
                    "Each term of a sum needs exactly one additive component.",
                )
            flat.extend(term.terms if isinstance(term, Sum) else (term,))
        return Sum(tuple(flat))

    def product(self) -> Node:
        factors: list[tuple[_Token, Node]] = []
        while True:
            start = self.token
            if start.kind not in ("name", "table", "("):
                raise self.missing_operand(start, factors)
            node = self.factor()
            factors.append((start, node))
            if self.token.kind == "*":
                self.at += 1
            elif not (self.token.kind == "(" or (start.kind == "(" and self.token.kind in ("name", "table"))):
                if self.token.kind in ("name", "table"):
                    raise self.fail(self.token, f"operator missing before {self.token.text!r}", "Write '*' or '+'.")
                break
        return self.combine(factors)

    def missing_operand(self, token: _Token, factors: list[tuple[_Token, Node]]) -> ModelError:
        before = self.tokens[self.at - 1].kind if self.at else ""
        if factors and isinstance(factors[-1][1], Leaf) and factors[-1][1].kind in ("con", "mix"):
            return self.no_operand(*factors[-1])
        if token.kind == ")" and before == "(":
            return self.fail(token, "nothing between the parentheses")
        if before in ("+", "*"):
            return self.fail(token, f"component missing after {before!r}")
        what = repr(token.text) if token.text else "the end"
        return self.fail(token, f"component expected before {what}")

    def no_operand(self, token: _Token, leaf: Node) -> ModelError:
        word = "convolution" if isinstance(leaf, Leaf) and leaf.kind == "con" else "mixing component"
        return self.fail(
            token,
            f"{word} {format_expression(leaf)!r} has nothing to act on",
            f"Write it before its operand, e.g. {format_expression(leaf)}*powerlaw.",
        )

    def factor(self) -> Node:
        token = self.token
        self.at += 1
        if token.kind == "(":
            node = self.expression()
            self.at += 1  # the closing parenthesis, which check_parentheses has seen
            return node
        if token.kind == "table":
            definition = self.table(token)
        else:
            try:
                definition = get_component(token.text)
            except ModelError as exc:
                raise self.fail(token, exc.cause, exc.cure) from exc
        self.count += 1
        return Leaf(definition, self.count, token.position)

    def table(self, token: _Token) -> ComponentDef:
        from wolter.models.tables.components import table_component

        kind, _, file = token.text.partition("{")
        file = file.rstrip("}").strip()
        if not file:
            raise self.fail(token, f"{kind.strip()} has no file", f"Write {kind.strip()}{{file}}.")
        return table_component(kind, file)

    def combine(self, factors: list[tuple[_Token, Node]]) -> Node:
        """Product of factors; convolutions take what follows them."""
        token, first = factors[0]
        if isinstance(first, Leaf) and first.kind in ("con", "mix"):
            if len(factors) == 1:
                raise self.no_operand(token, first)
            return Convolve(first, self.combine(factors[1:]))
        if len(factors) == 1:
            return first
        rest_start, _ = factors[1]
        rest = self.combine(factors[1:])
        if node_kind(first) == "add" and node_kind(rest) == "add":
            raise self.fail(
                rest_start,
                f"{format_expression(first)!r} and {format_expression(rest)!r} are both additive and cannot multiply",
                "Add them, or leave one out.",
            )
        return Product((*_factors(first), *_factors(rest)))


def _factors(node: Node) -> tuple[Node, ...]:
    return node.factors if isinstance(node, Product) else (node,)


def xspec_text(text: str) -> str:
    """Expression as XSPEC prints it: full names, blanks around ``+``, no asterisk beside a parenthesis.

    Parentheses around a product that is not followed by another one and around a single component go, as in
    XSPEC: ``phabs(po)+ga`` becomes ``phabs*powerlaw + gaussian``.

    Raises
    ------
    ModelError
        As `parse_expression`.
    """
    parse_expression(text)
    words = [t.text if t.kind != "name" else get_component(t.text).name for t in _tokens(text)[:-1]]
    words = _without_single_parentheses(words)
    out = ""
    for i, word in enumerate(words):
        before = words[i - 1] if i else ""
        after = words[i + 1] if i + 1 < len(words) else ""
        if word == "*" and (before == ")" or after == "("):
            continue
        out += f" {word} " if word == "+" else word
    return out


def _without_single_parentheses(words: list[str]) -> list[str]:
    """Replaces ``(name)`` by ``name``, with an asterisk where the parenthesis had stood for one."""
    symbols = ("+", "*", "(", ")")
    for i in range(len(words) - 2):
        if words[i] == "(" and words[i + 2] == ")" and words[i + 1] not in symbols:
            head, tail = words[:i], words[i + 3 :]
            if head and head[-1] not in ("+", "*", "("):
                head.append("*")
            if tail and tail[0] not in ("+", "*", ")"):
                tail.insert(0, "*")
            return _without_single_parentheses([*head, words[i + 1], *tail])
    return words
