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
    from wolter import tasks
    from wolter.compat.heasoftpy.core import HSPTask, available
    from wolter.errors import WolterError

    if name not in available():
        print(f"{name}: Wolter does not have this task. It has: {', '.join(available())}", file=sys.stderr)
        return 1
    try:
        given = tasks.get(name).from_words(words)
    except WolterError as exc:
        print(f"{name}: {exc}", file=sys.stderr)
        return 1
    result = HSPTask(name)(given, stderr=True, allow_failure=True)
    if result.stdout:
        print(result.stdout)
    if result.stderr:
        print(result.stderr, file=sys.stderr)
    return result.returncode
