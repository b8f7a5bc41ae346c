"""What stands beside the data of a product: its good time intervals, its region, and the keywords that all share."""

from __future__ import annotations

from typing import Any

from wolter import fits
from wolter.gti import GTI

__all__ = ["companions", "observation_keywords"]

_OBSERVATION = (
    "TELESCOP", "INSTRUME", "DETNAM", "FILTER", "DATAMODE", "OBS_ID", "OBJECT", "OBSERVER", "RA_OBJ", "DEC_OBJ",
    "RA_PNT", "DEC_PNT", "RADECSYS", "EQUINOX", "DATE-OBS", "DATE-END", "MJD-OBS", "TIMESYS", "TIMEREF",
    "TIMEUNIT", "MJDREF", "MJDREFI", "MJDREFF", "TSTART", "TSTOP", "TELAPSE", "ONTIME", "DEADC", "LIVETIME",
    "EXPOSURE", "FILIN001", "CREATOR",
)  # fmt: skip


def observation_keywords(header: fits.Header) -> fits.Header:
    """Those keywords of a product that say what was observed, when, and for how long.

    They stand in every extension of the standard extractor's products, so that tools that look at one extension only
    find them.
    """
    chosen = fits.Header()
    for key in _OBSERVATION:
        if key in header:
            chosen.set(key, header[key], header.comment(key))
    return chosen


def companions(header: fits.Header, gti: GTI | None, region: Any) -> list[fits.HDU]:
    """GTI and REG00101 extensions of a product with this header; none for what is None.

    `region` is a region in pixels or on the sky, or a REGION table as it was read, which is copied as it is.
    """
    shared = observation_keywords(header)
    made: list[Any] = []
    if gti is not None:
        made.append(_completed(gti.to_hdu(name="GTI", header=header), shared))  # type: ignore[arg-type]
    if region is not None:
        new = hasattr(region, "to_fits_hdu")
        made.append(_completed(region.to_fits_hdu(name="REG00101"), shared) if new else region)
    return made


def _completed(hdu: Any, shared: fits.Header) -> Any:
    for key in shared:
        if key not in hdu.header:
            hdu.header.set(key, shared[key], shared.comment(key))
    return hdu
