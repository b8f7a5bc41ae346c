"""Responses and backgrounds of spectra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.compat.xspec import files
from wolter.compat.xspec.errors import XspecError, missing, translated
from wolter.compat.xspec.session import SESSION

if TYPE_CHECKING:
    from wolter.compat.xspec.data import Spectrum

__all__ = ["Background", "MultiResponse", "Response"]

SMALL = 1.1754943508222875e-38  # what XSPEC puts in place of a channel boundary of zero


class Response:
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
    def rmf(self) -> str:
        return self._spectrum._rmf_name

    @property
    def arf(self) -> str:
        if not self._spectrum._arf_name:
            raise XspecError("Error: No arf is associated with this response.")
        return self._spectrum._arf_name

    @arf.setter
    def arf(self, name: str | None) -> None:
        self._spectrum._set_arf(name)

    @property
    def sourceNumber(self) -> int:
        return self._source

    @property
    def energies(self) -> list[float]:
        return self._spectrum._rmf().edges.tolist()

    @property
    def chanEnergies(self) -> list[float]:
        rmf = self._spectrum._rmf()
        out = [*rmf.e_min.tolist(), float(rmf.e_max[-1])]
        return [v if v > 0 else SMALL for v in out]

    @property
    def gain(self) -> Any:
        raise missing("Response.gain", "the engine has no gain fit")

    @gain.setter
    def gain(self, value: Any) -> None:
        raise missing("Response.gain", "the engine has no gain fit")

    def setPars(self, *values: Any) -> None:
        """Set gain parameters."""
        raise missing("Response.setPars", "the engine has no gain fit")

    def show(self) -> None:
        """Print the names of the files."""
        SESSION.out(f" Using Response (RMF) File            {self.rmf} for Source {self._source}")
        if self._spectrum._arf_name:
            SESSION.out(f" Using Auxiliary Response (ARF) File  {self._spectrum._arf_name}")

    def __repr__(self) -> str:
        return f"<Response {self.rmf}>"


class MultiResponse:
    """Responses of a spectrum by source, counted from zero."""

    def __init__(self, spectrum: Spectrum) -> None:
        self._spectrum = spectrum

    def __getitem__(self, index: int) -> Response:
        if index == 0:
            return self._spectrum.response
        raise XspecError(f"Error: No response exists for source {index + 1}")

    def __setitem__(self, index: int, name: str | None) -> None:
        if index == 0:
            self._spectrum.response = name
            return
        if name is not None:
            raise missing("Spectrum.multiresponse", "the engine has one source per spectrum")

    def __len__(self) -> int:
        return 1 if self._spectrum.has_response else 0


class Background:
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
