"""Spectra and Stokes spectra: hand-computed toys, real NEFF spectra, another program's spectra, plain NumPy."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from events_support import reweighted, uniform, write_events
from wolter.data import EventList, Spectrum
from wolter.errors import DataError
from wolter.makers import extract_spectrum, extract_stokes, stokes_rates
from wolter.makers.stokes import stokes_names
from wolter.makers.sums import StokesSums

REFERENCE = Path(__file__).with_name("data") / "makers_ixpeobssim.json"
SOURCE = 'circle(16:53:51.766,+39:45:44.41,60.000")'
BACKGROUND = 'annulus(16:53:51.766,+39:45:44.41,132.000",252.000")'
EVENTS = "ixpe/sim_mrk501_01004701/01004701/event_l2/ixpe01004701_det{}_evt2_v01.fits.gz"


@pytest.fixture
def toy(tmp_path):
    """Three events in channel 2, one in channel 5, none elsewhere; exposure 900 s x 0.9 = 810 s."""
    data = {
        "TIME": np.array([1001.0, 1002.0, 1003.0, 1004.0]),
        "X": np.full(4, 50.0),
        "Y": np.full(4, 50.0),
        "PI": np.array([2, 2, 2, 5]),
        "W_MOM": np.array([0.5, 1.0, 0.25, 0.5]),
        "Q": np.array([2.0, -1.0, 0.0, 1.5]),
        "U": np.array([0.0, 1.0, -2.0, -1.25]),
    }
    return EventList.read(write_events(tmp_path / "toy.fits", data))


def test_neff_by_hand(toy):
    made = extract_stokes(toy, weighting="neff")
    # Channel 2: sum w = 1.75, sum w2 = 1.3125, N = 4/3; sum wq = 0, sum wu = 0.5; squares 2 and 1.25.
    for spectrum, value, error in (
        (made.i, 4 / 3 * 1.75, 4 / 3 * 1.3125**0.5),
        (made.q, 0.0, 4 / 3 * 2.0**0.5),
        (made.u, 4 / 3 * 0.5, 4 / 3 * 1.25**0.5),
    ):
        assert spectrum.values[2] * 810 == pytest.approx(value, rel=1e-14, abs=1e-15)
        assert np.asarray(spectrum.stat_err)[2] * 810 == pytest.approx(error, rel=1e-14)
    # A single event of weight w: N = 1/w, so I = 1, Q = q, and the errors are the absolute values.
    assert [s.values[5] * 810 for s in made] == pytest.approx([1.0, 1.5, -1.25], rel=1e-14)
    assert [np.asarray(s.stat_err)[5] * 810 for s in made] == pytest.approx([1.0, 1.5, 1.25], rel=1e-14)


def test_simple_by_hand(toy):
    made = extract_stokes(toy, weighting="simple")
    i_error = 1.3125**0.5
    want = ((1.75, i_error), (0.0, i_error * 2**0.5), (0.5, i_error * (2 - (0.5 / 1.75) ** 2) ** 0.5))
    for spectrum, (value, error) in zip(made, want, strict=True):
        assert spectrum.values[2] * 810 == pytest.approx(value, rel=1e-14, abs=1e-15)
        assert np.asarray(spectrum.stat_err)[2] * 810 == pytest.approx(error, rel=1e-14)
    # One event with |q| > sqrt(2): the bracket is negative and sqrt(2) sigma_I is taken.
    assert np.asarray(made.q.stat_err)[5] * 810 == pytest.approx(0.5 * 2**0.5, rel=1e-14)
    assert np.asarray(made.u.stat_err)[5] * 810 == pytest.approx(0.5 * (2 - 1.25**2) ** 0.5, rel=1e-14)


def test_unweighted_by_hand(toy):
    made = extract_stokes(toy, weighting="unweighted")
    assert [s.values[2] * 810 for s in made] == pytest.approx([3.0, 1.0, -1.0], rel=1e-14)
    errors = [3**0.5, 3**0.5 * (2 - 1 / 9) ** 0.5, 3**0.5 * (2 - 1 / 9) ** 0.5]
    assert [np.asarray(s.stat_err)[2] * 810 for s in made] == pytest.approx(errors, rel=1e-14)


@pytest.mark.parametrize("weighting", ["neff", "simple", "unweighted"])
def test_channels_without_events(toy, weighting):
    for spectrum in extract_stokes(toy, weighting=weighting):
        empty = np.delete(np.arange(375), [2, 5])
        assert (spectrum.values[empty] == 0).all()
        assert np.allclose(np.asarray(spectrum.stat_err)[empty], 1 / 810, rtol=1e-14)


def test_no_exposure_no_rates(toy):
    sums = StokesSums(0, np.ones(3, int), *(np.ones(3) for _ in range(6)))
    with pytest.raises(DataError, match="exposure"):
        stokes_rates(sums, 0.0, "neff")


@pytest.mark.parametrize("detector", [1, 2, 3])
def test_recipes_hold_on_real_neff_spectra(shared, detector):
    """The identities that our recipes imply, on spectra of the standard tool: the recipes are its own."""
    folder = shared("ixpe/mrk501_01004601")
    rate, error = {}, {}
    for letter in "IQU":
        with fits.open(folder / f"det{detector}_filt_src_{letter}.pha") as f:
            rate[letter] = f["SPECTRUM"].data["RATE"].astype(float)
            error[letter] = f["SPECTRUM"].data["STAT_ERR"].astype(float)
            exposure = f["SPECTRUM"].header["EXPOSURE"]
    full = rate["I"] > 0
    assert np.allclose(error["I"][full] ** 2 * exposure / rate["I"][full], 1, atol=1e-6)
    for letter in "IQU":
        assert np.allclose(error[letter][~full] * exposure, 1, rtol=1e-6)
    single = (
        full & np.isclose(rate["I"] * exposure, 1, rtol=1e-6) & np.isclose(error["Q"], np.abs(rate["Q"]), rtol=1e-6)
    )
    assert single.sum() > 3
    assert np.allclose(error["U"][single], np.abs(rate["U"][single]), rtol=1e-6)


def test_our_spectra_fulfil_the_same_identities(tmp_path):
    events = EventList.read(write_events(tmp_path / "e.fits", uniform(4000)))
    made = extract_stokes(events, weighting="neff")
    made.write(tmp_path / "s_.pha")
    read = {}
    for letter in "IQU":
        with fits.open(tmp_path / f"s_{letter}.pha") as f:
            read[letter] = f["SPECTRUM"].data["RATE"].astype(float), f["SPECTRUM"].data["STAT_ERR"].astype(float)
            exposure = f["SPECTRUM"].header["EXPOSURE"]
    rate, error = read["I"]
    full = rate > 0
    assert np.allclose(error[full] ** 2 * exposure / rate[full], 1, atol=1e-6)
    assert np.allclose((read["Q"][1][full] ** 2 + read["U"][1][full] ** 2) / error[full] ** 2, 4, rtol=1e-5)


@pytest.mark.parametrize("du", [1, 2, 3])
def test_spectra_of_another_program(shared, du):
    """ixpeobssim's PHA1, PHA1Q, PHA1U of the same events (weights all 1)."""
    folder = shared("ixpe/sim_point_source_ixpeobssim")
    made = extract_stokes(EventList.read(folder / f"toy_point_source_du{du}.fits"), weighting="neff")
    for spectrum, name in zip(made, ("pha1", "pha1q", "pha1u"), strict=True):
        with fits.open(folder / f"toy_point_source_du{du}_{name}.fits") as f:
            table, header = f["SPECTRUM"].data, f["SPECTRUM"].header
            rate, error = table["RATE"].astype(float), table["STAT_ERR"].astype(float)
            channel = table["CHANNEL"]
        assert np.array_equal(spectrum.channel, channel)
        assert spectrum.exposure == pytest.approx(header["EXPOSURE"], rel=1e-8)
        scale = np.abs(rate).max()
        assert np.allclose(spectrum.values, rate, rtol=2e-7, atol=2e-7 * scale)
        full = made.sums.n > 0
        assert np.allclose(np.asarray(spectrum.stat_err)[full], error[full], rtol=2e-7)


