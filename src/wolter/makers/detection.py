"""Source detection for a quick look: a sliding cell on counts, with the background and the exposure taken into account.

Discs of several sizes slide over the image. The background is a smooth map, proportional to the exposure, from what is
left after sources found so far are cut out; the cut and the search are repeated until nothing new is found. A cell is
significant if the background alone would give as many counts with a probability below that of a Gaussian deviation of
`threshold`: P(≥ N | B) of the Poisson distribution, the regularised incomplete gamma function P(N, B). Rates come from
discs that hold a known fraction of the point-spread function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter.data.exposure_map import ExposureMap
from wolter.data.image import Image
from wolter.data.rate_map import RateMap, check_same_origin, check_same_pixels
from wolter.data.smoothing import DiscSums, pixels_of
from wolter.data.source_list import COLUMNS, SourceList
from wolter.errors import DataError
from wolter.sky import separation
from wolter.units import is_quantity, to_arcsec

__all__ = ["background_map", "detect", "photometry"]

Float = NDArray[np.float64]
Psf = Callable[..., Any]


@dataclass(frozen=True)
class _Field:
    """What is searched: counts, exposure relative to its maximum, and the scale."""

    image: Image
    counts: Float
    weight: Float
    seconds: Float
    arcsec: float
    vignetting: Callable[[float, float], float]

    @classmethod
    def of(cls, source: Image | RateMap, exposure: Image | None, vignetting: Any, energy: float) -> _Field:
        image = source.image if isinstance(source, RateMap) else source
        given = source.exposure if isinstance(source, RateMap) else exposure
        arcsec = image.pixel_scale_deg * 3600.0
        counts = np.nan_to_num(np.asarray(image.data, float))
        if not (counts > 0).any():
            raise DataError("the image holds no counts", file=image.path, cure="Check the selection it was made with.")
        if given is None:
            seconds = np.full(counts.shape, float(image.exposure or 1.0))
        else:
            check_same_pixels(image, given, "exposure map")
            check_same_origin(image, given)
            seconds = np.nan_to_num(np.asarray(given.data, float))
        if not seconds.max() > 0:
            raise DataError("no pixel is exposed", file=image.path, cure="Check the exposure map.")
        factor = _vignetting(image, given, vignetting, energy)
        return cls(image, counts * (seconds > 0), seconds / seconds.max(), seconds, arcsec, factor)


def background_map(
    counts: NDArray[Any], weight: NDArray[Any], keep: NDArray[np.bool_] | None = None, *, scale: float = 32.0
) -> Float:
    """Counts per pixel expected from the background.

    Parameters
    ----------
    counts, weight : ndarray[ny, nx]
        Counts and (relative) exposure.
    keep : bool[ny, nx], optional
        Pixels without sources.
    scale : float
        Standard deviation (pixels) of the Gaussian that counts and exposure are averaged with.

    Returns
    -------
    float64[ny, nx]
        weight × Σ counts / Σ weight; where next to nothing is left around a pixel the mean of the field is used.
    """
    from scipy.ndimage import gaussian_filter, zoom

    good = weight > 0 if keep is None else keep & (weight > 0)
    total = float((weight * good).sum())
    mean = float((counts * good).sum()) / total if total > 0 else 0.0
    if not mean > 0:
        return np.zeros(counts.shape)
    # A map as smooth as this is made on coarser pixels, an eighth of its scale, and interpolated.
    factor = max(1, int(scale / 8.0))
    top, below = (_binned(np.where(good, v, 0.0), factor) for v in (counts, weight))
    sigma = scale / factor
    top, below = (gaussian_filter(v, sigma, mode="constant", truncate=3.0) for v in (top, below))
    # One count's worth of the mean steadies the rate where little of the field is left.
    prior = max(factor**2 / (2.0 * np.pi * scale**2), 1e-6)
    rate = (top + prior) / (below + prior / mean)
    if factor > 1:
        rate = zoom(rate, factor, order=1, mode="nearest", grid_mode=True)[: counts.shape[0], : counts.shape[1]]
    return rate * weight


def _binned(data: NDArray[Any], factor: int) -> Float:
    """Sums over blocks of pixels; the last blocks may reach beyond the image."""
    ny, nx = (-(-n // factor) for n in data.shape)
    padded = np.zeros((ny * factor, nx * factor))
    padded[: data.shape[0], : data.shape[1]] = data
    return padded.reshape(ny, factor, nx, factor).sum(axis=(1, 3))


def _tail(number: Any, expected: Any) -> Float:
    """P(≥ number | expected) of the Poisson distribution."""
    from scipy.special import gammainc

    number, expected = np.broadcast_arrays(np.asarray(number, float), np.asarray(expected, float))
    out = np.ones(number.shape)
    some = number > 0.5
    out[some] = gammainc(number[some], np.maximum(expected[some], 1e-12))
    return out


def _sigma(probability: Any) -> Float:
    """Gaussian deviation of a one-sided probability (37.5 at most, where probabilities run out)."""
    from scipy.special import ndtri

    return -ndtri(np.clip(probability, 1e-307, 1.0 - 1e-16))


def detect(
    image: Image | RateMap,
    exposure: Image | None = None,
    *,
    threshold: float = 5.0,
    scales: Any = None,
    psf: Psf | None = None,
    vignetting: Any = None,
    fraction: float = 0.8,
    background: Image | None = None,
    background_scale: Any = None,
    energy: float = 1.5,
    min_exposure: float = 0.05,
    max_sources: int = 1000,
) -> SourceList:
    """Find sources on an image.

    Parameters
    ----------
    image : Image or RateMap
        Counts.
    exposure : ExposureMap, optional
        Seconds on the same pixels; without it the whole image counts as equally exposed.
    threshold : float
        Significance (Gaussian standard deviations) a source must reach.
    scales : Quantity or sequence of float, optional
        Radii of the cells, as angle or in pixels; by default from one pixel or the core of the point-spread function
        to eight times that.
    psf : callable, optional
        ``psf(radius_arcsec, energy_kev, off_axis_arcmin)``: encircled fraction, by default the mission's. Clumps in the
        wings of a brighter source are judged with these wings expected besides the background. Without any, they are
        not, and rates are those inside the radius.
    vignetting : callable or bool, optional
        ``vignetting(off_axis_arcmin, energy_kev)``, by default the mission's; it corrects rates, unless the exposure
        map has it already. False for none.
    fraction : float
        Fraction of a point source's photons that the radius for counting holds (as far as neighbours allow).
    background : Image, optional
        Counts expected from the background, if known.
    background_scale : Quantity or float, optional
        Smoothness of the background that is estimated otherwise; by default a twelfth of the field.
    energy : float
        keV, for the point-spread function.
    min_exposure : float
        Pixels with less than this fraction of the longest exposure are not searched.
    max_sources : int
        The search ends with so many.

    Returns
    -------
    SourceList
        Most significant first; empty if nothing reaches the threshold.

    Raises
    ------
    DataError
        If the image is empty, has no coordinates on the sky, or the exposure map other pixels.
    """
    from scipy.special import ndtr

    field = _Field.of(image, exposure, vignetting, energy)
    psf = psf or _mission_psf(field.image)
    radii = _radii(field, scales, psf, energy)
    smooth = max(8.0, max(field.counts.shape) / 12.0)
    if background_scale is not None:
        smooth = pixels_of(field.image, background_scale, "background_scale")
    keep = np.ones(field.counts.shape, bool)
    found: list[tuple[float, float, float, float]] = []
    expected = np.zeros(field.counts.shape)
    for _ in range(4):
        if background is not None:
            expected = np.nan_to_num(np.asarray(background.data, float))
        else:
            expected = background_map(field.counts, field.weight, keep, scale=smooth)
        again = _peaks(field, expected, radii, threshold, min_exposure)
        again = _beyond_wings(field, expected, again, psf, threshold, energy)[:max_sources]
        same = len(again) == len(found)
        found = again
        keep = _without(field.counts.shape, [(x, y, 3.0 * r) for x, y, r, _ in found])
        if same or background is not None:
            break
    places = np.array([_centred(field, expected, x, y, r) for x, y, r, _ in found]).reshape(-1, 2)
    sources = _measured(field, expected, places, psf, fraction, energy, [r for *_, r, _ in found])
    # What made it a source is its cell; the disc that its rate is taken from may hold more background.
    sources["significance"] = np.array([significance for *_, significance in found], dtype=float)
    sources["probability"] = ndtr(-sources["significance"])
    order = [k for k in np.argsort(-sources["significance"], kind="stable") if sources["counts"][k] > 0]
    header = fits.Header()
    header.set("THRESH", threshold, "significance required (sigma)")
    header.set("SCALES", ", ".join(f"{r * field.arcsec:.3g}" for r in radii), "[arcsec] radii of the cells")
    header.set("PSFFRAC", fraction, "fraction of the point-spread function aimed at")
    return SourceList(
        columns={name: values[order] for name, values in sources.items()},
        background=expected,
        image=field.image,
        header=header,
    )


def photometry(
    image: Image | RateMap,
    positions: Any,
    exposure: Image | None = None,
    *,
    radius: Any = None,
    psf: Psf | None = None,
    vignetting: Any = None,
    fraction: float = 0.8,
    background: Image | None = None,
    energy: float = 1.5,
) -> SourceList:
    """Counts and rates at given positions; parameters as for `detect`.

    Parameters
    ----------
    positions : SourceList, or sequence of positions as for `wolter.circle`
    radius : Quantity, optional
        Radius for counting; by default the one that holds `fraction` of the point-spread function.

    Raises
    ------
    DataError
        If a position is outside the image.
    """
    field = _Field.of(image, exposure, vignetting, energy)
    psf = psf or _mission_psf(field.image)
    if isinstance(positions, SourceList):
        radec = zip(positions["ra"], positions["dec"], strict=True)
        places = np.array([field.image.wcs.sky_to_pixel(a, d, frame="fk5") for a, d in radec]).reshape(-1, 2)
    else:
        places = np.array([field.image.pixel(p) for p in positions]).reshape(-1, 2)
    fixed = None if radius is None else pixels_of(field.image, radius, "radius")
    cut = fixed or _psf_radius(psf, fraction, energy, field.arcsec) or 4.0
    keep = _without(field.counts.shape, [(x, y, 3.0 * cut) for x, y in places])
    if background is None:
        expected = background_map(field.counts, field.weight, keep, scale=max(8.0, max(field.counts.shape) / 12.0))
    else:
        expected = np.nan_to_num(np.asarray(background.data, float))
    columns = _measured(field, expected, places, psf, fraction, energy, [cut] * len(places), fixed)
    return SourceList(columns=columns, background=expected, image=field.image)


def _vignetting(image: Image, exposure: Image | None, given: Any, energy: float) -> Callable[[float, float], float]:
    """Factor at a position (deg): the mission's for its angle to the pointing, 1 if the exposure map has it already."""
    from wolter.mission import mission_of

    applied = isinstance(exposure, ExposureMap) and exposure.vignetted
    known = "RA_PNT" in image.header and "DEC_PNT" in image.header
    if given is False or applied or not known:
        return lambda ra, dec: 1.0
    if given is None or given is True:
        mission = mission_of(image.header)  # type: ignore[arg-type]
        if mission.vignetting is None:
            return lambda ra, dec: 1.0
        given = mission.load("vignetting")
    ra0, dec0 = image.header.number("RA_PNT"), image.header.number("DEC_PNT")

    def factor(ra: float, dec: float) -> float:
        off_axis = 60.0 * separation(ra, dec, ra0, dec0)
        return float(np.asarray(given(np.array([off_axis]), energy)).ravel()[0])

    return factor


