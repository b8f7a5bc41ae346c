"""Region expressions of the SAS kind: ``((X,Y) IN circle(26188,22816,1000)) && !((X,Y) IN box(...))``.

Shapes and their arguments follow the SAS package `selectlib`, "Special region filter functions": boxes, rhombi and
ellipses are given by half widths. ``circle(x, y, r, X, Y)`` with the columns as last arguments is understood too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from wolter.errors import RegionError
from wolter.sky.arguments import Context, Problem, build_shape
from wolter.sky.logic import Components, complement, intersection
from wolter.sky.shapes import Shape
from wolter.sky.tokens import TokenError, split_arguments

__all__ = ["looks_like_sas", "parse_sas"]

_IN = re.compile(r"\(\s*\w+\s*,\s*\w+\s*\)\s*in\b", re.I)
_FUNCTION = re.compile(r"\b[a-z]\w*\s*\([^()]*,\s*(X\s*,\s*Y|DETX\s*,\s*DETY|RAWX\s*,\s*RAWY)\s*\)", re.I)
_TOKEN = re.compile(
    r"\s*(?:(?P<pair>\(\s*(?P<x>[A-Za-z_]\w*)\s*,\s*(?P<y>[A-Za-z_]\w*)\s*\)\s*in\b)"
    r"|(?P<and>&&?|\.and\.|\band\b)|(?P<or>\|\|?|\.or\.|\bor\b)|(?P<not>!|\.not\.|\bnot\b)"
    r"|(?P<shape>[A-Za-z_]\w*)\s*\((?P<args>[^()]*)\)|(?P<open>\()|(?P<close>\)))",
    re.I,
)


def looks_like_sas(text: str) -> bool:
    """Whether a text is a region expression of this kind rather than a region file."""
    return bool(_IN.search(text) or _FUNCTION.search(text))


@dataclass
class _Item:
    kind: str
    text: str
    at: int
    columns: tuple[str, str] | None = None
    arguments: str = ""


class _Parser:
    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self.name = name
        self.items = self._scan()
        self.next = 0
        self.columns: tuple[str, str] | None = None
        self.shapes: list[Shape] = []

    def fail(self, cause: str, at: int, cure: str = "") -> RegionError:
        line = self.text.count("\n", 0, at) + 1
        shown = self.text[at : at + 60].split("\n")[0].strip() or self.text.strip()[-60:]
        return RegionError(
            f"line {line}, near {shown!r}: {cause}",
            file=self.name,
            cure=cure or "Accepted is for example ((X,Y) IN circle(x,y,r)) && !((X,Y) IN ellipse(x,y,a,b,angle)).",
        )

    def _scan(self) -> list[_Item]:
        out: list[_Item] = []
        at = 0
        while self.text[at:].strip():
            match = _TOKEN.match(self.text, at)
            if not match:
                raise self.fail("this is not a region expression", at)
            kind = next(k for k in ("pair", "shape", "and", "or", "not", "open", "close") if match[k] is not None)
            columns = (match["x"].upper(), match["y"].upper()) if kind == "pair" else None
            out.append(_Item(kind, match[kind], match.start(kind), columns, match["args"] or ""))
            at = match.end()
        return out

    def _peek(self) -> str:
        return self.items[self.next].kind if self.next < len(self.items) else "end"

    def _take(self) -> _Item:
        self.next += 1
        return self.items[self.next - 1]

    def _here(self) -> int:
        return self.items[self.next].at if self.next < len(self.items) else len(self.text)

    def parse(self) -> Components:
        # Text files for pipelines start with && because they are appended to another expression.
        while self._peek() == "and":
            self._take()
        out = self._or()
        if self._peek() != "end":
            raise self.fail("something follows the expression", self._here())
        return out

    def _or(self) -> Components:
        out = self._and()
        while self._peek() == "or":
            self._take()
            out = tuple(dict.fromkeys((*out, *self._and())))
        return out

    def _and(self) -> Components:
        out = self._factor()
        while self._peek() == "and":
            self._take()
            out = intersection(out, self._factor())
        return out

    def _factor(self) -> Components:
        kind = self._peek()
        if kind == "not":
            self._take()
            return complement(self._factor())
        if kind == "open":
            at = self._take().at
            out = self._or()
            if self._peek() != "close":
                raise self.fail("a parenthesis is not closed", at)
            self._take()
            return out
        if kind == "pair":
            pair = self._take()
            if self._peek() != "shape":
                raise self.fail(f"no shape follows {pair.text!r}", pair.at)
            return self._shape(self._take(), pair.columns)
        if kind == "shape":
            return self._shape(self._take(), None)
        raise self.fail("a shape is expected here", self._here())

    def _shape(self, item: _Item, columns: tuple[str, str] | None) -> Components:
        line = self.text.count("\n", 0, item.at) + 1
        try:
            texts = split_arguments(item.arguments)
        except TokenError as exc:
            raise self.fail(str(exc), item.at) from exc
        if columns is None:
            if len(texts) < 3 or not all(re.fullmatch(r"[A-Za-z_]\w*", t) for t in texts[-2:]):
                raise self.fail(f"{item.text!r} is not a shape with its columns", item.at)
            columns = (texts[-2].upper(), texts[-1].upper())
            texts = texts[:-2]
        if {"RA", "DEC"} & set(columns):
            raise self.fail(
                f"columns {columns[0]}, {columns[1]} are not pixels", item.at, "Use X,Y or a DS9 region with fk5."
            )
        if self.columns not in (None, columns):
            was = ",".join(self.columns or ())
            raise self.fail(f"columns {','.join(columns)} are mixed with {was}", item.at, "Apply them separately.")
        self.columns = columns
        frame = "physical" if columns == ("X", "Y") else "detector"
        try:
            shape = build_shape(item.text, texts, Context(frame, half_boxes=True), line=line)
        except Problem as exc:
            raise self.fail(exc.cause, item.at, exc.cure) from exc
        self.shapes.append(shape)
        return ((shape,),)


def parse_sas(text: str, name: str) -> tuple[list[Shape], Components, tuple[str, str]]:
    """Shapes in order, their logic, and the columns of a SAS region expression.

    Raises
    ------
    RegionError
        For anything that is not understood; names the place and what is accepted.
    """
    parser = _Parser(text, name)
    logic = parser.parse()
    if parser.columns is None:
        raise RegionError("the expression holds no shape", file=name)
    return parser.shapes, logic, parser.columns
