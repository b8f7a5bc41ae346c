"""Event files put together."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from events_support import uniform, write_events
from wolter.data import EventList
from wolter.errors import DataError, OutputError
from wolter.makers import extract_spectrum, merge_events


def shifted(path, dx, dra):
    """Move the reference of the sky columns: pixels by dx, coordinates by dra (deg)."""
    with fits.open(path, mode="update") as f:
        header = f["EVENTS"].header
        header["TCRPX2"] += dx
        header["TCRVL2"] += dra
    return path


def sky(path):
    """Directions of all events by astropy."""
    with fits.open(path) as f:
        h, d = f["EVENTS"].header, f["EVENTS"].data
        n = {h[f"TTYPE{i}"]: i for i in range(1, h["TFIELDS"] + 1)}
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = [h[f"TCTYP{n[c]}"] for c in "XY"]
        wcs.wcs.crpix = [h[f"TCRPX{n[c]}"] for c in "XY"]
        wcs.wcs.crval = [h[f"TCRVL{n[c]}"] for c in "XY"]
        wcs.wcs.cdelt = [h[f"TCDLT{n[c]}"] for c in "XY"]
        return wcs.wcs_pix2world(d["X"].astype(float), d["Y"].astype(float), 1), np.array(d["TIME"])


@pytest.fixture
def files(tmp_path):
    a = write_events(tmp_path / "a.fits", uniform(400, 1), header={"DETNAM": "DU1", "DEADC": 0.9})
    b = write_events(
        tmp_path / "b.fits", uniform(300, 2, EXTRA=np.zeros(300, "f4")), header={"DETNAM": "DU2", "DEADC": 0.8},
        gti=((1300.0, 1600.0),), formats={"EXTRA": "E"},
    )  # fmt: skip
    return a, shifted(b, 7.25, 0.004)


def test_sky_positions_counts_and_times(files, tmp_path):
    merged = merge_events(files, tmp_path / "m.fits")
    inputs = [EventList.read(f) for f in files]
    assert merged.count() == sum(e.count() for e in inputs)
    assert "EXTRA" not in merged.columns
    (ra, dec), time = sky(tmp_path / "m.fits")
    assert (np.diff(time) >= 0).all()
    parts = [sky(f) for f in files]
    good = [e.column("#row") for e in inputs]
    want_time = np.concatenate([p[1][g] for p, g in zip(parts, good, strict=True)])
    order = np.argsort(want_time, kind="stable")
    for got, k in ((ra, 0), (dec, 1)):
        want = np.concatenate([p[0][k][g] for p, g in zip(parts, good, strict=True)])[order]
        np.testing.assert_allclose(got, want, atol=1e-3 * 1e-4 + 2e-8)  # single precision of X and Y
    header = fits.getheader(tmp_path / "m.fits", "EVENTS")
    assert header["DETNAM"] == "MERGED"
    assert header["ONTIME"] == pytest.approx(1000.0)  # 1000-2000: the second file fills the gap of the first
    assert header["DEADC"] == pytest.approx((900 * 0.9 + 300 * 0.8) / 1200)
    assert [(a, b) for a, b in merged.gti] == [(1000.0, 2000.0)]
    total = extract_spectrum(merged)
    both = [extract_spectrum(e) for e in inputs]
    assert np.array_equal(total.values, both[0].values + both[1].values)


def test_selections_stay(files, tmp_path):
    lists = [EventList.read(f).select(pi=(50, 99)) for f in files]
    merged = merge_events(lists, tmp_path / "m.fits")
    assert merged.count() == sum(e.count() for e in lists)
    assert merged.column("PI").min() >= 50


def test_what_cannot_be_merged(files, tmp_path, shared):
    a, _ = files
    other = write_events(tmp_path / "o.fits", uniform(10), header={"MJDREFI": 50000})
    swift = write_events(tmp_path / "s.fits", uniform(10), header={"TELESCOP": "SWIFT"})
    xmm = shared("xmm", "a907_0404910601", "mos1_exp1_clean_evts.fits")
    for parts, match in (([], "no event files"), ([a, other], "MJDREFI"), ([a, swift], "missions"), ([xmm], "CCDs")):
        with pytest.raises(DataError, match=match):
            merge_events(parts, tmp_path / "m.fits")
    with pytest.raises(OutputError, match="input file"):
        merge_events([a], a, overwrite=True)
    assert not (tmp_path / "m.fits").exists()
