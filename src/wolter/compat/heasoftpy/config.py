"""Settings of the session; state is held here because HEASoftPy holds it."""

from __future__ import annotations

__all__ = ["Config"]


class Config:
    """Settings that scripts change.

    Attributes
    ----------
    allow_failure : bool or None
        Whether a task that fails returns its result (True, None) or raises `HSPTaskException` (False).
    debug : bool
        Accepted, without effect.
    """

    allow_failure: bool | None = None
    debug: bool = False
