"""Worker processes that hold XSPEC's model library, so that its crashes and its global state stay outside this one.

Processes are started when first needed, by path and with a clean interpreter: no script is imported again (as
``multiprocessing`` would do), nothing is forked, no thread is started. One that has crashed, hung or complained is
replaced by a new one. All end with this process.
"""

from __future__ import annotations

import atexit
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wolter.errors import ModelError
from wolter.models.xspec_library.datafiles import reads_atomdb
from wolter.models.xspec_library.installation import Installation
from wolter.models.xspec_library.modeldat import LibraryModel

__all__ = ["TIME_LIMIT", "Answer", "Job", "Pool", "WorkerDied", "default_workers"]

Array = npt.NDArray[np.float64]
TIME_LIMIT = 120.0
"""Seconds that one evaluation of one component may take."""
TOO_LONG = "took too long"
_START_LIMIT = 60.0  # seconds that loading the library may take, on a busy machine
_WORTH_A_PROCESS = 0.02  # seconds of work that pay for another worker
_PROGRAM = Path(__file__).with_name("_worker.py")


@dataclass(frozen=True)
class Job:
    """What is to be evaluated: a component at rows of parameters on one energy grid.

    Parameters
    ----------
    model : LibraryModel
        The component.
    state : mapping
        Settings of the library: abund, xsect, cosmo, atomdb, xset, stokes.
    edges : array [n + 1]
        keV, in double precision.
    pars : array [B, P]
        Parameters.
    flux : array [B, n], optional
        Spectra that a convolution acts on.
    """

    model: LibraryModel
    state: Mapping[str, Any]
    edges: Array
    pars: Array
    flux: Array | None = None


@dataclass(frozen=True)
class Answer:
    """Values [B, n] and what the library printed."""

    values: Array
    messages: str


class WorkerDied(Exception):
    """A worker ended or was ended: how, at which row of the job, and what it had printed."""

    def __init__(self, how: str, row: int, messages: str) -> None:
        super().__init__(how)
        self.how, self.row, self.messages = how, row, messages


