"""Polarisation cubes: another program's cubes, hand-computed toys, simulated pulls."""

from __future__ import annotations

import json
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from events_support import reweighted, uniform, write_events
from wolter.data import ARF, EventList
from wolter.errors import DataError, OutputError, UnitError
from wolter.makers import PolarisationCube, polarisation_cube

REFERENCE = json.loads(Path(__file__).with_name("data").joinpath("makers_ixpeobssim.json").read_text())
EDGES = np.geomspace(2, 8, 4) * u.keV
POINT = "ixpe/sim_point_source_ixpeobssim"
RESPONSE = "ixpe/pseudo_caldb/ixpe_d{}_obssim20211209_{}v013.{}"


@pytest.fixture(scope="module")
def events(shared, tmp_path_factory):
    """The simulated point source with the weights of the reference, three detectors."""
    folder = tmp_path_factory.mktemp("weighted")
    names = [f"toy_point_source_du{du}.fits" for du in (1, 2, 3)]
    return [EventList.read(reweighted(shared(POINT, n), folder / n)) for n in names]


def response(shared, du, kind, ending):
    return ARF.read(shared(RESPONSE.format(du, kind, ending)))


def compare(cube, want, rtol):
    """All columns against the other program's; near-zero Stokes parameters against their errors."""
    for name, values in want.items():
        ours, theirs = np.asarray(cube.columns()[name][0], dtype=float), np.array(values)
        scale = {"Q": cube.q_error, "U": cube.u_error, "QN": cube.qn_error, "UN": cube.un_error}.get(name, 0.0)
        assert np.allclose(ours, theirs, rtol=rtol, atol=0) or np.all(np.abs(ours - theirs) < 1e-6 * scale), name


@pytest.mark.parametrize("du", [1, 2, 3])
def test_cube_with_acceptance_correction(shared, events, du):
    """Every column of ixpeobssim's PCUBE (unweighted, acceptance corrected) with the same responses."""
    cube = polarisation_cube(
        events[du - 1],
        EDGES,
        response(shared, du, "mfact_", "fits"),
        acceptance=response(shared, du, "", "arf"),
        weights=False,
    )
    compare(cube, REFERENCE["acube"][f"du{du}"], 1e-5)


@pytest.mark.parametrize("du", [1, 2, 3])
def test_cube_with_weights(shared, events, du):
    """Every column of ixpeobssim's weighted PCUBE."""
    cube = polarisation_cube(events[du - 1], EDGES, response(shared, du, "alpha075_mfact_", "fits"))
    compare(cube, REFERENCE["wcube"][f"du{du}"], 1e-6)


def test_detectors_combined(shared, events):
    curves = [response(shared, du, "mfact_", "fits") for du in (1, 2, 3)]
    areas = [response(shared, du, "", "arf") for du in (1, 2, 3)]
    cube = polarisation_cube(events, EDGES, curves, acceptance=areas, weights=False)
    compare(cube, REFERENCE["sum"], 1e-5)


def test_one_cube_less_another(shared, events):
    one, other = (
        polarisation_cube(
            events[du - 1],
            EDGES,
            response(shared, du, "mfact_", "fits"),
            acceptance=response(shared, du, "", "arf"),
            weights=False,
        )
        for du in (1, 2)
    )
    net = one.subtract(other, 0.3)
    want = REFERENCE["difference"]
    for name in ("MU", "W2", "MDP_99", "I", "Q", "U", "QN", "UN", "PD", "PA", "E_MEAN", "COUNTS"):
        assert np.allclose(np.asarray(net.columns()[name][0], float), want[name], rtol=3e-5, atol=1e-6), name


@pytest.mark.parametrize("du", [1, 2, 3])
def test_derived_columns_of_the_stored_cubes(shared, du):
    """From I, Q, U, MU and W2 of the stored PCUBE files all other columns follow."""
    with fits.open(shared(POINT, f"toy_point_source_du{du}_pcube.fits")) as f:
        table = {n: f["POLARIZATION"].data[n].astype(float) for n in f["POLARIZATION"].data.names}
    names = {"energy_lo": "ENERG_LO", "energy_hi": "ENERG_HI", "energy_mean": "E_MEAN", "mu": "MU"}
    names |= {"i": "I", "q": "Q", "u": "U", "w2": "W2"}
    cube = PolarisationCube(counts=table["COUNTS"].astype(int), **{k: table[v] for k, v in names.items()})
    for name, values in cube.columns().items():
        assert np.allclose(np.asarray(values[0], float), table[name], rtol=3e-6), name


