"""Multi-temperature discs.

A disc with T = Tin (r/rin)^-p emits, per keV, E² times the integral over t = T/Tin from 0 to 1 of
t^(-2/p - 1)/(exp(x/t) - 1), x = E/Tin (Mitsuda et al. 1984, PASJ 36, 741; Mineshige et al. 1994, ApJ 426, 308). With
y = x/t it is x^(-2/p) times the integral of y^(2/p - 1)/(exp(y) - 1) from x to infinity, a function of one variable for
given p.
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

_STEP = 0.03
_FIRST, _LAST = -20.0, 6.55  # ln x of the table of the integral
_BLOCK = 16  # rows at a time, to stay in the cache
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


def _disk(edges: Array, tin: Array, s: Array, table: Array) -> Array:
    """Bin integral of E² x^-s times the tail integral, x = E/tin; zero for tin = 0."""
    if len(tin) > _BLOCK:
        parts = [slice(i, i + _BLOCK) for i in range(0, len(tin), _BLOCK)]
        shared = len(table) == 1
        return np.concatenate([_disk(edges, tin[p], s[p], table if shared else table[p]) for p in parts])
    log_t = np.log(np.maximum(tin, 1e-30))[:, None]
    s = s[:, None]
    hottest = 1.0 / max(float(tin.min()), 1e-30)

    def integrand(log_e: Array) -> Array:
        log_x = log_e - log_t
        x = np.exp(np.minimum(log_x, _LAST))
        return np.exp(3.0 * log_e - s * log_x + _interpolate(table, log_x) - x)

    def slope(log_e: Array) -> Array:
        return 3.0 + np.minimum(np.exp(np.minimum(log_e, 50.0)) * hottest, 700.0)

    return np.where(tin[:, None] > 0.0, bin_integral(edges, integrand, slope), 0.0)


@component("diskbb", "add", [par("Tin", "keV", 1.0, 0.0, 0.0, 1000.0, 1000.0, 0.01)])
def diskbb(edges: Array, pars: Array, ctx: Context) -> Array:
    """Disc of black bodies with T ~ r^-3/4, norm (Rin_km/D10)² cos(inclination) (Mitsuda et al. 1984)."""
    tin = pars[:, 0]
    return _DISKBB * _disk(edges, tin, np.full(len(tin), 8.0 / 3.0), _diskbb_table())


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
