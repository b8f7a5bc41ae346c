"""How much of a point source a region holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.errors import DataError
from wolter.mission import mission_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from wolter.data import EventList, Image
    from wolter.fits import Header
    from wolter.sky import RegionSet

__all__ = ["mission_psf", "psf_fraction"]

_RINGS, _SPOKES = 400, 180
_FARTHEST = 3600.0  # arcsec


def mission_psf(header: Header) -> Callable[..., Any]:
    """Encircled fraction ``(radius_arcsec, energy_kev, off_axis_arcmin)`` of the mission that a header names.

    Raises
    ------
    DataError
        If none is known.
    """
    mission = mission_of(header)  # type: ignore[arg-type]
    if mission.psf is None:
        raise DataError(
            f"no point-spread function is known for {mission.title}", cure="Give psf= as a function of the radius."
        )
    return mission.load("psf")


def psf_fraction(
    data: EventList | Image,
    region: RegionSet,
    centre: Any = None,
    *,
    energy: float = 1.5,
    psf: Callable[..., Any] | None = None,
) -> float:
    """Fraction of a point source's photons that falls into a region.

    Rates and normalisations from a region are too low by this fraction where the ARF is that of the whole source.
    Vignetting, chip gaps and bad pixels are not considered.

    Parameters
    ----------
    data : EventList or Image
        Its mission gives the point-spread function, its coordinates the pixels.
    region : RegionSet
    centre : str, SkyCoord or pair of Quantity, optional
        Position of the source; by default the centre of the region's first shape.
    energy : float
        keV.
    psf : callable, optional
        ``psf(radius_arcsec, energy_kev, off_axis_arcmin)``: encircled fraction; by default the mission's, on axis.

    Returns
    -------
    float
        Between 0 and 1: the photons of thin rings, times the part of each ring that lies in the region.

    Raises
    ------
    DataError
        If no point-spread function is known.
    RegionError
        If the region cannot be placed.
    """
    from wolter.sky import parse_position

    psf = psf or mission_psf(data.header)
    ra, dec = parse_position(region.center if centre is None else centre)
    wcs = data.wcs
    edges = np.concatenate([[0.0], np.geomspace(0.05, _FARTHEST, _RINGS)])
    share = np.diff(np.asarray(psf(edges, energy, 0.0), float))
    middle = 0.5 * (edges[1:] + edges[:-1])
    angle = 2.0 * np.pi * (np.arange(_SPOKES) + 0.5) / _SPOKES
    x0, y0 = (float(np.asarray(v)) for v in wcs.sky_to_pixel(ra, dec, frame="fk5"))
    radius = middle[:, None] / (3600.0 * wcs.pixel_scale_deg)
    x, y = (x0 + radius * np.cos(angle)).ravel(), (y0 + radius * np.sin(angle)).ravel()
    inside = region.to_pixel(wcs).contains(x, y).reshape(len(middle), _SPOKES)
    return float((share * inside.mean(axis=1)).sum())
