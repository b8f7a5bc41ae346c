"""The tables of the report."""

from __future__ import annotations

import math
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wolter import fits
from wolter._version import __version__
from wolter.errors import WolterError
from wolter.report.numbers import MINUS, energy_range, plain, value_and_error
from wolter.report.page import table
from wolter.report.words import STATISTICS

if TYPE_CHECKING:
    from wolter.fit import Fit

__all__ = [
    "cube_table",
    "flux_table",
    "input_table",
    "mdp_table",
    "parameter_table",
    "settings_table",
    "spectrum_table",
]

_RANDOM = 180 / 12**0.5  # scatter of an angle about which nothing is known, degrees
_STOKES = {0: "I", 1: "Q", 2: "U", None: ""}


def parameter_table(fit: Fit, intervals: Mapping[tuple[str, int], Any]) -> tuple[str, str]:
    """Parameters with errors, and a sentence about those left out.

    Parameters
    ----------
    intervals : mapping of (name, group) to ErrorResult
        For the confidence that the bounds belong to.
    """
    rows = []
    hidden = 0
    width = len(fit.model.parameters)
    for row in fit.parameters:
        same = row.group > 1 and row.tied is not None and row.tied.lstrip("= ") == f"p{(row.index - 1) % width + 1}"
        if same:
            hidden += 1
            continue
        value, error = value_and_error(row.value, row.sigma)
        state = "frozen" if row.frozen else row.tied or ("" if row.sigma is not None else "no error")
        interval, level = "", ""
        if row.lower is not None or row.upper is not None:
            interval = f"{_bound(row.lower, error)} to {_bound(row.upper, error)}"
            level = _level(intervals.get((row.name, row.group)))
        rows.append((row.index, row.group, row.name, value, error, interval, level, row.unit, state))
    head = ("No.", "Group", "Parameter", "Value", "1σ error", "Interval", "Confidence", "Unit", "State")
    note = ""
    if hidden:
        note = (
            f"Parameters of the other data groups that are not listed equal those of group 1 ({hidden} are left out)."
        )
    return table("Parameters of the model", head, rows, text=(2, 6, 7, 8)), note


def _bound(value: float | None, error: str) -> str:
    """A bound with the decimals of the error."""
    if value is None or not math.isfinite(value):
        return "?"
    if error and "×" not in error and "." in error:
        return f"{value:.{len(error.split('.')[1])}f}".replace("-", MINUS)
    return plain(value, 4)


def _level(result: Any) -> str:
    if result is None:
        return ""
    text = f"{100 * result.level:.4g} %" if result.level is not None else f"Δ = {result.delta:.4g}"
    if result.joint > 1:
        text += f", {result.joint} parameters together"
    return "; ".join([text, *result.notes])


def spectrum_table(fit: Fit) -> str:
    """What went into the fit, spectrum by spectrum."""
    rows = []
    for entry, row in zip(fit.dataset.spectra, fit.spectrum_rows, strict=True):
        rate, error = value_and_error(row.rate, row.rate_error)
        lo, hi = float(entry.plan.bin_lo.min()), float(entry.plan.bin_hi.max())
        rows.append(
            (
                entry.number,
                Path(row.file).name,
                entry.spectrum.detnam or entry.spectrum.instrume,
                _STOKES.get(entry.spectrum.stokes, ""),
                row.group,
                row.noticed_bins,
                energy_range(lo, hi),
                f"{entry.spectrum.exposure / 1e3:.2f}",
                f"{rate} ± {error}" if error else rate,
                plain(row.model_rate),
                f"{row.statistic:.2f}",
                STATISTICS.get(row.statistic_name, row.statistic_name),
            )
        )
    head = ("No.", "File", "Detector", "Stokes", "Group", "Bins", "Energies", "Exposure (ks)", "Net rate (count/s)")
    head += ("Model rate (count/s)", "Statistic", "Kind")
    return table("Spectra of the fit", head, rows, text=(2, 3, 11), code=(1,))


def flux_table(fluxes: Sequence[Any]) -> str:
    """Model fluxes of the data groups."""
    rows = []
    for flux in fluxes:
        energy, energy_error = value_and_error(flux.energy, flux.energy_error)
        photons, photons_error = value_and_error(flux.photons, flux.photons_error)
        rows.append(
            (
                flux.group,
                energy_range(flux.lo, flux.hi),
                f"{energy} ± {energy_error}" if energy_error else energy,
                f"{photons} ± {photons_error}" if photons_error else photons,
            )
        )
    head = ("Group", "Energies", "Energy flux (erg/cm²/s)", "Photon flux (photons/cm²/s)")
    return table("Flux of the model, absorption included, with 1σ errors", head, rows)


