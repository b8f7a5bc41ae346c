"""Light curves: errors, dead time, net rates, hardness, flares, blocks, Stingray, pile-up."""

from __future__ import annotations

import importlib
import inspect
import itertools
import math
import pkgutil

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from scipy import stats

from events_support import uniform, write_events
from wolter import makers
from wolter.data import EventList, LightCurve
from wolter.data.curves import (
    bayesian_blocks,
    flare_filter,
    hardness_ratio,
    net_light_curve,
    to_stingray,
)
from wolter.errors import DataError, UnitError, WolterWarning
from wolter.gti import GTI
from wolter.makers import core_excised, light_curve, pile_up
from wolter.makers.aspect import LiveTime
from wolter.makers.livetime import mean_live
from wolter.makers.timing import epoch_folding, fold, periodogram
from wolter.observation import Observation
from wolter.sky import circle


def curve(rate, error=None, *, start=0.0, width=10.0, **extra) -> LightCurve:
    rate = np.asarray(rate, dtype=float)
    error = np.sqrt(np.maximum(rate, 0) / width) if error is None else error
    return LightCurve(
        time=width * np.arange(len(rate)), rate=rate, error=error, timezero=start + width / 2, timedel=width, **extra
    )


@pytest.fixture
def events(tmp_path):
    data = uniform(4000)
    return EventList.read(write_events(tmp_path / "evt.fits", data)), data


def test_rates_thresholds_and_errors(events):
    """Against numpy: 1000-1400 and 1500-2000 s are good, bins of 150 s."""
    made, data = events
    counts, edges = np.histogram(
        data["TIME"][(data["TIME"] <= 1400) | (data["TIME"] >= 1500)], 1000 + 150.0 * np.arange(8)
    )
    exposure = np.array([150, 150, 100, 100, 150, 150, 100.0])  # 1300-1400, 1500-1600; the last ends at 2000
    lc = light_curve(made, 150 * u.s)
    np.testing.assert_allclose(lc.rate, counts / exposure)
    np.testing.assert_allclose(lc.error, np.sqrt(counts) / exposure)
    np.testing.assert_allclose(lc.fracexp, exposure / 150)
    np.testing.assert_allclose(lc.met, edges[:-1] + 75)
    full = light_curve(made, 150 * u.s, min_fraction=1.0)
    np.testing.assert_allclose(full.rate, (counts / exposure)[exposure == 150])
    gehrels = light_curve(made, 150 * u.s, errors="gehrels")
    np.testing.assert_allclose(gehrels.error, (1 + np.sqrt(counts + 0.75)) / exposure)
    corrected = light_curve(made, 150 * u.s, deadtime="header")
    np.testing.assert_allclose(corrected.rate, lc.rate / 0.9)
    np.testing.assert_allclose(corrected.error, lc.error / 0.9)
    assert corrected.header["DEADAPP"] is True
    live = LiveTime([1000.0], [1600.0], [0.5])
    part = light_curve(made, 150 * u.s, deadtime=live)
    np.testing.assert_allclose(part.rate, (counts / exposure)[:4] * 2)
    for options, match in (
        ({"errors": "poisson"}, "errors"),
        ({"deadtime": "none"}, "deadtime"),
        ({"min_fraction": 1.1}, "no bin"),
    ):
        with pytest.raises(DataError, match=match):
            light_curve(made, 150 * u.s, **options)


def test_live_fraction_is_the_loop():
    rng = np.random.default_rng(2)
    time = np.sort(rng.uniform(0, 400, 3)) * 0 + np.arange(3)  # three regular samples first
    time = np.concatenate([time, 10 + np.arange(50), 80 + np.arange(30)])
    values = rng.uniform(0, 1, time.size)
    live = LiveTime.from_samples(time, values)
    gti = GTI([1.5, 12.25, 70.0], [11.0, 40.75, 95.5])
    edges = np.array([0.0, 2.0, 5.0, 13.0, 30.0, 60.0, 100.0, 120.0])
    fine = np.arange(0, 120, 0.001) + 0.0005
    known = np.full(fine.size, np.nan)
    for t, v in zip(time, values, strict=True):
        known[(fine >= t) & (fine < t + 1)] = v
    known[~gti.contains(fine)] = np.nan
    got = mean_live(edges, gti, live)
    for k, (lo, hi) in enumerate(itertools.pairwise(edges)):
        part = known[(fine >= lo) & (fine < hi)]
        want = np.nanmean(part) if np.isfinite(part).any() else np.nan
        assert got[k] == pytest.approx(want, abs=2e-3, nan_ok=True)


