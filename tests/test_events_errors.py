"""What goes wrong with event files and selections: a clear error each time, and nothing written."""

from __future__ import annotations

import gzip
import os

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits

import wolter
from events_support import uniform, write_events
from wolter.data import EventList
from wolter.errors import DataError, ExpressionError, FitsError, GTIError, OutputError, RegionError, UnitError
from wolter.makers import extract_events, extract_spectrum, extract_stokes, light_curve, polarisation_cube, sky_image


@pytest.fixture
def path(tmp_path):
    return write_events(tmp_path / "evt.fits", uniform(2000))


@pytest.fixture
def events(path):
    return EventList.read(path)


def untouched(folder, *names):
    """Whether a folder holds the named files only."""
    return sorted(p.name for p in folder.iterdir()) == sorted(names)


def test_missing_file(tmp_path):
    with pytest.raises(FitsError, match="no such file"):
        EventList.read(tmp_path / "nothing.fits")


def test_not_a_fits_file(tmp_path):
    (tmp_path / "a.fits").write_text("<html>404</html>")
    with pytest.raises(FitsError, match="not a FITS file"):
        EventList.read(tmp_path / "a.fits")


def test_no_event_extension(tmp_path):
    fits.PrimaryHDU(np.zeros((3, 3))).writeto(tmp_path / "img.fits")
    with pytest.raises(FitsError, match="no EVENTS extension"):
        EventList.read(tmp_path / "img.fits")


def test_missing_extension_names_those_present(path):
    with pytest.raises(FitsError, match="EVENTS"):
        EventList.read(path, extension="EVENTZ")


