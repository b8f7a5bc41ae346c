"""Queries of a calibration index of 40,000 rows.

    python -m benchmarks.caldb [--rows N] [--markdown FILE]

The index is made up so that it is harder than real ones: every row has a boundary that no other has.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Row, Section, markdown_of, text_of
from wolter import fits
from wolter.caldb import CalibrationIndex, Query, select

QUESTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("codename alone", {}),
    ("detector, date", {"detector": "A", "date": 50500.0}),
    ("detector, date, two boundaries", {"detector": "A", "date": 50500.0, "expr": "THETA.eq.17.and.ENERGY.lt.3000"}),
    ("a boundary of every row", {"expr": "ENERGY.le.100"}),
)


def make_index(path: Path, rows: int) -> Path:
    """Write an index with boundaries that differ from row to row."""
    rng = np.random.default_rng(1)
    number = np.arange(rows)
    bounds = np.full((rows, 9), "NONE", dtype="U70")
    bounds[:, 0] = [f"THETA({i % 977}-{i % 977 + i % 31})arcmin" for i in number]
    bounds[:, 1] = [f"ENERGY({i / 7:.3f})keV" for i in number]
    same = {"TELESCOP": "ACME", "INSTRUME": "CAM", "FILTER": "NONE", "CAL_DEV": "ONLINE", "CAL_DIR": "data/acme/cam"}
    data: dict[str, Any] = {name: np.full(rows, value) for name, value in same.items()}
    data |= {
        "DETNAM": rng.choice(["A", "B", "NONE"], rows), "CAL_FILE": np.array([f"f{i}.fits" for i in number]),
        "CAL_CNAM": rng.choice(["GAIN", "PSF", "VIGN", "BADPIX"], rows), "CAL_CBD": bounds,
        "CAL_XNO": np.ones(rows, np.int16), "REF_TIME": 50000.0 + number % 900,
        "CAL_QUAL": ((number % 3 == 0) * 5).astype(np.int16),
    }  # fmt: skip
    fits.write(path, [fits.primary(), fits.new_table("CIF", data)])
    return path


def median(function: Callable[[], Any], repeat: int = 7) -> tuple[float, Any]:
    """Median time (s) and result."""
    times, result = [], None
    for _ in range(repeat):
        start = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - start)
    return statistics.median(times), result


def queries(path: Path, rows: int) -> Section:
    """Time to load the index and to answer each question."""
    loading, index = median(lambda: CalibrationIndex.read(path), 3)
    section = [Row("loading the index", {"wolter": loading}, {"wolter": f"{path.stat().st_size / 1e6:.0f} MB"})]
    for title, conditions in QUESTIONS:
        seconds, found = median(lambda c=conditions: select(index, Query.make("ACME", "CAM", "GAIN", **c)))
        section.append(Row(title, {"wolter": seconds}, {"wolter": f"{len(found)} found"}))
    return Section(f"Index of {rows} rows", section)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=40_000)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        section = queries(make_index(Path(name) / "caldb.indx", options.rows), options.rows)
    print(text_of(section))
    if options.markdown:
        title = f"# Calibration database\n\n`python -m benchmarks.caldb`, {os.cpu_count()} cores\n\n"
        options.markdown.write_text(title + markdown_of(section) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
