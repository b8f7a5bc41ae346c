"""Spectra as JSON-ready records: the file with its hash, and what has been changed since it was read."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wolter import fits
from wolter.data.arf import ARF
from wolter.data.rmf import RMF
from wolter.data.spectrum import Spectrum
from wolter.errors import DataError, FitError, WolterError, WolterWarning, warn

__all__ = ["FileStore", "decode", "encode", "original_row", "restore_spectrum", "runs", "spectrum_record", "unroll"]

_ARRAYS = ("values", "stat_err", "sys_err", "areascal", "backscal")
_FLAGS = ("channel", "quality", "grouping")
_PLAIN = ("is_rate", "exposure", "corrscal", "poisson")
_NAMES = ("telescop", "instrume", "detnam")


def runs(values: npt.ArrayLike) -> list[list[int]]:
    """Whole numbers (or flags) as pairs of value and count."""
    array = np.asarray(values).astype(np.int64)
    if not array.size:
        return []
    starts = np.concatenate([[0], np.flatnonzero(np.diff(array)) + 1, [array.size]])
    return [[int(array[a]), int(b - a)] for a, b in pairwise(starts.tolist())]


def unroll(pairs: list[list[int]]) -> npt.NDArray[np.int64]:
    """Array of `runs`."""
    return np.concatenate([np.full(n, v, dtype=np.int64) for v, n in pairs]) if pairs else np.zeros(0, dtype=np.int64)


def encode(value: Any) -> Any:
    """JSON-ready form of numbers, arrays, tuples and mappings; what is not finite becomes text."""
    if isinstance(value, np.ndarray):
        return encode(value.tolist())
    if isinstance(value, np.generic):
        return encode(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(k): encode(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [encode(v) for v in value]
    return value


def decode(value: Any) -> Any:
    """Numbers of `encode`: the texts "nan", "inf" and "-inf" become numbers again."""
    if isinstance(value, str):
        return float(value) if value in ("nan", "inf", "-inf") else value
    if isinstance(value, Mapping):
        return {k: decode(v) for k, v in value.items()}
    if isinstance(value, list):
        return [decode(v) for v in value]
    return value


class FileStore:
    """Names and hashes of the files of a saved fit, relative to the folder it is saved in.

    Parameters
    ----------
    folder : Path
        Where the saved fit is.
    changed : {"error", "warn"}
        What happens if a file is not the one that was saved.
    data : Path, optional
        Where the data are, if not where they were.
    """

    def __init__(self, folder: Path, changed: str = "error", data: Path | None = None) -> None:
        if changed not in ("error", "warn"):
            raise FitError(f"changed={changed!r} is not understood", cure="Choose 'error' or 'warn'.")
        self.folder = folder
        self.changed = changed
        self.data = data
        self._known: dict[str, dict[str, Any]] = {}

    def record(self, path: Path) -> dict[str, Any]:
        """Name relative to the folder, absolute name, and SHA-256 of a file."""
        absolute = os.path.abspath(path)
        if absolute not in self._known:
            try:
                relative = Path(os.path.relpath(absolute, self.folder)).as_posix()
            except ValueError:  # another drive
                relative = absolute
            self._known[absolute] = {"file": relative, "absolute": absolute, "sha256": fits.file_sha256(path)}
        return dict(self._known[absolute])

    def find(self, record: Mapping[str, Any]) -> Path:
        """The file of a record: where it was relative to the saved fit, where it was, or in the folder given."""
        key = record["absolute"]
        if key in self._known:
            return Path(self._known[key]["found"])
        places = [Path(os.path.normpath(self.folder / record["file"])), Path(record["absolute"])]
        if self.data is not None:
            places.insert(0, self.data / Path(record["file"]).name)
        present = [p for p in dict.fromkeys(places) if p.is_file()]
        if not present:
            raise DataError(
                f"{record['file']} of the saved fit is not there; looked for {' and '.join(str(p) for p in places)}",
                cure="Say where the files are with folder=.",
            )
        chosen = next((p for p in present if fits.file_sha256(p) == record["sha256"]), None)
        if chosen is None:
            chosen = present[0]
            text = "the file has changed since the fit was saved"
            if self.changed == "error":
                raise DataError(
                    text, file=chosen, cure="Restore it, or load with changed='warn' and run the fit again."
                )
            warn(f"{chosen}: {text}")
        self._known[key] = {"found": str(chosen)}
        return chosen


def spectrum_record(spectrum: Spectrum, store: FileStore) -> dict[str, Any]:
    """JSON-ready record of a spectrum, its responses, background and correction.

    Fields that are not what the file holds (grouping, most often) are written out; all of them for a spectrum
    without a file.

    Raises
    ------
    FitError
        If the RMF has no file.
    """
    original, row = _original(spectrum)
    out: dict[str, Any] = {"name": spectrum.name}
    if original is not None and spectrum.path is not None:
        out |= store.record(spectrum.path) | {"row": row}
    out["changes"] = _changes(spectrum, original)
    if spectrum.rmf is not None:
        if spectrum.rmf.path is None:
            raise FitError(
                f"the RMF of {spectrum.name} exists in memory only", cure="Write it to a file and read it from there."
            )
        out["rmf"] = store.record(spectrum.rmf.path)
    if spectrum.arf is not None:
        out["arf"] = _arf_record(spectrum.arf, store)
    for part in ("background", "correction"):
        other = getattr(spectrum, part)
        if other is not None:
            out[part] = spectrum_record(other, store)
    return out


def _arf_record(arf: ARF, store: FileStore) -> dict[str, Any]:
    if arf.path is not None and arf.path.is_file():
        return store.record(arf.path)
    return {
        "kind": arf.kind,
        "energ_lo": encode(arf.energ_lo),
        "energ_hi": encode(arf.energ_hi),
        "specresp": encode(arf.specresp),
    }


def _original(spectrum: Spectrum) -> tuple[Spectrum | None, int | None]:
    """The spectrum as its file holds it, and its row in a type II file; None if that cannot be read."""
    if spectrum.path is None or not spectrum.path.is_file():
        return None, None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WolterWarning)
        try:
            return Spectrum.read(fits.FileName(spectrum.path), follow=False, allow_empty=True), None
        except WolterError:
            pass
        row = 1
        while True:
            try:
                name = fits.FileName(spectrum.path, spectrum_row=row)
                found = Spectrum.read(name, follow=False, allow_empty=True)
            except WolterError:
                return None, None
            if np.array_equal(found.values, spectrum.values) and found.exposure == spectrum.exposure:
                return found, row
            row += 1


def original_row(spectrum: Spectrum) -> str:
    """What names the spectrum's row in its file: ``"{3}"`` for a type II file, else nothing.

    Raises
    ------
    FitError
        If the spectrum is no longer what its file holds.
    """
    original, row = _original(spectrum)
    changed = ["everything"] if original is None else list(_changes(spectrum, original))
    if changed:
        raise FitError(
            f"{spectrum.name} is not what its file holds ({', '.join(changed)})",
            cure="Write it with Spectrum.write() and read it from there, or save the fit as JSON.",
        )
    return "" if row is None else f"{{{row}}}"


def _changes(spectrum: Spectrum, original: Spectrum | None) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name in (*_FLAGS, *_ARRAYS, *_PLAIN, *_NAMES, "xflt"):
        value = getattr(spectrum, name)
        if original is not None:
            before = getattr(original, name)
            if _equal(value, before):
                continue
        if name == "channel":
            out[name] = [int(value[0]), len(value)]
        else:
            out[name] = runs(value) if name in _FLAGS and value is not None else encode(value)
    return out


def _equal(value: Any, other: Any) -> bool:
    if value is None or other is None:
        return value is other
    return bool(np.array_equal(value, other))


def restore_spectrum(record: Mapping[str, Any], store: FileStore, cache: dict[Any, Any]) -> Spectrum:
    """Spectrum of a record with everything that belongs to it.

    Raises
    ------
    DataError
        If a file is missing or, unless only a warning is wanted, has changed.
    """
    changes = {k: decode(v) for k, v in record["changes"].items()}
    for name in ("quality", "grouping"):
        if changes.get(name) is not None:
            changes[name] = unroll(changes[name])
    for name in _ARRAYS:
        if isinstance(changes.get(name), list):
            changes[name] = np.array(changes[name], dtype=float)
    if "channel" in changes:
        first, count = changes["channel"]
        changes["channel"] = np.arange(first, first + count)
    spectrum = _spectrum(record, store, changes)
    parts: dict[str, Any] = {}
    if "rmf" in record:
        parts["rmf"] = _cached(RMF.read, store.find(record["rmf"]), cache)
    if "arf" in record:
        arf = record["arf"]
        if "file" in arf:
            parts["arf"] = _cached(ARF.read, store.find(arf), cache)
        else:
            low, high, area = (np.array(decode(arf[k]), dtype=float) for k in ("energ_lo", "energ_hi", "specresp"))
            parts["arf"] = ARF(low, high, area, kind=arf["kind"])
    for part in ("background", "correction"):
        if part in record:
            parts[part] = restore_spectrum(record[part], store, cache)
    return spectrum.replace(**parts) if parts else spectrum


def _spectrum(record: Mapping[str, Any], store: FileStore, changes: dict[str, Any]) -> Spectrum:
    """The spectrum alone, from its file or, without one, from the record."""
    if "file" not in record:
        return Spectrum(**changes)
    name = fits.FileName(store.find(record), spectrum_row=record.get("row"))
    with warnings.catch_warnings():
        # what is doubtful about the file was said when it was read for the fit
        warnings.simplefilter("ignore", WolterWarning)
        spectrum = Spectrum.read(name, follow=False, allow_empty=True)
    return spectrum.replace(**changes) if changes else spectrum


def _cached(read: Any, path: Path, cache: dict[Any, Any]) -> Any:
    if path not in cache:
        cache[path] = read(path)
    return cache[path]
