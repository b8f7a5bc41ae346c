"""`wolter image` and `wolter detect` on XMM and Swift data."""

from __future__ import annotations

import json

import numpy as np
import pytest
from astropy.io import fits as afits


def test_images_of_an_observation_in_two_bands(run, shared, tmp_path):
    folder = shared("xmm", "a907_0201903501")
    status, out, err = run(
        "image", folder, "--energy", "0.5:2", "--energy", "2:10", "--filter", "#XMMEA_EM && PATTERN<=12 && FLAG==0",
        "--like", folder / "0201903501_mos1_exp1-0.50-2.00keVimg.fits", "--output", tmp_path, "--json",
    )  # fmt: skip
    assert status == 0, err
    made = json.loads(out)["images"]
    assert len(made) == 4
    with afits.open(tmp_path / "0201903501_m1_0.5-2keV.img") as got:
        with afits.open(folder / "0201903501_mos1_exp1-0.50-2.00keVimg.fits") as sas:
            # SAS counts PI = 2000 too, the channel that begins at 2 keV.
            assert 0 <= (sas[0].data - got[0].data).sum() < 10
            assert np.all(got[0].data <= sas[0].data)
        assert got[0].header["E_MAX"] == 2.0


def test_images_in_two_frames_have_two_names(run, shared, tmp_path):
    events = shared("swift/1whsp_0126+33_00085374001/sw00085374001xpcw3po_cl.evt.gz")
    for frame, name in (("sky", ""), ("det", "_det"), ("RAWX,RAWY", "_rawx_rawy")):
        status, _, err = run("image", events, "--frame", frame, "--energy", "0.3:10", "--output", tmp_path)
        assert status == 0, err
        with afits.open(tmp_path / f"sw00085374001xpcw3po_cl{name}_0.3-10keV.img") as f:
            assert f[0].data.sum() == 411


def test_mosaic_with_rate_map_and_detection(run, shared, tmp_path):
    folders = [shared("swift", f"1whsp_0126+33_0008537400{k}") for k in (1, 5)]
    events = [f / f"sw{f.name[-11:]}xpcw3po_cl.evt.gz" for f in folders]
    maps = [f / f"sw{f.name[-11:]}xpc_ex.img.gz" for f in folders]
    status, out, err = run(
        "image", *events, "--energy", "0.3:10", "--mosaic", "--exposure", maps[0], "--exposure", maps[1],
        "--output", tmp_path, "--plot", "--json",
    )  # fmt: skip
    assert status == 0, err
    (made,) = json.loads(out)["images"]
    assert made["counts"] == 944
    status, out, err = run(
        "detect", made["rate_map"], "--regions", tmp_path / "s.reg", "--table", tmp_path / "s.fits",
        "--plot", tmp_path / "s.png", "--json",
    )  # fmt: skip
    assert status == 0, err
    sources = json.loads(out)["sources"]
    assert [round(s["ra"], 2) for s in sources] == [21.74, 21.88]
    assert (tmp_path / "s.reg").read_text().count("circle") == 2
    assert (tmp_path / "s.png").stat().st_size > 5000
    status, _, err = run("detect", made["rate_map"], "--table", tmp_path / "s.fits")
    assert status == 1
    assert "exists" in err


def test_detection_in_events(run, shared):
    folder = shared("swift", "1whsp_0126+33_stack_results")
    status, out, _ = run(
        "detect", folder / "22_33_15_sum.evt.gz", "--energy", "0.3:10", "--exposure", folder / "22_33_15_sum.exp.gz"
    )
    assert status == 0
    assert len(out.splitlines()) == 3
    assert "+33.12" in out


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["image", "{xmm}", "--frame", "polar"], 1, "Known are sky"),
        (["image", "{xmm}", "--region", 'fk5;circle(253.4,39.7,60")'], 1, "away from the field|outside"),
        (["image", "{xmm}", "--filter", "PI in [500:"], 1, "^"),
        (["image", "{xmm}", "--detector", "M9"], 2, "no event list of M9"),
        (["detect", "{swift}/22_33_15_sum.exp.gz", "--energy", "1:2"], 2, "for event files"),
        (["detect", "nothing.img"], 1, "nothing.img"),
    ],
)
def test_what_is_refused(run, shared, tmp_path, arguments, status, message):
    places = {"xmm": shared("xmm", "a907_0201903501"), "swift": shared("swift", "1whsp_0126+33_stack_results")}
    filled = [a.format(**places) if "{" in a else a for a in arguments]
    got, _, err = run(*filled, *(["--output", tmp_path] if filled[0] == "image" else []))
    assert got == status
    assert any(part in err for part in message.split("|"))
