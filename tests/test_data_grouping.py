"""Grouping flags, bins and XSPEC's ranges."""

from __future__ import annotations

import json

import numpy as np
import pytest
from astropy.io import fits as afits
from hypothesis import given
from hypothesis import strategies as st

from wolter.data import (
    Spectrum,
    bin_range,
    group_bins,
    group_constant,
    group_min,
    group_min_snr,
    group_optimal,
    notice_range,
)
from wolter.data.grouping import group_optimal_marked
from wolter.errors import DataError

CASES = range(59)


def unroll(runs, n):
    """Run-length list of the golden file, or the keyword that stands for all channels."""
    if isinstance(runs, dict):
        return np.full(n, runs["keyword"])
    return np.repeat([v for v, _ in runs], [c for _, c in runs])


def sparse_counts(node):
    """First counts_sparse list anywhere in a golden extractor case."""
    if isinstance(node, dict):
        if "counts_sparse" in node:
            return node["counts_sparse"]
        node = list(node.values())
    for child in node if isinstance(node, list) else ():
        found = sparse_counts(child)
        if found is not None:
            return found
    return None


@pytest.fixture(scope="module")
def grppha(golden):
    return json.loads(golden("grppha", "grppha.json").read_text())["cases"]


def starting_point(case, shared, golden):
    """Counts, GROUPING and QUALITY before the commands."""
    n, name = case["n_channels"], case["input"]
    if name.startswith("("):
        extracted = json.loads(golden("extractor", name.split("extractor/")[1].rstrip(")")).read_text())
        counts = np.zeros(n)
        for channel, number in sparse_counts(extracted["products"]):
            counts[channel - case["first_channel"]] = number
        return counts, np.zeros(n, int), np.zeros(n, int)
    data = afits.getdata(shared(*name.split("/")), "SPECTRUM")
    header = afits.getheader(shared(*name.split("/")), "SPECTRUM")
    rate = "RATE" in data.names
    counts = data["RATE"].astype(float) * header["EXPOSURE"] if rate else data["COUNTS"].astype(float)
    flags = [np.array(data[k], int) if k in data.names else np.zeros(n, int) for k in ("GROUPING", "QUALITY")]
    return counts, *flags


@pytest.mark.parametrize("number", CASES)
def test_grppha_commands(grppha, shared, golden, number):
    """All 59 recorded commands of grppha 3.0.1, and combinations of them, flag by flag."""
    case = grppha[number]
    n, first = case["n_channels"], case["first_channel"]
    counts, grouping, quality = starting_point(case, shared, golden)
    for command in case["comm"].split("&"):
        words = command.split()
        if words[:2] == ["group", "min"]:
            grouping, quality = group_min(counts, float(words[2]), quality=quality)
        elif words[0] == "group":
            numbers = [int(w) for w in words[1:]]
            for low, high, width in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True):
                window = {"first": low - first, "last": min(high - first, n - 1)}
                grouping = group_constant(n, width, grouping=grouping, **window)
        elif words[0] in ("bad", "good"):
            for span in words[1:]:
                low, high = (int(e) - first for e in span.split("-"))
                quality[low : high + 1] = 5 if words[0] == "bad" else 0
        elif words == ["reset", "grouping"]:
            grouping = np.zeros(n, int)
        elif words == ["reset", "quality"]:
            quality = np.zeros(n, int)
    np.testing.assert_array_equal(grouping, unroll(case["GROUPING"], n))
    np.testing.assert_array_equal(quality, unroll(case["QUALITY"], n))
    if "n_groups_all" in case:
        assert np.sum(grouping != -1) == case["n_groups_all"] == group_bins(grouping).total


