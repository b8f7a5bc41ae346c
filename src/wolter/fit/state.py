"""Spectra, model and parameters of a fit: everything but the fitting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from wolter.data.folding import PlanCache
from wolter.data.spectrum import Spectrum
from wolter.data.spectrum_set import SpectrumSet
from wolter.errors import FitError, ParameterError, warn
from wolter.fit.dataset import Dataset, FitSpectrum, bin_data
from wolter.fit.doubts import doubts
from wolter.fit.likelihood import Likelihood, ModelSet
from wolter.fit.numerics import chi2_sf
from wolter.fit.results import ErrorResult, FitResult
from wolter.fit.statistics import Chi
from wolter.fit.table import ParameterTable
from wolter.models.compiled import CompiledModel
from wolter.models.definitions import Context
from wolter.models.model import Model
from wolter.models.parameter import Parameter
from wolter.models.settings import Settings

if TYPE_CHECKING:
    from wolter.fit.priors import Prior

__all__ = ["FitState"]

Array = npt.NDArray[np.float64]


class FitState:
    """Spectra with a model: parameters by name, the statistic at their present values. See `wolter.fit.Fit`."""

    _dataset_class: ClassVar[type[Dataset]] = Dataset
    _one_model: ClassVar[bool] = True  # whether all spectra are compared with the same model
    _model_set_class: ClassVar[type[ModelSet]] = ModelSet

    def __init__(
        self,
        spectra: SpectrumSet | Iterable[Spectrum],
        model: Model | str,
        *,
        statistic: str | Sequence[str] = "chi",
        settings: Settings | None = None,
        energy: Any = None,
        weight: str = "standard",
        systematic: float = 0.0,
        plans: PlanCache | None = None,
    ) -> None:
        if isinstance(model, str):
            model = Model(model, settings=settings)
        elif settings is not None and settings != model.settings:
            raise FitError("settings are given twice", cure="Leave out settings=: the model has its own.")
        data = spectra if isinstance(spectra, SpectrumSet) else SpectrumSet(list(spectra))
        if energy is not None:
            data = data.select(*energy)
        self.dataset = self._dataset_class(
            data, model.settings, statistic=statistic, weight=weight, systematic=systematic, cache=plans
        )
        self.table = ParameterTable(model, self.dataset.n_groups)
        self._models = self._model_set_class(self.dataset, model.node)
        self._likelihood: Likelihood | None = None
        self._covariance: Array | None = None
        self._fit_version = -1
        self._method = "default"
        self._errors: dict[int, ErrorResult] = {}
        self.priors: dict[int, Prior] = {}
        self._bayes = False
        self.result: FitResult | None = None
        self.dataset.warn()

    # -- parameters -----------------------------------------------------------------------------------------------

    @property
    def models(self) -> tuple[Model, ...]:
        """The model of each data group."""
        return self.table.models

    @property
    def model(self) -> Model:
        """The model of the first data group."""
        return self.table.models[0]

    @property
    def spectra(self) -> SpectrumSet:
        """The spectra, with data groups and noticed channels."""
        return self.dataset.source

    def __getitem__(self, name: str | int) -> Parameter:
        """Parameter by name or number; see `ParameterTable.find`."""
        return self.table[name]

    def set(self, name: str | int, value: Any, *, frozen: bool | None = None, delta: float | None = None) -> None:
        """Set a value (a number in the parameter's unit, or a Quantity); a tied parameter becomes free.

        Raises
        ------
        ParameterError
            For an unknown name (with the nearest ones), or a value outside the hard limits.
        """
        parameter = self.table[name]
        parameter.value = value
        if frozen is not None:
            parameter.frozen = frozen
        if delta is not None:
            if not delta > 0:
                raise ParameterError(f"step {delta} of parameter {parameter.full_name} is not positive")
            parameter.delta = float(delta)
            self.table._changed()

    def freeze(self, *names: str | int) -> None:
        """Hold parameters (or all of a component) at their values."""
        for name in names:
            for position in self.table.find_all(name):
                self.table.parameters[position].frozen = True

    def thaw(self, *names: str | int) -> None:
        """Let parameters (or all of a component) vary."""
        for name in names:
            positions = self.table.find_all(name)
            for position in positions:
                parameter = self.table.parameters[position]
                if len(positions) == 1 or parameter.kind == "par":
                    parameter.frozen = False

    def tie(self, name: str | int, expression: str) -> None:
        """Let a parameter follow others: ``tie("bbody.kT", "= 0.5*p3 + 0.2")``, ``tie("2:powerlaw.norm", "p5")``.

        Numbers ``p3`` count over all data groups; names without a group mean the group of the tied parameter.

        Raises
        ------
        ParameterError
            If the expression is not understood, names an unknown parameter or closes a circle.
        """
        self.table[name].tie = expression

    def untie(self, name: str | int) -> None:
        """Let a tied parameter go at the value it has."""
        self.table.refresh()
        self.table[name].tie = None

    def free_by_group(self, *names: str | int) -> None:
        """Give each data group its own value of parameters.

        Where the parameter is a constant factor, which with the norms is one too many, the first group's is frozen.
        """
        for name in names:
            self.table.refresh()
            self.table.free_by_group(name)

    def limits(self, name: str | int, lo: Any = None, hi: Any = None) -> None:
        """Change the hard limits of a parameter; the soft ones are moved inside."""
        self.table[name].set_limits(lo, hi)

    def prior(self, name: str | int, prior: Prior | str | None) -> None:
        """Give a parameter a prior: an object of `wolter.fit.priors`, XSPEC's words ("gauss 1.9 0.02"), None for none.

        Samplers always use it; the statistic contains it once `bayes` is true.

        Raises
        ------
        ParameterError
            For an unknown name, or a prior that contradicts the hard limits.
        """
        from wolter.fit.priors import make_prior

        position = self.table.find(name)
        if prior is None:
            self.priors.pop(position, None)
        else:
            made = make_prior(prior)
            parameter = self.table.parameters[position]
            made.check(self.table.label(position), parameter.hard_min, parameter.hard_max)
            self.priors[position] = made
        self._likelihood = None
        if self._bayes:
            self.table._changed()

    @property
    def bayes(self) -> bool:
        """Whether the statistic contains ``-2 ln p`` of the priors, as with XSPEC's "bayes on"."""
        return self._bayes

    @bayes.setter
    def bayes(self, value: bool) -> None:
        if bool(value) != self._bayes:
            self._bayes = bool(value)
            self._likelihood = None
            self.table._changed()

    def use_statistic(self, statistic: str | Sequence[str], weight: str = "standard") -> None:
        """Change statistic and weighting; the fit has to be run again."""
        self.dataset.with_statistic(statistic, weight)
        self.table._changed()
        self._likelihood = None
        self.dataset.warn()

    # -- state ----------------------------------------------------------------------------------------------------

    @property
    def likelihood(self) -> Likelihood:
        """Statistic as a function of the present free parameters."""
        free = self.table.free
        if self._likelihood is None or self._likelihood.free is not free:
            if self._bayes and self.priors:
                from wolter.fit.posterior import PosteriorLikelihood

                self._likelihood = PosteriorLikelihood(self._models, free, self.priors)
            else:
                self._likelihood = Likelihood(self._models, free)
        return self._likelihood

    @property
    def fitted(self) -> bool:
        """Whether the parameters are those of the last `run`."""
        return self._fit_version == self.table.version

    @property
    def names(self) -> list[str]:
        """The free parameters."""
        return list(self.table.free.names)

    @property
    def statistic(self) -> float:
        """Total statistic at the present parameters."""
        return float(self.likelihood.statistic(self.table.free.start[None])[0])

    @property
    def contributions(self) -> list[float]:
        """Statistic of each spectrum."""
        return self.likelihood.contributions(self.table.free.start[None])[0].tolist()

    @property
    def n_bins(self) -> int:
        """Noticed bins of all spectra."""
        return self.dataset.n_bins

    @property
    def dof(self) -> int:
        """Bins minus free parameters."""
        return self.dataset.n_bins - self.table.free.size

    @property
    def test_statistic(self) -> float:
        """Chi-squared at the present parameters, whatever the fit statistic is (XSPEC's default test statistic)."""
        model = self.likelihood.model(self.table.free.start[None])[0]
        weight = self.dataset.weight
        total = 0.0
        for entry in self.dataset.spectra:
            chi = Chi(bin_data(entry, weight), model_variance=weight == "model", systematic=self.dataset.systematic)
            total += float(chi.value(model[entry.bins]).sum())
        return total

    @property
    def null_probability(self) -> float:
        """Probability of a larger `test_statistic` if the model is true; NaN without degrees of freedom."""
        return chi2_sf(self.test_statistic, self.dof)

    @property
    def covariance(self) -> Array | None:
        """Covariance [K, K] of the free parameters at the best fit; None if the fit is stale or the matrix singular."""
        return self._covariance if self.fitted else None

    def error_of(self, position: int) -> ErrorResult | None:
        """Confidence interval of a parameter (its position from zero), if it was asked for and is not stale."""
        return self._errors.get(position) if self.fitted else None

    def check(self) -> None:
        """Raise or warn about what makes a fit impossible or doubtful."""
        free = self.table.free
        free.require()
        if free.size > self.dataset.n_bins:
            warn(f"{free.size} free parameters but only {self.dataset.n_bins} bins: the fit is not determined")
        for text in doubts(self.dataset):
            warn(text)

    def folded(self) -> list[Array]:
        """Folded model rate of each spectrum in its noticed bins, counts/s."""
        model = self.likelihood.model(self.table.free.start[None])[0]
        return [model[e.bins] for e in self.dataset.spectra]

    def intensity_rates(self) -> list[Array]:
        """Folded model of each spectrum as if it were Stokes I, counts/s: without the polarisation factors."""
        full = self.table.refresh()
        out = []
        for entry in self.dataset.spectra:
            context = Context(0, entry.context.xflt, entry.context.settings)
            first = (entry.group - 1) * self.table.width
            compiled = CompiledModel(self.model.node, entry.plan.edges, (context,), around=entry.plan.full_edges)
            out.append(entry.plan.fold(compiled.evaluate(full[None, first : first + self.table.width])[0, 0]))
        return out

    def _entries(self, which: int | Iterable[int]) -> list[FitSpectrum]:
        numbers = [which] if isinstance(which, int | np.integer) else list(which)
        for number in numbers:
            if not 1 <= number <= len(self.dataset.spectra):
                raise FitError(
                    f"there is no spectrum {number}", cure=f"Numbers go from 1 to {len(self.dataset.spectra)}."
                )
        return [self.dataset.spectra[n - 1] for n in numbers]
