"""File names with extensions, filters and rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wolter import fits


@pytest.mark.parametrize(
    ("text", "path", "ext", "ver"),
    [
        ("evt.fits", "evt.fits", None, None),
        ("evt.fits[EVENTS]", "evt.fits", "EVENTS", None),
        ("a/evt.fits.gz[ EVENTS , 2 ]", "a/evt.fits.gz", "EVENTS", 2),
        ("evt.fits[EVENTS,2,BINTABLE]", "evt.fits", "EVENTS", 2),
        ("evt.fits[SPECRESP MATRIX]", "evt.fits", "SPECRESP MATRIX", None),
        ("evt.fits[1]", "evt.fits", 1, None),
        ("evt.fits[0]", "evt.fits", 0, None),
        ("evt.fits[P]", "evt.fits", 0, None),
        ("evt.fits+3", "evt.fits", 3, None),
        ("evt+x.fits", "evt+x.fits", None, None),
        ("evt(1).fits", "evt(1).fits", None, None),
        ("file:///data/evt.fits[GTI]", "/data/evt.fits", "GTI", None),
        ("dir[1]/evt.fits", "dir[1]/evt.fits", None, None),
    ],
)
def test_extensions(text, path, ext, ver):
    if text.startswith("dir["):
        with pytest.raises(fits.FitsError, match="not understood"):
            fits.parse_name(text)  # nothing of that name exists, so that the brackets must be syntax
        return
    name = fits.parse_name(text)
    assert (name.path, name.ext, name.ver) == (Path(path), ext, ver)
    assert not name.has_filter


def test_row_filters():
    name = fits.parse_name("evt.fits.gz[EVENTS][PI>=50&&PI<200][regfilter('a[1].reg',X,Y)]")
    assert (name.path, name.ext) == (Path("evt.fits.gz"), "EVENTS")
    assert name.row_filter == "(PI>=50&&PI<200) && (regfilter('a[1].reg',X,Y))"
    assert name.has_filter
    assert not name.without_filter().has_filter
    assert fits.parse_name("evt.fits[PI .gt. 50 and GRADE <= 12]").row_filter == "PI .gt. 50 and GRADE <= 12"
    assert fits.parse_name("evt.fits[1][#row < 10]").row_filter == "#row < 10"
    assert fits.parse_name("evt.fits[gtifilter()]").row_filter == "gtifilter()"
    assert fits.parse_name("evt.fits+2[PI[1]>3]").row_filter == "PI[1]>3"
    assert fits.parse_name("evt.fits+2[PI>3]").ext == 2


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("[PI=50:199]", [("PI", 50, 199)]),
        ("[EVENTS][PI=50:199]", [("PI", 50, 199)]),
        ("[pi = 50:199, GRADE=0:12]", [("pi", 50, 199), ("GRADE", 0, 12)]),
        ("[PI=50:199 PI=300:400]", [("PI", 50, 199), ("PI", 300, 400)]),
        ("[250:350,280:320]", [(None, 250, 350), (None, 280, 320)]),
        ("[TIME=1.5e8:*]", [("TIME", 1.5e8, None)]),
        ("[TIME=:-2.5D3]", [("TIME", None, -2500)]),
    ],
)
def test_extractor_ranges(text, ranges):
    name = fits.parse_name("evt.fits" + text)
    assert [(r.column, r.lo, r.hi) for r in name.extractor_ranges] == ranges
    assert name.row_filter is None


def test_rows_of_type_ii_spectra():
    assert fits.parse_name("src.pha{3}").spectrum_row == 3
    name = fits.parse_name("src.pha[SPECTRUM]{12}")
    assert (name.ext, name.spectrum_row) == ("SPECTRUM", 12)
    for bad in ("{0}", "{1-3}", "{x}", "{}"):
        with pytest.raises(fits.FitsError, match="not the number of one spectrum"):
            fits.parse_name("src.pha" + bad)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("evt.fits[EVENTS][col PI; X=X*2]", "column filter"),
        ("evt.fits[bin X,Y]", "binning"),
        ("evt.fits[EVENTS][bini PI=0:374]", "binning"),
        ("evt.fits[pixr1 X>0]", "pixel filter"),
        ("evt.fits[compress R]", "compression"),
        ("evt.fits[EVENTS][@filter.txt]", "kept in a file"),
        ("evt.fits[IMAGES; pixels(3)]", "table cells"),
        ("evt.fits[]", "empty brackets"),
        ("evt.fits[EVENTS", "not closed"),
        ("evt.fits[EVENTS]]", "not"),
        ("evt.fits[EVENTS]x", "not understood"),
        ("evt.fits[PI=200:50]", "wrong order"),
        ("ftp://example.org/evt.fits", "Fetch the file first"),
        ("-", "standard input"),
        ("@files.lis", "list of files"),
        ("", "empty"),
    ],
)
def test_refused(text, message):
    with pytest.raises(fits.FitsError, match=message):
        fits.parse_name(text)


def test_a_real_file_wins_over_syntax(tmp_path):
    table = fits.new_table("EVENTS", {"PI": np.arange(4)})
    for name in ("a[1].fits", "b+1", "c{2}", "plain.fits"):
        fits.write(tmp_path / name, table)
        assert fits.parse_name(str(tmp_path / name)).path == tmp_path / name
        assert fits.parse_name(tmp_path / name).ext is None
    name = fits.parse_name(f"{tmp_path}/a[1].fits[EVENTS][PI>2]")
    assert (name.path, name.ext, name.row_filter) == (tmp_path / "a[1].fits", "EVENTS", "PI>2")
    assert fits.parse_name(f"{tmp_path}/plain.fits[EVENTS]").ext == "EVENTS"


def test_open_goes_to_the_extension_and_refuses_filters(tmp_path):
    path = fits.write(tmp_path / "t.fits", [fits.new_table("A", {"X": [1]}), fits.new_table("B", {"X": [2, 3]})])
    assert fits.open(f"{path}[B]").hdu.name == "B"
    assert fits.open(f"{path}+1").hdu.name == "A"
    assert fits.open(path).hdu.name == "A"  # the first with data
    assert fits.open(f"{path}[B]", ext="A").hdu.name == "A"
    assert fits.open(fits.FileName(path, ext=2)).hdu.name == "B"
    with pytest.raises(fits.FitsError, match=r"filter \(X>1\)"):
        fits.open(f"{path}[B][X>1]")
    with pytest.raises(fits.FitsError, match="filter"):
        fits.open(f"{path}{{1}}")
