"""Mosaics: images of several detectors and observations on common pixels.

Counts are moved, never resampled: their sum stays what it was. Exposures are sampled where the new pixels lie and
added. The pixels of two gnomonic projections are related by a projective map (straight lines stay straight), which
takes the place of spherical trigonometry for every pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter._progress import each, track
from wolter._version import __version__
from wolter.data.events import EventList
from wolter.data.exposure_map import ExposureMap
from wolter.data.image import Image
from wolter.data.image_grid import ImageGrid
from wolter.data.rate_map import RateMap
from wolter.errors import DataError

__all__ = ["PixelMap", "common_grid", "mosaic", "regrid"]

_METHODS = ("centre", "area", "sample")
_SPLIT = 4  # an input pixel is split into this many along each axis for method "area"
_SPARSE = 50  # a mosaic of more than so many times the pixels of its images is a mistake
_CHECK = 1e-6  # pixels: how well a projective map must reproduce the full transformation


@dataclass(frozen=True)
class PixelMap:
    """Pixels of one grid as pixels of another one.

    Attributes
    ----------
    source, target : ImageGrid
    matrix : float64[3, 3] or None
        (u, v, 1) w = matrix (x, y, 1); None where the projections are not both gnomonic.
    """

    source: ImageGrid
    target: ImageGrid
    matrix: NDArray[np.float64] | None

    @classmethod
    def between(cls, source: ImageGrid, target: ImageGrid) -> PixelMap:
        """Map from the pixels of `source` to those of `target`.

        Raises
        ------
        DataError
            If one has no coordinates on the sky.
        """
        _ = source.sky, target.sky
        full = cls(source, target, None)
        x = np.array([1.0, source.nx, source.nx, 1.0])
        y = np.array([1.0, 1.0, source.ny, source.ny])
        u, v = full(x, y)
        if source.nx < 2 or source.ny < 2 or not np.isfinite(u + v).all():
            return full
        fast = cls(source, target, _projective(x, y, u, v))
        gx, gy = np.meshgrid(np.linspace(1, source.nx, 5), np.linspace(1, source.ny, 5))
        a, b = fast(gx, gy)
        c, d = full(gx, gy)
        return fast if np.max(np.hypot(a - c, b - d)) < _CHECK else full

    def __call__(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Pixels (the first is 1) of the target; NaN for what is not on its hemisphere."""
        if self.matrix is not None:
            (a, b, c), (d, e, f), (g, h, i) = self.matrix
            w = g * x + h * y + i
            return (a * x + b * y + c) / w, (d * x + e * y + f) / w
        sky = self.source.sky
        return self.target.sky.sky_to_pixel(*sky.pixel_to_sky(x, y), frame=sky.frame)

    @property
    def shift(self) -> tuple[int, int] | None:
        """Whole pixels by which the grids are shifted; None if they differ in more than that (0.01 pixel)."""
        x = np.array([1.0, self.source.nx, self.source.nx, 1.0])
        y = np.array([1.0, 1.0, self.source.ny, self.source.ny])
        u, v = self(x, y)
        if not np.isfinite(u + v).all():
            return None
        dx, dy = round(float((u - x).mean())), round(float((v - y).mean()))
        return (dx, dy) if np.max(np.hypot(u - x - dx, v - y - dy)) < 0.01 else None


def _projective(x: Any, y: Any, u: Any, v: Any) -> NDArray[np.float64]:
    """Matrix of the projective map through four pairs of points."""
    # Solved about the centres and in units of the sizes, which keeps the equations well conditioned.
    frames = []
    for p, q in ((x, y), (u, v)):
        size = max(np.ptp(p), np.ptp(q), 1.0)
        frames.append(np.array([[1 / size, 0, -p.mean() / size], [0, 1 / size, -q.mean() / size], [0, 0, 1]]))
    one = np.ones(4)
    s, t, _ = frames[0] @ np.array([x, y, one])
    k, m, _ = frames[1] @ np.array([u, v, one])
    zero = np.zeros(4)
    top = np.stack([s, t, one, zero, zero, zero, -s * k, -t * k], axis=1)
    low = np.stack([zero, zero, zero, s, t, one, -s * m, -t * m], axis=1)
    found = np.linalg.solve(np.concatenate([top, low]), np.concatenate([k, m]))
    return np.linalg.inv(frames[1]) @ np.append(found, 1.0).reshape(3, 3) @ frames[0]


