"""How often profile intervals of spectral fits contain the truth: simulations fitted in batched calls.

    python -m benchmarks.coverage_spectra [--number 500] [--seed 1] [--output FILE.md]

A power law (photon index 2) seen through a made-up CCD-like response, 0.5-8 keV, index and norm free.

cstat         150 channels of 50 eV
wstat         a flat background adds 30 % in the source region and is measured in a region ten times as large; bins that
              hold 5 background counts on average
wstat, strong the background equals the source
wstat, same   the background equals the source and is measured in a region of the same size
wstat, fine   30 %, ten times as large, all channels, many of which have no background count
chi           10 bins of equal expected counts, errors from the data
chi, model    the same, errors from the model (weight="model")

An interval contains the truth when the profile of the statistic at the true value has risen by less than the level
asks for. For chi with errors from the data the coverage is also predicted: a least-squares solution with weights 1/d,
linear in the parameters, is written down without any fit (`predict`).
"""

from __future__ import annotations

import argparse
import math
import time
import warnings
from dataclasses import dataclass, field
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
BACKGROUND_COUNTS = 5.0  # per bin, of wstat where bins are made


@dataclass(frozen=True)
class Regime:
    """Background of the W statistic: share of the source's counts, size of its region, whether channels are grouped."""

    share: float = 0.3
    size: float = 10.0
    grouped: bool = True


REGIMES = {
    "wstat": Regime(),
    "wstat, strong": Regime(share=1.0),
    "wstat, same": Regime(share=1.0, size=1.0),
    "wstat, fine": Regime(grouped=False),
}
# (statistic, counts of the source, or per bin for chi)
CASES = tuple(
    [("cstat", n) for n in (5, 10, 20, 50, 200, 1000)]
    + [(regime, n) for regime in REGIMES for n in (5, 10, 20, 50, 200, 1000)]
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
    predicted : dict of (parameter, level) to float
        Shares that are expected to, for chi with errors from the data.
    """

    statistic: str
    counts: int
    number: int
    failed: int
    inside: dict[tuple[str, float], int]
    predicted: dict[tuple[str, float], float] = field(default_factory=dict)

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
    chi, regime = statistic.startswith("chi"), REGIMES.get(statistic)
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
    if regime is not None:
        flat = np.where(chosen, regime.share * total / chosen.sum(), 0.0)  # counts in the source region
        values = np.rint(flat * regime.size)
        back = Spectrum(channel=channel, values=values, exposure=exposure, backscal=regime.size)
        spectrum = spectrum.replace(background=back)
        background = flat / exposure
    if chi:
        spectrum = spectrum.replace(grouping=even_bins(whole, chosen, CHI_BINS))
    elif background is not None and regime is not None and regime.grouped:
        bins = max(2, int(regime.share * total * regime.size / BACKGROUND_COUNTS))
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
    predicted = predict(fit) if statistic == "chi" else {}
    return Coverage(statistic, counts, int(good.sum()), int((~good).sum()), inside, predicted)


def empty_share(fit: Fit, background: np.ndarray) -> float:
    """Share of the bins in which no background count is expected to fall."""
    (entry,) = fit.dataset.spectra
    return float(np.exp(-background * entry.binned.background_time).mean())


def slopes(fit: Fit) -> tuple[np.ndarray, np.ndarray]:
    """Expected counts [n] at the truth, and their derivatives [n, 2] with respect to the parameters."""
    time = fit.spectra[0].exposure
    columns = []
    for name, value in zip(NAMES, TRUTH, strict=True):
        sides = []
        for sign in (1, -1):
            fit.set(name, value * (1 + sign * 1e-4))
            sides.append(fit.folded()[0] * time)
        fit.set(name, value)
        columns.append((sides[0] - sides[1]) / (2e-4 * value))
    return fit.folded()[0] * time, np.stack(columns, axis=1)


def expected_shift(fit: Fit) -> dict[str, float]:
    """Shift of chi-squared's estimates in sigmas, to first order: each bin pulls as if one count were missing.

    A bin that determines the fit alone (leverage 1) does not pull: its residual is zero.
    """
    mean, jacobian = slopes(fit)
    covariance = np.linalg.inv(jacobian.T @ (jacobian / mean[:, None]))
    leverage = np.einsum("ik,kl,il->i", jacobian, covariance, jacobian) / mean
    shift = -covariance @ (jacobian.T @ ((1.0 - leverage) / mean))
    return dict(zip(NAMES, shift / np.sqrt(np.diag(covariance)), strict=True))


def predict(fit: Fit, number: int = 20_000, seed: int = 0) -> dict[tuple[str, float], float]:
    """Coverage of chi with errors from the data for a model that is linear in its parameters, without fitting.

    With weights W = 1/d the solution is off by ``C J' W (d - mu)``, C the inverse of ``J' W J``; the profile of
    chi-squared at the truth has then risen by the square of that over C's diagonal.
    """
    mean, jacobian = slopes(fit)
    counts = np.random.default_rng(seed).poisson(mean, (number, len(mean))).astype(float)
    counts = counts[(counts > 0).all(axis=1)]
    weights = 1.0 / counts
    covariance = np.linalg.inv(np.einsum("ik,si,il->skl", jacobian, weights, jacobian))
    error = np.einsum("skl,il,si->sk", covariance, jacobian, weights * (counts - mean))
    rise = error**2 / np.einsum("skk->sk", covariance)
    return {(n, lev): float((rise[:, k] <= delta_statistic(lev)).mean()) for k, n in enumerate(NAMES) for lev in LEVELS}


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
        if r.predicted:
            cells = [f"{c}, expected {100 * p:.1f}" for c, p in zip(cells, r.predicted.values(), strict=True)]
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
