"""One BLAS thread while a fit runs.

A fit makes thousands of products of small matrices. OpenBLAS, which NumPy's wheels contain, splits them among all
cores and waits spinning; on a machine that has anything else to do each product then takes milliseconds instead of
microseconds (a factor of 20 to 40 measured), while an idle one gains a few tens of per cent. So its threads are
switched off for the duration, as threadpoolctl would do. With another BLAS nothing happens.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

__all__ = ["single_thread"]

_lock = threading.Lock()
_state = {"depth": 0, "before": 0}
_SUFFIXES = ("64_", "_64", "")
_PREFIXES = ("scipy_openblas", "openblas")


@cache
def _controls() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """Functions that ask for and set the number of threads of NumPy's OpenBLAS, if that is what NumPy uses."""
    import ctypes

    package = Path(np.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".libs", package / ".dylibs"):
        for path in sorted(folder.glob("*openblas*")) if folder.is_dir() else ():
            try:
                library = ctypes.CDLL(str(path))
            except OSError:
                continue
            for prefix in _PREFIXES:
                for suffix in _SUFFIXES:
                    ask = getattr(library, f"{prefix}_get_num_threads{suffix}", None)
                    tell = getattr(library, f"{prefix}_set_num_threads{suffix}", None)
                    if ask is not None and tell is not None:
                        ask.restype = ctypes.c_int
                        tell.argtypes, tell.restype = [ctypes.c_int], None
                        return ask, tell
    return None


@contextmanager
def single_thread() -> Iterator[None]:
    """Context in which the BLAS uses one thread; the outermost one restores what was before."""
    controls = _controls()
    if controls is None:
        yield
        return
    ask, tell = controls
    with _lock:
        if _state["depth"] == 0:
            _state["before"] = ask()
            if _state["before"] > 1:
                tell(1)
        _state["depth"] += 1
    try:
        yield
    finally:
        with _lock:
            _state["depth"] -= 1
            if _state["depth"] == 0 and _state["before"] > 1:
                tell(_state["before"])
