"""Façades of other packages on Wolter's engine: `heasoftpy`, `xspec`, ... importable under their original names.

``wolter run FILE`` executes scripts and notebooks with them in place; `activate` does the same in a running session.
The façades translate; they compute nothing.
"""

from __future__ import annotations

__all__ = ["activate", "deactivate"]


def activate(*, children: bool = True) -> tuple[str, ...]:
    """Make the façades importable under their original names in this session.

    A package of the same name that is installed, or imported already, is shadowed until `deactivate` is called.

    Parameters
    ----------
    children : bool
        Whether processes started from here find them too, and the tasks on their PATH (changes ``PYTHONPATH`` and
        ``PATH`` of this process).

    Returns
    -------
    tuple of str
        The names that lead to façades now.
    """
    from wolter.compat import shims

    return shims.activate(children=children)


def deactivate() -> None:
    """Undo `activate`; modules that were shadowed come back."""
    from wolter.compat import shims

    shims.deactivate()
