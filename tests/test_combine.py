"""Sums of spectra: natively, and by the tasks mathpha and addspec."""

from __future__ import annotations

import math

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from wolter import tasks
from wolter.data import ARF, RMF, Spectrum, merge_spectra
from wolter.errors import DataError, ParameterError, ResponseError, WolterWarning
from wolter.gti import GTI

N = 24
EDGES = 0.3 + 0.1 * np.arange(N + 1)


def response(shift: float, area: float) -> tuple[RMF, ARF]:
    matrix = np.exp(-0.5 * ((np.arange(N)[None, :] - np.arange(N)[:, None] - shift) / 1.5) ** 2)
    matrix[matrix < 0.01] = 0
    matrix /= matrix.sum(axis=1, keepdims=True)
    energies = {"energ_lo": EDGES[:-1], "energ_hi": EDGES[1:]}
    rmf = RMF.from_dense(matrix, **energies, e_min=EDGES[:-1], e_max=EDGES[1:], first_channel=0)
    return rmf, ARF(**energies, specresp=area * (1 + 0.1 * np.arange(N)))


def make(seed: int, exposure: float, *, area=1.0, scale=1.0, ratio=4.0, **extra) -> Spectrum:
    rng = np.random.default_rng(seed)
    back = Spectrum(
        channel=np.arange(N),
        values=rng.poisson(3.0, N).astype(float),
        exposure=exposure,
        backscal=ratio * scale,
        areascal=area,
    )
    return Spectrum(
        channel=np.arange(N), values=rng.poisson(9.0, N).astype(float), exposure=exposure, areascal=area,
        backscal=scale, background=back, **extra,
    )  # fmt: skip


def test_merging_conserves_counts_and_predictions():
    """Counts predicted for the sum by the merged response are the sum of those predicted for each spectrum."""
    parts = []
    for k, (time, area) in enumerate(((100.0, 1.0), (300.0, 0.5), (50.0, 2.0))):
        rmf, arf = response(0.5 * k, 100.0 * (k + 1))
        parts.append(make(k, time, area=area, rmf=rmf, arf=arf, gti=GTI([k * 1000.0], [k * 1000.0 + time])))
    merged = merge_spectra(parts)
    assert np.array_equal(merged.values, sum(p.values for p in parts))
    assert merged.exposure == 450.0
    assert merged.areascal == pytest.approx((100 + 150 + 100) / 450)
    assert merged.good_times.exposure == 450.0
    flux = np.linspace(3.0, 0.2, N)

    def predicted(s):
        return s.exposure * s.areascal * s.rmf.fold(flux * s.arf.specresp)

    np.testing.assert_allclose(predicted(merged), sum(predicted(p) for p in parts), rtol=1e-12)
    # the background expected in the source region is that of the parts
    want = sum(p.scaled_background()[0] * p.exposure * p.areascal for p in parts)
    np.testing.assert_allclose(merged.scaled_background()[0] * merged.exposure * merged.areascal, want, rtol=1e-12)
    assert merged.background.poisson
    assert np.array_equal(merged.background.values, sum(p.background.values for p in parts))
    rate, error = merged.net_rate()
    assert rate * merged.exposure == pytest.approx(sum(p.net_rate()[0] * p.exposure for p in parts))
    assert error * merged.exposure == pytest.approx(math.sqrt(sum((p.net_rate()[1] * p.exposure) ** 2 for p in parts)))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.floats(10, 1e4), st.floats(0.1, 3), st.floats(0.5, 9)), min_size=2, max_size=4))
def test_net_rate_of_any_sum(parts):
    """Whatever the scales: net counts and their error are those of the parts."""
    spectra = [make(i, t, scale=s, ratio=r) for i, (t, s, r) in enumerate(parts)]
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WolterWarning)
        merged = merge_spectra(spectra)
    pairs = [(p.net_rate(), p.exposure) for p in spectra]
    assert merged.net_rate()[0] * merged.exposure == pytest.approx(sum(r[0] * t for r, t in pairs), rel=1e-9, abs=1e-6)
    assert merged.net_rate()[1] * merged.exposure == pytest.approx(math.sqrt(sum((r[1] * t) ** 2 for r, t in pairs)))


