"""Profile intervals of spectral fits contain the truth as often as they say (500 simulations per case are slow)."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.special import ndtr

from benchmarks.coverage_spectra import (
    CASES,
    LEVELS,
    NAMES,
    TRUTH,
    cover,
    empty_share,
    expected_shift,
    make_fit,
    predict,
)
from wolter.data import SpectrumSet
from wolter.errors import WolterWarning
from wolter.fit import Fit, delta_statistic
from wolter.fit.batch import BatchLikelihood, draw_bins
from wolter.fit.doubts import scale_bias

ALLOWED = 3.5  # binomial standard deviations; about a hundred numbers are looked at
# Too few bins for two parameters, or too many without background counts: measured and published, not asserted.
OUTSIDE = {("wstat, same", 20), ("wstat, fine", 20), ("wstat, fine", 50)}


@pytest.mark.slow
@pytest.mark.parametrize(("statistic", "counts"), [c for c in CASES if c[0] != "chi" and c[1] >= 20])
def test_intervals_cover_the_truth(statistic, counts):
    """cstat and chi with model weights from 20 counts (in all, per bin); the W statistic in regimes where it is one.

    That is: there are bins enough, and hardly any without background counts. The others are published.
    """
    if statistic.startswith("wstat"):
        fit, _, background = make_fit(statistic, counts)
        assert background is not None
        if fit.n_bins < 10 or empty_share(fit, background) > 0.02:
            assert (statistic, counts) in OUTSIDE
            return
        assert (statistic, counts) not in OUTSIDE
    result = cover(statistic, counts, 500, seed=77)
    assert result.failed == 0
    for name in NAMES:
        for level in LEVELS:
            assert abs(result.deviation(name, level)) < ALLOWED, (name, level, result.inside[name, level])


@pytest.mark.slow
@pytest.mark.parametrize("counts", [20, 50, 100, 400])
def test_chi_with_errors_from_the_data_covers_what_theory_says(counts):
    """The index as often as it says; the norm, which is pulled down, as often as is to be expected then."""
    result = cover("chi", counts, 500, seed=77)
    assert result.failed == 0
    for level in LEVELS:
        assert abs(result.deviation("powerlaw.PhoIndex", level)) < ALLOWED
        for name in NAMES:
            expected = result.predicted[name, level]
            sigma = np.sqrt(expected * (1 - expected) / result.number)
            assert abs(result.inside[name, level] / result.number - expected) < ALLOWED * sigma, (name, level)


def test_expected_coverage_of_a_shifted_gaussian():
    """With many counts per bin the prediction is the probability between the bounds of a Gaussian that is shifted."""
    fit, _, _ = make_fit("chi", 2000)
    shift = expected_shift(fit)
    predicted = predict(fit, number=100_000)
    for name in NAMES:
        for level in LEVELS:
            z = np.sqrt(delta_statistic(level))
            assert predicted[name, level] == pytest.approx(ndtr(z - shift[name]) - ndtr(-z - shift[name]), abs=0.006)
    # one count per bin, less one per parameter, is missing of all: the norm alone would be low by (n - 2)/sqrt(all)
    assert shift["powerlaw.norm"] == pytest.approx(-8 / np.sqrt(20_000), rel=0.1)
    assert make_fit("chi", 20)[0].n_bins == 10


def test_chi_loses_its_own_value_of_counts():
    """Where the model has a free scale, its sum at the best fit is that of the data less the minimum of chi-squared."""
    fit, rate, _ = make_fit("chi", 20)
    bins = draw_bins(fit.dataset, rate, 50, np.random.default_rng(8))
    batch = BatchLikelihood(fit, bins)
    best = batch.fit(fit.table.free.start.copy())
    time = fit.spectra[0].exposure
    for row in range(50):
        for name, value in zip(NAMES, best.points[row], strict=True):
            fit.set(name, value)
        lost = bins.counts[row].sum() - fit.folded()[0].sum() * time
        assert lost == pytest.approx(best.statistic[row], abs=0.01)


def test_low_norm_is_told():
    """Ten bins of 20 counts: by half a sigma; with model weights, few bins or many counts nothing is said."""
    fit, rate, _ = make_fit("chi", 20)
    fit = with_values(fit, np.rint(rate * fit.spectra[0].exposure))
    # the scale alone: ten counts of sqrt(200)
    assert scale_bias(fit.dataset) == pytest.approx(10 / np.sqrt(200), rel=0.02)
    with pytest.warns(
        WolterWarning, match=r"norm down by 0\.7 sigma, one count in each of 10 bins \(median 20 counts\)"
    ) as told:
        fit.run()
    assert "weight='model' or cstat, or group into 4 bins or fewer" in str(told[0].message)
    for case, counts in (("chi, model", 20), ("chi", 200)):
        other, rate, _ = make_fit(case, counts)
        other = with_values(other, np.rint(rate * other.spectra[0].exposure))
        with warnings.catch_warnings():
            warnings.simplefilter("error", WolterWarning)
            other.run()


def with_values(fit, binned):
    """The same fit to other counts, given per bin: each bin's go into its first channel."""
    spectrum, chosen = fit.spectra[0], fit.spectra.notice[0]
    values = np.zeros(len(spectrum))
    values[np.flatnonzero(chosen & (spectrum.grouping == 1))] = binned
    weight = fit.dataset.weight
    return Fit(
        SpectrumSet([spectrum.replace(values=values)], notice=[chosen]), "powerlaw", statistic="chi", weight=weight
    )


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
