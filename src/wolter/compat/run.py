"""Run a script or notebook cell by cell with the façades in place."""

from __future__ import annotations

import base64
import contextlib
import datetime
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wolter.compat import repairs, shims
from wolter.compat.cells import SUFFIXES, CodeCell, Document, need, read_document
from wolter.compat.kernel import Execution, Kernel
from wolter.compat.report import CellRecord, RunReport, plain
from wolter.errors import OutputError, ParameterError

__all__ = ["RunOptions", "run_file"]

_SAVE_EVERY = 5.0  # s between intermediate versions of report and executed copy
_TRACEBACK_LINES = 80


def _ignore(*_: Any) -> None:
    """Nothing is shown."""


@dataclass
class RunOptions:
    """How a file is run.

    Attributes
    ----------
    arguments : sequence of str
        ``sys.argv[1:]`` of the file.
    skip : frozenset of int
        Numbers of code cells, from 1, that do not run.
    keep_going : bool
        Run the cells after one that failed.
    timeout : float or None
        Seconds for each cell.
    repair : bool
        Apply the known repairs of cells that are broken as written.
    report, output, figures : Path or None
        JSON report, executed copy (``.ipynb``), folder of figures (PNG).
    preamble : Path or None
        Code to run before the first cell.
    workdir : Path or None
        Current folder; by default a notebook's own folder, and for a script the folder one is in.
    archive : str or None
        Address of an archive server that astroquery, boto3 and astropy's name resolver shall talk to.
    overwrite : bool
        Replace an earlier report or executed copy.
    show : callable
        Called with type and node of each output.
    tell : callable
        Called with the record of each cell that is done.
    """

    arguments: tuple[str, ...] = ()
    skip: frozenset[int] = frozenset()
    keep_going: bool = False
    timeout: float | None = None
    repair: bool = True
    report: Path | None = None
    output: Path | None = None
    figures: Path | None = None
    preamble: Path | None = None
    workdir: Path | None = None
    archive: str | None = None
    overwrite: bool = False
    show: Callable[[str, Any], None] = _ignore
    tell: Callable[[CellRecord], None] = _ignore


@dataclass
class _StopRequest:
    """Turns Ctrl-C and termination into a request; a second Ctrl-C does not wait any longer."""

    count: int = 0
    _before: dict[int, Any] = field(default_factory=dict)

    def __call__(self) -> bool:
        return self.count > 0

    def _handle(self, number: int, frame: Any) -> None:
        self.count += 1
        if self.count > 1:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def watching(self) -> Iterator[_StopRequest]:
        """While this lasts signals are requests."""
        numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
        for number in numbers:
            self._before[number] = signal.signal(number, self._handle)
        try:
            yield self
        finally:
            for number, handler in self._before.items():
                signal.signal(number, handler)


def run_file(path: str | Path, options: RunOptions | None = None) -> RunReport:
    """Run a script or notebook in an IPython kernel that finds the façades.

    Parameters
    ----------
    path : path-like
        ``.py``, ``.md`` (MyST) or ``.ipynb``.
    options : RunOptions, optional
        How.

    Returns
    -------
    RunReport
        What became of each cell. A failing cell does not raise.

    Raises
    ------
    WolterError
        If the file cannot be read, an output cannot be written, or the kernel does not start.
    """
    path, options = Path(path), options or RunOptions()
    _check(path, options)
    workdir = options.workdir or (Path.cwd() if path.suffix.lower() == ".py" else path.resolve().parent)
    begin = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="wolter-", ignore_cleanup_errors=True) as name,
        _StopRequest().watching() as stop,
    ):
        folder = Path(name)
        shims.write_shims(folder)
        kernel = Kernel(folder, cwd=workdir, environment=_environment(folder), stop_requested=stop)
        try:
            document = read_document(path)  # while the kernel starts
            run = _Run(document, options, kernel, stop, begin)
            kernel.wait_ready()
            run.execute()
        finally:
            kernel.close()
    return run.report