# -- the search --------------------------------------------------------------------------------------------------------


def _mission_psf(image: Image) -> Psf | None:
    from wolter.mission import mission_of

    mission = mission_of(image.header)  # type: ignore[arg-type]
    return mission.load("psf") if mission.psf is not None else None


def _psf_radius(psf: Psf | None, fraction: float, energy: float, arcsec: float) -> float | None:
    """Radius (pixels) that holds a fraction of the point-spread function."""
    if psf is None:
        return None
    radii = np.geomspace(0.1, 2000.0, 400)
    held = np.asarray(psf(radii, energy, 0.0), float)
    if held.max() < fraction:
        return None
    return float(np.interp(fraction, held, radii)) / arcsec


def _radii(field: _Field, scales: Any, psf: Psf | None, energy: float) -> list[float]:
    if scales is not None:
        values = np.atleast_1d(to_arcsec(scales, "scales") / field.arcsec if is_quantity(scales) else scales)
        if not (values > 0).all():
            raise DataError("the scales of the search must be positive")
        return [max(1.0, float(v)) for v in np.sort(values)]
    core = _psf_radius(psf, 0.5, energy, field.arcsec) or 1.5
    return [max(1.0, core * f) for f in (1.0, 2.0, 4.0) if core * f <= min(field.counts.shape) / 8] or [1.0]