@pytest.mark.parametrize("du", [1, 2, 3])
def test_counts_of_the_stored_cubes(shared, du):
    """The stored PCUBE files used other responses (20240101); counts do not depend on them."""
    events = EventList.read(shared(POINT, f"toy_point_source_du{du}.fits"))
    with fits.open(shared(POINT, f"toy_point_source_du{du}_pcube.fits")) as f:
        table = f["POLARIZATION"].data
        curve, area = response(shared, du, "mfact_", "fits"), response(shared, du, "", "arf")
        cube = polarisation_cube(events, EDGES, curve, acceptance=area, weights=False)
        assert np.array_equal(cube.counts, table["COUNTS"])
        # The responses differ by 2.5 years of change: area and modulation factor by up to 5 %.
        assert np.allclose(cube.i, table["I"], rtol=0.06)
        assert np.allclose(cube.mu, table["MU"], rtol=0.05)
        assert (np.abs(cube.qn - table["QN"]) < 0.1 * table["QN_ERR"]).all()
        assert (np.abs(cube.un - table["UN"]) < 0.1 * table["UN_ERR"]).all()


def test_modulation_factor_as_ratio_of_responses(shared, events):
    curve = response(shared, 1, "mfact_", "fits")
    pair = (response(shared, 1, "", "mrf"), response(shared, 1, "", "arf"))
    direct = polarisation_cube(events[0], EDGES, curve, weights=False)
    ratio = polarisation_cube(events[0], EDGES, pair, weights=False)
    assert np.allclose(direct.pd, ratio.pd, rtol=1e-5)


@pytest.fixture
def toy(tmp_path):
    data = {
        "TIME": np.array([1001.0, 1002.0, 1003.0, 1004.0, 1005.0]),
        "X": np.full(5, 50.0),
        "Y": np.full(5, 50.0),
        "PI": np.array([60, 60, 80, 150, 300]),
        "W_MOM": np.array([0.5, 1.0, 0.25, 0.5, 1.0]),
        "Q": np.array([2.0, -1.0, 1.0, 1.5, 2.0]),
        "U": np.array([0.0, 1.0, -2.0, -1.0, 0.0]),
    }
    return EventList.read(write_events(tmp_path / "toy.fits", data))


def test_weighted_toy_by_hand(toy):
    """Channel centres 2.42, 3.22, 6.02 and 12.02 keV; mu = 0.1 E; acceptance 10 E."""
    cube = polarisation_cube(toy, [2, 4, 8] * u.keV, lambda e: 0.1 * e, acceptance=lambda e: 10 * e)
    energy, w = np.array([2.42, 2.42, 3.22]), np.array([0.5, 1.0, 0.25])
    a, mu = w / (10 * energy), 0.1 * energy
    i = a.sum()
    assert cube.counts.tolist() == [3, 1]
    assert cube.i[0] == pytest.approx(i, rel=1e-12)
    assert cube.q[0] == pytest.approx((a * [2.0, -1.0, 1.0] / mu).sum(), rel=1e-12)
    assert cube.u[0] == pytest.approx((a * [0.0, 1.0, -2.0] / mu).sum(), rel=1e-12)
    assert cube.w2[0] == pytest.approx((a**2).sum(), rel=1e-12)
    assert cube.mu[0] == pytest.approx((a * mu).sum() / i, rel=1e-12)
    assert cube.energy_mean[0] == pytest.approx((a * energy).sum() / i, rel=1e-12)
    assert cube.n_eff[0] == pytest.approx(i**2 / (a**2).sum(), rel=1e-12)
    assert cube.frac_w[0] == pytest.approx(i**2 / (a**2).sum() / 3, rel=1e-12)
    assert cube.mdp99[0] == pytest.approx(4.29 * (a**2).sum() ** 0.5 / ((a * mu).sum() / i * i), rel=1e-12)


def test_energies_on_an_edge_belong_to_the_bin_below(toy):
    cube = polarisation_cube(toy, [1.0, 2.42, 8] * u.keV, lambda e: 0.1 * e)
    assert cube.counts.tolist() == [2, 2]


