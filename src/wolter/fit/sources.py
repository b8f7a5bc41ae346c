"""Fits with several sources per spectrum, each with a model and a response of its own, and with gains that are fitted.

XSPEC's way to model a background with other responses, or several sources in one region: source k of a spectrum has
the model assigned to source k and the response of that spectrum for source k; predictions are added. The gain of
a response (`shift_gain`) may be a pair of free parameters of the fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from wolter.data.arf import ARF
from wolter.data.folding import FoldingPlan, PlanCache, folding_plan
from wolter.data.response_tools import shift_gain
from wolter.data.rmf import RMF
from wolter.data.spectrum_set import SpectrumSet
from wolter.errors import FitError, ParameterError
from wolter.fit.dataset import Dataset, EnergyGrid, FoldJob, make_fold_job
from wolter.fit.fit import Fit
from wolter.fit.likelihood import Derivatives, GridModel, Likelihood, ModelSet
from wolter.fit.posterior import log_prior
from wolter.fit.selection import ModelPart
from wolter.fit.table import FreeParameters, ParameterTable
from wolter.models.compiled import CompiledModel
from wolter.models.definitions import Context, ParameterDef
from wolter.models.model import Model
from wolter.models.parameter import Parameter
from wolter.models.tie import Tie, TieSystem, parse_tie

__all__ = ["Gain", "JointTable", "Source", "SourcesFit", "gain_parameters"]

Array = npt.NDArray[np.float64]
Responses = Mapping[int, tuple[RMF, "ARF | None"]]
_KEPT_GAINS = 24  # folding plans of so many gains are remembered


@dataclass(frozen=True, eq=False)
class Source:
    """A source of all spectra.

    Parameters
    ----------
    number : int
        From one; which response of a spectrum is meant.
    table : ParameterTable
        Its model for all data groups, with parameters.
    name : str
        Of the model; ties of other models call its parameters ``name.p3``.
    """

    number: int
    table: ParameterTable
    name: str = ""


@dataclass(frozen=True, eq=False)
class Gain:
    """Gain of the response of spectrum `index` (from zero) for a source, as two parameters of the fit."""

    index: int
    source: int
    slope: Parameter
    offset: Parameter


def gain_parameters() -> tuple[Parameter, Parameter]:
    """Slope and offset (keV) of a gain, with XSPEC's limits."""
    slope = ParameterDef("slope", "", 1.0, 0.01, 0.9, 0.95, 1.05, 1.1)
    offset = ParameterDef("offset", "keV", 0.0, 0.01, -1.0, -0.5, 0.5, 1.0)
    return Parameter(slope, "gain", 1), Parameter(offset, "gain", 2)


