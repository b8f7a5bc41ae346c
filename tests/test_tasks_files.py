"""maketime (all golden cases), the listings, and ftcopy, with astropy as the judge of what files hold."""

from __future__ import annotations

import json

import numpy as np
import pytest
from astropy.io import fits

from events_support import uniform, write_events
from wolter import tasks
from wolter.errors import FitsError, OutputError, ParameterError

CASES = range(90)


@pytest.fixture(scope="module")
def maketime(golden):
    return json.loads(golden("maketime", "maketime.json").read_text())["cases"]


@pytest.mark.parametrize("number", CASES)
def test_golden_case(maketime, shared, tmp_path, number):
    """Good times to the last bit, keywords, extension and exit status of maketime 2.9."""
    case = maketime[number]
    infile = f"{shared(*case['file'].split('/'))}[{case['extension']}]"
    given = {k: case[k] for k in ("prefr", "postfr") if case[k] is not None}
    out = tmp_path / "o.gti"
    result = tasks.run(
        "maketime", check=False, infile=infile, outfile=str(out), expr=case["expr"], compact="no", **given
    )
    assert result.returncode == case["rc"]
    if case["rc"]:
        assert not out.exists()
        return
    with fits.open(out) as f:
        table = f[case["hdu"]]
        got = np.column_stack([table.data["START"], table.data["STOP"]])
        want = np.array(case["gti"]).reshape(-1, 2)
        assert got.shape == (case["n"], 2)
        assert np.array_equal(got, want)
        for key, value in case["keywords"].items():
            assert table.header[key] == value, key
        assert "".join(case["expr"].split()) in "".join("".join(map(str, table.header["HISTORY"])).split())
    for line in case["log"]:
        assert line in result.messages


def write_table(path, columns, name="HK", **header):
    kinds = {"f": "D", "i": "J", "U": "8A"}
    made = [fits.Column(n, kinds[np.asarray(v).dtype.kind], array=np.asarray(v)) for n, v in columns.items()]
    table = fits.BinTableHDU.from_columns(made, name=name)
    table.header.update(header)
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    return path


def test_compact_format(tmp_path):
    """Rows of name, value and time: a parameter keeps its value until its next row."""
    path = write_table(
        tmp_path / "hk.fits",
        {
            "TIME": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
            "NAME": ["A", "B", "A", "B", "A", "B"],
            "VALUE": [1.0, 5.0, 3.0, 6.0, 1.0, 7.0],
        },
    )
    out = tmp_path / "o.gti"
    tasks.run("maketime", infile=f"{path}[HK]", outfile=str(out), expr="A > 2 && B > 4", prefr=0, postfr=0)
    assert fits.getdata(out, 1)["START"].tolist() == [2.0]
    assert fits.getdata(out, 1)["STOP"].tolist() == [3.0]
    tasks.run("maketime", infile=f"{path}[HK]", outfile=f"!{out}", expr="B < 6", prefr=0, postfr=1)
    assert fits.getdata(out, 1)["START"].tolist() == [1.0]  # undefined before its first row
    assert fits.getdata(out, 1)["STOP"].tolist() == [3.0]


def test_maketime_files_and_refusals(tmp_path):
    path = write_table(
        tmp_path / "hk.fits", {"T": [0.0, 1.0, 2.0, 1.5, 2.5], "V": [1, 1, 0, 1, 1]}, PREFR=0.0, POSTFR=1.0
    )
    (tmp_path / "e.txt").write_text("V ==\n 1\n")
    out = tmp_path / "o.gti"
    call = {"infile": f"{path}[HK]", "outfile": str(out), "expr": f"@{tmp_path}/e.txt", "compact": "no", "time": "T"}
    tasks.run("maketime", **call, start="BEGIN", stop="END")
    data = fits.getdata(out, 1)
    assert data.names == ["BEGIN", "END"]
    # where the times go back a run ends
    assert [tuple(r) for r in data] == [(0.0, 2.0), (1.5, 2.5)]
    with pytest.raises(OutputError):
        tasks.run("maketime", **call)
    for change, code in (
        ({"time": "TIME"}, 202),
        ({"compact": "yes"}, 202),
        ({"expr": "V =="}, 175),
        ({"expr": "V + 1"}, 175),
        ({"expr": "W > 1"}, 202),
        ({"prefr": 2}, 1),
        ({"infile": f"{path}[NONE]"}, 1),
    ):
        result = tasks.run("maketime", check=False, **{**call, "outfile": f"!{out}", **change})
        assert result.returncode == code, change
    assert fits.getdata(out, 1).names == ["BEGIN", "END"]


