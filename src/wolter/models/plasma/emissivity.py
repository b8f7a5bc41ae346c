"""AtomDB's tables in memory: lines and continua per temperature, read from FITS once and then from a compact copy."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wolter import fits
from wolter.errors import FitsError, ModelError, OutputError
from wolter.models.plasma.atomdb import AtomDBFiles, cache_folder, find_atomdb, verify

__all__ = ["ELEMENT_COUNT", "HC_KEV_ANGSTROM", "AtomDB", "Node", "open_atomdb"]

Array = npt.NDArray[Any]

ELEMENT_COUNT = 30
# Planck's constant times the speed of light as XSPEC has it (CODATA 2002); 8e-9 from today's value. It decides into
# which bin a line at the edge of one falls, so we follow XSPEC.
HC_KEV_ANGSTROM = 12.39841974
KELVIN_PER_KEV = 1.1604505e7  # idem
_FORMAT = 1  # of the compact copy
_LINE_COLUMNS = ("Lambda", "Epsilon", "Element")
_COCO_COLUMNS = ("Z", "rmJ", "N_Cont", "E_Cont", "Continuum", "N_Pseudo", "E_Pseudo", "Pseudo")


@dataclass(frozen=True, slots=True)
class Node:
    """Emissivities of a plasma at one tabulated temperature, all elements with Anders & Grevesse 1989 abundances.

    Parameters
    ----------
    lines : array [3, L]
        Rows: wavelength in Angstrom, emissivity in photons cm³/s, atomic number; any order.
    continuum, pseudo : array [3, M]
        Rows: atomic number (blocks of equal ones), energy in keV ascending within a block, emissivity in
        photons cm³/s/keV. The pseudo-continuum is made of lines too weak for the list.
    kt : float
        Temperature in keV for the thermal width of lines.
    """

    lines: Array
    continuum: Array
    pseudo: Array
    kt: float


class AtomDB:
    """One version of AtomDB; the nodes are read when they are needed.

    Parameters
    ----------
    temperatures : array [T]
        Tabulated temperatures in keV, ascending.
    kelvin : array [T]
        The same as the tables' headers have them, K.
    load : callable
        Gives the arrays (lines, continuum, pseudo) of a node.
    key : str
        Identifies the contents.
    """

    def __init__(
        self, temperatures: Array, kelvin: Array, load: Callable[[int], tuple[Array, Array, Array]], key: str
    ) -> None:
        self.temperatures = np.asarray(temperatures, dtype=float)
        self.key = key
        self._kelvin = np.asarray(kelvin, dtype=float)
        self._load = load
        self._nodes: dict[int, Node] = {}
        self._lock = threading.Lock()

    def node(self, index: int) -> Node:
        """Tables at temperature number `index`, from zero."""
        with self._lock:
            if index not in self._nodes:
                self._nodes[index] = Node(*self._load(index), kt=float(self._kelvin[index]) / KELVIN_PER_KEV)
            return self._nodes[index]

    def bracket(self, kt: Array, *, logarithmic: bool = False) -> tuple[Array, Array]:
        """Tabulated temperatures around given ones, and the weight of the upper.

        Parameters
        ----------
        kt : array [B]
            keV; outside the table its end is used, as in XSPEC.
        logarithmic : bool
            Interpolate in the logarithm of the temperature (XSPEC's APECLOGTINTERP) instead of linearly.

        Returns
        -------
        lower : int array [B]
            Index of the lower neighbour; the upper is the next one.
        weight : array [B]
            From 0 (all of the lower) to 1.
        """
        table = self.temperatures
        inside = np.clip(kt, table[0], table[-1])
        lower = np.clip(np.searchsorted(table, inside, side="right") - 1, 0, len(table) - 2)
        lo, hi = table[lower], table[lower + 1]
        if logarithmic:
            return lower, np.log(inside / lo) / np.log(hi / lo)
        return lower, (inside - lo) / (hi - lo)


def open_atomdb(name: str) -> AtomDB:
    """The AtomDB that ``Settings.atomdb`` means, from memory if it has been used before.

    Raises
    ------
    ModelError
        When its files are not found (see `find_atomdb`) or are not AtomDB's.
    """
    return _open(find_atomdb(name))


@lru_cache(maxsize=4)
def _open(files: AtomDBFiles) -> AtomDB:
    from zipfile import BadZipFile

    compact = _compact_path(files)
    if compact is not None and compact.is_file():
        with suppress(OSError, ValueError, KeyError, BadZipFile):  # a damaged copy is made again
            return _from_compact(compact)
    arrays = _read(files)
    if compact is not None:
        with suppress(OSError, OutputError):  # a cache that cannot be written is done without
            _write_compact(compact, arrays)
            return _from_compact(compact)
    return _from_arrays(arrays, str(files.line))


def _from_arrays(arrays: Mapping[str, Array], key: str) -> AtomDB:
    def load(index: int) -> tuple[Array, Array, Array]:
        return arrays[f"l{index}"], arrays[f"c{index}"], arrays[f"p{index}"]

    return AtomDB(arrays["kt"], arrays["kelvin"], load, key)


# --- compact copy -----------------------------------------------------------------------------------------------------


def _compact_path(files: AtomDBFiles) -> Path | None:
    """Place of the compact copy, named after the contents of the files; None if the cache cannot be used.

    Hashing a hundred megabytes takes longer than reading the copy, so the hash is noted under path, size and time of
    modification. Files whose hash is known are compared with it when it is computed.
    """
    folder = cache_folder() / "compact"
    label = hashlib.sha256()
    for path in (files.line, files.coco):
        stat = path.stat()
        label.update(f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}\n".encode())
    note = folder / f"{label.hexdigest()[:24]}.sha256"
    with suppress(OSError):
        content = note.read_text(encoding="ascii").strip()
        if content:
            return folder / f"apec-{_FORMAT}-{content}.npz"
    content = _content(files)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with fits.atomic_path(note, overwrite=True) as temporary:
            Path(temporary).write_text(content + "\n", encoding="ascii")
    except (OSError, OutputError):
        return None
    return folder / f"apec-{_FORMAT}-{content}.npz"


def _content(files: AtomDBFiles) -> str:
    """Hash of both files together, after they have been verified."""
    both = hashlib.sha256()
    found = {}
    for kind, path in (("line", files.line), ("coco", files.coco)):
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256")
        both.update(digest.digest())
        found[kind] = digest.hexdigest()
    verify(files, found)
    return both.hexdigest()


def _write_compact(path: Path, arrays: Mapping[str, Array]) -> None:
    with fits.atomic_path(path, overwrite=True) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)  # pyright: ignore[reportArgumentType]


def _from_compact(path: Path) -> AtomDB:
    with np.load(path) as stored:
        temperatures, kelvin = stored["kt"], stored["kelvin"]
        if {f"p{len(temperatures) - 1}", "l0", "c0"} - set(stored.files):
            raise KeyError("incomplete")

    def load(index: int) -> tuple[Array, Array, Array]:
        with np.load(path) as opened:
            return opened[f"l{index}"], opened[f"c{index}"], opened[f"p{index}"]

    return AtomDB(temperatures, kelvin, load, os.fspath(path))


# --- FITS -------------------------------------------------------------------------------------------------------------


def _read(files: AtomDBFiles) -> dict[str, Array]:
    out: dict[str, Array] = {}
    try:
        with fits.open(files.line) as file:
            out["kt"] = _temperatures(file, files.line)
            for number in range(len(out["kt"])):
                out[f"l{number}"] = _read_lines(_table(file, number, _LINE_COLUMNS, files.line))
        with fits.open(files.coco) as file:
            other = _temperatures(file, files.coco)
            if not np.array_equal(other, out["kt"]):
                raise ModelError(
                    "the temperatures of the two files of AtomDB differ",
                    file=files.coco,
                    hdu="PARAMETERS",
                    cure=f"Both must be of one version; the other is {files.line}.",
                )
            kelvin = []
            for number in range(len(other)):
                hdu = _table(file, number, _COCO_COLUMNS, files.coco)
                kelvin.append(float(hdu.header.get("TEMPERATURE", other[number] * KELVIN_PER_KEV)))
                out[f"c{number}"], out[f"p{number}"] = _read_continua(hdu, files.coco, number + 2)
    except FitsError as exc:
        raise ModelError(
            f"the file of AtomDB cannot be read: {exc.cause}", file=exc.file or files.line, hdu=exc.hdu, cure=exc.cure
        ) from exc
    out["kelvin"] = np.array(kelvin)
    return out


def _temperatures(file: Any, path: Path) -> Array:
    hdu = file.get("PARAMETERS")
    if hdu is None or "kT" not in hdu:
        raise ModelError(
            "this is no file of AtomDB: there is no table PARAMETERS with a column kT",
            file=path,
            cure="The files are called apec_v<version>_line.fits and apec_v<version>_coco.fits.",
        )
    kt = np.asarray(hdu.read("kT"), dtype=float)
    if len(kt) < 2 or not (np.diff(kt) > 0).all() or len(file.hdus) < len(kt) + 2:
        raise ModelError(
            f"the table lists {len(kt)} temperatures, for which there are {max(len(file.hdus) - 2, 0)} HDUs;"
            " two at least are needed, ascending, each with its HDU",
            file=path,
            hdu="PARAMETERS",
            cure="Fetch the file again.",
        )
    return kt


def _table(file: Any, number: int, columns: tuple[str, ...], path: Path) -> Any:
    hdu = file[number + 2]
    missing = [c for c in columns if c not in getattr(hdu, "columns", {})]
    if missing:
        raise ModelError(
            f"column {' and '.join(missing)} missing",
            file=path,
            hdu=number + 2,
            cure="The file is not one of AtomDB's for ionisation equilibrium; line and coco file may be exchanged.",
        )
    return hdu


def _read_lines(hdu: Any) -> Array:
    columns = hdu.read(list(_LINE_COLUMNS))
    used = (columns["Lambda"] > 0) & (columns["Element"] >= 1) & (columns["Element"] <= ELEMENT_COUNT)
    return np.stack([np.asarray(columns[c])[used] for c in _LINE_COLUMNS]).astype(columns["Epsilon"].dtype)


def _read_continua(hdu: Any, path: Path, number: int) -> tuple[Array, Array]:
    columns = hdu.read(list(_COCO_COLUMNS))
    if np.any(columns["rmJ"] != 0):
        raise ModelError(
            "the continua are given per ion",
            file=path,
            hdu=number,
            cure="This is AtomDB's file for plasma out of ionisation equilibrium; take apec_v<version>_coco.fits.",
        )
    out = []
    for count, energy, flux in (("N_Cont", "E_Cont", "Continuum"), ("N_Pseudo", "E_Pseudo", "Pseudo")):
        blocks = []
        for row in np.argsort(columns["Z"], kind="stable"):
            used = int(columns[count][row])
            z = int(columns["Z"][row])
            if used > 1 and 1 <= z <= ELEMENT_COUNT:
                points = np.empty((3, used), dtype=columns[flux].dtype)
                points[0], points[1], points[2] = z, columns[energy][row][:used], columns[flux][row][:used]
                blocks.append(points)
        out.append(np.concatenate(blocks, axis=1) if blocks else np.empty((3, 0)))
    return out[0], out[1]
