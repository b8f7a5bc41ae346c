"""The data of a fit: noticed bins of every spectrum, statistics over them, and the responses on common energy grids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wolter.data.folding import FoldingPlan, PlanCache, folding_plan
from wolter.data.spectrum import Spectrum
from wolter.data.spectrum_set import SpectrumSet
from wolter.errors import DataError, FitError, ResponseError, warn
from wolter.fit.doubts import check_statistic, check_weight, fractional_counts
from wolter.fit.statistics import (
    WEIGHTS,
    BinData,
    Statistic,
    churazov_variance,
    gehrels_variance,
    make_statistic,
)
from wolter.models.definitions import Context
from wolter.models.settings import Settings

if TYPE_CHECKING:
    from wolter.data.spectrum import BinnedSpectrum

__all__ = ["Dataset", "FitSpectrum", "FoldJob", "EnergyGrid", "StatisticBlock", "make_fold_job"]

Array = npt.NDArray[np.float64]
_FEW_ROWS = 5


@dataclass(frozen=True, eq=False)
class FitSpectrum:
    """One spectrum of a fit.

    Parameters
    ----------
    number : int
        From one, in the order given.
    spectrum : Spectrum
        The spectrum itself.
    group : int
        Data group, from one.
    notice : bool array [channels]
        Noticed channels.
    plan : FoldingPlan
        From model flux to rate in the noticed bins.
    binned : BinnedSpectrum
        Rates of the noticed bins.
    context : Context
        What components see of the spectrum.
    statistic : str
        "chi", "cstat", "pgstat" or "pstat".
    bins : slice
        Place among the bins of the whole fit.
    """

    number: int
    spectrum: Spectrum
    group: int
    notice: npt.NDArray[np.bool_]
    plan: FoldingPlan
    binned: BinnedSpectrum
    context: Context
    statistic: str
    bins: slice

    @property
    def name(self) -> str:
        """File name, or a number for a spectrum without a file."""
        return str(self.spectrum.path) if self.spectrum.path else f"spectrum {self.number}"

    @property
    def kind(self) -> tuple[str, bool]:
        """Statistic as it is computed, and whether with a background.

        A correction file without a background is a background that is known exactly.
        """
        if self.statistic == "chi":
            return "chi", False
        if self.binned.correction is not None and not self.binned.has_background:
            return "pstat", True
        return self.statistic, self.binned.has_background

    @property
    def area(self) -> Array:
        """AREASCAL of each bin: rates divided by it are what models are compared with."""
        return self.binned.time / self.spectrum.exposure


@dataclass(frozen=True, eq=False)
class StatisticBlock:
    """Neighbouring bins that share a statistic."""

    statistic: Statistic
    bins: slice


@dataclass(frozen=True, eq=False)
class FoldJob:
    """All different responses that one shape on a grid is folded through.

    Parameters
    ----------
    matrices : tuple
        Dense arrays or sparse matrices [n, bins].
    rows : tuple of slice
        Rows of the grid that each matrix acts on.
    matrix_of : dict of int to int
        For each spectrum (from zero) the number of its matrix.
    """

    matrices: tuple[Any, ...]
    rows: tuple[slice, ...]
    matrix_of: dict[int, int]

    def fold(self, flux: Array) -> list[Array]:
        """Rates [..., bins] for fluxes [..., n], one array per matrix."""
        out = []
        lead = flux.shape[:-1]
        flat = np.ascontiguousarray(flux.reshape(-1, flux.shape[-1]))
        for matrix, rows in zip(self.matrices, self.rows, strict=True):
            part = flat if rows.stop - rows.start == flat.shape[1] else flat[:, rows]
            if len(flat) <= _FEW_ROWS and isinstance(matrix, np.ndarray):
                # a product of matrices begins with copying the response: for few rows it pays to go row by row
                rates = np.empty((len(flat), matrix.shape[1]))
                for row, target in zip(part, rates, strict=True):
                    np.dot(row, matrix, out=target)
            else:
                rates = np.asarray(part @ matrix)
            out.append(rates.reshape(*lead, matrix.shape[1]))
        return out


@dataclass(frozen=True, eq=False)
class EnergyGrid:
    """An energy grid that several spectra share.

    Parameters
    ----------
    edges : array [n + 1]
        keV; those of the redistribution matrix that reach a noticed bin of any of the spectra.
    spectra : tuple of int
        Numbers (from zero) of the spectra on it.
    first_row : int
        Place of the first bin in the redistribution matrix.
    full : array [m + 1], optional
        All energies of the redistribution matrix.
    """

    edges: Array
    spectra: tuple[int, ...]
    first_row: int
    full: Array | None = None


class Dataset:
    """Spectra prepared for a fit.

    Parameters
    ----------
    spectra : SpectrumSet or sequence of Spectrum
        With data groups and noticed channels.
    settings : Settings
        Of the model.
    statistic : str or sequence of str
        For all spectra, or one each.
    weight : str
        Weighting of chi.
    systematic : float
        Systematic error of the model as a fraction of it, for chi.
    cache : dict, optional
        Folding plans made before, to be shared by several datasets.

    Raises
    ------
    DataError
        If no bin is left of a spectrum, or rates or errors are not finite.
    ResponseError
        If a spectrum has no response.
    FitError
        For an unknown statistic or weighting, or one for which these data are not made.
    """

    def __init__(
        self,
        spectra: SpectrumSet | Iterable[Spectrum],
        settings: Settings,
        *,
        statistic: str | Sequence[str] = "chi",
        weight: str = "standard",
        systematic: float = 0.0,
        cache: PlanCache | None = None,
    ) -> None:
        self.source = spectra if isinstance(spectra, SpectrumSet) else SpectrumSet(list(spectra))
        names = [statistic] * len(self.source) if isinstance(statistic, str) else list(statistic)
        if len(names) != len(self.source):
            raise FitError(f"{len(self.source)} spectra but {len(names)} statistics")
        self.settings = settings
        if not systematic >= 0:
            raise FitError(f"a systematic error of {systematic} is not possible", cure="Give a fraction, e.g. 0.03.")
        self.systematic = float(systematic)
        self.weight = weight
        self.n_groups = max(self.source.groups)
        self.spectra: list[FitSpectrum] = []
        cache = {} if cache is None else cache
        first = 0
        for index, spectrum in enumerate(self.source):
            entry = self._prepare(index, spectrum, names[index], first, cache)
            self.spectra.append(entry)
            first = entry.bins.stop
        self.n_bins = first
        self.blocks = self._blocks()
        self.grids = self._grids()
        self._jobs: dict[tuple[int, ...], FoldJob] = {}

    def _prepare(self, index: int, spectrum: Spectrum, name: str, first: int, cache: PlanCache) -> FitSpectrum:
        if spectrum.rmf is None:
            raise ResponseError(
                "the spectrum has no response",
                file=spectrum.path,
                cure="Give rmf= (and arf=) when reading it, or put their names into RESPFILE and ANCRFILE.",
            )
        notice = self.source.notice[index]
        plan = folding_plan(spectrum.rmf, spectrum.arf, notice, spectrum.grouping, spectrum.quality, cache=cache)
        binned = spectrum.binned(bins=plan.bins)
        count = len(binned.rate)
        if not count:
            raise DataError(
                "no channel is noticed", file=spectrum.path, cure="Choose a wider energy range, or check QUALITY."
            )
        for what, values in (("rate", binned.net), ("error", binned.net_variance)):
            if not np.isfinite(values).all():
                raise DataError(f"the {what} is not a number in some noticed bins", file=spectrum.path)
        context = Context.of_spectrum(spectrum.xflt, self.settings)
        group = self.source.groups[index]
        return FitSpectrum(index + 1, spectrum, group, notice, plan, binned, context, name, slice(first, first + count))

    # -- statistics -----------------------------------------------------------------------------------------------

    def _blocks(self) -> list[StatisticBlock]:
        out: list[StatisticBlock] = []
        run: list[FitSpectrum] = []

        def close() -> None:
            if run:
                bins = BinData.join([bin_data(e, self.weight if e.statistic == "chi" else "standard") for e in run])
                name, background = run[0].kind
                statistic = make_statistic(
                    name,
                    bins,
                    background=background,
                    model_variance=self.weight == "model",
                    systematic=self.systematic,
                )
                out.append(StatisticBlock(statistic, slice(run[0].bins.start, run[-1].bins.stop)))
                run.clear()

        for entry in self.spectra:
            check_statistic(entry)
            if run and run[0].kind != entry.kind:
                close()
            run.append(entry)
        close()
        return out

    def with_statistic(self, statistic: str | Sequence[str], weight: str) -> None:
        """Change statistic and weighting; data and responses stay."""
        names = [statistic] * len(self.spectra) if isinstance(statistic, str) else list(statistic)
        if len(names) != len(self.spectra):
            raise FitError(f"{len(self.spectra)} spectra but {len(names)} statistics")
        before = (self.weight, self.spectra)
        self.weight = weight
        self.spectra = [
            FitSpectrum(e.number, e.spectrum, e.group, e.notice, e.plan, e.binned, e.context, name, e.bins)
            for e, name in zip(self.spectra, names, strict=True)
        ]
        try:
            self.blocks = self._blocks()
        except FitError:
            self.weight, self.spectra = before
            raise

    def warnings(self) -> list[str]:
        """What is doubtful about data and statistic, in sentences."""
        out = []
        for entry in self.spectra:
            if entry.statistic == "chi" or entry.statistic.startswith("whittle"):
                continue
            background = entry.spectrum.background
            wants_poisson_background = entry.statistic == "cstat" and background is not None
            if not entry.spectrum.poisson:
                out.append(f"{entry.name}: {entry.statistic} is only valid for Poisson data, which these are not")
            elif fractional_counts(entry):
                out.append(f"{entry.name}: {entry.statistic} is made for counts, but these are not whole numbers")
            elif wants_poisson_background and background is not None and not background.poisson:
                out.append(
                    f"{entry.name}: {entry.statistic} needs a Poisson background, which this is not (use pgstat)"
                )
        for block in self.blocks:
            zero = getattr(block.statistic, "zero", None)
            if zero is not None and zero.any():
                numbers = [e.number for e in self.spectra if _overlap(e.bins, block.bins, zero)]
                listed = ", ".join(map(str, numbers))
                out.append(f"chi-squared may not be valid: bins with zero variance in spectrum {listed}")
        return out

    def warn(self) -> None:
        """Issue `warnings` as WolterWarning."""
        for message in self.warnings():
            warn(message)

    # -- responses ------------------------------------------------------------------------------------------------

    def _grids(self) -> list[EnergyGrid]:
        families: list[tuple[Array, list[int]]] = []
        for index, entry in enumerate(self.spectra):
            full = entry.plan.full_edges
            for known, members in families:
                if known is full or (known.shape == full.shape and np.array_equal(known, full)):
                    members.append(index)
                    break
            else:
                families.append((full, [index]))
        out = []
        for full, members in families:
            start = min(self.spectra[i].plan.rows.start for i in members)
            stop = max(self.spectra[i].plan.rows.stop for i in members)
            out.append(EnergyGrid(np.ascontiguousarray(full[start : stop + 1]), tuple(members), start, full))
        return out

    def fold_job(self, grid: EnergyGrid, spectra: Sequence[int]) -> FoldJob:
        """Responses of some spectra on a grid, each once.

        They are not joined into one matrix: the products stay so small that the BLAS does them in one thread, which
        on a busy machine is faster by an order of magnitude.
        """
        key = (grid.first_row, grid.edges.size, *spectra)
        job = self._jobs.get(key)
        if job is None:
            job = self._jobs[key] = make_fold_job(grid, {i: self.spectra[i].plan for i in spectra})
        return job


def make_fold_job(grid: EnergyGrid, plans: Mapping[int, FoldingPlan]) -> FoldJob:
    """Responses of spectra (numbers from zero) on a grid, each once."""
    unique: list[FoldingPlan] = []
    matrix_of: dict[int, int] = {}
    for index, plan in plans.items():
        known = [i for i, p in enumerate(unique) if p is plan]
        matrix_of[index] = known[0] if known else len(unique)
        if not known:
            unique.append(plan)
    rows = [slice(p.rows.start - grid.first_row, p.rows.start - grid.first_row + p.matrix.shape[0]) for p in unique]
    return FoldJob(tuple(p.matrix for p in unique), tuple(rows), matrix_of)


def bin_data(entry: FitSpectrum, weight: str = "standard") -> BinData:
    """What the statistics need of a spectrum's bins.

    Parameters
    ----------
    entry : FitSpectrum
        The spectrum.
    weight : {"standard", "gehrels", "churazov", "model"}
        Where the variances come from: the data (also for "model", whose variances the statistic makes), or the counts
        of spectrum and background each by Gehrels' or Churazov's rule.
    """
    if weight not in WEIGHTS:
        raise FitError(f"unknown weighting {weight!r}", cure=f"Known are {', '.join(WEIGHTS)}.")
    check_weight(entry, weight)
    data = entry.binned
    zero_variance = 1.0 / data.time**2
    bkg_time = np.full_like(data.time, np.inf)
    if data.has_background:
        bkg_time = data.background_time
        zero_variance = np.minimum(zero_variance, 1.0 / bkg_time**2)
    variance, bkg_variance = data.variance, data.background_variance
    bkg_rate, bkg_counts = data.background_rate, data.background_counts
    if data.correction is not None:
        if not data.has_background:
            bkg_time = data.time
        bkg_rate = bkg_rate + data.correction
        bkg_counts = bkg_counts + data.correction * bkg_time
    if weight in ("gehrels", "churazov"):
        # the neighbourhoods of Churazov's rule reach beyond the noticed bins
        whole = entry.spectrum.binned()
        chosen = np.isin(whole.bins.position, data.bins.position)
        rule = gehrels_variance if weight == "gehrels" else churazov_variance
        variance = rule(whole.counts, whole.time)[chosen]
        if data.has_background:
            bkg_variance = rule(whole.background_counts, whole.background_time)[chosen]
    return BinData(
        rate=data.rate,
        variance=variance,
        counts=data.counts,
        time=data.time,
        bkg_rate=bkg_rate,
        bkg_variance=bkg_variance,
        bkg_counts=bkg_counts,
        bkg_time=bkg_time,
        zero_variance=zero_variance,
    )


def _overlap(mine: slice, block: slice, flags: npt.NDArray[np.bool_]) -> bool:
    lo, hi = max(mine.start, block.start), min(mine.stop, block.stop)
    return lo < hi and bool(flags[lo - block.start : hi - block.start].any())
