"""The rules by which the calibration database answers a question, and why it has no answer.

The rules are those of the HEASARC's ``HDgtcalf`` and, with `exact`, of the task ``quzcif``.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from wolter.caldb.boundary import Expression, parse_expression
from wolter.caldb.dates import reference_time
from wolter.caldb.index import CalFile, CalibrationIndex
from wolter.errors import suggest

__all__ = ["Found", "Query", "explain", "select"]

_ANY = ("", "-")


def _word(value: str | None) -> str:
    text = "" if value is None else value.strip().upper()
    return "-" if text in _ANY else text


@dataclass(frozen=True)
class Query:
    """A question to the database, in capitals; `make` one.

    Attributes
    ----------
    telescop, instrume, detnam, filter, codename : str
        ``-`` for a detector or filter that does not matter.
    start, stop : float or None
        MJD.
    expression : Expression
    exact : bool
        The rules of ``quzcif``.
    """

    telescop: str
    instrume: str
    codename: str
    detnam: str = "-"
    filter: str = "-"
    start: float | None = None
    stop: float | None = None
    expression: Expression = field(default_factory=Expression)
    exact: bool = False

    @classmethod
    def make(
        cls, telescop: str, instrume: str, codename: str, *, detector: str | None = None, filter: str | None = None,
        date: str | float | None = None, time: str | None = None, stop_date: str | float | None = None,
        stop_time: str | None = None, expr: str | None = None, exact: bool = False,
    ) -> Query:  # fmt: skip
        """Query from what users write; see `Caldb.query`.

        Raises
        ------
        ParameterError, ExpressionError
            A date or the expression is not understood.
        """
        return cls(
            _word(telescop), _word(instrume), _word(codename), _word(detector), _word(filter),
            reference_time(date, time), reference_time(stop_date, stop_time), parse_expression(expr), exact,
        )  # fmt: skip

    def key(self) -> str:
        """Text that is the same for the same question, as lock files keep it."""
        dates = ["-" if t is None else f"{t:.6f}" for t in (self.start, self.stop)]
        words = (self.telescop, self.instrume, self.detnam, self.filter, self.codename, *dates)
        return " ".join([*words, self.expression.text or "-", *(["exact"] if self.exact else [])])


@dataclass(frozen=True)
class Found(Sequence[CalFile]):
    """What a query found, in the order of the index.

    Attributes
    ----------
    files : tuple of CalFile
        The first `maxret` of them.
    total : int
        How many there are.
    query : Query
    explanation : str
        Why nothing was found; empty otherwise.
    """

    files: tuple[CalFile, ...]
    total: int
    query: Query
    explanation: str = ""

    @overload
    def __getitem__(self, item: int) -> CalFile: ...
    @overload
    def __getitem__(self, item: slice) -> tuple[CalFile, ...]: ...
    def __getitem__(self, item: Any) -> Any:
        return self.files[item]

    def __len__(self) -> int:
        return len(self.files)


def _equal(column: NDArray[Any], asked: str, *, exact: bool) -> NDArray[np.bool_]:
    """Rows that have the value asked for or none; the query's own NONE asks for nothing either."""
    if asked == "-" or (asked == "NONE" and not exact):
        return np.ones(len(column), dtype=bool)
    return (column == asked) | (column == "NONE")


def _identity(index: CalibrationIndex, query: Query) -> dict[str, NDArray[np.bool_]]:
    """Rows that pass each of the conditions on words, by condition."""
    upper = index.upper
    if query.exact:
        code = upper["CAL_CNAM"] == query.codename
    else:
        code = _equal(upper["CAL_CNAM"], "NONE" if query.codename == "-" else query.codename, exact=False)
    return {
        "TELESCOP": upper["TELESCOP"] == query.telescop,
        "INSTRUME": upper["INSTRUME"] == query.instrume,
        "CAL_CNAM": code,
        "DETNAM": _equal(upper["DETNAM"], query.detnam, exact=query.exact),
        "FILTER": _equal(upper["FILTER"], query.filter, exact=query.exact),
        "CAL_QUAL": index.columns["CAL_QUAL"] == 0,
    }