# --- listings --------------------------------------------------------------------------------------------------------


@pytest.fixture
def events(tmp_path):
    data = uniform(12, STATUS=np.eye(12, 16, dtype=bool))
    return write_events(tmp_path / "evt.fits", data, header={"LONGKEY": "x" * 90, "EXPOSURE": 12.5}), data


def test_ftlist_table(events, tmp_path):
    path, data = events
    lines = tasks.run("ftlist", infile=f"{path}[EVENTS][PI > 100]", option="T", columns="TIME,PI,STATUS").messages
    keep = data["PI"] > 100
    words = [line.split() for line in lines]
    assert words[0] == ["TIME", "PI", "STATUS"]
    assert len(words) == 1 + keep.sum()
    for i, (time, pi, bits) in enumerate(zip(data["TIME"][keep], data["PI"][keep], data["STATUS"][keep], strict=True)):
        assert words[i + 1][0] == str(i + 1)
        assert float(words[i + 1][1]) == pytest.approx(time, rel=1e-14)
        assert words[i + 1][2:] == [str(pi), "".join("1" if b else "0" for b in bits)]
    out = tmp_path / "list.txt"
    tasks.run(
        "ftlist", infile=f"{path}[EVENTS]", option="t", columns="PI", rows="2,6-8", rownum="no", colheader="no",
        outfile=str(out),
    )  # fmt: skip
    assert [int(v) for v in out.read_text().split()] == [data["PI"][i - 1] for i in (2, 6, 7, 8)]
    with pytest.raises(OutputError):
        tasks.run("ftlist", infile=f"{path}[EVENTS]", option="T", outfile=str(out))
    pair = tasks.run("ftlist", infile=f"{path}[EVENTS]", option="T", columns="X,PI", rows="1", separator=" | ")
    assert pair.messages[-1].count(" | ") == 2


def test_ftlist_vectors_and_images(tmp_path):
    columns = [fits.Column("A", "3J", array=np.arange(6).reshape(2, 3)), fits.Column("N", "4A", array=["ab", "cd"])]
    image = fits.PrimaryHDU(np.arange(20, dtype="i4").reshape(4, 5))
    fits.HDUList([image, fits.BinTableHDU.from_columns(columns, name="T")]).writeto(tmp_path / "v.fits")
    lines = tasks.run("ftlist", infile=f"{tmp_path}/v.fits[T]", option="T").messages
    assert [line.split() for line in lines[1:]] == [["1", "0", "ab"], ["1"], ["2"], ["2", "3", "cd"], ["4"], ["5"]]
    lines = tasks.run("ftlist", infile=f"{tmp_path}/v.fits[T]", option="T", vector="2-3", columns="A").messages
    assert [line.split() for line in lines[1:]] == [["1", "1"], ["2"], ["2", "4"], ["5"]]
    lines = tasks.run("ftlist", infile=f"{tmp_path}/v.fits[0]", option="I", section="2:3,1:2").messages
    assert [line.split() for line in lines] == [["2", "3"], ["2", "6", "7"], ["1", "1", "2"]]


