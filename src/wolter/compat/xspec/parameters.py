"""Parameters and components of models."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from wolter.compat.xspec import links
from wolter.compat.xspec.errors import XspecError
from wolter.compat.xspec.session import NO_ERROR, SESSION, ModelEntry
from wolter.errors import ParameterError

if TYPE_CHECKING:
    from wolter.models.parameter import Parameter as EngineParameter

__all__ = ["Component", "Parameter"]


class Parameter:
    """A parameter of a model.

    Attributes
    ----------
    values : list of float
        Value, fit delta (negative: frozen), hard minimum, soft minimum, soft maximum, hard maximum; only the value
        for switches and scales. What is returned is a copy: ``values[0] = x`` changes nothing. Set it with a number, a
        sequence or a string.
    link : str
        ``"= p1"`` or empty; settable.
    frozen : bool
        Settable.
    error : tuple
        Lower bound, upper bound, nine status letters, of the last Fit.error.
    sigma : float
        Of the last fit.
    """

    def __init__(self, entry: ModelEntry, group: int, number: int) -> None:
        self._entry, self._group, self._number = entry, group, number
        self._refused = False

    @property
    def _position(self) -> int:
        return (self._group - 1) * self._entry.table.width + self._number - 1

    @property
    def _engine(self) -> EngineParameter:
        if self._position >= len(self._entry.table.parameters):
            raise XspecError("Error: the parameter belongs to a data group that is gone")
        return self._entry.table.parameters[self._position]

    @property
    def _fixed(self) -> bool:
        return self._engine.kind != "par"

    @property
    def name(self) -> str:
        return self._engine.name

    @property
    def unit(self) -> str:
        return self._engine.unit

    @property
    def index(self) -> int:
        return self._number

    @property
    def values(self) -> list[float]:
        p = self._engine
        if p.tie is not None:
            self._entry.table.refresh()
        if self._fixed:
            return [p.value]
        delta = self._delta()
        sign = -1.0 if self.frozen else 1.0
        return [p.value, sign * delta, p.hard_min, p.soft_min, p.soft_max, p.hard_max]

    def _delta(self) -> float:
        p = self._engine
        share = SESSION.options.delta
        return abs(p.value) * share if share > 0 and p.value != 0 else p.delta

    @values.setter
    def values(self, given: Any) -> None:
        self._refused = False
        self._assign(given)
        _after(self._entry, stale=self._refused)

    def _assign(self, given: Any) -> None:
        """Set value, delta and limits; a value outside the limits is reported and nothing is changed."""
        if isinstance(given, Parameter):
            given = given.values[0]
        if isinstance(given, str) and given.strip().startswith("="):
            self._link(given)
            return
        fields = _fields(given)
        p = self._engine
        limits = [p.hard_min, p.soft_min, p.soft_max, p.hard_max]
        value = p.value if fields[0] is None else fields[0]
        new = [old if f is None else f for old, f in zip(limits, fields[2:], strict=True)]
        if self._fixed:
            new = limits
        if not new[0] <= value <= new[3]:
            SESSION.out(f"***Error: Desired Value {value:g} is outside hard range {new[0]:g} - {new[3]:g}")
            SESSION.out(" Re-enter parameter value, delta, min, bot, top, and max values for ...")
            numbers = f"{p.value:15.6g}{p.delta:11g}({self._delta():10.4g})" + "".join(f"{v:11g}" for v in limits)
            SESSION.out(numbers)
            self._refused = True
            return
        if any(f is not None for f in fields[2:]) and not self._fixed:
            new[1], new[2] = max(new[1], new[0]), min(new[2], new[3])
            if not new[0] <= new[1] <= new[2] <= new[3]:
                SESSION.out(f"***Error: parameter limits {new} are not in order")
                return
            p._hard_min, p.soft_min, p.soft_max, p._hard_max = new
        linked, default_frozen = p.tie is not None, p.definition.frozen
        p.value = value
        delta = fields[1]
        if linked and delta is None and not self._fixed and not default_frozen:
            p.frozen = False
        if delta is not None and not self._fixed:
            p.frozen = delta <= 0
            p.delta = abs(delta) or p.delta

    @property
    def link(self) -> str:
        tie = self._engine.tie
        return "" if tie is None else links.shown_text(tie, self._entry.name)

    @link.setter
    def link(self, text: str | Parameter | None) -> None:
        if isinstance(text, Parameter):
            same = text._entry is self._entry
            text = f"{'' if same else (text._entry.name or 'unnamed') + ':'}p{text._position + 1}"
        if text is None or not text.strip():
            self._untie()
        else:
            self._link(text)
        _after(self._entry)

    def _link(self, text: str) -> None:
        before = self._engine.tie
        try:
            SESSION.join()  # ties may name parameters of other models
            count = len(self._entry.table.parameters)
            self._engine.tie = links.engine_text(text, self._entry.name or "unnamed", count)
        except (ValueError, ParameterError) as error:
            self._engine.tie = before
            SESSION.out(f"***XSPEC Error: {_link_problem(text, error)}")
            SESSION.out("***XSPEC Error: Invalid link expression:  - ignored")
            return
        with contextlib.suppress(ParameterError):
            self._entry.table.refresh()

    def _untie(self) -> None:
        """Remove the link; a copy of a frozen parameter is frozen."""
        self._entry.table.refresh()
        p = self._engine
        if p.tie is not None and p.tie[:1] == "p" and p.tie[1:].isdigit() and not self._fixed:
            p.frozen = self._entry.table.parameters[int(p.tie[1:]) - 1].frozen
        p.tie = None

    def untie(self) -> None:
        """Remove the link; the value stays."""
        self.link = ""

    @property
    def frozen(self) -> bool:
        p = self._engine
        return p.frozen and (p.tie is None or self._fixed)

    @frozen.setter
    def frozen(self, value: bool) -> None:
        if value != self._engine.frozen:
            if not value and self._fixed:
                SESSION.out(f"***Warning: {self.name} is a {self._engine.kind} and cannot be thawed")
                return
            self._engine.frozen = bool(value)
        _after(self._entry)

    @property
    def sigma(self) -> float:
        return -1.0 if self._fixed else self._entry.sigma.get(self._position, 0.0)

    @property
    def error(self) -> tuple[float, float, str]:
        return (0.0, 0.0, "") if self._fixed else self._entry.errors.get(self._position, NO_ERROR)

    @property
    def prior(self) -> list[Any]:
        """Kind of the Bayesian prior and its hyperparameters."""
        return list(self._entry.priors.get(self._position, ["CONS"]))

    @prior.setter
    def prior(self, text: Any) -> None:
        words = str(text).replace(",", " ").split()
        kind = words[0].upper()
        known = ("CONS", "EXP", "JEFFREYS", "GAUSS")
        full = next((k for k in known if k.startswith(kind)), None)
        if full is None:
            raise XspecError(f"Error: unknown prior {words[0]}")
        self._entry.priors[self._position] = [full, *map(float, words[1:])]
        SESSION.apply_priors()
        _after(self._entry)

    def __float__(self) -> float:
        return float(self.values[0])

    def __add__(self, other: Any) -> float:
        return float(self) + float(other)

    def __sub__(self, other: Any) -> float:
        return float(self) - float(other)

    def __mul__(self, other: Any) -> float:
        return float(self) * float(other)

    def __truediv__(self, other: Any) -> float:
        return float(self) / float(other)

    def __rsub__(self, other: Any) -> float:
        return float(other) - float(self)

    def __rtruediv__(self, other: Any) -> float:
        return float(other) / float(self)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> float:
        return -float(self)

    def __repr__(self) -> str:
        return f"<Parameter {self._engine.full_name} {self.values[0]:g}{' ' + self.link if self.link else ''}>"


def _link_problem(text: str, error: Exception) -> str:
    """Why a link is impossible, in XSPEC's words where it has some."""
    cause = str(getattr(error, "cause", None) or error)
    if "circle" in cause:
        return "Invalid link expression:  Attempt to link parameter to itself"
    if "there is no parameter" in cause:
        number = cause.split("there is no parameter ")[1].split()[0].rstrip(".")
        return f"Invalid link expression: No matching parameter for parameter reference p{number} in link expression."
    if "missing at the end" in cause:
        return f"Parse Error: Cannot end an expression with a {text.strip()[-1]}"
    return f"Parse Error: {cause}"