def common_grid(grids: Sequence[Any]) -> ImageGrid:
    """Pixels of the first grid, continued as far as all grids reach.

    Parameters
    ----------
    grids : sequence of ImageGrid or Image

    Raises
    ------
    DataError
        If one has no coordinates on the sky, or they lie far apart.
    """
    if not grids:
        raise DataError("there is nothing to put together", cure="Give at least one image.")
    every = [ImageGrid.of(g) for g in grids]
    first = every[0]
    if len(every) == 1:
        return first
    corners = []
    for grid in every:
        x = np.array([0.5, grid.nx + 0.5, grid.nx + 0.5, 0.5])
        y = np.array([0.5, 0.5, grid.ny + 0.5, grid.ny + 0.5])
        corners.append((x, y) if grid is first else PixelMap.between(grid, first)(x, y))
    low = [min(float(c[axis].min()) for c in corners) for axis in (0, 1)]
    high = [max(float(c[axis].max()) for c in corners) for axis in (0, 1)]
    if not np.isfinite([*low, *high]).all():
        raise DataError("the images lie on opposite sides of the sky", cure="Make one mosaic for each field.")
    # A sliver below a hundredth of a pixel is rounding, not sky.
    x0, y0 = (int(np.floor(v + 0.51)) for v in low)
    x1, y1 = (int(np.ceil(v - 0.51)) for v in high)
    if (x1 - x0 + 1) * (y1 - y0 + 1) > _SPARSE * sum(g.nx * g.ny for g in every):
        raise DataError(
            f"the images lie so far apart that {x1 - x0 + 1} x {y1 - y0 + 1} mostly empty pixels would be needed",
            cure="Make one mosaic for each field, or give a grid.",
        )
    return first.cutout(x0, y0, x1 - x0 + 1, y1 - y0 + 1)


def regrid(image: Image, grid: ImageGrid, *, method: str = "centre") -> NDArray[Any]:
    """Data of an image on other pixels.

    Parameters
    ----------
    image : Image or ExposureMap
        Counts are moved: their sum stays, except for what falls beside the grid. The data of an exposure map are
        sampled: the seconds at a point of the sky stay.
    grid : ImageGrid
        New pixels.
    method : {"centre", "area", "sample"}
        "centre": counts of a pixel go to the new pixel that holds its centre, so that counts stay whole numbers;
        exposures are those at the centre of the new pixel. "area": counts are shared out among the new pixels in
        sixteen parts; exposures are averages over sixteen points of the new pixel. "sample": values at the centres of
        the new pixels whatever they are, which does not conserve counts.

    Returns
    -------
    ndarray[ny, nx]

    Raises
    ------
    DataError
        If the method is unknown or the image has no coordinates on the sky.
    """
    if method not in _METHODS:
        raise DataError(f"method {method!r} is not known", cure=f"Known are {', '.join(_METHODS)}.")
    forward = PixelMap.between(image.grid, grid)
    shift = forward.shift
    if shift is not None:
        return _shifted(image.data, shift, grid.shape)
    if isinstance(image, ExposureMap) or method == "sample":
        back = PixelMap.between(grid, image.grid)
        return _sampled(image.data, back, grid.shape, _SPLIT if method == "area" else 1)
    return _moved(image.data, forward, grid.shape, _SPLIT if method == "area" else 1)


def _shifted(data: NDArray[Any], shift: tuple[int, int], shape: tuple[int, int]) -> NDArray[Any]:
    """Data moved by whole pixels."""
    out = np.zeros(shape, dtype=data.dtype)
    (ny, nx), (my, mx), (dx, dy) = data.shape, shape, shift
    x0, x1, y0, y1 = max(0, dx), min(mx, nx + dx), max(0, dy), min(my, ny + dy)
    if x1 > x0 and y1 > y0:
        out[y0:y1, x0:x1] = data[y0 - dy : y1 - dy, x0 - dx : x1 - dx]
    return out


def _parts(number: int) -> NDArray[np.float64]:
    """Centres of the parts of a pixel, relative to its centre."""
    return (np.arange(number) + 0.5) / number - 0.5


def _moved(data: NDArray[Any], forward: PixelMap, shape: tuple[int, int], split: int) -> NDArray[Any]:
    """Counts in the new pixels; only pixels with counts are looked at."""
    flat = np.ascontiguousarray(np.nan_to_num(data)).ravel()
    filled = np.flatnonzero(flat)
    y, x = (v + 1.0 for v in np.divmod(filled, data.shape[1]))
    values = flat[filled].astype(np.float64)
    total = np.zeros(shape[0] * shape[1])
    for dy in _parts(split):
        for dx in _parts(split):
            index, inside = _index(*forward(x + dx, y + dy), shape)
            total += np.bincount(index[inside], weights=values[inside], minlength=len(total))
    out = (total / split**2).reshape(shape)
    return np.rint(out).astype(np.int64) if data.dtype.kind in "iub" and split == 1 else out


