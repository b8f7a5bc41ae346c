"""The redistribution matrix: with which probability a photon of some energy is recorded in which channel."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wolter.data.matrix import CompressedMatrix
from wolter.errors import ResponseError, warn
from wolter.fits import Header

if TYPE_CHECKING:
    from wolter import fits

__all__ = ["RMF", "TINY"]

TINY = float(np.finfo(np.float32).tiny)  # keV, 1.18e-38: what XSPEC puts in place of an energy that is zero
_GAP = 1.0e-4  # relative distance of neighbouring bounds that is still rounding of single precision


class OnEnergies:
    """What responses have in common: energy bins and a header that says of what they are."""

    header: Header
    energ_lo: NDArray[np.float64]
    energ_hi: NDArray[np.float64]

    @property
    def edges(self) -> NDArray[np.float64]:
        """float64[nE + 1]: bounds of the energy bins (keV) on which a model is evaluated, ascending."""
        return np.append(self.energ_lo[:1], self.energ_hi)

    @property
    def telescop(self) -> str:
        """TELESCOP."""
        return keyword(self.header, "TELESCOP")

    @property
    def instrume(self) -> str:
        """INSTRUME."""
        return keyword(self.header, "INSTRUME")

    @property
    def detnam(self) -> str:
        """DETNAM."""
        return keyword(self.header, "DETNAM")


class RMF(OnEnergies):
    """Redistribution matrix with the energy bounds of its rows (photon energies) and columns (channels).

    Parameters
    ----------
    energ_lo, energ_hi : float[nE]
        Photon energy bins, keV. Descending ones are turned round, with the matrix. A lower bound of zero becomes a
        thousandth of the upper one, as in XSPEC.
    e_min, e_max : float[nch]
        Nominal energies of the channels, keV, in the order of the channels (which may descend in energy).
    matrix : CompressedMatrix
        [nE, nch].
    first_channel : int
        Number of the first channel in files.
    header : Header, optional
        Keywords of the MATRIX extension.
    includes_area : bool
        Whether the effective area is part of the matrix (extension SPECRESP MATRIX), which then is in cm².
    path : path-like, optional
        File that it came from.

    Raises
    ------
    ResponseError
        If shapes disagree, energies do not ascend, or elements are NaN or negative.
    """

    def __init__(
        self,
        energ_lo: ArrayLike,
        energ_hi: ArrayLike,
        e_min: ArrayLike,
        e_max: ArrayLike,
        matrix: CompressedMatrix,
        *,
        first_channel: int = 1,
        header: Header | None = None,
        includes_area: bool = False,
        path: str | PathLike[str] | None = None,
    ) -> None:
        self.path = None if path is None else Path(path)
        self.header = Header() if header is None else header
        self.first_channel = int(first_channel)
        self.includes_area = includes_area
        low, high, order = ascending_bins(energ_lo, energ_hi, file=self.path, hdu="MATRIX")
        self.energ_lo, self.energ_hi = low, high
        self.descending = order is not None
        self.matrix = matrix if order is None else matrix.reordered(order)
        bounds = np.asarray(e_min, dtype=float), np.asarray(e_max, dtype=float)
        self.e_min = np.maximum(np.minimum(*bounds), TINY)
        self.e_max = np.maximum(np.maximum(*bounds), TINY)
        self._check()

    def _check(self) -> None:
        where: dict[str, Any] = {"file": self.path, "hdu": "MATRIX"}
        if self.matrix.n_rows != len(self.energ_lo):
            raise ResponseError(
                f"{len(self.energ_lo)} energy bins but {self.matrix.n_rows} rows of the matrix", **where
            )
        if self.e_min.shape != (self.matrix.n_channels,):
            raise ResponseError(
                f"EBOUNDS lists {len(self.e_min)} channels, the matrix has {self.matrix.n_channels}", **where
            )
        values = self.matrix.values
        if not np.isfinite(self.matrix.row_sums).all():
            raise ResponseError("the matrix holds values that are not finite (NaN or infinite)", **where)
        if values.size and values.min() < 0:
            raise ResponseError("the matrix holds negative values", **where)

    @classmethod
    def from_dense(
        cls,
        matrix: ArrayLike,
        *,
        energ_lo: ArrayLike,
        energ_hi: ArrayLike,
        e_min: ArrayLike,
        e_max: ArrayLike,
        first_channel: int = 1,
        header: Header | None = None,
        threshold: float = 0.0,
        includes_area: bool = False,
        path: str | PathLike[str] | None = None,
    ) -> RMF:
        """RMF of an array [nE, nch]; elements up to `threshold` are not stored."""
        return cls(
            energ_lo,
            energ_hi,
            e_min,
            e_max,
            CompressedMatrix.from_dense(matrix, threshold),
            first_channel=first_channel,
            header=header,
            includes_area=includes_area,
            path=path,
        )

    @classmethod
    def read(cls, path: str | PathLike[str] | fits.FileName) -> RMF:
        """RMF of an OGIP file (CAL/GEN/92-002); see `wolter.data.rmf_io.read_rmf`."""
        from wolter.data.rmf_io import read_rmf

        return read_rmf(path)

    def write(self, path: str | PathLike[str], *, overwrite: bool = False, provenance: Any = None) -> Path:
        """Write an OGIP file; see `wolter.data.rmf_io.write_rmf`."""
        from wolter.data.rmf_io import write_rmf

        return write_rmf(self, path, overwrite=overwrite, provenance=provenance)

    @property
    def n_energies(self) -> int:
        """Number of photon energy bins."""
        return len(self.energ_lo)

    @property
    def detchans(self) -> int:
        """Number of channels."""
        return self.matrix.n_channels

    @property
    def channels(self) -> NDArray[np.int64]:
        """int64[nch]: channel numbers as in files."""
        return np.arange(self.first_channel, self.first_channel + self.detchans)

    def fold(self, flux: ArrayLike) -> NDArray[np.float64]:
        """Counts (or count rates) per channel of photons per energy bin.

        Parameters
        ----------
        flux : float[..., nE]
            Photons per bin of `energ_lo`, `energ_hi`, multiplied by the effective area if that is not included.

        Returns
        -------
        float64[..., nch]
            Sum over energies of flux times matrix.
        """
        photons = np.asarray(flux, dtype=float)
        if photons.shape[-1:] != (self.n_energies,):
            raise ResponseError(
                f"the flux has {photons.shape[-1] if photons.ndim else 'no'} energy bins, the RMF {self.n_energies}",
                file=self.path,
                cure="Evaluate the model on the edges of the RMF (rmf.edges).",
            )
        return self.matrix.fold(photons)

    def dense(self) -> NDArray[np.float64]:
        """float64[nE, nch]: the matrix; ResponseError where it would not fit into memory."""
        return self.matrix.dense()

    def row_sums(self) -> NDArray[np.float64]:
        """float64[nE]: probability (or cm² if the area is included) that a photon is recorded at all."""
        return self.matrix.row_sums

    def check_normalisation(self, tolerance: float = 0.02) -> str | None:
        """What is odd about the sums of the rows, or None.

        A redistribution matrix cannot record more photons than there are; sums beyond 1 + tolerance mean that an
        effective area or a gain is folded in without being declared.
        """
        if self.includes_area or keyword(self.header, "HDUCLAS3").upper() == "FULL":
            return None
        top = float(self.row_sums().max(initial=0.0))
        if top > 1.0 + tolerance:
            return f"rows of the redistribution matrix sum to as much as {top:.4g}; more than 1 is not a probability"
        return None

    def fwhm_channels(self) -> NDArray[np.float64]:
        """float64[nch]: full width at half maximum of the redistribution at each channel, in channels.

        Of the energy bin that holds the channel's nominal energy: distance of the channels at which the response
        has fallen to half its peak. Where one side never falls that far, twice the other side; where neither does,
        the mean of the spectrum (heasp's rule for "optimal" grouping).
        """
        matrix = self.matrix
        widths = np.full(matrix.n_rows, np.nan)
        columns = matrix.indices()
        for i in range(matrix.n_rows):
            part = slice(int(matrix.indptr[i]), int(matrix.indptr[i + 1]))
            if part.start == part.stop:
                continue
            channel = columns[part]
            # one empty channel more on each side, where the detector has one
            low = max(int(channel.min()) - 1, 0)
            row = np.zeros(min(int(channel.max()) + 2, matrix.n_channels) - low)
            np.add.at(row, channel - low, matrix.values[part])
            widths[i] = _half_width(row)
        middle = 0.5 * (self.e_min + self.e_max)
        row = np.clip(np.searchsorted(self.energ_lo, middle, side="right") - 1, 0, self.n_energies - 1)
        out = widths[row]
        fallback = float(np.nanmean(out)) if np.isfinite(out).any() else 1.0
        return np.where(np.isfinite(out), out, fallback)

    def __repr__(self) -> str:
        name = self.path.name if self.path else "in memory"
        return (
            f"<RMF {name}: {self.n_energies} energies {self.energ_lo[0]:.4g}-{self.energ_hi[-1]:.4g} keV, "
            f"channels {self.first_channel}-{self.first_channel + self.detchans - 1}>"
        )


def _half_width(row: NDArray[np.float64]) -> float:
    peak = int(np.argmax(row))
    if row[peak] <= 0:
        return np.nan
    low_enough = row <= 0.5 * row[peak]
    above = np.flatnonzero(low_enough[peak:])
    below = np.flatnonzero(low_enough[peak::-1])
    if len(above) and len(below):
        return float(above[0] + below[0])
    if len(above) or len(below):
        return 2.0 * float((above if len(above) else below)[0])
    return np.nan


def keyword(header: Header, key: str) -> str:
    """Text of a keyword without blanks; empty for a missing one and for NONE, UNKNOWN and the like."""
    text = str(header.get(key, "") or "").strip()
    return "" if text.upper() in ("NONE", "UNKNOWN", "N/A", "INDEF") else text


def ascending_bins(
    energ_lo: ArrayLike, energ_hi: ArrayLike, *, file: Any = None, hdu: Any = None, strict: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64] | None]:
    """Energy bins in ascending order.

    Parameters
    ----------
    energ_lo, energ_hi : float[nE]
        keV, ascending or descending.
    file, hdu : optional
        Where they come from, for messages.
    strict : bool
        Whether bins must have a width and be adjacent. Those of an effective area need not: its values belong to the
        bins of the RMF by their number, and files with rounded energies exist.

    Returns
    -------
    energ_lo, energ_hi : float64[nE]
    order : int64[nE] or None
        Old position of each bin, None where nothing moved.

    Raises
    ------
    ResponseError
        If there are no bins, or they neither ascend nor descend.
    """
    low, high = np.asarray(energ_lo, dtype=float), np.asarray(energ_hi, dtype=float)
    if low.ndim != 1 or low.shape != high.shape or not len(low):
        raise ResponseError(f"energy bounds of shapes {low.shape} and {high.shape} are not bins", file=file, hdu=hdu)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise ResponseError("energy bounds that are not finite (NaN or infinite)", file=file, hdu=hdu)
    low, high = np.minimum(low, high), np.maximum(low, high)
    order = None
    if len(low) > 1 and low[0] > low[-1]:
        order = np.arange(len(low))[::-1]
        low, high = low[order], high[order]
    if (high < TINY).any() or (low < TINY).any():
        high = np.maximum(high, TINY)
        low = np.where(low < TINY, np.maximum(TINY, high / 1000.0), low)
    step, width = np.diff(low, append=np.inf), high - low
    wrong = (step <= 0) | (width <= 0) if strict else step < 0
    if wrong.any():
        where = int(np.flatnonzero(wrong)[0])
        raise ResponseError(
            f"energy bins are not in order: bin {where + 1} is {low[where]:.6g}-{high[where]:.6g} keV",
            file=file,
            hdu=hdu,
        )
    gap = np.abs(low[1:] - high[:-1]) / low[1:]
    if strict and (gap > _GAP).any():
        where = int(np.argmax(gap))
        warn(
            f"{file or 'response'}: energy bins are not adjacent ({high[where]:.6g} keV is followed by "
            f"{low[where + 1]:.6g}); each bin is taken to begin where the one before ends, as XSPEC does"
        )
    return low, high, order