def test_unweighted_errors_are_those_of_kislat():
    """Equations 36 and 37 of Kislat et al. 2015 for 10000 events, mu 0.3, polarised by 20 % along 30 degrees."""
    n, mu, p = 10000.0, 0.3, 0.2
    q, v = n * p * np.cos(np.radians(60)), n * p * np.sin(np.radians(60))
    one = {"energy_lo": 2.0, "energy_hi": 8.0, "energy_mean": 4.0, "mu": mu, "i": n, "q": q, "u": v, "w2": n}
    cube = PolarisationCube(counts=np.array([10000]), **{k: np.array([x]) for k, x in one.items()})
    m = p * mu
    assert cube.pd[0] == pytest.approx(p, rel=1e-12)
    assert cube.pa[0] == pytest.approx(30.0, rel=1e-12)
    assert cube.pd_error[0] == pytest.approx(np.sqrt((2 - m**2) / ((n - 1) * mu**2)), rel=1e-12)
    assert cube.pa_error[0] == pytest.approx(np.degrees(1 / (m * np.sqrt(2 * (n - 1)))), rel=1e-12)
    assert cube.mdp99[0] == pytest.approx(4.29 / (mu * np.sqrt(n)), rel=1e-12)
    from scipy import stats

    chi2 = (q / cube.q_error[0]) ** 2 + (v / cube.u_error[0]) ** 2
    assert cube.p_value[0] == pytest.approx(stats.chi2.sf(chi2, 2), rel=1e-9)
    assert cube.significance[0] == pytest.approx(stats.norm.isf(cube.p_value[0] / 2), rel=1e-9)


def draw(rng, number, mu, degree, angle):
    """Event Stokes parameters of photons of one energy."""
    phi = np.empty(0)
    while len(phi) < number:
        trial = rng.uniform(-np.pi, np.pi, 2 * number)
        keep = rng.uniform(0, 1 + mu * degree, 2 * number) < 1 + mu * degree * np.cos(2 * (trial - angle))
        phi = np.concatenate([phi, trial[keep]])
    return 2 * np.cos(2 * phi[:number]), 2 * np.sin(2 * phi[:number])


def test_errors_of_background_subtracted_cubes_cover_the_truth():
    """Pulls of Q/I and U/I of weighted, background-subtracted samples have unit width."""
    rng = np.random.default_rng(20261120)
    mu, degree, angle, ratio, trials = 0.5, 0.5, 0.4, 0.25, 1500
    pulls = []

    def cube(q, v, w):
        values = {"i": w.sum(), "q": (w * q).sum() / mu, "u": (w * v).sum() / mu, "w2": (w**2).sum(), "mu": mu}
        arrays = {k: np.array([x]) for k, x in values.items()}
        return PolarisationCube(
            energy_lo=np.array([2.0]),
            energy_hi=np.array([8.0]),
            energy_mean=np.array([4.0]),
            counts=np.array([len(w)]),
            **arrays,
        )

    for _ in range(trials):
        n, b, s = rng.poisson(500), rng.poisson(1200), rng.poisson(1200 * ratio)
        q, v = draw(rng, n, mu, degree, angle)
        qb, vb = draw(rng, s, mu, 0.3, 1.5)
        source = cube(np.append(q, qb), np.append(v, vb), rng.uniform(0.2, 1, n + s))
        qo, vo = draw(rng, b, mu, 0.3, 1.5)
        net = source.subtract(cube(qo, vo, rng.uniform(0.2, 1, b)), ratio)
        pulls.append(
            (
                (net.qn[0] - degree * np.cos(2 * angle)) / net.qn_error[0],
                (net.un[0] - degree * np.sin(2 * angle)) / net.un_error[0],
                net.covariance[0, 0, 1] / (net.qn_error[0] * net.un_error[0]),
            )
        )
    pulls = np.array(pulls)
    # The spread of a sample of 1500 has a standard error of 1.8 %.
    assert np.allclose(pulls[:, :2].std(axis=0), 1, atol=0.06)
    assert np.allclose(pulls[:, :2].mean(axis=0), 0, atol=0.1)
    correlation = np.corrcoef(pulls[:, 0], pulls[:, 1])[0, 1]
    assert correlation == pytest.approx(pulls[:, 2].mean(), abs=0.08)


