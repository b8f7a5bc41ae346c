"""The parsed expression and its evaluation over columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import numpy as np

from wolter.errors import ExpressionError, suggest
from wolter.expr import _nodes as nodes
from wolter.expr._errors import fail
from wolter.expr._evaluate import Evaluator, RowFunction
from wolter.expr._functions import FUNCTIONS, NOT_ROWWISE
from wolter.expr._parser import parse_tree
from wolter.expr._values import BitColumn, Columns, Value

__all__ = ["DIALECTS", "Dialect", "Expression", "parse", "read_columns"]

Dialect: TypeAlias = Literal["cfitsio", "sas"]
DIALECTS: tuple[Dialect, ...] = ("cfitsio", "sas")


@dataclass(frozen=True)
class Expression:
    """A row expression: a condition that selects rows, or a number for every row. Made by `parse`.

    Attributes
    ----------
    text : str
        As it was written.
    dialect : {"cfitsio", "sas"}
        Whose grammar and functions apply.
    names : frozenset of str
        Columns it refers to, as written (they are matched without regard to case). In the cfitsio dialect a name may
        also stand for a header keyword when the table has no such column.
    keywords : frozenset of str
        ``#NAME``s it refers to, constants such as ``#pi`` excepted.
    functions : frozenset of str
        Functions it calls that are not built in (``gtifilter``, ``regfilter``, ``gti``, ``region``...), lower case: the
        caller must supply them.
    rowwise : bool
        Whether every row can be judged alone. If not (``col{-1}``, ``#row``, ``accum``, ``seqdiff``) the whole table
        must be evaluated at once.
    """

    text: str
    dialect: Dialect
    names: frozenset[str]
    keywords: frozenset[str]
    functions: frozenset[str]
    rowwise: bool
    tree: nodes.Node = field(repr=False, compare=False)

    def evaluate(
        self,
        columns: Mapping[str, Any],
        *,
        keywords: Mapping[str, Any] | None = None,
        functions: Mapping[str, RowFunction] | None = None,
        nrows: int | None = None,
    ) -> np.ndarray:
        """Value of the expression in every row.

        Parameters
        ----------
        columns : mapping of str to array, shape (n,), (n, k) or masked
            Columns by name, without regard to case. NaN and masked elements are undefined; boolean arrays (n, k) and
            `BitColumn` are bit columns.
        keywords : mapping, optional
            Header keywords for ``#NAME``. In the SAS dialect a text value is itself an expression, so that flags whose
            meaning belongs to a mission are given here by the caller.
        functions : mapping of str to callable, optional
            Functions that are not built in: called as ``f(arguments, columns)`` with text arguments as str and others
            as arrays, must return one value a row.
        nrows : int, optional
            Number of rows; needed only if there are no columns to tell it.

        Returns
        -------
        ndarray, shape (n,) or (n, k)
            Conditions: bool, False where undefined. Real numbers: NaN where undefined. Integers: int64, masked if any
            is undefined. Text as str. Bits as bool (n, r).

        Raises
        ------
        ExpressionError
            Unknown column, keyword or function (with the nearest names), or operands of the wrong kind.
        """
        return _result(self._value(columns, keywords, functions, nrows))

    def select(
        self,
        columns: Mapping[str, Any],
        *,
        keywords: Mapping[str, Any] | None = None,
        functions: Mapping[str, RowFunction] | None = None,
        nrows: int | None = None,
    ) -> np.ndarray:
        """Rows that satisfy the condition; arguments as in `evaluate`.

        Returns
        -------
        ndarray of bool, shape (n,)

        Raises
        ------
        ExpressionError
            As `evaluate`, and if the expression is no condition with one answer a row.
        """
        value = self._value(columns, keywords, functions, nrows)
        if value.kind != "bool" or value.data.ndim != 1:
            kind = (
                "gives several answers a row" if value.kind == "bool" else f"is not a condition but gives {value.kind}"
            )
            raise fail(self.text, 0, len(self.text), f"the expression {kind}", "Compare with a value, e.g. PI>=50.")
        return _result(value)

    def columns_of(self, columns: Iterable[str], keywords: Mapping[str, Any] | None = None) -> list[str]:
        """Names of the expression that are columns of a table; the others must be header keywords.

        Parameters
        ----------
        columns : iterable of str
            Columns of the table; case does not matter.
        keywords : mapping, optional
            Header keywords, which names may mean in the cfitsio dialect.

        Returns
        -------
        list of str
            Sorted, as the table spells them.

        Raises
        ------
        ExpressionError
            For a name that is neither, with carets below it.
        """
        present = {name.upper(): name for name in columns}
        headers = {str(key).upper() for key in keywords or ()}
        for node in sorted((n for n in nodes.walk(self.tree) if isinstance(n, nodes.Name)), key=lambda n: n.start):
            if node.name.upper() not in present and (node.offset or node.name.upper() not in headers):
                cure = suggest(node.name, present.values()) or f"The table has {', '.join(present.values())}."
                raise fail(self.text, node.start, node.end, f"column {node.name!r} is not in the table", cure)
        return sorted({present[name.upper()] for name in self.names if name.upper() in present})

    def _value(
        self,
        columns: Mapping[str, Any],
        keywords: Mapping[str, Any] | None,
        functions: Mapping[str, RowFunction] | None,
        nrows: int | None,
    ) -> Value:
        table = Columns(columns)
        rows = _count_rows(table, self.names, nrows)
        evaluator = Evaluator(
            self.text,
            self.dialect,
            table,
            rows,
            keywords or {},
            functions or {},
            lambda text: _tree(text, self.dialect),
        )
        with np.errstate(all="ignore"):
            value = evaluator.value(self.tree)
        if value.kind == "bits":
            return Value("bits", np.broadcast_to(value.data, (rows, value.data.shape[-1])), value.null)
        shape = (rows,) if value.data.ndim < 2 else (rows, value.data.shape[1])
        null = None if value.null is None else np.broadcast_to(value.null, shape)
        return Value(value.kind, np.broadcast_to(value.data, shape), null)


def _count_rows(table: Columns, names: frozenset[str], nrows: int | None) -> int:
    if nrows is not None:
        return nrows
    for name in names:
        if name in table:
            raw = table[name]
            return len(raw.bits if isinstance(raw, BitColumn) else raw)
    for name in table:
        raw = table[name]
        return len(raw.bits if isinstance(raw, BitColumn) else raw)
    if any(name for name in names):
        return 0  # the unknown name is reported when it is evaluated
    raise ExpressionError("there are no columns to tell the number of rows", cure="Pass nrows=.")


def _result(value: Value) -> np.ndarray:
    data, null = value.data, value.null
    if value.kind == "bool":
        return data & ~null if null is not None else np.array(data, dtype=bool)
    if value.kind == "float":
        return np.where(null, np.nan, data) if null is not None else np.array(data)
    if value.kind == "int":
        data = data.astype(np.int64)
        return np.ma.MaskedArray(data, mask=null) if null is not None and null.any() else data
    if value.kind == "str" and null is not None:
        return np.where(null, "", data)
    return np.array(data)


@lru_cache(maxsize=256)
def _tree(text: str, dialect: str) -> nodes.Node:
    return parse_tree(text, dialect)


_BUILT_IN_KEYWORDS = {"cfitsio": frozenset({"pi", "e", "deg", "row", "null", "snull"}), "sas": frozenset({"row"})}


def parse(text: str, dialect: Dialect = "cfitsio", *, keywords: Mapping[str, Any] | None = None) -> Expression:
    """Parse a row expression.

    Parameters
    ----------
    text : str
        The expression, e.g. ``PI>=50&&PI<200&&STATUS==b0000xx00`` or, for SAS, ``(PI in [200:12000]) && #GOOD``.
    dialect : {"cfitsio", "sas"}
        CFITSIO's row filters, as maketime and fselect use them, or SAS's selectlib.
    keywords : mapping, optional
        SAS only: attributes whose text is an expression, so that `names` includes the columns those use. They must be
        given to `evaluate` again.

    Returns
    -------
    Expression

    Raises
    ------
    ExpressionError
        The message shows the text with carets below the place.
    """
    if dialect not in DIALECTS:
        raise ExpressionError(f"dialect {dialect!r} is not known", cure="Use 'cfitsio' or 'sas'.")
    tree = _tree(text, dialect)
    names: set[str] = set()
    used: set[str] = set()
    called: set[str] = set()
    rowwise = True
    for node in _all_nodes(tree, dialect, keywords or {}):
        if isinstance(node, nodes.Name):
            names.add(node.name)
            rowwise &= node.offset == 0
        elif isinstance(node, nodes.Keyword):
            rowwise &= node.name.lower() != "row"
            if node.name.lower() not in _BUILT_IN_KEYWORDS[dialect]:
                used.add(node.name)
        elif isinstance(node, nodes.Call):
            rowwise &= node.name not in NOT_ROWWISE
            if node.name not in FUNCTIONS[dialect]:
                called.add(node.name)
    return Expression(text, dialect, frozenset(names), frozenset(used), frozenset(called), rowwise, tree)


def _all_nodes(tree: nodes.Node, dialect: Dialect, keywords: Mapping[str, Any]) -> Iterable[nodes.Node]:
    """Nodes of the expression and of the SAS attributes it refers to."""
    upper = {str(k).upper(): v for k, v in keywords.items()}
    seen: set[str] = set()
    pending = [tree]
    while pending:
        for node in nodes.walk(pending.pop()):
            yield node
            if dialect == "sas" and isinstance(node, nodes.Keyword):
                name = node.name.upper()
                if name not in seen and isinstance(upper.get(name), str):
                    seen.add(name)
                    pending.append(_tree(upper[name], dialect))


def read_columns(table: Any, names: Iterable[str], rows: slice | None = None) -> dict[str, Any]:
    """Columns of a table HDU as expressions need them: TNULL masked, bit columns marked.

    Parameters
    ----------
    table : wolter.fits.TableHDU
    names : iterable of str
        Names as in `Expression.names`; those that are no columns are left out (they may be keywords).
    rows : slice, optional
        Row range.

    Returns
    -------
    dict of str to ndarray, masked array or BitColumn
    """
    present = [name for name in names if name in table.columns]
    out: dict[str, Any] = dict(table.read(present, rows=rows, null="mask"))
    for name in present:
        if table.columns[name].format.lstrip("0123456789")[:1] == "X":
            out[name] = BitColumn(np.asarray(out[name], dtype=bool))
    return out