def mdp_table(measured: float | None, predicted: float | None) -> str:
    """Minimum detectable polarisation."""
    rows = []
    if measured is not None and math.isfinite(measured):
        rows.append(("measured: rates and exposures of these spectra", f"{100 * measured:.2f} %"))
    if predicted is not None and math.isfinite(predicted):
        rows.append(("predicted from the model and the responses", f"{100 * predicted:.2f} %"))
    return table("Minimum detectable polarisation, 99 % confidence (MDP99)", ("How", "MDP99"), rows, text=(0,))


def cube_table(cube: Any) -> str:
    """Event-based polarisation in energy bins."""
    if cube is None:
        return ""
    rows = []
    for i in range(len(cube)):
        degree, degree_error = value_and_error(100 * float(cube.pd[i]), 100 * float(cube.pd_error[i]))
        angle, angle_error = value_and_error(float(cube.pa[i]), float(cube.pa_error[i]))
        rows.append(
            (
                f"{cube.energy_lo[i]:g}–{cube.energy_hi[i]:g}",
                int(cube.counts[i]),
                f"{degree} ± {degree_error}" if degree_error else degree,
                f"{angle} ± {angle_error}" if float(cube.pa_error[i]) < _RANDOM else "undetermined",
                f"{100 * float(cube.mdp99[i]):.2f}",
                f"{float(cube.significance[i]):.1f}",
            )
        )
    head = ("Energies (keV)", "Events", "Degree (%)", "Angle (deg)", "MDP99 (%)", "Significance (σ)")
    caption = "Polarisation from the events, without a spectral model" + (
        ", background subtracted" if cube.subtracted else ""
    )
    return table(caption, head, rows)


def settings_table(fit: Fit) -> str:
    """What the numbers depend on beside data and parameters."""
    from wolter.models.settings import ABUNDANCE_TABLES, CROSS_SECTIONS

    record = fit.dataset.settings.to_dict()
    cosmology = record.get("cosmo")
    rows = [
        ("Abundances", _described(record.get("abund"), ABUNDANCE_TABLES)),
        ("Cross-sections", _described(record.get("xsect"), CROSS_SECTIONS)),
    ]
    if isinstance(cosmology, (list, tuple)) and len(cosmology) == 3:
        rows.append(("Cosmology", f"H0 = {cosmology[0]:g} km/s/Mpc, q0 = {cosmology[1]:g}, Λ0 = {cosmology[2]:g}"))
    rows.append(("AtomDB", str(record.get("atomdb", ""))))
    rows.append(
        ("Statistic", ", ".join(STATISTICS.get(k, k) for k in dict.fromkeys(e.statistic for e in fit.dataset.spectra)))
    )
    rows.append(("Weighting of chi-squared", str(fit.dataset.weight)))
    if fit.result is not None:
        how = f"{fit.result.method}; {fit.result.iterations} iterations, {fit.result.restarts} further starting points"
        rows.append(("Method", how))
    return table("Settings of model and fit", ("Setting", "Value"), rows, text=(0, 1))


def _described(value: Any, known: Mapping[str, str]) -> str:
    if not isinstance(value, str):
        return str(getattr(value, "name", None) or (value or {}).get("name", "own table"))
    return f"{value} ({known[value]})" if value in known else value


def input_table(fit: Fit) -> str:
    """Every file that the numbers depend on, with its hash; each once."""
    roles: dict[str, list[str]] = {}
    for entry in fit.dataset.spectra:
        spectrum = entry.spectrum
        for role, part in (
            ("spectrum", spectrum),
            ("background", spectrum.background),
            ("redistribution (RMF)", spectrum.rmf),
            ("modulation response (MRF)" if _is_mrf(spectrum.arf) else "effective area (ARF)", spectrum.arf),
        ):
            path = getattr(part, "path", None)
            if path is not None:
                known = roles.setdefault(str(path), [])
                known += [role] if role not in known else []
    rows = [(", ".join(role), Path(path).name, str(Path(path).parent), _hash(path)) for path, role in roles.items()]
    return table("Input files", ("Role", "File", "Folder", "SHA-256"), rows, text=(0,), code=(1, 2, 3))


def _is_mrf(arf: Any) -> bool:
    return str(getattr(arf, "kind", "")).upper() == "MODSPECRESP"


def _hash(path: str) -> str:
    try:
        return fits.file_sha256(path)
    except (OSError, WolterError):
        return "file has gone"


def version_table(command: str | None, created: str) -> str:
    """What software made the report."""
    rows = [("Created", created), ("Command", command or " ".join(sys.argv) or "interactive"), ("wolter", __version__)]
    for name in ("numpy", "scipy", "matplotlib", "astropy"):
        module = sys.modules.get(name)
        if module is not None:
            rows.append((name, str(getattr(module, "__version__", ""))))
    rows.append(("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"))
    return table("Software", ("What", "Value"), rows, text=(0,), code=(1,))
