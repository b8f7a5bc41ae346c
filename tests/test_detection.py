"""Detection, photometry, profiles, smoothing: published rates of two Swift sources, known answers, scipy."""

from __future__ import annotations

import csv

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from scipy import ndimage, stats

from wolter import fits
from wolter.data import EventList, ExposureMap, Image, ImageGrid, RadialProfile, RateMap
from wolter.data.smoothing import adaptive, disc_sum, gaussian
from wolter.errors import DataError, OutputError, RegionError, UnitError
from wolter.makers import background_map, detect, make_image, mosaic, photometry, radial_profile

pytestmark = pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")


@pytest.fixture(scope="module")
def stack(shared):
    """Stacked events and summed exposure map of two Swift observations, and the published table."""
    folder = shared("swift", "1whsp_0126+33_stack_results")
    events = EventList.read(folder / "22_33_15_sum.evt.gz")
    exposure = ExposureMap.read(folder / "22_33_15_sum.exp.gz")
    with open(folder / "table_countrates_detections.csv", encoding="ascii") as handle:
        rows = list(csv.reader(handle, delimiter=";"))
    names = [name.lstrip("#").split("(")[0] for name in rows[0]]
    return events, exposure, [dict(zip(names, row, strict=True)) for row in rows[1:]]


def field(shape=(300, 300), scale=4.0, center=(150.0, 2.0)) -> fits.Header:
    grid = ImageGrid.around(
        (center[0] * u.deg, center[1] * u.deg), tuple(n * scale * u.arcsec for n in shape[::-1]), scale * u.arcsec
    )
    header = fits.Header(grid.cards())
    header["EXPOSURE"] = 1000.0
    return header


# -- detection ---------------------------------------------------------------------------------------------------------


def test_both_published_sources_and_no_other(stack):
    events, exposure, published = stack
    image = make_image(events, energy=(0.3, 10) * u.keV, grid=exposure)
    found = detect(image, exposure)
    assert len(found) == len(published) == 2
    for k, row in enumerate(published):
        there = SkyCoord(row["RA"], row["DEC"], unit=(u.hourangle, u.deg))
        here = SkyCoord(found["ra"][k], found["dec"][k], unit="deg")
        assert here.separation(there).arcsec < 6.0
        rate, error = (float(row[f"countrates{x}_0.3-10keV"]) for x in ("", "_error"))
        assert abs(found["rate"][k] - rate) < error
        assert found["rate_error"][k] == pytest.approx(error, rel=0.15)


@pytest.mark.parametrize("band", [(0.3, 10), (0.3, 1), (1, 2), (2, 10)])
def test_rates_in_every_published_band(stack, band):
    events, exposure, published = stack
    image = make_image(events, energy=band * u.keV, grid=exposure)
    positions = [f"{row['RA']} {row['DEC']}" for row in published]
    name = f"{band[0]:g}-{band[1]:g}keV"
    found = photometry(image, positions, exposure)
    for k, row in enumerate(published):
        rate, error = float(row[f"countrates_{name}"]), float(row[f"countrates_error_{name}"])
        assert abs(found["rate"][k] - rate) < error


def test_sources_of_the_two_observations_together(stack, shared):
    """The same from the two event lists and the archive's own exposure maps, put together here."""
    _, exposure, published = stack
    folders = [shared("swift", f"1whsp_0126+33_0008537400{k}") for k in (1, 5)]
    lists = [EventList.read(f / f"sw{f.name[-11:]}xpcw3po_cl.evt.gz") for f in folders]
    maps = [ExposureMap.read(f / f"sw{f.name[-11:]}xpc_ex.img.gz") for f in folders]
    total = mosaic(maps, exposure)
    image = mosaic(lists, exposure, energy=(0.3, 10) * u.keV)
    # XIMAGE's sum, within 2 %: 800 pixels around the centre, each map put on the grid of the first.
    seen = exposure.data > 100
    assert np.median(np.abs(total.data[seen] / exposure.data[seen] - 1)) < 0.005
    assert total.data.sum() == pytest.approx(exposure.data.sum(), rel=0.005)
    found = detect(image, total)
    assert len(found) == 2
    for k, row in enumerate(published):
        # Vignetting is that of the mean pointing here, of the first pointing in the published rates (1 % less).
        error = np.hypot(float(row["countrates_error_0.3-10keV"]), found["rate_error"][k])
        assert abs(found["rate"][k] - float(row["countrates_0.3-10keV"])) < error


