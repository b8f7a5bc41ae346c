"""Reading and writing redistribution matrices (OGIP memo CAL/GEN/92-002 and its addendum 92-002a)."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter.data.matrix import CompressedMatrix, ranges
from wolter.data.rmf import RMF, ascending_bins, keyword
from wolter.errors import ResponseError, warn

__all__ = ["is_ebounds", "is_matrix", "kev_factor", "read_rmf", "write_rmf"]

_MATRIX_NAMES = ("MATRIX", "SPECRESP MATRIX")
_KEV = {
    "": 1.0,
    "keV": 1.0,
    "KeV": 1.0,
    "KEV": 1.0,
    "kev": 1.0,
    "eV": 1e-3,
    "EV": 1e-3,
    "ev": 1e-3,
    "MeV": 1e3,
    "GeV": 1e6,
}
_GRID_TOLERANCE = 1e-5  # relative, within which energies of several MATRIX extensions are the same


def is_matrix(header: fits.Header) -> bool:
    """Whether a table's header announces a redistribution matrix."""
    return keyword(header, "HDUCLAS2").upper() == "RSP_MATRIX" or keyword(header, "EXTNAME").upper() in _MATRIX_NAMES


def is_ebounds(header: fits.Header) -> bool:
    """Whether a table's header announces the energies of the channels."""
    return keyword(header, "HDUCLAS2").upper() == "EBOUNDS" or keyword(header, "EXTNAME").upper() == "EBOUNDS"


def kev_factor(table: Any, column: str) -> float:
    """Factor that turns an energy column into keV, by its TUNIT (keV where it has none)."""
    unit = table.columns[column].unit.strip()
    try:
        return _KEV[unit]
    except KeyError:
        raise ResponseError(
            f"column {column} is in {unit!r}, which is not an energy that is known here",
            file=table.file,
            hdu=table.label,
            cure="Convert it to keV.",
        ) from None


def read_rmf(path: str | PathLike[str] | fits.FileName) -> RMF:
    """Read a redistribution matrix.

    The MATRIX and EBOUNDS extensions may stand in either order; they are found by HDUCLAS2, else by EXTNAME. Several
    MATRIX extensions (a fine and a coarse part of one response, say) are added up; ``file[MATRIX,2]`` or
    ``file{2}`` takes one of them alone.

    Parameters
    ----------
    path : path-like or FileName
        Compressed files are inflated.

    Returns
    -------
    RMF

    Raises
    ------
    ResponseError
        If an extension or column is missing, or the contents contradict each other.
    FitsError
        If the file cannot be read.

    Warns
    -----
    WolterWarning
        If channel numbers have to be guessed because TLMIN is missing, or rows sum to more than 1.
    """
    name = fits.parse_name(path)
    with fits.open(replace(name, spectrum_row=None)) as file:
        tables = [h for h in file.hdus if isinstance(h, fits.TableHDU)]
        ebounds = [t for t in tables if is_ebounds(t.header)]
        found = [t for t in tables if is_matrix(t.header) and not is_ebounds(t.header)]
        matrices = _chosen(file, found, name.spectrum_row)
        if not matrices or not ebounds:
            present = ", ".join(h.label for h in file.hdus)
            raise ResponseError(
                f"there is no {'EBOUNDS' if matrices else 'MATRIX'} extension; the file has {present}",
                file=file.path,
                cure="This is not a redistribution matrix; look for the file named in RESPFILE.",
            )
        channel, e_min, e_max = _read_ebounds(ebounds[0])
        parts = [_read_matrix(table, channel, file.path) for table in matrices]
        header = matrices[0].header.without_structure()
    energ_lo, energ_hi, matrix = parts[0] if len(parts) == 1 else _combined(parts, file.path)
    rmf = RMF(
        energ_lo,
        energ_hi,
        e_min,
        e_max,
        matrix,
        first_channel=int(channel[0]),
        header=header,
        includes_area=_has_area(header, matrix),
        path=file.path,
    )
    complaint = rmf.check_normalisation()
    if complaint:
        warn(f"{file.path}: {complaint}")
    return rmf


