"""Confidence intervals contain the truth as often as they say (slow: 200 observations from events to intervals)."""

from __future__ import annotations

import math

import pytest

from benchmarks.coverage import LEVELS, NAMES, study


@pytest.mark.slow
def test_intervals_cover_the_truth():
    number = 200
    found = study(number, seed=5000, jobs=2)
    for name in NAMES:
        for level in LEVELS:
            sigma = math.sqrt(level * (1 - level) * number)
            assert abs(found[name, level] - level * number) < 3 * sigma, (name, level, found[name, level])
