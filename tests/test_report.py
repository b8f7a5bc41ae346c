"""The HTML report: the numbers are in it, text is escaped, nothing comes from outside, the file is whole or absent."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

import wolter.report
from wolter.data import Image, LightCurve, Spectrum, SpectrumSet
from wolter.errors import OutputError
from wolter.fit import Fit
from wolter.makers.polarisation import PolarisationCube
from wolter.models import Settings
from wolter.report import write_report
from wolter.report.numbers import MINUS, plain, probability, value_and_error

FOLDER = ("ixpe", "mrk501_01004601")


@pytest.fixture(scope="module")
def spectra(shared):
    rmf = shared(*FOLDER, "ixpe_d1_20170101_alpha075_02.rmf")
    out = []
    for stokes in "IQU":
        arf = shared(*FOLDER, f"det1_filt_src.{'arf' if stokes == 'I' else 'mrf'}")
        out.append(Spectrum.read(shared(*FOLDER, f"det1_filt_src_{stokes}.pha"), rmf=rmf, arf=arf))
    return out


def make_fit(spectra, model="polconst*tbabs*powerlaw") -> Fit:
    from astropy import units as u

    fit = Fit(SpectrumSet(spectra).select(2 * u.keV, 8 * u.keV), model, settings=Settings(abund="wilm"))
    for name, value in {"A": 0.1, "psi": -60.0, "nH": 0.9, "PhoIndex": 1.8, "norm": 0.09}.items():
        if name in ("nH", "PhoIndex", "norm") or model.startswith("polconst"):
            fit.set(name, value)
    return fit


@pytest.fixture(scope="module")
def fit(spectra):
    out = make_fit(spectra)
    out.run()
    out.error("polconst.A", level=0.9)
    return out


@pytest.fixture(scope="module")
def grid(fit):
    return fit.grid({"polconst.A": (0.0, 0.25, 9), "polconst.psi": (-90.0, 0.0, 8)}, progress=False)


@pytest.fixture(scope="module")
def full(fit, grid, tmp_path_factory):
    """A report with everything, and the text of its file."""
    cube = PolarisationCube(
        energy_lo=np.array([2.0, 4.0]),
        energy_hi=np.array([4.0, 8.0]),
        energy_mean=np.array([3.0, 5.0]),
        counts=np.array([12345, 678]),
        mu=np.array([0.3, 0.4]),
        i=np.array([12000.0, 600.0]),
        q=np.array([600.0, 1.0]),
        u=np.array([-800.0, 0.5]),
        w2=np.array([12000.0, 600.0]),
    )
    image = Image(data=np.arange(100.0).reshape(10, 10))
    curve = LightCurve(time=np.arange(5) * 10.0, rate=np.ones(5), error=np.full(5, 0.1), timedel=10.0)
    path = write_report(
        fit,
        tmp_path_factory.mktemp("report") / "full.html",
        grid=grid,
        cube=cube,
        images={"first detector": image},
        light_curves=curve,
        predicted_mdp=0.0562,
        title='A <b>bold</b> & "quoted" title',
        command="wolter fit 'a.pha' --model <script>alert(1)</script>",
    )
    return path.read_text(encoding="utf-8")


class Reader(HTMLParser):
    """Checks that elements are closed in order, and collects what is needed."""

    VOID = frozenset({"meta", "img", "br", "link"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.words: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.headings: list[str] = []
        self._cell: list[str] | None = None
        self._caption = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag in ("td", "th", "caption", "h2"):
            self._cell = []
        if tag == "tr" and self._caption:
            self.tables[self._caption].append([])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if self._cell is None:
            return
        text = "".join(self._cell)
        if tag == "caption":
            self._caption = text
            self.tables[text] = []
        elif tag in ("td", "th"):
            self.tables[self._caption][-1].append(text)
        elif tag == "h2":
            self.headings.append(text)
        if tag in ("td", "th", "caption", "h2"):
            self._cell = None

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)
            if self._cell is not None:
                self._cell.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


# -- content ----------------------------------------------------------------------------------------------------------


def test_parameters_are_in_the_table(full, fit):
    rows = {row[2]: row for row in read(full).tables["Parameters of the model"][1:]}
    assert set(rows) == {"polconst.A", "polconst.psi", "TBabs.nH", "powerlaw.PhoIndex", "powerlaw.norm"}
    for parameter in fit.parameters:
        number, error = (rows[parameter.name][i].replace(MINUS, "-") for i in (3, 4))
        assert float(error) == pytest.approx(parameter.sigma, rel=0.06)  # two digits
        assert float(number) == pytest.approx(parameter.value, abs=0.06 * parameter.sigma)
    degree = next(p for p in fit.parameters if p.name == "polconst.A")
    low, high = rows["polconst.A"][5].replace(MINUS, "-").split(" to ")
    assert float(low) == pytest.approx(degree.lower, abs=1e-3)
    assert float(high) == pytest.approx(degree.upper, abs=1e-3)
    assert rows["polconst.A"][6] == "90 %"
    assert rows["polconst.psi"][7] == "deg"


def test_statistic_and_words(full, fit):
    words = " ".join(read(full).words)
    assert f"{fit.statistic:.2f} with {fit.dof} degrees of freedom" in words
    assert fit.model.expression in words
    assert "IXPE/GPD" in words
    assert "01004601" in words
    assert "3 spectra" in words
    assert f"{fit.n_bins} bins" in words
    assert "2.00–7.96 keV" in words
    assert f"{100 * fit.mdp():.2f} %" in words
    assert "5.62 %" in words  # predicted MDP
    assert "converged" in words


def test_spectra_fluxes_cube(full, fit):
    from astropy import units as u

    tables = read(full).tables
    rows = tables["Spectra of the fit"][1:]
    assert [row[1] for row in rows] == [f"det1_filt_src_{s}.pha" for s in "IQU"]
    assert [row[3] for row in rows] == ["I", "Q", "U"]
    for row, expected in zip(rows, fit.contributions, strict=True):
        assert float(row[10]) == pytest.approx(expected, abs=0.006)
    (flux,) = fit.flux(2.0 * u.keV, 7.96 * u.keV)
    (row,) = next(t for name, t in tables.items() if name.startswith("Flux"))[1:]
    value, exponent = re.match(r"([\d.]+) × 10(\S+) ±", row[2]).groups()  # type: ignore[union-attr]
    power = int(exponent.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")))
    assert float(value) * 10.0**power == pytest.approx(flux.energy, rel=0.01)
    cube = next(t for name, t in tables.items() if name.startswith("Polarisation from the events"))[1:]
    assert cube[0][0] == "2–4"
    assert cube[0][1] == "12345"
    assert cube[0][2].startswith("8.3 ±")  # sqrt(600² + 800²) / 12000
    assert cube[1][3] == "undetermined"


def test_settings_and_provenance(full, fit, shared):
    reader = read(full)
    settings = dict(reader.tables["Settings of model and fit"][1:])  # type: ignore[arg-type]
    assert settings["Abundances"] == "wilm (Wilms, Allen & McCray 2000)"
    assert settings["Cross-sections"] == "vern (Verner et al. 1996)"
    inputs = {row[1]: row for row in reader.tables["Input files"][1:]}
    assert len(inputs) == 6  # three spectra, one RMF, ARF, MRF
    for name, row in inputs.items():
        assert row[3] == hashlib.sha256(shared(*FOLDER, name).read_bytes()).hexdigest()
    assert inputs["det1_filt_src.mrf"][0] == "modulation response (MRF)"
    assert inputs["ixpe_d1_20170101_alpha075_02.rmf"][0] == "redistribution (RMF)"
    software = dict(reader.tables["Software"][1:])  # type: ignore[arg-type]
    assert software["wolter"] == wolter.__version__
    assert software["numpy"] == np.__version__
    assert software["Command"] == "wolter fit 'a.pha' --model <script>alert(1)</script>"


def test_result_for_programs(full, fit):
    text = re.search(r'<script type="application/json" id="result">(.*?)</script>', full, re.S).group(1)  # type: ignore[union-attr]
    record = json.loads(text)
    assert record["statistic"] == pytest.approx(fit.statistic)
    assert [p["name"] for p in record["parameters"]] == [p.name for p in fit.parameters]
    assert record["mdp99"] == pytest.approx(fit.mdp())


# -- form -------------------------------------------------------------------------------------------------------------


def test_text_is_escaped(full):
    assert "<b>bold</b>" not in full
    assert "<script>alert" not in full
    assert "<title>A &lt;b&gt;bold&lt;/b&gt; &amp; &quot;quoted&quot; title</title>" in full
    assert [t for t, _ in read(full).tags].count("script") == 1


def test_nothing_comes_from_outside(full):
    reader = read(full)
    for tag, attributes in reader.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form")
        for key in ("src", "href", "srcset", "action", "data"):
            if key in attributes:
                assert attributes[key].startswith("data:image/"), (tag, key)
    outside = re.sub(r"data:image/[^\"]*", "", full)
    assert "http:" not in outside
    assert "https:" not in outside
    assert "@import" not in outside
    assert "url(" not in outside
    pictures = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', full)
    assert len(pictures) == 6  # spectra, polarisation, two contours, Stokes plane, light curve
    for picture in pictures:
        svg = base64.b64decode(picture).decode("utf-8")
        assert not re.search(r'(?:href|src)="(?!#|data:)', svg)
        assert "<script" not in svg
    (png,) = re.findall(r'src="data:image/png;base64,([^"]+)"', full)
    assert base64.b64decode(png).startswith(b"\x89PNG")


def test_page_is_accessible(full):
    reader = read(full)
    tags = reader.tags
    assert full.startswith("<!DOCTYPE html>")
    assert ("html", {"lang": "en"}) in tags
    images = [a for t, a in tags if t == "img"]
    assert len(images) == 7
    assert all(len(a["alt"]) > 10 for a in images)
    assert [t for t, _ in tags].count("figcaption") == 7
    assert [t for t, _ in tags].count("h1") == 1
    assert reader.headings == [
        "Summary",
        "Parameters",
        "Fluxes",
        "Polarisation",
        "Figures",
        "Spectra",
        "Settings",
        "Provenance",
    ]
    assert [t for t, _ in tags].count("caption") == [t for t, _ in tags].count("table")
    assert all("scope" in a for t, a in tags if t == "th")
    assert all(cell for table in reader.tables.values() for cell in table[0])  # no column without a head
    assert "prefers-color-scheme: dark" in full
    assert "@media print" in full
    ids = [a["id"] for _, a in tags if "id" in a]
    assert len(ids) == len(set(ids))


# -- other cases ------------------------------------------------------------------------------------------------------


def test_module_can_be_called(fit, tmp_path):
    path = wolter.report(fit, tmp_path / "called.html")  # type: ignore[operator]
    assert path == tmp_path / "called.html"
    assert sys.modules["wolter.report"] is wolter.report


def test_without_polarisation_or_fit(spectra, tmp_path):
    fit = make_fit(spectra[:1], "tbabs*powerlaw")
    reader = read(write_report(fit, tmp_path / "plain.html").read_text(encoding="utf-8"))
    words = " ".join(reader.words)
    assert "The model was not fitted" in words
    assert "was compared to one spectrum" in words
    assert "Polarisation" not in reader.headings
    assert [t for t, _ in reader.tags].count("img") == 1


def test_changed_and_hopeless_fits_are_said_to_be(spectra, tmp_path):
    fit = make_fit(spectra)
    fit.run()
    fit.set("PhoIndex", 4.0)
    words = " ".join(read(write_report(fit, tmp_path / "a.html").read_text(encoding="utf-8")).words)
    assert "changed after the fit" in words
    assert "reduced chi-squared is above 2" in words


def test_better_grid_and_incomplete_grid_are_said(fit, grid, tmp_path):
    statistic = grid.statistic.copy()
    statistic[0, 0] = fit.statistic - 5.0
    statistic[1, 1] = np.nan
    strange = dataclasses.replace(grid, statistic=statistic, messages=("stopped by the user",))
    words = " ".join(read(write_report(fit, tmp_path / "a.html", grid=[strange]).read_text(encoding="utf-8")).words)
    assert "found a lower statistic" in words
    assert "is not complete" in words
    assert "Stopped by the user." in words


def test_other_groups_are_summed_up(spectra, tmp_path):
    from astropy import units as u

    fit = Fit(SpectrumSet(spectra[:1] * 3, groups=[1, 2, 3]).select(2 * u.keV, 8 * u.keV), "constant*powerlaw")
    fit.free_by_group("constant.factor")
    fit.tie("2:powerlaw.norm", "2.0*p3")
    reader = read(write_report(fit, tmp_path / "a.html").read_text(encoding="utf-8"))
    rows = reader.tables["Parameters of the model"][1:]
    assert [(row[1], row[2]) for row in rows] == [
        ("1", "constant.factor"),
        ("1", "powerlaw.PhoIndex"),
        ("1", "powerlaw.norm"),
        ("2", "constant.factor"),
        ("2", "powerlaw.norm"),
        ("3", "constant.factor"),
    ]
    assert "2.0*p3" in rows[4][8]
    assert "3 are left out" in " ".join(reader.words)


def test_existing_files_and_failures(fit, tmp_path, monkeypatch):
    path = tmp_path / "a.html"
    path.write_text("old")
    with pytest.raises(OutputError, match="exists"):
        write_report(fit, path)
    assert path.read_text() == "old"
    with pytest.raises(OutputError):
        write_report(fit, tmp_path / "missing" / "a.html")

    def full_disk(*args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_text", full_disk)
        with pytest.raises(OutputError, match="No space left"):
            write_report(fit, path, overwrite=True)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.html"]
    write_report(fit, path, overwrite=True)
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [
        (0.0892928, 0.0127, ("0.089", "0.013")),
        (-64.8816, 4.07, (f"{MINUS}64.9", "4.1")),
        (1234.5, 67.8, ("1234", "68")),
        (2.354e-10, 1.7e-12, ("2.354 × 10⁻¹⁰", "0.017 × 10⁻¹⁰")),
        (0.0, 0.5, ("0.00", "0.50")),
        (1e7, 2e5, ("1.000 × 10⁷", "0.020 × 10⁷")),
        (5.0, None, ("5.0000", "")),
        (5.0, float("nan"), ("5.0000", "")),
    ],
)
def test_value_and_error(value, error, expected):
    assert value_and_error(value, error) == expected


def test_plain_numbers():
    assert plain(1234.567) == "1235"
    assert plain(-0.00012345) == f"{MINUS}1.234 × 10⁻⁴"
    assert plain(0.0) == "0"
    assert plain(float("nan")) == "\N{EM DASH}"
    assert plain(None) == "\N{EM DASH}"
    assert plain(float("-inf")) == f"{MINUS}∞"
    assert probability(0.5) == "0.500"
    assert probability(1.9e-5) == "1.9 × 10⁻⁵"
