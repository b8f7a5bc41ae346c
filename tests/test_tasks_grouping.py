"""The tasks grppha (all golden cases of version 3.0.1, from file to file) and ftgrouppha."""

from __future__ import annotations

import json

import numpy as np
import pytest
from astropy.io import fits

from wolter import tasks
from wolter.data import RMF, Spectrum
from wolter.errors import DataError, OutputError, ParameterError, ResponseError

CASES = range(59)
SWIFT = ("swift", "2m0259_00092220001", "target_sr.pha")


def unroll(runs, n):
    """Run-length list of the golden file, or the keyword that stands for all channels."""
    if isinstance(runs, dict):
        return np.full(n, runs["keyword"])
    return np.concatenate([np.full(number, value) for value, number in runs])


@pytest.fixture(scope="module")
def grppha(golden):
    return json.loads(golden("grppha", "grppha.json").read_text())["cases"]


@pytest.fixture(scope="module")
def source(golden, shared, tmp_path_factory):
    """Function: input file of a golden case; extracted spectra are extracted."""
    made = {}

    def find(text):
        if not text.startswith("("):
            return shared(*text.split("/"))
        if text not in made:
            case = json.loads(golden("extractor", text.split("extractor/")[1].rstrip(")")).read_text())
            folder = tmp_path_factory.mktemp("spectrum")
            (folder / "r.reg").write_text(case["region_text"] or "")
            call = {**case["call"], "imgfile": "NONE", "fitsbinlc": "NONE", "eventsout": "NONE"}
            call |= {"filename": f"{shared(case['input'])}{case['filter'] or ''}", "phafile": str(folder / "s.pha")}
            call["regionfile"] = str(folder / "r.reg") if call["regionfile"] != "NONE" else "NONE"
            tasks.run("extractor", **call)
            made[text] = folder / "s.pha"
        return made[text]

    return find


@pytest.mark.parametrize("number", CASES)
def test_golden_case(grppha, source, tmp_path, number):
    case = grppha[number]
    n = case["n_channels"]
    infile = source(case["input"])
    result = tasks.run("grppha", infile=str(infile), outfile=str(tmp_path / "o.pha"), comm=case["comm"], tempc="exit")
    assert result.returncode == case["rc"] == 0
    with fits.open(tmp_path / "o.pha") as f, fits.open(infile) as g:
        table = f["SPECTRUM"]
        assert table.data.names == case["columns"]
        for name in ("GROUPING", "QUALITY"):
            got = table.data[name] if name in table.data.names else np.full(n, table.header[name])
            np.testing.assert_array_equal(got, unroll(case[name], n), err_msg=name)
        want = case["SYS_ERR"]
        if isinstance(want, dict):
            assert table.header["SYS_ERR"] == want["keyword"]
        else:
            errors = np.zeros(n)
            for channel, value in want:
                errors[channel - case["first_channel"]] = value
            np.testing.assert_allclose(table.data["SYS_ERR"], errors, rtol=1e-7)
        for key, value in case["keywords"].items():
            if value is not None:
                exact = isinstance(value, (str, bool))
                assert table.header[key] == (value if exact else pytest.approx(value, rel=1e-6)), key
        main = "RATE" if "RATE" in table.data.names else "COUNTS"
        np.testing.assert_array_equal(table.data[main], g["SPECTRUM"].data[main])
        assert [h.name for h in f if h.name != "PROVENANCE"] == [h.name for h in g if h.name != "PROVENANCE"]
    for message in case.get("messages", []):
        assert message in result.messages


