"""Images, exposure maps, mosaics and selections in Wolter, beside reproject, astropy and SAS's recorded times.

    python -m benchmarks.images [--data FOLDER] [--markdown FILE]

Twelve images and twelve exposure maps: both MOS cameras of two observations of Abell 907 in three bands, written to
disk (SAS took 15 s and 81 s for the twelve of a similar sample on four cores, as the photometry tutorial recorded; pn
lists are too large for the test data). Mosaics: six images of MOS1, MOS2 and pn, 512 x 512 pixels each, and their maps.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Row, Section, environment, markdown_of, text_of

ROOT = Path(__file__).resolve().parents[1]
OBSERVATIONS = ("a907_0201903501", "a907_0404910601")
BANDS = ((500, 2000), (2000, 10000), (500, 10000))
GRID = {
    **dict.fromkeys(("ximagebinsize", "yimagebinsize"), 87),
    **dict.fromkeys(("ximagemin", "yimagemin"), 3649),
    **dict.fromkeys(("ximagemax", "yimagemax"), 48106),
    **dict.fromkeys(("squarepixels", "withxranges", "withyranges"), True),
    "imagebinning": "binSize",
}


def medians(calls: dict[str, Callable[[], Any]], repeat: int = 7) -> dict[str, float]:
    """Median times of several programs, s; they take turns, so that whatever else the machine does meets them all."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeat):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def median(call: Callable[[], Any], repeat: int = 5) -> float:
    """Median time of some calls, s."""
    return medians({"": call}, repeat)[""]


def lists(data: Path) -> list[Path]:
    """The four MOS event lists."""
    return [data / "xmm" / o / f"{camera}_exp1_clean_evts.fits" for o in OBSERVATIONS for camera in ("mos1", "mos2")]


def one_image(job: tuple[Path, tuple[int, int], Path]) -> None:
    """One image by the task, written to disk."""
    from wolter.missions.xmm_epic.evselect import TASK_IMAGE

    table, (low, high), folder = job
    name = folder / f"{table.parent.name}_{table.name[:4]}_{low}-{high}.fits"
    expression = f"#XMMEA_EM && (PATTERN <= 12) && (FLAG .eq. 0) && (PI in [{low}:{high}])"
    TASK_IMAGE(table=table, imageset=name, expression=expression, **GRID)


def twelve_images(data: Path, folder: Path, threads: int) -> None:
    """Twelve images; several threads if asked for."""
    jobs = [(table, band, folder) for table in lists(data) for band in BANDS]
    if threads == 1:
        for job in jobs:
            one_image(job)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(one_image, jobs))


def camera_maps(job: tuple[Path, Path, Path]) -> None:
    """Exposure maps of one camera in three bands."""
    import astropy.units as u

    from wolter.data import EventList, ImageGrid
    from wolter.makers.exposure import exposure_maps
    from wolter.missions.xmm_epic.exposure import inputs_of_files

    table, attitude, folder = job
    events = EventList.read(table)
    grid = ImageGrid((3649, 3649), (512, 512), 87, events.wcs.binned(87, 3649, 3649))
    bands = [(low / 1000 * u.keV, high / 1000 * u.keV) for low, high in BANDS]
    for made, (low, high) in zip(exposure_maps(inputs_of_files(events, attitude), grid, bands), BANDS, strict=True):
        name = folder / f"{table.parent.name}_{table.name[:4]}_{low}-{high}_ex.fits"
        made.write(name, overwrite=True)


def twelve_maps(data: Path, folder: Path, threads: int) -> None:
    """Twelve exposure maps."""
    jobs = [(table, next(table.parent.glob("*ATTTSR*")), folder) for table in lists(data)]
    if threads == 1:
        for job in jobs:
            camera_maps(job)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(camera_maps, jobs))


def products(data: Path, folder: Path, threads: int) -> Section:
    """Twelve images and twelve maps: whole processes, and in a process that has done it before."""
    out = Section("Abell 907, both MOS cameras of two observations: 12 images, 12 exposure maps, written to disk")
    for name, what, recorded in (("12 images", "images", 15.0), ("12 exposure maps", "maps", 81.0)):
        work = {"images": twelve_images, "maps": twelve_maps}[what]
        cold = Row(f"{name}, whole process")
        command = [
            sys.executable,
            "-m",
            "benchmarks.images",
            "--worker",
            what,
            "--data",
            str(data),
            "--out",
            str(folder),
        ]
        env = environment(1) | {"PYTHONPATH": str(ROOT)}
        cold.seconds["wolter"] = median(lambda c=command, e=env: subprocess.run(c, check=True, env=e), 3)
        cold.seconds["SAS (recorded, 4 cores)"] = recorded
        warm = Row(f"{name}, warm, 1 thread")
        warm.seconds["wolter"] = median(lambda w=work: w(data, folder, 1), 3)
        many = Row(f"{name}, warm, {threads} threads")
        many.seconds["wolter"] = median(lambda w=work: w(data, folder, threads), 3)
        out.rows += [cold, warm, many]
    return out


