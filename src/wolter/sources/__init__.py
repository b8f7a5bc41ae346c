"""Sources and samples of sources: masks, peaks, signal to noise, and the library of what was observed and made.

The names below load their modules on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wolter._lazy import lazy_exports

if TYPE_CHECKING:
    from wolter.sources.edges import edge_pixels, near_edge, sensor_mask
    from wolter.sources.entries import ObservationEntry
    from wolter.sources.library import Library, Product
    from wolter.sources.masks import circular_mask, interloper_mask, region_mask, source_and_background
    from wolter.sources.matching import DetectedSource, SourceMatch, detected_sources, match_sources
    from wolter.sources.peaks import Peak, hierarchical_peak, simple_peak
    from wolter.sources.snr import net_counts, signal_to_noise

_EXPORTS = {
    "DetectedSource": "matching",
    "Library": "library",
    "ObservationEntry": "entries",
    "Peak": "peaks",
    "Product": "library",
    "SourceMatch": "matching",
    "circular_mask": "masks",
    "detected_sources": "matching",
    "edge_pixels": "edges",
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
}

__all__ = [
    "DetectedSource",
    "Library",
    "ObservationEntry",
    "Peak",
    "Product",
    "SourceMatch",
    "circular_mask",
    "detected_sources",
    "edge_pixels",
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
]

__getattr__, __dir__ = lazy_exports(__name__, _EXPORTS)
