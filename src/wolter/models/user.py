"""Components written in Python: a decorated function of energies and parameters becomes one for expressions.

>>> @component(parameters={"PhoIndex": (2.0, -3.0, 9.0), "Ecut": (10.0, 0.1, 500.0, "keV")}, per="keV")
... def mycutoff(energy, index, cutoff):
...     return energy**-index * np.exp(-energy / cutoff)
>>> Model("tbabs*mycutoff")

A component is registered under its name and replaces an earlier one of that name with a warning; `unregister` removes
it, and whatever is registered inside ``with component_scope():`` is gone afterwards.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast

import numpy as np
import numpy.typing as npt

from wolter.errors import ModelError, suggest, warn
from wolter.models import registry
from wolter.models.definitions import KIND_WORDS, ComponentDef, Context, Kind, ParameterDef
from wolter.models.xspec_library.bridge import PREFIX

__all__ = ["component", "component_scope", "param", "unregister"]

Array = npt.NDArray[np.float64]
F = TypeVar("F", bound=Callable[..., Any])
Energies = Literal["centres", "edges"]
Per = Literal["bin", "keV"]
_LIMIT = 1e10  # limits of a parameter that is given none
_CONTEXT_FIELDS = frozenset({"stokes", "xflt", "abund", "xsect", "cosmo", "atomdb", "apec", "xset"})


def param(
    name: str,
    default: float,
    limits: Sequence[float] | None = None,
    *,
    unit: str = "",
    delta: float | None = None,
    frozen: bool = False,
    period: float | None = None,
) -> ParameterDef:
    """Definition of a parameter of one's own component.

    Parameters
    ----------
    name : str
        Name, as an attribute can have it.
    default : float
        Value a fresh model has.
    limits : sequence of float, optional
        Lowest and highest value, or hard minimum, soft minimum, soft maximum, hard maximum; -1e10 to 1e10 if absent.
    unit : str
        Unit, for display.
    delta : float, optional
        Step for numerical derivatives; a hundredth of the value, or of the range if that is zero.
    frozen : bool
        Whether a fresh model has it fixed.
    period : float, optional
        Period of a cyclic parameter.

    Raises
    ------
    ModelError
        For a name that no attribute can have, limits out of order, or a default outside them.
    """
    if not (isinstance(name, str) and name.isidentifier()):
        raise ModelError(f"{name!r} cannot be the name of a parameter", cure="Use letters, digits and underscores.")
    try:
        value = float(default)
        bounds = [float(v) for v in (limits if limits is not None else (-_LIMIT, _LIMIT))]
    except (TypeError, ValueError) as exc:
        raise ModelError(f"default or limits of parameter {name} are not numbers") from exc
    if len(bounds) == 2:
        bounds = [bounds[0], bounds[0], bounds[1], bounds[1]]
    if len(bounds) != 4:
        raise ModelError(
            f"parameter {name} has {len(bounds)} limits", cure="Give two, or hard, soft, soft and hard ones."
        )
    if not np.isfinite([value, *bounds]).all():
        raise ModelError(f"default or limits of parameter {name} are not finite")
    step = delta if delta is not None else 0.01 * (abs(value) or min(1.0, bounds[3] - bounds[0]))
    return ParameterDef(name, unit, value, step, *bounds, frozen=frozen, period=period)


@dataclass(frozen=True)
class UserFunction:
    """A user's function behind the interface of components; checks what it returns.

    Parameters
    ----------
    name : str
        Name of the component.
    kind : {"add", "mul", "con"}
        Its kind.
    function : callable
        The user's function.
    names : tuple of str
        Names of the parameters.
    batched : bool
        Whether it takes all rows of parameters [B, P] at once.
    energies : {"centres", "edges"}
        What it is called with.
    per : {"bin", "keV"}
        What an additive one returns.
    context : bool
        Whether it has an argument named ``context``.
    """

    name: str
    kind: Kind
    function: Callable[..., Any]
    names: tuple[str, ...]
    batched: bool
    energies: Energies
    per: Per
    context: bool

    def __call__(self, edges: Array, pars: Array, ctx: Context, flux: Array | None = None) -> Array:
        """Values [B, n]; raises ModelError for a wrong shape or values that are not finite."""
        energy = edges if self.energies == "edges" else 0.5 * (edges[1:] + edges[:-1])
        keywords = {"context": ctx} if self.context else {}
        points = len(edges) if self.per == "keV" and self.energies == "edges" else len(edges) - 1
        count = len(pars)
        if self.batched:
            given = (energy, pars) if flux is None else (energy, pars, flux)
            out = self._checked(self.function(*given, **keywords), (count, points), pars)
        else:
            out = np.empty((count, points))
            for row, values in enumerate(pars):
                extra = () if flux is None else (flux[row],)
                result = self.function(energy, *extra, *values.tolist(), **keywords)
                out[row] = self._checked(result, (points,), pars[row : row + 1])
        if self.per == "keV":
            density = 0.5 * (out[:, 1:] + out[:, :-1]) if self.energies == "edges" else out
            out = density * np.diff(edges)
        return out

    def _checked(self, result: Any, shape: tuple[int, ...], pars: Array) -> Array:
        try:
            values = np.asarray(result, dtype=float)
        except (TypeError, ValueError) as exc:
            raise ModelError(
                f"component {self.name!r} returned {type(result).__name__} instead of an array of numbers"
            ) from exc
        # a constant factor, or values that do not depend on the parameters, may be broadcast
        if values.shape not in (shape, (), shape[-1:], (*shape[:-1], 1)):
            raise ModelError(
                f"component {self.name!r} returned an array of shape {values.shape} instead of {shape}",
                cure=self._expected(),
            )
        values = np.broadcast_to(values, shape)
        finite = np.isfinite(values)
        if not finite.all():
            row = int(np.argmin(finite.all(axis=-1))) if values.ndim > 1 else 0
            named = ", ".join(f"{n}={v:g}" for n, v in zip(self.names, pars[row], strict=True))
            raise ModelError(
                f"component {self.name!r} returned values that are not finite at {named or 'no parameters'}"
            )
        return values

    def _expected(self) -> str:
        points = "per edge" if self.per == "keV" and self.energies == "edges" else "per bin"
        return f"It should return one value {points}" + (
            ", in a row for each set of parameters." if self.batched else "."
        )


def component(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    kind: str = "add",
    parameters: Iterable[ParameterDef] | Mapping[str, Any] | None = None,
    batched: bool = False,
    energies: Energies = "centres",
    per: Per = "bin",
    depends: Iterable[str] = (),
) -> Any:
    """Decorator: makes a function a component that expressions can name.

    Parameters
    ----------
    function : callable
        ``f(energy, par1, par2, ...) -> [n]``, called with floats for one set of parameters; with ``batched``
        ``f(energy, pars[B, P]) -> [B, n]``. A convolution takes the spectrum it acts on after the energies, or after
        the parameters if batched: ``f(energy, flux[n], par1, ...)``, ``f(energy, pars[B, P], flux[B, n])``. An
        argument named ``context``, last or by keyword only, is given the `Context` of the spectrum.
    name : str, optional
        Name of the component; that of the function by default.
    kind : {"add", "mul", "con"}
        Additive (for norm 1; the norm is added by Wolter), multiplicative (factor) or convolution.
    parameters : sequence of ParameterDef or mapping, optional
        Made with `param`, or name to default or to ``(default, low, high)`` or ``(default, low, high, unit)``.
        Without it the arguments of the function with their defaults are taken.
    batched : bool
        Whether the function takes all sets of parameters at once, which is faster.
    energies : {"centres", "edges"}
        Whether the function is called with the n bin centres or the n + 1 bin edges, in keV.
    per : {"bin", "keV"}
        Whether an additive function returns photons/cm²/s in each bin or photons/cm²/s/keV at the energies given
        (then Wolter integrates: mid-point rule for centres, trapezoidal rule for edges).
    depends : iterable of str
        What of the context the value depends on: "stokes", "xflt", "abund", "xsect", "cosmo", "atomdb". A function with
        an argument ``context`` and no ``depends`` is taken to depend on all.

    Returns
    -------
    callable
        The function, unchanged.

    Raises
    ------
    ModelError
        For a name that is taken by a native component or impossible, a number of arguments that does not fit the
        parameters, limits out of order, an unknown kind or option.

    Warns
    -----
    WolterWarning
        When the name was registered before, or hides a component of XSPEC's library.
    """

    def wrap(f: F) -> F:
        own = name or getattr(f, "__name__", "")
        if kind not in ("add", "mul", "con"):
            raise ModelError(f"component {own!r} has the unknown kind {kind!r}", cure="Choose add, mul or con.")
        if energies not in ("centres", "edges") or per not in ("bin", "keV"):
            raise ModelError(
                f"component {own!r} has an unknown option", cure="energies is 'centres' or 'edges', per 'bin' or 'keV'."
            )
        if per == "keV" and kind != "add":
            raise ModelError(f"component {own!r} is not additive, so it cannot give values per keV")
        signature = _signature(own, f)
        definitions = _definitions(own, signature, parameters, batched, kind)
        _check_arity(own, signature, len(definitions), batched, kind)
        uses_context = "context" in signature.parameters
        wanted = frozenset(depends) or (_CONTEXT_FIELDS if uses_context else frozenset())
        if wanted - _CONTEXT_FIELDS:
            raise ModelError(
                f"component {own!r} depends on the unknown {', '.join(sorted(wanted - _CONTEXT_FIELDS))}",
                cure=f"Known are {', '.join(sorted(_CONTEXT_FIELDS))}.",
            )
        doc = (f.__doc__ or "").strip().split("\n")[0] or f"{KIND_WORDS[kind]} component written in Python".capitalize()
        names = tuple(p.name for p in definitions)
        call = UserFunction(own, cast(Kind, kind), f, names, batched, energies, per, uses_context)
        _register(ComponentDef(own, cast(Kind, kind), definitions, call, depends=wanted, origin="python", doc=doc))
        return f

    return wrap if function is None else wrap(function)


def _signature(name: str, function: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError) as exc:
        raise ModelError(f"component {name!r} is not made of a function whose arguments can be seen") from exc


def _definitions(
    name: str,
    signature: inspect.Signature,
    given: Iterable[ParameterDef] | Mapping[str, Any] | None,
    batched: bool,
    kind: str,
) -> tuple[ParameterDef, ...]:
    if isinstance(given, Mapping):
        return tuple(_from_pair(str(key), value) for key, value in given.items())
    if given is not None:
        out = tuple(given)
        if not all(isinstance(p, ParameterDef) for p in out):
            raise ModelError(
                f"parameters of component {name!r} are not definitions",
                cure="Make them with wolter.models.param(name, default, limits), or give a mapping.",
            )
        return out
    if batched:
        raise ModelError(f"component {name!r} does not say what its parameters are", cure="Give parameters=...")
    arguments = [p for p in signature.parameters.values() if p.name != "context" and p.kind <= p.POSITIONAL_OR_KEYWORD]
    out = []
    for argument in arguments[2 if kind == "con" else 1 :]:
        if argument.default is argument.empty:
            raise ModelError(
                f"argument {argument.name!r} of component {name!r} has no default value",
                cure=f"Write {argument.name}=1.0, or give parameters=...",
            )
        out.append(param(argument.name, argument.default))
    return tuple(out)


def _from_pair(name: str, value: Any) -> ParameterDef:
    if isinstance(value, tuple | list):
        numbers = [v for v in value if not isinstance(v, str)]
        unit = next((v for v in value if isinstance(v, str)), "")
        if len(numbers) not in (1, 3, 5):
            raise ModelError(
                f"parameter {name} is described by {len(numbers)} numbers",
                cure="Give the default, or the default with two or four limits.",
            )
        return param(name, numbers[0], numbers[1:] or None, unit=unit)
    return param(name, value)


def _check_arity(name: str, signature: inspect.Signature, count: int, batched: bool, kind: str) -> None:
    """Raises ModelError unless the function can be called as `UserFunction` will call it."""
    arguments = [None] * (2 if batched else 1 + count) + [None] * (kind == "con")
    keywords = {"context": None} if "context" in signature.parameters else {}
    try:
        signature.bind(*arguments, **keywords)
    except TypeError as exc:
        flux = "flux, " if kind == "con" else ""
        form = f"(energy, pars{', flux' if flux else ''})" if batched else f"(energy, {flux}{count} parameters)"
        raise ModelError(
            f"component {name!r} has {count} parameters but its function does not fit: {exc}",
            cure=f"It is called as {name}{form}.",
        ) from exc


def _register(definition: ComponentDef) -> None:
    key = definition.name.lower()
    if key.startswith(PREFIX):
        raise ModelError(
            f"{definition.name!r} cannot be the name of a component",
            cure=f"The beginning {PREFIX} stands for XSPEC's library.",
        )
    before = registry._REGISTERED.get(key)
    if before is not None and before.origin == "python":
        _warn(f"component {before.name!r} is defined again; models made before keep the earlier definition")
    elif not registry.is_native(key) and _in_xspec(key):
        _warn(f"component {definition.name!r} hides that of XSPEC's library, which is still there as xspec_{key}")
    registry.register(definition)


def _in_xspec(key: str) -> bool:
    from wolter.models.xspec_names import XSPEC_NAMES

    return any(key == name.lower() for name in XSPEC_NAMES)


def _warn(message: str) -> None:
    warn(message)


def unregister(name: str) -> None:
    """Forget a component of one's own; models made with it go on working.

    Raises
    ------
    ModelError
        If no Python component has this name.
    """
    key = name.strip().lower()
    found = registry._REGISTERED.get(key)
    if found is None or found.origin != "python":
        known = [d.name for d in registry._REGISTERED.values() if d.origin == "python"]
        raise ModelError(f"there is no Python component {name!r}", cure=suggest(name, known) or None)
    for alias in (found.name, *found.aliases):
        registry._REGISTERED.pop(alias.lower(), None)


@contextmanager
def component_scope() -> Iterator[None]:
    """Context in which components may be registered that are gone afterwards; earlier ones of their names come back."""
    before = {k: d for k, d in registry._REGISTERED.items() if d.origin == "python"}
    try:
        yield
    finally:
        for key in [k for k, d in registry._REGISTERED.items() if d.origin == "python"]:
            del registry._REGISTERED[key]
        registry._REGISTERED.update(before)
