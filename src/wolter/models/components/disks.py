"""Multi-temperature discs.

A disc with T = Tin (r/rin)^-p emits, per keV, E² times the integral over t = T/Tin from 0 to 1 of
t^(-2/p - 1)/(exp(x/t) - 1), x = E/Tin (Mitsuda et al. 1984, PASJ 36, 741; Mineshige et al. 1994, ApJ 426, 308). With
y = x/t it is x^(-2/p) times the integral of y^(2/p - 1)/(exp(y) - 1) from x to infinity, a function of one variable for
given p.

For p = 3/4 XSPEC has, instead of the integral, an interpolation formula that K. Mitsuda published with the component in
1994: a smooth approximation, times one plus a remainder that is tabulated in steps of 0.06 in log10(x) and interpolated
linearly. Between the nodes it is off by up to 1e-4. `diskbb` follows the formula, since two percent of a sigma in the
statistic of a good spectrum hang on it; the remainders at the nodes are those of the exact integral. `diskpbb` with
p = 0.75 is the integral itself.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from wolter.models.components.quadrature import bin_integral
from wolter.models.definitions import Array, Context, par
from wolter.models.registry import component

# XSPEC's constants; from the radiation constants (2/p) 1.0344e-3 follows, 2.758e-3 for p = 3/4.
_DISKBB = 1.0 / 361.0
_DISKPBB = 2.78e-3

# Mitsuda's approximation: scale at x = 1e-3, factor 1 + A x^B, and three Gaussians in log10(x).
_SCALE, _A, _B = 193.21556, 0.52876731, 1.6637530
_GAUSSIANS = (
    (0.078196667, 0.52078740, 0.37286910),
    (-1.0662020, 0.51345700, 0.039775528),
    (1.1924180, 0.40779830, 0.037766505),
)  # centre, width, height
_NODE_FIRST, _NODE_STEP, _NODES = -3.0, 0.06, 98  # of the remainder, in log10(x)
_FINE = 32  # points per step at which the ratio of formula and integral is kept
_BELOW = 95  # steps below the first node, down to the smallest x

_STEP = 0.03
_FIRST, _LAST = -20.0, 6.55  # ln x of the table of the integral
_BLOCK = 8  # rows at a time, to stay in the cache
_SWITCH = 2.0  # x below which the power series is used
_BERNOULLI = [
    1.0,
    -1 / 2,
    1 / 6,
    0,
    -1 / 30,
    0,
    1 / 42,
    0,
    -1 / 30,
    0,
    5 / 66,
    0,
    -691 / 2730,
    0,
    7 / 6,
    0,
    -3617 / 510,
    0,
    43867 / 798,
    0,
    -174611 / 330,
    0,
    854513 / 138,
    0,
    -236364091 / 2730,
    0,
    8553103 / 6,
]


def _bose_tail(x: Array, s: Array) -> Array:
    """exp(x) times the integral of y^(s - 1)/(exp(y) - 1) from x to infinity; x [m], s [B] -> [B, m]."""
    out = np.empty((len(s), len(x)))
    large = x >= _SWITCH
    out[:, large] = _bose_laguerre(x[large], s)
    if not large.all():
        # Complete integral less the series of the integral from 0 to x; the two methods meet at the switch.
        joint = np.array([_SWITCH])
        complete = _bose_laguerre(joint, s) * np.exp(-_SWITCH) + _bose_series(joint, s)
        out[:, ~large] = np.exp(x[~large]) * (complete - _bose_series(x[~large], s))
    return out


@cache
def _laguerre(order: int = 40) -> tuple[Array, Array]:
    return np.polynomial.laguerre.laggauss(order)


def _bose_laguerre(x: Array, s: Array) -> Array:
    nodes, weights = _laguerre()
    y = x[:, None] + nodes
    factor = weights / -np.expm1(-y)
    return np.einsum("bmk,mk->bm", np.exp((s[:, None, None] - 1.0) * np.log(y)), factor)


def _bose_series(x: Array, s: Array) -> Array:
    total = np.zeros((len(s), len(x)))
    term = np.ones_like(x)  # x^k / k!
    for k, number in enumerate(_BERNOULLI):
        if k:
            term = term * x / k
        total += number * term / (s[:, None] + (k - 1))
    return total * np.exp((s[:, None] - 1.0) * np.log(x))


def _table(s: Array) -> Array:
    """ln of `_bose_tail` [B, K] on the regular grid of ln x."""
    log_x = np.arange(_FIRST - _STEP, _LAST + 3 * _STEP, _STEP)
    return np.log(_bose_tail(np.exp(log_x), s))


@cache
def _diskbb_table() -> Array:
    return _table(np.array([8.0 / 3.0]))


def _interpolate(table: Array, log_x: Array) -> Array:
    """Cubic Lagrange interpolation of a table [1 or B, K] at ln x [B, m]; constant below the table."""
    position = (np.clip(log_x, _FIRST, _LAST) - (_FIRST - _STEP)) / _STEP
    cell = np.clip(position.astype(np.intp), 1, table.shape[1] - 3)
    t = position - cell
    if len(table) == 1:
        before, left, right, after = (table[0].take(cell + k) for k in (-1, 0, 1, 2))
    else:
        before, left, right, after = (np.take_along_axis(table, cell + k, axis=1) for k in (-1, 0, 1, 2))
    return (
        before * (-t * (t - 1.0) * (t - 2.0) / 6.0)
        + left * ((t + 1.0) * (t - 1.0) * (t - 2.0) / 2.0)
        + right * (-(t + 1.0) * t * (t - 2.0) / 2.0)
        + after * ((t + 1.0) * t * (t - 1.0) / 6.0)
    )


def _remainder(log10_x: Array) -> Array:
    """The exact integral for p = 3/4 over Mitsuda's smooth approximation, less one."""
    x: Array = np.exp(np.log(10.0) * log10_x)
    smooth = np.ones_like(x)
    for centre, width, height in _GAUSSIANS:
        smooth += height * np.exp(-0.5 * ((log10_x - centre) / width) ** 2)
    smooth *= _SCALE * (1e3 * x) ** (-2.0 / 3.0) * (1.0 + _A * x**_B)
    return x ** (-2.0 / 3.0) * _bose_tail(x, np.array([8.0 / 3.0]))[0] / smooth - 1.0


