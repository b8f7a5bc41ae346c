"""Spectral components, model expressions, parameters.

The public names load their modules on first use: ``import wolter.models`` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wolter._lazy import lazy_exports

if TYPE_CHECKING:
    from wolter.models.catalogue import list_components
    from wolter.models.compiled import CompiledModel
    from wolter.models.definitions import ComponentDef, Context, ParameterDef
    from wolter.models.grammar import parse_expression
    from wolter.models.mdefine import define
    from wolter.models.model import Model
    from wolter.models.parameter import Parameter
    from wolter.models.registry import get_component, register
    from wolter.models.settings import ApecOptions, Settings
    from wolter.models.user import component, component_scope, param, unregister

_EXPORTS: dict[str, str] = {
    "ApecOptions": "settings",
    "CompiledModel": "compiled",
    "ComponentDef": "definitions",
    "Context": "definitions",
    "Model": "model",
    "Parameter": "parameter",
    "ParameterDef": "definitions",
    "Settings": "settings",
    "component": "user",
    "component_scope": "user",
    "define": "mdefine",
    "get_component": "registry",
    "list_components": "catalogue",
    "param": "user",
    "parse_expression": "grammar",
    "register": "registry",
    "unregister": "user",
}

__all__ = [
    "ApecOptions",
    "CompiledModel",
    "ComponentDef",
    "Context",
    "Model",
    "Parameter",
    "ParameterDef",
    "Settings",
    "component",
    "component_scope",
    "define",
    "get_component",
    "list_components",
    "param",
    "parse_expression",
    "register",
    "unregister",
]

__getattr__, __dir__ = lazy_exports(__name__, _EXPORTS)
