"""From a shape's name and arguments, as written, to a `Shape`: frames, units, and the many forms each kind has."""

from __future__ import annotations

import math
from dataclasses import dataclass

from wolter.errors import RegionError, suggest
from wolter.sky.shapes import KINDS, Length, Shape
from wolter.sky.tokens import Token, TokenError, parse_token

__all__ = ["Context", "Problem", "build_shape", "shape_kind"]

_NAMES = {
    "circle": "circle",
    "cir": "circle",
    "circ": "circle",
    "annulus": "annulus",
    "ann": "annulus",
    "ring": "annulus",
    "ellipse": "ellipse",
    "ell": "ellipse",
    "elliptannulus": "elliptannulus",
    "elliptring": "elliptannulus",
    "box": "box",
    "rotbox": "box",
    "boxannulus": "boxannulus",
    "rectangle": "rectangle",
    "rect": "rectangle",
    "rotrectangle": "rectangle",
    "diamond": "diamond",
    "rotdiamond": "diamond",
    "rhombus": "diamond",
    "rotrhombus": "diamond",
    "pie": "pie",
    "sector": "sector",
    "sect": "sector",
    "panda": "panda",
    "epanda": "epanda",
    "bpanda": "bpanda",
    "polygon": "polygon",
    "poly": "polygon",
    "polygon2": "polygon",
    "pol": "polygon",
    "point": "point",
    "poin": "point",
    "poi": "point",
    "line": "line",
    "field": "field",
}
_NO_AREA = ("text", "vector", "ruler", "compass", "projection", "segment")
ACCEPTED = (
    "circle, annulus, ellipse, elliptannulus, box, rotbox, boxannulus, rectangle, diamond, pie, sector, panda, "
    "epanda, bpanda, polygon, point, line, field"
)


