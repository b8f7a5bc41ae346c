"""The nine-spectrum polarimetric fit: cold process, warm fit, errors, grid.

    python -m benchmarks.fit DATA [--repeat 30] [--json]

DATA is a folder with ``det{1,2,3}_filt_src_{I,Q,U}.pha`` and the responses that their headers name (the public
example of HEASARC's PyXspec notebooks, ObsID 01004601). Two models with seven free parameters are fitted from the
start values of the notebook and of the tutorial. Times are medians; the numbers of other programs for the same work,
measured once on a two-core machine, are printed beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAMES = [f"det{d}_filt_src_{s}.pha" for d in (1, 2, 3) for s in "IQU"]
POWERLAW = {
    "polconst.A": 0.05,
    "polconst.psi": -50.0,
    "TBabs.nH": 0.15,
    "powerlaw.PhoIndex": 2.7,
    "powerlaw.norm": 0.1,
    "2:constant.factor": 0.8,
    "3:constant.factor": 0.9,
}
LOGPAR = {
    "polconst.A": 1.0,
    "polconst.psi": 45.0,
    "logpar.alpha": 1.5,
    "logpar.beta": 0.2,
    "logpar.norm": 1.0,
    "2:constant.factor": 1.0,
    "3:constant.factor": 1.0,
}
# seconds: (cold process, warm fit, grid of about 42 x 37 points with all else refitted)
OTHERS = {
    "plain NumPy prototype": (0.09, 0.0023, 0.65),
    "sherpa 4.18 (two processes)": (1.5, 0.068, 10.9),
    "ndspec": (2.9, 0.033, None),
    "XSPEC 12.9.1": (0.57, 0.150, 26.0),
}


def median(function: Callable[[], Any], repeat: int, before: Callable[[], Any] = lambda: None) -> float:
    """Median time of a call in seconds; `before` is not counted."""
    times = []
    for _ in range(repeat):
        before()
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def command(folder: Path) -> list[str]:
    """The tutorial's fit as one shell command."""
    out = [sys.executable, "-m", "wolter", "fit", *(str(folder / n) for n in NAMES)]
    out += ["--model", "polconst*tbabs*(constant*powerlaw)", "--abund", "wilm", "--energy", "2:8", "--json"]
    out += ["--free-by-group", "constant.factor"]
    for name, value in POWERLAW.items():
        out += ["--set", f"{name}={value}"]
    return out


def measure(folder: Path, repeat: int) -> dict[str, float]:
    """All times in seconds."""
    import astropy.units as u

    from wolter.data import SpectrumSet
    from wolter.fit import Fit
    from wolter.models import Model, Settings

    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OPENBLAS", "OMP"))}
    cold = median(
        lambda: subprocess.run(command(folder), check=True, capture_output=True, env=environment), max(3, repeat // 6)
    )
    spectra = SpectrumSet.read([folder / n for n in NAMES], groups=[1, 1, 1, 2, 2, 2, 3, 3, 3])
    spectra = spectra.select(2 * u.keV, 8 * u.keV)

    def fit_of(expression: str) -> Fit:
        fit = Fit(spectra, Model(expression, settings=Settings(abund="wilm")))
        fit.free_by_group("constant.factor")
        return fit

    powerlaw = fit_of("polconst*tbabs*(constant*powerlaw)")
    logpar = fit_of("constant*TBabs(polconst*logpar)")
    logpar.set("TBabs.nH", 0.0169, frozen=True)
    logpar.set("logpar.pivotE", 5.0)

    def start(fit: Fit, values: dict[str, float]) -> None:
        for name, value in values.items():
            fit.set(name, value)

    out = {
        "cold process": cold,
        "construct": median(lambda: fit_of("polconst*tbabs*(constant*powerlaw)"), repeat),
        "warm fit": median(powerlaw.run, repeat, lambda: start(powerlaw, POWERLAW)),
        "warm fit, leven": median(lambda: powerlaw.run("leven"), repeat, lambda: start(powerlaw, POWERLAW)),
        "warm fit with restarts": median(logpar.run, repeat, lambda: start(logpar, LOGPAR)),
    }
    start(powerlaw, POWERLAW)
    powerlaw.run()
    out["errors of 7 parameters"] = median(powerlaw.error, repeat)
    axes = {"polconst.A": (0, 0.21, 42), "polconst.psi": (-90, 0, 37)}
    out["grid 42 x 37"] = median(lambda: powerlaw.grid(axes), max(3, repeat // 6))
    out["grid 42 x 37, logpar"] = median(lambda: logpar.grid(axes), max(3, repeat // 6))
    return out


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--repeat", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    times = measure(options.data, options.repeat)
    if options.json:
        print(json.dumps(times))
        return
    for name, seconds in times.items():
        print(f"{name:<28}{1e3 * seconds:10.2f} ms")
    print()
    mine = (times["cold process"], times["warm fit"], times["grid 42 x 37"])
    print(f"{'':<32}{'cold':>12}{'warm':>12}{'grid':>12}")
    for name, theirs in OTHERS.items():
        ratios = "".join(f"{'':>12}" if t is None else f"{t / m:11.1f}x" for t, m in zip(theirs, mine, strict=True))
        print(f"slower than this: {name:<28}"[:44].ljust(32) + ratios)


if __name__ == "__main__":
    main()
