"""`wolter info`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from wolter.cli._common import emit, example, json_option, polite_warnings

__all__ = ["command"]


@click.command("info", epilog=example("wolter info 01004701", "wolter info spectrum.pha --json"))
@click.argument("path", type=click.Path())
@click.option("--header", "show_header", is_flag=True, help="Print the headers of all HDUs too.")
@json_option
def command(path: str, show_header: bool, as_json: bool) -> None:
    """What a FITS file or the folder of an observation holds."""
    with polite_warnings():
        result, lines = _observation(path) if Path(path).is_dir() else _file(path, show_header)
    emit(result, as_json, "\n".join(lines))


def _observation(path: str) -> tuple[dict[str, Any], list[str]]:
    from wolter.observation import Observation

    observation = Observation(path)
    files = [
        {"path": str(f.path), "role": f.role, "detector": f.detector, "level": f.level, "version": f.version}
        for f in observation.files
    ]
    result = {
        "path": path,
        "mission": observation.mission.name,
        "obsid": observation.obsid,
        "files": files,
        "notes": list(observation.mission.notes),
    }
    lines = [f"Observation {observation.obsid} of {observation.mission.title}"]
    lines += [f"  {f['role']:<14} {f['detector'] or '':<6} {f['path']}" for f in files]
    lines += [f"note: {n}" for n in observation.mission.notes]
    return result, lines


def _file(path: str, show_header: bool) -> tuple[dict[str, Any], list[str]]:
    from wolter import fits

    hdus: list[dict[str, Any]] = []
    lines: list[str] = []
    with fits.open(path) as file:
        for hdu in file.hdus:
            entry: dict[str, Any] = {"index": hdu.index, "name": hdu.name, "header": dict(hdu.header.items())}
            if isinstance(hdu, fits.TableHDU):
                columns = [{"name": c.name, "format": c.format, "unit": c.unit} for c in hdu.columns.values()]
                entry |= {"kind": "table", "rows": hdu.nrows, "columns": columns}
                listed = ", ".join(c["name"] + (f" ({c['unit']})" if c["unit"] else "") for c in columns)
                lines.append(f"{hdu.index}  {hdu.name or '-':<16} table, {hdu.nrows} rows: {listed}")
            else:
                shape = list(getattr(hdu, "shape", ()) or ())
                entry |= {"kind": "image", "shape": shape}
                size = " x ".join(map(str, reversed(shape))) if shape else "no data"
                lines.append(f"{hdu.index}  {hdu.name or '-':<16} image, {size}")
            if show_header:
                lines += [f"     {k:<8} = {v}" for k, v in hdu.header.items()]
            hdus.append(entry)
    first = next((h["header"] for h in hdus if h["header"].get("TELESCOP")), {})
    about = [str(first[k]).strip() for k in ("TELESCOP", "INSTRUME", "DETNAM", "OBS_ID", "OBJECT") if first.get(k)]
    return {"path": path, "hdus": hdus}, ([" ".join(about)] if about else []) + lines
