"""Good time intervals: maketime's outputs, a brute-force oracle of the algebra, files as astropy reads them, errors."""

from __future__ import annotations

import gzip
import itertools
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wolter import expr, fits
from wolter.errors import ExpressionError, FitsError, GTIError, OutputError
from wolter.gti import (
    GTI,
    expression_intervals,
    gti_hdu,
    gtifilter,
    is_gti,
    mask_intervals,
    read_all_gtis,
    read_gti,
)

# -- maketime ---------------------------------------------------------------------------------------------------------


def test_maketime_is_reproduced_without_any_difference(golden, shared):
    cases = json.loads(golden("maketime", "maketime.json").read_text())["cases"]
    touching = []
    for case in cases:
        with fits.open(shared(*case["file"].split("/"))) as file:
            args = (case["expr"], file[case["extension"]])
            fractions = {"prefr": case["prefr"], "postfr": case["postfr"]}
            if case["rc"]:
                with pytest.raises(ExpressionError):
                    expression_intervals(*args, **fractions)
                continue
            start, stop, header = expression_intervals(*args, **fractions)
            expected = np.array(case["gti"] or np.zeros((0, 2)))
            assert np.array_equal(np.c_[start, stop], expected), case["expr"]
            assert header is not None
            assert header["PREFR"] == case["keywords"]["PREFR"]
            assert header["TSTART"] == case["keywords"]["TSTART"]
            gti = GTI.from_expression(*args, **fractions)
            assert gti.exposure == pytest.approx(case["sum"], rel=1e-13, abs=1e-9)
            if len(gti) != len(expected):
                touching.append(case["id"])
                assert np.count_nonzero(expected[1:, 0] == expected[:-1, 1]) == len(expected) - len(gti)
    assert touching == [35, 82, 83]  # there maketime lists intervals that touch


def test_header_has_the_keywords_of_maketime(golden, shared):
    text = golden("maketime", "gti_header_example.txt").read_text()
    reference = fits.Header.from_text("".join(line.ljust(80) for line in text.splitlines()))
    with fits.open(shared("swift/1whsp_0126+33_00085374001/sw00085374001xhd.hk.gz")) as file:
        gti = GTI.from_expression("Settled==b1&&In10Arcm==b1", file["FRAME"])
        header = gti.to_hdu("STDGTI").header
    same = "XTENSION NAXIS1 NAXIS2 TFIELDS TTYPE1 TTYPE2 EXTNAME HDUCLASS HDUCLAS1 HDUCLAS2 TIMESYS MJDREFI MJDREFF"
    same += " TIMEREF TIMEUNIT TELESCOP INSTRUME OBS_ID OBJECT RA_OBJ DEC_OBJ DATE-OBS DATE-END PREFR POSTFR"
    for key in same.split():
        assert header[key] == reference[key], key
    assert header["TFORM1"].strip("1") == reference["TFORM1"].strip("1") == "D"
    assert (header["TSTART"], header["TSTOP"]) == gti.span


@pytest.mark.parametrize(
    ("mask", "prefr", "postfr", "expected"),
    [
        ([1, 1, 0, 1, 0], 0.5, 0.5, [(0, 15), (25, 35)]),
        ([1, 1, 0, 1, 0], 0.0, 0.0, [(0, 10)]),
        ([0, 0, 0, 0, 1], 1.0, 0.0, [(30, 40)]),
        ([1, 1, 1, 1, 1], 1.0, 1.0, [(0, 40)]),
        ([0, 0, 0, 0, 0], 0.5, 0.5, []),
    ],
)
def test_mask_rule(mask, prefr, postfr, expected):
    gti = GTI.from_mask(np.arange(5) * 10.0, np.array(mask, bool), prefr=prefr, postfr=postfr)
    assert list(gti) == expected


def test_mask_errors():
    time = np.arange(3.0)
    with pytest.raises(GTIError, match="3 times but 2"):
        mask_intervals(time, np.ones(2, bool))
    with pytest.raises(GTIError, match="not bool"):
        mask_intervals(time, np.ones(3))
    with pytest.raises(GTIError, match=r"sample 2 .* to 3"):
        mask_intervals([0.0, 2.0, 1.0], np.ones(3, bool))
    with pytest.raises(GTIError, match="sample 2 is nan"):
        mask_intervals([0.0, np.nan, 1.0], np.ones(3, bool))
    with pytest.raises(GTIError, match="prefr"):
        mask_intervals(time, np.ones(3, bool), prefr=1.5)
    assert len(GTI.from_mask([], np.zeros(0, bool))) == 0


