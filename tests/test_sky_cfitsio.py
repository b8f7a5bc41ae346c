"""Point by point against cfitsio's own region filter (recorded; see data/make_sky_cfitsio.py)."""

from __future__ import annotations

import json
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest

from wolter.sky import TanWCS, parse_regions

FIXTURE = json.loads((Path(__file__).parent / "data" / "sky_cfitsio.json").read_text())


SHAPES = (
    "circle annulus ellipse elliptannulus box rotbox rectangle rotrectangle rotdiamond diamond sector pie point line "
    "polygon panda epanda bpanda"
)


def points():
    """The points of the recording: 0..200 in whole pixels and 10000 spread by multiples of irrational numbers."""
    g = np.arange(0.0, 201.0)
    k = np.arange(1, 10001)
    x = np.r_[np.tile(g, 201), np.round((k * 0.6180339887) % 1.0 * 200.0, 3)]
    y = np.r_[np.repeat(g, 201), np.round((k * 0.7548776662) % 1.0 * 200.0, 3)]
    return x, y


def system(rot, dec):
    keys = {"TTYPE1": "X", "TTYPE2": "Y", "TCTYP1": "RA---TAN", "TCTYP2": "DEC--TAN", "TCRPX1": 100.5, "TCRPX2": 100.5}
    return TanWCS.from_columns(
        keys | {"TCRVL1": 150.25, "TCRVL2": dec, "TCDLT1": -0.002, "TCDLT2": 0.002, "TCROT2": rot}, "X", "Y"
    )


SYSTEMS = {"straight": system(0.0, -11.0), "turned": system(33.0, 61.0)}
POINTS = points()


@pytest.mark.parametrize("name", FIXTURE["cases"])
def test_selects_the_points_that_cfitsio_selects(name):
    case = FIXTURE["cases"][name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lists that begin with an exclusion warn; see test_sky_parse.py
        region = parse_regions(case["text"])
    inside = region.to_pixel(SYSTEMS[case["file"]]).contains(*POINTS)
    assert int(inside.sum()) == case["inside"]
    assert zlib.crc32(np.packbits(inside).tobytes()) == case["crc32"]


def test_the_recording_covers_every_shape():
    text = " ".join(c["text"].lower() for c in FIXTURE["cases"].values())
    for shape in SHAPES.split():
        assert f"{shape}(" in text, shape
    assert len(FIXTURE["cases"]) > 200