def test_net_rates(events, tmp_path):
    made, data = events
    source = light_curve(made.select(region="physical\ncircle(50,50,20)"), 100 * u.s)
    back = light_curve(made.select(region="physical\nannulus(50,50,25,45)"), 100 * u.s)
    r = np.hypot(data["X"].astype(float) - 50, data["Y"].astype(float) - 50)
    x, y = np.meshgrid(np.arange(1, 101), np.arange(1, 101))
    plane = np.hypot(x - 50.0, y - 50.0)
    ratio = (plane <= 20).sum() / ((plane >= 25) & (plane <= 45)).sum()
    net = net_light_curve(source, back)
    time = data["TIME"]
    exposure = np.array([100.0] * 4 + [100.0] * 5)
    edges = np.array([1000, 1100, 1200, 1300, 1400, 1500, 1600, 1700, 1800, 1900, 2000.0])
    good = (time <= 1400) | (time >= 1500)
    ns = np.delete(np.histogram(time[good & (r <= 20)], edges)[0], 4)
    nb = np.delete(np.histogram(time[good & (r >= 25) & (r <= 45)], edges)[0], 4)
    np.testing.assert_allclose(net.rate, (ns - ratio * nb) / exposure)
    np.testing.assert_allclose(net.error, np.sqrt(ns + ratio**2 * nb) / exposure)
    assert net.header["HDUCLAS2"] == "NET"
    net.write(tmp_path / "net.lc")
    with fits.open(tmp_path / "net.lc") as f:
        np.testing.assert_allclose(f["RATE"].data["RATE"], net.rate, rtol=1e-6)
    shifted = curve(np.ones(9), start=1003.0, width=100.0)
    for other, match in ((shifted, "do not coincide"), (curve(np.ones(9), width=50.0), "bins of 100 and 50"),
                         (curve(np.ones(3), start=9000.0, width=100.0), "no bin in common")):  # fmt: skip
        with pytest.raises(DataError, match=match):
            net_light_curve(source, other, ratio=1.0)
    with pytest.raises(DataError, match="areas"):
        net_light_curve(curve([1.0]), curve([1.0]))
    with pytest.raises(DataError, match="ratio"):
        net_light_curve(curve([1.0]), curve([1.0]), ratio=-1)


def test_hardness_by_propagation():
    """Compared with finite differences."""
    soft, hard = curve([4.0, 9.0]), curve([2.0, 30.0])
    for kind, function in (
        ("difference", lambda h, s: (h - s) / (h + s)),
        ("ratio", lambda h, s: h / s),
        ("colour", lambda h, s: math.log10(s / h)),
    ):
        made = hardness_ratio(soft, hard, kind=kind)
        for k in range(2):
            s, h = soft.rate[k], hard.rate[k]
            step = 1e-6
            ds = (function(h, s + step) - function(h, s - step)) / (2 * step) * soft.error[k]
            dh = (function(h + step, s) - function(h - step, s)) / (2 * step) * hard.error[k]
            assert made.value[k] == pytest.approx(function(h, s))
            assert made.error[k] == pytest.approx(math.hypot(ds, dh), rel=1e-5)
    with pytest.raises(DataError, match="kind"):
        hardness_ratio(soft, hard, kind="odd")
    with pytest.raises(DataError, match="method"):
        hardness_ratio(soft, hard, method="odd")


def test_hardness_of_few_counts():
    """Posterior mean of (H − S)/(H + S) by quadrature: with priors λ^−½ the hard share is a beta distribution."""
    soft, hard = curve([0.3, 0.0]), curve([0.5, 0.2])  # 3 and 0, 5 and 2 counts
    made = hardness_ratio(soft, hard, method="bayes", samples=200_000)
    for k, (s, h) in enumerate(((3, 5), (0, 2))):
        share = stats.beta(h + 0.5, s + 0.5)
        assert made.value[k] == pytest.approx(2 * share.mean() - 1, abs=4e-3)
        limits = 2 * share.ppf([0.158655, 0.841345]) - 1
        assert made.lower[k] == pytest.approx(limits[0], abs=8e-3)
        assert made.upper[k] == pytest.approx(limits[1], abs=8e-3)


