"""Upper limits: of a fitted parameter from its profile, and of a number of counts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.errors import FitError, ParameterError
from wolter.fit.numerics import chi2_isf, gamma_q, normal_quantile
from wolter.fit.statistics import BinData, WStat

if TYPE_CHECKING:
    from wolter.fit.fit import Fit

__all__ = ["UpperLimit", "poisson_upper_limit", "upper_limit"]


@dataclass(frozen=True)
class UpperLimit:
    """One-sided limit of a parameter.

    Attributes
    ----------
    name, group
        The parameter and its data group.
    value : float
        Best fit.
    limit : float
        The parameter is below it with the confidence `level`; NaN if the search failed.
    level : float
        Confidence, one-sided.
    delta : float
        Rise of the statistic at the limit.
    at_hard_limit : bool
        Whether the statistic does not rise that much before the hard limit of the parameter, which then is `limit`.
    unit : str
        Of the parameter.
    """

    name: str
    group: int
    value: float
    limit: float
    level: float
    delta: float
    at_hard_limit: bool
    unit: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready record."""
        out = asdict(self)
        if not math.isfinite(self.limit):
            out["limit"] = None
        return out


def upper_limit(fit: Fit, name: str | int, *, level: float = 0.9, lower: bool = False) -> UpperLimit:
    """One-sided limit of a parameter from the profile of the statistic.

    The value above the best fit where the statistic, all other free parameters refitted, has risen by the square of
    the normal quantile of `level` (0.9: 1.64, 0.95: 2.71, 0.99865: 9). Works for any free parameter: a norm, the flux
    of a line, a width, the lg10Flux of cflux. For a norm whose best fit is zero it is the usual limit of a
    non-detection.

    Parameters
    ----------
    fit : Fit
        After `Fit.run`.
    name : str or int
        The parameter, free.
    level : float
        Confidence, between 0.5 and 1.
    lower : bool
        A lower limit instead.

    Raises
    ------
    FitError
        If the fit is stale.
    ParameterError
        For an unknown, frozen or tied parameter, or an impossible level.
    """
    if not 0.5 < level < 1:
        raise ParameterError(f"level {level} of a limit is not between 0.5 and 1", cure="Give for example 0.9.")
    position = fit.table.find(name)
    parameter = fit.table.parameters[position]
    if position not in fit.table.free.positions:
        state = "tied" if parameter.tie else "frozen"
        raise ParameterError(f"parameter {fit.table.label(position)} is {state} and has no limit", cure="Thaw it.")
    delta = normal_quantile(level) ** 2
    before = dict(fit._errors)
    (found,) = fit.error(name, delta=delta)
    # the interval is a means here: bounds that the user asked for stay, unless a new minimum made them void
    if found.codes[0] == "F":
        fit._errors = before
    return UpperLimit(
        name=parameter.full_name,
        group=found.group,
        value=found.value,
        limit=found.lower if lower else found.upper,
        level=level,
        delta=delta,
        at_hard_limit=found.codes[3 if lower else 4] == "T",
        unit=parameter.unit,
    )


def poisson_upper_limit(
    counts: float,
    background: float = 0.0,
    *,
    level: float = 0.9,
    ratio: float | None = None,
    method: str | None = None,
) -> float:
    """Upper limit of the source counts in a region.

    Parameters
    ----------
    counts : int
        Counts in the region.
    background : float
        Expected background counts in it, known exactly; with `ratio`, counts of a background region.
    level : float
        Confidence, one-sided.
    ratio : float, optional
        Exposure times area of the source region over that of the background region.
    method : {"classical", "bayes", "profile"}, optional
        "classical" (default without `ratio`): the source for which so few counts have the probability 1 - level
        (Gehrels 1986, ApJ 303, 336), minus the background; zero where the background alone is already too much.
        "bayes": flat prior for a source that is not negative (Kraft, Burrows & Nousek 1991, ApJ 374, 344).
        "profile" (default with `ratio`): rise of the W statistic by the square of the normal quantile, which takes
        the statistics of the background counts into account; with a known background the rise of C.

    Returns
    -------
    float
        Counts of the source in the region.

    Raises
    ------
    ParameterError
        For negative numbers, an impossible level, an unknown method, or `ratio` with a method that needs a known
        background.

    Examples
    --------
    >>> poisson_upper_limit(0, level=0.9)
    2.302585...
    """
    chosen = method or ("classical" if ratio is None else "profile")
    if chosen not in ("classical", "bayes", "profile"):
        raise ParameterError(f"unknown method {method!r}", cure="Known are classical, bayes, profile.")
    if not 0 < level < 1 or (chosen == "profile" and level <= 0.5):
        raise ParameterError(f"level {level} of a limit is not possible", cure="Give for example 0.9.")
    if not (counts >= 0 and background >= 0 and counts == int(counts)):
        raise ParameterError(
            f"{counts} counts and a background of {background} are not possible",
            cure="Counts are whole numbers, neither can be negative.",
        )
    if ratio is not None and (not ratio > 0 or chosen != "profile"):
        raise ParameterError(
            f"ratio={ratio} with method {chosen!r} makes no sense", cure="A measured background needs method='profile'."
        )
    n = int(counts)
    if chosen == "classical":
        return max(0.0, 0.5 * chi2_isf(1.0 - level, 2 * (n + 1)) - background)
    if chosen == "bayes":
        below = gamma_q(n + 1.0, background) if background else 1.0
        return _rising(lambda s: 1.0 - gamma_q(n + 1.0, s + background) / below, level)
    goal = normal_quantile(level) ** 2
    if ratio is None:
        return _profile_known(n, background, goal)
    return _profile_measured(n, background, ratio, goal)


def _profile_known(n: int, background: float, goal: float) -> float:
    def c(s: float) -> float:
        mean = s + background
        return 2.0 * (mean - (n * math.log(mean) if n and mean > 0 else 0.0)) if mean > 0 or not n else math.inf

    best = max(0.0, n - background)
    return best + _rising(lambda d: c(best + d) - c(best), goal)


def _profile_measured(n: int, background: float, ratio: float, goal: float) -> float:
    one, zero = np.ones(1), np.zeros(1)
    bins = BinData(zero, zero, n * one, one, zero, zero, background * one, one / ratio, one)
    statistic = WStat(bins)

    def w(s: float) -> float:
        return float(statistic.value(np.array([s]))[0])

    best = max(0.0, n - background * ratio)
    return best + _rising(lambda d: w(best + d) - w(best), goal)


def _rising(function: Callable[[float], float], goal: float) -> float:
    """Where a function that rises from zero reaches a value."""
    high = 1.0
    while function(high) < goal:
        high *= 2.0
        if high > 1e12:
            raise FitError("the limit is not bounded")
    low = 0.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        if function(middle) < goal:
            low = middle
        else:
            high = middle
        if high - low <= 1e-12 * high:
            break
    return 0.5 * (low + high)
