"""Scales, limits and edges of images, as XGA 1.0.0 defines them."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.units import Quantity, UnitConversionError, deg, pix

from wolter.compat.xga.sourcetools.misc import ang_to_rad, rad_to_ang
from wolter.sources import edge_pixels

__all__ = [
    "ang_to_rad",
    "data_limits",
    "edge_finder",
    "find_all_wcs",
    "physical_rad_to_pix",
    "pix_deg_scale",
    "pix_rad_to_physical",
    "rad_to_ang",
    "sky_deg_scale",
]


def pix_deg_scale(coord: Any, input_wcs: Any, small_offset: Any = Quantity(1, "arcmin")) -> Quantity:  # noqa: B008
    """Degrees per pixel at a position: how many pixels a small step in declination is.

    Parameters
    ----------
    coord : Quantity
        Position, in degrees or pixels.
    input_wcs : astropy WCS
    small_offset : Quantity
    """
    if coord.unit not in (pix, deg):
        raise UnitConversionError("This function can only be used with radec or pixel coordinates as input")
    if coord.shape != (2,):
        raise ValueError("coord input must only contain 1 pair.")
    if not small_offset.unit.is_equivalent("deg"):
        raise UnitConversionError("small_offset must be convertible to degrees")
    place = coord if coord.unit == deg else Quantity(input_wcs.all_pix2world(*coord.value, 0), deg)
    step = small_offset.to_value("deg")
    here = np.array(input_wcs.all_world2pix(*place.value, 0), float)
    there = np.array(input_wcs.all_world2pix(place.value[0], place.value[1] + step, 0), float)
    return Quantity(step / float(np.hypot(*(there - here))), "deg / pix")


def sky_deg_scale(im_prod: Any, coord: Any, small_offset: Any = Quantity(1, "arcmin")) -> Quantity:  # noqa: B008
    """Degrees per unit of the sky coordinates X, Y at a position."""
    from wolter.compat.xga.utils import xmm_sky

    if coord.shape != (2,):
        raise ValueError("coord input must only contain 1 pair.")
    place = im_prod.coord_conv(coord, deg)
    step = small_offset.to("deg")
    moved = Quantity([place[0], place[1] + step])
    here, there = (im_prod.coord_conv(p, xmm_sky).value for p in (place, moved))
    return Quantity(step.value / float(np.hypot(*(there - here))), deg / xmm_sky)


def pix_rad_to_physical(
    im_prod: Any, pix_rad: Any, out_unit: Any, coord: Any, z: float | None = None, cosmo: Any = None
) -> Quantity:
    """Radii in pixels as angles or lengths."""
    from wolter.sources.radii import Scale

    if pix_rad.unit != pix:
        raise UnitConversionError("pix_rads must be in units of pixels")
    angles = pix_rad * pix_deg_scale(coord, im_prod.radec_wcs)
    if angles.unit.is_equivalent(out_unit):
        return angles.to(out_unit)
    if z is None or cosmo is None:
        raise ValueError(
            "If you wish to convert to physical units such as kpc, you must supply a redshift and cosmology"
        )
    return Quantity(angles.to_value("deg") * Scale(z, cosmo).kpc_per_deg, "kpc").to(out_unit)


def physical_rad_to_pix(
    im_prod: Any, physical_rad: Any, coord: Any, z: float | None = None, cosmo: Any = None
) -> Quantity:
    """Radii as angles or lengths in pixels."""
    from wolter.sources.radii import Scale

    if physical_rad.unit == pix:
        return physical_rad
    if physical_rad.unit.is_equivalent("kpc"):
        if z is None or cosmo is None:
            raise ValueError("If physical_rad is in a proper distance unit, you must supply a redshift and cosmology")
        physical_rad = Quantity(physical_rad.to_value("kpc") / Scale(z, cosmo).kpc_per_deg, "deg")
    return (physical_rad.to("deg") / pix_deg_scale(coord, im_prod.radec_wcs)).to("pix")


def find_all_wcs(hdr: Any) -> list[Any]:
    """All coordinate systems of a header."""
    from astropy.io.fits import Header
    from astropy.wcs import find_all_wcs as astropys

    return astropys(hdr if isinstance(hdr, Header) else Header(dict(hdr)))


def data_limits(im_prod: Any) -> tuple[list[int], list[int]]:
    """First and last column and row that hold data, with one pixel around."""
    data = np.asarray(im_prod if isinstance(im_prod, np.ndarray) else im_prod.data)
    rows, columns = np.nonzero(data)
    if not rows.size:
        raise ValueError("There is no data in the image.")
    return [int(columns.min()) - 1, int(columns.max()) + 1], [int(rows.min()) - 1, int(rows.max()) + 1]


def edge_finder(data: Any, keep_corners: bool = True, border: bool = False) -> np.ndarray:
    """Edges of what is exposed: 1, and 2 at corners if they are kept."""
    source = data if isinstance(data, np.ndarray) else getattr(data, "expmap", data).data
    across, up = (edge_pixels(source, outside=border, axes=(axis,)).astype(int) for axis in (-1, -2))
    return across + up if keep_corners else np.maximum(across, up)
