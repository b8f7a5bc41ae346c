"""Containers of X-ray data, with their readers and writers: events, spectra, responses, light curves, images.

The names below load their modules on first use: reading a spectrum does not import the event list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wolter._lazy import lazy_exports

if TYPE_CHECKING:
    from wolter.data.arf import ARF
    from wolter.data.checks import check_arf, check_background, check_responses, check_weightings
    from wolter.data.combine import combine_responses, merge_spectra
    from wolter.data.curves import bayesian_blocks, flare_filter, hardness_ratio, net_light_curve, to_stingray
    from wolter.data.discovery import ResponseFiles, find_responses
    from wolter.data.events import EventList
    from wolter.data.exposure_map import ExposureMap
    from wolter.data.folding import FoldingPlan, PlanCache, folding_plan, plan_of
    from wolter.data.grouping import (
        Bins,
        bin_range,
        group_bins,
        group_constant,
        group_min,
        group_min_snr,
        group_optimal,
        notice_range,
    )
    from wolter.data.image import Image
    from wolter.data.image_grid import ImageGrid
    from wolter.data.light_curve import LightCurve
    from wolter.data.radial_profile import RadialProfile
    from wolter.data.rate_map import RateMap
    from wolter.data.rmf import RMF
    from wolter.data.source_list import SourceList
    from wolter.data.spectrum import BinnedSpectrum, Spectrum
    from wolter.data.spectrum_set import SpectrumSet
    from wolter.data.type2 import read_type2, write_type2

_EXPORTS = {
    "ARF": "arf",
    "BinnedSpectrum": "spectrum",
    "Bins": "grouping",
    "EventList": "events",
    "ExposureMap": "exposure_map",
    "FoldingPlan": "folding",
    "Image": "image",
    "ImageGrid": "image_grid",
    "LightCurve": "light_curve",
    "PlanCache": "folding",
    "RMF": "rmf",
    "RadialProfile": "radial_profile",
    "RateMap": "rate_map",
    "ResponseFiles": "discovery",
    "SourceList": "source_list",
    "Spectrum": "spectrum",
    "SpectrumSet": "spectrum_set",
    "bin_range": "grouping",
    "check_arf": "checks",
    "combine_responses": "combine",
    "bayesian_blocks": "curves",
    "flare_filter": "curves",
    "hardness_ratio": "curves",
    "net_light_curve": "curves",
    "to_stingray": "curves",
    "read_type2": "type2",
    "write_type2": "type2",
    "check_background": "checks",
    "check_responses": "checks",
    "check_weightings": "checks",
    "find_responses": "discovery",
    "folding_plan": "folding",
    "group_bins": "grouping",
    "group_constant": "grouping",
    "group_min": "grouping",
    "group_min_snr": "grouping",
    "merge_spectra": "combine",
    "group_optimal": "grouping",
    "notice_range": "grouping",
    "plan_of": "folding",
}

__all__ = [
    "ARF",
    "BinnedSpectrum",
    "Bins",
    "EventList",
    "ExposureMap",
    "FoldingPlan",
    "Image",
    "ImageGrid",
    "LightCurve",
    "PlanCache",
    "RMF",
    "RadialProfile",
    "RateMap",
    "ResponseFiles",
    "SourceList",
    "Spectrum",
    "SpectrumSet",
    "bin_range",
    "check_arf",
    "combine_responses",
    "bayesian_blocks",
    "flare_filter",
    "hardness_ratio",
    "net_light_curve",
    "to_stingray",
    "read_type2",
    "write_type2",
    "check_background",
    "check_responses",
    "check_weightings",
    "find_responses",
    "folding_plan",
    "group_bins",
    "group_constant",
    "group_min",
    "group_min_snr",
    "group_optimal",
    "merge_spectra",
    "notice_range",
    "plan_of",
]

__getattr__, __dir__ = lazy_exports(__name__, _EXPORTS)
