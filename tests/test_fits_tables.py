"""Tables and headers against astropy.io.fits, in both directions."""

from __future__ import annotations

import string
import warnings

import numpy as np
import pytest
from astropy.io import fits as afits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wolter import fits

QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
NUMERIC = {"B": "u1", "I": "i2", "J": "i4", "K": "i8", "E": "f4", "D": "f8", "C": "c8", "M": "c16"}
UNSIGNED = {"B": ("i1", -128), "I": ("u2", 2**15), "J": ("u4", 2**31), "K": ("u8", 2**63)}
TEXT = st.text(string.ascii_letters + string.digits + " '/&=-", max_size=7).map(str.rstrip)


@st.composite
def columns(draw, nrows):
    """(format, TDIM, TZERO, values) of one column."""
    code = draw(st.sampled_from("LXBIJKAEDCM"))
    inner = draw(st.sampled_from([(), (3,), (2, 3)]))
    count = int(np.prod(inner, dtype=int))
    dim = "(" + ",".join(str(n) for n in reversed(inner)) + ")" if len(inner) > 1 else ""
    if code == "X":
        width = draw(st.integers(1, 20))
        return f"{width}X", "", 0, draw(hnp.arrays(bool, (nrows, width)))
    if code == "L":
        return f"{count}L", dim, 0, draw(hnp.arrays(bool, (nrows, *inner)))
    if code == "A":
        return "7A", "", 0, np.array(draw(st.lists(TEXT, min_size=nrows, max_size=nrows)), dtype="U7")
    if code in UNSIGNED and draw(st.booleans()):
        dtype, zero = UNSIGNED[code]
        return f"{count}{code}", dim, zero, draw(hnp.arrays(dtype, (nrows, *inner)))
    return f"{count}{code}", dim, 0, draw(hnp.arrays(NUMERIC[code], (nrows, *inner)))


@st.composite
def tables(draw):
    nrows = draw(st.integers(0, 9))
    return [draw(columns(nrows)) for _ in range(draw(st.integers(1, 5)))]


@st.composite
def ragged_columns(draw):
    """(code, rows) of a variable-length column."""
    code = draw(st.sampled_from("LBIJKEDCM"))
    lengths = draw(st.lists(st.integers(0, 5), min_size=1, max_size=6))
    dtype = "?" if code == "L" else NUMERIC[code]
    return code, [draw(hnp.arrays(dtype, n)) for n in lengths]


def same(ours, theirs):
    if ours.dtype.kind == "U":
        return [s.rstrip() for s in np.asarray(theirs).ravel().tolist()] == ours.ravel().tolist()
    theirs = np.asarray(theirs)
    return (
        ours.dtype == theirs.dtype.newbyteorder("=")
        and ours.shape == theirs.shape
        and np.array_equal(ours, theirs, equal_nan=ours.dtype.kind in "fc")
    )


