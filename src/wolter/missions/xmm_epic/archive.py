"""XMM-Newton EPIC in the public archives: HEASARC's mirror, and the mission's own archive (XSA).

Sources: HEASARC's XMM master catalogue and data tree; documentation of the XSA's TAP and AIO interfaces, as
astroquery's ``esa.xmm_newton`` calls them; XMM-Newton Data Files Handbook for the names of files.
"""

from __future__ import annotations

from types import MappingProxyType

from wolter.missions._catalogue import NAME, NUMBER, POSITION, PUBLIC, days

__all__ = ["ARCHIVE"]


def folder(obsid: str, start: object = None) -> str:
    """Folder of an observation in HEASARC's data tree."""
    return f"xmm/data/rev0/{obsid}"


ARCHIVE = MappingProxyType(
    {
        "catalog": "xmmmaster",
        "title": "XMM-Newton Master Log & Public Archive",
        "radius": 15.0,
        "obsid": r"\d{10}",
        "columns": MappingProxyType(
            {
                "target": ("name",),
                "start": ("time", "start_time"),
                "exposure": ("duration", "exposure", "estimated_exposure"),
                "modes": ("pn_mode", "mos1_mode"),
                "public": ("public_date", "data_in_heasarc_date"),
            }
        ),
        "table": (
            NUMBER,
            NAME,
            *POSITION,
            *days("time", "end_time"),
            ("duration", "exposure", "s", "Duration"),
            ("pn_mode", "mode", "", "Mode of the observation"),
            PUBLIC,
        ),
        "folder": folder,
        "own": MappingProxyType(
            {
                "name": "xsa",
                "tap": "https://nxsa.esac.esa.int/tap-server/tap",
                "files": "https://nxsa.esac.esa.int/nxsa-sl/servlet/data-action-aio",
                "table": "xsa.v_all_observations",
                "columns": MappingProxyType(
                    {
                        "obsid": ("observation_id",),
                        "target": ("target", "target_name"),
                        "start": ("start_utc",),
                        "exposure": ("duration",),
                        "modes": ("with_science",),
                        "public": ("proprietary_end_date",),
                    }
                ),
                "served": (
                    ("observation_id", "obsid", "", "Observation ID"),
                    ("target", "target", "", "Name of the target"),
                    ("ra", "ra", "deg", "Right Ascension"),
                    ("dec", "dec", "deg", "Declination"),
                    ("start_utc", "start_iso", "", "Start of the observation"),
                    ("end_utc", "end_iso", "", "End of the observation"),
                    ("duration", "exposure", "s", "Duration"),
                    ("proprietary_end_date", "public_iso", "", "End of the proprietary period"),
                ),
                # what is asked for, by role: parameters of the file service
                "requests": MappingProxyType(
                    {
                        "cleaned events": tuple(
                            {"level": "PPS", "name": name, "extension": "FTZ"} for name in ("PIEVLI", "MIEVLI")
                        ),
                        "timing events": ({"level": "PPS", "name": "TIEVLI", "extension": "FTZ"},),
                        "attitude": ({"level": "PPS", "name": "ATTTSR", "extension": "FTZ"},),
                        "images": ({"level": "PPS", "name": "IMAGE_", "extension": "FTZ"},),
                        "exposure maps": ({"level": "PPS", "name": "EXPMAP", "extension": "FTZ"},),
                        "observation data files": ({"level": "ODF"},),
                        "all": ({"level": "PPS"}, {"level": "ODF"}),
                    }
                ),
            }
        ),
        "roles": MappingProxyType(
            {
                "cleaned events": ("*[MP]IEVLI*", "*_clean_evts.fits*"),
                "timing events": ("*TIEVLI*",),
                "attitude": ("*ATTTSR*",),
                "images": ("PPS/*IMAGE_*", "*img.fits*"),
                "exposure maps": ("PPS/*EXPMAP*", "*expmap.fits*"),
                "source lists": ("PPS/*OBSMLI*", "PPS/*OMSRLI*"),
                "good time intervals": ("PPS/*FBKTSR*",),
                "observation data files": ("ODF/*", "*SUM.SAS*"),
                "products": ("PPS/*",),
            }
        ),
        "default": ("cleaned events", "attitude"),
    }
)