def test_commands(shared, tmp_path):
    """Keywords, lists of channels in files, several outputs, quit, and commands that are not understood."""
    infile = shared(*SWIFT)
    (tmp_path / "g.dat").write_text("0 99 10\n100 199 50\n")
    (tmp_path / "b.dat").write_text("0 9\n500 500\n")
    (tmp_path / "s.dat").write_text("# channels error\n0 99 0.03\n")
    before = fits.getheader(infile, "SPECTRUM")
    comm = (
        f"chkey RESPFILE new.rmf & chkey backscal 0.5 & group {tmp_path}/g.dat & bad {tmp_path}/b.dat & good 3 5"
        f"& systematics {tmp_path}/s.dat & write !{tmp_path}/first.pha & reset all & nonsense 3 & group 5"
        "& chkey NAXIS 2 & bad x-y & bad & systematics 3 & show all & show keywords & show infile & show RESPFILE"
        f"& show & reset & help & chkey BACKSCAL lots & systematics 0-9 0.05 & exit {tmp_path}/second.pha"
    )
    result = tasks.run("grppha", infile=str(infile), outfile=str(tmp_path / "never.pha"), comm=comm)
    assert [p.name for p in result.products["spectrum"]] == ["first.pha", "second.pha"]
    assert not (tmp_path / "never.pha").exists()
    with fits.open(tmp_path / "first.pha") as f:
        table = f["SPECTRUM"]
        assert table.header["RESPFILE"] == "new.rmf"
        assert table.header["BACKSCAL"] == 0.5
        assert np.flatnonzero(table.data["GROUPING"][:201] == 1).tolist() == [*range(0, 100, 10), 100, 150, 200]
        assert np.flatnonzero(table.data["QUALITY"]).tolist() == [0, 1, 2, 4, 6, 7, 8, 9, 500]
        assert np.flatnonzero(table.data["SYS_ERR"]).tolist() == list(range(100))
    with fits.open(tmp_path / "second.pha") as f:
        assert f["SPECTRUM"].data.names == ["CHANNEL", "COUNTS", "SYS_ERR"]
    said = "\n".join(result.messages)
    for word in ("nonsense", "'group 5'", "NAXIS", "x-y", "channels are missing", "lots", str(infile)):
        assert word in said, word
    assert before["BACKSCAL"] != 0.5
    quiet = tasks.run("grppha", infile=str(infile), outfile=str(tmp_path / "no.pha"), comm="group min 5 & quit")
    assert not quiet.products
    assert not (tmp_path / "no.pha").exists()


def test_refusals_of_grppha(shared, tmp_path):
    infile = shared(*SWIFT)
    out = tmp_path / "o.pha"
    out.write_text("precious")
    with pytest.raises(OutputError):
        tasks.run("grppha", infile=str(infile), outfile=str(out), comm="group min 5")
    assert out.read_text() == "precious"
    tasks.run("grppha", infile=str(infile), outfile=f"!{out}", comm="group min 5")
    copy = tmp_path / "c.pha"
    copy.write_bytes(infile.read_bytes())
    with pytest.raises(ParameterError, match="input file"):
        tasks.run("grppha", infile=str(copy), outfile=f"!{copy}", comm="group min 5")
    fits.PrimaryHDU().writeto(tmp_path / "empty.fits")
    with pytest.raises(Exception, match="SPECTRUM"):
        tasks.run("grppha", infile=str(tmp_path / "empty.fits"), outfile=str(tmp_path / "x.pha"))


# --- ftgrouppha ------------------------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path):
    """A spectrum of 60 channels (numbered from 1), its background and its response, as files."""
    rng = np.random.default_rng(8)
    counts = rng.poisson(4.0, 60).astype(float)
    counts[50:] = 0
    channel = np.arange(1, 61)
    edges = 0.3 + 0.01 * np.arange(61)
    matrix = np.exp(-0.5 * ((np.arange(60)[None, :] - np.arange(60)[:, None]) / 2.0) ** 2)
    RMF.from_dense(
        matrix, energ_lo=edges[:-1], energ_hi=edges[1:], e_min=edges[:-1], e_max=edges[1:], first_channel=1
    ).write(tmp_path / "r.rmf")
    Spectrum(channel=channel, values=rng.poisson(2.0, 60), exposure=100.0, backscal=2.0).write(tmp_path / "b.pha")
    Spectrum(channel=channel, values=counts, exposure=100.0, quality=np.eye(60)[20] * 5).write(tmp_path / "s.pha")
    return tmp_path


