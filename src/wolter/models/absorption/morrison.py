"""Transmission of the interstellar medium after Morrison & McCammon (1983, ApJ 270, 119): XSPEC's wabs."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from wolter.models.absorption.slabs import remembered
from wolter.models.absorption.tables import read_numbers

__all__ = ["power_law_columns", "transmission"]

Array = npt.NDArray[np.float64]

_LOWER_LIMIT = 0.0136  # keV; nothing absorbs below


@cache
def _table() -> tuple[Array, Array]:
    """Upper limits of the ranges in keV and coefficients ``[ranges, 3]`` of sigma E^3 in 1e-22 cm² keV³."""
    data = read_numbers("morrison.csv")
    return data["e_hi"], 0.01 * np.column_stack([data["c0"], data["c1"], data["c2"]])


def _cross_section(energy: Array, k: npt.NDArray[np.intp]) -> Array:
    """1e-22 cm² at an energy in keV by the polynomial of range k."""
    c = _table()[1][k]
    safe = np.maximum(energy, _LOWER_LIMIT)
    return np.where(energy < _LOWER_LIMIT, 0.0, (c[:, 0] / safe + c[:, 1]) / safe**2 + c[:, 2] / safe)


def _segments(edges: Array, redshift: float) -> Array:
    """Pieces of the bins between the limits of the polynomials.

    Returns
    -------
    array
        ``[4, pieces]``: bin of the piece, its share of the bin's width, cross-section at its lower and upper end.
    """
    rest = edges * (1.0 + redshift)
    limits = _table()[0][:-1]
    inside = limits[(limits > rest[0]) & (limits < rest[-1])]
    points = np.union1d(rest, inside)
    lo, hi = points[:-1], points[1:]
    k = np.searchsorted(limits, lo, side="right")
    owner = np.searchsorted(rest, lo, side="right") - 1
    share = (hi - lo) / (rest[owner + 1] - rest[owner])
    return np.stack([owner.astype(float), share, _cross_section(lo, k), _cross_section(hi, k)])


def transmission(edges: Array, redshift: float, nh: Array) -> Array:
    """Mean transmission of each bin.

    As XSPEC does, the transmission (not the cross-section) is averaged: by the trapezoidal rule over the bin, split
    where one polynomial of the paper gives way to the next.

    Parameters
    ----------
    edges : array
        Bin edges in keV, ascending, ``[n + 1]``.
    redshift : float
        The absorber sees photons of energy (1 + redshift) E.
    nh : array
        Hydrogen columns in 1e22 cm^-2, ``[B]``.

    Returns
    -------
    array
        ``[B, n]``.
    """
    if redshift <= -1.0:
        return np.ones((len(nh), len(edges) - 1))
    pieces = remembered("morrison", edges, redshift, lambda: _segments(edges, redshift))
    owner, share, lower, upper = pieces
    column = -nh[:, None]
    parts = 0.5 * share * (np.exp(column * lower) + np.exp(column * upper))
    if parts.shape[1] == len(edges) - 1:
        return parts
    starts = np.flatnonzero(np.diff(owner, prepend=-1.0))
    return np.add.reduceat(parts, starts, axis=1)


_STEP = 0.1  # dex


def power_law_columns(edges: Array, lowest: float, highest: float, index: float) -> Array:
    """Transmission ``[n]`` of columns distributed as N^index between two limits (1e22 cm^-2): XSPEC's pwab.

    The sum is XSPEC's, so that its values come out: midpoints of steps of 0.1 dex from the lowest column, the last of
    which may end beyond the highest, plus a rectangle at the highest column for that step. What is averaged over the
    bin is the cross-section here. Model: Done & Magdziarz 1998, MNRAS 298, 737.
    """
    if lowest == highest:
        return transmission(edges, 0.0, np.array([lowest]))[0]
    owner, share, lower, upper = remembered("morrison", edges, 0.0, lambda: _segments(edges, 0.0))
    sigma = np.add.reduceat(0.5 * share * (lower + upper), np.flatnonzero(np.diff(owner, prepend=-1.0)))
    if index == -1.0:
        norm = 1.0 / np.log(highest / lowest)
    else:
        norm = (index + 1.0) / (highest ** (index + 1.0) - lowest ** (index + 1.0))
    steps = 1 + int((np.log10(highest) - np.log10(lowest)) / _STEP)
    start = np.log10(lowest) + _STEP * np.arange(steps)
    column = 10.0 ** (start + 0.5 * _STEP)
    weight = column**index * (10.0 ** (start + _STEP) - 10.0**start)
    total = weight @ np.exp(-column[:, None] * sigma)
    total += highest**index * np.exp(-highest * sigma) * (highest - 10.0 ** start[-1])
    return norm * total
