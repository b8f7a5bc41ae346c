"""Native components against integrals by SciPy, closed forms and conservation laws; batches, limits, extreme grids."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
from scipy import special
from scipy.integrate import quad

from wolter.models import Context, get_component, list_components
from wolter.models.components import convolutions, nonthermal
from wolter.models.components.factors import klein_nishina
from wolter.models.components.gaunt import gaunt_factor
from wolter.models.components.quadrature import gauss_legendre
from wolter.models.cosmology import distance_factor

EDGES = np.geomspace(0.1, 50.0, 60)
NATIVE = [e.name for e in list_components() if ".components." in get_component(e.name).function.__module__]


def values(name, pars, edges=EDGES, stokes=0):
    pars = np.atleast_2d(np.array(pars, dtype=float))
    return get_component(name).function(np.asarray(edges, dtype=float), pars, Context(stokes=stokes))


def integrals(function, edges):
    return np.array([quad(function, lo, hi, epsabs=0, epsrel=1e-12)[0] for lo, hi in itertools.pairwise(edges)])


# --- integrals over bins ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [1.0, 1.0 + 1e-13, 1.0 - 1e-9, 1.0 + 1e-5, 1.0009, 1.0011, 2.0, -3.0, 10.0])
def test_power_law_has_no_weak_spot_at_index_one(index):
    lo, hi = EDGES[:-1], EDGES[1:]
    a = np.longdouble(1.0) - np.longdouble(index)
    exact = np.log(hi / lo) if a == 0 else np.longdouble(lo) ** a * np.expm1(a * np.log(np.longdouble(hi) / lo)) / a
    np.testing.assert_allclose(values("powerlaw", [index])[0], np.asarray(exact, float), rtol=1e-11)


def test_rows_near_index_one_do_not_touch_others():
    together = values("powerlaw", [[1.0], [2.0], [1.0 + 1e-6]])
    for row, index in zip(together, (1.0, 2.0, 1.0 + 1e-6), strict=True):
        np.testing.assert_array_equal(row, values("powerlaw", [index])[0])


WIDE = np.array([1e-4, 1e-2, 0.3, 0.31, 5.0, 200.0])  # bins over decades beside narrow ones


@pytest.mark.parametrize("pars", [(1.5, 0.2, 1.0), (2.0, -1.5, 3.0), (0.0, 4.0, 0.5), (3.9, 0.0, 10.0)])
@pytest.mark.parametrize("edges", [EDGES, WIDE])
def test_log_parabola(pars, edges):
    alpha, beta, pivot = pars

    def photons(u):
        e = np.exp(u)
        return e * (e / pivot) ** (-alpha - beta * np.log10(e / pivot))

    np.testing.assert_allclose(values("logpar", pars, edges)[0], integrals(photons, np.log(edges)), rtol=1e-10)


@pytest.mark.parametrize("pars", [(1.0, 15.0), (-2.0, 0.05), (9.0, 500.0), (1.7, 0.3)])
@pytest.mark.parametrize("edges", [EDGES, WIDE])
def test_cut_off_power_law(pars, edges):
    index, cutoff = pars
    ours = values("cutoffpl", pars, edges)[0]
    exact = integrals(lambda u: np.exp((1.0 - index) * u - np.exp(u) / cutoff), np.log(edges))
    known = exact > 1e-280
    np.testing.assert_allclose(ours[known], exact[known], rtol=1e-9)


def test_redshift_is_a_shift_of_energies():
    """Photons per bin of a source at z are those at E(1 + z), fewer by 1 + z."""
    for near, far, pars in [
        ("powerlaw", "zpowerlw", [1.7]),
        ("cutoffpl", "zcutoffpl", [1.3, 8.0]),
        ("logpar", "zlogpar", [1.5, 0.4, 2.0]),
        ("bknpower", "zbknpower", [1.0, 4.0, 2.5]),
        ("bbody", "zbbody", [0.7]),
        ("bremss", "zbremss", [2.0]),
        ("gaussian", "zgauss", [6.4, 0.2]),
        ("lorentz", "zlorentz", [6.4, 0.2]),
        ("agauss", "zagauss", [4.0, 0.3]),
    ]:
        z = 0.7
        expected = values(near, pars, EDGES * (1.0 + z)) / (1.0 + z)
        if near == "powerlaw":
            expected *= 1.0  # norm at 1 keV in the source frame, as for the others
        np.testing.assert_allclose(values(far, [*pars, z]), expected, rtol=1e-10)
    for near, far, pars in [
        ("edge", "zedge", [7.1, 0.8]),
        ("highecut", "zhighect", [4.0, 9.0]),
        ("gabs", "zgabs", [4.0, 0.3, 0.5]),
        ("redden", "zredden", [0.3]),
    ]:
        np.testing.assert_allclose(values(far, [*pars, 0.7]), values(near, pars, EDGES * 1.7), rtol=1e-12)


@pytest.mark.parametrize("breaks", [(3.0, 8.0), (8.0, 3.0), (0.01, 100.0), (5.0, 5.0)])
def test_broken_power_law_is_continuous(breaks):
    fine = np.geomspace(0.5, 20.0, 4001)
    density = values("bkn2pow", [1.0, breaks[0], 2.0, breaks[1], 3.5], fine)[0] / np.diff(fine)
    if breaks[0] <= breaks[1]:
        assert np.abs(np.diff(np.log(density))).max() < 3.5 * np.log(fine[1] / fine[0]) * 1.01
    norm = values("bkn2pow", [1.0, breaks[0], 1.0, breaks[1], 1.0], fine)[0]
    np.testing.assert_allclose(norm, values("powerlaw", [1.0], fine)[0], rtol=1e-11)


@pytest.mark.parametrize("index", [1.3, 2.0, 3.1])
def test_pegged_power_law_has_the_flux_of_its_norm(index):
    band = np.geomspace(2.0, 10.0, 200)
    energy = convolutions.band_flux(
        band, values("pegpwrlw", [index, 2.0, 10.0], band), np.array([2.0]), np.array([10.0]), energy=True
    )
    assert energy[0] == pytest.approx(1e-12, rel=2e-4)  # erg per keV differs between the two in the fourth digit


def test_pegged_power_law_without_peg():
    np.testing.assert_allclose(values("pegpwrlw", [1.7, 0.0, 10.0]), values("powerlaw", [1.7]), rtol=1e-14)


@pytest.mark.parametrize("tin", [0.02, 1.0, 30.0])
def test_disc_blackbody_follows_the_published_formula(tin):
    """A smooth approximation, and its remainder against the integral, linear in log10(x) between nodes 0.06 apart."""

    def density(e):
        log_x = np.log10(e / tin)
        node = np.floor((log_x + 3.0) / 0.06)
        part = (log_x + 3.0) / 0.06 - node
        below, above = (integral(10.0**x) / smooth(10.0**x) for x in (-3.0 + 0.06 * (node + k) for k in (0, 1)))
        return tin**2 / 361.0 * smooth(e / tin) * (below + part * (above - below))

    def smooth(x):
        gaussians = [(0.078196667, 0.5207874, 0.3728691), (-1.066202, 0.513457, 0.039775528)]
        gaussians.append((1.192418, 0.4077983, 0.037766505))
        bumps = sum(h * np.exp(-(((np.log10(x) - c) / w) ** 2) / 2.0) for c, w, h in gaussians)
        power = 193.21556 * (x / 1e-3) ** (-2.0 / 3.0) * (1.0 + 0.52876731 * x**1.663753)
        return power * np.exp(-x) * (1.0 + bumps)

    edges = tin * np.array([0.002, 0.0021, 0.1, 0.104, 1.0, 1.03, 7.0, 7.2])
    exact = np.array([quad(density, lo, hi, epsrel=1e-6)[0] for lo, hi in itertools.pairwise(edges)])
    np.testing.assert_allclose(values("diskbb", [tin], edges)[0][::2], exact[::2], rtol=2e-7)


@functools.cache
def integral(x):
    """x² times the integral of t^(-11/3)/(exp(x/t) - 1) over t from 0 to 1, as y = x/t."""
    tail = quad(lambda y: y ** (5.0 / 3.0) / np.expm1(y), x, x + 60.0, epsabs=0, epsrel=1e-11, limit=200)[0]
    return x ** (-2.0 / 3.0) * tail


def test_discs_differ_by_the_error_of_the_formula():
    """diskpbb is the integral; Mitsuda's formula is within 1.1e-4 of it."""
    edges = np.geomspace(1e-3, 20.0, 3000)
    ratio = values("diskbb", [1.0], edges)[0] / values("diskpbb", [1.0, 0.75], edges)[0] * (2.78e-3 * 361.0)
    assert 5e-5 < np.abs(ratio - 1.0).max() < 1.1e-4