def mosaics(data: Path) -> Section:
    """Six images and six maps on common pixels."""
    from astropy.io import fits as afits
    from astropy.wcs import WCS
    from reproject import reproject_exact, reproject_interp

    from wolter.data import ExposureMap, Image
    from wolter.makers import mosaic

    names = [
        data / "xmm" / o / f"{o[5:]}_{camera}_exp1-0.50-2.00keVimg.fits"
        for o in OBSERVATIONS
        for camera in ("mos1", "mos2", "pn")
    ]
    images = [Image.read(name) for name in names]
    maps = [ExposureMap.read(str(name).replace("img", "expmap")) for name in names]
    total = mosaic(images)
    target = WCS(afits.Header(total.grid.sky.header_cards()))

    def by(function: Callable[..., Any], pictures: list[Any], **options: Any) -> np.ndarray:
        added = np.zeros(total.shape)
        for one in pictures:
            source = WCS(afits.Header(one.grid.sky.header_cards()))
            added += np.nan_to_num(function((one.data, source), target, shape_out=total.shape, **options)[0])
        return added

    nearest = {"order": "nearest-neighbor"}
    counts, seconds = Row("6 images to one (counts)"), Row("6 exposure maps to one")
    area = Row("6 images to one, shared out by area")
    counts.seconds["wolter"] = median(lambda: mosaic(images))
    counts.seconds["reproject_interp"] = median(lambda: by(reproject_interp, images, **nearest), 3)
    seconds.seconds["wolter"] = median(lambda: mosaic(maps))
    seconds.seconds["reproject_interp"] = median(lambda: by(reproject_interp, maps, **nearest), 3)
    area.seconds["wolter"] = median(lambda: mosaic(images, method="area"), 3)
    area.seconds["reproject_exact"] = median(lambda: by(reproject_exact, images), 1)
    out = Section("Mosaic of 512 x 512 pixels (MOS1, MOS2, pn of two observations)", [counts, seconds, area])
    wanted = sum(float(i.data.sum()) for i in images)
    out.remarks.append(
        f"Counts: {wanted:.0f} in the images, {float(total.data.sum()):.0f} in the mosaic; reproject_interp "
        f"{by(reproject_interp, images, **nearest).sum():.0f}, reproject_exact {by(reproject_exact, images).sum():.1f}."
    )
    return out


def big_list(path: Path, rows: int) -> None:
    """An XMM-like event list."""
    from wolter import fits

    rng = np.random.default_rng(0)
    step = 1.38888888888889e-05
    axis = {"TLMIN": 1, "TLMAX": 51840, "TCRPX": 25921, "TCUNI": "deg"}
    columns = {
        "X": fits.Column(
            "X", "J", null=-99999999, keywords=axis | {"TCTYP": "RA---TAN", "TCRVL": 149.6, "TCDLT": -step}
        ),
        "Y": fits.Column(
            "Y", "J", null=-99999999, keywords=axis | {"TCTYP": "DEC--TAN", "TCRVL": -11.1, "TCDLT": step}
        ),
        "PI": fits.Column("PI", "I", keywords={"TLMIN": 0, "TLMAX": 15000}),
    }
    data = {"TIME": np.sort(rng.uniform(0, 1e5, rows))}
    data |= {n: rng.integers(1, 601, rows).astype(np.int16) for n in ("RAWX", "RAWY")}
    data |= {n: rng.integers(-19000, 19000, rows).astype(np.int16) for n in ("DETX", "DETY")}
    data |= {n: rng.integers(5000, 46000, rows).astype(np.int32) for n in ("X", "Y")}
    data |= {"PHA": rng.integers(0, 4095, rows).astype(np.int16), "PI": rng.integers(100, 12000, rows).astype(np.int16)}
    data |= {"FLAG": np.where(rng.random(rows) < 0.05, 0x10000, 0).astype(np.int32)}
    data |= {"PATTERN": rng.integers(0, 13, rows).astype(np.uint8), "CCDNR": rng.integers(1, 8, rows).astype(np.uint8)}
    header = {"TELESCOP": "XMM", "INSTRUME": "EMOS1", "HDUCLAS1": "EVENTS", "XMMEA_EM": "(FLAG & 0x766ba000) == 0"}
    start = np.arange(0, 1e5, 5e3)
    gti = fits.new_table("STDGTI", {"START": start, "STOP": start + 4900}, header={"HDUCLAS1": "GTI"})
    table = fits.new_table("EVENTS", data, columns=columns, header=header)
    fits.write(path, [fits.primary(header), table, gti], checksum=False, overwrite=True)


