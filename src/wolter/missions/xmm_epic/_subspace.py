"""Data subspace of SAS products: what a selection expression says about columns, as DSTYPn, DSVALn, DSREFn.

Forms of the values as in headers of SAS products: ``500:2000`` (ends included), ``(200:12000)`` (ends excluded),
``:12``, ``0``, and bits from the highest one tested to the lowest, ``b00xx00000x0...``, for masked flags.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from wolter import fits
from wolter.expr import Expression, parse
from wolter.expr import _nodes as nodes

__all__ = ["Term", "conjuncts", "expanded", "subspace_terms", "write_subspace"]


@dataclass(frozen=True)
class Term:
    """One condition of the data subspace: column, value, and the format of the value (``X`` for bits)."""

    name: str
    value: str
    form: str = ""


def expanded(text: str, header: fits.Header) -> str:
    """The expression with ``#NAME`` replaced by the header's text of that name, as SLCTEXPR has it."""

    def value(match: re.Match[str]) -> str:
        known = header.get(match[1].upper())
        return str(known).strip() if isinstance(known, str) else match[0]

    return re.sub(r"#([A-Za-z_]\w*)", value, text)


def conjuncts(node: nodes.Node) -> Iterator[nodes.Node]:
    """Conditions that a tree joins by ``&&``."""
    if isinstance(node, nodes.Binary) and node.op == "&&":
        yield from conjuncts(node.left)
        yield from conjuncts(node.right)
    else:
        yield node


def subspace_terms(expression: Expression, header: fits.Header) -> list[Term]:
    """Conditions on single columns that hold for every selected event; others do not fit into a data subspace.

    ``#NAME`` stands for the expression that `header` keeps under that keyword.
    """
    terms: list[Term] = []
    for node in conjuncts(expression.tree):
        if isinstance(node, nodes.Keyword):
            text = header.get(node.name.upper())
            terms += subspace_terms(parse(text, "sas"), header) if isinstance(text, str) else []
        else:
            term = _term(node)
            terms += [] if term is None else [term]
    return terms


def _term(node: nodes.Node) -> Term | None:
    if isinstance(node, nodes.Members) and isinstance(node.operand, nodes.Name):
        values = [_interval(interval) for interval in node.intervals]
        return Term(node.operand.name.upper(), ",".join(values)) if all(values) else None
    if not isinstance(node, nodes.Binary):
        return None
    value = _number(node.right)
    if value is None:
        return None
    if isinstance(node.left, nodes.Name):
        forms = {"==": "{}", "<=": ":{}", ">=": "{}:", "<": "(:{})", ">": "({}:)"}
        return Term(node.left.name.upper(), forms[node.op].format(value)) if node.op in forms else None
    masked = node.left
    if node.op != "==" or value != "0" or not isinstance(masked, nodes.Binary) or masked.op != "&":
        return None
    mask = _number(masked.right)
    if mask is None or not isinstance(masked.left, nodes.Name) or not mask.isdigit():
        return None
    bits = f"{int(mask):b}".replace("0", "x").replace("1", "0")
    return Term(masked.left.name.upper(), f"b{bits}", "X")


def _number(node: nodes.Node | None) -> str | None:
    if isinstance(node, nodes.Constant) and node.kind in ("int", "float"):
        return f"{node.value:.15g}" if isinstance(node.value, float) else str(node.value)
    if isinstance(node, nodes.Unary) and node.op == "-":
        value = _number(node.operand)
        return None if value is None else f"-{value}"
    return None


def _interval(interval: nodes.Interval) -> str:
    limits = []
    for limit in (interval.lo, interval.hi):
        value = "" if limit is None else _number(limit)
        if value is None:
            return ""
        limits.append(value)
    low, high = limits
    if low == high:
        return low
    if interval.lo_closed and interval.hi_closed:
        return f"{low}:{high}"
    return f"{'[' if interval.lo_closed else '('}{low}:{high}{']' if interval.hi_closed else ')'}"


def write_subspace(header: fits.Header, source: fits.Header, terms: list[Term], units: dict[str, str]) -> None:
    """Data subspace of a product: that of the events, and the new terms (those that repeat an old one left out).

    Parameters
    ----------
    header : Header
        Of the product; changed.
    source : Header
        Of the events.
    terms : list of Term
        From the expression.
    units : dict
        Unit of each column.
    """
    number, present = 0, set()
    for key in source:
        match = re.fullmatch(r"\d*DS(TYP|UNI|FORM|VAL|REF)(\d+)", key)
        if match:
            header.set(key, source[key], source.comment(key))
            number = max(number, int(match[2]))
    for n in range(1, number + 1):
        present.add((str(source.get(f"DSTYP{n}", "")).strip().upper(), str(source.get(f"DSVAL{n}", "")).strip()))
    for term in terms:
        if (term.name, term.value) in present:
            continue
        present.add((term.name, term.value))
        number += 1
        header.set(f"DSTYP{number}", term.name, "data subspace descriptor: name")
        if units.get(term.name):
            header.set(f"DSUNI{number}", units[term.name], "data subspace descriptor: units")
        if term.form:
            header.set(f"DSFORM{number}", term.form, "data subspace descriptor: data type")
        header.set(f"DSVAL{number}", term.value, "data subspace descriptor: value")
