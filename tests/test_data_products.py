"""Light curves and images: read, written, read back by astropy."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits as afits
from astropy.wcs import WCS

from wolter import fits
from wolter.data import Image, LightCurve
from wolter.errors import DataError, OutputError

SOLAR = ("nustar", "sol_80415201001")


def test_real_light_curve(shared, tmp_path):
    path = shared(*SOLAR, "nu80415201001A06_chu2_S_cl_grade0_sr.lc")
    curve = LightCurve.read(path)
    data, header = afits.getdata(path, "RATE"), afits.getheader(path, "RATE")
    np.testing.assert_array_equal(curve.rate, data["RATE"].astype(float))
    np.testing.assert_array_equal(curve.error, data["ERROR"].astype(float))
    np.testing.assert_array_equal(curve.met, data["TIME"] + header["TIMEZERO"])
    assert (curve.timedel, len(curve), curve.gti.exposure) == (10.0, 51, pytest.approx(header["ONTIME"]))
    assert curve.mjdref == header["MJDREFI"] + header["MJDREFF"]
    out = curve.write(tmp_path / "copy.lc")
    with afits.open(out, checksum=True) as new:
        for name in ("TIME", "RATE", "ERROR", "FRACEXP"):
            np.testing.assert_array_equal(new["RATE"].data[name], data[name])
        got = new["RATE"].header
        assert (got["HDUCLAS1"], got["HDUCLAS3"], got["TIMEPIXR"]) == ("LIGHTCURVE", "RATE", 0.5)
        assert (got["TIMEZERO"], got["TIMEDEL"], got["OBS_ID"]) == (header["TIMEZERO"], 10.0, header["OBS_ID"])
        assert len(new["GTI"].data) == len(curve.gti)
    np.testing.assert_array_equal(LightCurve.read(out).met, curve.met)
    with pytest.raises(OutputError, match="exist"):
        curve.write(out)


@pytest.mark.parametrize("style", ["counts", "start of bin", "days"])
def test_other_light_curves(tmp_path, style):
    """Counts instead of rates, times of the beginnings of bins, days."""
    time, counts, fraction = np.arange(5) * 20.0, np.array([0, 4, 9, 16, 1.0]), np.array([1, 1, 0.5, 1, 0.25])
    columns = [afits.Column("TIME", "D", array=time / 86400 if style == "days" else time)]
    keys = {"TIMEZERI": 1000, "TIMEZERF": 0.5, "TIMEDEL": 20.0, "HDUCLAS1": "LIGHTCURVE", "TELESCOP": "NOVASCOPE"}
    if style == "counts":
        columns.append(afits.Column("COUNTS", "D", array=counts))
    else:
        rate = counts / (20 * fraction)
        columns += [
            afits.Column("RATE", "D", array=rate),
            afits.Column("ERROR", "D", array=np.sqrt(counts) / (20 * fraction)),
        ]
    columns.append(afits.Column("FRACEXP", "D", array=fraction))
    if style == "start of bin":
        keys["TIMEPIXR"] = 0.0
    if style == "days":
        keys |= {"TIMEUNIT": "d", "TIMEZERI": 0, "TIMEZERF": 1000.5 / 86400, "TIMEDEL": 20 / 86400}
    table = afits.BinTableHDU.from_columns(columns, name="CURVE")
    table.header.update(keys)
    path = tmp_path / "x.lc"
    afits.HDUList([afits.PrimaryHDU(), table]).writeto(path)
    curve = LightCurve.read(path)
    shift = 10.0 if style == "start of bin" else 0.0
    np.testing.assert_allclose(curve.met, 1000.5 + time + shift, rtol=1e-12)
    np.testing.assert_allclose(curve.rate, counts / (20 * fraction))
    np.testing.assert_allclose(curve.error, np.sqrt(counts) / (20 * fraction))


def test_light_curves_that_cannot_be(tmp_path, shared):
    with pytest.raises(DataError, match="no RATE extension"):
        LightCurve.read(shared(*SOLAR, "nu80415201001A06_chu2_S_cl_grade0_sr.pha"))
    with pytest.raises(DataError, match="2 times but 1"):
        LightCurve(time=[0, 1], rate=[1.0], error=[1.0, 1.0])
    with pytest.raises(DataError, match="negative"):
        LightCurve(time=[0], rate=[1.0], error=[-1.0])
    with pytest.raises(DataError, match="no length"):
        LightCurve(time=[0], rate=[1.0], error=[1.0], timedel=0.0)
    table = afits.BinTableHDU.from_columns([afits.Column("TIME", "D", array=[1.0])], name="RATE")
    afits.HDUList([afits.PrimaryHDU(), table]).writeto(tmp_path / "empty.lc")
    with pytest.raises(DataError, match="no RATE; the table has TIME"):
        LightCurve.read(tmp_path / "empty.lc")


@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
@pytest.mark.parametrize(
    "parts",
    [
        (*SOLAR, "nu80415201001A06_chu2_S_cl_grade0_sk.img"),
        ("swift", "1whsp_0126+33_00085374001", "sw00085374001xpc_sk.img.gz"),
        ("xmm", "a907_0404910601", "0404910601_pn_exp1-0.50-2.00keVimg.fits"),
    ],
)
def test_real_images(shared, tmp_path, parts):
    path = shared(*parts)
    image = Image.read(path)
    with afits.open(path) as file:
        data, header = file[0].data, file[0].header
    np.testing.assert_array_equal(image.data, data)
    out = image.write(tmp_path / "copy.img")
    with afits.open(out, checksum=True) as new:
        np.testing.assert_array_equal(new[0].data, data)
        for key in ("CTYPE1", "CRPIX1", "CRVAL2", "CDELT2", "TELESCOP", "OBS_ID"):
            assert new[0].header.get(key) == header.get(key)
        assert ("GTI" in new) is (image.gti is not None)
    if image.wcs.celestial:
        x, y = np.array([10.0, 200.5]), np.array([30.0, 99.0])
        ra, dec = image.wcs.pixel_to_sky(x, y)
        expected = WCS(header).celestial.all_pix2world(x, y, 1)
        np.testing.assert_allclose([ra, dec], expected, rtol=0, atol=1e-9)


def test_image_container(tmp_path, shared):
    header = fits.Header({"EXPOSURE": 5.0, "BUNIT": "count"})
    image = Image(data=np.arange(12, dtype="i4").reshape(3, 4), header=header)
    assert (image.shape, image.exposure, image.unit) == ((3, 4), 5.0, "count")
    assert Image(data=np.zeros((2, 2))).exposure is None
    with pytest.raises(DataError, match="two axes"):
        Image(data=np.zeros(5))
    with pytest.raises(DataError, match="no image"):
        Image.read(shared("ixpe", "mrk501_01004601", "det1_filt_src.arf"))
    named = afits.HDUList([afits.PrimaryHDU(), afits.ImageHDU(np.ones((1, 2, 3)), name="EXPOSURE")])
    named.writeto(tmp_path / "x.fits")
    assert Image.read(f"{tmp_path / 'x.fits'}[EXPOSURE]").shape == (2, 3)
