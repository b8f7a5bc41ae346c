"""Galactic hydrogen column densities from all-sky maps.

Maps: LAB (Kalberla et al. 2005, A&A 440, 775) and DL (Dickey & Lockman 1990, ARA&A 28, 215) in Aitoff projection, as
the HEASoft task nh used them; HI4PI (HI4PI Collaboration 2016, A&A 594, A116) and others as HEALPix tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter.errors import DataError, suggest
from wolter.sky import parse_position, separation
from wolter.units import to_deg

__all__ = ["SURVEYS", "ColumnDensity", "column_density", "fetch_map", "map_path"]

# Where the surveys' own maps are published.
SURVEYS = {
    "HI4PI": "https://cdsarc.cds.unistra.fr/ftp/J/A+A/594/A116/NHI_HPX.fits.gz",
    "LAB": "https://lambda.gsfc.nasa.gov/data/foregrounds/HI/LAB_fullvel.fits",
}
_NAMES = {
    "HI4PI": ("h1_nh_HI4PI*.fits*", "NHI_HPX.fits*"),
    "LAB": ("h1_nh_LAB*.fits*", "LAB_*.fits*"),
    "DL": ("h1_nh_DL*.fits*",),
}
_COLUMNS = ("I", "NHI", "NH", "TEMPERATURE")


@dataclass(frozen=True)
class ColumnDensity:
    """Hydrogen column around a position, cm⁻².

    Attributes
    ----------
    mean : float
        Mean of the map's pixels within the radius.
    weighted : float
        Mean with weights 1 - distance/radius.
    nearest : float
        Pixel nearest to the position.
    pixels : int
        Pixels within the radius.
    map : Path
    """

    mean: float
    weighted: float
    nearest: float
    pixels: int
    map: Path


def column_density(
    position: Any, *, survey: str = "HI4PI", radius: Any = None, maps: str | PathLike[str] | None = None
) -> ColumnDensity:
    """Galactic hydrogen column in a direction.

    Parameters
    ----------
    position : str, SkyCoord or pair of Quantity
        As for `wolter.circle`.
    survey : {"HI4PI", "LAB", "DL"}
    radius : Quantity, optional
        Pixels nearer than this are averaged; 1 deg by default, as in the task nh.
    maps : path-like, optional
        Map file, or folder with map files. By default the user's cache.

    Returns
    -------
    ColumnDensity

    Raises
    ------
    DataError
        If the survey is unknown, its map is absent or is no map.
    """
    from astropy.coordinates import SkyCoord

    reach = 1.0 if radius is None else to_deg(radius, "radius")
    path = map_path(survey, maps)
    galactic = SkyCoord(*parse_position(position), unit="deg", frame="fk5").galactic
    lon, lat = float(galactic.l.deg), float(galactic.b.deg)  # type: ignore[union-attr]
    values, distance = _near(path, lon, lat, reach)
    good = np.isfinite(values) & (values > 0)  # a few pixels towards the Galactic centre hold negative marks
    values, distance = values[good], distance[good]
    within = distance < reach
    if not values.size:
        raise DataError("the map has no value in this direction", file=path)
    nearest = float(values[np.argmin(distance)])
    if not within.any():
        return ColumnDensity(nearest, nearest, nearest, 0, path)
    weight = 1.0 - distance[within] / reach
    return ColumnDensity(
        float(values[within].mean()),
        float(np.average(values[within], weights=weight)),
        nearest,
        int(within.sum()),
        path,
    )


def map_path(survey: str, maps: str | PathLike[str] | None = None) -> Path:
    """File of a survey's map.

    Raises
    ------
    DataError
        If the survey is unknown, or there is no map; the message says where to get it.
    """
    key = survey.strip().upper()
    if key not in _NAMES:
        raise DataError(
            f"the survey {survey!r} is unknown", cure=suggest(key, _NAMES) or f"Known: {', '.join(_NAMES)}."
        )
    folder = _cache() if maps is None else Path(maps)
    if folder.is_file():
        return folder
    found = sorted((p for pattern in _NAMES[key] for p in folder.glob(pattern)), key=lambda p: ("healpix" in p.name, p))
    if found:
        return found[0]
    fetch = f"Fetch it once with wolter.sources.fetch_map({key!r}), or name" if key in SURVEYS else "Name"
    raise DataError(f"the map of {key} is not there", file=folder, cure=f"{fetch} a file with maps=.")


def fetch_map(
    survey: str = "HI4PI",
    *,
    url: str | None = None,
    folder: str | PathLike[str] | None = None,
    sha256: str | None = None,
    transport: Any = None,
) -> Path:
    """Fetch a survey's map into the cache.

    Parameters
    ----------
    survey : {"HI4PI", "LAB"}
    url : str, optional
        Where from; by default where the survey published it.
    folder : path-like, optional
        Where to; by default the user's cache, where `column_density` finds it.
    sha256 : str, optional
        Hash that the file must have.
    transport : wolter.transport.Transport, optional

    Returns
    -------
    Path

    Raises
    ------
    TransportError
        If it cannot be fetched, or has another hash.
    DataError
        If what arrived is no map.
    """
    from wolter.transport import Transport

    key = survey.strip().upper()
    address = url or SURVEYS.get(key)
    if address is None:
        raise DataError(f"it is not known where the map of {survey!r} is", cure="Give url=.")
    target = _cache() if folder is None else Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    fetched = (transport or Transport()).download(
        address, target / address.rsplit("/", 1)[-1], sha256=sha256, check=lambda path: _check(path)
    )
    return fetched.path


def _check(path: Path) -> None:
    """Raise unless a file is a map with a value towards the Galactic pole."""
    if not _near(path, 0.0, 90.0, 1.0)[0].size:
        raise DataError("the map has no values", file=path)


def _cache() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("wolter")) / "nh"


def _near(path: Path, lon: float, lat: float, reach: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values of the map near a direction (at least the nearest), and their distances in degrees."""
    with fits.open(path) as file:
        for hdu in file.hdus:
            if isinstance(hdu, fits.TableHDU) and str(hdu.header.get("PIXTYPE", "")).strip().upper() == "HEALPIX":
                return _near_healpix(hdu, lon, lat, reach)
            if isinstance(hdu, fits.ImageHDU) and len(hdu.shape) == 2:
                return _near_image(np.asarray(hdu.read(), float), hdu.header, lon, lat)
    raise DataError("this is no map: neither an image nor a HEALPix table", file=path)


