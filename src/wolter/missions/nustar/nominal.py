"""Nominal responses of NuSTAR: for simulations and tests, not for science.

The area on axis of one module is of the size of the published one (two modules together 847 cm2 at 9 keV; Harrison et
al. 2013, ApJ 770, 103) with the shape of the archive's products (tungsten edges near 10 to 12 keV, platinum edge at
78.4 keV); the energy resolution is 0.4 keV at 6 keV and 0.9 keV at 60 keV (same reference). All headers say NOMINAL.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from wolter.errors import SimulationError
from wolter.simulate.nominal import NominalPair, gaussian_response, tabulated

__all__ = ["nominal_responses"]

_AREA = (
    *((1.6, 5.0), (2.0, 20.0), (3.0, 105.0), (4.0, 220.0), (5.0, 325.0), (6.0, 370.0), (8.0, 415.0), (9.0, 423.0)),
    *((10.0, 415.0), (10.3, 350.0), (12.0, 310.0), (15.0, 260.0), (20.0, 192.0), (25.0, 134.0), (30.0, 110.0)),
    *((40.0, 77.0), (50.0, 52.0), (60.0, 36.0), (70.0, 21.0), (78.4, 11.0), (79.0, 4.0), (90.0, 2.0)),
)  # keV, cm2


@cache
def nominal_responses(detector: str = "FPMA") -> NominalPair:
    """RMF and ARF of one module, 4096 channels of 40 eV; those of the two are alike.

    Raises
    ------
    SimulationError
        For a detector the mission does not have.
    """
    if detector not in ("FPMA", "FPMB"):
        raise SimulationError(f"NuSTAR has no module {detector!r}", cure="It has FPMA and FPMB.")
    low = np.arange(1.6, 20.0, 0.08)
    return gaussian_response(
        energy_edges=np.round(np.append(low, np.arange(20.0, 85.01, 0.2)), 10),
        channel_edges=np.round(1.6 + np.arange(4097) * 0.04, 10),
        first_channel=0,
        fwhm=lambda e: np.hypot(0.37, 0.0137 * e),
        area=lambda e: tabulated(_AREA, e),
        keywords={"TELESCOP": "NuSTAR", "INSTRUME": detector, "FILTER": "NONE", "CHANTYPE": "PI"},
    )
