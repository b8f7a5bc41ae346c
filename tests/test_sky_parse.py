"""Region text: every dialect, what comes out, and what is refused."""

from __future__ import annotations

import warnings

import pytest

from wolter.errors import RegionError, WolterWarning
from wolter.sky import Length, TanWCS, parse_regions, read_regions

RA, DEC = 15 * (16 + 53 / 60 + 51.766 / 3600), 39 + 45 / 60 + 44.41 / 3600


def one(text):
    region = parse_regions(text)
    assert len(region) == 1
    return region.shapes[0]


@pytest.mark.parametrize(
    "text",
    [
        'circle(16:53:51.766,+39:45:44.41,60.000")',  # no frame line: cfitsio tells from the colons
        'fk5\ncircle(16:53:51.766, +39:45:44.41, 60")\n',
        'fk5;circle(16:53:51.766,+39:45:44.41,60")',
        'J2000; circle 16:53:51.766 +39:45:44.41 60"',
        'FK5\nCIRCLE(16:53:51.766,+39:45:44.41,60")',
        "circle(16h53m51.766s,+39d45m44.41s,1')",
        'fk5 ; +circle( 16:53:51.766 , 39:45:44.41 , 60" ) # color=red text={Mrk 501}',
        "# Region file format: DS9 version 4.1\nglobal color=green dashlist=8 3 width=1\nfk5\n"
        'circle(16:53:51.766,+39:45:44.41,60")',
        '\ufeffcircle(16:53:51.766,+39:45:44.41,60.000")\r\n',
        "circle(16:53:51.766,+39:45:44.41,60″)",
        "circle(16:53:51.766,+39:45:44.41,60 arcsec)",
        "circle(16:53:51.766,+39:45:44.41,60'')",
    ],
)
def test_the_same_circle_in_many_ways(text):
    shape = one(text)
    assert shape.kind == "circle"
    assert shape.frame == "fk5"
    assert shape.points[0] == pytest.approx((RA, DEC), abs=1e-12)
    assert shape.sizes[0].deg * 3600 == pytest.approx(60.0)


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ("circle(100,200,3)", "physical"),
        ("circle 100 200 3", "physical"),
        ("circle(100 200 3)", "physical"),
        ("image;circle(100,200,3)", "image"),
        ("image ; circle(100,200,3)", "image"),
        ("physical\ncircle(100,200,3)", "physical"),
        ("detector\ncircle(100,200,3)", "detector"),
        ("# format: pixel\ncircle(100,200,3)", "physical"),
        ("circle(100p,200p,3)", "physical"),
        ("fk5;circle(100i,200i,3i)", "image"),
    ],
)
def test_pixel_frames(text, frame):
    shape = one(text)
    assert (shape.frame, shape.points, shape.sizes[0].value) == (frame, ((100.0, 200.0),), 3.0)


@pytest.mark.parametrize(
    ("text", "frame", "lon", "lat"),
    [
        ("circle(253.5d,39.75d,1')", "fk5", 253.5, 39.75),
        ("circle(253.5,39.75,0.05d)", "fk5", 253.5, 39.75),
        ("icrs;circle(253.5,39.75,1')", "icrs", 253.5, 39.75),
        ("b1950;circle(253.5,39.75,1')", "fk4", 253.5, 39.75),
        ("fk4;circle(16:54:00,-39:45:00,1')", "fk4", 253.5, -39.75),
        ("galactic;circle(120.5,-0.25,1')", "galactic", 120.5, -0.25),
        ("galactic;circle(120:30:00,-00:15:00,1')", "galactic", 120.5, -0.25),
        ("ecliptic;circle(120.5,-0.25,1')", "ecliptic", 120.5, -0.25),
        ("fk5;circle(1r,0.5r,1')", "fk5", 57.29577951308232, 28.64788975654116),
        ("fk5;circle(00:00:30,-00:00:30,1')", "fk5", 0.125, -30 / 3600),
        ("physical;circle(16:54:00,39:45:00,1')", "fk5", 253.5, 39.75),
        ("# format: hhmmss\ncircle(16:54:00,39:45:00,1')", "fk5", 253.5, 39.75),
    ],
)
def test_celestial_frames(text, frame, lon, lat):
    shape = one(text)
    assert shape.frame == frame
    assert shape.points[0] == pytest.approx((lon, lat), abs=1e-12)


