"""Spectra: what OGIP allows, what XSPEC makes of it, and what is refused."""

from __future__ import annotations

import re
import shutil
import warnings

import numpy as np
import pytest
from astropy.io import fits as afits

from data_ogip import Novascope
from wolter import fits
from wolter.data import ARF, RMF, Spectrum, SpectrumSet, check_responses
from wolter.errors import DataError, FitsError, OutputError, ResponseError, UnitError, WolterWarning

MRK501 = ("ixpe", "mrk501_01004601")


@pytest.fixture
def nova(tmp_path):
    nova = Novascope(tmp_path)
    nova.write_rmf()
    nova.write_arf()
    return nova


# --- reading ---------------------------------------------------------------------------------------------------------


def test_stokes_spectrum_of_rates(shared):
    path = shared(*MRK501, "det1_filt_src_Q.pha")
    spectrum = Spectrum.read(path)
    data, header = afits.getdata(path, "SPECTRUM"), afits.getheader(path, "SPECTRUM")
    assert (spectrum.stokes, spectrum.stokes_weight, spectrum.is_rate, spectrum.poisson) == (1, "NEFF", True, False)
    assert spectrum.xflt == {"stokes": 1.0}
    np.testing.assert_array_equal(spectrum.rate, data["RATE"].astype(float))
    np.testing.assert_array_equal(spectrum.rate_error, data["STAT_ERR"].astype(float))
    np.testing.assert_allclose(spectrum.counts, data["RATE"].astype(float) * header["EXPOSURE"])
    assert spectrum.exposure == header["EXPOSURE"]
    assert spectrum.backscal == header["BACKSCAL"]
    assert (spectrum.rmf.detnam, spectrum.arf.kind) == ("DU1", "MODSPECRESP")
    times = afits.getdata(path, "GTI")
    np.testing.assert_array_equal(spectrum.good_times.start, times["START"])
    assert spectrum.source_region.name == "REG00101"
    assert "DU1" in repr(spectrum)


def test_real_spectra_of_all_missions_load(shared):
    for parts, n in (
        (("ixpe", "bkg_pha1_real", "ixpe01005701_det1_evt2_v03_bkg_pha1.fits"), 375),
        (("ixpe", "sim_point_source_ixpeobssim", "toy_point_source_du1_pha1q.fits"), 375),
        (("nustar", "velax1_30501003002_FPMB", "nustar_pha.pha"), 4096),
        (("nustar", "caldb_pieces", "epoch0_det0_FPMA_repro.pha"), 4096),
        (("swift", "grb070110_00255445000", "interval0pcback.pi"), 1024),
        (("xrism", "perseus_000154000_resolve", "xa_merged_p0px1000_Hp.pi"), 60000),
    ):
        path = shared(*parts)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", WolterWarning)
            spectrum = Spectrum.read(path, follow=False)
        assert len(spectrum) == n
        data = afits.getdata(path, "SPECTRUM")
        name = "RATE" if "RATE" in data.names else "COUNTS"
        assert spectrum.values.sum() == pytest.approx(data[name].sum(dtype=float))
        assert spectrum.respfile != ""


def test_missing_channels_count_as_zero(nova):
    listed = np.array([10, 11, 14, 40])
    path = nova.write_pha(columns={"CHANNEL": ("J", listed), "COUNTS": ("J", [5, 6, 7, 8])})
    spectrum = Spectrum.read(path)
    assert len(spectrum) == nova.nch
    assert spectrum.channel[0] == 3
    assert spectrum.counts[listed - 3].tolist() == [5, 6, 7, 8]
    assert spectrum.counts.sum() == 26
    # channels before the first and after the last one of the file are not part of the spectrum
    assert np.flatnonzero(spectrum.quality != 1)[[0, -1]].tolist() == [7, 37]
    assert spectrum.bins().total == 31


@pytest.mark.parametrize(("tlmin", "channels", "first"), [(None, 0, 0), (None, 1, 1), (0, 5, 0), (3, 3, 3)])
def test_first_channel(nova, tlmin, channels, first):
    columns = {"CHANNEL": ("J", np.arange(channels, channels + 50)), "COUNTS": ("J", np.ones(50))}
    keys = {"DETCHANS": 55} if tlmin == 0 else {"DETCHANS": 50}
    drop = ("TLMIN1",) if tlmin is None else ()
    keys |= {} if tlmin is None else {"TLMIN1": tlmin}
    spectrum = Spectrum.read(nova.write_pha(columns=columns, drop=drop, **keys), follow=False)
    assert spectrum.first_channel == first
    assert spectrum.counts.sum() == 50


