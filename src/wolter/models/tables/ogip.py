"""Table models as files: OGIP memorandum 92-009 (K. Arnaud, "The file format for XSPEC table models").

A file holds spectra (or factors) for all combinations of tabulated values of some *interpolated* parameters, and for
each *additional* parameter a further set of spectra that is multiplied by the parameter and added.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wolter import fits
from wolter.errors import FitsError, ModelError, warn

__all__ = ["TableFile", "TableParameter", "read_table"]

Array = npt.NDArray[np.float64]

_PARAMETER_COLUMNS = ("NAME", "METHOD", "INITIAL", "DELTA", "MINIMUM", "BOTTOM", "TOP", "MAXIMUM", "NUMBVALS", "VALUE")
_WHOLE = 64 * 2**20  # tables up to this many bytes are read at once, larger ones spectrum by spectrum
_KEPT_ROWS = 64 * 2**20  # bytes of spectra kept of a larger one
_ON_GRID = 1e-5  # relative; PARAMVAL and VALUE are often single precision


@dataclass(frozen=True, slots=True)
class TableParameter:
    """A parameter of a table model.

    Parameters
    ----------
    name, unit : str
        As in the file.
    values : tuple of float
        Tabulated values, ascending; empty for an additional parameter.
    logarithmic : bool
        Interpolated in its logarithm.
    initial, delta : float
        Default and step; a delta that is not positive means frozen.
    limits : tuple of float
        Hard minimum, soft minimum, soft maximum, hard maximum.
    """

    name: str
    unit: str
    values: tuple[float, ...]
    logarithmic: bool
    initial: float
    delta: float
    limits: tuple[float, float, float, float]

    @property
    def additional(self) -> bool:
        """Whether its spectra are multiplied by it and added, rather than interpolated between."""
        return not self.values


@dataclass(frozen=True, eq=False)
class TableFile:
    """A table model.

    Parameters
    ----------
    path : Path
        Where it is.
    name : str
        MODLNAME.
    additive : bool
        Spectra in photons/cm²/s per bin rather than factors.
    parameters : tuple of TableParameter
        In the order of the file.
    edges : array [m + 1]
        Energies of the table, keV, ascending.
    redshift, escale : bool
        Whether the model has a parameter z, one that scales the energies.
    below, above : float or None
        Values of factors outside the energies of the table, if the file says.
    rows : _Rows
        Reader of the spectra.
    """

    path: Path
    name: str
    additive: bool
    parameters: tuple[TableParameter, ...]
    edges: Array
    redshift: bool
    escale: bool
    below: float | None
    above: float | None
    rows: _Rows

    @property
    def interpolated(self) -> tuple[TableParameter, ...]:
        """Parameters between whose values is interpolated."""
        return tuple(p for p in self.parameters if not p.additional)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values of each interpolated parameter."""
        return tuple(len(p.values) for p in self.interpolated)

    def __reduce__(self) -> tuple[object, ...]:
        # An open file and a lock do not travel to another process; the name does.
        return read_table, (self.path,)

    def spectra(self, node: int) -> Array:
        """Spectra [1 + additional, m] at one combination of values, the last parameter counting fastest."""
        return self.rows.get(node)


class _Rows:
    """Spectra by combination of values, the whole table in memory or row by row from the file."""

    def __init__(self, file: Any, hdu: Any, columns: tuple[str, ...], order: npt.NDArray[np.intp], bins: int) -> None:
        self._file, self._hdu, self._columns, self._order, self._bins = file, hdu, columns, order, bins
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, Array] = OrderedDict()
        self._all: dict[str, npt.NDArray[Any]] | None = None
        if len(order) * bins * 4 * len(columns) <= _WHOLE or file.streamed:
            self._all = {c: np.asarray(hdu.read(c)) for c in columns}
            file.close()

    def get(self, node: int) -> Array:
        """Spectra [columns, bins] of one combination."""
        row = int(self._order[node])
        with self._lock:
            found = self._kept.get(node)
            if found is None:
                found = self._read(row)
                self._kept[node] = found
                while len(self._kept) * found.nbytes > _KEPT_ROWS and len(self._kept) > 1:
                    self._kept.popitem(last=False)
            return found

    def _read(self, row: int) -> Array:
        if self._all is not None:
            parts = [self._all[c][row] for c in self._columns]
        else:
            parts = [self._hdu.read(c, rows=slice(row, row + 1))[0] for c in self._columns]
        out = np.stack([np.atleast_1d(p)[: self._bins] for p in parts]).astype(float)
        if not np.isfinite(out).all():
            raise ModelError(
                f"the spectrum in row {row + 1} contains values that are not finite",
                file=self._file.path,
                hdu="SPECTRA",
                cure="The table is damaged; make it again.",
            )
        return out


