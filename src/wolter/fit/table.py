"""Parameters of all data groups of a fit: numbering, names, ties, and the way from free values to all values."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wolter.errors import FitError, ParameterError
from wolter.models.model import Model, find_component, find_parameter
from wolter.models.parameter import Parameter
from wolter.models.tie import Tie, TieSystem, parse_tie

__all__ = ["FreeParameters", "ParameterTable"]

Array = npt.NDArray[np.float64]
_GROUP = re.compile(r"\s*(\d+)\s*:\s*(.+)")
_OTHER_MODEL = re.compile(r"\b\w+\.p\d+\b")


class ParameterTable:
    """One copy of a model per data group, with XSPEC's numbering.

    Parameter i of group g has the number ``(g - 1) * P + i``; in the beginning the parameters of all groups but the
    first are tied to those of the first.

    Parameters
    ----------
    model : Model
        Is copied.
    n_groups : int
        Number of data groups.
    """

    def __init__(self, model: Model, n_groups: int) -> None:
        self.models = tuple(model.copy() for _ in range(n_groups))
        self.width = len(model.parameters)
        self.parameters: tuple[Parameter, ...] = tuple(p for m in self.models for p in m.parameters)
        self._free: FreeParameters | None = None
        self.version = 0
        self.owner: ParameterTable | None = None  # the table of a fit with several models, if this is one of them
        base = [parse_tie(p.tie, self._resolver(1)) if p.tie else None for p in self.models[0].parameters]
        TieSystem([*base, *[None] * (self.width * (n_groups - 1))], self.names)
        for position, parameter in enumerate(self.parameters):
            parameter._on_change = self._changed
            parameter._check_tie = self._accept_tie
            if position >= self.width:
                parameter._tie = f"p{position % self.width + 1}"

    def _changed(self) -> None:
        self._free = None
        self.version += 1

    # -- names ----------------------------------------------------------------------------------------------------

    @property
    def n_groups(self) -> int:
        """Number of data groups."""
        return len(self.models)

    @property
    def names(self) -> list[str]:
        """Name of each parameter; beyond the first group with the group in front: ``"2:constant.factor"``."""
        return [self.label(i) for i in range(len(self.parameters))]

    def label(self, position: int) -> str:
        """Name of the parameter at a position (from zero)."""
        group = position // self.width + 1
        name = self.parameters[position].full_name
        return name if group == 1 else f"{group}:{name}"

    def group(self, position: int) -> int:
        """Data group (from one) of the parameter at a position."""
        return position // self.width + 1

    def find(self, name: str | int) -> int:
        """Position (from zero) of a parameter.

        Parameters
        ----------
        name : str or int
            XSPEC's number over all groups, ``"p9"``, ``"powerlaw.PhoIndex"`` (group 1), ``"2:constant.factor"``,
            ``"2:p1"`` (first of group 2), or a name without component if it is unique.

        Raises
        ------
        ParameterError
            For an unknown name, with the nearest ones.
        """
        return self._find(name, 1)

    def _find(self, name: str | int, group: int) -> int:
        if isinstance(name, str) and (match := _GROUP.fullmatch(name)):
            group, name = int(match[1]), match[2]
            if not 1 <= group <= self.n_groups:
                raise ParameterError(f"there is no data group {group}", cure=f"Groups go from 1 to {self.n_groups}.")
            return (group - 1) * self.width + find_parameter(name, self.models[0].components)
        number = _as_number(name)
        if number is not None:
            if not 1 <= number <= len(self.parameters):
                raise ParameterError(
                    f"there is no parameter {number}", cure=f"Numbers go from 1 to {len(self.parameters)}."
                )
            return number - 1
        assert isinstance(name, str)
        return (group - 1) * self.width + find_parameter(name, self.models[0].components)

    def find_all(self, name: str | int) -> list[int]:
        """Positions of a parameter or, for a component's name, of all its parameters."""
        if isinstance(name, str) and "." not in name and _as_number(name) is None:
            group, bare = (int(m[1]), m[2]) if (m := _GROUP.fullmatch(name)) else (1, name)
            names = {p.name.lower() for p in self.models[0].parameters}
            if bare.lower() not in names:
                try:
                    component = find_component(bare, self.models[0].components)
                except ParameterError:
                    return [self.find(name)]  # whose message knows parameters and components
                return [self._find(f"{group}:{p.full_name}", group) for p in component.parameters]
        return [self.find(name)]

    def __getitem__(self, name: str | int) -> Parameter:
        return self.parameters[self.find(name)]

    # -- ties -----------------------------------------------------------------------------------------------------

    def _resolver(self, group: int):
        return lambda name: self._find(name, group)

    def _accept_tie(self, parameter: Parameter, text: str) -> str:
        position = self.parameters.index(parameter)
        ties = self._parse_all()
        ties[position] = parse_tie(text, self._resolver(self.group(position)))
        TieSystem(ties, self.names)
        return text

    def _parse_all(self) -> list[Tie | None]:
        out: list[Tie | None] = []
        for position, parameter in enumerate(self.parameters):
            text = parameter.tie
            if text is None:
                out.append(None)
            elif text[0] == "p" and text[1:].isdigit():  # by far the most frequent
                out.append(Tie(text, (int(text[1:]) - 1,), None))
            elif _OTHER_MODEL.search(text):  # its value is the owner's affair
                out.append(Tie(text, (), lambda p=parameter: p._value))
            else:
                out.append(parse_tie(text, self._resolver(self.group(position))))
        return out

    def free_by_group(self, name: str | int) -> list[str]:
        """Give each data group its own value of a parameter.

        The ties of groups 2, 3 … are cut. A constant factor in front of the whole model is degenerate with its norms:
        the first group's is frozen, so that it is the reference of the others.

        Returns
        -------
        list of str
            What was frozen.
        """
        position = self.find(name) % self.width
        for group in range(1, self.n_groups):
            parameter = self.parameters[group * self.width + position]
            parameter.tie = None
            if parameter.kind == "par":
                parameter.frozen = False
        first = self.parameters[position]
        owner = next(c for c in self.models[0].components if c.label == first.component)
        degenerate = owner.definition.scalar and not owner.definition.depends and self.n_groups > 1
        if degenerate and first.free:
            first.frozen = True
            return [first.full_name]
        return []

    # -- values ---------------------------------------------------------------------------------------------------

    @property
    def free(self) -> FreeParameters:
        """The present free parameters; remade after any change of a value, a tie or a freeze."""
        if self._free is None:
            self._free = FreeParameters.of(self)
        return self._free

    def store(self, values: Array) -> None:
        """Put values of the free parameters back; tied ones follow."""
        free = self.free
        row = free.expand(np.asarray(values, dtype=float)[None])[0]
        for parameter, value in zip(self.parameters, row.tolist(), strict=True):
            parameter._value = value
        self.version += 1
        free.base[:] = row
        free.start[:] = row[free.positions]

    def refresh(self) -> Array:
        """Values of all parameters, ties applied."""
        if self.owner is not None:
            self.owner.refresh()
            return np.array([p._value for p in self.parameters])
        free = self.free
        row = free.expand(free.start[None])[0]
        for parameter, value in zip(self.parameters, row.tolist(), strict=True):
            parameter._value = value
        return row


