"""Boundaries of calibration data (``CBDn0001 = 'THETA(0-10)arcmin'``) and expressions that ask for them.

The grammar of boundaries is that of the OGIP memo CAL/GEN/92-003; how a boundary is compared with an expression is what
the HEASARC's own query does, with three differences that are faults there: signs count, text with a minus sign in it is
compared whole, and an expression that is not understood is an error.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from wolter.errors import ExpressionError

__all__ = ["Boundary", "Expression", "Term", "Value", "parse_boundary", "parse_expression"]

Value = float | tuple[float, float] | str
"""A number, a range, or text."""

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)"
_PLAIN = re.compile(rf"{_NUMBER}\Z")
_RANGE = re.compile(rf"({_NUMBER})\s*-\s*({_NUMBER})\Z")
_ROW = re.compile(r"\s*([^\s()]+)\s*\((.*)\)\s*([^()]*?)\s*\Z", re.DOTALL)
_TERM = re.compile(r"\s*([A-Za-z_]\w*)\s*\.\s*(lt|le|eq|ge|gt)\s*\.\s*(\S.*?)\s*\Z", re.IGNORECASE | re.DOTALL)
_JOIN = re.compile(r'"[^"]*"|\.(and|or)\.', re.IGNORECASE)
_PIECE = re.compile(r'\s*(?:"([^"]*)"|\'([^\']*)\'|([^,]*))\s*(?:,|\Z)')
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "lt": operator.lt,
    "le": operator.le,
    "eq": operator.eq,
    "ge": operator.ge,
    "gt": operator.gt,
}


def _value(text: str) -> Value:
    """What a value is: digits and points make a number, two of them a range, everything else is text."""
    text = text.strip()
    if _PLAIN.match(text):
        return float(text)
    found = _RANGE.match(text)
    return (float(found[1]), float(found[2])) if found else text


@dataclass(frozen=True, slots=True)
class Boundary:
    """One boundary of a calibration data set.

    Attributes
    ----------
    name : str
        In capitals.
    values : tuple of float, (float, float) or str
        It holds for any of them.
    unit : str
    text : str
        As it stands in the file.
    """

    name: str
    values: tuple[Value, ...]
    unit: str = ""
    text: str = ""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Term:
    """``NAME.op.value``; `name` in capitals, `op` one of lt, le, eq, ge, gt."""

    name: str
    op: str
    value: Value

    def accepts(self, boundary: Boundary, *, overlap: bool = False) -> bool:
        """Whether a boundary passes.

        Parameters
        ----------
        boundary : Boundary
            One of another name passes.
        overlap : bool
            Ranges in the question are compared too, by whether they overlap (the rule of ``quzcif``); otherwise
            a range in the question passes against numbers and ranges, as values of different kinds do.
        """
        return boundary.name != self.name or any(_fits(v, self, overlap) for v in boundary.values)


def _fits(row: Value, term: Term, overlap: bool) -> bool:
    asked = term.value
    if isinstance(row, str) and isinstance(asked, str):
        return row.upper() == asked.upper()
    if isinstance(row, str) or isinstance(asked, str):
        return True
    if isinstance(asked, tuple):
        if not overlap:
            return True
        low, high = row if isinstance(row, tuple) else (row, row)
        return low <= asked[1] and asked[0] <= high
    if isinstance(row, tuple):
        if term.op == "eq":
            return row[0] <= asked <= row[1]
        return _COMPARE[term.op](row[0] if term.op in ("lt", "le") else row[1], asked)
    return _COMPARE[term.op](row, asked)


@dataclass(frozen=True)
class Expression:
    """Terms joined from left to right: ``(first, joins[0] terms[1]) joins[1] terms[2] ...``; without terms, anything.

    Attributes
    ----------
    terms : tuple of Term
    joins : tuple of str
        "and" or "or", one fewer than terms.
    text : str
    """

    terms: tuple[Term, ...] = ()
    joins: tuple[str, ...] = ()
    text: str = "-"

    def __bool__(self) -> bool:
        return bool(self.terms)

    @property
    def names(self) -> frozenset[str]:
        """Names of the boundaries it asks for."""
        return frozenset(t.name for t in self.terms)

    def accepts(self, boundary: Boundary, *, overlap: bool = False) -> bool:
        """Whether one boundary passes; a data set passes if all its boundaries do.

        Notes
        -----
        Boundaries pass one by one, and terms about other names are true for each. An ``.or.`` of two names therefore
        excludes nothing, as in the HEASARC's query.
        """
        if not self.terms:
            return True
        result = self.terms[0].accepts(boundary, overlap=overlap)
        for join, term in zip(self.joins, self.terms[1:], strict=True):
            right = term.accepts(boundary, overlap=overlap)
            result = (result and right) if join == "and" else (result or right)
        return result


@lru_cache(maxsize=65536)
def parse_boundary(text: str) -> Boundary | None:
    """Boundary of a row of the index or of a keyword CBDnxxxx.

    Parameters
    ----------
    text : str
        ``NAME(value[,value...])unit``; a value is a number, a range ``1-5``, or text, in quotes or not.

    Returns
    -------
    Boundary or None
        None for ``NONE``, blanks, and what has no parentheses: it does not constrain anything.
    """
    found = _ROW.match(text)
    if found is None:
        return None
    values: list[Value] = []
    at = 0
    inside = found[2].strip()
    while at < len(inside):
        piece = _PIECE.match(inside, at)
        if piece is None:  # a quote in the middle of something
            values.append(inside[at:].strip())
            break
        quoted = piece[1] if piece[1] is not None else piece[2]
        values.append(quoted.strip() if quoted is not None else _value(piece[3]))
        at = piece.end()
    return Boundary(found[1].upper(), tuple(values) or ("",), found[3], text.strip())


def parse_expression(text: str | None) -> Expression:
    """Expression of a query: ``NAME.op.value`` joined by ``.and.`` or ``.or.``.

    Parameters
    ----------
    text : str or None
        ``-``, nothing or None ask for nothing. A value with a double quote before it is text.

    Raises
    ------
    ExpressionError
        If it is not understood.
    """
    text = "" if text is None else text.strip()
    if text in ("", "-") or text.upper() == "NONE":
        return Expression()
    pieces: list[str] = []
    joins: list[str] = []
    start = 0
    for found in _JOIN.finditer(text):
        if found[1]:
            pieces.append(text[start : found.start()])
            joins.append(found[1].lower())
            start = found.end()
    pieces.append(text[start:])
    terms = []
    for piece in pieces:
        match = _TERM.match(piece)
        if match is None:
            raise ExpressionError(
                f"{piece.strip()!r} in the expression {text!r} is not understood",
                cure="Write NAME.op.value with op one of lt, le, eq, ge, gt, joined by .and. or .or.:"
                " THETA.eq.5.and.WEIGHT.eq.ALPHA075.",
            )
        raw = match[3]
        value: Value = raw[1:].removesuffix('"').strip() if raw.startswith('"') else _value(raw)
        terms.append(Term(match[1].upper(), match[2].lower(), value))
    return Expression(tuple(terms), tuple(joins), text)
