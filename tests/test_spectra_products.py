"""Type II files, weighted maps in spectra, and BACKSCAL from exposure maps."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits

from events_support import uniform, write_events
from wolter.data import EventList, Spectrum, SpectrumSet
from wolter.data.exposure_map import ExposureMap
from wolter.data.type2 import read_type2, write_type2
from wolter.errors import DataError, OutputError, ParameterError
from wolter.fits import Header
from wolter.makers import extract_spectrum, make_image
from wolter.makers.spectrum import backscal, exposed_share
from wolter.observation import Observation
from wolter.sky import annulus, circle


def spectra(n=3):
    rng = np.random.default_rng(1)
    out = []
    for k in range(n):
        counts = rng.poisson(5.0, 40).astype(float)
        head = Header({"TELESCOP": "TOY", "OBS_ID": f"{k}"})
        s = Spectrum(
            channel=np.arange(1, 41), values=counts, exposure=100.0 * (k + 1), backscal=0.1 * (k + 1), header=head
        )
        out.append(s)
    if n > 1:
        out[1] = out[1].group("min", 20)
    return out


def test_type_two_there_and_back(tmp_path):
    made = spectra()
    path = write_type2(made, tmp_path / "two.pha")
    with fits.open(path) as f:
        table = f["SPECTRUM"]
        assert table.header["HDUCLAS4"] == "TYPE:II"
        assert table.header["TELESCOP"] == "TOY"
        assert "OBS_ID" not in table.header
        assert table.data["SPEC_NUM"].tolist() == [1, 2, 3]
        assert table.data["COUNTS"].shape == (3, 40)
        assert table.data["COUNTS"].dtype.kind == "i"
        np.testing.assert_allclose(table.data["BACKSCAL"], [0.1, 0.2, 0.3])
        assert table.header["TLMIN3"] == 1
    for got in (read_type2(path), list(SpectrumSet.read(path))):
        assert len(got) == 3
        for a, b in zip(got, made, strict=True):
            assert np.array_equal(a.values, b.values)
            assert np.array_equal(a.channel, b.channel)
            assert (a.exposure, a.poisson) == (b.exposure, True)
            assert a.backscal == pytest.approx(b.backscal)
            assert np.array_equal(a.quality, b.quality)
            flags = np.ones(40) if b.grouping is None else b.grouping
            assert np.array_equal(a.grouping, flags)
    one = Spectrum.read(f"{path}{{2}}")
    assert np.array_equal(one.values, made[1].values)
    one.write(tmp_path / "one.pha")
    assert len(read_type2(tmp_path / "one.pha")) == 1
    with pytest.raises(OutputError):
        write_type2(made, path)


def test_type_two_of_rates_and_refusals(tmp_path):
    rates = [
        Spectrum(channel=[0, 1], values=[0.5 * k, 0.25], is_rate=True, stat_err=[0.1, 0.2], poisson=False, exposure=9.0,
                 areascal=np.array([1.0, k]))
        for k in (1, 2)
    ]  # fmt: skip
    back = read_type2(write_type2(rates, tmp_path / "r.pha"))
    for a, b in zip(back, rates, strict=True):
        np.testing.assert_allclose(a.values, b.values)
        np.testing.assert_allclose(a.stat_err, b.stat_err, rtol=1e-6)
        np.testing.assert_allclose(np.broadcast_to(a.areascal, 2), np.broadcast_to(b.areascal, 2))
    for parts, match in (
        ([], "no spectra"),
        ([*spectra(1), rates[0]], "channels"),
    ):
        with pytest.raises(DataError, match=match):
            write_type2(parts, tmp_path / "x.pha")
    mixed = [rates[0], Spectrum(channel=[0, 1], values=[1.0, 2.0], exposure=1.0)]
    with pytest.raises(DataError, match="counts or rates"):
        write_type2(mixed, tmp_path / "x.pha")


@pytest.mark.parametrize(
    "name", ["nustar_circle_physical", "ixpe_circle_fk5_sexa", "swift_annulus_fk5_deg", "ixpe_exclude_two_fk5_deg"]
)
def test_weighted_map_is_the_extractors(golden, shared, tmp_path, name):
    """Counts inside and pixels of the region of the extractor's WMAP, from the maker's spectrum file."""
    case = json.loads(golden("extractor", f"{name}.json").read_text())
    want = case["products"]["spectrum"]
    (tmp_path / "r.reg").write_text(case["region_text"])
    events = EventList.read(shared(case["input"])).select(region=tmp_path / "r.reg")
    spectrum = extract_spectrum(events)
    spectrum.write(tmp_path / "s.pha")
    with fits.open(tmp_path / "s.pha") as f:
        data, header = f[0].data, f[0].header
        assert header["HDUCLAS2"] == "WMAP"
        assert (data >= 0).sum() == want["wmap"]["n_ge0"]
        assert data[data > 0].sum() == want["wmap"]["sum_inside"]
        if want["wmap"]["header"]["NPIXSOU"] > 0:  # an overflow of the tool's integers
            assert header["NPIXSOU"] == pytest.approx(want["wmap"]["header"]["NPIXSOU"])
        # a pixel lies where the extractor has it
        there = want["wmap"]["header"]
        for axis in (1, 2):
            assert header[f"CDELT{axis}"] == pytest.approx(there[f"CDELT{axis}"])
            assert header[f"CRVAL{axis}"] == pytest.approx(there[f"CRVAL{axis}"])
    assert spectrum.backscal == pytest.approx(want["header"]["BACKSCAL"], rel=1e-6)
    again = pickle.loads(pickle.dumps(spectrum.replace(gti=None, region=None)))
    assert np.array_equal(again.wmap.read(), spectrum.wmap.read())


def test_weighted_map_in_other_frames(tmp_path, shared):
    """Detector coordinates of events that are selected on the sky: counts where there are any."""
    events = EventList.read(shared("swift", "1whsp_0126+33_00085374001", "sw00085374001xpcw3po_cl.evt.gz"))
    inside = events.select(region="physical\ncircle(500,500,60)")
    spectrum = extract_spectrum(inside, wmap="det")
    data = spectrum.wmap.read()
    columns = inside.read_columns(["DETX", "DETY"])
    assert data[data > 0].sum() == len(columns["DETX"])
    assert (data == -1).sum() + np.count_nonzero(data > 0) == data.size
    assert extract_spectrum(events).wmap is None
    assert extract_spectrum(inside, wmap=False).wmap is None
    assert extract_spectrum(events, wmap=True).wmap.read().sum() != 0


def circle_of(path):
    """A circle of 20 pixels round (50, 50), on the sky."""
    ra, dec = EventList.read(path).wcs.pixel_to_sky(50.0, 50.0)
    return circle((float(ra) * u.deg, float(dec) * u.deg), 72 * u.arcsec)


def annulus_of(path):
    ra, dec = EventList.read(path).wcs.pixel_to_sky(50.0, 50.0)
    return annulus((float(ra) * u.deg, float(dec) * u.deg), 90 * u.arcsec, 144 * u.arcsec)


def inside_ring(x, y):
    r = np.hypot(x - 50.0, y - 50.0)
    return (r >= 25) & (r <= 40)


def test_backscal_with_an_exposure_map(tmp_path):
    """Half of the region is not exposed; pixels counted with numpy."""
    path = write_events(tmp_path / "e.fits", uniform(500))
    events = EventList.read(path).select(region="physical\ncircle(50,50,20)")
    image = make_image(EventList.read(path))
    data = np.full(image.data.shape, 0.9 * 900.0)
    data[:, :50] = 0.0
    exposure = ExposureMap(data=data, header=image.header)
    x, y = np.meshgrid(np.arange(1, 101), np.arange(1, 101))
    inside = np.hypot(x - 50.0, y - 50.0) <= 20
    share = (inside & (x > 50)).sum() / inside.sum()
    assert exposed_share(events, exposure) == pytest.approx(share)
    assert backscal(events) == pytest.approx(inside.sum() / 1e4)
    made = extract_spectrum(events, exposure_map=exposure)
    assert made.backscal == pytest.approx(inside.sum() / 1e4 * share)
    through = Observation(path).spectra(circle_of(path), annulus_of(path), exposure_maps={"DU1": exposure}, wmap=False)[
        0
    ]
    assert through.backscal == pytest.approx(made.backscal, rel=0.02)
    ring = inside_ring(x, y)
    want = ring.sum() / 1e4 * (ring & (x > 50)).sum() / ring.sum()
    assert through.background.backscal == pytest.approx(want, rel=0.02)
    assert through.wmap is None
    small = ExposureMap(data=data[:5, :5], header=image.header)
    with pytest.raises(DataError, match="does not cover"):
        exposed_share(events, small)


def test_backscal_of_a_mission(tmp_path, monkeypatch):
    """A mission's own rule wins."""
    from dataclasses import replace

    import wolter.makers.spectrum as module

    path = write_events(tmp_path / "e.fits", uniform(500))
    events = EventList.read(path).select(region="physical\ncircle(50,50,20)")
    asked = []

    def rule(region, found, exposure_map):
        asked.append((region, found, exposure_map))
        return 0.25

    monkeypatch.setattr(module, "mission_rule", rule, raising=False)
    mission = replace(events.mission, backscal="wolter.makers.spectrum:mission_rule")
    own = EventList.read(path, mission=mission).select(region="physical\ncircle(50,50,20)")
    assert backscal(own) == 0.25
    assert asked[0][1] is own
    assert asked[0][0].shape == (100, 100)
    assert asked[0][0].sum() == events.region_area


def test_region_of_spectra_and_light_curves_has_a_name(shared):
    observation = Observation(shared("ixpe", "sim_point_source_ixpeobssim", "toy_point_source_du1.fits"))
    somewhere = circle("02:00:00 +45:00:00", 60 * u.arcsec)
    for call in (observation.spectra, lambda **more: observation.light_curve(100 * u.s, **more)):
        with pytest.raises(ParameterError, match="Give it as source="):
            call(region=somewhere)
