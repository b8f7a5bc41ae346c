"""Where the CCDs of the EPIC cameras lie, which part of them sees the sky, and how the cameras are turned.

Detector coordinates DETX, DETY are in units of 0.05 arcsec. The relations of RAWX, RAWY to DETX, DETY and of these
to the sky were measured on the event lists of two MOS observations (31,000 to 72,000 events each): CCD positions
agree to one unit between them, boresights to two units and angles to 0.001 deg. So were the first and last rows and
columns with good events, in eighths of the sides (three events a row and eighth: half a pixel), and the rim of the
field of view, in 36 sectors (20 events in 100 units and sector), which departs by up to five pixels from the circles
that the XMM-Newton Extended Source Analysis Software selects with (Snowden & Kuntz, ESAS Cookbook); its boxes are
those of that software. The pn relations are taken from the events at hand, its field of view from the same software;
the nominal layout, of simulations and of CCDs with too few events, is that of published figures: two rows of six CCDs
of 64 x 200 pixels of 4.1 arcsec, read out at the outer edges, with gaps of a few pixels, the boresight on CCD 4 close
to its inner corner (Strueder et al. 2001, A&A 365, L18).
The optical axes are the positions that exposure maps of the observatory's own software record (XCEN, YCEN), in
detector coordinates, mean of two observations 9 arcsec apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CAMERAS", "UNIT_ARCSEC", "Camera", "ccd_from_events", "field_of_view", "nominal_pn"]

UNIT_ARCSEC = 0.05


@dataclass(frozen=True)
class Camera:
    """Geometry of one camera.

    Attributes
    ----------
    shape : tuple of int
        (rows, columns) of a CCD; RAWX and RAWY count from 1.
    boresight : tuple of float
        DETX, DETY that the attitude points to the sky position of.
    axes : 2x2 tuple
        Directions of DETX and DETY in the frame (u, v) of the attitude, before the turn: ``((ux, uy), (vx, vy))``.
    turn_deg : float
        Turn of these directions from u to v.
    optical_axis : tuple of float
        DETX, DETY.
    circles : tuple
        Field of view: (x, y, radius) of circles,
    rim : tuple of float
        Departure of the field's edge from the first circle, in equal sectors from DETX to DETY,
    boxes : tuple
        and (x, y, half width, half height) of boxes that add to them.
    limits : tuple or None
        Box that the field is cut by.
    ccds : mapping
        RAW to DET, ``(2, 3)`` arrays: ``DET = m @ (RAWX, RAWY, 1)``; empty where the events have to tell.
    border : tuple of int or None
        First and last RAWX and RAWY that give good events.
    sides : mapping
        For CCDs whose sides see less, the first or last good RAWX ("x0", "x1") or RAWY ("y0", "y1") in eighths of the
        side: CCDs of different height and turn shade their neighbours.
    dispersion : tuple of float or None
        Unit vector (DETX, DETY) along which the gratings in front of the camera disperse.
    """

    shape: tuple[int, int]
    boresight: tuple[float, float]
    axes: tuple[tuple[float, float], tuple[float, float]]
    turn_deg: float
    optical_axis: tuple[float, float]
    circles: tuple[tuple[float, float, float], ...]
    rim: tuple[float, ...] = (0.0,)
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    limits: tuple[float, float, float, float] | None = None
    ccds: Mapping[int, NDArray[np.float64]] = field(default_factory=dict)
    border: tuple[int, int, int, int] | None = None
    sides: Mapping[int, Mapping[str, tuple[int, ...]]] = field(default_factory=dict)
    dispersion: tuple[float, float] | None = None

    def to_angle(self, raw_to_det: NDArray[np.float64]) -> NDArray[np.float64]:
        """Angles (u, v), arcsec, of RAW pixel (x, y) counted from zero: [2, 3]."""
        c, s = np.cos(np.radians(self.turn_deg)), np.sin(np.radians(self.turn_deg))
        linear = UNIT_ARCSEC * np.array([[c, -s], [s, c]]) @ np.array(self.axes)
        centre = raw_to_det.copy()  # RAW counts from 1
        centre[:, 2] += raw_to_det[:, 0] + raw_to_det[:, 1] - np.array(self.boresight)
        return linear @ centre

    def angle_of(self, det: tuple[float, float]) -> tuple[float, float]:
        """Angles (u, v), arcsec, of a position in detector coordinates."""
        c, s = np.cos(np.radians(self.turn_deg)), np.sin(np.radians(self.turn_deg))
        linear = UNIT_ARCSEC * np.array([[c, -s], [s, c]]) @ np.array(self.axes)
        u, v = linear @ (np.array(det) - np.array(self.boresight))
        return float(u), float(v)


def _upright(x: float, x0: float, y: float, y0: float) -> NDArray[np.float64]:
    return np.array([[x, 0.0, x0], [0.0, y, y0]])


def _turned(x: float, x0: float, y: float, y0: float) -> NDArray[np.float64]:
    """DETX along RAWY and DETY along RAWX."""
    return np.array([[0.0, x, x0], [y, 0.0, y0]])


_MOS1 = {
    1: _upright(22.0159, -6615.7, 22.0152, -6615.6),
    2: _turned(-22.0218, 13125.5, 22.0219, -20175.0),
    3: _turned(-22.0214, 19883.9, 22.0214, -6922.7),
    4: _turned(-22.0219, 13189.1, 22.0211, 6408.9),
    5: _turned(22.0217, -13029.4, -22.0219, 19721.5),
    6: _turned(22.0226, -19798.2, -22.0226, 6518.7),
    7: _turned(22.0218, -13143.6, -22.0212, -6844.1),
}
_MOS2 = {
    1: _upright(22.0178, -6616.2, 22.0173, -6616.3),
    2: _turned(-22.0231, 13255.6, 22.0233, -20030.6),
    3: _turned(-22.0240, 19991.0, 22.0230, -6852.2),
    4: _turned(-22.0231, 13228.8, 22.0238, 6521.3),
    5: _turned(22.0236, -13201.7, -22.0233, 19789.4),
    6: _turned(22.0231, -19859.1, -22.0232, 6551.9),
    7: _turned(22.0237, -13320.1, -22.0230, -6812.8),
}

# Units of 0.05 arcsec, at 5, 15, 25 ... deg; sectors without CCD are interpolated.
_RIM1 = (
    -35, -23, -3, 17, 37, 27, 33, -21, -64, -52, -45, -47, -35, -53, -55, -58, -62, -97,
    -49, -1, -13, -25, -37, 66, 80, 80, 60, 60, 60, 46, -86, -89, -70, -52, -29, -7,
)  # fmt: skip
_RIM2 = (
    14, -32, -39, -46, -54, 35, 1, -5, -90, -57, 51, -2, -17, -26, -31, -37, -42, -54,
    -57, -74, -56, -18, 38, 80, 80, 60, 60, 60, 60, 60, -19, 26, 21, 15, 10, -34,
)  # fmt: skip
_SIDES1 = {
    1: {"x0": (4, 6, 7, 6, 5, 5, 4, 4), "y1": (591, 591, 590, 590, 585, 585, 585, 585)},
    2: {"x1": (594, 594, 594, 596, 596, 596, 596, 596), "y0": (3,) * 8, "y1": (589,) * 8},
    4: {"y1": (586, 586, 587, 587, 588, 588, 588, 588)},
    5: {"y0": (3,) * 8},
    6: {"x0": (3, 3, 3, 3, 5, 8, 8, 8)},
}
_SIDES2 = {
    1: {"x0": (2, 2, 2, 2, 2, 2, 5, 5), "y1": (592, 592, 592, 592, 591, 591, 591, 591)},
    2: {"x1": (595, 594, 593, 592, 596, 596, 597, 597), "y0": (10,) * 8},
    4: {"y0": (10,) * 8, "y1": (597,) * 8},
    5: {"y0": (3,) * 8},
    7: {"y0": (5,) * 8},
}

CAMERAS: Mapping[str, Camera] = MappingProxyType(
    {
        "M1": Camera(
            shape=(600, 600),
            boresight=(-1409.3, -1405.5),
            axes=((-1.0, 0.0), (0.0, 1.0)),
            turn_deg=0.003,
            optical_axis=(175.0, 469.0),
            circles=((97.0, -172.0, 17152.0),),
            rim=_RIM1,
            boxes=((-2683.5, -15917.0, 2780.5, 1340.0), (2743.5, -16051.0, 2579.5, 1340.0)),
            ccds=MappingProxyType(_MOS1),
            border=(2, 597, 2, 599),
            sides=MappingProxyType(_SIDES1),
            dispersion=(0.0, -1.0),
        ),
        "M2": Camera(
            shape=(600, 600),
            boresight=(1228.4, -1631.7),
            axes=((0.0, -1.0), (-1.0, 0.0)),
            turn_deg=-0.290,
            optical_axis=(222.0, -1194.0),
            circles=((-61.0, -228.0, 17085.0),),
            rim=_RIM2,
            boxes=((14.4, -16567.6, 5552.6, 795.6),),
            ccds=MappingProxyType(_MOS2),
            border=(2, 597, 2, 599),
            sides=MappingProxyType(_SIDES2),
            dispersion=(1.0, 0.0),
        ),
        "PN": Camera(
            shape=(200, 64),
            boresight=(np.nan, np.nan),
            axes=((-1.0, 0.0), (0.0, 1.0)),
            turn_deg=0.0,
            optical_axis=(np.nan, np.nan),
            circles=((-2200.0, -1110.0, 17980.0),),
            limits=(-2196.0, -1110.0, 16060.0, 15510.0),
        ),
    }
)


_PN_UNITS = 82.0  # pixel of pn, in units of 0.05 arcsec
_PN_PITCH, _PN_CROSS = 65.0, 3.0  # pixels from one CCD to the next, and more between the halves
_PN_CENTRE = (-2196.0, -1110.0)  # DETX, DETY of the middle of the camera
_PN_ROWS = ((3, 2, 1, 4, 5, 6), (12, 11, 10, 7, 8, 9))
_PN_AIM = (36.0, 190.0)  # RAWX, RAWY on CCD 4
_PN_AXIS = (1480.0, 1960.0)  # DETX, DETY of the optical axis, from the boresight


def nominal_pn() -> Camera:
    """Nominal geometry of the pn camera: see the head of this module."""
    tables = {}
    for row, numbers in enumerate(_PN_ROWS):
        sign = -1.0 if row == 0 else 1.0  # rows are counted from the outer edge inwards
        for column, number in enumerate(numbers):
            x = (column - 2.5) * _PN_PITCH + (_PN_CROSS / 2 if column > 2 else -_PN_CROSS / 2) - 32.5
            matrix = np.array([[1.0, 0.0, x], [0.0, sign, -sign * (200.5 + _PN_CROSS / 2)]]) * _PN_UNITS
            matrix[:, 2] += _PN_CENTRE
            tables[number] = matrix
    boresight = tables[4] @ np.array([*_PN_AIM, 1.0])
    axis = boresight + np.array(_PN_AXIS)
    return replace(
        CAMERAS["PN"],
        boresight=(float(boresight[0]), float(boresight[1])),
        optical_axis=(float(axis[0]), float(axis[1])),
        ccds=dict(sorted(tables.items())),
    )


def ccd_from_events(raw: NDArray[Any], det: NDArray[Any]) -> NDArray[np.float64] | None:
    """RAW to DET relation [2, 3] of a CCD, by least squares on events; None if there are too few of them.

    Parameters
    ----------
    raw, det : ndarray[n, 2]
        RAWX, RAWY and DETX, DETY.
    """
    if len(raw) < 30 or min(np.ptp(raw, axis=0)) < 10:
        return None
    design = np.column_stack([raw, np.ones(len(raw))]).astype(np.float64)
    return np.asarray(np.linalg.lstsq(design, det.astype(np.float64), rcond=None)[0].T, dtype=np.float64)


def field_of_view(camera: Camera, ccd: int) -> NDArray[np.bool_]:
    """Pixels of a CCD [rows, columns] that are read out and whose centres see the sky."""
    rows, columns = camera.shape
    x, y = np.meshgrid(np.arange(1.0, columns + 1), np.arange(1.0, rows + 1))
    raw_to_det = camera.ccds[ccd]
    dx, dy = (m[0] * x + m[1] * y + m[2] for m in raw_to_det)
    seen = np.zeros(camera.shape, dtype=bool)
    for cx, cy, radius in camera.circles:
        step = 360.0 / len(camera.rim)
        azimuth = np.degrees(np.arctan2(dy - cy, dx - cx))
        rim = np.interp(azimuth, step * (np.arange(len(camera.rim)) + 0.5), camera.rim, period=360.0)
        seen |= np.hypot(dx - cx, dy - cy) <= radius + rim
    for cx, cy, width, height in camera.boxes:
        seen |= (np.abs(dx - cx) <= width) & (np.abs(dy - cy) <= height)
    if camera.limits is not None:
        cx, cy, width, height = camera.limits
        seen &= (np.abs(dx - cx) <= width) & (np.abs(dy - cy) <= height)
    if camera.border is not None:
        x0, x1, y0, y1 = camera.border
        sides = camera.sides.get(ccd, {})

        def limit(side: str, usual: int, along: NDArray[np.float64], length: int) -> NDArray[Any]:
            """First or last good row or column at each pixel."""
            parts = np.array(sides.get(side, (usual,)))
            return parts[np.minimum((along - 1) * len(parts) // length, len(parts) - 1).astype(int)]

        seen &= (x >= limit("x0", x0, y, rows)) & (x <= limit("x1", x1, y, rows))
        seen &= (y >= limit("y0", y0, x, columns)) & (y <= limit("y1", y1, x, columns))
    return seen
