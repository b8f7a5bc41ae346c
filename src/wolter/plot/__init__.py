"""Figures: spectra with models, polarisation, confidence contours, chains, sky images, light curves.

Every function returns a matplotlib `Figure` that belongs to nobody else (no pyplot, no window); `save` writes it.
matplotlib is imported when a figure is made, not with this module.

`FIGURES` gives the functions by name, for accessors such as ``fit.plot.spectrum()``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wolter.plot._style import render, save
from wolter.plot.chains import corner, trace
from wolter.plot.contours import contour
from wolter.plot.images import detections, encircled, radial_profile
from wolter.plot.light_curves import light_curve
from wolter.plot.polarisations import polarisation
from wolter.plot.skies import image
from wolter.plot.source_views import profile_fit, sample_view, source_view
from wolter.plot.spectra import spectrum
from wolter.plot.stokes import stokes_plane

__all__ = [
    "FIGURES",
    "contour",
    "corner",
    "detections",
    "encircled",
    "image",
    "light_curve",
    "polarisation",
    "profile_fit",
    "radial_profile",
    "render",
    "sample_view",
    "save",
    "source_view",
    "spectrum",
    "stokes_plane",
    "trace",
]

FIGURES: dict[str, Callable[..., Any]] = {
    "spectrum": spectrum,
    "polarisation": polarisation,
    "contour": contour,
    "corner": corner,
    "trace": trace,
    "stokes_plane": stokes_plane,
    "image": image,
    "light_curve": light_curve,
    "detections": detections,
    "radial_profile": radial_profile,
    "encircled": encircled,
    "source_view": source_view,
    "profile_fit": profile_fit,
    "sample_view": sample_view,
}
"""Every figure by name: the function takes what is drawn as its first argument."""
