"""Utilities of HEASoftPy that scripts use."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

__all__ = ["local_pfiles", "local_pfiles_context"]


def local_pfiles(par_dir: str | None = None) -> str | None:
    """Accepted, without effect: there are no parameter files that parallel runs could share."""
    return par_dir


@contextlib.contextmanager
def local_pfiles_context(par_dir: str | None = None) -> Iterator[str | None]:
    """Accepted, without effect: there are no parameter files that parallel runs could share."""
    yield par_dir