def test_hardness_with_background_is_the_integral():
    """Marginal posterior of the source counts, background integrated numerically."""
    n, m, ratio = 7, 12, 0.25

    root = np.linspace(1e-6, 6.5, 1500)  # of the background counts, which takes the pole of the prior away
    grid = np.linspace(0.01, 30, 400)
    joint = stats.poisson.pmf(n, grid[:, None] + root**2) * stats.poisson.pmf(m, root**2 / ratio)
    values = np.trapezoid(joint, root, axis=1) / np.sqrt(grid)
    mean = np.trapezoid(values * grid, grid) / np.trapezoid(values, grid)
    head = {"BACKSCAL": 1.0}
    from wolter.fits import Header

    soft, back = curve([n / 10], header=Header(head)), curve([m / 10], header=Header({"BACKSCAL": 4.0}))
    big = curve([1e4], header=Header(head))
    none = curve([0.0], header=Header({"BACKSCAL": 1e9}))
    # S/H with H known: the mean of S follows
    made = hardness_ratio(
        big, soft, kind="ratio", method="bayes", hard_background=back, soft_background=none, samples=100_000
    )
    assert made.value[0] * 1e5 == pytest.approx(mean, rel=0.02)
    soft.header.set("DEADAPP", True)
    with pytest.raises(DataError, match="dead time"):
        hardness_ratio(soft, big, method="bayes")


def test_flares():
    rng = np.random.default_rng(4)
    rate = rng.poisson(100, 400) / 10.0
    rate[100:130] += 30
    rate[250] = 0.0
    lc = curve(rate, gti=GTI([0.0], [3900.0]))
    cut = flare_filter(lc, sigma=4.0)
    assert not cut.kept[100:130].any()
    assert not cut.kept[250]
    assert cut.kept.sum() > 360
    assert cut.iterations >= 1
    assert cut.gti.exposure == pytest.approx(10.0 * cut.kept[:390].sum())
    assert not cut.gti.contains(1205.0)
    fixed = flare_filter(lc, max_rate=12.0, min_rate=1.0)
    assert np.array_equal(fixed.kept, (rate <= 12) & (rate >= 1))
    for options, match in (({}, "rule"), ({"sigma": 0.0}, "positive"), ({"max_rate": -1.0}, "nothing")):
        with pytest.raises(DataError, match=match):
            flare_filter(lc, **options)


def test_bayesian_blocks_find_a_step(tmp_path):
    rng = np.random.default_rng(5)
    rate = np.concatenate([rng.normal(5, 0.3, 40), rng.normal(9, 0.3, 30)])
    found = bayesian_blocks(curve(rate, np.full(70, 0.3), start=100.0))
    assert len(found) == 2
    assert found.edges.tolist() == [100.0, 500.0, 800.0]
    np.testing.assert_allclose(found.rate, [rate[:40].mean(), rate[40:].mean()])
    np.testing.assert_allclose(found.error, [0.3 / math.sqrt(40), 0.3 / math.sqrt(30)])
    time = np.concatenate([rng.uniform(1000, 1400, 400), rng.uniform(1500, 1700, 200), rng.uniform(1700, 2000, 1500)])
    path = write_events(tmp_path / "e.fits", uniform(2100, TIME=np.sort(time)))
    blocks = bayesian_blocks(EventList.read(path))
    assert len(blocks) == 2  # the gap from 1400 to 1500 s makes no block
    assert blocks.edges[1] == pytest.approx(1700, abs=3)
    np.testing.assert_allclose(blocks.rate, [1.0, 5.0], rtol=0.1)
    assert blocks.exposure.sum() == pytest.approx(900)
    with pytest.raises(DataError):
        bayesian_blocks(curve([1.0]))


@pytest.fixture(scope="module")
def pulsar(tmp_path_factory):
    """Events with a sinusoidal modulation of 0.2 Hz, 60 % deep."""
    rng = np.random.default_rng(6)
    time = np.sort(rng.uniform(1000, 2000, 12000))
    keep = rng.uniform(0, 1.6, time.size) < 1 + 0.6 * np.sin(2 * np.pi * 0.2 * (time - 1000))
    time = time[keep]
    path = write_events(tmp_path_factory.mktemp("p") / "p.fits", uniform(len(time), TIME=time))
    return EventList.read(path)


def test_stingray_has_the_same_events_and_counts(pulsar):
    pytest.importorskip("stingray")
    out = to_stingray(pulsar)
    assert np.array_equal(out.time, np.sort(pulsar.column("TIME")))
    np.testing.assert_allclose(out.gti, [[1000, 1400], [1500, 2000]])
    assert float(out.mjdref) == pytest.approx(57754 + 8.007407407e-4)
    np.testing.assert_allclose(out.energy, 0.04 * out.pi + 0.02)
    lc = light_curve(pulsar, 10 * u.s, min_fraction=1.0)
    other = to_stingray(lc)
    counts = np.array([np.sum((out.time >= t - 5) & (out.time < t + 5)) for t in lc.met])
    np.testing.assert_allclose(other.counts, counts)
    np.testing.assert_allclose(other.counts_err, np.sqrt(counts))
    assert other.dt == 10.0


