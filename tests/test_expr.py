"""Row expressions against maketime's outputs, Python's own arithmetic and the documented rules."""

from __future__ import annotations

import contextlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wolter import expr
from wolter.errors import ExpressionError

N = 6
COLUMNS = {
    "PI": np.array([10, 50, 100, 199, 200, 300], dtype=np.int16),
    "X": np.array([1.0, 2.5, np.nan, -4.0, 0.0, 7.0]),
    "E32": np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], dtype=np.float32),
    "GOOD": np.array([True, False, True, False, True, False]),
    "NUL": np.ma.MaskedArray(np.arange(N), mask=[0, 0, 1, 0, 0, 1]),
    "BYTE": np.array([0, 1, 127, 128, 200, 255], dtype=np.uint8),
    "STATUS": np.array(
        [[0, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 1], [1, 0, 0, 0], [1, 1, 1, 1], [0, 0, 1, 0]], dtype=bool
    ),
    "ONE": expr.BitColumn(np.array([1, 0, 1, 1, 0, 0], dtype=bool)),
    "V": np.arange(18.0).reshape(6, 3),
    "NAME": np.array(["a ", "b", "Mrk 501", "a", "", "z"]),
}


def rows(text: str, dialect: expr.Dialect = "cfitsio", **kwargs) -> list[int]:
    return np.flatnonzero(expr.parse(text, dialect).select(COLUMNS, **kwargs)).tolist()


def value(text: str, dialect: expr.Dialect = "cfitsio", **kwargs) -> list:
    return expr.parse(text, dialect).evaluate(COLUMNS, **kwargs).tolist()


# -- maketime --------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def maketime(golden):
    return json.loads(golden("maketime", "maketime.json").read_text())["cases"]


@pytest.fixture(scope="module")
def housekeeping(shared):
    """Columns and header of a table, read by astropy (not by the code under test)."""
    from astropy.io import fits

    cache = {}

    def read(name: str, extension: str):
        if (name, extension) not in cache:
            with fits.open(shared(*name.split("/"))) as file:
                hdu = file[extension]
                columns = {}
                for column in hdu.columns:
                    data = np.array(hdu.data[column.name])
                    if column.format.lstrip("0123456789")[:1] == "X":
                        data = expr.BitColumn(data)
                    elif column.null is not None:
                        data = np.ma.MaskedArray(data, mask=data == column.null + int(column.bzero or 0))
                    columns[column.name] = data
                cache[name, extension] = columns, dict(hdu.header.items())
        return cache[name, extension]

    return read


def test_maketime_selects_the_same_samples(maketime, housekeeping):
    """All 90 expressions: the good samples are exactly those within maketime's intervals, parse errors are errors."""
    refused, compared = [], 0
    for case in maketime:
        columns, header = housekeeping(case["file"], case["extension"])
        if case["rc"]:
            with pytest.raises(ExpressionError):
                expr.parse(case["expr"]).select(columns, keywords=header)
            refused.append(case["expr"])
            continue
        if case["prefr"] not in (None, 0.5) or case["postfr"] not in (None, 0.5):
            continue  # test_gti.py replays these
        mask = expr.parse(case["expr"]).select(columns, keywords=header)
        time = np.asarray(columns.get("TIME", columns.get("Time")), dtype=float)
        inside = np.zeros(len(time), dtype=bool)
        for lo, hi in case["gti"] or ():
            inside |= (time >= lo) & (time <= hi)
        # Limits lie half-way to the neighbours, so a sample whose time is its own is inside or outside for certain.
        apart = np.diff(time, prepend=time[0] - 1, append=time[-1] + 1) > 0
        own = apart[1:] & apart[:-1]
        assert np.array_equal(mask[own], inside[own]), case["expr"]
        compared += 1
    assert compared == 65
    assert sorted(refused) == [
        "(SHLDLO&1)==1",
        "(XRTMode&1)==1",
        "FAKECOL>1",
        "MOD(FRAME24,60)<30",
        "Settled&&In10Arcm",
    ]


