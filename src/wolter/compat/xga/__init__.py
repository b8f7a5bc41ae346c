"""XGA's interface on Wolter's sources: ``from xga.sources import GalaxyCluster`` and what goes with it.

It follows XGA 1.0.0 and its older form without ``telescope`` arguments. XMM-Newton is the telescope; what XGA does
through SAS is done here in the same process. Nothing is computed in this package: masks, peaks, signals and products
are those of `wolter.sources`.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "1.0.0"

_SUBMODULES = (
    "exceptions", "generate", "imagetools", "products", "samples", "sas", "sources", "sourcetools", "utils",
)  # fmt: skip
_SETTINGS = ("NUM_CORES", "OUTPUT", "xga_conf", "CENSUS", "BLACKLIST", "CONFIG_FILE", "CONFIG_PATH", "USABLE")

__all__ = ["__version__", *_SUBMODULES]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _SETTINGS:
        from wolter.compat.xga import configuration

        return configuration.setting(name)
    if name in ("models", "relations", "tools", "xspec", "ciao", "esass"):
        raise NotImplementedError(f"xga.{name} is not part of Wolter; see wolter.sources and wolter.fit")
    raise AttributeError(f"module 'xga' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_SETTINGS])
