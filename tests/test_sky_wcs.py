"""World coordinates against astropy.wcs and astropy.coordinates."""

from __future__ import annotations

import numpy as np
import pytest

from wolter import fits
from wolter.errors import DataError, RegionError, WolterWarning
from wolter.sky import TanWCS, parse_regions
from wolter.sky.frames import convert, north_angle


def _header(rng, kind, swapped=False):
    """A random celestial header: plain, with CROTA, PC or CD keywords."""
    from astropy.io import fits as afits

    h = afits.Header()
    code = rng.choice(["TAN", "SIN"])
    names = [f"RA---{code}", f"DEC--{code}"]
    values = [rng.uniform(0, 360), rng.uniform(-89, 89)]
    h["CTYPE1"], h["CTYPE2"] = names[::-1] if swapped else names
    h["CRVAL1"], h["CRVAL2"] = values[::-1] if swapped else values
    h["CRPIX1"], h["CRPIX2"] = rng.uniform(-500, 2000, 2)
    scale = 10 ** rng.uniform(-4, -2.5)
    if kind != "CD":
        h["CDELT1"], h["CDELT2"] = -scale * rng.choice([-1, 1]), scale * rng.uniform(0.8, 1.2)
    if kind == "CROTA":
        h["CROTA1" if swapped else "CROTA2"] = rng.uniform(-180, 180)
    if kind in ("PC", "CD"):
        for i in (1, 2):
            for j in (1, 2):
                value = (i == j) + 0.3 * rng.normal()
                h[f"{kind}{i}_{j}"] = value if kind == "PC" else value * scale
    h["RADESYS"], h["EQUINOX"] = "FK5", 2000.0
    if rng.random() < 0.3:
        h["LONPOLE"] = rng.uniform(0, 360)
    return h, scale


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("kind", ["plain", "CROTA", "PC", "CD"])
def test_agrees_with_astropy(kind, swapped):
    from astropy.coordinates import SkyCoord
    from astropy.wcs import WCS

    rng = np.random.default_rng([len(kind), swapped])
    for _ in range(25):
        h, scale = _header(rng, kind, swapped)
        ours, theirs = TanWCS.from_image_header(h), WCS(h)
        x, y = rng.uniform(-500, 2000, (2, 40))
        sky = theirs.all_pix2world(np.c_[x, y], 1)
        sky = sky[np.isfinite(sky[:, 0])][:, :: -1 if swapped else 1]
        ok = np.isfinite(theirs.all_pix2world(np.c_[x, y], 1)[:, 0])
        px, py = ours.sky_to_pixel(*sky.T)
        np.testing.assert_allclose(px, x[ok], rtol=0, atol=1e-9 if scale > 1e-3 else 3e-9)
        np.testing.assert_allclose(py, y[ok], rtol=0, atol=1e-9 if scale > 1e-3 else 3e-9)
        lon, lat = ours.pixel_to_sky(x[ok], y[ok])
        far = SkyCoord(*sky.T, unit="deg").separation(SkyCoord(lon, lat, unit="deg")).deg
        assert far.max() < 1e-11
        again = TanWCS.from_image_header(ours.header_cards())
        np.testing.assert_allclose(again.sky_to_pixel(*sky.T), (px, py), rtol=0, atol=1e-8)


def test_written_keywords_are_understood_by_astropy():
    from astropy.io import fits as afits
    from astropy.wcs import WCS

    rng = np.random.default_rng(3)
    for kind in ("plain", "CROTA", "PC", "CD"):
        h, _ = _header(rng, kind)
        ours = TanWCS.from_image_header(h)
        sky = ours.pixel_to_sky(np.array([10.0, 700.0]), np.array([20.0, 300.0]))
        theirs = WCS(afits.Header(ours.header_cards()))
        np.testing.assert_allclose(theirs.all_world2pix(np.transpose(sky), 1), [[10, 20], [700, 300]], atol=1e-8)


def test_event_columns(shared):
    """Numbers that the reference extractor computed for the seed's circle: 300.4999999999449, 300.5."""
    path = shared("ixpe/sim_mrk501_01004701/01004701/event_l2/ixpe01004701_det1_evt2_v01.fits.gz")
    with fits.open(path) as f:
        wcs = TanWCS.from_columns(f["EVENTS"], "X", "Y")
        assert TanWCS.from_columns(f["EVENTS"].header, "x", "y") == wcs
        with pytest.raises(DataError, match=r"no column 'DETX' among .*TIME"):
            TanWCS.from_columns(f["EVENTS"], "DETX", "DETY")
    assert (wcs.projection, wcs.frame, wcs.celestial) == ("TAN", "fk5", True)
    assert wcs.pixel_scale_deg * 3600 == pytest.approx(2.6, rel=1e-9)
    assert wcs.sky_to_pixel(253.46569166666666, 39.76233611111111) == pytest.approx((300.5, 300.5), abs=1e-6)
    cards = wcs.header_cards((7, 8))
    assert cards["TCTYP7"] == "RA---TAN"
    assert cards["TCRPX8"] == 300.5
    names = {"TFIELDS": 8} | {f"TTYPE{n}": f"C{n}" for n in range(1, 9)}
    assert TanWCS.from_columns(cards | names, "C7", "C8") == wcs


