"""Results offer their figures by name, and only then is matplotlib imported."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from wolter.fit import Grid


def _grid():
    x, y = np.linspace(0, 1, 5), np.linspace(0, 2, 4)
    z = 10 + (x[:, None] - 0.5) ** 2 * 40 + (y - 1) ** 2 * 10
    points = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)
    names = ("a.x", "b.y")
    return Grid(names, ("", ""), (x, y), z, 10.0, names, points, np.ones((5, 4), bool))


def test_figure_of_a_result():
    from matplotlib.figure import Figure

    assert isinstance(_grid().plot.contour(title="t"), Figure)
    assert isinstance(_grid().plot(), Figure)
    assert dir(_grid().plot) == ["contour"]
    assert "5 x 4 points over a.x, b.y" in repr(_grid())


def test_unknown_figure_is_named():
    with pytest.raises(AttributeError, match=r"Grid has no figure 'spectrum' \(it has contour\)"):
        _ = _grid().plot.spectrum


def test_nothing_is_imported_before_a_figure_is_drawn():
    code = "import sys, wolter.fit; wolter.fit.Fit.plot; wolter.fit.Grid.plot; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
