"""Spectra of sources: circles and annuli, interlopers taken out, background around; fits of a whole sample at once."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.errors import DataError, WolterWarning
from wolter.sources.matching import POINTLIKE
from wolter.sources.sample import Failure

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from wolter.data import SpectrumSet
    from wolter.fit import ManyFits
    from wolter.sources.sample import Sample
    from wolter.sources.source import Source

__all__ = ["annular_spectra", "fit_sample", "source_region", "source_spectra"]

_TEMPERATURES = (1.0, 3.0, 8.0)  # keV


def source_region(
    source: Source, outer: Any, *, inner: Any = None, obsid: str | None = None, centre: Any = None
) -> Any:
    """Region of a circle or annulus around a source, less the other detections of an observation.

    Parameters
    ----------
    source : Source
    outer, inner : Quantity or str
        Radii, as for `Source.radius`.
    obsid : str, optional
        Observation whose detections are taken out.
    centre : position, optional

    Returns
    -------
    RegionSet
        On the sky.
    """
    from astropy import units as u

    from wolter.sky import annulus, circle

    place = source.position if centre is None else getattr(centre, "position", centre)
    high = source.radius(outer)
    if inner is None:
        region = circle(place, high * u.deg)
    else:
        low = source.radius(inner)
        if not low < high:
            raise DataError(f"the annulus from {inner} to {outer} is empty")
        region = annulus(place, low * u.deg, high * u.deg)
    if obsid is None or source.observation(obsid).regions is None:
        return region
    for other in source.match(obsid).interlopers:
        if other.separation(source.ra, source.dec) < 1.5 * high + 0.05:
            region = region.exclude(other.sky_region)
    return region


def source_spectra(
    source: Source,
    outer: Any,
    *,
    inner: Any = None,
    obsid: str | None = None,
    detectors: Sequence[str] | None = None,
    centre: Any = None,
    background: bool | tuple[Any, Any] = True,
    responses: str | PathLike[str] | Mapping[str, Mapping[str, Any]] | None = None,
    output: str | PathLike[str] | None = None,
    overwrite: bool = False,
    executor: Executor | None = None,
    **selection: Any,
) -> SpectrumSet:
    """Spectra of a source from all its observations.

    Parameters
    ----------
    source : Source
    outer, inner, obsid, centre
        As for `source_region`; without `obsid` all observations.
    detectors : sequence of str, optional
    background : bool or (inner, outer)
        Background from the source's annulus, from an annulus of these radii, or none.
    responses : path-like or mapping, optional
        As for `Observation.spectra`; by default looked for in the folder of each observation.
    output : path-like, optional
        Folder for the files, one subfolder per observation.
    executor : concurrent.futures.Executor, optional
        Runs the detectors of an observation in parallel.
    **selection
        As for `EventList.select`.

    Returns
    -------
    SpectrumSet
        One data group per observation and detector.

    Raises
    ------
    ResponseError
        If no response fits.
    DataError
        If the regions are empty.
    """
    from wolter.data import SpectrumSet

    entries = [source.observation(obsid)] if obsid is not None else list(source.observations)
    low, high = source.background
    spectra: list[Any] = []
    groups: list[int] = []
    for entry in entries:
        region = source_region(source, outer, inner=inner, obsid=entry.obsid, centre=centre)
        around = None
        if background is True:
            from astropy import units as u

            reach = source.radius(outer) * u.deg
            around = source_region(source, high * reach, inner=low * reach, obsid=entry.obsid, centre=centre)
        elif background is not False:
            around = source_region(source, background[1], inner=background[0], obsid=entry.obsid, centre=centre)
        with warnings.catch_warnings():
            if POINTLIKE.isdisjoint(
                source.colors
            ):  # their counts are spread out: the rates of point sources do not apply
                warnings.filterwarnings("ignore", message=".*piled up", category=WolterWarning)
            made = source.library.open(entry).spectra(
                region,
                around,
                responses=entry.path if responses is None else responses,
                detectors=detectors,
                output=_folder(output, entry.obsid),
                overwrite=overwrite,
                executor=executor,
                **selection,
            )
        first = max(groups, default=0)
        spectra += list(made)
        groups += [first + g for g in made.groups]
    return SpectrumSet(spectra, groups=groups)


def _folder(output: str | PathLike[str] | None, obsid: str) -> Path | None:
    if output is None:
        return None
    folder = Path(output) / obsid
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def annular_spectra(source: Source, radii: Any, **options: Any) -> list[SpectrumSet]:
    """Spectra of a source in rings.

    Parameters
    ----------
    source : Source
    radii : Quantity
        Edges of the rings, ascending (angles or lengths); the first may be zero.
    **options
        As for `source_spectra`. The background of all rings is the annulus around the outermost.

    Raises
    ------
    DataError
        If the radii do not ascend.
    """
    edges = list(radii)
    values = np.array([float(r.value) for r in edges])
    if len(edges) < 2 or not (np.diff(values) > 0).all() or values[0] < 0:
        raise DataError("the radii do not ascend", cure="Give the edges of the rings, e.g. [0, 1, 2]*u.arcmin.")
    if options.get("background", True) is True:
        low, high = source.background
        options["background"] = (low * edges[-1], high * edges[-1])
    return [
        source_spectra(source, outer, inner=None if inner.value == 0 else inner, **options)
        for inner, outer in pairwise(edges)
    ]


def fit_sample(
    sample: Sample,
    outer: Any,
    model: str | Any = "tbabs*apec",
    *,
    values: Mapping[str, Any] | None = None,
    starts: Mapping[str, Sequence[float]] | None = None,
    energy: Any = None,
    statistic: str = "cstat",
    group: int | None = 1,
    executor: Executor | None = None,
    progress: bool | None = None,
    spectra: Mapping[str, Any] | None = None,
    **options: Any,
) -> tuple[ManyFits, list[Failure]]:
    """Fit one model to the spectra of every source of a sample, in one batched call.

    Parameters
    ----------
    sample : Sample
    outer : Quantity or str
        Radius of the spectra.
    model : str or Model
        Redshifts of its components are those of the sources, where these have one.
    values : mapping, optional
        Values by parameter name, for all sources or one each, as for `wolter.fit.fit_many`.
    starts : mapping of str to sequence of float, optional
        Values of free parameters that every source is fitted from, side by side; the lowest statistic counts. By
        default temperatures (parameters called kT) start from 1, 3 and 8 keV if `values` does not say otherwise:
        plasmas have a second minimum near 1 keV, where the iron L lines can stand for a hotter continuum.
    energy : pair of Quantity, optional
    statistic : str
    group : int, optional
        Bins hold at least this many counts; None for all channels.
    executor : concurrent.futures.Executor, optional
        Extracts the spectra in parallel.
    spectra : mapping, optional
        Further options of `source_spectra`.
    **options
        As for `wolter.fit.fit_many`.

    Returns
    -------
    fits : ManyFits
        One row per source, NaN and a message where its spectra could not be made or fitted.
    failures : list of Failure
        Those without spectra.
    """
    from wolter.fit import fit_many
    from wolter.models import Model

    made = sample.run(source_spectra, outer, executor=executor, progress=progress, **dict(spectra or {}))
    failures = [m for m in made if isinstance(m, Failure)]
    kept = [i for i, m in enumerate(made) if not isinstance(m, Failure)]
    if not kept:
        raise DataError(f"no source of the sample has spectra: {failures[0]}")
    chosen = [_grouped(made[i], group) for i in kept]
    shape = Model(model) if isinstance(model, str) else model
    known = {name: np.asarray(v)[kept] if np.ndim(v) else v for name, v in dict(values or {}).items()}
    known |= _redshifts(shape, np.array([_redshift(sample[i]) for i in kept]), known)
    begin = _starts(shape, known) if starts is None else {name: list(v) for name, v in starts.items()}
    times = {len(column) for column in begin.values()} or {1}
    if len(times) > 1:
        raise DataError(f"there are {' and '.join(map(str, sorted(times)))} starts", cure="Give as many of each.")
    (times,) = times
    known = {name: np.tile(v, times) if np.ndim(v) else v for name, v in known.items()}
    known |= {name: np.repeat(column, len(kept)) for name, column in begin.items()}
    fits = fit_many(
        chosen * times, shape, statistic=statistic, values=known, energy=energy, progress=progress, **options
    )
    tried = np.where(np.isfinite(fits.statistic), fits.statistic, np.inf).reshape(times, len(kept))
    best = tried.argmin(0) * len(kept) + np.arange(len(kept))
    return _all_rows(sample, made, kept, fits, best), failures


def _redshifts(shape: Any, redshifts: np.ndarray, known: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Redshifts of the sources for the parameters of that name, if all are known."""
    if not np.isfinite(redshifts).all():
        return {}
    names = [f"{p.component}.{p.name}" for p in shape.parameters if p.name.lower() == "redshift"]
    return {name: redshifts for name in names if name not in known}


