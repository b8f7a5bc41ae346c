"""Keywords that every product of an event list carries."""

from __future__ import annotations

import re
from typing import Any

from wolter import fits
from wolter._version import __version__
from wolter.data.events import EventList
from wolter.gti import GTI

__all__ = ["add_region_subspace", "mjd_of", "product_header", "product_provenance"]

# Keywords that say what the event table is, not what was observed.
_OF_THE_TABLE = re.compile(
    r"EXTNAME|EXTVER|EXTLEVEL|HDUNAME|HDUCLAS\d?|HDUCLASS|HDUVERS\d?|HDUDOC|CONTENT|CREATOR|ORIGIN|DATE|NEVENTS|HISTORY|"
    r"COMMENT|LONGSTRN|CONTINUE|\d+DS(TYP|VAL|REF|UNI|FORM)\d+"
)
_SUBSPACE = re.compile(r"DS(TYP|VAL|REF|UNI|FORM)(\d+)\Z")
_FROM_PRIMARY = (
    "TELESCOP", "INSTRUME", "DETNAM", "FILTER", "OBS_ID", "OBJECT", "DATE-OBS", "DATE-END", "RA_OBJ", "DEC_OBJ",
    "RA_PNT", "DEC_PNT", "EQUINOX", "RADECSYS", "DATAMODE",
)  # fmt: skip
_DEFAULTS = {
    "TELESCOP": "telescope (mission) name",
    "INSTRUME": "instrument name",
    "DETNAM": "detector",
    "FILTER": "filter in use",
    "DATAMODE": "data mode",
    "OBJECT": "name of observed object",
}


def mjd_of(header: fits.Header, seconds: float) -> float | None:
    """MJD of a mission elapsed time, from MJDREFI + MJDREFF or MJDREF; None without them."""
    try:
        if "MJDREFI" in header:
            return float(header["MJDREFI"]) + float(header.get("MJDREFF", 0.0)) + seconds / 86400.0
        return float(header["MJDREF"]) + seconds / 86400.0 if "MJDREF" in header else None
    except (TypeError, ValueError):
        return None


def product_header(events: EventList, *, deadc: float | None = None, gti: GTI | None = None) -> fits.Header:
    """Header of a product: what the event header says of the observation, with times and exposure of the selection.

    Parameters
    ----------
    events : EventList
        Selected events.
    deadc : float, optional
        Live fraction to use instead of the header's.
    gti : GTI, optional
        Good time to use instead of that of the selection.

    Returns
    -------
    Header
        TSTART, TSTOP, TELAPSE, ONTIME, LIVETIME, EXPOSURE, DEADC and MJD-OBS of the selected good time, FILIN001,
        CREATOR, and the remaining non-structural keywords of the event extension.
    """
    header = events.header.without_structure()
    for key in list(dict.fromkeys(header.keys())):
        if _OF_THE_TABLE.fullmatch(key):
            header.remove(key)
    _drop_time_subspace(header)
    for key in _FROM_PRIMARY:
        if key not in header and key in events.primary_header:
            header.set(key, events.primary_header[key], events.primary_header.comment(key))
    for key, comment in _DEFAULTS.items():
        if not str(header.get(key, "") or "").strip():
            header.set(key, "NONE", comment)
    set_times(header, events, deadc=deadc, gti=gti)
    header.set("FILIN001", events.path.name, "input file name")
    header.set("CREATOR", f"wolter {__version__}", "software that made this product")
    return header


def set_times(header: fits.Header, events: EventList, *, deadc: float | None = None, gti: GTI | None = None) -> None:
    """Write times and exposure of the selected good time into a header."""
    gti = events.gti if gti is None else gti
    start, stop = gti.span
    live = events.deadc if deadc is None else deadc
    header.set("TSTART", start, "[s] start of the first good time interval")
    header.set("TSTOP", stop, "[s] end of the last good time interval")
    header.set("TELAPSE", stop - start, "[s] elapsed time")
    header.set("ONTIME", gti.exposure, "[s] good time")
    header.set("DEADC", live, "live fraction")
    header.set("LIVETIME", gti.exposure * live, "[s] good time, corrected for dead time")
    header.set("EXPOSURE", gti.exposure * live, "[s] exposure")
    if "TIMEZERO" not in header:
        header.set("TIMEZERO", 0.0, "[s] time zero")
    mjd = mjd_of(events.header, start)
    if mjd is not None:
        header.set("MJD-OBS", mjd, "[d] MJD of the start")


def _drop_time_subspace(header: fits.Header) -> None:
    """Remove the data-subspace entries of TIME: the product has a GTI extension of its own, of another name."""
    kinds = {}
    for key in header:
        match = _SUBSPACE.match(key)
        if match and match[1] == "TYP":
            kinds[match[2]] = str(header[key]).strip().upper()
    for key in list(header.keys()):
        match = _SUBSPACE.match(key)
        if match and kinds.get(match[2]) == "TIME":
            header.remove(key)


def add_region_subspace(header: fits.Header, events: EventList, table: str = "REG00101") -> None:
    """Data-subspace keywords that point to the region extension (DSTYPn 'POS(X,Y)', DSVALn TABLE, DSREFn)."""
    if not events.regions:
        return
    used = [int(m[2]) for key in header if (m := _SUBSPACE.match(key))]
    number = max(used, default=0) + 1
    cut = events.regions[0]
    header.set(f"DSTYP{number}", f"POS({cut.x.upper()},{cut.y.upper()})", "data subspace: name")
    header.set(f"DSVAL{number}", "TABLE", "data subspace: value")
    header.set(f"DSREF{number}", f":{table}", "data subspace: reference")


def selection_history(events: EventList) -> list[str]:
    """The selection in words, one condition a line, for HISTORY and reports."""
    chosen = events.selection
    lines = [f"region {cut.region.to_ds9()}" for cut in chosen.regions]
    for name, ranges in chosen.ranges:
        lines.append(" or ".join(f"{lo:g} <= {name} <= {hi:g}" for lo, hi in ranges))
    lines += [f"{name} in {list(values)}" for name, values in chosen.lists]
    lines += [f"expression {e}" for e in chosen.expressions]
    if chosen.gti is not None:
        lines.append(f"{len(chosen.gti)} further good time interval(s), {chosen.gti.exposure:.3f} s")
    return lines


def product_provenance(events: EventList, task: str, **parameters: Any) -> fits.Provenance:
    """How a product of this selection was made: task, parameters, selection, and the event file."""
    return fits.Provenance(task, {**parameters, **selection_parameters(events)}, [events.path])


def selection_parameters(events: EventList) -> dict[str, Any]:
    """Parameters of a product for its provenance."""
    return {"selection": selection_history(events), "mission": events.mission.name}
