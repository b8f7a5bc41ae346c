"""Wolter: X-ray astronomy from archive to answer.

The public names below load their modules on first use, so that ``import wolter`` stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from wolter._version import __version__
from wolter.errors import WolterError, WolterWarning

if TYPE_CHECKING:
    from wolter import archive, caldb, fits, plot, report, sources
    from wolter.data import (
        ARF,
        RMF,
        EventList,
        ExposureMap,
        Image,
        LightCurve,
        RateMap,
        Spectrum,
        SpectrumSet,
        find_responses,
    )
    from wolter.fit import Fit, Grid, predict_mdp
    from wolter.gti import GTI
    from wolter.makers import (
        extract_spectrum,
        extract_stokes,
        light_curve,
        mosaic,
        polarisation_cube,
        radial_profile,
        sky_image,
    )
    from wolter.models import Model, Settings
    from wolter.observation import Observation
    from wolter.simulate import simulate_observation
    from wolter.sky import annulus, box, circle, ellipse, parse_regions, polygon, read_regions
    from wolter.sources import ClusterSample, GalaxyCluster, Library, PointSource, Sample, Source

_EXPORTS: dict[str, str] = {
    "ARF": "wolter.data",
    "ClusterSample": "wolter.sources",
    "EventList": "wolter.data",
    "ExposureMap": "wolter.data",
    "Fit": "wolter.fit",
    "GTI": "wolter.gti",
    "GalaxyCluster": "wolter.sources",
    "Grid": "wolter.fit",
    "Image": "wolter.data",
    "Library": "wolter.sources",
    "LightCurve": "wolter.data",
    "Model": "wolter.models",
    "Observation": "wolter.observation",
    "PointSource": "wolter.sources",
    "RMF": "wolter.data",
    "RateMap": "wolter.data",
    "Sample": "wolter.sources",
    "Settings": "wolter.models",
    "Source": "wolter.sources",
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
    "mosaic": "wolter.makers",
    "parse_regions": "wolter.sky",
    "polarisation_cube": "wolter.makers",
    "polygon": "wolter.sky",
    "predict_mdp": "wolter.fit",
    "radial_profile": "wolter.makers",
    "read_regions": "wolter.sky",
    "simulate_observation": "wolter.simulate",
    "sky_image": "wolter.makers",
}
_MODULES = ("archive", "caldb", "fits", "plot", "report", "sources")

__all__ = [
    "ARF",
    "ClusterSample",
    "EventList",
    "ExposureMap",
    "Fit",
    "GTI",
    "GalaxyCluster",
    "Grid",
    "Image",
    "Library",
    "LightCurve",
    "Model",
    "Observation",
    "PointSource",
    "RMF",
    "RateMap",
    "Sample",
    "Settings",
    "Source",
    "Spectrum",
    "SpectrumSet",
    "WolterError",
    "WolterWarning",
    "__version__",
    "annulus",
    "archive",
    "box",
    "caldb",
    "circle",
    "ellipse",
    "extract_spectrum",
    "extract_stokes",
    "find_responses",
    "fits",
    "light_curve",
    "mosaic",
    "parse_regions",
    "plot",
    "polarisation_cube",
    "polygon",
    "predict_mdp",
    "radial_profile",
    "read_regions",
    "report",
    "simulate_observation",
    "sky_image",
    "sources",
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