def test_errors_and_systematics_by_the_rules_of_xspec(nova):
    n = nova.nch
    stat = {"STAT_ERR": ("E", np.full(n, 3.0))}
    with pytest.warns(WolterWarning, match="taken to be Poisson"):
        both = Spectrum.read(nova.write_pha("a.pha", columns=stat))
    np.testing.assert_allclose(both.variance, nova.counts / 1000.0**2)
    gauss = Spectrum.read(nova.write_pha("b.pha", columns=stat, POISSERR=False))
    np.testing.assert_allclose(gauss.rate_error, 3.0 / 1000.0)
    with pytest.warns(WolterWarning, match="errors are taken to be 0"):
        none = Spectrum.read(nova.write_pha("c.pha", drop=("POISSERR",)))
    assert not none.variance.any()
    system = {"SYS_ERR": ("E", np.where(np.arange(n) % 2, 0.5, 0.25))}
    spectrum = Spectrum.read(nova.write_pha("d.pha", columns=system))
    np.testing.assert_allclose(spectrum.variance, (nova.counts + (system["SYS_ERR"][1] * nova.counts) ** 2) / 1e6)
    pairs = spectrum.group(channels=2).binned()
    sums = nova.counts.reshape(-1, 2).sum(1)
    np.testing.assert_allclose(pairs.variance, (sums + (0.5 * sums) ** 2) / 1e6)  # the largest of the bin, on the sum
    rates = {"RATE": ("E", nova.counts / 1000.0)}
    poisson = Spectrum.read(nova.write_pha("e.pha", columns=rates, drop=("COUNTS",)))
    np.testing.assert_allclose(poisson.variance, nova.counts / 1e6, rtol=1e-6)
    keyword = Spectrum.read(nova.write_pha("f.pha", SYS_ERR=0.1, QUALITY=0, GROUPING=0))
    np.testing.assert_allclose(keyword.sys_err, 0.1)


def test_scalings_by_channel_and_background(nova):
    n = nova.nch
    area = np.linspace(0.5, 1.5, n)
    back = {"BACKSCAL": ("D", np.linspace(2.0, 6.0, n)), "COUNTS": ("J", np.full(n, 40))}
    nova.write_pha("back.pha", columns=back, EXPOSURE=4000.0)
    path = nova.write_pha(columns={"AREASCAL": ("D", area)}, BACKFILE="back.pha", BACKSCAL=2.0)
    spectrum = Spectrum.read(path)
    np.testing.assert_allclose(spectrum.rate, nova.counts / 1000.0 / area)
    ratio = 2.0 / np.linspace(2.0, 6.0, n)
    rate, variance = spectrum.scaled_background()
    np.testing.assert_allclose(rate, 0.01 * ratio)
    np.testing.assert_allclose(variance, 40 / 4000.0**2 * ratio**2)
    data = spectrum.binned()
    np.testing.assert_allclose(data.counts, nova.counts)
    np.testing.assert_allclose(data.background_counts, 40.0)
    np.testing.assert_allclose(data.net, nova.counts / 1000.0 / area - 0.01 * ratio)
    net, error = spectrum.net_rate()
    assert net == pytest.approx(np.sum(nova.counts / 1000.0 - area * 0.01 * ratio))
    assert error == pytest.approx(np.sqrt(np.sum(nova.counts / 1e6 + (area * ratio * 0.01) ** 2 / 40)))
    # in a bin: counts over the sum of counts / scale (XSPEC); rates stay sums
    grouped = spectrum.group(channels=3).binned()
    np.testing.assert_allclose(grouped.rate, (nova.counts / area / 1000.0).reshape(-1, 3).sum(1))
    np.testing.assert_allclose(grouped.counts, nova.counts.reshape(-1, 3).sum(1))


