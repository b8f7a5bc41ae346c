"""Small event files for the tests of events, makers and tasks, written by astropy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

FORMATS = {"TIME": "D", "X": "E", "Y": "E", "PI": "J", "W_MOM": "E", "Q": "E", "U": "E", "GRADE": "I", "STATUS": "16X"}
HEADER: dict[str, Any] = {
    "TELESCOP": "IXPE",
    "INSTRUME": "GPD",
    "DETNAM": "DU1",
    "OBJECT": "Toy",
    "MJDREFI": 57754,
    "MJDREFF": 8.007407407e-4,
    "TIMESYS": "TT",
    "TSTART": 1000.0,
    "TSTOP": 2000.0,
    "DEADC": 0.9,
    "HDUCLASS": "OGIP",
    "HDUCLAS1": "EVENTS",
}
GTI = ((1000.0, 1400.0), (1500.0, 2000.0))
AXES = {"X": ("RA---TAN", 250.0, -1e-3), "Y": ("DEC--TAN", 40.0, 1e-3)}


def uniform(number: int = 1000, seed: int = 7, **columns: Any) -> dict[str, np.ndarray]:
    """Events spread over field, time and channels."""
    rng = np.random.default_rng(seed)
    phi = rng.uniform(-np.pi, np.pi, number)
    data: dict[str, Any] = {
        "TIME": np.sort(rng.uniform(1000, 2000, number)),
        "X": rng.uniform(0.5, 100.5, number).astype("f4"),
        "Y": rng.uniform(0.5, 100.5, number).astype("f4"),
        "PI": rng.integers(0, 375, number).astype("i4"),
        "W_MOM": rng.uniform(0.1, 1.0, number).astype("f4"),
        "Q": (2 * np.cos(2 * phi)).astype("f4"),
        "U": (2 * np.sin(2 * phi)).astype("f4"),
        "GRADE": rng.integers(0, 13, number).astype("i2"),
    }
    return data | columns


def write_events(
    path: Path,
    data: dict[str, Any],
    *,
    gti: Any = GTI,
    gti_name: str = "GTI",
    header: dict[str, Any] | None = None,
    limits: bool = True,
    extname: str = "EVENTS",
    formats: dict[str, str] | None = None,
) -> Path:
    """Write an event file; entries of the header that are None are left out."""
    kinds = FORMATS | (formats or {})
    columns = [fits.Column(name, kinds[name], array=np.asarray(values)) for name, values in data.items()]
    table = fits.BinTableHDU.from_columns(columns, name=extname)
    for key, value in (HEADER | (header or {})).items():
        if value is not None:
            table.header[key] = value
    for n, name in enumerate(data, start=1):
        if name in AXES:
            kind, value, step = AXES[name]
            table.header[f"TCTYP{n}"], table.header[f"TCRVL{n}"] = kind, value
            table.header[f"TCRPX{n}"], table.header[f"TCDLT{n}"] = 50.5, step
            if limits:
                table.header[f"TLMIN{n}"], table.header[f"TLMAX{n}"] = 1, 100
        if name in ("PI", "PHA") and limits:
            table.header[f"TLMIN{n}"], table.header[f"TLMAX{n}"] = 0, 374
    hdus = [fits.PrimaryHDU(), table]
    if gti is not None:
        pairs = np.asarray(gti, dtype=float)
        times = [fits.Column("START", "D", "s", array=pairs[:, 0]), fits.Column("STOP", "D", "s", array=pairs[:, 1])]
        hdus.append(fits.BinTableHDU.from_columns(times, name=gti_name))
        hdus[-1].header["HDUCLASS"], hdus[-1].header["HDUCLAS1"] = "OGIP", "GTI"
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path


def in_time(t: np.ndarray, gti: Any = GTI) -> np.ndarray:
    """Which times lie in the intervals, ends included."""
    return np.any([(t >= lo) & (t <= hi) for lo, hi in gti], axis=0)


def reweighted(path: Path, target: Path) -> Path:
    """Copy of an event file whose weights vary: those with which data/makers_ixpeobssim.json was made."""
    with fits.open(path) as f:
        table = f["EVENTS"]
        weight = 0.05 + 0.95 * ((np.arange(len(table.data)) * 0.6180339887498949) % 1.0)
        column = fits.Column("W_MOM", "D", array=weight)
        columns = [column if c.name == "W_MOM" else c for c in table.columns]
        f["EVENTS"] = fits.BinTableHDU.from_columns(columns, header=table.header)
        f.writeto(target)
    return target
