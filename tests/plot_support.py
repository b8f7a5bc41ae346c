"""What is drawn in a figure, and made-up products to draw."""

from __future__ import annotations

import numpy as np

from wolter import fits
from wolter.data import Image, LightCurve
from wolter.makers.polarisation import PolarisationCube


def texts(figure) -> str:
    """All words of a figure."""
    from matplotlib.text import Text

    figure.draw_without_rendering()
    return " | ".join(t.get_text() for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible())


def points(axes) -> list[np.ndarray]:
    """x, y of every set of points with error bars."""
    return [np.array(c[0].get_xydata()) for c in axes.containers]


def bars(axes, index: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Half-lengths of the error bars in x and y."""
    x, y = (np.array(b.get_segments()) for b in axes.containers[index][2])
    return 0.5 * (x[:, 1, 0] - x[:, 0, 0]), 0.5 * (y[:, 1, 1] - y[:, 0, 1])


def line(axes, label: str) -> np.ndarray:
    return np.array(next(item for item in axes.get_lines() if item.get_label() == label).get_xydata())


def made_cube(number: int = 1) -> PolarisationCube:
    n = np.arange(1, number + 1)
    return PolarisationCube(
        energy_lo=1.0 + n,
        energy_hi=2.0 + n,
        energy_mean=1.5 + n,
        counts=1000 * n,
        mu=np.full(number, 0.3),
        i=1000.0 * n,
        q=60.0 * n,
        u=-80.0 * n,
        w2=1000.0 * n,
    )


def made_image() -> Image:
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 50.5, "CRPIX2": 40.5, "CRVAL1": 150.0})
    header.update(
        {"CRVAL2": 20.0, "CDELT1": -0.002, "CDELT2": 0.002, "CUNIT1": "deg", "CUNIT2": "deg", "BUNIT": "count"}
    )
    data = np.zeros((80, 100))
    data[39, 49] = 500
    data[10:70, 20:80] += np.random.default_rng(0).poisson(0.5, (60, 60))
    return Image(data=data, header=header)


def made_curve(**changes) -> LightCurve:
    n = 30
    rng = np.random.default_rng(5)
    values = {
        "time": 100.0 * np.arange(n),
        "rate": rng.uniform(1, 2, n),
        "error": np.full(n, 0.1),
        "fracexp": np.where(np.arange(n) % 10 == 9, 0.05, 1.0),
        "timezero": 1e8,
        "timedel": 100.0,
        "header": fits.Header({"MJDREFI": 51910, "MJDREFF": 0.0, "TIMESYS": "TT", "DETNAM": "DU1"}),
    }
    return LightCurve(**(values | changes))
