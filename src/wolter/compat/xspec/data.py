"""Spectra: `AllData`, `Spectrum`."""

from __future__ import annotations

from typing import Any

import numpy as np

from wolter.compat.xspec import dummies, files, show
from wolter.compat.xspec.errors import XspecError, missing, translated
from wolter.compat.xspec.ranges import range_text
from wolter.compat.xspec.response import (
    SMALL,
    Background,
    Correction,
    MultiResponse,
    OtherResponse,
    Response,
    _scale,
    apply_background,
)
from wolter.compat.xspec.restrict import Restricted
from wolter.compat.xspec.session import NUMBER, SESSION

__all__ = ["USE_DEFAULT", "Spectrum"]


USE_DEFAULT = "USE_DEFAULT"


class Spectrum(Restricted):
    """A loaded spectrum.

    Parameters
    ----------
    dataFile : str
        Name of the file, with ``{row}`` for type II.
    backFile, respFile, arfFile, corrFile : str, optional
        Instead of those the header names; None or an empty string: none of the kind.
    """

    _fields = frozenset({"engine", "gains"})

    def __init__(
        self,
        dataFile: str,
        backFile: str | None = USE_DEFAULT,
        respFile: str | None = USE_DEFAULT,
        arfFile: str | None = USE_DEFAULT,
        corrFile: str | None = USE_DEFAULT,
    ) -> None:
        try:
            self._load(dataFile)
        except XspecError as error:
            SESSION.out(str(error))
            show.in_use()
            show.fit_lines()
            raise ValueError(str(error)) from error
        self._group = 1
        SESSION.spectra.append(self)
        for attribute, value in (("response", respFile), ("background", backFile), ("correction", corrFile)):
            if value != USE_DEFAULT:
                setattr(self, attribute, value)
        if arfFile != USE_DEFAULT and (self.has_response or not files.is_none(arfFile)):
            self._set_arf(arfFile)
        SESSION.data_changed()
        show.loaded([self])

    @classmethod
    def _make(cls, name: str, group: int) -> Spectrum:
        self = cls.__new__(cls)
        self._load(name)
        self._group = group
        return self

    @classmethod
    def _of(cls, engine: Any, name: str, group: int, rmf: str, arf: str, background: str) -> Spectrum:
        """A spectrum that exists already (fakeit)."""
        self = cls.__new__(cls)
        self.engine, self._name, self._group = engine, name, group
        self._rmf_name, self._arf_name, self._background_name = rmf, arf, background
        self._correction_name = ""
        self._reset()
        return self

    def _load(self, name: str) -> None:
        self.engine = files.read_spectrum(name)
        self._name = name
        self._rmf_name = self._arf_name = self._background_name = self._correction_name = ""
        self._reset()
        beside = self.engine.path.parent if self.engine.path else None
        header = self.engine.respfile, self.engine.ancrfile, self.engine.backfile, self.engine.corrfile
        setters = self._read_rmf, self._read_arf, self._read_background, self._read_correction
        for file, setter in zip(header, setters, strict=True):
            if not files.is_none(file):
                place = file if files.find(file) else files.find(file, beside)
                if place is None:
                    kind = {self._read_rmf: "response", self._read_arf: "arf"}.get(setter, "background")
                    SESSION.out(
                        f"***XSPEC Error:  cannot open file named: {file}\nError: cannot read {kind} file {file}"
                    )
                    SESSION.out(f"*** {kind.capitalize()} file has format inconsistent with data:  "
                                f"{kind} file {file} read skipped")  # fmt: skip
                    continue
                if setter == self._read_arf and self.engine.rmf is None:
                    continue
                try:
                    setter(place)
                except XspecError as error:
                    SESSION.out(f"***Warning: {error}")
                else:
                    self._names_as_written(file, setter)

    def _names_as_written(self, file: str, setter: Any) -> None:
        for attribute, mine in (
            ("_rmf_name", self._read_rmf),
            ("_arf_name", self._read_arf),
            ("_background_name", self._read_background),
            ("_correction_name", self._read_correction),
        ):
            if setter == mine and getattr(self, attribute):
                setattr(self, attribute, file)

    def _reset(self) -> None:
        self._all = self.engine.bins()
        self._notice = np.ones(self._all.total, dtype=bool)
        self._flux: dict[int, tuple[float, ...]] = {}
        self._lumin: dict[int, tuple[float, ...]] = {}
        self._eqwidth: tuple[float, ...] = (0.0, 0.0, 0.0)
        self._real: tuple[Any, Any, str, str] | None = None  # the response behind a dummy one
        self._others: dict[int, OtherResponse] = {}  # responses for sources beyond the first
        self.gains: dict[int, Any] = {}  # gains that are switched on, by source
        self._energies: Any = None  # of a dummy response that only says where models are computed

    # -- responses ------------------------------------------------------------------------------------------------

    @property
    def has_response(self) -> bool:
        """Whether a response for source 1 is loaded."""
        return self.engine.rmf is not None

    def responds(self, entries: Any) -> bool:
        """Whether there is a response for one of these models."""
        return any(e.source in self._others or (e.source == 1 and self.has_response) for e in entries)

    def responses(self, session: Any) -> dict[int, Any]:
        """RMF and ARF by source, on the energies of the models."""
        out: dict[int, Any] = {}
        if self.has_response:
            fitted = self.fitted(session)
            out[1] = (fitted.rmf, fitted.arf)
        for source, other in self._others.items():
            edges = SESSION.energies_for(other.rmf.edges)
            same = len(edges) == len(other.rmf.edges) and (edges == other.rmf.edges).all()
            out[source] = (other.rmf, other.arf) if same else (session.regridded(other.rmf, other.arf, edges), None)
        return out

    def _rmf(self) -> Any:
        if self.engine.rmf is None:
            raise XspecError("Error: Spectrum has no response")
        return self.engine.rmf

    def _read_rmf(self, name: str) -> None:
        rmf = files.read_rmf(name, SESSION.cache)
        show.response_warnings(rmf, self.engine)
        with translated():
            self.engine = self.engine.with_responses(rmf, None, allow_mismatch=True)
        self._rmf_name, self._arf_name = name, ""

    def _read_arf(self, name: str) -> None:
        arf = files.read_arf(name, SESSION.cache)
        with translated():
            self.engine = self.engine.with_responses(self._rmf(), arf, allow_mismatch=True)
        self._arf_name = name

    def _read_background(self, name: str) -> None:
        apply_background(self, name)

    def _read_correction(self, name: str) -> None:
        correction = files.read_spectrum(name, "correction")
        if len(correction) != len(self.engine):
            raise XspecError(f"Error: correction file {name} has another number of channels than the spectrum")
        self.engine = self.engine.replace(correction=correction, corrfile=name)
        self._correction_name = name

    def model_edges(self, source: int = 1) -> Any:
        """Energies on which models of a source are computed for this spectrum."""
        if source in self._others:
            return SESSION.energies_for(self._others[source].rmf.edges)
        return SESSION.energies_for(self._rmf().edges if self._energies is None else self._energies)

    def fitted(self, session: Any) -> Any:
        """The spectrum as the engine fits it: with its response on the energies of the models."""
        engine, rmf = self.engine, self.engine.rmf
        if SESSION.numbered:
            engine = engine.replace(xflt=self.keys())
        if rmf is None:
            return engine
        edges = self.model_edges()
        if edges is rmf.edges or (len(edges) == len(rmf.edges) and (edges == rmf.edges).all()):
            return engine
        return engine.replace(rmf=session.regridded(rmf, engine.arf, edges), arf=None)

    def keys(self) -> dict[str, float]:
        """XFLT keys as the models see them."""
        own = dict(self.engine.xflt)
        return {**own, NUMBER: float(self.index)} if SESSION.numbered else own

    def _set_arf(self, name: str | None) -> None:
        if files.is_none(name):
            self.engine = self.engine.with_responses(self._rmf(), None, allow_mismatch=True)
            self._arf_name = ""
        else:
            assert name is not None
            self._read_arf(name)
            SESSION.out("Arf successfully loaded.")
        SESSION.data_changed()
        show.unfit()
        show.fit_lines()

    @property
    def response(self) -> Response:
        """Response for source 1; set with the name of a file, None removes it. Setting drops the ARF."""
        self._rmf()
        return Response(self, 1)

    @response.setter
    def response(self, name: str | None) -> None:
        if files.is_none(name):
            self.engine = self.engine.with_responses(None, None)
            self._rmf_name = self._arf_name = ""
        else:
            assert name is not None
            show.without_response()
            self._read_rmf(name)
            SESSION.out("Response successfully loaded.")
        SESSION.data_changed()
        show.unfit()
        show.fit_lines()

    @property
    def multiresponse(self) -> MultiResponse:
        """Responses by source, from zero."""
        return MultiResponse(self)

    @property
    def background(self) -> Background | None:
        """Background, None without one; set with the name of a file."""
        return None if self.engine.background is None else Background(self)

    @background.setter
    def background(self, name: str | None) -> None:
        had = bool(self._background_name)
        apply_background(self, name)
        if self._background_name or had:
            SESSION.out(f"Net count rate (cts/s) for Spectrum:{self.index}  {show.net_rate(self)}")
        SESSION.data_changed()
        show.fit_lines()

    @property
    def correction(self) -> Correction | None:
        """Correction file, None without one; set with its name."""
        return None if self.engine.correction is None else Correction(self)

    @correction.setter
    def correction(self, name: str | None) -> None:
        if files.is_none(name):
            self.engine = self.engine.replace(correction=None, corrfile="none")
            self._correction_name = ""
        else:
            assert name is not None
            self._read_correction(name)
        SESSION.data_changed()
        show.fit_lines()

    @property
    def cornorm(self) -> float:
        """Norm of the correction file."""
        return float(self.engine.corrscal)

    @cornorm.setter
    def cornorm(self, value: float) -> None:
        self.engine = self.engine.replace(corrscal=float(value))
        SESSION.data_changed()
        show.fit_lines()

    def dummyrsp(
        self,
        lowE: float | None = None,
        highE: float | None = None,
        nBins: int | None = None,
        scaleType: str | None = None,
        chanOffset: float | None = None,
        chanWidth: float | None = None,
        sourceNum: int = 1,
    ) -> None:
        """Replace the response by a dummy; with a channel width of zero only say where models are computed."""
        if sourceNum != 1:
            raise missing("Spectrum.dummyrsp(sourceNum=...)", "dummy responses are those of source 1")
        dummies.set_dummy([self], lowE, highE, nBins, scaleType, chanOffset, chanWidth)

    def diagrsp(self) -> None:
        """Replace the response by a diagonal one: the area stays, the resolution is perfect."""
        dummies.set_diagonal([self])

    # -- data -----------------------------------------------------------------------------------------------------

    def _noticed_bins(self) -> Any:
        return self.engine.bins(self.channel_mask())

    def channel_mask(self) -> Any:
        """Noticed channels of the file."""
        return self.engine.mask_of(self._notice, self._all)

    @property
    def n_noticed(self) -> int:
        """Number of noticed bins."""
        return int(self._notice.sum())

    def _binned(self) -> Any:
        with translated():
            return self.engine.binned(self.channel_mask())

    @property
    def values(self) -> tuple[float, ...]:
        """Rates of the noticed channels, background not subtracted."""
        return tuple(self._binned().rate.tolist()) if self.n_noticed else ()

    @property
    def variance(self) -> tuple[float, ...]:
        """Their variances."""
        return tuple(self._binned().variance.tolist()) if self.n_noticed else ()

    @property
    def rate(self) -> tuple[float, float, float, float]:
        """Net rate, its error, total rate, model rate; counts/s of the noticed channels."""
        if not self.n_noticed:
            return (0.0, 0.0, 0.0, 0.0)
        known = self.__dict__.get("_measured")
        if known is None or known[0] is not self.engine or not np.array_equal(known[1], self._notice):
            mask = self.channel_mask()
            measured = *self.engine.net_rate(mask), self.engine.total_rate(mask)
            self._measured = known = (self.engine, self._notice.copy(), measured)
        net, error, total = known[2]
        model = 0.0
        if SESSION.ready():
            entry = SESSION.entry_of(self.index)
            model = float((entry.area * SESSION.engine().folded()[entry.number - 1]).sum())
        return net, error, total, model

    @property
    def noticed(self) -> list[int]:
        """Numbers of the noticed channels."""
        return (np.flatnonzero(self._notice) + 1).tolist()

    @property
    def ignored(self) -> list[int]:
        """Numbers of the others."""
        return (np.flatnonzero(~self._notice) + 1).tolist()

    def noticedString(self) -> str:
        """Noticed channels as ranges."""
        return range_text(self.noticed)

    def ignoredString(self) -> str:
        """Ignored channels as ranges."""
        return range_text(self.ignored)

    @property
    def energies(self) -> list[tuple[float, float]]:
        """Bounds of the noticed channels, keV."""
        lo, hi = self.engine.energy_bounds(self._noticed_bins())
        return [(a if a > 0 else SMALL, b if b > 0 else SMALL) for a, b in zip(lo.tolist(), hi.tolist(), strict=True)]

    def ignore(self, text: str) -> None:
        """Ignore channels or energies of this spectrum."""
        from wolter.compat.xspec.manager import DataManager

        DataManager._change(text, False, (self.index,))

    def notice(self, text: str) -> None:
        """Notice channels or energies of this spectrum."""
        from wolter.compat.xspec.manager import DataManager

        DataManager._change(text, True, (self.index,))

    @property
    def index(self) -> int:
        """Number, from one."""
        for number, spectrum in enumerate(SESSION.spectra, 1):
            if spectrum is self:
                return number
        raise XspecError(f"Error: Spectrum {self._name} is no longer loaded")

    @property
    def dataGroup(self) -> int:
        """Data group, from one."""
        return self._group

    @property
    def fileName(self) -> str:
        """Name of the file as it was given."""
        return self._name

    @property
    def exposure(self) -> float:
        """s."""
        return self.engine.exposure

    @property
    def areaScale(self) -> Any:
        """AREASCAL."""
        return _scale(self.engine.areascal)

    @property
    def backScale(self) -> Any:
        """BACKSCAL."""
        return _scale(self.engine.backscal)

    @property
    def isPoisson(self) -> bool:
        """POISSERR."""
        return bool(self.engine.poisson)

    def fileinfo(self, keyword: str) -> Any:
        """Value of a keyword in the header of the file."""
        if keyword not in self.engine.header:
            raise XspecError(f"Error: the header of {self._name} has no keyword {keyword}")
        value = self.engine.header[keyword]
        return value.strip() if isinstance(value, str) else value

    @property
    def responsesUsed(self) -> tuple[int, ...]:
        """Sources that the spectrum has a response for."""
        return tuple(sorted({*self._others, *([1] if self.has_response else [])}))

    @property
    def statistic(self) -> float:
        """What the spectrum contributes to the fit statistic."""
        if not SESSION.ready() or not self.n_noticed:
            return 0.0
        return float(SESSION.engine().contributions[SESSION.numbers.index(self.index)])

    @property
    def xflt(self) -> dict[str, float]:
        """Filter keys."""
        return dict(self.engine.xflt)

    @property
    def flux(self) -> tuple[float, ...]:
        """Of the last calcFlux: erg/cm²/s with bounds, photons/cm²/s with bounds, for each source."""
        return tuple(v for s in sorted(self._flux or {1: (0.0,) * 6}) for v in (self._flux or {1: (0.0,) * 6})[s])

    @property
    def lumin(self) -> tuple[float, ...]:
        """Of the last calcLumin, in 1e44 erg/s."""
        return tuple(v for s in sorted(self._lumin or {1: (0.0,) * 6}) for v in (self._lumin or {1: (0.0,) * 6})[s])

    @property
    def eqwidth(self) -> tuple[float, ...]:
        """Of the last AllModels.eqwidth: keV with bounds."""
        return self._eqwidth

    def show(self) -> None:
        """Print a summary."""
        show.spectrum(self)

    def __repr__(self) -> str:
        return f"<Spectrum {self._name}>"
