"""Background modelled together with the source instead of subtracted.

The background spectrum is fitted by a model of its own, folded through its own response; the same model, scaled to
the source region, is added to what is predicted for the source spectrum. Both are Poisson data with a plain C
statistic, so nothing is lost or biased however few counts there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from wolter.data.arf import ARF
from wolter.data.folding import FoldingPlan, PlanCache, folding_plan
from wolter.data.rmf import RMF
from wolter.data.spectrum import Spectrum
from wolter.data.spectrum_set import SpectrumSet
from wolter.errors import DataError, FitError, ParameterError
from wolter.fit.dataset import Dataset, EnergyGrid, FoldJob, make_fold_job
from wolter.fit.fit import Fit
from wolter.fit.likelihood import GridModel, ModelSet
from wolter.fit.selection import ModelPart, model_part
from wolter.models.compiled import CompiledModel
from wolter.models.definitions import Context
from wolter.models.grammar import Node, leaves
from wolter.models.model import Model
from wolter.models.settings import Settings

__all__ = ["BackgroundFit"]

Array = npt.NDArray[np.float64]


class _PairedSet(SpectrumSet):
    """Source spectra followed by their background spectra."""

    background_of: dict[int, int]  # source -> background, both from zero
    n_source_terms: int


@dataclass(frozen=True, eq=False)
class _BackgroundGrid(EnergyGrid):
    """Energies on which the background model is evaluated for the source spectra `spectra`."""


class _JointDataset(Dataset):
    """Dataset whose source spectra also see the background model, through the background's response."""

    source: _PairedSet

    @cached_property
    def background_plans(self) -> dict[int, FoldingPlan]:
        """For each source spectrum with a background: the background's response on the bins of the source."""
        cache: PlanCache = {}
        out = {}
        for index, number in self.source.background_of.items():
            source, back = self.spectra[index], self.spectra[number].spectrum
            assert back.rmf is not None
            spectrum = source.spectrum
            plan = folding_plan(back.rmf, back.arf, source.notice, spectrum.grouping, spectrum.quality, cache=cache)
            ratio = np.asarray(spectrum.backscal) / np.asarray(back.backscal)
            if ratio.ndim:
                ratio = plan.bins.sum(ratio) / plan.bins.sum(np.ones(len(spectrum)))
            matrix = plan.matrix * ratio if plan.dense else plan.matrix.multiply(np.atleast_2d(ratio)).tocsr()
            out[index] = replace(plan, matrix=matrix)
        return out

    def fold_job(self, grid: EnergyGrid, spectra: Sequence[int]) -> FoldJob:
        if not isinstance(grid, _BackgroundGrid):
            return super().fold_job(grid, spectra)
        key = (-1, grid.first_row, grid.edges.size, *spectra)
        if key not in self._jobs:
            self._jobs[key] = make_fold_job(grid, {i: self.background_plans[i] for i in spectra})
        return self._jobs[key]


class _JointModelSet(ModelSet):
    """Source terms for source spectra, background terms for both."""

    dataset: _JointDataset

    def __init__(self, dataset: Dataset, node: Node) -> None:
        assert isinstance(dataset, _JointDataset)
        self.dataset = dataset
        self.grids = []
        count = dataset.source.n_source_terms
        backgrounds = set(dataset.source.background_of.values())
        for grid in dataset.grids:
            sources = tuple(i for i in grid.spectra if i not in backgrounds)
            others = tuple(i for i in grid.spectra if i in backgrounds)
            for members, own in ((sources, True), (others, False)):
                if members:
                    self._add(EnergyGrid(grid.edges, members, grid.first_row, grid.full), node, count, own=own)
        plans = dataset.background_plans
        families: list[tuple[Array, list[int]]] = []
        for index, plan in plans.items():
            for known, listed in families:
                if np.array_equal(known, plan.full_edges):
                    listed.append(index)
                    break
            else:
                families.append((plan.full_edges, [index]))
        for full, listed in families:
            start = min(plans[i].rows.start for i in listed)
            stop = max(plans[i].rows.stop for i in listed)
            edges = np.ascontiguousarray(full[start : stop + 1])
            self._add(_BackgroundGrid(edges, tuple(listed), start, full), node, count, own=False)

    def _add(self, grid: EnergyGrid, node: Node, count: int, *, own: bool) -> None:
        contexts: list[Context] = []
        place: dict[int, int] = {}
        for index in grid.spectra:
            context = self.dataset.spectra[index].context
            if context not in contexts:
                contexts.append(context)
            place[index] = contexts.index(context)
        compiled = CompiledModel(node, grid.edges, contexts, around=grid.full)
        terms = range(count) if own else range(count, len(compiled.plans))
        self.grids.append(GridModel(grid, compiled, place, tuple(terms)))


