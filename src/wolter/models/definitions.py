"""What a spectral component is: its parameters, its function and what the function depends on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from wolter.errors import ModelError
from wolter.models.settings import Settings

__all__ = [
    "NORM",
    "ComponentDef",
    "ComponentFunction",
    "Context",
    "Kind",
    "ParameterDef",
    "par",
    "scale_par",
    "switch_par",
]

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]
Kind = Literal["add", "mul", "con", "mix"]
ComponentFunction = Callable[..., Array]
"""``f(edges[n + 1], pars[B, P], ctx) -> [B, n]``; a convolution takes ``flux[B, n]`` as fourth argument."""

KIND_WORDS: dict[str, str] = {
    "add": "additive",
    "mul": "multiplicative",
    "con": "convolution",
    "mix": "mixing",
}


@dataclass(frozen=True, slots=True)
class ParameterDef:
    """Definition of one parameter: XSPEC's name, unit, default, step and limits.

    Parameters
    ----------
    name, unit : str
        As XSPEC spells them; the unit is empty for a pure number.
    default : float
        Value a fresh model has.
    delta : float
        Step for numerical derivatives, positive.
    hard_min, soft_min, soft_max, hard_max : float
        Limits, in ascending order; a fit stays inside the hard ones.
    frozen : bool
        Whether a fresh model has it fixed.
    period : float, optional
        Period of a cyclic parameter in its own unit: values that differ by it give the same model.
    kind : {"par", "switch", "scale"}
        A switch or a scale is set by the user and never fitted.
    """

    name: str
    unit: str
    default: float
    delta: float
    hard_min: float
    soft_min: float
    soft_max: float
    hard_max: float
    frozen: bool = False
    period: float | None = None
    kind: Literal["par", "switch", "scale"] = "par"

    def __post_init__(self) -> None:
        if not (self.hard_min <= self.soft_min <= self.soft_max <= self.hard_max):
            raise ModelError(f"limits of parameter {self.name} are not in ascending order")
        if not self.hard_min <= self.default <= self.hard_max:
            raise ModelError(f"default {self.default} of parameter {self.name} is outside its limits")
        if self.delta < 0:
            raise ModelError(f"step {self.delta} of parameter {self.name} is negative")


def par(
    name: str,
    unit: str,
    default: float,
    hard_min: float,
    soft_min: float,
    soft_max: float,
    hard_max: float,
    delta: float,
    *,
    period: float | None = None,
) -> ParameterDef:
    """Fit parameter in the order of XSPEC's model.dat; a negative delta means frozen by default."""
    return ParameterDef(
        name, unit, default, abs(delta), hard_min, soft_min, soft_max, hard_max, frozen=delta < 0, period=period
    )


def scale_par(name: str, unit: str, default: float, lo: float, hi: float) -> ParameterDef:
    """Scale parameter (``*`` in model.dat): set by the user, never fitted; the limits are ours, XSPEC has none."""
    return ParameterDef(name, unit, default, 0.0, lo, lo, hi, hi, frozen=True, kind="scale")


def switch_par(name: str, default: int, lo: int, hi: int) -> ParameterDef:
    """Switch parameter (``$`` in model.dat): chooses between variants, never fitted."""
    return ParameterDef(name, "", default, 0.0, lo, lo, hi, hi, frozen=True, kind="switch")


NORM = par("norm", "", 1.0, 0.0, 0.0, 1e20, 1e24, 0.01)
"""The normalisation that every additive component has as its last parameter."""


@dataclass(frozen=True)
class ComponentDef:
    """A spectral component.

    Parameters
    ----------
    name : str
        XSPEC's name in XSPEC's case.
    kind : {"add", "mul", "con", "mix"}
        Additive (photons/cm²/s per bin for norm 1), multiplicative (factor per bin), convolution or mixing.
    parameters : tuple of ParameterDef
        In XSPEC's order, without the norm of an additive component.
    function : callable
        ``f(edges[n + 1], pars[B, P], ctx)`` with ascending energies in keV and ``ctx`` a `Context`, returns
        float64 ``[B, n]`` (``[B, 1]`` if `scalar`). A convolution is called with a fourth argument, the spectrum
        ``[B, n]`` it acts on; a mixing component with the Stokes I, Q and U spectra ``[3, B, n]`` of the same source,
        of which it returns that of the context. Rows are independent; the function is pure.
    aliases : tuple of str
        Further names.
    depends : frozenset of str
        Fields of the context the value depends on, of ``"stokes"``, ``"xflt"``, ``"abund"``, ``"xsect"``,
        ``"cosmo"``, ``"atomdb"``.
    scalar : bool
        The factor does not depend on energy.
    padding : callable, optional
        Of a convolution: ``padding(lo_kev, hi_kev, pars[B, P]) -> (lo_kev, hi_kev)``, the wider range on which its
        operand has to be known for the result to be right on the range given.
    origin : str
        "native", "table", "python" or "XSPEC library".
    doc : str
        One line: what it is.
    text : str
        How it is written in an expression, if not by its name (table models).
    """

    name: str
    kind: Kind
    parameters: tuple[ParameterDef, ...]
    function: ComponentFunction
    aliases: tuple[str, ...] = ()
    depends: frozenset[str] = frozenset()
    scalar: bool = False
    padding: Callable[[float, float, Array], tuple[float, float]] | None = None
    origin: str = "native"
    doc: str = ""
    text: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KIND_WORDS:
            raise ModelError(f"component {self.name} has the unknown kind {self.kind!r}")
        names = [p.name.lower() for p in self.parameters]
        if len(set(names)) != len(names):
            raise ModelError(f"component {self.name} has two parameters of the same name")

    @property
    def all_parameters(self) -> tuple[ParameterDef, ...]:
        """Parameters in XSPEC's numbering: with the norm at the end if the component is additive."""
        return (*self.parameters, NORM) if self.kind == "add" else self.parameters

    @property
    def defaults(self) -> Array:
        """Default values [P] of `parameters` (without norm)."""
        return np.array([p.default for p in self.parameters], dtype=float)

    def __repr__(self) -> str:
        return f"<{KIND_WORDS[self.kind]} component {self.name}>"


@dataclass(frozen=True)
class Context:
    """What the value of a component depends on beside its parameters.

    Parameters
    ----------
    stokes : int
        0, 1, 2 for a spectrum of Stokes I, Q, U.
    xflt : mapping
        XFLTnnnn keys of the spectrum with their values.
    settings : Settings
        Abundances, cross-sections, cosmology, AtomDB.
    """

    stokes: int = 0
    xflt: Mapping[str, float] = field(default_factory=dict, hash=False)
    settings: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        if self.stokes not in (0, 1, 2):
            raise ModelError(f"Stokes index {self.stokes!r} is not 0 (I), 1 (Q) or 2 (U)")

    @classmethod
    def of_spectrum(cls, xflt: Mapping[str, float], settings: Settings | None = None) -> Context:
        """Context of a spectrum from its XFLT keys: ``Stokes`` (case ignored) gives the Stokes index, else 0."""
        stokes = next((v for k, v in xflt.items() if k.lower() == "stokes"), 0)
        return cls(int(stokes), dict(xflt), settings or Settings())

    def key(self, depends: frozenset[str]) -> tuple[Any, ...]:
        """Hashable part of the context that a component with these dependencies sees."""
        out: list[Any] = []
        for name in sorted(depends):
            if name == "stokes":
                out.append(self.stokes)
            elif name == "xflt":
                out.append(tuple(sorted(self.xflt.items())))
            else:
                out.append(getattr(self.settings, name))
        return tuple(out)
