"""Tables of parameters and plot data: full precision in files that others read, and the LaTeX of a paper."""

from __future__ import annotations

import csv
import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table

from golden_session import Session
from wolter.data import SpectrumSet
from wolter.errors import OutputError, WolterWarning
from wolter.fit import Fit
from wolter.fit.tables import latex_number, make_table
from wolter.models import Settings


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WolterWarning)
        yield


@pytest.fixture(scope="module")
def fit(shared):
    folder = shared("ixpe", "mrk501_01004601")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WolterWarning)
        files = [folder / f"det{d}_filt_src_I.pha" for d in (1, 2)]
        spectra = SpectrumSet.read(files, groups=[1, 2]).select_bins(51, 199)
        fit = Fit(spectra, "constant*TBabs*(powerlaw+bbodyrad)", settings=Settings(abund="wilm"))
    fit.free_by_group("constant.factor")
    fit.freeze("TBabs.nH")
    fit.set("TBabs.nH", 0.0169)
    fit.set("bbodyrad.kT", 0.7)
    fit.set("bbodyrad.norm", 36.0)
    fit.set("powerlaw.norm", 0.02)
    fit.run("leven")
    fit.error("bbodyrad.kT")
    return fit


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((2.7, 0.06, 0.05), r"$2.70^{+0.05}_{-0.06}$"),
        ((2.7, 0.05, 0.05), r"$2.70\pm0.05$"),
        ((2.71828, 0.123, 0.19), r"$2.72^{+0.19}_{-0.12}$"),
        ((2.71828, 0.23, 0.94), r"$2.7^{+0.9}_{-0.2}$"),
        ((1234.5, 12.3, 34.0), r"$1234^{+34}_{-12}$"),
        ((123456.0, 2345.0, 2345.0), r"$\left(1.23\pm0.02\right)\times10^{5}$"),
        ((2.35e-10, 1.1e-11, 2.0e-11), r"$\left(2.35^{+0.20}_{-0.11}\right)\times10^{-10}$"),
        ((-64.78, 4.5, 4.4), r"$-65^{+4}_{-4}$".replace("^{+4}_{-4}", r"\pm4")),
        ((0.0899, None, 0.012), r"$0.090^{+0.012}_{-\cdots}$"),
        ((0.0899, 0.012, float("nan")), r"$0.090^{+\cdots}_{-0.012}$"),
        ((0.0, None, 0.3), r"$0.0^{+0.3}_{-\cdots}$"),
        ((0.0169,), "$0.0169$"),
        ((4.64933e-5,), r"$4.649\times10^{-5}$"),
        ((0.0,), "$0$"),
        ((0.999, 0.0995, 0.0996), r"$1.00\pm0.10$"),
    ],
)
def test_numbers_in_latex(numbers, text):
    assert latex_number(*numbers) == text


