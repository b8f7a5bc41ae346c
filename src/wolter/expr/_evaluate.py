"""Syntax tree and columns to values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from wolter.errors import suggest
from wolter.expr import _nodes as nodes
from wolter.expr._errors import fail
from wolter.expr._functions import FUNCTIONS, Problem, choose
from wolter.expr._values import Columns, Value, aligned, any_null, bits_equal, bits_order, bits_text, pad_bits

__all__ = ["Evaluator", "RowFunction"]

RowFunction = Callable[[Sequence[Any], Mapping[str, Any]], np.ndarray]
"""A function the caller supplies: (arguments, columns) -> value a row. Text arguments come as str, others as arrays."""

_CONSTANTS = {"pi": np.pi, "e": np.e, "deg": np.pi / 180.0}
_ORDER = {"<": np.less, ">": np.greater, "<=": np.less_equal, ">=": np.greater_equal}
_EQUAL = {"==": np.equal, "!=": np.not_equal}
_APPROXIMATELY = 1e-7  # tolerance of CFITSIO's ~ operator
_KINDS = {"int": "a number", "float": "a number", "bool": "a condition", "str": "text", "bits": "bits"}


class Evaluator:
    """One evaluation: the columns, keywords and functions of this time."""

    def __init__(
        self,
        text: str,
        dialect: str,
        columns: Columns,
        nrows: int,
        keywords: Mapping[str, Any],
        functions: Mapping[str, RowFunction],
        parse_macro: Callable[[str], nodes.Node],
    ) -> None:
        self.text = text
        self.dialect = dialect
        self.columns = columns
        self.nrows = nrows
        self.keywords = keywords
        self.functions = {name.lower(): function for name, function in functions.items()}
        self.builtin = FUNCTIONS[dialect]
        self.parse_macro = parse_macro
        self.macros: list[str] = []

    def fail(self, node: nodes.Node, cause: str, cure: str | None = None) -> NoReturn:
        raise fail(self.text, node.start, node.end, cause, cure)

    def value(self, node: nodes.Node) -> Value:
        """Value of any node."""
        return getattr(self, "_" + type(node).__name__.lower())(node)

    # -- leaves --------------------------------------------------------------------------------------------------
    def _constant(self, node: nodes.Constant) -> Value:
        if node.kind == "bits":
            return bits_text(node.value)
        return self._scalar(node, node.value)

    def _scalar(self, node: nodes.Node, value: Any) -> Value:
        if isinstance(value, bool | np.bool_):
            return Value("bool", np.asarray(value))
        if isinstance(value, int | np.integer):
            if not -(2**63) <= value < 2**63:
                self.fail(node, f"{value} does not fit into 64 bits")
            return Value("int", np.asarray(value, dtype=np.int64))
        if isinstance(value, float | np.floating):
            return Value("float", np.asarray(float(value)))
        if isinstance(value, str):
            return Value("str", np.asarray(value.rstrip()))
        self.fail(node, f"the value {value!r} cannot be used in an expression")

    def _name(self, node: nodes.Name) -> Value:
        if node.name in self.columns:
            value = self.columns.value(node.name)
            return self._shifted(value, node.offset) if node.offset else value
        if not node.offset:
            keyword = self._find_keyword(node.name)
            if keyword is not None:
                return self._scalar(node, keyword)
        self.fail(node, f"column {node.name!r} is not in the table", suggest(node.name, self.columns) or None)

    def _shifted(self, value: Value, offset: int) -> Value:
        """Row i takes the value of row i + offset; rows beyond the ends of the table are undefined."""
        source = np.arange(self.nrows) + offset
        outside = (source < 0) | (source >= self.nrows)
        source = np.clip(source, 0, max(self.nrows - 1, 0))
        if value.vector:
            outside = np.broadcast_to(outside[:, None], value.data.shape)
        null = outside if value.null is None else outside | value.null[source]
        return Value(value.kind, value.data[source], null)

    def _find_keyword(self, name: str) -> Any:
        """Value of a header keyword without regard to case, or None."""
        for key in (name, name.upper()):
            if key in self.keywords:
                return self.keywords[key]
        lowered = name.lower()
        return next((self.keywords[k] for k in self.keywords if str(k).lower() == lowered), None)

    def _keyword(self, node: nodes.Keyword) -> Value:
        name = node.name.lower()
        if name == "row":
            return Value("int", np.arange(1, self.nrows + 1))
        keyword = self._find_keyword(node.name)
        if keyword is None and self.dialect == "cfitsio":
            if name in _CONSTANTS:
                return Value("float", np.asarray(_CONSTANTS[name]))
            if name == "null":
                return Value("int", np.asarray(0), np.asarray(True))
            if name == "snull":
                return Value("str", np.asarray(""), np.asarray(True))
        if keyword is None:
            self.fail(node, f"keyword {node.name!r} is not known", suggest(node.name, map(str, self.keywords)) or None)
        if isinstance(keyword, str) and self.dialect == "sas":
            return self._macro(node, keyword)
        return self._scalar(node, keyword)

    def _macro(self, node: nodes.Keyword, text: str) -> Value:
        """A SAS attribute that holds an expression."""
        if node.name in self.macros:
            self.fail(node, f"attribute {node.name!r} refers to itself")
        self.macros.append(node.name)
        outer = self.text
        try:
            self.text = text
            return self.value(self.parse_macro(text))
        finally:
            self.text = outer
            self.macros.pop()

    def _vector(self, node: nodes.Vector) -> Value:
        items = [self.value(item) for item in node.items]
        for item, part in zip(items, node.items, strict=True):
            if item.kind not in ("int", "float", "bool"):
                self.fail(part, f"a vector cannot hold {_KINDS[item.kind]}")
        kind = max((i.kind for i in items), key=["bool", "int", "float"].index, default="float")
        pieces = [
            np.broadcast_to(
                i.data if i.vector else i.data[..., None], (self.nrows, i.data.shape[-1] if i.vector else 1)
            )
            for i in items
        ]
        nulls = [
            np.broadcast_to(False if i.null is None else (i.null if i.null.ndim > 1 else i.null[..., None]), p.shape)
            for i, p in zip(items, pieces, strict=True)
        ]
        null = np.concatenate(nulls, axis=1)
        return Value(kind, np.concatenate(pieces, axis=1), null if null.any() else None)

    # -- operators -----------------------------------------------------------------------------------------------
    def _unary(self, node: nodes.Unary) -> Value:
        value = self.value(node.operand)
        if node.op == "-":
            if not value.numeric:
                self.fail(node, f"the sign - needs a number, got {_KINDS[value.kind]}")
            data = -(value.as_int() if value.kind == "int" else value.data)
            return Value(value.kind, data, value.null)
        if node.op == "~":
            if value.kind != "int":
                self.fail(node, f"~ needs an integer, got {_KINDS[value.kind]}")
            return Value("int", ~value.as_int(), value.null)
        if value.kind == "bits":
            return Value("bits", ~value.data, value.null, value.wild)
        if value.kind != "bool":
            self.fail(node, f"! needs a condition, got {_KINDS[value.kind]}")
        return Value("bool", ~value.data, value.null)

    def _notchoice(self, node: nodes.NotChoice) -> Value:
        kind = self.value(node.operand).kind
        return self.value(node.tight if kind in ("bool", "bits") else node.loose)

    def _cast(self, node: nodes.Cast) -> Value:
        value = self.value(node.operand)
        if value.kind not in ("int", "float", "bool"):
            self.fail(node, f"({node.kind}) needs a number or a condition, got {_KINDS[value.kind]}")
        if node.kind == "float":
            return Value("float", value.as_float(), value.null)
        if value.kind == "float":
            return self._integers(value.data, value.null)
        return Value("int", value.as_int(), value.null)

    def _integers(self, data: np.ndarray, null: np.ndarray | None) -> Value:
        """Real numbers cut to integers as C does; what does not fit is undefined."""
        bad = ~(np.abs(data) < 2.0**63)
        if bad.any():
            null = any_null(null, bad)
            data = np.where(bad, 0.0, data)
        return Value("int", np.trunc(data).astype(np.int64), null)

    def _binary(self, node: nodes.Binary) -> Value:
        chain = []  # a long chain of || must not become a deep recursion
        left: nodes.Node = node
        while isinstance(left, nodes.Binary):
            chain.append(left)
            left = left.left
        value = self.value(left)
        for part in reversed(chain):
            value = self._operation(part, value, self.value(part.right))
        return value

    def _operation(self, node: nodes.Binary, a: Value, b: Value) -> Value:
        op = node.op
        if op in ("&&", "||"):
            return self._logical(node, a, b)
        if a.kind == "bits" or b.kind == "bits":
            return self._bits(node, a, b)
        if op in _EQUAL or op in _ORDER or (op == "~" and self.dialect == "cfitsio"):
            return self._comparison(node, a, b)
        if op in ("&", "|", "<<", ">>"):
            return self._integer_bits(node, a, b)
        if a.kind == b.kind == "str" and op == "+":
            (x, nx), (y, ny) = aligned([a, b])
            return Value("str", np.char.add(x, y), any_null(nx, ny))
        if op == "*" and "bool" in (a.kind, b.kind) and (a.numeric or b.numeric):
            a, b = (Value("int", v.data.astype(np.int64), v.null) if v.kind == "bool" else v for v in (a, b))
        return self._arithmetic(node, a, b)

    def _mismatch(self, node: nodes.Binary, a: Value, b: Value, cure: str | None = None) -> NoReturn:
        at = node.at
        word = next((w for w in (node.op, "**") if self.text.startswith(w, at)), "")
        end = at + max(len(word), 1)
        shown = word or node.op
        raise fail(self.text, at, end, f"{shown!r} cannot join {_KINDS[a.kind]} and {_KINDS[b.kind]}", cure)

    def _logical(self, node: nodes.Binary, a: Value, b: Value) -> Value:
        if a.kind != "bool" or b.kind != "bool":
            cure = None
            if "bits" in (a.kind, b.kind):
                cure = "Compare a bit column with a bit constant, e.g. ==b1."
            elif a.numeric or b.numeric:
                cure = "Compare a number with something, e.g. !=0."
            self._mismatch(node, a, b, cure)
        (x, nx), (y, ny) = aligned([a, b])
        both = node.op == "&&"
        out = (x & y) if both else (x | y)
        if nx is None and ny is None:
            return Value("bool", out)
        # One decided operand decides: false && undefined is false, true || undefined is true.
        fx = False if nx is None else nx
        fy = False if ny is None else ny
        decided_x = ~np.asarray(fx) & (x != both)
        decided_y = ~np.asarray(fy) & (y != both)
        decided = decided_x | decided_y
        null = np.broadcast_to((fx | np.asarray(fy)) & ~decided, out.shape)
        return Value("bool", np.where(decided, not both, out), null)

    def _bits(self, node: nodes.Binary, a: Value, b: Value) -> Value:
        if {a.kind, b.kind} == {"bool", "bits"} and node.op in ("==", "!="):
            a, b = (Value("bits", v.data.reshape(-1, 1), None) if v.kind == "bool" else v for v in (a, b))
        if a.kind != b.kind:
            self._mismatch(node, a, b, "Write the constant as bits, e.g. b0001; x stands for any bit.")
        null = any_null(a.null, b.null)
        if node.op in _EQUAL:
            same = bits_equal(a, b)
            return Value("bool", same if node.op == "==" else ~same, null)
        if node.op in _ORDER:
            x, y = bits_order(a, b)
            return Value("bool", _ORDER[node.op](x, y), null)
        if node.op == "+":
            rows = max(a.data.ndim, b.data.ndim) > 1
            parts = [np.broadcast_to(v.data, (self.nrows, v.data.shape[-1])) if rows else v.data for v in (a, b)]
            wild = None
            if a.wild is not None or b.wild is not None:
                wilds = [np.zeros(v.data.shape[-1], bool) if v.wild is None else v.wild for v in (a, b)]
                wild = np.concatenate([np.broadcast_to(w, p.shape) for w, p in zip(wilds, parts, strict=True)], -1)
            return Value("bits", np.concatenate(parts, axis=-1), null, wild)
        if node.op not in ("&", "|"):
            self._mismatch(node, a, b)
        a, b = pad_bits(a, b)
        if node.op == "&":
            return Value("bits", a.data & b.data, null, any_null(a.wild, b.wild))
        return Value("bits", a.data | b.data, null, self._wild_or(a, b))

    @staticmethod
    def _wild_or(a: Value, b: Value) -> np.ndarray | None:
        """CFITSIO's rule for |: 1 wins, then 0, and x | x is x."""
        if a.wild is None or b.wild is None:
            return None
        return a.wild & b.wild

    def _integer_bits(self, node: nodes.Binary, a: Value, b: Value) -> Value:
        if self.dialect == "cfitsio":
            cure = "It works on bit columns, with constants such as b0001; integers can be masked in the SAS dialect."
            self._mismatch(node, a, b, cure)
        if a.kind != "int" or b.kind != "int":
            self._mismatch(node, a, b)
        (x, nx), (y, ny) = aligned([Value("int", a.as_int(), a.null), Value("int", b.as_int(), b.null)])
        function = {"&": np.bitwise_and, "|": np.bitwise_or, "<<": np.left_shift, ">>": np.right_shift}[node.op]
        return Value("int", function(x, y), any_null(nx, ny))

    def _comparison(self, node: nodes.Binary, a: Value, b: Value) -> Value:
        compatible = (a.numeric and b.numeric) or a.kind == b.kind
        if not compatible or (a.kind == "bool" and node.op not in _EQUAL):
            self._mismatch(node, a, b)
        (x, nx), (y, ny) = aligned([a, b])
        if node.op == "~":
            if not a.numeric:
                self._mismatch(node, a, b)
            out = np.abs(x.astype(float) - y) < _APPROXIMATELY
        else:
            # A Python integer is compared in the width of the column, without a copy of it in 64 bits.
            if a.kind == b.kind == "int":
                x, y = (int(v) if v.ndim == 0 else v for v in (x, y))
            out = np.asarray((_EQUAL.get(node.op) or _ORDER[node.op])(x, y))
        return Value("bool", out, any_null(nx, ny))

    def _arithmetic(self, node: nodes.Binary, a: Value, b: Value) -> Value:
        if not (a.numeric and b.numeric):
            self._mismatch(node, a, b)
        integer = a.kind == b.kind == "int"
        if integer:
            a, b = Value("int", a.as_int(), a.null), Value("int", b.as_int(), b.null)
        else:
            a, b = Value("float", a.as_float(), a.null), Value("float", b.as_float(), b.null)
        (x, nx), (y, ny) = aligned([a, b])
        null = any_null(nx, ny)
        op = node.op
        if op in ("/", "%"):
            zero = y == 0
            if zero.any():  # division by zero is undefined
                null = any_null(null, zero)
                y = np.where(zero, 1, y)
        if op == "^":
            out = np.power(x.astype(np.float64), y.astype(np.float64))
            if np.isnan(out).any():
                null = any_null(null, np.isnan(out))
            return self._integers(np.nan_to_num(out), null) if integer else Value("float", out, null)
        return Value("int" if integer else "float", _ARITHMETIC[op](x, y, integer), null)

    def _conditional(self, node: nodes.Conditional) -> Value:
        condition = self.value(node.condition)
        if condition.kind != "bool":
            self.fail(node.condition, f"'?' needs a condition before it, got {_KINDS[condition.kind]}")
        try:
            return choose(condition, self.value(node.yes), self.value(node.no))
        except Problem as problem:
            self.fail(node, f"'?:' {problem}")

    def _between(self, operand: Value, lo: Value, hi: Value) -> Value:
        (x, nx), (a, na), (b, nb) = aligned([operand, lo, hi])
        return Value("bool", (x >= a) & (x <= b), any_null(nx, na, nb))

    def _range(self, node: nodes.Range) -> Value:
        parts = [self.value(part) for part in (node.operand, node.lo, node.hi)]
        for value, part in zip(parts, (node.operand, node.lo, node.hi), strict=True):
            if not value.numeric:
                self.fail(part, f"a range needs numbers, got {_KINDS[value.kind]}")
        return self._between(*parts)

    def _members(self, node: nodes.Members) -> Value:
        operand = self.value(node.operand)
        if not operand.numeric:
            self.fail(node.operand, f"'in' needs a number, got {_KINDS[operand.kind]}")
        inside: np.ndarray | None = None
        for interval in node.intervals:
            one = self._interval(operand, interval)
            inside = one if inside is None else inside | one
        assert inside is not None
        return Value("bool", inside, operand.null)

    def _interval(self, operand: Value, interval: nodes.Interval) -> np.ndarray:
        out = np.ones(operand.data.shape, dtype=bool)
        for limit, closed, strict, loose in (
            (interval.lo, interval.lo_closed, np.greater, np.greater_equal),
            (interval.hi, interval.hi_closed, np.less, np.less_equal),
        ):
            if limit is None:
                continue
            value = self.value(limit)
            if not value.numeric:
                self.fail(limit, f"an interval needs numbers, got {_KINDS[value.kind]}")
            (x, _), (y, _) = aligned([operand, value])
            out = out & (loose if closed else strict)(x, y)
        return out

    def _index(self, node: nodes.Index) -> Value:
        value = self.value(node.operand)
        if not value.vector and not (value.kind == "bits" and value.data.ndim == 2):
            self.fail(node.operand, "a single value cannot be indexed")
        if len(node.indices) != 1:
            self.fail(node, "only vectors of one dimension can be indexed here")
        (position,) = node.indices
        index = self.value(position)
        if index.kind != "int" or index.data.ndim:
            self.fail(position, "an index must be one whole number")
        i, width = int(index.data), value.data.shape[-1]
        if not 1 <= i <= width:
            self.fail(position, f"index {i} is outside 1..{width}")
        null = value.null[..., i - 1] if value.null is not None and value.kind != "bits" else value.null
        if value.kind == "bits":
            return Value("bits", value.data[:, i - 1 : i], null)
        return Value(value.kind, value.data[..., i - 1], null)

    def _call(self, node: nodes.Call) -> Value:
        supplied = self.functions.get(node.name)
        if supplied is not None:
            return self._supplied(node, supplied)
        function = self.builtin.get(node.name)
        if function is None:
            known = [*self.builtin, *self.functions]
            cure = "Write a % b for the remainder." if node.name == "mod" else suggest(node.name, known)
            self.fail(node, f"function {node.name!r} is not available", cure or None)
        arguments = [self.value(argument) for argument in node.arguments]
        try:
            return function(arguments)
        except Problem as problem:
            self.fail(node, f"{node.name}() {problem}")

    def _supplied(self, node: nodes.Call, function: RowFunction) -> Value:
        arguments: list[Any] = []
        nulls: np.ndarray | None = None
        for argument in node.arguments:
            value = self.value(argument)
            if value.kind == "str" and value.data.ndim == 0:
                arguments.append(str(value.data))
            else:
                arguments.append(value.data)
                nulls = any_null(nulls, value.null)
        out = np.asarray(function(arguments, self.columns))
        if out.shape not in ((), (self.nrows,)):
            self.fail(node, f"{node.name}() gave {out.shape} values for {self.nrows} rows")
        kind = {"b": "bool", "i": "int", "u": "int", "f": "float"}.get(out.dtype.kind)
        if kind is None:
            self.fail(node, f"{node.name}() gave values of type {out.dtype}")
        return Value(kind, out, nulls)


def _divide(x: np.ndarray, y: np.ndarray, integer: bool) -> np.ndarray:
    if not integer:
        return x / y
    return x // y + ((x % y != 0) & ((x < 0) != (y < 0)))  # towards zero, as in C


def _modulo(x: np.ndarray, y: np.ndarray, integer: bool) -> np.ndarray:
    return np.fmod(x, y)


_ARITHMETIC: dict[str, Callable[[np.ndarray, np.ndarray, bool], np.ndarray]] = {
    "+": lambda x, y, integer: x + y,
    "-": lambda x, y, integer: x - y,
    "*": lambda x, y, integer: x * y,
    "/": _divide,
    "%": _modulo,
}
