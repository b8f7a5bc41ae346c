"""Factors that are constant in energy."""

from __future__ import annotations

import numpy as np

from wolter.models.definitions import Array, Context, par
from wolter.models.registry import component


@component("constant", "mul", [par("factor", "", 1.0, 0.0, 0.0, 1e10, 1e10, 0.01)], scalar=True)
def constant(edges: Array, pars: Array, ctx: Context) -> Array:
    """Factor that does not depend on energy (XSPEC manual, "constant")."""
    return pars[:, :1].copy()


@component("logconst", "mul", [par("logfact", "", 0.0, -20.0, -20.0, 20.0, 20.0, 0.01)], scalar=True)
def logconst(edges: Array, pars: Array, ctx: Context) -> Array:
    """Constant factor by its natural logarithm."""
    return np.exp(pars[:, :1])


@component("log10con", "mul", [par("log10fac", "", 0.0, -20.0, -20.0, 20.0, 20.0, 0.01)], scalar=True)
def log10con(edges: Array, pars: Array, ctx: Context) -> Array:
    """Constant factor by its decimal logarithm."""
    return 10.0 ** pars[:, :1]
