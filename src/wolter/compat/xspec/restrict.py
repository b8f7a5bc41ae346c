"""PyXspec's guard against misspelt attributes: new ones need ``Xset.allowNewAttributes = True``."""

from __future__ import annotations

from typing import Any, ClassVar

from wolter.compat.xspec.session import SESSION
from wolter.errors import suggest

__all__ = ["Restricted", "seal"]


class Restricted:
    """Base of objects that take no new attributes from scripts."""

    _fields: ClassVar[frozenset[str]] = frozenset()  # attributes that objects get while they are made
    _sealed: ClassVar[bool] = True

    def __setattr__(self, name: str, value: Any) -> None:
        known = name.startswith("_") or name in self._fields or name in self.__dict__ or hasattr(type(self), name)
        if not known and self.__dict__.get("_sealed", type(self)._sealed) and not SESSION.new_attributes:
            names = [n for n in {*dir(type(self)), *self.__dict__} if not n.startswith("_")]
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r}. {suggest(name, names)} "
                "Xset.allowNewAttributes = True lets scripts add attributes."
            )
        object.__setattr__(self, name, value)


def seal(*objects: Any) -> None:
    """From now on these take no new attributes."""
    for one in objects:
        object.__setattr__(one, "_sealed", True)
