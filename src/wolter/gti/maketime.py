"""From samples to intervals, by the rule of the FTOOL maketime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.errors import GTIError

if TYPE_CHECKING:
    from wolter import expr

__all__ = ["expression_intervals", "mask_intervals"]


def mask_intervals(time: Any, mask: Any, *, prefr: float = 0.5, postfr: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Intervals around runs of good samples.

    A run of good samples i..j becomes ``START = t_i - prefr (t_i - t_{i-1})`` and
    ``STOP = t_j + postfr (t_{j+1} - t_j)``; the first and the last sample of all are not extended; intervals without
    length are dropped. This is what maketime does with ``compact=no`` (compared with version 2.9: no difference).

    Parameters
    ----------
    time : array_like, shape (n,)
        Times of the samples, s, ascending (equal times are allowed).
    mask : array_like of bool, shape (n,)
        Which samples are good.
    prefr, postfr : float
        Fraction of the interval to the previous and to the next sample that is good, too; 0 to 1.

    Returns
    -------
    start, stop : ndarray
        Intervals as maketime writes them: neighbours may touch (`GTI` merges those).

    Raises
    ------
    GTIError
        Times NaN or descending, lengths unequal, fractions outside 0..1.
    """
    t, good = np.asarray(time, dtype=np.float64), np.asarray(mask)
    if good.dtype != bool:
        raise GTIError(f"the mask is of type {good.dtype}, not bool", cure="Compare with something to get a condition.")
    if t.ndim != 1 or t.shape != good.shape:
        raise GTIError(
            f"there are {t.size} times but {good.size} conditions", cure="Give one condition for every time."
        )
    for name, value in (("prefr", prefr), ("postfr", postfr)):
        if not 0.0 <= value <= 1.0:
            raise GTIError(f"{name} is {value}", cure="It is a fraction between 0 and 1.")
    if t.size == 0:
        return np.zeros(0), np.zeros(0)
    _check_times(t)
    before = np.concatenate((t[:1], t[:-1]))
    after = np.concatenate((t[1:], t[-1:]))
    first = np.flatnonzero(good & ~np.concatenate(([False], good[:-1])))
    last = np.flatnonzero(good & ~np.concatenate((good[1:], [False])))
    start = t[first] - prefr * (t[first] - before[first])
    stop = t[last] + postfr * (after[last] - t[last])
    keep = stop > start
    return start[keep], stop[keep]


def _check_times(t: np.ndarray) -> None:
    if not np.all(np.isfinite(t)):
        row = int(np.flatnonzero(~np.isfinite(t))[0])
        raise GTIError(f"the time of sample {row + 1} is {t[row]}", cure="Remove samples without a time.")
    down = np.flatnonzero(t[1:] < t[:-1])
    if down.size:
        row = int(down[0])
        raise GTIError(
            f"times go back from sample {row + 1} ({float(t[row])!r} s) to {row + 2} ({float(t[row + 1])!r} s)",
            cure="Sort the table by time first.",
        )


def expression_intervals(
    expression: str | expr.Expression,
    columns: Any,
    time: Any = "TIME",
    *,
    prefr: float | None = None,
    postfr: float | None = None,
    keywords: Mapping[str, Any] | None = None,
    functions: Mapping[str, expr.RowFunction] | None = None,
    dialect: expr.Dialect = "cfitsio",
) -> tuple[np.ndarray, np.ndarray, Mapping[str, Any] | None]:
    """Intervals in which a condition on housekeeping columns holds.

    Parameters
    ----------
    expression : str or Expression
        The condition, e.g. ``"ELV>3&&SAA==0"``.
    columns : mapping of str to array, or wolter.fits.TableHDU
        Housekeeping columns. From a table only those that the expression needs are read, and its header gives the
        keywords.
    time : str or array_like
        Name of the time column, or the times (s).
    prefr, postfr : float, optional
        As in `mask_intervals`; by default the header's PREFR and POSTFR, without them 0.5.
    keywords, functions
        As in `wolter.expr.Expression.evaluate`.
    dialect : {"cfitsio", "sas"}
        For an expression given as text.

    Returns
    -------
    start, stop : ndarray
        s.
    header : mapping or None
        The table's header, with PREFR and POSTFR as used.

    Raises
    ------
    ExpressionError
        The expression is not understood; columns unknown.
    GTIError
        As in `mask_intervals`, or there is no time column.
    """
    from wolter import expr  # here, so that reading a spectrum's GTI does not load the expression parser

    parsed = expr.parse(expression, dialect, keywords=keywords) if isinstance(expression, str) else expression
    header = None
    if hasattr(columns, "read") and hasattr(columns, "header"):
        table = columns
        header = table.header
        keywords = {**header, **(keywords or {})}
        times = _time_of(time, table.columns, lambda name: table.read(name))
        columns = expr.read_columns(table, parsed.names)
    else:
        names = {str(k).lower(): k for k in columns}
        source = columns
        times = _time_of(time, source, lambda name: source[names[name.lower()]])
    good = parsed.select(columns, keywords=keywords, functions=functions, nrows=len(times))
    known = keywords or {}
    prefr = float(known.get("PREFR", 0.5)) if prefr is None else prefr
    postfr = float(known.get("POSTFR", 0.5)) if postfr is None else postfr
    start, stop = mask_intervals(times, good, prefr=prefr, postfr=postfr)
    return start, stop, {**(header or {}), "PREFR": prefr, "POSTFR": postfr}


def _time_of(time: Any, names: Any, read: Any) -> np.ndarray:
    if not isinstance(time, str):
        return np.asarray(time, dtype=np.float64)
    if time.lower() not in {str(n).lower() for n in names}:
        shown = ", ".join(list(map(str, names))[:20])
        raise GTIError(f"there is no time column {time!r}; the columns are {shown}", cure="Name it with time=.")
    return np.asarray(read(time), dtype=np.float64)
