"""FITS region extensions, and writing of region files."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from wolter import fits
from wolter.errors import OutputError, RegionError
from wolter.sky import TanWCS, parse_regions, read_regions
from wolter.sky.fitsregion import from_hdu

X, Y = np.random.default_rng(1).uniform(0, 200, (2, 5000))


def test_extension_of_a_real_stokes_spectrum(shared):
    """Variable-length columns of a recent extractor; its own BACKSCAL and NPIXSOU tell the number of pixels."""
    path = shared("ixpe/mrk501_01004601/det1_filt_src_I.pha")
    region = read_regions(path)
    with fits.open(path) as f:
        backscal, pixels = f["SPECTRUM"].header["BACKSCAL"], f[0].header["NPIXSOU"]
    assert [s.kind for s in region.shapes] == ["circle"]
    assert region.wcs is None
    area = region.to_pixel(None, (1, 600, 1, 600)).area()
    assert area == pixels
    assert area / 360000 == pytest.approx(backscal, rel=1e-6)
    assert read_regions(f"{path}[REG00101]") == region


def _columns(extension):
    """Table as the golden files list it: one array per row, or one number."""
    return {
        name: [np.atleast_1d(v) for v in values] if name != "SHAPE" else list(values)
        for name, values in extension["columns"].items()
    }


@pytest.mark.parametrize(
    "case",
    [
        "ixpe_exclude_two_fk5_deg",
        "ixpe_or_two_circles",
        "ixpe_polygon_fk5_deg",
        "ixpe_onlyexclude",
        "ixpe_pie_physical",
    ],
)
def test_extensions_of_the_extractor_read_back(case, golden):
    """The golden rows, put into a table as the extractor lays it out, select what the region text selects."""
    import json

    recorded = json.loads(golden("extractor", f"{case}.json").read_text())
    table = _columns(recorded["products"]["spectrum"]["region_ext"])
    n = len(table["SHAPE"])
    width = {k: max(len(v) for v in table[k]) for k in ("X", "Y", "R", "ROTANG")}
    data = {k: np.array([np.resize(v, width[k]) for v in table[k]]).reshape(n, -1) for k in width}
    data["SHAPE"] = np.array(table["SHAPE"])
    data["COMPONENT"] = np.array([int(v[0]) for v in table["COMPONENT"]], np.int16)
    region = from_hdu(fits.new_table("REG00101", data, header={"MFORM1": "X,Y"}))
    header = {"TTYPE1": "X", "TTYPE2": "Y", "TCTYP1": "RA---TAN", "TCTYP2": "DEC--TAN", "TCRPX1": 300.5}
    header |= {"TCRPX2": 300.5, "TCRVL1": 253.46569166666663, "TCRVL2": 39.76233611111111}
    wcs = TanWCS.from_columns(header | {"TCDLT1": -0.00072222222222222, "TCDLT2": 0.000722222222222222}, "X", "Y")
    bounds = (1, 600, 1, 600)
    assert region.to_pixel(None, bounds).area() == parse_regions(recorded["region_text"]).to_pixel(wcs, bounds).area()


TEXTS = [
    "circle(100,100,20)",
    "annulus(100,100,5,20)",
    "ellipse(100,100,30,12,25)",
    "ellipse(100,100,10,5,30,12,25,40)",
    "box(100,100,30,12,25)",
    "box(100,100,10,6,50,32,25,40)",
    "rotrectangle(60,60,120,100,10)",
    "diamond(100,100,30,12,25)",
    "sector(100,100,20,110)",
    "panda(100,100,20,110,1,5,40,1)",
    "epanda(100,100,20,110,1,5,3,40,30,1,15)",
    "bpanda(100,100,20,110,1,5,3,60,50,1,15)",
    "polygon(80,80,120,85,130,120,90,140,100,100)",
    "point(100,100)",
    "line(50,50,120,90)",
    "field()\n-circle(100,100,20)",
    "circle(80,100,20)\ncircle(110,100,20)\n-box(95,100,10,10)\ncircle(95,100,2)",
    "-circle(80,100,20)\n-circle(110,100,20)",
    "box(100,100,90,90)\n-epanda(100,100,20,110,1,5,3,40,30,1,15)",
    "circle(80,100,30)*circle(110,100,30)-circle(95,100,4)",
    "-epanda(100,100,20,110,1,5,3,40,30,1,15)",
]


@pytest.mark.parametrize("text", TEXTS)
def test_round_trip(text, tmp_path):
    region = parse_regions(text)
    path = region.write(tmp_path / "region.fits")
    again = read_regions(path)
    expected = region.to_pixel().contains(X, Y)
    np.testing.assert_array_equal(again.to_pixel().contains(X, Y), expected)
    assert 0 < expected.sum() < X.size or text.startswith("point")


def test_other_readers_of_our_extension(tmp_path):
    """astropy reads the table, the package regions reads the shapes."""
    import regions
    from astropy.io import fits as afits

    region = parse_regions("circle(80,100,20)\n-ellipse(85,100,9,4,30)\npolygon(1,2,30,4,5,60)\n")
    path = region.write(tmp_path / "region.fits")
    with afits.open(path, checksum=True) as f:
        table = f["REGION"].data
        assert list(table["SHAPE"]) == ["CIRCLE", "!ELLIPSE", "POLYGON"]
        assert table["X"].tolist() == [[80.0] * 3, [85.0] * 3, [1.0, 30.0, 5.0]]
        assert table["R"].tolist() == [[20.0, 0.0], [9.0, 4.0], [0.0, 0.0]]
        assert table["ROTANG"].ravel().tolist() == [0.0, 30.0, 0.0]
        assert list(table["COMPONENT"]) == [1, 1, 2]
        assert f["REGION"].header["MFORM1"] == "X,Y"
        assert f["REGION"].header["HDUCLAS1"] == "REGION"
    flat = parse_regions("circle(80,100,20)\nellipse(85,100,9,4,30)")
    flat.write(tmp_path / "flat.fits")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = regions.Regions.read(tmp_path / "flat.fits", format="fits")
    assert [type(r).__name__ for r in theirs] == ["CirclePixelRegion", "EllipsePixelRegion"]
    assert theirs[0].radius == 20.0


def test_celestial_regions_need_a_system_to_be_written(tmp_path):
    region = parse_regions('fk5;circle(150.25,-11,100")')
    with pytest.raises(RegionError, match="no celestial system"):
        region.write(tmp_path / "x.fits")
    assert not list(tmp_path.iterdir())
    wcs = TanWCS(
        (100.5, 100.5), (150.25, -11.0), ((-0.002, 0), (0, 0.002)), "TAN", "fk5", ctype=("RA---TAN", "DEC--TAN")
    )
    again = read_regions(region.write(tmp_path / "x.fits", wcs=wcs))
    assert again.wcs == wcs
    # On another pixel system the extension's own keywords carry the shape to the same place on the sky.
    other = TanWCS((300.5, 200.5), (150.3, -11.1), ((-0.001, 0), (0, 0.001)), "TAN", "fk5")
    moved = again.to_pixel(other).components[0].include[0]
    direct = region.to_pixel(other).components[0].include[0]
    assert (moved.x, moved.y, moved.r) == pytest.approx((direct.x, direct.y, direct.r), abs=1e-4)
    same = again.to_pixel(wcs).components[0].include[0]
    assert (same.x, same.y) == pytest.approx((100.5, 100.5), abs=1e-9)


def test_detector_columns(tmp_path):
    region = parse_regions("(DETX,DETY) IN circle(30,50,12)")
    again = read_regions(region.write(tmp_path / "det.fits"))
    assert again.columns == ("DETX", "DETY")
    assert again.to_pixel().area((1, 100, 1, 100)) == region.to_pixel().area((1, 100, 1, 100))


def _table(**changes):
    data = {
        "X": np.array([[10.0]]),
        "Y": np.array([[20.0]]),
        "SHAPE": np.array(["CIRCLE"]),
        "R": np.array([[5.0]]),
        "ROTANG": np.array([[0.0]]),
        "COMPONENT": np.array([1], np.int16),
    }
    data.update(changes)
    return fits.new_table("REGION", {k: v for k, v in data.items() if v is not None})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (_table(SHAPE=np.array(["CIRCUS"])), "row 1: unknown shape 'CIRCUS'. Did you mean 'CIRCLE'"),
        (_table(R=np.array([[-5.0]])), "row 1: circle: size -5 is not positive"),
        (_table(SHAPE=np.array(["BOX"])), "row 1: BOX lacks numbers: 1 x, 1 y, 1 sizes"),
        (_table(Y=None), "two coordinate columns"),
        (_table(SHAPE=None), "column SHAPE is missing"),
    ],
)
def test_damaged_extensions(table, message):
    with pytest.raises(RegionError, match=message):
        from_hdu(table, name="x.fits")


def test_file_without_region(shared):
    path = shared("ixpe/mrk501_01004601/det1_filt_src.arf")
    with pytest.raises(RegionError, match=r"no region extension.*SPECRESP"):
        read_regions(path)


def test_without_component_all_rows_intersect():
    table = _table(
        X=np.array([[10.0], [14.0]]),
        Y=np.array([[20.0], [20.0]]),
        SHAPE=np.array(["CIRCLE", "CIRCLE"]),
        R=np.array([[5.0], [5.0]]),
        ROTANG=np.zeros((2, 1)),
        COMPONENT=None,
    )
    assert from_hdu(table).to_pixel().contains([6, 12, 18], [20, 20, 20]).tolist() == [False, True, False]


def test_padded_polygons():
    """Fixed-width columns: the vertices end at NaN, at a return to the first one, or at zeros."""
    for tail in ([np.nan] * 3, [1.0, 9.0, 9.0], [0.0, 0.0, 0.0]):
        x = np.array([[1.0, 30.0, 5.0, *tail]])
        y = np.array([[2.0, 4.0, 60.0, *([2.0, 9.0, 9.0] if tail[0] == 1.0 else tail)]])
        region = from_hdu(_table(X=x, Y=y, SHAPE=np.array(["POLYGON"])))
        expected = parse_regions("polygon(1,2,30,4,5,60)").to_pixel().area((0, 100, 0, 100))
        assert region.to_pixel().area((0, 100, 0, 100)) == expected


def test_existing_files_are_kept(tmp_path):
    region = parse_regions("circle(1,2,3)")
    for name in ("a.reg", "a.fits"):
        region.write(tmp_path / name)
        before = (tmp_path / name).read_bytes()
        with pytest.raises(OutputError):
            parse_regions("circle(4,5,6)").write(tmp_path / name)
        assert (tmp_path / name).read_bytes() == before
        parse_regions("circle(4,5,6)").write(tmp_path / name, overwrite=True)
        assert read_regions(tmp_path / name).shapes[0].points == ((4.0, 5.0),)
    with pytest.raises(RegionError, match="unknown region format 'crtf'"):
        region.write(tmp_path / "b.reg", "crtf")
    with pytest.raises(OutputError):
        region.write(tmp_path / "missing" / "b.reg")


def test_logic_that_ds9_cannot_hold(tmp_path):
    region = parse_regions("circle(80,100,30)*circle(110,100,30)")
    with pytest.raises(RegionError, match=r"cannot be written in DS9's format.*format='fits'"):
        region.write(tmp_path / "a.reg")
    assert not list(tmp_path.iterdir())
    cut = parse_regions("circle(80,100,30)").exclude(parse_regions("circle(90,100,5)")) | parse_regions(
        "circle(90,100,2)"
    )
    again = parse_regions(cut.to_ds9())
    np.testing.assert_array_equal(again.to_pixel().contains(X, Y), cut.to_pixel().contains(X, Y))
