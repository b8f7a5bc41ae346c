"""Angles between directions."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["separation"]


def separation(lon1: Any, lat1: Any, lon2: Any, lat2: Any) -> Any:
    """Angle between directions, all in degrees, by the haversine formula (good at small angles).

    Parameters
    ----------
    lon1, lat1, lon2, lat2 : float or array
        Broadcast against each other; both directions in one frame.

    Returns
    -------
    float or ndarray
    """
    d1, d2 = np.radians(lat1), np.radians(lat2)
    across = np.radians(np.subtract(lon2, lon1))
    half = np.sin(0.5 * (d2 - d1)) ** 2 + np.cos(d1) * np.cos(d2) * np.sin(0.5 * across) ** 2
    out = np.degrees(2.0 * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0))))
    return float(out) if np.ndim(out) == 0 else out
