"""List of all components with their parameters, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass

from wolter.errors import ModelError
from wolter.models.definitions import KIND_WORDS, ComponentDef, ParameterDef
from wolter.models.registry import available_names, get_component

__all__ = ["TABLE_MODELS", "ComponentInfo", "describe_component", "list_components"]

XSPEC_LIBRARY = "XSPEC library"


@dataclass(frozen=True, slots=True)
class ComponentInfo:
    """One line of the catalogue; `parameters` has the norm of an additive component at the end.

    `usable` says whether the component can be evaluated on this computer, and `reason` why it cannot; None if that
    has not been tried.
    """

    name: str
    kind: str
    parameters: tuple[ParameterDef, ...]
    origin: str
    aliases: tuple[str, ...]
    doc: str
    usable: bool | None = True
    reason: str = ""

    def to_dict(self) -> dict[str, object]:
        """JSON-ready mapping."""
        return {
            "name": self.name,
            "kind": self.kind,
            "origin": self.origin,
            "aliases": list(self.aliases),
            "doc": self.doc,
            "usable": self.usable,
            "reason": self.reason,
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


TABLE_MODELS = tuple(
    ComponentInfo(name, kind, (), "table", (), f"{doc}: {name}{{FILE}}; its parameters are those of the file")
    for name, kind, doc in (
        ("atable", "additive", "Spectra tabulated in a file (OGIP 92-009)"),
        ("mtable", "multiplicative", "Factors tabulated in a file (OGIP 92-009)"),
        ("etable", "multiplicative", "Exponents tabulated in a file (OGIP 92-009), as the factor exp(-table)"),
    )
)
"""Table models in general; `describe_component("atable{FILE}")` has the parameters of one."""


def describe_component(name: str, *, check: bool = False) -> ComponentInfo:
    """Catalogue entry of one component, by name or abbreviation.

    Parameters
    ----------
    name : str
        Name or abbreviation, or a table model with its file, ``atable{FILE}``.
    check : bool
        Try whether a component of XSPEC's library can be used here.

    Raises
    ------
    ModelError
        For an unknown name, or a table model that cannot be read.
    """
    kind, brace, path = name.strip().partition("{")
    general = next((e for e in TABLE_MODELS if e.name == kind.lower()), None)
    if general is not None and not brace:
        return general
    if general is not None:
        from wolter.models.tables import table_component

        definition = table_component(general.name, path.removesuffix("}"))
    else:
        definition = get_component(name)
    usable, reason = _usability(definition, check)
    return ComponentInfo(
        definition.name,
        KIND_WORDS[definition.kind],
        definition.all_parameters,
        definition.origin,
        definition.aliases,
        definition.doc,
        usable,
        reason,
    )


def _usability(definition: ComponentDef, check: bool) -> tuple[bool | None, str]:
    if definition.origin == XSPEC_LIBRARY:
        from wolter.models.xspec_library.bridge import usable as try_component

        return try_component(definition.name) if check else (None, "")
    if check and "atomdb" in definition.depends:
        from wolter.models.plasma.atomdb import find_atomdb
        from wolter.models.settings import Settings

        try:
            find_atomdb(Settings().atomdb)
        except ModelError as exc:
            return False, exc.cause
    return True, ""


def list_components(*, check: bool = False) -> list[ComponentInfo]:
    """Catalogue of all components, sorted by kind (additive first) and name.

    Parameters
    ----------
    check : bool
        Try whether the components of XSPEC's library can be used here: some seconds the first time, remembered in
        the user's cache folder.
    """
    order = list(KIND_WORDS.values())
    names = available_names()
    if not check:
        entries = [describe_component(name) for name in names]
    else:
        _try_library(names)
        entries = [describe_component(name, check=True) for name in names]
    return sorted(entries, key=lambda e: (order.index(e.kind), e.name.lower()))


def _try_library(names: list[str]) -> None:
    """Tries all of XSPEC's components among these at once, so that each is known afterwards."""
    from wolter.models.settings import Settings
    from wolter.models.xspec_library import find_installation, library_pool, probe_all

    installation = find_installation()
    if installation is not None:
        own = [n for n in names if get_component(n).origin == XSPEC_LIBRARY]
        probe_all(Settings(), library_pool(installation), names=own)
