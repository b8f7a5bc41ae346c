"""Posterior predictive spectra: what the model, as uncertain as the samples leave it, expects to be observed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wolter.errors import FitError
from wolter.fit.chain import Chain

if TYPE_CHECKING:
    from wolter.fit.dataset import FitSpectrum
    from wolter.fit.fit import Fit

__all__ = ["Prediction", "posterior_predictive"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Prediction:
    """Predictions for one spectrum from D samples.

    Attributes
    ----------
    number : int
        Of the spectrum, from one.
    name : str
        Its file.
    e_lo, e_hi : array [n]
        Energies of the bins, keV.
    rate : array [D, n]
        Folded model, counts/s (per unit of AREASCAL).
    replicated : array [D, n]
        Simulated observations of the net rate: Poisson counts of source region and background for the Poisson
        statistics, normal errors for chi.
    observed : array [n]
        The net rate that was observed.
    """

    number: int
    name: str
    e_lo: Array
    e_hi: Array
    rate: Array
    replicated: Array
    observed: Array

    def band(self, level: float = 0.9, *, replicated: bool = True) -> tuple[Array, Array]:
        """Central interval of each bin, of the simulated observations or of the model alone."""
        values = self.replicated if replicated else self.rate
        low, high = np.quantile(values, [0.5 * (1 - level), 0.5 * (1 + level)], axis=0)
        return low, high

    def coverage(self, level: float = 0.9) -> float:
        """Share of the bins whose observed rate lies inside the band; near `level` for a good model."""
        low, high = self.band(level)
        return float(np.mean((self.observed >= low) & (self.observed <= high)))


def posterior_predictive(fit: Fit, chain: Chain, *, draws: int = 500, seed: int | None = None) -> list[Prediction]:
    """Spectra predicted by samples of the posterior.

    Parameters
    ----------
    fit : Fit
        The fit that was sampled.
    chain : Chain
        The samples.
    draws : int
        Number of parameter sets.
    seed : int, optional
        Makes the result repeatable.

    Returns
    -------
    list of Prediction
        One per spectrum.

    Raises
    ------
    FitError
        If the chain belongs to other parameters.
    """
    if tuple(fit.names) != chain.names:
        raise FitError(
            f"the chain has samples of {', '.join(chain.names)}, the fit varies {', '.join(fit.names)}",
            cure="Sample this fit again.",
        )
    rng = np.random.default_rng(seed)
    points = chain.draw(draws, seed=int(rng.integers(2**31)))
    model = fit.likelihood.model(points)
    return [_predict(entry, model[:, entry.bins], rng) for entry in fit.dataset.spectra]


def _predict(entry: FitSpectrum, rate: Array, rng: np.random.Generator) -> Prediction:
    data = entry.binned
    if entry.statistic == "chi":
        replicated = rate + np.sqrt(data.net_variance) * rng.standard_normal(rate.shape)
    else:
        background = np.maximum(data.background_rate, 0.0)
        counts = rng.poisson(np.maximum(rate + background, 0.0) * data.time)
        replicated = counts / data.time
        if data.has_background:
            # the background is as uncertain as its own counts leave it
            own = rng.poisson(np.maximum(background * data.background_time, 0.0), rate.shape)
            replicated = replicated - own / np.where(data.background_time > 0, data.background_time, 1.0)
    return Prediction(
        number=entry.number,
        name=entry.name,
        e_lo=entry.plan.bin_lo,
        e_hi=entry.plan.bin_hi,
        rate=rate,
        replicated=replicated,
        observed=data.net,
    )
