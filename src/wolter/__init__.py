"""Wolter: X-ray astronomy from archive to answer.

The public names below load their modules on first use, so that ``import wolter`` stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from wolter._version import __version__
from wolter.errors import WolterError, WolterWarning

if TYPE_CHECKING:
    from wolter import fits, plot, report
    from wolter.data import ARF, RMF, EventList, Image, LightCurve, Spectrum, SpectrumSet, find_responses
    from wolter.fit import Fit, Grid, predict_mdp
    from wolter.gti import GTI
    from wolter.makers import (
        extract_spectrum,
        extract_stokes,
        light_curve,
        polarisation_cube,
        sky_image,
    )
    from wolter.models import Model, Settings
    from wolter.observation import Observation
    from wolter.simulate import simulate_observation
    from wolter.sky import annulus, box, circle, ellipse, parse_regions, polygon, read_regions

_EXPORTS: dict[str, str] = {
    "ARF": "wolter.data",
    "EventList": "wolter.data",
    "Fit": "wolter.fit",
    "GTI": "wolter.gti",
    "Grid": "wolter.fit",
    "Image": "wolter.data",
    "LightCurve": "wolter.data",
    "Model": "wolter.models",
    "Observation": "wolter.observation",
    "RMF": "wolter.data",
    "Settings": "wolter.models",
    "Spectrum": "wolter.data",
    "SpectrumSet": "wolter.data",
    "annulus": "wolter.sky",
    "box": "wolter.sky",
    "circle": "wolter.sky",
    "ellipse": "wolter.sky",
    "extract_spectrum": "wolter.makers",
    "extract_stokes": "wolter.makers",
    "find_responses": "wolter.data",
    "light_curve": "wolter.makers",
    "parse_regions": "wolter.sky",
    "polarisation_cube": "wolter.makers",
    "polygon": "wolter.sky",
    "predict_mdp": "wolter.fit",
    "read_regions": "wolter.sky",
    "simulate_observation": "wolter.simulate",
    "sky_image": "wolter.makers",
}
_MODULES = ("fits", "plot", "report")

__all__ = [
    "ARF",
    "EventList",
    "Fit",
    "GTI",
    "Grid",
    "Image",
    "LightCurve",
    "Model",
    "Observation",
    "RMF",
    "Settings",
    "Spectrum",
    "SpectrumSet",
    "WolterError",
    "WolterWarning",
    "__version__",
    "annulus",
    "box",
    "circle",
    "ellipse",
    "extract_spectrum",
    "extract_stokes",
    "find_responses",
    "fits",
    "light_curve",
    "parse_regions",
    "plot",
    "polarisation_cube",
    "polygon",
    "predict_mdp",
    "read_regions",
    "report",
    "simulate_observation",
    "sky_image",
]


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        value = getattr(importlib.import_module(_EXPORTS[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(f"wolter.{name}")
    else:
        raise AttributeError(f"module 'wolter' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
