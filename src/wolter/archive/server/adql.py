"""ADQL to SQLite: one recursive-descent pass that checks names and binds every literal as a parameter.

Understood: SELECT with DISTINCT, TOP, joins, subqueries, WHERE, GROUP BY, HAVING, ORDER BY, OFFSET, UNION and its
kin; CASE, CAST, LIKE, BETWEEN, IN, IS NULL, EXISTS; POINT, CIRCLE, BOX, POLYGON inside CONTAINS, INTERSECTS and
DISTANCE; ADQL's functions. Identifiers may begin with underscores and, behind AS, be reserved words, as HEASARC's
service allows.

Source: IVOA Recommendation ADQL 2.1 (2023).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wolter.archive.server.adql_text import Output, Query, Source, Text, join, quoted, tokens_of
from wolter.archive.server.functions import AGGREGATES, FUNCTIONS, geometry_test, point_distance
from wolter.errors import ArchiveError, suggest

__all__ = ["Output", "Query", "translate"]

_RESERVED = frozenset(
    """all and any as asc between by case cast cross desc distinct else end except exists from full group having in
    inner intersect is join left like ilike limit natural not null offset on or order outer right select then top union
    using when where""".split()  # noqa: SIM905
)
_TYPES = {
    "integer": "INTEGER", "int": "INTEGER", "smallint": "INTEGER", "bigint": "INTEGER", "real": "REAL",
    "float": "REAL", "double": "REAL", "decimal": "REAL", "numeric": "REAL", "char": "TEXT", "varchar": "TEXT",
    "text": "TEXT", "timestamp": "TEXT", "date": "TEXT",
}  # fmt: skip
_GEOMETRY = {"point", "circle", "box", "polygon"}


def translate(adql: str, tables: Mapping[str, Sequence[str]]) -> Query:
    """Translate a query.

    Parameters
    ----------
    adql : str
    tables : mapping
        Column names of every table, under its full name ("schema.table" or "table").

    Raises
    ------
    ArchiveError
        The query is not understood, or names what is not there.
    """
    parser = _Parser(tokens_of(adql), tables, adql)
    try:
        text, outputs = parser.query([])
    except RecursionError:
        raise ArchiveError("the query is nested too deeply") from None
    parser.accept_symbol(";")
    parser.end()
    return Query(text.sql, text.parameters, outputs)


class _Parser:
    """Recursive descent over the tokens; scopes are lists of `Source`, inner ones first."""

    def __init__(self, tokens: list[tuple[str, str]], tables: Mapping[str, Sequence[str]], adql: str) -> None:
        self.tokens, self.at, self.adql, self.depth = tokens, 0, adql, 0
        self.tables = {name.lower(): (name, list(columns)) for name, columns in tables.items()}

    # --- tokens -----------------------------------------------------------------------------------------------------

    def peek(self, ahead: int = 0) -> tuple[str, str]:
        i = self.at + ahead
        return self.tokens[i] if i < len(self.tokens) else ("end", "")

    def word(self, *words: str) -> bool:
        kind, text = self.peek()
        return kind == "word" and text.lower() in words

    def accept(self, *words: str) -> str | None:
        if not self.word(*words):
            return None
        self.at += 1
        return self.tokens[self.at - 1][1].lower()

    def expect(self, word: str) -> None:
        if not self.accept(word):
            raise self.error(f"{word.upper()} is expected")

    def symbol(self, *symbols: str) -> bool:
        kind, text = self.peek()
        return kind == "symbol" and text in symbols

    def accept_symbol(self, *symbols: str) -> str | None:
        if not self.symbol(*symbols):
            return None
        self.at += 1
        return self.tokens[self.at - 1][1]

    def expect_symbol(self, symbol: str) -> None:
        if not self.accept_symbol(symbol):
            raise self.error(f"{symbol!r} is expected")

    def error(self, what: str) -> ArchiveError:
        here = " ".join(t for _, t in self.tokens[self.at : self.at + 4]) or "the end of the query"
        return ArchiveError(f"{what} at {here!r}")

    def end(self) -> None:
        if self.at < len(self.tokens):
            raise self.error("the end of the query is expected")

    def identifier(self, *, any_word: bool = False) -> str:
        kind, text = self.peek()
        if kind == "quoted":
            self.at += 1
            return text[1:-1].replace('""', '"')
        if kind == "word" and (any_word or text.lower() not in _RESERVED):
            self.at += 1
            return text
        raise self.error("a name is expected")

    # --- queries ----------------------------------------------------------------------------------------------------

    def query(self, outer: list[Source]) -> tuple[Text, list[Output]]:
        self.depth += 1
        if self.depth > 40:
            raise ArchiveError("the query is nested too deeply")
        text, outputs, scope = self.select(outer)
        while operator := self.accept("union", "except", "intersect"):
            every = " ALL" if self.accept("all") else ""
            more, others, _ = self.select(outer)
            if len(others) != len(outputs):
                raise ArchiveError(f"the parts of {operator.upper()} have different numbers of columns")
            text = text + f" {operator.upper()}{every} " + more
            scope = []
        if self.accept("order"):
            self.expect("by")
            text = text + " ORDER BY " + self.order(scope + outer, outputs)
        limit = self.top
        if self.accept("limit"):
            limit = self.whole_number()
        if self.accept("offset"):
            text = text + f" LIMIT {-1 if limit is None else limit} OFFSET {self.whole_number()}"
        elif limit is not None:
            text = text + f" LIMIT {limit}"
        self.depth -= 1
        return text, outputs

    top: int | None = None

    def select(self, outer: list[Source]) -> tuple[Text, list[Output], list[Source]]:
        self.expect("select")
        distinct = "DISTINCT " if self.accept("distinct") else ""
        if not distinct:
            self.accept("all")
        top = self.whole_number() if self.accept("top") else None
        items_at = self.at
        self.skip_items()
        sources: list[Source] = []
        tail = Text("")
        if self.accept("from"):
            tail = Text(" FROM ") + self.tables_of(sources, outer)
        end_of_from = self.at
        self.at = items_at
        items, outputs = self.items(sources, outer)
        self.at = end_of_from if tail.sql else self.at
        scope = sources + outer
        if self.accept("where"):
            tail = tail + " WHERE " + self.expression(scope)
        if self.accept("group"):
            self.expect("by")
            parts = [self.expression(self.with_outputs(scope, outputs))]
            while self.accept_symbol(","):
                parts.append(self.expression(self.with_outputs(scope, outputs)))
            tail = tail + " GROUP BY " + join(parts)
        if self.accept("having"):
            tail = tail + " HAVING " + self.expression(self.with_outputs(scope, outputs))
        self.top = top
        return Text(f"SELECT {distinct}") + items + tail, outputs, sources

    def skip_items(self) -> None:
        depth = 0
        while self.at < len(self.tokens):
            if depth == 0 and (self.word("from", "union", "except", "intersect", "order") or self.symbol(";")):
                return
            depth += 1 if self.symbol("(") else -1 if self.symbol(")") else 0
            if depth < 0:
                return
            self.at += 1

    def whole_number(self) -> int:
        kind, text = self.peek()
        if kind != "number" or not text.isdigit():
            raise self.error("a whole number is expected")
        self.at += 1
        return int(text)

    def items(self, sources: list[Source], outer: list[Source]) -> tuple[Text, list[Output]]:
        parts: list[Text] = []
        outputs: list[Output] = []
        while True:
            for text, output in self.item(sources, outer):
                parts.append(text + f" AS {quoted(output.name)}")
                outputs.append(output)
            if not self.accept_symbol(","):
                return join(parts), outputs

    def item(self, sources: list[Source], outer: list[Source]) -> list[tuple[Text, Output]]:
        if self.accept_symbol("*"):
            if not sources:
                raise self.error("there is no FROM for '*'")
            return [_star(s, o) for s in sources for o in s.columns.values()]
        if self.peek(1) == ("symbol", ".") and self.peek(2) == ("symbol", "*"):
            name = self.identifier()
            self.at += 2
            source = next((s for s in sources if s.alias.lower() == name.lower()), None)
            if source is None:
                raise ArchiveError(f"there is no table {name!r} in FROM")
            return [_star(source, o) for o in source.columns.values()]
        text = self.expression(sources + outer)
        found = text.output
        if self.accept("as"):
            name = self.identifier(any_word=True)
        elif self.peek()[0] == "quoted" or (self.peek()[0] == "word" and self.peek()[1].lower() not in _RESERVED):
            name = self.identifier()
        else:
            name = found.name if found else f"col{self.at}"
        return [(text, Output(name, found.table if found else None, found.column if found else None))]

    def order(self, scope: list[Source], outputs: list[Output]) -> Text:
        parts = []
        while True:
            kind, text = self.peek()
            if kind == "number" and text.isdigit():
                position = self.whole_number()
                if not 1 <= position <= len(outputs):
                    raise ArchiveError(f"ORDER BY {position}: there are {len(outputs)} columns")
                part = Text(str(position))
            else:
                part = self.expression(self.with_outputs(scope, outputs))
            direction = self.accept("asc", "desc")
            parts.append(part + (f" {direction.upper()}" if direction else ""))
            if not self.accept_symbol(","):
                return join(parts)

    @staticmethod
    def with_outputs(scope: list[Source], outputs: list[Output]) -> list[Source]:
        """Scope in which the names of the result count too."""
        return [Source("", {o.name.lower(): o for o in outputs}), *scope]

    # --- FROM -------------------------------------------------------------------------------------------------------

    def tables_of(self, sources: list[Source], outer: list[Source]) -> Text:
        text = self.table(sources, outer)
        while True:
            if self.accept_symbol(","):
                text = text + ", " + self.table(sources, outer)
                continue
            kind = self.join_kind()
            if kind is None:
                return text
            left = len(sources)
            text = text + f" {kind} " + self.table(sources, outer)
            if self.accept("on"):
                text = text + " ON " + self.expression(sources + outer)
            elif self.accept("using"):
                self.expect_symbol("(")
                names = [self.identifier()]
                while self.accept_symbol(","):
                    names.append(self.identifier())
                self.expect_symbol(")")
                for name in names:
                    if not any(name.lower() in s.columns for s in sources[:left]):
                        raise _unknown(name, sources)
                text = text + " USING (" + ", ".join(quoted(n) for n in names) + ")"

    def join_kind(self) -> str | None:
        words: list[str] = []
        while found := self.accept("natural", "inner", "cross", "left", "right", "full", "outer"):
            words.append(found)
        if self.accept("join"):
            return " ".join([*words, "join"]).upper()
        if words:
            raise self.error("JOIN is expected")
        return None

    def table(self, sources: list[Source], outer: list[Source]) -> Text:
        if self.accept_symbol("("):
            if self.word("select"):
                text, outputs = self.query(outer)
                self.expect_symbol(")")
                alias = self.alias() or f"subquery{len(sources)}"
                sources.append(Source(alias, {o.name.lower(): o for o in outputs}))
                return Text("(") + text + f") AS {quoted(alias)}"
            text = self.tables_of(sources, outer)
            self.expect_symbol(")")
            return Text("(") + text + ")"
        parts = [self.identifier()]
        while self.accept_symbol("."):
            parts.append(self.identifier(any_word=True))
        found = self.tables.get(".".join(parts).lower()) or self.tables.get(parts[-1].lower())
        if found is None:
            name = ".".join(parts)
            hint = suggest(name, [n for n, _ in self.tables.values()])
            raise ArchiveError(f"there is no table {name!r}. {hint}".rstrip())
        name, columns = found
        alias = self.alias() or name.rpartition(".")[2]
        sources.append(Source(alias, {c.lower(): Output(c, name, c) for c in columns}))
        return Text(f"{quoted(name)} AS {quoted(alias)}")

    def alias(self) -> str | None:
        if self.accept("as"):
            return self.identifier(any_word=True)
        kind, text = self.peek()
        if kind == "quoted" or (kind == "word" and text.lower() not in _RESERVED):
            return self.identifier()
        return None

    # --- expressions ------------------------------------------------------------------------------------------------

    def expression(self, scope: list[Source]) -> Text:
        self.depth += 1
        if self.depth > 60:
            raise ArchiveError("the query is nested too deeply")
        left = self.conjunction(scope)
        while self.accept("or"):
            left = Text("(") + left + " OR " + self.conjunction(scope) + ")"
        self.depth -= 1
        return left

    def conjunction(self, scope: list[Source]) -> Text:
        left = self.negation(scope)
        while self.accept("and"):
            left = Text("(") + left + " AND " + self.negation(scope) + ")"
        return left

    def negation(self, scope: list[Source]) -> Text:
        if self.accept("not"):
            return Text("(NOT ") + self.negation(scope) + ")"
        return self.predicate(scope)

    def predicate(self, scope: list[Source]) -> Text:
        if self.accept("exists"):
            return Text("EXISTS ") + self.subquery(scope)
        left = self.sum(scope)
        while True:
            operator = self.accept_symbol("=", "<>", "!=", "<", ">", "<=", ">=")
            if operator:
                left = Text("(") + left + f" {operator} " + self.sum(scope) + ")"
                continue
            if self.accept("is"):
                no = " NOT" if self.accept("not") else ""
                self.expect("null")
                left = Text("(") + left + f" IS{no} NULL)"
                continue
            back = self.at
            no = "NOT " if self.accept("not") else ""
            if self.accept("between"):
                lo = self.sum(scope)
                self.expect("and")
                left = Text("(") + left + f" {no}BETWEEN " + lo + " AND " + self.sum(scope) + ")"
            elif self.accept("in"):
                left = Text("(") + left + f" {no}IN " + self.members(scope) + ")"
            elif kind := self.accept("like", "ilike"):
                flag = "1" if kind == "ilike" else "0"
                left = Text(f"({no}adql_like(") + left + ", " + self.sum(scope) + f", {flag}))"
            else:
                self.at = back
                return left

    def members(self, scope: list[Source]) -> Text:
        if self.peek(1)[1].lower() == "select":
            return self.subquery(scope)
        self.expect_symbol("(")
        parts = [self.expression(scope)]
        while self.accept_symbol(","):
            parts.append(self.expression(scope))
        self.expect_symbol(")")
        return Text("(") + join(parts) + ")"

    def subquery(self, scope: list[Source]) -> Text:
        self.expect_symbol("(")
        text, _ = self.query(scope)
        self.expect_symbol(")")
        return Text("(") + text + ")"

    def sum(self, scope: list[Source]) -> Text:
        left = self.product(scope)
        while operator := self.accept_symbol("+", "-", "||"):
            left = Text("(") + left + f" {operator} " + self.product(scope) + ")"
        return left

    def product(self, scope: list[Source]) -> Text:
        left = self.unary(scope)
        while operator := self.accept_symbol("*", "/", "%"):
            left = Text("(") + left + f" {operator} " + self.unary(scope) + ")"
        return left

    def unary(self, scope: list[Source]) -> Text:
        if sign := self.accept_symbol("-", "+"):
            return Text(f"({sign}") + self.unary(scope) + ")"
        return self.primary(scope)

    def primary(self, scope: list[Source]) -> Text:
        kind, text = self.peek()
        if kind == "number":
            self.at += 1
            return Text("?", [int(text) if text.isdigit() and len(text) < 19 else float(text)])
        if kind == "string":
            self.at += 1
            return Text("?", [text[1:-1].replace("''", "'")])
        if self.symbol("("):
            if self.peek(1)[1].lower() == "select":
                return self.subquery(scope)
            self.at += 1
            inner = self.expression(scope)
            self.expect_symbol(")")
            return Text("(") + inner + ")"
        if kind == "word":
            if self.accept("null"):
                return Text("NULL")
            if truth := self.accept("true", "false"):
                return Text("1" if truth == "true" else "0")
            if self.accept("case"):
                return self.case(scope)
            if self.accept("cast"):
                return self.cast(scope)
            if self.peek(1) == ("symbol", "("):
                return self.function(scope)
        return self.column(scope)

    def case(self, scope: list[Source]) -> Text:
        out = Text("CASE")
        if not self.word("when"):
            out = out + " " + self.expression(scope)
        while self.accept("when"):
            out = out + " WHEN " + self.expression(scope)
            self.expect("then")
            out = out + " THEN " + self.expression(scope)
        if self.accept("else"):
            out = out + " ELSE " + self.expression(scope)
        self.expect("end")
        return out + " END"

    def cast(self, scope: list[Source]) -> Text:
        self.expect_symbol("(")
        inner = self.expression(scope)
        self.expect("as")
        kind = self.identifier(any_word=True).lower()
        self.accept("precision", "varying")
        if self.accept_symbol("("):
            self.whole_number()
            if self.accept_symbol(","):
                self.whole_number()
            self.expect_symbol(")")
        self.expect_symbol(")")
        if kind not in _TYPES:
            raise ArchiveError(f"CAST to {kind!r} is not supported. {suggest(kind, _TYPES)}".rstrip())
        return Text("CAST(") + inner + f" AS {_TYPES[kind]})"

    def column(self, scope: list[Source]) -> Text:
        parts = [self.identifier()]
        while self.symbol(".") and self.peek(1)[0] in ("word", "quoted"):
            self.at += 1
            parts.append(self.identifier(any_word=True))
        name, owner = parts[-1], parts[-2] if len(parts) > 1 else None
        for source in scope:
            if owner is not None and source.alias.lower() != owner.lower():
                continue
            found = source.columns.get(name.lower())
            if found is not None:
                prefix = f"{quoted(source.alias)}." if source.alias else ""
                return Text(prefix + quoted(found.name), output=found)
        raise _unknown(".".join(parts), scope)

    # --- functions --------------------------------------------------------------------------------------------------

    def function(self, scope: list[Source]) -> Text:
        name = self.identifier(any_word=True).lower()
        self.expect_symbol("(")
        if name in _GEOMETRY:
            raise ArchiveError(f"{name.upper()} stands only inside CONTAINS, INTERSECTS and DISTANCE here")
        if name in ("contains", "intersects"):
            first = self.geometry(scope)
            self.expect_symbol(",")
            second = self.geometry(scope)
            self.expect_symbol(")")
            return self.assembled(geometry_test(name, first, second))
        if name == "distance":
            return self.distance(scope)
        if name == "count" and self.accept_symbol("*"):
            self.expect_symbol(")")
            return Text("COUNT(*)")
        distinct = "DISTINCT " if name in AGGREGATES and self.accept("distinct") else ""
        arguments = [] if self.symbol(")") else [self.expression(scope)]
        while self.accept_symbol(","):
            arguments.append(self.expression(scope))
        self.expect_symbol(")")
        if name in AGGREGATES:
            return Text(f"{name.upper()}({distinct}") + join(arguments) + ")"
        if name not in FUNCTIONS:
            hint = suggest(name, [*FUNCTIONS, *AGGREGATES])
            raise ArchiveError(f"there is no function {name.upper()}. {hint}".rstrip())
        return Text(f"{FUNCTIONS[name]}(") + join(arguments) + ")"

    def geometry(self, scope: list[Source]) -> tuple[str, list[Text]]:
        """Kind of a geometry and its numbers; the name of the coordinate system is dropped."""
        kind = self.identifier(any_word=True).lower()
        if kind not in _GEOMETRY:
            raise ArchiveError(f"{kind!r} is not a geometry (POINT, CIRCLE, BOX, POLYGON)")
        self.expect_symbol("(")
        if self.peek()[0] == "string":
            system = self.peek()[1][1:-1].strip().lower()
            if system not in ("", "icrs", "fk5", "icrs geocenter"):
                raise ArchiveError(f"the coordinate system {system!r} is not supported, only ICRS")
            self.at += 1
            self.expect_symbol(",")
        numbers: list[Text] = []
        while True:
            if self.word("point") and self.peek(1) == ("symbol", "("):
                numbers += self.geometry(scope)[1]
            else:
                numbers.append(self.expression(scope))
            if not self.accept_symbol(","):
                break
        self.expect_symbol(")")
        wanted = {"point": 2, "circle": 3, "box": 4}.get(kind)
        if (wanted and len(numbers) != wanted) or (not wanted and (len(numbers) < 6 or len(numbers) % 2)):
            raise ArchiveError(f"{kind.upper()} has the wrong number of arguments ({len(numbers)})")
        return kind, numbers

    def distance(self, scope: list[Source]) -> Text:
        if self.word("point") and self.peek(1) == ("symbol", "("):
            first = self.geometry(scope)
            self.expect_symbol(",")
            numbers = first[1] + self.geometry(scope)[1]
        else:
            numbers = [self.expression(scope)]
            while self.accept_symbol(","):
                numbers.append(self.expression(scope))
        self.expect_symbol(")")
        if len(numbers) != 4:
            raise ArchiveError("DISTANCE needs two points, or four numbers")
        return self.assembled(point_distance(numbers))

    @staticmethod
    def assembled(parts: Sequence[object]) -> Text:
        """SQL from text and pieces that have parameters."""
        out = Text("")
        for part in parts:
            out = out + (part if isinstance(part, Text) else str(part))
        return out


def _star(source: Source, output: Output) -> tuple[Text, Output]:
    return Text(f"{quoted(source.alias)}.{quoted(output.name)}"), output


def _unknown(name: str, scope: Sequence[Source]) -> ArchiveError:
    known = [o.name for s in scope for o in s.columns.values()]
    return ArchiveError(f"there is no column {name!r}. {suggest(name.rpartition('.')[2], known)}".rstrip())
