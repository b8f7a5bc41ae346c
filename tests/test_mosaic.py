"""Grids, rate maps and mosaics, against SAS's maps, astropy's WCS and reproject."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits as afits
from astropy.wcs import WCS

from wolter import fits
from wolter.data import EventList, ExposureMap, Image, ImageGrid, RateMap
from wolter.errors import DataError, ParameterError, RegionError, UnitError
from wolter.makers import common_grid, make_image, mosaic, regrid
from wolter.makers.mosaics import PixelMap
from wolter.missions.xmm_epic.emosaic import TASK

pytestmark = pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")

OBSERVATIONS = ("0201903501", "0404910601")
CAMERAS = ("mos1", "mos2", "pn")


def names(shared, kind="img", band="0.50-2.00"):
    return [
        shared("xmm", f"a907_{o}") / f"{o}_{camera}_exp1-{band}keV{kind}.fits"
        for o in OBSERVATIONS
        for camera in CAMERAS
    ]


@pytest.fixture(scope="module")
def pairs(shared):
    images = [Image.read(name) for name in names(shared)]
    return images, [ExposureMap.read(name) for name in names(shared, "expmap")]


def turned(angle: float, scale: float = 1.0, shape=(300, 320), center=(149.62, -11.08)) -> ImageGrid:
    """A grid whose axes are turned against north."""
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    step = 4.35 / 3600 * scale
    header = {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": shape[1] / 2, "CRPIX2": shape[0] / 2, "CRVAL1": center[0],
        "CRVAL2": center[1], "CD1_1": -step * c, "CD1_2": step * s, "CD2_1": step * s, "CD2_2": step * c,
        "RADESYS": "FK5", "EQUINOX": 2000.0,
    }  # fmt: skip
    return ImageGrid.from_header(header, shape)


def astropy_wcs(grid: ImageGrid) -> WCS:
    return WCS(afits.Header(grid.sky.header_cards()))


# -- grids -------------------------------------------------------------------------------------------------------------


def test_grid_of_a_sas_image(shared):
    image = Image.read(names(shared)[0])
    grid = image.grid
    assert (grid.first, grid.binning, grid.shape) == ((3649, 3649), 87, (512, 512))
    assert grid.pixel_to_column(1, 1) == (3692, 3692)
    assert grid.column_to_pixel(3692 + 87 * 511, 3692) == (512, 1)


def test_pixels_between_grids_follow_astropy(pairs):
    source, target = pairs[0][0].grid, turned(33.0, 1.7)
    rng = np.random.default_rng(5)
    x, y = rng.uniform(1, 512, (2, 400))
    mapping = PixelMap.between(source, target)
    assert mapping.matrix is not None
    u_, v_ = mapping(x, y)
    ra, dec = astropy_wcs(source).all_pix2world(x, y, 1)
    a, b = astropy_wcs(target).all_world2pix(ra, dec, 1)
    assert np.hypot(u_ - a, v_ - b).max() < 1e-6


def test_cutout_and_rebin_keep_the_sky(pairs):
    image = pairs[0][3]
    part = image.cutout("09:58:22.2 -11:03:35", 8 * u.arcmin)
    x, y = part.pixel("09:58:22.2 -11:03:35")
    assert abs(x - (part.shape[1] + 1) / 2) < 1.0
    assert abs(y - (part.shape[0] + 1) / 2) < 1.0
    for one in (part, image.rebin(4), part.rebin(3)):
        ra, dec = astropy_wcs(image.grid).all_pix2world(250.3, 260.7, 1)
        p, q = WCS(afits.Header({k: one.header[k] for k in _KEYS})).all_world2pix(ra, dec, 1)
        column = image.grid.pixel_to_column(250.3, 260.7)
        assert np.allclose(one.grid.column_to_pixel(*column), (p, q), atol=1e-6)
    assert image.rebin(4).data.sum() == image.data.sum()
    whole = image.data.reshape(128, 4, 128, 4).sum(axis=(1, 3))
    assert np.array_equal(image.rebin(4).data, whole)


_KEYS = [f"{stem}{n}" for stem in ("CTYPE", "CRPIX", "CRVAL", "CDELT", "CUNIT") for n in (1, 2)]


def test_what_maps_of_sas_say(shared):
    for band, energies in (("0.50-2.00", (0.5, 2.0)), ("2.00-10.00", (2.0, 10.0))):
        for name in names(shared, "expmap", band):
            one = ExposureMap.read(name)
            assert one.energy == energies
            assert one.vignetted


def test_sizes_need_units(pairs):
    with pytest.raises(UnitError):
        pairs[0][0].cutout("09:58:22.2 -11:03:35", 5)
    with pytest.raises(DataError, match="number of pixels"):
        pairs[0][0].smooth("wide")


def test_exposure_is_averaged_when_rebinned(pairs):
    exposure = pairs[1][0]
    assert np.allclose(exposure.rebin(2).data, exposure.data.reshape(256, 2, 256, 2).mean(axis=(1, 3)))


def test_grid_around_a_position():
    grid = ImageGrid.around("09:58:22.2 -11:03:35", (10 * u.arcmin, 6 * u.arcmin), 4 * u.arcsec)
    assert grid.shape == (90, 150)
    ra, dec = astropy_wcs(grid).all_pix2world(75.5, 45.5, 1)
    assert (float(ra), float(dec)) == pytest.approx((149.5925, -11.0597222), abs=1e-6)
    with pytest.raises(UnitError):
        ImageGrid.around("09:58:22.2 -11:03:35", 10, 4 * u.arcsec)


# -- rate maps ---------------------------------------------------------------------------------------------------------


def test_rate_map_divides_where_exposed(pairs, tmp_path):
    image, exposure = pairs[0][0], pairs[1][0]
    rate = RateMap(image, exposure)
    with np.errstate(all="ignore"):
        expected = np.where(exposure.data > 0, image.data / exposure.data, 0.0)
    assert np.array_equal(rate.data, expected)
    blank = RateMap(image, exposure, outside=np.nan)
    assert np.array_equal(np.isnan(blank.data), exposure.data == 0)
    position = "09:58:22.2 -11:03:35"
    x, y = astropy_wcs(image.grid).all_world2pix(149.5925, -11.0597222, 0)
    assert rate.rate_at(position) == expected[round(float(y)), round(float(x))]
    assert np.allclose(
        rate.error[exposure.data > 0] ** 2 * exposure.data[exposure.data > 0], rate.data[exposure.data > 0]
    )
    rate.write(tmp_path / "rate.fits")
    again = RateMap.read(tmp_path / "rate.fits")
    assert np.array_equal(again.data, rate.data)
    with afits.open(tmp_path / "rate.fits") as f:
        assert np.array_equal(f[0].data, expected)
        assert np.array_equal(f["COUNTS"].data, image.data)


def test_rate_map_refuses_what_does_not_belong_together(pairs):
    images, exposures = pairs
    with pytest.raises(DataError, match="pixels apart"):
        RateMap(images[0], exposures[3])
    with pytest.raises(DataError, match="512 x 512 pixels against 128 x 128"):
        RateMap(images[0], exposures[0].rebin(4))
    with pytest.raises(DataError, match=r"detector EMOS1.*of EMOS2"):
        RateMap(images[0], exposures[1])
    with pytest.raises(DataError, match="no pixel of the exposure map is exposed"):
        RateMap(images[0], exposures[0].replaced(exposures[0].data * 0))
    with pytest.raises(DataError, match="negative"):
        ExposureMap(data=-np.ones((3, 3)))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("swift/1whsp_0126+33_00085374001/sw00085374001xpc_sk.img.gz", "TOTCTS = 553"),
        ("xmm/a907_0201903501/0201903501_mos1_exp1-0.50-2.00keVimg.fits", "HDUCLAS2 = TOTAL"),
        ("nustar/sol_80415201001/nu80415201001A06_chu2_S_cl_grade0_sk.img", "HDUCLAS2 = ALL"),
    ],
)
def test_images_of_counts_are_no_exposure_maps(shared, name, told):
    """Images of three mission pipelines given in the place of the map."""
    with pytest.raises(DataError, match=rf"no exposure map but an image of counts \({told}\)"):
        ExposureMap.read(shared(name))
    image = Image.read(shared(name))
    with pytest.raises(DataError, match="image of counts"):
        RateMap(image, image)


def test_what_an_image_without_sky_says():
    plain = Image(data=np.ones((5, 5)))
    with pytest.raises(DataError, match="no coordinates on the sky"):
        plain.pixel("09:58:22.2 -11:03:35")
    with pytest.raises(DataError, match="no coordinates on the sky"):
        mosaic([plain, plain])


def test_regions_and_positions_of_another_field(pairs):
    with pytest.raises(RegionError, match=r"its centre is at 150\.5.*the field's at 149\.59"):
        pairs[0][0].mask('fk5;circle(150.5,-11.06,60")')
    with pytest.raises(DataError, match=r"253\.46.*outside the image, whose centre is 149\.59"):
        pairs[0][0].pixel("16:53:52 +39:45:36")


# -- mosaics -----------------------------------------------------------------------------------------------------------


def test_mosaic_of_a907_conserves_counts_and_adds_exposures(pairs):
    images, exposures = pairs
    total, seconds = mosaic(images), mosaic(exposures)
    assert total.data.sum() == sum(i.data.sum() for i in images)
    assert total.grid.difference(seconds.grid) is None
    assert isinstance(seconds, ExposureMap)
    # At places seen by all cameras the exposure is the sum of what each map has there.
    sky = astropy_wcs(total.grid)
    for x, y in ((250, 270), (200, 220), (300, 210)):
        ra, dec = sky.all_pix2world(x, y, 1)
        expected = 0.0
        for one in exposures:
            p, q = astropy_wcs(one.grid).all_world2pix(ra, dec, 1)
            expected += float(one.data[int(np.floor(q - 0.5)), int(np.floor(p - 0.5))])
        assert seconds.data[y - 1, x - 1] == pytest.approx(expected, rel=1e-6)


def test_counts_go_to_the_pixel_that_holds_their_centre(pairs):
    image, grid = pairs[0][4], turned(20.0, 0.8, (700, 700))
    got = regrid(image, grid)
    y, x = np.nonzero(image.data)
    ra, dec = astropy_wcs(image.grid).all_pix2world(x, y, 0)
    p, q = astropy_wcs(grid).all_world2pix(ra, dec, 0)
    expected = np.zeros(grid.shape)
    np.add.at(expected, (np.rint(q).astype(int), np.rint(p).astype(int)), image.data[y, x])
    assert np.array_equal(got, expected)


def test_area_method_conserves_counts_and_has_no_grain(pairs):
    exposure = pairs[1][3]
    flat = Image(data=(exposure.data > 0).astype(float) * 4.0, header=exposure.header)
    grid = turned(30.0, 1.0, (800, 800))
    shared_out = regrid(flat, grid, method="area")
    assert shared_out.sum() == pytest.approx(flat.data.sum(), rel=1e-12)
    inside = regrid(ExposureMap(data=flat.data, header=flat.header), grid, method="area") == 4.0
    assert np.std(shared_out[inside]) < 0.25 * np.std(regrid(flat, grid)[inside])


def test_sampling_agrees_with_reproject(pairs):
    reproject = pytest.importorskip("reproject")
    exposure, grid = pairs[1][3], turned(12.0, 1.3)
    ours = regrid(exposure, grid)
    theirs, _ = reproject.reproject_interp(
        (exposure.data, astropy_wcs(exposure.grid)), astropy_wcs(grid), shape_out=grid.shape, order="nearest-neighbor"
    )
    assert np.mean(ours == np.nan_to_num(theirs)) > 0.9999  # halves may be rounded either way


def test_event_lists_are_binned_anew(shared, pairs):
    lists = [
        EventList.read(shared("xmm", f"a907_{o}") / f"{c}_exp1_clean_evts.fits")
        for o in OBSERVATIONS
        for c in CAMERAS[:2]
    ]
    grid = common_grid(pairs[0])
    total = mosaic(lists, grid, expression="#XMMEA_EM && PATTERN<=12 && FLAG==0 && PI in [500:2000]", dialect="sas")
    wanted = sum(i.data.sum() for k, i in enumerate(pairs[0]) if k % 3 < 2)
    assert abs(total.data.sum() - wanted) <= 3  # events at the edge of an observation's own image
    by_pixel = mosaic([i for k, i in enumerate(pairs[0]) if k % 3 < 2], grid)
    smooth = [m.rebin(8).data.astype(float) for m in (total, by_pixel)]
    assert np.corrcoef(smooth[0].ravel(), smooth[1].ravel())[0, 1] > 0.999


def test_rate_maps_are_counts_over_summed_exposure(pairs):
    images, exposures = pairs
    rates = [RateMap(i, e) for i, e in zip(images, exposures, strict=True)]
    total = mosaic(rates)
    assert np.array_equal(total.image.data, mosaic(images).data)
    assert total.header["OBS_ID"] == "combined"
    with ThreadPoolExecutor(2) as pool:
        assert np.array_equal(mosaic(rates, executor=pool).data, total.data)


def test_executor_of_processes_gives_the_same(shared, pairs):
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        made = mosaic(pairs[0][:2], executor=pool)
    assert np.array_equal(made.data, mosaic(pairs[0][:2]).data)


def test_mosaics_that_make_no_sense(pairs):
    images, exposures = pairs
    with pytest.raises(DataError, match="nothing to put together"):
        mosaic([])
    with pytest.raises(DataError, match="different things"):
        mosaic([images[0], exposures[0]])
    assert mosaic(exposures).vignetted
    assert mosaic(exposures).energy == (0.5, 2.0)
    plain = ExposureMap.made(exposures[0].data, exposures[0].header, vignetted=False)
    with pytest.raises(DataError, match="some have not"):
        mosaic([exposures[0], plain])
    with pytest.raises(DataError, match="not known"):
        mosaic(images, method="cubic")
    far = Image(data=np.ones((100, 100)), header=fits.Header(turned(0, center=(149.6, 70.0)).cards()))
    with pytest.raises(DataError, match=r"far apart|opposite"):
        mosaic([images[0], far])


def test_make_image_on_the_pixels_of_another_telescope(shared):
    """Events of one pointing on the pixels of another: each goes where its direction lies."""
    events = EventList.read(shared("xmm", "a907_0201903501") / "mos1_exp1_clean_evts.fits")
    grid = turned(40.0, 2.0, (500, 500))
    image = make_image(events, grid=grid)
    with afits.open(events.path) as f:
        d = f["EVENTS"].data
        columns = WCS(naxis=2)
        columns.wcs.ctype = ["RA---TAN", "DEC--TAN"]
        columns.wcs.crpix, columns.wcs.crval = [25921, 25921], [149.59475, -11.0876388888889]
        columns.wcs.cdelt = [-1.38888888888889e-05, 1.38888888888889e-05]
        good = d["X"] > 0
        ra, dec = columns.all_pix2world(d["X"][good], d["Y"][good], 1)
    p, q = astropy_wcs(grid).all_world2pix(ra, dec, 0)
    expected, _, _ = np.histogram2d(q, p, bins=[np.arange(501) - 0.5, np.arange(501) - 0.5])
    assert np.abs(image.data - expected).sum() <= 2
    assert image.data.sum() > 25000


# -- the task ----------------------------------------------------------------------------------------------------------


def test_emosaic_of_a907(shared, tmp_path, pairs):
    text = " ".join(str(n) for n in names(shared))
    TASK(imagesets=text, mosaicedset=tmp_path / "m.fits")
    with afits.open(tmp_path / "m.fits") as f, afits.open(names(shared)[0]) as first:
        assert f[0].data.sum() == sum(i.data.sum() for i in pairs[0])
        for key in ("CRVAL1", "CRVAL2", "CDELT1", "CDELT2"):
            assert f[0].header[key] == pytest.approx(first[0].header[key], rel=1e-12)
    maps = " ".join(str(n) for n in names(shared, "expmap"))
    TASK(imagesets=text, mosaicedset=tmp_path / "r.fits", withexposure="yes", exposuresets=maps)
    rate = mosaic([RateMap(i, e) for i, e in zip(*pairs, strict=True)], method="sample")
    with afits.open(tmp_path / "r.fits") as f:
        assert np.allclose(f[0].data, rate.data, rtol=1e-6)
    with pytest.raises(ParameterError, match="6 images but 0 exposure maps"):
        TASK(imagesets=text, mosaicedset=tmp_path / "x.fits", withexposure=True)
