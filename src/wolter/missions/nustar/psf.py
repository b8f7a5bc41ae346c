"""Point-spread function of NuSTAR: a King profile, 18 arcsec full width at half maximum, half-power diameter near 56
arcsec (Harrison et al. 2013, ApJ 770, 103; Madsen et al. 2015, ApJS 220, 8), normalised inside 400 arcsec. Energy and
off-axis angle do not change it."""

from __future__ import annotations

from typing import Any

import numpy as np

from wolter.simulate.shapes import king_fraction

__all__ = ["KING", "encircled"]

KING = (10.2, 1.26, 400.0)  # core radius (arcsec), slope, normalised inside (arcsec)


def encircled(
    radius_arcsec: Any, energy_kev: float = 10.0, off_axis_arcmin: float = 0.0, *, detector: str | None = None
) -> np.ndarray:
    """Fraction of a point source's photons inside a radius; see `wolter.mission.Mission.psf`."""
    return king_fraction(radius_arcsec, *KING)
