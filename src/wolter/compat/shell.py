"""Tasks called through the shell: ``extractor filename=evt.fits phafile=spec.pha clobber=yes``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["run_task"]


def run_task(name: str, words: Sequence[str]) -> int:
    """Run a task with the words of its command line.

    Parameters
    ----------
    name : str
        The task.
    words : sequence of str
        ``parameter=value``, or bare values, which are the parameters in the order of the parameter file.

    Returns
    -------
    int
        Exit status of the task.
    """
    from wolter.compat.heasoftpy.core import HSPTask, available

    task = HSPTask(name)
    if name not in available():
        print(f"{name}: Wolter does not have this task. It has: {', '.join(available())}", file=sys.stderr)
        return 1
    given: dict[str, str] = {}
    bare = iter(task.par_names)
    for word in words:
        key, equals, value = word.partition("=")
        if equals and key.lower() in (*task.par_names, "chatter", "history"):
            given[key.lower()] = value
        elif equals and key.isidentifier():
            print(f"{name}: there is no parameter {key!r}", file=sys.stderr)
            return 1
        else:
            parameter = next(bare, None)
            if parameter is None:
                print(f"{name}: too many values: {word!r}", file=sys.stderr)
                return 1
            given[parameter] = word
    try:
        result = task(given, stderr=True, allow_failure=True)
    except NotImplementedError as exc:
        print(f"{name}: {exc}", file=sys.stderr)
        return 1
    if result.stdout:
        print(result.stdout)
    if result.stderr:
        print(result.stderr, file=sys.stderr)
    return result.returncode
