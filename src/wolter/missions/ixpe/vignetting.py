"""Vignetting of IXPE's mirrors.

Values of the table of the public simulator ixpeobssim (version 33, pseudo calibration of 2021-12-09, detector unit
1; Baldini et al. 2022, SoftwareX 19, 101194), at 1 arcmin steps; below 5 keV they do not depend on energy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["vignetting"]

_THETA = np.array((0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 8.5))
_FACTOR = {  # keV
    5.0: (1.0, 0.9942, 0.9596, 0.9163, 0.8649, 0.8110, 0.7543, 0.6990, 0.6442, 0.6135),
    6.0: (1.0, 0.9934, 0.9564, 0.9079, 0.8468, 0.7772, 0.7026, 0.6288, 0.5598, 0.5233),
    7.0: (1.0, 0.9805, 0.9083, 0.8221, 0.7294, 0.6398, 0.5576, 0.4828, 0.4193, 0.3886),
    8.0: (1.0, 0.9713, 0.8728, 0.7634, 0.6518, 0.5485, 0.4595, 0.3854, 0.3303, 0.3089),
    10.0: (1.0, 0.9553, 0.8177, 0.6728, 0.5511, 0.4583, 0.3883, 0.3316, 0.2882, 0.2713),
}


def vignetting(off_axis_arcmin: Any, energy_kev: float) -> NDArray[np.float64]:
    """Effective area relative to the optical axis.

    Parameters
    ----------
    off_axis_arcmin : array_like[n]
        Angle from the optical axis, arcmin; beyond 8.5 the value there.
    energy_kev : float
        Energy, keV; below 5 and above 10 the values there.

    Returns
    -------
    ndarray[n]
        Between 0 and 1.
    """
    energies, table = list(_FACTOR), np.array(list(_FACTOR.values()))
    row = np.array([np.interp(energy_kev, energies, column) for column in table.T])
    return np.interp(np.asarray(off_axis_arcmin, dtype=np.float64), _THETA, row)
