"""Components by name: where each lives, lookup with XSPEC's abbreviations, registration of further ones.

A module with components is imported when one of them is asked for, so importing `wolter.models` imports none. A name
means the user's component, else the native one, else that of XSPEC's library; with the prefix ``xspec_`` the latter.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from functools import cache

from wolter.errors import ModelError, suggest
from wolter.models.definitions import Array, ComponentDef, ComponentFunction, Kind, ParameterDef
from wolter.models.xspec_names import XSPEC_NAMES

__all__ = ["available_names", "component", "get_component", "is_native", "register", "resolve_name"]

# Module (relative to wolter.models) -> names and aliases of its components.
_MODULES: dict[str, str] = {
    "components.constants": "constant logconst log10con",
    "components.lines": "gaussian zgauss agauss zagauss lorentz zlorentz step",
    "components.factors": ("edge zedge smedge expfac expabs highecut zhighect plabs spexpcut cyclabs notch cabs"),
    "components.extinction": "redden zredden",
    "components.absorption_lines": "gabs zgabs lorabs",
    "components.convolutions": (
        "cflux cpflux clumin cglumin gsmooth lsmooth partcov zashift zmshift vashift vmshift simpl"
    ),
    "components.comptonisation": "compTT",
    "components.nonthermal": "grbm srcut",
    "components.powerlaws": (
        "powerlaw zpowerlw bknpower zbknpower bkn2pow cutoffpl zcutoffpl pegpwrlw logpar zlogpar eplogpar expdec"
    ),
    "components.thermal": "bbody bbodyrad zbbody bremss vbremss zbremss",
    "components.disks": "diskbb diskpbb",
    "components.polarisation": "polconst pollin polpow polrot",
    "plasma.components": ("apec bapec tapec btapec nlapec vapec bvapec vtapec bvtapec vvapec bvvapec vvtapec bvvtapec"),
    "absorption.components": (
        "phabs vphabs zphabs zvphabs varabs zvarabs wabs zwabs wndabs zwndabs pcfabs zpcfabs pwab "
        "TBabs zTBabs TBgas TBgrain TBvarabs TBrel TBfeo TBpcf"
    ),
}
_HOME: dict[str, tuple[str, str]] = {
    name.lower(): (name, f"wolter.models.{module}") for module, names in _MODULES.items() for name in names.split()
}
_REGISTERED: dict[str, ComponentDef] = {}
_LIBRARY = "xspec_"  # prefix that asks for the component of XSPEC's library


def register(definition: ComponentDef, *, replace: bool = False) -> ComponentDef:
    """Make a component known under its name and aliases.

    Parameters
    ----------
    definition : ComponentDef
        The component.
    replace : bool
        Allow it to take the name of a native component. Others are replaced without asking, so that a notebook
        cell that defines a model may be run again.

    Raises
    ------
    ModelError
        When the name is taken by a native component, or is no name an expression could contain.
    """
    for name in (definition.name, *definition.aliases):
        if len(name) < 2 or not name.isidentifier():
            raise ModelError(
                f"{name!r} cannot be the name of a component", cure="Use two or more letters, digits and underscores."
            )
        key = name.lower()
        home = _HOME.get(key)
        foreign = home is not None and definition.function.__module__ != home[1]
        if foreign and not replace:
            raise ModelError(
                f"there is a native component {home[0]!r} already" if home else "",
                cure="Choose another name or say replace=True.",
            )
    for name in (definition.name, *definition.aliases):
        _REGISTERED[name.lower()] = definition
    return definition


def component(
    name: str,
    kind: Kind,
    parameters: Iterable[ParameterDef] = (),
    *,
    aliases: Iterable[str] = (),
    depends: Iterable[str] = (),
    scalar: bool = False,
    padding: Callable[[float, float, Array], tuple[float, float]] | None = None,
    origin: str = "native",
    replace: bool = False,
) -> Callable[[ComponentFunction], ComponentFunction]:
    """Decorator: registers a function as a component; see `ComponentDef` for the arguments.

    The first line of the docstring becomes the component's description. Native components are listed with their
    module at the top of this file besides; that is what makes them load on demand.
    """

    def wrap(function: ComponentFunction) -> ComponentFunction:
        doc = (function.__doc__ or "").strip().split("\n")[0]
        definition = ComponentDef(
            name=name,
            kind=kind,
            parameters=tuple(parameters),
            function=function,
            aliases=tuple(aliases),
            depends=frozenset(depends),
            scalar=scalar,
            padding=padding,
            origin=origin,
            doc=doc,
        )
        register(definition, replace=replace)
        return function

    return wrap


def is_native(name: str) -> bool:
    """Whether a name or alias (exact but for case) is that of a native component."""
    return name.lower() in _HOME


def available_names() -> list[str]:
    """Full names of all components, without aliases, sorted without regard to case.

    Those of XSPEC's library are among them where it is installed, whether or not their data files are.
    """
    from wolter.models.xspec_library.bridge import library_names

    names = {name.lower(): name for name in library_names()}
    names |= {name.lower(): name for name, _ in _HOME.values()}
    aliases: set[str] = set()
    for key, definition in _REGISTERED.items():
        if key == definition.name.lower():
            names[key] = definition.name
        else:
            aliases.add(key)
    return [names[k] for k in sorted(names) if k not in aliases]


@cache
def _by_abbreviation(key: str) -> str | None:
    return next((name for name in XSPEC_NAMES if name.lower().startswith(key)), None)


def resolve_name(name: str) -> str:
    """Full name of a component from its name, an alias or an abbreviation.

    An exact name (case ignored) wins; otherwise XSPEC's rule holds: the first of its components, in its order, that
    begins with the letters given, of which there must be two at least. Components that XSPEC does not have may be
    abbreviated if nothing else begins alike.

    Raises
    ------
    ModelError
        For an unknown name, with the nearest known ones, or an XSPEC component whose library is not installed.
    """
    key = name.strip().lower()
    if key in _REGISTERED:
        return _REGISTERED[key].name
    if key in _HOME:
        return _HOME[key][0]
    if len(key) < 2:
        raise ModelError(f"component name {name!r} is too short", cure="Two letters are needed at least.")
    if key.startswith(_LIBRARY):
        return _library_name(name)
    full = next((n for n in XSPEC_NAMES if n.lower() == key), None) or _by_abbreviation(key)
    if full is not None:
        if full.lower() in _HOME or full.lower() in _REGISTERED:
            return resolve_name(full)
        from wolter.models.xspec_library.bridge import library_component
        from wolter.models.xspec_library.installation import CURE, find_installation

        meant = "" if full.lower() == key else f" (for which {name!r} stands)"
        if find_installation() is None:
            raise ModelError(f"XSPEC's component {full!r}{meant} is not available here", cure=CURE)
        if library_component(full) is not None:
            return full
        raise ModelError(
            f"XSPEC's component {full!r}{meant} is not in the library installed",
            cure=suggest(full, available_names()) or "`wolter models` lists the components there are.",
        )
    others = sorted({d.name for k, d in _REGISTERED.items() if k.startswith(key)})
    if len(others) == 1:
        return others[0]
    if others:
        raise ModelError(f"component {name!r} is ambiguous", cure=f"It may mean {', '.join(others)}.")
    raise ModelError(
        f"unknown component {name!r}",
        cure=suggest(name, available_names()) or "`wolter models` lists the components there are.",
    )


def _library_name(name: str) -> str:
    from wolter.models.xspec_library.bridge import library_component, library_names

    short = name.strip()[len(_LIBRARY) :]
    definition = library_component(name.strip())
    if definition is None and len(short) > 1:
        full = _by_abbreviation(short.lower())
        definition = None if full is None else library_component(f"{_LIBRARY}{full}")
    if definition is None:
        raise ModelError(
            f"XSPEC's library has no component {short!r}",
            cure=suggest(short, library_names()) or "`wolter models` lists the components there are.",
        )
    return definition.name


def get_component(name: str) -> ComponentDef:
    """Definition of a component by XSPEC's name or abbreviation, case ignored; see `resolve_name`.

    Raises
    ------
    ModelError
        For a name that is not known.
    """
    key = resolve_name(name).lower()
    if key in _REGISTERED:
        return _REGISTERED[key]
    if key in _HOME:
        importlib.import_module(_HOME[key][1])
        return _REGISTERED[key]
    from wolter.models.xspec_library.bridge import library_component

    definition = library_component(key)
    assert definition is not None
    return definition