def test_spectrum_group_is_grppha(grppha, shared):
    """The method on a spectrum does what the golden commands do."""
    case = grppha[0]
    spectrum = Spectrum.read(shared(*case["input"].split("/")), follow=False).group(20)
    np.testing.assert_array_equal(spectrum.grouping, unroll(case["GROUPING"], 1024))
    np.testing.assert_array_equal(spectrum.quality, unroll(case["QUALITY"], 1024))
    full = spectrum.binned().counts[spectrum.bins().quality == 0]
    assert (full >= 20).all()
    assert len(full) == 2
    assert spectrum.ungroup().bins().total == 1024
    assert not spectrum.ungroup().quality.any()
    five = spectrum.group(channels=5, first=10, last=21)
    assert five.grouping[8:24].tolist() == [1, 1, 1, -1, -1, -1, -1, 1, -1, -1, -1, -1, 1, -1, 1, 1]
    for options in ({}, {"min_counts": 3, "channels": 2}, {"optimal": True}):
        with pytest.raises(DataError):
            spectrum.group(**options)


def test_bins_of_flags_with_bad_channels():
    grouping = [1, -1, -1, 0, 0, 1, -1, -1, 1, -1]
    quality = [0, 2, 0, 0, 1, 1, 0, 5, 0, 1]
    bins = group_bins(grouping, quality)
    assert bins.channel_bin.tolist() == [0, 0, 0, 1, -1, -1, 2, 2, 3, -1]
    assert bins.start.tolist() == [0, 3, 6, 8]  # the group that lost its first channel begins with the next one
    assert bins.stop.tolist() == [3, 4, 8, 9]
    assert bins.quality.tolist() == [2, 0, 5, 0]  # the worst of each bin, as XSPEC 12.9.1 has it
    assert bins.sum(np.arange(10)).tolist() == [3, 3, 13, 8]
    assert bins.max(np.arange(10)).tolist() == [2, 3, 7, 8]
    some = group_bins(grouping, quality, np.arange(10) >= 2)  # the first bin is not wholly noticed
    assert some.position.tolist() == [2, 3, 4]
    assert some.total == 4
    assert some.channel_bin.tolist() == [-1, -1, -1, 0, -1, -1, 1, 1, 2, -1]
    assert len(group_bins(None, [1, 1])) == 0
    assert group_bins(None, n=3).trivial
    with pytest.raises(DataError, match="lengths"):
        group_bins([1, -1], [0, 0, 0])
    with pytest.raises(DataError, match="GROUPING holds"):
        group_bins([1, 2, -1])


flags = st.lists(st.tuples(st.sampled_from([-1, 0, 1]), st.sampled_from([0, 0, 0, 1, 2, 5])), min_size=1, max_size=60)


@given(flags)
def test_bins_are_those_of_a_loop(pairs):
    grouping, quality = zip(*pairs, strict=True)
    expected, current = [], None  # sizes of bins
    group = 0
    for flag, mark in pairs:
        group += flag != -1
        if mark == 1:
            continue
        if group != current:
            expected.append(0)
            current = group
        expected[-1] += 1
    values = np.arange(1.0, len(pairs) + 1)
    bins = group_bins(grouping, quality)
    assert [int((bins.channel_bin == k).sum()) for k in range(bins.total)] == expected
    kept = np.array(quality) != 1
    assert bins.sum(values).sum() == values[kept].sum()
    assert (np.diff(bins.channel_bin[kept]) >= 0).all()


@given(st.lists(st.integers(0, 30), min_size=1, max_size=80), st.integers(1, 60))
def test_group_min_fills_every_good_group(counts, minimum):
    grouping, quality = group_min(counts, minimum)
    bins = group_bins(grouping)
    sums = bins.sum(counts)
    done = group_bins(grouping, quality).quality == 0
    assert (sums[done] >= minimum).all()
    # no group could have been closed earlier, and what is left over does not make one
    for start, stop in zip(bins.start[done], bins.stop[done], strict=True):
        assert sum(counts[start : stop - 1]) < minimum
    tail = [c for c, q in zip(counts, quality, strict=True) if q == 2]
    assert sum(tail) < minimum


