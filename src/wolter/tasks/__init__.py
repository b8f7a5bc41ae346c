"""Operations under their FTOOLS names, with the parameters, defaults and habits of the tools that users know.

``tasks.run("extractor", filename=..., phafile=...)`` runs one; ``tasks.get("extractor")`` describes it;
``tasks.names()`` lists all. Whatever is peculiar to a legacy tool is here, the formulas are those of the makers.
"""

from __future__ import annotations

from wolter.tasks.registry import Parameter, Task, TaskError, TaskResult, get, mission_of_task, names, register, run

__all__ = ["Parameter", "Task", "TaskError", "TaskResult", "get", "mission_of_task", "names", "register", "run"]


def __getattr__(name: str) -> Task:
    if name in names():
        return get(name)
    raise AttributeError(f"module 'wolter.tasks' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *names()])
