"""Masks, areas, algebra and round trips of regions."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wolter.errors import RegionError
from wolter.sky import Length, RegionSet, Shape, TanWCS, parse_regions
from wolter.sky.logic import complement, from_list, intersection, to_list

WCS = TanWCS(
    (100.5, 100.5), (150.25, -11.0), ((-0.002, 0.0), (0.0, 0.002)), "TAN", "fk5", ctype=("RA---TAN", "DEC--TAN")
)
PLANE = (1.0, 200.0, 1.0, 200.0)


def place(text, bounds=PLANE, wcs=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return parse_regions(text).to_pixel(wcs, bounds)


# -------------------------------------------------------------------- numbers from elsewhere


@pytest.mark.parametrize(
    ("radius", "points"), [(1, 5), (2, 13), (3, 29), (4, 49), (5, 81), (10, 317), (20, 1257), (30, 2821), (50, 7845)]
)
def test_lattice_points_in_a_circle(radius, points):
    """The Gauss circle problem (OEIS A000328): points on the circle count."""
    assert place(f"circle(100,100,{radius})").area() == points


@pytest.mark.parametrize(
    "corners",
    [
        [(20, 20), (120, 20), (120, 60), (20, 60)],
        [(20, 20), (120, 40), (60, 160)],
        [(50, 50), (100, 50), (100, 100), (75, 75), (50, 100)],
        [(10, 10), (190, 10), (190, 20), (20, 20), (20, 180), (190, 180), (190, 190), (10, 190)],
    ],
)
def test_lattice_points_in_a_polygon(corners):
    """Pick's theorem: points inside or on the boundary = A + B/2 + 1."""
    x, y = np.array(corners).T
    area = 0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))
    boundary = np.gcd(np.roll(x, -1) - x, np.roll(y, -1) - y).sum()
    text = "polygon(" + ",".join(f"{a},{b}" for a, b in corners) + ")"
    assert place(text).area() == area + boundary / 2 + 1


# -------------------------------------------------------------------- random regions

numbers = st.one_of(
    st.integers(20, 180), st.floats(20, 180).map(lambda v: round(v, 3)), st.integers(40, 360).map(lambda v: v / 2)
)
small = st.one_of(st.integers(2, 30), st.floats(2, 30).map(lambda v: round(v, 3)))
large = st.one_of(st.integers(31, 70), st.floats(31, 70).map(lambda v: round(v, 3)))
angle = st.floats(-360, 360).map(lambda v: round(v, 2))


def _lengths(draw, values, celestial):
    if not celestial:
        return tuple(Length(float(v)) for v in values)
    unit = draw(st.sampled_from(['"', "'", "d"]))
    scale = {'"': 7.2, "'": 0.12, "d": 0.002}[unit]
    return tuple(Length(float(v) * scale, unit) for v in values)


KINDS = (
    *("circle", "annulus", "ellipse", "elliptannulus", "box", "boxannulus", "rectangle", "diamond", "sector", "panda"),
    *("epanda", "bpanda", "polygon", "point", "line"),
)