def test_sources_with_exposure_maps_made_here(stack, shared):
    """From event lists, housekeeping and bad pixels alone: maps with vignetting, mosaic, rates."""
    from wolter import Observation

    _, grid, published = stack
    seen = [Observation(shared("swift", f"1whsp_0126+33_0008537400{k}")) for k in (1, 5)]
    total = mosaic([o.exposure_map("XRT", like=grid, energy=1.5 * u.keV) for o in seen])
    image = mosaic([o.events["XRT"] for o in seen], grid, energy=(0.3, 10) * u.keV)
    found = detect(RateMap(image, total))
    assert len(found) == 2
    assert (found["vignetting"] == 1).all()  # it is in the map
    for k, row in enumerate(published):
        assert abs(found["rate"][k] - float(row["countrates_0.3-10keV"])) < float(row["countrates_error_0.3-10keV"])


def test_simulated_sources_are_found_with_their_counts():
    """Points blurred by a Gaussian on a background with an exposure gradient; positions and rates come back."""
    rng = np.random.default_rng(11)
    header = field()
    y, x = np.mgrid[1:301, 1:301]
    seconds = 2000.0 * (0.4 + 0.6 * x / 300.0)
    seconds[:, 140:146] = 0.0  # a gap
    truth = [(60.3, 80.1, 0.06), (200.7, 220.4, 0.03), (250.2, 40.6, 0.02), (90.0, 240.0, 0.04), (151.5, 150.0, 0.05)]
    sigma = 1.6
    expected = 2.5e-6 * seconds
    for a, b, rate in truth:
        expected = expected + rate * seconds * np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * sigma**2)) / (
            2 * np.pi * sigma**2
        )
    image = Image(data=rng.poisson(expected), header=header)
    exposure = ExposureMap(data=seconds, header=header)

    def psf(radius, energy, off_axis):
        return 1.0 - np.exp(-0.5 * (np.asarray(radius) / (sigma * 4.0)) ** 2)

    found = detect(RateMap(image, exposure), psf=psf, fraction=0.95)
    assert len(found) == len(truth)
    for a, b, rate in truth:
        k = int(np.argmin(np.hypot(found["x"] - a, found["y"] - b)))
        assert np.hypot(found["x"][k] - a, found["y"][k] - b) < 0.5
        assert abs(found["rate"][k] - rate) < 3 * found["rate_error"][k]
    blank = Image(data=rng.poisson(2.5e-6 * seconds), header=header)
    assert len(detect(blank, exposure, psf=psf)) == 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_clumps_in_the_wings_of_a_bright_source_are_none(seed):
    """Photons drawn from a King profile (XRT's published one: 5.8 arcsec, slope 1.55), and a companion in its wings."""
    rng = np.random.default_rng(seed)
    core, slope, pixel = 5.8, 1.55, 4.0

    def psf(radius, energy, off_axis):
        return 1.0 - (1.0 + (np.asarray(radius) / core) ** 2) ** (1.0 - slope)

    def photons(x, y, number):
        r = core * np.sqrt(rng.uniform(size=number) ** (1.0 / (1.0 - slope)) - 1.0) / pixel
        angle = rng.uniform(0, 2 * np.pi, number)
        return x + r * np.cos(angle), y + r * np.sin(angle)

    def picture(*sources):
        x, y = (np.concatenate(v) for v in zip(*(photons(*s) for s in sources), strict=True))
        counts = np.histogram2d(y, x, bins=[np.arange(0.5, 301)] * 2)[0]
        return Image(data=counts + rng.poisson(0.005, (300, 300)), header=field())

    bright = (150.2, 149.7, 6000)
    assert len(detect(picture(bright), psf=psf)) == 1
    found = detect(picture(bright, (172.4, 160.9, 250)), psf=psf)
    assert len(found) == 2
    assert np.hypot(found["x"][1] - 172.4, found["y"][1] - 160.9) < 1


