"""Tasks, their parameters, and the registry that finds them by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wolter.errors import OutputError, ParameterError, WolterError, suggest, warn
from wolter.mission import missions

__all__ = ["Parameter", "Task", "TaskError", "TaskResult", "get", "mission_of_task", "names", "register", "run"]

_NONE = ("", "none", "-", "indef")
# Parameters that every parameter file has and nothing depends on here.
_COMMON = ("chatter", "history", "mode")


class TaskError(WolterError, RuntimeError):
    """A task failed; `returncode` is the exit status that the legacy tool gives in that case."""

    def __init__(self, cause: str, *, returncode: int = 1, **place: Any) -> None:
        super().__init__(cause, **place)
        self.returncode = returncode


@dataclass(frozen=True)
class Parameter:
    """One parameter of a task.

    Attributes
    ----------
    name : str
        Name, lower case.
    kind : str
        ``s`` text, ``f`` file, ``i`` integer, ``r`` real, ``b`` yes or no (the letters of parameter files).
    default : object
        Default; ``...`` if the parameter must be given.
    doc : str
        What it means; if it says "no effect" whoever sets the parameter to another value than its default is told.
    hidden : bool
        Given by name only: bare values of a command line go to the other parameters, in their order.
    """

    name: str
    kind: str
    default: Any
    doc: str
    hidden: bool = False

    def is_idle(self, value: Any) -> bool:
        """Whether a value (in the type of the parameter) asks for something that the task does not do."""
        idle = "no effect" in self.doc and self.name not in (*_COMMON, "schatter")
        return idle and self.default is not ... and value != self.convert(self.default)

    def convert(self, value: Any) -> Any:
        """Value in the type of the parameter; text such as ``yes`` or ``1.0`` is understood, NONE becomes None.

        Raises
        ------
        ParameterError
            If it is of another kind.
        """
        try:
            return self._convert(value)
        except (TypeError, ValueError) as exc:
            kinds = {"i": "a whole number", "r": "a number", "b": "yes or no"}
            raise ParameterError(
                f"parameter {self.name} ({self.doc}) = {value!r} is not {kinds.get(self.kind, 'text')}",
                cure=f"Write {self.name}=yes or {self.name}=no." if self.kind == "b" else f"Write {self.name}=NUMBER.",
            ) from exc

    def _convert(self, value: Any) -> Any:
        if self.kind in "sf":
            if value is None or (isinstance(value, str) and value.strip().lower() in _NONE):
                return None
            return value if isinstance(value, Path) else str(value).strip()
        if self.kind == "b":
            if isinstance(value, str):
                known = {"yes": True, "y": True, "true": True, "no": False, "n": False, "false": False}
                return known[value.strip().lower()] if value.strip().lower() in known else bool(int(value))
            return bool(value)
        if self.kind == "i":
            number = float(value)
            if number != int(number):
                raise ValueError(value)
            return int(number)
        return float(value)


@dataclass
class TaskResult:
    """What a task did.

    Attributes
    ----------
    name : str
        The task.
    returncode : int
        Exit status, 0 if all went well.
    parameters : dict
        Parameters used, defaults included.
    products : dict of str to Path or tuple of Path
        Files written, by kind.
    messages : list of str
        What the tool has to say.
    error : WolterError or None
        The failure, for `run(check=False)`.
    """

    name: str
    returncode: int = 0
    parameters: dict[str, Any] = field(default_factory=dict)
    products: dict[str, Any] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    error: WolterError | None = None


@dataclass(frozen=True)
class Task:
    """A task: its parameters and the function that does it.

    Calling it runs it: ``task(filename="evt.fits", ...)``.
    """

    name: str
    parameters: tuple[Parameter, ...]
    function: Callable[[Mapping[str, Any], TaskResult], None]
    doc: str

    @property
    def positional(self) -> tuple[str, ...]:
        """Parameters to which the bare values of a command line go, in order."""
        return tuple(p.name for p in self.parameters if not p.hidden)

    def from_words(self, words: Iterable[str]) -> dict[str, str]:
        """Parameters of a command line: ``name=value``, or bare values in the order of `positional`.

        Raises
        ------
        ParameterError
            For unknown parameters and for more values than there are parameters.
        """
        known = {p.name for p in self.parameters}
        given: dict[str, str] = {}
        bare = iter(self.positional)
        for word in words:
            key, equals, value = word.partition("=")
            key = key.strip().lower()
            if key in known and equals:
                given[key] = value
            elif key in _COMMON and equals:
                continue
            elif equals and key.isidentifier() and not value.startswith("="):  # STATUS==0 is a condition
                raise self._unknown(key)
            else:
                name = next((n for n in bare if n not in given), None)
                if name is None:
                    raise ParameterError(f"{self.name}: too many values: {word!r} is one more than its parameters")
                given[name] = word
        return given

    def _unknown(self, key: str) -> ParameterError:
        """The error for a parameter that the task does not have; the nearest names, or all."""
        known = [p.name for p in self.parameters]
        cure = suggest(key, known) or f"Known, in the order of wolter task {self.name} --help: {', '.join(known)}."
        return ParameterError(f"{self.name} has no parameter {key!r}", cure=cure)

    def resolve(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters in their types, defaults filled in.

        Raises
        ------
        ParameterError
            For unknown or missing parameters, or values of the wrong kind.
        """
        by_name = {p.name: p for p in self.parameters}
        given = {str(k).lower(): v for k, v in given.items()}
        for key in given:
            if key not in by_name:
                raise self._unknown(key)
        missing = [p.name for p in self.parameters if p.default is ... and p.name not in given]
        if missing:
            raise ParameterError(
                f"{self.name} needs the parameter(s) {', '.join(missing)}", cure=f"See wolter task {self.name} --help."
            )
        return {p.name: p.convert(given.get(p.name, p.default)) for p in self.parameters}

    def __call__(self, *, check: bool = True, **parameters: Any) -> TaskResult:
        """Run the task.

        Parameters
        ----------
        check : bool
            Whether a failure raises; otherwise it is reported in the result.
        **parameters
            Parameters of the task.

        Raises
        ------
        WolterError
            If the task fails and `check`.
        """
        result = TaskResult(self.name)
        try:
            result.parameters = self.resolve(parameters)
            idle = [p.name for p in self.parameters if p.is_idle(result.parameters[p.name])]
            if idle:
                have = "has" if len(idle) == 1 else "have"
                told = f"{self.name}: {', '.join(idle)} {have} no effect in this version"
                warn(told)
            self.function(result.parameters, result)
        except WolterError as exc:
            if isinstance(exc, OutputError) and "overwrite" in (exc.cure or "") and "clobber" in result.parameters:
                exc.cure = "Set clobber=yes to replace it."  # tasks have no parameter overwrite
            if check:
                raise
            result.returncode = exc.returncode if isinstance(exc, TaskError) else 1
            result.error = exc
            result.messages.append(f"{self.name}: {exc}")
        return result