def test_different_backgrounds_are_told():
    with pytest.warns(WolterWarning, match="scaled differently"):
        merged = merge_spectra([make(1, 100.0, ratio=4.0), make(2, 100.0, ratio=8.0)])
    assert not merged.background.poisson


def test_rates_and_quality():
    a = Spectrum(channel=[0, 1], values=[1.0, 2.0], is_rate=True, stat_err=[0.1, 0.2], poisson=False, exposure=100.0)
    b = a.replace(values=np.array([3.0, 2.0]), exposure=300.0, quality=np.array([5, 0]), sys_err=np.array([0.0, 0.1]))
    merged = merge_spectra([a, b])
    np.testing.assert_allclose(merged.values, [2.5, 2.0])
    np.testing.assert_allclose(merged.stat_err, [math.hypot(0.025, 0.075), math.hypot(0.05, 0.15)])
    np.testing.assert_allclose(merged.sys_err, [0, 0.075])
    assert merged.quality.tolist() == [5, 0]


def test_one_response_for_all_stays_as_it_is():
    rmf, arf = response(0.0, 50.0)
    merged = merge_spectra([make(1, 100.0, rmf=rmf, arf=arf), make(2, 50.0, rmf=rmf, arf=arf)])
    assert merged.rmf is rmf
    np.testing.assert_allclose(merged.arf.specresp, arf.specresp)


def test_what_cannot_be_added():
    rmf, arf = response(0.0, 50.0)
    one = make(1, 100.0, rmf=rmf, arf=arf)
    other, _ = response(0.0, 1.0)
    shifted = RMF(other.energ_lo * 1.1, other.energ_hi * 1.1, other.e_min, other.e_max, other.matrix, first_channel=0)
    stokes = {"xflt": {"stokes": 1.0}}
    for second, error, match in (
        (Spectrum(channel=np.arange(9), values=np.ones(9), exposure=1.0), DataError, "channels"),
        (one.replace(background=None), DataError, "background"),
        (one.replace(rmf=None, arf=None), ResponseError, "RMF"),
        (one.replace(rmf=shifted), ResponseError, "ENERG_LO"),
        (one.replace(**stokes), DataError, "Stokes"),
    ):
        with pytest.raises(error, match=match):
            merge_spectra([one, second])
    with pytest.raises(DataError, match="no spectra"):
        merge_spectra([])


# --- mathpha ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path):
    """Two spectra with backgrounds and responses, as files; counts and exposures."""
    out = []
    for k, (time, scale) in enumerate(((100.0, 1.0), (300.0, 2.0))):
        rmf, arf = response(0.5 * k, 100.0 * (k + 1))
        rmf.write(tmp_path / f"r{k}.rmf")
        arf.write(tmp_path / f"a{k}.arf")
        s = make(k, time, scale=scale, ratio=4.0)
        s.background.write(tmp_path / f"b{k}.pha")
        header = s.header.copy()
        header.set("TELESCOP", "TOY")
        header.set("INSTRUME", f"T{k}")
        s.replace(
            background=None,
            respfile=f"r{k}.rmf",
            ancrfile=f"a{k}.arf",
            backfile=f"b{k}.pha",
            header=header,
            areascal=1.0,
        ).write(tmp_path / f"s{k}.pha")
        out.append(s)
    return tmp_path, out


def run(folder, expr, **given):
    call = {"expr": expr.replace("$", f"{folder}/"), "outfil": f"!{folder}/o.pha", "exposure": "CALC", "ncomments": 0}
    result = tasks.run("mathpha", **{**call, **given})
    with fits.open(folder / "o.pha") as f:
        return result, f["SPECTRUM"].data.copy(), f["SPECTRUM"].header.copy()


