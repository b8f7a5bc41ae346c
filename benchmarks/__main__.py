"""All speed comparisons in one run, with ratios.

    python -m benchmarks [--peer-python PATH] [--only SECTION ...] [--markdown FILE]

Peers (sherpa, ndspec, ixpeobssim) live in an environment of their own, which ``python -m benchmarks.peers DIR`` makes;
without one they are left out, and Wolter is compared with NumPy, SciPy and astropy. All programs get the same files,
start values, noticed channels and absorption, and their statistics are printed beside their times. Times are medians;
every measured program runs with the same number of BLAS threads.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness import Runner, Section, WorkerError, markdown_of, text_of

ROOT = Path(__file__).resolve().parents[1]
SECTIONS = ("ixpe", "extract", "fit", "many", "apec", "rmf")


def data_folder() -> Path:
    """Folder of the real data: ``WOLTER_TEST_DATA``, by default beside the checkout."""
    return Path(os.environ.get("WOLTER_TEST_DATA") or ROOT.parent / "shared" / "data").resolve()


def parse() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    peer = os.environ.get("WOLTER_PEER_PYTHON")
    parser.add_argument(
        "--peer-python",
        type=Path,
        default=Path(peer) if peer else None,
        metavar="PATH",
        help="interpreter of the environment with the peers (default: the variable WOLTER_PEER_PYTHON)",
    )
    parser.add_argument(
        "--jax-python",
        type=Path,
        metavar="PATH",
        help="interpreter of an environment with jaxspec (see benchmarks.peers)",
    )
    parser.add_argument(
        "--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), metavar="SECTION", help=", ".join(SECTIONS)
    )
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count() or 1, help="BLAS threads; processes of sherpa's grids"
    )
    parser.add_argument("--repeat", type=int, default=5, help="cold starts; three times as many warm fits")
    parser.add_argument("--grid-repeat", type=int, default=1, help="grids of the peers (Wolter's at least 5)")
    parser.add_argument("--rows", type=int, default=10_000_000, help="events of the extraction")
    parser.add_argument("--number", type=int, default=1000, help="spectra of the many fits")
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder of the real data")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables to this file too")
    return parser.parse_args()


def plan(options: argparse.Namespace, run: Runner) -> dict[str, tuple[str, Callable[[], Section]]]:
    """By section: the data it needs, and how to measure it."""
    from benchmarks import engine, extraction, ixpe

    data, repeat, grids = options.data, 3 * options.repeat, options.grid_repeat
    folder = "ixpe/mrk501_01004601"
    return {
        "ixpe": (folder, lambda: ixpe.section(data / folder, run, repeat=repeat, grid_repeat=grids)),
        "extract": ("", lambda: extraction.section(run, rows=options.rows, repeat=options.repeat)),
        "fit": (engine.SWIFT, lambda: engine.simple_fit(data, run, repeat=repeat, grid_repeat=grids)),
        "many": (engine.SWIFT, lambda: engine.many_fits(data, run, number=options.number)),
        "apec": ("model_data/atomdb_3.0.9", lambda: engine.plasma(data, run)),
        "rmf": (engine.SWIFT, lambda: engine.responses(data, run, repeat=options.repeat)),
    }


def heading(options: argparse.Namespace) -> str:
    """When, where, with what."""
    from benchmarks.peers import versions

    lines = ["# Speed beside other programs", ""]
    processor = next(
        (t.partition(":")[2].strip() for t in _text("/proc/cpuinfo").splitlines() if t.startswith("model name")), ""
    )
    lines.append(f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores ({processor or platform.machine()}), ")
    lines[-1] += f"{platform.system()}, load average {os.getloadavg()[0]:.1f} at the start."
    shown = {str(options.peer_python): "DIR/bin/python", str(options.jax_python): "OTHER/bin/python"}
    arguments = [shown.get(a, a) for a in sys.argv[1:]]
    lines += ["", "    python -m benchmarks " + " ".join(arguments), ""]
    for label, python in (
        ("Wolter's environment", Path(sys.executable)),
        ("peers", options.peer_python),
        ("jaxspec's environment", options.jax_python),
    ):
        if python is None:
            lines.append(f"- {label}: not given, left out.")
        else:
            lines.append(f"- {label}: " + ", ".join(f"{k} {v}" for k, v in versions(python).items()))
    lines.append(
        f"- Medians; {options.threads} BLAS threads for every program. Ratios above 1: Wolter is faster (or smaller)."
    )
    lines.append(
        f"- Not medians: grids of the peers ({options.grid_repeat} run), the loop over many spectra (one run),"
    )
    lines.append("  whole processes of the extraction (best of two).")
    lines.append(
        "- jaxspec samples posteriors and has no minimiser: its compiled likelihood (64 bits) is minimised by a Newton"
    )
    lines.append(
        "  descent written for it in JAX. It has no chi-squared, no Stokes parameters and no fits of many spectra."
    )
    return "\n".join([*lines, ""])


def _text(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""


def main() -> int:
    """Measure, print, write."""
    options = parse()
    for path in (options.peer_python, options.jax_python):
        if path and not path.exists():
            print(f"no interpreter at {path}", file=sys.stderr)
            return 2
    parts = [heading(options)]
    print(parts[0], flush=True)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="wolter-bench-") as scratch:
        peer = options.peer_python.absolute() if options.peer_python else None
        jax = options.jax_python.absolute() if options.jax_python else None
        run = Runner(peer, options.threads, options.repeat, Path(scratch), jax)
        for name, (needs, measure) in plan(options, run).items():
            if name not in options.only:
                continue
            if needs and not (options.data / needs).exists():
                print(f"{name}: skipped, there is no {needs} in {options.data} (see --data)\n", flush=True)
                continue
            before = os.getloadavg()[0]
            try:
                section = measure()
            except WorkerError as exc:
                print(f"{name}: failed: {exc}\n", file=sys.stderr, flush=True)
                failed += 1
                continue
            section.remarks.append(f"load average {before:.1f} before, {os.getloadavg()[0]:.1f} after")
            print(text_of(section) + "\n", flush=True)
            parts.append(markdown_of(section))
    if options.markdown:
        options.markdown.write_text("\n".join(parts))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
