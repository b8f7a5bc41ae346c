"""Cross-sections of neutral atoms averaged over the bins of a grid, and a memory of what was computed per grid."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np
import numpy.typing as npt

from wolter.models.absorption import balucinska, verner
from wolter.models.absorption.verner import SUBSHELL_ELEMENTS

__all__ = ["ABSORBERS", "GridMemory", "atoms", "remembered"]

Array = npt.NDArray[np.float64]

ABSORBERS = SUBSHELL_ELEMENTS
"""The eighteen elements whose columns XSPEC's absorption models know, in the order of their parameters."""

_LYMAN_LIMIT = np.float32(0.0135984)  # keV
_UPPER_LIMIT = np.float32(100.0)  # keV


class GridMemory:
    """Arrays remembered by key, the least recently used forgotten beyond a number of bytes. Safe in threads."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._bytes = 0
        self._arrays: OrderedDict[Hashable, Array] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, compute: Callable[[], Array]) -> Array:
        """The array under a key, computed if it is not there; read-only."""
        with self._lock:
            found = self._arrays.get(key)
            if found is not None:
                self._arrays.move_to_end(key)
                return found
        made = compute()
        made.setflags(write=False)
        with self._lock:
            if key not in self._arrays:
                self._arrays[key] = made
                self._bytes += made.nbytes
                while self._bytes > self.max_bytes and len(self._arrays) > 1:
                    _, dropped = self._arrays.popitem(last=False)
                    self._bytes -= dropped.nbytes
        return made

    def __len__(self) -> int:
        return len(self._arrays)


_MEMORY = GridMemory(64 * 2**20)


def remembered(kind: str, edges: Array, what: Hashable, compute: Callable[[], Array]) -> Array:
    """Array that depends on a grid and on something hashable: from memory, or computed and kept.

    Parameters
    ----------
    kind : str
        Name of the quantity.
    edges : array
        The grid; its contents, not its identity, is what is remembered.
    what : hashable
        What else the quantity depends on.
    compute : callable
        Makes the array.
    """
    return _MEMORY.get((kind, what, edges.tobytes()), compute)


def _at_edges(edges: Array) -> Array:
    """Verner set: mean of the values at the two edges of a bin."""
    out = np.empty((len(ABSORBERS), len(edges) - 1))
    for row, element in zip(out, ABSORBERS, strict=True):
        sigma = verner.cross_section(element, edges)
        np.add(sigma[1:], sigma[:-1], out=row)
    return out * 0.5


def atoms(edges: Array, redshift: float, xsect: str) -> Array:
    """Cross-sections of the eighteen `ABSORBERS` per bin by XSPEC's rules for phabs and its relatives.

    Parameters
    ----------
    edges : array
        Bin edges in keV, ascending, ``[n + 1]``.
    redshift : float
        The absorber sees photons of energy (1 + redshift) E.
    xsect : {"vern", "bcmc", "obcm"}
        Set of cross-sections. For ``vern`` the value is the mean of those at the two edges of the bin, for the others
        that at the middle (see `balucinska.bin_cross_section`).

    Returns
    -------
    array
        Mb, ``[18, n]``, read-only; zero in bins that begin below the Lyman limit or above 100 keV.
    """

    def compute() -> Array:
        rest = edges.astype(np.float32) * np.float32(1.0 + redshift)
        used = (rest[:-1] >= _LYMAN_LIMIT) & (rest[:-1] <= _UPPER_LIMIT)
        out = np.zeros((len(ABSORBERS), len(edges) - 1))
        if not used.any():
            return out
        first, last = int(np.argmax(used)), len(used) - int(np.argmax(used[::-1]))
        ev = (rest[first : last + 1] * np.float32(1000)).astype(np.float64)
        if xsect == "vern":
            out[:, first:last] = _at_edges(ev)
        else:
            for row, element in zip(out, ABSORBERS, strict=True):
                row[first:last] = balucinska.bin_cross_section(element, ev, old_helium=xsect == "obcm")
        return out

    return remembered("atoms", edges, (redshift, xsect), compute)