def test_mathpha_sum_and_difference(files):
    folder, (a, b) = files
    result, data, header = run(folder, "'$s0.pha' + '$s1.pha'")
    assert np.array_equal(data["COUNTS"], a.values + b.values)
    assert "STAT_ERR" not in data.names
    assert header["POISSERR"] is True
    assert header["EXPOSURE"] == 400.0
    assert header["BACKSCAL"] == 1.0
    assert header["RESPFILE"] == "none"
    assert header["INSTRUME"] == "UNKNOWN"
    assert any("INSTRUME differs" in m for m in result.messages)
    _, data, header = run(
        folder, "('$s1.pha'-'$s0.pha')*2/4", properr="yes", exposure="250", auxfiles=f"{folder}/s1.pha"
    )
    np.testing.assert_allclose(data["COUNTS"], (b.values - a.values) / 2)
    np.testing.assert_allclose(data["STAT_ERR"], np.sqrt(a.values + b.values) / 2, rtol=1e-6)
    assert header["POISSERR"] is False
    assert header["EXPOSURE"] == 250.0
    assert (header["RESPFILE"], header["BACKFILE"], header["BACKSCAL"]) == ("r1.rmf", "b1.pha", 2.0)


def test_mathpha_rates_constants_and_quotients(files):
    folder, (a, b) = files
    _, data, header = run(folder, "'$s0.pha' + 0.5", units="R", errmeth="Gauss", exposure=f"{folder}/s0.pha")
    np.testing.assert_allclose(data["RATE"], a.values / 100 + 0.5, rtol=1e-6)
    np.testing.assert_allclose(data["STAT_ERR"], np.sqrt(a.values + 50) / 100, rtol=1e-6)
    assert header["EXPOSURE"] == 100.0
    _, data, _ = run(folder, "'$s0.pha' / '$s1.pha'", properr="yes", exposure="NULL", divzero=-7)
    zero = b.values == 0
    np.testing.assert_allclose(data["COUNTS"][~zero], a.values[~zero] / b.values[~zero], rtol=1e-6)
    good = ~zero & (a.values > 0)
    want = a.values[good] / b.values[good] * np.sqrt(1 / a.values[good] + 1 / b.values[good])
    np.testing.assert_allclose(data["STAT_ERR"][good], want, rtol=1e-6)
    _, data, _ = run(folder, "'$s0.pha' - '$s0.pha' + 4/2*6 + 1e-1*'$s0.pha'")
    np.testing.assert_allclose(data["COUNTS"], 12 + 0.1 * a.values, rtol=1e-6)
    for method, want in (
        ("POISS-1", 1 + np.sqrt(a.values + 0.75)),
        ("POISS-2", np.sqrt(np.maximum(a.values - 0.25, 0))),
    ):
        _, data, _ = run(folder, "'$s0.pha'", errmeth=method)
        np.testing.assert_allclose(data["STAT_ERR"], want, rtol=1e-6)
    _, data, _ = run(folder, "'$s0.pha'", errmeth="poiss-3")
    np.testing.assert_allclose(
        data["STAT_ERR"], 0.5 * (1 + np.sqrt(a.values + 0.75) + np.sqrt(np.maximum(a.values - 0.25, 0))), rtol=1e-6
    )


def test_mathpha_expression_in_a_file_and_comments(files):
    folder, (a, b) = files
    (folder / "e.txt").write_text(f"'{folder}/s0.pha'\n + '{folder}/s1.pha'\n")
    _, data, header = run(folder, "@$e.txt", ncomments=2, comment1="first", comment2="second", comment3="third")
    assert np.array_equal(data["COUNTS"], a.values + b.values)
    text = " ".join(map(str, header["COMMENT"]))
    assert "first" in text
    assert "second" in text
    assert "third" not in text


