"""How often confidence intervals contain the truth: 200 simulated observations, from events to intervals.

    python -m benchmarks.coverage [--number 200] [--seed 1000] [--jobs 2]

Each observation is simulated as event files, found, extracted with source and background regions, grouped to 0.2 keV
and fitted; the 68 % and 90 % profile intervals of polarisation degree and angle are compared with what was put in.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

MODEL = "polconst*tbabs*powerlaw"
TRUTH = {"polconst.A": 0.15, "polconst.psi": 70.0, "TBabs.nH": 0.5, "powerlaw.PhoIndex": 2.0, "powerlaw.norm": 0.5}
POSITION = "12:30:00.0 +12:24:00"
LEVELS = (0.68, 0.90)
NAMES = ("polconst.A", "polconst.psi")


def one(seed: int) -> dict[tuple[str, float], bool]:
    """Whether each interval of one simulated observation contains the truth."""
    from astropy import units as u

    from wolter.fit import Fit
    from wolter.models import Model
    from wolter.observation import Observation
    from wolter.simulate import simulate_observation
    from wolter.sky import annulus, circle

    model = Model(MODEL)
    for name, value in TRUTH.items():
        model[name].value = value
    with tempfile.TemporaryDirectory() as folder:
        path = simulate_observation(
            model,
            mission="ixpe",
            position=POSITION,
            exposure=15 * u.ks,
            output=folder,
            seed=seed,
            compress=False,
        )
        spectra = Observation(path).spectra(
            circle(POSITION, 60 * u.arcsec),
            annulus(POSITION, 132 * u.arcsec, 252 * u.arcsec),
            stokes="neff",
            responses=Path(folder) / "responses",
        )
        fit = Fit(spectra.group(channels=5).select(2 * u.keV, 8 * u.keV), MODEL)
        fit.run()
        out = {}
        for level in LEVELS:
            for result in fit.error(*NAMES, level=level):
                truth = TRUTH[result.name]
                if result.name.endswith("psi"):  # the interval is continuous, the truth is known modulo 180 degrees
                    truth += 180.0 * round((result.value - truth) / 180.0)
                out[result.name, level] = bool(result.lower <= truth <= result.upper)
        return out


def study(number: int, seed: int, jobs: int) -> dict[tuple[str, float], int]:
    """Number of intervals that contain the truth, by parameter and confidence."""
    found = dict.fromkeys(((n, level) for n in NAMES for level in LEVELS), 0)
    with ProcessPoolExecutor(jobs) as pool:
        for result in pool.map(one, range(seed, seed + number), chunksize=5):
            for key, inside in result.items():
                found[key] += inside
    return found


def main() -> None:
    """Run the study and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    found = study(options.number, options.seed, options.jobs)
    print(f"{options.number} simulated observations, seeds from {options.seed}")
    for (name, level), inside in found.items():
        sigma = math.sqrt(level * (1 - level) * options.number)
        print(
            f"{name:<14} {100 * level:.0f} %: {inside}/{options.number} = {100 * inside / options.number:.1f} % "
            f"({(inside - level * options.number) / sigma:+.1f} binomial sigma)"
        )


if __name__ == "__main__":
    main()
