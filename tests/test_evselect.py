"""evselect and SAS-dialect selections against SAS's own images of Abell 907 (DavidT3/XGA test data, SAS 13.5)."""

from __future__ import annotations

import re

import numpy as np
import pytest
from astropy.io import fits as afits
from astropy.wcs import WCS

from wolter import EventList
from wolter.data import Image
from wolter.errors import DataError, ExpressionError, ParameterError, RegionError
from wolter.makers import make_image
from wolter.missions.xmm_epic.evselect import TASK, TASK_IMAGE, TASK_SPECTRUM

pytestmark = pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")

OBSERVATIONS = ("0201903501", "0404910601")
BANDS = {"0.50-2.00": "[500:2000]", "2.00-10.00": "[2000:10000]"}
XGA_GRID = {
    **dict.fromkeys(("ximagebinsize", "yimagebinsize"), 87),
    **dict.fromkeys(("ximagemin", "yimagemin"), 3649),
    **dict.fromkeys(("ximagemax", "yimagemax"), 48106),
    **dict.fromkeys(("ximagesize", "yimagesize"), 512),
    **dict.fromkeys(("squarepixels", "withxranges", "withyranges"), "yes"),
    "imagebinning": "binSize",
    "xcolumn": "X",
    "ycolumn": "Y",
}
_WCS = re.compile(r"(C(TYPE|RPIX|RVAL|DELT|UNIT)[12]L?|LT[VM].*|WCS.*|REF[XY].*|EQUINOX|RADECSYS)\Z")


def folder(shared, obsid):
    return shared("xmm", f"a907_{obsid}")


def sas_image(shared, obsid, camera, band):
    return folder(shared, obsid) / f"{obsid}_{camera}_exp1-{band}keVimg.fits"


def events_of(shared, obsid="0201903501", camera="mos1"):
    return folder(shared, obsid) / f"{camera}_exp1_clean_evts.fits"


@pytest.mark.parametrize("obsid", OBSERVATIONS)
@pytest.mark.parametrize("camera", ["mos1", "mos2"])
@pytest.mark.parametrize("band", list(BANDS))
def test_images_equal_those_of_sas(shared, tmp_path, obsid, camera, band):
    expression = f"#XMMEA_EM && (PATTERN <= 12) && (FLAG .eq. 0)&& PI in {BANDS[band]}"
    TASK_IMAGE(
        table=events_of(shared, obsid, camera),
        imageset=tmp_path / "im.fits",
        expression=expression,
        withimagedatatype="yes",
        imagedatatype="Real64",
        **XGA_GRID,
    )
    with afits.open(tmp_path / "im.fits") as got, afits.open(sas_image(shared, obsid, camera, band)) as sas:
        assert np.array_equal(got[0].data, sas[0].data)
        ours, theirs = got[0].header, sas[0].header
        for key in filter(_WCS.match, theirs):
            assert ours[key] == theirs[key], key
        for key in theirs:
            if key.startswith(("ONTIME", "EXPOSURE", "SLCTEXPR", "RA_", "DEC_", "PA_", "TELESCOP", "OBS_ID", "BITPIX")):
                assert ours[key] == theirs[key], key
        assert _subspace(ours) == _subspace(theirs)
        for table in sas[1:]:
            mine = got[table.name].data
            assert np.array_equal(mine["START"], table.data["START"]), table.name
            assert np.array_equal(mine["STOP"], table.data["STOP"]), table.name


def _subspace(header):
    """Conditions of a data subspace, as a set for each component."""
    out = set()
    for n in range(1, 40):
        if f"DSTYP{n}" in header:
            out.add((header[f"DSTYP{n}"], header.get(f"DSVAL{n}"), header.get(f"DSREF{n}"), header.get(f"DSFORM{n}")))
            for k in range(2, 13):
                if f"{k}DSREF{n}" in header:
                    out.add((header[f"DSTYP{n}"], k, header[f"{k}DSREF{n}"]))
    return out


