"""Files that Plot.device names: all formats, ranges of logarithmic panes, shared abscissas, PLT commands."""

from __future__ import annotations

import gzip
import subprocess
import sys

import numpy as np
import pytest

import wolter.compat.xspec as x
from test_compat_xspec_golden import fresh_session
from wolter.compat.xspec import figures

pytest.importorskip("matplotlib")


@pytest.fixture
def fitted(shared, tmp_path, monkeypatch):
    """A fitted spectrum with two additive components."""
    monkeypatch.chdir(tmp_path)
    fresh_session(monkeypatch)
    x.Xset.chatter = 0
    folder = shared("swift", "grb070110_00255445000")
    for name in ("interval0pc.pi", "interval0pcback.pi", "interval0pc.rmf", "interval0pc.arf"):
        (tmp_path / name).symlink_to(folder / name)
    spectrum = x.Spectrum("interval0pc.pi")
    x.Plot.xAxis = "keV"
    spectrum.ignore("**-0.3 10.0-**")
    model = x.Model("TBabs*(powerlaw+gaussian)")
    model.setPars(0.1, 2.0, 1e-3, "6.4 -1", "0.01 -1", 1e-5)
    x.Fit.perform()
    yield model
    x.Xset.chatter = 10


@pytest.mark.parametrize(
    ("device", "name", "head"),
    [
        ("a.png", "a.png", b"\x89PNG"),
        ("b.pdf", "b.pdf", b"%PDF"),
        ("c.ps/cps", "c.ps", b"%!PS"),
        ("d.ps/vcps", "d.ps", b"%!PS"),
        ("e.svg", "e.svg", b"<?xml"),
        ("/ps", "pgplot.ps", b"%!PS"),
        ("f.gif/png", "f.gif", b"\x89PNG"),
    ],
)
def test_each_format(fitted, tmp_path, device, name, head):
    x.Plot.device = device
    x.Plot("ldata", "ratio")
    assert (tmp_path / name).read_bytes()[:5].startswith(head)


@pytest.mark.parametrize("device", ["/null", "/xs", "/xw", "none"])
def test_screens_make_no_file(fitted, tmp_path, device):
    before = set(tmp_path.iterdir())
    x.Plot.device = device
    x.Plot("ldata")
    assert set(tmp_path.iterdir()) == before
    assert len(x.Plot.x()) > 100
    x.Plot.device = "picture.bmp"
    with pytest.raises(x.XspecError, match="unknown plot device"):
        x.Plot("ldata")


@pytest.fixture
def panes(monkeypatch):
    """Panes of the figures that are drawn."""
    from matplotlib.figure import Figure

    seen = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (seen.append(list(self.axes)), save(self, *a, **k))[1])
    return seen


def test_panes_share_the_abscissa(fitted, panes):
    x.Plot.device = "a.png"
    x.Plot("ldata", "ratio", "delchi")
    top, middle, bottom = panes[0]
    assert (top.get_xscale(), top.get_yscale()) == ("log", "log")
    assert middle.get_xscale() == bottom.get_xscale() == "log"
    assert top.get_xlim() == middle.get_xlim() == bottom.get_xlim()
    assert [p.get_xlabel() for p in panes[0]] == ["", "", "Energy (keV)"]
    assert middle.get_yscale() == "linear"


def test_a_faint_component_does_not_stretch_the_axis(fitted, panes):
    """The narrow line falls to 1e-300 within some channels."""
    x.Plot.add = True
    x.Plot.device = "a.png"
    x.Plot("eeufspec")
    assert min(x.Plot.addComp(2)) < 1e-30
    low, high = panes[0][0].get_ylim()
    assert 1e-7 < low / high < 1e-1
    shown = np.array(x.Plot.y())
    assert high > shown.max()