def test_periods(pulsar):
    pytest.importorskip("stingray")
    power = periodogram(pulsar, dt=0.5, segment=100.0)
    assert power.averaged == 9
    peak = power.frequency[np.argmax(power.power)]
    assert peak == pytest.approx(0.2, abs=0.006)
    noise = power.power[np.abs(power.frequency - 0.2) > 0.03]
    assert noise.mean() == pytest.approx(2.0, abs=0.15)
    trials = np.linspace(0.19, 0.21, 81)
    found = epoch_folding(pulsar, trials, nbin=16)
    assert found.best == pytest.approx(0.2, abs=5e-4)
    assert found.probability < 1e-10
    profile = fold(pulsar, 0.2, nbin=16)
    assert profile.counts.sum() == pulsar.count()
    want, _ = np.histogram((pulsar.column("TIME") - 1000) * 0.2 % 1, 16, (0, 1))
    assert np.array_equal(profile.counts, want)
    # with units: other times and frequencies, and periods
    again = periodogram(pulsar, dt=500 * u.ms, segment=100 * u.s)
    np.testing.assert_array_equal(again.power, power.power)
    assert epoch_folding(pulsar, trials * 1000 * u.mHz, nbin=16).best == pytest.approx(found.best)
    assert epoch_folding(pulsar, 1 / trials * u.s, nbin=16).best == pytest.approx(found.best)
    np.testing.assert_array_equal(fold(pulsar, 5 * u.s, nbin=16, epoch=1000 * u.s).counts, profile.counts)
    for call in (
        lambda: periodogram(pulsar, dt=0.5 * u.keV),
        lambda: epoch_folding(pulsar, trials * u.arcsec),
        lambda: fold(pulsar, 0.2 * u.m),
    ):
        with pytest.raises(UnitError):
            call()
    for call in (
        lambda: periodogram(pulsar),
        lambda: periodogram(pulsar, dt=0.5, segment=1e4),
        lambda: periodogram(pulsar, dt=-1),
        lambda: epoch_folding(pulsar, []),
        lambda: fold(pulsar, 0),
    ):
        with pytest.raises(DataError):
            call()


def test_pile_up(tmp_path):
    """A bright Gaussian source in photon counting mode: the smallest core that leaves less than the limit."""
    rng = np.random.default_rng(9)
    n = 3000
    data = uniform(n, X=(50.5 + rng.normal(0, 6, n)).astype("f4"), Y=(50.5 + rng.normal(0, 6, n)).astype("f4"))
    header = {"TELESCOP": "SWIFT", "INSTRUME": "XRT", "DETNAM": None, "DATAMODE": "PHOTON", "DEADC": 1.0}
    path = write_events(tmp_path / "e.fits", data, header=header)
    events = EventList.read(path)
    good = (data["TIME"] <= 1400) | (data["TIME"] >= 1500)
    with pytest.warns(WolterWarning, match="piled up"):
        found = pile_up(events)
    assert found.rate == pytest.approx(good.sum() / 900)
    assert (found.limit, found.piled_up) == (0.5, True)
    centre = events.wcs.pixel_to_sky(50.5, 50.5)
    place = (float(centre[0]) * u.deg, float(centre[1]) * u.deg)
    region = core_excised(events, place, 30 * 3.6 * u.arcsec)
    left = pile_up(events.select(region=region), warn=False)
    assert not left.piled_up
    r = np.hypot(data["X"] - 50.5, data["Y"] - 50.5)
    want = min(q for q in np.arange(0, 30, 0.6) if (good & (r > q) & (r <= 30)).sum() / 900 <= 0.5)
    assert region.shapes[0].sizes[0].value == pytest.approx(want * 3.6, rel=0.05)
    whole = core_excised(events, place, 10 * u.arcsec, inner=0 * u.arcsec)
    assert len(whole.shapes) == 1
    with pytest.warns(WolterWarning, match="piled up"):
        Observation(path).spectra(circle(place, 60 * u.arcsec))
    other = EventList.read(write_events(tmp_path / "i.fits", data))
    assert pile_up(other).limit is None
    with pytest.raises(DataError, match="limit"):
        core_excised(other, place, 60 * u.arcsec)


def test_makers_are_functions_whatever_was_imported_before():
    """`pile_up` was the module of that name once something else had loaded it."""
    for module in pkgutil.iter_modules(makers.__path__):
        importlib.import_module(f"wolter.makers.{module.name}")
    assert [n for n in makers.__all__ if inspect.ismodule(getattr(makers, n))] == []