@pytest.mark.parametrize("p", [0.5, 0.6, 0.75, 1.0])
def test_disc_with_free_exponent_is_the_integral_over_the_disc(p):
    def density(e, tin=1.0):
        x = e / tin

        def integrand(t):
            return t ** (-2.0 / p - 1.0) / np.expm1(min(x / t, 700.0))

        return 2.78e-3 * 0.75 / p * e * e * quad(integrand, 0.0, 1.0, epsabs=0, epsrel=1e-11, limit=400)[0]

    edges = np.array([0.01, 0.011, 0.2, 0.21, 0.4, 1.0, 2.0, 2.1, 8.0])
    exact = np.array([quad(density, lo, hi, epsrel=1e-9)[0] for lo, hi in itertools.pairwise(edges)])
    np.testing.assert_allclose(values("diskpbb", [1.0, p], edges)[0], exact, rtol=1e-7)


def test_black_body_luminosity():
    """norm 1 is 1e39 erg/s at 10 kpc; XSPEC's constant gives 0.25 % more."""
    edges = np.geomspace(1e-3, 100.0, 20000)
    for kt in (0.3, 2.0):
        photons = values("bbody", [kt], edges)
        flux = convolutions.band_flux(edges, photons, np.array([1e-3]), np.array([100.0]), energy=True)[0]
        assert flux * 4.0 * np.pi * (3.0856775814913673e22) ** 2 == pytest.approx(1e39, rel=3e-3)


