"""The catalogues of a local archive in SQLite, and questions to it.

Queries run on a connection that cannot write, open other files or run longer than allowed.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wolter.archive.server.adql import translate
from wolter.archive.server.functions import register
from wolter.archive.server.inventory import Inventory
from wolter.errors import ArchiveError

__all__ = ["Database", "Field", "Result", "SchemaTable"]

_TEXT_FACTS = ("target", "obsid", "mode", "start_iso", "end_iso", "public_iso")


@dataclass(frozen=True)
class Field:
    """A column: VOTable datatype ("char", "double", "int", "long"), unit, description."""

    name: str
    datatype: str
    unit: str = ""
    description: str = ""

    @property
    def sql_type(self) -> str:
        """Type of the stored column."""
        return {"char": "TEXT", "double": "REAL"}.get(self.datatype, "INTEGER")


@dataclass(frozen=True)
class SchemaTable:
    """A table of the service."""

    name: str
    description: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Result:
    """Rows of an answer and whether there are more than were asked for."""

    fields: tuple[Field, ...]
    rows: list[tuple[Any, ...]]
    overflow: bool


def _char(*names: str) -> tuple[Field, ...]:
    return tuple(Field(n, "char") for n in names)


METAINFO = SchemaTable("metainfo", "Facts about the catalogues", _char("name", "type", "relation", "value"))
TAP_SCHEMA = (
    SchemaTable("TAP_SCHEMA.schemas", "Schemas", _char("schema_name", "description", "utype")),
    SchemaTable(
        "TAP_SCHEMA.tables", "Tables", _char("schema_name", "table_name", "table_type", "description", "utype")
    ),
    SchemaTable(
        "TAP_SCHEMA.columns",
        "Columns",
        (*_char("table_name", "column_name", "datatype", "arraysize", "description", "unit", "ucd", "utype"),
         Field("principal", "int"), Field("indexed", "int"), Field("std", "int"), Field("column_index", "int")),
    ),
    SchemaTable("TAP_SCHEMA.keys", "Foreign keys", _char("key_id", "from_table", "target_table", "description")),
    SchemaTable("TAP_SCHEMA.key_columns", "Columns of foreign keys", _char("key_id", "from_column", "target_column")),
)  # fmt: skip


class Database:
    """Catalogues of an inventory.

    Parameters
    ----------
    path : Path
        SQLite file to be written; an existing one is replaced.
    inventory : Inventory
    time_limit : float
        Longest time for one query (s).
    """

    def __init__(self, path: Path, inventory: Inventory, *, time_limit: float = 60.0) -> None:
        self.path, self.time_limit = path, time_limit
        self.tables: dict[str, SchemaTable] = {}
        self.rows: dict[tuple[str, str], Any] = {}  # (catalogue, row) -> Observed
        path.unlink(missing_ok=True)
        with sqlite3.connect(path) as connection:
            self._catalogues(connection, inventory)
            self._schema(connection)
        connection.close()

    def _create(self, connection: sqlite3.Connection, table: SchemaTable, rows: Sequence[Sequence[Any]]) -> None:
        columns = ", ".join(f'"{f.name}" {f.sql_type}' for f in table.fields)
        connection.execute(f'CREATE TABLE "{table.name}" ({columns})')
        marks = ", ".join("?" * len(table.fields))
        connection.executemany(f'INSERT INTO "{table.name}" VALUES ({marks})', rows)
        self.tables[table.name] = table

    def _catalogues(self, connection: sqlite3.Connection, inventory: Inventory) -> None:
        from wolter.archive.description import archived_missions

        meta: list[tuple[str, str, str, str]] = []
        number = 0
        for entry in archived_missions().values():
            observed = [o for o in inventory.observations if o.entry.catalog == entry.catalog]
            rows = []
            for one in observed:
                number += 1
                rows.append([*(one.facts.get(fact) for _, fact, _, _ in entry.table), str(number)])
                self.rows[entry.catalog, str(number)] = one
            fields = tuple(_field(*c) for c in entry.table) + (Field("__row", "char", "", "Key of the row"),)
            self._create(connection, SchemaTable(entry.catalog, entry.title, fields), rows)
            meta.append((entry.catalog, "table", "defaultSearchRadius", str(entry.radius)))
            meta += [(f"{entry.catalog}.{f.name}", "parameter", "order", str(i)) for i, f in enumerate(fields[:-1], 1)]
            if entry.own:
                served = entry.own["served"]
                own = SchemaTable(entry.own["table"], entry.title, tuple(_field(*c) for c in served))
                self._create(connection, own, [[o.facts.get(fact) for _, fact, _, _ in served] for o in observed])
        self._create(connection, METAINFO, meta)

    def _schema(self, connection: sqlite3.Connection) -> None:
        described = [*self.tables.values(), *TAP_SCHEMA]
        schemas = sorted({_schema_of(t.name) for t in described})
        rows: dict[str, list[Sequence[Any]]] = {t.name: [] for t in TAP_SCHEMA}
        rows["TAP_SCHEMA.schemas"] = [(s, "", "") for s in schemas]
        rows["TAP_SCHEMA.tables"] = [(_schema_of(t.name), t.name, "table", t.description, "") for t in described]
        rows["TAP_SCHEMA.columns"] = [
            (t.name, f.name, f.datatype, "*" if f.datatype == "char" else "", f.description, f.unit, "", "", 1, 0, 0, i)
            for t in described
            for i, f in enumerate(t.fields)
        ]
        for table in TAP_SCHEMA:
            self._create(connection, table, rows[table.name])

    # --- questions --------------------------------------------------------------------------------------------------

    def ask(self, adql: str, maxrec: int) -> Result:
        """Answer a query.

        Raises
        ------
        ArchiveError
            The query is not understood, or takes too long.
        """
        query = translate(adql, {t.name: [f.name for f in t.fields] for t in self.tables.values()})
        connection = sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True)
        try:
            register(connection)
            connection.set_authorizer(_only_reading)
            deadline = time.monotonic() + self.time_limit
            connection.set_progress_handler(lambda: int(time.monotonic() > deadline), 10_000)
            cursor = connection.execute(query.sql, query.parameters)
            rows = cursor.fetchmany(maxrec + 1)
        except (sqlite3.Error, OverflowError) as exc:
            raise ArchiveError(f"the query cannot be answered: {exc}") from exc
        finally:
            connection.close()
        overflow = len(rows) > maxrec
        rows = rows[:maxrec]
        fields = []
        for i, output in enumerate(query.outputs):
            stored = self.tables.get(output.table or "")
            known = next((f for f in stored.fields if f.name == output.column), None) if stored else None
            if known is not None:
                fields.append(Field(output.name, known.datatype, known.unit, known.description))
            else:
                fields.append(Field(output.name, _datatype([row[i] for row in rows])))
        return Result(tuple(fields), rows, overflow)


def _field(name: str, fact: str, unit: str, description: str) -> Field:
    return Field(name, "char" if fact in _TEXT_FACTS else "double", unit, description)


def _schema_of(name: str) -> str:
    return name.rpartition(".")[0] or "public"


def _datatype(values: list[Any]) -> str:
    kinds = {type(v) for v in values if v is not None}
    if kinds and kinds <= {int}:
        return "long"
    return "double" if kinds <= {int, float} else "char"


def _only_reading(action: int, *rest: Any) -> int:
    allowed = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, 33)  # 33: SQLITE_RECURSIVE
    return sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY
