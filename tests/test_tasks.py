"""Task registry and the parameters and failures of ``extractor``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from events_support import GTI, in_time, uniform, write_events
from wolter import tasks
from wolter.data import EventList
from wolter.errors import DataError, FitsError, OutputError, ParameterError, RegionError, WolterError
from wolter.makers import extract_stokes

DET = {"DETX": "D", "DETY": "D"}
XY = {"xcolf": "X", "ycolf": "Y", "xcolh": "X", "ycolh": "Y", "ccol": "NONE"}


@pytest.fixture
def data():
    return uniform(2000)


@pytest.fixture
def path(tmp_path, data):
    return write_events(tmp_path / "evt.fits", data)


@pytest.fixture
def run(path, tmp_path):
    """Function: run the extractor on the toy file, with the products in the test's folder."""

    def go(**given):
        given = {"filename": str(path), "phafile": str(tmp_path / "o.pha"), **XY, **given}
        return tasks.run("extractor", **given)

    return go


def test_registry():
    assert "extractor" in tasks.names()
    task = tasks.get("EXTRACTOR")
    assert task.name == "extractor"
    assert tasks.extractor is task
    assert {p.name: p.default for p in task.parameters}["gti"] == "STDGTI"
    with pytest.raises(ParameterError, match="extractor"):
        tasks.get("extracter")
    with pytest.raises(AttributeError):
        _ = tasks.nothing


def test_registering_a_task():
    def work(parameters, result):
        result.messages.append(f"{parameters['n'] + 1}")

    task = tasks.Task("toytask", (tasks.Parameter("n", "i", 1, "a number"),), work, "A toy.")
    tasks.register(task)
    tasks.register(task)
    assert tasks.run("toytask", n="41").messages == ["42"]
    with pytest.raises(ParameterError, match="already"):
        tasks.register(tasks.Task("toytask", (), lambda p, r: None, "Another."))


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"phafil": "x"}, "phafile"),
        ({"binlc": "fast"}, "binlc"),
        ({"specbin": 1.5}, "specbin"),
        ({"clobber": "perhaps"}, "clobber"),
        ({"specbin": 0}, "specbin"),
        ({"binf": -1}, "binf"),
        ({"stokes": "HEAVY"}, "stokes"),
        ({"stokes": "NEFF", "specbin": 2}, "specbin=1"),
        ({"gcol": "GRADE", "gstring": "zero"}, "gstring"),
        ({"qdpfile": "a.qdp"}, "qdpfile"),
        ({"xint": 2}, "xint"),
    ],
)
def test_parameters_that_are_wrong(run, tmp_path, given, match):
    with pytest.raises(ParameterError, match=match):
        run(**given)
    assert not (tmp_path / "o.pha").exists()


def test_missing_parameter():
    with pytest.raises(ParameterError, match="filename"):
        tasks.run("extractor")


def test_values_as_parameter_files_write_them(run, tmp_path):
    result = run(
        binlc="1e2", wtmapb="no", clobber="YES", fitsbinlc=str(tmp_path / "o.lc"), lcthresh="0", imgfile=" none "
    )
    assert result.parameters["binlc"] == 100.0
    assert result.parameters["wtmapb"] is False
    assert set(result.products) == {"spectrum", "lightcurve"}


def test_failure_as_a_result(path, tmp_path):
    result = tasks.run(
        "extractor", check=False, filename=str(path), phafile=str(tmp_path / "o.pha"), **(XY | {"xcolf": "Z"})
    )
    assert result.returncode == 1
    assert isinstance(result.error, WolterError)
    assert "Z" in result.messages[-1]


@pytest.mark.parametrize("weighting", ["NEFF", "SIMPLE", "UNWEIGHTED"])
def test_stokes_spectra_are_those_of_the_maker(run, path, tmp_path, weighting):
    (tmp_path / "r.reg").write_text("physical\ncircle(50,50,20)\n")
    result = run(
        phafile=str(tmp_path / "det1_src_.pha"), stokes=weighting, polwcol="W_MOM", regionfile=str(tmp_path / "r.reg")
    )
    names = [tmp_path / f"det1_src_{s}.pha" for s in "IQU"]
    assert [Path(p) for p in result.products["spectrum"]] == names
    made = extract_stokes(EventList.read(path).select("physical; circle(50,50,20)"), weighting=weighting.lower())
    for name, spectrum in zip(names, made, strict=True):
        with fits.open(name) as f:
            table, head = f["SPECTRUM"].data, f["SPECTRUM"].header
            # DEADC is 0.9 and not exact in single precision, which is what the tool uses.
            assert np.allclose(table["RATE"], spectrum.values, rtol=1e-6, atol=1e-12)
            assert np.allclose(table["STAT_ERR"], np.asarray(spectrum.stat_err), rtol=1e-6)
            assert head["STOKESWT"] == weighting
            assert head["EXPOSURE"] == pytest.approx(900 * float(np.float32(0.9)), rel=1e-14)


