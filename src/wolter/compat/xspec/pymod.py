"""Models written in Python by PyXspec's rules: `AllModels.addPyMod`."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wolter.compat.xspec.errors import XspecError
from wolter.compat.xspec.session import NUMBER, SESSION
from wolter.models.definitions import ComponentDef, ParameterDef, scale_par, switch_par
from wolter.models.registry import register

__all__ = ["add", "callModelFunction"]

_VAST = 1e22
_KINDS = {"add": "add", "mul": "mul", "con": "con"}


def add(function: Callable[..., Any], info: Sequence[str], kind: str, errors: bool, dependent: bool) -> None:
    """Make a Python function a component.

    Parameters
    ----------
    function : callable
        ``f(engs, params, flux)`` with the n + 1 energy edges, the parameters (a norm, which is applied here, behind
        those of an additive model), and a list that it fills with n values;
        for a convolution the list holds the spectrum it acts on.
    info : sequence of str
        ``"name unit value hardmin softmin softmax hardmax delta"`` for each parameter but the norm; a negative delta
        freezes it.
    kind : {"add", "mul", "con"}
        Type of the model.
    errors, dependent : bool
        Whether it computes errors (a fourth argument, which is not used), or depends on the spectrum, whose number it
        then gets as a fifth argument.
    """
    if kind not in _KINDS:
        raise XspecError(f"Error: model type must be add, mul or con, not {kind!r}")
    count = _arguments(function)
    needed = 5 if dependent else 4 if errors else 3
    if count < 3:
        raise XspecError(f"Error: {function.__name__} must take energies, parameters and flux, but takes {count}")
    passed = min(count, 5) if count < 100 else needed

    def call(edges: Any, parameters: Any, flux: list[float], context: Any) -> list[float]:
        number = int(context.xflt.get(NUMBER, 1))
        arguments = [edges, parameters, flux, [0.0] * len(flux), number][:passed]
        function(*arguments)
        return flux

    def evaluate(edges: Any, values: Any, context: Any, spectrum: Any = None) -> Any:
        rows = len(values) if spectrum is None else max(len(values), len(spectrum))
        out = np.empty((rows, len(edges) - 1))
        energies = tuple(float(e) for e in edges)
        for i in range(rows):
            parameters = tuple(float(p) for p in values[min(i, len(values) - 1)])
            if kind == "add":
                parameters = (*parameters, 1.0)  # the norm, which XSPEC passes, too, and applies itself
            flux = [0.0] * out.shape[1] if spectrum is None else spectrum[min(i, len(spectrum) - 1)].tolist()
            out[i] = call(energies, parameters, flux, context)
        return out

    parameters = tuple(_parameter(text) for text in info)
    name = function.__name__
    depends = frozenset({"xflt"}) if dependent else frozenset[str]()
    doc = (function.__doc__ or name).strip().split("\n")[0]
    made = ComponentDef(name, kind, parameters, evaluate, depends=depends, doc=doc, origin="python")  # type: ignore[arg-type]
    register(made, replace=True)
    if dependent:
        SESSION.numbered = True
        SESSION.data_changed()


def _arguments(function: Callable[..., Any]) -> int:
    """How many positional arguments a function takes; 100 for any number."""
    kinds = [p.kind for p in inspect.signature(function).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return 100
    return sum(k in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD) for k in kinds)


def _parameter(text: str) -> ParameterDef:
    """A line of model.dat: ``name unit value min bot top max delta``, ``*name unit value``, ``$name value``."""
    words = shlex.split(text)
    name, kind = words[0], {"*": "scale", "$": "switch"}.get(words[0][:1], "par")
    numbers: list[float] = []
    for word in reversed(words[1:]):
        try:
            numbers.insert(0, float(word))
        except ValueError:
            break
    others = words[1 : len(words) - len(numbers)]
    if kind == "par":
        if len(numbers) != 6 or len(others) > 1:
            raise XspecError(f"Error: {text!r} does not describe a parameter by name, unit and six numbers")
        value, lo, bottom, top, hi, delta = numbers
        lo, bottom, top, hi = sorted((lo, bottom, top, hi))
        lo, hi = min(lo, value), max(hi, value)  # scripts have defaults outside their limits
        return ParameterDef(name, "".join(others), value, abs(delta) or 0.01, lo, bottom, top, hi, delta < 0)
    if not numbers or len(others) > 1:
        raise XspecError(f"Error: {text!r} does not describe a {kind} parameter by name, unit and value")
    value = numbers[0]
    lo, hi = (min(numbers[1:3] + [value]), max(numbers[1:] + [value])) if len(numbers) > 2 else (-_VAST, _VAST)
    make = scale_par(name[1:].strip(), "".join(others), value, lo, hi)
    return make if kind == "scale" else switch_par(name[1:].strip(), int(value), int(lo), int(hi))


def callModelFunction(
    modelName: str,
    energies: Sequence[float],
    params: Sequence[float],
    flux: list[float],
    fluxError: list[float] | None = None,
    spectrumNum: int | None = None,
    initString: str | None = None,
) -> None:
    """Evaluate one component on its own.

    Parameters
    ----------
    modelName : str
        Name of the component.
    energies : sequence of float
        n + 1 edges, keV.
    params : sequence of float
        Without the norm of an additive component.
    flux : list of float
        Is filled with n values; for a convolution it holds the spectrum that it acts on.
    fluxError : list of float, optional
        Is filled with zeros.
    spectrumNum : int, optional
        Whose filter keys the component sees.
    initString : str
        Accepted.
    """
    from wolter.compat.xspec.errors import translated
    from wolter.models.definitions import Context
    from wolter.models.registry import get_component

    with translated("callModelFunction"):
        component = get_component(modelName)
        values = np.asarray(params, dtype=float)[None]
        if values.shape[1] != len(component.parameters):
            raise XspecError(f"Error: {component.name} has {len(component.parameters)} parameters")
        context = Context(settings=SESSION.settings)
        if spectrumNum is not None and 1 <= spectrumNum <= len(SESSION.spectra):
            context = Context.of_spectrum(SESSION.spectra[spectrumNum - 1].keys(), SESSION.settings)
        arguments: list[Any] = [np.asarray(energies, dtype=float), values, context]
        if component.kind == "con":
            arguments.append(np.asarray(flux, dtype=float)[None])
        out = np.broadcast_to(component.function(*arguments)[0], (len(energies) - 1,))
    flux[:] = out.tolist()
    if fluxError is not None:
        fluxError[:] = [0.0] * len(flux)
