"""Rows of any table chosen by an expression: the row filters of file names, of ftcopy and of SAS.

Files named inside an expression (``gtifilter("gti.fits")``, ``regfilter("r.reg")``) are looked for beside the table's
own file, then as they are written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter.errors import DataError, RegionError
from wolter.expr import Dialect, Expression, parse, placed, read_columns
from wolter.gti import GTI, gtifilter, is_gti
from wolter.gti.rowfilter import beside
from wolter.sky import TanWCS, read_regions

__all__ = ["filter_functions", "filter_table", "read_table", "region_function", "row_mask"]


class _Named(Mapping[str, Any]):
    """Columns that were read, under the names of all there are, so that a misspelt one is met with the nearest."""

    def __init__(self, read: Mapping[str, Any], names: Sequence[str]) -> None:
        self._read = {name.upper(): values for name, values in read.items()}
        self._names = names

    def __getitem__(self, name: str) -> Any:
        return self._read[name.upper()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def row_mask(
    table: fits.TableHDU,
    expression: str | Expression,
    *,
    file: fits.FitsFile | None = None,
    folder: str | PathLike[str] | None = None,
    dialect: Dialect = "cfitsio",
) -> NDArray[np.bool_]:
    """Rows of a table that satisfy an expression.

    Parameters
    ----------
    table : TableHDU
        Its header gives the keywords (``#NAME``; in the SAS dialect attributes such as ``#XMMEA_EM``).
    expression : str or Expression
        The condition; it may compare rows (``TIME-TIME{-1} < 5``).
    file : FitsFile, optional
        The table's file, whose own good time intervals ``gtifilter()`` without an argument means.
    folder : path-like, optional
        Where files named in the expression are; by default the folder of the table's file.
    dialect : {"cfitsio", "sas"}
        For an expression given as text.

    Returns
    -------
    bool[nrows]

    Raises
    ------
    ExpressionError
        The expression is not understood, with carets below the place; names of columns are unknown.
    GTIError, RegionError
        A file named in it cannot be read.
    """
    keywords: Any = table.header
    where = folder if folder is not None else (Path(table.file).parent if table.file else None)
    with placed(table.file, table.label):
        parsed = parse(expression, dialect, keywords=keywords) if isinstance(expression, str) else expression
        names, functions = filter_functions(table, parsed, file=file, folder=where)
        columns = _Named(read_columns(table, dict.fromkeys([*sorted(parsed.names), *names])), list(table.columns))
        return parsed.select(columns, keywords=keywords, functions=functions, nrows=table.nrows)


def filter_functions(
    table: fits.TableHDU,
    parsed: Expression,
    *,
    file: fits.FitsFile | None = None,
    folder: str | PathLike[str] | None = None,
) -> tuple[list[str], dict[str, Callable[..., Any]]]:
    """What ``gtifilter`` and ``regfilter`` (in SAS ``gti`` and ``region``) mean for a table.

    Parameters
    ----------
    table, file, folder
        As in `row_mask`.
    parsed : Expression
        The expression that may call them.

    Returns
    -------
    names : list of str
        Columns that they use without naming them.
    functions : dict of str to callable
    """
    calls = {name.lower() for name in parsed.functions}
    names: list[str] = []
    functions: dict[str, Callable[..., Any]] = {}
    if calls & {"gtifilter", "gti"}:
        time = table.columns["TIME"].name if "TIME" in table else "TIME"
        names += [time] if time in table else []
        own = _own_gti(file) if file is not None else None
        functions["gtifilter"] = functions["gti"] = gtifilter(own, folder=folder, time=time)
    if calls & {"regfilter", "region"}:
        names += [table.columns[name].name for name in ("X", "Y") if name in table]
        functions["regfilter"] = functions["region"] = region_function(
            lambda name, x, y: _table_region(table, beside(name, folder), x, y)
        )
    return names, functions


def region_function(
    pixels: Callable[[str, str, str], Any], x: str = "X", y: str = "Y"
) -> Callable[[Sequence[Any], Mapping[str, Any]], NDArray[np.bool_]]:
    """The function that expressions call as ``regfilter("file.reg")`` or ``regfilter("file.reg", X, Y)``.

    Parameters
    ----------
    pixels : callable
        ``pixels(file name, x column, y column)`` gives the region in pixels; it is asked once for each file.
    x, y : str
        Coordinate columns if the expression names none.
    """
    found: dict[str, Any] = {}

    def inside(arguments: Sequence[Any], columns: Mapping[str, Any]) -> NDArray[np.bool_]:
        if len(arguments) not in (1, 3, 4) or not isinstance(arguments[0], str):
            raise RegionError(
                "regfilter() takes a file name, or a file name and two columns",
                cure='Write regfilter("file.reg", X, Y).',
            )
        name = arguments[0]
        if len(arguments) < 3 and not (x in columns and y in columns):
            raise RegionError(f"there are no columns {x} and {y}", cure='Name them: regfilter("file.reg", DETX, DETY).')
        px, py = arguments[1:3] if len(arguments) > 2 else (columns[x], columns[y])
        if name not in found:
            words = str(arguments[3]).replace(",", " ").split() if len(arguments) == 4 else [x, y]
            found[name] = pixels(name, *words[:2])
        return found[name].contains(np.asarray(px, dtype=float), np.asarray(py, dtype=float))

    return inside


def _table_region(table: fits.TableHDU, path: str, x: str, y: str) -> Any:
    limits = [table.columns[c].keywords.get(k) if c in table else None for c in (x, y) for k in ("TLMIN", "TLMAX")]
    bounds = None if any(v is None for v in limits) else tuple(int(v) for v in limits if v is not None)
    return read_regions(path).to_pixel(TanWCS.from_columns(table, x, y), bounds)  # type: ignore[arg-type]


def _own_gti(file: fits.FitsFile) -> GTI | None:
    found = [hdu for hdu in file.hdus if is_gti(hdu)]
    return GTI.read(found[0], allow_empty=True) if found else None


def filter_table(table: fits.TableHDU, name: fits.FileName, *, file: fits.FitsFile | None = None) -> fits.TableHDU:
    """Table with the rows that the filters of its file name leave.

    Parameters
    ----------
    table : TableHDU
    name : FileName
        Row filter, and ranges (``[PI=50:199]``, of which those of one column are alternatives).
    file : FitsFile, optional
        As in `row_mask`.

    Returns
    -------
    TableHDU
        The table itself where nothing is filtered.
    """
    keep = np.ones(table.nrows, dtype=bool)
    if name.row_filter:
        keep &= row_mask(table, name.row_filter, file=file)
    alternatives: dict[str, NDArray[np.bool_]] = {}
    for one in name.extractor_ranges:
        if one.column is None:
            raise DataError(
                "ranges without a column are the extractor's (X and Y)", file=name.path, cure="Name the column."
            )
        values = np.asarray(table.read(one.column, null="nan"))
        hit = (values >= (-np.inf if one.lo is None else one.lo)) & (values <= (np.inf if one.hi is None else one.hi))
        key = one.column.upper()
        alternatives[key] = alternatives[key] | hit if key in alternatives else hit
    for hit in alternatives.values():
        keep &= hit
    return table if keep.all() else table.select(keep)


def read_table(name: str | PathLike[str] | fits.FileName, *, extension: str | int | None = None) -> fits.TableHDU:
    """Table of a FITS file in memory, with the filters of its name applied.

    Parameters
    ----------
    name : path-like
        E.g. ``evt.fits[EVENTS][PI in ...]``, ``hk.fits[HK][LIVETIME > 0.5]``. Without an extension the first table.
    extension : str or int, optional
        Extension, if the name has none.

    Returns
    -------
    TableHDU

    Raises
    ------
    FitsError
        The file is missing or has no table.
    ExpressionError
        The row filter is wrong.
    """
    parsed = fits.parse_name(name)
    with fits.open(parsed.without_filter()) as file:
        key: Any = extension if parsed.ext is None else (parsed.ext, parsed.ver) if parsed.ver else parsed.ext
        if key is None:
            key = next((i for i, hdu in enumerate(file.hdus) if isinstance(hdu, fits.TableHDU)), None)
        if key is None:
            raise DataError("the file has no table", file=file.path)
        table = filter_table(file.table(key), parsed, file=file)
        return table.select(np.arange(table.nrows))