@pytest.mark.parametrize(
    ("text", "kind", "sizes", "angles"),
    [
        ("annulus(1,2,3,4)", "annulus", (3, 4), ()),
        ("annulus(1,2,3,4,5,6)", "annulus", (3, 4, 5, 6), ()),
        ("annulus(1,2,3,6,n=3)", "annulus", (3, 6), ()),
        ("annulus 1 2 3 6 n = 3", "annulus", (3, 6), ()),
        ("ellipse(1,2,3,4)", "ellipse", (3, 4), (0,)),
        ("ellipse(1,2,3,4,30)", "ellipse", (3, 4), (30,)),
        ("ellipse(1,2,3,4,5,6,30)", "elliptannulus", (3, 4, 5, 6), (30, 30)),
        ("ellipse(1,2,3,4,5,6)", "elliptannulus", (3, 4, 5, 6), (0, 0)),
        ("ellipse(1,2,3,4,5,6,30,40)", "elliptannulus", (3, 4, 5, 6), (30, 40)),
        ("ellipse(1,2,3,4,9,12,n=3,30)", "elliptannulus", (3, 4, 9, 12), (30, 30)),
        ("ellipse(1,2,3,4,5,6,7,8,30)", "elliptannulus", (3, 4, 5, 6, 7, 8), (30, 30)),
        ("box(1,2,3,4)", "box", (3, 4), (0,)),
        ("rotbox(1,2,3,4,30)", "box", (3, 4), (30,)),
        ("box(1,2,3,4,5,6,30)", "boxannulus", (3, 4, 5, 6), (30, 30)),
        ("rectangle(1,2,3,4)", "rectangle", (), (0,)),
        ("rotrectangle(1,2,3,4,30)", "rectangle", (), (30,)),
        ("rhombus(1,2,3,4)", "diamond", (3, 4), (0,)),
        ("pie(1,2,30,40)", "sector", (), (30, 40)),
        ("pie(1,2,3,4,30,40)", "panda", (3, 4), (30, 40)),
        ("sector(1,2,30,40)", "sector", (), (30, 40)),
        ("panda(1,2,30,40,2,3,4,5)", "panda", (3, 4), (30, 40)),
        ("epanda(1,2,30,40,1,3,4,5,6,1)", "epanda", (3, 4, 5, 6), (30, 40, 0)),
        ("bpanda(1,2,30,40,1,3,4,5,6,1,50)", "bpanda", (3, 4, 5, 6), (30, 40, 50)),
        ("point(1,2)", "point", (), ()),
        ("circle point 1 2", "point", (), ()),
        ("line(1,2,3,4)", "line", (), ()),
        ("polygon(1,2,3,4,5,0)", "polygon", (), ()),
        ("cir(1,2,3)", "circle", (3,), ()),
        ("field()", "field", (), ()),
    ],
)
def test_shapes(text, kind, sizes, angles):
    shape = one(text)
    assert (shape.kind, tuple(s.value for s in shape.sizes), shape.angles) == (kind, sizes, angles)


def test_rings_in_angle_units_are_told_from_two_angles():
    shape = one('fk5;ellipse(10,20,1",2",3",4",5",6")')
    assert (len(shape.sizes), shape.angles) == (6, (0.0, 0.0))
    shape = one('fk5;ellipse(10,20,1",2",3",4",30,40)')
    assert (len(shape.sizes), shape.angles) == (4, (30.0, 40.0))


def test_lists_with_signs_separators_and_several_frames():
    region = parse_regions(
        'circle 100 100 10 ; ellipse 200 200 20 40\nfk5\n-circle(10:00:00,20:00:00,5")\n!box(150.01,20,5",5")\n'
        "image;circle(1,2,3) circle(4,5,6)-circle(4,5,1)  # color=red\n# text(1,2) text={not a shape}\n"
    )
    assert [s.kind for s in region.shapes] == ["circle", "ellipse", "circle", "box", "circle", "circle", "circle"]
    assert [s.include for s in region.shapes] == [True, True, False, False, True, True, False]
    assert [s.frame for s in region.shapes] == ["physical"] * 2 + ["fk5"] * 2 + ["image"] * 3
    assert [s.line for s in region.shapes] == [1, 1, 3, 4, 5, 5, 5]
    assert region.shapes[-1].properties == (("color", "red"),)


def test_composite_regions_are_a_union():
    region = parse_regions(
        "# Region file format: DS9 version 4.1\nphysical\n# composite(100,100,0) || composite=1 color=red\n"
        "circle(90,100,5) ||\nbox(110,100,8,8,0)\n"
    )
    assert region.to_pixel().contains([90, 110, 100], [100, 100, 100]).tolist() == [True, True, False]


