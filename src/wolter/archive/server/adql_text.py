"""Words of ADQL, and pieces of SQL that carry their parameters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from wolter.errors import ArchiveError

__all__ = ["Output", "Query", "Source", "Text", "join", "quoted", "tokens_of"]

_TOKEN = re.compile(
    r"""\s+|--[^\n]*\n?
    |(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<string>'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")+")
    |(?P<word>[A-Za-z_][A-Za-z0-9_$]*)
    |(?P<symbol><>|!=|<=|>=|\|\||[-+*/%(),.;=<>])""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Output:
    """A column of a result: its name and the stored column behind it, if it is just that."""

    name: str
    table: str | None = None
    column: str | None = None


@dataclass
class Query:
    """A query in SQLite's language.

    Attributes
    ----------
    sql : str
    parameters : list
    outputs : list of Output
    """

    sql: str = ""
    parameters: list[object] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)


@dataclass
class Source:
    """A table in FROM: the name it goes by and its columns (lower case -> Output)."""

    alias: str
    columns: dict[str, Output]


@dataclass
class Text:
    """SQL with its parameters, in order."""

    sql: str
    parameters: list[object] = field(default_factory=list)
    output: Output | None = None

    def __add__(self, other: Text | str) -> Text:
        if isinstance(other, str):
            return Text(self.sql + other, self.parameters)
        return Text(self.sql + other.sql, self.parameters + other.parameters)


def join(parts: Sequence[Text], by: str = ", ") -> Text:
    return Text(by.join(p.sql for p in parts), [x for p in parts for x in p.parameters])


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def tokens_of(adql: str) -> list[tuple[str, str]]:
    if len(adql) > 100_000:
        raise ArchiveError("the query is longer than 100000 characters")
    out: list[tuple[str, str]] = []
    at = 0
    while at < len(adql):
        match = _TOKEN.match(adql, at)
        if match is None:
            raise ArchiveError(f"the query is not understood at {adql[at : at + 20]!r}")
        if match.lastgroup:
            out.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return out