def _refused(index: CalibrationIndex, query: Query, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which boundaries of some rows do not pass the expression, by their number; the last one stands for none (-1)."""
    names = query.expression.names
    bad = np.zeros(len(index.boundaries) + 1, dtype=bool)
    present = np.zeros_like(bad)
    present[index.boundary_codes[rows]] = True
    for code in np.flatnonzero(present[:-1]):
        boundary = index.boundaries[code]
        if boundary.name in names and not query.expression.accepts(boundary, overlap=query.exact):
            bad[code] = True
    return bad


def select(index: CalibrationIndex, query: Query) -> NDArray[np.int64]:
    """Rows that answer a query, in the order of the index.

    Parameters
    ----------
    index : CalibrationIndex
    query : Query

    Notes
    -----
    1. Words are compared without case. TELESCOP and INSTRUME must be the same; a row whose DETNAM, FILTER or CAL_CNAM
       is NONE fits every query, and a query of NONE or ``-`` fits every row. With `Query.exact` CAL_CNAM must be the
       same and only ``-`` fits every detector and filter.
    2. CAL_QUAL must be 0.
    3. All boundaries of the row must pass the expression.
    4. With a start date, REF_TIME must not be later.
    5. The latest REF_TIME among those is kept: earlier rows are dropped, whatever their detector or boundaries.
    6. With a stop date, REF_TIME must not be later than that.
    """
    keep = np.ones(len(index), dtype=bool)
    for mask in _identity(index, query).values():
        keep &= mask
    reference = index.columns["REF_TIME"]
    if query.start is not None:
        keep &= reference <= query.start
    if query.expression:
        rows = np.flatnonzero(keep)
        keep[rows] = ~_refused(index, query, rows)[index.boundary_codes[rows]].any(axis=1)
    if query.start is not None and keep.any():
        keep &= reference >= reference[keep].max()
    if query.stop is not None:
        keep &= reference <= query.stop
    return np.flatnonzero(keep)


def explain(index: CalibrationIndex, query: Query) -> str:
    """Which condition left nothing over, and what would have fitted it."""
    keep = np.ones(len(index), dtype=bool)
    asked = {
        "TELESCOP": query.telescop, "INSTRUME": query.instrume, "CAL_CNAM": query.codename,
        "DETNAM": query.detnam, "FILTER": query.filter, "CAL_QUAL": "0",
    }  # fmt: skip
    words = {"CAL_CNAM": "codename", "DETNAM": "detector", "FILTER": "filter"}
    for column, mask in _identity(index, query).items():
        left = keep & mask
        if not left.any():
            if column == "CAL_QUAL":
                return f"all {keep.sum()} data sets that fit are of bad quality or superseded (CAL_QUAL not 0)"
            have = sorted(set(index.upper[column][keep].tolist()) - {""})
            near = suggest(asked[column], have)
            what = f"no data set has {words.get(column, column)} {asked[column]}; the index has {_some(have)}"
            return f"{what}. {near}" if near else what
        keep = left
    rows = np.flatnonzero(keep)
    if query.expression:
        bad = _refused(index, query, rows)
        good = ~bad[index.boundary_codes[rows]].any(axis=1)
        if not good.any():
            guilty = sorted(index.boundary_texts[c] for c in np.flatnonzero(bad))
            return (
                f"{query.expression.text} excludes all {len(rows)} data sets that fit otherwise;"
                f" their boundaries are {_some(guilty)}"
            )
        rows = rows[good]
    reference = index.columns["REF_TIME"][rows]
    if query.start is not None and not (reference <= query.start).any():
        return f"the earliest data set that fits is valid from {_date(reference.min())}, after {_date(query.start)}"
    if query.stop is not None:
        return f"the data sets that fit are valid from {_date(reference.min())} on, after {_date(query.stop)}"
    return ""


def _some(values: Iterable[str], most: int = 12) -> str:
    texts = list(values)
    return ", ".join(texts[:most]) + (f" and {len(texts) - most} more" if len(texts) > most else "")


def _date(mjd: float) -> str:
    try:
        moment = datetime.datetime(1858, 11, 17) + datetime.timedelta(days=float(mjd))
    except (OverflowError, ValueError):
        return f"MJD {mjd}"
    return moment.strftime("%Y-%m-%d" if mjd == int(mjd) else "%Y-%m-%d %H:%M:%S")