def test_significance_is_poissons():
    header = field((64, 64))
    data = np.zeros((64, 64), int)
    data[30:33, 30:33] = 2
    flat = Image(data=np.full((64, 64), 0.05), header=header)
    found = detect(Image(data=data, header=header), background=flat, scales=[3.0], threshold=3)
    assert len(found) == 1
    one = found[0]
    assert one["counts"] == 18
    # The cell is the disc of three pixels around the middle: 18 counts where its area makes one expect 0.05 a pixel.
    y, x = np.mgrid[-3:4, -3:4]
    cell = 0.05 * np.count_nonzero(np.hypot(x, y) <= 3.0)
    assert one["probability"] == pytest.approx(stats.poisson.sf(17, cell), rel=0.3)
    assert one["significance"] == pytest.approx(stats.norm.isf(stats.poisson.sf(17, cell)), abs=0.05)
    assert one["significance"] == pytest.approx(stats.norm.isf(one["probability"]), rel=1e-9)
    pixels = np.pi * (one["radius"] / 4.0) ** 2
    assert one["background"] == pytest.approx(0.05 * pixels, rel=0.15)


def test_background_follows_the_exposure():
    rng = np.random.default_rng(3)
    weight = np.outer(np.linspace(0.2, 1, 200), np.ones(200))
    counts = rng.poisson(0.3 * weight)
    level = background_map(counts, weight, scale=30.0)
    assert np.abs(level / (0.3 * weight) - 1).max() < 0.12


def test_list_is_written(stack, tmp_path):
    events, exposure, _ = stack
    found = detect(make_image(events, energy=(0.3, 10) * u.keV, grid=exposure), exposure)
    found.write(tmp_path / "s.reg")
    found.write(tmp_path / "s.fits")
    from astropy.table import Table
    from regions import Regions

    circles = Regions.read(tmp_path / "s.reg", format="ds9")
    assert [c.center.ra.deg for c in circles] == pytest.approx(found["ra"].tolist(), abs=1e-6)
    table = Table.read(tmp_path / "s.fits")
    assert table["rate"].unit == u.ct / u.s
    assert np.array_equal(table["counts"], found.to_table()["counts"])
    with pytest.raises(OutputError, match="to_table"):
        found.write(tmp_path / "s.csv")


def test_map_of_another_detector(shared):
    images = [
        Image.read(shared("xmm", "a907_0201903501", f"0201903501_{c}_exp1-0.50-2.00keVimg.fits"))
        for c in ("mos1", "mos2")
    ]
    seconds = ExposureMap.read(shared("xmm", "a907_0201903501", "0201903501_mos2_exp1-0.50-2.00keVexpmap.fits"))
    with pytest.raises(DataError, match="image is of detector EMOS1, the exposure map of EMOS2"):
        detect(images[0], seconds)
    assert len(detect(images[1], seconds)) > 3


def test_what_cannot_be_searched(stack):
    events, exposure, _ = stack
    image = make_image(events, grid=exposure)
    with pytest.raises(DataError, match="holds no counts"):
        detect(image.replaced(image.data * 0), exposure)
    with pytest.raises(DataError, match="do not agree"):
        detect(image, exposure.rebin(2))
    with pytest.raises(DataError, match="outside the image"):
        photometry(image, ["16:53:52 +39:45:36"], exposure)
    with pytest.raises(DataError, match="no coordinates on the sky"):
        detect(Image(data=np.ones((50, 50))))


# -- profiles ----------------------------------------------------------------------------------------------------------


