"""Good time intervals: reading, writing, algebra, exposure, and making them from housekeeping."""

from __future__ import annotations

from wolter.gti.intervals import GTI
from wolter.gti.io import gti_hdu, is_gti, read_all_gtis, read_gti, write_gti
from wolter.gti.maketime import expression_intervals, mask_intervals
from wolter.gti.rowfilter import gtifilter

__all__ = [
    "GTI",
    "expression_intervals",
    "gti_hdu",
    "gtifilter",
    "is_gti",
    "mask_intervals",
    "read_all_gtis",
    "read_gti",
    "write_gti",
]
