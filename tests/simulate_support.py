"""Where simulated events lie on the sky and where the telescope pointed, as astropy reads the files."""

from __future__ import annotations

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits as afits
from astropy.wcs import WCS


def _column_wcs(header, x, y):
    """Celestial coordinates of two table columns, read by astropy."""
    names = {header[f"TTYPE{i}"]: i for i in range(1, header["TFIELDS"] + 1)}
    wcs = WCS(naxis=2)
    i, j = names[x], names[y]
    wcs.wcs.ctype = [header[f"TCTYP{i}"], header[f"TCTYP{j}"]]
    wcs.wcs.crpix = [header[f"TCRPX{i}"], header[f"TCRPX{j}"]]
    wcs.wcs.crval = [header[f"TCRVL{i}"], header[f"TCRVL{j}"]]
    wcs.wcs.cdelt = [header[f"TCDLT{i}"], header[f"TCDLT{j}"]]
    return wcs


def sky_of(events):
    with afits.open(events.path) as file:
        table, header = file["EVENTS"].data, file["EVENTS"].header
        return table, SkyCoord(*_column_wcs(header, "X", "Y").wcs_pix2world(table["X"], table["Y"], 1), unit="deg")


def attitude_of(observation, time):
    """Pointing and roll at the times, from the attitude file."""
    path = next(f.path for f in observation.files if f.role == "attitude")
    with afits.open(path) as file:
        table = file[1].data
        if "POINTING" in table.names:
            columns = table["POINTING"].T
        else:
            columns = [table[k] for k in ("AHFRA", "AHFDEC", "AHFPA")]
        ra, dec, roll = (np.interp(time, table["TIME"], c) for c in columns)
    return SkyCoord(ra, dec, unit="deg"), roll
