"""Observations whose event files stay on a server."""

from __future__ import annotations

import json

import numpy as np
import pytest
from astropy.io import fits as afits

import archive_support
from wolter import Observation
from wolter.archive import ArchiveServer
from wolter.cli import main
from wolter.errors import TransportError

PLACE = "ixpe/data/obs/01/01004701/event_l2/ixpe01004701_det{}_evt2_v01.fits.gz"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return archive_support.make_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def server(folder):
    with ArchiveServer(folder, port=0) as running:
        yield running


def test_products_of_event_files_on_a_server(server, folder, tmp_path):
    urls = [f"{server.url}/FTP/{PLACE.format(d)}" for d in (1, 2)]
    observation = Observation(urls)
    assert (observation.obsid, observation.mission.name) == ("01004701", "ixpe")
    assert list(observation.events) == ["DU1", "DU2"]
    spectra = observation.spectra(stokes="unweighted", output=tmp_path)
    for detector, spectrum in zip((1, 2), list(spectra)[::3], strict=True):
        with afits.open(folder / "01004701/event_l2" / PLACE.format(detector).rpartition("/")[2]) as file:
            counts = np.bincount(file["EVENTS"].data["PI"], minlength=375)
        np.testing.assert_allclose(spectrum.rate * spectrum.exposure, counts)
        assert spectrum.path.is_file()


def test_s3_addresses_and_row_filters(server, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
    url = f"s3://nasa-heasarc/{PLACE.format(3)}"
    every, some = Observation(url).events["DU3"], Observation(f"{url}[EVENTS][PI >= 100]").events["DU3"]
    values = np.concatenate([c["PI"] for c in every.chunks(["PI"])])
    assert some.count() == np.sum(values >= 100) < every.count() == len(values)


def test_extract_from_a_server(server, tmp_path, capsys):
    words = ["extract", f"{server.url}/FTP/{PLACE.format(1)}", "--light-curve", "1000", "--image"]
    main([*words, "--output", str(tmp_path / "out"), "--json"])
    done = json.loads(capsys.readouterr().out)
    assert done["obsid"] == "01004701"
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "ixpe_det1_src.pha", "ixpe_det1_src.lc", "ixpe_det1.img",
    }  # fmt: skip


def test_addresses_that_lead_nowhere(server):
    with pytest.raises(TransportError, match="nothing at this address"):
        Observation(f"{server.url}/FTP/ixpe/nothing.fits")
    with pytest.raises(TransportError, match="Fetch the file first"):
        Observation(f"{server.url}/FTP/ixpe/data/obs/01/01004701/")