@st.composite
def shapes(draw, frames=("physical",), signs=(True, False)):
    frame = draw(st.sampled_from(frames))
    celestial = frame not in ("physical", "image")
    kind = draw(st.sampled_from(KINDS))
    count = {"rectangle": 2, "line": 2}.get(kind, draw(st.integers(3, 20)) if kind == "polygon" else 1)
    points = tuple((float(draw(numbers)), float(draw(numbers))) for _ in range(count))
    if celestial:
        points = tuple((150.25 + (x - 100) * 0.002, -11.0 + (y - 100) * 0.002) for x, y in points)
    two, four = [draw(large), draw(large)], [draw(small), draw(small), draw(large), draw(large)]
    sizes = {"circle": two[:1], "annulus": [four[0], four[2]], "panda": [four[0], four[2]]}.get(kind)
    if sizes is None:
        sizes = two if kind in ("ellipse", "box", "diamond") else four
        sizes = sizes if kind in ("ellipse", "box", "diamond") or "annulus" in kind or kind[1:] == "panda" else []
    start = draw(angle)
    angles = {"sector": 2, "panda": 2, "epanda": 3, "bpanda": 3, "elliptannulus": 2, "boxannulus": 2}.get(kind)
    if angles is None:
        angles = 1 if kind in ("ellipse", "box", "rectangle", "diamond") else 0
    turned = [draw(angle) for _ in range(angles)]
    if kind in ("sector", "panda", "epanda", "bpanda"):
        turned[:2] = [start, start + draw(st.floats(1, 300).map(lambda v: round(v, 2)))]
    counts = (draw(st.integers(1, 4)), draw(st.integers(1, 4))) if "panda" in kind else ()
    properties = draw(st.sampled_from([(), (("color", "red"),), (("text", "{a, b}"), ("width", "2"))]))
    include = draw(st.sampled_from(signs))
    return Shape(kind, frame, points, _lengths(draw, sizes, celestial), tuple(turned), counts, include, properties)


every_frame = ("physical", "image", "fk5", "icrs", "fk4", "galactic", "ecliptic")


@settings(max_examples=150, deadline=None)
@given(st.lists(shapes(frames=every_frame), min_size=1, max_size=6))
def test_ds9_text_reads_back_as_the_same_region(items):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        region = RegionSet(tuple(items), properties=(("color", "green"),))
        again = parse_regions(region.to_ds9())
    assert again == region


@settings(max_examples=60, deadline=None)
@given(shapes(frames=("fk5", "galactic", "fk4")))
def test_sexagesimal_text_is_the_same_to_a_microarcsec(shape):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = parse_regions(RegionSet((shape,)).to_ds9(sexagesimal=True)).shapes[0]
    assert again.frame == shape.frame
    np.testing.assert_allclose(again.points, np.array(shape.points), rtol=0, atol=3e-10)
    assert again.sizes == shape.sizes


GRID = np.meshgrid(np.arange(1.0, 201.0), np.arange(1.0, 201.0))


@settings(max_examples=60, deadline=None)
@given(st.lists(shapes(frames=("physical", "fk5")), min_size=1, max_size=5))
def test_area_and_mask_count_the_pixels_inside(items):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        region = RegionSet(tuple(items)).to_pixel(WCS, PLANE)
    # Every pixel tested one by one, shape by shape, without the tiles and bounding boxes that area() uses.
    inside = np.zeros(GRID[0].shape, bool)
    for component in region.components:
        part = np.ones(inside.shape, bool)
        for shape in component.include:
            part &= shape.contains(*GRID)
        for shape in component.exclude:
            part &= ~shape.contains(*GRID)
        inside |= part
    assert region.area() == inside.sum()
    np.testing.assert_array_equal(region.mask(200, 200), inside)
    np.testing.assert_array_equal(region.contains(*GRID), inside)
    columns, rows = np.flatnonzero(inside.any(axis=0)), np.flatnonzero(inside.any(axis=1))
    extent = (columns[0] + 1, columns[-1] + 1, rows[0] + 1, rows[-1] + 1) if columns.size else None
    assert region.pixel_extent() == extent


