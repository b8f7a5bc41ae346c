"""Sums of spectra that stand for one observation, with the background and the response that belong to the sum.

The sum of counts N = Σ Nᵢ is expected to be T a Σ wᵢ Rᵢ f with T = Σ Tᵢ the exposure, a = Σ Tᵢ aᵢ / T the mean AREASCAL
and the weights wᵢ = Tᵢ aᵢ / Σ Tⱼ aⱼ: so exposures add up, AREASCAL and BACKSCAL are means weighted with the exposure,
and responses are means with the weights wᵢ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wolter.data.arf import ARF
from wolter.data.matrix import CompressedMatrix
from wolter.data.rmf import RMF
from wolter.data.spectrum import Spectrum
from wolter.errors import DataError, ResponseError, warn
from wolter.fits import Header
from wolter.gti import GTI

__all__ = ["combine_responses", "merge_spectra"]

_SAME_RATIO = 1e-6
_SAME_GRID = 1e-5


def merge_spectra(spectra: Sequence[Spectrum]) -> Spectrum:
    """Sum of spectra of one source, with its background and response.

    Parameters
    ----------
    spectra : sequence of Spectrum
        Of the same channels; all with responses, or none; likewise backgrounds. Counts, or rates with errors.

    Returns
    -------
    Spectrum
        Counts added (rates: mean weighted with the exposure). A channel bad in one of the spectra is bad; grouping is
        dropped. The background is the sum of the backgrounds' counts where it is scaled alike in all spectra, so that
        it stays Poissonian; elsewhere it holds what the source region is expected to contain, with errors of its own.

    Raises
    ------
    DataError
        No spectra, channels or Stokes parameters differ, counts and rates mixed, a background is missing.
    ResponseError
        Responses are missing or on different energies.
    """
    _check(spectra)
    first = spectra[0]
    time = np.array([s.exposure for s in spectra])
    total = float(time.sum())
    area = [np.asarray(s.areascal, dtype=float) for s in spectra]
    mean_area = sum(t * a for t, a in zip(time, area, strict=True)) / total
    mean_scale = sum(t * np.asarray(s.backscal) for t, s in zip(time, spectra, strict=True)) / total
    header = _header(spectra, total)
    merged = first.replace(
        **_values(spectra, time, total),
        quality=np.max([s.quality for s in spectra], axis=0),
        grouping=None,
        exposure=total,
        areascal=mean_area,
        backscal=mean_scale,
        header=header,
        respfile="none",
        ancrfile="none",
        backfile="none",
        corrfile="none",
        correction=None,
        background=None,
        rmf=None,
        arf=None,
        path=None,
        gti=_good_times(spectra),
        region=None,
        provenance=None,
        wmap=None,
        telescop=first.telescop,
        instrume=first.instrume if len({s.instrume for s in spectra}) == 1 else "MERGED",
        detnam=first.detnam if len({s.detnam for s in spectra}) == 1 else "",
    )
    if first.background is not None:
        merged = merged.replace(background=_background(spectra, merged))
    if first.rmf is not None:
        weights = [t * float(np.mean(a)) for t, a in zip(time, area, strict=True)]
        rmf, arf = combine_responses([(s.rmf, s.arf) for s in spectra], weights)  # type: ignore[misc]
        merged = merged.replace(rmf=rmf, arf=arf)
    return merged


def _check(spectra: Sequence[Spectrum]) -> None:
    if not spectra:
        raise DataError("there are no spectra to add")
    first = spectra[0]
    for other in spectra[1:]:
        if not np.array_equal(other.channel, first.channel):
            raise DataError(
                f"the spectra have different channels: {first.name} {first.channel[0]}-{first.channel[-1]}, "
                f"{other.name} {other.channel[0]}-{other.channel[-1]}",
                cure="Only spectra of one kind of detector can be added; fit others together instead.",
            )
        if other.is_rate != first.is_rate:
            raise DataError(f"{first.name} and {other.name} hold counts and rates", cure="Convert one of them.")
        if other.stokes != first.stokes or other.stokes_weight != first.stokes_weight:
            raise DataError(f"{first.name} and {other.name} are of different Stokes parameters or weightings")
        for name in ("background", "rmf", "arf"):
            if (getattr(other, name) is None) != (getattr(first, name) is None):
                missing = other if getattr(other, name) is None else first
                raise (DataError if name == "background" else ResponseError)(
                    f"{missing.name} has no {name.upper() if name != 'background' else name}, others have one",
                    cure="Give it to all of the spectra, or read them with follow=False.",
                )


def _values(spectra: Sequence[Spectrum], time: NDArray[Any], total: float) -> dict[str, Any]:
    """Values and errors of the sum."""
    first = spectra[0]
    poisson = all(s.poisson for s in spectra)
    weight = time / total if first.is_rate else np.ones(len(spectra))
    values = sum(w * s.values for w, s in zip(weight, spectra, strict=True))
    stat_err = None
    if not poisson:
        variance = sum(w**2 * s._statistical_variance() for w, s in zip(weight, spectra, strict=True))
        stat_err = np.sqrt(variance)
    sys_err = None
    if any(s.sys_err is not None for s in spectra):
        # systematic errors of one instrument go together: they add up linearly
        shift = sum(
            w * np.abs(s.values) * (0.0 if s.sys_err is None else s.sys_err)
            for w, s in zip(weight, spectra, strict=True)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            sys_err = np.where(values != 0, shift / np.abs(values), 0.0)
    return {"values": values, "stat_err": stat_err, "sys_err": sys_err, "poisson": poisson}


def _header(spectra: Sequence[Spectrum], total: float) -> Header:
    """Keywords that all spectra agree in, with the times of the sum."""
    header = spectra[0].header.without_structure()
    for key in list(header.keys()):
        if key in ("HISTORY", "COMMENT", ""):
            continue
        if any(s.header.get(key) != header[key] for s in spectra[1:]):
            header.remove(key)
    for key in ("INSTRUME", "TELESCOP"):
        if key not in header and key in spectra[0].header:
            header.set(key, spectra[0].header[key] if key == "TELESCOP" else "MERGED")
    starts = [s.header.get("TSTART") for s in spectra]
    stops = [s.header.get("TSTOP") for s in spectra]
    if all(isinstance(v, (int, float)) for v in [*starts, *stops]):
        header.set("TSTART", min(starts))  # type: ignore[type-var]
        header.set("TSTOP", max(stops))  # type: ignore[type-var]
    ontime = [s.header.get("ONTIME") for s in spectra]
    if all(isinstance(v, (int, float)) for v in ontime):
        header.set("ONTIME", sum(ontime))  # type: ignore[arg-type]
    header.set("EXPOSURE", total)
    if not spectra[0].is_rate:
        header.set("TOTCTS", int(round(float(sum(s.values.sum() for s in spectra)))), "total counts in spectrum")
    header.add_history(f"sum of {len(spectra)} spectra: {', '.join(s.name for s in spectra)}")
    return header


def _good_times(spectra: Sequence[Spectrum]) -> GTI | None:
    times = [s.good_times for s in spectra]
    return GTI.union([t for t in times if t is not None]) if all(t is not None for t in times) else None


def _background(spectra: Sequence[Spectrum], merged: Spectrum) -> Spectrum:
    """Background of the sum."""
    backs = [s.background for s in spectra if s.background is not None]
    ratio = []  # counts in the source region per count of the background
    for s, b in zip(spectra, backs, strict=True):
        if len(b) != len(s):
            raise DataError(f"the background of {s.name} has {len(b)} channels, the spectrum {len(s)}")
        scale = np.asarray(s.backscal) * np.asarray(s.areascal) * s.exposure
        ratio.append(scale / (np.asarray(b.backscal) * np.asarray(b.areascal) * b.exposure) * np.ones(len(s)))
    counts = [b.counts for b in backs]
    common: dict[str, Any] = {
        "grouping": None, "backfile": "none", "corrfile": "none", "path": None, "gti": None, "region": None,
        "provenance": None, "is_rate": False, "sys_err": None, "header": _header(backs, 1.0),
        "quality": np.max([b.quality for b in backs], axis=0),
    }  # fmt: skip
    spread = max(float(np.ptp([r[k] for r in ratio])) / float(ratio[0][k]) for k in range(len(merged)))
    if spread < _SAME_RATIO and all(b.poisson for b in backs):
        exposure = float(sum(b.exposure for b in backs))
        area = np.asarray(merged.areascal)
        scale = np.asarray(merged.backscal) * area * merged.exposure / (ratio[0] * area * exposure)
        return backs[0].replace(
            values=sum(counts), stat_err=None, poisson=True, exposure=exposure, areascal=merged.areascal,
            backscal=scale, **common,
        )  # fmt: skip
    warn(
        "the backgrounds are scaled differently: their sum has Gaussian errors (use chi or pgstat, not "
        "cstat, or fit the spectra together)"
    )
    variance = [b._statistical_variance() * (b.exposure**2 if b.is_rate else 1.0) for b in backs]
    return backs[0].replace(
        values=sum(r * c for r, c in zip(ratio, counts, strict=True)),
        stat_err=np.sqrt(sum(r**2 * v for r, v in zip(ratio, variance, strict=True))),
        poisson=False, exposure=merged.exposure, areascal=merged.areascal, backscal=merged.backscal, **common,
    )  # fmt: skip


def combine_responses(
    responses: Sequence[tuple[RMF | None, ARF | None]], weights: Sequence[float]
) -> tuple[RMF, ARF | None]:
    """Mean of responses (RMF times ARF), as an RMF and an ARF.

    The mean area is A = Σ wᵢ Aᵢ and the mean redistribution Σ wᵢ Aᵢ Rᵢ / A; their product is Σ wᵢ Aᵢ Rᵢ exactly.

    Parameters
    ----------
    responses : sequence of (RMF, ARF or None)
    weights : sequence of float
        Normalised here.

    Returns
    -------
    rmf : RMF
    arf : ARF or None
        None where the responses have none.

    Raises
    ------
    ResponseError
        Missing responses, or energies or channels that differ.
    """
    rmfs = [rmf for rmf, _ in responses if rmf is not None]
    arfs = [arf for _, arf in responses if arf is not None]
    if len(rmfs) < len(responses) or (arfs and len(arfs) < len(responses)) or not responses:
        raise ResponseError("a response is missing: all of the spectra need an RMF, and all or none an ARF")
    share = np.asarray(weights, dtype=float)
    if (share < 0).any() or not share.sum() > 0:
        raise ResponseError("the weights of responses must be positive")
    share = share / share.sum()
    for rmf in rmfs[1:]:
        _same_grid(rmfs[0], rmf)
    arf = None
    factor = np.tile(share[:, None], (1, rmfs[0].n_energies))
    if arfs:
        for one in arfs:
            if len(one.specresp) != rmfs[0].n_energies:
                raise ResponseError(
                    f"the ARF has {len(one.specresp)} energies, the RMF {rmfs[0].n_energies}", file=one.path
                )
        areas = np.array([one.specresp for one in arfs])
        mean = share @ areas
        arf = ARF(arfs[0].energ_lo, arfs[0].energ_hi, mean, header=_response_header(arfs), kind=arfs[0].kind)
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = np.where(mean > 0, share[:, None] * areas / mean, share[:, None])
    if all(rmf is rmfs[0] or _same_matrix(rmf, rmfs[0]) for rmf in rmfs):
        return rmfs[0], arf
    return _mean_rmf(rmfs, factor), arf


def _response_header(parts: Sequence[Any]) -> Header:
    header = parts[0].header.without_structure()
    for key in list(header.keys()):
        if key not in ("HISTORY", "COMMENT", "") and any(p.header.get(key) != header[key] for p in parts[1:]):
            header.remove(key)
    header.add_history(f"mean of {len(parts)} responses")
    return header


def _same_grid(a: RMF, b: RMF) -> None:
    if a.n_energies != b.n_energies or a.detchans != b.detchans or a.first_channel != b.first_channel:
        raise ResponseError(
            f"responses of {a.n_energies} and {b.n_energies} energies, {a.detchans} and {b.detchans} channels cannot "
            "be averaged",
            file=b.path,
            cure="Fit the spectra together instead of adding them.",
        )
    for name in ("energ_lo", "energ_hi", "e_min", "e_max"):
        x, y = getattr(a, name), getattr(b, name)
        if not np.allclose(x, y, rtol=_SAME_GRID, atol=1e-9):
            raise ResponseError(
                f"the energies of the responses differ ({name.upper()})",
                file=b.path,
                cure="Fit the spectra together instead of adding them.",
            )


def _same_matrix(a: RMF, b: RMF) -> bool:
    x, y = a.matrix, b.matrix
    return all(np.array_equal(getattr(x, name), getattr(y, name)) for name in ("row_runs", "first", "length", "values"))


def _mean_rmf(rmfs: Sequence[RMF], factor: NDArray[np.float64]) -> RMF:
    """Σ factor[i, E] Rᵢ with the runs of all of them merged."""
    first = rmfs[0]
    scaled = []
    for rmf, part in zip(rmfs, factor, strict=True):
        m = rmf.matrix
        values = m.values.astype(np.float64) * part[m.rows()]
        scaled.append(CompressedMatrix(m.n_channels, m.row_runs, m.first, m.length, values))
    total = scaled[0]
    for other in scaled[1:]:
        total = total.plus(other)
    return RMF(
        first.energ_lo,
        first.energ_hi,
        first.e_min,
        first.e_max,
        _tidy(total),
        first_channel=first.first_channel,
        header=_response_header(rmfs),
        includes_area=first.includes_area,
    )


def _tidy(matrix: CompressedMatrix) -> CompressedMatrix:
    """The same matrix with one element for each channel of a row, runs ascending."""
    key = matrix.rows() * np.int64(matrix.n_channels) + matrix.indices()
    order = np.argsort(key, kind="stable")
    key, values = key[order], matrix.values[order]
    fresh = np.flatnonzero(np.diff(key, prepend=-1))
    values = np.add.reduceat(values, fresh) if len(values) else values
    key = key[fresh]
    row, channel = key // matrix.n_channels, key % matrix.n_channels
    begins = np.flatnonzero((np.diff(key, prepend=-9) != 1) | (np.diff(row, prepend=-1) != 0))
    length = np.diff(np.append(begins, len(key)))
    runs = np.concatenate([[0], np.cumsum(np.bincount(row[begins], minlength=matrix.n_rows))])
    return CompressedMatrix(
        matrix.n_channels, runs.astype(np.int64), channel[begins].astype(np.int64), length.astype(np.int64), values
    )
