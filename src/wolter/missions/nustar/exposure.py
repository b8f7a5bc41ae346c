"""What an exposure map of NuSTAR is made of.

The aspect files say where on the sky a reference pixel of the detector (``_det1.fits``) and the optical axis
(``_oa.fits``) were, five times a second, mast motion included; the housekeeping says how much of each second was
live; the BADPIX tables which pixels were bad, and when. DET1 is mirrored: on the sky, seen with the detector's
second axis upwards, DET1X grows to the left. The turn of the detector on the sky follows from the two points: it is
the angle between the line from the reference pixel to the optical axis on the sky and on the detector; as the mast
moves by some sub-pixels over their distance of 220, single samples are wrong by a degree, and their mean is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter.errors import DataError
from wolter.gti import GTI
from wolter.makers.aspect import Attitude, LiveTime
from wolter.makers.exposure import BadArea, DetectorPlane, ExposureInputs
from wolter.missions._exposure import RoundVignetting, assume, detector_events, exposure_header, find_file, open_table
from wolter.missions.nustar.description import PIXEL_ARCSEC
from wolter.missions.nustar.geometry import DETECTORS, OPTICAL_AXIS, REFERENCE, SHIFT
from wolter.missions.nustar.vignetting import vignetting
from wolter.sky import TanWCS

if TYPE_CHECKING:
    from wolter.observation import Observation

__all__ = ["backscal", "exposure_inputs", "inputs_of_files", "read_livetime"]

RAW = 32  # pixels per side of a detector
CENTRE = 500.5  # sky pixel of RA_NOM, DEC_NOM


def exposure_inputs(observation: Observation, detector: str, **options: Any) -> ExposureInputs:
    """Inputs of an exposure map; see `inputs_of_files`.

    Parameters
    ----------
    observation : Observation
        With events (for good times and bad pixels), aspect (``_det1``, ``_oa``) and livetime (``_fpm.hk``) files.
    detector : str
        "FPMA" or "FPMB".
    **options
        ``events=``, ``aspect=``, ``axis=``, ``livetime=`` (files), ``attitude_bin=``.
    """
    events = options.pop("events", None) or detector_events(observation, detector)
    aspect = find_file(observation, "aspect", options.pop("aspect", None), detector=detector, option="aspect")
    axis = find_file(observation, "optical axis", options.pop("axis", None), detector=detector, option="axis")
    live = find_file(observation, "livetime", options.pop("livetime", None), detector=detector, option="livetime")
    return inputs_of_files(events.gti, aspect, axis, live, events.path, header=exposure_header(events), **options)


def inputs_of_files(
    gti: GTI,
    aspect: str | PathLike[str],
    axis: str | PathLike[str],
    livetime: str | PathLike[str] | None,
    badpix: str | PathLike[str] | Sequence[str | PathLike[str]] | None,
    *,
    header: fits.Header | None = None,
    attitude_bin: float = 2.5,
    turn_deg: float | None = None,
) -> ExposureInputs:
    """Inputs of an exposure map.

    Parameters
    ----------
    gti : GTI
        Good times.
    aspect, axis : path-like
        Sky positions of the DET1 reference pixel (table DET1_REFPOINT) and of the optical axis (OPTICAL_AXIS).
    livetime : path-like or None
        Housekeeping with the live fraction (HK1FPM); None: all time counts.
    badpix : path-like, sequence of them or None
        File(s) with BADPIX tables of the four detectors: screened events, ``_bp.fits``, ``_hp.fits``.
    header : Header, optional
        Keywords of the map.
    attitude_bin : float
        Aspect solutions within so many arcsec count as one.
    turn_deg : float, optional
        Position angle of DET1Y; by default from the aspect files.
    """
    told: list[str] = []
    time, x, y, wcs = _aspect(aspect, "DET1_REFPOINT", "X_DET1", "Y_DET1")
    time_oa, ox, oy, _ = _aspect(axis, "OPTICAL_AXIS", "X_OA", "Y_OA")
    good = gti.contains(time)
    if not good.any():
        raise DataError(
            f"the aspect solution ({time.min():.1f} to {time.max():.1f} s) has no sample in the good time "
            f"({gti.span[0]:.1f} to {gti.span[1]:.1f} s)",
            file=aspect,
            cure="Give the aspect files of this observation.",
        )
    east = np.mean(np.interp(time[good], time_oa, ox) - x[good]), np.mean(np.interp(time[good], time_oa, oy) - y[good])
    module = str((header or {}).get("INSTRUME", "") or _module_of(aspect)).strip().upper()
    if module not in OPTICAL_AXIS:
        raise DataError(f"INSTRUME is {module!r}, not a focal-plane module (FPMA or FPMB)", file=aspect)
    spot = OPTICAL_AXIS[module]
    on_detector = -(spot[0] - SHIFT[0] - REFERENCE[0]), spot[1] - SHIFT[1] - REFERENCE[1]  # u, v in sub-pixels
    if turn_deg is None:
        # Sky pixels X grow to the west: seen so, the frame turns against the position angle.
        turn_deg = float(np.degrees(np.arctan2(east[1], east[0]) - np.arctan2(on_detector[1], on_detector[0])))
    ra, dec = wcs.pixel_to_sky(x, y)
    bad = _bad_pixels(badpix, told)
    live = LiveTime.constant(1.0)
    if livetime is None:
        assume("no housekeeping is given: all time counts as live", told)
    else:
        live = read_livetime(livetime)
    c, s = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    return ExposureInputs(
        planes=_planes(module, bad),
        attitude=Attitude(time, ra, dec, np.full(len(time), turn_deg), source=str(aspect)),
        gti=gti,
        live=live,
        optical_axis=(
            float(PIXEL_ARCSEC * (east[0] * c + east[1] * s)),
            float(PIXEL_ARCSEC * (east[1] * c - east[0] * s)),
        ),
        vignetting=RoundVignetting(vignetting),
        attitude_bin=attitude_bin,
        header=header or fits.Header(),
        assumptions=tuple(told),
    )


def _planes(module: str, bad: Sequence[tuple[BadArea, ...]]) -> tuple[DetectorPlane, ...]:
    """The four detectors; angles are counted from the reference pixel of DET1."""
    flip = PIXEL_ARCSEC * np.array([[-1.0, 0.0], [0.0, 1.0]])
    planes = []
    for number, matrix in enumerate(DETECTORS[module]):
        angle = matrix.copy()
        angle[:, 2] -= REFERENCE
        mask = np.ones((RAW, RAW), dtype=np.float32)
        planes.append(DetectorPlane(f"DET{number}", mask, flip @ angle, bad[number]))
    return tuple(planes)


def _aspect(path: str | PathLike[str], name: str, x: str, y: str) -> tuple[Any, Any, Any, TanWCS]:
    """Times, sky pixels, and what sky they are pixels of (from RA_NOM, DEC_NOM)."""
    file, table = open_table(path, name, need=("TIME", x, y))
    with file:
        rows = table.read(["TIME", x, y])
        header = table.header
    if "RA_NOM" not in header or "DEC_NOM" not in header:
        raise DataError("the keywords RA_NOM and DEC_NOM are missing", file=path, hdu=name)
    scale = PIXEL_ARCSEC / 3600.0
    wcs = TanWCS(
        crpix=(CENTRE, CENTRE),
        crval=(float(header["RA_NOM"]), float(header["DEC_NOM"])),
        cd=((-scale, 0.0), (0.0, scale)),
        projection="TAN",
        frame="fk5",
        ctype=("RA---TAN", "DEC--TAN"),
    )
    return rows["TIME"], np.asarray(rows[x], float), np.asarray(rows[y], float), wcs


def _module_of(path: str | PathLike[str]) -> str:
    """INSTRUME of a file."""
    with fits.open(path) as file:
        return next((str(h.header["INSTRUME"]) for h in file.hdus if "INSTRUME" in h.header), "")


def read_livetime(path: str | PathLike[str]) -> LiveTime:
    """Live fraction of every second, from the housekeeping (table HK1FPM)."""
    file, table = open_table(path, "HK1FPM", need=("TIME", "LIVETIME"))
    with file:
        rows = table.read(["TIME", "LIVETIME"])
    return LiveTime.from_samples(rows["TIME"], rows["LIVETIME"])


def _bad_pixels(paths: Any, told: list[str]) -> list[tuple[BadArea, ...]]:
    """Bad pixels of the four detectors, with their times."""
    if paths is None:
        assume("no bad-pixel table is given: every pixel counts as good", told)
        return [()] * 4
    found: list[list[BadArea]] = [[], [], [], []]
    seen = False
    for path in [paths] if isinstance(paths, (str, PathLike)) else paths:
        with fits.open(path) as file:
            tables = [h for h in file.hdus if h.name == "BADPIX" and isinstance(h, fits.TableHDU)]
            for order, table in enumerate(tables):
                seen = True
                name = str(table.header.get("DETNAM", f"DET{order}")).strip().upper()
                number = int(name[3:]) if name.startswith("DET") and name[3:].isdigit() else order
                rows = table.read(["RAWX", "RAWY", "TIME", "TIME_STOP"])
                for x, y, start, stop in zip(*(rows[k] for k in ("RAWX", "RAWY", "TIME", "TIME_STOP")), strict=True):
                    end = np.inf if stop <= start else float(stop)
                    found[number].append(BadArea(np.array([int(y) * RAW + int(x)]), float(start), end))
    if not seen:
        assume("no BADPIX table is in the files: every pixel counts as good", told)
    return [tuple(f) for f in found]


def backscal(region: Any, events: Any, exposure: Any = None) -> float:
    """BACKSCAL of a region: the part of the sky image it covers, weighted by exposure where a map is given.

    Parameters
    ----------
    region : ndarray[ny, nx] of bool
        Pixels of the region in sky coordinates.
    events : EventList or float
        Its exposure (s) is that of a fully exposed pixel; or the exposure itself.
    exposure : ExposureMap, optional
        Map without vignetting on the same pixels.

    Returns
    -------
    float
        Pixels over all pixels, times mean exposure of the region over EXPOSURE (as nubackscale).
    """
    mask: NDArray[np.bool_] = np.asarray(region, dtype=bool)
    plain = float(mask.sum()) / mask.size
    if exposure is None:
        return plain
    seconds = float(getattr(events, "exposure", events))
    if exposure.data.shape != mask.shape:
        raise DataError(
            f"the exposure map has {exposure.data.shape} pixels, the region {mask.shape}", file=exposure.path
        )
    return plain * float(exposure.data[mask].mean()) / seconds
