"""Spectra of a plasma on an energy grid: AtomDB's tables summed over groups of elements and put into bins.

A spectrum is linear in the abundances and, between two tabulated temperatures, in the temperature. So what is computed
and remembered is one spectrum per tabulated temperature and group of elements whose abundances change together; any
temperature and any abundances are then a sum of a few of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from wolter.models.absorption.slabs import GridMemory
from wolter.models.plasma.emissivity import ELEMENT_COUNT, HC_KEV_ANGSTROM, AtomDB, Node

__all__ = ["Broadening", "Groups", "distinct", "node_spectra"]

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

# Atomic weights (IUPAC 1997), by atomic number from one.
_WEIGHT = np.array(
    [1.00794, 4.002602, 6.941, 9.012182, 10.811, 12.0107, 14.0067, 15.9994, 18.9984032, 20.1797, 22.98977, 24.305,
     26.981538, 28.0855, 30.973761, 32.065, 35.4527, 39.948, 39.0983, 40.078, 44.95591, 47.867, 50.9415, 51.9961,
     54.938049, 55.845, 58.9332, 58.6934, 63.546, 65.39]
)  # fmt: skip
_SPEED_OF_LIGHT = 2.99792458e5  # km/s
# kT of one keV over one atomic mass unit, in (km/s)²: CODATA 2002, as XSPEC has them.
_KEV_PER_UNIT_MASS = 1.60217653e-9 / 1.66053886e-24 * 1e-10
_REACH = 6.0  # sigmas; what is beyond (2e-9) goes into the last bin
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Groups:
    """Elements whose abundances change together.

    Parameters
    ----------
    member : int array [30]
        Group of each element by atomic number from one, -1 for elements left out.
    weight : array [30]
        Abundance of each element relative to Anders & Grevesse 1989, on which AtomDB is built, when the abundance of
        its group is one.
    count : int
        Number of groups.
    """

    member: Indices
    weight: Array
    count: int
    key: Hashable = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", (self.member.tobytes(), self.weight.tobytes(), self.count))


@dataclass(frozen=True, slots=True)
class Broadening:
    """Gaussian broadening of lines: thermal (by the temperature of the node), and a velocity in km/s.

    The standard deviation is E/c (kT/m + v²)^½, m the mass of the atom. `pseudo` broadens the pseudo-continuum, too.
    `midpoint` takes continua at the middle of bins instead of integrating them.
    """

    thermal: bool = False
    velocity: float = 0.0
    pseudo: bool = False
    midpoint: bool = False

    @property
    def any(self) -> bool:
        """Whether lines have a width at all."""
        return self.thermal or self.velocity > 0.0

    def relative_widths(self, kt: float) -> Array:
        """Standard deviation of a line divided by its energy [30], by atomic number from one."""
        thermal = kt * _KEV_PER_UNIT_MASS / _WEIGHT if self.thermal else np.zeros(ELEMENT_COUNT)
        return np.sqrt(thermal + self.velocity**2) / _SPEED_OF_LIGHT


# --- tables summed over groups ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Lines:
    """Lines of the elements in groups, ascending in energy; flux already times the weight of the element."""

    energy: Array
    flux: Array
    group: Indices
    element: Indices  # atomic number less one


@dataclass(frozen=True, slots=True)
class _Curve:
    """A continuum, linear between points, with its integral from each point up."""

    energy: Array
    density: Array
    above: Array

    @classmethod
    def through(cls, energy: Array, density: Array) -> _Curve:
        pieces = 0.5 * (density[1:] + density[:-1]) * np.diff(energy)
        # Summed from the high end, where the spectrum is weakest, so that differences keep their digits.
        return cls(energy, density, np.append(np.cumsum(pieces[::-1])[::-1], 0.0))

    def per_bin(self, edges: Array, *, midpoint: bool = False) -> Array:
        """Integral over each bin [n], or width times value at its middle; outside the table there is nothing."""
        if midpoint:
            middle = 0.5 * (edges[1:] + edges[:-1])
            return np.interp(middle, self.energy, self.density, left=0.0, right=0.0) * np.diff(edges)
        x = np.clip(edges, self.energy[0], self.energy[-1])
        left = np.clip(np.searchsorted(self.energy, x, side="right") - 1, 0, len(self.energy) - 2)
        e0, e1 = self.energy[left], self.energy[left + 1]
        d0, d1 = self.density[left], self.density[left + 1]
        rest = e1 - x
        here = d1 - (d1 - d0) * (rest / (e1 - e0))
        integral = self.above[left + 1] + 0.5 * (d1 + here) * rest
        return integral[:-1] - integral[1:]


def _gather_lines(node: Node, groups: Groups) -> _Lines:
    wavelength, flux, number = node.lines
    element = number.astype(np.intp) - 1
    used = np.flatnonzero((groups.member[element] >= 0) & (groups.weight[element] > 0.0))
    energy = HC_KEV_ANGSTROM / wavelength[used].astype(float)
    order = np.argsort(energy, kind="stable")
    used, energy = used[order], energy[order]
    element = element[used]
    return _Lines(energy, flux[used].astype(float) * groups.weight[element], groups.member[element], element)


def _blocks(table: Array) -> Iterator[tuple[int, Array, Array]]:
    """Element (atomic number less one), energies and densities of each block of a continuum table."""
    number = table[0]
    starts = np.flatnonzero(np.diff(number, prepend=-1.0))
    for first, end in zip(starts, [*starts[1:], len(number)], strict=True):
        yield int(number[first]) - 1, table[1, first:end].astype(float), table[2, first:end].astype(float)


def _gather_curves(tables: list[Array], groups: Groups) -> list[_Curve | None]:
    """Sum of the continua of each group's elements, exactly: on the union of their energies."""
    parts: list[list[tuple[float, Array, Array]]] = [[] for _ in range(groups.count)]
    for table in tables:
        for element, energy, density in _blocks(table):
            group = groups.member[element]
            if group >= 0 and groups.weight[element] > 0.0:
                parts[group].append((float(groups.weight[element]), energy, density))
    curves: list[_Curve | None] = []
    for part in parts:
        if not part:
            curves.append(None)
            continue
        # A continuum that begins or ends within the range of another jumps to zero there.
        ends = np.array([(np.nextafter(e[0], 0.0), np.nextafter(e[-1], np.inf)) for _, e, _ in part]).ravel()
        union = distinct(np.concatenate([ends, *(energy for _, energy, _ in part)]))
        total = np.zeros(len(union))
        for weight, energy, density in part:
            total += weight * np.interp(union, energy, density, left=0.0, right=0.0)
        curves.append(_Curve.through(union, total))
    return curves


