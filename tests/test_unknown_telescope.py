"""A telescope Wolter has never heard of: events to spectra to a fit, by API and command line, without a plug-in."""

from __future__ import annotations

import json

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits as afits

import wolter as wx
from wolter.cli import main
from wolter.mission import GENERIC

INDEX, NORM, EXPOSURE = 1.7, 0.05, 2.0e4
KEYS = {"TELESCOP": "NOVASCOPE", "INSTRUME": "SPECTRO", "DETNAM": "A"}


def _responses(folder):
    """RMF with channels from 1, two groups a row in variable-length arrays, and an ARF; written by astropy."""
    edges = np.linspace(0.5, 10.0, 191)
    channels = np.linspace(0.4, 10.2, 197)
    centre = 0.5 * (edges[1:] + edges[:-1])
    first = np.searchsorted(channels, centre) - 1
    n = len(centre)
    f_chan, n_chan, matrix = (np.empty(n, dtype=object) for _ in range(3))
    for i, c in enumerate(first):
        c = min(max(int(c), 12), 190)
        f_chan[i] = np.array([c - 10, c], dtype=np.int16)  # an escape peak ten channels below
        n_chan[i] = np.array([1, 3], dtype=np.int16)
        matrix[i] = np.array([0.1, 0.2, 0.5, 0.2], dtype=np.float32)
    columns = [
        afits.Column("ENERG_LO", "E", "keV", array=edges[:-1]),
        afits.Column("ENERG_HI", "E", "keV", array=edges[1:]),
        afits.Column("N_GRP", "I", array=np.full(n, 2)),
        afits.Column("F_CHAN", "PI()", array=f_chan),
        afits.Column("N_CHAN", "PI()", array=n_chan),
        afits.Column("MATRIX", "PE()", array=matrix),
    ]
    matrix_hdu = afits.BinTableHDU.from_columns(columns, name="MATRIX")
    matrix_hdu.header.update(KEYS | {"HDUCLASS": "OGIP", "HDUCLAS1": "RESPONSE", "HDUCLAS2": "RSP_MATRIX"})
    matrix_hdu.header.update({"CHANTYPE": "PI", "DETCHANS": 196, "TLMIN4": 1, "TLMAX4": 196, "FILTER": "NONE"})
    bounds = [
        afits.Column("CHANNEL", "J", array=np.arange(1, 197)),
        afits.Column("E_MIN", "E", "keV", array=channels[:-1]),
        afits.Column("E_MAX", "E", "keV", array=channels[1:]),
    ]
    ebounds = afits.BinTableHDU.from_columns(bounds, name="EBOUNDS")
    ebounds.header.update(KEYS | {"HDUCLAS2": "EBOUNDS", "DETCHANS": 196})
    afits.HDUList([afits.PrimaryHDU(), ebounds, matrix_hdu]).writeto(folder / "nova.rmf")
    area = 100.0 * np.exp(-((centre - 3.0) ** 2) / 20.0)
    columns = [*columns[:2], afits.Column("SPECRESP", "E", "cm**2", array=area)]
    arf = afits.BinTableHDU.from_columns(columns, name="SPECRESP")
    arf.header.update(KEYS | {"HDUCLASS": "OGIP", "HDUCLAS1": "RESPONSE", "HDUCLAS2": "SPECRESP"})
    afits.HDUList([afits.PrimaryHDU(), arf]).writeto(folder / "nova.arf")
    flux = NORM * (edges[:-1] ** (1 - INDEX) - edges[1:] ** (1 - INDEX)) / (INDEX - 1)
    counts = np.zeros(196)
    for i in range(n):
        for group in range(2):
            start, number = f_chan[i][group] - 1, n_chan[i][group]
            offset = 0 if group == 0 else 1
            counts[start : start + number] += flux[i] * area[i] * EXPOSURE * matrix[i][offset : offset + number]
    return counts


