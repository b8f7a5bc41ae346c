"""Figures of the Stokes plane, images and light curves: the numbers are what is drawn, with labels."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import chi2

from plot_support import bars, line, made_cube, made_curve, made_image, points, texts
from wolter import fits, plot
from wolter.data import Image
from wolter.errors import DataError
from wolter.sky import parse_regions

# -- Stokes plane -----------------------------------------------------------------------------------------------------


def test_stokes_plane():
    cube = made_cube()
    figure = plot.stokes_plane(cube)
    axes = figure.axes[0]
    assert line(axes, "2–3 keV").tolist() == [[pytest.approx(0.06), pytest.approx(-0.08)]]
    assert axes.get_aspect() == 1
    coloured = [item for item in axes.get_lines() if len(item.get_xdata()) == 181 and item.get_color() == "#0072B2"]
    covariance = cube.covariance[0]
    for item, c in zip(coloured, (0.6827, 0.90, 0.99), strict=True):
        offset = np.asarray(item.get_xydata()) - [0.06, -0.08]
        distance = np.einsum("ni,ij,nj->n", offset, np.linalg.inv(covariance), offset)
        np.testing.assert_allclose(distance, chi2.ppf(c, 2), rtol=1e-9)
    circle = line(axes, "MDP99")
    np.testing.assert_allclose(np.hypot(*circle.T), float(cube.mdp99[0]))
    words = texts(figure)
    assert all(w in words for w in ("Q / I", "U / I", "MDP99", "68.3 %", "99 %"))
    several = texts(plot.stokes_plane(made_cube(3)))
    assert "68.3 % regions" in several
    assert "4–5 keV" in several
    with pytest.raises(DataError, match="no energy bin"):
        plot.stokes_plane(dataclasses.replace(cube, i=np.zeros(1)))


# -- images -----------------------------------------------------------------------------------------------------------


def test_image_shows_pixels_on_the_sky():
    picture = made_image()
    region = parse_regions('fk5\ncircle(150.0, 20.0, 36")\n')
    figure = plot.image(picture, {"source": region}, title="Field")
    axes = figure.axes[0]
    np.testing.assert_array_equal(np.asarray(axes.images[0].get_array()), picture.data)
    # The circle: 36" are 5 pixels, around the reference pixel, which is (49.5, 39.5) of the axes.
    outline = np.asarray(axes.get_lines()[0].get_xydata())
    np.testing.assert_allclose(np.hypot(outline[:, 0] - 49.5, outline[:, 1] - 39.5), 5.0, rtol=1e-4)
    # The axes' own transformation to the sky, which is astropy's
    sky = axes.wcs.pixel_to_world_values(49.5, 39.5)
    np.testing.assert_allclose(sky, (150.0, 20.0), atol=1e-9)
    words = texts(figure)
    assert all(w in words for w in ("Counts per pixel", "source", "Field"))
    labels = [axes.coords[i].get_axislabel() for i in (0, 1)]
    assert labels == ["Right ascension (J2000)", "Declination (J2000)"]
    # All events (columns 20 to 79, rows 10 to 69) with a small margin, not the empty border.
    assert axes.get_xlim() == pytest.approx((19.5 - 2.4, 79.5 + 2.4))
    assert axes.get_ylim() == pytest.approx((9.5 - 2.4, 69.5 + 2.4))


def test_image_options():
    picture = made_image()
    region = parse_regions('fk5\ncircle(150.0, 20.0, 36")\n-circle(150.0, 20.0, 18")\n')
    figure = plot.image(picture, [region], zoom=2.0, smooth=1.0, stretch="sqrt")
    axes = figure.axes[0]
    assert axes.get_xlim() == pytest.approx((39.5, 59.5), abs=0.01)
    assert sorted({item.get_linestyle() for item in axes.get_lines()}) == ["-", "--"]
    smoothed = np.asarray(axes.images[0].get_array())
    assert smoothed.sum() == pytest.approx(picture.data.sum(), rel=1e-3)
    assert smoothed.max() < picture.data.max()
    assert plot.image(picture, stretch="linear", vmax=3.0).axes[0].images[0].norm.vmax == 3.0
    peak = plot.image(picture, zoom=4.0).axes[0].get_xlim()
    assert np.mean(peak) == pytest.approx(49.0)
    plain = Image(data=picture.data)
    assert "X (pixel)" in texts(plot.image(plain))
    with pytest.raises(DataError, match="log, sqrt, asinh or linear"):
        plot.image(picture, stretch="cubic")
    with pytest.raises(DataError, match="no counts"):
        plot.image(Image(data=np.zeros((4, 4))))
    with pytest.raises(DataError, match="zoom"):
        plot.image(picture, region, zoom=-1.0)
    with pytest.raises(DataError, match="scale of colours"):
        plot.image(picture, vmin=5.0, vmax=5.0)


@pytest.mark.parametrize(
    ("text", "distance"),
    [
        ("image\nannulus(50,50,10,20)", lambda r, p: np.isclose(r, 10, atol=0.02) | np.isclose(r, 20, atol=0.02)),
        ("image\npie(50,50,10,20,30,60)", lambda r, p: np.isclose(r, 10, atol=0.1) | np.isclose(r, 20, atol=0.1)
         | np.isclose(p, 30, atol=0.5) | np.isclose(p, 60, atol=0.5)),
        ("image\nbox(50,50,20,20,0)", lambda r, p: (r >= 10 - 1e-9) & (r <= 14.15)),
    ],
)  # fmt: skip
def test_outlines_follow_the_shapes(text, distance):
    from wolter.plot._outlines import outlines

    lines = list(outlines(parse_regions(text).to_pixel()))
    assert lines
    for points_, excluded in lines:
        assert not excluded
        r = np.hypot(points_[:, 0] - 50, points_[:, 1] - 50)
        p = np.degrees(np.arctan2(points_[:, 1] - 50, points_[:, 0] - 50))
        assert distance(r, p).all()
        np.testing.assert_allclose(points_[0], points_[-1])


# -- light curves -----------------------------------------------------------------------------------------------------


def test_light_curve():
    curve = made_curve()
    figure = plot.light_curve(curve)
    (xy,) = points(figure.axes[0])
    np.testing.assert_allclose(xy, np.c_[curve.time + 50.0, curve.rate])
    np.testing.assert_allclose(bars(figure.axes[0])[1], curve.error)
    words = texts(figure)
    mjd = 51910 + (1e8 - 50) / 86400
    assert f"Time since MJD {mjd:.5f} TT (s)" in words
    assert "Rate (count s$^{-1}$)" in words
    (kept,) = points(plot.light_curve(curve, min_exposure=0.5).axes[0])
    assert len(kept) == 27
    several = plot.light_curve({"one": curve, "two": made_curve(timezero=1e8 + 1e5)}, title="Both")
    first, second = points(several.axes[0])
    assert second[0, 0] - first[0, 0] == pytest.approx(100.0)  # ks
    assert all(w in texts(several) for w in ("one", "two", "(ks)", "Both"))
    unknown = made_curve(header=fits.Header())
    assert "mission time" in texts(plot.light_curve([unknown]))


def test_light_curve_errors():
    with pytest.raises(DataError, match="no light curve"):
        plot.light_curve([])
    with pytest.raises(DataError, match="Lower min_exposure"):
        plot.light_curve(made_curve(fracexp=np.zeros(30)))


def test_notebooks_show_figures_without_pyplot():
    """IPython draws figures once pyplot is imported; ours bring their picture along."""
    code = """
import io, sys, numpy as np
from IPython.core.formatters import DisplayFormatter
from PIL import Image as Picture
from wolter import plot
from wolter.data import Image, LightCurve
figures = [plot.image(Image(data=np.eye(9)))]
figures += [plot.light_curve(LightCurve(time=np.arange(3.0), rate=np.ones(3), error=np.ones(3)))]
for figure in figures:
    data, _ = DisplayFormatter().format(figure)
    size = Picture.open(io.BytesIO(data["image/png"])).size
    assert size == tuple(int(v) for v in figure.get_size_inches() * figure.dpi), size
assert "matplotlib.pyplot" not in sys.modules
"""
    pytest.importorskip("IPython")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
