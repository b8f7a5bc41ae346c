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
    from wolter.data.observation_files import about_file, file_listing
    from wolter.observation import Observation

    observation = Observation(path)
    used = {f.path: name for name, f in _used(observation).items()}
    files = [about_file(f, observation.headers(f.path)) | {"used_as": used.get(f.path)} for f in observation.files]
    mission = observation.mission
    result = {
        "path": path,
        "mission": mission.name,
        "obsid": observation.obsid,
        "detectors": sorted({f["detector"] for f in files if f["detector"]}),
        "files": files,
        "notes": list(mission.notes),
    }
    lines = [f"Observation {observation.obsid} of {mission.title}"]
    lines += ["  " + line for line in file_listing(files, Path(path), used).lines()]
    if used:
        taken = ", ".join(f"{name} = {file.name}" for file, name in used.items())
        lines.append(f"* event lists that products are made from: {taken}")
    lines += [f"note: {n}" for n in mission.notes]
    return result, lines


def _used(observation: Any) -> dict[str, Any]:
    """Event files that products are made from; none for folders without events."""
    if not any(f.role.startswith("events") for f in observation.files):
        return {}
    return dict(observation.event_files)


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