@cache
def _formula_ratio() -> Array:
    """Mitsuda's formula over the exact integral, `_FINE` points per step of its table."""
    log10_x: Array = np.arange(-_BELOW * _FINE, (_NODES - 1) * _FINE + 2, dtype=float)
    log10_x = _NODE_FIRST + log10_x * (_NODE_STEP / _FINE)
    nodes = _NODE_FIRST + np.arange(_NODES) * _NODE_STEP
    exact = _remainder(log10_x)
    return (1.0 + np.interp(log10_x, nodes, exact[_BELOW * _FINE :: _FINE][:_NODES])) / (1.0 + exact)


def _formula(log_x: Array) -> Array:
    """Mitsuda's formula over the exact integral at ln x."""
    ratio = _formula_ratio()
    per_unit = _FINE / (_NODE_STEP * np.log(10.0))
    position = log_x * per_unit + (_BELOW * _FINE - _NODE_FIRST * _FINE / _NODE_STEP)
    np.clip(position, 0.0, len(ratio) - 1.001, out=position)
    cell = position.astype(np.intp)
    left = ratio.take(cell)
    return left + (position - cell) * (ratio.take(cell + 1) - left)


def _disk(edges: Array, tin: Array, s: Array, table: Array, *, formula: bool = False) -> Array:
    """Bin integral of E² x^-s times the tail integral, x = E/tin, or the formula for it; zero for tin = 0."""
    if len(tin) > _BLOCK:
        parts = [slice(i, i + _BLOCK) for i in range(0, len(tin), _BLOCK)]
        shared = len(table) == 1
        rows = [_disk(edges, tin[p], s[p], table if shared else table[p], formula=formula) for p in parts]
        return np.concatenate(rows)
    log_t = np.log(np.maximum(tin, 1e-30))[:, None]
    s = s[:, None]
    hottest = 1.0 / max(float(tin.min()), 1e-30)

    def integrand(log_e: Array) -> Array:
        log_x = log_e - log_t
        x = np.exp(np.minimum(log_x, _LAST))
        out = np.exp(3.0 * log_e - s * log_x + _interpolate(table, log_x) - x)
        return out * _formula(log_x) if formula else out

    def slope(log_e: Array) -> Array:
        return 3.0 + np.minimum(np.exp(np.minimum(log_e, 50.0)) * hottest, 700.0)

    return np.where(tin[:, None] > 0.0, bin_integral(edges, integrand, slope), 0.0)


@component("diskbb", "add", [par("Tin", "keV", 1.0, 0.0, 0.0, 1000.0, 1000.0, 0.01)])
def diskbb(edges: Array, pars: Array, ctx: Context) -> Array:
    """Disc of black bodies with T ~ r^-3/4, norm (Rin_km/D10)² cos(inclination) (Mitsuda et al. 1984)."""
    tin = pars[:, 0]
    return _DISKBB * _disk(edges, tin, np.full(len(tin), 8.0 / 3.0), _diskbb_table(), formula=True)


@component(
    "diskpbb",
    "add",
    [par("Tin", "keV", 1.0, 0.1, 0.1, 10.0, 10.0, 0.02), par("p", "", 0.75, 0.5, 0.5, 1.0, 1.0, 0.05)],
)
def diskpbb(edges: Array, pars: Array, ctx: Context) -> Array:
    """Disc of black bodies with T ~ r^-p, norm (Rin_km/D10)² cos(inclination) (Mineshige et al. 1994)."""
    tin, p = pars.T
    different, which = np.unique(p, return_inverse=True)
    table = _table(2.0 / different)
    table = table if len(table) == 1 else table[which.ravel()]
    return (_DISKPBB * 0.75 / p)[:, None] * _disk(edges, tin, 2.0 / p, table)
