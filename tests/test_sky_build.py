"""Regions made in Python, and their exchange with the package regions."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

import wolter.sky as sky
from wolter.errors import RegionError, UnitError
from wolter.sky import Length, TanWCS, parse_regions

MRK501 = "16:53:51.766 +39:45:44.41"
RA, DEC = 253.46569166666666, 39.76233611111111
WCS = TanWCS(
    (300.5, 300.5), (RA, DEC), ((-13 / 18000, 0.0), (0.0, 13 / 18000)), "TAN", "fk5", ctype=("RA---TAN", "DEC--TAN")
)


@pytest.mark.parametrize(
    "center",
    [
        MRK501,
        "16h53m51.766s +39d45m44.41s",
        f"{RA}d {DEC}d",
        SkyCoord(RA, DEC, unit="deg", frame="fk5"),
        (RA * u.deg, DEC * u.deg),
        (RA * 60 * u.arcmin, np.radians(DEC) * u.rad),
    ],
)
def test_positions(center):
    region = sky.circle(center, 1 * u.arcmin)
    assert region.frame == "fk5"
    assert region.shapes[0].points[0] == pytest.approx((RA, DEC), abs=1e-12)
    assert region.shapes[0].sizes[0].deg == pytest.approx(1 / 60)


def test_skycoord_frames_are_kept():
    for name in ("icrs", "fk5", "fk4", "galactic"):
        center = SkyCoord(RA, DEC, unit="deg", frame="icrs").transform_to(name)
        region = sky.circle(center, 60 * u.arcsec)
        assert region.frame == name
        again = region.center
        assert again.separation(center).arcsec < 1e-6
        x, y, r = (getattr(region.to_pixel(WCS).components[0].include[0], k) for k in "xyr")
        assert (x, y, r) == pytest.approx((300.5, 300.5, 23.0769), abs=0.02)
    moved = SkyCoord(RA, DEC, unit="deg", frame="fk5", equinox="J1975")
    region = sky.circle(moved, 60 * u.arcsec)
    assert region.frame == "icrs"
    assert region.center.separation(moved).arcsec < 1e-6


def test_the_center_makes_a_background_ring():
    source = sky.circle(MRK501, 60 * u.arcsec)
    ring = sky.annulus(source.center, 132 * u.arcsec, 252 * u.arcsec)
    bounds = (1, 600, 1, 600)
    # Region pixels that the reference extractor counted for the seed's two regions.
    assert source.to_pixel(WCS, bounds).area() == 1672
    assert ring.to_pixel(WCS, bounds).area() == 21444


def test_every_constructor_says_what_its_text_says():
    pairs = [
        (sky.circle(MRK501, 1 * u.arcmin), f'circle({RA},{DEC},60")'),
        (sky.annulus(MRK501, 1 * u.arcmin, 120 * u.arcsec), f'annulus({RA},{DEC},60",120")'),
        (sky.ellipse(MRK501, 9 * u.arcsec, 5 * u.arcsec, 30 * u.deg), f'ellipse({RA},{DEC},9",5",30)'),
        (sky.ellipse(MRK501, 9 * u.arcsec, 5 * u.arcsec), f'ellipse({RA},{DEC},9",5",0)'),
        (sky.box(MRK501, 9 * u.arcsec, 5 * u.arcsec, 45 * u.deg), f'box({RA},{DEC},9",5",45)'),
        (
            sky.polygon(["10:00:00 20:00:00", "10:00:04 20:00:00", (150 * u.deg, 21 * u.deg)]),
            "polygon(150,20,150.01666666666668,20,150,21)",
        ),
        (
            sky.polygon(SkyCoord([150, 151, 150], [20, 20, 21], unit="deg", frame="fk5")),
            "polygon(150,20,151,20,150,21)",
        ),
        (
            sky.panda(MRK501, 0 * u.deg, 90 * u.deg, 5 * u.arcsec, 9 * u.arcsec),
            f'panda({RA},{DEC},0,90,1,5",9",1)',
        ),
    ]
    for made, text in pairs:
        read = parse_regions("fk5;" + text)
        assert made.shapes[0].kind == read.shapes[0].kind
        np.testing.assert_allclose(made.shapes[0].points, read.shapes[0].points, rtol=0, atol=1e-12)
        np.testing.assert_allclose([s.deg for s in made.shapes[0].sizes], [s.deg for s in read.shapes[0].sizes])
        assert made.shapes[0].angles == read.shapes[0].angles


def test_pixel_frames_take_plain_numbers():
    region = sky.circle((300.5, 300.5), 23, frame="physical")
    assert region.to_pixel().area((1, 600, 1, 600)) == 1664
    assert region.center == (300.5, 300.5)
    assert sky.circle((1, 2), 3, frame="detector").columns == ("DETX", "DETY")
    assert sky.circle((300.5, 300.5), 60 * u.arcsec, frame="physical").shapes[0].sizes == (Length(60.0, '"'),)
    assert sky.polygon([(0, 0), (4, 0), (0, 4)], frame="image").to_pixel().area((0, 9, 0, 9)) == 15


def test_galactic_text():
    assert sky.circle("120:30:00 -00:15:00", 1 * u.arcmin, frame="galactic").shapes[0].points == ((120.5, -0.25),)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sky.circle(MRK501, 60), r"radius has no unit \(got 60\).*arcsec.*60\*u\.arcsec"),
        (lambda: sky.circle(MRK501, 60 * u.keV), "radius is in keV, which cannot be converted to arcsec"),
        (lambda: sky.circle((253.4, 39.7), 60 * u.arcsec), r"position \(253\.4, 39\.7\) has no unit.*u\.deg"),
        (lambda: sky.circle("253.4 39.7", 60 * u.arcsec), "has no unit"),
        (lambda: sky.circle("253.4p 39.7p", 60 * u.arcsec), "is not an angle"),
        (lambda: sky.circle((1 * u.keV, 2 * u.keV), 60 * u.arcsec), "longitude is in keV"),
        (lambda: sky.circle(5, 60 * u.arcsec), "position 5 is not understood"),
        (lambda: sky.circle((1 * u.deg, 2 * u.deg), 3, frame="physical"), "two plain pixel numbers"),
        (lambda: sky.ellipse(MRK501, 9 * u.arcsec, 5 * u.arcsec, 30), "angle has no unit"),
        (lambda: sky.annulus(MRK501, 132, 252 * u.arcsec), "inner radius has no unit"),
    ],
)
def test_units_are_asked_for(call, message):
    with pytest.raises(UnitError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sky.circle("somewhere", 60 * u.arcsec), "is not a number"),
        (lambda: sky.circle("10:00:00", 60 * u.arcsec), "is not two numbers"),
        (lambda: sky.circle(MRK501, np.nan * u.arcsec), "not a finite number"),
        (lambda: sky.circle(MRK501, -1 * u.arcsec), "is not positive"),
        (lambda: sky.annulus(MRK501, 9 * u.arcsec, 5 * u.arcsec), "not smaller than the outer"),
        (lambda: sky.circle(MRK501, 1 * u.arcsec, frame="fk55"), "unknown coordinate frame 'fk55'. Did you mean 'fk5'"),
        (lambda: sky.circle(SkyCoord([1, 2], [3, 4], unit="deg"), 1 * u.arcsec), "one position is needed"),
        (lambda: sky.polygon(["10:00:00 20:00:00", "10:00:04 20:00:00"]), "at least three corners"),
        (
            lambda: sky.polygon([MRK501, SkyCoord(1, 2, unit="deg"), MRK501]),
            "different frames: fk5, icrs",
        ),
        (lambda: sky.as_region(5), "is no region"),
        (lambda: parse_regions("polygon(1,2,3,4,5,6)").center, "a polygon has no centre"),
    ],
)
def test_what_makes_no_region(call, message):
    with pytest.raises(RegionError, match=message):
        call()


def test_as_region(tmp_path):
    import regions

    made = sky.circle((1, 2), 3, frame="physical")
    assert sky.as_region(made) is made
    assert sky.as_region("circle(1,2,3)") == made
    path = made.write(tmp_path / "a (1).reg")
    assert sky.as_region(path) == made
    assert sky.as_region(str(path)) == made
    theirs = regions.CirclePixelRegion(regions.PixCoord(0, 1), 3)
    assert sky.as_region(theirs).shapes[0].points == ((1.0, 2.0),)


# -------------------------------------------------------------------- the package regions

TEXTS = [
    'circle(253.46,39.765,120")',
    'annulus(253.46,39.765,60",180")',
    'ellipse(253.46,39.765,120",48",45)',
    'ellipse(253.46,39.765,40",20",120",60",45)',
    'box(253.46,39.765,210",90",30)',
    'box(253.46,39.765,60",30",210",90",30)',
    "polygon(253.50,39.75,253.44,39.735,253.43,39.78,253.47,39.80,253.455,39.77)",
]


@pytest.mark.parametrize("frame", ["fk5", "physical"])
@pytest.mark.parametrize("text", TEXTS)
def test_masks_of_the_package_regions(text, frame):
    """Random points fall inside the same shapes; the few within 0.01 pixel of an edge may differ."""
    import regions
    from astropy.io import fits as afits
    from astropy.wcs import WCS as AWCS

    placed = parse_regions("fk5;" + text)
    if frame == "physical":
        numbers = placed.to_pixel(WCS)
        placed = parse_regions(_pixel_text(numbers))
    x, y = np.random.default_rng(4).uniform(200, 400, (2, 20000))
    ours = placed.to_pixel(WCS).contains(x, y)
    theirs = placed.to_regions()[0]
    if frame == "fk5":
        theirs = theirs.to_pixel(AWCS(afits.Header(WCS.header_cards())))
    inside = theirs.contains(regions.PixCoord(x - 1, y - 1))
    assert ours.sum() > 400
    assert np.count_nonzero(ours != inside) <= 4
    assert sky.from_regions(placed.to_regions()).to_pixel(WCS).area((1, 600, 1, 600)) == placed.to_pixel(WCS).area(
        (1, 600, 1, 600)
    )


def _pixel_text(region):
    """Text of a placed shape in pixels, through a FITS region extension."""
    from wolter.sky.fitsregion import from_hdu

    return from_hdu(region.to_fits_hdu()).to_ds9()


@pytest.mark.parametrize("text", TEXTS)
def test_the_package_regions_reads_our_files(text):
    import regions

    made = parse_regions("fk5;" + text + " # color=red text={a b}")
    theirs = regions.Regions.parse(made.to_ds9(), format="ds9")
    assert len(theirs) == 1
    assert theirs[0].visual["color"] == "red" if "color" in theirs[0].visual else True
    again = sky.from_regions(theirs)
    bounds = (1, 600, 1, 600)
    assert again.to_pixel(WCS, bounds).area() == made.to_pixel(WCS, bounds).area()


def test_exclusions_and_what_the_package_lacks():
    region = parse_regions("physical;circle(10,10,5)-point(10,10)")
    theirs = region.to_regions()
    assert [r.meta["include"] for r in theirs] == [True, False]
    assert [s.include for s in sky.from_regions(theirs).shapes] == [True, False]
    with pytest.raises(RegionError, match="has no panda"):
        parse_regions("panda(1,2,0,90,1,3,4,1)").to_regions()
    with pytest.raises(RegionError, match="is not a list of regions"):
        parse_regions("circle(1,2,3)*circle(2,2,3)").to_regions()
    with pytest.raises(RegionError, match="an angle, the position pixels"):
        parse_regions("physical;circle(1,2,3')").to_regions()
    import regions

    with pytest.raises(RegionError, match="TextPixelRegion of the package regions is not supported"):
        sky.from_regions([regions.TextPixelRegion(regions.PixCoord(1, 2), "x")])
