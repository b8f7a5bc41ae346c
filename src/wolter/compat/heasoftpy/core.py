"""Tasks as callable objects and their results, as HEASoftPy has them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wolter import tasks
from wolter.compat.heasoftpy.config import Config

__all__ = ["HSPResult", "HSPTask", "HSPTaskException", "available"]

# What HEASoftPy itself takes with every task.
_CONTROLS = ("allow_failure", "do_exec", "logfile", "noprompt", "stderr", "verbose")
# Parameters that most parameter files have and nothing depends on here.
_COMMON = ("chatter", "history", "mode")


class HSPTaskException(Exception):
    """A task failed, or was called wrongly."""


@dataclass
class HSPResult:
    """What a task gave back.

    Attributes
    ----------
    returncode : int
        Exit status, 0 if all went well.
    stdout : str
        What the task printed.
    stderr : str or None
        Its error messages; None unless ``stderr=True`` was passed (they are in `stdout` then).
    params : dict
        Parameters used, as text.
    custom : dict
        Further results: here the products, by kind.
    """

    returncode: int
    stdout: str
    stderr: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    custom: dict[str, Any] = field(default_factory=dict)

    @property
    def output(self) -> list[str]:
        """Lines of `stdout`."""
        return self.stdout.split("\n")

    def __str__(self) -> str:
        lines = ["-" * 21, f":: Execution Result ::\n> Return Code: {self.returncode}", "> Output:", self.stdout]
        if self.stderr is not None:
            lines += ["> Errors:", self.stderr or "None"]
        return "\n".join([*lines, "> Parameters:", *(f"\t{k:<12} = {v}" for k, v in self.params.items())])


def available() -> tuple[str, ...]:
    """Names of the tasks that run here."""
    return tuple(tasks.names())


def _truth(value: Any) -> bool:
    return value.strip().lower() in ("y", "yes", "true", "1") if isinstance(value, str) else bool(value)


class HSPTask:
    """A task; calling it runs it.

    Parameters are given as keywords, as a dictionary or another task, or set as attributes beforehand.

    Parameters
    ----------
    name : str
        Name of the task, e.g. ``"extractor"``.
    """

    name: str
    params: dict[str, Any]
    par_names: list[str]
    positional: tuple[str, ...]

    def __init__(self, name: str | None = None) -> None:
        if not name:
            raise HSPTaskException("Task name is required")
        described = tasks.get(name) if name in tasks.names() else None
        names = [] if described is None else [p.name for p in described.parameters]
        self.__dict__.update(
            name=name,
            pyname=name.replace("-", "_"),
            params={},
            par_names=[*names, "mode"],
            positional=() if described is None else described.positional,
            _defaults={} if described is None else {p.name: p.default for p in described.parameters},
            _known=described is not None,
            __doc__=_describe(name, described),
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self.params:
            return self.params[name]
        if name in self.par_names:
            value = self._defaults.get(name)
            return None if value is ... else value
        raise AttributeError(f"task {self.name} has no parameter {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__ or name.startswith("_"):
            self.__dict__[name] = value
        elif self._known and name not in self.par_names and name not in (*_CONTROLS, *_COMMON):
            raise AttributeError(f"task {self.name} has no parameter {name!r}")
        else:
            self.params[name] = value

    def __call__(self, args: Mapping[str, Any] | HSPTask | str | None = None, **kwargs: Any) -> HSPResult:
        """Run the task.

        Parameters
        ----------
        args : mapping or HSPTask, optional
            Parameters; text is the first parameter.
        **kwargs
            Parameters, and HEASoftPy's own: ``noprompt``, ``verbose`` (1 print, 2 print and log, 20 log), ``logfile``,
            ``stderr``, ``allow_failure``.

        Raises
        ------
        NotImplementedError
            If Wolter does not have the task.
        HSPTaskException
            If it fails and failures are not allowed.
        """
        given = self._gather(args, kwargs)
        controls = {k: given.pop(k) for k in _CONTROLS if k in given}
        if not self._known:
            raise NotImplementedError(
                f"heasoftpy.{self.name}: Wolter does not have this task. It has: {', '.join(available())}."
            )
        result = self._run(given, separate=_truth(controls.get("stderr", False)))
        self._tell(result, controls)
        allowed = controls.get("allow_failure", Config.allow_failure)
        if result.returncode and allowed is not None and not _truth(allowed):
            raise HSPTaskException(f"Task {self.name} failed with returncode {result.returncode}: {result.stdout}")
        return result

    def _gather(self, args: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        given = dict(self.params)
        if isinstance(args, HSPTask):
            given.update(args.params)
        elif isinstance(args, Mapping):
            given.update(args)
        elif isinstance(args, str) and self.positional:
            given[self.positional[0]] = args
        elif args is not None:
            raise HSPTaskException(f"parameters of {self.name} are given as a dictionary or keywords, not {args!r}")
        given.update(kwargs)
        return {str(k).lower(): v for k, v in given.items()}

    def _run(self, given: dict[str, Any], *, separate: bool) -> HSPResult:
        used = {k: v for k, v in given.items() if k in self.par_names and k != "mode"}
        ignored = [k for k in given if k not in used and k not in _COMMON]
        lines = [f"{self.name}: parameter {k} is unknown and ignored" for k in ignored]
        errors: list[str] = []
        done = tasks.run(self.name, check=False, **used)
        code, custom, used = done.returncode, dict(done.products), dict(done.parameters) or used
        (errors if code else lines).extend(done.messages)
        if not separate:
            lines += errors
        params = {k: _text(v) for k, v in used.items()}
        return HSPResult(code, "\n".join(lines), "\n".join(errors) if separate else None, params, custom)

    def _tell(self, result: HSPResult, controls: Mapping[str, Any]) -> None:
        verbose = controls.get("verbose", 0)
        level = int(verbose) if isinstance(verbose, int) else int(_truth(verbose))
        text = "\n".join(filter(None, [result.stdout, result.stderr]))
        if level and level != 20 and text:
            print(text, file=sys.stdout)
        if level in (2, 20):
            with open(controls.get("logfile") or f"{self.name}.log", "w", encoding="utf-8") as file:
                file.write(text + "\n")

    def __repr__(self) -> str:
        return f"<task {self.name}>"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "NONE" if value is None else str(value)


def _describe(name: str, described: tasks.Task | None) -> str:
    if described is None:
        return f"{name}: Wolter does not have this task; calling it raises NotImplementedError."
    lines = [f"{name}: {described.doc}", "", "Parameters", "----------"]
    for p in described.parameters:
        default = "required" if p.default is ... else f"default {_text(p.default)}"
        lines.append(f"{p.name} ({p.kind}, {default})\n    {p.doc}")
    return "\n".join(lines)