def _as_number(name: str | int) -> int | None:
    if isinstance(name, int | np.integer):
        return int(name)
    text = name.strip()
    if text.isdigit():
        return int(text)
    return int(text[1:]) if text[:1] in "pP" and text[1:].isdigit() else None


def _multipliers(table: ParameterTable, positions: list[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Which of some parameters (numbers among them) are norms, and which are norms or constant factors."""
    kinds: dict[int, bool] = {}
    first = 0
    for component in table.models[0].components:
        definition = component.definition
        count = len(component.parameters)
        if definition.kind == "add":
            kinds[first + count - 1] = True
        elif definition.scalar and not definition.depends and count == 1:
            kinds[first] = False
        first += count
    inner = [(k, p % table.width) for k, p in enumerate(positions) if p < table.width * table.n_groups]
    norms = tuple(k for k, p in inner if kinds.get(p, False))
    factors = tuple(k for k, p in inner if p in kinds)
    return norms, factors


@dataclass(frozen=True)
class FreeParameters:
    """The parameters a fit varies, as arrays.

    Attributes
    ----------
    positions : int array [K]
        Where they are among all parameters.
    names : list of str
        Their names.
    start, lower, upper, delta : array [K]
        Values, hard limits, steps.
    period : array [K]
        Period of the cyclic ones, infinite for the others.
    base : array [N] or [S, N]
        Values of all parameters; in fits of many sources of each source.
    depends : tuple of frozenset of int
        For each of all parameters the free ones (numbers 0 ... K-1) that it depends on.
    root : tuple of int
        For each of all parameters the one whose value it always has.
    norms : tuple of int
        Free parameters that are norms of additive components.
    factors : tuple of int
        Free parameters that multiply the model or a part of it: norms and constants.
    extras : int
        How many of all parameters, at the end, belong to no data group.
    """

    positions: npt.NDArray[np.intp]
    names: list[str]
    start: Array
    lower: Array
    upper: Array
    delta: Array
    period: Array
    base: Array
    depends: tuple[frozenset[int], ...]
    root: tuple[int, ...]
    norms: tuple[int, ...]
    factors: tuple[int, ...]
    _system: TieSystem
    _targets: npt.NDArray[np.intp]
    _sources: npt.NDArray[np.intp]
    extras: int = 0

    @property
    def size(self) -> int:
        """Number of free parameters."""
        return len(self.positions)

    @classmethod
    def of(cls, table: ParameterTable) -> FreeParameters:
        """Arrays of a table."""
        system = TieSystem(table._parse_all(), table.names)
        positions = [i for i, p in enumerate(table.parameters) if p.free]
        number = {position: k for k, position in enumerate(positions)}
        chosen = [table.parameters[i] for i in positions]
        depends = tuple(frozenset(number[s] for s in d if s in number) for d in system.dependencies)
        base = system.apply(np.array([[p.value for p in table.parameters]]))[0]
        copies = [(j, number[r]) for j, r in enumerate(system.root) if r in number]
        norms, factors = _multipliers(table, positions)
        return cls(
            positions=np.array(positions, dtype=np.intp),
            names=[table.label(i) for i in positions],
            start=np.array([p.value for p in chosen], dtype=float),
            lower=np.array([p.hard_min for p in chosen], dtype=float),
            upper=np.array([p.hard_max for p in chosen], dtype=float),
            delta=np.array([p.delta for p in chosen], dtype=float),
            period=np.array([p.period if p.cyclic and p.period else np.inf for p in chosen], dtype=float),
            base=base,
            depends=depends,
            root=tuple(system.root),
            norms=norms,
            factors=factors,
            _system=system,
            _targets=np.array([j for j, _ in copies], dtype=np.intp),
            _sources=np.array([k for _, k in copies], dtype=np.intp),
            extras=len(table.parameters) - table.width * table.n_groups,
        )

    def expand(self, values: Array) -> Array:
        """Values of all parameters [B, N] from those of the free ones [B, K].

        If `base` has a row for each of several sources, B is a multiple of their number, and sources are outermost.
        """
        out = np.empty((len(values), self.base.shape[-1]))
        out[:] = self.base if self.base.ndim == 1 else np.repeat(self.base, len(values) // len(self.base), axis=0)
        if self._targets.size:
            out[:, self._targets] = values[:, self._sources]
        for j, tie in self._system.expressions:
            assert tie.function is not None
            with np.errstate(all="ignore"):
                out[:, j] = tie.function(*(out[:, self.root[s]] for s in tie.sources))
        if self._system.expressions:
            for j, r in self._system.copies:
                out[:, j] = out[:, r]
        return out

    def tied(self, values: Array) -> Array:
        """Values of all parameters [B, N] with ties applied."""
        return self._system.apply(values.copy())

    def require(self) -> None:
        """Raise FitError if there is nothing to vary."""
        if not self.size:
            raise FitError("no parameter is free", cure="Thaw or untie at least one parameter.")