def test_keywords(events, tmp_path):
    path, _ = events
    header = fits.getheader(path, "EVENTS")
    lines = tasks.run("ftlist", infile=f"{path}[EVENTS]", option="K").messages
    plain = [card for card in header.cards if card.keyword not in ("LONGKEY", "")]
    assert [c.image.rstrip() for c in plain] == [
        line for line in lines if line[:8].strip() not in ("LONGKEY", "CONTINUE")
    ]
    some = tasks.run(
        "ftlist", infile=f"{path}[EVENTS]", option="K", include="TLM*,EXP*,TTYPE#", exclude="TLMIN*"
    ).messages
    keys = [line[:8].strip() for line in some]
    assert "EXPOSURE" in keys
    assert "TTYPE1" in keys
    assert not any(k.startswith("TLMIN") for k in keys)
    assert any(k.startswith("TLMAX") for k in keys)
    found = tasks.run("fkeyprint", infile=str(path), keynam="tst").messages
    assert found[:2] == [f"# FILE: {path}", "# KEYNAME: TST"]
    assert [line[:8].strip() for line in found if line[:1] not in ("#", "")] == ["TSTART", "TSTOP"]
    exact = tasks.run("fkeyprint", infile=f"{path}[EVENTS]", keynam="TST", exact="yes").messages
    assert not [line for line in exact if line[:1] not in ("#", "")]
    struct = tasks.run("fstruct", infile=f"{path}[EVENTS]", colinfo="no").messages
    assert len(struct) == 3
    with pytest.raises(FitsError):
        tasks.run("fstruct", infile=f"{path}[NONE]")
    for given in ({"option": "X"}, {"option": "T", "rows": "a-b"}, {"option": "T", "rows": "8-2"}):
        with pytest.raises(ParameterError):
            tasks.run("ftlist", infile=f"{path}[EVENTS]", **given)
    with pytest.raises(ParameterError, match="extension"):
        tasks.run("ftlist", infile=f"{path}[PI > 100]", option="T")
    with pytest.raises(FitsError, match="PIE"):
        tasks.run("ftlist", infile=f"{path}[EVENTS]", option="T", columns="PIE")


# --- ftcopy ----------------------------------------------------------------------------------------------------------


def test_ftcopy_rows_and_columns(events, tmp_path):
    path, data = events
    out = tmp_path / "o.fits"
    result = tasks.run("ftcopy", infile=f"{path}[EVENTS][PI > 100 && gtifilter()][col TIME;PI;S*]", outfile=str(out))
    good = (data["PI"] > 100) & ((data["TIME"] <= 1400) | (data["TIME"] >= 1500))
    with fits.open(out) as f, fits.open(path) as g:
        assert [h.name for h in f if h.name != "PROVENANCE"] == [h.name for h in g]
        assert f["EVENTS"].data.names == ["TIME", "PI", "STATUS"]
        for name in ("TIME", "PI", "STATUS"):
            assert np.array_equal(f["EVENTS"].data[name], g["EVENTS"].data[name][good])
        assert f["EVENTS"].header["TLMAX2"] == 374
        assert f["EVENTS"].header["TELESCOP"] == "IXPE"
        assert np.array_equal(f["GTI"].data["START"], g["GTI"].data["START"])
    assert f"{good.sum()} of 12 rows, 3 columns" in result.messages
    tasks.run("ftcopy", infile=f"{path}[EVENTS][col *;-STATUS;-Q]", outfile=f"!{out}", copyall="no")
    with fits.open(out) as f:
        assert [h.name for h in f if h.name != "PROVENANCE"] == ["PRIMARY", "EVENTS"]
        assert f["EVENTS"].data.names == [n for n in data if n not in ("STATUS", "Q")]
    tasks.run("ftcopy", infile=str(path), outfile=str(tmp_path / "same.fits"))
    with fits.open(tmp_path / "same.fits") as f, fits.open(path) as g:
        for a, b in zip(f[1:3], g[1:3], strict=True):
            assert a.data.tobytes() == b.data.tobytes()


def test_ftcopy_refusals(events, tmp_path):
    path, _ = events
    for name, match in (
        (f"{path}[EVENTS][col PI;NEW=PI*2]", "not done"),
        (f"{path}[EVENTS][col -TIME;-*]", "no column"),
        (f"{path}[0][PI > 3]", "image"),
    ):
        with pytest.raises((ParameterError, FitsError), match=match):
            tasks.run("ftcopy", infile=name, outfile=str(tmp_path / "o.fits"))
    with pytest.raises(FitsError, match="NONE"):
        tasks.run("ftcopy", infile=f"{path}[EVENTS][col NONE]", outfile=str(tmp_path / "o.fits"))
    with pytest.raises(ParameterError, match="input file"):
        tasks.run("ftcopy", infile=str(path), outfile=f"!{path}")
    assert not (tmp_path / "o.fits").exists()