def test_numbers_printed_in_the_photometry_tutorial(tmp_path):
    """The header cell of the tutorial, and the coordinates that follow it, from a pn event list with its reference."""
    from wolter import fits

    wanted = {
        "CRPIX1": 256.505747126437, "CDELT1": -0.00120833333333333, "CRVAL1": 149.591375, "CRVAL1L": 3692.0,
        "CDELT1L": 87.0, "LTV1": -41.4367816091954, "LTM1_1": 0.0114942528735632, "CRPIX2": 256.505747126437,
        "CRVAL2": -11.0887222222222, "CDELT2": 0.00120833333333333, "LTV2": -41.4367816091954, "CRPIX1L": 1,
        "CTYPE1": "RA---TAN", "CTYPE1L": "X", "WCSNAMEL": "PHYSICAL", "WCSAXESL": 2, "LTM1_2": 0,
    }  # fmt: skip
    step = 1.38888888888889e-05
    axis = {"TLMIN": 1, "TLMAX": 51840, "TCRPX": 25921, "TCUNI": "deg"}
    columns = {
        "X": fits.Column("X", "J", keywords=axis | {"TCTYP": "RA---TAN", "TCRVL": 149.591375, "TCDLT": -step}),
        "Y": fits.Column("Y", "J", keywords=axis | {"TCTYP": "DEC--TAN", "TCRVL": -11.0887222222222, "TCDLT": step}),
        "PI": fits.Column("PI", "I", keywords={"TLMIN": 0, "TLMAX": 20479}),
    }
    data = {
        "TIME": np.array([10.0, 20.0, 30.0]),
        "X": np.array([12392, 15000, 25921], dtype=np.int32),
        "Y": np.array([12392, 15000, 25921], dtype=np.int32),
        "PI": np.array([600, 9999, 10001], dtype=np.int16),
    }
    header = {"TELESCOP": "XMM", "INSTRUME": "EPN", "HDUCLAS1": "EVENTS", "TSTART": 0.0, "TSTOP": 40.0}
    gti = fits.new_table("STDGTI", {"START": np.array([0.0]), "STOP": np.array([40.0])}, header={"HDUCLAS1": "GTI"})
    table = fits.new_table("EVENTS", data, columns=columns, header=header)
    fits.write(tmp_path / "evt.fits", [fits.primary(header), table, gti])
    TASK_IMAGE(table=tmp_path / "evt.fits", imageset=tmp_path / "i.fits", expression="(PI in [500:10000])", **XGA_GRID)
    with afits.open(tmp_path / "i.fits") as f:
        got, image = f[0].header, f[0].data
    for key, value in wanted.items():
        assert got[key] == value, key
        assert str(got[key]) == str(value), key
    assert image.dtype.kind == "i"
    assert image.shape == (512, 512)
    assert image[100, 100] == 1
    assert image[130, 130] == 1
    assert image.sum() == 2
    sky = WCS(got)
    assert np.round(sky.all_pix2world(100, 100, 0), 8).tolist() == [149.782975, -11.27656289]
    assert np.rint(sky.all_world2pix(149.59209, -11.05972, 0)).tolist() == [255, 280]


def test_same_image_by_make_image(shared):
    sas = Image.read(sas_image(shared, "0201903501", "mos2", "0.50-2.00"))
    events = EventList.read(events_of(shared, camera="mos2"))
    made = make_image(
        events, grid=sas, expression="#XMMEA_EM && PATTERN<=12 && FLAG==0 && (PI in [500:2000])", dialect="sas"
    )
    assert np.array_equal(made.data, sas.data)
    assert made.grid.difference(sas.grid, tolerance=1e-6) is None


def test_each_ccd_is_held_to_its_own_good_times(shared, tmp_path):
    """Events between the good times of their CCD, but inside another CCD's, do not count."""
    source = events_of(shared)
    events = EventList.read(source)
    rows = events.read_columns(["TIME", "CCDNR"])
    middle = float(np.median(rows["TIME"]))
    with afits.open(source) as f:
        for number, name in ((1, "GTI00006"),):
            good = f[name].data
            keep = good["START"] < middle
            f[name].data = good[keep]
            f[name].data["STOP"][-1] = min(f[name].data["STOP"][-1], middle)
            assert f[name].header["CCDID"] == number
        f.writeto(tmp_path / "evt.fits")
    cut = EventList.read(tmp_path / "evt.fits").read_columns(["TIME", "CCDNR"])
    assert (cut["TIME"][cut["CCDNR"] == 1] <= middle).all()
    assert (cut["CCDNR"] != 1).sum() == (rows["CCDNR"] != 1).sum()
    assert (cut["CCDNR"] == 1).sum() == ((rows["CCDNR"] == 1) & (rows["TIME"] <= middle)).sum()


