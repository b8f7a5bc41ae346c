"""The spectrum: counts or rates per channel with errors, flags, scalings and the responses that belong to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wolter.data import grouping as _grouping
from wolter.data.grouping import Bins, group_bins
from wolter.data.rmf import keyword
from wolter.errors import DataError
from wolter.fits import Header, Provenance

if TYPE_CHECKING:
    from wolter import fits
    from wolter.data.arf import ARF
    from wolter.data.rmf import RMF
    from wolter.gti import GTI

__all__ = ["BinnedSpectrum", "Spectrum", "StokesName"]

StokesName = ("I", "Q", "U")
_NONE = ("", "none")


@dataclass(frozen=True, eq=False)
class BinnedSpectrum:
    """A spectrum summed into its noticed bins, in the quantities that statistics are made of.

    Rates are count/s per unit of AREASCAL, as XSPEC has them; those of the background are scaled to the source
    region by BACKSCAL.

    Attributes
    ----------
    bins : Bins
    rate, variance : float64[nbins]
        Source region, with its systematic error.
    background_rate, background_variance : float64[nbins]
        Zero without a background.
    time, background_time : float64[nbins]
        s: exposure times AREASCAL; for the background also times the ratio of its BACKSCAL to the source's, so that
        rate * time and background_rate * background_time are the counts. `background_time` is zero without one.
    correction : float64[nbins] or None
        Rate of the correction file, scaled by BACKSCAL and CORRSCAL; it is subtracted, too, and has no error.
    """

    bins: Bins
    rate: NDArray[np.float64]
    variance: NDArray[np.float64]
    background_rate: NDArray[np.float64]
    background_variance: NDArray[np.float64]
    time: NDArray[np.float64]
    background_time: NDArray[np.float64]
    correction: NDArray[np.float64] | None = None

    @property
    def has_background(self) -> bool:
        """Whether a background belongs to the spectrum."""
        return bool(len(self.background_time)) and bool(self.background_time.any())

    @property
    def net(self) -> NDArray[np.float64]:
        """count/s: source region minus scaled background (and correction)."""
        net = self.rate - self.background_rate
        return net if self.correction is None else net - self.correction

    @property
    def net_variance(self) -> NDArray[np.float64]:
        """(count/s)²: variances of source region and scaled background added."""
        return self.variance + self.background_variance

    @property
    def counts(self) -> NDArray[np.float64]:
        """Counts in the source region."""
        return self.rate * self.time

    @property
    def background_counts(self) -> NDArray[np.float64]:
        """Counts of the background, not scaled."""
        return self.background_rate * self.background_time


@dataclass(eq=False, kw_only=True)
class Spectrum:
    """Spectrum of one detector (or one Stokes parameter of it) over all channels of the detector.

    Attributes
    ----------
    channel : int[n]
        Channel numbers as in the file, consecutive.
    values : float64[n]
        COUNTS, or RATE (count/s) if `is_rate`; 0 for channels that the file does not list.
    is_rate : bool
    stat_err : float64[n] or None
        Statistical errors in the unit of `values`; not used if `poisson`.
    sys_err : float64[n] or None
        Systematic errors as a fraction of `values`.
    quality : int16[n]
        QUALITY: 0 good, 1 bad (never used), 2 dubious, 5 bad by the user.
    grouping : int16[n] or None
        GROUPING flags; None where the channels are not grouped.
    exposure : float
        s, dead-time corrected.
    areascal, backscal : float or float64[n]
        AREASCAL and BACKSCAL.
    corrscal : float
    poisson : bool
        POISSERR: errors are the square roots of the counts.
    header : Header
        Keywords of the SPECTRUM extension (without those that describe the layout).
    xflt : dict of str to float
        Filter keys (XFLTnnnn), in lower case.
    respfile, ancrfile, backfile, corrfile : str
        Names of the files that belong to the spectrum as written in its header; "none" for none.
    rmf, arf, background, correction : RMF, ARF, Spectrum, Spectrum or None
        The files themselves, where they have been read.
    path : Path or None
        File that the spectrum came from.
    gti : GTI, callable or None
        Good time intervals; a callable (as of a spectrum that was read) is asked at the first use of `good_times`.
    region : any
        Region of the events: a `RegionSet`, or a FITS table as read from a REGnnnnn extension; a callable is asked at
        the first use of `source_region`.
    provenance : Provenance or None
        How the spectrum was made; written with it.
    wmap : ImageHDU or None
        Weighted map: where in the region the events are; written as the primary HDU.

    Raises
    ------
    DataError
        If arrays have different lengths, values or errors are NaN, errors are negative, or the exposure is not
        positive.
    """

    channel: NDArray[Any]
    values: NDArray[Any]
    is_rate: bool = False
    stat_err: NDArray[Any] | None = None
    sys_err: NDArray[Any] | None = None
    quality: NDArray[Any] = field(default_factory=lambda: np.zeros(0, dtype=np.int16))
    grouping: NDArray[Any] | None = None
    exposure: float = 0.0
    areascal: Any = 1.0
    backscal: Any = 1.0
    corrscal: float = 1.0
    poisson: bool = True
    header: Header = field(default_factory=Header)
    xflt: Mapping[str, float] = field(default_factory=dict)
    respfile: str = "none"
    ancrfile: str = "none"
    backfile: str = "none"
    corrfile: str = "none"
    rmf: RMF | None = None
    arf: ARF | None = None
    background: Spectrum | None = None
    correction: Spectrum | None = None
    path: Path | None = None
    gti: GTI | Callable[[], GTI | None] | None = None
    region: Any = None
    provenance: Provenance | None = None
    wmap: Any = None
    telescop: str = ""
    instrume: str = ""
    detnam: str = ""

    def __post_init__(self) -> None:
        self.channel = np.asarray(self.channel, dtype=np.int64)
        n = len(self.channel)
        self.values = self._array(self.values, "COUNTS or RATE")
        if not len(self.quality) and n:
            self.quality = np.zeros(n, dtype=np.int16)
        self.quality = np.asarray(self.quality, dtype=np.int16)
        if self.quality.shape != (n,):
            raise DataError(f"{n} channels but {self.quality.size} QUALITY flags", file=self.path)
        if self.grouping is not None:
            self.grouping = np.asarray(self.grouping, dtype=np.int16)
        self.stat_err = self._errors(self.stat_err, "STAT_ERR")
        self.sys_err = self._errors(self.sys_err, "SYS_ERR")
        self.areascal = self._scale(self.areascal, "AREASCAL")
        self.backscal = self._scale(self.backscal, "BACKSCAL")
        self.exposure = float(self.exposure)
        if not (np.isfinite(self.exposure) and self.exposure > 0):
            raise DataError(
                f"EXPOSURE is {self.exposure:g} s; a spectrum without exposure has no rate",
                file=self.path,
                hdu="SPECTRUM",
                cure="Check the good time intervals of the extraction, or correct the keyword EXPOSURE.",
            )
        self.xflt = {str(k).strip().lower(): float(v) for k, v in self.xflt.items()}
        self.telescop = self.telescop or keyword(self.header, "TELESCOP")
        self.instrume = self.instrume or keyword(self.header, "INSTRUME")
        self.detnam = self.detnam or keyword(self.header, "DETNAM")
        self._bins: Bins | None = None

    def _array(self, values: ArrayLike, name: str) -> NDArray[np.float64]:
        out = np.asarray(values, dtype=np.float64)
        if out.shape != (len(self.channel),):
            raise DataError(f"{len(self.channel)} channels but {name} of shape {out.shape}", file=self.path)
        if not np.isfinite(out).all():
            bad = self.channel[~np.isfinite(out)]
            raise DataError(
                f"{name} is not a number in {len(bad)} channels, the first is {bad[0]}", file=self.path, hdu="SPECTRUM"
            )
        return out

    def _errors(self, values: ArrayLike | None, name: str) -> NDArray[np.float64] | None:
        if values is None:
            return None
        out = self._array(values, name)
        if (out < 0).any():
            bad = self.channel[out < 0]
            raise DataError(
                f"{name} is negative in {len(bad)} channels, the first is {bad[0]}",
                file=self.path,
                hdu="SPECTRUM",
                cure="Errors are standard deviations; make the spectrum again.",
            )
        return out

    def _scale(self, value: Any, name: str) -> Any:
        out = np.asarray(value, dtype=np.float64)
        if out.ndim and out.shape != self.channel.shape:
            raise DataError(f"{len(self.channel)} channels but {name} of shape {out.shape}", file=self.path)
        if not np.isfinite(out).all():
            raise DataError(f"{name} is not a number", file=self.path, hdu="SPECTRUM")
        if (out < 0).any():
            raise DataError(
                f"{name} is negative ({out.min():g})",
                file=self.path,
                hdu="SPECTRUM",
                cure=f"{name} is a positive scaling factor: 1 for none.",
            )
        if out.ndim and len(out) and (out == out[0]).all():
            out = out[0]
        return out if out.ndim else float(out)

    # --- reading, writing, changing -------------------------------------------------------------------------------

    @classmethod
    def read(
        cls,
        path: str | PathLike[str] | fits.FileName,
        *,
        rmf: RMF | str | PathLike[str] | None = None,
        arf: ARF | str | PathLike[str] | None = None,
        background: Spectrum | str | PathLike[str] | None = None,
        follow: bool = True,
        allow_mismatch: bool = False,
        allow_empty: bool = False,
        cache: dict[Any, Any] | None = None,
    ) -> Spectrum:
        """Spectrum of an OGIP file with the files that belong to it; see `wolter.data.spectrum_io.read_spectrum`."""
        from wolter.data.spectrum_io import read_spectrum

        return read_spectrum(
            path,
            rmf=rmf,
            arf=arf,
            background=background,
            follow=follow,
            allow_mismatch=allow_mismatch,
            allow_empty=allow_empty,
            cache=cache,
        )

    def write(
        self, path: str | PathLike[str], *, overwrite: bool = False, provenance: Any = None, primary: Any = None
    ) -> Path:
        """Write an OGIP file; see `wolter.data.spectrum_writer.write_spectrum`."""
        from wolter.data.spectrum_writer import write_spectrum

        return write_spectrum(self, path, overwrite=overwrite, provenance=provenance, primary=primary)

    def replace(self, **changes: Any) -> Spectrum:
        """Copy with some attributes changed."""
        return replace(self, **changes)

    def with_responses(self, rmf: RMF | None, arf: ARF | None = None, *, allow_mismatch: bool = False) -> Spectrum:
        """Copy with other responses, checked against the spectrum (see `check_responses`)."""
        from wolter.data.checks import check_responses

        out = replace(self, rmf=rmf, arf=arf)
        if rmf is not None:
            check_responses(out, allow_mismatch=allow_mismatch)
        return out

    def group(
        self,
        mode: str | float | None = None,
        value: float | None = None,
        *,
        min_counts: float | None = None,
        channels: int | None = None,
        min_snr: float | None = None,
        optimal: bool = False,
        first: int | None = None,
        last: int | None = None,
        template: Any = None,
    ) -> Spectrum:
        """Copy with channels grouped into bins: ``group("min", 20)``, ``group("opt")``, ``group("optmin", 25)``...

        Parameters
        ----------
        mode : str or float, optional
            "min", "bmin", "snmin", "constant", "opt", "optmin", "optsnmin" or "file" (see
            `wolter.data.spectrum_grouping.MODES`); a number means "min" with that many counts.
        value : float, optional
            Counts, signal-to-noise ratio or channels of a group.
        min_counts, channels, min_snr, optimal : optional
            Other names for "min", "constant", "snmin" and "opt"; ``optimal`` with ``min_counts`` or ``min_snr`` is
            "optmin" or "optsnmin".
        first, last : int, optional
            Channel numbers between which channels are grouped; the others stay single.
        template : Spectrum or path, optional
            For "file": where the flags are taken from.

        Returns
        -------
        Spectrum
            Channels that do not fill another group at the end have QUALITY 2; `SpectrumSet.ignore_bad` leaves them out.

        Raises
        ------
        DataError
            If none or several of the rules are asked for, or the spectrum lacks what the rule needs: counts, a
            background, an RMF.
        """
        from wolter.data.spectrum_grouping import group_spectrum

        if isinstance(mode, (int, float)):
            mode, value = "min", float(mode)
        asked = [("min", min_counts), ("constant", channels), ("snmin", min_snr)]
        given = [(rule, number) for rule, number in asked if number is not None]
        if optimal:
            names = {"min": "optmin", "snmin": "optsnmin"}
            given = [(names.get(rule, ""), number) for rule, number in given] or [("opt", None)]
        if mode is not None:
            given.append((mode.strip().lower(), value))
        if len(given) != 1 or not given[0][0]:
            raise DataError(
                "a spectrum is grouped by one rule",
                cure='Write group("min", 20), group("opt"), ... or give one of min_counts=, channels=, min_snr=.',
            )
        return group_spectrum(self, *given[0], first=first, last=last, template=template)

    def ungroup(self) -> Spectrum:
        """Copy with every channel a bin of its own, and the marks of grouping (QUALITY 2) taken back."""
        return replace(self, grouping=None, quality=np.where(self.quality == 2, 0, self.quality))

    # --- properties -----------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.channel)

    @property
    def name(self) -> str:
        """Name of the file, for messages and legends."""
        return self.path.name if self.path else "spectrum"

    @property
    def first_channel(self) -> int:
        """Number of the first channel."""
        return int(self.channel[0]) if len(self.channel) else 0

    @property
    def stokes(self) -> int | None:
        """0, 1, 2 for Stokes I, Q, U (filter key Stokes); None for a spectrum that is none of these."""
        value = self.xflt.get("stokes")
        return int(value) if value in (0.0, 1.0, 2.0) else None

    @property
    def stokes_weight(self) -> str | None:
        """STOKESWT in capitals: how events were weighted (NEFF, SIMPLE, UNWEIGHTED), or None."""
        return keyword(self.header, "STOKESWT").upper() or None

    @property
    def good_times(self) -> GTI | None:
        """Good time intervals, read from the file at the first use."""
        if callable(self.gti):
            self.gti = self.gti()
        return self.gti

    @property
    def source_region(self) -> Any:
        """Region of the events (`RegionSet` or REGION table), read from the file at the first use; None without."""
        if callable(self.region):
            self.region = self.region()
        return self.region

    @property
    def counts(self) -> NDArray[np.float64]:
        """float64[n]: counts (rate times exposure for a file of rates)."""
        return self.values * self.exposure if self.is_rate else self.values

    @property
    def rate(self) -> NDArray[np.float64]:
        """float64[n]: count/s per unit of AREASCAL."""
        return self.values / self._norm

    @property
    def variance(self) -> NDArray[np.float64]:
        """float64[n]: variance of `rate`, statistical and systematic."""
        out = self._statistical_variance()
        if self.sys_err is not None:
            out = out + (self.sys_err * self.values) ** 2
        return out / self._norm**2

    @property
    def rate_error(self) -> NDArray[np.float64]:
        """float64[n]: standard deviation of `rate`."""
        return np.sqrt(self.variance)

    @property
    def _norm(self) -> Any:
        return self.areascal if self.is_rate else self.areascal * self.exposure

    def _statistical_variance(self) -> NDArray[np.float64]:
        """Variance in the unit of `values` squared (XSPEC: POISSERR wins over STAT_ERR; neither means no error)."""
        if self.poisson:
            floor = np.maximum(self.values, 0.0)
            return floor / self.exposure if self.is_rate else floor
        if self.stat_err is None:
            return np.zeros(len(self.values))
        return self.stat_err**2

    # --- bins -----------------------------------------------------------------------------------------------------

    def bins(self, notice: ArrayLike | None = None) -> Bins:
        """Bins by GROUPING and QUALITY, of which those wholly inside the noticed channels remain.

        Parameters
        ----------
        notice : bool[n], optional
            Noticed channels; by default all.
        """
        if notice is not None:
            return group_bins(self.grouping, self.quality, notice)
        if self._bins is None:
            self._bins = group_bins(self.grouping, self.quality)
        return self._bins

    def energy_bounds(self, bins: Bins | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Nominal energy bounds (keV) of the bins, by default of all.

        Raises
        ------
        DataError
            If the spectrum has no RMF, which alone knows them.
        """
        if self.rmf is None:
            raise DataError(
                "the energies of the channels are unknown: the spectrum has no RMF",
                file=self.path,
                cure="Give rmf=, or put the name of the file into the keyword RESPFILE.",
            )
        bins = self.bins() if bins is None else bins
        return bins.min(self.rmf.e_min), bins.max(self.rmf.e_max)

    def notice(self, lo_kev: float | None = None, hi_kev: float | None = None) -> NDArray[np.bool_]:
        """bool[n]: channels left by XSPEC's ``ignore **-lo hi-**`` (keV; None leaves a side open)."""
        if lo_kev is None and hi_kev is None:
            return np.ones(len(self), dtype=bool)
        bins = self.bins()
        return self.mask_of(_grouping.notice_range(*self.energy_bounds(bins), lo_kev, hi_kev), bins)

    def mask_of(self, chosen: ArrayLike, bins: Bins | None = None) -> NDArray[np.bool_]:
        """bool[n]: channels of chosen bins; a mask of bins, bool[nbins], turned into one of channels."""
        bins = self.bins() if bins is None else bins
        picked = np.append(np.asarray(chosen, dtype=bool), False)  # channels in no bin (-1) take the last
        return picked[bins.channel_bin]

    def binned(self, notice: ArrayLike | None = None, *, bins: Bins | None = None) -> BinnedSpectrum:
        """Rates, variances and exposures of the noticed bins (or of `bins`), as XSPEC's statistics use them."""
        bins = self.bins(notice) if bins is None else bins
        rate, variance, area, scale = self._binned(bins)
        zero = np.zeros(len(bins))
        back = self.background
        if back is None:
            return BinnedSpectrum(
                bins, rate, variance, zero, zero, self.exposure * area, zero, self._correction(bins, scale)
            )
        b_rate, b_variance, b_area, b_scale = back._binned(bins)
        ratio = scale / b_scale
        return BinnedSpectrum(
            bins,
            rate,
            variance,
            b_rate * ratio,
            b_variance * ratio**2,
            self.exposure * area,
            back.exposure * b_area / ratio,
            self._correction(bins, scale),
        )

    def _correction(self, bins: Bins, scale: NDArray[Any]) -> NDArray[Any] | None:
        if self.correction is None or not self.corrscal:
            return None
        rate, _, _, own = self.correction._binned(bins)
        return self.corrscal * rate * scale / own

    def _binned(self, bins: Bins) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Rate, variance, AREASCAL and BACKSCAL of bins (of this spectrum or of the one it is background to).

        Sums and variances add up; the largest SYS_ERR of a bin applies to its sum. A scaling that differs between
        channels is averaged with the counts as weights (without them where the bin is empty or the spectrum is a
        net one), which is XSPEC's way.
        """
        total = bins.sum(self.values)
        variance = bins.sum(self._statistical_variance())
        if self.sys_err is not None:
            variance = variance + (bins.max(self.sys_err) * total) ** 2
        area, scale = self._binned_scale(self.areascal, bins, total), self._binned_scale(self.backscal, bins, total)
        norm = area if self.is_rate else area * self.exposure
        return total / norm, variance / norm**2, area, scale

    def _binned_scale(self, scale: Any, bins: Bins, total: NDArray[np.float64]) -> NDArray[np.float64]:
        if np.ndim(scale) == 0:
            return np.full(len(bins), float(scale))
        size = bins.sum(np.ones(len(self)))
        if keyword(self.header, "HDUCLAS2").upper() == "NET":
            return bins.sum(scale) / size
        with np.errstate(divide="ignore", invalid="ignore"):
            weighted = bins.sum(self.values / scale)
            return np.where(weighted != 0, total / weighted, size / bins.sum(1.0 / scale))

    def scaled_background(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Background per channel as it contributes to this spectrum.

        Returns
        -------
        rate, variance : float64[n]
            count/s per unit of AREASCAL, multiplied by BACKSCAL(source) / BACKSCAL(background); zero without one.
        """
        back = self.background
        if back is None:
            return np.zeros(len(self)), np.zeros(len(self))
        ratio = np.asarray(self.backscal) / np.asarray(back.backscal)
        return back.rate * ratio, back.variance * ratio**2

    def net_rate(self, notice: ArrayLike | None = None) -> tuple[float, float]:
        """Net count rate (count/s) of the noticed bins and its error: the sum that XSPEC prints."""
        data = self.binned(notice)
        area = data.time / self.exposure
        return float(np.sum(area * data.net)), float(np.sqrt(np.sum(area**2 * data.net_variance)))

    def total_rate(self, notice: ArrayLike | None = None) -> float:
        """Count rate (count/s) of the noticed bins, background not subtracted."""
        data = self.binned(notice)
        return float(np.sum(data.time / self.exposure * data.rate))

    def __repr__(self) -> str:
        kind = "rates" if self.is_rate else "counts"
        what = f" Stokes {StokesName[self.stokes]}" if self.stokes is not None else ""
        place = " ".join(x for x in (self.telescop, self.instrume, self.detnam) if x.upper() not in ("", "NONE"))
        kind += "" if self.is_rate else f" ({np.nansum(self.values):.10g})"
        return f"<Spectrum {self.name}:{what} {place} {len(self)} channels of {kind}, {self.exposure:.6g} s>"