def _peaks(
    field: _Field, expected: Float, radii: Sequence[float], threshold: float, min_exposure: float
) -> list[tuple[float, float, float, float]]:
    """Significant cells as (x, y, radius, significance), one for each source: the most significant of those near."""
    from scipy.ndimage import maximum_filter

    searched = field.weight >= min_exposure
    counts, below = DiscSums(field.counts, max(radii)), DiscSums(expected, max(radii))
    rows: list[tuple[float, float, float, float]] = []
    for radius in radii:
        number = np.rint(np.maximum(counts.sum(radius), 0.0))
        mean = np.maximum(below.sum(radius), 1e-9)
        promising = searched & (number > mean + 2.0 * np.sqrt(mean)) & (number >= 3)
        level = np.zeros(number.shape)
        level[promising] = _sigma(_tail(number[promising], mean[promising]))
        # Beyond the range of probabilities the excess over the noise still orders the cells.
        level[promising] += 1e-6 * (number[promising] - mean[promising]) / np.sqrt(mean[promising])
        top = (level >= threshold) & (level == maximum_filter(level, size=2 * int(np.ceil(radius)) + 1))
        for j, i in zip(*np.nonzero(top), strict=True):
            rows.append((i + 1.0, j + 1.0, float(radius), float(level[j, i])))
    rows.sort(key=lambda row: -row[3])
    return _apart(rows)


