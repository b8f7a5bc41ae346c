"""IXPE in the public archive: catalogue, folders, names of files.

Sources: HEASARC's IXPE master catalogue and data tree; IXPE data-format documents for the names of files.
"""

from __future__ import annotations

from types import MappingProxyType

from wolter.missions._catalogue import NAME, NUMBER, POSITION, PROCESSED, PUBLIC, days

__all__ = ["ARCHIVE"]


def folder(obsid: str, start: object = None) -> str:
    """Folder of an observation in the data tree."""
    return f"ixpe/data/obs/{obsid[:2]}/{obsid}"


ARCHIVE = MappingProxyType(
    {
        "catalog": "ixmaster",
        "title": "IXPE Master Catalog",
        "radius": 10.0,
        "obsid": r"\d{8}",
        "columns": MappingProxyType(
            {
                "target": ("name",),
                "start": ("time", "start_time"),
                "exposure": ("exposure", "exposure_du1", "du1_exposure"),
                "modes": ("obs_type", "observation_mode"),
                "public": ("public_date",),
            }
        ),
        "table": (
            NAME,
            NUMBER,
            *POSITION,
            *days("time", "end_time"),
            ("exposure", "exposure", "s", "Good time"),
            ("obs_type", "mode", "", "Mode of the observation"),
            PROCESSED,
            PUBLIC,
        ),
        "folder": folder,
        "roles": MappingProxyType(
            {
                "cleaned events": ("event_l2/*_evt2_*",),
                "unfiltered events": ("event_l1/*_evt1*",),
                "attitude": ("hk/*_att_*",),
                "orbit": ("hk/*_orb_*", "auxil/*_orb_*"),
                "housekeeping": ("hk/*",),
                "exposure maps": ("auxil/*expmap*", "auxil/*_exp_*"),
                "auxiliary": ("auxil/*",),
            }
        ),
        "default": ("cleaned events", "attitude"),
    }
)
