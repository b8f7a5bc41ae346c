"""Text to syntax tree: one precedence parser, two tables of operators.

Sources of the grammars: CFITSIO's documented row-filter syntax and the precedence table of its grammar (range and
``?:`` lowest, then ``||``, ``&&``, equality, order, ``+ - %``, ``* /``, ``& |`` on bits, power, ``!``, sign); the SAS
package documentation of selectlib, which states "precedences as in C" except that its own examples need ``&`` and
``|`` to bind more tightly than comparisons.
"""

from __future__ import annotations

import dataclasses

from wolter.errors import ExpressionError
from wolter.expr._errors import fail
from wolter.expr._lexer import END, Lexer, Token
from wolter.expr._nodes import (
    Binary,
    Call,
    Cast,
    Conditional,
    Constant,
    Index,
    Interval,
    Keyword,
    Members,
    Name,
    Node,
    NotChoice,
    Range,
    Unary,
    Vector,
)

__all__ = ["parse_tree"]

_CONDITIONAL, _RANGE, _IN, _EQUALITY = 1, 5.5, 4.5, 4
_POWER, _NOT, _CAST, _SIGN, _INDEX = 9, 10, 11, 12, 13

_CFITSIO: dict[str, float] = {"||": 2, "&&": 3, "==": 4, "!=": 4, "~": 4, "<": 5, ">": 5, "<=": 5, ">=": 5}
_CFITSIO |= {"+": 6, "-": 6, "%": 6, "*": 7, "/": 7, "&": 8, "|": 8, "^": _POWER}
_SAS: dict[str, float] = {"||": 2, "&&": 3, "==": 4, "!=": 4, "<": 5, ">": 5, "<=": 5, ">=": 5}
_SAS |= {"|": 5.7, "&": 5.8, "<<": 5.9, ">>": 5.9, "+": 6, "-": 6, "*": 7, "/": 7, "%": 7, "^": _POWER}
_OPERATORS = {"cfitsio": _CFITSIO, "sas": _SAS}

# Functions whose first argument is a file name without quotes.
_FILE_FUNCTIONS = {"sas": frozenset({"gti", "region", "mask", "image"}), "cfitsio": frozenset()}
_MAX_DEPTH = 100


def parse_tree(text: str, dialect: str) -> Node:
    """Syntax tree of an expression.

    Raises
    ------
    ExpressionError
        With the place and a line of carets.
    """
    if not text.strip():
        raise ExpressionError("the expression is empty", cure="Write a condition such as PI>=50&&PI<200.")
    return _Parser(text, dialect).whole()


