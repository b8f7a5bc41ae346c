"""The task ``maketime``: good time intervals from a condition on housekeeping data (behaviour of version 2.9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from wolter import fits
from wolter.data.rows import filter_functions, filter_table
from wolter.errors import ExpressionError
from wolter.expr import parse, read_columns
from wolter.gti.maketime import mask_intervals
from wolter.tasks._output import read_lines, refuse_input, target
from wolter.tasks.registry import Parameter, Task, TaskError, TaskResult

__all__ = ["TASK"]

_LENGTH = 70


def _fraction(p: Mapping[str, Any], header: fits.Header, name: str, result: TaskResult) -> float:
    """Part of the interval to the next sample that is good: parameter, keyword, or a half."""
    given = p[name.lower()]
    if given >= 0:
        if given > 1:
            raise TaskError(f"{name.lower()} = {given} is no fraction from 0 to 1")
        return given
    if name in header:
        return header.number(name)
    result.messages.append(f"{name} keyword not found, using {name.lower()} = 0.5")
    return 0.5


def _compact(table: fits.TableHDU, p: Mapping[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    """Times and columns of a table in compact format: rows of name, value and time of single parameters.

    Every parameter keeps its value until its next row and is undefined before its first.
    """
    for key in ("name", "value", "time"):
        if p[key] not in table:
            raise TaskError(
                f"there is no column {p[key]} for the compact format; the table has {', '.join(table.columns)}",
                returncode=202,
                file=table.file,
                hdu=table.label,
                cure="Set compact=no for a table with one column for each parameter.",
            )
    names = np.char.upper(np.char.strip(np.asarray(table.read(p["name"])).astype(str)))
    values, time = np.asarray(table.read(p["value"])), np.asarray(table.read(p["time"]), dtype=float)
    out: dict[str, Any] = {}
    rows = np.arange(len(names))
    for name in np.unique(names):
        latest = np.maximum.accumulate(np.where(names == name, rows, -1))
        out[str(name)] = np.ma.MaskedArray(values[np.maximum(latest, 0)], mask=latest < 0)
    return time, out


def _good(table: fits.TableHDU, p: Mapping[str, Any], file: fits.FitsFile) -> tuple[np.ndarray, np.ndarray]:
    """Times of the samples and whether the condition holds."""
    text = str(p["expr"] or "")
    if text.startswith("@"):
        text = " ".join(" ".join(read_lines(text[1:], "expression")).split())
    keywords: Any = table.header
    try:
        parsed = parse(text)
    except ExpressionError as exc:
        raise TaskError(exc.cause, returncode=175, file=table.file, hdu=table.label) from exc
    names, functions = filter_functions(table, parsed, file=file)
    if p["compact"]:
        time, columns = _compact(table, p)
    else:
        if p["time"] not in table:
            raise TaskError(
                f"there is no time column {p['time']}; the table has {', '.join(table.columns)}",
                returncode=202,
                file=table.file,
                hdu=table.label,
                cure="Name it with time=.",
            )
        time = np.asarray(table.read(p["time"]), dtype=float)
        columns = read_columns(table, dict.fromkeys([*sorted(parsed.names), *names]))
    have = {name.upper() for name in columns}
    unknown = [n for n in sorted(parsed.names) if n.upper() not in have and n not in table.header]
    try:
        return time, parsed.select(columns, keywords=keywords, functions=functions, nrows=len(time))
    except ExpressionError as exc:
        raise TaskError(exc.cause, returncode=202 if unknown else 175, file=table.file, hdu=table.label) from exc


def _run(p: Mapping[str, Any], result: TaskResult) -> None:
    name = fits.parse_name(str(p["infile"]))
    out, overwrite = target(p["outfile"], p["clobber"])
    refuse_input(out, name.path)
    with fits.open(name.without_filter()) as file:
        key: Any = 1 if name.ext is None else name.ext
        table = filter_table(file.table((key, name.ver) if name.ver and isinstance(key, str) else key), name, file=file)
        prefr = _fraction(p, table.header, "PREFR", result)
        postfr = _fraction(p, table.header, "POSTFR", result)
        time, good = _good(table, p, file)
        if np.any(np.diff(time) == 0):
            result.messages.append("Duplicate time stamps encountered")
        start, stop = _intervals(time, good, prefr, postfr)
        header = _header(table, p, name, prefr, postfr)
        hdu = fits.new_table(
            "STDGTI",
            {p["start"]: start, p["stop"]: stop},
            columns={p["start"]: fits.Column(p["start"], "1D"), p["stop"]: fits.Column(p["stop"], "1D")},
            units={p["start"]: "sec", p["stop"]: "sec"},
            header=header,
        )
        provenance = fits.Provenance("maketime", {k: p[k] for k in ("expr", "prefr", "postfr")}, [name.path])
        fits.write(out, [fits.primary(), hdu], overwrite=overwrite, provenance=provenance)
    result.products["gti"] = out
    result.messages.append(f"{len(start)} good time intervals, {float(np.sum(stop - start)):.6f} s")


def _intervals(time: np.ndarray, good: np.ndarray, prefr: float, postfr: float) -> tuple[np.ndarray, np.ndarray]:
    """Intervals; where times go back a run of good samples ends, as in the tool."""
    breaks = np.flatnonzero(np.diff(time) < 0) + 1
    parts = [
        mask_intervals(t, g, prefr=prefr, postfr=postfr)
        for t, g in zip(np.split(time, breaks), np.split(good, breaks), strict=True)
    ]
    return np.concatenate([a for a, _ in parts]), np.concatenate([b for _, b in parts])


def _header(
    table: fits.TableHDU, p: Mapping[str, Any], name: fits.FileName, prefr: float, postfr: float
) -> fits.Header:
    header = table.header.without_structure() if p["copykw"] else fits.Header()
    for key in ("EXTNAME", "HDUCLASS", "HDUCLAS1", "HDUCLAS2", "HDUCLAS3", "CHECKSUM", "DATASUM"):
        header.remove(key)
    for key, value, comment in (
        ("HDUCLASS", "OGIP", "format conforms to OGIP/GSFC conventions"),
        ("HDUCLAS1", "GTI", "Extension contains Good Time Intervals"),
        ("HDUCLAS2", "STANDARD", "Extension contains Good Time Intervals"),
        ("PREFR", prefr, "For maketime: time interval before a row"),
        ("POSTFR", postfr, "For maketime: time interval after a row"),
    ):
        header.set(key, value, comment)
    if p["histkw"]:
        header.add_history(f"TASK: MAKETIME on FILENAME: {name.path.name}[{table.name}]")
        text = f"Expression: {p['expr']}"
        for i in range(0, len(text), _LENGTH):
            header.add_history(text[i : i + _LENGTH])
    return header


TASK = Task(
    "maketime",
    (
        Parameter("infile", "f", ..., "housekeeping file and extension, e.g. hk.fits[HK]"),
        Parameter("outfile", "f", ..., "file to write; !name replaces an existing one"),
        Parameter("expr", "s", ..., "condition; @file reads it from a text file"),
        Parameter("name", "s", "NAME", "column of parameter names (compact format)"),
        Parameter("value", "s", "VALUE", "column of parameter values (compact format)"),
        Parameter("time", "s", "TIME", "column of times"),
        Parameter("start", "s", "START", "column of starts in the output", hidden=True),
        Parameter("stop", "s", "STOP", "column of stops in the output", hidden=True),
        Parameter("compact", "b", True, "the table has rows of name, value and time"),
        Parameter("copykw", "b", True, "copy the keywords of the table", hidden=True),
        Parameter("histkw", "b", True, "write HISTORY", hidden=True),
        Parameter(
            "prefr", "r", -1.0, "good part of the interval before a sample; negative: keyword, or 0.5", hidden=True
        ),
        Parameter("postfr", "r", -1.0, "good part of the interval after a sample; likewise", hidden=True),
        Parameter("clobber", "b", False, "replace an existing file", hidden=True),
    ),
    _run,
    "Good time intervals from a condition on the columns of a table.",
)