def test_the_tutorials_call(shared, tmp_path):
    """The call of the tutorial: STDGTI is the default extension, the file has GTI; region without a frame line."""
    (tmp_path / "src.reg").write_text('circle(16:53:51.766,+39:45:44.41,60.000")\n')
    result = tasks.run(
        "extractor",
        filename=str(shared("ixpe/sim_mrk501_01004701/01004701/event_l2/ixpe01004701_det1_evt2_v01.fits.gz")),
        binlc=10.0,
        eventsout="NONE",
        imgfile="NONE",
        fitsbinlc="NONE",
        phafile=str(tmp_path / "ixpe_det1_src_.pha"),
        regionfile=str(tmp_path / "src.reg"),
        timefile="NONE",
        stokes="NEFF",
        polwcol="W_MOM",
        tcol="TIME",
        ecol="PI",
        xcolf="X",
        xcolh="X",
        ycolf="Y",
        ycolh="Y",
        clobber=True,
    )
    assert result.returncode == 0
    with fits.open(tmp_path / "ixpe_det1_src_I.pha") as f:
        head = f["SPECTRUM"].header
        assert head["TOTCTS"] == 37420
        assert head["BACKSCAL"] == pytest.approx(0.004644444, rel=1e-6)
        assert head["EXPOSURE"] == pytest.approx(95948.53216302983, rel=1e-12)
        counts = f["SPECTRUM"].data["RATE"].astype(float) * head["EXPOSURE"]
        assert counts.sum() == pytest.approx(37420, rel=1e-6)


def test_stokes_needs_its_columns(tmp_path):
    data = uniform(100)
    del data["W_MOM"]
    path = write_events(tmp_path / "e.fits", data)
    with pytest.raises(DataError, match="W_MOM"):
        tasks.run("extractor", filename=str(path), phafile=str(tmp_path / "o_.pha"), stokes="NEFF", **XY)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["e.fits"]


def test_other_weight_column(tmp_path, data):
    heavy = write_events(tmp_path / "h.fits", data | {"MINE": np.full(2000, 3.0)}, formats={"MINE": "E"})
    tasks.run("extractor", filename=str(heavy), phafile=str(tmp_path / "h_.pha"), stokes="SIMPLE", polwcol="MINE", **XY)
    with fits.open(tmp_path / "h_I.pha") as f:
        total = (f["SPECTRUM"].data["RATE"].astype(float) * f["SPECTRUM"].header["EXPOSURE"]).sum()
    assert total == pytest.approx(3 * in_time(data["TIME"]).sum(), rel=1e-6)


def test_clobber(run, tmp_path):
    (tmp_path / "o.pha").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        run(clobber=False)
    assert (tmp_path / "o.pha").read_text() == "mine"
    run()
    assert (tmp_path / "o.pha").stat().st_size > 2880


def test_products_appear_together_or_not_at_all(run, tmp_path):
    before = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(OutputError):
        run(imgfile=str(tmp_path / "missing" / "o.img"))
    assert sorted(p.name for p in tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("text", "error"),
    [("", RegionError), ("physical\ncircle(500,500,3)\n", RegionError), ("physical\nblob(1,2)\n", RegionError)],
)
def test_bad_regions(run, tmp_path, text, error):
    (tmp_path / "r.reg").write_text(text)
    with pytest.raises(error):
        run(regionfile=str(tmp_path / "r.reg"))
    assert not (tmp_path / "o.pha").exists()


def test_missing_inputs(run, tmp_path):
    with pytest.raises(FitsError, match="no such file"):
        run(filename=str(tmp_path / "no.fits"))
    with pytest.raises(WolterError):
        run(regionfile=str(tmp_path / "no.reg"))
    with pytest.raises(WolterError):
        run(timefile=str(tmp_path / "no.gti"))
    with pytest.raises(tasks.TaskError, match="list of event files cannot be read"):
        run(filename="@list.txt")


def test_nothing_selected(run, path, tmp_path):
    with pytest.raises(DataError, match="no event"):
        run(filename=f"{path}[W_MOM=5:6]")
    with pytest.raises(DataError, match="outside"):
        run(filename=f"{path}[PI=500:600]")
    assert not (tmp_path / "o.pha").exists()


def test_several_time_files_add_up(run, tmp_path, data):
    from wolter.gti import GTI as Intervals

    Intervals([1000.0], [1100.0]).write(tmp_path / "a.gti")
    Intervals([1050.0], [1200.0]).write(tmp_path / "b.gti")
    run(timefile=f"{tmp_path / 'a.gti'},{tmp_path / 'b.gti'}")
    with fits.open(tmp_path / "o.pha") as f:
        assert f["SPECTRUM"].header["ONTIME"] == 200.0
        assert f["SPECTRUM"].data["COUNTS"].sum() == ((data["TIME"] >= 1000) & (data["TIME"] <= 1200)).sum()