def test_ecsv_and_csv_hold_every_digit(fit, tmp_path):
    table = Table.read(fit.write_parameters(tmp_path / "fit.ecsv"))
    assert table.meta["model"] == fit.model.expression
    assert table.meta["statistic"] == fit.statistic
    assert table.meta["abund"] == "wilm"
    with open(fit.write_parameters(tmp_path / "fit.csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(table) == 12
    for line, row, ours in zip(rows, table, fit.parameters, strict=True):
        assert float(line["value"]) == row["value"] == ours.value
        assert line["component"] + "." + line["parameter"] == ours.name
        assert (line["sigma"] == "") == (ours.sigma is None)
        assert line["tied"] == (ours.tied or "")
    kt = rows[4]
    assert float(kt["value"]) - float(kt["minus"]) == pytest.approx(float(kt["lower"]))
    assert float(kt["value"]) + float(kt["plus"]) == pytest.approx(float(kt["upper"]))
    assert kt["unit"] == "keV"


def test_latex_table(fit, tmp_path):
    text = fit.write_parameters(tmp_path / "fit.tex").read_text()
    lines = text.splitlines()
    assert lines[0] == r"\begin{tabular}{lllll}"
    assert lines[-1] == r"\end{tabular}"
    kt = next(line for line in lines if "& kT &" in line)
    assert "^{+" in kt or r"\pm" in kt
    assert kt.endswith(r"& $\mathrm{keV}$ \\")
    nh = next(line for line in lines if "& nH &" in line)
    assert "$0.0169$ (fixed)" in nh
    assert r"10^{22}\,\mathrm{cm^{-2}}" in nh
    # of the second group only what is its own
    assert [line.split(" & ")[1:3] for line in lines if line.startswith("2 & ")] == [["constant", "factor"]]
    assert rf"$\chi^2$ / d.o.f. = ${fit.statistic:.2f} / {fit.dof}$" in text
    assert text.count("{") == text.count("}")


def test_units_become_those_of_astropy():
    table = make_table(
        {"nH": np.ones(2), "kT": np.ones(2), "odd": np.ones(2)}, {"nH": "10^22", "kT": "keV", "odd": "L39/D10^2"}, {}
    )
    assert table["nH"].unit.to(u.cm**-2) == pytest.approx(1e22)
    assert table["kT"].unit == u.keV
    assert table["odd"].unit is None


def test_qdp_is_read_by_astropy_and_holds_what_xspec_plotted(fit, golden, tmp_path):
    path = fit.write_plot_data(tmp_path / "data.qdp")
    first = Table.read(path, format="ascii.qdp", table_id=0, names=["x", "y", "model"])
    second = Table.read(path, format="ascii.qdp", table_id=1, names=["x", "y", "model"])
    assert len(first) == len(second) == 149
    session = Session(golden("xspec_sessions"), "d_ixpe_mrk501")
    recorded = next(s["plot"] for s in session.steps if s["code"] == "Plot('ldata')" and session_is_kev(session, s))
    for table, key in ((first, "1"), (second, "4")):
        np.testing.assert_allclose(table["x"], session.array(recorded[key]["x"]), rtol=1e-6)
        np.testing.assert_allclose(table["x_err"], session.array(recorded[key]["xErr"]), rtol=1e-5)
        np.testing.assert_allclose(table["y"], session.array(recorded[key]["y"]), rtol=1e-6)
        np.testing.assert_allclose(table["y_err"], session.array(recorded[key]["yErr"]), rtol=1e-6)
    np.testing.assert_allclose(first["model"], fit.plot_data(1).model, rtol=1e-9)


def session_is_kev(session, step) -> bool:
    x = session.array(step["plot"]["1"]["x"])
    return x[0] < 10


def test_plot_data_as_csv(fit, tmp_path):
    path = fit.write_plot_data(tmp_path / "data.csv", 2, area=True)
    table = Table.read(path)
    data = fit.plot_data(2, area=True)
    np.testing.assert_array_equal(table["y"], data.y)
    np.testing.assert_array_equal(table["model"], data.model)
    assert set(table["spectrum"]) == {2}
    assert set(table["group"]) == {2}


def test_mistakes(fit, tmp_path):
    with pytest.raises(OutputError, match=r"\.ecsv, \.csv or \.tex"):
        fit.write_parameters(tmp_path / "fit.xls")
    with pytest.raises(OutputError, match=r"\.qdp or \.csv"):
        fit.write_plot_data(tmp_path / "data.txt")
    with pytest.raises(OutputError, match="no spectrum"):
        fit.write_plot_data(tmp_path / "data.qdp", [])
    (tmp_path / "there.csv").write_text("mine")
    with pytest.raises(OutputError):
        fit.write_parameters(tmp_path / "there.csv")
    assert (tmp_path / "there.csv").read_text() == "mine"
    fit.write_parameters(tmp_path / "there.csv", overwrite=True)
    assert (tmp_path / "there.csv").read_text().startswith("index,group")
