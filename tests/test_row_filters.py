"""Row filters of both dialects on real files, with numpy (through astropy's reader) as the judge."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits as afits

from events_support import uniform, write_events
from wolter import fits
from wolter.data import EventList
from wolter.data.rows import read_table, row_mask
from wolter.errors import DataError, ExpressionError, FitsError, GTIError, RegionError

MOS = ("xmm", "a907_0404910601", "mos1_exp1_clean_evts.fits")


@pytest.fixture(scope="module")
def mos(shared):
    """Path of a MOS event list and its columns as astropy reads them."""
    path = shared(*MOS)
    with afits.open(path) as f:
        data = f["EVENTS"].data
        return path, {name: np.array(data[name]) for name in ("TIME", "X", "Y", "PI", "FLAG", "PATTERN", "CCDNR")}


@pytest.mark.parametrize(
    ("text", "judge"),
    [
        ("#XMMEA_EM", lambda d: (d["FLAG"] & 0x766BA000) == 0),
        ("#XMMEA_EM && (PATTERN <= 12) && (FLAG .eq. 0)", lambda d: (d["PATTERN"] <= 12) & (d["FLAG"] == 0)),
        ("#XMMEA_1 || PI in [500:2000]", lambda d: ((d["FLAG"] & 2) != 0) | ((d["PI"] >= 500) & (d["PI"] <= 2000))),
        ("PI in (500:2000)", lambda d: (d["PI"] > 500) & (d["PI"] < 2000)),
        (
            "(FLAG & 0xfb0000) == 0 .and. .not. (CCDNR == 1)",
            lambda d: ((d["FLAG"] & 0xFB0000) == 0) & (d["CCDNR"] != 1),
        ),
        (
            "((X,Y) IN circle(25000.5,24000.25,1200)) && PI>300",
            lambda d: (np.hypot(d["X"] - 25000.5, d["Y"] - 24000.25) <= 1200) & (d["PI"] > 300),
        ),
    ],
)
def test_sas_expressions_on_a_mos_event_list(mos, text, judge):
    path, data = mos
    with fits.open(path) as f:
        mask = row_mask(f["EVENTS"], text, dialect="sas")
    want = judge(data)
    assert np.array_equal(mask, want)
    assert want.sum() > 0


def test_sas_dialect_of_a_selection(mos):
    """The same through the event list, where the good times of each CCD hold too."""
    path, data = mos
    events = EventList.read(path)
    kept = events.read_columns(["#row"])["#row"]
    want = [r for r in kept if 500 <= data["PI"][r] <= 2000 and data["PATTERN"][r] == 0]
    got = events.select(expression="PI in [500:2000] && PATTERN == 0", dialect="sas").column("#row")
    assert got.tolist() == want


def test_the_filter_that_made_the_file(mos, tmp_path):
    """The expression in the file's own history (SLCTEXPR), with a GTI file and a region beside it."""
    path, data = mos
    lo, hi = np.quantile(data["TIME"], [0.2, 0.5])
    columns = [afits.Column(n, "D", array=np.array([v])) for n, v in (("START", lo), ("STOP", hi))]
    afits.BinTableHDU.from_columns(columns, name="STDGTI").writeto(tmp_path / "mos1_exp1_gti.fits")
    (tmp_path / "r.reg").write_text("physical\ncircle(25000,24000,3000)\n")
    good = (data["TIME"] >= lo) & (data["TIME"] <= hi)
    near = np.hypot(data["X"] - 25000.0, data["Y"] - 24000.0) <= 3000
    text = "#XMMEA_EM && (PATTERN <= 12) && (FLAG .eq. 0) && GTI(mos1_exp1_gti.fits,TIME)"
    with fits.open(path) as f:
        table = f["EVENTS"]
        base = (data["PATTERN"] <= 12) & (data["FLAG"] == 0) & good
        assert np.array_equal(row_mask(table, text, dialect="sas", folder=tmp_path), base)
        both = row_mask(table, f'{text} && region("r.reg", X, Y)', dialect="sas", folder=tmp_path)
        assert np.array_equal(both, base & near)
        assert both.sum() > 100


def test_conditions_between_rows(mos):
    """Offsets refer to rows of the file, whatever else is selected."""
    path, data = mos
    events = EventList.read(path)
    kept = events.column("#row")
    near = np.zeros(len(data["TIME"]), dtype=bool)
    near[1:] = np.diff(data["TIME"]) < 0.001
    got = events.select(expression="TIME-TIME{-1} < 0.001").select(pi=(0, 1000)).column("#row")
    assert got.tolist() == [r for r in kept if near[r] and data["PI"][r] <= 1000]
    assert len(got) > 10
    first = read_table(f"{path}[EVENTS][isnull(TIME{{-1}})]")
    assert first.nrows == 1
    assert first.read("TIME")[0] == data["TIME"][0]


