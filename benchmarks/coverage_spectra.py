"""How often profile intervals of spectral fits contain the truth: simulations fitted in batched calls.

    python -m benchmarks.coverage_spectra [--number 500] [--seed 1] [--output FILE.md]

A power law (photon index 2) seen through a made-up CCD-like response, 0.5-8 keV, index and norm free.

cstat         150 channels of 50 eV
wstat         a flat background adds 30 % in the source region and is measured in a region ten times as large; bins that
              hold 5 background counts on average
wstat, fine   the same in all channels, many of which have no background count
chi           10 bins of equal expected counts, errors from the data
chi, model    the same, errors from the model (weight="model")

An interval contains the truth when the profile of the statistic at the true value has risen by less than the level
asks for.
"""

from __future__ import annotations

import argparse
import math
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wolter.data import ARF, RMF, Spectrum, SpectrumSet
from wolter.errors import WolterWarning
from wolter.fit import Fit, delta_statistic
from wolter.fit.batch import BatchLikelihood, draw_bins

LEVELS = (0.68, 0.90)
NAMES = ("powerlaw.PhoIndex", "powerlaw.norm")
TRUTH = (2.0, 1e-3)
N_CHANNELS = 200
CHI_BINS = 10
BACKGROUND_SHARE = 0.3
BACKGROUND_SIZE = 10.0
BACKGROUND_COUNTS = 5.0  # per bin, of wstat
# (statistic, counts of the source, or per bin for chi)
CASES = tuple(
    [("cstat", n) for n in (5, 10, 20, 50, 200, 1000)]
    + [("wstat", n) for n in (5, 10, 20, 50, 200, 1000)]
    + [("wstat, fine", n) for n in (5, 10, 20, 50, 200, 1000)]
    + [("chi", n) for n in (3, 5, 10, 20, 50, 100, 400)]
    + [("chi, model", n) for n in (3, 5, 10, 20, 50, 100, 400)]
)


@dataclass(frozen=True)
class Coverage:
    """Intervals that contained the truth.

    Attributes
    ----------
    statistic, counts
        The case.
    number : int
        Simulations whose fits converged.
    failed : int
        The others.
    inside : dict of (parameter, level) to int
        How many intervals contained the truth.
    """

    statistic: str
    counts: int
    number: int
    failed: int
    inside: dict[tuple[str, float], int]

    def deviation(self, name: str, level: float) -> float:
        """Deviation from the level in binomial standard deviations."""
        sigma = math.sqrt(level * (1 - level) * self.number)
        return (self.inside[name, level] - level * self.number) / sigma


def response() -> tuple[RMF, ARF]:
    """A Gaussian redistribution of 130 eV at 6 keV, and an area that peaks at 1.5 keV."""
    edges = np.geomspace(0.3, 12.0, 401)
    bounds = np.linspace(0.3, 10.3, N_CHANNELS + 1)
    centre = 0.5 * (edges[1:] + edges[:-1])
    sigma = 0.055 * np.sqrt(centre / 6.0)
    z = (bounds[None] - centre[:, None]) / (sigma[:, None] * math.sqrt(2))
    cumulative = 0.5 * (1 + np.vectorize(math.erf)(z))
    rmf = RMF.from_dense(
        np.diff(cumulative, axis=1), energ_lo=edges[:-1], energ_hi=edges[1:], e_min=bounds[:-1], e_max=bounds[1:]
    )
    area = 400.0 * np.exp(-0.5 * (np.log(centre / 1.5) / 0.9) ** 2)
    return rmf, ARF(energ_lo=edges[:-1], energ_hi=edges[1:], specresp=area)


