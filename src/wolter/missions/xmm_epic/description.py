"""What Wolter needs to know about files of XMM-Newton's EPIC cameras.

Sources: event list, image and exposure map headers of SAS products and of the public archive; the XMM-Newton Users'
Handbook and SAS Users' Guide for patterns and flags. PI is in eV, so channel PI spans 0.001 (PI, PI + 1) keV; sky and
detector coordinates X, Y, DETX, DETY are in units of 0.05 arcsec; physical pixels are 4.1 (pn) and 1.1 arcsec (MOS).
Every CCD has good times (STDGTInn), frame exposures (EXPOSUnn) and bad pixels (BADPIXnn) of its own. Pile-up limits for
point sources in full-frame mode: 2 (pn) and 0.5 counts/s (MOS) (Users' Handbook, section on pile-up; Jethwa et al.
2015, A&A 581, A104).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from wolter.mission import CoordinateFrame, EnergyScale, EventColumns, FileRole, HeaderLike, Mission
from wolter.missions._headers import first_text, ogip_role, text
from wolter.missions.xmm_epic.archive import ARCHIVE

__all__ = ["MISSION", "PIXEL_ARCSEC"]

PIXEL_ARCSEC = 0.05

_CAMERAS = {"EPN": "PN", "EMOS1": "M1", "EMOS2": "M2"}


def classify(path: Path, headers: Sequence[HeaderLike]) -> FileRole | None:
    """Role of a file of an XMM-Newton observation, from its headers; see `wolter.mission.Mission.classify`."""
    if not any(text(header, "TELESCOP") == "XMM" for header in headers):
        return None
    instrument = first_text(headers, "INSTRUME")
    detector = _CAMERAS.get(instrument)
    names = [text(header, "EXTNAME") for header in headers]
    chosen = next((str(h.get("FILTER")).strip() for h in headers if text(h, "FILTER")), None)
    for name in names:
        if name == "EVENTS":
            if detector is None:
                return None
            mode = first_text(headers, "EXPIDSTR") or None
            return FileRole(path, "events_l2", detector, "2", mode=mode, filter=chosen, rank=_rank(headers))
        if name == "ATTHK":
            return FileRole(path, "attitude")
    creator = first_text(headers[:1], "CREATOR")
    if creator.startswith("EEXPMAP"):
        mode = first_text(headers, "EXPIDSTR") or None
        return FileRole(path, "exposure map", detector, mode=mode, filter=chosen, energy=_map_band(headers))
    if creator.startswith("EMASK"):
        return FileRole(path, "detector mask", detector)
    role = ogip_role(path, headers, detector)
    if role is not None and role.role == "image":
        mode = first_text(headers, "EXPIDSTR") or None
        return replace(role, mode=mode, filter=chosen, energy=_image_band(headers))
    return role


def _map_band(headers: Sequence[HeaderLike]) -> tuple[float, float] | None:
    """Band (keV) of an exposure map: pimin and pimax (eV) of the command that made it, kept in XPROC0."""
    command = str(headers[0].get("XPROC0", ""))
    ends = [re.search(rf"\b{name}=(\d+)", command) for name in ("pimin", "pimax")]
    if ends[0] is None or ends[1] is None:
        return None
    return int(ends[0][1]) / 1000.0, int(ends[1][1]) / 1000.0


def _image_band(headers: Sequence[HeaderLike]) -> tuple[float, float] | None:
    """Band (keV) of an image: the range of PI (eV) in its data subspace."""
    header = headers[0]
    for n in range(1, 100):
        name = text(header, f"DSTYP{n}")
        if not name:
            return None
        ends = re.fullmatch(r"(\d+):(\d+)", str(header.get(f"DSVAL{n}", "")).strip()) if name == "PI" else None
        if ends is not None:
            return int(ends[1]) / 1000.0, int(ends[2]) / 1000.0
    return None


def _rank(headers: Sequence[HeaderLike]) -> int:
    """Imaging exposures before timing ones; exposures through a closed filter last."""
    if first_text(headers, "FILTER").startswith(("CLOSED", "CALCLOSED")):
        return 0
    return 2 if first_text(headers, "DATAMODE") in ("IMAGING", "") else 1


MISSION = Mission(
    name="xmm_epic",
    title="XMM-Newton EPIC",
    telescop=("XMM",),
    detectors=("PN", "M1", "M2"),
    columns=EventColumns(grade="PATTERN", ccd="CCDNR", det_x="DETX", det_y="DETY"),
    energy=EnergyScale(offset=0.0, width=0.001, first=0, last=20479),
    band=(0.5, 10.0),
    gti_names=("STDGTI", "GTI"),
    classify=classify,
    exposure="wolter.missions.xmm_epic.exposure:exposure_inputs",
    vignetting="wolter.missions.xmm_epic.vignetting:vignetting",
    simulator="wolter.missions.xmm_epic.simulator:simulate",
    nominal_responses="wolter.missions.xmm_epic.nominal:nominal_responses",
    psf="wolter.missions.xmm_epic.psf:encircled",
    detector_names=MappingProxyType(_CAMERAS),
    ccd_times=("LIVETI{:02d}", "ONTIME{:02d}"),
    spectrum_channels=MappingProxyType({"PN": (0, 20479, 5), "M1": (0, 11999, 5), "M2": (0, 11999, 5)}),
    archive=ARCHIVE,
    frames=MappingProxyType(
        {
            "sky": CoordinateFrame("sky", "X", "Y", PIXEL_ARCSEC, (1, 1), (51840, 51840)),
            "xmm_sky": CoordinateFrame("xmm_sky", "X", "Y", PIXEL_ARCSEC, (1, 1), (51840, 51840)),
            "det": CoordinateFrame("det", "DETX", "DETY", PIXEL_ARCSEC),
            "raw": CoordinateFrame("raw", "RAWX", "RAWY", None),
        }
    ),
    modes=("IMAGING", "TIMING", "BURST"),
    selection=MappingProxyType(
        {
            "PN": "#XMMEA_EP && (PATTERN <= 4)",
            "M1": "#XMMEA_EM && (PATTERN <= 12)",
            "M2": "#XMMEA_EM && (PATTERN <= 12)",
        }
    ),
    dialect="sas",
    tasks=MappingProxyType(
        {
            "eexpmap": "wolter.missions.xmm_epic.eexpmap:TASK",
            "evselect": "wolter.missions.xmm_epic.evselect:TASK",
            "evselect_image": "wolter.missions.xmm_epic.evselect:TASK_IMAGE",
            "evselect_spectrum": "wolter.missions.xmm_epic.evselect:TASK_SPECTRUM",
            "emosaic": "wolter.missions.xmm_epic.emosaic:TASK",
        }
    ),
    pile_up=MappingProxyType({"PN": 2.0, "M1": 0.5, "M2": 0.5}),
    image_plane=(3649, 512, 87),  # 4.35 arcsec pixels, the grid of evselect images in wide use
    field_radius=15.0,  # field of view of 30 arcmin diameter (Users' Handbook)
    notes=("Each CCD has good times and live times of its own: EXPOSURE of a spectrum is that of the CCDs it covers.",),
)
