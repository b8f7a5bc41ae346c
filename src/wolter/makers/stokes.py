"""Stokes I, Q and U spectra.

Recipes as found in spectra of the standard extraction tool: with w the weights, q and u the Stokes columns of the
events of one channel and T the exposure,

NEFF (N = Σw/Σw²):
    I = N Σw/T, σ_I = N √Σw² /T; Q = N Σwq /T, σ_Q = N √Σ(wq)² /T; U likewise.
SIMPLE:
    I = Σw/T, σ_I = √Σw² /T; Q = Σwq /T, σ_Q = σ_I √(2 − (Q/I)²), or √2 σ_I where that is not real (Kislat et al. 2015,
    Astropart. Phys. 68, 45, with modulation factor 1); U likewise.
UNWEIGHTED:
    SIMPLE with w = 1.

A channel without events has rates 0 and errors 1/T in all three.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter.data.events import EventList
from wolter.data.spectrum import Spectrum
from wolter.errors import DataError
from wolter.makers.headers import product_provenance
from wolter.makers.passes import run_pass
from wolter.makers.spectrum import no_counts, spectrum_frame
from wolter.makers.sums import StokesAccumulator, StokesSums

__all__ = ["StokesSpectra", "extract_stokes", "stokes_names", "stokes_rates"]

Floats = NDArray[np.float64]
Rates = tuple[tuple[Floats, Floats], tuple[Floats, Floats], tuple[Floats, Floats]]

_KNOWN = ("neff", "simple", "unweighted")
_PATTERN = ("Ixx", "xQx", "xxU")


def stokes_rates(sums: StokesSums, exposure: float, weighting: str) -> Rates:
    """Rates and errors of I, Q and U.

    Parameters
    ----------
    sums : StokesSums
        Sums over the events of each channel.
    exposure : float
        Exposure, s.
    weighting : str
        ``"neff"``, ``"simple"`` or ``"unweighted"``.

    Returns
    -------
    tuple
        ((I, σ_I), (Q, σ_Q), (U, σ_U)) in count/s, arrays of shape (nch,).

    Raises
    ------
    DataError
        If the weighting is unknown, or the exposure not positive.
    """
    kind = weighting.strip().lower()
    if kind not in _KNOWN:
        raise DataError(f"the weighting {weighting!r} is unknown", cure=f"Known are {', '.join(_KNOWN)}.")
    if not exposure > 0:
        raise DataError(f"the exposure is {exposure} s, so rates are not defined")
    filled = sums.w2 > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(filled, sums.w / sums.w2, 0.0) if kind == "neff" else np.ones(len(sums.n))
    i, i_error = scale * sums.w, scale * np.sqrt(sums.w2)
    parts = [(i, i_error)]
    for total, squares in ((sums.wq, sums.wq2), (sums.wu, sums.wu2)):
        value = scale * total
        if kind == "neff":
            error = scale * np.sqrt(squares)
        else:
            with np.errstate(divide="ignore", invalid="ignore"):
                bracket = 2 - (value / i) ** 2
            error = i_error * np.sqrt(np.where(bracket >= 0, bracket, 2.0))
        parts.append((value, error))
    out = [(np.where(filled, value, 0.0) / exposure, np.where(filled, error, 1.0) / exposure) for value, error in parts]
    return out[0], out[1], out[2]


def stokes_names(path: str | PathLike[str]) -> tuple[Path, Path, Path]:
    """Names of the I, Q and U files: the letter is inserted before the last dot of the name given."""
    path = Path(path)
    stem, dot, ending = path.name.rpartition(".")
    if not dot:
        stem, ending = path.name, ""
    i, q, u = (path.with_name(f"{stem}{letter}{dot}{ending}") for letter in "IQU")
    return i, q, u


@dataclass(frozen=True)
class StokesSpectra:
    """The I, Q and U spectra of one selection.

    Attributes
    ----------
    i, q, u : Spectrum
        Rates with errors; filter key Stokes 0, 1, 2.
    weighting : str
        NEFF, SIMPLE or UNWEIGHTED, as in STOKESWT.
    sums : StokesSums
        What they were made of.
    """

    i: Spectrum
    q: Spectrum
    u: Spectrum
    weighting: str
    sums: StokesSums
    provenance: fits.Provenance | None = None

    def __iter__(self) -> Iterator[Spectrum]:
        return iter((self.i, self.q, self.u))

    def write(self, path: str | PathLike[str], *, overwrite: bool = False) -> tuple[Path, Path, Path]:
        """Write three files; I, Q and U are inserted before the last dot: ``src_.pha`` → ``src_I.pha`` ...

        Parameters
        ----------
        path : path-like
            Name without the letter.
        overwrite : bool
            Whether existing files may be replaced.

        Returns
        -------
        tuple of Path
            The files written.

        Raises
        ------
        OutputError
            If a file exists or cannot be written; nothing is written then.
        """
        names = stokes_names(path)
        provenance = None if self.provenance is None else self.provenance.resolved()
        with ExitStack() as stack:
            parts = [stack.enter_context(fits.atomic_path(name, overwrite=overwrite)) for name in names]
            for spectrum, part in zip(self, parts, strict=True):
                spectrum.write(part, overwrite=True, provenance=provenance)
        return names


def _spectrum(
    frame: dict[str, Any], sums: StokesSums, number: int, rates: tuple[Floats, Floats], stokeswt: str, chantype: str
) -> Spectrum:
    header = frame["header"].copy()
    header.set("TOTCTS", int(sums.n.sum()), "number of selected events")
    header.set("CHANTYPE", chantype, "channel type")
    header.set("STOKESPR", _PATTERN[number], "Stokes parameter")
    header.set("STOKESWT", stokeswt, "Stokes weighting scheme")
    return Spectrum(
        channel=sums.channel,
        values=rates[0],
        stat_err=rates[1],
        is_rate=True,
        poisson=False,
        xflt={"stokes": float(number)},
        **{**frame, "header": header},
    )


def stokes_from_sums(
    events: EventList, sums: StokesSums, weighting: str, *, exposure: float | None = None
) -> StokesSpectra:
    """Stokes spectra of a selection whose sums are known."""
    frame = spectrum_frame(events, "extract_stokes")
    if exposure is not None:
        frame["exposure"] = exposure
    kind = events.mission.weightings.get(weighting.strip().lower())
    stokeswt = kind.stokeswt if kind else weighting.strip().upper()
    provenance = frame["provenance"] = product_provenance(events, "extract_stokes", weighting=stokeswt)
    rates = stokes_rates(sums, frame["exposure"], weighting)
    spectra = [
        _spectrum(frame, sums, number, pair, stokeswt, events.energy_column.upper())
        for number, pair in enumerate(rates)
    ]
    return StokesSpectra(spectra[0], spectra[1], spectra[2], stokeswt, sums, provenance)


def extract_stokes(
    events: EventList, *, weighting: str | None = None, weight_column: str | None = None, allow_empty: bool = False
) -> StokesSpectra:
    """Stokes I, Q and U spectra of the selected events.

    Parameters
    ----------
    events : EventList
        Selected events; the mission's description names the Q, U and weight columns.
    weighting : str, optional
        ``"neff"``, ``"simple"`` or ``"unweighted"``; by default the mission's recommendation. The responses must be
        made for the same weighting.
    weight_column : str, optional
        Weight column, if not the mission's.
    allow_empty : bool
        Whether spectra without any event are acceptable.

    Returns
    -------
    StokesSpectra

    Raises
    ------
    DataError
        If the events have no Stokes or weight columns, values are not finite, or no event is left.
    """
    kind = (weighting or events.mission.default_weighting or "unweighted").strip().lower()
    if kind not in _KNOWN:
        raise DataError(f"the weighting {weighting!r} is unknown", cure=f"Known are {', '.join(_KNOWN)}.")
    accumulator = StokesAccumulator(events, weighted=kind != "unweighted", weight=weight_column)
    run_pass(events, [accumulator])
    sums = accumulator.result()
    if not allow_empty and not sums.n.any():
        raise no_counts(events)
    return stokes_from_sums(events, sums, kind)
