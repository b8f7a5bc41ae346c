"""Extraction of I, Q, U from a large event file, beside the same work done with astropy and with plain NumPy.

Run with ``python -m benchmarks.extract``; ``--rows`` sets the number of events, ``--huge`` adds a file of 10^8. All
programs extract the same thing from the same file in the same run: the NEFF sums of the events inside a circle
and inside the good time intervals, per PI channel.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROW = np.dtype(
    [
        ("TRG_ID", ">i4"), ("TIME", ">f8"), ("STATUS", "u1", 2), ("STATUS2", "u1", 2), ("PI", ">i4"), ("W_MOM", ">f4"),
        ("X", ">f4"), ("Y", ">f4"), ("Q", ">f4"), ("U", ">f4"), ("LIVETIME", ">f8"), ("BARYTIME", ">f4"),
    ]
)  # fmt: skip
FORMATS = ("J", "D", "16X", "16X", "J", "E", "E", "E", "E", "E", "D", "E")
CHUNK = 1 << 20
CENTRE, RADIUS, CHANNELS = (300.5, 300.5), 60 / 2.6, 375
REGION = f"physical; circle({CENTRE[0]},{CENTRE[1]},{RADIUS!r})"
START, STOP = 1.6e8, 1.6e8 + 1e6


def good_times() -> np.ndarray:
    """Thirty intervals with gaps, shape (30, 2)."""
    edges = np.linspace(START, STOP, 31)
    return np.stack([edges[:-1], edges[:-1] + 0.9 * np.diff(edges)], axis=1)


def rows(number: int, first: int, total: int, rng: np.random.Generator) -> np.ndarray:
    """Events: a point source with broad wings (35 %) on a flat field (65 %)."""
    out = np.zeros(number, dtype=ROW)
    out["TRG_ID"] = np.arange(first, first + number)
    out["TIME"] = START + (STOP - START) * (first + np.sort(rng.random(number)) * number) / total
    out["PI"] = np.minimum(rng.exponential(45.0, number), CHANNELS - 1).astype(int)
    out["W_MOM"] = rng.uniform(0.2, 1.0, number)
    source = rng.random(number) < 0.35
    radius = 9.0 * np.sqrt((1 - rng.random(number)) ** (-1 / 0.7) - 1)
    angle = rng.uniform(0, 2 * np.pi, number)
    for name, centre, wave in (("X", CENTRE[0], np.cos(angle)), ("Y", CENTRE[1], np.sin(angle))):
        flat = rng.uniform(0.5, 600.5, number)
        out[name] = np.where(source & (radius < 250), centre + radius * wave, flat)
    phi = rng.uniform(-np.pi, np.pi, number)
    out["Q"], out["U"] = 2 * np.cos(2 * phi), 2 * np.sin(2 * phi)
    return out


def build(path: Path, number: int, seed: int = 1) -> None:
    """Write an event file with a GTI extension, chunk by chunk."""
    from astropy.io import fits

    columns = fits.ColDefs([fits.Column(n, f) for n, f in zip(ROW.names or (), FORMATS, strict=True)])
    header = fits.BinTableHDU.from_columns(columns, nrows=0).header
    header["NAXIS2"] = number
    cards: dict[str, Any] = {"EXTNAME": "EVENTS", "TELESCOP": "IXPE", "INSTRUME": "GPD", "DETNAM": "DU1"}
    cards |= {"TSTART": START, "TSTOP": STOP, "MJDREFI": 57754, "MJDREFF": 8.0074e-4, "DEADC": 0.99}
    cards |= {"HDUCLASS": "OGIP", "HDUCLAS1": "EVENTS", "TLMIN5": 0, "TLMAX5": CHANNELS - 1}
    for n, (kind, step) in ((7, ("RA---TAN", -7.2222e-4)), (8, ("DEC--TAN", 7.2222e-4))):
        cards |= {f"TCTYP{n}": kind, f"TCRPX{n}": 300.5, f"TCRVL{n}": 30.0, f"TCDLT{n}": step}
        cards |= {f"TLMIN{n}": 1, f"TLMAX{n}": 600}
    header.update(cards)
    rng = np.random.default_rng(seed)
    with open(path, "wb") as f:
        primary = fits.PrimaryHDU().header
        primary.update({"TELESCOP": "IXPE", "INSTRUME": "GPD", "DETNAM": "DU1", "OBJECT": "faked", "OBS_ID": "1"})
        primary.update(
            {"LIVETIME": 0.99 * 0.9 * (STOP - START), "ONTIME": 0.9 * (STOP - START), "DEADC": 0.99, "DEADAPP": True}
        )
        primary.update({"TSTART": START, "TSTOP": STOP, "TELAPSE": STOP - START, "TIMESYS": "TT", "TIMEUNIT": "s"})
        primary.update({"MJDREFI": 57754, "MJDREFF": 8.0074e-4, "TIMEREF": "LOCAL", "TIMEZERO": 0.0})
        primary.update({"DATE-OBS": "2022-01-26T20:26:40", "DATE-END": "2022-02-07T10:13:20", "RADECSYS": "FK5"})
        primary.update({"RA_OBJ": 30.0, "DEC_OBJ": 30.0, "RA_PNT": 30.0, "DEC_PNT": 30.0, "EQUINOX": 2000.0})
        f.write(primary.tostring().encode())
        f.write(header.tostring().encode())
        for first in range(0, number, CHUNK):
            rows(min(CHUNK, number - first), first, number, rng).tofile(f)
        f.write(b"\0" * (-number * ROW.itemsize % 2880))
    gti = good_times()
    table = fits.BinTableHDU.from_columns(
        [fits.Column("START", "D", "s", array=gti[:, 0]), fits.Column("STOP", "D", "s", array=gti[:, 1])], name="GTI"
    )
    table.header.update({"HDUCLASS": "OGIP", "HDUCLAS1": "GTI"})
    fits.append(path, table.data, table.header)


def sums_of(channel: Any, w: Any, q: Any, u: Any) -> np.ndarray:
    """The seven sums per channel that NEFF spectra are made of, shape (7, channels)."""
    w, q, u = (np.asarray(v, dtype=np.float64) for v in (w, q, u))
    wq, wu = w * q, w * u
    values = (np.ones(len(w)), w, w * w, wq, wu, wq * wq, wu * wu)
    return np.array([np.bincount(channel, weights=v, minlength=CHANNELS) for v in values])


def inside(x: Any, y: Any, t: Any, gti: np.ndarray) -> np.ndarray:
    """Events in the circle and in good time."""
    r2 = (x - CENTRE[0]) ** 2 + (y - CENTRE[1]) ** 2
    k = np.searchsorted(gti[:, 0], t, side="right") - 1
    return (r2 <= RADIUS**2) & (k >= 0) & (t <= gti[k, 1])


def with_wolter(path: Path) -> np.ndarray:
    """Wolter: selection and Stokes spectra, as a user would call it."""
    from wolter.data import EventList
    from wolter.makers import extract_stokes

    sums = extract_stokes(EventList.read(path).select(REGION), weighting="neff").sums
    return np.array([sums.n, sums.w, sums.w2, sums.wq, sums.wu, sums.wq2, sums.wu2], dtype=float)


def with_astropy(path: Path) -> np.ndarray:
    """astropy: read the columns of the memory-mapped table, select, sum."""
    from astropy.io import fits

    with fits.open(path) as f:
        data, good = f["EVENTS"].data, f["GTI"].data
        gti = np.stack([good["START"], good["STOP"]], axis=1).astype(float)
        keep = inside(data["X"].astype(float), data["Y"].astype(float), data["TIME"].astype(float), gti)
        return sums_of(data["PI"][keep].astype(np.int64), data["W_MOM"][keep], data["Q"][keep], data["U"][keep])


def with_numpy(path: Path) -> np.ndarray:
    """Plain NumPy: chunks of rows with the layout known beforehand, bounding box first."""
    gti, total = good_times(), np.zeros((7, CHANNELS))
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as f:
        f.seek(2880)
        header = b""
        while b"END     " not in header[-2880:]:
            header += f.read(2880)
        cards = [header[i : i + 80].decode() for i in range(0, len(header), 80)]
        number = next(int(c[10:30]) for c in cards if c.startswith("NAXIS2 "))
        step = 20_000
        for first in range(0, number, step):
            part = np.frombuffer(f.read(ROW.itemsize * min(step, number - first)), dtype=ROW)
            x = part["X"].astype("f4")
            rows_ = np.flatnonzero(np.abs(x - np.float32(CENTRE[0])) <= np.float32(RADIUS))
            y = part["Y"][rows_].astype("f8")
            rows_ = rows_[np.abs(y - CENTRE[1]) <= RADIUS]
            near = part[rows_]
            keep = inside(near["X"].astype("f8"), near["Y"].astype("f8"), near["TIME"].astype("f8"), gti)
            near = near[keep]
            total += sums_of(near["PI"].astype(np.int64), near["W_MOM"], near["Q"], near["U"])
    return total


PROGRAMS: dict[str, Callable[[Path], np.ndarray]] = {
    "wolter": with_wolter,
    "numpy": with_numpy,
    "astropy": with_astropy,
}


def child(program: str, path: Path, repeat: int) -> None:
    """Run one program in this process and print its times and peak memory as JSON."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        total = PROGRAMS[program](path)
        times.append(time.perf_counter() - start)
    print(json.dumps({"times": times, "peak": peak_memory(), "check": total.sum(axis=1).tolist()}))


