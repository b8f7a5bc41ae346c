"""Vignetting of Swift's X-Ray Telescope.

V = 1 - C(E) theta^2 with C(E) = PAR0 PAR1^E + PAR2, theta in arcmin from the optical axis and E in keV: the form of the
calibration file VIGNET (swxvign20010101v001, A. Moretti; Tagliaferri et al. 2004, SPIE 5165, 241), whose coefficients
stand here; the optical axis is the centre of the CCD.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["COEFFICIENTS", "vignetting"]

COEFFICIENTS = (0.000124799, 1.55219, 0.00185628)


def vignetting(off_axis_arcmin: Any, energy_kev: float) -> NDArray[np.float64]:
    """Effective area relative to the optical axis.

    Parameters
    ----------
    off_axis_arcmin : array_like[n]
        Angle from the optical axis, arcmin.
    energy_kev : float
        Energy, keV.

    Returns
    -------
    ndarray[n]
        Between 0 and 1.
    """
    a, b, c = COEFFICIENTS
    theta = np.asarray(off_axis_arcmin, dtype=np.float64)
    return np.clip(1.0 - (a * b**energy_kev + c) * theta**2, 0.0, 1.0)
