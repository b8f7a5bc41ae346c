"""`wolter caldb`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from wolter.cli._common import emit, example, json_option, note, overwrite_option, polite_warnings

__all__ = ["command"]


@click.group(
    "caldb",
    epilog=example(
        "wolter caldb query ixpe gpd MATRIX --detector DU1 --date 2022-07-09 --expr WEIGHT.eq.ALPHA075 --json",
        "wolter caldb fetch ixpe gpd SPECRESP --detector DU1 --lock analysis.lock",
        "wolter caldb lock analysis.lock",
        "wolter caldb index caldb/data/ixpe/gpd",
    ),
)
def command() -> None:
    """Calibration files: which ones apply, fetch them, lock an analysis to them.

    The database is what CALDB says if it is set, else HEASARC's server. All commands take --json.
    """


def _database_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--offline", is_flag=True, help="Use copies of files only, no network."),
        click.option("--cache", type=click.Path(file_okay=False), help="Folder for copies of what a server holds."),
        click.option("--index-version", metavar="DATE", help="Issue of the index to use, e.g. 20230702."),
        click.option("--config", type=click.Path(exists=True, dir_okay=False), help="A caldb.config."),
        click.option("--root", metavar="PLACE", help="Root of the database: a folder, https:// or s3:// address."),
    ):
        function = option(function)
    return function


def _query_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--frozen", is_flag=True, help="Refuse what is not in the lock file."),
        click.option("--lock", type=click.Path(dir_okay=False), help="Lock file: answer from it, record in it."),
        click.option("--maxret", type=click.IntRange(min=1), help="Most data sets to give."),
        click.option("--exact", is_flag=True, help="Compare as the task quzcif does."),
        click.option("--expr", metavar="EXPR", help="Condition on boundaries: THETA.eq.5.and.ENERGY.eq.2."),
        click.option("--time", metavar="HH:MM:SS", help="Time of that day."),
        click.option("--date", metavar="DATE", help="Date it must be valid for: yyyy-mm-dd or now [any]."),
        click.option("--filter", metavar="NAME", help="FILTER [any]."),
        click.option("--detector", metavar="NAME", help="DETNAM [any]."),
        click.argument("codename"),
        click.argument("instrument"),
        click.argument("mission"),
    ):
        function = option(function)
    return function


def _database(how: Mapping[str, Any], lock: str | None = None, frozen: bool = False) -> Any:
    from wolter.caldb import Caldb

    if frozen and lock is None:
        raise click.UsageError("--frozen needs --lock")
    return Caldb(
        how["root"], config=how["config"], version=how["index_version"], cache=how["cache"], offline=how["offline"],
        lock=lock, frozen=frozen,
    )  # fmt: skip


def _ask(caldb: Any, mission: str, instrument: str, codename: str, how: Mapping[str, Any]) -> Any:
    conditions = {k: how[k] for k in ("detector", "filter", "date", "time", "expr", "maxret", "exact")}
    return caldb.query(mission, instrument, codename, **conditions)


def _described(file: Any) -> dict[str, Any]:
    return {
        "path": file.path, "ext": file.ext, "place": file.place, "detector": file.detnam, "filter": file.filter,
        "codename": file.codename, "ref_time": file.ref_time, "boundaries": [b.text for b in file.boundaries],
        "device": file.device, "description": file.description,
    }  # fmt: skip


@command.command("query", epilog=example("wolter caldb query ixpe gpd MATRIX --detector DU1 --expr WEIGHT.eq.ALPHA075"))
@_query_options
@_database_options
@json_option
def query(mission: str, instrument: str, codename: str, as_json: bool, **how: Any) -> None:
    """Calibration data sets that apply: path and extension, one a line.

    Exit status 1 if there are none; why is said on stderr.
    """
    with polite_warnings():
        found = _ask(_database(how, how["lock"], how["frozen"]), mission, instrument, codename, how)
        result = {"files": [_described(f) for f in found], "total": found.total, "explanation": found.explanation}
        if found or as_json:
            emit(result, as_json, "\n".join(f.line() for f in found))
        _none(found)


@command.command("fetch", epilog=example("wolter caldb fetch ixpe gpd SPECRESP --detector DU1 --to calibration"))
@_query_options
@click.option("--to", type=click.Path(file_okay=False), help="Copy the files into this folder.")
@overwrite_option
@_database_options
@json_option
def fetch(
    mission: str, instrument: str, codename: str, to: str | None, overwrite: bool, as_json: bool, **how: Any
) -> None:
    """Fetch the calibration files that apply, and print where they are."""
    with polite_warnings():
        caldb = _database(how, how["lock"], how["frozen"])
        found = _ask(caldb, mission, instrument, codename, how)
        paths = caldb.fetch(found) if found else []
        if to is not None:
            paths = _copy(caldb, paths, Path(to), overwrite)
        files = [{**_described(f), "path": p} for f, p in zip(found, paths, strict=True)]
        if found or as_json:
            emit({"files": files, "explanation": found.explanation}, as_json, "\n".join(str(p) for p in paths))
        _none(found)


def _none(found: Any) -> None:
    if not found:
        note(f"wolter: no calibration data fit: {found.explanation}")
        sys.exit(1)


def _copy(caldb: Any, paths: list[Path], folder: Path, overwrite: bool) -> list[Path]:
    from wolter.cli._common import output_folder
    from wolter.errors import OutputError
    from wolter.transport import Request

    targets = {path: output_folder(folder) / path.name for path in paths}
    if len(set(targets.values())) < len(targets):
        raise OutputError("two of the files have the same name", file=folder, cure="Fetch them one by one.")
    for target in targets.values():
        if target.exists() and not overwrite:
            raise OutputError("there is a file of this name already", file=target, cure="Say --overwrite.")
    requests = [Request(str(source), target) for source, target in targets.items()]
    caldb.transport.download_many(requests, overwrite=overwrite, progress=False)
    return [targets[p] for p in paths]


@command.command("lock", epilog=example("wolter caldb lock analysis.lock --cache calibration"))
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@_database_options
@json_option
def lock(file: str, as_json: bool, **how: Any) -> None:
    """Fetch the files of a lock FILE and compare each with its hash."""
    with polite_warnings():
        caldb = _database(how, file, True)
        paths = caldb.fetch_locked()
        data = caldb.lock.read()
    result = {"root": caldb.root, "indices": data["indices"], "files": paths, "queries": list(data["queries"])}
    emit(result, as_json, "\n".join(str(p) for p in paths.values()))
    note(f"{len(paths)} files are those of {file}")


@command.command("index", epilog=example("wolter caldb index caldb/data/ixpe/gpd --superseded old.rmf"))
@click.argument("folder", type=click.Path(exists=True, file_okay=False))
@click.option("--root", type=click.Path(exists=True, file_okay=False), help="Root of the database [above `data`].")
@click.option("--superseded", multiple=True, metavar="NAME", help="File of bad quality; may be repeated.")
@overwrite_option
@json_option
def index(folder: str, root: str | None, superseded: tuple[str, ...], overwrite: bool, as_json: bool) -> None:
    """Make the index (caldb.indx) of a FOLDER of calibration files from their headers."""
    from wolter.caldb import CalibrationIndex, build_index

    with polite_warnings():
        path = build_index(folder, root=root, superseded=superseded, overwrite=overwrite)
        rows = len(CalibrationIndex.read(path))
    emit({"index": path, "rows": rows}, as_json, str(path))
    note(f"{rows} data sets")