def distinct(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Different values, ascending; as numpy.unique, which however imports all of numpy.ma when it is first called."""
    ordered = np.sort(values)
    keep = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=keep[1:])
    return ordered[keep]


class _Gathered:
    """Latest results of the two functions above: they depend on abundance table and grouping, not on the grid."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, compute: Any) -> Any:
        found = self._kept.get(key)
        if found is None:
            found = compute()
            self._kept[key] = found
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return found


_GATHERED = _Gathered(128)
_SPECTRA = GridMemory(256 * 2**20)


# --- on the grid ------------------------------------------------------------------------------------------------------


def node_spectra(
    data: AtomDB, index: int, groups: Groups, edges: Array, label: bytes, redshift: float, parts: str, how: Broadening
) -> Array:
    """Spectra of the groups at one tabulated temperature.

    Parameters
    ----------
    data : AtomDB
        The tables.
    index : int
        Number of the temperature.
    groups : Groups
        What to sum.
    edges : array [n + 1]
        Observed energies, keV, ascending.
    label : bytes
        The bytes of `edges`, by which the grid is remembered.
    redshift : float
        The plasma emits at (1 + redshift) times the observed energy.
    parts : str
        Any of "c" (continuum), "p" (pseudo-continuum), "l" (lines).
    how : Broadening
        Widths of the lines.

    Returns
    -------
    array [groups, n]
        Photons cm³/s per bin in the frame of the plasma; read-only.
    """
    key = (data.key, index, groups.key, label, redshift, parts, how)

    def compute() -> Array:
        rest = edges * (1.0 + redshift)
        node = data.node(index)
        out = np.zeros((groups.count, len(edges) - 1))
        smeared = "p" in parts and how.pseudo and how.any
        tables = [
            t for t, p in ((node.continuum, "c"), (node.pseudo, "p")) if p in parts and not (smeared and p == "p")
        ]
        if tables:
            kept = (data.key, index, groups.key, "".join(p for p in "cp" if p in parts), smeared)
            curves = _GATHERED.get(kept, lambda: _gather_curves(tables, groups))
            for row, curve in zip(out, curves, strict=True):
                if curve is not None:
                    row += curve.per_bin(rest, midpoint=how.midpoint)
        if smeared:
            out += _smeared_pseudo(node, groups, rest, how)
        if "l" in parts:
            lines = _GATHERED.get((data.key, index, groups.key, "l"), lambda: _gather_lines(node, groups))
            if how.any:
                width = how.relative_widths(node.kt)[lines.element] * lines.energy
                out += broad_lines(rest, lines.energy, width, lines.flux, lines.group, groups.count)
            else:
                out += narrow_lines(rest, lines.energy, lines.flux, lines.group, groups.count)
        return out

    return _SPECTRA.get(key, compute)


def narrow_lines(edges: Array, energy: Array, flux: Array, group: Indices, count: int) -> Array:
    """Lines of no width, ascending in energy, summed per bin [count, n]: a line on an edge belongs to the lower bin."""
    n = len(edges) - 1
    ends = np.searchsorted(energy, edges, side="right")
    inside = slice(int(ends[0]), int(ends[-1]))
    where = np.repeat(np.arange(n), np.diff(ends)) + group[inside] * n
    total = np.bincount(where, flux[inside], minlength=count * n).astype(float, copy=False)
    return total.reshape(count, n)


def broad_lines(edges: Array, energy: Array, width: Array, flux: Array, group: Indices, count: int) -> Array:
    """Gaussian lines integrated over bins [count, n].

    A line is followed to six standard deviations on either side; the little beyond goes into the bins there, so that
    its flux is conserved. Lines outside the grid contribute what of them is inside.

    Parameters
    ----------
    edges : array [n + 1]
        Ascending.
    energy, width, flux : array [L]
        Centre and standard deviation in the unit of the edges; flux of the whole line.
    group : int array [L]
        Row of the result, from 0 to count - 1.
    count : int
        Number of rows.
    """
    n = len(edges) - 1
    # Bins are numbered with one more on each side, for what falls off the grid.
    first = np.searchsorted(edges, energy - _REACH * width, side="right")
    last = np.searchsorted(edges, energy + _REACH * width, side="left")
    crossed = last - first  # edges within reach
    out = np.zeros(count * (n + 2))
    whole = crossed <= 0
    single = first[whole] + group[whole] * (n + 2)
    out += np.bincount(single, flux[whole], minlength=len(out))
    several = np.flatnonzero(~whole)
    ends = np.cumsum(crossed[several])
    begin = 0
    while begin < len(several):
        base = ends[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, base + _CHUNK)))
        part = several[begin:end]
        out += _spread(edges, energy[part], width[part], flux[part], first[part], crossed[part], group[part], len(out))
        begin = end
    return out.reshape(count, n + 2)[:, 1:-1]


