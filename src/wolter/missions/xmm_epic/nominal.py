"""Nominal responses of the EPIC cameras: for simulations and tests, not for science.

Areas on axis are of the size of the published ones (1.23e3 cm2 at 1 keV for pn, 4.4e2 cm2 for one MOS: Strueder et al.
2001, A&A 365, L18; Turner et al. 2001, A&A 365, L27; Users' Handbook), with quantum efficiency and a thin filter; the
energy resolution follows the Handbook's figures (pn 0.1 keV at 1 keV and 0.16 keV at 6 keV, MOS 0.07 and 0.14 keV).
Spectra have channels of 5 eV, 4096 for pn and 2400 for MOS. All headers say NOMINAL.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from wolter.errors import SimulationError
from wolter.simulate.nominal import NominalPair, gaussian_response, tabulated

__all__ = ["nominal_responses"]

_PN = (
    *((0.15, 180.0), (0.2, 240.0), (0.3, 260.0), (0.5, 870.0), (0.7, 1040.0), (1.0, 1230.0), (1.5, 1350.0)),
    *((1.8, 1290.0), (2.0, 1300.0), (2.3, 850.0), (3.0, 885.0), (4.0, 910.0), (5.0, 910.0), (6.0, 850.0)),
    *((7.0, 710.0), (8.0, 525.0), (9.0, 380.0), (10.0, 250.0), (12.0, 36.0), (15.0, 4.0)),
)  # keV, cm2
_MOS = (
    *((0.15, 20.0), (0.2, 40.0), (0.3, 90.0), (0.5, 220.0), (0.7, 330.0), (1.0, 440.0), (1.5, 560.0), (1.8, 500.0)),
    *((2.0, 530.0), (2.3, 370.0), (3.0, 375.0), (4.0, 390.0), (5.0, 355.0), (6.0, 290.0), (7.0, 210.0)),
    *((8.0, 125.0), (9.0, 70.0), (10.0, 35.0), (12.0, 4.0), (15.0, 0.3)),
)
_CAMERAS = {"PN": ("EPN", _PN, 4096, 0.0041), "M1": ("EMOS1", _MOS, 2400, 0.0031), "M2": ("EMOS2", _MOS, 2400, 0.0031)}


@cache
def nominal_responses(detector: str = "PN") -> NominalPair:
    """RMF and ARF of one camera.

    Parameters
    ----------
    detector : {"PN", "M1", "M2"}

    Raises
    ------
    SimulationError
        For a detector the mission does not have.
    """
    if detector not in _CAMERAS:
        raise SimulationError(f"XMM-Newton has no EPIC camera {detector!r}", cure=f"It has {', '.join(_CAMERAS)}.")
    instrument, table, channels, slope = _CAMERAS[detector]
    floor = 0.07 if detector == "PN" else 0.04
    return gaussian_response(
        energy_edges=np.round(np.arange(0.15, 12.0001, 0.02), 10),
        channel_edges=np.round(np.arange(channels + 1) * 0.005, 10),
        first_channel=0,
        fwhm=lambda e: np.sqrt(floor**2 + slope * e),
        area=lambda e: tabulated(table, e),
        keywords={"TELESCOP": "XMM", "INSTRUME": instrument, "FILTER": "Thin1", "CHANTYPE": "PI"},
    )