@pytest.mark.parametrize("text", ["circle(10,10,5)*circle(14,10,5)", "circle(10,10,5) & circle(14,10,5)"])
def test_intersections(text):
    inside = parse_regions(text).to_pixel().contains([6, 12, 18], [10, 10, 10])
    assert inside.tolist() == [False, True, False]


def test_intersection_with_a_complement_touches_only_its_own_component():
    region = parse_regions("circle(10,10,5)\ncircle(30,10,5)*!box(30,10,2,2)\n").to_pixel()
    assert region.contains([10, 30, 33], [10, 10, 10]).tolist() == [True, False, True]


def test_exclusion_cuts_everything_before_it_and_nothing_after():
    text = "circle(10,10,5)\ncircle(14,10,5)\n-box(12,10,1,20)\ncircle(12,10,0.25)\n"
    assert parse_regions(text).to_pixel().contains([8, 12, 12.5, 16], [10, 10, 10.5, 10]).tolist() == [
        True,
        True,
        False,
        True,
    ]


def test_first_shape_excluded_includes_the_plane_and_says_so():
    with pytest.warns(WolterWarning, match="everything outside it is included"):
        region = parse_regions("-circle(10,10,5)\ncircle(10,10,2)\n")
    assert region.to_pixel().contains([10, 13, 100], [10, 10, 100]).tolist() == [True, False, True]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parse_regions("-circle(10,10,5)\n-circle(100,10,2)\n")


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("((X,Y) IN circle(26188,22816,1000))", [True, False, False, False]),
        ("(X,Y) in CIRCLE(26188,22816,1000)", [True, False, False, False]),
        ("circle(26188,22816,1000,X,Y)", [True, False, False, False]),
        ("((X,Y) IN circle(26188,22816,1000)) && !((X,Y) IN circle(26188,22816,100))", [False, False, False, False]),
        ("((X,Y) IN circle(26188,22816,9)) || ((X,Y) IN box(100,200,50,20,0))", [True, True, True, False]),
        ("(X,Y) IN box(100,200,50,20,90)", [False, False, True, False]),
        ("!((X,Y) IN circle(26188,22816,1000)) && (X,Y) IN rectangle(0,0,1000,1000,0)", [False, True, True, True]),
        ("&&((X,Y) IN annulus(100,200,10,60))\n&&!((X,Y) IN point(1,1))", [False, True, True, False]),
        ("!(((X,Y) IN circle(26188,22816,9)) || ((X,Y) IN box(100,200,50,20,0)))", [False, False, False, True]),
        ("(X,Y) IN ellipse(100,200,60,5,0) and not (X,Y) in diamond(100,200,10,10,0)", [False, True, False, False]),
    ],
)
def test_sas_expressions(text, inside):
    """Points at the first circle, 50 right of (100, 200), at (100, 200) + (0, 10), and far from all."""
    region = parse_regions(text)
    assert region.columns == ("X", "Y")
    assert region.to_pixel().contains([26188, 149.5, 100, 500], [22816, 200, 210, 900]).tolist() == inside


