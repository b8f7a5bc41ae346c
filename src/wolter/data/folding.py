"""What turns a model into the bins of a spectrum: grouping, redistribution and area in one matrix, made once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wolter.data.grouping import Bins, group_bins
from wolter.errors import ResponseError

if TYPE_CHECKING:
    from wolter.data.arf import ARF
    from wolter.data.rmf import RMF
    from wolter.data.spectrum import Spectrum

__all__ = ["FoldingPlan", "PlanCache", "folding_plan"]

PlanCache = dict[Any, "FoldingPlan"]


@dataclass(frozen=True, eq=False)
class FoldingPlan:
    """Everything between a model and the predicted count rates of a spectrum's noticed bins.

    Attributes
    ----------
    edges : float64[nE + 1]
        Energies (keV, ascending) on which the model is evaluated: those of the RMF from which anything reaches a
        noticed bin.
    matrix : float64[nE, nbins] or scipy.sparse.csr_array
        cm²: grouping times redistribution times effective area.
    bins : Bins
        The noticed bins.
    bin_lo, bin_hi : float64[nbins]
        Their nominal energies, keV.
    area : float64[nE]
        Effective area contained in `matrix`, cm² (1 where there is no ARF).
    rows : slice
        Place of `edges` in the energy bins of the RMF.
    rmf, arf
        The responses.
    """

    edges: NDArray[np.float64]
    matrix: Any
    bins: Bins
    bin_lo: NDArray[np.float64]
    bin_hi: NDArray[np.float64]
    area: NDArray[np.float64]
    rows: slice
    rmf: RMF
    arf: ARF | None

    @property
    def dense(self) -> bool:
        """Whether `matrix` is an ordinary array."""
        return isinstance(self.matrix, np.ndarray)

    @property
    def full_edges(self) -> NDArray[np.float64]:
        """Edges of all energy bins of the RMF, keV; `edges` is ``full_edges[rows.start : rows.stop + 1]``."""
        return self.rmf.edges

    def fold(self, flux: ArrayLike) -> NDArray[np.float64]:
        """Predicted count/s (per unit of AREASCAL) in the noticed bins.

        Parameters
        ----------
        flux : float[..., nE]
            photon/cm²/s in each bin of `edges`.

        Returns
        -------
        float64[..., nbins]
        """
        photons = np.asarray(flux, dtype=float)
        if photons.shape[-1:] != (len(self.edges) - 1,):
            raise ResponseError(f"the flux has shape {photons.shape}, the plan {len(self.edges) - 1} energy bins")
        if isinstance(self.matrix, np.ndarray):
            return photons @ self.matrix
        flat = photons.reshape(-1, photons.shape[-1])
        return np.asarray(flat @ self.matrix).reshape(*photons.shape[:-1], len(self.bins))

    def effective_area(self) -> NDArray[np.float64]:
        """float64[nbins]: cm², area of each bin for a spectrum that is flat in photons per keV (XSPEC's plot area)."""
        known = self.__dict__.get("_area")
        if known is None:
            known = self.fold(np.diff(self.edges)) / (self.bin_hi - self.bin_lo)
            known.flags.writeable = False
            self.__dict__["_area"] = known
        return known


def folding_plan(
    rmf: RMF,
    arf: ARF | None = None,
    notice: ArrayLike | None = None,
    grouping: ArrayLike | None = None,
    quality: ArrayLike | None = None,
    *,
    cache: PlanCache | None = None,
) -> FoldingPlan:
    """Folding plan for a response and a choice of bins.

    Parameters
    ----------
    rmf : RMF
    arf : ARF or MRF, optional
        On the energies of the RMF; without one the area is taken to be in the RMF.
    notice : bool[nch], optional
        Noticed channels.
    grouping, quality : int[nch], optional
        OGIP flags, see `group_bins`.
    cache : dict, optional
        Plans made before, by responses and bins: spectra with the same response and bins share one.

    Raises
    ------
    ResponseError
        If sizes disagree.
    """
    key = None
    if cache is not None:
        key = (id(rmf), id(arf), _key(notice, bool), _key(grouping, np.int16), _key(quality, np.int16))
        if key in cache:
            return cache[key]
    bins = group_bins(grouping, quality, notice, n=rmf.detchans)
    area = np.ones(rmf.n_energies)
    if arf is not None:
        if len(arf.specresp) != rmf.n_energies:
            raise ResponseError(
                f"the ARF has {len(arf.specresp)} energy bins, the RMF {rmf.n_energies}",
                file=arf.path,
                cure="Make the ARF on the energies of this RMF.",
            )
        area = arf.specresp
    matrix, rows = rmf.matrix.restricted(bins, None if arf is None else area)
    plan = FoldingPlan(
        edges=rmf.edges[rows.start : rows.stop + 1],
        matrix=matrix,
        bins=bins,
        bin_lo=bins.min(rmf.e_min),
        bin_hi=bins.max(rmf.e_max),
        area=area[rows],
        rows=rows,
        rmf=rmf,
        arf=arf,
    )
    if cache is not None:
        cache[key] = plan  # the plan holds its responses, so that their id() stays theirs
    return plan


def plan_of(spectrum: Spectrum, notice: ArrayLike | None = None, *, cache: PlanCache | None = None) -> FoldingPlan:
    """Folding plan of a spectrum with its own responses, grouping and quality."""
    if spectrum.rmf is None:
        raise ResponseError(
            "the spectrum has no RMF",
            file=spectrum.path,
            cure="Give rmf=, or put the name of the file into the keyword RESPFILE.",
        )
    return folding_plan(spectrum.rmf, spectrum.arf, notice, spectrum.grouping, spectrum.quality, cache=cache)


def _key(array: ArrayLike | None, dtype: Any) -> bytes | None:
    return None if array is None else np.ascontiguousarray(array, dtype=dtype).tobytes()
