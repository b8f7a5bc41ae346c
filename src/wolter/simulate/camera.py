"""Photons on a camera: chips and their pixels, a wandering pointing, vignetting, bad pixels, background, dead time.

Missions describe a camera with data; what happens to a photon is written here once. Angles (u, v) on the camera are in
arcsec from the boresight in the tangent plane; v has the position angle `roll`, u lies west of it, as in
`wolter.makers.aspect`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wolter.simulate.photons import draw_channels, draw_photon_bins, live_events, times_in_gti
from wolter.simulate.shapes import SourceShape, draw_king_radii

if TYPE_CHECKING:
    from wolter.data import ARF, RMF
    from wolter.gti import GTI

__all__ = [
    "Camera",
    "Chip",
    "Detected",
    "Pointing",
    "detect",
    "quaternions",
    "sky_of_angles",
    "wandering_pointing",
]

Float = NDArray[np.float64]
_ARCSEC = math.pi / 180.0 / 3600.0


@dataclass(frozen=True, eq=False)
class Chip:
    """A rectangle of pixels.

    Attributes
    ----------
    number : int
        As the column of CCD numbers has it.
    first, last : tuple of int
        Lowest and highest pixel (x, y).
    to_angle : ndarray, shape (2, 3)
        Angles (arcsec): ``to_angle @ (x, y, 1)``, for pixel centres at whole numbers.
    bad : ndarray of int, shape (n, 2)
        Pixels that record nothing.
    mask : ndarray of bool, shape (nx, ny), optional
        Pixels that see the sky.
    """

    number: int
    first: tuple[int, int]
    last: tuple[int, int]
    to_angle: Float
    bad: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), dtype=np.int64))
    mask: NDArray[np.bool_] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Number of pixels (x, y)."""
        return self.last[0] - self.first[0] + 1, self.last[1] - self.first[1] + 1

    @property
    def pixel_area(self) -> float:
        """Solid angle of a pixel, arcmin^2."""
        return float(abs(np.linalg.det(self.to_angle[:, :2]))) / 3600.0

    def good(self) -> NDArray[np.bool_]:
        """Pixels that work and see the sky, [nx, ny]."""
        out = np.ones(self.shape, dtype=bool) if self.mask is None else self.mask.copy()
        if len(self.bad):
            out[self.bad[:, 0] - self.first[0], self.bad[:, 1] - self.first[1]] = False
        return out

    def angles(self, x: Float, y: Float) -> tuple[Float, Float]:
        """Angles (arcsec) of pixel positions."""
        m = self.to_angle
        return m[0, 0] * x + m[0, 1] * y + m[0, 2], m[1, 0] * x + m[1, 1] * y + m[1, 2]

    def pixels(self, u: Float, v: Float) -> tuple[Float, Float]:
        """Pixel positions of angles (arcsec)."""
        m = np.linalg.inv(self.to_angle[:, :2])
        du, dv = u - self.to_angle[0, 2], v - self.to_angle[1, 2]
        return m[0, 0] * du + m[0, 1] * dv, m[1, 0] * du + m[1, 1] * dv


