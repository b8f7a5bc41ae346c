"""Shapes are folded through a response no more often than they change."""

from __future__ import annotations

import numpy as np
import pytest

from fit_support import counts
from wolter.fit import Fit
from wolter.fit.dataset import FoldJob
from wolter.models import Model


@pytest.fixture
def folded(monkeypatch):
    """How many rows have been folded."""
    total = [0]
    whole = FoldJob.fold

    def count(self, flux):
        total[0] += int(np.prod(flux.shape[:-1]))
        return whole(self, flux)

    monkeypatch.setattr(FoldJob, "fold", count)
    return total


@pytest.fixture
def fit():
    truth = Model("powerlaw+bbodyrad", PhoIndex=2.0, kT=1.2)
    one = Fit([counts(truth, exposure=1e4, seed=5)], "powerlaw+bbodyrad", statistic="cstat")
    one.run()
    return one


def test_grid_in_which_only_norms_are_left(fit, folded):
    """Both shapes of each point once in the search, once more when neighbours lend their norms."""
    axes = {"powerlaw.PhoIndex": np.linspace(1.5, 2.5, 12), "bbodyrad.kT": np.linspace(0.8, 1.6, 12)}
    grid = fit.grid(axes)
    assert grid.converged.all()
    assert folded[0] < 2 * 144 * 3
    # each point is the minimum that a fit of its own finds
    for i, j in ((0, 0), (3, 7), (11, 11)):
        alone = Fit(fit.spectra, "powerlaw+bbodyrad", statistic="cstat")
        for name, values, k in zip(axes, axes.values(), (i, j), strict=True):
            alone.set(name, values[k], frozen=True)
        assert grid.statistic[i, j] == pytest.approx(alone.run().statistic, abs=1e-3)


def test_grid_with_a_shape_left(fit):
    """The index is fitted at each temperature: its derivative is made, the other's is not needed."""
    temperatures = np.linspace(0.8, 1.6, 5)
    grid = fit.grid({"bbodyrad.kT": temperatures})
    for k, kt in enumerate(temperatures):
        alone = Fit(fit.spectra, "powerlaw+bbodyrad", statistic="cstat")
        alone.set("bbodyrad.kT", kt, frozen=True)
        assert grid.statistic[k] == pytest.approx(alone.run().statistic, abs=1e-3)


def test_derivatives_by_some_parameters_are_those_of_all(fit):
    likelihood = fit.likelihood
    point = np.array([[1.9, 0.9, 1.3, 0.8], [2.1, 1.1, 1.1, 1.2]])
    for scheme in ("forward", "xspec"):
        whole = likelihood.derivatives(point, scheme=scheme)
        for active in ([1, 3], [0], [2, 3]):
            some = likelihood.derivatives(point, active=active, scheme=scheme)
            np.testing.assert_allclose(some.beta[:, active], whole.beta[:, active], rtol=1e-9)
            np.testing.assert_allclose(some.statistic, whole.statistic, rtol=1e-12)
