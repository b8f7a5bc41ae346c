"""Real responses of five missions against a plain reader, and what responses may not contain."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from astropy.io import fits as afits

from data_ogip import Novascope, naive_rmf, power_law, unpacked
from wolter.data import ARF, RMF, PlanCache, Spectrum, folding_plan, group_bins, notice_range
from wolter.data.matrix import CompressedMatrix, ranges
from wolter.errors import ResponseError, WolterWarning

PAIRS = {
    "ixpe": ("ixpe/mrk501_01004601/ixpe_d2_20170101_alpha075_02.rmf", "ixpe/mrk501_01004601/det2_filt_src.arf"),
    "ixpe mrf": ("ixpe/mrk501_01004601/ixpe_d2_20170101_alpha075_02.rmf", "ixpe/mrk501_01004601/det2_filt_src.mrf"),
    "swift gz": ("swift/2m0259_00092220001/swxpc0to12s6_20130101v014.rmf.gz", "swift/2m0259_00092220001/target_sr.arf"),
    "swift": ("swift/grb070110_00255445000/interval0pc.rmf", "swift/grb070110_00255445000/interval0pc.arf"),
    "xmm": ("xmm/ngc7793_ulx4_0693760101/PN.rmf", "xmm/ngc7793_ulx4_0693760101/PN.arf"),
    "nustar xz": (
        "nustar/caldb_pieces/nuAdet3_20100101v002.rmf.xz",
        "nustar/sol_80415201001/nu80415201001A06_chu2_S_cl_grade0_sr.arf",
    ),
    "nustar diagonal": ("nustar/ss433_30002041016/diag.rmf", "nustar/ss433_30002041016/be.arf"),
}


@pytest.mark.parametrize("name", PAIRS)
def test_real_responses_fold_like_a_plain_reader(shared, name):
    paths = [shared(*p.split("/")) for p in PAIRS[name]]
    paths[0] = unpacked(paths[0]) if paths[0].suffix == ".xz" else paths[0]
    rmf, arf = RMF.read(paths[0]), ARF.read(paths[1])
    matrix, energy, bounds = naive_rmf(paths[0])
    area = np.array(afits.getdata(paths[1], "SPECRESP")["SPECRESP"], float)
    flux = power_law(rmf.edges)
    expected = (flux * area) @ matrix
    np.testing.assert_array_equal(rmf.energ_hi, energy[1])
    np.testing.assert_allclose(rmf.fold(flux * arf.specresp), expected, rtol=1e-9, atol=1e-12 * expected.max())

    # the restricted plan, with every bin of five channels that lies wholly in the middle of the band
    grouping = np.where(np.arange(rmf.detchans) % 5 == 0, 1, -1)
    quality = np.zeros(rmf.detchans, int)
    quality[::37] = 1
    notice = notice_range(rmf.e_min, rmf.e_max, 2.0, 8.0)
    plan = folding_plan(rmf, arf, notice, grouping, quality)
    bins = group_bins(grouping, quality, notice)
    wanted = [
        expected[[j for j in range(a, b) if quality[j] != 1]].sum() for a, b in zip(bins.start, bins.stop, strict=True)
    ]
    np.testing.assert_allclose(plan.fold(flux[plan.rows]), wanted, rtol=1e-9)
    np.testing.assert_allclose(plan.bin_lo, [bounds[0][bins.channel_bin == k].min() for k in range(len(bins))])


def test_all_calibration_responses_load(shared):
    folder = shared("ixpe", "pseudo_caldb")
    matrices = [RMF.read(p) for p in sorted(folder.glob("*.rmf"))]
    areas = [ARF.read(p) for p in sorted(folder.glob("*.[am]rf"))]
    factors = [ARF.read(p) for p in sorted(folder.glob("*mfact*"))]
    assert {m.detnam for m in matrices} == {"DU1", "DU2", "DU3"}
    assert {m.first_channel for m in matrices} == {0}
    assert {a.kind for a in areas} == {"SPECRESP", "MODSPECRESP"}
    assert {a.stokes_weight for a in areas} == {"NEFF", "UNWEIGHTED"}
    assert {f.kind for f in factors} == {"MODFACT"}
    assert all(f.specresp.min() >= 0 and f.specresp.max() < 1 for f in factors)
    # published fact of the data set: this pseudo-calibration matrix equals the official one
    official = RMF.read(shared("ixpe", "mrk501_01004601", "ixpe_d1_20170101_alpha075_02.rmf"))
    copy = RMF.read(folder / "ixpe_d1_obssim_alpha075_v012.rmf")
    np.testing.assert_array_equal(copy.dense(), official.dense())


def test_type_ii_arf_row_and_large_arf(shared, tmp_path):
    arf = ARF.read(shared("xrism", "perseus_000154000_resolve", "rsl_standard_GVclosed.arf"))
    assert len(arf.specresp) == 60000
    assert arf(6.0) == pytest.approx(arf.specresp[(arf.energ_lo <= 6.0) & (arf.energ_hi > 6.0)][0])
    assert arf(1e6) == 0

    lo = np.arange(1.0, 5.0)
    rows = [lo, lo + 1], [lo, lo + 1]
    table = afits.BinTableHDU.from_columns(
        [
            afits.Column("ENERG_LO", "4E", array=[r[0] for r in rows]),
            afits.Column("ENERG_HI", "4E", array=[r[1] for r in rows]),
            afits.Column("SPECRESP", "4E", array=[lo * 10, lo * 20]),
        ],
        name="SPECRESP",
    )
    path = tmp_path / "two.arf"
    afits.HDUList([afits.PrimaryHDU(), table]).writeto(path)
    np.testing.assert_array_equal(ARF.read(f"{path}{{2}}").specresp, lo * 20)
    with pytest.raises(ResponseError, match=r"two\.arf\{1\} to two\.arf\{2\}"):
        ARF.read(path)
    with pytest.raises(ResponseError, match="no row 3"):
        ARF.read(f"{path}{{3}}")


def test_several_matrix_extensions_are_added(tmp_path):
    """A fine matrix and a coarse one (a continuum, say) on bins three times as wide."""
    rng = np.random.default_rng(5)
    edges = np.linspace(1.0, 4.0, 13)
    fine, coarse = rng.random((12, 6)), rng.random((4, 6))
    blocks = [afits.PrimaryHDU()]
    for version, (matrix, grid) in enumerate([(fine, edges), (coarse, edges[::3])], start=1):
        n = len(matrix)
        hdu = afits.BinTableHDU.from_columns(
            [
                afits.Column("ENERG_LO", "D", "keV", array=grid[:-1]),
                afits.Column("ENERG_HI", "D", "keV", array=grid[1:]),
                afits.Column("N_GRP", "I", array=np.ones(n)),
                afits.Column("F_CHAN", "I", array=np.zeros(n)),
                afits.Column("N_CHAN", "I", array=np.full(n, 6)),
                afits.Column("MATRIX", "6D", array=matrix / 10),
            ],
            name="MATRIX",
            ver=version,
        )
        hdu.header["TLMIN4"] = 0
        blocks.append(hdu)
    bounds = [afits.Column("CHANNEL", "I", array=np.arange(6))]
    bounds += [afits.Column(k, "D", array=np.arange(6.0) + d) for k, d in (("E_MIN", 1), ("E_MAX", 2))]
    blocks.append(afits.BinTableHDU.from_columns(bounds, name="EBOUNDS"))
    path = tmp_path / "two.rmf"
    afits.HDUList(blocks).writeto(path)
    both = RMF.read(path)
    expected = (fine + np.repeat(coarse, 3, axis=0)) / 10
    np.testing.assert_allclose(both.dense(), expected, rtol=1e-14)
    flux = rng.random(12)
    np.testing.assert_allclose(both.fold(flux), flux @ expected, rtol=1e-12)
    plan = folding_plan(both, grouping=[1, -1, -1, 1, -1, -1])
    np.testing.assert_allclose(plan.fold(flux), (flux @ expected).reshape(2, 3).sum(1), rtol=1e-12)
    np.testing.assert_allclose(RMF.read(f"{path}{{2}}").dense(), coarse / 10)
    np.testing.assert_allclose(RMF.read(f"{path}[MATRIX,1]").dense(), fine / 10)


def test_huge_sparse_matrix_stays_sparse():
    """60,000 x 60,000 with eight elements a row: 29 GB if it were dense."""
    n, width = 60_000, 8
    edges = np.linspace(0.5, 12.5, n + 1)
    first = np.minimum(np.arange(n), n - width)
    matrix = CompressedMatrix(n, np.arange(n + 1), first, np.full(n, width), np.full(n * width, 1 / width, "f4"))
    rmf = RMF(edges[:-1], edges[1:], edges[:-1], edges[1:], matrix)
    flux = power_law(edges, 2.0)
    tracemalloc.start()
    folded = rmf.fold(flux)
    plan = folding_plan(rmf, None, notice_range(rmf.e_min, rmf.e_max, 2.0, 8.0))
    binned = plan.fold(np.stack([flux[plan.rows]] * 2))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300e6
    assert not plan.dense
    expected = np.zeros(n)
    for k in range(width):
        np.add.at(expected, first + k, flux / width)
    np.testing.assert_allclose(folded, expected, rtol=1e-9)
    np.testing.assert_allclose(binned[1], expected[plan.bins.start], rtol=1e-9)
    with pytest.raises(ResponseError, match="GB"):
        rmf.dense()


def test_width_of_gaussian_redistribution_and_optimal_bins():
    """FWHM of a normal distribution is 2.3548 sigma; bins of a faint spectrum are that wide."""
    edges = np.linspace(1.0, 11.0, 501)
    centre, sigma = 0.5 * (edges[1:] + edges[:-1]), 0.12
    dense = np.exp(-0.5 * ((centre - centre[:, None]) / sigma) ** 2)
    dense /= dense.sum(1, keepdims=True)
    options = {"energ_lo": edges[:-1], "energ_hi": edges[1:], "e_min": edges[:-1], "e_max": edges[1:]}
    rmf = RMF.from_dense(dense, threshold=1e-12, **options)
    width = rmf.fwhm_channels()
    expected = 2.3548 * sigma / 0.02
    assert np.abs(width[50:-50] - expected).max() < 2.0  # whole channels, the half maximum lies within one of each end
    spectrum = Spectrum(channel=np.arange(1, 501), values=np.ones(500), exposure=1.0, rmf=rmf)
    sizes = np.diff(spectrum.group(optimal=True).bins().start)
    assert set(sizes[3:-3]) <= set(range(7, 17))
    assert Spectrum(channel=np.arange(1, 501), values=np.ones(500) * 1e-9, exposure=1.0, rmf=rmf).group(
        optimal=True
    ).bins().total in range(500 // 16, 500 // 13 + 3)


def test_rows_that_reach_no_noticed_bin_are_left_out():
    edges = np.linspace(1.0, 11.0, 101)
    rmf = RMF.from_dense(np.eye(100), energ_lo=edges[:-1], energ_hi=edges[1:], e_min=edges[:-1], e_max=edges[1:])
    notice = np.zeros(100, bool)
    notice[40:45] = True
    plan = folding_plan(rmf, None, notice)
    assert plan.rows == slice(40, 45)
    np.testing.assert_array_equal(plan.edges, edges[40:46])
    np.testing.assert_array_equal(plan.full_edges, edges)
    np.testing.assert_allclose(plan.effective_area(), 1.0)


def test_plans_are_shared_by_spectra_with_the_same_response():
    edges = np.linspace(1.0, 11.0, 11)
    options = {"energ_lo": edges[:-1], "energ_hi": edges[1:], "e_min": edges[:-1], "e_max": edges[1:]}
    rmf, other = RMF.from_dense(np.eye(10), **options), RMF.from_dense(np.eye(10), **options)
    arf = ARF(edges[:-1], edges[1:], np.arange(10.0))
    cache: PlanCache = {}
    plan = folding_plan(rmf, arf, np.arange(10) > 2, cache=cache)
    assert folding_plan(rmf, arf, np.arange(10) > 2, cache=cache) is plan
    assert folding_plan(rmf, arf, np.arange(10) > 3, cache=cache) is not plan
    assert folding_plan(other, arf, np.arange(10) > 2, cache=cache) is not plan
    assert folding_plan(rmf, None, np.arange(10) > 2, cache=cache) is not plan
    assert folding_plan(rmf, arf, np.arange(10) > 2, quality=np.arange(10) == 9, cache=cache) is not plan
    with pytest.raises(ResponseError, match="ARF has 5"):
        folding_plan(rmf, ARF(edges[:5], edges[1:6], np.ones(5)))


@pytest.mark.parametrize("threshold", [0.0, 0.3])
def test_from_dense_keeps_runs(threshold):
    rng = np.random.default_rng(3)
    dense = np.where(rng.random((30, 20)) > 0.6, rng.random((30, 20)), 0.0)
    matrix = CompressedMatrix.from_dense(dense, threshold)
    np.testing.assert_array_equal(matrix.dense(), np.where(dense > threshold, dense, 0))
    np.testing.assert_allclose(matrix.row_sums, np.where(dense > threshold, dense, 0).sum(1))
    order = rng.permutation(30)
    np.testing.assert_array_equal(matrix.reordered(order).dense(), matrix.dense()[order])
    np.testing.assert_allclose(matrix.plus(matrix).dense(), 2 * matrix.dense())
    assert ranges([5, 0, 9], [2, 0, 3]).tolist() == [5, 6, 9, 10, 11]


def test_energy_of_zero_becomes_small(shared):
    rmf = RMF.from_dense(np.eye(2), energ_lo=[0.0, 1.0], energ_hi=[1.0, 2.0], e_min=[0.0, 1.0], e_max=[1.0, 2.0])
    assert rmf.energ_lo[0] == pytest.approx(0.001)  # as XSPEC: a thousandth of the upper bound
    assert 0 < rmf.e_min[0] < 1e-37


# --- what is refused -------------------------------------------------------------------------------------------------


def make(dense, lo=(1.0, 2.0), hi=(2.0, 3.0), **options):
    return RMF.from_dense(np.asarray(dense), energ_lo=lo, energ_hi=hi, e_min=[1.0, 2.0], e_max=[2.0, 3.0], **options)


def test_matrices_that_cannot_be(tmp_path):
    with pytest.raises(ResponseError, match="not finite"):
        make([[1.0, np.inf], [0.0, 1.0]])
    with pytest.raises(ResponseError, match="negative"):
        make([[1.0, 0.0], [-0.5, 1.0]], threshold=-1.0)
    with pytest.raises(ResponseError, match="not in order"):
        make(np.eye(3), lo=(1.0, 3.0, 2.0), hi=(2.0, 4.0, 3.0))
    with pytest.raises(ResponseError, match="2 energy bins but 3 rows"):
        make([[1.0, 0.0]] * 3)
    with pytest.raises(ResponseError, match="two axes"):
        make([1.0, 0.0])
    with pytest.warns(WolterWarning, match="not adjacent"):
        make(np.eye(2), lo=(1.0, 2.5), hi=(2.0, 3.0))
    assert "sum to as much as 1.5" in make([[1.5, 0.0], [0.0, 1.0]]).check_normalisation()
    assert make([[1.5, 0.0], [0.0, 1.0]], includes_area=True).check_normalisation() is None


def test_areas_that_cannot_be(tmp_path):
    nova = Novascope(tmp_path)
    for name, value, words in (
        ("nan.arf", np.nan, "not finite in 1 of 80"),
        ("minus.arf", -1.0, "negative in 1 of 80"),
    ):
        area = nova.area.copy()
        area[5] = value
        with pytest.raises(ResponseError, match=words) as caught:
            ARF.read(nova.write_arf(name, area=area))
        assert name in str(caught.value)


def rewrite(path, out, change):
    """Copy of a file with its HDU list changed."""
    with afits.open(path) as file:
        change(file)
        file.writeto(out, checksum=False)
    return out


def test_damaged_responses_name_file_hdu_and_cause(tmp_path):
    nova = Novascope(tmp_path)
    rmf, arf = nova.write_rmf(), nova.write_arf()

    def without(name):
        return lambda f: f.__delitem__(name)

    cases = [
        (RMF, rewrite(rmf, tmp_path / "1", without("EBOUNDS")), "no EBOUNDS extension"),
        (RMF, rewrite(rmf, tmp_path / "2", without("MATRIX")), "no MATRIX extension"),
        (RMF, arf, "no MATRIX extension"),
        (ARF, rmf, "no SPECRESP extension"),
        (RMF, rewrite(rmf, tmp_path / "3", lambda f: f["MATRIX"].columns.del_col("N_CHAN")), "no column N_CHAN"),
        (RMF, rewrite(rmf, tmp_path / "4", lambda f: f["MATRIX"].data["N_GRP"].fill(5)), "5 groups but"),
        (RMF, rewrite(rmf, tmp_path / "5", lambda f: f["MATRIX"].header.update(TLMIN4=9)), "refers to channels"),
        (RMF, rewrite(rmf, tmp_path / "6", lambda f: f["EBOUNDS"].data["CHANNEL"].fill(9)), "does not list every"),
        (RMF, rewrite(rmf, tmp_path / "7", lambda f: f["MATRIX"].header.update(TUNIT1="Angstrom")), "Angstrom"),
        (ARF, rewrite(arf, tmp_path / "8", lambda f: f["SPECRESP"].header.update(TUNIT3="counts")), "not in cm"),
        (ARF, rewrite(arf, tmp_path / "9", lambda f: f["SPECRESP"].columns.del_col("SPECRESP")), "no column SPECRESP"),
    ]
    for kind, path, words in cases:
        with pytest.raises(ResponseError, match=words) as caught:
            kind.read(path)
        assert path.name in str(caught.value)


def test_energies_in_other_units(tmp_path):
    nova = Novascope(tmp_path)

    def in_ev(f):
        for name, factor, unit in (("ENERG_LO", 1e3, "eV"), ("ENERG_HI", 1e3, "eV"), ("SPECRESP", 1e-4, "m**2")):
            f["SPECRESP"].data[name] *= factor
            f["SPECRESP"].columns.change_unit(name, unit)

    arf = ARF.read(rewrite(nova.write_arf(), tmp_path / "ev.arf", in_ev))
    np.testing.assert_allclose(arf.energ_lo, nova.lo, rtol=1e-6)
    np.testing.assert_allclose(arf.specresp, nova.area, rtol=1e-6)
