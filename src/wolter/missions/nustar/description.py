"""What Wolter needs to know about NuSTAR files.

Sources: event, housekeeping and product headers of the public archive; the NuSTAR Data Analysis Software Guide. Channel
PI spans 1.60 + 0.04 (PI, PI + 1) keV, 4096 channels; sky pixels are 2.458 arcsec; sub-pixels of the detector frame
DET1 are 0.12096 mm, five to a pixel of 0.6048 mm. EXPOSURE is live time: ONTIME times DEADC, the mean live fraction of
the housekeeping inside the good time (Harrison et al. 2013, ApJ 770, 103).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

from wolter.mission import CoordinateFrame, EnergyScale, EventColumns, FileRole, HeaderLike, Mission
from wolter.missions._headers import column_names, first_text, ogip_role, text
from wolter.missions.nustar.archive import ARCHIVE

__all__ = ["MISSION", "PIXEL_ARCSEC"]

PIXEL_ARCSEC = 6.828076e-4 * 3600.0  # TCDLT of the archive's event files

_MODES = {
    "SCIENCE": ("01", 6),
    "SCIENCE_SC": ("06", 5),
    "OCCULTATION": ("02", 4),
    "SLEW": ("03", 3),
    "SAA": ("04", 2),
    "CALIBRATION": ("05", 1),
}
_TABLES = {
    "ATTITUDE": "attitude",
    "CAT_ATT": "attitude",
    "ORBIT": "orbit",
    "PREFILTER": "orbit",
    "FILTER": "filter",
    "OPTICAL_AXIS": "optical axis",
    "DET1_REFPOINT": "aspect",
    "PSDPOS": "metrology",
    "METROLOGY": "metrology",
    "MAST_ASPECT": "mast",
    "CHU1": "star trackers",
    "HK1FPM": "livetime",
    "BADPIX": "bad pixels",
    "INSTRMAP": "instrument map",
    "DET_COORD": "sky to detector",
}
_SPLIT = re.compile(r"_chu(\d+)_([NS])_", re.IGNORECASE)


def _mode(path: Path, headers: Sequence[HeaderLike]) -> tuple[str, int]:
    """Observing mode and its rank; only file names tell parts of mode 06 (star-tracker combinations) apart."""
    name = first_text(headers, "OBSMODE")
    number, rank = _MODES.get(name, (name.lower() or "unknown", 0))
    split = _SPLIT.search(path.name)
    return f"{number} chu{split[1]} {split[2].upper()}" if split else number, rank


def classify(path: Path, headers: Sequence[HeaderLike]) -> FileRole | None:
    """Role of a file of a NuSTAR observation, from its headers; see `wolter.mission.Mission.classify`."""
    if not any(text(header, "TELESCOP") == "NUSTAR" for header in headers):
        return None
    module = first_text(headers, "INSTRUME")
    detector = module if module in MISSION.detectors else None
    for header in headers:
        name = text(header, "EXTNAME")
        if name == "EVENTS":
            raw = column_names(header) & {"PREPHAS", "POSTPHAS"} or "_UF" in path.name.upper()
            mode, rank = _mode(path, [header])
            level = "1" if raw else "2"
            return FileRole(path, f"events_l{level}", detector, level, mode=mode if level == "2" else None, rank=rank)
        if name in _TABLES:
            return FileRole(path, _TABLES[name], detector)
    role = ogip_role(path, headers, detector)
    if role is not None:
        return role
    return FileRole(path, "housekeeping", detector) if first_text(headers, "HDUCLAS1") == "TEMPORALDATA" else None


MISSION = Mission(
    name="nustar",
    title="NuSTAR",
    telescop=("NUSTAR",),
    detectors=("FPMA", "FPMB"),
    columns=EventColumns(grade="GRADE", det_x="DET1X", det_y="DET1Y"),
    energy=EnergyScale(offset=1.6, width=0.04, first=0, last=4095),
    band=(3.0, 79.0),
    gti_names=("GTI", "STDGTI"),
    classify=classify,
    exposure="wolter.missions.nustar.exposure:exposure_inputs",
    vignetting="wolter.missions.nustar.vignetting:vignetting",
    backscal="wolter.missions.nustar.exposure:backscal",
    simulator="wolter.missions.nustar.simulator:simulate",
    nominal_responses="wolter.missions.nustar.nominal:nominal_responses",
    psf="wolter.missions.nustar.psf:encircled",
    archive=ARCHIVE,
    caldb=MappingProxyType({"index": dict.fromkeys(("FPM", "FPMA", "FPMB"), "data/nustar/fpm")}),
    tasks=MappingProxyType(
        {
            "nuexpomap": "wolter.missions.nustar.nuexpomap:TASK",
            "nubackscale": "wolter.missions.nustar.nubackscale:TASK",
        }
    ),
    frames=MappingProxyType(
        {
            "sky": CoordinateFrame("sky", "X", "Y", PIXEL_ARCSEC, (1, 1), (1000, 1000)),
            "det": CoordinateFrame("det", "DET1X", "DET1Y", PIXEL_ARCSEC, (1, 1), (360, 360)),
            "det2": CoordinateFrame("det2", "DET2X", "DET2Y", PIXEL_ARCSEC, (1, 1), (600, 600)),
            "raw": CoordinateFrame("raw", "RAWX", "RAWY", 5 * PIXEL_ARCSEC, (0, 0), (31, 31)),
        }
    ),
    modes=("SCIENCE", "SCIENCE_SC", "OCCULTATION", "SLEW", "SAA", "CALIBRATION"),
    selection=MappingProxyType({"": "GRADE>=0 && GRADE<=26 && STATUS==b000000000x0xx000"}),
    live_fraction="wolter.missions.nustar.livetime:live_fraction",
    field_radius=9.2,  # half the diagonal of 13 x 13 arcmin (Harrison et al. 2013)
    notes=("EXPOSURE is live time; light curves are not corrected for dead time bin by bin unless asked.",),
)
