"""Point-spread function of IXPE: a King profile with a half-power diameter of 27 arcsec and about 93 % inside 60 arcsec
(Weisskopf et al. 2022, JATIS 8, 026002). The three telescopes, energies and off-axis angles are alike in it."""

from __future__ import annotations

from typing import Any

import numpy as np

from wolter.simulate.shapes import king_fraction

__all__ = ["KING", "encircled"]

KING = (11.5, 1.8, np.inf)  # core radius (arcsec), slope, normalised inside (arcsec)


def encircled(
    radius_arcsec: Any, energy_kev: float = 2.3, off_axis_arcmin: float = 0.0, *, detector: str | None = None
) -> np.ndarray:
    """Fraction of a point source's photons inside a radius; see `wolter.mission.Mission.psf`."""
    return king_fraction(radius_arcsec, *KING)
