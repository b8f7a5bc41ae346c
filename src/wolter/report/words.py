"""The summary in sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.report.numbers import energy_range, probability, value_and_error

if TYPE_CHECKING:
    from wolter.fit import Fit

__all__ = ["STATISTICS", "concerns", "done", "noticed_range", "object_name", "observed", "outcome", "polarised"]

STATISTICS = {
    "chi": "chi-squared",
    "cstat": "C statistic",
    "pgstat": "PG statistic",
    "pstat": "P statistic",
}
_FEW = 4


def object_name(fit: Fit) -> str:
    """OBJECT of the first spectrum that has one."""
    for entry in fit.dataset.spectra:
        name = str(entry.spectrum.header.get("OBJECT") or "").strip()
        if name.lower() not in ("", "none", "unknown"):
            return name
    return ""


def noticed_range(fit: Fit) -> tuple[float, float]:
    """Lowest and highest noticed energy, keV."""
    spectra = fit.dataset.spectra
    return min(float(e.plan.bin_lo.min()) for e in spectra), max(float(e.plan.bin_hi.max()) for e in spectra)


def observed(fit: Fit) -> str:
    """What was observed, with what, when and for how long."""
    headers = [e.spectrum.header for e in fit.dataset.spectra]
    spectra = [e.spectrum for e in fit.dataset.spectra]
    where = _joined([s.telescop for s in spectra])
    instruments = _joined([s.instrume for s in spectra])
    detectors = [d for d in dict.fromkeys(s.detnam for s in spectra) if d]
    place = "/".join(part for part in (where, instruments) if part) or "an unknown telescope"
    if 0 < len(detectors) <= _FEW:
        place += f" ({'detectors' if len(detectors) > 1 else 'detector'} {', '.join(detectors)})"
    text = f"{object_name(fit) or 'The source'} was observed with {place}"
    dates = sorted(d for h in headers if (d := str(h.get("DATE-OBS") or "").strip()))
    if dates:
        text += f" from {dates[0].replace('T', ' ')}"
    observations = list(dict.fromkeys(o for h in headers if (o := str(h.get("OBS_ID") or "").strip())))
    if observations:
        listed = ", ".join(observations[:_FEW]) + (" and others" if len(observations) > _FEW else "")
        text += f" (observation {listed})"
    exposures = np.array([s.exposure for s in spectra]) / 1e3
    lo, hi = float(exposures.min()), float(exposures.max())
    text += f"; the exposure is {lo:.1f} ks" if hi - lo < 0.05 else f"; the exposures are {lo:.1f} to {hi:.1f} ks"
    return text + "."


def _joined(names: list[str]) -> str:
    return ", ".join(dict.fromkeys(n.strip() for n in names if n and n.strip()))


def outcome(fit: Fit) -> list[str]:
    """What was fitted, and how well."""
    spectra = fit.dataset.spectra
    kinds = list(dict.fromkeys(e.statistic for e in spectra))
    name = " and ".join(STATISTICS.get(k, k) for k in kinds)
    number = "one spectrum" if len(spectra) == 1 else f"{len(spectra)} spectra"
    groups = fit.dataset.n_groups
    first = (
        f"The model {fit.model.expression} was {'fitted' if fit.result is not None else 'compared'} to {number}"
        f"{f' in {groups} data groups' if groups > 1 else ''} with {fit.n_bins} bins in "
        f"{energy_range(*noticed_range(fit))}, by {name}."
    )
    second = f"The statistic is {fit.statistic:.2f} with {fit.dof} degrees of freedom"
    chance = fit.null_probability
    if kinds == ["chi"] and math.isfinite(chance):
        second += (
            f" ({fit.statistic / fit.dof:.3f} each); if the model is true, chance gives more than that with probability"
        )
        second += f" {probability(chance)}"
    return [first, second + "."]


def done(fit: Fit) -> list[str]:
    """What the fit did, in its own words; empty before a fit."""
    if fit.result is None or not fit.fitted:
        return []
    result = fit.result
    tried = "" if not result.restarts else f" and {result.restarts} further starting points"
    rounds = "one iteration" if result.iterations == 1 else f"{result.iterations} iterations"
    state = "converged" if result.converged else "stopped"
    return [f"The fit (method {result.method}) {state} after {rounds}{tried}", *result.messages]


def polarised(fit: Fit, mdp: float | None) -> str:
    """Degree and angle of a constant polarisation, and whether it is detected; empty without such a component."""
    rows = {(r.name.split(".")[0], r.name.split(".")[-1]): r for r in fit.parameters if r.group == 1}
    component = next((c for c, p in rows if c.lower().startswith("polconst") and p == "A"), None)
    if component is None or (component, "psi") not in rows:
        return ""
    degree, angle = rows[component, "A"], rows[component, "psi"]
    text = f"The polarisation degree is {_percent(degree.value, degree.sigma)}, the angle {_degrees(angle)}."
    if mdp is not None and math.isfinite(mdp):
        text += f" The minimum detectable polarisation at 99 % confidence is {100 * mdp:.2f} %"
        text += "; the degree measured is above it." if degree.value > mdp else "; the degree measured is below it."
    return text


def _percent(value: float, sigma: float | None) -> str:
    number, error = value_and_error(100 * value, None if sigma is None else 100 * sigma)
    return f"({number} ± {error}) %" if error else f"{number} %"


def _degrees(row: Any) -> str:
    number, error = value_and_error(row.value, row.sigma)
    return f"{number}° ± {error}°" if error else f"{number}°"


def concerns(fit: Fit, grids: list[Any]) -> list[str]:
    """What the reader should doubt."""
    out = list(fit.dataset.warnings())
    if fit.result is None:
        out.append("The model was not fitted: these are the parameters as they were set.")
    elif not fit.fitted:
        out.append("Parameters were changed after the fit; what follows belongs to the changed values.")
    elif not fit.result.converged:
        out.append("The fit did not converge.")
    if all(e.statistic == "chi" for e in fit.dataset.spectra) and fit.dof > 0 and fit.statistic > 2 * fit.dof:
        out.append("The reduced chi-squared is above 2: the model does not describe the data, and errors mean little.")
    for grid in grids:
        if grid.new_minimum:
            out.append(
                f"The grid over {' and '.join(grid.names)} found a lower statistic ({grid.grid_minimum:.2f}) than the "
                f"fit ({grid.fit_statistic:.2f})."
            )
        if not grid.complete:
            out.append(f"The grid over {' and '.join(grid.names)} is not complete.")
    return list(dict.fromkeys(text[:1].upper() + text[1:] for text in out))
