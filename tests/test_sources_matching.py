"""Which detections are a source, which are alternates and which interlopers: as XGA 1.0.0 finds.

tests/data/make_matching_xga.py recorded its answers for the detections of two observations of Abell 907.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from wolter.data import Image
from wolter.sky import parse_regions, read_regions
from wolter.sources import (
    ExtendedSource,
    GalaxyCluster,
    Library,
    PointSource,
    detected_sources,
    match_sources,
)

RECORDED = json.loads((Path(__file__).parent / "data" / "matching_xga.json").read_text())
OBSERVATIONS = ("0201903501", "0404910601")


@pytest.fixture(scope="module")
def library(shared, tmp_path_factory):
    made = Library(tmp_path_factory.mktemp("library"))
    made.add(*(shared("xmm", f"a907_{obsid}") for obsid in OBSERVATIONS))
    return made


def declared(library, row):
    place = SkyCoord(row["ra"], row["dec"], unit="deg")
    if row["kind"] == "cluster":
        return GalaxyCluster(place, library, redshift=0.16, r500=1200 * u.kpc, keep_core=row["core"])
    return (PointSource if row["kind"] == "point" else ExtendedSource)(place, library)


@pytest.mark.parametrize("kind", ["cluster", "extended", "point"])
def test_as_xga(library, kind):
    rows = [row for row in RECORDED if row["kind"] == kind]
    assert len(rows) >= 25
    for row in rows:
        source = declared(library, row)
        for obsid in OBSERVATIONS:
            found = source.match(obsid)
            order = {(d.ra, d.dec): i for i, d in enumerate(all_detections(library, obsid))}
            number = lambda d: order[d.ra, d.dec]  # noqa: B023, E731
            mine = {
                "match": None if found.match is None else number(found.match),
                "alternates": sorted(map(number, found.alternates)),
                "interlopers": sorted(map(number, found.interlopers)),
            }
            assert mine == row[obsid], (row["ra"], row["dec"], row["core"], obsid)


def all_detections(library, obsid):
    entry = library.observation(obsid)
    (image,) = entry.path.glob("*pn_exp1-0.50-2.00keVimg.fits")
    return detected_sources(read_regions(entry.regions), Image.read(image).grid.sky)


def field(text, library):
    (image,) = library.observation("0404910601").path.glob("*pn_exp1-0.50-2.00keVimg.fits")
    return detected_sources(parse_regions(text), Image.read(image).grid.sky)


def test_fragments_and_cores(library):
    """A cluster in two pieces, a point source at its core and one beside; positions and sizes chosen by hand."""
    text = (
        'fk5; circle(149.600,-11.060,60") # color=green\n'
        'fk5; circle(149.600,-11.085,40") # color=green\n'
        'fk5; circle(149.600,-11.120,40") # color=green\n'
        'fk5; circle(149.604,-11.062,8") # color=red\n'
        'fk5; circle(149.620,-11.040,8") # color=red\n'
    )
    found = field(text, library)
    plain = match_sources(found, 149.6, -11.06, {"green"})
    assert plain.match is found[0]
    assert set(plain.interlopers) == set(found[1:])
    kept = match_sources(found, 149.6, -11.06, {"green"}, keep_within=30 / 3600, fragments_of=[found[0]])
    assert set(kept.interlopers) == {found[2], found[4]}  # the piece apart and the point source outside the core
    # A point source in the cluster: the cluster's own detection holds it, and is not cut out.
    star = match_sources(found, 149.604, -11.062, {"red"})
    assert star.match is found[3]
    assert star.alternates == (found[0],)


def test_a_source_in_a_cluster_has_light(library):
    """The peak of a point source within an extended detection is found: the detection around it stays."""
    source = PointSource(SkyCoord(149.59209, -11.05972, unit="deg"), library, radius=40 * u.arcsec)
    assert source.peak().position.separation(source.position).arcsec < 40
