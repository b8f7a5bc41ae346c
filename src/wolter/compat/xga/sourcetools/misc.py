"""Lengths, angles and hydrogen columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.units import Quantity

from wolter.compat.xga.utils import DEFAULT_COSMO
from wolter.sources.radii import Scale

__all__ = ["ang_to_rad", "nh_lookup", "rad_to_ang"]


def rad_to_ang(rad: Quantity, z: float, cosmo: Any = DEFAULT_COSMO) -> Quantity:
    """Angle (deg) of a proper length at a redshift."""
    return Quantity(np.asarray(rad.to_value("kpc")) / Scale(z, cosmo).kpc_per_deg, "deg")


def ang_to_rad(ang: Quantity, z: float, cosmo: Any = DEFAULT_COSMO) -> Quantity:
    """Proper length (kpc) of an angle at a redshift."""
    return Quantity(np.asarray(ang.to_value("deg")) * Scale(z, cosmo).kpc_per_deg, "kpc")


def nh_lookup(coord_pair: Quantity) -> Quantity:
    """Galactic hydrogen column (10²² cm⁻²) of the LAB survey: mean within a degree, and mean weighted by distance.

    The map is looked for in Wolter's cache (`wolter.sources.fetch_map`).
    """
    from wolter.sources import column_density

    place = coord_pair.to("deg")
    found = column_density((place[0], place[1]), survey="LAB")
    return Quantity([found.mean / 1e22, found.weighted / 1e22], "10^22 cm^-2")


def __getattr__(name: str) -> Any:
    if name in ("name_to_coord", "coord_to_name", "model_check"):
        raise NotImplementedError(f"xga.sourcetools.misc.{name} is not available (XGA 1.0.0 does not have it either)")
    raise AttributeError(f"module 'xga.sourcetools.misc' has no attribute {name!r}")
