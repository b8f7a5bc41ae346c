"""The functions of the two dialects, as NumPy operations on Values.

Meanings are those of CFITSIO's row-filter documentation (angles in radians, `near` and the shapes with inclusive edges
as its evaluator has them) and of the SAS selectlib documentation (`near` relative, half widths in `box`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wolter.expr._shapes import CFITSIO_SHAPES, SAS_SHAPES
from wolter.expr._values import Value, aligned, any_null

__all__ = ["FUNCTIONS", "NOT_ROWWISE", "Problem"]

NOT_ROWWISE = frozenset({"accum", "seqdiff"})
"""Functions whose value depends on other rows: they cannot be evaluated chunk by chunk."""


class Problem(Exception):
    """Arguments of a wrong kind or number; the evaluator adds the place."""


Function = Callable[[list[Value]], Value]


def _numbers(args: list[Value], *counts: int) -> None:
    if len(args) not in counts:
        wanted = " or ".join(str(c) for c in counts)
        raise Problem(f"takes {wanted} argument{'' if counts == (1,) else 's'}, got {len(args)}")
    for i, arg in enumerate(args):
        if not arg.numeric:
            raise Problem(f"needs a number as argument {i + 1}, got {arg.kind}")


def _float(function: np.ufunc, domain: Callable[[np.ndarray], np.ndarray] | None = None) -> Function:
    """A function of one real number; undefined outside its domain."""

    def apply(args: list[Value]) -> Value:
        _numbers(args, 1)
        x = args[0].as_float()
        null = args[0].null
        if domain is not None:
            inside = domain(x)
            if not inside.all():
                null = any_null(null, ~inside)
                x = np.where(inside, x, 1.0)
        return Value("float", function(x), null)

    return apply


def _absolute(args: list[Value]) -> Value:
    _numbers(args, 1)
    data = args[0].as_int() if args[0].kind == "int" else args[0].data
    return Value(args[0].kind, np.abs(data), args[0].null)


def _round(args: list[Value]) -> Value:
    _numbers(args, 1)
    return Value("float", np.floor(args[0].as_float() + 0.5), args[0].null)


def _extreme(pick: np.ufunc, fill: float) -> Function:
    """Smaller or larger of two (an undefined one does not count), or of the elements of a vector."""

    def apply(args: list[Value]) -> Value:
        _numbers(args, 1, 2)
        kind = "int" if all(a.kind == "int" for a in args) else "float"
        if len(args) == 1:
            x, null = args[0].as_float() if kind == "float" else args[0].as_int(), args[0].null
            if not args[0].vector:
                return Value(kind, x, null)
            if null is None:
                return Value(kind, pick.reduce(x, axis=-1), None)
            out = pick.reduce(np.where(null, fill, x.astype(np.float64)), axis=-1)
            empty = null.all(axis=-1)
            return Value(kind, np.where(empty, 0, out).astype(x.dtype), np.asarray(empty))
        (a, na), (b, nb) = aligned(args)
        out = pick(a, b)
        if na is None and nb is None:
            return Value(kind, out)
        na = np.broadcast_to(False if na is None else na, out.shape)
        nb = np.broadcast_to(False if nb is None else nb, out.shape)
        return Value(kind, np.where(na, b, np.where(nb, a, out)), na & nb)

    return apply


def _elements(value: Value) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (n, k) and where they are valid."""
    if value.kind == "bits":
        return value.data.astype(np.int64), np.ones(value.data.shape, dtype=bool)
    if value.kind == "str":
        raise Problem("does not take text")
    data = value.data.astype(np.int64) if value.kind == "bool" else value.data
    if data.ndim < 2:
        data = data.reshape(*data.shape, 1)
    null = (
        np.zeros(data.shape, bool)
        if value.null is None
        else np.broadcast_to(value.null.reshape(data.shape), data.shape)
    )
    return data, ~null


def _one(args: list[Value]) -> Value:
    if len(args) != 1:
        raise Problem(f"takes 1 argument, got {len(args)}")
    return args[0]


def _sum(args: list[Value]) -> Value:
    arg = _one(args)
    data, good = _elements(arg)
    kind = "float" if arg.kind == "float" else "int"
    data = data.astype(np.float64 if kind == "float" else np.int64)
    return Value(kind, np.where(good, data, 0).sum(axis=-1), np.asarray(~good.any(axis=-1)))