def test_weighted_spectra_of_another_program(shared, tmp_path):
    """ixpeobssim's weighted PHA1* of the same events with weights that vary (NEFF's prescription)."""
    want = json.loads(REFERENCE.read_text())["pha"]
    path = reweighted(shared("ixpe/sim_point_source_ixpeobssim/toy_point_source_du1.fits"), tmp_path / "weighted.fits")
    made = extract_stokes(EventList.read(path), weighting="neff")
    full = made.sums.n > 0
    for spectrum, name in zip(made, ("PHA1", "PHA1Q", "PHA1U"), strict=True):
        rate, error = np.array(want[name]["RATE"]), np.array(want[name]["STAT_ERR"])
        assert np.allclose(spectrum.values, rate, rtol=2e-7, atol=1e-7 * np.abs(rate).max())
        assert np.allclose(np.asarray(spectrum.stat_err)[full], error[full], rtol=2e-7)


def independent(path: Path, region: str) -> tuple[np.ndarray, int, float]:
    """Counts per channel, area and exposure of the seed's regions with astropy and plain NumPy."""
    from astropy.coordinates import SkyCoord
    from astropy.wcs import WCS

    with fits.open(path) as f:
        data, head = f["EVENTS"].data, f["EVENTS"].header
        good = f["GTI"].data
        n = {name: data.columns.names.index(name) + 1 for name in "XY"}
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = [head[f"TCTYP{n[a]}"] for a in "XY"]
        wcs.wcs.crpix = [head[f"TCRPX{n[a]}"] for a in "XY"]
        wcs.wcs.crval = [head[f"TCRVL{n[a]}"] for a in "XY"]
        wcs.wcs.cdelt = [head[f"TCDLT{n[a]}"] for a in "XY"]
        centre = SkyCoord("16h53m51.766s", "+39d45m44.41s")
        (x0, y0) = wcs.all_world2pix([[centre.ra.deg, centre.dec.deg]], 1)[0]
        sizes = [float(s.rstrip('"')) for s in region.rstrip(")").split(",")[2:]]
        pixels = [s / 3600 / abs(head[f"TCDLT{n['Y']}"]) for s in sizes]
        low, high = (0.0, *pixels) if len(pixels) == 1 else pixels
        r = np.hypot(data["X"].astype(float) - x0, data["Y"].astype(float) - y0)
        t = data["TIME"]
        in_time = np.any([(t >= a) & (t <= b) for a, b in zip(good["START"], good["STOP"], strict=True)], axis=0)
        keep = (r >= low) & (r <= high) & in_time
        counts = np.bincount(data["PI"][keep], minlength=375)
        yy, xx = np.mgrid[1:601, 1:601]
        rr = np.hypot(xx - x0, yy - y0)
        area = int(((rr >= low) & (rr <= high)).sum())
        exposure = (good["STOP"] - good["START"]).sum() * head["DEADC"]
    return counts, area, exposure