# Tasks that come with the package, by the module that defines each. Missions name theirs in `Mission.tasks`, others add
# them with `register`.
_MODULES = {
    "addspec": "wolter.tasks.addspec",
    "extractor": "wolter.tasks.extraction",
    "fkeyprint": "wolter.tasks.fkeyprint",
    "fstruct": "wolter.tasks.fstruct",
    "ftcopy": "wolter.tasks.ftcopy",
    "ftgrouppha": "wolter.tasks.ftgrouppha",
    "ftlist": "wolter.tasks.ftlist",
    "fversion": "wolter.tasks.fversion",
    "grppha": "wolter.tasks.grppha",
    "maketime": "wolter.tasks.maketime",
    "mathpha": "wolter.tasks.mathpha",
    "quzcif": "wolter.tasks.quzcif",
}
_REGISTERED: dict[str, Task] = {}


def register(task: Task) -> Task:
    """Add a task to the registry.

    Raises
    ------
    ParameterError
        If another task has that name.
    """
    present = _REGISTERED.get(task.name)
    if present is not None and present.function is not task.function:
        raise ParameterError(f"there is a task {task.name!r} already")
    _REGISTERED[task.name] = task
    return task


def _of_missions() -> dict[str, tuple[str, str]]:
    """Tasks of the installed missions: name -> ("module:TASK", mission)."""
    found: dict[str, tuple[str, str]] = {}
    for mission in missions().values():
        for name, target in mission.tasks.items():
            found.setdefault(name.lower(), (target, mission.name))
    return found


def names() -> list[str]:
    """Names of all tasks, those of the installed missions included."""
    return sorted({*_MODULES, *_REGISTERED, *_of_missions()})


def mission_of_task(name: str) -> str | None:
    """Name of the mission that a task belongs to, None for a general one."""
    return None if name in _MODULES else _of_missions().get(name, (None, None))[1]


def get(name: str) -> Task:
    """Task by name.

    Raises
    ------
    ParameterError
        If there is none; the message names those nearest.
    """
    key = name.strip().lower()
    if key in _REGISTERED:
        return _REGISTERED[key]
    if key in _MODULES:
        return register(importlib.import_module(_MODULES[key]).TASK)
    target = _of_missions().get(key)
    if target is None:
        raise ParameterError(
            f"there is no task {name!r}", cure=suggest(key, names()) or f"Known: {', '.join(names())}."
        )
    module, _, attribute = target[0].partition(":")
    return register(getattr(importlib.import_module(module), attribute or "TASK"))


def run(name: str, *, check: bool = True, **parameters: Any) -> TaskResult:
    """Run a task by name; see `Task`."""
    return get(name)(check=check, **parameters)