@pytest.mark.parametrize(
    ("expr", "given", "match"),
    [
        ("'$s0.pha' +", {}, "ends"),
        ("('$s0.pha'", {}, "not closed"),
        ("'$s0.pha", {}, "quote"),
        ("'$s0.pha' '$s1.pha'", {}, "not expected"),
        ("1+2", {}, "no file"),
        ("*'$s0.pha'", {}, "stands where"),
        ("'$s0.pha'", {"units": "X"}, "units"),
        ("'$s0.pha'", {"errmeth": "best"}, "errmeth"),
        ("'$s0.pha'", {"exposure": "none.pha"}, "exposure"),
        ("'$s0.pha' - '$s0.pha'", {}, "exposure calculated"),
        ("'$s0.pha'", {"areascal": "x.pha"}, "areascal"),
        ("'$s0.pha'", {"rmfile": "x.pha"}, "rmfile"),
    ],
)
def test_mathpha_refusals(files, expr, given, match):
    folder, _ = files
    with pytest.raises(Exception, match=match):
        run(folder, expr, **given)
    assert not (folder / "o.pha").exists()


def test_mathpha_areascal_and_input_as_output(files):
    folder, (a, _) = files
    a.replace(areascal=3.0, background=None).write(folder / "s3.pha")
    result, _, header = run(folder, "'$s0.pha'+'$s3.pha'")
    assert header["AREASCAL"] == 1.0
    assert any("AREASCAL differs" in m for m in result.messages)
    assert run(folder, "'$s0.pha'+'$s3.pha'", areascal=f"{folder}/s3.pha")[2]["AREASCAL"] == 3.0
    with pytest.raises(ParameterError, match="input file"):
        tasks.run("mathpha", expr=f"'{folder}/s0.pha'", outfil=f"!{folder}/s0.pha", exposure="CALC")


# --- addspec ---------------------------------------------------------------------------------------------------------


def test_addspec(files):
    folder, (a, b) = files
    (folder / "list.txt").write_text("s0.pha\ns1.pha\n")
    result = tasks.run("addspec", infil=f"{folder}/list.txt", outfil=f"{folder}/sum")
    assert {k: p.name for k, p in result.products.items()} == {
        "background": "sum.bak", "response": "sum.rsp", "spectrum": "sum.pha"
    }  # fmt: skip
    got = Spectrum.read(folder / "sum.pha")
    assert np.array_equal(got.values, a.values + b.values)
    assert got.exposure == 400.0
    # the rules of the tool: counts times bexpscale times the ratio of BACKSCAL, exposure times bexpscale
    want = 1000 / 4 * (a.background.values + b.background.values)
    np.testing.assert_allclose(got.background.values, np.rint(want))
    assert got.background.exposure == 400000.0
    assert got.background.poisson
    # exposure-weighted responses with the areas multiplied in
    parts = [Spectrum.read(folder / f"s{k}.pha") for k in (0, 1)]
    mean = sum(p.exposure * p.arf.specresp[:, None] * p.rmf.dense() for p in parts) / 400.0
    np.testing.assert_allclose(got.rmf.dense(), mean, rtol=2e-6, atol=1e-9)
    assert got.arf is None
    plain = tasks.run("addspec", infil=f"{folder}/list.txt", outfil=f"!{folder}/sum", qaddrmf="no", qsubback="no")
    assert list(plain.products) == ["spectrum"]
    assert fits.getheader(folder / "sum.pha", "SPECTRUM")["RESPFILE"] == "none"


def test_addspec_refusals(files):
    folder, (a, _) = files
    call = {"outfil": f"{folder}/sum"}
    with pytest.raises(Exception, match="list of spectra cannot be read"):
        tasks.run("addspec", infil=f"{folder}/none.txt", **call)
    (folder / "l.txt").write_text("none.pha\n")
    with pytest.raises(Exception, match=r"none\.pha"):
        tasks.run("addspec", infil=f"{folder}/l.txt", **call)
    a.replace(background=None).write(folder / "bare.pha")
    (folder / "l.txt").write_text("s0.pha\nbare.pha\n")
    result = tasks.run("addspec", check=False, infil=f"{folder}/l.txt", **call)
    assert result.returncode == 99
    with pytest.raises(Exception, match="BACKFILE"):
        tasks.run("addspec", infil=f"{folder}/l.txt", qaddrmf="no", **call)
    assert not list(folder.glob("sum.*"))
