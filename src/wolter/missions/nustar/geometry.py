"""Where NuSTAR's pixels lie in the detector frame DET1.

Measured on archived events and on maps of pixel numbers: four detectors of 32 x 32 pixels, each about 5 x 5 sub-
pixels of DET1 (2.458 arcsec), in a square with gaps of about 3 sub-pixels. DET2, the frame of the optics, is DET1
shifted by the mast.
"""

from __future__ import annotations

import numpy as np

__all__ = ["DETECTORS", "OPTICAL_AXIS", "REFERENCE", "SHIFT"]

REFERENCE = (350.0, 350.0)  # DET1 pixel that the aspect file follows
SHIFT = (134.0, 110.0)  # DET2 - DET1, at rest
# DET2 position of the optical axis: from the aspect files of one observation, whose roll the attitude file tells
OPTICAL_AXIS = {"FPMA": (338.8, 291.6), "FPMB": (339.5, 274.6)}
# DET1 = matrix @ (RAWX, RAWY, 1) of the four detectors of each module
DETECTORS = {
    "FPMA": (
        np.array([[0.0, 5.015, 186.11], [5.016, 0.0, 185.59]]),
        np.array([[-5.018, 0.0, 177.40], [0.0, 5.032, 187.05]]),
        np.array([[0.0, -5.030, 177.69], [-5.024, 0.0, 177.98]]),
        np.array([[5.017, 0.0, 186.34], [0.0, -5.029, 177.28]]),
    ),
    "FPMB": (
        np.array([[0.0, 5.014, 188.29], [5.015, 0.0, 186.27]]),
        np.array([[-5.018, 0.0, 179.48], [0.0, 5.021, 187.22]]),
        np.array([[0.0, -5.017, 180.35], [-5.018, 0.0, 179.24]]),
        np.array([[5.013, 0.0, 188.57], [0.0, -5.013, 178.41]]),
    ),
}
