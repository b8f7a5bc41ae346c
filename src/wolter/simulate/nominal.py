"""Nominal responses from a few published figures: Gaussian redistribution and a tabulated area."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from wolter.data import ARF, RMF

__all__ = ["NominalPair", "gaussian_response", "tabulated"]

Float = NDArray[np.floating[Any]]
_COMMENT = "NOMINAL response computed from published figures: not for science."


@dataclass(frozen=True)
class NominalPair:
    """RMF and ARF of one detector."""

    rmf: RMF
    arf: ARF


def tabulated(table: Any, energy: Any) -> Float:
    """Values of a table ``((keV, value), ...)`` at energies (keV), interpolated in the logarithms of both."""
    x, y = np.asarray(table, dtype=float).T
    return np.exp(np.interp(np.log(np.maximum(np.asarray(energy, dtype=float), 1e-6)), np.log(x), np.log(y)))


def gaussian_response(
    *,
    energy_edges: Float,
    channel_edges: Float,
    first_channel: int,
    fwhm: Any,
    area: Any,
    keywords: Mapping[str, Any],
) -> NominalPair:
    """RMF with Gaussian lines, and ARF.

    Parameters
    ----------
    energy_edges, channel_edges : ndarray
        Edges (keV), ascending.
    first_channel : int
        Number of the first channel.
    fwhm : callable
        ``(keV) -> keV``: full width at half maximum of a line.
    area : callable
        ``(keV) -> cm^2``: effective area, quantum efficiency included.
    keywords : mapping
        TELESCOP, INSTRUME... of the headers.

    Returns
    -------
    NominalPair
        Each row of the matrix is normalised to the part of the line that falls on the channels.
    """
    from scipy.special import ndtr

    from wolter.data import ARF, RMF
    from wolter.fits import Header

    lo, hi = energy_edges[:-1], energy_edges[1:]
    centre = 0.5 * (lo + hi)
    sigma = np.asarray(fwhm(centre), dtype=float) / np.sqrt(8.0 * np.log(2.0))
    matrix = np.diff(ndtr((channel_edges[None, :] - centre[:, None]) / sigma[:, None]), axis=1)

    def header(name: str, text: str) -> Header:
        out = Header({**keywords, "CCNM0001": name, "CDES0001": f"{text}, NOMINAL", "NOMINAL": True})
        out.add_comment(_COMMENT)
        return out

    rmf = RMF.from_dense(
        matrix,
        energ_lo=lo,
        energ_hi=hi,
        e_min=channel_edges[:-1],
        e_max=channel_edges[1:],
        first_channel=first_channel,
        header=header("MATRIX", "redistribution matrix"),
        threshold=1e-7,
    )
    return NominalPair(rmf, ARF(lo, hi, np.asarray(area(centre), dtype=float), header=header("SPECRESP", "area")))
