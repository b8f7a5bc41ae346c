"""Profile intervals of spectral fits contain the truth as often as they say (500 simulations per case are slow)."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from benchmarks.coverage_spectra import CASES, LEVELS, NAMES, TRUTH, cover, make_fit
from wolter.data import SpectrumSet
from wolter.errors import WolterWarning
from wolter.fit import Fit, delta_statistic
from wolter.fit.batch import BatchLikelihood, draw_bins

ALLOWED = 3.5  # binomial standard deviations; about sixty numbers are looked at


@pytest.mark.slow
@pytest.mark.parametrize(("statistic", "counts"), [c for c in CASES if c[0] != "wstat, fine" and c[1] >= 20])
def test_intervals_cover_the_truth(statistic, counts):
    result = cover(statistic, counts, 500, seed=77)
    assert result.failed == 0
    for name in NAMES:
        # errors from the data pull a norm down by one count per bin: ten bins of 20 counts by more than half a sigma
        if statistic == "chi" and name == "powerlaw.norm" and counts < 100:
            continue
        for level in LEVELS:
            assert abs(result.deviation(name, level)) < ALLOWED, (name, level, result.inside[name, level])


def test_the_study_counts_what_error_finds():
    """For single data sets the intervals of `Fit.error` contain the truth exactly when the study says so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WolterWarning)
        template, rate, _ = make_fit("cstat", 50)
        bins = draw_bins(template.dataset, rate, 6, np.random.default_rng(3))
        batch = BatchLikelihood(template, bins)
        truth = template.table.free.start.copy()
        best = batch.fit(truth)
        seen = set()
        for row in range(6):
            spectrum = template.spectra[0]
            values = np.zeros(len(spectrum))
            values[template.spectra.notice[0]] = bins.counts[row]
            one = Fit(
                SpectrumSet([spectrum.replace(values=values)], notice=template.spectra.notice),
                "powerlaw",
                statistic="cstat",
            )
            assert one.run().statistic == pytest.approx(best.statistic[row], abs=1e-3)
            for k, name in enumerate(NAMES):
                start = best.points.copy()
                start[:, k] = truth[k]
                rise = batch.fit(start, fixed=[k]).statistic[row] - best.statistic[row]
                for level in LEVELS:
                    (interval,) = one.error(name, level=level)
                    inside = interval.lower <= TRUTH[k] <= interval.upper
                    if abs(rise - delta_statistic(level)) > 0.01:
                        assert inside == (rise <= delta_statistic(level))
                        seen.add(inside)
        assert seen == {True, False}


def test_a_small_study():
    result = cover("cstat", 100, 100, seed=1)
    assert (result.number, result.failed) == (100, 0)
    for name in NAMES:
        assert result.inside[name, 0.68] < result.inside[name, 0.90] <= 100
        assert abs(result.deviation(name, 0.68)) < 4