def _sampled(data: NDArray[Any], back: PixelMap, shape: tuple[int, int], split: int) -> NDArray[Any]:
    """Values at the new pixels, averaged over `split` × `split` points of each."""
    out = np.zeros(shape)
    x = np.arange(1.0, shape[1] + 1)[None, :]
    y = np.arange(1.0, shape[0] + 1)[:, None]
    whole = (data.shape[0], data.shape[1])
    flat = np.append(np.nan_to_num(data).ravel(), 0)  # what lies outside reads the zero at the end
    for dy in _parts(split):
        for dx in _parts(split):
            u, v = back(x + dx, y + dy)
            index, inside = _index(u, v, whole)
            out += flat[np.where(inside, index, len(flat) - 1)]
    return out / split**2


def _index(u: Any, v: Any, shape: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Flat index of pixels, and which lie inside."""
    ny, nx = shape
    with np.errstate(invalid="ignore"):
        i = np.floor(u - 0.5)
        j = np.floor(v - 0.5)
        inside = (i >= 0) & (i < nx) & (j >= 0) & (j < ny)
        index = np.where(inside, j * nx + i, 0).astype(np.int64)
    return index, inside


def mosaic(
    images: Sequence[Any],
    grid: Any = None,
    *,
    method: str = "centre",
    executor: Executor | None = None,
    **options: Any,
) -> Any:
    """Sum of images, exposure maps or rate maps on common pixels.

    Parameters
    ----------
    images : sequence of Image, ExposureMap, RateMap or EventList
        All of one kind. Event lists are binned anew, event by event, which is the most exact way.
    grid : ImageGrid, Image or Header, optional
        Pixels of the mosaic; by default those of the first image, continued as far as all images reach.
    method : {"centre", "area", "sample"}
        How counts and exposures get to other pixels; see `regrid`. "centre" keeps counts whole, "area" has no grain.
    executor : concurrent.futures.Executor, optional
        Runs the images in parallel.
    **options
        For event lists: as for `make_image`.

    Returns
    -------
    Image, ExposureMap or RateMap
        Of the kind of the input. Counts and exposures are sums; a rate map is the sum of the counts over the sum of
        the exposures. Keywords in which the inputs differ are left out; ONTIME, LIVETIME and EXPOSURE are sums.

    Raises
    ------
    DataError
        If there is no image, they are of different kinds, or one has no coordinates on the sky.
    """
    kind = _kind(images)
    if kind is RateMap:
        counts = mosaic([m.image for m in images], grid, method=method, executor=executor)
        seconds = mosaic([m.exposure for m in images], counts.grid, method=method, executor=executor)
        backgrounds = [m.background for m in images]
        below = None if None in backgrounds else mosaic(backgrounds, counts.grid, method=method, executor=executor)
        return RateMap(counts, seconds, background=below, outside=images[0].outside)
    if kind is EventList:
        grid = options.pop("grid", grid)
        images = _binned(images, grid, executor, options)
    elif options:
        raise DataError(f"{', '.join(options)}: only event lists are selected from", cure="Select from the events.")
    target = _target(grid, images)
    jobs = [(image, target, method) for image in images]
    total: NDArray[Any] | None = None
    for data in track((executor.map if executor else map)(_regrid, jobs), "adding images", total=len(jobs)):
        total = data.astype(np.int64 if data.dtype.kind in "iub" else np.float64) if total is None else total + data
    assert total is not None
    if total.dtype.kind == "i" and total.max(initial=0) < 2**31:
        total = total.astype(np.int32)
    provenance = fits.Provenance("mosaic", {"method": method}, [i.path for i in images if i.path is not None])
    return type(images[0])(data=total, header=_header(images, target), provenance=provenance)


def _regrid(job: tuple[Image, ImageGrid, str]) -> NDArray[Any]:
    image, grid, method = job
    return regrid(image, grid, method=method)


def _kind(images: Sequence[Any]) -> type:
    """The one kind of all inputs."""
    if not images:
        raise DataError("there is nothing to put together", cure="Give at least one image.")
    for kind in (EventList, RateMap, ExposureMap, Image):
        if all(isinstance(i, kind) for i in images):
            if kind is Image and any(isinstance(i, ExposureMap) for i in images):
                break
            return kind
    names = ", ".join(sorted({type(i).__name__ for i in images}))
    raise DataError(f"a mosaic of different things ({names})", cure="Make one mosaic of images, another of maps.")


def _target(grid: Any, images: Sequence[Image]) -> ImageGrid:
    if grid is None:
        return common_grid(images)
    return ImageGrid.of(grid) if hasattr(grid, "shape") else ImageGrid.from_header(grid)


def _binned(events: Sequence[EventList], grid: Any, executor: Executor | None, options: dict[str, Any]) -> list[Image]:
    """Images of event lists on the same pixels."""
    if grid is None:
        rest = {k: v for k, v in options.items() if k in ("binning", "bounds", "columns", "frame")}
        first = [(e, {"allow_empty": True} | rest) for e in events]
        grid = common_grid([i.grid for i in each(_one_image, first, "measuring fields", executor=executor)])
    options = {k: v for k, v in options.items() if k not in ("binning", "bounds")} | {"grid": grid}
    jobs = [(e, {"allow_empty": True} | options) for e in events]
    return each(_one_image, jobs, "making images", executor=executor)


def _one_image(job: tuple[EventList, dict[str, Any]]) -> Image:
    from wolter.makers.image import make_image

    return make_image(job[0], **job[1])


_OF_THE_PLANE = (
    "CTYPE", "CRPIX", "CRVAL", "CDELT", "CUNIT", "CROTA", "CD1_", "CD2_", "PC1_", "PC2_", "LTV", "LTM", "WCSNAME",
    "WCSAXES", "LONPOLE", "LATPOLE", "DSTYP", "DSVAL", "DSREF", "DSUNI", "DSFORM", "GTI", "CHECKSUM", "DATASUM",
    "TOTCTS", "XPROC", "XDAL", "XMMSEP", "SLCTEXPR", "IMGBIN",
)  # fmt: skip


def _header(images: Sequence[Image], grid: ImageGrid) -> fits.Header:
    """Keywords that all inputs share, sums of the times, and the coordinates of the mosaic."""
    header = fits.Header()
    first = images[0].header
    for key in first:
        bare = key.lstrip("0123456789")
        if not bare or bare.startswith(_OF_THE_PLANE) or bare in ("HISTORY", "COMMENT", "CONTINUE"):
            continue
        if all(key in i.header and i.header[key] == first[key] for i in images[1:]):
            header.set(key, first[key], first.comment(key))
    for key in ("ONTIME", "LIVETIME", "EXPOSURE"):
        if all(key in i.header for i in images):
            header.set(key, sum(i.header.number(key) for i in images), "[s] sum of the images")
    for key, pick in (("TSTART", min), ("TSTOP", max)):
        if all(key in i.header for i in images):
            header.set(key, pick(i.header.number(key) for i in images))
    for key in ("OBS_ID", "INSTRUME", "DETNAM"):
        if key not in header and any(str(i.header.get(key, "") or "").strip() for i in images):
            header.set(key, "combined")
    _set_pointing(header, images)
    maps = [i for i in images if isinstance(i, ExposureMap)]
    if maps:
        if len({m.vignetted for m in maps}) > 1:
            raise DataError(
                "some of the exposure maps have vignetting and some have not",
                file=next(m.path for m in maps if not m.vignetted),
                cure="Make them all with vignetting, or all without.",
            )
        header.set("VIGNAPP", maps[0].vignetted, "vignetting applied")
        bands = {m.energy for m in maps}
        band = bands.pop() if len(bands) == 1 else None
        if band is not None:
            header.set("E_MIN", band[0], "[keV] lower end of the band")
            header.set("E_MAX", band[1], "[keV] upper end of the band")
    for key, value in grid.cards().items():
        header.set(key, value)
    header.set("CREATOR", f"wolter {__version__}", "software that made this product")
    header.add_history(f"mosaic of {len(images)} images")
    for image in images:
        header.add_history(f"  {image.path.name if image.path else 'in memory'}")
    return header


def _set_pointing(header: fits.Header, images: Sequence[Image]) -> None:
    """RA_PNT and DEC_PNT: the mean, weighted with the exposures, of pointings within a tenth of a degree."""
    if not all("RA_PNT" in i.header and "DEC_PNT" in i.header for i in images):
        return
    ra = np.array([i.header.number("RA_PNT") for i in images])
    dec = np.array([i.header.number("DEC_PNT") for i in images])
    weight = np.array([i.exposure or 0.0 for i in images])
    weight = weight / weight.sum() if weight.sum() > 0 else np.full(len(images), 1 / len(images))
    along = (ra - ra[0] + 180.0) % 360.0 - 180.0
    centre = float((along * weight).sum()), float((dec * weight).sum())
    away = np.hypot((along - centre[0]) * np.cos(np.radians(centre[1])), dec - centre[1])
    if away.max() < 0.1:
        header.set("RA_PNT", (ra[0] + centre[0]) % 360.0, "[deg] mean pointing")
        header.set("DEC_PNT", centre[1], "[deg] mean pointing")
