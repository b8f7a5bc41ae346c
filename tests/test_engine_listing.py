"""`wolter models`: every component with parameters, units, origin and whether it is usable; tables by their file."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from test_tables import grid_parameter, table_hdus, write
from wolter.errors import ModelError
from wolter.models.catalogue import TABLE_MODELS, describe_component


@pytest.fixture
def run(run):
    """Function: what `wolter models` prints."""

    def call(*words):
        status, out, err = run("models", *words)
        assert not status, err
        return out

    return call


@pytest.fixture
def table(tmp_path):
    edges = np.geomspace(1, 10, 11)
    hdus = table_hdus([grid_parameter("kTe", [1.0, 2.0, 4.0], unit="keV")], edges, lambda kt: np.diff(edges))
    return write(tmp_path / "grid.fits", hdus)


@pytest.mark.parametrize(("name", "shown"), [("po", "powerlaw"), ("TBABS", "TBabs"), ("apec", "apec")])
def test_parameters_of_one_are_those_of_model_dat(name, shown, run, shared):
    text = run(name)
    assert text.startswith(f"{shown} (")
    assert "native)" in text.splitlines()[0]
    lines = shared("model_data", "abund_xsect", "model.dat").read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith(f"{shown} "))
    for line in lines[first + 1 : first + 1 + int(lines[first].split()[1])]:
        found = re.match(r"(\S+)\s+(\"[^\"]*\"|\S+)\s+(.*)", line)
        assert found is not None
        parameter, unit, numbers = found.groups()
        default, hard_min, soft_min, soft_max, hard_max, delta = map(float, numbers.split())
        row = next(r for r in text.splitlines() if r.split()[:1] == [parameter])
        unit = unit.strip('" ')
        assert unit in row
        limits = f"{default:g}   {hard_min:g} ({soft_min:g}) ... ({soft_max:g}) {hard_max:g}"
        assert row.endswith(limits + (" frozen" if delta < 0 else ""))


def test_one_as_json(run):
    entry = json.loads(run("tbabs", "--json"))
    assert (entry["name"], entry["origin"], entry["usable"]) == ("TBabs", "native", True)
    (nh,) = entry["parameters"]
    assert (nh["name"], nh["default"], nh["hard_max"]) == ("nH", 1.0, 1e6)
    assert "22" in nh["unit"]


def test_what_is_not_usable_says_why(run):
    pytest.importorskip("xspectrampoline")
    entry = json.loads(run("zxipcf", "--json"))
    assert entry["origin"] == "XSPEC library"
    assert entry["usable"] is False
    assert "zxipcf_mtable.fits" in entry["reason"]
    assert "Not usable here: its data file zxipcf_mtable.fits" in run("zxipcf")
    assert "Usable here." in run("powerlaw")


def test_tables(run, table):
    text = run(f"atable{{{table}}}")
    assert text.startswith("mine (additive, table)")
    assert re.search(r"kTe +keV +1 +1 \(1\) \.\.\. \(4\) 4", text)
    entry = json.loads(run(f"ATABLE{{{table}}}", "--json"))
    assert [p["name"] for p in entry["parameters"]] == ["kTe", "norm"]
    for general in TABLE_MODELS:
        assert f"{general.name}{{FILE}}" in run(general.name)
    with pytest.raises(ModelError, match="is an additive table model"):
        describe_component(f"mtable{{{table}}}")
    with pytest.raises(ModelError, match="there is no such table model"):
        describe_component(f"atable{{{table}.no}}")


def test_listing_of_all(run):
    entries = {e["name"]: e for e in json.loads(run("--json"))["components"]}
    assert {e["origin"] for e in entries.values()} >= {"native", "table"}
    assert set(entries) >= {"powerlaw", "TBabs", "cflux", "atable", "mtable", "etable"}
    for e in entries.values():
        assert isinstance(e["usable"], bool)
        assert e["usable"] or e["reason"]
        for p in e["parameters"]:
            assert p["hard_min"] <= p["soft_min"] <= p["soft_max"] <= p["hard_max"]
    lines = run().splitlines()
    assert re.match(r"name +kind +origin +usable here", lines[0])
    assert len(lines) == len(entries) + 2
    # some numbers of components, of all origins, in the last line
    assert re.fullmatch(r"\d+ usable of .*\d+ native.*", lines[-1])
    usable = run("--usable").splitlines()
    assert not any(" no: " in line for line in usable)
