"""Additive components: emission of a plasma in collisional ionisation equilibrium (apec and its relatives).

Norm is 1e-14/(4 pi (D_A (1 + z))²) times the integral of n_e n_H over the volume, cgs. The spectra are those of AtomDB
(Smith et al. 2001, ApJ 556, L91; Foster et al. 2012, ApJ 756, 128), between two tabulated temperatures interpolated
linearly. AtomDB is built on the abundances of Anders & Grevesse 1989; the abundance table of the settings enters as a
ratio to those. Elements that a component has no parameter for have the abundance ``settings.apec.trace``.

Names: a leading b means broadened lines (thermally, and by a velocity), t separate temperatures of continuum and
lines, v a parameter for each of thirteen elements, vv for each of thirty.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from wolter.models.absorption.abundances import ELEMENTS, AbundanceTable, abundances_of
from wolter.models.definitions import Context, ParameterDef, par
from wolter.models.plasma.emissivity import AtomDB, open_atomdb
from wolter.models.plasma.spectra import Broadening, Groups, distinct, node_spectra
from wolter.models.registry import component
from wolter.models.settings import ApecOptions

Array = npt.NDArray[np.float64]

_DEPENDS = frozenset({"abund", "atomdb", "apec"})
_NORM = 1e14  # with the 1e-14 of the definition of norm

# The elements that have a parameter in the v models; the metals among them are those that Abundanc scales.
VARIABLE = ("He", "C", "N", "O", "Ne", "Mg", "Al", "Si", "S", "Ar", "Ca", "Fe", "Ni")
METALS = VARIABLE[1:]

_KT = par("kT", "keV", 1.0, 0.008, 0.008, 64.0, 64.0, 0.01)
_KTI = par("kTi", "keV", 1.0, 0.008, 0.008, 64.0, 64.0, 0.01)
_KT_V = par("kT", "keV", 6.5, 0.0808, 0.0808, 68.447, 68.447, 0.01)
_KTI_V = par("kTi", "keV", 6.5, 0.0808, 0.0808, 68.447, 68.447, 0.01)
_ABUNDANCE = par("Abundanc", "", 1.0, 0.0, 0.0, 5.0, 5.0, -0.001)
_REDSHIFT = par("Redshift", "", 0.0, -0.999, -0.999, 10.0, 10.0, -0.01)
_VELOCITY = par("Velocity", "km/s", 0.0, 0.0, 0.0, 1e4, 1e4, -10.0)


def _element(name: str) -> ParameterDef:
    return par(name, "", 1.0, 0.0, 0.0, 1000.0, 1000.0, -0.01)


_THIRTEEN = tuple(_element(e) for e in VARIABLE)
_THIRTY = tuple(_element(e) for e in ELEMENTS)


# --- groups of elements -----------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _groups(table: str | AbundanceTable, sets: tuple[tuple[str, ...], ...]) -> Groups:
    member = np.full(len(ELEMENTS), -1, dtype=np.intp)
    for number, names in enumerate(sets):
        for name in names:
            member[ELEMENTS.index(name)] = number
    weight = abundances_of(table, ELEMENTS) / abundances_of("angr", ELEMENTS)
    return Groups(member, weight, len(sets))


_LIGHT = ("H", "He")
_TRACE = tuple(e for e in ELEMENTS if e not in ("H", *VARIABLE))
_SCALED = (_LIGHT, METALS, _TRACE)  # apec: hydrogen and helium, metals, the rest
_SCALED_HELIUM = (("H",), VARIABLE, _TRACE)  # btapec: in XSPEC Abundanc scales helium, too
_ALL_SCALED = (_LIGHT, tuple(e for e in ELEMENTS if e not in _LIGHT))  # nlapec: the rest are metals, too
_SEPARATE = (("H",), *((e,) for e in VARIABLE), _TRACE)
_EVERY = tuple((e,) for e in ELEMENTS)


def _trace(ctx: Context, abundances: dict[str, Array], count: int) -> Array:
    """Abundance [B] of the elements without a parameter: a number, or that of an element that has one."""
    trace = ctx.settings.apec.trace
    if isinstance(trace, str):
        found = abundances.get(trace)
        return np.ones(count) if found is None else found
    return np.full(count, trace)


def _scaled(pars: Array, metals: Array, ctx: Context) -> Array:
    """Abundances [B, 3] of the groups of `_SCALED`."""
    one = np.ones(len(pars))
    known = {"H": one, "He": one} | dict.fromkeys(METALS, metals)
    return np.stack([one, metals, _trace(ctx, known, len(pars))], axis=1)


def _separate(abundances: Array, ctx: Context) -> Array:
    """Abundances [B, 15] of the groups of `_SEPARATE` from those of the thirteen elements."""
    one = np.ones(len(abundances))
    known = {"H": one} | {e: abundances[:, i] for i, e in enumerate(VARIABLE)}
    return np.concatenate([one[:, None], abundances, _trace(ctx, known, len(abundances))[:, None]], axis=1)


# --- emission ---------------------------------------------------------------------------------------------------------


def _emission(
    edges: Array,
    ctx: Context,
    sets: tuple[tuple[str, ...], ...],
    abundances: Array,
    kt: Array,
    redshift: Array,
    *,
    kt_lines: Array | None = None,
    velocity: Array | None = None,
    thermal: bool = False,
    lines: bool = True,
) -> Array:
    """Photons/cm²/s per bin [B, n] for norm 1.

    Parameters
    ----------
    edges : array [n + 1]
        Observed energies, keV.
    ctx : Context
        Abundance table, AtomDB and options.
    sets : tuple of tuples of str
        Groups of elements; what is in none does not emit.
    abundances : array [B, groups]
        Abundance of each group relative to the table of the settings.
    kt, redshift : array [B]
        Temperature in keV, redshift.
    kt_lines : array [B], optional
        Temperature of the lines, if it is another one.
    velocity : array [B], optional
        Standard deviation of the velocities along the line of sight, km/s, if the component has it as a parameter.
    thermal : bool
        Whether lines have their thermal width if the settings do not say.
    lines : bool
        False: continua alone.
    """
    options = ctx.settings.apec
    data = open_atomdb(ctx.settings.atomdb)
    groups = _groups(ctx.settings.abund, sets)
    lines = lines and not options.no_lines
    width = np.full(len(kt), options.velocity)
    if velocity is not None:
        width = np.where(velocity > 0.0, velocity, width)
    thermal = thermal if options.thermal is None else options.thermal
    job = _Job(data, groups, np.ascontiguousarray(edges), thermal, options)
    out = np.zeros((len(kt), len(edges) - 1))
    for z, v in dict.fromkeys(zip(redshift.tolist(), width.tolist(), strict=True)):
        rows = np.flatnonzero((redshift == z) & (width == v))
        factors = abundances[rows] * (_NORM / (1.0 + z) if z > -1.0 else _NORM)
        if not lines:
            out[rows] = job.spectra(kt[rows], factors, z, v, "c")
        elif kt_lines is None or np.array_equal(kt_lines[rows], kt[rows]):
            out[rows] = job.spectra(kt[rows], factors, z, v, "cpl")
        else:
            out[rows] = job.spectra(kt[rows], factors, z, v, "cp") + job.spectra(kt_lines[rows], factors, z, v, "l")
    return out


class _Job:
    """What the rows of one call have in common."""

    def __init__(self, data: AtomDB, groups: Groups, edges: Array, thermal: bool, options: ApecOptions) -> None:
        self.data, self.groups, self.edges, self.thermal = data, groups, edges, thermal
        self.label = edges.tobytes()
        self.pseudo, self.midpoint = options.broaden_pseudo, options.midpoint
        self.logarithmic = options.log_interpolation

    def spectra(self, kt: Array, factors: Array, redshift: float, velocity: float, parts: str) -> Array:
        """Sum of some parts [R, n] for temperatures [R] and factors of the groups [R, groups]."""
        lower, upper_weight = self.data.bracket(kt, logarithmic=self.logarithmic)
        wide = Broadening(self.thermal, velocity, self.pseudo, self.midpoint)
        if parts == "c" or (parts == "cp" and not self.pseudo):
            wide = Broadening(midpoint=self.midpoint)  # no widths in a continuum: one entry in memory for all
        out = np.zeros((len(kt), len(self.edges) - 1))
        for node in distinct(np.append(lower, lower + 1)).tolist():
            share = np.where(lower == node, 1.0 - upper_weight, np.where(lower + 1 == node, upper_weight, 0.0))
            rows = np.flatnonzero(share)
            if len(rows):
                table = node_spectra(self.data, node, self.groups, self.edges, self.label, redshift, parts, wide)
                part = (factors[rows] * share[rows, None]) @ table
                if len(rows) == len(out):
                    out += part
                else:
                    out[rows] += part
        return out


# --- components -------------------------------------------------------------------------------------------------------


@component("apec", "add", (_KT, _ABUNDANCE, _REDSHIFT), depends=_DEPENDS)
def apec(edges: Array, pars: Array, ctx: Context) -> Array:
    """Plasma in collisional ionisation equilibrium, from AtomDB; lines in single bins"""
    return _emission(edges, ctx, _SCALED, _scaled(pars, pars[:, 1], ctx), pars[:, 0], pars[:, 2])


@component("bapec", "add", (_KT, _ABUNDANCE, _REDSHIFT, _VELOCITY), depends=_DEPENDS)
def bapec(edges: Array, pars: Array, ctx: Context) -> Array:
    """apec with lines broadened thermally and by a velocity"""
    return _emission(
        edges, ctx, _SCALED, _scaled(pars, pars[:, 1], ctx), pars[:, 0], pars[:, 2], velocity=pars[:, 3], thermal=True
    )


@component("tapec", "add", (_KT, _KTI, _ABUNDANCE, _REDSHIFT), depends=_DEPENDS)
def tapec(edges: Array, pars: Array, ctx: Context) -> Array:
    """apec with separate temperatures of continuum (kT) and lines (kTi)"""
    return _emission(edges, ctx, _SCALED, _scaled(pars, pars[:, 2], ctx), pars[:, 0], pars[:, 3], kt_lines=pars[:, 1])


@component("btapec", "add", (_KT, _KTI, _ABUNDANCE, _REDSHIFT, _VELOCITY), depends=_DEPENDS)
def btapec(edges: Array, pars: Array, ctx: Context) -> Array:
    """tapec with lines broadened thermally and by a velocity; Abundanc scales helium, too, as in XSPEC"""
    return _emission(
        edges,
        ctx,
        _SCALED_HELIUM,
        _scaled(pars, pars[:, 2], ctx),
        pars[:, 0],
        pars[:, 3],
        kt_lines=pars[:, 1],
        velocity=pars[:, 4],
        thermal=True,
    )


@component("nlapec", "add", (_KT, _ABUNDANCE, _REDSHIFT), depends=_DEPENDS)
def nlapec(edges: Array, pars: Array, ctx: Context) -> Array:
    """Continuum of apec alone; all elements from lithium up are metals here"""
    abundances = np.stack([np.ones(len(pars)), pars[:, 1]], axis=1)
    return _emission(edges, ctx, _ALL_SCALED, abundances, pars[:, 0], pars[:, 2], lines=False)


@component("vapec", "add", (_KT_V, *_THIRTEEN, _REDSHIFT), depends=_DEPENDS)
def vapec(edges: Array, pars: Array, ctx: Context) -> Array:
    """apec with an abundance for each of thirteen elements"""
    return _emission(edges, ctx, _SEPARATE, _separate(pars[:, 1:14], ctx), pars[:, 0], pars[:, 14])


@component("bvapec", "add", (_KT_V, *_THIRTEEN, _REDSHIFT, _VELOCITY), depends=_DEPENDS)
def bvapec(edges: Array, pars: Array, ctx: Context) -> Array:
    """vapec with lines broadened thermally and by a velocity"""
    abundances = _separate(pars[:, 1:14], ctx)
    return _emission(edges, ctx, _SEPARATE, abundances, pars[:, 0], pars[:, 14], velocity=pars[:, 15], thermal=True)


@component("vtapec", "add", (_KT_V, _KTI_V, *_THIRTEEN, _REDSHIFT), depends=_DEPENDS)
def vtapec(edges: Array, pars: Array, ctx: Context) -> Array:
    """vapec with separate temperatures of continuum (kT) and lines (kTi)"""
    abundances = _separate(pars[:, 2:15], ctx)
    return _emission(edges, ctx, _SEPARATE, abundances, pars[:, 0], pars[:, 15], kt_lines=pars[:, 1])


@component("bvtapec", "add", (_KT_V, _KTI_V, *_THIRTEEN, _REDSHIFT, _VELOCITY), depends=_DEPENDS)
def bvtapec(edges: Array, pars: Array, ctx: Context) -> Array:
    """vtapec with lines broadened thermally and by a velocity"""
    return _emission(
        edges,
        ctx,
        _SEPARATE,
        _separate(pars[:, 2:15], ctx),
        pars[:, 0],
        pars[:, 15],
        kt_lines=pars[:, 1],
        velocity=pars[:, 16],
        thermal=True,
    )


@component("vvapec", "add", (_KT_V, *_THIRTY, _REDSHIFT), depends=_DEPENDS)
def vvapec(edges: Array, pars: Array, ctx: Context) -> Array:
    """apec with an abundance for each element from hydrogen to zinc"""
    return _emission(edges, ctx, _EVERY, pars[:, 1:31], pars[:, 0], pars[:, 31])


@component("bvvapec", "add", (_KT_V, *_THIRTY, _REDSHIFT, _VELOCITY), depends=_DEPENDS)
def bvvapec(edges: Array, pars: Array, ctx: Context) -> Array:
    """vvapec with lines broadened thermally and by a velocity"""
    return _emission(edges, ctx, _EVERY, pars[:, 1:31], pars[:, 0], pars[:, 31], velocity=pars[:, 32], thermal=True)


@component("vvtapec", "add", (_KT_V, _KTI_V, *_THIRTY, _REDSHIFT), depends=_DEPENDS)
def vvtapec(edges: Array, pars: Array, ctx: Context) -> Array:
    """vvapec with separate temperatures of continuum (kT) and lines (kTi)"""
    return _emission(edges, ctx, _EVERY, pars[:, 2:32], pars[:, 0], pars[:, 32], kt_lines=pars[:, 1])


@component("bvvtapec", "add", (_KT_V, _KTI_V, *_THIRTY, _REDSHIFT, _VELOCITY), depends=_DEPENDS)
def bvvtapec(edges: Array, pars: Array, ctx: Context) -> Array:
    """vvtapec with lines broadened thermally and by a velocity"""
    return _emission(
        edges,
        ctx,
        _EVERY,
        pars[:, 2:32],
        pars[:, 0],
        pars[:, 32],
        kt_lines=pars[:, 1],
        velocity=pars[:, 33],
        thermal=True,
    )
