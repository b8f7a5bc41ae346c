"""Responses and backgrounds of spectra."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.compat.xspec import files
from wolter.compat.xspec.errors import XspecError, translated
from wolter.compat.xspec.parameters import Parameter
from wolter.compat.xspec.restrict import Restricted
from wolter.compat.xspec.session import SESSION, ModelEntry
from wolter.data.response_tools import shift_gain

if TYPE_CHECKING:
    from wolter.compat.xspec.data import Spectrum

__all__ = ["Background", "Correction", "MultiResponse", "OtherResponse", "RModel", "Response"]

SMALL = 1.1754943508222875e-38  # what XSPEC puts in place of a channel boundary of zero


class Response(Restricted):
    """Detector response of a spectrum for a source.

    Attributes
    ----------
    rmf, arf : str
        File names; setting `arf` reads it, None or "" removes it.
    energies, chanEnergies : list of float
        Edges of the energy bins and of the channels, keV.
    sourceNumber : int
        Of the source.
    """

    def __init__(self, spectrum: Spectrum, source: int) -> None:
        self._spectrum = spectrum
        self._source = source

    @property
    def _other(self) -> OtherResponse | None:
        return None if self._source == 1 else self._spectrum._others.get(self._source)

    def _engine(self) -> Any:
        other = self._other
        rmf = self._spectrum._rmf() if other is None else other.rmf
        entry = self._spectrum.gains.get(self._source)
        if entry is None:
            return rmf
        slope, offset = (p.value for p in entry.table.parameters)
        with translated("gain"):
            return shift_gain(rmf, None, slope, offset)[0]

    @property
    def rmf(self) -> str:
        other = self._other
        return self._spectrum._rmf_name if other is None else other.rmf_name

    @property
    def arf(self) -> str:
        other = self._other
        name = self._spectrum._arf_name if other is None else other.arf_name
        if not name:
            raise XspecError("Error: No arf is associated with this response.")
        return name

    @arf.setter
    def arf(self, name: str | None) -> None:
        other = self._other
        if other is None:
            self._spectrum._set_arf(name)
            return
        none = files.is_none(name)
        other.arf = None if none else files.read_arf(str(name), SESSION.cache)
        other.arf_name = "" if none else str(name)
        _changed()

    @property
    def sourceNumber(self) -> int:
        return self._source

    @property
    def energies(self) -> list[float]:
        return self._engine().edges.tolist()

    @property
    def chanEnergies(self) -> list[float]:
        rmf = self._engine()
        out = [*rmf.e_min.tolist(), float(rmf.e_max[-1])]
        return [v if v > 0 else SMALL for v in out]

    @property
    def gain(self) -> RModel:
        return RModel(self)

    @gain.setter
    def gain(self, value: Any) -> None:
        raise XspecError("Error: set response.gain.slope or response.gain.offset")

    def setPars(self, *values: Any) -> None:
        """Set slope and offset of the gain, which is switched on."""
        if len(values) == 1 and isinstance(values[0], dict):
            values = tuple(values[0].get(number, "") for number in (1, 2))
        if len(values) > 2:
            SESSION.out("***Warning: 'gain' only has 2 parameters.  Extra arguments are ignored.")
        if not all(isinstance(v, int | float | str) for v in values):
            raise XspecError("Error: Argument must be a number or a string type")
        entry = self.gain._on()
        for number, value in enumerate(values[:2], 1):
            if value != "":
                Parameter(entry, 1, number)._assign(value)
        _changed()

    def show(self) -> None:
        """Print the names of the files, and the gain."""
        SESSION.out(f" Using Response (RMF) File            {self.rmf} for Source {self._source}")
        other = self._other
        arf = self._spectrum._arf_name if other is None else other.arf_name
        if arf:
            SESSION.out(f" Using Auxiliary Response (ARF) File  {arf}")
        if self.gain.isOn:
            for number, p in enumerate(self._spectrum.gains[self._source].table.parameters, 1):
                state = "frozen" if p.frozen else f"+/-  {max(self.gain._parameter(p.name).sigma, 0.0):g}"
                SESSION.out(f"  r{number}  gain  {p.name:<8} {p.value:<12g} {state}")

    def __repr__(self) -> str:
        return f"<Response {self.rmf}>"


def _changed() -> None:
    from wolter.compat.xspec import show

    SESSION.data_changed()
    show.fit_lines()


@dataclass(eq=False)
class OtherResponse:
    """Response of a spectrum for a source beyond the first."""

    rmf: Any
    rmf_name: str
    arf: Any = None
    arf_name: str = ""


class _GainTable:
    """Slope and offset where a model would have its parameter table."""

    width = 2
    n_groups = 1
    models: tuple[Any, ...] = ()

    def __init__(self) -> None:
        from wolter.fit.sources import gain_parameters

        self.parameters = gain_parameters()

    def refresh(self) -> None:
        """Bring linked parameters up to date."""
        joint = SESSION.join()
        if joint is not None:
            joint.refresh()


class RModel:
    """The gain of a response: ``E' = E / slope - offset``; setting a parameter switches it on.

    Attributes
    ----------
    slope, offset : Parameter
        Free parameters of the fit while it is on.
    isOn : bool
        Whether it is.
    parameterNames : tuple of str
        Their names.
    """

    parameterNames = ("slope", "offset")

    def __init__(self, response: Response) -> None:
        self.__dict__["_response"] = response

    @property
    def _place(self) -> tuple[dict[int, Any], int]:
        response = self.__dict__["_response"]
        return response._spectrum.gains, response._source

    @property
    def isOn(self) -> bool:
        """Whether the gain is fitted."""
        gains, source = self._place
        return source in gains

    def _on(self) -> Any:
        gains, source = self._place
        if source not in gains:
            gains[source] = ModelEntry("", source, _GainTable())  # type: ignore[arg-type]
            SESSION.data_changed()
        return gains[source]

    def _parameter(self, name: str) -> Parameter:
        gains, source = self._place
        if source not in gains:
            raise XspecError("Error: Gain is currently off for this response")
        return Parameter(gains[source], 1, self.parameterNames.index(name) + 1)

    @property
    def slope(self) -> Parameter:
        return self._parameter("slope")

    @property
    def offset(self) -> Parameter:
        return self._parameter("offset")

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.parameterNames:
            raise XspecError(f"Error: Cannot rebind RModel's {name}; it has {', '.join(self.parameterNames)}")
        self._on()
        self._parameter(name).values = value

    def off(self) -> None:
        """Remove the parameters; the response is as it was."""
        gains, source = self._place
        if gains.pop(source, None) is not None:
            _changed()


class MultiResponse:
    """Responses of a spectrum by source, counted from zero."""

    def __init__(self, spectrum: Spectrum) -> None:
        self._spectrum = spectrum

    @staticmethod
    def _number(index: Any) -> int:
        if isinstance(index, bool) or not isinstance(index, int) or index < 0:
            raise XspecError("Error: Multiresponse array index must be an int for source number")
        return index + 1

    def __getitem__(self, index: int) -> Response:
        source = self._number(index)
        if source == 1 and self._spectrum.has_response:
            return Response(self._spectrum, 1)
        if source not in self._spectrum._others:
            raise XspecError(f"Error: No response is assigned to source {source} for this spectrum")
        return Response(self._spectrum, source)

    def __setitem__(self, index: int, name: str | None) -> None:
        source = self._number(index)
        if name is not None and not isinstance(name, str):
            raise XspecError("Error: Multiresponse setting must be a filename string or None")
        if source == 1:
            self._spectrum.response = name
            return
        self._spectrum.gains.pop(source, None)
        if files.is_none(name):
            self._spectrum._others.pop(source, None)
        else:
            rmf = files.read_rmf(str(name), SESSION.cache)
            if rmf.detchans != len(self._spectrum.engine):
                raise XspecError(f"Error: response {name} has another number of channels than the spectrum")
            self._spectrum._others[source] = OtherResponse(rmf, str(name))
            SESSION.out("Response successfully loaded.")
        _changed()

    def __len__(self) -> int:
        return max([*self._spectrum._others, 1 if self._spectrum.has_response else 0], default=0)


class Background(Restricted):
    """Background of a spectrum.

    Attributes
    ----------
    fileName : str
        Its name.
    values, variance : tuple of float
        Rates of all channels and their variances.
    exposure : float
        s.
    areaScale, backScale : float or tuple
        AREASCAL and BACKSCAL.
    isPoisson : bool
        POISSERR.
    """

    def __init__(self, spectrum: Spectrum) -> None:
        self._spectrum = spectrum

    @property
    def _engine(self) -> Any:
        background = self._spectrum.engine.background
        if background is None:
            raise XspecError("Error: the spectrum has no background")
        return background

    @property
    def fileName(self) -> str:
        return self._spectrum._background_name

    @property
    def values(self) -> tuple[float, ...]:
        data = self._engine
        with translated():
            binned = data._binned(self._spectrum._noticed_bins())
        return tuple(binned[0].tolist())

    @property
    def variance(self) -> tuple[float, ...]:
        with translated():
            binned = self._engine._binned(self._spectrum._noticed_bins())
        return tuple(binned[1].tolist())

    @property
    def exposure(self) -> float:
        return self._engine.exposure

    @property
    def areaScale(self) -> Any:
        return _scale(self._engine.areascal)

    @property
    def backScale(self) -> Any:
        return _scale(self._engine.backscal)

    @property
    def isPoisson(self) -> bool:
        return bool(self._engine.poisson)

    @property
    def energies(self) -> list[tuple[float, float]]:
        """Bounds of the noticed channels, keV."""
        return self._spectrum.energies

    @property
    def xflt(self) -> dict[str, float]:
        """Filter keys."""
        return dict(self._engine.xflt)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<Background {self.fileName}>"


class Correction(Background):
    """Correction file of a spectrum; attributes as those of Background."""

    @property
    def _engine(self) -> Any:
        correction = self._spectrum.engine.correction
        if correction is None:
            raise XspecError("Error: the spectrum has no correction file")
        return correction

    @property
    def fileName(self) -> str:
        return self._spectrum._correction_name

    def __repr__(self) -> str:
        return f"<Correction {self.fileName}>"


def _scale(value: Any) -> Any:
    return float(value) if np.ndim(value) == 0 else tuple(np.asarray(value).tolist())


def apply_background(spectrum: Spectrum, name: str | None) -> None:
    """Read a background for a spectrum; nothing for None."""
    if files.is_none(name):
        spectrum.engine = spectrum.engine.replace(background=None, backfile="none")
        spectrum._background_name = ""
    else:
        assert name is not None
        background = files.read_spectrum(name, "background")
        if len(background) != len(spectrum.engine):
            raise XspecError(f"Error: background file {name} has another number of channels than the spectrum")
        spectrum.engine = spectrum.engine.replace(background=background, backfile=name)
        spectrum._background_name = name