def test_gaunt_factor_in_born_approximation():
    u = np.geomspace(1e-3, 40.0, 50)[None]
    exact = np.sqrt(3.0) / np.pi * np.exp(u / 2.0) * special.k0(u / 2.0)
    np.testing.assert_allclose(gaunt_factor(u, np.array([100.0]), 1), exact, rtol=1e-4)


def test_gaunt_factor_joins_its_three_domains():
    """The three sources agree to 10 % where one gives way to the next."""
    u = np.array([[0.05, 0.5, 2.0, 8.0]])
    for gamma2, tolerance in ((1e-3, 0.1), (0.1, 0.1)):
        below, above = (gaunt_factor(u, np.array([0.01358 / gamma2 * f]), 1) for f in (1.0 - 1e-9, 1.0 + 1e-9))
        np.testing.assert_allclose(below, above, rtol=tolerance)


# --- lines ----------------------------------------------------------------------------------------------------------


def test_gaussian_is_exact_far_in_its_wings():
    edges = np.array([5.0, 5.5, 6.0, 6.4, 7.0, 7.3, 8.0, 8.5])
    ours = values("gaussian", [6.4, 0.1], edges)[0]
    x = (edges - 6.4) / 0.1
    low = special.log_ndtr(x[1:4])
    assert ours[1] == pytest.approx(np.exp(low[1]) - np.exp(low[0]), rel=1e-9)
    assert ours[-1] == pytest.approx(0.5 * (special.erfc(x[-2] / 2**0.5) - special.erfc(x[-1] / 2**0.5)), rel=1e-9)
    assert ours[2] == pytest.approx(0.5, rel=1e-4)


@pytest.mark.parametrize("name", ["gaussian", "lorentz"])
def test_line_without_width_falls_into_one_bin(name):
    edges = np.array([1.0, 2.0, 3.0, 4.0])
    np.testing.assert_array_equal(
        values(name, [[2.5, 0.0], [3.0, 0.0], [1.0, 0.0], [9.0, 0.0]], edges),
        [[0, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]],
    )
    mixed = values(name, [[2.5, 0.0], [2.5, 0.2]], edges)
    np.testing.assert_array_equal(mixed[1], values(name, [2.5, 0.2], edges)[0])