def _fields(given: Any) -> list[float | None]:
    """Value, delta and limits of whatever the user gave; None for what is left out."""
    if isinstance(given, str):
        parts: list[Any] = []  # blanks and commas divide; nothing between two commas leaves a value as it is
        for field in given.split(","):
            parts += field.split() or [""]
    elif isinstance(given, list | tuple):
        parts = list(given)
    elif getattr(given, "ndim", 0) == 1:  # an array
        parts = given.tolist()
    else:
        parts = [given]
    if len(parts) > 6:
        raise XspecError(f"Error: a parameter has six values, not {len(parts)}")
    try:
        out = [None if p is None or p == "" else float(p) for p in parts]
    except (TypeError, ValueError):
        raise XspecError(f"Error: Improper parameter value: {given!r}") from None
    return out + [None] * (6 - len(out))


def _after(entry: ModelEntry, *, stale: bool = False) -> None:
    """What XSPEC does after a parameter was changed."""
    from wolter.compat.xspec import show

    if SESSION.options.renorm == "auto" and entry.active and SESSION.ready():
        SESSION.engine().renorm()
    show.fit_lines(stale=stale)


class Component:
    """A component of a model; its parameters are attributes: ``m.powerlaw.PhoIndex = 2``."""

    def __init__(self, entry: ModelEntry, group: int, number: int) -> None:
        self.__dict__.update(_entry=entry, _group=group, _number=number)

    _entry: ModelEntry
    _group: int
    _number: int

    @property
    def _engine(self) -> Any:
        return self._entry.table.models[self._group - 1].components[self._number - 1]

    @property
    def name(self) -> str:
        """Full name, with the number of the component if it is not the first of its kind."""
        return self._engine.label

    @property
    def parameterNames(self) -> list[str]:
        """Names of the parameters, in order."""
        return [p.name for p in self._engine.parameters]

    def _parameter(self, name: str) -> Parameter:
        for p in self._engine.parameters:
            if p.name == name or _identifier(p.name) == name:
                return Parameter(self._entry, self._group, p.index)
        for p in self._engine.parameters:
            if p.name.lower() == name.lower():
                return Parameter(self._entry, self._group, p.index)
        raise AttributeError(f"Component {self.name!r} has no parameter {name!r}; it has {self.parameterNames}")

    def __getattr__(self, name: str) -> Parameter:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._parameter(name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._parameter(name).values = value

    def __dir__(self) -> list[str]:
        return [*object.__dir__(self), *self.parameterNames]

    def __repr__(self) -> str:
        return f"<Component {self.name}: {', '.join(self.parameterNames)}>"


def _identifier(name: str) -> str:
    """Attribute for a parameter whose name is no identifier (``r_br/g``)."""
    return "".join(c if c.isalnum() or c == "_" else "_" for c in name)
