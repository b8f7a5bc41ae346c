"""Fluxes and luminosities of models."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np

from wolter.compat.xspec.errors import XspecError, translated
from wolter.compat.xspec.session import SESSION, ModelEntry
from wolter.data.response_tools import energy_grid
from wolter.errors import WolterWarning
from wolter.fit.flux import band_flux, model_fluxes
from wolter.fit.sources import SourcesFit
from wolter.models.cosmology import luminosity_factor
from wolter.models.definitions import Context

__all__ = ["MODEL_FLUX", "edges_of", "flux", "luminosity", "make_edges", "values_of"]

MODEL_FLUX: dict[tuple[int, str], tuple[float, ...]] = {}
_UNIT = 1e44  # erg/s in which PyXspec gives luminosities


def make_edges(lo: float, hi: float, number: int, spacing: str = "log") -> Any:
    """Edges of an energy grid, keV."""
    with translated("energies"):
        return energy_grid(lo, hi, number, "log" if spacing.startswith("log") else "lin")


def edges_of(spectrum: int, source: int = 1) -> Any:
    """Energy edges for a source of a spectrum, or of the dummy grid for zero."""
    if spectrum == 0:
        return SESSION.energies_for(make_edges(*SESSION.dummy))
    if not 1 <= spectrum <= len(SESSION.spectra):
        raise XspecError(f"Error: Spectrum index number is out of range: {spectrum}")
    return SESSION.spectra[spectrum - 1].model_edges(source)


def values_of(entry: ModelEntry, group: int, spectrum: int) -> Any:
    """Photons/cm²/s of a model in the bins of `edges_of`."""
    edges = edges_of(spectrum, entry.source)
    context = Context(settings=SESSION.settings)
    if spectrum:
        context = Context.of_spectrum(SESSION.spectra[spectrum - 1].keys(), SESSION.settings)
    row = entry.table.refresh()
    first = (group - 1) * entry.table.width
    with translated("model"):
        compiled = entry.table.models[0].compile(edges, (context,))
        return compiled.evaluate(row[None, first : first + entry.table.width])[0, 0]


def _command(text: str, count: int) -> tuple[list[float], int, float]:
    """Leading numbers, and number and level of draws."""
    words = str(text).replace(",", " ").split()
    lower = [w.lower() for w in words]
    draws, level = 0, 90.0
    for flag in ("err", "error", "noerr"):
        if flag in lower:
            at = lower.index(flag)
            rest = words[at + 1 :]
            words = words[:at]
            lower = lower[:at]
            if flag != "noerr":
                draws = int(rest[0]) if rest else 100
                level = float(rest[1]) if len(rest) > 1 else 90.0
    try:
        values = [float(w) for w in words]
    except ValueError:
        raise XspecError(f"Error: cannot read {text!r}") from None
    if len(values) < 2:
        raise XspecError(f"Error: an energy range is missing in {text!r}")
    return values + [0.0] * (count - len(values)), draws, level


def _bands(lo: float, hi: float, draws: int, level: float) -> list[tuple[ModelEntry, Any, Any]]:
    """Model, spectrum (None for the model alone) and flux of each."""
    if SESSION.entry is None:
        raise XspecError("Error: no models are in use")
    out: list[tuple[ModelEntry, Any, Any]] = []
    if not SESSION.ready():
        for entry in SESSION.active:
            photons, energy = band_flux(edges_of(0), values_of(entry, 1, 0)[None], lo, hi)
            out.append((entry, None, (float(energy[0]), None, float(photons[0]), None)))
        return out
    engine = SESSION.engine()
    covariance = engine.covariance if draws else None
    sample = chain_sample(engine, draws)
    if draws and covariance is None and sample is None:
        SESSION.out("***Warning: errors need a fit; none are calculated.")
        draws = 0
    for entry in SESSION.active:
        dataset: Any = engine.dataset
        part = None
        if isinstance(engine, SourcesFit):
            dataset = SimpleNamespace(spectra=engine.source_entries(entry.source), n_groups=SESSION.n_groups)
            part = engine.part_of(entry.source)
        with warnings.catch_warnings(), translated("flux"):
            warnings.simplefilter("ignore", WolterWarning)
            results = model_fluxes(
                dataset,
                engine.table,
                lo,
                hi,
                covariance,
                level=level / 100 if draws else None,
                draws=draws,
                seed=SESSION.seed,
                spectra=True,
                sample=sample,
                part=part,
            )
        for one, r in zip(dataset.spectra, results, strict=True):
            spectrum = SESSION.spectra[SESSION.numbers[one.number - 1] - 1]
            out.append((entry, spectrum, (r.energy, r.energy_interval, r.photons, r.photons_interval)))
    return out


def chain_sample(engine: Any, draws: int) -> Any:
    """Rows of the loaded chains, drawn at random; None without chains of the present parameters."""
    from wolter.compat.xspec.chains import rows_for

    data = rows_for(engine) if draws else None
    if data is None:
        return None
    rng = np.random.default_rng(SESSION.seed)
    return data.values[rng.integers(len(data), size=draws)]


def flux(text: str) -> None:
    """calcFlux."""
    (lo, hi, *_), draws, level = _command(text, 2)
    said: set[tuple[int, int]] = set()
    lo, hi = _clipped(lo, hi)
    bands = _bands(lo, hi, draws, level)
    _forget("_flux")
    if draws and SESSION.covariance is not None:
        SESSION.out("Parameter distribution is derived from fit covariance matrix.")
    for entry, spectrum, (energy, bounds, photons, photon_bounds) in bands:
        result = (energy, *(bounds or (0.0, 0.0)), photons, *(photon_bounds or (0.0, 0.0)))
        if spectrum is None:
            MODEL_FLUX[id(entry), "flux"] = result
        else:
            spectrum._flux[entry.source] = result
            if not draws and (entry.source, spectrum.dataGroup) in said:  # without errors one line per data group
                continue
            said.add((entry.source, spectrum.dataGroup))
            _heading(spectrum, draws)
        interval = f"({lo:#.5g} - {hi:#.5g} keV)"
        SESSION.out(f" Model Flux {photons:9.5g} photons ({energy:.5g} ergs/cm^2/s) range {interval}")
        if bounds and photon_bounds:
            SESSION.out(
                f"     Error range {photon_bounds[0]:#9.4g} - {photon_bounds[1]:#.4g}    "
                f"({bounds[0]:#.4g} - {bounds[1]:#.4g})  ({level:.2f}% confidence)"
            )


def _source_of(spectrum: Any) -> int:
    """The first source that the spectrum has a response for."""
    return 1 if spectrum.has_response else min(spectrum._others, default=1)


def _clipped(lo: float, hi: float) -> tuple[float, float]:
    """The range inside the energies of the responses, which is said where it matters."""
    for spectrum in SESSION.spectra if SESSION.ready() else []:
        first, last = (float(v) for v in edges_of(spectrum.index, _source_of(spectrum))[[0, -1]])
        for side, value, bound, out in (("Lower", lo, first, lo < first), ("Upper", hi, last, hi > last)):
            if out:
                text = f"{side} range bound {value:12.6g} reset by matrix bound to {bound:12.6g}"
                SESSION.out(f"Spectrum {spectrum.index}: {text}")
    if not SESSION.ready():
        return lo, hi
    ends = [edges_of(s.index) for s in SESSION.spectra]
    return max(lo, min(float(e[0]) for e in ends)), min(hi, max(float(e[-1]) for e in ends))


def luminosity(text: str) -> None:
    """calcLumin."""
    (lo, hi, z, *_), draws, level = _command(text, 3)
    if z <= 0:
        raise XspecError("Error: a luminosity needs a redshift above zero")
    factor = float(luminosity_factor(np.array(z), SESSION.settings.cosmo))
    h0, q0, lambda0 = SESSION.settings.cosmo
    bands = _bands(lo / (1 + z), hi / (1 + z), draws, level)
    _forget("_lumin")
    for entry, spectrum, (energy, bounds, photons, photon_bounds) in bands:
        scaled = [v * factor / _UNIT for v in (energy, *(bounds or (0.0, 0.0)))]
        result = (*scaled, photons, *(photon_bounds or (0.0, 0.0)))
        if spectrum is None:
            MODEL_FLUX[id(entry), "lumin"] = result
        else:
            spectrum._lumin[entry.source] = result
            _heading(spectrum)
        value = f"{energy * factor:#.5g}"
        SESSION.out(f"Model Luminosity {value} ergs/s  ({lo:#.5g} - {hi:#.5g} keV rest frame)")
        SESSION.out(f"     (z = {z:#5.3g} H0 = {h0:5.1f} q0 = {q0:5.2f} Lambda0 = {lambda0:.3f})")


def _forget(attribute: str) -> None:
    for spectrum in SESSION.spectra:
        setattr(spectrum, attribute, {})


def _heading(spectrum: Any, draws: int = 0) -> None:
    if len(SESSION.spectra) > 1:
        SESSION.out(f" Spectrum Number: {spectrum.index}")
        if not draws:
            SESSION.out(f" Data Group Number: {spectrum.dataGroup}")


def equivalent_width(component: Any, share: float | None, err: bool, number: int, level: float) -> None:
    """eqwidth."""
    from wolter.fit.eqwidth import equivalent_width as compute

    engine, entry = SESSION.engine(), SESSION.entry
    assert entry is not None
    name, _, text = str(component).rpartition(":")
    chosen = next((e for e in SESSION.active if e.name == name), None) if name else entry
    if chosen is None or not text.isdigit() or not 1 <= int(text) <= len(chosen.table.models[0].components):
        raise XspecError(f"Error: the model has no component {component}")
    index = int(text)
    # components of several models are numbered on, model after model
    before = SESSION.active[: SESSION.active.index(chosen)] if isinstance(engine, SourcesFit) else []
    components = engine.model.components
    place = sum(len(e.table.models[0].components) for e in before) + index
    with translated("eqwidth"):
        results = compute(
            engine,
            components[place - 1].label,
            fraction=0.05 if share is None else float(share),
            level=level / 100 if err else None,
            draws=int(number) if err else 0,
            seed=SESSION.seed,
            sample=chain_sample(engine, int(number)) if err else None,
        )
    for result in results:
        SESSION.out(f"\nData group number: {result.group}")
        SESSION.out(f"Additive group equiv width for Component {index}:  {result.value:.6g} keV")
        for spectrum in SESSION.spectra:
            if spectrum.dataGroup == result.group:
                spectrum._eqwidth = (result.value, *(result.interval or (0.0, 0.0)))


def draw_parameters() -> tuple[float, ...]:
    """simpars."""
    from wolter.fit.batch import draw_points

    engine = SESSION.engine()
    point = chain_sample(engine, 1)
    if point is not None:
        return tuple(engine.table.free.expand(point)[0].tolist())
    if engine.covariance is None:
        raise XspecError("Error: parameters are drawn from the covariance of a fit: run Fit.perform first")
    point = draw_points(engine, 1, np.random.default_rng(SESSION.seed))
    return tuple(engine.table.free.expand(np.atleast_2d(point))[0].tolist())
