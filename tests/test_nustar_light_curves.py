"""Live times, fractional exposures and light curves of real NuSTAR data against what the standard software recorded."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits

from wolter.data import EventList
from wolter.errors import DataError, MissionError
from wolter.gti import GTI
from wolter.makers import light_curve
from wolter.makers.livetime import mean_live
from wolter.missions.nustar.exposure import read_livetime
from wolter.observation import Observation

SOLAR = ("nustar", "sol_80415201001")


def recorded(shared, module):
    """Light curve of nuproducts with its good times."""
    with fits.open(shared(*SOLAR, f"nu80415201001{module}06_chu2_S_cl_grade0_sr.lc")) as f:
        gti = GTI(np.array(f["GTI"].data["START"]), np.array(f["GTI"].data["STOP"]))
        return np.array(f["RATE"].data), f["RATE"].header.copy(), gti


@pytest.mark.parametrize("module", ["A", "B"])
def test_deadc_from_housekeeping(shared, module):
    """nulivetime's DEADC and LIVETIME: mean live fraction over the good time, to the digits that are recorded."""
    _, header, gti = recorded(shared, module)
    live = read_livetime(shared(*SOLAR, f"nu80415201001{module}_fpm.hk"))
    assert live.mean(gti) == pytest.approx(header["DEADC"], rel=5e-8)
    assert live.mean(gti) * gti.exposure == pytest.approx(header["LIVETIME"], rel=5e-8)


@pytest.mark.parametrize("module", ["A", "B"])
def test_fracexp_and_correction_bin_by_bin(shared, module):
    """FRACEXP to single precision; RATE_ORIG/RATE is the live fraction of the bin times the part of the point-spread
    function inside the region, which differs by less than 2 % from its median (pointing) in fully exposed bins."""
    table, header, gti = recorded(shared, module)
    edges = header["TIMEZERO"] - 5.0 + 10.0 * np.arange(81)
    bins = np.rint(table["TIME"] / 10.0).astype(int)
    fraction = gti.bin_exposure(edges) / 10.0
    assert np.flatnonzero(fraction > 0).tolist() == bins.tolist()
    np.testing.assert_allclose(fraction[bins], table["FRACEXP"], atol=3e-7)
    live = mean_live(edges, gti, read_livetime(shared(*SOLAR, f"nu80415201001{module}_fpm.hk")))[bins]
    inside = table["RATE_ORIG"] / table["RATE"] / live
    full = table["FRACEXP"] > 0.5
    assert np.abs(inside[full] / np.median(inside[full]) - 1).max() < 0.02
    assert np.std(inside[full]) / np.median(inside[full]) < 0.007
    # without the live fraction the factor varies by tens of per cent
    assert np.ptp((table["RATE_ORIG"] / table["RATE"])[full]) / np.median(table["RATE_ORIG"] / table["RATE"]) > 0.3


@pytest.mark.parametrize("name", ["nustar_lc_0p5", "nustar_circle_physical", "nustar_gtifile"])
def test_golden_light_curves_natively(golden, shared, tmp_path, name):
    """The maker's light curves of 90410111001 are the extractor's."""
    case = json.loads(golden("extractor", f"{name}.json").read_text())
    want, call = case["products"]["lightcurve"], case["call"]
    events = EventList.read(f"{shared(case['input'])}{case['filter'] or ''}")
    if case["region_text"]:
        (tmp_path / "r.reg").write_text(case["region_text"])
        events = events.select(region=tmp_path / "r.reg")
    if call["timefile"] != "NONE":
        events = events.select(gti=golden("extractor", case["gti_filter_file"]))
    start = events.file_gti.span[0] * u.s
    lc = light_curve(
        events, float(call["binlc"]) * u.s, start=start, min_fraction=max(float(call["lcthresh"]) - 1e-9, 0)
    )
    assert len(lc) == want["n_bins"]
    np.testing.assert_allclose(lc.time, want["TIME"], atol=1e-7)
    for key, values in (("RATE", lc.rate), ("ERROR", lc.error), ("FRACEXP", lc.fracexp)):
        np.testing.assert_allclose(values, want[key], rtol=2e-7)


def test_observation_corrects_bin_by_bin(shared, tmp_path):
    """Counts and live seconds from numpy; detectors may run in threads."""
    observation = Observation(shared("nustar", "sol_90410111001"))
    plain = observation.light_curve(20 * u.s)["FPMA"]
    with ThreadPoolExecutor(2) as pool:
        made = observation.light_curve(20 * u.s, deadtime="housekeeping", errors="gehrels", executor=pool)["FPMA"]
    hk = fits.getdata(shared("nustar", "sol_90410111001", "nu90410111001A_fpm.hk"), "HK1FPM")
    gti = observation.events["FPMA"].gti
    same = np.isin(plain.met, made.met)
    for k, centre in enumerate(made.met):
        step = np.arange(centre - 10 + 0.005, centre + 10, 0.01)
        step = step[gti.contains(step)]
        row = np.searchsorted(hk["TIME"], step, side="right") - 1
        live = hk["LIVETIME"][row].mean()
        assert made.rate[k] == pytest.approx(plain.rate[same][k] / live, rel=2e-3)
    assert made.header["DEADAPP"] is True
    assert (made.error > 0).all()
    alone = tmp_path / "o"
    alone.mkdir()
    (alone / "e.evt").symlink_to(shared("nustar", "sol_90410111001", "nu90410111001A06_cl_sunpos.evt"))
    with pytest.raises(MissionError, match=r"fpm\.hk"):
        Observation(alone).light_curve(20 * u.s, deadtime="housekeeping")
    with pytest.raises(DataError, match="HK1FPM"):
        read_livetime(alone / "e.evt")
