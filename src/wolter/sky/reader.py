"""Reader of region text: DS9, cfitsio (fv, POW, SAOimage) and CIAO dialects."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from wolter.errors import RegionError, suggest, warn
from wolter.sky.arguments import ACCEPTED, Context, Problem, build_shape
from wolter.sky.frames import CELESTIAL, PIXEL, normal_frame
from wolter.sky.logic import Components, append, intersection
from wolter.sky.shapes import Shape
from wolter.sky.tokens import TokenError, split_arguments

__all__ = ["ParsedText", "parse_text"]

_FRAME_WORDS = {*CELESTIAL, *PIXEL, "j2000", "b1950", "wcs", "equatorial", "phys", "logical", "det"}
_UNSUPPORTED_FRAMES = re.compile(r"(linear|amplifier|wcs[a-z0]|tile(\s+\d+)?)$", re.I)
_PROPERTY = re.compile(
    r"""(\w+)\s*=\s*(\{[^}]*\}|"[^"]*"|'[^']*'|\([^)]*\)(?:\s*\([^)]*\))*|[^\s=]+(?:\s+[\d.]+(?![\w=]))*)"""
    r"""|(\w+)"""
)
_SHAPE = re.compile(r"\s*(?P<ops>[-+!*&|^\s]*)(?P<name>[A-Za-z_]\w*)\s*(?P<open>\(?)")
_FORMAT = re.compile(r"#\s*format:\s*(\w+)", re.I)
_POINT_STYLES = ("circle", "box", "diamond", "cross", "x", "arrow", "boxcircle")


@dataclass
class ParsedText:
    """What a region text says: signed shapes in order, their logic, and the global properties."""

    shapes: list[Shape] = field(default_factory=list)
    logic: Components | None = None
    properties: tuple[tuple[str, str], ...] = ()


