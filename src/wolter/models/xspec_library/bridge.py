"""Components of XSPEC's model library as `ComponentDef`, by name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from wolter.errors import ModelError
from wolter.models.definitions import ComponentDef, Context
from wolter.models.settings import Settings
from wolter.models.xspec_library.installation import find_installation, need_installation
from wolter.models.xspec_library.modeldat import LibraryModel

__all__ = ["PREFIX", "library_component", "library_names", "usable"]

PREFIX = "xspec_"
"""A name that begins so means the component of the library, also where there is a native one (``xspec_powerlaw``)."""

Array = npt.NDArray[np.float64]
_DEPENDS = frozenset({"abund", "xsect", "cosmo", "atomdb", "apec", "xset"})


@dataclass(frozen=True)
class LibraryFunction:
    """Function of a component: evaluates it in a worker process, after a trial that it can be used at all."""

    model: LibraryModel

    def __call__(self, edges: Array, pars: Array, ctx: Context, flux: Array | None = None) -> Array:
        """Values [B, n]; raises ModelError where the library does not give any."""
        from wolter.models.xspec_library.library import evaluate

        verdict = _usable(self.model.name, ctx.settings)
        if not verdict[0]:
            # evaluate() says the same with the cure; a trial that failed for another reason is repeated by it
            evaluate(self.model, edges, pars, ctx, flux)
            raise ModelError(f"XSPEC's component {self.model.name!r} cannot be used here: {verdict[1]}")
        return evaluate(self.model, edges, pars, ctx, flux)


@cache
def _usable(name: str, settings: Settings) -> tuple[bool, str]:
    return usable(name, settings)


def library_names() -> list[str]:
    """Names of the library's components in XSPEC's order; none where the library is not installed."""
    found = find_installation()
    return [] if found is None else [model.name for model in found.models().values()]


def library_component(name: str) -> ComponentDef | None:
    """Component of the library by its exact name (case ignored), with or without the prefix ``xspec_``.

    Returns
    -------
    ComponentDef or None
        None if XSPEC has no such component. With the prefix the definition has it in its name, too.

    Raises
    ------
    ModelError
        If the library is not installed.
    """
    key = name.lower()
    prefixed = key.startswith(PREFIX)
    found = need_installation(f"component {name!r}")
    model = found.models().get(key.removeprefix(PREFIX))
    return None if model is None else _definition(model, prefixed)


@cache
def _definition(model: LibraryModel, prefixed: bool) -> ComponentDef:
    return ComponentDef(
        name=f"{PREFIX}{model.name}" if prefixed else model.name,
        kind=model.kind,
        parameters=model.parameters,
        function=LibraryFunction(model),
        depends=_DEPENDS | {"stokes"} if model.spectrum else _DEPENDS,
        origin="XSPEC library",
        doc=f"{model.name} of XSPEC's model library (function {model.symbol}).",
    )


def usable(name: str, settings: Settings | None = None) -> tuple[bool, str]:
    """Whether a component of XSPEC's library works on this computer, and if not why.

    Parameters
    ----------
    name : str
        XSPEC's name, case ignored, with or without the prefix ``xspec_``.
    settings : Settings, optional
        Their AtomDB and model strings may say where data files are.

    Returns
    -------
    bool, str
        The reason is empty if it is usable.

    Raises
    ------
    ModelError
        If the library is not installed or has no such component.
    """
    from wolter.models.xspec_library.library import library_pool
    from wolter.models.xspec_library.probe import probe

    found = need_installation(f"component {name!r}")
    model = found.models().get(name.lower().removeprefix(PREFIX))
    if model is None:
        from wolter.errors import suggest

        raise ModelError(f"XSPEC's library has no component {name!r}", cure=suggest(name, library_names()) or None)
    verdict = probe(model, settings or Settings(), library_pool(found))
    return verdict.usable, verdict.reason