# --- reading ----------------------------------------------------------------------------------------------------------


def read_table(path: str | PathLike[str]) -> TableFile:
    """Table model from a file, which may be compressed.

    Raises
    ------
    ModelError
        When the file is missing, is no table model, or contradicts itself; says which HDU and why.

    Warns
    -----
    WolterWarning
        When the file has errors of the spectra, which are not used.
    """
    place = Path(path).expanduser()
    if not place.is_file():
        raise ModelError("there is no such table model", file=place, cure="Relative names start at the current folder.")
    try:
        file = fits.open(place)
    except FitsError as exc:
        raise ModelError(f"the table model cannot be read: {exc.cause}", file=place, cure=exc.cure) from exc
    try:
        return _Reader(file, place).read()
    except FitsError as exc:
        file.close()
        raise ModelError(
            f"the table model cannot be read: {exc.cause}", file=place, hdu=exc.hdu, cure=exc.cure
        ) from exc
    except BaseException:
        file.close()
        raise


class _Reader:
    """One reading of a file."""

    def __init__(self, file: Any, path: Path) -> None:
        self.file, self.path = file, path

    def fail(self, cause: str, hdu: str | None = None, cure: str | None = None) -> ModelError:
        return ModelError(cause, file=self.path, hdu=hdu, cure=cure)

    def read(self) -> TableFile:
        header = self.file[0].header
        self.check_kind(header)
        edges = self.edges()
        parameters = self.parameters()
        additional = sum(p.additional for p in parameters)
        return TableFile(
            path=self.path,
            name=str(header.get("MODLNAME", self.path.stem)).strip(),
            additive=_flag(header.get("ADDMODEL")),
            parameters=parameters,
            edges=edges,
            redshift=_flag(header.get("REDSHIFT")),
            escale=_flag(header.get("ESCALE")),
            below=_limit(header.get("LOELIMIT")),
            above=_limit(header.get("HIELIMIT")),
            rows=self.rows(parameters, additional, len(edges) - 1),
        )

    def check_kind(self, header: Any) -> None:
        what = str(header.get("HDUCLAS1", "")).strip().upper()
        if what != "XSPEC TABLE MODEL":
            raise self.fail(
                f"this is no table model (HDUCLAS1 is {what or 'missing'!r} instead of 'XSPEC TABLE MODEL')",
                "PRIMARY",
                "Table models follow OGIP memorandum 92-009.",
            )
        if "ADDMODEL" not in header:
            raise self.fail("keyword ADDMODEL is missing", "PRIMARY", "It says whether the model is additive (T or F).")
        if int(header.get("NXFLTEXP", 1)) > 1:
            raise self.fail(
                f"the table holds {header['NXFLTEXP']} spectra per combination, chosen by XFLT keywords (NXFLTEXP)",
                "PRIMARY",
                "Such tables are not supported.",
            )
        if "NNPTFILE" in header:
            raise self.fail("the table is a neural network (NNPTFILE)", "PRIMARY", "Such tables are not supported.")

    def table(self, name: str, columns: tuple[str, ...]) -> Any:
        hdu = self.file.get(name)
        if hdu is None or not hasattr(hdu, "columns"):
            present = ", ".join(h.name or "PRIMARY" for h in self.file.hdus)
            raise self.fail(f"table {name} is missing", cure=f"The file has {present}.")
        missing = [c for c in columns if c not in hdu]
        if missing:
            raise self.fail(f"column {' and '.join(missing)} missing", name, f"There are {', '.join(hdu.columns)}.")
        if hdu.nrows < 1:
            raise self.fail("the table has no rows", name)
        return hdu

    def edges(self) -> Array:
        hdu = self.table("ENERGIES", ("ENERG_LO", "ENERG_HI"))
        lo = np.asarray(hdu.read("ENERG_LO"), dtype=float)
        hi = np.asarray(hdu.read("ENERG_HI"), dtype=float)
        if not (np.isfinite(lo).all() and np.isfinite(hi).all() and (hi > lo).all() and (np.diff(lo) > 0).all()):
            raise self.fail("the energies do not ascend", "ENERGIES", "Each ENERG_HI must be above its ENERG_LO.")
        if not np.allclose(hi[:-1], lo[1:], rtol=1e-5, atol=0.0):
            row = int(np.argmax(~np.isclose(hi[:-1], lo[1:], rtol=1e-5, atol=0.0))) + 1
            raise self.fail(f"there is a gap or an overlap between the bins in rows {row} and {row + 1}", "ENERGIES")
        return np.append(lo, hi[-1])

    def parameters(self) -> tuple[TableParameter, ...]:
        hdu = self.table("PARAMETERS", _PARAMETER_COLUMNS)
        header = hdu.header
        for key in ("NINTPARM", "NADDPARM"):
            if key not in header:
                raise self.fail(f"keyword {key} is missing", "PARAMETERS")
        interpolated, additional = int(header["NINTPARM"]), int(header["NADDPARM"])
        if interpolated + additional != hdu.nrows:
            raise self.fail(
                f"NINTPARM {interpolated} and NADDPARM {additional} do not make {hdu.nrows} rows", "PARAMETERS"
            )
        columns = hdu.read(list(_PARAMETER_COLUMNS) + (["UNITS"] if "UNITS" in hdu else []))
        found = tuple(self.parameter(columns, row) for row in range(hdu.nrows))
        if sum(not p.additional for p in found) != interpolated:
            raise self.fail(
                f"NINTPARM is {interpolated}, but {sum(not p.additional for p in found)} parameters have values"
                " to interpolate between (METHOD 0 or 1 and NUMBVALS above 0)",
                "PARAMETERS",
            )
        return found

    def parameter(self, columns: dict[str, Any], row: int) -> TableParameter:
        name = _text(columns["NAME"][row])
        method, count = int(columns["METHOD"][row]), int(columns["NUMBVALS"][row])
        numbers = {k: float(columns[k][row]) for k in _PARAMETER_COLUMNS[2:8]}
        if not name:
            raise self.fail(f"the parameter in row {row + 1} has no name", "PARAMETERS")
        if method not in (-1, 0, 1):
            raise self.fail(f"METHOD {method} of parameter {name} is neither 0 (linear) nor 1 (log)", "PARAMETERS")
        if not all(math.isfinite(v) for v in numbers.values()):
            raise self.fail(f"a limit or the default of parameter {name} is not finite", "PARAMETERS")
        values: tuple[float, ...] = ()
        if method >= 0 and count > 0:
            stored = np.atleast_1d(np.asarray(columns["VALUE"][row], dtype=float))
            if count > len(stored):
                raise self.fail(f"parameter {name} is to have {count} values, there are {len(stored)}", "PARAMETERS")
            stored = stored[:count]
            if not np.isfinite(stored).all() or (np.diff(stored) <= 0).any():
                raise self.fail(f"the values of parameter {name} do not ascend", "PARAMETERS")
            if method == 1 and stored[0] <= 0:
                raise self.fail(f"parameter {name} is logarithmic, but has the value {stored[0]:g}", "PARAMETERS")
            values = tuple(stored.tolist())
        return TableParameter(
            name,
            _text(columns["UNITS"][row]) if "UNITS" in columns else "",
            values,
            method == 1,
            numbers["INITIAL"],
            numbers["DELTA"],
            self.limits(name, numbers, values),
        )

    def limits(self, name: str, n: dict[str, float], values: tuple[float, ...]) -> tuple[float, float, float, float]:
        """Limits as in the file, but not beyond the tabulated values: there is nothing to interpolate."""
        lo, hi = min(n["MINIMUM"], n["BOTTOM"]), max(n["MAXIMUM"], n["TOP"])
        if len(values) > 1:
            lo, hi = max(lo, values[0]), min(hi, values[-1])
        if not lo <= hi:
            raise self.fail(
                f"limits {n['MINIMUM']:g} to {n['MAXIMUM']:g} of parameter {name} contain none of its values",
                "PARAMETERS",
            )
        slack = _ON_GRID * max(abs(lo), abs(hi))
        if not lo - slack <= n["INITIAL"] <= hi + slack:
            raise self.fail(
                f"the default {n['INITIAL']:g} of parameter {name} is outside its limits {lo:g} to {hi:g}", "PARAMETERS"
            )
        return lo, min(max(n["BOTTOM"], lo), hi), max(min(n["TOP"], hi), lo), hi

    def rows(self, parameters: tuple[TableParameter, ...], additional: int, bins: int) -> _Rows:
        interpolated = [p for p in parameters if not p.additional]
        columns = ("INTPSPEC", *(f"ADDSP{i + 1:03d}" for i in range(additional)))
        hdu = self.table("SPECTRA", (*(("PARAMVAL",) if interpolated else ()), *columns))
        wanted = math.prod(len(p.values) for p in interpolated)
        if hdu.nrows != wanted:
            raise self.fail(
                f"there are {hdu.nrows} spectra for {wanted} combinations of parameter values",
                "SPECTRA",
                "Each combination of the values in PARAMETERS needs a row.",
            )
        for column in columns:
            length = int(np.size(hdu.read(column, rows=slice(0, 1))))
            if length == 2 * bins and bins > 0:
                warn(f"{self.path}[SPECTRA]: the errors in column {column} are not used")
            elif length != bins:
                raise self.fail(f"column {column} has {length} values per row for {bins} energies", "SPECTRA")
        return _Rows(self.file, hdu, columns, self.order(hdu, interpolated, wanted), bins)

    def order(self, hdu: Any, interpolated: list[TableParameter], count: int) -> npt.NDArray[np.intp]:
        """Row of each combination, the last parameter counting fastest."""
        if not interpolated:
            return np.zeros(1, dtype=np.intp)
        given = np.asarray(hdu.read("PARAMVAL"), dtype=float).reshape(count, -1)
        if given.shape[1] < len(interpolated):
            raise self.fail(
                f"column PARAMVAL has {given.shape[1]} values for {len(interpolated)} parameters", "SPECTRA"
            )
        node = np.zeros(count, dtype=np.intp)
        for column, parameter in zip(given.T, interpolated, strict=False):
            values = np.array(parameter.values)
            nearest = np.abs(column[:, None] - values).argmin(axis=1)
            scale = np.maximum(np.abs(values[nearest]), np.ptp(values) * 1e-3)
            off = np.abs(column - values[nearest]) > _ON_GRID * scale
            if off.any():
                row = int(off.argmax())
                raise self.fail(
                    f"row {row + 1} has {parameter.name} = {column[row]:g}, which is none of its values in PARAMETERS",
                    "SPECTRA",
                )
            node = node * len(values) + nearest
        if len(np.unique(node)) != count:
            raise self.fail("a combination of parameter values occurs twice, another is missing", "SPECTRA")
        return np.argsort(node, kind="stable")


def _flag(value: object) -> bool:
    return value.strip().upper().startswith("T") if isinstance(value, str) else bool(value)


def _limit(value: object) -> float | None:
    """A limit as XSPEC understands it: a negative one is none."""
    if value is None or isinstance(value, str):
        return None
    number = float(value)  # pyright: ignore[reportArgumentType]
    return number if number >= 0 else None


def _text(value: object) -> str:
    return (value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)).strip()
