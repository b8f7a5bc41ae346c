"""What Wolter needs to know about XRISM files: Xtend's, and Resolve's events, spectra and light curves.

Sources: the XRISM Data Reduction (ABC) Guide and product headers of the public archive. Xtend: channel PI spans
6 (PI, PI + 1) eV, 4096 channels; sky pixels are 1.768 arcsec; grades 0, 2, 3, 4, 6 are X-rays. Resolve: channel PI
spans 0.5 (PI, PI + 1) eV, 60000 channels; its 36 pixels are 30 arcsec.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

from wolter.mission import CoordinateFrame, EnergyScale, EventColumns, FileRole, HeaderLike, Mission
from wolter.missions._headers import first_text, ogip_role, text
from wolter.missions.xrism_xtend.archive import ARCHIVE

__all__ = ["MISSION", "PIXEL_ARCSEC"]

PIXEL_ARCSEC = 1.768

_TABLES = {
    "ATTITUDE": "attitude",
    "ORBIT": "orbit",
    "EHK": "filter",
    "FILTER": "filter",
    "PIXELS": "bad pixels",
    "BADPIX": "bad pixels",
}
_CLASS = re.compile(r"_p0(px\d{4}|\d[0-9a-z]{7})_", re.IGNORECASE)


def _mode(path: Path, headers: Sequence[HeaderLike]) -> str:
    """Data class of an event file: DATACLAS, the digits in its name (which tell CCDs apart), or DATAMODE."""
    named = _CLASS.search(path.name)
    return first_text(headers, "DATACLAS") or (named[1] if named else "") or first_text(headers, "DATAMODE")


def classify(path: Path, headers: Sequence[HeaderLike]) -> FileRole | None:
    """Role of a file of a XRISM observation, from its headers; see `wolter.mission.Mission.classify`."""
    if not any(text(header, "TELESCOP") == "XRISM" for header in headers):
        return None
    instrument = first_text(headers, "INSTRUME")
    detector = instrument if instrument in MISSION.detectors else None
    for header in headers:
        name = text(header, "EXTNAME")
        if name == "EVENTS":
            level = "1" if "_uf" in path.name.lower() else "2"
            return FileRole(
                path,
                f"events_l{level}",
                detector,
                level,
                mode=_mode(path, headers) or None,
                filter=text(header, "FILTER") or None,
                rank=1,
            )
        if name in _TABLES:
            return FileRole(path, _TABLES[name], detector)
    role = ogip_role(path, headers, detector)
    if role is not None:
        bad = role.role == "image" and ".bimg" in path.name.lower()
        return FileRole(path, "bad pixel image", detector) if bad else role
    return FileRole(path, "housekeeping", detector) if first_text(headers, "HDUCLAS1") == "TEMPORALDATA" else None


MISSION = Mission(
    name="xrism_xtend",
    title="XRISM",
    telescop=("XRISM",),
    detectors=("XTEND", "RESOLVE"),
    columns=EventColumns(grade="GRADE", ccd="CCD_ID", det_x="DETX", det_y="DETY"),
    energy=EnergyScale(offset=0.0, width=0.006, first=0, last=4095),
    band=(0.6, 10.0),
    gti_names=("GTI", "STDGTI"),
    classify=classify,
    exposure="wolter.missions.xrism_xtend.exposure:exposure_inputs",
    simulator="wolter.missions.xrism_xtend.simulator:simulate",
    nominal_responses="wolter.missions.xrism_xtend.nominal:nominal_responses",
    psf="wolter.missions.xrism_xtend.psf:encircled",
    simulated=("XTEND",),
    energies=MappingProxyType({"RESOLVE": EnergyScale(offset=0.0, width=0.0005, first=0, last=59999)}),
    archive=ARCHIVE,
    caldb=MappingProxyType({"index": {n.upper(): f"data/xrism/{n}" for n in ("xtend", "resolve", "gen")}}),
    frames=MappingProxyType(
        {
            "sky": CoordinateFrame("sky", "X", "Y", PIXEL_ARCSEC, (1, 1), (2430, 2430)),
            "det": CoordinateFrame("det", "DETX", "DETY", PIXEL_ARCSEC, (1, 1), (1810, 1810)),
            "foc": CoordinateFrame("foc", "FOCX", "FOCY", PIXEL_ARCSEC, (1, 1), (2430, 2430)),
            "act": CoordinateFrame("act", "ACTX", "ACTY", PIXEL_ARCSEC, (1, 1), (640, 640)),
            "raw": CoordinateFrame("raw", "RAWX", "RAWY", PIXEL_ARCSEC, (0, 0), (319, 639)),
        }
    ),
    modes=("WINDOW1", "WINDOW2", "WINDOW1BURST", "WINDOW2BURST"),
    selection=MappingProxyType({"": "GRADE==0||GRADE==2||GRADE==3||GRADE==4||GRADE==6"}),
    field_radius=27.2,  # half the diagonal of 38.5 x 38.5 arcmin (XRISM Quick Reference)
    notes=("Xtend events below 0.6 keV are not recommended.",),
)
