"""One parameter of a model: value, step, limits, frozen or free, tied or not."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from wolter.errors import ParameterError
from wolter.models.definitions import ParameterDef
from wolter.units import is_quantity, to_value

__all__ = ["Parameter"]

# XSPEC writes column densities in a way of its own
_UNITS = {"10^22": "1e22 cm-2", "10^20": "1e20 cm-2", "10^-22": "1e-22 cm-2", "": ""}


class Parameter:
    """A parameter with XSPEC's attributes.

    Parameters
    ----------
    definition : ParameterDef
        Name, unit, default, step, limits, period.
    component : str
        Label of its component, with the component's number if it is not the first of that name ("powerlaw_4").
    index : int
        Number in the model, from one.

    Attributes
    ----------
    value : float
        Assigning a value unties the parameter. A Quantity is converted to `unit`.
    delta : float
        Step for numerical derivatives where the value is zero.
    hard_min, soft_min, soft_max, hard_max : float
        A fit stays inside the hard limits.
    frozen : bool
        Not fitted.
    tie : str or None
        Expression that the value follows, e.g. ``"2*p3 + 1"``.
    period : float or None
        Values that differ by it mean the same.
    """

    __slots__ = (
        "_check_tie",
        "_frozen",
        "_hard_max",
        "_hard_min",
        "_on_change",
        "_tie",
        "_value",
        "component",
        "definition",
        "delta",
        "index",
        "period",
        "soft_max",
        "soft_min",
    )

    def __init__(self, definition: ParameterDef, component: str, index: int) -> None:
        self.definition = definition
        self.component = component
        self.index = index
        self.delta = definition.delta
        self.period = definition.period
        self.soft_min, self.soft_max = definition.soft_min, definition.soft_max
        self._hard_min, self._hard_max = definition.hard_min, definition.hard_max
        self._value = definition.default
        self._frozen = definition.frozen
        self._tie: str | None = None
        self._on_change: Callable[[], None] | None = None
        self._check_tie: Callable[[Parameter, str], str] | None = None

    @property
    def name(self) -> str:
        """XSPEC's name, without the component."""
        return self.definition.name

    @property
    def full_name(self) -> str:
        """Component and name, e.g. ``"powerlaw.PhoIndex"``."""
        return f"{self.component}.{self.definition.name}"

    @property
    def unit(self) -> str:
        """Unit as XSPEC writes it."""
        return self.definition.unit

    @property
    def kind(self) -> str:
        """ "par", or "switch" or "scale" for one that is never fitted."""
        return self.definition.kind

    def _changed(self) -> None:
        if self._on_change is not None:
            self._on_change()

    @property
    def value(self) -> float:
        """Value in `unit`; of a tied parameter the one it had when last evaluated."""
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        number = self._number(value)
        self._check(number, self._hard_min, self._hard_max)
        self._tie = None
        self._value = number
        self._changed()

    def _number(self, value: Any) -> float:
        if is_quantity(value):
            return float(to_value(value, _UNITS.get(self.unit, self.unit), self.full_name))
        try:
            return float(value)
        except (TypeError, ValueError):
            raise ParameterError(
                f"value {value!r} of parameter {self.full_name} is not a number",
                cure="Ties are set with .tie or tie().",
            ) from None

    def _check(self, number: float, lo: float, hi: float) -> None:
        if not math.isfinite(number):
            raise ParameterError(f"value {number} of parameter {self.full_name} is not finite")
        if not lo <= number <= hi:
            unit = f" {self.unit}" if self.unit else ""
            raise ParameterError(
                f"value {number:g} of parameter {self.full_name} is outside its limits {lo:g} to {hi:g}{unit}",
                cure="Choose a value inside, or widen the limits first.",
            )

    @property
    def hard_min(self) -> float:
        """Lower hard limit; see `set_limits`."""
        return self._hard_min

    @property
    def hard_max(self) -> float:
        """Upper hard limit; see `set_limits`."""
        return self._hard_max

    def set_limits(
        self,
        hard_min: float | None = None,
        hard_max: float | None = None,
        *,
        soft_min: float | None = None,
        soft_max: float | None = None,
    ) -> None:
        """Change limits; those not given stay, soft ones are moved inside the hard ones.

        Raises
        ------
        ParameterError
            If they are not in ascending order or the value lies outside.
        """
        lo = self._hard_min if hard_min is None else self._number(hard_min)
        hi = self._hard_max if hard_max is None else self._number(hard_max)
        bottom = min(max(self.soft_min, lo), hi) if soft_min is None else self._number(soft_min)
        top = max(min(self.soft_max, hi), lo) if soft_max is None else self._number(soft_max)
        if not lo <= bottom <= top <= hi:
            raise ParameterError(
                f"limits {lo:g}, {bottom:g}, {top:g}, {hi:g} of parameter {self.full_name} are not in ascending order"
            )
        self._check(self._value, lo, hi)
        self._hard_min, self.soft_min, self.soft_max, self._hard_max = lo, bottom, top, hi
        self._changed()

    @property
    def frozen(self) -> bool:
        """Whether a fit leaves it alone; always so for a switch or a scale."""
        return self._frozen

    @frozen.setter
    def frozen(self, value: bool) -> None:
        if not value and self.kind != "par":
            raise ParameterError(f"parameter {self.full_name} is a {self.kind} and cannot be fitted")
        self._frozen = bool(value)
        self._changed()

    @property
    def tie(self) -> str | None:
        """Expression the value follows, or None."""
        return self._tie

    @tie.setter
    def tie(self, expression: str | None) -> None:
        if expression is None or not expression.strip():
            self._tie = None
        else:
            text = expression.strip().removeprefix("=").strip()
            self._tie = self._check_tie(self, text) if self._check_tie is not None else text
        self._changed()

    @property
    def free(self) -> bool:
        """Whether a fit varies it: neither frozen nor tied."""
        return self._tie is None and not self._frozen

    @property
    def cyclic(self) -> bool:
        """Whether the limits leave a whole period open, so that passing one of them is no obstacle."""
        return self.period is not None and self._hard_max - self._hard_min >= self.period * (1 - 1e-12)

    def copy_state(self, other: Parameter) -> None:
        """Take over value, step, limits, frozen and tie of another parameter of the same definition."""
        self.delta, self.period = other.delta, other.period
        self.soft_min, self.soft_max = other.soft_min, other.soft_max
        self._hard_min, self._hard_max = other._hard_min, other._hard_max
        self._value, self._frozen, self._tie = other._value, other._frozen, other._tie
        self._changed()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready state."""
        return {
            "name": self.full_name,
            "unit": self.unit,
            "value": self._value,
            "delta": self.delta,
            "limits": [self._hard_min, self.soft_min, self.soft_max, self._hard_max],
            "frozen": self._frozen,
            "tie": self._tie,
        }

    def __float__(self) -> float:
        return self._value

    def __repr__(self) -> str:
        state = f" = {self._tie}" if self._tie else " frozen" if self._frozen else ""
        unit = f" {self.unit}" if self.unit else ""
        return f"<Parameter {self.full_name} {self._value:g}{unit}{state}>"