def test_profile_of_a_known_surface_brightness():
    """A beta model on a flat background with a gap and a mask: S(r) within its errors, chi-squared as expected."""
    rng = np.random.default_rng(2)
    header = field((400, 400))
    y, x = np.mgrid[1:401, 1:401]
    r = 4.0 * np.hypot(x - 200.5, y - 200.5)
    pixel = (4.0 / 60) ** 2
    seconds = np.full((400, 400), 5000.0)
    seconds[190:196] = 0
    seconds[:, 300:] *= 0.5

    def brightness(radius):
        return 0.5 * (1 + (radius / 60.0) ** 2) ** (-3 * 0.7 + 0.5)

    image = Image(data=rng.poisson((brightness(r) + 0.01) * seconds * pixel), header=header)
    exposure = ExposureMap(data=seconds, header=header)
    edges = np.arange(0, 401, 20) * u.arcsec
    made = radial_profile(
        image, (150 * u.deg, 2 * u.deg), edges, exposure=exposure, background=0.01, exclude='fk5;circle(150.03,2,30")'
    )
    ring = np.searchsorted(edges.value, r.ravel(), side="right") - 1
    keep = (seconds.ravel() > 0) & (ring < 20)
    truth = np.bincount(ring[keep], weights=(brightness(r) * seconds).ravel()[keep], minlength=20)
    truth /= np.bincount(ring[keep], weights=seconds.ravel()[keep], minlength=20)
    chi2 = (((made.value - truth) / made.error) ** 2).sum()
    assert 6 < chi2 < 40
    masked = image.mask('fk5;circle(150.03,2,30")')
    assert made.counts.sum() == image.data[(seconds > 0) & (r < 400) & ~masked].sum()
    assert made.area.sum() == pytest.approx(((seconds > 0) & (r < 400) & ~masked).sum() * pixel)


def test_background_region_and_its_error():
    rng = np.random.default_rng(8)
    header = field((300, 300))
    image = Image(data=rng.poisson(0.4, (300, 300)), header=header)
    ring = 'fk5;annulus(150,2,300",500")'
    made = radial_profile(image, (150 * u.deg, 2 * u.deg), [0, 50, 100] * u.arcsec, background=ring)
    mask = image.mask(ring)
    time = 1000.0 * (4 / 60) ** 2 * mask.sum()
    assert made.background[0] == pytest.approx(image.data[mask].sum() / time)
    assert made.background_error[0] == pytest.approx(np.sqrt(image.data[mask].sum()) / time)
    assert np.allclose(made.error**2, made.gross_error**2 + made.background_error**2)


def test_encircled_fraction_of_a_swift_source_follows_the_published_psf(stack):
    from wolter.mission import get_mission

    events, exposure, published = stack
    image = make_image(events, energy=(0.3, 10) * u.keV, grid=exposure)
    position = f"{published[0]['RA']} {published[0]['DEC']}"
    edges = np.array([0, 5, 10, 15, 25, 40, 60, 90, 140]) * u.arcsec
    centre = position.replace(" ", ",")
    made = radial_profile(image, position, edges, exposure=exposure, background=f'fk5;annulus({centre},180",300")')
    psf = get_mission("swift_xrt").load("psf")
    expected = psf(made.r_out) / psf(140.0)
    pulls = (made.encircled - expected)[:-1] / np.maximum(made.encircled_error[:-1], 0.01)
    assert np.abs(pulls).max() < 3.5
    assert made.radius_of(0.5) == pytest.approx(9.0, abs=2.0)


def test_profile_survives_writing(stack, tmp_path):
    events, exposure, _ = stack
    image = make_image(events, grid=exposure)
    made = radial_profile(image, "01:26:57.165 +33:07:27.14", [0, 20, 60, 120] * u.arcsec, exposure=exposure)
    made.write(tmp_path / "p.fits")
    again = RadialProfile.read(tmp_path / "p.fits")
    assert np.array_equal(again.value, made.value)
    assert again.center == made.center
    assert made.to_table()["value"].unit == u.ct / (u.s * u.arcmin**2)


def test_profiles_that_make_no_sense(stack):
    events, exposure, _ = stack
    image, position = make_image(events, grid=exposure), "01:26:57.165 +33:07:27.14"
    with pytest.raises(UnitError):
        radial_profile(image, position, [0, 10, 20])
    with pytest.raises(DataError, match="do not ascend"):
        radial_profile(image, position, [0, 20, 10] * u.arcsec)
    with pytest.raises(RegionError, match="outside the field"):
        radial_profile(image, position, [0, 20] * u.arcsec, background='fk5;circle(30,33,20")')
    with pytest.raises(DataError, match="no exposed pixel lies in the rings"):
        radial_profile(image, position, [0, 20] * u.arcsec, exposure=exposure, exclude='fk5;circle(21.738,33.124,60")')
    with pytest.raises(DataError, match="nothing above the background"):
        _ = radial_profile(image, position, [0, 20] * u.arcsec, background=1e9).encircled


# -- smoothing ---------------------------------------------------------------------------------------------------------