# -- against Python --------------------------------------------------------------------------------------
_OPERAND = st.one_of(st.integers(0, 40).map(str), st.sampled_from(["a", "b", "1.5", "2.0e1", "3."]))


@st.composite
def arithmetic(draw, depth: int = 3) -> str:
    if depth == 0 or draw(st.booleans()):
        return draw(_OPERAND)
    left, right = draw(arithmetic(depth=depth - 1)), draw(arithmetic(depth=depth - 1))
    text = f"{left} {draw(st.sampled_from('+-*/'))} {right}"
    return f"({text})" if draw(st.booleans()) else text


@st.composite
def condition(draw, depth: int = 3) -> str:
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        order = draw(st.sampled_from(["<", ">", "<=", ">=", "==", "!="]))
        return f"{draw(arithmetic(depth=2))} {order} {draw(arithmetic(depth=2))}"
    text = (
        f"{draw(condition(depth=depth - 1))} {draw(st.sampled_from(['&&', '||']))} {draw(condition(depth=depth - 1))}"
    )
    kind = draw(st.integers(0, 2))
    return text if kind == 0 else f"({text})" if kind == 1 else f"!({text})"


def _python(text: str, a: float, b: float):
    """The same text by Python's own parser; None where it divides by zero."""
    spelled = text.replace("!=", "\0").replace("&&", " and ").replace("||", " or ").replace("!", " not ")
    try:
        return eval(spelled.replace("\0", "!="), {"a": a, "b": b})
    except ZeroDivisionError:
        return None


@given(arithmetic(), st.sampled_from(["cfitsio", "sas"]))
def test_arithmetic_agrees_with_python(text, dialect):
    a, b = 0.75, -2.25
    floats = text if any(c in text for c in "ab.") else f"{text} * 1.0"
    if "/" in floats:  # integer division is C's, so make every number real
        floats = " ".join(
            w if any(c in w for c in "ab.") or not any(c.isdigit() for c in w) else _real(w) for w in floats.split()
        )
    expected = _python(floats, a, b)
    got = expr.parse(floats, dialect).evaluate({"a": np.array([a]), "b": np.array([b])})
    if expected is None:
        assert np.isnan(got[0])
    else:
        assert got[0] == pytest.approx(expected, rel=1e-14, abs=1e-300)


def _real(word: str) -> str:
    digits = word.strip("()")
    return word.replace(digits, digits + ".0")


@given(condition(), st.sampled_from(["cfitsio", "sas"]))
def test_conditions_agree_with_python(text, dialect):
    if "/" in text:
        text = text.replace("/", "*")
    a, b = np.array([0.75, 3.0, 20.0]), np.array([-2.25, 1.5, 3.0])
    got = expr.parse(text, dialect).select({"a": a, "b": b})
    assert got.tolist() == [bool(_python(text, x, y)) for x, y in zip(a, b, strict=True)]


@given(st.text(max_size=40))
@settings(max_examples=300)
def test_any_text_is_understood_or_refused(text):
    """Nothing but ExpressionError ever comes out."""
    for dialect in expr.DIALECTS:
        with contextlib.suppress(ExpressionError):
            expr.parse(text, dialect).evaluate(COLUMNS)


WORDS = [*"()[]{}!=:?,-%^T1", "PI", "X", "2.5", "&&", "||", "==", "in", "b01x", "#deg", "near(", "sin("]


@given(
    st.lists(
        st.sampled_from(WORDS),
        max_size=12,
    )
)
@settings(max_examples=400)
def test_any_words_are_understood_or_refused(words):
    for dialect in expr.DIALECTS:
        with contextlib.suppress(ExpressionError):
            expr.parse(" ".join(words), dialect).evaluate(COLUMNS)


