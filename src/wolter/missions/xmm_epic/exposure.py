"""What an exposure map of the EPIC cameras is made of.

Every CCD has good times (the GTI tables its data subspace names), frame exposures (EXPOSUnn: live time is the
integral of FRACEXP over the good time) and bad pixels (BADPIXnn) of its own, all in the event list; the pointing
comes from the attitude history (ATTHK: AHFRA, AHFDEC, AHFPA).
"""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter.data import ImageGrid
from wolter.errors import DataError
from wolter.gti import GTI
from wolter.makers.aspect import Attitude, LiveTime, frame_vectors
from wolter.makers.exposure import BadArea, DetectorPlane, ExposureInputs
from wolter.makers.projection import pixel_directions
from wolter.missions._exposure import (
    RoundVignetting,
    assume,
    box_pixels,
    detector_events,
    exposure_header,
    find_file,
    open_table,
)
from wolter.missions.xmm_epic.geometry import CAMERAS, Camera, ccd_from_events, field_of_view, nominal_pn
from wolter.missions.xmm_epic.vignetting import grating_factor, vignetting

if TYPE_CHECKING:
    from wolter.data import EventList
    from wolter.observation import Observation

__all__ = ["exposure_inputs", "inputs_of_files"]

_NAMES = {"EPN": "PN", "EMOS1": "M1", "EMOS2": "M2"}


def exposure_inputs(observation: Observation, detector: str, **options: Any) -> ExposureInputs:
    """Inputs of an exposure map; see `inputs_of_files`.

    Parameters
    ----------
    observation : Observation
        With an event list and an attitude history.
    detector : str
        "PN", "M1" or "M2".
    **options
        ``attitude=`` (file), ``events=``, ``attitude_bin=``, ``gratings=``.
    """
    events = options.pop("events", None) or detector_events(observation, detector)
    attitude = find_file(observation, "attitude", options.pop("attitude", None), option="attitude")
    return inputs_of_files(events, attitude, **options)


def inputs_of_files(
    events: EventList, attitude: str | PathLike[str], *, attitude_bin: float = 4.0, gratings: bool = True
) -> ExposureInputs:
    """Inputs of an exposure map.

    Parameters
    ----------
    events : EventList
        Imaging event list with EXPOSUnn, BADPIXnn and good-time tables.
    attitude : path-like
        Attitude history (ATTHK).
    attitude_bin : float
        Pointings within so many arcsec count as one.
    gratings : bool
        Whether vignetting includes the shadow of the grating arrays behind two of the telescopes.

    Raises
    ------
    DataError
        If the camera is unknown, the mode is not imaging, or a table is missing.
    """
    name = _NAMES.get(str(events.header.get("INSTRUME", "")).strip().upper())
    if name is None:
        raise DataError(f"INSTRUME is {events.header.get('INSTRUME')!r}, not an EPIC camera", file=events.path)
    if str(events.header.get("DATAMODE", "IMAGING")).strip().upper() not in ("IMAGING", ""):
        raise DataError(
            "the events were taken in timing mode: their exposure has one dimension",
            file=events.path,
            cure="Use an imaging exposure.",
        )
    pointing = _attitude(attitude)
    told: list[str] = []
    camera = _camera(name, events, pointing, told)
    planes = []
    with fits.open(events.path) as file:
        good = events.gti_by_ccd or _standard_times(file, events)
        for ccd in sorted(good):
            plane = _plane(file, events, camera, ccd, good[ccd], told)
            if plane is not None:
                planes.append(plane)
    if not planes:
        raise DataError(
            "no CCD has both good times and frame exposures (EXPOSUnn)",
            file=events.path,
            cure="Use the event list as the observatory's pipeline made it, with its extensions.",
        )
    axis = camera.angle_of(camera.optical_axis)
    return ExposureInputs(
        planes=tuple(planes),
        attitude=pointing,
        gti=GTI.union([p.gti for p in planes if p.gti is not None]),
        optical_axis=axis,
        vignetting=_vignetting(camera, gratings),
        attitude_bin=attitude_bin,
        header=exposure_header(events),
        assumptions=tuple(told),
    )


def _vignetting(camera: Camera, gratings: bool) -> Any:
    """Vignetting of the mirrors, and of the gratings along their dispersion."""
    if camera.dispersion is None or not gratings:
        return RoundVignetting(vignetting)
    x, y = np.array(camera.angle_of(camera.dispersion)) - np.array(camera.angle_of((0.0, 0.0)))
    direction = float(np.degrees(np.arctan2(y, x)))

    def both(theta: NDArray[np.float64], azimuth: NDArray[np.float64], energy: float) -> NDArray[np.float64]:
        along = theta * np.cos(np.radians(azimuth - direction))
        return vignetting(theta, energy) * grating_factor(along)

    return both


def _camera(name: str, events: EventList, attitude: Attitude, told: list[str]) -> Camera:
    """Geometry of the camera: the boresight, for the pn also the rest, from its own events."""
    camera = CAMERAS[name]
    if camera.ccds:
        return _aligned(camera, events, attitude)
    return _measured(camera, events, told)


