"""Running programs of several environments on the same work, and tables of their times with ratios."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WORKERS = Path(__file__).parent / "workers"
MARK = "RESULT "
LONGEST = 1800.0  # seconds that one program may take


class WorkerError(Exception):
    """A program of a comparison has failed; the text is the end of what it said."""


@dataclass
class Row:
    """One thing that was measured: seconds by program, a note by program."""

    name: str
    seconds: dict[str, float | None] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    unit: str = "s"

    def ratio(self, program: str) -> float | None:
        """How many times longer (or larger) than Wolter's."""
        mine, theirs = self.seconds.get("wolter"), self.seconds.get(program)
        return theirs / mine if mine and theirs else None


@dataclass
class Section:
    """Rows about the same work, and remarks printed under them."""

    title: str
    rows: list[Row] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def environment(threads: int) -> dict[str, str]:
    """Environment of every measured program: the same number of threads, byte code kept as installed programs do."""
    out = {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONWARNINGS")}
    for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR"):
        out[f"{name}_NUM_THREADS"] = str(threads)
    out["PYTHONWARNINGS"] = "ignore"
    return out


@dataclass(frozen=True)
class Runner:
    """How programs are started.

    Parameters
    ----------
    peer : Path or None
        Interpreter of the environment with the peers.
    threads : int
        Threads of BLAS and OpenMP, and processes of a peer that can use several.
    repeat : int
        Cold starts per program; calls in a warm process are given to the workers.
    scratch : Path
        Folder for job descriptions and arrays that all programs read.
    jax : Path or None
        Interpreter of the environment with jaxspec, whose versions of NumPy and others differ from the peers'.
    """

    peer: Path | None
    threads: int
    repeat: int
    scratch: Path
    jax: Path | None = None

    def work(self, script: str, job: dict[str, Any], python: Path | str = sys.executable) -> dict[str, Any]:
        """Result of a worker script in an interpreter."""
        return self._run(self._command(script, job, python))

    def _command(self, script: str, job: dict[str, Any], python: Path | str) -> list[str]:
        path = self.scratch / f"{script}_{job['task']}.json"
        path.write_text(json.dumps({"threads": self.threads, "scratch": str(self.scratch), **job}))
        return [str(python), str(WORKERS / f"{script}.py"), str(path)]

    def _run(self, command: list[str]) -> dict[str, Any]:
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, env=environment(self.threads), timeout=LONGEST, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise WorkerError(str(exc)) from None
        lines = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
        if done.returncode or not lines:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            named = [line for line in said if "Error" in line]
            last = (named or said or [f"exit status {done.returncode}"])[-1]
            raise WorkerError(f"{Path(command[1]).stem}: {last.strip()}")
        return json.loads(lines[-1][len(MARK) :])

    def cold(self, script: str, job: dict[str, Any], python: Path | str = sys.executable) -> tuple[float, dict]:
        """Median wall time (s) of the whole process, after one unmeasured start, and its result."""
        command = self._command(script, job, python)
        result = self._run(command)
        return self._timed(lambda: self._run(command)), result

    def cold_command(self, command: list[str]) -> tuple[float, str]:
        """The same for any command; and what it printed."""

        def run() -> str:
            done = subprocess.run(command, capture_output=True, text=True, env=environment(self.threads), check=False)
            if done.returncode:
                raise WorkerError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "failed")
            return done.stdout

        said = run()
        return self._timed(run), said

    def _timed(self, function: Any) -> float:
        times = []
        for _ in range(self.repeat):
            start = time.perf_counter()
            function()
            times.append(time.perf_counter() - start)
        return statistics.median(times)


def attempt(section: Section, program: str, function: Any) -> Any:
    """Call a function; if it fails, say so under the table and go on without it."""
    try:
        return function()
    except WorkerError as exc:
        section.remarks.append(f"{program} left out: {exc}")
        return None


def duration(seconds: float | None, unit: str = "s") -> str:
    """A time in the unit that suits it."""
    if seconds is None:
        return ""
    if unit != "s":
        return f"{seconds:.0f} {unit}"
    if seconds < 0.0995:
        return f"{1e3 * seconds:.3g} ms"
    return f"{seconds:.2f} s" if seconds < 99.5 else f"{seconds:.0f} s"


def programs_of(rows: Iterable[Row]) -> list[str]:
    """All programs, Wolter first, then in order of appearance."""
    out = ["wolter"]
    for row in rows:
        out += [p for p in row.seconds if p not in out]
    return out


def text_of(section: Section) -> str:
    """A section as text for the terminal: one line per row and program."""
    lines = [section.title, "-" * len(section.title)]
    for row in section.rows:
        lines.append(row.name)
        for program, seconds in row.seconds.items():
            ratio = row.ratio(program)
            shown = "" if program == "wolter" or ratio is None else f"{ratio:9.3g} x"
            lines.append(f"    {program:<30}{duration(seconds, row.unit):>12}{shown:>12}  {row.notes.get(program, '')}")
    return "\n".join([*lines, *(f"  ({remark})" for remark in section.remarks)])


def markdown_of(section: Section) -> str:
    """A section as a Markdown table."""
    lines = [
        f"## {section.title}",
        "",
        "| work | program | time | relative to Wolter | note |",
        "|---|---|---:|---:|---|",
    ]
    for row in section.rows:
        for program, seconds in row.seconds.items():
            ratio = row.ratio(program)
            shown = "1" if program == "wolter" else "" if ratio is None else f"{ratio:.3g}"
            note = row.notes.get(program, "")
            lines.append(f"| {row.name} | {program} | {duration(seconds, row.unit)} | {shown} | {note} |")
    return "\n".join([*lines, "", *(f"- {remark}" for remark in section.remarks), ""])
