"""Nominal responses of Xtend: for simulations and tests, not for science.

The effective area is of the size of the published one (420 cm2 at 1.5 keV, 310 cm2 at 6 keV: XRISM Proposers'
Observatory Guide); the energy resolution is 0.18 keV at 6 keV (same source). All headers say NOMINAL.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from wolter.errors import SimulationError
from wolter.simulate.nominal import NominalPair, gaussian_response, tabulated

__all__ = ["nominal_responses"]

_AREA = (
    *((0.3, 20.0), (0.4, 60.0), (0.5, 110.0), (0.7, 220.0), (1.0, 340.0), (1.5, 420.0), (1.8, 400.0), (2.0, 400.0)),
    *((2.3, 310.0), (3.0, 330.0), (4.0, 340.0), (5.0, 335.0), (6.0, 310.0), (7.0, 260.0), (8.0, 200.0)),
    *((9.0, 130.0), (10.0, 85.0), (12.0, 35.0), (15.0, 5.0)),
)  # keV, cm2


@cache
def nominal_responses(detector: str = "XTEND") -> NominalPair:
    """RMF and ARF of Xtend, 4096 channels of 6 eV.

    Raises
    ------
    SimulationError
        For a detector other than Xtend.
    """
    if detector != "XTEND":
        raise SimulationError(f"there are no nominal responses of {detector!r}", cure="They are those of XTEND.")
    return gaussian_response(
        energy_edges=np.round(np.arange(0.3, 15.0001, 0.02), 10),
        channel_edges=np.round(np.arange(4097) * 0.006, 10),
        first_channel=0,
        fwhm=lambda e: np.sqrt(0.06**2 + 0.0048 * e),
        area=lambda e: tabulated(_AREA, e),
        keywords={"TELESCOP": "XRISM", "INSTRUME": "XTEND", "FILTER": "OPEN", "CHANTYPE": "PI"},
    )
