"""Whether a spectrum and its responses belong together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.errors import DataError, ResponseError, warn

if TYPE_CHECKING:
    from wolter.data.arf import ARF
    from wolter.data.rmf import RMF
    from wolter.data.spectrum import Spectrum

__all__ = ["check_arf", "check_background", "check_responses", "check_weightings"]

_ENERGY_TOLERANCE = 1.0e-4  # relative, beyond which energies of ARF and RMF count as different


def _file(thing: Any) -> str:
    return str(thing.path) if getattr(thing, "path", None) else "in memory"


def check_responses(spectrum: Spectrum, *, allow_mismatch: bool = False) -> None:
    """Check that a spectrum's RMF and ARF are of its size, detector and weighting.

    Parameters
    ----------
    spectrum : Spectrum
        With the responses in `rmf` and `arf`.
    allow_mismatch : bool
        Accept responses whose TELESCOP, INSTRUME or DETNAM differ from the spectrum's (a template response, say).
        Sizes and weightings must agree nevertheless.

    Raises
    ------
    ResponseError
        Names both files, what differs and the cure.

    Warns
    -----
    WolterWarning
        If the energies of ARF and RMF or the first channels differ, or a modulation response is where an effective
        area belongs (or the other way round).
    """
    rmf, arf = spectrum.rmf, spectrum.arf
    if rmf is None:
        raise ResponseError(
            "the spectrum has no RMF" + (", only an ARF" if arf is not None else ""),
            file=spectrum.path,
            cure="Give rmf=, or put the name of the file into the keyword RESPFILE.",
        )
    if rmf.detchans != len(spectrum):
        raise ResponseError(
            f"the RMF ({_file(rmf)}) has {rmf.detchans} channels, the spectrum {len(spectrum)}",
            file=spectrum.path,
            cure="Take the RMF that was made for spectra with this number of channels.",
        )
    if rmf.first_channel != spectrum.first_channel:
        warn(
            f"{spectrum.path or spectrum.name}: channels begin with {spectrum.first_channel}, those of the RMF "
            f"({_file(rmf)}) with {rmf.first_channel}; they are matched in order"
        )
    if not allow_mismatch:
        _check_detector(spectrum, rmf, "RMF")
    if arf is None:
        return
    check_arf(rmf, arf)
    if not allow_mismatch:
        _check_detector(spectrum, arf, "ARF")
    _check_stokes(spectrum, arf)


def check_arf(rmf: RMF, arf: ARF) -> None:
    """Check that an ARF and an RMF are on the same energy bins.

    Raises
    ------
    ResponseError
        If the number of energy bins differs.
    """
    if len(arf.energ_lo) != rmf.n_energies:
        raise ResponseError(
            f"the ARF has {len(arf.energ_lo)} energy bins, the RMF ({_file(rmf)}) {rmf.n_energies}",
            file=arf.path,
            cure="Make the ARF on the energies of this RMF.",
        )
    apart = np.abs(arf.energ_lo / rmf.energ_lo - 1.0).max(), np.abs(arf.energ_hi / rmf.energ_hi - 1.0).max()
    if max(apart) > _ENERGY_TOLERANCE:
        warn(
            f"{_file(arf)}: its energies differ from those of the RMF ({_file(rmf)}) by up to {max(apart):.2g}; "
            "the RMF's are used"
        )
    if rmf.includes_area:
        warn(
            f"{_file(rmf)} includes an effective area already (SPECRESP MATRIX); the ARF ({_file(arf)}) multiplies it "
            "once more"
        )


def _check_detector(spectrum: Spectrum, response: Any, what: str) -> None:
    for key in ("telescop", "instrume", "detnam"):
        mine, other = getattr(spectrum, key), getattr(response, key)
        if mine and other and mine.upper() != other.upper():
            raise ResponseError(
                f"the {what} ({_file(response)}) is of another detector: {key.upper()} is {other!r}, "
                f"the spectrum's {mine!r}",
                file=spectrum.path,
                cure="Take the response of the same detector, or say allow_mismatch=True if this is meant.",
            )


def _check_stokes(spectrum: Spectrum, arf: ARF) -> None:
    weight = spectrum.stokes_weight
    if weight and arf.stokes_weight and weight != arf.stokes_weight:
        raise ResponseError(
            f"the spectrum is weighted {weight} (STOKESWT), the {'MRF' if arf.kind == 'MODSPECRESP' else 'ARF'} "
            f"({_file(arf)}) is for {arf.stokes_weight}",
            file=spectrum.path,
            cure="Take the response of the same weighting, or extract the spectrum with the other one.",
        )
    if arf.kind == "MODFACT":
        raise ResponseError(
            "a modulation factor is not an effective area",
            file=arf.path,
            cure="Take the ARF for Stokes I, the modulation response (MRF) for Q and U.",
        )
    if spectrum.stokes is None or "CCNM0001" not in arf.header:
        return
    expected = "SPECRESP" if spectrum.stokes == 0 else "MODSPECRESP"
    if arf.kind != expected:
        warn(
            f"{spectrum.path or spectrum.name}: a Stokes {'IQU'[spectrum.stokes]} spectrum with {_file(arf)}, which "
            f"is of kind {arf.kind} and not {expected}"
        )


def check_background(spectrum: Spectrum) -> None:
    """Check that a background has the channels of its spectrum and its Stokes parameter.

    Raises
    ------
    DataError
    """
    back = spectrum.background
    if back is None:
        return
    if len(back) != len(spectrum):
        raise DataError(
            f"the background ({_file(back)}) has {len(back)} channels, the spectrum {len(spectrum)}",
            file=spectrum.path,
            cure="Extract both with the same channels.",
        )
    if np.any(np.asarray(back.backscal) <= 0):
        raise DataError("BACKSCAL of the background is not positive", file=back.path)
    if spectrum.stokes is not None and back.stokes is not None and spectrum.stokes != back.stokes:
        raise DataError(
            f"the background ({_file(back)}) is Stokes {'IQU'[back.stokes]}, the spectrum "
            f"Stokes {'IQU'[spectrum.stokes]}",
            file=spectrum.path,
        )
    if spectrum.stokes_weight and back.stokes_weight and spectrum.stokes_weight != back.stokes_weight:
        raise DataError(
            f"the background ({_file(back)}) is weighted {back.stokes_weight}, the spectrum {spectrum.stokes_weight}",
            file=spectrum.path,
            cure="Extract both with the same weighting.",
        )


def check_weightings(spectra: Iterable[Spectrum]) -> None:
    """Check that the spectra of a set that are weighted are weighted in the same way.

    Raises
    ------
    DataError
        Names one file of each weighting.
    """
    found: dict[tuple[str, str], Spectrum] = {}
    for spectrum in spectra:
        weight = spectrum.stokes_weight
        if weight is None:
            continue
        found.setdefault((spectrum.telescop.upper(), weight), spectrum)
        same = [key for key in found if key[0] == spectrum.telescop.upper()]
        if len(same) > 1:
            listed = ", ".join(f"{w} ({_file(found[t, w])})" for t, w in same)
            raise DataError(
                f"spectra of different weightings (STOKESWT) in one set: {listed}",
                cure="Extract all of them with the same weighting.",
            )
