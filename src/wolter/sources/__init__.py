"""Sources and samples of sources: masks, peaks, signal to noise, and the library of what was observed and made.

The names below load their modules on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wolter._lazy import lazy_exports

if TYPE_CHECKING:
    from wolter.sources.brightness import ProfileFit, fit_profile
    from wolter.sources.columns import ColumnDensity, column_density, fetch_map
    from wolter.sources.edges import edge_pixels, near_edge, sensor_mask
    from wolter.sources.entries import ObservationEntry
    from wolter.sources.extended import ExtendedSource, GalaxyCluster
    from wolter.sources.library import Library, Product
    from wolter.sources.masks import circular_mask, interloper_mask, region_mask, source_and_background
    from wolter.sources.matching import DetectedSource, SourceMatch, detected_sources, match_sources
    from wolter.sources.measurements import Measurement, SourcePeak
    from wolter.sources.null import NullSource
    from wolter.sources.peaks import Peak, hierarchical_peak, simple_peak
    from wolter.sources.point import PointSource
    from wolter.sources.sample import ClusterSample, Failure, Sample
    from wolter.sources.snr import net_counts, signal_to_noise
    from wolter.sources.source import Source
    from wolter.sources.spectra import annular_spectra, fit_sample, source_region, source_spectra
    from wolter.sources.summary import SourceSummary

_EXPORTS = {
    "ClusterSample": "sample",
    "ColumnDensity": "columns",
    "DetectedSource": "matching",
    "ExtendedSource": "extended",
    "Failure": "sample",
    "GalaxyCluster": "extended",
    "Library": "library",
    "Measurement": "measurements",
    "NullSource": "null",
    "ObservationEntry": "entries",
    "Peak": "peaks",
    "PointSource": "point",
    "Product": "library",
    "ProfileFit": "brightness",
    "Sample": "sample",
    "Source": "source",
    "SourceMatch": "matching",
    "SourcePeak": "measurements",
    "SourceSummary": "summary",
    "annular_spectra": "spectra",
    "circular_mask": "masks",
    "column_density": "columns",
    "detected_sources": "matching",
    "edge_pixels": "edges",
    "fetch_map": "columns",
    "fit_profile": "brightness",
    "fit_sample": "spectra",
    "hierarchical_peak": "peaks",
    "interloper_mask": "masks",
    "match_sources": "matching",
    "near_edge": "edges",
    "net_counts": "snr",
    "region_mask": "masks",
    "sensor_mask": "edges",
    "signal_to_noise": "snr",
    "simple_peak": "peaks",
    "source_and_background": "masks",
    "source_region": "spectra",
    "source_spectra": "spectra",
}

__all__ = [
    "ClusterSample",
    "ColumnDensity",
    "DetectedSource",
    "ExtendedSource",
    "Failure",
    "GalaxyCluster",
    "Library",
    "Measurement",
    "NullSource",
    "ObservationEntry",
    "Peak",
    "PointSource",
    "Product",
    "ProfileFit",
    "Sample",
    "Source",
    "SourceMatch",
    "SourcePeak",
    "SourceSummary",
    "annular_spectra",
    "circular_mask",
    "column_density",
    "detected_sources",
    "edge_pixels",
    "fetch_map",
    "fit_profile",
    "fit_sample",
    "hierarchical_peak",
    "interloper_mask",
    "match_sources",
    "near_edge",
    "net_counts",
    "region_mask",
    "sensor_mask",
    "signal_to_noise",
    "simple_peak",
    "source_and_background",
    "source_region",
    "source_spectra",
]

__getattr__, __dir__ = lazy_exports(__name__, _EXPORTS)