def test_lorentzian_wings():
    edges = np.array([50.0, 51.0, 60.0])
    ours = values("lorentz", [6.4, 1e-3], edges)[0]
    exact = [
        quad(lambda e: 0.5e-3 / np.pi / ((e - 6.4) ** 2 + 0.25e-6), lo, hi, epsrel=1e-12)[0]
        for lo, hi in ((50, 51), (51, 60))
    ]
    np.testing.assert_allclose(ours, exact, rtol=1e-3)  # normalised over positive energies: 1 + width/(2 pi E)


def test_step_keeps_to_one_side():
    sharp = values("step", [6.0, 0.0], [5.0, 5.5, 6.5, 7.0])[0]
    np.testing.assert_allclose(sharp, [0.5, 0.0, 0.0], atol=1e-15)


@pytest.mark.parametrize("strength", [0.01, 1.0, 300.0])
@pytest.mark.parametrize("name", ["gabs", "lorabs"])
def test_absorption_line_is_averaged(name, strength):
    edges = np.array([1.0, 5.0, 6.0, 6.3, 6.42, 6.5, 8.0, 20.0])
    width = 0.02

    def transmission(e):
        if name == "gabs":
            profile = np.exp(-0.5 * ((e - 6.4) / width) ** 2) / (np.sqrt(2 * np.pi) * width)
        else:
            profile = 0.5 * width / np.pi / ((e - 6.4) ** 2 + 0.25 * width**2)
            profile /= 0.5 + np.arctan(2 * 6.4 / width) / np.pi
        return np.exp(-strength * profile)

    exact = []
    for lo, hi in itertools.pairwise(edges):
        inner = [p for p in (6.0, 6.2, 6.3, 6.35, 6.38, 6.4, 6.42, 6.45, 6.5, 6.6, 6.8) if lo < p < hi]
        cuts = [lo, *inner, hi]
        exact.append(sum(quad(transmission, a, b, epsabs=1e-14)[0] for a, b in itertools.pairwise(cuts)) / (hi - lo))
    np.testing.assert_allclose(values(name, [6.4, width, strength], edges)[0], exact, rtol=2e-6, atol=1e-9)


def test_absorption_line_without_width_has_no_effect():
    for name in ("gabs", "lorabs"):
        np.testing.assert_array_equal(values(name, [[2.0, 0.0, 5.0]])[0], 1.0)
        np.testing.assert_array_equal(
            values(name, [[2.0, 0.0, 5.0], [2.0, 0.1, 0.3]])[1], values(name, [2.0, 0.1, 0.3])[0]
        )


# --- factors --------------------------------------------------------------------------------------------------------


def test_no_edge_at_energy_zero():
    np.testing.assert_array_equal(values("edge", [[0.0, 3.0]])[0], 1.0)


def test_klein_nishina_branches_meet():
    w = 0.025 * 510.999
    assert klein_nishina(np.array([w * (1 - 1e-9)])) == pytest.approx(
        klein_nishina(np.array([w * (1 + 1e-9)])), rel=1e-7
    )
    assert klein_nishina(np.array([1e-3]))[0] == pytest.approx(1.0, rel=1e-5)
    # integral of the differential cross-section at 511 keV
    e = 510.999

    def differential(c):
        ratio = 1.0 / (1.0 + e / 510.999 * (1.0 - c))
        return 3.0 / 8.0 * ratio**2 * (ratio + 1.0 / ratio - 1.0 + c * c)

    assert klein_nishina(np.array([e]))[0] == pytest.approx(quad(differential, -1, 1)[0], rel=1e-9)


@pytest.mark.parametrize(
    ("inverse_micrometres", "ratio"),
    [
        (2.78, 1.569),
        (2.27, 1.337),
        (1.82, 1.0),
        (1.43, 0.751),
        (1.11, 0.479),
        (0.8, 0.282),
        (0.63, 0.19),
        (0.46, 0.114),
    ],
)
def test_extinction_is_that_of_cardelli_clayton_and_mathis(inverse_micrometres, ratio):
    """A(lambda)/A(V) for R_V = 3.1 in the bands U to K, their table 3, which the polynomials follow to 2 %."""
    energy = 12.3963e-4 * inverse_micrometres
    factor = values("redden", [1.0], [energy * 0.9999, energy * 1.0001])[0, 0]
    assert -2.512 * np.log10(factor) / 3.1 == pytest.approx(ratio, rel=0.02)


