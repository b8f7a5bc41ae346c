"""The version of HEASoftPy whose interface is offered."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "1.5"
