"""Responses found by what their headers say."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from astropy.io import fits as afits

from data_ogip import Novascope
from wolter.data import ARF, RMF, Spectrum, find_responses
from wolter.errors import ResponseError


@pytest.fixture
def stokes(shared):
    return Spectrum.read(shared("ixpe", "mrk501_01004601", "det2_filt_src_Q.pha"), follow=False)


def names(found):
    return [p and p.name for p in (found.rmf, found.arf, found.mrf)]


def test_files_of_an_observation(shared, stokes):
    found = find_responses(shared("ixpe", "mrk501_01004601"), stokes, modulation=True)
    assert names(found) == ["ixpe_d2_20170101_alpha075_02.rmf", "det2_filt_src.arf", "det2_filt_src.mrf"]
    assert found.notes == ()


@pytest.mark.parametrize("boundaries", [None, {"NEFF": "ALPHA075", "SIMPLE": "ALPHA075SIMPLE", "UNWEIGHTED": "NONE"}])
@pytest.mark.parametrize(("weighting", "tag"), [("neff", "_alpha075"), ("UNWEIGHTED", ""), ("none", "")])
def test_several_sets_and_versions(shared, stokes, boundaries, weighting, tag):
    """Two weightings, three detectors, two versions of one matrix, and files of other kinds that look like areas."""
    folder = shared("ixpe", "pseudo_caldb")
    found = find_responses(folder, stokes, weighting=weighting, weight_boundaries=boundaries, modulation=True)
    stem = f"ixpe_d2_obssim20211209{tag}_v013"
    assert names(found) == [f"{stem}.rmf", f"{stem}.arf", f"{stem}.mrf"]
    # v012 is valid from 2017, v013 from 2021-12-09: the later one was taken, and said so
    assert any("v012" in note for note in found.notes) is (tag != "")
    assert ARF.read(found.mrf).detnam == RMF.read(found.rmf).detnam == "DU2"


def test_names_do_not_matter(shared, stokes, tmp_path):
    folder = shared("ixpe", "pseudo_caldb")
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    for i, path in enumerate(sorted(folder.glob("ixpe_d*"))):
        shutil.copy(path, (deep if i % 2 else tmp_path) / f"file{i}.dat")
    (tmp_path / "notes.txt").write_text("not FITS" * 1000)
    found = find_responses(tmp_path, stokes, modulation=True)
    rmf, arf, mrf = RMF.read(found.rmf), ARF.read(found.arf), ARF.read(found.mrf)
    assert (rmf.header["VERSION"], rmf.header["CBD10001"], rmf.detnam) == (13, "WEIGHT(ALPHA075)", "DU2")
    assert (arf.kind, mrf.kind, arf.stokes_weight, mrf.stokes_weight) == ("SPECRESP", "MODSPECRESP", "NEFF", "NEFF")


def test_validity_date(shared, stokes):
    folder = shared("ixpe", "pseudo_caldb")
    with pytest.raises(ResponseError, match="valid only from 2021-12-09, the observation began 2021-06-01"):
        find_responses(folder, stokes, date="2021-06-01T00:00:00")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"detnam": "DU7"}, r"no redistribution matrix \(RMF\) and no modulation response .*DETNAM is DU1, not DU7"),
        ({"weighting": "SIMPLE"}, "no modulation response .*STOKESWT is NEFF, not SIMPLE"),
        ({"telescop": "NOVASCOPE"}, "TELESCOP is IXPE, not NOVASCOPE"),
        ({"filter": "GRAY"}, "FILTER is OPEN, not GRAY"),
    ],
)
def test_nothing_fits_lists_what_was_found_and_why(shared, stokes, options, words):
    with pytest.raises(ResponseError, match=words) as caught:
        find_responses(shared("ixpe", "pseudo_caldb"), stokes, **options)
    assert "Give the files explicitly" in str(caught.value)


def test_empty_and_missing_folders(tmp_path, stokes):
    with pytest.raises(ResponseError, match="no response files are there at all"):
        find_responses(tmp_path, stokes)
    with pytest.raises(ResponseError, match="does not exist"):
        find_responses(tmp_path / "nowhere", stokes)


def test_unweighted_spectrum_does_not_get_weighted_responses(shared):
    with pytest.raises(ResponseError, match="this one is not weighted"):
        find_responses(shared("ixpe", "mrk501_01004601"), telescop="IXPE", detnam="DU1")


def test_unknown_telescope_and_ties(tmp_path):
    nova = Novascope(tmp_path)
    nova.write_rmf("a.rmf")
    nova.write_arf("a.arf", CVSD0001="2020-01-01", VERSION=3)
    nova.write_arf("b.arf", CVSD0001="2020-01-01", VERSION=11)
    nova.write_arf("c.arf", CVSD0001="2019-01-01", VERSION=50)
    nova.write_arf("d.arf", IRFTYPE="vign", VERSION=99)
    spectrum = Spectrum.read(nova.write_pha(**{"DATE-OBS": "2024-05-06T07:08:09"}), follow=False)
    cache = {}
    found = find_responses(tmp_path, spectrum, cache=cache)
    assert names(found) == ["a.rmf", "b.arf", None]
    assert "b.arf (valid from 2020-01-01, version 11) rather than a.arf, c.arf" in found.notes[0]
    assert len(cache) == 6
    assert names(find_responses([tmp_path], spectrum, date="2019-06-01", cache=cache)) == ["a.rmf", "c.arf", None]
    with pytest.raises(ResponseError, match="no modulation response"):
        find_responses(tmp_path, spectrum, modulation=True)
    read = spectrum.with_responses(RMF.read(found.rmf), ARF.read(found.arf))
    assert read.rmf is not None


def test_matrix_with_area_needs_no_arf(tmp_path):
    nova = Novascope(tmp_path)
    nova.write_rmf("full.rsp", extname="SPECRESP MATRIX")
    spectrum = Spectrum.read(nova.write_pha(ANCRFILE="none"), follow=False)
    assert names(find_responses(tmp_path, spectrum)) == ["full.rsp", None, None]


def test_damaged_and_compressed_files_are_no_obstacle(tmp_path):
    nova = Novascope(tmp_path)
    rmf, arf = nova.write_rmf(), nova.write_arf()
    (tmp_path / "damaged.arf").write_bytes(arf.read_bytes()[:4000])
    with afits.open(arf) as file:
        file.writeto(tmp_path / "packed.arf.gz")
    arf.unlink()
    big = afits.HDUList([afits.PrimaryHDU(), afits.BinTableHDU.from_columns(
        [afits.Column("TIME", "D", array=np.arange(1000.0))], name="EVENTS")])  # fmt: skip
    big.writeto(tmp_path / "events.fits.gz")
    spectrum = Spectrum.read(nova.write_pha(), follow=False)
    assert names(find_responses(tmp_path, spectrum)) == [rmf.name, "packed.arf.gz", None]