def test_expression_on_arrays():
    columns = {"time": np.arange(10.0), "Elv": np.array([0, 5, 6, 7, 1, 1, 9, 9, 9, 9])}
    gti = GTI.from_expression("ELV>3", columns)
    assert list(gti) == [(0.5, 3.5), (5.5, 9.0)]
    assert gti == GTI.from_expression(expr.parse("ELV>#LOW"), columns, keywords={"LOW": 3})
    assert gti == GTI.from_expression("(Elv in (3:])", columns, np.arange(10.0), dialect="sas")
    assert list(GTI.from_expression("ELV>3", columns, keywords={"PREFR": 0, "POSTFR": 1})) == [(1, 4), (6, 9)]
    with pytest.raises(GTIError, match=r"no time column 'T'; the columns are time, Elv"):
        GTI.from_expression("ELV>3", columns, "T")
    with pytest.raises(ExpressionError, match="'ELW' is not in the table"):
        GTI.from_expression("ELW>3", columns)


# -- algebra against a brute-force oracle -----------------------------------------------------------------------------
# Limits are whole numbers, so a GTI is exactly the set of unit cells [k, k + 1] it covers.
LO, HI = -12, 12
intervals = st.lists(st.tuples(st.integers(LO, HI), st.integers(LO, HI)).map(sorted), max_size=8)


def cells(pairs) -> set[int]:
    return {k for lo, hi in pairs for k in range(int(lo), int(hi))}


def gti_of(pairs) -> GTI:
    return GTI([p[0] for p in pairs], [p[1] for p in pairs])


def canonical(gti: GTI) -> bool:
    """Sorted, disjoint, not touching, none empty."""
    flat = np.c_[gti.start, gti.stop].ravel()
    return bool(np.all(np.diff(flat) > 0))


@given(intervals, intervals)
def test_algebra_agrees_with_sets(a, b):
    ga, gb = gti_of(a), gti_of(b)
    ca, cb = cells(a), cells(b)
    everything = set(range(LO, HI))
    for got, expected in (
        (ga, ca),
        (ga | gb, ca | cb),
        (ga & gb, ca & cb),
        (ga - gb, ca - cb),
        (ga.complement(LO, HI), everything - ca),
        ((~ga).clip(LO, HI), everything - ca),
        (GTI.union([ga, gb, ga]), ca | cb),
        (ga.clip(-3, 5), ca & set(range(-3, 5))),
        (ga.shift(2), {k + 2 for k in ca}),
    ):
        assert canonical(got)
        assert cells(got) == expected
        assert got.exposure == len(expected)
    assert ~~ga == ga
    assert (ga & gb) == (gb & ga)
    assert ~(ga | gb) == (~ga & ~gb)
    assert ga - gb == ga & ~gb


@given(intervals, st.lists(st.one_of(st.integers(LO, HI).map(float), st.floats(LO, HI)), max_size=200), st.booleans())
def test_contains_agrees_with_a_loop(pairs, times, ascending):
    gti = gti_of(pairs)
    t = np.array(sorted(times) if ascending else times, dtype=float)
    expected = [any(lo <= x <= hi for lo, hi in gti) for x in t.tolist()]
    assert gti.contains(t).tolist() == expected


def test_contains_of_many_ascending_times_equals_the_general_search():
    rng = np.random.default_rng(3)
    gti = GTI(np.arange(0, 1000, 10.0), np.arange(0, 1000, 10.0) + rng.uniform(1, 9, 100))
    t = np.sort(np.concatenate((rng.uniform(-5, 1005, 20000), gti.start, gti.stop)))
    shuffled = rng.permutation(len(t))
    assert np.array_equal(gti.contains(t)[shuffled], gti.contains(t[shuffled]))
    assert gti.contains(gti.start).all()
    assert gti.contains(gti.stop).all()
    assert not gti.contains([np.nan])[0]
    assert not GTI.empty().contains(t).any()