# -- cfitsio rules ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PI>=50&&PI<200", [1, 2, 3]),
        ("PI.ge.50.and.PI.lt.200", [1, 2, 3]),
        ("pi => 50 .AND. pi =< 199", [1, 2, 3]),
        ("PI=50:199", [1, 2, 3]),
        ("PI=40+10:199&&X>0", [1]),
        ("PI==50.or.PI==100", [1, 2]),
        ("$PI$==50", [1]),
        ("GOOD", [0, 2, 4]),
        ("!GOOD", [1, 3, 5]),
        ("!GOOD&&PI>100", [3, 5]),
        (".not.PI==50", [0, 2, 3, 4, 5]),
        ("!X>0", [3, 4]),
        ("near(PI,100,50)", [2]),
        ("near(PI,100,51)", [1, 2]),
        ("PI%100==0", [2, 4, 5]),
        ("isnull(X)", [2]),
        ("ISNULL(NUL)", [2, 5]),
        ("DEFNULL(X,1)>0", [0, 1, 2, 5]),
        ("X<100", [0, 1, 3, 4, 5]),
        ("!(X<100)", []),
        ("X<100||PI==100", [0, 1, 2, 3, 4, 5]),
        ("X<100&&PI==100", []),
        ("NUL!=3", [0, 1, 4]),
        ("NUL==#null", []),
        ("isnull(#null)", [0, 1, 2, 3, 4, 5]),
        ("E32>0.1", [0, 1, 2, 3, 4, 5]),  # the stored float32 is above 0.1 in double precision, as in C
        ("E32~0.3", [2]),
        ("BYTE+BYTE==400", [4]),
        ("-2^2==4", [0, 1, 2, 3, 4, 5]),  # the sign binds more tightly than the power
        ("2**3**2==512", [0, 1, 2, 3, 4, 5]),
        ("7/2==3&&-7/2==-3&&-7%3==-1", [0, 1, 2, 3, 4, 5]),
        ("(int)2.9==2&&(float)7/2==3.5", [0, 1, 2, 3, 4, 5]),
        ("(int)GOOD==1", [0, 2, 4]),
        ("STATUS==b0000", [0]),
        ("STATUS==b0", [0]),
        ("STATUS==bx0xx", [0, 1, 3, 5]),
        ("STATUS!=b0xxx", [3, 4]),
        ("(STATUS&b0001)==b0001", [1, 2, 4]),
        ("(STATUS|b0111)==b0111", [0, 1, 2, 5]),
        ("STATUS>b0100", [2, 3, 4]),
        ("!STATUS==b1111", [0]),
        ("STATUS[1]==b1", [3, 4]),
        ("STATUS==o5", [2]),
        ("STATUS==hF", [4]),
        ("ONE==b1", [0, 2, 3]),
        ("!(ONE==b1)", [1, 4, 5]),
        ("!ONE==b1", [1, 4, 5]),
        ("V[2]>10", [4, 5]),
        ("sum(V)>30", [4, 5]),
        ("max(V)-min(V)==2&&median(V)==average(V)", [0, 1, 2, 3, 4, 5]),
        ("nelem(V)==3", [0, 1, 2, 3, 4, 5]),
        ("sum(V=={0,1,5})==2", [0]),
        ("NAME=='a'", [0, 3]),
        ('NAME=="Mrk 501"', [2]),
        ("GOOD?PI==10:PI==50", [0, 1]),
        ("(GOOD?1:2)*PI==100", [1, 2]),
        ("GOOD*PI>50", [2, 4]),
        ("PI{-1}==50", [2]),
        ("PI{+1}==300", [4]),
        ("isnull(PI{-1})", [0]),
        ("#row==3", [2]),
        ("seqdiff(PI)==50", [2]),
        ("accum(PI)<=160", [0, 1, 2]),
        ("circle(0,0,2.5,X,0)", [0, 1, 4]),
        ("box(0,0,5,1,0,X,0.5)", [0, 1, 4]),
        ("ellipse(0,0,2.5,1,90,0,X)", [0, 1, 4]),
        ("abs(cos(60*#deg)-0.5)<1e-12 && #pi>3.14159 && #e>2.718", [0, 1, 2, 3, 4, 5]),
        ("sqrt(X)>=0", [0, 1, 4, 5]),
        ("isnull(log(X))", [2, 3, 4]),
        ("isnull(1/(PI-50))", [1]),
        ("round(2.5)==3&&floor(-1.5)==-2&&ceil(1.2)==2", [0, 1, 2, 3, 4, 5]),
        ("min(PI,X)==X", [0, 1, 3, 4, 5]),
        ("max(X,PI)==PI", [0, 1, 2, 3, 4, 5]),
        ("T&&!F", [0, 1, 2, 3, 4, 5]),
        ("PI>=EBOUND", [3, 4, 5]),
        ("PI>=#ebound", [3, 4, 5]),
    ],
)
def test_cfitsio_rules(text, expected):
    assert rows(text, keywords={"EBOUND": 150}) == expected