def test_gaussian_divides_smoothed_counts_by_smoothed_exposure():
    rng = np.random.default_rng(1)
    seconds = np.ones((120, 130)) * 50.0
    seconds[:, 60:64] = 0.0
    counts = rng.poisson(0.2 * seconds)
    got = gaussian(counts, 3.0, seconds)
    top, below = (ndimage.gaussian_filter(v.astype(float), 3.0) for v in (counts, seconds))
    assert np.allclose(got[seconds > 0], (top / below)[seconds > 0])
    assert (got[:, 60:64] == 0).all()
    assert np.abs(got[seconds > 0] - 0.2).max() < 0.05  # the gap leaves no mark
    assert gaussian(counts, 3.0).sum() == pytest.approx(counts.sum())


def test_discs_are_sums_over_discs():
    data = np.random.default_rng(4).poisson(1.0, (60, 70))
    for radius in (1.0, 3.3, 9.0):
        n = int(radius)
        y, x = np.mgrid[-n : n + 1, -n : n + 1]
        kernel = (x**2 + y**2 <= radius**2).astype(float)
        assert np.allclose(disc_sum(data, radius), ndimage.convolve(data.astype(float), kernel, mode="constant"))


def test_adaptive_disc_is_the_smallest_with_enough_counts():
    rng = np.random.default_rng(6)
    y, x = np.mgrid[0:100, 0:100]
    counts = rng.poisson(0.1 + 20 * np.exp(-((x - 50) ** 2 + (y - 50) ** 2) / 50.0))
    image, radius = adaptive(counts, min_counts=25, max_radius=30)
    for i, j in ((50, 50), (50, 62), (20, 20), (5, 90)):
        r = radius[j, i]
        near = (x - i) ** 2 + (y - j) ** 2 <= r * r
        assert counts[near].sum() >= 25
        assert image[j, i] == pytest.approx(counts[near].sum() / _whole(r), rel=1e-6) or near.sum() < _whole(r)
        smaller = r / 1.19 - 1e-9
        if r > 1:
            assert counts[(x - i) ** 2 + (y - j) ** 2 <= smaller**2].sum() < 25
    assert radius[50, 50] < radius[20, 20]
    flat, _ = adaptive(rng.poisson(5.0, (100, 100)), np.full((100, 100), 10.0), min_counts=500)
    assert np.abs(flat - 0.5).max() < 0.12


def _whole(radius):
    n = int(radius)
    y, x = np.mgrid[-n : n + 1, -n : n + 1]
    return (x**2 + y**2 <= radius**2).sum()


def test_smooth_of_images(stack):
    events, exposure, _ = stack
    image = make_image(events, grid=exposure)
    assert image.smooth(2.0).data.sum() == pytest.approx(image.data.sum())
    arcsec = image.smooth(2.0 * image.pixel_scale_deg * u.deg)
    assert np.allclose(arcsec.data, image.smooth(2.0).data)
    rate = RateMap(image, exposure).smooth(min_counts=10, max_radius=40)
    assert rate.unit == "count/s"
    assert (rate.data[exposure.data == 0] == 0).all()
    with pytest.raises(DataError, match="one of sigma"):
        image.smooth()
    with pytest.raises(DataError, match="positive length"):
        image.smooth(-1.0)
    with pytest.raises(DataError, match="pixels of the exposure map differ"):
        image.smooth(1.0, exposure=exposure.rebin(2))


# -- figures -----------------------------------------------------------------------------------------------------------


def test_figures(stack, tmp_path):
    events, exposure, _ = stack
    image = make_image(events, energy=(0.3, 10) * u.keV, grid=exposure)
    found = detect(image, exposure)
    figure = found.plot(title="field")
    assert [t.get_text() for t in figure.axes[0].texts] == ["1", "2"]
    made = radial_profile(image, "01:26:57.165 +33:07:27.14", [0, 10, 20, 60] * u.arcsec, exposure=exposure)
    axes = made.plot().axes[0]
    assert "arcsec" in axes.get_xlabel()
    assert axes.containers[0].lines[0].get_ydata() == pytest.approx(made.value)
    line = made.plot.encircled().axes[0].containers[0].lines[0]
    assert line.get_ydata() == pytest.approx(made.encircled)
    assert RateMap(image, exposure).plot().axes[0].images
