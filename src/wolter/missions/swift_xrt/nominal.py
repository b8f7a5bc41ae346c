"""Nominal responses of Swift-XRT in photon-counting mode (grades 0 to 12): for simulations and tests, not for science.

The effective area is of the size of the published one (about 125 cm2 at 1.5 keV and 20 cm2 at 8.1 keV: Burrows et al.
2005, SSRv 120, 165) with the shape of the archive's public responses, quantum efficiency included; the energy
resolution grows from 0.1 keV at 1 keV to 0.25 keV at 6 keV, as after some years in orbit (Pagani et al. 2011, A&A 534,
A20). All headers say NOMINAL.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from wolter.errors import SimulationError
from wolter.simulate.nominal import NominalPair, gaussian_response, tabulated

__all__ = ["nominal_responses"]

_AREA = (
    *((0.15, 1.0), (0.2, 2.0), (0.3, 8.0), (0.5, 42.0), (0.7, 53.0), (1.0, 94.0), (1.5, 130.0), (1.8, 128.0)),
    *((2.0, 106.0), (2.3, 82.0), (2.6, 86.0), (3.0, 92.0), (4.0, 98.0), (5.0, 84.0), (6.0, 60.0), (7.0, 39.0)),
    *((8.0, 20.0), (9.0, 9.0), (10.0, 3.3), (12.0, 0.2)),
)  # keV, cm2


@cache
def nominal_responses(detector: str = "XRT") -> NominalPair:
    """RMF and ARF of the camera, 1024 channels of 10 eV.

    Raises
    ------
    SimulationError
        For a detector the mission does not have.
    """
    if detector != "XRT":
        raise SimulationError(f"Swift-XRT has no detector {detector!r}", cure="Its only camera is XRT.")
    return gaussian_response(
        energy_edges=np.round(np.arange(0.15, 12.0001, 0.02), 10),
        channel_edges=np.round(np.arange(1025) * 0.01, 10),
        first_channel=0,
        fwhm=lambda e: np.sqrt(0.06**2 + 0.0098 * e),
        area=lambda e: tabulated(_AREA, e),
        keywords={"TELESCOP": "SWIFT", "INSTRUME": "XRT", "FILTER": "NONE", "CHANTYPE": "PI"},
    )
