"""Where the pixels of Xtend look: a nominal layout.

Four CCDs of 640 x 640 pixels of 1.768 arcsec in a square, 38.5 arcmin across with the gaps between them (XRISM
Proposers' Observatory Guide), in the middle of a detector plane of 1810 x 1810 pixels (DETX, DETY). Assumed, for want
of the calibration file (teldef): the boresight lies on CCD 2, 3.5 arcmin from both gaps, and the optical axis with it;
DETX grows along u and DETY along v, where v has the position angle of the roll (PA_NOM) and u lies west of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wolter.missions.xrism_xtend.description import PIXEL_ARCSEC

__all__ = ["ACT_TO_DET", "BORESIGHT", "DET_SIZE", "det_to_angle"]

DET_SIZE = 1810
_CENTRE = 905.5
_GAP = 26.0  # pixels between CCDs
_HALF = 0.5 * _GAP + 320.0  # from the middle of the plane to the middle of a CCD: pixels coincide
BORESIGHT = (1024.5, 1024.5)  # DETX, DETY

# CCD -> DET = matrix @ (ACTX, ACTY, 1); pixels 1 to 640.
ACT_TO_DET: dict[int, NDArray[np.float64]] = {
    number: np.array([[1.0, 0.0, _CENTRE + sx * _HALF - 320.5], [0.0, 1.0, _CENTRE + sy * _HALF - 320.5]])
    for number, sx, sy in ((1, -1, 1), (2, 1, 1), (3, -1, -1), (4, 1, -1))
}


def det_to_angle() -> NDArray[np.float64]:
    """Matrix [2, 3] from (DETX, DETY, 1) to the angles u, v (arcsec)."""
    x0, y0 = BORESIGHT
    return PIXEL_ARCSEC * np.array([[1.0, 0.0, -x0], [0.0, 1.0, -y0]])
