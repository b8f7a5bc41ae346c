"""Stands in for the extension wurlitzer, which shows what compiled code prints in notebooks.

Published PyXspec notebooks begin with ``%load_ext wurlitzer``. Nothing here is compiled, so there is nothing to
redirect; where the real one is installed, it is used.
"""

from __future__ import annotations

from typing import Any

__all__ = ["load_ipython_extension", "unload_ipython_extension"]


def load_ipython_extension(ip: Any) -> None:
    """Do nothing."""


def unload_ipython_extension(ip: Any) -> None:
    """Do nothing."""
