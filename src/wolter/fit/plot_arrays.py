"""The numbers of XSPEC's plots: data, residuals, unfolded spectra, models, cumulative counts, areas.

Definitions follow the XSPEC manual (commands plot and setplot) and were compared with recorded sessions of 12.9.1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wolter.errors import FitError
from wolter.fit.dataset import FitSpectrum
from wolter.fit.plotdata import _Rates

__all__ = ["Abscissa", "PlotArrays", "bin_arrays", "model_arrays"]

Array = npt.NDArray[np.float64]
_LIGHT = 2.99792458e18  # angstrom/s
_ERG = 1.602192e-9  # erg per keV, XSPEC's value
_JANSKY = 1e23  # Jy per erg/cm²/s/Hz
_HC = 12.39842  # keV angstrom, XSPEC's value


@dataclass(frozen=True)
class Abscissa:
    """Unit of a plot's axis.

    Attributes
    ----------
    kind : {"channel", "energy", "wave"}
        What it measures.
    factor : float
        Units per keV, or per angstrom.
    per_hz : bool
        With a wavelength axis, densities are per Hz instead of per unit of wavelength.
    """

    kind: str = "energy"
    factor: float = 1.0
    per_hz: bool = True

    def ends(self, lo: Array, hi: Array) -> tuple[Array, Array]:
        """Bounds in keV as bounds on the axis."""
        if self.kind == "wave":
            with np.errstate(divide="ignore"):
                return _HC * self.factor / lo, _HC * self.factor / hi
        factor = self.factor if self.kind == "energy" else 1.0
        return lo * factor, hi * factor

    def energy_weight(self, lo: Array, hi: Array, power: int) -> Array:
        """Energy to some power: keV, but per Hz fluxes are F(nu) in Jy and nu F(nu) in erg/cm²/s."""
        weight = (lo * hi) ** (0.5 * power)
        in_hz = (self.kind == "wave" and self.per_hz) or (self.kind == "energy" and self.factor > 1e15)
        if in_hz and power:
            weight = weight * (_ERG * (_JANSKY if power == 1 else _LIGHT / _HC))
        return weight

    def width(self, lo: Array, hi: Array) -> Array:
        """Width of bins for densities."""
        if self.kind == "wave" and self.per_hz:
            return (hi - lo) * (_LIGHT / _HC)
        left, right = self.ends(lo, hi)
        return np.abs(right - left)


@dataclass(frozen=True, eq=False)
class PlotArrays:
    """Columns of a plot; None where the plot has none. `y` is data, `model` the line."""

    x: Array
    xerr: Array | None
    y: Array | None
    yerr: Array | None
    model: Array | None
    background: Array | None = None


@dataclass(frozen=True, eq=False)
class _Bins:
    """Plotted bins: which channels are summed, where they are."""

    keep: npt.NDArray[np.intp]
    cuts: npt.NDArray[np.intp]
    lo: Array
    hi: Array
    x: Array
    xerr: Array
    width: Array

    def sum(self, values: Array) -> Array:
        return np.add.reduceat(values[self.keep], self.cuts)


def bin_arrays(
    kind: str,
    entries: Sequence[FitSpectrum],
    models: Sequence[Array],
    axis: Abscissa,
    *,
    area: bool = False,
    rebin: tuple[float, int] | None = None,
    error: str = "quad",
    unfolded: Array | None = None,
) -> PlotArrays:
    """Plots that have a point per (joined) channel.

    Parameters
    ----------
    kind : str
        "data", "counts", "background", "ratio", "resid", "delchi", "chisq", "icounts", "ufspec", "eufspec" or
        "eeufspec".
    entries, models : sequences
        Spectra of a plot group with the same bins, and the folded rate of each.
    axis : Abscissa
        Of the plot; unfolded spectra are never in channels.
    area : bool
        Divide by the effective area.
    rebin : tuple (min_sigma, max_bins), optional
        Join bins.
    error : {"quad", "sqrt", "poiss-1", "poiss-2", "poiss-3"}
        Errors of joined bins: roots of summed variances, or from the counts N: sqrt(N), 1 + sqrt(N + 0.75),
        sqrt(N - 0.25), and the mean of the latter two.
    unfolded : array, optional
        For unfolded spectra: model photons/cm²/s in each bin.

    Raises
    ------
    FitError
        If the spectra have different bins, or the kind is not known.
    """
    first = entries[0]
    if any(e.plan.bin_lo.shape != first.plan.bin_lo.shape for e in entries):
        raise FitError("spectra with different bins cannot be put together in a plot")
    rates = _Rates.of(entries, models)
    if kind.endswith("ufspec") and axis.kind == "channel":
        axis = Abscissa()
    weight = np.ones(len(first.plan.bin_lo))
    use_area = area and kind in ("data", "background", "counts", "resid")
    if use_area:
        with np.errstate(divide="ignore"):
            weight = np.where(rates.area > 0, 1.0 / rates.area, 0.0)
    bins = _make_bins(entries, axis, weight, weight > 0, rebin, counts=kind == "counts")
    with np.errstate(divide="ignore", invalid="ignore"):
        noise = sum(e.binned.background_variance * e.area**2 for e in entries) / len(entries) ** 2
        floor = np.mean([_floor(e) * e.area for e in entries], axis=0)
        job = _Job(bins, rates, weight, axis, error, first.statistic, unfolded, np.asarray(noise, dtype=float), floor)
        return _KINDS[kind](job)


def _make_bins(
    entries: Sequence[FitSpectrum],
    axis: Abscissa,
    weight: Array,
    good: npt.NDArray[np.bool_],
    rebin: tuple[float, int] | None,
    *,
    counts: bool,
) -> _Bins:
    first = entries[0]
    keep = np.flatnonzero(good)
    cuts = np.arange(len(keep))
    if rebin is not None and rebin[1] > 1:
        cuts = _join(entries, weight, keep, float(rebin[0]), int(rebin[1]), counts)
    starts, ends = keep[cuts], keep[np.append(cuts[1:] - 1, len(keep) - 1)]
    bottom, top = first.plan.bin_lo, first.plan.bin_hi
    lo, hi = np.minimum(bottom[starts], bottom[ends]), np.maximum(top[starts], top[ends])
    if axis.kind == "channel":
        position = first.binned.bins.position.astype(float)
        left, right = position[starts] - 0.5, position[ends] + 0.5
        width = np.add.reduceat(np.ones(len(keep)), cuts)
    else:
        left, right = axis.ends(lo, hi)
        width = np.add.reduceat(axis.width(bottom, top)[keep], cuts)
    return _Bins(keep, cuts, lo, hi, 0.5 * (left + right), 0.5 * np.abs(right - left), width)


def _join(
    entries: Sequence[FitSpectrum], weight: Array, keep: npt.NDArray[np.intp], sigma: float, most: int, counts: bool
) -> npt.NDArray[np.intp]:
    """Index into `keep` of the first channel of each joined bin, by XSPEC's "setplot rebin".

    Nine counts are three sigma exactly, so that rounding decides whether a tenth is asked for. These are XSPEC's
    operations in its order (12.9.1, found from recorded plots): exposures of single precision whose inverse multiplies
    the counts, and its square their variance. `most` counts channels from the first one, ignored ones in between too.
    """
    value: list[Array] = []
    noise: list[Array] = []
    for e in entries:
        factor = weight * (e.binned.time.astype(np.float32).astype(float) if counts else e.area)
        for rate, variance, time, sign in (
            (e.binned.rate, e.binned.variance, e.binned.time, 1.0),
            (e.binned.background_rate, e.binned.background_variance, e.binned.background_time, -1.0),
        ):
            rate, variance = _single_precision(rate, variance, time)
            value.append((sign * rate * factor)[keep])
            noise.append((factor * factor * variance)[keep])
    place = _places(entries[0])[keep]
    least = sigma * sigma
    starts: list[int] = []
    total = error = 0.0
    end = -1
    rows = zip(place.tolist(), np.stack(value, 1).tolist(), np.stack(noise, 1).tolist(), strict=True)
    for i, (channel, values, variances) in enumerate(rows):
        if channel > end:
            starts.append(i)
            total = error = 0.0
            end = channel + most - 1
        for v, n in zip(values, variances, strict=True):
            total += v
            error += n
        if total > 0 and total * total >= error * least:
            end = channel
    return np.array(starts, dtype=np.intp)


def _floor(entry: FitSpectrum) -> Array:
    """Error of a rate without counts: that of one count, of the source's or of the background's exposure."""
    with np.errstate(divide="ignore"):
        own, other = 1.0 / entry.binned.time, 1.0 / entry.binned.background_time
    return np.minimum(own, other) if entry.binned.has_background else own


def _places(entry: FitSpectrum) -> npt.NDArray[np.intp]:
    """Number of each bin in its spectrum, ignored ones counted."""
    return np.asarray(entry.binned.bins.position, dtype=np.intp)


def _single_precision(rate: Array, variance: Array, time: Array) -> tuple[Array, Array]:
    """Rate and variance of whole counts with the inverse of an exposure of single precision."""
    if not len(time) or not time.any():
        return rate, variance
    counts = rate * time
    whole = np.round(counts)
    if not np.allclose(counts, whole, atol=1e-6) or not np.allclose(variance * time * time, whole, atol=1e-6):
        return rate, variance
    inverse = 1.0 / time.astype(np.float32).astype(float)
    return whole * inverse, whole * (inverse * inverse)


@dataclass(frozen=True, eq=False)
class _Job:
    bins: _Bins
    rates: _Rates
    weight: Array
    axis: Abscissa
    error: str
    statistic: str
    unfolded: Array | None
    background_variance: Array
    floor: Array

    def sum(self, values: Array) -> Array:
        return self.bins.sum(values * self.weight)

    def sigma(self) -> Array:
        """Error of the summed net rate."""
        if self.error == "quad":
            sigma = np.sqrt(self.bins.sum(self.rates.variance * self.weight**2))
            if self.statistic != "chi":
                return sigma
            # empty bins have the error that chi-squared gives them: XSPEC's plots and its statistic agree
            size = self.bins.sum(np.ones(len(self.weight)))
            return np.where(sigma > 0, sigma, self.bins.sum(self.floor * self.weight) / size)
        time = self.bins.sum(self.rates.time) / self.bins.sum(np.ones(len(self.weight)))
        source = self.bins.sum(self.rates.total * self.rates.time)
        background = self.bins.sum((self.rates.total - self.rates.net) * self.rates.time)
        below = np.where(background > 0, _error_of_counts(background, self.error), 0.0)
        return np.hypot(_error_of_counts(source, self.error), below) / time

    def make(self, y: Array, yerr: Array | None, model: Array | None, background: Array | None = None) -> PlotArrays:
        return PlotArrays(self.bins.x, self.bins.xerr, y, yerr, model, background)


def _error_of_counts(counts: Array, kind: str) -> Array:
    """Error of a number of counts, by one of the approximations of Gehrels (1986)."""
    counts = np.maximum(counts, 0.0)
    upper, lower = 1.0 + np.sqrt(counts + 0.75), np.sqrt(np.maximum(counts - 0.25, 0.0))
    return {"sqrt": np.sqrt(counts), "poiss-1": upper, "poiss-2": lower, "poiss-3": 0.5 * (upper + lower)}[kind]


def _data(job: _Job) -> PlotArrays:
    width, r = job.bins.width, job.rates
    background = job.sum(r.total - r.net) / width if r.has_background else None
    return job.make(job.sum(r.net) / width, job.sigma() / width, job.sum(r.model) / width, background)


def _counts(job: _Job) -> PlotArrays:
    r = job.rates
    width = job.bins.width
    background = job.sum((r.total - r.net) * r.time) / width if r.has_background else None
    sigma = np.sqrt(job.bins.sum(r.variance * (job.weight * r.time) ** 2))
    if job.error != "quad":
        sigma = job.sigma() * r.time.mean()
    return job.make(job.sum(r.net * r.time) / width, sigma / width, job.sum(r.model * r.time) / width, background)


def _background(job: _Job) -> PlotArrays:
    r, width = job.rates, job.bins.width
    back = job.sum(r.total - r.net) / width
    sigma = np.sqrt(job.bins.sum(job.background_variance * job.weight**2))
    return job.make(back, sigma / width, job.sum(r.model) / width)


def _ratio(job: _Job) -> PlotArrays:
    model = job.sum(job.rates.model)
    return job.make(job.sum(job.rates.net) / model, job.sigma() / model, None)


def _resid(job: _Job) -> PlotArrays:
    r, width = job.rates, job.bins.width
    return job.make(job.sum(r.net - r.model) / width, job.sigma() / width, None)


def _deviation(job: _Job) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return job.sum(job.rates.net - job.rates.model) / job.sigma()


def _delchi(job: _Job) -> PlotArrays:
    value = _deviation(job) if job.statistic == "chi" else job.rates.residual(job.bins.sum, poisson=True)
    return job.make(np.where(np.isfinite(value), value, 0.0), np.ones(len(value)), None)


def _chisq(job: _Job) -> PlotArrays:
    if job.statistic == "chi":
        delchi = _deviation(job)
        return job.make(np.where(np.isfinite(delchi), delchi * np.abs(delchi), 0.0), None, None)
    # XSPEC (12.9.1, found from recorded plots): the C statistic of the net counts of a joined bin, with the sign of the
    # residual where there are counts, also where the fit statistic treats the background in another way
    data, model = (job.sum(v * job.rates.time) for v in (job.rates.net, job.rates.model))
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.sign(data - model) * (model - data + data * np.log(data / model))
    value = 2.0 * np.where(data > 0, value, model)
    value = np.where(np.isfinite(value), value, 0.0)
    return job.make(value / job.bins.width, None, None)


def _icounts(job: _Job) -> PlotArrays:
    parts = [job.sum(v * job.rates.time) for v in (job.rates.net, job.rates.model)]
    if job.axis.kind == "wave" and job.axis.per_hz:  # densities per Hz times widths in wavelength, as XSPEC has it
        parts = [p * job.bins.xerr / job.bins.width for p in parts]
    total = parts[0].sum()
    data, model = (np.cumsum(p) for p in parts)
    return job.make(data / total, None, model / total)


def _unfolded(power: int) -> Callable[[_Job], PlotArrays]:
    def make(job: _Job) -> PlotArrays:
        assert job.unfolded is not None
        scale = job.axis.energy_weight(job.bins.lo, job.bins.hi, power)
        model = job.bins.sum(job.unfolded) / job.bins.width * scale
        folded = job.bins.sum(job.rates.model)
        factor = np.where(folded != 0, model / folded, 0.0)
        return job.make(job.bins.sum(job.rates.net) * factor, job.sigma() * np.abs(factor), model)

    return make


_KINDS: dict[str, Callable[[_Job], PlotArrays]] = {
    "data": _data,
    "counts": _counts,
    "background": _background,
    "ratio": _ratio,
    "resid": _resid,
    "delchi": _delchi,
    "chisq": _chisq,
    "icounts": _icounts,
    "ufspec": _unfolded(0),
    "eufspec": _unfolded(1),
    "eeufspec": _unfolded(2),
}


def rebinned_flux(edges: Array, flux: Array, lo: Array, hi: Array) -> Array:
    """Photons in bins lo-hi of a model that is flat inside the bins of another grid.

    Parameters
    ----------
    edges, flux : array [n + 1], [n]
        The model.
    lo, hi : array [m]
        Bins.
    """
    total = np.concatenate([[0.0], np.cumsum(flux)])
    return np.interp(hi, edges, total) - np.interp(lo, edges, total)


def model_arrays(kind: str, edges: Array, flux: Array, axis: Abscissa) -> PlotArrays:
    """Plots on the energies of the response: "model", "emodel", "eemodel", and "efficien" (`flux` is the area).

    Parameters
    ----------
    kind : str
        Which.
    edges : array [n + 1]
        keV.
    flux : array [n]
        photons/cm²/s, or cm².
    axis : Abscissa
        Of the plot; channels become keV.
    """
    if axis.kind == "channel":
        axis = Abscissa()
    lo, hi = edges[:-1], edges[1:]
    left, right = axis.ends(lo, hi)
    x, xerr = 0.5 * (left + right), 0.5 * np.abs(right - left)
    if kind == "efficien":
        return PlotArrays(x, None, flux, None, None)
    power = {"model": 0, "emodel": 1, "eemodel": 2}[kind]
    return PlotArrays(x, xerr, None, None, flux / axis.width(lo, hi) * axis.energy_weight(lo, hi, power))