@settings(max_examples=60, deadline=None)
@given(shapes(frames=("physical", "fk5"), signs=(True,)), st.integers(0, 2**32 - 1))
def test_clearance_never_exceeds_the_distance_to_the_boundary(shape, seed):
    """Two points nearer to each other than the clearance of the first are both inside or both outside."""
    rng = np.random.default_rng(seed)
    placed = RegionSet((shape,)).to_pixel(WCS, PLANE).components[0].include[0]
    x, y = rng.uniform(0, 200, (2, 400))
    clear = placed.clearance(x, y)
    phi, r = rng.uniform(0, 2 * np.pi, 400), np.minimum(clear * 0.999999, 300.0)
    np.testing.assert_array_equal(placed.contains(x, y), placed.contains(x + r * np.cos(phi), y + r * np.sin(phi)))
    x1, x2, y1, y2 = placed.extent
    inside = placed.contains(x, y)
    assert np.all((x[inside] >= x1 - 1e-9) & (x[inside] <= x2 + 1e-9))
    assert np.all((y[inside] >= y1 - 1e-9) & (y[inside] <= y2 + 1e-9))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(shapes(), min_size=1, max_size=3), st.lists(shapes(), min_size=1, max_size=3), st.integers(0, 2**32 - 1)
)
def test_algebra(first, second, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, 200, (2, 500))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        a, b = RegionSet(tuple(first)), RegionSet(tuple(second))
        in_a, in_b = a.to_pixel().contains(x, y), b.to_pixel().contains(x, y)
        results = {"or": (a | b, in_a | in_b)}
        for name, make, expected in (
            ("and", lambda: a & b, in_a & in_b),
            ("exclude", lambda: a.exclude(b), in_a & ~in_b),
            ("not", lambda: ~a, ~in_a),
        ):
            if expected.any():
                results[name] = (make(), expected)
        for name, (region, expected) in results.items():
            np.testing.assert_array_equal(region.to_pixel().contains(x, y), expected, err_msg=name)


@settings(max_examples=80, deadline=None)
@given(st.lists(shapes(), min_size=1, max_size=6))
def test_list_rule_and_its_inverse(items):
    components = from_list(items)
    as_list = to_list(components)
    if as_list is not None:
        assert {frozenset(c) for c in from_list(as_list)} == {frozenset(c) for c in components}
    twice = complement(complement(components))
    x, y = GRID[0][::7, ::7], GRID[1][::7, ::7]

    def inside(parts):
        if not parts:
            return np.zeros(x.shape, bool)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return RegionSet(tuple(items), tuple(parts)).to_pixel().contains(x, y)

    np.testing.assert_array_equal(inside(twice), inside(components))
    np.testing.assert_array_equal(inside(intersection(components, components)), inside(components))


# -------------------------------------------------------------------- input types


@pytest.mark.parametrize("dtype", ["i2", "i4", "i8", "u2", "f4", "f8", ">i2", ">f4", "f2"])
def test_any_column_type(dtype):
    region = place("circle(100.25,90,20)\n-box(105,90,8,8,0)\ncircle(300,300,5)")
    x, y = (np.rint(v).astype(dtype).ravel() for v in GRID)
    expected = place("circle(100.25,90,20)\n-box(105,90,8,8,0)").contains(*GRID).ravel()
    np.testing.assert_array_equal(region.contains(x, y), expected)
    assert region.contains(x, y).sum() > 1000


def test_limits_beyond_the_range_of_a_small_integer_type():
    x = np.array([-32768, 0, 32767], np.int16)
    assert place("circle(40000,0,7300)").contains(x, x * 0).tolist() == [False, False, True]
    assert place("circle(90000,0,10)").contains(x, x * 0).tolist() == [False, False, False]
    assert place("circle(0,0,90000)").contains(x, x * 0).tolist() == [True, True, True]


def test_float32_edges_are_judged_in_float64():
    """The next float32 beyond the radius is outside, the one before inside, however large the coordinates."""
    for centre, radius in ((25900.0, 1200.0), (300.5, 23.0)):
        edge = np.float32(centre + radius)
        x = np.array([np.nextafter(edge, np.float32(0)), edge, np.nextafter(edge, np.float32(1e9))], np.float32)
        y = np.full(3, centre, np.float32)
        assert place(f"circle({centre},{centre},{radius})").contains(x, y).tolist() == [True, True, False]


def test_nan_is_outside():
    x, y = np.array([np.nan, 5.0, np.inf]), np.array([5.0, np.nan, 5.0])
    for text in ("circle(5,5,3)", "-circle(50,50,3)", "field()", "box(5,5,3,3)\n-circle(5,5,1)", "sector(0,0,0,90)"):
        assert not place(text).contains(x, y).any(), text


