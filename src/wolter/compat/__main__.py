"""``python -m wolter.compat SCRIPT [ARGS]``: Python with the façades in place, without a notebook kernel."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]

_USAGE = """usage: python -m wolter.compat SCRIPT [ARGS]      run a script
       python -m wolter.compat -c CODE [ARGS]     run code
       python -m wolter.compat -m MODULE [ARGS]   run a module
       python -m wolter.compat --task NAME [PARAMETER=VALUE ...]

Runs Python with heasoftpy, xspec, ... resolved to Wolter; notebooks and magics need `wolter run FILE`."""


def main(words: list[str]) -> int:
    """Entry point.

    Parameters
    ----------
    words : list of str
        The command line without the program.

    Returns
    -------
    int
        Exit status.
    """
    if not words or words[0] in ("-h", "--help") or (words[0] in ("-c", "-m", "--task") and len(words) < 2):
        print(_USAGE, file=sys.stdout if words and words[0] in ("-h", "--help") else sys.stderr)
        return 0 if words and words[0] in ("-h", "--help") else 2
    if words[0] == "--task":
        from wolter.compat.shell import run_task

        return run_task(words[1], words[2:])
    import runpy

    from wolter.compat import activate

    activate()
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    elif words[0] == "-c":
        sys.argv = ["-c", *words[2:]]
        exec(compile(words[1], "<string>", "exec"), {"__name__": "__main__"})
    else:
        if not os.path.isfile(words[0]):
            print(f"wolter.compat: there is no file {words[0]}", file=sys.stderr)
            return 2
        sys.argv = list(words)
        sys.path.insert(0, os.path.dirname(os.path.abspath(words[0])))
        runpy.run_path(words[0], run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
