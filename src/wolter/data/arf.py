"""Effective area against energy: ARF, modulation response (MRF), modulation factor."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wolter.data.rmf import OnEnergies, ascending_bins, keyword
from wolter.errors import ResponseError
from wolter.fits import Header

if TYPE_CHECKING:
    from wolter import fits

__all__ = ["ARF"]

_KINDS = ("SPECRESP", "MODSPECRESP", "MODFACT")


class ARF(OnEnergies):
    """Effective area (or modulation response, area times modulation factor) on energy bins.

    Parameters
    ----------
    energ_lo, energ_hi : float[nE]
        Energy bins, keV; descending ones are turned round.
    specresp : float[nE]
        cm² (a pure number for a modulation factor).
    header : Header, optional
        Keywords of the extension.
    kind : str, optional
        "SPECRESP" effective area, "MODSPECRESP" modulation response, "MODFACT" modulation factor; by default from
        the header (CCNM0001, then EXTNAME).
    path : path-like, optional
        File that it came from.

    Raises
    ------
    ResponseError
        If shapes disagree, or values are NaN or negative.
    """

    def __init__(
        self,
        energ_lo: ArrayLike,
        energ_hi: ArrayLike,
        specresp: ArrayLike,
        *,
        header: Header | None = None,
        kind: str | None = None,
        path: str | PathLike[str] | None = None,
    ) -> None:
        self.path = None if path is None else Path(path)
        self.header = Header() if header is None else header
        self.kind = (kind or _kind(self.header)).upper()
        low, high, order = ascending_bins(energ_lo, energ_hi, file=self.path, hdu="SPECRESP", strict=False)
        area = np.asarray(specresp, dtype=float)
        if area.shape != low.shape:
            raise ResponseError(
                f"{len(low)} energy bins but SPECRESP of shape {area.shape}", file=self.path, hdu="SPECRESP"
            )
        if not np.isfinite(area).all():
            raise ResponseError(
                f"SPECRESP is not finite in {int((~np.isfinite(area)).sum())} of {len(area)} energy bins",
                file=self.path,
                hdu="SPECRESP",
                cure="Make the file again; NaN comes from a division by zero exposure or vignetting.",
            )
        if (area < 0).any():
            raise ResponseError(
                f"SPECRESP is negative in {int((area < 0).sum())} of {len(area)} energy bins",
                file=self.path,
                hdu="SPECRESP",
            )
        self.energ_lo, self.energ_hi = low, high
        self.specresp: NDArray[np.float64] = area if order is None else area[order]

    @classmethod
    def read(cls, path: str | PathLike[str] | fits.FileName) -> ARF:
        """ARF, MRF or modulation factor of an OGIP file; see `wolter.data.arf_io.read_arf`."""
        from wolter.data.arf_io import read_arf

        return read_arf(path)

    def write(self, path: str | PathLike[str], *, overwrite: bool = False, provenance: Any = None) -> Path:
        """Write an OGIP file; see `wolter.data.arf_io.write_arf`."""
        from wolter.data.arf_io import write_arf

        return write_arf(self, path, overwrite=overwrite, provenance=provenance)

    @property
    def stokes_weight(self) -> str | None:
        """STOKESWT in capitals (the weighting of Stokes spectra that it belongs to), or None."""
        return keyword(self.header, "STOKESWT").upper() or None

    def __call__(self, energy_kev: ArrayLike) -> NDArray[np.float64]:
        """Value at energies (keV): that of the bin which holds each; 0 outside the bins."""
        energy = np.asarray(energy_kev, dtype=float)
        row = np.searchsorted(self.edges, energy, side="right") - 1
        inside = (row >= 0) & (row < len(self.specresp))
        return np.where(inside, self.specresp[np.clip(row, 0, len(self.specresp) - 1)], 0.0)

    def __repr__(self) -> str:
        name = self.path.name if self.path else "in memory"
        span = f"{self.energ_lo[0]:.4g}-{self.energ_hi[-1]:.4g} keV"
        return f"<ARF {name}: {self.kind}, {len(self.specresp)} energies {span}>"


def _kind(header: Header) -> str:
    for key in ("CCNM0001", "EXTNAME", "HDUCLAS3"):
        text = keyword(header, key).upper()
        if text in _KINDS:
            return text
    return "SPECRESP"
