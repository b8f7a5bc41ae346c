"""Models as the user handles them: an expression, parameters by name, values on an energy grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from wolter.errors import ModelError, ParameterError, suggest
from wolter.models.compiled import CompiledModel
from wolter.models.definitions import ComponentDef, Context
from wolter.models.grammar import Node, leaves, parse_expression, xspec_text
from wolter.models.parameter import Parameter
from wolter.models.registry import resolve_name
from wolter.models.settings import Settings
from wolter.models.tie import Tie, TieSystem, parse_tie
from wolter.units import is_quantity, to_kev

__all__ = ["Component", "Model", "find_parameter"]

Array = npt.NDArray[np.float64]


class Component:
    """A component of a model; its parameters are attributes: ``model.powerlaw.PhoIndex = 2.1``.

    Parameters
    ----------
    label : str
        Name, with the component's number appended if an earlier one has the same name ("powerlaw_4").
    number : int
        Position in the expression, from one.
    definition : ComponentDef
        What it is.
    parameters : sequence of Parameter
        Its parameters, norm included.
    """

    def __init__(self, label: str, number: int, definition: ComponentDef, parameters: Sequence[Parameter]) -> None:
        self.__dict__.update(
            label=label,
            number=number,
            definition=definition,
            parameters=tuple(parameters),
            _by_name={p.name.lower(): p for p in parameters},
        )

    label: str
    number: int
    definition: ComponentDef
    parameters: tuple[Parameter, ...]

    def __getattr__(self, name: str) -> Parameter:
        found = self.__dict__.get("_by_name", {}).get(name.lower())
        if found is None:
            if name.startswith("__"):
                raise AttributeError(name)
            names = [p.name for p in self.parameters]
            raise UnknownNameError(
                f"component {self.label!r} has no parameter {name!r}",
                cure=suggest(name, names) or f"It has {', '.join(names)}.",
            )
        return found

    def __setattr__(self, name: str, value: Any) -> None:
        self.__getattr__(name).value = value

    def __dir__(self) -> list[str]:
        return [p.name for p in self.parameters]

    def __repr__(self) -> str:
        return f"<Component {self.label}: {', '.join(f'{p.name}={p.value:g}' for p in self.parameters)}>"


class UnknownNameError(ParameterError, AttributeError):
    """An unknown component or parameter, for attribute access."""


class Model:
    """A spectral model.

    Parameters
    ----------
    expression : str
        In XSPEC's grammar, e.g. ``"tbabs*(powerlaw + bbody)"``.
    settings : Settings, optional
        Abundances, cross-sections, cosmology; XSPEC's defaults otherwise.
    **values
        Initial values by parameter name where that is unique (``PhoIndex=2.1``), or by component and name joined by a
        dot (``**{"powerlaw.norm": 0.1}``).

    Attributes
    ----------
    parameters : tuple of Parameter
        In XSPEC's order and numbering.
    components : tuple of Component
        In the order of the expression.

    Raises
    ------
    ModelError
        If the expression is not understood.
    ParameterError
        For an unknown parameter name or a value outside its limits.

    Examples
    --------
    >>> model = Model("tbabs*powerlaw")
    >>> model.TBabs.nH = 0.1
    >>> model["powerlaw.PhoIndex"].frozen = True
    """

    components: tuple[Component, ...]
    parameters: tuple[Parameter, ...]

    def __init__(self, expression: str, settings: Settings | None = None, **values: Any) -> None:
        node = parse_expression(expression)
        components, count = [], 0
        seen: set[str] = set()
        for leaf in leaves(node):
            label = leaf.name if leaf.name.lower() not in seen else f"{leaf.name}_{leaf.index}"
            seen.add(leaf.name.lower())
            own = [Parameter(d, label, count + i + 1) for i, d in enumerate(leaf.component.all_parameters)]
            count += len(own)
            components.append(Component(label, leaf.index, leaf.component, own))
        self.__dict__.update(
            expression=xspec_text(expression),
            node=node,
            settings=settings or Settings(),
            components=tuple(components),
            parameters=tuple(p for c in components for p in c.parameters),
            _ties=None,
        )
        for parameter in self.parameters:
            parameter._check_tie = self._accept_tie
            parameter._on_change = self._forget_ties
        for name, value in values.items():
            self[name].value = value

    expression: str
    node: Node
    settings: Settings
    _ties: TieSystem | None

    # -- access ---------------------------------------------------------------------------------------------------

    def __getitem__(self, name: str | int) -> Parameter:
        return self.parameters[find_parameter(name, self.components)]

    def __getattr__(self, name: str) -> Component:
        if name.startswith("__") or "components" not in self.__dict__:
            raise AttributeError(name)
        return find_component(name, self.components)

    def __setattr__(self, name: str, value: Any) -> None:
        raise UnknownNameError(
            f"a model's {name!r} cannot be set", cure="Set a parameter, for example model.powerlaw.PhoIndex = 2."
        )

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(c.label for c in self.components)]

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.parameters)

    def _forget_ties(self) -> None:
        self.__dict__["_ties"] = None

    def _accept_tie(self, parameter: Parameter, text: str) -> str:
        """Text of a tie after a trial of the whole system with it."""
        ties = [self._parse(p.tie) for p in self.parameters]
        ties[parameter.index - 1] = self._parse(text)
        TieSystem(ties, [p.full_name for p in self.parameters])
        return text

    def _parse(self, text: str | None) -> Tie | None:
        return None if text is None else parse_tie(text, lambda name: find_parameter(name, self.components))

    def tie(self, name: str | int, expression: str) -> None:
        """Let a parameter follow an expression of others, e.g. ``tie("bbody.kT", "0.5*p3 + 0.2")``."""
        self[name].tie = expression

    def untie(self, name: str | int) -> None:
        """Let a parameter go at the value it has."""
        self[name].tie = None

    # -- values ---------------------------------------------------------------------------------------------------

    def values(self) -> Array:
        """Values [P] of all parameters, ties applied."""
        if self._ties is None:
            system = TieSystem([self._parse(p.tie) for p in self.parameters], [p.full_name for p in self.parameters])
            self.__dict__["_ties"] = system
        assert self._ties is not None
        out = self._ties.apply(np.array([[p.value for p in self.parameters]]))[0]
        for parameter, value in zip(self.parameters, out, strict=True):
            parameter._value = float(value)
        return out

    def compile(self, edges: npt.ArrayLike, contexts: Sequence[Context] | None = None) -> CompiledModel:
        """Prepare for repeated evaluation on edges [n + 1] in keV, ascending."""
        return CompiledModel(self.node, edges, contexts or (Context(settings=self.settings),))

    def evaluate(self, edges: Any, values: npt.ArrayLike | None = None, context: Context | None = None) -> Array:
        """Bin-integrated spectrum.

        Parameters
        ----------
        edges : array or Quantity [n + 1]
            Ascending bin edges; a bare array is in keV.
        values : array [P] or [B, P], optional
            Values of all parameters, instead of the model's own; ties are not applied to them.
        context : Context, optional
            Stokes parameter and XFLT keys of a spectrum; Stokes I by default. Its settings are ignored.

        Returns
        -------
        array [n] or [B, n]
            Photons/cm²/s per bin (times the Stokes factor).
        """
        kev = to_kev(edges, "edges") if is_quantity(edges) else np.asarray(edges, dtype=float)
        if context is None:
            context = Context(settings=self.settings)
        elif context.settings != self.settings:
            context = Context(context.stokes, context.xflt, self.settings)
        rows = self.values() if values is None else np.asarray(values, dtype=float)
        out = self.compile(kev, (context,)).evaluate(rows)[0]
        return out[0] if rows.ndim == 1 else out

    # -- housekeeping ---------------------------------------------------------------------------------------------

    def copy(self) -> Model:
        """Independent model with the same state."""
        other = Model(self.expression, self.settings)
        for mine, theirs in zip(self.parameters, other.parameters, strict=True):
            theirs.copy_state(mine)
        return other

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready state; `from_dict` restores it."""
        return {
            "expression": self.expression,
            "settings": self.settings.to_dict(),
            "parameters": [p.to_dict() for p in self.parameters],
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Model:
        """Model from what `to_dict` gave.

        Raises
        ------
        ModelError
            If the state belongs to another expression.
        """
        settings = dict(state.get("settings", {}))
        if "cosmo" in settings:
            settings["cosmo"] = tuple(settings["cosmo"])
        model = cls(state["expression"], Settings(**settings))
        saved = state["parameters"]
        if [p["name"] for p in saved] != [p.full_name for p in model.parameters]:
            raise ModelError(f"the saved parameters do not belong to the model {model.expression!r}")
        for parameter, entry in zip(model.parameters, saved, strict=True):
            restore_parameter(parameter, entry)
        for parameter, entry in zip(model.parameters, saved, strict=True):
            parameter.tie = entry["tie"]
        return model

    def show(self) -> str:
        """Table of the parameters as text."""
        self.values()
        lines = [f"Model {self.expression}", f"{'par':>4} {'comp':>4}  {'parameter':<24}{'unit':<8}value"]
        for component in self.components:
            for p in component.parameters:
                state = f"= {p.tie}" if p.tie else "frozen" if p.frozen else ""
                lines.append(
                    f"{p.index:4d} {component.number:4d}  {p.full_name:<24}{p.unit:<8}{p.value:<14.6g}{state}".rstrip()
                )
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Model {self.expression}>"


def restore_parameter(parameter: Parameter, entry: Mapping[str, Any]) -> None:
    """Value, step, limits and frozen of a parameter from `Parameter.to_dict` (not the tie)."""
    lo, bottom, top, hi = entry["limits"]
    parameter._hard_min, parameter.soft_min, parameter.soft_max, parameter._hard_max = lo, bottom, top, hi
    parameter.delta = entry["delta"]
    parameter.value = entry["value"]
    parameter.frozen = entry["frozen"]


def find_component(name: str, components: Sequence[Component]) -> Component:
    """Component by label, by name and number ("powerlaw_4"), or by XSPEC's abbreviation of its name.

    Raises
    ------
    ParameterError
        For an unknown name, with the nearest ones.
    """
    key = name.lower()
    for component in components:
        if key in (component.label.lower(), f"{component.definition.name}_{component.number}".lower()):
            return component
    try:
        full = resolve_name(name)
    except ModelError:
        full = ""
    for component in components:
        if component.definition.name == full:
            return component
    labels = [c.label for c in components]
    raise UnknownNameError(
        f"the model has no component {name!r}", cure=suggest(name, labels) or f"It has {', '.join(labels)}."
    )


def find_parameter(name: str | int, components: Sequence[Component]) -> int:
    """Position (from zero) of a parameter: by number, ``"p3"``, ``"powerlaw.PhoIndex"``, or a name that is unique.

    Raises
    ------
    ParameterError
        For an unknown or ambiguous name, with the nearest ones.
    """
    parameters = [p for c in components for p in c.parameters]
    if isinstance(name, int | np.integer) or (name[:1] in "pP" and name[1:].isdigit()) or name.isdigit():
        number = int(name) if not isinstance(name, str) or name.isdigit() else int(name[1:])
        if not 1 <= number <= len(parameters):
            raise ParameterError(f"there is no parameter {number}", cure=f"Numbers go from 1 to {len(parameters)}.")
        return number - 1
    label, dot, last = name.rpartition(".")
    if dot:
        return getattr(find_component(label, components), last).index - 1
    found = [p for p in parameters if p.name.lower() == last.lower()]
    if len(found) == 1:
        return found[0].index - 1
    names = [p.full_name for p in parameters]
    if found:
        raise ParameterError(
            f"parameter name {name!r} is ambiguous", cure=f"Write {' or '.join(p.full_name for p in found)}."
        )
    near = suggest(name, [*(p.name for p in parameters), *(c.label for c in components)]) or suggest(name, names)
    raise ParameterError(f"unknown parameter {name!r}", cure=near or f"The model has {', '.join(names)}.")