def test_commands_of_plt(fitted, panes):
    for command in (
        "rescale y 1e-6 2e-2",
        "rescale x 0.5 8.",
        "label top Afterglow",
        "la y rate",
        "log x off",
        "time off",
    ):
        x.Plot.addCommand(command)
    x.Plot.device = "a.png"
    x.Plot("ldata")
    (pane,) = panes[0]
    assert pane.get_ylim() == (1e-6, 2e-2)
    assert pane.get_xlim() == (0.5, 8.0)
    assert (pane.get_title(), pane.get_ylabel(), pane.get_xscale()) == ("Afterglow", "rate", "linear")
    x.Plot.commands = ()
    x.Plot("ldata")
    assert panes[1][0].get_ylim() != (1e-6, 2e-2)


def test_contours(fitted, panes):
    x.Fit.steppar("2 1.8 2.4 6 3 6e-4 1.4e-3 6")
    x.Plot.device = "a.png"
    x.Plot("contour")
    (pane,) = panes[0]
    assert (pane.get_xlabel(), pane.get_ylabel()) == ("Parameter: PhoIndex", "Parameter: norm")
    assert len(pane.collections) == 1
    assert list(pane.collections[0].levels) == pytest.approx(x.Plot.contourLevels())


@pytest.mark.parametrize(
    ("kind", "axis", "y"),
    [
        ("ldata", "keV", "counts s$^{-1}$ keV$^{-1}$"),
        ("data", "channel", "counts s$^{-1}$ chan$^{-1}$"),
        ("counts", "keV", "counts keV$^{-1}$"),
        ("eeufspec", "keV", "keV$^{2}$ (Photons cm$^{-2}$ s$^{-1}$ keV$^{-1}$)"),
        ("model", "angstrom", "Photons cm$^{-2}$ s$^{-1}$ Hz$^{-1}$"),
        ("eufspec", "angstrom", r"F$_{\nu}$ (Jy)"),
        ("chisq", "keV", r"sign(data-model) $\times$ $\Delta$ $\chi^{2}$"),
        ("ratio", "keV", "ratio"),
    ],
)
def test_labels_are_those_of_xspec_for_matplotlib(fitted, kind, axis, y):
    x.Plot.xAxis = axis
    x.Plot(kind)
    where = {"channel": "Channel", "keV": "Energy (keV)", "angstrom": "Wavelength (angstrom)"}[axis]
    assert x.Plot.labels()[:2] == (where, y)
    x.Plot.area = True
    x.Plot(kind)
    assert x.Plot.labels()[1] == (f"{y} cm$^{{-2}}$" if kind in ("ldata", "data", "counts") else y)


def test_question_mark_lists_the_plots(fitted, capsys):
    x.Xset.chatter = 10
    x.Plot("?")
    said = capsys.readouterr().out
    assert "ldata" in said
    assert "contour" in said
    assert "polangle" in said


def test_raised_exponents():
    assert figures._powers("Photons cm^-2 s^-1 keV^-1") == "Photons cm$^{-2}$ s$^{-1}$ keV$^{-1}$"


def test_a_log_that_is_not_closed_is_there_at_the_end(shared, tmp_path):
    star = shared("swift", "2m0259_00092220001")
    (tmp_path / "r.rmf").write_bytes(gzip.decompress((star / "swxpc0to12s6_20130101v014.rmf.gz").read_bytes()))
    lines = [
        "import os, xspec",
        "xspec.Xset.chatter = 0",
        "xspec.Xset.openLog('fit.log')",
        f"s = xspec.Spectrum({str(star / 'target_sr.pha')!r}); s.response = 'r.rmf'",
        "print([n for n in os.listdir() if n == 'fit.log'])",
        "if os.fork() == 0: raise SystemExit",
        "os.wait(); print([n for n in os.listdir() if n == 'fit.log']); 1 / 0",
    ]
    (tmp_path / "s.py").write_text("\n".join(lines))
    done = subprocess.run(
        [sys.executable, "-m", "wolter.compat", "s.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert done.stdout == "[]\n[]\n"
    assert "Response successfully loaded." in (tmp_path / "fit.log").read_text()
