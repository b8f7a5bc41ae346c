"""Chi-squared probabilities with the standard library alone.

`scipy.special` takes 0.2 s to import, more than a whole fit; these few functions are all that a fit needs of it.
The tests compare them with SciPy.
"""

from __future__ import annotations

import math

__all__ = ["chi2_isf", "chi2_sf", "delta_statistic", "gamma_p", "gamma_q", "normal_quantile"]

_EPS = 1e-16
_TINY = 1e-300


def gamma_q(a: float, x: float) -> float:
    """Regularised upper incomplete gamma function Q(a, x).

    Parameters
    ----------
    a : float
        Shape, positive.
    x : float
        Lower limit of the integral, not negative.

    Notes
    -----
    Power series of P below ``x = a + 1``, continued fraction of Q above it (Abramowitz & Stegun 6.5.29, 6.5.31,
    the latter evaluated with Lentz's method).
    """
    if not a > 0 or not x >= 0:
        return math.nan
    if x == 0:
        return 1.0
    if math.isinf(x):
        return 0.0
    if x < a + 1:
        return 1.0 - _series_p(a, x)
    return _fraction_q(a, x)


def gamma_p(a: float, x: float) -> float:
    """Regularised lower incomplete gamma function P(a, x) = 1 - Q(a, x), accurate also where it is small."""
    if not a > 0 or not x >= 0:
        return math.nan
    if x == 0:
        return 0.0
    if x < a + 1:
        return _series_p(a, x)
    return 1.0 - _fraction_q(a, x)


def _prefactor(a: float, x: float) -> float:
    log = a * math.log(x) - x - math.lgamma(a)
    return math.exp(log) if log > -745 else 0.0


def _series_p(a: float, x: float) -> float:
    term = total = 1.0 / a
    n = a
    for _ in range(100_000):
        n += 1.0
        term *= x / n
        total += term
        if term < total * _EPS:
            break
    return total * _prefactor(a, x)


def _fraction_q(a: float, x: float) -> float:
    b = x + 1.0 - a
    c = 1.0 / _TINY
    d = 1.0 / b
    h = d
    for i in range(1, 100_000):
        numerator = -i * (i - a)
        b += 2.0
        d = numerator * d + b
        d = _TINY if abs(d) < _TINY else d
        c = b + numerator / c
        c = _TINY if abs(c) < _TINY else c
        d = 1.0 / d
        step = d * c
        h *= step
        if abs(step - 1.0) < 1e-15:
            break
    return h * _prefactor(a, x)


def chi2_sf(chi2: float, dof: float) -> float:
    """Probability that a chi-squared variable of `dof` degrees of freedom exceeds `chi2`; NaN for dof < 1."""
    if dof <= 0 or math.isnan(chi2):
        return math.nan
    return 1.0 if chi2 <= 0 else gamma_q(dof / 2.0, chi2 / 2.0)


def chi2_isf(probability: float, dof: float) -> float:
    """Value that a chi-squared variable of `dof` degrees of freedom exceeds with the probability given.

    Bisection on the logarithm of the tail, which is monotonic; 1e-14 relative.
    """
    if not 0 < probability < 1 or dof <= 0:
        return math.nan
    lo, hi = 0.0, max(dof, 1.0)
    while chi2_sf(hi, dof) > probability:
        lo, hi = hi, 2 * hi
    for _ in range(200):
        mid = 0.5 * (lo + hi)
        if chi2_sf(mid, dof) > probability:
            lo = mid
        else:
            hi = mid
        if hi - lo <= 1e-15 * hi:
            break
    return 0.5 * (lo + hi)


def delta_statistic(level: float, joint: int = 1) -> float:
    """Rise of the statistic above its minimum that bounds a confidence region.

    Parameters
    ----------
    level : float
        Confidence, between 0 and 1 (0.9 gives 2.706 for one parameter, 4.605 for two).
    joint : int
        Number of parameters estimated jointly.

    Raises
    ------
    ValueError
        For a level outside (0, 1) or joint < 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"confidence level {level} is not between 0 and 1")
    if joint < 1:
        raise ValueError(f"number of joint parameters {joint} is less than 1")
    return chi2_isf(1.0 - level, joint)


def normal_quantile(probability: float) -> float:
    """Quantile of the standard normal distribution."""
    from statistics import NormalDist

    return NormalDist().inv_cdf(probability)