def test_background_by_region_areas(tmp_path):
    data = uniform(4000, PI=np.full(4000, 100, dtype="i4"))
    events = EventList.read(write_events(tmp_path / "e.fits", data))
    source = events.select("physical; circle(50,50,15)")
    back = events.select("physical; annulus(50,50,20,40)")
    bins = [2, 8] * u.keV
    flat = polarisation_cube(source, bins, lambda e: 0.3 + 0 * e, background=back)
    one, two = (polarisation_cube(e, bins, lambda e: 0.3 + 0 * e) for e in (source, back))
    ratio = source.region_area / back.region_area
    assert flat.i[0] == pytest.approx(one.i[0] - ratio * two.i[0], rel=1e-12)
    assert flat.w2[0] == pytest.approx(one.w2[0] + ratio**2 * two.w2[0], rel=1e-12)
    assert flat.subtracted
    with pytest.raises(DataError, match="region"):
        polarisation_cube(source, bins, lambda e: 0.3 + 0 * e, background=events)


def test_several_detectors_with_their_own_backgrounds(tmp_path):
    data = uniform(2000, PI=np.full(2000, 100, dtype="i4"))
    events = EventList.read(write_events(tmp_path / "e.fits", data))
    source, back = events.select("physical; circle(50,50,15)"), events.select("physical; annulus(50,50,20,40)")
    bins, curve = [2, 8] * u.keV, lambda e: 0.3 + 0 * e
    single = polarisation_cube(source, bins, curve, background=back)
    double = polarisation_cube([source, source], bins, curve, background=[back, back])
    assert double.i[0] == pytest.approx(2 * single.i[0], rel=1e-12)
    # Twice the same sample counted as two independent ones: errors go down by sqrt 2.
    assert double.qn_error[0] == pytest.approx(single.qn_error[0] / 2**0.5, rel=1e-12)
    assert double.qn[0] == pytest.approx(single.qn[0], rel=1e-12)
    with pytest.raises(DataError, match="2 entries"):
        polarisation_cube(source, bins, [curve, curve])


def test_empty_bins_are_not_numbers_and_others_stand(toy):
    cube = polarisation_cube(toy, [2, 4, 5, 8] * u.keV, lambda e: 0.1 * e)
    assert cube.counts.tolist() == [3, 0, 1]
    assert np.isnan(cube.pd[1])
    assert np.isfinite(cube.pd[[0, 2]]).all()


def test_what_goes_wrong(toy, tmp_path):
    curve = lambda e: 0.3 + 0 * e  # noqa: E731
    with pytest.raises(UnitError):
        polarisation_cube(toy, [2, 8], curve)
    with pytest.raises(DataError, match="ascending"):
        polarisation_cube(toy, [8, 2] * u.keV, curve)
    with pytest.raises(DataError, match="no channel"):
        polarisation_cube(toy, [20, 30] * u.keV, curve)
    with pytest.raises(DataError, match="not known"):
        polarisation_cube(toy, [2, 8] * u.keV, lambda e: np.where(e < 5, 0.3, np.nan))
    with pytest.raises(DataError, match="modulation"):
        polarisation_cube(toy, [2, 8] * u.keV, "mu.fits")
    cube = polarisation_cube(toy, [2, 8] * u.keV, curve)
    with pytest.raises(DataError, match="different energy bins"):
        _ = cube + polarisation_cube(toy, [2, 4] * u.keV, curve)
    (tmp_path / "cube.fits").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        cube.write(tmp_path / "cube.fits")
    assert (tmp_path / "cube.fits").read_text() == "mine"


def test_energies_outside_the_response(shared, tmp_path):
    """The response begins at 1 keV; events below it inside the bins cannot be used silently."""
    data = uniform(50, PI=np.full(50, 10, dtype="i4"))
    events = EventList.read(write_events(tmp_path / "e.fits", data))
    with pytest.raises(DataError, match=r"0\.420 keV"):
        polarisation_cube(events, [0.2, 8] * u.keV, response(shared, 1, "mfact_", "fits"))


def test_written_tables_read_back(toy, tmp_path):
    cube = polarisation_cube(toy, [2, 4, 8] * u.keV, lambda e: 0.1 * e)
    cube.write(tmp_path / "c.fits")
    cube.write(tmp_path / "c.ecsv")
    with fits.open(tmp_path / "c.fits") as f:
        table = f["POLARIZATION"].data
        assert f["POLARIZATION"].columns["PA"].unit == "deg"
        assert np.array_equal(table["Q"], cube.q)
    text = Table.read(tmp_path / "c.ecsv")
    ours = cube.to_table()
    assert text.colnames == ours.colnames
    assert text["ENERG_LO"].unit == ours["ENERG_LO"].unit == u.keV
    for name in ours.colnames:
        assert np.allclose(np.asarray(text[name], float), np.asarray(ours[name], float), rtol=1e-15, equal_nan=True)
