"""Where a product came from: task, version, parameters, inputs with their hashes."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Any

import numpy as np

from wolter._version import __version__
from wolter.errors import FitsError
from wolter.fits.build import new_table
from wolter.fits.column import Column
from wolter.fits.name import parse_name
from wolter.fits.table import TableHDU

__all__ = ["Input", "Provenance", "file_sha256", "read_provenance"]

EXTNAME = "PROVENANCE"


@dataclass(frozen=True)
class Input:
    """An input file whose hash is known already.

    Attributes
    ----------
    path : str
    sha256 : str
        64 hexadecimal digits.
    """

    path: str
    sha256: str


@dataclass(frozen=True)
class Provenance:
    """One step that made a product.

    Attributes
    ----------
    task : str
        What was run, e.g. ``"extract_stokes"``.
    parameters : mapping
        Arguments by name; anything that is not a number, string, bool, None or list is recorded as text.
    inputs : sequence of path or Input
        Files that were read.
    version : str
        Of this package.
    date : str
        UTC, ISO 8601; by default the time of writing.
    """

    task: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Sequence[str | PathLike[str] | Input] = ()
    version: str = __version__
    date: str = ""

    def resolved(self) -> Provenance:
        """Copy with date and hashes filled in."""
        date = self.date or datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")
        inputs = [i if isinstance(i, Input) else Input(fspath(i), file_sha256(i)) for i in self.inputs]
        return Provenance(self.task, dict(self.parameters), tuple(inputs), self.version, date)

    def history(self) -> list[str]:
        """Lines for HISTORY."""
        lines = [f"{self.task} (wolter {self.version}) {self.date}".rstrip()]
        lines += [f"  {name} = {_json(value)}" for name, value in self.parameters.items()]
        for item in self.inputs:
            path, sha = (item.path, item.sha256) if isinstance(item, Input) else (fspath(item), "")
            lines.append(f"  input {path}" + (f" sha256 {sha}" if sha else ""))
        return lines

    def rows(self, step: int) -> list[tuple[int, str, str, str, str, str, str, str]]:
        """Rows of the PROVENANCE table."""
        head = (step, self.task, self.version, self.date)
        out = [(*head, "parameter", str(name), _json(value), "") for name, value in self.parameters.items()]
        for item in self.inputs:
            assert isinstance(item, Input)
            out.append((*head, "input", "", _json(item.path), item.sha256))
        return out or [(*head, "", "", "", "")]


_COLUMNS = ("STEP", "TASK", "VERSION", "DATE", "KIND", "NAME", "VALUE", "SHA256")


def provenance_table(step: Provenance, earlier: TableHDU | None = None) -> TableHDU:
    """PROVENANCE table of a step (resolved), behind the steps of an earlier table."""
    number, rows = 1, []
    if earlier is not None and earlier.nrows and "STEP" in earlier:
        old = earlier.read(list(_COLUMNS))
        number = int(old["STEP"].max()) + 1
        rows = list(zip(*(old[c].tolist() for c in _COLUMNS), strict=True))
    rows += step.rows(number)
    data: dict[str, Any] = {}
    for i, name in enumerate(_COLUMNS):
        values = [row[i] for row in rows]
        data[name] = np.array(values, np.int32) if name == "STEP" else _ascii(values)
    columns = {
        "STEP": Column("STEP", comment="number of the step"),
        "VALUE": Column("VALUE", comment="JSON"),
        "SHA256": Column("SHA256", comment="of an input file"),
    }
    return new_table(EXTNAME, data, columns=columns)


def read_provenance(hdu: TableHDU) -> list[Provenance]:
    """Steps recorded in a PROVENANCE table, first one first.

    Raises
    ------
    FitsError
        The table is not one that was written here.
    """
    rows = hdu.read(list(_COLUMNS))
    steps: dict[int, tuple[tuple[str, str, str], dict[str, Any], list[Input]]] = {}
    try:
        for i in range(hdu.nrows):
            row = {c: rows[c][i] for c in _COLUMNS}
            head = (str(row["TASK"]), str(row["VERSION"]), str(row["DATE"]))
            _, parameters, inputs = steps.setdefault(int(row["STEP"]), (head, {}, []))
            if row["KIND"] == "parameter":
                parameters[str(row["NAME"])] = json.loads(row["VALUE"])
            elif row["KIND"] == "input":
                inputs.append(Input(json.loads(row["VALUE"]), str(row["SHA256"])))
    except ValueError as exc:
        raise FitsError(f"the PROVENANCE table is not understood: {exc}", file=hdu.file, hdu=hdu.label) from exc
    return [
        Provenance(task, parameters, tuple(inputs), version, date)
        for (task, version, date), parameters, inputs in (steps[k] for k in sorted(steps))
    ]


def file_sha256(path: str | PathLike[str]) -> str:
    """SHA-256 of a file as 64 hexadecimal digits.

    A file on a server is not fetched for this: what the server says of its identity (ETag, size) stands for it.

    Raises
    ------
    FitsError
        The file cannot be read.
    """
    import hashlib

    url = parse_name(path).url if str(path).lower().startswith(("http", "s3")) else None
    if url is not None:
        from wolter.transport import default_transport

        info = default_transport().info(url)
        return f"etag {info.etag or 'unknown'}, {info.size} bytes"
    try:
        with open(path, "rb", buffering=0) as f:
            return hashlib.file_digest(f, "sha256").hexdigest()
    except OSError as exc:
        raise FitsError(f"the file cannot be read: {exc.strerror or exc}", file=path) from exc


def _json(value: Any) -> str:
    return json.dumps(value, default=_plain, ensure_ascii=True)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist() if value.size <= 100 else f"array{value.shape}"
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, PathLike):
        return fspath(value)
    return str(value)


def _ascii(values: list[str]) -> np.ndarray:
    return np.array([v.encode("ascii", "backslashreplace") for v in values])
