"""Records of a fit: rows of parameters and spectra, and everything as JSON-ready data."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.fit.results import ParameterRow, SpectrumRow

if TYPE_CHECKING:
    from wolter.fit.fit import Fit

__all__ = ["fit_record", "parameter_rows", "spectrum_rows"]


def parameter_rows(fit: Fit) -> tuple[ParameterRow, ...]:
    """All parameters of all data groups with errors as far as they are known."""
    fit.table.refresh()
    free = fit.table.free
    sigma: dict[int, float] = {}
    covariance = fit.covariance
    if covariance is not None:
        variances = np.diag(covariance).tolist()
        sigma = {int(p): v**0.5 for p, v in zip(free.positions, variances, strict=True) if v > 0}
    rows = []
    for position, parameter in enumerate(fit.table.parameters):
        error = fit.error_of(position)
        rows.append(
            ParameterRow(
                index=position + 1,
                name=parameter.full_name,
                group=fit.table.group(position),
                value=parameter.value,
                sigma=sigma.get(position),
                lower=None if error is None else _number(error.lower),
                upper=None if error is None else _number(error.upper),
                frozen=parameter.frozen,
                tied=None if parameter.tie is None else f"= {parameter.tie}",
                unit=parameter.unit,
            )
        )
    return tuple(rows)


def spectrum_rows(fit: Fit) -> tuple[SpectrumRow, ...]:
    """What each spectrum contributes."""
    folded = fit.folded()
    rows = []
    for entry, value, model in zip(fit.dataset.spectra, fit.contributions, folded, strict=True):
        rate, error = entry.spectrum.net_rate(entry.notice)
        rows.append(
            SpectrumRow(
                file=entry.name,
                group=entry.group,
                noticed_bins=entry.bins.stop - entry.bins.start,
                statistic=value,
                statistic_name=entry.statistic,
                rate=rate,
                rate_error=error,
                model_rate=float((model * entry.area).sum()),
            )
        )
    return tuple(rows)


def fit_record(fit: Fit) -> dict[str, Any]:
    """Statistic, degrees of freedom, parameters, spectra, model and settings as JSON-ready data."""
    covariance = fit.covariance
    probability = fit.null_probability
    result = fit.result if fit.fitted else None
    return {
        "statistic": fit.statistic,
        "statistic_name": sorted({e.statistic for e in fit.dataset.spectra}),
        "dof": fit.dof,
        "bins": fit.n_bins,
        "test_statistic": fit.test_statistic,
        "null_probability": probability if np.isfinite(probability) else None,
        "model": fit.model.expression,
        "settings": fit.dataset.settings.to_dict(),
        "weight": fit.dataset.weight,
        "systematic": fit.dataset.systematic,
        "fitted": fit.fitted,
        "method": result.method if result else None,
        "converged": result.converged if result else None,
        "messages": list(result.messages) if result else [],
        "parameters": [asdict(row) for row in parameter_rows(fit)],
        "free": fit.names,
        "covariance": None if covariance is None else covariance.tolist(),
        "spectra": [asdict(row) for row in spectrum_rows(fit)],
    }


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
