"""XRISM in the public archive: catalogue, folders, names of files.

Sources: HEASARC's XRISM master catalogue and data tree; XRISM Data Reduction (ABC) Guide, chapters 4 and 5.
"""

from __future__ import annotations

from types import MappingProxyType

from wolter.missions._catalogue import NAME, NUMBER, POSITION, PROCESSED, PUBLIC, days

__all__ = ["ARCHIVE"]


def folder(obsid: str, start: object = None) -> str:
    """Folder of an observation in the data tree, by its first digit."""
    return f"xrism/data/obs/{obsid[:1]}/{obsid}"


ARCHIVE = MappingProxyType(
    {
        "catalog": "xrismmastr",
        "title": "XRISM Master Catalog",
        "radius": 20.0,
        "obsid": r"\d{9}",
        "columns": MappingProxyType(
            {
                "target": ("name", "object_name"),
                "start": ("time", "start_time"),
                "exposure": ("xtd_exposure", "exposure"),
                "modes": ("xtd_dataclas1", "xtd_obsmode", "observation_mode"),
                "public": ("public_date",),
            }
        ),
        "table": (
            NAME,
            NUMBER,
            *POSITION,
            *days("time", "stop_time"),
            ("exposure", "exposure", "s", "Good time"),
            ("xtd_exposure", "exposure:XTEND", "s", "Good time of Xtend"),
            ("rsl_exposure", "exposure:RESOLVE", "s", "Good time of Resolve"),
            ("observation_mode", "mode", "", "Mode of the observation"),
            PROCESSED,
            PUBLIC,
        ),
        "folder": folder,
        "roles": MappingProxyType(
            {
                "cleaned events": ("xtend/event_cl/*_cl.evt*",),
                "unfiltered events": ("xtend/event_uf/*_uf.evt*",),
                "exposure intervals": ("xtend/event_uf/*_exp.gti*",),
                "bad pixels": ("xtend/event_uf/*.bimg*", "xtend/event_uf/*.fpix*"),
                "attitude": ("auxil/*.att*",),
                "orbit": ("auxil/*.orb*",),
                "filter file": ("auxil/*.ehk*", "auxil/*.mkf*"),
                "good time intervals": ("auxil/*.gti*",),
                "housekeeping": ("xtend/hk/*",),
                "images": ("xtend/products/*.img*",),
                "products": ("xtend/products/*",),
                "resolve cleaned events": ("resolve/event_cl/*_cl.evt*",),
                "resolve": ("resolve/*",),
                "auxiliary": ("auxil/*",),
                "logs": ("log/*",),
            }
        ),
        "default": ("cleaned events", "bad pixels", "attitude", "filter file", "good time intervals"),
    }
)
