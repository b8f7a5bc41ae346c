"""NuSTAR in the public archive: catalogue, folders, names of files.

Sources: HEASARC's NuSTAR master catalogue and data tree; NuSTAR Data Analysis Software Guide for the names of files.
"""

from __future__ import annotations

from types import MappingProxyType

from wolter.missions._catalogue import NAME, NUMBER, POSITION, PROCESSED, PUBLIC, days

__all__ = ["ARCHIVE"]


def folder(obsid: str, start: object = None) -> str:
    """Folder of an observation in the data tree: second and third digit, first digit, number."""
    return f"nustar/data/obs/{obsid[1:3]}/{obsid[:1]}/{obsid}"


ARCHIVE = MappingProxyType(
    {
        "catalog": "numaster",
        "title": "NuSTAR Master Catalog",
        "radius": 10.0,
        "obsid": r"[1-9]\d{10}",
        "columns": MappingProxyType(
            {
                "target": ("name",),
                "start": ("time", "start_time"),
                "exposure": ("exposure_a", "exposure"),
                "modes": ("observation_mode", "obs_type"),
                "public": ("public_date",),
            }
        ),
        "table": (
            NAME,
            *POSITION,
            *days("time", "end_time"),
            NUMBER,
            ("exposure_a", "exposure:FPMA", "s", "Live time of module A"),
            ("exposure_b", "exposure:FPMB", "s", "Live time of module B"),
            ("observation_mode", "mode", "", "Mode of the observation"),
            PROCESSED,
            PUBLIC,
        ),
        "folder": folder,
        "roles": MappingProxyType(
            {
                "cleaned events": ("event_cl/*01_cl.evt*",),
                "cleaned events of other modes": ("event_cl/*_cl.evt*",),
                "unfiltered events": ("event_uf/*_uf.evt*",),
                "filter file": ("event_cl/*.mkf*",),
                "attitude": ("auxil/*_att.*", "event_cl/*_att.fits*", "event_cl/*.attorb*"),
                "orbit": ("auxil/*_orb.*",),
                "mast": ("event_cl/*_mast.fits*", "event_cl/*_psd*.fits*", "auxil/*_met.*"),
                "detector position": ("event_cl/*_det1.fits*", "event_cl/*_oa.fits*"),
                "bad pixels": ("event_cl/*_bp.fits*", "event_cl/*_hp.fits*"),
                "good time intervals": ("event_cl/*_gti.fits*",),
                "images": ("event_cl/*.img*",),
                "housekeeping": ("hk/*", "event_cl/*_fpm.hk*"),
                "auxiliary": ("auxil/*",),
            }
        ),
        "default": ("cleaned events", "filter file", "attitude", "mast", "detector position", "bad pixels",
                    "good time intervals", "housekeeping"),
    }
)  # fmt: skip
