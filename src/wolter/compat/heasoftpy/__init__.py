"""HEASoftPy's interface on Wolter's tasks: ``hsp.extractor(filename=..., phafile=...)``, `HSPTask`, `HSPResult`.

Every task of HEASoft has a name here; those that Wolter does not have raise NotImplementedError when they are called.
"""

from __future__ import annotations

from wolter.compat.heasoftpy import config, core, utils
from wolter.compat.heasoftpy.config import Config
from wolter.compat.heasoftpy.core import HSPResult, HSPTask, HSPTaskException, available
from wolter.compat.heasoftpy.version import __version__

__all__ = ["Config", "HSPResult", "HSPTask", "HSPTaskException", "__version__", "config", "core", "utils"]

_SUBMODULES = ("config", "core", "utils", "version")  # asked for here before they are imported


def __getattr__(name: str) -> HSPTask:
    if name.startswith("_") or not name.islower() or name in _SUBMODULES:
        raise AttributeError(f"module 'heasoftpy' has no attribute {name!r}")
    return HSPTask(name)


def __dir__() -> list[str]:
    return sorted([*__all__, *available()])