class _Reader:
    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.lines = text.lstrip("\ufeff").splitlines()
        self.context = Context()
        self.out = ParsedText()
        # Shapes and the operator before each: "+" new component, "*" cut with the last component, "-" cut out.
        self.operators: list[str] = []
        self.number = 0
        self.first_bare_size = 0

    def fail(self, cause: str, cure: str = "", text: str = "") -> RegionError:
        line = self.lines[self.number - 1].strip() if self.lines else ""
        shown = text or (line if len(line) <= 120 else line[:117] + "...")
        return RegionError(f"line {self.number}, {shown!r}: {cause}", file=self.name, cure=cure or None)

    def read(self) -> ParsedText:
        for number, line in enumerate(self.lines, start=1):
            self.number = number
            try:
                self._line(line)
            except Problem as exc:
                raise self.fail(exc.cause, exc.cure) from exc
        if not self.out.shapes:
            raise RegionError("the text holds no shape", file=self.name, cure=f"Accepted are {ACCEPTED}.")
        if self.first_bare_size and not self.context.ds9:
            self.number = self.first_bare_size
            warn(str(self.fail("sizes without a unit are taken as degrees (as DS9 does; cfitsio takes pixels)")))
        if "*" in self.operators:
            self.out.logic = self._combine()
        return self.out

    def _combine(self) -> Components:
        """Components of a list in which some shapes are cut with the component before them."""
        done: Components = ()
        pending: list[Shape] = []
        for shape, operator in zip(self.out.shapes, self.operators, strict=True):
            if operator != "*":
                pending.append(shape)
                continue
            done = append(done, pending)
            pending = []
            if not done:
                raise self.fail("the text starts with '*'", "Put the first shape before it.")
            done = (*done[:-1], *intersection(done[-1:], ((shape,),)))
        return append(done, pending)

    # ------------------------------------------------------------ lines

    def _line(self, line: str) -> None:
        stripped = line.strip()
        if not stripped:
            return
        if stripped.startswith("#"):
            self._comment(stripped)
            return
        command, _, comment = stripped.partition("#")
        if re.match(r"glob(al)?\b", command, re.I):
            self.out.properties += _properties(stripped.split(None, 1)[1] if " " in stripped else "")
            return
        properties = _properties(comment)
        for piece in command.split(";"):
            self._command(piece.strip(), properties)

    def _comment(self, line: str) -> None:
        if re.match(r"#\s*region file format:\s*(ds9|ciao)", line, re.I):
            self.context.ds9 = True
        match = _FORMAT.match(line)
        if match:
            word = match[1].lower()
            frames = {"pixel": "physical", "degree": "fk5", "degrees": "fk5", "hhmmss": "fk5", "hms": "fk5"}
            if word not in frames:
                raise Problem(f"unknown format {match[1]!r}", "Accepted are pixel, degree and hhmmss.")
            if self.out.shapes:
                raise Problem("a format line must come before the first shape", "Move it up.")
            self.context.frame = frames[word]
            self.context.sizes_unclear = word != "pixel"

    def _command(self, text: str, properties: tuple[tuple[str, str], ...]) -> None:
        word = text.rstrip().lower()
        if not text:
            return
        if word in _FRAME_WORDS:
            self.context.frame = normal_frame(word)
            self.context.sizes_unclear = False
            return
        if _UNSUPPORTED_FRAMES.match(word):
            raise Problem(f"coordinates {text!r} are not supported", f"Accepted are {', '.join((*CELESTIAL, *PIXEL))}.")
        if re.fullmatch(r"[A-Za-z]\w*", text):
            known = (*sorted(_FRAME_WORDS), *ACCEPTED.split(", "))
            raise Problem(
                f"{text!r} is neither a coordinate frame nor a shape with its numbers",
                f"{suggest(word, known)} Frames are {', '.join((*CELESTIAL, *PIXEL))}; shapes {ACCEPTED}.".strip(),
            )
        self._shapes(text, properties)

    def _shapes(self, text: str, properties: tuple[tuple[str, str], ...]) -> None:
        """One or more shapes with their signs and operators."""
        at = 0
        while text[at:].strip():
            if text[at:].strip() == "||":
                # DS9 ends the members of a composite region with ||, which joins them to what follows.
                return
            match = _SHAPE.match(text, at)
            if not match:
                raise Problem(f"{text[at:].strip()!r} is not understood", f"Accepted are {ACCEPTED}.")
            operator, include = _operator(match["ops"])
            name, at = match["name"], match.end()
            if match["open"]:
                close = text.find(")", at)
                if close < 0:
                    raise Problem("a closing parenthesis is missing", "Close it.")
                inside, at = text[at:close], close + 1
                if "(" in inside:
                    raise Problem("there is a parenthesis within the parentheses", "Remove it.")
            else:
                inside, at = text[at:], len(text)
                inside = re.sub(r"\s*\|\|\s*$", "", inside)
            self._shape(name, inside, operator, include, properties, bool(match["open"]))

    def _shape(
        self,
        name: str,
        inside: str,
        operator: str,
        include: bool,
        properties: tuple[tuple[str, str], ...],
        closed: bool,
    ) -> None:
        if name.lower() in _POINT_STYLES and re.match(r"\s*point\b", inside, re.I) and not closed:
            properties = (("point", name.lower()), *properties)
            name, inside = "point", re.sub(r"^\s*point\s*\(?|\)\s*$", "", inside, flags=re.I)
        if name.lower() in _FRAME_WORDS:
            raise Problem(f"the frame {name!r} must be followed by ';' or a new line", f"Write '{name}; ...'.")
        if name.lower() not in {"region", "bounds"} and ")" in inside:
            raise Problem("a closing parenthesis has no opening one", "Remove it.")
        if name.lower() in {"region", "bounds"}:
            raise Problem(f"{name}() refers to another file", "Read that file with read_regions().")
        before = self.context.bare_sizes
        try:
            arguments = split_arguments(inside)
        except TokenError as exc:
            raise Problem(str(exc)) from exc
        shape = build_shape(name, arguments, self.context, include=include, properties=properties, line=self.number)
        if self.context.bare_sizes and not before:
            self.first_bare_size = self.number
        self.out.shapes.append(shape)
        self.operators.append(operator)


def _operator(text: str) -> tuple[str, bool]:
    """Operator ("+", "-" or "*") and sign of the shape that follows; `text` holds signs and operators."""
    signs = re.sub(r"\s", "", text).replace("&&", "*").replace("&", "*").replace("||", "+").replace("|", "+")
    if "^" in signs:
        raise Problem("exclusive or (^) is not supported", "Write (A and not B) or (B and not A) as A*!B and B*!A.")
    match = re.fullmatch(r"(\+?|\*)([-!+]?)", signs)
    if not match or (match[1] == "+" and match[2]):
        raise Problem(
            f"the operators {text.strip()!r} are not understood",
            "Accepted before a shape are + (or), - or ! (cut out of what stands before), * or & (and), *! (and not).",
        )
    joint, sign = match.groups()
    include = sign not in ("-", "!")
    return (joint or ("+" if include else "-")), include


def _properties(text: str) -> tuple[tuple[str, str], ...]:
    """DS9 properties of a comment: key=value pairs and single words such as ``background``."""
    out: list[tuple[str, str]] = []
    for match in _PROPERTY.finditer(text):
        if match[1]:
            out.append((match[1], match[2].strip()))
        elif match[3] in ("source", "background"):
            out.append((match[3], ""))
    return tuple(out)


def parse_text(text: str, name: str) -> ParsedText:
    """Read region text in the DS9, cfitsio or CIAO dialect.

    Raises
    ------
    RegionError
        For anything that is not understood; names the line and what is accepted.
    """
    return _Reader(text, name).read()
