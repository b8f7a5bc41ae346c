"""Every grouping rule against independent implementations from the definitions, and properties that all must have."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wolter.data import RMF, Spectrum
from wolter.data.grouping import group_min_snr, group_optimal_marked, optimal_widths
from wolter.data.spectrum_grouping import signal_and_variance
from wolter.errors import DataError, WolterWarning

COUNTS = st.lists(st.integers(0, 30), min_size=1, max_size=120)


def gaussian_rmf(n: int, sigma: float) -> RMF:
    """Gaussian redistribution, sigma in channels of 0.01 keV."""
    edges = 0.3 + 0.01 * np.arange(n + 1)
    matrix = np.exp(-0.5 * ((np.arange(n)[None, :] - np.arange(n)[:, None]) / sigma) ** 2)
    return RMF.from_dense(
        matrix / matrix.sum(axis=1, keepdims=True),
        energ_lo=edges[:-1], energ_hi=edges[1:], e_min=edges[:-1], e_max=edges[1:], first_channel=0,
    )  # fmt: skip


def make(counts, **extra) -> Spectrum:
    return Spectrum(channel=np.arange(len(counts)), values=np.asarray(counts, float), exposure=100.0, **extra)


def groups(grouping) -> list[range]:
    """Groups as ranges of channels; the flags must be well formed."""
    flags = [int(f) for f in grouping]
    assert set(flags) <= {1, -1}
    assert flags[0] == 1
    starts = [i for i, f in enumerate(flags) if f == 1]
    return [range(a, b) for a, b in zip(starts, [*starts[1:], len(flags)], strict=True)]


def paper_width(counts, fwhm) -> list[int]:
    """Kaastra & Bleeker (2016): bin width in channels for data, written from the text with loops."""
    n = len(counts)
    elements = 1 + sum(1 / f for f in fwhm)
    out = []
    for i in range(n):
        lo, hi = math.floor(i - fwhm[i] / 2 + 0.5), math.floor(i + fwhm[i] / 2 + 0.5)
        inside = 1.314 * sum(counts[k] for k in range(max(lo, 0), min(hi, n - 1) + 1))
        x = math.log(inside * (1 + 0.2 * math.log(elements))) if inside > 0 else -math.inf
        width = fwhm[i]
        if x > 2.119:
            width = fwhm[i] * (0.08 + 7.0 / x + 1.8 / x**2) / (1 + 5.9 / x)
        out.append(max(1, int(width)))
    return out


def paper_groups(counts, fwhm, enough) -> tuple[list[range], int]:
    """Groups and the first channel of the unfinished rest."""
    n, begin, out = len(counts), 0, []
    width = paper_width(counts, fwhm)
    while begin < n:
        end = min(n - 1, begin + width[begin] - 1)
        for k in range(begin, end + 1):
            end = min(end, k + width[k] - 1)
        while not enough(begin, end) and end < n - 1:
            end += 1
        if not enough(begin, end):
            return out, begin
        out.append(range(begin, end + 1))
        begin = end + 1
    return out, n


@settings(deadline=None, max_examples=60)
@given(COUNTS, st.floats(2.0, 40.0), st.sampled_from([0, 5, 25]), st.sampled_from([0.0, 2.0]))
def test_optimal_groups_are_those_of_the_paper(counts, fwhm, minimum, snr):
    widths = [fwhm * (1 + 0.01 * i) for i in range(len(counts))]
    assert optimal_widths(counts, widths).tolist() == paper_width(counts, widths)

    def enough(begin, end):
        total = sum(counts[begin : end + 1])
        return total >= minimum and (not snr or (total > 0 and total >= snr * math.sqrt(total)))

    options = {"minimum": minimum or None}
    if snr:
        options |= {"signal": counts, "variance": counts, "min_snr": snr}
    flags, marks = group_optimal_marked(counts, widths, **options)
    want, rest = paper_groups(counts, widths, enough)
    assert groups(flags)[: len(want)] == want
    assert marks.tolist() == [0] * rest + [2] * (len(counts) - rest)
    assert (flags[rest:] == 1).all()


def test_continuous_at_the_limit_and_narrower_where_bright():
    """At x = 2.119 the formula gives one resolution element; a million counts give about a third of it."""
    x = 2.119
    assert (0.08 + 7.0 / x + 1.8 / x**2) / (1 + 5.9 / x) == pytest.approx(1, abs=3e-4)
    ratio = optimal_widths(np.full(500, 1e6), np.full(500, 60.0))[250] / 60
    assert 0.2 < ratio < 0.4


@settings(deadline=None, max_examples=40)
@given(
    COUNTS.filter(any),
    st.sampled_from(["min", "bmin", "snmin", "constant", "opt", "optmin", "optsnmin"]),
    st.integers(1, 12),
    st.randoms(use_true_random=False),
)
def test_properties_of_all_rules(counts, mode, value, random):
    """Counts conserved, minimum satisfied in every group, flags well formed, the given quality kept."""
    n = len(counts)
    quality = np.array([random.choice([0, 0, 0, 5]) for _ in range(n)])
    back = make([random.randint(0, 9) for _ in range(n)], backscal=2.0)
    spectrum = make(counts, quality=quality, rmf=gaussian_rmf(n, 2.0), background=back)
    limit = 0.5 * value if "sn" in mode else value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WolterWarning)
        grouped = spectrum.group(mode, None if mode == "opt" else limit)
    made = groups(grouped.grouping)
    assert sum(len(g) for g in made) == n
    assert sum(sum(counts[g.start : g.stop]) for g in made) == sum(counts)
    assert (grouped.quality[quality == 5] == 5).all()
    assert set(grouped.quality.tolist()) <= {0, 2, 5}
    signal, variance = signal_and_variance(spectrum)
    good = quality == 0
    for g in made:
        part = slice(g.start, g.stop)
        if (grouped.quality[part] != 0).all() or mode in ("constant", "opt"):
            continue
        if mode in ("min", "optmin"):
            assert np.sum(np.asarray(counts)[part][good[part]]) >= value
        elif mode == "bmin":
            assert np.sum(back.counts[part][good[part]]) >= value
        else:
            assert signal[part][good[part]].sum() >= limit * math.sqrt(variance[part][good[part]].sum()) * (1 - 1e-12)
    if mode == "constant":
        assert all(len(g) == value for g in made[:-1])
    if mode in ("min", "bmin", "snmin") and (grouped.quality == 2).any():
        first = int(np.flatnonzero(grouped.quality == 2)[0])
        assert set(grouped.quality[first:].tolist()) <= {2, 5}
    assert np.array_equal(grouped.values, spectrum.values)


def test_signal_to_noise_with_background_by_hand():
    """Scales of exposure, AREASCAL and BACKSCAL as heasp has them; three channels worked out by hand."""
    back = Spectrum(channel=[0, 1, 2], values=[8.0, 0.0, 4.0], exposure=400.0, areascal=0.5, backscal=2.0)
    source = Spectrum(
        channel=[0, 1, 2], values=[9.0, 4.0, 16.0], exposure=100.0, areascal=1.0, backscal=1.0, background=back
    )
    scale = (1.0 * 1.0) / (0.5 * 2.0) * 100 / 400
    signal, variance = signal_and_variance(source)
    np.testing.assert_allclose(signal, [9 - scale * 8, 4, 16 - scale * 4])
    np.testing.assert_allclose(variance, [9 + scale**2 * 8, 4, 16 + scale**2 * 4])
    noisy = source.replace(sys_err=np.array([0.1, 0.0, 0.5]))
    np.testing.assert_allclose(signal_and_variance(noisy)[1] - variance, [(0.9) ** 2, 0, 8.0**2])
    assert source.group("snmin", 2.99).grouping.tolist() == [1, -1, 1]  # 7/sqrt(9.5) = 2.27, 11/sqrt(13.5) = 2.994
    assert source.group("snmin", 3.0).grouping.tolist() == [1, -1, -1]
    assert group_min_snr([3, 4], [9, 16], 1.0)[0].tolist() == [1, 1]


def test_bad_channels_inside_groups():
    quality = [5, 0, 0, 5, 0, 0]
    grouped = make([9, 2, 2, 9, 2, 2], quality=quality).group("min", 6)
    assert grouped.grouping.tolist() == [1, 1, -1, -1, -1, 1]
    assert grouped.quality.tolist() == [5, 0, 0, 5, 0, 2]


def test_window_template_and_former_marks():
    spectrum = make(np.ones(10)).group("min", 4)
    assert spectrum.quality.tolist() == [0] * 8 + [2, 2]
    again = spectrum.group("min", 5)  # marks of the earlier grouping are no bad channels
    assert again.quality.tolist() == [0] * 10
    part = spectrum.group("constant", 2, first=3, last=6)
    assert part.grouping.tolist() == [1, 1, 1, 1, -1, 1, -1, 1, 1, 1]
    copy = make(np.arange(10) + 1.0).group("file", template=again)
    assert copy.grouping.tolist() == again.grouping.tolist()
    assert make(np.ones(10)).group(5).grouping.tolist() == again.grouping.tolist()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (("opt",), "no response"),
        (("optmin", 5), "no response"),
        (("bmin", 5), "background"),
        (("min",), "value"),
        (("min", 0), "positive"),
        (("snmin", -1), "positive"),
        (("constant", 1.5), "whole"),
        (("constant", 0), "at least one"),
        (("mini", 3), "min"),
        (("file",), "template"),
        ((), "one rule"),
    ],
)
def test_what_a_rule_lacks_is_said(options, match):
    with pytest.raises(DataError, match=match):
        make(np.ones(8)).group(*options)


def test_zero_counts_and_too_few():
    with pytest.raises(DataError, match="no counts"):
        make(np.zeros(8)).group("min", 5)
    assert make(np.zeros(8)).group("constant", 4).grouping.tolist() == [1, -1, -1, -1] * 2
    with pytest.warns(WolterWarning, match="no group reaches"):
        few = make(np.ones(8)).group("min", 50)
    assert (few.quality == 2).all()
    with pytest.raises(DataError, match="9 channels"):
        make(np.ones(8)).group("file", template=make(np.ones(9)))
    with pytest.raises(DataError, match="positive"):
        make(np.ones(8), rmf=gaussian_rmf(8, 1.0)).group("optmin", -3)
