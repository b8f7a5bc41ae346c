"""Point-spread function of Swift-XRT: one King profile, core radius 5.8 arcsec, slope 1.55 (Moretti et al. 2005,
SPIE 5898, 360), normalised inside 450 arcsec; the weak dependence on energy and off-axis angle is left out."""

from __future__ import annotations

from typing import Any

import numpy as np

from wolter.simulate.shapes import king_fraction

__all__ = ["KING", "encircled"]

KING = (5.8, 1.55, 450.0)  # core radius (arcsec), slope, normalised inside (arcsec)


def encircled(
    radius_arcsec: Any, energy_kev: float = 1.5, off_axis_arcmin: float = 0.0, *, detector: str | None = None
) -> np.ndarray:
    """Fraction of a point source's photons inside a radius; see `wolter.mission.Mission.psf`."""
    return king_fraction(radius_arcsec, *KING)