def test_good_times_as_text(run, tmp_path):
    run(gtitxt=str(tmp_path / "g.txt"))
    rows = [tuple(map(float, line.split())) for line in (tmp_path / "g.txt").read_text().splitlines()]
    assert rows == [tuple(g) for g in GTI]


def test_timepixr_override(tmp_path):
    data = uniform(100, TIME=np.full(100, 999.5))
    path = write_events(tmp_path / "p.fits", data, header={"TIMEDEL": 2.0, "TIMEPIXR": 0.5})
    common = {"filename": str(path), "phafile": str(tmp_path / "o.pha"), **XY}
    with pytest.raises(DataError, match="no event"):
        tasks.run("extractor", **common)
    tasks.run("extractor", tpixrpar=0.0, **common)
    with fits.open(tmp_path / "o.pha") as f:
        assert f["SPECTRUM"].header["TOTCTS"] == 100


def test_plane_from_keywords(tmp_path, data):
    path = write_events(
        tmp_path / "u.fits", data, limits=False, header={"XSIZE": 100, "YSIZE": 100, "TELESCOP": "KESTREL"}
    )
    with fits.open(path, mode="update") as f:
        f["EVENTS"].header["TLMIN4"], f["EVENTS"].header["TLMAX4"] = 0, 374
    common = {"filename": str(path), "phafile": "NONE", "imgfile": str(tmp_path / "o.img"), **XY}
    with pytest.raises(DataError, match="size of the plane"):
        tasks.run("extractor", **common)
    tasks.run("extractor", xfkey="XSIZE", yfkey="YSIZE", **common)
    with fits.open(tmp_path / "o.img") as f:
        assert f[0].data.shape == (100, 100)


def test_wmap_axes_reversed(run, tmp_path):
    run()
    with fits.open(tmp_path / "o.pha") as f:
        plain = f[0].data.copy()
    run(swmapx=True, swmapy=True)
    with fits.open(tmp_path / "o.pha") as f:
        assert np.array_equal(f[0].data, plain[::-1, ::-1])


def test_provenance_names_what_was_not_default(run, path, tmp_path):
    run(specbin=3)
    with fits.open(tmp_path / "o.pha") as f:
        table = f["PROVENANCE"].data
        named = {str(n).strip(): str(v).strip() for n, v in zip(table["NAME"], table["VALUE"], strict=True)}
    assert named["specbin"] == "3"
    assert "lcthresh" not in named
    assert any(path.name in v for v in named.values())


def test_weighted_map_of_a_large_plane_is_that_of_the_region(shared, tmp_path):
    """51840 x 51840 pixels of 0.05 arcsec: the map covers the region alone, and a map of everything is refused."""
    events = str(shared("xmm/a907_0201903501/mos1_exp1_clean_evts.fits"))
    (tmp_path / "r.reg").write_text("physical\ncircle(26000,24000,150)\n")
    call = {"filename": events, "phafile": str(tmp_path / "o.pha"), **XY}
    tasks.run("extractor", regionfile=str(tmp_path / "r.reg"), **call)
    with fits.open(events) as f, fits.open(tmp_path / "o.pha") as g:
        table, wmap = f["EVENTS"].data, g[0]
        inside = np.hypot(table["X"] - 26000.0, table["Y"] - 24000.0) <= 150
        assert wmap.data.shape == (301, 301)
        assert 0 < wmap.data[wmap.data > 0].sum() == g["SPECTRUM"].data["COUNTS"].sum() <= inside.sum()
        assert (wmap.header["X-OFFSET"], wmap.header["Y-OFFSET"]) == (25850, 23850)
    with pytest.raises(DataError, match=r"51840 x 51840 pixels would not fit.*binh, or wtmapb=no"):
        tasks.run("extractor", clobber=True, **call)
    with pytest.raises(DataError, match=r"51840 x 51840 pixels would not fit.*binf"):
        tasks.run("extractor", clobber=True, wtmapb="no", imgfile=str(tmp_path / "o.img"), **call)


def test_weighted_map_in_columns_of_another_plane(run, path, data, tmp_path):
    """A region on the sky says nothing about detector pixels: those with events are inside."""
    (tmp_path / "r.reg").write_text("physical\ncircle(50,50,10)\n")
    other = write_events(path.with_name("det.fits"), data | {"DETX": data["Y"], "DETY": data["X"]}, formats=DET)
    with fits.open(other, mode="update") as f:
        names = f["EVENTS"].columns.names
        for name in ("DETX", "DETY"):
            n = names.index(name) + 1
            f["EVENTS"].header[f"TLMIN{n}"], f["EVENTS"].header[f"TLMAX{n}"] = 1, 100
    det = {"xcolh": "DETX", "ycolh": "DETY", "regionfile": str(tmp_path / "r.reg")}
    run(filename=str(other), **det)
    with fits.open(tmp_path / "o.pha") as f:
        wmap = f[0].data
        assert wmap[wmap > 0].sum() == f["SPECTRUM"].data["COUNTS"].sum()
        assert set(np.unique(wmap[wmap <= 0])) == {-1.0}


