"""Figures: the numbers are what is drawn, with labels; files are whole or absent; nothing global is touched."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import chi2

from plot_support import bars, line, made_cube, made_curve, made_image, points, texts
from wolter import plot
from wolter.data import Spectrum, SpectrumSet
from wolter.errors import DataError, FitError, OutputError
from wolter.fit import Fit, Grid
from wolter.models import Settings
from wolter.sky import parse_regions

FOLDER = ("ixpe", "mrk501_01004601")


@pytest.fixture(scope="module")
def fit(shared):
    """Nine Stokes spectra with a model at parameters near the best ones (not fitted: drawing does not need that)."""
    from astropy import units as u

    spectra, groups = [], []
    for k in (1, 2, 3):
        rmf = shared(*FOLDER, f"ixpe_d{k}_20170101_alpha075_02.rmf")
        for stokes in "IQU":
            arf = shared(*FOLDER, f"det{k}_filt_src.{'arf' if stokes == 'I' else 'mrf'}")
            spectra.append(Spectrum.read(shared(*FOLDER, f"det{k}_filt_src_{stokes}.pha"), rmf=rmf, arf=arf))
            groups.append(k)
    chosen = SpectrumSet(spectra, groups=groups).select(2 * u.keV, 8 * u.keV)
    out = Fit(chosen, "polconst*tbabs*(constant*powerlaw)", settings=Settings(abund="wilm"))
    for name, value in {"A": 0.09, "psi": -65.0, "nH": 0.98, "PhoIndex": 1.83, "norm": 0.09}.items():
        out.set(name, value)
    return out


@pytest.fixture(scope="module")
def single(fit):
    """Only the first I spectrum."""
    return Fit(SpectrumSet([fit.spectra[0]]), "tbabs*powerlaw")


# -- spectra ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "rebin"),
    [({"rebin": None}, None), ({"rebin": (5.0, 4)}, (5.0, 4)), ({"area": True, "rebin": (3.0, 9)}, (3.0, 9))],
)
def test_spectrum_draws_the_plot_data(fit, options, rebin):
    figure = plot.spectrum(fit, **options)
    assert len(figure.axes) == 6
    for stokes in range(3):
        top, bottom = figure.axes[2 * stokes], figure.axes[2 * stokes + 1]
        drawn, residuals = points(top), points(bottom)
        assert len(drawn) == len(residuals) == 3
        for detector in range(3):
            data = fit.plot_data(3 * detector + stokes + 1, area=options.get("area", False), rebin=rebin)
            np.testing.assert_array_equal(drawn[detector], np.c_[data.x, data.y])
            np.testing.assert_array_equal(residuals[detector], np.c_[data.x, data.residual])
            half_x, half_y = bars(top, detector)
            np.testing.assert_allclose(half_x, data.xerr, rtol=1e-9)
            np.testing.assert_allclose(half_y, data.yerr, rtol=1e-9)
            model = [item for item in top.get_lines() if item.get_label() == "model"][detector].get_xydata()
            np.testing.assert_array_equal(np.asarray(model)[::2, 1], data.model)
            np.testing.assert_array_equal(np.asarray(model)[1::2, 1], data.model)
            np.testing.assert_allclose(np.asarray(model)[::2, 0], data.x - data.xerr)
        assert top.get_yscale() == ("log" if stokes == 0 else "linear")
        assert top.get_xscale() == ("log" if stokes == 0 else "linear")
    words = texts(figure)
    assert all(name in words for name in ("DU1", "DU2", "DU3", "Energy (keV)", "Residual"))
    assert ("cm$^{-2}$" in words) == options.get("area", False)


def test_spectrum_limits_hold_all_points(fit):
    figure = plot.spectrum(fit)
    for axes in figure.axes[::2]:
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        for xy in points(axes):
            good = xy[xy[:, 1] > 0] if axes.get_yscale() == "log" else xy
            assert np.all((good[:, 0] > left) & (good[:, 0] < right) & (good[:, 1] > low) & (good[:, 1] < high))
    assert figure.axes[2].get_ylim() == figure.axes[4].get_ylim()  # Q and U can be compared


def test_automatic_joining_leaves_few_bins(fit, single):
    figure = plot.spectrum(fit)
    sizes = [len(points(axes)[0]) for axes in figure.axes[::2]]
    assert sizes[0] <= 60
    assert sizes[1] <= 15
    assert sizes[2] <= 15
    assert len(points(plot.spectrum(single).axes[0])[0]) <= 100


@pytest.mark.parametrize("kind", ["delchi", "ratio", "resid"])
def test_residuals(single, kind):
    bottom = plot.spectrum(single, residuals=kind, rebin=None).axes[1]
    data = single.plot_data(1)
    expected = {"delchi": data.residual, "ratio": data.y / data.model, "resid": data.y - data.model}[kind]
    error = {"delchi": np.ones_like(data.y), "ratio": data.yerr / data.model, "resid": data.yerr}[kind]
    np.testing.assert_allclose(points(bottom)[0][:, 1], expected)
    np.testing.assert_allclose(bars(bottom)[1], error)


def test_channels_and_background(fit, shared):
    figure = plot.spectrum(fit, [1], x="channel", rebin=None)
    assert points(figure.axes[0])[0][0, 0] == fit.plot_data(1, x="channel").x[0]
    assert "Channel" in texts(figure)
    assert "channel$^{-1}$" in texts(figure)
    assert figure.axes[0].get_xscale() == "linear"
    source = fit.spectra[0]
    background = dataclasses.replace(source, values=0.1 * np.asarray(source.values), background=None)
    with_background = Fit(SpectrumSet([dataclasses.replace(source, background=background)]), "powerlaw")
    figure = plot.spectrum(with_background, rebin=None, background=True)
    data = with_background.plot_data(1)
    np.testing.assert_array_equal(line(figure.axes[0], "background")[::2, 1], data.background)
    assert "background" in texts(figure)
    assert "background" not in texts(plot.spectrum(with_background, rebin=None))


def test_model_line_is_interrupted_between_separate_bins():
    from wolter.plot.spectra import steps

    x, y = steps(np.array([1.0, 2.0, 4.0]), np.array([2.0, 3.0, 5.0]), np.array([7.0, 8.0, 9.0]))
    np.testing.assert_array_equal(x, [1, 2, 2, 3, np.nan, 4, 5])
    np.testing.assert_array_equal(y, [7, 7, 8, 8, np.nan, 9, 9])


def test_spectrum_errors(fit):
    with pytest.raises(DataError, match="delchi, ratio or resid"):
        plot.spectrum(fit, residuals="sigma")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="spectra 1 to 9"):
        plot.spectrum(fit, [10])
    with pytest.raises(DataError, match="min_sigma"):
        plot.spectrum(fit, rebin="fine")  # type: ignore[arg-type]


# -- polarisation -----------------------------------------------------------------------------------------------------


def test_polarisation_draws_the_numbers(fit):
    figure = plot.polarisation(fit, 6, title="Six bins")
    data = fit.polarisation(bins=6)
    upper, lower = figure.axes
    np.testing.assert_allclose(points(upper)[0], np.c_[data.energy, data.angle])
    np.testing.assert_allclose(points(lower)[0], np.c_[data.energy, 100 * data.fraction])
    np.testing.assert_allclose(bars(lower)[1], 100 * data.fraction_err)
    np.testing.assert_allclose(line(upper, "model")[::2, 1], data.model_angle)
    np.testing.assert_allclose(line(lower, "model")[::2, 1], 100 * data.model_fraction)
    words = texts(figure)
    assert all(w in words for w in ("Polarisation angle (deg)", "Polarisation degree (%)", "Energy (keV)", "Six bins"))
    assert lower.get_ylim()[0] == 0


def test_polarisation_by_detector(fit):
    figure = plot.polarisation(fit, 5, separate=True)
    for k in (1, 2, 3):
        data = fit.polarisation([k], bins=5)
        np.testing.assert_allclose(points(figure.axes[0])[k - 1][:, 1], data.angle)
    assert "DU2" in texts(figure)
    only = plot.polarisation(fit, 5, groups=[2])
    np.testing.assert_allclose(points(only.axes[0])[0][:, 1], fit.polarisation([2], bins=5).angle)


def test_polarisation_needs_triplets(single):
    with pytest.raises((FitError, DataError)):
        plot.polarisation(single)


# -- contours ---------------------------------------------------------------------------------------------------------


def made_grid(angle0=-60.0, *, lo=-90.0, hi=90.0, names=("polconst.A", "polconst.psi"), units=("", "deg")) -> Grid:
    """A paraboloid in Q and U, whose confidence regions are known: circles of radius sigma sqrt(delta)."""
    degree, angle = np.linspace(0.0, 0.2, 41), np.linspace(lo, hi, 37)
    a, psi = np.meshgrid(degree, angle, indexing="ij")
    q, u = a * np.cos(2 * np.deg2rad(psi)), a * np.sin(2 * np.deg2rad(psi))
    q0, u0 = 0.1 * np.cos(2 * np.deg2rad(angle0)), 0.1 * np.sin(2 * np.deg2rad(angle0))
    statistic = 100.0 + ((q - q0) ** 2 + (u - u0) ** 2) / 0.012**2
    parameters = np.stack([a, psi], axis=-1)
    return Grid(names, units, (degree, angle), statistic, 100.0, names, parameters, np.ones(a.shape, bool))


def regions(axes) -> list[np.ndarray]:
    """Points of the contour lines, one array per level."""
    from matplotlib.contour import QuadContourSet

    lines = [c for c in axes.collections if isinstance(c, QuadContourSet) and not c.filled]
    return [np.concatenate([p.vertices for p in lines[0].get_paths()[i : i + 1]]) for i in range(len(lines[0].levels))]


def test_contours_lie_where_the_statistic_says():
    confidence = (0.6827, 0.90, 0.9545, 0.99)
    figure = plot.contour(made_grid(), mdp=0.057)
    axes = figure.axes[0]
    for points_, c in zip(regions(axes), confidence, strict=True):
        rise = chi2.ppf(c, 2)
        a, psi = points_[:, 0], np.deg2rad(points_[:, 1])
        q0, u0 = 0.1 * np.cos(np.deg2rad(-120)), 0.1 * np.sin(np.deg2rad(-120))
        radius = np.hypot(a * np.cos(2 * psi) - q0, a * np.sin(2 * psi) - u0)
        np.testing.assert_allclose(radius, 0.012 * np.sqrt(rise), rtol=0.02)
    words = texts(figure)
    assert "Polarisation degree (%)" in words
    assert "Polarisation angle (deg)" in words
    assert all(f"{100 * c:.3g} %" in words for c in confidence)
    assert "best fit" in words
    assert "MDP99 = 5.70 %" in words
    mdp = next(item for item in axes.get_lines() if item.get_label().startswith("MDP99"))
    assert set(mdp.get_xdata()) == {0.057}


def test_default_levels_are_the_usual_ones():
    from wolter.plot.contours import CONFIDENCE

    assert [round(float(chi2.ppf(c, 2)), 2) for c in CONFIDENCE] == [2.30, 4.61, 6.18, 9.21]


def test_cross_marks_the_best_fit():
    def cross(figure):
        return [
            tuple(map(float, item.get_xydata()[0])) for item in figure.axes[0].get_lines() if item.get_marker() == "+"
        ]

    assert cross(plot.contour(made_grid())) == [pytest.approx((0.1, -60.0))] * 2
    best = {"polconst.A": 0.103, "polconst.psi": -61.5, "other.par": 1.0}
    assert cross(plot.contour(made_grid(), best=best)) == [pytest.approx((0.103, -61.5))] * 2


@pytest.mark.parametrize("angle0", [88.0, -90.0, 90.0])
def test_regions_across_the_end_of_the_angles_are_whole(angle0):
    """The ends of the axis move away from the regions, which stay the same size."""
    figure = plot.contour(made_grid(angle0))
    axes = figure.axes[0]
    low, high = axes.get_ylim()
    assert high - low == pytest.approx(180.0)
    for points_ in regions(axes):
        assert points_[:, 1].min() > low + 40
        assert points_[:, 1].max() < high - 40
        a, psi = points_[:, 0], np.deg2rad(points_[:, 1])
        radius = np.hypot(
            a * np.cos(2 * psi) - 0.1 * np.cos(2 * np.deg2rad(angle0)),
            a * np.sin(2 * psi) - 0.1 * np.sin(2 * np.deg2rad(angle0)),
        )
        assert np.ptp(radius) < 0.03 * radius.mean()
    figure.draw_without_rendering()
    labels = [t.get_text().replace("\N{MINUS SIGN}", "-") for t in axes.get_yticklabels()]
    assert all(-90 <= float(text) <= 90 for text in labels)


def test_regions_in_the_middle_are_not_turned():
    assert plot.contour(made_grid(0.0)).axes[0].get_ylim() == (-90, 90)
    assert plot.contour(made_grid(-60, lo=-90, hi=0)).axes[0].get_ylim() == (-90, 0)


def test_polar_contours():
    figure = plot.contour(made_grid(), polar=True, mdp=0.05, title="Polar")
    axes = figure.axes[0]
    assert axes.name == "polar"
    for points_, c in zip(regions(axes), (0.6827, 0.90, 0.9545, 0.99), strict=True):
        turn, a = points_[:, 0], points_[:, 1]
        q0, u0 = 0.1 * np.cos(np.deg2rad(-120)), 0.1 * np.sin(np.deg2rad(-120))
        radius = np.hypot(a * np.cos(2 * turn) - q0, a * np.sin(2 * turn) - u0)
        np.testing.assert_allclose(radius, 0.012 * np.sqrt(chi2.ppf(c, 2)), rtol=0.02)
    mdp = next(item for item in axes.get_lines() if item.get_label().startswith("MDP99"))
    assert set(np.asarray(mdp.get_ydata())) == {0.05}
    assert axes.get_theta_offset() == pytest.approx(np.pi / 2)  # zero up
    assert axes.get_theta_direction() == 1  # counter-clockwise
    words = texts(figure)
    assert "Polarisation degree (%)" in words
    assert "Polar" in words
    swapped = made_grid(names=("polconst.psi", "polconst.A"), units=("deg", ""))
    swapped = dataclasses.replace(
        swapped,
        axes=swapped.axes[::-1],
        statistic=swapped.statistic.T,
        parameters=swapped.parameters.swapaxes(0, 1)[..., ::-1],
    )
    same = plot.contour(swapped, polar=True).axes[0]
    for one, other in zip(regions(axes), regions(same), strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(np.sort(one, axis=0), np.sort(other, axis=0), atol=1e-9)


def test_profile_of_one_parameter():
    values = np.linspace(1.0, 3.0, 41)
    statistic = 50.0 + ((values - 2.0) / 0.1) ** 2
    names = ("powerlaw.PhoIndex",)
    grid = Grid(names, ("",), (values,), statistic, 50.0, names, values[:, None], np.ones(41, bool))
    figure = plot.contour(grid)
    axes = figure.axes[0]
    np.testing.assert_allclose(np.asarray(axes.get_lines()[0].get_xydata()), np.c_[values, statistic - 50.0])
    heights = [float(item.get_ydata()[0]) for item in axes.get_lines()[2:]]
    np.testing.assert_allclose(heights, [chi2.ppf(c, 1) for c in (0.6827, 0.9, 0.9545, 0.99)], rtol=1e-6)
    assert "powerlaw PhoIndex" in texts(figure)


def test_contours_of_other_parameters_and_missing_points():
    grid = made_grid(names=("2:TBabs.nH", "powerlaw.PhoIndex"), units=("10^22", ""))
    statistic = grid.statistic.copy()
    statistic[20:, 30:] = np.nan
    figure = plot.contour(dataclasses.replace(grid, statistic=statistic), confidence=(0.5, 0.7, 0.8, 0.9, 0.95, 0.99))
    words = texts(figure)
    assert "TBabs nH (group 2, 10^22)" in words
    assert len(regions(figure.axes[0])) == 6


def test_contour_errors():
    grid = made_grid()
    with pytest.raises(DataError, match="no point"):
        plot.contour(dataclasses.replace(grid, statistic=np.full_like(grid.statistic, np.nan)))
    with pytest.raises(DataError, match="probabilities"):
        plot.contour(grid, confidence=(90,))
    with pytest.raises(DataError, match="angle in degrees"):
        plot.contour(dataclasses.replace(grid, units=("", "")), polar=True)
    three = dataclasses.replace(
        grid,
        axes=(*grid.axes, np.arange(2.0)),
        names=("a", "b", "c"),
        statistic=np.stack([grid.statistic] * 2, -1),
        parameters=np.stack([grid.parameters] * 2, -2),
    )
    with pytest.raises(DataError, match="3 axes"):
        plot.contour(three)


# -- files and manners ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "head"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_save(tmp_path, kind, head):
    figure = plot.contour(made_grid())
    path = plot.save(figure, tmp_path / f"figure.{kind}")
    assert path.read_bytes().startswith(head)
    with pytest.raises(OutputError, match="exists"):
        plot.save(figure, path)
    before = path.read_bytes()
    plot.save(figure, path, overwrite=True)
    assert path.read_bytes() == before  # the same figure gives the same file
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_save_errors(tmp_path, monkeypatch):
    figure = plot.contour(made_grid())
    with pytest.raises(OutputError, match=r"\.png"):
        plot.save(figure, tmp_path / "figure.docx")
    with pytest.raises(OutputError, match="no format"):
        plot.save(figure, tmp_path / "figure")
    with pytest.raises(OutputError):
        plot.save(figure, tmp_path / "missing" / "figure.png")

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OutputError, match="No space left"):
        plot.save(figure, tmp_path / "figure.png")
    assert list(tmp_path.iterdir()) == []


def test_type_is_never_too_small(fit):
    """Tick labels and axis labels have 9 points or more at the size the figure is made for."""
    for figure in (
        plot.spectrum(fit),
        plot.polarisation(fit, 6),
        plot.contour(made_grid()),
        plot.light_curve(made_curve()),
    ):
        figure.draw_without_rendering()
        for axes in figure.axes:
            for text in (*axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label, axes.yaxis.label):
                assert text.get_fontsize() >= 9


def test_nothing_is_cut_off(fit):
    """All words lie inside the figure."""
    from matplotlib.text import Text

    figures = [
        plot.spectrum(fit),
        plot.polarisation(fit, 6),
        plot.contour(made_grid(), mdp=0.04),
        plot.contour(made_grid(), mdp=0.04, polar=True),
        plot.contour(made_grid(90.0), polar=True, title="Title"),
        plot.stokes_plane(made_cube(3)),
        plot.image(made_image(), {"source": parse_regions('fk5\ncircle(150.0, 20.0, 36")')}, title="Title"),
        plot.light_curve(made_curve()),
    ]
    for figure in figures:
        figure.draw_without_rendering()
        width, height = figure.canvas.get_width_height()
        for text in figure.findobj(Text):
            axes = text.axes
            if not text.get_visible() or not text.get_text().strip():
                continue
            box = text.get_window_extent()
            inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1
            in_view = axes is None or inside or not _is_drawn(text, axes)
            assert in_view, (text.get_text(), box, (width, height))


def _is_drawn(text, axes) -> bool:
    """Whether matplotlib draws a tick label (it keeps some outside the limits of the axis)."""
    for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if text in (tick.label1, tick.label2):
                return min(low, high) <= tick.get_loc() <= max(low, high)
    return True


def test_figures_are_registered_by_name():
    data = {"spectrum", "polarisation", "contour", "stokes_plane", "image", "light_curve"}
    data |= {"source_view", "sample_view", "profile_fit", "detections", "encircled", "radial_profile"}
    assert set(plot.FIGURES) == data | {"corner", "trace"}
    assert all(getattr(plot, name) is function for name, function in plot.FIGURES.items())


def test_drawing_leaves_nothing_behind():
    """matplotlib only when drawing; pyplot never; its settings as they were."""
    code = """
import sys
import wolter.plot
assert "matplotlib" not in sys.modules
from wolter.data import LightCurve
figure = wolter.plot.light_curve(LightCurve(time=[0, 1, 2], rate=[1, 2, 3], error=[1, 1, 1]))
import matplotlib
before = matplotlib.rcParams.copy()
import tempfile, pathlib
wolter.plot.save(figure, pathlib.Path(tempfile.mkdtemp()) / "a.pdf")
assert matplotlib.rcParams.copy() == before
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, env={"PATH": "/usr/bin:/bin", "MPLCONFIGDIR": "/tmp"})