def test_angular_distance_agrees_with_astropy():
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    ra, dec = np.array([0.0, 180.0, 359.9, 21.7]), np.array([0.0, 89.5, -33.0, 33.1])
    got = expr.parse("ANGSEP(RA,DEC,21.73,33.07)").evaluate({"RA": ra, "DEC": dec})
    expected = SkyCoord(ra, dec, unit="deg").separation(SkyCoord(21.73 * u.deg, 33.07 * u.deg)).deg
    np.testing.assert_allclose(got, expected, rtol=1e-10)


def test_undefined_results():
    assert np.isnan(expr.parse("X+1").evaluate(COLUMNS)[2])
    integers = expr.parse("NUL+1").evaluate(COLUMNS)
    assert integers.mask.tolist() == [False, False, True, False, False, True]
    assert integers[1] == 2


def test_names_and_requirements():
    e = expr.parse('gtifilter("a.gti",TIME)&&regfilter("b.reg",X,Y)&&PI>#emin*#pi')
    assert e.names == {"TIME", "X", "Y", "PI"}
    assert e.functions == {"gtifilter", "regfilter"}
    assert e.keywords == {"emin"}
    assert e.rowwise
    for text in ("X{-1}>0", "#ROW>3", "accum(X)>0", "seqdiff(X)>0"):
        assert not expr.parse(text).rowwise


def test_supplied_functions_get_text_and_arrays():
    calls = []

    def gtifilter(arguments, columns):
        calls.append(arguments)
        return np.asarray(columns["pi"]) > 99

    assert rows('gtifilter("a.fits[GTI]", X)&&X>0', functions={"gtifilter": gtifilter}) == [5]
    assert calls[0][0] == "a.fits[GTI]"
    assert calls[0][1].shape == (N,)
    with pytest.raises(ExpressionError, match=r"gave .* values for 6 rows"):
        rows("own()", functions={"own": lambda arguments, columns: np.ones(2, bool)})


def test_long_chains_do_not_recurse():
    text = "||".join(f"PI=={i}" for i in range(3000))
    assert rows(text) == [0, 1, 2, 3, 4, 5]
    with pytest.raises(ExpressionError, match="nested"):
        expr.parse("(" * 500 + "1==1" + ")" * 500)


def test_number_of_rows_without_columns():
    e = expr.parse("1==1")
    assert e.select(COLUMNS).sum() == N
    assert e.select({}, nrows=3).tolist() == [True] * 3
    with pytest.raises(ExpressionError, match="number of rows"):
        e.select({})


