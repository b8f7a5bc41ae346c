"""`wolter lightcurve`."""

from __future__ import annotations

import json

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner

from events_support import uniform, write_events
from wolter.cli import cli, main


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A flare in the fifth hundred seconds."""
    rng = np.random.default_rng(3)
    time = np.concatenate([rng.uniform(1000, 2000, 2000), rng.uniform(1600, 1700, 800)])
    data = uniform(2800, TIME=np.sort(time))
    return write_events(tmp_path_factory.mktemp("lc") / "evt.fits", data), data


def run(*words):
    return CliRunner().invoke(cli, ["lightcurve", *map(str, words)], catch_exceptions=False)


def test_light_curve_flares_blocks(path, tmp_path):
    events, data = path
    done = run(events, "--bin", 100, "--sigma", 4, "--blocks", "--output", tmp_path / "o", "--json", "--plot")
    assert done.exit_code == 0
    made = json.loads(done.stdout)["light_curves"]
    assert [c["detector"] for c in made] == ["DU1"]
    one = made[0]
    counts, _ = np.histogram(data["TIME"], np.arange(1000, 2001, 100))
    with fits.open(one["file"]) as f:
        np.testing.assert_allclose(f["RATE"].data["RATE"], np.delete(counts, 4) / 100, rtol=1e-6)
    assert one["flares"]["kept"] == 8
    gti = fits.getdata(one["flares"]["file"], 1)
    assert not ((gti["START"] < 1650) & (gti["STOP"] > 1650)).any()
    assert len(one["blocks"]) == 3
    assert len(list((tmp_path / "o").glob("*.png"))) == 1
    # the good times may be applied to the events
    again = run(events, "--bin", 100, "--gti", one["flares"]["file"], "--output", tmp_path / "p", "--json")
    assert json.loads(again.stdout)["light_curves"][0]["bins"] == 8


def test_net_and_hardness(path, tmp_path):
    events, _ = path
    done = run(
        events, "--bin", 250, "--source", "physical;circle(50,50,20)", "--background", "physical;annulus(50,50,25,40)",
        "--energy", "2:8", "--deadtime", "header", "--errors", "gehrels", "--soft", "2:4", "--hard", "4:8",
        "--output", tmp_path,
    )  # fmt: skip
    assert done.exit_code == 0
    assert done.stdout.count("(H-S)/(H+S)") == 4
    header = fits.getheader(next(tmp_path.glob("*.lc")), "RATE")
    assert header["HDUCLAS2"] == "NET"
    assert header["DEADAPP"] is True


def test_hardness_of_few_counts_with_background_stays_within_its_limits(shared, tmp_path):
    """A dozen counts in 100 s less their background: the posterior lies between -1 and 1, errors too."""
    events = shared("swift/1whsp_0126+33_00085374001/sw00085374001xpcw3po_cl.evt.gz")
    where = ("--source", 'circle(01:26:57.165,+33:07:27.14,47")')
    ring = ("--background", 'annulus(01:26:57.165,+33:07:27.14,100",200")')
    bands = ("--soft", "0.3:1.5", "--hard", "1.5:10", "--bin", "100", "--json")
    values = {}
    for name, words in {"net": (*where, *ring), "dead": (*where, *ring, "--deadtime", "header"), "all": where}.items():
        done = run(events, *words, *bands, "--output", tmp_path / name)
        assert done.exit_code == 0
        values[name] = np.array([list(h.values()) for h in json.loads(done.stdout)["light_curves"][0]["hardness"]])
        assert (np.abs(values[name][:, 1:]) <= 1).all()
        assert (values[name][:, 2] < values[name][:, 3]).all()
    assert len(values["net"]) == 17
    np.testing.assert_array_equal(values["net"], values["dead"])
    assert not np.array_equal(values["net"][:, 1], values["all"][:, 1])


def test_filter_in_the_syntax_of_the_mission(shared, tmp_path):
    events = shared("xmm/a907_0201903501/mos1_exp1_clean_evts.fits")
    done = run(
        events,
        "--bin",
        1000,
        "--filter",
        "(PI in [500:2000]) && #XMMEA_EM",
        "--min-fraction",
        "0",
        "--output",
        tmp_path,
        "--json",
    )
    assert done.exit_code == 0
    with fits.open(json.loads(done.stdout)["light_curves"][0]["file"]) as f:
        table = f["RATE"].data
        counts = (table["RATE"].astype(float) * table["FRACEXP"] * 1000).sum()
    assert counts == pytest.approx(14035, rel=1e-5)  # as SAS's image of this band has


def test_refusals(path, tmp_path, capsys):
    events, _ = path
    for words, status, match in (
        (["--bin", "0"], 2, "0"),
        (["--bin", "100", "--soft", "2:4"], 2, "belong together"),
        (["--bin", "100", "--max-rate", "-5", "--output", str(tmp_path)], 1, "nothing"),
        (["--bin", "100", "--deadtime", "housekeeping", "--output", str(tmp_path)], 1, "live fraction"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(["lightcurve", str(events), *words])
        assert stop.value.code == status
        assert match in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