def test_cut_off_of_synchrotron_radiation_is_the_synchrotron_integral():
    """Electrons E^-2.1 exp(-E/Em): emission over that without cut-off, normalised at the table's first frequency."""
    y = np.exp(np.linspace(-35.0, np.log(600.0), 4001))
    kernel = special.kv(5.0 / 3.0, y) * y
    log_step = np.log(y[1] / y[0])
    area = 0.5 * (kernel[1:] + kernel[:-1]) * log_step
    emissivity = y * np.concatenate([np.cumsum(area[::-1])[::-1], [0.0]])  # F(y) = y times the integral of K5/3
    log_f = np.log(np.maximum(emissivity, 1e-300))
    energy = np.exp(np.linspace(-12.0, 5.0, 4001))
    p = 2.1
    log10_cut = []
    for x in 10.0 ** np.arange(-4.0, 3.9, 0.5):
        at = x / energy**2
        f = np.where(at < y[-1], np.exp(np.interp(np.log(at), np.log(y), log_f)), 0.0)
        cut = np.trapezoid(energy ** (1 - p) * np.exp(-energy) * f, np.log(energy))
        whole = x ** ((1 - p) / 2) * 0.5 * np.trapezoid(y ** ((p - 1) / 2) * emissivity, np.log(y))
        log10_cut.append(np.log10(cut / whole))
    ours = nonthermal._CUT[::5]
    np.testing.assert_allclose(np.array(log10_cut) - log10_cut[0], ours[: len(log10_cut)], rtol=1e-2, atol=2e-4)


# --- polarisation -----------------------------------------------------------------------------------------------------


def test_stokes_parameters_give_back_fraction_and_angle():
    for name, pars, fraction, angle in [
        ("polconst", [0.3, -30.0], 0.3, -30.0),
        ("pollin", [0.2, 0.01, 10.0, 2.0], 0.2 + 0.01 * (EDGES[:-1] - 1), 10.0 + 2.0 * (EDGES[:-1] - 1)),
        ("polpow", [0.3, 0.2, 40.0, 0.4], 0.3 * EDGES[:-1] ** -0.2, 40.0 * EDGES[:-1] ** -0.4),
    ]:
        i, q, u = (np.broadcast_to(values(name, pars, stokes=s), (1, len(EDGES) - 1))[0] for s in (0, 1, 2))
        np.testing.assert_array_equal(i, 1.0)
        np.testing.assert_allclose(np.hypot(q, u), np.abs(fraction) * np.ones(len(i)), rtol=1e-12)
        difference = 0.5 * np.degrees(np.arctan2(u, q)) - angle
        np.testing.assert_allclose((difference + 90.0) % 180.0 - 90.0, np.zeros(len(i)), atol=1e-9)


def test_scalar_components_return_one_column():
    for name in NATIVE:
        definition = get_component(name)
        if definition.scalar:
            assert values(name, [definition.defaults] * 3, stokes=1).shape == (3, 1)


# --- convolutions -----------------------------------------------------------------------------------------------------


def convolve(name, pars, flux, edges=EDGES):
    return get_component(name).function(edges, np.atleast_2d(np.array(pars, float)), Context(), np.atleast_2d(flux))


@pytest.mark.parametrize("name", ["gsmooth", "lsmooth"])
def test_smoothing_by_nothing_changes_nothing(name):
    flux = values("powerlaw", [1.7])
    np.testing.assert_array_equal(convolve(name, [0.0, 0.5], flux), flux)


def test_smoothing_broadens_a_line_in_quadrature():
    edges = np.linspace(2.0, 11.0, 3001)
    line = values("gaussian", [6.0, 0.3], edges)
    ours = convolve("gsmooth", [0.4, 0.0], line, edges)[0]
    np.testing.assert_allclose(ours, values("gaussian", [6.0, 0.5], edges)[0], rtol=1e-4, atol=1e-9)