def _has_area(header: fits.Header, matrix: CompressedMatrix) -> bool:
    """Whether the effective area is folded in: by EXTNAME, or declared FULL and more than a probability."""
    if keyword(header, "EXTNAME").upper() == "SPECRESP MATRIX":
        return True
    return keyword(header, "HDUCLAS3").upper() == "FULL" and float(matrix.row_sums.max(initial=0.0)) > 1.02


def _chosen(file: fits.FitsFile, matrices: list[Any], version: int | None) -> list[Any]:
    if file.filename.ext is not None and isinstance(file.hdu, fits.TableHDU) and is_matrix(file.hdu.header):
        return [file.hdu]
    if version is None:
        return matrices
    return [m for m in matrices if m.ver == version]


def _column(table: Any, name: str) -> NDArray[Any]:
    if name not in table:
        raise ResponseError(
            f"there is no column {name}; the table has {', '.join(table.columns)}", file=table.file, hdu=table.label
        )
    return table.read(name)


def _read_ebounds(table: Any) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Channel numbers (ascending) and their energies, keV."""
    e_min = _column(table, "E_MIN").astype(float) * kev_factor(table, "E_MIN")
    e_max = _column(table, "E_MAX").astype(float) * kev_factor(table, "E_MAX")
    if "CHANNEL" in table:
        channel = table.read("CHANNEL").astype(np.int64)
    else:
        channel = np.arange(1, len(e_min) + 1)
    if not len(channel):
        raise ResponseError("EBOUNDS lists no channels", file=table.file, hdu=table.label)
    if not (np.isfinite(e_min).all() and np.isfinite(e_max).all()):
        raise ResponseError("EBOUNDS holds energies that are not finite", file=table.file, hdu=table.label)
    order = np.argsort(channel, kind="stable")
    channel = channel[order]
    if (np.diff(channel) != 1).any():
        raise ResponseError(
            f"EBOUNDS does not list every channel from {channel[0]} to {channel[-1]} once",
            file=table.file,
            hdu=table.label,
        )
    return channel, e_min[order], e_max[order]


def _read_matrix(
    table: Any, channel: NDArray[np.int64], path: Path
) -> tuple[NDArray[np.float64], NDArray[np.float64], CompressedMatrix]:
    def error(cause: str, cure: str | None = None) -> ResponseError:
        return ResponseError(cause, file=path, hdu=table.label, cure=cure)

    for name in ("ENERG_LO", "ENERG_HI", "N_GRP", "F_CHAN", "N_CHAN", "MATRIX"):
        if name not in table:
            raise error(f"there is no column {name}; the table has {', '.join(table.columns)}")
    energ_lo = table.read("ENERG_LO").astype(float) * kev_factor(table, "ENERG_LO")
    energ_hi = table.read("ENERG_HI").astype(float) * kev_factor(table, "ENERG_HI")
    if not len(energ_lo):
        raise error("the matrix has no rows")
    groups = table.read("N_GRP").astype(np.int64).reshape(len(energ_lo))
    if (groups < 0).any():
        raise error("N_GRP is negative")
    first = _per_group(table, "F_CHAN", groups, error)
    length = _per_group(table, "N_CHAN", groups, error)
    if (length < 0).any():
        raise error("N_CHAN is negative")
    row_runs = np.concatenate([[0], np.cumsum(groups)])
    values = _elements(table, row_runs, length, error)
    used = length > 0
    first, length = first[used], length[used]
    row_runs = np.concatenate([[0], np.cumsum(used)])[row_runs]
    origin = _origin(table, first, length, channel, path)
    first = first - origin
    if len(first) and (first.min() < 0 or (first + length).max() > len(channel)):
        low, high = first.min() + origin, (first + length).max() + origin - 1
        raise error(
            f"the matrix refers to channels {low} to {high}; channels are {origin} to {origin + len(channel) - 1}",
            "TLMIN of the column F_CHAN or DETCHANS is wrong.",
        )
    return energ_lo, energ_hi, CompressedMatrix(len(channel), row_runs, first, length, values)


def _per_group(table: Any, name: str, groups: NDArray[np.int64], error: Any) -> NDArray[np.int64]:
    """F_CHAN or N_CHAN of all groups, one after the other."""
    rows = table.read_ragged(name)
    short = rows.lengths < groups
    if short.any():
        row = int(np.flatnonzero(short)[0])
        raise error(f"row {row + 1} has {groups[row]} groups but {rows.lengths[row]} values of {name}")
    return rows.flat[ranges(rows.offsets[:-1], groups)].astype(np.int64)


def _elements(table: Any, row_runs: NDArray[np.int64], length: NDArray[np.int64], error: Any) -> NDArray[Any]:
    """Matrix elements of all rows, without the padding of fixed-length arrays."""
    ends = np.concatenate([[0], np.cumsum(length)])
    needed = np.diff(ends[row_runs])
    rows = table.read_ragged("MATRIX")
    short = rows.lengths < needed
    if short.any():
        row = int(np.flatnonzero(short)[0])
        raise error(f"row {row + 1} needs {needed[row]} matrix elements but has {rows.lengths[row]}")
    if (rows.lengths == needed).all():
        return rows.flat
    return rows.flat[ranges(rows.offsets[:-1], needed)]


def _origin(
    table: Any, first: NDArray[np.int64], length: NDArray[np.int64], channel: NDArray[np.int64], path: Path
) -> int:
    """Number of the first channel as F_CHAN counts: TLMIN, else 1 as XSPEC assumes, unless that is impossible."""
    tlmin = table.columns["F_CHAN"].keywords.get("TLMIN")
    if tlmin is not None:
        return int(tlmin)
    if not len(first):
        return int(channel[0])
    guess = 0 if first.min() == 0 else 1
    if guess != channel[0] or guess == 0:
        sure = guess == 0 or (first + length).max() - 1 == len(channel)
        warn(
            f"{path}[{table.label}]: the column F_CHAN has no TLMIN keyword; its channels are taken to begin with "
            f"{guess}" + ("" if sure else f", although EBOUNDS begins with {channel[0]}")
        )
    return guess


def _combined(parts: list[Any], path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64], CompressedMatrix]:
    """Sum of matrices whose energy bins are equal, or are whole multiples of those of the finest."""
    ordered = []
    for low, high, matrix in parts:
        low, high, order = ascending_bins(low, high, file=path, hdu="MATRIX")
        ordered.append((low, high, matrix if order is None else matrix.reordered(order)))
    fine_lo, fine_hi, total = max(ordered, key=lambda p: len(p[0]))
    for low, high, matrix in ordered:
        if matrix is total:
            continue
        # The response of a wide bin holds for each narrow bin inside it: photons are folded, not flux densities.
        row = np.searchsorted(low, 0.5 * (fine_lo + fine_hi), side="right") - 1
        row = np.where((row >= 0) & (0.5 * (fine_lo + fine_hi) < high[np.maximum(row, 0)]), row, -1)
        inside = row >= 0
        starts = np.flatnonzero(inside & (np.diff(row, prepend=-2) != 0))
        same = len(starts) == len(low) and np.allclose(fine_lo[starts], low, rtol=_GRID_TOLERANCE, atol=0)
        if not same:
            raise ResponseError(
                "the energy bins of the MATRIX extensions do not fit each other",
                file=path,
                cure="Take one of them alone: file{1}, file{2}.",
            )
        empty = matrix.n_rows  # a row without runs stands for energies that this part does not cover
        padded = CompressedMatrix(
            matrix.n_channels,
            np.append(matrix.row_runs, matrix.row_runs[-1]),
            matrix.first,
            matrix.length,
            matrix.values,
        )
        total = total.plus(padded.reordered(np.where(inside, row, empty)))
    return fine_lo, fine_hi, total


def write_rmf(rmf: RMF, path: str | PathLike[str], *, overwrite: bool = False, provenance: Any = None) -> Path:
    """Write a redistribution matrix as an OGIP file (version 1.3.0), single precision, variable-length rows.

    Parameters
    ----------
    rmf : RMF
    path : path-like
    overwrite : bool
        Replace a file that is there.
    provenance : Provenance, optional

    Returns
    -------
    Path

    Raises
    ------
    OutputError
        If the file exists or cannot be written.
    """
    header = rmf.header.copy()
    for key, value in (("TELESCOP", "UNKNOWN"), ("INSTRUME", "UNKNOWN"), ("FILTER", "NONE"), ("CHANTYPE", "PI")):
        header.set(key, header.get(key) or value)
    header.update({"HDUCLASS": "OGIP", "HDUCLAS1": "RESPONSE", "DETCHANS": rmf.detchans})
    limits = {"TLMIN": rmf.first_channel, "TLMAX": rmf.first_channel + rmf.detchans - 1}
    integer = "J" if limits["TLMAX"] > 32000 else "I"
    blocks = [fits.primary(), _matrix_table(rmf, header, integer, limits), _ebounds_table(rmf, header, integer, limits)]
    fits.write(path, blocks, overwrite=overwrite, provenance=provenance)
    return Path(path)


def _matrix_table(rmf: RMF, header: fits.Header, integer: str, limits: dict[str, int]) -> fits.TableHDU:
    matrix = rmf.matrix
    groups = np.diff(matrix.row_runs)
    header = header.copy()
    header.update(
        {
            "HDUCLAS2": "RSP_MATRIX",
            "HDUCLAS3": "FULL" if rmf.includes_area else keyword(header, "HDUCLAS3") or "REDIST",
            "HDUVERS": "1.3.0",
            "RMFVERSN": "1992a",
            "NUMGRP": int(groups.sum()),
            "NUMELT": len(matrix.values),
        }
    )
    ends = np.concatenate([[0], np.cumsum(matrix.length)])
    width = int(groups.max(initial=1)), int(np.diff(matrix.indptr).max(initial=1))
    kind = "i2" if integer == "I" else "i4"
    return fits.new_table(
        "SPECRESP MATRIX" if rmf.includes_area else "MATRIX",
        {
            "ENERG_LO": rmf.energ_lo.astype("f4"),
            "ENERG_HI": rmf.energ_hi.astype("f4"),
            "N_GRP": groups.astype("i2"),
            "F_CHAN": fits.Ragged(matrix.row_runs, (matrix.first + rmf.first_channel).astype(kind)),
            "N_CHAN": fits.Ragged(matrix.row_runs, matrix.length.astype(kind)),
            "MATRIX": fits.Ragged(ends[matrix.row_runs], matrix.values.astype("f4")),
        },
        columns={
            "ENERG_LO": fits.Column("ENERG_LO", "E", "keV"),
            "ENERG_HI": fits.Column("ENERG_HI", "E", "keV"),
            "N_GRP": fits.Column("N_GRP", "I"),
            "F_CHAN": fits.Column("F_CHAN", f"P{integer}({width[0]})", keywords=limits),
            "N_CHAN": fits.Column("N_CHAN", f"P{integer}({width[0]})"),
            "MATRIX": fits.Column("MATRIX", f"PE({width[1]})", "cm**2" if rmf.includes_area else ""),
        },
        header=header,
    )


def _ebounds_table(rmf: RMF, header: fits.Header, integer: str, limits: dict[str, int]) -> fits.TableHDU:
    kept = ["TELESCOP", "INSTRUME", "DETNAM", "FILTER", "CHANTYPE", "HDUCLASS", "HDUCLAS1", "DETCHANS"]
    own = fits.Header({k: header[k] for k in kept if k in header})
    own.update({"HDUCLAS2": "EBOUNDS", "HDUVERS": "1.2.0"})
    return fits.new_table(
        "EBOUNDS",
        {
            "CHANNEL": rmf.channels.astype("i2" if integer == "I" else "i4"),
            "E_MIN": rmf.e_min.astype("f4"),
            "E_MAX": rmf.e_max.astype("f4"),
        },
        columns={
            "CHANNEL": fits.Column("CHANNEL", integer, keywords=limits),
            "E_MIN": fits.Column("E_MIN", "E", "keV"),
            "E_MAX": fits.Column("E_MAX", "E", "keV"),
        },
        header=own,
    )
