"""Swift-XRT in the public archive: catalogue, folders, names of files.

Sources: HEASARC's Swift master catalogue and data tree; Swift XRT Data Reduction Guide for the names of files.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from wolter.missions._catalogue import NAME, NUMBER, POSITION, PROCESSED, days

__all__ = ["ARCHIVE"]


def folder(obsid: str, start: Any = None) -> str | None:
    """Folder of an observation in the data tree, by year and month of its start; None while that is not known."""
    return None if start is None else f"swift/data/obs/{start.year:04d}_{start.month:02d}/{obsid}"


ARCHIVE = MappingProxyType(
    {
        "catalog": "swiftmastr",
        "title": "Swift Master Catalog",
        "radius": 12.0,
        "obsid": r"0\d{10}",
        "columns": MappingProxyType(
            {
                "target": ("name",),
                "start": ("start_time", "time"),
                "exposure": ("xrt_exposure",),
                "modes": ("xrt_expo_pc", "pointing_mode"),
                "public": ("archive_date", "public_date"),
            }
        ),
        "table": (
            NAME,
            NUMBER,
            *POSITION,
            *days("start_time", "stop_time"),
            ("xrt_exposure", "exposure", "s", "Good time of XRT"),
            ("pointing_mode", "mode", "", "Mode of the observation"),
            PROCESSED,
            ("archive_date", "public", "d", "Date of archiving (MJD); the data are public from then on"),
        ),
        "folder": folder,
        "roles": MappingProxyType(
            {
                "cleaned events": ("xrt/event/*po_cl.evt*",),
                "cleaned events of other modes": ("xrt/event/*_cl.evt*",),
                "unfiltered events": ("xrt/event/*_uf.evt*", "xrt/event/*_ufre.evt*"),
                "attitude": ("auxil/*pat.fits*", "auxil/*sat.fits*", "auxil/*uat.fits*"),
                "filter file": ("auxil/*s.mkf*", "auxil/*.mkf*"),
                "orbit": ("auxil/*sao.fits*",),
                "frame headers": ("xrt/hk/*xhd.hk*", "xrt/hk/*xhdtc.hk*"),
                "housekeeping": ("xrt/hk/*",),
                "spacecraft housekeeping": ("auxil/*sen.hk*", "auxil/*"),
                "images": ("xrt/products/*.img*", "xrt/image/*"),
                "products": ("xrt/products/*",),
                "uvot": ("uvot/*",),
                "bat": ("bat/*",),
            }
        ),
        "default": ("cleaned events", "attitude", "filter file", "frame headers"),
    }
)