@pytest.mark.parametrize("region", [SOURCE, BACKGROUND])
@pytest.mark.parametrize("detector", [1, 2, 3])
def test_counts_equal_an_independent_selection(shared, detector, region):
    path = shared(EVENTS.format(detector))
    counts, area, exposure = independent(path, region)
    events = EventList.read(path).select(region)
    spectrum = extract_spectrum(events)
    assert np.array_equal(spectrum.values, counts)
    assert spectrum.backscal == pytest.approx(area / 360000, rel=1e-14)
    assert spectrum.exposure == pytest.approx(exposure, rel=1e-12)
    # W_MOM is 1 in this simulation, so the weighted I spectrum is the same in counts.
    stokes = extract_stokes(events)
    assert np.allclose(stokes.i.values * exposure, counts, rtol=1e-12)
    assert stokes.sums.n.sum() == counts.sum()


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ("ixpe_det1_src_.pha", "ixpe_det1_src_I.pha"),
        ("spec.pi", "specI.pi"),
        ("a.b.pha", "a.bI.pha"),
        ("plain", "plainI"),
    ],
)
def test_names_of_stokes_files(given, want):
    assert stokes_names(Path("dir.v1") / given)[0] == Path("dir.v1") / want


def test_files_carry_what_the_standard_tool_writes(shared, tmp_path):
    """Keywords and extensions of a real NEFF file, with our values."""
    path = shared(EVENTS.format(1))
    names = extract_stokes(EventList.read(path).select(SOURCE)).write(tmp_path / "ixpe_det1_src_.pha")
    assert [n.name for n in names] == [f"ixpe_det1_src_{s}.pha" for s in "IQU"]
    real = fits.open(shared("ixpe/mrk501_01004601/det1_filt_src_Q.pha"))
    for number, (name, pattern) in enumerate(zip(names, ("Ixx", "xQx", "xxU"), strict=True)):
        with fits.open(name) as ours:
            head = ours["SPECTRUM"].header
            assert [h.name for h in ours][:4] == ["PRIMARY", "SPECTRUM", "GTI", "REG00101"]
            assert ours["SPECTRUM"].columns.names == real["SPECTRUM"].columns.names
            assert ours["SPECTRUM"].columns.formats == real["SPECTRUM"].columns.formats
            assert head["XFLT0001"] == f"Stokes:{number}"
            assert (head["STOKESPR"], head["STOKESWT"]) == (pattern, "NEFF")
            assert head["TOTCTS"] == 37420
            assert (head["TSTART"], head["TSTOP"]) == (167270403.0, 167429423.0)
            assert head["LIVETIME"] == head["EXPOSURE"] == pytest.approx(95948.532, abs=2e-3)
            for key in ("HDUCLASS", "HDUCLAS1", "HDUCLAS2", "HDUCLAS3", "CHANTYPE", "DETCHANS", "TLMIN1", "TLMAX1",
                        "POISSERR", "AREASCAL", "CORRSCAL", "SYS_ERR", "QUALITY", "GROUPING", "BACKFILE", "CORRFILE",
                        "TELESCOP", "INSTRUME", "DETNAM", "DSTYP1", "DSVAL1", "DSREF1", "MJDREFI"):  # fmt: skip
                assert head[key] == real["SPECTRUM"].header[key], key
            assert ours["GTI"].data["START"][0] == 167270403.0
            assert ours["REG00101"].data["SHAPE"][0].strip() == "CIRCLE"
        again = Spectrum.read(name)
        assert again.stokes == number
        assert again.stokes_weight == "NEFF"
    real.close()


