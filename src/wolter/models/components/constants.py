"""Factors that are constant in energy."""

from __future__ import annotations

from wolter.models.definitions import Array, Context, par
from wolter.models.registry import component


@component("constant", "mul", [par("factor", "", 1.0, 0.0, 0.0, 1e10, 1e10, 0.01)], scalar=True)
def constant(edges: Array, pars: Array, ctx: Context) -> Array:
    """Factor that does not depend on energy (XSPEC manual, "constant")."""
    return pars[:, :1].copy()