@dataclass(frozen=True, eq=False)
class Camera:
    """What a simulation needs to know of a camera and its telescope.

    Attributes
    ----------
    chips : tuple of Chip
    axis : tuple of float
        Optical axis (u, v), arcsec.
    psf : tuple of float
        King profile: core radius (arcsec), slope, cut-off (arcsec).
    vignetting : callable or None
        ``(off_axis_arcmin[n], azimuth_deg[n], energy_kev) -> factor[n]``, 1 on axis; azimuth from u towards v.
    field_arcmin : float
        Radius of the field of view.
    field_centre : tuple of float or None
        Its centre (u, v), arcsec; None: the optical axis.
    background : tuple of float
        Counts s^-1 arcmin^-2 in the band, slope of the counts over energy (E^-slope).
    band : tuple of float
        Energies (keV) between which the background rate is meant.
    live_fraction : float
        Constant part of the time during which events are recorded.
    dead_time : float
        Blind time (s) after each recorded event.
    """

    chips: tuple[Chip, ...]
    axis: tuple[float, float] = (0.0, 0.0)
    psf: tuple[float, float, float] = (5.0, 1.5, 600.0)
    vignetting: Callable[[Float, Float, float], Float] | None = None
    field_arcmin: float = np.inf
    field_centre: tuple[float, float] | None = None
    background: tuple[float, float] = (1e-4, 1.0)
    band: tuple[float, float] = (0.5, 10.0)
    live_fraction: float = 1.0
    dead_time: float = 0.0

    def in_field(self, u: Float, v: Float) -> NDArray[np.bool_]:
        """Whether angles (arcsec) lie in the field of view."""
        u0, v0 = self.axis if self.field_centre is None else self.field_centre
        return np.hypot(u - u0, v - v0) <= self.field_arcmin * 60.0

    def locate(self, u: Float, v: Float) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Index of the chip (-1: none) and whole pixel of angles (arcsec); bad pixels and gaps record nothing."""
        chip = np.full(len(u), -1, dtype=np.int64)
        x, y = np.zeros(len(u), dtype=np.int64), np.zeros(len(u), dtype=np.int64)
        seen = self.in_field(u, v)
        for k, one in enumerate(self.chips):
            px, py = (np.floor(p + 0.5).astype(np.int64) for p in one.pixels(u, v))
            inside = (px >= one.first[0]) & (px <= one.last[0]) & (py >= one.first[1]) & (py <= one.last[1])
            hit = np.flatnonzero(inside & seen & (chip < 0))
            hit = hit[one.good()[px[hit] - one.first[0], py[hit] - one.first[1]]]
            chip[hit], x[hit], y[hit] = k, px[hit], py[hit]
        return chip, x, y


@dataclass(frozen=True, eq=False)
class Pointing:
    """Where the boresight points: samples in time, linear in between.

    Attributes
    ----------
    time : ndarray[n]
        Mission time (s), ascending.
    ra, dec, roll : ndarray[n]
        Boresight and position angle of the v axis (deg).
    """

    time: Float
    ra: Float
    dec: Float
    roll: Float

    def at(self, time: Float) -> tuple[Float, Float, Float]:
        """Unit vectors u, v and boresight [n, 3] at some times."""
        from wolter.makers.aspect import frame_vectors

        return frame_vectors(*(np.interp(time, self.time, c) for c in (self.ra, self.dec, self.roll)))


@dataclass(frozen=True, eq=False)
class Detected:
    """Recorded events, in order of time.

    Attributes
    ----------
    time : ndarray[n]
        Mission time (s).
    channel : ndarray[n]
        Energy channel.
    chip : ndarray[n]
        Index into the camera's chips.
    x, y : ndarray[n]
        Pixel on the chip.
    u, v : ndarray[n]
        Angles (arcsec) of the position within the pixel, drawn at random as the pipelines do.
    ra, dec : ndarray[n]
        Sky position (deg) of that.
    source : ndarray[n]
        Whether the event is a photon of the source.
    """

    time: Float
    channel: NDArray[np.int64]
    chip: NDArray[np.int64]
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    u: Float
    v: Float
    ra: Float
    dec: Float
    source: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.time)


def wandering_pointing(
    gti: GTI,
    ra: float,
    dec: float,
    roll: float,
    rng: np.random.Generator,
    *,
    step: float,
    jitter: float,
    roll_jitter: float = 0.0,
    time: Float | None = None,
) -> Pointing:
    """A pointing that drifts slowly around a target and shakes a little.

    Parameters
    ----------
    gti : GTI
        The samples span it.
    ra, dec, roll : float
        Mean boresight and roll (deg).
    step : float
        Distance of samples (s).
    jitter : float
        Root mean square offset per axis (arcsec): three quarters of its variance drifts with periods around 1500 s,
        the rest changes within half a minute.
    roll_jitter : float
        The same in roll (arcsec).
    time : ndarray, optional
        Sample times to use.
    """
    if time is None:
        lo, hi = gti.span
        time = np.arange(lo - step, hi + 2.0 * step, step)
    offsets = []
    for scale in (jitter, jitter, roll_jitter):
        slow = np.sin(2.0 * np.pi * (time / rng.uniform(1200.0, 1800.0) + rng.random()))
        fast = np.interp(time, (grid := np.arange(time[0], time[-1] + 60.0, 30.0)), rng.normal(0.0, 1.0, len(grid)))
        offsets.append(scale / 3600.0 * (np.sqrt(1.5) * slow + 0.5 * fast))
    return Pointing(
        np.asarray(time, dtype=float),
        ra + offsets[0] / np.cos(np.radians(dec)),
        dec + offsets[1],
        roll + offsets[2],
    )


def quaternions(pointing: Pointing) -> Float:
    """Attitude as quaternions [n, 4], scalar last: they turn x, y, z to v, u and the boresight (a right-handed set)."""
    from scipy.spatial.transform import Rotation

    u, v, b = pointing.at(pointing.time)
    return Rotation.from_matrix(np.stack([v, u, b], axis=-1)).as_quat()


def _directions(ra: float, dec: float, dx: Float, dy: Float) -> Float:
    """Unit vectors [n, 3] at tangent-plane offsets (arcsec, east and north) from a position (deg)."""
    from wolter.makers.aspect import frame_vectors

    west, north, centre = frame_vectors(ra, dec, 0.0)
    n = centre - (dx * _ARCSEC)[:, None] * west + (dy * _ARCSEC)[:, None] * north
    return n / np.linalg.norm(n, axis=1, keepdims=True)


def _angles(frame: tuple[Float, Float, Float], n: Float) -> tuple[Float, Float]:
    """Camera angles (arcsec) of directions."""
    u, v, b = (np.einsum("ij,ij->i", axis, n) for axis in frame)
    return u / b / _ARCSEC, v / b / _ARCSEC


def sky_of_angles(frame: tuple[Float, Float, Float], u: Float, v: Float) -> tuple[Float, Float]:
    """Right ascension and declination (deg) of camera angles (arcsec)."""
    n = frame[2] + (u * _ARCSEC)[:, None] * frame[0] + (v * _ARCSEC)[:, None] * frame[1]
    n /= np.linalg.norm(n, axis=1, keepdims=True)
    return np.degrees(np.arctan2(n[:, 1], n[:, 0])) % 360.0, np.degrees(np.arcsin(np.clip(n[:, 2], -1.0, 1.0)))


def detect(
    camera: Camera,
    rmf: RMF,
    arf: ARF,
    flux: Float,
    position: tuple[float, float],
    shape: SourceShape,
    pointing: Pointing,
    gti: GTI,
    rng: np.random.Generator,
    *,
    chip_gti: Mapping[int, GTI] | None = None,
) -> Detected:
    """Events that a camera records of a source and of its own background.

    Parameters
    ----------
    camera : Camera
    rmf, arf : RMF, ARF
        Response on axis: the area without losses by vignetting, gaps or bad pixels.
    flux : ndarray
        Photons cm^-2 s^-1 per energy bin of the responses.
    position : tuple of float
        Right ascension and declination of the source (deg).
    shape : SourceShape
    pointing : Pointing
    gti : GTI
        Good time; photons arrive at constant rate.
    rng : numpy.random.Generator
    chip_gti : mapping of int to GTI, optional
        Good time of single chips, by chip number, within `gti`.

    Returns
    -------
    Detected

    Notes
    -----
    Photons are drawn for the area on axis; one is lost with the vignetting of the place it comes from, or by falling on
    a gap, a bad pixel, beside the field, or into dead time. Pile-up and out-of-time events are not simulated.
    """
    bins = draw_photon_bins(flux, np.asarray(arf.specresp), gti.exposure, rng)
    channel, kept = draw_channels(rmf, bins, rng)
    bins = bins[kept]
    number = len(bins)
    time = rng.permutation(times_in_gti(gti, number, rng))
    dx, dy = shape.draw(number, rng)
    frame = pointing.at(time)
    if camera.vignetting is not None:
        u, v = _angles(frame, _directions(*position, dx, dy))
        energy = 0.5 * (np.asarray(rmf.energ_lo) + np.asarray(rmf.energ_hi))[bins]
        seen = rng.random(number) < _vignetting(camera, u, v, energy)
        time, dx, dy, channel = time[seen], dx[seen], dy[seen], channel[seen]
        frame = (frame[0][seen], frame[1][seen], frame[2][seen])
    core, slope, limit = camera.psf
    radius = draw_king_radii(len(time), core, slope, rng, limit=limit)
    theta = rng.uniform(0.0, 2.0 * np.pi, len(time))
    directions = _directions(*position, dx + radius * np.cos(theta), dy + radius * np.sin(theta))
    chip, x, y = camera.locate(*_angles(frame, directions))
    hit = chip >= 0
    parts = [(time[hit], channel[hit], chip[hit], x[hit], y[hit], np.ones(int(hit.sum()), dtype=bool))]
    parts.append(_background(camera, rmf, gti, rng))
    time, channel, chip, x, y, source = (np.concatenate(c) for c in zip(*parts, strict=True))
    good = _recorded(camera, time, chip, rng, chip_gti)
    time, channel, chip, x, y, source = (c[good] for c in (time, channel, chip, x, y, source))
    u, v = np.empty(len(time)), np.empty(len(time))
    jx, jy = rng.uniform(-0.5, 0.5, (2, len(time)))
    for k, one in enumerate(camera.chips):
        mine = chip == k
        u[mine], v[mine] = one.angles(x[mine] + jx[mine], y[mine] + jy[mine])
    ra, dec = sky_of_angles(pointing.at(time), u, v)
    return Detected(time, channel, chip, x, y, u, v, ra, dec, source)


def _vignetting(camera: Camera, u: Float, v: Float, energy: Float, steps: int = 24) -> Float:
    """Vignetting of photons from directions (u, v), arcsec, at their energies (keV), in steps of equal numbers."""
    assert camera.vignetting is not None
    u, v = u - camera.axis[0], v - camera.axis[1]
    off_axis, azimuth = np.hypot(u, v) / 60.0, np.degrees(np.arctan2(v, u))
    out = np.empty(len(u))
    for part in np.array_split(np.argsort(energy), steps):
        if len(part):
            out[part] = camera.vignetting(off_axis[part], azimuth[part], float(energy[part].mean()))
    return out


def _recorded(
    camera: Camera,
    time: Float,
    chip: NDArray[np.int64],
    rng: np.random.Generator,
    chip_gti: Mapping[int, GTI] | None,
) -> NDArray[np.int64]:
    """Indices, in order of time, of events that fall neither into dead time nor into a chip's own bad time."""
    order = np.argsort(time, kind="stable")
    if chip_gti:
        bad = np.zeros(len(time), dtype=bool)
        for k, one in enumerate(camera.chips):
            if one.number in chip_gti:
                mine = chip == k
                bad[mine] = ~chip_gti[one.number].contains(time[mine])
        order = order[~bad[order]]
    if camera.live_fraction < 1.0:
        order = order[rng.random(len(order)) < camera.live_fraction]
    return order[live_events(time[order], camera.dead_time)]


