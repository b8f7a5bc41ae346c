"""Components of XSPEC's own model library (extra ``xspec``), evaluated in worker processes.

They are found by their names like native components; a native component wins where there are both, and the prefix
``xspec_`` asks for the library's: ``Model("xspec_powerlaw")``. Nothing is loaded or started before it is needed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wolter.models.xspec_library.bridge import PREFIX, library_component, library_names, usable
    from wolter.models.xspec_library.installation import find_installation, user_data_folder
    from wolter.models.xspec_library.library import evaluate, library_pool
    from wolter.models.xspec_library.pool import Pool
    from wolter.models.xspec_library.probe import probe_all

_EXPORTS = {
    "PREFIX": "bridge",
    "Pool": "pool",
    "evaluate": "library",
    "find_installation": "installation",
    "library_component": "bridge",
    "library_names": "bridge",
    "library_pool": "library",
    "probe_all": "probe",
    "usable": "bridge",
    "user_data_folder": "installation",
}

__all__ = [
    "PREFIX",
    "Pool",
    "evaluate",
    "find_installation",
    "library_component",
    "library_names",
    "library_pool",
    "probe_all",
    "usable",
    "user_data_folder",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_EXPORTS[name]}"), name)
    globals()[name] = value
    return value
