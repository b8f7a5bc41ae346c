"""Errors by Minuit's MINOS, for comparison with the intervals of `Fit.error`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from wolter.errors import FitError, ParameterError
from wolter.fit.results import ErrorResult

if TYPE_CHECKING:
    from wolter.fit.fit import Fit

__all__ = ["minos_errors"]

_WIDE = 1e6  # limits as wide as this cost Minuit's mapping all digits


def minos_errors(fit: Fit, *names: str | int, delta: float = 1.0, level: float | None = None) -> list[ErrorResult]:
    """Asymmetric errors of parameters by MINOS (iminuit; James & Roos 1975).

    Parameters
    ----------
    fit : Fit
        At its best fit. It is not changed.
    *names : str or int
        Parameters or components; all free ones by default.
    delta : float
        Rise of the statistic that bounds the intervals.
    level : float, optional
        Confidence for one parameter, instead.

    Returns
    -------
    list of ErrorResult
        With XSPEC's codes as far as MINOS knows them: 1 new minimum, 4 and 5 limits, 7 and 8 failures.

    Raises
    ------
    FitError
        If the fit is stale or Minuit cannot confirm the minimum.
    ParameterError
        For unknown names, frozen or tied parameters, or an impossible level.
    """
    from iminuit import Minuit

    from wolter.fit.numerics import delta_statistic

    if not fit.fitted:
        raise FitError("errors need a fit, and the parameters were changed since", cure="Call run() first.")
    if level is not None:
        try:
            delta = delta_statistic(level)
        except ValueError as exc:
            raise ParameterError(str(exc), cure="Give for example level=0.9.") from None
    if not delta > 0:
        raise ParameterError(f"a rise of the statistic by {delta} bounds nothing", cure="Give a positive delta.")
    free, likelihood = fit.table.free, fit.likelihood
    place = {int(p): k for k, p in enumerate(free.positions)}
    positions = [p for n in names for p in fit.table.find_all(n)] if names else list(place)
    for position in positions:
        if position not in place:
            state = "tied" if fit.table.parameters[position].tie else "frozen"
            raise ParameterError(f"parameter {fit.table.label(position)} is {state} and has no error")

    def statistic(point: Any) -> float:
        value = float(likelihood.statistic(np.asarray(point, dtype=float)[None])[0])
        return value if np.isfinite(value) else 1e300

    def gradient(point: Any) -> Any:
        return -2.0 * likelihood.derivatives(np.asarray(point, dtype=float)[None]).beta[0]

    minuit = Minuit(cast(Any, statistic), free.start.copy(), grad=cast(Any, gradient))
    minuit.errordef = delta
    cyclic = np.isfinite(free.period)
    minuit.limits = [
        (-np.inf if c or lo < -_WIDE else lo, np.inf if c or hi > _WIDE else hi)
        for lo, hi, c in zip(free.lower, free.upper, cyclic, strict=True)
    ]
    covariance = fit.covariance
    steps = np.maximum(free.delta, 1e-3 * np.abs(free.start)) if covariance is None else np.sqrt(np.diag(covariance))
    minuit.errors = np.where(steps > 0, steps, np.maximum(free.delta, 1e-9))
    minuit.strategy = 2
    minuit.migrad()
    if not minuit.valid:
        raise FitError("Minuit does not confirm the minimum", cure="Run the fit again, or use Fit.error.")
    out = []
    for position in positions:
        k = place[position]
        try:
            minuit.minos(k)
            errors = minuit.merrors[k]
        except RuntimeError:
            errors = None
        out.append(_result(fit, position, errors, delta, level))
    return out


def _result(fit: Fit, position: int, errors: Any, delta: float, level: float | None) -> ErrorResult:
    parameter = fit.table.parameters[position]
    value = parameter.value
    flags = [False] * 9
    lower = upper = float("nan")
    if errors is None:
        flags[6] = flags[7] = True
    else:
        flags[0] = bool(errors.lower_new_min or errors.upper_new_min)
        flags[3], flags[4] = bool(errors.at_lower_limit), bool(errors.at_upper_limit)
        flags[6], flags[7] = not errors.lower_valid, not errors.upper_valid
        lower = value + errors.lower if errors.lower_valid else parameter.hard_min if flags[3] else lower
        upper = value + errors.upper if errors.upper_valid else parameter.hard_max if flags[4] else upper
    return ErrorResult(
        name=parameter.full_name,
        group=fit.table.group(position),
        index=position + 1,
        value=value,
        lower=float(lower),
        upper=float(upper),
        delta=delta,
        level=level,
        joint=1,
        codes="".join("T" if f else "F" for f in flags),
    )
