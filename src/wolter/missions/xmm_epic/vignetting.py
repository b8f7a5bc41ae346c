"""Vignetting of the XMM-Newton telescopes.

`RECORDED` is the vignetting of the calibration files, as the observatory's own software (eexpmap 4.6.5) recorded it in
exposure maps of the pn camera, whose telescope has no gratings: the fall of these maps from their recorded optical
axis (XCEN, YCEN) at the middles of their bands, 1.25 and 6 keV. Two observations agree to 0.001. The three telescopes
are of one design; maps of the MOS cameras were not used.

At other energies the factor changes as it does in `TRACED`, from rays through the published design of the mirrors
(`wolter.missions.xmm_epic.mirrors`): 58 confocal Wolter I shells of 0.5 to 1 mm with apertures of 1.8 to 4 mm, the
largest 70 cm wide, focal length 7.5 m (ESA's description of the X-ray mirrors; Jansen et al. 2001, A&A 365, L1;
Aschenbach et al. 2000, SPIE 4012, 731), behind two sieve plates in front of them, aligned with the cross section of
the mirrors' front aperture (ESA; de Chambure et al. 1999, SPIE 3737, 396). Statistical errors are about 0.004. Up to
15 arcmin the traced factor differs from the recorded one by 0.03 at most at 1.25 keV and 0.04 at 6 keV.

Gratings behind two telescopes (they serve MOS1 and MOS2): 40 % of the light falls on their plates, 42 % passes to the
camera, the rest meets supports (XMM Users' Handbook, 1998, section on the telescopes). The part f that the plates take
grows with the angle of incidence alpha, 1.5762 deg on axis, as the observatory's Calibration Access and Data Handbook
has it: f alpha/alpha0, with alpha - alpha0 = theta F/L for an off-axis angle theta along the dispersion, focal length
F = 7.5 m and distance L = 6.7 m of gratings and camera (den Herder et al. 2001, A&A 365, L7).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ENERGY_KEV", "RECORDED", "RECORDED_KEV", "THETA_ARCMIN", "TRACED", "grating_factor", "vignetting"]

THETA_ARCMIN = np.array((0.0, 0.5, *range(1, 19)))
ENERGY_KEV = np.array((1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0))
TRACED = np.array((  # [angle, energy]
    (1.0000, 1.0000, 1.0000, 1.0000, 1.0000, 1.0000, 1.0000, 1.0000, 1.0000),
    (0.9889, 0.9889, 0.9889, 0.9885, 0.9885, 0.9884, 0.9880, 0.9860, 0.9815),
    (0.9714, 0.9714, 0.9713, 0.9702, 0.9701, 0.9697, 0.9683, 0.9604, 0.9460),
    (0.9291, 0.9290, 0.9286, 0.9259, 0.9255, 0.9243, 0.9194, 0.8957, 0.8587),
    (0.8839, 0.8837, 0.8831, 0.8786, 0.8778, 0.8754, 0.8657, 0.8227, 0.7605),
    (0.8309, 0.8307, 0.8298, 0.8236, 0.8223, 0.8184, 0.8031, 0.7421, 0.6596),
    (0.7788, 0.7785, 0.7773, 0.7690, 0.7672, 0.7616, 0.7396, 0.6617, 0.5648),
    (0.7246, 0.7242, 0.7227, 0.7122, 0.7098, 0.7024, 0.6739, 0.5826, 0.4777),
    (0.6714, 0.6709, 0.6691, 0.6567, 0.6537, 0.6445, 0.6100, 0.5098, 0.4054),
    (0.6162, 0.6156, 0.6136, 0.5996, 0.5961, 0.5852, 0.5460, 0.4417, 0.3462),
    (0.5625, 0.5619, 0.5597, 0.5441, 0.5402, 0.5277, 0.4848, 0.3824, 0.3008),
    (0.5114, 0.5107, 0.5085, 0.4924, 0.4882, 0.4746, 0.4304, 0.3345, 0.2643),
    (0.4659, 0.4653, 0.4630, 0.4469, 0.4425, 0.4282, 0.3844, 0.2994, 0.2381),
    (0.4204, 0.4198, 0.4176, 0.4025, 0.3981, 0.3838, 0.3428, 0.2695, 0.2151),
    (0.3822, 0.3816, 0.3795, 0.3652, 0.3609, 0.3470, 0.3095, 0.2448, 0.1965),
    (0.3503, 0.3497, 0.3478, 0.3347, 0.3307, 0.3176, 0.2841, 0.2264, 0.1823),
    (0.3185, 0.3181, 0.3164, 0.3048, 0.3013, 0.2898, 0.2609, 0.2086, 0.1674),
    (0.2940, 0.2936, 0.2921, 0.2818, 0.2787, 0.2687, 0.2429, 0.1947, 0.1574),
    (0.2722, 0.2719, 0.2705, 0.2612, 0.2585, 0.2496, 0.2262, 0.1822, 0.1474),
    (0.2551, 0.2548, 0.2535, 0.2450, 0.2425, 0.2345, 0.2128, 0.1713, 0.1384),
))  # fmt: skip

RECORDED_KEV = np.array((1.25, 6.0))
RECORDED = np.array((  # [energy, angle]
    (1.0000, 0.9948, 0.9871, 0.9464, 0.9073, 0.8578, 0.8038, 0.7493, 0.6861, 0.6274,
     0.5697, 0.5212, 0.4746, 0.4268, 0.3801, 0.3463, 0.3164, 0.3050, 0.3033, 0.3033),
    (1.0000, 0.9942, 0.9854, 0.9397, 0.8948, 0.8376, 0.7743, 0.7105, 0.6384, 0.5720,
     0.5071, 0.4530, 0.4017, 0.3521, 0.3058, 0.2736, 0.2470, 0.2376, 0.2363, 0.2363),
))  # fmt: skip

GRAZING_DEG = 1.5762
LEVER = 7.5 / 6.7
INTERCEPTED = 0.40 / (0.40 + 0.42)


def vignetting(off_axis_arcmin: Any, energy_kev: float) -> NDArray[np.float64]:
    """Effective area of the mirrors relative to the optical axis.

    Parameters
    ----------
    off_axis_arcmin : array_like[n]
        Angle from the optical axis, arcmin; beyond 17 the value there.
    energy_kev : float
        Energy, keV; below 1 and above 10 the value there.

    Returns
    -------
    ndarray[n]
        Between 0 and 1.
    """
    low, high = (
        curve * _traced(energy_kev) / _traced(at) for curve, at in zip(RECORDED, RECORDED_KEV.tolist(), strict=True)
    )
    part = float(np.interp(energy_kev, RECORDED_KEV, (0.0, 1.0)))
    factor = (1.0 - part) * low + part * high
    return np.interp(np.asarray(off_axis_arcmin, dtype=np.float64), THETA_ARCMIN, factor)


def _traced(energy_kev: float) -> NDArray[np.float64]:
    """Traced factors at the angles of the table."""
    energy = float(np.clip(energy_kev, ENERGY_KEV[0], ENERGY_KEV[-1]))
    return np.array([np.interp(energy, ENERGY_KEV, row) for row in TRACED])


def grating_factor(along_arcmin: Any) -> NDArray[np.float64]:
    """Light that passes the gratings, relative to the axis.

    Parameters
    ----------
    along_arcmin : array_like[n]
        Off-axis angle along the dispersion, arcmin; positive where the gratings are seen more steeply.
    """
    excess = np.asarray(along_arcmin, dtype=np.float64) / 60.0 * LEVER / GRAZING_DEG
    return (1.0 - INTERCEPTED * (1.0 + excess)) / (1.0 - INTERCEPTED)