def test_scalings_that_are_missing_or_not_positive_become_one(nova):
    with pytest.warns(WolterWarning, match="no BACKSCAL"):
        assert Spectrum.read(nova.write_pha("a.pha", drop=("BACKSCAL",))).backscal == 1.0
    with pytest.warns(WolterWarning, match="BACKSCAL is not positive"):
        assert Spectrum.read(nova.write_pha("b.pha", BACKSCAL=0.0)).backscal == 1.0
    values = np.ones(nova.nch)
    values[4] = -1
    with pytest.warns(WolterWarning, match="in 1 channels"):
        assert Spectrum.read(nova.write_pha("c.pha", columns={"AREASCAL": ("E", values)})).areascal == 1.0


def test_filter_keys_in_any_case(nova):
    keys = {"XFLT0001": "StOkEs: 2", "XFLT0002": "inner:  0.5", "XFLT0003": "12.5"}
    spectrum = Spectrum.read(nova.write_pha(**keys))
    assert spectrum.xflt == {"stokes": 2.0, "inner": 0.5, "key3": 12.5}
    assert spectrum.stokes == 2
    with pytest.warns(WolterWarning, match="XFLT0001"):
        assert Spectrum.read(nova.write_pha("b.pha", XFLT0001="what: ever")).xflt == {}


def test_type_ii_rows(nova):
    n = nova.nch
    rows = [nova.counts, nova.counts[::-1], np.full(n, 3)]
    table = afits.BinTableHDU.from_columns(
        [
            afits.Column("SPEC_NUM", "I", array=[1, 2, 3]),
            afits.Column("CHANNEL", f"{n}I", array=[np.arange(3, 3 + n)] * 3),
            afits.Column("COUNTS", f"{n}J", array=rows),
            afits.Column("EXPOSURE", "D", array=[100.0, 200.0, 300.0]),
            afits.Column("BACKSCAL", "E", array=[1.0, 0.5, 0.25]),
            afits.Column("RESPFILE", "12A", array=["nova.rmf", "nova.rmf", "none"]),
        ],
        name="SPECTRUM",
    )
    keys = {"TELESCOP": "NOVASCOPE", "INSTRUME": "SPECTRO", "POISSERR": True, "AREASCAL": 1.0, "DETCHANS": n}
    table.header.update(keys | {"TLMIN2": 3, "HDUCLAS1": "SPECTRUM", "HDUCLAS4": "TYPE:II", "ANCRFILE": "nova.arf"})
    path = nova.folder / "two.pha"
    afits.HDUList([afits.PrimaryHDU(), table]).writeto(path)
    second, third = Spectrum.read(f"{path}{{2}}"), Spectrum.read(f"{path}{{3}}", arf="none")
    np.testing.assert_array_equal(second.counts, nova.counts[::-1])
    assert (second.exposure, second.backscal, third.exposure) == (200.0, 0.5, 300.0)
    assert second.rmf is not None
    assert third.rmf is None
    with pytest.raises(DataError, match=r"3 spectra .*two\.pha\{1\} to two\.pha\{3\}"):
        Spectrum.read(path)
    with pytest.raises(DataError, match="no spectrum 4"):
        Spectrum.read(f"{path}{{4}}")
    with pytest.raises(DataError, match="one spectrum only"):
        Spectrum.read(f"{nova.write_pha()}{{1}}")
    out = second.write(nova.folder / "second.pha")
    assert afits.getheader(out, "SPECTRUM")["EXPOSURE"] == 200.0


# --- files that belong to it -----------------------------------------------------------------------------------------


def test_responses_are_looked_for_beside_the_spectrum_then_as_written(nova, tmp_path, monkeypatch):
    other = tmp_path / "elsewhere"
    other.mkdir()
    monkeypatch.chdir(other)
    assert Spectrum.read(nova.write_pha()).rmf.path == tmp_path / "nova.rmf"
    shutil.copy(tmp_path / "nova.rmf", other / "here.rmf")
    assert Spectrum.read(nova.write_pha("b.pha", RESPFILE="here.rmf")).rmf.path.resolve() == other / "here.rmf"
    assert Spectrum.read(nova.write_pha("c.pha", RESPFILE=str(other / "here.rmf"))).rmf is not None
    moved = Spectrum.read(nova.write_pha("d.pha", RESPFILE="/nowhere/nova.rmf"))  # the bare name, beside the spectrum
    assert moved.rmf.path == tmp_path / "nova.rmf"


