"""Spectra as they are plotted: data, folded model and background per keV or channel, per cm² if wished, rebinned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wolter.errors import FitError
from wolter.fit.dataset import FitSpectrum

__all__ = ["PlotData", "make_plot_data", "rebin_edges"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PlotData:
    """One spectrum, or the mean of several, ready for a figure; arrays [n] of the plotted bins.

    Attributes
    ----------
    x, xerr : array
        Middle and half-width of the bins, in keV or channels.
    y, yerr : array
        Net data and its error: counts/s/keV (or per channel), and per cm² if `area_normalised`.
    model : array
        Folded model in the same unit.
    background : array or None
        Background scaled to the source, in the same unit; None without one.
    residual : array
        (data - model) / error for chi; for Poisson statistics (data - model) / sqrt(model) in counts.
    e_lo, e_hi : array
        Energies of the bins, keV.
    area : array
        Effective area of a flat spectrum, cm².
    unit, x_unit : str
        Of y and x.
    area_normalised : bool
        Whether y is divided by `area`.
    name : str
        Of the spectrum.
    spectra : tuple of int
        Numbers of the spectra.
    group : int
        Data group.
    stokes : int or None
        0, 1, 2 for I, Q, U.
    """

    x: Array
    xerr: Array
    y: Array
    yerr: Array
    model: Array
    background: Array | None
    residual: Array
    e_lo: Array
    e_hi: Array
    area: Array
    unit: str
    x_unit: str
    area_normalised: bool
    name: str
    spectra: tuple[int, ...]
    group: int
    stokes: int | None

    @property
    def ratio(self) -> Array:
        """Data divided by model."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.y / self.model

    @property
    def ratio_error(self) -> Array:
        """Error divided by model."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.yerr / np.abs(self.model)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready columns."""
        columns = ("x", "xerr", "y", "yerr", "model", "residual", "e_lo", "e_hi", "area")
        out: dict[str, Any] = {c: getattr(self, c).tolist() for c in columns}
        out["background"] = None if self.background is None else self.background.tolist()
        return out | {"unit": self.unit, "x_unit": self.x_unit, "name": self.name, "group": self.group}


def rebin_edges(value: Array, variance: Array, min_sigma: float, max_bins: int) -> npt.NDArray[np.intp]:
    """First bin of each plotted bin, by XSPEC's "setplot rebin".

    Parameters
    ----------
    value, variance : array [n]
        Net rate and its variance.
    min_sigma : float
        Neighbours are joined until the sum is this many sigma and positive ...
    max_bins : int
        ... or until so many bins are together.
    """
    starts: list[int] = []
    total = noise = 0.0
    count = 0
    for i in range(len(value)):
        if count == 0:
            starts.append(i)
        total += value[i]
        noise += variance[i]
        count += 1
        # nine counts are three sigma exactly: rounding must not ask for a tenth
        enough = total > 0 and total * total >= min_sigma * min_sigma * noise * (1.0 - 1e-9)
        if enough or count >= max_bins:
            total = noise = 0.0
            count = 0
    return np.array(starts, dtype=np.intp)


