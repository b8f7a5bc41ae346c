"""Fit statistics as XSPEC defines them, bin by bin, for batches of models.

Every statistic gives, for folded model rates ``m[..., N]``, its contribution of each bin and the two derivatives a
Gauss-Newton step needs: ``b = -1/2 dS/dm`` and ``h = 1/2 d2S/dm2``. XSPEC's errors come from the *observed* second
derivative; the *expected* one (Fisher scoring) is never zero or negative and brings a descent home from further away.

Symbols (XSPEC manual, appendix B): t_s = exposure x AREASCAL in s, S source counts, B background counts,
t_b = background exposure x AREASCAL_B x BACKSCAL_B / BACKSCAL_S, m model rate in counts/s, all per bin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from wolter.errors import FitError, suggest

__all__ = [
    "STATISTICS",
    "WEIGHTS",
    "BinData",
    "CStat",
    "Chi",
    "PGStat",
    "PStat",
    "Statistic",
    "WStat",
    "churazov_variance",
    "gehrels_variance",
    "make_statistic",
]

Array = npt.NDArray[np.float64]
_FLOOR = 1e-5  # counts per bin below which XSPEC's Poisson statistics do not let a model fall

STATISTICS = ("chi", "cstat", "pgstat", "pstat", "lstat", "whittle")
WEIGHTS = ("standard", "gehrels", "churazov", "model")


@dataclass(frozen=True)
class BinData:
    """Noticed, grouped bins of one or several spectra; all arrays [N].

    Parameters
    ----------
    rate, variance : array
        Source rate in counts/s (divided by AREASCAL) and its variance, systematic errors included.
    counts, time : array
        S and t_s of the module's description.
    bkg_rate, bkg_variance : array
        Background rate scaled to the source's area and its variance; zero without background.
    bkg_counts, bkg_time : array
        B and t_b; without background 0 and infinity.
    zero_variance : array
        What XSPEC puts in place of a variance of zero.
    """

    rate: Array
    variance: Array
    counts: Array
    time: Array
    bkg_rate: Array
    bkg_variance: Array
    bkg_counts: Array
    bkg_time: Array
    zero_variance: Array

    @property
    def size(self) -> int:
        """Number of bins."""
        return int(self.rate.size)

    @staticmethod
    def join(parts: Sequence[BinData]) -> BinData:
        """One after the other."""
        if len(parts) == 1:
            return parts[0]
        return BinData(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(BinData)})


class Statistic:
    """Statistic of a number of bins.

    Parameters
    ----------
    bins : BinData
        The data.
    """

    name: ClassVar[str] = ""
    poisson: ClassVar[bool] = True

    def __init__(self, bins: BinData) -> None:
        self.bins = bins

    def value(self, model: Array) -> Array:
        """Contribution of each bin [..., N] for model rates [..., N] in counts/s."""
        raise NotImplementedError

    def derivatives(self, model: Array, *, expected: bool = False) -> tuple[Array, Array, Array]:
        """Contribution, ``-1/2 dS/dm`` and ``1/2 d2S/dm2`` of each bin, each [..., N].

        Parameters
        ----------
        model : array [..., N]
            Folded model in counts/s.
        expected : bool
            Second derivative averaged over data drawn from the model, instead of that of the data at hand.
        """
        raise NotImplementedError


class Chi(Statistic):
    """Chi-squared, with the variances of the data or with those that the model predicts.

    A variance of zero is replaced as in XSPEC by that of one count in the exposure (or of one background count
    scaled to the source, if that is less).

    Parameters
    ----------
    bins : BinData
        The data.
    model_variance : bool
        Variance (m + b)/t_s plus that of the background, instead of the data's. As in XSPEC it is held fixed when the
        statistic is differentiated.
    systematic : float
        Systematic error of the model as a fraction of it (XSPEC's "systematic"), added in quadrature; held fixed too.
    """

    name = "chi"
    poisson = False

    def __init__(self, bins: BinData, *, model_variance: bool = False, systematic: float = 0.0) -> None:
        super().__init__(bins)
        self.model_variance = model_variance
        self.systematic = systematic
        self.net = bins.rate - bins.bkg_rate
        variance = bins.variance + bins.bkg_variance
        self.zero = np.zeros(bins.size, dtype=bool) if model_variance else variance == 0
        variance = np.where(variance == 0, bins.zero_variance, variance)
        self._variance = variance
        self.inverse = 1.0 / variance
        self._root = np.sqrt(self.inverse)
        self._scaled = self.net * self._root

    def _weights(self, model: Array) -> Array:
        if self.model_variance:
            variance = (model + self.bins.bkg_rate) / self.bins.time + self.bins.bkg_variance
            variance = np.where(variance == 0, self.bins.zero_variance, variance)
        else:
            variance = self._variance
        return 1.0 / (variance + (self.systematic * model) ** 2)

    def value(self, model: Array) -> Array:
        if self.model_variance or self.systematic:
            return (self.net - model) ** 2 * self._weights(model)
        residual = model * self._root
        np.subtract(residual, self._scaled, out=residual)
        return np.multiply(residual, residual, out=residual)

    def derivatives(self, model: Array, *, expected: bool = False) -> tuple[Array, Array, Array]:
        inverse = self._weights(model) if self.model_variance or self.systematic else self.inverse
        residual = self.net - model
        slope = residual * inverse
        return residual * slope, slope, inverse


class CStat(Statistic):
    """Cash's C of Poisson data without background: ``2 sum(t m - S + S (ln S - ln t m))`` (Cash 1979)."""

    name = "cstat"

    def __init__(self, bins: BinData) -> None:
        super().__init__(bins)
        self._floor = _FLOOR / bins.time
        self._some = bins.counts > 0
        safe = np.where(self._some, bins.counts, 1.0)
        # the part of the statistic that does not depend on the model
        self._constant = np.where(self._some, bins.counts * (np.log(safe / bins.time) - 1.0), 0.0)
        self._logged = np.where(self._some, bins.counts, 0.0)

    def _floored(self, model: Array) -> Array:
        return np.maximum(model, self._floor)

    def value(self, model: Array) -> Array:
        y = self._floored(model)
        return 2.0 * (self.bins.time * y + self._constant - self._logged * np.log(y))

    def derivatives(self, model: Array, *, expected: bool = False) -> tuple[Array, Array, Array]:
        t = self.bins.time
        y = self._floored(model)
        value = 2.0 * (t * y + self._constant - self._logged * np.log(y))
        ratio = self.bins.counts / y
        curvature = t / y if expected else ratio / y
        return value, ratio - t, curvature


class PStat(CStat):
    """C of Poisson data whose background is known exactly: the model is m + B/t_b."""

    name = "pstat"

    def __init__(self, bins: BinData) -> None:
        super().__init__(bins)
        self._offset = bins.bkg_counts / bins.bkg_time

    def _floored(self, model: Array) -> Array:
        return np.maximum(model + self._offset, self._floor)


class WStat(Statistic):
    """W: Poisson source and Poisson background, the background rate of each bin profiled out.

    Formulas of the XSPEC manual, appendix B ("Poisson data with Poisson background"), zero-count branches included.
    """

    name = "wstat"

    def __init__(self, bins: BinData) -> None:
        super().__init__(bins)
        s, b = bins.counts, bins.bkg_counts
        self._total = bins.time + bins.bkg_time
        self._floor = _FLOOR / bins.time
        self._no_s = s <= 0
        self._no_b = b <= 0
        self._s = np.where(self._no_s, 0.0, s)
        self._b = np.where(self._no_b, 0.0, b)
        safe_s, safe_b = np.where(self._no_s, 1.0, s), np.where(self._no_b, 1.0, b)
        constant = self._s * (np.log(safe_s / bins.time) - 1.0) + self._b * (np.log(safe_b / bins.bkg_time) - 1.0)
        # no source counts: f = B / (t_s + t_b) whatever the model is
        self._constant = np.where(self._no_s, -self._b * np.log(bins.bkg_time / self._total), constant)

    def _background(self, y: Array) -> tuple[Array, Array]:
        """Profiled background rate f and the root of its quadratic equation's discriminant."""
        t = self._total
        p = t * y - self._s - self._b
        q = self._b * y
        d = np.sqrt(p * p + 4.0 * t * q)
        with np.errstate(divide="ignore", invalid="ignore"):
            f = np.where(p >= 0, 2.0 * q / (p + d), (d - p) / (2.0 * t))
        return np.where(np.isfinite(f), f, 0.0), d

    def value(self, model: Array) -> Array:
        y = np.maximum(model, self._floor)
        return self._value(y, self._background(y)[0])

    def _value(self, y: Array, f: Array) -> Array:
        ts = self.bins.time
        both = y + f
        with np.errstate(divide="ignore", invalid="ignore"):
            log_b = np.where(self._no_b, 0.0, self._b * np.log(np.where(f > 0, f, 1.0)))
        value = ts * y + self._total * f + self._constant - self._s * np.log(both) - log_b
        return 2.0 * np.where(self._no_s, ts * y + self._constant, value)

    def derivatives(self, model: Array, *, expected: bool = False) -> tuple[Array, Array, Array]:
        ts, tb, s, b = self.bins.time, self.bins.bkg_time, self._s, self._b
        y = np.maximum(model, self._floor)
        f, d = self._background(y)
        both = y + f
        # df/dm drops out of the first derivative because f is at its own minimum
        slope = np.where(self._no_s, -ts, s / both - ts)
        value = self._value(y, f)
        if expected:
            f = np.where(self._no_s, b / self._total, f)
            return value, slope, ts * tb / (ts * f + tb * (y + f))
        with np.errstate(divide="ignore", invalid="ignore"):
            df = np.where(d > 0, (self._total * y - s + b - d) / (2.0 * d), 0.0)
        curvature = s * (1.0 + df) / (both * both)
        return value, slope, np.where(self._no_s, 0.0, np.maximum(curvature, 0.0))


class PGStat(Statistic):
    """Poisson source with a Gaussian background of known error, profiled out.

    As coded in XSPEC, "error squared of the background counts" is t_b times the variance of the background rate of
    the bin, scaled to the source. BinData with an error of zero are treated as `PStat`.
    """

    name = "pgstat"

    def __init__(self, bins: BinData) -> None:
        super().__init__(bins)
        self._error2 = bins.bkg_time * bins.bkg_variance
        self._exact = self._error2 <= 0
        self._pstat = PStat(bins)
        self._floor = _FLOOR / bins.time
        self._no_s = bins.counts <= 0
        self._s = np.where(self._no_s, 0.0, bins.counts)
        safe = np.where(self._no_s, 1.0, bins.counts)
        self._constant = self._s * (np.log(safe / bins.time) - 1.0)
        self._safe_error2 = np.where(self._exact, 1.0, self._error2)

    def _background(self, y: Array) -> tuple[Array, Array]:
        ts, tb, e = self.bins.time, self.bins.bkg_time, self._safe_error2
        a = tb * tb
        p = ts * e - tb * self.bins.bkg_counts + a * y
        c = e * (ts * y - self._s) - tb * self.bins.bkg_counts * y
        d = np.sqrt(np.maximum(p * p - 4.0 * a * c, 0.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            f = np.where(p >= 0, -2.0 * c / (p + d), (d - p) / (2.0 * a))
        return np.where(np.isfinite(f), f, 0.0), d

    def _value(self, y: Array, f: Array) -> Array:
        ts, tb, e, b = self.bins.time, self.bins.bkg_time, self._safe_error2, self.bins.bkg_counts
        tri = ts / tb
        none = ts * y + b * tri - 0.5 * e * tri * tri
        both = np.maximum(y + f, self._floor)
        some = ts * (y + f) - self._s * np.log(both) + self._constant + 0.5 * (b - tb * f) ** 2 / e
        return 2.0 * np.where(self._no_s, none, some)

    def value(self, model: Array) -> Array:
        f, _ = self._background(model)
        return np.where(self._exact, self._pstat.value(model), self._value(model, f))

    def derivatives(self, model: Array, *, expected: bool = False) -> tuple[Array, Array, Array]:
        ts, tb, e = self.bins.time, self.bins.bkg_time, self._safe_error2
        exact = self._pstat.derivatives(model, expected=expected)
        f, _ = self._background(model)
        both = np.maximum(model + f, self._floor)
        slope = np.where(self._no_s, -ts, self._s / both - ts)
        if expected:
            source, prior = ts / both, tb * tb / e
            curvature = source * prior / (source + prior)
        else:
            source, prior = self._s / (both * both), tb * tb / e
            with np.errstate(invalid="ignore"):
                curvature = np.where(self._no_s, 0.0, source * prior / (source + prior))
        parts = (self._value(model, f), slope, curvature)
        value, slope, curvature = (np.where(self._exact, x, g) for x, g in zip(exact, parts, strict=True))
        return value, slope, curvature


def gehrels_variance(counts: Array, time: Array) -> Array:
    """Variance of a rate for few counts, ``((1 + sqrt(N + 0.75)) / t)^2`` (Gehrels 1986)."""
    return ((1.0 + np.sqrt(np.maximum(counts, 0.0) + 0.75)) / time) ** 2


def churazov_variance(counts: Array, time: Array) -> Array:
    """Variance of a rate from the mean counts of the smallest symmetric neighbourhood that holds 20 (Churazov 1996).

    Parameters
    ----------
    counts, time : array [N]
        Of all bins of one spectrum, noticed or not; the neighbourhood is cut at its ends.
    """
    n = counts.size
    total = np.concatenate([[0.0], np.cumsum(counts)])
    centre = np.arange(n)
    mean = np.zeros(n)
    todo = np.ones(n, dtype=bool)
    for half in range(n):
        lo, hi = np.maximum(centre - half, 0), np.minimum(centre + half, n - 1) + 1
        inside = total[hi] - total[lo]
        done = todo & ((inside >= 20) | ((lo == 0) & (hi == n)))
        mean[done] = (inside / (hi - lo))[done]
        todo &= ~done
        if not todo.any():
            break
    return mean / (time * time)


def make_statistic(
    name: str, bins: BinData, *, background: bool, model_variance: bool = False, systematic: float = 0.0
) -> Statistic:
    """Statistic of that name for the bins of spectra that all have, or all lack, a background.

    Parameters
    ----------
    name : {"chi", "cstat", "pgstat", "pstat", "lstat", "whittle"}
        XSPEC's name; "cstat" is the W statistic where there is a background, "whittle3" that of means of three powers.
    bins : BinData
        The data.
    background : bool
        Whether a background belongs to them.
    model_variance : bool
        Whether chi takes its variance from the model.
    systematic : float
        Systematic error of the model, as a fraction, for chi.

    Raises
    ------
    FitError
        For an unknown statistic.
    """
    if name == "chi":
        return Chi(bins, model_variance=model_variance, systematic=systematic)
    if name.startswith("whittle") and name[7:].isdigit() | (name == "whittle"):
        from wolter.fit.statistics_more import Whittle

        return Whittle(bins, int(name[7:] or 1))
    if name not in STATISTICS:
        raise FitError(
            f"unknown statistic {name!r}",
            cure=f"{suggest(name, STATISTICS)} Known are {', '.join(STATISTICS)}.".strip(),
        )
    if not background:
        return CStat(bins)
    if name == "lstat":
        from wolter.fit.statistics_more import LStat

        return LStat(bins)
    return {"cstat": WStat, "pgstat": PGStat, "pstat": PStat}[name](bins)