def _near_image(
    data: NDArray[np.float64], header: fits.Header, lon: float, lat: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    import warnings

    from astropy.wcs import WCS, FITSFixedWarning

    keys = {k: header[k] for k in header if k[:5] in ("CTYPE", "CRPIX", "CRVAL", "CDELT", "CUNIT")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        wcs = WCS({"NAXIS1": data.shape[1], "NAXIS2": data.shape[0], "NAXIS": 2, **keys})
    y, x = np.mgrid[0 : data.shape[0], 0 : data.shape[1]]
    with np.errstate(invalid="ignore"):
        pixel_lon, pixel_lat = wcs.all_pix2world(x, y, 0)
    known = np.isfinite(pixel_lon) & np.isfinite(pixel_lat)
    return data[known], separation(pixel_lon[known], pixel_lat[known], lon, lat)


def _near_healpix(
    hdu: fits.TableHDU, lon: float, lat: float, reach: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from astropy import units as u

    try:
        from astropy_healpix import HEALPix
    except ImportError as exc:
        raise DataError("HEALPix maps need astropy-healpix", cure="Install wolter[images].") from exc

    name = next((c for c in _COLUMNS if c in hdu.columns), next(iter(hdu.columns)))
    order = "nested" if str(hdu.header.get("ORDERING", "")).strip().upper().startswith("NEST") else "ring"
    pixels = HEALPix(nside=int(hdu.header["NSIDE"]), order=order)
    inside = pixels.cone_search_lonlat(lon * u.deg, lat * u.deg, reach * u.deg)
    here = pixels.lonlat_to_healpix(lon * u.deg, lat * u.deg)
    wanted = np.unique(np.append(np.asarray(inside, int), np.asarray(here, int).ravel()))
    values = np.asarray(hdu.read(name), float).ravel()[wanted]
    pixel_lon, pixel_lat = pixels.healpix_to_lonlat(wanted)
    return values, separation(np.asarray(pixel_lon.deg), np.asarray(pixel_lat.deg), lon, lat)