def default_workers() -> int:
    """Number of processors this process may use, eight at most."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(8, available))


class Worker:
    """One process with the library loaded."""

    def __init__(self, installation: Installation) -> None:
        self.folder = tempfile.mkdtemp(prefix="wolter-xspec-")
        self.messages = os.path.join(self.folder, "messages")
        self.progress = os.path.join(self.folder, "progress")
        self.strings: dict[str, str] = {}  # model strings set in it so far
        self.first = True
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "HEADAS", "XSPEC"))}
        environment.update(HEADAS=str(installation.headas), XSPEC_MDATA_DIR=f"{installation.data}/", HEADASNOQUERY="1")
        program = [sys.executable, "-I", "-S", str(_PROGRAM), str(installation.library), self.messages, self.progress]
        try:
            self.process = subprocess.Popen(
                program,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=self.folder,  # some models write files where they are
                env=environment,
                start_new_session=True,  # an interrupt from the keyboard is not for the library
            )
        except OSError as exc:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise ModelError(f"a worker process cannot be started for XSPEC's library: {exc}") from exc

    def send(self, job: Job, seconds: float) -> None:
        """Send rows to evaluate; `receive` gets the values."""
        model = job.model
        kind = np.float32 if model.convention == "single" else np.float64
        rows, count = job.pars.shape
        arrays = [job.edges, job.pars] if job.flux is None else [job.edges, job.pars, job.flux]
        with np.errstate(over="ignore"):  # too large for single precision is infinite, and so will be the result
            payload = b"".join(np.ascontiguousarray(a, dtype=kind).tobytes() for a in arrays)
        header = {
            "symbol": model.symbol,
            "convention": model.convention,
            "init": model.init,
            "rows": rows,
            "bins": len(job.edges) - 1,
            "parameters": count,
            "convolves": job.flux is not None,
            "state": dict(job.state),
            "seconds": seconds + 5.0,  # the worker's own alarm, should this process be gone
            "size": len(payload),
        }
        self.strings |= job.state["xset"]
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(header).encode() + b"\n")
            self.process.stdin.write(payload)
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self.died() from None

    def receive(self, job: Job, seconds: float) -> Answer:
        """Values of what was sent last.

        Raises
        ------
        WorkerDied
            When the process has ended or the time is over.
        ModelError
            For settings or a function that the library does not know.
        """
        deadline = time.monotonic() + seconds + (_START_LIMIT if self.first else 0.0)
        line, rest = self._line(deadline)
        answer = json.loads(line)
        data = rest
        while len(data) < answer["size"]:
            data += self._some(deadline)
        self.first = False
        if answer["error"]:
            raise ModelError(f"XSPEC's library cannot evaluate {job.model.name!r}: {answer['error']}")
        kind = np.float32 if job.model.convention == "single" else np.float64
        values = np.frombuffer(bytes(data), dtype=kind).reshape(len(job.pars), len(job.edges) - 1).astype(float)
        return Answer(values, self.printed())

    def _line(self, deadline: float) -> tuple[bytes, bytearray]:
        data = bytearray()
        while b"\n" not in data:
            data += self._some(deadline)
        line, _, rest = data.partition(b"\n")
        return bytes(line), rest

    def _some(self, deadline: float) -> bytes:
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise self.died(TOO_LONG)
        data = os.read(self.process.stdout.fileno(), 1 << 20)
        if not data:
            raise self.died()
        return data

    def printed(self) -> str:
        """What the library has printed during the latest evaluation."""
        try:
            return Path(self.messages).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def died(self, how: str = "") -> WorkerDied:
        """The error to raise for a process that has ended, or is ended for the reason given."""
        if how:
            self.process.kill()
        code = self.process.wait()
        if not how and code < 0:
            try:
                how = f"crashed ({signal.Signals(-code).name})"
            except ValueError:
                how = f"crashed (signal {-code})"
        try:
            row = int.from_bytes(Path(self.progress).read_bytes(), "little")
        except OSError:
            row = 0
        return WorkerDied(how or f"ended the process (status {code})", row, self.printed())

    def close(self) -> None:
        """End the process and remove its folder."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Pool:
    """A few workers; rows of parameters are spread over them.

    Parameters
    ----------
    installation : Installation
        The library.
    workers : int, optional
        How many processes at the most; by default one for each processor.
    time_limit : float
        Seconds for one row.
    """

    def __init__(
        self, installation: Installation, *, workers: int | None = None, time_limit: float = TIME_LIMIT
    ) -> None:
        self.installation = installation
        self.size = workers or default_workers()
        self.time_limit = time_limit
        self._workers: list[Worker] = []
        self._cost: dict[str, float] = {}  # seconds per row and bin, by component
        self._lock = threading.Lock()
        self._process = os.getpid()
        atexit.register(self.close)

    def run(self, job: Job) -> Answer:
        """Evaluate rows, several at a time where that is worth it.

        Raises
        ------
        WorkerDied
            When the library crashed or took too long; the row is the job's.
        ModelError
            For settings that the library does not know.
        """
        with self._lock:
            if os.getpid() != self._process:  # a forked child has no workers of its own
                self._workers, self._process = [], os.getpid()
            start = time.monotonic()
            parts = self._split(job)
            workers = self._ready(len(parts), job)
            try:
                answers = self._exchange(workers, parts)
            except BaseException:
                # whatever has been sent and not answered would be taken for the answer to the next request
                for worker in workers:
                    self._drop(worker)
                raise
            spent = (time.monotonic() - start) * len(parts)
            self._cost[job.model.name] = spent / (len(job.pars) * len(job.edges))
        messages = "\n".join(dict.fromkeys(a.messages for a in answers if a.messages))
        return Answer(np.concatenate([a.values for a in answers]), messages)

    def _split(self, job: Job) -> list[tuple[int, Job]]:
        rows = len(job.pars)
        expected = self._cost.get(job.model.name, 0.0) * rows * len(job.edges)
        count = max(1, min(self.size, rows, int(expected / _WORTH_A_PROCESS)))
        bounds = np.linspace(0, rows, count + 1).astype(int)
        return [
            (
                int(lo),
                Job(job.model, job.state, job.edges, job.pars[lo:hi], None if job.flux is None else job.flux[lo:hi]),
            )
            for lo, hi in pairwise(bounds)
        ]

    def _ready(self, count: int, job: Job) -> list[Worker]:
        """As many workers; a model string cannot be taken back, so one too many needs a new process."""
        indifferent = "" if reads_atomdb(job.model.name) else "APEC"
        for worker in list(self._workers):
            surplus = [
                k
                for k in worker.strings
                if k not in job.state["xset"] and not (indifferent and k.startswith(indifferent))
            ]
            if surplus or worker.process.poll() is not None:
                self._drop(worker)
        while len(self._workers) < count:
            self._workers.append(Worker(self.installation))
        return self._workers[:count]

    def _exchange(self, workers: Sequence[Worker], parts: Sequence[tuple[int, Job]]) -> list[Answer]:
        answers = []
        for worker, (first, part) in zip(workers, parts, strict=True):
            try:
                worker.send(part, self.time_limit * len(part.pars))
            except WorkerDied as exc:
                exc.row += first
                raise
        for worker, (first, part) in zip(workers, parts, strict=True):
            try:
                answers.append(worker.receive(part, self.time_limit * len(part.pars)))
            except WorkerDied as exc:
                exc.row += first
                raise
        return answers

    def _drop(self, worker: Worker) -> None:
        worker.close()
        if worker in self._workers:
            self._workers.remove(worker)

    def refresh(self) -> None:
        """End all workers, so that the next evaluation begins afresh: what failed to load once is tried again."""
        with self._lock:
            for worker in list(self._workers):
                self._drop(worker)

    def close(self) -> None:
        """End all workers of this process; a later evaluation starts new ones."""
        if os.getpid() == self._process:
            for worker in list(self._workers):
                self._drop(worker)