def test_events_off_the_plane_are_named(data, tmp_path):
    far = write_events(tmp_path / "far.fits", data | {"X": data["X"] + 500})
    with pytest.raises(DataError, match=r"far\.fits\[EVENTS\]: no event lies on the plane of the WMAP, X 1 to 100"):
        tasks.run("extractor", filename=str(far), phafile=str(tmp_path / "o.pha"), **XY)


@pytest.mark.parametrize("form", ["@", ","])
def test_several_event_files(shared, tmp_path, form):
    """A list of files: counts and exposures are those of both, the sky is that of the first."""
    names = [shared(f"swift/1whsp_0126+33_0008537400{k}/sw0008537400{k}xpcw3po_cl.evt.gz") for k in (1, 5)]
    (tmp_path / "r.reg").write_text('fk5\ncircle(01:26:57.165,+33:07:27.14,60")\n')
    call = {**XY, "regionfile": str(tmp_path / "r.reg"), "gti": "GTI"}
    alone, seconds, middle = [], 0.0, []
    for n, name in enumerate(names):
        tasks.run("extractor", filename=f"{name}[PI=30:1000]", phafile=str(tmp_path / f"{n}.pha"), **call)
        with fits.open(tmp_path / f"{n}.pha") as f:
            alone.append(f["SPECTRUM"].data["COUNTS"].copy())
            seconds += f["SPECTRUM"].header["EXPOSURE"]
    texts = [f"{name}[PI=30:1000]" for name in names]
    (tmp_path / "l.txt").write_text("\n".join(texts) + "\n")
    given = f"@{tmp_path / 'l.txt'}" if form == "@" else ",".join(texts)
    products = {"phafile": str(tmp_path / "o.pha"), "imgfile": str(tmp_path / "o.img")}
    tasks.run("extractor", filename=given, **products, **call)
    with fits.open(tmp_path / "o.pha") as f, fits.open(tmp_path / "o.img") as g:
        np.testing.assert_array_equal(f["SPECTRUM"].data["COUNTS"], sum(alone))
        assert f["SPECTRUM"].header["EXPOSURE"] == pytest.approx(seconds, rel=1e-6)
        files = f["PROVENANCE"].data["NAME"].tolist() + f["PROVENANCE"].data["VALUE"].tolist()
        assert all(any(name.name in str(n) for n in files) for name in names)
        with fits.open(names[0]) as h:
            n = h["EVENTS"].columns.names.index("X") + 1
            assert g[0].header["CRVAL1"] == h["EVENTS"].header[f"TCRVL{n}"]
        middle = np.array(np.nonzero(g[0].data)).mean(axis=1)
        assert g[0].data.sum() == sum(a.sum() for a in alone)
    with fits.open(tmp_path / "o.img") as g:
        from astropy.wcs import WCS

        x, y = WCS(g[0].header).all_world2pix(21.738188, 33.124206, 0)
        assert np.hypot(middle[1] - x, middle[0] - y) < 4  # both pointings have the source at its place


def test_lists_that_make_no_sense(shared, tmp_path):
    swift = shared("swift/1whsp_0126+33_00085374001/sw00085374001xpcw3po_cl.evt.gz")
    nustar = shared("nustar/sol_90410111001/nu90410111001A06_cl_sunpos.evt")
    (tmp_path / "l.txt").write_text("\n")
    for given, match in (
        (f"{swift},{nustar}", "different missions"),
        (f"{swift}[PI=3:5],{swift}", "different filters"),
        (f"@{tmp_path / 'l.txt'}", "no event file is named"),
    ):
        with pytest.raises(WolterError, match=match):
            tasks.run("extractor", filename=given, phafile=str(tmp_path / "o.pha"), **XY)
    assert not (tmp_path / "o.pha").exists()


def test_exclamation_mark_replaces_a_file(run, tmp_path):
    (tmp_path / "o.pha").write_text("old")
    with pytest.raises(OutputError):
        run(clobber="no", wtmapb="no")
    run(clobber="no", wtmapb="no", phafile=f"!{tmp_path / 'o.pha'}")
    assert fits.getval(tmp_path / "o.pha", "EXTNAME", 1) == "SPECTRUM"
    assert not [p for p in tmp_path.iterdir() if p.name.startswith("!")]
