"""Likelihood of a batch in which every row has data of its own: the inner loop of fits of many sources."""

from __future__ import annotations

import copy
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from wolter.fit.dataset import StatisticBlock
from wolter.fit.likelihood import Derivatives, Likelihood, ModelSet, memory_parts
from wolter.fit.statistics import BinData, Statistic, make_statistic
from wolter.fit.table import FreeParameters

__all__ = ["RowData", "RowLikelihood", "StatisticKind"]

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class StatisticKind:
    """Which statistic a run of bins has.

    Parameters
    ----------
    name : str
        "chi", "cstat", "pgstat" or "pstat".
    background : bool
        Whether a background belongs to the spectra.
    model_variance : bool
        Whether chi takes its variance from the model.
    bins : slice
        Which bins.
    systematic : float
        Systematic error of the model as a fraction of it, for chi.
    """

    name: str
    background: bool
    model_variance: bool
    bins: slice
    systematic: float = 0.0

    def of(self, bins: BinData) -> Statistic:
        """The statistic for data of such bins."""
        return make_statistic(
            self.name,
            bins,
            background=self.background,
            model_variance=self.model_variance,
            systematic=self.systematic,
        )


@dataclass(frozen=True, eq=False)
class RowData:
    """Data of S sources with the same bins.

    Parameters
    ----------
    kinds : tuple of StatisticKind
        Statistics of the bins.
    bins : tuple of BinData
        For each of them the data, arrays [S, bins].
    area : array [S, n] or None
        Effective area of each source on the model's energy grid, cm²; None where the response contains it.
    base : array [S, P]
        Values of all parameters; those of the free ones do not matter.
    """

    kinds: tuple[StatisticKind, ...]
    bins: tuple[BinData, ...]
    area: Array | None
    base: Array

    @property
    def size(self) -> int:
        """Number of sources."""
        return len(self.base)

    @property
    def bytes_per_row(self) -> int:
        """Memory that a source takes here."""
        count = self.base.shape[1] + (0 if self.area is None else self.area.shape[1])
        return 8 * (count + sum(len(fields(BinData)) * b.rate.shape[1] for b in self.bins))

    def take(self, rows: Rows | slice) -> RowData:
        """Data of some sources, in that order."""
        return RowData(
            self.kinds,
            tuple(_take_bins(b, rows) for b in self.bins),
            None if self.area is None else self.area[rows],
            self.base[rows],
        )


def _take_bins(data: BinData, rows: Rows | slice) -> BinData:
    return BinData(**{f.name: getattr(data, f.name)[rows] for f in fields(BinData)})


class RowLikelihood(Likelihood):
    """Statistic of many sources, each with its own data, as a function of the free parameters.

    Parameters
    ----------
    models : ModelSet
        The model on the grids of one source that stands for all.
    free : FreeParameters
        The free parameters.
    data : RowData
        The data of all sources.
    """

    def __init__(self, models: ModelSet, free: FreeParameters, data: RowData) -> None:
        super().__init__(models, free)
        self.data = data
        self.free = replace(free, base=data.base)

    def of(self, rows: Rows) -> RowLikelihood:
        """The likelihood of some of the sources, in that order; sources may come more than once."""
        out = copy.copy(self)
        out.data = self.data.take(rows)
        out.free = replace(self.free, base=out.data.base)
        return out

    def _lit(self, shape: Array) -> Array:
        return shape if self.data.area is None else shape * self.data.area[:, None]

    def _blocks(self, place: slice) -> list[StatisticBlock]:
        return [
            StatisticBlock(kind.of(_take_bins(bins, place)), kind.bins)
            for kind, bins in zip(self.data.kinds, self.data.bins, strict=True)
        ]

    def derivatives_at(self, points: Array, rows: Rows, *, expected: bool = True) -> Derivatives:
        """Statistic and derivatives at points [b, K] of the sources `rows` [b]."""
        done = [self.of(rows[p]).derivatives(points[p], expected=expected) for p in self._parts(len(points))]
        if len(done) == 1:
            return done[0]
        return Derivatives(*(np.concatenate([getattr(d, f.name) for d in done]) for f in fields(Derivatives)))

    def statistic_at(self, points: Array, rows: Rows) -> Array:
        """Statistic [b] at points [b, K] of the sources `rows` [b]."""
        parts = self._parts(len(points))
        return np.concatenate([self.of(rows[p]).per_bin(points[p]).sum(axis=1) for p in parts])

    def model_at(self, points: Array, rows: Rows) -> Array:
        """Folded model [b, N] at points [b, K] of the sources `rows` [b]."""
        return np.concatenate([self.of(rows[p]).model(points[p]) for p in self._parts(len(points))])

    def _parts(self, count: int) -> list[slice]:
        # as small as the parts that `derivatives` makes, which therefore makes one of each
        shapes = max((1 + 2 * len(p.moving) for p in self.pieces), default=1)
        return memory_parts(count, shapes * self._columns) or [slice(0, 0)]