class _Parser:
    def __init__(self, text: str, dialect: str) -> None:
        self.text = text
        self.dialect = dialect
        self.lexer = Lexer(text, dialect)
        self.operators = _OPERATORS[dialect]
        self.depth = 0
        self.brackets = 0  # > 0 inside a call or {...}: a comma there ends an `in` list
        self.token = self.lexer.at(0)

    # -- words ---------------------------------------------------------------------------------------------------
    def advance(self) -> Token:
        token = self.token
        self.token = self.lexer.at(token.end)
        return token

    def is_op(self, *values: str) -> bool:
        return self.token.kind == "operator" and self.token.value in values

    def expect(self, value: str, after: str) -> Token:
        if not self.is_op(value):
            raise self.unexpected(f"{value!r} is missing after {after}")
        return self.advance()

    def unexpected(self, cause: str | None = None) -> ExpressionError:
        token = self.token
        if token.kind == END:
            place = len(self.text.rstrip())
            return fail(self.text, place, place + 1, cause or "the expression ends too early")
        word = self.text[token.start : token.end]
        cure = None
        if word == "=" and self.dialect == "cfitsio":
            cure = "Write == for equality and x=lo:hi for a range."
        elif word == "=":
            cure = "Write == for equality."
        elif word == "^^":
            cure = "Exclusive or is not available."
        return fail(self.text, token.start, token.end, cause or f"{word!r} is not expected here", cure)

    # -- grammar -------------------------------------------------------------------------------------------------
    def whole(self) -> Node:
        node = self.expression(0)
        if self.token.kind != END:
            raise self.unexpected()
        return node

    def expression(self, minimum: float) -> Node:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise fail(self.text, self.token.start, self.token.end, f"more than {_MAX_DEPTH} nested parts")
        node = self.continued(self.prefix(minimum), minimum)
        self.depth -= 1
        return node

    def continued(self, left: Node, minimum: float) -> Node:
        """`left` and the operators after it that bind at least as tightly as `minimum`."""
        while True:
            if self.token.kind == "in" and minimum <= _IN:
                left = self.members(left)
                continue
            if self.token.kind != "operator":
                return left
            op = self.token.value
            if op == "[" and minimum <= _INDEX:
                left = self.index(left)
            elif op == "?" and minimum <= _CONDITIONAL:
                left = self.conditional(left)
            elif op == "=" and self.dialect == "cfitsio" and minimum <= _RANGE:
                left = self.range(left)
            elif op in self.operators and self.operators[op] >= minimum:
                at = self.advance().start
                if self.dialect == "sas" and self.text[at] == "^":
                    raise fail(self.text, at, at + 1, "'^' is ambiguous in this dialect", "Write ** for a power.")
                power = self.operators[op]
                right = self.expression(power if op == "^" else power + 0.01)  # ^ groups from the right
                left = Binary(left.start, right.end, op, left, right, at)
            else:
                return left

    def prefix(self, minimum: float) -> Node:
        token = self.token
        if token.kind == "operator" and token.value in "+-":
            self.advance()
            operand = self.expression(_SIGN)
            return operand if token.value == "+" else Unary(token.start, operand.end, "-", operand)
        if token.kind == "operator" and token.value == "!":
            return self.negation(minimum)
        if token.kind == "operator" and token.value == "~" and self.dialect == "sas":
            self.advance()
            operand = self.expression(_SIGN)
            return Unary(token.start, operand.end, "~", operand)
        if token.kind == "cast":
            self.advance()
            operand = self.expression(_CAST)
            return Cast(token.start, operand.end, token.value, operand)
        return self.primary()

    def negation(self, minimum: float) -> Node:
        """``!a`` binds tightly when a is a condition or bits, but ``!a==7`` with a number means ``!(a==7)``."""
        start = self.advance().start
        operand = self.expression(_NOT)
        tight = Unary(start, operand.end, "!", operand)
        level = max(minimum, _EQUALITY)
        follows = self.token
        binds = follows.kind == "in" or (follows.kind == "operator" and follows.value in (*self.operators, "="))
        if not binds or follows.value in ("&&", "||") or isinstance(operand, Unary):
            return tight
        whole = self.continued(tight, level)
        return NotChoice(start, whole.end, operand, whole, _negated_as_a_whole(whole, tight, operand))

    def primary(self) -> Node:
        token = self.token
        if token.kind == "number":
            self.advance()
            kind = "int" if isinstance(token.value, int) else "float"
            return Constant(token.start, token.end, kind, token.value)
        if token.kind in ("bits", "string", "boolean"):
            self.advance()
            kind = {"string": "str", "boolean": "bool"}.get(token.kind, token.kind)
            return Constant(token.start, token.end, kind, token.value)
        if token.kind == "keyword":
            self.advance()
            return Keyword(token.start, token.end, token.value)
        if token.kind == "name":
            return self.name()
        if self.is_op("("):
            return self.parenthesis()
        if self.is_op("{") and self.dialect == "cfitsio":
            self.advance()
            items, end = self.arguments("}")
            return Vector(token.start, end, items)
        raise self.unexpected()

    def name(self) -> Node:
        token = self.advance()
        quoted = self.text[token.start] == "$"
        if self.is_op("(") and not quoted:
            return self.call(token)
        if self.is_op("{") and self.dialect == "cfitsio":
            self.advance()
            sign = -1 if self.is_op("-") else 1
            if self.is_op("+", "-"):
                self.advance()
            if self.token.kind != "number" or not isinstance(self.token.value, int):
                raise self.unexpected("the row offset must be a whole number")
            offset = sign * self.advance().value
            end = self.expect("}", "the row offset").end
            return Name(token.start, end, token.value, offset)
        return Name(token.start, token.end, token.value)

    def call(self, token: Token) -> Call:
        name = token.value.lower()
        bracket = self.token
        first: tuple[Node, ...] = ()
        if name in _FILE_FUNCTIONS[self.dialect] and self.lexer.at(bracket.end).kind != "string":
            word = self.lexer.raw_argument(bracket.end)
            first = (Constant(word.start, word.end, "str", word.value),)
            self.token = self.lexer.at(word.end)
            if self.is_op(","):
                self.advance()
        else:
            self.advance()
        rest, end = self.arguments(")")
        return Call(token.start, end, name, first + rest)

    def arguments(self, closing: str) -> tuple[tuple[Node, ...], int]:
        """Comma-separated expressions up to the closing bracket, and where that ends."""
        items: list[Node] = []
        self.brackets += 1
        while not self.is_op(closing):
            if items:
                self.expect(",", "an argument")
            items.append(self.expression(0))
        self.brackets -= 1
        return tuple(items), self.advance().end

    def parenthesis(self) -> Node:
        start = self.advance().start
        outer, self.brackets = self.brackets, 0
        node = self.expression(0)
        self.brackets = outer
        if self.is_op(",") and self.dialect == "sas":
            return self.point_in(start, [node])
        end = self.expect(")", "the parenthesis opened before").end
        # The place of a parenthesised part includes its parentheses, so that carets show all of it.
        return _placed(node, start, end)

    def point_in(self, start: int, items: list[Node]) -> Node:
        """``(x, y) in shape(...)`` is ``shape(..., x, y)``."""
        while self.is_op(","):
            self.advance()
            items.append(self.expression(0))
        self.expect(")", "the coordinates")
        if self.token.kind != "in":
            raise self.unexpected("'in' and a shape must follow the coordinates")
        self.advance()
        if self.token.kind != "name":
            raise self.unexpected("the name of a shape must follow 'in'")
        call = self.name()
        if not isinstance(call, Call):
            raise fail(self.text, call.start, call.end, "a shape with its numbers must follow 'in'")
        return Call(start, call.end, call.name, call.arguments + tuple(items))

    def index(self, operand: Node) -> Node:
        self.advance()
        indices, end = self.arguments("]")
        if not indices:
            raise fail(self.text, operand.start, end, "the index is missing")
        return Index(operand.start, end, operand, indices)

    def conditional(self, condition: Node) -> Node:
        self.advance()
        yes = self.expression(_CONDITIONAL)
        self.expect(":", "the first choice of '?'")
        no = self.expression(_CONDITIONAL)
        return Conditional(condition.start, no.end, condition, yes, no)

    def range(self, operand: Node) -> Node:
        equals = self.advance()
        lo = self.expression(6)
        if not self.is_op(":"):
            cure = "Write == for equality and x=lo:hi for a range."
            raise fail(self.text, equals.start, equals.end, "'=' is not an operator", cure)
        self.advance()
        hi = self.expression(6)
        return Range(operand.start, hi.end, operand, lo, hi)

    # -- SAS intervals -------------------------------------------------------------------------------------------
    def members(self, operand: Node) -> Node:
        self.advance()
        if self.token.kind == "name" and self.text[self.token.end :].lstrip().startswith("("):
            call = self.name()
            assert isinstance(call, Call)
            return Call(operand.start, call.end, call.name, (*call.arguments, operand))
        intervals = [self.interval()]
        while self.is_op(",") and not self.brackets:
            self.advance()
            intervals.append(self.interval())
        return Members(operand.start, intervals[-1].end, operand, tuple(intervals))

    def interval(self) -> Interval:
        """``[lo:hi]``, ``(lo:hi]``, ``lo:``, ``:hi``, ``value``..."""
        start = self.token.start
        bracketed = self.is_op("[", "(")
        lo_closed = not self.is_op("(")
        if bracketed:
            self.advance()
        lo = None if self.is_op(":") else self.expression(6)
        hi, hi_closed, end = lo, True, self.token.start
        if self.is_op(":"):
            end = self.advance().end
            stop = self.token.kind == END or self.is_op("]", ")", ",", "&&", "||")
            hi = None if stop else self.expression(6)
            end = hi.end if hi is not None else end
        elif lo is not None:
            end = lo.end
            if bracketed and not lo_closed:  # (value): a number in parentheses
                lo_closed = True
        if bracketed:
            if not self.is_op("]", ")"):
                raise self.unexpected("the interval is not closed by ']' or ')'")
            hi_closed = self.is_op("]") or hi is lo
            end = self.advance().end
        return Interval(start, end, lo, hi, lo_closed, hi_closed)


def _placed(node: Node, start: int, end: int) -> Node:
    return dataclasses.replace(node, start=start, end=end)


def _negated_as_a_whole(whole: Node, tight: Unary, operand: Node) -> Unary:
    """The tree of ``!(a op b...)`` from that of ``(!a) op b...``: the same, with the negation moved to the top."""
    spine: list[Node] = []
    node = whole
    while node is not tight:
        spine.append(node)
        if isinstance(node, Call):  # x in gti(...)
            node = node.arguments[-1]
        else:
            node = node.left if isinstance(node, Binary) else node.operand  # type: ignore[attr-defined]
    rebuilt = operand
    for above in reversed(spine):
        if isinstance(above, Call):
            changes = {"arguments": (*above.arguments[:-1], rebuilt)}
        else:
            changes = {"left" if isinstance(above, Binary) else "operand": rebuilt}
        rebuilt = dataclasses.replace(above, start=operand.start, **changes)
    return Unary(tight.start, whole.end, "!", rebuilt)