def test_many_points_in_pieces_and_any_shape():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 200, (2, 300_000))
    region = place("circle(100,100,50)\ncircle(150,100,20)")
    expected = (np.hypot(x - 100, y - 100) <= 50) | (np.hypot(x - 150, y - 100) <= 20)
    np.testing.assert_array_equal(region.contains(x, y), expected)
    np.testing.assert_array_equal(region.contains(x.reshape(300, -1), y.reshape(300, -1)), expected.reshape(300, -1))
    assert region.contains(100.0, 100.0).shape == ()
    assert region.contains([], []).shape == (0,)


# -------------------------------------------------------------------- areas, masks, boxes


def test_area_of_a_large_plane():
    """XMM-like plane of 51840 squared: counting needs no such image."""
    region = place("-circle(25000,25000,1000)", (1, 51840, 1, 51840))
    inside = place("circle(25000,25000,1000)", (1, 51840, 1, 51840))
    assert inside.area() == pytest.approx(np.pi * 1e6, rel=1e-4)
    assert region.area() + inside.area() == 51840**2


def test_area_is_cut_to_the_plane():
    assert place("circle(1,1,5)").area() == 26
    assert place("circle(1,1,5)", (0.5, 200.5, 0.5, 200.5)).area() == 26
    assert place("circle(1,1,5)").area((-10, 10, -10, 10)) == 81
    assert place("circle(1,1,5)", None).area() == 81


def test_unbounded_area_needs_a_plane():
    with pytest.raises(RegionError, match=r"not bounded.*Give bounds"):
        place("sector(1,1,0,90)", None).area()


def test_binned_mask():
    mask = place("circle(20.5,40.5,8)").mask(50, 60, binning=4)
    centres = np.meshgrid(2.5 + 4 * np.arange(50), 2.5 + 4 * np.arange(60))
    np.testing.assert_array_equal(mask, np.hypot(centres[0] - 20.5, centres[1] - 40.5) <= 8)
    shifted = place("circle(20.5,40.5,8)").mask(20, 20, x_first=11, y_first=31)
    np.testing.assert_array_equal(shifted, place("circle(20.5,40.5,8)").mask(200, 200)[30:50, 10:30])


def test_bounding_box_of_rotated_shapes():
    box = place("box(100,100,40,20,30)").bounding_box()
    half = (20 * np.cos(np.pi / 6) + 10 * np.sin(np.pi / 6), 20 * np.sin(np.pi / 6) + 10 * np.cos(np.pi / 6))
    assert box == pytest.approx((100 - half[0], 100 + half[0], 100 - half[1], 100 + half[1]))
    assert place("circle(1,1,5)").bounding_box() == (1.0, 6.0, 1.0, 6.0)
    assert place("sector(1,1,0,90)", None).bounding_box() == (-np.inf, np.inf, -np.inf, np.inf)


# -------------------------------------------------------------------- checks


def test_check_counts_what_is_there():
    assert place("circle(100,100,5)").check() == 81


def test_region_outside_the_field_says_where_both_are():
    with pytest.raises(
        RegionError, match=r"lies outside the field: it covers X 490\.\.510, Y 90\.\.110, the field X 1\.\.200"
    ):
        place("circle(500,100,10)").check()
    with pytest.raises(RegionError, match=r"its centre is at 151\.2\d+, -11\.\d+ deg \(fk5\), the field's at 150\.25"):
        place('fk5;circle(151.25,-11,10")', wcs=WCS).check()


def test_region_without_pixels():
    with pytest.raises(RegionError, match="holds no pixel"):
        place("circle(100.5,100.5,0.2)").check()
    with pytest.raises(RegionError, match="holds no pixel"):
        place("circle(100,100,5)\n-circle(100,100,6)").check()
    with pytest.raises(RegionError, match="its shapes do not overlap"):
        place("circle(50,50,5)*circle(100,100,5)").check()