# -- SAS -------------------------------------------------------------------------------------------------
SAS = {
    "PI": np.array([199, 200, 500, 12000, 12001]),
    "PATTERN": np.array([0, 4, 12, 13, 0]),
    "FLAG": np.array([0, 0x10000, 0x2, 0x766A0F63, 0x1]),
    "X": np.array([0.0, 3.0, 6.0, 10.0, 25.0]),
    "Y": np.array([0.0, 4.0, 8.0, 0.0, 0.0]),
    "TIME": np.arange(5.0),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(PI in [200:12000])", [1, 2, 3]),
        ("PI IN (200:12000]", [2, 3]),
        ("PI in [200:12000)", [1, 2]),
        ("PI in (200:12000)", [2]),
        ("PI in 500", [2]),
        ("PI in [500]", [2]),
        ("PI in 12000:", [3, 4]),
        ("PI in :199", [0]),
        ("PI in :", [0, 1, 2, 3, 4]),
        ("PI in [:200),500,(12000:]", [0, 2, 4]),
        ("PI in [200:12000] && PATTERN<=12", [1, 2]),
        ("(PI in [200:12000]) && (FLAG & 0x766ba000) == 0", [2]),
        ("FLAG & b11 != 0", [2, 3, 4]),  # as in SAS's documentation: the mask binds more tightly
        ("FLAG==0", [0]),
        ("(FLAG&0x10000)!=0 || PI==199", [0, 1]),
        ("#MYFLAG && PI>0", [0, 1]),
        ("!#MYFLAG", [2, 3, 4]),
        ("PI > #LOWPI", [2, 3, 4]),
        ("(X,Y) in circle(0,0,5)", [0, 1]),
        ("((X,Y) IN CIRCLE(0, 0, 5))", [0, 1]),
        ("!((X,Y) in circle(0,0,5))", [2, 3, 4]),
        ("circle(0,0,5,X,Y)", [0, 1]),
        ("(X,Y) in annulus(0,0,5,10)", [1, 2, 3]),
        ("(X,Y) in box(0,0,5,10,0)", [0, 1]),  # half widths
        ("(X,Y) in ellipse(0,0,10,5,0)", [0, 1, 3]),
        ("(X,Y) in polygon(-1,-1,11,-1,11,1,-1,1)", [0, 3]),
        ("(X,Y) in rectangle(-1,-1,11,1,0)", [0, 3]),
        ("(X,Y) in pie(0,0,40,60)", [1, 2]),
        ("(X,Y) in point(3,4)", [1]),
        ("(X,Y) in line(0,0,20,0)", [0, 3]),
        ("(X,Y) in diamond(0,0,10,5,0)", [0, 3]),
        ("X in [0:4],(24:30]", [0, 1, 4]),
        ("near(X,6.0,0.5)", [2, 3]),  # relative to the first value
        ("ifthenelse(PI>500, PATTERN==13, PATTERN==12)", [2, 3]),
        ("TIME in gti(my file.fits[STDGTI:2])", [1, 2]),
        ("!TIME in gti(x.gti)", [0, 3, 4]),
        ("gti(x.gti, TIME)", [1, 2]),
        ('gti("x.gti", TIME)', [1, 2]),
    ],
)
def test_sas_rules(text, expected):
    def gti(arguments, columns):
        name, times = arguments
        assert name in ("my file.fits[STDGTI:2]", "x.gti")
        return (times >= 1) & (times <= 2)

    flags = {"MYFLAG": "(FLAG & #BAD) == 0", "BAD": 0x0FFFF, "LOWPI": "100*5-1"}
    e = expr.parse(text, "sas", keywords=flags)
    assert np.flatnonzero(e.select(SAS, keywords=flags, functions={"gti": gti})).tolist() == expected


def test_sas_attributes_count_among_the_columns():
    flags = {"GOOD_EVENT": "(FLAG & 0x3) == 0 && PATTERN <= 12"}
    assert expr.parse("#GOOD_EVENT && PI>0", "sas", keywords=flags).names == {"PI", "FLAG", "PATTERN"}
    with pytest.raises(ExpressionError, match="refers to itself"):
        expr.parse("#A", "sas").select(SAS, keywords={"A": "#B==1", "B": "#A==1"})
    with pytest.raises(ExpressionError, match="'GOOD_EVENT'"):
        expr.parse("#GOOD_EVNT", "sas").select(SAS, keywords=flags)


