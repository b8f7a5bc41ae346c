"""The query rules of the calibration database, each with its own example, on indices written with astropy."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits as afits
from astropy.time import Time

import caldb_support as cs
from wolter.caldb import Caldb, CalibrationIndex, Query, parse_boundary, parse_expression, select
from wolter.caldb.dates import reference_time
from wolter.errors import CalibrationError, ExpressionError, ParameterError


@pytest.fixture
def ask(tmp_path):
    """Function: numbers of the rows found among the given ones."""

    def call(rows, codename="GAIN", mission="ACME", instrument="CAM", **conditions):
        index = CalibrationIndex.read(cs.write_index(tmp_path / "caldb.indx", cs.files_rows(*rows)))
        return select(index, Query.make(mission, instrument, codename, **conditions)).tolist()

    return call


# --- words --------------------------------------------------------------------------------------------------------


def test_words_are_compared_without_case_and_blanks(ask):
    rows = [{"TELESCOP": "Acme", "INSTRUME": "cam", "CAL_CNAM": "Gain"}, {"TELESCOP": "OTHER"}, {"INSTRUME": "CAM2"}]
    assert ask(rows, codename=" gain ", mission="aCME", instrument="Cam") == [0]


@pytest.mark.parametrize("column", ["DETNAM", "FILTER"])
def test_detector_and_filter_none_fit_everything(ask, column):
    rows = [{column: "A"}, {column: "B"}, {column: "NONE"}]
    name = {"DETNAM": "detector", "FILTER": "filter"}[column]
    assert ask(rows, **{name: "a"}) == [0, 2]
    assert ask(rows, **{name: "C"}) == [2]
    for anything in ("-", "NONE", None, ""):
        assert ask(rows, **{name: anything}) == [0, 1, 2]
    assert ask(rows, **{name: "NONE"}, exact=True) == [2]  # quzcif: only "-" means any
    assert ask(rows, **{name: "-"}, exact=True) == [0, 1, 2]


def test_codename_none_is_for_hdgtcalf_only(ask):
    rows = [{"CAL_CNAM": "GAIN"}, {"CAL_CNAM": "NONE"}, {"CAL_CNAM": "PSF"}]
    assert ask(rows) == [0, 1]
    assert ask(rows, codename="NONE") == [0, 1, 2]
    assert ask(rows, exact=True) == [0]
    assert ask(rows, codename="NONE", exact=True) == [1]


def test_bad_quality_is_never_found(ask):
    assert ask([{"CAL_QUAL": 0}, {"CAL_QUAL": 5}, {"CAL_QUAL": 1}, {"CAL_QUAL": -1}]) == [0]


# --- dates --------------------------------------------------------------------------------------------------------

MJD = {text: Time(text).mjd for text in ("2004-11-20", "2007-07-01", "2010-01-01", "2010-01-01T12:00:00")}


def test_without_a_date_all_versions_are_found(ask):
    rows = [{"REF_TIME": MJD["2010-01-01"]}, {"REF_TIME": MJD["2004-11-20"]}, {"REF_TIME": MJD["2007-07-01"]}]
    assert ask(rows, date="-", time="-") == [0, 1, 2]
    assert ask(rows, time="11:00:00") == [0, 1, 2]  # a time of no day means nothing


def test_the_latest_valid_date_survives(ask):
    rows = [{"REF_TIME": MJD["2010-01-01"]}, {"REF_TIME": MJD["2004-11-20"]}, {"REF_TIME": MJD["2007-07-01"]}]
    assert ask(rows, date="2008-01-01") == [2]
    assert ask(rows, date="2007-07-01") == [2]  # its own first day
    assert ask(rows, date="2007-06-30", time="23:59:59") == [1]
    assert ask(rows, date="now", time="now") == [0]
    assert ask(rows, date="2004-11-19") == []  # before the first validity


def test_the_time_of_day_counts(ask):
    rows = [{"REF_TIME": MJD["2007-07-01"]}, {"REF_TIME": MJD["2010-01-01T12:00:00"]}]
    assert ask(rows, date="2010-01-01", time="11:59:59") == [0]
    assert ask(rows, date="2010-01-01", time="12:00:00") == [1]
    assert ask(rows, date="2010-01-01T13:00:00") == [1]


def test_the_latest_date_counts_over_all_detectors_and_boundaries(ask):
    """A question that is too general loses rows."""
    rows = [
        {"DETNAM": "A", "REF_TIME": 54000.0},
        {"DETNAM": "B", "REF_TIME": 55000.0, "CAL_CBD": ("THETA(0)arcmin",)},
        {"DETNAM": "B", "REF_TIME": 54500.0, "CAL_CBD": ("THETA(5)arcmin",)},
    ]
    assert ask(rows, date="2020-01-01") == [1]
    assert ask(rows, date="2020-01-01", detector="A") == [0]
    assert ask(rows, date="2020-01-01", expr="THETA.eq.5") == [2]  # B at 0 is excluded before dates are compared


def test_stop_date(ask):
    rows = [{"REF_TIME": 54000.0}, {"REF_TIME": 55000.0}, {"REF_TIME": 56000.0}]
    assert ask(rows, stop_date=55500.0) == [0, 1]
    assert ask(rows, date=56500.0, stop_date=56500.0) == [2]
    assert ask(rows, date=56500.0, stop_date=55500.0) == []  # the latest is excluded by the stop date, not replaced


def test_all_that_tie_are_found_in_the_order_of_the_index(ask):
    rows = [{"REF_TIME": 55000.0}, {"REF_TIME": 54000.0}, {"REF_TIME": 55000.0}]
    assert ask(rows, date="2020-01-01") == [0, 2]


@pytest.mark.parametrize(
    ("date", "time", "expected"),
    [
        ("1999-12-31", "-", Time("1999-12-31").mjd),
        ("31/12/99", "06:00:00", Time("1999-12-31T06:00:00").mjd),
        ("01/02/05", None, Time("1905-02-01").mjd),  # two digits are 19yy, as in FITS files of that time
        ("2016-02-29", "1:2:3.5", Time("2016-02-29T01:02:03.5").mjd),
        (51544.25, None, 51544.25),
        ("-", "12:00:00", None),
        (None, None, None),
    ],
)
def test_dates(date, time, expected):
    found = reference_time(date, time)
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-9))


def test_now_is_utc():
    assert reference_time("now", "now") == pytest.approx(Time.now().mjd, abs=1 / 1440)
    assert reference_time("NOW") == np.floor(Time.now().mjd)


@pytest.mark.parametrize("date", ["2016-02-30", "yesterday", "2016/02/01", "1/2/2005", "2016-13-01"])
def test_what_is_no_date(date):
    with pytest.raises(ParameterError, match="is not a date"):
        reference_time(date)


@pytest.mark.parametrize("time", ["25:00:00", "12:00", "noon", "12:61:00"])
def test_what_is_no_time(time):
    with pytest.raises(ParameterError, match="is not a time of day"):
        reference_time("2016-01-01", time)


# --- boundaries ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "values", "unit"),
    [
        ("DEPTHCUT(NOMINAL)", "DEPTHCUT", ("NOMINAL",), ""),
        ("THETA(0-10)arcmin", "THETA", ((0.0, 10.0),), "arcmin"),
        ("XRTVSUB(6)", "XRTVSUB", (6.0,), ""),
        ("energy(0.5,1.5,2-12) keV", "ENERGY", (0.5, 1.5, (2.0, 12.0)), "keV"),
        ('WINDOW("W1-200","W2-300")', "WINDOW", ("W1-200", "W2-300"), ""),
        ("TEMP(-60--50)C", "TEMP", ((-60.0, -50.0),), "C"),
        ("TEMP(-5)", "TEMP", (-5.0,), ""),
        ("GRADE(0:4)", "GRADE", ("0:4",), ""),
        ("  VIG ( 12 ) ", "VIG", (12.0,), ""),
        ("A()", "A", ("",), ""),
    ],
)
def test_boundaries(text, name, values, unit):
    found = parse_boundary(text)
    assert (found.name, found.values, found.unit) == (name, values, unit)


@pytest.mark.parametrize("text", ["NONE", "", "   ", "no parentheses"])
def test_what_is_no_boundary(text):
    assert parse_boundary(text) is None


# question, boundary, passes (HDgtcalf), passes (quzcif, if it differs)
PAIRS = [
    ("WEIGHT.eq.alpha075", "WEIGHT(ALPHA075)", True, None),
    ("WEIGHT.eq.ALPHA075SIMPLE", "WEIGHT(ALPHA075)", False, None),
    ('VOLT.eq."6', "VOLT(6)", True, None),  # text against a number: other types match
    ("VOLT.eq.SIX", "VOLT(6)", True, None),
    ("VOLT.eq.SIX", "VOLT(1-6)", True, None),
    ("VOLT.eq.6", "VOLT(6.0)", True, None),
    ("VOLT.eq.6", "VOLT(5)", False, None),
    ("VOLT.lt.6", "VOLT(5)", True, None),
    ("VOLT.lt.5", "VOLT(5)", False, None),
    ("VOLT.le.5", "VOLT(5)", True, None),
    ("VOLT.ge.5", "VOLT(5)", True, None),
    ("VOLT.gt.5", "VOLT(5)", False, None),
    ("THETA.eq.5", "THETA(0-10)arcmin", True, None),
    ("THETA.eq.0", "THETA(0-10)arcmin", True, None),
    ("THETA.eq.10", "THETA(0-10)arcmin", True, None),
    ("THETA.eq.10.5", "THETA(0-10)arcmin", False, None),
    ("THETA.lt.0", "THETA(0-10)arcmin", False, None),  # lo < v
    ("THETA.le.0", "THETA(0-10)arcmin", True, None),
    ("THETA.lt.50", "THETA(0-10)arcmin", True, None),
    ("THETA.gt.10", "THETA(0-10)arcmin", False, None),  # hi > v
    ("THETA.ge.10", "THETA(0-10)arcmin", True, None),
    ("THETA.ge.-3", "THETA(0-10)arcmin", True, None),
    ("THETA.eq.20-30", "THETA(0-10)arcmin", True, False),  # a range in the question: quzcif asks for an overlap
    ("THETA.eq.5-30", "THETA(0-10)arcmin", True, True),
    ("THETA.eq.20-30", "THETA(5)arcmin", True, False),
    ("THETA.eq.20-30", "THETA(25)arcmin", True, True),
    ("THETA.eq.5", "PHI(7)", True, None),  # not in the row
    ("ENERGY.eq.2", "ENERGY(1,2,3)keV", True, None),  # any of several
    ("ENERGY.eq.4", "ENERGY(1,2,3)keV", False, None),
    ("MODE.eq.A-1", "MODE(A-2)", False, None),  # compared whole, not up to the first minus
    ("TEMP.eq.-5", "TEMP(5)", False, None),  # signs count
    ("TEMP.eq.-5", "TEMP(-10--1)", True, None),
    ("theta.EQ.5", "Theta(5)", True, None),
]


@pytest.mark.parametrize(("expr", "text", "passes", "exact"), PAIRS)
def test_comparisons(expr, text, passes, exact):
    expression, boundary = parse_expression(expr), parse_boundary(text)
    assert expression.accepts(boundary) is passes
    assert expression.accepts(boundary, overlap=True) is (passes if exact is None else exact)


def test_terms_combine_from_left_to_right():
    row = parse_boundary("A(3)")
    assert parse_expression("A.gt.1.and.A.lt.5").accepts(row)
    assert not parse_expression("A.gt.1.and.A.lt.2").accepts(row)
    assert parse_expression("A.eq.1.or.A.eq.3").accepts(row)
    # (true or true) and false, not true or (true and false)
    assert not parse_expression("A.eq.3.or.A.eq.3.and.A.eq.1").accepts(row)
    assert parse_expression("A.eq.1.and.A.eq.2.or.A.eq.3").accepts(row)


def test_all_boundaries_of_a_row_must_pass(ask):
    rows = [
        {"CAL_CBD": ("THETA(0-10)arcmin", "ENERGY(5)keV")},
        {"CAL_CBD": ("THETA(0-10)arcmin", "ENERGY(6)keV")},
        {"CAL_CBD": ("ENERGY(5)keV",)},
        {"CAL_CBD": tuple(f"P{i}({i})" for i in range(1, 9)) + ("ENERGY(6)keV",)},  # the ninth counts too
        {},
    ]
    assert ask(rows, expr="theta.eq.10.and.energy.eq.5") == [0, 2, 4]
    assert ask(rows, expr="-") == [0, 1, 2, 3, 4]
    # boundaries pass one by one: an .or. of two names excludes nothing
    assert ask(rows, expr="theta.eq.99.or.energy.eq.99") == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "expr", ["THETA", "THETA.is.5", "THETA.eq.", "cor.eq.7.and.and.energy.eq.5", "=5", "a.eq.1.and."]
)
def test_expressions_that_are_not_understood(expr):
    with pytest.raises(ExpressionError, match="is not understood"):
        parse_expression(expr)


@pytest.mark.parametrize("expr", [None, "", "-", " - ", "NONE", "none"])
def test_expressions_that_ask_for_nothing(expr):
    assert not parse_expression(expr)


# --- files that are not as they should be ---------------------------------------------------------------------------


def test_wider_columns_and_one_boundary(tmp_path):
    """Newer indices have other widths; boundaries may have TDIM, or be a single string."""
    rows = cs.files_rows({"CAL_CBD": ("WEIGHT(A)",)}, {"CAL_CBD": ("WEIGHT(B)",)})
    table, _ = cs.index_hdu(rows)
    data = {c.name: table.data[c.name] for c in table.columns if c.name != "CAL_CBD"}
    columns = [
        afits.Column(n, f"{30 + v.dtype.itemsize}A" if v.dtype.kind == "U" else "D", array=v) for n, v in data.items()
    ]
    for form, dim, cells in (
        ("40A", None, ["WEIGHT(A)", "WEIGHT(B)"]),
        ("80A", "(40,2)", [["NONE", "WEIGHT(A)"], ["WEIGHT(B)", "NONE"]]),
    ):
        bound = afits.Column("CAL_CBD", form, dim=dim, array=np.array(cells))
        path = tmp_path / f"{form}.indx"
        afits.HDUList([afits.PrimaryHDU(), afits.BinTableHDU.from_columns([*columns, bound])]).writeto(path)
        index = CalibrationIndex.read(path)
        assert select(index, Query.make("ACME", "CAM", "GAIN", expr="WEIGHT.eq.B")).tolist() == [1]
        assert index.entry(0).boundaries[0].text == "WEIGHT(A)"


@pytest.mark.parametrize("column", ["TELESCOP", "CAL_CBD", "REF_TIME", "CAL_FILE", "CAL_QUAL"])
def test_missing_columns(tmp_path, column):
    path = cs.write_index(tmp_path / "caldb.indx", cs.files_rows({}), without=(column,))
    with pytest.raises(CalibrationError, match=f"no column {column}"):
        CalibrationIndex.read(path)


def test_optional_columns(tmp_path):
    path = cs.write_index(tmp_path / "caldb.indx", cs.files_rows({}), without=("CAL_DESC", "CAL_CLAS", "CAL_VSD"))
    assert CalibrationIndex.read(path).entry(0).description == ""


def test_truncated_index(tmp_path):
    path = cs.write_index(tmp_path / "caldb.indx", cs.files_rows(*[{}] * 50))
    whole = path.read_bytes()
    for size in (0, 100, 2880, 4000, len(whole) // 2):
        path.write_bytes(whole[:size])
        with pytest.raises(CalibrationError, match=r"damaged|no table") as caught:
            CalibrationIndex.read(path)
        assert str(path) in str(caught.value)
    path.write_bytes(b"<html><body>Not found</body></html>")
    with pytest.raises(CalibrationError, match="damaged"):
        CalibrationIndex.read(path)


def test_index_without_rows_or_table(tmp_path):
    empty = cs.write_index(tmp_path / "empty.indx", cs.files_rows({}))
    with afits.open(empty) as file:
        afits.HDUList([afits.PrimaryHDU(), afits.BinTableHDU(file[1].data[:0])]).writeto(tmp_path / "none.indx")
    with pytest.raises(CalibrationError, match="index is empty"):
        CalibrationIndex.read(tmp_path / "none.indx")
    afits.HDUList([afits.PrimaryHDU(np.zeros((2, 2)))]).writeto(tmp_path / "image.indx")
    with pytest.raises(CalibrationError, match="no table in it"):
        CalibrationIndex.read(tmp_path / "image.indx")
    with pytest.raises(CalibrationError, match="cannot be read"):
        CalibrationIndex.read(tmp_path / "missing.indx")


# --- nothing fits -------------------------------------------------------------------------------------------------

ROWS = [
    {"DETNAM": "A", "CAL_CNAM": "GAIN", "CAL_CBD": ("THETA(0-10)arcmin",), "REF_TIME": MJD["2007-07-01"]},
    {"DETNAM": "B", "CAL_CNAM": "GAIN", "CAL_CBD": ("THETA(20-30)arcmin",), "REF_TIME": MJD["2010-01-01"]},
    {"DETNAM": "B", "CAL_CNAM": "PSF", "CAL_QUAL": 5},
]


@pytest.mark.parametrize(
    ("codename", "conditions", "said"),
    [
        ("GIAN", {}, "no data set has codename GIAN; the index has GAIN, PSF. Did you mean 'GAIN'?"),
        ("GAIN", {"detector": "C"}, "no data set has detector C; the index has A, B"),
        ("PSF", {}, "all 1 data sets that fit are of bad quality"),
        ("GAIN", {"expr": "THETA.eq.15"}, r"THETA.eq.15 excludes all 2 .* THETA\(0-10\)arcmin, THETA\(20-30\)arcmin"),
        ("GAIN", {"detector": "A", "expr": "THETA.eq.25"}, r"excludes all 1 .* are THETA\(0-10\)arcmin$"),
        ("GAIN", {"date": "2007-06-30"}, "earliest data set that fits is valid from 2007-07-01, after 2007-06-30"),
        ("GAIN", {"date": "2008-01-01", "detector": "B"}, "is valid from 2010-01-01"),
        ("GAIN", {"stop_date": "2006-01-01"}, "valid from 2007-07-01 on, after 2006-01-01"),
    ],
)
def test_why_nothing_fits(tmp_path, codename, conditions, said):
    caldb = Caldb(cs.make_database(tmp_path, cs.files_rows(*ROWS)))
    found = caldb.query("acme", "cam", codename, **conditions)
    assert not found
    assert found.total == 0
    import re

    assert re.search(said, found.explanation), found.explanation
    with pytest.raises(CalibrationError, match="no calibration data"):
        caldb.find("acme", "cam", codename, **conditions)


def test_unknown_mission_and_instrument(tmp_path):
    caldb = Caldb(cs.make_database(tmp_path, cs.files_rows({})))
    with pytest.raises(CalibrationError, match=r"no mission ACM.* Did you mean 'ACME'"):
        caldb.query("acm", "cam", "GAIN")
    with pytest.raises(CalibrationError, match=r"no instrument CAMRA.* Did you mean 'CAMERA'"):
        caldb.query("acme", "camra", "GAIN")
    with pytest.raises(CalibrationError, match="It has CAM, CAMERA"):
        caldb.query("acme", "xyz", "GAIN")


def test_two_best_matches(tmp_path):
    caldb = Caldb(cs.make_database(tmp_path, cs.files_rows({}, {}, {"REF_TIME": 1.0})))
    assert [f.name for f in caldb.query("acme", "cam", "gain", date="now")] == ["f0.fits", "f1.fits"]
    assert caldb.find("acme", "cam", "gain", date="now").name == "f0.fits"
    with pytest.raises(CalibrationError, match=r"2 data sets .* fit equally: f0.fits\[1\], f1.fits\[1\]"):
        caldb.find("acme", "cam", "gain", date="now", unique=True)
    first = caldb.query("acme", "cam", "gain", maxret=1)
    assert [f.name for f in first] == ["f0.fits"]
    assert first.total == 3


def test_many_rows_are_the_same_as_a_loop(tmp_path):
    """All rules at once against a plain transcription of the rules, row by row."""
    rng = np.random.default_rng(7)
    rows = cs.files_rows(
        *(
            {
                "DETNAM": str(rng.choice(["A", "B", "NONE"])),
                "FILTER": str(rng.choice(["OPEN", "THIN", "NONE"])),
                "CAL_CNAM": str(rng.choice(["GAIN", "PSF"])),
                "CAL_CBD": (f"THETA({rng.integers(0, 20)}-{rng.integers(20, 40)})arcmin", f"N({rng.integers(0, 4)})"),
                "REF_TIME": float(rng.integers(50000, 50020)),
                "CAL_QUAL": int(rng.choice([0, 5])),
            }
            for _ in range(3000)
        )
    )
    index = CalibrationIndex.read(cs.write_index(tmp_path / "caldb.indx", rows))
    question = {"detector": "A", "filter": "THIN", "date": 50012.5, "expr": "THETA.eq.17.and.N.le.2"}
    found = select(index, Query.make("ACME", "CAM", "GAIN", **question)).tolist()

    kept = []
    for number, one in enumerate(rows):
        low, high = (float(x) for x in one["CAL_CBD"][0][6:].split(")")[0].split("-"))
        if (
            one["DETNAM"] in ("A", "NONE")
            and one["FILTER"] in ("THIN", "NONE")
            and one["CAL_CNAM"] == "GAIN"
            and one["CAL_QUAL"] == 0
            and low <= 17 <= high
            and float(one["CAL_CBD"][1][2]) <= 2
            and one["REF_TIME"] <= 50012.5
        ):
            kept.append(number)
    latest = max(rows[n]["REF_TIME"] for n in kept)
    expected = [n for n in kept if rows[n]["REF_TIME"] == latest]
    assert len(expected) > 5
    assert found == expected