@QUICK
@given(spec=tables())
def test_astropy_reads_the_tables_we_write(tmp_path, spec):
    data = {f"c{i}": values for i, (_, _, _, values) in enumerate(spec)}
    described = {f"c{i}": fits.Column(f"c{i}", f, dim=d, zero=z) for i, (f, d, z, _) in enumerate(spec)}
    fits.write(tmp_path / "t.fits", fits.new_table("T", data, columns=described), overwrite=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with afits.open(tmp_path / "t.fits", checksum=True) as theirs, fits.open(tmp_path / "t.fits") as ours:
            theirs.verify("exception")
            for name, values in data.items():
                if values.dtype != np.int8:  # of which astropy makes floats
                    assert same(ours["T"].read(name), theirs["T"].data[name])
                assert same(ours["T"].read(name), values)


@QUICK
@given(spec=tables())
def test_we_read_the_tables_astropy_writes(tmp_path, spec):
    made = [afits.Column(f"c{i}", f, array=v, dim=d or None, bzero=z or None) for i, (f, d, z, v) in enumerate(spec)]
    afits.BinTableHDU.from_columns(made, name="T").writeto(tmp_path / "t.fits", overwrite=True, checksum=True)
    with fits.open(tmp_path / "t.fits", verify=True) as f:
        for i, (_, _, _, values) in enumerate(spec):
            assert same(f["T"].read(f"c{i}"), values)


@QUICK
@given(spec=ragged_columns(), pointer=st.sampled_from("PQ"))
def test_variable_length_columns_in_both_directions(tmp_path, spec, pointer):
    code, rows = spec
    column = {"v": fits.Column("v", f"{pointer}{code}")}
    data = {"n": np.arange(len(rows)), "v": rows}
    fits.write(tmp_path / "ours.fits", fits.new_table("T", data, columns=column), overwrite=True)
    objects = np.empty(len(rows), dtype=object)
    objects[:] = rows
    made = [afits.Column("n", "K", array=data["n"]), afits.Column("v", f"{pointer}{code}()", array=objects)]
    afits.BinTableHDU.from_columns(made, name="T").writeto(tmp_path / "theirs.fits", overwrite=True)
    with afits.open(tmp_path / "ours.fits", checksum=True) as f:
        assert all(same(want, got) for want, got in zip(rows, f["T"].data["v"], strict=True))
    for name in ("ours", "theirs"):
        with fits.open(tmp_path / f"{name}.fits") as f:
            got = f["T"].read("v")
            assert all(same(a, b) for a, b in zip(got, rows, strict=True))
            ragged = f["T"].read_ragged("v")
            assert ragged.lengths.tolist() == [len(r) for r in rows]
            assert all(same(ragged[i], rows[i]) for i in range(len(rows)))


def test_variable_length_bits_and_text(tmp_path):
    bits = [np.array([1, 0, 1, 1, 0, 0, 0, 0, 1], bool), np.zeros(0, bool), np.array([0, 1], bool)]
    table = fits.new_table("T", {"b": bits, "s": ["one", "", "three"]}, columns={
        "b": fits.Column("b", "PX"), "s": fits.Column("s", "PA")})  # fmt: skip
    again = fits.open(fits.write(tmp_path / "t.fits", table))["T"]
    assert [r.tolist() for r in again.read("b")] == [b.tolist() for b in bits]
    assert again.read("s").tolist() == ["one", "", "three"]


def test_heap_rows_out_of_order_and_shared(tmp_path):
    """Rows may lie anywhere in the heap; here they are stored backwards and the last two share their elements."""
    table = fits.new_table("T", {"v": [np.arange(3, dtype="i4"), np.arange(10, 12, dtype="i4"), np.array([7], "i4")]})
    raw = bytearray(fits.write(tmp_path / "t.fits", table).read_bytes())
    start = raw.index(np.arange(3, dtype=">i4").tobytes() + np.array([10, 11, 7], ">i4").tobytes())
    rows = start - 24
    raw[rows:start] = np.array([[2, 12], [3, 0], [1, 4]], ">i4").tobytes()
    got = fits.open(bytes(raw))["T"]
    assert [r.tolist() for r in got.read("v")] == [[10, 11], [0, 1, 2], [1]]
    assert got.read_ragged("v", rows=slice(1, 3)).flat.tolist() == [0, 1, 2, 1]


def test_scaled_columns_and_undefined_values(tmp_path):
    stored = np.array([1, -99, 3], "i2")
    made = [
        afits.Column("RAW", "I", null=-99, array=stored),
        afits.Column("SCALED", "I", null=-99, array=stored),
        afits.Column("PLAIN", "J", array=np.arange(3)),
    ]
    hdu = afits.BinTableHDU.from_columns(made, name="T")
    hdu.header["TSCAL2"], hdu.header["TZERO2"] = 0.5, 10.0
    hdu.writeto(tmp_path / "t.fits")
    table = fits.open(tmp_path / "t.fits").table("T")
    assert table.read("RAW").tolist() == [1, -99, 3]
    assert table.read("RAW").dtype == np.int16
    np.testing.assert_array_equal(table.read("RAW", null="nan"), [1, np.nan, 3])
    assert table.read("RAW", null=0).tolist() == [1, 0, 3]
    masked = table.read(["RAW", "PLAIN"], null="mask")
    assert np.ma.getmaskarray(masked["RAW"]).tolist() == [False, True, False]
    assert not np.ma.getmaskarray(masked["PLAIN"]).any()
    np.testing.assert_array_equal(table.read("SCALED"), [10.5, np.nan, 11.5])
    assert table.read("PLAIN", null="nan").dtype == np.int32
    with pytest.raises(ValueError, match="null="):
        table.read("RAW", null="zero")


def test_scaled_columns_are_written_back(tmp_path):
    column = fits.Column("S", "I", scale=0.25, zero=100.0, null=-32768)
    table = fits.new_table("T", {"S": np.array([100.0, 101.25, np.nan])}, columns={"S": column})
    fits.write(tmp_path / "t.fits", table)
    with afits.open(tmp_path / "t.fits") as f:
        undefined = -32768 * 0.25 + 100  # astropy scales TNULL like any other value
        assert f[1].data["S"].tolist() == [100.0, 101.25, undefined]
        assert f[1].columns["S"].null == -32768
    np.testing.assert_array_equal(fits.open(tmp_path / "t.fits")["T"].read("S"), [100.0, 101.25, np.nan])


def test_rows_chunks_blocks_and_select_agree(tmp_path):
    rng = np.random.default_rng(3)
    data = {"A": rng.integers(0, 1000, 1000), "B": rng.random((1000, 2)), "S": np.array(["x", "yy"] * 500)}
    path = fits.write(tmp_path / "t.fits", fits.new_table("T", data))
    table = fits.open(path).table("T")
    assert np.array_equal(table.read("A", rows=slice(17, 400)), data["A"][17:400])
    assert table.read("A", rows=slice(5, 5)).size == 0
    got = list(table.chunks(["B", "A"], rows=slice(100, 900), size=64))
    assert [start for start, _ in got] == list(range(100, 900, 64))
    assert np.array_equal(np.concatenate([c["B"] for _, c in got]), data["B"][100:900])
    picked = [b.take("A", np.flatnonzero(b["B"][:, 0] > 0.5)) for b in table.blocks(["A", "B"], size=100)]
    mask = data["B"][:, 0] > 0.5
    assert np.array_equal(np.concatenate(picked), data["A"][mask])
    few = table.select(mask)
    assert few.nrows == mask.sum()
    fits.write(tmp_path / "few.fits", few)
    with afits.open(tmp_path / "few.fits", checksum=True) as f:
        assert np.array_equal(f[1].data["A"], data["A"][mask])
        assert [str(s).rstrip() for s in f[1].data["S"]] == data["S"][mask].tolist()
    in_memory = fits.new_table("T", data).select(np.flatnonzero(mask))
    assert np.array_equal(in_memory.read("B"), data["B"][mask])


def test_select_keeps_the_heap(tmp_path):
    rows = [np.arange(i, dtype="f8") for i in range(6)]
    path = fits.write(tmp_path / "t.fits", fits.new_table("T", {"v": rows, "n": np.arange(6)}))
    few = fits.open(path).table("T").select(np.array([1, 4]))
    fits.write(tmp_path / "few.fits", few)
    with afits.open(tmp_path / "few.fits", checksum=True) as f:
        assert [r.tolist() for r in f[1].data["v"]] == [rows[1].tolist(), rows[4].tolist()]


def test_column_keywords_follow_the_column(tmp_path):
    column = fits.Column(
        "X", "J", unit="pixel", keywords={"TLMIN": 1, "TLMAX": 600, "TCTYP": "RA---TAN"}, comment="sky"
    )
    table = fits.new_table("EVENTS", {"PI": np.arange(3, dtype="i4"), "X": np.arange(3)}, columns={"X": column})
    fits.write(tmp_path / "t.fits", table)
    with afits.open(tmp_path / "t.fits") as f:
        assert (f[1].header["TLMAX2"], f[1].header["TCTYP2"], f[1].header.comments["TTYPE2"]) == (
            600,
            "RA---TAN",
            "sky",
        )
    got = fits.open(tmp_path / "t.fits").table("events").columns["x"]
    assert dict(got.keywords) == {"TLMIN": 1, "TLMAX": 600, "TCTYP": "RA---TAN"}
    assert (got.name, got.unit, got.comment, got.format) == ("X", "pixel", "sky", "J")


def test_strings_end_at_nul_and_lose_trailing_blanks(tmp_path):
    raw = np.array([b"ab\0cd", b"e f  ", b"\0xxxx", b"     "], "S5")
    path = fits.write(tmp_path / "t.fits", fits.new_table("T", {"S": ["12345"] * 4}))
    data = path.read_bytes().replace(b"12345" * 4, raw.tobytes())
    assert fits.open(data)["T"].read("S").tolist() == ["ab", "e f", "", ""]


def test_string_arrays(tmp_path):
    text = np.array([["a", "bcd"], ["ef", ""]])
    fits.write(tmp_path / "t.fits", fits.new_table("T", {"S": text}))
    with afits.open(tmp_path / "t.fits") as f:
        assert np.char.rstrip(np.asarray(f[1].data["S"])).tolist() == text.tolist()
    assert fits.open(tmp_path / "t.fits")["T"].read("S").tolist() == text.tolist()


def test_ascii_tables(tmp_path):
    made = [
        afits.Column("NAME", "A8", array=np.array(["Mrk 501", "", "x"])),
        afits.Column("N", "I6", array=np.array([1, -22, 333])),
        afits.Column("F", "F9.3", array=np.array([1.5, -2.25, 1000.125])),
        afits.Column("D", "D25.17", array=np.array([1e-300, np.pi, -1e200])),
    ]
    afits.TableHDU.from_columns(made, name="ASC").writeto(tmp_path / "t.fits")
    table = fits.open(tmp_path / "t.fits").table("ASC")
    assert table.read("NAME").tolist() == ["Mrk 501", "", "x"]
    assert table.read("N").tolist() == [1, -22, 333]
    assert table.read("F").tolist() == [1.5, -2.25, 1000.125]
    assert table.read("D").tolist() == [1e-300, np.pi, -1e200]
    assert [c["N"].tolist() for _, c in table.chunks(["N"], size=2)] == [[1, -22], [333]]
    fits.write(tmp_path / "copy.fits", [table])
    with afits.open(tmp_path / "copy.fits", checksum=True) as f:
        f.verify("exception")
        assert f["ASC"].data["N"].tolist() == [1, -22, 333]


def test_ascii_table_fields_without_a_point_with_d_and_with_tnull():
    cards = [("XTENSION", "TABLE"), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", 16), ("NAXIS2", 3), ("PCOUNT", 0)]
    cards += [("GCOUNT", 1), ("TFIELDS", 2), ("TTYPE1", "A"), ("TFORM1", "F6.2"), ("TBCOL1", 1), ("TNULL1", "---")]
    cards += [("TTYPE2", "B"), ("TFORM2", "D10.3"), ("TBCOL2", 7)]
    head = fits.Header([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0)]).to_text() + fits.Header(cards).to_text()
    rows = " 12345" + " 1.500d+03" + "   ---" + "          " + "  1.5 " + "     2.5  "
    table = fits.open((head + rows.ljust(2880)).encode())[1]
    assert table.read("B").tolist() == [1500.0, 0.0, 2.5]  # blanks are zero
    np.testing.assert_array_equal(table.read("A"), [123.45, np.nan, 1.5])  # two implied decimals
    assert np.ma.getmaskarray(table.read("A", null="mask")).tolist() == [False, True, False]


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_images_in_both_directions(tmp_path, dtype):
    rng = np.random.default_rng(1)
    image = rng.integers(0, 255, (3, 4, 5)).astype("u1").view("u1").astype(dtype)
    if dtype[0] == "u":
        image[0, 0, 0] = np.iinfo(dtype).max
    fits.write(tmp_path / "ours.fits", [fits.primary(), fits.new_image(image, name="IMG")])
    with afits.open(tmp_path / "ours.fits", checksum=True) as f:
        f.verify("exception")
        assert same(image, f["IMG"].data)
    afits.HDUList([afits.PrimaryHDU(image)]).writeto(tmp_path / "theirs.fits")
    assert same(fits.open(tmp_path / "theirs.fits").image(0).read(), image)


def test_image_scaling_and_blank(tmp_path):
    hdu = afits.PrimaryHDU(np.array([[1, 2], [-99, 4]], "i2"))
    hdu.header["BLANK"] = -99
    hdu.writeto(tmp_path / "t.fits")
    image = fits.open(tmp_path / "t.fits").image(0)
    assert image.read().tolist() == [[1, 2], [-99, 4]]
    np.testing.assert_array_equal(image.read(null="nan"), [[1, 2], [np.nan, 4]])
    raw = (tmp_path / "t.fits").read_bytes()
    scaled = raw.replace(b"BLANK   ", b"BSCALE  ").replace(b"-99", b"0.5", 1)
    assert fits.open(scaled).image(0).read().tolist() == [[0.5, 1.0], [-49.5, 2.0]]


def test_first_image_becomes_the_primary_and_others_extensions(tmp_path):
    a, b = fits.new_image(np.zeros((2, 2)), name="A"), fits.new_image(np.ones((3,)), name="B")
    fits.write(tmp_path / "one.fits", [a, b])
    with fits.open(tmp_path / "one.fits") as f:
        fits.write(tmp_path / "two.fits", [f["B"], f["A"]])
    with afits.open(tmp_path / "two.fits", checksum=True) as f:
        f.verify("exception")
        assert [h.name for h in f] == ["B", "A"]
        assert isinstance(f[1], afits.ImageHDU)
        assert f[0].data.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("data", "columns", "message"),
    [
        ({"A": [1, 2], "B": [1]}, None, "1 rows"),
        ({"A": [1, 300]}, {"A": fits.Column("A", "B")}, "0..255"),
        ({"A": [1.5]}, {"A": fits.Column("A", "J")}, "not whole"),
        ({"A": ["abc"]}, {"A": fits.Column("A", "2A")}, "3 characters"),
        ({"A": ["Ørsted"]}, None, "not ASCII"),
        ({"A": [1 + 2j]}, {"A": fits.Column("A", "D")}, "complex"),
        ({"A": np.ma.MaskedArray([1, 2], [0, 1])}, None, "no TNULL"),
        ({"A": np.array(["2020-01-01"], "M8[D]")}, None, "do not have"),
        ({"A": [[1, 2]]}, {"A": fits.Column("A", "3J")}, "shape"),
        ({"A": [1], "a": [2]}, None, "same name"),
        ({"A": [1]}, {"B": fits.Column("B", "J")}, "no data"),
        ({"A": [2, 1]}, {"A": fits.Column("A", "1X")}, "more than true and false"),
        ({"A": 3}, None, "single value"),
        ({"A": [1e300]}, {"A": fits.Column("A", "E")}, "exceeds"),
    ],
)
def test_values_that_a_table_cannot_hold(data, columns, message):
    with pytest.raises(fits.OutputError, match=message):
        fits.new_table("T", data, columns=columns)