def make_fit(statistic: str, counts: int) -> tuple[Fit, np.ndarray, np.ndarray | None]:
    """Fit with the expected numbers as data, true folded rates, and those of the background in the source region."""
    chi, fine = statistic.startswith("chi"), statistic == "wstat, fine"
    rmf, arf = response()
    channel = np.arange(rmf.first_channel, rmf.first_channel + N_CHANNELS)
    chosen = (rmf.e_min >= 0.5) & (rmf.e_max <= 8.0)
    spectrum = Spectrum(channel=channel, values=np.ones(N_CHANNELS), exposure=1.0, rmf=rmf, arf=arf)
    probe = Fit(SpectrumSet([spectrum], notice=[chosen]), "powerlaw", statistic="cstat")
    put_truth(probe)
    rate = probe.folded()[0]
    total = counts * (CHI_BINS if chi else 1)
    exposure = total / rate.sum()
    whole = np.zeros(N_CHANNELS)
    whole[chosen] = rate * exposure
    background = None
    if statistic.startswith("wstat"):
        flat = np.where(chosen, BACKGROUND_SHARE * total / chosen.sum(), 0.0)  # counts in the source region
        back = Spectrum(
            channel=channel, values=np.rint(flat * BACKGROUND_SIZE), exposure=exposure, backscal=BACKGROUND_SIZE
        )
        spectrum = spectrum.replace(background=back)
        background = flat / exposure
    if chi:
        spectrum = spectrum.replace(grouping=even_bins(whole, chosen, CHI_BINS))
    elif background is not None and not fine:
        bins = max(2, int(BACKGROUND_SHARE * total * BACKGROUND_SIZE / BACKGROUND_COUNTS))
        if bins < chosen.sum():
            spectrum = spectrum.replace(grouping=even_bins(background, chosen, bins))
    spectrum = spectrum.replace(values=np.rint(whole + 1), exposure=exposure)
    weight = "model" if statistic == "chi, model" else "standard"
    fit = Fit(SpectrumSet([spectrum], notice=[chosen]), "powerlaw", statistic="chi" if chi else "cstat", weight=weight)
    if background is not None:
        background = fit.dataset.spectra[0].binned.bins.sum(background)
    put_truth(fit)
    return fit, fit.folded()[0], background


def even_bins(expected: np.ndarray, chosen: np.ndarray, number: int) -> np.ndarray:
    """GROUPING flags of bins that hold equal shares of what is expected in the chosen channels."""
    share = np.cumsum(expected) - 0.5 * expected
    place = np.where(chosen, np.minimum((share / expected.sum() * number).astype(int), number - 1), -1)
    return np.where((np.diff(place, prepend=-2) != 0) | ~chosen, 1, -1)


def put_truth(fit: Fit) -> None:
    """Set the true parameters."""
    for name, value in zip(NAMES, TRUTH, strict=True):
        fit.set(name, value)


def cover(statistic: str, counts: int, number: int, seed: int) -> Coverage:
    """Simulate and fit one case."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WolterWarning)
        fit, rate, background = make_fit(statistic, counts)
    rng = np.random.default_rng([seed, counts, len(statistic)])
    batch = BatchLikelihood(fit, draw_bins(fit.dataset, rate, number, rng, background=background))
    truth = fit.table.free.start.copy()
    best = batch.fit(truth)
    good = best.converged | best.stalled
    rises = {}
    for k, name in enumerate(NAMES):
        start = best.points.copy()
        start[:, k] = truth[k]
        # from the best fit and from the truth: near a limit one of them may get stuck
        profiles = [batch.fit(start, fixed=[k]), batch.fit(truth, fixed=[k])]
        lowest = np.fmin(profiles[0].statistic, profiles[1].statistic)
        good &= np.isfinite(lowest)
        rises[name] = lowest - best.statistic
    inside = {
        (name, level): int((rises[name][good] <= delta_statistic(level)).sum()) for name in NAMES for level in LEVELS
    }
    return Coverage(statistic, counts, int(good.sum()), int((~good).sum()), inside)


def study(number: int, seed: int, cases: tuple[tuple[str, int], ...] = CASES) -> list[Coverage]:
    """All cases."""
    return [cover(statistic, counts, number, seed) for statistic, counts in cases]


def table(results: list[Coverage]) -> str:
    """Markdown table of the results."""
    head = " | ".join(f"{n.partition('.')[2]} {100 * level:.0f} %" for n in NAMES for level in LEVELS)
    lines = [f"| statistic | counts | {head} | failed |", "|---|---|" + "---|" * (len(NAMES) * len(LEVELS) + 1)]
    for r in results:
        cells = [
            f"{100 * r.inside[n, level] / r.number:.1f} ({r.deviation(n, level):+.1f})"
            for n in NAMES
            for level in LEVELS
        ]
        unit = "per bin" if r.statistic.startswith("chi") else "in all"
        lines.append(f"| {r.statistic} | {r.counts} {unit} | {' | '.join(cells)} | {r.failed} |")
    return "\n".join(lines)


def main() -> None:
    """Run the study and print or write a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    begin = time.perf_counter()
    results = study(options.number, options.seed)
    took = time.perf_counter() - begin
    text = table(results)
    print(text)
    print(f"{options.number} simulations per case, {len(results)} cases, {took:.1f} s")
    if options.output:
        options.output.write_text(f"{text}\n")


if __name__ == "__main__":
    main()