def test_sas_detector_columns():
    region = parse_regions("&&((DETX,DETY) IN circle(300,500,1200))&&!((DETX,DETY) IN circle(300,500,600))")
    assert region.columns == ("DETX", "DETY")
    assert region.to_pixel().contains([300, 1200], [500, 500]).tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(X,Y) IN circle(1,2)", "circle cannot have 2 arguments"),
        ("((X,Y) IN circle(1,2,3)", "a parenthesis is not closed"),
        ("(X,Y) IN circle(1,2,3) && PI > 200", "not a region expression"),
        ("(X,Y) IN circle(1,2,3) && (DETX,DETY) IN circle(1,2,3)", "DETX,DETY are mixed with X,Y"),
        ("(RA,DEC) IN circle(1,2,3)", "RA, DEC are not pixels"),
        ("(X,Y) IN sphere(1,2,3)", "unknown shape 'sphere'"),
        ("(X,Y) IN && (X,Y) IN circle(1,2,3)", "no shape follows"),
        ("(X,Y) IN circle(1,2,3) (X,Y) IN circle(1,2,3)", "something follows the expression"),
    ],
)
def test_sas_expressions_that_are_refused(text, message):
    with pytest.raises(RegionError, match=message):
        parse_regions(text, name="sel.txt")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no shape"),
        ("# only a comment\nfk5\n", "holds no shape"),
        ("circle(1,2)", r"line 1, 'circle\(1,2\)': circle cannot have 2 arguments. Write circle\(x, y, radius\)"),
        ("\nfk5\n cirle(1,2,3)", r"line 3, 'cirle\(1,2,3\)': unknown shape 'cirle'. Did you mean 'circle'"),
        ("kreis(1,2,3)", "Accepted are circle, annulus, ellipse"),
        ("fk7\ncircle(1,2,3)", "'fk7' is neither a coordinate frame nor a shape.*fk5, icrs, fk4"),
        ("linear\ncircle(1,2,3)", "coordinates 'linear' are not supported"),
        ("wcsa;circle(1,2,3)", "coordinates 'wcsa' are not supported"),
        ("fk5 circle(1,2,3)", "the frame 'fk5' must be followed by ';' or a new line"),
        ("circle(1,2,3", "a closing parenthesis is missing"),
        ("circle 1,2,3)", "a closing parenthesis has no opening one"),
        ("circle(1,(2),3)", "parenthesis within the parentheses"),
        ("circle(1,,2,3)", "an argument is missing between commas"),
        ("circle(1,2,3) and more", "unknown shape 'and'"),
        ("circle(1,2,three)", "'three' is not a number"),
        ("circle(1,2,nan)", "'nan' is not a number .a region needs finite numbers"),
        ("circle(1,2,1e999)", "not a finite number"),
        ("circle(1,2,3x)", "unknown unit 'x'"),
        ("circle(1,2,-3)", "size -3 is not positive"),
        ("circle(1,2,0)", "size 0 is not positive"),
        ("annulus(1,2,5,4)", "the inner size 5 is not smaller than the outer size 4"),
        ("annulus(1,2,3,4p)", "^"),
        ("annulus(1,2,3)", "annulus cannot have 3 arguments"),
        ("fk5;annulus(1,2,3',4p)", "units of different kinds"),
        ("ellipse(1,2,9,4,5,6,0)", "the inner size 9 is not smaller than the outer size 5"),
        ("polygon(1,2,3,4)", "polygon cannot have 4 arguments"),
        ("polygon(1,2,3,4,5,6,7)", "polygon cannot have 7 arguments"),
        ("panda(1,2,0,90,1,3,4)", "panda cannot have 7 arguments"),
        ("panda(1,2,0,90,1.5,3,4,1)", "'1.5' is not a number of subdivisions"),
        ("panda(1,2,90,90,1,3,4,1)", "start and stop angle are both 90 deg"),
        ("circle(1,2,3,n=2)", "'n=2' has no meaning in circle"),
        ("annulus(1,2,3,4,n=x)", "not a number of rings"),
        ("text(1,2) # text={x}", "'text' is an annotation that encloses no area"),
        ("region(other.reg)", "refers to another file"),
        ("circle(1,2,3)^circle(2,2,3)", "exclusive or"),
        ("*circle(1,2,3)", "starts with"),
        ("circle(1,2,3)|!circle(2,2,3)", "operators '|!' are not understood"),
        ("circle(16:63:00,39:45:00,1')", "minutes or seconds of 60 or more"),
        ("circle(25:00:00,39:45:00,1')", "more than 24 hours"),
        ("circle(16:53:00,95:00:00,1')", "latitude 95 deg is not between -90 and 90"),
        ("circle(16:53:00,10h,1')", "given in hours"),
        ("fk5;circle(400,10,1')", "longitude 400 deg"),
        ("circle(16:53:51:77,39:45:44,1')", "not a sexagesimal number"),
        ('circle(253.4,39.7,60")', "not clear whether 253.4, 39.7 are degrees or pixels.*Put 'fk5'"),
        ("circle(16:53:51.8,+39:45:44.4,60)", "size '60' has no unit.*60d .degrees. or 60p"),
        ("# format: degree\ncircle(253.4,39.7,60)", "size '60' has no unit"),
        ("# format: parsec\ncircle(1,2,3)", "unknown format 'parsec'"),
        ("circle(1,2,3)\n# format: degree", "format line must come before"),
        ("circle(10:00:00,10:00:00,1')\ncircle(150,10,5)", "not clear whether 150, 10"),
        ("circle(10p,10d,1')", "positions mix pixels and other units"),
        ("fk5;circle(10',10,1')", 'position "10\'" has a unit of size'),
        ("circle(10:00:00,10:00:00,1:00)", "size '1:00' is written as a position"),
        ("fk5;box(10,10,1',1',30\")", "angle '30\"' is not in degrees"),
        ("fk5;circle(10,10,95d)", "sizes must be below 90 deg"),
        ("detector\ncircle(1,2,3)\nphysical\ncircle(1,2,3)", "detector coordinates are mixed with physical"),
        ("300 300\n400 400", "'300 300' is not understood"),
    ],
)
def test_what_is_not_understood_is_refused(text, message):
    if message == "^":
        assert one(text).sizes[1] == Length(4.0, "p")
        return
    with pytest.raises(RegionError, match=message) as caught:
        parse_regions(text, name="src.reg")
    assert str(caught.value).startswith("src.reg: ") or caught.value.file == "src.reg"