def _background(
    camera: Camera, rmf: RMF, gti: GTI, rng: np.random.Generator
) -> tuple[Float, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Time, channel, chip, pixel of background events: even over the working pixels, power law in counts."""
    rate, slope = camera.background
    e_min, e_max = np.asarray(rmf.e_min), np.asarray(rmf.e_max)
    middle = np.maximum(0.5 * (e_min + e_max), 1e-3)
    shape = np.where(middle >= 0.8 * camera.band[0], (e_max - e_min) * middle**-slope, 0.0)
    in_band = (e_min >= camera.band[0] - 1e-9) & (e_max <= camera.band[1] + 1e-9)
    channels, chips, xs, ys = [], [], [], []
    for k, one in enumerate(camera.chips):
        px, py = (p + f for p, f in zip(np.nonzero(one.good()), one.first, strict=True))
        seen = camera.in_field(*one.angles(px.astype(float), py.astype(float)))
        px, py = px[seen], py[seen]
        mean = rate * len(px) * one.pixel_area * gti.exposure * shape / shape[in_band].sum()
        channel = np.repeat(np.arange(len(shape)) + rmf.first_channel, rng.poisson(mean))
        where = rng.integers(0, max(len(px), 1), len(channel))
        channels.append(channel)
        chips.append(np.full(len(channel), k))
        xs.append(px[where] if len(channel) else np.empty(0, dtype=np.int64))
        ys.append(py[where] if len(channel) else np.empty(0, dtype=np.int64))
    channel = np.concatenate(channels)
    time = rng.permutation(times_in_gti(gti, len(channel), rng))
    return time, channel, np.concatenate(chips), np.concatenate(xs), np.concatenate(ys), np.zeros(len(channel), bool)
