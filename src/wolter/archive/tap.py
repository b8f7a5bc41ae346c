"""Questions in ADQL and their answers as tables (IVOA TAP 1.1, ADQL 2.0/2.1, VOTable 1.4)."""

from __future__ import annotations

import io
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from wolter.errors import ArchiveError, TransportError

if TYPE_CHECKING:
    from astropy.table import Table

    from wolter.transport import Transport

__all__ = ["Answer", "ask", "number", "read_votable", "text"]

_MOST_PAGES = 1000


@dataclass(frozen=True)
class Answer:
    """A table and whether the server cut it off."""

    table: Table
    overflow: bool


def text(value: str) -> str:
    """A value as an ADQL string literal."""
    if "\0" in value:
        raise ArchiveError("text for a query must not hold NUL")
    return "'" + value.replace("'", "''") + "'"


def number(value: float) -> str:
    """A finite number as an ADQL literal."""
    value = float(value)
    if value != value or value in (float("inf"), float("-inf")):
        raise ArchiveError(f"{value} cannot be part of a query")
    return repr(value)


def ask(transport: Transport, tap: str, adql: str, *, maxrec: int | None = None) -> Answer:
    """Ask a table service and wait for the answer.

    Parameters
    ----------
    tap : str
        Address of the service.
    adql : str
    maxrec : int, optional
        Most rows wanted.

    Raises
    ------
    ArchiveError
        The service does not understand the question; the message holds what it says.
    TransportError
        The service cannot be reached.
    """
    fields: dict[str, Any] = {"REQUEST": "doQuery", "LANG": "ADQL", "QUERY": adql}
    if maxrec is not None:
        fields["MAXREC"] = str(maxrec)
    try:
        data = transport.fetch(f"{tap}/sync", data=fields)
    except TransportError as exc:
        if exc.status == 400 and exc.body.lstrip().startswith(b"<"):
            return read_votable(exc.body, where=tap, adql=adql)
        raise
    return read_votable(data, where=tap, adql=adql)


def read_votable(data: bytes, *, where: str, adql: str = "") -> Answer:
    """Table of a VOTable document, with text columns as text.

    Raises
    ------
    ArchiveError
        It is an error document, or none at all.
    """
    overflow = False
    try:
        for _, element in ElementTree.iterparse(io.BytesIO(data)):
            if element.tag.rpartition("}")[2] == "INFO" and element.get("name") == "QUERY_STATUS":
                status = (element.get("value") or "").upper()
                if status == "ERROR":
                    said = " ".join((element.text or "no reason given").split())
                    cure = f"The query was {adql}" if adql else None
                    raise ArchiveError(f"the archive refuses the query: {said}", file=where, cure=cure)
                overflow = overflow or status == "OVERFLOW"
    except ElementTree.ParseError as exc:
        start = data[:200].decode("utf-8", "replace")
        raise ArchiveError(f"the answer is not a VOTable ({exc}): {start!r}", file=where) from exc
    from astropy.table import Table

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of VOTable standards: the archives' tables break some
        table = Table.read(io.BytesIO(data), format="votable", use_names_over_ids=True)
    for name in table.colnames:
        column = table[name]
        if column.dtype.kind == "O":
            table[name] = _as_text(column)
    return Answer(table, overflow)


def _as_text(column: Any) -> Any:
    """Column of objects as text, if they all are text."""
    values = [v.decode() if isinstance(v, bytes) else v for v in column]
    if not all(isinstance(v, str) or v is None for v in values) and len(values):
        return column
    from astropy.table import Column

    return Column([v or "" for v in values], name=column.name, unit=column.unit, description=column.description,
                  dtype=str)  # fmt: skip


def ask_all(transport: Transport, tap: str, select: str, where: str, key: str, *, page: int = 20_000) -> Table:
    """All rows of a query, page after page in the order of a key, however few rows the service gives at once.

    Parameters
    ----------
    select : str
        ``"SELECT ... FROM ..."``.
    where : str
        Condition; may be empty.
    key : str
        Column that orders the rows; more than one page of rows with the same key is an error.
    """
    from astropy.table import vstack

    parts: list[Any] = []
    last: Any = None
    for _ in range(_MOST_PAGES):
        beyond = "" if last is None else f"{key} >= {text(last) if isinstance(last, str) else number(last)}"
        conditions = " AND ".join(f"({c})" for c in (where, beyond) if c)
        adql = select + (f" WHERE {conditions}" if conditions else "") + f" ORDER BY {key}"
        answer = ask(transport, tap, adql, maxrec=page)
        parts.append(answer.table)
        if not answer.overflow or len(answer.table) == 0:
            break
        name = next(c for c in answer.table.colnames if c.lower() == re.split(r"\.", key)[-1].strip('"').lower())
        new: Any = answer.table[name][-1]
        new = str(new) if isinstance(new, str) else float(new)
        if new == last:
            raise ArchiveError("the archive gives too few rows at once to page through them", file=tap)
        last = new
    if len(parts) == 1:
        return parts[0]
    whole: Any = vstack(parts, metadata_conflicts="silent")
    seen: set[tuple[str, ...]] = set()
    keep = []
    for row in whole:  # rows with the last key of a page came twice
        values = tuple(map(str, row))
        keep.append(values not in seen)
        seen.add(values)
    return whole[keep]
