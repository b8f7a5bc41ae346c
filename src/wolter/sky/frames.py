"""Celestial frames without astropy: FK5/ICRS, FK4, galactic and ecliptic directions, rotated as unit vectors.

FK5 and ICRS are taken as one (they differ by 0.02 arcsec), as cfitsio's region code does. The others are real
conversions; each matrix cites its source. Accuracy is better than 0.1 arcsec, ample for regions on X-ray images.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wolter.errors import RegionError, suggest

__all__ = ["CELESTIAL", "PIXEL", "convert", "is_celestial", "north_angle", "normal_frame"]

CELESTIAL = ("fk5", "icrs", "fk4", "galactic", "ecliptic")
PIXEL = ("physical", "image", "detector")
_ALIASES = {
    "j2000": "fk5",
    "wcs": "fk5",
    "equatorial": "fk5",
    "b1950": "fk4",
    "gal": "galactic",
    "phys": "physical",
    "logical": "image",
    "det": "detector",
}

# Aberration "E-terms" contained in FK4 positions, epoch B1950 (Seidelmann 1992, Explanatory Supplement, p. 170).
_E_TERMS = np.array([-1.62557e-6, -0.31919e-6, -0.13843e-6])
# FK4 (without E-terms, B1950) to FK5 (J2000) rotation: Murray 1989, A&A 218, 325, equation 28.
_FK4_TO_FK5 = np.array(
    [
        [0.9999256794956877, -0.0111814832204662, -0.0048590038153592],
        [0.0111814832391717, 0.9999374848933135, -0.0000271625947142],
        [0.0048590037723143, -0.0000271702937440, 0.9999881946023742],
    ]
)
# North galactic pole and node: ESA SP-1200 (Hipparcos catalogue), volume 1, section 1.5.3.
_POLE_RA, _POLE_DEC, _NODE_L = 192.85948, 27.12825, 32.93192
# Mean obliquity of the ecliptic at J2000: IAU 2006 (Capitaine, Wallace & Chapront 2003, A&A 412, 567).
_OBLIQUITY = 84381.406 / 3600.0


def _rotation(axis: int, degrees: float) -> NDArray[np.float64]:
    """Matrix turning the coordinate axes by an angle about one of them."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    i, j = [k for k in range(3) if k != axis]
    if axis == 1:
        s = -s
    out = np.eye(3)
    out[i, i] = out[j, j] = c
    out[i, j], out[j, i] = s, -s
    return out


def _to_equatorial() -> dict[str, NDArray[np.float64]]:
    # Direction vectors turn from the equator to the galactic plane by Rz(-node) Rx(90-dec) Rz(90+ra).
    galactic = _rotation(2, -_NODE_L) @ _rotation(0, 90.0 - _POLE_DEC) @ _rotation(2, 90.0 + _POLE_RA)
    return {
        "fk5": np.eye(3),
        "icrs": np.eye(3),
        "fk4": _FK4_TO_FK5,
        "galactic": galactic.T,
        "ecliptic": _rotation(0, _OBLIQUITY).T,
    }


_MATRICES = _to_equatorial()


def normal_frame(name: str) -> str:
    """Canonical name of a coordinate frame (``j2000`` -> ``fk5``).

    Raises
    ------
    RegionError
        If the name is unknown; the message lists what is accepted.
    """
    key = name.strip().lower()
    key = _ALIASES.get(key, key)
    if key not in CELESTIAL + PIXEL:
        known = [*CELESTIAL, *PIXEL, "j2000", "b1950"]
        raise RegionError(
            f"unknown coordinate frame {name!r}",
            cure=f"{suggest(name, known)} Accepted are {', '.join(known)}.".strip(),
        )
    return key


def is_celestial(frame: str) -> bool:
    """Whether a canonical frame name means directions on the sky rather than pixels."""
    return frame in CELESTIAL


def _vector(lon: Any, lat: Any) -> NDArray[np.float64]:
    lon, lat = np.radians(lon), np.radians(lat)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def convert(lon: Any, lat: Any, source: str, target: str) -> tuple[Any, Any]:
    """Longitude and latitude in another frame.

    Parameters
    ----------
    lon, lat : float or array
        Degrees in the frame `source`.
    source, target : str
        Canonical names of celestial frames.

    Returns
    -------
    lon, lat : float or array
        Degrees in the frame `target`; longitude in [0, 360). Between FK5 and ICRS the input is returned unchanged.
    """
    same = {"icrs": "fk5"}
    if same.get(source, source) == same.get(target, target):
        return lon, lat
    v = _vector(lon, lat)
    shape = v.shape
    v = v.reshape(3, -1)
    if source == "fk4":
        v = _without_e_terms(v)
    v = _MATRICES[target].T @ (_MATRICES[source] @ v)
    if target == "fk4":
        v = _with_e_terms(v)
    v = v.reshape(shape)
    out_lon = np.degrees(np.arctan2(v[1], v[0])) % 360.0
    out_lat = np.degrees(np.arctan2(v[2], np.hypot(v[0], v[1])))
    if np.ndim(lon) == 0 and np.ndim(lat) == 0:
        return float(out_lon), float(out_lat)
    return out_lon, out_lat


def _without_e_terms(v: NDArray[np.float64]) -> NDArray[np.float64]:
    a = _E_TERMS[:, None]
    out = v - a + v * np.sum(v * a, axis=0)
    return out / np.linalg.norm(out, axis=0)


def _with_e_terms(v: NDArray[np.float64]) -> NDArray[np.float64]:
    # The inverse of _without_e_terms by fixed-point iteration; the terms are 1e-6, so three steps reach 1e-18.
    out = v / np.linalg.norm(v, axis=0)
    aim = out.copy()
    for _ in range(4):
        out = out + (aim - _without_e_terms(out))
        out /= np.linalg.norm(out, axis=0)
    return out


def north_angle(lon: float, lat: float, source: str, target: str) -> float:
    """Angle (degrees, north through east) of the `source` frame's north in the `target` frame at one direction.

    Zero between FK5 and ICRS. `lon`, `lat` are degrees in the `source` frame.
    """
    if convert(lon, lat, source, target) == (lon, lat):
        return 0.0
    step = 1e-4 if lat < 89.0 else -1e-4
    a0, d0 = convert(lon, lat, source, target)
    a1, d1 = convert(lon, lat + step, source, target)
    east = (((a1 - a0 + 180.0) % 360.0) - 180.0) * math.cos(math.radians(d0))
    angle = math.degrees(math.atan2(east, d1 - d0))
    return angle if step > 0 else angle + 180.0