class JointTable(ParameterTable):
    """Parameters of several models, and of gains, as one table.

    Position of parameter i of model m in group g: ``(g - 1) * W + offset[m] + i``, W being the width of all models; the
    gains follow behind all groups. The parameters are those of the members: setting one there sets it here.

    Parameters
    ----------
    sources : sequence of Source
        With the same number of groups.
    gains : sequence of Gain
        Their parameters are appended.
    """

    def __init__(self, sources: Sequence[Source], gains: Sequence[Gain] = ()) -> None:
        self.sources = tuple(sources)
        self.gains = tuple(gains)
        self.offsets = np.concatenate([[0], np.cumsum([s.table.width for s in sources])]).astype(int).tolist()
        self.width = self.offsets[-1]
        groups = sources[0].table.n_groups
        first = sources[0].table.models[0]
        structure = (
            first
            if len(sources) == 1
            else Model("+".join(s.table.models[0].expression for s in sources), first.settings)
        )
        self.models = (structure,) * groups
        members = [p for g in range(groups) for s in sources for p in s.table.models[g].parameters]
        self.extras = tuple(p for gain in gains for p in (gain.slope, gain.offset))
        self.parameters = (*members, *self.extras)
        self._free = None
        self.version = 0
        self.owner = None
        self._place = {id(p): i for i, p in enumerate(self.parameters)}
        for parameter in self.parameters:
            parameter._on_change = self._changed
            parameter._check_tie = self._accept_tie
        for source in self.sources:
            source.table.owner = self
            source.table._changed()

    def release(self) -> None:
        """Give the parameters back to the tables of the models."""
        for source in self.sources:
            table = source.table
            if table.owner is self:
                table.owner = None
                for parameter in table.parameters:
                    parameter._on_change = table._changed
                    parameter._check_tie = table._accept_tie
                table._changed()

    def _changed(self) -> None:
        super()._changed()
        for source in self.sources:
            source.table._changed()

    # -- positions ------------------------------------------------------------------------------------------------

    def position(self, source: int, local: int) -> int:
        """Position of what is at `local` in the table of a source (its place in `sources`)."""
        group, column = divmod(local, self.sources[source].table.width)
        return group * self.width + self.offsets[source] + column

    def locate(self, position: int) -> tuple[int, int]:
        """Place of the source and position in its table; the place is -1 for parameters of gains."""
        if position >= self.width * self.n_groups:
            return -1, position - self.width * self.n_groups
        group, column = divmod(position, self.width)
        source = int(np.searchsorted(self.offsets, column, side="right")) - 1
        return source, group * self.sources[source].table.width + column - self.offsets[source]

    def label(self, position: int) -> str:
        source, local = self.locate(position)
        if source < 0:
            gain = self.gains[local // 2]
            return f"gain {gain.source}:{gain.index + 1} {self.parameters[position].name}"
        inner = self.sources[source].table.label(local)
        name = self.sources[source].name
        return f"{name}:{inner}" if name else inner

    def group(self, position: int) -> int:
        return min(position // self.width, self.n_groups - 1) + 1

    # -- ties -----------------------------------------------------------------------------------------------------

    def _resolve(self, name: str, source: int, group: int) -> int:
        head, dot, tail = name.partition(".")
        if dot and tail[:1] == "p" and tail[1:].isdigit():
            for place, other in enumerate(self.sources):
                if (other.name or "_unnamed") == head:
                    number = int(tail[1:])
                    if not 1 <= number <= len(other.table.parameters):
                        raise ParameterError(f"model {head} has no parameter {number}")
                    return self.position(place, number - 1)
        if source < 0:
            return self.position(0, self.sources[0].table._find(name, group))
        return self.position(source, self.sources[source].table._find(name, group))

    def _parse(self, position: int, text: str) -> Tie:
        source, local = self.locate(position)
        group = 1 if source < 0 else local // self.sources[source].table.width + 1
        return parse_tie(text, lambda name: self._resolve(name, source, group))

    def _parse_all(self) -> list[Tie | None]:
        return [None if p.tie is None else self._parse(i, p.tie) for i, p in enumerate(self.parameters)]

    def _accept_tie(self, parameter: Parameter, text: str) -> str:
        position = self._place[id(parameter)]
        ties = self._parse_all()
        ties[position] = self._parse(position, text)
        TieSystem(ties, self.names)
        return text


class _SourcesSet(SpectrumSet):
    """Spectra with the responses of each for every source."""

    responses: list[Responses]


@dataclass(frozen=True, eq=False)
class _SourceGrid(EnergyGrid):
    """Energies of the responses of some spectra for one source."""

    plans: Mapping[int, FoldingPlan] = field(default_factory=dict)


class _SourcesDataset(Dataset):
    source: _SourcesSet

    def fold_job(self, grid: EnergyGrid, spectra: Sequence[int]) -> FoldJob:
        if isinstance(grid, _SourceGrid):
            return make_fold_job(grid, {i: grid.plans[i] for i in spectra})
        return super().fold_job(grid, spectra)

    def plans(self, source: int, gains: Mapping[int, tuple[float, float]], cache: PlanCache) -> dict[int, FoldingPlan]:
        """Folding plans of the spectra that have a response for a source, with gains (slope, offset) of some."""
        out = {}
        for entry, responses in zip(self.spectra, self.source.responses, strict=True):
            index = entry.number - 1
            if source not in responses:
                continue
            rmf, arf = responses[source]
            used = cache
            if index in gains:
                rmf, arf = shift_gain(rmf, arf, *gains[index])
                used = {}
            spectrum = entry.spectrum
            out[index] = folding_plan(rmf, arf, entry.notice, spectrum.grouping, spectrum.quality, cache=used)
        return out


class _SourcesModels(ModelSet):
    """The terms of each source on the energies of its responses."""

    def __init__(
        self,
        dataset: _SourcesDataset,
        table: JointTable,
        terms: Mapping[int, range],
        gains: Mapping[tuple[int, int], tuple[float, float]],
        cache: PlanCache,
    ) -> None:
        self.dataset = dataset
        self.grids = []
        self.source_plans: dict[int, dict[int, FoldingPlan]] = {}
        node = table.models[0].node
        for source in table.sources:
            own = {index: g for (index, number), g in gains.items() if number == source.number}
            plans = dataset.plans(source.number, own, cache)
            self.source_plans[source.number] = plans
            families: list[tuple[Array, list[int]]] = []
            for index, plan in plans.items():
                for known, members in families:
                    if np.array_equal(known, plan.full_edges):
                        members.append(index)
                        break
                else:
                    families.append((plan.full_edges, [index]))
            for full, members in families:
                start = min(plans[i].rows.start for i in members)
                stop = max(plans[i].rows.stop for i in members)
                edges = np.ascontiguousarray(full[start : stop + 1])
                grid = _SourceGrid(edges, tuple(members), start, full, {i: plans[i] for i in members})
                contexts: list[Context] = []
                place: dict[int, int] = {}
                for index in members:
                    context = dataset.spectra[index].context
                    if context not in contexts:
                        contexts.append(context)
                    place[index] = contexts.index(context)
                compiled = CompiledModel(node, edges, contexts, around=full)
                self.grids.append(GridModel(grid, compiled, place, tuple(terms[source.number])))


class _GainLikelihood(Likelihood):
    """Likelihood in which the gains of responses vary: models are compiled anew for every gain that occurs."""

    def __init__(
        self,
        build: Callable[[Array], ModelSet],
        free: FreeParameters,
        priors: Mapping[int, Any] | None = None,
    ) -> None:
        self._build = build
        self._inner: dict[bytes, Likelihood] = {}
        self._priors = dict(priors or {})
        super().__init__(build(free.expand(free.start[None])[0, len(free.base) - free.extras :]), free)

    def _of(self, gains: Array) -> Likelihood:
        key = gains.tobytes()
        if key not in self._inner:
            if len(self._inner) >= _KEPT_GAINS:
                del self._inner[next(iter(self._inner))]
            self._inner[key] = Likelihood(self._build(gains), self.free)
        return self._inner[key]

    def model(self, points: Array) -> Array:
        gains = self.free.expand(points)[:, len(self.free.base) - self.free.extras :]
        out = np.empty((len(points), self.dataset.n_bins))
        unique, place = np.unique(gains, axis=0, return_inverse=True)
        for k, gain in enumerate(unique):
            rows = np.flatnonzero(place.ravel() == k)
            out[rows] = self._of(gain).model(points[rows])
        self.n_calls += len(points)
        return out

    def statistic(self, points: Array) -> Array:
        return super().statistic(points) - 2.0 * log_prior(self._priors, self.free, points)

    def derivatives(
        self, points: Array, *, active: Sequence[int] | None = None, scheme: str = "forward", expected: bool = True
    ) -> Derivatives:
        count, size = points.shape
        kept = np.arange(size) if active is None else np.asarray(active, dtype=np.intp)
        up, down, width = self.steps(points, scheme)
        out = Derivatives(np.empty(count), np.zeros((count, size)), np.zeros((count, size, size)))
        central = scheme == "xspec"
        for b in range(count):
            rows = np.repeat(points[b][None], 1 + len(kept) * (1 + central), axis=0)
            rows[1 + np.arange(len(kept)), kept] = up[b, kept]
            if central:
                rows[1 + len(kept) + np.arange(len(kept)), kept] = down[b, kept]
            model = self.model(rows)
            low = model[1 + len(kept) :] if central else model[:1]
            slopes = (model[1 : 1 + len(kept)] - low) / width[b, kept, None]
            jacobian = np.concatenate([model[:1], slopes])[None]
            self._reduce(jacobian, slice(b, b + 1), out, kept, expected)
        if self._priors:
            out.statistic[:] -= 2.0 * log_prior(self._priors, self.free, points)
        return out


class SourcesFit(Fit):
    """Fit of spectra with several sources.

    Parameters
    ----------
    spectra : SpectrumSet
        Their own responses are not used.
    sources : sequence of Source
        Models, by the number of the source.
    responses : sequence of mapping
        For each spectrum: source number -> (RMF, ARF or None).
    gains : sequence of Gain
        Gains that are parameters of the fit.
    statistic, weight, systematic
        As in `Fit`.

    Raises
    ------
    FitError
        If a source appears twice, or a spectrum has no response for any source.

    Examples
    --------
    >>> table = ParameterTable(Model("tbabs*powerlaw"), 1)
    >>> back = ParameterTable(Model("powerlaw"), 1)
    >>> fit = SourcesFit(spectra, [Source(1, table), Source(2, back, "back")], [{1: (rmf, arf), 2: (rmf, None)}])
    >>> fit.run()
    """

    table: JointTable

    _one_model = False

    def __init__(
        self,
        spectra: SpectrumSet,
        sources: Sequence[Source],
        responses: Sequence[Responses],
        *,
        gains: Sequence[Gain] = (),
        statistic: str | Sequence[str] = "chi",
        weight: str = "standard",
        systematic: float = 0.0,
        table: JointTable | None = None,
    ) -> None:
        numbers = [s.number for s in sources]
        if len(set(numbers)) != len(numbers) or not numbers:
            raise FitError(f"sources {numbers} are not one model each")
        usable = [[k for k in r if k in numbers] for r in responses]
        if not all(usable):
            bare = next(i for i, u in enumerate(usable) if not u)
            raise FitError(f"spectrum {bare + 1} has no response for any of the sources {numbers}")
        bound = [
            s.replace(rmf=r[min(u)][0], arf=r[min(u)][1]) for s, r, u in zip(spectra, responses, usable, strict=True)
        ]
        data = _SourcesSet(bound, groups=list(spectra.groups), notice=list(spectra.notice))
        data.responses = list(responses)
        settings = sources[0].table.models[0].settings
        self._plans: PlanCache = {}
        self.dataset = _SourcesDataset(
            data, settings, statistic=statistic, weight=weight, systematic=systematic, cache=self._plans
        )
        self.table = JointTable(sources, gains) if table is None else table
        self._terms: dict[int, range] = {}
        first = 0
        for source in self.table.sources:
            count = len(CompiledModel(source.table.models[0].node, np.array([1.0, 2.0])).plans)
            self._terms[source.number] = range(first, first + count)
            first += count
        self._models = self._build(np.array([p.value for p in self.table.extras]))
        self._likelihood: Likelihood | None = None
        self._covariance = None
        self._fit_version = -1
        self._method = "default"
        self._errors = {}
        self.priors = {}
        self._bayes = False
        self.result = None

    def _build(self, gains: Array) -> _SourcesModels:
        pairs = {(g.index, g.source): (gains[2 * k], gains[2 * k + 1]) for k, g in enumerate(self.table.gains)}
        assert isinstance(self.dataset, _SourcesDataset)
        return _SourcesModels(self.dataset, self.table, self._terms, pairs, self._plans)

    @property
    def likelihood(self) -> Likelihood:
        free = self.table.free
        if self._likelihood is None or self._likelihood.free is not free:
            if self.table.gains:
                self._likelihood = _GainLikelihood(self._build, free, self.priors if self._bayes else None)
            else:
                return super().likelihood
        return self._likelihood

    def source_entries(self, number: int) -> list[Any]:
        """The spectra that have a response for a source, with the folding plan of that response (gain included)."""
        values = np.array([p.value for p in self.table.extras])
        plans = self._build(values).source_plans[number]
        return [replace(e, plan=plans[e.number - 1]) for e in self.dataset.spectra if e.number - 1 in plans]

    def part_of(self, number: int) -> ModelPart:
        """The model of one source among all parameters of a data group."""
        place = next(i for i, s in enumerate(self.table.sources) if s.number == number)
        columns = np.arange(self.table.offsets[place], self.table.offsets[place + 1])
        return ModelPart(self.table.sources[place].table.models[0].node, columns)

    def source_folded(self, number: int) -> dict[int, Array]:
        """Folded rate of one source in the noticed bins of each spectrum (index from zero) that sees it."""
        row = self.table.refresh()
        part = self.part_of(number)
        out = {}
        for entry in self.source_entries(number):
            first = (entry.group - 1) * self.table.width
            compiled = CompiledModel(part.node, entry.plan.edges, (entry.context,), around=entry.plan.full_edges)
            out[entry.number - 1] = entry.plan.fold(compiled.evaluate(row[None, first + part.columns])[0, 0])
        return out
