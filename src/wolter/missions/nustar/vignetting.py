"""Vignetting of NuSTAR's optics, as far as published.

Harrison et al. (2013, ApJ 770, 103), table 2: the field of view at half response is 10 arcmin across at 10 keV and 6
arcmin at 68 keV. A Gaussian through these half points, their radius linear in energy, stands for the calibration
file; the azimuthal dependence is left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["vignetting"]

_ENERGY, _HALF = (10.0, 68.0), (5.0, 3.0)  # keV, arcmin from the axis


def vignetting(off_axis_arcmin: Any, energy_kev: float) -> NDArray[np.float64]:
    """Effective area relative to the optical axis.

    Parameters
    ----------
    off_axis_arcmin : array_like[n]
        Angle from the optical axis, arcmin.
    energy_kev : float
        Energy, keV; below 10 and above 68 the values there.

    Returns
    -------
    ndarray[n]
        Between 0 and 1.
    """
    half = np.interp(energy_kev, _ENERGY, _HALF)
    return 0.5 ** ((np.asarray(off_axis_arcmin, dtype=np.float64) / half) ** 2)
