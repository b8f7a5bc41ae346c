"""ADQL's functions in SQLite: which names mean what, and the spherical geometry."""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from wolter.errors import ArchiveError
from wolter.sky import separation

__all__ = ["AGGREGATES", "FUNCTIONS", "geometry_test", "point_distance", "register"]

AGGREGATES = frozenset({"count", "sum", "avg", "min", "max"})


def _separation(ra1: Any, dec1: Any, ra2: Any, dec2: Any) -> float | None:
    """Angle between two directions (all degrees); NULL if one of the numbers is."""
    if None in (ra1, dec1, ra2, dec2):
        return None
    return separation(float(ra1), float(dec1), float(ra2), float(dec2))


def _in_box(ra: Any, dec: Any, ra0: Any, dec0: Any, width: Any, height: Any) -> int | None:
    """Inside a coordinate box: dec within half the height, right ascension within half the width over cos(dec0)."""
    if None in (ra, dec, ra0, dec0, width, height):
        return None
    if abs(float(dec) - float(dec0)) > float(height) / 2:
        return 0
    shift = (float(ra) - float(ra0) + 180.0) % 360.0 - 180.0
    scale = max(math.cos(math.radians(float(dec0))), 1e-9)
    return int(abs(shift) * scale <= float(width) / 2)


def _in_polygon(ra: Any, dec: Any, *corners: Any) -> int | None:
    """Inside a polygon on the sphere (less than a hemisphere), in the gnomonic plane about its middle.

    Great circles are straight lines there, so the plane's even-odd rule is exact.
    """
    if ra is None or dec is None or any(c is None for c in corners):
        return None
    vectors = [_vector(float(a), float(d)) for a, d in zip(corners[::2], corners[1::2], strict=True)]
    middle = [sum(v[i] for v in vectors) for i in range(3)]
    norm = math.sqrt(sum(m * m for m in middle))
    if norm == 0:
        return 0
    w = [m / norm for m in middle]
    u = [-w[1], w[0], 0.0] if abs(w[2]) < 0.9 else [0.0, -w[2], w[1]]
    length = math.sqrt(sum(x * x for x in u))
    u = [x / length for x in u]
    v = [w[1] * u[2] - w[2] * u[1], w[2] * u[0] - w[0] * u[2], w[0] * u[1] - w[1] * u[0]]

    def plane(p: Sequence[float]) -> tuple[float, float] | None:
        z = sum(a * b for a, b in zip(p, w, strict=True))
        if z <= 1e-9:
            return None
        return sum(a * b for a, b in zip(p, u, strict=True)) / z, sum(a * b for a, b in zip(p, v, strict=True)) / z

    point, flat = plane(_vector(float(ra), float(dec))), [plane(p) for p in vectors]
    if point is None or any(f is None for f in flat):
        return 0
    x, y = point
    inside = False
    for i, corner in enumerate(flat):
        (x1, y1), (x2, y2) = corner, flat[i - 1]  # type: ignore[misc]
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
    return int(inside)


def _vector(ra: float, dec: float) -> tuple[float, float, float]:
    a, d = math.radians(ra), math.radians(dec)
    return math.cos(d) * math.cos(a), math.cos(d) * math.sin(a), math.sin(d)


def _like(value: Any, pattern: Any, fold: int) -> int | None:
    if value is None or pattern is None:
        return None
    parts = (".*" if c == "%" else "." if c == "_" else re.escape(c) for c in str(pattern))
    flags = re.DOTALL | (re.IGNORECASE if fold else 0)
    return int(re.fullmatch("".join(parts), str(value), flags) is not None)


def _split_part(value: Any, separator: Any, number: Any) -> str | None:
    if value is None:
        return None
    parts = str(value).split(str(separator)) if separator else [str(value)]
    n = int(number)
    return parts[n - 1] if 1 <= n <= len(parts) else ""


def _math(function: Callable[..., float]) -> Callable[..., float | None]:
    def call(*values: Any) -> float | None:
        if any(v is None for v in values):
            return None
        try:
            return function(*(float(v) for v in values))
        except (ValueError, OverflowError, ZeroDivisionError):
            return None

    return call


_NUMERIC: dict[str, Callable[..., float]] = {
    "ceiling": math.ceil, "floor": math.floor, "exp": math.exp, "log": math.log, "log10": math.log10,
    "sqrt": math.sqrt, "power": math.pow, "mod": math.fmod, "degrees": math.degrees, "radians": math.radians,
    "sin": math.sin, "cos": math.cos, "tan": math.tan, "asin": math.asin, "acos": math.acos, "atan": math.atan,
    "atan2": math.atan2, "truncate": lambda x, n=0.0: math.trunc(x * 10**n) / 10**n, "pi": lambda: math.pi,
    "cot": lambda x: 1.0 / math.tan(x),
}  # fmt: skip
_OTHER: dict[str, Callable[..., Any]] = {
    "adql_distance": _separation, "adql_in_box": _in_box, "adql_in_polygon": _in_polygon, "adql_like": _like,
    "adql_split_part": _split_part,
}  # fmt: skip
# ADQL's name -> SQLite's
FUNCTIONS: dict[str, str] = {
    **{name: f"adql_{name}" for name in _NUMERIC},
    "abs": "abs", "round": "round", "upper": "upper", "lower": "lower", "length": "length", "char_length": "length",
    "coalesce": "coalesce", "nullif": "nullif", "trim": "trim", "ltrim": "ltrim", "rtrim": "rtrim",
    "substring": "substr", "substr": "substr", "replace": "replace", "split_part": "adql_split_part",
}  # fmt: skip


def register(connection: sqlite3.Connection) -> None:
    """Give a connection ADQL's functions."""
    for name, function in _NUMERIC.items():
        connection.create_function(f"adql_{name}", -1, _math(function), deterministic=True)
    for name, function in _OTHER.items():
        connection.create_function(name, -1, function, deterministic=True)


def point_distance(numbers: Sequence[Any]) -> list[Any]:
    """SQL of the distance between two points (deg)."""
    a, b, c, d = numbers
    return ["adql_distance(", a, ", ", b, ", ", c, ", ", d, ")"]


def geometry_test(name: str, first: tuple[str, list[Any]], second: tuple[str, list[Any]]) -> list[Any]:
    """SQL (1 or 0) of CONTAINS or INTERSECTS."""
    (kind, a), (region, b) = first, second
    if name == "intersects" and region == "point" and kind != "point":
        (kind, a), (region, b) = second, first
    if kind == "point" and region == "circle":
        near = ["(", a[1], " BETWEEN ", b[1], " - ", b[2], " AND ", b[1], " + ", b[2]]  # cheap test first
        return [*near, " AND ", *point_distance([*a, *b[:2]]), " <= ", b[2], ")"]
    if kind == "point" and region == "box":
        return ["adql_in_box(", a[0], ", ", a[1], *(x for n in b for x in (", ", n)), ")"]
    if kind == "point" and region == "polygon":
        return ["adql_in_polygon(", a[0], ", ", a[1], *(x for n in b for x in (", ", n)), ")"]
    if kind == "circle" and region == "circle":
        distance = point_distance([*a[:2], *b[:2]])
        if name == "contains":
            return ["(", *distance, " + ", a[2], " <= ", b[2], ")"]
        return ["(", *distance, " <= ", a[2], " + ", b[2], ")"]
    raise ArchiveError(f"{name.upper()} of {kind.upper()} and {region.upper()} is not supported here")
