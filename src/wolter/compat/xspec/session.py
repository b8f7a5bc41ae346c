"""State of an XSPEC session: spectra, models, settings, and the engine's fit that belongs to them.

PyXspec has one session per process, so this package has one, too: `SESSION`.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.compat.xspec.errors import XspecError, translated
from wolter.compat.xspec.output import Output
from wolter.data import SpectrumSet
from wolter.data.response_tools import energy_grid, response_on_energies
from wolter.errors import WolterWarning
from wolter.fit import Fit as EngineFit
from wolter.fit.sources import Gain, JointTable, Source, SourcesFit
from wolter.fit.table import ParameterTable
from wolter.models import Model as EngineModel
from wolter.models import Settings

if TYPE_CHECKING:
    from wolter.compat.xspec.data import Spectrum
    from wolter.compat.xspec.models import Model

__all__ = ["SESSION", "FitOptions", "NUMBER", "ModelEntry", "Session"]

NUMBER = "_spectrum_number"  # key under which models that depend on the spectrum find its number
KEPT_PLANS = 200_000_000  # bytes
NO_ERROR = (0.0, 0.0, "FFFFFFFFF")


@dataclass(eq=False)
class ModelEntry:
    """A model expression for all data groups.

    Attributes
    ----------
    name : str
        Empty for the unnamed one.
    source : int
        Number of the source.
    table : ParameterTable
        Parameters of all groups.
    models : list of Model
        The objects scripts hold, one per group.
    sigma, errors : dict
        Results per position.
    active : bool
        Whether the source uses it.
    """

    name: str
    source: int
    table: ParameterTable
    models: list[Model] = field(default_factory=list)
    sigma: dict[int, float] = field(default_factory=dict)
    errors: dict[int, tuple[float, float, str]] = field(default_factory=dict)
    priors: dict[int, list[Any]] = field(default_factory=dict)
    active: bool = True

    def resize(self, n_groups: int) -> None:
        """Follow the number of data groups; new ones are linked to the first, those left keep their state."""
        if n_groups == self.table.n_groups:
            return
        old = self.table
        model = old.models[0].copy()
        for parameter in model.parameters:
            parameter.tie = None
        self.table = ParameterTable(model, n_groups)
        count = min(len(old.parameters), len(self.table.parameters))
        for mine, theirs in zip(self.table.parameters[:count], old.parameters[:count], strict=True):
            mine.copy_state(theirs)
        limit = len(self.table.parameters)
        for parameter in self.table.parameters[:count]:
            tie = parameter.tie
            if tie and tie[:1] == "p" and tie[1:].isdigit() and int(tie[1:]) > limit:
                parameter.tie = None
        for position in range(count, limit):  # values of new groups are those of the first
            self.table.parameters[position]._value = self.table.parameters[position % self.table.width]._value

    def apply(self, settings: Settings) -> None:
        """Settings of the session for the models."""
        for model in self.table.models:
            model.__dict__["settings"] = settings  # a Model refuses attributes


@dataclass
class FitOptions:
    """State of the Fit object."""

    statistic: str = "chi"
    per_spectrum: dict[int, str] = field(default_factory=dict)
    test: str = "chi"
    weight: str = "standard"
    method: str = "leven"
    iterations: int = 10
    critical_delta: float = 0.01
    delta: float = 0.01
    query: str = "on"
    renorm: str = "prefit"
    bayes: str = "off"
    systematic: float = 0.0
    error_delta: float = 2.706
    error_maximum: float = 2.0
    step_log: bool = False


class Session:
    """Everything a PyXspec session remembers."""

    def __init__(self) -> None:
        self.out = Output()
        self.spectra: list[Spectrum] = []
        self.models: dict[str, ModelEntry] = {}
        self.settings = Settings()
        self.abund_name = "angr"
        self.strings: dict[str, str] = {}
        self.seed: int | None = None
        self.options = FitOptions()
        self.cache: dict[Any, Any] = {}
        self.dummy: tuple[float, float, int, str] = (0.1, 50.0, 5000, "log")
        self.dummy_channels: tuple[float, float] = (0.0, 0.0)  # offset and width of the channels of a dummy response
        self.new_attributes = False  # Xset.allowNewAttributes
        self.numbered = False  # whether a model wants the numbers of spectra
        self.grid: Any = None  # energies set for all models
        self.energy_fields: tuple[str, ...] = ("0.1", "50.", "1000", "lin")  # of the last setEnergies
        self.extensions: dict[str, tuple[float, int, str]] = {}  # "low", "high": energy, bins, spacing
        self._regridded: dict[Any, Any] = {}
        self._engine: EngineFit | None = None
        self._plans: dict[Any, Any] = {}  # folding plans made so far: another model or statistic uses them again
        self._numbers: list[int] = []
        self._joint: JointTable | None = None
        self.covariance: Any = None
        self.chains: list[Any] = []
        self.draws = 0  # random runs so far: with a seed each is another one, and repeatable

    # -- changes --------------------------------------------------------------------------------------------------

    def data_changed(self) -> None:
        """Spectra, responses or noticed channels are others now."""
        self._engine = None
        self.covariance = None
        for entry in self.models.values():
            entry.resize(self.n_groups)
            self.follow(entry)
        self.join()

    def follow(self, entry: ModelEntry) -> None:
        """One Model object per data group."""
        from wolter.compat.xspec.models import Model

        del entry.models[entry.table.n_groups :]
        while len(entry.models) < entry.table.n_groups:
            entry.models.append(Model._of(entry, len(entry.models) + 1))

    def model_changed(self) -> None:
        """A model was made, removed or given other settings."""
        self._engine = None
        self.covariance = None
        self.join()

    def set_settings(self, **changes: Any) -> None:
        """Other abundances, cross-sections ... for all models."""
        self.settings = replace(self.settings, **changes)
        for entry in self.models.values():
            entry.apply(self.settings)
        self.model_changed()

    @property
    def n_groups(self) -> int:
        """Number of data groups, at least one."""
        return max([s.dataGroup for s in self.spectra], default=1)

    # -- models ---------------------------------------------------------------------------------------------------

    @property
    def active(self) -> list[ModelEntry]:
        """Models that are in use, by source."""
        return sorted((e for e in self.models.values() if e.active), key=lambda e: e.source)

    @property
    def entry(self) -> ModelEntry | None:
        """The active model of the lowest source; None without one."""
        active = self.active
        return active[0] if active else None

    @property
    def gains(self) -> list[Gain]:
        """Gains of responses that are switched on, by spectrum."""
        out = []
        for index, spectrum in enumerate(s for s in self.spectra if s.n_noticed):
            out += [Gain(index, k, *entry.table.parameters) for k, entry in sorted(spectrum.gains.items())]
        return out

    @property
    def gain_entries(self) -> list[Any]:
        """What holds the parameters of `gains`, in their order."""
        return [e for s in self.spectra if s.n_noticed for _, e in sorted(s.gains.items())]

    def join(self) -> JointTable | None:
        """One table of the parameters of all active models and gains; None if a single model has no need of it."""
        active, gains = self.active, self.gains
        old = self._joint
        if not active or (len(active) == 1 and active[0].source == 1 and not gains):
            if old is not None:
                old.release()
                self._joint = None
            return None
        wanted = [(e.source, e.name, id(e.table)) for e in active], [(g.index, g.source, id(g.slope)) for g in gains]
        if old is not None:
            known = [(s.number, s.name, id(s.table)) for s in old.sources]
            if (known, [(g.index, g.source, id(g.slope)) for g in old.gains]) == wanted:
                return old
            old.release()
        self._joint = JointTable([Source(e.source, e.table, e.name) for e in active], gains)
        return self._joint

    def position(self, entry: ModelEntry, local: int) -> int:
        """Position of a model's parameter among those of the fit, both from zero."""
        joint = self.join()
        if joint is None:
            return local
        place = next((i for i, s in enumerate(joint.sources) if s.table is entry.table), None)
        if place is None:
            raise XspecError(f"Error: model {entry.name or 'unnamed'} is not in use")
        return joint.position(place, local)

    def locate(self, position: int) -> tuple[Any, int]:
        """The model (or gain) a parameter of the fit belongs to, and its position there."""
        joint = self.join()
        if joint is None:
            entry = self.entry
            assert entry is not None
            return entry, position
        place, local = joint.locate(position)
        if place < 0:
            return self.gain_entries[local // 2], local % 2
        table = joint.sources[place].table
        return next(e for e in self.active if e.table is table), local

    def number(self, word: str) -> int:
        """Number among the fit's parameters of ``3``, ``p3``, ``name:3``, or ``r2`` for those of gains."""
        name, _, text = word.rpartition(":")
        if not name and text[:1] in ("r", "R") and text[1:].isdigit():
            joint = self.join()
            count = 0 if joint is None else len(joint.extras)
            if joint is None or not 1 <= int(text[1:]) <= count:
                raise XspecError(f"Error: there is no response parameter {word}: there are {count}")
            return joint.width * joint.n_groups + int(text[1:])
        text = text.lstrip("pP")
        active = self.active
        found = [e for e in active if e.name == name] or (active[:1] if not name and len(active) == 1 else [])
        if not found or not text.isdigit() or not 1 <= int(text) <= len(found[0].table.parameters):
            raise XspecError(f"Error: there is no parameter {word}")
        return self.position(found[0], int(text) - 1) + 1

    def add_model(self, expression: str, name: str = "", source: int = 1) -> ModelEntry:
        """Define a model for a source; the one it had becomes inactive."""
        model = EngineModel(expression, self.settings)
        entry = ModelEntry(name, source, ParameterTable(model, self.n_groups))
        for other in self.models.values():
            if other.source == source and other.active and other.name != name:
                other.active = False
                self.out(f"\nPrevious model for source #: {source} has been rendered inactive.")
        self.models.pop(name, None)
        self.models[name] = entry
        self.follow(entry)
        self.model_changed()
        return entry

    # -- engine ---------------------------------------------------------------------------------------------------

    def ready(self) -> bool:
        """Whether there are spectra with responses and a model for them."""
        active = self.active
        usable = [s for s in self.spectra if s.n_noticed]
        return bool(active and usable) and all(s.responds(active) for s in self.spectra)

    def spectrum_set(self) -> tuple[SpectrumSet, list[int]]:
        """Noticed spectra for the engine, and their numbers."""
        usable = [s for s in self.spectra if s.n_noticed]
        if not usable:
            raise XspecError("no channel is noticed in any spectrum")
        data = SpectrumSet(
            [s.fitted(self) for s in usable],
            groups=[s.dataGroup for s in usable],
            notice=[s.channel_mask() for s in usable],
        )
        return data, [s.index for s in usable]

    def energies_for(self, edges: Any) -> Any:
        """Energies on which models are computed for a response with these edges."""
        if self.grid is not None:
            return self.grid
        for side, (energy, number, spacing) in self.extensions.items():
            with translated("energies"):
                if side == "low" and energy < edges[0]:
                    edges = np.append(energy_grid(energy, float(edges[0]), number, spacing)[:-1], edges)
                elif side == "high" and energy > edges[-1]:
                    edges = np.append(edges, energy_grid(float(edges[-1]), energy, number, spacing)[1:])
        return edges

    def regridded(self, rmf: Any, arf: Any, edges: Any) -> Any:
        """Response for models on other energies; made once."""
        key = (id(rmf), id(arf), edges.tobytes())
        if key not in self._regridded:
            with translated("energies"):
                self._regridded[key] = (response_on_energies(rmf, arf, edges), rmf, arf)  # ids stay theirs
        return self._regridded[key][0]

    def statistics(self, numbers: list[int]) -> list[str]:
        """Fit statistic of each spectrum."""
        return [self.options.per_spectrum.get(n, self.options.statistic) for n in numbers]

    def engine(self) -> EngineFit:
        """The engine's fit of the present data and model.

        Raises
        ------
        XspecError
            If data, responses or model are missing.
        """
        entry = self.entry
        if entry is None:
            raise XspecError("Error: no models are in use")
        if not self.spectra:
            raise XspecError("Error: no data are loaded")
        bare = [s.index for s in self.spectra if not s.responds(self.active)]
        if bare:
            raise XspecError(f"Error: spectra without a response: {', '.join(map(str, bare))}")
        joint = self.join()
        table = entry.table if joint is None else joint
        if self._engine is None or self._engine.table is not table:
            data, self._numbers = self.spectrum_set()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", WolterWarning)
                self._engine = self._plain_fit(data, entry) if joint is None else self._joint_fit(data, joint)
            self.apply_priors()
        return self._engine

    def _plain_fit(self, data: SpectrumSet, entry: ModelEntry) -> EngineFit:
        fit = EngineFit(
            data,
            entry.table.models[0],
            statistic=self.statistics(self._numbers),
            weight=self.options.weight,
            systematic=self.options.systematic,
            plans=self._plans,
        )
        while len(self._plans) > 1 and sum(_size(p) for p in self._plans.values()) > KEPT_PLANS:  # the oldest ones go
            del self._plans[next(iter(self._plans))]
        fit.table = entry.table
        fit._likelihood = None
        return fit

    def _joint_fit(self, data: SpectrumSet, joint: JointTable) -> EngineFit:
        with translated("model"):
            return SourcesFit(
                data,
                joint.sources,
                [self.spectra[n - 1].responses(self) for n in self._numbers],
                gains=joint.gains,
                statistic=self.statistics(self._numbers),
                weight=self.options.weight,
                systematic=self.options.systematic,
                table=joint,
            )

    def apply_priors(self) -> None:
        """Priors of the parameters, if Bayesian inference is on."""
        engine, entry = self._engine, self.entry
        if engine is None or entry is None:
            return
        engine.bayes = self.options.bayes != "off"
        engine.priors.clear()
        engine._likelihood = None
        if self.options.bayes != "on":  # "cons" gives all parameters a constant prior, which adds nothing
            return
        for one in self.active:
            for local, (kind, *values) in one.priors.items():
                with translated("prior"):
                    number = self.position(one, local) + 1
                    engine.prior(number, " ".join([kind.lower(), *map(str, values)]))

    def entry_of(self, number: int) -> Any:
        """The engine's record of spectrum `number`, or None if nothing of it is noticed."""
        fit = self.engine()
        if number not in self._numbers:
            return None
        entry = fit.dataset.spectra[self._numbers.index(number)]
        if isinstance(fit, SourcesFit) and fit.table.gains:  # the energies of the channels move, too
            responses = fit.dataset.source.responses[entry.number - 1]  # type: ignore[attr-defined]
            source = min(k for k in responses if k in [s.number for s in fit.table.sources])
            return next(e for e in fit.source_entries(source) if e.number == entry.number)
        return entry

    @property
    def numbers(self) -> list[int]:
        """Numbers of the spectra in the engine's fit."""
        return self._numbers

    def restate(self) -> None:
        """Use the present statistic and weighting."""
        if self._engine is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", WolterWarning)
                self._engine.use_statistic(self.statistics(self._numbers), self.options.weight)


def _size(plan: Any) -> int:
    """Bytes of a folding plan's matrix."""
    matrix = plan.matrix if plan.dense else plan.matrix.data
    return int(matrix.nbytes)


SESSION = Session()