def test_spectrum_counts_like_numpy(shared, tmp_path):
    path = events_of(shared)
    expression = "#XMMEA_EM && ((X,Y) IN circle(25900,27900,1500)) && !((X,Y) IN circle(25900,27900,300)) && PATTERN<=4"
    TASK_SPECTRUM(
        table=path, spectrumset=tmp_path / "s.fits", expression=expression, spectralbinsize=15, withspecranges=True
    )
    with afits.open(path) as f:
        e = f["EVENTS"].data
        r = np.hypot(e["X"] - 25900.0, e["Y"] - 27900.0)
        keep = (r <= 1500) & ~(r <= 300) & (e["PATTERN"] <= 4) & (e["FLAG"] & 0x766BA000 == 0)
        expected = np.bincount(e["PI"][keep] // 15, minlength=800)[:800]
        live = f["EVENTS"].header
        ccd = np.bincount(e["CCDNR"][keep & (e["PI"] < 12000)], minlength=8)
    weighted = sum(ccd[k] * live[f"LIVETI{k:02d}"] for k in range(1, 8)) / ccd.sum()
    with afits.open(tmp_path / "s.fits") as f:
        table = f["SPECTRUM"]
        assert np.array_equal(table.data["COUNTS"], expected)
        assert expected.sum() > 1000
        assert table.data["CHANNEL"][0] == 0
        assert len(table.data) == 800
        assert table.header["SPECDELT"] == 15
        assert table.header["DETCHANS"] == 800
        assert table.header["EXPOSURE"] == pytest.approx(weighted, rel=1e-12)
        # The area of the ring in coordinate pixels: within the pixels that its edges cut.
        assert table.header["BACKSCAL"] == pytest.approx(np.pi * (1500**2 - 300**2), rel=1e-3)
        assert table.header["DSTYP7"] == "PATTERN"
        assert table.header["DSVAL7"] == ":4"


@pytest.mark.parametrize(
    ("expression", "keep"),
    [
        (
            "((X,Y) IN circle(25900,27900,2000)) && ((DETX,DETY) IN circle(100,-100,5000))",
            lambda d: (
                (np.hypot(d["X"] - 25900, d["Y"] - 27900) <= 2000)
                & (np.hypot(d["DETX"] - 100, d["DETY"] + 100) <= 5000)
            ),
        ),
        (
            "((X,Y) IN box(25900,27900,800,300,0)) || PATTERN==1",
            lambda d: ((np.abs(d["X"] - 25900) <= 800) & (np.abs(d["Y"] - 27900) <= 300)) | (d["PATTERN"] == 1),
        ),
        (
            "!((X,Y) IN box(25900,27900,800,300,0)) && CCDNR.eq.1 && !(PATTERN in [1:3])",
            lambda d: (
                ~((np.abs(d["X"] - 25900) <= 800) & (np.abs(d["Y"] - 27900) <= 300))
                & (d["CCDNR"] == 1)
                & ~((d["PATTERN"] >= 1) & (d["PATTERN"] <= 3))
            ),
        ),
        ("#XMMEA_EM && (FLAG & 0x4000)==0 && PI in (500:2000]", lambda d: (d["PI"] > 500) & (d["PI"] <= 2000)),
    ],
)
def test_expressions_select_like_numpy(shared, tmp_path, expression, keep):
    TASK(table=events_of(shared), withfilteredset=True, filteredset=tmp_path / "f.fits", expression=expression)
    with afits.open(events_of(shared)) as f, afits.open(tmp_path / "f.fits") as cut:
        data = f["EVENTS"].data
        columns = {name: data[name].astype(float) for name in ("X", "Y", "DETX", "DETY", "PI", "PATTERN", "CCDNR")}
        mask = keep(columns)
        assert 100 < mask.sum() < len(mask)
        assert np.array_equal(cut["EVENTS"].data["TIME"], data["TIME"][mask])


def test_time_filter_narrows_good_times_and_exposure(shared, tmp_path):
    path = events_of(shared)
    lo, hi = 203860000.0, 203864000.0
    TASK(
        table=path, withimageset="yes", imageset=tmp_path / "i.fits", withfilteredset="yes",
        filteredset=tmp_path / "f.fits", expression=f"TIME in [{lo}:{hi}]", **XGA_GRID,
    )  # fmt: skip
    with afits.open(path) as f, afits.open(tmp_path / "i.fits") as image, afits.open(tmp_path / "f.fits") as cut:
        inside = (f["EVENTS"].data["TIME"] >= lo) & (f["EVENTS"].data["TIME"] <= hi)
        assert len(cut["EVENTS"].data) == inside.sum() > 4000
        good = f["GTI00306"].data
        clipped = np.clip(good["STOP"], lo, hi) - np.clip(good["START"], lo, hi)
        assert image[0].header["ONTIME04"] == pytest.approx(clipped.sum(), abs=1e-6)
        assert image[0].header["EXPOSURE"] < 4000.001


def test_gti_file_in_the_expression(shared, tmp_path):
    from wolter.gti import GTI

    path = events_of(shared)
    GTI(np.array([203857000.0, 203860000.0]), np.array([203858000.0, 203861000.0])).write(tmp_path / "my.gti")
    TASK_IMAGE(table=path, imageset=tmp_path / "i.fits", expression=f"gti({tmp_path / 'my.gti'},TIME)", **XGA_GRID)
    with afits.open(path) as f, afits.open(tmp_path / "i.fits") as image:
        time = f["EVENTS"].data["TIME"]
        keep = ((time >= 203857000) & (time <= 203858000)) | ((time >= 203860000) & (time <= 203861000))
        x, y = f["EVENTS"].data["X"], f["EVENTS"].data["Y"]
        keep &= (x >= 3649) & (x < 3649 + 512 * 87) & (y >= 3649) & (y < 3649 + 512 * 87)
        assert image[0].data.sum() == keep.sum() > 1000
        assert image[0].header["EXPOSURE"] <= 2000.0


def test_image_size_rounds_bins_of_whole_numbers_up(shared, tmp_path):
    """SAS documentation, "Image Extraction": non-integral binning of integer columns is rounded up."""
    TASK_IMAGE(table=events_of(shared), imageset=tmp_path / "i.fits", ximagesize=600, yimagesize=600)
    with afits.open(tmp_path / "i.fits") as f:
        assert f[0].header["CDELT1L"] == 87.0  # 51840/600 = 86.4
        assert f[0].data.shape == (596, 596)
    TASK_IMAGE(
        table=events_of(shared), imageset=tmp_path / "d.fits", xcolumn="DETX", ycolumn="DETY",
        ximagebinsize=120, yimagebinsize=240, imagebinning="binSize",
    )  # fmt: skip
    with afits.open(tmp_path / "d.fits") as f, afits.open(events_of(shared)) as e:
        x, y = (e["EVENTS"].data[name].astype(int) for name in ("DETX", "DETY"))
        i, j = (x + 19798) // 120, (y + 20285) // 240
        expected = np.zeros(f[0].data.shape, int)
        np.add.at(expected, (j, i), 1)
        assert np.array_equal(f[0].data, expected)
        assert f[0].header["CRVAL1L"] == -19798 + 59.5
        assert f[0].header["CTYPE1"] == "DETX_ANG"


def test_weights_are_summed(shared, tmp_path):
    TASK_IMAGE(
        table=events_of(shared), imageset=tmp_path / "i.fits", withzcolumn=True, zcolumn="PI", expression="PI<1000",
        **XGA_GRID,
    )  # fmt: skip
    with afits.open(tmp_path / "i.fits") as f, afits.open(events_of(shared)) as e:
        d = e["EVENTS"].data
        keep = (d["PI"] < 1000) & (d["X"] >= 3649) & (d["Y"] >= 3649) & (d["X"] < 48193) & (d["Y"] < 48193)
        assert f[0].data.sum() == d["PI"][keep].astype(float).sum()


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"expression": "(PI in [500:2000]) && PATERN<=12"}, ExpressionError, "Did you mean 'PATTERN'"),
        ({"expression": "(PI in [500:2000] && PATTERN <= 12"}, ExpressionError, r"\^"),
        ({"expression": "#XMMEA_EP && PI>300"}, DataError, "#XMMEA_EM for MOS"),
        ({"expression": "((X,Y) IN circle(500000,27900,100))"}, RegionError, "outside the field"),
        ({"xcolumn": "XX"}, DataError, "no column XX"),
        ({"imagebinning": "both"}, ParameterError, "binSize and imageSize"),
        ({"withxranges": True, "ximagemin": 100, "ximagemax": 50}, ParameterError, "empty"),
        ({"withrateset": True}, ParameterError, "light_curve"),
        ({"imagedatatype": "Complex", "withimagedatatype": True}, ParameterError, "INT32"),
    ],
)
def test_bad_parameters_are_refused(shared, tmp_path, given, error, message):
    with pytest.raises(error, match=message):
        TASK_IMAGE(**{"table": events_of(shared), "imageset": tmp_path / "i.fits", **given})
    assert not list(tmp_path.iterdir())


def test_caret_at_the_spot(shared):
    with pytest.raises(ExpressionError) as info:
        EventList.read(events_of(shared)).select(expression="(PI in [500:2000]) && && FLAG==0", dialect="sas")
    lines = str(info.value).splitlines()
    place = next(k for k, line in enumerate(lines) if "^" in line)
    assert lines[place - 1][lines[place].index("^") :].startswith("&& FLAG")


def test_nothing_is_asked_for(shared):
    with pytest.raises(ParameterError, match="no product"):
        TASK(table=events_of(shared))


def test_tasks_are_found_by_name(shared, tmp_path):
    from wolter.tasks import registry

    result = registry.run("evselect_image", table=events_of(shared), imageset=tmp_path / "i.fits", **XGA_GRID)
    assert result.products["image"] == tmp_path / "i.fits"
    assert "31607" in result.messages[0]