def test_signal_to_noise_groups():
    signal, variance = np.full(10, 4.0), np.full(10, 4.0)
    grouping, quality = group_min_snr(signal, variance, 4.0)  # four channels: 16 / sqrt(16)
    assert grouping.tolist() == [1, -1, -1, -1, 1, -1, -1, -1, 1, 1]
    assert quality.tolist() == [0] * 8 + [2, 2]
    assert group_min_snr(np.zeros(3), np.zeros(3), 1.0)[1].tolist() == [2, 2, 2]


def test_optimal_groups_of_a_bright_and_a_faint_spectrum():
    """Kaastra & Bleeker 2016: one resolution element where counts are few, a third of it at 1e6 counts."""
    fwhm = np.full(1000, 30.0)
    faint, bright = (group_bins(group_optimal(np.full(1000, c), fwhm)) for c in (0.0, 1e6))
    assert set(np.diff(faint.start)) == {30}
    x = np.log(1.314 * 31e6 * (1 + 0.2 * np.log(1 + 1000 / 30)))
    width = int(30 * (0.08 * x + 7 + 1.8 / x) / (x + 5.9))
    assert np.median(np.diff(bright.start)) == width
    assert 5 < width < 15
    flags, marks = group_optimal_marked(np.full(1000, 0.1), fwhm, minimum=10)
    filled = group_bins(flags, marks)
    assert (filled.sum(np.full(1000, 0.1))[filled.quality == 0] >= 10 - 1e-9).all()
    assert 0 < (marks == 2).sum() < 110


def test_energy_ranges_of_xspec():
    """40 eV channels: ignore 0-2 takes 1-50, 8-** takes 200-375 and leaves 149 (recorded from XSPEC)."""
    edges = np.arange(376) * 0.04
    e_min, e_max = edges[:-1].astype("f4").astype(float), edges[1:].astype("f4").astype(float)
    assert np.flatnonzero(bin_range(e_min, e_max, 0.0, 2.0))[[0, -1]].tolist() == [0, 49]
    assert np.flatnonzero(bin_range(e_min, e_max, 8.0, None))[[0, -1]].tolist() == [199, 374]
    keep = notice_range(e_min, e_max, 2.0, 8.0)
    assert keep.sum() == 149
    assert np.flatnonzero(keep)[[0, -1]].tolist() == [50, 198]
    # descending bounds: the same bins, the walk begins at the far end
    np.testing.assert_array_equal(notice_range(e_min[::-1], e_max[::-1], 2.0, 8.0), keep[::-1])
    assert notice_range(e_min, e_max, None, None).all()
    assert not bin_range(e_min, e_max, 20.0, 30.0).any()
    assert not bin_range(e_min, e_max, -2.0, 0.0).any()
    assert bin_range(e_min, e_max, 5.0, 20.0)[-1]
    assert np.array_equal(bin_range(e_min, e_max, 6.0, 3.0), bin_range(e_min, e_max, 3.0, 6.0))
    assert bin_range([1.0], [2.0], 1.5, 1.7).tolist() == [True]


@given(st.floats(0.0, 12.0), st.floats(0.0, 12.0))
def test_ranges_are_those_of_a_loop(a, b):
    edges = np.linspace(0.3, 10.0, 41)
    low, high = edges[:-1], edges[1:]
    lo, hi = min(a, b), max(a, b)
    expected = np.zeros(40, bool)
    if hi > low[0] and lo <= high[-1]:
        first = next(j for j in range(40) if high[j] >= lo)
        last = next((j for j in range(40) if high[j] >= hi), 39)
        expected[first : last + 1] = True
    np.testing.assert_array_equal(bin_range(low, high, a, b), expected)


@pytest.mark.parametrize(
    "call", [lambda: group_min([1, 2], 0), lambda: group_constant(5, 0), lambda: group_constant(5, 1, last=5)]
)
def test_senseless_groups(call):
    with pytest.raises(DataError):
        call()
