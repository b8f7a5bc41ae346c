"""The task ``extractor`` against the outputs of the FTOOL (version 5.31), case by case."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from wolter import tasks

PRODUCTS = {"phafile": "spectrum", "imgfile": "image", "fitsbinlc": "lightcurve", "eventsout": "events"}
# Identity of the program; BBOXn and DSREFn are bookkeeping of the tool's own extensions.
OTHERS = {"CREATOR", "BBOX1", "BBOX2", "DSREF1"}


def case_names() -> list[str]:
    """Names of the stored cases; none without the folder."""
    from conftest import GOLDEN as folder

    index = folder / "extractor" / "index.json"
    return [c["case"] for c in json.loads(index.read_text())] if index.exists() else []


@pytest.fixture
def replay(golden, shared, tmp_path):
    """Function: run a stored case; the case, the result and the paths of its products."""

    def run(name):
        case = json.loads(golden("extractor", f"{name}.json").read_text())
        call = dict(case["call"])
        call["filename"] = str(shared(case["input"])) + (case["filter"] or "")
        for parameter in PRODUCTS:
            if call[parameter] != "NONE":
                call[parameter] = str(tmp_path / call[parameter])
        if call["regionfile"] != "NONE":
            region = tmp_path / "r.reg"
            region.write_text(case["region_text"])
            call["regionfile"] = str(region)
        if call["timefile"] != "NONE":
            call["timefile"] = str(golden("extractor", case["gti_filter_file"]))
        result = tasks.run("extractor", check=False, **call)
        return case, result, {kind: call[parameter] for parameter, kind in PRODUCTS.items()}

    return run


def same_header(golden_header, header, name):
    """Keywords of a golden header have the same values; the tool prints some with few digits."""
    for key, want in golden_header.items():
        if key in OTHERS or (key == "NPIXSOU" and want < 0):  # an overflow of the tool's integers
            continue
        assert key in header, f"{name}: {key} is missing"
        if isinstance(want, str):
            assert str(header[key]).strip() == want.strip(), f"{name}: {key}"
        else:
            digits = {"BACKSCAL": 6e-7, "NPIXSOU": 1e-7, "DEADC": 1e-9}.get(key, 1e-12)
            assert header[key] == pytest.approx(want, rel=digits, abs=1e-6 if key == "TELAPSE" else 1e-13), (
                f"{name}: {key}"
            )


def same_gti(want, table):
    """Intervals are equal; the tool keeps those without length."""
    want = np.array([pair for pair in want if pair[1] > pair[0]])
    assert np.array_equal(table["START"], want[:, 0])
    assert np.array_equal(table["STOP"], want[:, 1])


def extensions(f):
    return [h.name for h in f if h.name != "PROVENANCE"]


def check_spectrum(want, path):
    with fits.open(path) as f:
        table = f["SPECTRUM"].data
        assert len(table) == want["n_channels"]
        assert table["CHANNEL"][0] == want["first_channel"]
        counts = np.zeros(len(table), dtype=int)
        for channel, number in want["counts_sparse"]:
            counts[channel - want["first_channel"]] = number
        assert np.array_equal(table["COUNTS"], counts)
        same_header(want["header"], f["SPECTRUM"].header, "spectrum")
        assert extensions(f) == want["hdus"]
        name = next(n for n in want["hdus"] if n.startswith("GTI"))
        same_gti(want["gti"], f[name].data)
        wmap = want.get("wmap")
        if wmap:
            data = f[0].data
            assert list(data.shape) == wmap["shape"]
            assert (data == -1).sum() == wmap["n_minus1"]
            assert (data >= 0).sum() == wmap["n_ge0"]
            assert data[data > 0].sum() == wmap["sum_inside"]
            same_header(wmap["header"], f[0].header, "WMAP")
        region = want.get("region_ext")
        if region:
            table = f[region["name"]].data
            for column, values in region["columns"].items():
                if column not in ("SHAPE", "R", "ROTANG", "COMPONENT"):  # the coordinates, whatever their names
                    assert np.allclose(table[column], values, rtol=1e-9, atol=1e-7), column


def check_image(want, path, golden):
    with fits.open(path) as f:
        assert np.array_equal(f[0].data, np.load(golden("extractor", want["file"]))["image"])
        same_header(want["header"], f[0].header, "image")
        assert extensions(f) == want["hdus"]


def check_light_curve(want, path):
    with fits.open(path) as f:
        table = f["RATE"].data
        assert len(table) == want["n_bins"]
        assert np.allclose(table["TIME"], want["TIME"], rtol=0, atol=1e-7)
        for name in ("RATE", "ERROR", "FRACEXP"):
            # Both are single precision; the golden values are printed with nine digits.
            assert np.allclose(table[name].astype(float), want[name], rtol=2e-7, atol=0), name
        same_header(want["header"], f["RATE"].header, "light curve")
        assert extensions(f) == want["hdus"]


def check_events(want, path, golden, source):
    stored = np.load(golden("extractor", want["row_indices_file"]))
    rows = stored[stored.files[0]]
    with fits.open(path) as f, fits.open(source) as g:
        table, original = f["EVENTS"].data, g["EVENTS"].data[rows]
        assert len(table) == want["n"]
        for name in original.names:
            assert np.array_equal(np.asarray(table[name]), np.asarray(original[name])), name
        same_header(want["header"], f["EVENTS"].header, "events")
        assert extensions(f) == want["hdus"]


@pytest.mark.filterwarnings("ignore::astropy.io.fits.verify.VerifyWarning")
@pytest.mark.parametrize("name", case_names())
def test_case(replay, golden, shared, name):
    case, result, paths = replay(name)
    assert result.returncode == case["rc"], result.messages
    assert set(result.products) == set(case["products"])
    for kind, want in case["products"].items():
        if kind == "spectrum":
            check_spectrum(want, paths[kind])
        elif kind == "image":
            check_image(want, paths[kind], golden)
        elif kind == "lightcurve":
            check_light_curve(want, paths[kind])
        else:
            check_events(want, paths[kind], golden, shared(case["input"]))
    if case["rc"] and not case["products"]:
        assert not any(Path(p).exists() for p in paths.values() if p != "NONE")