def _apart(rows: list[tuple[float, float, float, float]]) -> list[tuple[float, float, float, float]]:
    """Cells, most significant first, without those that overlap the core of a better one."""
    kept: list[tuple[float, float, float, float]] = []
    for row in rows:
        x, y, r, _ = row
        if all(np.hypot(x - a, y - b) > 1.5 * max(r, c) for a, b, c, _ in kept):
            kept.append(row)
    return kept


def _beyond_wings(
    field: _Field,
    expected: Float,
    rows: list[tuple[float, float, float, float]],
    psf: Psf | None,
    threshold: float,
    energy: float,
) -> list[tuple[float, float, float, float]]:
    """Cells that stay significant where the wings of the brighter sources are expected besides the background."""
    if psf is None:
        return rows
    arcsec = np.concatenate([[0.0], np.geomspace(0.05, 2000.0, 400)])
    held, radius = np.asarray(psf(arcsec, energy, 0.0), float), arcsec / field.arcsec
    density = np.maximum(np.diff(held), 0.0) / (np.pi * np.diff(radius**2))  # of photons per pixel, in thin rings
    kept: list[tuple[float, float, float, float]] = []
    total: list[float] = []  # counts of each, if all its photons were detected
    for x, y, r, level in rows:
        window, near = _near(field.counts.shape, x, y, r)
        px = np.arange(window[1].start, window[1].stop)[None, :] + 1.0
        py = np.arange(window[0].start, window[0].stop)[:, None] + 1.0
        spread = sum(
            (t * np.interp(np.hypot(px - a, py - b), 0.5 * (radius[1:] + radius[:-1]), density))
            for (a, b, *_), t in zip(kept, total, strict=True)
        )
        wings = float(((spread * field.weight[window])[near]).sum())
        number, below = float(field.counts[window][near].sum()), float(expected[window][near].sum())
        if wings > 0:
            level = min(level, float(_sigma(_tail(number, below + wings))))
        if level < threshold:
            continue
        weight = max(float(field.weight[window][near].mean()), 0.05)
        kept.append((x, y, r, level))
        total.append(max(number - below - wings, 0.0) / (weight * max(float(np.interp(r, radius, held)), 0.05)))
    return sorted(kept, key=lambda row: -row[3])


def _without(shape: tuple[int, int], discs: Sequence[tuple[float, float, float]]) -> NDArray[np.bool_]:
    """Pixels outside all discs."""
    keep = np.ones(shape, bool)
    for x, y, r in discs:
        window, near = _near(shape, x, y, r)
        keep[window] &= ~near
    return keep


def _near(shape: tuple[int, int], x: float, y: float, r: float) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
    """Window of an image around a position (pixels from 1), and its pixels within a radius."""
    ny, nx = shape
    x0, x1 = max(0, int(np.floor(x - 1 - r))), min(nx, int(np.ceil(x + r)))
    y0, y1 = max(0, int(np.floor(y - 1 - r))), min(ny, int(np.ceil(y + r)))
    window = (slice(y0, max(y0, y1)), slice(x0, max(x0, x1)))
    dx = np.arange(window[1].start, window[1].stop) + 1.0 - x
    dy = np.arange(window[0].start, window[0].stop) + 1.0 - y
    return window, dx[None, :] ** 2 + dy[:, None] ** 2 <= r * r


def _centred(field: _Field, expected: Float, x: float, y: float, r: float) -> tuple[float, float]:
    """Centre of gravity of the excess within a radius, repeated until it stays."""
    radius = max(r, 2.0)
    for _ in range(10):
        window, near = _near(field.counts.shape, x, y, radius)
        excess = (field.counts[window] - expected[window]) * near / np.maximum(field.weight[window], 0.05)
        total = excess.sum()
        if not total > 0:
            break
        px = np.arange(window[1].start, window[1].stop) + 1.0
        py = np.arange(window[0].start, window[0].stop) + 1.0
        u, v = float((excess * px[None, :]).sum() / total), float((excess * py[:, None]).sum() / total)
        moved = np.hypot(u - x, v - y)
        x, y = u, v
        if moved < 0.02:
            break
    return x, y


