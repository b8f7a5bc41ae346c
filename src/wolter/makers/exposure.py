"""Exposure maps: attitude histogram times instrument map, for any telescope.

A map is ``sum over attitudes of (live seconds x sensitivity of the detector pixel that saw this part of the sky)``.
Attitudes that differ only by a shift share one projection of the detector, which is then convolved with the histogram
of the shifts; so the cost does not grow with the number of attitude samples. Bad pixels that come and go split the
time into epochs; every CCD may have good times and live fractions of its own. Vignetting multiplies the projected map
at the off-axis angle of each sky pixel, so that maps of several energies cost one projection.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter._progress import each
from wolter.data import ExposureMap, ImageGrid
from wolter.errors import DataError
from wolter.gti import GTI
from wolter.makers.aspect import Attitude, LiveTime, cell_seconds, frame_vectors
from wolter.makers.projection import (
    Window,
    apply,
    detector_to_pixel,
    footprint,
    pixel_directions,
    project,
    shift_sum,
)
from wolter.units import is_quantity, to_kev, to_range_kev

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["BadArea", "DetectorPlane", "ExposureInputs", "exposure_map", "exposure_maps"]

_ROTATION = 0.25  # pixels that the edge of the field may move by rotation within one group of shifts

Vignetting = Callable[[NDArray[np.float64], NDArray[np.float64], float], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class BadArea:
    """Detector pixels that are not used during some time.

    Attributes
    ----------
    pixels : ndarray of int
        Flat indices (row-major) into the mask.
    start, stop : float
        When they are bad, s; by default always.
    """

    pixels: NDArray[np.intp]
    start: float = -np.inf
    stop: float = np.inf


@dataclass(frozen=True, eq=False)
class DetectorPlane:
    """One CCD, or a whole detector: its sensitive pixels and how they lie in the focal plane.

    Attributes
    ----------
    name : str
        For messages.
    mask : ndarray[ny, nx]
        Sensitivity of each pixel, 0 to 1: active area, field of view, quantum efficiency relative to the best pixel.
    to_angle : ndarray[2, 3]
        Angles (u, v), arcsec from the boresight, of the centre of pixel (x, y) counted from zero:
        ``to_angle @ (x, y, 1)``. A frame seen mirrored has a negative determinant.
    bad : sequence of BadArea
        Bad pixels.
    gti : GTI or None
        Good times of this CCD; None: those of the inputs.
    live : LiveTime or None
        Its live fraction; None: that of the inputs.
    """

    name: str
    mask: NDArray[np.float32]
    to_angle: NDArray[np.float64]
    bad: Sequence[BadArea] = ()
    gti: GTI | None = None
    live: LiveTime | None = None

    def epochs(self, gti: GTI) -> list[tuple[GTI, NDArray[np.float32]]]:
        """Good times and masks between which the bad pixels change; equal masks are put together."""
        lo, hi = gti.span
        cuts = sorted({t for b in self.bad for t in (b.start, b.stop) if lo < t < hi})
        groups: dict[bytes, tuple[list[tuple[float, float]], NDArray[np.float32]]] = {}
        edges = [lo, *cuts, hi]
        for start, stop in itertools.pairwise(edges):
            middle = 0.5 * (start + stop)
            active = [b for b in self.bad if b.start <= middle <= b.stop]
            key = np.array([id(b) for b in active]).tobytes()
            if key not in groups:
                mask = np.array(self.mask, dtype=np.float32)
                for area in active:
                    mask.ravel()[area.pixels] = 0.0
                groups[key] = ([], mask)
            groups[key][0].append((start, stop))
        out = []
        for times, mask in groups.values():
            part = gti & GTI([t[0] for t in times], [t[1] for t in times])
            if part.exposure > 0:
                out.append((part, mask))
        return out


@dataclass(frozen=True, eq=False)
class ExposureInputs:
    """What an exposure map is made of.

    Attributes
    ----------
    planes : tuple of DetectorPlane
        CCDs of the detector.
    attitude : Attitude
        Pointing of the boresight (u = v = 0).
    gti : GTI
        Good times.
    live : LiveTime
        Live fraction.
    optical_axis : tuple of float
        Angles (u, v) of the optical axis, arcsec.
    vignetting : callable or None
        ``(off_axis_arcmin[n], azimuth_deg[n], energy_kev) -> factor[n]``; the azimuth is that of the detector frame,
        from u to v.
    attitude_bin : float
        Pointings within so many arcsec count as one.
    direct : int
        So many distinct pointings are projected one by one, more of them as shifts of one projection.
    header : Header
        Keywords of the map: telescope, instrument, observation, times.
    assumptions : tuple of str
        What had to be assumed, for HISTORY and messages.
    """

    planes: tuple[DetectorPlane, ...]
    attitude: Attitude
    gti: GTI
    live: LiveTime = field(default_factory=lambda: LiveTime.constant(1.0))
    optical_axis: tuple[float, float] = (0.0, 0.0)
    vignetting: Vignetting | None = None
    attitude_bin: float = 1.0
    direct: int = 4
    header: fits.Header = field(default_factory=fits.Header)
    assumptions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.planes:
            raise DataError("the detector has no sensitive plane")
        for plane in self.planes:
            if np.shape(plane.to_angle) != (2, 3) or np.ndim(plane.mask) != 2:
                raise DataError(f"plane {plane.name}: a mask [ny, nx] and angles [2, 3] are needed")


def exposure_map(
    inputs: ExposureInputs, grid: ImageGrid | Any, *, energy: Any = None, vignetting: bool = True
) -> ExposureMap:
    """Exposure of each pixel of an image.

    Parameters
    ----------
    inputs : ExposureInputs
        Detector, attitude, good times.
    grid : ImageGrid or Image
        Pixels of the map: a grid, or an image whose pixels are meant.
    energy : Quantity, optional
        Energy, or pair of energies of a band (then its middle), at which vignetting is taken; needed for it.
    vignetting : bool
        Whether the map falls off with the effective area; without it, it is plain live time.

    Returns
    -------
    ExposureMap
        Seconds.

    Raises
    ------
    DataError
        If the attitude does not cover the good time, or the image lies outside the field.
    UnitError
        If the energy is a bare number.
    """
    return exposure_maps(inputs, grid, [energy], vignetting=vignetting)[0]


def exposure_maps(
    inputs: ExposureInputs,
    grid: ImageGrid | Any,
    energies: Sequence[Any],
    *,
    vignetting: bool = True,
    executor: Executor | None = None,
) -> list[ExposureMap]:
    """Exposure maps at several energies, for the cost of one projection; see `exposure_map`.

    Parameters
    ----------
    energies : sequence of Quantity
        Energies or bands.
    executor : concurrent.futures.Executor, optional
        Runs the CCDs in parallel.
    """
    grid = ImageGrid.of(grid)
    bands = [_band(e) for e in energies]
    factors: list[float | None] = [None] * len(bands)
    if vignetting:
        factors = [_effective(inputs, band) for band in bands]
    directions = pixel_directions(grid)
    inputs.attitude.check(inputs.gti)
    unique = list(dict.fromkeys(factors))
    jobs = [(inputs, plane, grid.shape, directions, unique) for plane in inputs.planes]
    parts = each(_plane_map, jobs, "making exposure maps", executor=executor)
    totals = {e: np.sum([part[k] for part in parts], axis=0) for k, e in enumerate(unique)}
    if not any(t.any() for t in totals.values()):
        _outside(inputs, grid, directions)
    return [_product(inputs, grid, totals[e], band, e is not None) for e, band in zip(factors, bands, strict=True)]


def _band(energy: Any) -> tuple[float, float] | None:
    """Energy band, keV; a single energy is a band without width."""
    if energy is None:
        return None
    if isinstance(energy, (tuple, list)) or (is_quantity(energy) and np.ndim(energy.value) == 1):
        low, high = to_range_kev(energy)
        return float(low), float(high)
    value = float(to_kev(energy))
    return value, value


def _effective(inputs: ExposureInputs, band: tuple[float, float] | None) -> float:
    """Energy (keV) that stands for a band."""
    if inputs.vignetting is None:
        raise DataError(
            "the vignetting of this telescope is not known", cure="Ask for vignetting=False: plain live time."
        )
    if band is None:
        raise DataError(
            "vignetting depends on energy, and none is given",
            cure="Give energy=(0.5, 2) * u.keV, or vignetting=False for plain live time.",
        )
    if not band[0] > 0 or band[1] < band[0]:
        raise DataError(f"{band[0]:g} to {band[1]:g} keV is not an energy band")
    return 0.5 * (band[0] + band[1])


def _plane_map(job: tuple[ExposureInputs, DetectorPlane, tuple[int, int], Any, list[float | None]]) -> list[Any]:
    """Maps [ny, nx] of one CCD at several energies (None: no vignetting)."""
    inputs, plane, shape, directions, energies = job
    totals = [np.zeros(shape) for _ in energies]
    good = inputs.gti if plane.gti is None else plane.gti & inputs.gti
    if good.exposure <= 0:
        return totals
    for gti, mask in plane.epochs(good):
        seconds = cell_seconds(inputs.attitude, gti, plane.live or inputs.live)
        for ra, dec, roll, weight in _groups(inputs, plane, seconds, shape, directions):
            _add_group(totals, inputs, plane, mask, (ra, dec, roll, weight), shape, directions, energies)
    return totals


def _groups(
    inputs: ExposureInputs, plane: DetectorPlane, seconds: NDArray[np.float64], shape: tuple[int, int], directions: Any
) -> list[tuple[Any, Any, Any, Any]]:
    """Distinct attitudes with their seconds, in groups of (nearly) one orientation on the image.

    Pointings are binned by `attitude_bin`, with the mean of their samples as the attitude of a bin.
    """
    att = inputs.attitude
    used = seconds > 0
    ra, dec, roll, weight = att.ra[used], att.dec[used], att.roll[used], seconds[used]
    if len(ra) == 0:
        return []
    _, v, bore = frame_vectors(ra, dec, roll)
    pixel = np.linalg.inv(directions) @ bore.T
    x, y = pixel[0] / pixel[2], pixel[1] / pixel[2]
    above = np.linalg.inv(directions) @ (bore + 1e-4 * v).T
    angle = np.unwrap(np.arctan2(above[1] / above[2] - y, above[0] / above[2] - x))
    scale = float(np.linalg.norm(directions[:, 0]) * 180 / np.pi * 3600)
    ny, nx = plane.mask.shape
    corners = plane.to_angle @ np.array([[0, nx, 0, nx], [0, 0, ny, ny], [1, 1, 1, 1]], dtype=float)
    reach = float(np.hypot(*corners).max()) / scale  # pixels from the boresight to the far corner
    turn = 2 * _ROTATION / max(reach, 1.0)
    step = max(inputs.attitude_bin / scale, 1e-6)
    keys = np.stack([_bins(x, weight, step), _bins(y, weight, step), _bins(angle, weight, turn)], axis=1)
    bins, index = np.unique(keys, axis=0, return_inverse=True)
    index = index.ravel()
    total = np.bincount(index, weight)
    # Bins are small: the mean direction and roll of their samples are plain means of near neighbours.
    first = np.zeros(len(bins), int)
    first[index[::-1]] = np.arange(len(index))[::-1]

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        near = values[first][index]
        delta = (values - near + 180.0) % 360.0 - 180.0
        return values[first] + np.bincount(index, weight * delta) / total

    means = mean(ra), mean(dec), mean(roll)
    groups = []
    for key in np.unique(bins[:, 2]):
        members = bins[:, 2] == key
        groups.append((*(m[members] for m in means), total[members]))
    if len(bins) <= inputs.direct:
        return [tuple(part[k : k + 1] for part in group) for group in groups for k in range(len(group[0]))]  # type: ignore[misc]
    return groups


def _bins(values: NDArray[np.float64], weight: NDArray[np.float64], step: float) -> NDArray[np.int64]:
    """Number of the bin of each value; one bin is centred on the weighted median, where most of the time is spent."""
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    middle = values[order][np.searchsorted(total, 0.5 * total[-1])]
    return np.floor((values - middle) / step + 0.5).astype(np.int64)


def _add_group(
    totals: list[NDArray[np.float64]],
    inputs: ExposureInputs,
    plane: DetectorPlane,
    mask: NDArray[np.float32],
    group: tuple[Any, Any, Any, Any],
    shape: tuple[int, int],
    directions: NDArray[np.float64],
    energies: list[float | None],
) -> None:
    """Add the map of one group of attitudes, projected once."""
    ra, dec, roll, weight = group
    back = np.linalg.inv(directions)
    bore = back @ frame_vectors(ra, dec, roll)[2].T
    x, y = bore[0] / bore[2], bore[1] / bore[2]
    best = int(np.argmin(np.hypot(x - np.average(x, weights=weight), y - np.average(y, weights=weight))))
    shifts = np.stack([x - x[best], y - y[best]], axis=1)
    frame = tuple(part[0] for part in frame_vectors(ra[best : best + 1], dec[best : best + 1], roll[best : best + 1]))
    matrix = detector_to_pixel(directions, frame, plane.to_angle)  # type: ignore[arg-type]
    window = _window(matrix, mask.shape, shifts, shape)
    if window is None:
        return
    image = project(mask, matrix, window)
    single = len(weight) == 1
    for total, energy in zip(totals, energies, strict=True):
        shown = image if energy is None else image * _vignetting(inputs, directions, frame, window, energy)
        if single:
            total[window.y0 : window.y0 + window.ny, window.x0 : window.x0 + window.nx] += weight[0] * shown
        else:
            total += shift_sum(shown.astype(np.float32), window, shifts, weight, shape)


def _window(
    matrix: NDArray[np.float64], mask: tuple[int, int], shifts: NDArray[np.float64], shape: tuple[int, int]
) -> Window | None:
    """Part of the plane of the image where the detector lies and from which shifts lead onto the image."""
    x0, x1, y0, y1 = footprint(matrix, mask)
    ny, nx = shape
    (sx0, sy0), (sx1, sy1) = shifts.min(axis=0), shifts.max(axis=0)
    if len(shifts) == 1:
        sx0 = sx1 = sy0 = sy1 = 0.0
    i0, i1 = max(np.floor(x0), np.floor(-sx1) - 1 if sx1 or sx0 else 0), min(np.ceil(x1), np.ceil(nx - 1 - sx0))
    j0, j1 = max(np.floor(y0), np.floor(-sy1) - 1 if sy1 or sy0 else 0), min(np.ceil(y1), np.ceil(ny - 1 - sy0))
    if i1 < i0 or j1 < j0:
        return None
    return Window(int(i0), int(j0), int(i1 - i0) + 1, int(j1 - j0) + 1)


def _vignetting(
    inputs: ExposureInputs, directions: NDArray[np.float64], frame: Any, window: Window, energy: float
) -> NDArray[np.float32]:
    """Vignetting factor of each pixel of a window."""
    assert inputs.vignetting is not None
    i = np.arange(window.x0, window.x0 + window.nx, dtype=np.float64)[None, :]
    j = np.arange(window.y0, window.y0 + window.ny, dtype=np.float64)[:, None]
    u, v = apply(detector_to_pixel(directions, frame), i, j)
    du, dv = u - inputs.optical_axis[0], v - inputs.optical_axis[1]
    factor = inputs.vignetting(np.hypot(du, dv) / 60.0, np.degrees(np.arctan2(dv, du)), energy)
    return np.clip(factor, 0.0, None).astype(np.float32)


def _outside(inputs: ExposureInputs, grid: ImageGrid, directions: NDArray[np.float64]) -> None:
    """Say how far an image without exposure is from the field."""
    centre = directions @ [0.5 * (grid.nx - 1), 0.5 * (grid.ny - 1), 1.0]
    middle = len(inputs.attitude) // 2
    ra, dec = float(inputs.attitude.ra[middle]), float(inputs.attitude.dec[middle])
    bore = frame_vectors(ra, dec, 0.0)[2]
    cosine = float(np.clip(centre @ bore / np.linalg.norm(centre), -1, 1))
    raise DataError(
        f"no pixel of the image was exposed: its centre is {np.degrees(np.arccos(cosine)) * 60:.1f} arcmin from the "
        f"pointing (RA {ra:.5f}, Dec {dec:+.5f} deg)",
        file=inputs.attitude.source or None,
        cure="Use an image of this observation's field.",
    )


def _product(
    inputs: ExposureInputs,
    grid: ImageGrid,
    data: NDArray[np.float64],
    band: tuple[float, float] | None,
    vignetted: bool,
) -> ExposureMap:
    """The map with its keywords."""
    header = inputs.header.copy()
    for key, value in grid.cards().items():
        header.set(key, value)
    for key, text in (("CLASS", "OGIP"), ("CLAS1", "IMAGE"), ("CLAS2", "EXPOSURE")):
        header.set(f"HDU{key}", text)
    live = max(
        cell_seconds(inputs.attitude, inputs.gti & (p.gti or inputs.gti), p.live or inputs.live).sum()
        for p in inputs.planes
    )
    header.set("CONTENT", "EXPOSURE")
    header.set("ONTIME", float(inputs.gti.exposure), "[s] good time")
    header.set("EXPOSURE", float(live), "[s] live time with attitude, longest of the CCDs")
    header.set("LIVETIME", float(live), "[s] live time with attitude, longest of the CCDs")
    for line in inputs.assumptions:
        header.add_history(f"assumed: {line}")
    parameters = {"vignetting": vignetted, "energy_kev": list(band) if band else None, "bin": inputs.attitude_bin}
    return ExposureMap.made(
        data.astype(np.float32),
        header,
        energy=band,
        vignetted=vignetted,
        gti=inputs.gti,
        provenance=fits.Provenance("exposure_map", parameters, [p for p in [inputs.attitude.source] if p]),
    )