def _spread(
    edges: Array,
    energy: Array,
    width: Array,
    flux: Array,
    first: Indices,
    crossed: Indices,
    group: Indices,
    size: int,
) -> Array:
    """Contributions of lines that reach over at least one edge, in padded bins."""
    from scipy.special import erfc

    line = np.repeat(np.arange(len(energy)), crossed)
    offset = np.arange(len(line)) - np.repeat(np.cumsum(crossed) - crossed, crossed)
    edge = first[line] + offset
    below = erfc((energy[line] - edges[edge]) / (np.sqrt(2.0) * width[line])) * (0.5 * flux[line])
    # The share below an edge counts for the bin under it, and is missing from the bin above.
    row = group[line] * (len(edges) + 1) + edge
    out = np.bincount(row, below, minlength=size) - np.bincount(row + 1, below, minlength=size)
    top = group * (len(edges) + 1) + first + crossed
    return (out + np.bincount(top, flux, minlength=size)).astype(float, copy=False)


def _smeared_pseudo(node: Node, groups: Groups, edges: Array, how: Broadening) -> Array:
    """Pseudo-continuum with every bin of it taken for a line at its middle."""
    middle = 0.5 * (edges[1:] + edges[:-1])
    widths = how.relative_widths(node.kt)
    out = np.zeros((groups.count, len(middle)))
    for element, energy, density in _blocks(node.pseudo):
        group = groups.member[element]
        if group >= 0 and groups.weight[element] > 0.0:
            flux = _Curve.through(energy, density).per_bin(edges, midpoint=how.midpoint) * groups.weight[element]
            used = np.flatnonzero(flux)
            row = np.zeros(len(used), dtype=np.intp)
            out[group] += broad_lines(edges, middle[used], widths[element] * middle[used], flux[used], row, 1)[0]
    return out