@pytest.mark.parametrize(
    ("kind", "scale", "extra"),
    [
        ("min", 20, {}),
        ("bmin", 15, {"backfile": "b.pha"}),
        ("snmin", 4, {"backfile": "b.pha"}),
        ("snmin", 4, {}),
        ("constant", 7, {}),
        ("opt", None, {"respfile": "r.rmf"}),
        ("optmin", 30, {"respfile": "r.rmf"}),
        ("optsnmin", 5, {"respfile": "r.rmf", "backfile": "b.pha"}),
    ],
)
def test_rules_of_the_task_are_those_of_spectra(small, kind, scale, extra):
    """The task's flags are the native ones of a spectrum without quality flags; the flags that were there stay."""
    named = {key: str(small / name) for key, name in extra.items()}
    given = {} if scale is None else {"groupscale": scale}
    tasks.run("ftgrouppha", infile=str(small / "s.pha"), outfile=str(small / "o.pha"), grouptype=kind, **given, **named)
    native = Spectrum.read(small / "s.pha", background=named.get("backfile"), rmf=named.get("respfile"))
    native = native.replace(quality=np.zeros(60)).group(kind, scale)
    with fits.open(small / "o.pha") as f:
        data = f["SPECTRUM"].data
        assert "GROUPING" not in f["SPECTRUM"].header
        assert "QUALITY" not in f["SPECTRUM"].header
        np.testing.assert_array_equal(data["GROUPING"], native.grouping)
        want = native.quality.copy()
        want[20] = 5
        np.testing.assert_array_equal(data["QUALITY"], want)
    if kind != "constant":
        assert (np.diff(np.flatnonzero(data["GROUPING"] == 1)) > 1).any()


def test_channel_limits_template_and_rates(small):
    tasks.run(
        "ftgrouppha", infile=str(small / "s.pha"), outfile=str(small / "o.pha"), grouptype="constant", groupscale="4",
        minchannel=11, maxchannel=20,
    )  # fmt: skip
    flags = fits.getdata(small / "o.pha", "SPECTRUM")["GROUPING"]
    assert flags.tolist() == [1] * 10 + [1, -1, -1, -1] * 2 + [1, -1] + [1] * 40
    tasks.run(
        "ftgrouppha", infile=str(small / "b.pha"), outfile=str(small / "t.pha"), grouptype="file",
        templatefile=str(small / "o.pha"),
    )  # fmt: skip
    assert fits.getdata(small / "t.pha", "SPECTRUM")["GROUPING"].tolist() == flags.tolist()
    rate = Spectrum(channel=[1, 2, 3], values=[0.0249, 0.0251, 0.04], is_rate=True, exposure=100.0, poisson=False,
                    stat_err=[0.01, 0.01, 0.01])  # fmt: skip
    rate.write(small / "r.pha")
    tasks.run("ftgrouppha", infile=str(small / "r.pha"), outfile=str(small / "r2.pha"), grouptype="min", groupscale=5)
    # 2.49 and 2.51 counts are 2 and 3: the third channel is left over
    assert fits.getdata(small / "r2.pha", "SPECTRUM")["GROUPING"].tolist() == [1, -1, 1]


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ({"grouptype": "best"}, ParameterError, "grouptype"),
        ({"grouptype": "min"}, ParameterError, "groupscale"),
        ({"grouptype": "min", "groupscale": "many"}, ParameterError, "groupscale"),
        ({"grouptype": "min", "groupscale": 0}, DataError, "positive"),
        ({"grouptype": "bmin", "groupscale": 3}, ParameterError, "backfile"),
        ({"grouptype": "opt"}, ParameterError, "names no response"),
        ({"grouptype": "file"}, ParameterError, "templatefile"),
        ({"grouptype": "min", "groupscale": 3, "rows": "1-3"}, ParameterError, "rows"),
        ({"grouptype": "min", "groupscale": 3, "minchannel": 700}, DataError, "not within"),
    ],
)
def test_refusals_of_ftgrouppha(small, given, error, match):
    with pytest.raises(error, match=match):
        tasks.run("ftgrouppha", infile=str(small / "s.pha"), outfile=str(small / "o.pha"), **given)
    assert not (small / "o.pha").exists()


def test_response_of_another_detector(small, shared):
    swift = shared(*SWIFT)
    with pytest.raises(ResponseError, match="60 channels"):
        tasks.run(
            "ftgrouppha",
            infile=str(swift),
            outfile=str(small / "o.pha"),
            grouptype="opt",
            respfile=str(small / "r.rmf"),
        )
