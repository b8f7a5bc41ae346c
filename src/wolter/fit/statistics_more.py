"""Two statistics of XSPEC that are rarely wanted: lstat (background integrated over) and whittle (power spectra)."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from wolter.errors import FitError
from wolter.fit.statistics import BinData, Statistic

__all__ = ["LStat", "Whittle"]

Array = npt.NDArray[np.float64]
_FLOOR = 1e-15  # XSPEC's lowest power


@lru_cache(maxsize=65536)
def _coefficients(source: int, background: int) -> Array:
    """Logarithms [S + 1] of ``(S + B - k)! / ((S - k)! k!)``."""
    k = np.arange(source + 1)
    lgamma = np.vectorize(math.lgamma, otypes=[float])
    return lgamma(source + background - k + 1.0) - lgamma(source - k + 1.0) - lgamma(k + 1.0)


class LStat(Statistic):
    """Poisson source and background, the background rate of each bin integrated over with a flat prior.

    Per bin ``2 [t_s m - ln sum_k C_k ((t_s + t_b) m)^k]`` with ``C_k = (S + B - k)! / ((S - k)! k!)``, minus its value
    for the rate ``m = max(0, S/t_s - B/t_b)`` (Loredo 1992; XSPEC manual, appendix B, "lstat"). Counts are rounded.
    """

    name = "lstat"

    def __init__(self, bins: BinData) -> None:
        super().__init__(bins)
        if bins.counts.ndim != 1:
            raise FitError("lstat cannot be computed for simulated batches", cure="Use cstat.")
        self._scale = bins.time + bins.bkg_time
        self._s = np.floor(bins.counts + 0.5).astype(int).tolist()
        self._b = np.floor(bins.bkg_counts + 0.5).astype(int).tolist()
        best = np.maximum(bins.counts / bins.time - bins.bkg_counts / bins.bkg_time, 0.0)
        self._constant = bins.time * best - self._moments(best)[0]

    def _moments(self, model: Array) -> tuple[Array, Array, Array]:
        """Logarithm of the sum, and mean and variance of k in it, each [..., N]."""
        x = self._scale * np.maximum(model, 0.0)
        total, mean, variance = (np.empty(x.shape) for _ in range(3))
        for i, (s, b) in enumerate(zip(self._s, self._b, strict=True)):
            k = np.arange(s + 1)
            with np.errstate(divide="ignore", invalid="ignore"):
                terms = _coefficients(s, b) + np.where(k > 0, k * np.log(x[..., i, None]), 0.0)
            top = terms.max(axis=-1, keepdims=True)
            weight = np.exp(terms - top)
            whole = weight.sum(axis=-1)
            total[..., i] = top[..., 0] + np.log(whole)
            mean[..., i] = (weight * k).sum(axis=-1) / whole
            variance[..., i] = (weight * k * k).sum(axis=-1) / whole - mean[..., i] ** 2
        return total, mean, variance

    def value(self, model: Array) -> Array:
        return 2.0 * (self.bins.time * np.maximum(model, 0.0) - self._moments(model)[0] - self._constant)

    def derivatives(self, model: Array, *, expected: bool = False) -> tuple[Array, Array, Array]:
        y = np.maximum(model, 1e-5 / self.bins.time)
        total, mean, variance = self._moments(y)
        value = 2.0 * (self.bins.time * y - total - self._constant)
        # d ln(sum) / dy = mean / y, and its slope is (variance - mean) / y²
        curvature = (mean - variance) / y**2
        return value, mean / y - self.bins.time, np.maximum(curvature, 0.0)


class Whittle(Statistic):
    """Powers of a power density spectrum, each the mean of `averaged` periodograms.

    With the power ``P = S / t_s`` of a bin (the rate that a spectrum file holds) and the model power m:
    ``2 n (P / m + ln m t_s) + 2 (1 - n) ln S`` (Vaughan 2010; XSPEC manual, appendix B, "whittle").

    Parameters
    ----------
    bins : BinData
        The data.
    averaged : int
        n above (XSPEC's "whittle2" ...).
    """

    name = "whittle"
    poisson = False

    def __init__(self, bins: BinData, averaged: int = 1) -> None:
        super().__init__(bins)
        self.averaged = averaged
        self._power = bins.counts / bins.time
        self._constant = (1 - averaged) * np.log(np.where(bins.counts > 0, bins.counts, _FLOOR))

    def value(self, model: Array) -> Array:
        y = np.maximum(model, _FLOOR / self.bins.time)
        return 2.0 * (self.averaged * (self._power / y + np.log(self.bins.time * y)) + self._constant)

    def derivatives(self, model: Array, *, expected: bool = False) -> tuple[Array, Array, Array]:
        y = np.maximum(model, _FLOOR / self.bins.time)
        slope = self.averaged * (self._power - y) / y**2
        observed = self.averaged * (2.0 * self._power - y) / y**3
        # the observed second derivative is negative where the power is less than half the model
        return self.value(model), slope, self.averaged / y**2 if expected else np.maximum(observed, 0.0)