def test_smoothing_in_blocks_is_the_same(monkeypatch):
    edges = np.geomspace(0.3, 12.0, 301)
    flux = values("powerlaw", [1.7], edges)
    whole = convolve("gsmooth", [0.3, 0.5], flux, edges)
    monkeypatch.setattr(convolutions, "_BLOCK", 7)
    np.testing.assert_allclose(convolve("gsmooth", [0.3, 0.5], flux, edges), whole, rtol=1e-12)


def test_smoothing_on_a_fine_grid():
    """Lines far from a block of bins are left out; photons are kept and the spectrum in the middle is right."""
    edges = np.linspace(5.0, 7.0, 8001)
    line = values("gaussian", [6.0, 0.003], edges)
    ours = convolve("gsmooth", [0.004, 0.0], line, edges)[0]
    assert ours.sum() == pytest.approx(1.0, rel=1e-12)
    np.testing.assert_allclose(ours, values("gaussian", [6.0, 0.005], edges)[0], rtol=3e-3, atol=1e-9)


@pytest.mark.parametrize("name", ["diskbb", "diskpbb"])
def test_large_batches_of_discs(name):
    pars = np.linspace(0.5, 2.0, 37)[:, None]
    pars = pars if name == "diskbb" else np.hstack([pars, np.linspace(0.5, 1.0, 37)[:, None]])
    together = values(name, pars)
    for k in (0, 15, 16, 36):
        # The order of the integral over a bin is chosen for a block of rows.
        np.testing.assert_allclose(together[k], values(name, pars[k])[0], rtol=1e-8)


def test_shift_of_a_power_law():
    edges = np.geomspace(0.3, 12.0, 2001)
    flux = values("powerlaw", [2.0], edges)
    ours = convolve("zashift", [0.5], flux, edges)[0]
    exact = values("zpowerlw", [2.0, 0.5], edges)[0]
    inside = edges[1:] < 12.0 / 1.5
    np.testing.assert_allclose(ours[inside], exact[inside], rtol=1e-5)
    assert (ours[edges[:-1] > 12.0 / 1.5] == 0.0).all()


def test_shift_keeps_its_precision_where_the_spectrum_has_fallen():
    edges = np.linspace(1.0, 41.0, 401)
    flux = values("cutoffpl", [0.0, 1.0], edges)
    ours = convolve("vashift", [-3000.0], flux, edges)[0]
    scale = 1.0 + 3000.0 / 2.99792458e5
    exact = np.exp(-edges[:-1] / scale) * -np.expm1(-np.diff(edges) / scale) * scale / scale
    inside = edges[:-1] > edges[0] * scale
    np.testing.assert_allclose(ours[inside], exact[inside], rtol=2e-3)


def test_flux_pegs_give_the_flux_they_say():
    flux = values("powerlaw", [1.7])
    band = (np.array([1.3]), np.array([7.7]))
    pegged = convolve("cflux", [1.3, 7.7, -11.0], flux)
    assert convolutions.band_flux(EDGES, pegged, *band, energy=True)[0] == pytest.approx(1e-11, rel=1e-12)
    pegged = convolve("cpflux", [1.3, 7.7, 0.02], flux)
    assert convolutions.band_flux(EDGES, pegged, *band, energy=False)[0] == pytest.approx(0.02, rel=1e-12)


@pytest.mark.parametrize("name", ["cflux", "cpflux", "clumin", "cglumin"])
def test_flux_peg_of_nothing_is_nothing(name):
    definition = get_component(name)
    assert (convolve(name, definition.defaults, np.zeros((1, len(EDGES) - 1))) == 0.0).all()
    # a band outside the grid, or upside down, holds no flux
    outside = definition.defaults.copy()
    outside[:2] = (100.0, 200.0)
    assert (convolve(name, outside, values("powerlaw", [1.0])) == 0.0).all()


def test_luminosity_distance_without_cosmological_constant():
    z = np.array([0.1, 1.0, 3.0])
    np.testing.assert_allclose(distance_factor(z, (70.0, 0.5, 0.0)), 2.0 * (1.0 + z - np.sqrt(1.0 + z)), rtol=1e-12)
    np.testing.assert_allclose(distance_factor(z, (70.0, 0.0, 0.0)), z * (1.0 + z / 2.0), rtol=1e-12)