def _starts(shape: Any, known: Mapping[str, Any]) -> dict[str, list[float]]:
    """Temperatures to start from: those of plasmas that are free and not given."""
    plasmas = [p for p in shape.parameters if p.name == "kT" and "apec" in p.component.lower()]
    free = [p for p in plasmas if not p.frozen and p.tie is None]
    return {f"{p.component}.kT": list(_TEMPERATURES) for p in free if f"{p.component}.kT" not in known}


def _redshift(source: Source) -> float:
    return float("nan") if source.redshift is None else source.redshift


def _grouped(spectra: Any, minimum: int | None) -> Any:
    from wolter.data import SpectrumSet

    if minimum is None:
        return spectra
    return SpectrumSet([s.group("min", minimum) for s in spectra], groups=spectra.groups)


def _all_rows(sample: Sample, made: Sequence[Any], kept: Sequence[int], fits: ManyFits, best: np.ndarray) -> ManyFits:
    """The best fits with a row for every source of the sample, in its order."""
    out = type(fits).empty(sample.names, fits.expression, fits.names, fits.units)
    for name in ("values", "sigma", "covariance", "statistic", "bins", "dof", "converged", "failed"):
        getattr(out, name)[kept] = getattr(fits, name)[best]
    for name in ("iterations", "restarts"):
        getattr(out, name)[kept] = getattr(fits, name)[best]
    messages = [str(m.error) if isinstance(m, Failure) else "" for m in made]
    for row, at in zip(kept, best, strict=True):
        messages[row] = fits.messages[int(at)]
    return replace(out, messages=tuple(messages))