def test_truncated_table(path, tmp_path):
    size = os.path.getsize(path)
    cut = tmp_path / "cut.fits"
    cut.write_bytes(path.read_bytes()[: size // 2])
    with pytest.raises(FitsError, match=r"truncated|ends") as caught:
        extract_stokes(EventList.read(cut)).write(tmp_path / "out_.pha")
    assert "cut.fits" in str(caught.value)
    assert untouched(tmp_path, "evt.fits", "cut.fits")


def test_truncated_gzip(path, tmp_path):
    packed = gzip.compress(path.read_bytes())
    (tmp_path / "cut.fits.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(FitsError, match="truncated"):
        extract_spectrum(EventList.read(tmp_path / "cut.fits.gz")).write(tmp_path / "out.pha")
    assert untouched(tmp_path, "evt.fits", "cut.fits.gz")


def test_corrupted_gzip(path, tmp_path):
    packed = bytearray(gzip.compress(path.read_bytes()))
    packed[len(packed) // 2 : len(packed) // 2 + 40] = b"\xff" * 40
    (tmp_path / "bad.fits.gz").write_bytes(packed)
    with pytest.raises(FitsError, match=r"damaged|truncated"):
        extract_spectrum(EventList.read(tmp_path / "bad.fits.gz")).write(tmp_path / "out.pha")
    assert untouched(tmp_path, "evt.fits", "bad.fits.gz")


def test_gzip_with_wrong_checksum_at_its_end(path, tmp_path):
    packed = bytearray(gzip.compress(path.read_bytes()))
    packed[-6] ^= 0xFF
    (tmp_path / "bad.fits.gz").write_bytes(packed)
    with pytest.raises(FitsError):
        extract_spectrum(EventList.read(tmp_path / "bad.fits.gz"))


def test_missing_column(tmp_path):
    data = uniform(50)
    del data["X"]
    events = EventList.read(write_events(tmp_path / "e.fits", data))
    with pytest.raises(FitsError, match="no column 'X'"):
        events.select("physical; circle(50,50,20)")


def test_missing_energy_column(tmp_path):
    data = uniform(50)
    del data["PI"]
    events = EventList.read(write_events(tmp_path / "e.fits", data))
    with pytest.raises(DataError, match="no energy channel column"):
        extract_spectrum(events)


def test_missing_column_in_an_expression(events):
    with pytest.raises(ExpressionError, match=r"column 'PJ' is not in the table(.|\n)*\n  \^\^$"):
        events.select(expression="PJ > 50")


def test_missing_grade_column(tmp_path):
    data = uniform(50)
    del data["GRADE"]
    events = EventList.read(write_events(tmp_path / "e.fits", data))
    with pytest.raises(DataError, match="grade"):
        events.select(grade="0:4")
    with pytest.raises(DataError, match="not understood"):
        EventList.read(write_events(tmp_path / "f.fits", uniform(10))).select(grade="zero")


@pytest.mark.parametrize("missing", ["Q", "U", "W_MOM"])
def test_missing_stokes_columns(tmp_path, missing):
    data = uniform(200)
    del data[missing]
    path = write_events(tmp_path / "e.fits", data)
    with pytest.raises(DataError, match=missing):
        extract_stokes(EventList.read(path)).write(tmp_path / "o_.pha")
    assert untouched(tmp_path, "e.fits")
    if missing == "W_MOM":
        assert extract_stokes(EventList.read(path), weighting="unweighted").weighting == "UNWEIGHTED"


@pytest.mark.parametrize("text", ["", "   ", "# only a comment\n"])
def test_empty_region(events, tmp_path, text):
    (tmp_path / "r.reg").write_text(text)
    with pytest.raises(RegionError):
        events.select(tmp_path / "r.reg")


@pytest.mark.parametrize(
    "text",
    ["physical; circle(500,500,20)", 'fk5; circle(10,10,60")', "physical; circle(50.5,50.5,0.1)"],
)
def test_region_outside_the_field_or_without_pixels(events, tmp_path, text):
    with pytest.raises(RegionError):
        extract_spectrum(events.select(text)).write(tmp_path / "o.pha")
    assert untouched(tmp_path, "evt.fits")


def test_region_not_understood(events):
    with pytest.raises(RegionError, match="blob"):
        events.select("physical; blob(1,2,3)")


@pytest.mark.parametrize("energy", [(2, 8), (2, 8 * u.keV), (2 * u.s, 8 * u.s), 5])
def test_energy_without_or_with_a_wrong_unit(events, energy):
    with pytest.raises(UnitError, match="keV"):
        events.select(energy=energy)


@pytest.mark.parametrize("time", [(1000, 2000), (1 * u.keV, 2 * u.keV), 5 * u.s])
def test_time_without_or_with_a_wrong_unit(events, time):
    with pytest.raises(UnitError):
        events.select(time=time)


def test_bin_sizes_and_edges_need_units(events):
    with pytest.raises(UnitError):
        light_curve(events, 10)
    with pytest.raises(UnitError):
        polarisation_cube(events, [2, 8], lambda e: 0.3)


def test_energy_range_outside_the_detector(events):
    with pytest.raises(DataError, match="no energy channel"):
        events.select(energy=(20 * u.keV, 30 * u.keV))
    with pytest.raises(DataError, match="no energy channel"):
        events.select(energy=(2 * u.eV, 8 * u.eV))
    with pytest.raises(DataError, match="outside"):
        events.select(pi=(400, 500))
    with pytest.raises(DataError, match="outside"):
        events.select(pi=(100, 50))


def test_no_good_time_left(events):
    with pytest.raises(GTIError, match="no good time"):
        extract_spectrum(events.select(time=(5000 * u.s, 6000 * u.s)))
    with pytest.raises(GTIError, match="empty"):
        events.select(time=(6000 * u.s, 5000 * u.s))


def test_neither_gti_nor_tstart(tmp_path):
    path = write_events(tmp_path / "e.fits", uniform(10), gti=None, header={"TSTART": None, "TSTOP": None})
    with pytest.raises(GTIError, match="TSTART"):
        extract_spectrum(EventList.read(path))


def test_gti_extension_asked_for_is_absent(path):
    with pytest.raises(GTIError, match="GTI9"):
        EventList.read(path, gti="GTI9").count()


def test_no_counts_left(events, tmp_path):
    nothing = events.select(expression="PI < 0")
    for make in (
        extract_spectrum,
        extract_stokes,
        sky_image,
        lambda e: light_curve(e, 10 * u.s),
        lambda e: polarisation_cube(e, [2, 8] * u.keV, lambda energy: 0.3 + 0 * energy),
    ):
        with pytest.raises(DataError, match="no event"):
            make(nothing)
    with pytest.raises(DataError, match="no event"):
        extract_events(nothing, tmp_path / "o.fits")
    assert untouched(tmp_path, "evt.fits")


def test_no_counts_where_they_are_allowed(events):
    nothing = events.select(expression="PI < 0")
    assert extract_spectrum(nothing, allow_empty=True).values.sum() == 0
    stokes = extract_stokes(nothing, allow_empty=True)
    assert (stokes.i.values == 0).all()
    assert np.allclose(np.asarray(stokes.q.stat_err), 1 / events.exposure)
    assert sky_image(nothing, allow_empty=True).data.sum() == 0
    assert light_curve(nothing, 10 * u.s, allow_empty=True).rate.sum() == 0


@pytest.mark.parametrize("column", ["W_MOM", "Q", "U"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_and_stokes_parameters_that_are_not_finite(tmp_path, column, value):
    data = uniform(500)
    data[column][100] = value
    path = write_events(tmp_path / "e.fits", data, gti=[(0, 1e5)])
    with pytest.raises(DataError, match=f"{column} is NaN or infinite for 1"):
        extract_stokes(EventList.read(path)).write(tmp_path / "o_.pha")
    assert untouched(tmp_path, "e.fits")
    kept = EventList.read(path).select(expression=f"{column} > -1e30 && {column} < 1e30")
    assert extract_stokes(kept).sums.n.sum() == 499


def test_unknown_weighting(events):
    with pytest.raises(DataError, match="weighting"):
        extract_stokes(events, weighting="heavy")


def test_output_exists(events, tmp_path):
    names = [tmp_path / f"o_{s}.pha" for s in "IQU"]
    names[2].write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        extract_stokes(events).write(tmp_path / "o_.pha")
    assert names[2].read_text() == "mine"
    assert untouched(tmp_path, "evt.fits", "o_U.pha")
    extract_stokes(events).write(tmp_path / "o_.pha", overwrite=True)
    assert untouched(tmp_path, "evt.fits", *(n.name for n in names))
    with pytest.raises(OutputError, match="exists"):
        extract_events(events, names[0])


def test_output_is_the_input(events, path):
    before = path.read_bytes()
    with pytest.raises(OutputError, match="input"):
        extract_events(events, path, overwrite=True)
    assert path.read_bytes() == before


def test_output_folder_is_missing_or_no_folder(events, tmp_path):
    (tmp_path / "file").write_text("")
    for folder in ("missing", "file"):
        with pytest.raises(OutputError):
            extract_stokes(events).write(tmp_path / folder / "o_.pha")
        with pytest.raises(OutputError):
            extract_events(events, tmp_path / folder / "o.fits")
    assert untouched(tmp_path, "evt.fits", "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_output_folder_is_not_writable(events, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o500)
    try:
        with pytest.raises(OutputError):
            extract_stokes(events).write(folder / "o_.pha")
    finally:
        folder.chmod(0o700)


def test_file_changed_between_selection_and_reading(events, path):
    write_events(path, uniform(100))
    with pytest.raises(FitsError, match="changed"):
        events.count()


def test_unknown_channels_of_a_generic_file(tmp_path):
    path = write_events(tmp_path / "e.fits", uniform(10), limits=False, header={"TELESCOP": "KESTREL"})
    with pytest.raises(wolter.WolterError, match="channels=") as caught:
        extract_spectrum(EventList.read(path))
    assert "TLMIN" in str(caught.value)