def test_generic_telescope(tmp_path):
    """An instrument nobody has heard of: channels from 1, PHA, no Stokes columns."""
    rng = np.random.default_rng(3)
    data = {k: v for k, v in uniform(800).items() if k in ("TIME", "X", "Y")}
    data["PHA"] = rng.integers(1, 65, 800).astype("i2")
    path = write_events(
        tmp_path / "k.fits", data, header={"TELESCOP": "KESTREL", "INSTRUME": "CAM"}, formats={"PHA": "I"}
    )
    with fits.open(path, mode="update") as f:
        f["EVENTS"].header["TLMIN4"], f["EVENTS"].header["TLMAX4"] = 1, 64
    events = EventList.read(path).select("physical; circle(50,50,30)", pi=(10, 40))
    spectrum = extract_spectrum(events)
    spectrum.write(tmp_path / "k.pha")
    t = data["TIME"]
    good = ((t >= 1000) & (t <= 1400)) | ((t >= 1500) & (t <= 2000))
    inside = np.hypot(data["X"].astype(float) - 50, data["Y"].astype(float) - 50) <= 30
    keep = good & inside & (data["PHA"] >= 10) & (data["PHA"] <= 40)
    with fits.open(tmp_path / "k.pha") as f:
        table, head = f["SPECTRUM"].data, f["SPECTRUM"].header
        assert np.array_equal(table["CHANNEL"], np.arange(1, 65))
        assert np.array_equal(table["COUNTS"], np.bincount(data["PHA"][keep], minlength=65)[1:])
        assert (head["CHANTYPE"], head["TELESCOP"], head["TLMIN1"]) == ("PHA", "KESTREL", 1)
    with pytest.raises(DataError, match="Stokes"):
        extract_stokes(events)


def test_area_without_the_size_of_the_plane(tmp_path):
    events = EventList.read(write_events(tmp_path / "e.fits", uniform(500), limits=False))
    yy, xx = np.mgrid[1:101, 1:101]
    small, large = events.select("physical; circle(50,50,10)"), events.select("physical; circle(50,50,20)")
    ratio = extract_spectrum(large).backscal / extract_spectrum(small).backscal
    r = np.hypot(xx - 50, yy - 50)
    assert ratio == pytest.approx((r <= 20).sum() / (r <= 10).sum())


def test_history_and_provenance(tmp_path):
    path = write_events(tmp_path / "e.fits", uniform(500))
    events = EventList.read(path).select("physical; circle(50,50,20)", pi=(50, 199))
    name = extract_stokes(events).write(tmp_path / "s_.pha")[0]
    with fits.open(name) as f:
        history = "\n".join(f["SPECTRUM"].header["HISTORY"])
        assert "extract_stokes of e.fits[EVENTS]" in history
        assert "50 <= PI <= 199" in history
        assert "circle" in history.lower()
        rows = f["PROVENANCE"].data
        assert "extract_stokes" in rows["TASK"][0]
        assert any(len(s.strip()) == 64 for s in rows["SHA256"])
