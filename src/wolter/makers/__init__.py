"""Makers turn events into products: spectra, Stokes spectra, light curves, images, polarisation, event lists.

The names below load their modules on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wolter._lazy import lazy_exports

if TYPE_CHECKING:
    from wolter.makers.aspect import LiveTime
    from wolter.makers.detection import background_map, detect, photometry
    from wolter.makers.event_file import extract_events
    from wolter.makers.exposure import ExposureInputs, exposure_map, exposure_maps
    from wolter.makers.image import make_image, make_images, sky_image
    from wolter.makers.lightcurve import light_curve
    from wolter.makers.merge import merge_events
    from wolter.makers.mosaics import common_grid, mosaic, regrid
    from wolter.makers.piling import core_excised, pile_up
    from wolter.makers.polarisation import PolarisationCube, polarisation_cube
    from wolter.makers.profiles import radial_profile
    from wolter.makers.psf import psf_fraction
    from wolter.makers.spectrum import extract_spectrum
    from wolter.makers.stokes import StokesSpectra, extract_stokes, stokes_rates
    from wolter.makers.sums import StokesSums, stokes_sums
    from wolter.makers.timing import epoch_folding, fold, periodogram

_EXPORTS = {
    "LiveTime": "aspect",
    "core_excised": "piling",
    "epoch_folding": "timing",
    "fold": "timing",
    "periodogram": "timing",
    "pile_up": "piling",
    "psf_fraction": "psf",
    "PolarisationCube": "polarisation",
    "StokesSpectra": "stokes",
    "StokesSums": "sums",
    "background_map": "detection",
    "detect": "detection",
    "photometry": "detection",
    "ExposureInputs": "exposure",
    "exposure_map": "exposure",
    "exposure_maps": "exposure",
    "extract_events": "event_file",
    "extract_spectrum": "spectrum",
    "extract_stokes": "stokes",
    "light_curve": "lightcurve",
    "merge_events": "merge",
    "common_grid": "mosaics",
    "make_image": "image",
    "make_images": "image",
    "mosaic": "mosaics",
    "regrid": "mosaics",
    "polarisation_cube": "polarisation",
    "radial_profile": "profiles",
    "sky_image": "image",
    "stokes_rates": "stokes",
    "stokes_sums": "sums",
}

__all__ = [
    "LiveTime",
    "core_excised",
    "epoch_folding",
    "fold",
    "periodogram",
    "pile_up",
    "psf_fraction",
    "PolarisationCube",
    "StokesSpectra",
    "StokesSums",
    "background_map",
    "detect",
    "photometry",
    "ExposureInputs",
    "exposure_map",
    "exposure_maps",
    "extract_events",
    "extract_spectrum",
    "extract_stokes",
    "light_curve",
    "merge_events",
    "make_image",
    "make_images",
    "mosaic",
    "regrid",
    "common_grid",
    "polarisation_cube",
    "radial_profile",
    "sky_image",
    "stokes_rates",
    "stokes_sums",
]

__getattr__, __dir__ = lazy_exports(__name__, _EXPORTS)
