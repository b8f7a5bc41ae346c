"""List of all components with their parameters, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass

from wolter.models.definitions import KIND_WORDS, ParameterDef
from wolter.models.registry import available_names, get_component

__all__ = ["ComponentInfo", "describe_component", "list_components"]


@dataclass(frozen=True, slots=True)
class ComponentInfo:
    """One line of the catalogue; `parameters` has the norm of an additive component at the end."""

    name: str
    kind: str
    parameters: tuple[ParameterDef, ...]
    origin: str
    aliases: tuple[str, ...]
    doc: str

    def to_dict(self) -> dict[str, object]:
        """JSON-ready mapping."""
        return {
            "name": self.name,
            "kind": self.kind,
            "origin": self.origin,
            "aliases": list(self.aliases),
            "doc": self.doc,
            "parameters": [
                {
                    "name": p.name,
                    "unit": p.unit,
                    "default": p.default,
                    "delta": p.delta,
                    "hard_min": p.hard_min,
                    "soft_min": p.soft_min,
                    "soft_max": p.soft_max,
                    "hard_max": p.hard_max,
                    "frozen": p.frozen,
                    "kind": p.kind,
                    "period": p.period,
                }
                for p in self.parameters
            ],
        }


def describe_component(name: str) -> ComponentInfo:
    """Catalogue entry of one component, by name or abbreviation.

    Raises
    ------
    ModelError
        For an unknown name.
    """
    definition = get_component(name)
    return ComponentInfo(
        definition.name,
        KIND_WORDS[definition.kind],
        definition.all_parameters,
        definition.origin,
        definition.aliases,
        definition.doc,
    )


def list_components() -> list[ComponentInfo]:
    """Catalogue of all components, sorted by kind (additive first) and name."""
    order = list(KIND_WORDS.values())
    entries = [describe_component(name) for name in available_names()]
    return sorted(entries, key=lambda e: (order.index(e.kind), e.name.lower()))