class BackgroundFit(Fit):
    """Fit of source and background spectra with a model of each.

    For a source spectrum with the model rate m_S (its own response) and a background spectrum with m_B (its own
    response, area included), the predictions are::

        source:      m_S + m_B * BACKSCAL(source) / BACKSCAL(background)
        background:  m_B

    per unit of AREASCAL. Nothing is subtracted. Otherwise this is a `Fit`: the spectra are the source spectra followed
    by their backgrounds, the components those of the source followed by those of the background (numbered on, so
    a second powerlaw is ``powerlaw_3``); background spectra belong to the data group of their source.

    Parameters
    ----------
    spectra : SpectrumSet or sequence of Spectrum
        Source spectra with their backgrounds (`Spectrum.background`).
    model : Model or str
        Of the source.
    background_model : Model or str
        Of the background. A background that is not focused, such as particles, is modelled with ``background_arf=None``
        in counts: its norm then is in photons per second, not per cm².
    background_rmf : RMF, optional
        Response of the background spectra; by default their own, else that of the source.
    background_arf : ARF, None or "own"
        Area of the background spectra; by default their own, and that of the source if they have neither RMF nor ARF.
    statistic : str or sequence of str
        "cstat" for Poisson data; of all spectra, or of source and background spectra in turn.
    settings : Settings, optional
        If the models are given as text.
    energy : pair of Quantity, optional
        Notice only this range, of both.

    Attributes
    ----------
    source_components, background_components : tuple of str
        Labels of the components of either model.

    Raises
    ------
    FitError
        If no spectrum has a background.
    DataError
        If source and background have different channels, or either no noticed bin.
    ParameterError
        If the two models have different settings.

    Examples
    --------
    >>> fit = BackgroundFit(spectra, "tbabs*powerlaw", "powerlaw+gaussian", energy=(0.5 * u.keV, 10 * u.keV))
    >>> fit.run()
    >>> fit.flux(2 * u.keV, 10 * u.keV)  # of the source alone
    """

    _dataset_class = _JointDataset
    _one_model = False
    _model_set_class = _JointModelSet

    def __init__(
        self,
        spectra: SpectrumSet | Iterable[Spectrum],
        model: Model | str,
        background_model: Model | str,
        *,
        background_rmf: RMF | None = None,
        background_arf: ARF | str | None = "own",
        statistic: str | Sequence[str] = "cstat",
        settings: Settings | None = None,
        energy: Any = None,
    ) -> None:
        source, back = _as_model(model, settings), _as_model(background_model, settings)
        if source.settings != back.settings:
            raise ParameterError("source and background model have different settings", cure="Give both the same.")
        data = spectra if isinstance(spectra, SpectrumSet) else SpectrumSet(list(spectra))
        if energy is not None:
            data = data.select(*energy)
        joint = _join_models(source, back)
        paired = _pair(data, background_rmf, background_arf, energy)
        paired.n_source_terms = len(CompiledModel(source.node, np.array([1.0, 2.0])).plans)
        count = len(source.components)
        self.source_components = tuple(c.label for c in joint.components[:count])
        self.background_components = tuple(c.label for c in joint.components[count:])
        super().__init__(paired, joint, statistic=statistic)

    @property
    def source_part(self) -> ModelPart:
        """The model of the source alone: what fluxes, luminosities and equivalent widths are of by default."""
        return model_part(self.model, only=_additive(self, self.source_components))

    def flux(self, lo: Any, hi: Any, **options: Any) -> Any:
        """Flux of the source model, see `Fit.flux`; ``only=`` names other components, of the background for example."""
        if options.get("only") is None:
            options["only"] = _additive(self, self.source_components)
        return super().flux(lo, hi, **options)


def _as_model(model: Model | str, settings: Settings | None) -> Model:
    if isinstance(model, str):
        return Model(model, settings=settings)
    if settings is not None and settings != model.settings:
        raise FitError("settings are given twice", cure="Leave out settings=: the model has its own.")
    return model


def _additive(fit: BackgroundFit, labels: Sequence[str]) -> tuple[str, ...]:
    kinds = [leaf.kind for leaf in leaves(fit.model.node)]
    return tuple(
        c.label for c, kind in zip(fit.model.components, kinds, strict=True) if kind == "add" and c.label in labels
    )


def _join_models(source: Model, back: Model) -> Model:
    """Sum of two models with the values, limits and frozen parameters of both; ties stay inside each."""
    joint = Model(f"{source.expression}+{back.expression}", settings=source.settings)
    first = 0
    for model in (source, back):
        for own, other in zip(joint.parameters[first:], model.parameters, strict=False):
            own.set_limits(other.hard_min, other.hard_max)
            own.value = other.value
            own.frozen = other.frozen
            own.delta = other.delta
        if model is back and any(p.tie for p in back.parameters):
            raise ParameterError("parameters of the background model are tied", cure="Tie them in the joint fit.")
        first += len(model.parameters)
    for own, other in zip(joint.parameters, source.parameters, strict=False):
        if other.tie is not None:
            own.tie = other.tie
    return joint


def _pair(data: SpectrumSet, rmf: RMF | None, arf: ARF | str | None, energy: Any) -> _PairedSet:
    """Source spectra without their backgrounds, followed by these as spectra of their own."""
    sources, backs, notice, groups, pairs = [], [], [], [], {}
    for index, spectrum in enumerate(data):
        sources.append(spectrum.replace(background=None))
        back = spectrum.background
        if back is None:
            continue
        if len(back) != len(spectrum):
            raise DataError(
                f"the background has {len(back)} channels, the spectrum {len(spectrum)}", file=spectrum.path
            )
        bare = back.rmf is None and back.arf is None
        own_rmf = rmf or back.rmf or spectrum.rmf
        own_arf = arf if not isinstance(arf, str) else (spectrum.arf if bare and rmf is None else back.arf)
        xflt = back.xflt or spectrum.xflt
        pairs[index] = len(data) + len(backs)
        # channels that the source's energies leave out are left out of the background, too
        entry = back.replace(rmf=own_rmf, arf=own_arf, background=None, xflt=xflt)
        backs.append(entry)
        notice.append(data.notice[index] if energy is None else SpectrumSet([entry]).select(*energy).notice[0])
        groups.append(data.groups[index])
    if not backs:
        raise FitError(
            "none of the spectra has a background to model", cure="Give background= when reading them, or use Fit."
        )
    out = _PairedSet([*sources, *backs], groups=[*data.groups, *groups], notice=[*data.notice, *notice])
    out.background_of = pairs
    return out
