"""What Wolter needs to know about IXPE files.

Sources: level-2 event files and response headers of the public archive; IXPE Quick Start Guide (HEASARC). Energy of
channel PI is 0.04 PI keV (lower edge), 375 channels; the Stokes columns are Q = 2 cos 2phi, U = 2 sin 2phi on the sky,
IAU convention, already corrected for spurious modulation; the weight W_MOM is alpha**0.75 of the track's ellipticity
alpha (Di Marco et al. 2022, AJ 163, 170).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

from wolter.mission import CoordinateFrame, EnergyScale, EventColumns, FileRole, HeaderLike, Mission, Weighting
from wolter.missions._headers import column_names
from wolter.missions.ixpe.archive import ARCHIVE

__all__ = ["MISSION"]

_WEIGHTINGS = (
    Weighting("neff", "NEFF", "ALPHA075", "effective counts: rates (sum w)^2 / sum w^2 / T"),
    Weighting("simple", "SIMPLE", "ALPHA075SIMPLE", "plain sums of weights: rates sum w / T"),
    Weighting("unweighted", "UNWEIGHTED", "NONE", "every event counts one"),
)


def classify(path: Path, headers: Sequence[HeaderLike]) -> FileRole | None:
    """Role of a file of an IXPE observation, from its headers.

    Parameters
    ----------
    path : Path
        The file.
    headers : list of header
        Headers of its first HDUs, primary first.

    Returns
    -------
    FileRole or None
        None for files that are not IXPE's or not needed.
    """
    for header in headers:
        if str(header.get("TELESCOP", "")).strip().upper() != "IXPE":
            continue
        name = str(header.get("EXTNAME", "")).strip().upper()
        detector = str(header.get("DETNAM", "")).strip().upper() or None
        level = str(header.get("FILE_LVL", "")).strip().upper()
        number = header.get("FILE_VER", header.get("VERSION"))
        version = int(number) if str(number).strip().isdigit() else None
        if name == "EVENTS":
            level = {"LV1": "1", "LV2": "2", "1": "1", "2": "2"}.get(level, "2" if "Q" in column_names(header) else "1")
            return FileRole(path, f"events_l{level}", detector, level, version)
        if name in ("ATTITUDE", "ATT", "HK_ATT"):
            return FileRole(path, "attitude", detector, level or None, version)
        if name == "BADPIX":
            return FileRole(path, "bad pixels", detector, None, version)
        if name in ("EXPOSURE", "EXPMAP"):
            return FileRole(path, "exposure map", detector, level or None, version)
        if name == "SPECTRUM":
            return FileRole(path, "spectrum", detector, None, version)
    return None


MISSION = Mission(
    name="ixpe",
    title="IXPE",
    telescop=("IXPE",),
    detectors=("DU1", "DU2", "DU3"),
    columns=EventColumns(weight="W_MOM", q="Q", u="U"),
    energy=EnergyScale(offset=0.0, width=0.04, first=0, last=374),
    band=(2.0, 8.0),
    gti_names=("GTI", "STDGTI"),
    weightings=MappingProxyType({w.name: w for w in _WEIGHTINGS}),
    default_weighting="neff",
    classify=classify,
    frames=MappingProxyType({"sky": CoordinateFrame("sky", "X", "Y", 2.6, (1, 1), (600, 600))}),
    exposure="wolter.missions.ixpe.exposure:exposure_inputs",
    vignetting="wolter.missions.ixpe.vignetting:vignetting",
    psf="wolter.missions.ixpe.psf:encircled",
    archive=ARCHIVE,
    caldb=MappingProxyType(
        {
            "index": {"GPD": "data/ixpe/gpd", "XRT": "data/ixpe/xrt"},
            "responses": {"rmf": "MATRIX", "arf": "SPECRESP", "mrf": "MODSPECRESP"},
        }
    ),
    simulator="wolter.missions.ixpe.simulator:simulate",
    nominal_responses="wolter.missions.ixpe.nominal:nominal_responses",
    field_radius=9.1,  # half the diagonal of 12.9 x 12.9 arcmin (Weisskopf et al. 2022)
    notes=(
        "Stokes spectra are Gaussian, not Poisson: fit them with chi, after grouping I to at least 30 counts a bin.",
        "Q and U spectra take the modulation response (MRF) where I takes the effective area (ARF).",
        "Weighted spectra need responses of the same weighting (STOKESWT).",
    ),
)
