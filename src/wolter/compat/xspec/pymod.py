"""Models written in Python by PyXspec's rules: `AllModels.addPyMod`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wolter.compat.xspec.errors import XspecError, missing
from wolter.models.definitions import ComponentDef, ParameterDef
from wolter.models.registry import register

__all__ = ["add"]

_KINDS = {"add": "add", "mul": "mul", "con": "con"}


def add(function: Callable[..., Any], info: Sequence[str], kind: str, errors: bool, dependent: bool) -> None:
    """Make a Python function a component.

    Parameters
    ----------
    function : callable
        ``f(engs, params, flux)`` with the n + 1 energy edges, the parameters, and a list that it fills with n values.
    info : sequence of str
        ``"name unit value hardmin softmin softmax hardmax delta"`` for each parameter but the norm; a negative delta
        freezes it.
    kind : {"add", "mul", "con"}
        Type of the model.
    errors, dependent : bool
        Whether it computes errors (not used), or depends on the spectrum (not possible).
    """
    if kind not in _KINDS:
        raise XspecError(f"Error: model type must be add, mul or con, not {kind!r}")
    if kind == "con":
        raise missing("AllModels.addPyMod('con')", "convolutions in Python")
    if dependent:
        raise missing("AllModels.addPyMod(spectrumDependent=True)", "the engine's components do not know the spectrum")

    def evaluate(edges: Any, values: Any, context: Any) -> Any:
        out = np.empty((len(values), len(edges) - 1))
        energies = tuple(float(e) for e in edges)
        for row, parameters in zip(out, values, strict=True):
            flux = [0.0] * len(row)
            arguments: list[Any] = [energies, tuple(float(p) for p in parameters), flux]
            if errors:
                arguments.append([0.0] * len(row))
            function(*arguments)
            row[:] = flux
        return out

    parameters = tuple(_parameter(text) for text in info)
    name = function.__name__
    made = ComponentDef(name, kind, parameters, evaluate, doc=function.__doc__ or name, origin="python")  # type: ignore[arg-type]
    register(made, replace=True)


def _parameter(text: str) -> ParameterDef:
    words = text.replace('""', " - ").replace("''", " - ").split()
    if len(words) == 7:  # a parameter without a unit
        words.insert(1, "")
    if len(words) != 8:
        raise XspecError(f"Error: {text!r} does not describe a parameter by name, unit and six numbers")
    unit = "" if words[1] == "-" else words[1]
    value, lo, bottom, top, hi, delta = map(float, words[2:])
    return ParameterDef(words[0], unit, value, abs(delta) or 0.01, lo, bottom, top, hi, frozen=delta < 0)
