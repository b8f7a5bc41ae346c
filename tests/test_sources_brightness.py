"""Beta models of radial profiles: integrals, point-spread function, recovery of the truth."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from scipy.integrate import quad

from wolter import plot
from wolter.data import RadialProfile
from wolter.errors import DataError, FitError
from wolter.sources import GalaxyCluster, Library, fit_profile
from wolter.sources.brightness import beta_rings, mixing_matrix

EDGES = np.linspace(0.0, 400.0, 41)
TRUTH = {"norm": 0.8, "core": 45.0, "beta": 0.62, "background": 0.02}
SECONDS = 20_000.0


def made(counts) -> RadialProfile:
    return RadialProfile(
        r_in=EDGES[:-1],
        r_out=EDGES[1:],
        counts=np.asarray(counts, float),
        area=np.pi * np.diff(EDGES**2) / 3600.0,
        exposure=np.full(len(EDGES) - 1, SECONDS),
        background=np.zeros(len(EDGES) - 1),
        background_error=np.zeros(len(EDGES) - 1),
    )


def expected(norm, core, beta, background) -> np.ndarray:
    """Counts per ring by integration, not by the formula under test."""
    out = []
    for lo, hi in pairwise(EDGES):
        flux = quad(lambda r: norm * (1 + (r / core) ** 2) ** (0.5 - 3 * beta) * 2 * np.pi * r, lo, hi)[0] / 3600.0
        out.append(SECONDS * (flux + background * np.pi * (hi**2 - lo**2) / 3600.0))
    return np.array(out)


@pytest.mark.parametrize("beta", [0.3, 0.5, 0.5 + 1e-12, 0.66, 1.5])
def test_mean_over_rings_is_the_integral(beta):
    mine = beta_rings(EDGES, 2.0, 30.0, beta) * np.pi * np.diff(EDGES**2)
    for value, lo, hi in zip(mine, EDGES[:-1], EDGES[1:], strict=True):
        exact = quad(lambda r: 2.0 * (1 + (r / 30.0) ** 2) ** (0.5 - 3 * beta) * 2 * np.pi * r, lo, hi)[0]
        assert value == pytest.approx(exact, rel=1e-9)


def test_mixing_agrees_with_photons():
    """Gaussian of 8 arcsec: 10^6 photons of each ring, displaced one by one."""
    sigma, rng = 8.0, np.random.default_rng(4)
    edges, sky = np.array([0.0, 10.0, 25.0, 60.0]), np.linspace(0.0, 60.0, 61)
    matrix = mixing_matrix(edges, sky, lambda r: 1.0 - np.exp(-0.5 * (r / sigma) ** 2))
    for j in (0, 9, 24, 59):
        r = np.sqrt(rng.uniform(sky[j] ** 2, sky[j + 1] ** 2, 10**6))
        x, y = r + rng.normal(0, sigma, r.size), rng.normal(0, sigma, r.size)
        found = np.histogram(np.hypot(x, y), edges)[0] / r.size
        np.testing.assert_allclose(matrix[:, j], found, atol=2.5e-3)
    # A point source in the middle: the encircled fraction itself.
    point = mixing_matrix(edges, np.array([0.0, 1e-3]), lambda r: 1.0 - np.exp(-0.5 * (r / sigma) ** 2))[:, 0]
    np.testing.assert_allclose(point, np.diff(1.0 - np.exp(-0.5 * (edges / sigma) ** 2)), atol=0.01)


def test_truth_is_recovered_from_its_own_expectation():
    found = fit_profile(made(expected(**TRUTH)))
    for name, value in TRUTH.items():
        assert found.values[name] == pytest.approx(value, rel=2e-3)
    assert found.statistic < 0.1
    assert found.dof == 36


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng, model = np.random.default_rng(11), expected(**TRUTH)
    inside = dict.fromkeys(TRUTH, 0)
    number = 60
    for _ in range(number):
        found = fit_profile(made(rng.poisson(model)))
        for name, value in TRUTH.items():
            low, high = found.intervals[name]
            inside[name] += low <= value <= high
    spread = np.sqrt(number * 0.683 * 0.317)
    for name, times in inside.items():
        assert abs(times - 0.683 * number) < 3 * spread, (name, times)


def test_point_spread_function_is_undone():
    sigma = 15.0
    encircled = lambda r: 1.0 - np.exp(-0.5 * (np.asarray(r) / sigma) ** 2)  # noqa: E731
    rng = np.random.default_rng(2)
    # Photons of the beta model out to where the last ring still gets some, displaced one by one.
    far = np.linspace(0.0, 600.0, 601)
    flux = beta_rings(far, TRUTH["norm"], 25.0, TRUTH["beta"]) * np.pi * np.diff(far**2) / 3600.0 * 5 * SECONDS
    each = rng.poisson(flux)
    r = np.sqrt(rng.uniform(np.repeat(far[:-1] ** 2, each), np.repeat(far[1:] ** 2, each)))
    seen = np.hypot(r + rng.normal(0, sigma, r.size), rng.normal(0, sigma, r.size))
    counts = np.histogram(seen, EDGES)[0] + rng.poisson(0.02 * np.pi * np.diff(EDGES**2) / 3600.0 * 5 * SECONDS)
    profile = made(counts)
    profile.exposure = 5 * profile.exposure
    blurred, sharp = fit_profile(profile), fit_profile(profile, psf=encircled)
    assert abs(sharp.values["core"] - 25.0) < 3 * sharp.errors["core"]
    assert abs(sharp.values["norm"] - 0.8) < 3 * sharp.errors["norm"]
    assert blurred.values["core"] - 25.0 > 5 * blurred.errors["core"]


def test_two_betas_fit_better_where_there_are_two():
    one, two = expected(0.5, 80.0, 0.7, 0.02), expected(3.0, 12.0, 0.75, 0.0)
    profile = made(np.random.default_rng(3).poisson(one + two))
    single, double = fit_profile(profile), fit_profile(profile, "double beta")
    assert single.statistic - double.statistic > 50
    assert double.statistic < 2.0 * double.dof
    narrow, wide = sorted(("core", "core2"), key=double.values.__getitem__)
    assert abs(double.values[narrow] - 12.0) < 3 * double.errors[narrow] < 36.0
    assert abs(double.values[wide] - 80.0) < 3 * double.errors[wide] < 80.0


def test_fixed_parameters_stay():
    found = fit_profile(made(expected(**TRUTH)), fixed={"beta": 0.62, "background": 0.02})
    assert found.values["beta"] == 0.62
    assert found.errors["beta"] == 0.0
    assert found.dof == 38


def test_what_cannot_be_fitted():
    profile = made(expected(**TRUTH))
    with pytest.raises(FitError, match=r"model 'betas'.*beta"):
        fit_profile(profile, "betas")
    with pytest.raises(FitError, match="no parameter 'rc'"):
        fit_profile(profile, start={"rc": 3})
    with pytest.raises(DataError, match="holds no counts"):
        fit_profile(made(np.zeros(40)))
    few = made(expected(**TRUTH))
    few.area[3:] = 0.0
    with pytest.raises(FitError, match="3 rings cannot fix 4 parameters"):
        fit_profile(few)


def test_profile_of_a_cluster(shared, tmp_path):
    library = Library(tmp_path / "library")
    library.add(shared("xmm", "a907_0404910601"))
    place = SkyCoord(149.59209, -11.05972, unit="deg")
    cluster = GalaxyCluster(place, library, redshift=0.16, r500=1200 * u.kpc)
    options = {"obsid": "0404910601", "detector": "PN", "centre": cluster.peak("0404910601", "PN"), "rings": 60}
    single, double = (cluster.fit_profile("r500", model, **options) for model in ("beta", "double beta"))
    assert 0.4 < single.values["beta"] < 0.8
    # A cool core: one beta model is not enough, two are.
    assert single.statistic - double.statistic > 50
    assert double.statistic < double.dof + 3 * np.sqrt(2 * double.dof)
    sharp = cluster.fit_profile("r500", "double beta", psf=True, **options)
    assert min(sharp.values["core"], sharp.values["core2"]) < min(double.values["core"], double.values["core2"])
    # All the photons are accounted for.
    assert sharp.predicted.sum() == pytest.approx(sharp.profile.counts.sum(), rel=0.01)
    plot.save(sharp.plot(), tmp_path / "profile.png")
    assert (tmp_path / "profile.png").stat().st_size > 10_000
    rings = cluster.profile("r500", inner=50 * u.kpc, rings=10, logarithmic=True, obsid="0404910601", detector="PN")
    ratios = rings.r_out / rings.r_in
    np.testing.assert_allclose(ratios, ratios[0])
