"""Multiplicative components: photoelectric absorption by neutral gas and by the interstellar medium.

All are factors exp(-tau) per bin (or mixtures of them); what is averaged over the bin is the cross-section, except in
wabs. Columns are in 1e22 cm^-2 and abundances relative to the table of the settings, as XSPEC's manual describes them.
Cross-sections per grid are remembered, so that another column on the same grid costs one exponential.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from wolter.models.absorption import interstellar, morrison, slabs
from wolter.models.absorption.abundances import abundances_of
from wolter.models.absorption.interstellar import DEPLETION, GAS_ONLY, Grains
from wolter.models.definitions import Context, ParameterDef, par
from wolter.models.registry import component

Array = npt.NDArray[np.float64]

_COLUMN_UNIT = 1e22
_MEGABARN_COLUMN = 1e-18 * _COLUMN_UNIT
_NELEMENTS = len(slabs.ABSORBERS)
_SLAB = frozenset({"abund", "xsect"})
_MEDIUM = frozenset({"abund"})

_NH = par("nH", "10^22", 1.0, 0.0, 0.0, 1e5, 1e6, 1e-3)
_REDSHIFT = par("Redshift", "", 0.0, -0.999, -0.999, 10.0, 10.0, -0.01)
_TB_REDSHIFT = par("redshift", "", 0.0, -1.0, 0.0, 10.0, 10.0, -0.01)
_COVERING = par("CvrFract", "", 0.5, 0.0, 0.05, 0.95, 1.0, 0.01)
_WINDOW_NH = par("nH", "10^22", 1.0, 0.0, 0.0, 10.0, 20.0, 0.05)
_WINDOW = par("WindowE", "keV", 1.0, 0.03, 0.05, 20.0, 20.0, 0.05)


def _per_value(keys: Array, function: Callable[[float, npt.NDArray[np.intp]], Array], n: int) -> Array:
    """Rows of equal key together: ``function(key, rows) -> [len(rows), n]`` once for every value in keys ``[B]``."""
    if len(keys) == 1 or np.all(keys == keys[0]):
        return function(float(keys[0]), np.arange(len(keys)))
    out = np.empty((len(keys), n))
    for value in dict.fromkeys(keys.tolist()):
        rows = np.flatnonzero(keys == value)
        out[rows] = function(value, rows)
    return out


# --- neutral slabs ----------------------------------------------------------------------------------------------------


def _solar(edges: Array, redshift: float, ctx: Context) -> Array:
    """Optical depth ``[n]`` of 1e22 cm^-2 of gas with the abundances of the settings."""
    settings = ctx.settings

    def compute() -> Array:
        weights = abundances_of(settings.abund, slabs.ABSORBERS) * _MEGABARN_COLUMN
        return weights @ slabs.atoms(edges, redshift, settings.xsect)

    return slabs.remembered("solar", edges, (redshift, settings.xsect, settings.abund), compute)


def _slab(edges: Array, nh: Array, redshift: Array, ctx: Context) -> Array:
    return _per_value(redshift, lambda z, rows: np.exp(-nh[rows, None] * _solar(edges, z, ctx)), len(edges) - 1)


def _columns(edges: Array, columns: Array, redshift: Array, ctx: Context) -> Array:
    """Transmission for columns ``[B, 18]`` of every element, 1e22 cm^-2 times its abundance."""
    weights = columns * (abundances_of(ctx.settings.abund, slabs.ABSORBERS) * _MEGABARN_COLUMN)
    return _per_value(
        redshift,
        lambda z, rows: np.exp(-(weights[rows] @ slabs.atoms(edges, z, ctx.settings.xsect))),
        len(edges) - 1,
    )


def _none(pars: Array) -> Array:
    return np.zeros(len(pars))


def _relative(pars: Array) -> Array:
    """Columns ``[B, 18]`` from the hydrogen column and abundances relative to it."""
    columns = pars[:, :1] * pars[:, :_NELEMENTS]
    columns[:, 0] = pars[:, 0]
    return columns


_ABUNDANCES = tuple(par(e, "", 1.0, 0.0, 0.0, 1e3, 1e3, -0.01) for e in slabs.ABSORBERS[1:])
_SOLAR_COLUMNS = tuple(par(e, f"s{e}22", 1.0, 0.0, 0.0, 1e3, 1e4, -0.01) for e in slabs.ABSORBERS)


@component("phabs", "mul", (_NH,), depends=_SLAB)
def phabs(edges: Array, pars: Array, ctx: Context) -> Array:
    """Photoelectric absorption by neutral gas"""
    return _slab(edges, pars[:, 0], _none(pars), ctx)


@component("zphabs", "mul", (_NH, _REDSHIFT), depends=_SLAB)
def zphabs(edges: Array, pars: Array, ctx: Context) -> Array:
    """Photoelectric absorption by neutral gas, redshifted"""
    return _slab(edges, pars[:, 0], pars[:, 1], ctx)


@component("vphabs", "mul", (_NH, *_ABUNDANCES), depends=_SLAB)
def vphabs(edges: Array, pars: Array, ctx: Context) -> Array:
    """Photoelectric absorption with variable abundances"""
    return _columns(edges, _relative(pars), _none(pars), ctx)


@component("zvphabs", "mul", (_NH, *_ABUNDANCES, _REDSHIFT), depends=_SLAB)
def zvphabs(edges: Array, pars: Array, ctx: Context) -> Array:
    """Photoelectric absorption with variable abundances, redshifted"""
    return _columns(edges, _relative(pars), pars[:, _NELEMENTS], ctx)


@component("varabs", "mul", _SOLAR_COLUMNS, depends=_SLAB)
def varabs(edges: Array, pars: Array, ctx: Context) -> Array:
    """Photoelectric absorption with a column for every element, in units of that of 1e22 H cm^-2 of solar gas"""
    return _columns(edges, pars, _none(pars), ctx)


@component("zvarabs", "mul", (*_SOLAR_COLUMNS, _REDSHIFT), depends=_SLAB)
def zvarabs(edges: Array, pars: Array, ctx: Context) -> Array:
    """Photoelectric absorption with a column for every element, redshifted"""
    return _columns(edges, pars[:, :_NELEMENTS], pars[:, _NELEMENTS], ctx)


@component("pcfabs", "mul", (_NH, _COVERING), depends=_SLAB)
def pcfabs(edges: Array, pars: Array, ctx: Context) -> Array:
    """Photoelectric absorption of a part of the source"""
    return 1.0 - pars[:, 1:2] + pars[:, 1:2] * _slab(edges, pars[:, 0], _none(pars), ctx)


@component("zpcfabs", "mul", (_NH, _COVERING, _REDSHIFT), depends=_SLAB)
def zpcfabs(edges: Array, pars: Array, ctx: Context) -> Array:
    """Photoelectric absorption of a part of the source, redshifted"""
    return 1.0 - pars[:, 1:2] + pars[:, 1:2] * _slab(edges, pars[:, 0], pars[:, 2], ctx)


def _windowed(edges: Array, factor: Array, window: Array) -> Array:
    """No absorption below an energy; in the bin that contains it the mean, weighted by width."""
    lo, hi = edges[:-1], edges[1:]
    open_part = np.clip((window[:, None] - lo) / (hi - lo), 0.0, 1.0)
    return open_part + (1.0 - open_part) * factor


@component("wndabs", "mul", (_WINDOW_NH, _WINDOW), depends=_SLAB)
def wndabs(edges: Array, pars: Array, ctx: Context) -> Array:
    """Photoelectric absorption with a low-energy window"""
    return _windowed(edges, _slab(edges, pars[:, 0], _none(pars), ctx), pars[:, 1])


@component("zwndabs", "mul", (_WINDOW_NH, _WINDOW, _REDSHIFT), depends=_SLAB)
def zwndabs(edges: Array, pars: Array, ctx: Context) -> Array:
    """Photoelectric absorption with a low-energy window, redshifted (the window is in the absorber's frame)"""
    return _windowed(edges, _slab(edges, pars[:, 0], pars[:, 2], ctx), pars[:, 1] / (1.0 + pars[:, 2]))


# --- Morrison & McCammon ----------------------------------------------------------------------------------------------


@component("wabs", "mul", (_NH,))
def wabs(edges: Array, pars: Array, ctx: Context) -> Array:
    """Photoelectric absorption with the cross-sections and abundances of Morrison & McCammon 1983"""
    return morrison.transmission(edges, 0.0, pars[:, 0])


@component("zwabs", "mul", (_NH, _REDSHIFT))
def zwabs(edges: Array, pars: Array, ctx: Context) -> Array:
    """Photoelectric absorption after Morrison & McCammon 1983, redshifted"""
    return _per_value(pars[:, 1], lambda z, rows: morrison.transmission(edges, z, pars[rows, 0]), len(edges) - 1)


_PWAB_NH = tuple(par(n, "10^22", v, 1e-7, 1e-7, 1e5, 1e6, 1e-3) for n, v in (("nHmin", 1.0), ("nHmax", 2.0)))


@component("pwab", "mul", (*_PWAB_NH, par("beta", "", 1.0, -10.0, -10.0, 10.0, 20.0, -0.01)))
def pwab(edges: Array, pars: Array, ctx: Context) -> Array:
    """Absorption by columns distributed as a power law between two limits (Done & Magdziarz 1998)"""
    return np.stack([morrison.power_law_columns(edges, *(float(v) for v in row)) for row in pars])


# --- interstellar medium ----------------------------------------------------------------------------------------------

_GRAIN_PARAMETERS = (
    par("rho", "g/cm^3", 1.0, 0.0, 0.0, 5.0, 5.0, -0.01),
    par("amin", "mum", 0.025, 0.0, 0.0, 0.25, 0.25, -0.01),
    par("amax", "mum", 0.25, 0.0, 0.0, 1.0, 1.0, -0.01),
    par("PL", "", 3.5, 0.0, 0.0, 5.0, 5.0, -0.01),
)
_MOLECULAR = 0.2
_H2 = par("h2", "", _MOLECULAR, 0.0, 0.0, 1.0, 1.0, -0.01)
_GRAINS = Grains()


def _medium(
    edges: Array, redshift: float, ctx: Context, molecular: float = _MOLECULAR, grains: Grains = _GRAINS
) -> Array:
    """Optical depth ``[n]`` of 1e22 cm^-2 with the abundances of the settings and the usual depletion."""
    abund = ctx.settings.abund

    def compute() -> Array:
        sigma = interstellar.effective_cross_section(
            interstellar.species(edges, redshift),
            abundances_of(abund, slabs.ABSORBERS),
            DEPLETION,
            molecular,
            grains,
        )
        return sigma * _COLUMN_UNIT

    return slabs.remembered("medium", edges, (redshift, abund, molecular, grains), compute)


def _medium_slab(
    edges: Array, nh: Array, redshift: Array, ctx: Context, molecular: float = _MOLECULAR, grains: Grains = _GRAINS
) -> Array:
    return _per_value(
        redshift,
        lambda z, rows: np.exp(-nh[rows, None] * _medium(edges, z, ctx, molecular, grains)),
        len(edges) - 1,
    )


def _variable_medium(edges: Array, pars: Array, ctx: Context) -> Array:
    """Transmission for the 42 parameters of TBvarabs ``[B, 42]``.

    A negative abundance is minus the column of that element in cm^-2. Rows that differ in the hydrogen column alone
    share their cross-section.
    """
    out = np.empty((len(pars), len(edges) - 1))
    solar = abundances_of(ctx.settings.abund, slabs.ABSORBERS)
    known: dict[bytes, Array] = {}
    for row, values in enumerate(pars):
        nh = max(float(values[0]), 1e-22)
        relative = values[:_NELEMENTS].copy()
        relative[0] = 1.0
        fixed = relative < 0
        key = values[0 if fixed.any() else 1 :].tobytes()
        depth = known.get(key)
        if depth is None:
            abundance = np.where(fixed, -relative / (nh * _COLUMN_UNIT), relative * solar)
            sigma = interstellar.effective_cross_section(
                interstellar.species(edges, float(values[41])),
                abundance,
                values[23:41],
                float(values[18]),
                Grains(*(float(v) for v in values[19:23])),
            )
            depth = known[key] = sigma * _COLUMN_UNIT
        out[row] = np.exp(-nh * depth)
    return out


def _standard(pars: Array) -> Array:
    """The 42 parameters of TBvarabs ``[B, 42]`` with the values that the simpler components assume and nH filled in."""
    full = np.ones((len(pars), 42))
    full[:, 0] = pars[:, 0]
    full[:, 18] = _MOLECULAR
    full[:, 19:23] = (_GRAINS.density, _GRAINS.a_min, _GRAINS.a_max, _GRAINS.index)
    full[:, 23:41] = DEPLETION
    full[:, 41] = 0.0
    return full


@component("TBabs", "mul", (_NH,), depends=_MEDIUM)
def tbabs(edges: Array, pars: Array, ctx: Context) -> Array:
    """Absorption by the interstellar medium: gas, molecules and grains (Wilms, Allen & McCray 2000)"""
    return _medium_slab(edges, pars[:, 0], _none(pars), ctx)


@component("zTBabs", "mul", (_NH, _REDSHIFT), depends=_MEDIUM)
def ztbabs(edges: Array, pars: Array, ctx: Context) -> Array:
    """Absorption by interstellar gas and molecules, redshifted (no grains)"""
    return _medium_slab(edges, pars[:, 0], pars[:, 1], ctx, grains=GAS_ONLY)


@component("TBgas", "mul", (_NH, _TB_REDSHIFT), depends=_MEDIUM)
def tbgas(edges: Array, pars: Array, ctx: Context) -> Array:
    """Absorption by interstellar gas alone, redshifted (no molecules, no grains)"""
    return _medium_slab(edges, pars[:, 0], pars[:, 1], ctx, 0.0, GAS_ONLY)


@component("TBpcf", "mul", (_NH, par("pcf", "", 0.5, 0.0, 0.0, 1.0, 1.0, 0.01), _TB_REDSHIFT), depends=_MEDIUM)
def tbpcf(edges: Array, pars: Array, ctx: Context) -> Array:
    """Absorption of a part of the source by a redshifted interstellar medium"""
    return 1.0 + pars[:, 1:2] * (_medium_slab(edges, pars[:, 0], pars[:, 2], ctx) - 1.0)


@component("TBgrain", "mul", (_NH, _H2, *_GRAIN_PARAMETERS), depends=_MEDIUM)
def tbgrain(edges: Array, pars: Array, ctx: Context) -> Array:
    """Absorption by the interstellar medium with variable molecules and grains"""
    full = _standard(pars)
    full[:, 18:23] = pars[:, 1:6]
    return _variable_medium(edges, full, ctx)


_WIDE = tuple(par(e, "", 1.0, -1e38, 0.0, 5.0, 1e38, -0.01) for e in ("O", "Fe"))


@component("TBfeo", "mul", (_NH, *_WIDE, _TB_REDSHIFT), depends=_MEDIUM)
def tbfeo(edges: Array, pars: Array, ctx: Context) -> Array:
    """Absorption by the interstellar medium with variable oxygen and iron (negative: minus the column in cm^-2)"""
    full = _standard(pars)
    full[:, [4, 15, 41]] = pars[:, 1:4]
    return _variable_medium(edges, full, ctx)


def _all_parameters(
    nh: ParameterDef, element: Callable[[str], ParameterDef], depletion: Array, z: ParameterDef
) -> tuple[ParameterDef, ...]:
    return (
        nh,
        *(element(e) for e in slabs.ABSORBERS[1:]),
        par("H2", "", _MOLECULAR, 0.0, 0.0, 1.0, 1.0, -0.01),
        *_GRAIN_PARAMETERS,
        *(
            par(f"{e}_dep", "", float(d), 0.0, 0.0, 1.0, 1.0, -0.01)
            for e, d in zip(slabs.ABSORBERS, depletion, strict=True)
        ),
        z,
    )


@component(
    "TBvarabs",
    "mul",
    _all_parameters(_NH, lambda e: par(e, "", 1.0, 0.0, 0.0, 1.0, 1.0, -0.01), np.ones(_NELEMENTS), _REDSHIFT),
    depends=_MEDIUM,
)
def tbvarabs(edges: Array, pars: Array, ctx: Context) -> Array:
    """Absorption by the interstellar medium with everything variable"""
    return _variable_medium(edges, pars, ctx)


@component(
    "TBrel",
    "mul",
    _all_parameters(
        par("nH", "10^22", 0.0, -1e6, -1e5, 1e5, 1e6, 1e-3),
        lambda e: par(e, "", 1.0, 0.0, 0.0, 5.0, 1e38, -0.01),
        DEPLETION,
        _TB_REDSHIFT,
    ),
    depends=_MEDIUM,
)
def tbrel(edges: Array, pars: Array, ctx: Context) -> Array:
    """Absorption relative to another one: as TBvarabs, and its reciprocal for a negative column"""
    full = pars.copy()
    full[:, 0] = np.abs(pars[:, 0])
    factor = _variable_medium(edges, full, ctx)
    negative = pars[:, 0] < 0
    with np.errstate(divide="ignore"):
        factor[negative] = 1.0 / factor[negative]
    return factor
