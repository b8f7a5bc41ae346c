"""Minimum detectable polarisation at 99 % confidence, predicted for an exposure or of spectra at hand.

``MDP99 = 4.29 / (mu R_S) sqrt((R_S + R_B) / T)`` with source and background rates R_S, R_B, exposure T and modulation
factor mu (Weisskopf, Elsner & O'Dell 2010, Proc. SPIE 7732, 77320E).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from wolter.data.arf import ARF
from wolter.data.folding import folding_plan
from wolter.data.grouping import notice_range
from wolter.data.rmf import RMF
from wolter.data.spectrum import Spectrum
from wolter.errors import FitError, ResponseError
from wolter.models.definitions import Context
from wolter.models.model import Model
from wolter.units import is_quantity, to_range_kev, to_seconds, to_value

__all__ = ["FACTOR", "mdp99", "measured_mdp", "predict_mdp"]

Array = npt.NDArray[np.float64]
FACTOR = 4.29
_BAND = (2.0, 8.0)  # keV


def mdp99(source: float, background: float, modulation: float, exposure: float) -> float:
    """Minimum detectable polarisation (a fraction) at 99 % confidence.

    Parameters
    ----------
    source, background : float
        Count rates in the source region, counts/s.
    modulation : float
        Modulation factor, weighted over the detected spectrum.
    exposure : float
        Seconds.
    """
    if not (source > 0 and modulation > 0 and exposure > 0):
        raise FitError(
            f"MDP of a source rate {source:g}/s, a modulation factor {modulation:g} and {exposure:g} s is not defined"
        )
    return FACTOR / (modulation * source) * float(np.sqrt((source + background) / exposure))


def predict_mdp(model: Any, response: Any, background: Any = 0.0, exposure: Any = None, *, energy: Any = None) -> float:
    """MDP99 that an observation of a source with this spectrum would have.

    Parameters
    ----------
    model : Model or Fit
        Spectrum of the source (its polarisation does not matter); of a fit the model of the first data group.
    response : (rmf, arf, mrf), or a sequence of such triplets
        Objects or file names; or anything with attributes ``rmf``, ``arf``, ``mrf``. Several detectors count together.
    background : float, Quantity, Spectrum, or sequence of these
        Background in the source region, counts/s in the energy range: one for all detectors together, or one per
        detector. A Spectrum stands for its rate in the range.
    exposure : Quantity
        Exposure time (the same for all detectors).
    energy : pair of Quantity, optional
        Energy range; 2-8 keV by default.

    Returns
    -------
    float
        Polarisation fraction.

    Raises
    ------
    ResponseError
        If a response is incomplete.
    UnitError
        If the exposure has no unit.
    """
    seconds = float(to_seconds(exposure, "exposure"))
    low, high = _BAND if energy is None else to_range_kev(energy)
    spectrum: Model = model if isinstance(model, Model) else model.models[0]
    source = modulated = noise = 0.0
    responses = _triplets(response)
    for rmf, arf, mrf in responses:
        rates = [_rate(spectrum, rmf, area, low, high) for area in (arf, mrf)]
        source += rates[0]
        modulated += rates[1]
    if isinstance(background, Sequence) and not isinstance(background, str):
        if len(background) != len(responses):
            raise FitError(f"{len(responses)} responses but {len(background)} backgrounds")
        noise = sum(_background(b, low, high) for b in background)
    else:
        noise = _background(background, low, high)
    return mdp99(source, noise, modulated / source if source > 0 else 0.0, seconds)


def _rate(model: Model, rmf: RMF, area: ARF, low: float, high: float) -> float:
    notice = notice_range(rmf.e_min, rmf.e_max, low, high)
    plan = folding_plan(rmf, area, notice)
    flux = model.evaluate(plan.full_edges, context=Context(0, {}, model.settings))
    return float(plan.fold(flux[plan.rows]).sum())


def _background(value: Any, low: float, high: float) -> float:
    if isinstance(value, Spectrum):
        return value.total_rate(value.notice(low, high))
    if is_quantity(value):
        text = str(value.unit).replace(" ", "")
        return float(to_value(value, "ct/s" if text.startswith("ct") else "1/s", "background"))
    return float(value)


def _triplets(response: Any) -> list[tuple[RMF, ARF, ARF]]:
    if all(hasattr(response, name) for name in ("rmf", "arf", "mrf")):
        return [_load(response.rmf, response.arf, response.mrf)]
    items = list(response)
    if len(items) == 3 and not any(_is_response(i) for i in items):
        return [_load(*items)]
    return [t for item in items for t in _triplets(item)]


def _is_response(item: Any) -> bool:
    return hasattr(item, "mrf") or (isinstance(item, Sequence) and not isinstance(item, str))


def _load(rmf: Any, arf: Any, mrf: Any) -> tuple[RMF, ARF, ARF]:
    for name, value in (("RMF", rmf), ("ARF", arf), ("MRF", mrf)):
        if value is None:
            raise ResponseError(f"the MDP needs RMF, ARF and MRF; the {name} is missing")
    return (
        rmf if isinstance(rmf, RMF) else RMF.read(rmf),
        arf if isinstance(arf, ARF) else ARF.read(arf),
        mrf if isinstance(mrf, ARF) else ARF.read(mrf),
    )


def measured_mdp(fit: Any, *, energy: Any = None, groups: Sequence[int] | None = None) -> float:
    """MDP99 of the spectra of a fit: of what was observed, with the exposure it had.

    For weighted spectra the square root of source plus background counts becomes the error of the I spectrum.

    Parameters
    ----------
    fit : Fit
        With I spectra, and Q or U spectra for the modulation factor.
    energy : pair of Quantity, optional
        Energy range within the noticed one; by default all noticed bins.
    groups : sequence of int, optional
        Data groups that count together; by default all.

    Returns
    -------
    float
        Polarisation fraction.
    """
    band = None if energy is None else to_range_kev(energy)
    net = variance = source = modulated = 0.0
    unit = fit.intensity_rates()
    for entry in fit.dataset.spectra:
        if entry.spectrum.stokes not in (0, 1) or (groups is not None and entry.group not in groups):
            continue
        use = np.ones(len(entry.plan.bin_lo), dtype=bool)
        if band is not None:
            use = notice_range(entry.plan.bin_lo, entry.plan.bin_hi, *band)
        model = float((unit[entry.number - 1] * entry.area)[use].sum())
        if entry.spectrum.stokes == 1:
            modulated += model
            continue
        source += model
        # the scatter of what was counted; that of the background subtracted is not part of the formula
        net += float((entry.binned.net * entry.area)[use].sum())
        variance += float((entry.binned.variance * entry.area**2)[use].sum())
    if source <= 0 or modulated <= 0:
        raise FitError("the MDP needs I and Q spectra in the same data groups")
    return FACTOR * float(np.sqrt(variance)) / (modulated / source * net)