def _average(args: list[Value]) -> Value:
    data, good = _elements(_one(args))
    number = good.sum(axis=-1)
    total = np.where(good, data, 0.0).sum(axis=-1)
    return Value("float", total / np.maximum(number, 1), number == 0)


def _stddev(args: list[Value]) -> Value:
    """Sample standard deviation of the elements of a row (divided by N - 1)."""
    data, good = _elements(_one(args))
    number = good.sum(axis=-1)
    mean = np.where(good, data, 0.0).sum(axis=-1) / np.maximum(number, 1)
    square = np.where(good, (data - mean[..., None]) ** 2, 0.0).sum(axis=-1)
    return Value("float", np.sqrt(square / np.maximum(number - 1, 1)), number == 0)


def _median(args: list[Value]) -> Value:
    arg = _one(args)
    data, good = _elements(arg)
    number = good.sum(axis=-1)
    ordered = np.sort(np.where(good, data.astype(np.float64), np.inf), axis=-1)
    middle = np.maximum(number - 1, 0)
    low = np.take_along_axis(ordered, (middle // 2)[..., None], axis=-1)[..., 0]
    high = np.take_along_axis(ordered, ((middle + 1) // 2)[..., None], axis=-1)[..., 0]
    out = np.where(number > 0, 0.5 * (low + high), 0.0)
    return Value("float", out, number == 0)


def _nelem(args: list[Value]) -> Value:
    arg = _one(args)
    width = arg.data.shape[-1] if arg.kind == "bits" or arg.vector else 1
    return Value("int", np.asarray(width))


def _nvalid(args: list[Value]) -> Value:
    return Value("int", _elements(_one(args))[1].sum(axis=-1))


def _isnull(args: list[Value]) -> Value:
    arg = _one(args)
    if arg.kind == "bits":
        raise Problem("does not take bits, which cannot be undefined")
    null = np.zeros(arg.data.shape, bool) if arg.null is None else np.broadcast_to(arg.null, arg.data.shape)
    return Value("bool", null)


def _defnull(args: list[Value]) -> Value:
    if len(args) != 2:
        raise Problem(f"takes 2 arguments, got {len(args)}")
    first, second = args
    if not ((first.numeric and second.numeric) or first.kind == second.kind) or first.kind == "bits":
        raise Problem(f"needs two values of one kind, got {first.kind} and {second.kind}")
    kind = "float" if "float" in (first.kind, second.kind) else first.kind
    (a, na), (b, nb) = aligned(args)
    if na is None:
        return Value(kind, a)
    return Value(kind, np.where(na, b, a), None if nb is None else na & nb)


def _arctan2(args: list[Value]) -> Value:
    _numbers(args, 2)
    (a, na), (b, nb) = aligned(args)
    return Value("float", np.arctan2(a.astype(float), b.astype(float)), any_null(na, nb))


def _angsep(args: list[Value]) -> Value:
    """Great-circle distance of (ra1, dec1) and (ra2, dec2), all in degrees (haversine)."""
    _numbers(args, 4)
    parts = aligned(args)
    ra1, dec1, ra2, dec2 = (np.deg2rad(data.astype(float)) for data, _ in parts)
    half = np.sin(0.5 * (dec2 - dec1)) ** 2
    half = half + np.cos(dec1) * np.cos(dec2) * np.sin(0.5 * (ra2 - ra1)) ** 2
    out = np.rad2deg(2.0 * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0))))
    return Value("float", out, any_null(*(null for _, null in parts)))


def _near(args: list[Value]) -> Value:
    _numbers(args, 3)
    (a, na), (b, nb), (tol, nt) = aligned(args)
    return Value("bool", np.abs(a.astype(float) - b) < tol, any_null(na, nb, nt))


def _near_relative(args: list[Value]) -> Value:
    _numbers(args, 3)
    (a, na), (b, nb), (tol, nt) = aligned(args)
    return Value("bool", np.abs(a.astype(float) - b) <= np.abs(a) * tol, any_null(na, nb, nt))


def _shape(name: str, table: dict) -> Function:
    function, count = table[name]

    def apply(args: list[Value]) -> Value:
        if count is None:
            if len(args) < 8 or len(args) % 2:
                raise Problem("needs at least three corners and a point")
            _numbers(args, len(args))
        else:
            _numbers(args, count)
        parts = aligned(args)
        inside = function(*(data.astype(float) for data, _ in parts))
        return Value("bool", inside, any_null(*(null for _, null in parts)))

    return apply


def _accum(args: list[Value]) -> Value:
    """Running sum over rows; an undefined row adds nothing."""
    arg = _one(args)
    if arg.kind in ("str", "bits") or arg.data.ndim != 1:
        raise Problem("needs a column with one number a row")
    data = arg.as_float() if arg.kind == "float" else arg.as_int()
    return Value("float" if arg.kind == "float" else "int", np.cumsum(np.where(_nulls(arg), 0, data)), arg.null)


def _seqdiff(args: list[Value]) -> Value:
    """Difference from the row before; the first row keeps its value."""
    _numbers(args, 1)
    arg = args[0]
    if arg.data.ndim != 1:
        raise Problem("needs a column with one number a row")
    data = arg.as_float() if arg.kind == "float" else arg.as_int()
    null = _nulls(arg)
    return Value(arg.kind, np.diff(data, prepend=data.dtype.type(0)), null | np.concatenate(([False], null[:-1])))


def _nulls(value: Value) -> np.ndarray:
    return np.zeros(value.data.shape, bool) if value.null is None else np.broadcast_to(value.null, value.data.shape)


def _ifthenelse(args: list[Value]) -> Value:
    if len(args) != 3 or args[0].kind != "bool":
        raise Problem("takes a condition and two values")
    return choose(*args)


def choose(condition: Value, yes: Value, no: Value) -> Value:
    """``condition ? yes : no``; undefined where the condition or what it picks is."""
    if yes.kind != no.kind and not {yes.kind, no.kind} <= {"int", "float", "bool"}:
        raise Problem(f"has choices of two kinds, {yes.kind} and {no.kind}")
    if "bits" in (yes.kind, no.kind):
        raise Problem("cannot choose between bits")
    order = ["str", "bool", "int", "float"]
    kind = max(yes.kind, no.kind, key=order.index)
    (c, nc), (a, na), (b, nb) = aligned([condition, yes, no])
    null = None
    if na is not None or nb is not None:
        null = np.where(c, False if na is None else na, False if nb is None else nb)
    return Value(kind, np.where(c, a, b), any_null(null, nc))


def _text(change: Callable[[np.ndarray], np.ndarray]) -> Function:
    def apply(args: list[Value]) -> Value:
        arg = _one(args)
        if arg.kind != "str":
            raise Problem(f"needs text, got {arg.kind}")
        return Value("str", change(arg.data), arg.null)

    return apply


_UNIT_INTERVAL: Callable[[np.ndarray], np.ndarray] = lambda x: np.abs(x) <= 1.0  # noqa: E731
_COMMON: dict[str, Function] = {
    "sin": _float(np.sin),
    "cos": _float(np.cos),
    "tan": _float(np.tan),
    "asin": _float(np.arcsin, _UNIT_INTERVAL),
    "acos": _float(np.arccos, _UNIT_INTERVAL),
    "atan": _float(np.arctan),
    "sinh": _float(np.sinh),
    "cosh": _float(np.cosh),
    "tanh": _float(np.tanh),
    "exp": _float(np.exp),
    "log": _float(np.log, lambda x: x > 0),
    "log10": _float(np.log10, lambda x: x > 0),
    "sqrt": _float(np.sqrt, lambda x: x >= 0),
    "floor": _float(np.floor),
    "ceil": _float(np.ceil),
    "round": _round,
    "abs": _absolute,
    "min": _extreme(np.minimum, np.inf),
    "max": _extreme(np.maximum, -np.inf),
    "atan2": _arctan2,
}
_COMMON |= {"arcsin": _COMMON["asin"], "arccos": _COMMON["acos"], "arctan": _COMMON["atan"], "arctan2": _arctan2}

FUNCTIONS: dict[str, dict[str, Function]] = {
    "cfitsio": {
        **_COMMON,
        "sum": _sum,
        "average": _average,
        "stddev": _stddev,
        "median": _median,
        "nelem": _nelem,
        "nvalid": _nvalid,
        "isnull": _isnull,
        "defnull": _defnull,
        "angsep": _angsep,
        "near": _near,
        "accum": _accum,
        "seqdiff": _seqdiff,
        **{name: _shape(name, CFITSIO_SHAPES) for name in CFITSIO_SHAPES},
    },
    "sas": {
        **_COMMON,
        "near": _near_relative,
        "ifthenelse": _ifthenelse,
        "upper": _text(np.char.upper),
        "lower": _text(np.char.lower),
        **{name: _shape(name, SAS_SHAPES) for name in SAS_SHAPES},
    },
}
"""Functions by dialect and lower-case name."""
