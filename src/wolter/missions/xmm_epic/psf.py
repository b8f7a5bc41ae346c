"""Point-spread functions of the EPIC cameras: King profiles with the half-energy and full width at half maximum of the
XMM-Newton Users' Handbook (15.2 and 6.6 arcsec for pn, 13.5 and 4.3 arcsec for MOS), normalised inside 300 arcsec. The
dependence on energy and off-axis angle is left out; the in-flight calibration is the file XRTn_XPSF."""

from __future__ import annotations

from typing import Any

import numpy as np

from wolter.simulate.shapes import king_fraction

__all__ = ["KING", "encircled"]

# core radius (arcsec), slope, normalised inside (arcsec)
KING = {"PN": (4.4, 1.5, 300.0), "M1": (2.7, 1.35, 300.0), "M2": (2.7, 1.35, 300.0)}


def encircled(
    radius_arcsec: Any, energy_kev: float = 1.5, off_axis_arcmin: float = 0.0, *, detector: str | None = None
) -> np.ndarray:
    """Fraction of a point source's photons inside a radius; see `wolter.mission.Mission.psf`."""
    return king_fraction(radius_arcsec, *KING[detector or "PN"])
