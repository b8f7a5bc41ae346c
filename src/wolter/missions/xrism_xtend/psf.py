"""Point-spread function of Xtend: a King profile with a half-power diameter of 1.3 arcmin (of the order given in the
XRISM Proposers' Observatory Guide), normalised inside 900 arcsec. Energy and off-axis angle do not change it."""

from __future__ import annotations

from typing import Any

import numpy as np

from wolter.simulate.shapes import king_fraction

__all__ = ["KING", "encircled"]

KING = (33.0, 1.8, 900.0)  # core radius (arcsec), slope, normalised inside (arcsec)


def encircled(
    radius_arcsec: Any, energy_kev: float = 1.5, off_axis_arcmin: float = 0.0, *, detector: str | None = None
) -> np.ndarray:
    """Fraction of a point source's photons inside a radius; see `wolter.mission.Mission.psf`."""
    return king_fraction(radius_arcsec, *KING)