def test_luminosity_distance_in_a_flat_universe():
    """Pen's approximation is good to 0.4 %."""
    for z in (0.05, 0.5, 2.0, 6.0):
        exact = (1.0 + z) * quad(lambda x: 1.0 / np.sqrt(0.27 * (1 + x) ** 3 + 0.73), 0.0, z)[0]
        assert distance_factor(np.array([z]), (70.0, 0.0, 0.73))[0] == pytest.approx(exact, rel=4e-3)


def test_padding_covers_what_a_shift_needs():
    padding = get_component("zashift").padding
    assert padding is not None
    lo, hi = padding(0.3, 10.0, np.array([[1.0], [-0.5]]))
    assert lo == pytest.approx(0.15)
    assert hi == pytest.approx(20.0)
    for name in ("gsmooth", "lsmooth", "simpl", "vashift", "zmshift", "vmshift"):
        definition = get_component(name)
        assert definition.padding is not None
        lo, hi = definition.padding(0.3, 10.0, definition.defaults[None])
        assert 0.0 < lo <= 0.3
        assert hi >= 10.0


# --- all components ---------------------------------------------------------------------------------------------------


def spread(definition, rows, rng):
    """Parameter rows between the soft limits, near the default where these are wide apart."""
    out = np.empty((rows, len(definition.parameters)))
    for i, p in enumerate(definition.parameters):
        reach = min(p.soft_max - p.soft_min, abs(p.default) + 1.0)
        out[:, i] = np.clip(p.default + 0.4 * reach * rng.uniform(-1.0, 1.0, rows), p.soft_min, p.soft_max)
    return out


def operands(definition, flux):
    """What a component is called with besides: nothing, a spectrum, or those of the three Stokes parameters."""
    return {"con": [flux], "mix": [np.stack([flux, 0.3 * flux, -0.2 * flux])]}.get(definition.kind, [])


@pytest.mark.parametrize("name", NATIVE)
def test_rows_of_a_batch_are_independent(name):
    definition = get_component(name)
    rng = np.random.default_rng(7)
    pars = spread(definition, 5, rng)
    pars[3] = pars[1]
    extra = operands(definition, values("powerlaw", [[g] for g in (1.0, 1.5, 2.0, 2.5, 3.0)]))
    edges = EDGES.copy()
    together = definition.function(edges, pars, Context(stokes=2), *extra)
    assert together.shape == (5, 1 if definition.scalar else len(EDGES) - 1)
    assert together.dtype == np.float64
    for k in range(5):
        alone = definition.function(edges, pars[k : k + 1], Context(stokes=2), *(x[..., k : k + 1, :] for x in extra))
        np.testing.assert_allclose(alone[0], together[k], rtol=1e-10, atol=1e-300)
    np.testing.assert_array_equal(edges, EDGES)  # the arguments are left alone


@pytest.mark.parametrize("name", NATIVE)
def test_values_are_finite_at_every_limit(name):
    """Warnings from our modules are errors (see pyproject), so nothing overflows either."""
    definition = get_component(name)
    rows = [definition.defaults]
    for i, p in enumerate(definition.parameters):
        for value in (p.hard_min, p.soft_min, p.soft_max, p.hard_max):
            row = definition.defaults
            row[i] = value
            rows.append(row)
    rows.append(np.array([p.hard_min for p in definition.parameters]))
    rows.append(np.array([p.hard_max for p in definition.parameters]))
    flux = np.repeat(values("powerlaw", [2.0]), len(rows), axis=0)
    for stokes in (0, 1):
        context = Context(stokes=stokes)
        for k, row in enumerate(rows):
            extra = operands(definition, flux[k : k + 1])
            assert np.isfinite(definition.function(EDGES, row[None], context, *extra)).all(), row
        extra = operands(definition, flux)
        assert np.isfinite(definition.function(EDGES, np.array(rows), context, *extra)).all()


@pytest.mark.parametrize("order", [2, 3, 6, 12])
def test_gauss_legendre_is_exact_for_polynomials(order):
    for parts in (1, 3):
        x, w = gauss_legendre(order, parts)
        for power in range(2 * order):
            assert w @ x**power == pytest.approx((1 + (-1) ** power) / (power + 1), abs=1e-13)
