"""`wolter run`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from wolter.cli._common import emit, example, json_option, note, overwrite_option

__all__ = ["command"]

_FILE = click.Path(dir_okay=False, path_type=Path)
_READABLE = click.Path(exists=True, dir_okay=False, path_type=Path)
_TAIL = 12  # lines of a traceback that are shown


class _Cells(click.ParamType):
    """``3,5-7``."""

    name = "numbers"

    def convert(self, value: Any, param: Any, ctx: Any) -> frozenset[int]:
        from wolter.compat.cells import parse_numbers
        from wolter.errors import ParameterError

        if isinstance(value, frozenset):
            return value
        try:
            return parse_numbers(value)
        except ParameterError as exc:
            self.fail(str(exc), param, ctx)


@click.command(
    "run",
    epilog=example(
        "wolter run tutorial.md",
        "wolter run tutorial.md --skip-cells 3,5-7 --report run.json --output executed.ipynb --figures figures",
        "wolter run script.py -- --option-of-the-script value",
    ),
)
@click.argument("file", type=_READABLE)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--skip-cells", type=_Cells(), default=frozenset(), help="Code cells not to run, e.g. 3,5-7 (from 1).")
@click.option("--keep-going", is_flag=True, help="Run the cells after one that failed.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="S", help="Seconds for each cell.")
@click.option("--report", type=_FILE, help="Write what became of each cell (JSON).")
@click.option("--output", type=_FILE, help="Write an executed copy (.ipynb).")
@click.option("--figures", type=click.Path(file_okay=False, path_type=Path), help="Folder for the figures (PNG).")
@click.option("--preamble", type=_READABLE, help="Python file to run before the first cell.")
@click.option(
    "--workdir",
    type=click.Path(exists=True, file_okay=False, path_type=Path, resolve_path=True),
    help="Current folder of the cells [a notebook's own folder; for a script, this one].",
)
@click.option("--archive", metavar="URL", help="Archive server that astroquery and others shall talk to.")
@click.option("--no-repair", is_flag=True, help="Run cells that are known to be broken as they are written.")
@click.option("--list", "list_only", is_flag=True, help="List the code cells with their numbers and run nothing.")
@overwrite_option
@json_option
def command(file: Path, arguments: tuple[str, ...], list_only: bool, as_json: bool, **how: Any) -> None:
    """Run a script (.py) or notebook (.md in MyST, .ipynb) with heasoftpy, xspec, ... resolved to Wolter.

    Cells run in order in an IPython kernel. ARGUMENTS are the script's own; `--` precedes those that look like options.
    """
    from wolter.compat.cells import SUFFIXES, read_document

    if file.suffix.lower() not in SUFFIXES:
        raise click.UsageError(f"{file} is none of {', '.join(SUFFIXES)}")
    output = how["output"]
    if output is not None and output.suffix.lower() != ".ipynb":
        raise click.UsageError(f"--output {output}: the executed copy is a notebook, name it .ipynb")
    if list_only:
        cells = [{"cell": c.number, "line": c.line, "title": c.title} for c in read_document(file).cells]
        emit({"cells": cells}, as_json, "\n".join(f"{c['cell']:>4}  {c['title']}" for c in cells))
        return
    _run(file, arguments, as_json, how)


def _run(file: Path, arguments: tuple[str, ...], as_json: bool, how: dict[str, Any]) -> None:
    from wolter.compat.report import CellRecord
    from wolter.compat.run import RunOptions, run_file
    from wolter.errors import ParameterError

    script = file.suffix.lower() == ".py"
    results = sys.stderr if as_json else sys.stdout

    def show(kind: str, node: Any) -> None:
        if kind == "stream":
            stream = sys.stderr if node.name == "stderr" else results
            print(node.text, end="", file=stream, flush=True)
        elif kind == "execute_result" and not script:
            print(node.data.get("text/plain", ""), file=results, flush=True)

    def tell(record: CellRecord) -> None:
        if record.status == "failed":
            _explain(record)
        elif not script:
            note(f"[{record.place}] {record.status} {record.seconds:.1f} s  {record.title}")

    options = RunOptions(
        arguments=arguments,
        skip=how["skip_cells"],
        keep_going=how["keep_going"],
        timeout=how["timeout"],
        repair=not how["no_repair"],
        report=how["report"],
        output=how["output"],
        figures=how["figures"],
        preamble=how["preamble"],
        workdir=how["workdir"],
        archive=how["archive"],
        overwrite=how["overwrite"],
        show=show,
        tell=tell,
    )
    try:
        report = run_file(file, options)
    except ParameterError as exc:  # a cell that is not there
        raise click.UsageError(str(exc)) from exc
    if not (script and report.ok):
        note(f"wolter run: {report.summary()}")
    if as_json:
        emit(report.to_dict(), True, "")
    if report.interrupted:
        raise KeyboardInterrupt
    if not report.ok:
        sys.exit(1)


def _explain(record: Any) -> None:
    error = record.error or {}
    for line in _own_frame(error.get("traceback") or []):
        note(f"    {line}")
    note(f"wolter run: {record.place} failed: {error.get('type')}: {error.get('message')}")


def _own_frame(traceback: list[str]) -> list[str]:
    """The part of a traceback that is in the cell itself, else its end."""
    lines = [line for line in traceback if line.strip("- ")]
    starts = [i for i, line in enumerate(lines) if line.startswith("Cell In[")]
    if not starts:
        return lines[-_TAIL - 1 : -1]  # the last line is the message
    frame = lines[starts[-1] : -1]
    end = next((i for i, line in enumerate(frame) if i and line.startswith("File ")), len(frame))
    return frame[: min(end, _TAIL)]