@given(intervals, st.lists(st.integers(LO - 3, HI + 3), min_size=2, max_size=12, unique=True))
def test_bin_exposure_agrees_with_sets(pairs, edges):
    edges = sorted(edges)
    good = cells(pairs)
    expected = [len(good & set(range(lo, hi))) for lo, hi in itertools.pairwise(edges)]
    assert gti_of(pairs).bin_exposure(edges).tolist() == expected


def test_bin_exposure_of_covered_bins_is_exactly_their_width():
    """Large mission times and odd widths: no rounding may make a full bin look partly exposed."""
    edges = 437040841.40713 + 2.7182818 * np.arange(20001)
    gti = GTI.single(edges[0] - 1, edges[-1] + 1)
    assert np.array_equal(gti.bin_exposure(edges), np.diff(edges))
    broken = gti - GTI.single(edges[100] + 0.5, edges[103] - 0.25)
    exposure = broken.bin_exposure(edges)
    np.testing.assert_allclose(exposure[[99, 100, 101, 102, 103]], [2.7182818, 0.5, 0, 0.25, 2.7182818], atol=2e-7)
    for bad in ([1.0], [1.0, 1.0], [2.0, 1.0], [0.0, np.inf]):
        with pytest.raises(GTIError, match="edges"):
            gti.bin_exposure(bad)


def test_construction():
    gti = GTI([50, 0, 10, 20, 7], [60, 10, 12, 20, 9], header={"TELESCOP": "X"})
    assert list(gti) == [(0, 12), (50, 60)]
    assert gti.span == (0, 60)
    assert len(gti) == 2
    assert repr(gti) == "<GTI: 2 intervals, 22.000 s between 0.000 and 60.000>"
    assert hash(gti) == hash(GTI([0, 50], [12, 60]))
    assert gti != GTI.empty()
    assert gti != "gti"
    with pytest.raises(ValueError):
        gti.start[0] = 5
    with pytest.raises(AttributeError):
        gti.start = np.zeros(2)  # type: ignore[misc]
    with pytest.raises(TypeError):
        gti | 3  # type: ignore[operator]
    with pytest.raises(GTIError, match=re.escape("interval 2 of 2 ends before it starts (5.0 to 4.0 s)")):
        GTI([0, 5], [1, 4])
    with pytest.raises(GTIError, match="stop of interval 1 of 1 is NaN"):
        GTI([0], [np.nan])
    with pytest.raises(GTIError, match="2 start and 1 stop"):
        GTI([0, 1], [2])
    with pytest.raises(GTIError, match="no good time"):
        _ = GTI.empty().span
    with pytest.raises(GTIError, match="range"):
        gti.complement(3, 3)
    assert GTI.union([]) == GTI.empty()
    assert (~GTI.single(-np.inf, 3)).span == (3, np.inf)
    assert len(~GTI.single(-np.inf, np.inf)) == 0


# -- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "extension"),
    [
        ("ixpe/mrk501_01004601/det1_filt_src_I.pha", "GTI"),
        ("swift/1whsp_0126+33_00085374001/sw00085374001xpcw3po_cl.evt.gz", "GTI"),
        ("nustar/sol_90410111001/nu90410111001A06_cl_sunpos.evt", "GTI"),
    ],
)
def test_real_files_as_astropy_reads_them(shared, path, extension):
    from astropy.io import fits as afits

    file = shared(*path.split("/"))
    with afits.open(file) as hdus:
        data = hdus[extension].data
        start, stop = np.array(data["START"], float), np.array(data["STOP"], float)
    gti = GTI.read(file)
    assert gti == GTI(start, stop)
    assert gti.exposure == pytest.approx(np.sum(stop - start), rel=1e-12)
    assert gti == GTI.read(f"{file}[{extension}]") == GTI.read(str(file), extension)
    with fits.open(file) as opened:
        assert gti == GTI.read(opened) == GTI.read(opened[extension])
        assert is_gti(opened[extension])
        assert not is_gti(opened[0])


def test_files_with_several_extensions(tmp_path):
    path = _several(tmp_path)
    with pytest.raises(GTIError, match=r"2 GTI extensions: STDGTI01, STDGTI02.*ext='STDGTI01'"):
        read_gti(path)
    assert list(read_gti(path, "STDGTI02")) == [(5.0, 6.0)]
    assert list(read_gti(f"{path}[STDGTI01]")) == [(0.0, 2.0)]
    found = read_all_gtis(path)
    assert list(found) == ["STDGTI01", "STDGTI02"]
    assert GTI.union(found.values()).exposure == 3.0
    with pytest.raises(FitsError, match="STDGTI"):
        read_gti(path, "STDGTI3")


