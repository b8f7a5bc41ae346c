"""What Wolter needs to know about files of Swift's X-Ray Telescope.

Sources: event files, housekeeping and response headers of the public archive; the XRT Data Reduction Guide for grades.
Channel PI spans 0.01 (PI, PI + 1) keV, 1024 channels; sky pixels are 2.3573 arcsec, the CCD has 600 x 600 of them.
Pile-up sets in at about 0.5 counts/s in photon-counting and 100 counts/s in windowed-timing mode (Romano et al. 2006,
A&A 456, 917; Moretti et al. 2005, SPIE 5898, 360).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

from wolter.mission import CoordinateFrame, EnergyScale, EventColumns, FileRole, HeaderLike, Mission
from wolter.missions._headers import first_text, ogip_role, text
from wolter.missions.swift_xrt.archive import ARCHIVE

__all__ = ["MISSION", "PIXEL_ARCSEC"]

PIXEL_ARCSEC = 0.000654808909 * 3600.0  # TCDLT of the archive's event files

_MODES = {"PHOTON": "PC", "WINDOWED": "WT", "LOWRATE": "LR", "PILEDUP": "PU", "IMAGING": "IM"}
_RANKS = {"PC": 3, "WT": 2}


def _mode(headers: Sequence[HeaderLike]) -> tuple[str, int]:
    """Name of the mode, data mode and state of pointing, and its rank."""
    data, state = first_text(headers, "DATAMODE"), first_text(headers, "OBS_MODE") or "POINTING"
    short = _MODES.get(data, data or "unknown")
    if state == "POINTING":
        return short, 10 + _RANKS.get(short, 0)
    return f"{short} {state.lower()}", (5 if state == "SETTLING" else 0) + _RANKS.get(short, 0)


def _level(path: Path, header: HeaderLike) -> str:
    """Processing level of an event file: "2" screened, "1b" recombined windowed timing, "1"."""
    name = path.name.lower()
    creator = text(header, "CREATOR")
    if "XRT2FITS" in creator:
        return "1b" if "_ufre" in name else "1"
    if "EXTRACTOR" in creator or "XSELECT" in creator:
        return "2"
    return "1b" if "_ufre" in name else "1" if "_uf" in name else "2"


def classify(path: Path, headers: Sequence[HeaderLike]) -> FileRole | None:
    """Role of a file of a Swift-XRT observation, from its headers; see `wolter.mission.Mission.classify`."""
    if not any(text(header, "TELESCOP") == "SWIFT" for header in headers):
        return None
    instrument = first_text(headers, "INSTRUME")
    names = [text(header, "EXTNAME") for header in headers]
    for header, name in zip(headers, names, strict=True):
        if name == "EVENTS" and text(header, "INSTRUME") == "XRT":
            level = _level(path, header)
            mode, rank = _mode([header])
            return FileRole(path, f"events_l{level[0]}", "XRT", level, mode=mode, rank=rank)
        if name in ("ATTITUDE", "ACS_DATA"):
            return FileRole(path, "attitude")
        if name == "FRAME":
            return FileRole(path, "frame headers", "XRT")
        if name == "PREFILTER":
            return FileRole(path, "orbit")
        if name == "FILTER":
            return FileRole(path, "filter")
    if instrument != "XRT":
        return FileRole(path, "housekeeping") if first_text(headers, "HDUCLAS1") == "TEMPORALDATA" else None
    if any(text(h, "DATAMODE") == "BIAS" for h in headers):
        return FileRole(path, "bias image", "XRT")
    role = ogip_role(path, headers, "XRT")
    if role is not None:
        return role
    return FileRole(path, "housekeeping", "XRT") if first_text(headers, "HDUCLAS1") == "TEMPORALDATA" else None


MISSION = Mission(
    name="swift_xrt",
    title="Swift-XRT",
    telescop=("SWIFT",),
    detectors=("XRT",),
    columns=EventColumns(grade="GRADE", det_x="DETX", det_y="DETY"),
    energy=EnergyScale(offset=0.0, width=0.01, first=0, last=1023),
    band=(0.3, 10.0),
    gti_names=("GTI", "STDGTI"),
    classify=classify,
    simulator="wolter.missions.swift_xrt.simulator:simulate",
    nominal_responses="wolter.missions.swift_xrt.nominal:nominal_responses",
    exposure="wolter.missions.swift_xrt.exposure:exposure_inputs",
    vignetting="wolter.missions.swift_xrt.vignetting:vignetting",
    psf="wolter.missions.swift_xrt.psf:encircled",
    archive=ARCHIVE,
    caldb=MappingProxyType(
        {"index": {**dict.fromkeys(("XRT", "XRT1", "XRT2"), "data/swift/xrt"), "SC": "data/swift/mis"}}
    ),
    tasks=MappingProxyType(
        {
            "xrtexpomap": "wolter.missions.swift_xrt.xrtexpomap:TASK",
        }
    ),
    frames=MappingProxyType(
        {
            "sky": CoordinateFrame("sky", "X", "Y", PIXEL_ARCSEC, (1, 1), (1000, 1000)),
            "det": CoordinateFrame("det", "DETX", "DETY", PIXEL_ARCSEC, (1, 1), (600, 600)),
            "raw": CoordinateFrame("raw", "RAWX", "RAWY", PIXEL_ARCSEC, (0, 0), (599, 599)),
        }
    ),
    modes=("PHOTON", "WINDOWED"),
    selection=MappingProxyType({"PHOTON": "GRADE<=12", "WINDOWED": "GRADE<=2", "": "GRADE<=12"}),
    pile_up=MappingProxyType({"PHOTON": 0.5, "WINDOWED": 100.0}),
    field_radius=16.7,  # half the diagonal of 23.6 x 23.6 arcmin (Burrows et al. 2005)
    notes=(
        "Photon-counting spectra of point sources above about 0.5 counts/s are piled up: leave out the core.",
        "Windowed-timing data have one spatial dimension: regions are boxes along the window.",
    ),
)
