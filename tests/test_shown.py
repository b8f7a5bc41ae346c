"""What is shown of results at a prompt and in a notebook: the numbers one looks for, taken from independent sums."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings

import numpy as np
import pytest
from astropy import units as u

from wolter import Observation, annulus, circle, simulate_observation
from wolter.data import (
    ExposureMap,
    Image,
    LightCurve,
    RateMap,
    SourceList,
    bayesian_blocks,
    flare_filter,
    hardness_ratio,
)
from wolter.data._tables import Listing
from wolter.data.source_list import COLUMNS
from wolter.errors import DataError, MissionError, ResponseError, WolterWarning
from wolter.fit import Fit
from wolter.gti import GTI
from wolter.makers import psf_fraction
from wolter.simulate.layout import readable

PLACE = "16:53:51.77 +39:45:44.4"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("shown")
    return simulate_observation(
        "tbabs*powerlaw", mission="nustar", position=PLACE, exposure=300 * u.s, output=out, seed=3
    )


def test_observation_lists_its_files(folder):
    obs = Observation(folder)
    lines = str(obs).splitlines()
    assert lines[0] == "Observation 99000101 of NuSTAR"
    starred = [line for line in lines if "events_l2*" in line]
    assert [line.split()[1] for line in starred] == ["FPMA", "FPMB"]
    assert len(lines) == 2 + len(obs.files)
    html = obs._repr_html_()
    assert html.count("<tr>") == 1 + len(obs.files)
    assert "events_l2*</td>" in html


def test_products_say_what_they_hold(folder):
    obs = Observation(folder)
    events = obs.events["FPMA"]
    pi = events.column("PI")
    band = (3, 10) * u.keV
    number = int(((pi >= 35) & (pi < 210)).sum())  # 40 eV channels above 1.6 keV
    image = obs.image(energy=band)["FPMA"]
    assert repr(image) == f"<Image FPMA 3-10 keV: 1000 x 1000 pixels, {number} counts>"
    seconds = ExposureMap.made(np.full(image.shape, 12.25), image.header)
    assert "up to 12.2 s, without vignetting" in repr(seconds)
    assert f"{number} counts in up to 12.2 s" in repr(RateMap(image, seconds))
    spectra = obs.spectra(circle(PLACE, 60 * u.arcsec), annulus(PLACE, 120 * u.arcsec, 240 * u.arcsec))
    head, *rows = repr(spectra).splitlines()[1:]
    assert head.split() == ["group", "detector", "exposure/s", "counts", "backscal", "bins", "background"]
    assert [row.split()[:2] for row in rows] == [["1", "FPMA"], ["2", "FPMB"]]
    assert rows[0].split()[3] == str(events.select(region=circle(PLACE, 60 * u.arcsec)).count())
    assert repr(spectra) == repr(spectra.subset([0, 1]))
    assert spectra._repr_html_().count("<tr>") == 3


def test_light_curves():
    curve = LightCurve(
        time=np.arange(4) * 10.0 + 5,
        rate=np.array([1, 3, 2, np.nan]),
        error=np.array([0.1, 0.2, 0.4, 0]),
        fracexp=np.array([1, 1, 0.5, 0]),
        timedel=10,
    )
    rate, error = curve.mean
    assert rate == pytest.approx((1 + 3 + 2 * 0.5) / 2.5)
    assert error == pytest.approx(np.sqrt(0.1**2 + 0.2**2 + 0.2**2) / 2.5)
    assert repr(curve) == "<LightCurve in memory: 4 bins of 10 s, 25.0 s exposed, 2 +- 0.12 count/s>"
    table = curve.to_table()
    assert table["rate"].unit == u.ct / u.s
    np.testing.assert_array_equal(table["time"], [5, 15, 25, 35])
    assert "0 bins" in repr(LightCurve(time=np.zeros(0), rate=np.zeros(0), error=np.zeros(0)))
    ones = np.ones(8)
    flat = LightCurve(time=np.arange(9.0), rate=np.append(ones, 50), error=np.full(9, 0.1))
    assert repr(flare_filter(flat, max_rate=10)).startswith("<FlareCut: 8 of 9 bins kept")
    assert repr(hardness_ratio(flat, flat)) == "<HardnessRatio (H - S)/(H + S) (gauss): 9 bins, median 0>"
    assert repr(bayesian_blocks(flat)).startswith("<Blocks: 2 stretches of constant rate: 1 +-")


def test_source_list_shows_its_sources():
    names = list(COLUMNS)
    columns = {name: np.arange(50.0) + 0.123456789 for name in names}
    image = Image(data=np.ones((3, 3)))
    text = repr(SourceList(columns=columns, background=np.zeros((3, 3)), image=image)).splitlines()
    assert text[0] == "SourceList: 50 sources"
    assert text[2].split()[:3] == ["1", "0.12346", "+0.12346"]
    assert text[-1] == "... and 10 more"
    table = SourceList(columns=columns, background=np.zeros((3, 3)), image=image).to_table()
    assert table["ra"][1] == 1.123456789  # shown shorter, kept whole
    assert "1.12346" in str(table["ra"])
    nothing = SourceList(columns={n: np.array([]) for n in names}, background=np.zeros((3, 3)), image=image)
    assert repr(nothing) == "SourceList: 0 sources"
    with pytest.raises(DataError, match="no source was found"):
        nothing.nearest("10d 10d")


def test_the_source_nearest_to_a_position():
    """Right ascension counts less at high declination: the third is farther in degrees but nearer on the sky."""
    columns = {name: np.zeros(3) for name in COLUMNS}
    columns |= {"ra": np.array([100.0, 100.0, 101.5]), "dec": np.array([82.0, 79.0, 80.0])}
    found = SourceList(columns=columns, background=np.zeros((3, 3)), image=Image(data=np.ones((3, 3))))
    assert found.nearest("100.0d 80.0d") == 2
    ra, dec = found.position(2)
    assert (ra.to_value("deg"), dec.to_value("arcmin")) == (101.5, 4800)


def test_html_is_escaped():
    html = Listing(("a", "b"), [("<x>", "")], left=("a",), title="1 < 2").html()
    assert "&lt;x&gt;" in html
    assert "1 &lt; 2" in html
    assert ">b<" not in html  # a column without an entry


def test_nothing_heavy_is_imported_for_it():
    code = "import sys, wolter.data._tables, wolter.data.observation_files; sys.exit('astropy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_responses_of_simulated_observations_are_named(folder):
    obs = Observation(folder)
    with pytest.raises(ResponseError, match="in the folder responses beside it"):
        obs.spectra(circle(PLACE, 60 * u.arcsec), responses="nominal")
    assert obs.spectra(circle(PLACE, 60 * u.arcsec), responses=folder.parent / "responses")[0].rmf is not None


def test_output_folder_is_made(folder, tmp_path):
    Observation(folder).spectra(circle(PLACE, 60 * u.arcsec), output=tmp_path / "a" / "b")
    assert len(list((tmp_path / "a" / "b").iterdir())) == 2


def test_the_only_detector_need_not_be_named(folder):
    obs = Observation(folder)
    with pytest.raises(MissionError, match="FPMA, FPMB"):
        obs.exposure_map()
    one = Observation(obs.event_files["FPMB"].path)
    with pytest.raises(MissionError, match=r"FPMB|attitude|aspect"):  # goes on to what is missing beside the events
        one.exposure_map()


def test_part_of_a_point_source_in_a_region(folder):
    events = Observation(folder).events["FPMA"]
    image = Observation(folder).image()["FPMA"]

    def psf(radius, energy, off_axis):  # a Gaussian of 20 arcsec
        return 1.0 - np.exp(-0.5 * (np.asarray(radius) / 20.0) ** 2)

    ring = annulus(PLACE, 10 * u.arcsec, 40 * u.arcsec)
    wanted = np.exp(-0.5 * 0.5**2) - np.exp(-0.5 * 2.0**2)
    assert psf_fraction(events, ring, psf=psf) == pytest.approx(wanted, abs=0.01)
    rng = np.random.default_rng(5)
    x, y = rng.normal(0, 20, (2, 400000))
    aside = np.hypot(x - 30.0, y) < 25  # a circle whose centre is 30 arcsec away
    north = "16:53:51.77 +39:46:14.4"
    assert psf_fraction(image, circle(north, 25 * u.arcsec), PLACE, psf=psf) == pytest.approx(aside.mean(), abs=0.01)
    known = psf_fraction(events, circle(PLACE, 30 * u.arcsec))
    assert 0.4 < known < 0.6  # half of the photons lie within 29 arcsec


def test_errors_and_fluxes_of_a_fit(folder):
    spectra = Observation(folder).spectra(circle(PLACE, 60 * u.arcsec), responses=folder.parent / "responses")
    fit = Fit(spectra.group("min", 20).select(3 * u.keV, 30 * u.keV), "powerlaw", statistic="cstat")
    fit.run()
    (error,) = fit.error("powerlaw.PhoIndex", level=0.68)
    assert f"({error.lower:.5g} to {error.upper:.5g}, 68 %)" in repr(error)
    flux = fit.flux(3 * u.keV, 10 * u.keV)[0]
    assert f"{flux.energy:.4g} +- " in repr(flux)
    assert "<Flux 3-10 keV" in repr(flux)
    legends = [
        t.get_text() for axes in fit.plot.spectrum().axes if axes.get_legend() for t in axes.get_legend().get_texts()
    ]
    assert {"FPMA", "FPMB"} <= set(legends)  # these files have no DETNAM


def test_the_cross_of_a_contour_is_the_best_fit(folder):
    """Not the nearest point of the grid."""
    spectra = Observation(folder).spectra(circle(PLACE, 60 * u.arcsec), responses=folder.parent / "responses")
    fit = Fit(spectra.group("min", 20).select(3 * u.keV, 30 * u.keV), "powerlaw", statistic="cstat")
    fit.run()
    slope, norm = (p.value for p in fit.parameters[:2])
    names = ("powerlaw.PhoIndex", "powerlaw.norm")
    grid = fit.grid({names[0]: (slope - 0.031, slope + 0.05, 4), names[1]: (0.95 * norm, 1.07 * norm, 4)})
    assert grid.best_fit == {names[0]: slope, names[1]: norm}
    crosses = [c.get_xydata() for c in grid.plot.contour().axes[0].get_lines() if len(c.get_xdata()) == 1]
    assert any(np.allclose(c, [[slope, norm]], rtol=1e-9) for c in crosses)
    elsewhere = fit.grid({names[0]: (slope + 0.1, slope + 0.2, 4)})  # does not hold it: the grid's lowest point
    assert elsewhere.best_fit[names[0]] == pytest.approx(slope + 0.1)


def test_leftovers_of_grouping_are_named(folder):
    spectra = Observation(folder).spectra(circle(PLACE, 60 * u.arcsec), responses=folder.parent / "responses")
    grouped = spectra.group("min", 20).select(3 * u.keV, 160 * u.keV)
    bad = sum(int((s.bins(m).quality != 0).sum()) for s, m in zip(grouped, grouped.notice, strict=True))
    assert bad > 0
    with pytest.warns(
        WolterWarning, match=rf"^{bad} of \d+ noticed bins have a quality other than 0.*ignore_bad"
    ) as seen:
        Fit(grouped, "powerlaw", statistic="cstat").run()
    assert {w.filename for w in seen} == {__file__}  # not a line of the library
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Fit(grouped.ignore_bad(), "powerlaw", statistic="cstat").run()


def test_min_counts_of_the_command_line_leaves_no_leftovers(folder, tmp_path, run):
    source, responses = circle(PLACE, 60 * u.arcsec), folder.parent / "responses"
    spectra = Observation(folder).spectra(source, responses=responses, detectors=["FPMA"], output=tmp_path)
    words = ["--model", "powerlaw", "--min-counts", 20, "--stat", "cstat", "--json"]
    status, out, err = run("fit", spectra[0].path, *words)
    assert status == 0
    counts = spectra[0].values
    full = wanted = 0
    for number in counts.tolist():  # full groups, one after the other
        full += number
        if full >= 20:
            wanted, full = wanted + 1, 0
    assert full > 0
    assert json.loads(out)["bins"] == wanted
    assert "quality" not in err


def test_truth_is_readable(folder):
    text = (folder.parent / "99000101_truth.json").read_text()
    truth = json.loads(text)
    pixels = truth["detectors"]["FPMA"]["bad_pixels"]["0"]
    assert len(pixels) > 0
    assert f"{json.dumps(pixels[0])}" in text  # a pixel on one line
    told = {"s": "x [ 1 ] y", "n": [["t", None], []], "f": [1e-20, -1.5], "e": []}
    assert json.loads(readable(told)) == told


def test_exposure_maps_of_good_times(folder):
    """gti= as for images; before, only a selection of the events was understood."""
    obs = Observation(folder)
    events = obs.events["FPMA"]
    start, _ = events.gti.span
    half = events.gti & GTI.single(start, start + 150.0)
    whole, part = (obs.exposure_map("FPMA", gti=gti) for gti in (None, half))
    assert part.data.max() / whole.data.max() == pytest.approx(half.exposure / events.gti.exposure, rel=0.02)