def _aligned(camera: Camera, events: EventList, attitude: Attitude) -> Camera:
    """Boresight moved so that the attitude puts the events, on the mean, where their sky coordinates are.

    The attitude history is rounded to 0.1 arcsec or so and is not all that the pipeline used: positions of the two
    differ by up to 0.1 arcsec, which shows where columns of 1.1 arcsec are lost. Events farther off than `_FAR` belong
    to another pointing; then nothing is moved.
    """
    names = ["TIME", "DETX", "DETY", "X", "Y"]
    if any(name not in events.columns for name in names):
        return camera
    rows = events.read_columns(names)
    use = np.flatnonzero((np.asarray(rows["X"]) > 0) & (np.asarray(rows["Y"]) > 0))
    use = use[:: max(1, len(use) // _PLENTY)]
    time, det_x, det_y, x, y = (np.asarray(rows[k], dtype=np.float64)[use] for k in ("TIME", "DETX", "DETY", "X", "Y"))
    if len(time) < _ENOUGH:
        return camera
    directions = pixel_directions(ImageGrid((1, 1), (_SIDE, _SIDE), 1, events.wcs))
    sky = (directions @ np.array([x - 1.0, y - 1.0, np.ones(len(x))])).T
    angles = (np.unwrap(v, period=360.0) for v in (attitude.ra, attitude.dec, attitude.roll))
    ra, dec, roll = (np.interp(time, attitude.time, v) for v in angles)
    axes = frame_vectors(ra, dec, roll)
    u, v, along = (np.einsum("ij,ij->i", sky, axis) for axis in axes)
    seen = np.degrees(np.array([u, v]) / along) * 3600.0
    origin = np.array(camera.angle_of((0.0, 0.0)))
    linear = np.stack([np.array(camera.angle_of(unit)) - origin for unit in ((1.0, 0.0), (0.0, 1.0))], axis=1)
    off = origin + (linear @ np.array([det_x, det_y]) - seen).mean(axis=1)
    if np.hypot(*off) > _FAR:
        return camera
    moved = np.array(camera.boresight) + np.linalg.solve(linear, off)
    return replace(camera, boresight=(float(moved[0]), float(moved[1])))


_ENOUGH, _PLENTY = 1000, 20000  # events, each placed to 0.3 arcsec
_FEW = 30  # events of the pn camera without which nothing is known
_FAR = 2.0  # arcsec
_SIDE = 51840  # pixels of the events' sky frame


def _measured(camera: Camera, events: EventList, told: list[str]) -> Camera:
    """Boresight, turn and CCD positions from events: their RAW, DET and sky coordinates."""
    rows = events.read_columns(["RAWX", "RAWY", "DETX", "DETY", "X", "Y", "CCDNR"])
    det = np.column_stack([rows["DETX"], rows["DETY"]]).astype(np.float64)
    raw = np.column_stack([rows["RAWX"], rows["RAWY"]])
    number = np.asarray(rows["CCDNR"], dtype=int) % 20
    if len(det) < _FEW:
        raise DataError(
            f"{len(det)} events are too few to tell where the CCDs of this camera lie",
            file=events.path,
            cure="Give the whole event list, not a selection of it.",
        )
    layout = nominal_pn().ccds
    found = {ccd: ccd_from_events(raw[number == ccd], det[number == ccd]) for ccd in layout}
    unknown = [ccd for ccd, relation in found.items() if relation is None]
    ccds = {ccd: layout[ccd] if relation is None else relation for ccd, relation in found.items()}
    if unknown:
        # The layout as a whole lies where the events are.
        known = np.isin(number, list(layout))
        nominal = np.stack([layout[c] for c in number[known].tolist()])
        off = det[known] - (nominal[:, :, :2] @ raw[known, :, None])[:, :, 0] - nominal[:, :, 2]
        for ccd in unknown:
            ccds[ccd] = layout[ccd] + np.column_stack([np.zeros((2, 2)), np.median(off, axis=0)])
        names = ", ".join(map(str, unknown))
        assume(f"CCD {names}: too few events to tell where it lies; it is placed by the nominal layout", told)
    wcs = events.wcs
    sky = np.column_stack([rows["X"], rows["Y"]]).astype(np.float64)
    valid = (sky > 0).all(axis=1)
    design = np.column_stack([det[valid], np.ones(valid.sum())])
    relation = np.linalg.lstsq(design, sky[valid], rcond=None)[0].T  # sky = relation @ (DET, 1)
    boresight = np.linalg.solve(relation[:, :2], np.array(wcs.crpix) - relation[:, 2])
    roll = np.radians(float(events.header.get("PA_PNT", 0.0)))
    frame = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])  # u, v in X (west), Y (north)
    axes = frame @ relation[:, :2]
    axis = tuple(float(b) for b in boresight + np.linalg.solve(axes, np.array(_PN_AXIS)))
    turned = tuple(tuple(float(v) for v in row) for row in axes)
    return replace(
        camera, boresight=(float(boresight[0]), float(boresight[1])), axes=turned, optical_axis=axis, ccds=ccds
    )  # type: ignore[arg-type]