def selections(folder: Path, rows: int) -> Section:
    """Images and spectra against reading the columns they need into arrays."""
    import astropy.units as u
    from astropy.io import fits as afits

    from wolter import fits
    from wolter.data import EventList, ImageGrid
    from wolter.makers import extract_spectrum, make_image

    path = folder / "events.fits"
    big_list(path, rows)
    events = EventList.read(path)
    grid = ImageGrid((3649, 3649), (512, 512), 87, events.wcs.binned(87, 3649, 3649))

    def plain(names: list[str]) -> dict[str, Any]:
        with fits.open(path) as f:
            return f.table("EVENTS").read(names)

    def mapped_read(names: list[str]) -> list[np.ndarray]:
        with fits.open(path) as f:
            table: Any = f.table("EVENTS")
            fields = [table.field(n) for n in names]
            row: Any = {"names": names, "itemsize": table.row_bytes}
            row |= {"formats": [c.stored for c in fields], "offsets": [c.offset for c in fields]}
            mapped = np.memmap(path, np.dtype(row), "r", table.region.offset, (rows,))
        return [mapped[n].astype(mapped[n].dtype.newbyteorder("=")) for n in names]

    def astropy_read(names: list[str]) -> list[np.ndarray]:
        with afits.open(path, memmap=True) as f:
            hdu: Any = f["EVENTS"]
            table = hdu.data
            return [table[n].astype(table[n].dtype.newbyteorder("=")) for n in names]

    screened = events.select(expression="#XMMEA_EM && PATTERN<=12 && PI in [500:2000]", dialect="sas")
    circle = events.select(region="physical;circle(25000,25000,3000)")
    out = Section(f"{rows:.0e} events (34 bytes a row): selections against a plain read of their columns")
    for name, call, columns in (
        ("image 0.5-2 keV", lambda: make_image(events, energy=(0.5, 2) * u.keV, grid=grid), ["X", "Y", "PI", "TIME"]),
        ("image 0.5-10 keV", lambda: make_image(events, energy=(0.5, 10) * u.keV, grid=grid), ["X", "Y", "PI", "TIME"]),
        ("image, SAS expression", lambda: make_image(screened, grid=grid), ["X", "Y", "PI", "TIME", "FLAG", "PATTERN"]),
        ("spectrum in a circle", lambda: extract_spectrum(circle), ["X", "Y", "PI", "TIME"]),
    ):
        row = Row(name)
        programs: dict[str, Callable[[], Any]] = {
            "wolter": call,
            "plain read": lambda c=columns: plain(c),
            "plain read (memory map)": lambda c=columns: mapped_read(c),
            "plain read (astropy)": lambda c=columns: astropy_read(c),
        }
        row.seconds |= medians(programs)
        out.rows.append(row)
    for program, what in (
        ("plain read", "of `wolter.fits`, in chunks"),
        ("plain read (memory map)", "of NumPy's memory map"),
    ):
        times = ", ".join(f"{1 / (row.ratio(program) or np.nan):.2f}" for row in out.rows)
        out.remarks.append(f"Wolter takes {times} times the plain read {what}; all reads end in native arrays.")
    path.unlink()
    return out


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.images", description=__doc__)
    default = Path(os.environ.get("WOLTER_TEST_DATA") or ROOT.parent / "shared" / "data").resolve()
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--worker", choices=("images", "maps"), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    state = f"{os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}, load average {os.getloadavg()[0]:.1f} at the start"
    if options.worker:
        {"images": twelve_images, "maps": twelve_maps}[options.worker](options.data, options.out, options.threads)
        return
    with tempfile.TemporaryDirectory() as name:
        sections = [
            products(options.data, Path(name), options.threads),
            mosaics(options.data),
            selections(Path(name), options.rows),
        ]
    print("\n\n".join(text_of(s) for s in sections))
    if options.markdown:
        title = f"# Images, exposure maps and mosaics\n\n`python -m benchmarks.images`, {state}\n\n"
        options.markdown.write_text(title + "\n\n".join(markdown_of(s) for s in sections) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
