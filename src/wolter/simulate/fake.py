"""Fake spectra: what a detector would record of a model, without events (XSPEC's fakeit)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wolter.data import ARF, RMF, Spectrum, SpectrumSet
from wolter.data.folding import folding_plan
from wolter.errors import SimulationError
from wolter.models import Model
from wolter.models.definitions import Context
from wolter.units import is_quantity, to_seconds

if TYPE_CHECKING:
    from wolter.fit import Fit

__all__ = ["fake_spectra"]

Array = npt.NDArray[np.float64]


def fake_spectra(
    model: Model | Sequence[Model] | Fit | str,
    spectra: SpectrumSet | Spectrum | Iterable[Spectrum] | None = None,
    *,
    rmf: Any = None,
    arf: Any = None,
    background: Any = None,
    exposure: Any = None,
    background_exposure: Any = None,
    noise: bool = True,
    seed: int | None = None,
    output: str | PathLike[str] | None = None,
    prefix: str = "",
    overwrite: bool = False,
) -> SpectrumSet:
    """Draw spectra from a model folded through responses.

    Counts are Poisson numbers with the mean ``(m AREASCAL + b) T``, m the folded model and b the rate of the
    background scaled to the source; a background spectrum is drawn anew with the mean of the given one. Spectra whose
    errors are not Poisson's (POISSERR false) get values from Gaussians with their STAT_ERR.

    Parameters
    ----------
    model : Model, sequence of Model (one per data group), Fit, or str
        Of a Fit the models of all its data groups are taken, and its spectra unless others are given.
    spectra : SpectrumSet or Spectrum, optional
        Existing spectra, whose responses, exposures, scalings, backgrounds, flags and data groups are used. All
        channels are drawn, noticed or not.
    rmf, arf, background : path, object, or list of them, optional
        Responses and background instead, for spectra from nothing; lists with one entry per spectrum.
    exposure, background_exposure : Quantity, optional
        One or one per spectrum; by default those of the spectra. Without spectra `exposure` is needed; several
        exposures with one response make several spectra.
    noise : bool
        Without it the means are returned, as rates with errors of zero (XSPEC's ``applyStats=False``).
    seed : int, optional
        Of the random numbers.
    output : path-like, optional
        Folder to write OGIP files into, with XSPEC's names: ``<spectrum or RMF>.fak`` and ``_bkg.fak``, `prefix` in
        front; a number is added where names would be the same.
    prefix : str
        Of the names of the files.
    overwrite : bool
        Replace files that are there.

    Returns
    -------
    SpectrumSet
        With responses and data groups; read back by `SpectrumSet.read` from the files.

    Raises
    ------
    SimulationError
        If exposure or response are missing, lists have different lengths, Stokes Q or U should be Poisson, or a mean is
        not a number or negative.
    UnitError
        For an exposure without a unit.
    OutputError
        If a file exists.

    Examples
    --------
    >>> fake_spectra("tbabs*powerlaw", rmf="pn.rmf", arf="pn.arf", exposure=[1, 10, 100] * u.ks, seed=1)
    """
    templates, groups = _templates(model, spectra, rmf, arf, background, exposure)
    models = _with_values(model, max(groups))
    source_times = _exposures(exposure, len(templates), [t.exposure for t in templates])
    given = [t.background.exposure if t.background is not None else 1.0 for t in templates]
    background_times = _exposures(background_exposure, len(templates), given)
    rng = np.random.default_rng(seed)
    faked = [
        _fake(template, mean_rate(template, *models[group - 1]), source, back, rng, noise)
        for template, group, source, back in zip(templates, groups, source_times, background_times, strict=True)
    ]
    if output is not None:
        faked = _write(faked, templates, Path(output), prefix, overwrite)
    return SpectrumSet(faked, groups=groups)


# --- what is asked for -----------------------------------------------------------------------------------------------


def _with_values(model: Any, groups: int) -> list[tuple[Model, Array]]:
    """Model of each data group and the values of its parameters."""
    if isinstance(model, str):
        model = Model(model)
    if isinstance(model, Model):
        models = [model] * groups
    elif hasattr(model, "table"):
        model.table.refresh()  # ties may go from group to group, which a model by itself does not know
        models = list(model.models)
        if len(models) == groups:
            return [(m, np.array([p.value for p in m.parameters])) for m in models]
    else:
        models = list(model)
        models = models * groups if len(models) == 1 else models
    if len(models) != groups:
        raise SimulationError(f"{groups} data groups but {len(models)} models", cure="Give one model per data group.")
    return [(m, m.values()) for m in models]


def _templates(
    model: Any, spectra: Any, rmf: Any, arf: Any, background: Any, exposure: Any
) -> tuple[list[Spectrum], tuple[int, ...]]:
    """Spectra that say what the fake ones are like, and their data groups."""
    if spectra is None and rmf is None and hasattr(model, "spectra"):
        spectra = model.spectra
    if spectra is not None:
        if rmf is not None or arf is not None or background is not None:
            raise SimulationError(
                "spectra and responses are both given", cure="Give spectra with their responses, or rmf= and arf=."
            )
        if isinstance(spectra, Spectrum):
            spectra = [spectra]
        chosen = spectra if isinstance(spectra, SpectrumSet) else SpectrumSet(list(spectra))
        return list(chosen), chosen.groups
    if rmf is None:
        raise SimulationError("there is no response", cure="Give spectra=, or rmf= (and arf=).")
    if exposure is None:
        raise SimulationError("there is no exposure", cure="Give for example exposure=10*u.ks.")
    lists = [x for x in (rmf, arf, background) if isinstance(x, list | tuple)]
    sizes = {len(x) for x in lists} | {n for n in [_length(exposure)] if n}
    if len(sizes) > 1:
        raise SimulationError(f"lists of {' and '.join(map(str, sorted(sizes)))} entries are given together")
    number = sizes.pop() if sizes else 1
    cache: dict[Any, Any] = {}
    out = []
    for i in range(number):
        own = [x[i] if isinstance(x, list | tuple) else x for x in (rmf, arf, background)]
        out.append(_from_nothing(own[0], own[1], own[2], cache))
    return out, (1,) * number


def _length(value: Any) -> int:
    if isinstance(value, list | tuple):
        return len(value)
    return int(np.size(value.value)) if is_quantity(value) and np.ndim(value.value) else 0


def _exposures(value: Any, number: int, given: list[float]) -> list[float]:
    if value is None:
        return given
    entries = list(value) if _length(value) else [value] * number
    if len(entries) != number:
        raise SimulationError(f"{number} spectra but {len(entries)} exposures")
    out = [float(to_seconds(v, "exposure")) for v in entries]
    if not all(np.isfinite(t) and t > 0 for t in out):
        raise SimulationError(f"an exposure of {min(out):g} s is not positive")
    return out


def _from_nothing(rmf: Any, arf: Any, background: Any, cache: dict[Any, Any]) -> Spectrum:
    def load(kind: Any, what: Any) -> Any:
        if what is None or not isinstance(what, str | PathLike):
            return what
        key = (kind, os.fspath(what))
        if key not in cache:
            cache[key] = kind.read(what)
        return cache[key]

    response: RMF = load(RMF, rmf)
    area: ARF | None = load(ARF, arf)
    back: Spectrum | None = (
        Spectrum.read(background, follow=False, allow_empty=True)
        if isinstance(background, str | PathLike)
        else background
    )
    n = response.detchans
    channel = np.arange(response.first_channel, response.first_channel + n)
    out = Spectrum(
        channel=channel,
        values=np.zeros(n),
        exposure=1.0,
        # XSPEC gives a fake spectrum from nothing the BACKSCAL of its background
        backscal=1.0 if back is None else back.backscal,
        telescop=_text(response.header, "TELESCOP"),
        instrume=_text(response.header, "INSTRUME"),
        rmf=response,
        arf=area,
        background=back,
        respfile=str(response.path or "none"),
        ancrfile=str(area.path or "none") if area is not None else "none",
    )
    if back is not None and len(back) != n:
        raise SimulationError(
            f"the background has {len(back)} channels, the response {n}", file=back.path, cure="Use another background."
        )
    out.header.set("CHANTYPE", _text(response.header, "CHANTYPE") or "PI", "channel type (PHA or PI)")
    return out


def _text(header: Any, key: str) -> str:
    return str(header.get(key, "") or "").strip()


# --- drawing ---------------------------------------------------------------------------------------------------------


def mean_rate(spectrum: Spectrum, model: Model, values: Array) -> Array:
    """Folded model rate of every channel, count/s per unit of AREASCAL.

    Parameters
    ----------
    spectrum : Spectrum
        With its responses.
    model : Model
        The model.
    values : array [P]
        Values of its parameters.

    Raises
    ------
    SimulationError
        Without a response, or if the model is not finite.
    """
    if spectrum.rmf is None:
        raise SimulationError(
            "the spectrum has no response", file=spectrum.path, cure="Give rmf= (and arf=) when reading it."
        )
    plan = folding_plan(spectrum.rmf, spectrum.arf)
    context = Context.of_spectrum(spectrum.xflt, model.settings)
    rate = plan.fold(model.evaluate(plan.full_edges, values, context)[..., plan.rows])
    if not np.isfinite(rate).all():
        raise SimulationError(
            f"the model is not a number in {int((~np.isfinite(rate)).sum())} channels",
            file=spectrum.path,
            cure="Check its parameters.",
        )
    return rate


def _fake(
    template: Spectrum, rate: Array, exposure: float, back_exposure: float, rng: np.random.Generator, noise: bool
) -> Spectrum:
    back, _ = template.scaled_background()
    mean = (rate + back) * np.asarray(template.areascal)  # count/s
    common: dict[str, Any] = {"exposure": exposure, "path": None, "gti": None, "region": None}
    drawn = None
    if template.background is not None:
        drawn = _fake_background(template.background, back_exposure, rng, noise)
    common["background"] = drawn
    if not noise:
        zero = np.zeros_like(mean)
        return template.replace(values=mean, is_rate=True, poisson=False, stat_err=zero, sys_err=None, **common)
    if template.poisson:
        if template.stokes in (1, 2):
            raise SimulationError(
                f"Stokes {'IQU'[template.stokes]} is a difference of counts and has no Poisson errors",
                file=template.path,
                cure="Give the spectrum STAT_ERR and POISSERR=F.",
            )
        return template.replace(values=_poisson(mean * exposure, rng, template), is_rate=False, stat_err=None, **common)
    return template.replace(**_gaussian(template, mean, exposure, rng), **common)


def _poisson(mean: Array, rng: np.random.Generator, spectrum: Spectrum) -> Array:
    if (mean < 0).any():
        raise SimulationError(
            f"the mean is negative in {int((mean < 0).sum())} channels; counts cannot be drawn from it",
            file=spectrum.path,
            cure="Check for components with negative norms.",
        )
    return rng.poisson(mean).astype(float)


def _gaussian(template: Spectrum, mean: Array, exposure: float, rng: np.random.Generator) -> dict[str, Any]:
    """Values and errors of a spectrum whose errors are not Poisson's; they scale with the root of the exposure."""
    error = template.stat_err if template.stat_err is not None else np.zeros(len(template))
    stretch = exposure / template.exposure
    if template.is_rate:
        error = error / np.sqrt(stretch)
        values = mean
    else:
        error = error * np.sqrt(stretch)
        values = mean * exposure
    return {"values": values + error * rng.standard_normal(len(values)), "stat_err": error}


def _fake_background(spectrum: Spectrum, exposure: float, rng: np.random.Generator, noise: bool) -> Spectrum:
    rate = spectrum.rate * np.asarray(spectrum.areascal)  # count/s
    common: dict[str, Any] = {"exposure": exposure, "path": None, "gti": None, "region": None, "background": None}
    if not noise:
        zero = np.zeros_like(rate)
        return spectrum.replace(values=rate, is_rate=True, poisson=False, stat_err=zero, sys_err=None, **common)
    if spectrum.poisson:
        values = _poisson(np.maximum(rate, 0.0) * exposure, rng, spectrum)
        return spectrum.replace(values=values, is_rate=False, stat_err=None, **common)
    return spectrum.replace(**_gaussian(spectrum, rate, exposure, rng), **common)


# --- files -----------------------------------------------------------------------------------------------------------


def _write(
    faked: list[Spectrum], templates: list[Spectrum], folder: Path, prefix: str, overwrite: bool
) -> list[Spectrum]:
    """Write the spectra; those returned know their files."""
    folder.mkdir(parents=True, exist_ok=True)
    taken: set[str] = set()
    out = []
    for spectrum, template in zip(faked, templates, strict=True):
        assert spectrum.rmf is not None
        source = template.path or spectrum.rmf.path
        base = prefix + (Path(source).name.removesuffix(".gz").rpartition(".")[0] if source else "fake")
        stem, count = base, 1
        while stem in taken:
            count += 1
            stem = f"{base}_{count}"
        taken.add(stem)
        names: dict[str, Any] = {
            "respfile": _beside(spectrum.rmf.path, folder),
            "ancrfile": _beside(spectrum.arf.path if spectrum.arf is not None else None, folder),
            "backfile": "none",
        }
        background = spectrum.background
        if background is not None:
            names["backfile"] = f"{stem}_bkg.fak"
            path = folder / names["backfile"]
            background = background.replace(respfile="none", ancrfile="none", backfile="none")
            background.write(path, overwrite=overwrite)
            background = background.replace(path=path)
        path = folder / f"{stem}.fak"
        written = spectrum.replace(background=background, **names)
        written.write(path, overwrite=overwrite)
        out.append(written.replace(path=path))
    return out


def _beside(path: Any, folder: Path) -> str:
    """Name of a response as the header of a spectrum in the folder has to give it."""
    if path is None:
        return "none"
    return os.path.relpath(Path(path).resolve(), folder.resolve())