def _several(folder):
    path = folder / "several.fits"
    one, two = GTI.single(0, 2), GTI.single(5, 6)
    events = fits.new_table("EVENTS", {"TIME": np.arange(3.0)})
    fits.write(path, [fits.primary(), events, one.to_hdu("STDGTI01"), two.to_hdu("STDGTI02")])
    return path


def test_real_file_with_one_extension_per_ccd(shared):
    from astropy.io import fits as afits

    path = shared("xmm", "a907_0404910601", "mos1_exp1_clean_evts.fits")
    with afits.open(path) as hdus:
        expected = {h.name: float(np.sum(h.data["STOP"] - h.data["START"])) for h in hdus[1:] if "GTI" in h.name}
    found = read_all_gtis(path)
    assert len(found) > 2
    assert {name: gti.exposure for name, gti in found.items()} == pytest.approx(expected)


def test_write_and_read_back(tmp_path):
    from astropy.io import fits as afits

    gti = GTI(
        [437040841.40713, 437040900.1], [437040850.25, 437040999.9], header={"TELESCOP": "NOVA", "MJDREFI": 51910}
    )
    path = gti.write(tmp_path / "a.fits")
    assert GTI.read(path) == gti
    with afits.open(path, checksum=True) as hdus:
        hdu = hdus["GTI"]
        assert hdu.verify_checksum() == 1
        assert hdu.data["START"].tolist() == gti.start.tolist()
        assert hdu.columns["STOP"].unit == "s"
        assert hdu.header["HDUCLAS1"] == "GTI"
        assert hdu.header["TELESCOP"] == "NOVA"
        assert hdu.header["MJDREFI"] == 51910
        assert hdu.header["TIMEZERO"] == 0
        assert hdu.header["ONTIME"] == pytest.approx(gti.exposure)
    with pytest.raises(OutputError):
        gti.write(path)
    gti.write(path, overwrite=True, header={"TELESCOP": "OTHER"})
    assert GTI.read(path).header["TELESCOP"] == "OTHER"  # type: ignore[index]
    text = gti.write(tmp_path / "a.txt")
    assert GTI.read(text) == gti
    with pytest.raises(GTIError, match="without an end"):
        (~gti).write(tmp_path / "b.fits")
    assert not (tmp_path / "b.fits").exists()
    with pytest.raises(OutputError):
        gti.write(tmp_path / "no" / "such" / "folder.fits")


def table(data, header=None, name="GTI", units=None):
    return fits.new_table(name, data, units=units, header=fits.Header(header or {}))


def test_time_zero_and_units(tmp_path):
    data = {"start": np.array([0.0, 10.0]), "Stop": np.array([5.0, 20.0])}
    path = tmp_path / "z.fits"
    for header, shift in (({"TIMEZERO": 100.0}, 100.0), ({"TIMEZERI": 100, "TIMEZERF": 0.25}, 100.25), ({}, 0.0)):
        fits.write(path, [fits.primary(), table(data, header)], overwrite=True)
        assert list(GTI.read(path)) == [(shift, 5 + shift), (10 + shift, 20 + shift)]
    hdu = table({"START": np.array([0.0]), "STOP": np.array([2.0])}, units={"START": "d", "STOP": "d"})
    assert GTI.read(hdu).exposure == 2 * 86400
    with pytest.raises(GTIError, match="'keV'"):
        GTI.read(table({"START": np.array([0.0]), "STOP": np.array([2.0])}, units={"START": "keV", "STOP": "keV"}))


def test_extension_known_by_its_class_only(tmp_path):
    path = tmp_path / "c.fits"
    hdu = table({"START": np.array([0.0]), "STOP": np.array([2.0])}, {"HDUCLAS1": "gti"}, name="GOODTIMES")
    fits.write(path, [fits.primary(), table({"X": np.arange(3)}, name="OTHER"), hdu])
    assert GTI.read(path).exposure == 2