# Optical axis of the pn camera in the frame (u, v) of the attitude, units of 0.05 arcsec: mean of the positions that
# two exposure maps of the observatory's software record (XCEN, YCEN); they differ by 5 arcsec.
_PN_AXIS = (-1480.0, 1960.0)


def _plane(
    file: fits.FitsFile, events: EventList, camera: Camera, ccd: int, gti: GTI, told: list[str]
) -> DetectorPlane | None:
    """One CCD; None if it was not read out."""
    frames = file.get(f"EXPOSU{ccd:02d}")
    if not isinstance(frames, fits.TableHDU) or frames.nrows == 0 or gti.exposure <= 0:
        return None
    rows = frames.read(["TIME", "TIMEDEL", "FRACEXP"])
    order = np.argsort(rows["TIME"])
    time, step, fraction = (np.asarray(rows[k], dtype=np.float64)[order] for k in ("TIME", "TIMEDEL", "FRACEXP"))
    live = LiveTime(time - 0.5 * step, time + 0.5 * step, np.nan_to_num(fraction))
    mask = field_of_view(camera, ccd)
    mask &= _window(frames.header, camera.shape)
    return DetectorPlane(
        f"CCD {ccd}",
        mask.astype(np.float32),
        camera.to_angle(camera.ccds[ccd]),
        _bad_pixels(file, events, camera, ccd, told),
        gti,
        live,
    )


def _standard_times(file: fits.FitsFile, events: EventList) -> dict[int, GTI]:
    """Good times of the CCDs of an event list that was not selected from: STDGTInn, within those of the list."""
    names = [h.name for h in file.hdus if h.name.startswith("EXPOSU") and h.name[6:].isdigit()]
    numbers = [int(name[6:]) for name in names]
    return {
        n: GTI.read(table) & events.gti if (table := file.get(f"STDGTI{n:02d}")) is not None else events.gti
        for n in numbers
    }


def _window(header: fits.Header, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels inside the read-out window."""
    rows, columns = shape
    x0, y0 = int(header.get("WINDOWX0", 1) or 1), int(header.get("WINDOWY0", 1) or 1)
    dx, dy = int(header.get("WINDOWDX", columns) or columns), int(header.get("WINDOWDY", rows) or rows)
    x, y = np.arange(1, columns + 1), np.arange(1, rows + 1)[:, None]
    return (x >= x0) & (x < x0 + dx) & (y >= y0) & (y < y0 + dy)


def _bad_pixels(
    file: fits.FitsFile, events: EventList, camera: Camera, ccd: int, told: list[str]
) -> tuple[BadArea, ...]:
    table = file.get(f"BADPIX{ccd:02d}")
    if not isinstance(table, fits.TableHDU):
        assume(f"{events.path.name} has no table BADPIX{ccd:02d}: every pixel of CCD {ccd} counts as good", told)
        return ()
    rows = table.read(["RAWX", "RAWY", "YEXTENT"])
    pixels = box_pixels(rows["RAWX"], rows["RAWY"], rows["YEXTENT"], camera.shape, origin=1)
    return (BadArea(_with_neighbours(pixels, camera.shape) if _no_flags(events.header) else pixels),)


def _no_flags(header: fits.Header) -> bool:
    """Whether only events without any flag were kept: then none of them is next to a bad pixel or column."""
    types = {k[5:]: v for k, v in header.items() if k.startswith("DSTYP")}
    return any(str(t).strip() == "FLAG" and str(header.get(f"DSVAL{n}", "")).strip() == "0" for n, t in types.items())


def _with_neighbours(pixels: NDArray[np.intp], shape: tuple[int, int]) -> NDArray[np.intp]:
    """Pixels (flat) and the eight around each."""
    rows, columns = shape
    bad = np.zeros((rows + 2, columns + 2), dtype=bool)
    bad[1:-1, 1:-1].flat[pixels] = True
    wide = bad[:, :-2] | bad[:, 1:-1] | bad[:, 2:]
    return np.flatnonzero(wide[:-2] | wide[1:-1] | wide[2:])


def _attitude(path: str | PathLike[str]) -> Attitude:
    """Pointing of the attitude history; samples without attitude (zero) are left out."""
    file, table = open_table(path, "ATTHK", need=("TIME", "AHFRA", "AHFDEC", "AHFPA"))
    with file:
        rows = table.read(["TIME", "AHFRA", "AHFDEC", "AHFPA"])
    good = (rows["AHFRA"] != 0) | (rows["AHFDEC"] != 0)
    time, ra, dec, roll = (rows[k][good] for k in ("TIME", "AHFRA", "AHFDEC", "AHFPA"))
    return Attitude(time, ra, dec, roll, hold=60.0, source=str(path))