@pytest.fixture
def nova(tmp_path):
    """Events of a power law in a circle, a flat background, one bad time interval; responses beside them."""
    rng = np.random.default_rng(7)
    expected = _responses(tmp_path)
    channel = np.repeat(np.arange(1, 197), rng.poisson(expected))
    n, back = len(channel), 3000
    radius, angle = 30 * np.sqrt(rng.random(n)), 2 * np.pi * rng.random(n)
    x = np.r_[500 + radius * np.cos(angle), rng.uniform(1, 1000, back)]
    y = np.r_[500 + radius * np.sin(angle), rng.uniform(1, 1000, back)]
    pi = np.r_[channel, rng.integers(1, 197, back)]
    time = rng.uniform(0, EXPOSURE, n + back)
    late = rng.uniform(EXPOSURE, EXPOSURE + 500, 400)  # outside good time
    columns = [
        afits.Column("TIME", "D", "s", array=np.r_[time, late]),
        afits.Column("X", "E", array=np.r_[x, np.full(400, 500.0)]),
        afits.Column("Y", "E", array=np.r_[y, np.full(400, 500.0)]),
        afits.Column("PI", "I", array=np.r_[pi, np.full(400, 50)]),
    ]
    events = afits.BinTableHDU.from_columns(columns, name="EVENTS")
    events.header.update(KEYS | {"HDUCLASS": "OGIP", "HDUCLAS1": "EVENTS", "MJDREF": 55000.0, "OBS_ID": "N1"})
    events.header.update({"TLMIN2": 1, "TLMAX2": 1000, "TLMIN3": 1, "TLMAX3": 1000, "TLMIN4": 1, "TLMAX4": 196})
    for i, (kind, step) in enumerate((("RA---TAN", -1e-3), ("DEC--TAN", 1e-3)), start=2):
        events.header.update({f"TCTYP{i}": kind, f"TCRPX{i}": 500.5, f"TCDLT{i}": step, f"TCUNI{i}": "deg"})
    events.header.update({"TCRVL2": 83.6, "TCRVL3": 22.0, "TSTART": 0.0, "TSTOP": EXPOSURE + 500})
    gti = [afits.Column(c, "D", "s", array=np.array([v])) for c, v in (("START", 0.0), ("STOP", EXPOSURE))]
    gti_hdu = afits.BinTableHDU.from_columns(gti, name="STDGTI")
    afits.HDUList([afits.PrimaryHDU(), events, gti_hdu]).writeto(tmp_path / "nova.evt")
    return tmp_path


def test_events_to_fit_without_a_plugin(nova):
    events = wx.EventList.read(nova / "nova.evt")
    assert events.mission is GENERIC
    assert events.exposure == pytest.approx(EXPOSURE)
    source = wx.parse_regions("physical; circle(500,500,40)")
    background = wx.parse_regions("physical; annulus(500,500,100,400)")
    made = wx.extract_spectrum(events.select(region=source))
    with afits.open(nova / "nova.evt") as f:
        d = f["EVENTS"].data
        inside = (np.hypot(d["X"].astype(float) - 500, d["Y"].astype(float) - 500) <= 40) & (d["TIME"] <= EXPOSURE)
        expected = np.bincount(d["PI"][inside], minlength=197)[1:]
    np.testing.assert_array_equal(made.counts, expected)
    made.write(nova / "src.pha")
    wx.extract_spectrum(events.select(region=background)).write(nova / "bkg.pha")
    spectrum = wx.Spectrum.read(
        nova / "src.pha", rmf=nova / "nova.rmf", arf=nova / "nova.arf", background=nova / "bkg.pha"
    )
    fit = wx.Fit(wx.SpectrumSet([spectrum.group(25)]).select(0.6 * u.keV, 9 * u.keV), "powerlaw")
    fit.run()
    found = {p.name: p for p in fit.parameters}
    for name, truth in (("powerlaw.PhoIndex", INDEX), ("powerlaw.norm", NORM)):
        assert abs(found[name].value - truth) < 3 * found[name].sigma
    assert fit.null_probability > 0.001


def test_the_same_from_the_command_line(nova, capsys):
    with pytest.raises(SystemExit) as end:
        main(["fit"])
    assert end.value.code == 2
    capsys.readouterr()
    regions = ["--source", "physical; circle(500,500,40)", "--background", "physical; annulus(500,500,100,400)"]
    main(["extract", str(nova / "nova.evt"), *regions, "--responses", str(nova), "--output", str(nova), "--json"])
    files = [s["file"] for s in json.loads(capsys.readouterr().out)["spectra"]]
    main(["fit", *files, "--model", "powerlaw", "--energy", "0.6:9", "--stat", "cstat", "--json"])
    result = json.loads(capsys.readouterr().out)
    found = {p["name"]: p for p in result["parameters"]}
    assert abs(found["powerlaw.PhoIndex"]["value"] - INDEX) < 3 * found["powerlaw.PhoIndex"]["sigma"]
    assert abs(found["powerlaw.norm"]["value"] - NORM) < 3 * found["powerlaw.norm"]["sigma"]