def test_damaged_input(tmp_path):
    path = tmp_path / "d.fits"

    def write(*hdus):
        fits.write(path, [fits.primary(), *hdus], overwrite=True)

    write(table({"TIME": np.arange(3.0)}, name="EVENTS"))
    with pytest.raises(GTIError, match=r"d\.fits.*no GTI extension; the file has .*EVENTS"):
        GTI.read(path)
    with pytest.raises(GTIError, match="no GTI extension: it has TIME"):
        GTI.read(path, "EVENTS")
    with pytest.raises(GTIError, match="no GTI extension"):
        read_all_gtis(path)
    write(table({"START": np.zeros(0), "STOP": np.zeros(0)}))
    with pytest.raises(GTIError, match=r"d\.fits\[GTI\].*no good time intervals"):
        GTI.read(path)
    assert len(GTI.read(path, allow_empty=True)) == 0
    write(table({"START": np.array([0.0, np.nan]), "STOP": np.array([1.0, 2.0])}))
    with pytest.raises(GTIError, match=r"d\.fits\[GTI\].*start of interval 2 of 2 is NaN"):
        GTI.read(path)
    write(table({"START": np.array([5.0]), "STOP": np.array([1.0])}))
    with pytest.raises(GTIError, match="ends before it starts"):
        GTI.read(path)
    write(table({"START": np.array([5.0]), "STOP": np.array([7.0])}, {"TIMEZERO": "noon"}))
    with pytest.raises(GTIError, match="TIMEZERO = 'noon'"):
        GTI.read(path)
    with pytest.raises(GTIError, match="no column START"):
        GTI.read(table({"TIME": np.arange(3.0)}, name="EVENTS"))
    with pytest.raises(FitsError, match="missing"):
        GTI.read(tmp_path / "missing.fits")
    GTI.single(5, 7).write(path, overwrite=True)
    path.write_bytes(path.read_bytes()[:5765])
    with pytest.raises(FitsError):
        GTI.read(path)


def test_text_files(tmp_path):
    path = tmp_path / "g.gti"
    path.write_text("# start stop\n! another comment\n 10.5  20\n\n30,40.25\n")
    assert list(GTI.read(path)) == [(10.5, 20.0), (30.0, 40.25)]
    packed = tmp_path / "g.fits.gz"
    with gzip.open(packed, "wb") as stream:
        GTI.single(1, 2).write(tmp_path / "p.fits")
        stream.write((tmp_path / "p.fits").read_bytes())
    assert list(GTI.read(packed)) == [(1.0, 2.0)]
    for text, message in (
        ("1 2\n3 x\n", "line 2 is not two numbers"),
        ("1 2 3\n", "line 1"),
        ("# none\n", "no good time"),
    ):
        path.write_text(text)
        with pytest.raises(GTIError, match=message):
            GTI.read(path)
    path.write_text("5 1\n")
    with pytest.raises(GTIError, match=r"g\.gti.*ends before"):
        GTI.read(path)


# -- in row expressions -----------------------------------------------------------------------------------------------


def test_gtifilter(tmp_path):
    GTI.single(2, 4).write(tmp_path / "a.gti")
    columns = {"TIME": np.arange(6.0), "T2": np.arange(6.0) + 2}
    own = gtifilter(GTI.single(0, 1), folder=tmp_path)

    def rows(text, dialect: expr.Dialect = "cfitsio", function=own):
        e = expr.parse(text, dialect)
        return np.flatnonzero(e.select(columns, functions={"gtifilter": function, "gti": function})).tolist()

    assert rows("gtifilter()") == [0, 1]
    assert rows('gtifilter("a.gti")') == [2, 3, 4]
    assert rows('gtifilter("a.gti", T2)') == [0, 1, 2]
    assert rows("TIME in gti(a.gti)", "sas") == [2, 3, 4]
    assert rows('gtifilter()||gtifilter("a.gti")') == [0, 1, 2, 3, 4]
    with pytest.raises(GTIError, match="no good time intervals of its own"):
        rows("gtifilter()", function=gtifilter())
    with pytest.raises(GTIError, match="no time column 'T'"):
        rows("gtifilter()", function=gtifilter(GTI.single(0, 1), time="T"))
    with pytest.raises(GTIError, match="takes a file name"):
        rows("gtifilter(1)")
    with pytest.raises(FitsError):
        rows('gtifilter("nofile.gti")')


def test_hdu_of_no_time():
    hdu = gti_hdu(GTI.empty(), "STDGTI")
    assert hdu.nrows == 0
    assert hdu.header["ONTIME"] == 0
    assert "TSTART" not in hdu.header