def test_bare_sizes_of_a_celestial_frame_are_degrees_with_a_warning_unless_the_file_is_ds9s():
    with pytest.warns(WolterWarning, match="line 2.*taken as degrees"):
        region = parse_regions("fk5\ncircle(253.4,39.7,0.02)\n")
    assert region.shapes[0].sizes == (Length(0.02, "d"),)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = parse_regions("# Region file format: DS9 version 4.1\nfk5\ncircle(253.4,39.7,0.02)\n")
    assert again == region


def test_sticky_inference_of_cfitsio():
    """After a sexagesimal shape, numbers without a frame are degrees if a unit says they are on the sky."""
    region = parse_regions('circle(16:53:51.8,+39:45:44.4,90")\n-circle(253.47,39.76,10")\n')
    assert [s.frame for s in region.shapes] == ["fk5", "fk5"]


def test_global_and_local_properties_survive():
    region = parse_regions(
        '# Region file format: DS9 version 4.1\nglobal color=green dashlist=8 3 font="helvetica 10 normal"\n'
        "physical\npanda(1,2,0,360,4,5,10,2) # color=#48f text={a (b) = c} panda=(0 90 180 270)(5 7 10) tag={x}\n"
        "circle(5,6,7) # background\n"
    )
    assert dict(region.properties) == {"color": "green", "dashlist": "8 3", "font": '"helvetica 10 normal"'}
    assert dict(region.shapes[0].properties)["text"] == "{a (b) = c}"
    assert dict(region.shapes[0].properties)["panda"] == "(0 90 180 270)(5 7 10)"
    assert region.shapes[1].properties == (("background", ""),)
    assert parse_regions(region.to_ds9()) == region


def test_full_turn_of_a_panda_is_a_ring():
    """DS9 writes whole pandas as 0..360; cfitsio folds that to a single ray (see docs/decisions)."""
    ring = parse_regions("annulus(100,100,5,10)").to_pixel()
    panda = parse_regions("panda(100,100,0,360,4,5,10,1)").to_pixel()
    assert panda.area((1, 200, 1, 200)) == ring.area((1, 200, 1, 200))


def test_files(shared, tmp_path):
    stars = read_regions(shared("xmm/a907_0404910601/0404910601_sources.reg"))
    lines = shared("xmm/a907_0404910601/0404910601_sources.reg").read_text().splitlines()
    assert len(stars) == sum("ellipse" in line for line in lines)
    assert {s.frame for s in stars.shapes} == {"image"}
    assert dict(stars.properties) == {"color": "red"}
    assert stars.shapes[0].angles == (384.305,)
    cat = read_regions(shared("nustar/ss433_30002041016/30002041016A_StrayCatsI_704.reg")).shapes[0]
    assert (cat.frame, cat.points, cat.sizes) == ("image", ((87.0, -91.0),), (Length(211.63423),))
    sun = read_regions(shared("nustar/sol_80415201001/fpma.reg"))
    assert sun.shapes[0].sizes == (Length(90.310, '"'),)
    path = tmp_path / "latin.reg"
    path.write_bytes("circle(1,2,3) # text={\xe9toile}\n".encode("latin-1"))
    assert dict(read_regions(path).shapes[0].properties)["text"] == "{étoile}"


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(RegionError, match=r"nothing\.reg: the region file cannot be read"):
        read_regions(tmp_path / "nothing.reg")
    (tmp_path / "binary.reg").write_bytes(b"\0\1\2\3" * 10)
    with pytest.raises(RegionError, match="neither text nor FITS"):
        read_regions(tmp_path / "binary.reg")


def test_celestial_region_without_wcs():
    with pytest.raises(RegionError, match="no celestial system: no WCS was given"):
        parse_regions("fk5;circle(1,2,3')").to_pixel()
    with pytest.raises(RegionError, match="whose size is an angle"):
        parse_regions("physical;circle(1,2,3')").to_pixel(TanWCS())


def test_far_from_the_field():
    wcs = TanWCS((100.5, 100.5), (10.0, 20.0), ((-0.001, 0.0), (0.0, 0.001)), "TAN", "fk5")
    with pytest.raises(RegionError, match="more than 90 deg away from the field"):
        parse_regions("fk5;circle(190,-20,1')").to_pixel(wcs)