class Problem(Exception):
    """What is wrong with one shape, and what would be right; the parser adds file and line."""

    def __init__(self, cause: str, cure: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.cure = cure


@dataclass
class Context:
    """State of a region file while it is read.

    Attributes
    ----------
    frame : str
        Frame of the last frame line, or "" if none has been met.
    inferred : bool
        Whether, without a frame line, an earlier shape was recognised as celestial by its units (cfitsio then
        takes the following ones as celestial, too).
    ds9 : bool
        Whether the file calls itself a DS9 or CIAO file, which settles what bare sizes mean.
    half_boxes : bool
        Whether boxes and diamonds give half widths (SAS).
    bare_sizes : bool
        Whether a size without a unit has been taken as degrees.
    sizes_unclear : bool
        Whether the frame comes from a ``# format:`` line (fv, POW), which does not say what bare sizes mean.
    """

    frame: str = ""
    inferred: bool = False
    ds9: bool = False
    half_boxes: bool = False
    bare_sizes: bool = False
    sizes_unclear: bool = False


def shape_kind(name: str) -> str:
    """Canonical kind of a shape name.

    Raises
    ------
    Problem
        For an unknown name (with the nearest ones) or an annotation that encloses no area.
    """
    key = name.lower()
    if key in _NAMES:
        return _NAMES[key]
    if key in _NO_AREA:
        raise Problem(f"{name!r} is an annotation that encloses no area", "Delete it or put # before it.")
    near = suggest(key, ACCEPTED.split(", "))
    raise Problem(f"unknown shape {name!r}", f"{near} Accepted are {ACCEPTED}.".strip())


@dataclass
class _Layout:
    """Arguments of a shape sorted by what they mean."""

    kind: str
    positions: list[Token]
    sizes: list[Token]
    angles: list[Token]
    counts: tuple[int, ...] = ()


def build_shape(
    name: str,
    texts: list[str],
    context: Context,
    *,
    include: bool = True,
    properties: tuple[tuple[str, str], ...] = (),
    line: int = 0,
) -> Shape:
    """A shape from its written name and arguments.

    Raises
    ------
    Problem
        If anything is not understood.
    """
    kind = shape_kind(name)
    try:
        tokens = [parse_token(t) for t in texts]
    except TokenError as exc:
        raise Problem(str(exc), _usage(kind)) from exc
    tokens, counts = _take_counts(kind, tokens)
    layout = _layout(kind, tokens)
    kind = layout.kind
    frame = _frame(kind, layout.positions, layout.sizes, context)
    points = _points(layout.positions, frame, kind)
    sizes = tuple(_size(t, frame, kind, context) for t in layout.sizes)
    if context.half_boxes and kind in ("box", "diamond"):
        sizes = tuple(Length(2 * s.value, s.unit) for s in sizes)
    angles = tuple(_angle(t, kind) for t in layout.angles)
    try:
        return Shape(kind, frame, points, sizes, angles, counts or layout.counts, include, properties, line)
    except RegionError as exc:
        raise Problem(exc.cause, exc.cure or "") from exc


def _usage(kind: str) -> str:
    text = KINDS[kind][3] if kind in KINDS else "pie(x, y, angle 1, angle 2) or pie(x, y, r1, r2, angle 1, angle 2)"
    return f"Write {text}."


def _wrong_number(kind: str, tokens: list[Token]) -> Problem:
    return Problem(f"{kind} cannot have {len(tokens)} arguments", _usage(kind))


def _take_counts(kind: str, tokens: list[Token]) -> tuple[list[Token], tuple[int, ...]]:
    counts = [t for t in tokens if t.kind == "n"]
    if not counts:
        return tokens, ()
    if kind not in ("annulus", "ellipse", "box", "elliptannulus", "boxannulus") or len(counts) > 1:
        raise Problem(f"{counts[-1].text!r} has no meaning in {kind}", _usage(kind))
    return [t for t in tokens if t.kind != "n"], (int(counts[0].value),)


_ZERO = Token(0.0, "", "0")
# Kinds whose arguments are always the same: numbers of positions, of sizes, and whether an angle may follow.
_FIXED = {
    "circle": (1, 1, False),
    "point": (1, 0, False),
    "line": (2, 0, False),
    "field": (0, 0, False),
    "rectangle": (2, 0, True),
    "diamond": (1, 2, True),
}


def _layout(kind: str, t: list[Token]) -> _Layout:
    """Sort the arguments of a shape, whichever of its forms they have."""
    n = len(t)
    if kind in _FIXED:
        points, sizes, angle = _FIXED[kind]
        first = 2 * points
        if n != first + sizes and not (angle and n == first + sizes + 1):
            raise _wrong_number(kind, t)
        angles = [t[first + sizes] if n > first + sizes else _ZERO] if angle else []
        return _Layout(kind, t[:first], t[first : first + sizes], angles)
    if kind in ("panda", "epanda", "bpanda"):
        return _panda_layout(kind, t)
    if kind == "pie" and n == 6:
        return _Layout("panda", t[:2], t[2:4], t[4:6], (1, 1))
    if kind in ("pie", "sector"):
        if n != 4:
            raise _wrong_number(kind, t)
        return _Layout("sector", t[:2], [], t[2:])
    if kind == "polygon":
        if n < 6 or n % 2:
            raise _wrong_number(kind, t)
        return _Layout(kind, t, [], [])
    if kind == "annulus":
        if n < 4:
            raise _wrong_number(kind, t)
        return _Layout(kind, t[:2], t[2:], [])
    return _axes_layout(kind, t)


def _axes_layout(kind: str, t: list[Token]) -> _Layout:
    """Ellipses and boxes: x, y, then pairs of sizes, then no, one or two angles."""
    place, rest = t[:2], t[2:]
    plain = "box" if kind.startswith("box") else "ellipse"
    ring = "boxannulus" if plain == "box" else "elliptannulus"
    if len(rest) < (2 if kind == plain else 4):
        raise _wrong_number(kind, t)
    if len(rest) in (2, 3):
        return _Layout(plain, place, rest[:2], [rest[2] if len(rest) == 3 else _ZERO])
    if len(rest) % 2:
        return _Layout(ring, place, rest[:-1], [rest[-1], rest[-1]])
    # Six numbers: with two angles at the end (cfitsio), unless those are sizes by their units (DS9).
    if len(rest) == 6 and all(k.kind in ("", "d") for k in rest[4:]) and not all(k.kind == "d" for k in rest):
        return _Layout(ring, place, rest[:4], rest[4:])
    return _Layout(ring, place, rest, [_ZERO, _ZERO])


def _panda_layout(kind: str, t: list[Token]) -> _Layout:
    sizes = 2 if kind == "panda" else 4
    if len(t) not in ((8,) if kind == "panda" else (10, 11)):
        raise _wrong_number(kind, t)
    numbers = (t[4], t[5 + sizes])
    for token in numbers:
        if token.kind or token.value != int(token.value) or token.value < 1:
            raise Problem(f"{token.text!r} is not a number of subdivisions", _usage(kind))
    angles = t[2:4]
    if kind != "panda":
        angles = [*angles, t[10] if len(t) == 11 else _ZERO]
    return _Layout(kind, t[:2], t[5 : 5 + sizes], angles, (int(numbers[0].value), int(numbers[1].value)))


def _frame(kind: str, positions: list[Token], sizes: list[Token], context: Context) -> str:
    """Which frame a shape's positions are in, from the frame line or, without one, as cfitsio infers it."""
    if kind == "field":
        return context.frame or "physical"
    pixel_units = {t.kind for t in positions if t.kind in ("p", "i")}
    sky = any(t.celestial for t in positions)
    if pixel_units:
        if len(pixel_units) > 1 or sky or any(t.kind not in ("p", "i") for t in positions):
            raise Problem("positions mix pixels and other units", "Give all positions in one unit.")
        return "physical" if pixel_units == {"p"} else "image"
    if context.frame:
        pixels = context.frame in ("physical", "image", "detector")
        return "fk5" if pixels and sky else context.frame
    if sky or any(t.kind == "d" for t in sizes):
        context.inferred = True
        return "fk5"
    angular = any(t.kind in ('"', "'", "r") for t in sizes)
    if context.inferred and angular:
        return "fk5"
    if angular or context.inferred:
        bare = ", ".join(t.text for t in positions[:2])
        raise Problem(
            f"it is not clear whether {bare} are degrees or pixels, since no coordinate frame is named",
            "Put 'fk5' (degrees) or 'physical' (pixels) before the shape.",
        )
    return "physical"


def _points(tokens: list[Token], frame: str, kind: str) -> tuple[tuple[float, float], ...]:
    celestial = frame not in ("physical", "image", "detector")
    out: list[float] = []
    for k, token in enumerate(tokens):
        if token.kind in ('"', "'"):
            raise Problem(f"position {token.text!r} has a unit of size", _usage(kind))
        value = token.value
        if token.kind == "r":
            value = math.degrees(value)
        if token.kind == "colon" and k % 2 == 0 and frame in ("fk5", "icrs", "fk4"):
            if abs(value) > 24.0:
                raise Problem(f"right ascension {token.text!r} is more than 24 hours", _usage(kind))
            value *= 15.0
        if token.kind == "hms" and k % 2:
            raise Problem(f"latitude {token.text!r} is given in hours", _usage(kind))
        if not celestial and token.celestial:
            raise Problem(f"position {token.text!r} is no pixel number", _usage(kind))
        out.append(value)
    return tuple((out[i], out[i + 1]) for i in range(0, len(out), 2))


def _size(token: Token, frame: str, kind: str, context: Context) -> Length:
    if token.kind in ("colon", "hms", "dms"):
        raise Problem(f"size {token.text!r} is written as a position", _usage(kind))
    if token.kind:
        return Length(token.value, token.kind)
    if frame in ("physical", "image", "detector"):
        return Length(token.value)
    if not context.frame or context.sizes_unclear:
        raise Problem(
            f"size {token.text!r} has no unit, and no coordinate frame is named (degrees for DS9, pixels for cfitsio)",
            "Write for example " + f'{token.text}" (arcsec), {token.text}d (degrees) or {token.text}p (pixels).',
        )
    context.bare_sizes = True
    return Length(token.value, "d")


def _angle(token: Token, kind: str) -> float:
    if token.kind in ("", "d"):
        return token.value
    if token.kind == "r":
        return math.degrees(token.value)
    raise Problem(f"angle {token.text!r} is not in degrees", _usage(kind))
