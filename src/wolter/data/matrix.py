"""A redistribution matrix in the compressed form in which OGIP files store it, and its ways into arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wolter.errors import ResponseError

if TYPE_CHECKING:
    from wolter.data.grouping import Bins

__all__ = ["CompressedMatrix", "ranges"]

_DENSE_SIZE = 2_000_000  # elements (16 MB) up to which a dense product is the fastest way to fold
_DENSE_LIMIT = 40_000_000  # elements (320 MB) beyond which nothing is made dense
_DENSE_FILL = 0.25  # share of non-zero elements above which a dense product beats a sparse one
_BLOCK = 4_000_000  # elements converted at a time when a full matrix is too large to keep in double precision


def ranges(starts: ArrayLike, lengths: ArrayLike) -> NDArray[np.int64]:
    """The integers start ... start + length - 1 of many ranges, one after the other.

    Parameters
    ----------
    starts, lengths : int[k]
        First value and number of values of each range.

    Returns
    -------
    int64[sum(lengths)]
    """
    counts = np.asarray(lengths, dtype=np.int64)
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    shift = np.asarray(starts, dtype=np.int64) - (ends - counts)
    return np.arange(total, dtype=np.int64) + np.repeat(shift, counts)


@dataclass(frozen=True, eq=False)
class CompressedMatrix:
    """Matrix [energies, channels] as runs of neighbouring channels.

    Row i consists of the runs ``row_runs[i]:row_runs[i + 1]``; run g covers the channels ``first[g]`` to
    ``first[g] + length[g] - 1`` (positions from 0); the elements of all runs follow each other in `values`.

    Attributes
    ----------
    n_channels : int
    row_runs : int64[nE + 1]
    first, length : int64[runs]
    values : float[sum(length)]
        In the precision of the file.
    """

    n_channels: int
    row_runs: NDArray[np.int64]
    first: NDArray[np.int64]
    length: NDArray[np.int64]
    values: NDArray[Any]

    @classmethod
    def from_dense(cls, dense: ArrayLike, threshold: float = 0.0) -> CompressedMatrix:
        """Matrix of the elements above a threshold (each row's runs are the stretches above it).

        Parameters
        ----------
        dense : float[nE, nch]
        threshold : float
            Elements up to this are left out.
        """
        full = np.asarray(dense)
        if full.ndim != 2:
            raise ResponseError(f"a redistribution matrix has two axes (energy, channel), not {full.ndim}")
        keep = full > threshold
        edge = np.diff(np.pad(keep, ((0, 0), (1, 1))).astype(np.int8), axis=1)
        rows, first = np.nonzero(edge == 1)
        _, past = np.nonzero(edge == -1)
        runs = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(full)))])
        return cls(
            full.shape[1], runs.astype(np.int64), first.astype(np.int64), (past - first).astype(np.int64), full[keep]
        )

    @property
    def n_rows(self) -> int:
        """Number of energy bins."""
        return len(self.row_runs) - 1

    @property
    def shape(self) -> tuple[int, int]:
        """(energies, channels)."""
        return self.n_rows, self.n_channels

    @cached_property
    def indptr(self) -> NDArray[np.int64]:
        """int64[nE + 1]: row i has the elements ``values[indptr[i]:indptr[i + 1]]``."""
        ends = np.concatenate([[0], np.cumsum(self.length)])
        return ends[self.row_runs]

    @property
    def full(self) -> bool:
        """Whether every row stores every channel, so that `values` is the matrix itself."""
        return (
            len(self.first) == self.n_rows
            and len(self.values) == self.n_rows * self.n_channels
            and not self.first.any()
        )

    def indices(self) -> NDArray[np.int64]:
        """int64[elements]: channel (position from 0) of each element."""
        return ranges(self.first, self.length)

    def rows(self) -> NDArray[np.int64]:
        """int64[elements]: energy bin of each element."""
        return np.repeat(np.arange(self.n_rows), np.diff(self.indptr))

    @cached_property
    def row_sums(self) -> NDArray[np.float64]:
        """float64[nE]: sum of each row, the probability that a photon is recorded in any channel."""
        if self.full:
            return self.values.reshape(self.shape).sum(axis=1, dtype=np.float64)
        out = np.zeros(self.n_rows)
        filled = np.diff(self.indptr) > 0
        if filled.any():
            out[filled] = np.add.reduceat(self.values, self.indptr[:-1][filled], dtype=np.float64)
        return out

    def dense(self) -> NDArray[np.float64]:
        """float64[nE, nch]: the matrix itself.

        Raises
        ------
        ResponseError
            If it would take more than 3.2 GB.
        """
        size = self.n_rows * self.n_channels
        if size > 10 * _DENSE_LIMIT:
            raise ResponseError(
                f"a dense {self.n_rows} x {self.n_channels} matrix would take {size * 8 / 1e9:.0f} GB",
                cure="Use fold() or a folding plan, which keep it compressed.",
            )
        if self.full:
            return self.values.reshape(self.shape).astype(np.float64)
        out = np.zeros(size)
        place = self.rows() * self.n_channels + self.indices()
        if len(np.unique(place)) == len(place):
            out[place] = self.values
        else:  # runs that overlap add up
            np.add.at(out, place, self.values)
        return out.reshape(self.shape)

    def reordered(self, order: ArrayLike) -> CompressedMatrix:
        """Matrix with the rows in another order, ``order[i]`` being the old number of new row i (repeats allowed)."""
        order = np.asarray(order, dtype=np.int64)
        runs = np.diff(self.row_runs)[order]
        pick = ranges(self.row_runs[:-1][order], runs)
        begin = np.concatenate([[0], np.cumsum(self.length)])[:-1][pick]
        length = self.length[pick]
        values = self.values[ranges(begin, length)]
        return CompressedMatrix(
            self.n_channels, np.concatenate([[0], np.cumsum(runs)]), self.first[pick], length, values
        )

    def plus(self, other: CompressedMatrix) -> CompressedMatrix:
        """Sum of two matrices of the same shape (the runs of both are kept)."""
        if other.shape != self.shape:
            raise ResponseError(f"matrices of {self.shape} and {other.shape} cannot be added")
        both = CompressedMatrix(
            self.n_channels,
            np.concatenate([self.row_runs, self.row_runs[-1] + other.row_runs[1:]]),
            np.concatenate([self.first, other.first]),
            np.concatenate([self.length, other.length]),
            np.concatenate([self.values, other.values]),
        )
        n = self.n_rows
        mixed = both.reordered(np.arange(2 * n).reshape(2, n).T.ravel())
        return CompressedMatrix(self.n_channels, mixed.row_runs[::2], mixed.first, mixed.length, mixed.values)

    def fold(self, flux: NDArray[np.float64]) -> NDArray[np.float64]:
        """flux[..., nE] times the matrix: [..., nch]."""
        kernel = self._kernel
        if isinstance(kernel, np.ndarray):
            if kernel.dtype == np.float64:
                return flux @ kernel
            out = np.zeros((*flux.shape[:-1], self.n_channels))
            step = max(1, _BLOCK // self.n_channels)
            for row in range(0, self.n_rows, step):
                out += flux[..., row : row + step] @ kernel[row : row + step].astype(np.float64)
            return out
        flat = flux.reshape(-1, self.n_rows)
        return (kernel @ flat.T).T.reshape(*flux.shape[:-1], self.n_channels)

    @cached_property
    def _kernel(self) -> Any:
        size = self.n_rows * self.n_channels
        if size <= _DENSE_SIZE:
            return self.dense()
        filled = int(np.count_nonzero(self.values))
        if self.full and filled > _DENSE_FILL * size:
            return self.values.reshape(self.shape)
        from scipy.sparse import csr_array

        keep = self.values != 0 if filled < len(self.values) else slice(None)
        rows, columns = self.rows()[keep], self.indices()[keep]
        counts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=self.n_rows))])
        matrix = csr_array((self.values[keep].astype(np.float64), columns, counts), shape=self.shape)
        return matrix.T.tocsr()

    def restricted(self, bins: Bins, weight: ArrayLike | None = None) -> tuple[Any, slice]:
        """Columns summed into bins, rows multiplied by a weight, rows without any content cut off at both ends.

        Parameters
        ----------
        bins : Bins
            Bins of the channels (`group_bins`).
        weight : float[nE], optional
            Factor for each row: the effective area.

        Returns
        -------
        matrix : float64[rows, nbins] or scipy.sparse.csr_array
            Dense where small or well filled.
        rows : slice
            The energy bins that are left.
        """
        nbins = len(bins)
        factor = None if weight is None else np.asarray(weight, dtype=np.float64)
        if self.full:
            block = self._restrict_full(bins)
            if factor is not None:
                block *= factor[:, None]
            rows = _extent(np.asarray(block.any(axis=1)))
            block = block[rows]
            if block.size <= _DENSE_SIZE or np.count_nonzero(block) > _DENSE_FILL * block.size:
                return np.ascontiguousarray(block), rows
            from scipy.sparse import csr_array

            return csr_array(block), rows
        row, column, data = self._restrict_sparse(bins)
        if factor is not None:
            data = data * factor[row]
            filled = data != 0
            row, column, data = row[filled], column[filled], data[filled]
        occupied = np.zeros(self.n_rows, dtype=bool)
        occupied[row] = True
        rows = _extent(occupied)
        row = row - rows.start
        height = rows.stop - rows.start
        size = height * nbins
        if size <= _DENSE_SIZE or (size <= _DENSE_LIMIT and len(data) > _DENSE_FILL * size):
            out = np.zeros(size)
            out[row * nbins + column] = data
            return out.reshape(height, nbins), rows
        from scipy.sparse import csr_array

        indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=height))])
        return csr_array((data, column, indptr), shape=(height, nbins)), rows

    def _restrict_full(self, bins: Bins) -> NDArray[np.float64]:
        matrix = self.values.reshape(self.shape)
        members = bins.members
        if not len(members):
            return np.zeros((self.n_rows, 0))
        if members[-1] - members[0] + 1 == len(members):
            part = matrix[:, members[0] : members[-1] + 1]
        else:
            part = matrix[:, members]
        if len(bins) == len(members):
            return part.astype(np.float64)
        first = np.flatnonzero(np.diff(bins.channel_bin[members], prepend=-1))
        return np.add.reduceat(part, first, axis=1, dtype=np.float64)

    def _restrict_sparse(self, bins: Bins) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Row, bin and value of the elements that are not zero, in order of rows, then bins."""
        nbins = max(len(bins), 1)
        column = bins.channel_bin[self.indices()]
        keep = (column >= 0) & (self.values != 0)
        key = (self.rows() * nbins + column)[keep]
        data = self.values[keep].astype(np.float64)
        if len(key) and (key[1:] < key[:-1]).any():  # runs that overlap or do not ascend
            order = np.argsort(key, kind="stable")
            key, data = key[order], data[order]
        fresh = np.flatnonzero(np.diff(key, prepend=-1))
        if len(fresh) < len(key):
            key, data = key[fresh], np.add.reduceat(data, fresh)
        return key // nbins, key % nbins, data


def _extent(occupied: NDArray[np.bool_]) -> slice:
    """Smallest slice that holds all the True ones (the first row where there are none)."""
    where = np.flatnonzero(occupied)
    return slice(int(where[0]), int(where[-1]) + 1) if len(where) else slice(0, min(1, len(occupied)))
