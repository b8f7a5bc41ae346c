"""Models: `AllModels` and `Model`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wolter.compat.xspec import fluxes, show
from wolter.compat.xspec.errors import XspecError, missing, translated
from wolter.compat.xspec.parameters import Component, Parameter, _after
from wolter.compat.xspec.restrict import Restricted
from wolter.compat.xspec.session import SESSION, ModelEntry
from wolter.errors import WolterError
from wolter.fit.sources import SourcesFit

__all__ = ["Model", "ModelManager"]


class Model:
    """A model for a data group.

    Parameters
    ----------
    exprString : str
        Expression, with or without abbreviations.
    modName : str
        Name; empty for the unnamed one.
    sourceNum : int
        Source.
    setPars : sequence, mapping or value, optional
        Parameters.
    """

    _entry: ModelEntry
    _group: int

    def __init__(self, exprString: str, modName: str = "", sourceNum: int = 1, setPars: Any = None) -> None:
        if modName and not modName[0].isalpha():
            raise XspecError(f"Error: {modName!r} is no name for a model")
        try:
            entry = SESSION.add_model(exprString, modName, int(sourceNum))
        except WolterError as error:
            show.model_error(exprString, error)
            raise XspecError("Model Command Error") from error
        self.__dict__.update(_entry=entry, _group=1)
        entry.models[0] = self
        show.models([entry])
        show.fit_lines()
        if setPars is not None:
            _set(self, list(setPars) if isinstance(setPars, list | tuple) else [setPars])
            show.fit_lines()
            show.models([entry], group=1)

    @classmethod
    def _of(cls, entry: ModelEntry, group: int) -> Model:
        self = cls.__new__(cls)
        self.__dict__.update(_entry=entry, _group=group)
        return self

    @property
    def _engine(self) -> Any:
        if self._group > self._entry.table.n_groups:
            raise XspecError("Error: the model belongs to a data group that is gone")
        return self._entry.table.models[self._group - 1]

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._entry.name

    @property
    def expression(self) -> str:
        """Expression with full names."""
        return self._engine.expression

    @property
    def componentNames(self) -> list[str]:
        """Names of the components, which are attributes of the model."""
        return [c.label for c in self._engine.components]

    @property
    def nParameters(self) -> int:
        """Number of parameters of this data group."""
        return self._entry.table.width

    @property
    def startParIndex(self) -> int:
        """Number of the first parameter, over all data groups."""
        return (self._group - 1) * self._entry.table.width + 1

    def __call__(self, index: int) -> Parameter:
        """Parameter by its number in this data group, from one."""
        if not 1 <= int(index) <= self.nParameters:
            raise XspecError(f"Error: Parameter index {index} is out of range: the model has {self.nParameters}")
        return Parameter(self._entry, self._group, int(index))

    def __getattr__(self, name: str) -> Component:
        if name.startswith("__") or "_entry" not in self.__dict__:
            raise AttributeError(name)
        names = self.componentNames
        for wanted in (names, [n.lower() for n in names]):
            for number, label in enumerate(wanted, 1):
                if label == (name if wanted is names else name.lower()):
                    return Component(self._entry, self._group, number)
        raise AttributeError(f"Model {self.expression!r} has no component {name!r}; it has {names}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("__class__", "__dict__"):
            object.__setattr__(self, name, value)
            return
        if SESSION.new_attributes and name not in self.componentNames:
            self.__dict__[name] = value
            return
        raise AttributeError(f"A model's attribute {name!r} cannot be set; set a parameter, e.g. m.powerlaw.norm = 1")

    def __dir__(self) -> list[str]:
        return [*object.__dir__(self), *self.componentNames]

    def setPars(self, *values: Any) -> None:
        """Set parameters: values (numbers or strings) in order, and mappings from number to value."""
        _set(self, list(values))
        _after(self._entry)

    def untie(self) -> None:
        """Remove the links of all parameters of this data group."""
        for index in range(1, self.nParameters + 1):
            self(index)._untie()
        _after(self._entry)

    def energies(self, spectrum: int) -> list[float]:
        """Energy edges of the model for a spectrum; 0 for the dummy grid."""
        return fluxes.edges_of(int(spectrum), self._entry.source).tolist()

    def values(self, spectrum: int) -> list[float]:
        """Photons/cm²/s in the energy bins of a spectrum; 0 for the dummy grid."""
        return fluxes.values_of(self._entry, self._group, int(spectrum)).tolist()

    def folded(self, spectrum: int) -> list[float]:
        """Folded rates in the noticed channels of a spectrum."""
        number = int(spectrum)
        if not self._entry.active:
            raise XspecError(f"Error: model {self.name or 'unnamed'} is not in use")
        with translated("folded"):
            entry = SESSION.entry_of(number)
            engine = SESSION.engine()
            if isinstance(engine, SourcesFit) and entry is not None:
                folded = engine.source_folded(self._entry.source).get(entry.number - 1)
                if folded is None:
                    raise XspecError(f"Error: model object is not used with spectrum {number}")
                return folded.tolist()
            return [] if entry is None else SESSION.engine().folded()[entry.number - 1].tolist()

    @property
    def flux(self) -> tuple[float, ...]:
        """Of the last calcFlux without data."""
        return fluxes.MODEL_FLUX.get((id(self._entry), "flux"), (0.0,) * 6)

    @property
    def lumin(self) -> tuple[float, ...]:
        """Of the last calcLumin without data."""
        return fluxes.MODEL_FLUX.get((id(self._entry), "lumin"), (0.0,) * 6)

    @staticmethod
    def showList() -> None:
        """Print the names of all components."""
        from wolter.models.registry import available_names

        names = available_names()
        for first in range(0, len(names), 6):
            SESSION.out(" " + "".join(f"{n:<13}" for n in names[first : first + 6]))

    def show(self) -> None:
        """Print the parameters of this data group."""
        show.models([self._entry], group=self._group)

    def __repr__(self) -> str:
        return f"<Model {self.name + ':' if self.name else ''}{self.expression}, data group {self._group}>"


def _set(model: Model, values: list[Any]) -> None:
    """Set several parameters; numbers are checked before anything changes."""
    wanted: list[tuple[int, Any]] = []
    position = 1
    for value in values:
        if isinstance(value, Mapping):
            for number, one in value.items():
                position = int(number)
                wanted.append((position, one))
                position += 1
        else:
            wanted.append((position, value))
            position += 1
    for number, _ in wanted:
        if not 1 <= number <= model.nParameters:
            raise XspecError(
                f"Error: Attempting to set par {number} in a model with only {model.nParameters} parameters.\n"
            )
    for number, value in wanted:
        if value is not None and value != "":
            model(number)._assign(value)


class ModelManager(Restricted):
    """`AllModels`: the container of all models."""

    def __call__(self, groupNum: int, modName: str = "") -> Model:
        """Model of a data group."""
        entry = self._entry(modName)
        if entry is None or not 1 <= int(groupNum) <= len(entry.models):
            label = f"model {modName}" if modName else "unnamed model"
            raise XspecError(f"Error: No model object exists for {label}, data group {groupNum}")
        return entry.models[int(groupNum) - 1]

    @staticmethod
    def _entry(name: str) -> ModelEntry | None:
        return SESSION.models.get(name)

    @property
    def sources(self) -> dict[int, str]:
        """Names of the active models by source."""
        return {e.source: e.name for e in SESSION.active}

    def __iadd__(self, what: Any) -> ModelManager:
        """Add a model: an expression, or ``(expression, name, source)``."""
        if isinstance(what, str):
            Model(what)
        else:
            Model(*what)
        return self

    def __isub__(self, what: str) -> ModelManager:
        """Remove a model by name; "unnamed" for the one without, "*" for all."""
        if what == "*":
            self.clear()
            return self
        name = "" if what in ("unnamed", "") else what
        if name not in SESSION.models:
            raise XspecError(f"Error: there is no model {what}")
        del SESSION.models[name]
        SESSION.model_changed()
        return self

    def clear(self) -> None:
        """Remove all models."""
        SESSION.models.clear()
        SESSION.model_changed()

    def show(self, parIDs: str | None = None) -> None:
        """Print all models, or only some parameters: ``"1-4 7"``."""
        show.models(chosen=parIDs)

    def setPars(self, *pairs: Any) -> None:
        """Set parameters of several models at once: model, values, model, values ..."""
        model: Model | None = None
        collected: list[tuple[Model, list[Any]]] = []
        for item in pairs:
            if isinstance(item, Model):
                model = item
                collected.append((model, []))
            elif model is None:
                raise XspecError("Error: AllModels.setPars needs a model before values")
            else:
                collected[-1][1].extend(item if isinstance(item, list | tuple) else [item])
        for one, values in collected:
            _set(one, values)
        if collected:
            _after(collected[-1][0]._entry)

    def calcFlux(self, cmdStr: str) -> None:
        """Flux of the models: ``"lo hi [err n level]"``, keV."""
        fluxes.flux(cmdStr)

    def calcLumin(self, cmdStr: str) -> None:
        """Luminosity: ``"lo hi z [err n level]"``, keV in the rest frame."""
        fluxes.luminosity(cmdStr)

    def eqwidth(
        self, component: Any, rangeFrac: float | None = None, err: bool = False, number: int = 100, level: float = 90
    ) -> None:
        """Equivalent width of a line component, by number."""
        fluxes.equivalent_width(component, rangeFrac, err, number, level)

    def setEnergies(self, arg1: Any, arg2: Any = None) -> None:
        """Energies on which models are computed: ``"lo hi n log, hi n lin"``, a file, "extend", or "reset".

        ``setEnergies("extend", "low,0.01,100,log high,200.,50,log")`` adds to those of the responses.
        """
        from wolter.compat.xspec import dummies

        dummies.set_energies(arg1, arg2)

    @property
    def systematic(self) -> float:
        """Systematic error of the models, a fraction."""
        return SESSION.options.systematic

    @systematic.setter
    def systematic(self, value: float) -> None:
        if not float(value) >= 0:
            raise XspecError(f"Error: a systematic error of {value} is not possible")
        SESSION.options.systematic = float(value)
        SESSION.model_changed()
        SESSION.out(f" Model systematic error set to {SESSION.options.systematic:g}")

    def setActive(self, modName: str = "") -> None:
        """Use a model; another one of its source is switched off."""
        self._switch(modName, True)

    def setInactive(self, modName: str = "") -> None:
        """Keep a model, but do not use it."""
        self._switch(modName, False)

    @staticmethod
    def _switch(name: str, active: bool) -> None:
        entry = SESSION.models.get("" if name in ("", "unnamed") else name)
        if entry is None:
            raise XspecError(f"Error: there is no model {name or 'without name'}")
        for other in SESSION.models.values():
            if active and other.source == entry.source:
                other.active = False
        entry.active = active
        SESSION.model_changed()
        show.fit_lines()

    def systematicSingleModel(self, modName: str = "") -> float:
        """Systematic error of one model: that of all."""
        return SESSION.options.systematic

    def setSystematicSingleModel(self, *args: Any, **kwargs: Any) -> None:
        """Systematic error of one of several models."""
        raise missing(
            "AllModels.setSystematicSingleModel", "the systematic error is one for all models: AllModels.systematic"
        )

    def addPyMod(
        self, func: Any, parInfo: Any, modelType: str, calcsErrors: bool = False, spectrumDependent: bool = False
    ) -> None:
        """Add a model written in Python."""
        from wolter.compat.xspec.pymod import add

        add(func, parInfo, modelType, calcsErrors, spectrumDependent)

    def initpackage(self, *args: Any, **kwargs: Any) -> None:
        """Compile local models."""
        raise missing("AllModels.initpackage", "compiled local models need XSPEC; write the model with addPyMod")

    def lmod(self, *args: Any, **kwargs: Any) -> None:
        """Load compiled local models."""
        raise missing("AllModels.lmod", "compiled local models need XSPEC; write the model with addPyMod")

    def mdefine(self, cmdStr: str = "") -> None:
        """Define a model by an expression: ``"name expression : type emin emax"``; without one list or delete them."""
        from wolter.compat.xspec import dummies

        dummies.mdefine(str(cmdStr))

    def simpars(self, *args: Any, **kwargs: Any) -> tuple[float, ...]:
        """Random parameter values from the covariance of the fit."""
        return fluxes.draw_parameters()

    def tclLoad(self, *args: Any, **kwargs: Any) -> None:
        """Run a Tcl script that loads models."""
        raise missing("AllModels.tclLoad", "there is no Tcl; write the model with addPyMod")

    def __len__(self) -> int:
        return len(SESSION.models)