def test_check_needs_a_plane():
    with pytest.raises(RegionError, match="without the size of the plane"):
        place("circle(100,100,5)", None).check()


@pytest.mark.parametrize("bounds", [(1, 2, 3), (10, 1, 1, 10), (1, np.nan, 1, 10)])
def test_improper_bounds(bounds):
    with pytest.raises(RegionError, match=r"are not .xmin, xmax, ymin, ymax"):
        parse_regions("circle(1,2,3)").to_pixel(None, bounds)


# -------------------------------------------------------------------- frames of the sky


def test_mirrored_field_selects_the_same_sky():
    """East to the right: positions, rotated shapes and sectors stay where they are on the sky."""
    mirrored = TanWCS((100.5, 100.5), (150.25, -11.0), ((0.002, 0.0), (0.0, 0.002)), "TAN", "fk5")
    x, y = np.random.default_rng(2).uniform(20, 180, (2, 4000))
    lon, lat = WCS.pixel_to_sky(x, y)
    for text in (
        "ellipse(150.27,-11.01,6',2',30)",
        "panda(150.27,-11.01,20,110,1,1',8',1)",
        "pie(150.27,-11.01,-30,80)",
        "epanda(150.27,-11.01,10,100,1,1',0.5',8',4',1,25)",
        "box(150.27,-11.01,6',2',30)",
    ):
        here = place("fk5;" + text, wcs=WCS).contains(x, y)
        there = place("fk5;" + text, wcs=mirrored).contains(*mirrored.sky_to_pixel(lon, lat))
        assert here.sum() > 50
        assert np.count_nonzero(here != there) <= 1  # a point may fall on the edge


def test_turned_field_selects_the_same_sky():
    c, s = np.cos(0.7), np.sin(0.7)
    turned = TanWCS((100.5, 100.5), (150.25, -11.0), ((-0.002 * c, -0.002 * s), (-0.002 * s, 0.002 * c)), "TAN", "fk5")
    x, y = np.random.default_rng(2).uniform(20, 180, (2, 4000))
    lon, lat = WCS.pixel_to_sky(x, y)
    for text in ("ellipse(150.27,-11.01,6',2',30)", "panda(150.27,-11.01,20,110,1,1',8',1)"):
        here = place("fk5;" + text, wcs=WCS).contains(x, y)
        there = place("fk5;" + text, wcs=turned).contains(*turned.sky_to_pixel(lon, lat))
        assert here.sum() > 50
        assert np.count_nonzero(here != there) <= 1


@pytest.mark.parametrize("frame", ["galactic", "ecliptic", "fk4"])
def test_other_frames_land_on_the_same_sky(frame):
    from astropy.coordinates import SkyCoord

    name = {"ecliptic": "barycentricmeanecliptic"}.get(frame, frame)
    centre = SkyCoord(150.27, -11.01, unit="deg", frame="fk5")
    there = centre.transform_to(name).spherical
    text = f"{frame};ellipse({there.lon.deg},{there.lat.deg},6',2',30)"
    shape = place(text, wcs=WCS).components[0].include[0]
    assert (shape.x, shape.y) == pytest.approx(WCS.sky_to_pixel(150.27, -11.01), abs=0.01)
    # The semi-axis a points 30 deg from that frame's west to its north: along position angle -60 deg there.
    tip = SkyCoord(there.lon, there.lat, frame=name).directional_offset_by(
        -60 * np.pi / 180 * _radian(), 360 * _arcsec()
    )
    px, py = WCS.sky_to_pixel(tip.fk5.ra.deg, tip.fk5.dec.deg)
    expected = np.degrees(np.arctan2(py - shape.y, px - shape.x))
    assert (shape.angle - expected + 90) % 180 - 90 == pytest.approx(0.0, abs=0.1)


def _radian():
    from astropy import units as u

    return u.Unit("rad")


def _arcsec():
    from astropy import units as u

    return u.Unit("arcsec")