def test_sas_powers_are_written_with_stars():
    assert expr.parse("PI**2 > 250000", "sas").select(SAS).tolist() == [False, False, False, True, True]
    with pytest.raises(ExpressionError, match=r"\*\*"):
        expr.parse("PI^2 > 0", "sas")


def test_polygon_agrees_with_matplotlib():
    from matplotlib.path import Path

    corners = [(0, 0), (10, 1), (7, 8), (4, 3), (1, 9)]
    rng = np.random.default_rng(1)
    x, y = rng.uniform(-1, 11, (2, 4000))
    text = "(x,y) in polygon(" + ",".join(f"{a},{b}" for a, b in corners) + ")"
    got = expr.parse(text, "sas").select({"x": x, "y": y})
    assert np.array_equal(got, Path(corners).contains_points(np.c_[x, y]))


# -- errors ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("", None, "empty"),
        ("PI>", 3, "ends too early"),
        ("PI>50)", 5, "not expected"),
        ("(PI>50", 6, "is missing"),
        ("PI=50", 2, "== for equality"),
        ("PI>50 PI<60", 6, "not expected"),
        ("PI ; X", 3, "no meaning"),
        ("TIEM>3", 0, "column 'TIEM' is not in the table"),
        ("STATU==b1", 0, "'STATUS'"),
        ("sine(X)>0", 0, "Did you mean 'sin'"),
        ("near(X,1)", 0, "takes 3 arguments"),
        ("sin('a')>0", 0, "needs a number"),
        ("PI&&GOOD", 2, "a number and a condition"),
        ("STATUS==3", 6, "bits and a number"),
        ("NAME>3", 4, "text and a number"),
        ("V[4]>0", 2, "outside 1..3"),
        ("PI[1]>0", 0, "cannot be indexed"),
        ("#nokey>1", 0, "keyword 'nokey'"),
        ("PI{x}>0", 3, "whole number"),
        ("-GOOD", 0, "needs a number"),
        ("PI?1:2", 0, "needs a condition"),
        ("gtifilter()", 0, "'gtifilter' is not available"),
        ("regfilter('a.reg',X,Y)", 0, "not available"),
        ("GOOD+1==2", 4, "cannot join"),
        ("random()<0.5", 0, "not available"),
        ("99999999999999999999>1", 0, "64 bits"),
    ],
)
def test_errors_show_the_place(text, position, message):
    with pytest.raises(ExpressionError, match=message.replace("(", r"\(").replace(")", r"\)")) as caught:
        expr.parse(text).select(COLUMNS)
    if position is not None:
        assert caught.value.position == position
        shown = str(caught.value).splitlines()
        assert shown[-2].strip() == text.strip()
        assert shown[-1].index("^") - shown[-2].index(text[0]) == position


def test_error_shows_only_the_neighbourhood_of_a_long_expression():
    text = "&&".join(["PI>50"] * 60) + "&&NOPE>1&&" + "&&".join(["PI>50"] * 60)
    with pytest.raises(ExpressionError) as caught:
        expr.parse(text).select(COLUMNS)
    line, carets = str(caught.value).splitlines()[-2:]
    assert len(line) < 90
    assert line[carets.index("^") : carets.rindex("^") + 1] == "NOPE"


@pytest.mark.parametrize("text", ["PI+1", "NAME", "STATUS", "V>3", "3"])
def test_only_conditions_select(text):
    with pytest.raises(ExpressionError, match=r"is not a condition|several answers"):
        expr.parse(text).select(COLUMNS)


def test_unknown_dialect():
    with pytest.raises(ExpressionError, match="'cfitsio' or 'sas'"):
        expr.parse("PI>1", "fortran")  # type: ignore[arg-type]


def test_nothing_of_python_can_be_reached():
    for text in ("__import__('os')", "PI.__class__", "lambda: 1", "PI if 1 else 2", "`ls`", "@file", "[x for x in PI]"):
        for dialect in expr.DIALECTS:
            with pytest.raises(ExpressionError):
                expr.parse(text, dialect).evaluate(COLUMNS)
