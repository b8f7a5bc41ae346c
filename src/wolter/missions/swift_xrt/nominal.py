"""Nominal responses of Swift-XRT in photon-counting mode (grades 0 to 12): for simulations and tests, not for science.

The effective area is of the size of the published one (110 cm2 at 1.5 keV: Burrows et al. 2005, SSRv 120, 165) with
the shape of the archive's public responses, quantum efficiency included; the energy resolution grows from 0.1 keV at
1 keV to 0.25 keV at 6 keV, as after some years in orbit (Pagani et al. 2011, A&A 534, A20). All headers say NOMINAL.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from wolter.errors import SimulationError
from wolter.simulate.nominal import NominalPair, gaussian_response, tabulated

__all__ = ["nominal_responses"]

_AREA = (
    *((0.15, 4.0), (0.2, 8.0), (0.3, 12.0), (0.5, 45.0), (0.7, 70.0), (1.0, 97.0), (1.5, 110.0), (1.8, 112.0)),
    *((2.0, 110.0), (2.3, 80.0), (2.6, 76.0), (3.0, 75.0), (4.0, 78.0), (5.0, 73.0), (6.0, 63.0), (7.0, 48.0)),
    *((8.0, 29.0), (9.0, 15.0), (10.0, 6.0), (12.0, 0.3)),
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