def peak_memory() -> float:
    """Largest resident memory of this process, MB (the resource module counts the parent's before exec too)."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(program: str, path: Path, repeat: int, environment: dict[str, str] | None = None) -> dict[str, Any]:
    """Times (s) of a program in a process of its own: whole process (best of 2), median call; peak memory (MB)."""
    command = [sys.executable, "-m", "benchmarks.extract", "--child", program, str(path)]
    if environment is None:
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    best = np.inf
    for _ in range(2):
        start = time.perf_counter()
        subprocess.run([*command, "1"], check=True, capture_output=True, env=environment)
        best = min(best, time.perf_counter() - start)
    done = subprocess.run([*command, str(repeat)], check=True, capture_output=True, text=True, env=environment)
    out = json.loads(done.stdout)
    return {"process": best, "warm": statistics.median(out["times"]), "peak": out["peak"], "check": out["check"]}


def compare(path: Path, programs: list[str], repeat: int) -> dict[str, dict[str, Any]]:
    """Measure programs on a file, check that they agree, print a table with ratios."""
    found = {name: measure(name, path, repeat) for name in programs}
    reference = np.array(found["wolter"]["check"])
    print(f"{path.name}: {path.stat().st_size / 1e6:.0f} MB, {int(reference[0])} events selected")
    print(f"  {'':10s}{'process':>10s}{'warm':>9s}{'peak':>10s}{'warm / wolter':>16s}")
    for name, one in found.items():
        same = np.allclose(one["check"], reference, rtol=1e-9, atol=1e-6)
        ratio = one["warm"] / found["wolter"]["warm"]
        note = "" if same else "   DIFFERENT RESULT"
        print(f"  {name:10s}{one['process']:8.2f} s{one['warm']:7.2f} s{one['peak']:7.0f} MB{ratio:14.2f} x{note}")
    return found


def main() -> None:
    """Build the files in a temporary folder and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--huge", action="store_true", help="also 10^8 rows (5.2 GB)")
    parser.add_argument("--no-gz", action="store_true", help="leave out the compressed file")
    parser.add_argument("--folder", type=Path, help="keep and reuse the files here")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--child", nargs=3, metavar=("PROGRAM", "FILE", "REPEAT"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args.child[0], Path(args.child[1]), int(args.child[2]))
        return
    folder = args.folder or Path(tempfile.mkdtemp(prefix="wolter-bench-"))
    figures: dict[str, Any] = {}
    try:
        plain = folder / f"events_{args.rows}.fits"
        if not plain.exists():
            build(plain, args.rows)
        figures["plain"] = compare(plain, ["wolter", "numpy", "astropy"], args.repeat)
        if not args.no_gz:
            packed = plain.with_suffix(".fits.gz")
            if not packed.exists():
                with open(plain, "rb") as source, gzip.open(packed, "wb", compresslevel=1) as target:
                    shutil.copyfileobj(source, target, 1 << 22)
            figures["gz"] = compare(packed, ["wolter", "numpy"], max(1, args.repeat - 1))
        if args.huge:
            huge = folder / "events_100000000.fits"
            if not huge.exists():
                build(huge, 100_000_000)
            figures["huge"] = compare(huge, ["wolter"], 1)
        if args.json:
            args.json.write_text(json.dumps(figures, indent=1))
    finally:
        if args.folder is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