def _check(path: Path, options: RunOptions) -> None:
    """Find out before hours of work what would spoil the end."""
    if path.suffix.lower() not in SUFFIXES:
        raise ParameterError(f"{path} is none of {', '.join(SUFFIXES)}", cure="Rename the file.")
    for target in (options.report, options.output):
        if target is None:
            continue
        if target.exists() and not options.overwrite:
            raise OutputError("the file exists already", file=target, cure="Pass --overwrite to replace it.")
        if not target.resolve().parent.is_dir():
            raise OutputError(f"the folder {target.parent} does not exist", file=target, cure="Make the folder first.")
        if target.exists() and target.samefile(path):
            raise OutputError("this is the file that is to be run", file=target, cure="Choose another name.")
    if options.figures is not None:
        options.figures.mkdir(parents=True, exist_ok=True)


def _environment(folder: Path) -> dict[str, str]:
    variables = dict(os.environ)
    variables.pop("MPLBACKEND", None)  # figures go to the notebook, whatever is set outside
    variables["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # else the kernel's debugger complains on stderr
    variables.update(shims.shim_environment(folder, variables))
    return variables


class _Run:
    """The state of one run."""

    def __init__(
        self, document: Document, options: RunOptions, kernel: Kernel, stop: Callable[[], bool], begin: float
    ) -> None:
        self.document, self.options, self.kernel, self._stop, self._begin = document, options, kernel, stop, begin
        self.path = document.path.resolve()
        self.cells = list(document.cells)
        last = self.cells[-1].number
        beyond = sorted(n for n in options.skip if n > last)
        if beyond:
            raise ParameterError(f"there is no cell {beyond[0]} to skip: {document.path} has {last} code cells")
        if options.preamble is not None:
            self._add_preamble(options.preamble)
        records = [CellRecord(c.number, c.title, c.line) for c in self.cells]
        started = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.report = RunReport(str(document.path), records, started)
        self._saved = time.monotonic()
        self._ended = False

    def _add_preamble(self, path: Path) -> None:
        node = need("nbformat.v4").new_code_cell(path.read_text(encoding="utf-8"), metadata={"tags": ["preamble"]})
        self.document.notebook.cells.insert(0, node)
        self.cells.insert(0, CodeCell(0, node))

    def execute(self) -> None:
        """Run all cells, then write report and executed copy whatever has happened."""
        try:
            self.kernel.execute(self._setup_code(), silent=True)
            for cell, record in zip(self.cells, self.report.cells, strict=True):
                if self._stop() or not self.kernel.alive:
                    break
                if self._ended:
                    record.status = "skipped"
                    continue
                self._one(cell, record)
                self.options.tell(record)
                if record.status == "failed" and (record.cell == 0 or not self.options.keep_going):
                    break
                if time.monotonic() - self._saved > _SAVE_EVERY:
                    self._save()
            self._flush()
        except KeyboardInterrupt:
            self.report.interrupted = True
        finally:
            self.report.interrupted |= self._stop()
            self._save()

    def _flush(self) -> None:
        """Late output belongs to the last cell that ran."""
        late = self.kernel.flush(self.options.show)
        ran = [c for c, r in zip(self.cells, self.report.cells, strict=True) if r.status not in ("skipped", "not run")]
        if late and ran:
            ran[-1].node.outputs.extend(late)

    def _setup_code(self) -> str:
        """Make the kernel's `__main__` what the file expects."""
        lines = ["import sys", f"sys.argv = {[str(self.document.path), *self.options.arguments]!r}"]
        lines.append(f"sys.path.insert(0, {str(self.path.parent)!r})")
        if self.options.archive:
            lines.append(
                f"__import__('wolter.compat.archives').compat.archives.point_clients({self.options.archive!r})"
            )
        if self.document.script:  # spawned workers import it by this name
            lines.append(f"__file__ = {str(self.path)!r}")
            lines.append("exit = quit = sys.exit")  # IPython's own would let the cell go on
            lines.append("__import__('warnings').filterwarnings('ignore', 'To exit: use')")
        return "\n".join([*lines, "del sys"])

    def _one(self, cell: CodeCell, record: CellRecord) -> None:
        if cell.number in self.options.skip or "skip-execution" in cell.tags:
            record.status = "skipped"
            cell.node.metadata["wolter"] = {"status": "skipped"}
            return
        if not cell.source.strip():
            record.status = "ok"
            return
        source = cell.source
        if self.options.repair:
            source, record.repair = repairs.repair(source)
            cell.node.source = source
        begin = time.monotonic()
        done = self.kernel.execute(source, timeout=self.options.timeout, show=self.options.show)
        record.seconds = time.monotonic() - begin
        cell.node.outputs, cell.node.execution_count = done.outputs, done.count
        self._judge(cell, record, done)
        cell.node.metadata["wolter"] = {"status": record.status, "seconds": round(record.seconds, 3)}
        if record.repair:
            cell.node.metadata["wolter"]["repair"] = record.repair
        if self.options.figures is not None:
            record.figures = self._save_figures(record.cell, done.outputs)

    def _judge(self, cell: CodeCell, record: CellRecord, done: Execution) -> None:
        if self.document.script and done.error and done.error[0] == "SystemExit" and done.error[1] in ("", "None", "0"):
            done.status, self._ended = "ok", True  # the script's own orderly end
            cell.node.outputs = [o for o in done.outputs if o.output_type != "error"]
        if done.status == "ok" or (done.status == "error" and "raises-exception" in cell.tags):
            record.status = "repaired" if record.repair else "ok"
            return
        record.status = "failed"
        name, message, traceback = done.error or ("", "", [])
        if done.status == "timeout":
            name, message = "TimeoutError", f"the cell did not end within {self.options.timeout:g} s"
            if not self.kernel.alive:
                message += " nor when it was interrupted; its kernel was ended"
        elif done.status == "interrupted":
            name, message = "KeyboardInterrupt", "interrupted"
        elif done.status == "dead":
            name, message = "KernelDied", "the kernel ended while the cell ran (out of memory? exit? a crash?)"
        if done.error is None:
            node = need("nbformat.v4").new_output("error", ename=name, evalue=message, traceback=[])
            cell.node.outputs.append(node)
        lines = plain(traceback)
        if len(lines) > _TRACEBACK_LINES:  # the cell's own frame comes first, the message last
            half = _TRACEBACK_LINES // 2
            lines = [*lines[:half], "...", *lines[-half:]]
        record.error = {"type": name, "message": "\n".join(plain([message])), "traceback": lines}

    def _save_figures(self, number: int, outputs: list[Any]) -> list[str]:
        from wolter.fits import atomic_path

        assert self.options.figures is not None
        pictures = [str(o.data["image/png"]) for o in outputs if "image/png" in o.get("data", {})]
        names = []
        for index, picture in enumerate(pictures, 1):
            path = self.options.figures / f"{self.path.stem}_cell{number:02d}_{index}.png"
            with atomic_path(path, overwrite=True) as temporary:
                temporary.write_bytes(base64.b64decode(picture))
            names.append(str(path))
        return names

    def _save(self) -> None:
        from wolter.fits import atomic_path

        self.report.seconds = time.monotonic() - self._begin
        if self.options.report is not None:
            self.report.write(self.options.report)
        if self.options.output is not None:
            self.document.notebook.metadata["wolter"] = {"file": self.path.name, "counts": self.report.counts}
            text = need("nbformat").writes(self.document.notebook)
            with atomic_path(self.options.output, overwrite=True) as temporary:
                temporary.write_text(text + "\n", encoding="utf-8")
        self._saved = time.monotonic()
