"""Vignetting of the XMM-Newton telescopes, computed from the published design of their mirrors.

The calibration files of the observatory are not part of Wolter, so the table below comes from tracing rays through
the published design (`wolter.missions.xmm_epic.mirrors`): 58 confocal Wolter I shells, radii 153 to 350 mm, focal
length 7500 mm, paraboloids and hyperboloids of 300 mm, walls of 0.47 to 1.07 mm, apertures of 1.8 to 4 mm, gold
(Jansen et al. 2001, A&A 365, L1; Aschenbach et al. 2000, SPIE 4012, 731), behind two sieve plates 85 and 145 mm in
front of them (de Chambure et al. 1999, SPIE 3737, 396). Statistical errors are about 0.004. The strips of the plates
stand over the walls and leave on-axis light alone; how much of the clearance between wall and aperture they cover is
not in these papers, and half of it is assumed: all or nothing of it changes the factor by -6 and +4 % at 8 arcmin
and beyond.

Gratings behind two telescopes (they serve MOS1 and MOS2) take half of the light. The part they take grows with the
angle of incidence alpha, 1.5762 deg on axis, as the observatory's Calibration Access and Data Handbook has it: f
alpha/alpha0, with alpha - alpha0 = theta F/L for an off-axis angle theta along the dispersion, focal length F = 7.5
m and distance L = 6.7 m of gratings and camera (den Herder et al. 2001, A&A 365, L7).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ENERGY_KEV", "FACTOR", "THETA_ARCMIN", "grating_factor", "vignetting"]

THETA_ARCMIN = np.array((0.0, 0.5, *range(1, 19)))
ENERGY_KEV = np.array((1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0))
FACTOR = np.array((  # [angle, energy]
    (1.0000, 1.0000, 1.0000, 1.0000, 1.0000, 1.0000, 1.0000, 1.0000, 1.0000),
    (0.9969, 0.9969, 0.9969, 0.9968, 0.9968, 0.9967, 0.9965, 0.9956, 0.9924),
    (0.9878, 0.9878, 0.9877, 0.9870, 0.9869, 0.9866, 0.9855, 0.9794, 0.9671),
    (0.9577, 0.9576, 0.9572, 0.9549, 0.9546, 0.9534, 0.9486, 0.9261, 0.8895),
    (0.9160, 0.9158, 0.9152, 0.9110, 0.9102, 0.9078, 0.8982, 0.8555, 0.7924),
    (0.8648, 0.8645, 0.8637, 0.8577, 0.8564, 0.8524, 0.8368, 0.7752, 0.6904),
    (0.8129, 0.8126, 0.8114, 0.8034, 0.8015, 0.7957, 0.7732, 0.6941, 0.5939),
    (0.7598, 0.7594, 0.7579, 0.7476, 0.7450, 0.7374, 0.7079, 0.6141, 0.5046),
    (0.7071, 0.7066, 0.7049, 0.6926, 0.6894, 0.6798, 0.6439, 0.5405, 0.4300),
    (0.6522, 0.6517, 0.6497, 0.6357, 0.6320, 0.6206, 0.5794, 0.4712, 0.3686),
    (0.5975, 0.5969, 0.5947, 0.5789, 0.5747, 0.5616, 0.5162, 0.4083, 0.3193),
    (0.5454, 0.5448, 0.5424, 0.5258, 0.5212, 0.5068, 0.4595, 0.3569, 0.2803),
    (0.4986, 0.4980, 0.4955, 0.4788, 0.4740, 0.4586, 0.4112, 0.3193, 0.2523),
    (0.4518, 0.4512, 0.4489, 0.4327, 0.4279, 0.4122, 0.3673, 0.2874, 0.2283),
    (0.4117, 0.4111, 0.4089, 0.3934, 0.3886, 0.3731, 0.3314, 0.2606, 0.2083),
    (0.3776, 0.3770, 0.3749, 0.3606, 0.3561, 0.3412, 0.3037, 0.2408, 0.1932),
    (0.3441, 0.3436, 0.3418, 0.3290, 0.3249, 0.3115, 0.2789, 0.2221, 0.1779),
    (0.3169, 0.3164, 0.3147, 0.3033, 0.2997, 0.2879, 0.2589, 0.2067, 0.1664),
    (0.2933, 0.2929, 0.2914, 0.2811, 0.2779, 0.2676, 0.2413, 0.1937, 0.1560),
    (0.2736, 0.2732, 0.2719, 0.2626, 0.2597, 0.2505, 0.2265, 0.1818, 0.1463),
))  # fmt: skip

GRAZING_DEG = 1.5762
LEVER = 7.5 / 6.7
INTERCEPTED = 0.5


def vignetting(off_axis_arcmin: Any, energy_kev: float) -> NDArray[np.float64]:
    """Effective area of the mirrors relative to the optical axis.

    Parameters
    ----------
    off_axis_arcmin : array_like[n]
        Angle from the optical axis, arcmin; beyond 18 the value there.
    energy_kev : float
        Energy, keV; below 1 and above 10 the value there.

    Returns
    -------
    ndarray[n]
        Between 0 and 1.
    """
    energy = float(np.clip(energy_kev, ENERGY_KEV[0], ENERGY_KEV[-1]))
    column = np.array([np.interp(energy, ENERGY_KEV, row) for row in FACTOR])
    return np.interp(np.asarray(off_axis_arcmin, dtype=np.float64), THETA_ARCMIN, column)


def grating_factor(along_arcmin: Any) -> NDArray[np.float64]:
    """Light that passes the gratings, relative to the axis.

    Parameters
    ----------
    along_arcmin : array_like[n]
        Off-axis angle along the dispersion, arcmin; positive where the gratings are seen more steeply.
    """
    excess = np.asarray(along_arcmin, dtype=np.float64) / 60.0 * LEVER / GRAZING_DEG
    return (1.0 - INTERCEPTED * (1.0 + excess)) / (1.0 - INTERCEPTED)
