"""Words of the two dialects.

The rule of CFITSIO's own scanner is kept: at every place the longest word wins, and of words of equal length the kind
that is listed first (so ``b1`` is a bit constant but ``b12`` a column, and ``7.and.`` is ``7.`` followed by ``and.``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from wolter.expr._errors import fail

__all__ = ["END", "Lexer", "Token"]

END = "end"

_DOTTED = {
    "not": "!",
    "or": "||",
    "and": "&&",
    "eq": "==",
    "ne": "!=",
    "gt": ">",
    "lt": "<",
    "ge": ">=",
    "le": "<=",
    "xor": "^^",
}
_SPELLINGS = {"=>": ">=", "=<": "<=", "**": "^"}

_REAL = r"[0-9]*\.[0-9]+(?:[eEdD][+-]?[0-9]+)?|[0-9]+\.?[eEdD][+-]?[0-9]+|[0-9]+\."
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_STRING = r"\"[^\"\n]*\"|'[^'\n]*'"
_OPERATOR = r"==|!=|>=|<=|=>|=<|&&|\|\||\^\^|\*\*|[-+*/%^~!<>=:?,(){}\[\]&|]"

_CFITSIO = [
    ("bits", r"[bB][01xX]+"),
    ("octal", r"[oO][0-7xX]+"),
    ("hex", r"[hH][0-9a-fA-FxX]+"),
    ("integer", r"[0-9]+"),
    ("boolean", r"[tTfF]"),
    ("real", _REAL),
    ("keyword", r"\#[A-Za-z0-9_]+|\#\$[^$\n]+\$"),
    ("string", _STRING),
    ("name", _NAME + r"|\$[^$\n]+\$"),
    ("cast", r"\((?i:int|float|double)\)"),
    ("operator", _OPERATOR + r"|\.?(?i:not|or|and|eq|ne|gt|lt|ge|le)\.|\.(?i:xor)\."),
]
_SAS = [
    ("bits", r"[bB][01]+"),
    ("hex", r"0[xX][0-9a-fA-F]+"),
    ("integer", r"[0-9]+"),
    ("boolean", r"(?i:true|false)"),
    ("real", _REAL),
    ("keyword", r"\#[A-Za-z0-9_]+"),
    ("string", _STRING),
    ("in", r"(?i:in)"),
    ("name", _NAME),
    ("operator", _OPERATOR + r"|<<|>>|\.(?i:not|or|and|eq|ne|gt|lt|ge|le)\."),
]
_TABLES = {
    "cfitsio": [(kind, re.compile(pattern)) for kind, pattern in _CFITSIO],
    "sas": [(kind, re.compile(pattern)) for kind, pattern in _SAS],
}
_SPACE = re.compile(r"\s*")


@dataclass(frozen=True, slots=True)
class Token:
    """One word: what kind it is, its value, and where it stands in the text."""

    kind: str
    value: Any
    start: int
    end: int


def _value(kind: str, text: str, dialect: str) -> tuple[str, Any]:
    """Kind and value of a word; constants in octal and hexadecimal become bits (cfitsio) or integers (SAS)."""
    if kind == "integer":
        return "number", int(text)
    if kind == "real":
        return "number", float(text.lower().replace("d", "e"))
    if kind == "boolean":
        return kind, text.lower() in ("t", "true")
    if kind == "bits" and dialect == "sas":
        return "number", int(text[1:], 2)
    if kind == "hex" and dialect == "sas":
        return "number", int(text, 16)
    if kind == "bits":
        return kind, text[1:].lower()
    if kind in ("octal", "hex"):
        width, base = (3, 8) if kind == "octal" else (4, 16)
        digits = [width * "x" if c in "xX" else f"{int(c, base):0{width}b}" for c in text[1:]]
        return "bits", "".join(digits)
    if kind == "string":
        return kind, text[1:-1]
    if kind == "keyword":
        return kind, text[1:].strip("$")
    if kind == "name":
        return kind, text.strip("$")
    if kind == "cast":
        return kind, "int" if text.lower() == "(int)" else "float"
    if kind == "operator":
        text = _DOTTED.get(text.strip(".").lower(), text)
        return kind, _SPELLINGS.get(text, text)
    return kind, text.lower()


class Lexer:
    """Reads words on demand, so that the parser can go back and can take a file name as it stands."""

    def __init__(self, text: str, dialect: str) -> None:
        self.text = text
        self.dialect = dialect
        self._table = _TABLES[dialect]

    def at(self, position: int) -> Token:
        """The word that starts at or after a position."""
        start = _SPACE.match(self.text, position).end()  # type: ignore[union-attr]  # always matches
        if start >= len(self.text):
            return Token(END, None, start, start)
        kind, end = "", start
        for candidate, pattern in self._table:
            match = pattern.match(self.text, start)
            if match and match.end() > end:
                kind, end = candidate, match.end()
        if not kind:
            raise fail(self.text, start, start + 1, f"{self.text[start]!r} has no meaning in an expression")
        kind, value = _value(kind, self.text[start:end], self.dialect)
        return Token(kind, value, start, end)

    def raw_argument(self, position: int) -> Token:
        """Text up to the next comma or closing parenthesis outside brackets: an unquoted file name."""
        start = _SPACE.match(self.text, position).end()  # type: ignore[union-attr]
        depth = 0
        for i in range(start, len(self.text)):
            c = self.text[i]
            if depth == 0 and c in ",)":
                return Token("string", self.text[start:i].strip(), start, i)
            depth += (c in "([") - (c in ")]")
        raise fail(self.text, start, len(self.text), "the file name is not followed by ')'")