def make_plot_data(
    entries: Sequence[FitSpectrum],
    models: Sequence[Array],
    *,
    x: str = "keV",
    area: bool = False,
    rebin: tuple[float, int] | None = None,
) -> PlotData:
    """Plotted form of one spectrum or of the mean of several, bin by bin.

    Parameters
    ----------
    entries : sequence of FitSpectrum
        Spectra with the same bins; XSPEC plots the mean of their rates.
    models : sequence of array
        Folded model rate of each, counts/s (per unit of AREASCAL).
    x : {"keV", "channel"}
        Abscissa.
    area : bool
        Divide by the effective area; bins without area are dropped.
    rebin : tuple (min_sigma, max_bins), optional
        Join bins, for the figure alone.

    Raises
    ------
    FitError
        If bins differ, or for an unknown abscissa.
    """
    _check(entries, x)
    first = entries[0]
    rates = _Rates.of(entries, models)
    lo, hi = first.plan.bin_lo, first.plan.bin_hi
    position = first.binned.bins.position.astype(float)
    left, right = (lo, hi) if x == "keV" else (position - 0.5, position + 0.5)
    span = np.abs(right - left)
    keep = np.flatnonzero(rates.area > 0) if area else np.arange(len(lo))
    weight = np.ones(len(lo))
    if area:
        weight[keep] = 1.0 / rates.area[keep]  # channels are divided one by one, then averaged
    cuts = np.arange(len(keep))
    if rebin is not None:
        cuts = rebin_edges(
            (rates.net * weight)[keep], (rates.variance * weight**2)[keep], float(rebin[0]), int(rebin[1])
        )

    def summed(values: Array) -> Array:
        return np.add.reduceat(values[keep], cuts)

    starts, ends = keep[cuts], keep[np.append(cuts[1:] - 1, len(keep) - 1)]
    divisor = summed(span)
    background = summed((rates.total - rates.net) * weight) / divisor if rates.has_background else None
    return PlotData(
        x=0.5 * (left[starts] + right[ends]),
        xerr=0.5 * np.abs(right[ends] - left[starts]),
        y=summed(rates.net * weight) / divisor,
        yerr=np.sqrt(summed(rates.variance * weight**2)) / divisor,
        model=summed(rates.model * weight) / divisor,
        background=background,
        residual=rates.residual(summed, poisson=first.statistic != "chi"),
        e_lo=np.minimum(lo[starts], lo[ends]),
        e_hi=np.maximum(hi[starts], hi[ends]),
        area=summed(rates.area * span) / divisor,
        unit=("counts/cm2/s/" if area else "counts/s/") + ("keV" if x == "keV" else "channel"),
        x_unit=x,
        area_normalised=area,
        name=first.spectrum.path.name if first.spectrum.path else f"spectrum {first.number}",
        spectra=tuple(e.number for e in entries),
        group=first.group,
        stokes=first.spectrum.stokes,
    )


def _check(entries: Sequence[FitSpectrum], x: str) -> None:
    bottom = entries[0].plan.bin_lo
    if any(len(e.plan.bin_lo) != len(bottom) or not np.allclose(e.plan.bin_lo, bottom) for e in entries):
        raise FitError("spectra with different bins cannot be put together in a plot", cure="Plot them one by one.")
    if x not in ("keV", "channel"):
        raise FitError(f"unknown abscissa {x!r}", cure="Choose 'keV' or 'channel'.")


@dataclass(frozen=True, eq=False)
class _Rates:
    """Means over the spectra of a plot: counts/s per bin, their variance, area in cm², exposure in s."""

    total: Array
    net: Array
    variance: Array
    model: Array
    time: Array
    area: Array
    has_background: bool

    @classmethod
    def of(cls, entries: Sequence[FitSpectrum], models: Sequence[Array]) -> _Rates:
        pairs = list(zip(entries, models, strict=True))
        return cls(
            total=_mean(e.binned.rate * e.area for e, _ in pairs),
            net=_mean(e.binned.net * e.area for e, _ in pairs),
            variance=_mean(e.binned.net_variance * e.area**2 for e, _ in pairs) / len(pairs),
            model=_mean(m * e.area for e, m in pairs),
            time=_mean(e.binned.time for e, _ in pairs),
            area=_mean(e.plan.effective_area() for e, _ in pairs),
            has_background=any(e.binned.has_background for e, _ in pairs),
        )

    def residual(self, summed: Callable[[Array], Array], *, poisson: bool) -> Array:
        """Deviation in sigma: of the data for chi, of the model's counts for Poisson statistics."""
        with np.errstate(divide="ignore", invalid="ignore"):
            if poisson:
                expected = summed(self.model * self.time)
                return (summed(self.net * self.time) - expected) / np.sqrt(expected)
            return summed(self.net - self.model) / np.sqrt(summed(self.variance))


def _mean(parts: Iterable[Array]) -> Array:
    every = list(parts)
    return sum(every[1:], every[0]) / len(every)
