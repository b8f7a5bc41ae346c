"""The files of an observation: which are looked at, what their headers say, and a table of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wolter import fits
from wolter.data._tables import Listing
from wolter.errors import FitsError
from wolter.mission import FileRole

__all__ = ["about_file", "candidates", "file_listing", "first_headers"]

_ENDINGS = (
    *(".fits", ".fit", ".ftz", ".evt", ".pha", ".pi", ".img", ".lc", ".flc", ".arf", ".rmf", ".rsp", ".mrf", ".hk"),
    *(".cat", ".ds", ".att", ".orb", ".attorb", ".mkf", ".ehk", ".gti", ".exp", ".expo", ".bimg", ".fpix"),
)
_PACKED = ("", ".gz", ".xz")


def candidates(path: Path) -> list[Path]:
    """Files that may be FITS, by their endings; hidden ones are what interrupted writing left."""
    if path.is_file():
        return [path]
    endings = tuple(e + p for e in _ENDINGS for p in _PACKED)
    found = (f for f in path.rglob("*") if f.name.lower().endswith(endings) and not f.name.startswith("."))
    return sorted(f for f in found if f.is_file())


def first_headers(path: Path | str, number: int = 3) -> list[fits.Header]:
    """Headers of the first HDUs, read without the data behind the last of them."""
    with fits.open(path) as file:
        headers = []
        for index in range(number):
            try:
                hdu = file[index]
            except FitsError:
                if index == 0:
                    raise
                break
            headers.append(hdu.header)
            if str(hdu.header.get("EXTNAME", "")).strip().upper() == "EVENTS":
                break
        return headers


def about_file(file: FileRole, headers: Sequence[fits.Header]) -> dict[str, Any]:
    """What the headers of one file say: role, mode, exposure (s), rows of events, bytes."""
    table = next((h for h in headers if str(h.get("EXTNAME", "")).strip().upper() == "EVENTS"), None)
    order = ([] if table is None else [table]) + list(headers)
    exposure = next((h[k] for h in order for k in ("EXPOSURE", "LIVETIME", "ONTIME") if k in h), None)
    chosen = next((str(h["FILTER"]).strip() for h in order if str(h.get("FILTER", "")).strip() not in ("", "NONE")), "")
    return {
        "path": str(file.path),
        "role": file.role,
        "detector": file.detector,
        "level": file.level,
        "version": file.version,
        "mode": file.mode,
        "filter": file.filter or chosen or None,
        "exposure": float(exposure) if isinstance(exposure, (int, float)) else None,
        "events": None if table is None else int(table["NAXIS2"]),
        "bytes": file.path.stat().st_size if file.path.exists() else None,
    }


def file_listing(
    files: Iterable[Mapping[str, Any]], folder: Path, used: Mapping[Path, str], *, title: str = ""
) -> Listing:
    """The files as a table, events first; a star marks those that products are made from.

    Parameters
    ----------
    files : iterable of dict
        As `about_file` makes them.
    folder : Path
        Paths are shown relative to it.
    used : mapping of Path to str
        Detector by event file that products are made from.
    title : str
    """
    heads = ("role", "detector", "mode", "filter", "exposure/s", "events", "size", "file")
    rows = []
    for f in sorted(files, key=lambda f: (not f["role"].startswith("events"), f["role"], f["detector"] or "")):
        path = Path(f["path"])
        rows.append(
            (
                f["role"] + ("*" if path in used else ""),
                f["detector"] or "",
                f["mode"] or "",
                f["filter"] or "",
                "" if f["exposure"] is None else f"{f['exposure']:.1f}",
                "" if f["events"] is None else str(f["events"]),
                _size(f["bytes"]),
                str(path.relative_to(folder) if path.is_relative_to(folder) else path),
            )
        )
    return Listing(heads, rows, left=("role", "detector", "mode", "filter", "file"), title=title, most=400)


def _size(number: int | None) -> str:
    """A number of bytes in kB or MB; nothing for files elsewhere."""
    if number is None:
        return ""
    return f"{number / 1e6:.1f} MB" if number >= 1e6 else f"{number / 1e3:.0f} kB"