def test_filters_of_a_file_name(tmp_path):
    """Row filters with good times and regions in files, relative to the folder of the table or to the current one."""
    data = uniform(3000)
    path = write_events(tmp_path / "evt.fits", data)
    (tmp_path / "r.reg").write_text("physical\ncircle(40,60,12)\n")
    pairs = np.array([[1050.0, 1200.0], [1600.0, 1700.0]])
    columns = [afits.Column(n, "D", array=pairs[:, i]) for i, n in enumerate(("START", "STOP"))]
    afits.BinTableHDU.from_columns(columns, name="STDGTI").writeto(tmp_path / "gti.fits")
    x, y, time = data["X"].astype(float), data["Y"].astype(float), data["TIME"]
    inside = np.hypot(x - 40, y - 60) <= 12
    good = ((time >= 1050) & (time <= 1200)) | ((time >= 1600) & (time <= 1700))
    for text, want in (
        ('regfilter("r.reg")', inside),
        ('regfilter("r.reg", X, Y)', inside),
        ('gtifilter("gti.fits")', good),
        ('gtifilter("gti.fits", TIME) && PI < 100', good & (data["PI"] < 100)),
        (f'gtifilter("{tmp_path}/gti.fits[STDGTI]", TIME, "START", "STOP") .and. regfilter("r.reg")', good & inside),
        ("PI = 50:99 || near(PI, 200, 3)", ((data["PI"] >= 50) & (data["PI"] <= 99)) | (abs(data["PI"] - 200) < 3)),
        ("gtifilter()", ((time <= 1400) | (time >= 1500))),
    ):
        got = read_table(f"{path}[EVENTS][{text}]").read("TIME")
        assert np.array_equal(got, time[want]), text
    ranges = read_table(f"{path}[EVENTS][PI=50:99, PI=200:210]").read("PI")
    assert np.array_equal(ranges, data["PI"][((data["PI"] >= 50) & (data["PI"] <= 99)) | (abs(data["PI"] - 205) <= 5)])
    both = EventList.read(f"{path}[EVENTS][gtifilter('gti.fits') && regfilter('r.reg')]")
    assert np.array_equal(both.column("TIME"), time[good & inside])


def test_status_masks_and_nulls(tmp_path):
    """Bit masks look at the bits that are not x; undefined values satisfy no comparison."""
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 2, (200, 16)).astype(bool)
    data = uniform(200, STATUS=bits)
    path = write_events(tmp_path / "evt.fits", data)
    with afits.open(path, mode="update") as f:
        f["EVENTS"].header["TNULL4"] = int(data["PI"][5])
    null = data["PI"] == data["PI"][5]
    for text, want in (
        ("STATUS==b0xx1xxxxxxxxxxxx", ~bits[:, 0] & bits[:, 3]),
        ("STATUS!=b0000000000000000", bits.any(axis=1)),
        ("PI >= 0", ~null),
        ("isnull(PI)", null),
        ("!(PI < 100)", ~null & (data["PI"] >= 100)),
        ("isnull(PI) || PI > 300", null | (data["PI"] > 300)),
        ("defnull(PI, 1000) > 300", null | (data["PI"] > 300)),
    ):
        assert np.array_equal(read_table(f"{path}[EVENTS][{text}]").read("TIME"), data["TIME"][want]), text


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("PI >< 3", ExpressionError, r"\n +\^"),
        ("PIE > 3", ExpressionError, r"PIE.*PI"),
        ("PI + 1", ExpressionError, "not a condition"),
        ('gtifilter("none.fits")', (FitsError, GTIError), "none.fits"),
        ('gtifilter("evt.fits", TIME, "A", "B")', GTIError, "START"),
        ('regfilter("none.reg")', (RegionError, OSError), "none.reg"),
        ("regfilter(PI)", RegionError, "file name"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, error, message):
    path = write_events(tmp_path / "evt.fits", uniform(20))
    with pytest.raises(error, match=message):
        read_table(f"{path}[EVENTS][{text}]")


def test_no_table(tmp_path):
    afits.PrimaryHDU(np.zeros((3, 3))).writeto(tmp_path / "i.fits")
    with pytest.raises(DataError, match="no table"):
        read_table(tmp_path / "i.fits")