def test_coordinates_of_a_moving_object_are_not_celestial(shared):
    """TCRVL is a text there (heliocentric coordinates): pixel regions work, celestial ones are refused."""
    with fits.open(shared("nustar/sol_90410111001/nu90410111001A06_cl_sunpos.evt")) as f:
        wcs = TanWCS.from_columns(f["EVENTS"], "X", "Y")
    assert not wcs.celestial
    with pytest.raises(RegionError, match=r"no celestial system: TCRVL13 is the text '0\.0', not a number"):
        parse_regions('fk5;circle(0.1,0.1,90")').to_pixel(wcs)
    assert parse_regions("circle(1097,1542,150)").to_pixel(wcs).area((1, 3000, 1, 3000)) == 70681


def test_reference_keywords_stand_in_for_column_keywords():
    header = {"TFIELDS": 2, "TTYPE1": "X", "TTYPE2": "Y", "RADECSYS": "FK5", "EQUINOX": 2000.0}
    for axis, name, value in (("X", "RA---TAN", 149.6), ("Y", "DEC--TAN", -11.1)):
        header |= {f"REF{axis}CTYP": name, f"REF{axis}CRVL": value, f"REF{axis}CRPX": 25921.0}
        header[f"REF{axis}CDLT"] = -1.4e-5 if axis == "X" else 1.4e-5
    wcs = TanWCS.from_columns(header, "X", "Y")
    assert wcs.sky_to_pixel(149.6, -11.1) == pytest.approx((25921.0, 25921.0))


def test_without_keywords_there_is_no_sky():
    wcs = TanWCS.from_columns({"TTYPE1": "DETX", "TTYPE2": "DETY"}, "DETX", "DETY")
    assert not wcs.celestial
    with pytest.raises(RegionError, match="TCTYP1 is missing"):
        wcs.sky_to_pixel(1.0, 2.0)


def test_axes_that_are_not_celestial():
    wcs = TanWCS.from_image_header({"CTYPE1": "DETX", "CTYPE2": "DETY", "CRVAL1": 0.0, "CRVAL2": 0.0})
    with pytest.raises(RegionError, match="the axes are DETX, DETY"):
        wcs.require_celestial()


@pytest.mark.parametrize("code", ["ARC", "ZEA", "TAN-SIP"])
def test_other_projections_are_refused(code):
    with pytest.raises(DataError, match="not supported"):
        TanWCS.from_image_header({"CTYPE1": f"RA---{code}", "CTYPE2": f"DEC--{code}", "CRVAL1": 1.0, "CRVAL2": 1.0})


def test_zero_scale_is_refused():
    with pytest.raises(DataError, match="zero"):
        TanWCS.from_image_header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CDELT1": 0.0})


def test_unusual_equinox_warns():
    with pytest.warns(WolterWarning, match="1991"):
        TanWCS.from_image_header(
            {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 1.0, "CRVAL2": 2.0, "EQUINOX": 1991.0}
        )


@pytest.mark.parametrize(
    ("frame", "astropy_name"), [("fk4", "fk4"), ("galactic", "galactic"), ("ecliptic", "barycentricmeanecliptic")]
)
def test_frames_agree_with_astropy(frame, astropy_name):
    from astropy.coordinates import SkyCoord

    rng = np.random.default_rng(8)
    lon, lat = rng.uniform(0, 360, 200), np.degrees(np.arcsin(rng.uniform(-1, 1, 200)))
    other = SkyCoord(lon, lat, unit="deg", frame="fk5").transform_to(astropy_name)
    there = convert(lon, lat, "fk5", frame)
    apart = SkyCoord(*there, unit="deg").separation(SkyCoord(other.spherical.lon, other.spherical.lat)).arcsec
    assert apart.max() < 0.05
    back = convert(*there, frame, "fk5")
    np.testing.assert_allclose((back[0] - lon + 180) % 360 - 180, 0, atol=1e-10)
    np.testing.assert_allclose(back[1], lat, atol=1e-10)
    a, b = (SkyCoord(40.0, v, unit="deg", frame=astropy_name).icrs for v in (25.0, 25.001))
    expected = a.position_angle(b).deg
    assert (north_angle(40.0, 25.0, frame, "icrs") - expected + 180) % 360 - 180 == pytest.approx(0.0, abs=0.01)


def test_icrs_and_fk5_are_one():
    assert convert(10.0, 20.0, "icrs", "fk5") == (10.0, 20.0)
    assert north_angle(10.0, 20.0, "icrs", "fk5") == 0.0


def test_physical_pixels_of_a_binned_image():
    header = {"LTV1": -99.0, "LTV2": -199.0, "LTM1_1": 0.5, "LTM2_2": 0.5}
    wcs = TanWCS.from_image_header(header)
    assert wcs.physical_to_image(400.0, 600.0) == (101.0, 101.0)
    assert wcs.image_to_physical(101.0, 101.0) == (400.0, 600.0)
    region = parse_regions("physical;circle(400,600,20)").to_pixel(wcs)
    assert region.bounding_box() == (91.0, 111.0, 91.0, 111.0)
    assert parse_regions("image;circle(400,600,20)").to_pixel(wcs).bounding_box() == (380.0, 420.0, 580.0, 620.0)
    same = TanWCS.from_image_header(
        {f"CRPIX{i}P": 1.0 for i in (1, 2)} | {"CRVAL1P": 200.0, "CRVAL2P": 400.0, "CDELT1P": 2.0, "CDELT2P": 2.0}
    )
    assert same.physical == wcs.physical
