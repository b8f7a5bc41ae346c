"""A thousand sources: masks, peaks and signal to noise in one run, and what each costs as the sample grows.

    python -m benchmarks.sources [--markdown FILE]

The sources are spread over the fields of simulated XMM-Newton observations, so that images and exposure maps have
their real size (512 x 512, three cameras each); every field has a file of 40 detections that are masked. Times are
those of one process in one run over the sample (``Sample.measure``: masks, signal to noise, counts, coverage and peak
of each source in the mosaic of its three cameras), after one source of every field has been measured; memory is the
peak of the whole process, measured in a process of its own for each size of the sample.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

SIZES = (10, 100, 1000, 10000)
FIELDS = 10
DETECTIONS = 40


def simulate(folder: Path) -> None:
    """Ten observations in a library, with their products made."""
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    from wolter.models import Model
    from wolter.simulate import simulate_observation
    from wolter.sources import Library, NullSource

    library = Library(folder / "library")
    values: dict[str, Any] = {"tbabs.nH": 0.05, "powerlaw.norm": 3e-3}
    for n in range(FIELDS):
        place = SkyCoord(150.0 + 2.0 * n, 2.0, unit="deg")
        made = simulate_observation(
            Model("tbabs*powerlaw", None, **values),
            mission="xmm_epic",
            position=place,
            exposure=10 * u.ks,
            output=folder,
            obsid=f"01000002{n:02d}",
            shape="beta:60,0.7,400",
            seed=n,
        )
        library.add(made, regions=detections(folder / f"{n}.reg", 150.0 + 2.0 * n, n))
    NullSource(library).exposure_maps((0.5, 2.0) * u.keV)


def detections(path: Path, ra: float, seed: int) -> Path:
    """Region file of a field: point sources here and there."""
    rng = np.random.default_rng(1000 + seed)
    angle, distance = rng.uniform(0, 2 * np.pi, DETECTIONS), 0.2 * np.sqrt(rng.random(DETECTIONS))
    lines = ["fk5"]
    for x, y in zip(distance * np.cos(angle), distance * np.sin(angle), strict=True):
        lines.append(f'circle({ra + x:.5f},{2.0 + y:.5f},{rng.uniform(10, 25):.1f}") # color=red')
    path.write_text("\n".join(lines) + "\n")
    return path


def measure(folder: Path, number: int) -> dict[str, float]:
    """Seconds and peak memory for a sample of so many sources."""
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    from wolter.sources import ClusterSample, Failure, Library

    library = Library(folder / "library")
    rng = np.random.default_rng(0)
    which = np.arange(number) % FIELDS
    angle, distance = rng.uniform(0, 2 * np.pi, number), 0.15 * np.sqrt(rng.random(number))
    places = SkyCoord(
        150.0 + 2.0 * which + distance * np.cos(angle) / np.cos(np.radians(2.0)),
        2.0 + distance * np.sin(angle),
        unit="deg",
    )
    options = {"redshift": np.full(number, 0.2), "r500": np.full(number, 2.0) * u.arcmin}
    sample = ClusterSample(places, library, **options)
    begin = time.perf_counter()
    first = ClusterSample(places[:FIELDS], library, redshift=np.full(FIELDS, 0.2), r500=np.full(FIELDS, 2.0) * u.arcmin)
    first.measure("r500")
    start, work = time.perf_counter(), time.process_time()
    found = sample.measure("r500")
    end, done = time.perf_counter(), time.process_time()
    good = [m for m in found if not isinstance(m, Failure)]
    return {
        "sources": number,
        "first": start - begin,
        "each": (end - start) / number,
        "work": (done - work) / number,
        "measured": len(good),
        "peaks": sum(m.peak is not None for m in good),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
    }


def main() -> None:
    """Simulate, measure each size in a process of its own, print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sources", description=__doc__)
    parser.add_argument("--markdown", type=Path, help="write the table to this file too")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        print(json.dumps(measure(Path(given.worker[0]), int(given.worker[1]))))
        return
    with tempfile.TemporaryDirectory() as temporary:
        begin = time.perf_counter()
        simulate(Path(temporary))
        ready = time.perf_counter() - begin
        rows = []
        for number in SIZES:
            command = [sys.executable, "-m", "benchmarks.sources", "--worker", temporary, str(number)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            rows.append(json.loads(done.stdout.strip().splitlines()[-1]))
    lines = [
        "# Samples of sources",
        "",
        f"{FIELDS} simulated observations of three cameras, {DETECTIONS} detections masked in each; simulation, images",
        f"and exposure maps took {ready:.1f} s in all. Every source: masks, signal to noise within 2 arcmin, counts,",
        "coverage and the hierarchical peak, in the mosaic of its three cameras; one process, one run over the sample.",
        "Before it one source of each field is measured, which makes or reads the mosaics and imports what is needed.",
        "",
        "| sources | first of each field, s | then ms each | processor, ms | measured | peaks found | memory, MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        each = " | ".join(f"{1e3 * row[name]:.2f}" for name in ("each", "work"))
        counts = f"{row['measured']} | {row['peaks']} | {row['memory']:.0f}"
        lines.append(f"| {row['sources']} | {row['first']:.1f} | {each} | {counts} |")
    print("\n".join(lines))
    if given.markdown:
        given.markdown.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
