"""Units and constants of XGA."""

from __future__ import annotations

from typing import Any

from astropy.cosmology import LambdaCDM
from astropy.units import Quantity, add_enabled_units, def_unit

from wolter.compat.xga import configuration

__all__ = [
    "DEFAULT_COSMO",
    "SASERROR_LIST",
    "erosita_det",
    "erosita_sky",
    "r200",
    "r500",
    "r2500",
    "xmm_det",
    "xmm_sky",
]

xmm_sky = def_unit("xmm_sky")
xmm_det = def_unit("xmm_det")
erosita_sky = def_unit("erosita_sky", xmm_sky)
erosita_det = def_unit("erosita_det", xmm_det)
r200 = def_unit("r200", format={"latex": r"\mathrm{R_{200}}"})
r500 = def_unit("r500", format={"latex": r"\mathrm{R_{500}}"})
r2500 = def_unit("r2500", format={"latex": r"\mathrm{R_{2500}}"})
add_enabled_units([xmm_sky, xmm_det, r200, r500, r2500])

DEFAULT_COSMO = LambdaCDM(70, 0.3, 0.7)  # type: ignore[call-arg]
SASERROR_LIST: list[str] = []
BASE_XSPEC_SCRIPT = ""
COMBINED_INSTS = {"xmm": False}
TELESCOPES = ["xmm"]


def number(quantity: Any, unit: str | None = None) -> float:
    """Value of a scalar Quantity, in a unit."""
    return float(quantity.value if unit is None else Quantity(quantity).to_value(unit))  # type: ignore[arg-type]


def pair(coordinates: Any) -> tuple[float, float]:
    """Right ascension and declination (deg) of a Quantity of length two."""
    values = Quantity(coordinates).to("deg").value
    if values.shape != (2,):
        raise ValueError("a coordinate is a Quantity of two angles")
    return float(values[0]), float(values[1])


def __getattr__(name: str) -> Any:
    if name in ("NUM_CORES", "OUTPUT", "xga_conf", "CENSUS", "BLACKLIST", "CONFIG_FILE", "CONFIG_PATH", "USABLE"):
        return configuration.setting(name)
    raise AttributeError(f"module 'xga.utils' has no attribute {name!r}")
