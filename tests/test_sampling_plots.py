"""Corner and trace plots show the samples they are given."""

from __future__ import annotations

import numpy as np
import pytest

from wolter.errors import DataError, ParameterError
from wolter.fit import Chain
from wolter.plot import corner, render, trace


def chain(walkers=8, steps=500, still=False) -> Chain:
    rng = np.random.default_rng(1)
    samples = rng.standard_normal((walkers, steps, 3)) * [0.1, 5.0, 1e-5] + [1.7, -60.0, 3e-4]
    samples[:, :, 2] = 3e-4
    if still:
        samples[:] = samples[:1, :1]
    return Chain(
        method="emcee",
        names=("powerlaw.PhoIndex", "polconst.psi", "powerlaw.norm"),
        units=("", "deg", ""),
        samples=samples,
        log_probability=np.zeros((walkers, steps)),
        acceptance=np.ones(walkers),
        autocorrelation=np.ones(3),
        burn=100,
        thin=2,
    )


def test_corner_has_a_panel_for_each_pair_that_varies():
    figure = corner(chain(), truth={"psi": -61.0})
    axes = figure.get_axes()
    assert len(axes) == 3
    assert [a.get_xlabel() for a in axes] == ["", "PhoIndex", "psi (deg)"]
    assert axes[1].get_ylabel() == "psi (deg)"
    low, high = axes[2].get_xlim()
    assert -80 < low < -70
    assert -50 < high < -40
    # the contours are where the 68 and 95 % of two normal variables are: radii 1.51 and 2.45 sigma
    lines = [c for c in axes[1].collections if not c.get_facecolor().size]
    points = np.concatenate([s for c in lines for p in c.get_paths() for s in p.to_polygons(closed_only=False)])
    radius = np.hypot((points[:, 0] - 1.7) / 0.1, (points[:, 1] + 60) / 5.0)
    assert radius.max() == pytest.approx(2.45, rel=0.25)
    assert radius.min() == pytest.approx(1.51, rel=0.25)
    assert axes[2].get_title().startswith("$-60")
    assert render(figure, "png").startswith(b"\x89PNG")


def test_trace_shows_the_steps_that_were_kept():
    figure = trace(chain())
    axes = figure.get_axes()
    assert len(axes) == 2
    assert axes[1].get_xlim() == (100, 100 + 2 * 499)
    median = axes[0].lines[-1]
    np.testing.assert_allclose(median.get_ydata(), np.median(chain().samples[:, :, 0], axis=0))
    single = trace(chain(walkers=1), names=["psi"])
    assert single.get_axes()[0].get_xlabel() == "sample"


def test_mistakes():
    with pytest.raises(DataError, match="no parameter of the chain varies"):
        corner(chain(still=True))
    with pytest.raises(ParameterError, match="no parameter 'kT'"):
        trace(chain(), names=["kT"])
