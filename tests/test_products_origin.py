"""Every product of `wolter extract` says where it came from, in all its extensions."""

# pyright: reportAttributeAccessIssue=false, reportIndexIssue=false
# (astropy describes its HDU lists without their contents)
from __future__ import annotations

import hashlib
import json
import re

import numpy as np
import pytest
from astropy.io import fits as astropy_fits

from wolter import Observation
from wolter.cli import main
from wolter.errors import MissionError

SOURCE = 'circle(16:53:51.766,+39:45:44.41,60.000")'
BACKGROUND = 'annulus(16:53:51.766,+39:45:44.41,132.000",252.000")'
CARD = re.compile(r"([A-Z0-9_\-]{1,8}) *= *('(?:[^']|'')*'|[^/]*)")


@pytest.fixture(scope="module")
def event_file(shared):
    return shared("ixpe", "sim_mrk501_01004701", "01004701", "event_l2", "ixpe01004701_det1_evt2_v01.fits.gz")


def extract(*words):
    main(["extract", *map(str, words)])


@pytest.fixture(scope="module")
def products(event_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("products")
    extract(event_file, "--source", SOURCE, "--background", BACKGROUND, "--light-curve", 500, "--image",
            "--output", folder)  # fmt: skip
    extract(event_file, "--source", SOURCE, "--background", BACKGROUND, "--stokes", "neff", "--output", folder)
    return folder


def test_names_without_and_with_stokes(products):
    assert {p.name for p in products.iterdir()} == {
        "ixpe_det1_bck.pha", "ixpe_det1_bck_I.pha", "ixpe_det1_bck_Q.pha", "ixpe_det1_bck_U.pha", "ixpe_det1_src.pha",
        "ixpe_det1_src_I.pha", "ixpe_det1_src_Q.pha", "ixpe_det1_src_U.pha", "ixpe_det1.img", "ixpe_det1_src.lc",
    }  # fmt: skip


def test_every_product_has_the_hash_of_its_input_and_its_selection(products, event_file):
    sha = hashlib.sha256(event_file.read_bytes()).hexdigest()
    for path in products.iterdir():
        with astropy_fits.open(path, checksum=True) as f:
            f.verify("exception")
            table = f["PROVENANCE"].data
            inputs = [row for row in table if row["KIND"].strip() == "input"]
            assert [row["SHA256"].strip() for row in inputs] == [sha], path.name
            values = {r["NAME"].strip(): r["VALUE"].strip() for r in table if r["KIND"].strip() == "parameter"}
            selection = json.loads(values["selection"])
            assert ("annulus" if "_bck" in path.name else "circle") in " ".join(selection) or "img" in path.name
            assert ("weighting" in values) == (path.stem[-2:] in ("_I", "_Q", "_U"))
            assert all("CHECKSUM" in hdu.header and "DATASUM" in hdu.header for hdu in f)


def test_extensions_carry_the_keywords_of_the_standard_extractor(products, golden):
    """Observation and time system, as the extractor wrote them from the same events and region."""
    text = golden("extractor", "headers", "ixpe_spectrum_circle_seed_nocoord.txt").read_text()
    expected = {}
    for block in re.split(r"\n(?=XTENSION|SIMPLE)", text):
        cards = {m[1]: m[2].strip().strip("'").strip() for line in block.splitlines() if (m := CARD.match(line))}
        expected[cards.get("EXTNAME", "PRIMARY")] = cards
    words = ("TELESCOP", "INSTRUME", "DETNAM", "OBJECT", "TIMESYS", "TIMEREF", "DATE-OBS", "DATE-END")
    numbers = ("TSTART", "TSTOP", "MJDREFI", "MJDREFF", "ONTIME", "LIVETIME", "EXPOSURE", "DEADC", "MJD-OBS")
    with astropy_fits.open(products / "ixpe_det1_src.pha") as f:
        assert set(expected) == {"PRIMARY", "SPECTRUM", "GTI", "REG00101"}
        for name, cards in expected.items():
            for key in words:
                if key in cards:
                    assert f[name].header[key] == cards[key], (name, key)
            for key in numbers:
                if key in cards:
                    assert f[name].header[key] == pytest.approx(float(cards[key]), rel=2e-8), (name, key)


def test_light_curve_has_the_region_its_header_points_to(products):
    with astropy_fits.open(products / "ixpe_det1_src.lc") as f:
        reference = [v for k, v in f["RATE"].header.items() if k.startswith("DSREF")]
        assert reference == [":REG00101"]
        assert f["REG00101"].data["SHAPE"][0].strip().upper() == "CIRCLE"


def test_row_filters_of_file_names(event_file, tmp_path):
    with astropy_fits.open(event_file) as f:
        pi = f["EVENTS"].data["PI"]
        expected = np.bincount(pi[(pi >= 50) & (pi < 100)], minlength=375)
    extract(f"{event_file}[EVENTS][PI>=50 && PI<200]", "--filter", "PI<100", "--output", tmp_path)
    with astropy_fits.open(tmp_path / "ixpe_det1_src.pha") as f:
        np.testing.assert_array_equal(f["SPECTRUM"].data["COUNTS"], expected)
    with pytest.raises(MissionError, match="no such file"):
        Observation(f"{tmp_path}/nowhere.fits[EVENTS]")


def test_region_extension_as_source(products, event_file, tmp_path):
    extract(event_file, "--source", f"{products / 'ixpe_det1_src.pha'}[REG00101]", "--output", tmp_path)
    with astropy_fits.open(tmp_path / "ixpe_det1_src.pha") as f, astropy_fits.open(products / "ixpe_det1_src.pha") as g:
        np.testing.assert_array_equal(f["SPECTRUM"].data["COUNTS"], g["SPECTRUM"].data["COUNTS"])


def test_failed_extraction_leaves_no_folder(event_file, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["extract", str(event_file), "--source", 'circle(10:00:00,+39:45:44.41,60")', "--output", f"{tmp_path}/x"])
    assert end.value.code == 1
    assert "outside the field" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
