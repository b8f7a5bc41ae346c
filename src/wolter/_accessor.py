"""How results offer their figures: ``fit.plot.spectrum()``, without any result importing matplotlib."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

__all__ = ["Figures"]


class _Bound:
    """The figures of one result."""

    def __init__(self, result: Any, names: tuple[str, ...]) -> None:
        self._result = result
        self._names = names

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in self._names:
            owner = type(self._result).__name__
            raise AttributeError(f"{owner} has no figure {name!r} (it has {', '.join(self._names)})")
        return functools.partial(getattr(importlib.import_module("wolter.plot"), name), self._result)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The first of the figures."""
        return getattr(self, self._names[0])(*args, **kwargs)

    def __dir__(self) -> list[str]:
        return list(self._names)

    def __repr__(self) -> str:
        return f"<figures of a {type(self._result).__name__}: {', '.join(self._names)}>"


class Figures:
    """Class attribute that binds functions of `wolter.plot`, by name and only when one is asked for.

    Parameters
    ----------
    *names : str
        Functions of `wolter.plot` that take the result as their first argument; calling the accessor itself draws the
        first.
    """

    def __init__(self, *names: str) -> None:
        self._names = names

    def __get__(self, result: Any, owner: type | None = None) -> Any:
        return self if result is None else _Bound(result, self._names)
