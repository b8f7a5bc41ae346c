"""An IPython kernel that runs cells: started in its own session, with time limits and orderly interruption."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wolter.compat.cells import need
from wolter.compat.report import plain
from wolter.errors import DataError

__all__ = ["Execution", "Kernel"]

_POLL = 0.2  # s between looks at the clock, at the kernel's pulse and for a request to stop
_GRACE = 5.0  # s that an interrupted cell has to end
_START = 120.0  # s that a kernel has to start


@dataclass
class Execution:
    """What became of a cell.

    Attributes
    ----------
    status : str
        ``ok``, ``error``, ``timeout``, ``interrupted`` or ``dead`` (the kernel has gone).
    outputs : list
        Output nodes of the notebook format.
    count : int or None
        Execution count.
    error : tuple of (str, str, list of str) or None
        Type, message and traceback of the exception.
    """

    status: str = "ok"
    outputs: list[Any] = field(default_factory=list)
    count: int | None = None
    error: tuple[str, str, list[str]] | None = None


class _Outputs:
    """Collects the output nodes of a cell."""

    def __init__(self, show: Callable[[str, Any], None]) -> None:
        self.nodes: list[Any] = []
        self._show = show
        self._clear = False
        self._by_id: dict[str, Any] = {}
        self._v4 = need("nbformat.v4")

    def add(self, kind: str, message: Mapping[str, Any]) -> None:
        content = message["content"]
        if kind == "clear_output":
            self._clear = bool(content.get("wait"))
            if not self._clear:
                self.nodes.clear()
        elif kind == "update_display_data":
            self._update(content)
        elif kind in ("stream", "display_data", "execute_result", "error"):
            if self._clear:
                self.nodes.clear()
                self._clear = False
            self._append(self._v4.output_from_msg(message), content)

    def _append(self, node: Any, content: Mapping[str, Any]) -> None:
        self._show(node.output_type, node)
        last = self.nodes[-1] if self.nodes else None
        if node.output_type == "stream" and last is not None and last.get("name") == node.name:
            last.text += node.text
            return
        identity = content.get("transient", {}).get("display_id")
        if identity is not None:
            self._by_id[identity] = node
        self.nodes.append(node)

    def _update(self, content: Mapping[str, Any]) -> None:
        node = self._by_id.get(content.get("transient", {}).get("display_id", ""))
        if node is not None:
            node.data, node.metadata = content["data"], content["metadata"]

    def page(self, payload: list[Mapping[str, Any]]) -> None:
        """Help texts (``name?``), which a front end shows in a pager."""
        for item in payload:
            if item.get("source") == "page" and "text/plain" in item.get("data", {}):
                text = "\n".join(plain([str(item["data"]["text/plain"])])).rstrip("\n") + "\n"
                self._append(self._v4.new_output("stream", name="stdout", text=text), {})


class Kernel:
    """A kernel of this Python.

    Parameters
    ----------
    folder : Path
        Folder for its connection file, sockets and IPython's files; nobody else may read it.
    cwd : Path
        Its current folder.
    environment : mapping
        All environment variables.
    stop_requested : callable
        Asked several times a second; a true answer interrupts the cell.
    """

    def __init__(
        self,
        folder: Path,
        *,
        cwd: Path,
        environment: Mapping[str, str],
        stop_requested: Callable[[], bool] = lambda: False,
    ) -> None:
        need("ipykernel")
        self._manager = self._make_manager(folder)
        self._stop_requested = stop_requested
        self._client: Any = None
        self._earlier: set[str] = set()  # what threads and children of earlier cells print is not lost
        self._log = folder / "kernel.log"
        self.alive = True
        (folder / "ipython").mkdir()  # a profile of its own: no start-up files, no history
        with self._log.open("wb") as log:
            self._manager.start_kernel(
                cwd=str(cwd),
                env=dict(environment),
                extra_arguments=[f"--ipython-dir={folder / 'ipython'}", "--HistoryManager.enabled=False"],
                stdout=subprocess.DEVNULL,  # what cells print comes as messages; this would be its echo
                stderr=log,
            )

    @staticmethod
    def _make_manager(folder: Path) -> Any:
        client = need("jupyter_client")
        specs = need("jupyter_client.kernelspec")

        class OwnPython(specs.KernelSpecManager):
            """Any kernel asked for is this Python: a notebook's own kernel may not exist here."""

            def get_kernel_spec(self, kernel_name: str) -> Any:
                argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
                return specs.KernelSpec(argv=argv, display_name="Wolter", language="python", name=kernel_name)

        manager = client.KernelManager(kernel_name="wolter", kernel_spec_manager=OwnPython())
        manager.connection_file = str(folder / "kernel.json")
        if os.name == "posix" and len(str(folder)) < 80:  # a socket's path is limited to about 100 characters
            manager.transport = "ipc"  # no ports that other runs could take meanwhile
            manager.ip = str(folder / "socket")
        return manager

    def wait_ready(self) -> None:
        """Wait until the kernel takes cells.

        Raises
        ------
        DataError
            If it does not start.
        """
        self._client = self._manager.client()
        self._client.start_channels()
        try:
            self._client.wait_for_ready(timeout=_START)
        except RuntimeError as exc:
            said = " ".join(self._log.read_text(encoding="utf-8", errors="replace").split())[-300:]
            raise DataError(
                f"the IPython kernel of {sys.executable} does not start ({exc}){': ' + said if said else ''}",
                cure="Try: python -m ipykernel_launcher",
            ) from exc

    def execute(
        self,
        code: str,
        *,
        timeout: float | None = None,
        silent: bool = False,
        show: Callable[[str, Any], None] = lambda kind, node: None,
    ) -> Execution:
        """Run a cell and wait for its end.

        Parameters
        ----------
        code : str
            The cell.
        timeout : float, optional
            Seconds after which it is interrupted, and ended by force if that does not help.
        silent : bool
            Leave no trace in history and execution count.
        show : callable
            Called with the type and the node of each output when it comes.
        """
        identity = self._client.execute(code, silent=silent, store_history=not silent, allow_stdin=False)
        outputs = _Outputs(show)
        status = self._follow(identity, outputs, timeout)
        self._earlier.add(identity)
        execution = Execution(status, outputs.nodes)
        if self.alive:
            self._finish(identity, execution, outputs)
        elif status == "ok":
            execution.status = "dead"
        return execution

    def _follow(self, identity: str, outputs: _Outputs, timeout: float | None) -> str:
        """Collect outputs until the kernel is idle again; what ended the cell."""
        status = "ok"
        limit = None if timeout is None else time.monotonic() + timeout
        while True:
            now = time.monotonic()
            if status == "ok" and (self._stop_requested() or (limit is not None and now >= limit)):
                status = "interrupted" if self._stop_requested() else "timeout"
                self._manager.interrupt_kernel()
                limit = now + _GRACE
            elif status != "ok" and limit is not None and now >= limit:
                self.kill()
                return status
            try:
                message = self._client.get_iopub_msg(timeout=_POLL)
            except queue.Empty:
                if not self._manager.is_alive():
                    self.alive = False
                    return status
                continue
            kind = message["header"]["msg_type"]
            parent = message["parent_header"].get("msg_id")
            if parent != identity and not (kind == "stream" and parent in self._earlier):
                continue
            if kind == "status" and message["content"]["execution_state"] == "idle":
                return status
            outputs.add(kind, message)

    def _finish(self, identity: str, execution: Execution, outputs: _Outputs) -> None:
        limit = time.monotonic() + _GRACE
        while time.monotonic() < limit:
            try:
                reply = self._client.get_shell_msg(timeout=_POLL)
            except queue.Empty:
                continue
            if reply["parent_header"].get("msg_id") == identity:
                break
        else:
            return
        content = reply["content"]
        execution.count = content.get("execution_count")
        outputs.page(content.get("payload", []))
        if content["status"] == "error":
            execution.error = (content["ename"], content["evalue"], list(content["traceback"]))
            if execution.status == "ok":
                execution.status = "error"

    def flush(self, show: Callable[[str, Any], None] = lambda kind, node: None) -> list[Any]:
        """What children have printed directly and the kernel has not passed on yet.

        Parameters
        ----------
        show : callable
            Called with the type and the node of each output.

        Returns
        -------
        list
            Output nodes.
        """
        if not self.alive:
            return []
        return self.execute("__import__('time').sleep(0.03)", silent=True, timeout=_GRACE, show=show).outputs

    def kill(self) -> None:
        """End the kernel and all it started in its session, by force."""
        self.alive = False
        if os.name == "posix" and self._manager.has_kernel:
            with contextlib.suppress(OSError, AttributeError):
                os.killpg(self._manager.provisioner.pid, signal.SIGKILL)  # the leader of its own process group
        self._manager.shutdown_kernel(now=True)

    def close(self) -> None:
        """End the kernel."""
        if self._client is not None:
            self._client.stop_channels()
        if self._manager.has_kernel:
            self.kill()  # nothing is left to be saved; waiting for an orderly end would cost up to a second
        self._manager.cleanup_resources()