# -- photometry --------------------------------------------------------------------------------------------------------


def _measured(
    field: _Field,
    expected: Float,
    places: Float,
    psf: Psf | None,
    fraction: float,
    energy: float,
    cells: Sequence[float],
    fixed: float | None = None,
) -> dict[str, Float]:
    """Columns of the list of sources."""
    out: dict[str, list[float]] = {name: [] for name in COLUMNS}
    aim = fixed or _psf_radius(psf, fraction, energy, field.arcsec)
    for k, (x, y) in enumerate(places):
        radius = max(aim or 2.0 * cells[k], 1.0)
        others = [np.hypot(x - a, y - b) for n, (a, b) in enumerate(places) if n != k]
        if fixed is None and others:
            radius = max(1.0, min(radius, 0.5 * min(others)))
        for name, value in _one(field, expected, float(x), float(y), radius, psf, energy).items():
            out[name].append(value)
    return {name: np.array(values, dtype=float) for name, values in out.items()}


def _one(
    field: _Field, expected: Float, x: float, y: float, radius: float, psf: Psf | None, energy: float
) -> dict[str, float]:
    window, near = _near(field.counts.shape, x, y, radius)
    counts = float(field.counts[window][near].sum())
    background = float(expected[window][near].sum())
    seconds = field.seconds[window][near]
    live = float(seconds[seconds > 0].mean()) if (seconds > 0).any() else 0.0
    held = _held(field, window, near, x, y, radius, psf, energy)
    net = counts - background
    error = float(np.sqrt(max(counts, 1.0)))
    probability = float(_tail(counts, max(background, 1e-9)))
    ra, dec = field.image.position(x, y)
    vignetted = field.vignetting(float(ra), float(dec))
    per = live * held * vignetted
    # 90 % of a two-dimensional Gaussian lie within 2.146 standard deviations of one coordinate.
    spread = _spread(field, window, near, x, y)
    return {
        "ra": float(ra),
        "dec": float(dec),
        "x": x,
        "y": y,
        "error_radius": 2.146 * spread * field.arcsec / np.sqrt(max(net, 1.0)),
        "radius": radius * field.arcsec,
        "counts": counts,
        "background": background,
        "net_counts": net,
        "net_error": error,
        "exposure": live,
        "fraction": held,
        "vignetting": vignetted,
        "rate": net / per if per > 0 else np.nan,
        "rate_error": error / per if per > 0 else np.nan,
        "significance": float(_sigma(probability)),
        "snr": net / error,
        "probability": probability,
    }


def _held(
    field: _Field, window: Any, near: Any, x: float, y: float, radius: float, psf: Psf | None, energy: float
) -> float:
    """Fraction of a source's photons inside the radius, on exposed pixels, weighted with their exposure."""
    if psf is None:
        return 1.0
    inside = float(np.asarray(psf(radius * field.arcsec, energy, 0.0)))
    py, px = np.nonzero(near)
    r = np.hypot(px + window[1].start + 1.0 - x, py + window[0].start + 1.0 - y) * field.arcsec
    seconds = field.seconds[window][near]
    if (seconds > 0).all() and seconds.min() > 0.999 * seconds.max():
        return inside
    half = 0.5 * field.arcsec
    density = np.asarray(psf(r + half, energy, 0.0)) - np.asarray(psf(np.maximum(r - half, 0.0), energy, 0.0))
    density = np.maximum(density, 0.0) / np.maximum(r, half)
    mean = seconds[seconds > 0].mean() if (seconds > 0).any() else 1.0
    total = density.sum()
    return inside * float((density * seconds).sum() / (total * mean)) if total > 0 else inside


def _spread(field: _Field, window: Any, near: Any, x: float, y: float) -> float:
    """Standard deviation (pixels) of the counts about a position, along one axis."""
    weight = field.counts[window] * near
    total = weight.sum()
    if not total > 0:
        return 1.0
    dx = np.arange(window[1].start, window[1].stop) + 1.0 - x
    dy = np.arange(window[0].start, window[0].stop) + 1.0 - y
    square = (weight * (dx[None, :] ** 2 + dy[:, None] ** 2)).sum() / total
    return float(np.sqrt(max(0.5 * square, 1.0 / 12.0)))
