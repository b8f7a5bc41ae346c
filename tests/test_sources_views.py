"""Pictures of sources: what is drawn, and where."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.visualization import AsinhStretch, LinearStretch

from wolter import plot
from wolter.errors import DataError
from wolter.sources import ClusterSample, GalaxyCluster, Library, Source

CLUSTER = SkyCoord(149.59209, -11.05972, unit="deg")


@pytest.fixture(scope="module")
def library(shared, tmp_path_factory):
    made = Library(tmp_path_factory.mktemp("library"))
    made.add(shared("xmm", "a907_0404910601"))
    return made


@pytest.fixture(scope="module")
def cluster(library):
    return GalaxyCluster(CLUSTER, library, name="A907", redshift=0.16, r500=1200 * u.kpc)


def test_view_marks_the_source_and_its_radius(cluster, tmp_path):
    figure = cluster.plot.source_view("0404910601", "PN")
    axes = figure.axes[0]
    x, _ = cluster.rate_map("0404910601", "PN").pixel(CLUSTER)
    crosses = [line for line in axes.lines if line.get_linewidth() == 0.7]
    assert {round(float(np.ravel(line.get_xdata())[0]), 6) for line in crosses} >= {round(x - 1, 6)}
    # The window is 1.2 radii of 1200 kpc around it, cut at nothing here.
    low, high = axes.get_xlim()
    assert (high - low) * 4.35 == pytest.approx(2 * 1.2 * 1200 / 2.757, rel=2e-3)
    # The bar of 500 kpc is 500/2.757 arcsec long.
    texts = [t.get_text() for t in axes.texts]
    assert texts == ["500 kpc"]
    bar = next(line for line in axes.lines if line.get_linewidth() == 1.8)
    assert np.ptp(bar.get_xdata()) * 4.35 == pytest.approx(500 / 2.757, rel=2e-3)
    plot.save(figure, tmp_path / "view.png")
    assert (tmp_path / "view.png").stat().st_size > 20_000


def test_masked_view_shows_nothing_outside(cluster):
    shown = np.asarray(cluster.plot.source_view("0404910601", "PN", mask=True).axes[0].images[0].get_array())
    rates = cluster.rate_map("0404910601", "PN")
    keep = cluster.mask(1200 * u.kpc, rates.grid, obsid="0404910601")
    np.testing.assert_array_equal(shown, np.where(keep, rates.data, 0.0))


@pytest.mark.parametrize("stretch", ["log", "sqrt", "linear", "asinh", LinearStretch(), AsinhStretch()])
def test_stretches(cluster, stretch):
    assert cluster.plot.source_view("0404910601", "PN", stretch=stretch).axes


def test_panels_of_a_sample(library):
    positions = SkyCoord([149.59209, 10.0], [-11.05972, 40.0], unit="deg")
    sample = ClusterSample(positions, library, names=["A907", "far"], redshift=[0.16, 0.2], r500=[1200, 900] * u.kpc)
    figure = sample.plot()
    assert [a.get_title() for a in figure.axes] == ["A907", "far"]
    assert "no observation" in figure.axes[1].texts[0].get_text().replace("\n", " ")


def test_what_cannot_be_drawn(cluster, library):
    with pytest.raises(DataError, match="no radius to mask by"):
        Source(CLUSTER, library).plot.source_view(mask=True)
    with pytest.raises(DataError, match="scale bar"):
        cluster.plot.source_view("0404910601", "PN", scale_bar=(3 * u.deg, "3 deg"))
    rates = cluster.rate_map("0404910601", "PN")
    with pytest.raises(DataError, match="mask has the shape"):
        rates.plot.image(mask=np.ones((3, 3), bool))
    with pytest.raises(DataError, match="leaves no counts"):
        rates.plot.image(mask=np.zeros(rates.shape, bool))
    with pytest.raises(DataError, match="part of the image to be shown is empty"):
        rates.plot.image(window=(900, 950, 1, 10))
    with pytest.raises(DataError, match="stretch 'cubic'"):
        rates.plot.image(stretch="cubic")