def test_missing_response_says_where_it_was_looked_for(nova, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    path = nova.write_pha(RESPFILE="gone.rmf", BACKFILE="gone.pha")
    with pytest.raises(ResponseError, match=r"RESPFILE 'gone\.rmf' is not there") as caught:
        Spectrum.read(path)
    assert f"{tmp_path}/gone.rmf and /gone.rmf" in str(caught.value)
    assert caught.value.file == str(path)
    assert "follow=False" in str(caught.value)
    with pytest.raises(ResponseError, match="BACKFILE"):
        Spectrum.read(path, rmf=tmp_path / "nova.rmf")
    explicit = Spectrum.read(path, rmf=tmp_path / "nova.rmf", background="none")
    assert explicit.rmf is not None
    assert explicit.background is None
    alone = Spectrum.read(path, follow=False)
    assert (alone.rmf, alone.arf, alone.background, alone.respfile) == (None, None, None, "gone.rmf")
    with pytest.raises(FitsError, match="typo"):
        Spectrum.read(path, rmf="typo.rmf", background="none")


def test_explicit_responses_win(nova):
    rmf, arf = RMF.read(nova.folder / "nova.rmf"), ARF.read(nova.write_arf("double.arf", area=2 * nova.area))
    spectrum = Spectrum.read(nova.write_pha(), rmf=rmf, arf=arf)
    assert spectrum.rmf is rmf
    assert spectrum.arf is arf
    assert Spectrum.read(nova.folder / "nova.pha", arf="double.arf").arf.specresp[3] == arf.specresp[3]
    assert Spectrum.read(nova.folder / "nova.pha", arf="NONE").arf is None
    swapped = spectrum.with_responses(rmf, None)
    assert swapped.arf is None
    assert spectrum.arf is arf


def test_no_response_at_all(nova):
    spectrum = Spectrum.read(nova.write_pha(), rmf="none", arf="none")
    with pytest.raises(ResponseError, match="no RMF"):
        check_responses(spectrum)
    with pytest.raises(DataError, match="no RMF"):
        spectrum.notice(1.0, 2.0)
    with pytest.raises(ResponseError, match="only an ARF"):
        check_responses(spectrum.replace(arf=ARF.read(nova.folder / "nova.arf")))


def test_correction_file_is_not_silently_dropped(nova):
    with pytest.raises(ResponseError, match=r"CORRFILE .c\.pha. is not there"):
        Spectrum.read(nova.write_pha(CORRFILE="c.pha"))


# --- what is refused -------------------------------------------------------------------------------------------------


def test_contents_that_cannot_be_used(nova):
    n = nova.nch
    nan, minus = np.full(n, 3.0), np.full(n, 3.0)
    nan[7], minus[7] = np.nan, -1.0
    cases = [
        ({"columns": {"STAT_ERR": ("E", nan)}, "POISSERR": False}, "STAT_ERR is not a number in 1 channels"),
        ({"columns": {"STAT_ERR": ("E", minus)}, "POISSERR": False}, "STAT_ERR is negative in 1 channels"),
        ({"columns": {"RATE": ("E", nan)}}, "not a number in 1 channels, the first is 10"),
        ({"columns": {"COUNTS": ("J", np.zeros(n))}}, "no counts"),
        ({"EXPOSURE": 0.0}, "EXPOSURE is 0 s"),
        ({"drop": ("EXPOSURE",)}, "no keyword EXPOSURE"),
        ({"drop": ("COUNTS",)}, "neither a column COUNTS nor RATE"),
        ({"drop": ("CHANNEL",)}, "no column CHANNEL"),
        ({"DETCHANS": 20}, "channels 3 to 62 are listed"),
        ({"columns": {"CHANNEL": ("J", np.full(n, 5))}}, "listed twice"),
        ({"columns": {"GROUPING": ("I", np.full(n, 7))}}, "GROUPING holds"),
    ]
    for i, (options, words) in enumerate(cases):
        path = nova.write_pha(f"bad{i}.pha", **options)
        with pytest.raises(DataError, match=words) as caught:
            Spectrum.read(path).bins()
        assert path.name in str(caught.value) or "GROUPING" in words
    empty = Spectrum.read(nova.write_pha("empty.pha", columns={"COUNTS": ("J", np.zeros(n))}), allow_empty=True)
    assert empty.net_rate() == (0.0, 0.0)
    with pytest.raises(DataError, match="no SPECTRUM extension"):
        Spectrum.read(nova.folder / "nova.rmf")
    with pytest.raises(FitsError):
        Spectrum.read(nova.folder / "nothing.pha")


def test_responses_of_another_size_or_detector(nova, shared):
    path = nova.write_pha()
    ixpe = shared(*MRK501, "ixpe_d1_20170101_alpha075_02.rmf")
    with pytest.raises(ResponseError, match="375 channels, the spectrum 60"):
        Spectrum.read(path, rmf=ixpe, allow_mismatch=True)
    with pytest.raises(ResponseError, match=r"275 energy bins, the RMF .* 80"):
        Spectrum.read(path, arf=shared(*MRK501, "det1_filt_src.arf"), allow_mismatch=True)
    for key, value in (("DETNAM", "B"), ("INSTRUME", "OTHER"), ("TELESCOP", "OLDSCOPE")):
        arf = nova.write_arf(f"{key}.arf", **{key: value})
        with pytest.raises(ResponseError, match=f"ARF .*{key}.arf.* another detector: {key} is '{value}'") as caught:
            Spectrum.read(path, arf=arf)
        assert "allow_mismatch=True" in str(caught.value)
        assert Spectrum.read(path, arf=arf, allow_mismatch=True).arf is not None
    with pytest.raises(ResponseError, match="DETNAM is 'DU2'"):
        Spectrum.read(shared(*MRK501, "det1_filt_src_I.pha"), rmf=shared(*MRK501, "ixpe_d2_20170101_alpha075_02.rmf"))
    unnamed = nova.write_arf("none.arf", DETNAM="NONE", INSTRUME="spectro")  # not said, other case: no mismatch
    assert Spectrum.read(path, arf=unnamed).arf is not None


def test_weighting_of_spectrum_and_arf_must_agree(shared):
    path = shared(*MRK501, "det1_filt_src_I.pha")
    unweighted = shared("ixpe", "pseudo_caldb", "ixpe_d1_obssim20211209_v013.arf")
    with pytest.raises(ResponseError, match=r"weighted NEFF .* is for UNWEIGHTED"):
        Spectrum.read(path, arf=unweighted, allow_mismatch=True)
    with pytest.warns(WolterWarning, match="Stokes I spectrum with .* MODSPECRESP"):
        Spectrum.read(path, arf=shared(*MRK501, "det1_filt_src.mrf"))
    with pytest.raises(ResponseError, match="modulation factor"):
        Spectrum.read(path, arf=shared("ixpe", "pseudo_caldb", "ixpe_d1_obssim20211209_alpha075_mfact_v013.fits"))


def test_energies_or_channels_that_differ_are_reported(nova):
    path = nova.write_pha("shifted.pha", columns={"CHANNEL": ("J", np.arange(60))}, TLMIN1=0)
    with pytest.warns(WolterWarning, match="channels begin with 0, those of the RMF .* with 3"):
        Spectrum.read(path)
    nova.lo, nova.hi = nova.lo * 1.01, nova.hi * 1.01
    with pytest.warns(WolterWarning, match="energies differ"):
        Spectrum.read(nova.write_pha(), arf=nova.write_arf("shifted.arf"))


def test_background_that_does_not_fit(nova, shared):
    path = nova.write_pha()
    with pytest.raises(DataError, match="1024 channels, the spectrum 60"):
        Spectrum.read(path, background=shared("swift", "grb070110_00255445000", "interval0pcback.pi"))
    q = nova.write_pha("q.pha", XFLT0001="Stokes:1", STOKESWT="NEFF")
    u = nova.write_pha("u.pha", XFLT0001="Stokes:2", STOKESWT="NEFF")
    simple = nova.write_pha("s.pha", XFLT0001="Stokes:1", STOKESWT="SIMPLE")
    with pytest.raises(DataError, match="is Stokes U, the spectrum Stokes Q"):
        Spectrum.read(q, background=u)
    with pytest.raises(DataError, match="weighted SIMPLE, the spectrum NEFF"):
        Spectrum.read(q, background=simple)


def test_arrays_that_do_not_fit():
    with pytest.raises(DataError, match="3 channels but COUNTS"):
        Spectrum(channel=[0, 1, 2], values=[1.0, 2.0], exposure=1.0)
    with pytest.raises(DataError, match="QUALITY"):
        Spectrum(channel=[0, 1], values=[1.0, 2.0], quality=[0], exposure=1.0)
    with pytest.raises(DataError, match="EXPOSURE"):
        Spectrum(channel=[0, 1], values=[1.0, 2.0])
    with pytest.raises(DataError, match="BACKSCAL"):
        Spectrum(channel=[0, 1], values=[1.0, 2.0], exposure=1.0, backscal=np.nan)


# --- sets ------------------------------------------------------------------------------------------------------------


def test_set_of_spectra(nova):
    import astropy.units as u

    paths = [nova.write_pha(f"{i}.pha", DETNAM=d, ANCRFILE="none", RESPFILE="none") for i, d in enumerate("ABA")]
    rmf = RMF.read(nova.folder / "nova.rmf")
    spectra = SpectrumSet.read(paths, groups="detector", rmf=rmf, allow_mismatch=True)
    assert spectra.groups == (1, 2, 1)
    assert spectra[1:].groups == (2, 1)
    assert (spectra[1:] + spectra[:1]).groups == (2, 1, 1)
    assert spectra.subset([1]).groups == (1,)
    chosen = spectra.select(1 * u.keV, 5 * u.keV)
    assert all(m.sum() < 60 for m in chosen.notice)
    assert chosen.select(hi=3 * u.keV).notice[0].sum() < chosen.notice[0].sum()
    assert chosen.group(channels=4).binned(0).bins.total == 15
    narrow = spectra.select([1.0, 5.0] * u.keV)
    assert (narrow.notice[0] == chosen.notice[0]).all()
    with pytest.raises(UnitError, match="keV"):
        spectra.select(1.0, 5.0)
    with pytest.raises(UnitError, match="empty"):
        spectra.select(5 * u.keV, 1 * u.keV)
    with pytest.raises(DataError, match="no channel is left"):
        spectra.select(100 * u.keV, 200 * u.keV)
    with pytest.raises(DataError, match="without gaps"):
        SpectrumSet(spectra, groups=[1, 3, 1])
    with pytest.raises(DataError, match="3 spectra but 2"):
        SpectrumSet(spectra, groups=[1, 2])
    with pytest.raises(DataError, match="no spectra"):
        SpectrumSet([])
    with pytest.raises(DataError, match="3 spectra but 2 entries in rmf"):
        SpectrumSet.read(paths, rmf=[rmf, rmf])


def test_mixed_weightings_in_a_set(nova):
    first = Spectrum.read(nova.write_pha("n.pha", STOKESWT="NEFF"))
    second = Spectrum.read(nova.write_pha("s.pha", STOKESWT="SIMPLE"))
    plain = Spectrum.read(nova.write_pha("p.pha"))
    with pytest.raises(DataError, match=r"NEFF .*n\.pha.*SIMPLE .*s\.pha"):
        SpectrumSet([first, plain, second])
    assert len(SpectrumSet([first, plain])) == 2


# --- writing ---------------------------------------------------------------------------------------------------------


def test_stokes_spectrum_written_and_read_by_astropy(shared, tmp_path):
    path = shared(*MRK501, "det1_filt_src_Q.pha")
    spectrum = Spectrum.read(path)
    out = spectrum.write(tmp_path / "copy.pha")
    with afits.open(path) as old, afits.open(out, checksum=True) as new, warnings.catch_warnings():
        warnings.simplefilter("error")  # a wrong CHECKSUM or DATASUM warns
        new.verify("exception")
        a, b = old["SPECTRUM"], new["SPECTRUM"]
        for name in ("CHANNEL", "RATE", "STAT_ERR"):
            np.testing.assert_array_equal(a.data[name], b.data[name])
        assert [b.columns[k].format for k in ("CHANNEL", "RATE", "STAT_ERR")] == ["J", "E", "E"]
        assert b.columns["RATE"].unit == b.columns["STAT_ERR"].unit == "count/s"
        same = "EXPOSURE BACKSCAL AREASCAL XFLT0001 STOKESPR STOKESWT TELESCOP INSTRUME DETNAM DETCHANS POISSERR OBS_ID"
        for key in same.split() + ["TLMIN1", "TLMAX1", "HDUCLAS1", "HDUCLAS3", "CHANTYPE", "DATE-OBS", "CORRSCAL"]:
            assert a.header[key] == b.header[key], key
        assert b.header["HDUCLASS"] == "OGIP"
        assert (b.header["QUALITY"], b.header["GROUPING"], b.header["SYS_ERR"]) == (0, 0, 0)
        assert not {"COUNTS", "BACKSCAL", "QUALITY"} & set(b.columns.names)
        for name in ("START", "STOP"):
            np.testing.assert_array_equal(old["GTI"].data[name], new["GTI"].data[name])
        assert new["REG00101"].data["SHAPE"][0].strip() == old["REG00101"].data["SHAPE"][0].strip()
        np.testing.assert_array_equal(np.ravel(new["REG00101"].data["X"][0]), np.ravel(old["REG00101"].data["X"][0]))
        assert new["REG00101"].header["MFORM1"] == "X,Y"
        assert {"CHECKSUM", "DATASUM"} <= set(b.header)
    again = Spectrum.read(out)  # RESPFILE and ANCRFILE were rewritten for the new place
    np.testing.assert_array_equal(again.values, spectrum.values)
    assert again.rmf.path.resolve() == spectrum.rmf.path.resolve()


def test_counts_with_flags_written(nova, tmp_path):
    spectrum = Spectrum.read(nova.write_pha(BACKSCAL=0.25)).group(50)
    spectrum = spectrum.replace(sys_err=np.full(60, 0.02), areascal=np.linspace(1, 2, 60))
    out = spectrum.write(tmp_path / "grouped.pha")
    data, header = afits.getdata(out, "SPECTRUM"), afits.getheader(out, "SPECTRUM")
    assert data.columns["COUNTS"].format == "J"
    assert [data.columns[k].format for k in ("QUALITY", "GROUPING", "SYS_ERR", "AREASCAL")] == ["I", "I", "E", "E"]
    np.testing.assert_array_equal(data["COUNTS"], nova.counts)
    np.testing.assert_array_equal(data["GROUPING"], spectrum.grouping)
    assert not {"GROUPING", "QUALITY", "AREASCAL", "SYS_ERR"} & set(header)
    assert header["BACKSCAL"] == 0.25
    assert header["HDUCLAS3"] == "COUNT"
    again = Spectrum.read(out)
    np.testing.assert_allclose(again.binned().counts, spectrum.binned().counts, rtol=1e-14)
    fractions = spectrum.replace(values=spectrum.values + 0.5, grouping=None)
    assert afits.getdata(fractions.write(tmp_path / "float.pha"), 1).columns["COUNTS"].format == "E"
    with pytest.raises(OutputError, match="exist"):
        spectrum.write(out)
    before = out.read_bytes()
    with pytest.raises(OutputError):
        spectrum.replace(header=fits.Header({"OBJECT": "Mrk 501"})).write(tmp_path / "no" / "such" / "folder.pha")
    assert out.read_bytes() == before
    spectrum.write(out, overwrite=True)


def test_new_stokes_spectrum_gets_its_keywords(tmp_path):
    header = fits.Header({"TELESCOP": "NOVASCOPE", "INSTRUME": "POL", "DETNAM": "A", "STOKESWT": "SIMPLE"})
    spectrum = Spectrum(
        channel=np.arange(4), values=[0.1, -0.2, 0.0, 0.3], is_rate=True, stat_err=np.full(4, 0.05), poisson=False,
        exposure=10.0, header=header, xflt={"Stokes": 2},
    )  # fmt: skip
    out = afits.getheader(spectrum.write(tmp_path / "u.pha"), "SPECTRUM")
    assert (out["XFLT0001"], out["STOKESPR"], out["STOKESWT"]) == ("Stokes:2", "xxU", "SIMPLE")
    assert (out["POISSERR"], out["HDUCLAS3"], out["TLMIN1"], out["TLMAX1"]) == (False, "RATE", 0, 3)
    assert re.fullmatch("none", out["RESPFILE"])
    mandatory = (
        "EXTNAME TELESCOP INSTRUME FILTER EXPOSURE BACKFILE RESPFILE ANCRFILE CORRFILE CORRSCAL BACKSCAL AREASCAL "
        "HDUCLASS HDUCLAS1 HDUCLAS2 HDUVERS POISSERR CHANTYPE DETCHANS QUALITY GROUPING SYS_ERR PHAVERSN"
    )
    assert set(mandatory.split()) <= set(out)
